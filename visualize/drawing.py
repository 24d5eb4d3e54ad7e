"""A picture as the user gets it: shown by notebooks, written to files, and a `graphviz.Digraph` as well."""
from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import graphviz

from tinygrad_course.errors import InputError
from tinygrad_course.files import replace_atomically
from tinygrad_course.visualize.scene.shapes import DARK, LIGHT, Scene
from tinygrad_course.visualize.scene.svg import to_svg

ENDINGS = (".svg", ".png", ".pdf", ".dot", ".gv")


class Drawing(graphviz.Digraph):  # type: ignore[misc]  # graphviz has no types
    """A graph in the DOT language, with the picture that is drawn of it.

    As a Digraph it has `source`, `node`, `edge`, `render` and so on, which are Graphviz's own. The picture, `svg()`
    and `write(path)`, is drawn from `scene`, where every shape has its place: it looks the same everywhere, with and
    without Graphviz. Nodes and edges that are added to a finished drawing are not in its scene; its pictures are
    then Graphviz's.

    scene: the picture, or a function that makes it when it is asked for the first time; also to be set later, when
    all nodes are there.
    """

    def __init__(self, name: str | None = None, comment: str | None = None, *,
                 scene: Scene | Callable[[], Scene] | None = None, **digraph: Any):
        super().__init__(name, comment=comment, **digraph)
        self._scene: Scene | Callable[[], Scene] | None = None
        self._source_of_scene = ""
        if scene is not None:
            self.scene = scene

    @property
    def scene(self) -> Scene:
        """The picture with all its places."""
        if callable(self._scene):
            self._scene = self._scene()
        if self._scene is None:
            raise InputError("this drawing has no scene: its pictures are drawn by Graphviz, with render()")
        return self._scene

    @scene.setter
    def scene(self, scene: Scene | Callable[[], Scene]) -> None:
        self._scene = scene
        self._source_of_scene = self.source

    @property
    def layout_used(self) -> str:
        """One line: what placed the nodes, and why it was not Graphviz."""
        return "laid out by Graphviz, as the drawing was changed" if self._is_changed() else self.scene.layout

    def svg(self, dark: bool = False) -> str:
        """The text of an SVG document."""
        if self._is_changed():
            return self._by_graphviz("svg").decode()
        return to_svg(self.scene, DARK if dark else LIGHT)

    def png(self, dark: bool = False, scale: float = 2.0) -> bytes:
        """A PNG file's bytes. scale: pixels per point."""
        return self._raster("png", dark, scale)

    def pdf(self, dark: bool = False) -> bytes:
        """A PDF file's bytes."""
        return self._raster("pdf", dark)

    def write(self, path: str | os.PathLike[str], dark: bool = False) -> Path:
        """Write a file in the format that its ending names: .svg, .png, .pdf, .dot or .gv. Returns its path.

        Raises InputError for another ending, and where PNG or PDF need a program or package that is missing; OSError,
        in one line, where the file cannot be written.
        """
        ending = Path(path).suffix.lower()
        if ending not in ENDINGS:
            raise InputError(f"{os.fspath(path)}: the ending {ending!r} is unknown; there are {', '.join(ENDINGS)}")
        with replace_atomically(path) as file:
            if ending == ".svg":
                content = self.svg(dark).encode()
            elif ending == ".png":
                content = self.png(dark)
            elif ending == ".pdf":
                content = self.pdf(dark)
            else:
                content = self.source.encode()
            file.write_bytes(content)
        return Path(path)

    def copy(self) -> Drawing:
        other: Drawing = super().copy()
        other._scene, other._source_of_scene = self._scene, self._source_of_scene
        return other

    def _repr_mimebundle_(self, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None,
                          **_: Any) -> Mapping[str, Any]:
        """What Jupyter and Colab show."""
        wanted = {"image/svg+xml"} if include is None else set(include)
        wanted -= set(exclude or ())
        makers: dict[str, Callable[[], Any]] = {"image/svg+xml": self.svg, "image/png": self.png,
                                                "application/pdf": self.pdf, "text/plain": lambda: repr(self)}
        return {kind: make() for kind, make in makers.items() if kind in wanted}

    def __repr__(self) -> str:
        return f"<Drawing {self.name!r}: {sum(' -> ' in line for line in self.body)} edges>"

    def _is_changed(self) -> bool:
        """Whether nodes or edges were added that the scene does not know of."""
        return self._scene is None or self.source != self._source_of_scene

    def _raster(self, form: str, dark: bool, scale: float = 2.0) -> bytes:
        if self._is_changed():
            return self._by_graphviz(form)
        from tinygrad_course.visualize.scene.raster import is_available, to_bytes
        if is_available():
            return to_bytes(self.scene, form, DARK if dark else LIGHT, scale)
        try:
            return self._by_graphviz(form)
        except InputError:
            raise InputError(f"{form.upper()} files are drawn by matplotlib, which is not installed: "
                             'pip install "tinygrad_course[plots]"; or write an .svg, which needs nothing') from None

    def _by_graphviz(self, form: str) -> bytes:
        try:
            picture: bytes = self.pipe(format=form)
        except (graphviz.ExecutableNotFound, graphviz.CalledProcessError, OSError) as error:
            raise InputError("Graphviz's program dot, which is to draw this, is not installed or does not work: "
                             f"{str(error).splitlines()[0]}") from None
        return picture
