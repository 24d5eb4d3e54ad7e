"""The course's models: autodiff against their closed forms, and the numbers that the course prints."""

import ast
import inspect
import textwrap
from typing import Any

import numpy as np
import pytest

import tinygrad_course.nn
import tinygrad_course.tensor
from tinygrad_course import InputError, Tensor, data, fit, gradcheck, nn
from tinygrad_course.models import DeepNetwork, LogisticRegression, PlanarClassifier, TwoLayerNetwork
from tinygrad_course.models.one_hidden_layer import OneHiddenLayer

MODELS: dict[str, tuple[Any, int, int]] = {  # how to make it, n_x, n_y
    "logistic": (lambda: LogisticRegression(3), 3, 1),
    "planar": (lambda: PlanarClassifier(), 2, 1),
    "planar n_y=3": (lambda: PlanarClassifier(5, 3, 3, seed=9), 5, 3),
    "two_layer": (lambda: TwoLayerNetwork(6, 7, 1), 6, 1),
    "two_layer n_y=2": (lambda: TwoLayerNetwork(4, 5, 2), 4, 2),
    "deep L=1": (lambda: DeepNetwork([3, 1]), 3, 1),
    "deep": (lambda: DeepNetwork([8, 6, 5, 4, 1]), 8, 1),
    "deep n_y=2": (lambda: DeepNetwork((4, 3, 2)), 4, 2),
}
every_model = pytest.mark.parametrize("name", MODELS)


def example(name: str, m: int, scale: float = 1.0, seed: int = 0) -> tuple[Any, Any, Any]:
    """The model with random parameters (no unit is silent, no bias is zero), data and labels."""
    make, n_x, n_y = MODELS[name]
    random = np.random.RandomState(seed)
    model = make()
    for parameter in model.parameters():
        parameter.data = scale * random.randn(*parameter.shape)
    return model, random.randn(n_x, m), random.randint(0, 2, (n_y, m)).astype(float)


def difference(a: Any, b: Any) -> float:
    size = np.linalg.norm(a) + np.linalg.norm(b)
    return float(np.linalg.norm(a - b) / size) if size else 0.0


def assert_gradients_agree(model: Any, X: Any, Y: Any) -> None:
    model.zero_grad()
    model.cost(X, Y).backward()
    by_hand = model.closed_form(X, Y)
    assert list(by_hand) == [name for name, _ in model.named_parameters()]
    for name, parameter in model.named_parameters():
        assert np.shape(by_hand[name]) == parameter.shape and not isinstance(by_hand[name], Tensor), name
        assert np.isfinite(parameter.grad).all() and difference(parameter.grad, by_hand[name]) < 1e-12, name


# ------------------------------------------------------------------------------- autodiff and closed form


@pytest.mark.parametrize("m", [1, 2, 50])
@every_model
def test_autodiff_equals_the_closed_form(name: str, m: int) -> None:
    for seed in range(3):
        assert_gradients_agree(*example(name, m, seed=seed))


@every_model
def test_autodiff_equals_the_closed_form_where_it_is_saturated(name: str) -> None:
    """The logits reach thousands: every a is 0 or 1, and wrong labels must still pull."""
    model, X, Y = example(name, 40, scale=1000)
    A = model(X).numpy()
    assert ((A == 0) | (A == 1)).mean() > 0.9 and (A != Y).any()
    assert_gradients_agree(model, X, Y)
    assert any(parameter.grad.any() for parameter in model.parameters())
    assert 10 < model.cost(X, Y).item() < np.inf


@every_model
def test_autodiff_equals_the_closed_form_in_the_kink_and_for_any_labels(name: str) -> None:
    """With X = 0 and b = 0 every Z is 0: there relu'(0) is 0, as in the course."""
    model, X, Y = example(name, 5)
    assert_gradients_agree(model, X, Y * 0.7 + 0.1)
    for key, parameter in model.named_parameters():
        if key.startswith("b"):
            parameter.data = np.zeros(parameter.shape)
    assert np.sum(Y - 0.5)  # an odd number of examples: the last layer has something to hand on
    assert_gradients_agree(model, 0 * X, Y)


@every_model
def test_cost_is_the_cross_entropy_of_the_prediction(name: str) -> None:
    model, X, Y = example(name, 30, scale=0.3)
    A = model(X).numpy()
    assert A.shape == Y.shape
    expected = np.sum(-Y * np.log(A) - (1 - Y) * np.log(1 - A)) / 30
    assert model.cost(X, Y).item() == pytest.approx(expected, rel=1e-13)


@every_model
def test_gradcheck_of_the_cost_by_each_parameter(name: str) -> None:
    model, X, Y = example(name, 6)

    def cost(*values: Tensor) -> Tensor:
        if isinstance(model, LogisticRegression):
            model.w, model.b = values
        else:
            for layer, W, b in zip(model.layers, values[::2], values[1::2], strict=True):
                layer.W, layer.b = W, b
        J: Tensor = model.cost(X, Y)
        return J

    assert gradcheck(cost, [parameter.numpy().copy() for parameter in model.parameters()])


@every_model
def test_the_closed_form_is_plain_numpy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the answer that autodiff is compared with, so it may use nothing of it."""
    model, X, Y = example(name, 5)
    methods = [type(model).closed_form] + ([model.backward_by_hand] if isinstance(model, OneHiddenLayer) else [])
    called = {getattr(call.func, "attr", getattr(call.func, "id", "")) for method in methods
              for call in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(method)))) if isinstance(call, ast.Call)}
    assert called <= {"numpy", "parameters", "named_parameters", "exp", "tanh", "maximum", "sum", "errstate",
                      "append", "len", "range", "backward_by_hand", "g1", "g1_prime"}

    def refuse(*inputs: Any, **params: Any) -> None:
        raise AssertionError("the closed form used an operation of autodiff")

    expected = model.closed_form(X, Y)
    for module in (tinygrad_course.tensor, tinygrad_course.nn):
        monkeypatch.setattr(module, "apply", refuse)
    with pytest.raises(AssertionError):
        model(X)
    for key, gradient in model.closed_form(X, Y).items():
        np.testing.assert_array_equal(gradient, expected[key])


def test_the_comparison_notices_a_factor() -> None:
    model, X, Y = example("deep", 20)
    for gradient in model.closed_form(X, Y).values():
        assert difference(gradient, 1.001 * gradient) > 1e-4 > 1e-12 > difference(gradient, gradient)


# ------------------------------------------------------------------------ parameters, initial values, config


@pytest.mark.parametrize("model, dims, seed, course", [
    (PlanarClassifier(), (2, 4, 1), 2, "small"),
    (PlanarClassifier(3, 5, 2, seed=6), (3, 5, 2), 6, "small"),
    (TwoLayerNetwork(5, 4, 3), (5, 4, 3), 1, "small"),
    (TwoLayerNetwork(5, 4, 3, seed=8), (5, 4, 3), 8, "small"),
    (DeepNetwork([6, 5, 4, 1]), (6, 5, 4, 1), 1, "sqrt"),
    (DeepNetwork([6, 1], seed=3), (6, 1), 3, "sqrt"),
], ids=lambda value: repr(value) if isinstance(value, nn.Module) else "")
def test_initial_values_and_names(model: Any, dims: tuple[int, ...], seed: int, course: str) -> None:
    random, expected = np.random.RandomState(seed), {}
    for l in range(1, len(dims)):
        normal = random.randn(dims[l], dims[l - 1])
        expected[f"W{l}"] = normal * 0.01 if course == "small" else normal / np.sqrt(dims[l - 1])
        expected[f"b{l}"] = np.zeros((dims[l], 1))
    found = dict(model.named_parameters())
    assert list(found) == list(expected) and [p.name for p in found.values()] == list(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name].numpy(), values, strict=True)
        assert found[name].requires_grad


def test_logistic_regression_starts_at_zero() -> None:
    found = dict(LogisticRegression(3).named_parameters())
    assert list(found) == ["w", "b"] and [p.name for p in found.values()] == ["w", "b"]
    assert found["w"].numpy().tolist() == [[0], [0], [0]] and found["b"].numpy().tolist() == 0


def test_np_random_is_left_alone() -> None:
    """The models draw from a generator of their own, as the course does."""
    np.random.seed(3)
    for make, _, _ in MODELS.values():
        make()
    assert np.random.randn() == np.random.RandomState(3).randn()


@every_model
def test_config_makes_the_model_anew(name: str) -> None:
    model, X, _ = example(name, 5)
    anew = type(model)(**model.config())
    anew.load_state_dict(model.state_dict())
    np.testing.assert_array_equal(anew(X).numpy(), model(X).numpy())
    assert anew.config() == model.config() and repr(anew) == repr(model)
    assert all(f"{key}={value!r}" in repr(model) for key, value in model.config().items())


@pytest.mark.parametrize("make", [
    lambda: LogisticRegression(0), lambda: LogisticRegression(-1), lambda: PlanarClassifier(n_h=0),
    lambda: TwoLayerNetwork(0, 1, 1), lambda: DeepNetwork([3]), lambda: DeepNetwork([]), lambda: DeepNetwork([3, 0, 1]),
], ids=["w", "w-1", "planar", "two-layer", "deep 1", "deep 0", "deep zero"])
def test_sizes(make: Any) -> None:
    with pytest.raises(InputError, match="at least one|needed"):
        make()


@every_model
def test_labels_other_than_0_and_1_are_for_mathematics_not_for_training(name: str) -> None:
    model, X, Y = example(name, 3)
    assert np.isfinite(model.cost(X, Y + 0.5).item())
    with pytest.raises(InputError, match="the labels must be 0 or 1"):
        fit(model, X, Y + 0.5, iterations=1, learning_rate=1)


# -------------------------------------------------------------------------------------- the course's numbers


def test_planar_flower() -> None:
    history = fit(PlanarClassifier(), *data.planar("flower"), iterations=1001, learning_rate=1.2)
    assert [f"{history.costs[i]:.6f}" for i in (0, 1000)] == ["0.693048", "0.288083"]


@pytest.mark.parametrize("model, learning_rate, costs, rtol", [
    (lambda n_x: LogisticRegression(n_x), 0.005, (0.693147, 0.584508), 1e-6),
    (lambda n_x: TwoLayerNetwork(n_x, 7, 1), 0.0075, (0.693049735659989, 0.6464320953428849), 1e-12),
    (lambda n_x: DeepNetwork([n_x, 20, 7, 5, 1]), 0.0075, (0.771749, 0.672053), 1e-6),
], ids=["logistic", "two_layer", "four_layer"])
def test_cat_images(model: Any, learning_rate: float, costs: tuple[float, float], rtol: float,
                    cats: data.Dataset) -> None:
    history = fit(model(cats.X_train.shape[0]), cats.X_train, cats.Y_train, iterations=101,
                  learning_rate=learning_rate)
    np.testing.assert_allclose([history.costs[0], history.costs[100]], costs, rtol=rtol)
