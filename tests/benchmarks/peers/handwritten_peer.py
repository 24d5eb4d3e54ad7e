"""The course's NumPy: forward pass, cost, backward pass and update written by hand.

As in the course, the deep networks also compute dA[0], the gradient of X, that nobody needs.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def sigmoid(Z: Any) -> Any:
    return 1 / (1 + np.exp(-Z))


def cross_entropy(A: Any, Y: Any) -> float:
    m = Y.shape[1]
    cost = -1 / m * np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A))
    return float(np.squeeze(cost))


def logistic_step(X: Any, Y: Any, learning_rate: float, weights: list[Any]) -> Callable[[], float]:
    w, b, m = weights[0].T, 0.0, X.shape[1]

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


def planar_step(X: Any, Y: Any, learning_rate: float, weights: list[Any]) -> Callable[[], float]:
    W1, b1, W2, b2 = weights
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


def deep_step(X: Any, Y: Any, learning_rate: float, weights: list[Any]) -> Callable[[], float]:
    """linear, relu, ..., linear, sigmoid."""
    W, b = list(weights[0::2]), list(weights[1::2])
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


def mini_batch_step(optimizer: str, learning_rate: float, weights: list[Any]) -> Callable[[Any, Any], float]:
    """linear, relu, linear, softmax; momentum or Adam as in the course's second part."""
    parameters = list(weights)
    v, s = ([np.zeros_like(w) for w in weights] for _ in range(2))
    t = 0

    def step(X: Any, Y: Any) -> float:
        nonlocal t
        W1, b1, W2, b2 = parameters
        m = X.shape[1]
        Z1 = np.dot(W1, X) + b1
        A1 = np.maximum(0, Z1)
        Z2 = np.dot(W2, A1) + b2
        exponentials = np.exp(Z2 - np.max(Z2, axis=0, keepdims=True))
        A2 = exponentials / np.sum(exponentials, axis=0, keepdims=True)
        cost = float(-1 / m * np.sum(Y * np.log(A2)))

        dZ2 = 1 / m * (A2 - Y)
        dZ1 = np.dot(W2.T, dZ2) * (Z1 > 0)
        gradients = [np.dot(dZ1, X.T), np.sum(dZ1, axis=1, keepdims=True),
                     np.dot(dZ2, A1.T), np.sum(dZ2, axis=1, keepdims=True)]
        t += 1
        for i, g in enumerate(gradients):
            v[i] = 0.9 * v[i] + 0.1 * g
            if optimizer == "momentum":
                parameters[i] = parameters[i] - learning_rate * v[i]
            else:
                s[i] = 0.999 * s[i] + 0.001 * np.power(g, 2)
                corrected = v[i] / (1 - 0.9 ** t), s[i] / (1 - 0.999 ** t)
                parameters[i] = parameters[i] - learning_rate * corrected[0] / (np.sqrt(corrected[1]) + 1e-8)
        return cost
    return step


class Trainer:
    def __init__(self, problem: Any):
        self.problem = problem

    def reset(self) -> None:
        problem = self.problem
        if problem.batch_size is not None:
            self.step: Any = mini_batch_step(problem.optimizer, problem.learning_rate, problem.weights)
        else:
            kind = {1: logistic_step, 2: planar_step if problem.activation == "tanh" else deep_step}
            make = kind.get(problem.layers, deep_step)
            self.step = make(problem.X, problem.Y, problem.learning_rate, problem.weights)

    def train(self, iterations: int) -> float:
        X, Y, step = self.problem.X, self.problem.Y, self.step
        if self.problem.batch_size is None:
            for _ in range(iterations):
                cost = step()
        else:
            for chosen in self.problem.batches(iterations):
                cost = step(X[:, chosen], Y[:, chosen])
        return float(cost)
