"""Verdicts on functions that loop or draw random numbers, and the inputs of those that are judged by a reference."""
from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from tinygrad_course.checking.course import initial_values, references, training
from tinygrad_course.checking.course.cases import Answers, Calls, parameter_names
from tinygrad_course.checking.course.formulas import relu_layers
from tinygrad_course.checking.course.initial_values import Flaw
from tinygrad_course.checking.course.samples import ACTIVATIONS, logistic, network
from tinygrad_course.checking.report import RAISES, RIGHT, WRONG, Explained, Verdict, listed
from tinygrad_course.checking.sandbox import structure

Judge = Callable[[Any, Calls, str, bool], Verdict]
Flaws = Callable[[Any, Mapping[str, Any]], list[Flaw]]

# ------------------------------------------------------------------------------------------ initial values


def zeros(arguments: tuple[int, ...], values: Mapping[str, Any]) -> list[Flaw]:
    """The start of logistic regression."""
    (dim,) = arguments
    flaws = []
    if "w" in values:
        flaws += initial_values.zero_flaws("w", values["w"], (dim, 1), "np.zeros((dim, 1))")
    if "b" in values:
        flaws += initial_values.zero_flaws("b", values["b"], (), "0.0")
    return flaws


def two_layers(arguments: tuple[int, ...], values: Mapping[str, Any]) -> list[Flaw]:
    return initial_values.network_flaws(values, arguments, ("0.01",))


def many_layers(*scales: str) -> Flaws:
    return lambda arguments, values: initial_values.network_flaws(values, arguments[0], scales)


def all_zeros(arguments: tuple[Any, ...], values: Mapping[str, Any]) -> list[Flaw]:
    dims = arguments[0]
    shapes = {f"W{l}": (dims[l], dims[l - 1]) for l in range(1, len(dims))}
    shapes |= {f"b{l}": (dims[l], 1) for l in range(1, len(dims))}
    return [flaw for name, shape in shapes.items() if name in values
            for flaw in initial_values.zero_flaws(name, values[name], shape, f"np.zeros({shape})")]


def _template(arguments: tuple[Any, ...]) -> Any:
    dims = arguments[0] if len(arguments) == 1 else arguments
    if isinstance(dims, int):
        return ("w", "b")
    return {name: name for name in parameter_names(len(dims) - 1)}


def initialiser(arguments: Sequence[tuple[Any, ...]], flaws_of: Flaws) -> Judge:
    """How a function is judged that makes initial values from these arguments."""
    def judge(function: Any, calls: Calls, source: str, explain: bool) -> Verdict:
        verdict = Verdict(function.name, RIGHT, f"agrees on {len(arguments)} inputs")
        flaws: dict[tuple[str, str], Flaw] = {}
        for given, answer in zip(arguments, calls(list(arguments))):
            if "left out" in answer:
                continue
            if "raised" in answer:
                return raised(verdict, answer)
            template = _template(given)
            scalars = frozenset("b") if isinstance(template, tuple) else frozenset()
            _read(verdict, template, answer, scalars, flaws_of, given, flaws)
        verdict.mistakes = [Explained(f.quantity, f.name, f.why, f"{f.quantity}: {f.yours}", f"{f.quantity}: {f.right}")
                            for f in flaws.values()]
        return _finished(verdict)
    return judge


def _read(verdict: Verdict, template: Any, answer: Mapping[str, Any], scalars: frozenset[str], flaws_of: Flaws,
          given: tuple[Any, ...], flaws: dict[tuple[str, str], Flaw]) -> None:
    reading = structure.read(template, answer["returned"], scalars)
    verdict.details += [one for one in reading.problems if one not in verdict.details]
    verdict.notes += [one for one in reading.notes if one not in verdict.notes]
    if isinstance(answer["returned"], Mapping):
        spare = [key for key in answer["returned"] if re.fullmatch(r"[Wb]\d+", key) and key not in template]
        if spare and not verdict.details:
            verdict.details.append(f"the result has {listed(spare)} besides: there is no such layer")
    for flaw in flaws_of(given, reading.values):
        flaws.setdefault((flaw.quantity, flaw.name), flaw)
    for quantity in reading.values:
        verdict.results[quantity] = verdict.results.get(quantity, True) and not any(q == quantity for q, _ in flaws)


# ------------------------------------------------------------------------------------------------- training


def check_optimize(function: Any, calls: Calls, source: str, explain: bool) -> Verdict:
    verdict = Verdict(function.name, RIGHT)
    plans = [(1, 0.1), (3, 0.05), (4, 0.2), (301, 0.02)]
    shapes = [(3, 5), (4, 6), (2, 1), (3, 6)]
    inputs = [logistic(seed, n_x, m) for seed, (n_x, m) in enumerate(shapes)]
    answers = calls([(v["w"], v["b"], v["X"], v["Y"], iterations, rate)
                     for v, (iterations, rate) in zip(inputs, plans)])
    runs = []
    for given, (iterations, rate), answer in zip(inputs, plans, answers):
        if "raised" in answer or "left out" in answer:
            continue
        template = ({"w": "w", "b": "b"}, {"dw": "dw", "db": "db"}, "costs")
        reading = structure.read(template, answer["returned"], frozenset(("b", "db")))
        verdict.details += [one for one in reading.problems if one not in verdict.details]
        verdict.notes += [one for one in reading.notes if one not in verdict.notes]

        def gradient(parameters: Mapping[str, Any], seen: Any = None, given: dict[str, Any] = given,
                     ) -> tuple[dict[str, Any], float]:
            at = seen or parameters
            grads, cost = references.propagate(at["w"], at["b"], given["X"], given["Y"])
            return grads, cost

        if reading.values:
            runs.append(training.Run({"w": given["w"], "b": given["b"]}, gradient, iterations, rate, reading.values))
    failed = [answer for answer in answers if "raised" in answer]
    return _trained(verdict, runs, answers, failed, explain)


class TrainingCall:
    """One call of a function that trains a network: its arguments, and what they mean."""

    def __init__(self, arguments: Callable[[int], tuple[Any, ...]], dims: Sequence[int], X: Any, Y: Any, rate: float,
                 iterations: Sequence[int] = (0, 1, 2, 5)):
        self.arguments, self.dims, self.X, self.Y, self.rate = arguments, tuple(dims), X, Y, rate
        self.iterations = iterations


def _with_iterations(before: tuple[Any, ...], after: tuple[Any, ...], iterations: int) -> tuple[Any, ...]:
    return (*before, iterations, *after)


def hidden_units() -> Iterator[TrainingCall]:
    """`nn_model`. The learning rate is that of `update_parameters` where the function takes none."""
    for seed, (n_x, m, n_h) in enumerate([(3, 8, 4), (2, 6, 3)], start=1):
        X, Y = points(n_x, m, seed)
        arguments = partial(_with_iterations, (X, Y, n_h), (1.2,))
        yield TrainingCall(arguments, (n_x, n_h, 1), X, Y, 1.2)


def two_layer_plans() -> Iterator[TrainingCall]:
    for seed, (dims, m) in enumerate([((3, 4, 1), 8), ((2, 3, 1), 6)], start=3):
        X, Y = points(dims[0], m, seed)
        yield TrainingCall(partial(_with_iterations, (X, Y, dims, 0.3), ()), dims, X, Y, 0.3)


def deep_plans() -> Iterator[TrainingCall]:
    for seed, (dims, m) in enumerate([([3, 4, 3, 1], 8), ([2, 4, 1], 6)], start=5):
        X, Y = points(dims[0], m, seed)
        yield TrainingCall(partial(_with_iterations, (X, Y, dims, 0.3), ()), dims, X, Y, 0.3)


def plain_plans() -> Iterator[TrainingCall]:
    """`model` of the next course: it chooses its layers itself."""
    for seed, (n_x, m) in enumerate([(2, 8), (3, 6)], start=7):
        X, Y = points(n_x, m, seed)
        yield TrainingCall(partial(_with_iterations, (X, Y, 0.3), ()), (n_x, 0, 0, 1), X, Y, 0.3)


def points(n_x: int, m: int, seed: int) -> tuple[Any, Any]:
    random = np.random.RandomState(6000 + seed)
    return random.randn(n_x, m), (random.uniform(size=(1, m)) > 0.5) * 1.0


def trained_network(activations: tuple[str, ...] | None, plans: Callable[[], Iterator[TrainingCall]]) -> Judge:
    """How a function is judged that trains a network: where it starts is what it gives after 0 iterations."""
    def judge(function: Any, calls: Calls, source: str, explain: bool) -> Verdict:
        verdict = Verdict(function.name, RIGHT)
        runs: list[training.Run] = []
        listed_plans = list(plans())
        asked = [(plan, n) for plan in listed_plans for n in plan.iterations]
        answers = calls([plan.arguments(n) for plan, n in asked])
        failed, start = [], {}
        for (plan, n), answer in zip(asked, answers):
            known = activations or relu_layers(len(plan.dims) - 1)
            if "left out" in answer:
                continue
            if "raised" in answer:
                if n:
                    failed.append(answer)
                else:  # it cannot be run for 0 iterations
                    start = _course_start(plan)
                continue
            L = len(plan.dims) - 1
            reading = structure.read({name: name for name in parameter_names(L)}, answer["returned"])
            verdict.details += [one for one in reading.problems if one not in verdict.details]
            verdict.notes += [one for one in reading.notes if one not in verdict.notes]
            if len(reading.values) < 2 * L:
                start = start if n else {}
                continue
            if n == 0:
                start = dict(reading.values)
                flaws = initial_values.network_flaws(start, plan.dims, ("0.01", "xavier", "he", "10", "zeros"))
                if flaws:
                    verdict.mistakes += [Explained(f.quantity, f.name, f.why, f.yours, f.right) for f in flaws]
                    return _finished(verdict)
            elif start:
                runs.append(training.Run(start, _gradient(known, plan.X, plan.Y), n, plan.rate, reading.values))
        return _trained(verdict, runs, answers, failed, explain)
    return judge


def _course_start(plan: TrainingCall) -> dict[str, Any]:
    if len(plan.dims) == 3:
        return dict(references.initialize_parameters(*plan.dims))
    return dict(references.initialize_parameters_deep(plan.dims))


def _gradient(activations: Sequence[str], X: Any, Y: Any) -> Callable[..., tuple[dict[str, Any], float]]:
    """Gradients and cost of a network; the forward pass at `seen` where that is given."""
    slopes: dict[str, Callable[[Any, Any], Any]] = {
        "tanh": lambda Z, A: 1 - A * A, "sigmoid": lambda Z, A: A * (1 - A), "relu": lambda Z, A: Z > 0}

    def gradient(parameters: Mapping[str, Any], seen: Any = None) -> tuple[dict[str, Any], float]:
        A, kept, at = X, [], seen or parameters
        for l, activation in enumerate(activations, start=1):
            Z = at[f"W{l}"] @ A + at[f"b{l}"]
            kept.append((A, Z))
            A = ACTIVATIONS[activation](Z)
        m, dZ, grads = Y.shape[1], A - Y, {}
        for l in range(len(activations), 0, -1):
            before, _ = kept[l - 1]
            grads[f"dW{l}"], grads[f"db{l}"] = dZ @ before.T / m, np.sum(dZ, axis=1, keepdims=True) / m
            if l > 1:
                _, Z = kept[l - 2]
                dZ = parameters[f"W{l}"].T @ dZ * slopes[activations[l - 2]](Z, before)
        return grads, float(-np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / m)
    return gradient


def _trained(verdict: Verdict, runs: Sequence[training.Run], answers: Answers, failed: Answers,
             explain: bool) -> Verdict:
    """failed: calls that raised and should not have. What the others returned may still name a mistake."""
    wrong = dict.fromkeys(name for run in runs for name in training.wrong(run))
    names = dict.fromkeys(name for run in runs for name in run.returned)
    verdict.results = {name: name not in wrong for name in names}
    candidate: training.Candidate | None = None
    if wrong:
        candidate = training.diagnose(runs) if explain else None
        verdict.mistakes += [Explained(one.formula, one.name, one.why, one.yours and f"{one.formula} = {one.yours}",
                                       one.right and f"{one.formula} = {one.right}")
                             for one in (candidate.mistakes if candidate else [])]
        if candidate is None:
            advice = "compare one iteration by hand: gradients, then parameters minus learning_rate times gradients"
            verdict.mistakes.append(Explained(listed(list(wrong)), "", advice))
    elif runs:
        candidate = training.Candidate(training.right_steps(runs[0]), training.Loop(), [])
    # The longest run first: short ones cannot tell every 100th iteration from every 1000th.
    for run in sorted(runs, key=lambda run: -run.iterations) if candidate else []:
        assert candidate is not None
        mistake = training.wrong_costs(run, candidate) if "costs" in run.returned else None
        if mistake and not any(m.quantity == "costs" for m in verdict.mistakes):
            verdict.mistakes.append(Explained("costs", mistake.name, mistake.why))
            verdict.results["costs"] = False
    if failed and not verdict.mistakes:
        return raised(verdict, failed[0])
    changed = [one for answer in answers if "changed" in answer for one in answer["changed"]["in place"]]
    return _finished(verdict, list(dict.fromkeys(changed)))


def raised(verdict: Verdict, answer: Mapping[str, Any], where: str = "") -> Verdict:
    """The verdict on a function that raises: it is wrong, with the learner's line."""
    said = answer["raised"].splitlines()
    verdict.status = RAISES
    verdict.summary = f"raises{where}: {said[-1]}"
    verdict.details.append(f"it raises{where}:\n" + "\n".join("  " + line for line in said))
    return verdict


def _finished(verdict: Verdict, changed: Sequence[str] = ()) -> Verdict:
    if verdict.mistakes or verdict.details:
        verdict.status = WRONG
        named = [f"{m.quantity}: {m.mistake or 'wrong, mistake not recognised'}".removeprefix(": ")
                 for m in verdict.mistakes]
        verdict.summary = "; ".join(named) or verdict.details[0]
    else:
        verdict.summary = verdict.summary or "agrees after each number of iterations"
    if changed:
        verdict.notes.append(f"it changes its arguments {listed(changed[:4])} in place: the caller's arrays are others "
                             "afterwards. Write w = w - ... for w -= ..., or copy them first")
    return verdict


# ------------------------------------------------------------- the inputs of functions judged by a reference


def _random(seed: int) -> np.random.RandomState:
    return np.random.RandomState(8000 + seed)


def numbers() -> list[tuple[Any, ...]]:
    return [(3.0,), (-1.5,), (0.25,)]


def arrays() -> list[tuple[Any, ...]]:
    return [(_random(seed).randn(*shape),) for seed, shape in enumerate([(3,), (1, 4), (3, 2)])]


def pictures() -> list[tuple[Any, ...]]:
    return [(_random(seed).uniform(size=shape),) for seed, shape in enumerate([(3, 3, 2), (4, 2, 3)])]


def matrices() -> list[tuple[Any, ...]]:
    return [(_random(seed).randn(*shape),) for seed, shape in enumerate([(2, 3), (4, 2), (3, 3), (1, 5)])]


def pairs() -> list[tuple[Any, ...]]:
    return [(_random(seed).uniform(size=n), (_random(seed + 9).uniform(size=n) > 0.5) * 1.0)
            for seed, n in enumerate([5, 1, 8])]


def two_numbers() -> list[tuple[Any, ...]]:
    return [(2.0, 4.0), (-1.5, 3.0), (3.0, 0.5)]


def numbers_to_check() -> list[tuple[Any, ...]]:
    return [(2.0, 4.0, 1e-7), (3.0, 0.5, 1e-7)]


def train_and_test() -> Iterator[tuple[Any, ...]]:
    for seed, (n_x, iterations, rate) in enumerate([(3, 1, 0.1), (4, 3, 0.05), (2, 301, 0.02)]):
        X, Y = points(n_x, 9, 20 + seed)
        X_test, Y_test = points(n_x, 5, 30 + seed)
        yield X, Y, X_test, Y_test, iterations, rate


# The exercise's vector_to_dictionary knows one network only.
EXERCISE = (4, 5, 3, 1)


def three_layers_of_parameters() -> list[tuple[Any, ...]]:
    values = network(80, EXERCISE, 3, relu_layers(3))
    return [({name: values[name] for name in parameter_names(3)},)]


def three_layers_of_gradients() -> list[tuple[Any, ...]]:
    (parameters,), = three_layers_of_parameters()
    return [({f"d{name}": value + 1 for name, value in parameters.items()},)]


def networks_to_check() -> Iterator[tuple[Any, ...]]:
    """Gradients with a mistake in them: those without would leave only rounding errors to compare."""
    for seed in (81, 82):
        values = network(seed, EXERCISE, 3, relu_layers(3))
        parameters = {name: values[name] for name in parameter_names(3)}
        _, cache = references.forward_propagation_n(values["X"], values["Y"], parameters)
        gradients = references.backward_propagation_n(values["X"], values["Y"], cache)
        gradients |= {"dW2": gradients["dW2"] * 2, "db1": gradients["db1"] * 4}
        yield parameters, gradients, values["X"], values["Y"], 1e-7
