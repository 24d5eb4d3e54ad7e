"""From a function's results to a verdict: is it right, and if not, what is the mistake, in words."""
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from tinygrad_course.checking import interfaces
from tinygrad_course.checking.course.cases import Answers, Calls, Case
from tinygrad_course.checking.course.functions import CourseFunction
from tinygrad_course.checking.diagnosis import guards
from tinygrad_course.checking.diagnosis.numbers import same
from tinygrad_course.checking.sandbox import structure
from tinygrad_course.checking.diagnosis.search import (
    EVALUATIONS, Diagnosis, Finding, Observation, diagnose, right_values, wrong_results,
)
from tinygrad_course.checking.course.operations import show
from tinygrad_course.checking.course.formulas import Program
from tinygrad_course.checking.report import ANOTHER, RAISES, RIGHT, WRONG, Explained, Verdict, listed


@dataclass
class Attempt:
    """What came out of all calls."""
    returned: list[tuple[Case, Observation, list[str]]] = field(default_factory=list)  # with the names that are wrong
    raised: list[tuple[Case, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)  # arguments whose values were changed in place
    entries: list[str] = field(default_factory=list)  # entries that were put into dictionaries or taken out
    shared: list[str] = field(default_factory=list)  # results that are one and the same array
    forms: dict[Any, Any] = field(default_factory=dict)  # results in another form than the course's, by group

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


def judge(function: CourseFunction, calls: Calls, source: str = "", cases: Sequence[Case] | None = None,
          explain: bool = True) -> Verdict:
    """Call the function on its cases and say what was found; without `explain`, only whether it is right."""
    with np.errstate(all="ignore"):  # what a wrong function returns may be anything
        if function.verdict is not None:
            return function.verdict(function, calls, source, explain)
        return _by_formulas(function, calls, source, cases, explain)


def _by_formulas(function: CourseFunction, calls: Calls, source: str, cases: Sequence[Case] | None,
                 explain: bool) -> Verdict:
    cases = list(function.cases()) if cases is None else list(cases)
    programs = {case.group: program_of(function, case.group) for case in cases}
    answers = calls([case.arguments for case in cases])
    attempt = collect(function, cases, programs, answers)
    verdict = verdict_on(function, attempt, programs)
    if verdict.status == WRONG and any(np.ndim(value) == 0 for _, one, wrong in attempt.returned for name in wrong
                                       if (value := one.returned.get(name)) is not None):
        loose = collect(function, cases, programs, answers, axes=False)
        if (found := verdict_on(function, loose, programs)).ok:
            attempt, verdict = loose, found
    if verdict.status == WRONG and (other := _otherwise(function, cases, programs, answers, source)) is not None:
        return other
    if verdict.wrong and explain:
        _explain(verdict, attempt, programs, source)
    elif verdict.status == RIGHT:
        verdict.notes += _not_returned(attempt, programs) + _remarks(attempt, programs) + guards.notes(source)
    return verdict


@lru_cache(maxsize=64)
def program_of(function: CourseFunction, group: Any) -> Program:
    return function.program(group)


def _otherwise(function: CourseFunction, cases: Sequence[Case], programs: dict[Any, Program], answers: Answers,
               source: str) -> Verdict | None:
    """The verdict by formulas with a guard against log(0), where the function has one and is right so."""
    for guard in guards.in_source(source):
        guarded: dict[Any, Program] = {group: [guard.applied(formula) for formula in program]
                                       for group, program in programs.items()}
        verdict = verdict_on(function, collect(function, cases, guarded, answers), guarded)
        if verdict.ok:
            verdict.notes.append(guard.said)
            return verdict
    if re.search(r"softmax|one.?hot", source, re.IGNORECASE) and function.name == "compute_cost":
        several: dict[Any, Program] = {group: [guards.of_softmax(formula) for formula in program]
                                       for group, program in programs.items()}
        verdict = verdict_on(function, collect(function, cases, several, answers), several)
        if verdict.status == RIGHT:
            verdict.status, verdict.summary = ANOTHER, f"right for what it is: {guards.SOFTMAX}"
            return verdict
    return None


def collect(function: CourseFunction, cases: Sequence[Case], programs: dict[Any, Program], answers: Answers,
            axes: bool = True) -> Attempt:
    """axes: whether a number is wrong where the course has an array of shape (1, 1)."""
    attempt = Attempt()
    for case, answer in zip(cases, answers):
        if "raised" in answer:
            attempt.raised.append((case, answer["raised"]))
            continue
        program = programs[case.group]
        scalars = frozenset(formula.name for formula in program if formula.scalar)
        reading = structure.read(function.template(case, answer["returned"]), answer["returned"], scalars)
        tolerance = max([case.tolerance, *(_precision(value) for value in reading.values.values())])
        free = {name: reading.values[name] for name in case.free if name in reading.values}
        observation = Observation({**case.given, **free}, reading.values, tolerance)
        wrong = wrong_results(program, observation)
        if wrong and not axes:
            wrong = _without_axes(program, observation, wrong, reading)
        if reading.problems and not wrong and case.judged:
            attempt.forms[case.group] = _form(program, observation, answer["returned"])
        attempt.returned.append((case, observation, wrong))
        if case.judged:
            _add(attempt.problems, reading.problems)
            _add(attempt.notes, reading.notes)
            _add(attempt.changed, answer["changed"]["in place"])
            _add(attempt.entries, answer["changed"]["entries"])
            _add(attempt.shared, _shared(answer))
    return attempt


def _shared(answer: dict[str, Any]) -> list[str]:
    return [f"{a} and {b} of the result are one and the same array: what changes one in place changes the other"
            for a, b in answer["changed"].get("shared", [])]


def _without_axes(program: Program, observation: Observation, wrong: list[str], reading: structure.Reading,
                  ) -> list[str]:
    """A number where the course has an array of shape (1, 1) is right, with a note."""
    right = right_values(program, observation.given)
    numbers = [name for name in wrong if name in reading.values and np.ndim(reading.values[name]) == 0
               and np.shape(right[name]) == (1, 1)]
    if not numbers:
        return wrong
    values = reading.values | {name: np.reshape(reading.values[name], (1, 1)) for name in numbers}
    again = wrong_results(program, observation._replace(returned=values))
    if not set(numbers) & set(again):
        reading.values.update({name: values[name] for name in numbers})
        reading.notes.append(f"{listed(numbers)} {structure.AXES}")
        return again
    return wrong


def _form(program: Program, observation: Observation, returned: Any) -> Any:
    """The quantities in a result of another form, by their values."""
    return interfaces.shape_of(returned, right_values(program, observation.given))


def _precision(value: Any) -> float:
    kind = np.asarray(value).dtype
    return {2: 3e-2, 4: 2e-4}.get(kind.itemsize, 0.0) if kind.kind == "f" else 0.0


def _add(found: list[str], new: Sequence[str]) -> None:
    found += [one for one in new if one not in found]


def verdict_on(function: CourseFunction, attempt: Attempt, programs: dict[Any, Program]) -> Verdict:
    """Whether a function is right, and whether it is so in another form than the course's."""
    verdict = Verdict(function.name, RIGHT)
    returned = [formula.name for program in programs.values() for formula in program if not formula.hidden]
    wrong = attempt.wrong() or ([] if not attempt.raised_where_judged else attempt.wrong(judged=False))
    verdict.results = {name: name not in wrong for name in dict.fromkeys(returned)} if attempt.answered else {}
    verdict.details = list(attempt.problems)
    verdict.notes = list(attempt.notes)
    verdict.forms = attempt.forms
    if attempt.raised_where_judged:
        case, said = attempt.raised_where_judged[0]
        words = "it raises for some shapes" if attempt.answered else "it raises"
        where = f" ({case.label})" if attempt.answered else ""
        verdict.details.append(f"{words}{where}:\n" + "\n".join("  " + line for line in said.splitlines()))
        verdict.summary = f"{words.removeprefix('it ')}{where}: {said.splitlines()[-1]}"
    if wrong or attempt.problems:
        verdict.status = WRONG
        verdict.summary = _summary(verdict, wrong)
    elif attempt.raised_where_judged:
        verdict.status = RAISES
    else:
        verdict.summary = f"agrees on {sum(case.judged for case, _, _ in attempt.returned)} inputs"
    if attempt.problems and not wrong and not attempt.raised_where_judged and _only_another_cache(function, attempt):
        _say_another_cache(verdict, function, attempt)
    _say_changes(function, attempt, verdict)
    return verdict


def _only_another_cache(function: CourseFunction, attempt: Attempt) -> bool:
    """Whether what is in another form is the cache, which a file's own functions hand on, and its values are right."""
    case = attempt.returned[0][0]
    template = function.template(case, None)
    if not isinstance(template, tuple) or not isinstance(template[0], str) or isinstance(template[1], str):
        return False
    trees = [attempt.forms.get(case.group) for case, _, _ in attempt.returned if case.judged]
    return all(isinstance(tree, tuple) and len(tree) == 2 and isinstance(tree[0], str) and not isinstance(tree[1], str)
               and None not in interfaces.names_of(tree) for tree in trees)


def _say_another_cache(verdict: Verdict, function: CourseFunction, attempt: Attempt) -> None:
    case = attempt.returned[0][0]
    tree = attempt.forms[case.group][1]
    wanted, found = ([name.removeprefix("cached ") for name in names] for names in (
        structure.names_in(function.template(case, None)[1]), interfaces.names_of(tree)))
    missing = [name for name in wanted if name not in found]
    verdict.status, verdict.details = ANOTHER, []
    verdict.forms = {group: form[1] for group, form in attempt.forms.items()}
    verdict.summary = (f"right, through another interface than the course's: its cache is {interfaces.in_words(tree)}"
                       + f", without {listed(missing)}" * bool(missing))


def _explain(verdict: Verdict, attempt: Attempt, programs: dict[Any, Program], source: str) -> None:
    wrong = attempt.wrong()
    # Where it raised for most shapes, what it returned for the others names the mistake.
    judged = bool(wrong) or not attempt.raised_where_judged
    wrong = wrong if judged else attempt.wrong(judged=False)
    if wrong:
        verdict.mistakes = explained(attempt, programs, source, judged)
        verdict.notes += _cut_off(attempt, wrong) + attempt.shared
        verdict.summary = _summary(verdict, wrong)


def _cut_off(attempt: Attempt, wrong: Sequence[str]) -> list[str]:
    whole = [name for name in wrong if "redict" not in name and name != "p" and any(
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
        verdict.notes.append(
            f"it changes its argument{'s' * (len(attempt.changed) != 1)} {listed(attempt.changed[:4])} in place: "
            "the caller's array is another one afterwards. Write W = W - ... for W -= ..., or copy it first")
    elif attempt.entries and not function.in_place:
        verdict.notes.append(f"it puts something else into its arguments: {listed(attempt.entries[:4])}")


def _not_returned(attempt: Attempt, programs: dict[Any, Program]) -> list[str]:
    """Interim results that the course's function returns, too, and nobody misses."""
    if not attempt.returned:
        return []
    case, observation, _ = attempt.returned[0]
    missing = [f.name for f in programs[case.group] if not f.hidden and f.name not in observation.returned]
    return [f"it does not store {listed(missing)}, which the course's function does"] if missing else []


def _remarks(attempt: Attempt, programs: dict[Any, Program]) -> list[str]:
    """What is right for the course and not in general."""
    notes = []
    others = [(case, wrong) for case, _, wrong in attempt.returned if not case.judged and wrong]
    others += [(case, []) for case, _ in attempt.raised if not case.judged]
    random = [differ for case, observation, _ in attempt.returned
              if "random" in case.label and not case.judged and _outputs(case) == 1
              and (differ := _not_as_written(programs[case.group], observation))]
    if random:
        notes.append("with caches that no forward pass produced, as some tests of the course have them, "
                     f"{listed(random[0])} differ: the function does not take from the cache what the course's takes, "
                     "the same in a real cache only. That is right, but such a test will not agree")
    for case, wrong in [(case, wrong) for case, wrong in others if "random" not in case.label][:1]:
        what = f"{listed(wrong[:4])} would come out wrong" if wrong else "it raises"
        only = "one output unit" if _outputs(case) > 1 else "the course's networks"
        notes.append(f"right for {only}; for others ({case.label}) {what}")
    return notes


def _not_as_written(program: Program, observation: Observation) -> list[str]:
    """Results that are not what the course's own way of writing the formulas gives."""
    right = right_values(program, observation.given)
    return [f.name for f in program if not f.hidden and f.name in observation.returned
            and not same(observation.returned[f.name], right[f.name], observation.tolerance, f.scalar)]


def _outputs(case: Case) -> int:
    """How many output units a case has."""
    last: Any = next((case.given[name] for name in ("Y", f"W{case.group}") if name in case.given), 0.0)
    return int(np.shape(last)[0]) if np.ndim(last) else 1


def explained(attempt: Attempt, programs: dict[Any, Program], source: str, judged: bool = True) -> list[Explained]:
    """The mistakes in words, from all calls that share their formulas."""
    found: dict[Any, Diagnosis] = {}
    evaluations = EVALUATIONS
    for group, program in programs.items():
        calls = [(case, observation, wrong) for case, observation, wrong in attempt.returned if case.group == group]
        if not any(wrong for case, _, wrong in calls if case.judged or not judged):
            continue
        diagnosis = diagnose(program, [one[1] for one in calls], [one[2] for one in calls], source, evaluations)
        if not diagnosis.explained:
            # A function that computes something again is not explained by what is in a random cache.
            consistent = [call for call in calls if "random" not in call[0].label]
            if 0 < len(consistent) < len(calls):
                again = diagnose(program, [one[1] for one in consistent], [one[2] for one in consistent], source,
                                 evaluations)
                diagnosis = again if again.explained or not diagnosis.findings else diagnosis
        found[group] = diagnosis
        if diagnosis.explained and isinstance(group, int):
            break  # networks of other depths have the same code
        if isinstance(group, int):
            evaluations = EVALUATIONS // 8  # what is not recognised in one depth will hardly be in another
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
