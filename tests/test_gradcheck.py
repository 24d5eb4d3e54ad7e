"""The checker is checked too: right gradients pass, and every usual mistake in one is found and located."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygrad_course import InputError, Tensor, gradcheck, ops
from tinygrad_course.gradcheck import GradcheckError, SMALL, directional_derivative

X = np.random.RandomState(0).standard_normal((3, 3))
B = np.random.RandomState(1).standard_normal((3, 1))


def test_right_gradients_pass() -> None:
    def cost(W: Tensor, b: Tensor) -> Tensor: return np.tanh(W @ X + b).square().mean()
    assert gradcheck(cost, [X, B]) is True
    assert gradcheck(cost, (Tensor(X), Tensor(B, requires_grad=True))) is True
    assert gradcheck(np.exp, X) is True and gradcheck(np.exp, Tensor(X)) is True
    assert gradcheck(lambda x: x * 1e8, X) is True and gradcheck(lambda x: x * 1e-5, X) is True
    assert gradcheck(lambda x: x.detach() * 0, X) is True
    assert gradcheck(lambda x, unused: x * 2, [X, B]) is True
    assert gradcheck(np.exp, np.float64(0.5)) is True and gradcheck(np.exp, np.zeros((0, 3))) is True


def test_inputs_are_left_alone() -> None:
    x, t = X.copy(), Tensor(X, requires_grad=True)
    gradcheck(lambda x, t: (x * t).sum(), [x, t])
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(t.data, X)
    assert t.grad is None and x.flags.writeable


def product(*vjps: Any) -> Callable[..., Any]:
    """A handwritten y = a^T b, with these VJPs."""
    return ops.Op("product", lambda a, b: a.T @ b, "{0}^T {1}", *vjps)


def right_a(g: Any, y: Any, a: Any, b: Any) -> Any: return b @ g.T
def right_b(g: Any, y: Any, a: Any, b: Any) -> Any: return a @ g


def one_element_off(g: Any, y: Any, a: Any, b: Any) -> Any:
    wrong = b @ g.T
    wrong[2, 1] += 1e-4
    return wrong


MISTAKES: dict[str, tuple[Any, Any, str]] = {  # the VJPs and what the message says
    "scaled": (lambda g, y, a, b: 1.001 * (b @ g.T), right_b, r"input 0 at index \(0, 0\).* 1.001$"),
    "sign": (right_a, lambda g, y, a, b: -right_b(g, y, a, b), r"input 1 at index \(0, 0\).*factor -1$"),
    "transposed": (lambda g, y, a, b: right_a(g, y, a, b).T, right_b, r"input 0 at index \(0, 1\)"),
    "missing factor": (right_a, lambda g, y, a, b: a @ np.ones_like(g), r"input 1 at index"),
    "one element": (one_element_off, right_b, r"input 0 at index \(2, 1\).*they differ by 0\.0001, a factor"),
    "nothing": (lambda g, y, a, b: 0 * a, right_b, r"input 0 at index \(0, 0\) is 0,.*factor 0$"),
    "forgotten": (None, right_b, r"input 0 at index \(0, 0\) is 0,.*factor 0$"),
    "not a number": (lambda g, y, a, b: a * np.nan, right_b, r"input 0 at index \(0, 0\) is nan"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_found_and_located(name: str) -> None:
    assert gradcheck(product(right_a, right_b), [X, X.T @ X])
    *vjps, message = MISTAKES[name]
    with pytest.raises(GradcheckError, match=f"the gradient of {message}"):
        gradcheck(product(*vjps), [X, X.T @ X])


def test_the_message_has_both_values_and_their_difference() -> None:
    lie = ops.Op("lie", lambda x: 3 * x, "3 {0}", lambda g, y, x: 4 * g)
    with pytest.raises(AssertionError) as error:
        gradcheck(lambda x, y: (x * x).sum() + lie(y).sum(), [np.ones(2), np.float64(1)])
    weight = np.random.RandomState(0).uniform(0.5, 1.5, ())
    assert str(error.value) == (
        f"the gradient of input 1 at index () is {4 * weight:.10g}, but finite differences give "
        f"{3 * weight:.10g}: they differ by {weight:.3g}, a factor 1.33333")


def test_a_missing_term() -> None:
    def value(x: Any) -> Any: return x * x.sum()
    forgetful = ops.Op("forgetful", value, "x sum x", lambda g, y, x: g * x.sum())
    complete = ops.Op("complete", value, "x sum x", lambda g, y, x: g * x.sum() + (g * x).sum())
    assert gradcheck(complete, X)
    with pytest.raises(GradcheckError, match=r"input 0 at index \(0, 0\)"):
        gradcheck(forgetful, X)


def test_a_gradient_where_there_is_none() -> None:
    with pytest.raises(GradcheckError, match="finite differences give 0: they differ by .* a factor inf"):
        gradcheck(ops.Op("floor", np.floor, "floor", lambda g, y, x: g), np.array([0.5, 1.5]))


@pytest.mark.parametrize("x", [np.ones(2, np.float32), np.ones(2, np.float16), np.array([1, 2]), [True]],
                         ids=lambda x: str(np.asarray(x).dtype))
def test_other_precisions_are_refused(x: Any) -> None:
    with pytest.raises(InputError, match=f"gradcheck: input 1 is {np.asarray(x).dtype}; .*float64"):
        gradcheck(lambda a, b: a * b, [np.ones(2), np.asarray(x)])


def test_large_inputs_are_checked_along_random_directions_only() -> None:
    calls = []

    def cost(x: Tensor) -> Tensor:
        calls.append(1)
        return np.tanh(x).mean()

    assert gradcheck(cost, np.linspace(-1, 1, SMALL + 1))
    assert len(calls) < 20
    calls.clear()
    assert gradcheck(cost, np.linspace(-1, 1, SMALL))
    assert len(calls) > 4 * SMALL
    calls.clear()
    gradcheck(cost, np.ones(500), directions=1)
    assert len(calls) < 8


def test_a_mistake_in_a_large_input_is_found_along_a_direction() -> None:
    def wrong(g: Any, y: Any, x: Any) -> Any:
        scale = np.ones_like(x)
        scale[777] = 2
        return g * y * scale
    with pytest.raises(GradcheckError, match="input 0 along random direction 0 is"):
        gradcheck(ops.Op("exp", np.exp, "exp", wrong), np.ones(1000))


def test_tolerance() -> None:
    slightly = ops.Op("slightly", np.exp, "exp", lambda g, y, x: g * y * (1 + 1e-5))
    assert gradcheck(slightly, X, tolerance=1e-4)
    with pytest.raises(GradcheckError, match="a factor 1.00001$"):
        gradcheck(slightly, X)


def test_directional_derivative_has_order_four() -> None:
    x, d = np.array([0.3, 0.7]), np.array([1.0, -2.0])
    exact = (np.cos(x) * d).sum()
    errors = [abs(directional_derivative(lambda x: float(np.sin(x).sum()), x, d, step) - exact)
              for step in (0.1, 0.05)]
    assert 14 < errors[0] / errors[1] < 18
    assert errors[1] < 1e-4


@pytest.mark.parametrize("function, x", [
    (lambda x: 1 / x, 0.0), (lambda x: ops.Op("bad", lambda x: 2 * x, "", lambda g, y, x: g * np.inf)(x), 2.0),
    (lambda x: ops.Op("bad", lambda x: 2 * x, "", lambda g, y, x: g * np.nan)(x), 2.0), (np.sqrt, 0.0),
    (lambda x: ops.Op("bad", lambda x: x * x, "", lambda g, y, x: g * 2.002 * x)(x), 1e8),
    (lambda x: ops.Op("bad", np.log, "", lambda g, y, x: g * 1.001 / x)(x), 1e-5),
    (lambda x: ops.Op("bad", lambda x: 1 + x * x, "", lambda g, y, x: g * 2.2 * x)(x), 1e-3),
], ids=["pole", "infinite", "nan", "root", "large", "small", "small and flat"])
def test_what_is_wrong_is_found_at_every_size(function: Any, x: float) -> None:
    with np.errstate(all="ignore"), pytest.raises(GradcheckError):
        gradcheck(function, np.array([x]))


@pytest.mark.parametrize("x", [1e-9, 1e-5, 1e-3, 1.0, 1e5, 1e9])
@pytest.mark.parametrize("function", [np.log, np.sqrt, lambda x: 1 / x, lambda x: x * x, lambda x: x ** 0.3],
                         ids=["log", "sqrt", "1/x", "square", "power"])
def test_steps_follow_the_size_of_x(function: Any, x: float) -> None:
    assert gradcheck(function, np.array([x, 2 * x, 1.5 * x]))


@pytest.mark.parametrize("fails, message", [
    (lambda: gradcheck(lambda t: t.data * 2, np.ones(3)), "gives ndarray, but a Tensor is needed"),
    (lambda: gradcheck(3, np.ones(3)), "function is 3"), (lambda: gradcheck(np.tanh, "a"), "input 0 cannot be str"),
    (lambda: gradcheck(np.tanh, np.ones(3), step=0), "step must be a positive number"),
    (lambda: gradcheck(np.tanh, np.ones(3), tolerance="1"), "tolerance must be a positive number"),
])
def test_arguments(fails: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fails()
