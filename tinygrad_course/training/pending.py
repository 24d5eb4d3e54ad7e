"""Parameters whose values and gradients are computed when somebody reads them.

A compiled step keeps values in a form of its own, such as W = c W_0 + D X^T, and forms no gradients that nobody asks
for. A callback may ask; most do not. So while one is called the parameters are of a class that notices a read. They
are the same objects, and ordinary Tensors again as soon as they have been read, or the call is over.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tinygrad_course.tensor import Tensor


class Pending:
    """What is still to be computed for some parameters: `values`, then `gradients`, each called at most once.

    are_read: whether the values were.
    """

    def __init__(self, parameters: Sequence[Tensor], values: Callable[[], None], gradients: Callable[[], None]):
        self.parameters, self._values, self._gradients = parameters, values, gradients
        self.are_read = False

    def become(self, kind: type[Tensor]) -> None:
        for parameter in self.parameters:
            parameter.__class__ = kind

    def values(self) -> None:
        self.become(WithPendingGradient)
        self.are_read = True
        self._values()

    def gradients(self) -> None:
        if not self.are_read:
            self.values()
        self.become(Tensor)
        self._gradients()


_pending: dict[Tensor, Pending] = {}


class WithPendingGradient(Tensor):
    """A parameter whose gradient is computed when it is read."""

    __slots__ = ()
    __hash__ = Tensor.__hash__

    @property
    def grad(self) -> Any:
        _pending[self].gradients()
        return self.grad

    @grad.setter
    def grad(self, values: Any) -> None:
        _pending[self].gradients()
        self.grad = values


class WithPendingValues(WithPendingGradient):
    """A parameter whose values are computed when they are read, and its gradient too."""

    __slots__ = ()
    __hash__ = Tensor.__hash__

    @property
    def _data(self) -> Any:
        _pending[self].values()
        return self._data

    @_data.setter
    def _data(self, values: Any) -> None:
        _pending[self].values()
        self._data = values


@contextmanager
def computed_when_read(parameters: Sequence[Tensor], values: Callable[[], None],
                       gradients: Callable[[], None]) -> Iterator[Pending]:
    """Inside, the parameters are pending. values, gradients: give them their `_data`, and their `grad`."""
    pending = Pending(parameters, values, gradients)
    _pending.update(dict.fromkeys(parameters, pending))
    pending.become(WithPendingValues)
    try:
        yield pending
    finally:
        pending.become(Tensor)
        for parameter in parameters:
            del _pending[parameter]
