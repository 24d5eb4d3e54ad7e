"""The parent's side of the programs' processes: start them, ask them, and leave none behind."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from by_turns import worker
from by_turns.contestants import Contestant
from tinygrad_course.errors import InputError


PROBLEMS = Path(__file__).with_name("problems.py")


class LeftOut(Exception):
    """A program that cannot take part; the message says why."""


class Worker:
    """A program in a process of its own, which trains when asked to. Only one of all workers does so at a time."""

    def __init__(self, program: Contestant, problem: Path, time_limit: float):
        self.program, self.time_limit = program, time_limit
        self.errors = tempfile.TemporaryFile()
        self.late = self.stopped = False
        self.how: str | None = None  # what the program said of its last training
        # A group of its own: Ctrl-C is for the parent alone, which then ends the group with all that it has started.
        self.process = subprocess.Popen(
            [sys.executable, worker.__file__, "serve", str(program.file), str(problem), *program.arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True, start_new_session=True)

    def ready(self) -> None:
        """Wait until data and model are there. Raises LeftOut, as all that follow."""
        self._answer()

    def warm_up(self) -> None:
        self._ask(do="warm up")

    def train(self, iterations: int) -> tuple[float, float]:
        """The seconds that it took from the initial weights, and the cost of the last iteration."""
        answer = self._ask(do="train", iterations=iterations)
        self.how = answer["how"]
        return answer["seconds"], answer["cost"]

    def stop(self) -> None:
        if self.stopped:
            return
        self.stopped = True
        end(self.process)
        for stream in (self.process.stdin, self.process.stdout):
            with suppress(OSError):
                stream.close()  # type: ignore[union-attr]
        self.errors.close()

    def _end_late(self) -> None:
        self.late = True
        end(self.process)

    def _ask(self, **request: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        with suppress(OSError):  # the process has ended: there will be no answer, which says why
            print(json.dumps(request), file=self.process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        alarm = threading.Timer(self.time_limit, self._end_late)
        alarm.daemon = True
        alarm.start()
        try:
            line = self.process.stdout.readline()
        finally:
            alarm.cancel()
        if not line:
            if self.late:
                raise LeftOut(f"no answer after {self.time_limit:g} s")
            raise LeftOut(f"the process has ended: {last_line(self.errors)}")
        answer: dict[str, Any] = json.loads(line)
        if "left_out" in answer:
            raise LeftOut(answer["left_out"])
        return answer


def run_once(program: Contestant, problem: Path, iterations: int, time_limit: float) -> tuple[float, int | None]:
    """Train once in a fresh process: seconds from its start to its end, and its peak memory in bytes.

    By these few lines and not by pyperf or hyperfine, since those measure all runs of one command, and then all of the
    next: here everyone runs once in each round. Nor do they see the peak: what they read is at least their own.
    """
    with tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, worker.__file__, "once", str(iterations), str(program.file), str(problem),
             *program.arguments], stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True)
        try:
            printed, _ = process.communicate(timeout=time_limit)
            seconds = time.perf_counter() - start
        except subprocess.TimeoutExpired:
            raise LeftOut(f"not finished after {time_limit:g} s") from None
        finally:
            end(process)
        if process.returncode != 0:
            raise LeftOut(f"the process has ended: {last_line(errors)}")
        return seconds, json.loads(printed)["peak_bytes"]


def write_problem(name: str, dtype: str, folder: Path, images: str | None) -> str:
    """Write a problem into a folder, in a process of its own; gives its data's name. Raises InputError."""
    process = subprocess.Popen(
        [sys.executable, str(PROBLEMS), name, dtype, str(folder),
         *([] if images is None else [os.path.abspath(images)])],
        stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        _, errors = process.communicate()
    finally:
        end(process)
    if process.returncode != 0:
        raise InputError(errors.strip().rpartition("\n")[2] or f"the data of {name} could not be made")
    data = json.loads((folder / "problem.json").read_text())["data"]
    return str(data)


def end(process: subprocess.Popen[str]) -> None:
    """End a process and all that it has started."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):  # macOS says the latter of a group that has just ended
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def last_line(errors: Any) -> str:
    errors.seek(0)
    lines = errors.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


@contextmanager
def ended_like_ctrl_c() -> Iterator[None]:
    """A closed terminal and `kill` end this process as Ctrl-C does, so that it can end its workers first."""
    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = {}
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name) and threading.current_thread() is threading.main_thread():
            before[name] = signal.signal(getattr(signal, name), interrupt)
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)
