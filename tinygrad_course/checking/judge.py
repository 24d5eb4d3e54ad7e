"""From a function's results to a verdict: is it right, and if not, what is the mistake, in words."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_course.checking.sandbox import structure
from tinygrad_course.checking.course.functions import Case, CourseFunction
from tinygrad_course.checking.diagnosis.search import Diagnosis, Finding, Observation, diagnose, wrong_results
from tinygrad_course.checking.course.operations import show
from tinygrad_course.checking.course.formulas import Program
from tinygrad_course.checking.report import CHANGES, RIGHT, UNCHECKED, WRONG, Explained, Verdict, listed

Answers = list[dict[str, Any]]
Calls = Callable[[list[tuple[Any, ...]]], Answers]  # from arguments to what was returned or raised, call by call


@dataclass
class Attempt:
    """What came out of all calls."""
    returned: list[tuple[Case, Observation, list[str]]] = field(default_factory=list)  # with the names that are wrong
    raised: list[tuple[Case, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)  # arguments whose values were changed in place
    entries: list[str] = field(default_factory=list)  # entries that were put into dictionaries or taken out

    def wrong(self, judged: bool = True) -> list[str]:
        names: dict[str, None] = {}
        for case, _, wrong in self.returned:
            if case.judged or not judged:
                names |= dict.fromkeys(wrong)
        return list(names)

    @property
    def raised_where_judged(self) -> list[tuple[Case, str]]:
        return [(case, said) for case, said in self.raised if case.judged]

    @property
    def answered(self) -> bool:
        return any(case.judged for case, _, _ in self.returned)


def judge(function: CourseFunction, calls: Calls, source: str = "", cases: Sequence[Case] | None = None) -> Verdict:
    """Call the function on its cases and say what was found."""
    cases = list(function.cases()) if cases is None else list(cases)
    programs = {case.group: function.program(case.group) for case in cases}
    attempt = collect(function, cases, programs, calls([case.arguments for case in cases]))
    return verdict_on(function, attempt, programs, source)


def collect(function: CourseFunction, cases: Sequence[Case], programs: dict[Any, Program], answers: Answers) -> Attempt:
    attempt = Attempt()
    for case, answer in zip(cases, answers):
        if "raised" in answer:
            attempt.raised.append((case, answer["raised"]))
            continue
        program = programs[case.group]
        scalars = frozenset(formula.name for formula in program if formula.scalar)
        reading = structure.read(function.template(case, answer["returned"]), answer["returned"], scalars)
        tolerance = max([case.tolerance, *(_precision(value) for value in reading.values.values())])
        observation = Observation(case.given, reading.values, tolerance)
        attempt.returned.append((case, observation, wrong_results(program, observation)))
        if case.judged:
            _add(attempt.problems, reading.problems)
            _add(attempt.notes, reading.notes)
            _add(attempt.changed, answer["changed"]["in place"])
            _add(attempt.entries, answer["changed"]["entries"])
    return attempt


def _precision(value: Any) -> float:
    kind = np.asarray(value).dtype
    return {2: 3e-2, 4: 2e-4}.get(kind.itemsize, 0.0) if kind.kind == "f" else 0.0


def _add(found: list[str], new: Sequence[str]) -> None:
    found += [one for one in new if one not in found]


def verdict_on(function: CourseFunction, attempt: Attempt, programs: dict[Any, Program], source: str) -> Verdict:
    verdict = Verdict(function.name, RIGHT)
    returned = [formula.name for program in programs.values() for formula in program if not formula.hidden]
    wrong = attempt.wrong()
    # Where it raised for most shapes, what it returned for the others names the mistake.
    judged = bool(wrong) or not attempt.raised_where_judged
    if not judged and attempt.wrong(judged=False):
        wrong = attempt.wrong(judged=False)
    verdict.results = {name: name not in wrong for name in dict.fromkeys(returned)} if attempt.answered else {}
    verdict.details = list(attempt.problems)
    verdict.notes = list(attempt.notes)
    if wrong:
        verdict.mistakes = explained(attempt, programs, source, judged)
        verdict.notes += _cut_off(attempt, wrong)
    if attempt.problems or wrong:
        verdict.status = WRONG
        verdict.summary = _summary(verdict, wrong)
    elif attempt.raised_where_judged:
        verdict.status = UNCHECKED
    elif attempt.changed:
        verdict.status = CHANGES
    else:
        verdict.summary = f"agrees on {sum(case.judged for case, _, _ in attempt.returned)} inputs"
        verdict.notes += _remarks(attempt)
    if attempt.raised_where_judged:
        case, said = attempt.raised_where_judged[0]
        everywhere = not attempt.answered
        words = "it raises" if everywhere else f"it raises for some shapes ({case.label})"
        verdict.details.append(f"{words}:\n" + "\n".join("  " + line for line in said.splitlines()))
        if verdict.status == UNCHECKED:
            verdict.summary = f"{words.removeprefix('it ')}: {said.splitlines()[-1]}"
    _say_changes(function, attempt, verdict)
    return verdict


def _cut_off(attempt: Attempt, wrong: Sequence[str]) -> list[str]:
    whole = [name for name in wrong if any(
        observation.returned.get(name) is not None and np.asarray(observation.returned[name]).dtype.kind in "iub"
        and name not in ("n_x", "n_h", "n_y") for _, observation, _ in attempt.returned)]
    said = f"{listed(whole)} holds whole numbers only: what comes after the point was cut off (dtype=int?)"
    return [said] if whole else []


def _summary(verdict: Verdict, wrong: Sequence[str]) -> str:
    named = [f"{mistake.quantity}: {mistake.mistake}" for mistake in verdict.mistakes if mistake.mistake]
    unknown = [mistake.quantity for mistake in verdict.mistakes if not mistake.mistake]
    parts = named + ([f"{listed(unknown)}: wrong, mistake not recognised"] if unknown else [])
    return "; ".join(parts) or (verdict.details[0].splitlines()[0] if verdict.details else listed(list(wrong)))


def _say_changes(function: CourseFunction, attempt: Attempt, verdict: Verdict) -> None:
    if attempt.changed:
        said = (f"it changes its argument{'s' * (len(attempt.changed) != 1)} {listed(attempt.changed[:4])} in place: "
                "the caller's array is another one afterwards. Write W = W - ... for W -= ..., or copy it first")
        verdict.details.append(said)
        if verdict.status == CHANGES:
            verdict.summary = f"its results are right, but it changes {listed(attempt.changed[:4])}"
    elif attempt.entries and not function.dictionary_may_change:
        verdict.notes.append(f"it puts something else into its arguments: {listed(attempt.entries[:4])}")


def _remarks(attempt: Attempt) -> list[str]:
    """What is right for the course and not in general."""
    random = [wrong for case, _, wrong in attempt.returned if not case.judged and wrong and "random" in case.label]
    if random:
        return ["with caches that no forward pass produced, as some tests of the course have them, "
                f"{listed(random[0])} differ: the function computes something again that it finds in the cache. "
                "That is right, but such a test will not agree"]
    return []


def explained(attempt: Attempt, programs: dict[Any, Program], source: str, judged: bool = True) -> list[Explained]:
    """The mistakes in words, from all calls that share their formulas."""
    found: dict[Any, Diagnosis] = {}
    for group, program in programs.items():
        calls = [(case, observation, wrong) for case, observation, wrong in attempt.returned if case.group == group]
        if not any(wrong for case, _, wrong in calls if case.judged or not judged):
            continue
        diagnosis = diagnose(program, [one[1] for one in calls], [one[2] for one in calls], source)
        if not diagnosis.explained:
            # A function that computes something again is not explained by what is in a random cache.
            consistent = [call for call in calls if "random" not in call[0].label]
            if 0 < len(consistent) < len(calls):
                again = diagnose(program, [one[1] for one in consistent], [one[2] for one in consistent], source)
                diagnosis = again if again.explained or not diagnosis.findings else diagnosis
        found[group] = diagnosis
        if diagnosis.explained and isinstance(group, int):
            break  # networks of other depths have the same code
    if any(isinstance(group, int) for group in found):
        best = next((d for d in found.values() if d.explained), next(iter(found.values())))
        return [in_words(finding) for finding in best.findings]
    words: list[Explained] = []
    for group, diagnosis in found.items():
        for one in map(in_words, diagnosis.findings):
            if not any((one.quantity, one.mistake, one.yours) == (w.quantity, w.mistake, w.yours) for w in words):
                words.append(one)
    return words


def in_words(finding: Finding) -> Explained:
    formula, variant = finding.formula, finding.variant
    right = f"{formula.name} = {show(formula.right)}"
    if variant is None:
        first = finding.suspect
        why = f"the first quantity to be wrong is {first}" if first and first != formula.name else ""
        return Explained(formula.name, "", why, "", right, numbers=finding.numbers)
    why = variant.why or formula.why
    if not finding.passed_on:
        why += " (only what is returned is wrong: what is computed from it is right)"
    return Explained(formula.name, variant.name, why, f"{formula.name} = {show(variant.expression)}", right,
                     formula.hidden, list(finding.affects))
