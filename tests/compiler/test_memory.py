"""Planned memory: no two values that are both alive share a buffer, and steps allocate nothing."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tinygrad_course import ops, optim
from tinygrad_course.arguments import Task
from tinygrad_course.compiler.nodes import ArrayNode, as_node, inputs_named
from tinygrad_course.compiler.memory import Memory, is_elementwise, is_view, looked_at, planned
from tinygrad_course.compiler.numpy_code import NumPyWriter
from tinygrad_course.compiler.program import DataSlot, StepProgram, ordered, value_of
from tinygrad_course.compiler.rewrites import without_dead_code
from tinygrad_course.compiler.step import Step, traced_step
from tinygrad_course.models import DeepNetwork, PlanarClassifier, TwoLayerNetwork

W, V = inputs_named("W", (3, 4), np.float64), inputs_named("V", (3, 4), np.float64)
b, s = inputs_named("b", (3, 1), np.float64), inputs_named("s", (), np.float64)
F, Q = inputs_named("F", (3, 4), np.float32), inputs_named("Q", (4, 4), np.float64)
X = inputs_named("X", (4, 3), np.float64)
p, n = inputs_named("p", (), np.float64, weak=True), inputs_named("n", (), np.int64, weak=True)
INPUTS = (W, V, b, s, F, Q, p, n, X)
CHANGING = INPUTS[:-1]


def program(cost: Any, updates: dict[ArrayNode, Any]) -> StepProgram:
    updates = {x: as_node(y) for x, y in updates.items()}
    slots = {x: DataSlot(str(x.name)) for x in INPUTS}
    return StepProgram(ordered([cost, *updates.values()]), cost, updates, slots, {})


def starting(seed: int = 0, order: Any = "C") -> dict[ArrayNode, Any]:
    """Values for the inputs; numbers as arrays without axes, as `Step` keeps them."""
    random = np.random.RandomState(seed)
    values = {x: np.asarray(random.uniform(-1, 1, x.shape), x.dtype, order=order) for x in INPUTS[:-1]}
    return values | {n: np.array(2), X: np.asfortranarray(random.uniform(-1, 1, (4, 3)))}


def like(x: Any, value: Any) -> Any:
    """A copy in the order of axes in which x is stored, on which the rounding of sums depends; C for buffers."""
    value = np.asarray(value)
    new = np.empty(value.shape, value.dtype) if x is None else np.empty_like(x)
    new[...] = value
    return new


def expected_steps(before: StepProgram, values: dict[ArrayNode, Any],
                   steps: int) -> tuple[list[float], dict[ArrayNode, Any]]:
    """Costs and inputs after some steps, each node in memory of its own."""
    values = {x: np.array(value) for x, value in values.items()}
    costs, kept = [], planned(before).kept
    with np.errstate(all="ignore"):
        for _ in range(steps):
            known: dict[ArrayNode, Any] = {x: value.item() if x.weak else value for x, value in values.items()}
            for node in before.nodes:
                if node not in known:
                    value = value_of(node, [known[x] for x in node.inputs])
                    if node.weak:
                        value = value.item() if isinstance(value, np.generic) else value
                    elif node.op != "constant" and not is_view(node):
                        value = like(values.get(kept[node]), value)
                    known[node] = value
            costs.append(float(known[before.cost]))
            values |= {x: like(values[x], known[y]) for x, y in before.updates.items()}
    return costs, values


def run(text: Any, values: dict[ArrayNode, Any], steps: int) -> Any:
    module: dict[str, Any] = {}
    exec(compile(text.text, "<step>", "exec"), module)
    costs = np.empty(steps)
    with np.errstate(all="ignore"):
        module["train"](**{name: values[x] for name, x in text.arguments.items()}, **text.constants, costs=costs)
    return costs


def check_run(before: StepProgram, values: dict[ArrayNode, Any], steps: int = 3) -> None:
    """The written step against one in which nothing shares memory: the same bits after every step."""
    text = NumPyWriter(before, [], {}).source("A step.")
    for k in range(1, steps + 1):
        expected, after = expected_steps(before, values, k)
        found = {x: np.array(value) for x, value in values.items()}
        costs = run(text, found, k)
        assert costs.tobytes() == np.array(expected).tobytes(), text.text
        for x in values:
            assert (found[x].dtype, found[x].shape) == (after[x].dtype, after[x].shape)
            assert found[x].tobytes() == after[x].tobytes(), f"{x.name}\n{text.text}"


def check_plan(before: StepProgram, memory: Memory) -> None:
    """Found anew from the program: who is alive when, and that a buffer is handed on only to what may overwrite it."""
    place = {node: i for i, node in enumerate(before.nodes)}
    ends: dict[ArrayNode, int] = {}
    for i, node in enumerate(before.nodes):
        for x in node.inputs:
            while is_view(x):
                x = x.inputs[0]
            ends[x] = i
    for node in before.outputs():
        ends[looked_at(node)] = len(before.nodes)
    owners: dict[Any, list[ArrayNode]] = {}
    for node in before.nodes:
        if node.op not in ("input", "constant") and not node.weak and not is_view(node):
            owners.setdefault(memory.kept[node], []).append(node)
    for buffer, nodes in owners.items():
        if isinstance(buffer, ArrayNode):
            [node] = nodes
            assert before.updates[buffer] is node and buffer.shape == node.shape and buffer.dtype == node.dtype
            assert ends.get(buffer, -1) < place[node] or ends[buffer] == place[node] and is_elementwise(node)
            continue
        for first, second in zip(nodes, nodes[1:]):
            assert ends.get(first, place[first]) < place[second] or (
                ends[first] == place[second] and is_elementwise(second) and first.shape == second.shape)
        shape, dtype = memory.buffers[buffer]
        assert all(node.size == np.prod(shape) and node.dtype == dtype for node in nodes)
    in_place = {x for x in before.updates if memory.kept.get(before.updates[x]) is x}
    assert in_place | {x for x, _ in memory.copied} == {x for x in before.updates if not x.weak}
    assert len(memory.copied) == len({x for x in before.updates if not x.weak}) - len(in_place)


# -------------------------------------------------------------------------------------------- random programs

MOVES: list[Callable[[Any, Any], Any]] = [
    lambda x, y: x + y, lambda x, y: x * y, lambda x, y: x - y, lambda x, y: np.maximum(x, y), lambda x, y: np.tanh(x),
    lambda x, y: -x, lambda x, y: np.square(np.tanh(x)), lambda x, y: x / 3, lambda x, y: 0.5 * x + 1,
    lambda x, y: x.T, lambda x, y: x.reshape(-1), lambda x, y: x.T.reshape(x.shape), lambda x, y: x[::-1],
    lambda x, y: x.reshape(4, 3) + 1, lambda x, y: x[:1], lambda x, y: x[:, 1:2],
    lambda x, y: x.sum(axis=0, keepdims=True),
    lambda x, y: x.sum(), lambda x, y: x.max(axis=-1, keepdims=True), lambda x, y: x.min(axis=0),
    lambda x, y: np.where(x > y, x, y), lambda x, y: np.where(x > 0, x, 0.1), lambda x, y: np.concatenate([x, y[:1]]),
    lambda x, y: np.broadcast_to(x, y.shape), lambda x, y: np.broadcast_to(x, (2, *x.shape)).sum(axis=0),
    lambda x, y: x @ y, lambda x, y: np.tanh(x @ y.T), lambda x, y: np.tanh(x.T @ y), lambda x, y: np.dot(x, y),
    lambda x, y: x.astype(np.float32), lambda x, y: x.astype(np.float64) * x, lambda x, y: x > y,
    lambda x, y: (x > 0) * y, lambda x, y: x * p, lambda x, y: x * (p * 0.9 + n), lambda x, y: p * 0.9 - 1,
    lambda x, y: n + 1, lambda x, y: x * np.float64(0.1), lambda x, y: np.float32(0.1) * x,
    lambda x, y: ops.scatter(x[1:], index=(slice(1, None),), shape=x.shape),
    lambda x, y: ops.scatter(x[np.array([0, 2, 0])], index=(np.array([0, 2, 0]),), shape=x.shape),
    lambda x, y: x[np.array([2, 0, 0])], lambda x, y: x + X.T[:, :1], lambda x, y: x * np.ones((3, 1)),
    lambda x, y: np.expand_dims(x, 0), lambda x, y: np.exp(-x * x), lambda x, y: x + 0.0 * x.T if x.ndim == 2 else x]


@settings(max_examples=250, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, len(MOVES) - 1), st.integers(0, 99), st.integers(0, 99)), max_size=14),
       st.lists(st.integers(0, 99), min_size=len(CHANGING), max_size=len(CHANGING)), st.sampled_from("CF"))
def test_random_programs(moves: list[tuple[int, int, int]], updates: list[int], order: str) -> None:
    """Whatever is computed, and whichever nodes are the new values, also other inputs, views and numbers."""
    nodes, numbers = [x for x in INPUTS if not x.weak], [p, n]
    for move, i, j in moves:
        x, y = nodes[-1 - i % len(nodes)], nodes[-1 - j % len(nodes)]
        try:
            node = MOVES[move](x, y)
            (numbers if node.weak else nodes).append(node)
        except (ValueError, IndexError, TypeError):  # shapes that do not fit, and -True
            pass
    changed = {}
    for x, i in zip(CHANGING, updates):
        fitting = [y for y in nodes + numbers if (y.shape, y.dtype, y.weak) == (x.shape, x.dtype, x.weak)]
        changed[x] = fitting[-1 - i % len(fitting)]
    cost = nodes[-1] if nodes[-1].size == 1 and nodes[-1].ndim == 0 else nodes[-1].sum()
    before = without_dead_code(program(cost.astype(np.float64), changed))
    check_plan(before, planned(before))
    check_run(before, starting(order=order))


# ------------------------------------------------------------------------------------------------ by hand

HANDED_ON: dict[str, dict[ArrayNode, Any]] = {
    "swapped": {W: V, V: W}, "a queue": {W: W * 0.5, V: W}, "a queue of views": {W: np.tanh(W), V: V[::-1]},
    "a square turned": {Q: Q.T}, "a square turned and changed": {Q: Q.T * 0.5 + Q}, "numbers": {p: p * n, n: n + 1},
    "a constant": {W: np.zeros((3, 4)), s: as_node(np.float64(2))}, "one value for two": {W: (y := V + W), V: y},
    "from the other": {W: V + 1, V: W + 1}, "a number of an array": {s: W.sum(), W: W * s},
    "part of the other": {b: W[:, :1], W: W + b}, "a reshape of a view": {W: (W * 2.0).T.reshape(3, 4)},
    "broadcast": {W: np.broadcast_to(b, (3, 4)), b: b * 2}, "a product": {V: X.T @ Q}}


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("name", HANDED_ON)
def test_new_values_that_are_old_ones(name: str, order: str) -> None:
    """All inputs change at once, whichever is written first; and the cost is that before the change."""
    for cost in (W.sum() + V[0, 0] + Q.sum(), s, W[1, 1], p.astype(np.float64) if not p.weak else s * p):
        before = program(cost, HANDED_ON[name])
        check_plan(before, planned(before))
        check_run(before, starting(order=order))


def test_a_chain_needs_one_buffer() -> None:
    """Elementwise operations take the place of what they read, and an update that of its input."""
    x = W
    for _ in range(50):
        x = np.tanh(x) * 2.0
    before = program(x.sum(), {W: x})
    memory = planned(before)
    assert [shape for shape, _ in memory.buffers] == [(3, 4), (1, 1)] and memory.nbytes == 96 + 8
    assert memory.kept[x] is W and memory.copied == []
    assert planned(program(W.sum() + x.sum(), {W: x})).copied == []
    first = program(W[0, 0], {W: x})  # the cost looks at W itself, which has to stay until the end
    assert planned(first).copied == [(W, x)]
    before = program(s + 0.0, {W: V * 2.0 + 1.0, V: V * 3.0})
    memory = planned(before)
    assert [x for x in memory.kept.values() if isinstance(x, ArrayNode)] == [W, V] and memory.copied == []


def test_a_chain_of_products_needs_two_buffers() -> None:
    x = Q
    for _ in range(50):
        x = x @ Q
    assert [shape for shape, _ in planned(program(x.sum(), {})).buffers] == [(4, 4), (4, 4), (1, 1)]


def test_a_view_keeps_alive_what_it_looks_at() -> None:
    y = W + 1.0
    turned = y.T
    first = turned * 2.0
    changed = y * 3.0  # must not take the place of y
    before = program((first * turned + changed.T).sum(), {})
    before.nodes = ordered([before.cost], start=[first, changed])
    check_plan(before, planned(before))
    check_run(before, starting())


def test_what_is_a_view() -> None:
    y = W + 1
    views = [W.T, y.T, y.reshape(12), y.reshape(12).reshape(2, 6), W[1:], W[:, None], W[..., 0],
             np.broadcast_to(W, (2, 3, 4)), np.expand_dims(W.T, 0), np.squeeze(np.expand_dims(W, 0)), y.T[0]]
    others = [y, W.T.reshape(12), W.reshape(12), y.T.reshape(2, 6), W[np.array([0, 1])], y.sum(axis=0,
              keepdims=True), np.broadcast_to(b, (3, 4)).reshape(12), y[1:].reshape(8), np.where(y > 0, y, 1.0)]
    assert all(map(is_view, views)) and not any(map(is_view, others))
    assert looked_at(y.reshape(12)[1:]) is y and looked_at(W.T) is W and looked_at(y) is y
    assert is_elementwise(y) and not any(map(is_elementwise, [y.T, y @ X, y.sum(), np.where(y > 0, y, 1.0), W]))


# --------------------------------------------------------------------------------------------- real models


@pytest.mark.parametrize("rule", [optim.GradientDescent(0.1), optim.Momentum(0.1, weight_decay=0.1), optim.Adam(0.1)],
                         ids=lambda rule: type(rule).__name__)
def test_plans_of_the_models_of_the_course(rule: optim.Optimizer) -> None:
    """Less than half of what the values of a step take in memory of their own."""
    random = np.random.RandomState(0)
    for model in (PlanarClassifier(4), TwoLayerNetwork(4, 7, 1), DeepNetwork([4, 5, 3, 1])):
        step = Step(traced_step(Task(model, model.cost, rule, random.randn(4, 50), np.ones((1, 50)))))
        memory = planned(step.program)
        check_plan(step.program, memory)
        computed = sum(node.nbytes for node in step.program.nodes if node in memory.kept)
        assert memory.nbytes < computed / 2 and not memory.copied


def test_steps_allocate_nothing() -> None:
    """However many there are: arrays of 800 kB are there from the start."""
    random = np.random.RandomState(0)
    model = DeepNetwork([20, 10, 10, 1])
    step = Step(traced_step(Task(model, model.cost, optim.Adam(0.01), random.randn(20, 10_000), np.ones((1, 10_000)))))
    step.load()
    peaks = []
    for n in (2, 2, 20):
        tracemalloc.start()
        step.run(n)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert abs(peaks[2] - peaks[1]) < 20_000
    assert peaks[2] < planned(step.program).nbytes + 200_000
