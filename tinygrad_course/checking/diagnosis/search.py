"""Which mistake explains the numbers: a search through the formulas, from the first quantity to the last.

A quantity that is returned is compared where it is computed. One that is not returned (dZ in the course's functions)
is assumed to be right or, in turn, wrong in each way of the table; then everything computed from it must agree. So
one mistake in dZ2 is found before four mistakes in dW2, db2, dW1 and db1 are believed. Every explanation that is given
has reproduced all results on all inputs, to nine digits.
"""
from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from tinygrad_course.checking.expressions import Expression, Undefined, evaluate, symbols
from tinygrad_course.checking.diagnosis.faults import Context, Variant, variants
from tinygrad_course.checking.course.formulas import Formula, Program
from tinygrad_course.checking.diagnosis.numbers import TOLERANCE, distance, factors_between, same

REPEATED = 0.1  # the weight of a mistake made once more, in another formula
SECONDS = 0.9
COMMON = [Fraction(n) for n in (2, 4)] + [Fraction(1, n) for n in (2, 4)]


class Observation(NamedTuple):
    """One call: what went in, and what came out by name (None for what could not be read)."""
    given: Mapping[str, Any]
    returned: Mapping[str, Any]
    tolerance: float = TOLERANCE


class Finding(NamedTuple):
    """What is wrong in one formula. variant: None where no mistake of the table reproduces the numbers.

    passed_on: later formulas use the wrong value; otherwise the right one was used and another one returned.
    affects: the results that are computed from it. numbers: how far off, where nothing explains it. suspect: the
    first quantity to be wrong, as far as can be seen.
    """
    formula: Formula
    variant: Variant | None
    passed_on: bool = True
    affects: tuple[str, ...] = ()
    numbers: str = ""
    suspect: str = ""


class Diagnosis(NamedTuple):
    findings: list[Finding]
    wrong: list[str]  # names of the results that are wrong
    only_cached: bool = False  # explained on caches of a forward pass only

    @property
    def explained(self) -> bool:
        return all(finding.variant is not None for finding in self.findings)


def right_values(program: Program, given: Mapping[str, Any]) -> dict[str, Any]:
    """All quantities of the program, computed as they should be."""
    values = dict(given)
    with np.errstate(all="ignore"):
        for formula in program:
            values[formula.name] = evaluate(formula.right, values)
    return values


def wrong_results(program: Program, observation: Observation) -> list[str]:
    """The names of the returned quantities that no right way of writing the formulas gives.

    A returned quantity is judged together with what it is computed from: all of them must be right in one go.
    """
    return _Search(program, [observation], "").wrong_names(observation)


def diagnose(program: Program, observations: Sequence[Observation], source: str = "",
             seconds: float = SECONDS) -> Diagnosis:
    """What is wrong with a function, from some of its calls.

    source: the learner's code. It only decides between mistakes that give the same numbers.
    seconds: of computing; then what was found must do.
    """
    with np.errstate(all="ignore"):
        return _Search(program, observations, source, seconds).run()


class _Search:
    def __init__(self, program: Program, observations: Sequence[Observation], source: str, seconds: float = SECONDS):
        self.program = list(program)
        self.observations = list(observations)
        self.source = source
        self.returned = [f.name for f in self.program if not f.hidden]
        self.seconds, self.begin = seconds, time.thread_time()
        self.deadline = self.begin + seconds / 2
        self.used_later = [set[str]().union(*(symbols(one) for later in self.program[place + 1:]
                                              for one in (later.right, *later.also)))
                           for place in range(len(self.program))]
        self.ignored = ""  # a result that is taken as it is, right or wrong
        self.known_variants: dict[int, list[Variant]] = {}
        self.factors: list[Fraction] = list(COMMON)

    # ------------------------------------------------------------------------------------------ the whole

    def run(self) -> Diagnosis:
        wrong_at = [self.wrong_names(observation) for observation in self.observations]
        wrong = [name for name in self.returned if any(name in names for names in wrong_at)]
        if not wrong:
            return Diagnosis([], [])
        # the most telling call: the one where most results are wrong, and the largest
        self.probe = max(range(len(wrong_at)), key=lambda i: (len(wrong_at[i]), _elements(self.observations[i])))
        self.factors += self.seen_factors()
        for mistakes in (1, 2):
            found = self.explanations(mistakes)
            if found:
                return Diagnosis(self.best(found), wrong)
        return Diagnosis(self.one_by_one(wrong), wrong)

    def wrong_names(self, observation: Observation) -> list[str]:
        with np.errstate(all="ignore"):
            if any(True for _ in self.descend(0, observation, dict(observation.given), (), frozenset(), 0)):
                return []
            try:
                values = right_values(self.program, observation.given)
            except Undefined:
                return list(self.returned)
        return [f.name for f in self.program if not f.hidden and observation.returned.get(f.name) is not None
                and not same(observation.returned[f.name], values[f.name], observation.tolerance, f.scalar)]

    def explanations(self, mistakes: int) -> list[tuple[Finding, ...]]:
        """Every set of so many mistakes that reproduces all calls."""
        found = []
        probe = self.observations[self.probe]
        for findings in self.descend(0, probe, dict(probe.given), (), frozenset(), mistakes):
            if all(self.reproduces(findings, other) for i, other in enumerate(self.observations) if i != self.probe):
                found.append(findings)
            if self.late() or len(found) > 300:
                break
        return found

    def best(self, found: list[tuple[Finding, ...]]) -> list[Finding]:
        places = {formula.name: place for place, formula in enumerate(self.program)}

        def weight(findings: tuple[Finding, ...]) -> float:
            families: set[str] = set()
            # the earliest formula, if all else is equal
            total = 0.001 * sum(places[finding.formula.name] for finding in findings)
            for finding in findings:
                assert finding.variant is not None
                one = finding.variant
                hinted = bool(one.hint and re.search(one.hint, self.source))
                total += (REPEATED if one.family in families else 1.0) * (one.weight - 0.3 * hinted)
                total += 0.01 * (not finding.passed_on)
                families.add(one.family)
            return total
        return [self.with_effects(finding) for finding in min(found, key=weight)]

    def with_effects(self, finding: Finding) -> Finding:
        """Adds the results that are computed from the wrong quantity."""
        spoilt, affected = {finding.formula.name}, []
        for formula in self.program:
            if finding.passed_on and symbols(formula.right) & spoilt:
                spoilt.add(formula.name)
                if not formula.hidden:
                    affected.append(formula.name)
        return finding._replace(affects=tuple(affected))

    def late(self) -> bool:
        return time.thread_time() > self.deadline

    # ----------------------------------------------------------------------------------------- the search

    def descend(self, place: int, observation: Observation, values: dict[str, Any], findings: tuple[Finding, ...],
                families: frozenset[str], left: int) -> Iterator[tuple[Finding, ...]]:
        """Sets of up to `left` mistakes, from formula `place` on, that reproduce one call.

        A mistake of a family that was made already costs nothing: a learner who forgets 1/m forgets it everywhere.
        """
        if place == len(self.program):
            yield findings
            return
        formula = self.program[place]
        known: dict[Expression, Any] = {}
        seen = observation.returned.get(formula.name)
        rights: list[Any] = []
        for expression in (formula.right, *formula.also):
            try:
                value = evaluate(expression, values, known)
            except Undefined:
                continue
            if not any(same(value, other, 1e-13, formula.scalar) for other in rights):
                rights.append(value)

        fits = False
        if formula.name == self.ignored:
            yield from self.descend(place + 1, observation, values | {formula.name: seen}, findings, families, left)
            return
        for value in rights:
            if formula.hidden or seen is None or same(seen, value, observation.tolerance, formula.scalar):
                fits = True
                yield from self.descend(place + 1, observation, values | {formula.name: value}, findings, families,
                                        left)
        if not formula.hidden and (fits or seen is None) or not (left or families):
            return

        offered = self.variants(place)
        if not formula.hidden and rights:
            offered = offered + self.constant_factor(formula, seen, rights[0])
        for variant in offered:
            cost = variant.family not in families
            if cost > left:
                continue
            try:
                value = evaluate(variant.expression, values if formula.hidden else self.with_later(values, observation),
                                 known)
            except Undefined:
                continue
            if formula.hidden:
                if any(same(value, right, 1e-13, formula.scalar) for right in rights):
                    continue
                choices = [(value, True)]
            elif same(seen, value, observation.tolerance, formula.scalar):
                choices = [(seen, True)]
                if formula.name in self.used_later[place]:
                    choices += [(right, False) for right in rights]
            else:
                continue
            for chosen, passed_on in choices:
                yield from self.descend(place + 1, observation, values | {formula.name: chosen},
                                        (*findings, Finding(formula, variant, passed_on)),
                                        families | {variant.family}, left - cost)
            if left > 1 and self.late():
                return

    def constant_factor(self, formula: Formula, seen: Any, right: Any) -> list[Variant]:
        """A result that is a small rational number times the right one."""
        found = []
        for factor in factors_between(seen, right):
            if factor not in self.factors:
                context = Context(formula, (), [factor])
                found += [v for v in variants(context) if v.family == f"factor {factor}"]
        return found

    def with_later(self, values: dict[str, Any], observation: Observation) -> dict[str, Any]:
        """With the results that are computed later too: two keys may have been swapped."""
        return {name: value for name, value in observation.returned.items() if value is not None} | values

    def reproduces(self, findings: Sequence[Finding], observation: Observation) -> bool:
        """Whether the same mistakes give what came out of another call."""
        mistakes = {finding.formula.name: finding for finding in findings}
        return self._reproduces(0, mistakes, observation, dict(observation.given))

    def _reproduces(self, place: int, mistakes: Mapping[str, Finding], observation: Observation,
                    values: dict[str, Any]) -> bool:
        if place == len(self.program):
            return True
        formula = self.program[place]
        finding = mistakes.get(formula.name)
        seen = observation.returned.get(formula.name)
        if formula.name == self.ignored:
            return self._reproduces(place + 1, mistakes, observation, values | {formula.name: seen})
        if finding is not None and finding.variant is not None:
            choices: tuple[Expression, ...] = (finding.variant.expression,)
        else:
            choices = (formula.right, *formula.also)
        for expression in choices:
            try:
                value = evaluate(expression, values if formula.hidden else self.with_later(values, observation))
                if not formula.hidden and seen is not None:
                    if not same(seen, value, observation.tolerance, formula.scalar):
                        continue
                if finding is not None and not finding.passed_on:
                    value = evaluate(formula.right, values)
            except Undefined:
                continue
            if self._reproduces(place + 1, mistakes, observation, values | {formula.name: value}):
                return True
        return False

    def variants(self, place: int) -> list[Variant]:
        if place not in self.known_variants:
            formula = self.program[place]
            probe = self.observations[getattr(self, "probe", 0)]
            names = [*probe.given, *(f.name for f in self.program[:place])]
            if not formula.hidden:
                names += [f.name for f in self.program[place + 1:] if not f.hidden]
            self.known_variants[place] = variants(Context(formula, names, self.factors))
        return self.known_variants[place]

    def seen_factors(self) -> list[Fraction]:
        """The constant factors by which results differ from what they should be."""
        probe = self.observations[self.probe]
        try:
            right = right_values(self.program, probe.given)
        except Undefined:
            return []
        m = float(right["m"]) if "m" in right else 1.0
        found: list[Fraction] = []
        for name in self.returned:
            seen = probe.returned.get(name)
            for power in (0, 1, -1):
                if seen is not None:
                    found += factors_between(seen, np.asarray(right[name]) * m ** power)
        new = dict.fromkeys(f for f in found + [-f for f in found] if f not in COMMON and f not in (1, -1))
        return list(new)[:6]

    # ------------------------------------------------------------------------------- when nothing explains all

    def one_by_one(self, wrong: list[str]) -> list[Finding]:
        """What can be explained; what no mistake reproduces is said with its numbers.

        First it is assumed that one result is beyond explanation and all others are not. If that fails too, hidden
        quantities are taken as right. Two mistakes in one formula are tried last.
        """
        self.deadline = self.begin + self.seconds * 0.75
        for name in wrong:
            self.ignored = name
            for mistakes in (0, 1, 2)[:3 if len(wrong) > 1 else 1]:
                found = self.explanations(mistakes)
                if found:
                    return self.each(wrong, self.best(found))
        self.ignored = ""
        return self.each(wrong, [])

    def each(self, wrong: list[str], findings: list[Finding]) -> list[Finding]:
        """The findings, and for each wrong result that they leave open a mistake of its own, or its numbers."""
        self.deadline = self.begin + self.seconds
        mistakes = {f.formula.name: f for f in findings}
        found = []
        for place, formula in enumerate(self.program):
            if formula.name in mistakes:
                found.append(mistakes[formula.name])
            if formula.name in mistakes or formula.name not in wrong:
                continue
            numbers = self.numbers(place, mistakes)
            if not numbers:
                continue
            variant = self.alone(place, mistakes)
            found.append(Finding(formula, variant, numbers="" if variant else numbers))
        open_ = [f.formula.name for f in found if f.variant is None]
        return [f if f.variant else f._replace(suspect=self.first_suspect(open_)) for f in found]

    def numbers(self, place: int, mistakes: Mapping[str, Finding]) -> str:
        """How far a result is off, given what is known to be wrong before it; "" if that explains it."""
        formula = self.program[place]
        first = self.observations[self.probe]
        for observation in (first, *(o for o in self.observations if o is not first)):
            seen = observation.returned.get(formula.name)
            try:
                expected = evaluate(formula.right, self.values_before(observation, place, mistakes))
            except Undefined:
                continue
            if seen is not None and not same(seen, expected, observation.tolerance, formula.scalar):
                return distance(seen, expected, formula.scalar)
        return ""

    def values_before(self, observation: Observation, place: int, mistakes: Mapping[str, Finding]) -> dict[str, Any]:
        """What a formula is computed from: given, as returned where returned, and as computed where hidden."""
        values = dict(observation.given)
        for formula in self.program[:place]:
            seen = observation.returned.get(formula.name)
            finding = mistakes.get(formula.name)
            wrong = finding.variant.expression if finding is not None and finding.variant else formula.right
            try:
                values[formula.name] = evaluate(wrong, values) if formula.hidden or seen is None else seen
            except Undefined:
                pass
        return self.with_later(values, observation)

    def alone(self, place: int, mistakes: Mapping[str, Finding]) -> Variant | None:
        """One mistake, or two, in one formula."""
        formula = self.program[place]
        calls = [(o, self.values_before(o, place, mistakes)) for o in self.observations
                 if o.returned.get(formula.name) is not None]
        calls.sort(key=lambda call: call[0] is not self.observations[self.probe])

        def explains(expression: Expression, known: dict[Expression, Any]) -> bool:
            for i, (observation, values) in enumerate(calls):
                try:
                    value = evaluate(expression, values, known if i == 0 else None)
                except Undefined:
                    return False
                if not same(observation.returned[formula.name], value, observation.tolerance, formula.scalar):
                    return False
            return True

        known: dict[Expression, Any] = {}
        once = self.variants(place)
        try:
            first, values = calls[0]
            off = self.constant_factor(formula, first.returned[formula.name], evaluate(formula.right, values))
        except Undefined:
            off = []
        for variant in once + off:
            if explains(variant.expression, known):
                return variant
        for one in once:
            context = Context(formula._replace(right=one.expression), [*self.observations[self.probe].given,
                              *(f.name for f in self.program[:place])], self.factors)
            for second in variants(context):
                if explains(second.expression, known):
                    why = "; ".join(filter(None, (one.why, second.why)))
                    return second._replace(name=f"{one.name}, {second.name}", why=why,
                                           weight=one.weight + second.weight)
            if self.late():
                return None
        return None

    def first_suspect(self, wrong: list[str]) -> str:
        """The first quantity from which everything that is wrong, and nothing that is right, is computed."""
        for place, formula in enumerate(self.program):
            if formula.name in wrong:
                return formula.name
            spoilt = {formula.name}
            for later in self.program[place + 1:]:
                if symbols(later.right) & spoilt:
                    spoilt.add(later.name)
            if spoilt & set(self.returned) == set(wrong):
                return formula.name
        return wrong[0]


def _elements(observation: Observation) -> int:
    """Of what was given: where there is one example only, a missing 1/m does not show."""
    return sum(np.size(value) for value in observation.given.values())
