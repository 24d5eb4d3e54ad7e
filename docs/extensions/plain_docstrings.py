"""Our docstrings for Sphinx, and formulas as MathML.

The docstrings are plain text with code in backticks, as `help()` shows them. Sphinx reads reStructuredText, where
``|W|`` or ``2 ** x`` would be markup: what stands outside of code is escaped. A paragraph whose lines begin with
"name:" lists arguments or attributes.
"""
from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx

CODE = re.compile(r"(``.+?``|`[^`]+`)")
ENTRY = re.compile(r"(?:\*{0,2}\w+(?:, \*{0,2}\w+)*):(?: |$)")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", as_rst)
    app.add_node(nodes.math, override=True, html=(math, None))
    app.add_node(nodes.math_block, override=True, html=(math_block, None))
    app.set_html_assets_policy("per_page")
    return {"parallel_read_safe": True}


def as_rst(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Replace `lines`, a docstring, by what reStructuredText shows as the same text."""
    out: list[str] = []
    for paragraph in "\n".join(lines).strip().split("\n\n"):
        rows = paragraph.split("\n")
        if paragraph.lstrip().startswith(">>>"):
            out += [*rows, ""]
        elif all(row.startswith("    ") for row in rows):
            out += ["::", "", *rows, ""]
        else:
            for is_entry, block in [(False, "\n".join(rows))] if what == "module" else _blocks(rows):
                if is_entry:
                    head, _, rest = block.partition(":")
                    block = f"**{head}**: {escaped(rest.strip())}"
                out += [block if is_entry else escaped(block), ""]
    lines[:] = out


def _blocks(rows: list[str]) -> Iterator[tuple[bool, str]]:
    """A paragraph cut where a line begins with "name:" or, after such lines, with text of its own."""
    block: list[str] = []
    for row in rows:
        begins = ENTRY.match(row) is not None
        ends = bool(block) and (begins or ENTRY.match(block[0]) is not None and re.match("[A-Z]", row) is not None
                                and block[-1].endswith("."))
        if ends:
            yield ENTRY.match(block[0]) is not None, " ".join(block)
            block = []
        block.append(row.strip() if block else row)
    yield ENTRY.match(block[0]) is not None, " ".join(block)


def escaped(text: str) -> str:
    """Everything outside of backticks with its markup characters escaped."""
    return "".join(part if part.startswith("`") else re.sub(r"([\\*|_])", r"\\\1", part) for part in CODE.split(text))


def math(visitor: Any, node: nodes.Element) -> None:
    visitor.body.append(convert(node.astext()))
    raise nodes.SkipNode


def math_block(visitor: Any, node: nodes.Element) -> None:
    visitor.body.append(f'<div class="math">{convert(node.astext(), display="block")}</div>')
    raise nodes.SkipNode
