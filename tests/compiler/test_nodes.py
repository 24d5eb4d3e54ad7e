"""Nodes, which stand where arrays would: shapes, dtypes and values as NumPy gives them, and nothing looks at one."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from tinygrad_course import ops
from tinygrad_course.compiler.nodes import FUNCTIONS, ArrayNode, Untraceable, as_node, inputs_named
from tinygrad_course.compiler.program import evaluated

RANDOM = np.random.RandomState(0)
INDEX = np.array([0, 2, 0, 0])
MASK = np.array([True, False, True])


class Sample(NamedTuple):
    name: str
    function: Callable[..., Any]
    shapes: tuple[Any, ...]  # of arrays; float or int: a Python number that changes, as in the state of an optimiser


def number(kind: Any, i: int) -> Any:
    return {float: 0.9, int: 3, bool: True}[kind] if i == 0 else {float: -1.5, int: 2, bool: False}[kind]


def filled(shape: Any, dtype: Any, i: int) -> Any:
    if isinstance(shape, type):
        return number(shape, i)
    x = np.asarray(RANDOM.uniform(-2, 2, shape))
    special = x.reshape(-1)[:0 if x.size < 6 else 2]
    special[:] = [-0.0, 0.0][:len(special)]
    return x.astype(dtype)


A, B, ROW, COLUMN, CUBE = (3, 4), (4, 2), (1, 4), (3, 1), (2, 3, 4)
BROADCAST = [(A, A), (A, ROW), (COLUMN, A), (ROW, COLUMN), (CUBE, A), (A, ()), ((), A), ((), ()), ((1,), CUBE),
             ((0, 4), ROW), ((2, 0), (1, 1))]
WEAK: list[tuple[Any, ...]] = [(A, float), (int, A), (float, float), (int, int), (float, int), (int, float)]
BINARY = [np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum, np.power, np.copysign, np.logaddexp,
          np.greater, np.equal, np.less_equal, np.hypot]
UNARY = [np.negative, np.abs, np.exp, np.expm1, np.log, np.log1p, np.sqrt, np.square, np.tanh, np.sign, np.isfinite,
         np.floor, np.reciprocal]
AXES = [None, 0, -1, 1, (0, 1), (-1, 0)]


def elementwise() -> list[Sample]:
    found = [Sample(f.__name__, f, shapes) for f in BINARY for shapes in BROADCAST + [(A, float), (int, A)]]
    found += [Sample(f.__name__, f, (shape,)) for f in UNARY for shape in (A, (), (0, 3))]
    operators: dict[str, Callable[[Any, Any], Any]] = {
        "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b,
        ">": lambda a, b: a > b, "==": lambda a, b: a == b, "chain": lambda a, b: (a * b + 0.5) / (1 - b) * 3}
    found += [Sample(name, f, shapes) for name, f in operators.items() for shapes in WEAK]
    literals: dict[str, Callable[[Any], Any]] = {
        "2 * x": lambda x: 2 * x, "x / 3": lambda x: x / 3, "1 / x": lambda x: 1 / x, "-x": lambda x: -x,
        "x ** 2": lambda x: x ** 2, "x ** 3": lambda x: x ** 3, "x ** 0.5": lambda x: x ** 0.5, "abs": abs,
        "x ** -1": lambda x: x ** -1, "2 ** x": lambda x: 2 ** x, "x ** 2.0": lambda x: x ** 2.0,
        "1 + True": lambda x: x + True, "0.1": lambda x: x + 0.1, "mask": lambda x: (x > 0) * x,
        "mask / 3": lambda x: (x > 0) / 3, "not": lambda x: ~(x > 0), "and": lambda x: (x > 0) & (x < 1),
        "float64": lambda x: np.float64(0.1) * x, "array": lambda x: x - np.full(x.shape, 0.1),
        "int array": lambda x: x * np.arange(x.size).reshape(x.shape)}
    return found + [Sample(name, f, (shape,)) for name, f in literals.items() for shape in (A, ())]


def reductions() -> list[Sample]:
    found = []
    for name in ("sum", "max", "min"):
        for axis in AXES:
            for keepdims in (False, True):
                def method(x: Any, a: Any = axis, k: bool = keepdims, f: str = name) -> Any:
                    return getattr(x, f)(axis=a, keepdims=k)

                def function(x: Any, a: Any = axis, k: bool = keepdims, f: str = name) -> Any:
                    return getattr(np, f)(x, a, keepdims=k)
                found += [Sample(f"{name}-{axis}-{keepdims}", f, (A,)) for f in (method, function)]
    ufuncs: dict[str, Callable[[Any], Any]] = {
        "add.reduce": np.add.reduce, "maximum.reduce": lambda x: np.maximum.reduce(x, axis=(0, -1)),
        "minimum.reduce": lambda x: np.minimum.reduce(x, axis=None, keepdims=True),
        "sum of the mask": lambda x: (x > 0).sum(axis=0), "any": lambda x: (x > 0).max(axis=0),
        "largest of nothing": lambda x: x[:0].max(axis=0, initial=-np.inf),
        "initial": lambda x: x.max(axis=1, initial=0.5), "least": lambda x: x.min(initial=0.5)}
    found += [Sample(name, f, (A,)) for name, f in ufuncs.items()]
    return found + [Sample(f"number-{axis}", lambda x, axis=axis: x.sum(axis=axis), ((),)) for axis in (None, 0, ())]


def products() -> list[Sample]:
    pairs = [(A, B), (ROW, B), (ROW, (4, 1)), (COLUMN, ROW), ((0, 4), B), ((3, 0), (0, 2)), ((4,), (4,)), (A, (4,)),
             ((3,), A), (CUBE, B), (CUBE, (4,)), ((2,), CUBE[1:] + (2, 5)), (CUBE, (2, 4, 1))]
    found = [Sample("@", lambda a, b: a @ b, pair) for pair in pairs]
    found += [Sample("dot", np.dot, pair) for pair in [*pairs[:10], (A, ()), ((), A), ((), ()), (A, (2, 4, 5))]]
    return found + [Sample("a.T @ b.T", lambda a, b: a.T @ b.T, ((4, 3), (2, 4))),
                    Sample("a.T @ a", lambda a: a.T @ a, (A,)), Sample("dot of lists", lambda a: a.dot(a.T)
                                                                       if isinstance(a, np.ndarray) else np.dot(a, a.T),
                                                                       (A,))]


def shapes() -> list[Sample]:
    functions: dict[str, Callable[[Any], Any]] = {
        "T": lambda x: x.T, "transpose": np.transpose, "transpose axes": lambda x: np.transpose(x, (1, -1, 0)),
        "same axes": lambda x: np.transpose(x, (0, 1, 2)), "T.T": lambda x: x.T.T,
        "swapaxes": lambda x: np.swapaxes(x, -1, 1), "swapaxes back": lambda x: np.swapaxes(np.swapaxes(x, 0, 2), 0, 2),
        "moveaxis": lambda x: np.moveaxis(x, 0, -1), "moveaxis back": lambda x: np.moveaxis(x, -2, 0),
        "reshape": lambda x: x.reshape(6, 4), "reshape tuple": lambda x: x.reshape((4, -1)),
        "np.reshape": lambda x: np.reshape(x, -1), "reshape T": lambda x: x.T.reshape(2, 12),
        "same shape": lambda x: x.reshape(x.shape), "squeeze": lambda x: np.squeeze(x[:1]),
        "squeeze axis": lambda x: np.squeeze(x[:, :1, :1], axis=(1, -1)), "squeeze none": np.squeeze,
        "expand_dims": lambda x: np.expand_dims(x, -1), "expand_dims two": lambda x: np.expand_dims(x, (0, 2)),
        "broadcast_to": lambda x: np.broadcast_to(x[:, :1], (2, 5, 4)), "broadcast new": lambda x: np.broadcast_to(
            x, (2, *x.shape)), "same broadcast": lambda x: np.broadcast_to(x, x.shape),
        "concatenate": lambda x: np.concatenate([x, x[:1], np.ones((1, 3, 4), x.dtype)]),
        "concatenate one": lambda x: np.concatenate([x], axis=1), "concatenate -1": lambda x: np.concatenate(
            (x[..., 1:], x * 2), axis=-1), "concatenate dtypes": lambda x: np.concatenate([x, x > 0], axis=1),
        "stack": lambda x: np.stack([x, -x], axis=1), "stack -1": lambda x: np.stack([x, x], axis=-1),
        "copy": np.copy, "astype": lambda x: x.astype(np.float32), "astype bool": lambda x: (x > 0).astype(np.float64),
        "shape": lambda x: x * np.size(x) + np.ndim(x) + np.shape(x)[-1] + x.nbytes,
        "iteration": lambda x: np.concatenate([part * i for i, part in enumerate(x)]),
        "zeros_like": np.zeros_like, "zeros of": lambda x: np.zeros_like(x, dtype=np.float32, shape=(2, 1)),
    }
    indices: list[Any] = [
        1, -1, slice(None, None, -2), (0, 2), Ellipsis, (..., 1), (None, 1, None), (slice(None), slice(2, 0, -1)),
        (1, ..., slice(1, None), None), [1, 0, 0], (slice(None), MASK), (slice(None), INDEX % 3, INDEX % 2),
        np.int64(1), (slice(None), slice(0, 0)), (np.array([[0], [1]]), INDEX % 3), ()]
    return ([Sample(name, f, (CUBE,)) for name, f in functions.items()]
            + [Sample(f"[{i}]", lambda x, i=i: x[i], (CUBE,)) for i in indices]
            + [Sample("[mask]", lambda x: x[np.arange(12).reshape(3, 4) % 2 == 0], (A,))]
            + [Sample(f"scatter {i}", lambda x, i=i: ops.scatter(x[i], index=i, shape=x.shape), (CUBE,)) for i in (
                (1,), (slice(None, None, -1), 2), (..., INDEX), (slice(None), MASK), (INDEX % 2, INDEX % 3))])


def choices() -> list[Sample]:
    functions: dict[str, Callable[..., Any]] = {
        "where": lambda x, y: np.where(x > y, x, y), "where 0": lambda x, y: np.where(x > y, x, 0),
        "0 where": lambda x, y: np.where(y > 0, 0.1, x), "where numbers": lambda x, y: np.where(x > y, 1.0, 2),
        "where arrays": lambda x, y: np.where(np.arange(4) > 1, x, y), "where value": lambda x, y: np.where(x, y, 1),
        "where float64": lambda x, y: np.where(x > y, x, np.float64(0.1)),
        "clip": lambda x, y: np.clip(x, -0.5, 0.5), "clip below": lambda x, y: np.clip(x, 0, None),
        "clip above": lambda x, y: np.clip(x, None, 1), "clip by": lambda x, y: np.clip(x, y, y + 1)}
    found = [Sample(name, f, pair) for name, f in functions.items() for pair in ((A, A), (A, ROW), (COLUMN, ROW))]
    return found + [Sample("where weak", lambda x, p: np.where(x > 0, x, p), (A, float)),
                    Sample("clip weak", lambda x, p: np.clip(x, None, p), (A, float)),
                    Sample("astype weak", lambda p: np.add(p, 1).astype(np.float32) if isinstance(p, ArrayNode)
                           else np.float32(p + 1), (float,))]


SAMPLES = elementwise() + reductions() + products() + shapes() + choices()


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"{sample.name}{sample.shapes}".replace(" ", ""))
def test_a_node_is_what_numpy_makes_of_arrays(sample: Sample) -> None:
    """Shape and dtype are known beforehand, and the value is the same in every bit."""
    for dtype in (np.float32, np.float64):
        arrays = [filled(shape, dtype, i) for i, shape in enumerate(sample.shapes)]
        nodes = [inputs_named(f"x{i}", np.shape(x), np.asarray(x).dtype, isinstance(x, (int, float)))
                 for i, x in enumerate(arrays)]
        node = sample.function(*nodes)
        with np.errstate(all="ignore"):
            expected = sample.function(*arrays)
        array = np.asarray(expected)
        assert isinstance(node, ArrayNode) and (node.shape, node.dtype) == (array.shape, array.dtype)
        assert node.weak is (type(expected) in (int, float)) or isinstance(expected, (np.generic, bool))
        assert (node.size, node.ndim, node.nbytes) == (array.size, array.ndim, array.nbytes)
        value = np.asarray(evaluated([node], dict(zip(nodes, arrays)))[0])
        assert (value.shape, value.dtype, value.tobytes()) == (array.shape, array.dtype, array.tobytes())


def test_every_function_has_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    called = set()

    def noted(function: Any, value: Any) -> Any:
        return lambda *args, **kwargs: called.add(function) or value(*args, **kwargs)
    monkeypatch.setattr("tinygrad_course.compiler.nodes.FUNCTIONS", {f: noted(f, FUNCTIONS[f]) for f in FUNCTIONS})
    for sample in SAMPLES:
        sample.function(*(inputs_named("x", () if isinstance(shape, type) else shape, shape if isinstance(
            shape, type) else np.float64, isinstance(shape, type)) for shape in sample.shapes))
    assert called == set(FUNCTIONS)


def test_weak_numbers_stay_python_numbers_until_they_meet_an_array() -> None:
    """0.9 * 0.9 is computed in float64, and rounded to float32 only once."""
    p = inputs_named("p", (), np.float64, weak=True)
    x = inputs_named("x", (2,), np.float32)
    product = p * 0.9
    assert product.weak and not (product * x).weak and (product * x).dtype == np.float32
    assert as_node(3).weak and as_node(3).dtype == np.int64 and not as_node(np.float64(3)).weak
    assert (np.float64(3) * x).dtype == np.float64


# ------------------------------------------------------------------------------------- what looks at a value

X = inputs_named("x", (3, 3), np.float64)


def in_place(change: Callable[[Any], Any]) -> Callable[[], Any]:
    return lambda: change(X * 1.0)


def increased(x: Any) -> None: x += 1
def assigned(x: Any) -> None: x[0] = 0.0
def assigned_to_an_array(x: Any) -> None: np.zeros((3, 3))[...] = x


LOOKS: dict[str, tuple[Callable[[], Any], str]] = {
    "bool": (lambda: bool(X > 1), "control flow depends on a value"),
    "if": (lambda: 1 if X.sum() > 1 else 2, "control flow"),
    "and": (lambda: X > 0 and X < 1, "control flow"),
    "in": (lambda: X in [1.0, 2.0], "control flow"),
    "float": (lambda: float(X), "read as a Python number"),
    "int": (lambda: int(X), "read as a Python number"),
    "math": (lambda: math.sqrt(X), "read as a Python number"),  # type: ignore[arg-type]
    "index": (lambda: [1, 2][X], "used as an index"),  # type: ignore[call-overload]
    "range": (lambda: range(X), "used as an index"),  # type: ignore[arg-type]
    "asarray": (lambda: np.asarray(X), "read as an array"),
    "array of a list": (lambda: np.array([X, X]), "a value is"),
    "item": (lambda: X.item(), "read by .item"),
    "tolist": (lambda: X.tolist(), "read by .tolist"),
    "mean": (lambda: X.mean(), "read by .mean"),
    "argmax": (lambda: np.argmax(X), "np.argmax is applied to values"),
    "norm": (lambda: np.linalg.norm(X), "np.norm is applied"),
    "array_equal": (lambda: np.array_equal(X, X), "np.array_equal is applied"),
    "allclose": (lambda: np.allclose(X, X), "np.allclose is applied"),
    "einsum": (lambda: np.einsum("ij,ij->", X, X), "np.einsum is applied"),
    "accumulate": (lambda: np.add.accumulate(X), "np.add.accumulate is applied"),
    "outer": (lambda: np.multiply.outer(X, X), "np.multiply.outer is applied"),
    "two results": (lambda: np.modf(X), "np.modf is applied"),
    "ufunc with out": (lambda: np.exp(X, out=np.zeros((3, 3))), "np.exp is applied"),
    "ufunc with where": (lambda: np.exp(X, where=np.ones((3, 3), bool)), "np.exp is applied"),
    "prod": (lambda: np.multiply.reduce(X), "np.multiply.reduce is applied"),
    "sum with dtype": (lambda: np.sum(X, dtype=np.float32), "sum is given more"),
    "sum by position": (lambda: np.sum(X, 0, np.float32), "sum is given more"),
    "method with dtype": (lambda: X.sum(dtype=np.float32), "sum is given more"),
    "reduce with where": (lambda: np.add.reduce(X, where=np.ones((3, 3), bool)), "sum is given more"),
    "where of one": (lambda: np.where(X > 0), "np.where: .*missing"),
    "an index of values": (lambda: X[X > 0], "select elements"),
    "part of an index": (lambda: X[0, X], "select elements"),
    "+=": (in_place(increased), "np.add is applied"),
    "[0] =": (in_place(assigned), "changed in place"),
    "np.add.at": (in_place(lambda x: np.add.at(x, 0, x)), "changed in place"),
    "array[...] =": (in_place(assigned_to_an_array), "a value is read"),
    "repr of its numbers": (lambda: np.array2string(X), "np.array2string is applied"),
}


@pytest.mark.parametrize("name", LOOKS)
def test_what_looks_at_values_is_refused_with_the_reason(name: str) -> None:
    function, reason = LOOKS[name]
    with pytest.raises(Untraceable, match=reason):
        function()


@pytest.mark.parametrize("wrong", [
    lambda x: x.sum(axis=2), lambda x: x[:0].max(axis=0), lambda x: x[:, :0].min(),
    lambda x: x.sum(axis=(0, 0)), lambda x: np.max(x, axis=-3), lambda x: x @ x[:2],
    lambda x: np.transpose(x, (0, 2)), lambda x: np.transpose(x, (0, 0)), lambda x: np.transpose(x, (0,)),
    lambda x: np.swapaxes(x, 0, 2), lambda x: np.moveaxis(x, 2, 0), lambda x: x.reshape(2, 4), lambda x: x + x[:2],
    lambda x: np.squeeze(x, axis=0), lambda x: np.broadcast_to(x, (3, 4)), lambda x: np.concatenate([x, x[:, :2]]),
    lambda x: np.stack([x, x[:2]]), lambda x: np.concatenate([x, x], axis=2), lambda x: x[5], lambda x: x[:, :, 0],
    lambda x: np.expand_dims(x, 5), lambda x: np.dot(x, x[:2]), lambda x: np.where(x[:2], x, x)])
def test_shapes_that_do_not_fit_raise_as_with_arrays(wrong: Callable[[Any], Any]) -> None:
    """What training eagerly would refuse must not slip through: the engine explains it as usual."""
    with pytest.raises((ValueError, IndexError)) as expected:
        wrong(np.ones((3, 3)))
    with pytest.raises((ValueError, IndexError)) as error:
        wrong(X)
    assert not isinstance(error.value, Untraceable) and isinstance(expected.value, type(error.value))


def test_nodes_are_arrays_to_the_rest_of_the_package() -> None:
    """Copies need not be made, memory cannot be locked, and a repr needs no value."""
    X.setflags(write=False)
    assert X.flags.writeable and X.base is None and X.copy() is X and np.copy(X) is X
    assert repr(X * 2) == "<multiply  (3, 3) float64>" and len({X, X * 2, X}) == 2 and len(X) == 3
    assert [(X ** power).op for power in (2, 0.5, -1, 3)] == ["square", "sqrt", "reciprocal", "power"]
    assert not hasattr(X, "__array_interface__") and not hasattr(X, "__cuda_array_interface__")
