"""What a picture of a network shows: its layers, read from a model or from a list of sizes.

A model is run once on one column, and what its operations report is read: each product of a parameter with what came
before is a layer, and what happens to it before the next layer is its activation. So every Module can be drawn whose
layers follow one another, however it is written.
"""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinygrad_course.errors import InputError
from tinygrad_course.mode import Observer, observed
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


@dataclass(frozen=True)
class _Event:
    """One operation of a run: its name, the arrays that it saw, and the array that it gave."""

    name: str
    inputs: tuple[Any, ...]
    result: Any


class _Run:
    """What a model did with one column. Arrays are known by their identity."""

    def __init__(self, model: Module, X: Any):
        self.events: list[_Event] = []
        with _watched(self.events, model):
            output = model(X)
        self.output = plain(output)
        self.made_by = {id(event.result): event for event in self.events}
        self.added_to = {id(x): event for event in self.events if event.name == "add" for x in event.inputs}
        self.parameters = {id(plain(parameter)) for parameter in model.parameters()}

    def parameter(self, array: Any) -> Any:
        """`array` if it is a parameter or the transpose of one: the parameter, else None."""
        if id(array) in self.parameters:
            return array
        event = self.made_by.get(id(array))
        if event is not None and event.name == "transpose" and id(event.inputs[0]) in self.parameters:
            return event.inputs[0]
        return None


@contextmanager
def _watched(events: list[_Event], model: Module) -> Iterator[None]:
    """Note every operation of a model, record no graph, and leave no trace: not in the mode, not in NumPy's random
    numbers (a model may use some), and parameters that could be written to still can."""
    class Events(Observer):

        def computed(self, result: Tensor, op: Any, inputs: Sequence[Any], params: dict[str, Any]) -> None:
            events.append(_Event(op.name, tuple(plain(x) for x in inputs), plain(result)))

    arrays = [plain(parameter) for parameter in model.parameters()]
    writeable = [array for array in arrays if array.flags.writeable]
    random = np.random.get_state()
    try:
        with observed(Events(), recording=False, alone=True), np.errstate(all="ignore"):  # weights may be NaN
            yield
    finally:
        np.random.set_state(random)
        for array in writeable:
            array.setflags(write=True)


def _network_of_model(model: Module, example: Any) -> Network:
    name = type(model).__name__
    matrices = [plain(parameter) for parameter in model.parameters() if parameter.ndim == 2]
    if not matrices:
        raise InputError(f"{name} has no layers that can be drawn: none of its parameters is a matrix. Add an "
                         "nn.Linear, or give the sizes of the layers as a list")
    run = _try_out(model, name, matrices)
    network = _network_of_run(run, name)
    if example is None:
        return network
    x = _checked_example(example, network.inputs)
    try:
        run = _Run(model, x)
    except Exception as error:
        raise InputError(f"{name} cannot be run on this example: {error}") from error
    return _network_of_run(run, name, x[:, 0])


def _try_out(model: Module, name: str, matrices: Sequence[Any]) -> _Run:
    """A run on a column of zeros. How long it must be is not known: the first matrices tell, W (n_out, n_in) by its
    columns and w (n_x, 1) by its rows."""
    lengths = [length for matrix in matrices[:2] for length in (matrix.shape[1], matrix.shape[0])]
    first: Exception | None = None
    for length in dict.fromkeys(lengths):
        try:
            return _Run(model, np.zeros((length, 1), matrices[0].dtype))
        except Exception as error:  # whatever a user's forward raises
            first = first or error
    raise InputError(f"cannot find the layers of {name}: it could not be run on one column of {lengths[0]} zeros "
                     f"({type(first).__name__}: {first}). Give the sizes of its layers instead, such as "
                     "[12288, 20, 7, 5, 1]") from first


def _network_of_run(run: _Run, name: str, x: Any = None) -> Network:
    products = [event for event in run.events
                if event.name in ("matmul", "dot") and run.parameter(event.inputs[0]) is not None
                and event.result.ndim == 2]
    if not products:
        raise InputError(f"{name} has no layers that can be drawn: it multiplies nothing by a matrix of parameters "
                         "from the left, W @ X. Give the sizes of the layers as a list")
    sums = [_with_bias(run, product) for product in products]
    steps = {id(Z): number for number, (Z, _) in enumerate(sums, start=1)}
    layers: list[Layer] = []
    for number, (product, (Z, b)) in enumerate(zip(products, sums), start=1):
        A = products[number].inputs[1] if number < len(products) else run.output
        units = int(Z.shape[0])
        if np.shape(A) != Z.shape:
            raise InputError(f"cannot draw {name}: layer {number} gives {units} numbers per example, but what follows "
                             f"it has the shape {np.shape(A)}; {_CHAIN}")
        W = product.inputs[0]
        layers.append(Layer(units, _activation(run, A, Z, number, steps, name), W, b,
                            None if x is None else A[:, 0], transposed=id(W) not in run.parameters))
    return Network(name, int(products[0].inputs[0].shape[1]), layers, x)


_CHAIN = "only networks whose layers follow one another can be drawn. Give the sizes as a list, or use draw_graph"


def _with_bias(run: _Run, product: _Event) -> tuple[Any, Any]:
    """Z and b of Z = W A + b; without a bias Z = W A, and None."""
    event = run.added_to.get(id(product.result))
    if event is not None and event.result.shape == product.result.shape:
        bias = run.parameter(event.inputs[0] if event.inputs[1] is product.result else event.inputs[1])
        if bias is not None:
            return event.result, bias
    return product.result, None


def _activation(run: _Run, A: Any, Z: Any, number: int, steps: dict[int, int], name: str) -> str:
    """What leads from Z to A: the name of a single operation, "linear" if there is none, "" if there are several."""
    found: list[_Event] = []
    met = False
    seen: set[int] = set()
    stack = [A]
    while stack:
        array = stack.pop()
        if id(array) in seen:
            continue
        seen.add(id(array))
        if id(array) in steps:
            if array is not Z:
                raise InputError(f"cannot draw {name}: what follows layer {number} also uses layer "
                                 f"{steps[id(array)]}; {_CHAIN}")
            met = True
        elif id(array) in run.made_by:
            found.append(run.made_by[id(array)])
            stack.extend(found[-1].inputs)
    if not met:
        raise InputError(f"cannot draw {name}: what follows layer {number} does not use it; {_CHAIN}")
    if not found:
        return "linear"
    if len(found) > 1:
        return ""
    if found[0].name == "maximum" and any(np.ndim(x) == 0 and x == 0 for x in found[0].inputs):
        return "relu"  # written as np.maximum(0, Z)
    return found[0].name


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
