"""Functions that loop: `optimize` and `nn_model` take so many steps of gradient descent.

Their mistakes are in the step (a formula, so `faults.FAULTS` applies) or in the loop: `LOOP_FAULTS`. Each candidate is
simulated with right gradients and compared with what the learner's function returned.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_course.checking.course.operations import Undefined, evaluate, show
from tinygrad_course.equations.expressions import Expression, symbol
from tinygrad_course.checking.diagnosis.faults import Context, Variant, variants
from tinygrad_course.checking.course.formulas import Formula, WHY_STEP
from tinygrad_course.checking.diagnosis.numbers import same

STEPS = 60_000  # iterations that are simulated, and formulas that are tried; then no mistake is recognised


class Run(NamedTuple):
    """One training: where it starts, its gradients, and what the learner's function gave.

    gradient: from parameters to gradients and cost; a second argument, where it takes one, are the parameters of the
    forward pass. returned: parameters, and gradients and costs where the course
    returns them.
    """
    start: Mapping[str, Any]
    gradient: Callable[..., tuple[dict[str, Any], float]]
    iterations: int
    learning_rate: float
    returned: Mapping[str, Any]


class Loop(NamedTuple):
    """How the loop runs; the defaults are right."""
    stale: bool = False  # gradients of the first parameters throughout
    stale_cache: bool = False  # the forward pass is computed once only
    extra: int = 0  # iterations too many
    sequential: bool = False  # the second half of the parameters sees the first half updated
    rate: float | None = None
    restart: bool = False  # each step starts from the first parameters
    last_gradients: bool = False  # the returned gradients are those after the last update
    once: bool = False  # it ends after the first iteration


class LoopFault(NamedTuple):
    name: str
    why: str
    loop: Loop
    weight: float = 1.0


LOOP_FAULTS = [
    LoopFault("stale gradients reused", "the gradients have to be computed again in every iteration, from the new "
              "parameters", Loop(stale=True)),
    LoopFault("forward pass not repeated", "the forward pass has to be computed again in every iteration, from the new "
              "parameters", Loop(stale_cache=True)),
    LoopFault("one iteration too few", "range(num_iterations) runs num_iterations times", Loop(extra=-1)),
    LoopFault("one iteration too many", "range(num_iterations) runs num_iterations times", Loop(extra=1)),
    LoopFault("parameters overwritten before use", "compute all gradients from the same parameters first, then update",
              Loop(sequential=True)),
    LoopFault("each step starts again from the first parameters", "the updated parameters have to be the ones that the "
              "next iteration uses", Loop(restart=True)),
    LoopFault("it ends after the first iteration", "return (or break) stands inside the loop: behind it, one level "
              "further out, it returns after the last iteration", Loop(once=True)),
    LoopFault("gradients after the last update returned", "the gradients of the last iteration are returned",
              Loop(last_gradients=True)),
    *[LoopFault(f"learning rate {rate:g} for the one given", "the learning rate is the function's argument, or the "
                "default of update_parameters", Loop(rate=rate), 1.2)
      for rate in (0.0075, 0.005, 0.009, 0.01, 0.1, 0.12, 0.5, 1.0, 1.2, 2.4)],
]


class Candidate(NamedTuple):
    """What reproduces the learner's numbers: the steps by letter, the loop, and the mistakes in words."""
    steps: Mapping[str, Expression]
    loop: Loop
    mistakes: list[Mistake]


class Mistake(NamedTuple):
    """formula, yours, right: texts; the last two are empty for a mistake of the loop."""
    formula: str
    name: str
    why: str
    yours: str = ""
    right: str = ""


def step_formula(name: str) -> Formula:
    return Formula(name, symbol(name) - symbol("learning_rate") * symbol(f"d{name}"), why=WHY_STEP)


def simulate(run: Run, steps: Mapping[str, Expression], loop: Loop = Loop()) -> dict[str, Any]:
    """Parameters, gradients d.., and every iteration's cost under "all costs". Raises Undefined.

    steps: by the parameter's letter, W or b.
    """
    parameters: dict[str, Any] = dict(run.start)
    rate = run.learning_rate if loop.rate is None else loop.rate
    gradients: dict[str, Any] = {}
    costs = []
    for iteration in range(min(run.iterations, 1) if loop.once else run.iterations + loop.extra):
        if not (loop.stale and iteration):
            try:
                seen = (run.start,) if loop.stale_cache else ()
                gradients, cost = run.gradient(parameters, *seen)
            except (ValueError, TypeError, AttributeError, IndexError) as error:
                raise Undefined(str(error)) from None
        costs.append(cost)
        new: dict[str, Any] = {}
        base = run.start if loop.restart else parameters
        for place, (name, value) in enumerate(base.items()):
            if loop.sequential and place == len(base) // 2:
                later, _ = run.gradient({**parameters, **new})
                gradients = {**later, **{f"d{done}": gradients[f"d{done}"] for done in new}}
            values = {name[0]: value, f"d{name[0]}": gradients[f"d{name}"], "learning_rate": rate}
            for other in base:  # in logistic regression w and b can be mistaken for each other
                if other[0] not in values:
                    values |= {other[0]: base[other], f"d{other[0]}": gradients[f"d{other}"]}
            new[name] = evaluate(steps[name[0]], values)
        parameters = new
    if loop.last_gradients:
        gradients, _ = run.gradient(parameters)
    return {**parameters, **gradients, "all costs": costs}


def agrees(run: Run, simulated: Mapping[str, Any]) -> bool:
    """Whether parameters and gradients are as simulated."""
    scalars = {name for name, value in run.start.items() if np.ndim(value) == 0}
    return all(same(value, simulated[name], 1e-9, name.removeprefix("d") in scalars)
               for name, value in run.returned.items() if name in simulated)


def wrong(run: Run) -> list[str]:
    """The names of what is wrong, costs aside."""
    try:
        right = simulate(run, right_steps(run))
    except Undefined:  # it starts from what no network is
        return list(run.returned)
    scalars = {name for name, value in run.start.items() if np.ndim(value) == 0}
    return [name for name, value in run.returned.items()
            if name in right and not same(value, right[name], 1e-9, name.removeprefix("d") in scalars)]


def right_steps(run: Run) -> dict[str, Expression]:
    return {letter: step_formula(letter).right for letter in dict.fromkeys(name[0] for name in run.start)}


def diagnose(runs: Sequence[Run]) -> Candidate | None:
    """The mistakes that reproduce all runs: one, or two; None where nothing does."""
    letters = list(dict.fromkeys(name[0] for name in runs[0].start))
    right = {letter: step_formula(letter) for letter in letters}
    probe = max(runs, key=lambda run: run.iterations if run.iterations <= 5 else 0)
    spent = 0

    def reproduces(steps: Mapping[str, Expression], loop: Loop) -> bool:
        nonlocal spent
        for run in (probe, *(run for run in runs if run is not probe)):
            spent += run.iterations
            try:
                if not agrees(run, simulate(run, steps, loop)):
                    return False
            except (Undefined, ValueError, TypeError, KeyError, AttributeError, UnboundLocalError):
                return False
        return True

    with np.errstate(all="ignore"):
        for chosen, loop_fault in _candidates(right):
            steps = {letter: formula.right for letter, formula in right.items()}
            steps |= {letter: variant.expression for letter, variant in chosen.items()}
            loop = loop_fault.loop if loop_fault else Loop()
            if reproduces(steps, loop):
                mistakes = [
                    Mistake(letter, one.name, one.why or WHY_STEP, show(one.expression),
                            show(right[letter].right))
                    for letter, one in chosen.items()]
                mistakes += [Mistake("", loop_fault.name, loop_fault.why)] if loop_fault else []
                return Candidate(steps, loop, mistakes)
            if spent > STEPS:
                break
    return None


def _candidates(right: Mapping[str, Formula]) -> Iterator[tuple[dict[str, Variant], LoopFault | None]]:
    """One mistake first, then the same one in all formulas, then two."""
    quantities = [*right, *(f"d{letter}" for letter in right), "learning_rate"]
    changed = {letter: variants(Context(formula, quantities)) for letter, formula in right.items()}
    for fault in LOOP_FAULTS:
        yield {}, fault
    for letter, found in changed.items():
        yield from (({letter: variant}, None) for variant in found)
    first, *others = changed
    for variant in changed[first]:
        same_mistake = {
            letter: next((v for v in changed[letter] if v.name.replace(letter, first) == variant.name), None)
            for letter in others}
        if all(same_mistake.values()):
            yield {first: variant, **{letter: v for letter, v in same_mistake.items() if v}}, None
    for letter, found in changed.items():
        for variant in found[:30]:
            yield from (({letter: variant}, fault) for fault in LOOP_FAULTS)
    for other in others:
        for one in changed[first]:
            yield from (({first: one, other: two}, None) for two in changed[other])


# ------------------------------------------------------------------------------------------- recorded costs

COST_RULES: list[tuple[str, Callable[[list[float]], list[float]]]] = [
    ("", lambda costs: costs[::100]),
    ("the cost of every iteration is recorded", lambda costs: costs),
    ("no cost is recorded", lambda costs: []),
    ("the costs are recorded one iteration late", lambda costs: costs[1::100]),
    ("the cost of iteration 0 is not recorded", lambda costs: costs[100::100]),
    ("only the cost of iteration 0 is recorded", lambda costs: costs[:1]),
    ("only the last cost is recorded", lambda costs: costs[-1:]),
    ("the costs are recorded with the wrong sign", lambda costs: [-cost for cost in costs[::100]]),
]


def _every(interval: int) -> tuple[str, Callable[[list[float]], list[float]]]:
    return f"the cost of every {interval}th iteration is recorded", lambda costs: costs[::interval]


def wrong_costs(run: Run, candidate: Candidate) -> Mistake | None:
    """What is wrong with the list of costs, the parameters being as the candidate has them."""
    try:
        seen = np.asarray(run.returned["costs"], dtype=float).ravel()
        costs = simulate(run, candidate.steps, candidate.loop)["all costs"]
    except (ValueError, TypeError, Undefined):
        return Mistake("costs", "not a list of numbers", "the costs are recorded in a list, with costs.append(cost)")
    with np.errstate(all="ignore"):
        for name, rule in [*COST_RULES, *map(_every, range(2, run.iterations))]:
            expected = np.asarray(rule(costs), dtype=float)
            if seen.shape == expected.shape and same(seen, expected, 1e-7):
                why = "the course records the cost of iterations 0, 100, 200, ..."
                return Mistake("costs", name, why) if name else None
    return Mistake("costs", f"{seen.size} costs are recorded, and they are not those of iterations 0, 100, 200, ...",
                   f"after {run.iterations} iterations there should be {len(costs[::100])}")
