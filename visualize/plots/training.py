"""Plots of what happened in training: the costs, and how large the gradients of each layer were."""
from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_course.course.exercises import Exercise, exercise_named
from tinygrad_course.errors import InputError
from tinygrad_course.nn import Module
from tinygrad_course.training.history import History
from tinygrad_course.visualize.plots.style import INK, draws, legend, line_style, new_plot
from tinygrad_course.visualize.scene.lettering import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tinygrad_course.visualize.plots.figure import Plot

Series = dict[int, float]  # from iteration to a number


@draws
def plot_costs(*histories: History | Mapping[str, History] | Sequence[History],
               course: Exercise | str | Mapping[int, Any] | None = None, log: bool = False) -> Plot:
    """The cost over the iterations of one or several runs; dotted, with empty marks, that of their validation data.

    histories: what `fit` returned; several, also as a list, are named by their learning rates; a dict gives other
    names.
    course: the name of an exercise, "planar" for instance, or an Exercise, or costs by iteration: the course's
    printed costs, drawn as rings.
    log: a logarithmic scale for the cost.
    Raises InputError where no cost was recorded, or one cannot be drawn.
    """
    named = _named(histories[0] if len(histories) == 1 else histories)
    runs = {name: _checked_series("the cost", name, history.costs, positive=log) for name, history in named.items()}
    validated = {name: _checked_series("the validation cost", name, history.validation_costs, positive=log)
                 for name, history in named.items() if history.validation_costs}
    single, many = len(runs) == 1, len(runs) > 6
    last = max(max(series) for series in runs.values())
    printed = {i: cost for i, cost in _printed_costs(course, log).items() if i <= last}
    made = max([last + 1] + [history.iterations for history in named.values()])
    plot = new_plot(f"Cost over {counted(made, 'iteration')}" if single else f"Cost of {len(runs)} runs",
                    10 if many else 7, 4.5)
    axes = plot.subplots()

    handles, labels = [], []
    for number, (name, series) in enumerate(runs.items()):
        handles.append(_draw_line(axes, series, number))
        labels.append(name)
        if name in validated:
            handles.append(_draw_line(axes, validated[name], number, linestyle=":", markerfacecolor="white"))
            labels.append("validation" if single else f"{name}, validation")
    if printed:
        handles += axes.plot(list(printed), list(printed.values()), linestyle="none", marker="o", markersize=8,
                             markerfacecolor="none", markeredgecolor=INK, markeredgewidth=1.3, zorder=3)
        labels.append("printed in the course")
    _label_iterations(axes)
    axes.set_ylabel("cost J" + (" (logarithmic scale)" if log else ""))
    axes.grid(True)
    _scale(axes, [*runs.values(), *validated.values(), printed], log)
    if len(labels) > 1:
        if single:
            labels[0] = "computed here" if printed else "training"
        plot.set_figheight(max(4.5, 0.9 + 0.22 * len(labels)))
        legend(plot if many else axes, handles, labels, loc="outside right upper" if many else "best")

    plot.alt = (f"Curves of the cost against the iteration. {'. '.join(_course_of(*run) for run in runs.items())}."
                + "".join(f" {_course_of(f'Validation of {name}', series)}." for name, series in validated.items())
                + (f" Rings mark {counted(len(printed), 'cost')} that the course prints." if printed else ""))
    return plot


class GradientNorms:
    """Notes how large the gradients are: ``norms = GradientNorms(); fit(..., callback=norms)``.

    norms: for each layer, from iteration to the Euclidean norm of the gradients of all its parameters together.
    A layer is what carries the same number, W1 and b1, or the same path, 0.W and 0.b. It starts anew at iteration 0.
    """

    def __init__(self) -> None:
        self.norms: dict[str, Series] = {}

    def __call__(self, iteration: int, model: Module, cost: float) -> None:
        if iteration == 0:
            self.norms.clear()
        layers: dict[str, dict[str, Any]] = {}
        for name, parameter in model.named_parameters():
            layers.setdefault(_layer_of(name), {})[name] = parameter.grad
        for number, gradients in enumerate(layers.values(), start=1):
            parts = [np.linalg.norm(np.ravel(g)) for g in gradients.values() if g is not None]
            series = self.norms.setdefault(f"layer {number} ({', '.join(gradients)})", {})
            series[iteration] = float(np.linalg.norm(parts))


@draws
def plot_gradient_norms(norms: GradientNorms | Mapping[str, Mapping[int, float]]) -> Plot:
    """The size of the gradients of each layer over training, on a logarithmic scale.

    norms: a `GradientNorms` that `fit` had as its callback, or for each layer a dict from iteration to norm.
    Raises InputError where nothing was recorded, or a norm is negative or not finite.
    """
    given = norms.norms if isinstance(norms, GradientNorms) else norms
    if not isinstance(given, Mapping):
        raise InputError(f"norms is {type(norms).__name__}; expected a GradientNorms or a dict")
    if not given:
        raise InputError("there are no gradient norms: train with fit(..., callback=norms), where norms = "
                         "GradientNorms(), and give norms to plot_gradient_norms")
    layers = {name: _checked_series("the gradient norm", name, series) for name, series in given.items()}
    values = np.array([value for series in layers.values() for value in series.values()])
    if values.min() < 0:
        raise InputError(f"a gradient norm is {values.min():g}; expected none below zero")
    plot = new_plot("Size of the gradients of each layer", 7, 4.5)
    axes = plot.subplots()
    handles = [_draw_line(axes, series, number) for number, series in enumerate(layers.values())]
    _label_iterations(axes)
    axes.set_ylabel("norm of the gradient")
    axes.grid(True)
    if values.max() > 0:
        axes.set_ylabel("norm of the gradient (logarithmic scale)")
        if values.min() > 0:
            _scale(axes, list(layers.values()), log=True)
        else:  # a layer without gradient is what one looks for: zero must be on the scale
            axes.set_yscale("symlog", linthresh=10 ** np.floor(np.log10(values[values > 0].min())))
            axes.set_ylim(bottom=0)
    plot.set_figheight(4.5 + 0.2 * max(0, len(layers) - 4))
    legend(plot, handles, list(layers), loc="outside lower center", ncols=2)
    plot.alt = ("Curves of the gradients' Euclidean norm against the iteration, one for each layer. "
                + ". ".join(_course_of(*layer) for layer in layers.items()) + ".")
    return plot


# --- the data ---------------------------------------------------------------------------------------------

def _named(histories: Any) -> dict[str, History]:
    """The runs by name. Raises InputError for none, and for what is no History."""
    if isinstance(histories, History):
        histories = {"Cost": histories}
    elif isinstance(histories, Sequence) and not isinstance(histories, str):
        names: list[str] = []
        for number, history in enumerate(histories, start=1):
            rate = getattr(history, "learning_rate", None)
            rate = rate if isinstance(rate, str) or rate is None else f"{rate:g}"
            name = f"run {number}" if rate is None else f"learning rate {rate}"
            names.append(name if name not in names else f"{name} (run {number})")
        histories = dict(zip(names, histories))
    if not isinstance(histories, Mapping):
        raise InputError(f"histories is {type(histories).__name__}; expected what fit returns, or a list or a dict of "
                         "that")
    if not histories:
        raise InputError("there is no history to draw: give what fit returned")
    for name, history in histories.items():
        if not isinstance(history, History):
            raise InputError(f"histories[{name!r}] is {type(history).__name__}; expected a History, which fit returns")
    return {str(name): history for name, history in histories.items()}


def _checked_series(what: str, name: str, given: Mapping[int, Any], positive: bool = False) -> Series:
    """The numbers by iteration, sorted. Raises InputError for none, and for one that cannot be drawn."""
    of = "" if name in ("Cost", what) else f" of {name!r}"
    if not given:
        raise InputError(f"the history{of} is empty: {what} was never recorded; train for at least one iteration")
    series = {}
    for iteration in sorted(given):
        try:
            series[iteration] = value = float(given[iteration])
        except (TypeError, ValueError):
            raise InputError(f"{what}{of} is {given[iteration]!r} at iteration {iteration}; expected a "
                             "number") from None
        if not np.isfinite(value):
            raise InputError(f"{what}{of} is {value} at iteration {iteration}; expected finite numbers")
        if positive and value <= 0:
            raise InputError(f"{what}{of} is {value:g} at iteration {iteration}, which has no logarithm: leave off "
                             "log=True")
    return series


def _printed_costs(course: Any, log: bool) -> Series:
    if course is None:
        return {}
    if isinstance(course, str):
        course = exercise_named(course)
    costs = course.costs if isinstance(course, Exercise) else course
    if not isinstance(costs, Mapping):
        raise InputError(f"course is {type(course).__name__}; expected the name of an exercise, such as 'planar', or "
                         "a dict from iteration to cost")
    return _checked_series("the printed cost", "the printed cost", costs, positive=log)


def _layer_of(name: str) -> str:
    """What the parameters of a layer have in common: "1" of W1, "layers.0" of layers.0.W."""
    path, _, last = name.rpartition(".")
    number = re.search(r"\d*$", last)
    return f"{path}.{number.group() if number else ''}"


def _course_of(name: str, series: Series) -> str:
    first, last = min(series), max(series)
    if first == last:
        return f"{name}: {series[first]:.4g} at iteration {first}"
    return f"{name}: from {series[first]:.4g} at iteration {first} to {series[last]:.4g} at iteration {last}"


# --- the drawing ------------------------------------------------------------------------------------------

def _draw_line(axes: Axes, series: Series, number: int, **style: Any) -> Any:
    """Marks stand a little apart and begin elsewhere in each line, so that lines on one another stay visible."""
    step = max(1, len(series) // 8)
    [line] = axes.plot(list(series), list(series.values()), linewidth=1.8, markersize=5,
                       **{**line_style(number), **style}, markevery=(number * step // 4 % step, step))
    return line


def _label_iterations(axes: Axes) -> None:
    axes.set_xlabel("iteration")
    axes.locator_params(axis="x", integer=True)
    left, right = axes.get_xlim()
    if right - left < 1:  # a single iteration
        middle = round((left + right) / 2)
        axes.set_xlim(middle - 1, middle + 1)


def _scale(axes: Axes, all_series: Sequence[Series], log: bool) -> None:
    """The scale of the numbers. matplotlib's logarithmic one has hardly any ticks below one power of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    values = [value for series in all_series for value in series.values()]
    low, high = min(values), max(values)
    if high - low < 1e-3 * max(abs(low), abs(high)):  # differences in the last digits are not what this plot is for
        room = 0.1 * (max(abs(low), abs(high)) or 1.0)
        axes.set_ylim(low - room, high + room)
    if not log:
        return
    axes.set_yscale("log")
    if high < 1e3 * low:
        few = high < 3 * low
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]) if few else LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
