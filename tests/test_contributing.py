"""What CONTRIBUTING.md shows how to add is added and works, as far as it says; commands and versions exist."""

import re
from typing import Any

import mistakes
import numpy as np
import operations
import pytest
from places import ROOT

from tinygrad_course import Tensor, __version__, gradcheck, ops
from tinygrad_course.checking.diagnosis import faults
from tinygrad_course.checking.report import WRONG
from tinygrad_course.equations import rules
from tinygrad_course.equations.expressions import symbol
from tinygrad_course.models import PlanarClassifier
from tinygrad_course.visualize.plots import gradients

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def examples(heading: str) -> list[str]:
    [section] = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


def test_an_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    entry, row = examples("An operation")
    own = {name: operation for name, operation in ops.REGISTRY.items() if operation in vars(ops).values()}
    monkeypatch.setattr(ops, "REGISTRY", own)  # without those of NumPy's further functions
    names = dict(vars(ops))
    exec(entry, names)
    [new] = [name for name in ops.REGISTRY if name not in operations.TABLE and name not in operations.COMPARISONS]
    monkeypatch.setattr(ops, new, names[new], raising=False)
    [(name, samples)] = eval("{" + row + "}", dict(vars(operations))).items()
    assert name == new and len(samples) > 5
    for sample in samples:
        inputs = [Tensor(x, requires_grad=True) for x in sample.inputs]
        np.testing.assert_allclose(sample.function(*inputs).numpy(), sample.reference(*sample.inputs), rtol=1e-12)
        gradcheck(sample.function, inputs)


def test_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    entry, line = examples("A fault that learners make")
    (week, function), (right, wrong, quantity, mistake) = eval(line)
    text = mistakes.faulty(week, function, right, wrong)

    def named() -> list[tuple[str, str]]:
        verdict = mistakes.verdict_of(week, function, text)
        assert verdict.status == WRONG
        return [(found.quantity, found.mistake) for found in verdict.mistakes]

    assert (quantity, mistake) not in named()
    monkeypatch.setattr(faults, "FAULTS", [*faults.FAULTS, eval(entry.strip(), dict(vars(faults)))])
    assert named() == [(quantity, mistake)]


def test_a_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    [entry] = examples("A rule of algebra")
    a = symbol("a", (2, 3))

    def simplified() -> Any:
        return rules.build("log", rules.build("exp", a))

    assert simplified().head == "log"
    monkeypatch.setattr(rules, "RULES", {head: list(entered) for head, entered in rules.RULES.items()})
    names = dict(vars(rules))
    names["rule"] = type(rules.rule)(rules.rule.__code__, {**names, "RULES": rules.RULES}, "rule")
    exec(entry, names)
    assert simplified() == a
    assert rules.build("log", a).head == "log"


def test_a_picture() -> None:
    [entry] = examples("A picture")
    names = {**vars(gradients), "Module": PlanarClassifier}
    exec("from __future__ import annotations\n" + entry, names)  # as the files of plots have it
    plot = names["plot_biases"](PlanarClassifier(n_h=3))
    assert plot.alt == "The 4 biases lie between 0 and 0." and plot.title == "Biases"
    assert len(plot.axes[0].patches) == 4 and plot.rendered("png").startswith(b"\x89PNG")


def test_commands_files_and_names_exist() -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", TEXT, re.MULTILINE)) <= set(targets)
    named = set(re.findall(r"`([\w./]+/[\w./]*)`", TEXT))
    assert len(named) > 8 and [name for name in named if not (ROOT / name).exists()] == []


def test_the_hooks_run_what_make_test_runs() -> None:
    hooks = re.findall(r"entry: make ([a-z]+)", (ROOT / ".pre-commit-config.yaml").read_text())
    assert hooks == ["lint", "test"]
    make = (ROOT / "Makefile").read_text()
    assert "flake8" in make.split("\nlint:")[1].split("\n\n")[0] and "mypy" in make.split("\nlint:")[1].split("\n\n")[0]
    assert "lint" in make.split("\ntest:")[1].split("\n\n")[0]


def test_the_changelog_knows_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[([\w.]+)\](?: - (\d{4}-\d\d-\d\d))?$", text, re.MULTILINE)
    assert versions[0] == ("Unreleased", "") and versions[1][0] == __version__
    assert all(date for _, date in versions[1:]) and len(versions) == len(re.findall("^## ", text, re.MULTILINE))
    assert set(re.findall(r"^### (.*)$", text, re.MULTILINE)) <= {
        "Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
