"""The backward pass explained: the right numbers in the right order, and reasons where something is added up."""

import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygrad_course import InputError, Tensor, nn
from tinygrad_course.autodiff import topological_order
from tinygrad_course.equations import derive
from tinygrad_course.equations.explain import GradientFlow, explain_backward

RANDOM = np.random.default_rng(0)


def network() -> Tensor:
    X, Y = RANDOM.normal(size=(2, 3)), np.array([[1.0, 0, 1]])
    W1, b1, W2, b2 = (Tensor(RANDOM.normal(size=shape), requires_grad=True, name=name) for name, shape in [
        ("W1", (2, 2)), ("b1", (2, 1)), ("W2", (1, 2)), ("b2", (1, 1))])
    return nn.binary_cross_entropy(nn.sigmoid(W2 @ np.tanh(W1 @ X + b1) + b2), Y)


def number_in(line: str) -> float:
    return float(line.rpartition(" ")[2])


def test_a_graph_of_numbers() -> None:
    """J = (a b + a)^2 with a = 2, b = 3: every line can be followed by hand."""
    a, b = Tensor(2.0, requires_grad=True, name="a"), Tensor(3.0, requires_grad=True, name="b")
    lines = explain_backward(np.square(a * b + a)).splitlines()
    assert lines[:21] == [
        "The backward pass, from J back to the parameters. dT is the derivative of the cost with respect to T.",
        "",
        "1. J = T2^2, of shape ()",
        "    upstream gradient: dJ = 1.",
        "    to T2, of shape (): local derivative 2 T2 = 16.",
        "        product dJ * local derivative = 16.",
        "2. T2 = T1 + a, of shape ()",
        "    upstream gradient: dT2 = 16.",
        "    to T1, of shape (): local derivative 1 = 1.",
        "        product dT2 * local derivative = 16.",
        "    to a, of shape (): local derivative 1 = 1.",
        "        product dT2 * local derivative = 16.",
        "3. T1 = a * b, of shape ()",
        "    upstream gradient: dT1 = 16.",
        "    to a, of shape (): local derivative b = 3.",
        "        product dT1 * local derivative = 48.",
        "    to b, of shape (): local derivative a = 2.",
        "        product dT1 * local derivative = 32.",
        "",
        "The gradients of the parameters:",
        "    a was used 2 times, so 2 gradients meet here and are added up, from step 2 + from step 3: 16. + 48."]
    assert lines[21:23] == ["    da, of shape (), = 64.", "    db, of shape (), = 32."]


def test_why_a_sum_appears() -> None:
    J = network()
    text = explain_backward(J)
    J.backward()
    gradient = next(step.parents[1].grad for step in topological_order(J)
                    if step.op is not None and step.op.name == "add" and step.parents[1].name == "b1")
    line = next(line for line in text.splitlines() if "b[1] of shape (2, 1) was stretched to (2, 3)" in line)
    assert "each of its numbers was used 3 times, and what comes back from the uses is added up, over axis 1" in line
    shown = [float(n) for n in re.findall(r"-?\d+\.\d*", line)]
    np.testing.assert_allclose(shown, gradient.reshape(-1), atol=1e-4)
    assert "to W[2], of shape (1, 2): (1/m) dT2 A[1]^T = " in text and "to Z[1], of shape (2, 3): local derivative " \
        "1 - A[1]^2 = " in text


def test_gradients_are_those_of_autodiff() -> None:
    J = network()
    flow = GradientFlow(J)
    J.backward()
    for i in flow.places.parameters:
        np.testing.assert_array_equal(flow.total(i), flow.places.steps[i].grad)
    turns = {i: n for n, i in enumerate(flow.order)}
    for i, parents in enumerate(flow.places.parents):
        assert all(turns[i] < turns[p] for p in parents if p in turns and i in turns)


def arrays_in(text: str, before: str) -> list[float]:
    line = next(line for line in text.splitlines() if line.strip().startswith(before))
    return [float(number) for number in re.findall(r"-?\d+\.\d*", line.rpartition(" = ")[2])]


@pytest.mark.parametrize("convention", ["course", "of_cost"])
def test_conventions(convention: str) -> None:
    """In the course's dZ[2] = A[2] - Y, and 1/m comes with the parameters; of the cost, dZ[2] carries it already."""
    J = network()
    text = explain_backward(J, convention)
    y_hat, Y = (J.parents[i]._data for i in (1, 2))
    m = 1 if convention == "course" else 3
    np.testing.assert_allclose(arrays_in(text, "upstream gradient: dZ[2]"), ((y_hat - Y) / m).reshape(-1), atol=1e-4)
    assert ("dT is m times the derivative of the cost" in text) == ("(1/m) d" in text) == (convention == "course")
    assert f"to Z[2], of shape (1, 3): {'' if convention == 'course' else '(1/m) ('}A[2] - Y" in text
    J.backward()
    W2 = next(leaf for step in topological_order(J) for leaf in step.parents if leaf.name == "W2")
    for line in ("to W[2]", "dW[2], of shape"):
        np.testing.assert_allclose(arrays_in(text, line), W2.grad.reshape(-1), atol=1e-4)
    flow = GradientFlow(J, convention)
    for i in flow.order:  # what a step is told to have is the sum of what it is told to get
        np.testing.assert_allclose(flow.total(i), flow.places.total[i]._data * (3 if i in flow.carried else 1))


def test_a_cost_that_is_no_mean_has_one_meaning() -> None:
    x = Tensor(RANDOM.normal(size=(2, 3)), requires_grad=True, name="x")
    assert explain_backward((x * x).sum()) == explain_backward((x * x).sum(), "of_cost")
    with pytest.raises(InputError, match="convention 'mine' is unknown; there are course and of_cost"):
        explain_backward(x.sum(), "mine")


def test_order_where_paths_meet() -> None:
    x = Tensor(3.0, requires_grad=True, name="x")
    y = x * x
    y.name = "y"
    lines = explain_backward(y * y * x + y).splitlines()
    why = next(i for i, line in enumerate(lines) if line.startswith("Why this order"))
    assert "topological" in lines[why]
    assert lines[why + 1].startswith("Here y is used 3 times") and "though dy is 55." in lines[why + 1]
    assert lines[why + 2] == "    dx would be 87. instead of 411."
    assert any("y was used 3 times, so 3 gradients meet here" in line for line in lines)
    meeting = next(line for line in lines if "meet here" in line and "  y was" in line)
    assert sorted(map(float, meeting.rpartition(": ")[2].split(" + "))) == [1, 27, 27]


def test_order_of_a_graph_without_such_a_place_is_shown_on_an_example() -> None:
    text = explain_backward(network())
    assert "no computed step is used twice" in text and "dx would be 87. instead of 411." in text


def test_every_operation_can_be_explained() -> None:
    a = Tensor(RANDOM.normal(size=(3, 4)), requires_grad=True, name="a")
    v = Tensor(RANDOM.normal(size=4), requires_grad=True, name="v")
    graphs: list[Any] = [
        nn.softmax(a @ v.reshape(4, 1)).max(), np.concatenate([a, a * 2], axis=1)[1:, [0, 0]].sum(),
        (np.abs(a) ** 2.5 / v).var(),
        (a.T @ a).logsumexp(axis=0).mean(), np.where(a.data > 0, a, -a).sum() * np.maximum(a, 0.1).min(), a[0] @ v,
        np.clip(a, -1, 1).sum() + nn.leaky_relu(a).sum() - nn.softplus(v).sum() + a.astype("float32").sum()]
    for J in graphs:
        text = explain_backward(J)
        assert "The gradients of the parameters" in text and "nan" not in text.replace("nan.", "")


def test_one_tensor_in_several_places_of_an_operation() -> None:
    """A condition gets no gradient, whichever else the same Tensor is."""
    x = Tensor([1.0, 0.0, 2.0], requires_grad=True, name="x")
    lines = explain_backward(np.where(x, x, x * x).sum()).splitlines()
    handed = [line.split(" = ")[1] for line in lines if "product dT2" in line]
    assert handed == ["[1., 0., 1.]", "[0., 1., 0.]"]
    assert "    dx, of shape (3,), = [1., 0., 1.]" in lines


def lines_run(function: Callable[[], Any]) -> int:
    """How many lines of Python a call goes through, each turn of a loop counted."""
    count, before = 0, sys.gettrace()

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return count


def recurrence(operations: int) -> Tensor:
    """Steps without names, and a leaf that half of them use."""
    x = Tensor(RANDOM.normal(size=3), requires_grad=True, name="x")
    y: Any = x
    for _ in range(operations // 2):
        y = np.tanh(y) * x
    return y.sum()  # type: ignore[no-any-return]


def constants(operations: int) -> Tensor:
    """Arrays without names, parameters that share one."""
    x: Any = Tensor(RANDOM.normal(size=3), requires_grad=True, name="x")
    for _ in range(operations // 2):
        x = x * RANDOM.normal(size=3) + Tensor(RANDOM.normal(size=3), requires_grad=True, name="p")
    return x.sum()  # type: ignore[no-any-return]


@pytest.mark.parametrize("told", [derive, explain_backward])
@pytest.mark.parametrize("graph", [recurrence, constants])
def test_work_grows_with_the_graph_and_no_faster(graph: Callable[[int], Tensor], told: Callable[[Tensor], Any]) -> None:
    small, large = (lines_run(lambda: told(J)) for J in (graph(50), graph(400)))
    assert large < 8.2 * small


def test_large_arrays_are_cut(capsys: pytest.CaptureFixture[str]) -> None:
    w = Tensor(RANDOM.normal(size=(50, 60)), requires_grad=True, name="w")
    text = explain_backward((w * w).sum())
    assert len(text) < 4000 and "..." in text and "(50, 60)" in text
    assert repr(text) == text and capsys.readouterr().out == ""  # it shows itself, lines and all


def test_bad_input() -> None:
    for wrong, message in [(Tensor(1.0), "no graph"), (network() * np.ones(2), "one number"), (3, "int was given")]:
        with pytest.raises(InputError, match=message):
            explain_backward(wrong)  # type: ignore[arg-type]
