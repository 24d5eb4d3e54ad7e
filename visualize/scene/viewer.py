"""Pictures shown: in the notebook, or by the program with which this computer opens such files."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any


PATIENCE = 3.0  # seconds that a program may take to refuse


def running_shell() -> Any:
    """IPython's shell, where there is one; None elsewhere."""
    ipython = sys.modules.get("IPython")  # what was not imported yet cannot be running
    return ipython.get_ipython() if ipython is not None else None


def is_notebook() -> bool:
    """Whether this runs in Jupyter or Colab, which show pictures, and not in a terminal."""
    return getattr(running_shell(), "kernel", None) is not None


def open_file(content: bytes, name: str, ending: str) -> Path:
    """Write a picture into a new file in the folder for temporary files, and open it as a double click would.

    Where no program can be started the line that is printed says where the file is. Returns its path; it stays there,
    as the program reads it later.
    """
    number, path = tempfile.mkstemp(ending, f"{name}-")
    with os.fdopen(number, "wb") as file:
        file.write(content)
    print(f"{'opened' if _open(path) else 'the picture is in'} {path}")
    return Path(path)


def _open(path: str) -> bool:
    if sys.platform == "win32":
        with suppress(OSError):
            os.startfile(path)
            return True
        return False
    opener = "open" if sys.platform == "darwin" else "xdg-open"
    has_screen = sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if not has_screen or shutil.which(opener) is None:
        return False
    status: list[int] = []

    def run() -> None:
        with suppress(OSError):
            status.append(subprocess.call([opener, path], start_new_session=True, stdin=subprocess.DEVNULL,
                                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    # It ends at once where it finds no program; some that it starts keep it waiting until they are closed.
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return thread.is_alive() or status == [0]
