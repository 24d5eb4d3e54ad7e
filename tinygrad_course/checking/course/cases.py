"""The inputs that each function of the course is tried on: arguments, and the quantities in them by name."""
from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_course.checking.course.formulas import relu_layers
from tinygrad_course.checking.course.samples import logistic, network
from tinygrad_course.checking.diagnosis.numbers import TOLERANCE
from tinygrad_course.checking.sandbox import structure

LOOSE = 1e-6  # where 1 - A has lost digits
Cases = Callable[[], "Iterable[Case]"]
Answers = list[dict[str, Any]]
# From arguments to what was returned or raised, call by call; {"left out": True} for a call that was not made.
Calls = Callable[[list[tuple[Any, ...]]], Answers]


@dataclass
class Case:
    """One call: the arguments, and the quantities in them by name.

    judged: whether a wrong result is held against the function. Other cases only help to name the mistake: several
    output units, which the course does not have, and caches that no forward pass produced.
    group: cases of one group share their formulas. free: results that may be anything, random masks for instance: they
    are taken as they came.
    """
    arguments: tuple[Any, ...]
    given: Mapping[str, Any]
    judged: bool = True
    tolerance: float = TOLERANCE
    group: Any = None
    label: str = ""
    free: tuple[str, ...] = ()


def logistic_cases(arguments: str, examples: Sequence[int] = (5, 1, 8, 4, 6)) -> Cases:
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
            ((3, 1), 5, "forward", False), ((4, 3, 1), 6, "forward", True), ((2, 1, 1), 5, "forward", True),
            ((3, 4, 4, 3, 2, 1), 5, "forward", True)]
SHAPES_3 = [((4, 5, 3, 1), 6, "forward", True), ((2, 3, 4, 1), 1, "forward", True), ((4, 4, 4, 1), 4, "forward", True),
            ((3, 3, 3, 3), 3, "forward", False)]
# Many examples, so that predictions of both classes are among them.
MANY = [((3, 4, 1), 400, "forward", True), ((2, 3, 1), 1, "forward", True), ((4, 4, 1), 300, "forward", True)]
MANY_L = [((3, 4, 5, 1), 400, "forward", True), ((4, 3, 1), 300, "forward", True), ((3, 2, 1), 1, "forward", True),
          ((3, 1), 5, "forward", False)]
PLANAR = ("tanh", "sigmoid")


def network_cases(shapes: Sequence[Any], activations: Callable[[int], tuple[str, ...]],
                  arguments: Callable[[dict[str, Any], int], tuple[Any, ...]],
                  given: Callable[[dict[str, Any], int], Mapping[str, Any]],
                  kinds: Sequence[str] = ("forward", "saturated", "random"), more: Mapping[str, Any] | None = None,
                  free: tuple[str, ...] = (), dropout: float = 0.0) -> Cases:
    """Networks of several shapes. more: quantities besides the network's. dropout: keep_prob of masks D1, D2, ..."""
    def cases() -> Iterator[Case]:
        for seed, (dims, m, kind, judged) in enumerate(shapes):
            L = len(dims) - 1
            if kind in kinds:
                values = network(seed, dims, m, activations(L), kind, dropout=dropout)
                tolerance = LOOSE if kind == "saturated" else TOLERANCE
                yield Case(arguments(values, L), {**given(values, L), **(more or {})}, judged, tolerance, L,
                           f"layers {dims}, m = {m}, {kind}", free)
    return cases


def parameter_names(L: int) -> list[str]:
    return [f"{name}{l}" for l in range(1, L + 1) for name in ("W", "b")]


def parameters_of(values: Mapping[str, Any], L: int) -> dict[str, Any]:
    return {name: values[name] for name in parameter_names(L)}


def cache_of(values: Mapping[str, Any], L: int) -> dict[str, Any]:
    return {f"{name}{l}": values[f"{name}{l}"] for l in range(1, L + 1) for name in ("Z", "A")}


def caches_of(values: Mapping[str, Any], L: int) -> list[Any]:
    """The caches of week 4: ((A_prev, W, b), Z) for each layer."""
    return [((values["X" if l == 1 else f"A{l - 1}"], values[f"W{l}"], values[f"b{l}"]), values[f"Z{l}"])
            for l in range(1, L + 1)]


def tuple_cache_of(values: Mapping[str, Any], L: int, dropout: bool = False) -> tuple[Any, ...]:
    """The cache of the next course: (Z1, A1, W1, b1, Z2, ...); with dropout (Z1, D1, A1, W1, b1, ...)."""
    return tuple(values[f"{name}{l}"] for l in range(1, L + 1) for name in ("Z", "D", "A", "W", "b")
                 if name != "D" or dropout and l < L)


def deep_given(values: dict[str, Any], L: int) -> dict[str, Any]:
    """What `L_model_backward` finds in its arguments: A0 is X, and AL stands for the last A."""
    given = {name: value for name, value in values.items() if name not in ("X", f"A{L}")}
    return given | {"A0": values["X"], "AL": values[f"A{L}"]}


def without(*letters: str) -> Callable[[dict[str, Any], int], dict[str, Any]]:
    return lambda values, L: {name: value for name, value in values.items() if name.rstrip("0123456789") not in letters}


SHAPES_1 = [(3, 4, 5, True), (3, 2, 1, True), (2, 1, 6, True), (4, 4, 4, True), (4, 4, 4, True), (1, 3, 5, True)]


def layer_cases(arguments: str, activation: str | None = None, backward: bool = False) -> Cases:
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


def array_cases() -> Iterator[Case]:
    for seed, (shape, scale, judged) in enumerate([((4, 5), 2.0, True), ((1, 6), 1.0, True), ((3, 3), 40.0, True),
                                                   ((3, 1), 1.0, True)]):
        z = np.random.RandomState(4000 + seed).randn(*shape) * scale
        yield Case((np.clip(z, -40, 40),), {"z": np.clip(z, -40, 40)}, judged, label=f"shape {shape}")


def elementwise_cases(activation: str) -> Cases:
    """dA and the Z of one layer, for the backward step of an activation."""
    def cases() -> Iterator[Case]:
        for seed, shape in enumerate([(4, 5), (1, 6), (3, 3), (3, 1)]):
            random = np.random.RandomState(4500 + seed)
            dA, Z = random.randn(*shape), random.randn(*shape) * 2
            A = 1 / (1 + np.exp(-Z)) if activation == "sigmoid" else np.maximum(0, Z)
            yield Case((dA, Z), {"dA": dA, "Z": Z, "A": A}, label=f"shape {shape}")
    return cases


def reference_cases(right: Callable[..., Any], template: Any, arguments: Callable[[], Iterable[tuple[Any, ...]]],
                    ) -> Cases:
    """Cases in which what the right function returns is given, each quantity as "right ..."."""
    def cases() -> Iterator[Case]:
        for number, one in enumerate(arguments()):
            values = structure.read(template, right(*copy.deepcopy(one))).values
            yield Case(one, {f"right {name}": value for name, value in values.items()}, tolerance=1e-6,
                       label=f"input {number + 1}")
    return cases


def cost_cases(last: str, with_parameters: bool) -> Cases:
    def cases() -> Iterator[Case]:
        for seed, (m, saturated) in enumerate([(5, False), (1, False), (8, False), (6, True)]):
            values = network(60 + seed, (3, 4, 1), m, PLANAR, "saturated" if saturated else "forward")
            A, Y = values["A2"], values["Y"]
            more = (parameters_of(values, 2),) if with_parameters else ()
            yield Case((A, Y, *more), {last: A, "Y": Y}, tolerance=LOOSE if saturated else TOLERANCE, label=f"m = {m}")
    return cases


def update_cases(layers: Sequence[int], rate: float | None) -> Cases:
    def cases() -> Iterator[Case]:
        for seed, L in enumerate(layers):
            dims = [(3, 4, 5, 2, 3, 1)[l] for l in range(L)] + [1] if seed else [4] * L + [4]
            values = network(70 + seed, dims, 3, relu_layers(L))
            parameters = parameters_of(values, L)
            random = np.random.RandomState(5000 + seed)
            grads = {f"d{name}": random.randn(*value.shape) for name, value in parameters.items()}
            # Gradients of A are in the course's dictionary too, and to be left alone.
            learning_rate = 1.2 if rate is not None and seed == 0 else 0.3
            more = () if rate is not None and seed == 0 else (learning_rate,)
            yield Case((parameters, grads, *more), {**parameters, **grads, "learning_rate": learning_rate}, group=L,
                       label=f"{L} layers")
    return cases


def size_cases() -> Iterator[Case]:
    for n_x, n_y, m in ((2, 1, 7), (5, 2, 3), (3, 3, 3), (6, 1, 1)):
        random = np.random.RandomState(n_x)
        X, Y = random.randn(n_x, m), random.randn(n_y, m)
        yield Case((X, Y), {"X": X, "Y": Y}, label=f"X {X.shape}, Y {Y.shape}")
