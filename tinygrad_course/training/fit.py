"""Training: the same few lines for every model. Forward pass, backward pass, update, again."""
from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_course.autodiff import no_grad
from tinygrad_course.costs import binary_cross_entropy
from tinygrad_course.errors import InputError
from tinygrad_course.nn import Module
from tinygrad_course.optim import GradientDescent, Optimizer
from tinygrad_course.training.progress import training_progress
from tinygrad_course.training.run import Batches, History, Run, TrainingDiverged, check_data, train_eagerly
from tinygrad_course.tensor import plain

__all__ = ["ENGINES", "History", "TrainingDiverged", "accuracy", "check_data", "fit", "predict"]

ENGINES = ("auto", "eager", "numpy", "native")


def fit(model: Module, X: Any, Y: Any, *, iterations: int, learning_rate: float | None = None,
        optimizer: Optimizer | None = None, cost: Callable[[Any, Any], Any] | None = None,
        batch_size: int | None = None, seed: int = 0, print_cost: int | bool | None = None,
        record_every: int | None = None, engine: str = "auto",
        callback: Callable[[int, Module, float], None] | None = None, progress: bool | None = None) -> History:
    """Train a model: `iterations` updates of its parameters.

    X, Y: data (n_x, m) and labels (n_y, m), one example per column.
    learning_rate: for gradient descent; or give an `optimizer` from `tinygrad_course.optim`.
    cost: a function of y_hat and Y, in place of the model's own `cost`.
    batch_size: examples per update, drawn without repetition in an order that `seed` fixes; by default all.
    print_cost: print the cost every so many iterations; True, as in the course, every 100.
    record_every: note the cost in `History.costs` every so many iterations; by default as often as it is printed, and
    in every iteration where it is not.
    callback: called as callback(iteration, model, cost) whenever the cost is recorded. The gradients are there then,
    in the parameters' `grad`, and the parameters are those from which they were computed.
    progress: whether to show a progress bar; by default on a terminal or in a notebook.

    Ctrl-C ends training after the iteration at hand: the parameters and the history so far are kept, and
    `History.stopped` says so. A second Ctrl-C raises KeyboardInterrupt at once.

    engine: "auto" picks the fastest: machine code, NumPy code or, where the model cannot be compiled or compiling does
    not pay, eager training. "native", "numpy" and "eager" force one. `History.engine` says what ran and why. After
    compiled training the parameters' `grad` is None. What the cost reads from outside of the model and its data is
    taken to stay the same.

    Raises InputError for data, labels or settings that cannot be used, and TrainingDiverged where the cost becomes
    NaN or infinite; the model then has the parameters that gave the last finite cost.
    """
    if isinstance(print_cost, bool):
        print_cost = 100 if print_cost else None
    optimizer = _checked_settings(optimizer, learning_rate, iterations, batch_size, print_cost, record_every,
                                  engine)
    parameters = model.parameters()
    if not parameters:
        raise InputError(f"{type(model).__name__} has no parameters to train: no Tensor with requires_grad=True "
                         "is among its attributes")
    X, Y = check_data(X, Y, binary=model.binary_labels or cost is binary_cross_entropy, dtype=parameters[0].dtype)
    cost_of = model.cost if cost is None else lambda X, Y: cost(model(X), Y)
    history = History(learning_rate=optimizer.learning_rate)
    start = time.perf_counter()
    with training_progress(iterations, progress) as report, _interrupt_noted() as interrupted, \
            np.errstate(all="ignore"):
        run = Run(model, parameters, cost_of, optimizer, X, Y, iterations, Batches(X.shape[-1], batch_size, seed),
                  record_every or print_cost or 1, print_cost, callback, report, interrupted, history)
        try:
            if engine == "eager":
                history.engine = "eager: as asked for"
                train_eagerly(run)
            else:
                from tinygrad_course.training.compiled import train
                train(run, engine)
        finally:
            history.seconds = time.perf_counter() - start - run.elsewhere
    return history


@no_grad()
def predict(model: Module, X: Any) -> Any:
    """The predicted labels as whole numbers, (1, m).

    One output: 1 where y_hat > 0.5, else 0. Several outputs: the row with the largest y_hat, counted from 0.
    """
    y_hat = model(X).numpy()
    if y_hat.ndim < 2 or y_hat.shape[0] == 1:
        return (y_hat > 0.5).astype(int)
    return y_hat.argmax(axis=0).reshape(1, -1)


def accuracy(model: Module, X: Any, Y: Any) -> float:
    """The fraction of examples that are classified correctly. Y: (1, m), or one-hot columns (n_y, m)."""
    predicted, labels = predict(model, X), np.asarray(plain(Y))
    if labels.ndim == 2 and labels.shape[0] > 1:
        labels = labels.argmax(axis=0).reshape(1, -1)
    if labels.shape != predicted.shape:
        raise InputError(f"accuracy: there are predictions {predicted.shape} but labels {labels.shape}; labels are "
                         "a row, (1, m)")
    return float(np.mean(predicted == labels))


def _checked_settings(optimizer: Optimizer | None, learning_rate: float | None, iterations: int,
                      batch_size: int | None, print_cost: int | None, record_every: int | None,
                      engine: str) -> Optimizer:
    if engine not in ENGINES:
        raise InputError(f"there is no engine {engine!r}; there are {', '.join(ENGINES)}")
    for name, value, least in (("iterations", iterations, 0), ("batch_size", batch_size, 1),
                               ("print_cost", print_cost, 1), ("record_every", record_every, 1)):
        if value is None and name != "iterations":
            continue
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
            raise InputError(f"{name} must be a whole number, at least {least}, got {value!r}")
    if (optimizer is None) == (learning_rate is None):
        raise InputError("give either learning_rate=, for gradient descent, or optimizer=")
    if optimizer is not None:
        if not isinstance(optimizer, Optimizer):
            raise InputError(f"optimizer is {optimizer!r}; one such as optim.Adam() is expected")
        return optimizer
    assert learning_rate is not None
    return GradientDescent(learning_rate)


@contextmanager
def _interrupt_noted() -> Iterator[list[int]]:
    """Ctrl-C fills the list instead of raising in the middle of an update; the second one raises as usual."""
    noted: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield noted
        return

    def note(number: int, frame: Any) -> None:
        noted.append(number)
        signal.signal(signal.SIGINT, previous)

    previous = signal.getsignal(signal.SIGINT)
    if previous is not signal.default_int_handler:  # somebody else handles it; leave it to them
        yield noted
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, previous)
