"""Two mistakes in one function: both are named nearly always, and never is it called right."""

import random
import re
from typing import Any

import pytest
from mistakes import FAULTS, FILES, function_in, verdict_of

pytestmark = pytest.mark.slow
NUMBER = 120
FUNCTIONS = [(3, "backward_propagation"), (2, "propagate"), (4, "linear_backward"), (3, "forward_propagation"),
             (3, "update_parameters"), (4, "L_model_backward"), (2, "optimize"), (3, "initialize_parameters")]


def pairs() -> list[tuple[int, str, Any, Any]]:
    """Pairs of mistakes in different lines and different formulas."""
    every = [(week, name, a, b) for week, name in FUNCTIONS for i, a in enumerate(FAULTS[week, name])
             for b in FAULTS[week, name][i + 1:] if a[2] != b[2] and _apart(week, name, a, b)]
    return random.Random(1).sample(every, NUMBER)


def _apart(week: int, name: str, a: Any, b: Any) -> bool:
    text = function_in(FILES[week], name)
    return a[0] in text.replace(b[0], b[1]) and b[0] in text.replace(a[0], a[1]) and _line(text, a) != _line(text, b)


def _line(text: str, fault: Any) -> int:
    return int(text[:text.index(fault[0])].count("\n"))


def both_named(verdict: Any, *pair: Any) -> bool:
    return all(any(re.fullmatch(fault[2], m.quantity) and re.search(fault[3], m.mistake) for m in verdict.mistakes)
               for fault in pair)


@pytest.fixture(scope="module")
def verdicts() -> list[tuple[Any, Any]]:
    found = []
    for week, name, a, b in pairs():
        text = function_in(FILES[week], name).replace(a[0], a[1], 1).replace(b[0], b[1], 1)
        found.append(((week, name, a, b), verdict_of(week, name, text)))
    return found


def test_no_pair_is_called_right(verdicts: list[tuple[Any, Any]]) -> None:
    assert len(verdicts) >= 100
    assert [pair for pair, verdict in verdicts if verdict.status == "right"] == []


def test_both_are_named_in_most(verdicts: list[tuple[Any, Any]]) -> None:
    named = [both_named(verdict, a, b) for (_, _, a, b), verdict in verdicts]
    assert sum(named) / len(named) >= 0.8
