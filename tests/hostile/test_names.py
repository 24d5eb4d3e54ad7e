"""Names that others chose, in pictures, report and terminal: nothing runs, and nothing gets out of its place."""

import dataclasses
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import browser
import numpy as np
import pytest

from tinygrad_course import Tensor, data, nn
from tinygrad_course.checking.report import RIGHT, Report, Verdict
from tinygrad_course.course import exercises, reproduce
from tinygrad_course.errors import printable
from tinygrad_course.visualize import draw_graph
from tinygrad_course.visualize.report import write_report

RUN = "window.harm = 1"
NAMES = [
    f"<script>{RUN}</script>", f"</script><script>{RUN}</script>", f"</text><script>{RUN}</script>",
    f"</style><script>{RUN}</script>", f"</title><script>{RUN}</script>", f"]]><script>{RUN}</script>",
    f"--><script>{RUN}</script>", f"<img src=x onerror='{RUN}'>", f'"><img src=x onerror="{RUN}">',
    f"' onload='{RUN}", f'" onload="{RUN}" x="', f"<svg onload='{RUN}'>", f"<a href='javascript:{RUN}'>x</a>",
    f"javascript:{RUN}", f"<iframe srcdoc='<script>parent.{RUN}</script>'>", f"<body onload='{RUN}'>",
    f"<foreignObject><script>{RUN}</script></foreignObject>", f"<animate onbegin='{RUN}'/>", f"<set onend='{RUN}'/>",
    f"<use href='data:image/svg+xml,<svg onload={RUN}>'/>", f"&lt;script&gt;{RUN}&lt;/script&gt;",
    f"&#60;script&#62;{RUN}", "&", "&amp;", "&unknown;", "&#0;", "<", ">", "<!--", "<![CDATA[", "<?xml version='2'?>",
    "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>&e;", "'", '"', "`", "\\", "\\N", "\\l",
    "${x}", "{{ 7 * 7 }}", "{% raw %}", "%s%n", "a\nb", "a\r\nb", "a\tb", "\x00", "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07", "\x9b2J",
    "\u202egnp.exe", "\ud800", "\ufffe", "[red]x[/red]", "[/]", "x" * 5000, "😀名前",
]


def test_there_are_enough() -> None:
    assert len(set(NAMES)) >= 52


@pytest.mark.slow
def test_pictures(tmp_path: Path) -> None:
    pictures = []
    for number, name in enumerate(NAMES):
        class Named(nn.Module):
            def __init__(self) -> None:
                self.W = Tensor(np.ones((1, 2)), requires_grad=True, name=name)

            def forward(self, X: Any) -> Tensor:
                return self.W @ X
        Named.__name__ = Named.__qualname__ = name.replace("\x00", "") if "\ud800" not in name else "surrogate"
        file = tmp_path / f"{number}.svg"
        draw_graph(Named()(Tensor(np.ones((2, 3)), name=name)).sum()).write(file)
        text = file.read_text(encoding="utf-8")
        for element in ElementTree.fromstring(text).iter():
            assert element.tag.rpartition("}")[2] not in ("script", "foreignObject", "iframe", "animate", "set"), name
            for key, value in element.attrib.items():
                assert not key.startswith("on") and "javascript:" not in value, (name, key)
                assert not key.endswith("href") or value.startswith(("#", "data:image/png")), (name, value)
        pictures.append(re.sub(r"<\?xml.*?\?>|<!DOCTYPE.*?>", "", text, flags=re.DOTALL))
    page = "<html><head><title>t</title></head><body>" + "".join(pictures) + "</body></html>"
    found, said = browser.ask(page, "[window.harm === undefined, document.querySelectorAll('svg').length]", tmp_path)
    assert found[0] and found[1] >= len(NAMES) and not [line for line in said if "Refused" not in line], said


@pytest.mark.slow
def test_report(tmp_path: Path) -> None:
    images = dataclasses.replace(data.stand_in(), classes=(" ".join(NAMES[::2]), " ".join(NAMES[1::2])),
                                 source=" ".join(NAMES))
    deep = exercises.EXERCISES["two-layer"]
    short = dataclasses.replace(deep, iterations=2, print_every=1, costs={i: deep.costs[0] for i in range(2)})
    result = reproduce.run(short, images, show=lambda line: None)
    page = write_report(tmp_path, [result], images).read_text(encoding="utf-8")
    assert "harm" in page  # the names are in it
    found, _ = browser.ask(page, "[window.harm === undefined, document.querySelectorAll('img[src=x], iframe').length]",
                           tmp_path)
    assert found == [True, 0]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_terminal(name: str) -> None:
    import io

    from rich.console import Console

    report = Report(f"{name}.py", [Verdict(name, RIGHT, name, details=[name], notes=[name])], name, [name])
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=200)
    console.print(report)
    for text in (report.text(), console.file.getvalue(), printable(name)):  # type: ignore[attr-defined]
        # of all that rich writes itself, only bold and italic are escapes here
        rest = re.sub(r"\x1b\[[\d;]*m", "", text) if text is not report.text() else text
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", rest), ascii(rest)
    assert "\x1b[31m" not in console.file.getvalue()  # type: ignore[attr-defined]
    if name.startswith("["):
        assert name in report.text() and name in console.file.getvalue()  # type: ignore[attr-defined]
    assert "\n" not in printable(name)
