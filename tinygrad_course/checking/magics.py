"""In a notebook: `%load_ext tinygrad_course`, then `%%check` above a cell, or `check()` for all functions so far.

Both write what was run so far into a notebook of their own and check that as `tgc check` does, in its process.
"""
from __future__ import annotations

import ast
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tinygrad_course.checking.check_file import check_file
from tinygrad_course.checking.report import KIND, Report
from tinygrad_course.errors import InputError

NAME = "notebook.ipynb"


def load(shell: Any) -> None:
    """What `%load_ext tinygrad_course` does: the magic `%%check` and the function `check`."""
    def magic(line: str, cell: str) -> Report | None:
        """Run the cell, then check the functions that it defines. `%%check 3` tells the right formulas, too."""
        hint = _hint(line)
        if not shell.run_cell(cell).success:
            return None  # the cell's own error stands there already
        names = _defined(cell)
        if not names:
            print("%%check: no function is defined in this cell")
            return None
        return check_cells([*_run_before(shell), cell], only=names, hint=hint)

    def check(hint: int = KIND) -> Report:
        """Check all functions of the course that were defined so far."""
        return check_cells(_run_before(shell), hint=_hint(str(hint)))

    shell.register_magic_function(magic, magic_kind="cell", magic_name="check")
    shell.push({"check": check})


def check_cells(cells: Sequence[str], only: Sequence[str] = (), hint: int = KIND) -> Report:
    """Check functions in the source of a notebook's cells; files and modules are those of the current folder."""
    with tempfile.TemporaryDirectory(prefix="tgc-notebook-") as folder:
        for entry in os.scandir():
            if not entry.name.startswith(".") and entry.name != NAME:
                os.symlink(os.path.abspath(entry.path), os.path.join(folder, entry.name))
        path = Path(folder, NAME)
        path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [
            {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": cell}
            for cell in cells]}), encoding="utf-8")
        report = check_file(path, hint=hint, only=only)
    report.title = ", ".join(only) if only else "all functions so far"
    return report


def _run_before(shell: Any) -> list[str]:
    """The cells that were run so far, as they were typed."""
    cells = [str(cell) for cell in shell.history_manager.input_hist_raw if str(cell).strip()]
    # The cell that is being run is among them already.
    return cells[:-1] if cells and cells[-1].lstrip().startswith("%%check") else cells


def _defined(cell: str) -> list[str]:
    try:
        body = ast.parse(cell).body
    except SyntaxError:  # magics
        from tinygrad_course.checking.sandbox.loading import Cell, parse, without_magics
        body = [one.node for one in parse(Cell("cell", without_magics(cell))).statements]
    functions = [node.name for node in body if isinstance(node, ast.FunctionDef)]
    methods = [inner.name for node in body if isinstance(node, ast.ClassDef) for inner in node.body
               if isinstance(inner, ast.FunctionDef)]
    return functions + methods


def _hint(line: str) -> int:
    if line.strip() not in ("", "1", "2", "3"):
        raise InputError(f"%%check: {line.strip()!r} is no hint: write 1 (where), 2 (what kind) or 3 (the change)")
    return int(line.strip() or KIND)
