"""Inputs for the learner's functions: networks of several shapes with seeded numbers.

"forward": caches as a forward pass produces them. "random": everything in the cache is random, as in some of the
course's own tests. "saturated": large weights, so that activations are close to 0 and 1 (or -1 and 1).
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(0, z),
    "identity": lambda z: z,
    "softmax": lambda z: np.exp(z - z.max(axis=0)) / np.exp(z - z.max(axis=0)).sum(axis=0),
}


def network(seed: int, layer_dims: Sequence[int], m: int, activations: Sequence[str], kind: str = "forward",
            parameters: dict[str, Any] | None = None, X: Any = None, Y: Any = None, dropout: float = 0.0,
            ) -> dict[str, Any]:
    """X, Y, and W, b, Z, A of every layer, by the course's names; with dropout, whose keep_prob is given, masks D."""
    random = np.random.RandomState(1000 + seed)
    values: dict[str, Any] = {"X": random.randn(layer_dims[0], m) if X is None else X}
    A = values["X"]
    for l, activation in enumerate(activations, start=1):
        shape = layer_dims[l], layer_dims[l - 1]
        W, b = random.randn(*shape) / np.sqrt(shape[1]) + 0.1, random.randn(shape[0], 1) * 0.5
        if parameters is not None:
            W, b = parameters[f"W{l}"], parameters[f"b{l}"]
        Z = W @ A + b
        if kind == "saturated" and activation != "relu":
            stretch = 11 / np.abs(Z).max()  # 1 - sigmoid(11) still has ten digits
            W, b, Z = W * stretch, b * stretch, Z * stretch
        A = ACTIVATIONS[activation](Z)
        if kind == "random":
            Z = random.randn(*Z.shape)
            A = random.uniform(0.05, 0.95, A.shape) if activation == "sigmoid" else random.randn(*A.shape)
        if dropout and l < len(activations):
            values[f"D{l}"] = random.uniform(size=A.shape) < dropout
            A = A * values[f"D{l}"] / dropout
        values |= {f"W{l}": W, f"b{l}": b, f"Z{l}": Z, f"A{l}": A}
    labels = (random.uniform(size=A.shape) > 0.5) * 1.0
    if activations[-1] == "softmax":
        labels = np.eye(A.shape[0])[:, random.randint(0, A.shape[0], m)]
    elif m > 1:
        labels[:, 0], labels[:, 1] = 0.0, 1.0
    return values | {"Y": labels if Y is None else Y}


def logistic(seed: int, n_x: int, m: int, kind: str = "forward") -> dict[str, Any]:
    """w, b, X, Y of logistic regression."""
    random = np.random.RandomState(2000 + seed)
    X = random.randn(n_x, m)
    w, b = random.randn(n_x, 1), float(random.randn())
    if kind == "saturated":
        w *= 10 / np.abs(w.T @ X + b).max()
        b = float(np.sign(b))
    Y = (random.uniform(size=(1, m)) > 0.5) * 1.0
    return {"w": w, "b": b, "X": X, "Y": Y}
