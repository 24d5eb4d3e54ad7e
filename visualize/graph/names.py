"""What Tensors are called in pictures: by their names or, where the graph leaves no doubt, as the course calls them."""
from __future__ import annotations

import re
import string
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from tinygrad_course.tensor import Tensor
from tinygrad_course.visualize.graph.recorded import Origin, Record
from tinygrad_course.visualize.scene.shapes import Line, Run, clean, line_width
from tinygrad_course.visualize.graph.values import number

ACTIVATIONS = {"sigmoid", "tanh", "relu", "leaky_relu", "softplus", "softmax"}
ARITHMETIC = {"add", "subtract", "multiply", "divide", "power", "negative", "square", "matmul", "dot", "transpose"}
BINDING = {"add": 1, "subtract": 1, "negative": 2, "multiply": 2, "divide": 2, "matmul": 3, "dot": 5, "power": 4,
           "square": 4, "transpose": 4}  # what binds more closely stands higher; matmul is associative
COSTS = {"binary_cross_entropy", "cross_entropy"}
COURSE_NAME = re.compile(r"([WwbZzAaX])(?:\[|_)?(\d+)\]?")
LONGEST = 40  # letters of a name; what is longer is cut


def as_line(name: str) -> Line:
    """A name as a line of text: W1 is W with the superscript [1]."""
    if match := COURSE_NAME.fullmatch(name):
        return (Run(match[1], sup=f"[{match[2]}]"),)
    name = clean(name)
    return (Run(name if len(name) <= LONGEST else name[:LONGEST - 1] + "…"),)


def plain_text(line: Line) -> str:
    """The line in letters alone: W[1], a_1, w^T."""
    return "".join(run.text + (f"_{run.sub}" if run.sub else "")
                   + (run.sup if run.sup[:1] in ("[", "") else f"^{run.sup}") for run in line)


def with_layer(letter: str, layer: int | None) -> Line:
    return (Run(letter, sup=f"[{layer}]" if layer is not None else ""),)


def names_of(record: Record, given: Mapping[Tensor, str]) -> dict[Tensor, Line]:
    """A name for each Tensor that has one. given: names that come before the Tensors' own."""
    names: dict[Tensor, Line] = {}
    for tensor in record.tensors:
        name = given.get(tensor, tensor.name)
        if name:
            names[tensor] = as_line(name)
    for tensor, line in _inferred(record, given).items():
        if tensor not in names or tensor.name in ("W", "w", "b"):  # what every nn.Linear calls its parameters
            names[tensor] = line
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


def _inferred(record: Record, given: Mapping[Tensor, str]) -> dict[Tensor, Line]:
    """Z, A, y_hat, J, X, Y and the numbers of layers, from what each Tensor was computed with."""
    origins, forward = record.origins, [tensor for tensor in record.tensors if tensor in record.forward]
    users: dict[Tensor, list[Tensor]] = defaultdict(list)
    depth: dict[Tensor, int] = {}  # how many linear steps lead to a Tensor
    linear: dict[Tensor, tuple[Tensor, Tensor, Tensor]] = {}
    for tensor in forward:
        depth[tensor] = 0
        if tensor in origins:
            parents = origins[tensor].parents
            for parent in dict.fromkeys(parents):
                users[parent].append(tensor)
            depth[tensor] = max((depth[parent] for parent in parents), default=0)
            if step := _linear_step(origins[tensor], origins):
                linear[tensor] = step
                depth[tensor] += 1
    layers = _layer_numbers(linear, depth, given)
    names: dict[Tensor, Line] = {}
    predicted: Tensor | None = None
    shared = Counter(parameter for W, _, b in linear.values() for parameter in (W, b))
    for Z, layer in layers.items():
        W, X, b = linear[Z]
        names[Z] = with_layer("Z", layer)
        for parameter, letter in ((W, "w" if W.name == "w" else "W"), (b, "b")):
            if shared[parameter] == 1:
                names[parameter] = with_layer(letter, layer)
        activations = [user for user in users[Z] if origins[user].op.name in ACTIVATIONS]
        if len(activations) == 1:
            last = depth[Z] == max(depth[other] for other in layers)
            names[activations[0]] = (Run("ŷ"),) if last else with_layer("A", layer)
            predicted = activations[0] if last else predicted
        if depth[Z] == 1 and _is_data(X, origins):
            names[X] = (Run("X"),)
    labels = [origins[tensor].parents[2] for tensor in forward if tensor in origins
              and origins[tensor].op.name in COSTS]
    if not labels and predicted is not None:
        after = {predicted}
        for tensor in forward:
            if tensor in origins and any(parent in after for parent in origins[tensor].parents):
                after.add(tensor)
        labels = [tensor for tensor in forward if _is_data(tensor, origins) and tensor.shape == predicted.shape
                  and any(user in after for user in users[tensor])]
    if len(labels) == 1 and _is_data(labels[0], origins):
        names[labels[0]] = (Run("Y"),)
    if len(record.roots) == 1 and record.roots[0].size == 1 and (labels or predicted is not None):
        names.setdefault(record.roots[0], (Run("J"),))
    return names


def _is_data(tensor: Tensor, origins: Mapping[Tensor, Origin]) -> bool:
    return tensor not in origins and not tensor.requires_grad and tensor.size > 1


def _linear_step(origin: Origin, origins: Mapping[Tensor, Origin]) -> tuple[Tensor, Tensor, Tensor] | None:
    """W, A and b where a Tensor is W A + b (or w^T A + b) with parameters W and b."""
    if origin.op.name != "add":
        return None
    for product, b in (origin.parents, origin.parents[::-1]):
        if product in origins and origins[product].op.name in ("matmul", "dot") and _is_parameter(b):
            W, A = origins[product].parents
            if W in origins and origins[W].op.name == "transpose":
                W = origins[W].parents[0]
            if _is_parameter(W):
                return W, A, b
    return None


def _is_parameter(tensor: Tensor) -> bool:
    return tensor.op is None and tensor.requires_grad


def _layer_numbers(linear: Mapping[Tensor, tuple[Tensor, Tensor, Tensor]], depth: Mapping[Tensor, int],
                   given: Mapping[Tensor, str]) -> dict[Tensor, int | None]:
    """The layer of each linear step: by the names W1, W2, ... if all have one, else by their order.

    Empty where two steps stand at the same depth, or have the same number: they are in doubt.
    """
    numbers: dict[Tensor, int | None] = {}
    for Z, (W, _, _) in linear.items():
        match = COURSE_NAME.fullmatch(given.get(W) or W.name or "")
        numbers[Z] = int(match[2]) if match else None
    if None in numbers.values() or len(set(numbers.values())) < len(numbers):
        numbers = {Z: depth[Z] for Z in linear}
        if len(numbers) == 1:
            return {Z: None for Z in numbers}
    return numbers if len(set(numbers.values())) == len({depth[Z] for Z in linear}) == len(numbers) else {}


def formula(tensor: Tensor, record: Record, names: Mapping[Tensor, Line], depth: int = 0) -> Line:
    """A computed Tensor written with the names of what it was computed from; empty where that is not possible.

    Numbers stand for themselves; arithmetic without a name is written out, to a depth of three.
    """
    origin = record.origins[tensor]
    parts = []
    for place, parent in enumerate(origin.parents):
        part = names.get(parent, ())
        if not part and parent in record.origins:
            op = record.origins[parent].op.name
            if op in ARITHMETIC and depth < 3:
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
    if outer not in ARITHMETIC or outer == "add":
        return False
    return BINDING[inner] < BINDING[outer] or place > 0 and BINDING[inner] == BINDING[outer] != 4


def _parameter(value: Any) -> str:
    """A parameter of an operation, such as an index, as it is written in NumPy."""
    if isinstance(value, tuple) and any(part is Ellipsis or part is None or isinstance(part, slice)
                                        for part in value):
        return ", ".join(map(_parameter, value))
    if isinstance(value, slice):
        step = "" if value.step is None else f":{value.step}"
        return f"{'' if value.start is None else value.start}:{'' if value.stop is None else value.stop}{step}"
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
