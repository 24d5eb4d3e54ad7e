"""The recorded graph, read from outside: Tensors, what each was computed from, and the backward pass as more of them.

Reading changes nothing. Where something has to be computed for a picture, everything that this leaves behind in the
Tensors it used, such as locks, is taken back.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_course.autodiff import gradients
from tinygrad_course.errors import InputError
from tinygrad_course.mode import Observer, observed
from tinygrad_course.nn import Module
from tinygrad_course.ops import Op
from tinygrad_course.tensor import Tensor, as_tensor, describe


@dataclass(frozen=True)
class Origin:
    """How a Tensor came about."""

    op: Op
    parents: tuple[Tensor, ...]
    params: Mapping[str, Any]


@dataclass
class Record:
    """Tensors in an order in which each comes after those that it was computed from."""

    tensors: list[Tensor]
    origins: dict[Tensor, Origin]  # of every computed one
    forward: set[Tensor]
    roots: list[Tensor]            # what was asked for
    gradient_of: dict[Tensor, list[Tensor]] = field(default_factory=dict)  # for gradients: with respect to what
    made_by: dict[Tensor, Tensor] = field(default_factory=dict)  # step of the backward pass: whose VJP it is from
    seed: Tensor | None = None

    def edges(self) -> Iterator[tuple[Tensor, Tensor]]:
        """One for every time that a Tensor is used, from it to what was computed from it."""
        for tensor in self.tensors:
            if tensor in self.origins:
                for parent in self.origins[tensor].parents:
                    yield parent, tensor


def record_of(tensors: Sequence[Tensor]) -> Record:
    """The graph that the Tensors were computed by. Raises InputError where one of them has none."""
    if not tensors:
        raise InputError("draw_graph: nothing was given to draw: give a Tensor that was computed, such as a cost, "
                         "or a model and its X (and Y)")
    for tensor in tensors:
        if not isinstance(tensor, Tensor):
            raise InputError(f"draw_graph: {type(tensor).__name__} was given, but a Tensor that was computed, such as "
                             "a cost, is needed; or a model and its X (and Y)")
    origins: dict[Tensor, Origin] = {}
    order = _in_order(tensors, origins)
    used = {parent for origin in origins.values() for parent in origin.parents}
    for tensor in tensors:
        if (tensor.op is None or not tensor.requires_grad) and tensor not in used:
            raise InputError(
                f"draw_graph: {describe(tensor)} has no graph: "
                + ("it was not computed from other Tensors" if tensor.requires_grad else
                   "nothing that it was computed from has requires_grad=True, or it was computed under no_grad()")
                + ". Draw what is computed from it, such as a cost")
    return Record(order, origins, set(order), list(tensors))


def _in_order(roots: Iterable[Tensor], origins: dict[Tensor, Origin]) -> list[Tensor]:
    """Everything that the roots depend on, parents first; `origins` is filled in. The order depends on nothing but
    the graph. A loop, so that the depth of the graph does not matter."""
    order: list[Tensor] = []
    placed: set[Tensor] = set()
    stack: list[tuple[Tensor, bool]] = [(root, False) for root in reversed(list(roots))]
    while stack:
        tensor, parents_done = stack.pop()
        if tensor in placed:
            continue
        if tensor not in origins and tensor.op is not None:
            origins[tensor] = Origin(tensor.op, tensor.parents, tensor.params)
        if parents_done or tensor not in origins:
            placed.add(tensor)
            order.append(tensor)
        else:
            stack.append((tensor, True))
            stack += [(parent, False) for parent in reversed(origins[tensor].parents) if parent not in placed]
    return order


def with_backward(record: Record) -> Record:
    """The record with the steps of the backward pass from its output to all leaves that want a gradient.

    Raises InputError where the output is no single number.
    """
    output = the_cost(record, "backward=True")
    wanted = [tensor for tensor in record.tensors if tensor.op is None and tensor.requires_grad]
    seed = as_tensor(np.ones_like(output._data))
    origins: dict[Tensor, Origin] = dict(record.origins)
    made_by: dict[Tensor, Tensor] = {}
    since: list[Tensor] = []

    class Backward(Observer):
        """Also of what records nothing, as the transpose of a constant."""

        def computed(self, result: Tensor, op: Op, inputs: Sequence[Any], params: dict[str, Any]) -> None:
            if result not in record.forward:
                parents = result.parents or tuple(as_tensor(x) for x in inputs)
                origins.setdefault(result, Origin(op, parents, result.params))
                since.append(result)

        def handed_back(self, part: Tensor, tensor: Tensor, parent: Tensor) -> None:
            made_by.update(dict.fromkeys(since, tensor))
            since.clear()

    with unchanged(record.tensors), observed(Backward(), recording=True, alone=True):
        total = gradients(output, seed, wanted, recorded=True)
    gradient_of: dict[Tensor, list[Tensor]] = {}
    for tensor in record.tensors:
        if tensor in total:
            gradient_of.setdefault(total[tensor], []).append(tensor)
    order = _in_order([*record.tensors, seed, *(total[tensor] for tensor in wanted if tensor in total)], origins)
    drawn = set(order)
    return Record(order, {tensor: origin for tensor, origin in origins.items() if tensor in drawn}, record.forward,
                  record.roots, {tensor: of for tensor, of in gradient_of.items() if tensor in drawn}, made_by, seed)


def gradient_arrays(record: Record) -> dict[Tensor, Any]:
    """dJ/dT for every Tensor T of the graph, as arrays; no `grad` is touched.

    Where the output is no single number, what an earlier `backward` has left in `grad`.
    Raises InputError where there is neither.
    """
    outputs = [root for root in record.roots if root.requires_grad and root.op is not None]
    if len(outputs) == 1 and outputs[0].size == 1:
        with unchanged(record.tensors), observed(alone=True):  # what is NaN is drawn in red, not refused
            return gradients(outputs[0], np.ones_like(outputs[0]._data))
    left = {tensor: tensor.grad for tensor in record.tensors if tensor.grad is not None}
    if not left:
        the_cost(record, "showing gradients")
    return left


def the_cost(record: Record, purpose: str) -> Tensor:
    """The one output that the backward pass starts from."""
    outputs = [root for root in record.roots if root.requires_grad and root.op is not None]
    if len(outputs) != 1 or outputs[0].size != 1:
        given = ", ".join(f"{describe(output)} of shape {output.shape}" for output in outputs) or "none"
        raise InputError(f"draw_graph: {purpose} needs one output that is a single number and has a gradient, but "
                         f"the outputs are {given}. Reduce it to a cost, for instance with .sum()")
    return outputs[0]


@contextmanager
def unchanged(tensors: Iterable[Tensor]) -> Iterator[None]:
    """Afterwards the Tensors are as they were: computing with them locks arrays of leaves, and notes who used them
    last and where a backward pass has been, on which it depends whether values may be changed in place."""
    before = [(tensor, tensor._user, tensor._differentiated, tensor._data, tensor._data.flags.writeable)
              for tensor in tensors]
    try:
        yield
    finally:
        for tensor, user, differentiated, array, writeable in sorted(before, key=lambda one: one[3].base is not None):
            tensor._user, tensor._differentiated = user, differentiated
            if writeable and not array.flags.writeable:  # views, sorted last, need that of what they look at
                array.setflags(write=True)


def tensors_within(value: Any) -> list[Tensor]:
    """All Tensors that a Module holds, parameters or not, also in lists, tuples, dicts and other Modules."""
    found, seen, todo = [], set(), [value]
    while todo:
        value = todo.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, Module):
            todo += vars(value).values()
        elif isinstance(value, dict):
            todo += value.values()
        elif isinstance(value, (list, tuple, set)):
            todo += value
    return found
