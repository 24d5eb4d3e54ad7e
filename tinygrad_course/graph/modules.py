"""Which Module computed which Tensor: watched from outside while a model runs, or inferred from its parameters."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_course.errors import InputError
from tinygrad_course.mode import Observer, observed
from tinygrad_course.nn import Module
from tinygrad_course.ops import Op
from tinygrad_course.tensor import Tensor, as_tensor
from tinygrad_course.visualize.graph.recorded import Record, tensors_within, unchanged


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a Module, within the call of another one."""

    module: Module
    within: Call | None

    def chain(self) -> list[Call]:
        """The calls around this one, the outermost first, and itself."""
        calls: list[Call] = [self]
        while (outer := calls[0].within) is not None:
            calls.insert(0, outer)
        return calls


class Watched(Observer):
    """What was seen while a model ran: for each new Tensor the innermost call in which it was computed."""

    def __init__(self) -> None:
        self.calls: dict[Tensor, Call] = {}
        self.current: Call | None = None

    def entered(self, module: Module) -> None:
        self.current = Call(module, self.current)

    def left(self, module: Module) -> None:
        assert self.current is not None
        self.current = self.current.within

    def computed(self, result: Tensor, op: Op, inputs: Sequence[Any], params: dict[str, Any]) -> None:
        if self.current is not None:
            self.calls.setdefault(result, self.current)


def run(model: Module, data: Sequence[Any]) -> tuple[Tensor, dict[Tensor, Call], dict[Tensor, str]]:
    """The model's output for X, or its cost for X and Y, recorded; who computed what; the names of X and Y.

    Nothing of this run is left behind in the model, in X and Y or in NumPy's random numbers.
    Raises InputError unless X, or X and Y, are given.
    """
    if len(data) not in (1, 2):
        raise InputError(f"draw_graph: to draw a model give X, for its output, or X and Y, for its cost: "
                         f"draw_graph(model, X, Y); {len(data)} arrays were given")
    inputs = [as_tensor(x) for x in data]
    names = dict(zip(inputs, "XY"))
    random = np.random.get_state()
    watched = Watched()
    with unchanged([*tensors_within(model), *inputs]), observed(watched, recording=True, alone=True):
        try:
            output = model(inputs[0]) if len(inputs) == 1 else model.cost(*inputs)
        finally:
            np.random.set_state(random)
    return output, watched.calls, names


def inferred(record: Record, model: Module) -> dict[Tensor, Call]:
    """For a graph that was recorded before: a step is in the Module whose own parameter it uses directly.

    What belongs to a Module without parameters cannot be told from the graph, so it stands in the model around it.
    Where a Module was called several times, the calls cannot be told apart: its steps then stand in the model, too.
    """
    holders: dict[Tensor, Call] = {}
    outermost = Call(model, None)
    todo: list[tuple[Any, Call]] = [(value, outermost) for value in vars(model).values()]
    seen: set[int] = {id(model)}
    while todo:
        value, call = todo.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Tensor):
            holders[value] = call
        elif isinstance(value, Module):
            inner = Call(value, call)
            todo += [(child, inner) for child in vars(value).values()]
        elif isinstance(value, dict):
            todo += [(child, call) for child in value.values()]
        elif isinstance(value, (list, tuple)):
            todo += [(child, call) for child in value]
    known = {tensor for tensor in record.tensors if tensor in holders}
    if not known:
        raise InputError(f"draw_graph: model={type(model).__name__} has no parameter in this graph: give the model "
                         "that computed it")
    below: set[Tensor] = set(known)  # what depends on the model
    calls: dict[Tensor, Call] = {}
    uses: dict[Tensor, int] = {}
    for tensor in record.tensors:
        if tensor not in record.origins:
            continue
        parents = record.origins[tensor].parents
        if any(parent in below for parent in parents):
            below.add(tensor)
            calls[tensor] = outermost
        for parent in parents:
            if parent in known:
                calls[tensor] = holders[parent]
                uses[parent] = uses.get(parent, 0) + 1
    roots = set(record.roots)
    several = {holders[parent] for parent, count in uses.items() if count > 1}
    return {tensor: outermost if call in several else call for tensor, call in calls.items()
            if tensor not in roots}
