"""LLVM's language for one `VectorLoop`: a function of the addresses of the arrays that it reads and writes.

The innermost loop works on vectors of `width` elements; what is left over at its end is done once more with single
elements put together. A value that does not depend on the inner loops is computed outside of them. The text is the
same for loops that do the same on arrays of the same shape, so that the machine code for these is made once.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinygrad_course.compiler.native.emitter import Code, Emitter, in_register
from tinygrad_course.compiler.nodes import ArrayNode, Untraceable
from tinygrad_course.compiler.native.kernels import Access, Kernels, VectorLoop, REDUCTIONS, contiguous, is_loaded

BY_FUNCTION = {"exp": "exp", "expm1": "expm1", "log": "log", "log1p": "log1p", "tanh": "tanh"}
BY_INTRINSIC = {"sqrt": "sqrt", "sin": "sin", "cos": "cos", "absolute": "fabs", "fabs": "fabs", "floor": "floor",
                "ceil": "ceil", "trunc": "trunc", "rint": "rint"}
BINARY = {"add": "fadd", "subtract": "fsub", "multiply": "fmul", "divide": "fdiv"}
COMPARISONS = {"greater": "ogt", "greater_equal": "oge", "less": "olt", "less_equal": "ole", "equal": "oeq",
               "not_equal": "une"}
LOGIC = {"logical_and": "and", "logical_or": "or", "logical_xor": "xor",
         "bitwise_and": "and", "bitwise_or": "or", "bitwise_xor": "xor"}
NOT = ("logical_not", "invert")
HEAVY = set(BY_FUNCTION) | {"power", "float_power", "divide", "reciprocal", "logaddexp", "sqrt"}
SUPPORTED = set(BY_FUNCTION) | set(BY_INTRINSIC) | set(BINARY) | set(COMPARISONS) | set(LOGIC) | {
    "negative", "square", "reciprocal", "power", "float_power", "sign", "copysign", "maximum", "minimum", "where",
    "astype", *NOT, "isfinite", "isnan", "isinf", "logaddexp", "positive"}
IDENTITY = {"sum": 0.0, "max": -np.inf, "min": np.inf}


def loop_code(loop: VectorLoop, kernels: Kernels, lanes: int, in_place: bool = True) -> Code:
    """lanes: how many doubles go into one vector.  in_place: whether it writes over something that it reads."""
    return LoopWriter(loop, kernels, lanes, in_place).code()


@dataclass(frozen=True)
class Axis:
    """One axis of a loop. steps: how far apart elements lie along it; kept: whether a reduction keeps it."""

    size: int
    steps: dict[Access, int]
    kept: dict[ArrayNode, bool]

    def continues_in(self, inner: Axis) -> bool:
        """Whether this axis and the next one inside it are walked through as one in every array."""
        return self.kept == inner.kept and all(step == inner.steps[a] * inner.size for a, step in self.steps.items())

    def lie_along(self) -> int:
        """How many arrays lie along it in memory, or have one element for all of it."""
        return sum(step in (0, 1) for step in self.steps.values()) if self.size > 1 else -1


class LoopWriter(Emitter):
    def __init__(self, loop: VectorLoop, kernels: Kernels, lanes: int, in_place: bool):
        super().__init__()
        self.in_place = in_place
        self.kernels = kernels
        self.loop = loop
        self.inside = set(loop.nodes)
        self.values: dict[Any, str] = {}
        self._choose_dimensions()
        doubles = any(in_register(n.dtype) == "double" for n in (*self.loads, *loop.nodes))
        self.width = lanes if doubles or any(n.op in BY_FUNCTION for n in loop.nodes) else 2 * lanes
        inner = self.sizes[-1]
        while self.width > 1 and self.width // 2 >= inner:
            self.width //= 2
        self.depth: dict[Any, int] = {}

    # ------------------------------------------------------------------------------------------- dimensions

    def _choose_dimensions(self) -> None:
        """Axes that are walked through as one in every array become one; the last one is vectorised."""
        shape = self.loop.shape
        loads = {x: self.kernels.accesses[x].spread(shape, x.shape) for node in self.loop.nodes for x in node.inputs
                 if is_loaded(x, node, self.loop, self.inside)}
        results = {node: self._result_access(node) for node in self.loop.nodes if node.op in REDUCTIONS}
        stored = [access for pair in self.loop.stores for access in pair if isinstance(access, Access)]
        accesses = [*loads.values(), *stored, *results.values()]
        axes: list[Axis] = []
        for i, size in enumerate(shape):
            if size == 1:
                continue
            axis = Axis(size, {a: a.strides[i] for a in accesses}, {x: i not in x.params["axes"] for x in results})
            if axes and axes[-1].continues_in(axis):
                axes[-1] = replace(axis, size=axes[-1].size * size)
            else:
                axes.append(axis)
        axes = axes or [Axis(1, {a: 0 for a in accesses}, {x: True for x in results})]
        # The one along which most arrays lie in memory comes last.
        best = max(range(len(axes)), key=lambda i: (axes[i].lie_along(), i))
        axes.append(axes.pop(best))
        moved = {a: Access(a.root, a.offset, tuple(axis.steps[a] for axis in axes)) for a in accesses}
        self.sizes = [axis.size for axis in axes]
        self.loads = {x: moved[a] for x, a in loads.items()}
        self.stores = [(moved[value] if isinstance(value, Access) else value, moved[target])
                       for value, target in self.loop.stores]
        self.results = {x: moved[a] for x, a in results.items()}
        self.kept = {x: [axis.kept[x] for axis in axes] for x in results}

    def _result_access(self, node: ArrayNode) -> Access:
        own = contiguous(node.shape)
        return Access(node, 0, tuple(0 if i in node.params["axes"] else stride for i, stride in enumerate(own)))

    # ------------------------------------------------------------------------------------------------ values

    def vector_of(self, dtype: Any) -> str: return f"<{self.width} x {in_register(dtype)}>"

    def depth_of(self, x: Any) -> int:
        """How many loops a value depends on."""
        if x not in self.depth:
            if isinstance(x, ArrayNode) and x.op == "constant" and not x.ndim:
                depth = 0
            elif x in self.loads or isinstance(x, Access):
                strides = (x if isinstance(x, Access) else self.loads[x]).strides
                depth = max((i + 1 for i, stride in enumerate(strides) if stride), default=0)
            else:
                depth = max((self.depth_of(y) for y in x.inputs), default=0)
            self.depth[x] = depth
        return self.depth[x]

    def value(self, x: ArrayNode, dtype: Any = None) -> str:
        """The vector of a value that has been computed, converted where it must be."""
        if x.op == "constant" and not x.ndim:
            kind = in_register(x.dtype if dtype is None else dtype)
            return self.constant(float(x.value), kind)
        found = self.values[x]
        return found if dtype is None else self.converted(found, in_register(x.dtype), in_register(dtype))

    def converted(self, value: str, old: str, new: str) -> str:
        if old == new:
            return value
        w = self.width
        how = {("i1", "double"): "uitofp", ("i1", "float"): "uitofp", ("float", "double"): "fpext",
               ("double", "float"): "fptrunc"}.get((old, new))
        if how is None:  # to truth
            return self.new(f"fcmp une <{w} x {old}> {value}, zeroinitializer")
        return self.new(f"{how} <{w} x {old}> {value} to <{w} x {new}>")

    def intrinsic(self, name: str, kind: str, *values: str) -> str:
        vector = f"<{self.width} x {kind}>"
        full = f"@llvm.{name}.v{self.width}f{64 if kind == 'double' else 32}"
        self.declarations.add(f"declare {vector} {full}({', '.join([vector] * len(values))})")
        return self.new(f"call {vector} {full}({', '.join(f'{vector} {v}' for v in values)})")

    def function(self, name: str, kind: str, value: str) -> str:
        """One of `vector_math`, which computes in double."""
        self.functions.add((name, self.width))
        wide = self.converted(value, kind, "double")
        vector = f"<{self.width} x double>"
        return self.converted(self.new(f"call {vector} @tgc{self.width}_{name}({vector} {wide})"), "double", kind)

    def compute(self, node: ArrayNode) -> str:
        op, w = node.op, self.width
        if op == "where":
            condition = self.value(node.inputs[0], bool)
            yes, no = (self.value(z, node.dtype) for z in node.inputs[1:])
            kind = self.vector_of(node.dtype)
            return self.new(f"select <{w} x i1> {condition}, {kind} {yes}, {kind} {no}")
        if op == "astype":
            found = self.value(node.inputs[0], node.dtype)
            whole = node.dtype.kind == "i" and node.inputs[0].dtype.kind == "f"
            return self.intrinsic("trunc", "double", found) if whole else found
        if op in LOGIC or op in NOT:
            x = [self.value(z, bool) for z in node.inputs]
            other = x[1] if len(x) > 1 else self.constant(1, "i1")
            return self.new(f"{LOGIC.get(op, 'xor')} <{w} x i1> {x[0]}, {other}")
        asked = op in COMPARISONS or op in ("isfinite", "isnan", "isinf")
        dtype = np.result_type(*(x.dtype for x in node.inputs)) if asked else node.dtype
        kind = in_register(dtype)
        if kind == "i1":
            dtype, kind = np.dtype(np.float64), "double"
        x = [self.value(z, dtype) for z in node.inputs]
        vector = f"<{w} x {kind}>"
        result = self._arithmetic(op, kind, vector, x)
        return self.converted(result, kind, "i1") if not asked and in_register(node.dtype) == "i1" else result

    def _arithmetic(self, op: str, kind: str, vector: str, x: list[str]) -> str:
        def number(value: float) -> str: return self.constant(value, kind)
        if op in BINARY:
            return self.new(f"{BINARY[op]} {vector} {x[0]}, {x[1]}")
        if op in COMPARISONS:
            return self.new(f"fcmp {COMPARISONS[op]} {vector} {x[0]}, {x[1]}")
        if op in BY_FUNCTION:
            return self.function(op, kind, x[0])
        if op in BY_INTRINSIC:
            return self.intrinsic(BY_INTRINSIC[op], kind, x[0])
        if op == "copysign":
            return self.intrinsic("copysign", kind, *x)
        if op in ("power", "float_power"):
            return self.intrinsic("pow", kind, *x)
        if op == "positive":
            return x[0]
        if op == "negative":
            return self.new(f"fneg {vector} {x[0]}")
        if op == "square":
            return self.new(f"fmul {vector} {x[0]}, {x[0]}")
        if op == "reciprocal":
            return self.new(f"fdiv {vector} {number(1)}, {x[0]}")
        if op in ("maximum", "minimum"):
            return self.extreme("ogt" if op == "maximum" else "olt", vector, x[0], x[1])
        if op == "sign":  # nan is not equal to itself and stays what it is
            above = self.new(f"fcmp ogt {vector} {x[0]}, zeroinitializer")
            below = self.new(f"fcmp olt {vector} {x[0]}, zeroinitializer")
            lower = self.new(f"select <{self.width} x i1> {below}, {vector} {number(-1)}, {vector} {x[0]}")
            return self.new(f"select <{self.width} x i1> {above}, {vector} {number(1)}, {vector} {lower}")
        if op == "logaddexp":  # max(a, b) + log(1 + e^-|a - b|)
            largest = self.extreme("ogt", vector, x[0], x[1])
            distance = self.intrinsic("fabs", kind, self.new(f"fsub {vector} {x[0]}, {x[1]}"))
            e = self.function("exp", kind, self.new(f"fneg {vector} {distance}"))
            total = self.new(f"fadd {vector} {largest}, {self.function('log1p', kind, e)}")
            same = self.new(f"fcmp oeq {vector} {x[0]}, {x[1]}")  # of two infinities the difference is no number
            infinite = self.new(f"fadd {vector} {x[0]}, {number(float(np.log(2)))}")
            return self.new(f"select <{self.width} x i1> {same}, {vector} {infinite}, {vector} {total}")
        if op == "isnan":
            return self.new(f"fcmp uno {vector} {x[0]}, {x[0]}")
        if op in ("isfinite", "isinf"):
            compared = "olt" if op == "isfinite" else "oeq"
            return self.new(f"fcmp {compared} {vector} {self.intrinsic('fabs', kind, x[0])}, {number(np.inf)}")
        raise Untraceable(f"machine code for np.{op} is not there")

    def extreme(self, better: str, vector: str, a: str, b: str) -> str:
        """The larger or smaller one; nan where one of them is nan."""
        truth = f"<{vector[1:].partition(' ')[0]} x i1>"
        chosen = self.new(f"fcmp {better} {vector} {b}, {a}")
        if b.startswith("<"):  # a number that is written down, such as the 0 of relu, is never nan
            return self.new(f"select {truth} {chosen}, {vector} {b}, {vector} {a}")
        nan = self.new(f"fcmp uno {vector} {b}, {b}")
        either = self.new(f"or {truth} {chosen}, {nan}")  # a stays where it is nan: it is less than nothing
        return self.new(f"select {truth} {either}, {vector} {b}, {vector} {a}")

    # ------------------------------------------------------------------------------------------------- loops

    def code(self) -> Code:
        for node in self.loop.nodes:
            if node.op not in SUPPORTED and node.op not in REDUCTIONS:
                raise Untraceable(f"machine code for np.{node.op} is not there")
        self.plain = [node for node in self.loop.nodes if node.op not in REDUCTIONS]
        heavy = sum(node.op in HEAVY for node in self.plain)
        self.unrolled = 1 if heavy or len(self.plain) > 12 else 2
        self.accumulators: dict[ArrayNode, list[str]] = {}
        for node in self.results:
            kind = self.vector_of(node.dtype)
            self.accumulators[node] = [self.variable(kind) for _ in range(self.unrolled)]
        self.inner_kept = {node: kept[-1] for node, kept in self.kept.items()}
        self.in_memory = {node: not all(earlier or not later for earlier, later in zip(kept, kept[1:]))
                          for node, kept in self.kept.items()}
        # where a reduction begins: below the last axis that it keeps
        self.home = {node: max((i + 1 for i, flag in enumerate(kept) if flag), default=0)
                     for node, kept in self.kept.items()}
        for node in self.results:
            if self.in_memory[node]:
                self.fill(node)
        self.nest(0, [])
        return self.finished()

    def fill(self, node: ArrayNode) -> None:
        """What is added up in memory starts at zero."""
        number = self.constant(IDENTITY[node.op], in_register(node.dtype))
        self.blocks(node.size, self.width, lambda i, lanes: self.store(
            number, Access(node, 0, (1,)), node.dtype, [i], lanes))

    def at_depth(self, depth: int) -> Iterator[Any]:
        """The loads and steps that can be done once so many loops have been entered."""
        for x in self.loads:
            if self.depth_of(x) == depth:
                yield x
        for node in self.plain:
            if self.depth_of(node) == depth:
                yield node

    def values_at(self, depth: int, indices: list[str], lanes: int | None) -> None:
        for x in self.at_depth(depth):
            self.values[x] = self.load(self.loads[x], x.dtype, indices, lanes) if x in self.loads else self.compute(x)
        for value, _ in self.stores:
            if isinstance(value, Access) and self.depth_of(value) == depth and value not in self.values:
                self.values[value] = self.load(value, value.root.dtype, indices, lanes)

    def nest(self, level: int, indices: list[str]) -> None:
        """The loop over one axis, with those inside it."""
        if level < len(self.sizes):
            self.values_at(level, indices, None)
        for node in self.results:
            if self.home[node] == level and not self.inner_kept[node]:
                kind = self.vector_of(node.dtype)
                for accumulator in self.accumulators[node]:
                    self.set(accumulator, kind, self.constant(IDENTITY[node.op], in_register(node.dtype)))
        if level == len(self.sizes) - 1:
            self.innermost(indices)
        else:
            self.counted(self.sizes[level], 1, lambda i: self.nest(level + 1, [*indices, i]))
        for node in self.results:
            if self.home[node] == level and not self.inner_kept[node]:
                self.finish(node, indices)

    def innermost(self, indices: list[str]) -> None:
        """Vector by vector. Where the size is no multiple of the width, the last vector ends where the axis does."""
        size, width = self.sizes[-1], self.width
        block = width * self.unrolled
        whole = size // block * block

        def unrolled(i: str) -> None:
            for part in range(self.unrolled):
                self.body([*indices, self.plus(i, part * width)], width, part)
        self.counted(whole, block, unrolled)
        for start in range(whole, size, width):
            lanes = min(width, size - start)
            if lanes < width <= size and not self.in_place:
                self.body([*indices, str(size - width)], width, 0, lanes)
            else:
                self.body([*indices, str(start)], lanes, 0)

    def body(self, indices: list[str], lanes: int, part: int, new: int | None = None) -> None:
        """One vector: compute, store, accumulate.

        new: how many of its elements, the last ones, have not been there before; None for all.
        """
        outside = dict(self.values)
        self.values_at(len(self.sizes), indices, lanes)
        for value, target in self.stores:
            dtype = target.root.dtype
            if isinstance(value, Access):
                vector = self.converted(self.values[value], in_register(value.root.dtype), in_register(dtype))
            else:
                vector = self.value(value, dtype)
            self.store(vector, target, dtype, indices, lanes)
        for node in self.results:
            self.accumulate(node, indices, lanes, part, self.width if new is None else new)
        self.values = outside

    def accumulate(self, node: ArrayNode, indices: list[str], lanes: int, part: int, new: int) -> None:
        kind, vector = in_register(node.dtype), self.vector_of(node.dtype)
        value = self.value(node.inputs[0], node.dtype)
        if self.inner_kept[node] and not self.in_memory[node]:  # axes of size one: nothing is added up
            self.store(value, self.results[node], node.dtype, indices, lanes)
            return
        value = self.last_lanes(value, kind, new, IDENTITY[node.op])
        if self.inner_kept[node]:
            old = self.load(self.results[node], node.dtype, indices, lanes)
            self.store(self.combined(node, vector, old, value), self.results[node], node.dtype, indices, lanes)
            return
        if lanes < self.width:
            mask = ", ".join(f"i1 {'true' if lane < lanes else 'false'}" for lane in range(self.width))
            identity = self.constant(IDENTITY[node.op], kind)
            value = self.new(f"select <{self.width} x i1> <{mask}>, {vector} {value}, {vector} {identity}")
        accumulator = self.accumulators[node][part]
        self.set(accumulator, vector, self.combined(node, vector, self.get(accumulator, vector), value))

    def combined(self, node: ArrayNode, vector: str, a: str, b: str) -> str:
        """Two vectors of what a reduction has found, together. vector: their type."""
        if node.op == "sum":
            return self.new(f"fadd {vector} {a}, {b}")
        return self.extreme("ogt" if node.op == "max" else "olt", vector, a, b)

    def finish(self, node: ArrayNode, indices: list[str]) -> None:
        """The accumulators together, to one number, which goes into memory."""
        kind, vector = in_register(node.dtype), self.vector_of(node.dtype)
        total, *others = [self.get(accumulator, vector) for accumulator in self.accumulators[node]]
        for other in others:
            total = self.combined(node, vector, total, other)
        scalar = self.together(total, kind, lambda half, x, y: self.combined(node, half, x, y))
        if self.in_memory[node]:
            old = self.load_one(self.results[node], node.dtype, indices)
            both = self.combined(node, f"<1 x {kind}>", self.splat(old, kind, 1), self.splat(scalar, kind, 1))
            scalar = self.new(f"extractelement <1 x {kind}> {both}, i64 0")
        self.store_one(scalar, self.results[node], node.dtype, indices)
