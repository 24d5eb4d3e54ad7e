"""The report of `tgc reproduce`: one page with everything that a model is and did, in a single file."""
from __future__ import annotations

import base64
import platform
import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_course import data
from tinygrad_course.compare import compare_gradients
from tinygrad_course.equations import derive
from tinygrad_course.errors import InputError
from tinygrad_course.files import replace_atomically
from tinygrad_course.course.reproduce import Result
from tinygrad_course.summary import summary_rows
from tinygrad_course.visualize import plots
from tinygrad_course.visualize.drawing import Drawing
from tinygrad_course.visualize.graph.draw import draw_graph
from tinygrad_course.visualize.network.draw import draw_network
from tinygrad_course.visualize.scene.palette import DARK, LIGHT
from tinygrad_course.visualize.scene.svg import to_svg

if TYPE_CHECKING:
    from tinygrad_course.visualize.plots.figure import Plot

try:
    import matplotlib  # noqa: F401  # the plots import it when they are drawn, which is late to find it missing
    from jinja2 import Environment
except ImportError as missing:
    raise InputError("a report needs more packages: pip install matplotlib scikit-learn Pillow Jinja2") from missing

# Pictures in the page take their colours from it, so that they change with it between light and dark.
PAGE_COLOURS = {role: f"var(--{role})" for role in LIGHT}
PACKAGES = ("tinygrad_course", "numpy", "h5py", "matplotlib", "scikit-learn", "Pillow")

FOOLING = (
    "Cat body in an unusual position", "Cat appears against a background of a similar colour",
    "Unusual cat colour and species", "Camera angle", "Brightness of the picture",
    "Scale variation: the cat is very large or small in the image")


def write_report(folder: Path, results: Sequence[Result], images: data.Dataset | None) -> Path:
    """Write `folder`/index.html about these results and return its path; an earlier report stays until it is whole.

    images: those that the image models were trained on.
    Raises OSError where the file cannot be written. Without the extra [plots] this module raises InputError.
    """
    template = files("tinygrad_course.visualize").joinpath("report.html").read_text(encoding="utf-8")
    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(template).render(
        models=[_section(result, images) for result in results],
        light=LIGHT, dark=DARK, fooling=FOOLING,
        source=None if images is None else images.source,
        comparable=images is None or images.is_course_data,
        python=platform.python_version(), system=f"{platform.system()} {platform.machine()}",
        versions={name: found for name in PACKAGES if (found := _version(name)) is not None})
    path = folder / "index.html"
    with replace_atomically(path) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="backslashreplace")  # file names may be no text
    return path


def _section(result: Result, images: data.Dataset | None) -> dict[str, Any]:
    """What the page shows of one model."""
    exercise, model, history = result.exercise, result.model, result.history
    X, Y = (images.X_train, images.Y_train) if exercise.images and images is not None else data.planar()
    comparison = compare_gradients(model, X, Y)
    heading, *layers = summary_rows(model, X.shape[1])
    course = {i: float(cost) for i, cost in exercise.costs.items()} if result.comparable else None
    return {
        "result": result, "exercise": exercise, "history": history, "name": exercise.name,
        "equations": derive(model).html(),
        "heading": heading, "layers": layers,
        "parameters": sum(parameter.size for parameter in model.parameters()),
        "networks": [_inline(draw_network(model, style), f"{exercise.name}-{style}")
                     for style in ("simplified", "comprehensive")],
        "graph": _inline(draw_graph(model, X, Y), f"{exercise.name}-graph"),
        "costs": _picture(plots.plot_costs({"autodiff": history}, course=course)),
        "rows": [{"iteration": i, "cost": exercise.shown(i, cost), "course": exercise.costs[i],
                  "difference": f"{abs(cost - float(exercise.costs[i])):.1e}", "agrees": exercise.agrees(i, cost)}
                 for i, cost in history.costs.items()] if result.comparable else [
                {"iteration": i, "cost": f"{cost:.6f}"} for i, cost in history.costs.items()],
        "gradients": comparison._repr_html_(),
        "errors": _picture(plots.plot_gradient_errors(comparison)),
        "last": _picture(plots.plot_mislabelled(model, images) if exercise.images and images is not None else
                         plots.plot_decision_boundary(model, X, Y)),
    }


def _inline(drawing: Drawing, prefix: str) -> str:
    """A drawing as SVG within the page: in the page's colours, as wide as there is room, with names of its own."""
    svg = to_svg(drawing.scene, PAGE_COLOURS, background=False)
    svg = re.sub(r' id="', f' id="{prefix}-', svg)
    width = drawing.scene.width
    return re.sub(r'width="[^"]*" height="[^"]*"', f'style="width:{width:.0f}pt"', svg, count=1)


def _picture(plot: Plot) -> dict[str, Any]:
    return {"png": base64.b64encode(plot.rendered("png")).decode(), "alt": plot.alt,
            "width": round(plot.get_figwidth() * 96)}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
