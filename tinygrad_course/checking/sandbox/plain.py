"""Results of a learner's function as plain data of bounded size, and what a call did to its arguments."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

Plain = Any
TEXT = 1000  # characters of a text that is shown to somebody
ENTRIES = 100_000  # of all lists and dictionaries in one result together
NUMBERS = 2 * 10**6  # of all arrays in one result together


def shortened(text: str, most: int = TEXT) -> str:
    """A text that somebody can read, however long it was."""
    return text if len(text) <= most else f"{text[:most]}... ({len(text):,} characters)"


def class_name(value: Any) -> str:
    """Of what class a value is, whatever its class makes of `__name__`."""
    return shortened(type.__dict__["__name__"].__get__(type(value)), 100)


def said_by(error: BaseException) -> str:
    """The class and the text of an exception; its `__str__` is the learner's code too."""
    try:
        message = shortened(str(error).strip())
    except BaseException as another:
        message = f"(its text cannot be read: __str__ raises {class_name(another)})"
    return f"{class_name(error)}: {message}" if message else class_name(error)


class _TooMuch(Exception):
    pass


def plain(value: Any) -> Plain:
    """A result as builtins and numeric arrays; anything else, and too much of it, in words: {"?": "a set"}."""
    try:
        return _Plain().of(value)
    except _TooMuch as error:
        return {"?": str(error)}


# To what Python has, from a subclass that only the learner's file knows and whatever that makes of itself.
_EXACT: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (int, int.__int__), (float, float.__float__), (str, str.__str__))


def _bounded(value: Any) -> Plain:
    if isinstance(value, str):
        return shortened(value)
    if isinstance(value, int) and not -2**63 <= value < 2**64:
        # NumPy knows no such numbers, and Python does not write out what has more than 4300 digits.
        return {"?": f"a whole number of {value.bit_length():,} bits"}
    return value


class _Plain:
    """One result: counts what it has taken over."""

    def __init__(self) -> None:
        self.entries = self.numbers = 0

    def of(self, value: Any, depth: int = 0) -> Plain:
        self.entries += 1
        if self.entries > ENTRIES:
            raise _TooMuch(f"a {class_name(value)} in more than {ENTRIES:,} entries")
        if value is None or isinstance(value, bool):
            return value
        for simple, exact in _EXACT:
            if isinstance(value, simple) and not isinstance(value, np.floating):
                return _bounded(exact(value))
        if isinstance(value, (np.ndarray, np.generic)):
            return self.array(value)
        if depth < 6:
            if isinstance(value, tuple):
                return tuple(self.of(v, depth + 1) for v in value)
            if isinstance(value, list):
                return [self.of(v, depth + 1) for v in value]
            if isinstance(value, Mapping):
                return {shortened(str(k), 100): self.of(v, depth + 1) for k, v in value.items()}
        return {"?": f"a {class_name(value)}"}

    def array(self, value: Any) -> Plain:
        if value.dtype.kind not in "biufc":
            return {"?": f"an array of dtype {shortened(str(value.dtype), 100)}"}
        self.numbers += value.size
        if self.numbers > NUMBERS:
            raise _TooMuch(f"an array of shape {value.shape}, more than {NUMBERS:,} numbers")
        return value if isinstance(value, np.generic) else np.array(value, subok=False)


def leaves(value: Any, path: str, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """All arrays and numbers in the arguments, each with the words for where it is."""
    if depth > 6:
        yield path, None
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}[{shortened(repr(key), 100)}]", depth + 1)
    elif isinstance(value, (list, tuple)):
        for i, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{i}]", depth + 1)
    else:
        yield path, value


def changes(before: Any, after: Any, arrays: list[tuple[str, Any]], names: list[str]) -> dict[str, list[str]]:
    """What a call did to its arguments: arrays whose values changed; entries that were replaced, added or removed."""
    old = {path: value for name, one in zip(names, before) for path, value in leaves(one, name)}
    in_place = [path for path, array in arrays if isinstance(array, np.ndarray)
                and not np.array_equal(array, old[path], equal_nan=array.dtype.kind in "fc")]
    new = {path: value for name, one in zip(names, after) for path, value in leaves(one, name)}
    kept = {path: array for path, array in arrays}
    entries = [path for path in [*old, *(p for p in new if p not in old)]
               if path not in in_place and (path not in new or path not in old or new[path] is not kept[path])]
    return {"in place": in_place[:100], "entries": entries[:100]}


def shared(value: Any) -> list[list[str]]:
    """Pairs of places in a dictionary of a result where one and the same array is, under two names."""
    found: list[list[str]] = []
    seen: dict[int, str] = {}
    for path, one in leaves(value, ""):
        if isinstance(one, np.ndarray) and one.size > 1 and path.endswith("']"):
            name = path.rpartition("[")[2].strip("]'")
            if id(one) in seen and seen[id(one)] != name:
                found.append([seen[id(one)], name])
            seen.setdefault(id(one), name)
    return found[:10]
