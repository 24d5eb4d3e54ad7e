"""A picture as a list of shapes at exact places, which `svg` and `raster` know how to draw.

Layouts, of Graphviz or our own, end here: every shape has coordinates in points (1/72 inch), x to the right and y
down. Colours are names of a role, such as "ink" or "parameter"; a palette says how a role looks.
"""
from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
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

    kind: str  # "rectangle", "ellipse", "hexagon", "note"
    x: float
    y: float
    width: float
    height: float
    fill: str = "paper"
    stroke: str = "ink"
    stroke_width: float = 1.0
    radius: float = 0.0
    dashed: bool = False


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


def shortened(line: Line, size: float, limit: float, bold: bool = False) -> Line:
    """The line, cut and closed with an ellipsis where it is wider than `limit`."""
    if line_width(line, size, bold) <= limit:
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
