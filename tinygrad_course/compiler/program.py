"""A training step as a list of nodes in the order of computation, and what a pass over it needs."""
from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tinygrad_course.compiler.polling import look
from tinygrad_course.compiler.nodes import ArrayNode
from tinygrad_course.tensor import Tensor

# ------------------------------------------------------------------------------------ what an input is bound to


@dataclass(frozen=True)
class ParameterSlot:
    """The model's parameter of this number."""

    parameter: int


@dataclass(frozen=True)
class StateSlot:
    """One part of what the optimiser keeps for a parameter."""

    parameter: int
    part: int


@dataclass(frozen=True)
class DataSlot:
    """X or Y."""

    name: str


@dataclass(frozen=True)
class StartSlot:
    """Something that the compiler made up: it starts with this number everywhere.

    stands_for: the parameter or state that it is kept in place of, where it is the D of a `span`.
    """

    number: float
    stands_for: ParameterSlot | StateSlot | None = None


@dataclass(frozen=True)
class HoistedSlot:
    """One of the values that no step changes, computed before the first."""

    index: int


Slot = ParameterSlot | StateSlot | DataSlot | StartSlot | HoistedSlot

# ------------------------------------------------------------------------------------------------- the program


@dataclass
class StepProgram:
    """What one step computes.

    nodes: every node that is needed, each after its inputs.
    cost: the cost before the update.  updates: from an input that changes to its value after the step.
    slots: what each input is bound to.  results: from a parameter or state to its value, as a node of the inputs.
    batches: whether X and Y are others in every step.  moving: inputs that others change, between two steps.
    invariant: the inputs that no step changes.
    gradients: dJ/dw by the input w, where the program still has it.
    leaves: the Tensors with a gradient that the cost depends on; those that are no parameters are constants here.
    """

    nodes: list[ArrayNode]
    cost: ArrayNode
    updates: dict[ArrayNode, ArrayNode]
    slots: dict[ArrayNode, Slot]
    results: dict[Slot, ArrayNode]
    gradients: dict[ArrayNode, ArrayNode] = field(default_factory=dict)
    batches: bool = False
    moving: frozenset[ArrayNode] = frozenset()
    leaves: list[Tensor] = field(default_factory=list)

    @property
    def invariant(self) -> list[ArrayNode]:
        return [x for x, slot in self.slots.items() if x not in self.updates and x not in self.moving
                and not (self.batches and isinstance(slot, DataSlot))]

    def outputs(self) -> list[ArrayNode]:
        return [self.cost, *self.updates.values()]


def ordered(outputs: Iterable[ArrayNode], start: Iterable[ArrayNode] = (),
            known: Container[ArrayNode] = ()) -> list[ArrayNode]:
    """Every node that the outputs need, each after its inputs; a loop, so that depth does not matter.

    start: the order in which to look; what is not needed is left out. Thus an order that is there already is kept.
    known: nodes that are there already: neither they nor what only they need is listed.
    """
    needed: set[ArrayNode] = set()
    stack = list(outputs)
    while stack:
        node = stack.pop()
        if node not in needed and node not in known:
            needed.add(node)
            stack.extend(node.inputs)
    placed: dict[ArrayNode, None] = {}
    for root in (*start, *outputs):
        if root not in needed:
            continue
        stack = [root]
        while stack:
            node = stack[-1]
            missing = [x for x in node.inputs if x in needed and x not in placed] if node not in placed else []
            if missing:
                stack.extend(reversed(missing))
            else:
                look()
                placed[stack.pop()] = None
    return list(placed)


def rewritten(program: StepProgram, rule: Callable[[ArrayNode], ArrayNode],
              replaced: Mapping[ArrayNode, ArrayNode] = {}) -> StepProgram:
    """The program with each node replaced by what `rule` makes of it, once its inputs have been replaced.

    replaced: nodes whose replacement is known already.
    """
    new = dict(replaced)
    for node in program.nodes:
        look()
        if node in replaced:
            continue
        inputs = [new[x] for x in node.inputs]
        new[node] = rule(node if all(a is b for a, b in zip(inputs, node.inputs)) else node.with_inputs(inputs))
    outputs = {x: new[y] for x, y in program.updates.items()}
    cost = new[program.cost]
    nodes = ordered([cost, *outputs.values()], start=new.values())
    return replace(program, nodes=nodes, cost=cost, updates=outputs,
                   gradients={w: new[g] for w, g in program.gradients.items() if g in new})


def with_cost(program: StepProgram, cost: ArrayNode) -> StepProgram:
    return replace(program, cost=cost, nodes=ordered([cost, *program.updates.values()], start=program.nodes))


def users_of(nodes: Iterable[ArrayNode]) -> dict[ArrayNode, list[ArrayNode]]:
    """From each node to those that use it."""
    users: dict[ArrayNode, list[ArrayNode]] = {}
    for node in nodes:
        for x in dict.fromkeys(node.inputs):
            users.setdefault(x, []).append(node)
    return users


def fixed_nodes(program: StepProgram) -> set[ArrayNode]:
    """What no step changes: constants, inputs such as the data, and whatever depends on these alone."""
    fixed = set(program.invariant)
    for node in program.nodes:
        if node.op == "constant" or node.inputs and all(x in fixed for x in node.inputs):
            fixed.add(node)
    return fixed


# ------------------------------------------------------------------------------------------------ values of nodes


def _scattered(node: ArrayNode, g: Any) -> Any:
    x = np.zeros(node.shape, node.dtype)
    if node.op == "scatter":
        x[node.params["index"]] = g
    else:
        np.add.at(x, node.params["index"], g)
    return x


def _product(node: ArrayNode, a: Any, b: Any) -> Any:
    return np.dot(a.T if node.params["ta"] else a, b.T if node.params["tb"] else b)


VALUES: dict[str, Callable[..., Any]] = {
    "matmul": _product,
    "stacked_matmul": lambda node, a, b: np.matmul(a, b),
    "dot": lambda node, a, b: np.dot(a, b),
    "sum": lambda node, x: x.sum(axis=node.params["axes"], keepdims=True),
    "max": lambda node, x: x.max(axis=node.params["axes"], keepdims=True, **initial(node)),
    "min": lambda node, x: x.min(axis=node.params["axes"], keepdims=True, **initial(node)),
    "transpose": lambda node, x: np.transpose(x, node.params["axes"]),
    "reshape": lambda node, x: np.reshape(x, node.shape),
    "broadcast_to": lambda node, x: np.broadcast_to(x, node.shape),
    "concatenate": lambda node, *inputs: np.concatenate(inputs, axis=node.params["axis"]),
    "getitem": lambda node, x: x[node.params["index"]],
    "astype": lambda node, x: np.asarray(x).astype(node.dtype),
    "where": lambda node, c, x, y: np.where(c, x, y),
    "zeros": lambda node: np.zeros(node.shape, node.dtype),
    "scatter": _scattered,
    "scatter_add": _scattered,
}


def initial(node: ArrayNode) -> dict[str, Any]:
    return {"initial": node.params["initial"]} if "initial" in node.params else {}


def value_of(node: ArrayNode, inputs: Iterable[Any]) -> Any:
    """The value of a node from those of its inputs, by NumPy."""
    if node.op == "constant":
        return node.value
    if node.op in VALUES:
        return VALUES[node.op](node, *inputs)
    return getattr(np, node.op)(*inputs)


def evaluated(outputs: Iterable[ArrayNode], values: Mapping[ArrayNode, Any]) -> list[Any]:
    """The values of nodes from those of the inputs: what a compiled step is held against."""
    outputs = list(outputs)
    known = dict(values)
    with np.errstate(all="ignore"):
        for node in ordered(outputs, known=values):
            look()
            known[node] = value_of(node, [known[x] for x in node.inputs])
    return [known[node] for node in outputs]
