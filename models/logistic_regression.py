"""Logistic regression as a neural network (week 2)."""
from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_course.errors import InputError
from tinygrad_course.nn import Module, binary_cross_entropy, sigmoid
from tinygrad_course.tensor import Tensor


class LogisticRegression(Module):
    """y_hat = sigmoid(w^T x + b), with w (n_x, 1) and the number b both starting at zero."""

    binary_labels = True

    def __init__(self, n_x: int):
        if not isinstance(n_x, (int, np.integer)) or n_x < 1:
            raise InputError(f"logistic regression needs at least one input, a whole number; got n_x={n_x!r}")
        self.w = Tensor(np.zeros((n_x, 1)), requires_grad=True, name="w")
        self.b = Tensor(0.0, requires_grad=True, name="b")

    def forward(self, X: Any) -> Tensor:
        return sigmoid(self.w.T @ X + self.b)

    def cost(self, X: Any, Y: Any) -> Tensor:
        return binary_cross_entropy(self(X), Y)

    def config(self) -> dict[str, Any]:
        return {"n_x": self.w.shape[0]}

    def closed_form(self, X: Any, Y: Any, steps: bool = False) -> dict[str, Any]:
        """The course's gradients in plain NumPy: dJ/dw = (1/m) X (A - Y)^T, dJ/db = (1/m) sum_i (a^(i) - y^(i)).

        steps: with everything in between too; dZ and dA are per example, as in the course, without the 1/m.
        """
        w, b = self.w.numpy(), self.b.numpy()
        m = X.shape[1]

        Z = w.T @ X + b
        with np.errstate(over="ignore"):
            A = 1 / (1 + np.exp(-Z))

        with np.errstate(divide="ignore", invalid="ignore"):
            dA = -(Y / A - (1 - Y) / (1 - A))
        dZ = A - Y  # dA * g'(Z), which stays right where A is 0 or 1
        dw = 1 / m * X @ dZ.T
        db = 1 / m * np.sum(dZ)
        gradients = {"w": dw, "b": db}
        return {"Z": Z, "A": A, "dA": dA, "dZ": dZ, **gradients} if steps else gradients
