"""A graph and its backward pass, recorded together so that both can be read.

The forward graph is computed once more, on Tensors of its own: the caller's stay as they are, and arrays such as X and
Y require gradients here, so that also what is computed from them alone leaves a trace.
"""
from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tinygrad_course.autodiff import gradients
from tinygrad_course.errors import InputError
from tinygrad_course.mode import Observer, observed
from tinygrad_course.ops import Op
from tinygrad_course.tensor import Tensor, apply, describe


class Recording:
    """The graph of a cost.

    steps: its Tensors, leaves included, each after those it was computed from; the last is the cost.
    index: the place of a Tensor in `steps`, by id.
    sources: the caller's Tensor for each leaf, by its place.
    parameters: the places of the leaves with respect to which gradients are wanted, and their order.
    total: the gradient of each step, by its place; missing where none arrives.
    parts: for each step the gradients that add up to its own, each with the place of the step that it comes from.
    seed: the gradient of the cost itself, 1.
    """

    def __init__(self, cost: Tensor, parameters: Sequence[Tensor] | None = None):
        self.steps: list[Tensor] = []
        self.sources: dict[int, Tensor] = {}
        new = self._replay(cost)
        self.index = {id(step): i for i, step in enumerate(self.steps)}
        if parameters is None:
            wanted = {id(source) for source in self.sources.values() if source.requires_grad}
        else:
            wanted = {id(parameter) for parameter in parameters}
        places = [i for i, source in self.sources.items() if id(source) in wanted]
        layers = [re.fullmatch(r"\D+(\d+)", self.sources[i].name or "") for i in places]
        if all(layers):  # W2 is met before W1, since the cost's last layer is its nearest
            places.sort(key=lambda i: int(re.sub(r"\D", "", str(self.sources[i].name))))
        self.parameters = {i: rank for rank, i in enumerate(places)}
        self._run_backward(new)

    def _replay(self, cost: Tensor) -> Tensor:
        """Compute the graph once more; a loop, so that its depth does not matter."""
        new: dict[int, Tensor] = {}
        constants: dict[Any, Tensor] = {}  # an array used in several places is one leaf
        for tensor in _after_parents(cost):
            if tensor.op is not None:
                step = apply(tensor.op, *(new[id(parent)] for parent in tensor.parents), **tensor.params)
                step.requires_grad = step.requires_grad and not tensor.op.constant
                step.name = tensor.name
            else:
                step, is_new = _leaf(tensor, constants)
                new[id(tensor)] = step
                if not is_new:
                    continue
                if step.op is None:
                    self.sources[len(self.steps)] = tensor
            new[id(tensor)] = step
            self.steps.append(step)
        return new[id(cost)]

    def _run_backward(self, cost: Tensor) -> None:
        seed = Tensor(np.ones_like(cost._data), requires_grad=True)
        parts: dict[int, list[tuple[int, Tensor]]] = {}
        index = self.index

        class Parts(Observer):

            def computed(self, result: Tensor, op: Op, inputs: Sequence[Any], params: dict[str, Any]) -> None:
                if op.constant:
                    result.requires_grad = True  # what is computed from a mask is recorded as well

            def handed_back(self, part: Tensor, tensor: Tensor, parent: Tensor) -> None:
                parts.setdefault(index[id(parent)], []).append((index[id(tensor)], part))

        with observed(Parts(), recording=True, alone=True):
            total = gradients(cost, seed, [self.steps[i] for i in self.parameters], recorded=True)
        self.parts = parts
        self.seed = seed
        self.total = {self.index[id(step)]: gradient for step, gradient in total.items()}


def _leaf(tensor: Tensor, constants: dict[Any, Tensor]) -> tuple[Tensor, bool]:
    """The leaf of a recording for a leaf of the graph, and whether it is new: equal constants are one.

    `layer(X)` makes a new Tensor of the array X each time, and the gradient of a matrix product uses X.T.
    """
    differentiable = tensor.dtype.kind == "f" and (tensor.requires_grad or tensor.size > 1)
    if tensor.requires_grad or tensor.size < 2 or tensor.name is not None:
        return Tensor(tensor._data, requires_grad=differentiable, name=tensor.name), True
    key = _content(tensor._data)
    if key in constants:
        return constants[key], False
    if tensor.ndim == 2:
        other = constants.get(_content(tensor._data.T))
        if other is not None:
            constants[key] = other.T
            return constants[key], True
    constants[key] = Tensor(tensor._data, requires_grad=differentiable)
    return constants[key], True


def _content(array: Any) -> tuple[Any, ...]:
    """A key that equal arrays have in common."""
    return array.shape, array.dtype.str, hashlib.blake2b(np.ascontiguousarray(array).data).digest()


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


def _after_parents(cost: Tensor) -> Iterable[Tensor]:
    """Every Tensor of the graph, each after its parents."""
    seen = set()
    stack = [(cost, False)]
    while stack:
        tensor, parents_done = stack.pop()
        if parents_done:
            yield tensor
        elif id(tensor) not in seen:
            seen.add(id(tensor))
            stack.append((tensor, True))
            stack += [(parent, False) for parent in reversed(tensor.parents)]
