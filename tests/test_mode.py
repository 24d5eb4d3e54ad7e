"""Observing what is computed: nested, in several threads, and whatever happens meanwhile."""
from __future__ import annotations

import threading
from typing import Any

import pytest

from tinygrad_course import Tensor, nn, no_grad
from tinygrad_course.mode import Observer, mode, observed


class Noted(Observer):
    """What was computed, by its operation, with the class of the innermost Module that computed it."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.within: list[str] = []

    def computed(self, result: Any, op: Any, inputs: Any, params: Any) -> None:
        self.seen.append(".".join([*self.within[-1:], op.name]))

    def handed_back(self, part: Any, tensor: Any, parent: Any) -> None:
        self.seen.append(f"d{parent.name} from {tensor.op.name}")

    def entered(self, module: Any) -> None:
        self.within.append(type(module).__name__)

    def left(self, module: Any) -> None:
        assert self.within.pop() == type(module).__name__


def computed_with(*observers: Noted) -> list[list[str]]:
    return [observer.seen for observer in observers]


def test_what_is_observed() -> None:
    x, noted = Tensor([[1.0], [2.0]], requires_grad=True, name="x"), Noted()
    with observed(noted):
        nn.Sequential(nn.Tanh(), nn.Softmax())(x).sum().backward()
    assert noted.seen == ["Tanh.tanh", "Softmax.softmax", "sum", "dNone from sum", "dNone from softmax", "dx from tanh"]
    assert noted.within == []


def test_it_nests_and_ends() -> None:
    x, outer, inner, alone = Tensor([1.0], requires_grad=True), Noted(), Noted(), Noted()
    with observed(outer):
        x.exp()
        with observed(inner, recording=False):
            assert not x.tanh().requires_grad
            with observed(alone, recording=True, alone=True):
                assert x.sqrt().requires_grad
        with pytest.raises(ZeroDivisionError), observed(inner):
            1 / 0
        x.log()
    x.square()
    assert computed_with(outer, inner, alone) == [["exp", "tanh", "log"], ["tanh"], ["sqrt"]]
    assert mode.now.observers == () and mode.now.recording


def test_a_module_that_raises_is_left() -> None:
    noted = Noted()
    with observed(noted), pytest.raises(ValueError):
        nn.Tanh()("no numbers")
    assert noted.within == []


def test_threads_observe_what_is_their_own() -> None:
    """Two observers that overlap in time, each beginning before the other ends."""
    started, ended, seen = threading.Barrier(2, timeout=30), threading.Barrier(2, timeout=30), {}

    def work(name: str, module: nn.Module) -> None:
        noted = Noted()
        with observed(noted):
            started.wait()
            module(Tensor([[1.0]], requires_grad=True))
            ended.wait()
        seen[name] = noted.seen
    threads = [threading.Thread(target=work, args=one) for one in (("a", nn.Tanh()), ("b", nn.ReLU()))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {"a": ["Tanh.tanh"], "b": ["ReLU.relu"]}
    assert "__call__" not in nn.Tanh.__dict__


def test_as_a_decorator_in_threads_at_once() -> None:
    inside, recorded = threading.Barrier(2, timeout=30), []

    @no_grad()
    def compute() -> None:
        inside.wait()
        recorded.append(mode.now.recording)
        inside.wait()

    def work(recording: bool) -> None:
        with observed(recording=recording):
            compute()
            recorded.append(mode.now.recording is recording)
    threads = [threading.Thread(target=work, args=(recording,)) for recording in (True, False)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(recorded) == [False, False, True, True]
