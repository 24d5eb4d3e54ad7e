"""What holds for all operations of a thread: whether they are recorded, and who is told of them.

`observed` is the only thing that changes it. It nests, it ends whatever happens inside it, and other threads notice
nothing of it. `no_grad` and `detect_anomaly` are two uses; pictures, equations and the compiler are others.
"""
from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ContextDecorator
from copy import copy
from functools import partial, wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from types import TracebackType
from typing import Any

from tinygrad_course.errors import InputError


class Observer:
    """Is told of what its thread computes while `observed` lasts. A subclass overrides what it wants to hear of."""

    def computed(self, result: Any, op: Any, inputs: Sequence[Any], params: dict[str, Any]) -> None:
        """A new Tensor: the operation, the Tensors, arrays and numbers that it was applied to, and its parameters."""

    def handed_back(self, part: Any, tensor: Any, parent: Any) -> None:
        """The backward pass has computed what `tensor` contributes to the gradient of its `parent`, a Tensor too."""

    def entered(self, module: Any) -> None:
        """A Module is called; what is computed until `left` is computed by it, or by Modules that it calls."""

    def left(self, module: Any) -> None:
        """The Module's call is over, also where it raised."""


class Mode:
    """recording: whether operations on Tensors with a gradient remember where they came from."""

    __slots__ = ("recording", "observers")

    def __init__(self) -> None:
        self.recording = True
        self.observers: tuple[Observer, ...] = ()


class ModeOfThread(threading.local):
    def __init__(self) -> None:
        self.now = Mode()


mode = ModeOfThread()


class observed(ContextDecorator):
    """``with observed(observer):`` tells the observers of everything that is computed inside.

    recording: whether operations inside are recorded; None leaves that as it is.
    alone: observers of an outer `observed` hear nothing meanwhile.
    """

    def __init__(self, *observers: Observer, recording: bool | None = None, alone: bool = False):
        self.observers, self.recording, self.alone = observers, recording, alone
        self._before: list[tuple[bool, tuple[Observer, ...]]] = []  # one may be entered twice

    def __enter__(self) -> None:
        now = mode.now
        self._before.append((now.recording, now.observers))
        now.observers = (*(() if self.alone else now.observers), *self.observers)
        if self.recording is not None:
            now.recording = self.recording

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        mode.now.recording, mode.now.observers = self._before.pop()

    def __call__(self, function: Any) -> Any:
        """As a decorator. A generator is resumed in it each time, and what its user does meanwhile is not inside."""
        if iscoroutinefunction(function) or isasyncgenfunction(function):
            raise InputError(f"{function.__name__} is asynchronous, so others would run inside: write "
                             f"`with {type(self).__name__}():` around what is computed between two awaits")
        if not isgeneratorfunction(function):
            return super().__call__(function)

        @wraps(function)
        def generator(*args: Any, **kwargs: Any) -> Any:
            running = function(*args, **kwargs)
            resume: Callable[[], Any] = partial(next, running)
            while True:
                with self._recreate_cm():
                    try:
                        value = resume()
                    except StopIteration as end:
                        return end.value
                try:
                    resume = partial(running.send, (yield value))
                except GeneratorExit:
                    with self._recreate_cm():
                        running.close()
                    raise
                except BaseException as error:
                    resume = partial(running.throw, error)
        return generator

    def _recreate_cm(self) -> observed:
        """As a decorator, one of its own for each call: calls may run in several threads at once."""
        fresh = copy(self)
        fresh._before = []
        return fresh
