"""A picture as a list of shapes at exact places, which `svg` and `raster` know how to draw.

Layouts, of Graphviz or our own, end here: every shape has coordinates in points (1/72 inch), x to the right and y
down. Colours are names of a role, such as "ink" or "parameter"; a palette says how a role looks.
"""
from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# Distinguishable by the colour-blind (Okabe and Ito 2008, lightened where text stands on them).
LIGHT: Mapping[str, str] = {
    "ink": "#1b1f24", "muted": "#6b7280", "line": "#9aa1ab", "paper": "#ffffff", "panel": "#f4f5f7",
    "parameter": "#fbe3b5", "input": "#cfe6f7", "step": "#ffffff", "operation": "#e9ebee", "cost": "#f7d0bf",
    "gradient": "#dff0e6", "warning": "#c2410c", "error": "#b91c1c", "positive": "#0072b2", "negative": "#d55e00",
}
DARK: Mapping[str, str] = {
    "ink": "#e6e8eb", "muted": "#9aa1ab", "line": "#6b7280", "paper": "#15181c", "panel": "#1f2329",
    "parameter": "#5c4512", "input": "#173f5c", "step": "#15181c", "operation": "#2b3037", "cost": "#5f2c17",
    "gradient": "#1c4630", "warning": "#fb923c", "error": "#f87171", "positive": "#56b4e9", "negative": "#e69f00",
}


def colour(palette: Mapping[str, str], name: str) -> str:
    """How a palette shows a colour: a role, "role@0.35" (35 % of the role over the paper) or a colour as it is."""
    role, _, part = name.partition("@")
    full = palette.get(role, role)
    if not part:
        return full
    share = min(1.0, max(0.0, float(part)))
    paper = palette["paper"]
    if full[:1] == paper[:1] == "#" and len(full) == len(paper) == 7:
        mixed = (round(share * int(full[i:i + 2], 16) + (1 - share) * int(paper[i:i + 2], 16)) for i in (1, 3, 5))
        return "#" + "".join(f"{value:02x}" for value in mixed)
    return f"color-mix(in srgb, {full} {share * 100:.0f}%, {paper})"  # such as var(--ink), which only browsers know


def clean(text: str) -> str:
    """One line without control characters, lone surrogates and what else XML cannot hold."""
    return "".join(" " if letter in "\t\n\r" else "�" if unicodedata.category(letter) in ("Cc", "Cs")
                   or letter in "\ufffe\uffff\u2028\u2029" else letter for letter in text)


@dataclass(frozen=True)
class Run:
    """A piece of a line of text: letters, with a subscript and a superscript stacked behind them, as in a_1^[1]."""

    text: str
    sub: str = ""
    sup: str = ""


Line = Sequence[Run]


@dataclass(frozen=True)
class Text:
    """One line of text. anchor: which of its ends, or its middle, is at x; y is its baseline."""

    x: float
    y: float
    line: Line
    size: float = 12.0
    anchor: str = "middle"  # "start", "middle", "end"
    colour: str = "ink"
    bold: bool = False
    italic: bool = False
    limit: float | None = None  # the width that it must not exceed; it is cut with an ellipsis


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
        "diamond": [(-w, 0.0), (0.0, -h), (w, 0.0), (0.0, h)],
        "triangle": [(-w, h), (0.0, -h), (w, h)],
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
    pixels: Any


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


# --------------------------------------------------------------------------------------------- text widths
# Browsers and printers have different fonts. These widths, of Helvetica in thousandths of the size, are close for
# every sans-serif font; `svg` fixes each line to the width that was reckoned here, so no text leaves its box.

_WIDTHS = {
    **dict.fromkeys("ijl'|", 222), **dict.fromkeys(" !,./:;I[]\\ftI()-`", 305), **dict.fromkeys('r"*{}°', 360),
    **dict.fromkeys("Jcksvxyz^", 500), **dict.fromkeys("abdeghnopquL0123456789$#_?", 560),
    **dict.fromkeys("+<>=~FTZ×·−", 600), **dict.fromkeys("ABEKPSVXY&", 670), **dict.fromkeys("CDHNRUwGOQ", 750),
    **dict.fromkeys("mM%", 850), **dict.fromkeys("W@…", 1000),
}
SCRIPT = 0.7       # size of sub- and superscripts
SUBSCRIPT = 0.28   # how far below the baseline a subscript stands, in sizes of the letter
SUPERSCRIPT = 0.42  # how far above


def text_width(text: str, size: float, bold: bool = False) -> float:
    """The width of plain text in points."""
    units = 0
    for letter in text:
        if unicodedata.combining(letter):
            continue
        units += _WIDTHS.get(letter, 1000 if unicodedata.east_asian_width(letter) in "WF" else 620)
    return units * size / 1000 * (1.07 if bold else 1.0)


def run_width(run: Run, size: float, bold: bool = False) -> float:
    scripts = max(text_width(run.sub, size * SCRIPT, bold), text_width(run.sup, size * SCRIPT, bold))
    return text_width(run.text, size, bold) + (scripts + size * 0.06 if scripts else 0.0)


def line_width(line: Line, size: float, bold: bool = False) -> float:
    return sum(run_width(run, size, bold) for run in line)


def placed_letters(text: Text) -> Iterator[tuple[str, float, float, float, float]]:
    """The pieces of a line, with its sub- and superscripts: letters, x of their start, baseline, size and width."""
    size, bold = text.size, text.bold
    line = text.line if text.limit is None else shortened(text.line, size, text.limit, bold)
    width = line_width(line, size, bold)
    x = text.x - {"start": 0.0, "middle": width / 2, "end": width}[text.anchor]
    for run in line:
        letters = text_width(run.text, size, bold)
        yield run.text, x, text.y, size, letters
        for script, shift in ((run.sub, SUBSCRIPT), (run.sup, -SUPERSCRIPT)):
            if script:
                yield (script, x + letters + size * 0.06, text.y + shift * size, size * SCRIPT,
                       text_width(script, size * SCRIPT, bold))
        x += run_width(run, size, bold)


def shortened(line: Line, size: float, limit: float, bold: bool = False) -> Line:
    """The line, cut and closed with an ellipsis where it is wider than `limit`."""
    if line_width(line, size, bold) <= limit + 0.01:  # it may have been reckoned as exactly as wide
        return line
    kept: list[Run] = []
    room = limit - text_width("…", size, bold)
    for run in line:
        width = run_width(run, size, bold)
        if width > room:
            letters = run.text
            while letters and text_width(letters, size, bold) > room:
                letters = letters[:min(len(letters) - 1, int(len(letters) * 0.9))]
            kept.append(Run(letters + "…"))
            return kept
        kept.append(run)
        room -= width
    return kept
