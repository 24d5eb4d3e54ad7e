"""Machine code for products of matrices against NumPy: sizes, layouts, dtypes, with BLAS and without."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from tinygrad_course.compiler.native import blas, machine, products as product_code  # noqa: E402
from tinygrad_course.compiler.nodes import ArrayNode, Untraceable, inputs_named, product  # noqa: E402
from tinygrad_course.compiler.native.module import Native  # noqa: E402
from tinygrad_course.compiler.program import DataSlot, StepProgram, evaluated, ordered  # noqa: E402

SIZES = [1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 17, 209]
DTYPES = [np.float64, np.float32]


@pytest.fixture(params=["own loops", "BLAS", "no BLAS"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Who computes products: our loops because they are small, BLAS always, our loops because there is no BLAS."""
    monkeypatch.setattr(product_code, "SMALL", 1 << 60 if request.param == "own loops" else 0)
    if request.param == "no BLAS":
        monkeypatch.setattr(blas, "addresses", dict)
    elif request.param == "BLAS" and not blas.addresses():
        pytest.skip("NumPy was built with a BLAS that cannot be called")
    return str(request.param)


def native(outputs: Sequence[ArrayNode], values: dict[ArrayNode, Any]) -> tuple[Native, list[Any]]:
    count = inputs_named("count", (), np.float64)
    cost = np.add(count, 1.0)
    updates = {inputs_named(f"y{i}", y.shape, y.dtype): y for i, y in enumerate(outputs)}
    arrays = {**values, count: np.ones(()), **{x: np.full(x.shape, np.nan, x.dtype) for x in updates}}
    slots = {x: DataSlot(str(x.name)) for x in arrays}
    program = StepProgram(ordered([cost, *updates.values()]), cost, updates, slots, {})
    code = Native(program, arrays)
    code.bind(arrays)
    assert code.run(1).tolist() == [2.0]
    return code, [arrays[x] for x in updates]


def check(outputs: Sequence[ArrayNode], values: dict[ArrayNode, Any], way: str) -> None:
    """Each sum of k products is off by at most a few roundings of its terms; BLAS and our loops alike."""
    code, results = native(outputs, values)
    text = "\n".join(code._code(kernel, {}, machine.lanes()).text for kernel in code.steps)
    assert ("gemm(" in text) == (way == "BLAS")
    for y, found in zip(outputs, results):
        a, b = (evaluated([x], values)[0].astype(np.float64) for x in y.inputs)
        a, b = (x.T if turned else x for x, turned in zip((a, b), y.params.values()))
        bound = np.abs(a) @ np.abs(b) * np.finfo(y.dtype).eps * (a.shape[1] / 2 + 2)
        np.testing.assert_array_less(np.abs(found - a @ b), bound, err_msg=f"{y} {y.params} of {y.inputs}")


def matrices(random: np.random.RandomState, n: int, k: int, p: int, dtype: Any, ta: bool, tb: bool) -> list[Any]:
    return [np.asarray(random.uniform(-2, 2, (k, n) if ta else (n, k)), dtype),
            np.asarray(random.uniform(-2, 2, (p, k) if tb else (k, p)), dtype)]


@pytest.mark.parametrize("lanes", [2, 4, 8])
def test_products_of_every_size(way: str, lanes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each pair of sizes occurs, each with all four layouts; every third triple has float32."""
    if way != "own loops" and lanes != 4:
        return
    monkeypatch.setattr(machine, "lanes", lambda: lanes)
    random, outputs, values = np.random.RandomState(lanes), [], {}
    for i in range(len(SIZES)):
        for j in range(0, len(SIZES), 1 if lanes == 4 else 3):
            n, k, p = SIZES[i], SIZES[(i + j) % len(SIZES)], SIZES[(i * 5 + j * 7) % len(SIZES)]
            ta, tb = divmod((i + j) % 4, 2)
            a, b = matrices(random, n, k, p, DTYPES[random.randint(2)], bool(ta), bool(tb))
            x, y = (inputs_named(name, array.shape, array.dtype) for name, array in (("A", a), ("B", b)))
            values |= {x: a, y: b}
            outputs.append(product(x, y, bool(ta), bool(tb)))
    check(outputs, values, way)


def test_parts_of_larger_matrices(way: str) -> None:
    """Rows, columns, blocks, every second row, reversed ones, in both orders; and matrices that are broadcast."""
    random, outputs, values = np.random.RandomState(0), [], {}
    parts: list[tuple[Any, Any]] = [
        (slice(None), slice(None)), (slice(1, None), slice(2, 7)), (slice(0, 1), slice(None)),
        (slice(None), slice(3, 4)), (slice(None, None, 2), slice(None)), (slice(None), slice(None, None, 2)),
        (slice(None, None, -1), slice(1, None)), (slice(None), slice(None, None, -1)), (slice(2, 3), slice(4, 5)),
        (slice(None, None, 3), slice(None, None, 2))]
    for i, (index, order) in enumerate((part, order) for part in parts for order in "CF"):
        dtype = DTYPES[i % 2]
        whole = inputs_named("A", (9, 10), dtype)
        values[whole] = np.asarray(random.uniform(-2, 2, whole.shape), dtype, order=order)
        a = whole[index]
        for ta, tb in ((False, i % 4 < 2), (True, i % 4 > 1)):
            k = a.shape[0] if ta else a.shape[1]
            other = inputs_named("B", (6, k) if tb else (k, 6), dtype)
            values[other] = np.asarray(random.uniform(-2, 2, other.shape), dtype, order="FC"[i // 4 % 2])
            outputs += [product(a, other, ta, tb), product(other, a, not tb, not ta)]
    column, row = inputs_named("c", (7, 1), np.float64), inputs_named("r", (1, 5), np.float64)
    values |= {column: random.uniform(-2, 2, (7, 1)), row: random.uniform(-2, 2, (1, 5))}
    wide, tall = np.broadcast_to(column, (7, 3)), np.broadcast_to(row, (3, 5))
    outputs += [product(wide, tall), product(tall, wide, True, True), product(column, row), product(row, wide[:5])]
    check(outputs, values, way)


def test_a_matrix_times_its_transpose(way: str) -> None:
    for dtype in DTYPES:
        x = inputs_named("X", (13, 17), dtype)
        y = np.multiply(x, 2.0)
        outputs = [product(x, x, True, False), product(x, x, False, True), product(y, y, False, True)]
        check(outputs, {x: np.asarray(np.random.RandomState(0).randn(13, 17), dtype)}, way)


def test_what_is_not_finite_stays_where_it_is(way: str) -> None:
    """Blocks overlap at the ends, and fill up with zeros: neither may carry nan to other rows and columns."""
    x, y, values = inputs_named("A", (13, 9), np.float64), inputs_named("B", (9, 17), np.float64), {}
    for place in ((0, 0), (12, 8), (9, 3), (5, 7)):
        a, b = np.ones((13, 9)), np.ones((9, 17))
        a[place] = np.nan
        b[place[1], 16] = np.inf
        values = {x: a, y: b}
        outputs = [product(x, y), product(y, x, True, True)]
        for node, found in zip(outputs, native(outputs, values)[1]):
            assert np.array_equal(np.isnan(found), np.isnan(evaluated([node], values)[0])), node
            assert np.isinf(found).sum() == 12


def test_other_dtypes_are_refused() -> None:
    x, y = inputs_named("A", (3, 3), np.float64), inputs_named("B", (3, 3), np.float32)
    for a, b in ((x, y), (x > 0, x > 0), (x, x > 0)):
        with pytest.raises(Untraceable, match="dtype|bool"):
            native([np.multiply(product(a, b), 1.0)], {x: np.ones((3, 3)), y: np.ones((3, 3), np.float32)})
