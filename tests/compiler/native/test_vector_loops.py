"""Machine code for single loops against NumPy: functions, dtypes, special values, reductions, strides, tails."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from tinygrad_course.compiler.native import machine  # noqa: E402
from tinygrad_course.compiler.nodes import ArrayNode, Untraceable, as_node, inputs_named  # noqa: E402
from tinygrad_course.compiler.native.vector_loops import BY_FUNCTION, SUPPORTED  # noqa: E402
from tinygrad_course.compiler.native.module import Native  # noqa: E402
from tinygrad_course.compiler.program import DataSlot, StepProgram, evaluated, ordered  # noqa: E402

DTYPES = [np.dtype(np.float64), np.dtype(np.float32), np.dtype(bool)]
F8, F4, B1 = DTYPES
LANES = [2, 4, 8]  # doubles in a vector of SSE, AVX and AVX-512; LLVM splits what this processor does not have


def native(outputs: Sequence[ArrayNode], values: dict[ArrayNode, Any],
           updates: dict[ArrayNode, ArrayNode] | None = None,
           steps: int = 1) -> list[Any]:
    """The outputs, computed by machine code. updates: inputs that change, in place; their arrays do so."""
    count = inputs_named("count", (), F8)
    cost = np.add(count, 1.0)
    results = {inputs_named(f"y{i}", y.shape, y.dtype): y for i, y in enumerate(outputs)}
    arrays = {**values, count: np.ones(()), **{x: np.full(x.shape, 77).astype(x.dtype) for x in results}}
    changed = {**results, **(updates or {})}
    slots = {x: DataSlot(str(x.name)) for x in arrays}
    program = StepProgram(ordered([cost, *changed.values()]), cost, changed, slots, {})
    code = Native(program, arrays)
    code.bind(arrays)
    assert code.run(steps).tolist() == [2.0] * steps
    return [arrays[x] for x in results]


def assert_equal(found: Any, expected: Any, ulps: float = 0, zeros: bool = True, scale: Any = 0,
                 what: Any = "") -> None:
    """Equal numbers, nan and infinities in the same places. zeros: whether -0 is told from 0.

    ulps: how far numbers may be apart, in units of the last place of the expected one, or of `scale` if that is larger.
    """
    expected = np.asarray(expected, dtype=found.dtype)
    assert found.shape == expected.shape, what
    same = (found == expected) | (found != found) & (expected != expected)
    if found.dtype.kind == "f" and zeros:
        same &= (np.signbit(found) == np.signbit(expected)) | (found != 0)
    if ulps:
        with np.errstate(all="ignore"):
            unit = np.spacing(np.maximum(np.abs(expected), scale).astype(found.dtype))
            same |= np.abs(found.astype(F8) - expected) <= ulps * unit
    assert same.all(), f"{what}: {np.argwhere(~same)[:5].tolist()} {found[~same][:5]} {expected[~same][:5]}"


def numbers(dtype: np.dtype[Any], shape: Any, seed: int = 0) -> Any:
    random = np.random.default_rng(seed)
    if dtype == B1:
        return np.asarray(random.integers(0, 2, shape), dtype)
    return np.asarray(random.choice([-1, 1], shape) * random.uniform(0.5, 2, shape), dtype)


# ------------------------------------------------------------------------------------------- elementwise functions

# How many arguments, and how far from NumPy's numbers, in units of the last place. NumPy computes float32 functions
# less accurately than the machine code, so its float64 functions are what those are compared with.
TABLE: dict[str, tuple[int, float]] = {
    **dict.fromkeys(["exp", "expm1", "log", "log1p", "tanh", "sin", "cos"], (1, 2.6)),
    **dict.fromkeys(["sqrt", "absolute", "fabs", "floor", "ceil", "trunc", "rint", "negative", "positive", "square",
                     "reciprocal", "sign", "isfinite", "isnan", "isinf", "logical_not", "invert", "astype"], (1, 0)),
    **dict.fromkeys(["add", "subtract", "multiply", "divide", "copysign", "maximum", "minimum"], (2, 0)),
    **dict.fromkeys(["greater", "greater_equal", "less", "less_equal", "equal", "not_equal", "logical_and",
                     "logical_or", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor"], (2, 0)),
    **dict.fromkeys(["power", "float_power"], (2, 1.1)), "logaddexp": (2, 4), "where": (3, 0),
}
UNSIGNED_ZERO = {"sign", "maximum", "minimum"}  # where NumPy's own choice between 0 and -0 depends on the processor


def special(dtype: np.dtype[Any]) -> Any:
    if dtype == B1:
        return np.array([True, False, True])
    info = np.finfo(dtype)
    tiny, small = float(info.smallest_subnormal), float(info.tiny)
    positive = [0.0, tiny, 7 * tiny, small / 3, small, 1e-20, 0.3, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 20.7, 88.5, 709.3,
                746.0, 1e30, float(info.max) / 2, float(info.max), np.inf]
    return np.array([*positive, *(-x for x in positive), np.nan], dtype=dtype)


def applied(name: str, inputs: Sequence[Any], dtype: Any) -> Any:
    if name == "astype":
        return inputs[0].astype(dtype)
    return np.where(*inputs) if name == "where" else getattr(np, name)(*inputs)


def cases() -> Iterator[tuple[str, tuple[np.dtype[Any], ...], Any]]:
    """Every function with every combination of dtypes that NumPy has it for, with a floating or Boolean result."""
    for name, (count, _) in TABLE.items():
        for dtypes in itertools.product(DTYPES, repeat=count):
            for target in DTYPES if name == "astype" else [None]:
                try:
                    dtype = applied(name, [np.ones(1, dtype) for dtype in dtypes], target).dtype
                except TypeError:  # Booleans have no minus, say
                    continue
                if dtype in DTYPES and not (name == "astype" and target == dtypes[0]):
                    yield name, dtypes, target


def test_the_table_has_every_function() -> None:
    assert set(TABLE) == SUPPORTED
    assert {name for name, *_ in cases()} == SUPPORTED


@pytest.mark.parametrize("name", TABLE)
def test_functions_of_special_values(name: str) -> None:
    """All pairs, and all triples for `where`, of inf, nan, -0, denormals, huge and usual numbers."""
    outputs, values, expected = [], {}, []
    for _, dtypes, target in (case for case in cases() if case[0] == name):
        arrays = [special(dtype) for dtype in dtypes]
        arrays = [a.reshape((-1,) + (1,) * (len(arrays) - 1 - i)) for i, a in enumerate(arrays)]
        nodes = [inputs_named("x", a.shape, a.dtype) for a in arrays]
        values |= dict(zip(nodes, arrays))
        outputs.append(applied(name, nodes, target))
        with np.errstate(all="ignore"):
            exact = name in BY_FUNCTION or name in ("power", "logaddexp")
            result = applied(name, [a.astype(F8) for a in arrays] if exact else arrays, target)
            expected.append((dtypes, arrays, result.astype(outputs[-1].dtype)))
    for found, (dtypes, arrays, result) in zip(native(outputs, values), expected):
        scale: Any = 0
        if name == "logaddexp":  # a sum of two numbers, each with its rounding
            scale = np.maximum(*(np.where(np.isfinite(a), np.abs(a), 0) for a in arrays))
        assert_equal(found, result, TABLE[name][1], name not in UNSIGNED_ZERO, scale, f"{name} of {dtypes}")


@pytest.mark.parametrize("lanes", LANES)
def test_every_size(lanes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole vectors, tails, less than one vector: from 1 to 33 elements, in loops with few and with many steps."""
    monkeypatch.setattr(machine, "lanes", lambda: lanes)
    outputs, values = [], {}
    for size in range(1, 34) if lanes == 4 else (1, 2, 3, 6, 7, 8, 13, 16, 17, 23, 33):
        for rows, dtype in enumerate((F8, F4, B1), start=1):  # other shapes, so that they are other loops
            x, y = (inputs_named("x", (rows, size), dtype) for _ in range(2))
            values |= {x: numbers(dtype, x.shape, size), y: numbers(dtype, x.shape, size + 50)}
            outputs += [np.add(x, y), np.logical_and(np.greater(x, y), x)]
        x, y, z = (inputs_named("x", (4, size), dtype) for dtype in DTYPES)  # of several dtypes in one loop
        values |= {n: numbers(n.dtype, n.shape, size) for n in (x, y, z)}
        outputs += [np.where(z, x, y), np.tanh(y * x), np.exp(y), np.multiply(z, y), y / 3.0]
        row, column, number = (inputs_named("x", shape, F4) for shape in ((size,), (5, 1), ()))  # values of outer loops
        values |= {n: numbers(n.dtype, n.shape, size) for n in (row, column, number)}
        outputs += [np.tanh(row) + np.exp(column) * number, (column < number) & (row < column)]
    for y, found in zip(outputs, native(outputs, values)):
        assert_equal(found, evaluated([y], values)[0], 4, scale=4, what=(y, y.inputs))


def test_python_numbers_and_constants() -> None:
    """Python's numbers take the dtype of what they meet; constant arrays of any dtype are read as what they are."""
    x, values = inputs_named("x", (3, 5), F4), {}
    values[x] = numbers(F4, x.shape)
    constants: list[Any] = [0.1, 3, True, np.float64(0.1), np.arange(5), np.arange(5, dtype=np.int8),
                            np.arange(5, dtype=np.uint8), np.arange(5, dtype=">f8") / 3, np.arange(5) > 2,
                            np.arange(5, dtype=">f4").astype(">f4"), np.arange(10, dtype=np.uint16)[::2]]
    outputs = [np.multiply(x, c) for c in constants]
    for c, y, found in zip(constants, outputs, native(outputs, values)):
        assert found.dtype == (values[x] * c).dtype
        assert_equal(found, values[x] * c, what=c)


def test_whole_numbers() -> None:
    """Whole numbers are computed as doubles: where that is not the same, there is no machine code."""
    x, values = inputs_named("x", (9,), F8), {}
    values[x] = np.array([-2.5, -1.5, -0.5, 0.0, 0.5, 1.5, 2.5, 3.5, 1e6])
    whole = x.astype(int)
    outputs = [whole.astype(F8), np.square(whole).astype(F8), np.divide(whole, 2), np.where(x > 0, whole, 7) * 0.5,
               (x > 0).sum().astype(F8), np.sum(x > 0, axis=0, keepdims=True) * x]
    for y, found in zip(outputs, native(outputs, values)):
        assert_equal(found, evaluated([y], values)[0], zeros=False, what=y)
    assert native([whole.astype(F8)], values)[0].tolist() == [-2, -1, 0, 0, 0, 1, 2, 3, 1e6]


@pytest.mark.parametrize("make", [
    lambda x: np.exp(x > 0),  # NumPy's result is float16
    lambda x: x.astype(np.float16),
    lambda x: x.astype(np.uint8) - np.uint8(3),
    lambda x: np.reciprocal(x.astype(int)),
    lambda x: np.power(x.astype(int), as_node(np.arange(4))),
    lambda x: np.bitwise_and(x.astype(int), 3),
    lambda x: np.invert(x.astype(int)),
    lambda x: (x > 0).max(),
    lambda x: (x > 0).min(axis=0),
    lambda x: x.max(initial=3.0),
    lambda x: x.astype(np.longdouble),
])
def test_what_machine_code_would_compute_otherwise_is_refused(make: Any) -> None:
    x = inputs_named("x", (4,), F8)
    with pytest.raises(Untraceable):
        native([make(x) * 1.0], {x: np.ones(4)})


# ------------------------------------------------------------------------------------------------------ reductions

SIZES = [1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 17, 31, 33]


def reduction_cases() -> list[tuple[tuple[int, ...], tuple[int, ...], str, np.dtype[Any], bool]]:
    """shape, axes, function, dtype, and whether it is of something computed. Each shape once: so each is one loop."""
    random = np.random.RandomState(1)
    shapes = [(), *((n,) for n in range(1, 34))]
    for ndim in (2, 3, 4):
        most = {2: 33 * 33, 3: 6000, 4: 12000}[ndim]
        shapes += [tuple(map(int, random.choice(SIZES, ndim))) for _ in range(12 * ndim)]
        shapes = [shape for shape in shapes if np.prod(shape) <= most]
    found = []
    for i, shape in enumerate(dict.fromkeys(shapes)):
        subsets = [axes for n in range(len(shape) + 1) for axes in itertools.combinations(range(len(shape)), n)]
        found.append((shape, subsets[i % len(subsets)], ("sum", "max", "min")[i // 3 % 3], (F8, F4)[i // 2 % 2],
                      i % 5 < 2))
    return found


@pytest.mark.parametrize("lanes", LANES)
def test_reductions(lanes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "lanes", lambda: lanes)
    outputs, values = [], {}
    for i, (shape, axes, op, dtype, computed) in enumerate(reduction_cases()):
        x = inputs_named("x", shape, dtype)
        values[x] = numbers(dtype, shape, i)
        outputs.append(getattr(x * -0.75 if computed else x, op)(axis=axes, keepdims=i % 2 == 0))
    assert len({axes for _, axes, *_ in reduction_cases()}) == 16
    for case, y, found in zip(reduction_cases(), outputs, native(outputs, values)):
        x = (y if y.op in ("sum", "max", "min") else y.inputs[0]).inputs[0]
        array = evaluated([x], values)[0]
        terms = array.size // max(found.size, 1)
        scale = np.sqrt(terms) * 4
        assert_equal(found, evaluated([y], values)[0], 4 if case[2] == "sum" else 0, scale=scale, what=case)


def test_several_reductions_share_a_loop() -> None:
    """Of one array over every subset of its axes at once, with what is computed from it element by element."""
    for shape in ((5, 3, 2, 9), (1, 4, 1, 7), (2, 17), (13,), (1, 1), ()):
        x = inputs_named("x", shape, F8)
        values = {x: numbers(F8, shape)}
        outputs = [np.tanh(x)]
        for n in range(len(shape) + 1):
            for axes in itertools.combinations(range(len(shape)), n):
                outputs += [x.sum(axis=axes), x.max(axis=axes), np.tanh(x).min(axis=axes), (x > 0).sum(axis=axes) * 1.0]
        for y, found in zip(outputs, native(outputs, values)):
            assert_equal(found, evaluated([y], values)[0], 4, scale=8, what=(shape, y))


def test_extremes_of_special_values() -> None:
    """nan wins wherever it is; infinities are numbers like any other; sums are infinite or nan where NumPy's are."""
    rows = []
    for size in (1, 2, 7, 8, 9, 13):
        for bad in (np.nan, np.inf, -np.inf):
            for place in range(size):
                rows.append(numbers(F8, size, place))
                rows[-1][place] = bad
            rows.append(np.full(size, bad))
    groups = [np.stack(list(group)) for _, group in itertools.groupby(rows, len)]
    values = {inputs_named("x", a.shape, dtype): a.astype(dtype) for a in groups for dtype in (F8, F4)}
    outputs = [getattr(x, op)(axis=axis) for x in values for op in ("sum", "max", "min") for axis in (0, 1, None)]
    for y, found in zip(outputs, native(outputs, values)):
        with np.errstate(invalid="ignore"):
            assert_equal(found, evaluated([y], values)[0], 4, scale=8, what=y.inputs)


def test_long_sums_are_accurate() -> None:
    """A sum over a contiguous axis has many running totals: its error stays far below that of adding one by one."""
    x = inputs_named("x", (3, 100_003), F4)
    values = {x: np.random.default_rng(0).random(x.shape, dtype=F4)}
    exact = values[x].astype(F8)
    for y, expected in ((x.sum(axis=1), exact.sum(axis=1)), (x.sum(), exact.sum())):
        np.testing.assert_allclose(native([y], values)[0], expected, rtol=1e-4)


# --------------------------------------------------------------------------------------------------------- strides


def layouts(random: np.random.RandomState, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """An array of a shape that lies in memory somehow: reversed, stepped, transposed, broadcast, or in order."""
    order = tuple(random.permutation(len(shape)))
    steps = [int(random.choice([1, 1, 1, 2, 3, -1, -2])) for _ in shape]
    whole = tuple(shape[i] * abs(steps[i]) + int(random.randint(3)) for i in order)
    a = np.transpose(numbers(dtype, whole, random.randint(1000)), np.argsort(order))
    a = a[tuple(slice(None, None, step) for step in steps)][tuple(slice(n) for n in shape)]
    for axis in range(len(shape)):
        if random.rand() < 0.15:
            a = np.broadcast_to(np.take(a, [0], axis), shape)
    assert a.shape == shape
    return a


def viewed(random: np.random.RandomState, x: Any) -> Any:
    """A view of an array, or of a node."""
    for _ in range(random.randint(4)):
        choice = random.randint(6)
        if choice == 0:
            x = np.transpose(x, tuple(int(i) for i in random.permutation(x.ndim)))
        elif choice == 1 and x.ndim < 4:
            x = np.broadcast_to(x, (int(random.randint(1, 4)), *x.shape))
        elif choice == 2 and x.ndim and x.shape[0] > 2:
            start, step = int(random.randint(2)), int(random.choice([1, 2, -1]))
            x = x[start::step] if step > 0 else x[:start:step]
        elif choice == 3 and x.ndim and x.shape[-1] > 1:
            x = x[..., int(random.randint(-x.shape[-1], x.shape[-1]))]
        elif choice == 4 and x.ndim < 4:
            x = x[None] if random.randint(2) else x[..., None]
        elif choice == 5 and x.ndim:
            x = np.reshape(x, (-1, x.shape[-1]) if random.randint(2) else (-1,))
    return x


@pytest.mark.parametrize("seed", range(3))
def test_arrays_in_any_order_in_memory(seed: int) -> None:
    random = np.random.RandomState(seed)
    outputs, values = [], {}
    for _ in range(20):
        shape = tuple(int(random.choice([1, 2, 3, 5, 8, 9, 17])) for _ in range(random.randint(1, 4)))
        a, b = (layouts(random, shape, (F8, F4, B1)[random.randint(3)]) for _ in range(2))
        x, y = (inputs_named("x", c.shape, c.dtype) for c in (a, b))
        values |= {x: a, y: b}
        outputs += [np.add(x, y) * 2.0, viewed(random, x), viewed(random, y) * 3.0, viewed(random, x * 5.0)]
        z = viewed(random, np.multiply(x, y))
        outputs.append(np.multiply(z, 1.5).max(axis=tuple(i for i in range(z.ndim) if random.randint(2))))
    for y, found in zip(outputs, native(outputs, values)):
        assert_equal(found, evaluated([y], values)[0], 1, what=(y, y.inputs))


def test_concatenate_scatter_and_reshape() -> None:
    random, outputs, values = np.random.RandomState(5), [], {}
    for i in range(24):
        dtype = (F8, F4, B1)[i % 3]
        shape = tuple(int(n) for n in random.choice([1, 2, 3, 5, 9], 1 + i % 3))
        axis = int(random.randint(len(shape)))
        parts = []
        for n in (int(random.choice([1, 4, 7])), 2, 1):
            own = tuple(n if j == axis else size for j, size in enumerate(shape))
            parts.append(inputs_named("x", own, (dtype, F8)[random.randint(2)]))
            values[parts[-1]] = numbers(parts[-1].dtype, own, random.randint(1000))
        computed = [parts[0] * 2.0, parts[1].sum(axis=axis, keepdims=True)]
        outputs += [np.concatenate(parts, axis), np.concatenate(computed, axis)]
        g = parts[0]
        zeros = np.zeros_like(g, shape=tuple(2 * n + 1 for n in g.shape))
        zeros[tuple(slice(None, 2 * n, 2) if random.randint(2) else slice(n, 0, -1) for n in g.shape)] = g
        outputs += [zeros, zeros * 2.0]
        turned = np.transpose(g, tuple(int(j) for j in random.permutation(g.ndim)))
        outputs += [turned.reshape(-1) * 3.0, np.reshape(turned, (g.size, 1)), np.reshape(turned * 2.0, (1, 1, g.size))]
    zeros = np.zeros_like(outputs[0], shape=(3, 2))
    for y, found in zip([*outputs, zeros], native([*outputs, zeros], values)):
        assert_equal(found, evaluated([y], values)[0], what=(y, y.inputs))


def test_true_is_no_index() -> None:
    """NumPy's x[True] is a mask that adds an axis."""
    x = inputs_named("x", (3, 4), F8)
    with pytest.raises(Untraceable, match="index"):
        native([x[True] * 2.0], {x: np.ones((3, 4))})


# ------------------------------------------------------------------------------------------------- updates in place


@pytest.mark.parametrize("lanes", LANES)
def test_updates_in_place_happen_once(lanes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "lanes", lambda: lanes)
    updates, values, expected = {}, {}, {}
    for size in range(1, 34, 1 if lanes == 4 else 3):
        for dtype in (F8, F4):
            w, v = (inputs_named(name, (2, size) if dtype == F4 else (size,), dtype) for name in "wv")
            a, b = numbers(dtype, w.shape, size), numbers(dtype, w.shape, size + 50)
            values |= {w: a.copy(), v: b.copy()}
            updates |= {v: v * 0.5 + w, w: w - (v * 0.5 + w) * 2.0}
            for _ in range(3):
                b = b * dtype.type(0.5) + a
                a = a - b * dtype.type(2)
            expected |= {w: a, v: b}
    native([], values, updates, steps=3)
    for x, array in expected.items():
        assert_equal(values[x], array, what=x)


def test_updates_that_read_other_elements_wait() -> None:
    """What still has to be read is not written over, whoever reads it and in whatever order."""
    rules: list[Any] = [
        lambda w: w + w.T, lambda w: w - w.max(), lambda w: w[::-1] * 2.0, lambda w: w * w[0],
        lambda w: np.concatenate([w[1:], w[:1] * 2.0]), lambda w: w - w.sum(axis=0, keepdims=True),
        lambda w: np.matmul(w, w) * 0.1, lambda w: np.matmul(w, w), lambda w: np.reshape(w * 2.0, w.shape).T,
        lambda w: np.broadcast_to(w.sum(axis=0), w.shape), lambda w: np.exp(w * 0.0) * 3.0, lambda w: w.T * 1.0,
    ]
    for order in ("C", "F"):
        updates, values, expected = {}, {}, {}
        for size in (3, 4, 5, 9):
            for i, rule in enumerate(rules):
                w = inputs_named(f"w{i}", (size, size), F8)
                values[w] = np.array(numbers(F8, w.shape, size + i), order=order)
                updates[w] = rule(w)
                expected[w] = evaluated([updates[w]], {w: evaluated([updates[w]], values)[0]})[0]
        native([], values, updates, steps=2)
        for w, array in expected.items():
            np.testing.assert_allclose(values[w], array, rtol=1e-12, err_msg=f"{w} {order}")
