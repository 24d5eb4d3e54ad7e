"""Changes of right functions made by a program: seeded, one or two at a time, over all functions in several styles.

A change that alters what a function computes has to be found; one that alters nothing must not be blamed. Whether it
alters anything is seen by running both versions, not by asking the check.
"""

import ast
import copy
import random
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from places import LEARNERS

from tinygrad_course.checking.check_function import _traceback, in_process
from tinygrad_course.checking.course.functions import CourseFunction, editions, right_functions
from tinygrad_course.checking.diagnosis.explaining import explain
from tinygrad_course.checking.interfaces import Form, closest, passed
from tinygrad_course.checking.judge import judge
from tinygrad_course.checking.report import Verdict
from tinygrad_course.checking.sandbox.calling import call
from tinygrad_course.checking.sandbox.limits import CHANGED, limited
from tinygrad_course.checking.sandbox.plain import said_by

STYLES = {"course": ["week2", "week3", "week4"], "own names": ["style_own_names"],
          "loops": ["style_loops", "style_einsum", "style_deep_at_once"]}
NAMES = ("sigmoid", "relu", "propagate", "optimize", "predict", "layer_sizes", "forward_propagation", "compute_cost",
         "backward_propagation", "update_parameters", "nn_model", "linear_forward", "linear_activation_forward",
         "L_model_forward", "linear_backward", "linear_activation_backward", "L_model_backward",
         "initialize_parameters", "initialize_parameters_deep", "sigmoid_backward", "relu_backward")
BACKWARD = '''
def sigmoid_backward(dA, cache):
    Z = cache
    s = 1 / (1 + np.exp(-Z))
    dZ = dA * s * (1 - s)
    return dZ


def relu_backward(dA, cache):
    Z = cache
    dZ = np.array(dA, copy=True)
    dZ[Z <= 0] = 0
    return dZ
'''


class Subject(NamedTuple):
    """A right function of a learner's file. namespace: what it may use."""
    style: str
    name: str
    function: CourseFunction
    source: str
    namespace: dict[str, Any]
    week: int


def subjects() -> list[Subject]:
    found = []
    for style, files in STYLES.items():
        for file in files:
            text = (LEARNERS / f"{file}.py").read_text() + (BACKWARD if file == "week4" else "")
            week = {"week2": 2, "week3": 3}.get(file, 4)
            found += list(_subjects_in(style, text, week))
    return found


def _subjects_in(style: str, text: str, week: int) -> Iterator[Subject]:
    tree = ast.parse(text)
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    own_week = 3 if "forward_propagation" in names else 2 if "propagate" in names and week != 4 else week
    namespace: dict[str, Any] = {"np": np, "copy": copy, "deepcopy": copy.deepcopy, **right_functions(own_week)}
    for node in tree.body:
        constant = isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        imported = isinstance(node, ast.Import | ast.ImportFrom) and re.search("numpy|copy|math", ast.unparse(node))
        if isinstance(node, ast.FunctionDef) or constant or imported:
            exec(compile(ast.Module([node], []), "learner", "exec", optimize=1), namespace)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in NAMES:
            source = "\n".join(text.splitlines()[node.lineno - 1:node.end_lineno]) + "\n"
            subject = _subject(style, node.name, source, namespace, own_week)
            # What draws other numbers each time cannot be compared with itself.
            if subject is not None and not alters(subject, source):
                yield subject


def _subject(style: str, name: str, source: str, namespace: dict[str, Any], week: int) -> Subject | None:
    for function in sorted(editions(name), key=lambda one: abs(one.week - week)):
        subject = Subject(style, name, function, source, namespace, week)
        match = closest([function], parameters(namespace[name]), week)
        if not match.misses and verdict_of(subject, source, explained=False).ok:
            return subject
    return None


def parameters(function: Any) -> list[list[Any]]:
    code = function.__code__
    names = code.co_varnames[:code.co_argcount]
    optional = len(function.__defaults__ or ())
    return [[name, i >= len(names) - optional, ""] for i, name in enumerate(names)]


# ------------------------------------------------------------------------------------------------- judging


def loaded(subject: Subject, source: str, filename: str = "learner") -> Any:
    namespace = dict(subject.namespace)
    exec(compile(source, filename, "exec", dont_inherit=True, optimize=1), namespace)
    return namespace[subject.name]


def verdict_of(subject: Subject, source: str, explained: bool = True) -> Verdict:
    """The verdict on a version of the function, its helpers being as they are; with mistakes where `explained`."""
    match = closest([subject.function], parameters(subject.namespace[subject.name]), subject.week)

    def arranged(one: tuple[Any, ...]) -> Any:
        return passed(match, Form(), one)

    calls = in_process(loaded(subject, source), arranged)
    verdict = judge(subject.function, calls, source, explain=False)
    if verdict.ok or not explained:
        return verdict

    def trials(sources: list[str], arguments: list[tuple[Any, ...]]) -> list[Any]:
        return [_trial(subject, one, arguments, arranged) for one in sources]

    functions = [name for name, value in subject.namespace.items() if name in NAMES and callable(value)]
    return explain(subject.function, calls, trials, source, 1, [one for one in functions if one != subject.name])


def _trial(subject: Subject, source: str, arguments: list[tuple[Any, ...]], arranged: Any) -> Any:
    try:
        function = limited(loaded(subject, source, CHANGED))
    except (SyntaxError, ValueError, KeyError) as error:
        return [{"raised": said_by(error), "kind": "", "asks": False} for _ in arguments]
    return in_process(function, arranged)(arguments)


# ------------------------------------------------------------------------------------------------- changing


def changed_once(source: str, chance: random.Random) -> tuple[str, int]:
    """A change of one node, and its line."""
    tree = ast.parse(source)
    places = [(node, kind) for node in ast.walk(tree.body[0]) for kind in _kinds(node)]
    while True:
        node, kind = chance.choice(places)
        copied = copy.deepcopy(tree)
        twin = next(other for one, other in zip(ast.walk(tree), ast.walk(copied)) if one is node)
        if _change(twin, kind, copied.body[0], chance):
            new = ast.unparse(ast.fix_missing_locations(copied)) + "\n"
            if new != ast.unparse(tree) + "\n":
                return new, getattr(node, "lineno", 1)


def _kinds(node: ast.AST) -> list[str]:
    found = []
    if isinstance(node, ast.BinOp):
        found += ["operator", "left", "right", "swap"]
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        found += ["number"]
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"d?[WbZAw]\d?", node.value):
        found += ["key"]
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        found += ["name"]
    if isinstance(node, ast.Attribute) and node.attr in ("T", "sum", "dot", "multiply", "tanh", "exp", "log"):
        found += ["attribute"]
    if isinstance(node, ast.keyword) and node.arg in ("axis", "keepdims"):
        found += ["keyword"]
    if isinstance(node, ast.Compare):
        found += ["compare"]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        found += ["unsigned"]
    if isinstance(node, ast.Call) and len(node.args) == 2:
        found += ["arguments"]
    return found


def _change(node: Any, kind: str, function: Any, chance: random.Random) -> bool:
    """Changes the node in place; False where that cannot be done."""
    if kind == "operator":
        node.op = chance.choice([ast.Add(), ast.Sub(), ast.Mult(), ast.Div(), ast.MatMult()])
    elif kind in ("left", "right"):
        kept = node.left if kind == "left" else node.right
        node.left, node.op, node.right = kept, ast.Mult(), ast.Constant(1)
    elif kind == "swap":
        node.left, node.right = node.right, node.left
    elif kind == "number":
        node.value = chance.choice([0, 1, 2, node.value + 1, -node.value, node.value * 2])
    elif kind == "key":
        letter, digit = node.value.rstrip("123"), node.value[-1] if node.value[-1].isdigit() else ""
        node.value = chance.choice(["W", "b", "dW", "db", "A", "Z"]) + digit if chance.random() < 0.5 or not digit \
            else letter + chance.choice("12")
    elif kind == "name":
        names = sorted({one.id for one in ast.walk(function) if isinstance(one, ast.Name)
                        and isinstance(one.ctx, ast.Store)} | {one.arg for one in function.args.args})
        if node.id not in names or len(names) < 2:
            return False
        node.id = chance.choice([name for name in names if name != node.id])
    elif kind == "attribute":
        if node.attr == "T":
            node.attr = "real"
        else:
            node.attr = {"sum": "mean", "dot": "multiply", "multiply": "dot", "tanh": "exp", "exp": "log",
                         "log": "exp"}[node.attr]
    elif kind == "keyword":
        node.value = ast.Constant(chance.choice([0, 1]) if node.arg == "axis" else False)
    elif kind == "compare":
        node.ops = [chance.choice([ast.Gt(), ast.Lt(), ast.NotEq()])]
    elif kind == "unsigned":
        node.op = ast.UAdd()
    elif kind == "arguments":
        node.args = node.args[::-1]
    return True


# ---------------------------------------------------------------------------------- does it alter anything?


def arguments_of(function: CourseFunction) -> list[tuple[Any, ...]]:
    """Inputs of the course's kind, besides those of the check: its own, with other numbers."""
    if function.verdict is None:
        cases = [case for case in function.cases() if case.judged]
        return [_other_numbers(case.arguments, seed) for seed, case in enumerate(cases)] + [
            case.arguments for case in cases]
    asked: list[Any] = []

    def calls(arguments: list[tuple[Any, ...]]) -> Any:
        asked.extend(arguments)
        return [{"left out": True} for _ in arguments]

    judge(function, calls, explain=False)
    return asked


def _other_numbers(value: Any, seed: int) -> Any:
    if isinstance(value, dict):
        return {key: _other_numbers(one, seed) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_other_numbers(one, seed) for one in value)
    if isinstance(value, np.ndarray) and value.dtype.kind == "f" and set(np.unique(value)) - {0.0, 1.0}:
        return value * (1 + 0.01 * np.cos(seed + value))
    return value


def alters(subject: Subject, source: str) -> bool:
    """Whether a version of the function computes something else, on any input of the course's kind."""
    match = closest([subject.function], parameters(subject.namespace[subject.name]), subject.week)
    old, new = loaded(subject, subject.source), limited(loaded(subject, source, CHANGED))
    for one in arguments_of(subject.function):
        names, given = passed(match, Form(), one)
        with np.errstate(all="ignore"):
            before = call(old, given, _traceback, 3, names)
            after = call(new, given, _traceback, 3, names)
        if "raised" in after or not _same(before["returned"], after["returned"]):
            return True
    return False


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return all(key in b and _same(a[key], b[key]) for key in a)
    if isinstance(a, tuple | list) and isinstance(b, tuple | list):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, str) or isinstance(b, str):
        return bool(a == b)
    if type(a) in (dict, list, tuple) or type(b) in (dict, list, tuple):
        return False
    a, b = np.asarray(a), np.asarray(b)
    if a.size == b.size == 1:
        a, b = a.reshape(()), b.reshape(())
    if a.dtype.kind not in "biuf" or b.dtype.kind not in "biuf":
        return bool(np.array_equal(a, b))
    return a.shape == b.shape and bool(np.allclose(a * 1.0, b * 1.0, rtol=1e-10, atol=1e-12, equal_nan=True))
