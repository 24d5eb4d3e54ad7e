"""A plot of how far autodiff is from the closed form and from finite differences."""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tinygrad_course.compare import CLOSED_FORM_TOLERANCE, DIFFERENCES_TOLERANCE, Comparison
from tinygrad_course.errors import InputError
from tinygrad_course.visualize.plots.style import BLUE, GREEN, VERMILION, draws, legend, new_plot

if TYPE_CHECKING:
    from tinygrad_course.visualize.plots.figure import Plot

EXACT = 1e-17  # where differences of zero are drawn: below the rounding of float64, 1e-16


@draws
def plot_gradient_errors(comparison: Comparison) -> Plot:
    """The relative difference of each gradient from the closed form and from finite differences, on a log axis.

    comparison: what `compare_gradients` returned.
    Raises InputError for anything else.
    """
    if not isinstance(comparison, Comparison):
        raise InputError(f"comparison is {type(comparison).__name__}; give what compare_gradients(model, X, Y) "
                         "returned")
    rows = [row for row in comparison.rows if row.differences is not None or row.name.startswith("d")]
    plot = new_plot("Autodiff, how far from two other ways to the gradient", 7, 1.9 + 0.28 * len(rows))
    axes = plot.subplots()
    handles = []
    for found, mark, colour in (([row.closed_form for row in rows], "o", BLUE),
                                ([row.differences for row in rows], "^", GREEN)):
        there = [(difference.relative, i) for i, difference in enumerate(found) if difference is not None]
        handles += axes.plot([max(relative, EXACT) for relative, _ in there], [i for _, i in there], linestyle="none",
                             marker=mark, color=colour, markersize=7)
    for row, i in ((row, i) for i, row in enumerate(rows) if row.verdict != "equal"):
        axes.axhspan(i - 0.5, i + 0.5, color=VERMILION, alpha=0.25, linewidth=0)
    for tolerance, colour in ((CLOSED_FORM_TOLERANCE, BLUE), (DIFFERENCES_TOLERANCE, GREEN)):
        axes.axvline(tolerance, color=colour, linestyle="--", linewidth=1)
    axes.set_xscale("log")
    axes.set_xlim(EXACT / 3, max(10.0, axes.get_xlim()[1]))
    axes.set_yticks(np.arange(len(rows)), [row.name for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel("largest relative difference (logarithmic scale); dashed: what still counts as equal")
    axes.set_ylabel("gradient")
    axes.grid(True, axis="x")
    legend(plot, handles, ["from the closed form", "from finite differences"], loc="outside lower center", ncols=2)
    worst = [row.name for row in rows if row.verdict != "equal"]
    plot.alt = (f"Relative differences of {', '.join(row.name for row in rows)}, one row each. "
                + (f"Too large: {', '.join(worst)}." if worst else "All are as small as rounding allows."))
    return plot
