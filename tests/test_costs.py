"""The costs against their definitions, in exact decimals and in plain NumPy; also where activations saturate."""

from collections.abc import Callable
from decimal import Decimal, localcontext
from functools import partial
from typing import Any

import numpy as np
import pytest

from tinygrad_course import InputError, Tensor, grad, gradcheck, hessian, nn, no_grad
from tinygrad_course.autodiff import topological_order

LOGITS = [-1000.0, -700.0, -40.0, -1.5, 0.0, 1e-3, 1.5, 40.0, 700.0, 1000.0]
BCE, CE = nn.binary_cross_entropy, nn.cross_entropy


def row(*values: float) -> Any:
    return np.array([values], float)


def operations(cost: Tensor) -> set[str]:
    return {step.op.name for step in topological_order(cost) if step.op is not None}


# ------------------------------------------------------------------------------- fused with its activation


def behind(cost: Any, activation: Any, Y: Any, penalty: float, fused: bool) -> dict[str, Any]:
    """The gradients of a cost, and perhaps a penalty on A, with respect to everything on the way."""
    Z = Tensor(np.array([[0.3, -1, 2], [0.5, 0.25, -2]]), requires_grad=True)
    Y = Tensor(Y, requires_grad=True)
    A = activation(Z)
    J = cost(A, Y, fused=fused) + penalty * (A * A).sum() + cost(A, np.abs(Y.data), "sum", fused=fused)
    (dA,) = grad(J, [A])
    both = grad(J, [Z, A, Y], create_graph=True)
    second = grad((both[0] * both[1] * both[1]).sum(), Z)
    J.backward()
    np.testing.assert_allclose(dA.data, A.grad, rtol=1e-13)
    np.testing.assert_allclose(both[1].data, A.grad, rtol=1e-13)
    return {"A": A.grad, "Z": Z.grad, "Y": Y.grad, "dZ": both[0].data, "second": second.data}


@pytest.mark.parametrize("penalty", [0.0, 2.0])
@pytest.mark.parametrize("cost, activation, Y", [
    (BCE, nn.sigmoid, [[1.0, 0, 1], [0.25, 0, 1]]),
    (CE, nn.softmax, [[1.0, 0, 0.5], [0, 1, 0.5]]),
], ids=["binary", "several"])
def test_gradients_of_every_tensor_are_those_of_the_unfused_cost(cost: Any, activation: Any, Y: Any,
                                                                 penalty: float) -> None:
    found, expected = (behind(cost, activation, np.array(Y), penalty, fused) for fused in (True, False))
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-12, atol=1e-14, err_msg=name)


def test_the_gradient_of_a_saturated_activation() -> None:
    """dA is infinite where the label is wrong; dZ = A - Y is not, and does not become NaN."""
    Z, Y = Tensor(row(1000, 1000, -1000, -1000), requires_grad=True), row(1, 0, 1, 0)
    A = nn.sigmoid(Z)
    BCE(A, Y, "sum").backward()
    np.testing.assert_array_equal(A.grad, row(-1, np.inf, -np.inf, 1))
    np.testing.assert_array_equal(Z.grad, row(0, 1, -1, 0))


def test_the_gradient_of_an_activation_is_that_of_the_labels_that_the_cost_saw() -> None:
    """It is computed when it is read: what was changed in place meanwhile must not reach it."""
    Z, Y = Tensor(row(0.3, -1), requires_grad=True), row(1, 0)
    A = nn.sigmoid(Z)
    J = BCE(A, Y)
    J.backward()
    expected = (-Y / A.data + (1 - Y) / (1 - A.data)) / 2
    Y[:], J.grad[...] = 0.5, 7
    Z.data -= 1
    np.testing.assert_allclose(A.grad, expected, rtol=1e-15)
    assert A.grad is A.grad


@pytest.mark.parametrize("y", [0.0, 1.0, 0.3, 0.875, -0.5, 2.0])
@pytest.mark.parametrize("z", LOGITS)
def test_binary_cross_entropy_of_logits_is_exact(z: float, y: float) -> None:
    """The definition, computed with 1000 digits: there 1 - sigmoid(1000) is not 0."""
    with localcontext() as context:
        context.prec = 1000
        a = 1 / (1 + Decimal(-z).exp())
        expected = float(-Decimal(y) * a.ln() - (1 - Decimal(y)) * (1 - a).ln())
    np.testing.assert_allclose(BCE(nn.sigmoid(row(z)), row(y)).item(), expected, rtol=2e-15)


@pytest.mark.parametrize("y", [(1, 0, 0), (0, 0, 1), (0.2, 0.5, 0.3), (1, 1, 0)])
@pytest.mark.parametrize("z", [(1000, 0, -1000), (0.5, -0.25, 2), (-700, -40, 3)])
def test_cross_entropy_of_logits_is_exact(z: tuple[float, ...], y: tuple[float, ...]) -> None:
    with localcontext() as context:
        context.prec = 1000
        powers = [Decimal(k).exp() for k in z]
        expected = float(-sum(Decimal(label) * (p / sum(powers)).ln() for p, label in zip(powers, y)))
    for axis in (0, -2):
        cost = CE(nn.softmax(row(*z).T, axis=axis), row(*y).T)
        np.testing.assert_allclose(cost.item(), expected, rtol=2e-15, atol=1e-15)


@pytest.mark.parametrize("reduction, share", [("mean", 1 / 10), ("sum", 1)])
@pytest.mark.parametrize("label", [0.0, 1.0, 0.25, -3.0])
def test_the_gradient_is_A_minus_Y_also_where_sigmoid_is_saturated(label: float, reduction: str,
                                                                   share: float) -> None:
    Z, Y = Tensor([LOGITS], requires_grad=True), np.full((1, 10), label)
    A = nn.sigmoid(Z)
    BCE(A, Y, reduction).backward()
    np.testing.assert_allclose(Z.grad, (A.numpy() - Y) * share, rtol=1e-15)
    assert abs(Z.grad[0, 0]) == abs(label) * share and Z.grad[0, -1] == pytest.approx((1 - label) * share)


def test_the_gradient_is_A_minus_Y_also_where_softmax_is_saturated() -> None:
    Z = Tensor([[1000.0, -1000, 0.1], [0, 1000, 0.2], [-1000, 0, 0.3]], requires_grad=True)
    Y = np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]])
    A = nn.softmax(Z)
    nn.J_CE(A, Y).backward()
    np.testing.assert_allclose(Z.grad, A.numpy() - Y, rtol=1e-15)
    np.testing.assert_array_equal(Z.grad[:, 0], [1, 0, -1])


def test_under_no_grad_the_value_is_the_same() -> None:
    Z, Y = Tensor([LOGITS], requires_grad=True), row(*[0, 1] * 5)
    columns, classes = Tensor(Z.numpy().reshape(2, 5), requires_grad=True), np.eye(2)[:, [0, 1, 0, 0, 1]]
    for cost in (lambda: BCE(nn.sigmoid(Z), Y), lambda: CE(nn.softmax(columns), classes)):
        recorded = cost()
        with no_grad():
            free = cost()
        assert recorded.requires_grad and not free.requires_grad
        assert free.item() == recorded.item() > 100 and np.isfinite(free.item())


@pytest.mark.parametrize("cost, name, activation", [
    (BCE, "binary_cross_entropy", "sigmoid"),
    (CE, "cross_entropy", "softmax"),
], ids=["binary", "categorical"])
def test_the_unfused_chain_agrees_where_nothing_is_saturated(cost: Any, name: str, activation: str) -> None:
    random = np.random.RandomState(3)
    Z, Y = Tensor(random.randn(3, 7), requires_grad=True), random.dirichlet(np.ones(3), 7).T
    fused, unfused = (cost(FORMS[activation](Z), Y, fused=fused) for fused in (True, False))
    assert operations(fused) == {name, activation}
    assert "log" in operations(unfused) and name not in operations(unfused)
    np.testing.assert_allclose(fused.item(), unfused.item(), rtol=1e-14)
    fused.backward()
    gradient, Z.grad = Z.grad, None
    unfused.backward()
    np.testing.assert_allclose(gradient, Z.grad, rtol=1e-13)


def test_softmax_along_another_axis_is_not_mistaken_for_classes() -> None:
    """Over the examples: the columns do not add up to 1, so the logits alone do not tell the loss."""
    random = np.random.RandomState(0)
    Z, Y = random.randn(3, 4), np.eye(3)[:, [0, 2, 1, 1]]
    A = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(CE(nn.softmax(Z, axis=1), Y, "sum").item(), -np.sum(Y * np.log(A)), rtol=1e-14)


# -------------------------------------------------------------------------------------- plain probabilities


@pytest.mark.parametrize("cost, A, Y, expected", [
    (BCE, row(0, 1, 0.5), row(0, 1, 1), np.log(2) / 3),
    (BCE, row(0, 1), row(1, 1), np.inf),
    (BCE, row(0, 1), row(0, 0), np.inf),
    (CE, np.array([[1.0, 0], [0, 0.5], [0, 0.5]]), np.array([[1.0, 0], [0, 1], [0, 0]]), np.log(2) / 2),
    (CE, np.array([[1.0], [0]]), np.array([[0.0], [1]]), np.inf),
], ids=["binary right", "binary wrong 0", "binary wrong 1", "classes right", "classes wrong"])
def test_probabilities_of_zero_and_one_give_no_nan(cost: Any, A: Any, Y: Any, expected: float) -> None:
    A = Tensor(A, requires_grad=True)
    J = cost(A, Y)
    assert J.item() == pytest.approx(expected)
    J.backward()
    assert not np.isnan(A.grad).any()
    assert np.isfinite(A.grad).all() == np.isfinite(expected)


# ----------------------------------------------------------------------------- every cost, every reduction

PLAIN: dict[str, tuple[Any, Callable[[Any, Any], Any], str]] = {  # cost, losses in NumPy, default reduction
    "binary": (BCE, lambda A, Y: -Y * np.log(A) - (1 - Y) * np.log(1 - A), "mean"),
    "binary unfused": (partial(BCE, fused=False), lambda A, Y: -Y * np.log(A) - (1 - Y) * np.log(1 - A), "mean"),
    "categorical": (CE, lambda A, Y: -Y * np.log(A), "mean"),
    "categorical unfused": (partial(CE, fused=False), lambda A, Y: -Y * np.log(A), "mean"),
    "J_CE": (nn.J_CE, lambda A, Y: -Y * np.log(A), "sum"),
    "J_1": (nn.J_1, lambda A, Y: np.abs(Y - A), "sum"),
    "squared": (nn.mean_squared_error, lambda A, Y: (A - Y) ** 2, "mean"),
}
FORMS = {  # how y_hat comes from Z
    "given": lambda Z: Z,
    "sigmoid": nn.sigmoid,
    "softmax": nn.softmax,
}
every_cost = pytest.mark.parametrize("name", PLAIN)
every_form = pytest.mark.parametrize("form", FORMS)


def example(shape: tuple[int, ...]) -> tuple[Any, Any]:
    random = np.random.RandomState(sum(shape))
    return random.uniform(0.1, 0.9, shape), random.uniform(0.1, 0.9, shape)


@pytest.mark.parametrize("shape", [(1, 5), (3, 4), (2, 1), (1, 1)], ids=str)
@every_form
@every_cost
def test_value(name: str, form: str, shape: tuple[int, ...]) -> None:
    cost, losses, default = PLAIN[name]
    Z, Y = example(shape)
    y_hat = FORMS["sigmoid" if form == "softmax" and shape[0] == 1 else form](Z)
    columns = losses(np.asarray(y_hat), Y).sum(axis=0, keepdims=True)
    expected = {"mean": columns.sum() / shape[1], "sum": columns.sum(), "none": columns}
    values = {reduction: cost(y_hat, Y, reduction=reduction) for reduction in expected}
    values[default + " by default"], expected[default + " by default"] = cost(y_hat, Y), expected[default]
    for reduction, J in values.items():
        assert isinstance(J, Tensor) and J.shape == np.shape(expected[reduction]), reduction
        np.testing.assert_allclose(J.numpy(), expected[reduction], rtol=1e-14, err_msg=reduction)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@every_form
@every_cost
def test_gradcheck(name: str, form: str, reduction: str) -> None:
    cost = PLAIN[name][0]
    Z, Y = example((3, 4))
    assert gradcheck(lambda Z, Y: cost(FORMS[form](Z), Y, reduction=reduction), [Z, Y])


def test_an_example_may_have_no_axis_of_examples() -> None:
    """The course starts with one example: L(a, y) of two numbers; and with a vector of m of them."""
    for a in (0.25, nn.sigmoid(Tensor(np.log(1 / 3)))):
        assert BCE(a, 1.0).item() == pytest.approx(np.log(4))
    assert nn.mean_squared_error(Tensor(0.5), 1.0).item() == 0.25
    assert nn.J_1([0.5, 0.25], [1, 0], "none").numpy().tolist() == [0.5, 0.25]
    assert nn.mean_squared_error([0.5, 0], [1, 0]).item() == 0.125


@every_form
@every_cost
def test_float32_stays_float32(name: str, form: str) -> None:
    cost = PLAIN[name][0]
    Z, Y = (array.astype(np.float32) for array in example((3, 4)))
    Z = Tensor(Z, requires_grad=True)
    for reduction in ("none", "mean"):
        J = cost(FORMS[form](Z), Y, reduction=reduction)
        assert J.dtype == np.float32
    J.backward()
    assert Z.grad.dtype == np.float32


def test_labels_may_be_whole_numbers_or_truth_values() -> None:
    A = row(0.9, 0.2)
    for y_hat in (A, nn.sigmoid(np.log(A / (1 - A)))):
        for Y in (np.array([[1, 0]]), np.array([[True, False]]), np.array([[1, 0]], np.uint8), [[1, 0]]):
            assert BCE(y_hat, Y).item() == pytest.approx(-np.log(0.9 * 0.8) / 2)
            assert nn.J_1(y_hat, Y).item() == pytest.approx(0.3)


# ------------------------------------------------------------------------------------ the second derivative


@pytest.mark.parametrize("reduction, m", [("mean", 6), ("sum", 1)])
def test_hessian_of_fused_binary_cross_entropy(reduction: str, m: int) -> None:
    Z, Y = row(-800, -2, -0.1, 0.7, 3, 800), row(0, 1, 0.5, 1, 0, 0)
    A = nn.sigmoid(Z).numpy()
    found = hessian(lambda Z: BCE(nn.sigmoid(Z), Y, reduction), Z)
    np.testing.assert_allclose(found.numpy().reshape(6, 6), np.diag((A * (1 - A))[0]) / m, rtol=1e-14)


def test_hessian_of_fused_cross_entropy() -> None:
    """Within an example diag(a) - a a^T, between examples nothing."""
    random = np.random.RandomState(1)
    Z, Y = random.randn(3, 4), np.eye(3)[:, [0, 2, 1, 1]]
    A = nn.softmax(Z).numpy()
    expected = np.zeros((3, 4, 3, 4))
    for i in range(4):
        expected[:, i, :, i] = (np.diag(A[:, i]) - np.outer(A[:, i], A[:, i])) / 4
    np.testing.assert_allclose(hessian(lambda Z: CE(nn.softmax(Z), Y), Z).numpy(), expected, atol=1e-15)


# ----------------------------------------------------------------------------------------------- refusals


@every_cost
def test_refusals(name: str) -> None:
    cost = PLAIN[name][0]
    A = np.full((1, 4), 0.5)
    with pytest.raises(InputError, match=r"y_hat is \(1, 4\) but Y is \(4, 1\).*Y.reshape\(1, -1\)"):
        cost(A, A.T)
    with pytest.raises(InputError, match=r"y_hat is \(1, 4\) but Y is \(4,\).*a row, \(1, m\)"):
        cost(nn.sigmoid(A), A[0])
    with pytest.raises(InputError, match=r"y_hat is \(1, 4\) but Y is \(1, 3\)[^.]*$"):
        cost(A, A[:, :3])
    with pytest.raises(InputError, match="reduction 'average' is unknown; there are mean, sum, none"):
        cost(A, A, reduction="average")
    with pytest.raises(InputError, match=r"no examples, y_hat is \(1, 0\)"):
        cost(A[:, :0], A[:, :0])
