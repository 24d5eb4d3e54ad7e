"""Functions that move numbers and leave them as they are: tile, roll, pad, diag, take, insert, sort ...

What becomes of the numbers, NumPy's own function tells: applied to their places 1, 2, 3, ... it gives an array that
says for each number of the result where it came from; 0 stands for a zero that was filled in. Such an index is an
operation that the graph records. So a function here needs no derivative of its own, and means in every option what it
means in NumPy.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_course import ops
from tinygrad_course.errors import InputError
from tinygrad_course.tensor import Tensor, apply, as_tensor, plain


def joined(arrays: Sequence[Any], axis: int = 0) -> Tensor:
    return apply(ops.concatenate, *arrays, axis=axis)


def moved(function: Callable[..., Any], *arrays: Any) -> Tensor:
    """function(*arrays) for a function that only moves numbers, or fills in zeros."""
    tensors = [as_tensor(a) for a in arrays]
    places, start = [], 1
    for tensor in tensors:
        places.append(np.arange(start, start + tensor.size).reshape(tensor.shape))
        start += tensor.size
    found = np.asarray(function(*places))
    if len(tensors) == 1 and found.all():
        return tensors[0].ravel()[found - 1]
    dtype = np.result_type(*(tensor.dtype for tensor in tensors))
    return joined([np.zeros(1, dtype), *(tensor.ravel() for tensor in tensors)])[found]


def moving(function: Callable[..., Any], arrays: int = 1) -> Callable[..., Tensor]:
    """The function on Tensors: so many arguments are arrays, all others are handed on."""
    def on_tensors(*args: Any, **kwargs: Any) -> Tensor:
        first, rest = args[:arrays], [plain(x) for x in args[arrays:]]
        options = {name: plain(value) for name, value in kwargs.items()}
        if len(first) < arrays or any(isinstance(x, (list, tuple)) for x in first):
            raise InputError(f"np.{function.__name__}: give its array by place, as a Tensor or array")
        return moved(lambda *places: function(*places, *rest, **options), *first)
    return on_tensors


def of_several(function: Callable[..., Any]) -> Callable[..., Tensor]:
    """A function of a list of arrays, such as np.vstack, on Tensors."""
    def on_tensors(arrays: Any, *args: Any, **kwargs: Any) -> Tensor:
        if kwargs:
            raise InputError(f"np.{function.__name__} with {', '.join(kwargs)} is not recorded: leave that out, and "
                             "use astype afterwards")
        return moved(lambda *places: function(places, *args), *arrays)
    return on_tensors


def block(arrays: Any) -> Tensor:
    """np.block: lists within lists, the innermost along the last axis."""
    leaves: list[Any] = []

    def numbered(part: Any) -> Any:
        if isinstance(part, list):
            return [numbered(inner) for inner in part]
        leaves.append(part)
        return len(leaves) - 1
    structure = numbered(arrays)

    def filled(part: Any, places: Sequence[Any]) -> Any:
        return [filled(inner, places) for inner in part] if isinstance(part, list) else places[part]
    return moved(lambda *places: np.block(filled(structure, places)), *leaves)


def concatenated(arrays: Any, axis: int = 0, *, dtype: Any = None) -> Tensor:
    """np.concatenate with a dtype."""
    return joined(list(arrays), axis).astype(dtype)


def pad(array: Any, pad_width: Any, mode: Any = "constant", **options: Any) -> Tensor:
    """np.pad with zeros or another constant, or with numbers of the array itself."""
    if mode not in ("constant", "edge", "reflect", "symmetric", "wrap", "empty"):
        raise InputError(f"np.pad with mode={mode!r} computes new numbers: that is not recorded; there are constant, "
                         "edge, reflect, symmetric, wrap")
    tensor = as_tensor(array)
    values = options.pop("constant_values", 0)
    result = moved(lambda places: np.pad(places, pad_width, "constant" if mode == "empty" else mode, **options), tensor)
    if mode == "constant" and np.any(plain(values)):
        constants = np.pad(np.zeros(tensor.shape, tensor.dtype), pad_width, constant_values=plain(values))
        result = result + constants
    return result


def take(a: Any, indices: Any, axis: int | None = None, mode: str = "raise") -> Tensor:
    options: dict[str, Any] = {"axis": axis, "mode": mode}
    return moved(lambda places: np.take(places, plain(indices), **options), a)


def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Tensor:
    return moved(lambda places, new: np.insert(places, obj, new, axis=axis), arr, values)


def append(arr: Any, values: Any, axis: int | None = None) -> Tensor:
    return moved(lambda places, new: np.append(places, new, axis=axis), arr, values)


def choose(a: Any, choices: Any, mode: str = "raise") -> Tensor:
    options: dict[str, Any] = {"mode": mode}
    return moved(lambda *places: np.choose(plain(a), places, **options), *choices)


def select(condlist: Any, choicelist: Any, default: Any = 0) -> Tensor:
    conditions = [plain(condition) for condition in condlist]
    return moved(lambda *places: np.select(conditions, places[:-1], places[-1]), *choicelist, default)


def compress(condition: Any, a: Any, axis: int | None = None) -> Tensor:
    return moved(lambda places: np.compress(plain(condition), places, axis=axis), a)


def extract(condition: Any, arr: Any) -> Tensor:
    return moved(lambda places: np.extract(plain(condition), places), arr)


def flip(m: Any, axis: Any = None) -> Tensor:
    """By slices: they read no number twice, and their gradient is a copy."""
    tensor = as_tensor(m)
    axes = range(tensor.ndim) if axis is None else np.lib.array_utils.normalize_axis_tuple(axis, tensor.ndim)
    return tensor[tuple(slice(None, None, -1) if i in axes else slice(None) for i in range(tensor.ndim))]


def sort(a: Any, axis: int | None = -1, **options: Any) -> Tensor:
    """np.sort: the gradient goes where the number came from."""
    tensor = as_tensor(a).ravel() if axis is None else as_tensor(a)
    along = -1 if axis is None else axis
    order = np.argsort(plain(tensor), axis=along, **options)
    return moved(lambda places: np.take_along_axis(places, order, along), tensor)


def broadcast_arrays(*arrays: Any) -> tuple[Tensor, ...]:
    tensors = [as_tensor(a) for a in arrays]
    shape = np.broadcast_shapes(*(tensor.shape for tensor in tensors))
    return tuple(tensor.broadcast_to(shape) for tensor in tensors)


def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: Any = "xy") -> tuple[Tensor, ...]:
    tensors = [as_tensor(x).ravel() for x in xi]
    numbers = [np.arange(tensor.size) for tensor in tensors]
    grids = np.meshgrid(*numbers, sparse=sparse, indexing=indexing)
    return tuple(tensor[places] for tensor, places in zip(tensors, grids))


def at_least(function: Callable[..., Any]) -> Callable[..., Any]:
    """np.atleast_1d and its like: a reshape."""
    def on_tensors(*arrays: Any) -> Any:
        found = tuple(as_tensor(a).reshape(function(np.empty(np.shape(plain(a)))).shape) for a in arrays)
        return found[0] if len(found) == 1 else found
    return on_tensors


def pieces(function: Callable[..., Any]) -> Callable[..., list[Tensor]]:
    """np.array_split and its like: a list of parts."""
    def on_tensors(ary: Any, *args: Any, **kwargs: Any) -> list[Tensor]:
        tensor = as_tensor(ary)
        places = np.arange(tensor.size).reshape(tensor.shape)
        return [tensor.ravel()[part] for part in function(places, *args, **kwargs)]
    return on_tensors


TABLE: dict[Any, Callable[..., Any]] = {
    np.append: append, np.array_split: pieces(np.array_split), np.atleast_1d: at_least(np.atleast_1d),
    np.atleast_2d: at_least(np.atleast_2d), np.atleast_3d: at_least(np.atleast_3d), np.block: block,
    np.broadcast_arrays: broadcast_arrays, np.choose: choose, np.column_stack: of_several(np.column_stack),
    np.compress: compress, np.concatenate: concatenated, np.delete: moving(np.delete), np.diag: moving(np.diag),
    np.diagflat: moving(np.diagflat),
    np.diagonal: moving(np.diagonal), np.dsplit: pieces(np.dsplit), np.dstack: of_several(np.dstack),
    np.extract: extract, np.flip: flip, np.fliplr: moving(np.fliplr), np.flipud: moving(np.flipud),
    np.hsplit: pieces(np.hsplit), np.hstack: of_several(np.hstack), np.insert: insert, np.meshgrid: meshgrid,
    np.pad: pad, np.ravel: moving(np.ravel), np.repeat: moving(np.repeat), np.reshape: moving(np.reshape),
    np.resize: moving(np.resize), np.roll: moving(np.roll),
    np.rollaxis: moving(np.rollaxis), np.rot90: moving(np.rot90), np.select: select, np.sort: sort, np.take: take,
    np.take_along_axis: moving(np.take_along_axis), np.tile: moving(np.tile), np.tril: moving(np.tril),
    np.triu: moving(np.triu), np.vsplit: pieces(np.vsplit), np.vstack: of_several(np.vstack),
}
for _name in ("matrix_transpose", "unstack"):  # NumPy 2.1 and newer have all of them
    if hasattr(np, _name):
        TABLE[getattr(np, _name)] = (moving if _name == "matrix_transpose" else pieces)(getattr(np, _name))
