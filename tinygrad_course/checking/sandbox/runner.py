"""The separate process in which a learner's code runs: `python -m tinygrad_course.checking.sandbox.runner`.

Requests come in on the standard input, answers go out on the standard output, each a length and a pickle of plain
data. The learner's code sees neither: it finds an empty standard input, and what it prints is thrown away.
"""
from __future__ import annotations

import ast
import builtins
import inspect
import linecache
import os
import pickle
import struct
import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from tinygrad_course.checking.sandbox import loading
from tinygrad_course.checking.course.references import EDITIONS, helpers, week_of
from tinygrad_course.checking.sandbox.stubs import Nothing, StubFinder, StubModule

Plain = Any
LENGTH = struct.Struct("<Q")


class AsksForInput(EOFError):
    """The learner's code called input(): nobody is there to answer."""


def no_input(prompt: object = "") -> str:
    raise AsksForInput("input() was called, but nobody can answer during a check")


# ------------------------------------------------------------------------------------------------- calling


def plain(value: Any, depth: int = 0) -> Plain:
    """A result as builtins and numeric arrays; anything else by its type and how it prints."""
    if value is None or isinstance(value, (bool, np.generic)):
        return value
    for simple in (int, float, str):
        if isinstance(value, simple):
            return simple(value)  # not a subclass that only the learner's file knows
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "biufc":
            return np.array(value, subok=False)
        return {"?": f"an array of dtype {value.dtype}"}
    if depth < 6:
        if isinstance(value, tuple):
            return tuple(plain(v, depth + 1) for v in value)
        if isinstance(value, list):
            return [plain(v, depth + 1) for v in value[:10000]]
        if isinstance(value, Mapping):
            return {str(k): plain(v, depth + 1) for k, v in value.items()}
    return {"?": f"a {type(value).__name__}"}


def leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """All arrays and numbers in the arguments, each with the words for where it is."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}[{key!r}]")
    elif isinstance(value, (list, tuple)):
        for i, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{i}]")
    else:
        yield path, value


def changes(before: Any, after: Any, arrays: list[tuple[str, Any]], names: list[str]) -> dict[str, list[str]]:
    """What a call did to its arguments: arrays whose values changed; entries that were replaced, added or removed."""
    old = {path: value for name, one in zip(names, before) for path, value in leaves(one, name)}
    in_place = [path for path, array in arrays if isinstance(array, np.ndarray)
                and not np.array_equal(array, old[path], equal_nan=array.dtype.kind in "fc")]
    new = {path: value for name, one in zip(names, after) for path, value in leaves(one, name)}
    kept = {path: array for path, array in arrays}
    entries = [path for path in [*old, *(p for p in new if p not in old)]
               if path not in in_place and (path not in new or path not in old or new[path] is not kept[path])]
    return {"in place": in_place, "entries": entries}


def call(function: Any, arguments: bytes, learner: Any, seed: int) -> Plain:
    """One call with fresh arguments: what it returned or raised, and which arguments it changed."""
    given, pristine = pickle.loads(arguments), pickle.loads(arguments)
    try:
        names = [*inspect.signature(function).parameters]
    except (TypeError, ValueError):
        names = []
    names += [f"argument {i + 1}" for i in range(len(names), len(given))]
    arrays = [leaf for name, one in zip(names, given) for leaf in leaves(one, name)]
    np.random.seed(seed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with np.errstate(all="warn"):  # a learner's own np.seterr("raise") holds in its function only
                value = function(*given)
        return {"returned": plain(value), "changed": changes(pristine, given, arrays, names)}
    except BaseException as error:  # SystemExit and KeyboardInterrupt too: whatever the learner's code raises
        return {"raised": learner.short_traceback(error), "kind": type(error).__name__,
                "asks": isinstance(error, AsksForInput)}


# ------------------------------------------------------------------------------------------- a learner's file


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

    def load(self, progress: Any) -> None:
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
            progress(f"{statement.cell.name}, line {node.lineno}")
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
                                      f"{type(error).__name__}")
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
                own.append(f"{frame.filename}, line {frame.lineno}, in {frame.name}\n    {frame.line}"
                           if frame.name != "<module>" else f"{frame.filename}, line {frame.lineno}\n    {frame.line}")
        if len(own) > 6:
            own = [*own[:3], f"... {len(own) - 6} more lines ...", *own[-3:]]
        message = str(error).strip()
        return "\n".join([*own, f"{type(error).__name__}: {message}" if message else type(error).__name__])

    def calls(self, name: str, arguments: list[bytes], week: int, replace: bool, seed: int) -> list[Plain]:
        """The function, called with each of the arguments; `replace`: with the course's functions as its helpers."""
        kept = dict(self.namespace)
        if replace:
            right = {**EDITIONS[week]}
            self.namespace.update({other: value for other, value in right.items() if other != name and other in kept})
        try:
            function = self.namespace[name]
            return [call(function, one, self, seed) for one in arguments]
        finally:
            self.namespace.clear()
            self.namespace.update(kept)


def _defines(node: ast.stmt) -> bool:
    return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom))


def _sets_something(node: ast.Expr) -> bool:
    """np.random.seed(1), plt.rcParams.update(...), sys.path.append(...): called for what it does."""
    text = ast.unparse(node)
    return any(word in text for word in ("seed", "rcParams", "path.append", "path.insert", "set_printoptions"))


# ------------------------------------------------------------------------------------------------ the process


def read(stream: BinaryIO) -> Any:
    """The next message, or None at the end."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    return pickle.loads(stream.read(LENGTH.unpack(head)[0]))


def write(stream: BinaryIO, message: Any) -> None:
    data = pickle.dumps(message)
    stream.write(LENGTH.pack(len(data)) + data)
    stream.flush()


def main() -> None:
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    sys.stdin, sys.stdout, sys.stderr = (open(os.devnull, mode) for mode in ("r", "w", "w"))
    builtins.input = no_input
    sys.argv = ["learner"]
    learner: Learner | None = None
    while (request := read(requests)) is not None:
        if request["do"] == "load":
            learner = Learner(Path(request["path"]))
            try:
                learner.load(lambda where: write(answers, {"at": where}))
            except (loading.Unreadable, OSError) as error:
                write(answers, {"done": {"functions": {}, "problem": str(error), "notes": [], "supplied": []}})
                continue
            write(answers, {"done": learner.describe()})
        elif learner is not None:
            write(answers, {"done": learner.calls(request["name"], request["arguments"], request["week"],
                                                  request["replace"], request["seed"])})


if __name__ == "__main__":
    main()
