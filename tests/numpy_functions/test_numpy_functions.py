"""NumPy's functions on Tensors: the value is NumPy's, first and second derivative are those of finite differences."""
from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from tinygrad_course import InputError, Tensor, grad, gradcheck, ops
from tinygrad_course import numpy_functions as more
from tinygrad_course.autodiff import topological_order
from tinygrad_course.numpy_functions import array_products, elementary, linear_algebra
from tinygrad_course.numpy_functions.survey import survey

Arrays = tuple[Any, ...]
RANDOM = np.random.default_rng(3)


def anything(*shape: int) -> Any: return RANDOM.uniform(-0.9, 0.9, shape)
def above_one(*shape: int) -> Any: return RANDOM.uniform(1.2, 3, shape)
def positive(*shape: int) -> Any: return RANDOM.uniform(0.3, 2, shape)
def distinct(*shape: int) -> Any: return RANDOM.permutation(int(np.prod(shape))).reshape(shape) / 4 - 1.1


def with_nan(*shape: int) -> Any:
    return np.where(np.arange(int(np.prod(shape))).reshape(shape) % 3 == 1, np.nan, distinct(*shape))


def definite(n: int) -> Any:
    a = anything(n, n)
    return a @ a.T + n * np.eye(n)


def regular(*shape: int) -> Any: return anything(*shape) + 2 * np.eye(shape[-1])


class Sample(NamedTuple):
    """A call of a function: `call(np_function, *arrays)`; the arrays are differentiated."""

    function: Any
    arrays: Arrays
    call: Callable[..., Any]


def s(function: Any, *arrays: Any, call: Callable[..., Any] | None = None, **options: Any) -> Sample:
    return Sample(function, arrays, call or (lambda f, *xs: f(*xs, **options)))


ONE_ARGUMENT = [
    (np.sin, anything), (np.cos, anything), (np.tan, anything), (np.arcsin, anything), (np.arccos, anything),
    (np.arctan, anything), (np.sinh, anything), (np.cosh, anything), (np.arcsinh, anything), (np.arccosh, above_one),
    (np.arctanh, anything), (np.exp2, anything), (np.log2, positive), (np.log10, positive), (np.cbrt, positive),
    (np.positive, anything), (np.deg2rad, anything), (np.degrees, anything), (np.rad2deg, anything),
    (np.radians, anything), (np.conjugate, anything), (np.sinc, anything), (np.nan_to_num, anything),
    (np.real, anything), (np.unwrap, lambda *shape: 9 * distinct(*shape)),
]
SAMPLES: list[Sample] = [
    *(s(function, domain(*shape)) for function, domain in ONE_ARGUMENT
      for shape in ([(2, 3)] if function is np.unwrap else [(), (3,), (2, 3)])),
    s(np.sinc, np.array([0.0, 1e-3, 5e-3, 0.02])),
    *(s(function, left, right) for function in (np.arctan2, np.hypot, np.logaddexp, np.logaddexp2)
      for left, right in ((anything(3), positive(3)), (anything(2, 3), positive(3)), (positive(), anything(2, 1)))),
    s(np.remainder, 7 * anything(4), above_one(4)), s(np.fmod, 7 * anything(2, 3), above_one(3)),
    s(np.copysign, positive(2, 3), call=lambda f, x: f(x, np.array([1.0, -1.0, 1.0]))),
    s(np.fmax, distinct(6), -distinct(6) + 0.07), s(np.fmin, distinct(2, 3), distinct(3) + 0.11),
    # what only moves numbers
    s(np.append, anything(2, 3), anything(2)), s(np.append, anything(2, 3), anything(1, 3), axis=0),
    s(np.array_split, anything(7), call=lambda f, x: f(x, 3)[1]),
    s(np.hsplit, anything(2, 4), call=lambda f, x: f(x, 2)[1]),
    s(np.vsplit, anything(4, 2), call=lambda f, x: f(x, [1])[1]),
    s(np.dsplit, anything(1, 2, 4), call=lambda f, x: f(x, 2)[0]),
    s(np.atleast_1d, anything()), s(np.atleast_2d, anything(3)), s(np.atleast_3d, anything(2, 3)),
    s(np.block, anything(2, 2), anything(2, 1), anything(3), call=lambda f, a, b, c: f([[a, b], [c]])),
    s(np.broadcast_arrays, anything(3), anything(2, 1), call=lambda f, a, b: f(a, b)[0] * f(a, b)[1]),
    s(np.choose, anything(3), anything(3), call=lambda f, a, b: f([0, 1, 1], [a, b])),
    s(np.select, anything(3), anything(3),
      call=lambda f, a, b: f([[True, False, False], [True, True, False]], [a, b], 0.5)),
    s(np.column_stack, anything(3), anything(3, 2), call=lambda f, a, b: f([a, b])),
    s(np.vstack, anything(3), anything(2, 3), call=lambda f, *xs: f(xs)),
    s(np.hstack, anything(2, 1), anything(2, 3), call=lambda f, *xs: f(list(xs))),
    s(np.dstack, anything(2), anything(2), call=lambda f, *xs: f(xs)),
    s(np.concatenate, anything(2), anything(1), call=lambda f, *xs: f(xs, dtype=np.float64)),
    s(np.reshape, anything(2, 3), shape=(3, 2), order="F"), s(np.ravel, anything(2, 3), order="F"),
    s(np.compress, anything(2, 3), call=lambda f, x: f([True, False, True], x, axis=1)),
    s(np.extract, anything(4), call=lambda f, x: f([True, False, True, True], x)),
    s(np.delete, anything(2, 3), call=lambda f, x: f(x, 1, axis=1)),
    s(np.insert, anything(4), anything(2), call=lambda f, x, v: f(x, [1, 3], v)),
    s(np.diag, anything(3)), s(np.diag, anything(3, 3), k=1), s(np.diagflat, anything(2, 2)),
    s(np.diagonal, anything(2, 3, 3), axis1=1, axis2=2),
    s(np.flip, anything(2, 3)), s(np.flip, anything(2, 3), axis=-1), s(np.fliplr, anything(2, 3)),
    s(np.flipud, anything(2, 3)), s(np.rot90, anything(2, 3)), s(np.roll, anything(2, 3), shift=2, axis=1),
    s(np.rollaxis, anything(2, 3, 1), axis=2), s(np.repeat, anything(2, 2), repeats=[1, 3], axis=0),
    s(np.tile, anything(2), reps=(2, 2)), s(np.resize, anything(3), new_shape=(2, 4)),
    s(np.pad, anything(2, 2), pad_width=1), s(np.pad, anything(3), pad_width=(2, 1), mode="reflect"),
    s(np.pad, anything(3), pad_width=1, constant_values=0.5), s(np.pad, anything(2, 2), pad_width=1, mode="edge"),
    s(np.take, anything(2, 3), indices=[2, 0, 2], axis=1), s(np.take, anything(4), indices=[5, -1], mode="clip"),
    s(np.take_along_axis, anything(2, 3), call=lambda f, x: f(x, np.array([[2, 0], [1, 1]]), 1)),
    s(np.tril, anything(3, 3)), s(np.triu, anything(3, 3), k=1),
    s(np.sort, distinct(2, 4)), s(np.sort, distinct(2, 4), axis=0), s(np.sort, distinct(2, 2), axis=None),
    # sums and their like
    s(np.sum, anything(2, 3), axis=0, where=np.array([True, False, True]), initial=2.0),
    s(np.sum, anything(2, 3), dtype=np.float64),
    s(np.mean, anything(2, 3), axis=1, where=np.array([True, False, True])),
    s(np.average, anything(2, 3), anything(2, 3) + 2, call=lambda f, x, w: f(x, weights=w)),
    s(np.average, anything(2, 3), positive(3), call=lambda f, x, w: f(x, axis=1, weights=w)),
    s(np.average, anything(2, 3), axis=0), s(np.var, anything(2, 3), axis=1, ddof=1),
    s(np.var, anything(2, 4), where=np.array([True, False, True, True]), axis=1),
    s(np.std, anything(2, 3)), s(np.std, anything(2, 3), axis=0, ddof=1, keepdims=True),
    s(np.ptp, distinct(2, 3), axis=1), s(np.max, distinct(2, 3), axis=0, initial=-9.0),
    s(np.max, distinct(2, 3), where=np.array([True, False, True]), initial=-9.0),
    s(np.amin, distinct(2, 3), initial=9.0), s(np.min, distinct(2, 3), axis=1, initial=9.0),
    s(np.prod, positive(5)), s(np.prod, np.array([2.0, 0.0, 3.0])), s(np.prod, np.array([0.0, 0.0, 3.0])),
    s(np.prod, anything(2, 3, 2), axis=(0, 2), keepdims=True), s(np.prod, anything(3), initial=2.0),
    s(np.cumsum, anything(2, 3)), s(np.cumsum, anything(2, 3), axis=-1), s(np.cumprod, anything(5)),
    s(np.cumprod, anything(2, 3), axis=0), s(np.cumprod, np.array([2.0, 0.0, 3.0])),
    s(np.diff, anything(4)), s(np.diff, anything(2, 4), n=2), s(np.diff, anything(2, 3), axis=0, prepend=0.5),
    s(np.ediff1d, anything(4)), s(np.trapezoid, anything(2, 4), dx=0.5),
    s(np.trapezoid, anything(4), anything(4)),
    s(np.median, distinct(5)), s(np.median, distinct(2, 4), axis=1), s(np.median, distinct(2, 4), axis=(0, 1)),
    s(np.quantile, distinct(5), q=[0.1, 0.5, 1.0]), s(np.quantile, distinct(2, 5), q=0.3, axis=0, keepdims=True),
    s(np.percentile, distinct(2, 5), q=[20, 80], axis=1),
    *(s(function, with_nan(2, 4), **options) for function in
      (np.nansum, np.nanmean, np.nanmax, np.nanmin, np.nanvar, np.nanstd, np.nanprod)
      for options in ({}, {"axis": 1}, {"axis": 0, "keepdims": True})),
    s(np.nancumsum, with_nan(5)), s(np.nancumprod, with_nan(5)),
    s(np.gradient, anything(5)), s(np.gradient, anything(3, 4), call=lambda f, x: f(x, 0.5, axis=1)),
    s(np.gradient, anything(3, 4), call=lambda f, x: f(x)[0]),
    s(np.interp, np.array([-0.5, 0.3, 1.7]), np.array([0.0, 1.0, 2.5]), anything(3)),
    # products
    s(np.inner, anything(2, 3), anything(4, 3)), s(np.inner, anything(), anything(2)),
    s(np.outer, anything(2, 2), anything(3)), s(np.vdot, anything(2, 2), anything(2, 2)),
    s(np.tensordot, anything(2, 3), anything(3, 2), axes=1), s(np.tensordot, anything(2, 3, 2), anything(3, 2, 4)),
    s(np.tensordot, anything(2, 3), anything(2, 2), axes=([0], [1])), s(np.kron, anything(2, 2), anything(3)),
    s(np.cross, anything(2, 3), anything(3)), s(np.trace, anything(3, 3)),
    s(np.trace, anything(2, 3, 3), axis1=1, axis2=2, offset=1),
    *(s(np.einsum, *arrays, call=lambda f, *xs, t=text: f(t, *xs)) for text, *arrays in (
        ("ij,jk->ik", anything(2, 3), anything(3, 2)), ("ii->i", anything(3, 3)), ("ii", anything(3, 3)),
        ("ij->j", anything(2, 3)), ("i,i", anything(3), anything(3)),
        ("ij,ij,j->", anything(2, 3), anything(2, 3), anything(3)),
        ("...ij,...jk->...ik", anything(2, 2, 3), anything(3, 2)), ("ij,kl->", anything(2, 2), anything(2, 1)),
        ("iij,j->i", anything(2, 2, 3), anything(3)), ("ij,jk,kl->il", anything(2, 2), anything(2, 3), anything(3, 2)),
        ("b...,b...->b...", anything(2, 3, 2), anything(2, 3, 2)))),
    s(np.convolve, anything(5), anything(3)), s(np.convolve, anything(3), anything(5), mode="same"),
    s(np.convolve, anything(4), anything(3), mode="valid"), s(np.correlate, anything(5), anything(3)),
    s(np.correlate, anything(3), anything(5), mode="full"), s(np.correlate, anything(5), anything(4), mode="same"),
    s(np.cov, anything(2, 5)), s(np.cov, anything(5), anything(5)), s(np.corrcoef, anything(2, 5)),
    s(np.polyval, anything(4), anything(3)), s(np.vander, positive(3)), s(np.vander, positive(3), N=2, increasing=True),
    # linear algebra
    s(np.linalg.inv, regular(3, 3)), s(np.linalg.inv, regular(2, 2, 2)), s(np.linalg.det, anything(2, 2)),
    s(np.linalg.det, anything(3, 3)), s(np.linalg.det, regular(4, 4)), s(np.linalg.det, regular(2, 4, 4)),
    s(np.linalg.det, np.array([[1.0, 2.0], [2.0, 4.0]])),
    s(np.linalg.det, np.array([[2.0, 1, 0, 1], [1, 3, 1, 0], [3, 4, 1, 1], [0, 1, 2, 5]])),
    s(np.linalg.slogdet, regular(3, 3), call=lambda f, x: f(x)[1]),
    s(np.linalg.solve, regular(3, 3), anything(3)), s(np.linalg.solve, regular(2, 2), anything(2, 3)),
    s(np.linalg.cholesky, np.zeros((3, 3)), call=lambda f, x: f((x + np.swapaxes(x, 0, 1)) / 2 + _DEFINITE)),
    s(np.linalg.matrix_power, anything(2, 2), n=3), s(np.linalg.matrix_power, regular(2, 2), n=-2),
    s(np.linalg.multi_dot, anything(2, 3), anything(3, 2), anything(2), call=lambda f, *xs: f(xs)),
    s(np.linalg.pinv, anything(3, 2)), s(np.linalg.pinv, anything(2, 3)),
    s(np.linalg.norm, anything(2, 3)), s(np.linalg.norm, anything(2, 3), axis=0),
    s(np.linalg.norm, anything(3), ord=3),
    s(np.linalg.norm, distinct(3), ord=np.inf), s(np.linalg.norm, anything(3), ord=1),
    s(np.linalg.norm, distinct(2, 3), ord=1), s(np.linalg.norm, distinct(2, 3), ord=np.inf, keepdims=True),
    s(np.linalg.norm, anything(2, 3), ord="fro"), s(np.linalg.vector_norm, anything(2, 3)),
    s(np.linalg.matrix_norm, anything(2, 2, 3)), s(np.linalg.cross, anything(3), anything(3)),
    s(np.linalg.outer, anything(2), anything(3)), s(np.linalg.tensordot, anything(2, 3), anything(3, 2), axes=1),
    s(np.linalg.trace, anything(2, 3, 3)), s(np.linalg.diagonal, anything(2, 3, 3)),
    s(np.linalg.vecdot, anything(2, 3), anything(2, 3)), s(np.linalg.matmul, anything(2, 3), anything(3, 2)),
    s(np.linalg.matrix_transpose, anything(2, 3)),
    s(np.add, anything(2, 3), call=lambda f, x: f.reduce(x, where=np.array([True, False, True]))),
    s(np.multiply, anything(3, 2), call=lambda f, x: f.reduce(x)),
    s(np.maximum, distinct(2, 3), call=lambda f, x: f.reduce(x, axis=1, initial=-9.0)),
    s(np.add, anything(3, 2), call=lambda f, x: f.accumulate(x)),
    s(np.multiply, anything(2, 3), call=lambda f, x: f.accumulate(x, axis=1)),
    s(np.subtract, anything(2), anything(2, 2), call=lambda f, a, b: f.outer(a, b)),
    s(np.meshgrid, anything(2), anything(3), call=lambda f, a, b: f(a, b)[0] * f(a, b)[1]),
    s(np.linspace, anything(), anything(), num=4), s(np.linspace, anything(2), anything(2), num=3, endpoint=False),
    *(s(getattr(np, name), anything(*left), anything(*right)) for name, left, right in (
        ("matvec", (2, 3, 2), (2,)), ("vecmat", (3,), (3, 2)), ("vecdot", (2, 3), (3,))) if hasattr(np, name)),
    *(s(getattr(np, name), anything(2, 3), axis=1, include_initial=True)
      for name in ("cumulative_sum", "cumulative_prod") if hasattr(np, name)),
    *([s(np.astype, anything(3), call=lambda f, x: f(x, np.float64) * x)] if hasattr(np, "astype") else []),
    *([s(np.matrix_transpose, anything(2, 3))] if hasattr(np, "matrix_transpose") else []),
    *([s(np.unstack, anything(2, 3), call=lambda f, x: f(x)[1])] if hasattr(np, "unstack") else []),
]
_DEFINITE = definite(3)


OTHER_ARGUMENTS: dict[str, Callable[..., Any]] = {
    name: lambda f, x: f(x, x) for name in ("np.allclose", "np.array_equal", "np.array_equiv", "np.isclose")} | {
    "np.full_like": lambda f, x: f(x, 2.0), "np.empty_like": lambda f, x: f(x).shape,
    "np.digitize": lambda f, x: f(x, np.array([0.0, 1.0])),
    "np.searchsorted": lambda f, x: f(np.array([-1.0, 0.0, 1.0]), x), "np.isin": lambda f, x: f(x, [1.0]),
    "np.argpartition": lambda f, x: f(x, 1), "np.heaviside": lambda f, x: f(x, 0.5),
}


def names(samples: list[Sample]) -> list[str]:
    return [f"{i}-{sample.function.__name__}" for i, sample in enumerate(samples)]


@pytest.mark.parametrize("sample", SAMPLES, ids=names(SAMPLES))
def test_value_and_derivatives(sample: Sample) -> None:
    tensors = [Tensor(x, requires_grad=True) for x in sample.arrays]
    result = sample.call(sample.function, *tensors)
    expected = np.asarray(sample.call(sample.function, *sample.arrays))
    assert isinstance(result, Tensor) and result.requires_grad
    assert result.shape == expected.shape and result.dtype == expected.dtype
    np.testing.assert_allclose(result.data, expected, rtol=1e-13, atol=1e-14)
    nan = [np.isnan(x) for x in sample.arrays]
    if not any(mask.any() for mask in nan):
        gradcheck(lambda *xs: sample.call(sample.function, *xs), list(sample.arrays))

        def slopes(*xs: Tensor) -> Tensor:
            """Of a cost that is not linear in the result, so that its second derivatives depend on everything."""
            xs = tuple(x if x.requires_grad else Tensor(x.data, requires_grad=True) for x in xs)
            y = sample.call(sample.function, *xs)
            found = grad((y * y * (1 + y)).sum(), xs, create_graph=True)
            return np.concatenate([part.ravel() for part in found])  # type: ignore[return-value]
        gradcheck(slopes, list(sample.arrays))
    else:  # differences with NaN replaced: it must not matter, and its own gradient is 0
        (mask,) = nan
        (g,) = grad((result * np.cos(np.arange(result.size)).reshape(result.shape)).sum(), tensors)
        assert np.isfinite(g.data).all() and not g.data[mask].any()


def test_every_function_of_the_tables_has_a_sample() -> None:
    table = {*more.UFUNCS["__call__"], *more.FUNCTIONS}
    assert table - {sample.function for sample in SAMPLES} <= {np.amax}
    assert np.amax is np.max or np.amax in more.FUNCTIONS


@pytest.mark.parametrize("program, message", [
    (lambda t: np.pad(t, 1, mode="mean"), "computes new numbers"),
    (lambda t: np.quantile(t, 1.5), "between 0 and 1"),
    (lambda t: np.quantile(t, 0.5, method="nearest"), "not recorded"),
    (lambda t: np.linalg.inv(t), "square matrices"),
    (lambda t: np.linalg.solve(np.zeros((2, 2)), t), "[Ss]ingular"),
    (lambda t: np.linalg.norm(t, ord="nuc"), "not recorded"),
    (lambda t: np.einsum("ij,jk", t), "names 2 operands"),
    (lambda t: np.einsum("i...->i", t), "in the result"),
    (lambda t: np.tensordot(t, t, axes=1), "other sizes"),
    (lambda t: np.linalg.det(np.ones((8, 8)) * t[0, 1]), "singular"),
    (lambda t: np.max(t, where=[True, False, True]), "initial="),
    (lambda t: np.cumsum(t, out=np.zeros((2, 3))), "out="),
    (lambda t: np.sum(t, out=np.zeros(())), "out="),
    (lambda t: np.linalg.svd(t), "no operation that a graph can record"),
    (lambda t: np.fft.fft(t), "no operation that a graph can record"),
])
def test_what_is_refused(program: Callable[[Tensor], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        program(Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True))


def test_the_kink_of_a_norm_has_the_slope_zero() -> None:
    zeros = Tensor(np.zeros(3), requires_grad=True)
    for function in (np.linalg.norm, np.std):
        assert grad(function(zeros), zeros).data.tolist() == [0, 0, 0]


def test_the_survey() -> None:
    found = {function.name: function.kind for function in survey()}
    assert found["np.tanh"] == found["np.std"] == found["np.linalg.inv"] == "recorded"
    assert found["np.argmax"] == found["np.floor"] == "plain" and found["np.linalg.svd"] == "refused"
    assert list(found.values()).count("recorded") >= 150


@pytest.mark.parametrize("name", [function.name for function in survey() if function.kind == "plain"])
def test_what_is_plain_has_no_gradient(name: str) -> None:
    """It answers a question, or is constant between its steps: moving the numbers a little changes nothing."""
    function = getattr(np, name.rsplit(".", 1)[-1])
    x = np.array([[0.3, -1.7], [2.4, -0.6]])
    if name in OTHER_ARGUMENTS:
        first, second = (OTHER_ARGUMENTS[name](function, Tensor(x + h, requires_grad=True)) for h in (0.0, 1e-6))
    elif isinstance(function, np.ufunc) and function.nin == 2:
        first, second = (function(Tensor(x + h, requires_grad=True), x[::-1]) for h in (0.0, 1e-6))
    else:
        first, second = (function(Tensor(x + h, requires_grad=True)) for h in (0.0, 1e-6))
    assert not isinstance(first, Tensor)
    np.testing.assert_array_equal(np.asarray(first), np.asarray(second))


def test_every_operation_is_used_by_a_sample() -> None:
    used = set()
    for sample in SAMPLES:
        result = sample.call(sample.function, *(Tensor(x, requires_grad=True) for x in sample.arrays))
        used |= {step.op for step in topological_order(result) if step.op is not None}
    own = [operation for file in (array_products, elementary, linear_algebra) for operation in vars(file).values()
           if isinstance(operation, ops.Op)]
    assert len(own) > 25 and set(own) <= used | {operation for operation in vars(ops).values() if operation in own}


METHODS: dict[str, Callable[[Any], Any]] = {
    "std": lambda x: x.std(axis=0, ddof=1), "prod": lambda x: x.prod(axis=1, keepdims=True),
    "cumsum": lambda x: x.cumsum(axis=1), "cumprod": lambda x: x.cumprod(), "take": lambda x: x.take([0, -1], axis=1),
    "repeat": lambda x: x.repeat(2, axis=0), "diagonal": lambda x: x.diagonal(1), "trace": lambda x: x.trace(),
    "flatten": lambda x: x.flatten(), "%": lambda x: x % 0.7, "% by it": lambda x: 2.5 % (x + 1.5),
}


@pytest.mark.parametrize("name", METHODS)
def test_methods(name: str) -> None:
    """What arrays have as methods and operators, with the same meaning."""
    x = distinct(2, 3) + 0.06
    result = METHODS[name](Tensor(x, requires_grad=True))
    assert isinstance(result, Tensor) and result.requires_grad
    np.testing.assert_allclose(result.data, METHODS[name](x), rtol=1e-13)
    gradcheck(METHODS[name], x)


def test_whole_quotients_are_plain() -> None:
    x = np.array([[1.7, -0.4]])
    for found, expected in ((Tensor(x) // 0.5, x // 0.5), (3 // Tensor(x), 3 // x)):
        assert not isinstance(found, Tensor)
        np.testing.assert_array_equal(found, expected)


def test_a_graph_with_them_is_pickled_into_a_fresh_process(tmp_path: Path) -> None:
    x = Tensor([0.5, 0.25], requires_grad=True)
    (tmp_path / "graph.pickle").write_bytes(pickle.dumps((x, np.sin(x).sum())))
    program = ("import pickle; x, y = pickle.load(open('graph.pickle', 'rb')); y.backward(); print(*x.grad)")
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout.split(), done.stderr) == ([str(g) for g in np.cos([0.5, 0.25])], "")
