"""Several trainings that differ in one thing, side by side: learning rates, widths, initial values."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np

from tinygrad_course.errors import InputError
from tinygrad_course.nn import Module
from tinygrad_course.shown import Table
from tinygrad_course.training.fit import accuracy, fit
from tinygrad_course.training.history import History, TrainingDiverged

Variant = Mapping[str, Any] | Callable[[], Module]


@dataclass(frozen=True, eq=False)
class Run:
    """A trained model and how it got there. Accuracies are fractions of 1, None where there are no labels 0 and 1."""

    model: Module
    history: History
    accuracy: float | None
    validation_accuracy: float | None


@dataclass(frozen=True, eq=False, repr=False)
class Runs:
    """What `compare_runs` found: each `Run` by its name. Shows itself as a table, in notebooks with the plot below."""

    runs: Mapping[str, Run]

    def __getitem__(self, name: str) -> Run:
        return self.runs[name]

    def plot(self, log: bool = False) -> Any:
        """The costs of all runs over the iterations. Raises InputError without matplotlib."""
        from tinygrad_course.visualize import plots

        return plots.plot_costs({name: run.history for name, run in self.runs.items() if run.history.costs}, log=log)

    def table(self) -> Table:
        heading = ("run", "iterations", "cost", "accuracy", "validation cost", "validation accuracy", "seconds",
                   "stopped")
        rows = [(name, str(run.history.iterations), _last(run.history.costs), _percent(run.accuracy),
                 _last(run.history.validation_costs), _percent(run.validation_accuracy), f"{run.history.seconds:.2f}",
                 run.history.stopped or "") for name, run in self.runs.items()]
        columns = [column for column in zip(heading, *rows) if any(column[1:])]
        heading_left, *rows_left = zip(*columns)
        return Table("", heading_left, rows_left)

    def __repr__(self) -> str:
        return repr(self.table())

    def _repr_html_(self) -> str:
        table = self.table()._repr_html_()
        try:
            plot = self.plot()
        except InputError:  # no matplotlib, or nothing to draw: there is the table
            return table
        return table + str(plot.inline_svg())


def compare_runs(variants: Mapping[str, Variant], X: Any, Y: Any, *, model: Callable[[], Module] | None = None,
                 **settings: Any) -> Runs:
    """Train variants, each in the same way but for what it says itself, and compare them.

    >>> compare_runs({"slow": {"learning_rate": 0.1}, "fast": {"learning_rate": 1.2}}, X, Y,
    ...              model=PlanarClassifier, iterations=1000)
    >>> compare_runs({f"{n} units": lambda n=n: PlanarClassifier(n_h=n) for n in (1, 4, 20)}, X, Y,
    ...              learning_rate=1.2, iterations=1000)

    variants: by name either settings of `fit`, and under "model" a function that makes the model where that differs; or
    such a function alone. model: a function that makes a new model, for the others. settings: those of `fit` for all;
    an optimizer, which keeps something from update to update, is given as a function that makes one.
    Every variant finds NumPy's random numbers as they are now, so that equal layers begin with equal values; afterwards
    they are as they were. A training that diverges is a result too: the table says so.
    Raises InputError for no variants, settings that `fit` does not have, and as `fit`.
    """
    if not isinstance(variants, Mapping) or not variants:
        raise InputError("variants is a dict from names to what differs, such as {'slow': {'learning_rate': 0.1}, "
                         f"'fast': {{'learning_rate': 1.2}}}}; got {variants!r:.80}")
    random = np.random.get_state()
    try:
        runs = {}
        for name, variant in variants.items():
            np.random.set_state(random)
            own = {"model": variant} if callable(variant) else variant
            if not isinstance(own, Mapping):
                raise InputError(f"the variant {name!r} is {type(variant).__name__}; a dict of settings, or a function "
                                 "that makes a model, is expected")
            runs[str(name)] = _run(str(name), {"model": model, **settings, **own}, X, Y)
        return Runs(runs)
    finally:
        np.random.set_state(random)


def _run(name: str, settings: dict[str, Any], X: Any, Y: Any) -> Run:
    make, rule = settings.pop("model"), settings.get("optimizer")
    if not callable(make) or isinstance(make, Module):
        raise InputError(f"the variant {name!r} needs model=, a function that makes a new model, such as the class "
                         f"itself; got {type(make).__name__}")
    if rule is not None:
        if not callable(rule):
            raise InputError(f"optimizer is one {type(rule).__name__} for all variants, which would go on with what it "
                             "keeps from the one before: give a function that makes one, such as lambda: optim.Adam()")
        settings["optimizer"] = rule()
    unknown = settings.keys() - signature(fit).parameters.keys()
    if unknown:
        raise InputError(f"the variant {name!r} has {', '.join(sorted(map(str, unknown)))}, which fit does not know")
    model = make()
    try:
        history = fit(model, X, Y, **settings)
    except TrainingDiverged as error:
        history = error.history
    held_back = settings.get("validation")
    return Run(model, history, _accuracy(model, X, Y), None if held_back is None else _accuracy(model, *held_back))


def _accuracy(model: Module, X: Any, Y: Any) -> float | None:
    """None for labels that are no classes, and for a model that has a cost alone."""
    try:
        fraction: float = accuracy(model, X, Y)
    except InputError:
        return None
    return fraction


def _last(series: Mapping[int, float]) -> str:
    return f"{series[max(series)]:.4g}" if series else ""


def _percent(fraction: float | None) -> str:
    return "" if fraction is None else f"{100 * fraction:.1f} %"
