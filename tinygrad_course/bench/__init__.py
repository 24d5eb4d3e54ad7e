"""`tgc bench`: how long our engines and other frameworks take for the same training, measured in the same run."""
from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_course import __version__
from tinygrad_course.bench import machine, tables
from tinygrad_course.bench.measure import Outcome, Settings, measure
from tinygrad_course.bench.problems import KINDS
from tinygrad_course.bench.processes import ended_like_ctrl_c
from tinygrad_course.bench.programs import Program, our_programs, peer_programs
from tinygrad_course.errors import InputError
from tinygrad_course.files import replace_atomically

if TYPE_CHECKING:
    from rich.console import Console


def bench(models: Sequence[str], settings: Settings, *, engines: Sequence[str] | None = None,
          against: Sequence[str] | None = None, peers: Path | None = None, out: Path,
          threads: int | None = None) -> int:
    """Measure, print the tables, and write `out` (JSON) with the picture beside it. Gives the exit status.

    models, engines, against: names; by default all there are. threads: how many cores everything may use.
    The file is written anew after each model, so that nothing is lost where the run is ended.
    Raises InputError for what cannot be used.
    """
    from rich.console import Console

    console = Console(soft_wrap=True, highlight=False)
    if not console.is_terminal:  # a file is as wide as its tables, a window is not
        console.width = 200
    for name in models:
        if name not in KINDS:
            raise InputError(f"there is no model {name!r}; there are {', '.join(KINDS)}")
    programs, notes = our_programs(engines)
    others, more = peer_programs(peers, against)
    programs, notes = programs + others, notes + more
    drawn = importlib.util.find_spec("matplotlib") is not None
    if not drawn:
        notes.append('no picture: that needs pip install "tinygrad_course[plots]"')
    if threads is not None:
        machine.use_cores(threads)
    here = machine.description()
    say = Notes(console, notes)
    console.print(f"{machine.in_words(here)}; {settings.dtype}")

    outcomes: list[Outcome] = []
    with ended_like_ctrl_c(), _status() as status:
        for name in dict.fromkeys(models or KINDS):
            outcome = measure(name, programs, settings, say, status)
            outcomes.append(outcome)
            console.print(f"{name}: {KINDS[name].description}; {outcome.data}; {outcome.iterations} iterations")
            _write(out, as_dict(outcomes, programs, settings, here, say.said))
    tables.show(console, outcomes, programs)
    files = [out]
    if drawn and any(numbers.step for outcome in outcomes for numbers in outcome.programs.values()):
        from tinygrad_course.bench.picture import plot_steps

        plot = plot_steps(outcomes, programs, machine.in_words(here))
        for ending in (".svg", ".png"):
            files.append(out.with_suffix(ending))
            plot.write(files[-1])
    console.print(f"\nwritten: {', '.join(map(str, files))}")
    return 1 if any(outcome.disagree for outcome in outcomes) else 0


@contextmanager
def _status() -> Iterator[Callable[[str], None]]:
    """A line that says what is being done, where a person looks on."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda text: None
        return
    with console.status("") as status:
        yield status.update


class Notes:
    """Prints what a user must know at once, and keeps it for the file."""

    def __init__(self, console: Console, first: Sequence[str]):
        self.console = console
        self.said: list[str] = []
        for text in first:
            self(text)

    def __call__(self, text: str) -> None:
        self.said.append(text)
        self.console.print(text, markup=False)


def as_dict(outcomes: Sequence[Outcome], programs: Sequence[Program], settings: Settings, here: dict[str, Any],
            notes: Sequence[str]) -> dict[str, Any]:
    """Everything that was measured, each round of it. Times in seconds, memory in bytes."""
    return {
        "version": __version__, "machine": here, "settings": {**asdict(settings), "images": None}, "notes": list(notes),
        "programs": {p.name: {"ours": p.ours, "version": p.version} for p in programs},
        "models": {outcome.model: {
            "description": KINDS[outcome.model].description, "data": outcome.data, "iterations": outcome.iterations,
            "disagree": outcome.disagree, "programs": {name: asdict(n) for name, n in outcome.programs.items()},
        } for outcome in outcomes},
    }


def _write(file: Path, content: dict[str, Any]) -> None:
    with replace_atomically(file) as temporary:
        temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
