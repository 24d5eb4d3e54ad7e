"""Functions that make initial values: random numbers are judged by their shape, scale and spread, not one by one."""
from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_course.checking.diagnosis.numbers import advice_on_shape


class Flaw(NamedTuple):
    """What is wrong with one initial value. name: which; yours, right: as formulas."""
    quantity: str
    name: str
    why: str
    yours: str
    right: str


SYMMETRY = "units that start equal get equal gradients and stay equal: random numbers break the symmetry"
SMALL = "large weights put tanh and sigmoid where they are flat, so small random numbers are wanted"


def zero_flaws(quantity: str, value: Any, shape: tuple[int, ...], right: str) -> list[Flaw]:
    """A bias, or the weights of logistic regression: zeros of this shape."""
    flaws = shape_flaws(quantity, value, shape, right)
    value = np.asarray(value, dtype=float)
    if value.size and not np.all(value == 0):
        several = value.min() != value.max() or value.size == 1  # it may be True and False, which have no difference
        said = "ones" if np.all(value == 1) else "random numbers" if several else str(value.flat[0])
        flaws.append(Flaw(quantity, f"{said} for zeros", "it starts at zero", said, right))
    return flaws


def shape_flaws(quantity: str, value: Any, shape: tuple[int, ...], right: str) -> list[Flaw]:
    given = np.shape(value)
    if given == shape or (shape == () and np.size(value) == 1):
        return []
    advice = advice_on_shape(given, shape)
    name = "shape transposed" if given == shape[::-1] and len(shape) == 2 and given != (shape[0],) else (
        "one axis missing" if len(given) < len(shape) else "wrong shape")
    why = f"its shape is {given}, but {shape} is right"
    if advice and name == "one axis missing":
        why += f": an array of shape {given} broadcasts as a row; write the second axis too"
    return [Flaw(quantity, name, why, f"shape {given}", right)]


def weight_flaws(quantity: str, value: Any, shape: tuple[int, int], scales: Mapping[str, float],
                 right: str) -> list[Flaw]:
    """W: standard normal numbers times one of `scales`, which are named as they would be written."""
    flaws = shape_flaws(quantity, value, shape, right)
    value = np.asarray(value, dtype=float)
    if not value.size:
        return flaws
    if value.size > 1 and np.ptp(value) == 0:
        constant = f"{value.flat[0]:g}"
        flaws.append(Flaw(quantity, "zeros for random numbers" if constant == "0" else "all equal", SYMMETRY,
                          f"all elements {constant}", right))
        return flaws
    if value.size < 200:
        return flaws
    spread, mean = float(np.std(value)), float(np.mean(value))
    matrix = np.ndim(value) == 2 and min(value.shape) > 1
    if matrix and 0 in (np.ptp(value, axis=0).max(), np.ptp(value, axis=1).max()):
        flaws.append(Flaw(quantity, "equal rows or columns", SYMMETRY, "repeated numbers", right))
    elif abs(mean) > 6 * spread / math.sqrt(value.size) and value.min() >= 0:
        flaws.append(Flaw(quantity, "rand for randn", "np.random.rand gives numbers from 0 to 1, all positive; "
                          "np.random.randn gives numbers of both signs around 0", "np.random.rand(...)", right))
    elif not any(_close(spread, scale, value.size) for scale in scales.values()):
        flaws.append(_scale_flaw(quantity, spread, shape, value.size, right))
    return flaws


def _close(spread: float, scale: float, count: int) -> bool:
    """Within five standard errors of an estimated standard deviation."""
    return abs(spread - scale) <= 5 * scale / math.sqrt(2 * count)


def _scale_flaw(quantity: str, spread: float, shape: tuple[int, int], count: int, right: str) -> Flaw:
    n_out, n_in = shape
    known: list[tuple[str, float, str]] = [
        ("factor missing", 1.0, "randn"), ("scale 0.1 for 0.01", 0.1, "0.1 randn"),
        ("scale 0.001 for 0.01", 0.001, "0.001 randn"), ("scale 10 for 0.01", 10.0, "10 randn"),
        ("divided by 0.01", 100.0, "randn / 0.01"),
        ("scale of the wrong layer", 1 / math.sqrt(n_out), "randn / sqrt(n_out)"),
        ("sqrt missing", 1 / n_in, "randn / n_in"), ("multiplied by sqrt(n_in)", math.sqrt(n_in), "randn sqrt(n_in)"),
        ("0.01 twice", 0.0001, "0.0001 randn"), ("squared scale", 2 / n_in, "randn (2 / n_in)"),
    ]
    for name, scale, yours in known:
        if _close(spread, scale, count):
            return Flaw(quantity, name, SMALL, yours, right)
    return Flaw(quantity, f"scale {spread:.3g}", f"{SMALL}; the standard deviation of yours is {spread:.3g}",
                f"standard deviation {spread:.3g}", right)


SCALES: dict[str, Callable[[int], float]] = {
    "0.01": lambda n_in: 0.01, "10": lambda n_in: 10.0, "xavier": lambda n_in: 1 / math.sqrt(n_in),
    "he": lambda n_in: math.sqrt(2 / n_in)}
WRITTEN = {"0.01": "* 0.01", "10": "* 10", "xavier": "/ np.sqrt(n_in)", "he": "* np.sqrt(2 / n_in)"}


def network_flaws(values: Mapping[str, Any], layer_dims: Sequence[int], scales: Sequence[str]) -> list[Flaw]:
    """W and b of every layer. scales: names in `SCALES`, as editions differ; "zeros" allows W to be zero.

    layer_dims: 0 for a size that the function chooses.
    """
    flaws: list[Flaw] = []
    rows = [np.atleast_1d(values.get(f"W{l}", 0)).shape[0] for l in range(len(layer_dims))]
    dims = [n or rows[l] for l, n in enumerate(layer_dims)]
    for l in range(1, len(dims)):
        n_out, n_in = dims[l], dims[l - 1]
        if f"W{l}" in values and not ("zeros" in scales and not np.any(values[f"W{l}"])):
            known = {WRITTEN[one]: SCALES[one](n_in) for one in scales if one != "zeros"}
            said = f"np.random.randn({n_out}, {n_in}) {WRITTEN[scales[0]]}"
            said += " (or / np.sqrt of the layer before)" * (len(known) > 1)
            flaws += weight_flaws(f"W{l}", values[f"W{l}"], (n_out, n_in), known, said)
        if f"b{l}" in values:
            flaws += zero_flaws(f"b{l}", values[f"b{l}"], (n_out, 1), f"np.zeros(({n_out}, 1))")
    return flaws
