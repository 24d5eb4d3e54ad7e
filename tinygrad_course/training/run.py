"""One training: what every engine needs to know, where it notes what happens, and the engine that compiles nothing."""
from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from tinygrad_course.arguments import Task, columns_of
from tinygrad_course.conversions import plain
from tinygrad_course.graph.walk import leaves
from tinygrad_course.holding import StateEntry, buffers_within
from tinygrad_course.nn import Module
from tinygrad_course.optim import Optimizer
from tinygrad_course.tensor import Array, Tensor, as_tensor
from tinygrad_course.training.history import History, TrainingDiverged
from tinygrad_course.training.validation import Validation
from tinygrad_course.training.notices import UntrainedWarning, warn_user

Callback = Callable[[int, Module, float], None]  # iteration, model, cost


class Batches:
    """Which columns of the data make each update: all, or parts of a new random order in each epoch."""

    def __init__(self, m: int, size: int | None, seed: int):
        self.m = m
        self.size = m if size is None or size >= m else size
        self.whole = self.size == m
        self.random = np.random.RandomState(seed)
        self.epoch = -1
        self.order: Any = None

    @property
    def in_an_epoch(self) -> int: return -(-self.m // self.size)

    def within_epoch(self, iteration: int) -> tuple[int, Array]:
        """Of an iteration its place in its epoch, and the order of the columns there. Iterations never go back."""
        epoch, place = divmod(iteration, self.in_an_epoch)
        while self.epoch < epoch:
            self.order = self.random.permutation(self.m)
            self.epoch += 1
        return place, self.order

    def columns(self, iteration: int) -> Array:
        """The columns of one iteration."""
        place, order = self.within_epoch(iteration)
        return order[place * self.size:(place + 1) * self.size]

    def alike(self, iteration: int, most: int) -> Array:
        """The columns of this iteration and those after it that have as many, up to the end of the epoch: a matrix."""
        place, order = self.within_epoch(iteration)
        whole = self.m // self.size
        if place == whole:
            return order[whole * self.size:].reshape(1, -1)
        return order[place * self.size:whole * self.size].reshape(-1, self.size)[:most]


@dataclass
class TrainingRun:
    """A task, the settings of `fit`, and what has happened so far.

    iterations: how many updates there are to be in all; start: how many there were before, in a training that this
    one goes on with.
    progress: called with (iterations done, cost).  interrupted: not empty any more once Ctrl-C has been pressed.
    parameters: those of the model, looked up again after each callback, which may have added some.
    has_buffers: whether the model holds something else that it depends on, such as running statistics.
    seconds_elsewhere: spent in callbacks.
    """

    task: Task
    iterations: int
    batches: Batches
    record_every: int
    print_cost: int | None
    callback: Callback | None
    progress: Callable[[int, float], None]
    interrupted: Sequence[int]
    history: History
    validation: Validation | None = None
    parameters: list[Tensor] = field(init=False)
    has_buffers: bool = field(init=False)
    start: int = field(init=False)
    seconds_elsewhere: float = 0.0
    last_cost: float | None = None  # before the update of the last iteration that was made here
    said: bool = False  # what is not trained

    def __post_init__(self) -> None:
        self.start = self.history.iterations
        self.look_up()

    def look_up(self) -> None:
        self.parameters = self.task.model.parameters()
        self.has_buffers = bool(buffers_within(self.task.model))

    def buffers(self) -> list[tuple[StateEntry, Array]]:
        """What else than parameters the model depends on, with copies of the values: these may change in place."""
        entries = buffers_within(self.task.model) if self.has_buffers else []
        return [(entry, np.array(plain(entry.value))) for entry in entries]

    def say_what_is_not_trained(self, used: Sequence[Tensor]) -> None:
        """Warns, once, of Tensors among those that the cost depends on which are no parameters."""
        known = set(self.parameters)
        others = [tensor for tensor in used if tensor not in known]
        if others and not self.said:
            self.said = True
            names = ", ".join(f"{tensor.name or 'a Tensor'} {tensor.shape}" for tensor in others)
            warn_user(f"the cost depends on {names}, which requires a gradient but is no parameter of "
                      f"{type(self.task.model).__name__}, so it stays as it is: make it an attribute of the model, or "
                      "set its requires_grad to False", UntrainedWarning)

    def is_recorded(self, iteration: int) -> bool:
        return iteration % self.record_every == 0

    def data(self, iteration: int) -> tuple[Array, Array]:
        """X and Y for one iteration."""
        X, Y = self.task.X, self.task.Y
        if self.batches.whole:
            return X, Y
        columns = self.batches.columns(iteration)
        return columns_of(X, columns), columns_of(Y, columns)

    def call_back(self, iteration: int, cost: float) -> None:
        """What the user wants to see; the time that it takes is none of training."""
        self.last_cost = cost
        if self.callback is not None:
            start = time.perf_counter()
            try:
                self.callback(iteration, self.task.model, cost)
            finally:
                self.seconds_elsewhere += time.perf_counter() - start
            self.look_up()

    def print(self, iteration: int, cost: float) -> None:
        if self.print_cost is not None and iteration % self.print_cost == 0:
            validation = "" if self.validation is None else self.validation.said(iteration)
            print(f"Cost after iteration {iteration}: {cost:{'f' if abs(cost) < 1e9 else 'g'}}{validation}")

    def report(self, done: int, cost: float) -> None:
        """So many iterations are done; the cost is that before the update of the last."""
        self.last_cost = cost
        self.progress(done, cost)

    def validated(self, iteration: int, evaluate: Callable[[], tuple[float, Array | None]] | None = None) -> bool:
        """Evaluate on the validation data, if that is due or training over. Whether training is to end here."""
        validation = self.validation
        if validation is None or not (validation.is_due(iteration) or iteration == self.iterations):
            return False
        cost, y_hat = (evaluate or validation.eagerly)()
        return validation.note(iteration, cost, y_hat)

    def note_interruption(self) -> None:
        done = self.history.iterations
        place = f"after iteration {done - 1}" if done else "before iteration 0"
        cost = "" if self.last_cost is None else f", cost {self.last_cost:.6g}"
        self.history.stopped = f"interrupted {place}{cost}"

    def has_finite_parameters(self) -> bool:
        return all(np.isfinite(parameter._data).all() for parameter in self.parameters)

    def diverged(self, what: str) -> NoReturn:
        """Say so; the last good parameters have been put back."""
        history = self.history
        history.stopped = what
        rate = history.learning_rate if isinstance(history.learning_rate, str) else f"{history.learning_rate:g}"
        raise TrainingDiverged(f"{what}: the parameters after {history.iterations} updates, the last with a finite "
                               f"cost, are kept. A smaller learning rate than {rate} may help",
                               history)


@dataclass(frozen=True)
class Values:
    """The values of parameters and buffers, and all that the optimiser holds.

    Parameters and the optimiser's states are not copied, as updates make new arrays.
    """

    parameters: list[Tensor]
    arrays: list[Array]
    buffers: list[tuple[StateEntry, Array]]
    optimizer: Optimizer
    attributes: dict[str, Any]
    states: dict[Tensor, Any]

    @classmethod
    def now(cls, run: TrainingRun) -> Values:
        optimizer = run.task.optimizer
        return cls(run.parameters, [parameter._data for parameter in run.parameters], run.buffers(), optimizer,
                   vars(optimizer).copy(), optimizer.states.copy())

    def put_back(self) -> None:
        """What an attribute is called by now that was not there is left; it holds nothing of an earlier update."""
        vars(self.optimizer).update(self.attributes)
        self.put_back_states()

    def put_back_states(self) -> None:
        """All but the optimiser's settings: what updates change."""
        for parameter, array in zip(self.parameters, self.arrays):
            parameter.hold(array)
        for entry, array in self.buffers:
            entry.put(array)
        self.optimizer.states = self.states


class Best:
    """The values with the lowest validation cost, where training is to end with them."""

    def __init__(self, run: TrainingRun, values: Values | None):
        """values: those that were best so far, where another engine has made some updates."""
        self.values = values
        self.run = run
        if run.validation is not None:
            run.validation.keep = self.keep

    def keep(self) -> None:
        self.values = Values.now(self.run)

    def put_back(self) -> None:
        if self.values is not None:
            self.values.put_back_states()


def named(X: Array, Y: Array) -> tuple[Tensor, Tensor]:
    """The data as Tensors that messages call X and Y."""
    tensors = as_tensor(X), as_tensor(Y)
    for tensor, name in zip(tensors, "XY"):
        tensor.name = name
    return tensors


def train_eagerly(run: TrainingRun, before: Values | None = None,
                  best_so_far: Values | None = None) -> None:
    """Every iteration records its graph, runs back through it and updates the parameters.

    before: what was there before the last update, where another engine has made some; best_so_far: see `Best`.
    """
    task, history = run.task, run.history
    X, Y = named(task.X, task.Y)
    before = before or Values.now(run)
    best = Best(run, best_so_far)
    started = history.iterations
    for i in range(started, run.iterations):
        if run.validated(i):
            break
        for parameter in run.parameters:
            parameter.grad = None
        J = task.cost_of(X, Y) if run.batches.whole else task.cost_of(*named(*run.data(i)))
        if i == started:
            run.say_what_is_not_trained(leaves(J))
        cost = J.item()
        if not np.isfinite(cost):
            history.iterations = max(i - 1, run.start)
            before.put_back()
            run.diverged(f"the cost became {cost} in iteration {i}")
        J.backward()
        if run.is_recorded(i):
            history.costs[i] = cost
            run.call_back(i, cost)
        run.print(i, cost)
        before = Values.now(run)
        task.optimizer.step(run.parameters)
        history.iterations = i + 1
        run.report(i + 1, cost)
        if run.interrupted:
            run.note_interruption()
            break
    if history.iterations > run.start and not run.has_finite_parameters():
        history.iterations -= 1
        before.put_back()
        run.diverged(f"the parameters became infinite in iteration {history.iterations}")
    run.validated(history.iterations)
    best.put_back()
