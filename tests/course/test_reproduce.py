"""`tgc reproduce`: with the course's images every number matches, and whatever does not is found and named."""

import dataclasses
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from command import TGC, Done, python

from tinygrad_course import Tensor, data
from tinygrad_course.training import checkpoint
from tinygrad_course.course.exercises import EXERCISES, Exercise
from tinygrad_course.errors import InputError
from tinygrad_course.models import PlanarClassifier
from tinygrad_course.nn import Module
from tinygrad_course.course.reproduce import Result, conclusion, gradient_difference, run
from tinygrad_course.training import History

TITLES = {exercise.title: name for name, exercise in EXERCISES.items()}
CORRECT = {"logistic": {"train": [207, 209], "test": [35, 50]}, "two-layer": {"train": [209, 209], "test": [36, 50]},
           "four-layer": {"train": [206, 209], "test": [40, 50]}}

every_exercise = pytest.mark.parametrize("name", EXERCISES)


def tgc(folder: Path, *arguments: str, before: str = "") -> Done:
    """`tgc`, after a program that may change the exercises."""
    program = ("import dataclasses, sys\nfrom tinygrad_course import cli\n"
               f"from tinygrad_course.course import exercises as course\n{before}\ncli.main()")
    return python(program, folder, *arguments)


def sections(output: str) -> dict[str, list[str]]:
    """The lines that were printed for each model."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in output.splitlines():
        name = TITLES.get(line, name)
        found.setdefault(name, []).append(line)
    return found


def rows(lines: list[str]) -> list[list[str]]:
    """The rows of the table of costs, with its heading."""
    start = next(i for i, line in enumerate(lines) if line.startswith("iteration"))
    return [line.split() for line in lines[start:lines.index("", start)]]


def one(pattern: str, lines: list[str]) -> re.Match[str]:
    (match,) = [match for line in lines if (match := re.fullmatch(pattern, line))]
    return match


# --- with the course's images ---------------------------------------------------------------------

@dataclasses.dataclass
class Reproduction:
    done: Done
    folder: Path


@pytest.fixture(scope="module")
def reproduction(images_folder: str, tmp_path_factory: pytest.TempPathFactory) -> Reproduction:
    """All four models, trained as the course does it: a minute where nothing else runs."""
    folder = tmp_path_factory.mktemp("reproduced")
    command = [*TGC, "reproduce", "--data", images_folder, "--out", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=3000)
    return Reproduction(done, folder)


@pytest.mark.slow
def test_everything_matches(reproduction: Reproduction) -> None:
    assert (reproduction.done.returncode, reproduction.done.stderr) == (0, "")
    assert reproduction.done.stdout.endswith("\neverything that can match the course does\n")
    assert "differs" not in reproduction.done.stdout.lower() and "stand-in" not in reproduction.done.stdout
    assert list(sections(reproduction.done.stdout))[1:] == list(EXERCISES)


@pytest.mark.slow
@every_exercise
def test_every_row_of_the_table(reproduction: Reproduction, name: str) -> None:
    heading, *table = rows(sections(reproduction.done.stdout)[name])
    exercise = EXERCISES[name]
    assert heading == ["iteration", "cost", "course", "difference"]
    assert {int(iteration): course for iteration, _, course, _ in table} == exercise.costs
    differences = []
    for iteration, ours, course, difference in table:
        assert exercise.agrees(int(iteration), float(ours))
        if name in ("logistic", "four-layer") or (name == "planar" and int(iteration) < 8000):
            assert ours == course
        differences.append(float(difference))
    largest = float(one(r"largest difference of the costs (\S+)( \(8000 and later: rounding\))?",
                        sections(reproduction.done.stdout)[name])[1])
    assert largest == max(differences) <= {"two-layer": 1e-9, "planar": 5e-4}.get(name, 5e-7)


@pytest.mark.slow
@every_exercise
def test_accuracies(reproduction: Reproduction, name: str) -> None:
    lines, exercise = sections(reproduction.done.stdout)[name], EXERCISES[name]
    if name == "planar":
        score = one(r"train accuracy: (\S+) % \(\d+ of 400\)   course: at least 90 %", lines)[1]
        assert float(score) >= 90
        return
    for part, score in (("train", exercise.train_score), ("test", exercise.test_score)):
        right, m = CORRECT[name][part]
        assert f"{part} accuracy: {score} ({right} of {m})   course: {score}" in lines


@pytest.mark.slow
@every_exercise
def test_gradients_over_the_training(reproduction: Reproduction, name: str) -> None:
    lines = sections(reproduction.done.stdout)[name]
    found = one(r"autodiff against closed-form gradients: largest relative difference (\S+)", lines)
    assert float(found[1]) <= 1e-12


@pytest.mark.slow
def test_results_json(reproduction: Reproduction) -> None:
    results = json.loads((reproduction.folder / "results.json").read_text())["models"]
    assert [result["model"] for result in results] == list(EXERCISES)
    for result in results:
        exercise = EXERCISES[result["model"]]
        assert result["course_data"] and result["mismatches"] == [] and result["gradient_difference"] <= 1e-12
        assert result["course_costs"] == {str(i): cost for i, cost in exercise.costs.items()}
        assert all(exercise.agrees(int(i), cost) for i, cost in result["costs"].items())
        assert result["correct"] == CORRECT.get(exercise.name, result["correct"])


@pytest.mark.slow
@every_exercise
def test_models_are_saved_as_trained(reproduction: Reproduction, cats: data.Dataset, name: str) -> None:
    loaded = checkpoint.load(reproduction.folder / f"{name}.h5")
    if name == "planar":
        X, Y = data.planar()
        assert np.mean((loaded.model(X).numpy() > 0.5) == Y) >= 0.9
        return
    assert loaded.preprocessing["num_px"] == 64 and loaded.classes == cats.classes
    for part, X, Y in (("train", cats.X_train, cats.Y_train), ("test", cats.X_test, cats.Y_test)):
        assert [int(np.sum((loaded.model(X).numpy() > 0.5) == Y)), Y.size] == CORRECT[name][part]


# --- without them ---------------------------------------------------------------------------------

def test_planar_needs_no_images(tmp_path: Path) -> None:
    done = tgc(tmp_path, "reproduce", "planar", "planar", "--out", "new/folder")
    assert (done.returncode, done.stderr) == (0, "")
    lines = sections(done.stdout)["planar"]
    heading, *table = rows(lines)
    assert heading == ["iteration", "cost", "course", "difference"] and len(table) == 10
    assert all(ours == course for _, ours, course, _ in table[:8])
    assert lines[-1] == "everything that can match the course does"
    assert "report: new/folder/index.html; models and results.json are beside it" in lines
    assert max(map(len, lines)) <= 80
    assert sorted(os.listdir(tmp_path / "new/folder")) == ["index.html", "planar.h5", "results.json"]
    (result,) = json.loads((tmp_path / "new/folder/results.json").read_text())["models"]  # once, though named twice
    assert list(result) == ["model", "course_data", "learning_rate", "iterations", "seconds", "engine", "why", "costs",
                            "course_costs", "correct", "accuracy", "gradient_difference", "mismatches"]


SHORTENED = """
for name, exercise in course.EXERCISES.items():
    course.EXERCISES[name] = dataclasses.replace(exercise, iterations=3, print_every=1,
                                                 costs=dict(enumerate(list(exercise.costs.values())[:3])))
"""


@pytest.mark.slow
def test_without_images_the_course_column_is_left_out(tmp_path: Path) -> None:
    done = tgc(tmp_path, "reproduce", "logistic", "two-layer", "four-layer", "--out", "out", before=SHORTENED)
    assert (done.returncode, done.stderr) == (0, "")
    first, *others = done.stdout.splitlines()
    assert first == ("using stand-in images drawn by tinygrad_course: numbers cannot be compared with the course's; "
                     "get its images with `tgc data fetch`, or give --data")
    assert "stand-in" not in "\n".join(others)
    for name in ("logistic", "two-layer", "four-layer"):
        lines = sections(done.stdout)[name]
        heading, *table = rows(lines)
        assert heading == ["iteration", "cost"] and [row[0] for row in table] == ["0", "1", "2"]
        assert all(len(row) == 2 for row in table)
        assert "course:" not in "\n".join(lines) and "largest difference of the costs" not in "\n".join(lines)
        one(r"test accuracy: .* \(\d+ of 50\)", lines)
        assert float(one(r"autodiff against closed-form .* (\S+)", lines)[1]) <= 1e-12
    results = json.loads((tmp_path / "out/results.json").read_text())["models"]
    assert [(result["course_data"], result["course_costs"]) for result in results] == [(False, None)] * 3


def test_own_images_are_neither_the_courses_nor_stand_ins(tmp_path: Path) -> None:
    write_images(tmp_path / "own.h5")
    done = tgc(tmp_path, "reproduce", "two-layer", "--data", "own.h5", before=SHORTENED)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("own.h5 are not the course's images, so its numbers cannot be compared\n")
    assert rows(sections(done.stdout)["two-layer"])[0] == ["iteration", "cost"]


def write_images(file: Path) -> None:
    random = np.random.RandomState(0)
    with h5py.File(file, "w") as opened:
        for part, m in (("train", 12), ("test", 5)):
            opened[f"{part}_set_x"] = random.randint(0, 256, (m, 4, 4, 3)).astype(np.uint8)
            opened[f"{part}_set_y"] = np.arange(m) % 2


# --- what is wrong is found -----------------------------------------------------------------------

@pytest.mark.parametrize("change, difference", [
    ("course.EXERCISES['planar'] = dataclasses.replace(course.EXERCISES['planar'], learning_rate=0.6)",
     "9 of 10 costs are not the course's, the first that of iteration 1000"),
    ("course.EXERCISES['planar'] = dataclasses.replace(course.EXERCISES['planar'], least_accuracy=0.95)",
     r"the train accuracy is 9\S+ %, less than 95 %"),
    ("""
from tinygrad_course.models import PlanarClassifier
right = PlanarClassifier.closed_form
PlanarClassifier.closed_form = lambda self, X, Y, steps=False: {
    name: value * 1.001 for name, value in right(self, X, Y, steps).items()}
""", "autodiff and closed-form gradients differ by a relative 5.0e-04"),
], ids=["learning rate", "accuracy", "closed form"])
def test_exit_status_1(change: str, difference: str, tmp_path: Path) -> None:
    done = tgc(tmp_path, "reproduce", "planar", "--out", ".", before=change)
    assert (done.returncode, done.stderr) == (1, "")
    named = one(f"DIFFERS: ({difference})", done.stdout.splitlines())[1]
    assert done.stdout.endswith("\nnot as in the course: planar\n")
    marked = [row[0] for row in rows(sections(done.stdout)["planar"]) if row[-1] == "DIFFERS"]
    assert len(marked) == (9 if "costs" in difference else 0)
    (result,) = json.loads((tmp_path / "results.json").read_text())["models"]
    assert result["mismatches"] == [named]


def sabotaged(name: str, parameter: str, factor: float) -> Exercise:
    """An exercise of three iterations in which the closed form of one parameter's gradient is wrong."""
    exercise = EXERCISES[name]

    def make(n_x: int) -> Module:
        model: Any = exercise.make(n_x)
        right = model.closed_form
        model.closed_form = lambda X, Y: {**right(X, Y), parameter: right(X, Y)[parameter] * factor}
        return model  # type: ignore[no-any-return]
    return dataclasses.replace(exercise, make=make, iterations=3, print_every=1,
                               costs=dict(enumerate(list(exercise.costs.values())[:3])))


@pytest.fixture(scope="module")
def few_images(tmp_path_factory: pytest.TempPathFactory) -> data.Dataset:
    file = tmp_path_factory.mktemp("images") / "few.h5"
    write_images(file)
    return data.load_images(file)


PARAMETERS = [(name, parameter) for name, exercise in EXERCISES.items()
              for parameter, _ in exercise.make(2).named_parameters()]


@pytest.mark.parametrize("name, parameter", PARAMETERS)
@pytest.mark.parametrize("factor", [1.001, float("nan")])
def test_one_wrong_gradient_is_found(name: str, parameter: str, factor: float, few_images: data.Dataset) -> None:
    shown: list[str] = []
    result = run(sabotaged(name, parameter, factor), few_images, shown.append)
    assert any(line.startswith("DIFFERS: autodiff and closed-form gradients differ by") for line in shown)
    assert not result.gradient_difference <= 1e-9


@every_exercise
def test_right_gradients_are_not_complained_about(name: str, few_images: data.Dataset) -> None:
    parameter = next(parameter for other, parameter in PARAMETERS if other == name)
    result = run(sabotaged(name, parameter, 1.0), few_images, lambda line: None)
    assert result.gradient_difference <= 1e-12
    assert result.comparable == (name == "planar")


def result_of(name: str, **changes: Any) -> Result:
    """What a perfect run on the course's images would give, but for some changes."""
    exercise = EXERCISES[name]
    history = History(costs={i: float(cost) for i, cost in exercise.costs.items()}, iterations=exercise.iterations)
    scores = {"train": exercise.train_score or "91 %", "test": exercise.test_score or ""}
    correct = {"train": (190, 209), "test": (40, 50)}
    perfect = Result(exercise, True, PlanarClassifier(), history, 1e-15, correct, scores)
    return dataclasses.replace(perfect, **changes)


@every_exercise
def test_a_perfect_result_has_no_mismatches(name: str) -> None:
    assert result_of(name).mismatches() == []
    assert not any("DIFFERS" in line for line in conclusion(result_of(name)))


@pytest.mark.parametrize("changes, expected", [
    ({"gradient_difference": 1.1e-12}, "autodiff and closed-form gradients differ by a relative 1.1e-12"),
    ({"gradient_difference": float("nan")}, "autodiff and closed-form gradients differ by a relative nan"),
    ({"scores": {"train": "99.0 %", "test": "70.0 %"}}, "the train accuracy is 99.0 %, the course prints 99.043"),
    ({"scores": {"train": "99.04306220095694 %", "test": "72.0 %"}}, "the test accuracy is 72.0 %, the course"),
    ({"history": History(costs={0: 0.693147})}, "19 of 20 costs are not the course's, the first that of iteration 100"),
])
def test_mismatches(changes: dict[str, Any], expected: str) -> None:
    (found,) = result_of("logistic", **changes).mismatches()
    assert found.startswith(expected)


def test_only_gradients_can_be_wrong_on_other_images() -> None:
    other = result_of("logistic", comparable=False, history=History(), scores={"train": "1 %", "test": "1 %"})
    assert other.mismatches() == []
    assert len(dataclasses.replace(other, gradient_difference=1.0).mismatches()) == 1


def test_largest_cost_difference() -> None:
    result = result_of("logistic")
    result.history.costs[300] += 0.25
    assert result.largest_cost_difference() == 0.25


def test_images_are_asked_for() -> None:
    with pytest.raises(InputError, match="logistic is trained on images: give some"):
        run(EXERCISES["logistic"], None)


# --- the measure ----------------------------------------------------------------------------------

class Given(Module):
    """A model whose gradients are given: g by autodiff, c in closed form."""

    def __init__(self, g: list[float], c: list[float]):
        self.w = Tensor(np.zeros(len(g)), requires_grad=True)
        self.w.grad = np.array(g)
        self.c = np.array(c)

    def closed_form(self, X: Any, Y: Any) -> dict[str, Any]:
        return {"w": self.c}


@pytest.mark.parametrize("g, c, expected", [
    ([3.0, 4.0], [3.0, 4.0], 0.0),
    ([0.0, 0.0], [0.0, 0.0], 0.0),
    ([3.0, 4.0], [0.0, 0.0], 1.0),
    ([3.0, 4.0], [-3.0, -4.0], 1.0),
    ([0.0, 3.0], [4.0, 0.0], 5 / 7),
    ([3e-200, 4e-200], [3e-200, 4e-200], 0.0),
])
def test_gradient_difference(g: list[float], c: list[float], expected: float) -> None:
    assert gradient_difference(Given(g, c), None, None) == pytest.approx(expected)
