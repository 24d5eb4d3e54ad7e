"""Verdicts on the functions that loop or draw random numbers: optimize, nn_model and the initialisers."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from tinygrad_course.checking.course import initial_values, references, training
from tinygrad_course.checking.sandbox import structure
from tinygrad_course.checking.judge import Answers, Calls
from tinygrad_course.checking.report import CHANGES, RIGHT, UNCHECKED, WRONG, Explained, Verdict, listed
from tinygrad_course.checking.course.samples import logistic

# ------------------------------------------------------------------------------------------ initial values


def _zeros(arguments: tuple[int, ...], values: Mapping[str, Any]) -> list[initial_values.Flaw]:
    (dim,) = arguments
    flaws = []
    if "w" in values:
        flaws += initial_values.zero_flaws("w", values["w"], (dim, 1), "np.zeros((dim, 1))")
    if "b" in values:
        flaws += initial_values.zero_flaws("b", values["b"], (), "0.0")
    return flaws


def _template(arguments: tuple[Any, ...]) -> Any:
    dims = arguments[0] if len(arguments) == 1 else arguments
    if isinstance(dims, int):
        return ("w", "b")
    return {f"{name}{l}": f"{name}{l}" for l in range(1, len(dims)) for name in ("W", "b")}


Flaws = Callable[[Any, Mapping[str, Any]], list[initial_values.Flaw]]
INITIALISERS: dict[str, tuple[list[tuple[Any, ...]], Flaws]] = {
    "initialize_with_zeros": ([(3,), (1,), (5,)], _zeros),
    "initialize_parameters": ([(40, 30, 20), (2, 4, 1), (3, 3, 3), (5, 1, 1)],
                              lambda dims, values: initial_values.network_flaws(values, dims, deep=False)),
    "initialize_parameters_deep": ([([40, 30, 20, 25],), ([5, 4, 3, 1],), ([3, 1],), ([3, 3, 3],)],
                                   lambda dims, values: initial_values.network_flaws(values, dims[0], deep=True)),
}


def check_initialiser(name: str, calls: Calls, source: str = "") -> Verdict:
    arguments, flaws_of = INITIALISERS[name]
    answers = calls(arguments)
    verdict = Verdict(name, RIGHT, f"agrees on {len(arguments)} inputs")
    flaws: dict[tuple[str, str], initial_values.Flaw] = {}
    for given, answer in zip(arguments, answers):
        if "raised" in answer:
            return _raised(verdict, answer)
        reading = structure.read(_template(given), answer["returned"], frozenset("b") if name.endswith("zeros") else
                                 frozenset())
        verdict.details += [one for one in reading.problems if one not in verdict.details]
        verdict.notes += [one for one in reading.notes if one not in verdict.notes]
        for flaw in flaws_of(given, reading.values):
            flaws.setdefault((flaw.quantity, flaw.name), flaw)
        for quantity in reading.values:
            verdict.results[quantity] = verdict.results.get(quantity, True) and not any(q == quantity for q, _ in flaws)
    verdict.mistakes = [Explained(f.quantity, f.name, f.why, f"{f.quantity}: {f.yours}", f"{f.quantity}: {f.right}")
                        for f in flaws.values()]
    return _finished(verdict)


# ------------------------------------------------------------------------------------------------- training


def _logistic_runs(answers: Answers, inputs: Sequence[dict[str, Any]], plans: Sequence[tuple[int, float]],
                   verdict: Verdict) -> list[training.Run]:
    runs = []
    for given, (iterations, rate), answer in zip(inputs, plans, answers):
        if "raised" in answer:
            continue
        template = ({"w": "w", "b": "b"}, {"dw": "dw", "db": "db"}, "costs")
        reading = structure.read(template, answer["returned"], frozenset(("b", "db")))
        verdict.details += [one for one in reading.problems if one not in verdict.details]
        verdict.notes += [one for one in reading.notes if one not in verdict.notes]

        def gradient(parameters: Mapping[str, Any], given: dict[str, Any] = given) -> tuple[dict[str, Any], float]:
            grads, cost = references.propagate(parameters["w"], parameters["b"], given["X"], given["Y"])
            return grads, cost

        if reading.values:
            runs.append(training.Run({"w": given["w"], "b": given["b"]}, gradient, iterations, rate, reading.values))
    return runs


def check_optimize(calls: Calls, source: str = "") -> Verdict:
    verdict = Verdict("optimize", RIGHT)
    plans = [(1, 0.1), (3, 0.05), (4, 0.2), (101, 0.02)]
    shapes = [(3, 5), (4, 6), (2, 1), (3, 6)]
    inputs = [logistic(seed, n_x, m) for seed, (n_x, m) in enumerate(shapes)]
    answers = calls([(v["w"], v["b"], v["X"], v["Y"], iterations, rate)
                     for v, (iterations, rate) in zip(inputs, plans)])
    runs = _logistic_runs(answers, inputs, plans, verdict)
    return _trained(verdict, runs, answers)


def check_nn_model(calls: Calls, source: str = "") -> Verdict:
    """The start is what the function itself gives after 0 iterations, or the course's initial values."""
    verdict = Verdict("nn_model", RIGHT)
    sets = [_points(3, 8, 1), _points(2, 6, 2)]
    plans = [(X, Y, n_h, iterations) for (X, Y), n_h in zip(sets, (4, 3)) for iterations in (0, 1, 2, 5)]
    answers = calls(plans)
    runs: list[training.Run] = []
    template = {name: name for name in ("W1", "b1", "W2", "b2")}
    start: dict[str, Any] = {}
    for (X, Y, n_h, iterations), answer in zip(plans, answers):
        if "raised" in answer:
            if not iterations:  # it cannot be run for 0 iterations
                start = references.initialize_parameters(X.shape[0], n_h, 1)
            continue
        reading = structure.read(template, answer["returned"])
        verdict.details += [one for one in reading.problems if one not in verdict.details]
        if len(reading.values) < 4:
            continue
        if iterations == 0:
            start = dict(reading.values)
            flaws = initial_values.network_flaws(start, (X.shape[0], n_h, 1), deep=False)
            if flaws:
                verdict.mistakes += [Explained(f.quantity, f.name, f.why, f.yours, f.right) for f in flaws]
                return _finished(verdict)
            continue

        def gradient(parameters: Mapping[str, Any], seen: Any = None, X: Any = X, Y: Any = Y,
                     ) -> tuple[dict[str, Any], float]:
            _, cache = references.forward_propagation(X, seen or parameters)
            return references.backward_propagation(parameters, cache, X, Y), 0.0

        runs.append(training.Run(start, gradient, iterations, 1.2, reading.values))
    return _trained(verdict, runs, answers)


def _points(n_x: int, m: int, seed: int) -> tuple[Any, Any]:
    random = np.random.RandomState(6000 + seed)
    return random.randn(n_x, m), (random.uniform(size=(1, m)) > 0.5) * 1.0


def _trained(verdict: Verdict, runs: Sequence[training.Run], answers: Answers) -> Verdict:
    """A call that raised counts where nothing else is wrong; for 0 iterations, the first of two sets, it does not."""
    wrong = dict.fromkeys(name for run in runs for name in training.wrong(run))
    names = dict.fromkeys(name for run in runs for name in run.returned)
    verdict.results = {name: name not in wrong for name in names}
    candidate: training.Candidate | None = None
    if wrong:
        candidate = training.diagnose(runs)
        verdict.mistakes += [Explained(one.formula, one.name, one.why, one.yours and f"{one.formula} = {one.yours}",
                                       one.right and f"{one.formula} = {one.right}")
                             for one in (candidate.mistakes if candidate else [])]
        if candidate is None:
            advice = "compare one iteration by hand: gradients, then parameters minus learning_rate times gradients"
            verdict.mistakes.append(Explained(listed(list(wrong)), "", advice))
    elif runs:
        candidate = training.Candidate(training.right_steps(runs[0]), training.Loop(), [])
    for run in runs if candidate else []:
        assert candidate is not None
        mistake = training.wrong_costs(run, candidate) if "costs" in run.returned else None
        if mistake and not any(m.quantity == "costs" for m in verdict.mistakes):
            verdict.mistakes.append(Explained("costs", mistake.name, mistake.why))
            verdict.results["costs"] = False
    raised = [answer for answer in answers if "raised" in answer]
    if raised and not verdict.mistakes and not verdict.details and (len(raised) > 2 or verdict.name == "optimize"):
        return _raised(verdict, raised[0])
    changed = [one for answer in answers if "changed" in answer for one in answer["changed"]["in place"]]
    return _finished(verdict, list(dict.fromkeys(changed)))


def _raised(verdict: Verdict, answer: Mapping[str, Any]) -> Verdict:
    said = answer["raised"]
    verdict.status, verdict.summary = UNCHECKED, f"raises: {said.splitlines()[-1]}"
    verdict.details.append("it raises:\n" + "\n".join("  " + line for line in said.splitlines()))
    return verdict


def _finished(verdict: Verdict, changed: Sequence[str] = ()) -> Verdict:
    if verdict.mistakes or verdict.details:
        verdict.status = WRONG
        named = [f"{m.quantity}: {m.mistake or 'wrong, mistake not recognised'}".removeprefix(": ")
                 for m in verdict.mistakes]
        verdict.summary = "; ".join(named) or verdict.details[0]
    elif changed:
        verdict.status, verdict.summary = CHANGES, f"its results are right, but it changes {listed(changed)}"
        verdict.details.append(f"it changes its arguments {listed(changed)} in place: write w = w - ... for w -= ..., "
                               "or copy them first")
    else:
        verdict.summary = verdict.summary or "agrees after each number of iterations"
    return verdict


SPECIAL: dict[str, Callable[[Calls, str], Verdict]] = {
    **{name: partial(check_initialiser, name) for name in INITIALISERS},
    "optimize": check_optimize,
    "nn_model": check_nn_model,
}
PARAMETERS = {
    "initialize_with_zeros": ("dim",), "initialize_parameters": ("n_x", "n_h", "n_y"),
    "initialize_parameters_deep": ("layer_dims",),
    "optimize": ("w", "b", "X", "Y", "num_iterations", "learning_rate"),
    "nn_model": ("X", "Y", "n_h", "num_iterations"),
}
WEEKS = {"initialize_with_zeros": 2, "optimize": 2, "nn_model": 3, "initialize_parameters": 3,
         "initialize_parameters_deep": 4}
