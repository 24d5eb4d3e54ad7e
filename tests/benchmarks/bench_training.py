"""How long our engines and other frameworks take for the same training, measured in the same run."""
from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from by_turns import hardware, tables
from by_turns.contestants import PEERS, Contestant, our_programs, peer_programs
from by_turns.problems import DTYPES, KINDS
from by_turns.rounds import Outcome, Settings, measure
from by_turns.worker_process import ended_like_ctrl_c

from tinygrad_course import __version__
from tinygrad_course.errors import InputError
from tinygrad_course.files import replace_atomically

if TYPE_CHECKING:
    from rich.console import Console


def names(context: click.Context, option: click.Parameter, value: str | None) -> list[str] | None:
    """What is given as one text, "torch,jax"."""
    return None if value is None else [name for name in (part.strip() for part in value.split(",")) if name]


@click.command()
@click.option("--against", callback=names, metavar="NAMES", help="Peers, such as torch,jax; by default all there are.")
@click.option("--engine", "engines", callback=names, metavar="NAMES", help="Our engines; by default all there are.")
@click.option("--model", "models", multiple=True, metavar="NAME", help="May be given several times; by default all.")
@click.option("--dtype", type=click.Choice(DTYPES), default="float64", show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="How often each takes its turn.")
@click.option("--iterations", type=click.IntRange(1), help="Of a whole training; by default the model's own.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), default=0.5, show_default=True,
              help="How long steps are measured in each round.")
@click.option("--budget", type=click.FloatRange(0, min_open=True), default=60.0, show_default=True,
              help="Seconds for a whole training; what needs more has none.")
@click.option("--threads", type=click.IntRange(1), help="Cores to use; by default all.")
@click.option("--steps-only", is_flag=True, help="No whole trainings, no fresh processes.")
@click.option("--data", "images", help="Folder or file with the course's images.")
@click.option("--peers", type=click.Path(path_type=Path), default=PEERS, help="Folder with the peers' programs.")
@click.option("--out", type=click.Path(path_type=Path), default="bench.json", show_default=True,
              help="A .json file, or a folder for bench.json; the picture is put beside it.")
def training(models: Sequence[str], engines: Sequence[str] | None, against: Sequence[str] | None, peers: Path,
             out: Path, threads: int | None, **settings: Any) -> int:
    """Our engines and other frameworks on the same models.

    All train by turns, each in a process of its own, from the same weights on the same data: time per step, of a
    whole training and of a fresh process, and memory. First all must agree on the costs; the exit status is 1 if one
    does not.
    """
    if out.suffix.lower() != ".json":
        out.mkdir(parents=True, exist_ok=True)
        out = out / "bench.json"
    if not out.parent.is_dir():  # say so before minutes are spent on what should go into it
        raise InputError(f"{out}: there is no folder {out.parent}: make it, or choose another one")
    return compare(models, Settings(**settings), engines=engines, against=against, peers=peers, out=out,
                   threads=threads)


def compare(models: Sequence[str], settings: Settings, *, engines: Sequence[str] | None,
            against: Sequence[str] | None, peers: Path, out: Path, threads: int | None) -> int:
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
        notes.append("no picture: that needs pip install matplotlib")
    if threads is not None:
        hardware.use_cores(threads)
    here = hardware.description()
    say = Notes(console, notes)
    console.print(f"{hardware.in_words(here)}; {settings.dtype}")

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
        from by_turns.step_plot import plot_steps

        plot = plot_steps(outcomes, programs, hardware.in_words(here))
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


def as_dict(outcomes: Sequence[Outcome], programs: Sequence[Contestant], settings: Settings, here: dict[str, Any],
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
