"""Training with compiled steps: which engine, how many steps at a time, and what happens between them."""
from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NoReturn

import numpy as np

from tinygrad_course.autodiff import backward
from tinygrad_course.compiler import STEPS, NativeStep, Step, TracedStep, Untraceable, traced_step
from tinygrad_course.compiler.evaluation import Evaluation
from tinygrad_course.compiler.polling import Interrupted, noticed
from tinygrad_course.compiler.native import machine
from tinygrad_course.compiler.program import StateSlot
from tinygrad_course.compiler.side_effects import attributes, changes, put_back
from tinygrad_course.errors import InputError
from tinygrad_course.mode import observed
from tinygrad_course.tensor import Array
from tinygrad_course.training.pending import computed_when_read
from tinygrad_course.training.run import TrainingRun, Values, named, train_eagerly
from tinygrad_course.training.notices import EagerWarning, warn_user

FEW = 20  # iterations for which compiling does not pay
SECONDS = 0.05  # how long the steps may run without a look at Ctrl-C and the progress bar
_said: set[str] = set()


def train(run: TrainingRun, engine: str) -> None:
    """Train with the engine "numpy" or "native", or with what is best: "auto".

    Raises InputError where an engine was asked for by name and cannot run.
    """
    loop, history, model = None, run.history, type(run.task.model).__name__
    history.engine, history.why = "eager", _why_not_worthwhile(run) if engine == "auto" else ""
    if history.why:
        return train_eagerly(run)
    try:
        loop = CompiledLoop(run, compiled_steps(run, engine))
        loop.run_all()
    except Interrupted:  # while a step was made
        run.note_interruption()
    except Untraceable as reason:  # from the start, or since a callback changed something
        if engine != "auto":
            raise InputError(f"the engine {engine!r} cannot train this {model}: {reason}. Use engine=\"auto\" or "
                             "engine=\"eager\"") from None
        history.engine, history.why = "eager", str(reason)
        _say_once(f"{model} is not compiled but trained eagerly: {reason}")
        if loop is None:
            return train_eagerly(run)
        train_eagerly(run, loop.updated_eagerly, loop.best_values())


def _why_not_worthwhile(run: TrainingRun) -> str:
    """Where compiling would take longer than what it saves: why."""
    if run.iterations - run.start < FEW:
        return f"compiling does not pay for {run.iterations - run.start} iterations"
    if run.callback is not None and run.record_every < 10:
        return "the callback sees the gradients of nearly every iteration"
    return ""


def _say_once(text: str) -> None:
    if text not in _said:
        _said.add(text)
        warn_user(text, EagerWarning)


# ------------------------------------------------------------------------------------------ the steps of a run


class CompiledSteps:
    """The steps of a run, one for each size of a batch; `current` is the one that has the values as they are now.

    why: for what reason it is this engine.  traced: steps that have been traced already, by the size of the batch.
    Raises Untraceable.
    """

    def __init__(self, run: TrainingRun, kind: type[Step], why: str, traced: dict[int, TracedStep] | None = None):
        self.run, self.kind, self.why = run, kind, why
        traced = traced or {}
        batches = run.batches
        rest = batches.m % batches.size  # the last batch of an epoch
        sizes = [rest] * bool(rest and run.iterations > batches.m // batches.size) + [batches.size]
        self.steps: dict[int, Step] = {}
        for size in sizes:  # all at once, as it may turn out that there is none for one of them
            step = traced.get(size) or traced_for(run, size)
            run.say_what_is_not_trained(step.as_traced.leaves)
            self.current = self.steps[size] = kind(step)
            with noticed(run.interrupted):
                self.current.load()

    def of_size(self, size: int) -> Step:
        """The step for batches of a size, with the values as they are now."""
        step = self.steps[size]
        if step is not self.current:
            self.current.store()
            step.load()
            self.current = step
        return step

    def description(self) -> str:
        """What they are, and why."""
        usual = self.run.batches.size
        step = self.steps[usual]
        parts = [f"{len(step.program.nodes)} operations in a step"]
        if step.spans:
            parts.append(f"{', '.join(step.spans)} in the span of the data")
        if self.why:
            parts.append(self.why)
        more = [str(size) for size in self.steps if size != usual]
        if more:
            parts.append(f"traced again for batches of {', '.join(more)}")
        return "; ".join(parts)


def traced_for(run: TrainingRun, size: int) -> TracedStep:
    """The traced step for batches of a size. Raises Untraceable."""
    task = replace(run.task, batch_size=None if run.batches.whole else size)
    with noticed(run.interrupted):
        return traced_step(task, run.iterations - run.start)


def compiled_steps(run: TrainingRun, engine: str) -> CompiledSteps:
    """With "auto" native where the time that it saves is more than that to make it.

    This is the same for the same training always. Raises Untraceable.
    """
    if engine != "auto":
        return CompiledSteps(run, STEPS[engine], "")
    if not machine.is_there():
        return CompiledSteps(run, Step, machine.MISSING)
    size = run.batches.size
    step = traced_for(run, size)
    saved, taken = (run.iterations - run.start) * step.seconds_saved(), step.seconds_to_compile()
    if saved < taken:
        return CompiledSteps(run, Step, f"machine code would take {taken:.2f} s to make and save {saved:.2f} s",
                             {size: step})
    try:
        return CompiledSteps(run, NativeStep, f"machine code saves about {saved:.1f} s", {size: step})
    except Untraceable as reason:  # there may still be NumPy code
        return CompiledSteps(run, Step, str(reason), {size: step})


# ------------------------------------------------------------------------------------------------- the loop


@dataclass(frozen=True)
class Chunk:
    """Steps made without a look at anything: from which iteration and values, by which step, on which batches."""

    start: int
    snapshot: list[Array]
    step: Step
    order: Array | None

    def go_back_to(self, iteration: int) -> None:
        """Give the model the values from before this iteration: the steps until there are made again."""
        self.step.restore(self.snapshot)
        n = iteration - self.start
        if n > 0:
            self.step.run(n, None if self.order is None else self.order[:n])
        self.step.store(final=True)


class CompiledLoop:
    """One run on compiled steps.

    chunks: the last two.  updated_eagerly: the values before the last update, where that was the optimiser's own, after
    a callback that changed something; there are no chunks from before it.
    """

    def __init__(self, run: TrainingRun, steps: CompiledSteps):
        self.run = run
        self.chunks: list[Chunk] = []
        self.updated_eagerly: Values | None = None
        self.best: Chunk | None = None
        if run.validation is not None:
            run.validation.keep = self.keep_best
        self._begin_with(steps)

    def _begin_with(self, steps: CompiledSteps) -> None:
        self.steps = steps
        self.evaluations: dict[Step, Callable[[], tuple[float, Array | None]]] = {}
        self.run.history.engine, self.run.history.why = steps.kind.engine, steps.description()

    def run_all(self) -> None:
        run, history, n, i = self.run, self.run.history, 1, self.run.start
        while i < run.iterations and not run.interrupted:
            if run.validated(i, self.evaluate):
                break
            if run.callback is not None and run.is_recorded(i):
                self.with_callback(i)
                i += 1
                continue
            begin = time.perf_counter()
            wanted = min(n, self.until(i) - i)
            try:
                costs = self.advance(i, wanted)
                good = len(costs) if np.isfinite(costs).all() else int(np.isfinite(costs).argmin())
                self.note(i, costs[:good])
            except BaseException:  # a second Ctrl-C, or an output that is closed
                self.go_back_to(i)
                raise
            if good < len(costs):
                self.diverged(i + good, costs[good])
            i += good
            history.iterations = i
            seconds = time.perf_counter() - begin
            if good == n and seconds < SECONDS:
                n = min(2 * n, max(n, int(n * SECONDS / max(seconds, 1e-6)))) or 1
            elif seconds > 2 * SECONDS:
                n = max(1, int(n * SECONDS / seconds))
        if run.interrupted:
            run.note_interruption()
        run.validated(history.iterations, self.evaluate)
        self.steps.current.store(final=True)
        for parameter in run.parameters:
            parameter.grad = None
        if history.iterations > run.start and not run.has_finite_parameters():
            history.iterations -= 1
            self.go_back_to(history.iterations)
            run.diverged(f"the parameters became infinite in iteration {history.iterations}")
        if self.best is not None:
            self.best.go_back_to(self.best.start)

    def evaluate(self) -> tuple[float, Array | None]:
        """The cost and y_hat on the validation data, from the values that the step has by now."""
        step, validation = self.steps.current, self.run.validation
        assert validation is not None
        if step not in self.evaluations:
            try:
                self.evaluations[step] = Evaluation(step, validation.X, validation.Y)
            except Untraceable:
                self.evaluations[step] = validation.eagerly
        evaluation = self.evaluations[step]
        if not isinstance(evaluation, Evaluation):
            step.store()
        return evaluation()

    def keep_best(self) -> None:
        """The values that the step has by now have the lowest validation cost so far."""
        self.best = Chunk(0, self.steps.current.snapshot(), self.steps.current, None)

    def best_values(self) -> Values | None:
        """The values with the lowest validation cost so far; those of the model stay as they are."""
        if self.best is None:
            return None
        now = Values.now(self.run)
        self.best.go_back_to(self.best.start)
        found = Values.now(self.run)
        now.put_back()
        return found

    def until(self, i: int) -> int:
        """The next iteration that has a callback, or that the validation data are evaluated in."""
        run, ends = self.run, [self.run.iterations]
        if run.callback is not None:
            ends.append(-(-i // run.record_every) * run.record_every)
        if run.validation is not None:
            ends.append((i // run.validation.every + 1) * run.validation.every)
        return min(ends)

    def advance(self, i: int, n: int) -> Array:
        """Up to n steps from iteration i; the cost before each of them, up to the first that is not finite."""
        batches, order = self.run.batches, None
        step = self.steps.current
        if not batches.whole:
            order = np.ascontiguousarray(batches.alike(i, n), dtype=np.int64)
            n = len(order)
            step = self.steps.of_size(order.shape[1])
        self.chunks = [*self.chunks[-1:], Chunk(i, step.snapshot(), step, order)]
        return step.run(n, order)

    def note(self, start: int, costs: Array) -> None:
        """Record, print and report the costs of the iterations from `start`."""
        run, end = self.run, start + len(costs)

        def multiples(every: int) -> range:
            return range(-(-start // every) * every, end, every)
        for i in multiples(run.record_every):
            run.history.costs[i] = float(costs[i - start])
        for i in multiples(run.print_cost) if run.print_cost is not None else ():
            run.print(i, float(costs[i - start]))
        if len(costs):
            run.report(end, float(costs[-1]))

    def diverged(self, i: int, cost: float) -> NoReturn:
        """The cost of iteration i is not finite."""
        self.run.history.iterations = max(i - 1, self.run.start)
        self.go_back_to(self.run.history.iterations)
        self.run.diverged(f"the cost became {cost} in iteration {i}")

    def go_back_to(self, iteration: int) -> None:
        """The values from before this iteration, one of the last few."""
        for chunk in reversed(self.chunks):
            if chunk.start <= iteration:
                return chunk.go_back_to(iteration)
        if self.updated_eagerly is not None:
            self.updated_eagerly.put_back()

    def with_callback(self, i: int) -> None:
        """An iteration that somebody looks at, and may change: values and gradients are computed when they are read.

        The step has been made by then. Where the callback changed something, it is taken back, and the optimiser makes
        the update.
        """
        run, task = self.run, self.run.task
        [cost] = self.advance(i, 1)
        if not np.isfinite(cost):
            self.diverged(i, cost)
        chunk, parameters = self.chunks[-1], run.parameters
        run.history.costs[i] = cost = float(cost)
        arrays: list[Array] = []
        gradients: list[Array | None] = []

        def read_values() -> None:
            chunk.step.restore(chunk.snapshot)
            chunk.step.store()
            arrays[:] = [parameter._data for parameter in parameters]
            for array in arrays:
                array.setflags(write=False)  # what writes to `data` gets a copy, so that a change is seen

        def read_gradients() -> None:
            for parameter in parameters:
                parameter.grad = None
            with observed(recording=True, alone=True):
                backward(task.cost_of(*named(*run.data(i))))
            gradients[:] = [None if parameter.grad is None else parameter.grad.copy() for parameter in parameters]

        held = [task.model, vars(task.optimizer)]
        with computed_when_read(parameters, read_values, read_gradients) as pending:
            if any(isinstance(slot, StateSlot) for slot in chunk.step.program.results):
                pending.values()  # nothing would notice that the optimiser's states are read
            before = attributes(held)
            try:
                run.call_back(i, cost)
            except BaseException:  # the model then has the values of this iteration, as the callback has seen them
                if not pending.are_read:
                    pending.values()
                raise
            changed = bool(changes(before, attributes(held)))
        run.print(i, cost)
        values = [parameter._data for parameter in parameters]
        changed = changed or pending.are_read and not all(map(_same, values, arrays))
        if changed and not gradients:  # those of the values and the model that the callback has found
            now = attributes(task.model)
            put_back(task.model, before)
            if not pending.are_read:
                read_values()
            for parameter, array in zip(parameters, arrays):
                parameter.hold(array)
            read_gradients()
            put_back(task.model, now)
            for parameter, array in zip(parameters, values if pending.are_read else arrays):
                parameter.hold(array)
        if changed or not all(map(_same, [parameter.grad for parameter in parameters], gradients)):
            self._update_eagerly(i)
        elif pending.are_read:
            chunk.step.run(1, chunk.order)
        run.history.iterations = i + 1
        run.report(i + 1, cost)

    def _update_eagerly(self, i: int) -> None:
        """The update of iteration i, with what the callback has left; then compiled steps from there."""
        run = self.run
        self.chunks, self.updated_eagerly = [], Values.now(run)
        run.task.optimizer.step(run.parameters)
        run.history.iterations = i + 1
        self._begin_with(CompiledSteps(run, self.steps.kind, self.steps.why))


def _same(array: Array | None, other: Array | None) -> bool:
    return array is other or array is not None and other is not None and np.array_equal(array, other, equal_nan=True)
