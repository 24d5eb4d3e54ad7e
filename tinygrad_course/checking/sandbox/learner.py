"""A learner's file: what is safe and needed of it is run, statement by statement; then its functions can be called."""
from __future__ import annotations

import ast
import builtins
import inspect
import linecache
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from tinygrad_course.checking.sandbox import loading
from tinygrad_course.checking.sandbox.calling import AsksForInput, call
from tinygrad_course.checking.course.references import EDITIONS, helpers, week_of
from tinygrad_course.checking.sandbox.plain import Plain, class_name, said_by, shortened
from tinygrad_course.checking.sandbox.stubs import Nothing, StubFinder, StubModule


class Learner:
    """A learner's file: its namespace after everything that is safe and needed was run."""

    def __init__(self, path: Path):
        self.path = path
        self.notebook = path.suffix.lower() == ".ipynb"
        self.namespace: dict[str, Any] = {"__name__": "learner", "__file__": str(path), "__builtins__": builtins}
        self.notes: list[str] = []
        self.problem = ""
        self.names: set[str] = set()
        self.supplied: list[str] = []

    def load(self, reached: Callable[[str, bool], None]) -> None:
        """Run the file. `reached` is told of each statement before it is run: where, and whether it is an import.

        Raises Unreadable for what is no Python file or notebook; OSError where it cannot be read.
        """
        cells, self.notes = loading.read_cells(self.path)
        statements: list[loading.Statement] = []
        for cell in cells:
            self.names.add(cell.name)
            linecache.cache[cell.name] = (len(cell.source), None, cell.source.splitlines(True), cell.name)
            try:
                statements += loading.parse(cell)
            except loading.Unreadable as error:
                if not self.notebook:
                    raise
                self.problem = self.problem or str(error)
        self.functions = loading.defined_functions(statements)
        week = week_of(set(self.functions))
        used = {name for s in statements for name in loading.names_used(s.node)}
        elsewhere = {name for s in statements for name in loading.names_bound(s.node) | loading.names_imported(s.node)}
        elsewhere |= set(dir(builtins)) | set(self.functions)
        # `from testCases import *` has to give every name that the file uses and gets from nowhere else
        missing: dict[str, Any] = {name: Nothing(name) for name in used - elsewhere}
        missing.update({"np": np} if "np" in missing else {})
        sys.meta_path.append(StubFinder(missing | helpers(week, used)))
        sys.path.append(str(self.path.resolve().parent))

        skipped: set[str] = set()  # names that only a skipped statement would have set
        for statement in statements:
            node = statement.node
            missing_here = loading.names_used(node) & (skipped | self.stand_ins())
            if self.only_runs(node) or (missing_here and not _defines(node)):
                skipped |= loading.names_bound(node) - set(self.namespace)
                continue
            reached(f"{statement.cell.name}, line {node.lineno}", isinstance(node, (ast.Import, ast.ImportFrom)))
            try:
                # optimize=1 leaves out `assert`: a wrong shape is better explained than met with AssertionError
                code = compile(ast.Module([node], []), statement.cell.name, "exec", dont_inherit=True, optimize=1)
                exec(code, self.namespace)
            except AsksForInput:
                self.notes.append(f"{statement.cell.name}, line {node.lineno}: asks for input, skipped")
                skipped |= loading.names_bound(node)
            except BaseException as error:
                skipped |= loading.names_bound(node)
                said = self.short_traceback(error)
                if self.notebook and not _defines(node):
                    self.notes.append(f"{statement.cell.name}, line {node.lineno}: skipped, it raised "
                                      f"{class_name(error)}")
                else:
                    self.problem = self.problem or said
        for name, helper in helpers(week, used).items():
            if isinstance(self.namespace.get(name, Nothing()), Nothing):
                self.namespace[name] = helper
                self.supplied.append(name)

    def only_runs(self, node: ast.stmt) -> bool:
        """Whether a statement trains or prints with the file's own functions: not needed, and it may take long."""
        if _defines(node):
            return False
        called = loading.names_called(node) & set(self.functions)
        shows = self.notebook and isinstance(node, ast.Expr) and not _sets_something(node)
        return bool(called) or shows

    def stand_ins(self) -> set[str]:
        """The names of what is not there: what is computed from it cannot be computed."""
        return {name for name, value in self.namespace.items() if isinstance(value, (Nothing, StubModule))}

    def describe(self) -> Plain:
        functions = {}
        for name, statement in self.functions.items():
            function = self.namespace.get(name)
            if not callable(function):
                continue
            try:
                parameters = [(p.name, p.default is not p.empty) for p in
                              inspect.signature(function).parameters.values()]
            except (TypeError, ValueError):
                parameters = None
            source = ast.get_source_segment(statement.cell.source, statement.node) or ""
            functions[name] = {"parameters": parameters, "line": statement.node.lineno, "cell": statement.cell.name,
                               "source": source, "calls": sorted(loading.names_called(statement.node))}
        return {"functions": functions, "problem": self.problem, "notes": self.notes, "supplied": self.supplied}

    def short_traceback(self, error: BaseException) -> str:
        """The learner's own lines of a traceback, and the error."""
        own = []
        tb: TracebackType | None = error.__traceback__
        for frame in traceback.extract_tb(tb):
            if frame.filename in self.names:
                inside = "" if frame.name == "<module>" else f", in {shortened(frame.name, 100)}"
                own.append(f"{frame.filename}, line {frame.lineno}{inside}\n    {shortened(frame.line or '', 200)}")
        if len(own) > 6:
            own = [*own[:3], f"... {len(own) - 6} more lines ...", *own[-3:]]
        return "\n".join([*own, said_by(error)])

    def calls(self, name: str, arguments: list[tuple[Any, ...]], week: int, replace: bool, seed: int) -> list[Plain]:
        """The function, called with each of the arguments; `replace`: with the course's functions as its helpers."""
        kept = dict(self.namespace)
        if replace:
            right = {**EDITIONS[week]}
            self.namespace.update({other: value for other, value in right.items() if other != name and other in kept})
        try:
            function = self.namespace[name]
            return [call(function, one, self.short_traceback, seed) for one in arguments]
        finally:
            self.namespace.clear()
            self.namespace.update(kept)


def _defines(node: ast.stmt) -> bool:
    return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom))


def _sets_something(node: ast.Expr) -> bool:
    """np.random.seed(1), plt.rcParams.update(...), sys.path.append(...): called for what it does."""
    text = ast.unparse(node)
    return any(word in text for word in ("seed", "rcParams", "path.append", "path.insert", "set_printoptions"))
