"""Plots of points in the plane: the course's five sets, and what a model makes of the plane."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_course import data
from tinygrad_course.arguments import checked_data
from tinygrad_course.data.images import PLANAR_SEEDS
from tinygrad_course.errors import InputError
from tinygrad_course.models import PlanarClassifier
from tinygrad_course.training.fit import fit
from tinygrad_course.tensor import Array
from tinygrad_course.visualize.plots.style import (
    CLASS_COLOURS, CLASS_MARKS, INK, INK_ON_LIGHT, draws, legend, listed, new_plot, predicted_classes, probabilities,
    whole_number,
)
from tinygrad_course.visualize.scene.lettering import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tinygrad_course.visualize.plots.figure import Plot

LEARNING_RATE = 1.2  # the course's, for all hidden layer sizes
PANEL_RESOLUTION = 240  # grid points along each axis of one of several pictures: more than it has pixels


@draws
def plot_decision_boundary(model: Any, X: Any, Y: Any, resolution: int = 500) -> Plot:
    """The regions of the plane that a model gives to each class, the boundary between them, and the points.

    X, Y: points (2, m) and their labels (1, m), or one-hot columns (n_y, m).
    resolution: the model is evaluated on resolution x resolution points, all at once.
    Raises InputError for points that are not in the plane, and for a model or labels that do not fit them.
    """
    resolution = whole_number("resolution", resolution, 2, 2000)
    X, labels, n_classes = _checked_points(model, X, Y)
    correct = float(np.mean(predicted_classes(probabilities(model, X)) == labels))
    plot = new_plot(f"Decision boundary of {type(model).__name__}, accuracy {_percent(correct)}", 5.8, 5.8)
    axes = plot.subplots()
    handles = _draw_boundary(axes, model, X, labels, n_classes, resolution)
    axes.set_xlabel("$x_1$")
    axes.set_ylabel("$x_2$")
    legend(plot, handles, [*_class_names(n_classes), "boundary"][:len(handles)], loc="outside lower center",
           ncols=min(len(handles), 4))
    plot.alt = (f"The plane, divided by {type(model).__name__} into the regions of {n_classes} classes, with "
                f"{X.shape[1]} points. {_percent(correct)} of them lie in the region of their own class. "
                f"{_ranges(X)}")
    return plot


@draws
def plot_planar_sets(*, seed: int | None = None) -> Plot:
    """The five sets of points of `data.planar` in one figure.

    Raises InputError as `data.planar`, for instance without scikit-learn.
    """
    sets = {kind: data.planar(kind, seed=seed) for kind in PLANAR_SEEDS}
    plot = new_plot("The five planar data sets", 9, 6)
    panels = plot.subplots(2, 3).ravel()
    for axes, (kind, (X, Y)) in zip(panels, sets.items()):
        handles = _draw_points(axes, X, Y[0].astype(int), 2, small=True)
        _set_limits(axes, X)
        axes.set_title(f"{kind.replace('_', ' ')}, {X.shape[1]} points")
        axes.set_xlabel("$x_1$")
        axes.set_ylabel("$x_2$")
    panels[-1].set_axis_off()
    legend(panels[-1], handles, _class_names(2), loc="center", fontsize=11, markerscale=1.6)
    plot.alt = ("Five pictures of points in the plane in two classes: " + listed([
        f"{kind.replace('_', ' ')} with {X.shape[1]} points" for kind, (X, _) in sets.items()]) + ".")
    return plot


@draws
def plot_hidden_sizes(X: Any, Y: Any, sizes: Sequence[int] = (1, 2, 3, 4, 5, 20, 50), iterations: int = 5000,
                      models: Mapping[int, Any] | None = None) -> Plot:
    """What hidden layers of different sizes make of the plane, with their accuracies.

    X, Y: points (2, m) and labels 0 or 1, (1, m).
    sizes: the numbers of hidden units; a PlanarClassifier of each is trained as in the course.
    models: trained models by their size, to be drawn instead.
    Raises InputError for sizes that are no positive whole numbers and as `plot_decision_boundary`.
    """
    if models is None:
        wanted = [whole_number("a hidden layer size", size, 1) for size in sizes]
        whole_number("iterations", iterations, 0)
        _checked_points(PlanarClassifier(), X, Y)  # complain before, not after, minutes of training
        models = {size: PlanarClassifier(n_h=size) for size in wanted}
        for model in models.values():
            fit(model, X, Y, iterations=iterations, learning_rate=LEARNING_RATE)
    if not models:
        raise InputError("there are no hidden layer sizes to draw; give sizes=(1, 2, 3), for instance")
    columns = min(4, len(models) + 1)
    rows = -(-(len(models) + 1) // columns)  # one place more, for the legend
    plot = new_plot("Decision boundaries and accuracy by size of the hidden layer", max(6.4, 2.7 * columns),
                    2.6 * rows + 0.6)
    panels = plot.subplots(rows, columns, squeeze=False).ravel()
    found = []
    for axes, (size, model) in zip(panels, models.items()):
        points, labels, n_classes = _checked_points(model, X, Y)
        correct = float(np.mean(predicted_classes(probabilities(model, points)) == labels))
        handles = _draw_boundary(axes, model, points, labels, n_classes, PANEL_RESOLUTION, small=True)
        units = counted(size, "unit")
        axes.set_title(f"{units}: {_percent(correct)}")
        axes.set_xlabel("$x_1$")
        axes.set_ylabel("$x_2$")
        found.append(f"{units} {_percent(correct)}")
    for axes in panels[len(models):]:
        axes.set_axis_off()
    legend(panels[-1], handles, [*_class_names(n_classes), "boundary"][:len(handles)], loc="center", fontsize=11)
    plot.alt = (f"{counted(len(models), 'picture')} of the same {points.shape[1]} points in the plane, each with the "
                f"decision boundary of a network of another hidden layer size. Accuracies: {listed(found)}.")
    return plot


# --- the data ---------------------------------------------------------------------------------------------

def _checked_points(model: Any, X: Any, Y: Any) -> tuple[Array, Array, int]:
    """X (2, m), labels (m,) as whole numbers, and the number of classes."""
    points, _ = checked_data(X, X, binary=False, dtype=_dtype_of(model))
    if points.ndim != 2 or points.shape[0] != 2:
        turned = " Examples are columns here; did you mean X.T?" if points.shape[-1] == 2 else ""
        raise InputError(f"X is {points.shape}; a decision boundary needs points in the plane, (2, m): two numbers "
                         f"for each example.{turned}")
    points, Y = checked_data(points, Y, binary=False, dtype=points.dtype)
    if np.abs(points).max() > 1e30:
        raise InputError(f"X holds {np.abs(points).max():g}, too large to draw; scale it first")
    try:
        n_y = probabilities(model, points).shape[0]
    except InputError as error:
        raise InputError(f"{type(model).__name__} cannot be applied to points in the plane, X {points.shape}: "
                         f"{error}") from error
    n_classes = max(2, n_y)
    if Y.ndim != 2 or Y.shape[0] not in {1, n_y}:
        raise InputError(f"Y is {Y.shape} but y_hat {(n_y, points.shape[1])}; expected labels (1, {points.shape[1]})")
    if Y.shape[0] > 1 and not (np.isin(Y, (0, 1)).all() and (Y.sum(axis=0) == 1).all()):
        raise InputError(f"the columns of Y {Y.shape} are not one-hot; expected a single 1 in each, and else 0")
    labels = Y[0] if Y.shape[0] == 1 else Y.argmax(axis=0)
    strange = labels[~np.isin(labels, range(n_classes))]
    if strange.size:
        expected = "0 or 1" if n_classes == 2 else f"whole numbers from 0 to {n_classes - 1}"
        raise InputError(f"Y holds {strange[0]:g}; the labels must be {expected}")
    return points, labels.astype(int), n_classes


def _dtype_of(model: Any) -> Any:
    parameters = model.parameters() if hasattr(model, "parameters") else []
    return parameters[0].dtype if parameters else np.dtype(np.float64)


def _limits(X: Array) -> Array:
    """(2, 2): lowest and highest x_1, lowest and highest x_2 of the picture, with room around the points."""
    low, high = X.min(axis=1).astype(np.float64), X.max(axis=1).astype(np.float64)
    room = 0.12 * (high - low)
    room = np.where(room > 1e-9 * np.maximum(np.abs(low), np.abs(high)), room, np.maximum(np.abs(low), 1.0) * 0.1)
    low, high = low - room, high + room
    # A square: lengths along both axes are comparable, where that leaves enough room for the points.
    span = high - low
    if span.max() < 2.5 * span.min():
        middle = (low + high) / 2
        low, high = middle - span.max() / 2, middle + span.max() / 2
    return np.stack([low, high], axis=1)


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"


def _class_names(n_classes: int) -> list[str]:
    return [f"class {k}" for k in range(n_classes)]


def _ranges(X: Array) -> str:
    low, high = X.min(axis=1), X.max(axis=1)
    return (f"The points range from {low[0]:.3g} to {high[0]:.3g} along x1 and from {low[1]:.3g} to {high[1]:.3g} "
            "along x2.")


# --- the drawing ------------------------------------------------------------------------------------------

def _draw_boundary(axes: Axes, model: Any, X: Array, labels: Array, n_classes: int, resolution: int,
                   small: bool = False) -> list[Any]:
    """Regions, boundary and points; the legend's handles: the classes, and the boundary where there is one."""
    from matplotlib.colors import to_rgb
    from matplotlib.lines import Line2D

    (left, right), (bottom, top) = _limits(X)
    x_1, x_2 = np.linspace(left, right, resolution), np.linspace(bottom, top, resolution)
    grid = np.empty((2, resolution, resolution), dtype=X.dtype)
    grid[0], grid[1] = x_1, x_2[:, np.newaxis]
    y_hat = probabilities(model, grid.reshape(2, -1))
    regions = predicted_classes(y_hat).reshape(resolution, resolution)

    tints = np.array([[255 * (0.78 + 0.22 * c) for c in to_rgb(_colour(k))] for k in range(n_classes)])
    dx, dy = (x_1[1] - x_1[0]) / 2, (x_2[1] - x_2[0]) / 2
    axes.imshow(tints.round().astype(np.uint8)[regions], extent=(left - dx, right + dx, bottom - dy, top + dy),
                origin="lower", interpolation="nearest", aspect="auto")
    there = np.unique(regions)
    lines = []
    for k in there if n_classes > 2 else there[1:]:
        # Positive where class k wins. Where there are only two classes, one line says it all.
        margin = y_hat[0] - 0.5 if y_hat.shape[0] == 1 else y_hat[k] - np.delete(y_hat, k, axis=0).max(axis=0)
        if margin.min() < 0 < margin.max():
            axes.contour(x_1, x_2, margin.reshape(resolution, resolution), levels=[0.0], colors=INK_ON_LIGHT,
                         linewidths=0.9 if small else 1.3)
            lines = [Line2D([], [], color=INK, linewidth=1.3)]
    handles = _draw_points(axes, X, labels, n_classes, small)
    _set_limits(axes, X)
    return handles + lines


def _draw_points(axes: Axes, X: Array, labels: Array, n_classes: int, small: bool) -> list[Any]:
    handles = []
    for k in range(n_classes):
        handles += axes.plot(*X[:, labels == k], linestyle="none", marker=CLASS_MARKS[k % len(CLASS_MARKS)],
                             markersize=4 if small else 6, color=_colour(k), markeredgecolor="white",
                             markeredgewidth=0.4 if small else 0.6)
    return handles


def _colour(k: int) -> str:
    return CLASS_COLOURS[k % len(CLASS_COLOURS)]


def _set_limits(axes: Axes, X: Array) -> None:
    (left, right), (bottom, top) = _limits(X)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    axes.set_box_aspect(1)
    axes.locator_params(nbins=5)
