"""tinygrad on the processor: the whole step in a TinyJit, as in its beautiful_mnist.py. It compiles C by clang."""
from __future__ import annotations

import os
from typing import Any

import numpy as np
from tinygrad import Tensor, TinyJit, nn
from tinygrad.helpers import DEFAULT_FLOAT, Context


class Trainer:
    def __init__(self, problem: Any):
        self.problem = problem
        DEFAULT_FLOAT.value = problem.dtype
        os.environ["OPTIM_DTYPE"] = problem.dtype  # of the optimisers' state; by default float32
        self.rows = Tensor(np.ascontiguousarray(problem.X.T)).realize()
        labels = problem.Y.argmax(axis=0).astype(np.int32) if problem.output == "softmax" else problem.Y.T
        self.labels = Tensor(np.ascontiguousarray(labels)).realize()
        self.initial = [array if i % 2 == 0 else array[:, 0] for i, array in enumerate(problem.weights)]
        self.parameters = [Tensor(array.copy()).realize() for array in self.initial]

        rate = problem.learning_rate
        if problem.optimizer == "adam":
            self.optimizer = nn.optim.Adam(self.parameters, rate)
            # Always float32 there, in which 1 - 0.999 has four digits: not what the others compute.
            self.optimizer.b1_t, self.optimizer.b2_t = (
                Tensor.ones((1,), dtype=problem.dtype).contiguous().realize().is_param_(False) for _ in range(2))
        elif problem.optimizer == "momentum":
            # tinygrad's v is the sum of beta^k g, ours is 0.1 times that: the same steps at a tenth of the rate.
            self.optimizer = nn.optim.SGD(self.parameters, 0.1 * rate, momentum=0.9)
        else:
            self.optimizer = nn.optim.SGD(self.parameters, rate)
        powers = [self.optimizer.b1_t, self.optimizer.b2_t] if problem.optimizer == "adam" else []
        moments = [t for name in ("b", "m", "v") for t in getattr(self.optimizer, name, [])]
        self.start = [*zip(self.parameters, self.initial), *((t, np.ones(1)) for t in powers),
                      *((t, np.zeros(t.shape)) for t in moments)]
        self.whole, self.picked, self.last = TinyJit(self.step), TinyJit(self.step_on), TinyJit(self.step_on)

    def step(self) -> Tensor:
        return self.updated(self.rows, self.labels)

    def step_on(self, chosen: Tensor) -> Tensor:
        return self.updated(self.rows[chosen], self.labels[chosen])

    def updated(self, rows: Tensor, labels: Tensor) -> Tensor:
        self.optimizer.zero_grad()
        A = rows
        layers = list(zip(self.parameters[0::2], self.parameters[1::2]))
        for W, b in layers[:-1]:
            Z = A.linear(W.T, b)
            A = Z.tanh() if self.problem.activation == "tanh" else Z.relu()
        Z = A.linear(layers[-1][0].T, layers[-1][1])
        cost = (Z.sparse_categorical_crossentropy(labels) if self.problem.output == "softmax"
                else Z.binary_crossentropy_logits(labels))
        cost.backward()
        return cost.realize(*self.optimizer.schedule_step())

    def reset(self) -> None:
        for tensor, array in self.start:
            tensor.assign(Tensor(array.astype(self.problem.dtype))).realize()

    def warm_up(self) -> None:
        self.reset()
        m, size = self.rows.shape[0], self.problem.batch_size
        self.train(3 if size is None else 3 * (m // size + 1))  # captured in the second call, also of the last batch

    def train(self, iterations: int) -> float:
        with Context(TRAINING=1):
            if self.problem.batch_size is None:
                for _ in range(iterations):
                    cost = self.whole()
            else:
                for chosen in self.problem.batches(iterations):
                    jitted = self.picked if len(chosen) == self.problem.batch_size else self.last
                    cost = jitted(Tensor(chosen.astype(np.int32)).realize())
            return float(cost.item())
