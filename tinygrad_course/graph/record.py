"""What was recorded: how each Tensor of a graph came about, in a Module's call or in the backward pass.

A forward pass leaves its graph behind in its Tensors. The rest is seen only while it happens, and `watched` sees it:
which Module computed what, what the VJPs computed, whatever records nothing, such as the transpose of a constant.

Reading changes nothing. Where something has to be computed in order to be read, everything that this leaves behind in
the Tensors it used, such as locks, is taken back.
"""
from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tinygrad_course import ops
from tinygrad_course.autodiff import gradients
from tinygrad_course.broadcasting import Shape
from tinygrad_course.errors import InputError
from tinygrad_course.graph.walk import parents_first
from tinygrad_course.mode import Observer, observed
from tinygrad_course.nn import Module
from tinygrad_course.ops import Op
from tinygrad_course.tensor import Array, Tensor, as_tensor, constant, describe


@dataclass(frozen=True)
class Origin:
    """How a Tensor came about."""

    op: Op
    parents: tuple[Tensor, ...]
    params: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a Module, within the call of another one."""

    module: Module
    within: Call | None

    def chain(self) -> list[Call]:
        """The calls around this one, the outermost first, and itself."""
        calls: list[Call] = [self]
        while (outer := calls[-1].within) is not None:
            calls.append(outer)
        return calls[::-1]


# ------------------------------------------------------------------------------------------------ while it happens


class Watch(Observer):
    """What was computed while `watched` lasted, in the order in which it was.

    origins: of each new Tensor.
    calls: the innermost call of a Module in which a Tensor was computed, where there is one.
    parts: for each Tensor that a gradient was handed to, the gradients that add up to its own, each with the Tensor
        whose VJP gave it.
    made_by: for each new Tensor of a backward pass, the Tensor whose VJP it belongs to.
    """

    def __init__(self) -> None:
        self.origins: dict[Tensor, Origin] = {}
        self.calls: dict[Tensor, Call] = {}
        self.parts: dict[Tensor, list[tuple[Tensor, Tensor]]] = {}
        self.made_by: dict[Tensor, Tensor] = {}
        self._call: Call | None = None
        self._since: list[Tensor] = []  # what was computed since a gradient was last handed back

    def entered(self, module: Module) -> None:
        self._call = Call(module, self._call)

    def left(self, module: Module) -> None:
        assert self._call is not None
        self._call = self._call.within

    def computed(self, result: Tensor, op: Op, inputs: Sequence[Any], params: dict[str, Any]) -> None:
        parents = result.parents or tuple(x if isinstance(x, Tensor) else constant(x, result) for x in inputs)
        self.origins[result] = Origin(op, parents, params)
        self._since.append(result)
        if self._call is not None:
            self.calls[result] = self._call

    def handed_back(self, part: Tensor, tensor: Tensor, parent: Tensor) -> None:
        self.parts.setdefault(parent, []).append((tensor, part))
        self.made_by.update(dict.fromkeys(self._since, tensor))
        self._since.clear()

    def record(self, output: Tensor) -> Record:
        """All that was computed, also what does not lead to `output`."""
        origins = self.origins
        order = parents_first(origins, lambda tensor: origins[tensor].parents if tensor in origins else ())
        return Record(order, origins, set(order), [output])


@contextmanager
def watched(*used: Tensor, recording: bool = True) -> Iterator[Watch]:
    """``with watched(*model.parameters()) as watch:`` notes what this thread computes inside, and by whom.

    It nests; an outer one notes nothing meanwhile.

    used: Tensors that are computed with and have to be afterwards as they were.
    """
    watch = Watch()
    with unchanged(used), observed(watch, recording=recording, alone=True):
        yield watch


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


# ------------------------------------------------------------------------------------------------------- afterwards


@dataclass
class Record:
    """Tensors in an order in which each comes after those that it was computed from.

    origins: of every computed one.  forward: those of the forward pass.  roots: what was asked for.
    total: the gradient of each Tensor of the forward pass that has one.  parts, made_by: see `Watch`.
    gradient_of: for gradients, with respect to what; a gradient that is handed on unchanged belongs to several.
    seed: the gradient of the cost itself, 1.
    All of the backward pass is empty where none was recorded.
    """

    tensors: list[Tensor]
    origins: dict[Tensor, Origin]
    forward: set[Tensor]
    roots: list[Tensor]
    total: dict[Tensor, Tensor] = field(default_factory=dict)
    parts: dict[Tensor, list[tuple[Tensor, Tensor]]] = field(default_factory=dict)
    made_by: dict[Tensor, Tensor] = field(default_factory=dict)
    gradient_of: dict[Tensor, list[Tensor]] = field(default_factory=dict)
    seed: Tensor | None = None

    def parents(self, tensor: Tensor) -> tuple[Tensor, ...]:
        """What a Tensor was computed from; () for a leaf."""
        return self.origins[tensor].parents if tensor in self.origins else ()

    def op(self, tensor: Tensor) -> str:
        """The name of the operation that computed a Tensor; "" for a leaf."""
        return self.origins[tensor].op.name if tensor in self.origins else ""

    def edges(self) -> Iterator[tuple[Tensor, Tensor]]:
        """One for every time that a Tensor is used, from it to what was computed from it."""
        for tensor in self.tensors:
            for parent in self.parents(tensor):
                yield parent, tensor


def recorded(outputs: Sequence[Tensor]) -> Record:
    """The graph that the Tensors were computed by, as they remember it."""
    order = parents_first(outputs)
    origins = {tensor: Origin(tensor.op, tensor.parents, tensor.params) for tensor in order if tensor.op is not None}
    return Record(order, origins, set(order), list(outputs))


def with_backward(record: Record, wanted: Sequence[Tensor] | None = None) -> Record:
    """The record with the steps of the backward pass from its output to the leaves that want a gradient.

    wanted: leaves; by default all with requires_grad.
    Raises InputError where the output is no single number, and where a parameter has got new values since.
    """
    output = the_cost(record, "backward=True")
    if wanted is None:
        wanted = [tensor for tensor in record.tensors if tensor.op is None and tensor.requires_grad]
    seed = as_tensor(np.ones_like(output._data))
    with watched(*record.tensors) as watch:
        total: dict[Tensor, Tensor] = gradients(output, seed, wanted, recorded=True)
    origins = {**watch.origins, **record.origins}
    order = parents_first([*record.tensors, seed, *(total[tensor] for tensor in wanted if tensor in total)],
                          lambda tensor: origins[tensor].parents if tensor in origins else ())
    shown = set(order)
    gradient_of: dict[Tensor, list[Tensor]] = {}
    for tensor in record.tensors:
        if tensor in total and total[tensor] in shown:
            gradient_of.setdefault(total[tensor], []).append(tensor)
    return replace(record, tensors=order, seed=seed, total=total, parts=watch.parts, made_by=watch.made_by,
                   origins={tensor: origins[tensor] for tensor in order if tensor in origins}, gradient_of=gradient_of)


def with_equal_constants_as_one(record: Record) -> Record:
    """The record with those arrays of the forward pass that have no name and hold the same numbers as one leaf.

    `layer(X)` makes a new Tensor of the array X each time. An array that is the transpose of another one becomes that:
    the gradient of a matrix product uses X.T.
    """
    first: dict[Content, Tensor] = {}
    instead: dict[Tensor, Tensor] = {}
    origins: dict[Tensor, Origin] = {}
    for tensor in record.tensors:
        if tensor in record.origins:
            origin = record.origins[tensor]
            origins[tensor] = replace(origin, parents=tuple(instead.get(parent, parent) for parent in origin.parents))
        elif tensor in record.forward and not tensor.requires_grad and tensor.size > 1 and tensor.name is None:
            same = first.setdefault(_content(tensor._data), tensor)
            other = first.get(_content(tensor._data.T)) if tensor.ndim == 2 else None
            if same is not tensor:
                instead[tensor] = same
            elif other is not None and other is not tensor and other not in origins:
                origins[tensor] = Origin(ops.transpose, (other,), {"axes": None})
    return replace(record, origins=origins, tensors=[tensor for tensor in record.tensors if tensor not in instead],
                   forward=record.forward - instead.keys())


Content = tuple[Shape, str, bytes]


def _content(array: Array) -> Content:
    """A key that equal arrays have in common."""
    return array.shape, array.dtype.str, hashlib.blake2b(np.ascontiguousarray(array).data).digest()


def gradient_arrays(record: Record) -> dict[Tensor, Array]:
    """dJ/dT for every Tensor T of the graph, as arrays; no `grad` is touched.

    Where the output is no single number, what an earlier `backward` has left in `grad`.
    Raises InputError where there is neither.
    """
    outputs = [root for root in record.roots if root.requires_grad and root.op is not None]
    if len(outputs) == 1 and outputs[0].size == 1:
        wanted = [tensor for tensor in record.tensors if tensor.requires_grad]  # y_hat too, which is beside the chain
        with unchanged(record.tensors), observed(alone=True):  # what is NaN is drawn in red, not refused
            return gradients(outputs[0], np.ones_like(outputs[0]._data), wanted)
    left = {tensor: tensor.grad for tensor in record.tensors if tensor.grad is not None}
    if not left:
        the_cost(record, "showing gradients")
    return left


def the_cost(record: Record, purpose: str) -> Tensor:
    """The one output that the backward pass starts from. Raises InputError where there is none, or several."""
    outputs = [root for root in record.roots if root.requires_grad and root.op is not None]
    if len(outputs) != 1 or outputs[0].size != 1:
        given = ", ".join(f"{describe(output)} of shape {output.shape}" for output in outputs) or "none"
        raise InputError(f"{purpose} needs one output that is a single number and has a gradient, but "
                         f"the outputs are {given}. Reduce it to a cost, for instance with .sum()")
    return outputs[0]
