"""The exercises of the course: which model is trained on what, and the numbers that the course prints."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_course.errors import InputError
from tinygrad_course.models import DeepNetwork, LogisticRegression, PlanarClassifier, TwoLayerNetwork
from tinygrad_course.nn import Module


@dataclass(frozen=True)
class Exercise:
    """One model as the course trains it.

    make: from n_x to the model. It takes `seed=` where the initial weights are random; `seed` is the course's.
    images: trained on the cat images; otherwise on the planar flower.
    costs: iteration to cost, as printed, one every `print_every` iterations.
    relative: how far a cost may be off, as a fraction; None: not at all in the digits that are printed.
    loose_from: from this iteration on rounding has grown so far that 5e-4 is all that can agree: there, weights that
    differ in their last bit at the start give costs up to 2.2e-4 from the course's (40 trainings), by any program.
    score: the accuracy as the course computes it, digit for digit, from predictions and labels (1, m).
    train_score, test_score: what it prints; least_accuracy: of the training set, where it prints none.
    """

    name: str
    title: str
    make: Callable[..., Module]
    images: bool
    learning_rate: float
    iterations: int
    print_every: int
    costs: dict[int, str]
    score: Callable[[Any, Any], str]
    relative: float | None = None
    loose_from: int | None = None
    train_score: str | None = None
    test_score: str | None = None
    least_accuracy: float | None = None
    seed: int | None = None

    def agrees(self, iteration: int, cost: float) -> bool:
        """Whether a cost is the one that the course prints."""
        printed = self.costs[iteration]
        if self.loose_from is not None and iteration >= self.loose_from:
            return abs(cost - float(printed)) <= 5e-4
        if self.relative is not None:
            return abs(cost - float(printed)) <= self.relative * float(printed)
        return f"{cost:.{decimals(printed)}f}" == printed

    def shown(self, iteration: int, cost: float) -> str:
        """A cost with as many digits as the course prints."""
        return f"{cost:.{decimals(self.costs[iteration])}f}"


def decimals(printed: str) -> int:
    return len(printed.partition(".")[2])


def percent(predicted: Any, Y: Any) -> str:
    return f"{100 - np.mean(np.abs(predicted - Y)) * 100} %"


def fraction(predicted: Any, Y: Any) -> str:
    return str(np.sum((predicted == Y) / Y.shape[1]))


def table(printed: str, every: int) -> dict[int, str]:
    return {i * every: cost for i, cost in enumerate(printed.split())}


EXERCISES = {exercise.name: exercise for exercise in (
    Exercise(
        "logistic", "Logistic regression (week 2)", LogisticRegression, images=True,
        learning_rate=0.005, iterations=2000, print_every=100, score=percent,
        train_score="99.04306220095694 %", test_score="70.0 %",
        costs=table("""
            0.693147 0.584508 0.466949 0.376007 0.331463 0.303273 0.279880 0.260042 0.242941 0.228004
            0.214820 0.203078 0.192544 0.183033 0.174399 0.166521 0.159305 0.152667 0.146542 0.140872
            """, every=100)),
    Exercise(
        "planar", "Planar flower, 4 tanh units (week 3)", PlanarClassifier, images=False,
        learning_rate=1.2, iterations=10000, print_every=1000, score=percent,
        loose_from=8000, least_accuracy=0.9, seed=2,
        costs=table("""
            0.693048 0.288083 0.254385 0.233864 0.226792 0.222644 0.219731 0.217504 0.21946 0.21856
            """, every=1000)),
    Exercise(
        "two-layer", "Two-layer network, 7 relu units (week 4)",
        lambda n_x, **seed: TwoLayerNetwork(n_x, 7, 1, **seed), images=True,
        learning_rate=0.0075, iterations=2500, print_every=100, score=fraction, relative=1e-9, seed=1,
        train_score="0.9999999999999998", test_score="0.72",
        costs=table("""
            0.693049735659989 0.6464320953428849 0.6325140647912678 0.6015024920354665 0.5601966311605748
            0.515830477276473 0.47549013139433255 0.4339163151225749 0.4007977536203889 0.3580705011323798
            0.339428153866412 0.30527536361962637 0.27491377282130164 0.24681768210614818 0.19850735037446612
            0.17448318112556635 0.1708076297809699 0.11306524562164708 0.09629426845937154 0.08342617959726871
            0.07439078704319087 0.06630748132267933 0.05919329501038172 0.053361403485605585 0.048554785628770226
            """, every=100)),
    Exercise(
        "four-layer", "Four-layer network, 20, 7, 5 and 1 units (week 4)",
        lambda n_x, **seed: DeepNetwork([n_x, 20, 7, 5, 1], **seed), images=True,
        learning_rate=0.0075, iterations=2500, print_every=100, score=fraction, seed=1,
        train_score="0.9856459330143539", test_score="0.8",
        costs=table("""
            0.771749 0.672053 0.648263 0.611507 0.567047 0.540138 0.527930 0.465477 0.369126 0.391747
            0.315187 0.272700 0.237419 0.199601 0.189263 0.161189 0.148214 0.137775 0.129740 0.121225
            0.113821 0.107839 0.102855 0.100897 0.092878
            """, every=100)),
)}


def exercise_named(name: str) -> Exercise:
    """Raises InputError, with the known names, for another one."""
    if name not in EXERCISES:
        raise InputError(f"there is no model {name!r}; there are {', '.join(EXERCISES)}")
    return EXERCISES[name]
