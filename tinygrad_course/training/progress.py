"""A progress bar with iteration, cost and time left: on a terminal or in a notebook, and silent elsewhere."""
from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

from tinygrad_course.shell import display, is_notebook

Report = Callable[[int, float], None]
INTERVAL = 0.1  # seconds between two updates of the bar


@contextmanager
def training_progress(iterations: int, wanted: bool | None = None) -> Iterator[Report]:
    """Gives a function to call with (iterations done, cost); `wanted` None shows the bar where a person looks on."""
    if not (_someone_looks_on() if wanted is None else wanted):
        yield lambda done, cost: None
        return
    if is_notebook():
        bar = NotebookBar(iterations)
        try:
            yield bar
        finally:
            bar.end()
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


class NotebookBar:
    """One display in the page's own colours, which ends as a line of text; none where training takes no time.

    Rich's bar would be a widget, which a saved notebook cannot show, and each printed line a block of HTML beside it.
    """

    def __init__(self, iterations: int):
        self.iterations = iterations
        self.done, self.cost = 0, 0.0
        self.start = self.drawn = time.monotonic()
        self.name = ""  # of the display, once there is one

    def __call__(self, done: int, cost: float) -> None:
        now = time.monotonic()
        if not self.done:
            self.first, self.reached = done, now  # a training that goes on begins with others than 1
        self.done, self.cost = done, cost
        if now - self.drawn < INTERVAL or done in (self.first, self.iterations):
            return
        self.drawn = now
        left = timedelta(seconds=round((now - self.reached) / (done - self.first) * (self.iterations - done)))
        self._show({"text/plain": f"{self._state()}, {left} left", "text/html":
                    f'<progress value="{done}" max="{self.iterations}" style="width:20em"></progress> '
                    f"{self._state()}, {left} left"})

    def end(self) -> None:
        if self.name:
            self._show({"text/plain": f"{self._state()}, {time.monotonic() - self.start:.1f} s"})

    def _state(self) -> str:
        return f"iteration {self.done}/{self.iterations}, cost {self.cost:.6f}"

    def _show(self, bundle: dict[str, str]) -> None:
        update, self.name = bool(self.name), self.name or uuid4().hex
        display(bundle, raw=True, display_id=self.name, update=update)


def _someone_looks_on() -> bool:
    return is_notebook() or sys.stdout is not None and sys.stdout.isatty()
