"""Homework as people bring it: what surrounds the functions, their interfaces, and what is said of each."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from places import LEARNERS

from tinygrad_course.checking import Report, check_file

NP = "import numpy as np\n\n\n"
SIGMOID = "def sigmoid(z):\n    return 1 / (1 + np.exp(-z))\n\n\n"
WRONG_SIGMOID = SIGMOID.replace("exp(-z)", "exp(z)")
LINEAR = "def linear_forward(A, W, b):\n    return W @ A + b, (A, W, b)\n\n\n"
PROPAGATE = """def propagate(w, b, X, Y):
    count = X.shape[1]
    A = sigmoid(w.T @ X + b)
    cost = -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / count
    return {"dw": X @ (A - Y).T / count, "db": np.sum(A - Y) / count}, cost


"""
OPTIMIZE = """def optimize(w, b, X, Y, num_iterations, learning_rate, print_cost=False):
    costs = []
    for i in range(num_iterations):
        grads, cost = propagate(w, b, X, Y)
        w = w - learning_rate * grads["dw"]
        b = b - learning_rate * grads["db"]
        if i % 100 == 0:
            costs.append(cost)
    return {"w": w, "b": b}, grads, costs
"""
WEEK_3 = (LEARNERS / "week3.py").read_text().split("X, Y = load_planar_dataset()")[0]
WEEK_4 = (LEARNERS / "week4.py").read_text().split("parameters, grads = update_parameters_test_case()")[0]


@pytest.fixture
def checked(tmp_path: Path) -> Any:
    """Writes a learner's files and checks one of them: a text is homework.py, a list the cells of a notebook."""
    def check(source: Any, **files: str) -> Report:
        path = tmp_path / ("homework.py" if isinstance(source, str) else "homework.ipynb")
        cells = [] if isinstance(source, str) else [{"cell_type": "code", "source": cell} for cell in source]
        path.write_text(source if isinstance(source, str) else json.dumps({"nbformat": 4, "cells": cells}))
        for name, text in files.items():
            place = tmp_path / name.replace("__", "/")
            place.parent.mkdir(exist_ok=True)
            place.with_suffix(".py").write_text(text)
        return check_file(path)
    return check


def statuses(report: Report) -> dict[str, str]:
    return {verdict.name: verdict.status for verdict in report.verdicts}


def said(report: Report) -> str:
    return " ".join(report.text().split())


# ------------------------------------------------------------------------- what surrounds the functions


@pytest.mark.parametrize("around, note", [
    (["cd ../input\n", NP], "cell 1, line 1: skipped, `cd ../input` is a command of Jupyter"),
    ([NP, "print 'shape:', np.zeros(3).shape"], "read as Python 2"),
    ([NP + "get_ipython().run_line_magic('matplotlib', 'inline')"], ""),
    ([NP, "x = [1, 2\n", "sigmoid(np.zeros(3)"], "'[' was never closed"),
    ([NP, ";"], ""),
    ([NP + "import tensorflow as tf\nmodel = tf.keras.Sequential()"], ""),
    ([NP + "import seaborn_of_mine\nseaborn_of_mine.set()"], "No module named 'seaborn_of_mine'"),
    ([NP + "data = np.load('not_there.npy')\nprint(data.shape)"], "FileNotFoundError"),
    ([NP + "raise ValueError('scratch')"], "skipped, it raised ValueError"),
])
def test_what_surrounds_a_function_costs_nothing(checked: Any, around: list[str], note: str) -> None:
    report = checked([*around, SIGMOID])
    assert statuses(report) == {"sigmoid": "right"} and report.exit_status == 0
    assert note in said(report)


def test_a_template_that_is_not_filled_in(checked: Any) -> None:
    blank = "def propagate(w, b, X, Y):\n    m = X.shape[1]\n    A =\n    cost =\n    return {}, cost\n"
    none = "def initialize_with_zeros(dim):\n    w = None\n    b = None\n    return w, b\n"
    report = checked([NP, SIGMOID, blank, none, "def predict(w, b, X):\n    '''Predict.'''\n    pass\n"])
    found = statuses(report)
    assert found.pop("sigmoid") == "right" and set(found.values()) == {"not done yet"} and len(found) == 3
    assert report.exit_status == 0


def test_a_function_that_is_not_python_is_wrong(checked: Any) -> None:
    report = checked(NP + SIGMOID + "def relu(z):\n    return np.maximum(0, z))\n")
    assert statuses(report) == {"sigmoid": "right", "relu": "raises"} and report.exit_status == 1
    assert "homework.py, line 9: unmatched ')'" in said(report)


def test_names_that_numpy_has_no_more(checked: Any) -> None:
    predict = "def predict(w, b, X):\n    A = sigmoid(w.T @ X + b)\n    return (A > 0.5).astype(np.int)\n\n\n"
    cost = "-(np.log(A2) @ Y.T + np.log(1 - A2) @ (1 - Y).T) / Y.shape[1]"
    report = checked(NP + SIGMOID + predict + f"def compute_cost(A2, Y):\n    return np.asscalar({cost})\n")
    assert set(statuses(report).values()) == {"right"}
    assert "np.int is gone from NumPy" in said(report) and "write a.item()" in said(report)


# ----------------------------------------------------------------------------------------------- modules


def test_modules_beside_the_file(checked: Any) -> None:
    source = NP + "from mine import sigmoid\n\n\n" + PROPAGATE
    assert statuses(checked(source, mine=NP + SIGMOID)) == {"sigmoid": "right", "propagate": "right"}


def test_a_wrong_helper_of_another_module_is_named_once(checked: Any) -> None:
    report = checked(NP + "from mine import sigmoid\n\n\n" + PROPAGATE, mine=NP + WRONG_SIGMOID)
    assert statuses(report) == {"sigmoid": "wrong", "propagate": "right"} and report.exit_status == 1
    helper, caller = report.verdicts
    assert helper.place == "mine.py, line 4" and caller.because_of == ["sigmoid"]


def test_a_helper_module_that_is_no_python(checked: Any) -> None:
    report = checked(NP + "from testCases_v2 import *\n" + SIGMOID, testCases_v2="<!DOCTYPE html>\n")
    assert report.exit_status == 0 and "our own stand-in testCases_v2 serves" in said(report)


def test_a_helper_module_that_lacks_a_name(checked: Any) -> None:
    report = checked(NP + "from mine import sigmoid, unheard_of\n\n\n" + PROPAGATE, mine=NP + SIGMOID)
    assert statuses(report)["propagate"] == "right" and "cannot import name 'unheard_of'" in said(report)


def test_a_stand_in_does_not_break_an_installed_package(checked: Any) -> None:
    pytest.importorskip("sklearn")
    report = checked(NP + "import not_there\nfrom sklearn.linear_model import LogisticRegression\n"
                     "LogisticRegression().fit(np.arange(6.0).reshape(6, 1), [0, 0, 0, 1, 1, 1])\n" + SIGMOID)
    assert report.exit_status == 0 and report.problem == ""


def test_methods_of_a_class(checked: Any) -> None:
    body = (SIGMOID + PROPAGATE).replace("\n\n\n", "\n").replace("sigmoid(w", "self.sigmoid(w")
    method = re.sub(r"def (\w+)\(", r"def \1(self, ", body)
    text = NP + "class Network:\n" + "".join("    " + line + "\n" for line in method.splitlines())
    assert statuses(checked(text)) == {"Network.sigmoid": "right", "Network.propagate": "right"}
    wrong = checked(text.replace("/ count, \"db\"", ", \"db\""))
    assert "dw: 1/m missing" in said(wrong) and statuses(wrong)["Network.sigmoid"] == "right"


# -------------------------------------------------------------------------------------------- interfaces


@pytest.mark.parametrize("old, new, function, phrase", [
    ("def compute_cost(A2, Y, parameters)", "def compute_cost(Y, predictions)", "compute_cost", "agrees on 4 inputs"),
    ('cache = {"Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2}', 'cache = {"A1": A1, "A2": A2}', "forward_propagation",
     "its cache is {A1, A2}, without Z1 and Z2"),
    ("return parameters\n\n\ndef predict", "return parameters, cost\n\n\ndef predict", "nn_model", "two values"),
    ("def nn_model(X, Y, n_h, num_iterations=10000", "def nn_model(X, Y, n_h, X_dev=None, num_iterations=10000",
     "nn_model", "agrees after each number of iterations"),
    ("db2 = 1 / m * np.sum(dZ2, axis=1, keepdims=True)", "db2 = 1 / m * np.sum(dZ2)", "backward_propagation",
     "db2 is a number; the course has an array of shape (1, 1)"),
    ("np.log(A2), Y)", "np.log(A2 + 1e-8), Y)", "compute_cost", "guard against log(0)"),
    ("np.dot(W2.T, dZ2) *", "np.multiply(W2.T, dZ2) *", "backward_propagation", "right for one output unit"),
    ("(1 - np.power(A1, 2))", "(1 - np.tanh(Z1) ** 2)", "backward_propagation", "with caches that no forward pass"),
    ("W1 = W1 - learning_rate * dW1", "W1 -= learning_rate * dW1", "update_parameters", "in place"),
])
def test_what_is_right_in_another_way(checked: Any, old: str, new: str, function: str, phrase: str) -> None:
    assert old in WEEK_3
    text = WEEK_3.replace(old, new)
    if "without Z1" in phrase:
        text = text.replace('    Z1 = cache["Z1"]\n', "")
    if "predictions" in new:
        text = text.replace("np.log(A2), Y)", "np.log(predictions), Y)").replace("1 - A2), 1", "1 - predictions), 1")
        text = text.replace("compute_cost(A2, Y, parameters)", "compute_cost(Y, A2)")
    report = checked(text)
    [verdict] = [one for one in report.verdicts if one.name == function]
    assert verdict.ok and not verdict.mistakes, verdict
    assert phrase in " ".join([verdict.summary, *verdict.notes])
    assert report.exit_status == 0, report.text()


def test_gradients_under_other_names_where_the_update_reads_them(checked: Any) -> None:
    text = WEEK_3.replace('"dW1": dW1', '"grad_W1": dW1').replace('"dW2": dW2', '"grad_W2": dW2')
    text = text.replace('grads["dW1"]', 'grads["grad_W1"]').replace('grads["dW2"]', 'grads["grad_W2"]')
    report = checked(text)
    assert statuses(report)["backward_propagation"] == statuses(report)["update_parameters"] == "another interface"
    assert report.exit_status == 0 and "grad_W1 for dW1" in said(report)


def test_caches_of_another_form_are_handed_on(checked: Any) -> None:
    text = WEEK_4.replace("cache = (A, W, b)\n", "cache = (W, A)\n")
    text = text.replace("A_prev, W, b = cache", "W, A_prev = cache")
    report = checked(text)
    found = statuses(report)
    assert found["linear_forward"] == found["linear_backward"] == "another interface"
    assert report.exit_status == 0, report.text()


def test_examples_as_rows(checked: Any) -> None:
    report = checked(NP + SIGMOID + """def forward_propagation(X, parameters):
    Z1 = X @ parameters["W1"] + parameters["b1"]
    A1 = np.tanh(Z1)
    Z2 = A1 @ parameters["W2"] + parameters["b2"]
    A2 = sigmoid(Z2)
    return A2, {"Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2}
""")
    assert statuses(report)["forward_propagation"] == "another interface" and "one example per row" in said(report)


def test_softmax_costs_are_no_mistake(checked: Any) -> None:
    cost = "def compute_cost(AL, Y):\n    return float(-np.sum(Y * np.log(AL)) / Y.shape[1])\n"
    assert statuses(checked(NP + cost)) == {"compute_cost": "wrong"}
    assert statuses(checked(NP + cost.replace("\n", "  # one-hot\n", 1))) == {"compute_cost": "another interface"}


# ------------------------------------------------------------------------------------------------ verdicts


def test_a_call_that_raises_is_wrong_with_its_line(checked: Any) -> None:
    call = "compute_cost(A2, Y, parameters)\n        grads"
    report = checked(WEEK_3.replace(call, "compute_cost(A2)\n        grads"))
    assert statuses(report)["nn_model"] == "raises" and report.exit_status == 1
    assert "compute_cost(A2)" in said(report)


def test_wrong_stays_wrong_whatever_cannot_be_checked(checked: Any) -> None:
    report = checked(NP + "import not_there_at_all\n" + WRONG_SIGMOID + "def propagate(w):\n    return w\n")
    assert statuses(report) == {"sigmoid": "wrong", "propagate": "not checked"} and report.exit_status == 1


def test_what_is_not_looked_at_is_listed(checked: Any) -> None:
    report = checked(NP + SIGMOID + "def my_helper(a):\n    return a\n\n\ndef compute_costs(a):\n    return a\n")
    assert report.not_looked_at == ["my_helper", "compute_costs (did you mean compute_cost?)"]


def test_a_helper_under_another_name_is_named(checked: Any) -> None:
    text = WEEK_3.replace("backward_propagation", "backprop").replace("dW1 = 1 / m *", "dW1 =")
    report = checked(text)
    found = {verdict.name: verdict for verdict in report.verdicts}
    assert found["backprop"].mistakes[0].mistake == "1/m missing" and found["nn_model"].because_of == ["backprop"]


@pytest.mark.parametrize("old, new, phrase", [
    ("if i % 100 == 0", "if i % 200 == 0", "every 200th iteration"),
    ('    return {"w": w', '        return {"w": w', "it ends after the first iteration"),
    ("learning_rate * grads", "0.009 * grads", "learning rate 0.009 for the one given"),
    ("    for i in range(num_iterations):\n        grads, cost = propagate(w, b, X, Y)",
     "    grads, cost = propagate(w, b, X, Y)\n    for i in range(num_iterations):", "stale gradients reused"),
    ('w = w - learning_rate * grads["dw"]', 'w = w - learning_rate * grads["db"]', "db for dw"),
])
def test_loops(checked: Any, old: str, new: str, phrase: str) -> None:
    report = checked(NP + SIGMOID + PROPAGATE + OPTIMIZE.replace(old, new))
    assert statuses(report)["optimize"] == "wrong" and phrase in said(report), report.text()
    [mistake, *_] = report.verdicts[-1].mistakes
    assert mistake.line, report.text()


def test_an_array_overwritten_by_a_number(checked: Any) -> None:
    report = checked(NP + SIGMOID + """def predict(w, b, X):
    p = np.zeros((1, X.shape[1]))
    A = sigmoid(w.T @ X + b)
    for i in range(A.shape[1]):
        if A[0, i] > 0.5:
            p = 1
        else:
            p = 0
    return p
""")
    assert "the whole array is overwritten where one element is meant" in said(report)


@pytest.mark.parametrize("arguments, phrase", [
    ('linear_activation_backward(dAL, caches[l], "relu")', "dAL for dA1"),
    ('linear_activation_backward(dAL, caches[L - 2], "sigmoid")', "the last layer's dA in every layer"),
    ("linear_backward(sigmoid_backward(dAL, caches[1]), caches[0])", "the same cache in every layer")])
def test_what_does_not_follow_the_loop(checked: Any, arguments: str, phrase: str) -> None:
    right = 'linear_activation_backward(grads["dA" + str(l + 1)], current_cache, "relu")'
    assert right in WEEK_4
    report = checked(WEEK_4.replace(right, arguments))
    assert report.exit_status == 1 and phrase in said(report), report.text()


# ----------------------------------------------------------------------------- functions of the next course


BACKWARD_N = """def backward_propagation_n(X, Y, cache):
    m = X.shape[1]
    (Z1, A1, W1, b1, Z2, A2, W2, b2, Z3, A3, W3, b3) = cache
    dZ3 = A3 - Y
    dW3 = 1. / m * np.dot(dZ3, A2.T)
    db3 = 1. / m * np.sum(dZ3, axis=1, keepdims=True)
    dZ2 = np.multiply(np.dot(W3.T, dZ3), np.int64(A2 > 0))
    dW2 = 1. / m * np.dot(dZ2, A1.T)
    db2 = 1. / m * np.sum(dZ2, axis=1, keepdims=True)
    dZ1 = np.multiply(np.dot(W2.T, dZ2), np.int64(A1 > 0))
    dW1 = 1. / m * np.dot(dZ1, X.T)
    db1 = 1. / m * np.sum(dZ1, axis=1, keepdims=True)
    return {"dW3": dW3, "db3": db3, "dW2": dW2, "db2": db2, "dW1": dW1, "db1": db1}
"""


def test_gradient_checking(checked: Any) -> None:
    assert statuses(checked(NP + BACKWARD_N)) == {"backward_propagation_n": "right"}
    planted = BACKWARD_N.replace("np.dot(dZ2, A1.T)", "np.dot(dZ2, A1.T) * 2").replace("db1 = 1.", "db1 = 4.")
    report = checked(NP + planted)
    found = {mistake.quantity: (mistake.mistake, mistake.line) for mistake in report.verdicts[0].mistakes}
    assert found == {"dW2": ("factor 2", 11), "db1": ("factor 4", 15)}


def test_whole_models(checked: Any) -> None:
    model = """from dnn_app_utils_v3 import *


def two_layer_model(X, Y, layers_dims, learning_rate=0.0075, num_iterations=3000, print_cost=False):
    grads = {}
    n_x, n_h, n_y = layers_dims
    parameters = initialize_parameters(n_x, n_h, n_y)
    for i in range(num_iterations):
        A1, cache1 = linear_activation_forward(X, parameters["W1"], parameters["b1"], "relu")
        A2, cache2 = linear_activation_forward(A1, parameters["W2"], parameters["b2"], "sigmoid")
        dA2 = -(Y / A2 - (1 - Y) / (1 - A2))
        dA1, grads["dW2"], grads["db2"] = linear_activation_backward(dA2, cache2, "sigmoid")
        dA0, grads["dW1"], grads["db1"] = linear_activation_backward(dA1, cache1, "relu")
        parameters = update_parameters(parameters, grads, learning_rate)
    return parameters
"""
    assert statuses(checked(NP + model)) == {"two_layer_model": "right"}
    report = checked(NP + model.replace('(dA1, cache1, "relu")', '(dA1, cache1, "sigmoid")'))
    assert report.exit_status == 1 and "dA0, grads" in said(report)
