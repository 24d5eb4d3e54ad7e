"""Every rule of simplification: that it applies where it should, and that it does not change the value."""

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tinygrad_course.equations import rules_arrays as simplify_arrays
from tinygrad_course.equations.expressions import EXAMPLES, ONE, ZERO, Expression, found, number, symbol
from tinygrad_course.equations.text import Writer
from tinygrad_course.equations.numpy_text import HELPERS, NumpyWriter
from tinygrad_course.equations.rules import RULES, add, build, coefficient, multiply, power, shape_of, spread
from tinygrad_course.equations.rules_arrays import count, matmul, reshape, size, total, transpose

RANDOM = np.random.default_rng(0)
VALUES: dict[str, Any] = {"m": 7}


def array(name: str, *shape: int, **params: Any) -> Expression:
    VALUES[name] = RANDOM.uniform(0.3, 2, shape)
    return symbol(name, shape, **params)


a, b, c, s = array("a", 3, 4), array("b", 3, 4), array("c", 3, 4), array("s")
row, column, vector, square = array("row", 1, 4), array("column", 3, 1), array("vector", 3), array("square", 3, 3)
wide, deep, one = array("wide", 4, 2), array("deep", 2, 3, 4), array("one", 1, 1)
hot = array("hot", 3, 4, one_hot=True)
VALUES["hot"] = np.eye(3)[:, [0, 2, 1, 1]]
two, three, minus, m, half = number(2), number(3), number(-1), EXAMPLES, number(0.5)
per_m = power(m, -1)
ones = spread(ONE, (3, 4))


def raw(head: str, *args: Expression, shape: Any = None, **params: Any) -> Expression:
    """An expression that has not been simplified."""
    if shape is None:
        try:
            shape = shape_of(head, args, params)
        except ValueError:
            shape = np.broadcast_shapes(*(arg.shape for arg in args))
    return Expression(head, args, shape, tuple(sorted(params.items())))


def value(x: Expression) -> Any:
    """What an expression amounts to; counts count what they say."""
    def counted(leaf: Expression) -> Expression:
        args = tuple(map(counted, leaf.args))
        return number(leaf.content) if leaf.head == "count" else Expression(
            leaf.head, args, leaf.shape, leaf.params, leaf.content)
    namespace: dict[str, Any] = {"np": np, **VALUES}
    for source in HELPERS.values():
        exec(source, namespace)
    if x.head in ("subtract", "divide", "negative", "square", "reciprocal", "mean", "swapaxes", "ravel", "squeeze",
                  "expand_dims"):
        params = {"shape": x.shape} if x.head in ("ravel", "squeeze", "expand_dims") else dict(x.params)
        return getattr(np, "reshape" if "shape" in params else x.head)(*map(value, x.args), **params)
    return eval(NumpyWriter({}, {})(counted(x)), namespace)


def negated(x: Expression) -> Expression:
    return multiply(minus, x)


mask = build("greater", a, ONE)
SAMPLES: dict[str, list[tuple[Expression, str]]] = {
    "difference": [(raw("subtract", a, row), "a - row")],
    "negation": [(raw("negative", a), "-a")],
    "quotient": [(raw("divide", a, b), "a / b"), (raw("divide", ONE, multiply(two, b)), "0.5 / b")],
    "squared": [(raw("square", a), "a^2")],
    "inverse": [(raw("reciprocal", a), "1 / a")],
    "stretch_last": [(raw("multiply", ones, row), "np.broadcast_to(row, (3, 4))"), (raw("add", spread(s, (3, 4)), a),
                     "s + a"), (raw("exp", ones), "np.broadcast_to(exp(1), (3, 4))")],
    "one_sum": [(raw("add", a, add(b, c)), "a + b + c"), (raw("add", a, negated(add(b, c))), "a - b - c"),
                (raw("add", a), "a")],
    "numbers_added": [(raw("add", a, two, three), "a + 5"), (raw("add", a, number(-5), two), "a - 3"),
                      (raw("add", a, ZERO), "a"),
                      (raw("add", two, number(-2)), "0")],
    "like_terms": [(raw("add", multiply(two, a, b), multiply(three, b, a)), "5 a * b"),
                   (raw("add", a, negated(a)), "np.zeros((3, 4))"), (raw("add", a, b, a), "2 a + b"),
                   (raw("add", multiply(per_m, a), multiply(per_m, a)), "(2/m) a")],
    "common_coefficient": [
        (raw("add", multiply(per_m, a), multiply(minus, per_m, b)), "(1/m) (a - b)"),
        (raw("add", negated(a), negated(b)), "-(a + b)"), (raw("add", multiply(two, a), multiply(two, b)), "2 (a + b)"),
        (raw("add", multiply(m, a), m), "m (a + 1)")],
    "multiplied_out": [(raw("add", multiply(minus, b, add(ONE, negated(a))), multiply(a, add(ONE, negated(b)))),
                        "a - b")],
    "one_product": [(raw("multiply", a, multiply(b, c)), "a * b * c"), (raw("multiply", a), "a"),
                    (raw("multiply", shape=()), "1")],
    "coefficient_first": [
        (raw("multiply", a, two, b, per_m, three), "(6/m) a * b"), (raw("multiply", ONE, a), "a"),
        (raw("multiply", ZERO, a), "np.zeros((3, 4))"), (raw("multiply", m, per_m, a), "a"),
        (raw("multiply", a, s), "s * a"), (raw("multiply", two, half), "1")],
    "same_base": [(raw("multiply", a, a), "a^2"), (raw("multiply", power(a, 2), b, power(a, -1)), "a * b"),
                  (raw("multiply", a, power(a, -1)), "np.ones((3, 4))")],
    "cancelled": [(raw("multiply", add(build("divide", b, a), build("divide", c, add(ONE, a))), a, add(ONE, a)),
                   "(1 + a) * b + a * c")],
    "simple_power": [(raw("power", a, ONE), "a"), (raw("power", a, ZERO), "np.ones((3, 4))"),
                     (raw("power", two, three), "8"), (raw("power", power(a, 2), minus), "1 / a^2"),
                     (raw("power", power(a, -1), minus), "a")],
    "power_of_product": [(raw("power", multiply(two, a, b), minus), "0.5 / (a * b)"),
                         (raw("power", multiply(two, a), two), "4 a^2")],
    "decided": [(raw("where", ONE, a, b), "a"), (raw("where", ZERO, a, row), "np.broadcast_to(row, (3, 4))"),
                (raw("where", mask, b, b), "b")],
    "common_factor": [(raw("where", mask, multiply(a, b), a), "a * where(a > 1, b, 1)"),
                      (raw("where", mask, a, ZERO), "a * (a > 1)"), (raw("where", mask, ZERO, b), "b * (1 - (a > 1))")],
    "mask": [(raw("where", mask, ONE, ZERO), "a > 1"), (raw("where", mask, ZERO, ONE), "1 - (a > 1)")],
    "linear": [(raw("matmul", multiply(two, a), multiply(per_m, wide)), "(2/m) a wide"),
               (raw("sum", negated(a), axis=(1,), keepdims=True), "-np.sum(a, axis=1, keepdims=True)"),
               (raw("transpose", multiply(two, a), axes=None), "2 a^T"),
               (raw("reshape", multiply(two, a), shape=(4, 3)), "2 np.reshape(a, (4, 3))"),
               (raw("getitem", multiply(two, a), shape=(4,), index=(0,)), "2 a[0]"),
               (raw("scatter", multiply(two, row), shape=(3, 4), index=(("slice", 0, 1, None),)),
                "2 scatter(row, [0:1], (3, 4))")],
    "dot_of_matrices": [(raw("dot", a, wide, shape=(3, 2)), "a wide"), (raw("dot", s, a), "s * a"),
                        (raw("dot", vector, vector, shape=()), "vector vector"),
                        (raw("dot", vector, square, shape=(3,)), "vector square")],
    "swapped_matrix": [(raw("swapaxes", a, shape=(4, 3), axis1=0, axis2=-1), "a^T"),
                       (raw("swapaxes", deep, shape=(3, 2, 4), axis1=0, axis2=1),
                        "np.transpose(deep, axes=(1, 0, 2))")],
    "simple_axes": [(raw("transpose", a, axes=(0, 1)), "a"), (raw("transpose", a, axes=(-1, 0)), "a^T"),
                    (raw("transpose", vector, axes=None), "vector"),
                    (raw("transpose", deep, axes=(-1, 0, 1)), "np.transpose(deep, axes=(2, 0, 1))")],
    "transposed_twice": [(raw("transpose", transpose(a), axes=None), "a"),
                         (raw("transpose", build("transpose", deep, axes=(1, 0, 2)), axes=(1, 2, 0)),
                          "np.transpose(deep, axes=(0, 2, 1))")],
    "transposed_product": [(raw("transpose", matmul(a, wide), axes=None), "wide^T a^T"),
                           (raw("transpose", matmul(transpose(wide), transpose(a)), axes=None), "a wide")],
    "product_with_equal_rows": [
        (raw("matmul", ones, wide), "np.broadcast_to(np.sum(wide, axis=0, keepdims=True), (3, 2))"),
        (raw("matmul", a, spread(ONE, (4, 1))), "np.sum(a, axis=1, keepdims=True)"),
        (raw("matmul", spread(s, (1, 1)), row), "s * row"), (raw("matmul", column, spread(s, (1, 1))), "s * column")],
    "transposed_stretch": [(raw("transpose", ones, axes=None), "np.ones((4, 3))")],
    "transposed_vector": [(raw("transpose", reshape(vector, (3, 1)), axes=None), "np.reshape(vector, (1, 3))")],
    "sum_of_all": [(raw("sum", a, axis=(1, 0), keepdims=False), "np.sum(a)"),
                   (raw("sum", a, axis=(-1,), keepdims=True), "np.sum(a, axis=1, keepdims=True)")],
    "sum_as_number": [(raw("sum", a, axis=(0, 1), keepdims=True), "np.broadcast_to(np.sum(a), (1, 1))")],
    "sum_of_transposed": [(raw("sum", transpose(a), axis=(0,), keepdims=True), "np.sum(a, axis=1, keepdims=True)^T"),
                          (raw("sum", transpose(a), axis=None, keepdims=False), "np.sum(a)"),
                          (raw("sum", transpose(a), axis=(0,), keepdims=False), "np.sum(a, axis=1)")],
    "sum_of_one": [(raw("sum", row, axis=(0,), keepdims=True), "row"), (raw("sum", s, axis=None, keepdims=False), "s"),
                   (raw("sum", row, axis=(0,), keepdims=False), "np.reshape(row, (4,))")],
    "sum_of_stretched": [
        (raw("sum", ones, axis=None, keepdims=False), "count(3) * count(4)"),
        (raw("sum", spread(column, (3, 4)), axis=(1,), keepdims=True), "count(4) * column"),
        (raw("sum", spread(column, (3, 4)), axis=(0,), keepdims=True),
         "np.broadcast_to(np.sum(column, axis=0, keepdims=True), (1, 4))"),
        (raw("sum", spread(vector, (3, 3)), axis=(0,), keepdims=False), "count(3) * vector")],
    "sum_of_sum": [
        (raw("sum", total(a, (1,), True), axis=(0,), keepdims=True), "np.broadcast_to(np.sum(a), (1, 1))"),
        (raw("sum", total(deep, (1,), False), axis=None, keepdims=False), "np.sum(deep)"),
        (raw("sum", total(deep, (1,), True), axis=(2,), keepdims=True), "np.sum(deep, axis=(1, 2), keepdims=True)"),
        (raw("sum", total(deep, (1,), True), axis=(0,), keepdims=False),
         "np.reshape(np.sum(deep, axis=(0, 1)), (1, 4))"),
        (raw("sum", total(deep, (0,), False), axis=(1,), keepdims=False), "np.sum(deep, axis=(0, 2))")],
    "sum_of_one_hot": [(raw("sum", hot, axis=(0,), keepdims=True), "np.ones((1, 4))")],
    "mean_as_sum": [(raw("mean", a, shape=(3,), axis=1, keepdims=False), "np.sum(a, axis=1) / count(4)")],
    "as_reshape": [(raw("ravel", a, shape=(12,)), "np.reshape(a, (12,))"), (raw("squeeze", row, shape=(4,)),
                   "np.reshape(row, (4,))"), (raw("expand_dims", vector, shape=(3, 1)), "np.reshape(vector, (3, 1))")],
    "same_shape": [(raw("reshape", a, shape=(3, 4)), "a")],
    "reshaped_twice": [(raw("reshape", reshape(a, (12,)), shape=(4, 3)), "np.reshape(a, (4, 3))")],
    "reshaped_number": [(raw("reshape", ones, shape=(4, 3)), "np.ones((4, 3))"),
                        (raw("reshape", s, shape=(1, 1)), "np.broadcast_to(s, (1, 1))")],
    "without_keepdims": [(raw("reshape", total(a, (1,), True), shape=(3,)), "np.sum(a, axis=1)")],
    "with_keepdims": [(raw("reshape", total(a, (0,), False), shape=(1, 4)), "np.sum(a, axis=0, keepdims=True)"),
                      (raw("reshape", build("max", a, shape=(3,), axis=1, keepdims=False), shape=(3, 1)),
                       "np.max(a, axis=1, keepdims=True)")],
    "not_stretched": [(raw("broadcast_to", a, shape=(3, 4)), "a"),
                      (raw("broadcast_to", spread(row, (3, 4)), shape=(2, 3, 4)), "np.broadcast_to(row, (2, 3, 4))")],
}
BY_NAME: dict[str, Callable[[Expression], Any]] = {rule.__name__: rule for rules in RULES.values() for rule in rules}


class Counting(Writer):
    """Counts as they stand, and axes of one element as they are."""

    def write_count(self, x: Expression) -> Any: return f"count({x.content})", 5


def test_every_rule_has_a_sample() -> None:
    assert set(SAMPLES) == set(BY_NAME)


@pytest.mark.parametrize("name, i", [(name, i) for name in SAMPLES for i in range(len(SAMPLES[name]))])
def test_rule(name: str, i: int) -> None:
    before, text = SAMPLES[name][i]
    rule = BY_NAME[name]
    assert rule in RULES[before.head]
    simpler = rule(before)
    assert simpler is not None and simpler != before
    after = build(before.head, *before.args, shape=before.shape, **dict(before.params))
    assert after.shape == before.shape
    written = Counting()(after)
    assert written == text
    for x in (simpler, after):
        np.testing.assert_allclose(np.broadcast_to(value(x), before.shape), value(before), rtol=1e-13)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_rule_leaves_alone_what_it_is_not_for(name: str) -> None:
    """Where the rule itself gives nothing new, it says so, or `build` would not end."""
    for before, _ in SAMPLES[name]:
        after = build(before.head, *before.args, shape=before.shape, **dict(before.params))
        for rule in RULES.get(after.head, ()):
            assert rule(after) is None


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_expression_keeps_its_value(data: Any) -> None:
    one_argument = ["negative", "square", "reciprocal", "transpose", "sum", "exp", "abs"]
    nodes = [a, b, wide, row, column, s, square, ones, two, minus, m, per_m, half, ZERO, ONE, spread(s, (3, 4))]
    values = [value(x) for x in nodes]
    for _ in range(data.draw(st.integers(1, 8))):
        i, k = data.draw(st.integers(0, len(nodes) - 1)), data.draw(st.integers(0, len(nodes) - 1))
        head = data.draw(st.sampled_from([*one_argument, "add", "subtract", "multiply", "divide", "matmul"]))
        x, y = nodes[i], nodes[k]
        with np.errstate(all="ignore"):
            if head == "transpose":
                new, expected = transpose(x), np.transpose(values[i])
            elif head == "sum":
                axes = data.draw(st.sampled_from([None, *((axis,) for axis in range(x.ndim))]))
                keepdims = data.draw(st.booleans())
                new, expected = total(x, axes, keepdims), np.sum(np.broadcast_to(values[i], x.shape), axis=axes,
                                                                 keepdims=keepdims)
            elif head in one_argument:
                new, expected = build(head, x), getattr(np, head)(np.asarray(values[i], float))
            else:
                try:
                    expected = getattr(np, head)(np.asarray(values[i], float), np.asarray(values[k], float))
                except ValueError:
                    continue
                new = build(head, x, y, shape=expected.shape)
        if not np.all(np.abs(expected) < 1e6) or new.size > 60:  # 0 times 1/0 is where algebra ends
            continue
        got = value(new)
        assert new.shape == expected.shape
        np.testing.assert_allclose(np.broadcast_to(got, new.shape), expected, rtol=1e-7, atol=1e-7)
        nodes.append(new)
        values.append(expected)


def test_numbers_are_read_as_they_are_written() -> None:
    for number_, text in [(0.1, "0.1"), (1 / 3, "1/3"), (0.7 / 14, "0.05"), (2.0, "2"), (1e-5, "1e-05"),
                          (float("inf"), "inf"), (np.pi, repr(np.pi)), (-0.25, "-0.25"), (1e300, repr(int(1e300))[:0])]:
        written = Writer()(number(number_))
        assert written == text or not text and float(written) == number_
    product = ONE
    for _ in range(5000):
        product = multiply(product, number(1.1))
    assert float(product.content) == pytest.approx(1.1 ** 5000, rel=1e-9)


def test_coefficient() -> None:
    assert coefficient(multiply(two, per_m, a)) == (2, -1, a)
    assert coefficient(spread(multiply(three, m), (3, 4))) == (3, 1, ones)
    assert coefficient(multiply(size(5), a))[2] == multiply(count((5,), (0,)), a)
    assert coefficient(a) == (1, 0, a)


def test_rules_of_arrays_are_entered() -> None:
    assert simplify_arrays.transposed_product in RULES["transpose"]


AXES = [None, *(axes for n in (1, 2, 3) for axes in combinations(range(3), n))]


@pytest.mark.parametrize("outer_keeps", [True, False])
@pytest.mark.parametrize("inner_keeps", [True, False])
def test_every_sum_of_a_sum_in_three_dimensions(inner_keeps: bool, outer_keeps: bool) -> None:
    """What axes of a sum's result are in the array itself, whether or not the sum keeps those that it runs over."""
    for inner_axes in AXES:
        inner = np.sum(VALUES["deep"], axis=inner_axes, keepdims=inner_keeps)
        for outer_axes in AXES:
            if outer_axes is not None and max(outer_axes) >= inner.ndim:
                continue
            simplified = total(total(deep, inner_axes, inner_keeps), outer_axes, outer_keeps)
            expected = np.sum(inner, axis=outer_axes, keepdims=outer_keeps)
            assert simplified.shape == expected.shape and len(found(simplified, "sum")) == 1
            np.testing.assert_allclose(value(simplified), expected, rtol=1e-13)
