"""What a picture of a network shows: its layers, read from a model or from a list of sizes.

A model is run once on one column, and what its operations report is read: each product of a parameter with what came
before is a layer, and what happens to it before the next layer is its activation. So every Module can be drawn whose
layers follow one another, however it is written.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinygrad_course.errors import InputError
from tinygrad_course.graph.modules import likely_inputs, trial, tried_out
from tinygrad_course.graph.record import Record
from tinygrad_course.graph.roles import LinearStep, is_relu_by_hand, linear_steps
from tinygrad_course.holding import in_mode
from tinygrad_course.nn import Module
from tinygrad_course.tensor import Tensor, plain

WANTED = ("a Module with linear layers, such as DeepNetwork([12288, 20, 7, 5, 1]), or the sizes of the layers, such "
          "as [12288, 20, 7, 5, 1]")


@dataclass(frozen=True)
class Layer:
    """One layer: how many units, what they do, and its parameters where they are known.

    activation: an operation's name, "linear" for none, "" for one that has no name, None where it is not known.
    W: (units, units before). b: of any shape that broadcasts to (units, 1). values: (units,), of one example.
    transposed: the parameter is w (n_x, 1), as in logistic regression, and W its transpose.
    """

    units: int
    activation: str | None = None
    W: Any = None
    b: Any = None
    values: Any = None
    transposed: bool = False


@dataclass(frozen=True)
class Network:
    """inputs: n_x. values: (n_x,), of one example."""

    name: str
    inputs: int
    layers: Sequence[Layer]
    values: Any = None

    def units(self, l: int) -> int:
        return self.layers[l - 1].units if l else self.inputs

    def values_of(self, l: int) -> Any:
        return self.layers[l - 1].values if l else self.values

    def with_activations(self, names: Sequence[str | None]) -> Network:
        return replace(self, layers=[replace(layer, activation=name) for layer, name in zip(self.layers, names)])


def read_network(model_or_layer_sizes: Any, example: Any = None) -> Network:
    """The layers of a model, or those of the given sizes n[0], n[1], ..., n[L].

    example: x (n_x,) or (n_x, 1), whose values in every layer are wanted; it needs a model.
    Raises InputError for what is neither, for sizes that are not positive whole numbers, for a model without layers
    or whose layers do not follow one another, and for an example of another shape.
    """
    if isinstance(model_or_layer_sizes, Module):
        return _network_of_model(model_or_layer_sizes, example)
    sizes = _checked_sizes(model_or_layer_sizes)
    if example is not None:
        raise InputError("example: sizes have no weights to compute values with; give a model in place of the sizes")
    return Network("Network", sizes[0], [Layer(units) for units in sizes[1:]])


def _checked_sizes(sizes: Any) -> list[int]:
    if isinstance(sizes, type) and issubclass(sizes, Module):
        raise InputError(f"{sizes.__name__} is a class: make a model of it first, such as {sizes.__name__}(...)")
    if isinstance(sizes, np.ndarray) and sizes.ndim == 1:
        sizes = sizes.tolist()
    if not isinstance(sizes, Sequence) or isinstance(sizes, (str, bytes)):
        raise InputError(f"cannot draw {_brief(sizes)} as a network: {WANTED} are wanted")
    for size in sizes:
        if isinstance(size, (bool, np.bool_)) or not isinstance(size, (int, np.integer)) or size < 1:
            raise InputError(f"layer sizes are positive whole numbers, but {_brief(size)} is among {_brief(sizes)}")
    if len(sizes) < 2:
        raise InputError(f"{_brief(sizes)} has no layer: give the number of inputs and of the units of at least one "
                         "layer, such as [2, 4, 1]")
    return [int(size) for size in sizes]


# ------------------------------------------------------------------------------------------------ from a model


def _network_of_model(model: Module, example: Any) -> Network:
    name = type(model).__name__
    matrices = [parameter for parameter in model.parameters() if parameter.ndim == 2]
    if not matrices:
        raise InputError(f"{name} has no layers that can be drawn: none of its parameters is a matrix. Add an "
                         "nn.Linear, or give the sizes of the layers as a list")
    try:
        with np.errstate(all="ignore"):  # weights may be NaN
            output, _, watch = tried_out(model, lambda n_x: np.zeros((n_x, 1), matrices[0].dtype), Exception)
    except InputError as error:
        reason = error.__cause__
        raise InputError(f"cannot find the layers of {name}: it could not be run on one column of "
                         f"{likely_inputs(model)[0]} zeros ({type(reason).__name__}: {reason}). Give the sizes of its "
                         "layers instead, such as [12288, 20, 7, 5, 1]") from reason
    network = _Chain(model, name, watch.record(output)).network()
    if example is None:
        return network
    x = _checked_example(example, network.inputs)
    try:
        with np.errstate(all="ignore"), in_mode(model, training=False), trial(model) as watch:
            output = model(x)
    except Exception as error:
        raise InputError(f"{name} cannot be run on this example: {error}") from error
    return _Chain(model, name, watch.record(output)).network(x[:, 0])


_CHAIN = "only networks whose layers follow one another can be drawn. Give the sizes as a list, or use draw_graph"


class _Chain:
    """The layers of a recorded run on one column, which have to follow one another."""

    def __init__(self, model: Module, name: str, record: Record):
        self.name, self.record = name, record
        parameters = set(model.parameters())
        self.steps = [step for step in linear_steps(record, parameters) if step.Z.ndim == 2 and any(
            factor in parameters or factor in record.origins and record.parents(factor)[0] in parameters
            for factor in record.parents(step.products[0])[:1])]
        if not self.steps:
            raise InputError(f"{name} has no layers that can be drawn: it multiplies nothing by a matrix of parameters "
                             "from the left, W @ X. Give the sizes of the layers as a list")
        self.numbers = {self._sum(step): number for number, step in enumerate(self.steps, start=1)}

    def network(self, x: Any = None) -> Network:
        """x (n_x,): the example that the record is of, if its values are wanted."""
        layers: list[Layer] = []
        for number, step in enumerate(self.steps, start=1):
            A = self.steps[number].inputs[0] if number < len(self.steps) else self.record.roots[0]
            if len(step.products) > 1:
                raise InputError(f"cannot draw {self.name}: layer {number} adds up several products; {_CHAIN}")
            if A.shape != step.Z.shape:
                raise InputError(f"cannot draw {self.name}: layer {number} gives {step.Z.shape[0]} numbers per "
                                 f"example, but what follows it has the shape {A.shape}; {_CHAIN}")
            W = self.record.parents(step.products[0])[0]
            b = plain(step.biases[0]) if step.biases and self._sum(step) is step.Z else None
            layers.append(Layer(step.Z.shape[0], self._activation(A, number), plain(W), b,
                                None if x is None else plain(A)[:, 0], transposed=W in self.record.origins))
        return Network(self.name, plain(self.record.parents(self.steps[0].products[0])[0]).shape[1], layers, x)

    def _sum(self, step: LinearStep) -> Tensor:
        """Z; only W A where the bias is subtracted, or gives the sum another shape."""
        product = step.products[0]
        return step.Z if self.record.op(step.Z) == "add" and step.Z.shape == product.shape else product

    def _activation(self, A: Tensor, number: int) -> str:
        """What leads from Z to A: the name of a single operation, "linear" if there is none, "" if several."""
        found: list[Tensor] = []
        met = False
        seen: set[Tensor] = set()
        stack = [A]
        while stack:
            tensor = stack.pop()
            if tensor in seen:
                continue
            seen.add(tensor)
            if tensor in self.numbers:
                if self.numbers[tensor] != number:
                    raise InputError(f"cannot draw {self.name}: what follows layer {number} also uses layer "
                                     f"{self.numbers[tensor]}; {_CHAIN}")
                met = True
            elif tensor in self.record.origins:
                found.append(tensor)
                stack.extend(self.record.parents(tensor))
        if not met:
            raise InputError(f"cannot draw {self.name}: what follows layer {number} does not use it; {_CHAIN}")
        if len(found) != 1:
            return "" if found else "linear"
        return "relu" if is_relu_by_hand(self.record, found[0]) else self.record.op(found[0])


def _checked_example(example: Any, n_x: int) -> Any:
    """x as a column (n_x, 1)."""
    try:
        x = np.array(plain(example))
    except ValueError as error:
        raise InputError(f"example: {error}") from None
    if x.dtype.kind not in "fiub":
        raise InputError(f"example holds {x.dtype}: numbers are wanted")
    if x.shape not in ((n_x,), (n_x, 1)):
        hint = "; take one column, such as X[:, [0]]" if x.ndim == 2 and x.shape[0] == n_x else ""
        hint = hint or ("; examples are columns: did you mean X.T?" if x.ndim == 2 and x.shape[1] == n_x else "")
        raise InputError(f"example has the shape {x.shape}, but one example of {n_x} inputs is wanted, "
                         f"({n_x},) or ({n_x}, 1){hint}")
    return x.reshape(n_x, 1).astype(np.result_type(x.dtype, np.float32), copy=False)


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
