"""HIPS autograd: NumPy code, rows are examples, value_and_grad of the cost of a list of parameters."""
from __future__ import annotations

from typing import Any

import autograd.numpy as np
import numpy
from autograd import value_and_grad
from autograd.scipy.special import logsumexp


def make_cost(problem: Any) -> Any:
    def cost_of(parameters: Any, rows: Any, labels: Any) -> Any:
        A = rows
        for W, b in parameters[:-1]:
            Z = np.dot(A, W) + b
            A = np.tanh(Z) if problem.activation == "tanh" else np.maximum(Z, 0)
        W, b = parameters[-1]
        Z = np.dot(A, W) + b
        if problem.output == "softmax":
            return -np.mean(np.sum(labels * (Z - logsumexp(Z, axis=1, keepdims=True)), axis=1))
        return np.mean(np.logaddexp(0, Z) - labels * Z)
    return cost_of


class Trainer:
    def __init__(self, problem: Any):
        self.problem = problem
        self.rows, self.labels = (numpy.ascontiguousarray(array.T) for array in (problem.X, problem.Y))
        self.gradient = value_and_grad(make_cost(problem))

    def reset(self) -> None:
        weights = self.problem.weights
        self.parameters = [(W.T.copy(), b[:, 0].copy()) for W, b in zip(weights[0::2], weights[1::2])]
        self.v, self.s = ([[numpy.zeros_like(w) for w in layer] for layer in self.parameters] for _ in range(2))

    def warm_up(self) -> None:
        self.reset()
        self.train(3)

    def train(self, iterations: int) -> float:
        rows, labels, problem = self.rows, self.labels, self.problem
        if problem.batch_size is None:
            for t in range(iterations):
                cost = self.step(rows, labels, t + 1)
        else:
            for t, chosen in enumerate(problem.batches(iterations)):
                cost = self.step(rows[chosen], labels[chosen], t + 1)
        return float(cost)

    def step(self, rows: Any, labels: Any, t: int) -> Any:
        cost, gradients = self.gradient(self.parameters, rows, labels)
        rate, rule = self.problem.learning_rate, self.problem.optimizer
        for layer, of_layer, vs, ss in zip(self.parameters, gradients, self.v, self.s):
            for i, (w, g) in enumerate(zip(layer, of_layer)):
                if rule == "gradient descent":
                    w -= rate * g
                    continue
                vs[i] = 0.9 * vs[i] + 0.1 * g
                if rule == "momentum":
                    w -= rate * vs[i]
                else:
                    ss[i] = 0.999 * ss[i] + 0.001 * g ** 2
                    w -= rate * (vs[i] / (1 - 0.9 ** t)) / (numpy.sqrt(ss[i] / (1 - 0.999 ** t)) + 1e-8)
        return cost
