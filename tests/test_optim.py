"""Optimisers against handwritten NumPy loops."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from tinygrad_course import InputError, Tensor, fit, nn, optim

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


def nesterov(w: Any, decay: float) -> Iterator[Any]:
    v = 0
    for t in range(1, 51):
        g = gradient(w, t) + decay * w
        v = 0.8 * v + 0.2 * g
        w = w - 0.05 * (0.8 * v + 0.2 * g)
        yield w


def rmsprop(w: Any, decay: float) -> Iterator[Any]:
    s = 0
    for t in range(1, 51):
        g = gradient(w, t) + decay * w
        s = 0.9 * s + 0.1 * g * g
        w = w - 0.02 * g / (s ** 0.5 + 1e-3)
        yield w


def adamw(w: Any, decay: float) -> Iterator[Any]:
    m = v = 0
    for t in range(1, 51):
        g = gradient(w, t)
        m = 0.7 * m + 0.3 * g
        v = 0.95 * v + 0.05 * g ** 2
        w = w - 0.03 * (m / (1 - 0.7 ** t) / ((v / (1 - 0.95 ** t)) ** 0.5 + 1e-3) + decay * w)
        yield w


RULES: dict[str, tuple[Callable[..., optim.Optimizer], Callable[[Any, float], Iterator[Any]]]] = {
    "descent": (lambda **more: optim.GradientDescent(0.01, **more), descent),
    "momentum": (lambda **more: optim.Momentum(0.05, 0.8, **more), momentum),
    "adam": (lambda **more: optim.Adam(0.03, 0.7, 0.95, 1e-3, **more), adam),
    "nesterov": (lambda **more: optim.Nesterov(0.05, 0.8, **more), nesterov),
    "rmsprop": (lambda **more: optim.RMSprop(0.02, 0.9, 1e-3, **more), rmsprop),
    "adamw": (lambda **more: optim.AdamW(0.03, 0.7, 0.95, 1e-3, **{"weight_decay": 0.0, **more}), adamw),
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
            np.testing.assert_allclose(p.numpy(), values, rtol=1e-12, atol=1e-15)
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


def test_settings_that_are_set_later() -> None:
    """They are checked as at the start, and float32 stays float32."""
    rule = optim.Adam(0.1)
    for name, value in (("learning_rate", -1), ("learning_rate", 0), ("learning_rate", NAN), ("weight_decay", -0.1),
                        ("beta1", 1), ("beta2", "0.9"), ("epsilon", 0), ("learning_rate", True)):
        before = getattr(rule, name)
        with pytest.raises(InputError, match="must be a finite number"):
            setattr(rule, name, value)
        assert getattr(rule, name) == before
    w = Tensor(np.ones(2, np.float32), requires_grad=True)
    rule = optim.Momentum(0.1)
    rule.learning_rate, rule.beta, rule.weight_decay = np.float64(0.05), np.float64(0.5), np.float64(0.1)
    w.grad = np.ones(2, np.float32)
    rule.step([w])
    assert w.dtype == np.float32 and rule.states[w][0].dtype == np.float32 and type(rule.learning_rate) is float


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


# -------------------------------------------------------------------------------------------------- clipping


def moved_by(optimizer: optim.Optimizer, *gradients: Any) -> list[Any]:
    """What one step of gradient descent with the rate 1 takes from parameters that are zero: the clipped gradients."""
    parameters = [Tensor(np.zeros(np.shape(g)), requires_grad=True) for g in gradients]
    for p, g in zip(parameters, gradients):
        p.grad = np.array(g)
    optimizer.step(parameters)
    return [-p.numpy() for p in parameters]


def test_clipping() -> None:
    a, b = np.array([3.0, -0.1]), np.array([[-4.0]])
    for found, expected in zip(moved_by(optim.GradientDescent(1.0, clip_value=1.5), a, b), ([1.5, -0.1], [[-1.5]])):
        np.testing.assert_array_equal(found, expected)
    norm = np.sqrt(9 + 0.01 + 16)  # of both together
    for found, g in zip(moved_by(optim.GradientDescent(1.0, clip_norm=2.0), a, b), (a, b)):
        np.testing.assert_allclose(found, g * 2 / norm, rtol=1e-15)
    for found, g in zip(moved_by(optim.GradientDescent(1.0, clip_norm=5.1), a, b), (a, b)):
        np.testing.assert_array_equal(found, g)  # short enough: not touched
    assert moved_by(optim.GradientDescent(1.0, clip_norm=1.0), np.zeros(2))[0].tolist() == [0, 0]


def test_clipping_comes_before_the_decay() -> None:
    p = Tensor(np.array([2.0]), requires_grad=True)
    p.grad = np.array([9.0])
    optim.GradientDescent(1.0, weight_decay=0.25, clip_value=1.0).step([p])
    assert p.item() == 2 - (1 + 0.25 * 2)


@pytest.mark.parametrize("limit", [0, -1, NAN, INF, "1", [1]], ids=str)
@pytest.mark.parametrize("name", ["clip_value", "clip_norm"])
@pytest.mark.parametrize("rule", [optim.GradientDescent, optim.Momentum, optim.Nesterov, optim.RMSprop, optim.Adam,
                                  optim.AdamW])
def test_limits(rule: Any, name: str, limit: Any) -> None:
    with pytest.raises(InputError, match=f"{name} must be a finite number, positive"):
        rule(0.1, **{name: limit})


# ------------------------------------------------------------------------------------------------- schedules

SCHEDULES: dict[str, tuple[optim.Schedule, Callable[[int], float]]] = {
    "step": (optim.StepDecay(0.5, every=3, factor=0.1), lambda t: 0.5 * 0.1 ** (t // 3)),
    "exponential": (optim.Exponential(0.5, 0.9), lambda t: 0.5 * 0.9 ** t),
    "cosine": (optim.Cosine(0.5, 8, end=0.1), lambda t: 0.1 + 0.4 * (1 + np.cos(np.pi * min(t, 8) / 8)) / 2),
    "warm-up": (optim.WarmUp(4, 0.5), lambda t: 0.5 * min(1, (t + 1) / 4)),
    "warm-up, then cosine": (optim.WarmUp(4, optim.Cosine(0.5, 8)),
                             lambda t: 0.25 * (1 + np.cos(np.pi * min(t, 8) / 8)) * min(1, (t + 1) / 4)),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name: str) -> None:
    """As a number, as an array, and as the rate of a rule that counts for each parameter."""
    schedule, rate = SCHEDULES[name]
    expected = [rate(t) for t in range(12)]
    np.testing.assert_allclose([float(schedule(t)) for t in range(12)], expected, rtol=1e-14)
    np.testing.assert_allclose(schedule(np.arange(12.0)), expected, rtol=1e-14)
    p, optimizer = Tensor(0.0, requires_grad=True), optim.GradientDescent(schedule)
    for t in range(12):
        before, p.grad = p.item(), np.array(1.0)
        optimizer.step([p])
        assert before - p.item() == pytest.approx(expected[t], rel=1e-12)
    assert optimizer.learning_rate is schedule


class Wrong(optim.Schedule):
    def __init__(self, rate: float): self.rate = rate
    def __call__(self, t: Any) -> Any: return np.where(np.greater(t, 4), self.rate, 0.1)
    def __repr__(self) -> str: return "Wrong()"


@pytest.mark.parametrize("rate", [-0.1, NAN, INF], ids=str)
def test_a_schedule_that_cannot_work_is_refused_before_training(rate: float) -> None:
    model = nn.Sequential(nn.Linear(2, 1, nn.zeros))
    with pytest.raises(InputError, match=r"Wrong\(\) gives the learning rate \S+ in iteration 5: a finite number"):
        fit(model, np.ones((2, 3)), np.ones((1, 3)), iterations=10, learning_rate=Wrong(rate),
            cost=nn.mean_squared_error)
    assert not model.modules[0].W.data.any()  # type: ignore[attr-defined]
    Wrong(rate).check(5)


@pytest.mark.parametrize("kind, settings, message", [
    (optim.StepDecay, (0, 3), "start must be a positive"), (optim.StepDecay, (1, 0), "every is a number of"),
    (optim.StepDecay, (1, 2.5), "every is a number of"), (optim.Exponential, (1, -1), "factor must be"),
    (optim.Cosine, (1, 5, -1), "end must be"), (optim.Cosine, ("1", 5), "start must be"),
    (optim.WarmUp, (0, 1), "iterations is a number of"), (optim.WarmUp, (3, NAN), "then must be"),
])
def test_settings_of_schedules(kind: Any, settings: tuple[Any, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        kind(*settings)


# ----------------------------------------------------------------------------------------- beside PyTorch


def torch_rules(torch: Any) -> dict[str, tuple[optim.Optimizer, Callable[[Any], Any]]]:
    """Ours, and PyTorch's on the same parameter. Its momentum adds whole gradients: the rate is (1 - beta) of ours."""
    return {
        "descent": (optim.GradientDescent(0.05, weight_decay=0.1),
                    lambda p: torch.optim.SGD([p], 0.05, weight_decay=0.1)),
        "momentum": (optim.Momentum(0.05, 0.8), lambda p: torch.optim.SGD([p], 0.05 * 0.2, momentum=0.8)),
        "nesterov": (optim.Nesterov(0.05, 0.8),
                     lambda p: torch.optim.SGD([p], 0.05 * 0.2, momentum=0.8, nesterov=True)),
        "rmsprop": (optim.RMSprop(0.01, 0.95, 1e-6),
                    lambda p: torch.optim.RMSprop([p], 0.01, alpha=0.95, eps=1e-6)),
        "adam": (optim.Adam(0.02, weight_decay=0.1), lambda p: torch.optim.Adam([p], 0.02, weight_decay=0.1)),
        "adamw": (optim.AdamW(0.02, weight_decay=0.1), lambda p: torch.optim.AdamW([p], 0.02, weight_decay=0.1)),
    }


@pytest.mark.parametrize("clipped", [False, True])
@every_rule
def test_200_steps_beside_pytorch(rule: str, clipped: bool) -> None:
    torch = pytest.importorskip("torch")
    optimizer, make = torch_rules(torch)[rule]
    start = np.random.RandomState(2).randn(3, 2)
    ours, theirs = Tensor(start, requires_grad=True), torch.tensor(start, requires_grad=True)
    other = make(theirs)
    optimizer.clip_norm = 1.0 if clipped else None
    for t in range(1, 201):
        ours.grad, theirs.grad = gradient(ours.numpy(), t), torch.tensor(gradient(theirs.detach().numpy(), t))
        if clipped:
            size = theirs.grad.norm()
            theirs.grad *= torch.clamp(1.0 / size, max=1.0)
        optimizer.step([ours])
        other.step()
        np.testing.assert_allclose(ours.numpy(), theirs.detach().numpy(), rtol=1e-9, atol=1e-12)


def test_schedules_beside_pytorch() -> None:
    torch = pytest.importorskip("torch")
    lr = torch.optim.lr_scheduler
    pairs = [(optim.StepDecay(0.5, 7, 0.3), lambda o: lr.StepLR(o, 7, 0.3)),
             (optim.Exponential(0.5, 0.97), lambda o: lr.ExponentialLR(o, 0.97)),
             (optim.Cosine(0.5, 200, 0.01), lambda o: lr.CosineAnnealingLR(o, 200, 0.01))]
    for ours, make in pairs:
        theirs = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.5)
        scheduler = make(theirs)
        for t in range(200):
            assert float(ours(t)) == pytest.approx(scheduler.get_last_lr()[0], rel=1e-9)
            theirs.step()
            scheduler.step()


@pytest.mark.parametrize("rule", [optim.GradientDescent, optim.Momentum, optim.Adam])
def test_settings_are_checked_also_when_they_are_set_later(rule: Any) -> None:
    optimizer = rule(0.1)
    with pytest.raises(InputError, match="the learning rate must be .*positive.* got -1"):
        optimizer.learning_rate = -1
    with pytest.raises(InputError, match="the weight decay must be"):
        optimizer.weight_decay = NAN
    optimizer.learning_rate = optimizer.learning_rate * np.float64(0.5)
    assert type(optimizer.learning_rate) is float and optimizer.learning_rate == 0.05
    w = Tensor(np.ones(2, np.float32), requires_grad=True)
    w.grad = np.ones(2)
    optimizer.step([w])
    assert w.dtype == np.float32


@pytest.mark.parametrize("given, message", [
    (3.0, r"such as model.parameters\(\); got 3.0"), ([np.ones(2)], "step moves parameters"),
    ([Tensor([1.0], requires_grad=True) * 2], "Tensors that were not computed"),
])
def test_what_is_no_parameter_is_not_moved(given: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        optim.Adam().step(given)


def test_a_rule_must_keep_shape_and_dtype() -> None:
    class Wrong(optim.Optimizer):
        def update(self, w: Any, g: Any, state: Any) -> Any: return w.astype(self.kind)[self.part], state

    w = Tensor(np.ones((2, 1)), requires_grad=True, name="w")
    w.grad = np.ones((2, 1))
    for Wrong.kind, Wrong.part, said in [(np.float32, ..., r"\(2, 1\) float32"), (float, 0, r"\(1,\) float64")]:
        with pytest.raises(InputError, match=rf"Wrong.update turns w \(2, 1\) float64 into {said}"):
            Wrong(0.1).step([w])


def test_what_underflows_is_harmless() -> None:
    w = Tensor(np.ones(2), requires_grad=True)
    optimizer = optim.Adam(0.1)
    with np.errstate(all="raise"):
        for g in (1e-150, 1e-200):
            w.grad = np.full(2, g)
            optimizer.step([w])
    assert np.isfinite(w.data).all()
