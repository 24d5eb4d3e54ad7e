"""Time of one eager training step: ours, the course's handwritten NumPy and, where installed, PyTorch eager.

    python tests/benchmarks/bench_eager.py [FOLDER WITH THE COURSE'S IMAGES]

Without the images it draws stand-ins of the same size. All steps are float64 and take turns within one run, so the
ratios hold on a noisy machine; figures are medians.
"""
from __future__ import annotations

import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

import handwritten
from tinygrad_course import Tensor, data, optim
from tinygrad_course.models import DeepNetwork, LogisticRegression, PlanarClassifier, TwoLayerNetwork
from tinygrad_course.nn import Module

Step = Callable[[], float]


def our_step(model: Module, X: Any, Y: Any, learning_rate: float) -> Step:
    parameters, optimizer = model.parameters(), optim.GradientDescent(learning_rate)
    X, Y = Tensor(X), Tensor(Y)

    def step() -> float:
        for parameter in parameters:
            parameter.grad = None
        cost = model.cost(X, Y)
        cost.backward()
        optimizer.step(parameters)
        return cost.item()
    return step


def torch_step(model: Module, X: Any, Y: Any, learning_rate: float) -> Step | None:
    """The same model as PyTorch's users write it: nn.Linear, rows are examples, the cost computed from logits."""
    try:
        import torch
    except ImportError:
        return None
    activation = torch.nn.Tanh if isinstance(model, PlanarClassifier) else torch.nn.ReLU
    weights = [p.numpy() for p in model.parameters()]
    if isinstance(model, LogisticRegression):
        weights[0], weights[1] = weights[0].T, weights[1].reshape(1, 1)
    layers: list[Any] = []
    for W, b in zip(weights[0::2], weights[1::2]):
        linear = torch.nn.Linear(W.shape[1], W.shape[0], dtype=torch.float64)
        with torch.no_grad():
            linear.weight.copy_(torch.tensor(W))
            linear.bias.copy_(torch.tensor(b[:, 0]))
        layers += [linear, activation()]
    network = torch.nn.Sequential(*layers[:-1])
    rows, labels = torch.tensor(np.ascontiguousarray(X.T)), torch.tensor(np.ascontiguousarray(Y.T))
    cost_of, optimizer = torch.nn.BCEWithLogitsLoss(), torch.optim.SGD(network.parameters(), lr=learning_rate)

    def step() -> float:
        optimizer.zero_grad()
        cost = cost_of(network(rows), labels)
        cost.backward()
        optimizer.step()
        return float(cost.item())
    return step


def measure(steps: dict[str, Step], seconds: float = 4.0) -> dict[str, float]:
    """Median seconds per step, in blocks that take turns."""
    blocks: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        step()
    end = time.perf_counter() + seconds * len(steps)
    while time.perf_counter() < end:
        for name, step in steps.items():
            start, n = time.perf_counter(), 0
            while time.perf_counter() < start + 0.05 or n < 3:
                step()
                n += 1
            blocks[name].append((time.perf_counter() - start) / n)
    return {name: median(times) for name, times in blocks.items()}


def main() -> None:
    images = data.load_images(sys.argv[1]) if len(sys.argv) > 1 else data.stand_in()
    flat = images.images_train.reshape(len(images.images_train), -1).T / 255  # as the course prepares X
    X, Y = data.planar("flower")
    deep = {"12288-7-1": TwoLayerNetwork(12288, 7, 1), "12288-20-7-5-1": DeepNetwork([12288, 20, 7, 5, 1])}
    rows: dict[str, tuple[Module, Any, Any, float, Step]] = {
        "planar, 4 units": (PlanarClassifier(), X, Y, 1.2, handwritten.planar_step(X, Y, 1.2)),
        "logistic, cats": (LogisticRegression(12288), images.X_train, images.Y_train, 0.005,
                           handwritten.logistic_step(flat, images.Y_train, 0.005))}
    for name, model in deep.items():
        weights = [p.numpy() for p in model.parameters()][0::2]
        rows[f"{name}, cats"] = (model, images.X_train, images.Y_train, 0.0075,
                                 handwritten.deep_step(flat, images.Y_train, 0.0075, weights))

    print(f"{'median per training step':26}{'handwritten':>14}{'tinygrad_course':>17}{'ratio':>8}"
          f"{'PyTorch':>12}{'ratio':>8}")
    for name, (model, X, Y, learning_rate, by_hand) in rows.items():
        steps = {"handwritten": by_hand, "ours": our_step(model, X, Y, learning_rate)}
        peer = torch_step(model, X, Y, learning_rate)
        if peer is not None:
            steps["torch"] = peer
        first = [step() for step in steps.values()]
        assert np.ptp(first) < 1e-9 * first[0], f"the programs do not compute the same: {first}"
        t = measure(steps)
        row = f"{name:26}{t['handwritten'] * 1e6:>11.0f} us{t['ours'] * 1e6:>14.0f} us" \
              f"{t['ours'] / t['handwritten']:>8.2f}"
        print(row + (f"{t['torch'] * 1e6:>9.0f} us{t['ours'] / t['torch']:>8.2f}" if peer is not None else ""))


if __name__ == "__main__":
    main()
