"""Files appear whole or not at all: exceptions, full disks, and processes that are killed."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tinygrad_course.errors import InputError
from tinygrad_course.files import replace_atomically


def write(path: Path, text: str) -> None:
    with replace_atomically(path) as temporary:
        temporary.write_text(text)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "file.txt"
    path.write_text("old")
    return path


def only_old_is_left(old: Path) -> bool:
    return old.read_text() == "old" and os.listdir(old.parent) == [old.name]


def test_new_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write(path, "first")
    assert path.read_text() == "first"
    write(path, "second")
    assert path.read_text() == "second"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_old_file_is_there_until_the_end_of_the_block(old: Path) -> None:
    with replace_atomically(old) as temporary:
        temporary.write_text("new")
        assert old.read_text() == "old"
        assert temporary.parent == old.parent and temporary.suffix == ".txt"
    assert old.read_text() == "new"


def test_names_are_accepted_as_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with replace_atomically("file.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "file.txt").read_text() == "new"


def test_two_writers_do_not_meet(old: Path) -> None:
    with replace_atomically(old) as first, replace_atomically(old) as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert old.read_text() == "first"  # its block ended last
    assert os.listdir(old.parent) == [old.name]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(), ValueError("x"), OSError("x"),
                                   FileNotFoundError(errno.ENOENT, "another file")])
def test_exception_keeps_the_old_file_and_passes_unchanged(old: Path, error: BaseException) -> None:
    with pytest.raises(type(error)) as raised, replace_atomically(old) as temporary:
        temporary.write_text("half")
        raise error
    assert raised.value is error
    assert only_old_is_left(old)


def test_full_disk_while_writing(old: Path) -> None:
    with pytest.raises(OSError, match="file.txt: cannot be written: the disk is full: make room") as raised, \
            replace_atomically(old) as temporary:
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert raised.value.errno == errno.ENOSPC
    assert "\n" not in str(raised.value)
    assert only_old_is_left(old)


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_failure_at_the_end(old: Path, monkeypatch: pytest.MonkeyPatch, function: str) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, function, full)
    with pytest.raises(OSError, match="the disk is full"):
        write(old, "new")
    monkeypatch.undo()
    assert only_old_is_left(old)


def test_a_folder_that_cannot_be_flushed_does_no_harm(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync = os.fsync

    def only_files(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", only_files)
    write(old, "new")
    assert old.read_text() == "new"


@pytest.mark.skipif(sys.platform == "win32", reason="limits on the size of files exist on Unix")
def test_real_limit_on_the_size_of_files(old: Path) -> None:
    program = f"""
import resource
from tinygrad_course.files import replace_atomically
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
with replace_atomically({str(old)!r}) as temporary:
    temporary.write_bytes(bytes(1_000_000))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60,
                          cwd=old.parent)
    assert done.returncode == 1
    assert f"{old}: cannot be written: the file is larger than is allowed here" in done.stderr
    assert only_old_is_left(old)


def test_killed_in_the_middle_of_writing(old: Path) -> None:
    program = f"""
import sys, time
from tinygrad_course.files import replace_atomically
with replace_atomically({str(old)!r}) as temporary, temporary.open("w") as file:
    file.write("half of the new")
    file.flush()
    print("writing", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True,
                          cwd=old.parent) as process:
        assert process.stdout is not None and process.stdout.readline() == "writing\n"
        process.kill()
    assert old.read_text() == "old"
    write(old, "new")  # what was left behind is not in the way
    assert old.read_text() == "new"


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no folder .*none: make it first"):
        write(tmp_path / "none" / "file.txt", "new")


def test_path_through_a_file(old: Path) -> None:
    with pytest.raises(NotADirectoryError, match="file.txt is not a folder: choose another place"):
        write(old / "file.txt", "new")
    assert only_old_is_left(old)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_folder_that_cannot_be_written(old: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    # The system's answer is simulated: an administrator, as whom tests often run, may write anywhere.
    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OSError, match="file.txt: cannot be written: .*: choose another one") as raised:
        write(old, "new")
    monkeypatch.undo()
    assert isinstance(raised.value, PermissionError) == (number == errno.EACCES)
    assert only_old_is_left(old)


def test_protected_file(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PermissionError, match="file.txt: the file is protected: choose another name"):
        write(old, "new")
    assert only_old_is_left(old)


def test_folder_device_and_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="this is a folder: give the name of a file in it"):
        write(tmp_path, "new")
    with pytest.raises(InputError, match="not an ordinary file"):
        write(Path(os.devnull), "new")
    with pytest.raises(InputError, match="is empty: give one"), replace_atomically(""):
        pass
    assert os.listdir(tmp_path) == []


def test_longest_name(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 251 + ".txt")
    write(path, "new")
    assert path.read_text() == "new"
    with pytest.raises(OSError, match="the name is too long"):
        write(tmp_path / ("n" * 252 + ".txt"), "new")
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of Unix")
def test_permissions(old: Path) -> None:
    old.chmod(0o640)
    write(old, "new")
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    before = os.umask(0o022)
    try:
        write(old.with_name("new.txt"), "new")
    finally:
        os.umask(before)
    assert stat.S_IMODE(old.with_name("new.txt").stat().st_mode) == 0o644


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_link_stays_a_link(old: Path) -> None:
    link = old.with_name("link.txt")
    link.symlink_to(old)
    write(link, "new")
    assert link.is_symlink() and old.read_text() == "new"
