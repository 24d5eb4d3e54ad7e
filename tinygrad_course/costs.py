"""The costs of the course: from predictions and labels, one example per column, to one number.

With `reduction` "mean" the cost is (1/m) times the sum of the losses of the m examples, with "sum" the sum, and with
"none" the losses themselves, one per example. An example's loss adds up what its column holds.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_course import ops
from tinygrad_course.errors import InputError
from tinygrad_course.tensor import Tensor, apply, as_tensor

REDUCTIONS = ("mean", "sum", "none")


def binary_cross_entropy(y_hat: Any, Y: Any, reduction: str = "mean", fused: bool = True) -> Tensor:
    """L = -y log(y_hat) - (1 - y) log(1 - y_hat), the cost of logistic regression and of the course's networks.

    y_hat: (n_y, m), probabilities. If they come from `sigmoid`, the value is computed from its logits Z: exact where
    y_hat rounds to 0 or 1, and there too the gradient is dZ = A - Y.
    fused: False records the unfused chain of logarithms instead, as it would be written by hand.
    Raises InputError where y_hat and Y differ in shape.
    """
    A, Y = _prepared("binary_cross_entropy", y_hat, Y, reduction)
    if fused and A.op is ops.sigmoid:
        return apply(ops.binary_cross_entropy, A.parents[0], A, Y, reduction=reduction)
    return _reduced(-(_weighted_log(Y, A) + _weighted_log(1 - Y, 1 - A)), reduction)


def cross_entropy(y_hat: Any, Y: Any, reduction: str = "mean", fused: bool = True) -> Tensor:
    """L = -sum_k y_k log(y_hat_k), for n_y classes that exclude each other; Y holds one-hot columns.

    y_hat: (n_y, m), each column adding up to 1. If it comes from `softmax` over the rows (axis 0), the value is
    computed from its logits Z, as in `binary_cross_entropy`, and dZ = A - Y.
    Raises InputError where y_hat and Y differ in shape.
    """
    A, Y = _prepared("cross_entropy", y_hat, Y, reduction)
    if fused and A.op is ops.softmax and A.params["axis"] in (0, -A.ndim, (0,)):
        return apply(ops.cross_entropy, A.parents[0], A, Y, reduction=reduction)
    return _reduced(-_weighted_log(Y, A), reduction)


def _weighted_log(y: Any, a: Tensor) -> Any:
    """y log a, where 0 log 0 is 0: a label that rules a logarithm out lets log 1 take its place."""
    return y * np.log(np.where(ops.multiply(ops.equal(y, 0), ops.equal(a, 0)), 1.0, a))


def mean_squared_error(y_hat: Any, Y: Any, reduction: str = "mean") -> Tensor:
    """L = sum_k (y_hat_k - y_k)^2. Raises InputError where y_hat and Y differ in shape."""
    A, Y = _prepared("mean_squared_error", y_hat, Y, reduction)
    return _reduced(np.square(A - Y), reduction)


def J_CE(y_hat: Any, Y: Any, reduction: str = "sum") -> Tensor:
    """J_CE(y_hat, y) = -sum_i y^(i) log y_hat^(i), as the course defines it: a sum over the examples."""
    return cross_entropy(y_hat, Y, reduction)


def J_1(y_hat: Any, Y: Any, reduction: str = "sum") -> Tensor:
    """J_1(y_hat, y) = sum_i |y^(i) - y_hat^(i)|, as the course defines it: a sum over the examples."""
    A, Y = _prepared("J_1", y_hat, Y, reduction)
    return _reduced(np.abs(Y - A), reduction)


def _real(x: Any) -> Tensor:
    """With unsigned integers, differences that should be negative would be large."""
    tensor: Tensor = x if isinstance(x, Tensor) else as_tensor(x)
    return tensor if tensor._data.dtype.kind == "f" else tensor.astype(np.float64)


def _prepared(name: str, y_hat: Any, Y: Any, reduction: str) -> tuple[Tensor, Tensor]:
    A, Y = _real(y_hat), _real(Y)
    if not isinstance(reduction, str) or reduction not in REDUCTIONS:
        raise InputError(f"{name}: reduction {reduction!r} is unknown; there are {', '.join(REDUCTIONS)}")
    if A._data.shape != Y._data.shape:
        # Broadcasting (1, m) against (m, 1) would silently compare every example with every other.
        hint = ". Labels are a row, (1, m): Y.reshape(1, -1)" if A.size == Y.size else ""
        if A.ndim == 2 and Y.shape == (1, A.shape[1]):
            hint = f". Numbers of classes become one-hot columns by nn.one_hot(Y, {A.shape[0]})"
        raise InputError(f"{name}: y_hat is {A.shape} but Y is {Y.shape}: they must have the same shape{hint}")
    if A.size == 0:
        raise InputError(f"{name}: there are no examples, y_hat is {A.shape}")
    return A, Y


def _reduced(losses: Tensor, reduction: str) -> Tensor:
    """From the loss of each output to the cost; a column is one example, and what it holds is added up."""
    if reduction == "sum":
        return losses.sum()
    if reduction == "mean":
        return losses.sum() / (losses.shape[-1] if losses.ndim else 1)
    return losses.sum(axis=tuple(range(losses.ndim - 1)), keepdims=True) if losses.ndim > 1 else losses
