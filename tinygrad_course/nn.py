"""Layers: a `Module` holds parameters and computes something from them; a network is a Module made of Modules.

Arrays are as in the course: X is (n_x, m), one example per column, and a layer computes Z = W X + b.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn, TypeGuard

import numpy as np

from tinygrad_course import ops
from tinygrad_course.conversions import axes_given, real_numbers
from tinygrad_course.costs import J_1, J_CE, binary_cross_entropy, cross_entropy, mean_squared_error
from tinygrad_course.dropout_and_batch_norm import BatchNorm, Dropout
from tinygrad_course.errors import InputError
from tinygrad_course.holding import Module
from tinygrad_course.naming import unknown_name
from tinygrad_course.shown import Table
from tinygrad_course.tensor import Array, Tensor, apply, describe
from tinygrad_course.tensor import leaky_relu as _leaky_relu

__all__ = [
    "BatchNorm", "Dropout", "J_1", "J_CE", "LeakyReLU", "Linear", "Module", "ReLU", "Sequential", "Sigmoid", "Softmax",
    "Softplus", "Tanh", "binary_cross_entropy", "cross_entropy", "he", "leaky_relu", "lecun", "mean_squared_error",
    "one_hot", "relu", "sigmoid", "small", "softmax", "softplus", "summary", "tanh", "xavier", "zeros",
]

ELSEWHERE = {  # what PyTorch and Keras call it
    "Dense": "Linear", "BCELoss": "binary_cross_entropy", "BCEWithLogitsLoss": "binary_cross_entropy",
    "CrossEntropyLoss": "cross_entropy", "NLLLoss": "cross_entropy", "MSELoss": "mean_squared_error", "L1Loss": "J_1",
    "mse_loss": "mean_squared_error", "glorot": "xavier", "kaiming": "he", "sqrt": "lecun", "logistic": "sigmoid",
    "BatchNorm1d": "BatchNorm", "BatchNormalization": "BatchNorm",
    "Parameter": "Tensor(..., requires_grad=True)", "ModuleList": "a list", "ModuleDict": "a dict",
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> NoReturn:
    raise unknown_name("nn", name, __all__, ELSEWHERE)


# ---------------------------------------------------------------------------------------------- activations


# From Z, a Tensor, an array or a number of any shape, to A of the same shape. Raise InputError for what is no number.


def sigmoid(Z: Any) -> Tensor:
    """1 / (1 + e^-Z), element by element: a probability."""
    return apply(ops.sigmoid, Z)


def tanh(Z: Any) -> Tensor:
    """(e^Z - e^-Z) / (e^Z + e^-Z), element by element."""
    return apply(ops.tanh, Z)


def relu(Z: Any) -> Tensor:
    """max(0, Z), element by element; the derivative at 0 is taken to be 0, as in the course."""
    return apply(ops.relu, Z)


def leaky_relu(Z: Any, slope: Any = 0.01) -> Tensor:
    """Z where it is positive, else slope * Z; a slope that is a Tensor is learned (PReLU, He et al. 2015)."""
    return _leaky_relu(Z, slope)


def softplus(Z: Any) -> Tensor:
    """log(1 + e^Z), element by element: a smooth relu, whose derivative is the sigmoid."""
    return apply(ops.softplus, Z)


def softmax(Z: Any, axis: Any = 0) -> Tensor:
    """e^Z / sum e^Z along an axis: probabilities of n_y classes from Z (n_y, m), where each column adds up to 1."""
    return apply(ops.softmax, Z, axis=axes_given(axis))


def one_hot(labels: Any, n_classes: int | None = None) -> Array:
    """Columns of zeros with a 1 in the row of each label, (n_classes, m), as `cross_entropy` needs them.

    labels: whole numbers 0, 1, ..., as a row (1, m) or (m,); n_classes: by default one more than the largest.
    Raises InputError for other labels.
    """
    row = real_numbers(labels, "one_hot: labels cannot be")
    if row.size == 0 or row.shape not in ((row.size,), (1, row.size)):
        raise InputError(f"one_hot: labels are a row, (1, m) or (m,), of at least one; got shape {row.shape}")
    whole = row.reshape(-1)
    n = int(whole.max()) + 1 if n_classes is None and np.isfinite(whole).all() else n_classes
    if not _is_count(n) or not np.isin(whole, np.arange(n)).all():
        raise InputError("one_hot: labels are whole numbers from 0 to n_classes - 1; got values from "
                         f"{whole.min():g} to {whole.max():g}, and n_classes={n_classes!r:.60}")
    return np.asarray(np.arange(n)[:, None] == whole, dtype=np.float64)


# ------------------------------------------------------------------------------------------- initial values
# Each makes W (n_out, n_in) from `random`: a RandomState, a Generator, or np.random, which np.random.seed controls.

Initialiser = Callable[[int, int, Any], Any]


def zeros(n_out: int, n_in: int, random: Any) -> Array:
    """All units of a layer alike, so they stay alike: for logistic regression."""
    return np.zeros(_sizes(n_out, n_in))


def small(n_out: int, n_in: int, random: Any) -> Array:
    """0.01 randn: small, so that tanh and sigmoid start where they are steep."""
    return _normal(n_out, n_in, random) * 0.01


def lecun(n_out: int, n_in: int, random: Any) -> Array:
    """randn / sqrt(n_in): units keep the variance of their inputs (LeCun et al. 1998). In the course, where n_in is
    the layer before, ``np.random.randn(n, n_prev) / np.sqrt(n_prev)``."""
    return _normal(n_out, n_in, random) / math.sqrt(n_in)


def he(n_out: int, n_in: int, random: Any) -> Array:
    """randn sqrt(2 / n_in), for relu, which discards half of the variance (He et al. 2015)."""
    return _normal(n_out, n_in, random) * math.sqrt(2 / n_in)


def xavier(n_out: int, n_in: int, random: Any) -> Array:
    """randn sqrt(2 / (n_in + n_out)): keeps the variance forwards and backwards (Glorot and Bengio 2010)."""
    return _normal(n_out, n_in, random) * math.sqrt(2 / (n_in + n_out))


def _normal(n_out: int, n_in: int, random: Any) -> Array:
    """randn(n_out, n_in), by the name that generators of both kinds know."""
    if not hasattr(random, "standard_normal"):
        raise InputError(f"random is {random!r}: random numbers are needed, from np.random.RandomState(1) for instance")
    return random.standard_normal(_sizes(n_out, n_in))  # type: ignore[no-any-return]


def _is_count(n: Any) -> TypeGuard[int]:
    return bool(isinstance(n, (int, np.integer)) and not isinstance(n, bool) and 1 <= n < 2 ** 31)


def _sizes(n_out: Any, n_in: Any) -> tuple[int, int]:
    if not all(_is_count(n) for n in (n_in, n_out)):
        raise InputError("a linear layer needs at least one input and one unit, whole numbers; got "
                         f"n_in={n_in!r:.60}, n_out={n_out!r:.60}")
    return n_out, n_in


INITIALISERS: dict[str, Initialiser] = {"zeros": zeros, "small": small, "lecun": lecun, "he": he, "xavier": xavier}

# --------------------------------------------------------------------------------------------------- layers


class Linear(Module):
    """Z = W X + b with W (n_out, n_in) and b (n_out, 1), which is broadcast over the m columns.

    init: an initialiser, such as `nn.he`, or its name, "he"; b starts at zero.
    random: where random numbers come from, a RandomState; by default np.random, which np.random.seed controls.
    layer: its number l in a network, for the names W1, b1, ...
    Raises InputError where a size is not positive, and for an initialiser that does not give such a W; when it is
    called, for X (n_in,), since b would make n_out examples of one.
    """

    def __init__(self, n_in: int, n_out: int, init: Initialiser | str = lecun, random: Any = None,
                 layer: int | None = None, dtype: Any = None):
        _sizes(n_out, n_in)
        number = "" if layer is None else str(layer)
        init = INITIALISERS.get(init, init) if isinstance(init, str) else init
        if not callable(init):
            raise InputError(f"init is {init!r}: a function such as nn.he is needed, or one of the names "
                             f"{', '.join(INITIALISERS)}")
        try:
            W = init(n_out, n_in, np.random if random is None else random)
        except TypeError as error:
            raise InputError(f"init is {init!r:.60}, which cannot be called as init(n_out, n_in, random): "
                             f"{error}") from error
        self.W = Tensor(W, requires_grad=True, name=f"W{number}", dtype=dtype)
        self.b = Tensor(np.zeros((n_out, 1)), requires_grad=True, name=f"b{number}", dtype=dtype)
        if self.W.shape != (n_out, n_in):
            raise InputError(f"{getattr(init, '__name__', 'init')}({n_out}, {n_in}, random) gave shape {self.W.shape}: "
                             f"W is (n_out, n_in), here {(n_out, n_in)}")

    def forward(self, X: Any) -> Tensor:
        Z: Tensor = self.W @ X
        if Z.ndim < 2:
            raise InputError(f"{describe(self.W)} is {self.W.shape} but X is {np.shape(X)}: one example is a column, "
                             "(n_x, 1). Did you mean X.reshape(-1, 1), or X[:, :1] in place of X[:, 0]?")
        return Z + self.b

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
    """slope: a number, or a Tensor, which is learned."""

    def __init__(self, slope: Any = 0.01): self.slope = slope
    def forward(self, X: Any) -> Tensor: return leaky_relu(X, self.slope)
    def config(self) -> dict[str, Any]: return {"slope": self.slope}


class Softplus(Module):
    def forward(self, X: Any) -> Tensor: return softplus(X)


class Softmax(Module):
    def forward(self, X: Any) -> Tensor: return softmax(X)


class Sequential(Module):
    """Modules or functions one after the other: ``Sequential(Linear(2, 4), Tanh(), Linear(4, 1), Sigmoid())``, also
    as one list. Raises InputError for what cannot be called, and for a class without its parentheses."""

    def __init__(self, *modules: Any):
        if len(modules) == 1 and isinstance(modules[0], (list, tuple)):
            modules = tuple(modules[0])
        for i, module in enumerate(modules):
            if isinstance(module, type):
                raise InputError(f"Sequential: module {i} is the class {module.__name__}: write {module.__name__}()")
            if not callable(module):
                raise InputError(f"Sequential: module {i} is {module!r:.60}, which is neither a Module nor a function")
        self.modules: tuple[Callable[[Any], Tensor], ...] = modules

    def forward(self, X: Any) -> Tensor:
        for module in self.modules:
            X = module(X)
        return X  # type: ignore[no-any-return]

    def contents(self) -> Iterable[tuple[Any, Any]]:
        return enumerate(self.modules)

    def __len__(self) -> int:
        return len(self.modules)

    def __getitem__(self, i: int) -> Callable[[Any], Tensor]:
        return self.modules[i]

    def __repr__(self) -> str:
        return f"Sequential({', '.join(map(repr, self.modules))})"


def summary(model: Module, m: int) -> Table:
    """The course's shape table of a model for m examples, with the number of parameters; it shows itself.

    Raises InputError for what is no Module, and where m is not a positive whole number.
    """
    from tinygrad_course.summary import shape_table
    if not isinstance(model, Module):
        raise InputError(f"summary: {type(model).__name__} is no Module, such as nn.Sequential(...)")
    return shape_table(model, m)


def course_names(layers: Iterable[Linear]) -> Iterator[tuple[str, Tensor]]:
    """The parameters of layers 1, 2, ... by the course's names: W1, b1, W2, b2, ..."""
    for number, layer in enumerate(layers, start=1):
        yield f"W{number}", layer.W
        yield f"b{number}", layer.b
