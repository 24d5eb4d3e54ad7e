"""The site is built offline, every warning an error; its code runs, its links lead somewhere, no name is missing."""
from __future__ import annotations

import importlib
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("myst_nb")
pytest.importorskip("sphinx_click")

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of it, built as `make docs` builds it, in a process that reaches no network."""
    out = tmp_path_factory.mktemp("site")
    environment = {**os.environ, "DOCS_CACHE": str(out / "executed"), "IPYTHONDIR": str(out / "ipython"),
                   "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    done = subprocess.run([sys.executable, "-m", "sphinx", "-q", "-W", "-n", "--keep-going", "-d", out / "trees",
                           DOCS, out / "html"], capture_output=True, text=True, env=environment, timeout=900)
    lines = [line for line in done.stderr.splitlines() if "IPKernelApp" not in line and "traitlets" not in line]
    assert done.returncode == 0, "\n".join(lines)
    return out / "html"


class Page(HTMLParser):
    """What a page needs and where it leads."""

    def __init__(self, path: Path):
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            self.anchors.add(given["id"])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in ("script", "img", "iframe", "video", "source") and given.get("src"):
            self.loaded.append(given["src"])
        if tag == "link" and given.get("rel") in ("stylesheet", "preload", "icon"):
            self.loaded.append(given["href"])


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html")}


def test_nothing_is_loaded_from_elsewhere(pages: dict[Path, Page], site: Path) -> None:
    loaded = [(path.name, address) for path, page in pages.items() for address in page.loaded]
    assert len(loaded) > 20
    assert [one for one in loaded if re.match(r"(https?:)?//", one[1])] == []
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*['\"]?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet


def test_every_link_leads_somewhere(pages: dict[Path, Page]) -> None:
    broken = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or link in ("", "#"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                broken.append((path.name, link))
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                broken.append((path.name, link))
    assert broken == []


def documented_modules() -> list[str]:
    return [name for page in sorted((DOCS / "api").glob("*.md"))
            for name in re.findall(r"automodule:: (\S+)", page.read_text(encoding="utf-8"))]


def packages() -> list[str]:
    """Those whose `__init__` offers names."""
    root = DOCS.parent
    folders = {root / "tinygrad_course": "", **{root / name: "tinygrad_course." for name in ("models", "visualize")}}
    return [prefix + ".".join(path.parent.relative_to(root).parts) for folder, prefix in folders.items()
            for path in sorted(folder.rglob("__init__.py")) if "__all__" in path.read_text(encoding="utf-8")]


def public_names() -> Iterator[tuple[str, str]]:
    """(module, name) of everything that a user may import: what `__all__` says, else what is defined in the file."""
    for module_name in dict.fromkeys([*documented_modules(), *packages()]):
        module = importlib.import_module(module_name)
        names = getattr(module, "__all__", None) or [
            name for name, thing in vars(module).items()
            if not name.startswith("_") and getattr(thing, "__module__", None) == module_name]
        for name in names:
            thing = getattr(module, name)
            if inspect.isclass(thing) or inspect.isroutine(thing):
                yield module_name, name


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    from sphinx.util.inventory import InventoryFile

    inventory = InventoryFile.loads((site / "objects.inv").read_bytes(), uri="")
    shown = {name.rsplit(".", 1)[-1] for kind in ("py:class", "py:function", "py:exception", "py:data", "py:attribute")
             for name in inventory.data.get(kind, {})}
    names = list(public_names())
    assert len(names) > 80
    assert [one for one in names if one[1] not in shown] == []
