"""What was found, for people (text, tables, HTML) and for programs (`as_dict`)."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from tinygrad_course.errors import printable

RIGHT, WRONG, UNCHECKED, CHANGES = "right", "wrong", "not checked", "changes its arguments"


@dataclass
class Explained:
    """One mistake in words.

    quantity: whose formula is wrong. mistake: its name; "" where none was recognised. yours, right: formulas.
    affects: the results that are wrong because of it. numbers: how far off, where no mistake was recognised.
    """
    quantity: str
    mistake: str
    why: str = ""
    yours: str = ""
    right: str = ""
    hidden: bool = False
    affects: list[str] = field(default_factory=list)
    numbers: str = ""

    def lines(self) -> list[str]:
        head = f"{self.quantity}: " if self.quantity else ""
        if not self.mistake:
            lines = [f"{head}wrong, and none of the known mistakes gives these numbers"]
            lines += [f"  {line}" for line in ([self.numbers] if self.numbers else [])]
            lines += [f"  right:  {self.right}"] if self.right else []
            return lines + ([f"  {self.why}"] if self.why else [])
        lines = [head + self.mistake]
        if self.hidden:
            lines[0] += f"  (not returned, but {listed(self.affects)} show it)"
        said = ("yours:  ", self.yours), ("right:  ", self.right), ("why:    ", self.why)
        lines += [f"  {label}{text}" for label, text in said if text]
        if self.affects and not self.hidden:
            lines.append(f"  {listed(self.affects)} come{'s' * (len(self.affects) == 1)} out wrong because of it")
        return lines

    def as_dict(self) -> dict[str, Any]:
        return {"quantity": self.quantity, "mistake": self.mistake or None, "why": self.why, "yours": self.yours,
                "right": self.right, "returned": not self.hidden, "affects": self.affects, "numbers": self.numbers}


@dataclass
class Verdict:
    """One function. results: each returned quantity and whether it is right, where that could be seen."""
    name: str
    status: str
    summary: str = ""
    mistakes: list[Explained] = field(default_factory=list)
    details: list[str] = field(default_factory=list)  # a traceback, a form that is not the course's
    notes: list[str] = field(default_factory=list)
    results: dict[str, bool] = field(default_factory=dict)
    place: str = ""

    @property
    def ok(self) -> bool:
        return self.status == RIGHT

    def lines(self) -> list[str]:
        found = [line for text in self.details for line in text.splitlines()]
        for mistake in self.mistakes:
            found += mistake.lines()
        return found + [f"note: {note}" for note in self.notes]

    def as_dict(self) -> dict[str, Any]:
        return {"function": self.name, "status": self.status, "summary": self.summary, "results": self.results,
                "mistakes": [mistake.as_dict() for mistake in self.mistakes], "details": self.details,
                "notes": self.notes, "place": self.place}


CONVENTION = ("dZ and dA are as in the course: m times the derivative of the cost J; the 1/m is applied once, in dW "
              "and db.")


@dataclass
class Report:
    """The verdicts on a learner's functions. Prints as text; in a notebook it is a table.

    exit_status: 0 all right, 1 something is wrong, 2 something could not be checked and nothing is known to be wrong.
    problem: why the file could not be read or imported; "" if it could.
    """
    title: str
    verdicts: list[Verdict]
    problem: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.exit_status == 0

    @property
    def exit_status(self) -> int:
        if self.problem:
            return 2
        statuses = {verdict.status for verdict in self.verdicts}
        return 1 if WRONG in statuses else 2 if statuses - {RIGHT} or not statuses else 0

    def text(self) -> str:
        lines = [self.title, ""]
        if self.problem:
            lines += ["The file does not import:", *("  " + line for line in self.problem.splitlines()), ""]
        if self.verdicts:
            width = max(len(verdict.name) for verdict in self.verdicts)
            broad = max(len(verdict.status) for verdict in self.verdicts)
            lines += [f"{v.name:<{width}}  {v.status:<{broad}}  {v.summary}".rstrip() for v in self.verdicts] + [""]
        elif not self.problem:
            lines += ["None of the course's functions was found in it.", ""]
        for verdict in self.verdicts:
            if found := verdict.lines():
                lines += [f"{verdict.name}" + (f" ({verdict.place})" if verdict.place else ""),
                          *("  " + line for line in found), ""]
        if any(mistake.quantity.startswith(("dZ", "dA")) for v in self.verdicts for mistake in v.mistakes):
            lines += [CONVENTION, ""]
        lines += [f"note: {note}" for note in self.notes]
        return printable("\n".join(lines).rstrip(), lines=True) + "\n"

    def __str__(self) -> str:
        return self.text()

    def as_dict(self) -> dict[str, Any]:
        return {"title": self.title, "ok": self.ok, "exit_status": self.exit_status, "problem": self.problem,
                "functions": [verdict.as_dict() for verdict in self.verdicts], "notes": self.notes}

    def __rich__(self) -> Any:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        colours = {RIGHT: "green", WRONG: "red", UNCHECKED: "yellow", CHANGES: "yellow"}
        table = Table(title=Text(printable(self.title)), title_justify="left")
        for column in ("function", "verdict", ""):
            table.add_column(column)
        for verdict in self.verdicts:
            table.add_row(Text(printable(verdict.name)), Text(verdict.status, colours[verdict.status]),
                          Text(printable(verdict.summary)))
        below = Report("", self.verdicts, self.problem, self.notes).text().splitlines()
        skip = len(self.verdicts) + 1 if self.verdicts and not self.problem else 0
        return Group(table, Text("\n".join(below[2 + skip:]))) if self.verdicts else Text(self.text())

    def _repr_html_(self) -> str:
        colours = {RIGHT: "#1a7f37", WRONG: "#cf222e", UNCHECKED: "#9a6700", CHANGES: "#9a6700"}
        rows = "".join(
            f"<tr><td style='text-align:left'><code>{escape(v.name)}</code></td>"
            f"<td style='text-align:left;color:{colours[v.status]}'>{escape(v.status)}</td>"
            f"<td style='text-align:left'>{escape(v.summary)}</td></tr>" for v in self.verdicts)
        below = "".join(f"<p><b><code>{escape(v.name)}</code></b></p><pre>{escape(chr(10).join(v.lines()))}</pre>"
                        for v in self.verdicts if v.lines())
        problem = f"<p>The file does not import:</p><pre>{escape(self.problem)}</pre>" if self.problem else ""
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        return f"<p><b>{escape(self.title)}</b></p>{problem}<table>{rows}</table>{below}{notes}"


def listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""
