"""A training that goes on: 100 + 100 updates are 200, also through a file; and optimisers that do not fit."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from trainings import TRAININGS, Line, X, Y, assert_like, trained, values

from tinygrad_course import InputError, checkpoint, fit, nn, optim
from tinygrad_course.models import PlanarClassifier
from tinygrad_course.training import TrainingDiverged
from tinygrad_course.training.checkpoint import HEADER_SIZE, CheckpointWarning, _header

RULES: dict[str, Callable[[], optim.Optimizer]] = {
    "descent": lambda: optim.GradientDescent(optim.Cosine(0.9, 90, 0.1)), "momentum": lambda: optim.Momentum(0.2),
    "nesterov": lambda: optim.Nesterov(0.2, clip_norm=0.1, weight_decay=0.1), "rmsprop": lambda: optim.RMSprop(0.01),
    "adam": lambda: optim.Adam(optim.WarmUp(40, optim.Exponential(0.05, 0.99))), "adamw": lambda: optim.AdamW(0.01),
}


def state(model: nn.Module, optimizer: optim.Optimizer) -> Any:
    return values(model), {name: [np.asarray(part).tobytes() + bytes(type(part).__name__, "ascii")
                                  for part in optimizer.states.get(parameter, ())]
                           for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("batch_size", [None, 7])
@pytest.mark.parametrize("engine", ["eager", "numpy", "native"])
@pytest.mark.parametrize("rule", RULES)
def test_half_and_half_is_the_whole(rule: str, engine: str, batch_size: int | None, tmp_path: Path) -> None:
    """Bit for bit, the order of batches included: 37 is in the middle of an epoch."""
    settings: dict[str, Any] = {"engine": engine, "validation": (X[:, :9], Y[:, :9]), "validate_every": 10}
    whole, optimizer = PlanarClassifier(), RULES[rule]()
    history = fit(whole, X, Y, iterations=80, optimizer=optimizer, batch_size=batch_size, seed=3, **settings)

    half, its_optimizer = PlanarClassifier(), RULES[rule]()
    first = fit(half, X, Y, iterations=37, optimizer=its_optimizer, batch_size=batch_size, seed=3, **settings)
    saved = checkpoint.load(checkpoint.save(tmp_path / "half.h5", half, history=first, optimizer=its_optimizer))
    assert saved.optimizer is not None and saved.history == first
    second = fit(saved.model, X, Y, iterations=43, optimizer=saved.optimizer, resume=saved.history, **settings)

    assert state(saved.model, saved.optimizer) == state(whole, optimizer)
    assert second.costs == history.costs and second.iterations == history.iterations == 80
    assert {i: cost for i, cost in second.validation_costs.items() if i != 37} == history.validation_costs
    assert first.iterations == 37 and len(first.costs) == 37 and second.seconds > first.seconds


@pytest.mark.parametrize("engine", ["eager", "numpy", "native"])
@pytest.mark.parametrize("name", TRAININGS)
def test_every_training_goes_on(name: str, engine: str) -> None:
    """Also those in the span of the data, which are equal to rounding."""
    settings = dict(TRAININGS[name])
    rtol, make = settings.pop("rtol", 1e-9), settings.pop("make")
    data = settings.pop("data", (X, Y))
    rule = settings.pop("optimizer", lambda: optim.GradientDescent(0.5))
    whole = trained(engine, make, data=data, optimizer=rule, iterations=60, **settings)
    half = trained(engine, make, data=data, optimizer=rule, iterations=26, **settings)
    half.history = fit(half.model, *data, iterations=34, optimizer=half.optimizer, engine=engine, resume=half.history,
                       **settings)
    assert_like(half, whole, rtol)


def test_dropout_and_batch_norm_go_on(tmp_path: Path) -> None:
    def make() -> nn.Sequential:
        random = np.random.RandomState(1)
        return nn.Sequential(nn.Linear(2, 5, random=random), nn.BatchNorm(5), nn.Dropout(0.3, random), nn.Tanh(),
                             nn.Linear(5, 1, random=random), nn.Sigmoid())

    settings: dict[str, Any] = {"cost": nn.binary_cross_entropy, "engine": "eager"}
    whole, rule = make(), optim.Adam(0.01)
    fit(whole, X, Y, epochs=6, batch_size=8, optimizer=rule, **settings)
    half, its_rule = make(), optim.Adam(0.01)
    history = fit(half, X, Y, epochs=2, batch_size=8, optimizer=its_rule, **settings)
    path = checkpoint.save(tmp_path / "half.h5", half, history=history, optimizer=its_rule)
    again, its_rule = make(), optim.Adam(0.01)
    loaded = checkpoint.load_into(path, again, its_rule)
    assert loaded.optimizer is its_rule
    fit(again, X, Y, epochs=4, optimizer=its_rule, resume=loaded.history, **settings)
    assert state(again, its_rule) == state(whole, rule)


def test_patience_begins_anew_and_keeps_the_best() -> None:
    settings: dict[str, Any] = {"validation": (X[:, :9], 1 - Y[:, :9]), "validate_every": 5, "patience": 2,
                                "learning_rate": 0.5}
    for engine in ("eager", "numpy", "native"):
        model = PlanarClassifier()
        history = fit(model, X, Y, iterations=40, engine=engine, **settings)
        before = values(model)
        history = fit(model, X, Y, iterations=40, engine=engine, resume=history, **settings)
        assert history.stopped is not None and values(model) == before


@pytest.mark.parametrize("engine", ["eager", "numpy", "native"])
def test_a_resumed_training_that_diverges_keeps_what_it_began_with(engine: str) -> None:
    model = Line()
    history = fit(model, X, Y, iterations=3, learning_rate=0.01, engine=engine)
    before = values(model)
    with pytest.raises(TrainingDiverged) as caught:
        fit(model, X, 1e200 * Y, iterations=30, learning_rate=1.0, engine=engine, resume=history)
    assert caught.value.history.iterations == 3 and values(model) == before


@pytest.mark.parametrize("settings, message", [
    ({"seed": 4, "learning_rate": 0.1}, "seed=4, but the training to be resumed had 0"),
    ({"batch_size": 8, "learning_rate": 0.1}, "batch_size=8, but the training to be resumed had 7"),
    ({"optimizer": optim.Adam()}, "has nothing of the training"),
    ({"learning_rate": optim.Exponential(0.1, 0.9)}, "has nothing of the training"),
    ({"learning_rate": 0.1, "resume": {"costs": {}}}, "resume is a History"),
])
def test_what_cannot_go_on_is_refused(settings: dict[str, Any], message: str) -> None:
    model = PlanarClassifier()
    history = fit(model, X, Y, iterations=5, learning_rate=0.1, batch_size=7)
    with pytest.raises(InputError, match=message):
        fit(model, X, Y, iterations=5, **{"resume": history, **settings})


# ------------------------------------------------------------------------------------------------ files


class Own(optim.Momentum):
    """A rule of somebody's own."""


def saved(tmp_path: Path, rule: optim.Optimizer) -> Path:
    model = PlanarClassifier()
    fit(model, X, Y, iterations=5, optimizer=rule)
    return checkpoint.save(tmp_path / "model.h5", model, optimizer=rule)


def test_the_given_optimizer_keeps_its_settings(tmp_path: Path) -> None:
    given, model = optim.Adam(0.5, beta1=0.2), PlanarClassifier()
    checkpoint.load_into(saved(tmp_path, optim.Adam(0.01)), model, given)
    assert (given.learning_rate, given.beta1) == (0.5, 0.2) and len(given.states) == 4


def test_an_own_rule_is_filled_and_never_made(tmp_path: Path) -> None:
    rule = Own(0.1)
    path = saved(tmp_path, rule)
    with pytest.warns(CheckpointWarning, match="Own is none of optim"):
        assert checkpoint.load(path).optimizer is None
    other, model = Own(0.1), PlanarClassifier()
    checkpoint.load_into(path, model, other)
    for (ours,), (theirs,) in zip(other.states.values(), rule.states.values(), strict=True):
        assert np.array_equal(ours, theirs) and np.any(ours)


@pytest.mark.parametrize("given, message", [
    (optim.Momentum(0.1), "that of Adam, not of Momentum"),
    (optim.Adam(optim.Cosine(0.1, 9)), "does not have the 5 parts"),
])
def test_another_optimizer_is_said_and_left_alone(given: optim.Optimizer, message: str, tmp_path: Path) -> None:
    path, model = saved(tmp_path, optim.Adam(0.01)), PlanarClassifier()
    with pytest.warns(CheckpointWarning, match=f"model is loaded, but not the optimizer there: .*{message}"):
        loaded = checkpoint.load_into(path, model, given)
    assert loaded.optimizer is None and given.states == {}
    with pytest.warns(UserWarning):
        assert values(model) == values(checkpoint.load_into(path, PlanarClassifier(), optim.Momentum(1)).model)


def test_a_file_without_one(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path / "model.h5", PlanarClassifier())
    assert checkpoint.load(path).optimizer is None
    with pytest.warns(CheckpointWarning, match="there is none"):
        checkpoint.load_into(path, PlanarClassifier(), optim.Adam())


@pytest.mark.parametrize("old, new, message", [
    ('"class": "Adam"', '"class": "open"', "open is none of optim"),
    ('"class": "Adam"', '"class": ["Adam"]', "none of optim"),
    ('"class": "Adam"', '"class": "Optimizer"', "Optimizer is none of optim"),
    ('"beta1": 0.9,', '"gamma": 0.9,', "cannot be made"),
    ('"learning_rate": 0.01', '"learning_rate": -1.0', "cannot be made"),
    ('"learning_rate": 0.01', '"learning_rate": {"class": "Adam", "settings": {}}', "Adam is none of optim"),
    ('"W1": [null, null', '"W9": [null, null', "not for the parameters"),
    ('"W1": [null, null', '"W1": [null, 0.25', "W1.1 is a number"),
    ('"W1": [null, null', '"W1": [0, null, null', "does not have the 4 parts"),
])
def test_what_is_wrong_in_a_file_is_said(old: str, new: str, message: str, tmp_path: Path) -> None:
    """Whoever writes it on purpose can write a sha256 that fits."""
    path = saved(tmp_path, optim.Adam(0.01))
    with h5py.File(path, "r+") as file:
        text = file.attrs["optimizer"].decode()
        assert old in text
        file.attrs["optimizer"] = np.bytes_(text.replace(old, new))
    content = path.read_bytes()[HEADER_SIZE:]
    path.write_bytes(_header(hashlib.sha256(content).hexdigest()) + content)
    with pytest.warns(CheckpointWarning, match=message):
        loaded = checkpoint.load(path)
    assert values(loaded.model)
