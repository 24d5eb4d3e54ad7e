"""`check_file`: all of the course's functions in a learner's file, each with its verdict."""
from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tinygrad_course.checking.course import loops
from tinygrad_course.checking.sandbox.conventions import BIAS, flat_arguments, with_column_b
from tinygrad_course.checking.course.functions import COURSE_FUNCTIONS, CourseFunction
from tinygrad_course.checking.judge import Answers, judge
from tinygrad_course.checking.sandbox.process import LearnerProcess, Stopped
from tinygrad_course.checking.course.references import week_of
from tinygrad_course.checking.report import RIGHT, UNCHECKED, WRONG, Explained, Report, Verdict, listed
from tinygrad_course.errors import InputError

LONGEST = 86400.0  # seconds: a day
TIME_LIMIT = 10.0  # seconds for one function, and for each statement of the file
ORDER = ["sigmoid", "relu", "initialize_with_zeros", "propagate", "optimize", "layer_sizes", "initialize_parameters",
         "initialize_parameters_deep", "linear_forward", "linear_activation_forward", "forward_propagation",
         "L_model_forward", "compute_cost", "linear_backward", "linear_activation_backward", "backward_propagation",
         "L_model_backward", "update_parameters", "nn_model", "predict"]


def check_file(path: str | os.PathLike[str], *, time_limit: float = TIME_LIMIT) -> Report:
    """Check each of the course's functions that a Python file or notebook defines.

    The code at the top of the file runs, and its functions: in a process of its own, in a throw-away copy of the
    file's folder, with bounded memory and with nothing left running; see SECURITY.md. A function that takes more than
    `time_limit` seconds is stopped.
    Raises InputError where there is no such file, or for a time limit that is no positive number of seconds.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise InputError(f"{file}: " + ("this is a folder: give the name of a file in it" if file.is_dir() else
                                        "there is no such file"))
    if file.suffix.lower() not in (".py", ".ipynb"):
        raise InputError(f"{file}: give a Python file (.py) or a notebook (.ipynb)")
    if not 0 < time_limit <= LONGEST:
        raise InputError(f"the time limit is {time_limit:g}: give a number of seconds above 0, {LONGEST:g} at most")
    with LearnerProcess(file, time_limit) as process:
        try:
            loaded = process.load()
        except Stopped as stopped:
            where = f"{stopped.where}: " if stopped.where else ""
            return Report(file.name, [], f"{where}{stopped}. Put what is not a definition under "
                          "if __name__ == '__main__':")
        return _FileCheck(process, loaded).report(file.name)


class _FileCheck:
    def __init__(self, process: LearnerProcess, loaded: Mapping[str, Any]):
        self.process = process
        self.loaded = loaded
        self.functions: Mapping[str, Any] = loaded["functions"]
        self.week = week_of(set(self.functions))
        self.stopped: set[str] = set()  # functions that had to be stopped: those that call them would be too
        self.not_right: list[str] = []
        self.flat_b = False  # whether the file makes b of shape (n,), so that its other functions may expect that
        self.right_with_flat_b: set[str] = set()

    def report(self, title: str) -> Report:
        verdicts = []
        for name in ORDER:
            if name in self.functions:
                verdicts.append(self.verdict(name))
                if not verdicts[-1].ok:
                    self.not_right.append(name)
        if self.flat_b:
            self.accept_flat_b(verdicts)
        notes = list(self.loaded["notes"])
        if self.loaded["supplied"]:
            notes.append(f"not defined in the file, so the course's own was used: {listed(self.loaded['supplied'])}")
        return Report(title, verdicts, self.loaded["problem"], notes)

    def verdict(self, name: str) -> Verdict:
        info = self.functions[name]
        place = f"{info['cell']}, line {info['line']}"
        helpers = [other for other in info["calls"] if other in self.functions and other in ORDER and other != name]
        try:
            chosen = self.choose(name)
        except Stopped as stopped:
            self.stopped.add(name)
            return Verdict(name, UNCHECKED, str(stopped), place=place)
        if isinstance(chosen, str):
            return Verdict(name, UNCHECKED, chosen, place=place)
        verdict = self.attempt(name, chosen, replace=bool(self.stopped & set(helpers)))
        if name.startswith("initialize_parameters"):
            self.flat_b |= any(_flat_bias(mistake) for mistake in verdict.mistakes)
        elif self.flat_b and verdict.status != RIGHT:
            flat = self.attempt(name, chosen, replace=False, flat_b=True)
            if flat.status == RIGHT:
                verdict = flat
                verdict.notes.append("b has the shape (n,) in your file; the course has (n, 1)")
                self.right_with_flat_b.add(name)
        if verdict.status != RIGHT and helpers:
            alone = self.attempt(name, chosen, replace=True)
            if alone.status == RIGHT:
                verdict = alone
                blamed = [helper for helper in helpers if helper in self.not_right] or self.not_right or helpers
                verdict.summary = f"right by itself; in this file it goes wrong because of {listed(blamed)}"
            elif alone.status == WRONG and (verdict.status == WRONG or alone.mistakes):
                verdict = alone
        verdict.place = place
        return verdict

    def accept_flat_b(self, verdicts: Sequence[Verdict]) -> None:
        """Where the file's other functions are right with b of shape (n,), making it so is no mistake."""
        others = [verdict for verdict in verdicts if verdict.name in self.right_with_flat_b]
        for verdict in verdicts:
            only_shape = verdict.mistakes and all(map(_flat_bias, verdict.mistakes)) and not verdict.details
            if others and verdict.name in loops.INITIALISERS and only_shape:
                verdict.status, verdict.mistakes = RIGHT, []
                verdict.results = dict.fromkeys(verdict.results, True)
                verdict.summary = "right, with b of shape (n,), which the file uses throughout"

    def choose(self, name: str) -> CourseFunction | str | None:
        """The edition of the course that the function belongs to; None for those in `loops`; a text for none."""
        parameters = self.functions[name]["parameters"]
        editions = [function for function in COURSE_FUNCTIONS if function.name == name]
        wanted = list(dict.fromkeys(function.parameters for function in editions)) or [loops.PARAMETERS[name]]
        counts = _counts(parameters)
        fitting = [one for one in editions
                   if counts[0] <= len(one.parameters) - one.optional and len(one.parameters) <= counts[1]]
        if name in loops.SPECIAL:
            if not counts[0] <= len(wanted[0]) <= counts[1]:
                return _other_signature(name, parameters, wanted)
            return None
        if not fitting:
            return _other_signature(name, parameters, wanted)
        names = [parameter for parameter, _ in parameters or []]
        if name in ("sigmoid", "relu"):
            [answer] = self.process.calls(name, [(next(iter(fitting[0].cases())).arguments[0],)], self.week, False)
            pair = isinstance(answer.get("returned"), (tuple, list)) if "returned" in answer else self.week == 4
            return next(function for function in fitting if (function.week == 4) == pair)
        if name == "predict" and len(fitting) > 1:
            first = names[0] if names else ""
            return next(f for f in fitting if (f.week == 2) == (first.lower() in ("w", "weights") or self.week == 2))
        if name == "compute_cost":
            fitting = [f for f in fitting if len(f.parameters) == min(3, max(counts[0], 2))]
        return min(fitting, key=lambda function: abs(function.week - self.week))

    def attempt(self, name: str, chosen: CourseFunction | None, replace: bool, flat_b: bool = False) -> Verdict:
        week = chosen.week if chosen is not None else loops.WEEKS[name]
        if name == "initialize_parameters" or (name == "compute_cost" and self.week == 4):
            week = self.week
        source = self.functions[name]["source"]
        wanted = chosen.parameters if chosen is not None else loops.PARAMETERS[name]
        order = order_of(self.functions[name]["parameters"], wanted)

        def calls(arguments: list[tuple[Any, ...]]) -> Answers:
            given = [tuple(one[i] for i in order) if len(order) == len(one) else one for one in arguments]
            if flat_b:
                names = [wanted[i] for i in order] if order else wanted
                given = [flat_arguments(one, names) for one in given]
            answers: Answers = self.process.calls(name, given, week, replace)
            if flat_b:
                answers = [with_column_b(answer) if "returned" in answer else answer for answer in answers]
            return answers

        try:
            if chosen is None:
                return loops.SPECIAL[name](calls, source)
            return judge(chosen, calls, source)
        except Stopped as stopped:
            self.stopped.add(name)
            return Verdict(name, UNCHECKED, str(stopped))


def _flat_bias(mistake: Explained) -> bool:
    return bool(BIAS.fullmatch(mistake.quantity)) and mistake.mistake == "one axis missing"


def _counts(parameters: Sequence[tuple[str, bool]] | None) -> tuple[int, int]:
    """How many arguments a function needs, and how many it takes."""
    if parameters is None:
        return 0, 100
    return sum(not optional for _, optional in parameters), len(parameters)


def order_of(parameters: Sequence[tuple[str, bool]] | None, wanted: Sequence[str]) -> list[int]:
    """Where the learner's parameters have the course's names in another order: the places of the course's arguments."""
    names = [name for name, _ in parameters or []]
    if sorted(names) == sorted(wanted):
        return [list(wanted).index(name) for name in names]
    return []


def _other_signature(name: str, parameters: Sequence[tuple[str, bool]] | None, wanted: Sequence[Sequence[str]]) -> str:
    course = " or ".join(f"{name}({', '.join(one)})" for one in wanted)
    return f"it takes ({', '.join(p for p, _ in parameters or [])}); the course has {course}"
