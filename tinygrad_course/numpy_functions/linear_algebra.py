"""Linear algebra on Tensors: numpy.linalg.

Formulas of the derivatives: M. B. Giles, Collected matrix derivative results for forward and reverse mode algorithmic
differentiation (2008); of Cholesky's: I. Murray, Differentiation of the Cholesky decomposition (2016).
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from tinygrad_course import ops
from tinygrad_course.errors import InputError
from tinygrad_course.numpy_functions.arrangement import moved
from tinygrad_course.numpy_functions.array_products import cross, outer, tensordot, trace, vecdot
from tinygrad_course.numpy_functions.reductions import NOT_GIVEN, root
from tinygrad_course.tensor import Tensor, apply, as_tensor, plain

# --------------------------------------------------------------------------------------------------- matrices


def _turned(x: Any) -> Any:
    return np.swapaxes(x, -1, -2)


def _lower_half(x: Any) -> Any:
    """The lower triangle, with half of the diagonal."""
    n = x.shape[-1]
    return x * (np.tril(np.ones((n, n), x.dtype)) - 0.5 * np.eye(n, dtype=x.dtype))


def _cholesky_vjp(g: Any, y: Any, x: Any) -> Any:
    P = _lower_half(_turned(y) @ g)
    inverse = np.linalg.inv(y)
    S = _turned(inverse) @ P @ inverse
    return (S + _turned(S)) * 0.5


def _solve_vjp_b(g: Any, a: Any) -> Any:
    return np.linalg.solve(_turned(a), g)


inverse = ops.op("inv", np.linalg.inv, "{0}^-1", lambda g, y, x: -_turned(y) @ g @ _turned(y))
solution = ops.op("solve", np.linalg.solve, "{0}^-1 {1}",
                  lambda g, y, a, b: -_solve_vjp_b(g, a) @ _turned(y),
                  lambda g, y, a, b: _solve_vjp_b(g, a))
log_determinant = ops.op("logdet", lambda x: np.linalg.slogdet(x)[1], "log |det {0}|",
                         lambda g, y, x: np.expand_dims(g, (-1, -2)) * _turned(np.linalg.inv(x)))
cholesky_factor = ops.op("cholesky", np.linalg.cholesky, "cholesky({0})", _cholesky_vjp)


def _linear_algebra(name: str, operation: ops.Op, *inputs: Any) -> Tensor:
    """The operation on matrices; what NumPy cannot do is said."""
    tensors = [as_tensor(x) for x in inputs]
    matrix = tensors[0]
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2]:
        raise InputError(f"np.linalg.{name}: square matrices are needed, but the shape is {matrix.shape}")
    tensors = [x if x.dtype.kind == "f" else x.astype(float) for x in tensors]
    try:
        return apply(operation, *tensors)
    except np.linalg.LinAlgError as error:
        raise InputError(f"np.linalg.{name}: {error}") from None


def inv(a: Any) -> Tensor:
    return _linear_algebra("inv", inverse, a)


def solve(a: Any, b: Any) -> Tensor:
    b = as_tensor(b)
    if b.ndim == 1:
        return _linear_algebra("solve", solution, a, b.reshape(-1, 1)).squeeze(-1)
    return _linear_algebra("solve", solution, a, b)


def cholesky(a: Any, *, upper: bool = False) -> Tensor:
    L = _linear_algebra("cholesky", cholesky_factor, a)
    return L.swapaxes(-1, -2) if upper else L


def slogdet(a: Any) -> Any:
    result = _linear_algebra("slogdet", log_determinant, a)
    sign = np.linalg.slogdet(plain(as_tensor(a)))[0]
    return np.linalg._linalg.SlogdetResult(sign, result)


LARGEST_SINGULAR = 6  # by rows, n! products


def det(a: Any) -> Tensor:
    """The determinant. By its first row (Laplace) up to 3 x 3 and where a matrix is singular: that needs no inverse."""
    x = as_tensor(a)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise InputError(f"np.linalg.det: square matrices are needed, but the shape is {x.shape}")
    n = x.shape[-1]
    if n == 0:
        return as_tensor(np.ones(x.shape[:-2], x.dtype))
    if n == 1:
        return x[..., 0, 0]
    if n > 3 and (np.linalg.det(plain(x)) != 0).all() and (np.linalg.cond(plain(x)) < 1e12).all():
        sign, logarithm = slogdet(x)
        return as_tensor(logarithm.exp() * sign)
    if n > LARGEST_SINGULAR:
        raise InputError(f"np.linalg.det: a matrix of shape {x.shape} is singular, or nearly so: its gradient is found "
                         f"up to {LARGEST_SINGULAR} x {LARGEST_SINGULAR} only")
    columns = np.arange(n)
    terms = [x[..., 0, j] * det(x[..., 1:, columns[columns != j]]) * (-1) ** j for j in range(n)]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return as_tensor(total)


def matrix_power(a: Any, n: int) -> Tensor:
    if not isinstance(n, (int, np.integer)):
        raise InputError(f"np.linalg.matrix_power: the exponent is a whole number; got {n!r}")
    base = as_tensor(a) if n >= 0 else inv(a)
    if n == 0:
        return as_tensor(np.broadcast_to(np.eye(base.shape[-1], dtype=base.dtype), base.shape).copy())
    result, exponent = None, abs(int(n))
    while exponent:
        if exponent % 2:
            result = base if result is None else result @ base
        base, exponent = (base @ base if exponent > 1 else base), exponent // 2
    assert result is not None
    return result


def multi_dot(arrays: Any, *, out: Any = None) -> Tensor:
    first, *rest = [as_tensor(x) for x in arrays]
    for x in rest:
        first = first @ x
    return first


def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = NOT_GIVEN) -> Tensor:
    """The inverse of A^T A, or of A A^T, times A^T: for matrices of full rank."""
    x = as_tensor(a)
    if x.ndim < 2 or (np.linalg.matrix_rank(plain(x)) < min(x.shape[-2:])).any():
        raise InputError(f"np.linalg.pinv: recorded for matrices of full rank; this one, {x.shape}, has not")
    turned = x.swapaxes(-1, -2)
    return inv(turned @ x) @ turned if x.shape[-2] >= x.shape[-1] else turned @ inv(x @ turned)


# ------------------------------------------------------------------------------------------------------ norms


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Tensor:
    """np.linalg.norm. Where all is zero the norm has a kink; its gradient there is 0."""
    x = as_tensor(x)
    if axis is None and ord is None:
        result = root(np.square(x.ravel()).sum())
        return result.reshape((1,) * x.ndim) if keepdims else result
    axes = tuple(range(x.ndim)) if axis is None else normalize_axis_tuple(axis, x.ndim)
    if len(axes) == 1:
        return _vector_norm(x, ord, axes[0], keepdims)
    if len(axes) != 2:
        raise InputError(f"np.linalg.norm: one axis for vectors or two for matrices, but there are {len(axes)}")
    if ord in (None, "fro", "f"):
        return root(np.square(x).sum(axis=axes, keepdims=keepdims))
    if ord in (1, -1, np.inf, -np.inf):
        rows, columns = axes if abs(ord) == 1 else axes[::-1]
        sums = np.absolute(x).sum(axis=rows, keepdims=True)
        result = sums.max(axis=columns, keepdims=True) if ord > 0 else sums.min(axis=columns, keepdims=True)
        return as_tensor(result if keepdims else result.squeeze(axes))
    raise InputError(f"np.linalg.norm of matrices with ord={ord!r} is not recorded: there are None, 'fro', 1, -1, inf "
                     "and -inf")


def _vector_norm(x: Tensor, ord: Any, axis: int, keepdims: bool) -> Tensor:
    if ord is None or ord == 2:
        return root(np.square(x).sum(axis=axis, keepdims=keepdims))
    size = np.absolute(x)
    if ord in (np.inf, -np.inf):
        return as_tensor(size.max(axis=axis, keepdims=keepdims) if ord > 0 else size.min(axis=axis, keepdims=keepdims))
    if ord == 1:
        return as_tensor(size.sum(axis=axis, keepdims=keepdims))
    if isinstance(ord, str) or ord == 0:
        raise InputError(f"np.linalg.norm of vectors with ord={ord!r} is not recorded: give a number other than 0")
    total = (size ** float(ord)).sum(axis=axis, keepdims=keepdims)
    return as_tensor(total ** (1 / float(ord)))


def vector_norm(x: Any, *, axis: Any = None, ord: Any = 2, keepdims: bool = False) -> Tensor:
    x = as_tensor(x)
    if axis is None:
        result = _vector_norm(x.ravel(), ord, 0, False)
        return result.reshape((1,) * x.ndim) if keepdims else result
    return norm(x, ord, axis, keepdims)


def matrix_norm(x: Any, *, ord: Any = "fro", keepdims: bool = False) -> Tensor:
    return norm(x, ord, (-2, -1), keepdims)


TABLE: dict[Any, Callable[..., Any]] = {
    np.linalg.cholesky: cholesky, np.linalg.cross: cross, np.linalg.det: det,
    np.linalg.diagonal: lambda x, *, offset=0: moved(lambda places: np.diagonal(places, offset, -2, -1), x),
    np.linalg.inv: inv, np.linalg.matmul: lambda x1, x2: as_tensor(x1) @ as_tensor(x2),
    np.linalg.matrix_norm: matrix_norm, np.linalg.matrix_power: matrix_power,
    np.linalg.matrix_transpose: lambda x: as_tensor(x).swapaxes(-1, -2), np.linalg.multi_dot: multi_dot,
    np.linalg.norm: norm, np.linalg.outer: outer, np.linalg.pinv: pinv, np.linalg.slogdet: slogdet,
    np.linalg.solve: solve, np.linalg.tensordot: tensordot,
    np.linalg.trace: lambda x, *, offset=0, dtype=None: trace(x, offset, -2, -1), np.linalg.vecdot: vecdot,
    np.linalg.vector_norm: vector_norm,
}
