"""Pictures in notebooks: all that a cell makes appear, once, in their order; light or dark as the page is."""

import sys
import types
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browser import ask

from tinygrad_course.visualize import Drawing, draw_network
from tinygrad_course.visualize.scene import viewer
from tinygrad_course.visualize.scene.palette import DARK, LIGHT
from tinygrad_course.visualize.scene.svg import following_svg


class Notebook:
    """What a kernel does with the result of a cell and with display(), as far as pictures notice."""

    def __init__(self) -> None:
        self.ended: list[Callable[[Any], None]] = []
        self.shown: list[Any] = []
        self.kernel = object()
        self.displayhook = types.SimpleNamespace(msg=None)
        self.events = types.SimpleNamespace(register=lambda event, function: self.ended.append(function))

    def display(self, thing: Any, raw: bool = False) -> None:
        if raw:
            self.shown.append(thing)
        elif hasattr(thing, "_ipython_display_"):
            thing._ipython_display_()
        else:
            bundle = thing._repr_mimebundle_()
            self.shown.append(bundle)

    def cell(self, run: Callable[[], Any]) -> list[str]:
        """The pictures that a cell shows, as their SVG texts."""
        self.shown.clear()
        try:
            result = run()
            if result is not None:
                self.displayhook.msg = "execute_result"
                self.display(result)
                self.displayhook.msg = None
        finally:
            for function in self.ended:
                function(None)
        assert all("image/svg+xml" in bundle and set(bundle) <= {"image/svg+xml", "text/plain"}
                   for bundle in self.shown), "a picture is stored more than once"
        return [bundle["image/svg+xml"] for bundle in self.shown]


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    notebook = Notebook()
    ipython = types.ModuleType("IPython")
    ipython.version_info = (9, 0)  # type: ignore[attr-defined]
    ipython.get_ipython = lambda: notebook  # type: ignore[attr-defined]
    ipython.display = types.SimpleNamespace(display=notebook.display)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setattr(viewer, "_watched", [])
    monkeypatch.setattr(viewer, "_waiting", [])
    return notebook


def network(inputs: int) -> Drawing:
    return draw_network([inputs, 1])


def svgs(*inputs: int) -> list[str]:
    return [following_svg(draw_network([n, 1]).scene) for n in inputs]


def test_every_picture_of_a_cell_appears_in_the_order_in_which_it_was_made(notebook: Notebook) -> None:
    def three() -> Drawing:
        network(1)
        network(2)
        return network(3)

    def assigned() -> None:
        one, two = network(4), network(5)  # noqa: F841

    def earlier_one_as_result() -> Drawing:
        one = network(6)
        network(7)
        return one
    for cell, expected in ((three, (1, 2, 3)), (assigned, (4, 5)), (earlier_one_as_result, (6, 7)),
                           (lambda: None, ())):
        assert notebook.cell(cell) == svgs(*expected)
    assert len(notebook.ended) == 1


def test_what_was_used_does_not_appear_again(notebook: Notebook, tmp_path: Path) -> None:
    kept: list[Drawing] = []

    def cell() -> None:
        kept.append(network(1))
        network(2).write(tmp_path / "x.svg")
        network(3).show()
        notebook.display(network(4))
        network(5).svg()
        network(6).digraph.node("mine")
        network(7)
    assert notebook.cell(cell) == svgs(3, 4, 1, 7)  # what is shown at once comes first
    assert notebook.cell(lambda: kept[0]) == svgs(1), "as the result of a later cell it does appear again"

    def old_one_as_result() -> Drawing:
        network(8)
        return kept[0]
    assert notebook.cell(old_one_as_result) == svgs(8, 1)


def test_a_cell_that_fails_shows_what_it_has_made(notebook: Notebook) -> None:
    def cell() -> None:
        network(1)
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError):
        notebook.cell(cell)
    assert [bundle["image/svg+xml"] for bundle in notebook.shown] == svgs(1)
    assert notebook.cell(lambda: None) == []


def test_not_more_than_can_be_looked_at(notebook: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    def cell() -> None:
        for _ in range(viewer.MOST_PICTURES + 3):
            network(1)
    assert len(notebook.cell(cell)) == viewer.MOST_PICTURES
    assert capsys.readouterr().out == "3 more pictures were made; .show() shows one\n"


def test_plots_and_drawings_alike(notebook: Notebook) -> None:
    pytest.importorskip("matplotlib")
    from tinygrad_course.visualize import plots

    def cell() -> Any:
        plots.plot_broadcasting((2,), (1,))
        network(1)
        return plots.plot_broadcasting((3,), (1,))
    first, second, third = notebook.cell(cell)
    assert second == svgs(1)[0] and "(2,)" in first and "(3,)" in third
    plot: list[Any] = []
    assert len(notebook.cell(lambda: plot.append(plots.plot_broadcasting((2,), (1,))))) == 1
    assert notebook.cell(lambda: plot[0].show()) == [first]


def test_in_a_terminal_nothing_waits(notebook: Notebook) -> None:
    del notebook.kernel
    assert notebook.cell(lambda: (network(1), None)[1]) == []
    assert not notebook.ended and not viewer._waiting


@pytest.mark.parametrize("body, dark_system, expected", [
    ("style='color-scheme:dark'", False, DARK), ("style='color-scheme:light'", True, LIGHT),
    ("data-theme=dark", False, DARK), ("class=vscode-dark", False, DARK), ("theme=light", True, LIGHT),
    ("", True, LIGHT)])  # a page that says nothing is light
def test_it_is_light_or_dark_as_the_page_is(body: str, dark_system: bool, expected: dict[str, str],
                                            tmp_path: Path) -> None:
    svg = following_svg(network(2).scene)
    assert ElementTree.fromstring(svg).attrib["class"]
    page = f"<html><body {body}>{svg}</body></html>"
    script = "getComputedStyle(document.querySelector('#y_1 ellipse')).stroke"
    found, complaints = ask(page, script, tmp_path, dark=dark_system)
    ink = expected["ink"]
    assert found == f"rgb({int(ink[1:3], 16)}, {int(ink[3:5], 16)}, {int(ink[5:7], 16)})" and not complaints
    assert 'fill="#' not in svg and 'stroke="#' not in svg
