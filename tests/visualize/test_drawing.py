"""Drawings as users get them: files in every format, with and without Graphviz and matplotlib; notebooks."""

import os
import re
import shutil
import signal
import sys
import tempfile
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
from tinygrad_course.visualize.scene import raster, viewer
from tinygrad_course.visualize.scene.shapes import Curve, Group, Picture, Scene, Shape
from tinygrad_course.visualize.scene.lettering import Run, Text

STARTS = {".svg": b"<svg ", ".png": b"\x89PNG\r\n\x1a\n", ".pdf": b"%PDF-", ".dot": b"digraph", ".gv": b"digraph"}
PIXELS = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
EVERYTHING = Scene(300, 200, "All: <&>", "described", [
    Group([Shape(kind, 30 + 40 * i, 30, 30, 20, "parameter", radius=4, dashed=i % 2 == 0)
           for i, kind in enumerate(("rectangle", "ellipse", "hexagon", "octagon", "parallelogram", "note"))],
          "a", "b"),
    Text(20, 80, [Run("W", "ij", "[1]"), Run(" 重み $x$ \ud800 \n")], 14, "start", bold=True,
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


def everything() -> Drawing:
    return Drawing("all", lambda: EVERYTHING, graphviz.Digraph)


def graph() -> Drawing:
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    return draw_graph((x * x).sum())


@pytest.mark.parametrize("ending", STARTS)
def test_every_file(ending: str, layout: str, tmp_path: Path) -> None:
    for number, drawing in enumerate((graph(), everything())):
        path = tmp_path / f"picture {number}{ending}"
        assert drawing.write(str(path)) == path
        assert path.read_bytes().startswith(STARTS[ending])
        drawing.write(tmp_path / f"PICTURE{number}{ending.upper()}")
        assert (tmp_path / f"PICTURE{number}{ending.upper()}").read_bytes() == path.read_bytes(), "not the same twice"
        if ending in (".svg", ".png", ".pdf"):
            dark = tmp_path / f"dark{ending}"
            drawing.write(dark, dark=True)
            assert dark.read_bytes().startswith(STARTS[ending]) and dark.read_bytes() != path.read_bytes()


def test_without_paper(tmp_path: Path) -> None:
    """What stands behind a transparent picture is seen where nothing is drawn, and only there."""
    image = pytest.importorskip("PIL.Image")
    pytest.importorskip("matplotlib")
    import io
    drawing = everything()
    for dark in (False, True):
        pixels = np.asarray(image.open(io.BytesIO(drawing.write(
            tmp_path / "x.png", dark=dark, transparent=True).read_bytes())).convert("RGBA"))
        assert pixels[380, 580, 3] == 0 and pixels[2 * 26, 2 * 24, 3] == 255
        solid = np.asarray(image.open(io.BytesIO(drawing.png(dark))).convert("RGBA"))
        assert (solid[..., 3] == 255).all() and solid[380, 580, 0] == (0x15 if dark else 0xff)
    paper = '<rect width="300" height="200"'
    assert paper in drawing.svg() and paper not in drawing.svg(transparent=True)
    assert drawing.pdf(transparent=True) != drawing.pdf()


def test_the_line_says_what_was_used(layout: str) -> None:
    used = graph().layout_used
    assert re.match(r"laid out by dot \d" if layout == "dot" else "laid out by tinygrad_course: the program dot is "
                    "not installed$", used)
    assert used in graph().svg()
    assert everything().layout_used == "placed by hand"


def test_png_shows_what_svg_shows() -> None:
    image = pytest.importorskip("PIL.Image")
    pytest.importorskip("matplotlib")
    import io
    drawing = everything()
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
        sketched = everything().png()
        assert matplotlib.rcParams.copy() == before
    assert sketched == everything().png()
    assert ("matplotlib.pyplot" in sys.modules) == loaded


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(raster, "is_available", lambda: False)
    for ending in (".png", ".pdf"):
        path = tmp_path / f"x{ending}"
        path.write_text("before")
        with pytest.raises(InputError, match="drawn by matplotlib, which is not installed: pip install matplotlib"):
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


def test_graphvizs_names_do_what_write_does(layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    drawing = graph()
    assert drawing.render() == Path("graph.svg")
    assert drawing.render("mine", format="png") == Path("mine.png")
    for ending in STARTS:
        written = drawing.write(tmp_path / f"x{ending}").read_bytes()
        assert drawing.pipe(ending[1:]) == written
        assert drawing.render("mine", format=ending[1:]).read_bytes() == written
    assert drawing.pipe() == drawing.svg().encode() == Path("graph.svg").read_bytes()
    for name in (drawing.pipe, lambda form: drawing.render("x", form)):
        with pytest.raises(InputError, match=r"format 'gif' is unknown; there are svg, .*digraph\.render"):
            name("gif")


def test_what_is_changed_in_the_digraph_is_graphvizs(layout: str, tmp_path: Path) -> None:
    drawing = graph()
    before = drawing.svg()
    assert isinstance(drawing.digraph, graphviz.Digraph) and "t1 -> t2" in drawing.source
    drawing.digraph.node("mine", label="my own")
    assert "my own" in drawing.write(tmp_path / "x.dot").read_text() and "my own" in drawing.source
    assert drawing.svg() == before
    if layout == "dot":
        assert "my own" in drawing.digraph.pipe("svg", encoding="utf-8")
    for name in ("node", "edge", "attr", "subgraph", "save"):
        with pytest.raises(AttributeError, match=rf"drawing\.digraph\.{name}$"):
            getattr(drawing, name)
    with pytest.raises(AttributeError, match="a Drawing has no 'nodes'$"):
        drawing.nodes


def test_scene_and_digraph_are_made_when_they_are_needed_and_once() -> None:
    made = []

    def scene() -> Scene:
        made.append("scene")
        return EVERYTHING

    def digraph() -> graphviz.Digraph:
        made.append("digraph")
        return graphviz.Digraph()
    drawing = Drawing("later", scene, digraph)
    assert not made and "later" in repr(drawing)
    assert drawing.scene is drawing.scene is EVERYTHING and made == ["scene"]
    assert drawing.digraph is drawing.digraph and made == ["scene", "digraph"]


@pytest.mark.parametrize("opener", ["", "exit 0", "exit 4", "/bin/sleep 60"])
def test_a_script_opens_it_or_says_where_it_is(opener: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                               capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(viewer, "PATIENCE", 0.2)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    if opener:
        program = tmp_path / "bin" / "xdg-open"
        program.write_text(f"#!/bin/sh\necho $$ $1 > {tmp_path}/asked\n{opener}\n")
        program.chmod(0o755)
    for number, show in enumerate((graph().show, graph().view)):
        show()
        said, path = capsys.readouterr().out.rstrip("\n").rsplit(" ", 1)
        assert said == ("opened" if opener in ("exit 0", "/bin/sleep 60") else "the picture is in")
        assert Path(path).parent == tmp_path and Path(path).read_text().startswith("<svg ") and path.endswith(".svg")
        if opener:
            process, asked = (tmp_path / "asked").read_text().split()
            assert asked == path
            if "sleep" in opener:
                os.killpg(int(process), signal.SIGKILL)
    monkeypatch.delenv("DISPLAY")
    graph().show()
    assert capsys.readouterr().out.startswith("the picture is in "), "there is no screen"


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
