"""Every engine of `fit` does what engine="eager" does: what it records, prints, raises and leaves behind."""

import os
import re
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_course import InputError, Tensor, data, fit, nn, optim
from tinygrad_course.training import compiled as running
from tinygrad_course.training.compiled import EagerWarning
from tinygrad_course.course.exercises import EXERCISES
from tinygrad_course.models import DeepNetwork, LogisticRegression, PlanarClassifier, TwoLayerNetwork
from tinygrad_course.training import History, TrainingDiverged

RANDOM = np.random.RandomState(3)
X = RANDOM.randn(2, 50)
Y = (X[:1] * X[1:] > 0).astype(float)
WIDE = RANDOM.randn(60, 20), (RANDOM.randn(1, 20) > 0).astype(float)  # n_x > m: weights stay in the span of the data
ENGINES = ["numpy", "native"]
every_engine = pytest.mark.parametrize("engine", ENGINES)
Callback = Callable[[int, Any, float], None]


@dataclass
class Outcome:
    """A model, and all that a training has made of it."""

    model: nn.Module
    optimizer: optim.Optimizer
    history: Any = None
    error: str = ""
    seen: list[tuple[int, float]] = field(default_factory=list)

    def arrays(self) -> dict[str, Any]:
        states = {f"{name}, state {k}": part for name, p in self.model.named_parameters()
                  for k, part in enumerate(self.optimizer.states.get(p, ()))}
        return self.model.state_dict() | states


def trained(engine: str, make: Callable[[], nn.Module], *, data: tuple[Any, Any] = (X, Y), iterations: int = 60,
            optimizer: Callable[[], optim.Optimizer] = lambda: optim.GradientDescent(0.5),
            act: Callable[[Outcome, int], None] | None = None, **settings: Any) -> Outcome:
    """act: called with the outcome so far and the iteration, wherever a callback is."""
    out = Outcome(make(), optimizer())

    def callback(i: int, model: nn.Module, cost: float) -> None:
        assert model is out.model
        out.seen.append((i, cost))
        if act is not None:
            act(out, i)

    if act is not None:
        settings = {"callback": callback, "record_every": 10} | settings
    try:
        out.history = fit(out.model, *data, iterations=iterations, optimizer=out.optimizer, engine=engine, **settings)
    except TrainingDiverged as error:
        out.error, out.history = str(error), error.history
    return out


def assert_like(found: Outcome, expected: Outcome, rtol: float = 1e-9) -> None:
    """Equal to rounding: relative to the largest element, as the small ones are sums in which much cancels."""
    assert found.error == expected.error
    for name in ("iterations", "stopped", "learning_rate"):
        assert getattr(found.history, name) == getattr(expected.history, name), name
    assert list(found.history.costs) == list(expected.history.costs)
    assert all(type(cost) is float for cost in found.history.costs.values())
    np.testing.assert_allclose(list(found.history.costs.values()), list(expected.history.costs.values()), rtol=rtol)
    assert [i for i, _ in found.seen] == [i for i, _ in expected.seen]
    np.testing.assert_allclose([c for _, c in found.seen], [c for _, c in expected.seen], rtol=rtol)
    ours, theirs = found.arrays(), expected.arrays()
    assert list(ours) == list(theirs) and len(ours) > 0
    for name, array in theirs.items():
        assert isinstance(ours[name], float) == isinstance(array, float) or array.shape == ()
        assert (np.asarray(ours[name]).dtype, np.shape(ours[name])) == (np.asarray(array).dtype, np.shape(array)), name
        np.testing.assert_allclose(ours[name], array, rtol=rtol, atol=rtol * np.max(np.abs(array)), err_msg=name)


def both(engine: str, make: Callable[[], nn.Module], rtol: float = 1e-9, **settings: Any) -> Outcome:
    """What an engine makes of a training, once it has been compared with eager training."""
    expected, found = trained("eager", make, **settings), trained(engine, make, **settings)
    assert_like(found, expected, rtol)
    assert found.history.engine.startswith(engine), found.history.engine
    return found


def values(model: nn.Module) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in model.state_dict().items()}


class Of(nn.Module):
    """One number p; the cost is a function of it alone."""

    def __init__(self, start: Any, cost: Callable[[Tensor], Any]):
        self.p, self.of = Tensor(start, requires_grad=True), cost

    def cost(self, X: Any, Y: Any) -> Any:
        return self.of(self.p)


class Line(nn.Module):
    """Least squares: diverges where the learning rate is large."""

    def __init__(self, n_x: int = 2, dtype: Any = np.float64):
        self.layer = nn.Linear(n_x, 1, random=np.random.RandomState(1), dtype=dtype)

    def cost(self, X: Any, Y: Any) -> Any:
        return nn.mean_squared_error(self.layer(X), Y)


class Odd(nn.Module):
    """Shared and unused parameters, a number as a parameter, one that is frozen, and no dtype but float32."""

    def __init__(self, dtype: Any = np.float64) -> None:
        random = np.random.RandomState(1)
        self.first = nn.Linear(2, 2, random=random, dtype=dtype)
        self.second, self.last = self.first, nn.Linear(2, 1, random=random, dtype=dtype)
        self.scale = Tensor(dtype(1.5), requires_grad=True)
        self.unused = Tensor(np.arange(3, dtype=dtype), requires_grad=True)
        self.frozen = Tensor(np.full((2, 1), 0.5, dtype), requires_grad=False)

    def cost(self, X: Any, Y: Any) -> Any:
        A = np.tanh(self.second(np.tanh(self.first(X))) * self.frozen)  # type: ignore[operator]
        return nn.binary_cross_entropy(nn.sigmoid(self.last(A) * self.scale), Y)


# ------------------------------------------------------------------------------------- the same as in eager

TRAININGS: dict[str, dict[str, Any]] = {
    "planar": {"make": PlanarClassifier, "print_cost": 20, "record_every": 7},
    "adam, batches of 7": {"make": PlanarClassifier, "batch_size": 7,
                           "optimizer": lambda: optim.Adam(0.05, weight_decay=0.01)},
    "wide": {"make": lambda: DeepNetwork([60, 5, 3, 1]), "data": WIDE, "print_cost": 30},
    "wide, momentum": {"make": lambda: TwoLayerNetwork(60, 7, 1), "data": WIDE,
                       "optimizer": lambda: optim.Momentum(0.3, weight_decay=0.1)},
    "logistic": {"make": lambda: LogisticRegression(60), "data": WIDE,
                 "optimizer": lambda: optim.GradientDescent(0.01)},
    "odd": {"make": Odd, "optimizer": lambda: optim.Momentum(0.2)},
    "odd, batches of 7": {"make": Odd, "batch_size": 7, "optimizer": lambda: optim.Adam(0.05)},
    "float32": {"make": lambda: Odd(np.float32), "optimizer": lambda: optim.Adam(0.01), "rtol": 1e-4},
}


@every_engine
@pytest.mark.parametrize("name", TRAININGS)
def test_the_same_training(name: str, engine: str, capsys: pytest.CaptureFixture[str]) -> None:
    settings = {"rtol": 1e-9} | TRAININGS[name]
    found = both(engine, **settings)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:len(lines) // 2] == lines[len(lines) // 2:] and len(lines) == 2 * len(
        range(0, 60, settings.get("print_cost", 60))) * ("print_cost" in settings)
    assert ("in the span of the data" in found.history.engine) == ("data" in settings)
    assert ("traced again for batches of 1" in found.history.engine) == ("batch_size" in settings)


@every_engine
@pytest.mark.parametrize("name", ["planar", "wide", "adam, batches of 7", "wide, momentum"])
def test_a_second_training_goes_on_where_the_first_one_ended(name: str, engine: str) -> None:
    """With the same optimiser. Batches are drawn anew, so those of the first must be a whole number of epochs."""
    settings = {key: value for key, value in TRAININGS[name].items() if key not in ("print_cost", "record_every")}
    make, data = settings.pop("make"), settings.get("data", (X, Y))
    if "batch_size" in settings:
        settings["batch_size"] = 50
    whole, found = trained("eager", make, iterations=64, **settings), trained(engine, make, iterations=24, **settings)
    settings.pop("data", None)
    again = fit(found.model, *data, iterations=40, engine=engine, **settings | {"optimizer": found.optimizer})
    found.history = whole.history
    assert_like(found, whole)
    np.testing.assert_allclose(list(again.costs.values()), [whole.history.costs[i] for i in range(24, 64)], rtol=1e-9)


@every_engine
@pytest.mark.parametrize("wide", [False, True])
def test_parameters_are_the_users_own_afterwards(engine: str, wide: bool) -> None:
    model: Any = DeepNetwork([60, 3, 1]) if wide else Odd()
    inputs = WIDE if wide else (X, Y)
    tensors = model.parameters()
    held = [p.data for p in tensors]
    copies = [array.copy() for array in held]
    for p in tensors:
        p.grad = np.ones(p.shape)
    fit(model, *inputs, iterations=30, learning_rate=0.5, engine=engine)
    assert all(p is q for p, q in zip(model.parameters(), tensors))
    assert all(p.grad is None for p in tensors)
    for p, array, copy in zip(tensors, held, copies):  # a new array, as with every update of an optimiser
        np.testing.assert_array_equal(array, copy)
        assert type(p.data) is np.ndarray and p.data.flags.writeable and p.data.dtype == np.float64
    held, copies = [p.data for p in tensors], [p.data.copy() for p in tensors]
    fit(model, *inputs, iterations=30, learning_rate=0.5, engine=engine)
    assert all(np.array_equal(array, copy) for array, copy in zip(held, copies))
    tensors[0].data = np.ones(tensors[0].shape)  # what is assigned or changed in place counts for the next training
    tensors[1].data *= 0
    other = type(model)(*([[60, 3, 1]] if wide else []))
    other.load_state_dict(model.state_dict())
    for trained_by, one in ((engine, model), ("eager", other)):
        fit(one, *inputs, iterations=30, learning_rate=0.5, engine=trained_by)
    for p, q in zip(model.parameters(), other.parameters()):
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-9, atol=1e-12)


# --------------------------------------------------------------------------------------- what ran, and why

@pytest.mark.parametrize("settings, expected", [
    ({"iterations": 5}, "eager: compiling does not pay for 5 iterations"),
    ({"iterations": 50, "callback": lambda i, model, cost: None}, "eager: the callback sees the gradients of nearly"),
    ({"iterations": 50, "engine": "eager"}, "eager: as asked for"),
    ({"iterations": 5, "engine": "numpy"}, "numpy: "),
    ({"iterations": 50}, "numpy: .* operations in a step; machine code would take .* to make and save "),
    ({"iterations": 20_000}, "native: .* operations in a step; machine code saves about "),
    ({"iterations": 50, "engine": "native", "batch_size": 50}, "native: [0-9]+ operations in a step$"),
    ({"iterations": 8, "engine": "numpy", "batch_size": 7},
     "numpy: [0-9]+ operations in a step; traced again for batches of 1$"),
    ({"iterations": 7, "engine": "numpy", "batch_size": 7}, "numpy: [0-9]+ operations in a step$"),
], ids=lambda x: re.sub(" at 0x.*?>", ">", str(x)))
def test_what_ran_and_why(settings: dict[str, Any], expected: str) -> None:
    history = fit(PlanarClassifier(), X, Y, learning_rate=1, **settings)
    assert re.match(expected, history.engine), history.engine


WITHOUT_LLVMLITE = """
import sys
sys.modules["llvmlite"] = None
import numpy as np
from tinygrad_course import InputError, data, fit
from tinygrad_course.models import PlanarClassifier

flower, model, other = data.planar("flower"), PlanarClassifier(), PlanarClassifier()
before = model.state_dict()["W1"].copy()
try:
    fit(model, *flower, iterations=50, learning_rate=1, engine="native")
except InputError as error:
    print(error, np.array_equal(model.state_dict()["W1"], before))
history = fit(model, *flower, iterations=50, learning_rate=1)
print(history.engine, fit(other, *flower, iterations=50, learning_rate=1, engine="eager").costs == history.costs)
"""


def test_without_llvmlite() -> None:
    done = subprocess.run([sys.executable, "-I", "-W", "error", "-c", WITHOUT_LLVMLITE], capture_output=True, text=True)
    assert done.stderr == ""
    refusal, auto = done.stdout.splitlines()
    assert refusal == "llvmlite is not installed: pip install 'tinygrad_course[fast]' True"
    assert auto.startswith("numpy: ") and auto.endswith("pip install 'tinygrad_course[fast]' True")


def test_data_that_machine_code_cannot_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers that lie between others, at addresses that are no multiples of their size."""
    monkeypatch.setattr(running.STEPS["numpy"], "seconds_to_compile", lambda step: 0.0)
    packed = np.zeros(X.size, dtype=[("flag", "i1"), ("value", "f8")])
    packed["value"] = X.ravel()
    inputs = packed["value"].reshape(X.shape)
    with pytest.raises(InputError, match="'native' cannot train this PlanarClassifier: the data do not lie in memory"):
        fit(PlanarClassifier(), inputs, Y, iterations=50, learning_rate=1, engine="native")
    for batch_size in (None, 8):
        auto = trained("auto", PlanarClassifier, data=(inputs, Y), batch_size=batch_size)
        assert auto.history.engine.startswith("numpy: ") and "the data do not lie" in auto.history.engine
        assert_like(auto, trained("eager", PlanarClassifier, data=(inputs, Y), batch_size=batch_size))


class Untraceable(nn.Module):
    """A planar classifier whose cost does one more thing."""

    def __init__(self, extra: Callable[["Untraceable", Any], float]):
        self.inner, self.t, self.extra, self.random = PlanarClassifier(), 0, extra, np.random.RandomState(4)

    def cost(self, X: Any, Y: Any) -> Any:
        return self.inner.cost(X, Y) * self.extra(self, X)


def counts(model: Untraceable, X: Any) -> float:
    model.t += 1
    return 1 / model.t


class Counting(optim.Optimizer):
    """Divides the learning rate by a count that it keeps itself."""

    t = 0

    def update(self, w: Any, g: Any, state: Any) -> Any:
        self.t += 1
        return w - self.learning_rate / self.t * g, state


class Decaying(optim.GradientDescent):
    """Has a smaller learning rate after each step."""

    def step(self, parameters: Any) -> None:
        super().step(parameters)
        self.learning_rate *= 0.9


UNTRACEABLE: dict[str, tuple[Callable[[], nn.Module], Callable[[], optim.Optimizer], dict[str, Any], str]] = {
    "looks at a value": (lambda: Untraceable(lambda model, X: 2.0 if X.data[0, 0] > 0 else 1.0),
                         lambda: optim.GradientDescent(0.5), {}, "Python's control flow depends on a value"),
    "in the last batch of an epoch": (lambda: Untraceable(lambda model, X: 2.0 if X.shape[1] == 1 and X.data[0, 0] > 0
                                                          else 1.0),
                                      lambda: optim.GradientDescent(0.3), {"batch_size": 7}, "Python's control flow"),
    "counts": (lambda: Untraceable(counts), lambda: optim.GradientDescent(0.1), {},
               "changes attributes of the model: t"),
    "counts and looks": (lambda: Untraceable(lambda model, X: counts(model, X) * (2 if float(X.data[0, 0]) > 0 else 1)),
                         lambda: optim.GradientDescent(0.2), {}, "a value is read as a Python number"),
    "its own random numbers": (lambda: Untraceable(lambda model, X: model.random.rand()),
                               lambda: optim.Momentum(0.5), {}, "changes attributes of the model"),
    "random numbers": (lambda: Untraceable(lambda model, X: np.random.rand()), lambda: optim.Momentum(0.4), {},
                       "it draws random numbers"),
    "random numbers and a look": (lambda: Untraceable(lambda model, X: np.random.rand() if X.data[0, 0] > 9 else
                                                      np.random.rand()),
                                  lambda: optim.Adam(0.1), {}, "Python's control flow"),
    "a rule that counts": (PlanarClassifier, lambda: Counting(0.5), {}, "Counting.update changes attributes .*: t"),
    "a step of its own": (PlanarClassifier, lambda: Decaying(0.5), {}, "Decaying has a step of its own"),
}


@pytest.mark.parametrize("name", UNTRACEABLE)
def test_what_cannot_be_compiled(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eager numbers to the last bit: looking at the model has left no traces. Each reason is told once."""
    make, optimizer, settings, reason = UNTRACEABLE[name]
    monkeypatch.setattr(running, "_said", set())

    def train(engine: str) -> tuple[History, dict[str, bytes]]:
        np.random.seed(8)
        model = make()
        history = fit(model, X, Y, iterations=40, optimizer=optimizer(), engine=engine, **settings)
        return history, values(model)

    with pytest.warns(EagerWarning, match=f"is not compiled but trained eagerly: .*{reason}") as told:
        history, found = train("auto")
    assert len(told) == 1 and told[0].lineno == train.__code__.co_firstlineno + 3  # where fit is called
    assert history.engine.startswith("eager: ")
    expected, weights = train("eager")
    assert history.costs == expected.costs and found == weights
    train("auto")  # a second warning would be an error
    for engine in ENGINES:
        model = make()
        before = values(model)
        with pytest.raises(InputError, match=f"the engine '{engine}' cannot train this .*{reason}.*Use engine="):
            fit(model, X, Y, iterations=40, optimizer=optimizer(), engine=engine, **settings)
        assert values(model) == before


# --------------------------------------------------------------------------------------------------- callbacks

def at_20(change: Callable[[Any, Any], Any]) -> Callable[[Outcome, int], None]:
    return lambda out, i: change(out.model, out.optimizer) if i == 20 else None


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


def test_what_the_cost_reads_on_the_model_may_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """A callback that changes a number on the model, and one that makes the model untraceable."""
    monkeypatch.setattr(running, "_said", set())

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
    original = running.STEPS["numpy"].__init__
    monkeypatch.setattr(running.STEPS["numpy"], "__init__",
                        lambda self, *given: (traced.append(1), original(self, *given))[1])
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


# ------------------------------------------------------------------------------------------------- divergence

@every_engine
@pytest.mark.parametrize("every", [None, 4])
def test_divergence_in_every_place_of_a_chunk(engine: str, every: int | None) -> None:
    """p becomes -3 p in each step, and p^2 overflows in iteration k. Chunks begin at 0, 1, 3, 7, 15, ...

    every: with a callback, which is called just before, in or just after the iteration.
    """
    for k in (*range(10), 15, 16, 17, 200):
        start = 10 ** (154.1 - k * np.log10(3) + 0.1)
        settings: dict[str, Any] = {} if every is None else {"act": lambda out, i: None, "record_every": every}
        found = both(engine, lambda: Of(start, np.square), iterations=250, optimizer=lambda: optim.GradientDescent(2.0),
                     **settings)
        assert f"the cost became inf in iteration {k}: the parameters after {max(k - 1, 0)} updates" in found.error
        with np.errstate(over="ignore"):
            assert np.isfinite(found.model.cost(X, Y).item()) == (k > 0)


DIVERGING: dict[str, dict[str, Any]] = {
    "nan": {"make": lambda: Of(1.0, np.sqrt), "optimizer": lambda: optim.GradientDescent(4.0)},
    "nan at once": {"make": lambda: Of(-1.0, np.log)},
    "adam": {"make": lambda: Of(0.0, lambda p: p * -1e150), "optimizer": lambda: optim.Adam(1e157)},
    "momentum": {"make": Line, "optimizer": lambda: optim.Momentum(1e5), "iterations": 300},
    "batches": {"make": Line, "optimizer": lambda: optim.GradientDescent(1e4), "batch_size": 7, "iterations": 300},
    "batches, momentum": {"make": Line, "optimizer": lambda: optim.Momentum(1e5), "batch_size": 20, "iterations": 300},
    "wide": {"make": lambda: Line(60), "data": WIDE, "iterations": 300,
             "optimizer": lambda: optim.GradientDescent(100.0)},
    "wide, momentum": {"make": lambda: Line(60), "data": WIDE, "iterations": 300,
                       "optimizer": lambda: optim.Momentum(1e3)},
    "float32": {"make": lambda: Line(2, np.float32), "optimizer": lambda: optim.GradientDescent(1e3), "rtol": 1e-3},
    "infinite parameters": {"make": lambda: Of(4.0, lambda p: p * 1e200), "iterations": 1,
                            "optimizer": lambda: optim.GradientDescent(1e200)},
    "infinite after a callback": {"make": lambda: Of(4.0, lambda p: p * 1e100), "iterations": 21, "act": at_20(
        lambda model, optimizer: setattr(optimizer, "learning_rate", 1e300)),
        "optimizer": lambda: optim.GradientDescent(1e-100)},
    "just after a callback's change": {"make": lambda: Of(3.0, np.square), "act": at_20(
        lambda model, optimizer: setattr(optimizer, "learning_rate", 1e200)),
        "optimizer": lambda: optim.GradientDescent(1e-3)},
    "one after that": {"make": lambda: Of(3.0, np.square), "act": at_20(
        lambda model, optimizer: setattr(optimizer, "learning_rate", 1e100)),
        "optimizer": lambda: optim.GradientDescent(1e-3)},
    "in the callback's next iteration": {"make": lambda: Of(3.0, np.square), "record_every": 1, "act": at_20(
        lambda model, optimizer: setattr(optimizer, "learning_rate", 1e200)),
        "optimizer": lambda: optim.GradientDescent(1e-3)},
}


@every_engine
@pytest.mark.parametrize("name", DIVERGING)
def test_divergence(name: str, engine: str) -> None:
    """The same message, iterations and costs, and the same last good parameters; see `assert_like`."""
    settings = {"rtol": 1e-9} | DIVERGING[name]
    rtol = settings.pop("rtol")
    expected, found = trained("eager", **settings), trained(engine, **settings)
    assert expected.error and found.history.engine.startswith(engine)
    for out in (expected, found):
        out.optimizer.states.clear()  # eager training keeps the states of the last update
    assert_like(found, expected, rtol)
    assert all(np.isfinite(p.numpy()).all() and p.data.flags.writeable for p in found.model.parameters())


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
    assert history.engine.startswith(engine) and history.iterations > 100, history
    assert history.stopped == f"interrupted after iteration {history.iterations - 1}"
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
    assert (done.stdout, done.stderr, done.returncode) == ("the same\n" * 3, "", 0)


@every_engine
def test_ctrl_c_in_other_places(engine: str) -> None:
    """In a callback, the second one at once; while the step is being compiled; where somebody else handles it."""
    def press(times: int) -> Callable[[Outcome, int], None]:
        def act(out: Outcome, i: int) -> None:
            held[:] = [out.model]
            for _ in range(times if i == 20 else 0):
                signal.raise_signal(signal.SIGINT)
        return act

    held: list[nn.Module] = []
    both(engine, PlanarClassifier, act=press(1))
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


@every_engine
def test_threads(engine: str) -> None:
    """Trainings side by side do not disturb each other."""
    names = ["planar", "adam, batches of 7", "wide", "planar"]
    chosen = [{key: value for key, value in TRAININGS[name].items() if key != "print_cost"} for name in names]
    expected = [trained(engine, **settings, iterations=1000) for settings in chosen]
    found: dict[int, Outcome] = {}
    threads = [threading.Thread(target=lambda k=k: found.update({k: trained(engine, **chosen[k], iterations=1000)}))
               for k in range(len(names))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k, one in enumerate(expected):
        assert found[k].history.costs == one.history.costs and values(found[k].model) == values(one.model)


# --------------------------------------------------------------------------------------------------- the data

def layouts(folder: Path) -> dict[str, tuple[Any, Any]]:
    """The data in memory of every kind."""
    wide, labels = RANDOM.randn(4, 60), np.repeat(Y, 2, axis=1)
    mapped = np.memmap(folder / "X", np.float64, "w+", shape=X.shape, order="F")
    mapped[...] = X
    locked = X.copy()
    locked.setflags(write=False)
    return {
        "Fortran": (np.asfortranarray(X), np.asfortranarray(Y)), "locked": (locked, Y), "mapped": (mapped, Y),
        "every other column": (wide[:2, ::2], labels[:, :60:2]), "every other row": (wide[::2], labels[:, :60]),
        "backwards": (X[::-1, ::-1], Y[:, ::-1]), "Tensors": (Tensor(X), Tensor(Y)), "lists": (X.tolist(), Y.tolist()),
        "float32": (X.astype(np.float32), Y.astype(np.uint8)), "whole numbers": (np.rint(9 * X).astype(int), Y == 1),
        "the other byte order": (X.astype(">f8"), Y), "one column everywhere": (np.broadcast_to(X[:, :1], X.shape), Y),
    }


@every_engine
def test_layouts_of_the_data(engine: str, tmp_path: Path) -> None:
    for name, (inputs, labels) in layouts(tmp_path).items():
        copies = np.array(inputs.data if isinstance(inputs, Tensor) else inputs)
        for batch_size in (None, 8):
            both(engine, PlanarClassifier, data=(inputs, labels), batch_size=batch_size, iterations=25)
        np.testing.assert_array_equal(inputs.data if isinstance(inputs, Tensor) else inputs, copies, err_msg=name)


@every_engine
@pytest.mark.parametrize("batch_size", [1, 7, 10, 49, 50, 51])
def test_sizes_of_batches(batch_size: int, engine: str) -> None:
    found = both(engine, PlanarClassifier, batch_size=batch_size, seed=5, iterations=120)
    whole = trained(engine, PlanarClassifier, iterations=120)
    assert (found.history.costs == whole.history.costs) == (batch_size >= 50)


@every_engine
def test_data_with_three_axes(engine: str) -> None:
    class Pictures(Line):
        def cost(self, X: Any, Y: Any) -> Any:
            return super().cost(X.reshape((6, -1)), Y)

    images = RANDOM.randn(2, 3, 50)
    for inputs in (images, np.asfortranarray(images), images.transpose(1, 0, 2)):
        for batch_size in (None, 8):
            both(engine, lambda: Pictures(6), data=(inputs, Y), batch_size=batch_size,
                 optimizer=lambda: optim.GradientDescent(0.01))


@every_engine
def test_parameters_that_are_locked(engine: str) -> None:
    """As they are while a graph uses them."""
    def make() -> Odd:
        model = Odd()
        for p in model.parameters():
            p._data.setflags(write=False)
        return model
    both(engine, make, batch_size=7)


@every_engine
@pytest.mark.parametrize("X, Y", [
    (np.where(X > 1, np.nan, X), Y), (X, Y + 1), (X.T, Y), (X, Y[:, :7]), (X[0], Y), (X[:, :0], Y[:, :0]),
    (X.astype(str), Y), (np.ones((3, 50)), Y), (X, np.ones((2, 50))), (X, None)],
    ids=["nan", "labels", "X.T", "m", "1-D", "empty", "strings", "n_x", "n_y", "None"])
def test_bad_data(X: Any, Y: Any, engine: str) -> None:
    """The same words as from eager training."""
    messages = []
    for trained_by in ("eager", engine):
        model = PlanarClassifier()
        before = values(model)
        with pytest.raises(InputError) as caught:
            fit(model, X, Y, iterations=30, learning_rate=1, engine=trained_by)
        messages.append(str(caught.value))
        assert values(model) == before
    assert messages[0] == messages[1]


# -------------------------------------------------------------------------------------------------- the course

@pytest.fixture(scope="module")
def images() -> data.Dataset:
    """The course's images where TGC_DATA says where they are, else stand-ins."""
    return data.load_images() if "TGC_DATA" in os.environ else data.stand_in()


@pytest.mark.slow
@pytest.mark.parametrize("name, iterations", [("logistic", 300), ("two-layer", 200), ("four-layer", 100)])
def test_the_courses_models(name: str, iterations: int, images: data.Dataset) -> None:
    """The beginning, as eager training takes long; the whole training where the variable TGC_WHOLE is set."""
    exercise = EXERCISES[name]
    if "TGC_WHOLE" in os.environ:
        iterations = exercise.iterations
    settings: dict[str, Any] = {
        "make": lambda: exercise.make(len(images.X_train)), "data": (images.X_train, images.Y_train),
        "iterations": iterations, "optimizer": lambda: optim.GradientDescent(exercise.learning_rate)}
    expected = trained("eager", **settings)
    for engine in ENGINES:
        found = trained(engine, **settings)
        assert "in the span of the data" in found.history.engine
        assert_like(found, expected)


def test_the_courses_flower() -> None:
    """NumPy's source gives eager training bit for bit; machine code rounds differently, which grows.

    After some 7600 iterations the training itself makes 3e-4 of changes in the last bit of the weights.
    """
    settings: dict[str, Any] = {"make": PlanarClassifier, "data": data.planar("flower"), "iterations": 10_000,
                                "optimizer": lambda: optim.GradientDescent(1.2)}

    def nudged() -> PlanarClassifier:
        model = PlanarClassifier()
        for layer in model.layers:
            layer.W.data = np.nextafter(layer.W.data, 1)
        return model

    eager, numpy, native = (trained(engine, **settings) for engine in ("eager", "numpy", "native"))
    assert numpy.history.costs == eager.history.costs and values(numpy.model) == values(eager.model)
    other = trained("numpy", **settings | {"make": nudged})

    def difference(one: Outcome, start: int, end: int) -> float:
        return max(abs(one.history.costs[i] / eager.history.costs[i] - 1) for i in range(start, end))

    for one in (native, other):
        assert 0 < difference(one, 0, 7000) < 1e-9
        assert difference(one, 7000, 10_000) < 0.1
    assert difference(other, 7600, 10_000) > 1e-5
    assert difference(native, 7600, 10_000) < 100 * difference(other, 7600, 10_000)
