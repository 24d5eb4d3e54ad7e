"""Training with compiled steps: which engine, how many steps at a time, and what happens between them."""
from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_course.autodiff import backward
from tinygrad_course.compiler import machine
from tinygrad_course.compiler.graph import Untraceable
from tinygrad_course.compiler.step import NativeStep, Step
from tinygrad_course.errors import InputError
from tinygrad_course.run import Run, train_eagerly
from tinygrad_course.tensor import as_tensor

STEPS = {"numpy": Step, "native": NativeStep}
FEW = 20  # iterations for which compiling does not pay
SECONDS = 0.05  # how long the steps may run without a look at Ctrl-C and the progress bar
_said: set[str] = set()


class EagerWarning(UserWarning):
    """A model cannot be compiled, and why: it trains eagerly."""


def train(run: Run, engine: str) -> None:
    """Train with the engine "numpy" or "native", or with what is best: "auto".

    Raises InputError where an engine was asked for by name and cannot run.
    """
    try:
        if engine == "auto":
            _check_worthwhile(run)
        training = Training(run, engine)
    except NotWorthwhile as reason:
        run.history.engine = f"eager: {reason}"
        return train_eagerly(run)
    except Untraceable as reason:
        if engine != "auto":
            raise InputError(f"the engine {engine!r} cannot train this {type(run.model).__name__}: {reason}. Use "
                             "engine=\"auto\" or engine=\"eager\"") from None
        run.history.engine = f"eager: {reason}"
        _say_once(f"{type(run.model).__name__} is not compiled but trained eagerly: {reason}")
        return train_eagerly(run)
    training.run_all()


class NotWorthwhile(Exception):
    """Compiling would take longer than what it saves."""


def _check_worthwhile(run: Run) -> None:
    if run.iterations < FEW:
        raise NotWorthwhile(f"compiling does not pay for {run.iterations} iterations")
    if run.callback is not None and run.record_every < 10:
        raise NotWorthwhile("the callback sees the gradients of nearly every iteration")


def _say_once(text: str) -> None:
    if text not in _said:
        _said.add(text)
        warnings.warn(text, EagerWarning, stacklevel=5)


@dataclass
class Chunk:
    """Steps that were made without a look at anything: from which values, which step, which batches, how many."""

    start: int
    snapshot: list[Any]
    step: Step
    order: Any
    n: int = 0


@dataclass
class Training:
    """One run on compiled steps: one for each size of a batch."""

    run: Run
    engine: str
    steps: dict[int, Step] = field(default_factory=dict)
    current: Step | None = None
    last: Chunk | None = None
    before: Chunk | None = None

    def __post_init__(self) -> None:
        size = self.run.batches.size
        self.why = ""
        if self.engine == "auto":
            self.engine, self.why = self._chosen()
        try:
            self.current = self.step_for(size)
        except Untraceable as reason:
            if self.engine != "native" or self.why == "":
                raise
            self.engine, self.why = "numpy", str(reason)
            self.current = self.step_for(size)
        self.run.history.engine = self.description()

    def _chosen(self) -> tuple[str, str]:
        """native where the time that it saves is more than that to make it."""
        try:
            machine.llvm()
        except InputError as missing:
            return "numpy", str(missing)
        return "native", "machine code pays"

    def step_for(self, size: int) -> Step:
        """The step for batches of a size, with the state as it is now. Raises Untraceable."""
        step = self.steps.get(size)
        if step is not None and step is self.current:
            return step
        if self.current is not None:
            self.current.store()
        if step is None:
            run = self.run
            step = STEPS[self.engine](run.model, run.cost_of, run.optimizer, run.X, run.Y,
                                      None if run.batches.whole else size, run.iterations)
            self.steps[size] = step
        step.load()
        self.current = step
        return step

    def description(self) -> str:
        step = self.steps[self.run.batches.size]
        parts = [f"{len(step.program.nodes)} operations in a step"]
        if step.spans:
            parts.append(f"{', '.join(step.spans)} in the span of the data")
        if self.why:
            parts.append(self.why)
        more = [str(size) for size in self.steps if size != self.run.batches.size]
        if more:
            parts.append(f"traced again for batches of {', '.join(more)}")
        return f"{self.engine}: {'; '.join(parts)}"

    # ------------------------------------------------------------------------------------------------ steps

    def run_all(self) -> None:
        run, history, n, i = self.run, self.run.history, 1, 0
        while i < run.iterations and not run.interrupted:
            if run.callback is not None and run.is_recorded(i):
                self.with_callback(i)
                i += 1
                continue
            begin = time.perf_counter()
            done = self.chunk(i, min(n, self.until(i) - i))
            i += done
            history.iterations = i
            seconds = time.perf_counter() - begin
            if done == n and seconds < SECONDS:
                n = min(2 * n, max(n, int(n * SECONDS / max(seconds, 1e-6)))) or 1
            elif seconds > 2 * SECONDS:
                n = max(1, int(n * SECONDS / seconds))
        if run.interrupted and history.iterations:
            run.interrupt()
        assert self.current is not None
        self.current.store(final=True)
        for parameter in run.parameters:
            parameter.grad = None
        if history.iterations and not run.finite_parameters():
            history.iterations -= 1
            self.go_back_to(history.iterations)
            run.diverged(f"the parameters became infinite in iteration {history.iterations}")

    def until(self, i: int) -> int:
        """The next iteration that has a callback."""
        run = self.run
        if run.callback is None:
            return run.iterations
        return min(run.iterations, -(-i // run.record_every) * run.record_every)

    def chunk(self, i: int, n: int) -> int:
        """Up to n steps from iteration i; how many there were."""
        run, order = self.run, None
        if not run.batches.whole:
            order = np.ascontiguousarray(run.batches.alike(i, n), dtype=np.int64)
            n = len(order)
            before = len(self.steps)
            self.step_for(order.shape[1])
            if len(self.steps) > before:
                run.history.engine = self.description()
        assert self.current is not None
        self.before, self.last = self.last, Chunk(i, self.current.snapshot(), self.current, order, n)
        costs = self.current.run(n, order)
        finite = np.isfinite(costs)
        if not finite.all():
            bad = int(np.argmin(finite))
            self.note(i, costs[:bad])
            self.run.history.iterations = max(i + bad - 1, 0)
            self.go_back_to(self.run.history.iterations)
            run.diverged(f"the cost became {costs[bad]} in iteration {i + bad}")
        self.note(i, costs)
        run.report(i + n, float(costs[-1]))
        return n

    def note(self, start: int, costs: Any) -> None:
        """Record and print."""
        every = self.run.record_every
        for i in range(-(-start // every) * every, start + len(costs), every):
            self.run.history.costs[i] = float(costs[i - start])
        if self.run.print_cost is not None:
            every = self.run.print_cost
            for i in range(-(-start // every) * every, start + len(costs), every):
                self.run.print(i, float(costs[i - start]))

    def go_back_to(self, iteration: int) -> None:
        """The parameters as they were before this iteration: from a snapshot, the steps since are made again."""
        chunk = self.last
        if chunk is not None and iteration < chunk.start:
            chunk = self.before
        if chunk is None:
            return
        step = chunk.step
        step.restore(chunk.snapshot)
        n = iteration - chunk.start
        if n > 0:
            step.run(n, None if chunk.order is None else chunk.order[:n])
        step.store(final=True)

    # -------------------------------------------------------------------------------------------- callbacks

    def with_callback(self, i: int) -> None:
        """An iteration whose gradients somebody wants to see, and may change: it is computed eagerly.

        Where the callback changed nothing, the compiled step makes the update.
        """
        run = self.run
        assert self.current is not None and run.callback is not None
        self.current.store()
        parameters = run.parameters
        for parameter in parameters:
            parameter.grad = None
        J = run.cost_of(*map(as_tensor, run.data(i)))
        cost = J.item()
        if not np.isfinite(cost):
            run.history.iterations = max(i - 1, 0)
            self.go_back_to(run.history.iterations)
            run.diverged(f"the cost became {cost} in iteration {i}")
        backward(J)
        run.history.costs[i] = cost
        arrays = [parameter._data for parameter in parameters]
        gradients = [None if parameter.grad is None else parameter.grad.copy() for parameter in parameters]
        settings = _settings_of(run.optimizer)
        for array in arrays:
            array.setflags(write=False)  # what writes to `data` gets a copy, so that a change is seen
        run.callback(i, run.model, cost)
        run.print(i, cost)
        same = all(parameter._data is array for parameter, array in zip(parameters, arrays)) and all(
            g is parameter.grad is None or g is not None and parameter.grad is not None
            and np.array_equal(g, parameter.grad, equal_nan=True) for parameter, g in zip(parameters, gradients))
        if same and settings == _settings_of(run.optimizer):
            self.chunk_quietly(i)
        else:
            self.before, self.last = None, Chunk(i, [], self.current, None, 0)
            run.optimizer.step(parameters)
            self.steps.clear()
            self.current = None
            self.step_for(run.batches.size)
            self.last = None
        run.history.iterations = i + 1
        run.report(i + 1, cost)

    def chunk_quietly(self, i: int) -> None:
        """The update of an iteration whose cost has been noted."""
        noted = self.run.history.costs[i]
        printing, self.run.print_cost = self.run.print_cost, None
        try:
            self.chunk(i, 1)
        finally:
            self.run.print_cost = printing
        self.run.history.costs[i] = noted


def _settings_of(optimizer: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(optimizer).items() if name != "states"}
