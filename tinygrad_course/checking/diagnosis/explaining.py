"""What is wrong with a function, from both sides: the table of mistakes, and the smallest change of its own source.

The table knows the words; the repair knows the line. Where both explain everything, the table's words are told with
the repair's line; otherwise the one that needs fewer mistakes.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_course.checking.course.cases import Answers, Calls, Case
from tinygrad_course.checking.course.functions import CourseFunction
from tinygrad_course.checking.diagnosis import reading
from tinygrad_course.checking.diagnosis.edits import Edit
from tinygrad_course.checking.diagnosis.repair import Repair, smallest
from tinygrad_course.checking.diagnosis.numbers import same
from tinygrad_course.checking.diagnosis.search import right_values
from tinygrad_course.checking.judge import judge, program_of
from tinygrad_course.checking.report import ANOTHER, RIGHT, Explained, Verdict
from tinygrad_course.checking.sandbox import structure

# Changed sources and arguments, to the answers of each.
Trials = Callable[[list[str], list[tuple[Any, ...]]], list[Answers]]
MANY = 50  # iterations of a training that one telling call does without


def explain(function: CourseFunction, calls: Calls, trials: Trials, source: str, line: int,
            functions: Sequence[str]) -> Verdict:
    """The verdict on a wrong function, with its mistakes. line: where its source begins in the file."""
    verdict = judge(function, calls, source)
    if verdict.ok or not source:
        return verdict
    try:
        with np.errstate(all="ignore"):
            repair = smallest(source, functions, _Bench(function, calls, trials, verdict),
                              [one.quantity for one in verdict.mistakes])
    except (SyntaxError, ValueError, RecursionError):  # a source that is no function by itself
        return verdict
    if repair is not None:
        _combine(verdict, repair, source, line)
    elif not verdict.mistakes or any(not mistake.mistake for mistake in verdict.mistakes) or _raises(verdict):
        _read(verdict, source, line)
    reading.located(verdict.mistakes, source, line)
    return verdict


def _read(verdict: Verdict, source: str, line: int) -> None:
    """Neither the table nor a small change explains it: what the source shows in its loops."""
    found = reading.loop_mistakes(source) or reading.unused_arguments(source)
    if not found:
        return
    for mistake in found:
        mistake.line += line - 1
    found[0].affects = [name for name, right in verdict.results.items() if not right]
    verdict.mistakes = found
    verdict.summary = "; ".join(f"{mistake.quantity}: {mistake.mistake}" for mistake in found)


class _Bench:
    """Runs changed versions of a function, and says how much of what they return is right."""

    def __init__(self, function: CourseFunction, calls: Calls, trials: Trials, original: Verdict):
        self.function, self.trials, self.original = function, trials, original
        self.cases = [] if function.verdict else list(function.cases())
        self.telling = self.telling_case(calls) if self.cases else []
        self.right = [right_values(program_of(function, case.group), case.given) for case in self.telling
                      if not case.free]

    def telling_case(self, calls: Calls) -> list[Case]:
        """The case that shows the most of what is wrong, the first of several."""
        answers = calls([case.arguments for case in self.cases])
        verdicts = [judge(self.function, lambda arguments, answer=answer: [answer], "", [case], False)  # type: ignore
                    for case, answer in zip(self.cases, answers)]
        wrong = [(len(verdict.results) - sum(verdict.results.values()), -place) for place, verdict in
                 enumerate(verdicts) if not verdict.ok and self.cases[place].judged]
        return [self.cases[-max(wrong)[1]]] if wrong else self.cases

    def __call__(self, sources: list[str], one_call: bool) -> list[float]:
        if not self.cases:
            return self.of_training(sources, one_call)
        if not one_call or not self.right:
            return [self.judged(answers, self.cases)
                    for answers in self.trials(sources, [case.arguments for case in self.cases])]
        found = self.trials(sources, [case.arguments for case in self.telling])
        return [self.compared(answers[0]) for answers in found]

    def compared(self, answer: dict[str, Any]) -> float:
        """One answer, beside the right values of its case."""
        if "raised" in answer:
            return 0.0
        [case], [right] = self.telling[:1], self.right[:1]
        program = program_of(self.function, case.group)
        scalars = frozenset(formula.name for formula in program if formula.scalar)
        values = structure.read(self.function.template(case, answer["returned"]), answer["returned"], scalars).values
        wanted = [formula.name for formula in program if not formula.hidden and (
            formula.name in right and (formula.name in values or not self.original.forms))]
        tolerance = max(case.tolerance, 1e-8)
        # (1, 1) and () are told apart when all calls are judged
        good = sum(name in values and same(values[name], right[name], tolerance,
                                           name in scalars or np.shape(right[name]) == (1, 1)) for name in wanted)
        return 1.0 if good == len(wanted) else (1 + good) / (2 + len(wanted))

    def of_training(self, sources: list[str], one_call: bool) -> list[float]:
        asked: list[list[tuple[Any, ...]]] = []

        def ask(arguments: list[tuple[Any, ...]]) -> Answers:
            asked.append(arguments)
            return [{"left out": True} for _ in arguments]

        judge(self.function, ask, explain=False)
        [arguments] = asked
        wanted = [place for place, one in enumerate(arguments)
                  if not (one_call and any(isinstance(value, int) and value > MANY for value in one))]
        scores = []
        for answers in self.trials(sources, [arguments[place] for place in wanted]):
            every: Answers = [{"left out": True} for _ in arguments]
            for place, answer in zip(wanted, answers):
                every[place] = answer
            scores.append(self.judged(every, None))
        return scores

    def judged(self, answers: Answers, cases: Sequence[Case] | None) -> float:
        verdict = judge(self.function, lambda arguments: answers, "", cases, explain=False)
        if verdict.status == RIGHT or verdict.status == ANOTHER and self.original.forms:
            return 1.0
        if not verdict.results:
            return 0.0
        return (1 + sum(verdict.results.values())) / (2 + len(verdict.results))


def _combine(verdict: Verdict, repair: Repair, source: str, line: int) -> None:
    told = [mistake for mistake in verdict.mistakes if mistake.mistake]
    complete = bool(told) and len(told) == len(verdict.mistakes) and not _raises(verdict)
    kinds = {re.sub(r"\d+", "", mistake.mistake) for mistake in told}
    lines = source.splitlines()
    if complete and len(kinds) <= len(repair.edits) and (len(kinds) == 1 or len(told) <= len(repair.edits)):
        for mistake, edit in zip(told, _for_each(told, repair.edits, lines)):
            _locate(mistake, edit, lines, line)
        return
    wrong = [name for name, right in verdict.results.items() if not right]
    # What the edits are applied to is the source after the edits before: lines are those of the original mostly.
    numbers = next((one.numbers for one in verdict.mistakes if one.numbers), "")
    verdict.mistakes = [_explained(edit, lines, line, wrong) for edit in repair.edits]
    verdict.mistakes[0].numbers = numbers
    verdict.summary = "; ".join(f"line {one.line}: {one.mistake}" for one in verdict.mistakes)
    if _raises(verdict):
        verdict.summary = f"{verdict.details[-1].splitlines()[-1].strip()}; " + verdict.summary


def _raises(verdict: Verdict) -> bool:
    return any(detail.startswith("it raises") for detail in verdict.details)


def _for_each(mistakes: Sequence[Explained], edits: Sequence[Edit], lines: Sequence[str]) -> list[Edit]:
    """The edit that belongs to each mistake: the one whose line computes the quantity, else the first."""
    found = []
    for mistake in mistakes:
        letter = re.sub(r"\d+$", "", mistake.quantity)
        own = [edit for edit in edits if mistake.quantity and re.search(
            rf"\b{re.escape(mistake.quantity)}\b", _code(edit, lines).split("=")[0])]
        alike = [edit for edit in edits if letter and letter in _code(edit, lines).split("=")[0]]
        found.append((own or alike or list(edits))[0])
    return found


def _code(edit: Edit, lines: Sequence[str]) -> str:
    return lines[edit.line - 1].strip() if edit.line <= len(lines) else ""


def _locate(mistake: Explained, edit: Edit, lines: Sequence[str], line: int) -> None:
    mistake.line, mistake.code, mistake.change = line + edit.line - 1, _code(edit, lines), edit.change


def _explained(edit: Edit, lines: Sequence[str], line: int, wrong: list[str]) -> Explained:
    code = _code(edit, lines)
    target = code.split("=")[0].strip() if re.match(r"[\w.\[\]'\", ]+=[^=]", code) else ""
    name = re.fullmatch(r"\w+|\w+\[['\"](\w+)['\"]\]", target)
    quantity = (name[1] or name[0]) if name else ""
    found = Explained(quantity, edit.kind, affects=[one for one in wrong if one != quantity])
    _locate(found, edit, lines, line)
    return found
