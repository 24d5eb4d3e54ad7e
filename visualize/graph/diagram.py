"""A diagram: boxes with lines of text, arrows and frames around boxes, without places yet."""
from __future__ import annotations

from dataclasses import dataclass, field

from tinygrad_course.tensor import Array
from tinygrad_course.visualize.scene.lettering import Line, line_width, text_width

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
    "brought": BoxStyle("value of the forward pass", "rectangle", "positive@0.14", "box,rounded", side=7, radius=99,
                        stroke="positive"),
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
    """A box.

    operation: what stands in the bar at its top, in the colour `bar`. alarm: red border. called: what it is called
    where the backward pass uses it.
    """

    identifier: str
    kind: str
    labels: list[Label] = field(default_factory=list)
    operation: str = ""
    bar: str = "operation"
    fill: str = ""  # in place of that of its kind
    pictures: list[Array] = field(default_factory=list)  # arrays (height, width, 3) of bytes, side by side
    picture_size: tuple[float, float] = (0.0, 0.0)     # of each, in points
    tooltip: str = ""
    group: int | None = None
    upward: bool = False
    alarm: bool = False
    called: Line = ()

    def size(self) -> tuple[float, float]:
        """Width and height in points."""
        style = STYLES[self.kind]
        width = max((min(WIDEST, label.width()) for label in self.labels), default=0.0)
        height = sum(leading(label) for label in self.labels)
        if self.operation:
            width = max(width, text_width(self.operation, BAR_SIZE) + 10)
            height += BAR
        if self.pictures:
            width = max(width, len(self.pictures) * (self.picture_size[0] + 3) - 3)
            height += self.picture_size[1] + 4
        return max(width, 14.0) + 2 * style.side, height + (8 if self.labels or self.pictures else 6)


BAR, BAR_SIZE = 15.0, 9.0


def leading(label: Label) -> float:
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
    """Everything that is in the picture.

    notes: lines below it. `upward` boxes form a panel of their own. rightward: the forward pass goes to the right, not
    down, and what is called upward goes to the left.
    """

    title: str
    nodes: list[Box]
    edges: list[Arrow]
    clusters: list[Frame] = field(default_factory=list)
    description: str = ""
    notes: list[str] = field(default_factory=list)
    legend: list[str] = field(default_factory=list)  # lines of text in the legend
    has_legend: bool = True
    rightward: bool = False
