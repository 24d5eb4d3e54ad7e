"""Ctrl-C while a step is traced and compiled, which takes seconds for hundreds of layers.

A signal handler only notes it, as an exception in the middle of anything might leave a model in pieces. Everything
here that goes on for long looks at what has been noted: tracing and rewriting where they make a node, machine code
between two kernels. LLVM itself cannot be stopped: it works in a thread of its own, which is waited for in short turns.
"""
from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

TURN = 0.02  # seconds
Result = TypeVar("Result")


class Interrupted(BaseException):
    """Ctrl-C has been pressed; not an Exception, which a model's code may catch."""


class NotedByThread(threading.local):
    noted: Sequence[object] = ()


_by_thread = NotedByThread()


@contextmanager
def noticed(noted: Sequence[object]) -> Iterator[None]:
    """Inside, `look` raises Interrupted once there is something in `noted`."""
    before, _by_thread.noted = _by_thread.noted, noted
    try:
        yield
    finally:
        _by_thread.noted = before


def look() -> None:
    if _by_thread.noted:
        raise Interrupted


def waited_for(work: Callable[[], Result]) -> Result:
    """The result of something that does not look itself. Once interrupted, its thread ends by itself."""
    if threading.current_thread() is not threading.main_thread():  # which alone is told of Ctrl-C
        return work()
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="LLVM")
    thread.start()
    while thread.is_alive():
        thread.join(TURN)
        look()
    if errors:
        raise errors[0]
    return results[0]
