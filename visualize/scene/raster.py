"""A scene as PNG or PDF, drawn by matplotlib (of the extra [plots]) with the sizes that `svg` uses."""
from __future__ import annotations

import importlib.util
import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_course.errors import InputError
from tinygrad_course.tensor import Array
from tinygrad_course.visualize.scene.palette import LIGHT, colour
from tinygrad_course.visualize.scene.shapes import Curve, Group, Item, Picture, Scene, Shape, corners
from tinygrad_course.visualize.scene.lettering import Text, clean, placed_letters
from tinygrad_course.visualize.scene.svg import arrow_head

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.font_manager import FontProperties

LARGEST_PIXELS = 20_000  # in width or height of a PNG
FONTS = ["Helvetica", "Arial", "Liberation Sans", "DejaVu Sans", "Noto Sans", "Noto Sans CJK SC", "Noto Sans CJK JP",
         "Microsoft YaHei", "PingFang SC", "Hiragino Sans", "Segoe UI", "Segoe UI Symbol", "Arial Unicode MS"]


def is_available() -> bool:
    """Whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def to_bytes(scene: Scene, form: str, palette: Mapping[str, str] = LIGHT, scale: float = 2.0,
             background: bool = True) -> bytes:
    """The bytes of a file in the format "png" or "pdf". scale: pixels per point of a PNG. background: whether to
    paint the paper.

    The same scene gives the same bytes. Raises InputError for a palette of colours that only browsers know.
    """
    from matplotlib import rc_context, rcParamsDefault
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    scale = min(scale, LARGEST_PIXELS / max(scene.width, scene.height))
    # The user's own settings of matplotlib are for plots; they are as before when this ends.
    with rc_context({key: rcParamsDefault[key] for key in ("path.sketch", "path.effects", "path.simplify",
                                                           "image.interpolation", "pdf.compression")}):
        figure = Figure(figsize=(scene.width / 72, scene.height / 72), dpi=72 * scale)
        FigureCanvasAgg(figure)
        figure.patch.set_facecolor(_colour(palette, "paper") if background else "none")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(0, scene.width)
        axes.set_ylim(scene.height, 0)
        for item in scene.items:
            _draw(axes, item, palette)
        file = io.BytesIO()
        dates: dict[str, Any] = {"CreationDate": None} if form == "pdf" else {}
        figure.savefig(file, format=form, facecolor=figure.get_facecolor(), dpi=72 * scale,
                       metadata={"Title": clean(scene.title), **dates})
    return file.getvalue()


def _draw(axes: Axes, item: Item, palette: Mapping[str, str]) -> None:
    if isinstance(item, Group):
        for child in item.items:
            _draw(axes, child, palette)
    elif isinstance(item, Text):
        _text(axes, item, palette)
    elif isinstance(item, Shape):
        _shape(axes, item, palette)
    elif isinstance(item, Curve):
        _curve(axes, item, palette)
    else:
        _picture(axes, item)


def _colour(palette: Mapping[str, str], name: str) -> str:
    value = colour(palette, name)
    if "(" in value:
        raise InputError(f"the colour {value} is one that only browsers know: PNG and PDF need one such as #0072b2")
    return value


def _shape(axes: Axes, shape: Shape, palette: Mapping[str, str]) -> None:
    from matplotlib.patches import Ellipse, FancyBboxPatch, Patch, Polygon
    x, y, w, h = shape.x, shape.y, shape.width, shape.height
    patch: Patch
    if shape.kind == "ellipse":
        patch = Ellipse((x, y), w, h)
    elif shape.kind == "rectangle" and shape.radius:
        radius = min(shape.radius, w / 2, h / 2)
        patch = FancyBboxPatch((x - w / 2, y - h / 2), w, h, boxstyle=f"round,pad=0,rounding_size={radius}")
    else:
        patch = Polygon(corners(shape), closed=True, joinstyle="round")
    patch.set(facecolor=_colour(palette, shape.fill), edgecolor=_colour(palette, shape.stroke),
              linewidth=shape.stroke_width, linestyle=(0, (4, 3)) if shape.dashed else "solid")
    axes.add_patch(patch)


def _curve(axes: Axes, curve: Curve, palette: Mapping[str, str]) -> None:
    from matplotlib.patches import PathPatch, Polygon
    from matplotlib.path import Path
    stroke = _colour(palette, curve.colour)
    kind = Path.CURVE4 if curve.bezier else Path.LINETO
    path = Path(list(curve.points), [Path.MOVETO, *[kind] * (len(curve.points) - 1)])
    axes.add_patch(PathPatch(path, facecolor="none", edgecolor=stroke, linewidth=curve.width, capstyle="butt",
                             linestyle=(0, (4, 3)) if curve.dashed else "solid"))
    if curve.arrow:
        axes.add_patch(Polygon(arrow_head(curve), closed=True, facecolor=stroke, edgecolor="none"))


def _text(axes: Axes, text: Text, palette: Mapping[str, str]) -> None:
    """Letters as outlines: each line is exactly as wide as it was reckoned, whatever font there is."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path
    ink = _colour(palette, text.colour)
    for letters, x, y, size, width in placed_letters(text):
        vertices, codes = _outlines(clean(letters), text.bold)
        if not len(codes):
            continue
        natural = _advance(clean(letters), text.bold)
        stretch = width / natural if natural else size / 100
        path = Path(vertices * (stretch, -size / 100) + (x, y), codes)
        axes.add_patch(PathPatch(path, facecolor=ink, edgecolor="none"))


@lru_cache(maxsize=2000)
def _outlines(letters: str, bold: bool) -> tuple[Array, Array]:
    """The outlines of letters of size 100, as vertices (n, 2), y up, and codes."""
    from matplotlib.textpath import TextToPath
    with _quietly():
        vertices, codes = TextToPath().get_text_path(_font(bold), letters, ismath=False)
    return np.asarray(vertices, dtype=float).reshape(-1, 2), np.asarray(codes, dtype=np.uint8)


@lru_cache(maxsize=2000)
def _advance(letters: str, bold: bool) -> float:
    """The width of letters of size 100, with the space that follows the last one."""
    from matplotlib.textpath import TextToPath
    font = _font(bold)
    with _quietly():  # between two strokes, as what is measured is ink
        wide, narrow = (TextToPath().get_text_width_height_descent(f"|{inside}|", font, ismath=False)[0]
                        for inside in (letters, ""))
    return float(wide - narrow) * 100 / float(font.get_size_in_points())


@contextmanager
def _quietly() -> Iterator[None]:
    """Without a warning for each letter that no installed font has; a box stands for it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        yield


@lru_cache(maxsize=2)
def _font(bold: bool) -> FontProperties:
    """The first of FONTS that are installed; the next ones serve for letters that it lacks."""
    from matplotlib.font_manager import FontProperties, fontManager
    installed = {font.name for font in fontManager.ttflist}
    return FontProperties(family=[name for name in FONTS if name in installed] or ["DejaVu Sans"],
                          weight="bold" if bold else "normal")


def _picture(axes: Axes, picture: Picture) -> None:
    from matplotlib.image import AxesImage
    left, top = picture.x - picture.width / 2, picture.y - picture.height / 2
    image = AxesImage(axes, interpolation="nearest", extent=(left, left + picture.width, top + picture.height, top),
                      origin="upper", zorder=1)  # as shapes have: what is added later is above
    image.set_data(np.asarray(picture.pixels, dtype=np.uint8))
    axes.add_artist(image)
