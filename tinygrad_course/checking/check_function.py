"""`check_backward`: a learner's own gradient function, checked against the formulas of a model."""
from __future__ import annotations

import builtins
import inspect
import io
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any

import numpy as np

from tinygrad_course.arguments import checked_data
from tinygrad_course.checking.course import formulas
from tinygrad_course.checking.check_file import order_of
from tinygrad_course.checking.course.functions import (
    Case, CourseFunction, LOOSE, cache_of, caches_of, deep_given, deep_gradients, gradients_of, parameters_of,
)
from tinygrad_course.checking.judge import Answers, judge
from tinygrad_course.checking.diagnosis.numbers import TOLERANCE
from tinygrad_course.checking.report import Report
from tinygrad_course.checking.sandbox.calling import call, no_input
from tinygrad_course.checking.sandbox.plain import said_by
from tinygrad_course.checking.course.samples import network
from tinygrad_course.errors import InputError
from tinygrad_course.nn import Module, ReLU, Sequential, Sigmoid, Tanh

SIGNATURES = {
    "propagate": ("w", "b", "X", "Y"),
    "backward_propagation": ("parameters", "cache", "X", "Y"),
    "L_model_backward": ("AL", "Y", "caches"),
}


def check_backward(backward: Callable[..., Any], model: Module, X: Any, Y: Any) -> Report:
    """Say for each gradient that `backward` returns whether it is right, and if not, what the mistake is.

    backward: a function with one of the course's signatures: propagate(w, b, X, Y) for LogisticRegression,
    backward_propagation(parameters, cache, X, Y) or L_model_backward(AL, Y, caches) for a network.
    model: one of the course's models, or a Sequential of Linear layers with Tanh, ReLU or Sigmoid after each. Its
    parameters are not changed.
    X, Y: examples and labels, one per column.

    It is called with the model's parameters on X and Y, and on random inputs of other sizes too, as there are mistakes
    that one input does not show. It runs in this process; `check_file` uses another one.
    Raises InputError where the arguments do not fit together or are not finite.
    """
    if not callable(backward):
        raise InputError(f"check_backward: the first argument is {backward!r}: give your function itself, without ()")
    X, Y = np.array(X, dtype=float), np.array(Y, dtype=float)
    if X.ndim != 2 or Y.ndim != 2 or X.shape[1] != Y.shape[1]:
        raise InputError(f"check_backward: X is {X.shape} and Y is {Y.shape}: examples are columns, so both need two "
                         "axes and the same number of columns")
    X, Y = checked_data(X, Y, binary=False, dtype=X.dtype)
    parameters = model.state_dict()
    for name, value in parameters.items():
        if not np.isfinite(value).all():
            raise InputError(f"check_backward: {name} of the model is not finite: give a model that was not ruined by "
                             "training")
    if set(parameters) == {"w", "b"}:
        function = _logistic(parameters, X, Y)
    else:
        activations = _activations(model)
        renamed = {f"{'Wb'[i % 2]}{i // 2 + 1}": value for i, value in enumerate(parameters.values())}
        dims = _layer_dims(renamed, activations, X, Y)
        if len(_parameters(backward)) == 3 or "caches" in _parameters(backward):
            function = _deep(renamed, dims, activations, X, Y)
        else:
            function = _network(renamed, dims, activations, X, Y)
    given = _parameters(backward)
    if given and len(given) < len(function.parameters):
        raise InputError(f"check_backward: {_name(backward)} takes ({', '.join(given)}), but for "
                         f"{type(model).__name__} the course has {function.name}({', '.join(function.parameters)})")
    order = order_of([(name, False) for name in given], function.parameters)
    with np.errstate(all="ignore"):  # saturated units are among the inputs
        verdict = judge(function, in_process(backward, order), _source(backward))
    verdict.name = _name(backward)
    return Report(f"{_name(backward)} for {type(model).__name__}", [verdict])


# --------------------------------------------------------------------------------------- what it is tried on


def _logistic(parameters: Mapping[str, Any], X: Any, Y: Any) -> CourseFunction:
    w, b = parameters["w"], float(parameters["b"])
    if X.shape[0] != w.shape[0]:
        raise InputError(f"check_backward: X has {X.shape[0]} rows, but the model has {w.shape[0]} inputs")

    def cases() -> Iterator[Case]:
        yield from _judged([(w, b, X, Y)], "your X and Y")
        random = np.random.RandomState(7000)
        for m in (5, 1, 7):
            x, y = random.randn(w.shape[0], m), (random.uniform(size=(1, m)) > 0.5) * 1.0
            yield from _judged([(random.randn(*w.shape) / np.sqrt(w.size), float(random.randn()), x, y)],
                               f"random numbers, m = {m}")

    def _judged(inputs: Sequence[tuple[Any, ...]], label: str) -> Iterator[Case]:
        for one in inputs:
            yield Case(one, dict(zip(SIGNATURES["propagate"], one)), label=label, tolerance=_tolerance(w, b, one[2]))

    return CourseFunction("propagate", 2, SIGNATURES["propagate"], cases, lambda group: formulas.logistic(),
                          _gradients_and_cost)


def _tolerance(w: Any, b: Any, X: Any) -> float:
    """Where A is close to 0 or 1 the cost has lost digits."""
    return LOOSE if np.abs(w.T @ X + b).max(initial=0) > 8 else TOLERANCE


def _gradients_and_cost(case: Case, returned: Any) -> Any:
    """The cost beside the gradients, as in the course, or the gradients alone."""
    gradients = {"dw": "dw", "db": "db"}
    return gradients if isinstance(returned, Mapping) else (gradients, "cost")


# kind, number of examples (0: the caller's X and Y), whether a mistake there counts
KINDS = [("forward", 0, True), ("forward", 6, True), ("forward", 1, True), ("random", 5, False)]


def _cases(parameters: Mapping[str, Any], dims: Sequence[int], activations: tuple[str, ...], X: Any, Y: Any,
           ) -> Iterator[tuple[dict[str, Any], bool, str]]:
    for seed, (kind, m, judged) in enumerate(KINDS):
        if m == 0:
            yield network(seed, dims, X.shape[1], activations, kind, dict(parameters), X, Y), judged, "your X and Y"
        else:
            yield network(seed, dims, m, activations, kind), judged, f"random numbers, m = {m}, {kind}"
    # where sizes are equal, a product in the wrong order gives no error
    small = [3] * len(dims)
    yield network(9, small, 3, activations), False, "square matrices"


def _network(parameters: Mapping[str, Any], dims: Sequence[int], activations: tuple[str, ...], X: Any, Y: Any,
             ) -> CourseFunction:
    L = len(activations)

    def cases() -> Iterator[Case]:
        for v, judged, label in _cases(parameters, dims, activations, X, Y):
            yield Case((parameters_of(v, L), cache_of(v, L), v["X"], v["Y"]), v, judged, group=L, label=label)

    return CourseFunction("backward_propagation", 3, SIGNATURES["backward_propagation"], cases,
                          lambda group: formulas.backward(activations), lambda case, returned: gradients_of(L))


def _deep(parameters: Mapping[str, Any], dims: Sequence[int], activations: tuple[str, ...], X: Any, Y: Any,
          ) -> CourseFunction:
    L = len(activations)

    def cases() -> Iterator[Case]:
        for v, judged, label in _cases(parameters, dims, activations, X, Y):
            yield Case((v[f"A{L}"], v["Y"], caches_of(v, L)), deep_given(v, L), judged, group=L, label=label)

    return CourseFunction("L_model_backward", 4, SIGNATURES["L_model_backward"], cases,
                          lambda group: formulas.deep_backward(activations), deep_gradients)


def _activations(model: Module) -> tuple[str, ...]:
    """The activation of each layer, for the course's models and for Sequential."""
    known: dict[Any, str] = {Tanh: "tanh", ReLU: "relu", Sigmoid: "sigmoid"}
    layers = sum(1 for _ in model.named_parameters()) // 2
    kind = type(model).__name__
    if isinstance(model, Sequential):
        found = tuple(known[type(one)] for one in model.modules if type(one) in known)
        if len(found) == layers and found[-1:] == ("sigmoid",):
            return found
    elif kind == "PlanarClassifier":
        return ("tanh",) * (layers - 1) + ("sigmoid",)
    elif kind in ("TwoLayerNetwork", "DeepNetwork"):
        return ("relu",) * (layers - 1) + ("sigmoid",)
    raise InputError(f"check_backward: the formulas of {kind} are not known; give LogisticRegression, "
                     "PlanarClassifier, TwoLayerNetwork, DeepNetwork, or a Sequential of Linear layers, each followed "
                     "by Tanh, ReLU or Sigmoid, the last one Sigmoid")


def _layer_dims(parameters: Mapping[str, Any], activations: Sequence[str], X: Any, Y: Any) -> list[int]:
    dims = [parameters["W1"].shape[1]] + [parameters[f"W{l}"].shape[0] for l in range(1, len(activations) + 1)]
    if X.shape[0] != dims[0] or Y.shape[0] != dims[-1]:
        raise InputError(f"check_backward: X is {X.shape} and Y is {Y.shape}, but the model has {dims[0]} inputs and "
                         f"{dims[-1]} outputs; examples are columns")
    return dims


# ------------------------------------------------------------------------------------------- in this process


class Here:
    """Stands for the learner's file where the function was given as an object."""

    def short_traceback(self, error: BaseException) -> str:
        own = os.path.dirname(__file__)
        lines = [f"{os.path.basename(frame.filename)}, line {frame.lineno}, in {frame.name}\n    {frame.line}"
                 for frame in traceback.extract_tb(error.__traceback__) if os.path.dirname(frame.filename) != own
                 and "site-packages" not in frame.filename]
        return "\n".join([*lines, said_by(error)])


def in_process(function: Callable[..., Any], order: Sequence[int] = ()) -> Callable[[list[tuple[Any, ...]]], Answers]:
    """Call it here, with what it prints thrown away and nobody to answer input()."""
    def calls(arguments: list[tuple[Any, ...]]) -> Answers:
        given = [tuple(one[i] for i in order) if len(order) == len(one) else one for one in arguments]
        state = np.random.get_state()
        with redirect_stdout(io.StringIO()), _nobody_answers():
            answers = [call(function, one, Here().short_traceback, seed=7) for one in given]
        np.random.set_state(state)
        return answers
    return calls


@contextmanager
def _nobody_answers() -> Iterator[None]:
    kept, stdin = builtins.input, sys.stdin
    builtins.input, sys.stdin = no_input, io.StringIO()
    try:
        yield
    finally:
        builtins.input, sys.stdin = kept, stdin


def _parameters(function: Callable[..., Any]) -> list[str]:
    try:
        return [p.name for p in inspect.signature(function).parameters.values() if p.default is p.empty
                and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    except (TypeError, ValueError):
        return []


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _source(function: Callable[..., Any]) -> str:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return ""
