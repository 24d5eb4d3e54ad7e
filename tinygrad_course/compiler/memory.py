"""Which node is kept where: buffers are planned once and used again, so that no step allocates anything."""
from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from tinygrad_course.compiler.polling import look
from tinygrad_course.compiler.nodes import ArrayNode
from tinygrad_course.compiler.program import StepProgram

FOREVER = 1 << 60


@dataclass
class Memory:
    """kept: for each computed node that is no view, the number of its buffer, or the input whose memory it takes over.

    buffers: shape and dtype of each buffer as it is first used.  copied: updates whose input is still read after they
    are known, so that they are copied there at the end of the step.
    """

    kept: dict[ArrayNode, int | ArrayNode] = field(default_factory=dict)
    buffers: list[tuple[tuple[int, ...], Any]] = field(default_factory=list)
    copied: list[tuple[ArrayNode, ArrayNode]] = field(default_factory=list)

    @property
    def nbytes(self) -> int:
        return sum(int(np.prod(shape)) * np.dtype(dtype).itemsize for shape, dtype in self.buffers)


def is_elementwise(node: ArrayNode) -> bool:
    """Whether element i of the result needs nothing but elements i of the inputs, so that it may take their place."""
    return _is_elementwise(node.op)


@cache
def _is_elementwise(op: str) -> bool:
    function = getattr(np, op, None)
    return isinstance(function, np.ufunc) and function.signature is None  # unlike that of matmul


def is_view(node: ArrayNode) -> bool:
    """Whether a node is a way to look at its input. A reshape is one only of memory in the usual order."""
    if node.op == "reshape":
        x = node.inputs[0]
        while x.op == "reshape":
            x = x.inputs[0]
        return x.op not in ("transpose", "broadcast_to", "getitem", "input") or x.size == 1 or is_flat(x, node)
    if node.op == "getitem":
        return all(part is None or part is Ellipsis or isinstance(part, (int, slice)) for part in node.params["index"])
    return node.op in ("transpose", "broadcast_to")


def is_flat(x: ArrayNode, node: ArrayNode) -> bool:
    """Whether a reshape only puts in or takes away axes of size one, which any array allows."""
    return tuple(n for n in x.shape if n != 1) == tuple(n for n in node.shape if n != 1)


def looked_at(node: ArrayNode) -> ArrayNode:
    """The node whose memory a view looks at; other nodes themselves."""
    while is_view(node):
        node = node.inputs[0]
    return node


def planned(program: StepProgram) -> Memory:
    """Buffers for all nodes of a program, in its order. Python numbers need none."""
    memory = Memory()
    last_use: dict[ArrayNode, int] = {}
    for i, node in enumerate(program.nodes):
        for x in node.inputs:
            last_use[looked_at(x)] = i
    for node in program.outputs():
        last_use[looked_at(node)] = FOREVER
    ends: dict[int, list[ArrayNode]] = {}
    for node, i in last_use.items():
        ends.setdefault(i, []).append(node)

    targets: dict[ArrayNode, ArrayNode] = {}
    for x, y in program.updates.items():
        if not x.weak and (y in targets or y.op in ("input", "constant") or is_view(y)):
            memory.copied.append((x, y))
        elif not x.weak:
            targets[y] = x
    free: dict[Any, list[int]] = {}
    for i, node in enumerate(program.nodes):
        look()
        if node.op in ("input", "constant") or node.weak or is_view(node):
            continue
        target = targets.get(node)
        if target is not None and _may_take(node, target, last_use.get(target, -1), i):
            memory.kept[node] = target
        else:
            if target is not None:
                memory.copied.append((target, node))
            memory.kept[node] = _buffer(node, memory, last_use, free, i)
        for dead in ends.get(i, ()):
            buffer, taken = memory.kept.get(dead), memory.kept[node]
            if isinstance(buffer, int) and not (isinstance(taken, int) and taken == buffer):
                free.setdefault((dead.size, dead.dtype), []).append(buffer)
    return memory


def _may_take(node: ArrayNode, target: ArrayNode, last: int, i: int) -> bool:
    """Whether a new value may be written over the old one: nobody reads that any more.

    An input may be stored in another order than NumPy writes products and reshapes in.
    """
    if node.op in ("matmul", "dot", "reshape"):
        return False
    return last < i or last == i and is_elementwise(node)


def _buffer(node: ArrayNode, memory: Memory, last_use: dict[ArrayNode, int], free: dict[Any, list[int]], i: int) -> int:
    if is_elementwise(node):
        for x in node.inputs:
            buffer = memory.kept.get(x)
            if isinstance(buffer, int) and last_use[x] == i and x.shape == node.shape and x.dtype == node.dtype:
                return buffer
    known = free.get((node.size, node.dtype))
    if known:
        return known.pop()
    memory.buffers.append((node.shape, node.dtype))
    return len(memory.buffers) - 1
