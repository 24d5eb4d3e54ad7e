"""A model's layers as the course tabulates them: the shapes of W and b, the linear step, the activation."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tinygrad_course.nn import Linear, Module


def summary(model: Module, m: int) -> str:
    """The course's shape table for m examples, with the number of parameters of each layer and of all.

    Layers are the model's `Linear` modules in the order of definition, or a pair of parameters w, b.
    """
    rows = [["", "shape of W", "shape of b", "linear step", "shape of activation", "parameters"]]
    layers = list(_linear_steps(model))
    for number, (W, b, step, units) in enumerate(layers, start=1):
        rows.append([f"Layer {number}", str(W.shape), str(b.shape), step, str((units, m)), str(W.size + b.size)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths)).rstrip() for row in rows]
    total = sum(parameter.size for parameter in model.parameters())
    return "\n".join([f"{type(model).__name__}", *lines, f"{total} parameters in all"])


def _linear_steps(model: Module) -> Iterator[tuple[Any, Any, str, int]]:
    """W, b, the formula and the number of units of each layer."""
    linear = list(_linear_modules(model))
    for number, layer in enumerate(linear, start=1):
        inputs = "X" if number == 1 else f"A[{number - 1}]"
        yield layer.W, layer.b, f"Z[{number}] = W[{number}] {inputs} + b[{number}]", layer.W.shape[0]
    parameters = dict(model.named_parameters())
    if not linear and set(parameters) == {"w", "b"}:
        yield parameters["w"], parameters["b"], "z = w^T X + b", parameters["w"].shape[1]


def _linear_modules(value: Any) -> Iterator[Linear]:
    if isinstance(value, Linear):
        yield value
    elif isinstance(value, (Module, dict)):
        for child in (vars(value) if isinstance(value, Module) else value).values():
            yield from _linear_modules(child)
    elif isinstance(value, (list, tuple)):
        for child in value:
            yield from _linear_modules(child)
