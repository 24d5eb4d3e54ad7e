"""The steps of a recorded graph by the course's names: Z[l] for linear steps, A[l] for their activations."""
from __future__ import annotations

from typing import Any

from tinygrad_course import ops
from tinygrad_course.autodiff import topological_order
from tinygrad_course.tensor import Tensor

ACTIVATIONS = (ops.sigmoid, ops.tanh, ops.relu, ops.leaky_relu, ops.softplus, ops.softmax)


def named_steps(output: Tensor) -> dict[str, Tensor]:
    """From "Z1", "A1", "Z2", ... to the Tensors that `output` was computed from, in the order of computation.

    A linear step is a product with a parameter, plus a bias if there is one. A single layer whose parameters have no
    number has "Z" and "A".
    """
    forward = list(reversed(topological_order(output)))
    biased = {tensor.parents[0]: tensor for tensor in forward if tensor.op is ops.add and _is_product(tensor.parents[0])
              and _is_parameter(tensor.parents[1])}
    linear = [biased.get(tensor, tensor) for tensor in forward if _is_product(tensor)]
    numbered = len(linear) > 1 or any(str(parameter.name)[-1:].isdigit()
                                      for tensor in forward for parameter in tensor.parents if _is_parameter(parameter))
    numbers = {Z: str(l) if numbered else "" for l, Z in enumerate(linear, start=1)}
    names = {}
    for tensor in forward:
        if tensor in numbers:
            names[f"Z{numbers[tensor]}"] = tensor
        elif tensor.op in ACTIVATIONS and tensor.parents[0] in numbers:
            names[f"A{numbers[tensor.parents[0]]}"] = tensor
    return names


def _is_parameter(tensor: Tensor) -> bool:
    return tensor.op is None and tensor.requires_grad


def _is_product(tensor: Tensor) -> bool:
    return tensor.op is ops.matmul and any(_is_parameter(_untransposed(parent)) for parent in tensor.parents)


def _untransposed(tensor: Tensor) -> Any:
    return tensor.parents[0] if tensor.op is ops.transpose else tensor
