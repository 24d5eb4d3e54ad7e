"""What the page tells: each step of a recorded graph with its equations, forwards and backwards, and its box."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from tinygrad_course.equations.explain import GradientFlow
from tinygrad_course.equations.expressions import EXAMPLES
from tinygrad_course.equations.math import MathMLWriter
from tinygrad_course.equations.rules import ELEMENTWISE, multiply, power
from tinygrad_course.graph.record import Call
from tinygrad_course.tensor import Tensor
from tinygrad_course.visualize.graph.names import as_line
from tinygrad_course.visualize.layout.layered import LayoutGraph, place
from tinygrad_course.visualize.scene.lettering import clean, line_width

Tree = list[Any]  # of MathML: a tag, then texts and trees
HEIGHT, SIDE, NARROWEST = 44.0, 14.0, 64.0
WIDEST, FOLDED = 190.0, 150.0
NAME_SIZE, OPERATION_SIZE = 15.0, 10.5
AS_WRITTEN = {"add": "+", "subtract": "−", "multiply": "⊙"}


@dataclass(frozen=True, eq=False)
class FoldedCall:
    """Steps that are shown as one box."""

    name: str
    steps: list[int]


class Story:
    """The steps of a cost, ready for the page.

    flow: the recorded graph with its names.  m: the number of examples, if there are several and it is clear.
    """

    def __init__(self, flow: GradientFlow):
        self.flow, self.places = flow, flow.places
        self.m = flow.places.examples()
        self.write = flow.write = MathMLWriter(flow.reader.numbers.sizes)
        self.steps = [self._step(i) for i in range(len(self.places.steps))]

    def scaled(self, i: int) -> bool:
        """Whether the course writes the gradient of a step without the 1/m: that of what holds one column for each
        example, such as Z and A."""
        step = self.places.steps[i]
        return bool(self.m) and i not in self.places.parameters and step.ndim > 0 and step.shape[-1] == self.m

    def _step(self, i: int) -> dict[str, Any]:
        flow, places = self.flow, self.places
        tensor, role = places.steps[i], places.roles.get(i)
        told: dict[str, Any] = {
            "name": clean(flow.name(i)), "symbol": tree(self.symbol(i)), "op": places.op(i),
            "shape": list(tensor.shape), "parents": places.parents[i], "gradient": i in places.total,
            "kind": self._kind(i), "scaled": self.scaled(i), "role": role.kind if role is not None else "",
            "predicts": bool(role is not None and role.predicts),
            "layer": role.layer if role is not None else None}
        if not places.op(i):
            return told
        told["equation"] = tree(self._equation(i))
        told["params"] = params_of(places.origins[tensor].params)
        told["back"] = [self._handed_on(i, k, parent) for k, parent in enumerate(places.parents[i])
                        if i in places.total and self._part_at(i, k) is not None]
        return told

    def _kind(self, i: int) -> str:
        if i == self.places.last:
            return "cost"
        if self.places.op(i):
            return "step"
        if self.places.steps[i].requires_grad:
            return "parameter"
        return "input" if self.places.steps[i].size > 1 or i in self.places.names else "constant"

    # --------------------------------------------------------------------------------------------- equations

    def symbol(self, i: int, gradient: bool = False) -> str:
        """The name of a step, or of its gradient, as MathML."""
        name = self.flow.name(i)
        if i not in self.flow.reader.names:
            return self.write.number(name)
        return self.write.symbol(f"d{name}" if gradient else name)

    def _equation(self, i: int) -> str:
        """What was computed, as it was written: T + T and not 2 T."""
        write, op = self.write, self.places.op(i)
        parents = [self.symbol(parent) for parent in self.places.parents[i]]
        if op in AS_WRITTEN:
            return write.row(parents[0], write.operator(AS_WRITTEN[op]), parents[1])
        if op == "divide":
            return write.fraction(*parents)
        if op in ("matmul", "dot"):
            return write.joined(*parents)
        return self.flow.text(self.flow.reader.value(i))

    def _part_at(self, i: int, k: int) -> int | None:
        """Which of the gradients that the k-th input of step i receives comes through this input."""
        parent = self.places.parents[i][k]
        handed = [at for at, (source, _) in enumerate(self.places.parts.get(parent, [])) if source == i]
        before = self.places.parents[i][:k].count(parent)
        op = self.places.origins[self.places.steps[i]].op
        if op.vjps[k] is None or before >= len(handed):
            return None
        return handed[before]

    def _handed_on(self, i: int, k: int, parent: int) -> dict[str, Any]:
        """What the k-th input of a step receives: the formula, the local derivative where there is one."""
        at = self._part_at(i, k)
        assert at is not None
        told: dict[str, Any] = {"parent": parent, "input": k, "at": at}
        formula, part = self.symbol(i, gradient=True), self.flow._part(parent, at)
        if self.places.parts[parent][at][1] is not self.places.total[i]:  # else it is handed on as it is
            formula = self.flow.text(part, i)
            if self.scaled(i) != self.scaled(parent):
                factor = EXAMPLES if self.scaled(parent) else power(EXAMPLES, -1)
                told["course"] = tree(self.flow.text(multiply(factor, part), i))
        told["formula"] = tree(formula)
        if self.places.op(i) in ELEMENTWISE:
            told["local"] = tree(self.flow._slope(parent, at, i).strip() or formula)
        shape, of = self.places.steps[parent].shape, self.places.steps[i].shape
        if self.places.op(i) in ELEMENTWISE and shape != of:
            added = len(of) - len(shape)
            told["summed"] = [axis for axis, n in enumerate(of) if axis < added or shape[axis - added] != n]
        return told

    # ------------------------------------------------------------------------------------------------- boxes

    def picture(self, folds: Sequence[FoldedCall] = ()) -> dict[str, Any]:
        """Boxes and arrows with their places; what a fold holds is one box.

        Numbers that have no name stand in equations only.
        """
        shown = [i for i in range(len(self.steps)) if self.steps[i]["kind"] != "constant"]
        fold_of = {i: fold for fold in folds for i in fold.steps}
        members: dict[Any, list[int]] = {}  # of each box, by its fold or its only step
        for i in shown:
            members.setdefault(fold_of.get(i, i), []).append(i)
        number = {i: n for n, inside in enumerate(members.values()) for i in inside}
        sizes = [(self._width(inside[-1]) if len(inside) == 1 else FOLDED, HEIGHT) for inside in members.values()]
        edges = list(dict.fromkeys((number[parent], number[i]) for i in shown for parent in self.places.parents[i]
                                   if parent in number and number[parent] != number[i]))
        placed = place(LayoutGraph(sizes, edges))
        boxes = [{"steps": inside, "x": round(x, 1), "y": round(y, 1), "width": round(width, 1), "height": height,
                  **({"fold": clean(key.name)} if isinstance(key, FoldedCall) else {})}
                 for (key, inside), (x, y), (width, height) in zip(members.items(), placed.centres, sizes)]
        return {"width": round(placed.width, 1), "height": round(placed.height, 1), "boxes": boxes,
                "arrows": [{"from": tail, "to": head, "route": [[round(x, 1), round(y, 1)] for x, y in route]}
                           for (tail, head), route in zip(edges, placed.routes)]}

    def folds(self, calls: Mapping[Tensor, Call]) -> list[FoldedCall]:
        """One for each call of a Module within the model, with the parameters that nothing else uses."""
        inside: dict[Call, list[int]] = {}
        for i, step in enumerate(self.places.steps):
            if step in calls and len(chain := calls[step].chain()) > 1:
                inside.setdefault(chain[1], []).append(i)
        users: dict[int, set[int]] = {}
        for i, parents in enumerate(self.places.parents):
            for parent in parents:
                users.setdefault(parent, set()).add(i)
        found = []
        for n, (call, steps) in enumerate(inside.items(), start=1):
            own = [i for i in self.places.parameters if users.get(i, set()) and users[i] <= set(steps)]
            if len(steps) + len(own) > 1:
                found.append(FoldedCall(f"{type(call.module).__name__} {n}", sorted([*own, *steps])))
        return found

    def _width(self, i: int) -> float:
        name = line_width(as_line(self.flow.name(i)), NAME_SIZE, True)
        operation = line_width(as_line(f"{self.places.op(i)} {self.places.steps[i].shape}"), OPERATION_SIZE, False)
        return min(WIDEST, max(NARROWEST, name, operation) + 2 * SIDE)


def params_of(params: Any) -> dict[str, Any]:
    """What the page needs of an operation's parameters to say which elements go together."""
    told: dict[str, Any] = {}
    for name, value in params.items():
        if value is None or isinstance(value, (bool, int, str)):
            told[name] = value
        elif isinstance(value, tuple) and all(isinstance(part, int) for part in value):
            told[name] = list(value)
    return told


def tree(mathml: str) -> Tree:
    """MathML as lists, from which the page makes elements: it never reads text as markup."""
    def listed(element: ElementTree.Element) -> Tree:
        children: Tree = [element.tag]
        if element.attrib:
            children.append(dict(element.attrib))
        if element.text:
            children.append(element.text)
        return [*children, *map(listed, element)]
    return listed(ElementTree.fromstring(f"<mrow>{mathml}</mrow>"))


def constant_of(tensor: Any) -> bool:
    """Whether a leaf is a number of the program, not an input."""
    return not tensor.requires_grad and (tensor.size == 1 and tensor.name is None or tensor.dtype.kind not in "fiub")
