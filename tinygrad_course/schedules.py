"""Learning rates that change during training: functions of the iteration t, counted from 0.

Each is written with NumPy functions of t, so that a compiled training step computes the rate as it computes the rest.
"""
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_course.errors import InputError


class Schedule:
    """A learning rate as a function of the iteration; a subclass defines `__call__(self, t)`.

    t is a number, an array of numbers, or what stands for one while a step is compiled: no `if` may depend on it.
    """

    def __call__(self, t: Any) -> Any:
        raise InputError(f"{type(self).__name__} does not define __call__(self, t), the rate in iteration t")

    def check(self, iterations: int) -> None:
        """Raise InputError for the first iteration whose rate is negative or not finite."""
        with np.errstate(all="ignore"):
            rates = np.broadcast_to(np.asarray(self(np.arange(float(iterations))), float), (iterations,))
        wrong = ~(np.isfinite(rates) & (rates >= 0))
        if wrong.any():
            t = int(wrong.argmax())
            raise InputError(f"{self!r} gives the learning rate {rates[t]:g} in iteration {t}: a finite number, not "
                             "negative, is needed")


@dataclass(frozen=True)
class StepDecay(Schedule):
    """start * factor^floor(t / every): the rate falls by a factor every so many iterations."""

    start: float
    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        _check(self, start=self.start, factor=self.factor)
        _check_iterations(self, "every", self.every)

    def __call__(self, t: Any) -> Any:
        return self.start * self.factor ** np.floor(t / self.every)


@dataclass(frozen=True)
class Exponential(Schedule):
    """start * factor^t."""

    start: float
    factor: float

    def __post_init__(self) -> None:
        _check(self, start=self.start, factor=self.factor)

    def __call__(self, t: Any) -> Any:
        return self.start * self.factor ** t


@dataclass(frozen=True)
class Cosine(Schedule):
    """From start to end along half a wave of the cosine, within so many iterations (Loshchilov and Hutter 2017)."""

    start: float
    iterations: int
    end: float = 0.0

    def __post_init__(self) -> None:
        _check(self, start=self.start)
        if self.end != 0:
            _check(self, end=self.end)
        _check_iterations(self, "iterations", self.iterations)

    def __call__(self, t: Any) -> Any:
        wave = np.cos(np.minimum(t, self.iterations) * (math.pi / self.iterations))
        return self.end + (self.start - self.end) * 0.5 * (1 + wave)


@dataclass(frozen=True)
class WarmUp(Schedule):
    """Grows evenly for so many iterations, up to the rate that `then` has: a number, or another schedule.

    In iteration t it is then(t) * min(1, (t + 1) / iterations) (Goyal et al. 2017).
    """

    iterations: int
    then: float | Schedule

    def __post_init__(self) -> None:
        _check_iterations(self, "iterations", self.iterations)
        if not isinstance(self.then, Schedule):
            _check(self, then=self.then)

    def __call__(self, t: Any) -> Any:
        rate = self.then(t) if isinstance(self.then, Schedule) else self.then
        return rate * np.minimum((t + 1) / self.iterations, 1.0)


def _check(schedule: Schedule, **rates: Any) -> None:
    for name, rate in rates.items():
        if isinstance(rate, bool) or not isinstance(rate, (int, float, np.number)) or not 0 < rate < math.inf:
            raise InputError(f"{type(schedule).__name__}: {name} must be a positive finite number; got {rate!r}")


def _check_iterations(schedule: Schedule, name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise InputError(f"{type(schedule).__name__}: {name} is a number of iterations, whole and at least 1; got "
                         f"{value!r}")
