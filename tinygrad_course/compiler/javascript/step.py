"""A training step as JavaScript, with what its arrays start with and where its results are."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinygrad_course.compiler import rewrites
from tinygrad_course.compiler.javascript.code import JavaScriptWriter, Source
from tinygrad_course.compiler.nodes import ArrayNode, elementwise, inputs_named
from tinygrad_course.compiler.program import (
    DataSlot, HoistedSlot, Slot, StartSlot, StateSlot, StepProgram, ordered)
from tinygrad_course.compiler.step import PASSES, optimised
from tinygrad_course.compiler.tracing import trace
from tinygrad_course.graph.walk import collector_paused
from tinygrad_course.nn import Module
from tinygrad_course.optim import Optimizer
from tinygrad_course.tensor import Tensor


@dataclass(frozen=True)
class SettingSlot:
    """A number of the optimiser, such as its learning rate."""

    name: str


@dataclass
class JavaScriptStep:
    """source: the function that makes steps; its arguments are the keys of `slots` and its constants.

    slots: what each argument is bound to.
    shapes: of the arguments.
    direct: from what is trained to the argument that holds it.
    computed: from what is trained, but kept in another form, to the name that it has among the `values` of the
        function `source_of_results`, which takes the same arguments.
    """

    source: Source
    slots: dict[str, Slot | SettingSlot]
    shapes: dict[str, tuple[int, ...]]
    direct: dict[Slot, str]
    computed: dict[Slot, str]
    source_of_results: Source | None

    @property
    def text(self) -> str:
        return self.source.text + ("" if self.source_of_results is None else self.source_of_results.text)

    def starting_values(self, parameters: Sequence[Tensor], optimizer: Optimizer,
                        data: Mapping[str, Any]) -> dict[str, Any]:
        """What each argument starts with, as arrays. data: X and Y."""
        values: dict[str, Any] = dict(self.source.constants)
        if self.source_of_results is not None:
            values |= self.source_of_results.constants
        for name, slot in self.slots.items():
            if isinstance(slot, DataSlot):
                values[name] = data[slot.name]
            elif isinstance(slot, StartSlot):
                values[name] = np.full(self.shapes[name], slot.number)
            elif isinstance(slot, SettingSlot):
                values[name] = np.asarray(getattr(optimizer, slot.name))
            else:
                assert not isinstance(slot, HoistedSlot)
                parameter = parameters[slot.parameter]
                state = optimizer.state_of(parameter, parameter._data) if isinstance(slot, StateSlot) else ()
                values[name] = np.asarray(state[slot.part] if isinstance(slot, StateSlot) else parameter._data)
        return values


@collector_paused()
def javascript_step(model: Module, cost_of: Callable[[Any, Any], Any], optimizer: Optimizer, X: Any, Y: Any, *,
                    batches: bool = False, function: str = "training", settings: bool = True,
                    iterations: int | None = None) -> JavaScriptStep:
    """One training step. Raises Untraceable, with the reason, where there is none.

    X, Y: arrays, or anything with a shape and a dtype.  batches: whether they are others in every step.
    function: a name for the function.
    settings: whether the optimiser's numbers are arguments, so that they can be changed, or literals.
    iterations: how many steps there will be, if known.
    """
    with settings_as_inputs(optimizer if settings else None) as inputs:
        program = trace(model, cost_of, optimizer, X, Y, batches)
    slots: dict[ArrayNode, Any] = program.slots
    slots.update({node: SettingSlot(name) for name, node in inputs.items()})
    parameters = model.parameters()
    zeros = [x for x, slot in slots.items() if isinstance(slot, StateSlot) and not np.any(
        optimizer.state_of(parameters[slot.parameter], parameters[slot.parameter]._data)[slot.part])]
    title = (f"One training step of {type(model).__name__} for X {X.shape}, {type(optimizer).__name__}: forward pass, "
             "backward pass and update.")
    return from_program(optimised(program, iterations, zeros), title, function)


def from_program(program: StepProgram, title: str, function: str) -> JavaScriptStep:
    """The step of a program that has been made shorter already."""
    for rewrite in (rewrites.sigmoid_fused_with_cross_entropy, rewrites.products_expanded, *PASSES):
        program = rewrite(program)
    program = rewrites.cost_kept(program)
    source = JavaScriptWriter(program).source(title, function)
    names = {node: name for name, node in source.arguments.items()}
    direct = {slot: names[node] for slot, node in program.results.items() if node in names}
    wanted = {slot: elementwise(np.positive, node) for slot, node in program.results.items() if node.op != "input"}
    of_results, computed = None, {}
    if wanted:
        nodes = ordered(wanted.values())
        reading = replace(program, nodes=nodes, cost=nodes[-1], updates={}, gradients={}, results={},
                          slots={x: program.slots[x] for x in nodes if x.op == "input"})
        of_results = JavaScriptWriter(reading, wanted.values()).source(
            "What is trained, from the form that it is kept in.", f"{function}_results")
        computed = {slot: of_results.kept[node] for slot, node in wanted.items()}
        source.arguments.update({name: node for name, node in of_results.arguments.items()
                                 if name not in source.arguments})
    slots: dict[str, Slot | SettingSlot] = {name: program.slots[node] for name, node in source.arguments.items()}
    shapes = {name: node.shape for name, node in source.arguments.items()}
    return JavaScriptStep(source, slots, shapes, direct, computed, of_results)


@contextmanager
def settings_as_inputs(optimizer: Optimizer | None) -> Iterator[dict[str, ArrayNode]]:
    """Inside, the optimiser's numbers are inputs of the graph, by their names; but for a weight decay.

    Without one, the rule leaves it out.
    """
    saved = {} if optimizer is None else {name: value for name, value in vars(optimizer).items()
                                          if type(value) is float and name != "weight_decay"}
    inputs = {name: inputs_named(name, (), np.float64, weak=True) for name in saved}
    try:
        if optimizer is not None:
            vars(optimizer).update(inputs)
        yield inputs
    finally:
        if optimizer is not None:
            vars(optimizer).update(saved)
