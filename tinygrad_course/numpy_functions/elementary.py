"""Elementary functions that the course does not need: entries like those of `ops`, in the same registry.

Derivatives: Abramowitz and Stegun, Handbook of Mathematical Functions, 4.1 to 4.6.
"""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_course.ops import elementwise, equal, op, quiet

LN_2, LN_10 = math.log(2), math.log(10)

# ---------------------------------------------------------------------------------- trigonometric, hyperbolic

sin = op("sin", quiet(np.sin), "sin({0})", lambda g, y, x: g * np.cos(x))
cos = op("cos", quiet(np.cos), "cos({0})", lambda g, y, x: -g * np.sin(x))
tan = op("tan", quiet(np.tan), "tan({0})", lambda g, y, x: g * (1 + y * y))
arcsin = op("arcsin", quiet(np.arcsin), "arcsin({0})", lambda g, y, x: g / np.sqrt(1 - x * x))
arccos = op("arccos", quiet(np.arccos), "arccos({0})", lambda g, y, x: -g / np.sqrt(1 - x * x))
arctan = op("arctan", np.arctan, "arctan({0})", lambda g, y, x: g / (1 + x * x))
sinh = op("sinh", quiet(np.sinh), "sinh({0})", lambda g, y, x: g * np.cosh(x))
cosh = op("cosh", quiet(np.cosh), "cosh({0})", lambda g, y, x: g * np.sinh(x))
arcsinh = op("arcsinh", np.arcsinh, "arsinh({0})", lambda g, y, x: g / np.sqrt(x * x + 1))
arccosh = op("arccosh", quiet(np.arccosh), "arcosh({0})", lambda g, y, x: g / np.sqrt(x * x - 1))
arctanh = op("arctanh", quiet(np.arctanh), "artanh({0})", lambda g, y, x: g / (1 - x * x))
arctan2 = elementwise("arctan2", np.arctan2, "arctan2({0}, {1})",
                      lambda g, y, a, b: g * b / (a * a + b * b),
                      lambda g, y, a, b: -g * a / (a * a + b * b))

# --------------------------------------------------------------------------- exponentials, logarithms, roots

exp2 = op("exp2", quiet(np.exp2), "2 ** {0}", lambda g, y, x: g * y * LN_2)
log2 = op("log2", quiet(np.log2), "log2({0})", lambda g, y, x: g / (x * LN_2))
log10 = op("log10", quiet(np.log10), "log10({0})", lambda g, y, x: g / (x * LN_10))
cbrt = op("cbrt", np.cbrt, "cbrt({0})", lambda g, y, x: g / (3 * y * y))


def _share(a: Any, y: Any) -> Any:
    """e^a / (e^a + e^b), given y = log(e^a + e^b); where both are -inf, neither counts."""
    return np.exp(a - np.where(np.isfinite(y), y, 0))


logaddexp = elementwise("logaddexp", quiet(np.logaddexp), "log(exp({0}) + exp({1}))",
                        lambda g, y, a, b: g * _share(a, y),
                        lambda g, y, a, b: g * _share(b, y))


def _not_zero(y: Any) -> Any:
    return np.where(equal(y, 0), 1, y)


hypot = elementwise("hypot", quiet(np.hypot), "sqrt({0} ** 2 + {1} ** 2)",
                    lambda g, y, a, b: g * a / _not_zero(y),
                    lambda g, y, a, b: g * b / _not_zero(y))

# -------------------------------------------------------------------------------- remainders, signs, choices

remainder = elementwise("remainder", quiet(np.remainder), "{0} mod {1}",
                        lambda g, y, a, b: g,
                        lambda g, y, a, b: -g * np.floor(a / b))
fmod = elementwise("fmod", quiet(np.fmod), "fmod({0}, {1})",
                   lambda g, y, a, b: g,
                   lambda g, y, a, b: -g * np.trunc(a / b))
copysign = elementwise("copysign", np.copysign, "copysign({0}, {1})",
                       lambda g, y, a, b: g * np.sign(a) * np.sign(y),
                       None)


def _chosen(g: Any, y: Any, a: Any, b: Any) -> Any:
    """All of g where a was chosen, half of it where a and b are equal; NaN is never chosen."""
    return np.where(equal(a, b), g * 0.5, np.where(equal(y, a), g, 0))


fmax = elementwise("fmax", np.fmax, "fmax({0}, {1})",
                   lambda g, y, a, b: _chosen(g, y, a, b), lambda g, y, a, b: _chosen(g, y, b, a))
fmin = elementwise("fmin", np.fmin, "fmin({0}, {1})",
                   lambda g, y, a, b: _chosen(g, y, a, b), lambda g, y, a, b: _chosen(g, y, b, a))

# ------------------------------------------------------------------------------------------ running sums


def _summed_from_behind(g: Any, axis: int) -> Any:
    """The VJP of a running sum: every later sum holds the element too."""
    return np.flip(np.cumsum(np.flip(g, axis), axis), axis)


cumsum = op("cumsum", lambda x, axis: np.cumsum(x, axis=axis), "cumsum({0}, axis={axis})",
            lambda g, y, x, axis: _summed_from_behind(g, axis))
