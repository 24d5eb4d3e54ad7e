"""Random models, data in any order in memory, batches whose last one is smaller, callbacks that change things."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from trainings import Outcome, assert_like, trained

from tinygrad_course import Tensor, nn, optim

MODELS = 300
Layer = Callable[[Any, "Mixture"], Any]


class Mixture(nn.Module):
    """Layers drawn at random on (n, m), each of which keeps the number of rows n; then a row of outputs."""

    def __init__(self, seed: int):
        random = np.random.RandomState(seed)
        self.n = n = int(random.randint(2, 5))
        self.W = [Tensor(random.randn(n, n) / n, requires_grad=True) for _ in range(3)]
        self.b = [Tensor(random.randn(n, 1) / 4, requires_grad=True) for _ in range(3)]
        self.scale = Tensor(0.5 + random.rand(), requires_grad=True)
        self.out = Tensor(random.randn(1, n) / n, requires_grad=True)
        self.rows = random.randint(0, n, n)  # with repetitions
        self.order = np.argsort(random.rand(n))
        self.mask = random.rand(n, 1) > 0.4
        if random.rand() < 0.3:
            self.W[0].data = np.asfortranarray(self.W[0].numpy())
        layers = LAYERS + INDEXED if seed % 2 else LAYERS
        self.layers = [layers[i] for i in random.randint(0, len(layers), 4)]
        self.cost_of = COSTS[random.randint(0, len(COSTS))]
        self.penalty = 0.0

    def forward(self, X: Any) -> Any:
        A = X
        for layer in self.layers:
            A = layer(A, self)
        return self.out @ A

    def cost(self, X: Any, Y: Any) -> Any:
        return self.cost_of(self(X), Y) + self.penalty * np.sum(np.square(self.W[0]))


LAYERS: list[Layer] = [
    lambda A, model: np.tanh(model.W[0] @ A + model.b[0]), lambda A, model: nn.relu(model.W[1] @ A + model.b[1]),
    lambda A, model: nn.sigmoid(model.W[2] @ A) * model.scale, lambda A, model: np.where(model.mask, A, 0.3 * A),
    lambda A, model: nn.softplus(A) - np.max(A, axis=0, keepdims=True), lambda A, model: A[::-1] * model.scale,
    lambda A, model: np.concatenate([A[1:], A[:1]]), lambda A, model: nn.softmax(A) + 0.1 * A,
    lambda A, model: (model.W[1].T @ A).T.reshape(-1, model.n).T, lambda A, model: np.clip(A, -2.0, 2.0),
    lambda A, model: A / (1 + np.sqrt(np.sum(A * A, axis=0, keepdims=True))), lambda A, model: np.abs(A) ** 1.5]
INDEXED: list[Layer] = [  # of which there is no machine code
    lambda A, model: A[model.rows], lambda A, model: A[model.order] + A,
    lambda A, model: np.tanh(model.W[0][model.rows] @ A), lambda A, model: model.b[0][model.rows.tolist()] + A]
COSTS: list[Callable[[Any, Any], Any]] = [
    nn.mean_squared_error, lambda Z, Y: nn.binary_cross_entropy(nn.sigmoid(Z), Y),
    lambda Z, Y: np.mean(np.log(1 + np.square(Z - Y)))]
LAYOUTS: list[Callable[[Any], Any]] = [
    lambda X: X, np.asfortranarray, lambda X: X[::-1, ::-1], lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    lambda X: np.repeat(X, 2, axis=0)[::2], lambda X: X.astype(np.float32), lambda X: np.rint(3 * X).astype(int)]
RULES: list[Callable[[], optim.Optimizer]] = [
    lambda: optim.GradientDescent(0.05), lambda: optim.Momentum(0.05, weight_decay=0.01), lambda: optim.Adam(0.01),
    lambda: optim.GradientDescent(0.05, clip_norm=0.5)]


def sets(model: Any, optimizer: Any) -> None: model.b[0].data = model.b[0].numpy() * 0.5
def writes(model: Any, optimizer: Any) -> None: model.out.data[0, 0] += 0.1
def penalises(model: Any, optimizer: Any) -> None: model.penalty = 0.01
def slows(model: Any, optimizer: Any) -> None: optimizer.learning_rate /= 2
def freezes(model: Any, optimizer: Any) -> None: model.W[1].requires_grad = False
def drops(model: Any, optimizer: Any) -> None: model.layers.pop()
def reorders(model: Any, optimizer: Any) -> None: model.rows[0] = (model.rows[0] + 1) % model.n
def clips(model: Any, optimizer: Any) -> None: model.out.grad = np.clip(model.out.grad, -0.01, 0.01)
def looks(model: Any, optimizer: Any) -> None: model.out.grad, model.W[0].data  # noqa: B018


ACTS = [sets, writes, penalises, slows, freezes, drops, reorders, clips, looks]


def settings_of(seed: int) -> dict[str, Any]:
    random = np.random.RandomState(1000 + seed)
    n, m = Mixture(seed).n, int(random.randint(9, 30))
    X = random.randn(n, m)
    Y = (X[:1] > 0).astype(float)
    act = ACTS[random.randint(0, len(ACTS))] if random.rand() < 0.4 else None
    at = int(random.choice([0, 10, 20]))

    def when(out: Outcome, i: int) -> None:
        if i == at and act is not None:
            act(out.model, out.optimizer)
    return {"make": lambda: Mixture(seed), "data": (LAYOUTS[random.randint(0, len(LAYOUTS))](X), Y),
            "batch_size": [None, 4, 7, 8][random.randint(0, 4)], "iterations": 25, "act": act and when,
            "optimizer": RULES[random.randint(0, len(RULES))]}


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_numpy_and_native_are_eager(part: int) -> None:
    """300 models; where arrays are indices there is no machine code, and "auto" finds that out."""
    native = 0
    for seed in range(part * MODELS // 10, (part + 1) * MODELS // 10):
        settings = settings_of(seed)
        expected = trained("eager", **settings)
        assert_like(trained("numpy", **settings), expected, 1e-7)
        indexed = any(layer in INDEXED for layer in settings["make"]().layers)
        found = trained("auto" if indexed else "native", **settings)
        native += found.history.engine == "native"
        assert_like(found, expected, 1e-7)
    assert native >= 15
