"""What the README shows is run: its examples print what it says, and its commands exist."""

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```\n(?:\n```\n(.*?)```)?", README, re.DOTALL)


def test_the_examples_run_one_after_the_other(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    shown = 0
    for code, output in BLOCKS:
        if code.startswith("tanh = op("):  # a line of ops.py
            assert code.strip() in (Path(__file__).parents[1] / "tinygrad_course/ops.py").read_text(encoding="utf-8")
            continue
        given = {**names, "Y": np.eye(3)[:, np.arange(400) % 3]} if "one-hot" in code else names
        exec(code, given)
        printed = capsys.readouterr().out
        if output:
            assert printed == output
            shown += 1
    assert shown == 1 and (tmp_path / "network.svg").exists()
    assert names["accuracy"](names["model"], names["X"], names["Y"]) == 0.905


def test_the_commands_exist() -> None:
    from tinygrad_course.cli import tgc
    commands = set(re.findall(r"`tgc ([a-z]+)", README))
    assert commands == set(tgc.commands)


def test_the_files_exist() -> None:
    root = Path(__file__).parents[1]
    table = re.findall(r"^\| ((?:`[\w./]+`(?:, )?)+) \|", README, re.MULTILINE)
    named = [name for row in table for name in re.findall(r"`([\w./]+)`", row)]
    assert len(named) > 20
    for name in named:
        folders = [root, root / "tinygrad_course", root / "visualize"]
        assert any((folder / name).exists() for folder in folders), name
    assert not os.path.exists(root / "conftest.py")
