"""Planar data classification with one hidden layer (week 3)."""
from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_course.models.layered import Layered
from tinygrad_course.nn import Linear, sigmoid, small, tanh
from tinygrad_course.tensor import Tensor


class PlanarClassifier(Layered):
    """n_x inputs, n_h tanh units, n_y sigmoid outputs; W = 0.01 randn, W1 first, b = 0."""

    def __init__(self, n_x: int = 2, n_h: int = 4, n_y: int = 1, seed: int = 2):
        random = np.random.RandomState(seed)
        self.layers = [Linear(n_x, n_h, small, random, layer=1), Linear(n_h, n_y, small, random, layer=2)]

    def forward(self, X: Any) -> Tensor:
        A1 = tanh(self.layers[0](X))
        return sigmoid(self.layers[1](A1))

    def config(self) -> dict[str, Any]:
        (n_h, n_x), (n_y, _) = (layer.W.shape for layer in self.layers)
        return {"n_x": n_x, "n_h": n_h, "n_y": n_y}

    def closed_form(self, X: Any, Y: Any, steps: bool = False) -> dict[str, Any]:
        """The course's vectorised backward pass in plain NumPy, with g1'(Z1) = 1 - tanh(Z1)^2 = 1 - A1^2.

        steps: with everything in between too; dZ and dA are per example, as in the course, without the 1/m.
        """
        W1, b1, W2, b2 = (parameter.numpy() for parameter in self.parameters())
        m = X.shape[1]

        Z1 = W1 @ X + b1
        A1 = np.tanh(Z1)
        Z2 = W2 @ A1 + b2
        with np.errstate(over="ignore"):
            A2 = 1 / (1 + np.exp(-Z2))

        with np.errstate(divide="ignore", invalid="ignore"):
            dA2 = -(Y / A2 - (1 - Y) / (1 - A2))
        dZ2 = A2 - Y  # dA2 * g2'(Z2), which stays right where A2 is 0 or 1
        dW2 = 1 / m * dZ2 @ A1.T
        db2 = 1 / m * np.sum(dZ2, axis=1, keepdims=True)
        dA1 = W2.T @ dZ2
        dZ1 = dA1 * (1 - A1 ** 2)
        dW1 = 1 / m * dZ1 @ X.T
        db1 = 1 / m * np.sum(dZ1, axis=1, keepdims=True)
        gradients = {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}
        between = {"Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2, "dA2": dA2, "dZ2": dZ2, "dA1": dA1, "dZ1": dZ1}
        return {**between, **gradients} if steps else gradients
