"""A picture as a list of shapes at exact places, which `svg` and `raster` know how to draw.

Layouts, of Graphviz or our own, end here: every shape has coordinates in points (1/72 inch), x to the right and y
down. Colours are names of a role, such as "ink" or "parameter"; a `palette` says how a role looks.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from tinygrad_course.tensor import Array
from tinygrad_course.visualize.scene.lettering import Text


@dataclass(frozen=True)
class Shape:
    """A rectangle (with round corners of `radius`) or an ellipse that fills width x height around its centre."""

    kind: str  # "rectangle", "ellipse", or one that `corners` knows
    x: float
    y: float
    width: float
    height: float
    fill: str = "paper"
    stroke: str = "ink"
    stroke_width: float = 1.0
    radius: float = 0.0
    dashed: bool = False


def corners(shape: Shape) -> list[tuple[float, float]]:
    """The corners of a shape with straight sides, clockwise."""
    x, y, w, h = shape.x, shape.y, shape.width / 2, shape.height / 2
    cut = min(h, w, 10.0) if shape.kind != "octagon" else min(h * 0.6, w * 0.6, 10.0)
    points = {
        "hexagon": [(-w, 0.0), (cut - w, -h), (w - cut, -h), (w, 0.0), (w - cut, h), (cut - w, h)],
        "octagon": [(-w, cut - h), (cut - w, -h), (w - cut, -h), (w, cut - h), (w, h - cut), (w - cut, h),
                    (cut - w, h), (-w, h - cut)],
        "parallelogram": [(cut - w, -h), (w, -h), (w - cut, h), (-w, h)],
        "note": [(-w, -h), (w - cut, -h), (w, cut - h), (w, h), (-w, h)],
        "rectangle": [(-w, -h), (w, -h), (w, h), (-w, h)],
    }[shape.kind]
    return [(x + a, y + b) for a, b in points]


def is_within(shape: Shape, x: float, y: float) -> bool:
    """Whether a point is within a shape, or on its outline."""
    a, b = abs(x - shape.x), abs(y - shape.y)
    if shape.kind == "ellipse":
        return (2 * a / shape.width) ** 2 + (2 * b / shape.height) ** 2 <= 1
    if shape.kind == "rectangle":
        radius = shape.radius
        over = max(0.0, a - shape.width / 2 + radius), max(0.0, b - shape.height / 2 + radius)
        return math.hypot(*over) <= radius or not radius and over == (0.0, 0.0)
    points = corners(shape)
    return all((x2 - x1) * (y - y1) - (y2 - y1) * (x - x1) >= 0
               for (x1, y1), (x2, y2) in zip(points, [*points[1:], points[0]]))


@dataclass(frozen=True)
class Curve:
    """A line through points: straight from one to the next, or as cubic Bezier pieces (1 + 3 n points)."""

    points: Sequence[tuple[float, float]]
    bezier: bool = False
    arrow: bool = True
    colour: str = "line"
    width: float = 1.0
    dashed: bool = False


@dataclass(frozen=True)
class Picture:
    """An array (height, width, 3) of bytes, drawn with sharp pixels around its centre."""

    x: float
    y: float
    width: float
    height: float
    pixels: Array


@dataclass(frozen=True)
class Group:
    """Shapes that belong together. tooltip: shown when the mouse rests on them; identifier: a stable name."""

    items: Sequence[Item]
    identifier: str = ""
    tooltip: str = ""


Item = Text | Shape | Curve | Picture | Group


@dataclass
class Scene:
    """A whole picture. title and description are read aloud to those who cannot see it.

    layout: one line that says what placed the items, such as "laid out by dot 2.43".
    """

    width: float
    height: float
    title: str
    description: str = ""
    items: list[Item] = field(default_factory=list)
    layout: str = ""
