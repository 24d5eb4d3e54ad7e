"""One training: what every engine needs to know, where it notes what happens, and the engine that compiles nothing."""
from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from tinygrad_course.errors import InputError
from tinygrad_course.nn import Module
from tinygrad_course.optim import Optimizer
from tinygrad_course.tensor import Tensor, as_tensor, plain


@dataclass
class History:
    """What happened in training.

    costs: the cost before the update of an iteration, for the recorded iterations, counted from 0.
    iterations: how many updates were made; seconds: how long they took, compiling included, callbacks not.
    engine: what ran, and why: "native: ...", "numpy: ..." or "eager: ...".
    stopped: why training ended before its last iteration, or None.
    """

    costs: dict[int, float] = field(default_factory=dict)
    iterations: int = 0
    seconds: float = 0.0
    learning_rate: float | None = None
    engine: str = "eager"
    stopped: str | None = None


class TrainingDiverged(InputError):
    """The cost became NaN or infinite. `history` is what happened before; the model has its last good parameters."""

    def __init__(self, message: str, history: History):
        super().__init__(message)
        self.history = history


class Batches:
    """Which columns of the data make each update: all, or parts of a new random order in each epoch."""

    def __init__(self, m: int, size: int | None, seed: int):
        self.m = m
        self.size = m if size is None or size >= m else size
        self.whole = self.size == m
        self.random = np.random.RandomState(seed)
        self.epoch = -1
        self.order: Any = None

    def within_epoch(self, iteration: int) -> tuple[int, Any]:
        """Of an iteration its place in its epoch, and the order of the columns there. Iterations never go back."""
        epoch, place = divmod(iteration, -(-self.m // self.size))
        while self.epoch < epoch:
            self.order = self.random.permutation(self.m)
            self.epoch += 1
        return place, self.order

    def columns(self, iteration: int) -> Any:
        """The columns of one iteration."""
        place, order = self.within_epoch(iteration)
        return order[place * self.size:(place + 1) * self.size]

    def alike(self, iteration: int, most: int) -> Any:
        """The columns of this iteration and those after it that have as many, up to the end of the epoch: a matrix."""
        place, order = self.within_epoch(iteration)
        whole = self.m // self.size
        if place == whole:
            return order[whole * self.size:].reshape(1, -1)
        return order[place * self.size:whole * self.size].reshape(-1, self.size)[:most]


@dataclass
class Run:
    """A model, its data and the settings of `fit`. report: called with (iterations done, cost)."""

    model: Module
    parameters: list[Tensor]
    cost_of: Callable[[Any, Any], Any]
    optimizer: Optimizer
    X: Any
    Y: Any
    iterations: int
    batches: Batches
    record_every: int
    print_cost: int | None
    callback: Callable[[int, Module, float], None] | None
    report: Callable[[int, float], None]
    interrupted: Sequence[int]
    history: History
    elsewhere: float = 0.0  # seconds spent in the callback

    def is_recorded(self, iteration: int) -> bool:
        return iteration % self.record_every == 0

    def data(self, iteration: int) -> tuple[Any, Any]:
        """X and Y for one iteration, arrays."""
        if self.batches.whole:
            return self.X, self.Y
        columns = self.batches.columns(iteration)
        return self.X[..., columns], self.Y[..., columns]

    def call_back(self, iteration: int, cost: float) -> None:
        """What the user wants to see; the time that it takes is none of training."""
        if self.callback is not None:
            start = time.perf_counter()
            try:
                self.callback(iteration, self.model, cost)
            finally:
                self.elsewhere += time.perf_counter() - start

    def print(self, iteration: int, cost: float) -> None:
        if self.print_cost is not None and iteration % self.print_cost == 0:
            print(f"Cost after iteration {iteration}: {cost:{'f' if abs(cost) < 1e9 else 'g'}}")

    def interrupt(self) -> None:
        done = self.history.iterations
        self.history.stopped = f"interrupted after iteration {done - 1}" if done else "interrupted before iteration 0"

    def finite_parameters(self) -> bool:
        return all(np.isfinite(parameter._data).all() for parameter in self.parameters)

    def diverged(self, what: str) -> NoReturn:
        """Say so; the last good parameters have been put back."""
        history = self.history
        history.stopped = what
        raise TrainingDiverged(f"{what}: the parameters after {history.iterations} updates, the last with a finite "
                               f"cost, are kept. A smaller learning rate than {history.learning_rate:g} may help",
                               history)


def named(X: Any, Y: Any) -> tuple[Tensor, Tensor]:
    """The data as Tensors that messages call X and Y."""
    X, Y = as_tensor(X), as_tensor(Y)
    X.name, Y.name = "X", "Y"
    return X, Y


def train_eagerly(run: Run, before: list[Any] | None = None) -> None:
    """Every iteration records its graph, runs back through it and updates the parameters.

    before: what the parameters were before the last update, where another engine has made some.
    """
    parameters, optimizer, history = run.parameters, run.optimizer, run.history
    X, Y = named(run.X, run.Y)
    before = before or [parameter._data for parameter in parameters]
    for i in range(history.iterations, run.iterations):
        for parameter in parameters:
            parameter.grad = None
        J = run.cost_of(X, Y) if run.batches.whole else run.cost_of(*named(*run.data(i)))
        value = J.item()
        if not np.isfinite(value):
            history.iterations = max(i - 1, 0)
            put_back(parameters, before)
            run.diverged(f"the cost became {value} in iteration {i}")
        J.backward()
        if run.is_recorded(i):
            history.costs[i] = value
            run.call_back(i, value)
        run.print(i, value)
        before = [parameter._data for parameter in parameters]
        optimizer.step(parameters)
        history.iterations = i + 1
        run.report(i + 1, value)
        if run.interrupted:
            run.interrupt()
            break
    if history.iterations and not run.finite_parameters():
        history.iterations -= 1
        put_back(parameters, before)
        run.diverged(f"the parameters became infinite in iteration {history.iterations}")


def put_back(parameters: list[Tensor], arrays: list[Any]) -> None:
    for parameter, data in zip(parameters, arrays):
        parameter.hold(data)


def check_data(X: Any, Y: Any, binary: bool, dtype: Any) -> tuple[Any, Any]:
    """Data and labels as arrays of the parameters' dtype; InputError for what cannot be trained on."""
    arrays = []
    for name, values in (("X", X), ("Y", Y)):
        try:
            array = np.asarray(plain(values))
        except ValueError as error:
            raise InputError(f"{name} cannot be used as numbers: {error}") from None
        if array.dtype.kind not in "fiub":
            raise InputError(f"{name} cannot be used as numbers: its dtype is {array.dtype}")
        array = array if array.dtype == dtype else array.astype(dtype)
        if array.ndim < 2:
            raise InputError(f"{name} has shape {array.shape}; one example per column is expected, (n, m)."
                             f" Did you mean {name}.reshape(1, -1)?")
        if array.size == 0:
            raise InputError(f"{name} is empty, its shape is {array.shape}")
        if not np.isfinite(array).all():
            where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
            raise InputError(f"{name} holds {array[where]} at {where}; training needs finite numbers")
        arrays.append(array)
    X, Y = arrays
    if X.shape[-1] != Y.shape[-1]:
        turned = " Examples are columns here; did you mean X.T?" if X.shape[0] == Y.shape[-1] else ""
        turned = turned or (" Did you mean Y.T?" if X.shape[-1] == Y.shape[0] else "")
        raise InputError(f"X {X.shape} has {X.shape[-1]} examples but Y {Y.shape} has {Y.shape[-1]}.{turned}")
    if binary and not np.isin(Y, (0, 1)).all():
        where = tuple(int(i) for i in np.argwhere(~np.isin(Y, (0, 1)))[0])
        raise InputError(f"Y holds {Y[where]:g} at {where}; the labels must be 0 or 1")
    return X, Y
