"""From a recorded graph to its equations: every step and every gradient as a simplified formula.

Steps without a name of the course are written into the formula of the step that uses them, unless they are needed
several times; then they are called T1, T2, ...
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from tinygrad_course.equations.expressions import ONE, ZERO, Expression, found, number, replaced, symbol
from tinygrad_course.equations.reader import GraphReader
from tinygrad_course.equations.rules import add, build, coefficient, multiply, scaled, spread
from tinygrad_course.graph.roles import COSTS, Names

LONG = 24  # nodes; a step whose formula is longer gets a name
SHORT = 4  # nodes; a step that needs no name although the backward pass uses it


@dataclass(frozen=True)
class Equation:
    """`name = expression`; for a gradient, `of` is the name of what it is the gradient with respect to."""

    name: str
    expression: Expression
    of: str | None = None


class GraphEquations:
    """The equations of one recorded graph; see the module's text.

    course: whether 1/m is left to the gradients of the parameters.
    forward, backward: lists of `Equation`, in order.
    leaves: the places of the leaves, by name.
    carried: the places of the steps whose gradient, in the course's convention, is written without its factor 1/m.
    unseen: the places of arrays that are 1 - Y, which NumPy computed unseen; they need no name.
    """

    def __init__(self, reader: GraphReader, course: bool):
        self.places, self.twin = reader.places, reader.twin
        self.numbers, self.names, self.constants = reader.numbers, reader.names, reader.constants
        self.course = course
        self.labels = next((i for i, name in self.names.items() if name == "Y" and not self.places.op(i)), None)
        self.values = [reader.value(i) for i in range(len(self.places.steps))]
        self.gradients = {owner: self.numbers.settle(reader.gradient(first, owner)) for first, owner in reader.groups}
        self._resolve_leaves()
        self._resolve_gradients()
        self._resolve_values()
        self.forward = list(self._forward_equations())
        self.backward = list(self._backward_equations())
        self.leaves = {self.names[i]: i for i in self.places.leaves if i in self.names and i not in self.unseen}

    def _resolve_leaves(self) -> None:
        """Leaves by their names; and short steps without a name, such as 1 - A, for where something may cancel."""
        self.short: dict[int, Expression] = {}
        self.details: dict[int, Expression] = {}
        self.unseen = {i for i in self.places.leaves if i not in self.places.roles and self._is_one_minus_labels(i)}
        for i, x in enumerate(self.values):
            if not self.places.op(i):
                if i in self.names:
                    self.short[i] = self.details[i] = self._leaf(i)
            elif i not in self.names and x.size <= SHORT:
                x = self.numbers.settle(replaced(x, self._detail, build))
                if x.size <= SHORT:
                    self.details[i] = x

    def _detail(self, leaf: Expression) -> Expression | None:
        return self.details.get(leaf.content) if leaf.head == "value" else None

    def _collapsed(self, x: Expression) -> Expression:
        """The expression with g'(Z) spelled out, if things cancel then: a sigmoid and its cross-entropy."""
        if not found(x, "local"):
            return x
        detailed = replaced(x, self._detail, build)
        if not divisions(detailed):
            return x
        plain = spelled_out(detailed)
        return plain if divisions(plain) < divisions(detailed) else x

    def _resolve_gradients(self) -> None:
        """Decide which gradients get an equation; the others are written into the formulas that use them.

        A gradient that carries the factor 1/m loses it in its own equation, by the course's convention, and whoever
        uses it has it in front; so it ends up with the parameters.
        """
        uses: Counter[int] = Counter()
        parameters = self.places.parameters
        for i, x in reversed(self.gradients.items()):
            if i in parameters or uses[i]:
                uses.update(leaf.content for leaf in found(x, "gradient"))
        short: dict[int, Expression] = {}  # what stands for the gradient of a step

        def resolved(leaf: Expression) -> Expression | None:
            return short[leaf.content] if leaf.head == "gradient" else None

        self.named_gradients: list[int] = []
        self.carried: set[int] = set()
        for i, x in self.gradients.items():
            x = self.numbers.settle(self._collapsed(replaced(x, resolved, build)))
            if i in parameters:
                self.gradients[i] = x
                continue
            c, k, rest = coefficient(x)
            carried = -1 if self.course and k < 0 else 0
            if carried:
                self.carried.add(i)
            x = scaled(c, k - carried, rest)
            if self._needs_equation(i, x, uses[i]):
                self.named_gradients.append(i)
                self.gradients[i] = x
                x = Expression("gradient", shape=x.shape, content=i)
            short[i] = scaled(Fraction(1), carried, x)

    def _needs_equation(self, i: int, x: Expression, uses: int) -> bool:
        if uses == 0:
            return False
        if i in self.places.roles and self.places.roles[i].kind == "linear":
            return True
        inner = x.args[0] if x.head == "broadcast_to" else x
        if inner.size <= 1:
            return False
        return uses > 1 or x.size > LONG

    def _resolve_values(self) -> None:
        """Decide which steps get an equation, and write the others into the formulas that use them."""
        backward = Counter(leaf.content for i in self._wanted() for leaf in found(self.gradients[i], "value"))
        forward = Counter(leaf.content for x in self.values for leaf in found(x, "value"))
        given = Names(self.names.values())
        named = set(self.named_gradients)
        for i, x in enumerate(self.values):
            if not self.places.op(i):
                continue
            x = self.values[i] = self.numbers.settle(replaced(x, self._value, build))
            used_again = forward[i] > 1 or backward[i] > 0
            if i not in self.names and (i in named or x.size > LONG or used_again and (
                    x.size > SHORT or self.places.op(i) in COSTS)):
                self.names[i] = given.give("T", numbered=True)
            self.short[i] = symbol(self.names[i], self.places.steps[i].shape) if i in self.names else x

    def _leaf(self, i: int) -> Expression:
        """The symbol of a leaf; 1 - Y for an array that holds these numbers."""
        Y = self.labels
        if i in self.unseen:
            assert Y is not None
            return add(ONE, multiply(number(-1), self._leaf(Y)))
        shape = self.places.steps[i].shape
        one_hot = i == Y and len(shape) > 1 and shape[0] > 1 and all(
            (places.array(i).sum(axis=0) == 1).all() for places in (self.places, self.twin))
        return symbol(self.names[i], shape, **({"one_hot": True} if one_hot else {}))

    def _is_one_minus_labels(self, i: int) -> bool:
        Y = self.labels
        return Y is not None and all(np.array_equal(places.array(i), 1 - places.array(Y))
                                     for places in (self.places, self.twin))

    def _value(self, leaf: Expression) -> Expression | None:
        return self.short.get(leaf.content) if leaf.head == "value" else None

    def _wanted(self) -> list[int]:
        return [*self.named_gradients, *(i for i in self.places.parameters if i in self.gradients)]

    # --------------------------------------------------------------------------------------- the equations

    def _forward_equations(self) -> Iterator[Equation]:
        for i, x in enumerate(self.values):
            if i in self.names and self.places.op(i):
                yield Equation(self.names[i], x)
                if i in self.places.roles and self.places.roles[i].predicts:
                    yield Equation("y_hat", symbol(self.names[i], x.shape))

    def _backward_equations(self) -> Iterator[Equation]:
        """Each gradient of a step, followed by those of the parameters that need nothing further."""
        waiting: dict[int, set[int]] = {}  # parameter: gradients that are still to come
        users: dict[int, list[int]] = {}
        for i in self.places.parameters:
            if i in self.gradients:
                waiting[i] = {leaf.content for leaf in found(self.gradients[i], "gradient")}
                for needed in waiting[i]:
                    users.setdefault(needed, []).append(i)
        yield from (self._equation(i) for i in self.places.parameters if i in waiting and not waiting[i])
        for i in self.named_gradients:
            yield self._equation(i)
            for parameter in sorted(users.get(i, []), key=self.places.parameters.__getitem__):
                waiting[parameter].discard(i)
                if not waiting[parameter]:
                    yield self._equation(parameter)
        yield from (Equation(f"d{self.names[i]}", spread(ZERO, self.places.steps[i].shape), self.names[i])
                    for i in self.places.parameters if i not in waiting)

    def _equation(self, i: int) -> Equation:
        def final(leaf: Expression) -> Expression | None:
            return symbol(f"d{self.names[leaf.content]}", leaf.shape) if leaf.head == "gradient" else self._value(leaf)
        return Equation(f"d{self.names[i]}", self.numbers.settle(replaced(self.gradients[i], final, build)),
                        self.names[i])


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
