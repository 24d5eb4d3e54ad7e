"""A model's layers as the course tabulates them: the shapes of W and b, the linear step, the activation."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from tinygrad_course.errors import InputError
from tinygrad_course.nn import Linear, Module
from tinygrad_course.tensor import Tensor


def shape_table(model: Module, m: int) -> str:
    """The course's shape table for m examples and, below it, the number of parameters, layer by layer and in all.

    Raises InputError where m is not a positive whole number.
    """
    if not isinstance(m, (int, np.integer)) or m < 1:
        raise InputError(f"m is {m!r}: the number of examples is needed, a positive whole number")
    rows = summary_rows(model, m)
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths)).rstrip() for row in rows]
    return "\n".join([type(model).__name__, *(lines if len(lines) > 1 else ["no linear layers"]),
                      f"parameters: {_counts(model)}"])


def summary_rows(model: Module, m: int) -> list[list[str]]:
    """The cells of the shape table: its heading, and a row for each layer.

    Layers are the model's `Linear` modules in the order of definition, or a pair of parameters w, b.
    """
    return [["", "shape of W", "shape of b", "linear step", "shape of activation"]] + [
        [f"Layer {number}", str(step.W.shape), str(step.b.shape), step.formula, str((step.units, m))]
        for number, step in enumerate(linear_steps(model), start=1)]


def _counts(model: Module) -> str:
    """The numbers of parameters as a sum, such as "12 + 5 = 17"; a shared one counts where it comes first."""
    sizes = {id(parameter): parameter.size for parameter in model.parameters()}
    total = sum(sizes.values())
    counts = [str(sizes.pop(id(step.W), 0) + sizes.pop(id(step.b), 0)) for step in linear_steps(model)]
    if counts and sizes:
        counts.append(f"{sum(sizes.values())} outside the layers")
    return f"{' + '.join(counts)} = {total}" if len(counts) > 1 else str(total)


class LinearStep(NamedTuple):
    """A layer's parameters, its formula, and how many inputs and units it has."""

    W: Tensor
    b: Tensor
    formula: str
    inputs: int
    units: int


def linear_steps(model: Module) -> Iterator[LinearStep]:
    """The linear step of each layer, in the order of definition."""
    linear = list(_linear_modules(model, set()))
    for number, layer in enumerate(linear, start=1):
        inputs = "X" if number == 1 else f"A[{number - 1}]"
        units, n_in = layer.W.shape
        yield LinearStep(layer.W, layer.b, f"Z[{number}] = W[{number}] {inputs} + b[{number}]", n_in, units)
    parameters = dict(model.named_parameters())
    if not linear and set(parameters) == {"w", "b"}:
        yield LinearStep(parameters["w"], parameters["b"], "z = w^T X + b", *parameters["w"].shape)


def _linear_modules(value: Any, seen: set[int]) -> Iterator[Linear]:
    """Every use of a layer; what merely holds layers is looked into once, as it may hold itself."""
    if isinstance(value, Linear):
        yield value
    elif isinstance(value, (Module, dict, list, tuple)) and id(value) not in seen:
        seen.add(id(value))
        children = vars(value) if isinstance(value, Module) else value
        for child in children.values() if isinstance(children, dict) else children:
            yield from _linear_modules(child, seen)
