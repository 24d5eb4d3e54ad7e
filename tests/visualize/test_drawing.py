"""Drawings as users get them: files in every format, with and without Graphviz and matplotlib; notebooks."""

import re
import shutil
import sys
import types
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import graphviz
import numpy as np
import pytest

from tinygrad_course import Tensor, nn
from tinygrad_course.errors import InputError
from tinygrad_course.models import PlanarClassifier
from tinygrad_course.visualize import Drawing, draw_graph, show_in_notebook
from tinygrad_course.visualize.scene import raster
from tinygrad_course.visualize.scene.shapes import Curve, Group, Picture, Run, Scene, Shape, Text

STARTS = {".svg": b"<svg ", ".png": b"\x89PNG\r\n\x1a\n", ".pdf": b"%PDF-", ".dot": b"digraph", ".gv": b"digraph"}
PIXELS = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
EVERYTHING = Scene(300, 200, "All: <&>", "described", [
    Group([Shape(kind, 30 + 40 * i, 30, 30, 20, "parameter", radius=4, dashed=i % 2 == 0)
           for i, kind in enumerate(("rectangle", "ellipse", "hexagon", "octagon", "parallelogram", "note"))],
          "a", "b"),
    Text(20, 80, [Run("W", "ij", "[1]"), Run(" 重み $x$ \ud800 \n")], 14, "start", bold=True, italic=True,
         limit=200),
    Text(20, 80, [Run("")]), Curve([(10, 100), (50, 100), (50, 150), (90, 150)], bezier=True, dashed=True),
    Curve([(10, 120), (90, 120), (100, 130)], arrow=False, colour="#ff0000"),
    Shape("rectangle", 200, 150, 60, 45), Picture(200, 150, 40, 40, PIXELS)], layout="placed by hand")


@pytest.fixture(params=["dot", "no dot"])
def layout(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Everything is drawn with the program dot and with an empty PATH."""
    if request.param == "no dot":
        monkeypatch.setenv("PATH", "")
    elif shutil.which("dot") is None:
        pytest.skip("Graphviz's program dot is not installed")
    return str(request.param)


def graph() -> Drawing:
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    return draw_graph((x * x).sum())


@pytest.mark.parametrize("ending", STARTS)
def test_every_file(ending: str, layout: str, tmp_path: Path) -> None:
    for number, drawing in enumerate((graph(), Drawing("all", scene=EVERYTHING))):
        path = tmp_path / f"picture {number}{ending}"
        assert drawing.write(str(path)) == path
        assert path.read_bytes().startswith(STARTS[ending])
        drawing.write(tmp_path / f"PICTURE{number}{ending.upper()}")
        assert (tmp_path / f"PICTURE{number}{ending.upper()}").read_bytes() == path.read_bytes(), "not the same twice"
        if ending in (".svg", ".png", ".pdf"):
            dark = tmp_path / f"dark{ending}"
            drawing.write(dark, dark=True)
            assert dark.read_bytes().startswith(STARTS[ending]) and dark.read_bytes() != path.read_bytes()


def test_the_line_says_what_was_used(layout: str) -> None:
    used = graph().layout_used
    assert re.match(r"laid out by dot \d" if layout == "dot" else "laid out by tinygrad_course: the program dot is "
                    "not installed$", used)
    assert used in graph().svg()
    assert Drawing(scene=EVERYTHING).layout_used == "placed by hand"


def test_png_shows_what_svg_shows() -> None:
    image = pytest.importorskip("PIL.Image")
    pytest.importorskip("matplotlib")
    import io
    drawing = Drawing("all", scene=EVERYTHING)
    picture = np.asarray(image.open(io.BytesIO(drawing.png(scale=2))).convert("RGB")).astype(int)
    assert picture.shape == (400, 600, 3)
    for name, x, y, expected in [
            ("paper", 290, 190, (255, 255, 255)), ("rectangle", 24, 26, (0xfb, 0xe3, 0xb5)),
            ("pixels", 182.5, 132.5, PIXELS[0, 0]), ("more pixels", 217.5, 167.5, PIXELS[3, 3]),
            ("red line", 50, 120, (255, 0, 0))]:
        assert picture[int(2 * y), int(2 * x)] == pytest.approx(np.array(expected), abs=6), name
    # The bold W stands where svg puts it: on its baseline, y = 80, from x = 20.
    letters = picture[2 * 60:2 * 95, 2 * 18:2 * 34].sum(axis=2) < 300
    rows, columns = np.nonzero(letters)
    assert rows.max() + 2 * 60 == pytest.approx(2 * 80, abs=2)
    assert columns.min() + 2 * 18 == pytest.approx(2 * 20, abs=3)


def test_drawing_a_picture_leaves_matplotlib_alone() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    loaded = "matplotlib.pyplot" in sys.modules
    with matplotlib.rc_context({"path.sketch": (1, 100, 2), "font.size": 3}):
        before = matplotlib.rcParams.copy()  # to read them one by one would choose a backend
        sketched = Drawing(scene=EVERYTHING).png()
        assert matplotlib.rcParams.copy() == before
    assert sketched == Drawing(scene=EVERYTHING).png()
    assert ("matplotlib.pyplot" in sys.modules) == loaded


def test_without_matplotlib(layout: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(raster, "is_available", lambda: False)
    for ending in (".png", ".pdf"):
        path = tmp_path / f"x{ending}"
        path.write_text("before")
        if layout == "dot":
            graph().write(path)
            assert path.read_bytes().startswith(STARTS[ending])
        else:
            with pytest.raises(InputError, match=r'pip install "tinygrad_course\[plots\]"'):
                graph().write(path)
            assert path.read_text() == "before"
            assert [file.name for file in tmp_path.iterdir()] == [path.name]
            path.unlink()
    graph().write(tmp_path / "x.svg")


@pytest.mark.parametrize("name", ["x", "x.jpg", "x.svg.gz", "svg", ".svg", "x.", "x.PNGG"])
def test_unknown_endings(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the ending .* is unknown; there are \.svg, \.png, \.pdf, \.dot, \.gv"):
        graph().write(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no folder .*missing"):
        graph().write(tmp_path / "missing" / "x.svg")
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(InputError, match="this is a folder"):
        graph().write(tmp_path / "folder.svg")
    protected = tmp_path / "protected.svg"
    protected.write_text("")
    protected.chmod(0o400)
    if not __import__("os").access(protected, __import__("os").W_OK):
        with pytest.raises(PermissionError, match="protected"):
            graph().write(protected)


def test_it_is_a_digraph_of_graphviz() -> None:
    drawing = graph()
    assert isinstance(drawing, graphviz.Digraph)
    assert "t1 -> t2" in drawing.source
    copy = drawing.copy()
    assert copy.source == drawing.source and copy.svg() == drawing.svg()
    with drawing.subgraph(name="cluster_more") as more:  # type: ignore[attr-defined]
        more.node("mine")
    assert "mine" in drawing.source and "mine" not in copy.source


def test_what_is_added_later_is_drawn_by_graphviz(layout: str) -> None:
    drawing = graph()
    before = drawing.svg()
    drawing.node("mine", label="my own")
    if layout == "dot":
        ElementTree.fromstring(drawing.svg())
        assert "my own" in drawing.svg() and drawing.svg() != before
        assert drawing.png().startswith(STARTS[".png"])
        assert "by Graphviz" in drawing.layout_used
    else:
        with pytest.raises(InputError, match="Graphviz's program dot.* is not installed"):
            drawing.svg()


def test_the_scene_is_made_when_it_is_needed_and_once() -> None:
    made = []

    def make() -> Scene:
        made.append(1)
        return EVERYTHING
    drawing = Drawing("later", scene=make)
    assert not made and drawing.source
    assert drawing.scene is drawing.scene is EVERYTHING and len(made) == 1
    with pytest.raises(InputError, match="has no scene"):
        Drawing("none").scene


def test_what_notebooks_show() -> None:
    bundle = graph()._repr_mimebundle_()
    assert list(bundle) == ["image/svg+xml"]
    ElementTree.fromstring(bundle["image/svg+xml"])
    some = graph()._repr_mimebundle_(include=["image/png", "text/plain"], exclude=["text/plain"])
    assert list(some) == ["image/png"] and some["image/png"].startswith(STARTS[".png"])
    assert repr(graph()) == graph()._repr_mimebundle_(include=["text/plain"])["text/plain"]


class Formatter(dict[type, Callable[[Any], Any]]):
    """What IPython's formatter does for a type and those derived from it."""

    def for_type(self, kind: type, function: Callable[[Any], Any]) -> None:
        self[kind] = function

    def shown(self, thing: object) -> Any:
        return next((self[kind](thing) for kind in type(thing).__mro__ if kind in self), None)


def test_tensors_and_modules_show_themselves_in_notebooks(monkeypatch: pytest.MonkeyPatch) -> None:
    formatter = Formatter()
    ipython = types.ModuleType("IPython")
    shell = types.SimpleNamespace(display_formatter=types.SimpleNamespace(formatters={"image/svg+xml": formatter}))
    ipython.get_ipython = lambda: shell  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    y = (x * x).sum()
    show_in_notebook(values=True)
    assert ">5<" in formatter.shown(y)
    assert ElementTree.fromstring(formatter.shown(PlanarClassifier())).tag.endswith("svg")
    assert formatter.shown(x) is None and formatter.shown(Tensor(1.0)) is None
    assert formatter.shown(nn.Module()) is None
    with pytest.raises(InputError, match="has no colour_by; it has .*colour"):
        show_in_notebook(colour_by="x")
    show_in_notebook(False)
    assert not formatter
    ipython.get_ipython = lambda: None  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="there is no notebook here"):
        show_in_notebook()
