"""Rules of simplification for operations that move elements about or add them up: products, sums, shapes."""
from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from typing import Any

from tinygrad_course.broadcasting import Shape
from tinygrad_course.equations.expressions import ONE, Expression
from tinygrad_course.equations.rules import add, build, coefficient, multiply, power, rule, scaled, spread

matmul = partial(build, "matmul")


def transpose(x: Expression) -> Expression:
    return build("transpose", x, axes=None)


def total(x: Expression, axis: tuple[int, ...] | None, keepdims: bool) -> Expression:
    return build("sum", x, axis=axis, keepdims=keepdims)


def reshape(x: Expression, shape: Shape) -> Expression:
    return build("reshape", x, shape=shape)


def size(n: int) -> Expression:
    """The size of an axis, of which it is not known yet whether it is m."""
    return Expression("count", content=n)


def count(shape: Shape, axes: Sequence[int]) -> Expression:
    return multiply(*(size(shape[axis]) for axis in axes), shape=())


def axes_of(x: Expression) -> tuple[int, ...]:
    """The axes that a sum runs over."""
    axis, ndim = x.param("axis"), x.args[0].ndim
    return tuple(range(ndim)) if axis is None else tuple(
        sorted(i % ndim for i in (axis if isinstance(axis, tuple) else (axis,))))


# ----------------------------------------------------------------------------------- coefficients move outwards


@rule("matmul", "sum", "transpose", "reshape", "getitem", "scatter")
def linear(x: Expression) -> Expression | None:
    """A (2 B) = 2 A B, sum(2 a) = 2 sum(a), (2 A)^T = 2 A^T"""
    parts = [coefficient(arg) if i < 2 and (i == 0 or x.head == "matmul") else (Fraction(1), 0, arg)
             for i, arg in enumerate(x.args)]
    c, k = math.prod((part[0] for part in parts), start=Fraction(1)), sum(part[1] for part in parts)
    if c == 1 and k == 0:
        return None
    return scaled(c, k, build(x.head, *(rest for _, _, rest in parts), shape=x.shape, **dict(x.params)))


# --------------------------------------------------------------------------------------------- matrix products


@rule("dot")
def dot_of_matrices(x: Expression) -> Expression | None:
    """np.dot of matrices or vectors is their product; with a number it is a multiplication"""
    a, b = x.args
    if a.ndim == 0 or b.ndim == 0:
        return multiply(a, b)
    return matmul(a, b, shape=x.shape) if b.ndim == 1 or a.ndim <= 2 and b.ndim == 2 else None


@rule("swapaxes")
def swapped_matrix(x: Expression) -> Expression | None:
    """swapaxes(A, 0, 1) = A^T; in general it is a transpose with the axes named"""
    axes = list(range(x.args[0].ndim))
    i, k = x.param("axis1"), x.param("axis2")
    axes[i], axes[k] = axes[k], axes[i]
    return build("transpose", x.args[0], axes=tuple(axes))


@rule("transpose")
def simple_axes(x: Expression) -> Expression | None:
    """Axes in the order in which they are: nothing to do; axes of a matrix exchanged: A^T"""
    axes, ndim = x.param("axes"), x.args[0].ndim
    if axes is None:
        return x.args[0] if ndim < 2 else None
    axes = tuple(axis % ndim for axis in axes)
    if axes == tuple(range(ndim)):
        return x.args[0]
    if axes == tuple(reversed(range(ndim))):
        return transpose(x.args[0])
    return build("transpose", x.args[0], axes=axes) if axes != x.param("axes") else None


@rule("transpose")
def transposed_twice(x: Expression) -> Expression | None:
    """(A^T)^T = A"""
    inner = x.args[0]
    if inner.head != "transpose":
        return None
    if x.param("axes") is None and inner.param("axes") is None:
        return inner.args[0]
    outer_axes, inner_axes = (tuple(reversed(range(e.args[0].ndim))) if e.param("axes") is None else e.param("axes")
                              for e in (x, inner))
    return build("transpose", inner.args[0], axes=tuple(inner_axes[axis] for axis in outer_axes))


@rule("transpose")
def transposed_product(x: Expression) -> Expression | None:
    """(A B)^T = B^T A^T"""
    product = x.args[0]
    if product.head != "matmul" or x.param("axes") is not None or any(arg.ndim != 2 for arg in product.args):
        return None
    a, b = product.args
    return matmul(transpose(b), transpose(a))


@rule("matmul")
def product_with_equal_rows(x: Expression) -> Expression | None:
    """A matrix of ones times B adds up the columns of B, and a (1, 1) matrix is a number"""
    a, b = x.args
    if a.ndim != 2 or b.ndim != 2:
        return None
    for one, other in ((a, b), (b, a)):
        if one.head == "broadcast_to" and one.shape == (1, 1) and one.args[0].shape == ():
            return multiply(one.args[0], other)
    if a.head == "broadcast_to" and a.args[0] == ONE:
        return spread(total(b, (0,), True), x.shape)
    return spread(total(a, (1,), True), x.shape) if b.head == "broadcast_to" and b.args[0] == ONE else None


@rule("transpose")
def transposed_stretch(x: Expression) -> Expression | None:
    """A number stretched to a shape, transposed: stretched to the other shape"""
    inner = x.args[0]
    return spread(inner.args[0], x.shape) if inner.head == "broadcast_to" and inner.args[0].shape == () else None


# --------------------------------------------------------------------------------------------------------- sums


@rule("sum")
def sum_of_all(x: Expression) -> Expression | None:
    """Axes written in one way: a sorted tuple, or None for a sum over everything"""
    axes: Any = axes_of(x)
    if len(axes) == x.args[0].ndim and not x.param("keepdims"):
        axes = None
    return total(x.args[0], axes, x.param("keepdims")) if axes != x.param("axis") else None


@rule("sum")
def sum_as_number(x: Expression) -> Expression | None:
    """The sum over everything is a number, which keepdims stretches to (1, 1)"""
    inner = x.args[0]
    if not x.param("keepdims") or len(axes_of(x)) < inner.ndim or math.prod(inner.shape) == 1:
        return None
    return spread(total(inner, None, False), x.shape)


@rule("sum")
def sum_of_transposed(x: Expression) -> Expression | None:
    """The sum over the columns of A^T is the sum over the rows of A, transposed"""
    inner = x.args[0]
    if inner.head != "transpose" or inner.ndim != 2:
        return None
    if x.param("axis") is None:
        return total(inner.args[0], None, False)
    axes = tuple(sorted(1 - axis for axis in axes_of(x)))
    result = total(inner.args[0], axes, x.param("keepdims"))
    return transpose(result) if x.param("keepdims") else result


@rule("sum")
def sum_of_one(x: Expression) -> Expression | None:
    """The sum over axes of size one is the array itself, in the shape of the result"""
    inner = x.args[0]
    axes = axes_of(x)
    if any(inner.shape[axis] != 1 for axis in axes):
        return None
    return reshape(inner, x.shape)


@rule("sum")
def sum_of_stretched(x: Expression) -> Expression | None:
    """The sum over an axis along which one number was repeated n times is n times that number"""
    inner = x.args[0]
    if inner.head != "broadcast_to":
        return None
    small, axes = inner.args[0], axes_of(x)
    if small.shape == ():
        return spread(multiply(count(inner.shape, axes), small), x.shape)
    if small.ndim != inner.ndim:
        small = reshape(small, (1,) * (inner.ndim - small.ndim) + small.shape)
    repeated = [axis for axis in axes if small.shape[axis] == 1 != inner.shape[axis]]
    return multiply(count(inner.shape, repeated), total(small, axes, x.param("keepdims")))


@rule("sum")
def sum_of_sum(x: Expression) -> Expression | None:
    """sum(sum(a, axis=1)) = sum(a), and sum(sum(a, axis=2), axis=1) = sum(a, axis=(1, 2)), in the result's shape"""
    inner = x.args[0]
    if inner.head != "sum":
        return None
    left = [axis for axis in range(inner.args[0].ndim) if inner.param("keepdims") or axis not in axes_of(inner)]
    axes = {*axes_of(inner), *(left[axis] for axis in axes_of(x))}  # of the array itself
    return reshape(total(inner.args[0], tuple(sorted(axes)), False), x.shape)


@rule("sum")
def sum_of_one_hot(x: Expression) -> Expression | None:
    """The sum of the entries of a one-hot column is 1"""
    if x.args[0].head != "symbol" or axes_of(x) != (0,) or ("one_hot", True) not in x.args[0].params:
        return None
    return spread(ONE, x.shape)


@rule("mean")
def mean_as_sum(x: Expression) -> Expression:
    """mean(a) = (1/n) sum(a)"""
    axes = axes_of(x)
    return multiply(power(count(x.args[0].shape, axes), -1), total(x.args[0], axes, x.param("keepdims")),
                    shape=x.shape)


# ------------------------------------------------------------------------------------------------------- shapes


@rule("ravel", "squeeze", "expand_dims")
def as_reshape(x: Expression) -> Expression:
    """The same numbers in another shape"""
    return reshape(x.args[0], x.shape)


@rule("reshape")
def same_shape(x: Expression) -> Expression | None:
    """reshape to the shape that it has: nothing to do"""
    return x.args[0] if x.args[0].shape == x.shape else None


@rule("reshape")
def reshaped_twice(x: Expression) -> Expression | None:
    """reshape(reshape(a)) = reshape(a)"""
    return reshape(x.args[0].args[0], x.shape) if x.args[0].head == "reshape" else None


@rule("reshape")
def reshaped_number(x: Expression) -> Expression | None:
    """A number, or one stretched to a shape, in another shape is that number stretched to this shape"""
    inner = x.args[0]
    if inner.head == "broadcast_to" and inner.args[0].shape == ():
        return spread(inner.args[0], x.shape)
    return spread(inner, x.shape) if inner.shape == () else None


@rule("reshape")
def without_keepdims(x: Expression) -> Expression | None:
    """sum(a, axis=1, keepdims=True) without its axis of size one is sum(a, axis=1)"""
    inner = x.args[0]
    if inner.head != "sum" or not inner.param("keepdims"):
        return None
    axes = axes_of(inner)
    left = tuple(n for axis, n in enumerate(inner.args[0].shape) if axis not in axes)
    return total(inner.args[0], axes, False) if left == x.shape else None


@rule("reshape")
def with_keepdims(x: Expression) -> Expression | None:
    """max(a, axis=1) with an axis of size one put back is max(a, axis=1, keepdims=True)"""
    inner = x.args[0]
    if inner.head not in ("sum", "max", "min", "var", "logsumexp") or inner.param("keepdims"):
        return None
    axes = axes_of(inner)
    kept = tuple(1 if axis in axes else n for axis, n in enumerate(inner.args[0].shape))
    if kept != x.shape:
        return None
    return build(inner.head, *inner.args, shape=kept, **{**dict(inner.params), "keepdims": True})


@rule("transpose")
def transposed_vector(x: Expression) -> Expression | None:
    """A vector written as a column, transposed, is that vector written as a row"""
    inner = x.args[0]
    return reshape(inner.args[0], x.shape) if (
        inner.head == "reshape" and inner.ndim == 2 and 1 in inner.shape and inner.args[0].ndim == 1) else None


@rule("broadcast_to")
def not_stretched(x: Expression) -> Expression | None:
    """broadcast(a) to the shape that it has is a; stretched twice is stretched once"""
    inner = x.args[0]
    if inner.shape == x.shape:
        return inner
    return build("broadcast_to", inner.args[0], shape=x.shape) if inner.head == "broadcast_to" else None


__all__ = ["add", "axes_of", "count", "matmul", "reshape", "size", "total", "transpose"]
