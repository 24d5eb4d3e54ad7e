"""Machine code on disk. It is run as it is found: so only what this user wrote, and nobody else can, is believed."""
from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from pathlib import Path

LARGEST = 2**26  # bytes of all code that is kept; what was not used for longest goes first
_DIGEST = hashlib.sha256().digest_size


def folder() -> Path:
    """Where code is kept unless another place is named."""
    from tinygrad_course.files import cache_dir

    return Path(cache_dir()) / "compiled"


def contents(place: Path | None = None) -> list[tuple[Path, os.stat_result]]:
    """The files of code that are kept, with their sizes and times; the one that was used last comes last."""
    found = []
    with contextlib.suppress(OSError), os.scandir(folder() if place is None else place) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry.name.endswith(".o") and entry.is_file(follow_symlinks=False):
                    found.append((Path(entry.path), entry.stat(follow_symlinks=False)))
    return sorted(found, key=lambda one: one[1].st_mtime)


class CachedCode:
    """One file of machine code. What is damaged, half written or somebody else's is not used.

    key: everything on which the code depends. It is part of the digest in the file: code that was put under the name
    of another is not used either.
    """

    def __init__(self, place: Path | None, key: str):
        self.folder = folder() if place is None else place
        self.key = key
        self.file = self.folder / f"{key}.o"

    def read(self) -> bytes | None:
        try:
            if not _is_private(self.folder):
                return None
            descriptor = os.open(self.file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
            with os.fdopen(descriptor, "rb") as stream:
                status = os.fstat(descriptor)
                if not stat.S_ISREG(status.st_mode) or not _is_own(status) or status.st_size > LARGEST:
                    return None
                content = stream.read()
            os.utime(self.file)  # used just now
        except OSError:
            return None
        digest, code = content[:_DIGEST], content[_DIGEST:]
        return code if self.digest(code) == digest else None

    def write(self, code: bytes) -> None:
        from tinygrad_course.files import replace_atomically
        if not self.file.is_absolute():  # the home of nobody: there would be a folder called "~"
            return
        with contextlib.suppress(OSError, ValueError):  # no writable folder: it is compiled again next time
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _is_private(self.folder):
                with replace_atomically(self.file) as temporary:
                    temporary.chmod(0o600)
                    temporary.write_bytes(self.digest(code) + code)
                self.make_room()

    def digest(self, code: bytes) -> bytes:
        return hashlib.sha256(self.key.encode() + code).digest()

    def make_room(self) -> None:
        kept = contents(self.folder)
        total = sum(status.st_size for _, status in kept)
        for file, status in kept:
            if total <= LARGEST:
                return
            if file != self.file:
                file.unlink(missing_ok=True)
                total -= status.st_size


def _is_private(place: Path) -> bool:
    """Whether the folder is this user's and nobody else can write in it. One that others can read is closed to them."""
    status = place.stat()
    if not stat.S_ISDIR(status.st_mode) or not _is_own(status):
        return False
    if hasattr(os, "getuid") and stat.S_IMODE(status.st_mode) != 0o700:
        place.chmod(0o700)
    return True


def _is_own(status: os.stat_result) -> bool:
    return not hasattr(os, "getuid") or (status.st_uid == os.getuid() and not status.st_mode & 0o022)
