"""JAX: one jitted function for the whole step, called once per step; parameters and optimiser state are donated."""
from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def make_step(problem: Any) -> Any:
    """step(parameters, state, rows, labels) -> new parameters, new state, cost before the update."""
    activation = jnp.tanh if problem.activation == "tanh" else jax.nn.relu

    def cost_of(parameters: Any, rows: Any, labels: Any) -> Any:
        *hidden, (W, b) = parameters
        A = rows
        for V, c in hidden:
            A = activation(A @ V + c)
        Z = A @ W + b
        if problem.output == "softmax":
            return -jnp.mean(jnp.sum(labels * jax.nn.log_softmax(Z), axis=1))
        return jnp.mean(jax.nn.softplus(Z) - labels * Z)

    def step(parameters: Any, state: Any, rows: Any, labels: Any) -> Any:
        cost, gradients = jax.value_and_grad(cost_of)(parameters, rows, labels)
        parameters, state = update(problem, parameters, state, gradients)
        return parameters, state, cost
    return step


def update(problem: Any, parameters: Any, state: Any, gradients: Any) -> Any:
    rate = problem.learning_rate
    if problem.optimizer == "gradient descent":
        return jax.tree.map(lambda w, g: w - rate * g, parameters, gradients), state
    if problem.optimizer == "momentum":
        state = jax.tree.map(lambda v, g: 0.9 * v + 0.1 * g, state, gradients)
        return jax.tree.map(lambda w, v: w - rate * v, parameters, state), state
    t, v, s = state
    t = t + 1
    v = jax.tree.map(lambda v, g: 0.9 * v + 0.1 * g, v, gradients)
    s = jax.tree.map(lambda s, g: 0.999 * s + 0.001 * g * g, s, gradients)
    parameters = jax.tree.map(
        lambda w, v, s: w - rate * (v / (1 - 0.9 ** t)) / (jnp.sqrt(s / (1 - 0.999 ** t)) + 1e-8), parameters, v, s)
    return parameters, (t, v, s)


def gathered(step: Any) -> Any:
    """The same step on a mini-batch: the rows are picked within the compiled function."""
    def picked(parameters: Any, state: Any, rows: Any, labels: Any, chosen: Any) -> Any:
        return step(parameters, state, rows[chosen], labels[chosen])
    return picked


class Trainer:
    def __init__(self, problem: Any):
        jax.config.update("jax_enable_x64", problem.dtype == "float64")
        self.problem = problem
        self.rows, self.labels = (jnp.asarray(np.ascontiguousarray(array.T)) for array in (problem.X, problem.Y))
        self.step = make_step(problem)
        self.compile()

    def compile(self) -> None:
        step = self.step if self.problem.batch_size is None else gathered(self.step)
        self.compiled = jax.jit(step, donate_argnums=(0, 1))

    def reset(self) -> None:
        weights = self.problem.weights
        self.parameters = [(jnp.array(W.T), jnp.array(b[:, 0])) for W, b in zip(weights[0::2], weights[1::2])]
        zeros = [jax.tree.map(jnp.zeros_like, self.parameters) for _ in range(2)]
        self.state: Any = {"gradient descent": (), "momentum": zeros[0],
                           "adam": (jnp.zeros((), self.problem.dtype), *zeros)}[self.problem.optimizer]
        jax.block_until_ready(self.parameters)

    def warm_up(self) -> None:
        self.reset()
        m, size = self.rows.shape[0], self.problem.batch_size
        self.train(3 if size is None else m // size + 2)  # the last batch of an epoch is smaller: another function

    def train(self, iterations: int) -> float:
        parameters, state, rows, labels = self.parameters, self.state, self.rows, self.labels
        if self.problem.batch_size is None:
            for _ in range(iterations):
                parameters, state, cost = self.compiled(parameters, state, rows, labels)
        else:
            for chosen in self.problem.batches(iterations):
                parameters, state, cost = self.compiled(parameters, state, rows, labels, chosen)
        jax.block_until_ready(parameters)
        return float(cost)
