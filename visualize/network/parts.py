"""What the three pictures of a network have in common: units, labels, captions, and what is left out.

A `Sheet` collects a picture and, beside it, the same network as nodes and edges for its DOT text.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tinygrad_course.visualize.network.layers import Layer, Network
from tinygrad_course.visualize.scene.shapes import Curve, Group, Item, Scene, Shape
from tinygrad_course.visualize.scene.lettering import Line, Run, Text, counted, line_width, text_width

MARGIN = 16.0
SMALL = 10.0        # sizes of text: parameters on edges
NORMAL = 12.0       # units and captions
TITLE = 16.0
ASCENT = 0.97       # of a line with a superscript, in sizes: how far it reaches above its baseline
DESCENT = 0.36      # and with a subscript, below
NAMES = {"relu": "Relu", "leaky_relu": "Leaky Relu", "log_softmax": "log softmax"}  # Relu: as the course heads it


@dataclass(frozen=True)
class Mark:
    """What stands for a unit, for a layer, or for what is left out.

    lines: its label. shape: Graphviz's name of it. beside: a label outside of it, its bias. column: the identifier of
    the layer that it stands in; marks of a column stand below one another.
    """

    identifier: str
    lines: tuple[str, ...]
    shape: str
    tooltip: str = ""
    beside: str = ""
    column: str = ""


@dataclass(frozen=True)
class Connection:
    """An arrow from one mark or frame to another."""

    tail: str
    head: str
    label: str = ""
    colour: str = ""  # of its weight
    width: float = 1.0


@dataclass
class Sheet:
    """Shapes in three planes, so that edges run above boxes and below units, and the nodes and edges they show.

    frames: columns with a frame around their marks, by identifier, and what it is called.
    """

    behind: list[Item] = field(default_factory=list)
    between: list[Item] = field(default_factory=list)
    front: list[Item] = field(default_factory=list)
    nodes: list[Mark] = field(default_factory=list)
    edges: list[Connection] = field(default_factory=list)
    frames: dict[str, str] = field(default_factory=dict)

    def node(self, node: Mark, items: Sequence[Item]) -> None:
        self.nodes.append(node)
        self.front.append(Group(items, node.identifier, node.tooltip))

    def frame(self, identifier: str, label: str, shape: Shape, tooltip: str) -> None:
        self.frames[identifier] = label
        self.behind.append(Group([shape], identifier, tooltip))

    def edge(self, edge: Connection, curve: Curve, tooltip: str = "") -> None:
        self.edges.append(edge)
        self.between.append(Group([curve], f"{edge.tail}-{edge.head}", tooltip))

    def shift(self, dx: float) -> None:
        """Move everything to the right."""
        for plane in (self.behind, self.between, self.front):
            plane[:] = [_shifted(item, dx) for item in plane]


# ---------------------------------------------------------------------------------------------------- what is drawn


def shown(n: int, limit: int) -> list[int | None]:
    """0, 1, ..., n - 1 in at most `limit` places: where there are more, None stands for those in the middle."""
    if n <= limit:
        return list(range(n))
    last = (limit - 1) // 2
    return [*range(limit - 1 - last), None, *range(n - last, n)]


def unit_identifier(network: Network, l: int, j: int) -> str:
    """Of unit j = 1, 2, ... in layer l: "x_1", "a1_3", "y_1"."""
    return f"{layer_identifier(network, l)}_{j}"


def layer_identifier(network: Network, l: int) -> str:
    return "x" if l == 0 else "y" if l == len(network.layers) else f"a{l}"


def unit_run(network: Network, l: int, j: int, output: bool = False, example: bool = False) -> Run:
    """x_j, a_j^[l] or, if `output`, y_hat_j for the last layer. example: with the (i) of the i-th example."""
    i = "(i)" if example else ""
    if l == 0:
        return Run("x", str(j), i)
    if output and l == len(network.layers):
        return Run("ŷ", str(j) if network.units(l) > 1 else "", i)
    return Run("a", str(j), f"[{l}]")


def parameter_runs(layer: Layer, l: int, j: int, k: int) -> tuple[Run, Run]:
    """w_jk^[l] and b_j^[l]; in logistic regression, where w is a column, w_k and b."""
    if layer.transposed:
        several = layer.units > 1
        return Run("w", indices(k, j) if several else str(k)), Run("b", str(j) if several else "")
    return Run("w", indices(j, k), f"[{l}]"), Run("b", str(j), f"[{l}]")


def indices(j: int, k: int) -> str:
    """jk, with a comma where 1 and 11 could be 11 and 1."""
    return f"{j}{k}" if j < 10 and k < 10 else f"{j},{k}"


def caption(network: Network, l: int) -> str:
    return "Input" if l == 0 else "Output" if l == len(network.layers) else f"Layer {l}"


def activation_line(network: Network, l: int) -> Line | None:
    """Relu, sigmoid, ...; g^[l] for one without a name; None for the input and where it is not known."""
    name = network.layers[l - 1].activation if l else None
    if name is None:
        return None
    return [Run(NAMES.get(name, name))] if name else [Run("g", sup=f"[{l}]")]


def value_text(value: Any) -> str:
    return f"{float(value) + 0.0:.3g}"  # + 0.0: no "-0"


# ------------------------------------------------------------------------------------------------------ its shapes


def baseline(y: float, size: float) -> float:
    """Where a line with sub- and superscript stands if its middle is to be at y."""
    return y + (ASCENT - DESCENT) / 2 * size


def radius_for(line: Line, size: float, value: str = "") -> float:
    """Of a circle that holds a label, and below it a value."""
    width, height = line_width(line, size), (ASCENT + DESCENT) * size
    if not value:
        return math.hypot(width / 2, height / 2) + 2.5
    low = text_width(value, SMALL)
    return max(math.hypot(width / 2, height - 1), math.hypot(low / 2, SMALL + 1)) + 2.5


def label_items(line: Line, x: float, y: float, size: float, value: str = "") -> list[Item]:
    """A label around (x, y); with a value the label above it and the value below."""
    if not value:
        return [Text(x, baseline(y, size), line, size)]
    return [Text(x, y - 1 - DESCENT * size + 2, line, size),
            Text(x, y + SMALL + 0.5, [Run(value)], SMALL, colour="muted")]


def dots(x: float, y: float, vertical: bool = True) -> list[Item]:
    """Three dots in place of what is left out."""
    steps = [(0.0, d) if vertical else (d, 0.0) for d in (-7.0, 0.0, 7.0)]
    return [Shape("ellipse", x + dx, y + dy, 3.0, 3.0, fill="ink", stroke="none") for dx, dy in steps]


def on_circle(x: float, y: float, radius: float, towards: tuple[float, float]) -> tuple[float, float]:
    """The point of a circle in the direction of another point."""
    dx, dy = towards[0] - x, towards[1] - y
    length = math.hypot(dx, dy) or 1.0
    return x + dx / length * radius, y + dy / length * radius


# ------------------------------------------------------------------------------------------------------ the whole


@dataclass(frozen=True)
class NetworkOptions:
    """What `draw_network` was asked for, with the defaults of its style filled in."""

    activations: bool
    parameters: bool
    weights: bool
    limit: int
    layer_limit: int
    title: str


def finished(sheet: Sheet, ends: tuple[float, float], height: float, network: Network, options: NetworkOptions,
             what: str) -> Scene:
    """The scene of a sheet that reaches from x = ends[0] to ends[1], with its title, in the middle of the paper."""
    drawn = ends[1] - ends[0]
    width = max(drawn, min(text_width(options.title, TITLE, True), 720.0)) + 2 * MARGIN
    sheet.shift((width - drawn) / 2 - ends[0])
    if options.title:
        sheet.front.append(Text(width / 2, MARGIN + 14.0, [Run(options.title)], TITLE, bold=True,
                                limit=width - 2 * MARGIN))
    sizes = [str(network.units(l)) if l is not None else "..." for l in shown(len(network.layers) + 1, 12)]
    names = [layer.activation for layer in network.layers[:12]]
    known = all(name is not None for name in names)
    told = f", activations {', '.join(name or 'unnamed' for name in names)}" if known else ""
    return Scene(width, height, options.title or f"{network.name} {'-'.join(sizes)}",
                 f"{what}; {counted(network.inputs, 'input')}, {counted(len(network.layers), 'layer')}{told}",
                 [*sheet.behind, *sheet.between, *sheet.front], "placed by tinygrad_course")


def _shifted(item: Item, dx: float) -> Item:
    if isinstance(item, Group):
        return replace(item, items=[_shifted(child, dx) for child in item.items])
    if isinstance(item, Curve):
        return replace(item, points=[(x + dx, y) for x, y in item.points])
    return replace(item, x=item.x + dx)
