"""A model's layers as the course tabulates them: the shapes of W and b, the linear step, the activation."""
from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from tinygrad_course.errors import InputError
from tinygrad_course.graph.modules import tried_out
from tinygrad_course.graph.record import Record
from tinygrad_course.graph.roles import LinearStep, Role, course_names, linear_steps, roles_of
from tinygrad_course.graph.walk import held_by
from tinygrad_course.nn import Linear, Module
from tinygrad_course.shown import Table
from tinygrad_course.tensor import Tensor


def shape_table(model: Module, m: int) -> Table:
    """The course's shape table for m examples, with the number of parameters, layer by layer and in all.

    Raises InputError where m is not a positive whole number.
    """
    if not isinstance(m, (int, np.integer)) or m < 1:
        raise InputError(f"m is {m!r}: the number of examples is needed, a positive whole number")
    heading, *rows = summary_rows(model, m)
    return Table(type(model).__name__, heading if rows else ["no linear layers"], rows, f"parameters: {_counts(model)}")


def summary_rows(model: Module, m: int) -> list[list[str]]:
    """The cells of the shape table: its heading, and a row for each layer.

    Layers are the model's `Linear` modules in the order of definition. Of a model without any they are read from a run,
    however it is written.
    """
    return [["", "shape of W", "shape of b", "linear step", "shape of activation"]] + [
        [f"Layer {number}", str(layer.W.shape), "" if layer.b is None else str(layer.b.shape), layer.formula,
         str((layer.units, m))] for number, layer in enumerate(layers_of(model), start=1)]


def _counts(model: Module) -> str:
    """The numbers of parameters as a sum, such as "12 + 5 = 17"; a shared one counts where it comes first."""
    sizes = {id(parameter): parameter.size for parameter in model.parameters()}
    total = sum(sizes.values())
    counts = [str(sizes.pop(id(layer.W), 0) + sizes.pop(id(layer.b), 0)) for layer in layers_of(model)]
    if counts and sizes:
        counts.append(f"{sum(sizes.values())} outside the layers")
    return f"{' + '.join(counts)} = {total}" if len(counts) > 1 else str(total)


class LayerOfTable(NamedTuple):
    """A layer's parameters, b only if it has one, its formula, and how many inputs and units it has."""

    W: Tensor
    b: Tensor | None
    formula: str
    inputs: int
    units: int


def layers_of(model: Module) -> list[LayerOfTable]:
    """The layers of a model, in the order of definition where they are `Linear`, else in that of a run on made-up data;
    none where the model cannot be run."""
    linear = [held.value for held in held_by(model) if isinstance(held.value, Linear)]
    if linear:
        return [LayerOfTable(layer.W, layer.b, _formula(f"W[{l}]", f"[{l}]", l, f"b[{l}]"), *layer.W.shape[::-1])
                for l, layer in enumerate(linear, start=1)]
    try:
        with np.errstate(all="ignore"):
            output, _, watch = tried_out(model, lambda n_x: np.zeros((n_x, 1)), Exception)
    except InputError:
        return []
    record = watch.record(output)
    roles = roles_of(record, course_names(model))
    return [_layer(step, record, roles, l) for l, step in enumerate(linear_steps(record, course_names(model)), start=1)
            if len(step.weights) == 1 and step.Z.ndim == 2]


def _layer(step: LinearStep, record: Record, roles: Mapping[Tensor, Role], l: int) -> LayerOfTable:
    """A layer as it was computed: W (n_out, n_in) or, transposed, w (n_in, n_out)."""
    W, b = step.weights[0], step.biases[0] if step.biases else None
    transposed = W not in set(record.parents(step.products[0]))
    layer = "" if step.layer is None else f"[{step.layer}]"
    formula = _formula(roles[W].name + ("^T" if transposed else ""), layer, l, None if b is None else roles[b].name)
    n_out, n_in = W.shape[::-1] if transposed else W.shape
    return LayerOfTable(W, b, formula if roles[W].symbol != "w" else "z" + formula[1:], n_in, n_out)


def _formula(W: str, layer: str, l: int, b: str | None) -> str:
    return f"Z{layer} = {W} {'X' if l == 1 else f'A[{l - 1}]'}" + ("" if b is None else f" + {b}")
