"""Sums, products, means and their like, composed of what `ops` has; with NumPy's options dtype, where and initial.

Composed means: every derivative, of any order, is that of the operations that it is made of.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from tinygrad_course import ops
from tinygrad_course.errors import InputError
from tinygrad_course.numpy_functions import elementary
from tinygrad_course.numpy_functions.arrangement import joined, sort
from tinygrad_course.protocols import moveaxis
from tinygrad_course.tensor import Tensor, apply, as_tensor, plain

NOT_GIVEN = np._NoValue  # what NumPy's functions have for an option that was left out


def given(value: Any) -> bool:
    return value is not None and value is not NOT_GIVEN


def _kept(keepdims: Any) -> bool:
    return bool(keepdims) if given(keepdims) else False


def _converted(a: Any, dtype: Any) -> Tensor:
    tensor = as_tensor(a)
    return tensor.astype(dtype) if given(dtype) else tensor


def _masked(tensor: Tensor, where: Any, neutral: Any) -> Tensor:
    """With what does not count replaced by a number that changes nothing."""
    if not given(where) or where is True:
        return tensor
    return apply(ops.where, plain(where), tensor, np.asarray(neutral, tensor.dtype))


def _number_of(tensor: Tensor, axis: Any, where: Any = None, keepdims: bool = False) -> Any:
    """How many elements count in each result."""
    counted = np.broadcast_to(plain(where), tensor.shape) if given(where) else np.ones(tensor.shape, bool)
    return counted.sum(axis=axis, keepdims=keepdims)


# ------------------------------------------------------------------------------------------ sums and means


def sum_(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = NOT_GIVEN,
         initial: Any = NOT_GIVEN, where: Any = NOT_GIVEN) -> Tensor:
    _no_out("sum", out)
    total = _masked(_converted(a, dtype), where, 0).sum(axis=axis, keepdims=_kept(keepdims))
    return total + initial if given(initial) else total


def mean(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = NOT_GIVEN,
         where: Any = NOT_GIVEN) -> Tensor:
    _no_out("mean", out)
    tensor = _converted(a, dtype)
    if not given(where):
        return tensor.mean(axis=axis, keepdims=_kept(keepdims))
    total = sum_(tensor, axis, keepdims=keepdims, where=where)
    return as_tensor(total / _number_of(tensor, axis, where, _kept(keepdims)))


def average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = NOT_GIVEN) -> Any:
    tensor = as_tensor(a)
    if weights is None:
        result = tensor.mean(axis=axis, keepdims=_kept(keepdims))
        total: Any = np.full(result.shape, tensor.size / max(result.size, 1))
    else:
        w = as_tensor(weights)
        if w.shape != tensor.shape:
            if axis is None or w.ndim != 1:
                raise InputError(f"np.average: weights {w.shape} do not fit {tensor.shape}: give weights of the same "
                                 "shape, or one for each place along one axis")
            place = normalize_axis_index(axis, tensor.ndim)
            w = w.reshape(tuple(-1 if i == place else 1 for i in range(tensor.ndim)))
        total = (w + np.zeros(tensor.shape, tensor.dtype)).sum(axis=axis, keepdims=_kept(keepdims))
        result = (tensor * w).sum(axis=axis, keepdims=_kept(keepdims)) / total
    return (result, total) if returned else result


def var(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0, keepdims: Any = NOT_GIVEN, *,
        where: Any = NOT_GIVEN, mean: Any = NOT_GIVEN, correction: Any = NOT_GIVEN) -> Tensor:
    _no_out("var", out)
    tensor, ddof = _converted(a, dtype), correction if given(correction) else ddof
    if not given(where) and not given(mean):
        return tensor.var(axis=axis, ddof=ddof, keepdims=_kept(keepdims))
    number = _number_of(tensor, axis, where, keepdims=True)
    centre = mean if given(mean) else sum_(tensor, axis, keepdims=True, where=where) / number
    squares = sum_(np.square(tensor - centre), axis, keepdims=keepdims, where=where)
    return as_tensor(squares / np.maximum(number - ddof, 0).reshape(squares.shape))


def std(a: Any, *args: Any, **kwargs: Any) -> Tensor:
    """The root of the variance; where all numbers are equal, its gradient is 0, the middle of -1 and 1."""
    return root(var(a, *args, **kwargs))


def root(x: Tensor) -> Tensor:
    """sqrt(x) with the slope 0 at x = 0, where the norm of something has a kink, in place of infinity."""
    zero = plain(x) == 0
    return apply(ops.where, zero, np.zeros(1, x.dtype).reshape((1,) * x.ndim),
                 np.sqrt(apply(ops.where, zero, np.ones(1, x.dtype).reshape((1,) * x.ndim), x)))


def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = NOT_GIVEN) -> Tensor:
    _no_out("ptp", out)
    tensor, keep = as_tensor(a), _kept(keepdims)
    return tensor.max(axis=axis, keepdims=keep) - tensor.min(axis=axis, keepdims=keep)


def extreme(name: str, neutral: float) -> Callable[..., Tensor]:
    """np.max or np.min."""
    choose = {"max": np.maximum, "min": np.minimum}[name]

    def function(a: Any, axis: Any = None, out: Any = None, keepdims: Any = NOT_GIVEN, initial: Any = NOT_GIVEN,
                 where: Any = NOT_GIVEN) -> Tensor:
        _no_out(name, out)
        if given(where) and not given(initial):
            raise InputError(f"np.{name} with where= needs initial= as well: the result where nothing counts")
        tensor = _masked(as_tensor(a), where, neutral)
        if not given(initial):
            return as_tensor(getattr(tensor, name)(axis=axis, keepdims=_kept(keepdims)))
        if tensor.size == 0:
            return as_tensor(getattr(np, name)(plain(tensor), axis=axis, keepdims=_kept(keepdims), initial=initial))
        return as_tensor(choose(getattr(tensor, name)(axis=axis, keepdims=_kept(keepdims)), initial))
    return function


# ---------------------------------------------------------------------------------------------- products


def _reduced_axes(tensor: Tensor, axis: Any) -> tuple[int, ...]:
    return tuple(range(tensor.ndim)) if axis is None else normalize_axis_tuple(axis, tensor.ndim)


def prod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = NOT_GIVEN,
         initial: Any = NOT_GIVEN, where: Any = NOT_GIVEN) -> Tensor:
    """By halves: log2(n) products of arrays. No division, so a zero among the factors does no harm."""
    _no_out("prod", out)
    tensor = _masked(_converted(a, dtype), where, 1)
    axes = _reduced_axes(tensor, axis)
    for i in axes:
        before = (slice(None),) * i
        if tensor.shape[i] == 0:
            tensor = as_tensor(np.ones(tensor.shape[:i] + (1,) + tensor.shape[i + 1:], tensor.dtype))
        while (n := tensor.shape[i]) > 1:
            half = n // 2
            product = tensor[before + (slice(0, half),)] * tensor[before + (slice(half, 2 * half),)]
            tensor = joined([product, tensor[before + (slice(n - 1, n),)]], i) if n % 2 else product
    if not _kept(keepdims):
        tensor = tensor.reshape(tuple(n for i, n in enumerate(tensor.shape) if i not in axes))
    return tensor * initial if given(initial) else tensor


def cumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Tensor:
    _no_out("cumsum", out)
    tensor = _converted(a, dtype)
    if axis is None:
        tensor, axis = tensor.ravel(), 0
    return apply(elementary.cumsum, tensor, axis=normalize_axis_index(axis, tensor.ndim))


def cumulative(function: Callable[..., Tensor], neutral: float) -> Callable[..., Tensor]:
    """np.cumulative_sum or np.cumulative_prod: along the only axis, or the one that is named."""
    def on_tensors(x: Any, /, *, axis: int | None = None, dtype: Any = None, out: Any = None,
                   include_initial: bool = False) -> Tensor:
        _no_out(f"cumulative_{'sum' if neutral == 0 else 'prod'}", out)
        tensor = _converted(x, dtype)
        if axis is None and tensor.ndim != 1:
            raise InputError(f"give axis=: an array of shape {tensor.shape} can be summed along several axes")
        axis = normalize_axis_index(0 if axis is None else axis, tensor.ndim)
        found = function(tensor, axis)
        start = np.full(tensor.shape[:axis] + (1,) + tensor.shape[axis + 1:], neutral, tensor.dtype)
        return joined([start, found], axis) if include_initial else found
    return on_tensors


def cumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Tensor:
    """By doubling (Hillis and Steele 1986): log2(n) products of arrays, no division."""
    _no_out("cumprod", out)
    tensor = _converted(a, dtype)
    if axis is None:
        tensor, axis = tensor.ravel(), 0
    axis, k = normalize_axis_index(axis, tensor.ndim), 1
    before = (slice(None),) * axis
    while k < tensor.shape[axis]:
        later = tensor[before + (slice(k, None),)] * tensor[before + (slice(None, -k),)]
        tensor, k = joined([tensor[before + (slice(0, k),)], later], axis), 2 * k
    return tensor


# ------------------------------------------------------------------------------------- without what is NaN


def without_nan(function: Callable[..., Tensor], neutral: float) -> Callable[..., Tensor]:
    """np.nansum and its like: as if what is NaN were not there."""
    def on_tensors(a: Any, *args: Any, **kwargs: Any) -> Tensor:
        tensor = as_tensor(a)
        return function(_masked(tensor, ~np.isnan(plain(tensor)), neutral), *args, **kwargs)
    return on_tensors


def where_not_nan(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """np.nanmean and its like: the mask says what counts, and NaN is replaced, so that no gradient is NaN."""
    def on_tensors(a: Any, *args: Any, **kwargs: Any) -> Tensor:
        tensor = as_tensor(a)
        counts = ~np.isnan(plain(tensor))
        where = kwargs.pop("where", NOT_GIVEN)
        counts = counts & plain(where) if given(where) else counts
        return function(_masked(tensor, counts, 0), *args, where=counts, **kwargs)
    return on_tensors


def nan_extreme(name: str, neutral: float) -> Callable[..., Tensor]:
    """np.nanmax or np.nanmin; where everything is NaN, so is the result."""
    plain_function = {"max": np.nanmax, "min": np.nanmin}[name]

    def on_tensors(a: Any, axis: Any = None, out: Any = None, keepdims: Any = NOT_GIVEN) -> Tensor:
        _no_out(f"nan{name}", out)
        tensor = as_tensor(a)
        if tensor.size == 0:
            plain_function(plain(tensor), axis=axis)
        missing = np.isnan(plain(tensor))
        result = getattr(_masked(tensor, ~missing, neutral), name)(axis=axis, keepdims=_kept(keepdims))
        return _masked(result, ~missing.all(axis=axis, keepdims=_kept(keepdims)), np.nan)
    return on_tensors


# ----------------------------------------------------------------------------------------------- quantiles


def quantile(a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False,
             method: str = "linear", keepdims: bool = False) -> Tensor:
    """Between the two sorted numbers that lie beside q, in proportion, which is NumPy's method "linear"."""
    _no_out("quantile", out)
    if method != "linear":
        raise InputError(f"np.quantile with method={method!r} is not recorded: there is \"linear\"")
    tensor, probabilities = as_tensor(a), np.asarray(plain(q), dtype=float)
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise InputError(f"np.quantile: q lies between 0 and 1, np.percentile's between 0 and 100; got {q!r}")
    axes = _reduced_axes(tensor, axis)
    others = [i for i in range(tensor.ndim) if i not in axes]
    rows = tensor.transpose(*others, *axes).reshape(tuple(tensor.shape[i] for i in others) + (-1,))
    n = rows.shape[-1]
    if n == 0:
        raise InputError(f"np.quantile of nothing: the array has shape {tensor.shape}")
    ordered = sort(rows, -1)
    place = probabilities.reshape(-1) * (n - 1)
    low = np.minimum(place.astype(int), n - 1)
    high = np.minimum(low + 1, n - 1)
    share = (place - low).astype(tensor.dtype)
    found = ordered[..., low] * (1 - share) + ordered[..., high] * share
    missing = np.isnan(plain(rows)).any(axis=-1, keepdims=True)
    found = _masked(found, ~missing, np.nan) if missing.any() else found
    kept = tuple(1 if i in axes else size for i, size in enumerate(tensor.shape)) if keepdims else tuple(
        tensor.shape[i] for i in others)
    return moveaxis(found, -1, 0).reshape(probabilities.shape + kept)


def percentile(a: Any, q: Any, *args: Any, **kwargs: Any) -> Tensor:
    return quantile(a, np.asarray(plain(q)) / 100, *args, **kwargs)


def median(a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False) -> Tensor:
    return quantile(a, 0.5, axis, out, keepdims=keepdims)


# --------------------------------------------------------------------------------------------- differences


def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = NOT_GIVEN, append: Any = NOT_GIVEN) -> Tensor:
    tensor = as_tensor(a)
    place = normalize_axis_index(axis, tensor.ndim)
    if n < 0:
        raise InputError(f"np.diff: n is how often differences are taken, not negative; got {n}")

    def edge(values: Any) -> list[Any]:
        if not given(values):
            return []
        values = as_tensor(values)
        return [values.broadcast_to(tensor.shape[:place] + (1,) + tensor.shape[place + 1:])
                if values.ndim == 0 else values]
    ends = [*edge(prepend), tensor, *edge(append)]
    tensor = joined(ends, place) if len(ends) > 1 else tensor
    before = (slice(None),) * place
    for _ in range(n):
        tensor = tensor[before + (slice(1, None),)] - tensor[before + (slice(None, -1),)]
    return tensor


def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Tensor:
    parts = [as_tensor(part).ravel() for part in (to_begin, diff(as_tensor(ary).ravel()), to_end) if part is not None]
    return joined(parts) if len(parts) > 1 else parts[0]


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Tensor:
    """The area under points, by trapezoids."""
    heights = moveaxis(as_tensor(y), axis, -1)
    if x is None:
        steps: Any = dx
    else:
        steps = diff(moveaxis(as_tensor(x), axis, -1) if np.ndim(plain(x)) > 1 else x)
    return as_tensor(((heights[..., 1:] + heights[..., :-1]) * 0.5 * steps).sum(axis=-1))


def _no_out(name: str, out: Any) -> None:
    if given(out):
        raise InputError(f"np.{name} cannot write a Tensor into an array (out=): the graph would not know of it")


TABLE: dict[Any, Callable[..., Any]] = {
    np.average: average, np.cumprod: cumprod, np.cumsum: cumsum, np.diff: diff, np.ediff1d: ediff1d,
    np.max: extreme("max", -np.inf), np.amax: extreme("max", -np.inf), np.mean: mean, np.median: median,
    np.min: extreme("min", np.inf), np.amin: extreme("min", np.inf), np.nancumprod: without_nan(cumprod, 1),
    np.nancumsum: without_nan(cumsum, 0), np.nanmax: nan_extreme("max", -np.inf), np.nanmean: where_not_nan(mean),
    np.nanmin: nan_extreme("min", np.inf), np.nanprod: without_nan(prod, 1), np.nanstd: where_not_nan(std),
    np.nansum: without_nan(sum_, 0), np.nanvar: where_not_nan(var), np.percentile: percentile, np.prod: prod,
    np.ptp: ptp, np.quantile: quantile, np.std: std, np.sum: sum_, np.trapezoid: trapezoid, np.var: var,
}
if hasattr(np, "cumulative_sum"):  # NumPy 2.1
    TABLE |= {np.cumulative_sum: cumulative(cumsum, 0), np.cumulative_prod: cumulative(cumprod, 1)}
