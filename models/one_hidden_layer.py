"""What the course's two networks with one hidden layer have in common: all but the activation of its units."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_course.models.layered import Layered
from tinygrad_course.nn import Linear, small


class OneHiddenLayer(Layered):
    """n_x inputs, n_h hidden units, n_y sigmoid outputs; W = 0.01 randn, W1 first, b = 0."""

    def __init__(self, n_x: int, n_h: int, n_y: int, seed: int):
        random = np.random.RandomState(seed)
        self.layers = [Linear(n_x, n_h, small, random, layer=1), Linear(n_h, n_y, small, random, layer=2)]

    def config(self) -> dict[str, Any]:
        (n_h, n_x), (n_y, _) = (layer.W.shape for layer in self.layers)
        return {"n_x": n_x, "n_h": n_h, "n_y": n_y}

    def backward_by_hand(self, X: Any, Y: Any, g1: Callable[[Any], Any], g1_prime: Callable[[Any], Any],
                         steps: bool) -> dict[str, Any]:
        """The course's vectorised backward pass in plain NumPy, for hidden units A1 = g1(Z1).

        g1_prime: the derivative, of Z1. steps: with everything in between too; dZ and dA are per example, as in the
        course, without the 1/m.
        """
        W1, b1, W2, b2 = (parameter.numpy() for parameter in self.parameters())
        m = X.shape[1]

        Z1 = W1 @ X + b1
        A1 = g1(Z1)
        Z2 = W2 @ A1 + b2
        with np.errstate(over="ignore"):
            A2 = 1 / (1 + np.exp(-Z2))

        with np.errstate(divide="ignore", invalid="ignore"):
            dA2 = -(Y / A2 - (1 - Y) / (1 - A2))
        dZ2 = A2 - Y  # dA2 * g2'(Z2), which stays right where A2 is 0 or 1
        dW2 = 1 / m * dZ2 @ A1.T
        db2 = 1 / m * np.sum(dZ2, axis=1, keepdims=True)
        dA1 = W2.T @ dZ2
        dZ1 = dA1 * g1_prime(Z1)
        dW1 = 1 / m * dZ1 @ X.T
        db1 = 1 / m * np.sum(dZ1, axis=1, keepdims=True)
        gradients = {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}
        between = {"Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2, "dA2": dA2, "dZ2": dZ2, "dA1": dA1, "dZ1": dZ1}
        return {**between, **gradients} if steps else gradients
