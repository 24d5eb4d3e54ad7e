"""Pictures of a network with one shape per layer: the simplified picture, and the one of blocks."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_course.visualize.network.layers import Network
from tinygrad_course.visualize.network.parts import (
    ASCENT, Connection, Sheet, MARGIN, NORMAL, Mark, NetworkOptions, activation_line, caption, dots, finished,
    label_items, layer_identifier, radius_for, shown, unit_identifier, unit_run, value_text,
)
from tinygrad_course.visualize.scene.shapes import Curve, Item, Scene, Shape
from tinygrad_course.visualize.scene.lettering import Line, Run, Text, counted, line_width, plain_text, text_width

BIG = 18.0        # y_hat
PAD = 12.0        # between units and the rectangle around them
ARROW = 1.6       # width of the arrows between layers
SHORTEST = 56.0   # arrow


def simplified(network: Network, options: NetworkOptions) -> tuple[Sheet, Scene]:
    """A rectangle per layer around its first and last units, an arrow from each layer to the next, then y_hat."""
    L = len(network.layers)
    layers = shown(L + 1, options.layer_limit)
    rows = {l: shown(network.units(l), options.limit) for l in layers if l is not None}
    radius = max(17.0, *(radius_for([unit_run(network, l, j + 1)], NORMAL, _value(network, l, j))
                         for l in rows for j in rows[l] if j is not None))
    row_gap = 2 * radius + 8.0
    heads = {l: _head(network, l, options) for l in rows}
    tallest = max(len(rows[l]) for l in rows)
    top = MARGIN + (26.0 if options.title else 0.0)
    middle = top + 24.0 + (tallest * row_gap - 8.0) / 2 + PAD
    height = middle + (tallest * row_gap - 8.0) / 2 + PAD + MARGIN

    sheet = Sheet()
    chain = _Chain(sheet, middle)
    for l in layers:
        if l is None:
            _left_out(chain, network, len(rows) - 1)
            continue
        boxed = len(rows[l]) > 1 or l < L
        box_width, box_height = 2 * (radius + PAD), len(rows[l]) * row_gap - 8.0 + 2 * PAD
        half = (box_width if boxed else 2 * radius) / 2
        labels = _edge_labels(network, l, options) if l and options.parameters else []
        room = max(half, min(line_width(heads[l], NORMAL, True) / 2, 60.0))
        unit = unit_identifier(network, l, 1)
        chain.add(layer_identifier(network, l) if boxed else unit, half, room, labels)
        x = chain.x
        if boxed:
            sheet.frame(layer_identifier(network, l), plain_text(heads[l]),
                        Shape("rectangle", x, middle, box_width, box_height, radius=6.0),
                        counted(network.units(l), "unit" if l else "input"))
        sheet.front.append(Text(x, middle - (box_height / 2 if boxed else radius) - 9.0, heads[l], NORMAL, bold=True,
                                limit=120.0))
        for row, j in enumerate(rows[l]):
            _unit(sheet, network, l, j, len(rows[l]) - 1, x, middle + (row - (len(rows[l]) - 1) / 2) * row_gap, radius)
    _output(chain)
    return sheet, finished(sheet, (0.0, chain.right), height, network, options,
                           "simplified network: a rectangle per layer with its first and last units")


def blocks(network: Network, options: NetworkOptions) -> tuple[Sheet, Scene]:
    """A block per layer, x, a^[1], ..., y_hat, with W^[l] and b^[l] and their shapes on the arrows between them."""
    L = len(network.layers)
    sheet = Sheet()
    height = 84.0
    middle = MARGIN + (26.0 if options.title else 0.0) + height / 2
    chain = _Chain(sheet, middle)
    layers = shown(L + 1, options.layer_limit)
    for l in layers:
        if l is None:
            _left_out(chain, network, sum(other is not None for other in layers) - 1)
            continue
        symbol = [Run("x") if l == 0 else Run("ŷ") if l == L else Run("a", sup=f"[{l}]")]
        activation = activation_line(network, l) if options.activations else None
        lines = [(symbol, 20.0, False, "ink"), *([(activation, NORMAL, True, "ink")] if activation else []),
                 ([Run(counted(network.units(l), "unit" if l else "input"))], 11.0, False, "muted")]
        width = min(max(64.0, *(line_width(line, size, bold) + 24.0 for line, size, bold, _ in lines)), 180.0)
        chain.add(layer_identifier(network, l), width / 2, width / 2,
                  _edge_labels(network, l, options, shapes=True) if l and options.parameters else [])
        y = middle - (14.0 if activation else 6.0)
        items: list[Item] = [Shape("rectangle", chain.x, middle, width, height,
                                   "input" if l == 0 else "operation" if l < L else "cost", radius=8.0)]
        for line, size, bold, colour in lines:
            items.append(Text(chain.x, y + 6.0, line, size, colour=colour, bold=bold, limit=width - 12.0))
            y += 20.0
        sheet.node(Mark(layer_identifier(network, l), tuple(plain_text(line) for line, *_ in lines), "box",
                        caption(network, l)), items)
    return sheet, finished(sheet, (0.0, chain.right), middle + height / 2 + MARGIN, network, options,
                           "blocks: one per layer, the parameters on the arrows")


# ------------------------------------------------------------------------------------------------ from left to right


class _Chain:
    """Shapes from left to right at one height, each with an arrow from the one before it."""

    def __init__(self, sheet: Sheet, y: float):
        self.sheet, self.y = sheet, y
        self.x = 0.0
        self.right = 0.0   # where the last shape ends, and its caption
        self.tail = ""     # its name
        self.edge = 0.0    # its own right side

    def add(self, identifier: str, half: float, room: float, labels: Sequence[Line] = ()) -> None:
        """Place a shape of width 2 half, whose caption needs 2 room; labels: above and below the arrow to it."""
        widest = max([line_width(line, 11.0) for line in labels], default=0.0)
        if not self.tail:
            self.x = room
        else:
            gap = max(SHORTEST, widest + 26.0)
            self.x = max(self.edge + gap + half, self.right + 12.0 + room)
            start, end = (self.edge + 2.0, self.y), (self.x - half - 2.0, self.y)
            label = ", ".join(plain_text(line) for line in labels)
            self.sheet.edge(Connection(self.tail, identifier, label, "ink", ARROW),
                            Curve([start, end], colour="ink", width=ARROW))
            for line, y in zip(labels, (self.y - 9.0, self.y + 8.0 + ASCENT * 11.0)):
                self.sheet.front.append(Text((start[0] + end[0] - 6.0) / 2, y, line, 11.0))
        self.tail, self.edge, self.right = identifier, self.x + half, self.x + room


def _head(network: Network, l: int, options: NetworkOptions) -> Line:
    return (activation_line(network, l) if options.activations else None) or [Run(caption(network, l))]


def _value(network: Network, l: int, j: int) -> str:
    values = network.values_of(l)
    return "" if values is None else value_text(values[j])


def _unit(sheet: Sheet, network: Network, l: int, j: int | None, drawn: int, x: float, y: float,
          radius: float) -> None:
    circle = Shape("ellipse", x, y, 2 * radius, 2 * radius)
    column = layer_identifier(network, l)
    if j is None:
        left_out = f"{network.units(l) - drawn} more of {network.units(l)}"
        sheet.node(Mark(f"{column}_more", ("...",), "circle", left_out, column=column),
                   [circle, *dots(x, y, vertical=False)])
        return
    run = unit_run(network, l, j + 1)
    values = network.values_of(l)
    tooltip = plain_text([run]) + ("" if values is None else f" = {float(values[j]):.10g}")
    value = _value(network, l, j)
    sheet.node(Mark(unit_identifier(network, l, j + 1), (plain_text([run]), *([value] if value else [])), "circle",
                    tooltip, column=column), [circle, *label_items([run], x, y, NORMAL, value)])


def _output(chain: _Chain) -> None:
    """y_hat, as text, behind the last layer."""
    half = text_width("ŷ", BIG) / 2 + 2.0
    chain.add("y_hat", half, half)
    chain.sheet.node(Mark("y_hat", ("ŷ",), "plaintext"),
                     [Text(chain.x, chain.y + 0.28 * BIG, [Run("ŷ")], BIG)])


def _edge_labels(network: Network, l: int, options: NetworkOptions, shapes: bool = False) -> list[Line]:
    """W^[l] and b^[l], with their shapes if wanted; w and b in logistic regression."""
    layer = network.layers[l - 1]
    number = "" if layer.transposed else f"[{l}]"
    W_shape: Any = (layer.units, network.units(l - 1))
    b_shape: Any = (layer.units, 1)
    if layer.W is not None:
        W_shape = tuple(reversed(W_shape)) if layer.transposed else W_shape
        b_shape = np.shape(layer.b)
    lines: list[Line] = [[Run("w" if layer.transposed else "W", sup=number), Run(f" {W_shape}" if shapes else "")]]
    if layer.W is None or layer.b is not None:
        lines.append([Run("b", sup=number), Run(f" {b_shape}" if shapes and b_shape else "")])
    return lines


def _left_out(chain: _Chain, network: Network, drawn: int) -> None:
    many = len(network.layers) - drawn
    chain.add("more", 43.0, 43.0)
    x, y = chain.x, chain.y
    chain.sheet.node(
        Mark("more", (f"{many} more layers",), "box", f"{many} of {len(network.layers)} layers are not drawn"),
        [Shape("rectangle", x, y, 86.0, 76.0, "panel", "line", radius=8.0, dashed=True),
         *dots(x, y - 14.0, vertical=False), Text(x, y + 8.0, [Run(str(many))], NORMAL, colour="muted"),
         Text(x, y + 23.0, [Run("more layers")], NORMAL, colour="muted")])
