"""What users install, what importing it loads, and which file may import which."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest

import tinygrad_course

ROOT = Path(__file__).parents[1]
# Where the folders at the top of the repository are to be found in the installed package.
FOLDERS = {"tinygrad_course": "tinygrad_course", "models": "tinygrad_course.models",
           "visualize": "tinygrad_course.visualize"}

# From the bottom to the top: a file imports only from those before it. A name may stand for a whole package.
LAYERS = """
    errors broadcasting ops mode tensor protocols autodiff gradcheck
    costs nn summary optim
    files isolation data graph
    compiler training
    equations checking compare
    __init__
    models course visualize
    cli __main__
""".split()
# Methods of Tensor, and nn.summary: one line and a pointer to the file that does the work, which builds on them.
UPWARDS_IN_FUNCTIONS = {("tensor", "autodiff"), ("tensor", "protocols"), ("nn", "summary")}

HEAVY = ["h5py", "graphviz", "matplotlib", "sklearn", "scipy", "click", "rich", "llvmlite", "PIL", "pooch",
         "platformdirs", "requests", "tqdm"]


def source_files() -> dict[str, Path]:
    """Every source file by the name under which it is imported; a package's is its `__init__`."""
    files = {}
    for folder, package in FOLDERS.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = ".".join([package, *path.relative_to(ROOT / folder).with_suffix("").parts])
            files[name] = path
    return files


# --- the wheel ------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked wheel, built from a copy: a build leaves files behind."""
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("wheel")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run([sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation",
                           "--no-index", "--disable-pip-version-check", "--wheel-dir", out, copy],
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    [path] = out.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(out / "unpacked")
    return out / "unpacked"


def test_wheel_holds_every_source_file_and_nothing_else(wheel: Path) -> None:
    expected = {f"{name.replace('.', '/')}.py" for name in source_files()} | {"tinygrad_course/py.typed"}
    for folder in FOLDERS:  # what pages are made of
        expected |= {(Path("tinygrad_course", path.relative_to(ROOT)) if folder == "visualize" else
                      path.relative_to(ROOT)).as_posix() for path in (ROOT / folder).rglob("*")
                     if path.suffix in (".html", ".css", ".js")}
    found = {path.relative_to(wheel).as_posix() for path in wheel.rglob("*") if path.is_file()}
    assert {name for name in found if ".dist-info/" not in name} == expected
    assert {name.split("/")[0].split("-")[0] for name in found} == {"tinygrad_course"}


def test_wheel_has_the_command_and_the_licence(wheel: Path) -> None:
    [info] = wheel.glob("*.dist-info")
    assert "tgc = tinygrad_course.cli:main" in (info / "entry_points.txt").read_text()
    assert list(info.rglob("LICENSE"))


def test_wheel_can_be_imported(wheel: Path) -> None:
    program = ("import tinygrad_course, tinygrad_course.models, tinygrad_course.visualize\n"
               "print(tinygrad_course.models.__file__)")
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True,
                          cwd=wheel, env={**os.environ, "PYTHONPATH": str(wheel)}, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert Path(done.stdout.strip()) == wheel / "tinygrad_course" / "models" / "__init__.py"


# --- the installed package ------------------------------------------------------------------------

def test_version_is_said_once() -> None:
    assert tinygrad_course.__version__ == distribution("tinygrad_course").version


def test_the_installed_package_is_what_is_tested() -> None:
    installed = distribution("tinygrad_course")
    origin = json.loads(installed.read_text("direct_url.json") or "{}")
    editable = origin.get("dir_info", {}).get("editable", False)
    expected = ROOT if editable else Path(str(installed.locate_file("")))
    assert Path(tinygrad_course.__file__).parent == expected.resolve() / "tinygrad_course"


def test_import_loads_numpy_and_nothing_heavier(tmp_path: Path) -> None:
    program = f"import sys, tinygrad_course; print(*(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True,
                          cwd=tmp_path, timeout=60)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, [], "")


# --- which file imports which ---------------------------------------------------------------------

def layer(name: str) -> str:
    """The entry of LAYERS for an importable name: "models" for "tinygrad_course.models.deep_network"."""
    return name.split(".")[1] if "." in name else "__init__"


def imports(path: Path, modules: set[str]) -> Iterator[tuple[str, bool]]:
    """(name, whether within a function) of everything that a file imports, wherever the import stands."""
    tree = ast.parse(path.read_text())
    functions = (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))
    within = {id(node) for function in functions for node in ast.walk(function)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in within) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{path}: line {node.lineno}: write absolute imports"
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                if (node.module, alias.name) != ("tinygrad_course", "__version__"):  # a constant, not a layer
                    yield (submodule if submodule in modules else node.module), id(node) in within


def wrong_imports(files: dict[str, Path]) -> list[str]:
    modules = {name.removesuffix(".__init__") for name in source_files()}
    wrong = []
    for name, path in files.items():
        here = layer(name)
        if here not in LAYERS:
            wrong.append(f"{name} has no place in LAYERS yet")
            continue
        for imported, in_function in imports(path, modules):
            package, there = imported.split(".")[0], layer(imported)
            if package in ("models", "visualize", "tests"):
                wrong.append(f"{name} imports {imported}: there is no such package for users")
            elif package != "tinygrad_course" or there == here:
                continue
            elif there not in LAYERS:
                wrong.append(f"{name} imports {imported}, which has no place in LAYERS yet")
            elif LAYERS.index(there) > LAYERS.index(here):
                if not (in_function and (here, there) in UPWARDS_IN_FUNCTIONS):
                    wrong.append(f"{name} imports {imported}, which stands above it")
    return wrong


def test_imports_point_down() -> None:
    assert wrong_imports(source_files()) == []


@pytest.mark.parametrize("name, text, expected", [
    ("nn", "from tinygrad_course import ops, optim", "optim, which stands above it"),
    ("nn", "import tinygrad_course.visualize", "visualize, which stands above it"),
    ("nn", "def f():\n    from tinygrad_course.models import DeepNetwork", "models, which stands above it"),
    ("nn", "from tinygrad_course import fit", "imports tinygrad_course, which stands above it"),
    ("tensor", "from tinygrad_course.autodiff import grad", "autodiff, which stands above it"),
    ("models.new", "from models.deep_network import DeepNetwork", "no such package for users"),
    ("new", "", "no place in LAYERS yet"),
    ("nn", "import tinygrad_course.new", "no place in LAYERS yet"),
    ("tensor", "def f():\n    from tinygrad_course.autodiff import grad", None),
    ("nn", "import numpy\nfrom tinygrad_course import ops\nfrom tinygrad_course.tensor import Tensor", None),
])
def test_wrong_imports_are_found(name: str, text: str, expected: str | None, tmp_path: Path) -> None:
    path = tmp_path / "file.py"
    path.write_text(text)
    found = wrong_imports({f"tinygrad_course.{name}": path})
    assert found == [] if expected is None else expected in found[0]


# --- the repository -------------------------------------------------------------------------------

def test_commands_of_the_readme_are_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = re.findall(r"^\W*make ([a-z]+)", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert {"reproduce", "test", *commands} <= targets
    assert commands[:2] in (["reproduce", "test"], [])


def test_the_check_can_be_run() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_no_data_is_tracked() -> None:
    # Learners' own checkpoints may lie about here: what counts is what git knows or, without git, everything.
    names = [str(path) for path in ROOT.rglob("*") if ".venv" not in path.parts]
    if (ROOT / ".git").exists() and shutil.which("git"):
        done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
        names = done.stdout.split("\0") if done.returncode == 0 else names
    assert [name for name in names if name.endswith((".h5", ".hdf5"))] == []
