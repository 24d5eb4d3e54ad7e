"""Pictures: of graphs, of networks, and plots of what a training does.

What a user meets stands here: `drawing` (a picture as it is shown and written), `model` (one picture of a model by the
name of its style), `notebook` (Tensors and Modules that show themselves) and `report` (the page of `tgc reproduce`).
Behind it, in the order in which a Tensor becomes a picture:

- `graph`: what was recorded becomes a diagram, boxes and arrows without places
- `network`: a model's layers, and its three pictures
- `layout`: places for boxes and arrows, from Graphviz's program dot or from a method of our own
- `scene`: the picture as shapes at exact places, and what draws them as SVG, PNG and PDF
- `plots`: everything that is drawn with matplotlib
- `live`: one page in which a model computes step by step, and learns
"""
from typing import Any

from tinygrad_course.errors import nothing_called
from tinygrad_course.visualize.drawing import Drawing
from tinygrad_course.visualize.graph.draw import draw_graph
from tinygrad_course.visualize.live import LivePage, live_page
from tinygrad_course.visualize.model import draw_model
from tinygrad_course.visualize.network.draw import draw_network
from tinygrad_course.visualize.notebook import show_in_notebook

__all__ = ["Drawing", "LivePage", "draw_graph", "draw_model", "draw_network", "live_page", "plots",
           "show_in_notebook"]


def __getattr__(name: str) -> Any:
    if name == "plots":  # which is imported where it is used
        import tinygrad_course.visualize.plots as plots
        return plots
    raise AttributeError(nothing_called(name, "visualize", __all__))


def __dir__() -> list[str]:
    return __all__
