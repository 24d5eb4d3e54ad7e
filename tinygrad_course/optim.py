"""Optimisers: how a parameter w moves, given the gradient g = dJ/dw.

Each rule is one pure function from (w, g, state) to the new w and state, written with operators that arrays and
Tensors share.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import numpy as np

from tinygrad_course.conversions import finite_number, quoted
from tinygrad_course.errors import InputError
from tinygrad_course.naming import unknown_name
from tinygrad_course.schedules import Cosine, Exponential, Schedule, StepDecay, WarmUp
from tinygrad_course.tensor import Tensor, describe

__all__ = ["Adam", "AdamW", "Cosine", "Exponential", "GradientDescent", "Momentum", "Nesterov", "Optimizer", "RMSprop",
           "Schedule", "StepDecay", "WarmUp"]

State = tuple[Any, ...]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> NoReturn:
    raise unknown_name("optim", name, __all__, {"SGD": "GradientDescent", "StepLR": "StepDecay",
                                                "ExponentialLR": "Exponential", "CosineAnnealingLR": "Cosine"})


POSITIVE = "positive", lambda x: x > 0
FRACTION = "at least 0 and less than 1", lambda x: 0 <= x < 1
LIMITS = ("clip_value", "clip_norm")  # None where there is none
SETTINGS: dict[str, tuple[str, str, Callable[[float], bool]]] = {  # of rules: their names in messages, what they may be
    "learning_rate": ("the learning rate", *POSITIVE),
    "weight_decay": ("the weight decay", "not negative", lambda x: x >= 0),
    **{name: (name, *FRACTION) for name in ("beta", "beta1", "beta2")},
    **{name: (name, *POSITIVE) for name in ("epsilon", *LIMITS)},
}


class Optimizer:
    """What all rules have in common. `update` is the rule; `step` applies it to parameters.

    learning_rate: a positive number, or a `Schedule`, a function of the iteration.
    weight_decay: adds weight_decay * w to the gradient of w, that of an L2 penalty (weight_decay / 2) ||w||^2.
    clip_value: no element of a gradient is larger than that, in either direction.
    clip_norm: all gradients together, as one vector, are no longer than that; a longer one keeps its direction.
    Gradients are clipped before anything else is done with them.
    Raises InputError for a learning rate that is not a positive number, and for limits that are not; also for one that
    is set later.
    """

    decoupled = False  # whether the rule sees to the weight decay itself

    def __init__(self, learning_rate: float | Schedule, weight_decay: float = 0.0, *, clip_value: float | None = None,
                 clip_norm: float | None = None):
        self.learning_rate: Any = learning_rate
        self.weight_decay = weight_decay
        self.clip_value, self.clip_norm = clip_value, clip_norm
        self.states: dict[Tensor, State] = {}

    def __setattr__(self, name: str, value: Any) -> None:
        """The numbers of a rule are checked whenever they are set, and kept as Python's floats."""
        if name in SETTINGS and not isinstance(value, Schedule) and not (value is None and name in LIMITS):
            value = _setting(*SETTINGS[name], value)
        super().__setattr__(name, value)

    def initial_state(self, w: Any) -> State:
        return ()

    def update(self, w: Any, g: Any, state: State) -> tuple[Any, State]:
        """The rule: the new value of w and the new state."""
        raise InputError(f"{type(self).__name__} does not define update(self, w, g, state)")

    def step(self, parameters: Iterable[Tensor]) -> None:
        """Move each parameter against its `grad`; one without a gradient stays where it is.

        The new values are new arrays: a graph that used the old ones keeps them.
        Raises InputError for what are no parameters, and where a rule gives values of another shape or dtype.
        """
        moved, gradients = _moved(parameters)
        for parameter, g in zip(moved, self.clipped(gradients)):
            w = parameter._data
            state = self.state_of(parameter, w)
            try:
                new, state = self.changed(w, g, state)
            except FloatingPointError:  # under np.seterr(all="raise"): averages of gradients fade away to zero
                with np.errstate(under="ignore"):
                    new, state = self.changed(w, g, state)
            new = new if type(new) is type(w) else np.asarray(new)
            if new.shape != w.shape or new.dtype is not w.dtype and new.dtype != w.dtype:
                raise InputError(f"{type(self).__name__}.update turns {describe(parameter)} {w.shape} {w.dtype} "
                                 f"into {new.shape} {new.dtype}")
            self.states[parameter] = state
            parameter.hold(new)

    def clipped(self, gradients: list[Any]) -> list[Any]:
        """The gradients of all parameters, as the rule gets them."""
        if self.clip_value is not None:
            gradients = [np.clip(g, -self.clip_value, self.clip_value) for g in gradients]
        if self.clip_norm is not None and gradients:
            norm = np.sqrt(sum(np.square(g).sum() for g in gradients))
            share = self.clip_norm / np.maximum(norm, self.clip_norm)  # 1 where the norm is small enough
            gradients = [g * share.astype(g.dtype) for g in gradients]
        return gradients

    def changed(self, w: Any, g: Any, state: State) -> tuple[Any, State]:
        """The rule with weight decay and schedule: arrays in, arrays out. With a schedule, t ends the state."""
        if self.weight_decay and not self.decoupled:
            g = g + self.weight_decay * w
        if not isinstance(self.learning_rate, Schedule):
            return self.update(w, g, state)
        *state_of_rule, t = state
        schedule = self.learning_rate
        rate = schedule(t)  # the rule is written for a number; NumPy's own would turn float32 into float64
        vars(self)["learning_rate"] = float(rate) if isinstance(rate, (np.generic, np.ndarray)) else rate
        try:
            new, new_state = self.update(w, g, tuple(state_of_rule))
        finally:
            self.learning_rate = schedule
        return new, (*new_state, t + 1)

    def state_of(self, parameter: Tensor, w: Any) -> State:
        """What earlier steps left for a parameter; before the first, what the rule starts with."""
        state = self.states.get(parameter)
        if state is None:
            state = self.initial_state(w)
            return (*state, 0.0) if isinstance(self.learning_rate, Schedule) else state
        return state


class GradientDescent(Optimizer):
    """w := w - alpha g, with the learning rate alpha."""

    def update(self, w: Any, g: Any, state: State) -> tuple[Any, State]:
        return w - self.learning_rate * g, state


class Momentum(Optimizer):
    """v := beta v + (1 - beta) g; w := w - alpha v: a moving average of the gradients, as the course defines it."""

    def __init__(self, learning_rate: float | Schedule, beta: float = 0.9, weight_decay: float = 0.0, *,
                 clip_value: float | None = None, clip_norm: float | None = None):
        super().__init__(learning_rate, weight_decay, clip_value=clip_value, clip_norm=clip_norm)
        self.beta = beta

    def initial_state(self, w: Any) -> State:
        return (np.zeros_like(w),)

    def update(self, w: Any, g: Any, state: State) -> tuple[Any, State]:
        (v,) = state
        v = self.beta * v + (1 - self.beta) * g
        return w - self.learning_rate * v, (v,)


class Nesterov(Momentum):
    """v := beta v + (1 - beta) g; w := w - alpha (beta v + (1 - beta) g): momentum that looks one step ahead.

    Nesterov 1983, in the form of Sutskever et al. 2013, with the course's moving average.
    """

    def update(self, w: Any, g: Any, state: State) -> tuple[Any, State]:
        (v,) = state
        v = self.beta * v + (1 - self.beta) * g
        return w - self.learning_rate * (self.beta * v + (1 - self.beta) * g), (v,)


class RMSprop(Optimizer):
    """s := beta s + (1 - beta) g^2; w := w - alpha g / (sqrt(s) + epsilon) (Tieleman and Hinton 2012)."""

    def __init__(self, learning_rate: float | Schedule = 0.001, beta: float = 0.9, epsilon: float = 1e-8,
                 weight_decay: float = 0.0, *, clip_value: float | None = None, clip_norm: float | None = None):
        super().__init__(learning_rate, weight_decay, clip_value=clip_value, clip_norm=clip_norm)
        self.beta, self.epsilon = beta, epsilon

    def initial_state(self, w: Any) -> State:
        return (np.zeros_like(w),)

    def update(self, w: Any, g: Any, state: State) -> tuple[Any, State]:
        (s,) = state
        s = self.beta * s + (1 - self.beta) * np.square(g)
        return w - self.learning_rate * (g / (np.sqrt(s) + self.epsilon)), (s,)


class Adam(Optimizer):
    """Momentum divided by the moving root mean square of the gradient, both corrected for their start at zero.

    v := beta1 v + (1 - beta1) g, s := beta2 s + (1 - beta2) g^2, and in step t
    w := w - alpha (v / (1 - beta1^t)) / (sqrt(s / (1 - beta2^t)) + epsilon)   (Kingma and Ba 2015).
    """

    def __init__(self, learning_rate: float | Schedule = 0.001, beta1: float = 0.9, beta2: float = 0.999,
                 epsilon: float = 1e-8, weight_decay: float = 0.0, *, clip_value: float | None = None,
                 clip_norm: float | None = None):
        super().__init__(learning_rate, weight_decay, clip_value=clip_value, clip_norm=clip_norm)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon

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


class AdamW(Adam):
    """Adam with weight decay beside the gradient, not within: w := w - alpha (step + weight_decay w).

    Loshchilov and Hutter 2019: the decay is not divided by the root mean square of the gradient.
    """

    decoupled = True

    def __init__(self, learning_rate: float | Schedule = 0.001, beta1: float = 0.9, beta2: float = 0.999,
                 epsilon: float = 1e-8, weight_decay: float = 0.01, *, clip_value: float | None = None,
                 clip_norm: float | None = None):
        super().__init__(learning_rate, beta1, beta2, epsilon, weight_decay, clip_value=clip_value,
                         clip_norm=clip_norm)

    def update(self, w: Any, g: Any, state: State) -> tuple[Any, State]:
        new, state = super().update(w, g, state)
        return new - self.learning_rate * (self.weight_decay * w), state


def _moved(parameters: Any) -> tuple[list[Tensor], list[Any]]:
    """The parameters that have a gradient, and the gradients. Raises InputError for what are no parameters."""
    if isinstance(parameters, Tensor) or not isinstance(parameters, Iterable):
        raise InputError("step takes the Tensors that are to move, such as model.parameters(); got "
                         f"{quoted(parameters)}")
    moved, gradients = [], []
    for parameter in parameters:
        if not isinstance(parameter, Tensor) or parameter.op is not None:
            raise InputError("step moves parameters, which are Tensors that were not computed, as model.parameters() "
                             f"gives them; got {type(parameter).__name__}")
        g = parameter.grad
        if g is not None:
            moved.append(parameter)
            gradients.append(g)
    return moved, gradients


def _setting(name: str, wanted: str, holds: Callable[[float], bool], value: Any) -> float:
    """A Python float: NumPy's float64 would turn float32 parameters into float64."""
    number = finite_number(value)
    if number is None or not holds(number):
        raise InputError(f"{name} must be a finite number, {wanted}; got {quoted(value)}")
    return number
