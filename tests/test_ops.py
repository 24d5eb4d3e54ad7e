"""Every operation against plain NumPy and finite differences, row by row of `shared/operations.py`."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from operations import COMPARISONS, COMPOSED, TABLE, Function, Sample, binary, several

from tinygrad_course import Tensor, grad, gradcheck, ops
from tinygrad_course.autodiff import topological_order
from tinygrad_course.broadcasting import unbroadcast
from tinygrad_course.numpy_functions import array_products, elementary, linear_algebra
from tinygrad_course.gradcheck import GradcheckError

ROWS = [(name, i, sample) for table in (TABLE, COMPOSED) for name, row in table.items()
        for i, sample in enumerate(row)]


def parameters(rows: Iterable[tuple[str, int, Sample]]) -> Any:
    def shapes(sample: Sample) -> str: return "-".join(str(x.shape).replace(" ", "") for x in sample.inputs)
    return pytest.mark.parametrize("sample", [pytest.param(sample, id=f"{name}-{i}-{shapes(sample)}")
                                              for name, i, sample in rows])


every_sample = parameters(ROWS)
samples_with_gradient = parameters(row for row in ROWS if not row[2].without_gradient)
samples_without_gradient = parameters(row for row in ROWS if row[2].without_gradient)
largest_samples = parameters(max((row for row in ROWS if row[0] == name and not row[2].without_gradient),
                                 key=lambda row: (max(x.ndim for x in row[2].inputs), row[1]))
                             for name in {**TABLE, **COMPOSED})
lie = ops.Op("lie", lambda x: x.copy(), "{0}", lambda g, y, x: 1.001 * g)


def recorded(sample: Sample, dtype: Any = np.float64) -> tuple[list[Tensor], Tensor]:
    inputs = [Tensor(x, requires_grad=True, dtype=dtype) for x in sample.inputs]
    return inputs, sample.function(*inputs, **sample.params)


def first_derivatives(sample: Sample) -> Callable[..., Tensor]:
    """All gradients of a cost that is not linear in the output, so that they depend on inputs and on g."""
    def gradients(*inputs: Tensor) -> Tensor:
        inputs = tuple(Tensor(x.data, requires_grad=True) if not x.requires_grad else x for x in inputs)
        y = sample.function(*inputs, **sample.params)
        found = grad((y * y * (1 + y)).sum(), inputs, create_graph=True)
        return np.concatenate([g.ravel() for g in found])
    return gradients


# ----------------------------------------------------------------------------- what holds for every row


@pytest.mark.parametrize("name", COMPARISONS)
def test_comparisons_have_a_value_and_parents_but_no_gradient(name: str) -> None:
    function, inputs = COMPARISONS[name]
    x = Tensor(inputs[0], requires_grad=True)
    y = ops.REGISTRY[name](x, *inputs[1:])
    assert np.array_equal(y.numpy(), function(*inputs)) and not y.requires_grad
    assert y.parents[0] is x and y.op is ops.REGISTRY[name]
    assert np.array_equal(ops.REGISTRY[name](*inputs), function(*inputs))
    (x * y).sum().backward()
    assert np.array_equal(x.grad, unbroadcast(np.broadcast_to(y.numpy(), (x * y).shape), x.shape))


# Those of functions that the engine does not need have their samples in numpy_functions/.
FURTHER = [operation for file in (array_products, elementary, linear_algebra) for operation in vars(file).values()
           if isinstance(operation, ops.Op) and operation not in vars(ops).values()]


def test_every_operation_has_its_row() -> None:
    further = {name for name, operation in ops.REGISTRY.items() if operation in FURTHER}
    assert {*TABLE, *COMPARISONS} == set(ops.REGISTRY) - further
    for name, row in TABLE.items():
        for sample in row:
            steps = [step.op.name for step in topological_order(recorded(sample)[1]) if step.op is not None]
            assert name in steps or name == "astype" and np.longdouble == np.float64


@every_sample
def test_value(sample: Sample) -> None:
    inputs, result = recorded(sample)
    with np.errstate(all="ignore"):
        expected = np.asarray(sample.reference(*sample.inputs, **sample.params))
    np.testing.assert_allclose(result.data, expected, rtol=1e-12, atol=1e-14, strict=True)


@every_sample
def test_gradient(sample: Sample) -> None:
    assert gradcheck(lambda *x: sample.function(*x, **sample.params), sample.inputs)


@every_sample
def test_second_derivative(sample: Sample) -> None:
    assert gradcheck(first_derivatives(sample), sample.inputs)


@samples_with_gradient
def test_a_gradient_scaled_by_1_001_fails(sample: Sample) -> None:
    inputs, result = recorded(sample)
    with pytest.raises(GradcheckError, match="a factor 1.001"):
        gradcheck(lambda *x: lie(sample.function(*x, **sample.params)), sample.inputs)
    for i, g in enumerate(grad(result, inputs, np.ones(result.shape))):
        def lying(*x: Any, i: int = i) -> Tensor:
            return sample.function(*x[:i], lie(x[i]), *x[i + 1:], **sample.params)
        if np.abs(g.data).max(initial=0) > 1e-3:
            with pytest.raises(GradcheckError, match=f"of input {i} .* a factor 1.001"):
                gradcheck(lying, sample.inputs)


@samples_without_gradient
def test_where_nothing_can_be_scaled_there_is_no_gradient(sample: Sample) -> None:
    inputs, result = recorded(sample)
    for x, g in zip(inputs, grad(result, inputs, np.ones(result.shape))):
        assert g.shape == x.shape
        np.testing.assert_allclose(g.data, np.zeros(x.shape), atol=1e-15)


def backwards(x: Any) -> Any: return x[(slice(None, None, -1),) * x.ndim]


VIEWS: dict[str, tuple[Function, Function]] = {  # how to store an array, and the view that gives it back
    "transposed": (lambda x: x.T.copy(), lambda x, shape: x.T),
    "negative strides": (lambda x: backwards(x).copy(), lambda x, shape: backwards(x)),
    "sliced": (lambda x: x.repeat(2, axis=-1), lambda x, shape: x[..., ::2]),
    "read-only broadcast": (lambda x: x[:1].copy(), np.broadcast_to),  # only the first row, repeated
}


@pytest.mark.parametrize("view", VIEWS)
@largest_samples
def test_non_contiguous_inputs(sample: Sample, view: str) -> None:
    store, look = VIEWS[view]
    shapes = [x.shape for x in sample.inputs]
    stored = [store(x) if x.ndim else x for x in sample.inputs]

    def look_at(inputs: Any) -> list[Any]:
        return [look(x, shape) if shape else x for x, shape in zip(inputs, shapes)]

    def function(*inputs: Any) -> Any:
        return sample.function(*look_at(inputs), **sample.params)

    viewed = look_at(stored)
    assert any(not x.flags.c_contiguous for x in viewed)
    expected = np.asarray(sample.reference(*[x.copy() for x in viewed], **sample.params))
    np.testing.assert_allclose(function(*map(Tensor, stored)).data, expected, 1e-12, 1e-14, strict=True)
    assert gradcheck(function, stored)


@every_sample
def test_float32_stays_float32(sample: Sample) -> None:
    """With Python scalars on either side of every operator."""
    def cost(y: Any) -> Any:
        return (3 - (2 * y + 0.5) * y * 1.5 / 4 + 2 ** (0.1 * y) - 1 / (9 + y * y) ** 0.5).sum()

    inputs, exact = recorded(sample)
    singles, result = recorded(sample, np.float32)
    assert result.dtype == cost(result).dtype == np.float32
    np.testing.assert_allclose(result.data, exact.data, rtol=1e-3, atol=1e-5)
    cost(result).backward()
    steps = [step for step in topological_order(result) if step.grad is not None]
    assert all(step.grad.dtype == step.dtype for step in steps)
    found = grad(cost(result), singles, create_graph=True)
    for x, g, expected in zip(singles, found, grad(cost(exact), inputs)):
        assert x.grad.dtype == g.dtype == np.float32
        np.testing.assert_allclose(x.grad, expected.data, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(x.grad, g.data, rtol=1e-5)


# --------------------------------------------------------------------- kinks, poles, overflow: no warnings

inf, nan = np.inf, np.nan
LIMITS: dict[str, tuple[Function, Any, Any, Any]] = {  # function, input, value, gradient of the sum
    "sigmoid": (ops.sigmoid, [-1000, 0, 1000], [0, 0.5, 1], [0, 0.25, 0]),
    "tanh": (np.tanh, [-1000, 1000], [-1, 1], [0, 0]),
    "softplus": (ops.softplus, [-1000, 0, 1000], [0, np.log(2), 1000], [0, 0.5, 1]),
    "exp overflows": (np.exp, [1000, -1000], [inf, 0], [inf, 0]),
    "expm1 overflows": (np.expm1, [1000, -1000], [inf, -1], [inf, 0]),
    "log(0)": (np.log, [0, -1], [-inf, nan], [inf, -1]),
    "log1p(-1)": (np.log1p, [-1, 0], [-inf, 0], [inf, 1]),
    "sqrt(0)": (np.sqrt, [0, 4], [0, 2], [inf, 0.25]),
    "1 / 0": (lambda x: 1 / x, [0, 2], [inf, 0.5], [-inf, -0.25]),
    "x / 0": (lambda x: x / 0, [1, -1, 0], [inf, -inf, nan], [inf, inf, inf]),
    "reciprocal of 0": (np.reciprocal, [0, 2], [inf, 0.5], [-inf, -0.25]),
    "x ** 0": (lambda x: x ** 0, [0, 2, -2, inf, -inf], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]),
    "x ** [0, 2]": (lambda x: x ** np.array([0, 2, 0]), [inf, 3, 0], [1, 9, 1], [0, 6, 0]),
    "inf ** p": (lambda p: inf ** p, [-1, -2], [0, 0], [0, 0]),
    "x ** 1": (lambda x: x ** 1, [0, -2], [0, -2], [1, 1]),
    "x ** 2": (lambda x: x ** 2, [0, -3], [0, 9], [0, -6]),
    "x ** 0.5 at 0": (lambda x: x ** 0.5, [0, 4], [0, 2], [inf, 0.25]),
    "x ** -1 at 0": (lambda x: x ** -1, [0, 2], [inf, 0.5], [-inf, -0.25]),
    "power overflows": (lambda x: x ** 400, [1, 1e10], [1, inf], [400, inf]),
    "0 ** p": (lambda p: 0 ** p, [0, 1, 2.5], [1, 0, 0], [0, 0, 0]),
    "2 ** p overflows": (lambda p: 2 ** p, [5000, -5000], [inf, 0], [inf, 0]),
    "abs at 0": (np.abs, [0, -2], [0, 2], [0, -1]),
    "relu at 0": (ops.relu, [0, -1, 1], [0, 0, 1], [0, 0, 1]),
    "max shares": (np.max, [1, 3, 3, 2], 3, [0, 0.5, 0.5, 0]),
    "min shares": (lambda x: x.min(axis=0), [1, 3, 1, 1, 1], 1, [0.25, 0, 0.25, 0.25, 0.25]),
    "maximum shares": (lambda x: np.maximum(x, 1), [0, 1, 2], [1, 1, 2], [0, 0.5, 1]),
    "minimum shares": (lambda x: np.minimum(x, 1), [0, 1, 2], [0, 1, 1], [1, 0.5, 0]),
    "maximum with itself": (lambda x: np.maximum(x, x), [0, 1], [0, 1], [1, 1]),
    "clip outside": (lambda x: x.clip(0, 1), [-2, 0.5, 3], [0, 0.5, 1], [0, 1, 0]),
    "logsumexp": (Tensor.logsumexp, [1000, -1000], 1000, [1, 0]),
    "logsumexp with -inf": (Tensor.logsumexp, [-inf, 2], 2, [0, 1]),
    "logsumexp of -inf": (Tensor.logsumexp, [-inf, -inf], -inf, [0, 0]),
    "softmax": (lambda z: z.softmax()[0], [1000, 0, -1000], 1, [0, 0, 0]),
    "logsumexp with inf": (Tensor.logsumexp, [inf, 1], inf, [1, 0]),
    "softmax with inf": (lambda z: z.softmax()[0], [inf, 1, -inf], 1, [0, 0, 0]),
    "softmax of 1e15": (lambda z: z.softmax()[0], [1e15, 1e15], 0.5, [0.25, -0.25]),
    "log_softmax of 1e15": (lambda z: z.log_softmax()[0], [1e15, 1e15], -np.log(2), [0.5, -0.5]),
    "log_softmax with -inf": (lambda z: z.log_softmax()[1], [-inf, 0], 0, [0, 0]),
    "masked class": (lambda z: several(z, np.array([[0], [1], [0]]), "mean"), [[-inf], [0], [0]], np.log(2),
                     [[0], [-0.5], [0.5]]),
    "cross_entropy of 1e15": (lambda z: several(z, np.array([[1], [0]]), "sum"), [[1e15], [1e15]], np.log(2),
                              [[-0.5], [0.5]]),
    "softmax with -inf": (lambda z: z.softmax()[0], [-inf, 0, 0], 0, [0, 0, 0]),
    "log_softmax": (lambda z: z.log_softmax()[1], [1000, 0], -1000, [-1, 1]),
    "mean of nothing": (lambda x: x[:0].mean(), [1.0], nan, [0]),
    "var of nothing": (lambda x: x[:0].var(), [1.0], nan, [0]),
    "var of one with ddof": (lambda x: x.var(ddof=1), [1.0], nan, [nan]),
    "var with ddof > n": (lambda x: x.var(ddof=3), [1.0, 2.0], inf, [-inf, inf]),
    "sum of a number over 0": (lambda x: x.sum(axis=0), 3.0, 3, 1),
    "mean of a number over -1": (lambda x: x.mean(axis=-1), 3.0, 3, 1),
    "max of a number over 0": (lambda x: x.max(axis=0, keepdims=True), 3.0, 3, 1),
    "var of a number over 0": (lambda x: x.var(axis=0), 3.0, 0, 0),
    "logsumexp of a number over 0": (lambda x: x.logsumexp(axis=0), 3.0, 3, 1),
    "clip between Tensors": (lambda x: x.clip(Tensor(0.0), Tensor([1.0, 1, 1])), [-2, 0.5, 3], [0, 0.5, 1], [0, 1, 0]),
    "clip by itself": (lambda x: Tensor([2.0, -1.0, 0.5]).clip(x, 1.0), [-2, 0.5, 3], [1, 0.5, 1], [0, 1, 0]),
    "slope": (lambda s: Tensor([1.0, -2, 3, 0]).leaky_relu(s), 0.2, [1, -0.4, 3, 0], -2),
    "saturated, right": (lambda z: binary(z, np.array([[0, 1]]), "sum"), [[-1000, 1000]], 0, [[0, 0]]),
    "saturated, wrong": (lambda z: binary(z, np.array([[1, 0]]), "none"), [[-1000, 1000]], [[1000, 1000]],
                         [[-1, 1]]),
    "saturated softmax": (lambda z: several(z, np.array([[0], [1]]), "mean"), [[1000], [-1000]], 2000,
                          [[1], [-1]]),
    "binary cost of nothing": (lambda z: binary(z[:, :0], np.ones((1, 0)), "mean"), [[1]], nan, [[0]]),
    "cost of nothing": (lambda z: several(z[:, :0], np.ones((2, 0)), "mean"), [[1], [2]], nan, [[0], [0]]),
}


@pytest.mark.parametrize("name", LIMITS)
def test_limits_without_warnings(name: str) -> None:
    function, values, expected, gradient = LIMITS[name]
    x = Tensor(values, requires_grad=True, dtype=float)
    y = function(x)
    np.testing.assert_array_equal(y.data, expected)
    np.testing.assert_array_equal(grad(y, x, np.ones(y.shape)).data, gradient)
    np.testing.assert_array_equal(grad(y, x, np.ones(y.shape), create_graph=True).data, gradient)


def test_mixed_derivative_of_a_power_at_exponent_zero() -> None:
    """d/dp of p x^(p-1) at p = 0 is 1 / x."""
    x, p = (Tensor(values, requires_grad=True) for values in ([2.0, 4.0], [0.0, 0.0]))
    first = grad((x ** p).sum(), x, create_graph=True)
    np.testing.assert_array_equal(grad(first.sum(), p).data, [0.5, 0.25])


WHOLE = np.array([[1, 2, 3], [7, 200, 0]])


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, bool])
@pytest.mark.parametrize("function", [
    ops.sigmoid, ops.softplus, lambda z: ops.softmax(z, axis=0), lambda z: ops.log_softmax(z, axis=1),
    lambda z: ops.logsumexp(z, axis=None, keepdims=False),
], ids=["sigmoid", "softplus", "softmax", "log_softmax", "logsumexp"])
def test_whole_numbers_are_computed_in_float64(function: Function, dtype: Any) -> None:
    z = WHOLE.astype(dtype)
    for result in (function(Tensor(z)).data, function(z)):
        np.testing.assert_array_equal(result, np.asarray(function(z.astype(float))), strict=True)


@pytest.mark.parametrize("size", [1e2, 1e4, 1e7])
def test_large_logits_in_float32(size: float) -> None:
    z = np.float32([[size], [size], [size - 1]])
    exact = np.exp([[0.0], [0], [-1]]) / np.exp([0, 0, -1]).sum()
    p = Tensor(z).softmax(axis=0)
    np.testing.assert_allclose(p.data, exact, rtol=2e-7)
    np.testing.assert_allclose(Tensor(z).log_softmax(axis=0).data, np.log(exact), rtol=3e-7)
    y = np.float32([[1], [0], [0]])
    np.testing.assert_allclose(ops.cross_entropy(z, p.data, y, reduction="sum"), -np.log(exact[0, 0]), rtol=3e-7)
    Z = Tensor(z, requires_grad=True)
    np.testing.assert_allclose(grad(Z.logsumexp(), Z).data, exact, rtol=2e-7)


@pytest.mark.parametrize("p, second", [(0, 0), (1, 0), (2, 2), (3, 0)])
def test_second_derivative_of_a_power_at_zero(p: int, second: float) -> None:
    x = Tensor(0.0, requires_grad=True)
    first = grad(x ** Tensor(float(p), requires_grad=True), x, create_graph=True)
    assert grad(first, x).item() == second


# ------------------------------------------------------------------------------------- random compositions

STEPS: list[Function] = [  # bounded, smooth, and from a matrix to a matrix that broadcasts against all others
    lambda x, y: np.tanh(x), lambda x, y: ops.sigmoid(x), lambda x, y: np.exp(-x * x),
    lambda x, y: np.sqrt(1 + x * x), lambda x, y: np.log1p(x * x), lambda x, y: x.softmax(axis=0),
    lambda x, y: x + y, lambda x, y: x - y, lambda x, y: np.tanh(x * y), lambda x, y: x / (1 + y * y),
    lambda x, y: (1 + x * x) ** np.tanh(y), lambda x, y: x.mean(axis=0, keepdims=True),
    lambda x, y: x.var(axis=1, keepdims=True), lambda x, y: np.tanh(x.sum(axis=(0, 1), keepdims=True)),
    lambda x, y: x.logsumexp(axis=-1, keepdims=True), lambda x, y: np.concatenate([x, x], axis=1)[:, ::2],
    lambda x, y: np.tanh(x @ y.T).sum(axis=1, keepdims=True) if x.shape[1] == y.shape[1] else x,
]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, len(STEPS) - 1), st.integers(0, 99), st.integers(0, 99)), min_size=1,
                max_size=8), st.integers(1, 3), st.integers(1, 3), st.integers(0, 9))
def test_random_compositions(steps: list[tuple[int, int, int]], rows: int, columns: int, seed: int) -> None:
    def function(*inputs: Tensor) -> Tensor:
        tensors = list(inputs)
        for step, i, j in steps:
            tensors.append(STEPS[step](tensors[i % len(tensors)], tensors[j % len(tensors)]))
        return tensors[-1] + sum(x.sum() for x in tensors)

    random = np.random.RandomState(seed)
    shapes = [(rows, columns), (1, columns), (rows, 1), (1, 1)]
    assert gradcheck(function, [random.uniform(-1, 1, shape) for shape in shapes])


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=5), st.integers(0, 5))
def test_unbroadcast_is_the_adjoint_of_broadcast_to(axes: list[tuple[int, bool]], added: int) -> None:
    large = tuple(size for size, _ in axes)
    small = tuple(1 if stretched else size for size, stretched in axes)[added:]
    random = np.random.RandomState(0)
    x, g = random.standard_normal(small), random.standard_normal(large)
    back = unbroadcast(g, small)
    assert back.shape == small
    np.testing.assert_allclose((back * x).sum(), (g * np.broadcast_to(x, large)).sum(), rtol=1e-9, atol=1e-12)
