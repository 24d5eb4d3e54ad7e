"""Hostile homework: what it leaves, what it may change, what is said of it; also when the check itself is killed."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

if sys.platform != "linux":
    pytest.skip("process trees are looked at in /proc", allow_module_level=True)

from homework import files  # noqa: E402
from tinygrad_course.checking import check_file  # noqa: E402
from tinygrad_course.checking.sandbox import process  # noqa: E402
from tinygrad_course.isolation import confinement  # noqa: E402

HOMEWORK = files()
MARK = "TGC_TEST_OF_HOMEWORK"
SAID = {  # of some, what has to be said
    "fork": "agrees on", "double fork": "agrees on", "fork that returns": "agrees on", "threads": "agrees on",
    "many files": "agrees on", "20 GB at once": "MemoryError", "memory bit by bit": "emory|did not end",
    "memory in children": "more than 800 MB of memory|did not end", "fork bomb": "more than 200 processes|did not end",
    "loop": "did not end within 1 second", "sleep": "did not end within 1 second", "crash": "SIGSEGV",
    "exit at once": "ended the whole process", "kill itself": "SIGKILL", "text that raises": "its text cannot be read",
    "10 MB of text": r"\(10,000,000 characters\)", "10^10000": "a whole number of 33,220 bits",
    "write into the channel": "written into the channel", "replace builtins": "", "abort": "SIGABRT",
    "import that crashes": "SIGSEGV", "no exception": r"\\x1b\]0;title",
}


def alive(mark: str) -> list[str]:
    """The processes that have our mark in their environment, or in the command that started them."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                text = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
                state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if mark.encode() in text and state != "Z":
                found.append(f"{folder.name} {text[-200:]!r}")
    return found


def gone(mark: str, temporary: Path, seconds: float = 20.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not alive(mark) and not [*temporary.iterdir()]:
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A folder with something to lose, and a mark by which every process of this test is found."""
    for name in ("homework", "temporary"):
        (tmp_path / name).mkdir()
    (tmp_path / "homework" / "large.bin").write_bytes(bytes(300_000))
    (tmp_path / "homework" / "notes.txt").write_text("mine")
    (tmp_path / "victim").write_text("mine")
    monkeypatch.setenv(MARK, str(tmp_path))
    monkeypatch.setenv("TGC_VICTIM", str(tmp_path / "victim"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and "temporary" not in path.parts)
    return {str(path): path.read_bytes() for path in files}


BOMBS = {"fork bomb", "shell bomb"}  # what doubles its processes without a pause


def test_there_are_enough() -> None:
    assert len(HOMEWORK) >= 60 and set(SAID) <= set(HOMEWORK)


@pytest.mark.slow
@pytest.mark.parametrize("what", HOMEWORK)
def test_nothing_is_left_and_nothing_is_changed(what: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if what in BOMBS and os.geteuid() == 0:
        pytest.skip("the system does not bound root's processes: everything else on the machine would suffer")
    monkeypatch.setattr(process, "IMPORTING", 2.0)
    file = place / "homework" / "learner.py"
    file.write_text(HOMEWORK[what])
    before = contents(place)
    report = check_file(file, time_limit=1)
    assert not alive(str(place)), what
    assert not [*(place / "temporary").iterdir()]
    protected = confinement.landlock_version() > 0
    assert contents(place) == before or (what in ("files of the tests", "overwrite large data") and not protected)
    text = report.text()
    assert len(text) < 20_000 and "\x1b" not in text and "Traceback" not in text
    if protected or what != "fork, then kill the parent":
        assert re.search(SAID.get(what, ""), text), text


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL, signal.SIGINT], ids=lambda n: n.name)
def test_the_command_is_killed(number: signal.Signals, place: Path) -> None:
    chance = random.Random(number)
    rounds = int(os.environ.get("TGC_HOSTILE", "4"))
    kinds = ["double fork", "fork without end", "loop", "popen in a new session", "sleep"]
    for what in chance.choices(kinds, k=rounds):
        file = place / "homework" / "learner.py"
        file.write_text(HOMEWORK[what])
        command = subprocess.Popen([sys.executable, "-m", "tinygrad_course", "check", str(file)], text=True,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=place)
        time.sleep(chance.uniform(0.1, 2.5))
        command.send_signal(number)
        _, said = command.communicate(timeout=60)
        temporary = place / "temporary"
        assert gone(str(place), temporary), f"{what}: {alive(str(place))}, {[*temporary.iterdir()]}"
        assert number != signal.SIGTERM or command.returncode in (0, 2, -15, 143), said
        assert file.read_text() == HOMEWORK[what]


def test_names_in_the_current_folder_are_not_imported(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("numpy", "h5py", "json", "tinygrad_course", "re"):
        (place / f"{name}.py").write_text("import os; open(os.environ['TGC_VICTIM'], 'w').write('ran')")
    file = place / "homework" / "learner.py"
    file.write_text(HOMEWORK["fork"])
    monkeypatch.chdir(place)
    assert check_file(file).exit_status == 0 and (place / "victim").read_text() == "mine"


@pytest.mark.parametrize("limit", ["inf", "nan", "-1", "0", "1e9"])
def test_time_limits_that_are_none(limit: str, place: Path) -> None:
    file = place / "homework" / "learner.py"
    file.write_text(HOMEWORK["threads"])
    done = subprocess.run([sys.executable, "-m", "tinygrad_course", "check", str(file), "--time-limit", limit],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "Traceback" not in done.stderr, done.stderr
