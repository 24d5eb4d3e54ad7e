"""What is known of a training when it is over."""
from __future__ import annotations

from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any

from tinygrad_course.errors import InputError
from tinygrad_course.shown import Table


@dataclass(repr=False)
class History:
    """What happened in training. Shows itself as a line and, in a notebook, with a table and the curve of the cost.

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

    def as_dict(self) -> dict[str, list[Any]]:
        """Columns of one table, "iteration", "cost" and so on, with a row for each iteration in which one was noted.

        None stands where one was not; a column that would be empty is left out.
        """
        columns = {"cost": self.costs, "validation_cost": self.validation_costs,
                   "validation_accuracy": self.validation_accuracies}
        iterations = sorted({iteration for column in columns.values() for iteration in column})
        return {"iteration": iterations} | {name: [column.get(i) for i in iterations]
                                            for name, column in columns.items() if column}

    def to_frame(self) -> Any:
        """The same as a DataFrame, by iteration. Raises InputError where pandas is not installed."""
        try:
            pandas = import_module("pandas")
        except ImportError:
            raise InputError("to_frame needs pandas: pip install pandas. Without it as_dict() gives the same columns "
                             "as lists") from None
        columns = self.as_dict()
        index = pandas.Index(columns.pop("iteration"), name="iteration", dtype="int64")
        return pandas.DataFrame(columns, index=index, dtype="float64")

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

    def __repr__(self) -> str:
        cost = f": cost {self._first(self.costs)} to {self._last(self.costs)}" if self.costs else ""
        if self.validation_costs:
            cost += f", of the validation data {self._last(self.validation_costs)}"
        return (f"History of {self.iterations} iterations in {self.seconds:.3g} s, engine {self.engine}{cost}"
                + (f"; {self.stopped}" if self.stopped else ""))

    def _repr_html_(self) -> str:
        return self._table()._repr_html_() + self._curve()

    def _table(self) -> Table:
        cells = {"iterations": str(self.iterations), "first cost": self._first(self.costs),
                 "last cost": self._last(self.costs), "seconds": f"{self.seconds:.3g}", "engine": self.engine}
        if self.validation_costs:
            cells["last validation cost"] = self._last(self.validation_costs)
        if self.validation_accuracies:
            cells["accuracy there"] = f"{self.validation_accuracies[max(self.validation_accuracies)] * 100:.4g} %"
        return Table(repr(self), list(cells), [list(cells.values())])

    def _curve(self) -> str:
        """The cost over the iterations as SVG; nothing where there is no matplotlib or no cost."""
        from tinygrad_course.visualize.plots import plot_costs
        try:
            return plot_costs(self).inline_svg()
        except InputError:
            return ""

    @staticmethod
    def _first(costs: dict[int, float]) -> str:
        return f"{costs[min(costs)]:.6g}" if costs else ""

    @staticmethod
    def _last(costs: dict[int, float]) -> str:
        return f"{costs[max(costs)]:.6g}" if costs else ""


class TrainingDiverged(InputError):
    """The cost became NaN or infinite. `history` is what happened before; the model has its last good parameters."""

    def __init__(self, message: str, history: History):
        super().__init__(message)
        self.history = history


class TrainingInterrupted(KeyboardInterrupt):
    """Training was interrupted in a notebook: cells that wait do not run, as after any KeyboardInterrupt.

    `history` is what happened before; the model has the parameters that it had got by then.
    """

    def __init__(self, history: History):
        super().__init__(f"{history.stopped}. The model has the parameters from then; sys.last_value.history is the "
                         "history")
        self.history = history

    def _render_traceback_(self) -> list[str]:
        """What IPython prints: where in our loop it was tells nothing."""
        return [f"KeyboardInterrupt: {self}"]
