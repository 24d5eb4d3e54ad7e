"""Pictures of a network's layers and units: `draw_network`."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_course.errors import InputError
from tinygrad_course.visualize.drawing import Drawing
from tinygrad_course.visualize.network.compact import blocks, simplified
from tinygrad_course.visualize.network.sheet_dot import to_digraph
from tinygrad_course.visualize.network.layers import Network, read_network
from tinygrad_course.visualize.network.parts import Sheet, NetworkOptions
from tinygrad_course.visualize.network.comprehensive import comprehensive
from tinygrad_course.visualize.scene.shapes import Scene

STYLES: dict[str, Callable[[Network, NetworkOptions], tuple[Sheet, Scene]]] = {
    "comprehensive": comprehensive, "simplified": simplified, "blocks": blocks}
LIMITS = {"comprehensive": 10, "simplified": 5, "blocks": 3}  # units drawn of each layer


def draw_network(model_or_layer_sizes: Any, style: str = "comprehensive", *,
                 activations: bool | Sequence[str | None] | None = None, parameters: bool | None = None,
                 weights: bool = False, example: Any = None, limit: int | None = None, layer_limit: int = 12,
                 title: str | None = None) -> Drawing:
    """A picture of a network, as the course draws it; it changes nothing in the model.

    model_or_layer_sizes: a Module whose layers follow one another, or sizes n[0] = n_x, n[1], ..., n[L].
    style: "comprehensive", every unit and every edge; "simplified", a rectangle per layer around its first and last
        units; or "blocks", a block per layer with W[l], b[l] and their shapes on the edges.
    activations: whether to head layers with them (Relu, sigmoid), or their names, one for each layer; by default they
        are shown where they are known, except in the comprehensive picture.
    parameters: whether to write parameters on the edges: w_jk^[l] and b_j^[l] for units, W^[l] and b^[l] for layers.
        By default only blocks have them.
    weights: show the model's weights, in the comprehensive picture: thickness is size, colour is sign.
    example: x (n_x,) or (n_x, 1), one column of X, whose values are then written into the units.
    limit: how many units of a layer are drawn, 3 or more; those in the middle become "...". By default 10 in the
        comprehensive picture (6 with parameters), 5 in the simplified one.
    layer_limit: how many layers are drawn, the input counted, 3 or more; the picture says how many are left out.
    title: written above.

    Raises InputError for what is no model or list of sizes, a model whose layers cannot be found or do not follow one
    another, an unknown style, an example of another shape, and options that do not fit together.
    """
    _check(style, parameters, weights, example, limit, layer_limit, title)
    network = read_network(model_or_layer_sizes, example)
    known = all(layer.activation is not None for layer in network.layers)
    if weights and network.layers[0].W is None:
        raise InputError("weights: sizes have no weights; give a model in place of the sizes")
    if activations is True and not known:
        raise InputError("activations: sizes do not tell them; give their names, one for each layer, such as "
                         f"activations={['relu'] * (min(len(network.layers), 4) - 1) + ['sigmoid']}")
    if activations is not None and not isinstance(activations, (bool, np.bool_)):
        network, known = network.with_activations(_names(activations, len(network.layers))), True
    options = NetworkOptions(activations=bool(known and style != "comprehensive" if activations is None else
                                              activations is not False),
                             parameters=style == "blocks" if parameters is None else parameters, weights=weights,
                             limit=limit or (6 if parameters and style == "comprehensive" else LIMITS[style]),
                             layer_limit=layer_limit, title=title or "")
    sheet, scene = STYLES[style](network, options)
    return Drawing("network", lambda: scene, lambda: to_digraph(sheet, scene.title))


def _check(style: Any, parameters: Any, weights: Any, example: Any, limit: Any, layer_limit: Any, title: Any) -> None:
    """Raise InputError for an option that is unknown, of the wrong kind, or does not fit the style."""
    if not isinstance(style, str) or style not in STYLES:
        raise InputError(f"style {style!r} is unknown; there are {', '.join(map(repr, STYLES))}")
    for name, flag in (("parameters", parameters), ("weights", weights)):
        if not isinstance(flag, (bool, np.bool_)) and not (name == "parameters" and flag is None):
            raise InputError(f"{name} is {flag!r}, but True or False is wanted")
    for name, number in (("limit", limit), ("layer_limit", layer_limit)):
        if name == "limit" and number is None:
            continue
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < 3:
            raise InputError(f"{name} is {number!r}, but a whole number from 3 is wanted: the first, '...', the last")
    if title is not None and not isinstance(title, str):
        raise InputError(f"title is {title!r}, but text is wanted")
    if weights and style != "comprehensive":
        raise InputError(f"weights=True does not fit style={style!r}: only the comprehensive picture has an edge for "
                         "each weight")
    if style == "blocks" and (example is not None or limit is not None):
        raise InputError(f"{'limit' if example is None else 'example'} does not fit style='blocks', which draws no "
                         "units: use 'comprehensive' or 'simplified'")


def _names(activations: Any, layers: int) -> list[str | None]:
    if isinstance(activations, str) or not isinstance(activations, Sequence):
        raise InputError(f"activations is {activations!r}, but True, False or a list of names is wanted, one for each "
                         "layer")
    if len(activations) != layers:
        raise InputError(f"activations has {len(activations)} names, but there are {layers} layers (the input is not "
                         "counted): give one for each, None where none is to be shown")
    for name in activations:
        if name is not None and not isinstance(name, str):
            raise InputError(f"activations are names or None, but {name!r} is among them")
    return [name or None for name in activations]
