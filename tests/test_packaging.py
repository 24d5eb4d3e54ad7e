"""What users install, and what importing it loads."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from places import ROOT
from sizes import FOLDERS

import tinygrad_course

HEAVY = ["h5py", "graphviz", "matplotlib", "sklearn", "scipy", "click", "rich", "llvmlite", "PIL", "pooch",
         "platformdirs", "requests", "tqdm"]


# --- the wheel ------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked wheel, built from a copy: a build leaves files behind."""
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("wheel")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for name in (*FOLDERS, "docs/notebooks"):
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
    # Programs, and what pages are made of.
    expected = {f"{package.replace('.', '/')}/{path.relative_to(ROOT / folder).as_posix()}"
                for folder, package in FOLDERS.items() for path in (ROOT / folder).rglob("*")
                if path.suffix in (".py", ".html", ".css", ".js")} | {"tinygrad_course/py.typed"}
    expected |= {f"tinygrad_course/notebooks/{path.name}" for path in (ROOT / "docs/notebooks").iterdir()
                 if path.suffix in (".py", ".ipynb")}
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


def tracked() -> set[str]:
    """The files of the repository: what git knows, or without git all that no program has made."""
    if (ROOT / ".git").exists() and shutil.which("git"):
        done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
        if done.returncode == 0:  # not so where the repository is somebody else's
            return {name for name in done.stdout.split("\0") if name and (ROOT / name).exists()}
    made = {"__pycache__", "build", "dist", "PKG-INFO"}
    return {path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if path.is_file() and not any(
        part in made or part.endswith(".egg-info") or part.startswith(".") and part != ".ci"
        for part in path.relative_to(ROOT).parts)}


def test_the_source_distribution_holds_every_file(tmp_path: Path) -> None:
    """With the tests, and all that they read."""
    for name in tracked():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    program = "from setuptools.build_meta import build_sdist; build_sdist('out')"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    [file] = (tmp_path / "out").glob("*.tar.gz")
    with tarfile.open(file) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert tracked() - held == set()


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


# --- the repository -------------------------------------------------------------------------------

def test_commands_of_the_readme_are_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = re.findall(r"^\W*make ([a-z]+)", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert {"reproduce", "test", *commands} <= targets
    assert commands[:2] in (["reproduce", "test"], [])


def test_the_check_can_be_run() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_no_data_is_tracked() -> None:
    assert [name for name in tracked() if name.endswith((".h5", ".hdf5"))] == []
