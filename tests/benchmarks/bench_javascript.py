"""Time of training steps as JavaScript, in Node and in Chromium, beside our own engines in one run."""
from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np

from tinygrad_course import data
from tinygrad_course.compiler import compile_step
from tinygrad_course.models import DeepNetwork, PlanarClassifier, TwoLayerNetwork
from tinygrad_course.visualize import live_page

ROUNDS = 5
# Makes steps for a while and says how long one takes, in microseconds; and a whole training, in seconds.
MEASURE = """(iterations, seconds) => {
  const {trainer} = livePage.trainer, begin = performance.now();
  let steps = 0;
  while (performance.now() - begin < 1000 * seconds) { for (let i = 0; i < 20; i += 1) trainer.step(); steps += 20; }
  const each = (performance.now() - begin) / steps * 1000, start = performance.now();
  if (iterations) for (let i = 0; i < iterations; i += 1) trainer.step();
  return [each, (performance.now() - start) / 1000];
}"""
FRAMES = """new Promise((done) => {
  livePage.open("training");
  document.querySelector("button.main:not(.round)").click();
  let count = 0;
  const begin = performance.now(), look = (now) => {
    count += 1;
    if (now - begin < 3000) requestAnimationFrame(look); else done(count / (now - begin) * 1000);
  };
  requestAnimationFrame(look);
})"""


STEPS = """(() => {
  const {stepper} = livePage, times = [];
  for (let i = 0; i < stepper.sequence.length; i += 11) {
    const begin = performance.now();
    stepper.go(i);
    document.body.getBoundingClientRect();
    times.push(performance.now() - begin);
  }
  return times.sort((a, b) => a - b)[times.length >> 1];
})()"""


def engine_step(make: Callable[[], Any], X: Any, Y: Any, rate: float, engine: str, seconds: float) -> float:
    """Microseconds of one step."""
    step = compile_step(make(), X, Y, learning_rate=rate, engine=engine)
    step.run(20)
    begin, steps = time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        step.run(20)
        steps += 20
    return (time.perf_counter() - begin) / steps * 1e6


@click.command()
@click.option("--data", "folder", help="Folder or file with the course's images.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), default=0.5, show_default=True,
              help="How long steps are measured in each round.")
def javascript(folder: str | None, seconds: float) -> None:
    """Training steps as JavaScript in Chromium, by turns with the NumPy and the native engine."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "shared"))
    import pages

    images = data.load_images(folder)
    cats = images.X_train, images.Y_train
    models: dict[str, tuple[Callable[[], Any], Any, Any, float, int]] = {
        "planar": (PlanarClassifier, *data.planar(), 1.2, 10000),
        "two-layer": (lambda: TwoLayerNetwork(12288, 7, 1), *cats, 0.0075, 2500),
        "four-layer": (lambda: DeepNetwork([12288, 20, 7, 5, 1]), *cats, 0.0075, 2500)}
    print(f"{'us for a step':<14}{'JavaScript':>12}{'NumPy':>10}{'native':>10}{'to NumPy':>10}   whole training")
    with tempfile.TemporaryDirectory() as temporary:
        browser = pages.Chromium(Path(temporary))
        for name, (make, X, Y, rate, iterations) in models.items():
            begin = time.perf_counter()
            file = live_page(make(), X, Y, learning_rate=rate).write(Path(temporary, f"{name}.html"))
            written = time.perf_counter() - begin
            browser.open(file)
            whole = browser.evaluate(f"({MEASURE})({iterations}, 0.2)")[1]
            rounds: list[list[float]] = []
            for _ in range(ROUNDS):
                rounds.append([browser.evaluate(f"({MEASURE})(0, {seconds})")[0],
                               *(engine_step(make, X, Y, rate, engine, seconds) for engine in ("numpy", "native"))])
            script, arrays, native = (median(column) for column in zip(*rounds))
            ratio = median(one[0] / one[1] for one in rounds)
            print(f"{name:<14}{script:>12.1f}{arrays:>10.1f}{native:>10.1f}{ratio:>10.2f}   "
                  f"{iterations} in {whole:.2f} s; page of {file.stat().st_size / 1e6:.2f} MB in {written:.2f} s")
            if name == "planar":
                browser.open(file)
                print(f"{'':<14}pictures a second while it trains: {browser.evaluate(FRAMES):.0f}")
        random = np.random.RandomState(0)
        X, Y = random.randn(5, 20), np.ones((1, 20))
        begin = time.perf_counter()
        page = live_page(DeepNetwork([5] * 333 + [1]), X, Y)
        browser.open(page.write(Path(temporary, "large.html")))
        operations = browser.evaluate("livePage.data.steps.filter((step) => step.op).length")
        print(f"a graph of {operations} operations: page in {time.perf_counter() - begin:.1f} s, "
              f"a step in {browser.evaluate(STEPS):.1f} ms")
        browser.close()
