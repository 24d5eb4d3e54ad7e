"""Checking a learner's file: verdicts, exit status, other styles, bad input. Single mistakes are in the next file."""

import io
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from places import LEARNERS

from tinygrad_course import InputError, nn
from tinygrad_course.checking import Report, check_backward, check_file
from tinygrad_course.models import DeepNetwork, LogisticRegression, PlanarClassifier, TwoLayerNetwork

NAMES = ["sigmoid", "relu", "initialize_with_zeros", "initialize_parameters", "initialize_parameters_deep", "propagate",
         "optimize", "predict", "layer_sizes", "forward_propagation", "compute_cost", "backward_propagation",
         "update_parameters", "nn_model", "linear_forward", "linear_activation_forward", "L_model_forward",
         "linear_backward", "linear_activation_backward", "L_model_backward"]
BACKWARD = (LEARNERS / "week3.py").read_text().split("def backward_propagation")[1].split("def update_parameters")[0]
BACKWARD = "import numpy as np\n\n\ndef backward_propagation" + BACKWARD.strip() + "\n"


@pytest.fixture
def learner(tmp_path: Path) -> Any:
    """Writes a learner's file and checks it."""
    def check(source: Any, name: str = "learner.py", **options: Any) -> Report:
        path = tmp_path / name
        path.write_text(source if isinstance(source, str) else json.dumps(source))
        before = path.read_bytes()
        report = check_file(path, **options)
        assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == [name]
        return report
    return check


def notebook(*cells: Any) -> dict[str, Any]:
    return {"nbformat": 4, "metadata": {}, "cells": [
        {"cell_type": "code", "source": cell if isinstance(cell, list) else cell.splitlines(True)} for cell in cells]}


# ------------------------------------------------------------------------------------------ right solutions

@pytest.mark.parametrize("path", sorted(LEARNERS.glob("*.py")), ids=lambda path: path.stem)
def test_right_solutions_in_many_styles(path: Path) -> None:
    report = check_file(path)
    assert report.exit_status == 0 and report.ok, report.text()
    assert {verdict.status for verdict in report.verdicts} == {"right"}
    assert not any(verdict.mistakes for verdict in report.verdicts)


def test_every_function_of_the_course_is_checked(learner: Any) -> None:
    text = "\n\n".join((LEARNERS / f"week{week}.py").read_text() for week in (2, 3, 4))
    report = learner(text)
    assert sorted(verdict.name for verdict in report.verdicts) == sorted(NAMES)
    assert report.exit_status == 0, report.text()


@pytest.mark.slow
def test_everything_may_be_wrong(learner: Any) -> None:
    text = "\n\n".join((LEARNERS / f"week{week}.py").read_text() for week in (2, 3, 4))
    for right, wrong in (("1 / m * np.", "1.1 / m * np."), ("np.exp(-", "1.01 * np.exp(-"),
                         ("- learning_rate", "- 1.1 * learning_rate")):
        text = text.replace(right, wrong)
    report = learner(text)
    assert report.exit_status == 1


def test_a_wrong_helper_is_not_blamed_on_its_caller(learner: Any) -> None:
    text = (LEARNERS / "week2.py").read_text().replace("dw = 1 / m * np.dot", "dw = np.dot")
    report = learner(text)
    statuses = {verdict.name: verdict.status for verdict in report.verdicts}
    assert statuses.pop("propagate") == "wrong" and set(statuses.values()) == {"right"}
    [optimize] = [verdict for verdict in report.verdicts if verdict.name == "optimize"]
    assert optimize.summary == "right by itself; in this file it goes wrong because of propagate"
    assert report.exit_status == 1


def test_a_helper_that_the_file_lacks_is_supplied(learner: Any) -> None:
    text = (LEARNERS / "week4.py").read_text()
    only = "import numpy as np\n\n\ndef L_model_backward" + text.split("def L_model_backward")[1].split("def update")[0]
    report = learner(only)
    assert report.exit_status == 0 and "linear_activation_backward" in report.notes[0]


# ------------------------------------------------------------------------------------------------- the report

def test_report_of_a_wrong_function(learner: Any) -> None:
    report = learner(BACKWARD.replace("(1 - np.power(A1, 2))", "(1 - A1)").replace("db2 = 1 / m *", "db2 ="))
    text = report.text()
    assert report.exit_status == 1
    assert "dZ1: derivative: unsquared  (not returned, but dW1 and db1 show it)" in text
    assert "yours:  dZ1 = W2^T dZ2 * (1 - A1)\n" in text and "right:  dZ1 = W2^T dZ2 * (1 - A1^2)\n" in text
    assert "db2: 1/m missing" in text and "why:" in text
    assert "dZ and dA are as in the course: m times the derivative of the cost J" in text
    [function] = report.as_dict()["functions"]
    assert function["results"] == {"dW2": True, "db2": False, "dW1": False, "db1": False}
    assert json.loads(json.dumps(report.as_dict())) == report.as_dict()
    assert "<table>" in report._repr_html_() and "1/m missing" in report._repr_html_()


def test_report_on_a_terminal(learner: Any) -> None:
    from rich.console import Console
    console = Console(record=True, width=120, file=io.StringIO())
    console.print(learner(BACKWARD.replace("dW1 = 1 / m *", "dW1 =")))
    shown = console.export_text()
    assert "backward_propagation" in shown and "dW1: 1/m missing" in shown and "yours:" in shown


def test_an_unknown_mistake_is_said_honestly(learner: Any) -> None:
    text = learner(BACKWARD.replace("np.dot(W2.T, dZ2) *", "np.cosh(np.dot(W2.T, dZ2) + A1 * A1) *")).text()
    assert "none of the known mistakes gives these numbers" in text
    assert "worst at index [" in text and "ratio of the norms" in text and "degrees" in text
    assert "the first quantity to be wrong is dZ1" in text


def test_several_mistakes(learner: Any) -> None:
    text = learner(BACKWARD.replace("1 / m * np.", "np.")).text()
    assert text.count("1/m missing") == 8  # four results, in the table and below


# ----------------------------------------------------------------------------------- what functions give back

def returning(expression: str) -> str:
    return BACKWARD.replace("return grads", f"return {expression}")


@pytest.mark.parametrize("expression, said", [
    ("None", "it returns None: is there a `return` at its end"),
    ("(dW1, db1, dW2, db2)", "the result is a tuple of 4 elements; expected a dictionary with the keys 'dW1', 'db1'"),
    ("{'dw1': dW1, 'db1': db1, 'dW2': dW2, 'db2': db2}", "has no key 'dW1', but a key 'dw1': did you mean dW1?"),
    ("{'dW1': dW1, 'db1': db1, 'dW2': dW2}", "has no key 'db2'; expected the keys"),
    ("{'dW1': dW1.tolist(), 'db1': db1, 'dW2': dW2, 'db2': db2}", "dW1 is a list of 4 elements; expected an array"),
    ("{'dW1': 'dW1', 'db1': db1, 'dW2': dW2, 'db2': db2}", "dW1 is the text 'dW1'; expected an array of numbers"),
    ("{'dW1': dW1, 'db1': db1[:, 0], 'dW2': dW2, 'db2': db2}", "db1: keepdims missing"),
    ("{'dW1': dW1.ravel(), 'db1': db1, 'dW2': dW2, 'db2': db2}", "dW1: flattened"),
    ("{'dW1': dW1[:1], 'db1': db1, 'dW2': dW2, 'db2': db2}", "its shape is (1, 5), but (4, 5) is right"),
    ("{'dW1': dW1 * np.nan, 'db1': db1, 'dW2': dW2, 'db2': db2}", "it holds nan at index (0, 0)"),
    ("{'dW1': dW1.astype(int), 'db1': db1, 'dW2': dW2, 'db2': db2}", "dW1 holds whole numbers only"),
    ("{'dW1': dW1 + 0j, 'db1': db1, 'dW2': dW2, 'db2': db2}", "dW1 has the dtype complex128"),
    ("{'dW1': dW1.astype(object), 'db1': db1, 'dW2': dW2, 'db2': db2}", "dW1 is an array of dtype object"),
    ("{'dW1': print, 'db1': db1, 'dW2': dW2, 'db2': db2}", "dW1 is a builtin_function_or_method"),
    ("[]", "the result is a list of 0 elements"),
    ("3", "the result is the number 3"),
])
def test_results_of_another_form(learner: Any, expression: str, said: str) -> None:
    report = learner(returning(expression))
    assert report.exit_status == 1 and said in report.text(), report.text()


def test_float32_is_right_to_its_digits(learner: Any) -> None:
    report = learner(returning("{k: v.astype(np.float32) for k, v in grads.items()}"))
    assert report.exit_status == 0 and "dW1 has the dtype float32" in report.text()


# -------------------------------------------------------------------------------------- what cannot be checked

def test_a_function_that_raises(learner: Any) -> None:
    report = learner(BACKWARD.replace("dW1 = 1", "dW1 = undefined + 1"))
    assert report.exit_status == 1
    text = report.text()
    assert "learner.py, line 15, in backward_propagation\n" in text and "NameError: name 'undefined'" in text
    assert "site-packages" not in text and "runner.py" not in text


def test_a_function_that_hangs_is_stopped_and_the_others_are_checked(learner: Any) -> None:
    source = (LEARNERS / "week2.py").read_text().replace("    m = X.shape[1]\n    A =", "    while True: pass\n    A =")
    start = time.monotonic()
    report = learner(source, time_limit=1)
    assert time.monotonic() - start < 15
    statuses = {verdict.name: verdict for verdict in report.verdicts}
    assert statuses["propagate"].summary == "it did not end within 1 second and was stopped"
    assert report.exit_status == 0
    assert {verdict.status for name, verdict in statuses.items() if name != "propagate"} == {"right"}


@pytest.mark.parametrize("line, status, exit_status", [
    ("import sys; sys.exit(3)", "raises", 1), ("raise KeyboardInterrupt", "raises", 1),
    ("import os; os._exit(3)", "not checked", 2)])
def test_a_function_that_ends_the_process(learner: Any, line: str, status: str, exit_status: int) -> None:
    report = learner(BACKWARD.replace("    m = X.shape[1]", f"    {line}\n    m = X.shape[1]"))
    assert report.exit_status == exit_status and [verdict.status for verdict in report.verdicts] == [status]


def test_arguments_that_are_changed_are_said(learner: Any) -> None:
    report = learner(BACKWARD.replace("    dZ2 = A2 - Y", "    A2 -= Y\n    dZ2 = A2"))
    assert report.exit_status == 0 and report.verdicts[0].status == "right"
    assert "note: it changes its argument cache['A2'] in place" in report.text()


def test_update_parameters_may_fill_the_dictionary_as_the_course_does(learner: Any) -> None:
    source = (LEARNERS / "week4.py").read_text()
    report = learner("import numpy as np\n\n\ndef update_parameters" + source.split("def update_parameters")[1].split(
        "def predict")[0])
    assert report.exit_status == 0 and report.verdicts[0].lines() == []


def test_other_signatures(learner: Any) -> None:
    report = learner("def propagate(w, X):\n    return 1\n")
    assert report.exit_status == 2
    assert report.verdicts[0].summary == "it takes (w, X); the course has propagate(w, b, X, Y)"


def test_parameters_in_another_order(learner: Any) -> None:
    assert learner(BACKWARD.replace("(parameters, cache, X, Y)", "(X, Y, parameters, cache)")).exit_status == 0


# ------------------------------------------------------------------------------------------------- bad files

def test_syntax_error_shows_the_line(learner: Any) -> None:
    report = learner(BACKWARD + "\ndef broken(:\n    pass\n")
    assert report.exit_status == 0
    assert f"learner.py, line {BACKWARD.count(chr(10)) + 2}: invalid syntax" in report.text()
    assert "def broken(:" in report.text()


def test_a_file_that_raises(learner: Any) -> None:
    report = learner(BACKWARD + "\nx = 1 / 0\n")
    assert report.exit_status == 0 and "ZeroDivisionError: division by zero" in report.problem
    assert report.verdicts[0].status == "right"


def test_a_missing_module_is_named(learner: Any) -> None:
    assert "No module named 'no_such_module'" in learner("import no_such_module\n" + BACKWARD).notes[0]


def test_a_file_that_hangs(learner: Any) -> None:
    report = learner(BACKWARD + "\nwhile True:\n    pass\n", time_limit=1)
    assert report.exit_status == 2 and "did not end within 1 second" in report.problem


def test_code_that_prints_plots_and_asks(learner: Any) -> None:
    source = ("import matplotlib.pyplot as plt\nname = input('your name? ')\nprint('hello', name)\n"
              "import sys\nprint('x' * 100000, file=sys.stderr)\nplt.plot([1])\nplt.show()\n" + BACKWARD)
    report = learner(source.replace("    m = X", "    print('y' * 100000)\n    m = X"))
    assert report.exit_status == 0, report.text()
    assert "line 2: asks for input, skipped" in report.notes[0]
    report = learner(BACKWARD.replace("    m = X", "    input('go on? ')\n    m = X"))
    assert report.exit_status == 1 and "input() was called" in report.text()


def test_a_file_without_functions_of_the_course(learner: Any) -> None:
    report = learner("x = 1\n")
    assert report.exit_status == 2 and "None of the course's functions" in report.text()


def test_notebook(learner: Any) -> None:
    cells = notebook("%matplotlib inline\nimport numpy as np\n!pip install x\nfrom planar_utils import *",
                     "%%bash\necho hello", "%%time\n" + BACKWARD.replace("dW2 = 1 / m *", "dW2 ="),
                     "np.linspace?\nd = backward_propagation(parameters, cache, X, Y)\nd['dW1']")
    report = learner(cells, "learner.ipynb")
    assert report.exit_status == 1, report.text()
    assert "dW2: 1/m missing" in report.text() and "cell 3, line" in report.text()
    assert report.notes[0] == "cell 2: skipped, it begins with %%bash"


def test_notebook_with_a_syntax_error(learner: Any) -> None:
    report = learner(notebook("import numpy as np\ndef f(:\n    pass", BACKWARD), "learner.ipynb")
    assert report.exit_status == 0 and "cell 1, line 2" in report.problem and report.verdicts[0].ok


@pytest.mark.parametrize("text, said", [
    ("not JSON", "learner.ipynb is not a notebook: it is not JSON (line 1"),
    ("[1, 2]", "it has no list of cells"), ("{}", "it has no list of cells")])
def test_notebooks_that_are_none(learner: Any, text: str, said: str) -> None:
    report = learner(text, "learner.ipynb")
    assert report.exit_status == 2 and said in report.problem


def test_files_that_cannot_be_checked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        check_file(tmp_path / "none.py")
    with pytest.raises(InputError, match="this is a folder"):
        check_file(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InputError, match="give a Python file"):
        check_file(tmp_path / "notes.txt")
    (tmp_path / "a.py").write_text("x = 1")
    with pytest.raises(InputError, match="the time limit is 0"):
        check_file(tmp_path / "a.py", time_limit=0)
    (tmp_path / "a.py").write_bytes(b"x = '\xff'\n")
    assert "is not text in UTF-8" in check_file(tmp_path / "a.py").problem


# --------------------------------------------------------------------------------------------- check_backward

RANDOM = np.random.RandomState(0)
X, Y = RANDOM.randn(3, 20), (RANDOM.uniform(size=(1, 20)) > 0.5) * 1.0


def planar(parameters: Any, cache: Any, X: Any, Y: Any) -> Any:
    dZ2 = cache["A2"] - Y
    dZ1 = parameters["W2"].T @ dZ2 * (1 - cache["A1"] ** 2)
    return {"dW1": dZ1 @ X.T / 20, "db1": dZ1.sum(axis=1, keepdims=True) / X.shape[1],
            "dW2": dZ2 @ cache["A1"].T / X.shape[1], "db2": dZ2.sum(axis=1, keepdims=True) / X.shape[1]}


def with_relu(parameters: Any, cache: Any, X: Any, Y: Any) -> Any:
    print("computing")
    m = X.shape[1]
    dZ2 = cache["A2"] - Y
    dZ1 = parameters["W2"].T @ dZ2 * (cache["Z1"] > 0)
    return {"dW1": dZ1 @ X.T / m, "db1": dZ1.sum(axis=1, keepdims=True) / m,
            "dW2": dZ2 @ cache["A1"].T / m, "db2": dZ2.sum(axis=1, keepdims=True) / m}


def logistic(w: Any, b: Any, X: Any, Y: Any) -> Any:
    A = 1 / (1 + np.exp(-(w.T @ X + b)))
    return {"dw": X @ (A - Y).T / X.shape[1], "db": np.sum(A - Y)}


def deep(AL: Any, Y: Any, caches: Any) -> Any:
    dA, grads = -(Y / AL - (1 - Y) / (1 - AL)), {}
    for l in range(len(caches), 0, -1):
        (A_prev, W, b), Z = caches[l - 1]
        dZ = dA * AL * (1 - AL) if l == len(caches) else dA * np.maximum(Z, 0)
        grads[f"dW{l}"], grads[f"db{l}"] = dZ @ A_prev.T / Y.shape[1], dZ.sum(1, keepdims=True) / Y.shape[1]
        grads[f"dA{l - 1}"] = dA = W.T @ dZ
    return grads


def test_right_gradients(capsys: pytest.CaptureFixture[str]) -> None:
    report = check_backward(with_relu, TwoLayerNetwork(3, 4, 1), X, Y)
    assert report.ok and report.verdicts[0].results == dict.fromkeys(["dW1", "db1", "dW2", "db2"], True)
    assert capsys.readouterr().out == ""
    sequential = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 1), nn.Sigmoid())
    assert check_backward(with_relu, sequential, X, Y).ok


def test_a_mistake_that_your_own_X_does_not_show() -> None:
    report = check_backward(planar, PlanarClassifier(3), X, Y)
    assert report.exit_status == 1 and report.verdicts[0].results["db1"] and not report.verdicts[0].results["dW1"]


def test_wrong_activation_for_the_model() -> None:
    assert "dZ1: relu's derivative for tanh's" in check_backward(with_relu, PlanarClassifier(3), X, Y).text()


def test_logistic_regression() -> None:
    report = check_backward(logistic, LogisticRegression(3), X, Y)
    assert report.exit_status == 1 and report.verdicts[0].summary == "db: 1/m missing"


def test_deep_network() -> None:
    report = check_backward(deep, DeepNetwork([3, 4, 3, 1]), X, Y)
    assert "dZ2: derivative: activation for its derivative" in report.text()


def test_the_model_and_the_arrays_are_not_changed() -> None:
    def greedy(parameters: Any, cache: Any, X: Any, Y: Any) -> Any:
        for value in (*parameters.values(), *cache.values(), X, Y):
            value *= 0
        return {}
    model, given = TwoLayerNetwork(3, 4, 1), X.copy()
    before = model.state_dict()
    state = np.random.get_state()[1].copy()  # type: ignore[union-attr]
    report = check_backward(greedy, model, given, Y)
    assert report.exit_status == 1 and "in place: the caller's" in report.text()
    assert all(np.array_equal(before[name], value) for name, value in model.state_dict().items())
    assert np.array_equal(given, X) and np.array_equal(np.random.get_state()[1], state)  # type: ignore[arg-type]


@pytest.mark.parametrize("arguments, said", [
    ((planar, PlanarClassifier(2), X, Y), "the model has 2 inputs"),
    ((planar, PlanarClassifier(3), X, Y.T), "examples are columns"),
    (({}, PlanarClassifier(3), X, Y), "give your function itself"),
    ((lambda X: X, PlanarClassifier(3), X, Y), r"the course has backward_propagation\(parameters, cache, X, Y\)"),
    ((planar, nn.Sequential(nn.Linear(3, 1), nn.Softplus()), X, Y), "the formulas of Sequential are not known"),
])
def test_arguments_that_do_not_fit(arguments: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        check_backward(*arguments)
