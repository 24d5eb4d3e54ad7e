"""The check's side of the separate process: load a file, call its functions, stop what does not end."""
from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tinygrad_course.isolation import messages
from tinygrad_course.isolation.interpreter import command

STARTING = 60.0  # seconds for what is not the learner's: starting Python, importing NumPy
IMPORTING = 10.0  # seconds that an import may take at least, however short the time limit is
UNCLEAR = "its answer is too large, or something else was written into the channel of the check"
ENDING = 15.0  # seconds until everything is ended and removed


class Stopped(Exception):
    """The learner's code did not end in time, or ended the process. `where`: the line it had reached, if known."""

    def __init__(self, message: str, where: str = ""):
        super().__init__(message)
        self.where = where


class LearnerProcess:
    """A learner's file in a process of its own, which is started again when it had to be stopped.

    The code runs in a throw-away copy of its folder; the file itself is only read. The time limit holds for each
    statement of the file and for each request of `calls`, from where the learner's code begins.
    """

    def __init__(self, path: Path, time_limit: float):
        self.path = path.resolve()
        self.time_limit = time_limit
        self.process: Any = None
        self.number = 0  # of the last request

    def __enter__(self) -> LearnerProcess:
        return self

    def __exit__(self, *error: Any) -> None:
        self.stop()

    def load(self) -> Any:
        """What the file defines. Raises Stopped."""
        self.stop()
        self.start()
        return _checked_description(self.ask({"do": "load"}))

    def calls(self, name: str, arguments: list[tuple[Any, ...]], names: Sequence[str] = (),
              replace: Mapping[str, str] | None = None, seed: int = 7) -> Any:
        """Call a function once with each of the arguments. Raises Stopped, after which the next call starts anew.

        names: the parameters that the arguments go to; "" by place. replace: helpers for which the course's own are
        put, each with its name in the course.
        """
        if self.process is None:
            self.load()
        answers = self.ask({"do": "call", "name": name, "arguments": arguments, "names": list(names),
                            "replace": dict(replace or {}), "seed": seed})
        return _checked_answers(answers, len(arguments))

    def trials(self, name: str, sources: list[str], arguments: list[tuple[Any, ...]], names: Sequence[str] = (),
               replace: Mapping[str, str] | None = None, seed: int = 7) -> Any:
        """The same for changed sources of a function: for each of them the answers to all calls. Raises Stopped."""
        if self.process is None:
            self.load()
        answers = self.ask({"do": "try", "name": name, "sources": sources, "arguments": arguments,
                            "names": list(names), "replace": dict(replace or {}), "seed": seed})
        if not isinstance(answers, list) or len(answers) != len(sources):
            raise Stopped(UNCLEAR)
        return [_checked_answers(one, len(arguments)) for one in answers]

    def start(self) -> None:
        environment = {**os.environ, "MPLBACKEND": "Agg", "PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1",
                       "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}
        # A session of its own: what ends the check by its group leaves the supervisor, which then ends the code.
        self.process = subprocess.Popen(
            command("tinygrad_course.checking.sandbox.supervisor", str(os.getpid()), str(self.path)),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
            start_new_session=True)
        self.number = 0
        self.requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        # Threads: a process that does not read, or stops in the middle of an answer, must not stop the check.
        for target, *given in ((_write, self.process.stdin, self.requests), (_read, self.process.stdout, self.answers)):
            threading.Thread(target=target, args=given, daemon=True).start()

    def ask(self, request: Any) -> Any:
        """Send a request and wait for its answer. Raises Stopped."""
        self.number += 1
        self.requests.put(request)
        where, limit = "", STARTING
        deadline = time.monotonic() + limit
        while True:
            try:
                message = self.answers.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                self.stop()
                seconds = f"{limit:g} second{'s' * (limit != 1)}"
                raise Stopped(f"it did not end within {seconds} and was stopped", where) from None
            if message is None:
                raise Stopped(self.stop(patience=2.0) or "it ended the whole process", where)
            if not isinstance(message, dict):
                self.stop()
                raise Stopped(UNCLEAR, where)
            if message.get("number") != self.number:
                continue  # of a request that was answered before
            if "done" in message:
                return message["done"]
            where = str(message.get("at"))
            limit = max(self.time_limit, IMPORTING) if message.get("imports") else self.time_limit
            deadline = time.monotonic() + limit

    def stop(self, patience: float = 0.0) -> str:
        """End the code and everything that it started, and remove its folder; why it had ended by itself, if so.

        patience: seconds for the supervisor to see by itself that the code has ended, and how.
        """
        if self.process is None:
            return ""
        process, self.process = self.process, None
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(patience)
            process.send_signal(signal.SIGTERM)
            reason = process.stderr.read() if process.wait(ENDING) == 0 else b""
        except subprocess.TimeoutExpired:
            process.kill()
            reason = b""
        finally:
            self.requests.put(None)
            process.stderr.close()
        return str(reason.decode("utf-8", "replace").strip())


def _write(stream: Any, requests: queue.SimpleQueue[Any]) -> None:
    """Send requests until None comes; whether they arrive is seen at the answers."""
    try:
        while (request := requests.get()) is not None:
            messages.write(stream, request)
        stream.close()
    except OSError:
        pass


def _read(stream: Any, answers: queue.SimpleQueue[Any]) -> None:
    """Hand on each answer; None when there will be no more, and anything else for what is no answer."""
    with stream:
        while True:
            try:
                message = messages.read(stream)
            except messages.Garbled as error:
                message = str(error)
            except (OSError, ValueError):
                message = None
            answers.put(message)
            if not isinstance(message, dict):
                return


# ------------------------------------------------------------- answers come from a process that may write anything


def _checked_description(loaded: Any) -> Any:
    expected: dict[str, type | tuple[type, ...]] = {
        "functions": dict, "problem": str, "notes": list, "supplied": list, "skipped": list, "blank": dict,
        "broken": dict}
    of_function: dict[str, type | tuple[type, ...]] = {
        "parameters": (list, type(None)), "line": int, "cell": str, "source": str, "calls": list,
        "uses": list, "blank": bool}
    if not _has(loaded, expected) or not all(_has(one, of_function) for one in loaded["functions"].values()):
        raise Stopped(UNCLEAR)
    return loaded


def _checked_answers(answers: Any, number: int) -> Any:
    of_changes = {"in place": list, "entries": list}
    if not isinstance(answers, list) or len(answers) != number or not all(
            _has(one, {"raised": str, "kind": str, "asks": bool}) or
            isinstance(one, dict) and "returned" in one and _has(one.get("changed"), of_changes) for one in answers):
        raise Stopped(UNCLEAR)
    return answers


def _has(value: Any, expected: dict[str, Any]) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(key, ...), one) for key, one in expected.items())
