"""A network with one hidden layer of relu units, for images (week 4)."""
from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_course.models.one_hidden_layer import OneHiddenLayer
from tinygrad_course.nn import relu, sigmoid
from tinygrad_course.tensor import Tensor


class TwoLayerNetwork(OneHiddenLayer):
    """linear, relu, linear, sigmoid; W = 0.01 randn, W1 first, b = 0."""

    def __init__(self, n_x: int, n_h: int, n_y: int, seed: int = 1):
        super().__init__(n_x, n_h, n_y, seed)

    def forward(self, X: Any) -> Tensor:
        A1 = relu(self.layers[0](X))
        return sigmoid(self.layers[1](A1))

    def closed_form(self, X: Any, Y: Any, steps: bool = False) -> dict[str, Any]:
        """The course's gradients in plain NumPy, with g1'(Z1) = 1 where Z1 > 0, else 0; steps: all in between too."""
        return self.backward_by_hand(X, Y, lambda Z1: np.maximum(0, Z1), lambda Z1: Z1 > 0, steps)
