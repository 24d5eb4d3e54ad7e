"""Training with compiled steps: which engine, how many steps at a time, and what happens between them."""
from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_course.autodiff import backward
from tinygrad_course.compiler.native import machine
from tinygrad_course.compiler.nodes import Untraceable
from tinygrad_course.compiler.step import NativeStep, Step
from tinygrad_course.compiler.tracing import attributes, changes
from tinygrad_course.errors import InputError
from tinygrad_course.training.run import Run, TrainingDiverged, named, put_back, train_eagerly

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
    training = None
    try:
        if engine == "auto":
            _check_worthwhile(run)
        training = Training(run, engine)
        training.run_all()
    except NotWorthwhile as reason:
        run.history.engine = f"eager: {reason}"
        return train_eagerly(run)
    except Untraceable as reason:  # from the start, or since a callback changed something
        if engine != "auto":
            raise InputError(f"the engine {engine!r} cannot train this {type(run.model).__name__}: {reason}. Use "
                             "engine=\"auto\" or engine=\"eager\"") from None
        run.history.engine = f"eager: {reason}"
        _say_once(f"{type(run.model).__name__} is not compiled but trained eagerly: {reason}")
        return train_eagerly(run, None if training is None or training.last is None else training.last.snapshot)


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
        warnings.warn(text, EagerWarning, stacklevel=4)  # where `fit` was called


@dataclass
class Chunk:
    """Steps that were made without a look at anything: from which values, which step, which batches.

    step: None where the optimiser itself made one step; the snapshot is that of the parameters then.
    """

    start: int
    snapshot: list[Any]
    step: Step | None
    order: Any


@dataclass
class Training:
    """One run on compiled steps: one for each size of a batch."""

    run: Run
    engine: str
    steps: dict[int, Step] = field(default_factory=dict)
    untouched: dict[int, Step] = field(default_factory=dict)
    current: Step | None = None
    last: Chunk | None = None
    before: Chunk | None = None

    def __post_init__(self) -> None:
        self.why = ""
        if self.engine == "auto":
            self.engine, self.why = self._chosen()
        try:
            self.make_steps()
        except Untraceable as reason:
            if self.engine != "native" or self.why == "":
                raise
            self.engine, self.why = "numpy", str(reason)
            self.make_steps()
        self.run.history.engine = self.description()

    def _chosen(self) -> tuple[str, str]:
        """native where the time that it saves is more than that to make it; the same for the same training always."""
        if not machine.is_there():
            return "numpy", machine.MISSING
        step = self.traced(self.run.batches.size, Step)
        saved, taken = self.run.iterations * step.seconds_saved(), step.seconds_to_compile()
        if saved < taken:
            return "numpy", f"machine code would take {taken:.2f} s to make and save {saved:.2f} s"
        return "native", f"machine code saves about {saved:.1f} s"

    def traced(self, size: int, kind: type[Step]) -> Step:
        """The step for batches of a size, traced but not yet bound to memory. Raises Untraceable."""
        run = self.run
        if size not in self.untouched:
            self.untouched[size] = Step(run.model, run.cost_of, run.optimizer, run.X, run.Y,
                                        None if run.batches.whole else size, run.iterations)
        return kind.of(self.untouched[size])

    def make_steps(self) -> None:
        """Steps for all sizes of batches that there will be. Raises Untraceable."""
        self.steps.clear()
        self.untouched = {} if self.current is not None else self.untouched
        self.current = None
        batches = self.run.batches
        rest = batches.m % batches.size  # the last batch of an epoch
        if rest and self.run.iterations > batches.m // batches.size:
            self.step_for(rest)
        self.step_for(batches.size)

    def step_for(self, size: int) -> Step:
        """The step for batches of a size, with the state as it is now. Raises Untraceable."""
        step = self.steps.get(size)
        if step is not None and step is self.current:
            return step
        if self.current is not None:
            self.current.store()
        if step is None:
            step = self.traced(size, STEPS[self.engine])
        step.load()
        self.steps[size] = self.current = step
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
            try:
                done = self.chunk(i, min(n, self.until(i) - i))
            except TrainingDiverged:
                raise
            except BaseException:  # a second Ctrl-C, or an output that is closed
                self.go_back_to(i)
                raise
            i += done
            history.iterations = i
            seconds = time.perf_counter() - begin
            if done == n and seconds < SECONDS:
                n = min(2 * n, max(n, int(n * SECONDS / max(seconds, 1e-6)))) or 1
            elif seconds > 2 * SECONDS:
                n = max(1, int(n * SECONDS / seconds))
        if run.interrupted:
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
            self.step_for(order.shape[1])
        assert self.current is not None
        self.before, self.last = self.last, Chunk(i, self.current.snapshot(), self.current, order)
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
        if step is None:
            return put_back(self.run.parameters, chunk.snapshot)
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
        J = run.cost_of(*named(*run.data(i)))
        cost = J.item()
        if not np.isfinite(cost):
            run.history.iterations = max(i - 1, 0)
            self.go_back_to(run.history.iterations)
            run.diverged(f"the cost became {cost} in iteration {i}")
        backward(J)
        run.history.costs[i] = cost
        arrays = [parameter._data for parameter in parameters]
        gradients = [None if parameter.grad is None else parameter.grad.copy() for parameter in parameters]
        held = [run.model, vars(run.optimizer)]
        before = attributes(held)
        for array in arrays:
            array.setflags(write=False)  # what writes to `data` gets a copy, so that a change is seen
        run.call_back(i, cost)
        run.print(i, cost)
        same = all(_same(parameter._data, array) and _same(parameter.grad, g)
                   for parameter, array, g in zip(parameters, arrays, gradients))
        if same and not changes(before, attributes(held)):
            self.chunk_quietly(i)
            run.history.iterations = i + 1
        else:
            self.before, self.last = None, Chunk(i, [parameter._data for parameter in parameters], None, None)
            run.optimizer.step(parameters)
            run.history.iterations = i + 1
            self.make_steps()
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


def _same(array: Any, other: Any) -> bool:
    return array is other or array is not None and other is not None and np.array_equal(array, other, equal_nan=True)
