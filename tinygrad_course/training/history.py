"""What is known of a training when it is over."""
from __future__ import annotations

from dataclasses import dataclass, field

from tinygrad_course.errors import InputError


@dataclass
class History:
    """What happened in training.

    costs: the cost before the update of an iteration, for the recorded iterations, counted from 0.
    validation_costs, validation_accuracies: the same of the validation data, where there were any; the last after the
    last update. Accuracies, fractions of 1, where the labels are 0 and 1.
    iterations: how many updates were made; seconds: how long they took, compiling included, callbacks not.
    engine: what ran, "native", "numpy" or "eager"; why: the reason, and what the engine did.
    stopped: why training ended before its last iteration, or None.
    """

    costs: dict[int, float] = field(default_factory=dict)
    iterations: int = 0
    seconds: float = 0.0
    learning_rate: float | str | None = None  # the number, or the schedule in words
    engine: str = "eager"
    why: str = ""
    stopped: str | None = None
    validation_costs: dict[int, float] = field(default_factory=dict)
    validation_accuracies: dict[int, float] = field(default_factory=dict)


class TrainingDiverged(InputError):
    """The cost became NaN or infinite. `history` is what happened before; the model has its last good parameters."""

    def __init__(self, message: str, history: History):
        super().__init__(message)
        self.history = history
