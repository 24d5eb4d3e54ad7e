"""What the README shows is run: its examples print what it says, and its commands exist."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from places import ROOT
from sizes import size_of_the_tests, sizes

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```\n(?:\n```\n(.*?)```)?", README, re.DOTALL)


def test_the_examples_run_one_after_the_other(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    shown = 0
    for code, output in BLOCKS:
        if code.startswith("tanh = op("):  # a line of ops.py
            assert code.strip() in (ROOT / "tinygrad_course/ops.py").read_text(encoding="utf-8")
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
    table = re.findall(r"^\| ((?:`[\w./]+`(?:, )?)+) \|", README, re.MULTILINE)
    named = [name for row in table for name in re.findall(r"`([\w./]+)`", row)]
    assert len(named) > 20
    for name in named:
        assert any((folder / name).exists() for folder in (ROOT, ROOT / "tinygrad_course", ROOT / "visualize")), name
    assert not (ROOT / "conftest.py").exists()


def test_the_rooms_and_their_sizes() -> None:
    """All of them are named, and none is far off."""
    said = {room.rstrip("/"): int(lines.replace(" ", ""))
            for room, lines in re.findall(r"^\| `([\w/]+)` \| ([\d ]+) \|", README, re.MULTILINE)}
    found = {room: size.lines for room, size in [*sizes().items(), ("tests", size_of_the_tests())]}
    assert set(said) == set(found)
    assert {room: lines for room, lines in found.items() if abs(lines - said[room]) > max(300, 0.25 * lines)} == {}
