"""Walks: every Tensor once, parents first; everything that a Module holds, however it is held."""

import sys
from typing import Any

import numpy as np

from tinygrad_course import Tensor, nn
from tinygrad_course.autodiff import topological_order
from tinygrad_course.graph.record import recorded, with_backward
from tinygrad_course.graph.roles import roles_of
from tinygrad_course.graph.walk import held_by, parents_first, tensors_within


def chain(operations: int) -> Tensor:
    """x used by every second operation, so that also a leaf has many users."""
    x = Tensor(np.full(3, 0.5), requires_grad=True, name="x")
    y = x
    for _ in range(operations // 2):
        y = np.tanh(y) * x
    return y.sum()


def test_parents_come_first_and_each_tensor_once() -> None:
    a, b = (Tensor(np.ones((2, 2)), requires_grad=True, name=name) for name in "ab")
    product = a @ b
    total = (product + a).sum()
    other = product * 2.0
    order = parents_first([total, other, total])
    place = {tensor: i for i, tensor in enumerate(order)}
    assert len(place) == len(order) and set(place) >= {a, b, product, total, other}
    assert all(place[parent] < place[tensor] for tensor in order for parent in tensor.parents)
    assert [place[tensor] for tensor in (a, b, product)] == [0, 1, 2]  # the same graph, the same order
    assert {tensor for tensor in order if tensor.op is not None} == set(topological_order(total)) | {other}


def test_10_000_operations_are_walked_in_linear_time_and_without_recursion() -> None:
    """Time is counted in questions asked: one for each Tensor, though a leaf has thousands of users."""
    assert sys.getrecursionlimit() < 10_000
    J, questions = chain(10_000), 0

    def parents_of(tensor: Tensor) -> tuple[Tensor, ...]:
        nonlocal questions
        questions += 1
        return tensor.parents

    order = parents_first([J], parents_of)
    assert len(order) == 10_002 and questions <= len(order) + 1
    record = with_backward(recorded([J]))
    assert len(record.forward) == 10_002 and set(record.total) >= set(topological_order(J))
    assert roles_of(record)[order[0]].name == "x"


class Holder(nn.Module):
    def __init__(self) -> None:
        self.w = Tensor(1.0, requires_grad=True)
        self.shared = nn.Linear(2, 2)
        self.mixed: dict[str, Any] = {"list": [self.shared, (nn.Tanh(), Tensor([2.0]))], "text": "W", "set": {self.w}}
        self.itself = self


def test_what_a_module_holds() -> None:
    model = Holder()
    held = list(held_by(model))
    shared, tanh = model.shared, model.mixed["list"][1][0]
    assert [(type(value).__name__, [type(module).__name__ for module in within]) for value, within in held] == [
        ("Holder", []), ("Tensor", ["Holder"]), ("Linear", ["Holder"]), ("Tensor", ["Holder", "Linear"]),
        ("Tensor", ["Holder", "Linear"]), ("Linear", ["Holder"]), ("Tanh", ["Holder"]), ("Tensor", ["Holder"]),
        ("Tensor", ["Holder"]), ("Holder", ["Holder"])]
    assert [value for value, _ in held if isinstance(value, nn.Module)] == [model, shared, shared, tanh, model]
    within = tensors_within(model)
    assert [tensor is expected for tensor, expected in zip(within, [
        model.w, shared.W, shared.b, model.mixed["list"][1][1]], strict=True)] == [True] * 4


def test_modules_nested_deeper_than_python_recurses() -> None:
    model: Any = nn.Linear(1, 1)
    for _ in range(5000):
        model = nn.Sequential(model)
    assert len(tensors_within(model)) == 2
