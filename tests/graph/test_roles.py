"""Roles: which Tensor is W[1], Z[1], A[1], X, Y, y_hat, J, for every way to write a network."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygrad_course import Tensor, nn
from tinygrad_course.graph.record import recorded, with_backward
from tinygrad_course.graph.roles import Names, Role, course_names, linear_steps, named_steps, roles_of
from tinygrad_course.models import DeepNetwork, LogisticRegression, PlanarClassifier, TwoLayerNetwork

RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(3, 5)), np.array([[1.0, 0, 1, 1, 0]])
CLASSES = np.eye(2)[:, [0, 1, 1, 0, 1]]


def parameter(name: str | None, *shape: int) -> Tensor:
    return Tensor(RANDOM.normal(size=shape), requires_grad=True, name=name)


def cost_of(model: nn.Module, cost: Any = nn.binary_cross_entropy, labels: Any = Y) -> Tensor:
    J: Tensor = cost(model(X), labels)
    return J


def bare_layers() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1), nn.Sigmoid())


class Own(nn.Module):
    """Without nn.Linear: no bias in the first layer, relu by hand, a transposed second weight, 1 - w as a bias."""

    def __init__(self) -> None:
        self.first, self.second, self.shift = parameter(None, 4, 3), parameter(None, 4, 1), parameter(None, 1, 1)

    def forward(self, X: Any) -> Tensor:
        return nn.sigmoid(np.dot(self.second.T, np.maximum(0, self.first @ X)) - self.shift)


def rows() -> Tensor:
    """One example per row: A W + b."""
    return nn.binary_cross_entropy(nn.sigmoid(np.tanh(X.T @ parameter("W1", 3, 4) + parameter("b1", 4))
                                              @ parameter("W2", 4, 1) + parameter("b2", 1)), Y.T)


def shared() -> Tensor:
    W, b = parameter("W", 3, 3), parameter("b", 3, 1)
    return nn.mean_squared_error(W @ np.tanh(W @ X + b) + b, np.ones((3, 5)))


def two_products() -> Tensor:
    """W_x X + W_h H + b is one step."""
    Z = parameter("W_x", 4, 3) @ X + parameter("W_h", 4, 2) @ CLASSES + parameter("b", 4, 1)
    return nn.mean_squared_error(np.tanh(Z), np.ones((4, 5)))


def skip() -> Tensor:
    A = np.tanh(parameter("W1", 3, 3) @ X)
    return nn.binary_cross_entropy(nn.sigmoid(parameter("W3", 1, 3) @ (nn.relu(parameter("W2", 3, 3) @ A) + A)), Y)


def frozen() -> Tensor:
    """A weight without a gradient makes no layer."""
    return nn.binary_cross_entropy(nn.sigmoid(parameter("W1", 1, 4) @ (np.ones((4, 3)) @ X)), Y)


def transposed() -> Tensor:
    A = np.tanh(parameter("W1", 3, 4).T @ X)
    return nn.binary_cross_entropy(nn.sigmoid(parameter("W2", 4, 1).T @ A), Y)


def scaled_afterwards() -> Tensor:
    """What a parameter still meets, here after an operation in between, is no prediction; nor what is before it."""
    A = np.tanh(parameter("W1", 3, 4).T @ X)
    return nn.mean_squared_error(np.exp(np.tanh(parameter("W2", 4, 1).T @ A)) * parameter("scale"), Y)


def used_twice() -> Tensor:
    """W X is Z, since it is used as it is, too; what b is added to it is something else."""
    Z = parameter("W", 2, 3) @ X
    return nn.mean_squared_error(np.tanh(Z) * (Z + parameter("b", 2, 1)), CLASSES)


def product_of_parameters() -> Tensor:
    return nn.mean_squared_error(parameter("V", 1, 2) @ parameter("U", 2, 3) @ X, Y)


def weighted() -> Tensor:
    """Arrays that are no labels: one that meets y_hat in another shape, one of its shape that comes before it."""
    A = np.tanh(parameter("W1", 1, 3) @ X) * np.ones((1, 5))
    y_hat = nn.sigmoid(parameter("W2", 1, 1) @ A)
    return (y_hat * np.ones(5) - Y).sum()


LAYER = "W[{0}] b[{0}] Z[{0}] A[{0}]"
DEEP = " ".join(LAYER.format(l) for l in (1, 2, 3, 4))
TWO = LAYER.format(1) + " " + LAYER.format(2)
NETWORKS: dict[str, tuple[Callable[[], Tensor], str, str]] = {
    "logistic regression": (lambda: LogisticRegression(3).cost(X, Y), "w b Z A X Y J", "A"),
    "planar": (lambda: PlanarClassifier(3).cost(X, Y), f"{TWO} X Y J", "A[2]"),
    "two layers": (lambda: TwoLayerNetwork(3, 4, 1).cost(X, Y), f"{TWO} X Y J", "A[2]"),
    "deep": (lambda: DeepNetwork([3, 5, 4, 3, 1]).cost(X, Y), f"{DEEP} X Y J", "A[4]"),
    "Sequential": (lambda: cost_of(bare_layers()), f"{TWO} X Y J", "A[2]"),
    "softmax": (lambda: cost_of(nn.Sequential(nn.Linear(3, 2), nn.Softmax()), nn.cross_entropy, CLASSES),
                "W b Z A X Y J", "A"),
    "no activation at the end": (lambda: cost_of(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)),
                                                 nn.mean_squared_error), "W[1] b[1] Z[1] A[1] W[2] b[2] Z[2] X Y J",
                                 "Z[2]"),
    "own": (lambda: cost_of(Own()), "P1 P2 P3 Z[1] A[1] Z[2] A[2] X Y J", "A[2]"),
    "rows": (rows, f"{TWO} X Y J", "A[2]"),
    "shared weights": (shared, "W b Z[1] A[1] Z[2] X Y J", "Z[2]"),
    "two products in one step": (two_products, "W_x W_h b Z A X Y J", "A"),
    "skip connection": (skip, "W[1] Z[1] A[1] W[2] Z[2] A[2] W[3] Z[3] A[3] X Y J", "A[3]"),
    "transposed weights": (transposed, "W[1] Z[1] A[1] W[2] Z[2] A[2] X Y J", "A[2]"),
    "scaled afterwards": (scaled_afterwards, "W[1] Z[1] A[1] W[2] Z[2] A[2] scale X", ""),
    "used twice": (used_twice, "W Z A b X Y J", "A"),
    "product of parameters": (product_of_parameters, "V U X", ""),
    "weighted": (weighted, "W[1] Z[1] A[1] W[2] Z[2] A[2] X Y J", "A[2]"),
    "frozen weight": (frozen, "W[1] Z[1] A[1] X Y J", "A[1]"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_roles_of_every_kind_of_network(name: str) -> None:
    build, expected, prediction = NETWORKS[name]
    J = build()
    roles = roles_of(recorded([J]))
    assert sorted(role.name for role in roles.values()) == sorted(expected.split())
    assert [role.name for role in roles.values() if role.predicts] == prediction.split()
    assert (roles[J].name == "J") if J in roles else not prediction
    if name == "weighted":
        assert [np.array_equal(tensor, Y) for tensor, role in roles.items() if role.kind == "labels"] == [True]


@pytest.mark.parametrize("model", [PlanarClassifier(3), DeepNetwork([3, 5, 4, 1]), bare_layers()],
                         ids=["planar", "deep", "Sequential"])
def test_a_step_is_what_its_role_says(model: Any) -> None:
    """Z[l] = W[l] A[l-1] + b[l] and A[l] = g(Z[l]) hold for the arrays that have these roles."""
    roles = roles_of(recorded([cost_of(model)]), course_names(model))
    array = {role.name: tensor._data for tensor, role in roles.items()}
    names = [role for role in array if role.startswith("Z")]
    previous = array["X"]
    for l in range(1, len(names) + 1):
        np.testing.assert_allclose(array[f"Z[{l}]"], array[f"W[{l}]"] @ previous + array[f"b[{l}]"], rtol=1e-14)
        previous = array[f"A[{l}]"]
    np.testing.assert_array_equal(previous, model(X)._data)
    assert np.array_equal(array["X"], X) and np.array_equal(array["Y"], Y)


def test_gradients_have_the_roles_of_what_they_belong_to() -> None:
    model = PlanarClassifier(3)
    record = with_backward(recorded([model.cost(X, Y)]))
    roles = roles_of(record)
    gradients = {roles[gradient].name: gradient for gradient in record.gradient_of if gradient in roles}
    assert set(gradients) >= {"dZ[2]", "dW[2]", "db[2]", "dA[1]", "dZ[1]", "dW[1]", "db[1]"}
    by_hand = model.closed_form(X, Y, steps=True)
    for name in ("dZ[1]", "dZ[2]", "dA[1]"):  # per example by hand, of the cost in the graph
        assert roles[gradients[name]].convention == "of_cost"
        key = name.replace("[", "").replace("]", "")
        np.testing.assert_allclose(gradients[name]._data * X.shape[1], by_hand[key], rtol=1e-12)
    assert Role("Z", "linear", 1).gradient("course").name == "dZ[1]"
    assert Role("Z", "linear", 1).gradient().key == "dZ1" and Role("X", "data").key == "X"


def test_a_gradient_handed_on_unchanged_belongs_to_z() -> None:
    Z = parameter("W1", 3, 3) @ X + parameter("b1", 3, 5)
    record = with_backward(recorded([Z.sum()]))
    product = Z.parents[0]
    assert record.total[product] is record.total[Z]
    assert roles_of(record)[record.total[product]].name == "dZ[1]"


def test_steps_without_a_cost_and_of_one_example() -> None:
    y_hat = bare_layers()(X[:, :1])
    roles = roles_of(recorded([y_hat]))
    assert roles[y_hat].name == "A[2]" and roles[y_hat].predicts and "J" not in {r.name for r in roles.values()}
    assert list(named_steps(y_hat)) == ["Z1", "A1", "Z2", "A2"]
    several = bare_layers()(X) * 2.0
    assert several not in roles_of(recorded([several]))


def test_linear_steps_say_what_they_are_made_of() -> None:
    model = Own()
    first, second = linear_steps(recorded([cost_of(model)]))
    assert first.weights[0] is model.first and first.biases == [] and first.Z is first.products[0]
    assert second.weights[0] is model.second and second.biases[0] is model.shift and second.Z is not second.products[0]
    assert first.activation is second.inputs[0] and (first.layer, second.layer) == (1, 2)


def test_branches_have_numbers_of_their_own() -> None:
    W = [parameter(None, 2, 3) for _ in range(2)]
    roles = roles_of(recorded([np.concatenate([np.tanh(W[0] @ X), np.tanh(W[1] @ X)]).sum()]))
    assert {"Z[1]", "A[1]", "Z[2]", "A[2]"} <= {role.name for role in roles.values()}


def test_names_of_the_user_and_of_a_model() -> None:
    W = parameter("weights", 2, 3)
    Z = W @ Tensor(X, name="pixels")
    doubled = Z * 2.0
    doubled.name = "weights"
    J = doubled.sum()
    J.name = "loss"
    roles = roles_of(recorded([J]), cost=J)
    assert [role.name for role in roles.values()] == ["weights", "Z", "pixels", "weights1", "loss"]
    model = nn.Sequential(nn.Linear(3, 2), nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1)))
    assert list(course_names(model).values()) == ["W[1]", "b[1]", "W[2]", "b[2]", "W[3]", "b[3]"]


def test_names_are_given_once() -> None:
    names = Names(["T2", "x"])
    assert [names.give("T", numbered=True) for _ in range(3)] == ["T1", "T3", "T4"]
    assert [names.give("x") for _ in range(2)] + [names.give("W", True), names.give("W", True)] == [
        "x1", "x2", "W[1]", "W[2]"]
    assert names.give("y") == "y" and names.give("y") == "y1" and names.give("y1") == "y11"


def test_the_prediction_of_a_regularised_cost() -> None:
    """The penalty uses parameters after y_hat, but not on what comes from it."""
    W1, W2 = parameter("W1", 4, 3), parameter("W2", 1, 4)
    y_hat = nn.sigmoid(W2 @ np.tanh(W1 @ X))
    J = nn.binary_cross_entropy(y_hat, Y) + 0.1 * ((W1 ** 2).sum() + np.sum(np.square(W2)))
    roles = roles_of(recorded([J]))
    assert roles[y_hat].predicts and roles[J].name == "J" and len([r for r in roles.values() if r.predicts]) == 1
