"""One training step of each course model as the course writes it by hand, in plain NumPy.

Each function makes a step: called once, it does one forward pass, cost, backward pass and update, on its own
parameters. As in the course, the deep networks also compute dA[0], the gradient of X, that nobody needs.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Step = Callable[[], float]


def sigmoid(Z: Any) -> Any:
    return 1 / (1 + np.exp(-Z))


def cross_entropy(A: Any, Y: Any) -> float:
    m = Y.shape[1]
    cost = -1 / m * np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A))
    return float(np.squeeze(cost))


def logistic_step(X: Any, Y: Any, learning_rate: float) -> Step:
    w, b, m = np.zeros((X.shape[0], 1)), 0.0, X.shape[1]

    def step() -> float:
        nonlocal w, b
        A = sigmoid(np.dot(w.T, X) + b)
        cost = cross_entropy(A, Y)
        dw = 1 / m * np.dot(X, (A - Y).T)
        db = 1 / m * np.sum(A - Y)
        w = w - learning_rate * dw
        b = b - learning_rate * db
        return cost
    return step


def planar_step(X: Any, Y: Any, learning_rate: float, n_h: int = 4) -> Step:
    random = np.random.RandomState(2)
    W1, b1 = random.randn(n_h, X.shape[0]) * 0.01, np.zeros((n_h, 1))
    W2, b2 = random.randn(1, n_h) * 0.01, np.zeros((1, 1))
    m = X.shape[1]

    def step() -> float:
        nonlocal W1, b1, W2, b2
        Z1 = np.dot(W1, X) + b1
        A1 = np.tanh(Z1)
        Z2 = np.dot(W2, A1) + b2
        A2 = sigmoid(Z2)
        cost = cross_entropy(A2, Y)
        dZ2 = A2 - Y
        dW2 = 1 / m * np.dot(dZ2, A1.T)
        db2 = 1 / m * np.sum(dZ2, axis=1, keepdims=True)
        dZ1 = np.dot(W2.T, dZ2) * (1 - np.power(A1, 2))
        dW1 = 1 / m * np.dot(dZ1, X.T)
        db1 = 1 / m * np.sum(dZ1, axis=1, keepdims=True)
        W1 = W1 - learning_rate * dW1
        b1 = b1 - learning_rate * db1
        W2 = W2 - learning_rate * dW2
        b2 = b2 - learning_rate * db2
        return cost
    return step


def deep_step(X: Any, Y: Any, learning_rate: float, W: list[Any]) -> Step:
    """linear, relu, ..., linear, sigmoid with the initial weights W[0], W[1], ..."""
    W = [w.copy() for w in W]
    b = [np.zeros((w.shape[0], 1)) for w in W]
    m = X.shape[1]

    def step() -> float:
        A, caches = X, []
        for w, c in zip(W, b):
            Z = np.dot(w, A) + c
            caches.append((A, Z))
            A = sigmoid(Z) if w is W[-1] else np.maximum(0, Z)
        cost = cross_entropy(A, Y)

        dA = -(np.divide(Y, A) - np.divide(1 - Y, 1 - A))
        gradients = []
        for layer in reversed(range(len(W))):
            A_prev, Z = caches[layer]
            if layer == len(W) - 1:
                s = sigmoid(Z)
                dZ = dA * s * (1 - s)
            else:
                dZ = np.array(dA, copy=True)
                dZ[Z <= 0] = 0
            gradients.append((1 / m * np.dot(dZ, A_prev.T), 1 / m * np.sum(dZ, axis=1, keepdims=True)))
            dA = np.dot(W[layer].T, dZ)
        for layer, (dW, db) in enumerate(reversed(gradients)):
            W[layer] = W[layer] - learning_rate * dW
            b[layer] = b[layer] - learning_rate * db
        return cost
    return step
