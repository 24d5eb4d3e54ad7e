"""Guards against log(0) and division by 0 as learners write them: log(A + 1e-8), a clip. Right, with a note."""
from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from tinygrad_course.checking.course.formulas import Formula
from tinygrad_course.checking.course.operations import function
from tinygrad_course.equations.expressions import Expression, number

LARGEST = 1e-3  # of a number that guards
POWERS = [10.0 ** -k for k in range(3, 17)]


@dataclass(frozen=True)
class Guard:
    """Numbers kept away from 0 by `size`. style: "add" for log(x + size), "clip" for log(max(x, size)).

    only: the letter of the cost's logarithm that is guarded, A or "1 - A", where it is not both.
    """
    style: str
    size: float
    only: str = ""

    @property
    def said(self) -> str:
        how = f"+ {self.size:g}" if self.style == "add" else f"kept at {self.size:g} or more"
        return (f"a guard against log(0): what the logarithm is taken of is {how}, so the cost differs from the "
                "course's in late digits")

    def applied(self, formula: Formula) -> Formula:
        return formula._replace(right=self.within(formula.right), also=tuple(map(self.within, formula.also)))

    def within(self, node: Expression) -> Expression:
        args = [self.within(arg) for arg in node.args]
        of = "A" if node.head == "log" and node.args[0].head == "symbol" else "1 - A"
        if node.head == "log" and self.only in ("", of):
            args = [self.guarded(args[0])]
        elif node.head == "divide" and not node.args[1].is_number():
            args = [args[0], self.guarded(args[1])]
        return Expression(node.head, tuple(args), node.shape, node.params, node.content)

    def guarded(self, node: Expression) -> Expression:
        return node + number(self.size) if self.style == "add" else function("max", node, self.size)


SOFTMAX = ("it is the cost of a softmax output, -(1/m) sum(Y log(A)) with one-hot labels; the course's has one "
           "sigmoid unit")


def of_softmax(formula: Formula) -> Formula:
    """The cost with one-hot labels: without the term (1 - Y) log(1 - A)."""
    if formula.name != "cost" or not formula.scalar:
        return formula
    return formula._replace(right=_without_second(formula.right), also=())


def _without_second(node: Expression) -> Expression:
    if node.head == "sum" and node.args[0].head == "add":
        return Expression("sum", (node.args[0].args[0],), node.shape, node.params, node.content)
    return Expression(node.head, tuple(map(_without_second, node.args)), node.shape, node.params, node.content)


def in_source(source: str) -> Iterator[Guard]:
    """The guards that a source may have, by the small numbers in it."""
    if "log" not in source and "/" not in source and "divide" not in source:
        return
    sizes = [size for size in _small_numbers(source)]
    named = any(word in source.lower() for word in ("eps", "clip", "tiny", "small"))
    for size in dict.fromkeys([*sizes, *(POWERS if named else [])]):
        for style in ("add", "clip"):
            yield from (Guard(style, size, only) for only in ("", "A", "1 - A"))


def notes(source: str) -> list[str]:
    """What is said of a right function with a guard that no input shows."""
    sizes = _small_numbers(source)
    if not sizes or "log" not in source:
        return []
    style = "clip" if "clip" in source or "maximum" in source else "add"
    return [Guard(style, sizes[0]).said]


def _small_numbers(source: str) -> list[float]:
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return []
    return [float(node.value) for node in ast.walk(tree) if isinstance(node, ast.Constant)
            and isinstance(node.value, float) and 0 < node.value <= LARGEST]
