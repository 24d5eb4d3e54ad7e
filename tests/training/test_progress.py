"""The progress bar: there for a person at a terminal, and for nobody else."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from typing import Any

import pytest
import rich.progress

from tinygrad_course.training.progress import training_progress

TRAINING = """
import sys, time
from tinygrad_course import data, fit
from tinygrad_course.models import PlanarClassifier

progress = {"default": None, "on": True, "off": False}[sys.argv[1]]
fit(PlanarClassifier(), *data.planar("flower"), iterations=140, learning_rate=1.2, print_cost=20,
    callback=lambda i, model, cost: time.sleep(0.12), progress=progress)
print("done")
"""
LINES = [f"Cost after iteration {i}:" for i in range(0, 140, 20)] + ["done"]


def on_a_terminal(progress: str) -> tuple[str, float]:
    """What the training writes to a pseudo-terminal of 100 columns, and how long it took."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "CI")}
    start = time.monotonic()
    with subprocess.Popen([sys.executable, "-I", "-W", "error", "-c", TRAINING, progress], stdin=theirs, stdout=theirs,
                          stderr=theirs, env=environment | {"TERM": "xterm-256color"}) as process:
        os.close(theirs)
        written = b""
        try:
            while part := os.read(ours, 65536):
                written += part
        except OSError:  # how Linux tells that the other side is closed
            pass
        os.close(ours)
    assert process.returncode == 0, written.decode()
    return written.decode(), time.monotonic() - start


def screen(written: str) -> list[str]:
    """What a terminal shows in the end: a line is written over, erased, and the cursor moves up and down."""
    lines, row, column = [""], 0, 0
    for token in re.findall(r"\x1b\[[?\d;]*[A-Za-z]|\x1b.|[^\x1b]", written, re.DOTALL):
        if token == "\r":
            column = 0
        elif token == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif token.endswith("K") and token.startswith("\x1b["):
            assert token in ("\x1b[2K", "\x1b[K", "\x1b[0K"), token
            lines[row] = "" if token == "\x1b[2K" else lines[row][:column]
        elif token.endswith("A") and token.startswith("\x1b["):
            row -= int(token[2:-1] or 1)
            assert row >= 0
        elif token.startswith("\x1b"):
            assert token[-1] in "mhl", token  # colours, and whether the cursor is shown
        else:
            lines[row] = lines[row][:column].ljust(column) + token + lines[row][column + 1:]
            column += 1
    return [line.rstrip() for line in lines if line.strip()]


def assert_printed(lines: list[str]) -> None:
    assert [re.sub(r": 0\.\d{6}$", ":", line) for line in lines] == LINES


# ------------------------------------------------------------------------------------------ nobody looks on


@pytest.mark.parametrize("progress", ["default", "off"])
def test_a_pipe_gets_the_printed_lines_and_nothing_else(progress: str) -> None:
    run = subprocess.run([sys.executable, "-I", "-W", "error", "-c", TRAINING, progress], capture_output=True,
                         timeout=60)
    assert run.stderr == b"" and run.stdout.endswith(b"\ndone\n") and b"\x1b" not in run.stdout
    assert_printed(run.stdout.decode().split("\n")[:-1])


def test_no_bar_without_a_console(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)

    def refuse(*columns: Any, **settings: Any) -> None:
        raise AssertionError("a bar was made")

    monkeypatch.setattr(rich.progress, "Progress", refuse)
    with training_progress(10) as report:
        report(1, 0.5)


# ---------------------------------------------------------------------------------------- a person looks on


def test_a_terminal_shows_iteration_cost_and_time_left() -> None:
    written, seconds = on_a_terminal("default")
    assert_printed(screen(written))  # the bar is gone, the lines are whole
    frames = re.findall(r"iteration +(\d+)/140 .*?cost (\S+) +(\S+)", re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", written))
    assert len(frames) > 4
    done, costs, left = zip(*frames)
    assert list(map(int, done)) == sorted(map(int, done)) and len(set(done)) > 2
    assert any(re.fullmatch(r"0\.\d{6}", cost) for cost in costs)
    assert any(re.fullmatch(r"\d:\d\d:\d\d", time_left) for time_left in left)
    drawn = len(frames) - len(LINES) - 2  # each printed line draws the bar anew, and so do start and end
    assert drawn <= 10 * seconds


def test_switched_off_on_a_terminal() -> None:
    written, _ = on_a_terminal("off")
    assert "\x1b" not in written
    assert_printed(screen(written))


def test_at_most_ten_updates_per_second(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    updates: list[Any] = []
    real = rich.progress.Progress.update
    monkeypatch.setattr(rich.progress.Progress, "update",
                        lambda self, *args, **fields: (updates.append(fields), real(self, *args, **fields))[1])
    start, calls = time.monotonic(), 0
    with training_progress(10 ** 9, wanted=True) as report:
        while (seconds := time.monotonic() - start) < 0.65:
            calls += 1
            report(calls, 0.25)
        report(10 ** 9, 0.125)
    assert calls > 1000 and 3 <= len(updates) <= 10 * seconds + 2
    assert updates[-1] == {"completed": 10 ** 9, "cost": "0.125000"}  # the last is always shown
    capsys.readouterr()
