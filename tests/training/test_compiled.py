"""Every engine of `fit` does what engine="eager" does: what it records, prints, raises and leaves behind."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainings import (
    ENGINES, TRAININGS, WIDE, X, Y, Line, Odd, Of, Outcome, Untraceable, assert_like, at_20, both, counts,
    every_engine, trained, values)

from tinygrad_course import InputError, Tensor, data, fit, nn, optim
from tinygrad_course.compiler import TracedStep
from tinygrad_course.training import compiled
from tinygrad_course.training.notices import EagerWarning
from tinygrad_course.course.exercises import EXERCISES
from tinygrad_course.models import DeepNetwork, LogisticRegression, PlanarClassifier
from tinygrad_course.training import History

# ------------------------------------------------------------------------------------- the same as in eager


@every_engine
@pytest.mark.parametrize("name", TRAININGS)
def test_the_same_training(name: str, engine: str, capsys: pytest.CaptureFixture[str]) -> None:
    settings = {"rtol": 1e-9} | TRAININGS[name]
    found = both(engine, **settings)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:len(lines) // 2] == lines[len(lines) // 2:] and len(lines) == 2 * len(
        range(0, 60, settings.get("print_cost", 60))) * ("print_cost" in settings)
    assert ("in the span of the data" in found.history.why) == ("data" in settings)
    assert ("traced again for batches of 1" in found.history.why) == ("batch_size" in settings)


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
    assert re.match(expected, f"{history.engine}: {history.why}"), history


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
again = fit(other, *flower, iterations=50, learning_rate=1, engine="eager")
print(history.engine, history.why, again.costs == history.costs)
"""


def test_without_llvmlite() -> None:
    done = subprocess.run([sys.executable, "-I", "-W", "error", "-c", WITHOUT_LLVMLITE], capture_output=True, text=True)
    assert done.stderr == ""
    refusal, auto = done.stdout.splitlines()
    assert refusal == "llvmlite is not installed: pip install llvmlite True"
    assert auto.startswith("numpy ") and auto.endswith("pip install llvmlite True")


def test_data_that_machine_code_cannot_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers that lie between others, at addresses that are no multiples of their size."""
    monkeypatch.setattr(TracedStep, "seconds_to_compile", lambda step: 0.0)
    packed = np.zeros(X.size, dtype=[("flag", "i1"), ("value", "f8")])
    packed["value"] = X.ravel()
    inputs = packed["value"].reshape(X.shape)
    with pytest.raises(InputError, match="'native' cannot train this PlanarClassifier: the data do not lie in memory"):
        fit(PlanarClassifier(), inputs, Y, iterations=50, learning_rate=1, batch_size=8, engine="native")
    for batch_size in (None, 8):  # all of them are put together at the start
        auto = trained("auto", PlanarClassifier, data=(inputs, Y), batch_size=batch_size)
        assert (auto.history.engine == "numpy" and "the data do not lie" in auto.history.why) == (batch_size == 8)
        assert_like(auto, trained("eager", PlanarClassifier, data=(inputs, Y), batch_size=batch_size))


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
    monkeypatch.setattr(compiled, "_said", set())

    def train(engine: str) -> tuple[History, dict[str, bytes]]:
        np.random.seed(8)
        model = make()
        history = fit(model, X, Y, iterations=40, optimizer=optimizer(), engine=engine, **settings)
        return history, values(model)

    with pytest.warns(EagerWarning, match=f"is not compiled but trained eagerly: .*{reason}") as told:
        history, found = train("auto")
    assert len(told) == 1 and told[0].lineno == train.__code__.co_firstlineno + 3  # where fit is called
    assert history.engine == "eager" and re.search(reason, history.why)
    expected, weights = train("eager")
    assert history.costs == expected.costs and found == weights
    train("auto")  # a second warning would be an error
    for engine in ENGINES:
        model = make()
        before = values(model)
        with pytest.raises(InputError, match=f"the engine '{engine}' cannot train this .*{reason}.*Use engine="):
            fit(model, X, Y, iterations=40, optimizer=optimizer(), engine=engine, **settings)
        assert values(model) == before


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
    assert expected.error and found.history.engine == engine
    assert_like(found, expected, rtol)
    assert all(np.isfinite(p.numpy()).all() and p.data.flags.writeable for p in found.model.parameters())


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
    wide, labels = np.random.RandomState(4).randn(4, 60), np.repeat(Y, 2, axis=1)
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


@pytest.mark.parametrize("make, n_x", [(PlanarClassifier, 2), (lambda: LogisticRegression(7), 7),
                                       (lambda: DeepNetwork([7, 5, 3, 1]), 7)], ids=["planar", "logistic", "deep"])
@pytest.mark.parametrize("batch_size", [None, 1, 7, 10])
def test_numpy_has_the_bits_of_eager(make: Any, n_x: int, batch_size: int | None) -> None:
    """Where no weights are kept in the span of the data: however these lie in memory, also in mini-batches."""
    numbers = np.random.RandomState(5).randn(n_x, 50)
    rules: list[Callable[[], optim.Optimizer]] = [
        lambda: optim.GradientDescent(0.5), lambda: optim.Momentum(0.5), lambda: optim.Adam(0.05, weight_decay=0.01)]
    for inputs in (numbers, np.asfortranarray(numbers), numbers[::-1, ::-1], np.repeat(numbers, 2, axis=1)[:, ::2]):
        for rule in rules:
            eager, numpy = (trained(engine, make, data=(inputs, Y), optimizer=rule, batch_size=batch_size)
                            for engine in ("eager", "numpy"))
            assert eager.history.costs == numpy.history.costs and values(eager.model) == values(numpy.model)


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

    images = np.random.RandomState(4).randn(2, 3, 50)
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
        assert "in the span of the data" in found.history.why
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
