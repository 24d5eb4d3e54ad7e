"""Gradients checked against differences of function values, which know nothing of the chain rule."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_course.autodiff import grad
from tinygrad_course.errors import InputError
from tinygrad_course.tensor import Tensor

Array = Any
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

    Raises GradcheckError, which names the input, the element and both values, and InputError for other dtypes.
    """
    several = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    arrays = [np.array(x.data if isinstance(x, Tensor) else x) for x in several]
    for i, x in enumerate(arrays):
        if x.dtype != np.float64:
            raise InputError(f"gradcheck: input {i} is {x.dtype}; differences need the precision of float64")

    tensors = [Tensor(x, requires_grad=True, name=f"input {i}") for i, x in enumerate(arrays)]
    output = function(*tensors)
    random = np.random.RandomState(seed)
    weights = random.uniform(0.5, 1.5, output.shape)
    found = grad(output, tensors, gradient=weights) if output.requires_grad else [
        Tensor(np.zeros_like(x)) for x in arrays]

    for i, (x, g) in enumerate(zip(arrays, found)):
        def value(changed: Array, i: int = i) -> float:
            result = function(*[Tensor(changed if k == i else other) for k, other in enumerate(arrays)])
            return float(np.sum(result.numpy() * weights))

        def compare(where: str, direction: Array, x: Array = x, g: Tensor = g, i: int = i) -> None:
            expected = directional_derivative(value, x, direction, step)
            autodiff = float(np.sum(g.numpy() * direction))
            rounding = 1e-12 * max(1.0, abs(value(x))) / step
            difference = abs(autodiff - expected)
            if not difference <= tolerance * max(abs(autodiff), abs(expected)) + rounding:
                raise GradcheckError(
                    f"the gradient of input {i} {where} is {autodiff:.10g}, but finite differences give "
                    f"{expected:.10g}: they differ by {difference:.3g}, a factor {_ratio(autodiff, expected)}")

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
