"""Layers that compute something else in training than after it: `Dropout` and `BatchNorm`.

`Module.training` says which; `model.train()` and `model.eval()` set it. What a layer keeps from one update to the
next, the number of its next mask or running statistics, is an array, and so part of its state. It changes in every
update: a compiled step would run none of the code that changes it, so such a model trains eagerly.
"""
from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from tinygrad_course.conversions import plain
from tinygrad_course.errors import InputError
from tinygrad_course.holding import Module
from tinygrad_course.tensor import Array, Tensor, as_tensor


class Dropout(Module):
    """In training each element is 0 with probability p, and else divided by 1 - p; afterwards it is as it was.

    A = X * D / (1 - p) with D 1 where a random number in [0, 1) is at least p, else 0. So the expected value of A is X,
    and nothing needs to be scaled afterwards: inverted dropout, as in the course, whose keep_prob is 1 - p
    (Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting", section 10).

    random: where the seed of the masks is drawn from, a RandomState; by default np.random, which np.random.seed
    controls. mask_state: that seed, and how many masks there have been; with it training can be resumed.
    Raises InputError for a p outside of [0, 1).
    """

    def __init__(self, p: float = 0.5, random: Any = None):
        self.p = _between_0_and_1("Dropout: p, the fraction of elements that become 0,", p)
        seed = (np.random if random is None else random).randint(2**31 - 1)
        self.mask_state: Array = np.array([seed, 0], dtype=np.int64)

    def forward(self, X: Any) -> Tensor:
        X = as_tensor(X)
        if not self.training or self.p == 0:
            return X  # type: ignore[no-any-return]
        kept = np.random.RandomState(self.mask_state).random_sample(X.shape) >= self.p
        seed, number = self.mask_state
        self.mask_state = np.array([seed, number + 1])
        A: Tensor = X * (kept.astype(np.result_type(X.dtype, np.float32)) / (1 - self.p))
        return A

    def config(self) -> dict[str, Any]:
        return {"p": self.p}


class BatchNorm(Module):
    """Each row of X (n, m) with mean 0 and variance 1, then stretched and shifted by the parameters gamma and beta.

    In training over the m examples of the batch, mu = 1/m sum X and sigma^2 = 1/m sum (X - mu)^2, both (n, 1):

        A = gamma (X - mu) / sqrt(sigma^2 + epsilon) + beta.

    After training mu and sigma^2 are the running ones, buffers that follow those of the batches:
    running := (1 - momentum) running + momentum * that of the batch, for the variance with m - 1 in place of m
    (Ioffe and Szegedy 2015, "Batch normalization", algorithms 1 and 2; momentum as PyTorch defines it).

    n: how many rows; layer: a number l, for the names gamma1, beta1, ...
    Raises InputError for settings that are no such numbers; when called, for X of another shape, and in training for
    one example, whose variance is 0.
    """

    def __init__(self, n: int, momentum: float = 0.1, epsilon: float = 1e-5, layer: int | None = None,
                 dtype: Any = None):
        if not isinstance(n, (int, np.integer)) or isinstance(n, bool) or n < 1:
            raise InputError(f"BatchNorm: n, the number of rows, is a whole number, at least 1; got {n!r}")
        if not isinstance(epsilon, Real) or not 0 < float(epsilon) < float("inf"):
            raise InputError(f"BatchNorm: epsilon must be a finite number, positive; got {epsilon!r}")
        self.n: int = int(n)
        self.epsilon: float = float(epsilon)
        self.momentum: float = _between_0_and_1("BatchNorm: momentum", momentum)
        number = "" if layer is None else str(layer)
        self.gamma: Tensor = Tensor(np.ones((n, 1)), requires_grad=True, name=f"gamma{number}", dtype=dtype)
        self.beta: Tensor = Tensor(np.zeros((n, 1)), requires_grad=True, name=f"beta{number}", dtype=dtype)
        self.running_mean: Array = np.zeros((n, 1), self.beta.dtype)
        self.running_variance: Array = np.ones((n, 1), self.beta.dtype)

    def forward(self, X: Any) -> Tensor:
        X = as_tensor(X)
        if X.ndim != 2 or X.shape[0] != self.n:
            turned = " Examples are columns here; did you mean X.T?" if X.shape[1:] == (self.n,) else ""
            raise InputError(f"BatchNorm({self.n}) needs X ({self.n}, m), one row for each unit; got {X.shape}."
                             f"{turned}")
        mean: Any = self.running_mean
        variance: Any = self.running_variance
        if self.training:
            m = X.shape[1]
            if m < 2:
                raise InputError(f"BatchNorm({self.n}) was given {m} example in training: the variance of a batch "
                                 "needs at least two. Choose a batch_size that leaves no single example over at the "
                                 "end of an epoch, or call model.eval() to compute with the running statistics")
            mean = np.mean(X, axis=1, keepdims=True)
            variance = np.mean(np.square(X - mean), axis=1, keepdims=True)
            self.running_mean = self._followed(self.running_mean, plain(mean))
            self.running_variance = self._followed(self.running_variance, plain(variance) * (m / (m - 1)))
        A: Tensor = self.gamma * ((X - mean) / np.sqrt(variance + self.epsilon)) + self.beta
        return A

    def _followed(self, running: Any, now: Any) -> Any:
        return (1 - self.momentum) * running + self.momentum * now

    def config(self) -> dict[str, Any]:
        return {"n": self.n, "momentum": self.momentum, "epsilon": self.epsilon}


def _between_0_and_1(what: str, value: Any) -> float:
    if not isinstance(value, Real) or not 0 <= float(value) < 1:
        raise InputError(f"{what} must be a number, at least 0 and less than 1; got {value!r}")
    return float(value)
