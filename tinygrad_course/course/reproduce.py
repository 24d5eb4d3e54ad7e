"""The course's exercises, trained by autodiff and held beside the numbers that the course prints."""
from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_course import __version__, data
from tinygrad_course.course.exercises import Exercise, decimals
from tinygrad_course.errors import InputError
from tinygrad_course.files import replace_atomically
from tinygrad_course.nn import Module
from tinygrad_course.training.fit import fit, predict
from tinygrad_course.training.history import History

GRADIENT_TOLERANCE = 1e-12


@dataclass
class Result:
    """What came out of one exercise. `comparable`: trained on the course's own data, so that numbers can match."""

    exercise: Exercise
    comparable: bool
    model: Module
    history: History
    gradient_difference: float
    correct: dict[str, tuple[int, int]] = field(default_factory=dict)  # "train": (right, of how many)
    scores: dict[str, str] = field(default_factory=dict)               # as the course prints them

    def mismatches(self) -> list[str]:
        """Everything that should be as in the course and is not, in words."""
        found = []
        if not self.gradient_difference <= GRADIENT_TOLERANCE:
            found.append(f"autodiff and closed-form gradients differ by a relative {self.gradient_difference:.1e}")
        if not self.comparable:
            return found
        exercise = self.exercise
        off = [i for i in exercise.costs if not exercise.agrees(i, self.history.costs.get(i, np.nan))]
        if off:
            found.append(f"{len(off)} of {len(exercise.costs)} costs are not the course's, the first that of iteration "
                         f"{off[0]}")
        for part, printed in (("train", exercise.train_score), ("test", exercise.test_score)):
            if printed is not None and self.scores[part] != printed:
                found.append(f"the {part} accuracy is {self.scores[part]}, the course prints {printed}")
        right, m = self.correct["train"]
        if exercise.least_accuracy is not None and right < exercise.least_accuracy * m:
            found.append(f"the train accuracy is {self.scores['train']}, less than {exercise.least_accuracy * 100:g} %")
        return found

    def largest_cost_difference(self) -> float:
        costs = self.exercise.costs
        return max(abs(self.history.costs[i] - float(costs[i])) for i in costs)


def run(exercise: Exercise, images: data.Dataset | None, show: Callable[[str], object] = print) -> Result:
    """Train one exercise and print its cost table while it grows.

    images: where the exercise needs them. `show` is called with each line.
    Raises InputError where images are missing or training diverges, and KeyboardInterrupt after Ctrl-C.
    """
    if exercise.images:
        if images is None:
            raise InputError(f"{exercise.name} is trained on images: give some, such as data.load_images()")
        parts = {"train": (images.X_train, images.Y_train), "test": (images.X_test, images.Y_test)}
        comparable = images.is_course_data
    else:
        parts, comparable = {"train": data.planar()}, True
    X, Y = parts["train"]
    model = exercise.make(X.shape[0])
    worst = 0.0

    show(f"\n{exercise.title}\n{X.shape[0]} inputs, {X.shape[1]} examples, "
         f"{sum(p.size for p in model.parameters())} parameters, {exercise.iterations} iterations\n")
    digits = max(decimals(printed) for printed in exercise.costs.values())
    width = digits + 2
    show(f"{'iteration':>9}  " + (f"{'cost':<{width}}  {'course':<{width}}  difference" if comparable else "cost"))

    def row(i: int, model: Module, cost: float) -> None:
        nonlocal worst
        worst = float(np.maximum(worst, gradient_difference(model, X, Y)))  # unlike max, keeps a NaN
        line = f"{i:>9}  {cost:.{digits}f}"
        if comparable:
            printed = exercise.costs[i]
            line = (f"{i:>9}  {exercise.shown(i, cost):<{width}}  {printed:<{width}}  "
                    f"{abs(cost - float(printed)):.1e}{'' if exercise.agrees(i, cost) else '  DIFFERS'}")
        show(line)

    history = fit(model, X, Y, iterations=exercise.iterations, learning_rate=exercise.learning_rate,
                  record_every=exercise.print_every, callback=row)
    if history.stopped:
        raise KeyboardInterrupt
    result = Result(exercise, comparable, model, history, worst)
    for part, (examples, labels) in parts.items():
        predicted = predict(model, examples)
        result.correct[part] = int(np.sum(predicted == labels)), labels.shape[1]
        result.scores[part] = exercise.score(predicted, labels)
    for line in conclusion(result):
        show(line)
    return result


def conclusion(result: Result) -> list[str]:
    """What stands below the table of costs."""
    exercise, lines = result.exercise, [""]
    if result.comparable:
        lines.append(f"largest difference of the costs {result.largest_cost_difference():.1e}"
                     + (f" ({exercise.loose_from} and later: rounding)" if exercise.loose_from else ""))
    for part, (right, m) in result.correct.items():
        printed = exercise.train_score if part == "train" else exercise.test_score
        if printed is None and exercise.least_accuracy is not None:
            printed = f"at least {exercise.least_accuracy * 100:g} %"
        beside = f"   course: {printed}" if result.comparable and printed is not None else ""
        lines.append(f"{part} accuracy: {result.scores[part]} ({right} of {m}){beside}")
    lines.append(f"autodiff against closed-form gradients: largest relative difference "
                 f"{result.gradient_difference:.1e}")
    history = result.history
    lines.append(f"{history.iterations} iterations in {history.seconds:.1f} s, "
                 f"{history.seconds / max(history.iterations, 1) * 1e3:.3f} ms each, engine {history.engine}")
    return lines + [f"DIFFERS: {text}" for text in result.mismatches()]


def gradient_difference(model: Any, X: Any, Y: Any) -> float:
    """||g - c|| / (||g|| + ||c||), the course's measure for gradient checking, with all parameters as one vector.

    g: the gradients in the parameters' `grad`; c: those of the model's `closed_form`. One parameter alone would not
    do: db is a sum in which, once trained, nearly everything cancels but the rounding errors.
    """
    closed_form = model.closed_form(X, Y)
    g = np.concatenate([np.ravel(parameter.grad) for parameter in model.parameters()])
    c = np.concatenate([np.ravel(closed_form[name]) for name, _ in model.named_parameters()])
    scale = np.linalg.norm(g) + np.linalg.norm(c)
    return float(np.linalg.norm(g - c) / scale) if scale else 0.0


def write_results(path: Path, results: list[Result]) -> None:
    """Everything that was found, as JSON."""
    with replace_atomically(path) as temporary:
        temporary.write_text(json.dumps({"version": __version__, "models": [as_dict(r) for r in results]}, indent=1))


def as_dict(result: Result) -> dict[str, Any]:
    exercise, history = result.exercise, result.history
    return {
        "model": exercise.name, "course_data": result.comparable, "learning_rate": exercise.learning_rate,
        "iterations": history.iterations, "seconds": history.seconds, "engine": history.engine,
        "why": history.why,
        "costs": {str(i): cost for i, cost in history.costs.items()},
        "course_costs": {str(i): cost for i, cost in exercise.costs.items()} if result.comparable else None,
        "correct": result.correct, "accuracy": result.scores,
        "gradient_difference": result.gradient_difference, "mismatches": result.mismatches(),
    }
