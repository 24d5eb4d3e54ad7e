"""Callbacks that look and callbacks that change something, Ctrl-C and closed outputs: every engine as the eager one."""

import re
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from trainings import (
    ENGINES, WIDE, X, Y, Odd, Of, Outcome, Untraceable, assert_like, at_20, both, counts, every_engine, trained, values)

from tinygrad_course import InputError, Tensor, fit, nn, optim
from tinygrad_course.models import PlanarClassifier, TwoLayerNetwork
from tinygrad_course.training import compiled
from tinygrad_course.training.notices import EagerWarning

# --------------------------------------------------------------------------------------------------- callbacks


def looks(out: Outcome, i: int) -> None:
    """Reads everything and changes nothing; the gradients are those of the cost at these parameters."""
    model: Any = out.model
    inputs, labels = WIDE if model.parameters()[0].shape[1] == 60 else (X, Y)
    if out.history is None and len(out.seen) and labels is not None:
        for name, gradient in model.closed_form(inputs, labels).items():
            p = dict(model.named_parameters())[name]
            np.testing.assert_allclose(p.grad, gradient, rtol=1e-10, atol=1e-15)
    assert out.seen[-1][1] == pytest.approx(model.cost(inputs, labels).item(), rel=1e-12)


def clips_in_place(out: Outcome, i: int) -> None:
    for p in out.model.parameters():
        np.clip(p.grad, -0.001, 0.001, out=p.grad)


def clips(out: Outcome, i: int) -> None:
    for p in out.model.parameters():
        p.grad = np.clip(p.grad, -0.001, 0.001)


def assigns(model: Any, optimizer: Any) -> None:
    model.layers[0].W.data = np.ones(model.layers[0].W.shape)


def writes(model: Any, optimizer: Any) -> None:
    model.layers[0].W.data[0] += 1


def loads(model: Any, optimizer: Any) -> None:
    model.load_state_dict({name: array + 0.1 for name, array in model.state_dict().items()})


def slows_down(model: Any, optimizer: Any) -> None:
    optimizer.learning_rate /= 10


def forgets(model: Any, optimizer: Any) -> None:
    optimizer.states.clear()


def brakes(model: Any, optimizer: Any) -> None:
    for state in optimizer.states.values():
        state[0][...] = 0


def freezes(model: Any, optimizer: Any) -> None:
    model.layers[0].W.requires_grad = False


def drops_gradient(model: Any, optimizer: Any) -> None:
    model.layers[0].W.grad = None


CALLBACKS = {action.__name__: at_20(action) for action in (
    assigns, writes, loads, slows_down, forgets, brakes, freezes, drops_gradient)}
CALLBACKS |= {"looks": looks, "clips": clips, "clips_in_place": clips_in_place}


@every_engine
@pytest.mark.parametrize("data, batch_size", [((X, Y), None), (WIDE, None), ((X, Y), 7)],
                         ids=["planar", "wide", "batches"])
@pytest.mark.parametrize("name", CALLBACKS)
def test_callbacks(name: str, data: Any, batch_size: int | None, engine: str) -> None:
    """What a callback changes has the same effect as in eager training."""
    if name == "looks" and batch_size is not None:
        return
    settings: dict[str, Any] = {
        "make": lambda: TwoLayerNetwork(len(data[0]), 4, 1), "data": data, "batch_size": batch_size,
        "optimizer": lambda: optim.Momentum(0.3)}
    found = both(engine, act=CALLBACKS[name], **settings)
    assert dict(found.seen) == found.history.costs and [i for i, _ in found.seen] == list(range(0, 60, 10))
    if name != "looks":
        plain = trained(engine, **settings)
        assert any(not np.allclose(a, b, rtol=1e-3) for a, b in zip(found.arrays().values(), plain.arrays().values()))


class Growing(nn.Module):
    """Has more parameters when a callback appends some."""

    def __init__(self) -> None:
        self.layer = nn.Linear(2, 1, random=np.random.RandomState(1))
        self.scales: list[Tensor] = []

    def cost(self, X: Any, Y: Any) -> Tensor:
        Z: Any = self.layer(X)
        for scale in self.scales:
            Z = Z * scale
        return nn.binary_cross_entropy(nn.sigmoid(Z), Y)


@every_engine
@pytest.mark.parametrize("batch_size", [None, 7])
def test_a_callback_appends_parameters(batch_size: int | None, engine: str) -> None:
    """Every engine trains them from then on; those that it takes away, it leaves."""
    def act(out: Outcome, i: int) -> None:
        scales = out.model.scales  # type: ignore[attr-defined]
        if i in (20, 40):
            scales.append(Tensor(np.full((1, 1), 2.0), requires_grad=True))
        if i == 50:
            gone.append((scales[0], scales.pop(0).numpy().copy()))

    gone: list[tuple[Tensor, Any]] = []
    found: Any = both(engine, Growing, act=act, batch_size=batch_size, optimizer=lambda: optim.Momentum(0.3))
    assert len(found.model.scales) == 1 and found.model.scales[0].item() != 2
    assert all(scale.numpy() == value != 2 for scale, value in gone) and len(gone) == 2


def test_what_the_cost_reads_on_the_model_may_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """A callback that changes a number on the model, and one that makes the model untraceable."""
    monkeypatch.setattr(compiled, "_said", set())

    def penalised(model: Any, X: Any) -> Any:
        return 1.0 + model.t * np.sum(np.square(model.inner.layers[0].W))

    def act(out: Outcome, i: int) -> None:
        out.model.t = i / 1000  # type: ignore[attr-defined]

    def spoil(out: Outcome, i: int) -> None:
        if i == 30:
            out.model.extra = counts  # type: ignore[attr-defined]

    for engine in ENGINES:
        both(engine, lambda: Untraceable(penalised), act=act)
        with pytest.raises(InputError, match="changes attributes of the model: t"):
            trained(engine, lambda: Untraceable(penalised), act=spoil)
    for iterations in (31, 60):
        first = iterations == 31
        with pytest.warns(EagerWarning, match="model: t") if first else warnings.catch_warnings():
            found = trained("auto", lambda: Untraceable(penalised), act=spoil, iterations=iterations)
        assert_like(found, trained("eager", lambda: Untraceable(penalised), act=spoil, iterations=iterations))

    def spoil_all(out: Outcome, i: int) -> None:
        if i == 30:
            out.model.of = lambda p: np.sqrt(p) if p.item() > 0 else np.log(p)  # type: ignore[attr-defined]
            out.optimizer.learning_rate = 1e9

    slow = lambda: optim.GradientDescent(1e-3)  # noqa: E731
    with pytest.warns(EagerWarning, match="Of is not compiled"):
        found = trained("auto", lambda: Of(3.0, np.square), act=spoil_all, optimizer=slow)
    expected = trained("eager", lambda: Of(3.0, np.square), act=spoil_all, optimizer=slow)
    assert "the cost became nan in iteration 31: the parameters after 30 updates" in expected.error
    assert_like(found, expected)


def test_a_callback_that_only_reads_does_not_cost_a_new_compilation(monkeypatch: pytest.MonkeyPatch,
                                                                    capsys: pytest.CaptureFixture[str]) -> None:
    traced = []
    original = compiled.traced_step
    monkeypatch.setattr(compiled, "traced_step", lambda *given: (traced.append(1), original(*given))[1])
    both("numpy", lambda: TwoLayerNetwork(2, 4, 1), act=looks, print_cost=15)
    assert len(traced) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8 and lines[:4] == lines[4:]  # also in iterations that have a callback, once
    both("numpy", lambda: TwoLayerNetwork(2, 4, 1), act=clips)
    assert len(traced) > 2


@every_engine
def test_a_callback_writes_to_a_parameter_that_the_cost_does_not_use(engine: str) -> None:
    found: Any = both(engine, Odd, act=at_20(lambda model, optimizer: model.unused.data.fill(7)))
    assert found.model.unused.numpy().tolist() == [7, 7, 7]


@pytest.mark.parametrize("engine", ["eager", *ENGINES])
def test_the_time_that_a_callback_takes_is_none_of_training(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that only the callback moves."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def waits(out: Outcome, i: int) -> None:
        now[0] += 1000

    assert trained(engine, PlanarClassifier, act=waits).history.seconds == 0 < now[0]


@every_engine
@pytest.mark.parametrize("data", [(X, Y), WIDE], ids=["planar", "wide"])
def test_a_callback_that_raises(data: Any, engine: str) -> None:
    def fail(out: Outcome, i: int) -> None:
        if i == 40:
            held.append(out.model)
            raise RuntimeError("enough")

    held: list[nn.Module] = []
    make = lambda: TwoLayerNetwork(len(data[0]), 4, 1)  # noqa: E731
    with pytest.raises(RuntimeError, match="^enough$"):
        trained(engine, make, data=data, act=fail)
    expected = trained("eager", make, data=data, iterations=40)
    for p, q in zip(held[0].parameters(), expected.model.parameters()):
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-9, atol=1e-13)
        assert p.data.flags.writeable
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# --------------------------------------------------------------------------------------------------- Ctrl-C

INTERRUPTED = """
import os, signal, sys, threading, time
import numpy as np
from tinygrad_course import fit, optim
from tinygrad_course.models import PlanarClassifier, TwoLayerNetwork

random, engine = np.random.RandomState(0), sys.argv[1]
for n_x, m, optimizer, batch_size in (
        (2, 400, optim.Adam, None), (300, 40, optim.Momentum, None), (2, 400, optim.Adam, 64)):
    X = random.randn(n_x, m)
    Y = (X[:1] > 0) * 1.0
    models, sent = [TwoLayerNetwork(n_x, 4, 1), TwoLayerNetwork(n_x, 4, 1)], []
    settings = dict(batch_size=batch_size, engine=engine, record_every=1000)
    fit(TwoLayerNetwork(n_x, 4, 1), X, Y, iterations=200, optimizer=optimizer(0.001), **settings)  # compiled now
    def interrupt():
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)
    timer = threading.Timer(0.8, interrupt)
    timer.start()
    history = fit(models[0], X, Y, iterations=10 ** 9, optimizer=optimizer(0.001), **settings)
    late = time.perf_counter() - sent[0]
    timer.join()
    assert late < 1, late
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert history.engine == engine and history.iterations > 100, history
    assert history.stopped.startswith(f"interrupted after iteration {history.iterations - 1}, cost "), history
    assert list(history.costs) == list(range(0, history.iterations, 1000))
    same = fit(models[1], X, Y, iterations=history.iterations, optimizer=optimizer(0.001), **settings)
    assert same.costs == history.costs and same.stopped is None
    for p, q in zip(models[0].parameters(), models[1].parameters()):
        assert p.numpy().tobytes() == q.numpy().tobytes()
    print("the same")
"""


@pytest.mark.slow
@every_engine
def test_ctrl_c(engine: str) -> None:
    """Within 0.25 s where the machine has nothing else to do; what was trained until then is whole."""
    done = subprocess.run([sys.executable, "-I", "-W", "error", "-c", INTERRUPTED, engine], capture_output=True,
                          text=True, timeout=120)
    assert re.fullmatch(r"(interrupted after iteration \d+, cost \S+\nthe same\n){3}", done.stdout), done.stdout
    assert (done.stderr, done.returncode) == ("", 0)


@every_engine
def test_ctrl_c_in_other_places(engine: str) -> None:
    """In a callback, the second one at once; while the step is being compiled; where somebody else handles it."""
    def press(times: int) -> Callable[[Outcome, int], None]:
        def act(out: Outcome, i: int) -> None:
            held[:] = [out.model]
            for _ in range(times if i == 20 else 0):
                signal.raise_signal(signal.SIGINT)
        return act

    def press_and_change(out: Outcome, i: int) -> None:
        """The step is made anew, which Ctrl-C ends; the update has been made."""
        if i == 20:
            assigns(out.model, out.optimizer)
            signal.raise_signal(signal.SIGINT)

    held: list[nn.Module] = []
    both(engine, PlanarClassifier, act=press(1))
    both(engine, PlanarClassifier, act=press_and_change)
    with pytest.raises(KeyboardInterrupt):
        trained(engine, PlanarClassifier, act=press(2))
    for p, q in zip(held[0].parameters(), trained("eager", PlanarClassifier, iterations=20).model.parameters()):
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-9)

    pressed: list[None] = []

    def once(model: Any, X: Any) -> float:
        if not pressed:
            pressed.append(signal.raise_signal(signal.SIGINT))
        return 1.0

    model = Untraceable(once)
    before = values(model)
    history = fit(model, X, Y, iterations=50, learning_rate=1, engine=engine)
    assert (history.iterations, history.stopped) == (0, "interrupted before iteration 0") and values(model) == before

    heard: list[int] = []
    previous = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        history = trained(engine, PlanarClassifier, act=press(2)).history
    finally:
        signal.signal(signal.SIGINT, previous)
    assert heard == 2 * [signal.SIGINT] and (history.iterations, history.stopped) == (60, None)


@every_engine
def test_when_nobody_reads_what_is_printed(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after `| head`: the exception passes through, and what has been trained until then is not lost."""
    class Closed:
        lines = 0

        def write(self, text: str) -> None:
            self.lines += text.count("\n")
            if self.lines == 20:
                raise BrokenPipeError

        def flush(self) -> None:
            pass

    costs = trained("eager", PlanarClassifier, iterations=30).history.costs
    model = PlanarClassifier()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", Closed())
        with pytest.raises(BrokenPipeError):
            fit(model, X, Y, iterations=1000, learning_rate=0.5, print_cost=1, engine=engine, progress=False)
    reached = [i for i, cost in costs.items() if np.isclose(model.cost(X, Y).item(), cost, rtol=1e-9)]
    assert len(reached) == 1 and 1 <= reached[0] <= 20
