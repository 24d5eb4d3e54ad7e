"""A picture as the user gets it: shown by notebooks, written to files, and as a graph for Graphviz."""
from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_course.errors import InputError
from tinygrad_course.files import replace_atomically
from tinygrad_course.shell import display, is_notebook
from tinygrad_course.visualize.scene.palette import DARK, LIGHT
from tinygrad_course.visualize.scene.shapes import Scene
from tinygrad_course.visualize.scene.svg import following_svg, to_svg
from tinygrad_course.visualize.scene.viewer import about_to_appear, made, open_file, used

if TYPE_CHECKING:
    import graphviz

ENDINGS = (".svg", ".png", ".pdf", ".dot", ".gv")


class Drawing:
    """A picture, `scene`, and the same as a `graphviz.Digraph`, `digraph`.

    A notebook shows the scene when the cell has ended, with nothing more to be done, as it does with matplotlib's
    figures; only what the cell has shown or written already does not appear again. It is light or dark as the page is.

    `show` shows it at once and, in a script, opens it. `write`, `svg`, `png`, `pdf`, `render`, `pipe` and `view` are
    pictures of the scene, too: every shape has its place there, so that it looks the same everywhere, with and without
    Graphviz.

    `digraph` has the same boxes and arrows in the DOT language, without places. It is there to be changed:
    ``drawing.digraph.node("mine")``, ``drawing.digraph.attr(rankdir="LR")``, then ``drawing.digraph.render("mine")``.
    What is changed there is drawn by Graphviz's own program and by nothing else: the scene does not know of it.
    ``write("x.dot")`` writes its text as it then is.

    scene, digraph: functions that make them when they are asked for the first time.
    """

    def __init__(self, name: str, scene: Callable[[], Scene], digraph: Callable[[], graphviz.Digraph]):
        self.name = name
        self._make_scene, self._make_digraph = scene, digraph
        self._scene: Scene | None = None
        self._digraph: graphviz.Digraph | None = None
        made(self)

    @property
    def scene(self) -> Scene:
        """The picture with all its places."""
        used(self)
        if self._scene is None:
            self._scene = self._make_scene()
        return self._scene

    @property
    def digraph(self) -> graphviz.Digraph:
        """The graph for Graphviz, to be changed and rendered by it."""
        used(self)
        if self._digraph is None:
            self._digraph = self._make_digraph()
        return self._digraph

    @property
    def source(self) -> str:
        """The text of `digraph` in the DOT language."""
        return str(self.digraph.source)

    @property
    def layout_used(self) -> str:
        """One line: what placed the boxes, and why it was not Graphviz."""
        return self.scene.layout

    # ---------------------------------------------------------------------------------------------- files

    def svg(self, dark: bool = False, transparent: bool = False) -> str:
        """The text of an SVG document. transparent: without paper behind it."""
        return to_svg(self.scene, DARK if dark else LIGHT, background=not transparent)

    def png(self, dark: bool = False, scale: float = 2.0, transparent: bool = False) -> bytes:
        """A PNG file's bytes. scale: pixels per point."""
        return self._by_matplotlib("png", dark, transparent, scale)

    def pdf(self, dark: bool = False, transparent: bool = False) -> bytes:
        """A PDF file's bytes."""
        return self._by_matplotlib("pdf", dark, transparent)

    def write(self, path: str | os.PathLike[str], dark: bool = False, transparent: bool = False) -> Path:
        """Write a file in the format that its ending names: .svg, .png, .pdf, .dot or .gv. Returns its path.

        dark: light letters on dark paper. transparent: no paper at all.
        Raises InputError for another ending, and where PNG or PDF need a package that is missing; OSError, in one
        line, where the file cannot be written.
        """
        ending = Path(path).suffix.lower()
        if ending not in ENDINGS:
            raise InputError(f"{os.fspath(path)}: the ending {ending!r} is unknown; there are {', '.join(ENDINGS)}")
        with replace_atomically(path) as file:
            file.write_bytes(self._content(ending, dark, transparent))
        return Path(path)

    def _content(self, ending: str, dark: bool = False, transparent: bool = False) -> bytes:
        if ending == ".svg":
            return self.svg(dark, transparent).encode()
        if ending == ".png":
            return self.png(dark, transparent=transparent)
        if ending == ".pdf":
            return self.pdf(dark, transparent)
        return self.source.encode()

    def _by_matplotlib(self, form: str, dark: bool, transparent: bool, scale: float = 2.0) -> bytes:
        from tinygrad_course.visualize.scene.raster import is_available, to_bytes
        if not is_available():
            raise InputError(f"{form.upper()} files are drawn by matplotlib, which is not installed: "
                             "pip install matplotlib; or write an .svg, which needs nothing")
        return to_bytes(self.scene, form, DARK if dark else LIGHT, scale, background=not transparent)

    # ---------------------------------------------------------------------- shown, and by Graphviz's names

    def show(self) -> None:
        """In a notebook the picture appears here; elsewhere it is opened by the computer's program for SVG files."""
        if is_notebook():
            display(self)
        else:
            open_file(self.svg().encode(), self.name, ".svg")

    def view(self) -> None:
        """The same as `show`, by the name that it has in the package graphviz."""
        self.show()

    def pipe(self, format: str = "svg") -> bytes:
        """The bytes of what `write` writes in this format, "svg", "png", "pdf", "dot" or "gv"."""
        return self._content(_ending(format))

    def render(self, filename: str | os.PathLike[str] | None = None, format: str = "svg", view: bool = False) -> Path:
        """`write` as the package graphviz calls it: the file's name gets the format's ending. Returns its path."""
        path = self.write(f"{os.fspath(filename or self.name)}{_ending(format)}")
        if view:
            self.show()
        return path

    # ------------------------------------------------------------------------------------------ notebooks

    def _repr_mimebundle_(self, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None,
                          **_: Any) -> Mapping[str, Any]:
        """What Jupyter and Colab show: one picture that is light or dark as the page is."""
        about_to_appear(self)
        wanted = {"image/svg+xml"} if include is None else set(include)
        wanted -= set(exclude or ())
        makers: dict[str, Callable[[], Any]] = {"image/svg+xml": lambda: following_svg(self.scene),
                                                "image/png": self.png,
                                                "application/pdf": self.pdf, "text/plain": lambda: repr(self)}
        return {kind: make() for kind, make in makers.items() if kind in wanted}

    def __repr__(self) -> str:
        return f"<Drawing {self.name!r}: .show() opens it, .write('{self.name}.svg') writes it>"

    def __getattr__(self, name: str) -> Any:
        """For what belongs to Graphviz, where it is."""
        import graphviz
        if not name.startswith("_") and hasattr(graphviz.Digraph, name):
            raise AttributeError(f"a Drawing has no {name!r}, but its graph for Graphviz has: drawing.digraph.{name}")
        raise AttributeError(f"a Drawing has no {name!r}")


def _ending(format: str) -> str:
    ending = f".{format}".lower()
    if ending not in ENDINGS:
        raise InputError(f"the format {format!r} is unknown; there are {', '.join(one[1:] for one in ENDINGS)}. "
                         "Others are Graphviz's: drawing.digraph.render(format=...)")
    return ending
