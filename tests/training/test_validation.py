"""Validation data, early stopping, epochs: every engine as the eager one, and the numbers those of the model itself."""

from typing import Any

import numpy as np
import pytest
from trainings import WIDE, X, Y, Odd, assert_like, both, every_engine, trained

from tinygrad_course import InputError, accuracy, fit, nn, optim
from tinygrad_course.models import DeepNetwork, LogisticRegression, PlanarClassifier, TwoLayerNetwork

RANDOM = np.random.RandomState(7)
NEW = RANDOM.randn(2, 30), (RANDOM.rand(1, 30) > 0.5).astype(float)
NEW_WIDE = RANDOM.randn(60, 9), (RANDOM.rand(1, 9) > 0.5).astype(float)


class Softmax(nn.Module):
    """Three classes; its labels are one-hot columns."""

    def __init__(self) -> None:
        self.layer = nn.Linear(2, 3, random=np.random.RandomState(1))

    def forward(self, X: Any) -> Any: return nn.softmax(self.layer(X))
    def cost(self, X: Any, Y: Any) -> Any: return nn.cross_entropy(self(X), Y)


def one_hot(labels: Any) -> Any:
    return (labels == np.arange(3).reshape(-1, 1)).astype(float)


CASES: dict[str, dict[str, Any]] = {
    "planar": {"make": PlanarClassifier, "validation": NEW},
    "planar, batches": {"make": PlanarClassifier, "validation": NEW, "batch_size": 7},
    "in the span of the data": {"make": lambda: DeepNetwork([60, 5, 3, 1]), "data": WIDE, "validation": NEW_WIDE},
    "in the span, decaying": {"make": lambda: TwoLayerNetwork(60, 4, 1), "data": WIDE, "validation": NEW_WIDE,
                              "optimizer": lambda: optim.Momentum(0.3, weight_decay=0.1)},
    "logistic, in the span": {"make": lambda: LogisticRegression(60), "data": WIDE, "validation": NEW_WIDE},
    "adam": {"make": lambda: LogisticRegression(60), "data": WIDE, "validation": NEW_WIDE,
             "optimizer": lambda: optim.Adam(0.01)},
    "softmax": {"make": Softmax, "data": (X, one_hot(RANDOM.randint(3, size=(1, 50)))),
                "validation": (NEW[0], one_hot(RANDOM.randint(3, size=(1, 30))))},
    "float32": {"make": lambda: Odd(np.float32), "validation": NEW, "rtol": 1e-4},
}


@pytest.mark.parametrize("name", CASES)
@every_engine
def test_engines_agree(name: str, engine: str) -> None:
    """Costs and accuracies are those of eager training; and the last are those of the model as it is left."""
    settings = {"rtol": 1e-9} | CASES[name]
    found = both(engine, iterations=50, validate_every=7, **settings)
    expected = trained("eager", settings["make"], iterations=50, validate_every=7, **{
        key: value for key, value in settings.items() if key not in ("make", "rtol")})
    assert list(found.history.validation_costs) == list(range(0, 50, 7)) + [50]
    for ours, theirs in ((found.history.validation_costs, expected.history.validation_costs),
                         (found.history.validation_accuracies, expected.history.validation_accuracies)):
        assert list(ours) == list(theirs)
        np.testing.assert_allclose(list(ours.values()), list(theirs.values()), rtol=settings["rtol"])
    new = settings["validation"]
    assert found.history.validation_costs[50] == pytest.approx(found.model.cost(*new).item(), rel=settings["rtol"])
    if name != "float32":  # which has a cost alone
        assert found.history.validation_accuracies[50] == accuracy(found.model, *new)


@pytest.mark.parametrize("engine", ["eager", "numpy", "native"])
@pytest.mark.parametrize("batch_size", [None, 16])
def test_early_stopping(engine: str, batch_size: int | None) -> None:
    """Labels at random: the validation cost soon rises. The parameters are those of the lowest, as printed then."""
    found = trained(engine, lambda: TwoLayerNetwork(60, 4, 1), data=WIDE, validation=NEW_WIDE, validate_every=5,
                    patience=3, iterations=400, batch_size=batch_size, optimizer=lambda: optim.GradientDescent(0.2))
    history = found.history
    costs = history.validation_costs
    best = min(costs, key=costs.__getitem__)
    assert history.iterations == list(costs)[-1] == best + 15 < 400
    assert history.stopped.startswith(f"the validation cost was lowest in iteration {best}: its parameters are kept")
    assert found.model.cost(*NEW_WIDE).item() == pytest.approx(costs[best], rel=1e-12)
    again = trained(engine, lambda: TwoLayerNetwork(60, 4, 1), data=WIDE, iterations=best, batch_size=batch_size,
                    optimizer=lambda: optim.GradientDescent(0.2))
    for ours, theirs in zip(found.model.parameters(), again.model.parameters()):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-9, atol=1e-12)


def test_the_best_parameters_are_kept_to_the_end() -> None:
    found = trained("auto", lambda: TwoLayerNetwork(60, 4, 1), data=WIDE, validation=NEW_WIDE, validate_every=5,
                    patience=1000, iterations=200, optimizer=lambda: optim.GradientDescent(0.2))
    costs = found.history.validation_costs
    assert found.history.stopped is None and min(costs.values()) < costs[200]
    assert found.model.cost(*NEW_WIDE).item() == pytest.approx(min(costs.values()), rel=1e-12)


def test_best_after_the_engine_has_changed() -> None:
    """A callback makes the model one that cannot be compiled: what was best until then is not forgotten."""
    class Turning(TwoLayerNetwork):
        turned = 0

        def cost(self, X: Any, Y: Any) -> Any:
            if self.turned:
                self.turned += 1
            return super().cost(X, Y)

    def act(out: Any, i: int) -> None:
        out.model.turned = max(out.model.turned, int(i == 100))
    with pytest.warns(UserWarning, match="trained eagerly"):
        found = trained("auto", lambda: Turning(60, 4, 1), data=WIDE, validation=NEW_WIDE, validate_every=5,
                        patience=1000, iterations=200, optimizer=lambda: optim.GradientDescent(0.2), act=act)
    assert found.history.engine == "eager"
    costs = found.history.validation_costs
    assert min(costs, key=costs.__getitem__) < 100
    assert found.model.cost(*NEW_WIDE).item() == pytest.approx(min(costs.values()), rel=1e-12)


def test_the_printed_line(capsys: Any) -> None:
    np.random.seed(1)
    history = fit(PlanarClassifier(), X, Y, iterations=25, learning_rate=0.5, print_cost=10, validation=NEW)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"Cost after iteration {i}: {history.costs[i]:f}; validation {history.validation_costs[i]:f}, "
                     f"{100 * history.validation_accuracies[i]:.1f} %" for i in (0, 10, 20)]
    assert list(history.validation_costs) == [0, 10, 20, 25]


def test_numbers_that_are_no_labels_have_no_accuracy() -> None:
    model = nn.Sequential(nn.Linear(2, 1))
    history = fit(model, X, X[:1], iterations=20, learning_rate=0.1, cost=nn.mean_squared_error,
                  validation=(NEW[0], NEW[0][:1]))
    assert len(history.validation_costs) == 21 and history.validation_accuracies == {}


def test_epochs() -> None:
    """50 examples: 4 batches of 16, the last a smaller one; without batches an epoch is an iteration."""
    for batch_size, updates in ((None, 3), (16, 12), (50, 3), (49, 6)):
        history = fit(PlanarClassifier(), X, Y, epochs=3, learning_rate=0.5, batch_size=batch_size)
        assert history.iterations == updates


def test_training_is_the_same_with_validation_and_without() -> None:
    for engine in ("eager", "numpy", "native"):
        plain, watched = (trained(engine, PlanarClassifier, iterations=50, batch_size=7, **more) for more in (
            {}, {"validation": NEW, "validate_every": 3}))
        assert_like(watched, plain, rtol=0 if engine == "eager" else 1e-12)


@pytest.mark.parametrize("settings, message", [
    ({"iterations": 5, "epochs": 5}, "give either iterations="), ({}, "give either iterations="),
    ({"epochs": -1}, "epochs must be a whole number"), ({"epochs": 1.5}, "epochs must be a whole number"),
    ({"iterations": 5, "patience": 2}, "need validation="),
    ({"iterations": 5, "validate_every": 2}, "need validation="),
    ({"iterations": 5, "validation": NEW, "patience": 0}, "patience must be a whole number"),
    ({"iterations": 5, "validation": NEW, "validate_every": 0}, "validate_every must be a whole number"),
    ({"iterations": 5, "validation": NEW[0]}, "validation is a pair"),
    ({"iterations": 5, "validation": (NEW[0].T, NEW[1])}, "validation: X .* examples but Y"),
    ({"iterations": 5, "validation": (NEW[0][:1], NEW[1])}, r"validation: X has shape \(1, 30\), but training has"),
    ({"iterations": 5, "validation": (NEW[0], 2 * NEW[1])}, "validation: Y holds 2 at .*; the labels must be 0 or 1"),
    ({"iterations": 5, "validation": (NEW[0] * np.nan, NEW[1])}, "validation: X holds nan"),
    ({"iterations": 5, "validation": (NEW[0], NEW[1].repeat(2, axis=0))}, r"validation: Y has shape \(2, 30\)"),
])
def test_what_is_refused(settings: dict[str, Any], message: str) -> None:
    model = PlanarClassifier()
    before = model.state_dict()
    with pytest.raises(InputError, match=message):
        fit(model, X, Y, learning_rate=0.5, **settings)
    after = model.state_dict()
    assert all(np.array_equal(array, after[name]) for name, array in before.items())
