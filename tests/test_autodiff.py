"""Reverse mode: what backward and grad do with a graph, checked by closed forms and by forward mode."""

import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygrad_course import InputError, Tensor, detect_anomaly, grad, hessian, jacobian, no_grad, ops
from tinygrad_course.autodiff import AnomalyError, topological_order


def leaf(*values: float, name: str | None = None) -> Tensor:
    return Tensor(values, requires_grad=True, name=name, dtype=float)


# ----------------------------------------------------------------------------------------- backward


def test_backward_adds_into_leaves_and_sets_the_steps_in_between() -> None:
    x = leaf(1, 2, 3)
    z = x * x
    cost = z.sum()
    for times in (1, 2, 3):
        cost.backward()
        np.testing.assert_array_equal(x.grad, times * 2 * x.data, strict=True)
        np.testing.assert_array_equal(z.grad, [1, 1, 1])
        assert cost.grad == 1 and cost.grad.shape == ()
    (3 * x).sum().backward()
    np.testing.assert_array_equal(x.grad, 6 * x.data + 3)


def test_the_gradient_of_a_number_is_an_array_too() -> None:
    x = Tensor(2.0, requires_grad=True)
    for times in (1, 2):
        y = x * x * x + x
        y.backward()
        assert type(x.grad) is type(y.grad) is np.ndarray and x.grad.shape == () and x.grad.flags.writeable
        assert x.grad == 13 * times and type(grad(y, x).data) is np.ndarray


def test_only_what_requires_a_gradient_gets_one() -> None:
    x, constant = leaf(1, 2), Tensor([3.0, 4.0])
    fixed = constant * 2
    (x * fixed).sum().backward()
    np.testing.assert_array_equal(x.grad, [6, 8])
    assert constant.grad is None and fixed.grad is None and fixed.op is None


def test_a_given_gradient() -> None:
    x = leaf(1, 2, 3)
    weights = np.array([1.0, 10, 100])
    y = x * x
    y.backward(weights)
    np.testing.assert_array_equal(x.grad, [2, 40, 600])
    y.backward([1, 1, 1])
    np.testing.assert_array_equal(x.grad, [4, 44, 606])
    single = Tensor(np.ones((1, 1), np.float32), requires_grad=True)
    (single * 3).backward()
    assert single.grad.shape == (1, 1) and single.grad.dtype == np.float32


@pytest.mark.parametrize("fails, message", [
    (lambda x: x.backward(), r"W has shape \(3,\): the gradient of a single number is wanted.*\.sum\(\)"),
    (lambda x: (x * 2).backward(np.ones(2)), r"gradient has shape \(2,\), but the result of multiply has"),
    (lambda x: (x * 2).backward(1.0), r"gradient has shape \(\)"),
    (lambda x: (x * 2).backward(np.ones((1, 3))), r"gradient has shape \(1, 3\)"),
    (lambda x: Tensor(1.0).backward(), "records no graph: nothing .* requires_grad=True, or .* no_grad"),
    (lambda x: x.detach().sum().backward(), "records no graph"),
    (lambda x: no_grad()(x.sum)().backward(), "records no graph"),
    (lambda x: grad(x.sum(), Tensor(1.0)), "grad: input 0, a Tensor, requires no gradient"),
    (lambda x: grad(x.sum(), [x, np.ones(3)]), "grad: input 1, an array, requires no gradient"),
    (lambda x: grad(lambda x: x.sum(), x), r"grad: output is a function.*grad\(f\(x\), x\).*jacobian\(f, x\)"),
    (lambda x: grad(3.0, x), "float '3.0' is no Tensor.*math"),
    (lambda x: grad(x.sum(), 3.0), r"inputs is 3.0.*model.parameters\(\)"),
    (lambda x: (x * 2).backward("a"), "gradient of the result of multiply cannot be str"),
    (lambda x: jacobian(lambda x: x.data, x), "the function gives ndarray, but a Tensor is needed"),
    (lambda x: hessian(x.sum(), np.ones(3)), "a Tensor and the Tensors it was computed from"),
], ids=["not a number", "too short", "number", "rank", "leaf", "detached", "no_grad", "constant", "array", "function",
        "float", "inputs", "text", "out of the graph", "array for a Tensor"])
def test_what_has_no_gradient_is_refused(fails: Callable[[Tensor], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        fails(leaf(1, 2, 3, name="W"))


def test_backward_of_a_leaf_is_its_own_gradient() -> None:
    x = leaf(2)
    x.backward()
    x.backward()
    np.testing.assert_array_equal(x.grad, [2])
    another, given = leaf(1, 2), np.ones(2)
    another.backward(given)
    assert not np.shares_memory(another.grad, given)


@pytest.mark.parametrize("function, derivative", [
    (lambda x: x * x, lambda x: 2 * x),
    (lambda x: x + x - x, lambda x: 1),
    (lambda x: x * x * x + x, lambda x: 3 * x * x + 1),
    (lambda x: (x * x) * (x * x), lambda x: 4 * x ** 3),
    (lambda x: (x + 1) * (x - 1) / x, lambda x: 1 + 1 / x ** 2),
    (lambda x: np.concatenate([x, x * x, x]), lambda x: 2 + 2 * x),
], ids=["square", "sum", "cube", "diamond", "three uses", "concatenate"])
def test_shared_subexpressions(function: Callable[[Any], Any], derivative: Callable[[Any], Any]) -> None:
    x = leaf(0.5, 2.0, 3.0)
    function(x).sum().backward()
    np.testing.assert_allclose(x.grad, derivative(x.data) * np.ones(3), rtol=1e-14)


def test_each_step_is_visited_once() -> None:
    calls = []
    double = ops.Op("double", lambda x: 2 * x, "2 {0}", lambda g, y, x: calls.append(1) or 2 * g)
    x = leaf(1)
    y = x
    for _ in range(60):  # 2^60 paths, 60 operations of each kind
        y = double(y) + y
    y.backward()
    assert len(calls) == 60
    assert x.grad == 3.0 ** 60


SPREADING: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": lambda x, y: x + y, "subtract": lambda x, y: x - y + 0 * x, "sum": lambda x, y: x.sum() + y.sum(),
    "reshape": lambda x, y: x.reshape(4) + y.ravel(), "transpose": lambda x, y: x.T + y,
    "both": lambda x, y: x + x + y, "matmul": lambda x, y: x @ y,
    "concatenate": lambda x, y: np.concatenate([x, y]), "index": lambda x, y: x[::-1] + y[:, ::-1],
    "stack": lambda x, y: np.stack([x, y]), "broadcast": lambda x, y: np.broadcast_to(x, (3, 2, 2)) + y,
    "expand": lambda x, y: np.expand_dims(x, 0) + np.expand_dims(y, 0), "multiply": lambda x, y: x * y,
    "dot": lambda x, y: x @ np.eye(2) + y @ np.eye(2), "astype": lambda x, y: x.astype(np.float32) + y,
}


@pytest.mark.parametrize("name", SPREADING)
def test_leaves_own_their_gradients(name: str) -> None:
    x, y = (Tensor(np.ones((2, 2)), requires_grad=True) for _ in range(2))
    result = SPREADING[name](x, y)
    given = np.ones(result.shape)
    result.backward(given)
    others = [given, x.data, y.data, result.data, result.grad]
    for t, other in ((x, y), (y, x)):
        assert t.grad.shape == t.shape and t.grad.flags.writeable
        assert not any(np.shares_memory(t.grad, array) for array in [*others, other.grad])
        before = other.grad.copy()
        t.grad *= 2
        np.testing.assert_array_equal(other.grad, before)


# --------------------------------------------------------------------------------------------- grad


def test_grad_of_one_several_and_unused_inputs() -> None:
    x, y, unused = leaf(1, 2), leaf(3, 4), Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    step = x * y
    cost = (step * x).sum()
    np.testing.assert_array_equal(grad(cost, x).data, 2 * x.data * y.data)
    dx, dstep, dunused, again = grad(cost, [x, step, unused, x])
    np.testing.assert_array_equal(dx.data, again.data)
    np.testing.assert_array_equal(dstep.data, x.data)
    np.testing.assert_array_equal(dunused.data, np.zeros((2, 3), np.float32), strict=True)
    assert all(t.grad is None for t in (x, y, unused, step, cost))
    assert not dx.requires_grad and dx.op is None
    np.testing.assert_array_equal(grad(step, x, [10, 1]).data, [30, 4])
    assert isinstance(grad(cost, (y,)), tuple)


def test_grad_of_the_output_itself() -> None:
    x = leaf(2)
    y = x * 3
    assert [g.item() for g in grad(y, [y, x])] == [1, 3]


def test_create_graph_gives_derivatives_of_any_order() -> None:
    x = leaf(0.3, -1.2)
    y, found = np.tanh(x).sum(), []
    for _ in range(3):
        y = grad(y.sum(), x, create_graph=True)
        found.append(y.data)
    t = np.tanh(x.data)
    np.testing.assert_allclose(found[0], 1 - t ** 2, rtol=1e-14)
    np.testing.assert_allclose(found[1], -2 * t * (1 - t ** 2), rtol=1e-13)
    np.testing.assert_allclose(found[2], (1 - t ** 2) * (6 * t ** 2 - 2), rtol=1e-12)
    assert x.grad is None


def test_third_derivative_of_a_cube_and_fourth_is_none() -> None:
    x = leaf(2)
    first = grad(x ** 3, x, create_graph=True)
    second = grad(first, x, create_graph=True)
    third = grad(second, x, create_graph=True)
    assert [first.item(), second.item(), third.item()] == [12, 12, 6]
    penalty = (first * first).sum()  # (3 x^2)^2, whose derivative is 36 x^3
    penalty.backward()
    assert x.grad == 36 * 8


def test_grad_restores_recording_after_a_failure() -> None:
    def fails(g: Any, y: Any, x: Any) -> Any: raise RuntimeError("vjp")
    x = leaf(1)
    with pytest.raises(RuntimeError, match="vjp"):
        grad(ops.Op("broken", np.copy, "{0}", fails)(x), x)
    assert (x * 2).requires_grad


def test_a_given_gradient_stays_in_the_graph() -> None:
    x, v = leaf(1, 2), leaf(1, 10)
    first = grad(x * x, x, gradient=v, create_graph=True)  # 2 x v
    dx, dv = grad(first.sum(), [x, v])
    np.testing.assert_array_equal(dx.data, 2 * v.data)
    np.testing.assert_array_equal(dv.data, 2 * x.data)
    np.testing.assert_array_equal(grad(x * x, x, gradient=v.astype(np.float32)).data, first.data)
    (x * x).backward(v)
    np.testing.assert_array_equal(x.grad, first.data)


def test_grad_under_no_grad_leaves_recording_off_and_else_on() -> None:
    x = leaf(2)
    y = x * x
    with no_grad():
        assert grad(y, x, create_graph=True).requires_grad
        assert not (x * x).requires_grad
    grad(y, x)
    assert (x * x).requires_grad


def test_equal_values_also_where_they_are_nan_are_no_new_values() -> None:
    x = leaf(np.nan, 2)
    y = (x * x).sum()
    x.data = x.data.copy()
    np.testing.assert_array_equal(grad(y, x).data, [np.nan, 4])


def test_threads_lose_no_gradient_of_a_shared_leaf() -> None:
    w = leaf(*np.ones(1000))

    def work() -> None:
        for _ in range(100):
            (w * 2.0).sum().backward()
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    np.testing.assert_array_equal(w.grad, np.full(1000, 1600.0))


# ------------------------------------------------------------------------------ jacobian and hessian

A = np.array([[1.0, 2, 3], [4, 5, 7]])
Q = np.array([[2.0, 1], [0, 3]])


def test_jacobian_of_an_output_and_of_a_function() -> None:
    x = leaf(1, 2, 3)
    for found in (jacobian(A @ x, x), jacobian(lambda x: A @ x, x), jacobian(lambda x: A @ x, x.data)):
        np.testing.assert_array_equal(found.data, A)
    np.testing.assert_allclose(jacobian(np.tanh(x), x).data, np.diag(1 - np.tanh(x.data) ** 2))
    np.testing.assert_array_equal(jacobian((x * x).sum(), x).data, 2 * x.data)
    np.testing.assert_array_equal(jacobian(x[:0], x).data, np.zeros((0, 3)))
    assert jacobian(x.reshape(3, 1) * x, x).shape == (3, 3, 3)


def test_jacobian_with_several_inputs() -> None:
    W, x = np.arange(6.0).reshape(2, 3), np.array([1.0, 2, 3])
    dW, dx = jacobian(lambda W, x: W @ x, [W, x])
    np.testing.assert_array_equal(dx.data, W)
    np.testing.assert_array_equal(dW.data, np.einsum("ij,k->ijk", np.eye(2), x))
    dW, dx = jacobian(lambda W, x: 2 * x, [W, x])
    np.testing.assert_array_equal(dW.data, np.zeros((3, 2, 3)))
    np.testing.assert_array_equal(dx.data, 2 * np.eye(3))


def test_hessian_of_an_output_and_of_a_function() -> None:
    x = leaf(0.5, -1)
    def form(x: Tensor) -> Tensor: return x @ Q @ x
    for found in (hessian(form(x), x), hessian(form, x), hessian(form, x.data)):
        np.testing.assert_allclose(found.data, Q + Q.T)
    p = np.exp(x.data) / np.exp(x.data).sum()
    np.testing.assert_allclose(hessian(x.logsumexp(), x).data, np.diag(p) - np.outer(p, p))
    np.testing.assert_array_equal(hessian(lambda x: x.sum(), x).data, np.zeros((2, 2)))
    assert hessian(lambda x: (x ** 3).sum(), np.ones((2, 3))).shape == (2, 3, 2, 3)


def test_hessian_with_several_inputs() -> None:
    x, y, unused = leaf(1, 2), leaf(3, 4, 5), leaf(1)
    (xx, xy, xu), (yx, yy, yu), (ux, uy, uu) = hessian((x * x).sum() * y.sum(), [x, y, unused])
    np.testing.assert_array_equal(xx.data, 2 * 12 * np.eye(2))
    np.testing.assert_array_equal(xy.data, np.outer(2 * x.data, np.ones(3)))
    np.testing.assert_array_equal(yx.data, xy.data.T)
    assert not yy.data.any() and not uu.data.any()
    assert [t.shape for t in (yy, xu, yu, ux, uy)] == [(3, 3), (2, 1), (3, 1), (1, 2), (1, 3)]


def test_jacobian_and_hessian_can_be_differentiated() -> None:
    x = leaf(1, 2)
    trace = (jacobian(x ** 3, x, create_graph=True) * np.eye(2)).sum()  # 3 x0^2 + 3 x1^2
    np.testing.assert_allclose(grad(trace, x).data, 6 * x.data)
    total = hessian((x ** 4).sum(), x, create_graph=True).sum()  # 12 x0^2 + 12 x1^2
    np.testing.assert_allclose(grad(total, x).data, 24 * x.data)


# ------------------------------------------------------------------------------- no_grad and anomalies


def test_no_grad_nests_and_is_restored_after_an_exception() -> None:
    x = leaf(1)
    with no_grad() as _, no_grad():
        assert not (x * 2).requires_grad and (x * 2).parents == ()
    assert (x * 2).requires_grad
    with pytest.raises(ZeroDivisionError), no_grad():
        1 / 0
    assert (x * 2).requires_grad


def finds_anomalies() -> bool:
    try:
        return np.log(Tensor(0.0)).item() == 0
    except AnomalyError:
        return True


@pytest.mark.parametrize("context, active", [
    pytest.param(no_grad, lambda: not (leaf(1) * 2).requires_grad, id="no_grad"),
    pytest.param(detect_anomaly, finds_anomalies, id="detect_anomaly")])
def test_one_context_can_be_entered_twice(context: Any, active: Callable[[], bool]) -> None:
    seen = []

    def twice() -> None:
        once = context()
        with once:
            with once:
                seen.append(active())
            seen.append(active())
        seen.append(active())

    thread = threading.Thread(target=twice)  # should this fail, the other tests do not suffer from it
    thread.start()
    thread.join()
    assert seen == [True, True, False]


def test_no_grad_as_decorator() -> None:
    @no_grad()
    def predict(x: Tensor, depth: int = 1) -> Tensor:
        """Doubles x."""
        return predict(x * 2, depth - 1) if depth else x * 1

    x = leaf(1)
    assert not predict(x, depth=3).requires_grad and predict(x, depth=3).item() == 8
    assert (predict.__name__, predict.__doc__) == ("predict", "Doubles x.")
    assert (x * 2).requires_grad


def test_no_grad_without_parentheses() -> None:
    @no_grad
    def double(x: Tensor) -> Tensor:
        """Doubles x."""
        return x * 2

    x = leaf(1)
    assert not double(x).requires_grad and double.__doc__ == "Doubles x." and (x * 2).requires_grad
    with pytest.raises(AnomalyError):
        detect_anomaly(lambda: np.log(Tensor(0.0)))()
    with pytest.raises(InputError, match="no_grad takes no arguments.*with no_grad.*got False"):
        no_grad(False)


def test_no_grad_around_a_generator() -> None:
    """It holds while the generator runs, and not while its user does."""
    seen: list[Any] = []

    @no_grad()
    def steps(x: Tensor) -> Any:
        try:
            sent = yield x * 2
            while True:
                try:
                    sent = yield x * sent
                except KeyError:
                    sent = -1
        finally:
            seen.append((x * 2).requires_grad)

    x = leaf(3)
    running = steps(x)
    found = [next(running), running.send(5), running.throw(KeyError("x"))]
    assert (x * 2).requires_grad
    assert [(step.item(), step.requires_grad) for step in found] == [(6, False), (15, False), (-3, False)]
    running.close()
    assert seen == [False] and (x * 2).requires_grad

    @no_grad()
    def ends() -> Any:
        yield 1
        return "value"

    def outer() -> Any:
        return (yield from ends())
    running = outer()
    assert next(running) == 1
    with pytest.raises(StopIteration, match="value"):
        next(running)


def test_no_grad_around_what_is_asynchronous_is_refused() -> None:
    async def step() -> None: ...
    async def steps() -> Any: yield
    for function in (step, steps):
        with pytest.raises(InputError, match="asynchronous.*with no_grad"):
            no_grad(function)


def test_no_grad_holds_for_its_own_thread_only() -> None:
    x, seen = leaf(1), []
    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with no_grad(), detect_anomaly():
            entered.set()
            leave.wait(10)
            seen.append((x * 2).requires_grad)

    thread = threading.Thread(target=other)
    thread.start()
    entered.wait(10)
    seen.append((x * 2).requires_grad)
    leave.set()
    thread.join()
    assert seen == [True, False]


def test_anomalies_forwards_name_the_operation_and_its_parents() -> None:
    A = leaf(0.5, 0, name="A2")
    with detect_anomaly():
        np.log(A + 1)
        with pytest.raises(AnomalyError, match=r"log\(A2 of shape \(2,\) \(from 0 to 0.5\)\) gave -inf"):
            np.log(A)
        with pytest.raises(AnomalyError, match="divide.*the result of multiply.*a number.*gave nan"):
            (A * 0) / 0
    assert np.log(A).data[1] == -np.inf


def test_anomalies_backwards_name_the_operation_and_where_it_was_going() -> None:
    Z = leaf(0.0, 4, name="Z1")
    root = np.sqrt(Z)
    cost = root.sum()
    with detect_anomaly():
        with pytest.raises(AnomalyError, match=r"backward pass of sqrt\(Z1 .*\), towards Z1, gave inf"):
            cost.backward()
        (Z * Z).sum().backward()
    cost.backward()
    np.testing.assert_array_equal(Z.grad, [np.inf, 8.25])


def test_detect_anomaly_ends_after_an_exception() -> None:
    with pytest.raises(AnomalyError), detect_anomaly(), detect_anomaly():
        np.log(Tensor(0.0))
    assert np.log(Tensor(0.0)).item() == -np.inf
    assert issubclass(AnomalyError, FloatingPointError)


# --------------------------------------------------------------------------------------- large graphs

DEEP = """
import threading
from tinygrad_course import Tensor, grad
def main():
    x = Tensor([1.0], requires_grad=True)
    y = x
    for i in range(100_000):
        y = y * 1.0 if i % 2 else y + x
    y.backward()
    assert x.grad == 50_001, x.grad
    assert grad(y, x).item() == 50_001
    z = x
    for i in range(20_000):
        z = z + x
    g = grad((z * z).sum(), x, create_graph=True)
    assert grad(g, x).item() == 2 * 20_001 ** 2
    del y, z, g
    print("freed")
threading.stack_size(2 * 1024 * 1024)
thread = threading.Thread(target=main)
thread.start()
thread.join()
"""


def test_a_chain_of_100_000_operations_with_a_small_stack() -> None:
    done = subprocess.run([sys.executable, "-I", "-c", DEEP], capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stdout, done.stderr) == (0, "freed\n", "")


class Dual:
    """Forward mode, to compare with: a value and its derivative along one direction."""

    def __init__(self, value: Any, along: Any):
        self.value, self.along, self.shape = value, along, value.shape

    def __add__(self, other: Any) -> Any: return Dual(self.value + other.value, self.along + other.along)
    def __sub__(self, other: Any) -> Any: return Dual(self.value - other.value, self.along - other.along)
    def __getitem__(self, index: Any) -> Any: return Dual(self.value[index], self.along[index])

    def __mul__(self, other: Any) -> Any:
        return Dual(self.value * other.value, self.along * other.value + self.value * other.along)

    def __truediv__(self, other: Any) -> Any:
        return Dual(self.value / other.value,
                    (self.along * other.value - self.value * other.along) / other.value ** 2)

    def __matmul__(self, other: Any) -> Any:
        return Dual(self.value @ other.value, self.along @ other.value + self.value @ other.along)

    def tanh(self) -> Any: return Dual(np.tanh(self.value), self.along / np.cosh(self.value) ** 2)
    def exp(self) -> Any: return Dual(np.exp(self.value), self.along * np.exp(self.value))

    def sum(self, axis: int, keepdims: bool) -> Any:
        return Dual(self.value.sum(axis, keepdims=keepdims), self.along.sum(axis, keepdims=keepdims))


STEPS: list[Callable[[Any, Any], Any]] = [
    lambda x, y: x + y, lambda x, y: x - y, lambda x, y: (x * y).tanh(), lambda x, y: x / (y * y).exp(),
    lambda x, y: x.tanh(), lambda x, y: (x @ y).tanh() if x.shape[1] == y.shape[0] else x * x,
    lambda x, y: x.sum(axis=0, keepdims=True).tanh(), lambda x, y: x.sum(axis=1, keepdims=True).tanh(),
    lambda x, y: x[::-1] + y, lambda x, y: x.tanh().exp(),
]


def check_random_graph(seed: int) -> None:
    random = np.random.RandomState(seed)
    values = [random.uniform(-1, 1, shape) for shape in [(2, 2), (1, 2), (2, 1), (1, 1)]]
    along = [random.uniform(-1, 1, x.shape) for x in values]
    tensors = [Tensor(x, requires_grad=True) for x in values]
    duals = [Dual(x, d) for x, d in zip(values, along)]
    inputs = list(tensors)
    for _ in range(random.randint(1, 25)):
        step, i, j = STEPS[random.randint(len(STEPS))], random.randint(len(duals)), random.randint(len(duals))
        tensors.append(step(tensors[i], tensors[j]))
        duals.append(step(duals[i], duals[j]))
    used = random.randint(len(duals))
    cost, expected = tensors[-1] + tensors[used] * tensors[-1], duals[-1] + duals[used] * duals[-1]
    cost.sum().backward()
    found = sum((x.grad * d).sum() for x, d in zip(inputs, along) if x.grad is not None)
    np.testing.assert_allclose(found, expected.along.sum(), rtol=1e-9, atol=1e-12, err_msg=f"seed {seed}")

    order = topological_order(cost)
    place = {tensor: i for i, tensor in enumerate(order)}
    assert order[0] is cost and len(place) == len(order)
    assert all(place[tensor] < place[parent] for tensor in order
               for parent in tensor.parents if parent in place)


def test_1000_random_graphs_agree_with_forward_mode() -> None:
    for seed in range(1000):
        check_random_graph(seed)
