"""Which of several mistakes is told, and that the search counts what it does instead of looking at a clock."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tinygrad_course.checking.course import formulas
from tinygrad_course.checking.course.formulas import Formula
from tinygrad_course.checking.course.samples import logistic
from tinygrad_course.checking.diagnosis import search
from tinygrad_course.checking.diagnosis.faults import Context, Variant, variants
from tinygrad_course.equations.expressions import symbol

PRODUCT = symbol("W2").T @ symbol("dZ2")


def weights(formula: Formula, *factors: Fraction) -> dict[str, float]:
    """Every mistake of a formula, by name: how unlikely it is at least."""
    found: dict[str, float] = {}
    for variant in variants(Context(formula, ["m", "W2", "W3", "dZ2"], factors)):
        found[variant.name] = min(variant.weight, found.get(variant.name, 9.0))
    return found


def test_a_factor_too_many_is_likelier_in_what_is_not_returned() -> None:
    name = "1/m where none belongs"
    assert weights(Formula("dZ1", PRODUCT, hidden=True))[name] < weights(Formula("dA1", PRODUCT))[name]


def test_halves_and_doubles_are_likelier_than_other_factors() -> None:
    found = weights(Formula("dA1", PRODUCT), Fraction(2), Fraction(1, 2), Fraction(3), Fraction(7, 3))
    # 2 and 1/2 are one kind: their numerators are small
    assert found["factor 2"] == found["factor 1/2"] < found["factor 3"] == found["factor 7/3"]


def families(formula: Formula, *factors: Fraction) -> dict[str, str]:
    return {one.name: one.family for one in variants(Context(formula, ["m", "W2", "W3", "dZ2"], factors))}


def test_layers_share_a_family_and_factors_do_not() -> None:
    """Forgetting W2 and forgetting W3 is one misunderstanding; factors 2 and 3 are two."""
    of_2, of_3 = (families(Formula("dZ", symbol(name).T @ symbol("dZ2"))) for name in ("W2", "W3"))
    assert of_2["W2^T missing"] == of_3["W3^T missing"]
    found = families(Formula("dA1", PRODUCT), Fraction(2), Fraction(3))
    assert found["factor 2"] != found["factor 3"]


def test_the_search_ends_after_so_many_evaluations(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same in all runs, and about as many as were allowed."""
    counted: list[int] = []
    run = search._Search.run

    def counting(self: Any) -> Any:
        found = run(self)
        counted.append(self.evaluated)
        return found

    monkeypatch.setattr(search._Search, "run", counting)
    program = formulas.logistic()
    observations = []
    for seed in (1, 2):
        given = logistic(seed, 3, 5)
        right = search.right_values(program, given)
        returned = {"dw": np.cosh(right["dw"]), "db": np.sinh(right["db"]), "cost": right["cost"] ** 3}
        observations.append(search.Observation(given, returned))
    wrong_at = [search.wrong_results(program, observation) for observation in observations]
    for evaluations in (400, 400, 6000):
        assert not search.diagnose(program, observations, wrong_at, evaluations=evaluations).explained
    assert counted[0] == counted[1] and 400 <= counted[0] < 3000 < counted[2] < 9000


def test_every_variant_differs_from_the_formula() -> None:
    for formula in [*formulas.backward(("tanh", "sigmoid")), *formulas.logistic(), *formulas.cost("A2")]:
        found: list[Variant] = variants(Context(formula, ["m", "X", "Y", "A1", "W2"], [Fraction(2)]))
        assert len(found) > 3 and formula.right not in [variant.expression for variant in found]
