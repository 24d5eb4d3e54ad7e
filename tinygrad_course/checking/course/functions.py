"""The functions of the course: their arguments, what they return, their formulas, and inputs to try them on.

One entry per function and edition in `COURSE_FUNCTIONS`. Functions that draw random numbers or loop are in
`training.py`, as no single formula says what they do.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_course.checking.course import formulas
from tinygrad_course.equations.expressions import symbol
from tinygrad_course.checking.course.formulas import Formula, Program
from tinygrad_course.checking.diagnosis.numbers import TOLERANCE
from tinygrad_course.checking.course.samples import logistic, network

LOOSE = 1e-6  # where 1 - A has lost digits


@dataclass
class Case:
    """One call: the arguments, and the quantities in them by name.

    judged: whether a wrong result is held against the function. Other cases only help to name the mistake: several
    output units, which the course does not have, and caches that no forward pass produced.
    group: cases of one group share their formulas.
    """
    arguments: tuple[Any, ...]
    given: Mapping[str, Any]
    judged: bool = True
    tolerance: float = TOLERANCE
    group: Any = None
    label: str = ""


@dataclass
class CourseFunction:
    """name, week and parameters as in the course.

    program: the formulas, for a case's group. template: what is returned, for a case and the keys that were returned.
    """
    name: str
    week: int
    parameters: tuple[str, ...]
    cases: Callable[[], Iterable[Case]]
    program: Callable[[Any], Program]
    template: Callable[[Case, Any], Any]
    optional: int = 0  # so many of the last parameters may be left out
    dictionary_may_change: bool = False


# --------------------------------------------------------------------------------------------------- the inputs


def _logistic_cases(arguments: str, examples: Sequence[int] = (5, 1, 8, 4, 6)) -> Callable[[], Iterator[Case]]:
    def cases() -> Iterator[Case]:
        kinds = [(3, "forward"), (4, "forward"), (1, "forward"), (4, "forward"), (3, "saturated")]
        for seed, ((n_x, kind), m) in enumerate(zip(kinds, examples)):
            given = logistic(seed, n_x, m, kind)
            yield Case(tuple(given[name] for name in arguments.split()), given, label=f"n_x = {n_x}, m = {m}, {kind}",
                       tolerance=LOOSE if kind == "saturated" else TOLERANCE)
    return cases


# layer sizes, m, kind, judged
SHAPES_2 = [((3, 4, 1), 5, "forward", True), ((2, 3, 1), 1, "forward", True), ((2, 1, 1), 6, "forward", True),
            ((4, 4, 1), 4, "forward", True), ((5, 4, 1), 7, "saturated", True), ((3, 3, 3), 3, "forward", False),
            ((4, 3, 2), 5, "forward", False), ((3, 4, 1), 5, "random", False), ((3, 3, 3), 3, "random", False)]
SHAPES_L = [((3, 4, 5, 1), 6, "forward", True), ((2, 3, 4, 1), 1, "forward", True), ((4, 4, 4, 1), 4, "forward", True),
            ((3, 5, 4, 1), 7, "saturated", True), ((3, 4, 5, 1), 6, "random", False),
            ((3, 3, 3, 3), 3, "forward", False), ((3, 3, 3, 3), 3, "random", False),
            ((3, 1), 5, "forward", True), ((4, 3, 1), 6, "forward", True), ((2, 1, 1), 5, "forward", True),
            ((3, 4, 4, 3, 2, 1), 5, "forward", True)]
PLANAR = ("tanh", "sigmoid")


def relus(L: int) -> tuple[str, ...]:
    return ("relu",) * (L - 1) + ("sigmoid",)


def _network_cases(shapes: Sequence[Any], activations: Callable[[int], tuple[str, ...]],
                   arguments: Callable[[dict[str, Any], int], tuple[Any, ...]],
                   given: Callable[[dict[str, Any], int], Mapping[str, Any]],
                   kinds: Sequence[str] = ("forward", "saturated", "random"), several_outputs: bool = True,
                   ) -> Callable[[], Iterator[Case]]:
    def cases() -> Iterator[Case]:
        for seed, (dims, m, kind, judged) in enumerate(shapes):
            L = len(dims) - 1
            if kind in kinds and (several_outputs or dims[-1] == 1):
                values = network(seed, dims, m, activations(L), kind)
                tolerance = LOOSE if kind == "saturated" else TOLERANCE
                yield Case(arguments(values, L), given(values, L), judged, tolerance, L,
                           f"layers {dims}, m = {m}, {kind}")
    return cases


def parameters_of(values: Mapping[str, Any], L: int) -> dict[str, Any]:
    return {name: values[name] for name in parameter_names(L)}


def cache_of(values: Mapping[str, Any], L: int) -> dict[str, Any]:
    return {f"{name}{l}": values[f"{name}{l}"] for l in range(1, L + 1) for name in ("Z", "A")}


def caches_of(values: Mapping[str, Any], L: int) -> list[Any]:
    """The caches of week 4: ((A_prev, W, b), Z) for each layer."""
    return [((values["X" if l == 1 else f"A{l - 1}"], values[f"W{l}"], values[f"b{l}"]), values[f"Z{l}"])
            for l in range(1, L + 1)]


def deep_given(values: dict[str, Any], L: int) -> dict[str, Any]:
    """What `L_model_backward` finds in its arguments: A0 is X, and AL stands for the last A."""
    given = {name: value for name, value in values.items() if name not in ("X", f"A{L}")}
    return given | {"A0": values["X"], "AL": values[f"A{L}"]}


def without(*letters: str) -> Callable[[dict[str, Any], int], dict[str, Any]]:
    return lambda values, L: {name: value for name, value in values.items() if name.rstrip("0123456789") not in letters}


SHAPES_1 = [(3, 4, 5, True), (3, 2, 1, True), (2, 1, 6, True), (4, 4, 4, True), (4, 4, 4, True), (1, 3, 5, True)]


def _layer_cases(arguments: str, activation: str | None = None, backward: bool = False) -> Callable[[], Iterator[Case]]:
    """One layer: n_prev inputs, n units. What a linear step is given may be anything, so all of it is random."""
    def cases() -> Iterator[Case]:
        for name in ("sigmoid", "relu") if activation else ("",):
            for seed, (n_prev, n, m, judged) in enumerate(SHAPES_1):
                values = network(50 + seed, (n_prev, n), m, (name or "identity",))
                random = np.random.RandomState(3000 + seed)
                A_prev, W, b, Z = values["X"], values["W1"], values["b1"], values["Z1"]
                if seed == 4:  # as in the course's own tests: Z is not W A + b
                    Z = random.randn(*Z.shape) * 6
                given = {"A_prev": A_prev, "A": A_prev, "W": W, "b": b, "activation": name,
                         "dA": random.randn(*Z.shape), "dZ": random.randn(*Z.shape), "linear": (A_prev, W, b),
                         "cache": ((A_prev, W, b), Z)}
                known = ["W", "b"] + (["A_prev"] if activation or backward else ["A"])
                known += (["dA"] if activation else ["dZ"]) * backward
                quantities = {one: given[one] for one in known}
                if activation and backward:
                    quantities |= {"Z": Z, "A": values["A1"] if seed != 4 else 1 / (1 + np.exp(-Z))}
                    if seed == 4 and name == "relu":
                        quantities["A"] = np.maximum(0, Z)
                yield Case(tuple(given[one] for one in arguments.split()), quantities, judged, group=name or None,
                           label=f"{n_prev} inputs, {n} units, m = {m}" + f", {name}" * bool(name))
    return cases


def _array_cases() -> Iterator[Case]:
    for seed, (shape, scale, judged) in enumerate([((4, 5), 2.0, True), ((1, 6), 1.0, True), ((3, 3), 40.0, True),
                                                   ((3, 1), 1.0, True)]):
        z = np.random.RandomState(4000 + seed).randn(*shape) * scale
        yield Case((np.clip(z, -40, 40),), {"z": np.clip(z, -40, 40)}, judged, label=f"shape {shape}")


def _cost_cases(last: str, with_parameters: bool) -> Callable[[], Iterator[Case]]:
    def cases() -> Iterator[Case]:
        for seed, (m, saturated) in enumerate([(5, False), (1, False), (8, False), (6, True)]):
            values = network(60 + seed, (3, 4, 1), m, PLANAR, "saturated" if saturated else "forward")
            A, Y = values["A2"], values["Y"]
            more = (parameters_of(values, 2),) if with_parameters else ()
            yield Case((A, Y, *more), {last: A, "Y": Y}, tolerance=LOOSE if saturated else TOLERANCE, label=f"m = {m}")
    return cases


def _update_cases(layers: Sequence[int], rate: float | None) -> Callable[[], Iterator[Case]]:
    def cases() -> Iterator[Case]:
        for seed, L in enumerate(layers):
            dims = [(3, 4, 5, 2, 3, 1)[l] for l in range(L)] + [1] if seed else [4] * L + [4]
            values = network(70 + seed, dims, 3, relus(L))
            parameters = parameters_of(values, L)
            random = np.random.RandomState(5000 + seed)
            grads = {f"d{name}": random.randn(*value.shape) for name, value in parameters.items()}
            # Gradients of A are in the course's dictionary too, and to be left alone.
            learning_rate = 1.2 if rate is not None and seed == 0 else 0.3
            more = () if rate is not None and seed == 0 else (learning_rate,)
            yield Case((parameters, grads, *more), {**parameters, **grads, "learning_rate": learning_rate}, group=L,
                       label=f"{L} layers")
    return cases


def _size_cases() -> Iterator[Case]:
    for n_x, n_y, m in ((2, 1, 7), (5, 2, 3), (3, 3, 3), (6, 1, 1)):
        random = np.random.RandomState(n_x)
        X, Y = random.randn(n_x, m), random.randn(n_y, m)
        yield Case((X, Y), {"X": X, "Y": Y}, label=f"X {X.shape}, Y {Y.shape}")


# ---------------------------------------------------------------------------------------------- the functions


def _fixed(template: Any) -> Callable[[Case, Any], Any]:
    return lambda case, returned: template


def parameter_names(L: int) -> list[str]:
    return [f"{name}{l}" for l in range(1, L + 1) for name in ("W", "b")]


def _deep_forward(L: int) -> Program:
    cached = [Formula(f"cached {name}", symbol(name), why="the backward pass needs what the forward pass was given")
              for name in ("X", *parameter_names(L))]
    return [*formulas.forward(relus(L)), *cached]


def gradients_of(L: int) -> dict[str, str]:
    return {f"d{name}": f"d{name}" for name in parameter_names(L)}


def deep_gradients(case: Case, returned: Any) -> dict[str, str]:
    """dA0 ... dA(L-1) in newer editions of the course; older ones store the same arrays as dA1 ... dAL."""
    L = case.group
    new = not isinstance(returned, Mapping) or "dA0" in returned or f"dA{L}" not in returned
    # In the new numbering dAL may be there too, and nothing more is said about it.
    return gradients_of(L) | {f"dA{l + (not new)}": f"dA{l}" for l in range(L)}


def _predictions(name: str, program: Program, last: str) -> Program:
    return [*program, Formula(name, formulas.decision(symbol(last)), why="the class is 1 where the probability A is "
                                                                         "larger than 0.5")]


def _logistic_predictions(group: Any) -> Program:
    return _predictions("Y_prediction", [f for f in formulas.logistic() if f.name in ("Z", "A")], "A")


def _with_cache(program: Program) -> Callable[[Any], Program]:
    return lambda group: [*program, *formulas.cached_z()]


MANY = [((3, 4, 1), 400, "forward", True), ((2, 3, 1), 1, "forward", True), ((4, 4, 1), 300, "forward", True)]
MANY_L = [((3, 4, 5, 1), 400, "forward", True), ((4, 3, 1), 300, "forward", True), ((3, 1), 1, "forward", True)]

COURSE_FUNCTIONS = [
    CourseFunction("sigmoid", 2, ("z",), _array_cases, lambda group: formulas.elementary_sigmoid(), _fixed("A")),
    CourseFunction("sigmoid", 4, ("Z",), _array_cases, _with_cache(formulas.elementary_sigmoid()),
                   _fixed(("A", "cached Z"))),
    CourseFunction("relu", 3, ("z",), _array_cases, lambda group: formulas.elementary_relu(), _fixed("A")),
    CourseFunction("relu", 4, ("Z",), _array_cases, _with_cache(formulas.elementary_relu()), _fixed(("A", "cached Z"))),
    # week 2
    CourseFunction("propagate", 2, ("w", "b", "X", "Y"), _logistic_cases("w b X Y"), lambda group: formulas.logistic(),
                   _fixed(({"dw": "dw", "db": "db"}, "cost"))),
    CourseFunction("predict", 2, ("w", "b", "X"), _logistic_cases("w b X", (400, 1, 300, 4, 50)), _logistic_predictions,
                   _fixed("Y_prediction")),
    # week 3
    CourseFunction("layer_sizes", 3, ("X", "Y"), _size_cases, lambda group: formulas.sizes(),
                   _fixed(("n_x", "n_h", "n_y"))),
    CourseFunction("forward_propagation", 3, ("X", "parameters"),
                   _network_cases(SHAPES_2, lambda L: PLANAR, lambda v, L: (v["X"], parameters_of(v, L)),
                                  without("Z", "A", "Y"), ("forward", "saturated")),
                   lambda L: [*formulas.forward(PLANAR), Formula("A2 returned", symbol("A2"))],
                   _fixed(("A2 returned", {name: name for name in ("Z1", "A1", "Z2", "A2")}))),
    CourseFunction("compute_cost", 3, ("A2", "Y", "parameters"), _cost_cases("A2", True),
                   lambda group: formulas.cost("A2"), _fixed("cost")),
    CourseFunction("compute_cost", 3, ("A2", "Y"), _cost_cases("A2", False), lambda group: formulas.cost("A2"),
                   _fixed("cost")),
    CourseFunction("compute_cost", 4, ("AL", "Y"), _cost_cases("AL", False), lambda group: formulas.cost("AL"),
                   _fixed("cost")),
    CourseFunction("backward_propagation", 3, ("parameters", "cache", "X", "Y"),
                   _network_cases(SHAPES_2, lambda L: PLANAR,
                                  lambda v, L: (parameters_of(v, L), cache_of(v, L), v["X"], v["Y"]), without()),
                   lambda L: formulas.backward(PLANAR), lambda case, returned: gradients_of(2)),
    CourseFunction("update_parameters", 3, ("parameters", "grads", "learning_rate"), _update_cases((2, 2), 1.2),
                   lambda L: formulas.update(parameter_names(L)), lambda case, returned: {
                       name: name for name in parameter_names(case.group)}, optional=1, dictionary_may_change=True),
    CourseFunction("predict", 3, ("parameters", "X"),
                   _network_cases(MANY, lambda L: PLANAR, lambda v, L: (parameters_of(v, L), v["X"]),
                                  without("Z", "A", "Y")),
                   lambda L: _predictions("predictions", formulas.forward(PLANAR, cached=False), "A2"),
                   _fixed("predictions")),
    # week 4
    CourseFunction("linear_forward", 4, ("A", "W", "b"), _layer_cases("A W b"), lambda group: formulas.linear_forward(),
                   _fixed(("Z", ("cached A", "cached W", "cached b")))),
    CourseFunction("linear_activation_forward", 4, ("A_prev", "W", "b", "activation"),
                   _layer_cases("A_prev W b activation", "both"), formulas.activation_forward,
                   _fixed(("A", (("cached A_prev", "cached W", "cached b"), "cached Z")))),
    CourseFunction("L_model_forward", 4, ("X", "parameters"),
                   _network_cases(SHAPES_L, relus, lambda v, L: (v["X"], parameters_of(v, L)), without("Z", "A", "Y"),
                                  ("forward", "saturated")),
                   _deep_forward, lambda case, returned: (f"A{case.group}", [
                       (("cached X" if l == 1 else f"A{l - 1}", f"cached W{l}", f"cached b{l}"), f"Z{l}")
                       for l in range(1, case.group + 1)])),
    CourseFunction("linear_backward", 4, ("dZ", "cache"), _layer_cases("dZ linear", backward=True),
                   lambda group: formulas.linear_backward(), _fixed(("dA_prev", "dW", "db"))),
    CourseFunction("linear_activation_backward", 4, ("dA", "cache", "activation"),
                   _layer_cases("dA cache activation", "both", backward=True), formulas.activation_backward,
                   _fixed(("dA_prev", "dW", "db"))),
    CourseFunction("L_model_backward", 4, ("AL", "Y", "caches"),
                   _network_cases(SHAPES_L, relus, lambda v, L: (v[f"A{L}"], v["Y"], caches_of(v, L)), deep_given),
                   lambda L: formulas.deep_backward(relus(L)), deep_gradients),
    CourseFunction("update_parameters", 4, ("parameters", "grads", "learning_rate"), _update_cases((3, 2, 1, 5), None),
                   lambda L: formulas.update(parameter_names(L)), lambda case, returned: {
                       name: name for name in parameter_names(case.group)}, dictionary_may_change=True),
    CourseFunction("predict", 4, ("X", "y", "parameters"),
                   _network_cases(MANY_L, relus, lambda v, L: (v["X"], v["Y"], parameters_of(v, L)),
                                  without("Z", "A", "Y")),
                   lambda L: _predictions("p", formulas.forward(relus(L), cached=False), f"A{L}"), _fixed("p")),
]
