"""A program as JavaScript that a learner can read: loops over typed arrays, in the course's notation.

Whatever is computed element by element over one shape is one loop; what is needed only inside that loop is a number of
its own there, not an array. Products call `product` of `helpers.js`. Every name is of our own making, letters, digits
and _ of ASCII, and every number a literal of ours: nothing that a model or its parts are called is ever run.
"""
from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np

from tinygrad_course.compiler.javascript.expressions import (
    ATOM, Text, array_type, is_elementwise, literal, number, rounded, written)
from tinygrad_course.compiler.javascript.layout import (
    Access, Loops, access, check_index, is_contiguous, is_view, loops_over, row_major, window)
from tinygrad_course.compiler.javascript.planning import REDUCTIONS, LoopNest, Plan
from tinygrad_course.compiler.nodes import ArrayNode, Shape, Untraceable
from tinygrad_course.compiler.program import StepProgram

RESERVED = frozenset("""
    abstract arguments async await boolean break byte case catch char class const continue debugger default delete do
    double else enum eval export extends false final finally float for function get goto if implements import in
    instanceof int interface let long native new null of package private protected public return set short static
    super switch synchronized this throw throws transient true try typeof undefined var void volatile while with yield
    Infinity Math NaN Number Object Float32Array Float64Array Uint8Array __proto__ constructor prototype i j k l m n
    prepare step values numbers product productOfRows twoRowsOfProduct square copysign
    sign signbit power logaddexp rint""".split())
COUNTERS = "ijklpqrsuvwxyz"
LONG = 88  # letters of an expression; what is longer gets a name


@dataclass
class Source:
    """text: a function that takes an object of arrays by name and gives {prepare, step}, without the helpers.

    arguments: the inputs by these names.  constants: more arrays that it takes.  kept: what each node that was to be
    kept is called in the object `values` that the function also gives.
    """

    text: str
    arguments: dict[str, ArrayNode]
    constants: dict[str, Any]
    kept: dict[ArrayNode, str]


def helpers() -> str:
    """The functions that the text of a `Source` calls."""
    return files("tinygrad_course.compiler.javascript").joinpath("helpers.js").read_text(encoding="utf-8")


class JavaScriptWriter(Plan):
    """A plan that can be written down. Raises Untraceable for what has no counterpart in JavaScript."""

    def __init__(self, program: StepProgram, keep: Iterable[ArrayNode] = ()):
        super().__init__(program, keep)
        self.taken = set(RESERVED)
        self.constants: dict[str, Any] = {}
        self.names: dict[ArrayNode, str] = {}
        self._name_everything()

    # --------------------------------------------------------------------------------------------------- names

    def identifier(self, wanted: str) -> str:
        """A name that JavaScript takes and nobody has: W[1] or layers.0.W become W1, layers_0_W."""
        plain = re.sub(r"[^A-Za-z0-9_]", "_", re.sub(r"[\[\]]", "", wanted))[:40]
        plain = f"_{plain}" if not plain or plain[0].isdigit() else plain
        name, n = plain, 1
        while name in self.taken:
            n += 1
            name = f"{plain}_{n}"
        self.taken.add(name)
        return name

    def _name_everything(self) -> None:
        used = {access(x).base for node in self.program.nodes for x in node.inputs} | {*self.program.updates}
        used |= {access(y).base for y in self.program.outputs()}
        for x in self.program.slots:
            if x in used:
                array_type(x.dtype)
                self.names[x] = self.identifier(x.name or "c")
        for node in self.program.nodes:  # db, the sum that a reshape makes a number, is called so as well
            if node.name and is_view(node) and access(node).base in self.place:
                base = access(node).base
                base.name = base.name or node.name
        for node in self.place:
            if node in self.in_place:
                self.names[node] = self.names[self.in_place[node]]
            elif node.name:
                self.names[node] = self.identifier(node.name)
        count = 0
        for node in self.place:
            if node not in self.names:
                count += 1
                self.names[node] = self.identifier(f"t{count}")

    # --------------------------------------------------------------------------------------------- expressions

    def element(self, x: ArrayNode, shape: Shape, strides: dict[Any, list[int]] | None = None,
                counters: Sequence[str] = ()) -> Text:
        """One element of what is kept, or a number. strides: of the loops around, for what is read in `shape`."""
        if x.weak:
            return self.weak(x)
        found = access(x)
        base = found.base
        if base.op == "constant" and base.size == 1:
            return number(base.value)
        if base.op == "constant" and base not in self.names:
            array_type(base.dtype)
            self.names[base] = self.identifier(base.name or "C")
            self.constants[self.names[base]] = base.value
        name = self.names[base]
        if self._is_number(base):
            return Text(name, ATOM)
        index = str(found.offset) if strides is None else _index(found.offset, strides[x, shape], counters)
        return Text(f"{name}[{index}]", ATOM)

    def _is_number(self, base: ArrayNode) -> bool:
        """Whether a computed value is kept in a variable, not in an array."""
        return base in self.place and base not in self.arrays and base not in self.in_place

    def weak(self, x: ArrayNode) -> Text:
        """A number of Python, of others."""
        if x.op == "constant":
            return number(x.value)
        if x.op == "input":
            return Text(f"{self.names[x]}[0]", ATOM)
        return written(x, [self.weak(y) for y in x.inputs])

    def value(self, node: ArrayNode, lines: list[str], *where: Any) -> Text:
        """The expression for one element of a node; what would be too long is put into `lines` under a name."""
        texts = []
        for x in node.inputs:
            if x not in self.inlined:
                texts.append(self.element(x, node.shape if is_elementwise(node) else x.shape, *where))
                continue
            text = self.value(x, lines, *where)
            if len(text.text) > LONG:
                name = self.identifier("t")
                lines.append(f"const {name} = {text.text};")
                text = Text(name, ATOM)
            texts.append(text)
        return texts[0] if node.op in REDUCTIONS else written(node, texts)

    # ---------------------------------------------------------------------------------------------- statements

    def _loop(self, unit: LoopNest) -> list[str]:
        """One loop nest."""
        shape, members = unit.shape, unit.members
        reductions = [node for node in members if node.op in REDUCTIONS]
        keys: dict[Any, tuple[int, ...]] = {}
        for node in members:
            for x, read in self.operands(node):
                if not x.weak:
                    keys[x, read] = _stretched(access(x).strides, x.shape, shape)
            if node in self.arrays and node.op not in REDUCTIONS:
                keys[node, shape] = row_major(shape)
            if node.op in REDUCTIONS:
                keys[node, node.shape] = _stretched(row_major(node.shape), node.shape, shape)
        marks = [tuple(axis in node.params["axes"] for node in reductions) for axis in range(len(shape))]
        loops = loops_over(shape, list(keys.values()), marks)  # type: ignore[arg-type]
        strides = dict(zip(keys, loops.strides))
        counters = COUNTERS[:len(loops.sizes)] if len(loops.sizes) <= len(COUNTERS) else \
            [f"i{n}" for n in range(len(loops.sizes))]
        where = (strides, counters)

        body: list[str] = []
        before: list[list[str]] = [[] for _ in range(len(loops.sizes) + 1)]  # by the number of loops around
        after: list[list[str]] = [[] for _ in range(len(loops.sizes) + 1)]
        for node in members:
            note = _comment(node)
            if node.op in REDUCTIONS:
                self._reduction(node, loops, strides, counters, body, before, after, where)
                continue
            text = self.value(node, body, *where)
            if node in self.arrays:
                index = _index(0, strides[node, shape], counters)
                body.append(f"{self.names[node]}[{index}] = {text.text};{note}")
            else:
                body.append(f"const {self.names[node]} = {text.text};{note}")
        lines = list(before[0])
        for depth, size in enumerate(loops.sizes):
            counter, indent = counters[depth], "  " * depth
            lines.append(f"{indent}for (let {counter} = 0; {counter} < {size}; {counter} += 1) {{")
            lines += [f"{indent}  {line}" for line in before[depth + 1]]
        lines += ["  " * len(loops.sizes) + line for line in body]
        for depth in range(len(loops.sizes), 0, -1):
            lines += ["  " * depth + line for line in after[depth]]
            lines.append("  " * (depth - 1) + "}")
        return [*lines, *after[0]]

    def _reduction(self, node: ArrayNode, loops: Loops, strides: dict[Any, list[int]], counters: Sequence[str],
                   body: list[str], before: list[list[str]], after: list[list[str]], where: Any) -> None:
        """A sum, maximum or minimum within a loop nest."""
        reduced = [axes[0] in node.params["axes"] for axes in loops.axes]
        depth = reduced.index(True) if True in reduced else len(reduced)
        start = REDUCTIONS[node.op]
        if "initial" in node.params:
            start = literal(float(node.params["initial"]))
        name, note = self.names[node], _comment(node)
        is_array = node in self.arrays
        index = _index(0, strides[node, node.shape], counters)
        if all(reduced[depth:]):  # the inner loops reduce: into a number
            total = self.identifier(f"{name}_sum" if node.op == "sum" else f"{name}_{node.op}") if is_array else name
            if is_array or node not in self.fixed:
                before[depth].append(f"let {total} = {start};")
            else:
                before[depth].append(f"{total} = {start};")
            if is_array:
                after[depth].append(f"{name}[{index}] = {total};{note}")
            elif node.dtype == np.float32:
                after[depth].append(f"{total} = {rounded(node, Text(total, ATOM)).text};")
        else:
            total = f"{name}[{index}]"
            before[0].append(f"{name}.fill({start});{note}")
        value = self.value(node, body, *where)
        note = "" if is_array else note
        if node.op == "sum":
            body.append(f"{total} += {value.text};{note}")
        else:
            body.append(f"{total} = Math.{node.op}({total}, {value.text});{note}")

    def _single(self, node: ArrayNode) -> list[str]:
        """What is no loop over elements of one shape: numbers, products, and arrays put together."""
        name, note = self.names[node], _comment(node)
        if is_elementwise(node):
            lines: list[str] = []
            text = self.value(node, lines)
            if node in self.arrays:
                return [*lines, f"{name}[0] = {text.text};{note}"]
            return [*lines, f"{'' if node in self.fixed else 'const '}{name} = {text.text};{note}"]
        if node.op == "matmul":
            return [self._product(node) + note]
        if node.op in ("dot", "stacked_matmul"):
            return self._contraction(node)
        if node.op == "concatenate":
            lines, start, axis = [], 0, node.params["axis"]
            for x in node.inputs:
                lines += self._copy(x, name, start * row_major(node.shape)[axis], row_major(node.shape))
                start += x.shape[axis]
            return lines
        if node.op == "scatter":
            check_index(node)
            g = node.inputs[0]
            offset, strides = window(node.shape, row_major(node.shape), node.params["index"])
            return [f"{name}.fill(0);", *self._copy(g, name, offset, strides)]
        if node.op == "reshape":
            return self._copy(node.inputs[0], name, 0, row_major(node.inputs[0].shape))
        if node.op == "zeros":
            return [f"{name}.fill(0);"]
        if node.op == "scatter_add":
            raise Untraceable("elements are selected by an array of indices")
        raise Untraceable(f"JavaScript has no {node.op}")

    def _operand(self, x: ArrayNode) -> tuple[str, Access]:
        """The array that holds an operand of a product, and how it is read."""
        found = access(x)
        text = self.element(found.base, ()).text
        if found.base.op == "constant" and found.base.size == 1 or self._is_number(found.base):
            return f"[{text}]", Access(found.base, 0, (0,) * x.ndim)
        return text[:text.index("[")], found

    def _product(self, node: ArrayNode) -> str:
        (a, b), (ta, tb) = node.inputs, node.params.values()
        (name_a, A), (name_b, B) = self._operand(a), self._operand(b)
        rows_a, inner_a = A.strides[::-1] if ta else A.strides
        inner_b, columns_b = B.strides[::-1] if tb else B.strides
        inner = a.shape[0] if ta else a.shape[1]
        return (f"product({self.names[node]}, {node.shape[0]}, {inner}, {node.shape[1]}, "
                f"{name_a}, {A.offset}, {rows_a}, {inner_a}, {name_b}, {B.offset}, {inner_b}, {columns_b});")

    def _contraction(self, node: ArrayNode) -> list[str]:
        """A product of arrays that are no two matrices: out[..., ...] is a sum over one axis of each."""
        a, b = node.inputs
        (name_a, A), (name_b, B) = self._operand(a), self._operand(b)
        if node.op == "dot" and not (a.ndim and b.ndim):
            strides_a, strides_b = (_stretched(x.strides, y.shape, node.shape) for x, y in ((A, a), (B, b)))
            inner = 1
            step_a = step_b = 0
        else:
            inner, step_a = a.shape[-1], A.strides[-1]
            step_b = B.strides[-2] if b.ndim > 1 else B.strides[-1]
            rows, columns = list(A.strides[:-1]), list(B.strides[-1:]) if b.ndim > 1 else []
            if node.op == "dot":
                strides_a = (*rows, *[0] * (b.ndim - 1))
                strides_b = (*[0] * len(rows), *B.strides[:-2], *columns) if b.ndim > 1 else (0,) * len(rows)
            else:
                row = rows[-1:] if a.ndim > 1 else []
                batch = node.shape[:node.ndim - len(row) - len(columns)]
                strides_a = (*_stretched(A.strides[:-2], a.shape[:-2], batch), *row, *[0] * len(columns))
                strides_b = (*_stretched(B.strides[:-2], b.shape[:-2], batch), *[0] * len(row), *columns)
        loops = loops_over(node.shape, [strides_a, strides_b, row_major(node.shape)])
        counters = [f"i{n}" for n in range(len(loops.sizes))]
        total = self.identifier("total")
        index_a = _index(A.offset, [*loops.strides[0], step_a], [*counters, "n"])
        index_b = _index(B.offset, [*loops.strides[1], step_b], [*counters, "n"])
        lines, indent = [], ""
        for counter, size in zip(counters, loops.sizes):
            lines.append(f"{indent}for (let {counter} = 0; {counter} < {size}; {counter} += 1) {{")
            indent += "  "
        lines += [f"{indent}let {total} = 0;",
                  f"{indent}for (let n = 0; n < {inner}; n += 1) {total} += {name_a}[{index_a}] * {name_b}[{index_b}];",
                  f"{indent}{self.names[node]}[{_index(0, loops.strides[2], counters)}] = {total};{_comment(node)}"]
        return lines + ["  " * depth + "}" for depth in range(len(counters) - 1, -1, -1)]

    def _copy(self, x: ArrayNode, name: str, offset: int, strides: Sequence[int]) -> list[str]:
        """The elements of x into a part of an array."""
        text, found = self._operand(x)
        loops = loops_over(x.shape, [found.strides, tuple(strides)])
        counters = [f"i{n}" for n in range(len(loops.sizes))]
        lines = ["  " * depth + f"for (let {counter} = 0; {counter} < {size}; {counter} += 1) {{"
                 for depth, (counter, size) in enumerate(zip(counters, loops.sizes))]
        lines.append("  " * len(counters) + f"{name}[{_index(offset, loops.strides[1], counters)}] = "
                     f"{text}[{_index(found.offset, loops.strides[0], counters)}];")
        return lines + ["  " * depth + "}" for depth in range(len(counters) - 1, -1, -1)]

    def _updates(self) -> list[str]:
        """What could not be written over the old values at once; where old values are handed on, copies come first."""
        lines, after = [], []
        changing = {x for x, _ in self.copied} | set(self.in_place.values())
        for x, y in self.copied:
            found = access(y)
            if found.base in changing or not is_contiguous(found.strides, y.shape) or found.offset:
                name = self.identifier(f"new_{self.names[x]}")
                lines.append(f"const {name} = new {array_type(x.dtype)}({x.size});")
                lines += self._copy(y, name, 0, row_major(y.shape))
                after.append(f"{self.names[x]}.set({name});")
            elif y.size == 1 and found.base not in self.arrays:
                after.append(f"{self.names[x]}[0] = {self.element(y, ()).text};")
            elif found.base.op == "constant" and found.base.size == 1:
                after.append(f"{self.names[x]}.fill({literal(found.base.value)});")
            else:
                text, _ = self._operand(y)
                after.append(f"{self.names[x]}.set({text});")
        weak = [(x, y) for x, y in self.program.updates.items() if x.weak]
        if weak:
            lines.insert(0, f"const numbers = [{', '.join(self.weak(y).text for _, y in weak)}];")
            after += [f"{self.names[x]}[0] = numbers[{n}];" for n, (x, _) in enumerate(weak)]
        return lines + after

    def source(self, title: str, function: str) -> Source:
        """title: a comment.  function: what it is called; a name of our own making.

        Raises Untraceable for what has no counterpart in JavaScript.
        """
        passes: dict[bool, list[str]] = {True: [], False: []}
        parts = {True: "", False: ""}
        for unit in self.units:
            lines = self._single(unit.members[0]) if self._is_single(unit) else self._loop(unit)
            if unit.part != parts[unit.fixed] and not unit.fixed:
                passes[False].append(f"// {unit.part}")
            parts[unit.fixed] = unit.part
            passes[unit.fixed] += lines
        cost = self.element(self.program.cost, ()).text
        names = [self.names[x] for x in self.program.slots if x in self.names]
        scalars = [self.names[node] for node in self.place if node in self.fixed and node not in self.arrays
                   and node.size == 1]
        arrays = [f"const {self.names[node]} = new {array_type(node.dtype)}({node.size});  // {node.shape}"
                  for node in self.place if node in self.arrays and node not in self.in_place]
        kept = {node: self.names[node] for node in self.keep if node in self.place}
        updates = self._updates()
        comment = [] if not updates or parts[False] == "update" else ["// update"]
        text = "\n".join([
            f"// {_harmless(title)}",
            "// Arrays lie in memory row by row and change in place; `prepare` computes what no step changes.",
            f"function {function}({{{', '.join([*names, *self.constants])}}}) {{",
            *(f"  {line}" for line in arrays), *([f"  let {', '.join(scalars)};"] if scalars else []),
            "  function prepare() {", *(f"    {line}" for line in passes[True]), "  }",
            "  function step() {", *(f"    {line}" for line in [*passes[False], *comment, *updates]),
            f"    return {cost};", "  }",
            f"  return {{prepare, step, values: {{{', '.join(kept.values())}}}}};", "}", ""])
        arguments = {self.names[x]: x for x in self.program.slots if x in self.names}
        return Source(text, arguments, self.constants, kept)

    def _is_single(self, unit: LoopNest) -> bool:
        node = unit.members[0]
        return is_elementwise(node) and node.size == 1 or not is_elementwise(node) and node.op not in REDUCTIONS


def _stretched(strides: Sequence[int], shape: Sequence[int], to: Sequence[int]) -> tuple[int, ...]:
    """The strides of an array that is broadcast to another shape."""
    return (0,) * (len(to) - len(shape)) + tuple(0 if n == 1 and m != 1 else stride for stride, n, m in zip(
        strides, shape, to[len(to) - len(shape):]))


def _index(offset: int, strides: Sequence[int], counters: Sequence[str]) -> str:
    """The text of an index: 3 + i * 400 + j."""
    terms = [] if not offset else [str(offset)]
    for stride, counter in zip(strides, counters):
        if stride:
            terms.append(counter if stride == 1 else f"{counter} * {stride}")
    return " + ".join(terms).replace("+ -", "- ") or "0"


def _comment(node: ArrayNode) -> str:
    return f"  // {_harmless(node.note)}" if node.note else ""


def _harmless(text: str) -> str:
    """For a comment in a page: one line, ASCII, and nothing that looks like a tag."""
    return re.sub(r"<(?=[^ =])", "< ", re.sub(r"[^ -~]", "_", text))
