"""A network of any depth, for images (week 4)."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_course.errors import InputError
from tinygrad_course.models.layered import Layered
from tinygrad_course.nn import Linear, lecun, relu, sigmoid
from tinygrad_course.tensor import Tensor


class DeepNetwork(Layered):
    """L layers: relu in all but the last, sigmoid in the last; W[l] = randn / sqrt(n[l-1]) in order, b = 0.

    layer_dims: n[0], n[1], ..., n[L], where n[0] = n_x is the input.
    """

    def __init__(self, layer_dims: Sequence[int], seed: int = 1):
        if not isinstance(layer_dims, Sequence) or len(layer_dims) < 2:
            raise InputError(f"layer_dims is {layer_dims!r}: a list of n_x and the units of each layer is needed")
        random = np.random.RandomState(seed)
        self.layers = [Linear(n_in, n_out, lecun, random, layer=number)
                       for number, (n_in, n_out) in enumerate(zip(layer_dims, layer_dims[1:]), start=1)]

    def forward(self, X: Any) -> Tensor:
        A = X
        for layer in self.layers[:-1]:
            A = relu(layer(A))
        return sigmoid(self.layers[-1](A))

    def config(self) -> dict[str, Any]:
        return {"layer_dims": [self.layers[0].W.shape[1]] + [layer.W.shape[0] for layer in self.layers]}

    def closed_form(self, X: Any, Y: Any, steps: bool = False) -> dict[str, Any]:
        """The course's L-layer backward pass in plain NumPy; A[0] = X, and Z[l], A[l] stand at place l.

        steps: with everything in between too; dZ and dA are per example, as in the course, without the 1/m.
        """
        W: list[Any] = [None] + [layer.W.numpy() for layer in self.layers]
        b: list[Any] = [None] + [layer.b.numpy() for layer in self.layers]
        L, m = len(self.layers), X.shape[1]

        Z: list[Any] = [None]
        A: list[Any] = [X]
        for l in range(1, L + 1):
            Z.append(W[l] @ A[l - 1] + b[l])
            with np.errstate(over="ignore"):
                A.append(np.maximum(0, Z[l]) if l < L else 1 / (1 + np.exp(-Z[l])))

        between = {f"{name}{l}": values[l] for l in range(1, L + 1) for name, values in (("Z", Z), ("A", A))}
        with np.errstate(divide="ignore", invalid="ignore"):
            between[f"dA{L}"] = -(Y / A[L] - (1 - Y) / (1 - A[L]))
        gradients = {}
        dZ = A[L] - Y  # dA[L] * g[L]'(Z[L]), which stays right where A[L] is 0 or 1
        for l in range(L, 0, -1):
            between[f"dZ{l}"] = dZ
            gradients[f"W{l}"] = 1 / m * dZ @ A[l - 1].T
            gradients[f"b{l}"] = 1 / m * np.sum(dZ, axis=1, keepdims=True)
            if l > 1:
                dA = between[f"dA{l - 1}"] = W[l].T @ dZ
                dZ = dA * (Z[l - 1] > 0)
        gradients = {name: gradients[name] for name, _ in self.named_parameters()}
        return {**between, **gradients} if steps else gradients
