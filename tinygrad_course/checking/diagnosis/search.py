"""Which mistake explains the numbers: a search through the formulas, from the first quantity to the last.

A quantity that is returned is compared where it is computed. One that is not returned (dZ in the course's functions)
is assumed to be right or, in turn, wrong in each way of the table; then everything computed from it must agree. So
one mistake in dZ2 is found before four mistakes in dW2, db2, dW1 and db1 are believed. Every explanation that is given
has reproduced all results on all inputs, to nine digits.
"""
from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from tinygrad_course.checking.course.operations import Undefined, evaluate, symbols
from tinygrad_course.equations.expressions import Expression
from tinygrad_course.checking.diagnosis.faults import Context, Variant, variants
from tinygrad_course.checking.course.formulas import Formula, Program
from tinygrad_course.checking.diagnosis.numbers import TOLERANCE, distance, factors_between, same

REPEATED = 0.1  # the weight of a mistake made once more, in another formula
EVALUATIONS = 60_000  # of one formula each; what was found by then must do, on every machine
TELLING = 8  # different numbers, from which two mistakes at once may be concluded
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


class Path(NamedTuple):
    """A way through the first formulas: their values, the mistakes made on it, and how many more may be made.

    families: of the mistakes. One of a family that was made already costs nothing: a learner who forgets 1/m forgets
    it everywhere.
    """
    values: dict[str, Any]
    findings: tuple[Finding, ...] = ()
    families: frozenset[str] = frozenset()
    left: int = 0

    def to(self, name: str, value: Any) -> Path:
        return self._replace(values=self.values | {name: value})

    def wrong(self, finding: Finding, value: Any, cost: int) -> Path:
        assert finding.variant is not None
        return Path(self.values | {finding.formula.name: value}, (*self.findings, finding),
                    self.families | {finding.variant.family}, self.left - cost)


class Diagnosis(NamedTuple):
    findings: list[Finding]
    wrong: list[str]  # names of the results that are wrong

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
    search = _Search(program, [observation], [[]])
    with np.errstate(all="ignore"):
        if next(search.descend(0, observation, Path(dict(observation.given))), None) is not None:
            return []
        try:
            values = right_values(program, observation.given)
        except Undefined:
            return list(search.returned)
    return [f.name for f in program if not f.hidden and observation.returned.get(f.name) is not None
            and not same(observation.returned[f.name], values[f.name], observation.tolerance, f.scalar)]


def diagnose(program: Program, observations: Sequence[Observation], wrong_at: Sequence[list[str]], source: str = "",
             evaluations: int = EVALUATIONS) -> Diagnosis:
    """What is wrong with a function, from some of its calls.

    wrong_at: the `wrong_results` of each. source: the learner's code. It only decides between mistakes that give the
    same numbers. evaluations: of formulas; then what was found must do.
    """
    with np.errstate(all="ignore"):
        return _Search(program, observations, wrong_at, source, evaluations).run()


class _Search:
    def __init__(self, program: Program, observations: Sequence[Observation], wrong_at: Sequence[list[str]],
                 source: str = "", evaluations: int = EVALUATIONS):
        self.program = list(program)
        self.observations = list(observations)
        self.wrong_at = wrong_at
        self.source = source
        self.returned = [f.name for f in self.program if not f.hidden]
        self.evaluations, self.evaluated = evaluations, 0
        self.limit = evaluations // 2
        self.used_later = [set[str]().union(*(symbols(one) for later in self.program[place + 1:]
                                              for one in (later.right, *later.also)))
                           for place in range(len(self.program))]
        # the most telling call: the one where most results are wrong, and the largest
        self.probe = max(range(len(wrong_at)), key=lambda i: (len(wrong_at[i]), _elements(self.observations[i])))
        self.ignored = ""  # a result that is taken as it is, right or wrong
        self.known_variants: dict[int, list[Variant]] = {}
        self.factors: list[Fraction] = list(COMMON)

    # ------------------------------------------------------------------------------------------ the whole

    def run(self) -> Diagnosis:
        wrong = [name for name in self.returned if any(name in names for names in self.wrong_at)]
        if not wrong:
            return Diagnosis([], [])
        self.factors += self.seen_factors()
        for mistakes in (1, 2) if self.evidence() >= TELLING else (1,):
            found = self.explanations(mistakes)
            if found:
                return Diagnosis(self.best(found), wrong)
        return Diagnosis(self.one_by_one(wrong), wrong)

    def evidence(self) -> int:
        """How many different numbers were returned: two mistakes explain any 0 and 1."""
        seen = [np.ravel(value) for observation in self.observations for value in observation.returned.values()
                if value is not None]
        return len(np.unique(np.concatenate(seen))) if seen else 0

    def explanations(self, mistakes: int) -> list[tuple[Finding, ...]]:
        """Every set of so many mistakes that reproduces all calls."""
        found = []
        probe = self.observations[self.probe]
        for findings in self.descend(0, probe, Path(dict(probe.given), left=mistakes)):
            if not _circular(findings) and all(self.reproduces(findings, other) for i, other in
                                               enumerate(self.observations) if i != self.probe):
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
                repeated = 1.0 if one.family not in families else 0.5 if one.family.startswith("factor") else REPEATED
                total += repeated * (one.weight - 0.3 * hinted)
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
        return self.evaluated > self.limit

    def evaluate(self, expression: Expression, values: Mapping[str, Any],
                 known: dict[Expression, Any] | None = None) -> Any:
        self.evaluated += 1
        return evaluate(expression, values, known)

    # ----------------------------------------------------------------------------------------- the search

    def descend(self, place: int, observation: Observation, path: Path) -> Iterator[tuple[Finding, ...]]:
        """Sets of up to `path.left` mistakes, from formula `place` on, that reproduce one call."""
        if place == len(self.program):
            yield path.findings
            return
        for after in self.steps(place, observation, path):
            yield from self.descend(place + 1, observation, after)

    def steps(self, place: int, observation: Observation, path: Path) -> Iterator[Path]:
        """The ways past one formula: right, and, where that is not what came out, wrong in each way that is."""
        formula = self.program[place]
        seen = observation.returned.get(formula.name)
        if formula.name == self.ignored:
            yield path.to(formula.name, seen)
            return
        known: dict[Expression, Any] = {}
        rights = self.rights(formula, path.values, known)
        fitting = [value for value in rights if formula.hidden or seen is None
                   or same(seen, value, observation.tolerance, formula.scalar)]
        yield from (path.to(formula.name, value) for value in fitting)
        explained = not formula.hidden and (fitting or seen is None)
        if not explained and (path.left or path.families):
            yield from self.wrong_steps(place, observation, path, rights, known)

    def rights(self, formula: Formula, values: Mapping[str, Any], known: dict[Expression, Any]) -> list[Any]:
        """The values that the right ways of writing a formula give, each once."""
        found: list[Any] = []
        for expression in (formula.right, *formula.also):
            try:
                value = self.evaluate(expression, values, known)
            except Undefined:
                continue
            if not any(same(value, other, 1e-13, formula.scalar) for other in found):
                found.append(value)
        return found

    def wrong_steps(self, place: int, observation: Observation, path: Path, rights: Sequence[Any],
                    known: dict[Expression, Any]) -> Iterator[Path]:
        """The mistakes that a path may make at one formula; where its value was returned, those that give it."""
        formula = self.program[place]
        seen = observation.returned.get(formula.name)
        offered = self.variants(place)
        if not formula.hidden and rights:
            offered = offered + self.constant_factor(formula, seen, rights[0])
        values = path.values if formula.hidden else self.with_later(path.values, observation)
        for variant in offered:
            cost = int(variant.family not in path.families)
            if cost > path.left:
                continue
            if path.left > 1 and self.late():
                return
            try:
                value = self.evaluate(variant.expression, values, known)
            except Undefined:
                continue
            if formula.hidden:
                if not any(same(value, right, 1e-13, formula.scalar) for right in rights):
                    yield path.wrong(Finding(formula, variant), value, cost)
            elif same(seen, value, observation.tolerance, formula.scalar):
                yield path.wrong(Finding(formula, variant), seen, cost)
                if formula.name in self.used_later[place]:  # or the right value is used, and another one returned
                    for right in rights:
                        yield path.wrong(Finding(formula, variant, passed_on=False), right, cost)

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
                value = self.evaluate(expression, values if formula.hidden else self.with_later(values, observation))
                if not formula.hidden and seen is not None:
                    if not same(seen, value, observation.tolerance, formula.scalar):
                        continue
                if finding is not None and not finding.passed_on:
                    value = self.evaluate(formula.right, values)
            except Undefined:
                continue
            if self._reproduces(place + 1, mistakes, observation, values | {formula.name: value}):
                return True
        return False

    def variants(self, place: int) -> list[Variant]:
        if place not in self.known_variants:
            formula = self.program[place]
            probe = self.observations[self.probe]
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
        self.limit = self.evaluations * 3 // 4
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
        self.limit = self.evaluations
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
        if _circular(found):  # two wrong results that are equal say nothing about each other
            found = [f._replace(variant=None, numbers=self.numbers(self.program.index(f.formula), {}))
                     if f.variant is not None and f.variant.expression.head == "symbol" else f for f in found]
        open_ = [f.formula.name for f in found if f.variant is None]
        return [f if f.variant else f._replace(suspect=self.first_suspect(open_)) for f in found]

    def numbers(self, place: int, mistakes: Mapping[str, Finding]) -> str:
        """How far a result is off, given what is known to be wrong before it; "" if that explains it."""
        formula = self.program[place]
        first = self.observations[self.probe]
        for observation in (first, *(o for o in self.observations if o is not first)):
            seen = observation.returned.get(formula.name)
            try:
                expected = self.evaluate(formula.right, self.values_before(observation, place, mistakes))
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
                values[formula.name] = self.evaluate(wrong, values) if formula.hidden or seen is None else seen
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
                    value = self.evaluate(expression, values, known if i == 0 else None)
                except Undefined:
                    return False
                if not same(observation.returned[formula.name], value, observation.tolerance, formula.scalar):
                    return False
            return True

        known: dict[Expression, Any] = {}
        once = self.variants(place)
        try:
            first, values = calls[0]
            off = self.constant_factor(formula, first.returned[formula.name], self.evaluate(formula.right, values))
        except Undefined:
            off = []
        for variant in once + off:
            if explains(variant.expression, known):
                return variant
        if self.evidence() < TELLING:
            return None
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


def _circular(findings: Sequence[Finding]) -> bool:
    """Whether two results are explained by each other."""
    pairs = {(f.formula.name, str(f.variant.expression.content)) for f in findings
             if f.variant is not None and f.variant.expression.head == "symbol"}
    return any((b, a) in pairs for a, b in pairs)


def _elements(observation: Observation) -> int:
    """Of what was given: where there is one example only, a missing 1/m does not show."""
    return sum(np.size(value) for value in observation.given.values())
