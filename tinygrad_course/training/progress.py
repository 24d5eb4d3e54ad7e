"""A progress bar with iteration, cost and time left: on a terminal or in a notebook, and silent elsewhere."""
from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec

Report = Callable[[int, float], None]
INTERVAL = 0.1  # seconds between two updates of the bar


@contextmanager
def training_progress(iterations: int, wanted: bool | None = None) -> Iterator[Report]:
    """Gives a function to call with (iterations done, cost); `wanted` None shows the bar where a person looks on."""
    if not (_someone_looks_on() if wanted is None else wanted):
        yield lambda done, cost: None
        return

    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    with Progress(TextColumn("iteration"), MofNCompleteColumn(), BarColumn(), TextColumn("cost {task.fields[cost]}"),
                  TimeRemainingColumn(), transient=True, refresh_per_second=1 / INTERVAL) as progress:
        task = progress.add_task("training", total=iterations, cost="")
        shown = 0.0

        def report(done: int, cost: float) -> None:
            nonlocal shown
            now = time.monotonic()
            if now - shown >= INTERVAL or done == iterations:
                shown = now
                progress.update(task, completed=done, cost=f"{cost:.6f}")
        yield report


def _someone_looks_on() -> bool:
    if "ipykernel" in sys.modules:
        return find_spec("ipywidgets") is not None  # without it rich can draw only the finished bar
    return sys.stdout is not None and sys.stdout.isatty()
