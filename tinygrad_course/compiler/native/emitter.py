"""Writing LLVM's language: numbered values, labels, counted loops, vectors in and out of memory."""
from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from tinygrad_course.compiler.nodes import ArrayNode
from tinygrad_course.compiler.native.kernels import Access


@dataclass
class Code:
    """A function as text: its name is written @NAME, and it takes the address of an array of addresses.

    arguments: the nodes whose addresses these are, in order.  functions: what it calls of `vector_math`, as (name,
    width).  declarations: of intrinsics and of BLAS.
    """

    text: str
    arguments: list[ArrayNode]
    functions: set[tuple[str, int]] = field(default_factory=set)
    declarations: set[str] = field(default_factory=set)


@cache
def in_register(dtype: Any) -> str:
    """float, double, or i1 for truth; whole numbers are computed as double."""
    return {"f4": "float", "b1": "i1"}.get(np.dtype(dtype).str[1:], "double")


def in_memory(dtype: Any) -> str:
    kind = in_register(dtype)
    return "i8" if kind == "i1" else kind


def literal(value: float, kind: str) -> str:
    """A number as LLVM reads it without rounding."""
    if kind == "i1":
        return "true" if value else "false"
    value = float(np.float32(value)) if kind == "float" else float(value)
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


class Emitter:
    """One function. `width` is how many elements a vector has."""

    width = 1

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.allocated: list[str] = []
        self.arguments: dict[ArrayNode, int] = {}  # with their numbers
        self.functions: set[tuple[str, int]] = set()
        self.declarations: set[str] = set()
        self.count = self.labels = 0
        self.block = "entry"

    def finished(self) -> Code:
        pointers = [line for i in range(len(self.arguments)) for line in (
            f"  %a{i} = getelementptr ptr, ptr %arguments, i64 {i}", f"  %p{i} = load ptr, ptr %a{i}, align 8")]
        text = ["define internal void @NAME(ptr %arguments) nounwind {", "entry:", *pointers, *self.allocated,
                *self.lines, "  ret void", "}"]
        return Code("\n".join(text), list(self.arguments), self.functions, self.declarations)

    # ------------------------------------------------------------------------------------ values and loops

    def put(self, text: str) -> None: self.lines.append(f"  {text}")

    def new(self, text: str) -> str:
        self.count += 1
        self.put(f"%v{self.count} = {text}")
        return f"%v{self.count}"

    def variable(self, kind: str) -> str:
        """A place for a vector that changes in a loop; LLVM keeps it in a register."""
        self.count += 1
        self.allocated.append(f"  %v{self.count} = alloca {kind}, align 64")
        return f"%v{self.count}"

    def get(self, variable: str, kind: str) -> str: return self.new(f"load {kind}, ptr {variable}, align 64")

    def set(self, variable: str, kind: str, value: str) -> None:
        self.put(f"store {kind} {value}, ptr {variable}, align 64")

    def begin(self, label: str) -> None:
        self.lines.append(f"{label}:")
        self.block = label

    def counted(self, end: int, step: int, body: Callable[[str], None]) -> None:
        """for i in range(0, end, step), where step divides end; a single turn is no loop."""
        if end == step:
            body("0")
        if end <= step:
            return
        self.labels += 1
        top, done, i, start = f"loop{self.labels}", f"done{self.labels}", f"%i{self.labels}", self.block
        self.put(f"br label %{top}")
        self.begin(top)
        place = len(self.lines)
        self.lines.append("")
        body(i)
        self.lines[place] = f"  {i} = phi i64 [ 0, %{start} ], [ {i}.next, %{self.block} ]"
        self.put(f"{i}.next = add nuw nsw i64 {i}, {step}")
        finished = self.new(f"icmp eq i64 {i}.next, {end}")
        self.put(f"br i1 {finished}, label %{done}, label %{top}")
        self.begin(done)

    def blocks(self, size: int, block: int, body: Callable[[str, int], None]) -> None:
        """body(start, how many) for one block after the other; the last may be smaller."""
        whole = size // block * block
        self.counted(whole, block, lambda i: body(i, block))
        if size > whole:
            body(str(whole), size - whole)

    def plus(self, index: str, n: int) -> str:
        if n == 0:
            return index
        return str(int(index) + n) if index.isdigit() else self.new(f"add nuw nsw i64 {index}, {n}")

    # ---------------------------------------------------------------------------------------------- vectors

    def splat(self, scalar: str, kind: str, width: int | None = None) -> str:
        """A vector with the same number everywhere; width: another than that of this function."""
        width = width or self.width
        one = self.new(f"insertelement <{width} x {kind}> poison, {kind} {scalar}, i64 0")
        if width == 1:
            return one
        return self.new(f"shufflevector <{width} x {kind}> {one}, <{width} x {kind}> poison, "
                        f"<{width} x i32> zeroinitializer")

    def constant(self, value: float, kind: str) -> str:
        return "<" + ", ".join([f"{kind} {literal(value, kind)}"] * self.width) + ">"

    def last_lanes(self, vector: str, kind: str, new: int, otherwise: float = 0.0) -> str:
        """A vector with another number in place of all but its last elements."""
        if new == self.width:
            return vector
        mask = ", ".join(f"i1 {'true' if lane >= self.width - new else 'false'}" for lane in range(self.width))
        return self.new(f"select <{self.width} x i1> <{mask}>, <{self.width} x {kind}> {vector}, "
                        f"<{self.width} x {kind}> {self.constant(otherwise, kind)}")

    def halves(self, vector: str, kind: str, width: int) -> tuple[str, str]:
        """The lower and the upper half of a vector of this width."""
        half = width // 2
        low, high = (self.new(
            f"shufflevector <{width} x {kind}> {vector}, <{width} x {kind}> poison, "
            f"<{half} x i32> <{', '.join(f'i32 {i}' for i in lanes)}>")
            for lanes in (range(half), range(half, width)))
        return low, high

    def together(self, vector: str, kind: str, combine: Callable[[str, str, str], str]) -> str:
        """All elements of a vector combined to one number, by combine(the type of its halves, one half, the other)."""
        width = self.width
        while width > 1:
            low, high = self.halves(vector, kind, width)
            width //= 2
            vector = combine(f"<{width} x {kind}>", low, high)
        return self.new(f"extractelement <1 x {kind}> {vector}, i64 0")

    # ----------------------------------------------------------------------------------------------- memory

    def address(self, access: Access, indices: list[str], kind: str, more: int = 0) -> str:
        """The address of an element; `indices` one for each axis that has been entered."""
        number = self.arguments.setdefault(access.root, len(self.arguments))
        total, shift = "", access.offset + more
        for index, stride in zip(indices, access.strides):
            if index.isdigit():
                shift += int(index) * stride
            elif stride:
                part = index if stride == 1 else self.new(f"mul nsw i64 {index}, {stride}")
                total = part if not total else self.new(f"add nsw i64 {total}, {part}")
        pointer = f"%p{number}"
        pointer = self.new(f"getelementptr {kind}, ptr {pointer}, i64 {total}") if total else pointer
        return self.new(f"getelementptr {kind}, ptr {pointer}, i64 {shift}") if shift else pointer

    def load_one(self, access: Access, dtype: Any, indices: list[str], more: int = 0) -> str:
        stored = in_memory(dtype)
        pointer = self.address(access, indices, stored, more)
        return self.new(f"load {stored}, ptr {pointer}, align {_align(dtype)}")

    def load(self, access: Access, dtype: Any, indices: list[str], lanes: int | None) -> str:
        """A vector from memory. lanes: how many of its elements are there, zeros fill it up; None: one, everywhere."""
        kind, stored, inner = in_register(dtype), in_memory(dtype), access.strides[-1]
        if lanes is None or inner == 0:
            scalar = self.load_one(access, dtype, indices)
            return self.splat(self.new(f"trunc i8 {scalar} to i1") if kind == "i1" else scalar, kind)
        if inner == 1 and lanes == self.width:
            pointer = self.address(access, indices, stored)
            found = self.new(f"load <{self.width} x {stored}>, ptr {pointer}, align {_align(dtype)}")
        else:
            found = "zeroinitializer"
            for lane in range(lanes):
                scalar = self.load_one(access, dtype, indices, lane * inner)
                found = self.new(f"insertelement <{self.width} x {stored}> {found}, {stored} {scalar}, i64 {lane}")
        return self.new(f"trunc <{self.width} x i8> {found} to <{self.width} x i1>") if kind == "i1" else found

    def store_one(self, scalar: str, access: Access, dtype: Any, indices: list[str], more: int = 0) -> None:
        stored = in_memory(dtype)
        pointer = self.address(access, indices, stored, more)
        self.put(f"store {stored} {scalar}, ptr {pointer}, align {_align(dtype)}")

    def store(self, value: str, access: Access, dtype: Any, indices: list[str], lanes: int) -> None:
        stored, inner = in_memory(dtype), access.strides[-1]
        if in_register(dtype) == "i1":
            value = self.new(f"zext <{self.width} x i1> {value} to <{self.width} x i8>")
        if inner == 1 and lanes == self.width:
            pointer = self.address(access, indices, stored)
            self.put(f"store <{self.width} x {stored}> {value}, ptr {pointer}, align {_align(dtype)}")
            return
        for lane in range(lanes):
            scalar = self.new(f"extractelement <{self.width} x {stored}> {value}, i64 {lane}")
            self.store_one(scalar, access, dtype, indices, lane * inner)


def _align(dtype: Any) -> int:
    return {"i8": 1, "float": 4}.get(in_memory(dtype), 8)
