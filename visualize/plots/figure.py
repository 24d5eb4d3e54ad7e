"""A matplotlib figure that shows itself in notebooks, can be read aloud, and is written to a file as a whole."""
from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any
from zlib import crc32

from matplotlib import style
from matplotlib.figure import Figure

from tinygrad_course.errors import InputError
from tinygrad_course.files import replace_atomically
from tinygrad_course.shell import display, is_notebook
from tinygrad_course.visualize.scene.palette import CLASS, following
from tinygrad_course.visualize.scene.viewer import about_to_appear, open_file, used

# What stands on the paper, and is light on a dark page: matplotlib's colours of it, below and in `style`.
PAPER_COLOURS = {"paper": ["#ffffff"], "ink": ["#1b1f24"], "muted": ["#6b7280", "#4b5563"], "line@0.4": ["#e5e7eb"]}
DPI = 144  # of PNGs; twice what a notebook shows, for sharp letters on dense screens and on paper
ENDINGS = (".png", ".svg", ".pdf")

# Everything else is matplotlib's default, whatever the user has set for other figures.
STYLE: dict[str, Any] = {
    "figure.facecolor": "white", "figure.dpi": 100, "font.size": 10, "axes.titlesize": 10, "figure.titlesize": 12,
    "figure.titleweight": "bold", "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": "#6b7280",
    "axes.grid": False, "grid.color": "#e5e7eb", "axes.axisbelow": True, "text.color": "#1b1f24",
    "axes.labelcolor": "#1b1f24", "xtick.color": "#4b5563", "ytick.color": "#4b5563", "legend.frameon": False,
    "axes.formatter.useoffset": False, "svg.hashsalt": "tinygrad_course",
}


@contextmanager
def house_style() -> Iterator[None]:
    """Draw in the style of this package; the user's settings are back afterwards."""
    with style.context(["default", STYLE]):
        yield


# A point of a scatter plot; matplotlib writes its place to a millionth of a point, and all of its style.
MARKER = re.compile(r'(<use xlink:href="#\w+") x="([\d.]+)" y="([\d.]+)" style="([^"]*)"')


def _markers_shortened(svg: str) -> tuple[str, str]:
    """The document with a class in place of each point's style, and the rules of the classes.

    A class is called by what it says: the same in every picture of a page.
    """
    classes: dict[str, str] = {}

    def short(point: re.Match[str]) -> str:
        name = classes.setdefault(point[4], f"m{crc32(point[4].encode()):08x}")
        return f'{point[1]} x="{float(point[2]):.2f}" y="{float(point[3]):.2f}" class="{name}"'
    svg = MARKER.sub(short, svg)
    return svg, "".join(f" .{name} {{ {style} }}" for style, name in classes.items())


class Plot(Figure):
    """A matplotlib Figure, with everything that one has.

    A notebook shows it when the cell has ended, with nothing more to be done, as it does with other figures; only what
    the cell has shown or written already does not appear again. `show` shows it at once and, in a script, opens it.

    title: what the picture is called. alt: what it shows, in words, for those who cannot see it. Both go into files
    and notebooks.
    """

    title: str = ""
    alt: str = ""

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write a file in the format of its ending: .png, .svg or .pdf.

        Raises InputError for another ending, and as `replace_atomically` where the file cannot be written.
        """
        ending = Path(path).suffix.lower()
        if ending not in ENDINGS:
            raise InputError(f"{os.fspath(path)}: a plot cannot be written as {ending or 'a file without ending'!s}; "
                             f"give a name that ends with one of {', '.join(ENDINGS)}")
        content = self.rendered(ending[1:])
        with replace_atomically(path) as temporary:
            temporary.write_bytes(content)

    def show(self, warn: bool = True) -> None:
        """In a notebook the plot appears here; elsewhere it is opened by the computer's program for PNG files.

        warn: is not needed, but matplotlib's figures have it.
        """
        if is_notebook():
            display(self)
        else:
            open_file(self.rendered("png"), "plot", ".png")

    def rendered(self, kind: str, transparent: bool = False) -> bytes:
        """The file's content; kind is png, svg or pdf. It holds no date: the same figure made anew gives the same."""
        used(self)
        metadata: dict[str, str | None] = {"Title": self.title}
        if kind == "pdf":
            metadata |= {"Subject": self.alt, "CreationDate": None}
        else:
            metadata |= {"Description": self.alt} | ({"Date": None} if kind == "svg" else {})
        file = io.BytesIO()
        with house_style():
            self.savefig(file, format=kind, dpi=DPI, metadata=metadata, transparent=transparent)
        if kind != "svg":
            return file.getvalue()
        # matplotlib writes the description where only catalogues look for it; screen readers read <desc>.
        text = file.getvalue().decode().replace("<svg ", '<svg role="img" ', 1)
        return text.replace("</title>", f"</title>\n <desc>{escape(self.alt)}</desc>", 1).encode()

    def following_svg(self) -> str:
        """An SVG document without paper, in colours that are light or dark as the page is that shows it."""
        palette, rules = following(PAPER_COLOURS)
        text = self.rendered("svg", transparent=True).decode()
        for role, colours in PAPER_COLOURS.items():
            text = re.sub("|".join(colours), palette[role], text)
        text = text.replace("<svg ", f'<svg class="{CLASS}" ', 1)
        text, more = _markers_shortened(text)
        return text.replace("<defs>", f"<style>{rules}{more}</style>\n <defs>", 1)

    def inline_svg(self) -> str:
        """The same within a page of HTML."""
        svg = self.following_svg()
        return svg[svg.index("<svg "):]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """How notebooks show it."""
        about_to_appear(self)
        return {"image/svg+xml": self.following_svg(), "text/plain": repr(self)}

    def _ipython_display_(self) -> None:
        """In this way, so that it is stored once: ``%matplotlib inline`` would add a PNG of every Figure."""
        display(self._repr_mimebundle_(), raw=True)
