"""`check_backward`: a learner's own gradient function, checked against the formulas of a model."""
from __future__ import annotations

import builtins
import inspect
import io
import itertools
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any

import numpy as np

from tinygrad_course.arguments import checked_data
from tinygrad_course.checking import interfaces
from tinygrad_course.checking.course import formulas
from tinygrad_course.checking.course.cases import (
    LOOSE, Answers, Calls, Case, cache_of, caches_of, deep_given, parameters_of,
)
from tinygrad_course.checking.course.functions import CourseFunction, deep_gradients, gradients_of
from tinygrad_course.checking.course.samples import network
from tinygrad_course.checking.diagnosis.explaining import explain
from tinygrad_course.checking.diagnosis.numbers import TOLERANCE
from tinygrad_course.checking.interfaces import ROWS, Form, Match
from tinygrad_course.checking.judge import judge
from tinygrad_course.checking.report import Report, Verdict
from tinygrad_course.checking.sandbox.calling import call as call_once
from tinygrad_course.checking.sandbox.calling import no_input
from tinygrad_course.checking.sandbox.limits import CHANGED, limited
from tinygrad_course.checking.sandbox.plain import said_by
from tinygrad_course.errors import InputError
from tinygrad_course.nn import Module, ReLU, Sequential, Sigmoid, Softmax, Tanh

SIGNATURES = {
    "propagate": ("w", "b", "X", "Y"),
    "backward_propagation": ("parameters", "cache", "X", "Y"),
    "L_model_backward": ("AL", "Y", "caches"),
}
LASTS = ("sigmoid", "softmax", "identity")  # of these and the cost that belongs to them, dZ is A - Y
Call = Callable[[Callable[..., Any], Mapping[str, Any]], Any]


def check_backward(backward: Callable[..., Any], model: Module, X: Any, Y: Any, *, call: Call | None = None,
                   returns: Sequence[str] | str | None = None, examples: str = "columns",
                   lambd: float = 0.0) -> Report:
    """Say for each gradient that `backward` returns whether it is right, and if not, what the mistake is.

    backward: any function that computes gradients. Its parameters tell how it is called: those of the course
    (propagate(w, b, X, Y), backward_propagation(parameters, cache, X, Y), L_model_backward(AL, Y, caches)), or any
    that have the names of quantities: W1, b1, Z1, A1, ..., X, Y, m. Otherwise give
    call: how it is called, from the function and the quantities by name: lambda f, q: f(q["Z1"], q["A1"], q["Y"]).
    returns: the names of what it returns, in its order: ("dW1", "db1", "dW2", "db2"); by default they are the keys
    of the dictionary that it returns, or recognised by their values.
    model: one of the course's models, or a Sequential of Linear layers with Tanh, ReLU or Sigmoid after each and
    Sigmoid, Softmax or nothing after the last one. Its parameters are not changed. The cost is the cross-entropy, and
    without a last activation half the mean squared error, 1/(2m) sum (A - Y)^2.
    X, Y: examples and labels, one per column; with Softmax, Y has a 1 in each column, at the example's class.
    examples: "rows" where `backward` takes one example per row. X and Y are given as columns all the same.
    lambd: of a penalty lambd/(2m) times the squares of all weights.

    It is called with the model's parameters on X and Y, and on random inputs of other sizes too, as there are mistakes
    that one input does not show. It runs in this process; `check_file` uses another one.
    Raises InputError where the arguments do not fit together or are not finite.
    """
    if not callable(backward):
        raise InputError(f"check_backward: the first argument is {backward!r}: give your function itself, without ()")
    if examples not in ("columns", "rows"):
        raise InputError(f'check_backward: examples is {examples!r}: give "columns" or "rows"')
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
    functions = _functions(model, parameters, X, Y, lambd)
    found = _Given(backward, functions, call, returns, examples == "rows")
    with np.errstate(all="ignore"):  # saturated units are among the inputs
        verdict = found.verdict(type(model).__name__)
    verdict.name = _name(backward)
    return Report(f"{_name(backward)} for {type(model).__name__}", [verdict])


# ------------------------------------------------------------------------------------------ what would be right


def _functions(model: Module, parameters: Mapping[str, Any], X: Any, Y: Any, lambd: float) -> list[CourseFunction]:
    """The functions of the course that compute the model's gradients."""
    if set(parameters) == {"w", "b"}:
        return [_logistic(parameters, X, Y)]
    activations = _activations(model)
    renamed = {f"{'Wb'[i % 2]}{i // 2 + 1}": value for i, value in enumerate(parameters.values())}
    dims = _layer_dims(renamed, activations, X, Y)
    functions = [_network(renamed, dims, activations, X, Y, lambd)]
    if activations[-1] == "sigmoid" and not lambd:
        functions.append(_deep(renamed, dims, activations, X, Y))
    return functions


def _logistic(parameters: Mapping[str, Any], X: Any, Y: Any) -> CourseFunction:
    w, b = parameters["w"], float(parameters["b"])
    if X.shape[0] != w.shape[0]:
        raise InputError(f"check_backward: X has {X.shape[0]} rows, but the model has {w.shape[0]} inputs")

    def cases() -> Iterator[Case]:
        yield _case(w, b, X, Y, "your X and Y")
        random = np.random.RandomState(7000)
        for m in (5, 1, 7):
            x, y = random.randn(w.shape[0], m), (random.uniform(size=(1, m)) > 0.5) * 1.0
            yield _case(random.randn(*w.shape) / np.sqrt(w.size), float(random.randn()), x, y,
                        f"random numbers, m = {m}")

    return CourseFunction("propagate", 2, SIGNATURES["propagate"], _no_reference, cases,
                          lambda group: formulas.logistic(), _gradients_and_cost)


def _case(w: Any, b: float, X: Any, Y: Any, label: str) -> Case:
    one = (w, b, X, Y)
    # Where A is close to 0 or 1 the cost has lost digits.
    tolerance = LOOSE if np.abs(w.T @ X + b).max(initial=0) > 8 else TOLERANCE
    return Case(one, dict(zip(SIGNATURES["propagate"], one)), label=label, tolerance=tolerance)


def _no_reference(*arguments: Any) -> Any:
    raise NotImplementedError("judged by formulas only")


def _gradients_and_cost(case: Case, returned: Any) -> Any:
    """The cost beside the gradients, as in the course, or the gradients alone."""
    gradients = {"dw": "dw", "db": "db"}
    return gradients if isinstance(returned, Mapping) else (gradients, "cost")


# kind, number of examples (0: the caller's X and Y), whether a mistake there counts
KINDS = [("forward", 0, True), ("forward", 6, True), ("forward", 1, True), ("random", 5, False)]


def _cases(parameters: Mapping[str, Any], dims: Sequence[int], activations: tuple[str, ...], X: Any, Y: Any,
           lambd: float = 0.0) -> Iterator[tuple[dict[str, Any], bool, str]]:
    for seed, (kind, m, judged) in enumerate(KINDS):
        if m == 0:
            values = network(seed, dims, X.shape[1], activations, kind, dict(parameters), X, Y)
            yield values | {"lambd": lambd}, judged, "your X and Y"
        elif kind == "forward" or activations[-1] == "sigmoid":
            yield network(seed, dims, m, activations, kind) | {"lambd": lambd}, judged, (
                f"random numbers, m = {m}, {kind}")
    # where sizes are equal, a product in the wrong order gives no error
    small = [3] * len(dims)
    yield network(9, small, 3, activations) | {"lambd": lambd}, False, "square matrices"


def _network(parameters: Mapping[str, Any], dims: Sequence[int], activations: tuple[str, ...], X: Any, Y: Any,
             lambd: float) -> CourseFunction:
    L = len(activations)

    def cases() -> Iterator[Case]:
        for v, judged, label in _cases(parameters, dims, activations, X, Y, lambd):
            yield Case((parameters_of(v, L), cache_of(v, L), v["X"], v["Y"]), v, judged, group=L, label=label)

    return CourseFunction("backward_propagation", 3, SIGNATURES["backward_propagation"], _no_reference, cases,
                          lambda group: formulas.backward(activations, regularised=bool(lambd)),
                          lambda case, returned: gradients_of(L))


def _deep(parameters: Mapping[str, Any], dims: Sequence[int], activations: tuple[str, ...], X: Any, Y: Any,
          ) -> CourseFunction:
    L = len(activations)

    def cases() -> Iterator[Case]:
        for v, judged, label in _cases(parameters, dims, activations, X, Y):
            yield Case((v[f"A{L}"], v["Y"], caches_of(v, L)), deep_given(v, L), judged, group=L, label=label)

    return CourseFunction("L_model_backward", 4, SIGNATURES["L_model_backward"], _no_reference, cases,
                          lambda group: formulas.deep_backward(activations), deep_gradients)


def _activations(model: Module) -> tuple[str, ...]:
    """The activation of each layer, for the course's models and for Sequential."""
    known: dict[Any, str] = {Tanh: "tanh", ReLU: "relu", Sigmoid: "sigmoid", Softmax: "softmax"}
    layers = sum(1 for _ in model.named_parameters()) // 2
    kind = type(model).__name__
    if isinstance(model, Sequential):
        found = tuple(known[type(one)] for one in model.modules if type(one) in known)
        if len(found) == layers - 1 and "softmax" not in found and type(model.modules[-1]) not in known:
            others = [type(one).__name__ for one in model.modules if type(one) not in known]
            if others == ["Linear"] * layers:
                return (*found, "identity")
        if len(found) == layers and found[-1:] in (("sigmoid",), ("softmax",)) and "softmax" not in found[:-1]:
            return found
    elif kind == "PlanarClassifier":
        return ("tanh",) * (layers - 1) + ("sigmoid",)
    elif kind in ("TwoLayerNetwork", "DeepNetwork"):
        return ("relu",) * (layers - 1) + ("sigmoid",)
    raise InputError(f"check_backward: the formulas of {kind} are not known; give LogisticRegression, "
                     "PlanarClassifier, TwoLayerNetwork, DeepNetwork, or a Sequential of Linear layers, each followed "
                     "by Tanh, ReLU or Sigmoid, the last one by Sigmoid, Softmax or nothing")


def _layer_dims(parameters: Mapping[str, Any], activations: Sequence[str], X: Any, Y: Any) -> list[int]:
    dims = [parameters["W1"].shape[1]] + [parameters[f"W{l}"].shape[0] for l in range(1, len(activations) + 1)]
    if X.shape[0] != dims[0] or Y.shape[0] != dims[-1]:
        raise InputError(f"check_backward: X is {X.shape} and Y is {Y.shape}, but the model has {dims[0]} inputs and "
                         f"{dims[-1]} outputs; examples are columns")
    return dims


# ------------------------------------------------------------------------------------------ how it is called


class _Given:
    """A function that somebody gives us: how it is called and what it returns, told or found out."""

    def __init__(self, backward: Callable[..., Any], functions: Sequence[CourseFunction], call: Call | None,
                 returns: Sequence[str] | str | None, rows: bool):
        self.backward, self.functions, self.call, self.rows = backward, functions, call, rows
        self.returns = [returns] if isinstance(returns, str) else returns
        self.source = _source(backward)

    def verdict(self, model: str) -> Verdict:
        parameters = _parameters(self.backward)
        if self.call is None and self.returns is None and not self.rows:
            matches = [interfaces.match(function, parameters) for function in self.functions]
            best = min(matches, key=lambda match: (match.misses, -match.exact))
            if not best.misses and (best.exact or parameters is None):
                return self.of_the_course(best)
        by_name = self.by_names(parameters, model) if self.call is None else [(self.told, "")]
        if len(by_name) == 1:
            return self.explained(by_name[0][0])
        # Several forms of the arguments fit the names: the right one is where the most comes out right.
        verdicts = [(judge(self.judged(), self.calls(arranged), explain=False), arranged) for arranged, _ in by_name]
        verdict, arranged = max(verdicts, key=lambda pair: (pair[0].ok, sum(pair[0].results.values())))
        return verdict if verdict.ok else self.explained(arranged)

    def of_the_course(self, match: Match) -> Verdict:
        calls = in_process(self.backward, lambda one: interfaces.passed(match, Form(), one))
        verdict = judge(match.function, calls, self.source)
        return verdict if verdict.ok else explain(match.function, calls, self.trials(
            lambda one: interfaces.passed(match, Form(), one)), *_without_indentation(self.source), [])

    def explained(self, arranged: Callable[[Case], tuple[Callable[..., Any] | None, Sequence[str], tuple[Any, ...]]],
                  ) -> Verdict:
        verdict = judge(self.judged(), self.calls(arranged), self.source)
        return verdict

    def judged(self) -> CourseFunction:
        """The function of the course by whose formulas it is judged, with what it returns taken by name."""
        return self.functions[0]

    def calls(self, arranged: Any) -> Calls:
        cases = list(self.judged().cases())

        def run(arguments: list[tuple[Any, ...]]) -> Answers:
            answers = []
            for case, _ in zip(cases, arguments):
                function, names, given = arranged(case)
                answer = in_process(function, lambda one, names=names: (names, one))([given])[0]  # type: ignore[misc]
                answers.append(self.read(case, answer))
            return answers
        return run

    def read(self, case: Case, answer: dict[str, Any]) -> dict[str, Any]:
        """The answer with the results in a dictionary by their names, examples as columns again."""
        if "returned" not in answer:
            return answer
        returned = answer["returned"]
        program = self.judged().program(case.group)
        right = _right(program, case)
        wanted = [formula.name for formula in program if not formula.hidden]
        names = list(self.returns or ())
        if isinstance(returned, Mapping):
            plain = {interfaces.plainly(one): one for one in wanted}
            keys = names or [plain.get(interfaces.plainly(str(key)), str(key)) for key in returned]
            values = dict(zip(keys, returned.values()))
        else:
            flat = list(returned) if isinstance(returned, (tuple, list)) else [returned]
            values = dict(zip(names or self.recognised(flat, right, wanted), flat))
        values = {name: self.column(name, value, right.get(name)) for name, value in values.items()}
        return {**answer, "returned": values}

    def column(self, name: str, value: Any, right: Any) -> Any:
        """A gradient in the form of the course: transposed where rows are examples."""
        if not self.rows or right is None or not isinstance(value, np.ndarray):
            return value
        if value.ndim == 1 and np.shape(right) == (value.size, 1):
            return value.reshape(-1, 1)
        if value.ndim == 2 and value.T.shape == np.shape(right) and value.shape != np.shape(right):
            return value.T
        return value.T if value.ndim == 2 and value.shape == value.shape[::-1] and not np.allclose(
            value, right) else value

    def recognised(self, values: Sequence[Any], right: Mapping[str, Any], wanted: Sequence[str]) -> list[str]:
        """What each of several results is: by its values, then by its shape, in the order of what is left."""
        names: list[str] = [""] * len(values)
        left = list(wanted)
        for by_value in (True, False):
            for i, value in enumerate(values):
                if names[i]:
                    continue
                for name in left:
                    one = self.column(name, value, right[name])
                    if np.shape(one) == np.shape(right[name]) and (not by_value or np.allclose(one, right[name])):
                        names[i] = name
                        left.remove(name)
                        break
        return [name or f"result {i + 1}" for i, name in enumerate(names)]

    def told(self, case: Case) -> tuple[Callable[..., Any], Sequence[str], tuple[Any, ...]]:
        """By the caller's own `call`."""
        assert self.call is not None
        values = self.quantities(case, ROWS[1] if self.rows else Form())
        call, backward = self.call, self.backward
        return lambda: call(backward, values), (), ()

    def by_names(self, parameters: interfaces.Parameters | None, model: str) -> list[Any]:
        """Ways to call it by the names of its parameters, each a quantity of the model."""
        required = [str(name) for name, optional, several in parameters or [] if not optional and not several]
        case = next(iter(self.judged().cases()))
        known = self.names(required, self.quantities(case, Form()))
        course = " or ".join(function.signature for function in self.functions)
        missing = [name for name in required if name not in known]
        # Without labels, or what was computed from them, there are no gradients.
        if missing or not any(quantity == "Y" or quantity.startswith("d") for quantity in known.values()):
            raise InputError(
                f"check_backward: {_name(self.backward)} takes ({', '.join(required)}), but for {model} the course has "
                f"{course}. Of other functions the parameters have to be quantities (W1, b1, Z1, A1, ..., X, Y, m); "
                + (f"{', '.join(missing)} is none. " if missing else "")
                + 'Say how it is called: call=lambda f, q: f(q["Z1"], q["A1"], q["X"], q["Y"])')
        forms = ROWS if self.rows else [Form()]
        labels = ("Y", "classes") if any(known[one] == "Y" for one in required) and "softmax" in self.last() else ("Y",)

        def arranged(form: Form, label: str) -> Callable[[Case], tuple[Any, Sequence[str], tuple[Any, ...]]]:
            def of_case(case: Case) -> tuple[Any, Sequence[str], tuple[Any, ...]]:
                values = self.quantities(case, form)
                return self.backward, required, tuple(
                    values[label if known[name] == "Y" else known[name]] for name in required)
            return of_case
        return [(arranged(form, label), form.said) for form, label in itertools.product(forms, labels)]

    def last(self) -> str:
        case = next(iter(self.judged().cases()))
        A = case.given.get(f"A{case.group}")
        several = A is not None and A.shape[0] > 1 and np.allclose(A.sum(axis=0), 1)
        return "softmax" if several else "sigmoid"

    def names(self, parameters: Sequence[str], quantities: Mapping[str, Any]) -> dict[str, str]:
        """The quantity that each parameter stands for."""
        plain = {interfaces.plainly(name): name for name in quantities}
        L = max((int(name[1:]) for name in quantities if re.fullmatch(r"A\d+", name)), default=1)
        others = {"labels": "Y", "target": "Y", "targets": "Y", "ytrue": "Y", "t": "Y", "n": "m", "nexamples": "m",
                  "batchsize": "m", "inputs": "X", "data": "X", "al": f"A{L}", "params": "parameters", "lam": "lambd",
                  "reg": "lambd", "caches": "cache", "model": "parameters"}
        others |= dict.fromkeys(("p", "probs", "yhat", "ypred", "output", "out", "scores", "pred", "a", "predictions"),
                                f"A{L}" if L > 1 else "A")
        found = {}
        for name in parameters:
            key = interfaces.plainly(name)
            quantity = name if name in quantities else plain.get(key) or others.get(key)
            if quantity is not None and quantity in quantities:
                found[name] = quantity
        return found

    def quantities(self, case: Case, form: Form) -> dict[str, Any]:
        """All quantities of a case by name, in the form that the function takes."""
        values = dict(case.given)
        values["m"] = int(values["X"].shape[1])
        values.setdefault("A0", values["X"])
        if (L := case.group) is not None:
            values |= {"parameters": parameters_of(values, L), "cache": cache_of(values, L),
                       "layer_dims": [values["X"].shape[0], *(values[f"W{l}"].shape[0] for l in range(1, L + 1))]}
        named = {name: form.given(name, value) if not isinstance(value, list) else value
                 for name, value in values.items()}
        return named | {"classes": np.argmax(case.given["Y"], axis=0)}

    def trials(self, passed: Callable[[tuple[Any, ...]], tuple[Sequence[str], tuple[Any, ...]]]) -> Any:
        """Runs changed versions of the function, in its own module's names."""
        def run(sources: list[str], arguments: list[tuple[Any, ...]]) -> list[Answers]:
            found = []
            for source in sources:
                namespace = dict(getattr(self.backward, "__globals__", {}))
                try:
                    exec(compile(source, CHANGED, "exec", dont_inherit=True, optimize=1), namespace)
                    changed = limited(namespace[_name(self.backward)])
                except (SyntaxError, ValueError, KeyError) as error:
                    found.append([{"raised": said_by(error), "kind": "", "asks": False} for _ in arguments])
                    continue
                found.append(in_process(changed, passed)(arguments))
            return found
        return run


def _right(program: formulas.Program, case: Case) -> dict[str, Any]:
    from tinygrad_course.checking.diagnosis.search import right_values
    return right_values(program, case.given)


# ------------------------------------------------------------------------------------------- in this process


def _traceback(error: BaseException) -> str:
    """The lines of a function that was given as an object."""
    own = os.path.dirname(__file__)
    lines = [f"{os.path.basename(frame.filename)}, line {frame.lineno}, in {frame.name}\n    {frame.line}"
             for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(own)
             and "site-packages" not in frame.filename]
    return "\n".join([*lines, said_by(error)])


def in_process(function: Callable[..., Any],
               passed: Callable[[tuple[Any, ...]], tuple[Sequence[str], tuple[Any, ...]]] = lambda one: ((), one),
               ) -> Callable[[list[tuple[Any, ...]]], Answers]:
    """Call it here, with what it prints thrown away and nobody to answer input().

    passed: from the course's arguments to the parameters and what they get.
    """
    def calls(arguments: list[tuple[Any, ...]]) -> Answers:
        state = np.random.get_state()
        with redirect_stdout(io.StringIO()), _nobody_answers():
            given = [passed(one) for one in arguments]
            answers = [call_once(function, values, _traceback, 7, names) for names, values in given]
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


def _parameters(function: Callable[..., Any]) -> list[list[Any]] | None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    several: dict[Any, str] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return [[p.name, p.default is not p.empty or p.kind in several, several.get(p.kind, "")]
            for p in signature.parameters.values()]


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _source(function: Callable[..., Any]) -> str:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return ""


def _without_indentation(source: str) -> tuple[str, int]:
    """The source as a function by itself, and the line where it begins."""
    import textwrap
    text = textwrap.dedent(source)
    return (text, 1) if text.startswith("def ") else ("", 1)
