"""A diagram laid out and drawn: the forward pass, and beside or below it the backward pass.

No arrow runs from one to the other, where it could be taken for that of a box on its way: a box of the backward pass
has small boxes of its own with the names of what it uses of the forward pass.
"""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tinygrad_course.graph.walk import collector_paused
from tinygrad_course.visualize.graph.diagram import (
    Arrow, BAR, BAR_SIZE, Box, Diagram, Frame, Label, STYLES, leading,
)
from tinygrad_course.visualize.layout.graphviz import arranged
from tinygrad_course.visualize.layout.layered import HEADING, LayoutGraph, Placement, Point
from tinygrad_course.visualize.scene.lettering import Line, Run, Text, counted, plain_text, text_width
from tinygrad_course.visualize.scene.shapes import Curve, Group, Item, Picture, Scene, Shape, is_within

EDGE = 14.0       # between the picture and its edge
PANEL_GAP = 44.0  # between the forward and the backward pass
MOST_NAMES = 3    # of values of the forward pass that are named one by one at a box


@collector_paused()
def to_scene(diagram: Diagram) -> Scene:
    """The diagram laid out and drawn."""
    diagram = with_values_brought(diagram)
    panels = [_Panel(diagram, upward) for upward in (False, True)
              if any(box.upward == upward for box in diagram.nodes)]
    width = max((panel.width for panel in panels), default=0.0)
    height = max((panel.height for panel in panels), default=0.0)
    left, top = EDGE, EDGE + 22
    items: list[Item] = []
    for panel in panels:  # the cost, with which the one ends and the other begins, stands beside its gradient
        if diagram.rightward:
            items += panel.items(left + width - panel.width, top)
            top += panel.height + PANEL_GAP
        else:
            items += panel.items(left, top + height - panel.height)
            left += panel.width + PANEL_GAP
    right, bottom = (left + width, top - PANEL_GAP) if diagram.rightward else (left - PANEL_GAP, top + height)
    layout = panels[-1].layout if panels else ""
    scene = Scene(right + EDGE, bottom + EDGE, diagram.title, layout=layout)
    _annotate(scene, diagram, items, bottom)
    scene.items = items
    scene.description = ". ".join([diagram.description, *diagram.notes, layout]).strip(". ")
    return scene


def with_values_brought(diagram: Diagram) -> Diagram:
    """With small boxes beside those of the backward pass for what they use of the forward pass, in place of arrows."""
    nodes, edges = list(diagram.nodes), []
    brought: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))  # head, tail: numbers of arrows
    for number, arrow in enumerate(diagram.edges):
        if nodes[arrow.tail].upward == nodes[arrow.head].upward:
            edges.append((number, arrow))
        else:
            brought[arrow.head][arrow.tail].append(number)
    for head, tails in brought.items():
        several = len(tails) > MOST_NAMES or nodes[head].kind == "folded" and len(tails) > 1
        for together in ([list(tails)] if several else [[tail] for tail in tails]):
            for number in [number for tail in together for number in tails[tail]][:1 if several else None]:
                edges.append((number, Arrow(len(nodes), head)))
            nodes.append(_brought([nodes[tail] for tail in together], nodes[head], len(nodes)))
    return replace(diagram, nodes=nodes, edges=[arrow for _, arrow in sorted(edges, key=lambda one: one[0])])


def _brought(boxes: Sequence[Box], head: Box, number: int) -> Box:
    """The small box for these, at the box that uses them."""
    names: list[Line] = [box.called for box in boxes]
    if len(names) > MOST_NAMES:
        names = [*names[:MOST_NAMES - 1], (Run(f"and {counted(len(names) - MOST_NAMES + 1, 'more value')}"),)]
    tooltip = "of the forward pass: " + ", ".join(plain_text(box.called) for box in boxes[:60])
    return Box(f"v{number}", "brought", [Label(name, 9.5) for name in names], tooltip=tooltip, group=head.group,
               upward=True)


@dataclass
class _Panel:
    """What goes down or, laid out downwards as well and turned over, what goes up."""

    diagram: Diagram
    upward: bool

    def __post_init__(self) -> None:
        diagram = self.diagram
        self.members = [i for i, box in enumerate(diagram.nodes) if box.upward == self.upward]
        self.sizes = {i: diagram.nodes[i].size() for i in self.members}
        number = {i: k for k, i in enumerate(self.members)}
        self.edges = [edge for edge in diagram.edges if edge.tail in number and edge.head in number]
        self.frames = [c for c, frame in enumerate(diagram.clusters) if frame.upward == self.upward]
        frame_number: dict[int | None, int | None] = {c: k for k, c in enumerate(self.frames)}
        self.placement, self.layout = arranged(LayoutGraph(
            list(self.sizes.values()), [(number[edge.tail], number[edge.head]) for edge in self.edges],
            [frame_number.get(diagram.nodes[i].group) for i in self.members],
            [frame_number.get(diagram.clusters[c].parent) for c in self.frames], diagram.rightward))
        if self.upward:
            self.placement = _turned(self.placement, diagram.rightward)
        self.width, self.height = self.placement.width, self.placement.height

    def items(self, left: float, top: float) -> Iterator[Item]:
        """Everything that is drawn, from the back to the front."""
        diagram, placement = self.diagram, self.placement
        frames = {self.frames[k]: (x1 + left, y1 + top, x2 + left, y2 + top)
                  for k, (x1, y1, x2, y2) in sorted(placement.frames.items())}
        for number in sorted(frames):
            yield _frame(frames[number])
        centres = {i: (x + left, y + top) for i, (x, y) in zip(self.members, placement.centres)}
        outlines = {i: _outline(diagram.nodes[i], centres[i], self.sizes[i]) for i in self.members}
        for edge, route in zip(self.edges, placement.routes):
            curve = [(x + left, y + top) for x, y in route]
            curve[0], curve[-1] = _touching(curve[0], outlines[edge.tail]), _touching(curve[-1], outlines[edge.head])
            is_brought = diagram.nodes[edge.tail].kind == "brought"
            yield Curve(curve, bezier=True, colour="positive" if is_brought else "muted", width=0.9)
        for number in sorted(frames):
            yield _heading(diagram.clusters[number], frames[number], below=self.upward and not diagram.rightward)
        for i in self.members:
            yield _box(diagram.nodes[i], outlines[i])


def _turned(placement: Placement, rightward: bool) -> Placement:
    """With the lower side above or, of what goes to the right, the right side left."""
    width, height = placement.width, placement.height

    def turned(point: Point) -> Point:
        x, y = point
        return (width - x, y) if rightward else (x, height - y)

    frames = {}
    for number, (left, top, right, bottom) in placement.frames.items():
        frames[number] = (width - right, top, width - left, bottom) if rightward else (
            left, height - bottom, right, height - top)
    return Placement(width, height, [turned(centre) for centre in placement.centres],
                     [[turned(point) for point in route] for route in placement.routes], frames)


def _frame(frame: tuple[float, float, float, float]) -> Item:
    left, top, right, bottom = frame
    return Shape("rectangle", (left + right) / 2, (top + bottom) / 2, right - left, bottom - top, fill="panel@0.55",
                 stroke="line", stroke_width=0.8, radius=6)


def _heading(cluster: Frame, frame: tuple[float, float, float, float], below: bool) -> Item:
    """The name of a group, where the layout has left room: at the top or, if that was turned over, below."""
    left, top, right, bottom = frame
    if below:
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
    if outline.kind == "rectangle" and not outline.radius or is_within(outline, *point):
        return point
    low, high = 0.0, 1.0  # as parts of the way to the centre
    for _ in range(14):
        middle = (low + high) / 2
        x, y = point[0] + middle * (outline.x - point[0]), point[1] + middle * (outline.y - point[1])
        low, high = (low, middle) if is_within(outline, x, y) else (middle, high)
    return point[0] + low * (outline.x - point[0]), point[1] + low * (outline.y - point[1])


def _box(node: Box, outline: Shape) -> Item:
    """A box with its bar, lines and pictures."""
    style = STYLES[node.kind]
    x, y, width, height = outline.x, outline.y, outline.width, outline.height
    items: list[Item] = [outline]
    top = y - height / 2 + (4 if node.labels or node.pictures else 3)
    room = width - 2 * style.side
    if node.operation:
        bar = room + 2 * min(style.side, 8) - 8
        items += [Shape("rectangle", x, top + BAR / 2 - 1, bar, BAR - 2, node.bar, node.bar, 0.5, (BAR - 2) / 2),
                  Text(x, top + BAR / 2 + 2, [Run(node.operation)], BAR_SIZE, limit=bar - 4)]
        top += BAR
    for label in node.labels:
        top += leading(label)
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
