"""How time, memory and compilation grow with the number of examples, the width and the depth of a network.

    python bench_growth.py AXIS SIZE ENGINE    measures one point

Each point is a process of its own, which trains eagerly and with the two compiled engines: seconds per step, seconds
to trace and compile, and the memory of the arrays, of which NumPy keeps count. Writes growth.json and growth.svg and
.png to a folder, by default the current one. What would take longer than the limit is left out, and said.

What to expect, and what the plot shows:

* examples m: everything is linear in m, time and memory, but for the span of the data, where a step is quadratic in m;
  it is used only for n_x > m, so never where that would be slower.
* width n: the products are quadratic in the width of two layers that follow each other, here n x 2 weights: linear.
* depth L: linear for all. Eager training keeps every step of the graph until the backward pass has used it; compiled
  training keeps A[1] ... A[L], which the gradients need, and uses everything else again.
"""
from __future__ import annotations

import json
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import click
import numpy as np

LIMIT = 40.0  # seconds for a process
SIZES = {"examples": [100, 1000, 10_000, 100_000], "width": [100, 1000, 10_000, 100_000],
         "depth": [100, 1000, 10_000, 100_000]}
ENGINES = ("eager", "numpy", "native")


def problem(axis: str, size: int) -> tuple[Any, Any, Any]:
    from tinygrad_course.models import DeepNetwork, PlanarClassifier
    random = np.random.RandomState(0)
    m = size if axis == "examples" else 100
    X = random.randn(2, m)
    Y = (X[:1] * X[1:] > 0).astype(float)
    if axis == "depth":
        return DeepNetwork([2] + [4] * (size - 1) + [1]), X, Y
    return PlanarClassifier(n_h=size if axis == "width" else 4), X, Y


def measure(axis: str, size: int, engine: str) -> dict[str, float]:
    """One point, in this process: seconds per step and to compile; bytes of arrays at the peak."""
    from tinygrad_course import fit
    from tinygrad_course.compiler import compile_step
    model, X, Y = problem(axis, size)
    found: dict[str, float] = {}
    if engine != "eager":
        start = time.perf_counter()
        step = compile_step(model, X, Y, learning_rate=0.01, engine=engine)
        found["compile"] = time.perf_counter() - start
        operations = len(step.program.nodes)
        run, found["operations"] = step.run, float(operations)
    else:
        def run(n: int) -> None:
            fit(model, X, Y, iterations=n, learning_rate=0.01, engine="eager")
    run(1)
    start, n = time.perf_counter(), 0
    while n < 3 or time.perf_counter() < start + 0.3 and n < 1000:
        run(1)
        n += 1
    found["step"] = (time.perf_counter() - start) / n
    if engine == "eager":
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        run(1)
        found["memory"] = tracemalloc.get_traced_memory()[1] - before
    else:
        found["memory"] = float(step.nbytes)
    return found


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True), default=".")
def growth(folder: Path) -> None:
    """Time, memory and compilation by examples, width and depth."""
    results: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for axis, sizes in SIZES.items():
        for engine in ENGINES:
            for size in sizes:
                try:
                    done = subprocess.run([sys.executable, __file__, axis, str(size), engine],
                                          capture_output=True, text=True, timeout=LIMIT)
                except subprocess.TimeoutExpired:
                    print(f"{axis} {size}, {engine}: more than {LIMIT:.0f} s, left out")
                    continue
                if done.returncode:
                    print(f"{axis} {size}, {engine}: {done.stderr.strip().splitlines()[-1:]}")
                    continue
                point = json.loads(done.stdout)
                results.setdefault(axis, {}).setdefault(engine, {})[str(size)] = point
                print(f"{axis} {size:>7}, {engine:<7}",
                      "  ".join(f"{key} {value:.4g}" for key, value in point.items()), flush=True)
    (folder / "growth.json").write_text(json.dumps(results, indent=1))
    draw(results, folder)


def draw(results: dict[str, Any], folder: Path) -> None:
    from matplotlib.figure import Figure
    figure = Figure(figsize=(11, 8), layout="constrained")
    plots = figure.subplots(3, 3, sharex="col")
    quantities = {"step": ("seconds per step", 1.0), "memory": ("MB of arrays", 1e-6),
                  "compile": ("seconds to compile", 1.0)}
    colors = {"eager": "#888888", "numpy": "#3b6fb6", "native": "#c8502d"}
    for column, axis in enumerate(SIZES):
        for row, (key, (label, scale)) in enumerate(quantities.items()):
            plot = plots[row, column]
            for engine, color in colors.items():
                found = results.get(axis, {}).get(engine, {})
                points = [(int(size), point[key] * scale) for size, point in found.items() if key in point]
                if points:
                    plot.loglog(*zip(*points), "o-", color=color, markersize=4)
                    plot.annotate(engine, points[-1], xytext=(5, 0), textcoords="offset points", color=color,
                                  va="center")
            plot.set_xlim(70, 600_000)
            plot.spines[["top", "right"]].set_visible(False)
            if column == 0:
                plot.set_ylabel(label)
            if row == 2:
                plot.set_xlabel({"examples": "examples m", "width": "hidden units n[1]", "depth": "layers L"}[axis])
    for ending in ("svg", "png"):
        figure.savefig(folder / f"growth.{ending}", dpi=110)


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), sys.argv[3])))
