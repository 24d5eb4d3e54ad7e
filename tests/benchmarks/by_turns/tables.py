"""The tables: a row for each model, a column for each program; medians, their spread, and how many times ours."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median, quantiles
from typing import TYPE_CHECKING

from by_turns.rounds import Measured, Outcome
from by_turns.problems import KINDS
from by_turns.contestants import Contestant

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

CELL = 14  # letters of a column with its borders, no less

Of = Callable[[Measured], Sequence[float]]


def show(console: Console, outcomes: Sequence[Outcome], programs: Sequence[Contestant]) -> None:
    """Print the tables of time per step, whole training, fresh process and memory; those that were measured."""
    rounds = max((len(numbers.step) for outcome in outcomes for numbers in outcome.programs.values()), default=0)
    if rounds > 1:
        console.print(f"\nMedians of {rounds} rounds, and half the distance between their quartiles in per cent; "
                      "below, how many times the fastest of ours.", highlight=False)
    for title, of, text in (
            ("Time per step", lambda numbers: numbers.step, duration),
            ("A whole training: ours from call to return, a peer's loop alone", lambda n: n.training, duration),
            ("The first training in a process, fit from call to return", lambda n: [] if n.first is None else [n.first],
             duration),
            ("A fresh process from start to end", lambda numbers: numbers.process, duration),
            ("Peak memory of that process", lambda numbers: numbers.peak, size)):
        _show(console, title, outcomes, programs, of, text)


def _show(console: Console, title: str, outcomes: Sequence[Outcome], programs: Sequence[Contestant], of: Of,
          text: Callable[[float], str]) -> None:
    """One table, or several where the window is too narrow for all programs. What has no numbers has no column."""
    columns = [p for p in programs if any(p.name in o.programs and of(o.programs[p.name]) for o in outcomes)]
    rows = [outcome for outcome in outcomes if any(of(numbers) for numbers in outcome.programs.values())]
    if not rows:
        return
    widest = max(len(line) for outcome in rows for line in row_name(outcome).split("\n"))
    fitting = max(1, (console.width - widest - 3) // CELL)
    console.print(f"\n{title}", style="bold", highlight=False)
    for start in range(0, len(columns), fitting):
        console.print(_table(rows, columns[start:start + fitting], columns, of, text))


def _table(rows: Sequence[Outcome], columns: Sequence[Contestant], all_columns: Sequence[Contestant], of: Of,
           text: Callable[[float], str]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, pad_edge=False)
    table.add_column("", no_wrap=True)
    for program in columns:
        table.add_column(program.name, justify="right", no_wrap=True, style="bold" if program.ours else "")
    for outcome in rows:
        best = fastest_of_ours(outcome, all_columns, of)
        table.add_row(row_name(outcome), *(
            cell(of(outcome.programs[program.name]), best, text) if program.name in outcome.programs else ""
            for program in columns))
    return table


def row_name(outcome: Outcome) -> str:
    return f"{outcome.model}\n{KINDS[outcome.model].description.partition(',')[0]}"


def fastest_of_ours(outcome: Outcome, programs: Sequence[Contestant], of: Of) -> float | None:
    """The least median of our engines."""
    found = [median(of(outcome.programs[p.name])) for p in programs
             if p.ours and p.name in outcome.programs and of(outcome.programs[p.name])]
    return min(found, default=None)


def cell(numbers: Sequence[float], best: float | None, text: Callable[[float], str]) -> str:
    """ "3.1 us ±4%" and, below, "7.4 x"; "-" where there are no numbers."""
    if not numbers:
        return "-"
    middle = median(numbers)
    first = text(middle) + (f" ±{100 * spread(numbers):.0f}%" if len(numbers) > 1 else "")
    return f"{first}\n{ratio(middle / best)} x" if best else first


def spread(numbers: Sequence[float]) -> float:
    """Half the distance between the quartiles, as a fraction of the median."""
    if len(numbers) < 2 or not median(numbers):
        return 0.0
    low, _, high = quantiles(numbers, n=4, method="inclusive")
    return (high - low) / 2 / median(numbers)


def ratio(value: float) -> str:
    return f"{value:.0f}" if value >= 99.5 else f"{value:.1f}" if value >= 9.95 else f"{value:.2f}"


def duration(seconds: float) -> str:
    """With three digits and the unit that suits them."""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        value = seconds * factor
        if value >= 0.9995 or unit == "us":
            return f"{value:.0f} {unit}" if value >= 99.95 else f"{value:.1f} {unit}" if value >= 9.995 else \
                f"{value:.2f} {unit}"
    raise AssertionError


def size(memory: float) -> str:
    return f"{memory / 2**20:.0f} MiB"
