"""Numbers as a picture shows them: small arrays whole, large ones in brief; and what is wrong with them."""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_course.tensor import Array

WHOLE_ROWS, WHOLE_COLUMNS = 4, 4  # an array up to this size is shown whole
UNITS = 6          # so many of a layer's weights are shown as pictures
LARGEST_SIDE = 64  # of a thumbnail, in numbers


def number(value: Any) -> str:
    """Five significant digits, with a real minus sign."""
    return f"{value:.5g}".replace("-", "−") if isinstance(value, (float, np.floating)) else str(value)


def shape_and_dtype(array: Array) -> str:
    """Empty for one number, of which there is nothing to say unless it is of an unusual kind."""
    if array.shape == ():
        return "" if array.dtype == np.float64 else str(array.dtype)
    return f"{_shape(array.shape)} {array.dtype}"


def _shape(shape: tuple[int, ...]) -> str:
    return "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"


def table(array: Array) -> list[list[str]]:
    """The numbers of a small array in rows and columns; empty for a large one."""
    if array.size == 0 or array.ndim > 2 or array.size > (array.shape[-1] if array.ndim else 1) * WHOLE_ROWS \
            or array.ndim and array.shape[-1] > WHOLE_COLUMNS:
        return []
    return [[number(value) for value in row] for row in np.atleast_2d(array)]


def in_brief(array: Array) -> list[str]:
    """A large array as its smallest, mean and largest number."""
    if array.size == 0:
        return ["empty"]
    finite = array[np.isfinite(array)] if array.dtype.kind == "f" else array
    if finite.size == 0:
        return ["nothing but NaN or infinity"]
    if array.dtype.kind == "b":
        return [f"true in {np.count_nonzero(array)} of {array.size}"]
    return [f"min {number(finite.min())}", f"mean {number(_mean(finite))}", f"max {number(finite.max())}"]


def _mean(array: Array) -> float:
    with np.errstate(over="ignore"):
        return float(array.mean(dtype=np.float64))


def exactly(array: Array) -> str:
    """For a tooltip: a few numbers with all their digits."""
    return np.array2string(array, separator=", ", threshold=40, edgeitems=2, floatmode="unique", max_line_width=110)


def norm(array: Array) -> float:
    """The square root of the sum of squares; no overflow, and NaN where there is a NaN."""
    values = np.abs(np.asarray(array, dtype=np.float64)).reshape(-1)
    largest = float(values.max(initial=0.0))
    if largest == 0.0 or not math.isfinite(largest):
        return largest
    return largest * float(np.sqrt(np.square(values / largest).sum()))


def not_finite(array: Array) -> str:
    """How many numbers are NaN or infinite, in words; empty where all are fine."""
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return ""
    nan, infinite = int(np.isnan(array).sum()), int(np.isinf(array).sum())
    return ", ".join(f"{count} {word}" if array.size > 1 else word
                     for count, word in ((nan, "NaN"), (infinite, "infinite")) if count)


def flag(operation: str, array: Array, threshold: float) -> str:
    """Which units of an activation do not learn, in words: those that give the same for all examples.

    A unit is a row of the array (n, m), one example per column. A relu is dead where it is 0 for every example; a
    sigmoid or tanh is saturated where it is within `threshold` of its limits for every example.
    """
    if array.ndim < 2 or array.size == 0:
        return ""
    if operation == "relu":
        units, word = (array == 0).all(axis=-1), "dead"
    elif operation in ("sigmoid", "tanh"):
        lowest = 0.0 if operation == "sigmoid" else -1.0
        units, word = ((array <= lowest + threshold) | (array >= 1 - threshold)).all(axis=-1), "saturated"
    else:
        return ""
    count = int(units.sum())
    return f"{count} of {units.size} units {word}" if count else ""


def thumbnails(array: Array) -> tuple[list[Array], tuple[float, float]]:
    """Heat maps (height, width, 3) of weights, and the size to draw them in points; none for small arrays.

    Weights of square images, of one or three channels, become one picture for each of the first units, as the
    images were; other matrices one picture of their numbers. Blue is positive, orange negative, white zero.
    """
    if array.ndim != 2 or array.dtype.kind != "f" or array.size < 32:
        return [], (0.0, 0.0)
    rows = array.T if array.shape[1] == 1 else array
    for channels in (3, 1):
        side = math.isqrt(rows.shape[1] // channels)
        if side >= 5 and side * side * channels == rows.shape[1] and rows.shape[1] >= 4 * min(rows.shape[0], 64):
            images = [row.reshape(side, side, channels).mean(axis=-1) for row in rows[:UNITS]]
            return [_heat_map(image) for image in images], (34.0, 34.0)
    if min(array.shape) < 3:
        return [], (0.0, 0.0)
    height, width = array.shape
    scale = min(60 / max(height, width), 8.0)
    return [_heat_map(array)], (max(8.0, width * scale), max(8.0, height * scale))


def _heat_map(array: Array) -> Array:
    array = array[::-(-array.shape[0] // LARGEST_SIDE), ::-(-array.shape[1] // LARGEST_SIDE)].astype(np.float64)
    largest = np.max(np.abs(array), where=np.isfinite(array), initial=0.0) or 1.0
    part = np.nan_to_num(array / largest, nan=0.0, posinf=1.0, neginf=-1.0)[..., np.newaxis]
    blue, orange, white = np.array((0, 114, 178)), np.array((213, 94, 0)), np.array((255, 255, 255))
    pixels: Array = np.where(part >= 0, white + part * (blue - white), white - part * (orange - white))
    pixels[~np.isfinite(array)] = (220, 0, 0)
    whole: Array = pixels.round().astype(np.uint8)
    return whole
