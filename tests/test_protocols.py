"""NumPy's functions on Tensors: recorded exactly like the methods, or refused by name."""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygrad_course import InputError, Tensor, ops
from tinygrad_course.protocols import FUNCTIONS, PLAIN_FUNCTIONS, PLAIN_UFUNCS, UFUNCS

Function = Callable[..., Any]
VALUES = np.array([[0.4, 1.2, 0.9], [2.0, 0.3, 1.7]])
OTHER = np.array([0.7, 1.1, 2.5])

UNARY: dict[Any, Function] = {
    np.negative: operator.neg, np.absolute: Tensor.abs, np.fabs: Tensor.abs, np.exp: Tensor.exp,
    np.log: Tensor.log, np.expm1: Tensor.expm1, np.log1p: Tensor.log1p, np.sqrt: Tensor.sqrt,
    np.square: Tensor.square, np.reciprocal: Tensor.reciprocal, np.tanh: Tensor.tanh,
}
BINARY: dict[Any, Function] = {
    np.add: operator.add, np.subtract: operator.sub, np.multiply: operator.mul,
    np.divide: operator.truediv, np.power: operator.pow, np.float_power: operator.pow,
    np.maximum: Tensor.maximum, np.minimum: Tensor.minimum,
}
CALLS: dict[str, tuple[Any, Function, Function]] = {  # the NumPy function, its call, and the method
    "sum": (np.sum, lambda t: np.sum(t, axis=0, keepdims=True), lambda t: t.sum(0, True)),
    "sum of all": (np.sum, np.sum, Tensor.sum),
    "add.reduce": (np.sum, lambda t: np.add.reduce(t, axis=1), lambda t: t.sum(1)),
    "maximum.reduce": (np.max, np.maximum.reduce, lambda t: t.max(0)),
    "minimum.reduce": (np.min, lambda t: np.minimum.reduce(t, axis=None), Tensor.min),
    "mean": (np.mean, lambda t: np.mean(t, (0, 1), keepdims=True), lambda t: t.mean((0, 1), True)),
    "var": (np.var, lambda t: np.var(t, axis=-1, ddof=1), lambda t: t.var(-1, 1)),
    "max": (np.max, lambda t: np.max(t, axis=1), lambda t: t.max(1)),
    "min": (np.min, lambda t: np.min(t, axis=0), lambda t: t.min(0)),
    "amin": (np.amin, lambda t: np.amin(t, axis=0), lambda t: t.min(0)),
    "amax": (np.amax, lambda t: np.amax(t, 1, keepdims=True), lambda t: t.max(1, True)),
    "clip": (np.clip, lambda t: np.clip(t, 0.5, 1.5), lambda t: t.clip(0.5, 1.5)),
    "clip one side": (np.clip, lambda t: np.clip(t, None, 1), lambda t: t.clip(max=1)),
    "clip by name": (np.clip, lambda t: np.clip(t, min=0.5), lambda t: t.clip(min=0.5)),
    "copy": (np.copy, np.copy, lambda t: t + 0),
    "where": (np.where, lambda t: np.where(t > 1, t, 0), lambda t: t * (t > 1)),
    "where by a Tensor": (np.where, lambda t: np.where(Tensor(VALUES > 1), 2, t),
                          lambda t: t * (t <= 1) + 2 * (t > 1)),
    "dot": (np.dot, lambda t: np.dot(t, OTHER), lambda t: t.dot(OTHER)),
    "dot with an array first": (np.dot, lambda t: np.dot(VALUES.T, t), lambda t: VALUES.T @ t),
    "matmul": (np.matmul, lambda t: np.matmul(t, OTHER), lambda t: t @ OTHER),
    "transpose": (np.transpose, lambda t: np.transpose(t, (1, 0)), lambda t: t.T),
    "moveaxis": (np.moveaxis, lambda t: np.moveaxis(t, 0, -1), lambda t: t.T),
    "swapaxes": (np.swapaxes, lambda t: np.swapaxes(t, 0, 1), lambda t: t.swapaxes(0, 1)),
    "reshape": (np.reshape, lambda t: np.reshape(t, (3, -1)), lambda t: t.reshape(3, 2)),
    "ravel": (np.ravel, np.ravel, Tensor.ravel),
    "squeeze": (np.squeeze, lambda t: np.squeeze(t[:1], axis=0), lambda t: t[0]),
    "expand_dims": (np.expand_dims, lambda t: np.expand_dims(t, 1), lambda t: t[:, None]),
    "broadcast_to": (np.broadcast_to, lambda t: np.broadcast_to(t, (2, 2, 3)),
                     lambda t: t.broadcast_to(2, 2, 3)),
    "concatenate": (np.concatenate, lambda t: np.concatenate([VALUES, t], axis=1),
                    lambda t: ops.concatenate(VALUES, t, axis=1)),
    "stack": (np.stack, lambda t: np.stack([t, VALUES], axis=1), lambda t: ops.stack(t, VALUES, axis=1)),
    "split": (np.split, lambda t: np.split(t, 3, axis=1)[1], lambda t: t[:, 1:2]),
}


def agree(function: Function, method: Function) -> None:
    x, y = (Tensor(VALUES, requires_grad=True) for _ in range(2))
    found, expected = function(x), method(y)
    assert type(found) is type(expected) is Tensor and found.requires_grad
    np.testing.assert_allclose(found.data, expected.data, rtol=1e-15, strict=True)
    weights = np.arange(1.0, found.size + 1).reshape(found.shape)
    found.backward(weights)
    expected.backward(weights)
    np.testing.assert_allclose(x.grad, y.grad, rtol=1e-14, strict=True)


def test_every_function_has_its_row() -> None:
    assert {*UNARY, *BINARY, np.matmul} == set(UFUNCS)
    assert {function for function, _, _ in CALLS.values()} == {*FUNCTIONS, np.matmul}


@pytest.mark.parametrize("ufunc", UNARY, ids=lambda ufunc: ufunc.__name__)
def test_unary_ufuncs(ufunc: Any) -> None:
    agree(ufunc, UNARY[ufunc])
    np.testing.assert_array_equal(ufunc(Tensor(VALUES)).data, ufunc(VALUES))


@pytest.mark.parametrize("ufunc", BINARY, ids=lambda ufunc: ufunc.__name__)
def test_binary_ufuncs_with_an_array_or_number_on_either_side(ufunc: Any) -> None:
    method = BINARY[ufunc]
    for other in (OTHER, 2.5, 3, np.float64(1.5), Tensor(OTHER)):
        agree(lambda t: ufunc(t, other), lambda t: method(t, other))
        agree(lambda t: ufunc(other, t), lambda t: method(Tensor(other, dtype=float), t))
        np.testing.assert_array_equal(ufunc(Tensor(VALUES), other).data, ufunc(VALUES, np.asarray(other)))


@pytest.mark.parametrize("name", CALLS)
def test_functions(name: str) -> None:
    _, function, method = CALLS[name]
    agree(function, method)
    if name != "where by a Tensor":
        np.testing.assert_allclose(function(Tensor(VALUES)).data, function(VALUES), rtol=1e-15, strict=True)


@pytest.mark.parametrize("function", [
    np.sign, np.floor, np.isfinite, np.isnan, np.logical_not, np.argmax, np.argmin, np.shape, np.ndim,
    np.size,
    np.zeros_like, np.ones_like, np.any, np.all, np.round, np.count_nonzero, np.argsort,
], ids=lambda function: function.__name__)
def test_what_has_no_derivative_gives_plain_results(function: Any) -> None:
    assert function in PLAIN_UFUNCS | PLAIN_FUNCTIONS
    result = function(Tensor(VALUES, requires_grad=True))
    assert not isinstance(result, Tensor)
    np.testing.assert_array_equal(result, function(VALUES))


def test_plain_functions_of_two() -> None:
    t = Tensor(VALUES)
    assert np.array_equal(t, VALUES) and np.allclose(VALUES, t) and np.shares_memory(t, t)
    assert np.isclose(t, VALUES).all() and np.full_like(t, 7).tolist() == np.full((2, 3), 7.0).tolist()
    assert np.greater(t, 1).tolist() == (VALUES > 1).tolist()
    assert np.zeros_like(t, shape=(2,)).tolist() == [0, 0]


@pytest.mark.parametrize("name, call", {
    "np.modf": np.modf, "np.linalg.svd": np.linalg.svd, "np.unique": np.unique, "np.histogram": np.histogram,
    "np.partition": lambda t: np.partition(t, 1), "np.fft.fft": np.fft.fft,
    "np.divide.accumulate": np.divide.accumulate,
    "np.arctan2.outer": lambda t: np.arctan2.outer(t, t), "np.add.reduceat": lambda t: np.add.reduceat(t, [0, 1]),
    "np.hypot.reduce": np.hypot.reduce, "np.add.at": lambda t: np.add.at(t, 0, 1),
    "np.add with where": lambda t: np.add(t, 1, where=VALUES > 1),
    "np.copyto": lambda t: np.copyto(VALUES.copy(), t), "np.sum": lambda t: np.sum(t, out=VALUES.copy()),
    "np.log with dtype": lambda t: np.log(t, dtype=np.float32),
    "np.where": np.where, "np.concatenate": lambda t: np.concatenate([t, t], out=np.zeros((4, 3))),
}.items(), ids=lambda x: x if isinstance(x, str) else "")
def test_what_cannot_be_recorded_is_refused_by_name(name: str, call: Function) -> None:
    for t in (Tensor(VALUES, requires_grad=True), Tensor(VALUES)):
        with pytest.raises(InputError) as error:
            call(t)
        assert str(error.value).startswith(f"{name} "), str(error.value)


@pytest.mark.parametrize("fails", {
    "ufunc": lambda t, out: np.exp(t, out=out), "two": lambda t, out: np.add(1, t, out=out),
    "matmul": lambda t, out: np.matmul(t, t, out=out),
    "into a tensor": lambda t, out: np.add(out, 1, out=t),
    "+=": lambda t, out: operator.iadd(out, t), "*=": lambda t, out: operator.imul(out, t),
    "/=": lambda t, out: operator.itruediv(out, t),
    "reduce": lambda t, out: np.add.reduce(t, axis=1, out=out[0]),
    "floor": lambda t, out: np.floor(t, out=out), "sum": lambda t, out: np.sum(t, axis=1, out=out[0]),
    "clip": lambda t, out: np.clip(t, 0, 1, out=out), "stack": lambda t, out: np.concatenate([t], out=out),
}.items(), ids=lambda item: item[0])
def test_results_are_never_written_into_an_array(fails: tuple[str, Function]) -> None:
    t, out = Tensor(np.ones((2, 2)), requires_grad=True), np.zeros((2, 2))
    with pytest.raises(InputError, match="out"):
        fails[1](t, out)
    assert not out.any() and (t.data == 1).all()


def test_tensor_plus_equals_makes_a_new_tensor() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = x
    y += np.ones(2)
    y *= 3
    assert y is not x and x.data.tolist() == [1, 2] and y.data.tolist() == [6, 9]
    y.sum().backward()
    assert x.grad.tolist() == [3, 3]


@pytest.mark.parametrize("operation", [operator.add, operator.mul, operator.matmul, operator.pow])
def test_arrays_do_not_swallow_tensors(operation: Function) -> None:
    """NumPy would otherwise make an array of Tensor objects out of `array + tensor`."""
    t = Tensor(np.eye(2), requires_grad=True)
    for result in (operation(np.full((2, 2), 2.0), t), operation(np.full((2, 2), 2), t)):
        assert type(result) is Tensor and result.requires_grad and result.dtype == np.float64
