"""What is known of a training when it is over."""
from __future__ import annotations

from dataclasses import dataclass, field, replace

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
    batch_size, seed: which examples made each update, see `fit`; None for all of them in each.
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
    batch_size: int | None = None
    seed: int = 0

    def continued(self, batch_size: int | None, seed: int | None) -> History:
        """The beginning of the history of a training that goes on where this one ended; seed: None for the same.

        Raises InputError for other batches: the examples would not come in the order that was begun.
        """
        seed = self.seed if seed is None else seed
        for name, wanted, was in (("batch_size", batch_size, self.batch_size), ("seed", seed, self.seed)):
            if wanted != was:
                raise InputError(f"{name}={wanted!r}, but the training to be resumed had {was!r}: leave {name} out, or "
                                 "leave resume out to begin a new order of the examples")
        return replace(self, costs=dict(self.costs), validation_costs=dict(self.validation_costs),
                       validation_accuracies=dict(self.validation_accuracies), stopped=None)


class TrainingDiverged(InputError):
    """The cost became NaN or infinite. `history` is what happened before; the model has its last good parameters."""

    def __init__(self, message: str, history: History):
        super().__init__(message)
        self.history = history
