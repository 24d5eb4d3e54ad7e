"""A compiled training step: traced, rewritten, bound to a model's parameters and to data."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tinygrad_course.arguments import Task, memory_for_columns
from tinygrad_course.compiler import rewrites
from tinygrad_course.compiler.memory import is_elementwise
from tinygrad_course.compiler.nodes import ArrayNode
from tinygrad_course.compiler.numpy_code import NumPySource, NumPyWriter
from tinygrad_course.compiler.program import (
    DataSlot, HoistedSlot, ParameterSlot, Slot, StartSlot, StateSlot, StepProgram, evaluated, with_cost)
from tinygrad_course.compiler.span import in_the_span_of_the_data
from tinygrad_course.compiler.tracing import trace
from tinygrad_course.graph.walk import collector_paused
from tinygrad_course.tensor import Array, Tensor

PASSES = (rewrites.constants_folded, rewrites.simplified, rewrites.shared, rewrites.transposes_absorbed)


def optimised(program: StepProgram, iterations: int | None = None, zeros: Sequence[ArrayNode] = ()) -> StepProgram:
    """All passes in their order. iterations, zeros: as for `in_the_span_of_the_data`."""
    program = rewrites.without_dead_code(program)
    for rewrite in PASSES:
        program = rewrite(program)
    in_span = in_the_span_of_the_data(program, iterations, zeros)
    if in_span is not program:
        for rewrite in PASSES:
            in_span = rewrite(in_span)
    program = in_span
    program = rewrites.without_dead_code(rewrites.relu_derivatives_from_activations(program))
    return rewrites.cost_kept(program)


@dataclass
class TracedStep:
    """One training step of a model as a program, bound to no memory yet.

    parameters: those of the model, by name.  batch: the X and Y that the program reads, the data themselves or memory
    for a mini-batch.  iterations: how many steps there will be, if known.
    as_traced: the whole step.  program: the same made short; hoisted: what its inputs of a `HoistedSlot` stand for.
    """

    task: Task
    parameters: dict[str, Tensor]
    batch: dict[str, Array]
    iterations: int | None
    as_traced: StepProgram
    program: StepProgram = field(init=False)
    hoisted: list[ArrayNode] = field(init=False)
    zeros: list[ArrayNode] = field(init=False)  # states of which the program takes it that they are zero at the start

    def __post_init__(self) -> None:
        self.tensors = list(self.parameters.values())
        self.zeros = [x for x, slot in self.as_traced.slots.items() if isinstance(slot, StateSlot)
                      and not np.any(self.initial(x, slot))]
        self.hoisted, self.program = rewrites.split(self.whole())

    def whole(self) -> StepProgram:
        """The program in which what no step changes is not yet computed before the first."""
        return optimised(self.as_traced, self.iterations, self.zeros)

    def title(self) -> str:
        task = self.task
        return (f"One training step of {type(task.model).__name__} for X {self.batch['X'].shape}, "
                f"{type(task.optimizer).__name__}: forward pass, backward pass and update.")

    @collector_paused()
    def for_now(self) -> TracedStep:
        """This step, or one that begins from the values as they are by now.

        Weights in the span of the data that have moved on from W_0 have a state that is in no program made before.
        """
        if self.spans and any(np.any(self.initial(x, self.as_traced.slots[x])) for x in self.zeros):
            return replace(self)
        return self

    def initial(self, node: ArrayNode, slot: Slot) -> Array:
        """What an input starts with, in memory of its own but for the data."""
        if isinstance(slot, DataSlot):
            return self.batch[slot.name]
        if isinstance(slot, StartSlot):
            return np.full(node.shape, slot.number, node.dtype)
        assert not isinstance(slot, HoistedSlot)
        parameter = self.tensors[slot.parameter]
        if isinstance(slot, ParameterSlot):
            return np.array(parameter._data)
        return np.array(self.task.optimizer.state_of(parameter, parameter._data)[slot.part])

    def values(self) -> dict[ArrayNode, Array]:
        """What all inputs start with."""
        slots = self.program.slots
        values = {x: self.initial(x, slot) for x, slot in slots.items() if not isinstance(slot, HoistedSlot)}
        hoisted = evaluated(self.hoisted, values) if self.hoisted else []
        return values | {x: np.array(hoisted[slot.index]) for x, slot in slots.items()
                         if isinstance(slot, HoistedSlot)}

    @property
    def spans(self) -> list[str]:
        """The parameters that are kept as c W_0 + D X^T."""
        names = list(self.parameters)
        return [names[slot.stands_for.parameter] for slot in self.program.slots.values()
                if isinstance(slot, StartSlot) and isinstance(slot.stands_for, ParameterSlot)]

    def seconds_saved(self) -> float:
        """About how much sooner machine code makes one step than NumPy: the calls, and the passes over memory.

        Measured on the course's models: 2 us for a call, 5 us more for one of BLAS, 0.4 ns for an element, 4 ns for
        one of exp, tanh and so on.
        """
        steps = [node for node in self.program.nodes if node.inputs and (
            is_elementwise(node) or node.op in ("matmul", "sum", "max", "min", "where"))]
        slow = sum(node.size for node in steps if node.op in ("exp", "expm1", "log", "log1p", "tanh"))
        products = sum(node.op == "matmul" for node in steps)
        return 2e-6 * len(steps) + 5e-6 * products + 0.4e-9 * sum(node.size for node in steps) + 4e-9 * slow

    def seconds_to_compile(self) -> float:
        """About how long it takes to make machine code: to load LLVM, and then for each operation."""
        return 0.06 + 0.6e-3 * len(self.program.nodes)


@collector_paused()
def traced_step(task: Task, iterations: int | None = None) -> TracedStep:
    """One training step of a model. Raises Untraceable where it cannot be compiled."""
    batch = {name: array if task.batch_size is None else memory_for_columns(array, task.batch_size)
             for name, array in (("X", task.X), ("Y", task.Y))}
    program = trace(task.model, task.cost_of, task.optimizer, batch["X"], batch["Y"], task.batch_size is not None)
    return TracedStep(task, dict(task.model.named_parameters()), batch, iterations, program)


class Step:
    """A traced step on arrays of its own, as NumPy code.

    `run` makes steps; `load` takes the values from the model and the optimiser, `store` gives them back. `source` is
    the step as NumPy code.
    """

    engine = "numpy"

    def __init__(self, traced: TracedStep):
        self.traced = traced
        self._forget()

    def _forget(self) -> None:
        self.values: dict[ArrayNode, Array] = {}
        self._written: NumPySource | None = None

    @property
    def program(self) -> StepProgram: return self.traced.program

    @property
    def spans(self) -> list[str]: return self.traced.spans

    # ------------------------------------------------------------------------------- what the step works on

    @collector_paused()
    def load(self) -> None:
        """Begin from what the model and the optimiser hold now. Raises Untraceable for what this engine has not."""
        now = self.traced.for_now()
        if now is not self.traced:
            self.traced = now
            self._forget()
        values = now.values()
        if not self.values:
            self.values = values
            self.bind()
            return
        for x, value in values.items():
            if self.values[x] is not value:
                self.values[x][...] = value

    def store(self, final: bool = False) -> None:
        """Give parameters and optimiser what the steps have made of them. final: without copying it, at the end."""
        results = self.program.results
        found = dict(zip(results, evaluated(results.values(), self.values)))
        for slot, value in found.items():
            if not final or not isinstance(value, np.ndarray):
                found[slot] = np.array(value)
        states: dict[int, dict[int, Array | float]] = {}
        for slot, node in results.items():
            if isinstance(slot, StateSlot):
                states.setdefault(slot.parameter, {})[slot.part] = found[slot].item() if node.weak else found[slot]
        optimizer = self.traced.task.optimizer
        for i, parameter in enumerate(self.traced.tensors):
            parameter.hold(found[ParameterSlot(i)])
            if i in states:
                optimizer.states[parameter] = tuple(states[i][part] for part in sorted(states[i]))

    def snapshot(self) -> list[Array]:
        return [self.values[x].copy() for x in self.program.updates]

    def restore(self, snapshot: list[Array]) -> None:
        for x, value in zip(self.program.updates, snapshot):
            self.values[x][...] = value

    @property
    def nbytes(self) -> int:
        """The memory of all arrays that steps work on, the data themselves left out."""
        slots = self.program.slots
        own: int = sum(value.nbytes for x, value in self.values.items() if not isinstance(slots[x], DataSlot))
        return own + self.working_memory()

    def working_memory(self) -> int: return self.written().memory.nbytes

    # ------------------------------------------------------------------------------------------- as NumPy code

    @property
    def source(self) -> str:
        """The step as NumPy code; `train` in it makes as many steps as there are `costs` to fill."""
        return self.written().text

    @property
    def javascript(self) -> str:
        """The step as JavaScript, with all that it needs: `training` in it takes the arrays and gives {prepare, step}.

        Raises InputError for what JavaScript has no counterpart of.
        """
        from tinygrad_course.compiler.javascript import javascript_of
        return javascript_of(self)

    def written(self) -> NumPySource:
        if self._written is None:
            task = self.traced.task
            sizes: dict[str, float] = {"m": self.traced.batch["X"].shape[-1]}
            if type(task.optimizer.learning_rate) is float:
                sizes["learning_rate"] = task.optimizer.learning_rate
            layouts = {name: "rows" if array.flags.c_contiguous else "columns" if array.flags.f_contiguous else ""
                       for name, array in (("X", task.X), ("Y", task.Y))}
            hoisted = [x for x, slot in self.program.slots.items() if isinstance(slot, HoistedSlot)]
            self._written = NumPyWriter(self.program, hoisted, sizes, layouts).source(self.traced.title())
        return self._written

    def bind(self) -> None:
        """Make ready to run on `values`."""
        written = self.written()
        module: dict[str, Any] = {}
        exec(compile(written.text, "<training step>", "exec"), module)  # our own text, from the program
        self._train = module["train"]
        self._arguments = {name: self.values[x] for name, x in written.arguments.items()} | written.constants

    def run(self, n: int, order: Array | None = None) -> Array:
        """n steps; the cost before each, an array (n,).

        order: for mini-batches the columns of the data that make each of them, (n, batch size).
        """
        costs = np.empty(n)
        task = self.traced.task
        data = {} if order is None else {"data_X": task.X, "data_Y": task.Y, "order": order}
        with np.errstate(all="ignore"):
            self._train(**self._arguments, **data, costs=costs)
        return costs


class NativeStep(Step):
    """A traced step as machine code. Raises InputError where llvmlite is not installed."""

    engine = "native"

    def bind(self) -> None:
        from tinygrad_course.compiler.native.module import Native

        program = self.program
        for rewrite in (rewrites.sigmoid_fused_with_cross_entropy, rewrites.products_expanded, *PASSES):
            program = rewrite(program)
        program = with_cost(program, program.cost.reshape(()).astype(np.float64))
        arrays = {x: self.values[x] for x in program.slots if x in self.values}
        task = self.traced.task
        data = {x: {"X": task.X, "Y": task.Y}[slot.name] for x, slot in program.slots.items()
                if isinstance(slot, DataSlot) and program.batches}
        self.code = Native(program, arrays, data)
        self.code.bind(self.values)

    def run(self, n: int, order: Array | None = None) -> Array:
        costs: Array = self.code.run(n, order)
        return costs

    def working_memory(self) -> int: return self.code.nbytes
