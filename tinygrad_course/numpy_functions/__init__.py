"""NumPy's functions beyond what the course and the engine need, for Tensors: found here when one is first called.

`elementary` holds operations of each element, in the form of `ops`; `composed` what is composed of them;
`arrangement` what only moves numbers; `reductions` sums, products, means, quantiles; `array_products` products of
arrays, `linear_algebra` numpy.linalg. What is recorded is said by the tables at the end of each file.
"""
from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tinygrad_course.numpy_functions import (
    array_products, arrangement, composed, elementary, linear_algebra, reductions)
from tinygrad_course.numpy_functions.array_products import outer_of

UFUNCS: dict[str, dict[Any, Callable[..., Any]]] = {
    "__call__": {
        np.arccos: elementary.arccos, np.arccosh: elementary.arccosh, np.arcsin: elementary.arcsin,
        np.arcsinh: elementary.arcsinh, np.arctan: elementary.arctan, np.arctan2: elementary.arctan2,
        np.arctanh: elementary.arctanh, np.cbrt: elementary.cbrt, np.copysign: elementary.copysign,
        np.cos: elementary.cos, np.cosh: elementary.cosh, np.exp2: elementary.exp2, np.fmax: elementary.fmax,
        np.fmin: elementary.fmin, np.fmod: elementary.fmod, np.hypot: elementary.hypot, np.log10: elementary.log10,
        np.log2: elementary.log2, np.logaddexp: elementary.logaddexp, np.remainder: elementary.remainder,
        np.sin: elementary.sin, np.sinh: elementary.sinh, np.tan: elementary.tan, **composed.UFUNCS},
    "reduce": {
        np.add: partial(reductions.sum_, axis=0), np.multiply: partial(reductions.prod, axis=0),
        np.maximum: partial(reductions.extreme("max", -np.inf), axis=0),
        np.minimum: partial(reductions.extreme("min", np.inf), axis=0)},
    "accumulate": {
        np.add: partial(reductions.cumsum, axis=0), np.multiply: partial(reductions.cumprod, axis=0)},
    "outer": {
        np.add: outer_of(np.add), np.subtract: outer_of(np.subtract), np.multiply: outer_of(np.multiply),
        np.divide: outer_of(np.divide), np.maximum: outer_of(np.maximum), np.minimum: outer_of(np.minimum)},
    "reduceat": {}, "at": {},
}
FUNCTIONS: dict[Any, Callable[..., Any]] = {
    **arrangement.TABLE, **composed.TABLE, **linear_algebra.TABLE, **array_products.TABLE, **reductions.TABLE}
