"""What a user can get wrong, in every public function of the framework: each argument in turn is replaced by what it
should not be, and the answer is an InputError, or a result, but no error of Python or NumPy.

A TypeError of Python's own, for an argument too many or of another name, is left as it is.
"""
from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tinygrad_course import InputError, Tensor, detect_anomaly, grad, gradcheck, hessian, jacobian, nn, no_grad, optim
from tinygrad_course.broadcasting import broadcast_shape, explain_broadcast
from tinygrad_course.gradcheck import GradcheckError

WRONG: dict[str, Any] = {
    "None": None, "text": "abc", "bytes": b"x", "complex": 1j, "nan": np.nan, "inf": np.inf, "negative": -3,
    "half": 0.5, "zero": 0,
    "huge": 10 ** 400, "true": True, "fraction": Fraction(1, 3), "list": [], "ragged": [[1], [2, 3]],
    "dict": {"a": 1}, "set": {1, 2}, "object": object(), "class": Tensor, "function": np.sin,
    "generator": (x for x in ()),
    "empty": np.ones((0, 3)), "vector": np.ones(7), "cube": np.ones((2, 3, 4, 5)), "texts": np.array(["a", "b"]),
    "objects": np.array([None, 1], dtype=object), "date": np.datetime64("2020"), "dates": np.array(["2020"], "M8[D]"),
    "masked": np.ma.masked_array([1.0], [True]), "constant": Tensor([1, 2]),
    "leaf": Tensor([1.0, 2.0], requires_grad=True),
    "tensors": [Tensor(1.0, requires_grad=True), Tensor(2.0)], "model": nn.Linear(2, 1), "dtype": np.dtype("S3"),
    "tuple": (1, "a"), "structured": np.zeros(2, [("a", float)]), "ellipsis": ..., "slice": slice(None, "a"),
}


def x() -> Tensor: return Tensor(np.arange(1.0, 7).reshape(2, 3), requires_grad=True, name="x")
def row() -> Any: return np.array([[0.2, 0.5, 0.9]])
def labels() -> Any: return np.array([[0.0, 1, 1]])


def described(make: Callable[[], optim.Optimizer]) -> Callable[[Any], Any]:
    def step(parameters: Any) -> Any:
        return make().step(parameters)
    return step


METHODS: dict[str, tuple[Any, ...]] = {
    "leaky_relu": (0.1,), "maximum": (2.0,), "minimum": (2.0,), "clip": (0.0, 1.0), "sum": (0, True), "mean": (0, True),
    "var": (0, 0, True), "max": (0, True), "min": (0, True), "logsumexp": (0, True), "softmax": (0,),
    "log_softmax": (0,),
    "argmax": (0,), "argmin": (0,), "dot": (np.ones((3, 2)),), "transpose": (1, 0), "swapaxes": (0, 1),
    "reshape": (3, 2), "squeeze": (None,), "expand_dims": (0,), "broadcast_to": (2, 2, 3), "astype": (np.float32,),
    "backward": (np.ones((2, 3)),), "hold": (), "item": (), "detach": (),
    **{f"__{name}__": (2.0,) for name in (
        "add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "pow", "rpow", "eq", "ne", "lt", "le", "gt",
        "ge")},
    "__matmul__": (np.ones((3, 2)),), "__rmatmul__": (np.ones((4, 2)),), "__getitem__": (0,), "__setitem__": (0, 1.0),
}
CALLS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    **{name: (lambda *args, name=name: getattr(x(), name)(*args), args) for name, args in METHODS.items()},
    "Tensor": (Tensor, ([1.0], True, "x", np.float64)),
    "data": (lambda values: setattr(x(), "data", values), (np.ones((2, 3)),)),
    "grad=": (lambda values: setattr(x(), "grad", values), (np.ones((2, 3)),)),
    "grad": (lambda output, inputs, gradient, graph: grad(output, inputs, gradient, graph),
             (x() * 2, [x()], None, False)),
    "jacobian": (jacobian, (lambda t: t * t, x(), False)), "hessian": (hessian, (lambda t: (t * t).sum(), x(), False)),
    "gradcheck": (lambda f, inputs, tolerance, step: gradcheck(f, inputs, tolerance=tolerance, step=step),
                  (lambda t: t * t, np.ones(2), 1e-6, 1e-4)),
    "no_grad": (no_grad, ()), "detect_anomaly": (detect_anomaly, ()),
    "broadcast_shape": (broadcast_shape, ((2, 3), (3,))), "explain_broadcast": (explain_broadcast, ((2, 3), (3,))),
    **{name: (getattr(nn, name), (row(),)) for name in ("sigmoid", "tanh", "relu", "softplus")},
    "nn.leaky_relu": (nn.leaky_relu, (row(), 0.1)), "nn.softmax": (nn.softmax, (row(), 0)),
    "one_hot": (nn.one_hot, ([0, 1], 2)),
    **{name: (getattr(nn, name), (row(), labels(), "mean")) for name in (
        "binary_cross_entropy", "cross_entropy", "mean_squared_error", "J_1", "J_CE")},
    "fused": (lambda A, Y, reduction: nn.binary_cross_entropy(nn.sigmoid(A), Y, reduction), (row(), labels(), "sum")),
    **{f"nn.{name}": (getattr(nn, name), (2, 3, np.random)) for name in ("zeros", "small", "lecun", "he", "xavier")},
    "Linear": (nn.Linear, (2, 3, "he", np.random.RandomState(1))), "Linear()": (nn.Linear(2, 3), (np.ones((2, 4)),)),
    "Sequential": (nn.Sequential, (nn.Linear(2, 3), nn.Tanh())), "LeakyReLU()": (nn.LeakyReLU(), (row(),)),
    "load_state_dict": (nn.Linear(2, 1).load_state_dict, ({"W": np.ones((1, 2)), "b": np.ones((1, 1))},)),
    "load W": (lambda W: nn.Linear(2, 1).load_state_dict({"W": W, "b": np.ones((1, 1))}), (np.ones((1, 2)),)),
    "summary": (nn.summary, (nn.Linear(2, 1), 5)),
    "GradientDescent": (optim.GradientDescent, (0.1, 0.0)), "Momentum": (optim.Momentum, (0.1, 0.9, 0.0)),
    "Adam": (optim.Adam, (0.1, 0.9, 0.99, 1e-8, 0.0)), "step": (described(optim.Adam), ([x()],)),
    "rate": (lambda rate: setattr(optim.Adam(), "learning_rate", rate), (0.1,)),
    **{f"np.{function.__name__}": (lambda *args, function=function: function(x(), *args), args) for function, args in (
        (np.add, (1.0,)), (np.power, (2.0,)), (np.float_power, (2.0,)), (np.sum, (0,)), (np.max, (0,)),
        (np.clip, (0.0, 1.0)), (np.where, (1.0, 2.0)), (np.moveaxis, (0, 1)), (np.split, (1, 0)),
        (np.reshape, ((3, 2),)), (np.transpose, ((1, 0),)), (np.broadcast_to, ((2, 2, 3),)), (np.squeeze, (None,)),
        (np.round, (1,)), (np.argsort, (0,)), (np.isclose, (1.0,)))},
    "np.concatenate": (lambda parts, axis: np.concatenate([x(), parts], axis=axis), (x(), 0)),
    "np.stack": (lambda parts, axis: np.stack([x(), parts], axis=axis), (x(), 0)),
}


def variants(name: str) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Each argument in turn replaced by everything that is wrong, and one more."""
    args = CALLS[name][1]
    for i in range(len(args) + (name in ("no_grad", "Sequential", "broadcast_shape"))):
        for kind, wrong in WRONG.items():
            yield f"{name}, argument {i}: {kind}", (*args[:i], wrong, *args[i + 1:])


@pytest.mark.parametrize("name", CALLS)
def test_no_error_of_python_or_numpy_leaves_a_public_function(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    escaped = []
    for said, args in variants(name):
        try:
            with np.errstate(all="ignore"):
                CALLS[name][0](*args)
        except InputError:
            continue
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)
            binding = isinstance(error, TypeError) and (frames[-1].filename == __file__ or "<lambda>()" in str(error))
            if not binding and not isinstance(error, GradcheckError):
                escaped.append(f"{said}: {type(error).__name__}: {str(error)[:80]} in {frames[-1].name}")
    assert not escaped, "\n".join(escaped)
