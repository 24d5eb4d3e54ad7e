"""A learner's file: what is safe and needed of it is run, statement by statement; then its functions can be called.

Everything that fails costs what depends on it and no more: a cell that is not Python, a module that is not there, a
statement that raises.
"""
from __future__ import annotations

import ast
import builtins
import inspect
import linecache
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType, ModuleType, TracebackType
from typing import Any

import numpy as np

from tinygrad_course.checking.course.functions import ORDER, editions, right_functions, week_of
from tinygrad_course.checking.sandbox import loading, stubs
from tinygrad_course.checking.sandbox.calling import AsksForInput, call
from tinygrad_course.checking.sandbox.limits import CHANGED, limited
from tinygrad_course.checking.sandbox.plain import Plain, class_name, leaves, said_by, shortened
from tinygrad_course.checking.sandbox.stubs import Nothing, StubFinder, StubModule

LARGEST = 20_000  # numbers in the answer of a changed version
LEVELS = 3  # folders above the file in which its modules are looked for


class Learner:
    """A learner's file: its namespace after everything that is safe and needed was run."""

    def __init__(self, path: Path):
        self.path = path
        self.notebook = path.suffix.lower() == ".ipynb"
        self.namespace: dict[str, Any] = {
            "__name__": "learner", "__file__": str(path), "__builtins__": builtins, "xrange": range,
            "get_ipython": lambda: Nothing("get_ipython"), "display": lambda *what, **how: None}
        self.notes: list[str] = []
        self.problems: list[str] = []
        self.names: set[str] = set()
        self.supplied: list[str] = []
        self.skipped: set[str] = set()  # names that only a skipped statement would have set
        self.functions: dict[str, loading.Statement] = {}
        self.blank: dict[str, str] = {}  # functions of templates that are not filled in, and where
        self.broken: dict[str, loading.Bad] = {}  # functions that are not Python
        self.right: dict[str, Callable[..., Any]] = {}

    # -------------------------------------------------------------------------------------------- loading

    def load(self, reached: Callable[[str, bool], None]) -> None:
        """Run the file. `reached` is told of each statement before it is run: where, and whether it is an import.

        Raises Unreadable for what is no Python file or notebook; OSError where it cannot be read.
        """
        statements = self.read()
        self.functions = loading.defined_functions(statements)
        self.right = right_functions(week_of([*self.functions, *self.blank, *self.broken]))
        used = {name for s in statements for name in loading.names_used(s.node)}
        elsewhere = {name for s in statements for name in loading.names_bound(s.node) | loading.names_imported(s.node)}
        elsewhere |= set(dir(builtins)) | set(self.functions) | set(self.namespace)
        # `from testCases import *` has to give every name that the file uses and gets from nowhere else
        missing: dict[str, Any] = {name: Nothing(name) for name in used - elsewhere}
        missing.update({"np": np} if "np" in missing else {})
        self.finder = StubFinder(missing | {name: right for name, right in self.right.items() if name in used},
                                 self.is_own)
        sys.meta_path.append(self.finder)
        folder = self.path.resolve().parent
        sys.path += [str(one) for one in (folder, *folder.parents)[:LEVELS]]
        self.notes += stubs.give_back(name for s in statements for name in loading.attributes_of(s.node, "np"))
        for statement in statements:
            self.run(statement, reached)
        for name in sorted(used & set(self.right)):
            if isinstance(self.namespace.get(name, Nothing()), Nothing):
                self.namespace[name] = self.right[name]
                self.supplied.append(name)

    def read(self) -> list[loading.Statement]:
        cells, self.notes = loading.read_cells(self.path)
        statements: list[loading.Statement] = []
        for cell in cells:
            self.names.add(cell.name)
            linecache.cache[cell.name] = (len(cell.source), None, cell.source.splitlines(True), cell.name)
            parsed = loading.parse(cell)
            statements += parsed.statements
            self.notes += parsed.notes
            for bad in parsed.bad:
                if bad.blank:
                    self.blank |= dict.fromkeys(bad.functions, f"{bad.cell.name}, line {bad.line}")
                    if not bad.functions:
                        self.notes.append(f"{bad.cell.name}, line {bad.line}: not filled in")
                else:
                    self.broken |= dict.fromkeys(bad.functions, bad)
                    self.problems.append(bad.said)
        return statements

    def is_own(self, file: str) -> bool:
        """Whether a source file is the learner's: the file itself, or one in its folder."""
        return file in self.names or Path(file).is_relative_to(self.path.resolve().parent)

    def run(self, statement: loading.Statement, reached: Callable[[str, bool], None]) -> None:
        node = statement.node
        if self.only_runs(node) or (not _defines(node) and loading.names_used(node) & (self.skipped | self.absent())):
            self.skipped |= loading.names_bound(node) - set(self.namespace)
            return
        where = f"{statement.cell.name}, line {node.lineno}"
        imports = isinstance(node, (ast.Import, ast.ImportFrom))
        reached(where, imports)
        try:
            self.execute(node, statement.cell.name)
        except AsksForInput:
            self.notes.append(f"{where}: asks for input, skipped")
            self.skipped |= loading.names_bound(node)
        except BaseException as error:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                self.import_what_is_there(node, statement.cell.name, error)
                return
            self.skipped |= loading.names_bound(node)
            if self.notebook and not _defines(node):
                self.notes.append(f"{where}: skipped, it raised {class_name(error)}")
            else:
                self.problems.append(self.short_traceback(error))

    def execute(self, node: ast.stmt, name: str) -> None:
        # optimize=1 leaves out `assert`: a wrong shape is better explained than met with AssertionError
        exec(compile(ast.Module([node], []), name, "exec", dont_inherit=True, optimize=1), self.namespace)

    def import_what_is_there(self, node: ast.Import | ast.ImportFrom, name: str, error: BaseException) -> None:
        """An import failed, as a whole or for one name: stand-ins take the place of what is not there."""
        said = self.short_traceback(error)
        if isinstance(node, ast.ImportFrom):
            top = (node.module or "").split(".")[0]
            module = sys.modules.get(node.module or "")
            stand_in = self.finder.module(node.module or "")
            if module is None:
                sys.modules[node.module or ""] = module = stand_in
            for alias in node.names:
                if alias.name == "*":
                    self.namespace.update({one: getattr(module, one) for one in getattr(module, "__all__", [])})
                    continue
                value = getattr(module, alias.name, None)
                self.namespace[alias.asname or alias.name] = (
                    value if value is not None else getattr(stand_in, alias.name))
            names = ", ".join(alias.name for alias in node.names)
            what = f"of {top}, {names}" if isinstance(module, ModuleType) and module is not stand_in else top
            self.notes.append(f"{name}, line {node.lineno}: {said.splitlines()[-1]}; our own stand-in {what} serves")
            return
        for alias in node.names:
            try:
                self.execute(ast.copy_location(ast.Import([alias]), node), name)
            except BaseException as one:
                self.namespace[(alias.asname or alias.name).split(".")[0]] = Nothing(alias.name)
                self.problems.append(self.short_traceback(one))

    def only_runs(self, node: ast.stmt) -> bool:
        """Whether a statement trains or prints with the file's own functions: not needed, and it may take long."""
        if _defines(node):
            return False
        called = loading.names_called(node) & set(self.functions)
        shows = self.notebook and isinstance(node, ast.Expr) and not _sets_something(node)
        return bool(called) or shows

    def absent(self) -> set[str]:
        """The names of what is not there: what is computed from it cannot be computed."""
        return {name for name, value in self.namespace.items() if isinstance(value, (Nothing, StubModule))}

    # ------------------------------------------------------------------------------------- what it defines

    def describe(self) -> Plain:
        functions: dict[str, Any] = {}
        for name, statement in self.functions.items():
            function = self.function(name)
            if function is None:
                continue
            lines = statement.cell.source.splitlines()[statement.node.lineno - 1:statement.node.end_lineno]
            source = textwrap.dedent("\n".join(lines)) + "\n"
            functions[name] = {
                "parameters": _parameters(function), "line": statement.node.lineno, "cell": statement.cell.name,
                "source": source, "calls": sorted(loading.names_called(statement.node)),
                "uses": sorted(loading.names_used(statement.node)), "blank": loading.is_blank(statement.node)}
        called = {name for one in functions.values() for name in one["calls"]}
        for name in sorted(called & set(ORDER) - set(functions)):
            if (imported := self.imported(name)) is not None:
                functions[name] = imported
        made = sorted(self.finder.made - set(stubs.OTHERS)) if self.functions else []
        if made:
            self.notes.append(f"No module named {', '.join(map(repr, made))}: our own stand-in serves")
        return {"functions": functions, "problem": "\n".join(self.problems), "notes": self.notes,
                "supplied": self.supplied, "skipped": sorted(self.skipped | self.absent()),
                "blank": self.blank, "broken": {name: bad.said for name, bad in self.broken.items()}}

    def imported(self, name: str) -> Plain:
        """A function of the course that the learner's own module defines."""
        function = self.namespace.get(name)
        if not isinstance(function, FunctionType) or not self.is_own(function.__code__.co_filename):
            return None
        try:
            source = inspect.getsource(function)
        except (OSError, TypeError):
            source = ""
        return {"parameters": _parameters(function), "line": function.__code__.co_firstlineno,
                "cell": Path(function.__code__.co_filename).name, "source": source, "calls": [], "uses": [],
                "blank": False, "imported": True}

    def function(self, name: str) -> Any:
        """What a name stands for; a method is bound to an object that was made for it."""
        owner, dot, method = name.partition(".")
        value = self.namespace.get(owner)
        if not dot:
            return value if callable(value) else None
        if not isinstance(value, type):
            return None
        try:
            instance = value()
        except BaseException:  # it wants arguments: the method is tried without what __init__ sets
            instance = object.__new__(value)
        return getattr(instance, method, None)

    def short_traceback(self, error: BaseException) -> str:
        """The learner's own lines of a traceback, and the error."""
        own = []
        tb: TracebackType | None = error.__traceback__
        for frame in traceback.extract_tb(tb):
            if frame.filename in self.names or Path(frame.filename).parent == self.path.resolve().parent:
                inside = "" if frame.name == "<module>" else f", in {shortened(frame.name, 100)}"
                own.append(f"{Path(frame.filename).name}, line {frame.lineno}{inside}\n"
                           f"    {shortened(frame.line or '', 200)}")
        if len(own) > 6:
            own = [*own[:3], f"... {len(own) - 6} more lines ...", *own[-3:]]
        return "\n".join([*own, said_by(error)])

    # -------------------------------------------------------------------------------------------- calling

    def calls(self, name: str, arguments: list[tuple[Any, ...]], names: list[str], replace: Mapping[str, str],
              seed: int) -> list[Plain]:
        """The function, called with each of the arguments, which go to the parameters `names`.

        replace: helpers that are replaced by the course's own, each with its name and week there: "sigmoid 4".
        """
        with self.replaced(name, replace):
            function = self.function(name)
            return [call(function, one, self.short_traceback, seed, names) for one in arguments]

    def trials(self, name: str, sources: list[str], arguments: list[tuple[Any, ...]], names: list[str],
               replace: Mapping[str, str], seed: int) -> list[list[Plain]]:
        """The same for changed versions of the function. One that takes far more lines than others has no answer."""
        found = []
        with self.replaced(name, replace):
            for source in sources:
                found.append(self.trial(name, source, arguments, names, seed))
        return found

    def trial(self, name: str, source: str, arguments: list[tuple[Any, ...]], names: list[str],
              seed: int) -> list[Plain]:
        own = name.rpartition(".")[2]
        kept = self.namespace.get(own)
        try:
            exec(compile(source, CHANGED, "exec", dont_inherit=True, optimize=1), self.namespace)
            function = self.namespace[own]
            if "." in name:
                function = function.__get__(self.function(name).__self__)
            return [_bounded(call(limited(function), one, said_by, seed, names)) for one in arguments]
        except (SyntaxError, ValueError, KeyError, AttributeError) as error:
            return [{"raised": said_by(error), "kind": class_name(error), "asks": False} for _ in arguments]
        finally:
            if kept is None:
                self.namespace.pop(own, None)
            else:
                self.namespace[own] = kept

    @contextmanager
    def replaced(self, name: str, replace: Mapping[str, str]) -> Iterator[None]:
        kept = dict(self.namespace)
        owner = self.namespace.get(name.partition(".")[0])
        methods = {}
        for own, course in replace.items():
            right = _edition(course)
            if own == name:
                continue
            method = own.rpartition(".")[2]
            if isinstance(owner, type) and method in vars(owner):
                methods[method] = vars(owner)[method]
                setattr(owner, method, staticmethod(right))
            elif own in kept:
                self.namespace[own] = right
        try:
            yield
        finally:
            for method, value in methods.items():
                setattr(owner, method, value)
            self.namespace.clear()
            self.namespace.update(kept)


def _bounded(answer: Plain) -> Plain:
    """An answer to a trial; one that is far larger than what is right is none."""
    numbers = sum(np.size(value) for _, value in leaves(answer.get("returned"), ""))
    return answer if numbers <= LARGEST else {"raised": f"{numbers} numbers", "kind": "", "asks": False}


def _edition(wanted: str) -> Callable[..., Any]:
    """A right function by its name and week: "sigmoid 4"."""
    name, week = wanted.split()
    return next(one.right for one in editions(name) if one.week == int(week))


def _parameters(function: Any) -> list[list[Any]] | None:
    """Each parameter: its name, whether it may be left out, and "*" or "**" for what takes several."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    several: dict[Any, str] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return [[p.name, p.default is not p.empty or p.kind in several, several.get(p.kind, "")]
            for p in signature.parameters.values()]


def _defines(node: ast.stmt) -> bool:
    return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom))


def _sets_something(node: ast.Expr) -> bool:
    """np.random.seed(1), plt.rcParams.update(...), sys.path.append(...): called for what it does."""
    text = ast.unparse(node)
    return any(word in text for word in ("seed", "rcParams", "path.append", "path.insert", "set_printoptions"))
