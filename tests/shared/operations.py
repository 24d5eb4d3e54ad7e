"""The table of operations: a row for each, with the NumPy that it is held against. Every test of operations reads it.

A sample is a function of Tensors, the same thing in plain NumPy, and the arrays to apply both to. Inputs stay
away from kinks and poles, where there is no derivative to compare with; those points have their own table.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from tinygrad_course import Tensor, ops

Function = Callable[..., Any]
RANDOM = np.random.default_rng(0)


class Sample(NamedTuple):
    function: Function
    reference: Function
    inputs: tuple[Any, ...]
    params: dict[str, Any]
    without_gradient: bool  # every gradient is empty, or zero everywhere: nothing that could be scaled


# ------------------------------------------------------------------------------------ domains and shapes


def anything(shape: Any) -> Any: return RANDOM.uniform(-2, 2, shape)
def positive(shape: Any) -> Any: return RANDOM.uniform(0.3, 2, shape)
def nonzero(shape: Any) -> Any: return positive(shape) * RANDOM.choice([-1, 1], shape)
def halves(shape: Any) -> Any: return np.asarray(RANDOM.integers(-4, 4, shape) / 2)
def quarters(shape: Any) -> Any: return halves(shape) + 0.25  # never near one of `halves`
def distinct(shape: Any) -> Any: return RANDOM.permutation(int(np.prod(shape))).reshape(shape) / 4 - 1


UNARY = [((),), ((3,),), ((1,),), ((2, 3),), ((2, 1, 3),), ((2, 1, 2, 3),)]
UNARY_EMPTY = [((0,),), ((2, 0, 3),)]
BINARY = [((), ()), ((3,), (3,)), ((2, 3), ()), ((), (2, 3)), ((2, 3), (3,)), ((3,), (2, 3)),
          ((2, 1), (1, 3)), ((1,), (1, 1)), ((2, 1, 3), (2, 2, 1)), ((2, 1, 3, 1), (3, 1, 2)),
          ((1, 2), (2, 2, 1, 2))]
BINARY_EMPTY = [((0,), (1,)), ((2, 1), (2, 0)), ((0, 3), (3,)), ((), (0, 2))]
TERNARY = [((2, 3), (3,), (2, 1)), ((2, 1), (2, 3), (2, 3)), ((2, 2, 1, 3), (2, 1), (3,))]


def samples(function: Function, reference: Function, shapes: Iterable[Any], *domains: Function,
            without_gradient: bool = False, **params: Any) -> list[Sample]:
    return [Sample(function, reference, tuple(domain(shape) for domain, shape in zip(domains, each)), params,
                   without_gradient) for each in shapes]


def elementwise(function: Function, reference: Function, *domains: Function, **params: Any) -> list[Sample]:
    full, empty = (UNARY, UNARY_EMPTY) if len(domains) == 1 else (BINARY, BINARY_EMPTY)
    return (samples(function, reference, full, *domains, **params)
            + samples(function, reference, empty, *domains, without_gradient=True, **params))


REDUCED = [((), None), ((3,), None), ((3,), 0), ((3,), (-1,)), ((2, 3), None), ((2, 3), 0), ((2, 3), -1),
           ((2, 3), (0, 1)), ((2, 3, 2), (0, -1)), ((2, 1, 3, 2), -2), ((2, 1, 3, 2), (-3, 2))]


def reduction(function: Function, reference: Function, domain: Function, keeps: bool = True,
              constant_over_one: bool = False, **params: Any) -> list[Sample]:
    """All kinds of axes; constant_over_one: over a single element the result does not depend on it."""
    found = []
    for keepdims in [{"keepdims": False}, {"keepdims": True}] if keeps else [{}]:
        for shape, axis in REDUCED + [((2, 1, 3), 1), ((1, 1), None)]:
            number = np.zeros(shape).size / np.zeros(shape).sum(axis=axis).size
            found += samples(function, reference, [(shape,)], domain, axis=axis, **keepdims, **params,
                             without_gradient=constant_over_one and number == 1)
        found += samples(function, reference, [((0, 3),)], domain, axis=1, **keepdims, **params,
                         without_gradient=True)
    return found


def over_empty(function: Function, reference: Function) -> list[Sample]:
    return samples(function, reference, [((0, 3),), ((2, 0, 0),)], anything, axis=0, without_gradient=True)


def product(function: Function, reference: Function, full: list[Any], empty: list[Any]) -> list[Sample]:
    return (samples(function, reference, full, anything, anything)
            + samples(function, reference, empty, anything, anything, without_gradient=True))


MATMUL = [((3,), (3,)), ((3,), (3, 2)), ((2, 3), (3,)), ((2, 3), (3, 2)), ((3,), (2, 3, 2)),
          ((2, 2, 3), (3,)), ((2, 2, 3), (3, 2)), ((2, 3), (2, 3, 2)),
          ((2, 2, 3), (2, 3, 1)), ((1, 2, 3), (2, 3, 2)), ((2, 1, 2, 3), (3, 3, 1)),
          ((2, 1, 2), (2, 1, 2, 3)), ((3,), (2, 1, 3, 2)), ((2, 1, 2, 3), (3,)),
          ((1,), (1,)), ((1, 1), (1, 1)), ((3, 1), (1, 2))]
MATMUL_EMPTY = [((0,), (0,)), ((2, 0), (0, 3)), ((0, 3), (3, 2)), ((0, 3), (3,)), ((3,), (3, 0)),
                ((0,), (0, 2)), ((0, 2, 3), (3, 1)), ((2, 0, 3), (2, 3, 2)), ((2, 2, 0), (0,))]
DOT = [((), ()), ((), (3,)), ((2, 3), ()), ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 2)),
       ((2, 2, 3), (3,)), ((3,), (2, 3, 2)), ((2, 3), (2, 3, 2)), ((2, 2, 3), (2, 3, 1)),
       ((2, 1, 2, 3), (2, 3, 1))]
DOT_EMPTY = [((0,), (0,)), ((2, 0), (0, 3)), ((0, 3), (3, 2)), ((3,), (0, 3, 2)), ((), (0,)),
             ((2, 0), (2, 0, 3))]


def shaped(function: Function, reference: Function, *shapes: Any, **params: Any) -> list[Sample]:
    return samples(function, reference, [(shape,) for shape in shapes], anything, **params,
                   without_gradient=0 in shapes[0])


INDICES = [
    ((4,), 2), ((4,), -1), ((4,), slice(1, 3)), ((4,), slice(None, None, -2)), ((3, 4), (1, 2)),
    ((3, 4), Ellipsis), ((3, 4), (Ellipsis, 1)), ((3, 4), (slice(None, None, -1), slice(3, 0, -2))),
    ((3, 4), (None, 1, None)), ((4,), [3, 3, 1]),
    ((2, 1, 3, 2), (1, Ellipsis, slice(1, None), None, 0)), ((4,), np.array([0, 2, 0, 0])),
    ((4,), np.array([[1, 1], [-3, 0]])), ((4,), np.array([True, False, True, True])),
    ((2, 3), np.array([[True, False, True], [False, True, False]])), ((), None), ((), ()),
    ((3, 4), (np.array([0, 0, 2]), np.array([1, 1, 3]))),
    ((3, 4), (np.array([[0], [0]]), np.array([1, 1, 2]))), ((3, 2), np.int64(1)),
    ((2, 3, 2), (slice(None), np.array([2, 2, 0]), None, 1)),
    ((3, 4), (np.array([True, False, True]), slice(None, None, 2))),
]


def indexed() -> list[Sample]:
    def take(x: Any, index: Any) -> Any: return x[index]
    nothing = [((4,), slice(2, 2)), ((0, 2), slice(None)), ((3,), np.array([], int))]
    return [sample for empty, rows in [(False, INDICES), (True, nothing)] for shape, index in rows
            for sample in samples(take, take, [(shape,)], anything, index=index, without_gradient=empty)]


def add_at(x: Any, index: Any, shape: Any) -> Any:
    result = np.zeros(shape, x.dtype)
    np.add.at(result, index, x)
    return result


def joined(function: Function, shapes: Any, **params: Any) -> list[Sample]:
    """np.concatenate or np.stack, which take one list; some of the Tensors are used twice."""
    def join(*x: Any, **params: Any) -> Any: return function([*x, x[0]], **params)
    return [Sample(join, join, tuple(map(anything, shapes)), params, all(0 in shape for shape in shapes))]


def sigmoid(z: Any) -> Any: return 1 / (1 + np.exp(-z))
def softmax(z: Any, axis: Any) -> Any: return np.exp(z) / np.exp(z).sum(axis=axis, keepdims=True)


def reduced(losses: Any, reduction: str) -> Any:
    losses = losses.reshape(-1, losses.shape[-1]).sum(axis=0).reshape((1,) * (losses.ndim - 1) + (-1,))
    return losses if reduction == "none" else losses.sum() / (losses.size if reduction == "mean" else 1)


def binary(Z: Any, Y: Any, reduction: str) -> Any:
    return ops.binary_cross_entropy(Z, ops.sigmoid(Z), Y, reduction=reduction)


def several(Z: Any, Y: Any, reduction: str) -> Any:
    return ops.cross_entropy(Z, ops.softmax(Z, axis=0), Y, reduction=reduction)


def bce(z: Any, y: Any, reduction: str) -> Any:
    a = sigmoid(z)
    return reduced(-(y * np.log(a) + (1 - y) * np.log(1 - a)), reduction)


def ce(z: Any, y: Any, reduction: str) -> Any:
    return reduced(-(y * np.log(softmax(z, 0))).sum(axis=0, keepdims=True), reduction)


def cost(function: Function, reference: Function, *shapes: Any) -> list[Sample]:
    return [sample for reduction in ["mean", "sum", "none"]
            for sample in samples(function, reference, [(shape, shape) for shape in shapes], anything,
                                  positive, reduction=reduction)]


# --------------------------------------------------------------------------------------------- the table

TABLE: dict[str, list[Sample]] = {
    "add": elementwise(lambda a, b: a + b, np.add, anything, anything),
    "subtract": elementwise(lambda a, b: a - b, np.subtract, anything, anything),
    "multiply": elementwise(lambda a, b: a * b, np.multiply, anything, anything),
    "divide": elementwise(lambda a, b: a / b, np.divide, anything, nonzero),
    "power": elementwise(lambda x, p: x ** p, np.power, positive, anything)
    + elementwise(lambda x: x ** 3, lambda x: x * x * x, anything)
    + elementwise(lambda x: x ** -0.5, lambda x: 1 / np.sqrt(x), positive)
    + elementwise(lambda p: 2 ** p, lambda p: np.exp(p * np.log(2).astype(p.dtype)), anything)
    + [Sample(lambda x: x ** 2, lambda x: x * x, (np.array([0.0, -1.5, 2.0]),), {}, False)],
    "negative": elementwise(lambda x: -x, np.negative, anything),
    "abs": elementwise(abs, np.abs, nonzero),
    "exp": elementwise(np.exp, np.exp, anything),
    "expm1": elementwise(np.expm1, np.expm1, anything),
    "log": elementwise(np.log, np.log, positive),
    "log1p": elementwise(np.log1p, np.log1p, positive),
    "sqrt": elementwise(np.sqrt, np.sqrt, positive),
    "square": elementwise(np.square, np.square, anything),
    "reciprocal": elementwise(np.reciprocal, np.reciprocal, nonzero),
    "sigmoid": elementwise(ops.sigmoid, sigmoid, anything),
    "tanh": elementwise(np.tanh, np.tanh, anything),
    "relu": elementwise(ops.relu, lambda z: z * (z > 0), positive)
    + samples(ops.relu, lambda z: z * (z > 0), [((4, 6),), ((2, 2, 1, 5),)], nonzero),
    "leaky_relu": elementwise(Tensor.leaky_relu, lambda z, slope: z * ((z > 0) + slope * (z <= 0)), nonzero,
                              slope=0.2),
    "softplus": elementwise(ops.softplus, lambda z: np.log(1 + np.exp(z)), anything),
    "maximum": elementwise(np.maximum, lambda a, b: a * (a > b) + b * (b > a), halves, quarters),
    "minimum": elementwise(np.minimum, lambda a, b: a * (a < b) + b * (b < a), halves, quarters),
    "clip": elementwise(Tensor.clip, np.clip, quarters, min=-5, max=5)
    + samples(Tensor.clip, np.clip, [((3, 5),), ((2, 1, 2, 5),)], quarters, min=-1, max=1)
    + samples(Tensor.clip, np.clip, [((3, 5),)], quarters, min=0.5)
    + samples(Tensor.clip, np.clip, [((3, 5),)], quarters, max=0.5),
    "where": [sample for shapes in TERNARY for sample in samples(
        lambda a, b, condition: np.where(condition, a, b),
        lambda a, b, condition: a * condition + b * ~condition, [shapes[1:]], anything, anything,
        condition=nonzero(shapes[0]) > 0)]
    + elementwise(lambda a, b: np.where(True, a, b), lambda a, b: a + 0 * b, anything, anything)
    + elementwise(lambda a, b: np.where(np.array([False]), a, b), lambda a, b: np.atleast_1d(0 * a + b),
                  anything, anything),
    "sum": reduction(Tensor.sum, np.sum, anything) + over_empty(Tensor.sum, np.sum),
    "mean": reduction(Tensor.mean, np.mean, anything),
    "max": reduction(Tensor.max, np.max, distinct),
    "min": reduction(Tensor.min, np.min, distinct),
    "var": reduction(Tensor.var, np.var, anything, constant_over_one=True)
    + samples(Tensor.var, np.var, [((3, 4),), ((2, 1, 3, 2),)], anything, axis=(0, -1), ddof=1)
    + samples(Tensor.var, np.var, [((3, 4),)], anything, axis=-1, ddof=2, keepdims=True),
    "logsumexp": reduction(Tensor.logsumexp, lambda z, axis, keepdims=False: np.log(
        np.exp(z).sum(axis=axis, keepdims=keepdims)), anything)
    + over_empty(Tensor.logsumexp, lambda z, axis: np.log(np.exp(z).sum(axis=axis))),
    "softmax": reduction(Tensor.softmax, softmax, anything, keeps=False, constant_over_one=True)
    + over_empty(Tensor.softmax, softmax),
    "log_softmax": reduction(Tensor.log_softmax, lambda z, axis: np.log(softmax(z, axis)), anything,
                             keeps=False, constant_over_one=True),
    "matmul": product(lambda a, b: a @ b, np.matmul, MATMUL, MATMUL_EMPTY),
    "dot": product(ops.dot, np.dot, DOT, DOT_EMPTY),
    "transpose": shaped(lambda x: x.T, np.transpose, (), (3,), (2, 3), (2, 1, 3, 2))
    + shaped(np.transpose, np.transpose, (2, 0))
    + shaped(np.transpose, np.transpose, (2, 3, 4), axes=(1, 2, 0))
    + shaped(np.transpose, np.transpose, (2, 3, 1, 2), axes=(-1, 0, -3, 2)),
    "swapaxes": shaped(np.swapaxes, np.swapaxes, (2, 3, 1, 2), axis1=-1, axis2=1)
    + shaped(np.swapaxes, np.swapaxes, (2, 0), axis1=0, axis2=1)
    + shaped(np.swapaxes, np.swapaxes, (3,), axis1=0, axis2=-1),
    "reshape": shaped(np.reshape, np.reshape, (3, 4), (12,), (2, 1, 2, 3), shape=(6, -1))
    + shaped(np.reshape, np.reshape, (1, 1), (), shape=())
    + shaped(np.reshape, np.reshape, (0, 3), shape=(2, 0)),
    "ravel": shaped(np.ravel, np.ravel, (), (3,), (2, 1, 2, 3)) + shaped(np.ravel, np.ravel, (2, 0)),
    "squeeze": shaped(np.squeeze, np.squeeze, (), (1, 1), (2, 1, 3, 1), axis=None)
    + shaped(np.squeeze, np.squeeze, (2, 1, 3, 1), axis=-1) + shaped(np.squeeze, np.squeeze, (1, 0), axis=0)
    + shaped(np.squeeze, np.squeeze, (2, 1, 3, 1), axis=(1, -1)),
    "expand_dims": shaped(np.expand_dims, np.expand_dims, (), (3,), (2, 3), axis=0)
    + shaped(np.expand_dims, np.expand_dims, (2, 3), axis=(0, -1))
    + shaped(np.expand_dims, np.expand_dims, (0,), axis=-1),
    "broadcast_to": shaped(np.broadcast_to, np.broadcast_to, (), (1,), (3,), (2, 1), (2, 1, 3), (2, 2, 1, 3),
                           shape=(2, 2, 2, 3))
    + samples(np.broadcast_to, np.broadcast_to, [((3,),), ((0, 3),)], anything, shape=(0, 3),
              without_gradient=True),
    "concatenate": joined(np.concatenate, [(3,), (1,)], axis=0)
    + joined(np.concatenate, [(2, 3), (0, 3), (1, 3)], axis=0)
    + joined(np.concatenate, [(2, 1, 3, 1), (2, 1, 3, 2)], axis=-1)
    + joined(np.concatenate, [(0, 2)], axis=1) + joined(np.concatenate, [(2, 3), (), (0,), (2,)], axis=None),
    "stack": joined(np.stack, [(), ()], axis=0) + joined(np.stack, [(2, 3), (2, 3)], axis=-1)
    + joined(np.stack, [(2, 1, 3)] * 2, axis=1) + joined(np.stack, [(0, 2)], axis=1),
    "getitem": indexed(),
    "scatter": shaped(ops.scatter, add_at, (2, 3), index=(slice(None, None, -2), slice(1, 4)), shape=(4, 5))
    + shaped(ops.scatter, add_at, (4,), index=(np.array([0, 2, 0, 0]),), shape=(3,))
    + shaped(ops.scatter, add_at, (2, 1, 3, 2), index=(Ellipsis, np.array([1, 1])), shape=(2, 1, 3, 4))
    + shaped(ops.scatter, add_at, (), index=(1, 2), shape=(2, 3))
    + shaped(ops.scatter, add_at, (0,), index=(slice(0, 0),), shape=(3,)),
    "astype": elementwise(lambda x: x.astype(np.longdouble).astype(x.dtype), np.copy, anything)
    + shaped(lambda x: ops.astype(x, dtype=x.dtype), np.copy, (2, 3)),
    "binary_cross_entropy": cost(binary, bce, (1, 5), (3, 2), (4,), (1, 1), (2, 1, 3)),
    "cross_entropy": cost(several, ce, (3, 4), (2, 1), (3, 1, 2), (2, 1, 1, 3)),
}


# Without a gradient: value, and what it was computed from.
COMPARISONS: dict[str, tuple[Function, tuple[Any, ...]]] = {
    "greater": (np.greater, (np.array([[1.0, 2.0]]), np.array([[2.0], [1.0]]))),
    "equal": (np.equal, (np.array([1.0, 2.0, 0.0]), 2.0)),
    "sign": (np.sign, (np.array([-2.0, 0.0, 3.0]),)),
}


def split(x: Any, indices_or_sections: Any, axis: int) -> Any:
    parts = np.split(x, indices_or_sections, axis=axis)
    return np.concatenate([part * part for part in parts[::-1]], axis=axis)


COMPOSED: dict[str, list[Sample]] = {
    "array operand": samples(lambda x: 2 * (np.ones(3, x.dtype) - x) / np.full((2, 1), 4, x.dtype),
                             lambda x: (1 - x) / np.full((2, 3), 2.0), [((),), ((3,),), ((2, 3),)], anything),
    "array @ tensor": samples(lambda b: np.ones((2, 3), b.dtype) @ b, lambda b: np.ones((2, 3)) @ b,
                              [((3,),), ((2, 3, 2),)], anything),
    "np.dot": product(np.dot, np.dot, DOT, []),
    "moveaxis": shaped(np.moveaxis, np.moveaxis, (2, 3, 1, 2), source=(0, -1), destination=(-2, 0))
    + shaped(np.moveaxis, np.moveaxis, (2, 3, 4), source=0, destination=-1),
    "split": [sample for sections, axis in [(2, 1), ([1, 3], -1), ([0, 1], 0)]
              for sample in shaped(split, split, (2, 4), indices_or_sections=sections, axis=axis)],
    "same input twice": samples(*[lambda x: (x * x.T) @ x + x] * 2, [((3, 3),)], anything),
}
