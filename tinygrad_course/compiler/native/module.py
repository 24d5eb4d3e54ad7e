"""A training step as machine code: the kernels of a program, compiled, bound to memory and run in a loop."""
from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_course.compiler.polling import look
from tinygrad_course.compiler.native import blas, machine, vector_math
from tinygrad_course.compiler.native.alike import Signature
from tinygrad_course.compiler.native.emitter import Code, Emitter, in_memory
from tinygrad_course.compiler.nodes import ArrayNode, Shape, Untraceable
from tinygrad_course.compiler.native.kernels import Access, Batch, Kernel, Kernels, VectorLoop, contiguous
from tinygrad_course.compiler.native.vector_loops import IDENTITY, loop_code
from tinygrad_course.compiler.native.products import product_code
from tinygrad_course.compiler.program import StepProgram

# The loop over the steps: fill in where the columns of the batch are listed, call each kernel with its addresses,
# note the cost, and stop where it is no finite number.
DRIVER = """
define i64 @tgc_run(i64 %n, ptr %table, i64 %kernels, ptr %cost, ptr %costs,
                    ptr %order, i64 %batch, ptr %cell) nounwind {
entry:
  %end = getelementptr {ptr, ptr}, ptr %table, i64 %kernels
  br label %step
step:
  %t = phi i64 [ 0, %entry ], [ %t.next, %noted ]
  %skip = mul i64 %t, %batch
  %columns = getelementptr i64, ptr %order, i64 %skip
  store ptr %columns, ptr %cell, align 8
  br label %kernel
kernel:
  %entry.now = phi ptr [ %table, %step ], [ %entry.next, %kernel ]
  %function = load ptr, ptr %entry.now, align 8
  %place = getelementptr ptr, ptr %entry.now, i64 1
  %arguments = load ptr, ptr %place, align 8
  call void %function(ptr %arguments)
  %entry.next = getelementptr {ptr, ptr}, ptr %entry.now, i64 1
  %all = icmp eq ptr %entry.next, %end
  br i1 %all, label %done, label %kernel
done:
  %value = load double, ptr %cost, align 8
  %note = getelementptr double, ptr %costs, i64 %t
  store double %value, ptr %note, align 8
  %t.next = add i64 %t, 1
  %difference = fsub double %value, %value
  %finite = fcmp oeq double %difference, 0.0
  %more = icmp ult i64 %t.next, %n
  %go = and i1 %finite, %more
  br i1 %go, label %noted, label %return
noted:
  br label %step
return:
  ret i64 %t.next
}
"""


BITWISE = ("bitwise_and", "bitwise_or", "bitwise_xor")  # as logic, of Booleans
MEMORY = {"i8": np.bool_, "float": np.float32, "double": np.float64}  # of what machine code reads


class Gather(Emitter):
    """The examples of a batch, row by row of memory where each example lies in one piece."""

    def __init__(self, node: ArrayNode, cell: ArrayNode, source: ArrayNode, strides: Shape, own: Shape):
        super().__init__()
        self.node, self.cell, self.source, self.strides, self.own = node, cell, source, strides, own

    def code(self) -> Code:
        *axes, m = self.node.shape
        pointer = self.new(f"load ptr, ptr {self.address(Access(self.cell, 0, ()), [], 'ptr')}, align 8")
        source, target = (Access(root, 0, (strides[-1], *strides[:-1]))
                          for root, strides in ((self.source, self.strides), (self.node, self.own)))

        def column_of(j: str) -> str:
            at = self.new(f"getelementptr i64, ptr {pointer}, i64 {j}")
            return self.new(f"load i64, ptr {at}, align 8")

        def example(j: str) -> None:
            """All numbers of one example, which lie side by side."""
            size, kind = self.node.dtype.itemsize, in_memory(self.node.dtype)
            from_, to = self.address(source, [column_of(j)], kind), self.address(target, [j], kind)
            self.put(f"call void @llvm.memcpy.p0.p0.i64(ptr align {size} {to}, ptr align {size} {from_}, "
                     f"i64 {axes[0] * size}, i1 false)")

        def row(*indices: str) -> None:
            """One number of all examples: a row of the data is short enough to stay in the cache."""
            if len(indices) < len(axes):
                return self.counted(axes[len(indices)], 1, lambda i: row(*indices, i))
            self.counted(m, 1, lambda j: self.store_one(
                self.load_one(source, self.node.dtype, [column_of(j), *indices]), target, self.node.dtype,
                [j, *indices]))

        if len(axes) == 1 and 1 in (self.strides[0], axes[0]) and 1 in (self.own[0], axes[0]):
            self.declarations.add("declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)")
            self.counted(m, 1, example)
        else:
            row()
        return self.finished()


@dataclass
class Bound:
    """A function that has been compiled, and the nodes whose memory it works on."""

    name: str
    arguments: list[ArrayNode]


class Native:
    """Machine code for a program.

    arrays: the inputs whose memory is not ours, with their strides: the data.
    Raises Untraceable for what there is no machine code for, and InputError where llvmlite is missing.
    """

    def __init__(self, program: StepProgram, arrays: dict[ArrayNode, Any], data: dict[ArrayNode, Any] | None = None):
        """data: for mini-batches, all the data that the batches in `arrays` are drawn from."""
        lanes = machine.lanes()
        self.program = program
        for node in program.nodes:
            _check(node)
        strides = {x: _in_elements(a) for x, a in arrays.items()}
        self.kernels = Kernels(program, strides)
        self.cell = ArrayNode("input", [], (), np.int64)
        self.sources = {x: ArrayNode("input", [], a.shape, a.dtype) for x, a in (data or {}).items()}
        self.data = data or {}
        self.steps, self.last = self._with_copies()
        codes: dict[Any, tuple[str, Code, list[int]]] = {}
        self.bound: list[Bound] = []
        for kernel in self.steps:
            look()
            signature = Signature(kernel, self.kernels, self._in_place(kernel))
            roots = list(signature.roots)
            if signature.key not in codes:
                code = self._code(kernel, strides, lanes)
                places = [signature.roots.get(x, -1) for x in code.arguments]
                codes[signature.key] = f"kernel{len(codes)}", code, places
            name, code, places = codes[signature.key]
            self.bound.append(Bound(name, [roots[i] if i >= 0 else x for i, x in zip(places, code.arguments)]))
        functions: dict[int, set[str]] = {}
        declarations: set[str] = set()
        for _, code, _ in codes.values():
            declarations |= code.declarations
            for function, width in code.functions:
                functions.setdefault(width, set()).add(function)
        parts = [code.text.replace("define internal void @NAME", f"define void @{name}")
                 for name, code, _ in codes.values()]
        for width, names in functions.items():
            parts.append(vector_math.definitions(sorted(names), width).replace("@tgc_", f"@tgc{width}_"))
            declarations |= vector_math.declarations(sorted(names), width)
        self.machine = machine.Machine("\n".join([*sorted(declarations), *parts, DRIVER]))
        self._plan_memory()

    def _in_place(self, kernel: Kernel) -> bool:
        """Whether a loop writes over something that it reads."""
        if not isinstance(kernel, VectorLoop):
            return False
        read = {self.kernels.accesses[x].root for node in kernel.nodes for x in node.inputs}
        read |= {value.root for value, _ in kernel.stores if isinstance(value, Access)}
        return any(self.targets.get(target.root, target.root) in read for _, target in kernel.stores)

    def _code(self, kernel: Kernel, strides: dict[ArrayNode, tuple[int, ...]], lanes: int) -> Code:
        if isinstance(kernel, VectorLoop):
            return loop_code(kernel, self.kernels, lanes, self._in_place(kernel))
        if isinstance(kernel, Batch):
            x = kernel.node
            return Gather(x, self.cell, self.sources[x], _in_elements(self.data[x]), strides[x]).code()
        return product_code(kernel, lanes, bool(blas.addresses()))

    # ------------------------------------------------------------------------------------------------ memory

    def _with_copies(self) -> tuple[list[Kernel], dict[ArrayNode, int]]:
        """The kernels, with copies of new values at the end where they cannot be written over the old ones at once.

        Also when each node is read for the last time.
        """
        kernels = list(self.kernels.kernels)
        accesses = self.kernels.accesses
        last: dict[ArrayNode, int] = {}
        unsafe: dict[ArrayNode, int] = {}  # inputs, by the last kernel that reads them other than element by element
        for i, kernel in enumerate(kernels):
            look()
            reads: list[tuple[ArrayNode, bool]] = []
            if isinstance(kernel, VectorLoop):
                for node in kernel.nodes:
                    for x in node.inputs:
                        a = accesses[x]
                        same = x is a.root and x.shape == kernel.shape and node.op not in ("sum", "max", "min")
                        reads.append((a.root, same))
                reads += [(value.root, False) for value, _ in kernel.stores if isinstance(value, Access)]
            elif not isinstance(kernel, Batch):
                reads += [(kernel.a.root, False), (kernel.b.root, False)]
            for root, same in reads:
                last[root] = i
                if not same:
                    unsafe[root] = i
        self.targets: dict[ArrayNode, ArrayNode] = {}
        written = {node: i for i, kernel in enumerate(kernels) if isinstance(kernel, VectorLoop)
                   for node in kernel.nodes if self.kernels.is_fused(node)}
        for x, y in self.program.updates.items():
            i = written.get(y, -1)
            alike = accesses[x].strides == accesses[y].strides
            if alike and y not in self.targets and i >= last.get(x, -1) and i > unsafe.get(x, -1):
                self.targets[y] = x
                continue
            root = accesses[y].root
            if root in self.program.updates:
                raise Untraceable("machine code for an update that only hands values on is not there")
            kernels.append(VectorLoop(x.shape, [], [(accesses[y], accesses[x])]))
            last[root] = len(kernels)
        for node in self.program.outputs():
            last[accesses[node].root] = len(kernels)
        return kernels, last

    def _plan_memory(self) -> None:
        """Offsets into one piece of memory for everything that is kept, used again when its last reader is done."""
        self.offsets: dict[ArrayNode, int] = {}
        free: dict[int, list[int]] = {}
        ends: dict[int, list[ArrayNode]] = {}
        self.nbytes = 0
        kept = set(self.kernels.kept)
        for i, bound in enumerate(self.bound):
            for node in bound.arguments:
                if node in kept and node not in self.offsets and node not in self.targets:
                    size = (self._nbytes(node) + 63) // 64 * 64
                    if free.get(size):
                        self.offsets[node] = free[size].pop()
                    else:
                        self.offsets[node] = self.nbytes
                        self.nbytes += size
                    ends.setdefault(max(self.last.get(node, i), i), []).append(node)
            for node in ends.get(i, ()):
                free.setdefault((self._nbytes(node) + 63) // 64 * 64, []).append(self.offsets[node])

    @staticmethod
    def _nbytes(node: ArrayNode) -> int:
        return node.size * (8 if node.dtype.kind == "i" else node.dtype.itemsize)

    def bind(self, values: dict[ArrayNode, Any]) -> None:
        """Give the machine code the memory of the inputs, and memory for the rest."""
        memory = np.zeros(self.nbytes + 64, np.uint8)
        start = memory.ctypes.data + -memory.ctypes.data % 64
        columns = np.zeros(1, np.int64)
        keep: list[Any] = [memory, columns]
        address = {node: start + offset for node, offset in self.offsets.items()}
        address |= {x: value.ctypes.data for x, value in values.items()}
        address |= {y: address[x] for y, x in self.targets.items()}
        address |= {self.sources[x]: a.ctypes.data for x, a in self.data.items()}
        address[self.cell] = columns.ctypes.data
        rows: list[tuple[int, int]] = []
        flat: list[int] = []
        for bound in self.bound:
            rows.append((self.machine.address(bound.name), len(flat)))
            for node in bound.arguments:
                if node.op == "constant" and node not in address:
                    array: Any = np.ascontiguousarray(node.value, dtype=MEMORY[in_memory(node.dtype)])
                    keep.append(array)
                    address[node] = array.ctypes.data
                flat.append(address[node])
        arguments = np.array(flat or [0], np.int64)
        table = np.array([(function, arguments.ctypes.data + 8 * place) for function, place in rows], np.int64)
        root = self.kernels.accesses[self.program.cost]
        if root.root.op == "constant":
            raise Untraceable("the cost is a constant")
        self._cost = address[root.root] + 8 * root.offset
        self._keep = [*keep, arguments, table]
        self._table = table
        self._cell = columns.ctypes.data
        number, pointer = ctypes.c_int64, ctypes.c_void_p
        kind = ctypes.CFUNCTYPE(number, number, pointer, number, pointer, pointer, pointer, number, pointer)
        self._run = kind(self.machine.address("tgc_run"))

    def run(self, n: int, order: Any = None) -> Any:
        """n steps, or as many as give a finite cost and one more; the cost before each of them."""
        costs = np.empty(n)
        order_address, batch = (order.ctypes.data, order.shape[1]) if order is not None else (self._cell, 0)
        done = self._run(n, self._table.ctypes.data, len(self._table), self._cost, costs.ctypes.data, order_address,
                         batch, self._cell)
        return costs[:done]


def _check(node: ArrayNode) -> None:
    """Raises Untraceable for what machine code would compute otherwise than NumPy: it has doubles for whole numbers."""
    kind = node.dtype.str[1:]
    if node.size == 0:
        raise Untraceable("machine code for empty arrays is not there")
    if node.op == "constant":  # converted where it is read
        return
    if kind not in ("f8", "f4", "b1", "i8") or node.op == "input" and kind == "i8":
        raise Untraceable(f"machine code for {node.dtype} is not there")
    if node.op in ("power", "reciprocal", "invert", *BITWISE) and kind == "i8" or node.op in ("max", "min") and (
            kind == "b1" or node.params.get("initial", IDENTITY[node.op]) != IDENTITY[node.op]):
        raise Untraceable(f"machine code for np.{node.op} of {node.dtype} with these arguments is not there")


def _in_elements(array: Any) -> tuple[int, ...]:
    """The strides of an array in elements. Raises Untraceable for memory that machine code cannot read."""
    size = array.itemsize
    if any(stride % size for stride in array.strides) or not array.dtype.isnative or array.ctypes.data % size:
        raise Untraceable("the data do not lie in memory as whole numbers of elements")
    strides = tuple(stride // size for stride in array.strides)
    return tuple(usual if n == 1 else stride for n, stride, usual in zip(array.shape, strides, contiguous(array.shape)))
