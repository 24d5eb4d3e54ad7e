"""Gradients checked against differences of function values, which know nothing of the chain rule."""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_course.autodiff import grad
from tinygrad_course.conversions import finite_number, real_numbers
from tinygrad_course.errors import InputError
from tinygrad_course.tensor import Array, Tensor

SMALL = 64  # inputs of up to so many elements are checked element by element


class GradcheckError(AssertionError):
    """A gradient that differs from the finite differences; the message says where and by how much."""


def directional_derivative(value: Callable[[Array], float], x: Array, direction: Array, step: float) -> float:
    """The derivative of `value` at x along `direction`, from four values (error of order step^4)."""
    def difference(h: float) -> float:
        return (value(x + h * direction) - value(x - h * direction)) / (2 * h)
    return (4 * difference(step) - difference(2 * step)) / 3


def gradcheck(function: Callable[..., Tensor], inputs: Any, *, tolerance: float = 1e-6, step: float = 1e-4,
              directions: int = 3, seed: int = 0) -> bool:
    """Compare the gradients of `function` with finite differences; True, or GradcheckError.

    function: from Tensors to a Tensor of any shape; all its elements enter the check, each with a random weight.
    inputs: an array or Tensor, or several, float64. Each is checked along random directions and, up to 64 elements,
    element by element.
    tolerance: the largest difference allowed, relative to the larger of both values; differences are also accepted
    where they are smaller than what rounding leaves of them.
    step: that of the differences, for an element x relative to |x| where that is more than 1. Where the values differ,
    the function may only bend too much for it: it is then tried relative to |x| for all, as log needs it near 0.

    Raises GradcheckError, which names the input, the element and both values, also where one of them is not finite;
    InputError for other dtypes, and for a function that gives no Tensor.
    """
    if not callable(function):
        raise InputError(f"gradcheck: function is {function!r:.60}; a function of Tensors is needed")
    for name, setting in (("tolerance", tolerance), ("step", step)):
        if not 0 < (finite_number(setting) or 0):
            raise InputError(f"gradcheck: {name} must be a positive number; got {type(setting).__name__}")
    several = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    arrays = [real_numbers(x, f"gradcheck: input {i} cannot be", copy=True) for i, x in enumerate(several)]
    for i, x in enumerate(arrays):
        if x.dtype != np.float64:
            raise InputError(f"gradcheck: input {i} is {x.dtype}; differences need the precision of float64")

    tensors = [Tensor(x, requires_grad=True, name=f"input {i}") for i, x in enumerate(arrays)]
    output = function(*tensors)
    if not isinstance(output, Tensor):
        raise InputError(f"gradcheck: the function gives {type(output).__name__}, but a Tensor is needed: what leaves "
                         "the graph, for instance by .data or .item(), cannot be differentiated")
    random = np.random.RandomState(seed)
    weights = random.uniform(0.5, 1.5, output.shape)
    found = grad(output, tensors, gradient=weights) if output.requires_grad else [
        Tensor(np.zeros_like(x)) for x in arrays]

    for i, (x, g) in enumerate(zip(arrays, found)):
        def value(changed: Array, i: int = i) -> float:
            result = function(*[Tensor(changed if k == i else other) for k, other in enumerate(arrays)])
            return float(np.sum(result.numpy() * weights))

        def compare(where: str, direction: Array, x: Array = x, g: Tensor = g, i: int = i) -> None:
            size = np.abs(x)
            failed = None
            for scale in (np.maximum(size, 1), np.where(size > 0, size, 1)):
                along = direction * scale
                with np.errstate(all="ignore"):
                    expected = directional_derivative(value, x, along, step)
                    autodiff = float(np.sum(g.numpy() * along))
                    rounding = 1e-12 * max(1.0, abs(value(x))) / step
                    largest, difference = max(abs(autodiff), abs(expected)), abs(autodiff - expected)
                if failed is not None:  # rounding must not excuse everything where steps are tiny
                    rounding = min(rounding, 1e-4 * largest)
                if math.isfinite(largest) and difference <= tolerance * largest + rounding:
                    return
                one = float(np.abs(along).sum()) / float(np.abs(direction).sum())
                failed = failed or (autodiff / one, expected / one)
            assert failed is not None
            autodiff, expected = failed
            raise GradcheckError(
                f"the gradient of input {i} {where} is {autodiff:.10g}, but finite differences give "
                f"{expected:.10g}: they differ by {abs(autodiff - expected):.3g}, a factor "
                f"{_ratio(autodiff, expected)}")

        if x.size <= SMALL:
            for index in np.ndindex(x.shape):
                one = np.zeros_like(x)
                one[index] = 1
                compare(f"at index {index}", one)
        for k in range(directions if x.size else 0):
            compare(f"along random direction {k}", random.standard_normal(x.shape))
    return True


def _ratio(a: float, b: float) -> str:
    return f"{a / b:.6g}" if b else "inf"
