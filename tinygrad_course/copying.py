"""Copies of Tensors with their graphs: pickle, and with it process pools and joblib, and copy.deepcopy.

Both copy an object by copying what it holds, which for a graph would be a recursion as deep as the graph. So a Tensor
first lists what it was computed from, oldest first: whoever copies in this order has always met the parents already.
"""
from __future__ import annotations

import threading
from copy import deepcopy
from typing import Any
from weakref import ref

import numpy as np

FIELDS = ("requires_grad", "name", "grad", "op", "parents", "params", "inputs", "_differentiated")


class _Listing(list[Any]):
    """What a Tensor was computed from, in a pickle that is being written; in the pickle an ordinary list."""

    def __reduce__(self) -> Any:
        return list, (), None, iter(self)


class _Current(threading.local):
    """The Tensors, by id, of the last listing: they need none of their own. A pickle keeps its listings alive, and when
    it is done they mean nothing any more."""

    ids: set[int] = set()
    listing: Any = staticmethod(lambda: None)


_current = _Current()


def ancestors(tensor: Any) -> list[Any]:
    """What a Tensor was computed from, each after its own parents."""
    found: dict[Any, None] = {}
    stack = [(tensor, iter(tensor.parents))]
    while stack:
        child, parents = stack[-1]
        parent = next((x for x in parents if x not in found), None)
        if parent is not None:
            stack.append((parent, iter(parent.parents)))
        else:
            found[stack.pop()[0]] = None
    del found[tensor]
    return list(found)


def state_of(tensor: Any) -> tuple[list[Any], Any, dict[str, Any]]:
    """What pickle stores: the list, the values, and the rest."""
    before: list[Any] = []
    if tensor.op is not None and not (id(tensor) in _current.ids and _current.listing() is not None):
        before = _Listing(ancestors(tensor))
        _current.ids, _current.listing = {id(x) for x in before}, ref(before)
    return before, tensor._data, {name: getattr(tensor, name) for name in FIELDS}


def deep_copy(tensor: Any, memo: dict[int, Any]) -> Any:
    for x in [*ancestors(tensor), tensor]:
        if id(x) not in memo:
            new = memo[id(x)] = object.__new__(type(x))
            new.__setstate__(([], deepcopy(x._data, memo), {name: deepcopy(getattr(x, name), memo) for name in FIELDS}))
    return memo[id(tensor)]


def as_plain_array(data: Any) -> Any:
    """Of the class that operations expect: joblib gives large arrays back as files in memory."""
    return np.asarray(data) if isinstance(data, np.ndarray) and type(data) is not np.ndarray else data
