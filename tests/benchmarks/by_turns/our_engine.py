"""Our engines as programs of the benchmark: what `worker.py` loads, with the engine's name as its argument."""
from __future__ import annotations

from typing import TYPE_CHECKING

from problems import make_model, set_weights  # which lies beside this file

from tinygrad_course.errors import InputError
from tinygrad_course.optim import Adam, GradientDescent, Momentum, Optimizer
from tinygrad_course.training.fit import fit

if TYPE_CHECKING:
    from by_turns.worker import Problem


class Trainer:
    """`fit`, from call to return: with the checks of the data, and with tracing and compiling where the engine does."""

    def __init__(self, problem: Problem, engine: str):
        self.problem, self.engine = problem, engine
        self.how = engine

    def reset(self) -> None:
        self.model = make_model(self.problem.name, self.problem.X.shape[0])
        set_weights(self.model, self.problem.weights)

    def train(self, iterations: int) -> float:
        problem = self.problem
        history = fit(self.model, problem.X, problem.Y, iterations=iterations, optimizer=self.optimizer(),
                      batch_size=problem.batch_size, seed=problem.seed, engine=self.engine, progress=False,
                      record_every=max(1, min(problem.record_every, iterations - 1)))
        self.how = f"{history.engine}: {history.why}"
        if history.engine != self.engine:
            raise InputError(f"fit(engine={self.engine!r}) used the engine {self.how!r}")
        return history.costs[max(history.costs)]

    def optimizer(self) -> Optimizer:
        rate = self.problem.learning_rate
        kinds: dict[str, Optimizer] = {
            "gradient descent": GradientDescent(rate), "momentum": Momentum(rate), "adam": Adam(rate)}
        return kinds[self.problem.optimizer]
