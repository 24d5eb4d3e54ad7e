"""What the formulas of `formulas.py` mean: each operation's value in NumPy and how the course writes it, in one table.

A formula is an `Expression` of the room `equations`, written with Python's operators and the few functions below:
`W2.T @ dZ2 * slope("tanh", A1, Z1)`. What can go wrong in one stands in another table, `faults.FAULTS`.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from tinygrad_course.checking.course.slopes import SLOPES, sigmoid
from tinygrad_course.equations.expressions import EXAMPLES, Expression, written

Values = Mapping[str, Any]  # quantities by name


# ---------------------------------------------------------------------------------------------- making trees


def scaled(inner: Expression, factor: Any = 1, m: int = 0) -> Expression:
    """factor * m^power * inner: one node, so that a factor is looked for in one place."""
    return written("scaled", inner, EXAMPLES, content=(Fraction(factor), m))


def over_m(inner: Expression, factor: int = 1) -> Expression:
    return scaled(inner, factor, m=-1)


def total(inner: Expression, axis: int | None = None, keepdims: bool = False) -> Expression:
    return written("sum", inner, content=(axis, keepdims))


def function(name: str, *inner: Any) -> Expression:
    return written(name, *inner)


def slope(name: str, A: Expression, Z: Expression) -> Expression:
    """The derivative of an activation; `SLOPES` says what it takes: A = g(Z), or Z itself."""
    return written("slope", A, Z, content=name)


def size(array: Expression, axis: int) -> Expression:
    return written("size", array, content=axis)


# ------------------------------------------------------------------------------------------- what nodes mean


class Operation(NamedTuple):
    """value(detail, *parts), notation(detail, *shown parts) and how tightly the notation binds."""
    value: Callable[..., Any]
    notation: Callable[..., str]
    binding: int
    inside: int = 0  # parts that bind less than this are put into brackets


def _sum(detail: tuple[Any, Any], x: Any) -> Any:
    return np.sum(x, axis=detail[0], keepdims=detail[1])


def _show_sum(name: str) -> Callable[..., str]:
    def shown(detail: tuple[Any, bool], x: str) -> str:
        axis = "" if detail[0] is None else f", axis={detail[0]}"
        return f"{name}({x}{axis}{', keepdims=True' if detail[1] else ''})"
    return shown


def _show_factor(detail: tuple[Fraction, int], inner: str, m: str) -> str:
    factor, power = detail
    sign, factor = ("-", -factor) if factor < 0 else ("", factor)
    above = [str(factor.numerator)] * (factor.numerator != 1) + [m] * (power > 0)
    below = [str(factor.denominator)] * (factor.denominator != 1)
    below += [m if power == -1 else f"{m}^{-power}"] * (power < 0)
    if below:
        return f"{sign}({' '.join(above) or '1'}/{' '.join(below)}) {inner}"
    return sign + " ".join([*above, inner])


def _scale(detail: tuple[Fraction, int], inner: Any, m: Any) -> Any:
    factor, power = detail
    return float(factor) * inner * float(m) ** power if power else float(factor) * inner


def _call(name: str, value: Callable[..., Any]) -> Operation:
    return Operation(lambda detail, *x: value(*x), lambda detail, *x: f"{name}({', '.join(x)})", 9)


def _infix(name: str, value: Callable[..., Any], binding: int) -> Operation:
    return Operation(lambda detail, a, b: value(a, b), lambda detail, a, b: f"{a} {name} {b}", binding, binding)


OPERATIONS = {
    "symbol": Operation(lambda detail: None, lambda detail: str(detail), 9),
    "examples": Operation(lambda detail: None, lambda detail: "m", 9),
    "number": Operation(float, lambda detail: f"{float(detail):g}", 9),
    "add": _infix("+", lambda a, b: a + b, 1),
    "subtract": _infix("-", lambda a, b: a - b, 1),
    "multiply": _infix("*", lambda a, b: a * b, 3),
    "divide": _infix("/", lambda a, b: a / b, 3),
    "scaled": Operation(_scale, _show_factor, 4, 3),
    "matmul": Operation(lambda detail, a, b: a @ b, lambda detail, a, b: f"{a} {b}", 5, 5),
    "transpose": Operation(lambda detail, a: np.transpose(a), lambda detail, a: f"{a}^T", 8, 8),
    "power": Operation(lambda detail, a: a ** detail, lambda detail, a: f"{a}^{detail}", 8, 8),
    "sum": Operation(_sum, _show_sum("sum"), 9),
    "mean": Operation(lambda detail, x: np.mean(x, axis=detail[0], keepdims=detail[1]), _show_sum("mean"), 9),
    "ravel": Operation(lambda detail, x: np.ravel(x), lambda detail, x: f"{x} with shape (n,)", 9),
    "slope": Operation(lambda detail, A, Z: SLOPES[detail].value(A, Z),
                       lambda detail, A, Z: SLOPES[detail].notation.format(A=A, Z=Z), 9),
    "size": Operation(lambda detail, x: np.shape(x)[detail], lambda detail, x: f"{x}.shape[{detail}]", 9, 8),
    "count": Operation(lambda detail, x: np.size(x), lambda detail, x: f"{x}.size", 9, 8),
    "exp": _call("exp", np.exp),
    "log": _call("log", np.log),
    "log10": _call("log10", np.log10),
    "log2": _call("log2", np.log2),
    "abs": _call("abs", np.abs),
    "square": Operation(lambda detail, x: x * x, lambda detail, x: f"{x}^2", 8, 8),
    "sigmoid": _call("sigmoid", sigmoid),
    "tanh": _call("tanh", np.tanh),
    "relu": _call("relu", lambda z: np.maximum(0, z)),
    "leaky_relu": _call("leaky_relu", lambda z: np.maximum(0.01 * z, z)),
    "identity": Operation(lambda detail, x: x, lambda detail, x: x, 9, 9),
    "max": _call("max", np.maximum),
    "min": _call("min", np.minimum),
    "step": _call("step", lambda z: (z > 0) * 1.0),
    "zeros": _call("zeros", lambda n, k: np.zeros((int(n), int(k)))),
    "greater": _infix(">", lambda a, b: (a > b) * 1.0, 2),
    "less": _infix("<", lambda a, b: (a < b) * 1.0, 2),
    "round": _call("round", np.round),
    "diagonal": _call("diagonal", np.diagonal),
}


class Undefined(Exception):
    """The shapes of a formula do not fit, or a quantity is not there."""


NAMES = {"symbol": "", "examples": "m"}  # the leaves that stand for a quantity, and its name where it is fixed


def evaluate(node: Expression, values: Values, known: dict[Expression, Any] | None = None) -> Any:
    """The value of a formula. Raises Undefined where NumPy would raise.

    known: values of nodes that are known already, and to which those that are computed are added.
    """
    if node.head in NAMES:
        name = NAMES[node.head] or node.content
        try:
            return values[name]
        except KeyError:
            raise Undefined(name) from None
    if known is not None and node in known:
        value = known[node]
        if isinstance(value, Undefined):
            raise value
        return value
    try:
        if node.head == "scaled" and not node.content[1]:  # no m in it
            parts = [evaluate(node.args[0], values, known), 1]
        else:
            parts = [evaluate(part, values, known) for part in node.args]
        value = OPERATIONS[node.head].value(node.content, *parts)
    except (ValueError, IndexError, TypeError, ZeroDivisionError, Undefined) as error:
        failed = Undefined(str(error))
        if known is not None:
            known[node] = failed
        raise failed from None
    if known is not None:
        known[node] = value
    return value


def show(node: Expression) -> str:
    """The formula in the course's notation: `(1/m) dZ2 A1^T`."""
    operation = OPERATIONS[node.head]
    parts = []
    for place, part in enumerate(node.args):
        text = show(part)
        binding = OPERATIONS[part.head].binding
        loose = binding < operation.inside
        # a - (b - c) and a / (b / c) need their brackets, a + b + c does not
        right = place == 1 and node.head in ("subtract", "divide") and binding == operation.binding
        negative = place == 1 and part.head == "scaled" and part.content[0] < 0
        apart = place == 0 and loose if node.head == "scaled" else loose or right or negative
        parts.append(f"({text})" if apart else text)
    return operation.notation(node.content, *parts)


def symbols(node: Expression) -> set[str]:
    """The names of the quantities that a formula uses."""
    found, waiting = set(), [node]
    while waiting:
        node = waiting.pop()
        if node.head in NAMES:
            found.add(NAMES[node.head] or str(node.content))
        without_m = node.head == "scaled" and node.content[1] == 0
        waiting.extend(node.args[:1] if without_m else node.args)
    return found
