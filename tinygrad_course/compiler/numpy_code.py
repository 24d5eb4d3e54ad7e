"""A program as NumPy source that a learner can read: the gradient code that one would write by hand, in its notation.

Every step writes into the same arrays (`out=`), so that nothing is allocated while it runs.

The text is run. So nothing gets into it that somebody else has written: names are made of letters, digits and
underscores, numbers and indices are written from their values, and what is no short number is an argument. Names of
classes and equations are told in comments, of which only what is printable is left.
"""
from __future__ import annotations

import keyword
import math
import operator
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_course.compiler.polling import look
from tinygrad_course.compiler.nodes import ArrayNode
from tinygrad_course.compiler.memory import Memory, is_elementwise, is_view, looked_at, planned
from tinygrad_course.compiler.program import DataSlot, StepProgram, ordered

DOCSTRING = "One step for each element of costs, which receives the cost before it; all arrays change in place."
OPERATORS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}


@dataclass
class NumPySource:
    """text: a module with the function `train`. arguments: the inputs, by the names of its arguments."""

    text: str
    arguments: dict[str, ArrayNode]
    constants: dict[str, Any]
    memory: Memory = field(default_factory=Memory)


def told(text: str) -> str:
    """A text as it may stand in a comment or a docstring: one line of what is printable, without quotes."""
    return "".join(c if c.isprintable() and c not in "\"\\" else "?" for c in " ".join(text.split()))


class NumPyWriter:
    def __init__(self, program: StepProgram, hoisted: list[ArrayNode], sizes: dict[str, float],
                 layouts: dict[str, str] | None = None):
        """sizes: numbers that have a name, such as m and learning_rate.

        layouts: for mini-batches, whether X and Y lie in memory by "rows" or by "columns"; np.take copies others whole.
        """
        self.layouts = layouts or {}
        self.program = program
        self.hoisted = hoisted
        self.sizes = sizes
        self.memory = planned(program)
        self.names: dict[ArrayNode, str] = {}
        self.taken = {"np", "train", "i", "costs", "order", "data_X", "data_Y", "len", "range", "float", *sizes}
        self.constants: dict[str, Any] = {}
        self.parts: dict[ArrayNode, str] = {}
        self.named: dict[str, str] = {}
        if (m := sizes.get("m", 1)) != 1:  # 1 is everywhere
            self.named = {repr(m): "m", repr(float(m)): "m", repr(1 / m): "1 / m"}

    # ----------------------------------------------------------------------------------------------- names

    def identifier(self, wanted: str) -> str:
        """A name that Python takes and nobody has: W[1] or layers.0.W become W1, layers_0_W."""
        plain = re.sub(r"\W", "_", re.sub(r"[\[\]]", "", wanted), flags=re.ASCII)
        plain = f"_{plain}" if not plain or plain[0].isdigit() or keyword.iskeyword(plain) else plain
        name, n = plain, 1
        while name in self.taken:
            n += 1
            name = f"{plain}_{n}"
        self.taken.add(name)
        return name

    def name_everything(self) -> None:
        inputs = [x for x in self.program.slots if x.op == "input"]
        for node in (*inputs, *self.hoisted, *(node for node in self.program.nodes if node.name)):
            while node.op == "reshape" and is_view(node) and node.inputs[0].op not in ("input", "constant"):
                node, name = node.inputs[0], node.name
                node.name = node.name or name  # db, the sum that a reshape makes a number
            if node not in self.names and node.op != "constant":
                self.names[node] = self.identifier(node.name or "c")
        takers = {}  # from a node to the one that takes over its memory
        for node in self.program.nodes:
            if is_elementwise(node) and not node.weak:
                for x in node.inputs:
                    if x in self.memory.kept and self.memory.kept[x] is self.memory.kept.get(node) and \
                            x.shape == node.shape:
                        takers[x] = node
        counter = 0
        for node in reversed(self.program.nodes):
            if node in self.names or node.op == "constant":
                continue
            taker = takers.get(node)
            target = self.memory.kept.get(node)
            if taker is not None:
                self.names[node] = self.names[taker]
            elif isinstance(target, ArrayNode):
                self.names[node] = self.names[target]
            elif not (is_view(node) or node.weak):
                counter += 1
                self.names[node] = self.identifier(f"t{counter}")
        for node in self.program.nodes:
            if isinstance(self.memory.kept.get(node), ArrayNode):
                self.names[node] = self.names[self.memory.kept[node]]  # type: ignore[index]

    # ------------------------------------------------------------------------------------------ expressions

    def number(self, value: Any) -> str:
        """A number as Python reads it."""
        value = value.item() if isinstance(value, (np.ndarray, np.generic)) else value
        if type(value) not in (bool, int, float):  # such as a long double
            return self.constant("C", value)
        text = repr(value)
        return self.named.get(text, text if math.isfinite(value) else f'float("{text}")')

    def constant(self, wanted: str, value: Any) -> str:
        """The name of an argument that has this value."""
        name = self.identifier(wanted)
        self.constants[name] = value
        return name

    def __call__(self, node: ArrayNode) -> str:
        """How a node is called where it is used."""
        if node.op == "constant":
            if np.ndim(node.value) == 0:
                return node.name if node.name in self.sizes else self.number(node.value)
            if node not in self.names:
                self.names[node] = self.constant("C", node.value)
            return self.names[node]
        if node.weak:
            return self.weak(node)
        if is_view(node):
            return self.view(node)
        return self.names[node]

    def operand(self, x: ArrayNode, node: ArrayNode) -> str:
        """How an input is called in a statement: a number with its dtype, where NumPy would compute in another one."""
        if x.op != "constant" or x.weak or x.shape or not (is_elementwise(node) or node.op == "dot"):
            return self(x)
        others = [y.dtype for y in node.inputs if y.op != "constant" or y.shape]
        if all(dtype == x.dtype or dtype.kind in "biu" and x.dtype == np.float64 for dtype in others):
            return self(x)
        return self.constant("C", x.value)

    def weak(self, node: ArrayNode) -> str:
        if node.op == "input":
            return f"{self.names[node]}.item()"
        x = [self(y) for y in node.inputs]
        if node.op in OPERATORS:
            return f"({x[0]} {OPERATORS[node.op]} {x[1]})"
        return f"np.{node.op}({', '.join(x)}).item()"

    def view(self, node: ArrayNode) -> str:
        x = self(node.inputs[0])
        if node.op == "transpose":
            return f"{x}.T" if node.params["axes"] == tuple(range(node.ndim))[::-1] else \
                f"{x}.transpose({node.params['axes']})"
        if node.op == "getitem":
            return f"{x}[{self.index(node)}]"
        if node.op == "reshape":
            return f"{x}.reshape({node.shape})"
        return f"np.broadcast_to({x}, {node.shape})"

    def index(self, node: ArrayNode) -> str:
        parts = []
        for part in node.params["index"]:
            if isinstance(part, slice):
                texts = ["" if i is None else str(operator.index(i)) for i in (part.start, part.stop)]
                parts.append(":".join(texts) + ("" if part.step is None else f":{operator.index(part.step)}"))
            elif part is Ellipsis or part is None:
                parts.append("..." if part is Ellipsis else "None")
            elif isinstance(part, (int, np.integer)):
                parts.append(repr(bool(part) if isinstance(part, bool) else int(part)))
            else:
                parts.append(self.constant("index", part))
        return ", ".join(parts) or "()"

    # ------------------------------------------------------------------------------------------- statements

    def statements(self, node: ArrayNode) -> list[str]:
        look()
        out = self.names[node]
        if node.op == "matmul":
            a, b = (f"{self(x)}.T" if t else self(x) for x, t in zip(node.inputs, node.params.values()))
            return [f"np.dot({a}, {b}, out={out})"]
        x = [self.operand(y, node) for y in node.inputs]
        if node.op in OPERATORS and x[0] == out:
            return [f"{out} {OPERATORS[node.op]}= {x[1]}"]
        if is_elementwise(node):
            return [f"np.{node.op}({', '.join(x)}, out={out})"]
        if node.op in ("stacked_matmul", "dot"):
            return [f"np.{'dot' if node.op == 'dot' else 'matmul'}({x[0]}, {x[1]}, out={out})"]
        if node.op in ("sum", "max", "min"):
            axes = node.params["axes"]
            more = f", initial={self.number(node.params['initial'])}" if "initial" in node.params else ""
            axis = str(axes[0]) if len(axes) == 1 else str(axes)
            return [f"np.{node.op}({x[0]}, axis={axis}, keepdims=True{more}, out={out})"]
        if node.op == "where":
            return [f"np.copyto({out}, {x[2]})", f"np.copyto({out}, {x[1]}, where={x[0]})"]
        if node.op == "concatenate":
            return [f"np.concatenate([{', '.join(x)}], axis={node.params['axis']}, out={out})"]
        if node.op == "reshape":
            return [f"np.copyto({out}.reshape({node.inputs[0].shape}), {x[0]})"]
        if node.op == "getitem":
            return [f"{out}[...] = {x[0]}[{self.index(node)}]"]
        if node.op == "scatter":
            return [f"{out}.fill(0)", f"{out}[{self.index(node)}] = {x[0]}"]
        if node.op == "scatter_add":
            return [f"{out}.fill(0)", f"np.add.at({out}, np.s_[{self.index(node)}], {x[0]})"]
        if node.op == "zeros":
            return [f"{out}.fill(0)"]
        return [f"{out}[...] = {x[0]}"]  # astype

    def source(self, title: str) -> NumPySource:
        self.name_everything()
        body: list[str] = []
        part = ""
        for node in self.program.nodes:
            if node.op in ("input", "constant") or node.weak or is_view(node):
                continue
            if self.part_of(node) != part:
                part = self.part_of(node)
                body.append(f"# {part}")
            lines = self.statements(node)
            if node.note:
                lines[-1] = f"{lines[-1]:<39} # {told(node.note)}"
            body += lines
        body.append(f"costs[i] = {self(self.program.cost)}" + (".item()" if self.program.cost.shape else ""))
        body += self.copies()
        changed = [(x, y) for x, y in self.program.updates.items() if x.weak]
        if changed:
            body.append(f"{', '.join(f'{self.names[x]}[()]' for x, _ in changed)} = "
                        f"{', '.join(self(y) for _, y in changed)}")
        used = {*self.program.nodes, *self.program.updates}
        arguments = {self.names[x]: x for x in self.program.slots if x in used}
        batches = self.batches()
        more = ["data_X", "data_Y", "order"] if batches else []
        parameters = ", ".join([*arguments, *self.constants, *more, "costs"])
        text = "\n".join([
            f'"""{told(title)}"""', "import numpy as np", "",
            *(f"{name} = {value!r}" for name, value in self.sizes.items() if self._is_used(name, body)), "", "",
            f"def train({parameters}):",
            f'    """{DOCSTRING}"""',
            *(f"    {line}" for line in self.arrays()), "",
            "    for i in range(len(costs)):", *(f"        {line}" for line in batches + body), ""])
        return NumPySource(text, arguments, self.constants, self.memory)

    def copies(self) -> list[str]:
        """The updates that could not be computed in place; those that only hand on what others overwrite at once."""
        overwritten = {x for x, _ in self.memory.copied}
        handed_on = [(x, y) for x, y in self.memory.copied if looked_at(y) in overwritten]
        lines = [f"np.copyto({self.names[x]}, {self(y)})" for x, y in self.memory.copied
                 if looked_at(y) not in overwritten]
        if not handed_on:
            return lines
        return [f"{', '.join(f'{self.names[x]}[...]' for x, _ in handed_on)} = "
                f"{', '.join(f'{self(y)}.copy()' for _, y in handed_on)}", *lines]

    def batches(self) -> list[str]:
        """Filling X and Y with the examples of the i-th batch, whose columns are order[i]."""
        if not self.program.batches:
            return []
        lines = []
        for x, slot in self.program.slots.items():
            if isinstance(slot, DataSlot):
                data, name = f"data_{slot.name}", self.names[x]
                lines.append({"rows": f"np.take({data}, order[i], axis={x.ndim - 1}, out={name}, mode=\"clip\")",
                              "columns": f"np.take({data}.T, order[i], axis=0, out={name}.T, mode=\"clip\")",
                              }.get(self.layouts.get(slot.name, ""), f"{name}[...] = {data}[..., order[i]]"))
        return lines

    def part_of(self, node: ArrayNode) -> str:
        """Whether a step is needed for the cost or named by the forward pass, leads to a gradient, or comes after."""
        if not self.parts:
            named = [x for x in self.program.nodes if x.note]
            last = [g for w, g in self.program.gradients.items()] or [x for x in self.program.nodes if x.name]
            for x in ordered(last):
                self.parts[x] = "backward pass"
            for x in ordered([self.program.cost, *named]):
                self.parts[x] = "forward pass"
        return self.parts.get(node, "update")

    def _is_used(self, name: str, body: Iterable[str]) -> bool:
        return any(re.search(rf"\b{name}\b", line) for line in body)

    def arrays(self) -> list[str]:
        """The arrays that a step writes to; two names for the same memory where one dies before the other begins."""
        first: dict[int, str] = {}
        lines, done = [], set()
        for node, buffer in self.memory.kept.items():
            name = self.names[node]
            if not isinstance(buffer, int) or name in done:
                continue
            done.add(name)
            if buffer not in first:
                first[buffer] = name
                dtype = "" if node.dtype == np.float64 else f", np.{'bool_' if node.dtype == bool else node.dtype.name}"
                lines.append(f"{name} = np.empty({node.shape}{dtype})")
            else:
                same = self.memory.buffers[buffer][0] == node.shape
                lines.append(f"{name} = {first[buffer]}" + ("" if same else f".reshape({node.shape})"))
        return lines
