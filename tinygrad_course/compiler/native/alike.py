"""When two kernels are the same code on other arrays: then it is written and compiled once, for all layers alike."""
from __future__ import annotations

from typing import Any

from tinygrad_course.compiler.nodes import ArrayNode
from tinygrad_course.compiler.native.kernels import Access, Kernel, Kernels, VectorLoop, Product, REDUCTIONS, is_loaded


class Signature:
    """key: equal for kernels that are the same code.  roots: the arrays of this one, in an order that goes with it."""

    def __init__(self, kernel: Kernel, kernels: Kernels, in_place: bool):
        self.roots: dict[ArrayNode, int] = {}
        self.kernels = kernels
        if isinstance(kernel, VectorLoop):
            self.key: tuple[Any, ...] = (kernel.shape, in_place, *self._loop(kernel))
        elif isinstance(kernel, Product):
            self.key = (self._access(kernel.a), self._access(kernel.b), self._root(kernel.node), kernel.node.shape,
                        kernel.node.inputs[0].size)
        else:
            self.key = (kernel.node.name, self._root(kernel.node))

    def _root(self, root: ArrayNode) -> tuple[Any, ...]:
        return self.roots.setdefault(root, len(self.roots)), root.dtype.str

    def _access(self, access: Access) -> tuple[Any, ...]:
        return *self._root(access.root), access.offset, access.strides

    def _loop(self, loop: VectorLoop) -> list[Any]:
        place = {node: i for i, node in enumerate(loop.nodes)}
        rows: list[Any] = []
        for node in loop.nodes:
            inputs: list[tuple[Any, ...]] = []
            for x in node.inputs:
                if x.op == "constant" and not x.ndim:
                    inputs.append(("constant", repr(x.value), x.dtype.str))
                elif is_loaded(x, node, loop, place):
                    inputs.append((*self._access(self.kernels.accesses[x]), x.shape, x.dtype.str))
                else:
                    inputs.append(("step", place[x]))
            reduced = (tuple(node.params["axes"]), *self._root(node)) if node.op in REDUCTIONS else ()
            rows.append((node.op, node.dtype.str, node.shape, reduced, *inputs))
        for value, target in loop.stores:
            rows.append((self._value(value, place), self._access(target)))
        return rows

    def _value(self, value: ArrayNode | Access, place: dict[ArrayNode, int]) -> tuple[Any, ...]:
        if isinstance(value, Access):
            return self._access(value)
        return ("step", place[value]) if value in place else ("constant", repr(value.value))
