"""Time of what people wait for: checking a learner's file, laying out a large graph, a decision boundary.

Figures are medians of several runs, the first of which, with its imports, is not counted.
"""
from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import click

from tinygrad_course import Tensor, data
from tinygrad_course.checking import check_backward, check_file
from tinygrad_course.compare import compare_gradients
from tinygrad_course.equations import derive
from tinygrad_course.models import DeepNetwork, PlanarClassifier
from tinygrad_course.visualize import draw_graph, plots

LEARNERS = Path(__file__).parents[1] / "learners"


def seconds(action: Callable[[], Any], runs: int = 5) -> float:
    action()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return median(times)


def chain(steps: int) -> Tensor:
    x = Tensor([0.5], requires_grad=True, name="x")
    y = x
    for _ in range(steps // 2):
        y = (y * x).tanh()
    return y.sum()


def without_1_over_m(parameters: Any, cache: Any, X: Any, Y: Any) -> dict[str, Any]:
    dZ2 = cache["A2"] - Y
    dZ1 = parameters["W2"].T @ dZ2 * (1 - cache["A1"] ** 2)
    return {"dW1": dZ1 @ X.T, "db1": dZ1.sum(axis=1, keepdims=True),
            "dW2": dZ2 @ cache["A1"].T, "db2": dZ2.sum(axis=1, keepdims=True)}


@click.command()
def tools() -> None:
    """What people wait for: `tgc check`, equations, pictures."""
    whole = "\n\n".join((LEARNERS / f"week{week}.py").read_text() for week in (2, 3, 4))
    model, (X, Y) = PlanarClassifier(), data.planar()
    with tempfile.TemporaryDirectory() as folder:
        right, wrong = Path(folder, "right.py"), Path(folder, "wrong.py")
        right.write_text(whole)
        wrong.write_text(whole.replace("1 / m * np.", "1.1 / m * np.")
                         .replace("- learning_rate", "- 1.1 * learning_rate"))
        rows: list[tuple[str, Callable[[], Any]]] = [
            ("tgc check, all functions right", lambda: check_file(right)),
            ("tgc check, unrecognised faults everywhere", lambda: check_file(wrong)),
            ("check_backward, one fault", lambda: check_backward(without_1_over_m, model, X, Y)),
            ("compare_gradients, planar", lambda: compare_gradients(model, X, Y)),
            ("derive, 100 layers", lambda: derive(DeepNetwork([2] * 100 + [1])).text()),
            ("derive, 1000 layers", lambda: derive(DeepNetwork([2] * 1000 + [1])).text()),
            ("graph of 2 000 steps, folded, SVG", lambda: draw_graph(chain(2000)).svg()),
            ("graph of 2 000 steps, all of them, SVG", lambda: draw_graph(chain(2000), max_nodes=3000).svg()),
            ("decision boundary of 500 x 500 points", lambda: plots.plot_decision_boundary(model, X, Y)),
            ("the same as a PNG file", lambda: plots.plot_decision_boundary(model, X, Y).rendered("png")),
        ]
        for name, action in rows:
            print(f"{name:<44}{seconds(action):>8.2f} s")
