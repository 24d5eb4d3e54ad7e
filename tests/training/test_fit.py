"""fit, predict and accuracy: what training does, what it prints, what it refuses, and how it stops."""

import gc
import re
import signal
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygrad_course import InputError, Tensor, accuracy, data, fit, nn, optim, predict
from tinygrad_course.models import LogisticRegression, PlanarClassifier
from tinygrad_course.training import History, TrainingDiverged, UntrainedWarning

NAN, INF = float("nan"), float("inf")
RANDOM = np.random.RandomState(0)
X = RANDOM.randn(2, 10)
Y = (X[:1] * X[1:] > 0).astype(float)


def values(model: nn.Module) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in model.state_dict().items()}


class Late(optim.Optimizer):
    """Goes far wrong in the third step."""

    def initial_state(self, w: Any) -> Any: return (0,)

    def update(self, w: Any, g: Any, state: Any) -> Any:
        return (w - self.learning_rate * g if state == (2,) else w - 1), (state[0] + 1,)


class Parameter(nn.Module):
    """One number p; the cost is a function of it alone."""

    def __init__(self, start: float, cost: Callable[[Tensor], Tensor]):
        self.p, self.of = Tensor(start, requires_grad=True), cost

    def cost(self, X: Any, Y: Any) -> Tensor:
        return self.of(self.p)


# ------------------------------------------------------------------------------------------------- training


def test_it_prints_the_lines_of_the_course(capsys: pytest.CaptureFixture[str]) -> None:
    flower = data.planar("flower")
    history = fit(PlanarClassifier(), *flower, iterations=1001, learning_rate=1.2, print_cost=1000)
    printed = capsys.readouterr()
    assert printed.out == "Cost after iteration 0: 0.693048\nCost after iteration 1000: 0.288083\n"
    assert printed.err == ""
    assert [f"{cost:.6f}" for cost in history.costs.values()] == ["0.693048", "0.288083"]


def test_the_history(capsys: pytest.CaptureFixture[str]) -> None:
    history = fit(PlanarClassifier(), X, Y, iterations=7, learning_rate=0.5, print_cost=3)
    assert list(history.costs) == [0, 3, 6] and all(type(cost) is float for cost in history.costs.values())
    assert (history.iterations, history.learning_rate, history.stopped) == (7, 0.5, None)
    assert 0 < history.seconds < 60 and history.engine == "eager" and "7 iterations" in history.why
    assert capsys.readouterr().out.count("\n") == 3
    every = fit(PlanarClassifier(), X, Y, iterations=7, optimizer=optim.GradientDescent(0.5))
    assert list(every.costs) == list(range(7)) and {i: every.costs[i] for i in (0, 3, 6)} == history.costs
    assert capsys.readouterr().out == ""
    sparse = fit(PlanarClassifier(), X, Y, iterations=7, learning_rate=0.5, print_cost=4, record_every=5)
    assert sparse.costs == {0: every.costs[0], 5: every.costs[5]}
    assert [line.split(":")[0][-1] for line in capsys.readouterr().out.splitlines()] == ["0", "4"]


@pytest.mark.parametrize("engine", ["eager", "numpy"])
def test_what_a_callback_takes_is_none_of_training(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that only the callback moves."""
    clock = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])

    def callback(i: int, model: Any, cost: float) -> None:
        clock[0] += 100

    history = fit(PlanarClassifier(), X, Y, iterations=3, learning_rate=0.5, callback=callback, engine=engine)
    assert clock == [300] and history.seconds == 0


def test_print_cost_as_in_the_course(capsys: pytest.CaptureFixture[str]) -> None:
    for print_cost, lines in ((True, 3), (False, 0), (None, 0)):
        fit(LogisticRegression(2), X, Y, iterations=201, learning_rate=0.5, print_cost=print_cost)
        assert capsys.readouterr().out.count("Cost after iteration") == lines


def test_no_iterations() -> None:
    for start in (1.0, INF):
        history = fit(Parameter(start, np.square), X, Y, iterations=0, learning_rate=1)
        assert (history.costs, history.iterations, history.stopped) == ({}, 0, None)


@pytest.mark.parametrize("engine", ["auto", "eager"])
def test_an_iteration_is_one_update_by_the_gradient(engine: str) -> None:
    model, by_hand = PlanarClassifier(), PlanarClassifier()
    for p in model.parameters():
        p.grad = np.full(p.shape, 1e6)  # left over from something else
    history = fit(model, X, Y, iterations=5, learning_rate=0.7, engine=engine)
    costs = []
    for _ in range(5):
        costs.append(by_hand.cost(X, Y).item())
        gradients = by_hand.closed_form(X, Y)
        for name, p in by_hand.named_parameters():
            p.data = p.numpy() - 0.7 * gradients[name]
    np.testing.assert_allclose(list(history.costs.values()), costs, rtol=1e-13)
    for p, q in zip(model.parameters(), by_hand.parameters()):
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-12)


@pytest.mark.parametrize("optimizer", [optim.Momentum(0.5), optim.Adam(0.01)], ids=["momentum", "adam"])
def test_the_callback_sees_parameters_and_gradients_that_belong_together(optimizer: optim.Optimizer) -> None:
    model, seen = PlanarClassifier(), []

    def look(i: int, model: Any, cost: float) -> None:
        for name, gradient in model.closed_form(X, Y).items():
            np.testing.assert_allclose(dict(model.named_parameters())[name].grad, gradient, rtol=1e-11, atol=1e-17)
        assert cost == pytest.approx(model.cost(X, Y).item(), rel=1e-14)
        seen.append((i, cost))

    history = fit(model, X, Y, iterations=20, optimizer=optimizer, callback=look)
    assert dict(seen) == history.costs and len(seen) == 20 and seen[-1][1] < seen[0][1]


def test_a_cost_for_a_network_without_one() -> None:
    network = nn.Sequential(nn.Linear(2, 3, random=np.random.RandomState(1)), nn.Tanh(), nn.Linear(3, 1), nn.Sigmoid())
    expected = nn.mean_squared_error(network(X), Y).item()
    history = fit(network, X, Y, iterations=30, learning_rate=0.5, cost=nn.mean_squared_error)
    assert history.costs[0] == pytest.approx(expected) and history.costs[29] < expected
    with pytest.raises(InputError, match="Sequential does not define cost"):
        fit(network, X, Y, iterations=1, learning_rate=0.5)
    fit(network, X, Y + 0.5, iterations=1, learning_rate=0.5, cost=nn.mean_squared_error)  # any number will do
    with pytest.raises(InputError, match="the labels must be 0 or 1"):
        fit(network, X, Y + 0.5, iterations=1, learning_rate=0.5, cost=nn.binary_cross_entropy)


def test_what_is_given_stays_as_it_is() -> None:
    """The caller's arrays are neither changed nor locked; whole numbers and Tensors do as well."""
    model, other = LogisticRegression(2), LogisticRegression(2)
    inputs, labels = np.round(10 * X), Y.copy()
    history = fit(model, inputs, labels, iterations=5, learning_rate=0.1)
    assert inputs.flags.writeable and labels.flags.writeable
    assert np.array_equal(inputs, np.round(10 * X)) and np.array_equal(labels, Y)
    same = fit(other, Tensor(inputs), labels.astype(np.uint8), iterations=5, learning_rate=0.1)
    assert same.costs == history.costs and values(model) == values(other)


def test_float32_parameters_stay_float32() -> None:
    """The data, float64, are brought to the parameters' dtype, and so is all that is computed from them."""
    network, dtypes = nn.Sequential(nn.Linear(2, 1, dtype=np.float32), nn.Sigmoid()), set()

    def cost(A: Tensor, Y: Any) -> Tensor:
        J = nn.binary_cross_entropy(A, Y)
        dtypes.update([A.dtype, Y.dtype, J.dtype])
        return J

    fit(network, X, Y, iterations=2, optimizer=optim.Adam(), cost=cost, engine="eager",
        callback=lambda i, model, cost: dtypes.update(p.grad.dtype for p in model.parameters()))
    assert dtypes | {p.dtype for p in network.parameters()} == {np.dtype("float32")}


# ------------------------------------------------------------------------------------------------- batches


class Recorder(nn.Module):
    """Notes the batches that it sees."""

    def __init__(self) -> None:
        self.w, self.seen = Tensor([[1.0]], requires_grad=True), []

    def cost(self, X: Any, Y: Any) -> Tensor:
        np.testing.assert_array_equal(np.asarray(Y), 10 * np.asarray(X))  # labels stay with their examples
        self.seen.append(np.asarray(X)[0].tolist())
        return nn.mean_squared_error(self.w @ X, Y)


def batches(**settings: Any) -> list[list[float]]:
    numbers, model = np.arange(10.0).reshape(1, 10), Recorder()
    fit(model, numbers, 10 * numbers, learning_rate=1e-4, engine="eager", **settings)
    return model.seen


def test_every_example_comes_once_per_epoch() -> None:
    seen = batches(iterations=7, batch_size=4)
    assert [len(batch) for batch in seen] == [4, 4, 2, 4, 4, 2, 4]
    epochs = [sum(seen[:3], []), sum(seen[3:6], [])]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert epochs[0] != epochs[1] and list(range(10)) not in epochs


def test_the_seed_fixes_the_order() -> None:
    first = batches(iterations=6, batch_size=3)
    np.random.seed(99)
    assert batches(iterations=6, batch_size=3) == first == batches(iterations=6, batch_size=3, seed=0)
    assert batches(iterations=6, batch_size=3, seed=1) != first


@pytest.mark.parametrize("batch_size", [None, 10, 11])
def test_full_batches_keep_the_order(batch_size: int | None) -> None:
    assert batches(iterations=2, batch_size=batch_size) == [list(range(10))] * 2


# ---------------------------------------------------------------------------------------------- divergence


@pytest.mark.parametrize("start, cost, rate, bad, fails_at, kept", [
    (3.0, lambda p: p ** 4, 1.0, "inf", 5, None),
    (1.0, np.sqrt, 4.0, "nan", 1, 1.0),
    (-1.0, np.log, 4.0, "nan", 0, -1.0),
], ids=["inf", "nan", "at once"])
def test_divergence_keeps_the_last_good_parameters(start: float, cost: Any, rate: float, bad: str, fails_at: int,
                                                   kept: float | None) -> None:
    if kept is None:  # the last value whose fourth power is finite
        kept = start
        for _ in range(fails_at - 1):
            kept -= rate * 4 * kept ** 3
    model = Parameter(start, cost)
    with pytest.raises(TrainingDiverged, match=rf"the cost became {bad} in iteration {fails_at}: .* smaller") as caught:
        fit(model, X, Y, iterations=50, learning_rate=rate)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert model.p.item() == pytest.approx(kept, rel=1e-12)
    history = caught.value.history
    assert isinstance(caught.value, InputError) and isinstance(history, History)
    assert list(history.costs) == list(range(fails_at)) and np.isfinite(list(history.costs.values())).all()
    assert history.stopped is not None and "iteration" in history.stopped
    assert history.iterations == max(fails_at - 1, 0)  # so many updates made the parameters that are kept
    if fails_at:
        assert history.costs[fails_at - 1] == pytest.approx(model.cost(X, Y).item())


def test_the_last_update_is_looked_at_too() -> None:
    model = Parameter(4.0, lambda p: p * 1e200)
    with pytest.raises(TrainingDiverged, match="iteration 2") as caught:
        fit(model, X, Y, iterations=3, optimizer=Late(1e200))
    assert model.p.item() == 2.0 and caught.value.history.iterations == 2
    assert list(caught.value.history.costs) == [0, 1, 2]


def test_divergence_under_a_real_model() -> None:
    """An overflow within the network; warnings are errors here."""
    network = nn.Sequential(nn.Linear(2, 3, random=np.random.RandomState(1)), nn.ReLU(), nn.Linear(3, 1))
    with pytest.raises(TrainingDiverged, match="A smaller learning rate than 1000 may help"):
        fit(network, 100 * X, Y, iterations=1000, learning_rate=1000, cost=nn.mean_squared_error)
    assert np.isfinite(nn.mean_squared_error(network(100 * X), Y).item())


# ------------------------------------------------------------------------------------------------ refusals


def hole(array: Any, value: float) -> Any:
    array = array.copy()
    array[0, 3] = array[0, 5] = value
    return array


@pytest.mark.parametrize("X, Y, message", [
    (hole(X, NAN), Y, r"X holds nan at \(0, 3\); training needs finite"),
    (hole(X, -INF), Y, r"X holds -inf at \(0, 3\)"),
    (X, hole(Y, NAN), r"Y holds nan at \(0, 3\)"),
    (X, hole(Y, 2), r"Y holds 2 at \(0, 3\); the labels must be 0 or 1"),
    (X, hole(Y, 0.5), r"Y holds 0.5 at \(0, 3\); the labels must be 0 or 1"),
    (X.T, Y, r"X \(10, 2\) has 2 examples but Y \(1, 10\) has 10. Examples are columns here; did you mean X.T\?"),
    (X, Y.T, r"X \(2, 10\) has 10 examples but Y \(10, 1\) has 1. Did you mean Y.T\?"),
    (X.T, Y.T, r"X \(10, 2\) has 2 examples but Y \(10, 1\) has 1. Examples are columns.*did you mean X.T and Y.T\?"),
    (X, Y[:, :7], r"X \(2, 10\) has 10 examples but Y \(1, 7\) has 7.$"),
    (X, Y[0], r"Y has shape \(10,\).*Did you mean Y.reshape\(1, -1\)"),
    (X[0], Y, r"X has shape \(10,\); one example per column"),
    (X[:, :0], Y[:, :0], r"X is empty, its shape is \(2, 0\)"),
    (X, Y[:, :0], r"Y is empty, its shape is \(1, 0\)"),
    ([["a", "b"]], Y, "X cannot be used as numbers"),
    (X.astype(str), Y, "X cannot be used as numbers"),
    (X + 1j, Y, "X cannot be used as numbers"),
    (X, [[0, 1], [1]], "Y cannot be used as numbers"),
    (X, None, "Y "),
    (np.ones((3, 10)), Y, r"matmul: W1 is \(4, 2\) but .* is \(3, 10\)"),
    (X, np.ones((2, 10)), r"y_hat is \(1, 10\) but Y is \(2, 10\)"),
], ids=["nan", "inf", "nan label", "label 2", "label .5", "X.T", "Y.T", "both turned", "m", "1-D Y", "1-D X", "empty",
        "no labels", "strings", "digits", "complex", "ragged", "None", "n_x", "n_y"])
def test_bad_data(X: Any, Y: Any, message: str) -> None:
    model = PlanarClassifier()
    before = values(model)
    with pytest.raises(InputError, match=message):
        fit(model, X, Y, iterations=1, learning_rate=1)
    assert values(model) == before


@pytest.mark.parametrize("value", [-1, 1.5, NAN, INF, "10", "x", [2], 1j, True], ids=str)
@pytest.mark.parametrize("name", ["iterations", "seed", "batch_size", "print_cost", "record_every"])
def test_settings_that_are_no_whole_numbers(name: str, value: Any) -> None:
    if name == "print_cost" and value is True:
        return  # as in the course
    with pytest.raises(InputError, match=f"{name} must be a whole number, at least [01].*, got"):
        fit(PlanarClassifier(), X, Y, **{"iterations": 1, "learning_rate": 1.0} | {name: value})


@pytest.mark.parametrize("settings, message", [
    ({"batch_size": 0, "learning_rate": 1}, "batch_size must be a whole number, at least 1, got 0"),
    ({"print_cost": 0, "learning_rate": 1}, "print_cost must be a whole number, at least 1, got 0"),
    ({"iterations": None, "learning_rate": 1}, "give either iterations="),
    ({"learning_rate": 0}, "learning rate must be .*positive"),
    ({"learning_rate": NAN}, "learning rate must be .*positive"),
    ({"learning_rate": "fast"}, "learning rate must be .*positive"),
    ({}, "give either learning_rate=.*or optimizer="),
    ({"learning_rate": 1, "optimizer": optim.Adam()}, "give either learning_rate=.*or optimizer="),
    ({"optimizer": "adam"}, "(?i)optimizer"),
    ({"optimizer": optim.Adam}, "(?i)optimizer"),
    ({"lr": 1}, "fit has no setting 'lr': did you mean learning_rate"),
    ({"learning_rat": 1}, "fit has no setting 'learning_rat': did you mean learning_rate"),
    ({"learning_rate": 1, "epoch": 3}, "fit has no setting 'epoch': did you mean epochs"),
    ({"learning_rate": 1, "loss": "mse"}, "fit has no setting 'loss': did you mean cost"),
    ({"learning_rate": 1, "zzz": 1}, "fit has no setting 'zzz'$"),
    ({"learning_rate": 1, "epochs": 3}, "give either iterations=.* or epochs="),
    ({"learning_rate": 1, "iterations": None, "epochs": 1.5}, "epochs must be a whole number"),
    ({"learning_rate": 1, "seed": -1}, "seed must be a whole number, at least 0 and at most 4294967295, got -1"),
    ({"learning_rate": 1, "seed": 2 ** 32}, "seed must be a whole number"),
    ({"learning_rate": 1, "cost": "bce"}, "there is no cost 'bce': did you mean binary_cross_entropy"),
    ({"learning_rate": 1, "cost": "cross_entropie"}, "no cost 'cross_entropie': did you mean cross_entropy.*J_1, J_CE"),
    ({"learning_rate": 1, "cost": 3}, "cost is 3; a function of y_hat and Y is expected"),
    ({"learning_rate": 1, "callback": "print"}, "callback is 'print'; a function of iteration, model and cost"),
    ({"learning_rate": 1, "engine": "warp"}, "there is no engine 'warp'; there are auto, .*eager"),
], ids=lambda x: re.sub(" at 0x.*?>", ">", str(x)))
def test_other_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit(PlanarClassifier(), X, Y, **{"iterations": 1} | settings)


def test_a_cost_by_its_name() -> None:
    by_name, by_function = LogisticRegression(2), LogisticRegression(2)
    histories = [fit(model, X, Y, iterations=3, learning_rate=1, cost=cost)
                 for model, cost in ((by_name, "binary_cross_entropy"), (by_function, nn.binary_cross_entropy))]
    assert histories[0].costs == histories[1].costs and values(by_name) == values(by_function)
    with pytest.raises(InputError, match="the labels must be 0 or 1"):
        fit(by_name, X, Y + 0.5, iterations=1, learning_rate=1, cost="binary_cross_entropy")


@pytest.mark.parametrize("batch_size, iterations", [(None, 3), (4, 9), (5, 6), (10, 3), (99, 3)])
def test_epochs(batch_size: int | None, iterations: int) -> None:
    model, other = LogisticRegression(2), LogisticRegression(2)
    history = fit(model, X, Y, epochs=3, learning_rate=1, batch_size=batch_size)
    assert history.iterations == iterations
    assert history.costs == fit(other, X, Y, iterations=iterations, learning_rate=1, batch_size=batch_size).costs


@pytest.mark.parametrize("model", [PlanarClassifier, None, "planar", nn.sigmoid],
                         ids=["class", "None", "text", "function"])
def test_what_is_no_model(model: Any) -> None:
    with pytest.raises(InputError, match="model is .*a Module such as.*" + (
            r"did you mean PlanarClassifier\(\.\.\.\)" if model is PlanarClassifier else "is expected$")):
        fit(model, X, Y, iterations=1, learning_rate=1)


def test_numbers_of_classes_become_columns() -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.Softmax())
    with pytest.raises(InputError, match=r"y_hat is \(3, 10\) but Y is \(1, 10\).*nn.one_hot\(Y, 3\)"):
        fit(network, X, 2 * Y, iterations=1, learning_rate=1, cost=nn.cross_entropy)


@pytest.mark.parametrize("engine", ["eager", "numpy", "native"])
def test_what_is_not_trained_is_said(engine: str) -> None:
    """A Tensor that requires a gradient and is in no place in which parameters are looked for; once."""
    scale = Tensor([[2.0]], requires_grad=True, name="scale")

    def cost(A: Tensor, Y: Any) -> Tensor:
        return nn.mean_squared_error(A * scale, Y)

    settings: Any = {"iterations": 30, "learning_rate": 0.1, "cost": cost, "engine": engine, "batch_size": 4}
    network = nn.Sequential(nn.Linear(2, 1), nn.Tanh())
    with pytest.warns(UntrainedWarning, match=r"depends on scale \(1, 1\), which.*no parameter of Sequential") as told:
        fit(network, X, Y, **settings)
    assert len(told) == 1 and told[0].filename == __file__
    scale.requires_grad = False
    fit(network, X, Y, **settings)


def test_a_model_without_parameters() -> None:
    with pytest.raises(InputError, match="Sequential has no parameters to train"):
        fit(nn.Sequential(nn.Sigmoid()), X[:1], Y, iterations=1, learning_rate=1, cost=nn.binary_cross_entropy)


# -------------------------------------------------------------------------------------------------- Ctrl-C

INTERRUPTED = """
import signal, sys, time
import numpy as np
from tinygrad_course import data, fit, optim
from tinygrad_course.models import PlanarClassifier

def look(i, model, cost):
    if i == 50:
        print("started", flush=True)
        if sys.argv[1] == "hangs":
            time.sleep(60)

flower, model, again = data.planar("flower"), PlanarClassifier(), PlanarClassifier()
try:
    history = fit(model, *flower, iterations=10 ** 8, optimizer=optim.Adam(), callback=look, engine="eager")
except KeyboardInterrupt:
    print("KeyboardInterrupt", signal.getsignal(signal.SIGINT) is signal.default_int_handler)
    sys.exit()
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
last = history.iterations - 1
assert history.stopped == f"interrupted after iteration {last}, cost {history.costs[last]:.6g}", history.stopped
assert list(history.costs) == list(range(history.iterations)) and history.iterations > 50
same = fit(again, *flower, iterations=history.iterations, optimizer=optim.Adam(), engine="eager")
assert same.costs == history.costs and same.stopped is None
for p, q in zip(model.parameters(), again.parameters()):
    assert p.numpy().tobytes() == q.numpy().tobytes()
print("the same")
"""


@pytest.mark.parametrize("how, signals, answer", [
    ("runs", 1, r"interrupted after iteration \d+, cost 0\.\d+\nthe same"),
    ("hangs", 2, "KeyboardInterrupt True"),
])
def test_interrupts(how: str, signals: int, answer: str) -> None:
    """The first ends training after the iteration at hand, with consistent parameters; the second at once."""
    with subprocess.Popen([sys.executable, "-I", "-W", "error", "-c", INTERRUPTED, how], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "started\n"
            for _ in range(signals):
                with pytest.raises(subprocess.TimeoutExpired):  # it goes on; the callback that hangs gets both
                    process.wait(0.2)
                process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert re.fullmatch(answer + "\n", out) and (err, process.returncode) == ("", 0)


def test_somebody_elses_handler_is_left_alone() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        history = fit(PlanarClassifier(), X, Y, iterations=5, learning_rate=1,
                      callback=lambda i, model, cost: signal.raise_signal(signal.SIGINT) if i == 2 else None)
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [signal.SIGINT] and history.iterations == 5 and history.stopped is None


def test_in_another_thread() -> None:
    model, other, found = PlanarClassifier(), PlanarClassifier(), []
    settings: Any = {"iterations": 20, "learning_rate": 1.0, "batch_size": 3}
    thread = threading.Thread(target=lambda: found.append(fit(model, X, Y, **settings)))
    thread.start()
    thread.join()
    assert found[0].costs == fit(other, X, Y, **settings).costs and values(model) == values(other)


@pytest.mark.slow
def test_memory_stays_flat_without_the_garbage_collector(capsys: pytest.CaptureFixture[str]) -> None:
    settings: Any = {"learning_rate": 1.2, "print_cost": 10 ** 6, "engine": "eager"}
    model = PlanarClassifier()
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        fit(model, X, Y, iterations=50, **settings)
        before, peak_of_50 = tracemalloc.get_traced_memory()
        fit(model, X, Y, iterations=10_000, **settings)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert after - before < 20_000 and peak - peak_of_50 < 20_000


# --------------------------------------------------------------------------------------- predict, accuracy


class Fixed(nn.Module):
    """Predicts what it was given."""

    def __init__(self, *y_hat: list[float]):
        self.y_hat = Tensor(y_hat, requires_grad=True)

    def forward(self, X: Any) -> Tensor:
        return self.y_hat * 1


def test_predict_and_accuracy_of_one_output() -> None:
    model = Fixed([0.1, 0.5, 0.5000001, 0.9])
    labels = predict(model, X[:, :4])
    assert labels.tolist() == [[0, 0, 1, 1]] and labels.dtype.kind == "i" and type(labels) is np.ndarray
    assert accuracy(model, X[:, :4], [[0, 0, 1, 0]]) == 0.75
    assert accuracy(model, X[:, :4], Tensor([[0.0, 0, 1, 1]])) == 1.0
    for wrong in ([0, 0, 1, 0], [[0, 0, 1]]):
        with pytest.raises(InputError, match=r"predictions \(1, 4\) but labels .*a row, \(1, m\)"):
            accuracy(model, X[:, :4], wrong)


def test_predict_and_accuracy_of_several_classes() -> None:
    model = Fixed([0.2, 0.1, 0.3], [0.5, 0.2, 0.3], [0.3, 0.7, 0.4])
    assert predict(model, X[:, :3]).tolist() == [[1, 2, 2]]
    assert accuracy(model, X[:, :3], [[1, 2, 0]]) == pytest.approx(2 / 3)
    assert accuracy(model, X[:, :3], [[0, 0, 0], [1, 0, 1], [0, 1, 0]]) == pytest.approx(2 / 3)


@pytest.mark.parametrize("given, message", [
    (X[:, 0], r"X has shape \(2,\); one example per column.*X.reshape\(-1, 1\)"), (0.5, r"X has shape \(\)"),
    ([["a"]], "X cannot be used as numbers"), (X * 1j, "X cannot be used as numbers"), (None, "X cannot be used"),
    (hole(X, NAN), "y_hat is NaN for example 3, which has no label: X holds NaN there"),
    (np.ones((3, 4)), "matmul"),
], ids=["one example", "a number", "text", "complex", "nothing", "NaN", "n_x"])
def test_what_cannot_be_predicted(given: Any, message: str) -> None:
    for use in (lambda: predict(PlanarClassifier(), given), lambda: accuracy(PlanarClassifier(), given, Y)):
        with pytest.raises(InputError, match=message):
            use()


def test_predictions_need_finite_parameters_and_a_column_for_each_example() -> None:
    model = LogisticRegression(2)
    model.w.data = [[NAN], [0.0]]
    with pytest.raises(InputError, match="y_hat is NaN for example 0.*are its parameters finite"):
        predict(model, X)
    for y_hat in ([[0.1, 0.9]], [0.1, 0.2], 0.5, [[[0.1] * 10]]):
        with pytest.raises(InputError, match=r"the model gives y_hat of shape .* for X \(2, 10\); \(n_y, 10\) is"):
            predict(Fixed(*y_hat) if isinstance(y_hat, list) else Fixed(y_hat), X)
    assert predict(nn.Sequential(lambda X: np.sum(X, axis=0)), Tensor(X)).shape == (1, 10)


@pytest.mark.parametrize("labels, message", [
    (2 * Y - 1, r"Y holds -1.0 at \(0, \d\); labels are whole numbers from 0 to 1. Did you mean \(Y \+ 1\) / 2\?"),
    (Y + 1, "Y holds 2.0 at .*from 0 to 1$"), (hole(Y, NAN), r"Y holds nan at \(0, 3\)"), (Y * 0.5, "Y holds 0.5 at"),
    (np.vstack([Y, 1 - Y]), r"predictions \(1, 10\) but labels \(2, 10\)"),
    (Y.astype(str), "Y cannot be used as numbers"),
], ids=["-1 and 1", "1 and 2", "NaN", "halves", "two rows", "text"])
def test_labels_that_are_none(labels: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        accuracy(LogisticRegression(2), X, labels)


def test_labels_of_classes_that_are_none() -> None:
    model = Fixed([0.2, 0.1], [0.5, 0.2], [0.3, 0.7])
    for labels in ([[0.3, 0.7], [0.4, 0.1], [0.3, 0.2]], [[1, 0], [1, 1], [0, 0]], [[0, 0], [0, 1], [0, 0]]):
        with pytest.raises(InputError, match=r"labels \(3, 2\) are one-hot columns"):
            accuracy(model, X[:, :2], labels)
    with pytest.raises(InputError, match=r"Y holds 3 at \(0, 1\); labels are whole numbers from 0 to 2"):
        accuracy(model, X[:, :2], [[1, 3]])


def test_predict_records_nothing() -> None:
    model, recorded = LogisticRegression(2), []

    def watched(X: Any) -> Tensor:
        A = nn.sigmoid(model.w.T @ X + model.b)
        recorded.append(A.requires_grad)
        return A

    network = nn.Sequential(watched)
    model.w.data = [[5.0], [0.0]]
    assert predict(network, X).tolist() == [(X[0] > 0).astype(int).tolist()] and accuracy(network, X, Y) < 1
    assert recorded == [False, False] and watched(X).requires_grad
