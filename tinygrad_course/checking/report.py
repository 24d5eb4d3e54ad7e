"""What was found, for people (text, tables, HTML) and for programs (`as_dict`)."""
from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from tinygrad_course.errors import printable

RIGHT, WRONG, RAISES, ANOTHER = "right", "wrong", "raises", "another interface"
NOT_DONE, UNCHECKED = "not done yet", "not checked"
MARKS = {RIGHT: "+", WRONG: "x", RAISES: "x", ANOTHER: "+", NOT_DONE: "o", UNCHECKED: "?"}  # without colour, too
COLOURS = {RIGHT: ("green", "#1a7f37"), ANOTHER: ("green", "#1a7f37"), WRONG: ("red", "#cf222e"),
           RAISES: ("red", "#cf222e"), NOT_DONE: ("yellow", "#9a6700"), UNCHECKED: ("yellow", "#9a6700")}
WHERE, KIND, CHANGE = 1, 2, 3  # how much help is given: where the mistake is, of what kind, and the right formula
WIDTH = 120  # of text; on a terminal its own


@dataclass
class Explained:
    """One mistake in words.

    quantity: whose formula is wrong. mistake: its name; "" where none was recognised. yours, right: formulas.
    affects: the results that are wrong because of it. numbers: how far off, where no mistake was recognised; details:
    more about that. line, code: where in the learner's source, and that line; 0 and "" where that is not known.
    change: the smallest change of the learner's own line that makes the function right.
    """
    quantity: str
    mistake: str
    why: str = ""
    yours: str = ""
    right: str = ""
    hidden: bool = False
    affects: list[str] = field(default_factory=list)
    numbers: str = ""
    details: str = ""
    line: int = 0
    code: str = ""
    change: str = ""

    def lines(self, hint: int = CHANGE, details: bool = True) -> list[str]:
        head = f"{self.quantity}: " if self.quantity else ""
        where = [f"  line {self.line}:  {self.code}"] if self.line else []
        if hint == WHERE:
            return [head + "wrong" + self.shown_by(), *where]
        if not self.mistake:
            lines = [f"{head}wrong, and none of the known mistakes gives these numbers"]
            lines += [f"  {line}" for line in (self.numbers, self.details * details) if line]
            lines += [f"  right:  {self.right}"] if self.right and hint == CHANGE else []
            return lines + where + ([f"  {self.why}"] if self.why else [])
        said = [("", self.numbers), ("yours:  ", self.yours), ("why:    ", self.why)]
        if hint == CHANGE:
            said[2:2] = [("right:  ", self.right), ("change: ", self.change)]
        lines = [head + self.mistake + self.shown_by(), *where]
        lines += [f"  {label}{text}" for label, text in said if text]
        if self.affects and not self.hidden:
            lines.append(f"  {listed(self.affects)} come{'s' * (len(self.affects) == 1)} out wrong because of it")
        return lines

    def shown_by(self) -> str:
        if not self.hidden or not self.affects:
            return ""
        return f"  (not returned, but {listed(self.affects)} show{'s' * (len(self.affects) == 1)} it)"

    def as_dict(self) -> dict[str, Any]:
        return {"quantity": self.quantity, "mistake": self.mistake or None, "why": self.why, "yours": self.yours,
                "right": self.right, "returned": not self.hidden, "affects": self.affects, "numbers": self.numbers,
                "line": self.line or None, "code": self.code, "change": self.change}


@dataclass
class Verdict:
    """One function. results: each returned quantity and whether it is right, where that could be seen.

    because_of: helpers that are wrong and because of which this function goes wrong; it is right by itself.
    """
    name: str
    status: str
    summary: str = ""
    mistakes: list[Explained] = field(default_factory=list)
    details: list[str] = field(default_factory=list)  # a traceback, a form that is not the course's
    notes: list[str] = field(default_factory=list)
    results: dict[str, bool] = field(default_factory=dict)
    place: str = ""
    because_of: list[str] = field(default_factory=list)
    forms: dict[Any, Any] = field(default_factory=dict)  # what was returned in another form, by the group of cases

    @property
    def ok(self) -> bool:
        return self.status in (RIGHT, ANOTHER)

    @property
    def wrong(self) -> bool:
        return self.status in (WRONG, RAISES)

    def lines(self, hint: int = CHANGE, details: bool = True) -> list[str]:
        found = [line for text in self.details for line in text.splitlines()]
        for mistake in self.mistakes:
            found += mistake.lines(hint, details)
        return found + [f"note: {note}" for note in self.notes]

    def said(self, hint: int = CHANGE) -> str:
        if hint > WHERE or not self.mistakes:
            return self.summary
        return f"{listed(list(dict.fromkeys(m.quantity for m in self.mistakes if m.quantity)))} wrong".strip()

    def as_dict(self) -> dict[str, Any]:
        return {"function": self.name, "status": self.status, "summary": self.summary, "results": self.results,
                "mistakes": [mistake.as_dict() for mistake in self.mistakes], "details": self.details,
                "notes": self.notes, "place": self.place, "because_of": self.because_of}


CONVENTION = ("dZ and dA are as in the course: m times the derivative of the cost J; the 1/m is applied once, in dW "
              "and db.")


@dataclass(repr=False)
class Report:
    """The verdicts on a learner's functions. Prints as text; in a notebook it is a table.

    exit_status: 1 if anything is wrong, 2 if nothing could be checked, 0 otherwise.
    problem: why the file, or a part of it, could not be read or run; "" if it could.
    not_looked_at: what else the file defines. hint: how much help the text gives, from 1 to 3.
    """
    title: str
    verdicts: list[Verdict]
    problem: str = ""
    notes: list[str] = field(default_factory=list)
    not_looked_at: list[str] = field(default_factory=list)
    hint: int = CHANGE
    with_details: bool = True

    @property
    def ok(self) -> bool:
        return self.exit_status == 0

    @property
    def exit_status(self) -> int:
        if any(verdict.wrong for verdict in self.verdicts):
            return 1
        return 0 if any(verdict.ok for verdict in self.verdicts) else 2

    def text(self) -> str:
        lines = [self.title, ""]
        if self.verdicts:
            lines += [*self.table(), ""]
        return printable("\n".join([*lines, *self.below()]).rstrip(), lines=True) + "\n"

    def table(self) -> Iterator[str]:
        width = max(len(verdict.name) for verdict in self.verdicts)
        broad = max(len(verdict.status) for verdict in self.verdicts)
        for v in self.verdicts:
            start = f"{MARKS[v.status]} {v.name:<{width}}  {v.status:<{broad}}  "
            yield from wrapped(v.said(self.hint), start, " " * len(start))

    def below(self, width: int = WIDTH) -> Iterator[str]:
        """What stands under the table."""
        if self.problem:
            yield from ["Not all of it could be read or run:", *("  " + line for line in self.problem.splitlines()), ""]
        if not self.verdicts and not self.problem:
            yield from ["None of the course's functions was found in it.", ""]
            yield from self.advice(width)
        for verdict in self.verdicts:
            if found := verdict.lines(self.hint, self.with_details):
                yield verdict.name + (f" ({verdict.place})" if verdict.place else "")
                for line in found:
                    yield from indented(line, width)
                yield ""
        if any(mistake.quantity.startswith(("dZ", "dA")) for v in self.verdicts for mistake in v.mistakes):
            yield from wrapped(CONVENTION, width=width)
            yield ""
        if self.not_looked_at:
            yield from wrapped(f"not looked at: {listed(self.not_looked_at)}", "", "  ", width)
        for note in self.notes:
            yield from wrapped(f"note: {note}", "", "  ", width)

    def advice(self, width: int) -> Iterator[str]:
        """How to check functions that are not the course's."""
        backward = [name for name in self.not_looked_at if "back" in name.lower() or "grad" in name.lower()]
        if self.not_looked_at:
            name = (backward or self.not_looked_at)[0].split(" ")[0]
            yield from wrapped("A gradient function of any other kind is checked in Python, against a model that "
                               "computes the same:", "", "", width)
            yield "  from tinygrad_course import nn"
            yield "  from tinygrad_course.compare import check_backward"
            yield "  model = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 3), nn.Softmax())  # as yours"
            yield f"  check_backward({name}, model, X, Y)    # examples=\"rows\" for one example per row"
            yield ""

    def __repr__(self) -> str:
        return self.text()

    def as_dict(self) -> dict[str, Any]:
        return {"title": self.title, "ok": self.ok, "exit_status": self.exit_status, "problem": self.problem,
                "functions": [verdict.as_dict() for verdict in self.verdicts], "notes": self.notes,
                "not_looked_at": self.not_looked_at}

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        from rich.table import Table
        from rich.text import Text

        below = Text(printable("\n".join(self.below(options.max_width)), lines=True))
        if not self.verdicts:
            yield from (Text(printable(self.title)), below)
            return
        table = Table(title=Text(printable(self.title)), title_justify="left")
        for column in ("function", "verdict", ""):
            table.add_column(column)
        for verdict in self.verdicts:
            status = Text(f"{MARKS[verdict.status]} {verdict.status}", COLOURS[verdict.status][0])
            table.add_row(Text(printable(verdict.name)), status, Text(printable(verdict.said(self.hint))))
        yield from (table, below)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td style='text-align:left'><code>{escape(v.name)}</code></td>"
            f"<td style='text-align:left;color:{COLOURS[v.status][1]}'>{MARKS[v.status]} {escape(v.status)}</td>"
            f"<td style='text-align:left'>{escape(v.said(self.hint))}</td></tr>" for v in self.verdicts)
        below = "".join(map(self._verdict_html, self.verdicts))
        problem = f"<p>Not all of it could be read or run:</p><pre>{escape(self.problem)}</pre>" * bool(self.problem)
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        return f"<p><b>{escape(self.title)}</b></p><table>{rows}</table>{below}{problem}{notes}"

    def _verdict_html(self, verdict: Verdict) -> str:
        """Where the mistake is, and the rest behind a button each: first its kind, then the change."""
        if not verdict.lines():
            return ""
        shown = f"<p><b><code>{escape(verdict.name)}</code></b></p>"
        levels = [(WHERE, "where"), (KIND, "what kind"), (CHANGE, "the change")] if verdict.mistakes else [(CHANGE, "")]
        for level, said in levels:
            text = f"<pre>{escape(chr(10).join(verdict.lines(level)))}</pre>"
            shown += text if level <= min(self.hint, KIND) or len(levels) == 1 else (
                f"<details><summary>{said}</summary>{text}</details>")
        return shown


def wrapped(text: str, start: str = "", after: str = "", width: int = WIDTH) -> list[str]:
    """Lines of a readable width; those after the first are indented."""
    return textwrap.wrap(text, max(width, 40), initial_indent=start, subsequent_indent=after, break_long_words=False,
                         break_on_hyphens=False) or [start.rstrip()]


LABELS = ("right:  ", "yours:  ", "why:    ", "change: ", "note: ")


def indented(line: str, width: int = WIDTH) -> list[str]:
    """A line of a verdict; what does not fit stands under its text, a line of code stays as it is."""
    own = len(line) - len(line.lstrip())
    label = next((label for label in LABELS if line.lstrip().startswith(label)), "")
    if not label and own and not line.lstrip().startswith(("its shape", "the first", "worst")):
        return ["  " + line]
    deep = " " * (2 + own + len(label))
    return wrapped(line.lstrip()[len(label):], " " * (2 + own) + label, deep, width)


def listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""
