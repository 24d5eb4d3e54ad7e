"""Each pass alone: what it changes, what it leaves, and that the numbers stay, bit for bit where the pass says so."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygrad_course import optim
from tinygrad_course.compiler import rewrites
from tinygrad_course.compiler.nodes import ArrayNode, as_node, inputs_named
from tinygrad_course.compiler.program import (
    DataSlot, HoistedSlot, ParameterSlot, Slot, StepProgram, evaluated, ordered, rewritten)
from tinygrad_course.compiler.step import PASSES, optimised
from tinygrad_course.compiler.tracing import trace
from tinygrad_course.models import DeepNetwork, LogisticRegression, PlanarClassifier, TwoLayerNetwork

RANDOM = np.random.RandomState(0)
NAN, INF = float("nan"), float("inf")
Pass = Callable[[StepProgram], StepProgram]

W, V = inputs_named("W", (3, 4), np.float64), inputs_named("V", (3, 4), np.float64)
X, Y = inputs_named("X", (4, 5), np.float64), inputs_named("Y", (3, 5), np.float64)
Z = inputs_named("Z", (2, 9), np.float64)
I = inputs_named("I", (3, 4), np.int64)  # noqa: E741
F = inputs_named("F", (3, 4), np.float32)
p = inputs_named("p", (), np.float64, weak=True)
SPECIAL = np.array([0.0, -0.0, NAN, INF, -INF, 1e308, -1e-310, 800.0, -800.0, 36.0, -36.0, 0.5, -0.5, 3.0, -2.0,
                    1e-17, -1e-17, 710.0])
VALUES: dict[ArrayNode, Any] = {
    W: SPECIAL[:12].reshape(3, 4), V: RANDOM.randn(3, 4), X: RANDOM.randn(4, 5), Y: RANDOM.randn(3, 5),
    Z: SPECIAL.reshape(2, 9), I: RANDOM.randint(-3, 3, (3, 4)), F: RANDOM.randn(3, 4).astype(np.float32), p: 0.7}
TAME = VALUES | {W: RANDOM.randn(3, 4)}  # for products, where a NaN would hide all else


def program(cost: Any, *updates: Any) -> StepProgram:
    """A program with this cost, and with updates of W and V."""
    cost = as_node(cost)
    changed = dict(zip((W, V), map(as_node, updates)))
    slots: dict[ArrayNode, Slot] = {x: ParameterSlot(i) if x in changed else DataSlot(str(x.name))
                                    for i, x in enumerate(VALUES)}
    return StepProgram(ordered([cost, *changed.values()]), cost, changed, slots, {})


def ops_of(p: StepProgram) -> list[str]:
    return [node.op for node in p.nodes if node.op not in ("input", "constant")]


def same_bits(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    return (a.shape, a.dtype, a.tobytes()) == (b.shape, b.dtype, b.tobytes())


def values_of(p: StepProgram, values: Any = VALUES) -> list[Any]:
    return evaluated(p.outputs(), values)


def check(rewrite: Pass, before: StepProgram, after: list[str], values: Any = VALUES) -> StepProgram:
    """The operations that are left, and equal values."""
    done = rewrite(before)
    assert ops_of(done) == after
    outputs = [done.cost, *(done.updates.get(x, x) for x in before.updates)]
    assert all(map(same_bits, values_of(before, values), evaluated(outputs, values)))
    assert [(y.shape, y.dtype, y.weak) for y in outputs] == [(y.shape, y.dtype, y.weak) for y in before.outputs()]
    assert list(done.updates) == [x for x in before.updates if x in done.updates]
    return done


# ------------------------------------------------------------------------------------------- each pass alone


def test_dead_code() -> None:
    """What neither the cost nor an update needs goes; so does the update that changes nothing."""
    unused = np.exp(V)
    before = program(W.sum(), W * 2, V)
    before.nodes.append(unused)
    before.gradients = {W: before.updates[W], V: unused}
    done = check(rewrites.without_dead_code, before, ["sum", "reshape", "multiply"])
    assert list(done.updates) == [W] and list(done.gradients) == [W] and V not in set(done.nodes)


@pytest.mark.parametrize("cost, left", [
    (lambda: np.exp(as_node(np.ones(3))) + 1, []),
    (lambda: W * (1 - as_node(0.9)), ["multiply"]),
    (lambda: W * (as_node(2.0) / 3) + V / (as_node(np.float32(1)) * 3), ["multiply", "divide", "add"]),
    (lambda: np.log(as_node(-1.0)) + 1 / as_node(0.0) + W, ["add"]),
    (lambda: p * (1 - as_node(0.5)), ["multiply"]),
    (lambda: W + np.broadcast_to(as_node(1.0), (3, 4)), ["add"]),
    (lambda: W + np.zeros_like(W), ["zeros", "add"]),
    (lambda: np.broadcast_to(as_node(np.ones(1)), (rewrites.MOST_FOLDED + 1,)), ["broadcast_to"])])
def test_constants_are_folded(cost: Callable[[], Any], left: list[str]) -> None:
    """Python numbers stay Python numbers, dtypes stay, and nothing large is made."""
    done = check(rewrites.constants_folded, program(cost()), left)
    for node in done.nodes:
        if node.op == "constant":
            assert (type(node.value) in (int, float)) is node.weak
            assert node.weak or (node.value.dtype, node.value.shape) == (node.dtype, node.shape)


SAME: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "x * 1": (lambda: W * 1, []), "1 * x": (lambda: 1.0 * W, []), "x / 1": (lambda: W / 1, []),
    "x - 0": (lambda: W - 0.0, []), "x + -0.0": (lambda: W + -0.0, []), "-0.0 + x": (lambda: -0.0 + W, []),
    "-(-x)": (lambda: -(-W), []), "integers": (lambda: 0 + (I + 0) - 0, []), "reshape": (
        lambda: W.reshape(12).reshape(2, 6), ["reshape"]), "and back": (lambda: W.reshape(12).reshape(3, 4), []),
    "x.T.T": (lambda: W.T.T, []), "axes": (lambda: np.transpose(np.transpose(W.reshape(3, 2, 2), (1, 2, 0)), (2, 0, 1)),
                                           ["reshape"]), "chain": (lambda: ((W * 1 - 0) / 1.0) * 1 * 2, ["multiply"]),
    "axes of axes": (lambda: np.transpose(np.transpose(W.reshape(3, 2, 2), (1, 2, 0)), (1, 2, 0)),
                     ["reshape", "transpose"])}
OTHER: dict[str, Callable[[], Any]] = {
    "x + 0.0 is 0.0 for -0.0": lambda: W + 0.0, "0 + x": lambda: 0 + W, "x - -0.0": lambda: W - -0.0,
    "0 - x": lambda: 0 - W, "1 / x": lambda: 1 / W, "x * 0": lambda: W * 0, "x - x": lambda: W - W,
    "x * -1": lambda: W * -1, "a dtype that changes": lambda: I * 1.0, "also": lambda: F * np.float64(1),
    "integers divided": lambda: I / 1, "a shape that changes": lambda: W * np.ones((2, 1, 1)),
    "a number that is not one": lambda: p * 1.5 - W, "x ** 1": lambda: W ** 1,
    "a sum of a view": lambda: W.T.sum(axis=0), "a reshape of a transpose": lambda: W.T.reshape(2, 6)}


@pytest.mark.parametrize("name", [*SAME, *OTHER])
def test_what_changes_nothing_is_left_out(name: str) -> None:
    cost, left = SAME[name] if name in SAME else (OTHER[name], None)
    before = program(cost())
    check(rewrites.simplified, before, ops_of(before) if left is None else left)


def test_common_expressions_are_computed_once() -> None:
    """Equal by operation, inputs, parameters and constants, not by name; the first one keeps the name."""
    first, second = np.exp(W * 2), np.exp(W * 2)
    second.name = "A"
    done = check(rewrites.shared, program((first + second).sum(), first * second, second - V), [
        "multiply", "exp", "add", "sum", "reshape", "multiply", "subtract"])
    assert [node.name for node in done.nodes if node.op == "exp"] == ["A"]
    assert len([node for node in done.nodes if node.op == "constant"]) == 1
    different = [W * 2, V * 2, W * 3, 2 * W, W + 2, W * 0.0, W * -0.0, W[0:1] + W, W[1:2] + W,
                 W[..., np.array([0, 1, 2, 3])] * 1, W[..., np.array([3, 1, 2, 0])] * 1, W.sum(axis=0),
                 W.max(axis=0), W.max(axis=0, initial=1.0), np.where(W > 0, W, 1.0), W * NAN,
                 W * np.ones((3, 1)), W * np.full((3, 1), 2.0), W * np.arange(12.0).reshape(3, 4),
                 W * np.arange(12.0).reshape(3, 4) ** 2, W * np.ones((3, 4), np.float32), W * True,
                 W * (p * 0.0), W * (p * -0.0), W * (p * 1), W * (p * 1.0)]
    before = program(np.concatenate([x.reshape(-1) for x in different]))
    check(rewrites.shared, before, ops_of(before))


def test_transposes_become_part_of_products() -> None:
    """Whichever side, however often; a product that is turned as a whole is added up in another order."""
    for cost in (lambda: W.T @ Y, lambda: W @ W.T, lambda: W.T @ (X.T @ W.T).T,
                 lambda: Y.T @ W @ X):
        before = program(cost())
        done = rewrites.transposes_absorbed(before)
        assert set(ops_of(done)) == {"matmul"}
        for a, b in zip(values_of(before, TAME), values_of(done, TAME)):
            np.testing.assert_allclose(a, b, rtol=1e-13, strict=True)
    check(rewrites.transposes_absorbed, program(W.T @ Y), ["matmul"], TAME)
    named = W @ X
    turned = named.T
    turned.name = "dW"
    done = rewrites.transposes_absorbed(program(turned + 1))
    assert ops_of(done) == ["matmul", "add"] and done.nodes[-3 if done.nodes[-2].op == "constant" else -2].name == "dW"
    np.testing.assert_allclose(values_of(done, TAME)[0], (TAME[W] @ TAME[X]).T + 1, rtol=1e-13)


def test_other_transposes_stay() -> None:
    for cost in (lambda: W.T * 2, lambda: np.transpose(W.reshape(3, 2, 2), (0, 2, 1)) @ np.ones((3, 2, 2)),
                 lambda: np.dot(W.T, np.ones(3)), lambda: (W @ X).sum(axis=0)):
        before = program(cost())
        check(rewrites.transposes_absorbed, before, ops_of(before), TAME)


def test_relu_derivative_from_its_activation() -> None:
    A = np.maximum(W, 0)
    done = check(rewrites.relu_derivatives_from_activations, program(A.sum(), V * (W > 0)), [
        "maximum", "sum", "reshape", "greater", "multiply"])
    assert next(node for node in done.nodes if node.op == "greater").inputs[0].op == "maximum"
    for cost in (np.maximum(W, 1) * (W > 0), np.maximum(W, 0) * (V > 0), np.maximum(W, 0) * (W > 1),
                 (W > 0) * 1.0, np.minimum(W, 0) * (W > 0), np.maximum(W, 0) * (W >= 0)):
        before = program(cost)
        done = check(rewrites.relu_derivatives_from_activations, before, ops_of(before))
        assert not any(x.op == "maximum" for node in done.nodes if node.op == "greater" for x in node.inputs)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_from_the_exponential_of_the_cost(dtype: Any) -> None:
    """Saturated or not, to a few ulp; infinite, NaN and -0.0 as before."""
    Z = inputs_named("Z", (2, 9), dtype)
    values = {Z: np.concatenate([SPECIAL, RANDOM.randn(2000) * 20]).clip(-1e38, 1e38).astype(dtype)}
    loss = np.log1p(np.exp(np.copysign(Z, -1))).sum()
    A = 1 / (1 + np.exp(-Z))
    A.name = "A"
    before = StepProgram(ordered([loss, A]), loss, {Z: A}, {Z: ParameterSlot(0)}, {})
    before = rewrites.shared(before)
    done = rewrites.sigmoid_fused_with_cross_entropy(before)
    assert ops_of(done).count("exp") == 1 and ops_of(before).count("exp") == 2
    [fused] = done.updates.values()
    assert fused.op == "divide" and fused.name == "A" and fused.dtype == dtype
    a, b = (evaluated([p.updates[Z]], values)[0] for p in (before, done))
    assert np.array_equal(np.isnan(a), np.isnan(b))
    normal = np.abs(a) > np.finfo(dtype).tiny * 4  # below, 1 / (1 + e^-Z) has lost its digits
    np.testing.assert_array_max_ulp(a[normal], b[normal], 4, dtype)
    assert np.all(b[~normal & ~np.isnan(b)] < np.finfo(dtype).tiny * 8)
    infinite = evaluated([fused], {Z: np.array([INF, -INF, NAN, 0.0, -0.0], dtype)})[0]
    np.testing.assert_array_equal(infinite, [1, 0, NAN, 0.5, 0.5])


def test_a_sigmoid_of_something_else_stays() -> None:
    e = np.exp(np.copysign(Z, -1)).sum()
    for cost in (e + 1 / (1 + np.exp(-(Z * 2))), e + 1 / (2 + np.exp(-Z)), e + 2 / (1 + np.exp(-Z)),
                 e + 1 / (1 + np.exp(Z)), 1 / (1 + np.exp(-Z)), np.exp(np.copysign(Z, 1)).sum() + 1 / (1 + np.exp(-Z))):
        before = program(cost)
        check(rewrites.sigmoid_fused_with_cross_entropy, before, ops_of(before))


def product_of(n: int, k: int, m: int, ta: bool, tb: bool, computed: str) -> tuple[StepProgram, dict[ArrayNode, Any]]:
    a = inputs_named("a", (k, n) if ta else (n, k), np.float64)
    b = inputs_named("b", (m, k) if tb else (k, m), np.float64)
    left, right = (np.tanh(x) if x.name in computed else x for x in (a, b))
    cost = (left.T if ta else left) @ (right.T if tb else right)
    cost.name = "Z"
    before = rewrites.transposes_absorbed(StepProgram(
        ordered([cost]), cost, {}, {a: DataSlot("X"), b: DataSlot("Y")}, {}))
    return before, {a: RANDOM.randn(*a.shape), b: RANDOM.randn(*b.shape)}


@pytest.mark.parametrize("ta", [False, True])
@pytest.mark.parametrize("tb", [False, True])
@pytest.mark.parametrize("computed", ["", "a", "b", "ab"])
def test_products_with_a_short_side(ta: bool, tb: bool, computed: str) -> None:
    """Expanded or not, the shape, the name and the value, to rounding: it is a sum in another order."""
    expanded = 0
    for n, k, m in [(1, 1, 1), (4, 2, 40), (1, 4, 40), (4, 40, 2), (4, 40, 1), (1, 40, 7), (7, 40, 1), (5, 5, 5),
                    (4, 40, 40), (40, 40, 3), (2, 3, 2), (1, 40, 1)]:
        before, values = product_of(n, k, m, ta, tb, computed)
        done = rewrites.products_expanded(before)
        a, b = (evaluated([p.cost], values)[0] for p in (before, done))
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12, strict=True)
        assert done.cost.name == "Z"
        if min(n, m, k) > rewrites.FEW:
            assert ops_of(done) == ops_of(before)
        if k <= rewrites.FEW < n * m:
            assert "matmul" not in ops_of(done)
        expanded += "matmul" not in ops_of(done)
    assert expanded >= 2 + 4 * bool(computed and (computed != "a" or not ta))


def test_what_no_step_changes_is_computed_before() -> None:
    """Views, inputs and constants stay; what the steps use of the rest becomes an input, its own inputs go."""
    centred = X - X.sum(axis=1, keepdims=True) / 5
    centred.name = "centred"
    before = program((W @ centred).sum() + (Y.T * 2).sum() + Y[0, 0], W * X.T[:3, :4].sum(), V + W)
    once, done = rewrites.split(before)
    assert [node.op for node in once] == ["subtract", "reshape", "reshape"] and once[0].name == "centred"
    hoisted = [x for x, slot in done.slots.items() if isinstance(slot, HoistedSlot)]
    assert [(x.shape, x.name) for x in hoisted] == [(x.shape, x.name) for x in once]
    assert ops_of(done) == ["matmul", "sum", "reshape", "add", "getitem", "add", "multiply", "add"]
    values = TAME | dict(zip(hoisted, evaluated(once, TAME)))
    assert all(map(same_bits, values_of(before, TAME), evaluated(done.outputs(), values)))
    done.batches = before.batches = True
    assert rewrites.split(before)[0] == [] == before.invariant


# --------------------------------------------------------------------------------------------- all together


def random_program(seed: int) -> StepProgram:
    """Operations on two matrices, with repetitions and with what can be simplified."""
    random = np.random.RandomState(seed)
    unary: list[Callable[[Any], Any]] = [
        np.tanh, np.negative, np.square, lambda x: x * 1, lambda x: x - 0.0, lambda x: x + 0.0, lambda x: x.T.T,
        lambda x: x.reshape(12).reshape(3, 4), lambda x: np.maximum(x, 0), lambda x: (x > 0) * 0.5,
        lambda x: 1 / (1 + np.exp(-x)), lambda x: x.sum(axis=0, keepdims=True) + x, lambda x: x / (as_node(2.0) * 3),
        lambda x: x[::-1], lambda x: (x.T @ x @ x.T).T, lambda x: np.where(x > 0, x, 0.1 * x)]
    binary: list[Callable[[Any, Any], Any]] = [
        np.add, np.multiply, np.subtract, np.maximum, lambda x, y: x @ y.T @ x, lambda x, y: np.concatenate(
            [x[:1], y[1:]]), lambda x, y: np.exp(np.copysign(x, -1)) + 1 / (1 + np.exp(-y))]
    nodes: list[Any] = [W, V]
    for _ in range(random.randint(3, 15)):
        x, y = (nodes[i] for i in random.randint(len(nodes), size=2))
        i = random.randint(len(unary) + len(binary))
        nodes.append(unary[i](x) if i < len(unary) else binary[i - len(unary)](x, y))
    return program(sum(nodes[2:], start=as_node(0.0)).sum(), nodes[-1], nodes[random.randint(len(nodes))])


@pytest.mark.parametrize("rewrite", [*PASSES[:3], rewrites.without_dead_code,
                                     rewrites.relu_derivatives_from_activations], ids=lambda f: f.__name__)
def test_random_programs_keep_every_bit(rewrite: Pass) -> None:
    fewer = 0
    for seed in range(60):
        before = random_program(seed)
        done = rewrite(before)
        assert all(map(same_bits, values_of(before), evaluated([done.cost, *(
            done.updates.get(x, x) for x in before.updates)], VALUES)))
        assert len(done.nodes) <= len(before.nodes) and done.nodes == ordered(done.outputs(), start=done.nodes)
        again = rewrite(done)
        assert ops_of(again) == ops_of(done) or rewrite is rewrites.simplified
        fewer += len(done.nodes) < len(before.nodes)
    assert fewer or rewrite is rewrites.relu_derivatives_from_activations


@pytest.mark.parametrize("model, n_y, before, after", [
    (PlanarClassifier(4, 4, 1), 1, 66, 51), (LogisticRegression(4), 1, 48, 38),
    (TwoLayerNetwork(4, 3, 1), 1, 66, 49), (DeepNetwork([4, 3, 3, 1]), 1, 85, 64)], ids=lambda x: type(x).__name__)
def test_how_short_programs_become(model: Any, n_y: int, before: int, after: int) -> None:
    """Numbers that a change of a pass may improve; none may get longer."""
    traced = trace(model, model.cost, optim.GradientDescent(0.1), RANDOM.randn(4, 7), np.ones((n_y, 7)))
    done = optimised(traced)
    assert (len(traced.nodes), len(done.nodes)) <= (before, after)
    values = {x: RANDOM.randn(*x.shape) for x in traced.slots}
    for a, b in zip(evaluated(traced.outputs(), values), evaluated(done.outputs(), values)):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-15)


def test_ten_thousand_operations() -> None:
    """No recursion, and every pass looks at each node once."""
    for n in (100, 10_000):
        x: Any = W
        for i in range(n // 4):
            x = -(np.tanh(x * 1) + V)
        before = program(x.sum(), x)
        calls = []

        def noted(node: ArrayNode) -> ArrayNode:
            calls.append(node)
            return node
        assert len(rewritten(before, noted).nodes) == len(calls) == len(before.nodes)
        done = optimised(before)
        assert ops_of(done).count("tanh") == n // 4 and ops_of(done).count("multiply") == 0
        assert len(rewrites.split(done)[1].nodes) == len(done.nodes)
        assert evaluated([before.updates[W]], TAME)[0].tobytes() == evaluated([done.updates[W]], TAME)[0].tobytes()
