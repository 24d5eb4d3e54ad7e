"""How a learner's function is called with the course's arguments, whatever its parameters are called.

Parameters are found by the course's names, then by what else they are called, then by their place. What a function
expects in another form than the course's (the examples as rows, b of shape (n,), a cache of its own) is a `Form`.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from tinygrad_course.checking.course.functions import CourseFunction

Parameters = Sequence[Sequence[Any]]  # name, whether it may be left out, "*" or "**" for what takes several

# The course's parameters by kind, and what else each kind is called; lower case, without underscores.
KINDS: list[tuple[set[str], set[str]]] = [
    ({"a2", "al", "a3", "yhat"}, {"a", "a2", "al", "a3", "yhat", "ypred", "predictions", "prediction", "pred", "preds",
                                  "output", "outputs", "out", "probs", "probabilities", "probas", "h", "ahat", "alast",
                                  "aout", "yout", "ypredicted"}),
    ({"y"}, {"y", "ytrue", "labels", "label", "target", "targets", "t", "truth", "ytrain", "trainy", "yactual"}),
    ({"x", "xtrain"}, {"x", "data", "inputs", "input", "features", "xtrain", "trainx", "a0"}),
    ({"ytrain"}, {"ytrain", "y", "trainy", "trainsety"}), ({"xtest"}, {"xtest", "testx", "testsetx"}),
    ({"ytest"}, {"ytest", "testy", "testsety"}),
    ({"parameters"}, {"parameters", "params", "param", "parameter", "weights", "theta", "para", "paras"}),
    ({"grads", "gradients"}, {"grads", "gradients", "gradient", "grad", "dparams"}),
    ({"cache", "caches"}, {"cache", "caches", "memory", "cached", "forwardcache", "activationcache", "linearcache",
                           "z"}),
    ({"learningrate"}, {"learningrate", "lr", "alpha", "eta", "rate", "learnrate", "step", "stepsize"}),
    ({"numiterations"}, {"numiterations", "iterations", "numiters", "iters", "niter", "niters", "numiter", "epochs",
                         "nepochs", "numepochs", "niterations", "maxiter", "iteration", "numiteration",
                         "steps", "numsteps", "nsteps", "loops"}),
    ({"layerdims", "layersdims"}, {"layerdims", "layersdims", "layers", "dims", "layersizes", "sizes", "architecture",
                                   "layerdimensions", "layersizeslist", "layer", "units"}),
    ({"nh"}, {"nh", "hidden", "hiddenunits", "hiddensize", "nhidden", "hiddenlayersize", "n"}),
    ({"activation"}, {"activation", "act", "activationfunction", "nonlinearity", "func", "activationtype"}),
    ({"aprev", "a"}, {"a", "aprev", "aprevious", "x", "prev", "inputs"}),
    ({"lambd"}, {"lambd", "lambda", "lam", "reg", "l2"}), ({"keepprob"}, {"keepprob", "keep", "p"}),
    ({"epsilon"}, {"epsilon", "eps", "e", "h"}), ({"z", "x"}, {"z", "x", "t", "a", "inp", "value", "arr"}),
    ({"dim"}, {"dim", "dims", "n", "size", "nx", "dimension"}), ({"w"}, {"w", "weights", "weight", "theta"}),
    ({"b"}, {"b", "bias", "intercept"}),
]
# What a function may want besides the course's arguments: harmless values for it.
EXAMPLES = object()  # stands for the number of examples
FILLED: dict[str, Any] = {"m": EXAMPLES, "nexamples": EXAMPLES, "numexamples": EXAMPLES, "printcost": False,
                          "verbose": False, "plot": False, "debug": False, "lambd": 0.0,
                          "keepprob": 1.0, "printmsg": False, "isplot": False, "show": False, "printcosts": False}


def plainly(name: str) -> str:
    return name.lower().replace("_", "")


class Match(NamedTuple):
    """Which parameter each of the course's arguments goes to; None where it is not passed.

    filled: parameters besides, with values. misses: how many arguments or parameters find no partner. exact: how many
    have the course's names. named: how many were found by a name at all.
    """
    function: CourseFunction
    places: list[str | None]
    filled: dict[str, Any]
    misses: int
    exact: int
    named: int = 0
    starred: bool = False


def match(function: CourseFunction, parameters: Parameters | None) -> Match:
    """Find a parameter for each of the course's arguments."""
    wanted = list(function.parameters)
    needed = len(wanted) - function.optional
    if parameters is None:
        return Match(function, [""] * len(wanted), {}, 0, 0)
    single = [str(name) for name, _, several in parameters if not several]
    required = [str(name) for name, optional, several in parameters if not several and not optional]
    starred = next((str(name) for name, _, several in parameters if several == "*"), "")
    places: list[str | None] = [None] * len(wanted)
    taken: set[str] = set()

    def take(fits: Callable[[str, str], bool]) -> None:
        for i, name in enumerate(wanted):
            if places[i] is None:
                found = next((one for one in single if one not in taken and fits(name, one)), None)
                if found is not None:
                    places[i] = found
                    taken.add(found)

    take(lambda name, one: name == one)
    exact = len(taken)
    take(lambda name, one: plainly(name) == plainly(one))
    take(lambda name, one: any(plainly(name) in of and plainly(one) in called for of, called in KINDS))
    named = len(taken)
    filled = {one: FILLED[plainly(one)] for one in required if one not in taken and plainly(one) in FILLED}
    rest = [one for one in required if one not in taken and one not in filled]
    for i, place in enumerate(places):
        if place is None and rest and i < needed:
            places[i] = rest.pop(0)
            taken.add(str(places[i]))
    for i, place in enumerate(places[:needed]):
        if place is None and i < len(single) and single[i] not in taken and single[i] not in filled:
            places[i] = single[i]
    if starred and places.count(None) and function.parameters[-1] in ("layer_dims", "layers_dims"):
        places[places.index(None)] = "*" + starred
    elif starred and not single:  # def f(*arguments): by their places
        places = [""] * len(wanted)
    misses = sum(place is None for place in places[:needed]) + len(rest)
    # What the course leaves out and the function needs: another edition of it.
    named -= sum(place in required for place in places[needed:])
    return Match(function, places, filled, misses, exact, named, bool(starred))


def closest(editions: Sequence[CourseFunction], parameters: Parameters | None, week: int) -> Match:
    """The edition of the course whose arguments the parameters fit best, and of those the one of this week."""
    matches = [match(function, parameters) for function in editions]

    def apart(found: Match) -> tuple[int, ...]:
        count = len(found.places)
        return found.misses, count - found.named, count - found.exact, abs(found.function.week - week)
    return min(matches, key=apart)


# ------------------------------------------------------------------------------------------ forms of arguments

Change = Callable[[Any], Any]


@dataclass
class Form:
    """Another form of arguments and results than the course's.

    said: what it is, in words; "" for the course's own. given: changes an argument, by the course's name for it.
    returned: changes a result back.
    """
    said: str = ""
    given: Callable[[str, Any], Any] = field(default=lambda name, value: value)
    returned: Change = field(default=lambda value: value)
    usual: bool = False  # so common that the verdict is "right", with a note


BIAS = re.compile(r"d?b\d*")


def _changed(value: Any, name: str, change: Callable[[str, Any], Any]) -> Any:
    """A change of every array by its name; in caches, (A, W, b), and results, (dA_prev, dW, db), by its place."""
    if isinstance(value, Mapping):
        return {key: _changed(inner, str(key), change) for key, inner in value.items()}
    if isinstance(value, (tuple, list)):
        arrays = len(value) == 3 and all(isinstance(one, np.ndarray) for one in value)
        matrices = arrays and all(np.ndim(one) == 2 for one in value[:2])
        names = ["A", "W", "b"] if matrices else [""] * len(value)
        return type(value)(_changed(inner, one, change) for one, inner in zip(names, value))
    return change(name, value) if isinstance(value, np.ndarray) else value


def _flat(name: str, value: Any) -> Any:
    flat = BIAS.fullmatch(name) and np.ndim(value) == 2 and value.shape[1] == 1
    return value.ravel() if flat else value


def _column(name: str, value: Any) -> Any:
    return value.reshape(-1, 1) if BIAS.fullmatch(name) and np.ndim(value) == 1 else value


FLAT_B = Form("b has the shape (n,) in your file; the course has (n, 1)",
              lambda name, value: _changed(value, name, _flat), lambda value: _changed(value, "", _column), usual=True)


def _transposed(weights: bool, flat: bool) -> tuple[Callable[[str, Any], Any], Callable[[str, Any], Any]]:
    def rows(name: str, value: Any) -> Any:
        if np.ndim(value) != 2 or (re.fullmatch(r"d?[Ww]\d*", name) and not weights):
            return value
        return value.ravel() if flat and BIAS.fullmatch(name) else value.T

    def columns(name: str, value: Any) -> Any:
        if BIAS.fullmatch(name) and np.ndim(value) == 1:
            return value.reshape(-1, 1)
        return value if np.ndim(value) != 2 or (re.fullmatch(r"d?[Ww]\d*", name) and not weights) else value.T
    return rows, columns


def _rows(weights: bool, flat: bool) -> Form:
    rows, columns = _transposed(weights, flat)
    said = "one example per row, where the course has one per column"
    said += ", and W of the shape (n_in, n_out)" * weights + ", and b of the shape (n,)" * flat
    return Form(said, lambda name, value: _changed(value, name, rows), lambda value: _changed(value, "", columns))


ROWS = [_rows(weights, flat) for flat in (False, True) for weights in (False, True)]


# ------------------------------------------------------------------------------------- forms of a file's own


def shape_of(value: Any, quantities: Mapping[str, Any], hint: str = "") -> Any:
    """Which quantities are in a value that the learner's function returned: the same value, with names in it."""
    if isinstance(value, Mapping):
        return {key: shape_of(inner, quantities, str(key)) for key, inner in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(shape_of(inner, quantities) for inner in value)
    if not isinstance(value, (np.ndarray, np.generic, float)) or not np.size(value):
        return None
    same = [name for name, one in quantities.items() if np.shape(one) == np.shape(value)
            and not isinstance(one, (str, tuple))
            and np.allclose(np.multiply(one, 1.0), np.multiply(value, 1.0), rtol=1e-9, atol=1e-12)]
    return hint if hint in same else next(iter(same), None)


def filled(tree: Any, quantities: Mapping[str, Any]) -> Any:
    """The value in which each name is its quantity. Raises KeyError for one that is not there."""
    if isinstance(tree, Mapping):
        return {key: filled(inner, quantities) for key, inner in tree.items()}
    if isinstance(tree, (tuple, list)):
        return type(tree)(filled(inner, quantities) for inner in tree)
    return quantities[tree]


def names_of(tree: Any) -> list[Any]:
    """All names in a shape; None where there is none."""
    if isinstance(tree, Mapping):
        return [name for inner in tree.values() for name in names_of(inner)]
    if isinstance(tree, (tuple, list)):
        return [name for inner in tree for name in names_of(inner)]
    return [tree]


def in_words(tree: Any) -> str:
    """(A_prev, W), or {'A1', 'A2'}."""
    if isinstance(tree, Mapping):
        keys = [str(key) if key == inner or not isinstance(inner, str) else f"{key} for {inner}"
                for key, inner in tree.items()]
        return "{" + ", ".join(keys) + "}"
    if isinstance(tree, (tuple, list)):
        inner = ", ".join(in_words(one) for one in tree[:6]) + ", ..." * (len(tree) > 6)
        return f"({inner})" if isinstance(tree, tuple) else f"[{inner}]"
    return str(tree).removeprefix("cached ")


def quantities_in(value: Any) -> dict[str, Any]:
    """The course's quantities in one of its arguments: a dictionary, a cache of one layer, or those of all layers."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, list):
        found: dict[str, Any] = {}
        for l, ((A_prev, W, b), Z) in enumerate(value, start=1):
            found |= {"X" if l == 1 else f"A{l - 1}": A_prev, f"A{l - 1}": A_prev, f"W{l}": W, f"b{l}": b, f"Z{l}": Z,
                      f"cached W{l}": W, f"cached b{l}": b}
        return found | {"cached X": found["X"]}
    linear, Z = (value, None) if len(value) == 3 else value
    if isinstance(linear, tuple) and len(linear) == 3:
        A_prev, W, b = linear
        found = {"A": A_prev, "A_prev": A_prev, "W": W, "b": b}
        found |= {f"cached {name}": inner for name, inner in found.items()}
        return found if Z is None else found | {"Z": Z, "cached Z": Z}
    names = [f"{letter}{l}" for l in (1, 2, 3) for letter in ("Z", "A", "W", "b")]
    return dict(zip(names, value))


def layers_of(quantities: Mapping[str, Any]) -> int | None:
    """How many layers the quantities belong to; None for those of one layer without a number."""
    numbers = [int(found[0]) for name in quantities if (found := re.search(r"\d+$", name))]
    return max(numbers, default=None)


def passed(match: Match, form: Form, arguments: tuple[Any, ...]) -> tuple[list[str], tuple[Any, ...]]:
    """Which parameters get what, from the course's arguments."""
    names, values = [], []
    for name, place, value in zip(match.function.parameters, match.places, arguments):
        if place is not None:
            names.append(place)
            values.append(form.given(name, value))
    for name, value in match.filled.items():
        names.append(name)
        values.append(_number_of_examples(arguments) if value is EXAMPLES else value)
    return names, tuple(values)


def _number_of_examples(arguments: tuple[Any, ...]) -> int:
    return next((int(one.shape[1]) for one in arguments if np.ndim(one) == 2), 1)
