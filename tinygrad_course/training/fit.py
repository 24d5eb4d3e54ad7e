"""Training: the same few lines for every model. Forward pass, backward pass, update, again."""
from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_course.arguments import Cost, check_whole, checked_task
from tinygrad_course.autodiff import no_grad
from tinygrad_course.errors import InputError
from tinygrad_course.nn import Module
from tinygrad_course.optim import Optimizer, Schedule
from tinygrad_course.training.progress import training_progress
from tinygrad_course.training.history import History, TrainingDiverged
from tinygrad_course.training.run import Batches, Callback, TrainingRun, train_eagerly
from tinygrad_course.training.validation import POINTS, checked_validation, labels_of
from tinygrad_course.tensor import plain

__all__ = ["ENGINES", "History", "TrainingDiverged", "accuracy", "fit", "predict"]

ENGINES = ("auto", "eager", "numpy", "native")


def fit(model: Module, X: Any, Y: Any, *, iterations: int | None = None, epochs: int | None = None,
        learning_rate: float | Schedule | None = None, optimizer: Optimizer | None = None, cost: Cost | None = None,
        batch_size: int | None = None, seed: int = 0, print_cost: int | bool | None = None,
        record_every: int | None = None, validation: tuple[Any, Any] | None = None,
        validate_every: int | None = None, patience: int | None = None, engine: str = "auto",
        callback: Callback | None = None, progress: bool | None = None) -> History:
    """Train a model: `iterations` updates of its parameters, or as many as make so many `epochs`.

    An epoch is one pass over all examples: one update, or with `batch_size` as many as there are batches.

    X, Y: data (n_x, m) and labels (n_y, m), one example per column.
    learning_rate: for gradient descent, a number or a schedule such as optim.Cosine(0.1, 1000); or give an `optimizer`
    from `tinygrad_course.optim`.
    cost: a function of y_hat and Y, in place of the model's own `cost`.
    batch_size: examples per update, drawn without repetition in an order that `seed` fixes; by default all.
    print_cost: print the cost every so many iterations; True, as in the course, every 100.
    record_every: note the cost in `History.costs` every so many iterations; by default as often as it is printed, and
    in every iteration where it is not.
    callback: called as callback(iteration, model, cost) whenever the cost is recorded. The gradients are there then,
    in the parameters' `grad`, and the parameters are those from which they were computed.
    validation: (X, Y) that nothing is trained on; their cost, and their accuracy where labels are 0 and 1, are noted in
    the History, and printed beside the cost, before the update of every `validate_every`-th iteration: by default as
    often as the cost is recorded or printed, if that was said, else a hundred times.
    patience: training ends when so many evaluations of the validation data in a row gave no lower cost. The model then
    has the parameters with the lowest; also where training was not ended early.
    progress: whether to show a progress bar; by default on a terminal or in a notebook.

    Ctrl-C ends training after the iteration at hand: the parameters and the history so far are kept, and
    `History.stopped` says so. A second Ctrl-C raises KeyboardInterrupt at once.

    engine: "auto" picks the fastest: machine code, NumPy code or, where the model cannot be compiled or compiling does
    not pay, eager training. "native", "numpy" and "eager" force one. `History.engine` is what ran, `History.why` the
    reason. After compiled training the parameters' `grad` is None. What the cost reads from outside of the model and
    its data is taken to stay the same.

    Raises InputError for data, labels or settings that cannot be used, and TrainingDiverged where the cost becomes
    NaN or infinite; the model then has the parameters that gave the last finite cost.
    """
    if isinstance(print_cost, bool):
        print_cost = 100 if print_cost else None
    if engine not in ENGINES:
        raise InputError(f"there is no engine {engine!r}; there are {', '.join(ENGINES)}")
    if (iterations is None) == (epochs is None):
        raise InputError("give either iterations=, the number of updates, or epochs=, that of passes over the data")
    for name, number, least in (("iterations", iterations, 0), ("epochs", epochs, 0), ("print_cost", print_cost, 1),
                                ("record_every", record_every, 1), ("validate_every", validate_every, 1),
                                ("patience", patience, 1)):
        if number is not None:
            check_whole(name, number, least)
    task = checked_task(model, X, Y, learning_rate, optimizer, cost, batch_size)
    if iterations is None:
        assert epochs is not None
        iterations = epochs * -(-task.X.shape[-1] // (task.batch_size or task.X.shape[-1]))
    schedule = task.optimizer.learning_rate
    if isinstance(schedule, Schedule):
        schedule.check(iterations)
    history = History(learning_rate=str(schedule) if isinstance(schedule, Schedule) else schedule)
    held_back = None
    if validation is not None:
        often = validate_every or record_every or print_cost or max(1, iterations // POINTS)
        held_back = checked_validation(task, validation, often, patience, history)
    elif patience is not None or validate_every is not None:
        raise InputError("patience= and validate_every= need validation=(X, Y), data that nothing is trained on")
    start = time.perf_counter()
    with training_progress(iterations, progress) as report, _interrupt_noted() as interrupted, \
            np.errstate(all="ignore"):
        run = TrainingRun(task, iterations, Batches(task.X.shape[-1], task.batch_size, seed),
                          record_every or print_cost or 1, print_cost, callback, report, interrupted, history,
                          held_back)
        try:
            if engine == "eager":
                history.why = "as asked for"
                train_eagerly(run)
            else:
                from tinygrad_course.training.compiled import train
                train(run, engine)
        finally:
            history.seconds = time.perf_counter() - start - run.seconds_elsewhere
    return history


@no_grad()
def predict(model: Module, X: Any) -> Any:
    """The predicted labels as whole numbers, (1, m).

    One output: 1 where y_hat > 0.5, else 0. Several outputs: the row with the largest y_hat, counted from 0.
    """
    return labels_of(model(X).numpy())


def accuracy(model: Module, X: Any, Y: Any) -> float:
    """The fraction of examples that are classified correctly. Y: (1, m), or one-hot columns (n_y, m)."""
    predicted, labels = predict(model, X), np.asarray(plain(Y))
    if labels.ndim == 2 and labels.shape[0] > 1:
        labels = labels.argmax(axis=0).reshape(1, -1)
    if labels.shape != predicted.shape:
        raise InputError(f"accuracy: there are predictions {predicted.shape} but labels {labels.shape}; labels are "
                         "a row, (1, m)")
    return float(np.mean(predicted == labels))


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
