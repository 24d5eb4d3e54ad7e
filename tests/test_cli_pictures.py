"""`tgc draw`, `tgc derive` and `tgc check`, run as processes."""

import subprocess
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from command import TGC, Done, environment
from places import LEARNERS

from tinygrad_course.training import checkpoint
from tinygrad_course.models import PlanarClassifier

STYLES = ["graph", "backward", "comprehensive", "simplified", "blocks"]


def tgc(folder: Path, *arguments: str, path: str | None = None) -> Done:
    changes = {} if path is None else {"PATH": path}
    return subprocess.run([*TGC, *arguments], capture_output=True, text=True, cwd=folder,
                          env=environment(folder, **changes), timeout=120)


def refused(done: Done) -> str:
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "Traceback" not in done.stderr, done.stderr
    return done.stderr


@pytest.mark.parametrize("style", STYLES)
def test_every_style_is_drawn_with_an_empty_path(style: str, tmp_path: Path) -> None:
    done = tgc(tmp_path, "draw", "planar", "--style", style, path="")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"planar-{style}.svg: ") and done.stdout.count("\n") == 1
    ElementTree.parse(tmp_path / f"planar-{style}.svg")


@pytest.mark.parametrize("model", ["logistic", "two-layer", "four-layer"])
def test_every_model_is_drawn(model: str, tmp_path: Path) -> None:
    for style in STYLES:
        assert tgc(tmp_path, "draw", model, "--style", style, "--out", f"{style}.svg").returncode == 0
        ElementTree.parse(tmp_path / f"{style}.svg")


@pytest.mark.parametrize(("ending", "start"), [(".png", b"\x89PNG"), (".pdf", b"%PDF"), (".dot", b"digraph"),
                                               (".svg", b"<svg")])
def test_every_ending_of_a_trained_model(ending: str, start: bytes, tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "model.h5", PlanarClassifier(n_h=3))
    done = tgc(tmp_path, "draw", "model.h5", "--out", f"x{ending}")
    assert (done.returncode, done.stderr) == (0, "")
    content = (tmp_path / f"x{ending}").read_bytes()
    assert content.lstrip().startswith(start) or ending == ".dot" and b"digraph" in content


@pytest.mark.parametrize(("arguments", "message"), [
    ("draw,nothing", "nothing is neither a model, logistic, planar, two-layer, four-layer, nor a file"),
    ("draw,planar,--out,x.bmp", "there are .svg, .png, .pdf, .dot, .gv"),
    ("draw,planar,--out,missing/x.svg", "missing"),
    ("draw,planar,--style,cubist", "'cubist' is not one of"),
    ("derive,nothing", "nor a file"),
    ("derive,planar,--form,poem", "'poem' is not one of"),
    ("check,nothing.py", "there is no such file"),
    ("check,.", "this is a folder"),
    ("check,week2.txt", "there is no such file"),
    ("check,planar,--time-limit,0", "time-limit"),
])
def test_bad_input_is_one_line(arguments: str, message: str, tmp_path: Path) -> None:
    assert message in refused(tgc(tmp_path, *arguments.split(",")))
    assert [file.name for file in tmp_path.iterdir()] == []


def test_equations_in_every_form(tmp_path: Path) -> None:
    text = tgc(tmp_path, "derive", "planar").stdout
    assert "dW[2] = (1/m) dZ[2] A[1]^T\n" in text and "dZ[1] = W[2]^T dZ[2] * g[1]'(Z[1])\n" in text
    assert "dZ[1] = W[2]^T dZ[2] * (1 - A[1]^2)\n" in tgc(tmp_path, "derive", "planar", "--spelled-out").stdout
    assert "<math" in tgc(tmp_path, "derive", "planar", "--form", "html").stdout
    assert "\\frac{1}{m}" in tgc(tmp_path, "derive", "planar", "--form", "latex").stdout
    source = tgc(tmp_path, "derive", "planar", "--form", "source").stdout
    program: dict[str, object] = {}
    exec(source, program)
    model, X, Y = PlanarClassifier(), np.random.RandomState(0).randn(2, 7), np.ones((1, 7))
    found = program["gradients"](X, Y, *[p.numpy() for p in model.parameters()])  # type: ignore[operator]
    for name, value in model.closed_form(X, Y).items():
        assert np.allclose(found[name], value, rtol=1e-12, atol=0)


def test_a_right_file_a_wrong_one_and_one_that_cannot_be_run(tmp_path: Path) -> None:
    right = (LEARNERS / "week2.py").read_text()
    (tmp_path / "right.py").write_text(right)
    done = tgc(tmp_path, "check", "right.py")
    assert (done.returncode, done.stderr) == (0, "") and "propagate" in done.stdout and "wrong" not in done.stdout

    wrong = right.replace("1 / m * np.dot(X", "np.dot(X")
    assert wrong != right
    (tmp_path / "wrong.py").write_text(wrong)
    done = tgc(tmp_path, "check", "wrong.py")
    assert (done.returncode, done.stderr) == (1, "") and "dw: 1/m missing" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert (tmp_path / "wrong.py").read_text() == wrong

    (tmp_path / "broken.py").write_text("def propagate(w, b, X, Y:\n")
    done = tgc(tmp_path, "check", "broken.py")
    assert (done.returncode, done.stderr) == (1, "") and "broken.py, line 1" in done.stdout


def test_our_own_closed_form(tmp_path: Path) -> None:
    done = tgc(tmp_path, "check", "planar")
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.count("equal") >= 12


def test_live(tmp_path: Path) -> None:
    done = tgc(tmp_path, "live", "planar", "--out", "flower.html")
    assert done.stdout.startswith("flower.html: 0.")
    text = (tmp_path / "flower.html").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>") and "PlanarClassifier" in text
    assert "there is no folder" in refused(tgc(tmp_path, "live", "planar", "--out", "nowhere/flower.html"))
