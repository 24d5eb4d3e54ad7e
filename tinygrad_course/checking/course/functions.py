"""The functions of the course, in one table: arguments, what they return, what is right, and inputs to try them on.

One entry per function and edition, in the order in which a file is checked: helpers before those that call them. Most
are judged by their formulas. Functions that draw random numbers or loop are judged by `loops`, as no single formula
says what they do; those for which the formulas would only repeat the code, by a right function in `references`.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tinygrad_course.checking.course import formulas, loops, references
from tinygrad_course.checking.course.cases import (
    MANY, MANY_L, PLANAR, SHAPES_2, SHAPES_3, SHAPES_L, Calls, Case, Cases, array_cases, cache_of, caches_of,
    cost_cases, deep_given, elementwise_cases, layer_cases, logistic_cases, network_cases, parameter_names,
    parameters_of, reference_cases, size_cases, tuple_cache_of, update_cases, without,
)
from tinygrad_course.checking.course.formulas import Formula, Program, relu_layers
from tinygrad_course.checking.report import Verdict
from tinygrad_course.checking.sandbox import structure
from tinygrad_course.equations.expressions import symbol

Template = Any  # what is returned: a text is one quantity's name; tuples, lists and dictionaries hold templates


@dataclass(frozen=True)
class CourseFunction:
    """One function in one edition.

    week: of the course; 1 its warm-up, 5 to 7 the next course's initialisation, regularisation and gradient checking.
    parameters: as in the course; of the last, `optional` may be left out. right: the function itself, in NumPy; it is
    the helper of files that do not define it. program: the formulas, for a case's group. template: what is returned,
    for a case and what came. verdict: for functions that are not judged by formulas.
    pair: whether it returns a pair; None where that does not tell editions apart.
    in_place: its arguments are its result, so they may be changed.
    """
    name: str
    week: int
    parameters: tuple[str, ...]
    right: Callable[..., Any]
    cases: Cases = tuple
    program: Callable[[Any], Program] = field(default=lambda group: [])
    template: Callable[[Case, Any], Template] = field(default=lambda case, returned: "")
    optional: int = 0
    in_place: bool = False
    verdict: Callable[[CourseFunction, Calls, str, bool], Verdict] | None = None
    pair: bool | None = None

    @property
    def signature(self) -> str:
        return f"{self.name}({', '.join(self.parameters)})"


# ----------------------------------------------------------------------------------- templates and programs


def _fixed(template: Template) -> Callable[[Case, Any], Template]:
    return lambda case, returned: template


def _deep_forward(L: int) -> Program:
    cached = [Formula(f"cached {name}", symbol(name), why="the backward pass needs what the forward pass was given")
              for name in ("X", *parameter_names(L))]
    return [*formulas.forward(relu_layers(L)), *cached]


def gradients_of(L: int) -> dict[str, str]:
    return {f"d{name}": f"d{name}" for name in parameter_names(L)}


def _parameters_by_group(case: Case, returned: Any) -> Template:
    return {name: name for name in parameter_names(case.group)}


def _gradients_by_group(case: Case, returned: Any) -> Template:
    return gradients_of(case.group)


def deep_gradients(case: Case, returned: Any) -> dict[str, str]:
    """dA0 ... dA(L-1) in newer editions of the course; older ones store the same arrays as dA1 ... dAL."""
    L = case.group
    new = not isinstance(returned, Mapping) or "dA0" in returned or f"dA{L}" not in returned
    # In the new numbering dAL may be there too, and nothing more is said about it.
    stored = {f"dA{l + (not new)}": f"dA{l}" for l in range(L)}
    if isinstance(returned, Mapping):  # dA is an interim result: who does not keep it loses nothing
        stored = {key: name for key, name in stored.items() if key in returned}
    return gradients_of(L) | stored


def _predictions(name: str, program: Program, last: str) -> Program:
    return [*program, Formula(name, formulas.decision(symbol(last)), why="the class is 1 where the probability A is "
                                                                         "larger than 0.5")]


def _logistic_predictions(group: Any) -> Program:
    return _predictions("Y_prediction", [f for f in formulas.logistic() if f.name in ("Z", "A")], "A")


def _with_cache(program: Program) -> Callable[[Any], Program]:
    return lambda group: [*program, *formulas.cached_z()]


def _tuple_cache(L: int, letters: str) -> tuple[str, ...]:
    """The next course's cache: (Z1, A1, W1, b1, Z2, ...)."""
    return tuple(f"{letter}{l}" for l in range(1, L + 1) for letter in letters.split())


def _three_layers(last: str = "A3") -> Callable[[Any], Program]:
    def program(L: int) -> Program:
        cached = [Formula(f"cached {name}", symbol(name), why="the backward pass needs what the forward pass was given")
                  for name in parameter_names(L)]
        returned = [Formula("A3 returned", symbol("A3"))] if last == "A3" else formulas.cost("A3")
        return [*formulas.forward(relu_layers(L)), *returned, *cached]
    return program


def _three_layer_template(first: str) -> Callable[[Case, Any], Template]:
    cache = tuple(f"cached {name}" if name[0] in "Wb" else name for name in _tuple_cache(3, "Z A W b"))
    return _fixed((first, cache))


def by_reference(name: str, week: int, parameters: tuple[str, ...], right: Callable[..., Any], template: Template,
                 arguments: Callable[[], Iterable[tuple[Any, ...]]], **more: Any) -> CourseFunction:
    """A function that is judged by what `right` returns."""
    names = structure.names_in(template)

    def program(group: Any) -> Program:
        return [Formula(one, symbol(f"right {one}"), scalar=one in references.SCALARS) for one in names]

    return CourseFunction(name, week, parameters, right, reference_cases(right, template, arguments), program,
                          _fixed(template), **more)


# ------------------------------------------------------------------------------------------------ the table

_CACHED = ("cached A_prev", "cached W", "cached b")

COURSE_FUNCTIONS: list[CourseFunction] = [
    # helpers of every week
    CourseFunction("sigmoid", 2, ("z",), references.sigmoid, array_cases, lambda group: formulas.elementary_sigmoid(),
                   _fixed("A"), pair=False),
    CourseFunction("sigmoid", 4, ("Z",), references.sigmoid_and_cache, array_cases,
                   _with_cache(formulas.elementary_sigmoid()), _fixed(("A", "cached Z")), pair=True),
    CourseFunction("relu", 3, ("z",), references.relu, array_cases, lambda group: formulas.elementary_relu(),
                   _fixed("A"), pair=False),
    CourseFunction("relu", 4, ("Z",), references.relu_and_cache, array_cases, _with_cache(formulas.elementary_relu()),
                   _fixed(("A", "cached Z")), pair=True),
    CourseFunction("sigmoid_backward", 4, ("dA", "cache"), references.sigmoid_backward, elementwise_cases("sigmoid"),
                   lambda group: formulas.elementary_backward("sigmoid"), _fixed("dZ")),
    CourseFunction("relu_backward", 4, ("dA", "cache"), references.relu_backward, elementwise_cases("relu"),
                   lambda group: formulas.elementary_backward("relu"), _fixed("dZ")),
    # the warm-up
    by_reference("basic_sigmoid", 1, ("x",), references.basic_sigmoid, "s", loops.numbers),
    by_reference("sigmoid_derivative", 1, ("x",), references.sigmoid_derivative, "ds", loops.arrays),
    by_reference("image2vector", 1, ("image",), references.image2vector, "v", loops.pictures),
    by_reference("normalizeRows", 1, ("x",), references.normalize_rows, "x", loops.matrices),
    by_reference("normalize_rows", 1, ("x",), references.normalize_rows, "x", loops.matrices),
    by_reference("softmax", 1, ("x",), references.softmax_rows, "s", loops.matrices),
    by_reference("L1", 1, ("yhat", "y"), references.L1, "loss", loops.pairs),
    by_reference("L2", 1, ("yhat", "y"), references.L2, "loss", loops.pairs),
    # week 2
    CourseFunction("initialize_with_zeros", 2, ("dim",), references.initialize_with_zeros,
                   verdict=loops.initialiser([(3,), (1,), (5,)], loops.zeros)),
    CourseFunction("propagate", 2, ("w", "b", "X", "Y"), references.propagate, logistic_cases("w b X Y"),
                   lambda group: formulas.logistic(), _fixed(({"dw": "dw", "db": "db"}, "cost"))),
    CourseFunction("optimize", 2, ("w", "b", "X", "Y", "num_iterations", "learning_rate"), references.optimize,
                   verdict=loops.check_optimize),
    # week 3
    CourseFunction("layer_sizes", 3, ("X", "Y"), references.layer_sizes, size_cases, lambda group: formulas.sizes(),
                   _fixed(("n_x", "n_h", "n_y"))),
    CourseFunction("initialize_parameters", 3, ("n_x", "n_h", "n_y"), references.initialize_parameters,
                   verdict=loops.initialiser([(40, 30, 20), (2, 4, 1), (3, 3, 3), (5, 1, 1)], loops.two_layers)),
    CourseFunction("initialize_parameters_deep", 4, ("layer_dims",), references.initialize_parameters_deep,
                   verdict=loops.initialiser([([40, 30, 20, 25],), ([5, 4, 3, 1],), ([3, 1],), ([3, 3, 3],)],
                                             loops.many_layers("0.01", "xavier", "he"))),
    CourseFunction("initialize_parameters_zeros", 5, ("layers_dims",), references.initialize_parameters_zeros,
                   verdict=loops.initialiser([([5, 4, 3, 1],), ([3, 1],)], loops.all_zeros)),
    CourseFunction("initialize_parameters_random", 5, ("layers_dims",), references.initialize_parameters_random,
                   verdict=loops.initialiser([([40, 30, 20, 25],), ([5, 4, 3, 1],)], loops.many_layers("10"))),
    CourseFunction("initialize_parameters_he", 5, ("layers_dims",), references.initialize_parameters_he,
                   verdict=loops.initialiser([([40, 30, 20, 25],), ([5, 4, 3, 1],)], loops.many_layers("he"))),
    CourseFunction("linear_forward", 4, ("A", "W", "b"), references.linear_forward, layer_cases("A W b"),
                   lambda group: formulas.linear_forward(), _fixed(("Z", ("cached A", "cached W", "cached b")))),
    CourseFunction("linear_activation_forward", 4, ("A_prev", "W", "b", "activation"),
                   references.linear_activation_forward, layer_cases("A_prev W b activation", "both"),
                   formulas.activation_forward, _fixed(("A", (_CACHED, "cached Z")))),
    CourseFunction("forward_propagation", 3, ("X", "parameters"), references.forward_propagation,
                   network_cases(SHAPES_2, lambda L: PLANAR, lambda v, L: (v["X"], parameters_of(v, L)),
                                 without("Z", "A", "Y"), ("forward", "saturated")),
                   lambda L: [*formulas.forward(PLANAR), Formula("A2 returned", symbol("A2"))],
                   _fixed(("A2 returned", {name: name for name in ("Z1", "A1", "Z2", "A2")}))),
    CourseFunction("forward_propagation", 5, ("X", "parameters"), references.forward_propagation_3,
                   network_cases(SHAPES_3, relu_layers, lambda v, L: (v["X"], parameters_of(v, L)),
                                 without("Z", "A", "Y"),
                                 ("forward",)),
                   _three_layers(), _three_layer_template("A3 returned")),
    by_reference("forward_propagation", 7, ("x", "theta"), references.forward_propagation_1, "J", loops.two_numbers),
    CourseFunction("L_model_forward", 4, ("X", "parameters"), references.L_model_forward,
                   network_cases(SHAPES_L, relu_layers, lambda v, L: (v["X"], parameters_of(v, L)),
                                 without("Z", "A", "Y"),
                                 ("forward", "saturated")),
                   _deep_forward, lambda case, returned: (f"A{case.group}", [
                       (("cached X" if l == 1 else f"A{l - 1}", f"cached W{l}", f"cached b{l}"), f"Z{l}")
                       for l in range(1, case.group + 1)])),
    CourseFunction("forward_propagation_n", 7, ("X", "Y", "parameters"), references.forward_propagation_n,
                   network_cases(SHAPES_3, relu_layers, lambda v, L: (v["X"], v["Y"], parameters_of(v, L)),
                                 without("Z", "A"), ("forward",)),
                   _three_layers("cost"), _three_layer_template("cost")),
    CourseFunction("forward_propagation_with_dropout", 6, ("X", "parameters", "keep_prob"),
                   references.forward_propagation_with_dropout,
                   network_cases(SHAPES_3, relu_layers, lambda v, L: (v["X"], parameters_of(v, L), 0.7),
                                 without("Z", "A", "Y"), ("forward",), more={"keep_prob": 0.7}, free=("D1", "D2")),
                   formulas.dropout_forward,
                   _fixed(("A3 returned", tuple("cached " * (name[0] in "Wb") + name for name in (
                       "Z1", "D1", "A1", "W1", "b1", "Z2", "D2", "A2", "W2", "b2", "Z3", "A3", "W3", "b3"))))),
    CourseFunction("compute_cost", 3, ("A2", "Y", "parameters"), references.compute_cost, cost_cases("A2", True),
                   lambda group: formulas.cost("A2"), _fixed("cost")),
    CourseFunction("compute_cost", 3, ("A2", "Y"), references.compute_cost, cost_cases("A2", False),
                   lambda group: formulas.cost("A2"), _fixed("cost")),
    CourseFunction("compute_cost", 4, ("AL", "Y"), references.compute_cost, cost_cases("AL", False),
                   lambda group: formulas.cost("AL"), _fixed("cost")),
    CourseFunction("compute_cost_with_regularization", 6, ("A3", "Y", "parameters", "lambd"),
                   references.compute_cost_with_regularization,
                   network_cases(SHAPES_3, relu_layers, lambda v, L: (v["A3"], v["Y"], parameters_of(v, L), 0.7),
                                 without("Z"), ("forward",), more={"lambd": 0.7}),
                   formulas.regularised_cost, _fixed("cost")),
    CourseFunction("linear_backward", 4, ("dZ", "cache"), references.linear_backward,
                   layer_cases("dZ linear", backward=True), lambda group: formulas.linear_backward(),
                   _fixed(("dA_prev", "dW", "db"))),
    CourseFunction("linear_activation_backward", 4, ("dA", "cache", "activation"),
                   references.linear_activation_backward,
                   layer_cases("dA cache activation", "both", backward=True), formulas.activation_backward,
                   _fixed(("dA_prev", "dW", "db"))),
    CourseFunction("backward_propagation", 3, ("parameters", "cache", "X", "Y"), references.backward_propagation,
                   network_cases(SHAPES_2, lambda L: PLANAR,
                                 lambda v, L: (parameters_of(v, L), cache_of(v, L), v["X"], v["Y"]), without()),
                   lambda L: formulas.backward(PLANAR), _gradients_by_group),
    CourseFunction("backward_propagation", 5, ("X", "Y", "cache"), references.backward_propagation_n,
                   network_cases(SHAPES_3, relu_layers, lambda v, L: (v["X"], v["Y"], tuple_cache_of(v, L)), without(),
                                 ("forward",)),
                   lambda L: formulas.backward(relu_layers(L)), _gradients_by_group),
    by_reference("backward_propagation", 7, ("x", "theta"), references.backward_propagation_1, "dtheta",
                 loops.two_numbers),
    CourseFunction("backward_propagation_n", 7, ("X", "Y", "cache"), references.backward_propagation_n,
                   network_cases(SHAPES_3, relu_layers, lambda v, L: (v["X"], v["Y"], tuple_cache_of(v, L)), without(),
                                 ("forward",)),
                   lambda L: formulas.backward(relu_layers(L)), _gradients_by_group),
    CourseFunction("backward_propagation_with_regularization", 6, ("X", "Y", "cache", "lambd"),
                   references.backward_propagation_with_regularization,
                   network_cases(SHAPES_3, relu_layers, lambda v, L: (v["X"], v["Y"], tuple_cache_of(v, L), 0.7),
                                 without(),
                                 ("forward",), more={"lambd": 0.7}),
                   lambda L: formulas.backward(relu_layers(L), regularised=True), _gradients_by_group),
    CourseFunction("backward_propagation_with_dropout", 6, ("X", "Y", "cache", "keep_prob"),
                   references.backward_propagation_with_dropout,
                   network_cases(SHAPES_3, relu_layers,
                                 lambda v, L: (v["X"], v["Y"], tuple_cache_of(v, L, dropout=True), 0.7),
                                 without(), ("forward",), more={"keep_prob": 0.7}, dropout=0.7),
                   lambda L: formulas.backward(relu_layers(L), dropout=True), _gradients_by_group),
    CourseFunction("L_model_backward", 4, ("AL", "Y", "caches"), references.L_model_backward,
                   network_cases(SHAPES_L, relu_layers, lambda v, L: (v[f"A{L}"], v["Y"], caches_of(v, L)), deep_given),
                   lambda L: formulas.deep_backward(relu_layers(L)), deep_gradients),
    CourseFunction("update_parameters", 3, ("parameters", "grads", "learning_rate"), references.update_parameters,
                   update_cases((2, 2), 1.2), lambda L: formulas.update(parameter_names(L)), _parameters_by_group,
                   optional=1, in_place=True),
    CourseFunction("update_parameters", 4, ("parameters", "grads", "learning_rate"), references.update_parameters,
                   update_cases((3, 2, 1, 5), None), lambda L: formulas.update(parameter_names(L)),
                   _parameters_by_group, in_place=True),
    # predictions and whole models
    CourseFunction("predict", 2, ("w", "b", "X"), references.predict_logistic,
                   logistic_cases("w b X", (400, 1, 300, 4, 50)), _logistic_predictions, _fixed("Y_prediction")),
    CourseFunction("predict", 3, ("parameters", "X"), references.predict_planar,
                   network_cases(MANY, lambda L: PLANAR, lambda v, L: (parameters_of(v, L), v["X"]),
                                 without("Z", "A", "Y")),
                   lambda L: _predictions("predictions", formulas.forward(PLANAR, cached=False), "A2"),
                   _fixed("predictions")),
    CourseFunction("predict", 4, ("X", "y", "parameters"), references.predict_deep,
                   network_cases(MANY_L, relu_layers, lambda v, L: (v["X"], v["Y"], parameters_of(v, L)),
                                 without("Z", "A", "Y")),
                   lambda L: _predictions("p", formulas.forward(relu_layers(L), cached=False), f"A{L}"), _fixed("p")),
    CourseFunction("predict", 4, ("X", "parameters"), references.predict_without_labels,
                   network_cases(MANY_L, relu_layers, lambda v, L: (v["X"], parameters_of(v, L)),
                                 without("Z", "A", "Y")),
                   lambda L: _predictions("p", formulas.forward(relu_layers(L), cached=False), f"A{L}"), _fixed("p")),
    by_reference("model", 2, ("X_train", "Y_train", "X_test", "Y_test", "num_iterations", "learning_rate"),
                 references.model, {name: name for name in ("costs", "Y_prediction_test", "Y_prediction_train", "w",
                                                            "b")}, loops.train_and_test),
    CourseFunction("nn_model", 3, ("X", "Y", "n_h", "num_iterations", "learning_rate"), references.nn_model,
                   optional=1, verdict=loops.trained_network(PLANAR, loops.hidden_units)),
    CourseFunction("two_layer_model", 4, ("X", "Y", "layers_dims", "learning_rate", "num_iterations"),
                   references.two_layer_model, verdict=loops.trained_network(relu_layers(2), loops.two_layer_plans)),
    CourseFunction("L_layer_model", 4, ("X", "Y", "layers_dims", "learning_rate", "num_iterations"),
                   references.L_layer_model, verdict=loops.trained_network(None, loops.deep_plans)),
    CourseFunction("model", 5, ("X", "Y", "learning_rate", "num_iterations"), references.model_3,
                   verdict=loops.trained_network(relu_layers(3), loops.plain_plans)),
    # gradient checking
    by_reference("dictionary_to_vector", 7, ("parameters",), references.dictionary_to_vector, "theta",
                 loops.three_layers_of_parameters),
    by_reference("gradients_to_vector", 7, ("gradients",), references.gradients_to_vector, "theta",
                 loops.three_layers_of_gradients),
    by_reference("gradient_check", 7, ("x", "theta", "epsilon"), references.gradient_check_1, "difference",
                 loops.numbers_to_check, optional=1),
    by_reference("gradient_check_n", 7, ("parameters", "gradients", "X", "Y", "epsilon"), references.gradient_check_n,
                 "difference", loops.networks_to_check, optional=1),
]

ORDER = list(dict.fromkeys(function.name for function in COURSE_FUNCTIONS))
# What a file defines tells to which week it belongs, the surest sign first.
MARKS = {
    7: {"forward_propagation_n", "backward_propagation_n", "gradient_check_n", "gradient_check"},
    6: {"compute_cost_with_regularization", "backward_propagation_with_regularization",
        "forward_propagation_with_dropout", "backward_propagation_with_dropout"},
    5: {"initialize_parameters_he", "initialize_parameters_random", "initialize_parameters_zeros"},
    4: {"linear_forward", "linear_activation_forward", "L_model_forward", "linear_backward",
        "linear_activation_backward", "L_model_backward", "initialize_parameters_deep", "two_layer_model",
        "L_layer_model"},
    3: {"layer_sizes", "forward_propagation", "backward_propagation", "nn_model"},
    2: {"propagate", "optimize", "initialize_with_zeros"},
}


def editions(name: str) -> list[CourseFunction]:
    return [function for function in COURSE_FUNCTIONS if function.name == name]


def week_of(defined: Iterable[str]) -> int:
    """The week to which a file belongs, by the functions that it defines."""
    names = set(defined)
    return next((week for week, marks in MARKS.items() if marks & names), 3)


def right_functions(week: int) -> dict[str, Callable[..., Any]]:
    """The right functions by name, of the edition that belongs to this week; others where it has none."""
    def fits(one: CourseFunction) -> tuple[bool, int, int]:
        # A sigmoid that returns its cache, too, is week 4's alone; of two editions as far away, the earlier one.
        return not one.pair or week == 4, -abs(one.week - week), -one.week

    found: dict[str, Callable[..., Any]] = {**references.HELPERS}
    for function in sorted(COURSE_FUNCTIONS, key=fits):
        found[function.name] = function.right
    return found
