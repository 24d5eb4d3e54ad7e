"""The notebooks: written from their sources, run from top to bottom, their exercises checked."""
from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tinygrad_course.course.notebooks import notebooks, write_notebooks

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("jupytext")

DOCS = Path(__file__).parents[2] / "docs"
NAMES = sorted(notebooks())
ANSWER = re.compile(r"<summary>Answer.*?```python\n(.*?)```", re.DOTALL)


def generator() -> Any:
    specification = importlib.util.spec_from_file_location("write_notebooks", DOCS / "extensions/write_notebooks.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_there_are_all() -> None:
    assert len(NAMES) == 7


def test_notebooks_are_those_of_their_sources() -> None:
    module = generator()
    assert {f"{source.stem}.ipynb": module.notebook_text(source) for source in module.sources()} == {
        path.name: path.read_text(encoding="utf-8") for path in (DOCS / "notebooks").glob("*.ipynb")}


def exercises(cells: list[Any]) -> list[tuple[int, str]]:
    """The place of each exercise, and its answer, which stands in the text after it."""
    return [(i, ANSWER.search(cells[i + 1].source)[1]) for i, cell in enumerate(cells)  # type: ignore[index]
            if "exercise" in cell.metadata.get("tags", [])]


def run(cells: list[Any], folder: Path) -> tuple[Any, float]:
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": {"name": "python3", "language": "python",
                                                                              "display_name": "Python 3"}})
    begin = time.perf_counter()
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook, time.perf_counter() - begin


def texts(cell: Any) -> str:
    return "".join(str(output.get("text", "")) + str(output.get("data", {}).get("text/plain", ""))
                   for output in cell.outputs)


@pytest.mark.parametrize("name", NAMES)
def test_each_runs_and_its_exercises_are_checked(name: str, tmp_path: Path) -> None:
    """Once as it is, where no exercise passes; once with the answers, where each does. No warning, no long output."""
    cells = nbformat.reads(notebooks()[name], as_version=4).cells
    places = exercises(cells)
    unsolved, _ = run(cells, tmp_path)
    for i, _ in places:
        assert re.search(r"not done yet|wrong", texts(unsolved.cells[i])), texts(unsolved.cells[i])
    solved = nbformat.reads(notebooks()[name], as_version=4).cells
    for i, answer in places:
        solved[i].source = "%%check\n" + answer
    done, _ = run(solved, tmp_path)
    for i, _ in places:
        assert re.search(r"\bright\b", texts(done.cells[i])), texts(done.cells[i])
        assert not re.search(r"not done yet|wrong", texts(done.cells[i])), texts(done.cells[i])
    for notebook in (unsolved, done):
        for cell in notebook.cells:
            for output in cell.get("outputs", []):
                assert output.get("name") != "stderr", output
                assert len(json.dumps(output)) < 100_000, cell.source


# --- into a folder --------------------------------------------------------------------------------


def test_a_changed_notebook_is_kept(tmp_path: Path) -> None:
    folder, done = write_notebooks(tmp_path / "new" / "notebooks")
    assert set(done.values()) == {"new"} and sorted(done) == NAMES
    mine = folder / NAMES[2]
    mine.write_text("{ half edited", encoding="utf-8")
    (folder / NAMES[3]).unlink()
    (folder / NAMES[4]).write_bytes(b"\xff\xfe")
    (folder / NAMES[5]).unlink()
    (folder / NAMES[5]).symlink_to(tmp_path / "nowhere")
    _, again = write_notebooks(folder)
    kept = "kept: it was changed"
    assert list(again.values()) == ["as it was", "as it was", kept, "new", kept, kept, "as it was"]
    assert mine.read_text(encoding="utf-8") == "{ half edited"


def tgc(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-W", "error", "-m", "tinygrad_course", "notebooks", *arguments],
                          capture_output=True, text=True, env={**os.environ, **environment}, timeout=60)


def test_the_command(tmp_path: Path) -> None:
    done = tgc(str(tmp_path / "n"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"{tmp_path / 'n' / name}: new" for name in NAMES]
    (tmp_path / "file").write_text("")
    refused = tgc(str(tmp_path / "file"))
    assert refused.returncode == 2 and len(refused.stderr.splitlines()) == 1
    assert "the folder cannot be made" in refused.stderr


def test_without_jupyterlab_it_says_what_to_install(tmp_path: Path) -> None:
    if importlib.util.find_spec("jupyterlab") is not None:
        pytest.skip("JupyterLab is installed")
    done = tgc(str(tmp_path), "--open")
    assert done.returncode == 2 and "pip install jupyterlab" in done.stderr
