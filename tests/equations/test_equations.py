"""Equations derived from a graph: as the course writes them, and their NumPy source against autodiff."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tinygrad_course import InputError, Tensor, grad, hessian, nn, no_grad, ops
from tinygrad_course.autodiff import topological_order
from tinygrad_course.equations import Derivation, derive
from tinygrad_course.graph.roles import CONVENTIONS
from tinygrad_course.models import DeepNetwork, LogisticRegression, PlanarClassifier, TwoLayerNetwork

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(3, 7))
Y = 1.0 * (RANDOM.random((1, 7)) < 0.5)
CLASSES = np.eye(4)[:, RANDOM.integers(0, 4, 7)]


def parameter(name: str | None, *shape: int) -> Tensor:
    return Tensor(RANDOM.normal(size=shape) / 2, requires_grad=True, name=name)


def lines(derivation: Derivation, **how: Any) -> tuple[list[str], list[str]]:
    forward, backward = derivation.text(**how).split("\n\n")
    assert forward.startswith("Forward\n") and backward.startswith("Backward")
    return forward.splitlines()[1:], backward.splitlines()[1:]


def executed(derivation: Derivation, *arguments: Any) -> Any:
    """What the source computes, of the inputs that the derivation was made with unless others are given."""
    source = derivation.source()
    namespace: dict[str, Any] = {}
    exec(source, namespace)
    assert [line for line in source.splitlines() if "import" in line] == ["import numpy as np"]
    return namespace["gradients"](*(arguments or derivation.inputs.values()))


# ------------------------------------------------------------------------------------- as the course writes them

COST = "J = -(1/m) np.sum(Y * log({0}) + (1 - Y) * log(1 - {0}))"


def test_logistic_regression() -> None:
    assert lines(derive(LogisticRegression(5))) == (
        ["Z = w^T X + b", "A = sigmoid(Z)", "y_hat = A", COST.format("A")],
        ["dZ = A - Y", "dw = (1/m) X dZ^T", "db = (1/m) np.sum(dZ)"])


@pytest.mark.parametrize("model, g, slope", [
    (PlanarClassifier(), "tanh", "(1 - A[1]^2)"), (TwoLayerNetwork(5, 3, 1), "relu", "(Z[1] > 0)")])
def test_two_layers(model: nn.Module, g: str, slope: str) -> None:
    forward = ["Z[1] = W[1] X + b[1]", f"A[1] = {g}(Z[1])", "Z[2] = W[2] A[1] + b[2]", "A[2] = sigmoid(Z[2])",
               "y_hat = A[2]", COST.format("A[2]")]
    backward = ["dZ[2] = A[2] - Y",
                "dW[2] = (1/m) dZ[2] A[1]^T",
                "db[2] = (1/m) np.sum(dZ[2], axis=1, keepdims=True)",
                "dZ[1] = W[2]^T dZ[2] * g[1]'(Z[1])",
                "dW[1] = (1/m) dZ[1] X^T",
                "db[1] = (1/m) np.sum(dZ[1], axis=1, keepdims=True)"]
    assert lines(derive(model)) == (forward, backward)
    backward[3] = f"dZ[1] = W[2]^T dZ[2] * {slope}"
    assert lines(derive(model, spelled_out=True)) == lines(derive(model), spelled_out=True) == (forward, backward)


@pytest.mark.parametrize("dims", [[4, 1], [4, 3, 1], [5, 4, 3, 1], [5, 5, 5, 5, 2], [2, 3, 2, 3, 2, 3, 1]])
def test_deep_network(dims: list[int]) -> None:
    forward, backward, L = [], [], len(dims) - 1
    for l in range(1, L + 1):
        before, g = f"A[{l - 1}]" if l > 1 else "X", "relu" if l < L else "sigmoid"
        forward += [f"Z[{l}] = W[{l}] {before} + b[{l}]", f"A[{l}] = {g}(Z[{l}])"]
    for l in range(L, 0, -1):
        dZ = f"W[{l + 1}]^T dZ[{l + 1}] * g[{l}]'(Z[{l}])" if l < L else f"A[{L}] - Y"
        backward += [f"dZ[{l}] = {dZ}", f"dW[{l}] = (1/m) dZ[{l}] {f'A[{l - 1}]' if l > 1 else 'X'}^T",
                     f"db[{l}] = (1/m) np.sum(dZ[{l}], axis=1, keepdims=True)"]
    assert lines(derive(DeepNetwork(dims))) == ([*forward, f"y_hat = A[{L}]", COST.format(f"A[{L}]")], backward)


def test_softmax_output_and_other_activations() -> None:
    network = nn.Sequential(nn.Linear(3, 5), nn.LeakyReLU(0.1), nn.Linear(5, 4), nn.Sigmoid(), nn.Linear(4, 4),
                            nn.Softmax())
    forward, backward = lines(derive(network, cost=nn.cross_entropy, spelled_out=True))
    assert forward == ["Z[1] = W[1] X + b[1]", "A[1] = leaky_relu(Z[1], slope=0.1)", "Z[2] = W[2] A[1] + b[2]",
                       "A[2] = sigmoid(Z[2])", "Z[3] = W[3] A[2] + b[3]", "A[3] = softmax(Z[3], axis=0)",
                       "y_hat = A[3]", "J = -(1/m) np.sum(Y * log(A[3]))"]
    assert backward[::3] == ["dZ[3] = A[3] - Y", "dZ[2] = W[3]^T dZ[3] * A[2] * (1 - A[2])",
                             "dZ[1] = W[2]^T dZ[2] * where(Z[1] > 0, 1, 0.1)"]


def test_a_sigmoid_and_a_cross_entropy_written_by_hand_collapse() -> None:
    class ByHand(PlanarClassifier):
        def cost(self, X: Any, Y: Any) -> Tensor:
            A, m = self(X), X.shape[1]
            return -1 / m * np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A))  # type: ignore[no-any-return]

    assert lines(derive(ByHand())) == lines(derive(PlanarClassifier()))
    model = ByHand()
    assert lines(derive(model, X[:2], Y))[1] == lines(derive(model))[1]


def test_convention_of_the_cost() -> None:
    _, backward = lines(derive(PlanarClassifier(), convention="of_cost"))
    for convention, meaning in CONVENTIONS.items():
        derivation = derive(PlanarClassifier(), convention=convention)
        for output in (derivation.text(), derivation.html(), derivation.latex()):
            assert meaning in output and sum(text in output for text in CONVENTIONS.values()) == 1
    assert derive(parameter("w", 2).sum()).meaning == CONVENTIONS["of_cost"]  # nothing carries 1/m
    assert backward == ["dZ[2] = (1/m) (A[2] - Y)", "dW[2] = dZ[2] A[1]^T",
                        "db[2] = np.sum(dZ[2], axis=1, keepdims=True)", "dZ[1] = W[2]^T dZ[2] * g[1]'(Z[1])",
                        "dW[1] = dZ[1] X^T", "db[1] = np.sum(dZ[1], axis=1, keepdims=True)"]
    assert executed(derive(PlanarClassifier(), convention="of_cost"))["W1"] == pytest.approx(
        executed(derive(PlanarClassifier()))["W1"], rel=1e-12)


def test_shared_weights_add_up_in_one_equation() -> None:
    W, b = parameter("W", 3, 3), parameter("b", 3, 1)
    J = nn.mean_squared_error(W @ np.tanh(W @ X + b) + b, np.ones((3, 7)) * [[1], [2], [3]])
    assert lines(derive(J))[1] == [
        "dZ[2] = 2 (Z[2] - Y)", "dZ[1] = W^T dZ[2] * g[1]'(Z[1])", "dW = (1/m) (dZ[2] A[1]^T + dZ[1] X^T)",
        "db = (1/m) (np.sum(dZ[2], axis=1, keepdims=True) + np.sum(dZ[1], axis=1, keepdims=True))"]


def test_skip_connection_adds_up_where_the_paths_meet() -> None:
    W1, W2, W3 = parameter("W1", 3, 3), parameter("W2", 3, 3), parameter("W3", 1, 3)
    A = np.tanh(W1 @ X)
    J = nn.binary_cross_entropy(nn.sigmoid(W3 @ (nn.relu(W2 @ A) + A)), Y)
    assert "dZ[1] = (dA[2] + W[2]^T dZ[2]) * g[1]'(Z[1])" in lines(derive(J))[1]
    derivation = derive(nn.binary_cross_entropy(nn.sigmoid(W3 @ (nn.relu(W1 @ X) + X)), Y))  # X twice is one X
    assert "Z[3] = W[3] (A[1] + X)" in lines(derivation)[0] and list(derivation.inputs) == ["X", "Y", "W[1]", "W[3]"]


def test_a_cost_that_is_a_sum_has_no_m() -> None:
    W = parameter("W", 1, 3)
    assert lines(derive(nn.binary_cross_entropy(nn.sigmoid(W @ X), Y, "sum")))[1] == ["dZ = A - Y", "dW = dZ X^T"]


def test_only_one_hot_labels_are_taken_to_add_up_to_one() -> None:
    A = nn.softmax(parameter("W", 4, 3) @ X)
    assert lines(derive(nn.cross_entropy(A, CLASSES)))[1][0] == "dZ = A - Y"
    assert lines(derive(nn.cross_entropy(A, CLASSES * 0.9)))[1][0] == \
        "dZ = A * np.sum(Y, axis=0, keepdims=True) - Y"


def test_masks_are_part_of_the_equations() -> None:
    derivation = derive(parameter("w", 3, 4).max(axis=1).sum())
    assert list(derivation.inputs) == ["w"]
    assert lines(derivation)[1] == ["dw = (w == np.max(w, axis=1, keepdims=True)) / np.sum(w == np.max(w, axis=1, "
                                    "keepdims=True), axis=1, keepdims=True)"]


def test_unicode() -> None:
    forward, backward = lines(derive(PlanarClassifier(), spelled_out=True), unicode=True)
    assert forward[3:5] == ["A[2] = σ(Z[2])", "ŷ = A[2]"]
    assert backward[:2] == ["dZ[2] = A[2] − Y", "dW[2] = (1/m) dZ[2] A[1]ᵀ"]
    assert backward[3] == "dZ[1] = W[2]ᵀ dZ[2] ⊙ (1 − A[1]²)"


def test_names_of_the_user() -> None:
    a, b = parameter("slope", 2), parameter(None, 2)
    c = a * b
    c.name = "curve"
    assert lines(derive((c * np.sqrt(np.abs(c)) + 0 * Tensor(2.0, name="lam")).sum()))[0][0] == "curve = slope * P1"
    named = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 1))
    assert list(executed(derive(named, cost=nn.mean_squared_error))) == ["0.W", "0.b", "2.W", "2.b"]


def test_a_bare_cost_has_the_names_of_its_model() -> None:
    """Every nn.Linear calls its parameters W and b; which layer they are of follows from the graph."""
    network = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1), nn.Sigmoid())
    of_cost = derive(nn.binary_cross_entropy(network(X), Y))
    assert str(of_cost) == str(derive(network, cost=nn.binary_cross_entropy))
    assert [array.shape for array in of_cost.inputs.values()] == [(3, 7), (1, 7), (4, 3), (4, 1), (1, 4), (1, 1)]


def test_one_minus_labels_computed_unseen() -> None:
    """1 - Y is an array of its own in the graph; it is written with Y, and takes no name from another one."""
    A = nn.sigmoid(parameter("W", 1, 3) @ X)
    J = -np.mean(Y * np.log(A) + (1 - Y) * np.log(1 - A)) + (A * RANDOM.normal(size=Y.shape)).sum()
    derivation = derive(J)
    assert "(1 - Y) * log(1 - A)" in lines(derivation)[0][-1] and "C2" in str(derivation)
    assert [name for name in derivation.inputs if name != "W"] == ["X", "Y", "C2"]
    check_source(J)
    derivation = derive(nn.binary_cross_entropy(nn.sigmoid(parameter("w", 1, 1) @ (1 - Y)), Y))
    assert lines(derivation)[0][0] == "Z = w X" and "X" in derivation.inputs  # data are data, whatever they equal


# ------------------------------------------------------------------------------------------- the number of examples


def test_m_is_found_by_comparing_two_numbers_of_examples() -> None:
    """Constants that come from m in any way; the layer's sizes are those that m could be taken for."""
    class Model(nn.Module):
        def __init__(self) -> None:
            self.W = Tensor(np.ones((101, 103)) / 100, requires_grad=True, name="W")

        def cost(self, X: Any, Y: Any) -> Tensor:
            m, A = X.shape[1], np.tanh(self.W @ X)
            three = np.concatenate([A, A * A, np.square(A) * A], axis=1)
            J: Tensor = np.sum(A * 101) / m + 1 / m * A.mean() + A.var(ddof=0) / (m - 1) + 0.7 / (2 * m) * np.sum(
                self.W ** 2) + np.sum(A[:, 1:m - 1]) * 103 + np.sum(three[3]) + np.sum(three[:, -2:] ** 2)
            return J

        def forward(self, X: Any) -> Tensor:
            return self.W @ X

    derivation = derive(Model())
    text = derivation.text()
    assert "107" not in text and "109" not in text and "103" in text and "m - 1" in text
    X = RANDOM.normal(size=(103, 5)) / 10
    model = Model()
    model.cost(X, None).backward()
    got = executed(derivation, X, model.W.data)["W"]
    np.testing.assert_allclose(got, model.W.grad, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("model", [
    LogisticRegression(4), PlanarClassifier(), TwoLayerNetwork(5, 3, 1), DeepNetwork([4, 4, 3, 2])])
def test_source_of_a_model_holds_for_other_data(model: Any) -> None:
    parameters = dict(model.named_parameters())
    n_x = next(iter(parameters.values())).shape[0 if "w" in parameters else 1]
    source = derive(model).source()
    for m in (1, 2, 9):
        data = RANDOM.normal(size=(n_x, m))
        labels = RANDOM.integers(0, 2, size=model(data).shape).astype(float)
        namespace: dict[str, Any] = {}
        exec(source, namespace)
        arrays = {name: p.data for name, p in parameters.items()}
        got = namespace["gradients"](X=data, Y=labels, **arrays)
        closed = model.closed_form(data, labels)
        assert list(got) == list(closed)
        for name in closed:
            np.testing.assert_allclose(got[name], closed[name], rtol=1e-12, atol=1e-15)


def test_an_m_that_is_another_size_of_the_graph_is_not_used() -> None:
    """No parameter has the size 101, and yet it is there."""
    class Model(nn.Module):
        def __init__(self) -> None:
            self.w = Tensor(np.ones((1, 3)), requires_grad=True, name="w")

        def forward(self, X: Any) -> Tensor:
            return self.w @ X

        def cost(self, X: Any, Y: Any) -> Tensor:
            return (self(X).T @ np.linspace(1, 2, 101).reshape(1, 101)).mean(axis=1).sum()

    assert "(1/101)" in str(derive(Model())) and "1/m" not in str(derive(Model()))
    data = RANDOM.normal(size=(3, 4))
    model = Model()
    model.cost(data, None).backward()
    derivation = derive(Model())
    got = executed(derivation, data, *list(derivation.inputs.values())[1:])["w"]
    np.testing.assert_allclose(got, model.w.grad, rtol=1e-12)


def test_an_ambiguous_size_stays_a_number() -> None:
    w, b = parameter("w", 7, 1), parameter("b")
    J = nn.mean_squared_error(w.T @ RANDOM.normal(size=(7, 7)) + b, Y)
    assert "(1/7)" in str(derive(J)) and "m" not in derive(J).source().split("Z =")[1].replace("sum", "")
    assert "(1/m)" in str(derive(nn.mean_squared_error(parameter("w", 3, 1).T @ X + b, Y)))


# -------------------------------------------------------------------------------------------- any composition

Build = Callable[[], Tensor]
COMPOSITIONS: dict[str, Build] = {}


def composition(build: Build) -> Build:
    COMPOSITIONS[build.__name__] = build
    return build


def two_layers(g: Any, last: Any, cost: Any, labels: Any = Y) -> Build:
    def build() -> Tensor:
        W1, b1 = parameter("W1", 4, 3), parameter("b1", 4, 1)
        W2, b2 = parameter("W2", len(labels), 4), parameter("b2", len(labels), 1)
        J: Tensor = cost(last(W2 @ g(W1 @ X + b1) + b2), labels)
        return J
    return build


ACTIVATIONS = {"sigmoid": nn.sigmoid, "tanh": nn.tanh, "relu": nn.relu, "leaky_relu": nn.leaky_relu,
               "softplus": nn.softplus}
COMPOSITIONS.update({f"hidden_{name}": two_layers(g, nn.sigmoid, nn.binary_cross_entropy)
                     for name, g in ACTIVATIONS.items()})
COMPOSITIONS.update({f"last_{name}": two_layers(nn.tanh, g, nn.mean_squared_error)
                     for name, g in ACTIVATIONS.items()})
COMPOSITIONS.update({f"{cost.__name__}_{reduction}": two_layers(
    nn.tanh, nn.softmax if cost in (nn.cross_entropy, nn.J_CE) else nn.sigmoid,
    lambda A, Y, cost=cost, reduction=reduction: np.sum(np.square(cost(A, Y, reduction))),
    CLASSES if cost is not nn.binary_cross_entropy else Y)
    for cost in (nn.binary_cross_entropy, nn.cross_entropy, nn.mean_squared_error, nn.J_1, nn.J_CE)
    for reduction in ("mean", "sum", "none")})
COMPOSITIONS.update({
    "unfused_binary": two_layers(nn.tanh, nn.sigmoid, lambda A, Y: nn.binary_cross_entropy(A, Y, fused=False)),
    "unfused": two_layers(nn.tanh, nn.softmax, lambda A, Y: nn.cross_entropy(A, Y, fused=False), CLASSES),
    "softmax_and_squares": two_layers(nn.relu, nn.softmax, nn.mean_squared_error, CLASSES)})


@composition
def shared_weights() -> Tensor:
    W, b = parameter("W", 3, 3), parameter("b", 3, 1)
    return nn.mean_squared_error(W @ np.tanh(W @ np.tanh(W @ X + b) + b) + b, X)


@composition
def skip() -> Tensor:
    W1, W2, W3 = parameter("W1", 3, 3), parameter("W2", 3, 3), parameter("W3", 1, 3)
    A = nn.relu(W1 @ X) + X
    return nn.binary_cross_entropy(nn.sigmoid(W3 @ (np.tanh(W2 @ A) + A)), Y)


@composition
def several_costs() -> Tensor:
    A = nn.sigmoid(parameter("W", 1, 3) @ X)
    return nn.binary_cross_entropy(A, Y) * nn.J_1(A, Y) + nn.mean_squared_error(A, Y, "none").sum()


@composition
def regularised() -> Tensor:
    W1, W2 = parameter("W1", 4, 3), parameter("W2", 1, 4)
    J = nn.binary_cross_entropy(nn.sigmoid(W2 @ np.tanh(W1 @ X)), Y)
    return J + 0.7 / (2 * 7) * ((W1 ** 2).sum() + np.sum(np.square(W2)))


@composition
def recurrent() -> Tensor:
    W_x, W_h, b = parameter("W_x", 4, 3), parameter("W_h", 4, 4), parameter("b", 4, 1)
    H: Any = np.zeros((4, 1))
    for t in range(4):
        H = np.tanh(W_x @ X[:, t:t + 1] + W_h @ H + b)
    return (H ** 2).sum()  # type: ignore[no-any-return]


@composition
def swish() -> Tensor:
    Z = parameter("W1", 4, 3) @ X + parameter("b1", 4, 1)
    return nn.mean_squared_error(parameter("W2", 1, 4) @ (Z * nn.sigmoid(Z)), Y)


@composition
def layer_norm() -> Tensor:
    Z = parameter("W1", 4, 3) @ X
    N = (Z - Z.mean(axis=0, keepdims=True)) / np.sqrt(Z.var(axis=0, keepdims=True) + 1e-5)
    return (parameter("gamma", 4, 1) * N * N * N).mean()


@composition
def linear_regression() -> Tensor:
    return np.mean((parameter("w", 3, 1).T @ X + parameter("b") - Y) ** 2)  # type: ignore[return-value]


@composition
def rows_as_examples() -> Tensor:
    return np.mean((np.tanh(X.T @ parameter("W", 3, 2) + parameter("b", 2)) - 0.3) ** 2)  # type: ignore[return-value]


@composition
def broadcasts() -> Tensor:
    a, b, d, e = parameter("a", 3, 1), parameter("b", 1, 7), parameter("d", 7), parameter("e", 2, 1, 7)
    return (a * b + d / 2 + a * X + e * a - e).sum()


@composition
def reductions() -> Tensor:
    w = parameter("w", 3, 7)
    return (np.max(w * X) + np.mean(w, axis=0).sum() * 2 + np.var(w) + np.min(w, axis=1).sum()  # type: ignore
            + w.var(axis=0, ddof=1).sum() + w.sum(axis=(0, 1), keepdims=True).sum() * w.max(axis=(0,)).mean())


@composition
def numbers() -> Tensor:
    a, b = parameter("a"), parameter("b")
    return a * b + np.sin(1.0) * a ** 3 / b - 2 ** a + 1 / b


@composition
def powers() -> Tensor:
    a, p = np.abs(parameter("a", 3, 7)) + 0.1, parameter("p", 3, 1)
    return (a ** p).sum() + np.sqrt(a).mean() + (2.0 ** p * a ** 2.5).sum() + np.reciprocal(a).sum()


@composition
def shapes() -> Tensor:
    w = parameter("w", 3, 4)
    return ((w.reshape(4, 3) @ X).ravel()[3:9].sum() + np.concatenate([w, w * 2], axis=1)[1].sum()
            + np.stack([w, w ** 2])[1].T.sum() + np.expand_dims(w, 1).squeeze().broadcast_to(2, 3, 4).mean())


@composition
def indices() -> Tensor:
    w = parameter("w", 5, 3)
    mask = np.array([True, False, True, True, False])
    return ((w[np.array([0, 1, 1, 4])] @ X).sum() + (w[1:3, ::2] ** 2).sum() + (w[mask] ** 3).sum()
            + w[..., -1][2])


@composition
def vectors() -> Tensor:
    w, x, M = parameter("w", 3), parameter("x", 3), parameter("M", 3, 3)
    return w @ M @ x + np.dot(w, x) ** 2 + (M @ x).sum() + np.dot(M, np.ones((2, 3, 4)) * x[0]).sum()


@composition
def batches() -> Tensor:
    a, b = parameter("a", 2, 3, 4), parameter("b", 4, 2)
    return np.tanh(a @ b).sum() + np.transpose(a, (2, 0, 1))[0].sum() * a.swapaxes(0, 2).mean()


@composition
def log_sum_exp() -> Tensor:
    w = parameter("w", 4, 3)
    return (w @ X).logsumexp(axis=0).sum() - (w @ X).log_softmax(axis=0).mean() + (w @ X).softmax(axis=1)[0].max()


@composition
def choices() -> Tensor:
    w = parameter("w", 4, 3)
    Z = w @ X
    return (np.maximum(Z, 0.3).sum() + np.minimum(Z, w @ (X * 2)).sum() + np.clip(Z, -0.5, 0.5).mean()
            + np.where(Z.data > 0, Z, Z ** 2).sum() + (ops.sign(Z) * Z * ops.greater(Z, 0.1)).sum())


@composition
def exponentials() -> Tensor:
    w = parameter("w", 3, 1)
    return np.sum(np.exp(w) * np.log1p(np.exp(w.T @ X)) + np.expm1(w) / (1 + np.square(w))) - 1 / w.sum()


@composition
def cancelled() -> Tensor:
    """Two steps that are the same formula: a gradient with a name leads to nothing."""
    w = parameter("w", 3, 3)
    return (np.mean(np.tanh(np.tanh(w) / 3)) + np.mean(np.tanh((nn.sigmoid(w) - nn.sigmoid(w)) / 3))  # type: ignore
            + np.mean(np.tanh(np.tanh(w) / 3)))


@composition
def an_unused_parameter() -> Tensor:
    return (parameter("W", 1, 3) @ X).sum() + 0 * parameter("V", 2, 2).sum()


@composition
def strange_names() -> Tensor:
    return (parameter("m", 2) * parameter("np", 2) * parameter("lambda", 2) * parameter("W[1]", 2)
            * parameter("W1", 2) * parameter("dW1", 2) * parameter("<b> & 'c'\\", 2) * parameter("1", 2)).sum()


@composition
def a_gradient() -> Tensor:
    """The equations of a backward pass, differentiated again."""
    W1, W2 = parameter("W1", 4, 3), parameter("W2", 1, 4)
    J = nn.binary_cross_entropy(nn.sigmoid(W2 @ np.tanh(W1 @ X)), Y)
    return (grad(J, W1, create_graph=True) * RANDOM.normal(size=(4, 3))).sum()  # type: ignore[no-any-return]


def check_source(J: Tensor) -> None:
    """The source, executed, equals autodiff to 1e-12, in both conventions."""
    leaves = {id(leaf): leaf for step in topological_order(J) for leaf in step.parents
              if leaf.op is None and leaf.requires_grad}
    expected = grad(J, list(leaves.values()))
    for convention in ("course", "of_cost"):
        got = executed(derive(J, convention=convention))
        assert len(got) == len(leaves)
        for leaf, g in zip(leaves.values(), expected):
            computed = got[leaf.name] if leaf.name is not None else next(iter(got.values()))
            assert computed.shape == g.shape and computed.dtype == g.dtype
            np.testing.assert_allclose(computed, g.data, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", COMPOSITIONS)
def test_source_equals_autodiff(name: str) -> None:
    check_source(COMPOSITIONS[name]())


def test_there_are_many_compositions() -> None:
    assert len(COMPOSITIONS) >= 40


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_source_equals_autodiff_on_random_graphs(data: Any) -> None:
    one = {"tanh": np.tanh, "sigmoid": nn.sigmoid, "relu": nn.relu, "square": np.square, "minus": np.negative,
           "exp": lambda x: np.exp(np.tanh(x)), "T": lambda x: x.T, "root": lambda x: np.sqrt(1 + x * x),
           "sum": lambda x: x.sum(axis=1, keepdims=True), "mean": lambda x: x.mean(axis=0, keepdims=True),
           "total": lambda x: x.sum(), "half": lambda x: x / 2, "softplus": nn.softplus, "part": lambda x: x[:, :1]}
    two = {"add": np.add, "subtract": np.subtract, "multiply": np.multiply, "matmul": lambda a, b: a @ b,
           "divide": lambda a, b: a / (2 + np.square(b)), "maximum": np.maximum}
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    nodes: list[Any] = [Tensor(random.normal(size=(3, 3)), requires_grad=True, name=name) for name in ("u", "v")]
    nodes += [Tensor(random.normal(size=(3, 1)), requires_grad=True, name="w"), random.normal(size=(3, 3))]
    for _ in range(data.draw(st.integers(1, 12))):
        x, y = data.draw(st.sampled_from(nodes)), data.draw(st.sampled_from(nodes))
        name = data.draw(st.sampled_from([*one, *two]))
        x = x if isinstance(x, Tensor) else Tensor(x)
        if np.ndim(x) < 2 and name in ("sum", "mean", "T", "part"):
            continue
        try:
            nodes.append(one[name](x) if name in one else two[name](x, y))
        except InputError:  # shapes that do not fit
            continue
    J = sum((np.mean(np.tanh(node / 3)) for node in nodes[-3:]), 0.0)
    if isinstance(J, Tensor) and J.requires_grad:
        check_source(J)


@pytest.mark.parametrize("name", ["hidden_tanh", "hidden_softplus", "softmax_and_squares", "swish", "powers"])
def test_second_derivatives_agree_with_hessian(name: str) -> None:
    J = COMPOSITIONS[name]()
    p = next(leaf for step in topological_order(J) for leaf in step.parents if leaf.op is None and leaf.requires_grad)
    expected = hessian(J, p).data.reshape(p.size, p.size)
    g = grad(J, p, create_graph=True)
    for row, direction in enumerate(np.eye(p.size)):
        got = executed(derive((g * direction.reshape(p.shape)).sum()))[p.name]
        np.testing.assert_allclose(got.reshape(-1), expected[row], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "relu", "matmul", "add", "binary_cross_entropy", "softplus"])
def test_a_wrong_vjp_shows_in_the_equations(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is stored: the equations follow the VJPs."""
    network = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 3), nn.Sigmoid(), nn.Linear(3, 3), nn.ReLU(),
                            nn.Linear(3, 3), nn.Softplus(), nn.Linear(3, 1), nn.Sigmoid())
    before = str(derive(network, cost=nn.binary_cross_entropy, spelled_out=True))
    op = ops.REGISTRY[name]
    right = op.vjps[0]
    monkeypatch.setattr(op, "vjps", (lambda *args, **params: right(*args, **params) * 3, *op.vjps[1:]))  # type: ignore
    assert str(derive(network, cost=nn.binary_cross_entropy, spelled_out=True)) != before


# ------------------------------------------------------------------------------------------------------ the rest


def test_nothing_of_the_model_is_touched_or_kept() -> None:
    model = PlanarClassifier()
    before = model.state_dict()
    derivation = derive(model)
    assert all(parameter.grad is None and parameter.data.flags.writeable for parameter in model.parameters())
    assert all(np.array_equal(value, before[name]) for name, value in model.state_dict().items())
    assert list(derivation.inputs) == ["X", "Y", "W[1]", "b[1]", "W[2]", "b[2]"]
    assert derivation.keys == {"W[1]": "W1", "b[1]": "b1", "W[2]": "W2", "b[2]": "b2"}
    assert repr(derivation) == str(derivation)


def test_single_precision() -> None:
    model = nn.Sequential(nn.Linear(2, 3, dtype="float32"), nn.Tanh(), nn.Linear(3, 1, dtype="float32"))
    got = executed(derive(model, cost=nn.mean_squared_error))
    assert all(g.dtype == np.float32 for g in got.values())


def test_a_deep_graph_needs_no_recursion() -> None:
    layers = 2000  # twice as many as Python's frames
    A: Any = RANDOM.normal(size=(2, 3))
    W = parameter("W", 2, 2)
    for l in range(1, layers + 1):
        A = np.tanh((parameter(f"W{l}", 2, 2) if l % 2 else W) @ A + 0.1)
    derived = derive((A ** 2).sum())
    assert len(derived.forward) > layers and len(derived.backward) > layers


def test_bad_input() -> None:
    class NoCost(nn.Module):
        def __init__(self) -> None:
            self.W = parameter("W", 2, 3)

        def forward(self, X: Any) -> Tensor:
            return self.W @ X

    class Picky(NoCost):
        def forward(self, X: Any) -> Tensor:
            raise InputError("only words")

    with no_grad():
        unrecorded = parameter("w", 2).sum()
    cases: list[tuple[Any, str]] = [
        (lambda: derive(Tensor([1.0])), "no graph"), (lambda: derive(parameter("w")), "w has no graph"),
        (lambda: derive(unrecorded), "no graph"), (lambda: derive(parameter("w", 2) * 2), "one number"),
        (lambda: derive(nn.Tanh()), "Tanh has no parameters"), (lambda: derive(NoCost()), "does not define cost"),
        (lambda: derive(Picky()), r"takes no made-up X.*\(3, 101\).*derive\(model, X, Y\)"),
        (lambda: derive("W X + b"), "a model or the Tensor of a cost is needed, but str was given"),  # type: ignore
        (lambda: derive(PlanarClassifier(), convention="mine"), "convention 'mine' is unknown"),
        (lambda: derive(PlanarClassifier(), X), "both X and Y"),
        (lambda: derive(numbers(), X, Y), "belong to a model"),
        (lambda: derive(NoCost(), cost=lambda A, Y: A), "one number"),
        (lambda: derive(NoCost(), cost=lambda A, Y: A.sum() * np.log(A.shape[1])), "depends on m in an unknown way"),
        (lambda: derive(NoCost(), cost=lambda A, Y: A.sum() if A.shape[1] < 102 else np.tanh(A).sum()),
         "another one for another number of examples"),
    ]
    for call, message in cases:
        with pytest.raises(InputError, match=message):
            call()


def test_signature() -> None:
    assert list(inspect.signature(derive).parameters) == ["what", "X", "Y", "cost", "convention", "spelled_out"]
