"""From a recorded graph to its equations: every step and every gradient as a simplified formula.

Steps without a name of the course are written into the formula of the step that uses them, unless they are needed
several times; then they are called T1, T2, ...
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from tinygrad_course.equation_names import COSTS, Roles, unique
from tinygrad_course.errors import InputError
from tinygrad_course.expressions import EXAMPLES, ONE, ZERO, Expression, found, number, replaced, symbol
from tinygrad_course.recording import Recording
from tinygrad_course.simplify import add, build, coefficient, multiply, power, scaled, spread
from tinygrad_course.tensor import Tensor

LONG = 24  # nodes; a step whose formula is longer gets a name
SHORT = 4  # nodes; a step that needs no name although the backward pass uses it
ON_YOUR_DATA = "Derive the equations from a cost on your data: derive(model.cost(X, Y))"


@dataclass(frozen=True)
class Equation:
    """`name = expression`; for a gradient, `of` is the name of what it is the gradient with respect to."""

    name: str
    expression: Expression
    of: str | None = None


class Reader:
    """Numbers and sizes of a recording as expressions, m among them.

    m: the number of examples, None where it is not clear.
    twin, other_m: the same graph recorded for another number of examples: what differs in the two depends on m.
    """

    def __init__(self, recording: Recording, m: int | None, twin: Recording | None = None, other_m: int | None = None):
        self.m = m
        self.other_m = m if other_m is None else other_m
        self.sizes: dict[int, Expression] = {} if m is None else {m: EXAMPLES}
        if twin is not None:
            if [step.op for step in recording.steps] != [step.op for step in twin.steps]:
                raise InputError(f"the graph is another one for another number of examples. {ON_YOUR_DATA}")
            self.sizes = {n: self.number(n, k) for step, other in zip(recording.steps, twin.steps)
                          for n, k in zip(step.shape, other.shape) if n != k}

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


class GraphEquations:
    """The equations of one recording; see the module's text.

    forward, backward: lists of `Equation`, in order.
    groups: for steps that share one gradient, as in Z = T + b, the first of them and the one whose name it gets.
    leaves: the places of the leaves, by name.
    constants: arrays that the backward pass meets and that are no steps of the graph, by name.
    """

    def __init__(self, recording: Recording, roles: Roles, reader: Reader, course: bool,
                 twin: Recording | None = None):
        self.recording, self.roles, self.reader = recording, roles, reader
        self.twin = twin if twin is not None else recording
        self.course = course
        self.labels = next((i for i, name in roles.names.items() if name == "Y" and i in recording.sources), None)
        self.constants: dict[str, Any] = {}
        self.names = dict(roles.names)
        self.owners, groups = self._groups()
        self.values = [self._forward(i) for i in range(len(recording.steps))]
        self.gradients = {owner: self.reader.settle(self._parts(first, owner)) for first, owner in groups}
        self._resolve_gradients()
        self._resolve_values()
        self.forward = list(self._forward_equations())
        self.backward = list(self._backward_equations())
        self.leaves = {self.names[i]: i for i in recording.sources if i in self.names}

    def _groups(self) -> tuple[dict[int, int], list[tuple[int, int]]]:
        """Whose each gradient is, by its id; and in the order of the backward pass where it arises and whose it is.

        A gradient that is handed on unchanged belongs to several steps: it gets the name of Z or A, if one is there.
        """
        together: dict[int, list[int]] = {}
        for i in sorted(self.recording.parts, reverse=True):
            together.setdefault(id(self.recording.total[i]), []).append(i)
        owners = {gradient: min(steps, key=lambda i: "ZA".find(self.names.get(i, "T")[0]) % 3)
                  for gradient, steps in together.items()}
        owners[id(self.recording.seed)] = len(self.recording.steps) - 1
        return owners, [(steps[0], owners[gradient]) for gradient, steps in together.items()
                        if gradient != id(self.recording.seed)]

    # ------------------------------------------------------------------------------ Tensors as expressions

    def _forward(self, i: int) -> Expression:
        """The value of a step, of the values of the steps before it."""
        step = self.recording.steps[i]
        return self.reader.settle(self._applied(step, self.twin.steps[i], i)) if step.op is not None else ONE

    def _applied(self, tensor: Tensor, twin: Tensor, of: int) -> Expression:
        """What was done to get a Tensor."""
        assert tensor.op is not None
        args = [self._operand(parent, other, of, tensor.op.name == "divide" and i == 1)
                for i, (parent, other) in enumerate(zip(tensor.parents, twin.parents))]
        params, arrays = readable(tensor.params)
        args += [self._constant(array, array) for array in arrays]
        return build(tensor.op.name, *args, shape=tensor.shape, **params)

    def _operand(self, tensor: Tensor, twin: Tensor, of: int, divides: bool = False) -> Expression:
        """A Tensor among the operands: a step, a gradient, something within a VJP, or a constant."""
        i = self.recording.index.get(id(tensor))
        if i is not None:
            if i in self.names or tensor.op is not None:
                return Expression("value", shape=tensor.shape, content=i)
            return spread(self.reader.number(tensor.data.item(), twin.data.item(), divides),
                          tensor.shape)
        owner = self.owners.get(id(tensor))
        if owner is not None and owner != of:
            return self._gradient_of(owner)
        if tensor.op is not None:
            return self._applied(tensor, twin, of)
        return self._constant(tensor.data, twin.data, divides)

    def _gradient_of(self, i: int) -> Expression:
        shape = self.recording.steps[i].shape
        return spread(ONE, shape) if i == len(self.recording.steps) - 1 else Expression(
            "gradient", shape=shape, content=i)

    def _constant(self, array: Any, other: Any, divides: bool = False) -> Expression:
        if array.size and (array == array.reshape(-1)[0]).all() and array.dtype.kind != "i" or array.size == 1:
            value = self.reader.number(array.reshape(-1)[0], other.reshape(-1)[0], divides, in_backward=True)
            return spread(value, array.shape)
        name = unique(["C"], {*self.names.values(), *self.constants}, ["C"])[0]
        self.constants[name] = array
        return symbol(name, array.shape)

    def _parts(self, i: int, owner: int) -> Expression:
        """The gradient of a step: the sum of what its users hand to it."""
        parts = []
        for (source, part), (_, other) in zip(self.recording.parts[i], self.twin.parts[i]):
            x = self._operand(part, other, owner)
            layer = self.roles.local.get(source)
            if layer is not None and self.names.get(i) == f"Z{layer}":
                x = with_local_derivative(x, layer)
            parts.append(x)
        return add(*parts) if len(parts) > 1 else parts[0]

    # -------------------------------------------------------------------------------- names and short forms

    def _resolve_gradients(self) -> None:
        """Decide which gradients get an equation; the others are written into the formulas that use them.

        A gradient that carries the factor 1/m loses it in its own equation, by the course's convention, and whoever
        uses it has it in front; so it ends up with the parameters.
        """
        uses: Counter[int] = Counter()
        parameters = set(self.recording.parameters)
        for i, x in reversed(self.gradients.items()):
            if i in parameters or uses[i]:
                uses.update(leaf.content for leaf in found(x, "gradient"))
        short: dict[int, Expression] = {}  # what stands for the gradient of a step

        def resolved(leaf: Expression) -> Expression | None:
            return short[leaf.content] if leaf.head == "gradient" else None

        self.named_gradients: list[int] = []
        for i, x in self.gradients.items():
            x = self.reader.settle(collapsed(replaced(x, resolved, build)))
            if i in parameters:
                self.gradients[i] = x
                continue
            c, k, rest = coefficient(x)
            carried = -1 if self.course and k < 0 else 0
            x = scaled(c, k - carried, rest)
            if self._needs_equation(i, x, uses[i]):
                self.named_gradients.append(i)
                self.gradients[i] = x
                x = Expression("gradient", shape=x.shape, content=i)
            short[i] = scaled(Fraction(1), carried, x)

    def _needs_equation(self, i: int, x: Expression, uses: int) -> bool:
        if uses == 0:
            return False
        if i in self.roles.linear:
            return True
        inner = x.args[0] if x.head == "broadcast_to" else x
        if inner.size <= 1:
            return False
        return uses > 1 or x.size > LONG

    def _resolve_values(self) -> None:
        """Decide which steps get an equation, and write the others into the formulas that use them."""
        backward = Counter(leaf.content for i in self._wanted() for leaf in found(self.gradients[i], "value"))
        forward = Counter(leaf.content for x in self.values for leaf in found(x, "value"))
        self.short: dict[int, Expression] = {}
        self.fresh: list[int] = []
        named = set(self.named_gradients)
        for i, x in enumerate(self.values):
            step = self.recording.steps[i]
            if step.op is None:
                if i in self.names:
                    self.short[i] = self._leaf(i)
                continue
            x = self.values[i] = self.reader.settle(replaced(x, self._value, build))
            used_again = forward[i] > 1 or backward[i] > 0
            if i not in self.names and (i in named or x.size > LONG or used_again and (
                    x.size > SHORT or step.op.name in COSTS)):
                self.fresh.append(i)
                self.names[i] = unique(["T"], self.names.values(), ["T"])[0] if len(
                    self.fresh) == 1 else self._next_fresh()
            self.short[i] = symbol(self.names[i], step.shape) if i in self.names else x

    def _leaf(self, i: int) -> Expression:
        """The symbol of a leaf; 1 - Y for an array that holds these numbers, since NumPy computed it unseen."""
        Y = self.labels
        if Y is not None and i != Y and all(np.array_equal(recording.steps[i].data, 1 - recording.steps[Y].data)
                                            for recording in (self.recording, self.twin)):
            del self.names[i]
            return add(ONE, multiply(number(-1), self._leaf(Y)))
        step = self.recording.steps[i]
        params = {"one_hot": True} if i == Y and all(
            np.array_equal(recording.steps[i].data.sum(axis=0), np.ones(step.shape[1:]))
            for recording in (self.recording, self.twin)) and step.ndim > 1 and step.shape[0] > 1 else {}
        return symbol(self.names[i], step.shape, **params)

    def _next_fresh(self) -> str:
        taken = set(self.roles.names.values())
        n = int(self.names[self.fresh[-2]][1:]) + 1
        while f"T{n}" in taken:
            n += 1
        return f"T{n}"

    def _value(self, leaf: Expression) -> Expression | None:
        return self.short[leaf.content] if leaf.head == "value" else None

    def _wanted(self) -> list[int]:
        return [*self.named_gradients, *(i for i in self.recording.parameters if i in self.gradients)]

    # --------------------------------------------------------------------------------------- the equations

    def _forward_equations(self) -> Iterator[Equation]:
        for i, x in enumerate(self.values):
            if i in self.names and self.recording.steps[i].op is not None:
                yield Equation(self.names[i], x)
                if i == self.roles.y_hat:
                    yield Equation("y_hat", symbol(self.names[i], x.shape))

    def _backward_equations(self) -> Iterator[Equation]:
        """Each gradient of a step, followed by those of the parameters that need nothing further."""
        waiting: dict[int, set[int]] = {}  # parameter: gradients that are still to come
        users: dict[int, list[int]] = {}
        for i in self.recording.parameters:
            if i in self.gradients:
                waiting[i] = {leaf.content for leaf in found(self.gradients[i], "gradient")}
                for needed in waiting[i]:
                    users.setdefault(needed, []).append(i)
        yield from (self._equation(i) for i in self.recording.parameters if i in waiting and not waiting[i])
        for i in self.named_gradients:
            yield self._equation(i)
            for parameter in sorted(users.get(i, []), key=self.recording.parameters.index):
                waiting[parameter].discard(i)
                if not waiting[parameter]:
                    yield self._equation(parameter)
        yield from (Equation(f"d{self.names[i]}", spread(ZERO, self.recording.steps[i].shape), self.names[i])
                    for i in self.recording.parameters if i not in waiting)

    def _equation(self, i: int) -> Equation:
        def final(leaf: Expression) -> Expression | None:
            return symbol(f"d{self.names[leaf.content]}", leaf.shape) if leaf.head == "gradient" else self._value(leaf)
        return Equation(f"d{self.names[i]}", self.reader.settle(replaced(self.gradients[i], final, build)),
                        self.names[i])


def with_local_derivative(x: Expression, layer: str) -> Expression:
    """The product of a gradient and factors without one, with these factors gathered in g[l]'(Z[l])."""
    factors = x.args if x.head == "multiply" else (x,)
    local = [factor for factor in factors if not found(factor, "gradient")]
    rest = [factor for factor in factors if found(factor, "gradient")]
    if not local or len(rest) != 1 or rest[0].head != "gradient":
        return x
    return multiply(rest[0], build("local", multiply(*local), shape=x.shape, layer=layer))


def collapsed(x: Expression) -> Expression:
    """The expression with its local derivatives spelled out, if things cancel then: a sigmoid and its cross-entropy."""
    if not found(x, "local") or not divisions(x):
        return x
    plain = spelled_out(x)
    return plain if divisions(plain) < divisions(x) else x


def divisions(x: Expression) -> int:
    """How often something is divided by an array."""
    return sum(bool(part.args[1].is_number() and part.args[1].content < 0) and part.size > 0
               for part in found(x, "power"))


def spelled_out(x: Expression) -> Expression:
    """The expression with every g'(Z) replaced by what it is."""
    if x.head == "local":
        return x.args[0]
    if not x.args:
        return x
    args = tuple(spelled_out(arg) for arg in x.args)
    return x if args == x.args else build(x.head, *args, shape=x.shape, **dict(x.params))


def readable(params: dict[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """An operation's parameters in a form that can be compared, and the arrays among them, which become operands."""
    arrays: list[Any] = []

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
