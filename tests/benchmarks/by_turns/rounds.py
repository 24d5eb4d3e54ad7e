"""The measurement: all programs train by turns, so that whatever else the machine does meets all of them alike.

For each model, every program is started in a process of its own, which stays, idle while another one trains: thread
pools, compilers and imports do not disturb each other. First all programs must agree on the costs. Then, in each
round, each of them does

- one step, many times. A peer's loop is timed and divided by n. What `fit` needs once (checks, tracing, compiling)
  cancels in (t(n + k) - t(k)) / n; n is so large that this lasts for about the wanted seconds.
- one whole training. Ours is `fit` from call to return, tracing and compiling included; a peer's is its loop alone,
  what it compiles being compiled before.

And then, with no other process about, in each round each program is started anew and trains once: the time from the
start of the process to its end, with all imports and everything compiled, and the most memory that it held.
"""
from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from by_turns.problems import KINDS
from by_turns.worker_process import LeftOut, Worker, run_once, write_problem
from by_turns.contestants import Contestant

TOLERANCE = {"float64": 1e-6, "float32": 1e-3}
ROUNDED = {"float64": 1e-6, "float32": 1e-2}  # after more than 100 iterations: single precision has grown apart by then
CHECKED = (1, 2, 10, 50)  # after so many iterations all costs must be the same,
CHECKED_BATCHES = (1, 2, 10, 301)  # with mini-batches also beyond an epoch, whose last batch is smaller
BASE = 10  # k, the iterations of a training whose time is taken off that of a longer one, where a usual one is slow
LONGEST = 20  # the longest training is so many times as long as a usual one: what happens later nobody waits for

Item = TypeVar("Item")


@dataclass(frozen=True)
class Settings:
    """iterations: of a whole training, by default that of the model. seconds: how long steps are measured in a round.

    budget: the most seconds that a whole training may take; a program that needs longer has no such numbers.
    """

    dtype: str = "float64"
    rounds: int = 5
    iterations: int | None = None
    seconds: float = 0.5
    budget: float = 60.0
    steps_only: bool = False
    images: str | None = None


@dataclass
class Measured:
    """The numbers of one program and one model, one of each kind per round, in seconds and bytes.

    first: the first whole training in the process, where it was measured before anything else: ours, still cold.
    costs: by the number of iterations, the cost of the last one. steps_per_round: how many `step` is the mean of;
    steps_before: k, those of the training whose time is taken off.
    how: what an engine of ours said that it did. note: why there are not all numbers.
    """

    step: list[float] = field(default_factory=list)
    training: list[float] = field(default_factory=list)
    first: float | None = None
    process: list[float] = field(default_factory=list)
    peak: list[int] = field(default_factory=list)
    costs: dict[int, float] = field(default_factory=dict)
    steps_before: int = 0
    steps_per_round: int = 0
    how: str | None = None
    note: str | None = None


@dataclass
class Outcome:
    """One model. data: where its examples came from. disagree: the programs that do not compute the same."""

    model: str
    data: str
    iterations: int
    programs: dict[str, Measured] = field(default_factory=dict)
    disagree: list[str] = field(default_factory=list)


def measure(model: str, programs: Sequence[Contestant], settings: Settings, say: Callable[[str], None],
            status: Callable[[str], None]) -> Outcome:
    """All numbers of one model. `say` is told what a user must know, `status` what is being done.

    Raises InputError where the data cannot be had.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        problem = Path(folder)
        status(f"{model}: data")
        outcome = Outcome(model, write_problem(model, settings.dtype, problem, settings.images),
                          KINDS[model].iterations if settings.iterations is None else settings.iterations)

        def leave_out(program: Contestant, why: str) -> None:
            outcome.programs[program.name].note = why
            say(f"{model}, {program.name}: {why}")

        _with_workers(outcome, programs, problem, settings, leave_out, status)
        if settings.steps_only:
            return outcome
        for number in range(settings.rounds):
            for program in turned(programs, number):
                numbers = outcome.programs[program.name]
                if numbers.note is not None:
                    continue
                status(f"{model}, round {number + 1} of {settings.rounds}: {program.name} in a fresh process")
                try:
                    # Starting is not what the budget is for: it is the same for one that trains for a minute.
                    seconds, peak = run_once(program, problem, outcome.iterations, 2 * settings.budget + 60)
                except LeftOut as error:
                    leave_out(program, f"in a fresh process: {error}")
                    continue
                numbers.process.append(seconds)
                if peak is not None:
                    numbers.peak.append(peak)
        return outcome


def _with_workers(outcome: Outcome, programs: Sequence[Contestant], problem: Path, settings: Settings,
                  leave_out: Callable[[Contestant, str], None], status: Callable[[str], None]) -> None:
    with ExitStack() as stack:
        workers: list[Worker] = []
        whole_training: set[str] = set()
        for program in programs:
            numbers = outcome.programs[program.name] = Measured()
            status(f"{outcome.model}: {program.name} starts")
            # Generous: a compiler may be slow, but a process that hangs must not be waited for until tomorrow.
            worker = Worker(program, problem, time_limit=300 + 3 * settings.budget)
            stack.callback(worker.stop)
            try:
                _start(worker, outcome, numbers, settings)
                estimate = _estimate(worker, outcome, numbers, settings)
            except LeftOut as error:
                leave_out(program, str(error))
                worker.stop()
                continue
            workers.append(worker)
            needed = estimate * outcome.iterations
            if needed <= settings.budget:
                whole_training.add(program.name)
            elif not settings.steps_only:
                leave_out(program, f"no whole training: its {outcome.iterations} iterations would take about "
                                   f"{needed:.0f} s, more than --budget {settings.budget:g}")

        for number in range(settings.rounds):
            for worker in turned(workers, number):
                numbers = outcome.programs[worker.program.name]
                status(f"{outcome.model}, round {number + 1} of {settings.rounds}: {worker.program.name}")
                try:
                    step = _seconds_per_step(worker, outcome.model, numbers, settings)
                    numbers.step += [] if step is None else [step]
                    if not settings.steps_only and worker.program.name in whole_training:
                        numbers.training.append(worker.train(outcome.iterations)[0])
                except LeftOut as error:
                    leave_out(worker.program, str(error))
                    workers.remove(worker)


def _start(worker: Worker, outcome: Outcome, numbers: Measured, settings: Settings) -> None:
    """Start and warm up, and see whether it computes what the first program computes, or raise LeftOut."""
    worker.ready()
    if worker.program.ours and not settings.steps_only:
        numbers.first, _ = worker.train(outcome.iterations)
    worker.warm_up()
    for n in CHECKED if KINDS[outcome.model].batch_size is None else CHECKED_BATCHES:
        numbers.costs[n] = worker.train(n)[1]
    numbers.how = worker.how
    expected = next(other.costs for other in outcome.programs.values() if other.costs)
    if not agree(numbers.costs, expected, TOLERANCE[settings.dtype], ROUNDED[settings.dtype]):
        outcome.disagree.append(worker.program.name)
        raise LeftOut(f"does not compute the same: its costs are {numbers.costs}, not {expected}")


def _estimate(worker: Worker, outcome: Outcome, numbers: Measured, settings: Settings) -> float:
    """About how many seconds a step takes; from it, how many steps are measured in a round."""
    model = outcome.model
    if worker.program.ours:
        seconds, _ = worker.train(outcome.iterations)
        # An engine may do something else in a long training than in a short one: what counts is the usual one.
        numbers.steps_before = outcome.iterations if seconds < 10 * settings.seconds else BASE
        numbers.steps_per_round = _no_longer_than_usual(
            math.ceil(settings.seconds * outcome.iterations / seconds), model)
        return seconds / outcome.iterations
    once = min(worker.train(1)[0] for _ in range(2))
    n = 10
    while (longer := worker.train(1 + n)[0] - once) < 0.1 * settings.seconds and n < 1e6:
        n *= 4
    estimate = max(min(longer, worker.train(1 + n)[0] - once) / n, 1e-8)
    numbers.steps_per_round = _no_longer_than_usual(math.ceil(settings.seconds / estimate), model)
    return estimate


def _seconds_per_step(worker: Worker, model: str, numbers: Measured, settings: Settings) -> float | None:
    """One measurement of a step; None where it drowns in what a training needs once.

    The estimate of how many steps are enough may have been made in a bad moment: here it is seen, and mended.
    """
    while True:
        n = numbers.steps_per_round
        once = worker.train(numbers.steps_before)[0] if numbers.steps_before else 0.0
        seconds = worker.train(numbers.steps_before + n)[0] - once
        more = _no_longer_than_usual(2 * n, model)
        if seconds >= max(0.5 * settings.seconds, 0.2 * once) or more == n:
            return seconds / n if seconds > 0 else None
        numbers.steps_per_round = more


def _no_longer_than_usual(steps: int, model: str) -> int:
    return min(max(5, steps), LONGEST * KINDS[model].iterations)


def agree(costs: dict[int, float], reference: dict[int, float], tolerance: float, later: float) -> bool:
    return all(abs(costs[n] - reference[n]) <= (tolerance if n <= 100 else later) * abs(reference[n])
               for n in reference)


def turned(items: Sequence[Item], number: int) -> list[Item]:
    """The items in another order in each round: everyone is first, and comes after everyone else, now and then."""
    start = number % max(len(items), 1)
    return [*items[start:], *items[:start]]
