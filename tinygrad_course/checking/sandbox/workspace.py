"""A throw-away copy of the folder that a learner's file is in.

What is small is copied, so that the learner's code can change it without harm. Large files, and what lies beside the
folder and above it, are links to the originals: they can be read, and Landlock forbids to write them. Where there is
no Landlock, nothing is linked; large files are copied up to a bound and the rest is not there.
"""
from __future__ import annotations

import contextlib
import os
import shutil
import stat
from pathlib import Path

SMALL = 256 * 2**10  # bytes of a file that is copied although it could be linked
LARGEST_COPY = 200 * 2**20  # bytes of a file that is copied because it cannot be linked
TOTAL = 50 * 2**20  # bytes of copies where what is more can be linked
ENTRIES = 2000  # files and folders that are looked at
DEPTH = 4  # folders inside folders
LEVELS = 2  # folders above that can be reached as ../ and ../../
SKIPPED = ("__pycache__", "node_modules", "site-packages")


def make(file: Path, folder: Path, links: bool) -> Path:
    """The copy of `file` in a copy of its folder, inside `folder`. Raises OSError where it cannot be read."""
    copy = _Copy(links)
    above = [one for one in (file.parent, *file.parent.parents)[:LEVELS + 1] if one.name]
    inside = folder.joinpath("copy", *(one.name for one in reversed(above)))
    inside.mkdir(parents=True)
    copied = inside / file.name
    shutil.copyfile(file, copied)
    copy.contents(file.parent, inside, DEPTH)
    if links:
        for below, parent in zip(above, above[1:]):
            inside = inside.parent
            copy.links_to_siblings(parent, below.name, inside)
    return copied


class _Copy:
    """Counts what was copied: a learner's file may lie in a folder with everything that a computer holds."""

    def __init__(self, links: bool):
        self.links = links
        self.entries = 0
        self.total = 0

    def contents(self, source: Path, target: Path, depth: int) -> None:
        for entry in self.listed(source):
            copy = target / entry.name
            if copy.exists():
                continue
            # A file that cannot be read is not there; the learner's code says so if it needs it.
            with contextlib.suppress(OSError):
                self.entry(Path(entry.path), copy, depth)

    def entry(self, original: Path, copy: Path, depth: int) -> None:
        status = original.stat()
        if stat.S_ISDIR(status.st_mode):
            if depth and not original.is_symlink():
                copy.mkdir()
                self.contents(original, copy, depth - 1)
            elif self.links:
                copy.symlink_to(original)
        elif stat.S_ISREG(status.st_mode):
            if self.links and (status.st_size > SMALL or self.total + status.st_size > TOTAL):
                copy.symlink_to(original)
            elif status.st_size <= LARGEST_COPY and self.total + status.st_size <= max(TOTAL, LARGEST_COPY):
                self.total += status.st_size
                shutil.copyfile(original, copy)

    def links_to_siblings(self, folder: Path, name: str, target: Path) -> None:
        for entry in self.listed(folder):
            if entry.name != name:
                with contextlib.suppress(OSError):
                    (target / entry.name).symlink_to(entry.path)

    def listed(self, folder: Path) -> list[os.DirEntry[str]]:
        """What is in a folder, without what is hidden or not the learner's own."""
        found = []
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                self.entries += 1
                if self.entries > ENTRIES:
                    break
                virtual = os.path.exists(os.path.join(entry.path, "pyvenv.cfg"))
                if not entry.name.startswith(".") and entry.name not in SKIPPED and not virtual:
                    found.append(entry)
        return found
