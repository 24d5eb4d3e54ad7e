"""Models, rules, data and everything that can be switched on, at random: all engines as the eager one, or refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from trainings import Outcome, assert_like, trained

from tinygrad_course import InputError, fit, nn, optim

SEEDS, FEW = 300, 10
seeds = pytest.mark.parametrize("seed", [
    *range(FEW), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(FEW, SEEDS))])
ITERATIONS = 24
ACTIVATIONS = (nn.Tanh, nn.Sigmoid, nn.ReLU, nn.LeakyReLU, nn.Softplus)


class Case:
    """One training, drawn by its seed. changes: whether its model changes what it keeps in every update."""

    def __init__(self, seed: int):
        self.random = random = np.random.RandomState(seed)
        self.dtype = random.choice([np.float64, np.float64, np.float32])
        self.m = int(random.randint(8, 30))
        self.sizes = [random.choice([2, 3, 40]), *random.randint(1, 6, random.randint(3))]
        self.kinds = [(random.randint(len(ACTIVATIONS)), random.rand() < 0.1, random.rand() < 0.1) for _ in self.sizes]
        self.changes = any(norm or dropped for _, norm, dropped in self.kinds[1:])
        X = random.randn(self.sizes[0], self.m)
        Y = (random.rand(1, self.m) > 0.5).astype(float)
        self.data = X, Y
        self.rule = self.a_rule()
        self.settings: dict[str, Any] = {"cost": random.choice(["binary_cross_entropy", "mean_squared_error"])}
        size = int(random.randint(2, self.m))
        if random.rand() < 0.4 and self.m % size != 1:
            self.settings |= {"batch_size": size, "seed": int(random.randint(9))}
        self.validation: dict[str, Any] = {}
        if random.rand() < 0.5:
            self.validation = {"validation": (random.randn(self.sizes[0], 7), (random.rand(1, 7) > 0.5).astype(float)),
                               "validate_every": int(random.randint(1, 9))}
        self.patience = {"patience": int(random.randint(1, 5))} if self.validation and random.rand() < 0.5 else {}

    def a_rule(self) -> Callable[[], optim.Optimizer]:
        random = self.random
        start = float(random.choice([0.3, 0.05, 0.01]))
        rate = [start, start, optim.StepDecay(start, 9, 0.5), optim.Exponential(start, 0.97),
                optim.Cosine(start, 20, 0.001), optim.WarmUp(5, optim.Exponential(start, 0.99))][random.randint(6)]
        options: dict[str, Any] = {}
        for name, value in (("weight_decay", 0.1), ("clip_value", 0.05), ("clip_norm", 0.2)):
            if random.rand() < 0.3:
                options[name] = value
        kind = [optim.GradientDescent, optim.Momentum, optim.Nesterov, optim.RMSprop, optim.Adam, optim.AdamW][
            random.randint(6)]
        if issubclass(kind, (optim.RMSprop, optim.Adam)):
            options["epsilon"] = 1e-3  # smaller ones make much of the rounding of gradients that are nearly zero
        return lambda: kind(rate, **options)

    def model(self) -> nn.Sequential:
        random = np.random.RandomState(1)
        modules: list[Any] = []
        for n_in, n_out, (kind, norm, dropped) in zip(self.sizes, self.sizes[1:], self.kinds[1:]):
            modules += [nn.Linear(n_in, n_out, nn.lecun, random, dtype=self.dtype)]
            modules += [nn.BatchNorm(n_out, dtype=self.dtype)] * norm + [ACTIVATIONS[kind]()]
            modules += [nn.Dropout(0.3, random)] * dropped
        return nn.Sequential(*modules, nn.Linear(self.sizes[-1], 1, nn.lecun, random, dtype=self.dtype), nn.Sigmoid())

    def trained(self, engine: str, iterations: int = ITERATIONS, **more: Any) -> Outcome:
        return trained(engine, self.model, data=self.data, iterations=iterations, optimizer=self.rule,
                       **{**self.settings, **self.validation, **more})

    @property
    def rtol(self) -> float:
        return 1e-7 if self.dtype is np.float64 else 2e-3


def engines(seed: int) -> list[str]:
    return ["numpy", "native"] if seed < FEW or seed % 5 == 0 else ["numpy"]


@seeds
def test_engines_agree_or_refuse(seed: int) -> None:
    case = Case(seed)
    expected = case.trained("eager", **case.patience)
    for engine in engines(seed):
        if case.changes:
            with pytest.raises(InputError, match="mask_state|running_mean"):
                case.trained(engine, **case.patience)
            continue
        found = case.trained(engine, **case.patience)
        assert_like(found, expected, case.rtol)
        for name in ("validation_costs", "validation_accuracies"):
            ours, theirs = getattr(found.history, name), getattr(expected.history, name)
            assert list(ours) == list(theirs)
            if name == "validation_costs":
                np.testing.assert_allclose(list(ours.values()), list(theirs.values()), rtol=case.rtol)


@seeds
def test_trainings_go_on(seed: int) -> None:
    """From any iteration, to the same bits; to rounding where weights are kept in the span of the data."""
    case = Case(seed)
    for engine in ["eager", *engines(seed) * (not case.changes)]:
        whole = case.trained(engine)
        half = case.trained(engine, iterations=int(case.random.randint(1, ITERATIONS)))
        settings = {**case.settings, **case.validation}
        half.history = fit(half.model, *case.data, iterations=ITERATIONS - half.history.iterations, engine=engine,
                           optimizer=half.optimizer, resume=half.history, **settings)
        in_span = "in the span" in whole.history.why + half.history.why
        assert_like(half, whole, case.rtol if in_span else 0.0)
