"""Elementwise functions of NumPy as JavaScript expressions."""
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_course.compiler.nodes import ArrayNode, Untraceable

# {0} and {1} stand for the arguments, which are names, elements, numbers, or in parentheses.
NUMBERS = {
    "add": "{0} + {1}", "subtract": "{0} - {1}", "multiply": "{0} * {1}", "divide": "{0} / {1}",
    "negative": "-{0}", "positive": "+{0}", "reciprocal": "1 / {0}", "square": "square({0})",
    "absolute": "Math.abs({0})", "fabs": "Math.abs({0})", "sign": "sign({0})", "sqrt": "Math.sqrt({0})",
    "cbrt": "Math.cbrt({0})", "exp": "Math.exp({0})", "exp2": "power(2, {0})", "expm1": "Math.expm1({0})",
    "log": "Math.log({0})", "log2": "Math.log2({0})", "log10": "Math.log10({0})", "log1p": "Math.log1p({0})",
    "sin": "Math.sin({0})", "cos": "Math.cos({0})", "tan": "Math.tan({0})", "arcsin": "Math.asin({0})",
    "arccos": "Math.acos({0})", "arctan": "Math.atan({0})", "sinh": "Math.sinh({0})", "cosh": "Math.cosh({0})",
    "tanh": "Math.tanh({0})", "arcsinh": "Math.asinh({0})", "arccosh": "Math.acosh({0})",
    "arctanh": "Math.atanh({0})", "arctan2": "Math.atan2({0}, {1})", "maximum": "Math.max({0}, {1})",
    "minimum": "Math.min({0}, {1})", "power": "power({0}, {1})", "float_power": "power({0}, {1})",
    "copysign": "copysign({0}, {1})", "logaddexp": "logaddexp({0}, {1})", "floor": "Math.floor({0})",
    "ceil": "Math.ceil({0})", "trunc": "Math.trunc({0})", "rint": "rint({0})",
}
# These give True or False, which count as 1 and 0.
CONDITIONS = {
    "greater": "{0} > {1}", "greater_equal": "{0} >= {1}", "less": "{0} < {1}", "less_equal": "{0} <= {1}",
    "equal": "{0} == {1}", "not_equal": "{0} != {1}", "isfinite": "Number.isFinite(+{0})",
    "isnan": "Number.isNaN(+{0})", "isinf": "Math.abs({0}) === Infinity", "signbit": "signbit({0})",
}
# Of True and False alone; NumPy also adds and multiplies them so.
OF_CONDITIONS = {
    "logical_and": "{0} && {1}", "logical_or": "{0} || {1}", "logical_not": "!{0}", "bitwise_and": "{0} && {1}",
    "bitwise_or": "{0} || {1}", "invert": "!{0}", "multiply": "{0} && {1}", "add": "{0} || {1}",
    "maximum": "{0} || {1}", "minimum": "{0} && {1}", "logical_xor": "{0} != {1}", "bitwise_xor": "{0} != {1}",
    "not_equal": "{0} != {1}", "equal": "{0} == {1}",
}
WHOLE = ("add", "subtract", "multiply", "negative", "positive", "absolute", "maximum", "minimum", "square", "sign")
LARGEST_WHOLE = 2 ** 53
DTYPES = {"float64": "Float64Array", "float32": "Float32Array", "int64": "Float64Array", "bool": "Uint8Array"}


def array_type(dtype: Any) -> str:
    """The typed array for a dtype. Whole numbers are kept as floats, which hold them up to 2^53.

    Raises Untraceable for what JavaScript's numbers cannot do.
    """
    name = str(np.dtype(dtype))
    if name not in DTYPES:
        raise Untraceable(f"JavaScript has no {name} to compute with")
    return DTYPES[name]


def literal(value: Any) -> str:
    """A number as JavaScript reads it back, the same to the last bit."""
    value = value.item() if isinstance(value, (np.ndarray, np.generic)) else value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        if abs(value) > LARGEST_WHOLE:
            raise Untraceable(f"JavaScript has no whole numbers as large as {value}")
        return str(value)
    if not isinstance(value, float):
        raise Untraceable(f"JavaScript has no {type(value).__name__} to compute with")
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 and math.copysign(1, value) > 0 \
        else repr(value).removesuffix(".0")


def is_elementwise(node: ArrayNode) -> bool:
    """Whether element i of a node needs nothing but elements i of its inputs."""
    return node.op in ("where", "astype") or node.op not in ("matmul", "dot", "stacked_matmul") and isinstance(
        getattr(np, node.op, None), np.ufunc)


@dataclass(frozen=True)
class Text:
    """An expression; level: how tightly its outermost operator binds."""

    text: str
    level: int

    def at(self, least: int) -> str:
        """In parentheses where it binds less tightly."""
        return self.text if self.level >= least else f"({self.text})"


ATOM, UNARY, CHOICE = 9, 8, 1
LEVELS = {"||": 2, "&&": 3, "==": 4, "!=": 4, "===": 4, ">": 5, ">=": 5, "<": 5, "<=": 5, "+": 6, "-": 6, "*": 7,
          "/": 7}


def number(value: Any) -> Text:
    text = literal(value)
    return Text(text, UNARY if text.startswith("-") else ATOM)


def filled(template: str, arguments: list[Text]) -> Text:
    """A template of the tables above with its arguments."""
    signs = template.split()
    if len(signs) == 3 and signs[0] in ("{0}", "1"):
        level = LEVELS[signs[1]]
        parts = [Text(part, ATOM).text if "{" not in part else arguments[int(part[1])].at(level + side)
                 for side, part in enumerate((signs[0], signs[2]))]
        return Text(f"{parts[0]} {signs[1]} {parts[1]}", level)
    if template[0] in "-+!":
        return Text(template[0] + arguments[0].at(ATOM), UNARY)
    if " === " in template:
        return Text(template.format(*(x.text for x in arguments)), LEVELS["==="])
    if "+{0}" in template:
        return Text(template.format(*(x.at(ATOM) for x in arguments)), ATOM)
    return Text(template.format(*(x.text for x in arguments)), ATOM)


def written(node: ArrayNode, arguments: list[Text]) -> Text:
    """The value of one element of a node, from those of its inputs.

    Raises Untraceable for a function that has no counterpart.
    """
    kinds = {x.dtype.kind for x in node.inputs}
    if node.op == "where":
        condition, x, y = arguments
        if node.inputs[0].dtype.kind != "b":
            condition = filled("{0} != {1}", [condition, number(0)])
        choice = f"{condition.at(CHOICE + 1)} ? {x.at(CHOICE + 1)} : {y.at(CHOICE + 1)}"
        return rounded(node, Text(choice, CHOICE))
    if node.op == "astype":
        return _converted(node, arguments[0])
    if kinds == {"b"} and node.op in OF_CONDITIONS:
        return filled(OF_CONDITIONS[node.op], arguments)
    if node.op in CONDITIONS:
        return filled(CONDITIONS[node.op], arguments)
    if node.op in ("logical_and", "logical_or", "logical_not"):
        return filled(OF_CONDITIONS[node.op], [filled("{0} != {1}", [x, number(0)]) for x in arguments])
    if node.op not in NUMBERS or node.dtype.kind == "i" and node.op not in WHOLE or node.dtype.kind == "b":
        of = "" if node.dtype.kind == "f" else f" of {node.dtype}"
        raise Untraceable(f"JavaScript has no np.{node.op}{of}")
    return rounded(node, filled(NUMBERS[node.op], arguments))


def rounded(node: ArrayNode, x: Text) -> Text:
    """With the precision of the node's dtype; JavaScript computes in float64."""
    return Text(f"Math.fround({x.text})", ATOM) if node.dtype == np.float32 else x


def _converted(node: ArrayNode, x: Text) -> Text:
    if node.dtype.kind == "b":
        return filled("{0} != {1}", [x, number(0)])
    if node.dtype.kind == "i":
        return Text(f"Math.trunc({x.text})", ATOM)
    if node.dtype == np.float32:
        return rounded(node, x)
    return filled("+{0}", [x]) if node.inputs[0].dtype.kind == "b" else x
