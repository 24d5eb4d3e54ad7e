"""A program as loops: which elementwise steps and reductions share a pass over memory, and what is kept in memory.

Steps over the same elements are fused where none of them has to wait for a result that is complete only after a whole
pass. The level of a step counts how often one has to wait before it; steps of one level and one shape are one loop.
"""
from __future__ import annotations

import math
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_course.compiler.polling import look
from tinygrad_course.compiler.nodes import ArrayNode, Untraceable
from tinygrad_course.compiler.memory import is_elementwise
from tinygrad_course.compiler.program import DataSlot, StepProgram, users_of

REDUCTIONS = ("sum", "max", "min")
VIEWS = ("transpose", "broadcast_to", "getitem")
LONGEST = 64  # steps that follow each other in one loop: LLVM takes more than linear time for a function


@dataclass(frozen=True, eq=False)
class Access:
    """Elements of the memory of `root`: that at [i, j, ...] is `offset` + i strides[0] + j strides[1] + ..."""

    root: ArrayNode
    offset: int
    strides: tuple[int, ...]

    def spread(self, shape: tuple[int, ...], own: tuple[int, ...]) -> Access:
        """The same broadcast from its own shape to another one."""
        missing = len(shape) - len(own)
        return Access(self.root, self.offset, (0,) * missing + tuple(
            0 if size == 1 else stride for size, stride in zip(own, self.strides)))


@dataclass
class VectorLoop:
    """One pass over all elements of `shape`: steps in order, and what is stored where. Reductions are among `nodes`."""

    shape: tuple[int, ...]
    nodes: list[ArrayNode] = field(default_factory=list)
    stores: list[tuple[ArrayNode | Access, Access]] = field(default_factory=list)


@dataclass
class Product:
    """A product of two matrices, each with the strides in which it is read."""

    node: ArrayNode
    a: Access
    b: Access


@dataclass
class Batch:
    """The examples of the next mini-batch, copied from the data into `node`."""

    node: ArrayNode


Kernel = VectorLoop | Product | Batch


def is_loaded(x: ArrayNode, user: ArrayNode, loop: VectorLoop, inside: Container[ArrayNode]) -> bool:
    """Whether a step of a loop reads its input x from memory; else x is a step of the loop, or a number."""
    if x.op == "constant" and not x.ndim:
        return False
    return x not in inside or user.op not in REDUCTIONS and x.shape != loop.shape


def contiguous(shape: Iterable[int]) -> tuple[int, ...]:
    strides, step = [], 1
    for size in reversed(list(shape)):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


class Kernels:
    """The kernels of a program, in order, and what each node is to them.

    strides: of inputs that are not in the usual order, in elements.
    accesses: where the value of a node that is in memory is found.  kept: the nodes that need memory of their own.
    """

    def __init__(self, program: StepProgram, strides: dict[ArrayNode, tuple[int, ...]] | None = None):
        self.program = program
        self.strides = strides or {}
        self.accesses: dict[ArrayNode, Access] = {}
        self.level: dict[ArrayNode, int] = {}
        self.length: dict[ArrayNode, int] = {}  # of the longest chain of steps in the same loop that ends here
        self.breaks: set[ArrayNode] = set()  # where a chain became too long
        self.users = users_of(program.nodes)
        self.outputs = set(program.outputs())
        for node in dict.fromkeys((*program.updates, *program.nodes)):  # an update need not read what it replaces
            self._place(node)
        self._postpone()
        self.kernels = self._collected()
        self.kept = [node for node in program.nodes if self.is_kept(node)]

    # ------------------------------------------------------------------------------------------------ levels

    def is_fused(self, node: ArrayNode) -> bool:
        return is_elementwise(node) or node.op in ("where", "astype")

    def is_kept(self, node: ArrayNode) -> bool:
        """Whether a computed ArrayNode is in memory: someone reads it who is not in the same loop."""
        if node.op in ("input", "constant") or self.accesses[node].root is not node:
            return False
        if not self.is_fused(node):
            return True
        return node in self.outputs or any(not self._same_loop(node, user) for user in self.users.get(node, ()))

    def _same_loop(self, node: ArrayNode, user: ArrayNode) -> bool:
        """Whether `user` reads `node` element by element, in the pass in which it is computed."""
        if not self.is_fused(node) or self.level.get(user) != self.level[node]:
            return False
        return node.shape == (user.shape if self.is_fused(user) else user.inputs[0].shape
                              if user.op in REDUCTIONS else None)

    def _place(self, node: ArrayNode) -> None:
        look()
        self.accesses[node] = self._access(node)
        level = length = 0
        for x in node.inputs:
            root = self.accesses[x].root
            if root.op in ("input", "constant"):
                continue
            direct = root is x and self.is_fused(x) and (
                x.shape == node.shape if self.is_fused(node) else node.op in REDUCTIONS)
            if direct and self.length[x] == LONGEST:
                self.breaks.add(node)
                direct = False
            found = self.level[root] + (0 if direct else 1)
            if found > level:
                level, length = found, 0
            if direct and found == level:
                length = max(length, self.length[x])
        self.level[node], self.length[node] = level, length + 1

    def _access(self, node: ArrayNode) -> Access:
        """Views look at the memory of others; what is computed has memory of its own, in the usual order."""
        if node.op in VIEWS or node.op == "reshape":
            x, inner = node.inputs[0], self.accesses[node.inputs[0]]
            if node.op == "transpose":
                return Access(inner.root, inner.offset, tuple(inner.strides[i] for i in node.params["axes"]))
            if node.op == "broadcast_to":
                return inner.spread(node.shape, x.shape)
            if node.op == "reshape":
                strides = _reshaped(x.shape, inner.strides, node.shape)
                if strides is not None:
                    return Access(inner.root, inner.offset, strides)
            else:
                return _indexed(x, inner, node.params["index"])
        return Access(node, 0, self.strides.get(node, contiguous(node.shape)))

    def _postpone(self) -> None:
        """Elementwise steps move to the loop of those that use them: what is cheap is computed where it is needed.

        New values of parameters and of the optimiser's state come last, so that they can be written over the old ones.
        """
        last = max(self.level.values(), default=0)
        for node in reversed(self.program.nodes):
            if not self.is_fused(node):
                continue
            users = self.users.get(node, [])
            if all(self.is_fused(user) and user.shape == node.shape and user not in self.breaks for user in users):
                self.level[node] = min((self.level[user] for user in users), default=last)

    # ----------------------------------------------------------------------------------------------- kernels

    def _collected(self) -> list[Kernel]:
        """The kernels in the order of their levels. Steps of one level that have nothing in common are several loops:
        so those of equal layers are equal, and their machine code is made once."""
        together: dict[Any, list[ArrayNode]] = {}
        found: list[tuple[int, Kernel]] = []
        for x, slot in self.program.slots.items():
            if isinstance(slot, DataSlot) and self.program.batches and x in self.users:
                found.append((-1, Batch(x)))
        for node in self.program.nodes:
            level = self.level[node]
            if self.is_fused(node) or node.op in REDUCTIONS:
                shape = node.shape if self.is_fused(node) else node.inputs[0].shape
                together.setdefault((level, shape), []).append(node)
            elif node.op == "matmul":
                a, b = (self._turned(x, t) for x, t in zip(node.inputs, node.params.values()))
                found.append((level, Product(node, a, b)))
            elif node.op not in ("input", "constant") and self.accesses[node].root is node:
                found += [(level, kernel) for kernel in self._copies(node)]
        for (level, shape), nodes in together.items():
            look()
            for part in self._connected(nodes, shape):
                stores = [(node, self.accesses[node]) for node in part if self.is_fused(node) and self.is_kept(node)]
                found.append((level, VectorLoop(shape, part, stores)))  # type: ignore[arg-type]
        return [kernel for _, kernel in sorted(found, key=lambda pair: pair[0])]

    def _connected(self, nodes: list[ArrayNode], shape: tuple[int, ...]) -> Iterable[list[ArrayNode]]:
        """The steps in groups that use each other's values or read the same whole arrays."""
        leader: dict[ArrayNode, ArrayNode] = {}

        def first(x: ArrayNode) -> ArrayNode:
            while leader.setdefault(x, x) is not x:
                leader[x] = x = leader[leader[x]]
            return x
        size = math.prod(shape)
        for node in nodes:
            for x in node.inputs:
                root = self.accesses[x].root
                if root.op != "constant" and root.size == size:
                    leader[first(root)] = first(node)
        groups: dict[ArrayNode, list[ArrayNode]] = {}
        for node in nodes:
            groups.setdefault(first(node), []).append(node)
        return groups.values()

    def _turned(self, x: ArrayNode, turned: bool) -> Access:
        access = self.accesses[x]
        return Access(access.root, access.offset, access.strides[::-1]) if turned else access

    def _copies(self, node: ArrayNode) -> list[Kernel]:
        """Loops that only copy."""
        own = self.accesses[node]
        if node.op == "reshape":
            x = node.inputs[0]
            return [VectorLoop(x.shape, [], [(self.accesses[x], Access(node, 0, contiguous(x.shape)))])]
        if node.op == "concatenate":
            copies: list[Kernel] = []
            axis, start = node.params["axis"], 0
            for x in node.inputs:
                target = Access(node, start * own.strides[axis], own.strides)
                copies.append(VectorLoop(x.shape, [], [(self.accesses[x], target)]))
                start += x.shape[axis]
            return copies
        if node.op in ("zeros", "scatter"):
            zero = ArrayNode("constant", [], (), node.dtype, value=np.zeros((), node.dtype))
            filled: list[Kernel] = [VectorLoop(node.shape, [], [(zero, own)])]
            if node.op == "scatter":
                target = _indexed(node, own, node.params["index"])
                g = node.inputs[0]
                shape = np.broadcast_to(0.0, node.shape)[node.params["index"]].shape
                filled.append(VectorLoop(shape, [], [(self.accesses[g].spread(shape, g.shape), target)]))
            return filled
        raise Untraceable(f"machine code for {node.op} is not there")


def _reshaped(shape: tuple[int, ...], strides: tuple[int, ...], new: tuple[int, ...]) -> tuple[int, ...] | None:
    """The strides of an array seen in another shape, or None where that needs a copy."""
    if math.prod(shape) == 0:
        return None
    if all(stride == usual for size, stride, usual in zip(shape, strides, contiguous(shape)) if size != 1):
        return contiguous(new)
    if [n for n in shape if n != 1] != [n for n in new if n != 1]:
        return None
    left = iter([stride for size, stride in zip(shape, strides) if size != 1])
    return tuple(0 if size == 1 else next(left) for size in new)


def _indexed(x: ArrayNode, inner: Access, index: tuple[Any, ...]) -> Access:
    """Where x[index] is found. Raises Untraceable for an index that is no view."""
    if not all(part is None or part is Ellipsis or isinstance(part, (int, np.integer, slice))
               and not isinstance(part, bool) for part in index):
        raise Untraceable("machine code for an array as index is not there")
    axes = sum(part is not None and part is not Ellipsis for part in index)
    if Ellipsis not in index:
        index = (*index, Ellipsis)
    offset, strides, axis = inner.offset, [], 0
    for part in index:
        if part is None:
            strides.append(0)
        elif part is Ellipsis:
            for _ in range(x.ndim - axes):
                strides.append(inner.strides[axis])
                axis += 1
        elif isinstance(part, slice):
            start, _, step = part.indices(x.shape[axis])
            offset += start * inner.strides[axis]
            strides.append(step * inner.strides[axis])
            axis += 1
        else:
            offset += (part % x.shape[axis]) * inner.strides[axis]
            axis += 1
    return Access(inner.root, offset, tuple(strides))
