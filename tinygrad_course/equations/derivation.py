"""The forward and the backward pass as the course writes them, derived from a recorded graph.

>>> from tinygrad_course.models import PlanarClassifier
>>> print(derive(PlanarClassifier()))
Forward
Z[1] = W[1] X + b[1]
A[1] = tanh(Z[1])
Z[2] = W[2] A[1] + b[2]
A[2] = sigmoid(Z[2])
y_hat = A[2]
J = -(1/m) np.sum(Y * log(A[2]) + (1 - Y) * log(1 - A[2]))
<BLANKLINE>
Backward (dT is m times the derivative of the cost with respect to T; for a parameter the derivative itself)
dZ[2] = A[2] - Y
dW[2] = (1/m) dZ[2] A[1]^T
db[2] = (1/m) np.sum(dZ[2], axis=1, keepdims=True)
dZ[1] = W[2]^T dZ[2] * g[1]'(Z[1])
dW[1] = (1/m) dZ[1] X^T
db[1] = (1/m) np.sum(dZ[1], axis=1, keepdims=True)

No equation is stored: the VJPs are run on Tensors, so that the backward pass is a graph too; both graphs are read as
expressions (`from_graph`), simplified (`rules`), and written with the names of the course (`text`).
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_course.errors import InputError
from tinygrad_course.equations.from_graph import Equation, GraphEquations, spelled_out
from tinygrad_course.equations.places import Places, check_cost
from tinygrad_course.equations.reader import GraphReader, Numbers
from tinygrad_course.holding import buffers_kept
from tinygrad_course.nn import Module
from tinygrad_course.equations.text import UnicodeWriter, Writer
from tinygrad_course.equations.math import LatexWriter, MathMLWriter, in_latex, in_mathml
from tinygrad_course.equations.numpy_text import numpy_source
from tinygrad_course.graph.modules import tried_out
from tinygrad_course.graph.roles import CONVENTIONS, checked_convention, course_names
from tinygrad_course.tensor import Array, Tensor

CostOf = Callable[[Tensor, Any], Tensor]  # of y_hat and Y
PRIMES = (101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157)


class Derivation:
    """The equations of a cost.

    forward, backward: lists of `Equation`, each with a name and an expression, in the order of computation.
    inputs: the arrays that the equations start from, by their names: X, Y, other constants, then the parameters.
    keys: for the name of each parameter in the equations, W[1], its name in the model, W1.
    meaning: what dT stands for.
    """

    def __init__(self, equations: GraphEquations, keys: dict[str, str], spell_out: bool = False):
        self.forward: list[Equation] = equations.forward
        self.backward: list[Equation] = equations.backward
        self.keys = keys
        self.meaning = CONVENTIONS["course" if equations.carried else "of_cost"]
        self._spelled_out = spell_out
        self._sizes = equations.numbers.sizes
        arrays = {name: equations.places.array(i).copy() for name, i in equations.leaves.items()}
        arrays.update(equations.constants)
        first = [name for name in ("X", "Y") if name in arrays and name not in keys]
        others = [name for name in arrays if name not in first and name not in keys]
        self.inputs: dict[str, Array] = {name: arrays[name] for name in [*first, *others, *keys]}

    def __repr__(self) -> str:
        return self.text()

    def text(self, unicode: bool = False, spelled_out: bool | None = None) -> str:
        """Plain text, one equation a line.

        unicode: with the signs of mathematics in place of ^T, * and y_hat.
        spelled_out: with g'(Z) replaced by what it is; by default as `derive` was told.
        """
        writer = UnicodeWriter(self._sizes) if unicode else Writer(self._sizes)
        forward, backward = ([writer.equation(equation.name, equation.expression) for equation in equations]
                             for equations in self._equations(spelled_out))
        return "\n".join(["Forward", *forward, "", f"Backward ({self.meaning})", *backward])

    def latex(self, spelled_out: bool | None = None) -> str:
        """LaTeX: two `align*` environments, for which the package amsmath is needed."""
        return f"% {self.meaning}\n{in_latex(*self._equations(spelled_out), LatexWriter(self._sizes))}"

    def html(self, spelled_out: bool | None = None) -> str:
        """HTML with MathML, which browsers and notebooks show as it is; it needs no script and no other file."""
        return in_mathml(*self._equations(spelled_out), MathMLWriter(self._sizes), self.meaning)

    def source(self) -> str:
        """A NumPy function `gradients(X, Y, W1, b1, ...)` that returns the gradients of the parameters in a dict.

        Its arguments are `inputs`, in that order; the keys are the names of the parameters in the model.
        """
        return numpy_source(self.forward, self.backward, {name: array.shape for name, array in self.inputs.items()},
                            self.keys, self._sizes)

    def _equations(self, spell_out: bool | None) -> tuple[Sequence[Equation], Sequence[Equation]]:
        if not (self._spelled_out if spell_out is None else spell_out):
            return self.forward, self.backward
        return self.forward, [Equation(equation.name, spelled_out(equation.expression), equation.of)
                              for equation in self.backward]

    def _repr_html_(self) -> str:
        return self.html()

    def _repr_latex_(self) -> str:
        return f"$\\begin{{aligned}}{in_latex(*self._equations(None), LatexWriter(self._sizes), bare=True)}" \
               "\\end{aligned}$"


def derive(what: Module | Tensor, X: Any = None, Y: Any = None, *,
           cost: CostOf | None = None, convention: str = "course",
           spelled_out: bool = False) -> Derivation:
    """The equations of the forward and the backward pass, of a model's cost or of any recorded cost.

    A model is run on data made up for the purpose, twice, with different numbers of examples: what differs between
    the two depends on m. Given X and Y, or the Tensor of a cost, the equations are those of that very graph. A divisor
    that equals the size of the last axis of Y, or of X where there is no Y, is then written as m, unless another axis
    has that size too.

    what: a `Module`, or the Tensor of a cost.
    X, Y: data for a model that takes no real numbers, or labels of its own kind.
    cost: a function of y_hat and Y, for a model that defines none.
    convention: "course": dZ is m times the derivative of J with respect to Z, so that dZ[L] = A[L] - Y, and the factor
        1/m stands in the gradients of the parameters only; "of_cost": every dT is the derivative of J.
    spelled_out: write (1 - A[1]^2) and the like for g[1]'(Z[1]).

    Logistic regression has one layer, so its Z, A, w and b carry no number, and dZ has a name as in every other
    network: `dZ = A - Y`, `dw = (1/m) X dZ^T`, `db = (1/m) np.sum(dZ)` is the course's dJ/dw = (1/m) X (A - Y)^T and
    dJ/db = (1/m) sum_i (a^(i) - y^(i)). Labels of several classes are taken to be one-hot, where they are.

    Raises InputError for what has no graph or no parameters, and for a cost that is no single number.
    """
    checked_convention(convention)
    if isinstance(what, Module):
        return _of_model(what, X, Y, cost, convention == "course", spelled_out)
    if X is not None or Y is not None or cost is not None:
        raise InputError("derive: X, Y and cost belong to a model; the Tensor of a cost has its data already")
    check_cost(what)
    return _of_cost(what, None, convention == "course", spelled_out)


def _of_cost(cost: Tensor, model: Module | None, course: bool, spell_out: bool) -> Derivation:
    """The equations of one recorded graph."""
    places = Places(cost, None if model is None else course_names(model))
    reader = GraphReader(places, Numbers(places, places.examples()))
    return Derivation(GraphEquations(reader, course), _keys(places, model), spell_out)


def _of_model(model: Module, X: Any, Y: Any, cost: CostOf | None, course: bool, spell_out: bool) -> Derivation:
    parameters = model.parameters()
    if not parameters:
        raise InputError(f"{type(model).__name__} has no parameters, so there are no gradients to derive")
    if (X is None) != (Y is None):
        raise InputError("derive: give both X and Y, or neither of them")
    if X is not None:
        J = _cost(model, X, Y, cost)
        check_cost(J)
        return _of_cost(J, model, course, spell_out)
    sizes = {n for parameter in parameters for n in parameter.shape}
    numbers = [prime for prime in PRIMES if prime not in sizes]
    names = course_names(model)
    for m, other in zip(numbers, numbers[1:]):
        first, second = (Places(_on_made_up_data(model, n, cost), names) for n in (m, other))
        reader = GraphReader(first, Numbers(first, m, second, other), second)
        equations = GraphEquations(reader, course)
        if not reader.numbers.ambiguous:
            break
    return Derivation(equations, _keys(first, model), spell_out)


def _keys(places: Places, model: Module | None) -> dict[str, str]:
    """For the name of each parameter in the equations, its name in the model, or its own, where that is unique."""
    if model is not None:
        names = course_names(model)
        used = {places.steps[i]: places.names[i] for i in places.parameters}
        return {used.get(parameter, names[parameter]): path for path, parameter in model.named_parameters()}
    own = {places.names[i]: places.steps[i].name for i in places.parameters}
    often = Counter(own.values())
    return {name: path if path is not None and often[path] == 1 else name for name, path in own.items()}


def _cost(model: Module, X: Any, Y: Any, cost: CostOf | None) -> Tensor:
    with buffers_kept(model):
        J: Tensor = model.cost(X, Y) if cost is None else cost(model(X), Y)
    return J


def _on_made_up_data(model: Module, m: int, cost: CostOf | None) -> Tensor:
    """The cost of m examples."""
    random, dtype = np.random.RandomState(0), model.parameters()[0].dtype
    try:
        y_hat, X, _ = tried_out(model, lambda n_x: random.randn(n_x, m).astype(dtype))
    except InputError as error:
        reason = f"\n{error.__cause__}" if error.__cause__ is not None else ""
        raise InputError(f"{error}. Give data: derive(model, X, Y){reason}") from None
    J = _cost(model, X, _labels(y_hat, random), cost)
    check_cost(J)
    return J


def _labels(y_hat: Tensor, random: np.random.RandomState) -> Array:
    """Zeros and ones of the shape of y_hat, (n_y, m): one-hot columns where there are several classes."""
    if y_hat.ndim != 2 or y_hat.shape[0] == 1:
        return random.randint(0, 2, y_hat.shape).astype(y_hat.dtype)
    return np.eye(y_hat.shape[0], dtype=y_hat.dtype)[:, random.randint(0, y_hat.shape[0], y_hat.shape[1])]
