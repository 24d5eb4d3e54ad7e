"""Functions of each element, or of neighbours, that are composed of operations."""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_course import ops
from tinygrad_course.errors import InputError
from tinygrad_course.numpy_functions import elementary
from tinygrad_course.numpy_functions.arrangement import joined
from tinygrad_course.tensor import Tensor, apply, as_tensor, plain


def positive(x: Any) -> Tensor: return as_tensor(x) * 1
def deg2rad(x: Any) -> Tensor: return as_tensor(x) * (math.pi / 180)
def rad2deg(x: Any) -> Tensor: return as_tensor(x) * (180 / math.pi)


def logaddexp2(a: Any, b: Any) -> Tensor:
    ln_2 = elementary.LN_2
    return apply(elementary.logaddexp, as_tensor(a) * ln_2, as_tensor(b) * ln_2) / ln_2


def sinc(x: Any) -> Tensor:
    """sin(pi x) / (pi x); near 0 by its series, as the quotient has no digits there for derivatives."""
    x = as_tensor(x)
    near = np.absolute(plain(x)) < 1e-2
    angle = math.pi * apply(ops.where, near, np.ones(x.shape, x.dtype), x)
    square = np.square(math.pi * apply(ops.where, near, x, np.zeros(x.shape, x.dtype)))
    series = 1 - square * (1 - square * (1 - square * (1 - square / 72) / 42) / 20) / 6
    return apply(ops.where, near, series, np.sin(angle) / angle)


def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Tensor:
    x = as_tensor(x)
    values = plain(x)
    replaced = np.nan_to_num(values, nan=nan, posinf=posinf, neginf=neginf)
    return apply(ops.where, np.isfinite(values), x, np.asarray(replaced, x.dtype))


def same(x: Any) -> Tensor:
    """np.real and np.conjugate of real numbers."""
    return as_tensor(x)


def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Tensor:
    """Straight lines between points (xp, fp)."""
    if period is not None:
        raise InputError("np.interp with period= is not recorded: extend the points by yourself")
    x, xp, fp = as_tensor(x), as_tensor(xp), as_tensor(fp)
    n = xp.size
    if n < 2 or fp.shape != xp.shape:
        raise InputError(f"np.interp: at least two points are needed, xp and fp of one shape; got {xp.shape} and "
                         f"{fp.shape}")
    place = np.clip(np.searchsorted(plain(xp), plain(x), side="right") - 1, 0, n - 2)
    share = (x - xp[place]) / (xp[place + 1] - xp[place])
    found = fp[place] + share * (fp[place + 1] - fp[place])
    below, above = plain(x) < plain(xp)[0], plain(x) > plain(xp)[-1]
    found = apply(ops.where, below, fp[0] if left is None else left, found)
    return apply(ops.where, above, fp[-1] if right is None else right, found)


def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """np.gradient: differences of neighbours, one step apart or with a number for the distance."""
    f = as_tensor(f)
    axes = list(range(f.ndim)) if axis is None else [normalize_axis_index(i, f.ndim) for i in np.atleast_1d(axis)]
    distances = [1.0] * len(axes) if not varargs else list(varargs) * (len(axes) if len(varargs) == 1 else 1)
    if len(distances) != len(axes) or any(np.ndim(plain(h)) for h in distances):
        raise InputError("np.gradient is recorded for equal distances: give one number, or one for each axis")
    if edge_order != 1:
        raise InputError(f"np.gradient with edge_order={edge_order} is not recorded: there is 1")
    found = []
    for i, h in zip(axes, distances):
        if f.shape[i] < 2:
            raise InputError(f"np.gradient: axis {i} of {f.shape} has fewer than two elements")
        before = (slice(None),) * i
        step = f[before + (slice(1, None),)] - f[before + (slice(None, -1),)]
        middle = (step[before + (slice(1, None),)] + step[before + (slice(None, -1),)]) * 0.5
        found.append(joined([step[before + (slice(0, 1),)], middle, step[before + (slice(-1, None),)]], i) / h)
    return found[0] if len(found) == 1 else tuple(found)


def linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False, dtype: Any = None,
             axis: int = 0) -> Tensor:
    """Evenly spaced numbers from start to stop, both of which may be Tensors."""
    if retstep or axis != 0:
        raise InputError("np.linspace of Tensors has neither retstep= nor axis=")
    share = np.linspace(0.0, 1.0, num, endpoint=endpoint)
    start, stop = as_tensor(start), as_tensor(stop)
    share = share.reshape((-1,) + (1,) * max(start.ndim, stop.ndim))
    found = start * (1 - share) + stop * share
    return as_tensor(found if dtype is None else found.astype(dtype))


def matvec(A: Any, x: Any) -> Tensor:
    return as_tensor((as_tensor(A) @ as_tensor(x).expand_dims(-1)).squeeze(-1))


def vecmat(x: Any, A: Any) -> Tensor:
    return as_tensor((as_tensor(x).expand_dims(-2) @ as_tensor(A)).squeeze(-2))


def vecdot(a: Any, b: Any) -> Tensor:
    return as_tensor((as_tensor(a) * as_tensor(b)).sum(axis=-1))


def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: Any = 2 * math.pi) -> Tensor:
    """Whole periods are added; their derivative is 0."""
    p = as_tensor(p)
    values = np.asarray(plain(p))
    return as_tensor(p + (np.unwrap(values, discont, axis, period=period) - values))


UFUNCS: dict[Any, Callable[..., Tensor]] = {
    np.conjugate: same, np.deg2rad: deg2rad, np.degrees: rad2deg, np.logaddexp2: logaddexp2, np.positive: positive,
    np.rad2deg: rad2deg, np.radians: deg2rad,
}
TABLE: dict[Any, Callable[..., Any]] = {
    np.gradient: gradient, np.interp: interp, np.linspace: linspace, np.nan_to_num: nan_to_num, np.real: same,
    np.sinc: sinc, np.unwrap: unwrap,
}
for _name, _function in (("matvec", matvec), ("vecdot", vecdot), ("vecmat", vecmat)):  # NumPy 2.0 to 2.2 bring them
    if hasattr(np, _name):
        UFUNCS[getattr(np, _name)] = _function
if hasattr(np, "astype"):
    TABLE[np.astype] = lambda x, dtype, /, *, copy=True, device=None: as_tensor(x).astype(dtype)
