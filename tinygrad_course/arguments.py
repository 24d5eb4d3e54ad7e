"""What training, compiling and comparing are given, checked in one place: data, labels and settings."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_course.costs import binary_cross_entropy
from tinygrad_course.errors import InputError
from tinygrad_course.nn import Module
from tinygrad_course.optim import GradientDescent, Optimizer, Schedule
from tinygrad_course.tensor import Array, Tensor, plain

Cost = Callable[[Any, Any], Tensor]  # of X and Y, or of y_hat and Y


@dataclass(frozen=True)
class Task:
    """What is to be trained: the model, its cost as a function of X and Y, the rule, and data of its dtype.

    X (n_x, m), Y (n_y, m).  batch_size: examples of an update, less than m; None for all.
    """

    model: Module
    cost_of: Cost
    optimizer: Optimizer
    X: Array
    Y: Array
    batch_size: int | None = None

    @property
    def predicts(self) -> bool:
        """Whether the model gives y_hat, and not a cost alone."""
        return type(self.model).forward is not Module.forward


def checked_task(model: Module, X: Any, Y: Any, learning_rate: float | Schedule | None, optimizer: Optimizer | None,
                 cost: Cost | None, batch_size: int | None) -> Task:
    """The arguments that `fit` and `compile_step` share. Raises InputError for what cannot be used."""
    if batch_size is not None:
        check_whole("batch_size", batch_size, least=1)
    rule = checked_rule(learning_rate, optimizer)
    parameters = model.parameters()
    if not parameters:
        raise InputError(f"{type(model).__name__} has no parameters to train: no Tensor with requires_grad=True "
                         "is among its attributes")
    X, Y = checked_data(X, Y, binary=model.binary_labels or cost is binary_cross_entropy, dtype=parameters[0].dtype)
    if batch_size is not None and batch_size >= X.shape[-1]:
        batch_size = None
    cost_of = model.cost if cost is None else lambda X, Y: cost(model(X), Y)
    return Task(model, cost_of, rule, X, Y, batch_size)


def check_whole(name: str, value: Any, least: int) -> None:
    """Raises InputError for what is no whole number, or too small."""
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
        raise InputError(f"{name} must be a whole number, at least {least}, got {value!r}")


def checked_rule(learning_rate: float | Schedule | None, optimizer: Optimizer | None) -> Optimizer:
    """The optimiser that was given, or gradient descent. Raises InputError for both, none, or something else."""
    if (optimizer is None) == (learning_rate is None):
        raise InputError("give either learning_rate=, for gradient descent, or optimizer=")
    if optimizer is None:
        assert learning_rate is not None
        return GradientDescent(learning_rate)
    if not isinstance(optimizer, Optimizer):
        raise InputError(f"optimizer is {optimizer!r}; one such as optim.Adam() is expected")
    return optimizer


def checked_data(X: Any, Y: Any, binary: bool, dtype: Any) -> tuple[Array, Array]:
    """Data and labels as arrays of the parameters' dtype; InputError for what cannot be trained on.

    binary: whether the labels must be 0 or 1.
    """
    X, Y = _numbers("X", X, dtype), _numbers("Y", Y, dtype)
    if X.shape[-1] != Y.shape[-1]:
        turned = " Examples are columns here; did you mean X.T?" if X.shape[0] == Y.shape[-1] else ""
        turned = turned or (" Did you mean Y.T?" if X.shape[-1] == Y.shape[0] else "")
        raise InputError(f"X {X.shape} has {X.shape[-1]} examples but Y {Y.shape} has {Y.shape[-1]}.{turned}")
    if binary and not np.isin(Y, (0, 1)).all():
        where = _first(~np.isin(Y, (0, 1)))
        raise InputError(f"Y holds {Y[where]:g} at {where}; the labels must be 0 or 1")
    return X, Y


def _numbers(name: str, values: Any, dtype: Any) -> Array:
    """Finite numbers with one example per column."""
    try:
        array = np.asarray(plain(values))
    except ValueError as error:
        raise InputError(f"{name} cannot be used as numbers: {error}") from None
    if array.dtype.kind not in "fiub":
        raise InputError(f"{name} cannot be used as numbers: its dtype is {array.dtype}")
    array = array if array.dtype == dtype else array.astype(dtype)
    if array.ndim < 2:
        raise InputError(f"{name} has shape {array.shape}; one example per column is expected, (n, m)."
                         f" Did you mean {name}.reshape(1, -1)?")
    if array.size == 0:
        raise InputError(f"{name} is empty, its shape is {array.shape}")
    if not np.isfinite(array).all():
        where = _first(~np.isfinite(array))
        raise InputError(f"{name} holds {array[where]} at {where}; training needs finite numbers")
    return array


def _first(wrong: Array) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(wrong)[0])
