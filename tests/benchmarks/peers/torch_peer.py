"""PyTorch, eager: nn.Linear, rows are examples, the cost computed from logits, the fused optimisers."""
from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import torch


class Trainer:
    def __init__(self, problem: Any):
        self.problem = problem
        self.rows = torch.from_numpy(np.ascontiguousarray(problem.X.T))
        if problem.output == "softmax":
            self.labels = torch.from_numpy(problem.Y.argmax(axis=0))
            self.cost_of: Any = torch.nn.CrossEntropyLoss()
        else:
            self.labels = torch.from_numpy(np.ascontiguousarray(problem.Y.T))
            self.cost_of = torch.nn.BCEWithLogitsLoss()

    def reset(self) -> None:
        problem, layers = self.problem, []
        for W, b in zip(problem.weights[0::2], problem.weights[1::2]):
            linear = torch.nn.Linear(W.shape[1], W.shape[0], dtype=self.rows.dtype)
            with torch.no_grad():
                linear.weight.copy_(torch.from_numpy(W))
                linear.bias.copy_(torch.from_numpy(b[:, 0]))
            layers += [linear, torch.nn.Tanh() if problem.activation == "tanh" else torch.nn.ReLU()]
        self.network = torch.nn.Sequential(*layers[:-1])
        parameters, rate = self.network.parameters(), problem.learning_rate
        if problem.optimizer == "adam":
            self.optimizer: Any = torch.optim.Adam(parameters, rate, fused=True)
        elif problem.optimizer == "momentum":
            # PyTorch's v is the sum of beta^k g, ours is 0.1 times that: the same steps at a tenth of the rate.
            self.optimizer = torch.optim.SGD(parameters, 0.1 * rate, momentum=0.9, fused=True)
        else:
            self.optimizer = torch.optim.SGD(parameters, rate, fused=True)

    def warm_up(self) -> None:
        self.reset()
        self.train(5)

    def train(self, iterations: int) -> float:
        for rows, labels in self.batches(iterations):
            self.optimizer.zero_grad()
            cost = self.cost_of(self.network(rows), labels)
            cost.backward()
            self.optimizer.step()
        return float(cost.item())

    def batches(self, iterations: int) -> Any:
        if self.problem.batch_size is None:
            return itertools.repeat((self.rows, self.labels), iterations)
        chosen = map(torch.from_numpy, self.problem.batches(iterations))
        return ((self.rows[batch], self.labels[batch]) for batch in chosen)
