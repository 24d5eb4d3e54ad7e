"""Optimisers against handwritten NumPy loops."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from tinygrad_course import InputError, Tensor, optim

NAN, INF = float("nan"), float("inf")


def gradient(w: Any, t: int) -> Any:
    """Of a bowl that moves with t, so that gradients change their sign and size."""
    return (2 * w - np.sin(0.7 * t)) * (1 + 0.1 * t)


# Each rule as its textbook has it: from a start and a weight decay, the values after steps 1, 2, ...

def descent(w: Any, decay: float) -> Iterator[Any]:
    for t in range(1, 51):
        w = w - 0.01 * (gradient(w, t) + decay * w)
        yield w


def momentum(w: Any, decay: float) -> Iterator[Any]:
    v = 0
    for t in range(1, 51):
        v = 0.8 * v + 0.2 * (gradient(w, t) + decay * w)
        w = w - 0.05 * v
        yield w


def adam(w: Any, decay: float) -> Iterator[Any]:
    m = v = 0
    for t in range(1, 51):
        g = gradient(w, t) + decay * w
        m = 0.7 * m + 0.3 * g
        v = 0.95 * v + 0.05 * g ** 2
        m_hat, v_hat = m / (1 - 0.7 ** t), v / (1 - 0.95 ** t)
        w = w - 0.03 * m_hat / (v_hat ** 0.5 + 1e-3)
        yield w


RULES: dict[str, tuple[Callable[..., optim.Optimizer], Callable[[Any, float], Iterator[Any]]]] = {
    "descent": (lambda **more: optim.GradientDescent(0.01, **more), descent),
    "momentum": (lambda **more: optim.Momentum(0.05, 0.8, **more), momentum),
    "adam": (lambda **more: optim.Adam(0.03, 0.7, 0.95, 1e-3, **more), adam),
}
every_rule = pytest.mark.parametrize("rule", RULES)


@pytest.mark.parametrize("decay", [0.0, 0.3])
@every_rule
def test_fifty_steps(rule: str, decay: float) -> None:
    """Several parameters at once, of different shapes: each has a state of its own."""
    make, by_hand = RULES[rule]
    starts = [np.random.RandomState(1).randn(3, 2), np.array(0.4), np.array([[-2.0]])]
    parameters = [Tensor(w, requires_grad=True) for w in starts]
    optimizer = make(weight_decay=decay)
    for t, expected in enumerate(zip(*(by_hand(w, decay) for w in starts), strict=True), start=1):
        for p in parameters:
            p.grad = gradient(p.numpy(), t)
        optimizer.step(parameters)
        for p, values in zip(parameters, expected):
            np.testing.assert_allclose(p.numpy(), values, rtol=1e-12)
            assert p.shape == np.shape(values) and type(p.numpy()) is np.ndarray


def test_the_defaults() -> None:
    """Adam's first step is the learning rate in the direction of the sign; Momentum's a tenth of the gradient's."""
    for optimizer, expected in [(optim.Adam(), 0.001 * 5 / (5 + 1e-8)), (optim.Momentum(0.5), 0.5 * 0.1 * 5),
                                (optim.GradientDescent(0.5), 0.5 * 5)]:
        p = Tensor(1.0, requires_grad=True)
        p.grad = np.array(5.0)
        optimizer.step([p])
        assert 1 - p.item() == pytest.approx(expected, rel=1e-10)
    assert (optim.Adam().beta1, optim.Adam().beta2, optim.Adam().epsilon) == (0.9, 0.999, 1e-8)


def test_no_memory_at_all_is_a_choice() -> None:
    """With beta = 0 momentum is gradient descent, and Adam goes as far as its rate by the sign of the gradient."""
    for optimizer, steps in [(optim.Momentum(0.5, beta=0), [0.5 * 5, 0.5 * -3]),
                             (optim.Adam(0.5, beta1=0, beta2=0), [0.5, -0.5])]:
        p, expected = Tensor(1.0, requires_grad=True), 1.0
        for gradient, step in zip([5.0, -3.0], steps):
            p.grad = np.array(gradient)
            optimizer.step([p])
            expected -= step
            assert p.item() == pytest.approx(expected, abs=1e-7)


@every_rule
def test_a_parameter_without_gradient_stays(rule: str) -> None:
    moved, still = (Tensor([1.0, 2], requires_grad=True) for _ in range(2))
    moved.grad = np.array([0.5, -1])
    optimizer = RULES[rule][0](weight_decay=0.1)
    array = still._data
    optimizer.step(iter([moved, still]))
    assert still._data is array and still not in optimizer.states
    assert np.all(moved.numpy() != [1, 2])


@every_rule
def test_float32_stays_float32(rule: str) -> None:
    make = {"adam": lambda **more: optim.Adam(np.float64(0.1), np.float64(0.9), epsilon=np.float64(1e-8), **more)}
    optimizer = make.get(rule, RULES[rule][0])(weight_decay=np.float64(0.1))
    for shape in ((2, 2), ()):
        p = Tensor(np.ones(shape), requires_grad=True, dtype=np.float32)
        for _ in range(3):
            p.grad = np.ones(shape, np.float32)
            optimizer.step([p])
            assert p.dtype == np.float32 and p.shape == shape
        assert {np.asarray(s).dtype for s in optimizer.states[p] if np.shape(s)} <= {np.dtype("float32")}


@every_rule
def test_a_graph_recorded_before_a_step_keeps_its_values(rule: str) -> None:
    w = Tensor([1.0, 2], requires_grad=True)
    seen = w._data
    cost = (w * w).sum()
    cost.backward()
    RULES[rule][0]().step([w])
    assert seen.tolist() == [1, 2] and w.grad.tolist() == [2, 4] and cost.item() == 5
    assert w._data is not seen and w.numpy()[0] < 1
    with pytest.raises(InputError, match="got new values after the forward pass"):
        cost.backward()
    w.data = [1.0, 2.0]
    cost.backward()  # the values are again those that the graph saw
    assert w.grad.tolist() == [4, 8]


def test_the_rule_is_left_to_the_learner() -> None:
    class Sign(optim.Optimizer):
        def update(self, w: Any, g: Any, state: Any) -> Any:
            return w - self.learning_rate * np.sign(g), state

    p = Tensor([1.0, -1], requires_grad=True)
    p.grad = np.array([3.0, -0.1])
    Sign(0.25).step([p])
    assert p.numpy().tolist() == [0.75, -0.75]
    with pytest.raises(InputError, match=r"Optimizer does not define update\(self, w, g, state\)"):
        optim.Optimizer(0.1).step([p])


# ----------------------------------------------------------------------------------------------- bad settings

ROWS = np.array([0.1, 0.2])


@pytest.mark.parametrize("rate", [0, -0.1, NAN, INF, "0.1", None, [0.1], ROWS, 1j], ids=str)
@pytest.mark.parametrize("rule", [optim.GradientDescent, optim.Momentum, optim.Adam])
def test_learning_rate(rule: Any, rate: Any) -> None:
    with pytest.raises(InputError, match="the learning rate must be .*positive.* got"):
        rule(rate)


@pytest.mark.parametrize("decay", [-0.1, NAN, INF, "0.1", None, [0.1], 1j], ids=str)
def test_weight_decay(decay: Any) -> None:
    with pytest.raises(InputError, match="weight.decay must"):
        optim.GradientDescent(0.1, weight_decay=decay)


@pytest.mark.parametrize("beta", [-0.1, 1, 1.5, NAN, INF, "0.1", None, [0.1], 1j], ids=str)
@pytest.mark.parametrize("rule, name", [(optim.Momentum, "beta"), (optim.Adam, "beta1"), (optim.Adam, "beta2")],
                         ids=["momentum beta", "adam beta1", "adam beta2"])
def test_beta(rule: Any, name: str, beta: Any) -> None:
    with pytest.raises(InputError, match=f"{name} must be"):
        rule(0.1, **{name: beta})


def test_momentum_without_memory_is_gradient_descent() -> None:
    moved = []
    for rule in (optim.Momentum(0.1, beta=0), optim.GradientDescent(0.1), optim.Momentum(0.1, beta=0.5)):
        w = Tensor([1.0, -2.0], requires_grad=True)
        for g in ([0.3, 0.7], [-0.2, 0.1]):
            w.grad = np.array(g)
            rule.step([w])
        moved.append(w.numpy().tolist())
    assert moved[0] == moved[1] != moved[2]


@pytest.mark.parametrize("epsilon", [-1e-8, NAN, INF, "0.1", None], ids=str)
def test_epsilon(epsilon: Any) -> None:
    with pytest.raises(InputError, match="epsilon must be"):
        optim.Adam(epsilon=epsilon)
