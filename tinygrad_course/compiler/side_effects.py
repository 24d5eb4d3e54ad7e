"""What a forward pass or an optimiser's rule changes besides what it returns: noticed, and taken back.

A compiled step runs none of the Python code that it was traced from. Code that keeps something, such as a count, a
running mean or the state of a random generator, must run every time.
"""
from __future__ import annotations

import pickle
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_course.compiler.nodes import Untraceable
from tinygrad_course.nn import Module
from tinygrad_course.tensor import Tensor

Attributes = dict[tuple[int, Any], Any]  # by the object that has it, and its name or place there


@contextmanager
def side_effects_noticed(holder: Any, what: str) -> Iterator[None]:
    """Raises Untraceable where what is inside changes something that `holder` holds. It is put back."""
    before = attributes(holder)
    try:
        yield
    finally:
        changed = changes(before, attributes(holder))
        if changed:
            put_back(holder, before)
    if changed:
        names = [key[1] for key in changed if key in before] or [name for _, name in changed]
        raise Untraceable(f"{what}: {', '.join(sorted(set(map(str, names))))}")


@contextmanager
def random_numbers_noticed() -> Iterator[None]:
    """Raises Untraceable where what is inside draws from NumPy's or Python's generator; they are set back."""
    numpy_before, python_before = np.random.get_state(legacy=False), random.getstate()
    try:
        yield
    finally:
        same = pickle.dumps(numpy_before) == pickle.dumps(np.random.get_state(legacy=False)) \
            and random.getstate() == python_before
        if not same:
            np.random.set_state(numpy_before)
            random.setstate(python_before)
    if not same:
        raise Untraceable("it draws random numbers")


def attributes(value: Any, seen: dict[int, Any] | None = None) -> Attributes:
    """What a model or an optimiser holds, by object and name, but for the values of its parameters.

    Modules, lists and dicts are searched. Of arrays and random generators, which change in place, what is in them.
    """
    seen = {} if seen is None else seen
    found: Attributes = {}
    if id(value) in seen:
        return found
    seen[id(value)] = value
    if isinstance(value, Tensor):
        found[id(value), "requires_grad"] = value.requires_grad
        if not value.requires_grad:
            found[id(value), "data"] = value._data
            found |= attributes(value._data, seen)
    elif isinstance(value, np.ndarray) and not value.dtype.hasobject:
        found[id(value), "values"] = value.tobytes()
    elif isinstance(value, (np.random.RandomState, np.random.Generator)):
        found[id(value), "state"] = pickle.dumps(_state_of(value))
    for name, child in _items(value):
        found[id(_holder(value)), name] = child
        found |= attributes(child, seen)
    return found


def changes(before: Attributes, after: Attributes) -> list[tuple[int, Any]]:
    """The keys of what is not the same object any more, or not the same in it."""
    return [key for key in {**before, **after} if before.get(key, key) is not after.get(key, key)
            and not (isinstance(before.get(key), bytes) and before.get(key) == after.get(key))]


def put_back(value: Any, before: Attributes, seen: dict[int, Any] | None = None) -> None:
    """Make a model or an optimiser hold again what it held before."""
    seen = {} if seen is None else seen
    if id(value) in seen:
        return
    seen[id(value)] = value
    holder = _holder(value)
    if isinstance(value, np.ndarray) and (id(value), "values") in before and value.flags.writeable:
        value[...] = np.frombuffer(before[id(value), "values"], value.dtype).reshape(value.shape)
    elif isinstance(value, (np.random.RandomState, np.random.Generator)) and (id(value), "state") in before:
        state = pickle.loads(before[id(value), "state"])
        if isinstance(value, np.random.RandomState):
            value.set_state(state)
        else:
            value.bit_generator.state = state
    elif isinstance(value, Tensor) and (id(value), "data") in before:
        array = before[id(value), "data"]
        put_back(array, before, seen)
        if value._data is not array:
            value.hold(array)
    elif isinstance(holder, dict):
        for name in [name for name in holder if (id(holder), name) not in before]:
            del holder[name]
        holder.update({name: old for (owner, name), old in before.items() if owner == id(holder)})
    elif isinstance(holder, list):
        holder[:] = [old for (owner, _), old in before.items() if owner == id(holder)]
    for _, child in _items(value):
        put_back(child, before, seen)


def _state_of(generator: np.random.RandomState | np.random.Generator) -> Any:
    return generator.get_state(legacy=False) if isinstance(generator, np.random.RandomState) else \
        generator.bit_generator.state


def _holder(value: Any) -> Any:
    return vars(value) if isinstance(value, Module) else value


def _items(value: Any) -> list[tuple[Any, Any]]:
    holder = _holder(value)
    return list(holder.items() if isinstance(holder, dict) else
                enumerate(holder) if isinstance(holder, (list, tuple)) else ())
