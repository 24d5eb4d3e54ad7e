"""Expressions: a formula as a small immutable tree, `W[1] X + b[1]` for instance.

The leaves are numbers, symbols and m, the number of examples. Everything else has a head, the name of an operation in
`ops`, and arguments. What is derived from a graph knows the shape of the array that it stands for, and is made and
simplified by `rules.build`. Python's operators write a formula as it stands, of any shape: `W.T @ dZ`.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from tinygrad_course.broadcasting import Shape

LEAVES = ("number", "examples", "symbol", "count", "value", "gradient")
LONGEST = 256  # bits of an exact number; beyond it is rounded, or 1.1 multiplied 10 000 times would fill pages


@dataclass(frozen=True)
class Expression:
    """A formula.

    head: an operation's name, or one of LEAVES: "number" (content: its value), "examples" (m), "symbol" (content: a
    name), "count" (content: a size, until it is known whether that is m), and the place-holders "value" and
    "gradient" (content: the number of a step of the graph) that stand for what may get a name later.
    params: the operation's parameters as pairs, sorted by name.
    size: how many nodes the tree has; numbers, m and its powers do not count.
    """

    __array_ufunc__ = None  # so that NumPy's numbers leave the operators to us

    head: str
    args: tuple[Expression, ...] = ()
    shape: Shape = ()
    params: tuple[tuple[str, Any], ...] = ()
    content: Any = None
    size: int = field(init=False, compare=False)
    _hash: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        of_m = self.head == "power" and self.args[0].head == "examples"
        own = 0 if of_m or self.head in ("number", "examples") else 1
        object.__setattr__(self, "size", own + sum(arg.size for arg in self.args))
        object.__setattr__(self, "_hash", hash((self.head, self.args, self.shape, self.params, self.content)))

    def __hash__(self) -> int:
        return self._hash

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def param(self, name: str) -> Any:
        return dict(self.params)[name]

    def is_number(self, value: Any = None) -> bool:
        """Whether this is a number, and, if one is given, that one."""
        return self.head == "number" and (value is None or self.content == value)

    def __add__(self, other: Any) -> Expression: return written("add", self, other)
    def __radd__(self, other: Any) -> Expression: return written("add", other, self)
    def __sub__(self, other: Any) -> Expression: return written("subtract", self, other)
    def __rsub__(self, other: Any) -> Expression: return written("subtract", other, self)
    def __mul__(self, other: Any) -> Expression: return written("multiply", self, other)
    def __truediv__(self, other: Any) -> Expression: return written("divide", self, other)
    def __rtruediv__(self, other: Any) -> Expression: return written("divide", other, self)
    def __matmul__(self, other: Any) -> Expression: return written("matmul", self, other)

    @property
    def T(self) -> Expression:
        return written("transpose", self)


def written(head: str, *args: Any, content: Any = None, **params: Any) -> Expression:
    """The operation as it is written, not simplified; arguments may be plain numbers."""
    parts = tuple(arg if isinstance(arg, Expression) else number(arg) for arg in args)
    return Expression(head, parts, (), tuple(sorted(params.items())), content)


def number(value: Any) -> Expression:
    """A number, exact where it can be: 0.1 is read as the decimal that it is written as."""
    if not isinstance(value, Fraction):
        if float(value) - float(value) != 0:  # infinite or nan: no fraction
            return Expression("number", content=float(value))
        value = _as_written(float(value))
    if value.numerator.bit_length() + value.denominator.bit_length() > LONGEST:
        try:
            value = Fraction(float(value))
        except OverflowError:
            return Expression("number", content=float("inf") if value > 0 else float("-inf"))
    return Expression("number", content=value)


def _as_written(value: float) -> Fraction:
    """The decimal or simple fraction that a float stands for: 0.1, and 1/3, and 0.05 for 0.049999999999999996."""
    exact = Fraction(repr(value))
    if exact.denominator < 10**8:
        return exact
    for simple in (Fraction(f"{value:.15g}"), exact.limit_denominator(1000)):
        if simple.denominator < 10**8 and abs(simple / exact - 1) < 2e-16:
            return simple
    return exact


def symbol(name: str, shape: Shape = (), **params: Any) -> Expression:
    return Expression("symbol", (), shape, tuple(sorted(params.items())), name)


ONE, ZERO, MINUS_ONE = number(1), number(0), number(-1)
EXAMPLES = Expression("examples")  # m


def found(expression: Expression, head: str) -> list[Expression]:
    """The parts of an expression that have this head, each as often as it occurs, from left to right."""
    parts, stack = [], [expression]
    while stack:
        part = stack.pop()
        if part.head == head:
            parts.append(part)
        stack.extend(reversed(part.args))
    return parts


def replaced(expression: Expression, replace: Callable[[Expression], Expression | None],
             build: Callable[..., Expression]) -> Expression:
    """The expression with every leaf for which `replace` gives another one exchanged, and built anew."""
    if not expression.args:
        return replace(expression) or expression
    args = tuple(replaced(arg, replace, build) for arg in expression.args)
    if all(new is old for new, old in zip(args, expression.args)):
        return expression
    return build(expression.head, *args, shape=expression.shape, **dict(expression.params))
