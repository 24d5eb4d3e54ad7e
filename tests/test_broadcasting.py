"""The Broadcasting Rule of the course: its examples, its failures, what is said about them; its gradient."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tinygrad_course import InputError, Tensor
from tinygrad_course.broadcasting import Shape, broadcast_shape, explain_broadcast, unbroadcast

COURSE: list[tuple[Shape, Shape, Shape]] = [
    ((8, 1, 6, 1), (7, 1, 5), (8, 7, 6, 5)),
    ((5, 4), (1,), (5, 4)),
    ((5, 4), (4,), (5, 4)),
    ((15, 3, 5), (15, 1, 5), (15, 3, 5)),
    ((15, 3, 5), (3, 5), (15, 3, 5)),
    ((15, 3, 5), (3, 1), (15, 3, 5)),
]
FAILURES: list[tuple[Shape, Shape, str, str]] = [
    ((3,), (4,), "axis -1 has sizes 3 and 4", "trailing dimensions do not match"),
    ((2, 1), (8, 4, 3), "axis -2 has sizes 2 and 4", "second from last dimensions mismatched"),
    ((4, 1, 2), (5, 3, 2), "axis -3 has sizes 4 and 5", "third from last dimensions mismatched"),
    ((2, 1, 1, 1), (3, 1, 1, 1), "axis -4 has sizes 2 and 3", "dimensions 4 from last mismatched"),
    ((2, 3), (0, 3), "axis -2 has sizes 2 and 0", "second from last dimensions mismatched"),
]


@pytest.mark.parametrize("a, b, result", COURSE, ids=str)
def test_examples_of_the_course_forwards_and_backwards(a: Shape, b: Shape, result: Shape) -> None:
    assert broadcast_shape(a, b) == broadcast_shape(b, a) == result
    random = np.random.RandomState(0)
    x, y = (Tensor(random.standard_normal(shape), requires_grad=True) for shape in (a, b))
    total = x + y
    np.testing.assert_array_equal(total.data, x.data + y.data, strict=True)
    total.sum().backward()
    for t in (x, y):  # each number was used so many times
        np.testing.assert_array_equal(t.grad, np.full(t.shape, total.size / t.size), strict=True)


@pytest.mark.parametrize("a, b, axis, reason", FAILURES, ids=str)
def test_failures_name_the_axis_counted_from_the_end(a: Shape, b: Shape, axis: str, reason: str) -> None:
    with pytest.raises(InputError) as error:
        broadcast_shape(a, b)
    first, table = str(error.value).split("\n", 1)
    assert first == f"shapes {a} and {b} do not broadcast: {axis}"
    assert table == explain_broadcast(a, b)
    assert f"\nResult: fails, {reason}\n" in table
    assert f"{axis.replace(' has sizes', ':')}: mismatch, they are neither equal nor one" in table


ELEMENTWISE: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b, "subtract": lambda a, b: a - b, "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b, "power": lambda a, b: a ** b, "maximum": np.maximum, "minimum": np.minimum,
    "where": lambda a, b: np.where(np.array([True]), a, b),
}


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_every_elementwise_operation_shows_the_table(name: str) -> None:
    function = ELEMENTWISE[name]
    for left, right in [(Tensor(np.ones((2, 1))), Tensor(np.ones((8, 4, 3)))),
                        (Tensor(np.ones((2, 1))), np.ones((8, 4, 3))),
                        (np.ones((2, 1)), Tensor(np.ones((8, 4, 3))))]:
        with pytest.raises(InputError) as error:
            function(left, right)
        message = str(error.value)
        assert message.startswith(f"{name}: shapes ")
        assert "axis -2 has sizes " in message
        assert "\nResult: fails, second from last dimensions mismatched\n" in message
        assert "(2d array):      2 x 1\n" in message and "(3d array):  8 x 4 x 3\n" in message


def test_where_whose_condition_does_not_fit() -> None:
    with pytest.raises(InputError, match=r"where: shapes \(2,\) and \(3,\) and \(3,\).*axis -1"):
        np.where(np.array([True, False]), Tensor(np.ones(3)), Tensor(np.ones(3)))


def test_explanation_line_by_line() -> None:
    assert explain_broadcast((8, 1, 6, 1), (7, 1, 5)).split("\n") == [
        "A      (4d array):  8 x 1 x 6 x 1",
        "B      (3d array):      7 x 1 x 5",
        "Result (4d array):  8 x 7 x 6 x 5",
        "axis -1: 1 and 5: A is stretched to 5",
        "axis -2: 6 and 1: B is stretched to 6",
        "axis -3: 1 and 7: A is stretched to 7",
        "axis -4: 8 and none: B is repeated 8 times"]
    assert explain_broadcast((2, 1), (8, 4, 3)).split("\n") == [
        "A      (2d array):      2 x 1",
        "B      (3d array):  8 x 4 x 3",
        "Result: fails, second from last dimensions mismatched",
        "axis -1: 1 and 3: A is stretched to 3",
        "axis -2: 2 and 4: mismatch, they are neither equal nor one",
        "axis -3: none and 8: A is repeated 8 times"]


@pytest.mark.parametrize("shapes, lines", [
    ([(), (3,)], ["A      (0d array):", "B      (1d array):  3", "Result (1d array):  3",
                  "axis -1: none and 3: A is repeated 3 times"]),
    ([(4,), (10, 4)], ["A      (1d array):       4", "B      (2d array):  10 x 4",
                       "Result (2d array):  10 x 4", "axis -1: 4 and 4: equal",
                       "axis -2: none and 10: A is repeated 10 times"]),
    ([(1,), (0,), ()], ["A      (1d array):  1", "B      (1d array):  0", "C      (0d array):",
                        "Result (1d array):  0", "axis -1: 1 and 0 and none: A is stretched to 0, "
                        "C is repeated 0 times"]),
    ([(1,), ()], ["A      (1d array):  1", "B      (0d array):", "Result (1d array):  1",
                  "axis -1: 1 and none: one, nothing to do"]),  # and not repeated once
    ([(), ()], ["A      (0d array):", "B      (0d array):", "Result (0d array):"]),
], ids=str)
def test_explanation_of_numbers_empty_and_three(shapes: list[Shape], lines: list[str]) -> None:
    assert explain_broadcast(*shapes).split("\n") == lines


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.lists(st.sampled_from([0, 1, 1, 2, 3]), max_size=4).map(tuple), min_size=1, max_size=4))
def test_agrees_with_numpy(shapes: list[Shape]) -> None:
    try:
        expected = np.broadcast_shapes(*shapes)
    except ValueError:
        with pytest.raises(InputError, match="do not broadcast"):
            broadcast_shape(*shapes)
        assert "mismatch" in explain_broadcast(*shapes)
    else:
        assert broadcast_shape(*shapes) == expected
        assert "mismatch" not in explain_broadcast(*shapes)


@pytest.mark.parametrize("small, large", [((), (2, 3)), ((3,), (2, 3)), ((2, 1), (2, 3)), ((1, 1), (4, 2, 3)),
                                          ((2, 1), (2, 0)), ((2, 3), (2, 3))], ids=str)
def test_unbroadcast_adds_up_arrays_and_tensors(small: Shape, large: Shape) -> None:
    g = Tensor(np.arange(float(np.prod(large))).reshape(large), requires_grad=True)
    counted = np.zeros(small)
    for index in np.ndindex(large):
        kept = index[len(large) - len(small):]
        counted[tuple(0 if size == 1 else i for size, i in zip(small, kept))] += g.data[index]
    for back in (unbroadcast(g.data, small), unbroadcast(g, small)):
        assert back.shape == small
        np.testing.assert_array_equal(getattr(back, "_data", back), counted)
    unbroadcast(g * 1, small).sum().backward()
    np.testing.assert_array_equal(g.grad, np.ones(large))
