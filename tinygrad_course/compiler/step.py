"""A compiled training step: traced, rewritten, bound to a model's parameters and to data."""
from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_course.compiler import rewrites
from tinygrad_course.compiler.nodes import ArrayNode
from tinygrad_course.compiler.memory import is_elementwise
from tinygrad_course.compiler.numpy_code import NumPyWriter
from tinygrad_course.compiler.program import (
    DataSlot, HoistedSlot, ParameterSlot, Slot, StartSlot, StateSlot, StepProgram, evaluated, with_cost)
from tinygrad_course.compiler.span import in_the_span_of_the_data
from tinygrad_course.compiler.tracing import trace
from tinygrad_course.nn import Module
from tinygrad_course.optim import Optimizer

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


def _columns_like(array: Any, m: int) -> Any:
    """Memory for m columns, in the order in which the columns of `array` lie."""
    if array.ndim == 2 and abs(array.strides[0]) < abs(array.strides[1]):
        return np.empty((m, array.shape[0]), array.dtype).T
    return np.empty((*array.shape[:-1], m), array.dtype)


@contextmanager
def collector_paused() -> Iterator[None]:
    """Graphs have no cycles, but Python's collector walks through all their nodes again and again: without it,
    compiling 3000 layers takes 20 s in place of 28 s, and as long for each layer as compiling 300."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class Step:
    """One training step of a model as a program of its own.

    X, Y: the data.  batch_size: how many of its columns make one step; by default all.
    iterations: how many steps there will be, if known.

    `run` makes steps on arrays of this object; `load` takes them from the model and the optimiser, `store` gives them
    back. `source` is the step as NumPy code. Raises Untraceable where the model cannot be compiled.
    """

    engine = "numpy"

    @collector_paused()
    def __init__(self, model: Module, cost_of: Callable[[Any, Any], Any], optimizer: Optimizer, X: Any, Y: Any,
                 batch_size: int | None = None, iterations: int | None = None):
        self.model, self.optimizer = model, optimizer
        named = dict(model.named_parameters())
        self.names, self.parameters = list(named), list(named.values())
        self.data = {"X": X, "Y": Y}
        self.batch = self.data if batch_size is None else {
            name: _columns_like(array, batch_size) for name, array in self.data.items()}
        self.traced = trace(model, cost_of, optimizer, self.batch["X"], self.batch["Y"], batch_size is not None)
        self.iterations = iterations
        self._optimise()

    def _optimise(self) -> None:
        slots = self.traced.slots
        self.zeros = [x for x, slot in slots.items() if isinstance(slot, StateSlot)
                      and not np.any(self.initial(x, slot))]
        self.once, self.program = rewrites.split(self.whole())
        self.values: dict[ArrayNode, Any] = {}
        self._written: Any = None

    def whole(self) -> StepProgram:
        """The program in which what no step changes is not yet computed before the first."""
        return optimised(self.traced, self.iterations, self.zeros)

    def title(self) -> str:
        return (f"One training step of {type(self.model).__name__} for X {self.batch['X'].shape}, "
                f"{type(self.optimizer).__name__}: forward pass, backward pass and update.")

    @classmethod
    def of(cls, step: Step) -> Step:
        """A traced step for another engine."""
        new = cls.__new__(cls)
        new.__dict__.update(step.__dict__)
        return new

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

    @property
    def spans(self) -> list[str]:
        """The parameters that are kept as c W_0 + D X^T."""
        return [self.names[slot.stands_for.parameter] for slot in self.program.slots.values()
                if isinstance(slot, StartSlot) and isinstance(slot.stands_for, ParameterSlot)]

    # ------------------------------------------------------------------------------- what the step works on

    def initial(self, node: ArrayNode, slot: Slot) -> Any:
        """What an input starts with, in memory of its own but for the data."""
        if isinstance(slot, DataSlot):
            return self.batch[slot.name]
        if isinstance(slot, StartSlot):
            return np.full(node.shape, slot.number, node.dtype)
        assert not isinstance(slot, HoistedSlot)
        parameter = self.parameters[slot.parameter]
        state = self.optimizer.state_of(parameter, parameter._data) if isinstance(slot, StateSlot) else ()
        return np.array(state[slot.part] if isinstance(slot, StateSlot) else parameter._data)

    @collector_paused()
    def load(self) -> None:
        """Begin from what the model and the optimiser hold now."""
        if self.spans and any(np.any(self.initial(x, self.traced.slots[x])) for x in self.zeros):
            self._optimise()  # the weights have moved on from W_0, in a direction that is not in this program
        slots = self.program.slots
        values = {x: self.initial(x, slot) for x, slot in slots.items() if not isinstance(slot, HoistedSlot)}
        hoisted = evaluated(self.once, values) if self.once else []
        values |= {x: np.array(hoisted[slot.index]) for x, slot in slots.items() if isinstance(slot, HoistedSlot)}
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
        states: dict[int, dict[int, Any]] = {}
        for slot, node in results.items():
            if isinstance(slot, StateSlot):
                states.setdefault(slot.parameter, {})[slot.part] = found[slot].item() if node.weak else found[slot]
        for i, parameter in enumerate(self.parameters):
            parameter.hold(found[ParameterSlot(i)])
            if i in states:
                self.optimizer.states[parameter] = tuple(states[i][part] for part in sorted(states[i]))

    def snapshot(self) -> list[Any]:
        return [self.values[x].copy() for x in self.program.updates]

    def restore(self, snapshot: list[Any]) -> None:
        for x, value in zip(self.program.updates, snapshot):
            self.values[x][...] = value

    @property
    def nbytes(self) -> int:
        """The memory of all arrays that steps work on, the data themselves left out."""
        slots = self.program.slots
        own: int = sum(value.nbytes for x, value in self.values.items() if not isinstance(slots[x], DataSlot))
        return own + self.working_memory()

    def working_memory(self) -> int: return int(self.written().memory.nbytes)

    # ------------------------------------------------------------------------------------------- as NumPy code

    @property
    def source(self) -> str:
        """The step as NumPy code; `train` in it makes as many steps as there are `costs` to fill."""
        return self.written().text  # type: ignore[no-any-return]

    @property
    def javascript(self) -> str:
        """The step as JavaScript, with all that it needs: `training` in it takes the arrays and gives {prepare, step}.

        Raises InputError for what JavaScript has no counterpart of.
        """
        from tinygrad_course.compiler.javascript import javascript_of
        return javascript_of(self)

    def written(self) -> Any:
        if self._written is None:
            sizes: dict[str, Any] = {"m": int(self.batch["X"].shape[-1])}
            sizes["learning_rate"] = self.optimizer.learning_rate
            layouts = {name: "rows" if array.flags.c_contiguous else "columns" if array.flags.f_contiguous else ""
                       for name, array in self.data.items()}
            self._written = NumPyWriter(self.program, list(self._hoisted()), sizes, layouts).source(self.title())
        return self._written

    def _hoisted(self) -> list[ArrayNode]:
        return [x for x, slot in self.program.slots.items() if isinstance(slot, HoistedSlot)]

    def bind(self) -> None:
        """Make ready to run on `values`."""
        written = self.written()
        module: dict[str, Any] = {}
        exec(compile(written.text, "<training step>", "exec"), module)  # our own text, from the program
        self._train = module["train"]
        self._arguments = {name: self.values[x] for name, x in written.arguments.items()} | written.constants

    def run(self, n: int, order: Any = None) -> Any:
        """n steps; the cost before each, an array (n,).

        order: for mini-batches the columns of the data that make each of them, (n, batch size).
        """
        costs = np.empty(n)
        data = {} if order is None else {"data_X": self.data["X"], "data_Y": self.data["Y"], "order": order}
        with np.errstate(all="ignore"):
            self._train(**self._arguments, **data, costs=costs)
        return costs


class NativeStep(Step):
    """A step as machine code. Raises InputError where llvmlite is not installed."""

    engine = "native"

    def bind(self) -> None:
        from tinygrad_course.compiler.native.module import Native

        program = self.program
        for rewrite in (rewrites.sigmoid_fused_with_cross_entropy, rewrites.products_expanded, *PASSES):
            program = rewrite(program)
        program = with_cost(program, program.cost.reshape(()).astype(np.float64))
        arrays = {x: self.values[x] for x in program.slots if x in self.values}
        data = {x: self.data[slot.name] for x, slot in program.slots.items()
                if isinstance(slot, DataSlot) and program.batches}
        self.code = Native(program, arrays, data)
        self.code.bind(self.values)

    def run(self, n: int, order: Any = None) -> Any:
        return self.code.run(n, order)

    def working_memory(self) -> int: return self.code.nbytes
