"""The notebooks of the course, put into a folder of the learner's."""
from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

from tinygrad_course.errors import InputError
from tinygrad_course.files import expanded, replace_atomically


def notebooks() -> dict[str, str]:
    """The course's notebooks, without outputs: from the name of the file to its text, in the course's order."""
    found = [entry for entry in files("tinygrad_course.notebooks").iterdir() if entry.name.endswith(".ipynb")]
    return {entry.name: entry.read_text(encoding="utf-8") for entry in sorted(found, key=lambda entry: entry.name)}


def write_notebooks(folder: str | os.PathLike[str]) -> tuple[Path, dict[str, str]]:
    """Put the notebooks into a folder, which is made if need be.

    A notebook that is there already is left as it is: somebody may have worked in it.
    Returns the folder, and for each file what became of it: "new", "as it was", or "kept: it was changed".
    Raises InputError or OSError, in one line, where the folder cannot be made or written.
    """
    target = expanded(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{target}: the folder cannot be made: {error.strerror}: choose another one") from None
    done = {}
    for name, text in notebooks().items():
        file = target / name
        if not os.path.lexists(file):
            with replace_atomically(file) as temporary:
                temporary.write_text(text, encoding="utf-8")
            done[name] = "new"
        else:
            done[name] = "as it was" if _text(file) == text else "kept: it was changed"
    return target, done


def _text(file: Path) -> str | None:
    """What stands in a file; None for what is no file with text."""
    try:
        return file.read_text(encoding="utf-8") if file.is_file() else None
    except (OSError, UnicodeDecodeError):
        return None


def open_notebooks(folder: Path) -> int:
    """Start JupyterLab in the folder; returns its exit status.

    Raises InputError where it is not installed, and says how to install it.
    """
    if importlib.util.find_spec("jupyterlab") is None:
        raise InputError(f"JupyterLab is not installed: pip install jupyterlab, then tgc notebooks {folder} --open. "
                         "VS Code and Colab open the notebooks as well")
    return subprocess.run([sys.executable, "-m", "jupyterlab", str(folder)]).returncode
