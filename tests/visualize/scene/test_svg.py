"""Scenes and their SVG: well-formed whatever the text is, with every letter where it was reckoned to be."""

import io
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping

import numpy as np
import pytest

from tinygrad_course.visualize.scene.palette import DARK, LIGHT, colour
from tinygrad_course.visualize.scene.shapes import Curve, Group, Picture, Scene, Shape, corners, is_within
from tinygrad_course.visualize.scene.lettering import Run, Text, fitted, line_width, placed_letters, text_width
from tinygrad_course.visualize.scene.svg import png, to_svg

SVG = "{http://www.w3.org/2000/svg}"
TEXTS = ["<b>", "a:b", "{x|y}", "\"quotes\" and 'quotes'", "back\\slash", "\\", "]]>", "&amp;", "<!--", "ŷ = σ(Wx)",
         "重み", "وزن", "🙂", "a\nb\tc", "\x00\x1b[31m", "\ud800", "\uffff", "é", "$x^2$", "x" * 10_000, ""]


def drawn(*items: object, palette: Mapping[str, str] = LIGHT) -> ElementTree.Element:
    scene = Scene(200, 100, "title", "description", list(items))  # type: ignore[arg-type]
    return ElementTree.fromstring(to_svg(scene, palette))


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_gives_well_formed_svg(text: str) -> None:
    root = drawn(Group([Text(50, 50, [Run(text, text, text)], limit=180)], text, text))
    shown = "".join(element.text or "" for element in root.iter(f"{SVG}text"))
    if text.isprintable() and 0 < len(text) < 20:
        assert text in shown
    for element in root.iter(f"{SVG}text"):
        assert float(element.attrib["x"]) >= 50 - 90.1
        assert float(element.attrib["x"]) + float(element.attrib["textLength"]) <= 50 + 90.1


def test_scripts_are_placed_with_coordinates() -> None:
    scene = Scene(200, 100, "", items=[Text(10, 50, [Run("a", "j", "[l]"), Run("x")], 20.0, "start")])
    text = to_svg(scene)
    assert "baseline-shift" not in text and "<tspan" not in text
    letters = {element.text: element.attrib for element in ElementTree.fromstring(text).iter(f"{SVG}text")}
    assert list(letters) == ["a", "j", "[l]", "x"]
    y = {name: float(attributes["y"]) for name, attributes in letters.items()}
    x = {name: float(attributes["x"]) for name, attributes in letters.items()}
    assert y["[l]"] < y["a"] == y["x"] < y["j"]
    assert x["a"] < x["j"] == x["[l]"] < x["x"]
    assert float(letters["j"]["font-size"]) < 20
    width = text_width("a", 20)
    assert x["[l]"] >= 10 + width and x["x"] >= x["[l]"] + text_width("[l]", 14)


@pytest.mark.parametrize("anchor, x", [("start", 100.0), ("middle", 50.0), ("end", 0.0)])
def test_anchors(anchor: str, x: float) -> None:
    line = [Run("mmm", "", "2"), Run(" and more")]
    width = line_width(line, 12)
    pieces = list(placed_letters(Text(100, 0, line, anchor=anchor)))
    assert pieces[0][1] == pytest.approx(100 - width * (100 - x) / 100)
    assert max(start + length for _, start, _, _, length in pieces) <= pieces[0][1] + width + 1e-9


def test_what_is_too_wide_is_cut() -> None:
    for line in ([Run("W" * 50)], [Run("W", sup="[1]")] * 20, [Run("", "x" * 100)]):
        for limit in (5.0, 20.0, 100.0):
            cut = fitted(line, 10.0, limit)
            assert line_width(cut, 10.0) <= max(limit, text_width("…", 10.0))
            assert cut[-1].text.endswith("…")
    line = [Run("just"), Run("fits", sup="2")]
    assert fitted(line, 10.0, line_width(line, 10.0)) is line


KINDS = ["rectangle", "ellipse", "hexagon", "octagon", "parallelogram", "note"]


@pytest.mark.parametrize("kind", KINDS)
def test_shapes(kind: str) -> None:
    shape = Shape(kind, 50, 40, 60, 30, "parameter", "ink", 1.5, 4.0, True)
    root = drawn(shape)
    element = list(root)[-1]
    assert element.attrib["fill"] == LIGHT["parameter"] and element.attrib["stroke-dasharray"]
    assert is_within(shape, 50, 40) and not is_within(shape, 50, 56) and not is_within(shape, 81, 40)
    if kind not in ("ellipse", "rectangle"):
        points = np.array([point.split(",") for point in element.attrib["points"].split()], dtype=float)
        assert points.min(axis=0) == pytest.approx((20, 25)) and points.max(axis=0) == pytest.approx((80, 55))
        for x, y in corners(shape):
            assert is_within(shape, x, y)
            assert not is_within(shape, x + 0.1 * (x - 50), y + 0.1 * (y - 40))


def test_an_arrow_ends_at_its_last_point() -> None:
    path, head = list(drawn(Curve([(0, 0), (0, 10), (20, 30), (20, 40)], bezier=True)))[-2:]
    assert path.attrib["d"] == "M0,0C0,10 20,30 20,40"
    tip, *back = (tuple(map(float, point.split(","))) for point in head.attrib["points"].split())
    assert tip == (20, 40) and all(y < 40 for _, y in back)
    for points in ([(1, 1), (1, 1)], [(5, 5), (5, 5), (5, 5), (5, 5)]):  # no direction: drawn all the same
        drawn(Curve(points, bezier=len(points) == 4))


def test_colours() -> None:
    assert colour(LIGHT, "ink") == LIGHT["ink"] and colour(LIGHT, "#123456") == "#123456"
    assert colour({"paper": "#ffffff", "positive": "#000000"}, "positive@0.5") == "#808080"
    assert colour(LIGHT, "positive@1") == LIGHT["positive"] and colour(DARK, "positive@0") == DARK["paper"]
    assert colour({"paper": "var(--paper)", "positive": "var(--p)"}, "positive@0.25") == \
        "color-mix(in srgb, var(--p) 25%, var(--paper))"
    assert LIGHT.keys() == DARK.keys()


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_text_can_be_read(palette: Mapping[str, str]) -> None:
    """The contrast of ink on every ground is at least 4.5 to 1, as the accessibility guidelines (WCAG 2) ask."""
    def luminance(name: str) -> float:
        parts = (int(colour(palette, name)[i:i + 2], 16) / 255 for i in (1, 3, 5))
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    grounds = ["paper", "panel", "parameter", "input", "step", "operation", "cost", "gradient", "positive@0.5"]
    for text, on in [*(("ink", ground) for ground in grounds), ("muted", "paper"), ("error", "paper"),
                     ("warning", "paper")]:
        low, high = sorted((luminance(text), luminance(on)))
        assert (high + 0.05) / (low + 0.05) >= 4.5, (text, on)


def test_pictures() -> None:
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.RandomState(1).randint(0, 256, (5, 7, 3)).astype(np.uint8)
    assert np.array_equal(np.asarray(image.open(io.BytesIO(png(pixels)))), pixels)
    element = list(drawn(Picture(50, 50, 20, 10, pixels[:, ::-1])))[-1]
    assert element.tag == f"{SVG}image" and re.match("data:image/png;base64,[A-Za-z0-9+/=]+$", element.attrib["href"])
