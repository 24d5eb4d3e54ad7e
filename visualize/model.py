"""One picture of a model, by the name of its style: what `tgc draw` draws."""
from __future__ import annotations

import numpy as np

from tinygrad_course.errors import InputError
from tinygrad_course.nn import Module
from tinygrad_course.summary import linear_steps
from tinygrad_course.visualize.drawing import Drawing
from tinygrad_course.visualize.graph.draw import draw_graph
from tinygrad_course.visualize.network.draw import STYLES, draw_network

GRAPHS = ("graph", "backward")


def draw_model(model: Module, style: str = "simplified", m: int = 209) -> Drawing:
    """A picture of the network, or of the graph of its cost, recorded on m made-up examples.

    style: "comprehensive", "simplified" or "blocks", as in `draw_network`; "graph", the computational graph;
        "backward", the same with the backward pass beside it.
    Raises InputError for an unknown style, and for a model whose inputs cannot be told from its layers.
    """
    if style in STYLES:
        return draw_network(model, style)
    if style not in GRAPHS:
        raise InputError(f"there is no style {style!r}; there are {', '.join((*STYLES, *GRAPHS))}")
    steps = list(linear_steps(model))
    if not steps:
        raise InputError(f"{type(model).__name__} has no linear layers to tell how many inputs it has; use draw_graph "
                         "with data of your own")
    X = np.zeros((steps[0].inputs, m))
    return draw_graph(model, X, np.zeros((steps[-1].units, m)), backward=style == "backward")
