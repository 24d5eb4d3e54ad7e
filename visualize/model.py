"""One picture of a model, by the name of its style: what `tgc draw` draws."""
from __future__ import annotations

import numpy as np

from tinygrad_course.errors import InputError
from tinygrad_course.graph.modules import tried_out
from tinygrad_course.nn import Module
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
    try:
        y_hat, X, _ = tried_out(model, lambda n_x: np.zeros((n_x, m)))
    except InputError as error:
        raise InputError(f"{error}: use draw_graph with data of your own") from None
    return draw_graph(model, X, np.zeros(y_hat.shape), backward=style == "backward")
