"""All plots of the package: ``from tinygrad_course.visualize import plots``, then ``plots.plot_costs(history)``.

Each function returns a matplotlib Figure that notebooks show, with an alternative text, `alt`, and `write("x.png")`.
They need matplotlib, and `plot_planar_sets` scikit-learn: pip install matplotlib scikit-learn.

In reading order: `figure` (what a plot is), `style` (colours, marks, words, and what makes a function a plot), then the
plots themselves: `training`, `planar`, `images`, `gradients`, `broadcasting`.
"""
from typing import Any

from tinygrad_course.errors import nothing_called
from tinygrad_course.visualize.plots.broadcasting import plot_broadcasting
from tinygrad_course.visualize.plots.gradients import plot_gradient_errors
from tinygrad_course.visualize.plots.images import plot_mislabelled, plot_picture, plot_weights
from tinygrad_course.visualize.plots.planar import plot_decision_boundary, plot_hidden_sizes, plot_planar_sets
from tinygrad_course.visualize.plots.training import GradientNorms, plot_costs, plot_gradient_norms

__all__ = ["GradientNorms", "plot_broadcasting", "plot_costs", "plot_decision_boundary", "plot_gradient_errors",
           "plot_gradient_norms", "plot_hidden_sizes", "plot_mislabelled", "plot_picture", "plot_planar_sets",
           "plot_weights"]


def __getattr__(name: str) -> Any:
    raise AttributeError(nothing_called(name, "plots", __all__))


def __dir__() -> list[str]:
    return __all__
