"""Every single mistake of `shared/mistakes.py` is found and called by its name."""

import re
from typing import Any

import numpy as np
import pytest
from mistakes import CASES, FAULTS, FILES, SQUARE_ONLY, faulty, function_in, verdict_of

from tinygrad_course.checking.check_function import in_process
from tinygrad_course.checking.course.functions import editions, right_functions
from tinygrad_course.checking.judge import judge
from tinygrad_course.checking.report import RIGHT, WRONG


@pytest.mark.parametrize("week, name, right, wrong, quantity, mistake", CASES,
                         ids=[f"{week}-{name}-{i}" for i, (week, name, *_) in enumerate(CASES)])
def test_single_fault(week: int, name: str, right: str, wrong: str, quantity: str, mistake: str) -> None:
    verdict = verdict_of(week, name, faulty(week, name, right, wrong))
    assert verdict.status == WRONG, verdict
    found = [(m.quantity, m.mistake, m.yours) for m in verdict.mistakes]
    assert any(re.fullmatch(quantity, name) and re.search(mistake, said) for name, said, _ in found), (wrong, found)
    # a mistake in a loop is made in every layer; no other one is named
    assert all(re.search(mistake, said) for _, said, _ in found), (wrong, found)


@pytest.mark.parametrize("week, name, right, wrong, quantity, mistake", SQUARE_ONLY,
                         ids=[f"{name}-{i}" for i, (_, name, *_) in enumerate(SQUARE_ONLY)])
def test_faults_where_only_equal_sizes_give_no_error(week: int, name: str, right: str, wrong: str, quantity: str,
                                                     mistake: str) -> None:
    verdict = verdict_of(week, name, faulty(week, name, right, wrong))
    assert verdict.status == WRONG and "it raises" in " ".join(verdict.details), verdict
    assert [(m.quantity, bool(re.search(mistake, m.mistake))) for m in verdict.mistakes] == [(quantity, True)], verdict


@pytest.mark.parametrize("week, name", [(3, "backward_propagation"), (4, "L_model_backward"),
                                        (4, "linear_activation_backward"), (4, "linear_backward")])
def test_caches_in_which_everything_is_random(week: int, name: str) -> None:
    """A step is checked from the values that it is given: no forward pass has to agree with them."""
    [function] = [one for one in editions(name) if one.week == week]
    random = [case for case in function.cases() if "random" in case.label] or list(function.cases())
    for case in random:
        case.judged = True
    for right, wrong, quantity, mistake in [("", "", "", "")] + FAULTS[week, name]:
        text = faulty(week, name, right, wrong) if right else function_in(FILES[week], name)
        namespace: dict[str, Any] = {"np": np, **right_functions(week)}
        exec(compile(text, "learner", "exec", optimize=1), namespace)
        verdict = judge(function, in_process(namespace[name]), text, random)
        if not right:
            assert verdict.status == RIGHT
        else:
            found = [(m.quantity, m.mistake) for m in verdict.mistakes]
            assert any(re.fullmatch(quantity, name) and re.search(mistake, said) for name, said in found), found


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 60


@pytest.mark.parametrize("week, name", list(FAULTS))
def test_right_functions(week: int, name: str) -> None:
    verdict = verdict_of(week, name, function_in(FILES[week], name))
    assert (verdict.status, verdict.lines()) == (RIGHT, [])
