"""Changes of right functions made by a program, over all functions in three styles; `shared/changes.py` makes them."""

import random
from collections.abc import Iterator

import pytest
from changes import Subject, alters, changed_once, subjects, verdict_of

from tinygrad_course.checking.report import ANOTHER, RIGHT

SINGLE, DOUBLE = 60, 15  # that alter something
SUBJECTS = subjects()


def versions(seed: int, changes: int) -> Iterator[tuple[Subject, str, bool]]:
    """Functions changed so many times, and whether that alters what they compute."""
    chance = random.Random(seed)
    while True:
        subject = chance.choice(SUBJECTS)
        source = subject.source
        for _ in range(changes):
            source, _ = changed_once(source, chance)
        yield subject, source, alters(subject, source)


def explained(subject: Subject, source: str) -> bool:
    """Named, with a line; never called right."""
    verdict = verdict_of(subject, source)
    assert verdict.status != RIGHT or subject.name in ("L_model_backward", "predict"), (subject.name, source)
    if verdict.status in (RIGHT, ANOTHER):  # an older edition of the course, or a cache without what nobody reads
        return True
    return bool(verdict.mistakes) and all(one.mistake for one in verdict.mistakes) and any(
        one.line for one in verdict.mistakes)


def shares(seed: int, changes: int, count: int) -> float:
    found: list[bool] = []
    for subject, source, altered in versions(seed, changes):
        if not altered:
            assert verdict_of(subject, source, explained=False).ok, source
            continue
        found.append(explained(subject, source))
        if len(found) == count:
            return sum(found) / count
    raise AssertionError


@pytest.mark.slow
def test_single_changes() -> None:
    assert shares(1, 1, SINGLE) >= 0.88


@pytest.mark.slow
def test_double_changes() -> None:
    assert shares(2, 2, DOUBLE) >= 0.5
