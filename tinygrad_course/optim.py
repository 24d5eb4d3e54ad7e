"""Optimisers: how a parameter w moves, given the gradient g = dJ/dw.

Each rule is one pure function from (w, g, state) to the new w and state, written with operators that arrays and
Tensors share.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from numbers import Real
from typing import Any

import numpy as np

from tinygrad_course.errors import InputError
from tinygrad_course.tensor import Tensor

State = tuple[Any, ...]


class Optimizer:
    """What all rules have in common. `update` is the rule; `step` applies it to parameters.

    weight_decay: adds weight_decay * w to the gradient of w, that of an L2 penalty (weight_decay / 2) ||w||^2.
    Raises InputError for a learning rate that is not a positive number.
    """

    def __init__(self, learning_rate: float, weight_decay: float = 0.0):
        self.learning_rate = _setting("the learning rate", learning_rate, "positive", lambda x: x > 0)
        self.weight_decay = _setting("the weight decay", weight_decay, "not negative", lambda x: x >= 0)
        self.states: dict[Tensor, State] = {}

    def initial_state(self, w: Any) -> State:
        return ()

    def update(self, w: Any, g: Any, state: State) -> tuple[Any, State]:
        """The rule: the new value of w and the new state."""
        raise InputError(f"{type(self).__name__} does not define update(self, w, g, state)")

    def step(self, parameters: Iterable[Tensor]) -> None:
        """Move each parameter against its `grad`; one without a gradient stays where it is.

        The new values are new arrays: a graph that used the old ones keeps them.
        """
        for parameter in parameters:
            g = parameter.grad
            if g is None:
                continue
            w = parameter._data
            new, self.states[parameter] = self.changed(w, g, self.state_of(parameter, w))
            parameter.hold(new if type(new) is type(w) else np.asarray(new))

    def changed(self, w: Any, g: Any, state: State) -> tuple[Any, State]:
        """The rule with weight decay: arrays in, arrays out."""
        return self.update(w, g + self.weight_decay * w if self.weight_decay else g, state)

    def state_of(self, parameter: Tensor, w: Any) -> State:
        """What earlier steps left for a parameter; before the first, what the rule starts with."""
        state = self.states.get(parameter)
        return self.initial_state(w) if state is None else state


class GradientDescent(Optimizer):
    """w := w - alpha g, with the learning rate alpha."""

    def update(self, w: Any, g: Any, state: State) -> tuple[Any, State]:
        return w - self.learning_rate * g, state


class Momentum(Optimizer):
    """v := beta v + (1 - beta) g; w := w - alpha v: a moving average of the gradients, as the course defines it."""

    def __init__(self, learning_rate: float, beta: float = 0.9, weight_decay: float = 0.0):
        super().__init__(learning_rate, weight_decay)
        self.beta = _fraction("beta", beta)

    def initial_state(self, w: Any) -> State:
        return (np.zeros_like(w),)

    def update(self, w: Any, g: Any, state: State) -> tuple[Any, State]:
        (v,) = state
        v = self.beta * v + (1 - self.beta) * g
        return w - self.learning_rate * v, (v,)


class Adam(Optimizer):
    """Momentum divided by the moving root mean square of the gradient, both corrected for their start at zero.

    v := beta1 v + (1 - beta1) g, s := beta2 s + (1 - beta2) g^2, and in step t
    w := w - alpha (v / (1 - beta1^t)) / (sqrt(s / (1 - beta2^t)) + epsilon)   (Kingma and Ba 2015).
    """

    def __init__(self, learning_rate: float = 0.001, beta1: float = 0.9, beta2: float = 0.999,
                 epsilon: float = 1e-8, weight_decay: float = 0.0):
        super().__init__(learning_rate, weight_decay)
        self.beta1, self.beta2 = _fraction("beta1", beta1), _fraction("beta2", beta2)
        self.epsilon = _setting("epsilon", epsilon, "positive", lambda x: x > 0)

    def initial_state(self, w: Any) -> State:
        # The powers beta1^t and beta2^t are kept rather than t, so that the rule needs nothing but multiplication.
        return np.zeros_like(w), np.zeros_like(w), 1.0, 1.0

    def update(self, w: Any, g: Any, state: State) -> tuple[Any, State]:
        v, s, power1, power2 = state
        v = self.beta1 * v + (1 - self.beta1) * g
        s = self.beta2 * s + (1 - self.beta2) * np.square(g)
        power1, power2 = power1 * self.beta1, power2 * self.beta2
        step = v / (1 - power1) / (np.sqrt(s / (1 - power2)) + self.epsilon)
        return w - self.learning_rate * step, (v, s, power1, power2)


def _fraction(name: str, value: float) -> float:
    return _setting(name, value, "at least 0 and less than 1", lambda x: 0 <= x < 1)


def _setting(name: str, value: Any, wanted: str, holds: Callable[[float], bool]) -> float:
    """A Python float: NumPy's float64 would turn float32 parameters into float64."""
    if not isinstance(value, Real) or not math.isfinite(value) or not holds(float(value)):
        raise InputError(f"{name} must be a finite number, {wanted}; got {value!r}")
    return float(value)
