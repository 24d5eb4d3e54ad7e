"""How results show themselves: as text at a prompt, as tables in a notebook."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

LEFT = '"text-align:left"'


class Explanation(str):
    """A text that a prompt and a notebook show as it is, with its lines."""

    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True, repr=False)
class Table:
    """Cells that show themselves in columns. title, heading, below: each may be empty."""

    title: str
    heading: Sequence[str]
    rows: Sequence[Sequence[str]]
    below: str = ""

    def __repr__(self) -> str:
        rows = [self.heading, *self.rows] if self.heading else self.rows
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths)).rstrip() for row in rows]
        return "\n".join(line for line in (self.title, *lines, self.below) if line)

    def _repr_html_(self) -> str:
        """In the notebook's own style, and so light or dark as that is."""
        def row(cells: Sequence[str], kind: str) -> str:
            return f"<tr>{''.join(f'<{kind} style={LEFT}>{escape(cell)}</{kind}>' for cell in cells)}</tr>"
        title = f"<caption style={LEFT}>{escape(self.title)}</caption>" if self.title else ""
        heading = f"<thead>{row(self.heading, 'th')}</thead>" if self.heading else ""
        below = f"<p>{escape(self.below)}</p>" if self.below else ""
        body = "".join(row(cells, "td") for cells in self.rows)
        return f"<table>{title}{heading}<tbody>{body}</tbody></table>{below}"
