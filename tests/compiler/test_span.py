"""Training in the span of the data: when it applies, that it gives the same numbers, and when it must not apply."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygrad_course import Tensor, fit, nn, optim
from tinygrad_course.arguments import Task
from tinygrad_course.autodiff import backward
from tinygrad_course.compiler.span import in_the_span_of_the_data
from tinygrad_course.compiler.program import ParameterSlot
from tinygrad_course.compiler.step import Step, traced_step
from tinygrad_course.compiler.tracing import trace
from tinygrad_course.models import DeepNetwork, LogisticRegression, TwoLayerNetwork
from tinygrad_course.tensor import as_tensor

N_X, M, STEPS = 60, 7, 25
RANDOM = np.random.RandomState(0)
X = RANDOM.rand(N_X, M)
Y = np.array([[1.0, 0, 0, 1, 1, 0, 1]])
Make = Callable[[], nn.Module]


class Layer(nn.Module):
    """A model with large weights W (units, n_x), given by its logits, a function of W, V (units, n_x) and X."""

    def __init__(self, logits: Callable[..., Any], units: int = 1, turned: bool = False, penalty: Any = None):
        random = np.random.RandomState(3)
        def weights() -> Any: return random.randn(*(N_X, units) if turned else (units, N_X)) * 0.1
        self.W = Tensor(weights(), requires_grad=True, name="W")
        self.V = Tensor(weights(), requires_grad=True, name="V")
        self.b = Tensor(np.zeros((units, 1)), requires_grad=True, name="b")
        self.logits, self.penalty = logits, penalty

    def forward(self, X: Any) -> Any:
        return nn.sigmoid(self.logits(self.W, self.V, self.b, X))

    def cost(self, X: Any, Y: Any) -> Any:
        J = nn.mean_squared_error(self(X).sum(axis=0, keepdims=True), Y)
        return J if self.penalty is None else J + self.penalty(self.W)


class Nesterov(optim.Optimizer):
    """A linear rule with two states and a number."""

    def initial_state(self, w: Any) -> Any: return np.zeros_like(w), np.zeros_like(w), 0

    def update(self, w: Any, g: Any, state: Any) -> Any:
        v, total, t = state
        v, total = 0.9 * v - g / 4, total + g
        rate = self.learning_rate / (1 + 0.1 * t)
        return w + rate * (0.9 * v - g) - 0.01 * total, (v, total, t + 1)


class Clipping(optim.Optimizer):
    def update(self, w: Any, g: Any, state: Any) -> Any:
        return w - self.learning_rate * g * np.minimum(1, 0.05 / np.sqrt(np.sum(g * g))), state


def logistic() -> nn.Module:
    model = LogisticRegression(N_X)
    model.w.data = np.random.RandomState(2).randn(N_X, 1) * 0.1
    return model


OPTIMISERS: dict[str, Callable[[], optim.Optimizer]] = {
    "gradient descent": lambda: optim.GradientDescent(0.3),
    "gradient descent, decay": lambda: optim.GradientDescent(0.3, weight_decay=0.2),
    "momentum": lambda: optim.Momentum(0.3), "momentum, decay": lambda: optim.Momentum(0.3, 0.7, weight_decay=0.2),
    "nesterov": lambda: Nesterov(0.1), "nesterov, decay": lambda: Nesterov(0.1, weight_decay=0.1)}

MODELS: dict[str, tuple[Make, Any, list[str]]] = {  # with X and the names of what is kept in the span
    "two layers": (lambda: TwoLayerNetwork(N_X, 3, 1), X, ["W1"]),
    "four layers": (lambda: DeepNetwork([N_X, 5, 4, 3, 1]), X, ["W1"]),
    "logistic regression": (logistic, X, ["w"]),
    "X by columns": (lambda: TwoLayerNetwork(N_X, 3, 1), np.asfortranarray(X), ["W1"]),
    "logistic, X by columns": (logistic, np.asfortranarray(X), ["w"]),
    "X with gaps": (lambda: TwoLayerNetwork(N_X, 3, 1), X.repeat(2, axis=1)[:, ::2], ["W1"]),
    "W X^T": (lambda: Layer(lambda W, V, b, X: W @ X.T + b, 3), X.T.copy(), ["W"]),
    "(X W^T)^T": (lambda: Layer(lambda W, V, b, X: (X @ W.T).T + b, 3), X.T, ["W"]),
    "X W, turned": (lambda: Layer(lambda W, V, b, X: (X @ W).T + b, 3, turned=True), X.T.copy(), ["W"]),
    "W^T X, turned": (lambda: Layer(lambda W, V, b, X: np.dot(W.T, X) + b, 3, turned=True), X, ["W"]),
    "X^T W, turned": (lambda: Layer(lambda W, V, b, X: (X.T @ W).T + b, 3, turned=True), X, ["W"]),
    "two parameters": (lambda: Layer(lambda W, V, b, X: np.tanh(W @ X) * (V @ X) + b, 2), X, ["W", "V"]),
    "two layouts": (lambda: Layer(lambda W, V, b, X: np.tanh(W @ X) * (X.T @ V.T).T + b, 2), X, ["W", "V"]),
    "W X twice": (lambda: Layer(lambda W, V, b, X: np.tanh(W @ X) + W @ X + b, 2), X, ["W"]),
    "data changed before": (lambda: Layer(lambda W, V, b, X: W @ ((X - X.mean(axis=1, keepdims=True)) / 0.3) + b, 2),
                            X, ["W"]),
}


def eagerly(model: nn.Module, optimizer: optim.Optimizer, X: Any, Y: Any, steps: int) -> list[float]:
    costs = []
    for _ in range(steps):
        model.zero_grad()
        J = model.cost(as_tensor(X), as_tensor(Y))
        costs.append(J.item())
        backward(J)
        optimizer.step(model.parameters())
    return costs


def compare(make: Make, optimizer: Callable[[], optim.Optimizer], X: Any, Y: Any = Y, steps: int = STEPS,
            before: int = 0, iterations: int | None = None, rtol: float = 1e-12, dtype: Any = None) -> Step:
    """The Step, after its parameters, states and costs were found to be those of eager training."""
    pairs = [(make(), optimizer()) for _ in range(2)]
    for model, rule in pairs:
        if dtype is not None:
            for parameter in model.parameters():
                parameter._data = parameter._data.astype(dtype)
        eagerly(model, rule, X, Y, before)
    (model, rule), (other, other_rule) = pairs
    costs = eagerly(model, rule, X, Y, steps)
    step = Step(traced_step(Task(other, other.cost, other_rule, X, Y), iterations))
    step.load()
    first = step.run(steps // 2)
    step.store()
    found = [*first, *step.run(steps - steps // 2)]
    step.store(final=True)
    np.testing.assert_allclose(found, costs, rtol=rtol)
    for p, q in zip(model.parameters(), other.parameters()):
        assert q.dtype == p.dtype
        np.testing.assert_allclose(q.data, p.data, rtol=0, atol=rtol * np.abs(p.data).max())
        for s, t in zip(rule.states.get(p, ()), other_rule.states.get(q, ())):
            assert np.shape(s) == np.shape(t) and (type(s) is int) is (type(t) is int)
            np.testing.assert_allclose(t, s, rtol=0, atol=rtol * np.abs(s).max())
    return step


def check_small(step: Step) -> None:
    """Nothing that a step changes or computes is as large as the weights, and they are not read."""
    size = max(parameter.size for parameter in step.traced.tensors)
    assert all(x.size < size for x in step.program.updates)
    assert all(node.size < size for node in step.program.nodes)
    assert max(x.size for x in step.program.slots) >= size  # the weights as they were at the start


@pytest.mark.parametrize("name", MODELS)
def test_it_gives_the_same_numbers(name: str) -> None:
    """To rounding, for models and layouts of the data, after the weights were asked for in between as well."""
    make, data, spans = MODELS[name]
    for optimizer in ("gradient descent", "momentum, decay"):
        step = compare(make, OPTIMISERS[optimizer], data)
        assert step.spans == spans
        check_small(step)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_linear_rules(name: str) -> None:
    """From the start, and from a state that is not zero."""
    for before in (0, 3):
        for model in ("two layers", "logistic regression"):
            make, data, spans = MODELS[model]
            step = compare(make, OPTIMISERS[name], data, before=before)
            assert step.spans == spans
            check_small(step)


def test_single_precision() -> None:
    step = compare(lambda: TwoLayerNetwork(N_X, 3, 1), OPTIMISERS["momentum, decay"], X.astype(np.float32),
                   Y.astype(np.float32), rtol=1e-5, dtype=np.float32)
    assert step.spans == ["W1"] and {x.dtype for x in step.program.updates} == {np.dtype(np.float32)}


def test_coefficients_that_never_change_are_no_part_of_the_step() -> None:
    """c is 1 for gradient descent and for momentum from zero; with weight decay it is a number that changes."""
    changing = {}
    for name in OPTIMISERS:
        model = TwoLayerNetwork(N_X, 3, 1)
        step = Step(traced_step(Task(model, model.cost, OPTIMISERS[name](), X, Y)))
        changing[name] = [x.name for x in step.program.updates if str(x.name).startswith("c_")]
    assert changing["gradient descent"] == changing["momentum"] == []
    assert changing["gradient descent, decay"] == ["c_W1_W1_0"]
    assert changing["momentum, decay"] == ["c_W1_W1_0", "c_W1_state1_W1_0"]
    assert len(changing["nesterov, decay"]) == 3


def test_what_is_computed_once() -> None:
    """W_0 X and K = X^T X, before the loop; the step has products with K instead of X."""
    make, data, _ = MODELS["two layers"]
    model = make()
    step = Step(traced_step(Task(model, model.cost, optim.GradientDescent(0.1), data, Y)))
    assert sorted(str(node.name) for node in step.traced.hoisted) == ["K", "W1_0_X"]
    assert "np.dot(D_W1, K, " in step.source
    assert "def train(Y, b1, W2, b2, D_W1, K, W1_0_X, costs):" in step.source


# ------------------------------------------------------------------------------------- where it must not apply

def penalised(units: int = 2) -> nn.Module:
    return Layer(lambda W, V, b, X: W @ X + b, units, penalty=lambda W: 0.05 * np.square(W).sum())


NOT: dict[str, tuple[Make, Callable[[], optim.Optimizer], Any]] = {
    "Adam": (MODELS["two layers"][0], lambda: optim.Adam(0.01), X),
    "clipping by the norm": (MODELS["two layers"][0], lambda: Clipping(0.5), X),
    "an L2 penalty": (penalised, OPTIMISERS["gradient descent"], X),
    "a penalty without a gradient": (lambda: Layer(lambda W, V, b, X: W @ X + b, 2, penalty=lambda W: np.square(
        W.detach()).sum()), OPTIMISERS["gradient descent"], X),
    "W itself elsewhere": (lambda: Layer(lambda W, V, b, X: W @ X + b + np.tanh(W).sum(axis=1, keepdims=True), 2),
                           OPTIMISERS["gradient descent"], X),
    "with two kinds of data": (lambda: Layer(lambda W, V, b, X: W @ X + W @ np.square(X) + b, 2),
                               OPTIMISERS["momentum"], X),
    "W V": (lambda: Layer(lambda W, V, b, X: (W @ V.T) @ (V @ X) + b, 2), OPTIMISERS["gradient descent"], X),
    "W after a change": (lambda: Layer(lambda W, V, b, X: np.tanh(W) @ X + b, 2), OPTIMISERS["gradient descent"], X),
    "W in parts": (lambda: Layer(lambda W, V, b, X: W[:, :30] @ X[:30] + W[:, 30:] @ X[30:] + b, 2),
                   OPTIMISERS["momentum"], X),
}


@pytest.mark.parametrize("name", NOT)
def test_where_it_does_not_apply(name: str) -> None:
    make, optimizer, data = NOT[name]
    step = compare(make, optimizer, data)
    assert "W" not in step.spans and "W1" not in step.spans
    assert any(isinstance(slot, ParameterSlot) and x in step.program.updates
               and x.size == step.traced.tensors[slot.parameter].size
               and x.ndim == 2 and N_X in x.shape for x, slot in step.program.slots.items())


def test_no_more_inputs_than_examples() -> None:
    for n_x, applies in ((M + 1, True), (M, False), (3, False)):
        def make(n_x: int = n_x) -> nn.Module: return TwoLayerNetwork(n_x, 3, 1)
        step = compare(make, OPTIMISERS["gradient descent"], X[:n_x])
        assert step.spans == (["W1"] if applies else [])


def test_few_iterations_do_not_pay_for_the_products_of_the_data() -> None:
    """K costs as much as m / (2 units) steps save."""
    for iterations, applies in ((1, False), (2, True), (None, True)):
        step = compare(lambda: TwoLayerNetwork(N_X, 3, 1), OPTIMISERS["momentum"], X, iterations=iterations)
        assert step.spans == (["W1"] if applies else [])


def test_mini_batches() -> None:
    """Other data in every step: no span, and the weights of eager training."""
    models = [TwoLayerNetwork(N_X, 3, 1) for _ in range(2)]
    histories = [fit(model, X, Y, iterations=30, batch_size=3, learning_rate=0.3, engine=engine)
                 for model, engine in zip(models, ("eager", "numpy"))]
    assert "span" not in histories[1].why and histories[0].costs == histories[1].costs
    assert all(np.array_equal(p.data, q.data) for p, q in zip(*(model.parameters() for model in models)))
    program = trace(models[0], models[0].cost, optim.GradientDescent(0.1), X, Y, batches=True)
    assert in_the_span_of_the_data(program) is program


def test_fit_says_so_and_stays_on_course() -> None:
    models = [TwoLayerNetwork(N_X, 3, 1) for _ in range(2)]
    eager, fast = (fit(model, X, Y, iterations=500, learning_rate=0.5, engine=engine)
                   for model, engine in zip(models, ("eager", "numpy")))
    assert "W1 in the span of the data" in fast.why
    np.testing.assert_allclose(list(fast.costs.values()), list(eager.costs.values()), rtol=1e-10)


def test_loading_again_after_training() -> None:
    """A Step that goes on from what it has stored itself, with momentum that is no longer zero."""
    models, rules = [TwoLayerNetwork(N_X, 3, 1) for _ in range(2)], [optim.Momentum(0.3) for _ in range(2)]
    eagerly(models[0], rules[0], X, Y, 20)
    step = Step(traced_step(Task(models[1], models[1].cost, rules[1], X, Y)))
    for _ in range(2):
        step.load()
        step.run(10)
        step.store()
    for p, q in zip(*(model.parameters() for model in models)):
        np.testing.assert_allclose(q.data, p.data, rtol=0, atol=1e-12 * np.abs(p.data).max())
