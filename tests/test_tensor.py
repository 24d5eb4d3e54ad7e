"""The Tensor: what goes in, its operators, its values in place, and the memory that a graph holds."""

import copy
import gc
import math
import pickle
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from tinygrad_course import InputError, Tensor, grad, nn, no_grad, ops
from tinygrad_course.autodiff import topological_order

# -------------------------------------------------------------------------------------------- construction


@pytest.mark.parametrize("data, dtype", [
    (1, np.int64), (1.5, np.float64), (True, np.bool_), ([1, 2], np.int64), ([[1.0], [2]], np.float64),
    ([], np.float64), (np.float32(2), np.float32), (np.ones(2, np.float32), np.float32),
    (np.ones((2, 0)), np.float64),
    (np.ones(2, np.uint8), np.uint8), (np.ones(2, np.float16), np.float16), ((1.0, 2.0), np.float64),
], ids=str)
def test_dtype_is_that_of_the_data(data: Any, dtype: Any) -> None:
    t = Tensor(data)
    np.testing.assert_array_equal(t.data, np.array(data), strict=True)
    assert (t.dtype, t.shape, t.ndim, t.size) == (dtype, np.shape(data), np.ndim(data), np.size(data))
    assert (t.op, t.parents, t.grad, t.requires_grad, t.name) == (None, (), None, False, None)
    assert Tensor(data, dtype=np.float32).dtype == np.float32


def test_data_are_copied() -> None:
    array = np.array([1.0, 2.0])
    first = Tensor(array, requires_grad=True)
    second = Tensor(first)
    cost = (first * first).sum()
    array[:] = 7
    cost.backward()
    first.data[0] = 5
    np.testing.assert_array_equal(first.grad, [2, 4])
    np.testing.assert_array_equal(second.data, [1, 2])


@pytest.mark.parametrize("bad", ["abc", None, [[1], [2, 3]], 1j, [1, "a"], object(), {1: 2},
                                 np.datetime64("2020")], ids=lambda bad: type(bad).__name__)
def test_what_is_no_number_is_refused(bad: Any) -> None:
    with pytest.raises(InputError, match=f"cannot make a Tensor of {type(bad).__name__}"):
        Tensor(bad)


@pytest.mark.parametrize("data", [1, [1, 2], np.array([True]), np.ones(2, np.uint8)], ids=str)
def test_integers_have_no_gradient(data: Any) -> None:
    with pytest.raises(InputError, match="cannot require a gradient.*real numbers.*dtype=float"):
        Tensor(data, requires_grad=True)
    assert Tensor(data, requires_grad=True, dtype=float).requires_grad


# ----------------------------------------------------------------------------------------------- operators

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b,
    "**": lambda a, b: a ** b,
}
SCALARS = [2, 0.5, True, np.float64(2), np.float32(1.5), np.int64(3), np.array(2.5)]
ARRAYS = [np.full((2, 3), 2.0), np.arange(1.0, 4), np.ones((2, 1), np.float32), np.arange(1, 4)]


@pytest.mark.parametrize("other", SCALARS + ARRAYS, ids=lambda x: f"{type(x).__name__}{np.shape(x)}")
@pytest.mark.parametrize("name", OPERATORS)
def test_operators_with_arrays_and_numbers_on_either_side(name: str, other: Any) -> None:
    operator = OPERATORS[name]
    for dtype in (np.float64, np.float32):
        values = np.array([[1, 2, 3], [4, 5, 6]], dtype)
        t = Tensor(values, requires_grad=True)
        for result, expected in [(operator(t, other), operator(values, other)),
                                 (operator(other, t), operator(other, values)),
                                 (operator(Tensor(other), t), operator(np.asarray(other), values))]:
            assert isinstance(result, Tensor) and result.requires_grad
            np.testing.assert_allclose(result.data, expected, rtol=1e-6)
            assert result.dtype == expected.dtype
            result.sum().backward()
            assert t.grad.shape == t.shape and t.grad.dtype == dtype


def test_a_number_takes_the_dtype_of_the_result() -> None:
    """Else the backward pass of float32 would be computed in float64."""
    x = Tensor(np.ones(2, np.float32), requires_grad=True)
    for y in (0.1 * x, x * 2, x ** 2, np.maximum(x, 0.5), np.where(x > 1, x, 3)):
        assert {parent.dtype for parent in y.parents if parent.dtype != bool} == {np.dtype(np.float32)}
        assert not {step.op.name for step in topological_order(grad(y.sum(), x, create_graph=True))
                    if step.op is not None} & {"astype"}


def test_matmul_with_arrays_and_unary_operators() -> None:
    array, t = np.arange(6.0).reshape(2, 3), Tensor(np.arange(6.0).reshape(3, 2), requires_grad=True)
    for result, expected in [(array @ t, array @ t.data), (t @ array, t.data @ array), (-t, -t.data),
                             (abs(-t), t.data), (t.T, t.data.T), (t[1], t.data[1]),
                             (t[:, ::-1], t.data[:, ::-1])]:
        assert isinstance(result, Tensor) and result.requires_grad
        np.testing.assert_array_equal(result.data, expected, strict=True)
    assert +t is t
    assert (array @ t).op is ops.matmul


def test_comparisons_and_argmax_are_plain() -> None:
    t, u = Tensor([1.0, 3.0, 2.0], requires_grad=True), Tensor([1.0, 1.0, 4.0])
    for result, expected in [(t == u, [1, 0, 0]), (t != u, [0, 1, 1]), (t < u, [0, 0, 1]),
                             (t <= u, [1, 0, 1]), (t > u, [0, 1, 0]), (t >= 2, [0, 1, 1]), (2 > t, [1, 0, 0]),
                             (np.ones(3) == t, [1, 0, 0])]:
        assert type(result) is np.ndarray and result.dtype == bool
        np.testing.assert_array_equal(result, np.array(expected, bool))
    assert t.argmax() == 1 and t.argmin() == 0
    assert np.argmax(t.reshape(1, 3), axis=1).tolist() == [1]
    assert len({t, u, t}) == 2 and t in {t: 1}  # hashed by identity


def test_plain_numbers_out_of_a_tensor() -> None:
    t = Tensor([[2.5]], requires_grad=True)
    assert (t.item(), f"{t:.2f}", bool(t)) == (2.5, "2.50", True)
    for number, right in ((float, 2.5), (int, 2), (np.float64, 2.5)):
        assert number(t.detach()) == right
        with no_grad():
            assert number(t) == right
        with pytest.warns(UserWarning, match="a Tensor becomes a Python number: its graph ends here.*item"):
            assert number(t) == right
    with pytest.warns(UserWarning, match="the result of add becomes a Python number.*np.exp"):
        assert math.exp(t + 1) == math.exp(3.5)
    assert type(t.item()) is float
    with pytest.raises(InputError, match=r"item\(\) needs exactly one element, but W has shape \(2, 3\)"):
        Tensor(np.ones((2, 3)), name="W").item()
    with pytest.raises(ValueError, match="ambiguous"):
        bool(Tensor([1.0, 2.0]))


def test_length_and_iteration() -> None:
    t = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    first, second = t
    (first * second).sum().backward()
    np.testing.assert_array_equal(t.grad, [[3, 4], [1, 2]])
    assert len(t) == 2
    for fails in (lambda: len(Tensor(1.0)), lambda: list(Tensor(1.0))):
        with pytest.raises(InputError, match="a single number: it has no axes"):
            fails()


@pytest.mark.parametrize("make, text", [
    (lambda: Tensor(1.5, name="b"), "Tensor(1.5, name='b')"),
    (lambda: Tensor([1, 2]), "Tensor([1, 2], dtype=int64)"),
    (lambda: Tensor(np.float32([1]), requires_grad=True), "Tensor([1.], dtype=float32, requires_grad=True)"),
    (lambda: Tensor([2.0], requires_grad=True) * 2, "Tensor([4.], op=multiply)"),
    (lambda: Tensor([[1.0], [2.0]]), "Tensor([[1.],\n        [2.]])"),
], ids=["name", "integers", "float32", "computed", "matrix"])
def test_repr(make: Callable[[], Tensor], text: str) -> None:
    assert repr(make()) == str(make()) == f"{make()}" == text
    assert len(repr(Tensor(np.ones((500, 500))))) < 1000


def test_detach_and_conversion() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    constant = (x * 2).detach()
    assert not constant.requires_grad and constant.op is None and constant.parents == ()
    (constant * x).sum().backward()
    np.testing.assert_array_equal(x.grad, [2, 4])
    array = np.array(x.detach())
    array[0] = 7
    assert np.asarray(x.detach(), dtype=np.float32).dtype == np.float32 and x.numpy() is x.data
    np.testing.assert_array_equal(x.data, [1, 2])
    assert x.astype(float) is x and x.astype(np.float32).dtype == np.float32


# --------------------------------------------------------------------------------- changing values in place


def parts_of_a_cost() -> dict[str, Tensor]:
    w, constant = Tensor([1.0, 2.0], requires_grad=True, name="w"), Tensor([3.0, 4.0], name="X")
    step = w * constant
    return {"leaf": w, "constant": constant, "step": step, "view": step[:1], "cost": (step[:1] * step).sum()}


@pytest.mark.parametrize("which", ["leaf", "constant", "step", "view", "cost"])
def test_changing_values_between_forward_and_backward_is_refused(which: str) -> None:
    found = parts_of_a_cost()
    with pytest.raises(ValueError, match="read-only"):
        found[which].data[...] = 7
    with pytest.raises(ValueError, match="read-only"):
        found[which].data -= 1
    found["cost"].backward()  # step = w X, cost = step[0] (step[0] + step[1]) = 3 w0 (3 w0 + 4 w1)
    np.testing.assert_array_equal(found["leaf"].grad, [18 + 24, 12])


def test_computed_values_are_not_replaced_even_by_themselves() -> None:
    step = parts_of_a_cost()["step"]
    with pytest.raises(InputError, match="computed by multiply: its values cannot be replaced"):
        step.data = step.data


def test_values_changed_in_place_stay_in_their_array() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    values = w.data
    w.data -= 1
    assert w.data is values and values.tolist() == [0, 1]


@pytest.mark.parametrize("view", [lambda t: t.reshape(3, 2), lambda t: t.T, lambda t: t[1:], lambda t: t[..., None]])
def test_writing_to_an_unrecorded_view_does_not_change_what_it_looks_at(view: Any) -> None:
    for requires_grad in (False, True):
        t = Tensor(np.arange(6.0).reshape(2, 3), requires_grad=requires_grad)
        with no_grad():
            looking = view(t)
        looking.data[...] = 7
        assert t.numpy().ravel().tolist() == [0, 1, 2, 3, 4, 5] and (looking.numpy() == 7).all()


def test_an_array_fetched_before_the_forward_pass_is_read_only_too() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    values = w.data
    values[0] = 3
    cost = (w * w).sum()
    with pytest.raises(ValueError, match="read-only"):
        values[0] = 7
    cost.backward()
    np.testing.assert_array_equal(w.grad, [6, 4])


def test_after_backward_or_without_the_graph_values_can_be_changed() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    cost = (w * w).sum()
    cost.backward()
    w.data -= 0.5 * w.grad
    np.testing.assert_array_equal(w.data, [0, 0])
    w.data[0] = 3
    another = (w * w).sum()
    del another
    w.data[1] = 4
    with no_grad():
        w * w
    w.data[1] = 5
    np.testing.assert_array_equal(w.data, [3, 5])


def test_new_values_are_detected_at_backward() -> None:
    w, cost = (parts := parts_of_a_cost())["leaf"], parts["cost"]
    w.data = w.data.copy()  # equal ones do no harm
    cost.backward()
    w.data = [5, 6]
    assert w.dtype == np.float64
    with pytest.raises(InputError, match="w got new values after the forward pass .*multiply"):
        cost.backward()


@pytest.mark.parametrize("create_graph", [False, True])
def test_new_values_of_a_constant_never_give_a_wrong_gradient(create_graph: bool) -> None:
    w, X = Tensor([1.0], requires_grad=True), Tensor([2.0], name="X")
    y = (w * X).sum()
    X.data = [5.0]
    try:
        found = grad(y, w, create_graph=create_graph).item()
    except InputError as error:
        assert "X got new values" in str(error)
    else:
        assert found == 2


def test_a_graph_that_was_already_differentiated_detects_changes_in_place() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True, name="w")
    first, second = (w * w).sum(), (w * w * w).sum()
    second.backward()
    w.data -= 0.1
    for cost in (first, second):
        with pytest.raises(InputError, match="w got new values"):
            cost.backward()


def test_assigning_values_checks_them() -> None:
    w = Tensor(np.ones((2, 1), np.float32), requires_grad=True, name="W")
    w.data = [[3], [4]]
    assert w.dtype == np.float32
    with pytest.raises(InputError, match=r"W has shape \(2, 1\) but the new values have \(2,\)"):
        w.data = [1, 2]
    with pytest.raises(InputError, match="was computed by multiply: its values cannot be replaced"):
        (w * 2).data = [[1], [2]]


# --------------------------------------------------------------------------------------------------- memory


@contextmanager
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def small_cost(w: Tensor, X: Any) -> Tensor:
    A = np.tanh(w @ X).clip(-1, 1)
    return (A - ops.sigmoid(A)[:, ::-1]).square().mean() + np.maximum(w, 0).sum() ** 2


def test_dropping_the_cost_frees_the_graph_at_once() -> None:
    w, X = Tensor(np.ones((2, 3)), requires_grad=True), np.ones((3, 4))
    with without_collector():
        cost = small_cost(w, X)
        steps, stack = [], [cost]
        while stack:
            tensor = stack.pop()
            if tensor.op is not None:
                steps.append(weakref.ref(tensor))
                stack.extend(tensor.parents)
        cost.backward()
        assert len(steps) > 8
        del cost, tensor
        assert not any(step() is not None for step in steps)
        assert gc.collect() == 0


def test_memory_is_flat_over_many_steps() -> None:
    w, X = Tensor(np.ones((2, 3)), requires_grad=True), np.ones((3, 4))

    def train(steps: int) -> None:
        for _ in range(steps):
            np.tanh(w @ X).mean().backward()
            w.data -= 1e-3 * w.grad
            w.grad = None

    with without_collector():
        train(3000)
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            train(10_000)
            grown = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        assert grown < 20_000  # 10 000 leaked arrays would be more than a million


# ------------------------------------------------------------------------------------------------- messages


@pytest.mark.parametrize("left, right, message", [
    ((7, 12288), (209, 12288), "matmul: W is (7, 12288) but X is (209, 12288): columns of W must equal rows "
     "of X. Examples are columns here; did you mean X.T?"),
    ((12, 7), (12, 20), "matmul: W is (12, 7) but X is (12, 20): columns of W must equal rows of X. "
     "Examples are columns here; did you mean W.T?"),
    ((2, 3), (4, 5), "matmul: W is (2, 3) but X is (4, 5): columns of W must equal rows of X. "
     "Examples are columns here"),
    ((), (2,), "matmul: W is () and X is (2,): a product with a number is written *"),
], ids=str)
def test_matmul_names_what_does_not_fit(left: Any, right: Any, message: str) -> None:
    W, X = Tensor(np.ones(left), name="W"), Tensor(np.ones(right), name="X")
    with pytest.raises(InputError) as error:
        W @ X
    assert str(error.value) == message


def test_matmul_of_batches_and_of_what_has_no_name() -> None:
    with pytest.raises(InputError, match=r"(?s)batch axes.*axis -1 has sizes 2 and 3"):
        np.ones((2, 3, 4)) @ Tensor(np.ones((3, 4, 5)))
    with pytest.raises(InputError, match=r"left operand is \(2, 3\) but .*transpose of the right operand"):
        Tensor(np.ones((2, 3))) @ np.ones((2, 3))


@pytest.mark.parametrize("fails, message", [
    (lambda t: t.sum(axis=3), "sum: axis 3 is out of bounds"),
    (lambda t: t.reshape(5), r"reshape: cannot reshape array of size 6 into shape \(5,\)"),
    (lambda t: t[7], "getitem: index 7 is out of bounds"),
    (lambda t: t + "a", "add: "),
    (lambda t: np.concatenate([t, np.ones((3, 3, 3))]), "concatenate: .*dimension"),
], ids=["axis", "reshape", "index", "string", "concatenate"])
def test_other_failures_name_the_operation(fails: Callable[[Tensor], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        fails(Tensor(np.ones((2, 3)), requires_grad=True))


def test_values_can_be_changed_in_place_after_grad_as_after_backward() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    cost = (w * w).sum()
    with pytest.raises(ValueError, match="read-only"):
        w.data -= 1
    g = grad(cost, w).numpy()
    w.data -= 0.5 * g
    assert np.array_equal(w.data, [0.0, 0.0])
    with pytest.raises(InputError, match="new values"):
        grad(cost, w)


# ------------------------------------------------------------------------------------------ copies and pickles


def pickled(x: Any) -> Any:
    return pickle.loads(pickle.dumps(x))


@pytest.mark.parametrize("copied", [pickled, copy.deepcopy], ids=["pickle", "deepcopy"])
def test_a_deep_graph_is_copied_with_its_leaves(copied: Callable[[Any], Any]) -> None:
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    y = x
    for _ in range(5000):
        y = y * 1.0 + x
    cost = (y * y).sum()
    for _ in range(2):  # what one pickle leaves behind must not mislead the next
        (x2, cost2, y2) = copied((x, cost, y))
        assert x2 is not x and x2.name == "x" and not np.shares_memory(x2.data, x.data)
        with pytest.raises(ValueError, match="read-only"):
            x2.data[0] = 7
        cost2.backward()
        np.testing.assert_array_equal(x2.grad, 2 * 5001 ** 2 * x.data)
        np.testing.assert_array_equal(y2.grad, 2 * y.data)
        assert x.grad is None
        copied(y).sum().backward()


def test_copies_of_what_holds_tensors() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
    A = model(np.ones((2, 4)))
    A.sum().backward()
    for other in (pickled(model), copy.deepcopy(model), *pickled([model])):
        for (name, p), q in zip(model.named_parameters(), other.parameters(), strict=True):
            np.testing.assert_array_equal(p.data, q.data, err_msg=name)
            np.testing.assert_array_equal(p.grad, q.grad)
            q.data += 1
            assert q.requires_grad and not np.array_equal(p.data, q.data)
    shallow = copy.copy(model.parameters()[0])
    shallow.data += 1
    assert not np.array_equal(shallow.data, model.parameters()[0].data)
    with pytest.raises(InputError, match=r"own cannot be pickled.*ops.op"):
        pickle.dumps(ops.Op("own", np.copy, "{0}", lambda g, y, x: g)(Tensor([1.0], requires_grad=True)))


# --------------------------------------------------------------------- lists, arrays and numbers of Tensors


def two() -> tuple[Tensor, Tensor]:
    return Tensor(2.0, requires_grad=True, name="w0"), Tensor(3.0, requires_grad=True, name="w1")


@pytest.mark.parametrize("joined", [
    lambda a, b: Tensor([a, b]), lambda a, b: Tensor([[a], [b]]).ravel(), lambda a, b: np.stack([a, b]),
    lambda a, b: Tensor([0.0, 0.0]) + [a, b],
    lambda a, b: (a, b) - Tensor([0.0, 0.0]), lambda a, b: np.maximum(Tensor([-9.0, -9.0]), [a, b]),
    lambda a, b: np.copy(Tensor([a, b])), lambda a, b: Tensor(Tensor([a, b])),
    lambda a, b: np.concatenate([[a], np.stack([b])]), lambda a, b: Tensor([a, b], dtype=np.float32),
], ids=range(10))
def test_lists_of_tensors_are_recorded(joined: Callable[[Tensor, Tensor], Tensor]) -> None:
    a, b = two()
    result = joined(a, b)
    np.testing.assert_array_equal(result.data, [2, 3])
    (result * np.array([10.0, 100.0])).sum().backward()
    assert (a.grad, b.grad) == (10, 100)


@pytest.mark.parametrize("swallow", [
    np.asarray, lambda w: np.array([w, w]), lambda w: np.zeros(2) + [w, w],
    lambda w: np.full(3, w), lambda w: np.mean([w, w]), lambda w: np.r_[w],
    lambda w: np.vectorize(abs)(w), lambda w: np.arange(w),
    lambda w: np.zeros(2).__setitem__(slice(None), w), lambda w: np.ones(2).__iadd__(w), lambda w: np.array(w * 2),
    lambda w: Tensor([w, w], requires_grad=True),
], ids=range(12))
def test_a_gradient_is_not_lost_within_numpy(swallow: Callable[[Tensor], Any]) -> None:
    with pytest.raises(InputError, match=r"gradient|graph|\.data"):
        swallow(two()[0])


@pytest.mark.parametrize("fails, message", [
    (lambda t: t * 1j, "multiply: cannot compute with complex"),
    (lambda t: t.astype(complex), "astype gives complex128, but Tensors hold real numbers"),
    (lambda t: t + np.ma.masked_array([1.0, 2], [True, False]), "masked array would lose its mask"),
    (lambda t: t + None, "add: cannot compute with NoneType"),
    (lambda t: t.var(ddof=Tensor(1)), "var: ddof is a Tensor"),
    (lambda t: t.leaky_relu(1j), "leaky_relu gives complex128"),
    (lambda t: t.__setitem__(0, 1.0), r"elements of a Tensor cannot be assigned.*np.where.*t.data\[...\]"),
    (lambda t: bool(t), "shape .2,.: whether it is true is ambiguous"),
    (lambda t: setattr(t, "grad", np.ones((2, 400))), r"t has shape \(2,\), but the gradient has \(2, 400\).*sum"),
    (lambda t: t < "a", "less: "),
    (lambda t: t.argmax(axis=4), "argmax: axis 4 is out of bounds"),
    (lambda t: Tensor(1.0, 2.0), "Several numbers are one list"),
    (lambda t: np.sum(t, 0, None), "np.sum of a Tensor: "),
], ids=range(13))
def test_what_cannot_be_right_is_refused(fails: Callable[[Tensor], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        fails(Tensor([1.0, 2.0], requires_grad=True, name="t"))


def test_a_gradient_that_is_assigned_takes_the_dtype_of_its_tensor() -> None:
    t = Tensor(np.ones(2, np.float32), requires_grad=True)
    t.grad = [1, 2]
    assert t.grad is not None and t.grad.dtype == np.float32
    t.grad *= 2
    np.testing.assert_array_equal(t.grad, [2, 4])


def test_underflow_is_harmless_also_where_numpy_raises() -> None:
    x = Tensor([1e-200], requires_grad=True)
    with np.errstate(all="raise"):
        (x * x + np.tanh(x) * 1e-300).sum().backward()
        assert nn.binary_cross_entropy(nn.sigmoid(np.array([[800.0]])), np.array([[1.0]])).item() == 0
        with pytest.raises(FloatingPointError):
            x * 1e308 * 1e308


def test_values_are_not_copied_where_nobody_else_holds_them() -> None:
    w = Tensor(np.ones(3), requires_grad=True)
    array = id(w._data)
    (w * w).sum().backward()  # the graph is gone
    w.data -= 0.5 * w.grad
    assert id(w._data) == array
    cost = (w * w).sum()
    cost.backward()
    w.data += 1  # this one is not: it keeps what it has seen
    with pytest.raises(InputError, match="new values"):
        cost.backward()
