"""The Broadcasting Rule as a picture: cells with numbers in them, and the copies that stretching stands for."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import atan2, degrees, prod
from typing import TYPE_CHECKING, Any

from tinygrad_course.broadcasting import Shape, broadcast_shape, explain_broadcast
from tinygrad_course.errors import InputError
from tinygrad_course.visualize.plots.style import (
    INK_ON_LIGHT, MUTED, MUTED_ON_LIGHT, VERMILION, draws, new_plot, whole_number,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tinygrad_course.visualize.plots.figure import Plot

Point = tuple[float, float]

MOST_CELLS = 8  # along one axis; of longer ones the first three and the last are drawn
HEIGHT = 0.42   # of a cell, in inches, as are all lengths here
SPACE = 0.8    # between two arrays, for the sign
# Of the front, the top and the side of a cell; the original cells of A, of B, of the result, and copies.
FILLS = {"A": ("#cfe6f7", "#e1f0fa", "#b5d5ec"), "B": ("#fbe3b5", "#fdefd3", "#f0d08f"),
         "A + B": ("#dff0e6", "#ecf6f0", "#c5e2d1"), "copy": ("#f8f8f9", "#fcfcfc", "#f0f1f2")}


@dataclass
class Drawn:
    """An array of the picture. `drawn`: the shape that it is stretched to; `wrong`: axes that do not fit."""

    name: str
    shape: Shape
    drawn: Shape
    wrong: tuple[int, ...] = ()
    sum_of: tuple[Drawn, ...] = ()


@draws
def plot_broadcasting(shape_a: int | Sequence[int], shape_b: int | Sequence[int]) -> Plot:
    """How arrays A and B of these shapes are stretched to be added; where they do not fit, what is in the way.

    The numbers are those of A = 10, 20, 30, ..., B = 1, 2, 3, ... and A + B. Copies are pale, with dashed edges.
    Raises InputError for shapes of more than three axes, and for sizes that are no positive whole numbers.
    """
    a, b = _checked_shape("shape_a", shape_a), _checked_shape("shape_b", shape_b)
    try:
        result = broadcast_shape(a, b)
    except InputError:
        pairs = list(zip(reversed(a), reversed(b)))
        wrong = tuple(-i for i, (m, n) in enumerate(pairs, start=1) if m != n and 1 not in (m, n))
        arrays = [Drawn("A", a, a, wrong), Drawn("B", b, b, wrong)]
        title = f"Shapes {a} and {b} do not broadcast"
    else:
        arrays = [Drawn("A", a, result), Drawn("B", b, result)]
        arrays.append(Drawn("A + B", result, result, sum_of=tuple(arrays)))
        title = f"Broadcasting: shapes {a} and {b} give {result}"
    explanation = explain_broadcast(a, b)

    # The width of a cell leaves room for its longest number, on the narrow side of a cube too.
    digits = max(len(str(10 * prod(a) + prod(b))), 2)
    cell = max(HEIGHT, 0.085 * digits + 0.14)
    sizes = [_size(array, cell) for array in arrays]
    block_width, block_height = max(w for w, _ in sizes), max(h for _, h in sizes)
    lines = explanation.count("\n") + 1
    width = max(0.75 + len(arrays) * (block_width + SPACE), 5.6)  # the explanation takes up to 5 inches
    plot = new_plot(title, width, 0)
    title_height = 0.35 + 0.2 * (plot.get_suptitle().count("\n") + 1)
    stretched = [array for array in arrays if array.shape != array.drawn]
    top = title_height + (0.55 if stretched else 0.4)
    plot.set_figheight(top + block_height + 0.5 + 0.17 * lines + 0.15)
    height = plot.get_figheight()
    plot.set_layout_engine("none")
    plot.suptitle(plot.get_suptitle(), y=1 - 0.15 / height, va="top")
    axes = plot.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))  # in inches from the upper left corner
    axes.set_axis_off()

    x = (width - len(arrays) * (block_width + SPACE) + SPACE) / 2 + 0.1
    middle = top + block_height / 2
    for array, size, sign in zip(arrays, sizes, ("", "+", "=")):
        if sign:
            axes.text(x - SPACE / 2 - 0.08, middle, sign, size=16, ha="center", va="center")
        _draw_array(axes, array, x + (block_width - size[0]) / 2, middle - size[1] / 2, cell, bool(stretched))
        x += block_width + SPACE
    axes.text(0.25, top + block_height + 0.45, explanation, family="DejaVu Sans Mono", size=9, va="top",
              linespacing=1.3)

    copies = "".join(f"{array.name} is stretched to {array.drawn}, its copies are dashed. " for array in stretched)
    reasons = [line for line in explanation.split("\n") if line.startswith(("axis", "Result: fails"))]
    plot.alt = f"{title}. Arrays drawn as cells with numbers. {copies}{'; '.join(reasons)}"
    return plot


def _checked_shape(name: str, shape: Any) -> Shape:
    sizes = shape if isinstance(shape, Sequence) and not isinstance(shape, str) else (shape,)
    checked = tuple(whole_number(f"an axis of {name}", size, 1) for size in sizes)
    if len(checked) > 3:
        raise InputError(f"{name} is {checked}: {len(checked)} axes, but up to three can be drawn; "
                         "explain_broadcast(shape_a, shape_b) explains any number")
    return checked


def _slots(n: int) -> list[int | None]:
    """The indices of an axis that are drawn, None where some are left out."""
    return list(range(n)) if n <= MOST_CELLS else [0, 1, 2, None, n - 1]


def _value(array: Drawn, index: tuple[int, ...]) -> int:
    """The number in a cell of an array that is stretched to `array.drawn`; index has one place for each axis of it."""
    if array.sum_of:
        return sum(_value(part, index) for part in array.sum_of)
    flat = 0
    for i, n in zip(index[len(index) - len(array.shape):], array.shape):
        flat = flat * n + (i if n > 1 else 0)
    return (10 if array.name == "A" else 1) * (flat + 1)


def _is_copy(array: Drawn, index: tuple[int, ...]) -> bool:
    own = (1,) * (len(array.drawn) - len(array.shape)) + array.shape
    return any(i > 0 and n == 1 for i, n in zip(index, own))


# --- the drawing ------------------------------------------------------------------------------------------

def _grid(array: Drawn) -> tuple[list[int | None], list[int | None], list[int | None]]:
    """What is drawn along axes -3, -2 and -1; a missing axis has one place."""
    layers, rows, columns = (_slots(n) for n in (1, 1, 1, *array.drawn)[-3:])
    return layers, rows, columns


def _size(array: Drawn, cell: float) -> Point:
    layers, rows, columns = _grid(array)
    depth = len(layers) if len(array.drawn) == 3 else 0
    return (len(columns) + 0.55 * depth) * cell, (len(rows) + 0.5 * depth) * HEIGHT


def _draw_array(axes: Axes, array: Drawn, left: float, up: float, cell: float, two_lines: bool) -> None:
    """Cells from the back to the front. left, up: the corner of the whole. two_lines: the height of the caption."""
    from matplotlib.collections import PolyCollection

    layers, rows, columns = _grid(array)
    solid = len(array.drawn) == 3
    dx, dy = (0.55 * cell, 0.5 * HEIGHT) if solid else (0.0, 0.0)
    front = up + len(layers) * dy if solid else up

    polygons, fills, edges, dashes = [], [], [], []
    for layer, row, column in product(reversed(range(len(layers))), reversed(range(len(rows))), range(len(columns))):
        x, y = left + column * cell + layer * dx, front + row * HEIGHT - layer * dy
        index = layers[layer], rows[row], columns[column]
        if None in index:
            continue
        place = tuple(i for i in index if i is not None)[3 - len(array.drawn):]
        copy = _is_copy(array, place)
        for face, fill in zip(_faces(x, y, cell, dx, dy), FILLS["copy" if copy else array.name]):
            polygons.append(face)
            fills.append(fill)
            edges.append(MUTED_ON_LIGHT if copy else INK_ON_LIGHT)
            dashes.append("--" if copy else "-")
        # Each number once, on the first side that is in sight: the front, the top, the right.
        number = str(_value(array, place))
        colour = MUTED_ON_LIGHT if copy else INK_ON_LIGHT
        if layer == 0:
            axes.text(x + cell / 2, y + HEIGHT / 2, number, size=9.5, ha="center", va="center", color=colour)
        elif row == 0:
            axes.text(x + (cell + dx) / 2, y - dy / 2, number, size=7, ha="center", va="center", color=colour)
        elif column == len(columns) - 1:
            axes.text(x + cell + dx / 2, y + (HEIGHT - dy) / 2, number, size=7, ha="center", va="center", color=colour)
    axes.add_collection(PolyCollection(polygons, facecolors=fills, edgecolors=edges, linestyles=dashes,
                                       linewidths=0.8), autolim=False)
    for x, y, dots in _gaps(array, left, front, cell, dx, dy):
        axes.text(x, y, dots, size=11, ha="center", va="center", color=MUTED)
    _draw_names(axes, array, left, front, cell, dx, dy, two_lines)


def _faces(x: float, y: float, cell: float, dx: float, dy: float) -> list[list[Point]]:
    """The front of a cell and, of a cube, the top and the right side."""
    right, low = x + cell, y + HEIGHT
    faces = [[(x, y), (right, y), (right, low), (x, low)]]
    if dx:
        faces += [[(x, y), (right, y), (right + dx, y - dy), (x + dx, y - dy)],
                  [(right, y), (right, low), (right + dx, low - dy), (right + dx, y - dy)]]
    return faces


def _gaps(array: Drawn, left: float, front: float, cell: float, dx: float,
          dy: float) -> Iterator[tuple[float, float, str]]:
    """Where dots stand for cells that are left out."""
    layers, rows, columns = _grid(array)
    for row, column in product(range(len(rows)), range(len(columns))):
        missing = rows[row] is None, columns[column] is None
        if any(missing):
            dots = "⋱" if all(missing) else "⋮" if missing[0] else "⋯"
            yield left + (column + 0.5) * cell, front + (row + 0.5) * HEIGHT, dots
    if None in layers:
        layer = layers.index(None)
        yield left + (len(columns) + layer + 0.5) * dx, front - (layer + 0.5) * dy, "⋰"


def _draw_names(axes: Axes, array: Drawn, left: float, front: float, cell: float, dx: float, dy: float,
                two_lines: bool) -> None:
    """The array's name and shape above it, and the names of its axes along its edges."""
    layers, rows, columns = _grid(array)
    width, height = len(columns) * cell, len(rows) * HEIGHT
    depth = len(layers) if dx else 0
    second = "\n" * two_lines if array.shape == array.drawn else f"\nstretched to {array.drawn}"
    caption = f"{array.name} {array.shape}{second}"
    axes.text(left + (width + depth * dx) / 2, front - depth * dy - 0.14, caption, size=9.5, ha="center", va="bottom",
              linespacing=1.25)
    for number, x, y, angle in ((1, left + width / 2, front + height + 0.14, 0.0),
                                (2, left - 0.13, front + height / 2, 90.0),
                                (3, left + depth * dx / 2 - 0.1, front - depth * dy / 2 - 0.1,
                                 degrees(atan2(dy, dx)) if dx else 0.0)):
        if number > len(array.drawn):
            break
        wrong = -number in array.wrong
        axes.text(x, y, f"axis -{number}" + (f": {array.drawn[-number]}" if wrong else ""), size=8.5, ha="center",
                  va="center", rotation=angle, rotation_mode="anchor", color=VERMILION if wrong else MUTED,
                  weight="bold" if wrong else "normal")
