"""Autodiff held beside the closed form and finite differences; and a fault in any of them is seen, and where."""

import json
import re
from typing import Any

import numpy as np
import pytest

from tinygrad_course import InputError, data, fit, nn, ops
from tinygrad_course.compare import Comparison, check_backward, compare_gradients
from tinygrad_course.models import DeepNetwork, LogisticRegression, PlanarClassifier, TwoLayerNetwork
from tinygrad_course.graph.roles import CONVENTIONS, named_steps

X, Y = data.planar()
MODELS = {"logistic": lambda: LogisticRegression(2), "planar": PlanarClassifier,
          "two-layer": lambda: TwoLayerNetwork(2, 3, 2), "deep": lambda: DeepNetwork([2, 5, 4, 1])}
QUANTITIES = {
    "logistic": "Z A dA dZ dw db", "planar": "Z1 A1 Z2 A2 dA2 dZ2 dA1 dZ1 dW1 db1 dW2 db2",
    "two-layer": "Z1 A1 Z2 A2 dA2 dZ2 dA1 dZ1 dW1 db1 dW2 db2",
    "deep": "Z1 A1 Z2 A2 Z3 A3 dA3 dZ3 dA2 dZ2 dA1 dZ1 dW1 db1 dW2 db2 dW3 db3"}


def trained(name: str) -> tuple[Any, Any]:
    model = MODELS[name]()
    labels = np.vstack([Y, 1 - Y]) if name == "two-layer" else Y
    fit(model, X, labels, iterations=30, learning_rate=0.5)
    return model, labels


def scaled(model: Any, name: str, factor: float) -> Any:
    """The model with one wrong element in one quantity of its closed form."""
    right = model.closed_form

    def wrong(X: Any, Y: Any, steps: bool = False) -> dict[str, Any]:
        found = {key: np.array(value) for key, value in right(X, Y, steps=steps).items()}
        if name in found:
            found[name].reshape(-1)[-1] *= factor
        return found
    model.closed_form = wrong
    return model


@pytest.mark.parametrize("convention", ["per_example", "of_cost"])
@pytest.mark.parametrize("name", MODELS)
def test_every_quantity_of_every_model_is_equal_three_ways(name: str, convention: str) -> None:
    model, labels = trained(name)
    found = compare_gradients(model, X, labels, convention)
    assert [row.name for row in found.rows] == QUANTITIES[name].split()
    assert found.ok, str(found)
    for row in found.rows:
        assert row.closed_form is not None and row.closed_form.relative <= 1e-9
        assert not row.name.startswith("d") or row.differences is not None and row.elements > 0
    dZ = next(row for row in found.rows if row.name.startswith("dZ"))
    assert dZ.closed_form is not None
    A, index = model(X).data, dZ.closed_form.index
    assert dZ.closed_form.ours == pytest.approx((A - labels)[index] / (1 if convention == "per_example" else 400))


@pytest.mark.parametrize("name", ["Z2", "A1", "dZ2", "dA1", "dZ1", "W1", "b2"])
def test_a_wrong_closed_form_is_named_with_its_place(name: str) -> None:
    model, _ = trained("planar")
    found = compare_gradients(scaled(model, name, 1.001), X, Y)
    [wrong] = [row for row in found.rows if row.verdict != "equal"]
    assert wrong.name == (f"d{name}" if name in ("W1", "b2") else name) and not found.ok
    assert wrong.verdict == "differs from closed form" and wrong.closed_form is not None
    assert wrong.closed_form.index == tuple(n - 1 for n in wrong.shape)
    assert wrong.closed_form.other == pytest.approx(1.001 * wrong.closed_form.ours)


def test_a_wrong_vjp_is_seen_by_closed_form_and_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = trained("planar")
    monkeypatch.setattr(ops.tanh, "vjps", (lambda g, y, z: g * (1 - y),))
    verdicts = {row.name: row.verdict for row in compare_gradients(model, X, Y).rows}
    assert {name for name, verdict in verdicts.items() if verdict != "equal"} == {"dZ1", "dW1", "db1"}
    assert verdicts["dZ1"] == "differs from closed form and finite differences"


def test_a_saturated_output_is_compared_where_it_can_be() -> None:
    model = LogisticRegression(2)
    model.w.data = [[1e4], [0.0]]
    rows = {row.name: row for row in compare_gradients(model, X, Y).rows}
    assert rows["dA"].closed_form is None and rows["dZ"].verdict == rows["dw"].verdict == "equal"


def test_a_closed_form_of_the_parameters_alone_is_enough() -> None:
    model, _ = trained("planar")
    all_steps = model.closed_form
    model.closed_form = lambda X, Y: all_steps(X, Y)
    found = compare_gradients(model, X, Y)
    assert found.ok and [row.name for row in found.rows if row.closed_form] == ["dW1", "db1", "dW2", "db2"]


def test_nothing_is_changed() -> None:
    model, _ = trained("planar")
    model.cost(X, Y).backward()
    before = [(parameter.numpy().copy(), parameter.grad.copy()) for parameter in model.parameters()]
    compare_gradients(model, X, Y)
    for parameter, (values, gradient) in zip(model.parameters(), before):
        assert np.array_equal(parameter.numpy(), values) and np.array_equal(parameter.grad, gradient)


def test_shown_as_text_table_and_plain_data(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console
    found = compare_gradients(PlanarClassifier(), X, Y)
    assert json.loads(json.dumps(found.as_dict()))["rows"][8]["name"] == "dW1"
    Console(width=80).print(found)
    table = capsys.readouterr().out
    assert re.search(r"dW1 +4x2 ", table) and "…" not in table and max(map(len, table.splitlines())) <= 80
    assert found._repr_html_().count("<tr>") == 13 and "dW2" in str(found)
    for convention, meaning in CONVENTIONS.items():
        found = compare_gradients(PlanarClassifier(), X, Y, convention)
        assert found.convention == convention and str(found).endswith(meaning) and meaning in found._repr_html_()


@pytest.mark.parametrize(("model", "convention", "message"), [
    (PlanarClassifier(), "both", "course and of_cost"), (nn.Sequential(nn.Tanh()), "of_cost", "no parameters")])
def test_bad_input(model: Any, convention: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        compare_gradients(model, X, Y, convention)


@pytest.mark.parametrize(("examples", "labels", "message"), [
    (X.T, Y, "did you mean X.T"), (X, Y.T, "did you mean|Did you mean"), (X * np.nan, Y, r"X holds nan at \(0, 0\)"),
    (X[:, :0], Y[:, :0], "X is empty"), (np.ones((3, 400)), Y, "columns of W1 must equal rows")])
def test_data_that_do_not_fit(examples: Any, labels: Any, message: str) -> None:
    for check in (lambda: compare_gradients(PlanarClassifier(), examples, labels),
                  lambda: check_backward(lambda parameters, cache, X, Y: {}, PlanarClassifier(), examples, labels)):
        with pytest.raises(InputError) as caught:
            check()
        assert re.search(message, str(caught.value)) or "check_backward" in str(caught.value)


def test_a_saturated_or_ruined_model_gives_no_warning() -> None:
    model = PlanarClassifier()
    model.parameters()[2].data = np.full((1, 4), 1e4)
    assert check_backward(lambda parameters, cache, X, Y: None, model, X, Y).exit_status == 1
    model.parameters()[2].data = np.full((1, 4), np.inf)
    with pytest.raises(InputError, match="W2 of the model is not finite"):
        check_backward(lambda parameters, cache, X, Y: None, model, X, Y)


def test_steps_of_any_network_are_named() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.LeakyReLU(), nn.Linear(3, 2), nn.Softmax())
    steps = named_steps(nn.cross_entropy(model(X), np.vstack([Y, 1 - Y])))
    assert [(name, step.op.name if step.op else "") for name, step in steps.items()] == [
        ("Z1", "add"), ("A1", "leaky_relu"), ("Z2", "add"), ("A2", "softmax")]
    assert isinstance(compare_gradients(PlanarClassifier(), X, Y), Comparison)


def test_own_models_are_held_against_finite_differences() -> None:
    """Any Module with any cost, dropout and batch norm among its layers; nothing is left behind."""
    random = np.random.RandomState(1)
    model = nn.Sequential(nn.Linear(2, 4, random=random), nn.BatchNorm(4), nn.Dropout(0.4, random), nn.Tanh(),
                          nn.Linear(4, 3, random=random), nn.Softmax())
    labels = nn.one_hot(random.randint(3, size=X.shape[1]))
    before = model.state_dict()
    found = compare_gradients(model, X, labels, cost=nn.cross_entropy)
    names = {row.name for row in found.rows if row.differences is not None}
    assert found.ok and names >= {f"d{name}" for name, _ in model.named_parameters()}
    assert all(row.closed_form is None for row in found.rows)
    assert all(np.array_equal(array, before[name]) for name, array in model.state_dict().items())


def test_another_cost_leaves_the_closed_form_aside() -> None:
    found = compare_gradients(PlanarClassifier(), X, Y, cost="mean_squared_error")
    assert found.ok and all(row.closed_form is None for row in found.rows)


def test_a_wrong_vjp_of_an_own_model_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1), nn.Sigmoid())
    monkeypatch.setattr(ops.tanh, "vjps", (lambda g, y, z: g * (1 - y),))
    found = compare_gradients(model, X, Y, cost=nn.binary_cross_entropy)
    assert {"d0.W", "d0.b"} <= {row.name for row in found.rows if row.verdict == "differs from finite differences"}
