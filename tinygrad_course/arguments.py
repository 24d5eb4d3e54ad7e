"""What training, compiling and comparing are given, checked in one place: data, labels and settings."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_course.costs import J_1, J_CE, binary_cross_entropy, cross_entropy, mean_squared_error
from tinygrad_course.errors import InputError, did_you_mean
from tinygrad_course.nn import Module
from tinygrad_course.optim import GradientDescent, Optimizer, Schedule
from tinygrad_course.tensor import Array, Tensor, plain

Cost = Callable[[Any, Any], Tensor]  # of X and Y, or of y_hat and Y
COSTS: dict[str, Cost] = {cost.__name__: cost for cost in (binary_cross_entropy, cross_entropy, mean_squared_error,
                                                           J_1, J_CE)}
# What others call it.
OTHER_NAMES = {"bce": "binary_cross_entropy", "log_loss": "binary_cross_entropy", "logistic": "binary_cross_entropy",
               "ce": "cross_entropy", "categorical_crossentropy": "cross_entropy", "softmax": "cross_entropy",
               "binary_crossentropy": "binary_cross_entropy", "mse": "mean_squared_error", "l2": "mean_squared_error"}


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


def memory_for_columns(array: Array, m: int) -> Array:
    """Memory for m examples, in the order in which those of `array` lie."""
    return np.empty((*array.shape[:-1], m), array.dtype, order="F" if _lies_by_columns(array) else "C")


def columns_of(array: Array, columns: Array) -> Array:
    """Some of the examples, in memory of that order: products round differently in another one."""
    if array.flags.c_contiguous:
        return np.take(array, columns, axis=-1)
    if not _lies_by_columns(array):
        return np.ascontiguousarray(array[..., columns])
    if array.flags.f_contiguous:  # np.take copies all of any other array
        return np.asarray(np.take(array.T, columns, axis=0).T)
    return np.asfortranarray(array[..., columns])


def _lies_by_columns(array: Array) -> bool:
    """Whether in memory one example follows the other."""
    return array.ndim == 2 and abs(array.strides[0]) < abs(array.strides[1])


def checked_task(model: Module, X: Any, Y: Any, learning_rate: float | Schedule | None, optimizer: Optimizer | None,
                 cost: Cost | str | None, batch_size: int | None) -> Task:
    """The arguments that `fit` and `compile_step` share. Raises InputError for what cannot be used."""
    if not isinstance(model, Module):
        hint = f"; did you mean {model.__name__}(...)?" if isinstance(model, type) and issubclass(model, Module) else ""
        raise InputError(f"model is {model!r}; a Module such as DeepNetwork or nn.Sequential(...) is expected{hint}")
    cost = checked_cost(cost)
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
    if batch_size is None:  # each step reads all of them: elements that lie apart would be put together every time
        X, Y = (array if array.flags.forc else np.array(array) for array in (X, Y))
    cost_of = model.cost if cost is None else lambda X, Y: cost(model(X), Y)
    return Task(model, cost_of, rule, X, Y, batch_size)


def check_whole(name: str, value: Any, least: int, most: int | None = None) -> None:
    """Raises InputError for what is no whole number, too small or too large."""
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least or (
            most is not None and value > most):
        limit = "" if most is None else f" and at most {most}"
        raise InputError(f"{name} must be a whole number, at least {least}{limit}, got {value!r}")


def checked_cost(cost: Cost | str | None) -> Cost | None:
    """A function of y_hat and Y; it may be given by its name. Raises InputError for anything else."""
    if isinstance(cost, str):
        if cost not in COSTS:
            raise InputError(f"there is no cost {cost!r}{did_you_mean(cost, COSTS, OTHER_NAMES)}; there are "
                             f"{', '.join(COSTS)}, and any function of y_hat and Y will do")
        return COSTS[cost]
    if cost is not None and not callable(cost):
        raise InputError(f"cost is {cost!r}; a function of y_hat and Y is expected, such as nn.binary_cross_entropy, "
                         f"or one of the names {', '.join(COSTS)}")
    return cost


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
        turned = ""
        if X.shape[0] == Y.shape[0] > Y.shape[-1]:
            turned = " Examples are columns here; did you mean X.T and Y.T?"
        elif X.shape[0] == Y.shape[-1]:
            turned = " Examples are columns here; did you mean X.T?"
        elif X.shape[-1] == Y.shape[0]:
            turned = " Did you mean Y.T?"
        raise InputError(f"X {X.shape} has {X.shape[-1]} examples but Y {Y.shape} has {Y.shape[-1]}.{turned}")
    if binary and not np.isin(Y, (0, 1)).all():
        where = first_place(~np.isin(Y, (0, 1)))
        raise InputError(f"Y holds {Y[where]:g} at {where}; the labels must be 0 or 1")
    return X, Y


def _numbers(name: str, values: Any, dtype: Any) -> Array:
    """Finite numbers with one example per column."""
    array = real_array(name, values)
    array = array if array.dtype == dtype else array.astype(dtype)
    if array.ndim < 2:
        raise InputError(f"{name} has shape {array.shape}; one example per column is expected, (n, m)."
                         f" Did you mean {name}.reshape(1, -1)?")
    if array.size == 0:
        raise InputError(f"{name} is empty, its shape is {array.shape}")
    if not np.isfinite(array).all():
        where = first_place(~np.isfinite(array))
        raise InputError(f"{name} holds {array[where]} at {where}; training needs finite numbers")
    return array


def real_array(name: str, values: Any) -> Array:
    """Raises InputError for what is no array of real numbers."""
    try:
        array = np.asarray(plain(values))
    except ValueError as error:
        raise InputError(f"{name} cannot be used as numbers: {error}") from None
    if array.dtype.kind not in "fiub":
        raise InputError(f"{name} cannot be used as numbers: its dtype is {array.dtype}")
    return array


def first_place(wrong: Array) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(wrong)[0])
