"""Pictures shown: in the notebook, or by the program with which this computer opens such files."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tinygrad_course.shell import display, is_notebook, running_shell

# ------------------------------------------------------------------------------------ every picture of a cell

MOST_PICTURES = 20  # that a cell shows by itself
_waiting: list[Any] = []  # pictures that this cell has made and not used yet
_watched: list[Any] = []  # the shell that tells when a cell has ended


def made(picture: Any) -> None:
    """In a notebook a picture appears when its cell has ended, as matplotlib's do, unless it was used before."""
    if not is_notebook():
        return
    shell = running_shell()
    if not _watched or _watched[0] is not shell:
        _watched[:] = [shell]
        shell.events.register("post_run_cell", _show_waiting)
    _waiting.append(picture)


def used(picture: Any) -> None:
    """It was shown, written or asked for its content, and need not appear by itself."""
    _waiting[:] = [one for one in _waiting if one is not picture]


def about_to_appear(picture: Any) -> None:
    """Called when a notebook asks for its content: as the result of a cell it comes after those made before it."""
    earlier = _waiting[:next((i for i, one in enumerate(_waiting) if one is picture), len(_waiting))]
    _waiting[:] = [one for one in _waiting[len(earlier):] if one is not picture]
    is_result = getattr(getattr(running_shell(), "displayhook", None), "msg", None)  # and not display(picture)
    if is_result:
        later, _waiting[:] = _waiting[:], []
        _show(earlier)
        _waiting[:] = later
    else:
        _waiting[:0] = earlier


def _show_waiting(*_: Any) -> None:
    pictures, _waiting[:] = _waiting[:], []
    _show(pictures)


def _show(pictures: Sequence[Any]) -> None:
    for picture in pictures[:MOST_PICTURES]:
        display(picture)
    if len(pictures) > MOST_PICTURES:
        print(f"{len(pictures) - MOST_PICTURES} more pictures were made; .show() shows one")


# ---------------------------------------------------------------------------------------------------- elsewhere

PATIENCE = 3.0  # seconds that a program may take to refuse


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
