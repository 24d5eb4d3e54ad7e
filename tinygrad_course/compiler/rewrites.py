"""Passes that make a program shorter or cheaper without changing what it computes. Each is one short function.

All but three leave every rounding as it was: what they give is equal bit for bit. `products_expanded`,
`sigmoid_fused_with_cross_entropy`, and `transposes_absorbed` where it turns a whole product round, may change the
last bits.
"""
from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_course.compiler.nodes import (
    ArrayNode, concatenate, contents, elementwise, product, reshape, transpose, where)
from tinygrad_course.compiler.memory import is_elementwise
from tinygrad_course.compiler.program import (
    HoistedSlot, StepProgram, fixed_nodes, ordered, rewritten, value_of, with_cost)

MOST_FOLDED = 1 << 20  # elements: constants are computed once, but not at the price of much memory
VIEWS = ("transpose", "reshape", "broadcast_to", "getitem")


def is_number(node: ArrayNode, value: float) -> bool:
    return node.op == "constant" and np.ndim(node.value) == 0 and node.value == value


def without_dead_code(program: StepProgram) -> StepProgram:
    """Only what the cost and the updates need; a parameter that stays as it is is none that changes."""
    updates = {x: y for x, y in program.updates.items() if x is not y}
    nodes = ordered([program.cost, *updates.values()], start=program.nodes)
    kept = set(nodes)
    return replace(program, nodes=nodes, updates=updates,
                   gradients={w: g for w, g in program.gradients.items() if g in kept})


def constants_folded(program: StepProgram) -> StepProgram:
    """Whatever depends on constants alone is computed now."""
    def rule(node: ArrayNode) -> ArrayNode:
        if not node.inputs or any(x.op != "constant" for x in node.inputs) or node.size > MOST_FOLDED:
            return node
        with np.errstate(all="ignore"):
            value = value_of(node, [x.value for x in node.inputs])
        value = value.item() if node.weak and isinstance(value, np.generic) else value
        value = value if node.weak else np.asarray(value, dtype=node.dtype)
        return ArrayNode("constant", [], node.shape, node.dtype, value=value, weak=node.weak)
    return rewritten(program, rule)


def simplified(program: StepProgram) -> StepProgram:
    """x * 1, x / 1, x + 0, x - 0 and views of views.

    For floats only x + -0.0 is x, and x - 0.0: the sum of -0.0 and 0.0 is 0.0.
    """
    def rule(node: ArrayNode) -> ArrayNode:
        kept: ArrayNode | None = None
        if node.op in ("multiply", "divide", "add", "subtract"):
            a, b = node.inputs
            if _is_neutral(b, node):
                kept = a
            elif node.op in ("multiply", "add") and _is_neutral(a, node):
                kept = b
        elif node.op == "negative" and node.inputs[0].op == "negative":
            kept = node.inputs[0].inputs[0]
        elif node.op == "reshape" and node.inputs[0].op == "reshape":
            return _named(reshape(node.inputs[0].inputs[0], node.shape), node)
        elif node.op == "transpose" and node.inputs[0].op == "transpose":
            inner = node.inputs[0]
            order = tuple(inner.params["axes"][i] for i in node.params["axes"])
            return _named(transpose(inner.inputs[0], order), node)
        if kept is not None and kept.shape == node.shape and kept.dtype == node.dtype and kept.weak == node.weak:
            return _named(kept, node)
        return node
    return rewritten(program, rule)


def _is_neutral(number: ArrayNode, node: ArrayNode) -> bool:
    """Whether an operand changes no bit of the other one."""
    if node.op in ("multiply", "divide"):
        return is_number(number, 1)
    return is_number(number, 0) and (node.dtype.kind != "f" or bool(np.signbit(number.value)) is (node.op == "add"))


def _named(node: ArrayNode, like: ArrayNode) -> ArrayNode:
    if node.name is None:
        node.name, node.note = like.name, like.note
    return node


def shared(program: StepProgram) -> StepProgram:
    """Common sub-expressions are computed once."""
    seen: dict[Any, ArrayNode] = {}

    def rule(node: ArrayNode) -> ArrayNode:
        if node.op == "input":
            return node
        return _named(seen.setdefault(_key(node), node), node)
    return rewritten(program, rule)


def _key(node: ArrayNode) -> tuple[Any, ...]:
    return node.op, tuple(map(id, node.inputs)), contents(node.params, 64), contents(node.value, 64), node.dtype, \
        node.shape, node.weak, node.name if node.op == "constant" else None


def transposes_absorbed(program: StepProgram) -> StepProgram:
    """(a^T) b, a (b^T) and (a b)^T are products that read, or write, their matrices the other way round."""
    def rule(node: ArrayNode) -> ArrayNode:
        if node.op == "matmul":
            a, b = node.inputs
            ta, tb = node.params["ta"], node.params["tb"]
            if a.op == "transpose":
                a, ta = a.inputs[0], not ta
            if b.op == "transpose":
                b, tb = b.inputs[0], not tb
            return _named(product(a, b, ta, tb), node) if (ta, tb) != tuple(node.params.values()) else node
        if node.op == "transpose" and node.inputs[0].op == "matmul":
            inner = node.inputs[0]
            a, b = inner.inputs
            return _named(product(b, a, not inner.params["tb"], not inner.params["ta"]), node)
        return node
    return rewritten(program, rule)


def relu_derivatives_from_activations(program: StepProgram) -> StepProgram:
    """relu'(Z), which is Z > 0, is A > 0 for A = relu(Z): so Z need not be kept."""
    active: dict[ArrayNode, ArrayNode] = {}

    def rule(node: ArrayNode) -> ArrayNode:
        if node.op == "maximum" and is_number(node.inputs[1], 0):
            active[node.inputs[0]] = node
        if node.op == "greater" and is_number(node.inputs[1], 0) and node.inputs[0] in active:
            return elementwise(np.greater, active[node.inputs[0]], node.inputs[1])
        return node
    return rewritten(program, rule)


def cost_kept(program: StepProgram) -> StepProgram:
    """A cost that is an element of a parameter is copied: it is read when the step has changed the parameter."""
    looked_at = program.cost
    while looked_at.op in VIEWS:
        looked_at = looked_at.inputs[0]
    if looked_at not in program.updates:
        return program
    return with_cost(program, elementwise(np.positive, program.cost))


def sigmoid_fused_with_cross_entropy(program: StepProgram) -> StepProgram:
    """The cost has e^-|Z|, of which the sigmoid can be made as well: 1 / (1 + e) where Z > 0, else e / (1 + e)."""
    program = replace(program, nodes=ordered(program.outputs()))  # the cost first, the sigmoid where it is needed
    found: dict[ArrayNode, ArrayNode] = {}

    def rule(node: ArrayNode) -> ArrayNode:
        Z = _sigmoid_of(node)
        if node.op == "exp" and node.inputs[0].op == "copysign" and is_number(node.inputs[0].inputs[1], -1):
            found[node.inputs[0].inputs[0]] = node
        if Z is None or Z not in found:
            return node
        e = found[Z]
        return _named(where(np.greater(Z, 0.0), 1.0, e) / (1.0 + e), node)
    return rewritten(program, rule)


def _sigmoid_of(node: ArrayNode) -> ArrayNode | None:
    """Z where a node is 1 / (1 + e^-Z)."""
    if node.op != "divide" or not is_number(node.inputs[0], 1) or node.inputs[1].op != "add":
        return None
    one, e = node.inputs[1].inputs
    return e.inputs[0].inputs[0] if is_number(one, 1) and e.op == "exp" and e.inputs[0].op == "negative" else None


FEW = 4  # rows or columns up to which a product is a few elementwise products


def products_expanded(program: StepProgram) -> StepProgram:
    """Products with a short side as elementwise products and sums, which then are fused with what is around them.

    This adds up in another order, so the last bits may differ.
    """
    def rule(node: ArrayNode) -> ArrayNode:
        if node.op != "matmul":
            return node
        a, b = node.inputs
        ta, tb = node.params.values()
        A, B = transpose(a) if ta else a, transpose(b) if tb else b
        (n, k), p = A.shape, B.shape[1]
        if 0 < k <= FEW and n * p > FEW:
            total = A[:, 0:1] * B[0:1, :]
            for i in range(1, k):
                total = total + A[:, i:i + 1] * B[i:i + 1, :]
        elif p <= FEW and not ta and _is_computed(a) and not (n < p and _is_computed(b)):
            total = concatenate([(A * transpose(B[:, j:j + 1])).sum(axis=1, keepdims=True) for j in range(p)], axis=1)
        elif n <= FEW and _is_computed(b):
            rows = [A[i:i + 1, :] for i in range(n)]
            total = concatenate([reshape((b * row).sum(axis=1, keepdims=True), (1, p)) if tb else
                                 (transpose(row) * b).sum(axis=0, keepdims=True) for row in rows], axis=0)
        else:
            return node
        return _named(total, node)
    return rewritten(program, rule)


def _is_computed(node: ArrayNode) -> bool:
    return is_elementwise(node) or node.op in ("where", "astype")


def split(program: StepProgram) -> tuple[list[ArrayNode], StepProgram]:
    """What no step changes is computed once, before the loop: the nodes for that, and the program that uses them.

    In the program an input of a `HoistedSlot` stands for each of these nodes. Inputs, constants and views of them are
    left where they are: they cost nothing.
    """
    fixed = fixed_nodes(program)
    free = set(program.invariant)  # of these: inputs, constants and views of them
    for node in program.nodes:
        if node.op == "constant" or node.op in VIEWS and node.inputs[0] in free:
            free.add(node)
    used = [x for node in program.nodes if node not in fixed for x in node.inputs] + program.outputs()
    hoisted = {node: ArrayNode("input", [], node.shape, node.dtype, weak=node.weak, name=node.name)
               for node in dict.fromkeys(used) if node in fixed and node not in free}
    slots = {**program.slots, **{x: HoistedSlot(i) for i, x in enumerate(hoisted.values())}}
    return list(hoisted), replace(rewritten(program, lambda node: node, hoisted), slots=slots)
