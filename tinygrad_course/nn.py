"""Layers: a `Module` holds parameters and computes something from them; a network is a Module made of Modules.

Arrays are as in the course: X is (n_x, m), one example per column, and a layer computes Z = W X + b.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from tinygrad_course import ops
from tinygrad_course.costs import J_1, J_CE, binary_cross_entropy, cross_entropy, mean_squared_error
from tinygrad_course.errors import InputError
from tinygrad_course.mode import mode
from tinygrad_course.tensor import Tensor, apply

__all__ = [
    "J_1", "J_CE", "LeakyReLU", "Linear", "Module", "ReLU", "Sequential", "Sigmoid", "Softmax", "Softplus", "Tanh",
    "binary_cross_entropy", "cross_entropy", "he", "leaky_relu", "mean_squared_error", "relu", "sigmoid", "small",
    "softmax", "softplus", "sqrt", "summary", "tanh", "xavier", "zeros",
]

# ---------------------------------------------------------------------------------------------- activations


def sigmoid(Z: Any) -> Tensor: return apply(ops.sigmoid, Z)
def tanh(Z: Any) -> Tensor: return apply(ops.tanh, Z)
def relu(Z: Any) -> Tensor: return apply(ops.relu, Z)
def leaky_relu(Z: Any, slope: float = 0.01) -> Tensor: return apply(ops.leaky_relu, Z, slope=slope)
def softplus(Z: Any) -> Tensor: return apply(ops.softplus, Z)


def softmax(Z: Any, axis: int = 0) -> Tensor:
    """Probabilities of n_y classes from Z (n_y, m): each column adds up to 1."""
    return apply(ops.softmax, Z, axis=axis)


# ------------------------------------------------------------------------------------------- initial values
# Each makes W (n_out, n_in) from `random`: a RandomState, or np.random itself, which np.random.seed controls.

Initialiser = Callable[[int, int, Any], Any]


def zeros(n_out: int, n_in: int, random: Any) -> Any:
    return np.zeros((n_out, n_in))


def small(n_out: int, n_in: int, random: Any) -> Any:
    """0.01 randn: small, so that tanh and sigmoid start where they are steep."""
    return random.randn(n_out, n_in) * 0.01


def sqrt(n_out: int, n_in: int, random: Any) -> Any:
    """randn / sqrt(n_in): units keep the variance of their inputs."""
    return random.randn(n_out, n_in) / math.sqrt(n_in)


def he(n_out: int, n_in: int, random: Any) -> Any:
    """randn sqrt(2 / n_in), for relu, which discards half of the variance (He et al. 2015)."""
    return random.randn(n_out, n_in) * math.sqrt(2 / n_in)


def xavier(n_out: int, n_in: int, random: Any) -> Any:
    """randn sqrt(2 / (n_in + n_out)): keeps the variance forwards and backwards (Glorot and Bengio 2010)."""
    return random.randn(n_out, n_in) * math.sqrt(2 / (n_in + n_out))


# -------------------------------------------------------------------------------------------------- modules


class Module:
    """Something with parameters: define `forward`, and `cost` if it is to be trained.

    Parameters are the Tensors with requires_grad=True among the attributes, also within lists, tuples, dicts and
    other Modules.
    """

    binary_labels = False  # whether `fit` is to insist on labels 0 and 1

    def forward(self, X: Any) -> Tensor:
        raise InputError(f"{type(self).__name__} does not define forward(self, X)")

    def __call__(self, X: Any) -> Tensor:
        observers = mode.now.observers
        if not observers:
            return self.forward(X)
        for observer in observers:
            observer.entered(self)
        try:
            return self.forward(X)
        finally:
            for observer in observers:
                observer.left(self)

    def cost(self, X: Any, Y: Any) -> Tensor:
        raise InputError(f"{type(self).__name__} does not define cost(self, X, Y); define it, or give one to fit: "
                         "cost=nn.binary_cross_entropy")

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Each parameter once, in the order of definition, with its path: "layer1.W", "layers.0.W"."""
        return _parameters_within(self, "", {})

    def children(self) -> Iterable[tuple[Any, Any]]:
        """What to search for parameters, with names: all attributes."""
        return vars(self).items()

    def parameters(self) -> list[Tensor]:
        return [parameter for _, parameter in self.named_parameters()]

    def zero_grad(self) -> None:
        for parameter in self.parameters():
            parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        """Copies of the parameters' values, by name."""
        return {name: np.array(parameter) for name, parameter in self.named_parameters()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Set the parameters. Raises InputError, before any is changed, where names or shapes differ."""
        parameters = dict(self.named_parameters())
        if set(state) != set(parameters):
            raise InputError(f"{type(self).__name__} has the parameters {', '.join(parameters)}, but "
                             f"{', '.join(map(str, state)) or 'none'} were given")
        arrays = {}
        for name, parameter in parameters.items():
            try:
                arrays[name] = Tensor(state[name], dtype=parameter.dtype).data
            except InputError as error:
                raise InputError(f"{name} of {type(self).__name__}: {error}") from None
            if arrays[name].shape != parameter.shape:
                raise InputError(f"{name} of {type(self).__name__} has shape {parameter.shape}, but "
                                 f"{arrays[name].shape} was given")
        for name, parameter in parameters.items():
            parameter.data = arrays[name]

    def config(self) -> dict[str, Any]:
        """The arguments that make this Module anew; saved with a checkpoint."""
        return {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in self.config().items())})"


def _parameters_within(value: Any, path: str, seen: dict[int, Any]) -> Iterator[tuple[str, Tensor]]:
    """seen: what was searched already, by its id, and kept alive so that no other object can get that id."""
    if id(value) in seen:
        return
    children: Iterable[tuple[Any, Any]]
    if isinstance(value, Tensor):
        if value.requires_grad and value.op is None:
            seen[id(value)] = value
            yield path, value
        return
    if isinstance(value, dict):
        children = value.items()
    elif isinstance(value, (list, tuple)):
        children = enumerate(value)
    elif isinstance(value, Module):
        children = value.children()
    else:
        return
    seen[id(value)] = value
    for name, child in children:
        yield from _parameters_within(child, f"{path}.{name}" if path else str(name), seen)


class Linear(Module):
    """Z = W X + b with W (n_out, n_in) and b (n_out, 1), which is broadcast over the m columns.

    init: an initialiser, such as `nn.he`; b starts at zero.
    random: where random numbers come from, a RandomState; by default np.random, which np.random.seed controls.
    layer: its number l in a network, for the names W1, b1, ...
    Raises InputError where a size is not positive.
    """

    def __init__(self, n_in: int, n_out: int, init: Initialiser = sqrt, random: Any = None,
                 layer: int | None = None, dtype: Any = None):
        if not all(isinstance(n, (int, np.integer)) and n >= 1 for n in (n_in, n_out)):
            raise InputError("a linear layer needs at least one input and one unit, whole numbers; got "
                             f"n_in={n_in!r}, n_out={n_out!r}")
        number = "" if layer is None else str(layer)
        W = init(n_out, n_in, np.random if random is None else random)
        self.W = Tensor(W, requires_grad=True, name=f"W{number}", dtype=dtype)
        self.b = Tensor(np.zeros((n_out, 1)), requires_grad=True, name=f"b{number}", dtype=dtype)

    def forward(self, X: Any) -> Tensor:
        Z: Tensor = self.W @ X + self.b
        return Z

    def config(self) -> dict[str, Any]:
        n_out, n_in = self.W.shape
        return {"n_in": n_in, "n_out": n_out}


class Sigmoid(Module):
    def forward(self, X: Any) -> Tensor: return sigmoid(X)


class Tanh(Module):
    def forward(self, X: Any) -> Tensor: return tanh(X)


class ReLU(Module):
    def forward(self, X: Any) -> Tensor: return relu(X)


class LeakyReLU(Module):
    def __init__(self, slope: float = 0.01): self.slope = slope
    def forward(self, X: Any) -> Tensor: return leaky_relu(X, self.slope)
    def config(self) -> dict[str, Any]: return {"slope": self.slope}


class Softplus(Module):
    def forward(self, X: Any) -> Tensor: return softplus(X)


class Softmax(Module):
    def forward(self, X: Any) -> Tensor: return softmax(X)


class Sequential(Module):
    """Modules one after the other: ``Sequential(Linear(2, 4), Tanh(), Linear(4, 1), Sigmoid())``."""

    def __init__(self, *modules: Callable[[Any], Tensor]):
        self.modules = modules

    def forward(self, X: Any) -> Tensor:
        for module in self.modules:
            X = module(X)
        return X  # type: ignore[no-any-return]

    def children(self) -> Iterable[tuple[Any, Any]]:
        return enumerate(self.modules)

    def __len__(self) -> int:
        return len(self.modules)

    def __getitem__(self, i: int) -> Callable[[Any], Tensor]:
        return self.modules[i]

    def __repr__(self) -> str:
        return f"Sequential({', '.join(map(repr, self.modules))})"


def summary(model: Module, m: int) -> None:
    """Print the course's shape table of a model for m examples, with the number of parameters."""
    from tinygrad_course.summary import shape_table
    print(shape_table(model, m))


def course_names(layers: Iterable[Linear]) -> Iterator[tuple[str, Tensor]]:
    """The parameters of layers 1, 2, ... by the course's names: W1, b1, W2, b2, ..."""
    for number, layer in enumerate(layers, start=1):
        yield f"W{number}", layer.W
        yield f"b{number}", layer.b
