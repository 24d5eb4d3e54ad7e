"""A learner's file as statements that can be run one by one: Python files, and the code cells of notebooks."""
from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

MAGIC = re.compile(r"^\s*(%|!|\?|[\w.]+\?{1,2}\s*$)")
ASSIGNED_MAGIC = re.compile(r"^\s*[\w, ]+=\s*(!|%\w)")
LARGEST, LARGEST_CODE = 50 * 2**20, 5 * 2**20  # bytes of a notebook, with its outputs, and of a Python file
CELLS_OF_PYTHON = re.compile(r"^%%(time|timeit|capture|check)\b")


class Unreadable(Exception):
    """The file cannot be read as Python or as a notebook; the message says why."""


class Cell(NamedTuple):
    """Python source; `name` is what a traceback calls it ("cell 3", or the file's name)."""
    name: str
    source: str


class Statement(NamedTuple):
    cell: Cell
    node: ast.stmt


def read_cells(path: Path) -> tuple[list[Cell], list[str]]:
    """The source of a file, a notebook cell by cell without magics, and notes on what was left out."""
    if path.stat().st_size > (LARGEST if path.suffix.lower() == ".ipynb" else LARGEST_CODE):
        raise Unreadable(f"{path.name} has {path.stat().st_size:,} bytes, which is no homework: "
                         "in a notebook, clear the outputs")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"{path.name} is not text in UTF-8 (byte {error.start}): save it again as UTF-8") from None
    if path.suffix.lower() != ".ipynb":
        return [Cell(path.name, text)], []
    try:
        notebook = json.loads(text)
    except json.JSONDecodeError as error:
        raise Unreadable(f"{path.name} is not a notebook: it is not JSON (line {error.lineno}: {error.msg}). Open it "
                         "in Jupyter and save it again; a Python file needs the ending .py") from None
    except (ValueError, RecursionError):  # numbers of thousands of digits, lists in thousands of lists
        raise Unreadable(f"{path.name} is not a notebook: its JSON has numbers that are too long, or is nested too "
                         "deeply. Open it in Jupyter and save it again") from None
    return _notebook_cells(path, notebook)


def _notebook_cells(path: Path, notebook: Any) -> tuple[list[Cell], list[str]]:
    listed = notebook.get("cells") if isinstance(notebook, dict) else None
    if listed is None and isinstance(notebook, dict) and isinstance(notebook.get("worksheets"), list):
        sheets = [sheet.get("cells") for sheet in notebook["worksheets"] if isinstance(sheet, dict)]  # format 3
        listed = [cell for cells in sheets if isinstance(cells, list) for cell in cells]
    if not isinstance(listed, list):
        raise Unreadable(f"{path.name} is JSON but no notebook: it has no list of cells")
    cells, notes, number = [], [], 0
    for one in listed:
        if not isinstance(one, dict) or one.get("cell_type") != "code":
            continue
        number += 1
        source: Any = one.get("source", one.get("input", ""))
        name = f"cell {number}"
        lines: list[Any] = source if isinstance(source, list) else [source]
        if not all(isinstance(line, str) for line in lines):
            notes.append(f"{name}: skipped, its source is not text")
            continue
        source = "".join(lines)
        first = next((line for line in source.splitlines() if line.strip()), "")
        if first.startswith("%%") and not CELLS_OF_PYTHON.match(first):
            notes.append(f"{name}: skipped, it begins with {first.split()[0]}")
            continue
        cells.append(Cell(name, without_magics(source)))
    return cells, notes


def without_magics(source: str) -> str:
    """The source with each magic replaced by `pass`, so that line numbers stay."""
    try:
        ast.parse(source)
        return source  # a line of Python may well begin with %
    except (SyntaxError, ValueError):
        return "\n".join(re.sub(r"\S.*", "pass", line) if MAGIC.match(line) or ASSIGNED_MAGIC.match(line) else line
                         for line in source.splitlines())


# ------------------------------------------------------------------------------------ statements, one by one

# Jupyter runs these without the %; a learner's own name is no magic where something else follows it.
AUTOMAGIC = re.compile(r"^(cd|ls|pwd|cat|pip|conda|apt-get|wget|mkdir|rm|cp|mv|head|tail|who|whos|git|unzip)"
                       r"(\s+[^=(\s].*)?$")
PRINT = re.compile(r"^(\s*|.*:\s+)print\s+(?![=(.\[])(.+?)\s*$")
PRINT_OF_BRACKETS = re.compile(r"^(\s*|.*:\s+)print\s*(\(.*\)\s*[%,].*)$")
EXCEPT = re.compile(r"^(\s*except\s+[\w.]+)\s*,\s*(\w+)\s*:")
BLANK = re.compile(r"^\s*[\w.\[\]\"'+() ]+(,\s*[\w.\[\]\"'+() ]+)*\s*=\s*(#.*)?$", re.MULTILINE)
DEFINITION = re.compile(r"^\s*(?:async\s+)?def\s+(\w+)", re.MULTILINE)
CONTINUES = re.compile(r"^(else|elif|except|finally)\b|^[)\]}]")
FURTHER = 60  # top-level pieces that may belong to one statement: a bracket or a text over many lines


class Bad(NamedTuple):
    """A piece of a cell that is not Python. functions: those that it defines. blank: a template, not filled in."""
    cell: Cell
    line: int
    said: str
    functions: list[str]
    blank: bool


class Parsed(NamedTuple):
    statements: list[Statement]
    bad: list[Bad]
    notes: list[str]


def parse(cell: Cell) -> Parsed:
    """The statements of a cell; what Python does not understand costs its own top-level piece only."""
    found = Parsed([], [], [])
    lines = [line if line.strip() != ";" else "" for line in cell.source.expandtabs(8).splitlines()]
    tree = _tree("\n".join(lines))
    if isinstance(tree, ast.Module):
        found.statements.extend(Statement(cell, node) for node in tree.body)
        return found
    starts = _starts(lines)
    place = 0
    while place < len(starts):
        place = _piece(cell, lines, starts, place, found)
    return found


def _starts(lines: list[str]) -> list[int]:
    """Where top-level pieces begin."""
    starts: list[int] = []
    for number, line in enumerate(lines):
        begins = bool(line.strip()) and not line[0].isspace() and not line.startswith("#") and not CONTINUES.match(line)
        if begins and not (starts and lines[starts[-1]].startswith("@") and number == starts[-1] + 1):
            starts.append(number)
    return starts or [0]


def _piece(cell: Cell, lines: list[str], starts: list[int], place: int, found: Parsed) -> int:
    """Parse one piece, with as many of the next ones as it takes; the place of the one behind it."""
    first = starts[place]
    ends = [*starts[1:], len(lines)]
    error: SyntaxError | ValueError | None = None
    for last in range(place, min(place + FURTHER, len(starts))):
        tree = _tree("\n" * first + "\n".join(lines[first:ends[last]]))
        if isinstance(tree, ast.Module):
            found.statements.extend(Statement(cell, node) for node in tree.body)
            return last + 1
        error = error or tree
    piece = lines[first:ends[place]]
    where = f"{cell.name}, line {first + 1}"
    if AUTOMAGIC.match(piece[0].strip()):
        found.notes.append(f"{where}: skipped, `{piece[0].strip()[:60]}` is a command of Jupyter")
        rest = _tree("\n" * (first + 1) + "\n".join(piece[1:]))
        if isinstance(rest, ast.Module):
            found.statements.extend(Statement(cell, node) for node in rest.body)
        return place + 1
    older = [_newer(line) for line in piece]
    tree = _tree("\n" * first + "\n".join(older))
    if isinstance(tree, ast.Module):
        found.notes.append(f"{where}: read as Python 2; in Python 3 it is print(...)")
        found.statements.extend(Statement(cell, node) for node in tree.body)
        return place + 1
    assert error is not None
    text = "\n".join(piece)
    number = getattr(error, "lineno", None) or first + 1
    found.bad.append(Bad(cell, number, _shown(cell, error), DEFINITION.findall(text), bool(BLANK.search(text))))
    return place + 1


def _newer(line: str) -> str:
    """A line of Python 2 in Python 3."""
    for pattern in (PRINT, PRINT_OF_BRACKETS):
        line = pattern.sub(r"\1print(\2)", line)
    return EXCEPT.sub(r"\1 as \2:", line)


def _tree(source: str) -> ast.Module | SyntaxError | ValueError:
    try:
        # Of no name: for one that it does not understand Python would read the file of that name, wherever it is.
        return ast.parse(source, "<learner>")
    except (SyntaxError, ValueError) as error:
        return error


def _shown(cell: Cell, error: SyntaxError | ValueError) -> str:
    """The line that Python does not understand."""
    if not isinstance(error, SyntaxError):
        return f"{cell.name}: {error}"
    lines = cell.source.splitlines()
    line = lines[error.lineno - 1] if error.lineno and error.lineno <= len(lines) else ""
    shown = f"\n    {line.strip()}" if 0 < len(line.strip()) < 200 else ""
    if shown and error.offset:
        shown += "\n    " + " " * max(0, error.offset - 1 - (len(line) - len(line.lstrip()))) + "^"
    return f"{cell.name}, line {error.lineno}: {error.msg}{shown}"


# -------------------------------------------------------------------------------------------- what is in them


def defined_functions(statements: list[Statement]) -> dict[str, Statement]:
    """The functions that are defined at the top level, the last of each name; methods where no function has the name.

    A method's name is with its class: "Network.propagate".
    """
    functions = {s.node.name: s for s in statements if isinstance(s.node, (ast.FunctionDef, ast.AsyncFunctionDef))}
    for s in statements:
        if isinstance(s.node, ast.ClassDef):
            for node in s.node.body:
                if isinstance(node, ast.FunctionDef) and node.name not in functions:
                    functions[f"{s.node.name}.{node.name}"] = Statement(s.cell, node)
    return functions


def is_blank(node: ast.AST) -> bool:
    """Whether a function is a template that was not filled in: no body to speak of, or names that are set to None."""
    assert isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    body = [one for one in node.body if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))]
    if not body or all(isinstance(one, ast.Pass) for one in body):
        return True
    raised = body[0].exc if isinstance(body[0], ast.Raise) else None
    if raised is not None and "NotImplemented" in ast.unparse(raised):
        return True
    empty = {name.id for one in ast.walk(node) if isinstance(one, ast.Assign) and _is_none(one.value)
             for target in one.targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    others = {name.id for one in ast.walk(node) if isinstance(one, (ast.Assign, ast.AugAssign, ast.For))
              and not _is_none(getattr(one, "value", None)) for name in ast.walk(one)
              if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)}
    return bool((empty - others) & names_used(node))


def _is_none(value: ast.AST | None) -> bool:
    if isinstance(value, ast.Tuple):
        return all(map(_is_none, value.elts))
    return isinstance(value, ast.Constant) and value.value is None


def attributes_of(node: ast.AST, module: str) -> set[str]:
    """The names that are taken from a module: {"int", "dot"} for np.int and np.dot."""
    return {one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name)
            and one.value.id == module}


def names_called(node: ast.AST) -> set[str]:
    """Functions, and methods of self."""
    return {call.func.id if isinstance(call.func, ast.Name) else call.func.attr
            for call in ast.walk(node) if isinstance(call, ast.Call)
            and (isinstance(call.func, ast.Name) or isinstance(call.func, ast.Attribute)
                 and isinstance(call.func.value, ast.Name) and call.func.value.id == "self")}


def names_used(node: ast.AST) -> set[str]:
    return {name.id for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Load)}


def names_bound(node: ast.AST) -> set[str]:
    return {name.id for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)}


def names_imported(node: ast.AST) -> set[str]:
    return {(alias.asname or alias.name).split(".")[0] for one in ast.walk(node)
            if isinstance(one, (ast.Import, ast.ImportFrom)) for alias in one.names}
