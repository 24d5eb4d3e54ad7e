"""The compiled training step: traced once, rewritten, run as NumPy code or as machine code.

A step is traced by running the eager code with symbolic arrays (`nodes`, `tracing`, `side_effects`), made shorter
(`rewrites`, `span`), and then written either as NumPy source (`memory`, `numpy_code`) or as loops in LLVM's language
(`native`). `step` binds it to a model, and `training.compiled` runs it.
"""
from __future__ import annotations

from typing import Any

from tinygrad_course.arguments import Cost, checked_task
from tinygrad_course.compiler.nodes import Untraceable
from tinygrad_course.compiler.step import NativeStep, Step, TracedStep, traced_step
from tinygrad_course.errors import InputError
from tinygrad_course.nn import Module
from tinygrad_course.optim import Optimizer

__all__ = ["STEPS", "NativeStep", "Step", "TracedStep", "Untraceable", "compile_step", "traced_step"]


def __dir__() -> list[str]:
    return __all__


STEPS: dict[str, type[Step]] = {kind.engine: kind for kind in (Step, NativeStep)}  # by the engine's name


def compile_step(model: Module, X: Any, Y: Any, *, learning_rate: float | None = None,
                 optimizer: Optimizer | None = None, cost: Cost | None = None, batch_size: int | None = None,
                 iterations: int | None = None, engine: str = "numpy") -> Step:
    """The training step that `fit` would run, to be looked at: `compile_step(model, X, Y, learning_rate=1.2).source`.

    The arguments are those of `fit`; for few `iterations` some rewrites do not pay. engine: "numpy" or "native".
    `step.run(n)` makes n steps and gives the cost before each; `step.store()` hands the model what came of them.
    Raises InputError for what cannot be used or compiled, and says why.
    """
    if engine not in STEPS:
        raise InputError(f"there is no compiled engine {engine!r}; there are {', '.join(STEPS)}")
    task = checked_task(model, X, Y, learning_rate, optimizer, cost, batch_size)
    try:
        step = STEPS[engine](traced_step(task, iterations))
        step.load()
    except Untraceable as reason:
        raise InputError(f"this {type(model).__name__} cannot be compiled: {reason}") from None
    return step
