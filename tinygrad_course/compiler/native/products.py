"""LLVM's language for a small product of matrices, C = A B, and the call of BLAS for a large one.

A block of C stays in registers while the inner axis is walked through: a few rows times a few vectors of columns where
B lies in rows, or a few rows times a few columns of dot products where both lie along the inner axis.
"""
from __future__ import annotations

from collections.abc import Callable

from tinygrad_course.compiler.native.emitter import Code, Emitter, in_register
from tinygrad_course.compiler.nodes import Untraceable
from tinygrad_course.compiler.native.kernels import Access, Product, contiguous

# Multiplications up to which our own loop is faster than the call of OpenBLAS (measured on one and two cores).
SMALL = 4000000
ROWS, VECTORS, COLUMNS = 4, 3, 3  # 12 accumulators of the 16 registers


def product_code(product: Product, lanes: int, blas: bool) -> Code:
    """lanes: how many doubles go into one vector.  blas: whether there is a BLAS to call."""
    node = product.node
    kind = in_register(node.dtype)
    if {in_register(x.dtype) for x in node.inputs} != {kind} or kind == "i1":
        raise Untraceable("machine code for a product of two different dtypes is not there")
    n, p = node.shape
    k = node.inputs[0].size // n
    if blas and n * k * p > SMALL and _readable(product.a) and _readable(product.b):
        return BlasCall(product, n, k, p).code()
    return SmallProduct(product, lanes if kind == "double" else 2 * lanes, n, k, p).code()


def _readable(access: Access) -> bool:
    """Whether BLAS can read a matrix: along one of its axes it lies in memory element by element."""
    return 1 in access.strides and min(access.strides) > 0


class BlasCall(Emitter):
    def __init__(self, product: Product, n: int, k: int, p: int):
        super().__init__()
        self.product, self.n, self.k, self.p = product, n, k, p

    def code(self) -> Code:
        kind = in_register(self.product.node.dtype)
        name = "tgc_dgemm" if kind == "double" else "tgc_sgemm"
        c = Access(self.product.node, 0, (self.p, 1))
        a, b, c_pointer = (self.address(x, [], kind) for x in (self.product.a, self.product.b, c))
        (ta, lda), (tb, ldb) = self.layout(self.product.a, self.n, self.k), self.layout(self.product.b, self.k, self.p)
        self.put(f"call void @{name}(i32 101, i32 {ta}, i32 {tb}, i64 {self.n}, i64 {self.p}, i64 {self.k}, "
                 f"{kind} 1.0, ptr {a}, i64 {lda}, ptr {b}, i64 {ldb}, {kind} 0.0, ptr {c_pointer}, i64 {self.p})")
        self.declarations.add(f"declare void @{name}(i32, i32, i32, i64, i64, i64, {kind}, ptr, i64, ptr, i64, {kind}, "
                              "ptr, i64)")
        return self.finished()

    def layout(self, access: Access, rows: int, columns: int) -> tuple[int, int]:
        """CblasNoTrans 111 or CblasTrans 112, and the distance of rows, or of columns, in memory."""
        down, right = access.strides
        if right == 1 and (down != 1 or columns == 1):
            return 111, max(down, columns)
        return 112, max(right, rows)


class SmallProduct(Emitter):
    """Blocks of C one after the other. The last block in a direction ends where C ends, so that all are of one size:
    what it has in common with the one before is computed twice, to the same numbers."""

    def __init__(self, product: Product, lanes: int, n: int, k: int, p: int):
        super().__init__()
        self.a, self.b = product.a, product.b
        self.c = Access(product.node, 0, contiguous((n, p)))
        self.dtype = product.node.dtype
        self.kind = in_register(self.dtype)
        self.n, self.k, self.p = n, k, p
        self.dots = self.a.strides[1] == 1 and self.b.strides[0] == 1 and self.b.strides[1] != 1 and k >= lanes
        self.width = lanes
        while self.width > (k if self.dots else p):
            self.width //= 2
        self.vector = f"<{self.width} x {self.kind}>"
        self.rows = min(ROWS, n)
        self.columns = min(COLUMNS, p) if self.dots else min(VECTORS, p // self.width)
        self.sums = [[self.variable(self.vector) for _ in range(self.columns)] for _ in range(self.rows)]

    def code(self) -> Code:
        across = self.columns if self.dots else self.columns * self.width
        block = self.dot_products if self.dots else self.row_vectors
        self.ending(self.n, self.rows, lambda i: self.ending(self.p, across, lambda j: block(i, j)))
        return self.finished()

    def ending(self, size: int, block: int, body: Callable[[str], None]) -> None:
        """body(start) for blocks of one size, of which the last ends where everything does."""
        if size % block == 0:
            return self.counted(size, block, body)

        def moved(i: str) -> None:
            late = self.new(f"icmp ugt i64 {i}, {size - block}")
            body(self.new(f"select i1 {late}, i64 {size - block}, i64 {i}"))
        self.counted(-(-size // block) * block, block, moved)

    def add_product(self, sum_: str, x: str, y: str) -> None:
        name = f"@llvm.fmuladd.v{self.width}f{self.dtype.itemsize * 8}"
        self.declarations.add(f"declare {self.vector} {name}({self.vector}, {self.vector}, {self.vector})")
        old = self.get(sum_, self.vector)
        self.set(sum_, self.vector, self.new(
            f"call {self.vector} {name}({self.vector} {x}, {self.vector} {y}, {self.vector} {old})"))

    def cleared(self) -> None:
        for row in self.sums:
            for sum_ in row:
                self.set(sum_, self.vector, "zeroinitializer")

    def row_vectors(self, i: str, j: str) -> None:
        """A block of C: for each k, elements of A times vectors of a row of B."""
        self.cleared()

        def inner(k: str) -> None:
            vectors = [self.load(self.b, self.dtype, [k, self.plus(j, c * self.width)], self.width)
                       for c in range(self.columns)]
            for r, row in enumerate(self.sums):
                element = self.load(self.a, self.dtype, [self.plus(i, r), k], None)
                for sum_, vector in zip(row, vectors):
                    self.add_product(sum_, element, vector)
        self.counted(self.k, 1, inner)
        for r, row in enumerate(self.sums):
            for c, sum_ in enumerate(row):
                self.store(self.get(sum_, self.vector), self.c, self.dtype,
                           [self.plus(i, r), self.plus(j, c * self.width)], self.width)

    def dot_products(self, i: str, j: str) -> None:
        """A block of C: rows of A times columns of B, both read along k."""
        self.cleared()
        turned = Access(self.b.root, self.b.offset, self.b.strides[::-1])

        def inner(k: str, new: int = self.width) -> None:
            vectors = [self.load(turned, self.dtype, [self.plus(j, c), k], self.width) for c in range(self.columns)]
            for r, row in enumerate(self.sums):
                left = self.last_lanes(self.load(self.a, self.dtype, [self.plus(i, r), k], self.width), self.kind, new)
                for sum_, vector in zip(row, vectors):
                    self.add_product(sum_, left, vector)
        rest = self.k % self.width
        self.counted(self.k - rest, self.width, inner)
        if rest:
            inner(str(self.k - self.width), rest)
        for r, row in enumerate(self.sums):
            for c, sum_ in enumerate(row):
                total = self.together(self.get(sum_, self.vector), self.kind,
                                      lambda half, x, y: self.new(f"fadd {half} {x}, {y}"))
                self.store_one(total, self.c, self.dtype, [self.plus(i, r), self.plus(j, c)])
