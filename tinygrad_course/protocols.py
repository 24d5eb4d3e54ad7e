"""NumPy's functions on Tensors: `np.tanh(t)`, `np.sum(t, axis=0)`, `np.concatenate([t, u])` and so on are recorded.

The VJPs in `ops` are written with these functions. That is how the same lines compute gradients from arrays and
record the backward pass from Tensors.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from tinygrad_course import ops
from tinygrad_course.conversions import WRONG, plain
from tinygrad_course.errors import InputError
from tinygrad_course.tensor import Tensor, apply, as_tensor, clip


def float_power(a: Any, b: Any) -> Tensor:
    """The power in float64, also of integers."""
    return apply(ops.power, as_tensor(a).astype(np.float64), as_tensor(b).astype(np.float64))


UFUNCS: dict[Any, Callable[..., Any]] = {
    np.add: ops.add, np.subtract: ops.subtract, np.multiply: ops.multiply, np.divide: ops.divide,
    np.power: ops.power, np.float_power: float_power, np.negative: ops.negative, np.absolute: ops.absolute,
    np.fabs: ops.absolute, np.exp: ops.exp, np.expm1: ops.expm1, np.log: ops.log, np.log1p: ops.log1p,
    np.sqrt: ops.sqrt, np.square: ops.square, np.reciprocal: ops.reciprocal, np.tanh: ops.tanh,
    np.maximum: ops.maximum, np.minimum: ops.minimum, np.matmul: ops.matmul,
}

# Their derivative is zero wherever it exists, or they answer a question: plain arrays.
PLAIN_UFUNCS: set[Any] = {
    np.sign, np.floor, np.ceil, np.rint, np.trunc, np.floor_divide, np.isfinite, np.isinf, np.isnan, np.signbit,
    np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal,
    np.logical_and, np.logical_or, np.logical_not, np.logical_xor, np.heaviside,
}

REDUCE_OPTIONS = {"axis", "keepdims"}
FURTHER_OPTIONS = {"correction", "dtype", "initial", "mean", "order", "out", "where"}  # of np.sum and its like
REDUCTIONS: dict[Any, Callable[..., Tensor]] = {np.add: Tensor.sum, np.maximum: Tensor.max, np.minimum: Tensor.min}


def transpose(a: Any, axes: Any = None) -> Tensor:
    return apply(ops.transpose, a, axes=None if axes is None else tuple(np.atleast_1d(axes).tolist()))


def moveaxis(a: Any, source: Any, destination: Any) -> Tensor:
    sources, destinations = (normalize_axis_tuple(axes, a.ndim) for axes in (source, destination))
    if len(sources) != len(destinations):
        raise InputError(f"np.moveaxis of a Tensor: {len(sources)} axes cannot go to {len(destinations)} places")
    order = [axis for axis in range(a.ndim) if axis not in sources]
    for target, axis in sorted(zip(destinations, sources)):
        order.insert(target, axis)
    return transpose(a, tuple(int(axis) for axis in order))


def split(a: Any, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    a = as_tensor(a)
    positions = np.split(np.arange(a.shape[axis]), plain(indices_or_sections))
    before = (slice(None),) * (axis % a.ndim)
    starts = [0, *np.cumsum([len(part) for part in positions]).tolist()]
    return [a[before + (slice(start, start + len(part)),)] for start, part in zip(starts, positions)]


def where(condition: Any, x: Any, y: Any) -> Tensor:
    return apply(ops.where, condition, x, y)


def reduction(method: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """np.sum and its like: what follows the axis in NumPy is not what follows it in ours, so it needs its name."""
    return lambda a, axis=None, **options: method(as_tensor(a), axis, **options)


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.sum: reduction(Tensor.sum),
    np.mean: reduction(Tensor.mean),
    np.var: reduction(Tensor.var),
    np.max: reduction(Tensor.max), np.amax: reduction(Tensor.max),
    np.min: reduction(Tensor.min), np.amin: reduction(Tensor.min),
    np.clip: lambda a, a_min=None, a_max=None, *, min=None, max=None: clip(
        a, a_min if min is None else min, a_max if max is None else max),
    np.copy: lambda a: apply(ops.astype, a, dtype=a.dtype),
    np.where: where,
    np.dot: lambda a, b: as_tensor(a).dot(b),
    np.transpose: transpose,
    np.moveaxis: moveaxis,
    np.swapaxes: Tensor.swapaxes,
    np.reshape: lambda a, shape: as_tensor(a).reshape(shape),
    np.ravel: Tensor.ravel,
    np.squeeze: Tensor.squeeze,
    np.expand_dims: Tensor.expand_dims,
    np.broadcast_to: lambda array, shape: as_tensor(array).broadcast_to(shape),
    np.concatenate: lambda arrays, axis=0: apply(ops.concatenate, *arrays, axis=axis),
    np.stack: lambda arrays, axis=0: apply(ops.stack, *arrays, axis=axis),
    np.split: split,
}

PLAIN_FUNCTIONS: set[Any] = {
    np.argmax, np.argmin, np.argsort, np.shape, np.ndim, np.size, np.zeros_like, np.ones_like, np.empty_like,
    np.full_like, np.array_equal, np.allclose, np.isclose, np.result_type, np.any, np.all, np.count_nonzero,
    np.nonzero, np.round, np.around, np.fix, np.argpartition, np.argwhere, np.flatnonzero, np.nanargmax, np.nanargmin,
    np.searchsorted, np.digitize, np.isin, np.array_equiv, np.isneginf, np.isposinf, np.imag,
    np.linalg.matrix_rank, np.array_repr, np.array_str, np.array2string, np.may_share_memory,
    np.shares_memory, np.iscomplexobj, np.isrealobj,
}


def apply_ufunc(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What `Tensor.__array_ufunc__` does. Raises InputError for what cannot be recorded."""
    if kwargs.get("out") is not None:
        raise InputError(f"np.{ufunc.__name__} cannot write a Tensor into an array (`out=`, or an operator such as "
                         "`array += tensor`): the graph would not know of it. Write `array + tensor`")
    if method == "__call__" and ufunc in UFUNCS and not kwargs:
        return UFUNCS[ufunc](*inputs)
    if method == "reduce" and ufunc in REDUCTIONS and isinstance(inputs[0], Tensor) and {*kwargs} <= REDUCE_OPTIONS:
        return REDUCTIONS[ufunc](*inputs, **{"axis": 0, **kwargs})
    if ufunc in PLAIN_UFUNCS:
        return _asked(getattr(ufunc, method), map(plain, inputs), kwargs)
    from tinygrad_course import numpy_functions  # what the engine itself does not need
    found = numpy_functions.UFUNCS[method].get(ufunc)
    if found is not None and not (method == "__call__" and kwargs):
        return _asked(found, inputs, kwargs, ufunc.__name__)
    raise InputError(_not_recorded(f"np.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}"), kwargs))


def apply_function(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What `Tensor.__array_function__` does. Raises InputError for what cannot be recorded."""
    found = FUNCTIONS.get(function)
    if found is None or FURTHER_OPTIONS & {*kwargs}:
        from tinygrad_course import numpy_functions
        found = numpy_functions.FUNCTIONS.get(function, found)
    if found is not None:
        return _asked(found, args, kwargs, function.__name__)
    if function in PLAIN_FUNCTIONS:
        return _asked(function, map(plain, args), {key: plain(value) for key, value in kwargs.items()})
    raise InputError(_not_recorded(f"{function.__module__}.{function.__name__}".replace("numpy", "np", 1), {}))


def _asked(function: Callable[..., Any], args: Iterable[Any], kwargs: dict[str, Any], name: str = "") -> Any:
    try:
        return function(*args, **kwargs)
    except InputError:
        raise
    except WRONG as error:
        raise InputError(f"np.{name or function.__name__} of a Tensor: {error}") from None


def _not_recorded(name: str, kwargs: dict[str, Any]) -> str:
    options = f" with {', '.join(kwargs)}" if kwargs else ""
    return (f"{name}{options} is no operation that a graph can record, so its gradient would be lost. Use t.data "
            "for the plain array, or write it with the operations of tinygrad_course.ops")
