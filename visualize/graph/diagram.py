"""A diagram: boxes with lines of text, arrows and groups, without places yet; and the scene that it becomes."""
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tinygrad_course.visualize.layout.graphviz import arranged
from tinygrad_course.visualize.layout.layered import LayoutGraph, HEADING, Point
from tinygrad_course.visualize.scene.shapes import Curve, Group, Item, Picture, Scene, Shape, is_within
from tinygrad_course.visualize.scene.lettering import Line, Run, Text, line_width, text_width

EDGE = 14.0       # between the picture and its edge
PANEL_GAP = 70.0  # between the forward and the backward pass
WIDEST = 230.0    # a line of text; longer ones are cut


@dataclass(frozen=True)
class BoxStyle:
    """How a kind of box looks, and what the legend calls it."""

    meaning: str
    shape: str
    fill: str
    dot: str            # Graphviz's name of the shape, with its style
    side: float = 8.0   # between the text and the left and right end
    radius: float = 0.0
    stroke: str = "ink"
    dashed: bool = False


STYLES = {
    "input": BoxStyle("input", "parallelogram", "input", "parallelogram", side=15),
    "constant": BoxStyle("constant", "rectangle", "panel", "ellipse", side=9, radius=99, stroke="muted"),
    "parameter": BoxStyle("parameter", "hexagon", "parameter", "hexagon", side=15),
    "operation": BoxStyle("operation", "rectangle", "operation", "ellipse", side=11, radius=99),
    "step": BoxStyle("intermediate result", "rectangle", "step", "box"),
    "cost": BoxStyle("cost", "octagon", "cost", "octagon", side=13),
    "output": BoxStyle("output", "octagon", "step", "octagon", side=13),
    "gradient": BoxStyle("gradient", "rectangle", "gradient", "box,rounded", radius=8),
    "parameter gradient": BoxStyle("gradient of a parameter", "hexagon", "gradient", "hexagon", side=15),
    "step back": BoxStyle("step of the backward pass", "rectangle", "step", "box,dashed", dashed=True),
    "folded": BoxStyle("several steps, folded", "note", "panel", "note"),
}


@dataclass(frozen=True)
class Label:
    """A line of text in a box."""

    line: Line
    size: float = 9.0
    colour: str = "ink"
    bold: bool = False
    columns: tuple[float, ...] = ()  # if given, each run of the line ends where its column of this width ends

    def width(self) -> float:
        return sum(self.columns) if self.columns else line_width(self.line, self.size, self.bold)


@dataclass
class Box:
    """A box. operation: what stands in the bar at its top, in the colour `bar`; alarm: red border."""

    identifier: str
    kind: str
    labels: list[Label] = field(default_factory=list)
    operation: str = ""
    bar: str = "operation"
    fill: str = ""  # in place of that of its kind
    pictures: list[Any] = field(default_factory=list)  # arrays (height, width, 3) of bytes, side by side
    picture_size: tuple[float, float] = (0.0, 0.0)     # of each, in points
    tooltip: str = ""
    group: int | None = None
    upward: bool = False
    alarm: bool = False

    def size(self) -> tuple[float, float]:
        """Width and height in points."""
        style = STYLES[self.kind]
        width = max((min(WIDEST, label.width()) for label in self.labels), default=0.0)
        height = sum(_leading(label) for label in self.labels)
        if self.operation:
            width = max(width, text_width(self.operation, BAR_SIZE) + 10)
            height += BAR
        if self.pictures:
            width = max(width, len(self.pictures) * (self.picture_size[0] + 3) - 3)
            height += self.picture_size[1] + 4
        return max(width, 14.0) + 2 * style.side, height + (8 if self.labels or self.pictures else 6)


BAR, BAR_SIZE = 15.0, 9.0


def _leading(label: Label) -> float:
    return label.size * 1.3


@dataclass(frozen=True)
class Arrow:
    """An arrow between two boxes, by their places in the list."""

    tail: int
    head: int


@dataclass(frozen=True)
class Frame:
    """Boxes that belong together, as those of a Module."""

    label: str
    short: str  # if the label is too wide
    parent: int | None = None
    upward: bool = False


@dataclass
class Diagram:
    """Everything that is in the picture. notes: lines below it. `upward` boxes form a panel of their own."""

    title: str
    nodes: list[Box]
    edges: list[Arrow]
    clusters: list[Frame] = field(default_factory=list)
    description: str = ""
    notes: list[str] = field(default_factory=list)
    legend: list[str] = field(default_factory=list)  # lines of text in the legend
    has_legend: bool = True


def to_scene(diagram: Diagram) -> Scene:
    """The diagram laid out and drawn."""
    sizes = [node.size() for node in diagram.nodes]
    centres: dict[int, Point] = {}
    curves: dict[int, list[Point]] = {}
    frames: dict[int, tuple[float, float, float, float]] = {}
    outlines: dict[int, Shape] = {}
    panels = []
    layout = ""
    for upward in (False, True):
        members = [i for i, node in enumerate(diagram.nodes) if node.upward == upward]
        if members:
            graph, edges, clusters = _panel(diagram, sizes, members, upward)
            placement, layout = arranged(graph)
            panels.append((upward, members, edges, clusters, placement))
    height = max((placement.height for *_, placement in panels), default=0.0)
    left = EDGE
    top = EDGE + 22
    for upward, members, edges, clusters, placement in panels:
        down = top + height - placement.height

        def put(point: Point) -> Point:
            x, y = point
            return left + x, down + (placement.height - y if upward else y)

        for i, centre in zip(members, placement.centres):
            centres[i] = put(centre)
            outlines[i] = _outline(diagram.nodes[i], centres[i], sizes[i])
        for edge, route in zip(edges, placement.routes):
            tail, head = diagram.edges[edge].tail, diagram.edges[edge].head
            curve = [put(corner) for corner in route]
            curve[0] = _touching(curve[0], outlines[tail])
            curve[-1] = _touching(curve[-1], outlines[head])
            curves[edge] = curve
        for cluster, (x1, y1, x2, y2) in placement.frames.items():
            a, b = put((x1, y1)), put((x2, y2))
            frames[clusters[cluster]] = (a[0], min(a[1], b[1]), b[0], max(a[1], b[1]))
        left += placement.width + PANEL_GAP
    width = left - PANEL_GAP + EDGE
    arrived: Counter[int] = Counter()
    for number, arrow in enumerate(diagram.edges):
        if number not in curves:
            curves[number] = _across(arrow, centres, sizes, 7.0 * arrived[arrow.head])
            arrived[arrow.head] += 1

    items: list[Item] = [_frame(diagram.clusters[c], frames[c]) for c in sorted(frames)]
    crossing = {number for number, arrow in enumerate(diagram.edges)
                if diagram.nodes[arrow.tail].upward != diagram.nodes[arrow.head].upward}
    for number, curve in sorted(curves.items(), key=lambda one: one[0] not in crossing):
        if number in crossing:
            items.append(Curve(curve, bezier=True, colour="positive@0.5", width=0.7))
        else:
            items.append(Curve(curve, bezier=True, colour="muted", width=0.9))
    items += [_heading(diagram.clusters[c], frames[c]) for c in sorted(frames)]
    items += [_box(node, centres[i], sizes[i]) for i, node in enumerate(diagram.nodes)]
    scene = Scene(width, top + height + EDGE, diagram.title, layout=layout)
    _annotate(scene, diagram, items, top + height)
    scene.items = items
    scene.description = ". ".join([diagram.description, *diagram.notes, layout]).strip(". ")
    return scene


def _panel(diagram: Diagram, sizes: Sequence[tuple[float, float]], members: list[int],
           upward: bool) -> tuple[LayoutGraph, list[int], list[int]]:
    """What of the diagram goes down, or what goes up (laid out downwards as well, to be turned upside down)."""
    number = {i: k for k, i in enumerate(members)}
    edges = [e for e, edge in enumerate(diagram.edges) if edge.tail in number and edge.head in number]
    clusters = [c for c, cluster in enumerate(diagram.clusters) if cluster.upward == upward]
    cluster_number: dict[int | None, int | None] = {c: k for k, c in enumerate(clusters)}
    arrows = [(number[diagram.edges[e].tail], number[diagram.edges[e].head]) for e in edges]
    graph = LayoutGraph([sizes[i] for i in members], arrows,
                        [cluster_number.get(diagram.nodes[i].group) for i in members],
                        [cluster_number.get(diagram.clusters[c].parent) for c in clusters])
    return graph, edges, clusters


def _across(edge: Arrow, centres: dict[int, Point], sizes: Sequence[tuple[float, float]],
            lower: float) -> list[Point]:
    """From the side of a box of the forward pass to the side of one of the backward pass."""
    (x, y), (to_x, to_y) = centres[edge.tail], centres[edge.head]
    way = 1 if to_x >= x else -1
    x += way * sizes[edge.tail][0] / 2
    to_x -= way * sizes[edge.head][0] / 2
    to_y += min(lower, sizes[edge.head][1] / 2 - 4)
    bow = max(30.0, abs(to_x - x) * 0.4)
    return [(x, y), (x + way * bow, y), (to_x - way * bow, to_y), (to_x, to_y)]


def _frame(cluster: Frame, frame: tuple[float, float, float, float]) -> Item:
    left, top, right, bottom = frame
    return Shape("rectangle", (left + right) / 2, (top + bottom) / 2, right - left, bottom - top, fill="panel@0.55",
                 stroke="line", stroke_width=0.8, radius=6)


def _heading(cluster: Frame, frame: tuple[float, float, float, float]) -> Item:
    """The name of a group, where the layout has left room: at the top or, if that was turned around, the bottom."""
    left, top, right, bottom = frame
    if cluster.upward:
        top = bottom - HEADING
    room = right - left - 14
    label = cluster.label if text_width(cluster.label, 9.0, True) <= room else cluster.short
    width = min(room, text_width(label, 9.0, True))
    return Group([Shape("rectangle", left + 7 + width / 2, top + HEADING / 2, width + 4, 12, fill="panel",
                        stroke="panel", stroke_width=0.0, radius=2),
                  Text(left + 7, top + HEADING / 2 + 3, [Run(label)], 9.0, "start", "muted", bold=True,
                       limit=room)])


def _outline(node: Box, centre: Point, size: tuple[float, float]) -> Shape:
    style = STYLES[node.kind]
    return Shape(style.shape, *centre, *size, node.fill or style.fill, "error" if node.alarm else style.stroke,
                 2.0 if node.alarm else 0.9, min(style.radius, size[1] / 2), style.dashed)


def _touching(point: Point, outline: Shape) -> Point:
    """Layouts take boxes for rectangles: a point that is not within the outline is moved onto it, to the centre."""
    if outline.kind == "rectangle" and not outline.radius:
        return point
    low, high = 0.0, 1.0  # as parts of the way to the centre
    for _ in range(14):
        middle = (low + high) / 2
        x, y = point[0] + middle * (outline.x - point[0]), point[1] + middle * (outline.y - point[1])
        low, high = (low, middle) if is_within(outline, x, y) else (middle, high)
    return point[0] + low * (outline.x - point[0]), point[1] + low * (outline.y - point[1])


def _box(node: Box, centre: Point, size: tuple[float, float]) -> Item:
    """A box with its bar, lines and pictures."""
    style = STYLES[node.kind]
    (x, y), (width, height) = centre, size
    items: list[Item] = [_outline(node, centre, size)]
    top = y - height / 2 + (4 if node.labels or node.pictures else 3)
    room = width - 2 * style.side
    if node.operation:
        bar = room + 2 * min(style.side, 8) - 8
        items += [Shape("rectangle", x, top + BAR / 2 - 1, bar, BAR - 2, node.bar, node.bar, 0.5, (BAR - 2) / 2),
                  Text(x, top + BAR / 2 + 2, [Run(node.operation)], BAR_SIZE, limit=bar - 4)]
        top += BAR
    for label in node.labels:
        top += _leading(label)
        base = top - label.size * 0.32
        if label.columns:
            end = x - label.width() / 2
            for run, column in zip(label.line, label.columns):
                end += column
                items.append(Text(end, base, [run], label.size, "end", label.colour))
        else:
            items.append(Text(x, base, label.line, label.size, colour=label.colour, bold=label.bold, limit=room))
    if node.pictures:
        w, h = node.picture_size
        left = x - (len(node.pictures) * (w + 3) - 3) / 2
        items += [Picture(left + i * (w + 3) + w / 2, top + 3 + h / 2, w, h, pixels)
                  for i, pixels in enumerate(node.pictures)]
    return Group(items, node.identifier, node.tooltip)


def _wrapped(text: str, size: float, limit: float) -> list[str]:
    """The words of a text in lines no wider than `limit`."""
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}", size) <= limit:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _annotate(scene: Scene, diagram: Diagram, items: list[Item], y: float) -> None:
    """The title above, the legend and the notes below; the scene grows by what they need."""
    scene.width = max(scene.width, 240.0)
    items.append(Text(EDGE, EDGE + 6, [Run(diagram.title)], 12.0, "start", bold=True, limit=scene.width - 2 * EDGE))
    if diagram.has_legend:
        y += 22
        x = EDGE
        for kind in STYLES:
            if any(node.kind == kind for node in diagram.nodes):
                style = STYLES[kind]
                width = 28 + text_width(style.meaning, 8.5)
                if x > EDGE and x + width > scene.width - EDGE:
                    x, y = EDGE, y + 16
                items.append(Group([Shape(style.shape, x + 9, y, 18, 11, style.fill, style.stroke, 0.8,
                                          min(style.radius, 5.5), style.dashed),
                                    Text(x + 22, y + 3, [Run(style.meaning)], 8.5, "start", "muted")]))
                x += width + 12
        y += 4
        for entry in diagram.legend:
            for line in _wrapped(entry, 8.5, scene.width - 2 * EDGE):
                y += 13
                items.append(Text(EDGE, y + 3, [Run(line)], 8.5, "start", "muted"))
    for note in diagram.notes:
        y += 4
        for line in _wrapped(note, 9.0, scene.width - 2 * EDGE):
            y += 13
            items.append(Text(EDGE, y + 3, [Run(line)], 9.0, "start", "warning"))
    scene.height = y + EDGE
