"""Trainings on any engine, all that comes of them, and whether two of them are the same."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from tinygrad_course import Tensor, fit, nn, optim
from tinygrad_course.models import DeepNetwork, LogisticRegression, PlanarClassifier, TwoLayerNetwork
from tinygrad_course.training import TrainingDiverged

RANDOM = np.random.RandomState(3)
X = RANDOM.randn(2, 50)
Y = (X[:1] * X[1:] > 0).astype(float)
WIDE = RANDOM.randn(60, 20), (RANDOM.randn(1, 20) > 0).astype(float)  # n_x > m: weights stay in the span of the data
ENGINES = ["numpy", "native"]
every_engine = pytest.mark.parametrize("engine", ENGINES)


@dataclass
class Outcome:
    """A model, and all that a training has made of it."""

    model: nn.Module
    optimizer: optim.Optimizer
    history: Any = None
    error: str = ""
    seen: list[tuple[int, float]] = field(default_factory=list)

    def arrays(self) -> dict[str, Any]:
        states = {f"{name}, state {k}": part for name, p in self.model.named_parameters()
                  for k, part in enumerate(self.optimizer.state_of(p, p.data))}
        return self.model.state_dict() | states


def trained(engine: str, make: Callable[[], nn.Module], *, data: tuple[Any, Any] = (X, Y), iterations: int = 60,
            optimizer: Callable[[], optim.Optimizer] = lambda: optim.GradientDescent(0.5),
            act: Callable[[Outcome, int], None] | None = None, **settings: Any) -> Outcome:
    """act: called with the outcome so far and the iteration, wherever a callback is."""
    out = Outcome(make(), optimizer())

    def callback(i: int, model: nn.Module, cost: float) -> None:
        assert model is out.model
        out.seen.append((i, cost))
        if act is not None:
            act(out, i)

    if act is not None:
        settings = {"callback": callback, "record_every": 10} | settings
    try:
        out.history = fit(out.model, *data, iterations=iterations, optimizer=out.optimizer, engine=engine, **settings)
    except TrainingDiverged as error:
        out.error, out.history = str(error), error.history
    return out


def assert_like(found: Outcome, expected: Outcome, rtol: float = 1e-9) -> None:
    """Equal to rounding: relative to the largest element, as the small ones are sums in which much cancels."""
    assert found.error == expected.error
    for name in ("iterations", "stopped", "learning_rate"):
        assert getattr(found.history, name) == getattr(expected.history, name), name
    assert list(found.history.costs) == list(expected.history.costs)
    assert all(type(cost) is float for cost in found.history.costs.values())
    np.testing.assert_allclose(list(found.history.costs.values()), list(expected.history.costs.values()), rtol=rtol)
    assert [i for i, _ in found.seen] == [i for i, _ in expected.seen]
    np.testing.assert_allclose([c for _, c in found.seen], [c for _, c in expected.seen], rtol=rtol)
    ours, theirs = found.arrays(), expected.arrays()
    assert list(ours) == list(theirs) and len(ours) > 0
    for name, array in theirs.items():
        assert isinstance(ours[name], float) == isinstance(array, float) or array.shape == ()
        assert (np.asarray(ours[name]).dtype, np.shape(ours[name])) == (np.asarray(array).dtype, np.shape(array)), name
        np.testing.assert_allclose(ours[name], array, rtol=rtol, atol=rtol * np.max(np.abs(array)), err_msg=name)


def both(engine: str, make: Callable[[], nn.Module], rtol: float = 1e-9, **settings: Any) -> Outcome:
    """What an engine makes of a training, once it has been compared with eager training."""
    expected, found = trained("eager", make, **settings), trained(engine, make, **settings)
    assert_like(found, expected, rtol)
    assert found.history.engine == engine, found.history
    return found


def values(model: nn.Module) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in model.state_dict().items()}


class Of(nn.Module):
    """One number p; the cost is a function of it alone."""

    def __init__(self, start: Any, cost: Callable[[Tensor], Any]):
        self.p, self.of = Tensor(start, requires_grad=True), cost

    def cost(self, X: Any, Y: Any) -> Any:
        return self.of(self.p)


class Line(nn.Module):
    """Least squares: diverges where the learning rate is large."""

    def __init__(self, n_x: int = 2, dtype: Any = np.float64):
        self.layer = nn.Linear(n_x, 1, random=np.random.RandomState(1), dtype=dtype)

    def cost(self, X: Any, Y: Any) -> Any:
        return nn.mean_squared_error(self.layer(X), Y)


class Odd(nn.Module):
    """Shared and unused parameters, a number as a parameter, one that is frozen, and no dtype but float32."""

    def __init__(self, dtype: Any = np.float64) -> None:
        random = np.random.RandomState(1)
        self.first = nn.Linear(2, 2, random=random, dtype=dtype)
        self.second, self.last = self.first, nn.Linear(2, 1, random=random, dtype=dtype)
        self.scale = Tensor(dtype(1.5), requires_grad=True)
        self.unused = Tensor(np.arange(3, dtype=dtype), requires_grad=True)
        self.frozen = Tensor(np.full((2, 1), 0.5, dtype), requires_grad=False)

    def cost(self, X: Any, Y: Any) -> Any:
        A = np.tanh(self.second(np.tanh(self.first(X))) * self.frozen)  # type: ignore[operator]
        return nn.binary_cross_entropy(nn.sigmoid(self.last(A) * self.scale), Y)


TRAININGS: dict[str, dict[str, Any]] = {
    "planar": {"make": PlanarClassifier, "print_cost": 20, "record_every": 7},
    "adam, batches of 7": {"make": PlanarClassifier, "batch_size": 7,
                           "optimizer": lambda: optim.Adam(0.05, weight_decay=0.01)},
    "wide": {"make": lambda: DeepNetwork([60, 5, 3, 1]), "data": WIDE, "print_cost": 30},
    "wide, momentum": {"make": lambda: TwoLayerNetwork(60, 7, 1), "data": WIDE,
                       "optimizer": lambda: optim.Momentum(0.3, weight_decay=0.1)},
    "logistic": {"make": lambda: LogisticRegression(60), "data": WIDE,
                 "optimizer": lambda: optim.GradientDescent(0.01)},
    "odd": {"make": Odd, "optimizer": lambda: optim.Momentum(0.2)},
    "odd, batches of 7": {"make": Odd, "batch_size": 7, "optimizer": lambda: optim.Adam(0.05)},
    "cosine": {"make": PlanarClassifier, "optimizer": lambda: optim.GradientDescent(optim.Cosine(0.9, 40))},
    "wide, warm-up": {"make": lambda: TwoLayerNetwork(60, 7, 1), "data": WIDE, "optimizer": lambda: optim.Momentum(
        optim.WarmUp(10, optim.StepDecay(0.3, 20, 0.5)))},
    "nesterov, clipped": {"make": PlanarClassifier, "batch_size": 7, "optimizer": lambda: optim.Nesterov(
        optim.Exponential(0.5, 0.99), clip_norm=0.02, weight_decay=0.1)},
    "rmsprop": {"make": Odd, "optimizer": lambda: optim.RMSprop(0.01, epsilon=1e-3)},
    "adamw, clipped": {"make": lambda: DeepNetwork([2, 5, 3, 1]), "batch_size": 7, "optimizer": lambda: optim.AdamW(
        optim.Cosine(0.01, 50, 0.001), clip_value=0.01)},
    "float32": {"make": lambda: Odd(np.float32), "optimizer": lambda: optim.Adam(0.01), "rtol": 1e-4},
}


class Untraceable(nn.Module):
    """A planar classifier whose cost does one more thing."""

    def __init__(self, extra: Callable[["Untraceable", Any], float]):
        self.inner, self.t, self.extra, self.random = PlanarClassifier(), 0, extra, np.random.RandomState(4)

    def cost(self, X: Any, Y: Any) -> Any:
        return self.inner.cost(X, Y) * self.extra(self, X)


def counts(model: Untraceable, X: Any) -> float:
    model.t += 1
    return 1 / model.t


def at_20(change: Callable[[Any, Any], Any]) -> Callable[[Outcome, int], None]:
    return lambda out, i: change(out.model, out.optimizer) if i == 20 else None
