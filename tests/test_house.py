"""Every concern in one room: which file may import which, what is left without a room, and one name for one thing."""

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest
from places import ROOT
from sizes import FOLDERS

# The framework itself, from the bottom to the top: a file imports only from those before it, and from no room.
CORE = ("interruption shell shown errors naming broadcasting mode ops conversions copying tensor protocols autodiff "
        "gradcheck holding dropout_and_batch_norm costs nn schedules optim arguments").split()
# What stands on it: each room or file with the others that it may import, and what those may.
ROOMS = {
    "files": "",
    "isolation": "files",
    "graph": "",
    "numpy_functions": "",
    "summary": "graph",
    "data": "isolation",
    "models": "",
    "compiler": "files graph",
    "training": "isolation compiler",
    "equations": "graph",
    "checking": "isolation equations",
    "compare": "checking",
    "course": "data models training",
    "visualize": "summary compare course",
    "cli": "visualize",
    "__main__": "cli",
}
# The package's own __init__ gathers public names, so that only what is no part of it may import it.
FACADE, ABOVE_THE_FACADE = "__init__", ["course", "cli"]

# Arrows upwards, between files or rooms, all of them in functions: a line that calls the file which does the work, and
# which builds on it.
UPWARDS = {
    ("tensor", "protocols"): "t @ array and np.tanh(t) are methods of Tensor; what they do is read after Tensor",
    ("tensor", "autodiff"): "t.backward() is a method of Tensor",
    ("ops", "numpy_functions"): "a pickled np.sin is found where its operation is entered",
    ("protocols", "numpy_functions"): "np.std(t) is looked for there when it is first called",
    ("training", "visualize"): "runs.plot() is a method of what was compared; a History shows itself with its curve",
    ("nn", "summary"): "nn.summary(model) is where users look for it",
    ("compiler.step", "compiler.javascript"): "step.javascript() is a method of a step",
}


class Import(NamedTuple):
    """What a file imports. function: within one, so that it is loaded only when that is called."""

    name: str
    function: bool


def source_files() -> dict[str, Path]:
    """Every source file by the name under which it is imported; a package's is its `__init__`."""
    return {".".join([package, *path.relative_to(ROOT / folder).with_suffix("").parts]).removesuffix(".__init__"): path
            for folder, package in FOLDERS.items() for path in sorted((ROOT / folder).rglob("*.py"))}


def imports(name: str, text: str, modules: set[str]) -> Iterator[Import]:
    """Everything that a file imports, wherever the import stands."""
    tree = ast.parse(text)
    functions = (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))
    within = {id(node) for function in functions for node in ast.walk(function)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, id(node) in within) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{name}, line {node.lineno}: write absolute imports"
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                if (node.module, alias.name) != ("tinygrad_course", "__version__"):  # a constant, not a file
                    yield Import(submodule if submodule in modules else node.module, id(node) in within)


def room(name: str) -> str:
    """The entry of CORE or ROOMS: "models" for "tinygrad_course.models.deep_network"."""
    return name.split(".")[1] if "." in name else FACADE


def inner(name: str) -> str:
    """ "models.deep_network" for "tinygrad_course.models.deep_network"."""
    return name.partition(".")[2]


def below(name: str) -> set[str]:
    """Everything that a room may import, near and far."""
    near = set(ROOMS[name].split())
    return near.union(*map(below, near))


def may_import(here: str, there: str) -> bool:
    if there == FACADE:
        return here in ABOVE_THE_FACADE
    if here == FACADE or there == here:
        return True
    if here in CORE:
        return there in CORE and CORE.index(there) < CORE.index(here)
    return there in CORE or there in below(here)


def wrong_imports(texts: dict[str, str]) -> list[str]:
    """What is wrong with the imports of these files, as sentences."""
    modules = set(source_files())
    wrong = []
    for name, text in texts.items():
        here = room(name)
        if here not in (*CORE, *ROOMS, FACADE):
            wrong.append(f"{name} has no place in CORE or ROOMS yet")
            continue
        for imported, in_function in imports(name, text, modules):
            package, there = imported.split(".")[0], room(imported)
            if package in ("models", "visualize", "tests"):
                wrong.append(f"{name} imports {imported}: there is no such package for users")
            elif package != "tinygrad_course":
                continue
            elif there not in (*CORE, *ROOMS, FACADE):
                wrong.append(f"{name} imports {imported}, which has no place in CORE or ROOMS yet")
            elif not (may_import(here, there) or in_function and (here, there) in UPWARDS):
                wrong.append(f"{name} imports {imported}, which does not stand below it")
    return wrong


def circle(texts: dict[str, str]) -> list[str] | None:
    """Files that import each other, be it in functions; None where there are none but UPWARDS."""
    modules = set(texts)
    arrows = {name: {other for other, _ in imports(name, text, modules)
                     if other in modules and other != name and not UPWARDS.keys() & {(room(name), room(other)),
                                                                                     (inner(name), inner(other))}}
              for name, text in texts.items()}
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return None


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return {name: path.read_text(encoding="utf-8") for name, path in source_files().items()}


# --- imports point down ---------------------------------------------------------------------------

def test_imports_point_down(texts: dict[str, str]) -> None:
    assert wrong_imports(texts) == []


def test_no_files_import_each_other(texts: dict[str, str]) -> None:
    assert circle(texts) is None


def test_every_exception_is_one(texts: dict[str, str]) -> None:
    modules = set(texts)
    found = {pair for name, text in texts.items() for other, _ in imports(name, text, modules)
             for pair in ((room(name), room(other)), (inner(name), inner(other)))}
    assert set(UPWARDS) <= found


@pytest.mark.parametrize("name, text, expected", [
    ("nn", "from tinygrad_course import ops, optim", "optim, which does not stand below it"),
    ("nn", "import tinygrad_course.visualize", "visualize, which does not stand below it"),
    ("nn", "def f():\n    from tinygrad_course.models import DeepNetwork", "models, which does not stand below it"),
    ("nn", "from tinygrad_course import fit", "imports tinygrad_course, which does not stand below it"),
    ("tensor", "from tinygrad_course.autodiff import grad", "autodiff, which does not stand below it"),
    ("graph.new", "from tinygrad_course.equations import derive", "equations, which does not stand below it"),
    ("compiler.new", "from tinygrad_course.training import fit", "training.fit, which does not stand below it"),
    ("models.new", "from models.deep_network import DeepNetwork", "no such package for users"),
    ("new", "", "no place in CORE or ROOMS yet"),
    ("nn", "import tinygrad_course.new", "no place in CORE or ROOMS yet"),
    ("tensor", "def f():\n    from tinygrad_course.autodiff import grad", None),
    ("nn", "import numpy\nfrom tinygrad_course import ops\nfrom tinygrad_course.tensor import Tensor", None),
])
def test_wrong_imports_are_found(name: str, text: str, expected: str | None) -> None:
    found = wrong_imports({f"tinygrad_course.{name}": text})
    assert found == [] if expected is None else expected in found[0]


def test_circles_are_found_within_a_room_and_in_functions() -> None:
    a, b, c = (f"tinygrad_course.graph.{letter}" for letter in "abc")
    line = {a: f"import {b}", b: f"def f():\n    from {c} import x", c: ""}
    assert circle(line) is None
    assert set(circle({**line, c: f"from {a} import y"}) or []) == {a, b, c}
    assert circle({"tinygrad_course.graph": f"from {a} import x", a: "from tinygrad_course.graph import x"})


# --- a house without one of its rooms -------------------------------------------------------------

LEARNS = """
import numpy as np
np.random.seed(1)
from tinygrad_course.nn import Linear, sigmoid
from tinygrad_course.optim import GradientDescent
from tinygrad_course.costs import binary_cross_entropy
layer, X, Y = Linear(2, 1, random=np.random.RandomState(0)), np.eye(2), np.array([[0.0, 1.0]])
costs = []
for _ in range(9):
    cost = binary_cross_entropy(sigmoid(layer(X)), Y)
    layer.zero_grad()
    cost.backward()
    for parameter in layer.parameters():
        parameter.data = parameter.data - parameter.grad
    costs.append(cost.item())
assert costs[-1] < 0.5 * costs[0], costs
"""


def without(gone: set[str], text: str) -> str:
    """The facade without the lines that gather names of rooms which are gone."""
    tree = ast.parse(text)
    tree.body = [node for node in tree.body
                 if not (isinstance(node, ast.ImportFrom) and node.module and room(node.module) in gone)]
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "tinygrad_course":
            node.names = [alias for alias in node.names if alias.name not in gone]
    return ast.unparse(tree)


@pytest.mark.parametrize("removed", [name for name in ROOMS if name != "files"])
def test_without_one_room_the_others_stand(removed: str, texts: dict[str, str], tmp_path: Path) -> None:
    """What is not built on a room is imported from a copy that does not have it, and the framework learns."""
    gone = {name for name in ROOMS if name == removed or removed in below(name)}
    kept = [name for name in texts if room(name) not in gone]
    for name in kept:
        inner = "/__init__.py" if source_files()[name].stem == "__init__" else ".py"
        path = tmp_path / (name.replace(".", "/") + inner)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(without(gone, texts[name]) if name == "tinygrad_course" else texts[name], encoding="utf-8")
    # What is gone must not be found where the package is installed, as it would be in a checkout.
    program = (f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\n"
               f"sys.modules.update(dict.fromkeys({sorted('tinygrad_course.' + name for name in gone)!r}))\n"
               f"import {', '.join(kept)}\nassert tinygrad_course.__file__.startswith({str(tmp_path)!r})\n{LEARNS}")
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True,
                          cwd=tmp_path, timeout=120)
    assert (done.returncode, done.stderr) == (0, ""), (removed, kept)


# --- one name for one thing -----------------------------------------------------------------------

FILES_THAT_SHARE_A_NAME = {
    "draw": "visualize: draw_graph and draw_network, each the way into its room",
    "broadcasting": "the rule, and its plot",
    "images": "the course's images, and their plots",
    "training": "how the course trains, for checking; and plots of a training",
    "layered": "models and a layout in layers",
    "step": "of training, and as JavaScript",
    "expressions": "of mathematics, and of JavaScript",
    "report": "of checking, and of the reproduction",
}
CLASSES_THAT_SHARE_A_NAME = {
    "Run": "a training, a learner's training, and words written in one go",
    "Reading": "of a graph, and of a learner's file",
    "Access": "to an array, in JavaScript and in machine code",
    "Text": "of JavaScript, and in a picture",
    "_Chain": "of units, in two pictures of a network",
    "_Contents": "of a file of images, and of a checkpoint",
}


def shared(found: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: places for name, places in found.items() if len(places) > 1}


def test_no_two_files_share_a_name_unsaid(texts: dict[str, str]) -> None:
    found: dict[str, list[str]] = defaultdict(list)
    for name, path in source_files().items():
        if path.stem not in ("__init__", "__main__"):
            found[path.stem].append(name)
    assert {name: places for name, places in shared(found).items() if name not in FILES_THAT_SHARE_A_NAME} == {}


def test_no_two_classes_share_a_name_unsaid(texts: dict[str, str]) -> None:
    found: dict[str, list[str]] = defaultdict(list)
    for name, text in texts.items():
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef):
                found[node.name].append(name)
    assert {name: places for name, places in shared(found).items() if name not in CLASSES_THAT_SHARE_A_NAME} == {}
