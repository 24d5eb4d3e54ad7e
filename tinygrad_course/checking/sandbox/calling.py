"""One call of a learner's function: with fresh arguments, and with everything that it may do turned into plain data."""
from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_course.checking.sandbox.plain import Plain, changes, class_name, leaves, plain


class AsksForInput(EOFError):
    """The learner's code called input(): nobody is there to answer."""


def no_input(prompt: object = "") -> str:
    raise AsksForInput("input() was called, but nobody can answer during a check")


def call(function: Any, arguments: tuple[Any, ...], described: Callable[[BaseException], str], seed: int) -> Plain:
    """What the function returned or raised, and which arguments it changed.

    described: an exception as text, with the learner's lines. Reading a result runs the learner's code as well (a
    class of its own for dictionaries, say): what goes wrong there is the function's.
    """
    given = copy.deepcopy(arguments)
    try:
        names = [*inspect.signature(function).parameters]
    except (TypeError, ValueError):
        names = []
    names += [f"argument {i + 1}" for i in range(len(names), len(given))]
    arrays = [leaf for name, one in zip(names, given) for leaf in leaves(one, name)]
    np.random.seed(seed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with np.errstate(all="warn"):  # a learner's own np.seterr("raise") holds in its function only
                value = function(*given)
            return {"returned": plain(value), "changed": changes(arguments, given, arrays, names)}
    except BaseException as error:  # SystemExit and KeyboardInterrupt too: whatever the learner's code raises
        return {"raised": described(error), "kind": class_name(error), "asks": isinstance(error, AsksForInput)}
