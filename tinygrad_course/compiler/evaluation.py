"""The cost and the predictions of a model on other data, from the values that a compiled step works on.

The model runs on nodes once more, with each parameter as the step keeps it. A weight matrix in the span of the data,
W = c W_0 + D X^T, need not be formed for that: W X' = c (W_0 X') + D (X^T X') with the other data X', and what stands
in brackets is computed once.
"""
from __future__ import annotations

from collections.abc import Container
from typing import Any

import numpy as np

from tinygrad_course.compiler import rewrites
from tinygrad_course.compiler.nodes import ArrayNode, Untraceable, as_node, inputs_named, product, transpose
from tinygrad_course.compiler.numpy_code import NumPyWriter
from tinygrad_course.compiler.program import (
    HoistedSlot, ParameterSlot, StartSlot, StepProgram, evaluated, fixed_nodes, ordered, rewritten)
from tinygrad_course.compiler.side_effects import random_numbers_noticed, side_effects_noticed
from tinygrad_course.compiler.step import PASSES, Step
from tinygrad_course.compiler.tracing import in_place_of
from tinygrad_course.holding import in_mode
from tinygrad_course.mode import observed
from tinygrad_course.tensor import Array, unrecorded

Y_HAT = "y_hat"
FORMED = ("add", "multiply", "matmul")  # what a weight matrix in the span of the data is formed by


class Evaluation:
    """`Evaluation(step, X, Y)()` is the cost and y_hat on X, Y with the values that the step has by now.

    Raises Untraceable for a model whose cost or output has no program of its own.
    """

    def __init__(self, step: Step, X: Array, Y: Array):
        self.step = step
        program = _traced(step, X, Y)
        for rewrite in (*PASSES, _regrouped, *PASSES):
            program = rewrite(program)
        hoisted, program = rewrites.split(program)
        once = dict(zip((x for x, slot in program.slots.items() if isinstance(slot, HoistedSlot) and
                         x not in step.values), map(np.array, evaluated(hoisted, step.values))))
        self.values = {x: step.values[x] for x in program.slots if x in step.values} | once
        self.y_hat = None
        for x in program.updates:  # only y_hat
            self.y_hat = self.values[x] = np.empty(x.shape, x.dtype)
        written = NumPyWriter(program, list(once), {"m": int(X.shape[-1])}).source("The cost on other data.")
        module: dict[str, Any] = {}
        exec(compile(written.text, "<evaluation>", "exec"), module)  # our own text, from the program
        self._run = module["train"]
        self._arguments = {name: self.values[x] for name, x in written.arguments.items()} | written.constants

    def __call__(self) -> tuple[float, Array | None]:
        costs = np.empty(1)
        with np.errstate(all="ignore"):
            self._run(**self._arguments, costs=costs)
        return float(costs[0]), self.y_hat


def _traced(step: Step, X: Array, Y: Array) -> StepProgram:
    """The cost, and y_hat as the update of an input that nothing reads."""
    task, trained = step.traced.task, step.program
    nodes = [trained.results[ParameterSlot(i)] for i in range(len(step.traced.tensors))]
    with in_mode(task.model, training=False), \
            side_effects_noticed(task.model, "computing the cost changes attributes of the model"), \
            random_numbers_noticed(), in_place_of(step.traced.tensors, nodes), observed(recording=False):
        data = [unrecorded(as_node(x), name) for x, name in ((X, "X"), (Y, "Y"))]
        J = task.cost_of(*data)
        outputs = [task.model(data[0])._data] if task.predicts else []
    cost = J._data
    if J.size != 1 or not all(isinstance(node, ArrayNode) for node in (cost, *outputs)):
        raise Untraceable("the cost does not depend on the parameters")
    kept = {inputs_named(Y_HAT, output.shape, output.dtype): output for output in outputs}
    slots = {**trained.slots, **dict.fromkeys(kept, StartSlot(0.0))}
    return StepProgram(ordered([cost, *outputs]), cost, kept, slots, {}, moving=frozenset(trained.updates))


def _regrouped(program: StepProgram) -> StepProgram:
    """(A + B) X' as A X' + B X', and (D X^T) X' as D (X^T X'), where X^T X' is the same for all steps."""
    fixed = fixed_nodes(program)

    def rule(node: ArrayNode) -> ArrayNode:
        if node.op != "matmul" or all(x in fixed for x in node.inputs):
            return node
        (a, b), ta, tb = node.inputs, node.params["ta"], node.params["tb"]
        if b in fixed and a.op in FORMED:
            return _times(a, ta, b, tb, fixed)
        return transpose(_times(b, not tb, a, not ta, fixed)) if a in fixed and b.op in FORMED else node
    return rewritten(program, rule)


def _times(a: ArrayNode, ta: bool, b: ArrayNode, tb: bool, fixed: Container[ArrayNode]) -> ArrayNode:
    """The product of a matrix that changes with one that does not, each perhaps transposed."""
    if a.op == "add" and all(x.shape == a.shape for x in a.inputs):
        first, second = (_times(x, ta, b, tb, fixed) for x in a.inputs)
        return first + second  # type: ignore[no-any-return]
    if a.op == "multiply" and any(x.ndim == 0 for x in a.inputs):
        number, matrix = sorted(a.inputs, key=lambda x: x.ndim)
        return _times(matrix, ta, b, tb, fixed) * number  # type: ignore[no-any-return]
    if a.op == "matmul" and a not in fixed:
        (left, right), tl, tr = a.inputs, a.params["ta"], a.params["tb"]
        if ta:
            left, right, tl, tr = right, left, not tr, not tl
        if right in fixed:
            return product(left, product(right, b, tr, tb), tl, False)
    return product(a, b, ta, tb)
