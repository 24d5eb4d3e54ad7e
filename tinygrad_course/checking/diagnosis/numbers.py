"""When two results are the same, and how far apart they are when no mistake is recognised."""
from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

TOLERANCE = 1e-9  # relative to the largest element


def same(a: Any, b: Any, tolerance: float = TOLERANCE, scalar: bool = False) -> bool:
    """Whether two results have the same shape and, relative to the largest element, the same values.

    scalar: both are one number, whatever their shapes. NaN equals NaN in the same place.
    """
    a, b = np.asarray(a), np.asarray(b)
    if scalar and a.size == b.size == 1:
        a, b = a.reshape(()), b.reshape(())
    if a.shape != b.shape:
        return False
    if a.size == 0:
        return True
    if a.dtype.kind in "bu" or b.dtype.kind in "bu":
        a, b = a * 1.0, b * 1.0
    with np.errstate(all="ignore"):
        difference = np.abs(a - b)
        largest = difference.max()
        if largest == 0:
            return True
        scale = np.abs(b).max()
        if math.isfinite(largest):
            return bool(largest <= tolerance * scale + 1e-300)
        # inf - inf and nan - nan are nan: equal places are no difference
        close = np.isfinite(difference) & (difference <= tolerance * np.abs(b))
        equal = (a == b) | (np.isnan(a) & np.isnan(b)) | close
    return bool(equal.all())


def factors_between(a: Any, b: Any) -> list[Fraction]:
    """[q] if a = q b for a small rational q other than 1, else []."""
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.shape != b.shape or not a.size or not np.isfinite(a).all() or not np.isfinite(b).all():
        return []
    place = np.unravel_index(np.argmax(np.abs(b)), b.shape) if b.ndim else ()
    if b[place] == 0:
        return []
    ratio = float(a[place] / b[place])
    factor = Fraction(ratio).limit_denominator(100)
    if factor in (0, 1, -1) or factor.numerator > 1000 or not same(a, float(factor) * b):
        return []
    return [factor]


def distance(a: Any, b: Any, scalar: bool = False) -> str:
    """Yours (a) beside the right result (b): the worst index, the ratio of the norms and the angle."""
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if scalar and a.size == b.size == 1:
        a, b = a.reshape(()), b.reshape(())
    if a.shape != b.shape:
        return f"its shape is {a.shape}, but {b.shape} is right{advice_on_shape(a.shape, b.shape)}"
    if not np.isfinite(a).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(a))[0])
        return f"it holds {a[where]} at index {where if where else '()'}, where {b[where]:.6g} is right"
    with np.errstate(all="ignore"):
        worst = np.unravel_index(np.argmax(np.abs(a - b)), a.shape) if a.ndim else ()
        norms = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    index = ", ".join(str(int(i)) for i in worst)
    words = f"worst at index [{index}]: {a[worst]:.6g}, right is {b[worst]:.6g}" if index else (
        f"it is {float(a):.6g}, right is {float(b):.6g}")
    if all(norms):
        cosine = float(np.sum(a * b)) / (norms[0] * norms[1])
        angle = math.degrees(math.acos(min(1.0, max(-1.0, cosine))))
        words += f"; ratio of the norms {norms[0] / norms[1]:.6g}, angle between both {angle:.4g} degrees"
    return words


def advice_on_shape(given: tuple[int, ...], right: tuple[int, ...]) -> str:
    if given == right[::-1]:
        return ": it is transposed"
    if len(given) == 1 and right in ((*given, 1), (1, *given)):
        return ": keepdims=True is missing in a sum, or a reshape"
    return ""
