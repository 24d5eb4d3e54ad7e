"""The smallest change of a learner's own code that makes it right: found by trying, and counted, not timed.

Every edit of `edits.py` is run as the learner's code runs and judged as it is judged: first by one telling call, then
by all. Where no single edit is enough, those that make more of the results right than before are edited once more.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tinygrad_course.checking.diagnosis.edits import Edit, edits

TRIALS = 2400  # versions of a function that are run; then no repair is known
BATCH = 160
SURVIVORS = 60  # that one call does not tell from right ones, and that are run on all inputs
BEAM = 6  # versions that are better than the learner's own and are edited once more

# Sources, and whether one telling call is enough, to how much of the results is right: from 0 to 1 for all.
Bench = Callable[[list[str], bool], list[float]]


class Repair(NamedTuple):
    """The edits, and the source that they make; line numbers are those of the source that was edited."""
    edits: tuple[Edit, ...]
    source: str


class _Version(NamedTuple):
    source: str
    edits: tuple[Edit, ...]
    weight: float


def smallest(source: str, functions: Sequence[str], bench: Bench, quantities: Sequence[str] = ()) -> Repair | None:
    """One edit that makes the function right, or two; None where neither was found.

    functions: what it could call. quantities: those that are known to be computed wrongly: edits of the lines that
    compute them come first.
    """
    search = _RepairSearch(functions, bench, quantities)
    [before] = bench([source], True)
    found, better = search.round([_Version(source, (), 0.0)], before)
    if found is None and better:
        found, _ = search.round(better, None)
    return Repair(found.edits, found.source) if found is not None else None


class _RepairSearch:
    def __init__(self, functions: Sequence[str], bench: Bench, quantities: Sequence[str]):
        self.functions = functions
        self.quantities = quantities
        self.bench = bench
        self.tried = 0
        self.seen: set[str] = set()

    def round(self, versions: Sequence[_Version], before: float | None) -> tuple[_Version | None, list[_Version]]:
        """The likeliest right version that one more edit of these makes, and those that come closer than `before`."""
        candidates = sorted((one for version in versions for one in self.edited(version)), key=lambda one: one.weight)
        survivors: list[_Version] = []
        better: list[tuple[float, _Version]] = []
        for start in range(0, len(candidates), BATCH):
            batch = candidates[start:start + BATCH]
            self.tried += len(batch)
            for version, score in zip(batch, self.bench([one.source for one in batch], True)):
                if score == 1:
                    survivors.append(version)
                elif before is not None and score > before:
                    better.append((score, version))
            found = self.right(survivors)
            if found is not None or self.tried >= TRIALS * (1 if before is not None else 3):
                return found, []
            survivors = []
        better.sort(key=lambda pair: (-pair[0], pair[1].weight))
        return None, [version for _, version in better[:BEAM]]

    def edited(self, version: _Version) -> list[_Version]:
        found = []
        for edit in edits(version.source, self.functions):
            new = edit.applied(version.source.encode()).decode()
            if new not in self.seen:
                self.seen.add(new)
                found.append(_Version(new, (*version.edits, edit), version.weight + edit.weight - self.known(edit,
                                                                                                             version)))
        return found

    def known(self, edit: Edit, version: _Version) -> float:
        """How much likelier an edit is for standing in a line that computes what is wrong."""
        target = version.source.splitlines()[edit.line - 1].split("=")[0]
        return 0.3 * any(re.search(rf"\b{re.escape(name)}\b", target) for name in self.quantities)

    def right(self, survivors: Sequence[_Version]) -> _Version | None:
        """The likeliest of those that are right on all inputs."""
        for start in range(0, min(len(survivors), SURVIVORS), 10):
            some = survivors[start:start + 10]
            for version, score in zip(some, self.bench([one.source for one in some], False)):
                if score == 1:
                    return version
        return None
