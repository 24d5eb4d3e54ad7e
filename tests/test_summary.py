"""The shape table of a network, as the course writes it, with the numbers of parameters."""

from typing import Any

import numpy as np
import pytest

from tinygrad_course import Tensor, nn
from tinygrad_course.errors import InputError
from tinygrad_course.models import DeepNetwork, LogisticRegression, PlanarClassifier, TwoLayerNetwork
from tinygrad_course.nn import summary
from tinygrad_course.summary import shape_table

TABLES = [
    (LogisticRegression(12288), 209, """\
LogisticRegression
         shape of W  shape of b  linear step    shape of activation
Layer 1  (12288, 1)  ()          z = w^T X + b  (1, 209)
parameters: 12289"""),
    (PlanarClassifier(), 400, """\
PlanarClassifier
         shape of W  shape of b  linear step              shape of activation
Layer 1  (4, 2)      (4, 1)      Z[1] = W[1] X + b[1]     (4, 400)
Layer 2  (1, 4)      (1, 1)      Z[2] = W[2] A[1] + b[2]  (1, 400)
parameters: 12 + 5 = 17"""),
    (TwoLayerNetwork(12288, 7, 1), 209, """\
TwoLayerNetwork
         shape of W  shape of b  linear step              shape of activation
Layer 1  (7, 12288)  (7, 1)      Z[1] = W[1] X + b[1]     (7, 209)
Layer 2  (1, 7)      (1, 1)      Z[2] = W[2] A[1] + b[2]  (1, 209)
parameters: 86023 + 8 = 86031"""),
    (DeepNetwork([12288, 20, 7, 5, 1]), 209, """\
DeepNetwork
         shape of W   shape of b  linear step              shape of activation
Layer 1  (20, 12288)  (20, 1)     Z[1] = W[1] X + b[1]     (20, 209)
Layer 2  (7, 20)      (7, 1)      Z[2] = W[2] A[1] + b[2]  (7, 209)
Layer 3  (5, 7)       (5, 1)      Z[3] = W[3] A[2] + b[3]  (5, 209)
Layer 4  (1, 5)       (1, 1)      Z[4] = W[4] A[3] + b[4]  (1, 209)
parameters: 245780 + 147 + 40 + 6 = 245973"""),
    (nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 5), nn.Softmax()), 10, """\
Sequential
         shape of W  shape of b  linear step              shape of activation
Layer 1  (2, 3)      (2, 1)      Z[1] = W[1] X + b[1]     (2, 10)
Layer 2  (5, 2)      (5, 1)      Z[2] = W[2] A[1] + b[2]  (5, 10)
parameters: 8 + 15 = 23"""),
]


@pytest.mark.parametrize("model, m, expected", TABLES, ids=[type(model).__name__ for model, _, _ in TABLES])
def test_the_whole_table(model: nn.Module, m: int, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    table = summary(model, m)
    assert repr(table) == str(table) == expected and capsys.readouterr().out == ""
    html = table._repr_html_()
    assert html.count("<tr>") == expected.count("\n") - 1 and expected.split("parameters: ")[1] in html
    assert max(map(len, expected.splitlines())) <= 80


class Nested(nn.Module):
    """Layers wherever a Module can hold them, some parameters that belong to none, and a circle."""

    def __init__(self) -> None:
        self.first = nn.Sequential(nn.Linear(4, 3), nn.Sequential(nn.Linear(3, 3)))
        self.branches = {"left": [nn.Linear(3, 2)], "right": (nn.Linear(2, 1), "no layer")}
        self.slope = Tensor(np.ones((1, 5)), requires_grad=True)
        self.itself = self


def lines(model: Any, m: int = 6) -> list[str]:
    return [" ".join(line.split()) for line in str(shape_table(model, m)).splitlines()]


def test_nested_modules() -> None:
    assert lines(Nested()) == [
        "Nested", "shape of W shape of b linear step shape of activation",
        "Layer 1 (3, 4) (3, 1) Z[1] = W[1] X + b[1] (3, 6)",
        "Layer 2 (3, 3) (3, 1) Z[2] = W[2] A[1] + b[2] (3, 6)",
        "Layer 3 (2, 3) (2, 1) Z[3] = W[3] A[2] + b[3] (2, 6)",
        "Layer 4 (1, 2) (1, 1) Z[4] = W[4] A[3] + b[4] (1, 6)",
        "parameters: 15 + 12 + 8 + 3 + 5 outside the layers = 43"]


def test_a_layer_used_twice_is_shown_twice_and_counted_once() -> None:
    layer = nn.Linear(2, 2)
    assert lines(nn.Sequential(layer, nn.Tanh(), layer))[-2:] == [
        "Layer 2 (2, 2) (2, 1) Z[2] = W[2] A[1] + b[2] (2, 6)", "parameters: 6 + 0 = 6"]


def test_frozen_parameters_are_not_counted() -> None:
    layer = nn.Linear(2, 3)
    layer.b = Tensor(np.zeros((3, 1)))
    assert lines(layer) == ["Linear", "shape of W shape of b linear step shape of activation",
                            "Layer 1 (3, 2) (3, 1) Z[1] = W[1] X + b[1] (3, 6)", "parameters: 6"]


class NoLayers(nn.Module):
    def __init__(self) -> None:
        self.scale = Tensor(np.ones((2, 2)), requires_grad=True)


@pytest.mark.parametrize("model, expected", [
    (NoLayers(), ["NoLayers", "no linear layers", "parameters: 4"]),
    (nn.Tanh(), ["Tanh", "no linear layers", "parameters: 0"]),
], ids=["parameters", "none"])
def test_no_layers(model: nn.Module, expected: list[str]) -> None:
    assert lines(model) == expected


@pytest.mark.parametrize("m", [0, -1, 2.0, "209", np.zeros((2, 400))])
def test_m_is_the_number_of_examples(m: Any) -> None:
    with pytest.raises(InputError, match="the number of examples is needed"):
        summary(PlanarClassifier(), m)


class OwnNetwork(nn.Module):
    """Without `Linear`: a gate that comes first, a layer without bias, and w (n_x, n_y) that is transposed."""

    def __init__(self) -> None:
        self.gate = Tensor(np.ones((3, 1)), requires_grad=True)
        self.W1 = Tensor(np.ones((4, 3)), requires_grad=True)
        self.V2 = Tensor(np.ones((4, 2)), requires_grad=True)
        self.b2 = Tensor(np.ones((2, 1)), requires_grad=True)

    def forward(self, X: Any) -> Tensor:
        A = np.maximum(0, self.W1 @ (X * self.gate))
        return nn.softmax(self.V2.T @ A + self.b2)


def test_layers_of_any_model_that_can_be_run() -> None:
    assert lines(OwnNetwork()) == [
        "OwnNetwork", "shape of W shape of b linear step shape of activation",
        "Layer 1 (4, 3) Z[1] = W[1] X (4, 6)",
        "Layer 2 (4, 2) (2, 1) Z[2] = V[2]^T A[1] + b[2] (2, 6)",
        "parameters: 12 + 10 + 3 outside the layers = 25"]
