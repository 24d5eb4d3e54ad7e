"""A recorded graph as expressions: its Tensors, its numbers, and m among them."""
from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from tinygrad_course.equations import rules_arrays  # noqa: F401  its rules are entered by importing it
from tinygrad_course.equations.expressions import EXAMPLES, ONE, Expression, found, number, replaced, symbol
from tinygrad_course.equations.places import Places
from tinygrad_course.equations.rules import add, build, multiply, power, spread
from tinygrad_course.errors import InputError
from tinygrad_course.graph.roles import Names, owner
from tinygrad_course.tensor import Array, Tensor

ON_YOUR_DATA = "Derive the equations from a cost on your data: derive(model.cost(X, Y))"


class Numbers:
    """Numbers and sizes of a recording as expressions, m among them.

    m: the number of examples, None where it is not clear.
    twin, other_m: the same graph recorded for another number of examples: what differs in the two depends on m.
    """

    def __init__(self, places: Places, m: int | None, twin: Places | None = None, other_m: int | None = None):
        self.m = m
        self.other_m = m if other_m is None else other_m
        self.sizes: dict[int, Expression] = {} if m is None else {m: EXAMPLES}
        self.fixed: set[int] = set()
        if twin is not None:
            if [places.op(i) for i in range(len(places.steps))] != [twin.op(i) for i in range(len(twin.steps))]:
                raise InputError(f"the graph is another one for another number of examples. {ON_YOUR_DATA}")
            self.sizes = {}
            for step, other in zip(places.steps, twin.steps):
                self.learn(step.shape, other.shape)

    def learn(self, value: Any, other: Any) -> None:
        """Which sizes depend on m, from shapes or parameters of an operation and those in its twin."""
        if isinstance(value, int) and isinstance(other, int):
            if value == other:
                self.fixed.add(value)
            elif value not in self.sizes:
                self.sizes[value] = self.number(value, other)
        elif isinstance(value, slice):
            self.learn((value.start, value.stop, value.step), (other.start, other.stop, other.step))
        elif isinstance(value, tuple) and value != ():
            for part, other_part in zip(value, other):
                self.learn(part, other_part)

    @property
    def ambiguous(self) -> bool:
        """Whether a size that depends on m is, for this m, also one that does not."""
        return not self.fixed.isdisjoint(self.sizes)

    def size(self, n: int) -> Expression:
        return self.sizes.get(n, number(n))

    def number(self, value: Any, other: Any, divides: bool = False, in_backward: bool = False) -> Expression:
        """A number of the graph.

        other: the one in its place in the twin; without a twin the same number, and then only a divisor, or 1/m
        itself, counts as m. In the backward pass no number is a user's own, so that there a multiple of m counts too.
        """
        value, other = float(value), float(other)
        m, k = self.m, self.other_m
        if m is None or k is None or value == other and m != k or value - value != 0:
            return number(value)
        if m == k:
            if divides and (value == m or in_backward and value and value % m == 0):
                return multiply(number(value / m), EXAMPLES)
            c = round(2 * value * m) / 2  # 1 / m, 2 / m, 1 / (2 m) written as numbers, if they look like nothing else
            if c in (-2, -1, -0.5, 0.5, 1, 2) and value == c / m and len(repr(value)) > 12:
                return multiply(number(c), power(EXAMPLES, -1))
            return number(value)
        for exponent in (1, -1, 2, -2):
            c = value / m ** exponent
            if np.isclose(c, other / k ** exponent, rtol=1e-13, atol=0):
                return multiply(number(f"{c:.15g}"), power(EXAMPLES, exponent))
        if value == int(value) and other == int(other):  # such as m - 1
            slope = Fraction(int(other) - int(value), k - m)
            return add(multiply(number(slope), EXAMPLES), number(int(value) - slope * m))
        raise InputError(f"the graph holds a number that depends on m in an unknown way: {value} for m = {m}, {other} "
                         f"for m = {k}. {ON_YOUR_DATA}")

    def settle(self, x: Expression) -> Expression:
        """The expression with its counts replaced: by m, or by a number."""
        return replaced(x, lambda leaf: self.size(leaf.content) if leaf.head == "count" else None, build)


class GraphReader:
    """The steps and the gradients of a recording as expressions of each other.

    In them, another step is the place-holder "value", and the gradient of one the place-holder "gradient".

    names: of the steps, by their places; those of leaves are needed here.
    owners: for each gradient the step that it belongs to.
    groups: in the order of the backward pass, for each gradient the first step that it belongs to, and its owner.
    constants: arrays that the backward pass meets and that are no steps of the graph, by name.
    """

    def __init__(self, places: Places, numbers: Numbers, twin: Places | None = None):
        self.places = places
        self.numbers = numbers
        self.twin = places if twin is None else twin
        self.names = dict(places.names)
        self.constants: dict[str, Array] = {}
        self._given = Names(self.names.values())
        self.owners, self.groups = self._groups()

    def _groups(self) -> tuple[dict[Tensor, int], list[tuple[int, int]]]:
        """Whose each gradient is; and in the order of the backward pass where it arises and whose it is.

        A gradient that is handed on unchanged belongs to several steps: it gets the name of Z or A, if one is there.
        """
        places, together = self.places, dict[Tensor, list[int]]()
        for i in sorted(places.parts, reverse=True):
            together.setdefault(places.total[i], []).append(i)
        owners = {gradient: owner(steps, places.roles) for gradient, steps in together.items()}
        assert places.seed is not None
        owners[places.seed] = places.last
        return owners, [(steps[0], owners[gradient]) for gradient, steps in together.items()
                        if gradient is not places.seed]

    def value(self, i: int) -> Expression:
        """The value of a step, of the values of the steps before it."""
        if not self.places.op(i):
            return ONE
        return self.numbers.settle(self._applied(self.places.steps[i], self.twin.steps[i], i))

    def _applied(self, tensor: Tensor, twin: Tensor, of: int) -> Expression:
        """What was done to get a Tensor."""
        origin, other_origin = self.places.origins[tensor], self.twin.origins[twin]
        args = [self._operand(parent, other, of, origin.op.name == "divide" and i == 1)
                for i, (parent, other) in enumerate(zip(origin.parents, other_origin.parents))]
        params, arrays = readable(origin.params)
        for name in ("index", "shape"):
            if name in origin.params and self.twin is not self.places:
                self.numbers.learn(origin.params[name], other_origin.params[name])
        args += [self._array(array) for array in arrays]
        return build(origin.op.name, *args, shape=tensor.shape, **params)

    def _operand(self, tensor: Tensor, twin: Tensor, of: int, divides: bool = False) -> Expression:
        """A Tensor among the operands: a step, a gradient, something within a VJP, or a constant."""
        i = self.places.index.get(tensor)
        if i is not None:
            if i in self.places.names or self.places.op(i):
                return Expression("value", shape=tensor.shape, content=i)
            return spread(self.numbers.number(tensor.item(), twin.item(), divides), tensor.shape)
        whose = self.owners.get(tensor)
        if whose is not None and whose != of:
            return self._gradient_of(whose)
        if tensor in self.places.origins:
            return self._applied(tensor, twin, of)
        return self._constant(tensor._data, twin._data, divides)

    def _gradient_of(self, i: int) -> Expression:
        shape = self.places.steps[i].shape
        return spread(ONE, shape) if i == self.places.last else Expression("gradient", shape=shape, content=i)

    def _constant(self, array: Array, other: Array, divides: bool = False) -> Expression:
        if array.size and (array == array.reshape(-1)[0]).all():
            value = self.numbers.number(array.reshape(-1)[0], other.reshape(-1)[0], divides, in_backward=True)
            return spread(value, array.shape)
        return self._array(array)

    def _array(self, array: Array) -> Expression:
        name = self._given.give("C", numbered=True)
        self.constants[name] = array
        return symbol(name, array.shape)

    def gradient(self, i: int, of: int) -> Expression:
        """The gradient of a step: the sum of what its users hand to it."""
        parts = []
        for k, (source, _) in enumerate(self.places.parts[i]):
            x = self.part(i, k, of)
            if self.places.activated.get(source) == i:
                x = with_local_derivative(x, self.names[i].removeprefix("Z"))
            parts.append(x)
        return add(*parts) if len(parts) > 1 else parts[0]

    def part(self, i: int, k: int, of: int) -> Expression:
        """The k-th gradient that is handed to a step."""
        return self._operand(self.places.parts[i][k][1], self.twin.parts[i][k][1], of)


def with_local_derivative(x: Expression, layer: str) -> Expression:
    """The product of a gradient and factors without one, with these factors gathered in g[l]'(Z[l])."""
    factors = x.args if x.head == "multiply" else (x,)
    local = [factor for factor in factors if not found(factor, "gradient")]
    rest = [factor for factor in factors if found(factor, "gradient")]
    if not local or len(rest) != 1 or rest[0].head != "gradient":
        return x
    return multiply(rest[0], build("local", multiply(*local), shape=x.shape, layer=layer))


def readable(params: Mapping[str, Any]) -> tuple[dict[str, Any], list[Array]]:
    """An operation's parameters in a form that can be compared, and the arrays among them, which become operands."""
    arrays: list[Array] = []

    def plain(value: Any) -> Any:
        if isinstance(value, slice):
            return ("slice", value.start, value.stop, value.step)
        if isinstance(value, np.ndarray) and value.ndim:
            arrays.append(value)
            return ("array", len(arrays))
        if isinstance(value, (np.ndarray, np.generic)):
            return value.item()
        return tuple(map(plain, value)) if isinstance(value, (tuple, list)) else value

    result = {name: str(value) if name == "dtype" else plain(value) for name, value in params.items()
              if name != "shape"}
    return result, arrays
