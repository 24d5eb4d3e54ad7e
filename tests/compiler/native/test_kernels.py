"""How programs become loops: what shares a pass over memory, what is kept, and in which order."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tinygrad_course.compiler.nodes import ArrayNode, Untraceable, inputs_named
from tinygrad_course.compiler.native.kernels import (
    Access, Batch, Kernels, LONGEST, Product, REDUCTIONS, VIEWS, VectorLoop, contiguous)
from tinygrad_course.compiler.program import DataSlot, ParameterSlot, Slot, StepProgram, ordered, users_of

F8 = np.float64


def inputs(*shapes: tuple[int, ...]) -> list[ArrayNode]:
    return [inputs_named(f"x{i}", shape, F8) for i, shape in enumerate(shapes)]


def program_of(cost: ArrayNode, updates: dict[ArrayNode, ArrayNode] | None = None,
               batches: bool = False) -> StepProgram:
    nodes = ordered([cost, *(updates or {}).values()])
    slots: dict[ArrayNode, Slot] = {
        x: ParameterSlot(i) if x in (updates or {}) else DataSlot(str(x.name))
        for i, x in enumerate(nodes) if x.op == "input"}
    return StepProgram(nodes, cost, updates or {}, slots, {}, batches=batches)


def kernels_of(cost: ArrayNode, updates: dict[ArrayNode, ArrayNode] | None = None) -> Kernels:
    return Kernels(program_of(cost, updates))


def described(kernels: Kernels) -> list[str]:
    """Each kernel as the names of the functions in it."""
    return [" ".join(node.op for node in kernel.nodes) or "copy" if isinstance(kernel, VectorLoop)
            else type(kernel).__name__.lower() for kernel in kernels.kernels]


def kept(kernels: Kernels) -> list[str]:
    return [node.op for node in kernels.kept]


# -------------------------------------------------------------------------------------------------- what is one loop


def test_a_chain_and_the_sum_of_it_are_one_loop() -> None:
    x, y = inputs((3, 4), (3, 4))
    kernels = kernels_of(np.tanh(x * y + 1.0).sum())
    assert described(kernels) == ["multiply add tanh sum"] and kept(kernels) == ["sum"]


def test_a_long_chain_is_cut() -> None:
    """LLVM takes more than linear time for a function: none has more than LONGEST steps that follow each other."""
    x, = inputs((3, 4))
    for _ in range(3 * LONGEST):
        x = np.tanh(x)
    assert described(kernels_of(x.sum())) == 3 * [" ".join(LONGEST * ["tanh"])] + ["sum"]


def test_branches_of_one_shape_are_one_loop() -> None:
    x, = inputs((3, 4))
    e = np.exp(x)
    kernels = kernels_of(e.sum() + np.where(x > 0, e, e * 2.0).max())
    assert described(kernels) == ["exp sum greater multiply where max", "add"]
    assert kept(kernels) == ["sum", "max", "add"]


def test_a_result_that_takes_a_whole_pass_ends_a_loop() -> None:
    x, = inputs((3, 4))
    e = np.exp(x - x.max(axis=0, keepdims=True))
    kernels = kernels_of((e / e.sum(axis=0, keepdims=True)).max())
    assert described(kernels) == ["max", "subtract exp sum", "divide max"]
    assert kept(kernels) == ["max", "exp", "sum", "max"]


def test_broadcasting_ends_a_loop() -> None:
    """A row is computed once, not once for each column that it is added to."""
    x, row = inputs((3, 4), (4,))
    kernels = kernels_of((x + np.exp(row)).sum())
    assert described(kernels) == ["exp", "add sum"] and kept(kernels) == ["exp", "sum"]


def test_of_inputs_views_are_read_where_they_are() -> None:
    """Transposed, sliced or broadcast, an input needs no loop and no memory."""
    x, row = inputs((3, 4), (4, 1))
    kernels = kernels_of((x.T * row + x[::-1, 1:2].reshape(1, 3)).sum())
    assert described(kernels) == ["multiply add sum"] and kept(kernels) == ["sum"]
    access = kernels.accesses[next(node for node in kernels.program.nodes if node.op == "reshape")]
    assert (access.root, access.offset, access.strides) == (x, 9, (0, -4))


def test_a_transpose_of_what_is_computed_ends_a_loop() -> None:
    x, = inputs((3, 3))
    kernels = kernels_of((np.exp(x) + np.exp(x * 2.0).T).sum())
    assert described(kernels) == ["multiply exp", "exp add sum"] and kept(kernels) == ["exp", "sum"]


def test_products_wait_for_what_they_multiply_and_are_waited_for() -> None:
    x, w = inputs((3, 4), (2, 3))
    kernels = kernels_of(np.tanh(np.exp(w) @ np.log(x)).sum())
    assert described(kernels) == ["exp", "log", "product", "tanh sum"]
    assert kept(kernels) == ["exp", "log", "matmul", "sum"]


def test_what_is_cheap_is_computed_where_it_is_needed() -> None:
    """An update that could be made at the start moves to the last pass: nobody reads the old value after it."""
    x, w, v = inputs((3, 4), (3, 4), (3, 4))
    half = v * 0.5
    total = (x * w).sum()
    kernels = kernels_of(np.square(total), {v: half, w: w - half * total})
    assert described(kernels) == ["multiply sum", "square", "multiply multiply subtract"]
    assert set(kept(kernels)) == {"sum", "square", "multiply", "subtract"}


def test_what_is_also_read_in_another_order_does_not_wait() -> None:
    """One reader would allow it to be computed in the last pass, the transpose does not."""
    x, = inputs((3, 3))
    e = np.exp(x)
    first = kernels_of((e * x.max() + 1.0).sum() + (e.T * 2.0).sum()).kernels[0]
    assert isinstance(first, VectorLoop) and e in set(first.nodes) and first.stores[0][0] is e


def test_copies() -> None:
    """What lies in memory in another order is copied; zeros are filled in before something is put into them."""
    x, y = inputs((3, 4), (2, 4))
    joined = np.concatenate([np.exp(x), y])
    assert described(kernels_of(joined.sum())) == ["exp", "copy", "copy", "sum"]
    turned = np.reshape(x.T, (2, 6))
    assert described(kernels_of(turned.sum())) == ["copy", "sum"]
    zeros = np.zeros_like(x)
    zeros[1:] = y
    kernels = kernels_of(zeros.sum())
    fill, put, _ = kernels.kernels
    assert isinstance(fill, VectorLoop) and isinstance(put, VectorLoop) and (fill.shape, put.shape) == ((3, 4), (2, 4))
    assert put.stores[0][1].offset == 4


def test_a_batch_comes_first() -> None:
    x, y, w = (inputs_named(name, (2, 2), F8) for name in "XYw")
    program = program_of((np.exp(w) @ x - y).sum(), {w: w * 0.5}, batches=True)
    kernels = Kernels(program).kernels
    assert {kernel.node for kernel in kernels[:2] if isinstance(kernel, Batch)} == {x, y}
    assert not any(isinstance(kernel, Batch) for kernel in kernels[2:])


def test_an_update_that_does_not_read_what_it_replaces() -> None:
    x, last = inputs((3, 4), (3, 4))
    g = np.exp(x)
    assert kernels_of(g.sum(), {last: g}).accesses[last].root is last


@pytest.mark.parametrize("index", [np.array([0, 2]), [0, 2], np.array([True, False, True]), True, False])
def test_an_index_that_is_no_view_is_refused(index: Any) -> None:
    x, = inputs((3, 4))
    with pytest.raises(Untraceable, match="index"):
        kernels_of(x[index if not isinstance(index, list) else np.array(index)].sum())


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_reshape_is_a_view_only_where_memory_allows_it(data: st.DataObject) -> None:
    """The strides are those that NumPy gives a view; where it copies, so does a loop."""
    array: Any = np.arange(24.0).reshape(data.draw(st.sampled_from([(2, 3, 4), (4, 6), (1, 24), (2, 1, 12), (24,)])))
    x = node = inputs_named("x", array.shape, F8)
    order = data.draw(st.permutations(range(array.ndim)))
    array, node = np.transpose(array, order), np.transpose(node, tuple(order))
    shape = data.draw(st.sampled_from([(24,), (4, 6), (2, 3, 4), (1, 24, 1), (3, 8), (12, 2), array.shape + (1,)]))
    result, reshaped = node.reshape(shape), array.reshape(shape)
    access = kernels_of(result.sum()).accesses[result]
    if access.root is x:
        found = np.lib.stride_tricks.as_strided(np.arange(24.0), shape, tuple(8 * s for s in access.strides))
        assert np.array_equal(found, reshaped)
    else:
        assert access.root is result and access.strides == contiguous(shape) and not array.flags.c_contiguous


# --------------------------------------------------------------------------------------------------- random programs

SHAPES = [(3, 4), (4,), (3, 1), (4, 3), (1, 4), ()]


@st.composite
def programs(draw: Any) -> StepProgram:
    """Random operations on random earlier nodes, and updates of some inputs."""
    nodes: list[Any] = inputs(*SHAPES)
    for _ in range(draw(st.integers(1, 25))):
        x = draw(st.sampled_from(nodes))
        y = draw(st.sampled_from([n for n in nodes if _fits(x, n)]))
        choice = draw(st.sampled_from(["add", "multiply", "tanh", "where", "sum", "max", "T", "matmul", "slice",
                                       "reshape", "broadcast", "concatenate"]))
        if choice in ("add", "multiply"):
            new = getattr(np, choice)(x, y)
        elif choice == "tanh":
            new = np.tanh(x)
        elif choice == "where":
            new = np.where(x > 0, x, y)
        elif choice in ("sum", "max"):
            axes = tuple(i for i in range(x.ndim) if draw(st.booleans()))
            new = getattr(x, choice)(axis=axes, keepdims=draw(st.booleans()))
        elif choice == "matmul" and x.ndim == 2:
            new = x @ x.T
        elif choice == "slice" and x.ndim:
            new = x[::-1]
        elif choice == "reshape":
            new = x.reshape(-1)
        elif choice == "broadcast" and x.ndim < 3:
            new = np.broadcast_to(x, (2, *x.shape))
        elif choice == "concatenate" and x.ndim:
            new = np.concatenate([x, x])
        else:
            new = np.transpose(x)
        if new.size <= 500:
            nodes.append(new)
    cost = nodes[-1].sum()
    updates = {x: y for x in nodes[:len(SHAPES)] if x.shape for y in [draw(st.sampled_from(
        [n for n in nodes if n.shape == x.shape]))] if y is not x and draw(st.booleans())}
    return program_of(cost, updates)


def _fits(x: ArrayNode, y: ArrayNode) -> bool:
    try:
        np.broadcast_shapes(x.shape, y.shape)
    except ValueError:
        return False
    return True


def read_by(kernel: Any, kernels: Kernels) -> set[ArrayNode]:
    """Whose memory a kernel reads."""
    if isinstance(kernel, Product):
        return {kernel.a.root, kernel.b.root}
    own = set(kernel.nodes)
    read = {value.root for value, _ in kernel.stores if isinstance(value, Access)}
    for node in kernel.nodes:
        read |= {kernels.accesses[x].root for x in node.inputs
                 if x not in own or x.shape != kernel.shape or x.op in REDUCTIONS}
    return read


def written_by(kernel: Any) -> set[ArrayNode]:
    if isinstance(kernel, Product):
        return {kernel.node}
    return {target.root for _, target in kernel.stores} | {node for node in kernel.nodes if node.op in REDUCTIONS}


@given(programs())
@settings(max_examples=200, deadline=None)
def test_every_kernel_finds_what_it_needs(program: StepProgram) -> None:
    kernels = Kernels(program)
    complete = {node for node in program.nodes if node.op in ("input", "constant")}
    computed: list[ArrayNode] = []
    writers: dict[ArrayNode, int] = {}
    for i, kernel in enumerate(kernels.kernels):
        assert read_by(kernel, kernels) <= complete  # no kernel after this one writes them
        assert not written_by(kernel) & set(program.slots)
        if isinstance(kernel, VectorLoop):
            before: set[ArrayNode] = set()
            own = set(kernel.nodes)
            for node in kernel.nodes:  # each step after those of the same loop that it reads
                assert not any(x in own and x not in before for x in node.inputs)
                shape = node.inputs[0].shape if node.op in REDUCTIONS else node.shape
                assert shape == kernel.shape
                before.add(node)
            computed += kernel.nodes
        elif isinstance(kernel, Product):
            computed.append(kernel.node)
        writers |= {node: i for node in written_by(kernel)}
        later = set().union(*(written_by(other) for other in kernels.kernels[i + 1:]))
        complete |= written_by(kernel) - later
    # each node in exactly one kernel, or it is a view, a copy, an input
    assert len(computed) == len(set(computed))
    assert set(computed) == {
        node for node in program.nodes if node.op in (*REDUCTIONS, "matmul") or kernels.is_fused(node)}
    # kept is what is written, and no more than what somebody else reads
    assert set(kernels.kept) == set(writers)
    read = {*users_of(program.nodes), *program.outputs()}
    for node in kernels.kept:
        assert node.op not in VIEWS and node in read
