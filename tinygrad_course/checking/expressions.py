"""Formulas as small trees: they can be evaluated with NumPy, printed as the course writes them, and changed.

`W2.T @ dZ2 * slope("tanh", A1, Z1)` with symbols W2, dZ2, A1, Z1 is such a tree. What a node means stands in one
table, `OPERATIONS`; what can go wrong in a node stands in another one, `faults.FAULTS`.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

Values = Mapping[str, Any]  # quantities by name


class Expression:
    """One node: the operation's name, its parts, and a detail such as the axis of a sum.

    Nodes do not change and compare by what they mean, so that values can be remembered by node.
    """

    __slots__ = ("op", "parts", "detail", "_hash")
    __array_ufunc__ = None

    def __init__(self, op: str, *parts: Expression, detail: Any = None):
        self.op = op
        self.parts = parts
        self.detail = detail
        self._hash = hash((op, parts, detail))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return (self is other or isinstance(other, Expression) and self._hash == other._hash
                and (self.op, self.detail, self.parts) == (other.op, other.detail, other.parts))

    def __add__(self, other: Any) -> Expression: return Expression("add", self, tree(other))
    def __radd__(self, other: Any) -> Expression: return Expression("add", tree(other), self)
    def __sub__(self, other: Any) -> Expression: return Expression("subtract", self, tree(other))
    def __rsub__(self, other: Any) -> Expression: return Expression("subtract", tree(other), self)
    def __mul__(self, other: Any) -> Expression: return Expression("multiply", self, tree(other))
    def __truediv__(self, other: Any) -> Expression: return Expression("divide", self, tree(other))
    def __rtruediv__(self, other: Any) -> Expression: return Expression("divide", tree(other), self)
    def __matmul__(self, other: Any) -> Expression: return Expression("matmul", self, tree(other))
    def __neg__(self) -> Expression: return scaled(self, factor=-1)

    @property
    def T(self) -> Expression:
        return Expression("transpose", self)

    def __repr__(self) -> str:
        return show(self)


# ---------------------------------------------------------------------------------------------- making trees


def tree(value: Any) -> Expression:
    return value if isinstance(value, Expression) else Expression("number", detail=value)


def symbol(name: str) -> Expression:
    return Expression("symbol", detail=name)


def scaled(inner: Expression, factor: Any = 1, m: int = 0) -> Expression:
    """factor * m^power * inner: one node, so that a factor is looked for in one place."""
    return Expression("scaled", inner, symbol("m"), detail=(Fraction(factor), m))


def over_m(inner: Expression, factor: int = 1) -> Expression:
    return scaled(inner, factor, m=-1)


def total(inner: Expression, axis: int | None = None, keepdims: bool = False) -> Expression:
    return Expression("sum", inner, detail=(axis, keepdims))


def function(name: str, *inner: Any) -> Expression:
    return Expression(name, *map(tree, inner))


def slope(name: str, A: Expression, Z: Expression) -> Expression:
    """The derivative of an activation; `SLOPES` says what it takes: A = g(Z), or Z itself."""
    return Expression("slope", A, Z, detail=name)


def size(array: Expression, axis: int) -> Expression:
    return Expression("size", array, detail=axis)


# ------------------------------------------------------------------------------------------- what nodes mean


class Slope(NamedTuple):
    """One way of writing an activation's derivative, right or wrong.

    of: the activation; "" for what is no derivative of any.
    flaw: what is wrong with it; "" where it is right. takes: the quantity that it looks at.
    """
    of: str
    takes: str
    value: Callable[[Any, Any], Any]
    notation: str
    flaw: str = ""


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def _one(A: Any, Z: Any) -> Any:
    return np.ones(np.shape(Z))


SLOPES = {
    "tanh": Slope("tanh", "A", lambda A, Z: 1 - A * A, "(1 - {A}^2)"),
    "tanh of Z": Slope("tanh", "Z", lambda A, Z: 1 - np.tanh(Z) ** 2, "(1 - tanh({Z})^2)"),
    "sigmoid": Slope("sigmoid", "A", lambda A, Z: A * (1 - A), "({A} (1 - {A}))"),
    "sigmoid of Z": Slope("sigmoid", "Z", lambda A, Z: sigmoid(Z) * (1 - sigmoid(Z)),
                          "(sigmoid({Z}) (1 - sigmoid({Z})))"),
    "relu": Slope("relu", "Z", lambda A, Z: (Z > 0) * 1.0, "({Z} > 0)"),
    "relu of A": Slope("relu", "A", lambda A, Z: (A > 0) * 1.0, "({A} > 0)"),
    "identity": Slope("identity", "", _one, "1"),
    # What learners write in place of 1 - A^2 ...
    "1 - A": Slope("tanh", "A", lambda A, Z: 1 - A, "(1 - {A})", "unsquared"),
    "(1 - A)^2": Slope("tanh", "A", lambda A, Z: (1 - A) ** 2, "(1 - {A})^2", "square in the wrong place"),
    "A^2": Slope("tanh", "A", lambda A, Z: A * A, "{A}^2", "1 - missing"),
    "A^2 - 1": Slope("tanh", "A", lambda A, Z: A * A - 1, "({A}^2 - 1)", "sign"),
    "1 + A^2": Slope("tanh", "A", lambda A, Z: 1 + A * A, "(1 + {A}^2)", "+ for -"),
    "1 - Z^2": Slope("tanh", "Z", lambda A, Z: 1 - Z * Z, "(1 - {Z}^2)", "Z for A"),
    "1 - Z": Slope("tanh", "Z", lambda A, Z: 1 - Z, "(1 - {Z})", "Z for A, unsquared"),
    "1 - tanh(A)^2": Slope("tanh", "A", lambda A, Z: 1 - np.tanh(A) ** 2, "(1 - tanh({A})^2)",
                           "activation applied twice"),
    "1 - tanh(Z)": Slope("tanh", "Z", lambda A, Z: 1 - np.tanh(Z), "(1 - tanh({Z}))", "unsquared"),
    "tanh(Z)": Slope("tanh", "Z", lambda A, Z: np.tanh(Z), "tanh({Z})", "activation for its derivative"),
    # ... of A (1 - A) ...
    "Z (1 - Z)": Slope("sigmoid", "Z", lambda A, Z: Z * (1 - Z), "({Z} (1 - {Z}))", "Z for A"),
    "s(A) (1 - s(A))": Slope("sigmoid", "A", lambda A, Z: sigmoid(A) * (1 - sigmoid(A)),
                             "(sigmoid({A}) (1 - sigmoid({A})))", "activation applied twice"),
    "s(Z)": Slope("sigmoid", "Z", lambda A, Z: sigmoid(Z), "sigmoid({Z})", "activation for its derivative"),
    "A": Slope("", "A", lambda A, Z: A, "{A}", "activation for its derivative"),
    "1 - s(Z)": Slope("sigmoid", "Z", lambda A, Z: 1 - sigmoid(Z), "(1 - sigmoid({Z}))", "factor A missing"),
    "s (1 + s)": Slope("sigmoid", "Z", lambda A, Z: sigmoid(Z) * (1 + sigmoid(Z)),
                       "(sigmoid({Z}) (1 + sigmoid({Z})))", "+ for -"),
    "s (1 - Z)": Slope("sigmoid", "Z", lambda A, Z: sigmoid(Z) * (1 - Z), "(sigmoid({Z}) (1 - {Z}))", "Z for A"),
    # ... and of Z > 0.
    "Z": Slope("", "Z", lambda A, Z: Z, "{Z}", "Z for the derivative"),
    "relu(Z)": Slope("relu", "Z", lambda A, Z: np.maximum(0, Z), "relu({Z})", "activation for its derivative"),
    "Z < 0": Slope("relu", "Z", lambda A, Z: (Z < 0) * 1.0, "({Z} < 0)", "comparison reversed"),
    "Z > 1": Slope("relu", "Z", lambda A, Z: (Z > 1) * 1.0, "({Z} > 1)", "compared with the wrong number"),
    "sign(Z)": Slope("relu", "Z", lambda A, Z: np.sign(Z), "sign({Z})", "-1 where it should be 0"),
}


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
    "number": Operation(lambda detail: detail, lambda detail: str(detail), 9),
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


def evaluate(node: Expression, values: Values, known: dict[Expression, Any] | None = None) -> Any:
    """The value of a formula. Raises Undefined where NumPy would raise.

    known: values of nodes that are known already, and to which those that are computed are added.
    """
    if node.op == "symbol":
        try:
            return values[node.detail]
        except KeyError:
            raise Undefined(node.detail) from None
    if known is not None and node in known:
        value = known[node]
        if isinstance(value, Undefined):
            raise value
        return value
    try:
        if node.op == "scaled" and not node.detail[1]:  # no m in it
            parts = [evaluate(node.parts[0], values, known), 1]
        else:
            parts = [evaluate(part, values, known) for part in node.parts]
        value = OPERATIONS[node.op].value(node.detail, *parts)
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
    operation = OPERATIONS[node.op]
    parts = []
    for place, part in enumerate(node.parts):
        text = show(part)
        loose = OPERATIONS[part.op].binding < operation.inside
        # a - (b - c) and a / (b / c) need their brackets, a + b + c does not
        right = place == 1 and node.op in ("subtract", "divide") and OPERATIONS[part.op].binding == operation.binding
        negative = place == 1 and part.op == "scaled" and part.detail[0] < 0
        parts.append(f"({text})" if (loose or right or negative) and node.op != "scaled" or
                     node.op == "scaled" and place == 0 and loose else text)
    return operation.notation(node.detail, *parts)


def symbols(node: Expression) -> set[str]:
    """The names of the quantities that a formula uses."""
    found, waiting = set(), [node]
    while waiting:
        node = waiting.pop()
        if node.op == "symbol":
            found.add(str(node.detail))
        without_m = node.op == "scaled" and node.detail[1] == 0
        waiting.extend(node.parts[:1] if without_m else node.parts)
    return found
