"""What Tensors are called in pictures: by their names or, where the graph leaves no doubt, as the course calls them."""
from __future__ import annotations

import re
import string
from collections.abc import Mapping
from typing import Any

from tinygrad_course.graph.record import Record
from tinygrad_course.graph.roles import LETTERS, roles_of
from tinygrad_course.tensor import Tensor
from tinygrad_course.visualize.graph.values import number
from tinygrad_course.visualize.scene.lettering import Line, Run, clean, line_width

# What binds more closely stands higher; matmul is associative. All others are written as functions, with brackets.
BINDING = {"greater": 0, "equal": 0, "add": 1, "subtract": 1, "expm1": 1, "negative": 2, "multiply": 2, "divide": 2,
           "reciprocal": 2, "matmul": 3, "power": 4, "square": 4, "transpose": 4}
COURSE_NAME = re.compile(r"([WwbZzAaX])(?:\[|_)?(\d+)\]?")
LONGEST = 40  # letters of a name; what is longer is cut


def as_line(name: str) -> Line:
    """A name as a line of text: W1 is W with the superscript [1]."""
    if match := COURSE_NAME.fullmatch(name):
        return (Run(match[1], sup=f"[{match[2]}]"),)
    name = clean(name)
    return (Run(name if len(name) <= LONGEST else name[:LONGEST - 1] + "…"),)


def names_of(record: Record, given: Mapping[Tensor, str]) -> dict[Tensor, Line]:
    """A name for each Tensor that has one: that which its user gave it, else its role's, as the course writes it.

    given: names that come before the Tensors' own, those of parameters as the course writes them.
    """
    names: dict[Tensor, Line] = {}
    for tensor, role in roles_of(record, given).items():
        if role.convention is not None:
            continue
        own = given.get(tensor, tensor.name)
        if own and not (role.kind == "parameter" and role.symbol in LETTERS):
            names[tensor] = as_line(own)
        else:
            names[tensor] = (Run("ŷ"),) if role.predicts and role.kind == "activation" else as_line(role.name)
    if record.seed is not None:
        names[record.seed] = _gradient_name([record.roots[0]], names) or (Run("seed"),)
    for gradient, of in record.gradient_of.items():
        if line := _gradient_name(of, names):
            names[gradient] = line
    return names


def _gradient_name(of: list[Tensor], names: Mapping[Tensor, Line]) -> Line:
    """dZ^[1], the gradient with respect to Z^[1], as the course writes it; it may be that of several Tensors."""
    runs: list[Run] = []
    for tensor in [tensor for tensor in of if tensor in names][:3]:
        first, *rest = names[tensor]
        path = not first.text.isalnum()  # d(layers.0.W), but dW
        runs += [Run(" = ")] if runs else []
        runs += [Run(f"d({first.text}" if path else f"d{first.text}", first.sub, first.sup), *rest]
        runs += [Run(")")] if path else []
    return tuple(runs)


def formula(tensor: Tensor, record: Record, names: Mapping[Tensor, Line], depth: int = 0) -> Line:
    """A computed Tensor written with the names of what it was computed from; empty where that is not possible.

    Empty, too, for an operation whose notation does not name its operands, such as concatenate. Numbers stand for
    themselves; what has no name is written out, to a depth of three.
    """
    origin = record.origins[tensor]
    if "{0}" not in origin.op.notation and "{1}" not in origin.op.notation:
        return ()
    parts = []
    for place, parent in enumerate(origin.parents):
        part = names.get(parent, ())
        if not part and parent in record.origins:
            op = record.origins[parent].op.name
            if depth < 3:
                part = formula(parent, record, names, depth + 1)
                if part and _needs_brackets(op, origin.op.name, place):
                    part = (Run("("), *part, Run(")"))
        elif not part and parent.size == 1:
            part = (Run(number(parent._data.reshape(-1)[0])),)
        parts.append(part)
    runs: list[Run] = []
    for text, field, _, _ in string.Formatter().parse(origin.op.notation):
        if field == "axis" and origin.params.get("axis") is None:
            runs.append(Run(text.removesuffix(", axis=")))
            continue
        runs.append(Run(text.replace("-", "−")))
        if field is None:
            continue
        if field.isdigit():
            if int(field) >= len(parts) or not parts[int(field)]:
                return ()
            runs += parts[int(field)]
        elif field in origin.params:
            runs.append(Run(_parameter(origin.params[field])))
        else:
            return ()  # a constant, of which only the operation is known
    line = _raised(runs)
    return line if depth or line_width(line, 10.0) <= 210 else ()


def _needs_brackets(inner: str, outer: str, place: int) -> bool:
    """Whether an operation within another one, as its operand number `place`, is written in brackets."""
    if inner not in BINDING or outer not in BINDING:
        return False
    if outer == "add":
        return BINDING[inner] < 1
    return BINDING[inner] < BINDING[outer] or BINDING[inner] == BINDING[outer] and (
        place > 0 and outer not in ("power", "square", "transpose") or place == 0 and outer in ("power", "square"))


def _parameter(value: Any) -> str:
    """A parameter of an operation, such as an index, as it is written in NumPy."""
    if isinstance(value, tuple) and any(part is Ellipsis or part is None or isinstance(part, slice)
                                        for part in value):
        return ", ".join(map(_parameter, value))
    if isinstance(value, slice):
        step = "" if value.step is None else f":{value.step}"
        return f"{'' if value.start is None else value.start}:{'' if value.stop is None else value.stop}{step}"
    if isinstance(value, tuple) and len(value) == 1 and isinstance(value[0], int):  # an axis
        value = value[0]
    if value is Ellipsis:
        return "..."
    text = "newaxis" if value is None else str(value)
    return clean(text if len(text) <= LONGEST else text[:LONGEST - 1] + "…")


def _raised(runs: list[Run]) -> Line:
    """With the letters after ^ as a superscript of what stands before: {0}^T."""
    joined: list[Run] = []
    for run in runs:
        if run.text.startswith("^") and joined:
            last = joined.pop()
            joined.append(Run(last.text, last.sub, last.sup + run.text[1:]))
        elif run.text or run.sub or run.sup:
            joined.append(run)
    return tuple(joined)
