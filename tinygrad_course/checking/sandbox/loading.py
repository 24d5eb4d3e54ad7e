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
CELLS_OF_PYTHON = re.compile(r"^%%(time|timeit|capture)\b")


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


def parse(cell: Cell) -> list[Statement]:
    """The statements of a cell. Raises Unreadable with the line that Python does not understand."""
    try:
        # Of no name: for one that it does not understand Python would read the file of that name, wherever it is.
        return [Statement(cell, node) for node in ast.parse(cell.source, "<learner>").body]
    except SyntaxError as error:
        lines = cell.source.splitlines()
        line = lines[error.lineno - 1] if error.lineno and error.lineno <= len(lines) else ""
        shown = f"\n    {line.strip()}" if 0 < len(line.strip()) < 200 else ""
        if shown and error.offset:
            shown += "\n    " + " " * max(0, error.offset - 1 - (len(line) - len(line.lstrip()))) + "^"
        raise Unreadable(f"{cell.name}, line {error.lineno}: {error.msg}{shown}") from None
    except ValueError as error:
        raise Unreadable(f"{cell.name}: {error}") from None


def defined_functions(statements: list[Statement]) -> dict[str, Statement]:
    """The functions that are defined at the top level, the last of each name."""
    return {s.node.name: s for s in statements if isinstance(s.node, (ast.FunctionDef, ast.AsyncFunctionDef))}


def names_called(node: ast.AST) -> set[str]:
    return {call.func.id for call in ast.walk(node) if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)}


def names_used(node: ast.AST) -> set[str]:
    return {name.id for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Load)}


def names_bound(node: ast.AST) -> set[str]:
    return {name.id for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)}


def names_imported(node: ast.AST) -> set[str]:
    return {(alias.asname or alias.name).split(".")[0] for one in ast.walk(node)
            if isinstance(one, (ast.Import, ast.ImportFrom)) for alias in one.names}
