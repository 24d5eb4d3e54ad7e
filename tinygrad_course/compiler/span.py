"""Training in the span of the data: a large weight matrix that only meets constant data need never be formed.

In full-batch training the gradient of W in Z = W X is dW = dZ X^T. So under a rule that is linear in the gradient,
such as gradient descent, W only ever moves within the span of the columns of X: after any number of steps

    W = c W_0 + D X^T,   with a number c (1 without weight decay) and D of the shape of Z,

and Z = W X = c (W_0 X) + D K with K = X^T X. What W_0 X and K are is computed once; a step then costs products with
an (m, m) matrix in place of two with an (n_x, m) matrix. For the cat images, n_x = 12288 and m = 209, that is 118
times less. The state of momentum is such a sum too. W itself is formed when somebody asks for it.

Nothing here knows the optimisers: the update of W is followed as a graph, and where every step of it keeps this form,
with the new c and D as further nodes, the rewrite applies.
"""
from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinygrad_course.compiler.nodes import ArrayNode, as_node, inputs_named, product, transpose
from tinygrad_course.compiler.program import (
    ParameterSlot, StartSlot, StateSlot, StepProgram, evaluated, fixed_nodes, ordered, rewritten)
from tinygrad_course.compiler.rewrites import is_number


class NotLinear(Exception):
    """An update that leaves the span, such as Adam's."""


@dataclass(frozen=True, eq=False)
class Span:
    """sum over the bases B of coefficients[B] B, plus D X^T; D is None for nothing."""

    coefficients: dict[ArrayNode, ArrayNode]
    D: ArrayNode | None

    def mapped(self, function: Callable[[Any], Any]) -> Span:
        return Span({base: function(c) for base, c in self.coefficients.items()},
                    None if self.D is None else function(self.D))

    def plus(self, other: Span) -> Span:
        both = dict(self.coefficients)
        for base, c in other.coefficients.items():
            both[base] = both[base] + c if base in both else c
        return Span(both, other.D if self.D is None else self.D if other.D is None else self.D + other.D)


@dataclass(frozen=True, eq=False)
class Data:
    """X (n_x, m) as it is stored and used: `x`, or its transpose where `rows` says that examples are its rows.

    turned: the parameter is W^T (n_x, units), as the w of logistic regression.
    """

    x: ArrayNode
    rows: bool
    turned: bool

    def key(self) -> tuple[int, bool, bool]: return id(self.x), self.rows, self.turned
    def times(self, w: ArrayNode) -> ArrayNode: return product(w, self.x, self.turned, self.rows)  # W X
    def gram(self) -> ArrayNode: return product(self.x, self.x, not self.rows, self.rows)  # X^T X

    def spanned(self, D: ArrayNode) -> ArrayNode:
        """D X^T, in the layout of the parameter."""
        return product(self.x, D, self.rows, True) if self.turned else product(D, self.x, False, not self.rows)

    def gradient_factor(self, node: ArrayNode) -> ArrayNode | None:
        """G where a node is G X^T, in the layout of the parameter; else None."""
        if node.op != "matmul":
            return None
        a, b = node.inputs
        ta, tb = node.params["ta"], node.params["tb"]
        if not self.turned and b is self.x and tb != self.rows:
            return transpose(a) if ta else a
        if self.turned and a is self.x and ta == self.rows:
            return b if tb else transpose(b)
        return None


def in_the_span_of_the_data(program: StepProgram, iterations: int | None = None,
                            zeros: Collection[ArrayNode] = ()) -> StepProgram:
    """The program with every weight matrix that allows it kept as c W_0 + D X^T.

    iterations: how many steps there will be, if known: for few of them X^T X does not pay.
    zeros: the inputs that are zero at the start, such as the state of momentum.
    """
    for w in _products_with_data(program):
        program = _parameter_in_span(program, w, iterations, set(zeros))
    return program


def _parameter_in_span(program: StepProgram, w: ArrayNode, iterations: int | None,
                       zeros: set[ArrayNode]) -> StepProgram:
    """The same for one parameter; the program as it is where that does not allow it."""
    forward = _products_with_data(program)[w]  # nodes of the program as it is by now
    data, *others = forward.values()
    if any(other.key() != data.key() for other in others):
        return program
    n_x, units = w.shape if data.turned else w.shape[::-1]
    m = data.x.size // n_x
    if n_x <= m or iterations is not None and 2 * units * iterations <= m:  # K costs n_x m^2, a step 2 units n_x m
        return program

    own = program.slots[w]
    assert isinstance(own, ParameterSlot)
    large = {w: own} | {s: slot for s, slot in program.slots.items() if isinstance(slot, StateSlot)
                        and slot.parameter == own.parameter and s.shape == w.shape and s in program.updates}
    bases = {s: inputs_named(f"{s.name}_0", s.shape, s.dtype) for s in large if s not in zeros}
    spans = {s: Span({base: inputs_named(f"c_{s.name}_{base.name}", (), s.dtype) for base in bases.values()},
                     inputs_named(f"D_{s.name}", (units, m), s.dtype)) for s in large}
    try:
        news = _followed(program, spans, data)
    except NotLinear:
        return program
    fixed = _settled(spans, news, bases)
    spans = {s: span.mapped(lambda c: fixed.get(c, c)) for s, span in spans.items()}

    K = data.gram()
    K.name = "K"
    replaced = {}
    for node in forward:
        Z = product(spans[w].D, K)  # type: ignore[arg-type]
        for base, c in spans[w].coefficients.items():
            if is_number(c, 0):
                continue
            P = data.times(base)
            P.name = f"{base.name}_X"
            Z = _scaled("multiply", P, c) + Z
        Z.name = node.name
        replaced[node] = Z if _is_product_from_left(node, w) else transpose(Z)
    updates = {x: y for x, y in program.updates.items() if x not in spans}
    slots = {x: slot for x, slot in program.slots.items() if x not in spans}
    results = dict(program.results)
    for s, span in spans.items():
        for base, c in span.coefficients.items():
            if c.op == "input":
                updates[c] = news[s].coefficients.get(base, as_node(np.zeros((), c.dtype)))
                slots[c] = StartSlot(float(base is bases.get(s)))
        D = span.D
        assert D is not None
        updates[D] = as_node(news[s].D)
        slots[D] = StartSlot(0.0, stands_for=large[s])
        results[large[s]] = _formed(span, data)
    slots |= {base: program.slots[s] for s, base in bases.items()}
    changed = replace(program, updates=updates, slots=slots, results=results, gradients={
        x: g for x, g in program.gradients.items() if x is not w},
        nodes=ordered([program.cost, *updates.values()], start=program.nodes))
    changed = rewritten(changed, lambda node: node, {**replaced, **fixed})
    return program if any(x in spans for x in changed.nodes) else changed


def _products_with_data(program: StepProgram) -> dict[ArrayNode, dict[ArrayNode, Data]]:
    """For each parameter its products with something that no step changes: from the left or, transposed, the right."""
    fixed = fixed_nodes(program)
    parameters = {w for w in program.updates if isinstance(program.slots[w], ParameterSlot) and w.ndim == 2}
    found: dict[ArrayNode, dict[ArrayNode, Data]] = {}
    for node in program.nodes:
        if node.op != "matmul":
            continue
        a, b = node.inputs
        ta, tb = node.params["ta"], node.params["tb"]
        if a in parameters and b in fixed:
            found.setdefault(a, {})[node] = Data(b, tb, ta)
        elif b in parameters and a in fixed:
            found.setdefault(b, {})[node] = Data(a, not ta, not tb)
    return found


def _is_product_from_left(node: ArrayNode, w: ArrayNode) -> bool:
    return node.inputs[0] is w


def _followed(program: StepProgram, spans: dict[ArrayNode, Span], data: Data) -> dict[ArrayNode, Span]:
    """The new value of each of the large inputs as a Span. Raises NotLinear where an update leaves the span."""
    factors = {node: G for node in program.nodes if (G := data.gradient_factor(node)) is not None}
    known = spans | {node: Span({}, G) for node, G in factors.items()}
    for node in ordered([program.updates[s] for s in spans], known=known):
        if any(x in known for x in node.inputs):
            known[node] = _linear(node, known)
    try:
        return {s: known[program.updates[s]] for s in spans}
    except KeyError:
        raise NotLinear from None


def _linear(node: ArrayNode, known: dict[ArrayNode, Span]) -> Span:
    """A linear operation on what is in the span, done to the coefficients and to D."""
    x, *others = node.inputs
    if node.op == "negative":
        return known[x].mapped(np.negative)
    y = others[0] if len(others) == 1 else None
    if node.op in ("add", "subtract") and x in known and y in known:
        return known[x].plus(known[y] if node.op == "add" else known[y].mapped(np.negative))
    if node.op in ("multiply", "divide") and x in known and y is not None and y not in known and y.size == 1:
        return known[x].mapped(lambda part: _scaled(node.op, part, y))
    if node.op == "multiply" and y in known and x not in known and x.size == 1:
        return known[y].mapped(lambda part: _scaled("multiply", part, x))
    raise NotLinear


def _scaled(op: str, part: Any, by: Any) -> Any:
    if is_number(by, 1):
        return part
    return getattr(np, op)(part, by if by.ndim == 0 else by.reshape(()))


def _settled(spans: dict[ArrayNode, Span], news: dict[ArrayNode, Span],
             bases: dict[ArrayNode, ArrayNode]) -> dict[ArrayNode, ArrayNode]:
    """The coefficients that never change, as constants: c of gradient descent without weight decay is 1.

    All are thought to be, until the update of one gives another number than it starts with.
    """
    starts = {span.coefficients[base]: float(base is bases.get(s)) for s, span in spans.items()
              for base in bases.values()}
    after = {span.coefficients[base]: news[s].coefficients.get(base) for s, span in spans.items()
             for base in bases.values()}
    settled = dict(starts)
    while True:
        values = {c: np.asarray(settled.get(c, np.nan), c.dtype) for c in starts}
        moved = []
        for c in settled:
            new = after[c]
            leaves = [] if new is None else [x for x in ordered([new]) if x.op == "input" and x not in values]
            if leaves or new is None and starts[c] or new is not None and evaluated([new], values)[0] != starts[c]:
                moved.append(c)
        if not moved:
            return {c: ArrayNode("constant", [], (), c.dtype, value=np.asarray(start, c.dtype))
                    for c, start in settled.items()}
        for c in moved:
            del settled[c]


def _formed(span: Span, data: Data) -> ArrayNode:
    """The parameter itself."""
    assert span.D is not None
    total = data.spanned(span.D)
    for base, c in span.coefficients.items():
        if not is_number(c, 0):
            total = _scaled("multiply", base, c) + total
    return total
