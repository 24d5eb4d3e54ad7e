"""The comprehensive picture of a network: every unit, and every edge between neighbouring layers."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinygrad_course.errors import InputError
from tinygrad_course.visualize.network.layers import Network
from tinygrad_course.visualize.network.parts import (
    ASCENT, DESCENT, Connection, Sheet, MARGIN, NORMAL, Mark, NetworkOptions, SMALL, activation_line, baseline, caption,
    dots, finished, label_items, layer_identifier, on_circle, parameter_runs, radius_for, shown,
    unit_identifier, unit_run, value_text,
)
from tinygrad_course.visualize.scene.shapes import Curve, Group, Item, Scene, Shape
from tinygrad_course.visualize.scene.lettering import Run, Text, counted, line_width, plain_text, text_width

OUTPUT = 18.0        # size of y_hat, in a circle that is larger than those of the other units
MOST_EDGES = 20_000  # more make a file that nothing can show
GAP = 120.0          # the least distance between columns
MORE = 86.0          # width of the box that stands for layers left out
THINNEST, THICKEST = 0.35, 4.5  # edges of the smallest and of the largest weight


@dataclass(frozen=True)
class Column:
    """Layer l at x; its shown units stand at rows, None where some are left out.

    radius: of its units, or half the width of a box. tail: how far right of x its edges begin. reach: half its width.
    """

    l: int | None  # None: layers that are left out
    x: float
    rows: list[int | None]
    radius: float
    tail: float
    reach: float


@dataclass(frozen=True)
class Weights:
    """How edges show weights. largest: of those drawn, in absolute value. unusual: some are NaN or infinite."""

    largest: float
    unusual: bool

    def style(self, w: float) -> tuple[str, float, bool]:
        """Colour, width, and whether dashed, for what is no finite number."""
        if not np.isfinite(w):
            return "error", THICKEST / 2, True
        if w == 0:
            return "line", THINNEST, False
        return ("positive" if w > 0 else "negative",
                THINNEST + (THICKEST - THINNEST) * abs(w) / self.largest, False)


def comprehensive(network: Network, options: NetworkOptions) -> tuple[Sheet, Scene]:
    """The sheet and its scene. Raises InputError where more edges are asked for than a file can hold."""
    L = len(network.layers)
    layers = shown(L + 1, options.layer_limit)
    rows = {l: shown(network.units(l), options.limit) for l in layers if l is not None}
    _check_edges(layers, rows)

    columns, row_gap = _columns(network, layers, rows, options)
    head = MARGIN + (26.0 if options.title else 0.0)
    captions = 2 if options.activations else 1
    tallest = max(len(column.rows) for column in columns)
    half = ((tallest - 1) * row_gap) / 2 + max(column.radius for column in columns)
    above = (24.0 if options.parameters else 0.0) + 12.0
    middle = head + 17.0 * captions + above + half
    height = middle + half + MARGIN
    if any(None in rows[l] for l in rows):
        height += 22.0
    if options.weights:
        height += 34.0

    sheet = Sheet()
    picture = _Picture(sheet, network, options, columns, row_gap, middle)
    picture.draw(head)
    ends = columns[0].x - columns[0].reach, columns[-1].x + columns[-1].reach
    if options.weights:
        wide = picture.legend(sum(ends) / 2)
        ends = min(ends[0], wide[0]), max(ends[1], wide[1])
    return sheet, finished(sheet, ends, height, network, options, "comprehensive network: every unit and edge")


def _check_edges(layers: list[int | None], rows: dict[int, list[int | None]]) -> None:
    pairs = [(a, b) for a, b in zip(layers, layers[1:]) if a is not None and b is not None]
    edges = sum(len(rows[a]) * len(rows[b]) for a, b in pairs)
    if edges > MOST_EDGES:
        raise InputError(f"{edges} edges would be drawn, but no more than {MOST_EDGES} can be looked at: give a "
                         "smaller limit=, the number of units drawn of each layer, or style='simplified'")


# ---------------------------------------------------------------------------------------------------------- places


def _columns(network: Network, layers: list[int | None], rows: dict[int, list[int | None]],
             options: NetworkOptions) -> tuple[list[Column], float]:
    """The columns from x = 0 to the right, and the distance between rows, the same in all of them."""
    radius = {l: _radius(network, l, rows[l]) for l in rows}
    L = len(network.layers)
    inner = max([radius[l] for l in rows if 0 < l < L], default=17.0)
    radius = {l: 17.0 if l == 0 else inner if l < L else max(radius[L], inner + 6.0) for l in rows}
    row_gap = max(2 * max(radius[l] for l in rows if len(rows[l]) > 1 or l == 0) + 14.0, 48.0)
    if options.parameters:
        into = max(len(rows[l]) for l in rows if l)
        row_gap = max(row_gap, (into + 1) * 1.85 * SMALL, 2 * inner + 44.0)

    columns: list[Column] = []
    x = 0.0
    for l, before in zip(layers, [None, *layers]):
        if l is None:
            neighbours = [layers[len(columns) - 1], layers[len(columns) + 1]]
            many = max((rows[n] for n in neighbours if n is not None), key=len)
            x += columns[-1].reach + 40.0 + MORE / 2
            columns.append(Column(None, x, many, MORE / 2, MORE / 2, MORE / 2))
            continue
        tail = radius[l] if l else _half_of_inputs(network, rows[0]) + 4.0
        reach = max(tail, 24.0, 42.0 if None in rows[l] else 0.0)  # room for what stands above and below
        if columns and before is None:
            x += columns[-1].reach + 40.0 + reach
        elif columns:
            x += _distance(len(columns[-1].rows), len(rows[l]), row_gap, columns[-1].tail, options.parameters)
        columns.append(Column(l, x, rows[l], radius[l], tail, reach))
    return columns, row_gap


def _half_of_inputs(network: Network, rows: list[int | None]) -> float:
    """Half the width of the widest text among the inputs."""
    width = 0.0
    for j in rows:
        if j is not None:
            value = "" if network.values is None else value_text(network.values[j])
            width = max(width, line_width([unit_run(network, 0, j + 1, True, True)], NORMAL),
                        text_width(value, SMALL))
    return width / 2


def _radius(network: Network, l: int, rows: list[int | None]) -> float:
    """Of circles that hold every label and value of a layer."""
    size = OUTPUT if l == len(network.layers) else NORMAL
    values = network.values_of(l)
    return max(17.0, *(radius_for([unit_run(network, l, j + 1, True, True)], size,
                                  "" if values is None else value_text(values[j]))
                       for j in rows if j is not None))


def _distance(sources: int, targets: int, row_gap: float, tail: float, parameters: bool) -> float:
    """Between the middles of two columns: wide enough that no edge is steep, and that labels stand free of units and
    are crossed by no neighbouring edge."""
    steepest = (sources + targets - 2) / 2 * row_gap
    distance = max(GAP, steepest / 2.2)
    if parameters:
        free = row_gap / (targets + 1) - SMALL * (ASCENT + DESCENT) / 2
        distance = max(distance, (targets + 1) * (tail + 16.0), 170.0, min(targets * row_gap * 9.0 / free, 320.0))
    return distance


def label_place(targets: int) -> float:
    """How far along their edges, from 0 to 1, the names of weights stand.

    Between p sources and q targets, both with the same distance between rows, edge k -> j is at 1 / (q + 1) of its
    way at the height (q k + j) / (q + 1): all labels stand below one another at equal distances.
    """
    return min(1 / (targets + 1), 1 / 3)


# ---------------------------------------------------------------------------------------------------------- shapes


class _Picture:
    def __init__(self, sheet: Sheet, network: Network, options: NetworkOptions, columns: list[Column], row_gap: float,
                 middle: float):
        self.sheet, self.network, self.options = sheet, network, options
        self.columns, self.row_gap, self.middle = columns, row_gap, middle
        self.weights = self._drawn_weights()

    def draw(self, head: float) -> None:
        for before, after in zip(self.columns, self.columns[1:]):
            if before.l is None or after.l is None:
                self._edges_of_gap(before, after)
            else:
                self._edges(before, after)
        for column in self.columns:
            self._caption(column, head)
            if column.l is None:
                self._left_out(column)
            else:
                self._units(column, column.l)

    def _y(self, column: Column, row: int) -> float:
        return self.middle + (row - (len(column.rows) - 1) / 2) * self.row_gap

    def _bottom(self) -> float:
        return max(self._y(c, len(c.rows) - 1) + c.radius for c in self.columns if c.l is not None)

    def _drawn_weights(self) -> Weights:
        drawn = [abs(self._weight(after.l, j, k)) for before, after in zip(self.columns, self.columns[1:])
                 if before.l is not None and after.l is not None
                 for j in after.rows for k in before.rows if j is not None and k is not None
                 ] if self.options.weights else []
        finite = [w for w in drawn if np.isfinite(w)]
        return Weights(max(finite, default=0.0), len(finite) < len(drawn))

    def _weight(self, l: int, j: int, k: int) -> float:
        return float(self.network.layers[l - 1].W[j, k])

    # ---------------------------------------------------------------------------------------------- edges

    def _edges(self, before: Column, after: Column) -> None:
        assert before.l is not None and after.l is not None
        found = [(r, k, s, j) for r, k in enumerate(before.rows) for s, j in enumerate(after.rows)
                 if k is not None and j is not None]
        if self.options.weights:  # the thickest last, above the others
            found.sort(key=lambda edge: np.nan_to_num(abs(self._weight(after.l or 0, edge[3], edge[1])), posinf=0.0))
        labels: list[Item] = []
        for r, k, s, j in found:
            self._edge(before, after, (r, k), (s, j), labels)
        self.sheet.between.extend(labels)

    def _edge(self, before: Column, after: Column, source: tuple[int, int], target: tuple[int, int],
              labels: list[Item]) -> None:
        assert before.l is not None and after.l is not None
        (r, k), (s, j) = source, target
        # the edges of an input begin right of its text, those of a unit in the middle of its circle, which hides it
        start = (before.x + (0.0 if before.l else before.tail), self._y(before, r))
        end = (after.x, self._y(after, s))
        layer = self.network.layers[after.l - 1]
        name, _ = parameter_runs(layer, after.l, j + 1, k + 1)
        colour, width, dashed = "line", 0.8, False
        tooltip = (f"{plain_text([unit_run(self.network, before.l, k + 1, True, True)])} → "
                   f"{plain_text([unit_run(self.network, after.l, j + 1, True, True)])}: {plain_text([name])}")
        if layer.W is not None:
            tooltip += f" = {self._weight(after.l, j, k):.10g}"
        if self.options.weights:
            colour, width, dashed = self.weights.style(self._weight(after.l, j, k))
        first = on_circle(*start, before.radius, end) if before.l else start
        last = on_circle(*end, after.radius + 0.5, first)
        edge = Connection(unit_identifier(self.network, before.l, k + 1), unit_identifier(self.network, after.l, j + 1),
                          plain_text([name]) if self.options.parameters else "",
                          colour if self.options.weights else "", width)
        self.sheet.edge(edge, Curve([first, last], colour=colour, width=width, dashed=dashed), tooltip)
        if self.options.parameters:
            t = label_place(len(after.rows))
            x, y = start[0] + t * (end[0] - start[0]), start[1] + t * (end[1] - start[1])
            labels += [Shape("rectangle", x, y, line_width([name], SMALL) + 3, (ASCENT + DESCENT) * SMALL - 1.0,
                             stroke="none", radius=2.0), Text(x, baseline(y, SMALL), [name], SMALL)]

    def _edges_of_gap(self, before: Column, after: Column) -> None:
        """Level arrows to and from the box that stands for the layers left out."""
        column, sign = (before, 1.0) if after.l is None else (after, -1.0)
        box = after if after.l is None else before
        assert column.l is not None
        for row, j in enumerate(column.rows):
            if j is None:
                continue
            y = self._y(column, row)
            unit = (column.x + sign * column.tail, y)
            edge_of_box = (box.x - sign * MORE / 2, y)
            identifier = unit_identifier(self.network, column.l, j + 1)
            if sign > 0:
                self.sheet.edge(Connection(identifier, "more"), Curve([unit, edge_of_box], width=0.8))
            else:
                self.sheet.edge(Connection("more", identifier), Curve([edge_of_box, unit], width=0.8))

    # ---------------------------------------------------------------------------------------------- units

    def _units(self, column: Column, l: int) -> None:
        network = self.network
        values, layer = network.values_of(l), layer_identifier(network, l)
        for row, j in enumerate(column.rows):
            y = self._y(column, row)
            if j is None:
                left_out = network.units(l) - len(column.rows) + 1
                self.sheet.node(Mark(f"{layer}_more", ("...",), "plaintext",
                                     f"{left_out} more of {network.units(l)}", column=layer), dots(column.x, y))
                continue
            run = unit_run(network, l, j + 1, True, True)
            size = OUTPUT if l == len(network.layers) else NORMAL
            value = "" if values is None else value_text(values[j])
            tooltip = plain_text([run]) + ("" if values is None else f" = {float(values[j]):.10g}")
            items = label_items([run], column.x, y, size, value)
            circle = Shape("ellipse", column.x, y, 2 * column.radius, 2 * column.radius)
            bias = self._bias(column, l, j, y) if l and self.options.parameters else ""
            mark = Mark(unit_identifier(network, l, j + 1), (plain_text([run]), *([value] if value else [])),
                        "circle" if l else "plaintext", tooltip, bias, layer)
            self.sheet.node(mark, [circle, *items] if l else items)

    def _bias(self, column: Column, l: int, j: int, y: float) -> str:
        """A bias comes from no unit: a short arrow from above. Returns its name."""
        layer = self.network.layers[l - 1]
        if layer.W is not None and layer.b is None:
            return ""
        _, run = parameter_runs(layer, l, j + 1, 1)
        top = y - column.radius
        tooltip = plain_text([run])
        if layer.b is not None:
            tooltip += f" = {float(np.broadcast_to(layer.b, (layer.units, 1))[j, 0]):.10g}"
        self.sheet.between.append(Group(
            [Curve([(column.x, top - 13.0), (column.x, top - 0.5)], width=0.8),
             Text(column.x, top - 15.0 - DESCENT * SMALL, [run], SMALL)], f"b{l}_{j + 1}", tooltip))
        return plain_text([run])

    def _left_out(self, column: Column) -> None:
        y, tall = self.middle, (len(column.rows) - 1) * self.row_gap + 44.0
        drawn = sum(c.l is not None for c in self.columns) - 1
        many = len(self.network.layers) - drawn
        lines = [Text(column.x, y + 20.0, [Run(str(many))], NORMAL, colour="muted"),
                 Text(column.x, y + 35.0, [Run("more layers")], NORMAL, colour="muted")]
        box = Shape("rectangle", column.x, y, MORE, max(tall, 96.0), "panel", "line", radius=8.0, dashed=True)
        self.sheet.node(Mark("more", (f"{many} more layers",), "box",
                             f"{many} of {len(self.network.layers)} layers are not drawn"),
                        [box, *dots(column.x, y - 4.0, vertical=False), *lines])

    def _caption(self, column: Column, head: float) -> None:
        if column.l is None:
            return
        room = self._room(column)
        self.sheet.front.append(Text(column.x, head + 13.0, [Run(caption(self.network, column.l))], NORMAL,
                                     colour="muted", limit=room))
        line = activation_line(self.network, column.l)
        if self.options.activations and line is not None:
            self.sheet.front.append(Text(column.x, head + 30.0, line, NORMAL, bold=True, limit=room))
        if None in column.rows:
            what = "input" if column.l == 0 else "unit"
            self.sheet.front.append(Text(column.x, self._bottom() + 20.0, [
                Run(counted(self.network.units(column.l), what))], NORMAL, colour="muted", limit=room))

    def _room(self, column: Column) -> float:
        near = [abs(column.x - other.x) for other in self.columns if other is not column]
        return min(near) - 8.0

    def legend(self, centre: float) -> tuple[float, float]:
        """Colour is the sign, thickness the size. Returns from where to where it reaches."""
        y = self._bottom() + 30.0 + (22.0 if any(None in column.rows for column in self.columns) else 0.0)
        most = f"{self.weights.largest:.3g}"
        samples = [("positive", 2.5, "weight > 0"), ("negative", 2.5, "weight < 0"), ("line", THINNEST, "0"),
                   ("line", THICKEST, f"{most} or -{most}")]
        if self.weights.largest == 0:
            samples = [("line", THINNEST, "every weight is 0")]
        if self.weights.unusual:
            samples.append(("error", THICKEST / 2, "no number"))
        widths = [32.0 + text_width(text, 11.0) for *_, text in samples]
        width = sum(widths) + 22.0 * (len(samples) - 1)
        x = centre - width / 2
        for (colour, thickness, text), step in zip(samples, widths):
            self.sheet.front += [
                Curve([(x, y), (x + 26.0, y)], arrow=False, colour=colour, width=thickness, dashed=colour == "error"),
                Text(x + 32.0, y + 4.0, [Run(text)], 11.0, "start", "muted")]
            x += step + 22.0
        return centre - width / 2, centre + width / 2
