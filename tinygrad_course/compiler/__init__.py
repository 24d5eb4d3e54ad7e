"""The compiled training step: traced once, rewritten, run as NumPy code or as machine code.

A step is traced by running the eager code with symbolic arrays (`graph`, `tracing`), made shorter (`rewrites`, `span`),
and then written either as NumPy source (`memory`, `numpy_source`) or as loops in LLVM's language (`kernels`,
`loop_code`, `product_code`, `vector_math`), compiled (`machine`) and bound to memory (`native`). `running` is what
`fit` calls.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_course.compiler.nodes import Untraceable
from tinygrad_course.compiler.step import NativeStep, Step
from tinygrad_course.costs import binary_cross_entropy
from tinygrad_course.errors import InputError
from tinygrad_course.nn import Module
from tinygrad_course.optim import GradientDescent, Optimizer
from tinygrad_course.training.run import check_data

__all__ = ["NativeStep", "Step", "Untraceable", "compile_step"]


def compile_step(model: Module, X: Any, Y: Any, *, learning_rate: float | None = None,
                 optimizer: Optimizer | None = None, cost: Callable[[Any, Any], Any] | None = None,
                 batch_size: int | None = None, iterations: int | None = None, engine: str = "numpy") -> Step:
    """The training step that `fit` would run, to be looked at: `compile_step(model, X, Y, learning_rate=1.2).source`.

    The arguments are those of `fit`; for few `iterations` some rewrites do not pay. engine: "numpy" or "native".
    `step.run(n)` makes n steps and gives the cost before each; `step.store()` hands the model what came of them.
    Raises InputError for what cannot be used or compiled, and says why.
    """
    steps = {"numpy": Step, "native": NativeStep}
    if engine not in steps:
        raise InputError(f"there is no compiled engine {engine!r}; there are {', '.join(steps)}")
    if (optimizer is None) == (learning_rate is None):
        raise InputError("give either learning_rate=, for gradient descent, or optimizer=")
    if batch_size is not None and (not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1):
        raise InputError(f"batch_size must be a whole number, at least 1, got {batch_size!r}")
    parameters = model.parameters()
    if not parameters:
        raise InputError(f"{type(model).__name__} has no parameters to train")
    X, Y = check_data(X, Y, model.binary_labels or cost is binary_cross_entropy, parameters[0].dtype)
    if batch_size is not None and batch_size >= X.shape[-1]:
        batch_size = None  # all, as `fit` takes it
    rule = optimizer if learning_rate is None else GradientDescent(learning_rate)
    assert rule is not None
    cost_of = model.cost if cost is None else lambda X, Y: cost(model(X), Y)
    try:
        step = steps[engine](model, cost_of, rule, X, Y, batch_size, iterations)
        step.load()
    except Untraceable as reason:
        raise InputError(f"this {type(model).__name__} cannot be compiled: {reason}") from None
    return step
