"""A recorded graph as the equations need it: with its backward pass, and its steps numbered and named.

Expressions refer to steps by their places, since an expression is compared by what it holds, and Tensors are not.
"""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinygrad_course.errors import InputError
from tinygrad_course.graph.record import recorded, with_backward, with_equal_constants_as_one
from tinygrad_course.graph.roles import Names, Reading, Role
from tinygrad_course.tensor import Array, Tensor, describe


def check_cost(cost: Any) -> None:
    """Raise InputError for anything but one number that was computed from parameters."""
    if not isinstance(cost, Tensor):
        raise InputError(f"a model or the Tensor of a cost is needed, but {type(cost).__name__} was given")
    if not cost.requires_grad or cost.op is None:
        raise InputError(f"{describe(cost)} has no graph: it was computed from no Tensor with requires_grad=True, or "
                         "under no_grad()")
    if cost.size != 1:
        raise InputError(f"{describe(cost)} has shape {cost.shape}: the equations are those of a cost, one number. "
                         "Reduce it, for instance with .sum()")


class Places:
    """The graph of a cost, forward and backward.

    steps: its Tensors, leaves included, each after those it was computed from; the last is the cost, at `last`.
    index: the place of a Tensor in `steps`.  parents: the places that each step was computed from.
    leaves: the places of the leaves.
    parameters: the places of the leaves with respect to which gradients are wanted, and their order.
    origins: how each Tensor came about, also those of the backward pass.
    total: the gradient of each step, by its place; missing where none arrives.  seed: that of the cost itself, 1.
    parts: for each step the gradients that add up to its own, each with the place of the step that it comes from.
    roles, names: of the steps that have one, by their places. Arrays without a role are C1, C2, ...

    Raises InputError where a parameter has got new values since the cost was computed.
    """

    def __init__(self, cost: Tensor, names: Mapping[Tensor, str] | None = None):
        """names: the parameters, with the course's names; by default all leaves that require a gradient."""
        wanted = None if names is None else list(names)
        record = with_equal_constants_as_one(with_backward(recorded([cost]), wanted))
        self.steps = [tensor for tensor in record.tensors if tensor in record.forward]
        self.last = len(self.steps) - 1
        self.index = {step: i for i, step in enumerate(self.steps)}
        self.origins = record.origins
        self.parents = [[self.index[parent] for parent in record.parents(step)] for step in self.steps]
        self.leaves = [i for i, step in enumerate(self.steps) if step not in record.origins]
        self.total = {self.index[step]: gradient for step, gradient in record.total.items()}
        self.parts = {self.index[step]: [(self.index[source], part) for source, part in parts]
                      for step, parts in record.parts.items()}
        self.seed = record.seed
        read = Reading(record, names or {}, cost, wanted)
        self.roles: dict[int, Role] = {self.index[step]: read.roles[step] for step in self.steps if step in read.roles}
        # A[l] = g[l](Z[l]), by the place of A[l]: that of Z[l]
        self.activated = {self.index[step.activation]: self.index[step.Z] for step in read.steps
                          if step.activation is not None}
        self.names = {i: role.name for i, role in self.roles.items()}
        others = [i for i in self.leaves if i not in self.names
                  and (self.steps[i].size > 1 or self.steps[i].requires_grad)]
        given = Names(self.names.values())
        self.names.update((i, given.give("C", numbered=True)) for i in others)
        places = [i for i in self.leaves if i in self.roles and self.roles[i].kind == "parameter"]
        if all(self.roles[i].layer is not None for i in places):  # W2 is met before W1, it is nearer to the cost
            places.sort(key=lambda i: self.roles[i].layer or 0)
        self.parameters = {i: rank for rank, i in enumerate(places)}

    def op(self, i: int) -> str:
        """The operation of a step; "" for a leaf."""
        origin = self.origins.get(self.steps[i])
        return origin.op.name if origin is not None else ""

    def array(self, i: int) -> Array:
        """The values of a step, to be read only."""
        return self.steps[i]._data  # type: ignore[no-any-return]

    def examples(self) -> int | None:
        """m for a graph that is given: the last axis of Y, else of X; None where another axis has the same size."""
        named = {self.names[i]: self.steps[i] for i in self.leaves if i in self.names}
        labels = named.get("Y", named.get("X"))
        if labels is None or labels.ndim == 0 or labels.shape[-1] < 2:
            return None
        m: int = labels.shape[-1]
        sizes = {n for i in self.leaves for axis, n in enumerate(self.steps[i].shape)
                 if axis < self.steps[i].ndim - 1 or i in self.parameters}
        return None if m in sizes else m
