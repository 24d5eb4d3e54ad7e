"""What shares a loop, what needs an array, and what is written over the old values at once."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tinygrad_course.compiler.javascript.expressions import array_type, is_elementwise
from tinygrad_course.compiler.javascript.layout import Access, access, is_contiguous, is_view
from tinygrad_course.compiler.nodes import ArrayNode, Shape
from tinygrad_course.compiler.program import StepProgram, fixed_nodes, ordered, users_of

REDUCTIONS = {"sum": "0", "max": "-Infinity", "min": "Infinity"}


@dataclass(eq=False)
class LoopNest:
    """What is computed in one loop nest over `shape`: elementwise nodes, and reductions of that shape."""

    shape: Shape
    part: str
    fixed: bool
    members: list[ArrayNode] = field(default_factory=list)


class Plan:
    """What is computed where, for a program whose nodes are computed in their order.

    keep: nodes whose values are wanted as arrays, besides the cost and the updates. They must be no views.
    units: in the order of computation.  place: from what is computed by itself to its unit.
    inlined: nodes that are written where they are used.  arrays: the computed nodes that have an array.
    in_place: from the new value of an input to the input that it is written over.  copied: the other updates.
    """

    def __init__(self, program: StepProgram, keep: Iterable[ArrayNode] = ()):
        self.program = program
        self.keep = dict.fromkeys(keep)
        self.fixed = fixed_nodes(program)
        self.users = users_of(program.nodes)
        self.outputs = {access(y).base for y in program.outputs()} | set(self.keep)
        self.part = _parts(program)
        self.units: list[LoopNest] = []
        self.place: dict[ArrayNode, int] = {}
        self.in_place: dict[ArrayNode, ArrayNode] = {}
        self.copied: list[tuple[ArrayNode, ArrayNode]] = []
        self.inlined = {node for node in program.nodes if self._is_inlined(node)}
        self._plan()
        self._plan_updates()
        self.arrays = {node for node in self.place if self._needs_array(node)}

    def _is_computed(self, node: ArrayNode) -> bool:
        return node.op not in ("input", "constant") and not node.weak and not is_view(node)

    def _is_inlined(self, node: ArrayNode) -> bool:
        """Whether a node is written where it is used: once, for the same element, and it has no name of its own."""
        users = self.users.get(node, ())
        if node.op == "astype" and node.inputs[0].weak and node not in self.outputs:
            return all(is_elementwise(user) and not user.weak for user in users)
        if len(users) != 1 or not self._is_computed(node) or not is_elementwise(node) or node in self.outputs:
            return False
        user = users[0]
        return (node.name is None and sum(x is node for x in user.inputs) == 1 and not is_view(user) and not user.weak
                and self.part[node] == self.part[user] and (node in self.fixed) == (user in self.fixed)
                and (is_elementwise(user) and user.shape == node.shape or user.op in REDUCTIONS))

    def operands(self, node: ArrayNode) -> Iterable[tuple[ArrayNode, Shape]]:
        """What a node reads, with the shape that it is read in, also what expressions inside its own read."""
        stack = [(x, node) for x in node.inputs]
        while stack:
            x, user = stack.pop()
            if x in self.inlined:
                stack += [(y, x) for y in x.inputs]
            elif x.weak:
                stack += [(y, x) for y in x.inputs]
                if x.op == "input":
                    yield x, ()
            else:
                yield x, user.shape if is_elementwise(user) else x.shape

    def _plan(self) -> None:
        latest: dict[Any, int] = {}
        for node in self.program.nodes:
            if not self._is_computed(node) or node in self.inlined:
                continue
            array_type(node.dtype)
            fixed, part = node in self.fixed, self.part[node]
            if not is_elementwise(node) and node.op not in REDUCTIONS or is_elementwise(node) and node.size == 1:
                self.place[node] = len(self.units)
                self.units.append(LoopNest(node.shape, part, fixed, [node]))
                continue
            shape = node.inputs[0].shape if node.op in REDUCTIONS else node.shape
            key = shape, part, fixed
            at = latest.get(key, -1)
            if at < 0 or not all(self._is_known(x, at, shape) for x, _ in self.operands(node)):
                at = latest[key] = len(self.units)
                self.units.append(LoopNest(shape, part, fixed))
            self.units[at].members.append(node)
            self.place[node] = at

    def _is_known(self, x: ArrayNode, at: int, shape: Shape) -> bool:
        """Whether a value is there when an element of unit `at` is computed: from before, or the same element."""
        found = access(x)
        place = self.place.get(found.base, -1)
        return place < at or place == at and found.base is x and x.shape == shape and x.op not in REDUCTIONS

    def _plan_updates(self) -> None:
        reads: dict[ArrayNode, list[tuple[int, Access, Shape]]] = {}
        for node, place in self.place.items():
            for x, shape in self.operands(node):
                reads.setdefault(access(x).base, []).append((place, access(x), x.shape))
        last = {access(y).base for y in self.program.outputs()}
        for x, y in self.program.updates.items():
            if x.weak:
                continue
            place = self.place.get(y, -1)
            if (place >= 0 and is_elementwise(y) and y.size > 1
                    and y not in self.in_place and y not in self.keep and x not in last and y.dtype == x.dtype
                    and all(at < place or at == place and _is_plain(found, shape, x)
                            for at, found, shape in reads.get(x, ()))):
                self.in_place[y] = x
            else:
                self.copied.append((x, y))

    def _needs_array(self, node: ArrayNode) -> bool:
        if node in self.keep:
            return True
        if node.size == 1 and (is_elementwise(node) or node.op in REDUCTIONS):
            return False
        if node in self.outputs or not is_elementwise(node):
            return True
        return any(self._place_of_use(user) != self.place[node] or not is_elementwise(user) and user.op
                   not in REDUCTIONS or user.shape != node.shape and is_elementwise(user)
                   for user in self.users.get(node, ()))

    def _place_of_use(self, user: ArrayNode) -> int:
        while user in self.inlined:
            user = self.users[user][0]
        return self.place.get(user, -1)


def _parts(program: StepProgram) -> dict[ArrayNode, str]:
    """Whether a node is needed for the cost or named by the forward pass, leads to a gradient, or comes after."""
    parts = dict.fromkeys(program.nodes, "update")
    named = [x for x in program.nodes if x.note]
    parts.update(dict.fromkeys(ordered(program.gradients.values()), "backward pass"))
    parts.update(dict.fromkeys(ordered([program.cost, *named]), "forward pass"))
    return parts


def _is_plain(found: Access, shape: Shape, x: ArrayNode) -> bool:
    """Whether an access reads element i of the array for element i of the result."""
    return found.offset == 0 and shape == x.shape and is_contiguous(found.strides, x.shape)
