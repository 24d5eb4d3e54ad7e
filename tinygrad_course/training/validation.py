"""Data that nothing is trained on: their cost during training, and when that says to stop."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_course.arguments import Task, checked_data
from tinygrad_course.autodiff import no_grad
from tinygrad_course.errors import InputError
from tinygrad_course.holding import in_mode
from tinygrad_course.mode import observed
from tinygrad_course.tensor import Array, plain
from tinygrad_course.training.history import History

POINTS = 100  # so often in a training, where nothing says how often


def labels_of(y_hat: Array) -> Array:
    """The predicted labels, (1, m): 1 where the only output is larger than 0.5, else the row of the largest one."""
    if y_hat.ndim < 2 or y_hat.shape[0] == 1:
        return np.asarray(y_hat > 0.5, dtype=int)
    labels: Array = y_hat.argmax(axis=0).reshape(1, -1)
    return labels


@dataclass
class Validation:
    """X, Y: the data, of the parameters' dtype.  every: evaluated in iterations that are multiples of that, and after
    the last.  patience: training ends when so many evaluations in a row gave no lower cost; None for never.

    best: the lowest cost so far and its iteration; keep: called when there is a new one.
    """

    task: Task
    X: Array
    Y: Array
    every: int
    patience: int | None
    history: History
    best: tuple[float, int] | None = None
    without_progress: int = 0
    keep: Callable[[], None] = field(default=lambda: None)

    def __post_init__(self) -> None:
        self.labels = labels_of(self.Y) if np.isin(self.Y, (0, 1)).all() else None

    def is_due(self, iteration: int) -> bool:
        known = self.best is not None and iteration in self.history.validation_costs
        return iteration % self.every == 0 and not known

    @no_grad()
    def eagerly(self) -> tuple[float, Array | None]:
        """The cost and y_hat, by the model itself; None for a model that has a cost alone."""
        with observed(alone=True), in_mode(self.task.model, training=False), np.errstate(all="ignore"):
            return self.task.cost_of(self.X, self.Y).item(), plain(
                self.task.model(self.X)) if self.task.predicts else None

    def note(self, iteration: int, cost: float, y_hat: Array | None) -> bool:
        """Whether training is to end here."""
        history = self.history
        history.validation_costs[iteration] = cost
        if self.labels is not None and y_hat is not None and y_hat.shape[-1] == self.Y.shape[-1]:
            history.validation_accuracies[iteration] = float(np.mean(labels_of(y_hat) == self.labels))
        if self.best is None or cost < self.best[0]:
            self.best, self.without_progress = (cost, iteration), 0
            if self.patience is not None:
                self.keep()
            return False
        self.without_progress += 1
        if self.patience is None or self.without_progress < self.patience:
            return False
        history.stopped = (f"the validation cost was lowest in iteration {self.best[1]}: its parameters are kept, "
                           f"{self.patience} evaluations after it brought no progress")
        return True

    def said(self, iteration: int) -> str:
        """What the printed line says of an iteration."""
        cost = self.history.validation_costs.get(iteration)
        if cost is None:
            return ""
        accuracy = self.history.validation_accuracies.get(iteration)
        return f"; validation {cost:f}" + ("" if accuracy is None else f", {100 * accuracy:.1f} %")


def checked_validation(task: Task, data: Any, every: int, patience: int | None, history: History) -> Validation:
    """Raises InputError for data that do not fit those of the training."""
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        raise InputError(f"validation is a pair of arrays, (X, Y); {type(data).__name__} was given")
    try:
        X, Y = checked_data(data[0], data[1], binary=bool(task.model.binary_labels), dtype=task.X.dtype)
    except InputError as error:
        raise InputError(f"validation: {error}") from None
    for name, ours, theirs in (("X", X, task.X), ("Y", Y, task.Y)):
        if ours.shape[:-1] != theirs.shape[:-1]:
            raise InputError(f"validation: {name} has shape {ours.shape}, but training has {theirs.shape}: all sizes "
                             "but the last, the number of examples, must be the same")
    return Validation(task, X, Y, every, patience, history)
