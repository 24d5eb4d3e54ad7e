"""A scene as SVG. Sub- and superscripts are placed with coordinates: `baseline-shift` is ignored by some browsers."""
from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from tinygrad_course.tensor import Array
from tinygrad_course.visualize.scene.palette import CLASS, LIGHT, colour, following
from tinygrad_course.visualize.scene.shapes import Curve, Group, Item, Picture, Scene, Shape, corners
from tinygrad_course.visualize.scene.lettering import Text, clean, placed_letters

FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif"


def following_svg(scene: Scene) -> str:
    """The scene without paper, in colours that are light or dark as the page is that shows it."""
    palette, rules = following(sorted(_colours(scene.items)))
    return to_svg(scene, palette, background=False, rules=rules)


def _colours(items: Iterable[Item]) -> Iterator[str]:
    for item in items:
        if isinstance(item, Group):
            yield from _colours(item.items)
        elif isinstance(item, Shape):
            yield from (item.fill, item.stroke)
        elif isinstance(item, (Text, Curve)):
            yield item.colour


def to_svg(scene: Scene, palette: Mapping[str, str] = LIGHT, background: bool = True, rules: str = "") -> str:
    """The scene as the text of an SVG document.

    palette: from roles to CSS colours, also such as ``var(--ink)``. background: whether to paint the paper. rules: a
    style sheet, for what the palette refers to.
    """
    width, height = _number(scene.width), _number(scene.height)
    paper = f'<rect width="{width}" height="{height}" fill="{palette["paper"]}"/>\n' if background else ""
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}pt" height="{height}pt" '
            f'viewBox="0 0 {width} {height}" role="img" font-family={quoteattr(FONT)}'
            + (f' class="{CLASS}">\n<style>{rules}</style>\n' if rules else ">\n") +
            f"<title>{_escape(scene.title)}</title>\n<desc>{_escape(scene.description)}</desc>\n{paper}"
            + "\n".join(_item(item, palette) for item in scene.items) + "\n</svg>\n")


def _item(item: Item, palette: Mapping[str, str]) -> str:
    if isinstance(item, Text):
        return _text(item, palette)
    if isinstance(item, Shape):
        return _shape(item, palette)
    if isinstance(item, Curve):
        return _curve(item, palette)
    if isinstance(item, Picture):
        return _picture(item)
    identifier = f" id={quoteattr(clean(item.identifier))}" if item.identifier else ""
    tooltip = f"<title>{_escape(item.tooltip)}</title>" if item.tooltip else ""
    return f"<g{identifier}>{tooltip}" + "\n".join(_item(child, palette) for child in item.items) + "</g>"


def _text(text: Text, palette: Mapping[str, str]) -> str:
    style = ' font-weight="bold"' if text.bold else ""
    letters = "".join(_letters(*placed) for placed in placed_letters(text))
    return f'<g fill="{colour(palette, text.colour)}"{style}>{letters}</g>' if letters else ""


def _letters(letters: str, x: float, y: float, size: float, width: float) -> str:
    if not letters.strip():
        return ""
    return (f'<text x="{_number(x)}" y="{_number(y)}" font-size="{_number(size)}" xml:space="preserve" '
            f'textLength="{_number(width)}" lengthAdjust="spacingAndGlyphs">{_escape(letters)}</text>')


def _shape(shape: Shape, palette: Mapping[str, str]) -> str:
    style = (f'fill="{colour(palette, shape.fill)}" stroke="{colour(palette, shape.stroke)}" '
             f'stroke-width="{_number(shape.stroke_width)}"' + (' stroke-dasharray="4 3"' if shape.dashed else ""))
    x, y, w, h = shape.x, shape.y, shape.width, shape.height
    if shape.kind == "ellipse":
        return (f'<ellipse cx="{_number(x)}" cy="{_number(y)}" rx="{_number(w / 2)}" ry="{_number(h / 2)}" '
                f'{style}/>')
    if shape.kind != "rectangle":
        points = " ".join(f"{_number(a)},{_number(b)}" for a, b in corners(shape))
        return f'<polygon points="{points}" stroke-linejoin="round" {style}/>'
    return (f'<rect x="{_number(x - w / 2)}" y="{_number(y - h / 2)}" width="{_number(w)}" height="{_number(h)}" '
            f'rx="{_number(shape.radius)}" {style}/>')


def _curve(curve: Curve, palette: Mapping[str, str]) -> str:
    stroke = colour(palette, curve.colour)
    points = [(_number(x), _number(y)) for x, y in curve.points]
    path = f"M{points[0][0]},{points[0][1]}" + ("C" if curve.bezier else "L") + " ".join(
        f"{x},{y}" for x, y in points[1:])
    dashes = ' stroke-dasharray="4 3"' if curve.dashed else ""
    drawn = f'<path d="{path}" fill="none" stroke="{stroke}" stroke-width="{_number(curve.width)}"{dashes}/>'
    if not curve.arrow:
        return drawn
    head = " ".join(f"{_number(x)},{_number(y)}" for x, y in arrow_head(curve))
    return drawn + f'<polygon points="{head}" fill="{stroke}"/>'


def arrow_head(curve: Curve) -> list[tuple[float, float]]:
    """The three corners of the arrow at the end of a curve."""
    x, y = curve.points[-1]
    back_x, back_y = next((point for point in reversed(curve.points[:-1]) if point != (x, y)), (x - 1.0, y))
    length = 5.0 + 1.5 * curve.width
    stretch = length / math.hypot(x - back_x, y - back_y)
    along_x, along_y = stretch * (x - back_x), stretch * (y - back_y)
    across_x, across_y = -0.4 * along_y, 0.4 * along_x
    return [(x, y), (x - along_x + across_x, y - along_y + across_y), (x - along_x - across_x, y - along_y - across_y)]


def _picture(picture: Picture) -> str:
    data = base64.b64encode(png(picture.pixels)).decode()
    return (f'<image x="{_number(picture.x - picture.width / 2)}" y="{_number(picture.y - picture.height / 2)}" '
            f'width="{_number(picture.width)}" height="{_number(picture.height)}" preserveAspectRatio="none" '
            f'style="image-rendering:pixelated" href="data:image/png;base64,{data}"/>')


def png(pixels: Array) -> bytes:
    """A PNG file's bytes of an array (height, width, 3) of bytes."""
    array = np.ascontiguousarray(pixels, dtype=np.uint8)
    height, width, _ = array.shape
    rows = np.zeros((height, 1 + 3 * width), np.uint8)  # each row begins with 0: it is not filtered
    rows[:, 1:] = array.reshape(height, 3 * width)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows.tobytes())) + chunk(b"IEND", b""))


def _escape(text: str) -> str:
    return escape(clean(text))


def _number(value: float) -> str:
    text = f"{value:.2f}"
    return text[:-3] if text.endswith(".00") else text[:-1] if text[-1] == "0" else text
