"""JAX: the whole training in one compiled lax.fori_loop; of mini-batches, a whole epoch."""
from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

import jax_peer


class Trainer(jax_peer.Trainer):
    def compile(self) -> None:
        step, small = self.step, jax_peer.gathered(self.step)

        def train(parameters: Any, state: Any, rows: Any, labels: Any, iterations: Any) -> Any:
            def body(i: Any, carried: Any) -> Any:
                return step(*carried[:2], rows, labels)
            nothing = jnp.zeros((), rows.dtype)
            return jax.lax.fori_loop(0, iterations, body, (parameters, state, nothing))

        def epoch(parameters: Any, state: Any, rows: Any, labels: Any, order: Any, iterations: Any) -> Any:
            def body(i: Any, carried: Any) -> Any:
                return small(*carried[:2], rows, labels, order[i])
            nothing = jnp.zeros((), rows.dtype)
            return jax.lax.fori_loop(0, iterations, body, (parameters, state, nothing))

        self.compiled = jax.jit(train, donate_argnums=(0, 1))
        self.epoch = jax.jit(epoch, donate_argnums=(0, 1))
        self.last = jax.jit(small, donate_argnums=(0, 1))

    def train(self, iterations: int) -> float:
        rows, labels, size = self.rows, self.labels, self.problem.batch_size
        if size is None:
            parameters, _, cost = self.compiled(self.parameters, self.state, rows, labels, iterations)
            jax.block_until_ready(parameters)
            return float(cost)

        import numpy as np
        random, m = np.random.RandomState(self.problem.seed), rows.shape[0]
        parameters, state, whole = self.parameters, self.state, m // size
        while iterations > 0:
            order = random.permutation(m)
            n = min(iterations, whole)
            parameters, state, cost = self.epoch(parameters, state, rows, labels,
                                                 order[:whole * size].reshape(whole, size), n)
            iterations -= n
            if m % size and iterations > 0:
                parameters, state, cost = self.last(parameters, state, rows, labels, order[whole * size:])
                iterations -= 1
        jax.block_until_ready(parameters)
        return float(cost)
