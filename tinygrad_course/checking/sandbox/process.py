"""The parent's side of the separate process: load a file, call its functions, stop what does not end."""
from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from tinygrad_course.checking.sandbox.runner import read, write


class Stopped(Exception):
    """The learner's code did not end in time, or ended the process. `where`: the line it had reached, if known."""

    def __init__(self, message: str, where: str = ""):
        super().__init__(message)
        self.where = where


class LearnerProcess:
    """A learner's file in a process of its own, which is started again when it had to be stopped.

    The working folder is a temporary one; the learner's file is only read.
    """

    def __init__(self, path: Path, time_limit: float):
        self.path = path.resolve()
        self.time_limit = time_limit
        self.folder = tempfile.TemporaryDirectory(prefix="tgc-check-", ignore_cleanup_errors=True)
        self.process: Any = None
        self.answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def __enter__(self) -> LearnerProcess:
        return self

    def __exit__(self, *error: Any) -> None:
        self.stop()
        self.folder.cleanup()

    def load(self) -> Any:
        """What the file defines. Raises Stopped."""
        self.start()
        self.send({"do": "load", "path": str(self.path)})
        return self.answer()

    def calls(self, name: str, arguments: list[tuple[Any, ...]], week: int, replace: bool, seed: int = 7) -> Any:
        """Call a function once with each of the arguments. Raises Stopped, after which the next call starts anew."""
        if self.process is None:
            self.load()
        self.send({"do": "call", "name": name, "arguments": [pickle.dumps(one) for one in arguments], "week": week,
                   "replace": replace, "seed": seed})
        return self.answer()

    def start(self) -> None:
        environment = {**os.environ, "MPLBACKEND": "Agg", "PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1",
                       "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tinygrad_course.checking.sandbox.runner"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, cwd=self.folder.name, env=environment)
        self.answers = queue.SimpleQueue()
        self.listener = threading.Thread(target=_listen, args=(self.process.stdout, self.answers), daemon=True)
        self.listener.start()

    def send(self, request: Any) -> None:
        try:
            write(self.process.stdin, request)
        except OSError:
            pass  # the process has ended: `answer` says so

    def answer(self) -> Any:
        where = ""
        while True:
            try:
                message = self.answers.get(timeout=self.time_limit)
            except queue.Empty:
                self.stop()
                limit = f"{self.time_limit:g} second{'s' * (self.time_limit != 1)}"
                raise Stopped(f"it did not end within {limit} and was stopped", where) from None
            if message is None:
                self.stop()
                raise Stopped("it ended the whole process (exit, or a crash)", where)
            if "done" in message:
                return message["done"]
            where = message["at"]

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        self.listener.join(1.0)
        for stream in (self.process.stdin, self.process.stdout):
            # A pipe that is still being read cannot be closed: a process that the learner's code started holds it.
            if stream is not None and not (stream is self.process.stdout and self.listener.is_alive()):
                try:
                    stream.close()
                except OSError:
                    pass
        self.process = None


def _listen(stream: Any, answers: queue.SimpleQueue[Any]) -> None:
    """Hand on each answer; None when there will be no more."""
    while True:
        try:
            message = read(stream)
        except Exception:  # the process was stopped in the middle of an answer
            message = None
        answers.put(message)
        if message is None:
            return
