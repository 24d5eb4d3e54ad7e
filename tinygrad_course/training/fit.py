"""Training: the same few lines for every model. Forward pass, backward pass, update, again."""
from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_course.arguments import Cost, Task, check_whole, checked_task, first_place, real_array
from tinygrad_course.autodiff import no_grad
from tinygrad_course.errors import InputError, did_you_mean
from tinygrad_course.holding import in_mode
from tinygrad_course.nn import Module
from tinygrad_course.optim import Optimizer, Schedule
from tinygrad_course.shell import is_notebook
from tinygrad_course.training.progress import training_progress
from tinygrad_course.training.history import History, TrainingDiverged, TrainingInterrupted
from tinygrad_course.training.run import Batches, Callback, TrainingRun, train_eagerly
from tinygrad_course.training.validation import POINTS, checked_validation, labels_of
from tinygrad_course.tensor import Array, plain

__all__ = ["ENGINES", "History", "TrainingDiverged", "TrainingInterrupted", "accuracy", "fit", "predict"]

ENGINES = ("auto", "eager", "numpy", "native")
SETTINGS = ("iterations", "epochs", "learning_rate", "optimizer", "cost", "batch_size", "seed", "print_cost",
            "record_every", "validation", "validate_every", "patience", "engine", "callback", "progress")
ELSEWHERE = {"lr": "learning_rate", "alpha": "learning_rate", "learning_rate_init": "learning_rate",
             "n_iter": "iterations", "max_iter": "iterations", "num_iterations": "iterations", "steps": "iterations",
             "n_epochs": "epochs", "loss": "cost", "criterion": "cost", "objective": "cost", "opt": "optimizer",
             "batch": "batch_size", "random_state": "seed", "verbose": "print_cost", "callbacks": "callback"}


def fit(model: Module, X: Any, Y: Any, *, iterations: int | None = None, epochs: int | None = None,
        learning_rate: float | Schedule | None = None, optimizer: Optimizer | None = None,
        cost: Cost | str | None = None,
        batch_size: int | None = None, seed: int | None = None, print_cost: int | bool | None = None,
        record_every: int | None = None, validation: tuple[Any, Any] | None = None,
        validate_every: int | None = None, patience: int | None = None, engine: str = "auto",
        resume: History | None = None, callback: Callback | None = None, progress: bool | None = None,
        **unknown: Any) -> History:
    """Train a model: `iterations` updates of its parameters, or as many as make so many `epochs`.

    An epoch is one pass over all examples: one update, or with `batch_size` as many as there are batches.

    X, Y: data (n_x, m) and labels (n_y, m), one example per column.
    learning_rate: for gradient descent, a number or a schedule such as optim.Cosine(0.1, 1000); or give an `optimizer`
    from `tinygrad_course.optim`.
    cost: a function of y_hat and Y, or the name of one in `nn`, in place of the model's own `cost`.
    batch_size: examples per update, drawn without repetition in an order that `seed`, 0 by default, fixes; by default
    all.
    print_cost: print the cost every so many iterations; True, as in the course, every 100.
    record_every: note the cost in `History.costs` every so many iterations; by default as often as it is printed, and
    in every iteration where it is not.
    callback: called as callback(iteration, model, cost) whenever the cost is recorded. The gradients are there then,
    in the parameters' `grad`, and the parameters are those from which they were computed.
    validation: (X, Y) that nothing is trained on; their cost, and their accuracy where labels are 0 and 1, are noted in
    the History, and printed beside the cost, before the update of every `validate_every`-th iteration: by default as
    often as the cost is recorded or printed, if that was said, else a hundred times.
    patience: training ends when so many evaluations of the validation data in a row gave no lower cost. The model then
    has the parameters with the lowest, and the optimizer what it kept by then; also where training was not ended early.
    progress: whether to show a progress bar; by default on a terminal or in a notebook.
    resume: the History of a training that is to go on, from a checkpoint for instance: so many `iterations` or
    `epochs` more, counted on from there and with the batches that would have come, given the model and the optimizer
    as they were left. The numbers are those of one training without a break, bit for bit; to rounding where a compiled
    step keeps weights in the span of the data.

    Ctrl-C, or interrupting the kernel, ends training after the iteration at hand. The parameters and the history so far
    are kept; `History.stopped` says after which iteration and at which cost, and this is printed. In a notebook it is
    raised, as TrainingInterrupted, a KeyboardInterrupt with the `history`, so that the cells that wait do not run; the
    model can be used, or trained further, in the next. A second Ctrl-C raises KeyboardInterrupt at once.

    engine: "auto" picks the fastest: machine code, NumPy code or, where the model cannot be compiled or compiling does
    not pay, eager training. "native", "numpy" and "eager" force one. `History.engine` is what ran, `History.why` the
    reason. After compiled training the parameters' `grad` is None. What the cost reads from outside of the model and
    its data is taken to stay the same.

    Raises InputError for data, labels or settings that cannot be used, and TrainingDiverged where the cost becomes
    NaN or infinite; the model then has the parameters that gave the last finite cost.
    """
    for name in unknown:
        raise InputError(f"fit has no setting {name!r}{did_you_mean(name, SETTINGS, ELSEWHERE)}")
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
    if seed is not None:
        check_whole("seed", seed, least=0, most=2 ** 32 - 1)
    if callback is not None and not callable(callback):
        raise InputError(f"callback is {callback!r}; a function of iteration, model and cost is expected")
    if resume is not None:
        if not isinstance(resume, History):
            raise InputError(f"resume is a History, as fit returned it; {type(resume).__name__} was given")
        batch_size = resume.batch_size if batch_size is None else batch_size
    task = checked_task(model, X, Y, learning_rate, optimizer, cost, batch_size)
    history = History(batch_size=task.batch_size, seed=seed or 0) if resume is None else resume.continued(
        task.batch_size, seed)
    batches = Batches(task.X.shape[-1], task.batch_size, history.seed)
    if iterations is None:
        assert epochs is not None
        iterations = epochs * batches.in_an_epoch
    schedule = task.optimizer.learning_rate
    history.learning_rate = str(schedule) if isinstance(schedule, Schedule) else schedule
    if history.iterations:
        _check_state(task)
    so_far, iterations = history.seconds, history.iterations + iterations
    if isinstance(schedule, Schedule):
        schedule.check(iterations)
    held_back = None
    if validation is not None:
        often = validate_every or record_every or print_cost or max(1, iterations // POINTS)
        held_back = checked_validation(task, validation, often, patience, history)
    elif patience is not None or validate_every is not None:
        raise InputError("patience= and validate_every= need validation=(X, Y), data that nothing is trained on")
    start = time.perf_counter()
    with training_progress(iterations, progress) as report, _interrupt_noted() as interrupted, \
            in_mode(model, training=True), np.errstate(all="ignore"):
        run = TrainingRun(task, iterations, batches, record_every or print_cost or 1, print_cost, callback, report,
                          interrupted, history, held_back)
        try:
            if engine == "eager":
                history.why = "as asked for"
                train_eagerly(run)
            else:
                from tinygrad_course.training.compiled import train
                train(run, engine)
        finally:
            history.seconds = so_far + time.perf_counter() - start - run.seconds_elsewhere
    if interrupted:
        history.stopped = history.stopped or "interrupted when training was over"
        if is_notebook():
            raise TrainingInterrupted(history)
        print(history.stopped)
    return history


def _check_state(task: Task) -> None:
    """Raises InputError where a training is to go on, but not with the optimizer that began it."""
    rule = task.optimizer
    if not rule.states and any(rule.state_of(parameter, parameter.data) for parameter in task.model.parameters()):
        raise InputError(f"resume: this {type(rule).__name__} keeps something from update to update, but has nothing "
                         "of the training that is to go on. Give the optimizer= that began it, or that of "
                         "checkpoint.load(path).optimizer, where it was saved")


@no_grad()
def predict(model: Module, X: Any) -> Array:
    """The predicted labels as whole numbers, (1, m), in evaluation mode.

    X: (n_x, m), one example per column.
    One output: 1 where y_hat > 0.5, else 0. Several outputs: the row with the largest y_hat, counted from 0.
    Raises InputError for data that are no such array, and where y_hat is NaN.
    """
    return labels_of(_y_hat(model, X))


@no_grad()
def accuracy(model: Module, X: Any, Y: Any) -> float:
    """The fraction of examples that are classified correctly.

    X: (n_x, m).  Y: a row of labels, (1, m), as `predict` gives them, or one-hot columns (n_y, m).
    Raises InputError for other data or labels.
    """
    y_hat = _y_hat(model, X)
    predicted, labels = labels_of(y_hat), real_array("Y", Y)
    n_y = len(y_hat)
    if labels.ndim == 2 and labels.shape == y_hat.shape and n_y > 1:
        if not np.isin(labels, (0, 1)).all() or not (labels.sum(axis=0) == 1).all():
            raise InputError(f"accuracy: labels {labels.shape} are one-hot columns, with a single 1 in each; "
                             "or give them as a row, (1, m)")
        labels = labels.argmax(axis=0).reshape(1, -1)
    if labels.shape != predicted.shape:
        raise InputError(f"accuracy: there are predictions {predicted.shape} but labels {labels.shape}; labels are "
                         "a row, (1, m)" + (f", or one-hot columns, ({n_y}, m)" if n_y > 1 else ""))
    allowed = np.arange(max(n_y, 2))
    if not np.isin(labels, allowed).all():
        where = first_place(~np.isin(labels, allowed))
        turned = ". Did you mean (Y + 1) / 2?" if n_y == 1 and np.isin(labels, (-1, 1)).all() else ""
        raise InputError(f"accuracy: Y holds {labels[where]} at {where}; labels are whole numbers from 0 to "
                         f"{allowed[-1]}{turned}")
    return float(np.mean(predicted == labels))


def _y_hat(model: Module, X: Any) -> Array:
    """What a model gives for m examples, (n_y, m)."""
    X = real_array("X", X)
    if X.ndim < 2:
        raise InputError(f"X has shape {X.shape}; one example per column is expected, (n_x, m). Did you mean "
                         "X.reshape(-1, 1), for one example?")
    with in_mode(model, training=False):
        y_hat = np.asarray(plain(model(X)))
    m = X.shape[-1]
    y_hat = y_hat.reshape(1, -1) if y_hat.ndim < 2 else y_hat
    if y_hat.ndim != 2 or y_hat.shape[1] != m:
        raise InputError(f"the model gives y_hat of shape {y_hat.shape} for X {X.shape}; (n_y, {m}) is expected, one "
                         "column for each example")
    if np.isnan(y_hat).any():
        where = first_place(np.isnan(y_hat))
        source = "X holds NaN there" if np.isnan(X[..., where[1]]).any() else "are its parameters finite?"
        raise InputError(f"y_hat is NaN for example {where[1]}, which has no label: {source}")
    return y_hat


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
