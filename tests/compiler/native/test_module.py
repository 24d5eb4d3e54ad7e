"""Whole training steps: as machine code and as NumPy code, against the eager engine, on random models."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from tinygrad_course import Tensor, fit, nn, optim  # noqa: E402
from tinygrad_course.arguments import Task  # noqa: E402
from tinygrad_course.compiler.program import evaluated  # noqa: E402
from tinygrad_course.compiler.step import NativeStep, traced_step  # noqa: E402
from tinygrad_course.models import DeepNetwork, PlanarClassifier  # noqa: E402

RANDOM = np.random.RandomState(0)
X = RANDOM.randn(6, 11)
Y = (X[:1] > X[1:2]).astype(float)
Optimiser = Callable[[], optim.Optimizer]
OPTIMISERS: list[Optimiser] = [
    lambda: optim.GradientDescent(0.1), lambda: optim.GradientDescent(0.1, weight_decay=0.01),
    lambda: optim.Momentum(0.1), lambda: optim.Momentum(0.1, beta=0.5, weight_decay=0.01),
    lambda: optim.Adam(0.01), lambda: optim.Adam(0.01, weight_decay=0.01)]


# ----------------------------------------------------------------------------------------------------- random models


def broadcastable(random: Any, pool: list[Any], x: Any) -> Any:
    """Something that x can be computed with."""
    found = []
    for y in pool:
        try:
            found += [y] if np.prod(np.broadcast_shapes(x.shape, y.shape)) <= 300 else []
        except ValueError:
            pass
    return found[random.randint(len(found))]


def axes(random: Any, x: Any) -> Any:
    """None, one axis or several."""
    chosen = tuple(i for i in range(x.ndim) if random.randint(2))
    return None if not chosen else chosen[0] if len(chosen) == 1 else chosen


def part(random: Any, x: Any) -> Any:
    """A view of x: a few rows, every second column, reversed, one element of an axis, a new axis."""
    choices: list[Any] = [slice(None), slice(None, None, 2), slice(None, None, -1), slice(1, None), 0, -1]
    index = [choices[random.randint(6 if n > 1 else 3)] for n in x.shape[:random.randint(1, x.ndim + 1)]]
    return x[(*index, None) if random.randint(4) == 0 and x.ndim < 3 else tuple(index)]


def joined(random: Any, x: Any, function: Any) -> Any:
    axis = random.randint(x.ndim)
    return function([x, x * 0.5], axis=axis) if x.size <= 150 else x


OPERATIONS: list[Callable[[Any, Any, Any], Any]] = [
    lambda random, x, y: x + y, lambda random, x, y: x - y, lambda random, x, y: x * y,
    lambda random, x, y: y - 2 * x, lambda random, x, y: x / (1.5 + np.square(y)),
    lambda random, x, y: 1 / (1.5 + np.square(x)), lambda random, x, y: np.maximum(x, y),
    lambda random, x, y: np.minimum(x, y), lambda random, x, y: x.clip(-0.7, 0.8),
    lambda random, x, y: np.where(y > 0.1, x, y * 0.3), lambda random, x, y: np.where((x > 0) & (y < 0.5), x, 0.25),
    lambda random, x, y: np.tanh(x), lambda random, x, y: nn.sigmoid(x), lambda random, x, y: nn.relu(x),
    lambda random, x, y: nn.leaky_relu(x, 0.1), lambda random, x, y: nn.softplus(x), lambda random, x, y: np.abs(x),
    lambda random, x, y: np.exp(x * 0.3), lambda random, x, y: np.expm1(x * 0.3),
    lambda random, x, y: np.log(np.square(x) + 0.7), lambda random, x, y: np.log1p(np.square(x)),
    lambda random, x, y: np.sqrt(np.square(x) + 0.7), lambda random, x, y: (np.square(x) + 0.7) ** 1.3,
    lambda random, x, y: x ** 3,
    lambda random, x, y: x.sum(axis=axes(random, x), keepdims=bool(random.randint(2))) * 0.3,
    lambda random, x, y: x.mean(axis=axes(random, x), keepdims=bool(random.randint(2))),
    lambda random, x, y: x.var(axis=axes(random, x), keepdims=bool(random.randint(2))),
    lambda random, x, y: x.max(axis=axes(random, x), keepdims=bool(random.randint(2))),
    lambda random, x, y: x.min(axis=axes(random, x), keepdims=bool(random.randint(2))),
    lambda random, x, y: x.logsumexp(axis=axes(random, x), keepdims=bool(random.randint(2))),
    lambda random, x, y: x.softmax(axis=random.randint(x.ndim)),
    lambda random, x, y: x.log_softmax(axis=random.randint(x.ndim)),
    lambda random, x, y: x @ np.swapaxes(x, -1, -2) * 0.2 if x.ndim == 2 else x * 0.5, lambda random, x, y: x.T,
    lambda random, x, y: x.T, lambda random, x, y: x.reshape(-1), lambda random, x, y: x.reshape(1, -1),
    lambda random, x, y: x.reshape(*x.shape[::-1]),
    lambda random, x, y: np.broadcast_to(x, (2, *x.shape)) if x.ndim < 3 and x.size < 150 else x,
    lambda random, x, y: part(random, x), lambda random, x, y: part(random, x),
    lambda random, x, y: joined(random, x, np.concatenate),
    lambda random, x, y: joined(random, x, np.stack) if x.ndim < 3 else x,
]


class RandomModel(nn.Module):
    """A few layers, then random operations on everything that there is; the same ones in every call."""

    def __init__(self, seed: int, dtype: Any):
        random = np.random.RandomState(seed)
        self.seed = seed
        n_x, units = len(X), int(random.choice([1, 2, 3, 5, 8]))
        orders = [np.asfortranarray, np.ascontiguousarray]
        self.W = Tensor(orders[random.randint(2)](random.randn(units, n_x) * 0.5), True, "W", dtype)
        self.b = Tensor(random.randn(units, 1) * 0.1, True, "b", dtype)
        self.v = Tensor(random.randn(int(random.choice([1, 3, 4, 9]))), True, "v", dtype)
        self.s = Tensor(0.7, True, "s", dtype)

    def cost(self, X: Any, Y: Any) -> Tensor:
        random = np.random.RandomState(self.seed + 1000)
        pool = [self.W, self.b, self.v, self.s, nn.tanh(self.W @ X + self.b)]
        for _ in range(random.randint(2, 16)):
            x = pool[-1] if random.randint(3) else pool[random.randint(len(pool))]
            if not x.ndim:
                x = x * self.v
            new = OPERATIONS[random.randint(len(OPERATIONS))](random, x, broadcastable(random, pool, x))
            pool.append(np.tanh(new) if random.randint(3) == 0 else new)
        A = nn.sigmoid((pool[4] * self.s).sum(axis=0, keepdims=True))
        J = nn.binary_cross_entropy(A, Y) if random.randint(2) else nn.mean_squared_error(A, Y)
        return J + sum((np.tanh(x).mean() for x in pool[5:]), self.v.sum() * 0.01)


def trained(make: Callable[[], nn.Module], optimiser: Optimiser, engine: str, X: Any = X, Y: Any = Y,
            iterations: int = 5, **settings: Any) -> tuple[list[float], list[Any]]:
    model = make()
    history = fit(model, X, Y, iterations=iterations, optimizer=optimiser(), engine=engine, **settings)
    assert history.engine == engine
    return list(history.costs.values()), [p.numpy() for p in model.parameters()]


def assert_same(found: Any, expected: Any, tolerance: float) -> None:
    """Costs and parameters, each relative to the largest number of its array."""
    assert len(found[0]) == len(expected[0])
    np.testing.assert_allclose(found[0], expected[0], rtol=tolerance, atol=tolerance)
    for a, b in zip(found[1], expected[1]):
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(1, np.abs(b).max()))


NATIVE_EVERY = int(os.environ.get("TGC_NATIVE_EVERY", 10))  # LLVM takes a quarter of a second for each; 1 for all


@pytest.mark.slow
@pytest.mark.parametrize("group", range(10))
def test_random_models(group: int) -> None:
    """Costs and parameters after five steps of 500 models, by the compiled engines."""
    for seed in range(group, 500, 10):
        dtype = np.float64 if seed % 5 else np.float32
        optimiser = OPTIMISERS[(seed + seed // 6) % len(OPTIMISERS)]
        expected = trained(lambda: RandomModel(seed, dtype), optimiser, "eager")
        exact, near = (1e-13, 1e-11) if dtype == np.float64 else (1e-5, 1e-3)
        try:
            assert_same(trained(lambda: RandomModel(seed, dtype), optimiser, "numpy"), expected, exact)
            if (seed // 10 + seed) % NATIVE_EVERY == 0:
                assert_same(trained(lambda: RandomModel(seed, dtype), optimiser, "native"), expected, near)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from None


def test_the_comparison_notices_a_small_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """A learning rate that is wrong by a billionth fails nearly every sample."""
    wrong = 0
    for seed in range(1, 11):
        expected = trained(lambda: RandomModel(seed, np.float64), OPTIMISERS[0], "eager")
        try:
            assert_same(trained(lambda: RandomModel(seed, np.float64),
                                lambda: optim.GradientDescent(0.1 * (1 + 1e-9)), "eager"), expected, 1e-11)
        except AssertionError:
            wrong += 1
    assert wrong >= 9


# ------------------------------------------------------------------------------------------------------- mini-batches


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_mini_batches(dtype: Any) -> None:
    """Of X in either order in memory, with a last batch that is smaller, and of every second column of something."""
    random = np.random.RandomState(2)
    whole = random.randn(6, 46).astype(dtype)
    for X in (whole[:, :23].copy(), np.asfortranarray(whole[:, :23]), whole[:, ::2], whole[::-1, 20:43],
              whole[2:3, :23]):
        Y = (X[:1] > 0).astype(dtype)
        for size in (1, 4, 23):
            def make() -> nn.Module:
                random = np.random.RandomState(1)
                return nn.Sequential(nn.Linear(len(X), 5, random=random, dtype=dtype), nn.ReLU(),
                                     nn.Linear(5, 1, random=random, dtype=dtype), nn.Sigmoid())
            settings: Any = {"batch_size": size, "cost": nn.binary_cross_entropy}
            expected = trained(make, OPTIMISERS[2], "eager", X, Y, 15, **settings)
            for engine in ("numpy", "native"):
                assert_same(trained(make, OPTIMISERS[2], engine, X, Y, 15, **settings), expected,
                            1e-12 if dtype == np.float64 else 1e-4)


# ---------------------------------------------------------------------------------------------- parameters of any kind


class Custom(nn.Module):
    """A parameter and a cost of it."""

    def __init__(self, w: Any, cost: Callable[[Tensor], Any]):
        self.w, self.of = Tensor(w, requires_grad=True), cost

    def cost(self, X: Any, Y: Any) -> Any:
        return self.of(self.w)


START = np.random.RandomState(3).randn(3, 5)


@pytest.mark.parametrize("cost", [
    lambda w: w[0, 0], lambda w: w[1:2, 3:4].reshape(()), lambda w: w[2, 4] * 1.0, lambda w: -w[0, 0],
    lambda w: w.max(), lambda w: (w @ np.ones((5, 1), w.dtype))[0, 0], lambda w: w.sum(),
    lambda w: np.square(w).sum(axis=0)[2]])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_cost_is_that_before_the_update(cost: Any, dtype: Any) -> None:
    """Also where it is an element of a parameter, whose memory then changes."""
    for order in ("C", "F"):
        def make() -> nn.Module: return Custom(np.asarray(START, dtype, order=order), cost)
        expected = trained(make, OPTIMISERS[0], "eager")
        assert len(set(expected[0])) > 1
        for engine in ("numpy", "native"):
            assert_same(trained(make, OPTIMISERS[0], engine), expected, 1e-14 if dtype == np.float64 else 1e-6)


@pytest.mark.parametrize("mask", [
    np.arange(15, dtype=np.uint8).reshape(3, 5), np.arange(15).reshape(3, 5),
    np.arange(15.0).reshape(3, 5).astype(">f8"),
    np.arange(15).reshape(3, 5) > 6, np.arange(15, dtype=np.float16).reshape(3, 5), np.arange(15.0).reshape(5, 3).T])
def test_constant_arrays_of_any_dtype(mask: Any) -> None:
    def make() -> nn.Module:
        return Custom(START, lambda w: np.square(w * mask + np.where(w > mask, w, 0.5)).sum() * 0.01)
    assert_same(trained(make, OPTIMISERS[4], "native"), trained(make, OPTIMISERS[4], "eager"), 1e-12)


class Counting(optim.Optimizer):
    """Its state is a whole number, the last gradient, which nobody reads, and a list of powers."""

    def initial_state(self, w: Any) -> Any: return 0, np.zeros_like(w), 1.0

    def update(self, w: Any, g: Any, state: Any) -> Any:
        t, _, power = state
        return w - self.learning_rate / (t + 1) * g * power, (t + 1, g, power * 0.9)


def test_an_optimiser_that_counts() -> None:
    """Right, or refused: and then `fit` trains as NumPy code."""
    def make() -> nn.Module: return Custom(START, lambda w: np.square(w).sum())
    ends = {}
    for engine in ("eager", "numpy", "auto"):
        model, optimiser = make(), Counting(0.1)
        fit(model, X, Y, iterations=30, optimizer=optimiser, engine=engine)
        [w] = model.parameters()
        state = optimiser.states[w]
        ends[engine] = [w.numpy(), state[1], state[0], state[2]]
        assert state[0] == 30 and state[2] == pytest.approx(0.9 ** 30)
    for engine in ("numpy", "auto"):
        for a, b in zip(ends[engine], ends["eager"]):
            np.testing.assert_allclose(a, b, rtol=1e-12)


# ------------------------------------------------------------------------------------------------ steps by themselves


def made(layers: list[int], **settings: Any) -> NativeStep:
    model = DeepNetwork([len(X), *layers, 1], seed=1)
    step = NativeStep(traced_step(Task(model, model.cost, optim.Momentum(0.1), X, Y, **settings)))
    step.load()
    return step


def test_the_step_computes_what_its_program_says() -> None:
    step, other = made([5, 3]), made([5, 3])
    updates = step.program.updates
    before = {x: np.array(value) for x, value in step.values.items()}
    cost, *expected = evaluated([step.program.cost, *updates.values()], before)
    assert step.run(1)[0] == pytest.approx(float(cost), rel=1e-14)
    for x, value in zip(updates, expected):
        np.testing.assert_allclose(step.values[x], value, rtol=1e-12, atol=1e-15)
    assert other.run(1)[0] == pytest.approx(float(cost), rel=1e-14)


def test_the_same_bits_every_time_and_two_steps_do_not_disturb_each_other() -> None:
    alone = made([5, 3])
    expected = alone.run(10).tolist()
    first, second = made([5, 3]), made([4])
    costs: list[Any] = [[], []]
    for n in (1, 2, 3, 4):
        costs[0] += first.run(n).tolist()
        costs[1] += second.run(n).tolist()
    assert costs[0] == expected and costs[1] == made([4]).run(10).tolist()
    del second
    snapshot = first.snapshot()
    more = first.run(5).tolist()
    first.restore(snapshot)
    assert first.run(5).tolist() == more == alone.run(5).tolist()


def test_steps_end_with_the_first_cost_that_is_not_finite() -> None:
    model = Custom(np.full((1, 1), 4.0), lambda w: np.log(w).sum())
    step = NativeStep(traced_step(Task(model, model.cost, optim.GradientDescent(5.0), X, Y)))
    step.load()
    costs = step.run(50)
    assert np.isfinite(costs[:-1]).all() and not np.isfinite(costs[-1]) and 1 < len(costs) < 50


def functions(step: NativeStep) -> int:
    return len({bound.name for bound in step.code.bound})


def test_equal_layers_share_their_machine_code() -> None:
    few, many = made([4] * 6), made([4] * 40)
    assert functions(few) == functions(many) < 40 and len(many.code.bound) > len(few.code.bound) + 100
    assert many.code.nbytes < 8 * few.code.nbytes


@pytest.mark.slow
def test_a_network_of_a_thousand_layers() -> None:
    def make() -> nn.Module: return DeepNetwork([len(X), *[3] * 999, 1], seed=1)
    expected = trained(make, OPTIMISERS[0], "eager", iterations=2)
    assert_same(trained(make, OPTIMISERS[0], "native", iterations=2), expected, 1e-10)


def test_one_example_one_unit_and_the_span_of_the_data() -> None:
    """The smallest shapes, and wide data, where W is kept as c W_0 + D X^T."""
    random = np.random.RandomState(4)
    for n_x, m, layers in ((1, 1, []), (1, 1, [1]), (3, 1, [2]), (1, 9, [3]), (70, 5, [3]), (70, 1, []), (33, 9, [])):
        X = random.randn(n_x, m)
        Y = (X[:1] > 0).astype(float)
        for optimiser in OPTIMISERS[:4]:
            def make() -> nn.Module: return DeepNetwork([n_x, *layers, 1], seed=1)
            expected = trained(make, optimiser, "eager", X, Y)
            for engine in ("numpy", "native"):
                assert_same(trained(make, optimiser, engine, X, Y), expected, 1e-11)


def test_planar() -> None:
    """Costs of the course's planar classifier agree to the last digits that are printed, for many steps."""
    random = np.random.RandomState(5)
    X = random.randn(2, 101)
    Y = (X[:1] * X[1:] > 0).astype(float)
    expected = trained(PlanarClassifier, OPTIMISERS[0], "eager", X, Y, 200)
    assert_same(trained(PlanarClassifier, OPTIMISERS[0], "native", X, Y, 200), expected, 1e-9)
