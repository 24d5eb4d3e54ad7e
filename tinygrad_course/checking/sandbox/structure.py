"""From what a function returned to named quantities, with words for what is not as the course has it.

What is expected is written as a template: a text is the name of one quantity, and tuples, lists and dictionaries
hold templates: `({"dw": "dw", "db": "db"}, "cost")`.
"""
from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import numpy as np

Template = Any
AXES = "is a number; the course has an array of shape (1, 1)"


class Reading:
    """The quantities that were found, what is wrong with the form, and what is unusual but right."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.problems: list[str] = []
        self.notes: list[str] = []


def names_in(template: Template) -> list[str]:
    """The quantities of a template, in its order."""
    if isinstance(template, str):
        return [template]
    return [name for part in (template.values() if isinstance(template, dict) else template) for name in names_in(part)]


def read(template: Template, returned: Any, scalars: frozenset[str] = frozenset()) -> Reading:
    reading = Reading()
    if returned is None:
        reading.problems.append("it returns None: is there a `return` at its end, and on every way through it?")
    else:
        _read(template, returned, "the result", reading, scalars)
    return reading


def _read(template: Template, value: Any, place: str, reading: Reading, scalars: frozenset[str]) -> None:
    if place == "the result" and (inner := _first_of_several(template, value)) is not value:
        reading.notes.append(f"it returns {_count(value)} values; the course returns the first one only")
        value = inner
    if isinstance(template, str):
        _quantity(template, value, place, reading, scalars)
    elif isinstance(template, dict):
        _dictionary(template, value, place, reading, scalars)
    elif not isinstance(value, (tuple, list)):
        reading.problems.append(f"{place} is {kind(value)}; expected {expected(template)}")
    elif place == "the result" and len(value) > len(template):
        reading.notes.append(f"it returns {_count(value)} values; the course returns the first {len(template)} only")
        for i, (one, inner) in enumerate(zip(template, value)):
            _read(one, inner, f"element {i + 1} of the result", reading, scalars)
    elif len(value) != len(template):
        many = f"{len(value)} element{'s' * (len(value) != 1)}"
        reading.problems.append(f"{place} has {many}; expected {expected(template)}")
    else:
        for i, (one, inner) in enumerate(zip(template, value)):
            where = f"element {i + 1} of {place}" if place != "the result" else f"element {i + 1} of the result"
            _read(one, inner, where, reading, scalars)


def _count(value: Any) -> str:
    return {2: "two", 3: "three", 4: "four"}.get(len(value), str(len(value)))


def _first_of_several(template: Template, value: Any) -> Any:
    """Where a function returns more than the course's: what the course's would return, as the first of several."""
    if not isinstance(value, tuple) or len(value) < 2 or isinstance(template, (tuple, list)):
        return value
    first = value[0]
    if isinstance(template, dict):
        fits = isinstance(first, Mapping) and bool(set(template) & set(first))
    else:
        fits = isinstance(first, (np.ndarray, np.generic, float)) and not isinstance(value[1], np.ndarray)
    return first if fits else value


def _dictionary(template: dict[str, Template], value: Any, place: str, reading: Reading,
                scalars: frozenset[str]) -> None:
    keys = ", ".join(map(repr, template))
    if not isinstance(value, Mapping):
        reading.problems.append(f"{place} is {kind(value)}; expected a dictionary with the keys {keys}")
        return
    missing = [key for key in template if key not in value]
    spare = [key for key in value if key not in template]
    for key in missing:
        guess = near(key, spare)
        if guess:
            reading.problems.append(f"{place} has no key {key!r}, but a key {guess!r}: did you mean {key}?")
            spare.remove(guess)
            _read(template[key], value[guess], f"{place}[{guess!r}]", reading, scalars)
        else:
            reading.problems.append(f"{place} has no key {key!r}; expected the keys {keys}")
    for key in template:
        if key in value:
            _read(template[key], value[key], f"{place}[{key!r}]", reading, scalars)


def near(key: str, others: list[str]) -> str:
    """The one among others that was probably meant as `key`; "" for none."""
    same = [other for other in others if other.lower() == key.lower()]
    stripped = [other for other in others if other.lower().replace("_", "").strip() == key.lower().replace("_", "")]
    close = difflib.get_close_matches(key, others, 1, 0.6)
    # dW1 and dW2 are close, too close: a name that differs in its number is another quantity
    close = [other for other in close if [c for c in other if c.isdigit()] == [c for c in key if c.isdigit()]]
    return next(iter(same + stripped + close), "")


def _quantity(name: str, value: Any, place: str, reading: Reading, scalars: frozenset[str]) -> None:
    wanted = "a number" if name in scalars else "an array of numbers"
    if isinstance(value, Mapping):
        reading.problems.append(f"{name} is {kind(value)}; expected {wanted}")
        return
    if value is None:
        reading.problems.append(f"{name} is None")
        return
    if isinstance(value, (list, tuple)) and not name.startswith("costs"):
        reading.problems.append(f"{name} is {kind(value)}; expected an array: np.array(...) makes one of it")
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "biufc":
            raise ValueError(array.dtype)
    except ValueError:
        reading.problems.append(f"{name} is {kind(value)}; expected {wanted}")
        return
    if array.dtype.kind == "c":
        reading.problems.append(f"{name} has the dtype {array.dtype}; expected real numbers")
        return
    if name in scalars and array.ndim and array.size == 1:
        reading.notes.append(f"{name} is an array of shape {array.shape}; np.squeeze or float makes a number of it")
    if array.dtype.kind == "f" and array.dtype.itemsize < 8:
        reading.notes.append(f"{name} has the dtype {array.dtype}, so it was compared to fewer digits; the course "
                             "uses float64")
    reading.values[name] = array


def kind(value: Any) -> str:
    if isinstance(value, Mapping):
        if set(value) == {"?"}:
            return str(value["?"])
        return "a dictionary with the keys " + ", ".join(map(repr, value)) if value else "an empty dictionary"
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)} element{'s' * (len(value) != 1)}"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, str):
        return f"the text {value!r}"
    return "None" if value is None else f"the number {value}"


def expected(template: Template) -> str:
    if isinstance(template, str):
        return template
    if isinstance(template, dict):
        return "a dictionary with the keys " + ", ".join(map(repr, template))
    return f"{len(template)} elements: " + ", ".join(map(_short, template))


def _short(template: Template) -> str:
    if isinstance(template, str):
        return template
    if isinstance(template, dict):
        return "{" + ", ".join(map(repr, template)) + "}"
    brackets = "()" if isinstance(template, tuple) else "[]"
    return brackets[0] + ", ".join(map(_short, template)) + brackets[1]
