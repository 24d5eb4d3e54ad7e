"""Writing files so that each appears whole or not at all, whatever happens meanwhile."""

import errno
import os
import secrets
import stat
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from tinygrad_course.errors import InputError

# What an OSError can mean when a file is written, and what to do about it.
_ADVICE = {
    errno.ENOENT: "there is no folder {folder}: make it first, or choose another one",
    errno.ENOTDIR: "{folder} is not a folder: choose another place",
    errno.EACCES: "the folder {folder} cannot be written: choose another one, or change its permissions",
    errno.EPERM: "the folder {folder} cannot be written: choose another one, or change its permissions",
    errno.EROFS: "{folder} is on a disk that can only be read: choose another one",
    errno.ENAMETOOLONG: "the name is too long: choose a shorter one",
    errno.ELOOP: "its links lead back to themselves: choose another name",
    errno.ENOSPC: "the disk is full: make room and try again",
    errno.EDQUOT: "your share of the disk is used up: make room and try again",
    errno.EFBIG: "the file is larger than is allowed here: choose another place, or raise the limit",
}


def expanded(path: str | os.PathLike[str]) -> Path:
    """The path with `~` as the home folder. Raises InputError for an empty one, and the home of nobody."""
    if not os.fspath(path):
        raise InputError("the name of the file or folder is empty: give one")
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise InputError(f"{os.fspath(path)}: there is no such user; write ./{os.fspath(path)} for a name that "
                         "begins so") from None


def open_ordinary(path: str | os.PathLike[str], expected: str) -> BinaryIO:
    """Open a file to be read; a device or a named pipe, which could be read for ever, is not even opened.

    expected: what the file should be, such as "an image", for the message.
    Raises FileNotFoundError, PermissionError, or InputError where this is not an ordinary file. All in one line.
    """
    file = expanded(path)
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            what = "a folder" if file.is_dir() else "a device or a pipe"
            raise InputError(f"{file}: not a file: expected {expected}, this is {what}")
        # Without waiting, and looked at again: it may have become a pipe meanwhile.
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise InputError(f"{file}: not a file: expected {expected}")
        return os.fdopen(descriptor, "rb")
    except FileNotFoundError:
        raise FileNotFoundError(f"{file}: no such file") from None
    except OSError as error:
        raise type(error)(f"{file}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{os.fspath(path)!r}: no name of a file: {error}") from None


@contextmanager
def replace_atomically(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary file to write; it takes the place of `path` when the `with` block ends.

    Until that moment, and after any exception (Ctrl-C too), the file that was at `path` stays as it was. The
    temporary file is in the same folder, has the same ending (a picture's format can be read from it) and is
    removed after an exception. Only where the process is killed does it stay, as `.name.<letters>.ending`,
    and disturbs nobody. A link at `path` stays a link: the file that it points to is replaced. Permissions
    are kept; a new file has the usual ones.

    Raises InputError where `path` is a folder or a device; PermissionError where it or its folder cannot be
    written; FileNotFoundError where the folder is missing; OSError where the disk is full. All in one line.
    """
    target, mode = _target(path)
    temporary = _name_beside(target)
    try:
        with _errors_explained(target):
            _create(temporary)
        # What else goes wrong in the block may be about any other file.
        with _errors_explained(target, only=(errno.ENOSPC, errno.EDQUOT, errno.EFBIG)):
            yield temporary
        with _errors_explained(target):
            if mode is not None:
                temporary.chmod(mode)
            _flush_to_disk(temporary)
            os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    # Some systems cannot open or flush a folder. The file itself is safe by now.
    with suppress(OSError):
        _flush_to_disk(target.parent, os.O_RDONLY)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise now what `replace_atomically` would raise later, before hours are spent on what should be written."""
    target, _ = _target(path)
    temporary = _name_beside(target)
    try:
        with _errors_explained(target):
            _create(temporary)
    finally:
        with suppress(OSError):
            temporary.unlink()


def _target(path: str | os.PathLike[str]) -> tuple[Path, int | None]:
    """The file to write, links followed, and the permissions of the one that is there."""
    target = Path(os.path.realpath(expanded(path)))
    with _errors_explained(target):
        mode = _mode_of(target)
    # Replacing needs no permission to write the old file, but whoever protected it wants it to stay.
    if mode is not None and not os.access(target, os.W_OK):
        raise PermissionError(f"{target}: the file is protected: choose another name, or change its "
                              "permissions")
    return target, mode


def _mode_of(target: Path) -> int | None:
    """The permissions of the file that will be replaced; None where there is none."""
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(mode):
        raise InputError(f"{target}: this is a folder: give the name of a file in it")
    if not stat.S_ISREG(mode):
        raise InputError(f"{target}: this is not an ordinary file: give another name")
    return stat.S_IMODE(mode)


def _name_beside(target: Path) -> Path:
    """The name of a file in the same folder that nobody else has."""
    # Cut off, so that a name that is just short enough gives one that is short enough too.
    return target.with_name(f".{target.stem[:40]}.{secrets.token_hex(8)}{target.suffix[:20]}")


def _create(file: Path) -> None:
    """Make an empty file. `tempfile` would make it private, for the user's eyes only."""
    os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))


def _flush_to_disk(path: Path, flags: int = os.O_RDWR) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _errors_explained(target: Path, only: Container[int] | None = None) -> Iterator[None]:
    """Make an OSError (one of `only` these numbers) say in one line what to do; it stays of the same kind."""
    try:
        yield
    except OSError as error:
        number = error.errno or errno.EIO
        if only is not None and number not in only:
            raise
        advice = _ADVICE.get(number, os.strerror(number)).format(folder=target.parent)
        explained = type(OSError(number, ""))(f"{target}: cannot be written: {advice}")
        explained.errno = number
        raise explained from error


def cache_dir() -> Path:
    """The user's cache folder of this package: the course's images or stand-ins, and compiled machine code."""
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("tinygrad_course"))
