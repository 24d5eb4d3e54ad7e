"""What a user gives, as arrays of real numbers: data, operands, axes, shapes and indices.

Everything here asks for the protocol of a Tensor rather than for the class, so that it stands below `tensor`.
"""
from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np

from tinygrad_course import ops
from tinygrad_course.errors import InputError

REAL = "fiub"  # kinds of dtype: floats, integers, unsigned integers, Booleans
WRONG = (ValueError, TypeError, IndexError, KeyError, AttributeError, ArithmeticError, np.ma.MAError)  # NumPy raises


class DetachedError(InputError):
    """A Tensor that requires a gradient was to become an array, for NumPy or within a list."""


def is_tensor(x: Any) -> bool:
    return hasattr(x, "__apply_op__")


def plain(x: Any) -> Any:
    """The array of a Tensor, for reading; anything else as it is."""
    return x._data if is_tensor(x) else x


def as_array(x: Any) -> Any:
    """x as an array, of NumPy or of whoever else follows its protocols, such as the compiler with its Nodes."""
    return x if hasattr(x, "__array_function__") else np.asarray(x)


def real_numbers(x: Any, what: str, dtype: Any = None, copy: bool | None = None) -> Any:
    """x as an array of real numbers; a new one if `copy`, else only where it must be.

    what: how the message begins. Raises InputError for everything that is no number, complex numbers among them.
    """
    x = plain(x)
    try:
        array = np.asarray(x)
        if isinstance(x, np.ma.MaskedArray):
            raise TypeError("a masked array would lose its mask: give x.filled(...), or np.where(mask, ..., ...)")
        if array.dtype.kind not in REAL:
            raise TypeError(f"its dtype is {array.dtype}, but real numbers are needed")
        array = np.array(array, dtype=dtype, copy=copy)
        if array.dtype.kind not in REAL:
            raise TypeError(f"the dtype {array.dtype} is none of real numbers")
        return array
    except DetachedError:
        raise
    except WRONG as error:
        raise InputError(f"{what} {type(x).__name__} {str(x)[:60]!r}: {error}") from None


def quoted(x: Any) -> str:
    """How a message quotes what was given; Python refuses to print very long integers."""
    try:
        return f"{x!r:.60}"
    except ValueError:
        return f"a {type(x).__name__}"


def finite_number(x: Any) -> float | None:
    """x as a Python float, or as the float that it is; None for what is no finite real number."""
    if not isinstance(x, numbers.Real) or isinstance(x, (bool, np.bool_)):
        return None
    try:
        number = x if isinstance(x, float) and not isinstance(x, np.generic) else float(x)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def operand(op: ops.Op, x: Any) -> Any:
    """An input of an operation: a Tensor or a Node as it is, a list of Tensors stacked, all else as an array.

    Python's numbers stay numbers: NumPy then keeps float32 where the two meet.
    """
    if hasattr(x, "__array_function__") and not isinstance(x, np.ndarray):
        return x
    if isinstance(x, numbers.Real) and not isinstance(x, np.generic):
        return x if isinstance(x, (int, float)) else float(x)
    try:
        return real_numbers(x, f"{op.name}: cannot compute with")
    except DetachedError:
        return stacked(x)


def stacked(x: Any) -> Any:
    """Numbers, arrays and Tensors in lists, as one recorded Tensor."""
    return ops.stack(*[stacked(part) if isinstance(part, (list, tuple)) else part for part in x], axis=0)


def axes_given(axis: Any) -> Any:
    return tuple(axis) if isinstance(axis, list) else axis


def sizes_given(sizes: tuple[Any, ...]) -> tuple[Any, ...]:
    """Sizes, or axes, given one by one or as one tuple."""
    if len(sizes) != 1 or isinstance(sizes[0], (int, np.integer)):
        return sizes
    if not isinstance(sizes[0], (tuple, list, np.ndarray)):
        raise InputError(f"whole numbers are needed, one by one or as one tuple; got {sizes[0]!r}")
    return tuple(sizes[0])


def index_given(index: Any) -> tuple[Any, ...]:
    """An index as a tuple; lists and Tensors in it become arrays."""
    parts = index if isinstance(index, tuple) else (index,)
    return tuple(real_numbers(part, "an index cannot be") if isinstance(part, list) or is_tensor(part) else part
                 for part in parts)


def dtype_given(dtype: Any) -> Any:
    try:
        return np.dtype(dtype)
    except WRONG as error:
        raise InputError(f"{dtype!r} is no dtype, such as np.float32: {error}") from None
