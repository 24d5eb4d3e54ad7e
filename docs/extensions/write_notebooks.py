"""The notebooks without outputs, from their sources: `python docs/extensions/write_notebooks.py`."""
from pathlib import Path

import jupytext
import nbformat

FOLDER = Path(__file__).parents[1] / "notebooks"


def sources() -> list[Path]:
    return sorted((FOLDER / "sources").glob("*.py"))


def notebook_text(source: Path) -> str:
    """The notebook of a source. Cells are numbered, so that the same source gives the same file."""
    notebook = jupytext.read(source)
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id = f"cell-{number}"
    notebook.metadata.pop("jupytext", None)
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.validate(notebook)
    return nbformat.writes(notebook) + "\n"


if __name__ == "__main__":
    for path in sources():
        (FOLDER / f"{path.stem}.ipynb").write_text(notebook_text(path), encoding="utf-8")
