"""The report of `tgc reproduce`: what is in it, and what a browser makes of it."""

import dataclasses
import importlib
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import browser
import pytest

from tinygrad_course import data
from tinygrad_course.course import exercises as course, reproduce
from tinygrad_course.course.reproduce import Result
from tinygrad_course.visualize import report
from tinygrad_course.visualize.report import write_report


@pytest.fixture(scope="module")
def images() -> data.Dataset:
    return data.stand_in()


@pytest.fixture(scope="module")
def results(images: data.Dataset) -> list[Result]:
    """Planar as the course trains it, but for a tenth of the time, and an image model for three iterations."""
    planar, deep = course.EXERCISES["planar"], course.EXERCISES["four-layer"]
    short = [dataclasses.replace(planar, iterations=1001, costs={i: planar.costs[i] for i in (0, 1000)}),
             dataclasses.replace(deep, iterations=3, print_every=1, costs={i: deep.costs[0] for i in range(3)})]
    return [reproduce.run(exercise, images, show=lambda line: None) for exercise in short]


@pytest.fixture(scope="module")
def page(results: list[Result], images: data.Dataset, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("report")
    path = write_report(folder, results, images)
    assert [file.name for file in folder.iterdir()] == ["index.html"] and path == folder / "index.html"
    return path.read_text(encoding="utf-8")


class Reader(HTMLParser):
    """Checks that what is opened is closed, and notes everything that would be loaded."""

    VOID = {"meta", "link", "img", "br", "hr", "path", "rect", "ellipse", "polygon", "image", "mspace", "input"}

    def __init__(self, page: str):
        super().__init__()
        self.open: list[str] = []
        self.loaded: list[str] = []
        self.identifiers: list[str] = []
        self.alternatives: list[str | None] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.loaded += [str(given[name]) for name in ("src", "href", "srcset", "data", "xlink:href") if name in given]
        self.identifiers += [str(given["id"])] if "id" in given else []
        self.alternatives += [given.get("alt")] if tag == "img" else []
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_the_page_is_whole_and_loads_nothing(page: str) -> None:
    read = Reader(page)
    assert read.open == []
    assert all(address.startswith(("data:", "#")) for address in read.loaded)
    assert "@import" not in page and not re.search(r"url\((?!['\"]?data:)", page)
    assert len(set(read.identifiers)) == len(read.identifiers)
    assert len(read.alternatives) == 6 and all(alternative for alternative in read.alternatives)


def test_every_model_has_all_that_the_report_promises(page: str, results: list[Result]) -> None:
    for result in results:
        section = page.split(f'<section id="{result.exercise.name}">')[1].split("</section>")[0]
        for heading in ("Equations", "Shapes", "The network", "The computational graph", "Training", "Accuracy",
                        "Gradients after training"):
            assert f"<h3>{heading}" in section
        assert section.count("<math") >= 2 and section.count("<svg") == 3
        for i, cost in result.history.costs.items():
            assert re.search(rf"<td>{i}</td><td>{cost:.6f}<", section)
        assert len(re.findall("<td[^>]*>dW1</td>", section)) == 1
    assert "Scale variation" in page and "The decision boundary" in page
    assert "stand-in images drawn by tinygrad_course" in page and "numpy " in page.split("What was run")[1]
    planar = page.split('<section id="planar">')[1]
    assert "<td>0.693048</td><td>0.693048</td>" in planar.split("</section>")[0]


def test_a_report_that_fails_half_way_leaves_the_earlier_one(
        results: list[Result], images: data.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "index.html").write_text("earlier")

    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(report.plots, "plot_decision_boundary", fail)
    with pytest.raises(OSError):
        write_report(tmp_path, results, images)
    assert [file.name for file in tmp_path.iterdir()] == ["index.html"]
    assert (tmp_path / "index.html").read_text() == "earlier"


LAYOUT = """(() => {
  const inside = (a, b) => a.left >= b.left - 1 && a.right <= b.right + 1 &&
                           a.top >= b.top - 1 && a.bottom <= b.bottom + 1;
  const outside = [], scripts = [];
  for (const svg of document.querySelectorAll('svg')) {
    const frame = svg.getBoundingClientRect();
    for (const text of svg.querySelectorAll('text'))
      if (!inside(text.getBoundingClientRect(), frame)) outside.push(text.textContent);
    for (const run of svg.querySelectorAll('g')) {
      const t = [...run.children].filter(c => c.tagName === 'text');
      const size = t.map(x => parseFloat(x.getAttribute('font-size')));
      if (t.length === 3 && size[1] < 0.8 * size[0] && size[2] < 0.8 * size[0]) scripts.push([t[0].textContent,
        ...t.map(x => {
        const box = x.getBoundingClientRect(); return (box.top + box.bottom) / 2; }), t[1].getBoundingClientRect().left,
        t[2].getBoundingClientRect().left]);
    }
  }
  const wide = [...document.querySelectorAll('p, h1, h2, h3, li, figcaption, nav')].filter(
    e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent);
  return {outside, scripts, wide, page: document.documentElement.scrollWidth, window: innerWidth,
          loaded: performance.getEntriesByType('resource').map(e => e.name).filter(n => !n.startsWith('data:')),
          ink: getComputedStyle(document.body).color, paper: getComputedStyle(document.body).backgroundColor,
          images: [...document.images].filter(i => !i.complete || !i.naturalWidth).length};
})()"""


@pytest.mark.parametrize(("width", "dark"), [(1000, False), (500, False), (1000, True)])
def test_in_a_browser(page: str, tmp_path: Path, width: int, dark: bool) -> None:
    found, console = browser.ask(page, LAYOUT, tmp_path, width, dark)
    assert console == []
    assert found["loaded"] == [] and found["images"] == 0
    assert found["outside"] == [] and found["wide"] == []
    assert found["page"] <= found["window"], "the page is wider than the window"
    assert len(found["scripts"]) > 20
    for letter, middle, below, above, left_below, left_above in found["scripts"]:
        assert above < middle < below, f"the scripts of {letter} are not below and above it"
        assert abs(left_below - left_above) < 2, f"the scripts of {letter} are not stacked"
    light = [int(n) for n in re.findall(r"\d+", found["paper"])[:3]]
    assert (sum(light) < 200) == dark, found["paper"]


def test_the_browser_sees_what_is_wrong(tmp_path: Path) -> None:
    """The checks above can fail."""
    page = ("<!DOCTYPE html><html><body><p style='width:20px'>overflowingwordthatislong</p><svg width='20' height='20'>"
            "<text x='15' y='10'>outside</text></svg><img src='missing.png'>"
            "<script>console.error('seen')</script></body></html>")
    found, console = browser.ask(page, LAYOUT, tmp_path)
    assert found["outside"] == ["outside"] and found["wide"] and found["images"] == 1
    assert len(console) == 1


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.delitem(sys.modules, "tinygrad_course.visualize.report")
    with pytest.raises(ValueError, match="pip install matplotlib scikit-learn Pillow Jinja2"):
        importlib.import_module("tinygrad_course.visualize.report")
