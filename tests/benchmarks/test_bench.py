"""The comparison of trainings, run as a process with settings so small that its numbers mean nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import bench_growth
import numpy as np
import pytest
from by_turns import tables
from by_turns.contestants import our_programs
from by_turns.problems import KINDS, course_weights, make_model, set_weights
from by_turns.rounds import agree, turned
from by_turns.worker import Problem
from by_turns.worker_process import last_line

from tinygrad_course.course.exercises import EXERCISES
from tinygrad_course.training.run import Batches
from tinygrad_course.training.fit import ENGINES

BENCH = [sys.executable, "-W", "error", str(Path(__file__).parent), "training"]
TINY = ["--model", "planar", "--engine", "eager", "--iterations", "20", "--rounds", "1", "--seconds", "0.01"]

# A program for the folder --peers: the last line is what `train` does.
WRONG = '''
class Trainer:
    def __init__(self, problem): {start}
    def reset(self): pass
    def train(self, iterations): {train}
'''


def run(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*BENCH, *map(str, arguments)], capture_output=True, text=True, cwd=folder, timeout=120)


def write_peer(folder: Path, name: str, start: str = "pass", train: str = "return 1.0") -> None:
    (folder / f"{name}_peer.py").write_text(WRONG.format(start=start, train=train))


# --- the whole command ----------------------------------------------------------------------------

@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any], Path]:
    """What a run printed, its JSON, and the folder."""
    folder = tmp_path_factory.mktemp("bench")
    done = run(*TINY, "--against", "handwritten", "--out", "results", folder=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout, json.loads((folder / "results/bench.json").read_text()), folder / "results"


def test_tables_are_printed(done: tuple[str, dict[str, Any], Path]) -> None:
    printed = done[0]
    for title in ("Time per step", "A whole training", "The first training", "A fresh process", "Peak memory"):
        assert title in printed
    assert "handwritten" in printed and "planar" in printed and " us" in printed and " MiB" in printed


def test_every_round_is_in_the_file(done: tuple[str, dict[str, Any], Path]) -> None:
    content = done[1]
    assert content["machine"]["cores"] >= 1 and content["machine"]["numpy"] == np.__version__
    assert content["programs"]["eager"]["ours"] and not content["programs"]["handwritten"]["ours"]
    planar = content["models"]["planar"]
    assert (planar["iterations"], planar["data"], planar["disagree"]) == (20, "flower", [])
    for numbers in planar["programs"].values():
        assert numbers["note"] is None and (numbers["how"] or "eager").startswith("eager")
        for kind in ("step", "training", "process", "peak"):
            assert len(numbers[kind]) == 1 and numbers[kind][0] > 0
    costs = [numbers["costs"] for numbers in planar["programs"].values()]
    assert f"{costs[0]['1']:.6f}" == EXERCISES["planar"].costs[0]
    assert costs[0]["50"] == pytest.approx(costs[1]["50"], rel=1e-9) and costs[0]["50"] < costs[0]["1"] - 0.01


def test_pictures_are_written(done: tuple[str, dict[str, Any], Path]) -> None:
    folder = done[2]
    assert (folder / "bench.svg").read_text().count("handwritten") >= 1
    assert (folder / "bench.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "bench.png").stat().st_size > 5000
    assert sorted(file.name for file in folder.iterdir()) == ["bench.json", "bench.png", "bench.svg"]


@pytest.mark.parametrize("arguments, message", [
    (["--model", "deep"], "there is no model 'deep'; there are logistic, planar, planar-50, two-layer"),
    (["--against", "tensorflow"], "there is no peer 'tensorflow'; there are autograd, handwr"),
    (["--engine", "fast"], "there is no engine 'fast'; there are eager, numpy, native"),
    (["--peers", "missing"], "missing: there is no such folder"),
    (["--peers", "."], "there is no file *_peer.py in this folder"),
    (["--dtype", "float16"], "'float16' is not one of 'float64', 'float32'"),
    (["--rounds", "0"], "0 is not in the range x>=1"),
    (["--out", "missing/bench.json"], "there is no folder missing"),
    (["--data", "missing", "--model", "logistic"], "missing: no such file or folder"),
])
def test_errors_are_one_line(arguments: list[str], message: str, tmp_path: Path) -> None:
    done = run(*arguments, folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("bench: ") and done.stderr.count("\n") == 1
    assert message in done.stderr


def test_the_other_benchmarks_run() -> None:
    """The tools are not run: that takes a minute, and they call only what other tests call too."""
    command = [sys.executable, "-W", "error", str(Path(__file__).parent)]
    done = subprocess.run([*command, "--help"], capture_output=True, text=True, timeout=120)
    assert all(name in done.stdout for name in ("growth", "imports", "tools", "training"))
    done = subprocess.run([*command, "imports", "--rounds", "1"], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr, done.stdout.count(" ms")) == (0, "", 3)


@pytest.mark.parametrize("engine", bench_growth.ENGINES)
@pytest.mark.parametrize("axis", bench_growth.SIZES)
def test_a_point_of_growth(axis: str, engine: str) -> None:
    found = bench_growth.measure(axis, 8, engine)
    assert set(found) == {"step", "memory"} | (set() if engine == "eager" else {"compile", "operations"})
    assert min(found.values()) > 0


# --- programs that do not do as they should -------------------------------------------------------

def test_what_cannot_take_part_is_said(tmp_path: Path) -> None:
    write_peer(tmp_path, "surely_missing")
    write_peer(tmp_path, "json", start="import not_there")      # its library, the json of Python, is there
    write_peer(tmp_path, "math", train="raise RuntimeError('out of order')")
    write_peer(tmp_path, "random", train="return 0.5")
    write_peer(tmp_path, "string", start="import os; os._exit(3)")
    done = run(*TINY, "--steps-only", "--peers", tmp_path, folder=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")  # one computes something else
    for line in ("surely-missing: surely is not installed", "planar, json: not_there is not installed",
                 "planar, math: RuntimeError: out of order", "planar, random: does not compute the same",
                 "planar, string: the process has ended: it said nothing"):
        assert line in done.stdout
    content = json.loads((tmp_path / "bench.json").read_text())["models"]["planar"]
    assert content["disagree"] == ["random"]
    assert [name for name, numbers in content["programs"].items() if numbers["step"]] == ["eager"]


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="no process groups here")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_all_processes(number: int, tmp_path: Path) -> None:
    write_peer(tmp_path, "time", train="import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(100)")
    process = subprocess.Popen([*BENCH, *TINY, "--peers", tmp_path], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, cwd=tmp_path)
    end = time.monotonic() + 60
    while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()) and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors.strip()) == (130, "bench: interrupted")
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


# --- the parts ------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", KINDS)
def test_weights_go_out_and_in_again(name: str) -> None:
    model = make_model(name, 3)
    weights = [W.astype(np.float32) for W in course_weights(model)]
    assert all(b.shape == (W.shape[0], 1) for W, b in zip(weights[0::2], weights[1::2]))
    set_weights(model, [w + 1 for w in weights])
    assert all(np.array_equal(a, w + 1) and a.dtype == np.float32 for a, w in zip(course_weights(model), weights))


def test_mini_batches_are_those_of_fit() -> None:
    X = np.arange(10.0).reshape(1, 10)
    problem = Problem("", "float64", "relu", "softmax", "adam", 0.1, 1, 1, 4, 3, 2, "", X=X)
    expected, batches = Batches(10, 4, 3), list(problem.batches(7))
    assert [len(chosen) for chosen in batches] == [4, 4, 2, 4, 4, 2, 4]
    assert all(np.array_equal(chosen, expected.columns(i)) for i, chosen in enumerate(batches))


def test_costs_must_agree_everywhere() -> None:
    assert agree({1: 1.0, 2: 2.0 + 1e-6}, {1: 1.0, 2: 2.0}, 1e-6, 1e-6)
    assert not agree({1: 1.0, 2: 2.0 + 1e-5}, {1: 1.0, 2: 2.0}, 1e-6, 1e-6)
    assert not agree({1: float("nan")}, {1: 1.0}, 1e-3, 1e-2)
    assert agree({50: 1.0, 301: 1.005}, {50: 1.0, 301: 1.0}, 1e-3, 1e-2)
    assert not agree({50: 1.005, 301: 1.0}, {50: 1.0, 301: 1.0}, 1e-3, 1e-2)


def test_everyone_is_first_in_turn() -> None:
    assert [turned("abc", number) for number in range(3)] == [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"]]
    assert turned([], 1) == []


@pytest.mark.parametrize("seconds, text", [
    (3.14159e-6, "3.14 us"), (9.996e-6, "10.0 us"), (99.96e-6, "100 us"), (0.9996e-3, "1.00 ms"), (0.0123, "12.3 ms"),
    (1.5, "1.50 s"), (123.4, "123 s"), (1e-8, "0.01 us")])
def test_durations_have_three_digits(seconds: float, text: str) -> None:
    assert tables.duration(seconds) == text


def test_cells_show_median_spread_and_ratio() -> None:
    assert tables.cell([1.0, 2.0, 3.0], 0.5, tables.duration) == "2.00 s ±25%\n4.00 x"
    assert tables.cell([2.0], None, tables.duration) == "2.00 s"
    assert tables.cell([], 0.5, tables.duration) == "-"
    assert tables.spread([5.0]) == 0


def test_last_line_of_errors(tmp_path: Path) -> None:
    (tmp_path / "errors").write_bytes(b"Traceback\n  line\nValueError: \xff no\n\n")
    with open(tmp_path / "errors", "rb") as errors:
        assert last_line(errors) == "ValueError: \ufffd no"


def test_engines_that_are_there_join() -> None:
    programs, notes = our_programs(None)
    assert {program.name for program in programs} == set(ENGINES) - {"auto"}
    assert len(programs) + len(notes) == len({"eager", "numpy", "native", *ENGINES} - {"auto"})
