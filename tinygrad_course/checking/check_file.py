"""`check_file`: all of the course's functions in a learner's file, each with its verdict."""
from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tinygrad_course.checking import interfaces
from tinygrad_course.checking.course.cases import Answers, Calls
from tinygrad_course.checking.course.functions import ORDER, CourseFunction, editions, week_of
from tinygrad_course.checking.diagnosis.explaining import explain
from tinygrad_course.checking.interfaces import FLAT_B, ROWS, Form, Match
from tinygrad_course.checking.judge import judge
from tinygrad_course.checking.report import (
    ANOTHER, CHANGE, NOT_DONE, RAISES, RIGHT, UNCHECKED, WRONG, Report, Verdict, listed,
)
from tinygrad_course.checking.sandbox.process import LearnerProcess, Stopped
from tinygrad_course.errors import InputError

LONGEST = 86400.0  # seconds: a day
TIME_LIMIT = 10.0  # seconds for one function, and for each statement of the file
# What learners call the course's functions besides; taken for them where the arguments fit.
ALIASES = {
    "backprop": "backward_propagation", "backpropagation": "backward_propagation", "back_prop": "backward_propagation",
    "backward_prop": "backward_propagation", "back_propagation": "backward_propagation",
    "update": "update_parameters", "update_params": "update_parameters", "updateparameters": "update_parameters",
    "forward_prop": "forward_propagation", "forwardprop": "forward_propagation", "cost": "compute_cost",
    "cost_function": "compute_cost", "calculate_cost": "compute_cost", "computecost": "compute_cost",
    "compute_loss": "compute_cost", "initialize_params": "initialize_parameters",
    "init_params": "initialize_parameters",
    "initialise_parameters": "initialize_parameters", "initialize_parameters_l": "initialize_parameters_deep",
    "l_layer_model_forward": "L_model_forward", "l_layer_model_backward": "L_model_backward",
}
# Whose result a function takes as its argument: the form of that one is the file's own affair.
PRODUCERS = {
    "backward_propagation": ("cache", "forward_propagation"), "linear_backward": ("cache", "linear_forward"),
    "linear_activation_backward": ("cache", "linear_activation_forward"),
    "L_model_backward": ("caches", "L_model_forward"), "backward_propagation_n": ("cache", "forward_propagation_n"),
    "update_parameters": ("grads", "backward_propagation"),
}
CONSUMERS = {"backward_propagation": "update_parameters", "L_model_backward": "update_parameters"}


def check_file(path: str | os.PathLike[str], *, time_limit: float = TIME_LIMIT, hint: int = CHANGE,
               only: Sequence[str] = ()) -> Report:
    """Check each of the course's functions that a Python file or notebook defines.

    The code at the top of the file runs, and its functions: in a process of its own, in a throw-away copy of the
    file's folder, with bounded memory and with nothing left running; see SECURITY.md. A function that takes more than
    `time_limit` seconds is stopped.
    hint: how much the report's text says of a mistake: 1 where it is, 2 of what kind, too, 3 the right formula, too.
    only: names of functions that are wanted; the others are not reported.
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
                          "if __name__ == '__main__':", hint=hint)
        return _FileCheck(process, loaded).report(file.name, hint, only)


class _Attempt:
    """One way to judge a function: how it is called, and which helpers are replaced by the course's own."""

    def __init__(self, own: str, match: Match, form: Form, replace: Mapping[str, str]):
        self.own, self.match, self.form, self.replace = own, match, form, dict(replace)

    @property
    def function(self) -> CourseFunction:
        return self.match.function


class _FileCheck:
    def __init__(self, process: LearnerProcess, loaded: Mapping[str, Any]):
        self.process = process
        self.loaded = loaded
        self.functions: Mapping[str, Any] = loaded["functions"]
        self.week = week_of([self.plain_name(name) for name in
                             (*self.functions, *loaded["blank"], *loaded["broken"])])
        self.course: dict[str, str] = {}  # the learner's name for a function to the course's
        self.verdicts: dict[str, Verdict] = {}
        self.attempts: dict[str, _Attempt] = {}
        self.stopped: set[str] = set()  # functions that did not end: those that call them would not either
        self.flat_b = False  # whether the file makes b of shape (n,), so that its other functions may expect that
        self.right_with_flat_b: set[str] = set()
        self.forms: dict[str, dict[Any, Any]] = {}  # what the file's own functions return, by group
        for name in ORDER:
            own = [one for one in self.functions if self.plain_name(one) == name]
            if own:
                self.course[own[0]] = name
        self.unsure = self.aliased()

    @staticmethod
    def plain_name(name: str) -> str:
        return name.rpartition(".")[2]

    def aliased(self) -> set[str]:
        """Functions under another name than the course's, whose arguments fit one of those that are missing."""
        found = set()
        for own, info in self.functions.items():
            name = ALIASES.get(self.plain_name(own).lower())
            if own in self.course or name is None or name in self.course.values() or info["blank"]:
                continue
            match = interfaces.closest(editions(name), info["parameters"], self.week)
            if match.misses == 0 and match.exact >= len(match.function.parameters) - match.function.optional:
                self.course[own] = name
                found.add(own)
        order = {name: place for place, name in enumerate(ORDER)}
        self.course = dict(sorted(self.course.items(), key=lambda pair: order[pair[1]]))
        return found

    # ------------------------------------------------------------------------------------------- the report

    def report(self, title: str, hint: int, only: Sequence[str]) -> Report:
        for own, name in self.course.items():
            self.verdicts[own] = self.verdict(own, name)
        if self.flat_b:
            self.accept_flat_b()
        for own in self.unsure:  # another function of that name, perhaps: it is not blamed
            verdict = self.verdicts[own]
            helps = any(own in self.functions[caller]["calls"] for caller in self.verdicts if caller != own)
            if not (verdict.ok or verdict.status == WRONG and helps and any(verdict.results.values())):
                del self.verdicts[own]
        self.add_unfinished()
        shown = [verdict for own, verdict in self.verdicts.items() if not only or self.plain_name(own) in only]
        notes = list(self.loaded["notes"])
        if self.loaded["supplied"]:
            notes.append(f"not defined in the file, so the course's own was used: {listed(self.loaded['supplied'])}")
        return Report(title, shown, self.loaded["problem"], notes, self.not_looked_at() if not only else [], hint)

    def add_unfinished(self) -> None:
        for own, where in self.loaded["blank"].items():
            if own not in self.verdicts:
                self.verdicts[own] = Verdict(own, NOT_DONE, "the template is not filled in", place=str(where))
        for own, said in self.loaded["broken"].items():
            if own not in self.verdicts and own in ORDER:
                first = str(said).partition("\n")[0]
                self.verdicts[own] = Verdict(own, RAISES, f"is not Python: {first}", details=[str(said)])

    def not_looked_at(self) -> list[str]:
        names = []
        for own in self.functions:
            if own in self.verdicts or self.plain_name(own).startswith("__"):
                continue
            near = difflib.get_close_matches(self.plain_name(own), ORDER, 1, 0.8)
            taken = {self.plain_name(one) for one in self.verdicts}
            names.append(own + (f" (did you mean {near[0]}?)" if near and near[0] not in taken else ""))
        return names

    # --------------------------------------------------------------------------------------- one function

    def verdict(self, own: str, name: str) -> Verdict:
        info = self.functions[own]
        place = f"{info['cell']}, line {info['line']}"
        try:
            verdict = self.judged(own, name)
        except Stopped as stopped:
            verdict = Verdict(own, UNCHECKED, str(stopped))
            self.stopped.add(own)
        if info["blank"] and not verdict.ok:
            verdict = Verdict(own, NOT_DONE, "the template is not filled in")
        verdict.name, verdict.place = own, place
        if name != self.plain_name(own):
            verdict.notes.insert(0, f"taken for the course's {name}")
        return verdict

    def judged(self, own: str, name: str) -> Verdict:
        info = self.functions[own]
        match = self.chosen(own, name)
        if match.misses:
            given = ", ".join(f"{several}{one}" for one, _, several in info["parameters"] or [])
            course = " or ".join(dict.fromkeys(one.signature for one in editions(name)))
            return Verdict(own, UNCHECKED, f"it takes ({given}); the course has {course}")
        attempt = _Attempt(own, match, Form(), self.replaced([one for one in self.all_helpers(own)
                                                              if one in self.stopped]))
        verdict = self.run(attempt)
        if verdict.ok:
            self.attempts[own] = attempt
            return verdict
        for form in self.other_forms(own, name, attempt):
            other = _Attempt(own, match, form, attempt.replace)
            try:
                found = self.run(other)
            except KeyError:  # a quantity that this form has and the course's argument has not
                continue
            if found.ok:
                return self.through(form, found, other)
        alone = self.by_itself(own, attempt)
        if alone is not None:
            return alone
        if (consistent := self.consistent(own, name, verdict)) is not None:
            return consistent
        return self.blamed(own, attempt, verdict)

    def chosen(self, own: str, name: str) -> Match:
        """The edition of the course that the function belongs to, and its arguments."""
        parameters = self.functions[own]["parameters"]
        candidates = editions(name)
        if any(one.pair is not None for one in candidates):
            match = interfaces.closest(candidates, parameters, self.week)
            if not match.misses:
                [case] = [*match.function.cases()][:1]
                [answer] = self.call(_Attempt(own, match, Form(), {}), [case.arguments])
                pair = isinstance(answer.get("returned"), (tuple, list)) if "returned" in answer else self.week == 4
                candidates = [one for one in candidates if one.pair == pair]
        return interfaces.closest(candidates, parameters, self.week)

    def helpers(self, own: str) -> dict[str, str]:
        """The file's own functions that this one calls, and that the course has, with the course's names."""
        called = self.functions[own]["calls"]
        return {one: name for one, name in self.course.items() if self.plain_name(one) in called and one != own}

    def all_helpers(self, own: str) -> dict[str, str]:
        """Those that its helpers call, too."""
        found: dict[str, str] = {}
        waiting = [own]
        while waiting:
            for one, name in self.helpers(waiting.pop()).items():
                if one not in found and one != own:
                    found[one] = name
                    waiting.append(one)
        return found

    def by_itself(self, own: str, attempt: _Attempt) -> Verdict | None:
        """The verdict on a function that goes wrong because of helpers only; None where that is not so."""
        helpers = self.all_helpers(own)
        wrong = [one for one in helpers if one in self.verdicts and not self.verdicts[one].ok
                 and not self.verdicts[one].because_of]
        if not wrong:
            return None
        alone = _Attempt(own, attempt.match, attempt.form, self.replaced(wrong))
        verdict = self.run(alone)
        if not verdict.ok:
            alone = _Attempt(own, attempt.match, attempt.form, self.replaced(list(helpers)))
            verdict = self.run(alone)
        if not verdict.ok:
            return None
        verdict.because_of = wrong
        verdict.summary = f"right by itself; in this file it goes wrong because of {listed(wrong)}"
        self.attempts[own] = alone
        return verdict

    def replaced(self, helpers: Sequence[str]) -> dict[str, str]:
        """For each helper the course's name and edition: its own match, so that it is called in the same way."""
        found = {}
        for own in helpers:
            attempt = self.attempts.get(own)
            match = attempt.match if attempt is not None else self.chosen(own, self.course[own])
            found[own] = f"{self.course[own]} {match.function.week}"
        return found

    # ------------------------------------------------------------------------------------- other interfaces

    def other_forms(self, own: str, name: str, attempt: _Attempt) -> list[Form]:
        forms = []
        if self.flat_b:
            forms.append(FLAT_B)
        for argument, producer in [PRODUCERS[name]] if name in PRODUCERS else []:
            forms += self.form_of_producer(argument, producer)
            if name == "update_parameters":
                forms += self.form_of_producer("grads", "L_model_backward")
        if attempt.function.verdict is None:
            forms += ROWS
        return forms

    def form_of_producer(self, argument: str, producer: str) -> list[Form]:
        """The form in which the file's own function hands something on, if it is another than the course's."""
        trees = self.forms.get(producer)
        if not trees:
            return []

        def given(name: str, value: Any) -> Any:
            if name != argument:
                return value
            quantities = interfaces.quantities_in(value)
            layers = interfaces.layers_of(quantities)
            tree = trees.get(layers, next(iter(trees.values())))
            if isinstance(tree, list) and layers is not None:  # a network of fewer layers than any that was seen
                tree = tree[:layers]
            return interfaces.filled(tree, quantities)

        said = interfaces.in_words(next(iter(trees.values())))
        return [Form(f"{argument} is {said}, as {producer} returns it", given)]

    def consistent(self, own: str, name: str, verdict: Verdict) -> Verdict | None:
        """Results in another form, which the file's own function understands that takes them: no mistake."""
        if verdict.status != WRONG or verdict.mistakes or not verdict.forms:
            return None
        consumer = next((one for one, other in self.course.items() if other == CONSUMERS.get(name)), None)
        if consumer is None:
            return None
        self.forms[name] = verdict.forms
        match = self.chosen(consumer, self.course[consumer])
        for form in self.form_of_producer("grads", name) if not match.misses else []:
            if self.run(_Attempt(consumer, match, form, {})).ok:
                tree = interfaces.in_words(next(iter(verdict.forms.values())))
                return Verdict(own, ANOTHER, f"right, through another interface than the course's: it returns {tree}",
                               results=verdict.results, notes=verdict.notes)
        del self.forms[name]
        return None

    def through(self, form: Form, verdict: Verdict, attempt: _Attempt) -> Verdict:
        """Right in another form than the course's."""
        self.attempts[attempt.own] = attempt
        if form.usual:
            verdict.notes.append(form.said)
            self.right_with_flat_b.add(attempt.own)
        else:
            verdict.status = ANOTHER
            verdict.summary = f"right, through another interface than the course's: {form.said}"
        return verdict

    def accept_flat_b(self) -> None:
        """Where the file's other functions are right with b of shape (n,), making it so is no mistake."""
        for own, verdict in self.verdicts.items():
            flat = verdict.mistakes and all(map(_flat_bias, verdict.mistakes)) and not verdict.details
            if self.right_with_flat_b and self.course[own].startswith("initialize") and flat:
                verdict.status, verdict.mistakes = RIGHT, []
                verdict.results = dict.fromkeys(verdict.results, True)
                verdict.summary = "right, with b of shape (n,), which the file uses throughout"

    # --------------------------------------------------------------------------------------------- calling

    def run(self, attempt: _Attempt, explain: bool = False) -> Verdict:
        source = self.functions[attempt.own]["source"]
        if attempt.function.name == "compute_cost" and "softmax" in self.functions:
            source += "\n# softmax"  # what the cost is of is said elsewhere in the file
        verdict = judge(attempt.function, self.calls(attempt), source, explain=explain)
        if verdict.status == ANOTHER and verdict.forms:
            self.forms[attempt.function.name] = verdict.forms
        return verdict

    def blamed(self, own: str, attempt: _Attempt, verdict: Verdict) -> Verdict:
        """The verdict on a function that is wrong itself, with its mistakes explained."""
        info = self.functions[own]
        wrong = [one for one in self.all_helpers(own) if one in self.verdicts and not self.verdicts[one].ok]
        attempt.replace = self.replaced(wrong)
        missing = [name for name in info["uses"] if name in self.loaded["skipped"]]
        if verdict.status == RAISES and missing and "NameError" in verdict.summary:
            return Verdict(own, UNCHECKED, f"it uses {listed(missing)}, which the file computes in a statement that "
                           "was not run")
        functions = [one for one in (*self.functions, *self.loaded["supplied"]) if "." not in one and one != own]
        called = {name for one in self.functions.values() for name in one["calls"]}

        result = explain(attempt.function, self.calls(attempt), partial(self.trials, attempt), info["source"],
                         info["line"], [one for one in functions if one in called])
        self.flat_b |= attempt.function.name.startswith("initialize") and any(map(_flat_bias, result.mistakes))
        self.attempts[own] = attempt
        return result

    def calls(self, attempt: _Attempt) -> Calls:
        return lambda arguments: self.call(attempt, arguments)

    def call(self, attempt: _Attempt, arguments: list[tuple[Any, ...]]) -> Answers:
        """Call with the course's arguments, as the function takes them; the answers are in the course's form."""
        answers: Answers = [{} for _ in arguments]
        for names, places, given in self.grouped(attempt, arguments):
            for place, answer in zip(places, self.process.calls(attempt.own, given, names, attempt.replace)):
                answers[place] = _returned(attempt.form, answer)
        return answers

    def trials(self, attempt: _Attempt, sources: list[str], arguments: list[tuple[Any, ...]]) -> list[Answers]:
        answers: list[Answers] = [[{} for _ in arguments] for _ in sources]
        for names, places, given in self.grouped(attempt, arguments):
            found = self.process.trials(attempt.own, sources, given, names, attempt.replace)
            for one, those in zip(answers, found):
                for place, answer in zip(places, those):
                    one[place] = _returned(attempt.form, answer)
        return answers

    def grouped(self, attempt: _Attempt, arguments: list[tuple[Any, ...]],
                ) -> list[tuple[list[str], list[int], list[tuple[Any, ...]]]]:
        """Calls by the number of their arguments: parameters, which calls, and the arguments for these."""
        groups: dict[int, list[int]] = {}
        for place, one in enumerate(arguments):
            groups.setdefault(len(one), []).append(place)
        found = []
        for length, places in groups.items():
            named = [interfaces.passed(attempt.match, attempt.form, arguments[place]) for place in places]
            found.append((named[0][0] if named else [], places, [values for _, values in named]))
        return found


def _returned(form: Form, answer: Mapping[str, Any]) -> dict[str, Any]:
    if "returned" not in answer:
        return dict(answer)
    return {**answer, "returned": form.returned(answer["returned"])}


def _flat_bias(mistake: Any) -> bool:
    return bool(interfaces.BIAS.fullmatch(mistake.quantity)) and mistake.mistake == "one axis missing"
