"""Planar data classification with one hidden layer (week 3)."""
from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_course.models.one_hidden_layer import OneHiddenLayer
from tinygrad_course.nn import sigmoid, tanh
from tinygrad_course.tensor import Tensor


class PlanarClassifier(OneHiddenLayer):
    """n_x inputs, n_h tanh units, n_y sigmoid outputs; W = 0.01 randn, W1 first, b = 0."""

    def __init__(self, n_x: int = 2, n_h: int = 4, n_y: int = 1, seed: int = 2):
        super().__init__(n_x, n_h, n_y, seed)

    def forward(self, X: Any) -> Tensor:
        A1 = tanh(self.layers[0](X))
        return sigmoid(self.layers[1](A1))

    def closed_form(self, X: Any, Y: Any, steps: bool = False) -> dict[str, Any]:
        """The course's gradients in plain NumPy, with g1'(Z1) = 1 - tanh(Z1)^2; steps: all in between too."""
        return self.backward_by_hand(X, Y, np.tanh, lambda Z1: 1 - np.tanh(Z1) ** 2, steps)
