"""One call of a learner's function: with fresh arguments, and with everything that it may do turned into plain data."""
from __future__ import annotations

import copy
import inspect
import itertools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_course.checking.sandbox.plain import Plain, changes, class_name, leaves, plain, shared


class AsksForInput(EOFError):
    """The learner's code called input(): nobody is there to answer."""


def no_input(prompt: object = "") -> str:
    raise AsksForInput("input() was called, but nobody can answer during a check")


def call(function: Any, arguments: tuple[Any, ...], described: Callable[[BaseException], str], seed: int,
         names: Sequence[str] = ()) -> Plain:
    """What the function returned or raised, and which arguments it changed.

    names: the parameter to which each argument is passed; "" for by its place, with * for several in a row.
    described: an exception as text, with the learner's lines. Reading a result runs the learner's code as well (a
    class of its own for dictionaries, say): what goes wrong there is the function's.
    """
    given = copy.deepcopy(arguments)
    said = _names(function, names, len(given))
    arrays = [leaf for name, one in zip(said, given) for leaf in leaves(one, name)]
    placed: list[Any] = []
    named: dict[str, Any] = {}
    for one, name in itertools.zip_longest(given, names[:len(given)], fillvalue=""):
        if name.startswith("*"):
            placed += one
        elif name:
            named[name] = one
        else:
            placed.append(one)
    np.random.seed(seed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with np.errstate(all="warn"):  # a learner's own np.seterr("raise") holds in its function only
                value = function(*placed, **named)
            changed: Plain = changes(arguments, given, arrays, said)
            return {"returned": plain(value), "changed": {**changed, "shared": shared(value)}}
    except BaseException as error:  # SystemExit and KeyboardInterrupt too: whatever the learner's code raises
        return {"raised": described(error), "kind": class_name(error), "asks": isinstance(error, AsksForInput)}


def _names(function: Any, names: Sequence[str], count: int) -> list[str]:
    """What the arguments are called."""
    try:
        own = [*inspect.signature(function).parameters]
    except (TypeError, ValueError):
        own = []
    own += [f"argument {i + 1}" for i in range(len(own), count)]
    return [(names[i] if i < len(names) else "").strip("*") or own[i] for i in range(count)]
