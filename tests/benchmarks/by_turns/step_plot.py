"""The picture: time per step, one row of dots for each model, on a logarithmic scale."""
from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from by_turns.rounds import Outcome
from by_turns.problems import KINDS
from by_turns.contestants import Contestant
from by_turns.tables import duration
from tinygrad_course.visualize.plots.style import BLUE, INK, MUTED, draws, new_plot

if TYPE_CHECKING:
    from tinygrad_course.visualize.plots.figure import Plot

COLUMNS = 2
ROW, FRAME = 0.24, 0.85  # inches for a program, and for a model's heading and scale


@draws
def plot_steps(outcomes: Sequence[Outcome], programs: Sequence[Contestant], machine: str) -> Plot:
    """Time per step: a panel for each model, in it the programs from the fastest to the slowest. Ours are filled.

    A dot is the median, a line reaches from the fastest round to the slowest.
    """
    measured = [(outcome, _sorted(outcome, programs)) for outcome in outcomes]
    measured = [(outcome, rows) for outcome, rows in measured if rows]
    columns = min(COLUMNS, len(measured))
    height = math.ceil(len(measured) / columns) * (FRAME + ROW * max(len(rows) for _, rows in measured)) + 0.8
    plot = new_plot("Time per training step", 2 + 4.5 * columns, height)
    grid = plot.subplots(math.ceil(len(measured) / columns), columns, squeeze=False).ravel()
    for axes in grid[len(measured):]:
        axes.set_visible(False)
    for axes, (outcome, rows) in zip(grid, measured):
        _panel(axes, outcome, rows)
    plot.supxlabel(f"Dots: medians; lines: from the fastest round to the slowest; filled: ours.\n{machine}", fontsize=8,
                   color=MUTED)
    plot.alt = "Time per training step. " + " ".join(
        f"{outcome.model}: {', '.join(f'{p.name} {duration(median(numbers))}' for p, numbers in rows)}."
        for outcome, rows in measured)
    return plot


def _sorted(outcome: Outcome, programs: Sequence[Contestant]) -> list[tuple[Contestant, list[float]]]:
    found = [(program, outcome.programs[program.name].step) for program in programs if program.name in outcome.programs]
    return sorted(((program, numbers) for program, numbers in found if numbers and min(numbers) > 0),
                  key=lambda row: median(row[1]))


def _panel(axes: Any, outcome: Outcome, rows: list[tuple[Contestant, list[float]]]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    axes.set_title(f"{outcome.model}   {KINDS[outcome.model].description}", loc="left", color=INK)
    middles = [median(numbers) for _, numbers in rows]
    for place, ((program, numbers), middle) in enumerate(zip(rows, middles)):
        colour = BLUE if program.ours else MUTED
        axes.plot([min(numbers), max(numbers)], [place, place], color=colour, linewidth=1.5, solid_capstyle="butt")
        axes.plot([middle], [place], color=colour, marker="o" if program.ours else "s", markersize=6,
                  markerfacecolor=colour if program.ours else "white", markeredgewidth=1.4)
        axes.annotate(duration(middle), (max(numbers), place), xytext=(8, 0), textcoords="offset points", va="center",
                      fontsize=9, color=INK, fontweight="bold" if program.ours else "normal")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: _tick(seconds)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    # Room at the right for the longest label, in proportion to the powers of ten that the scale spans.
    low, high = min(min(n) for _, n in rows), max(max(n) for _, n in rows)
    span = max(math.log10(high / low), 0.5)
    axes.set_xlim(low / 10 ** (0.06 * span), high * 10 ** (0.3 * span))
    ticks = (1.0, 2.0, 5.0) if span < 0.9 else (1.0, 3.0) if span < 1.7 else (1.0,)
    axes.xaxis.set_major_locator(LogLocator(subs=ticks))
    axes.set_yticks(range(len(rows)), [program.name for program, _ in rows])
    for label, (program, _) in zip(axes.get_yticklabels(), rows):
        label.set(color=BLUE if program.ours else INK, fontweight="bold" if program.ours else "normal")
    axes.set_ylim(len(rows) - 0.4, -0.6)  # the fastest on top
    axes.tick_params(axis="y", length=0)
    axes.grid(True, axis="x")


def _tick(seconds: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if seconds * factor >= 0.999:
            return f"{seconds * factor:g} {unit}"
    return f"{seconds * 1e9:g} ns"
