"""Products of arrays, all written with products of matrices or of elements; einsum has an operation of its own."""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from tinygrad_course import ops
from tinygrad_course.errors import InputError
from tinygrad_course.numpy_functions.arrangement import joined, moved
from tinygrad_course.protocols import moveaxis
from tinygrad_course.tensor import Tensor, apply, as_tensor

# ------------------------------------------------------------------------------------------ sums of products


def inner(a: Any, b: Any) -> Tensor:
    left, right = as_tensor(a), as_tensor(b)
    return left * right if left.ndim == 0 or right.ndim == 0 else tensordot(left, right, axes=(-1, -1))


def outer(a: Any, b: Any, out: Any = None) -> Tensor:
    return as_tensor(a).reshape(-1, 1) * as_tensor(b).reshape(1, -1)


def outer_of(ufunc: Any) -> Callable[..., Tensor]:
    """np.add.outer and its like: every element of one with every element of the other."""
    def on_tensors(a: Any, b: Any) -> Tensor:
        left, right = as_tensor(a), as_tensor(b)
        return as_tensor(ufunc(left.reshape(left.shape + (1,) * right.ndim), right))
    return on_tensors


def vdot(a: Any, b: Any) -> Tensor:
    return as_tensor(a).ravel() @ as_tensor(b).ravel()


def tensordot(a: Any, b: Any, axes: Any = 2) -> Tensor:
    """The axes to be summed go inside; what is left is one product of matrices."""
    A, B = as_tensor(a), as_tensor(b)
    if isinstance(axes, (int, np.integer)):
        left, right = list(range(A.ndim - int(axes), A.ndim)), list(range(int(axes)))
    else:
        left, right = (list(normalize_axis_tuple(part, x.ndim)) for part, x in zip(axes, (A, B)))
    if [A.shape[i] for i in left] != [B.shape[i] for i in right]:
        raise InputError(f"np.tensordot: axes {left} of {A.shape} and {right} of {B.shape} have other sizes")
    rows = [i for i in range(A.ndim) if i not in left]
    columns = [i for i in range(B.ndim) if i not in right]
    shape = tuple(A.shape[i] for i in rows) + tuple(B.shape[i] for i in columns)
    n = math.prod(A.shape[i] for i in left)
    A = A.transpose(*rows, *left).reshape(math.prod(A.shape[i] for i in rows), n)
    B = B.transpose(*right, *columns).reshape(n, math.prod(B.shape[i] for i in columns))
    return (A @ B).reshape(shape)


def kron(a: Any, b: Any) -> Tensor:
    A, B = as_tensor(a), as_tensor(b)
    n = max(A.ndim, B.ndim)
    A, B = (x.reshape((1,) * (n - x.ndim) + x.shape) for x in (A, B))
    product = A.reshape(tuple(size for m in A.shape for size in (m, 1))) * B.reshape(
        tuple(size for m in B.shape for size in (1, m)))
    return product.reshape(tuple(m * k for m, k in zip(A.shape, B.shape)))


def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Tensor:
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = moveaxis(as_tensor(a), axisa, 0), moveaxis(as_tensor(b), axisb, 0)
    if a.shape[0] != 3 or b.shape[0] != 3:
        raise InputError(f"np.cross: vectors have three components, but these have {a.shape[0]} and {b.shape[0]}")
    parts = [a[i] * b[j] - a[j] * b[i] for i, j in ((1, 2), (2, 0), (0, 1))]
    return moveaxis(apply(ops.stack, *parts, axis=0), 0, axisc)


def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None) -> Tensor:
    return moved(lambda places: np.diagonal(places, offset, axis1, axis2), a).sum(axis=-1)


def vecdot(x1: Any, x2: Any, axis: int = -1) -> Tensor:
    return (as_tensor(x1) * as_tensor(x2)).sum(axis=axis)


# ---------------------------------------------------------------------------------------------------- einsum


def _letters(subscripts: str, shapes: Sequence[tuple[int, ...]]) -> tuple[list[str], str]:
    """The letters of each operand and of the result, with those that stand for `...`."""
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    operands = left.split(",")
    if len(operands) != len(shapes):
        raise InputError(f"np.einsum: {subscripts!r} names {len(operands)} operands, but {len(shapes)} were given")
    free = [letter for letter in map(chr, range(ord("A"), ord("z") + 1))
            if letter.isalpha() and letter not in subscripts]
    widths = [len(shape) - len(term.replace("...", "")) if "..." in term else 0
              for term, shape in zip(operands, shapes)]
    ellipsis = "".join(free[:max(widths, default=0)])
    expanded = [term.replace("...", ellipsis[len(ellipsis) - width:]) for term, width in zip(operands, widths)]
    if not arrow:
        joined = "".join(expanded)
        right = "..." + "".join(sorted(letter for letter in set(joined) - set(ellipsis) if joined.count(letter) == 1))
    elif ellipsis and "..." not in right:
        raise InputError(f"np.einsum: {subscripts!r} has ... among the operands: write it in the result too")
    for term, shape in zip(expanded, shapes):
        if len(term) != len(shape):
            raise InputError(f"np.einsum: {term!r} names {len(term)} axes, but the operand has shape {shape}")
    return expanded, right.replace("...", ellipsis)


def einsum(*operands: Any, **options: Any) -> Tensor:
    """np.einsum in its form with text; which order of products is taken (optimize=) is left to NumPy."""
    if not operands or not isinstance(operands[0], str):
        raise InputError('np.einsum: give the subscripts as text, such as "ij,jk->ik"')
    if set(options) - {"optimize"}:
        raise InputError(f"np.einsum with {', '.join(set(options) - {'optimize'})} is not recorded")
    tensors = [as_tensor(x) for x in operands[1:]]
    terms, result = _letters(operands[0], [x.shape for x in tensors])
    for i, term in enumerate(terms):
        tensors[i], terms[i] = _without_repeats(tensors[i], term)
        elsewhere = set(result).union(*(set(other) for k, other in enumerate(terms) if k != i))
        alone = tuple(k for k, letter in enumerate(terms[i]) if letter not in elsewhere)
        if alone:
            tensors[i] = tensors[i].sum(axis=alone)
            terms[i] = "".join(letter for letter in terms[i] if letter in elsewhere)
    return apply(contraction, *tensors, subscripts=(tuple(terms), result))


def _without_repeats(tensor: Tensor, term: str) -> tuple[Tensor, str]:
    """The diagonal where a letter stands twice in one operand."""
    while len(set(term)) < len(term):
        letter = next(letter for letter in term if term.count(letter) > 1)
        first, second = [k for k, other in enumerate(term) if other == letter][:2]
        if tensor.shape[first] != tensor.shape[second]:
            raise InputError(f"np.einsum: the axes called {letter!r} have sizes {tensor.shape[first]} and "
                             f"{tensor.shape[second]}")
        tensor = moved(lambda places: np.diagonal(places, 0, first, second), tensor)
        term = "".join(other for k, other in enumerate(term) if k not in (first, second)) + letter
    return tensor, term


def _contracted(*operands: Any, subscripts: tuple[tuple[str, ...], str]) -> Any:
    terms, result = subscripts
    return np.einsum(f"{','.join(terms)}->{result}", *operands)


def _contraction_vjp(i: int, g: Any, y: Any, *operands: Any, subscripts: tuple[tuple[str, ...], str]) -> Any:
    """The same sum with g in place of the i-th operand. Every letter of that one stands in g or in another operand."""
    terms, result = subscripts
    others = [k for k in range(len(terms)) if k != i]
    subscripts_of_g = f"{','.join([result, *(terms[k] for k in others)])}->{terms[i]}"
    return np.einsum(subscripts_of_g, g, *(operands[k] for k in others))


contraction = ops.op("einsum", _contracted, "einsum({subscripts})", each=_contraction_vjp)

# ------------------------------------------------------------------------------------------------- statistics


def cov(m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: int | None = None) -> Tensor:
    X = as_tensor(m)
    X = X.reshape(1, -1) if X.ndim < 2 else X if rowvar else X.T
    if y is not None:
        other = as_tensor(y)
        other = other.reshape(1, -1) if other.ndim < 2 else other if rowvar else other.T
        X = joined([X, other])
    ddof = (0 if bias else 1) if ddof is None else ddof
    centred = X - X.mean(axis=1, keepdims=True)
    return (centred @ centred.T / (X.shape[1] - ddof)).squeeze()


def corrcoef(x: Any, y: Any = None, rowvar: bool = True) -> Tensor:
    c = cov(x, y, rowvar)
    if c.ndim == 0:
        return c / c
    deviation = np.sqrt(moved(np.diagonal, c))
    return c / (deviation.reshape(-1, 1) * deviation.reshape(1, -1))


def convolve(a: Any, v: Any, mode: str = "full") -> Tensor:
    return _correlated(a, as_tensor(v).ravel()[::-1], mode, "convolve")


def correlate(a: Any, v: Any, mode: str = "valid") -> Tensor:
    return _correlated(a, as_tensor(v).ravel(), mode, "correlate")


def _correlated(a: Any, v: Tensor, mode: str, name: str) -> Tensor:
    """Windows of a, padded with zeros, as the rows of a matrix, times v."""
    a = as_tensor(a).ravel()
    if mode not in ("full", "same", "valid"):
        raise InputError(f"np.{name}: mode is full, same or valid; got {mode!r}")
    if a.size == 0 or v.size == 0:
        raise InputError(f"np.{name} of nothing: the sizes are {a.size} and {v.size}")
    flipped = name == "convolve" and a.size < v.size
    if flipped:  # the longer one is slid over
        a, v = v[::-1], a[::-1]
    n, k = a.size, v.size
    if n < k:
        return _correlated(v, as_tensor(a), mode, name)[::-1]
    places = np.pad(np.arange(1, n + 1), k - 1)
    windows = np.lib.stride_tricks.sliding_window_view(places, k)
    full = moved(lambda _: windows, a) @ v
    if mode == "full":
        return full
    if mode == "valid":
        return full[k - 1:n]
    start = (k - 1) // 2
    return full[start:start + n]


def polyval(p: Any, x: Any) -> Tensor:
    """Horner's rule."""
    p, result = as_tensor(p), None
    for i in range(p.shape[0]):
        result = p[i] + 0 * as_tensor(x) if result is None else result * x + p[i]
    return as_tensor(0.0) if result is None else as_tensor(result)


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Tensor:
    x = as_tensor(x)
    n = x.size if N is None else N
    powers = np.arange(n) if increasing else np.arange(n)[::-1]
    return as_tensor(x.reshape(-1, 1) ** powers.astype(float))


TABLE: dict[Any, Callable[..., Any]] = {
    np.convolve: convolve, np.corrcoef: corrcoef, np.correlate: correlate, np.cov: cov, np.cross: cross,
    np.einsum: einsum, np.inner: inner, np.kron: kron, np.outer: outer, np.polyval: polyval, np.tensordot: tensordot,
    np.trace: trace, np.vander: vander, np.vdot: vdot,
}
