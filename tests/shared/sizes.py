"""How large each room is: `make sizes` prints it, and the README's tables of rooms are held against it."""

from typing import NamedTuple

from places import ROOT

BEFORE = 22_463  # lines of the library when its files had no rooms yet
FOLDERS = {"tinygrad_course": "tinygrad_course", "models": "tinygrad_course.models",
           "visualize": "tinygrad_course.visualize"}  # of the repository, with the package that each is installed as


class Size(NamedTuple):
    """lines: with comments, docstrings and empty lines."""

    files: int
    lines: int


def sizes() -> dict[str, Size]:
    """Every room by its folder in the repository, and the framework itself as `tinygrad_course`."""
    found: dict[str, Size] = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            inner = path.relative_to(ROOT / folder).parts[:-1]
            room = "/".join([folder, *inner[:1]]) if folder == "tinygrad_course" else folder
            files, lines = found.get(room, Size(0, 0))
            found[room] = Size(files + 1, lines + path.read_text(encoding="utf-8").count("\n"))
    return found


def size_of_the_tests() -> Size:
    files = sorted((ROOT / "tests").rglob("*.py"))
    return Size(len(files), sum(path.read_text(encoding="utf-8").count("\n") for path in files))


def main() -> None:
    found = sizes()
    print(f"{'room':<28}{'files':>6}{'lines':>8}")
    for room, size in found.items():
        print(f"{room:<28}{size.files:>6}{size.lines:>8}")
    files, lines = (sum(column) for column in zip(*found.values()))
    print(f"{'the library':<28}{files:>6}{lines:>8}   {BEFORE} before it had rooms")
    files, lines = size_of_the_tests()
    print(f"{'tests':<28}{files:>6}{lines:>8}")


if __name__ == "__main__":
    main()
