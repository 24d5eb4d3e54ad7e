"""What is trained: the course's four models, a wider planar one, and mini-batches of 60 000 made-up examples.

    python problems.py NAME DTYPE FOLDER [IMAGES]    writes one of them into a folder, from which every program reads it

That is done in a process of its own: what a process holds when it starts another one can count as that one's
memory.
"""
from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_course import data, nn
from tinygrad_course.course.exercises import EXERCISES
from tinygrad_course.errors import InputError
from tinygrad_course.models import LogisticRegression, PlanarClassifier
from tinygrad_course.nn import Module, cross_entropy, relu, softmax
from tinygrad_course.tensor import Tensor

DTYPES = ("float64", "float32")


class ImageClassifier(Module):
    """A network for ten kinds of 28 x 28 pictures: 128 relu units, softmax."""

    def __init__(self, n_x: int = 784, n_h: int = 128, n_y: int = 10, seed: int = 0):
        random = np.random.RandomState(seed)
        self.hidden = nn.Linear(n_x, n_h, nn.he, random, layer=1)
        self.output = nn.Linear(n_h, n_y, nn.xavier, random, layer=2)

    def forward(self, X: Any) -> Tensor:
        return softmax(self.output(relu(self.hidden(X))))

    def cost(self, X: Any, Y: Any) -> Tensor:
        return cross_entropy(self(X), Y)


@dataclass(frozen=True)
class Kind:
    """One of the models. iterations: of a whole training; record_every: how often `fit` is to note the cost."""

    description: str
    images: bool = False
    activation: str = "relu"
    output: str = "sigmoid"
    optimizer: str = "gradient descent"
    learning_rate: float = 1.2
    iterations: int = 5000
    record_every: int = 1000
    batch_size: int | None = None


def _of_the_course(name: str, description: str, activation: str = "relu") -> Kind:
    exercise = EXERCISES[name]
    return Kind(description, exercise.images, activation, learning_rate=exercise.learning_rate,
                iterations=exercise.iterations, record_every=exercise.print_every)


def _mini_batches(optimizer: str, learning_rate: float) -> Kind:
    return Kind("784-128-10, batches of 256 of 60 000", output="softmax", optimizer=optimizer,
                learning_rate=learning_rate, iterations=1175, record_every=100, batch_size=256)  # five epochs


KINDS = {
    "logistic": _of_the_course("logistic", "12288-1, 209 images"),
    "planar": _of_the_course("planar", "2-4-1 tanh, 400 points", "tanh"),
    "planar-50": Kind("2-50-1 tanh, 400 points", activation="tanh"),  # 5000 iterations, as the course tries 50 units
    "two-layer": _of_the_course("two-layer", "12288-7-1 relu, 209 images"),
    "four-layer": _of_the_course("four-layer", "12288-20-7-5-1 relu, 209 images"),
    "minibatch-momentum": _mini_batches("momentum", 0.1),
    "minibatch-adam": _mini_batches("adam", 0.001),
}


def make_model(name: str, n_x: int) -> Module:
    """The model with its initial weights, float64."""
    if KINDS[name].batch_size is not None:
        return ImageClassifier(n_x)
    return PlanarClassifier(n_h=50) if name == "planar-50" else EXERCISES[name].make(n_x)


def course_weights(model: Module) -> list[Any]:
    """W1, b1, W2, b2, ... as (n_out, n_in) and (n_out, 1), for logistic regression too."""
    arrays = [parameter.numpy() for parameter in model.parameters()]
    return [arrays[0].T, arrays[1].reshape(1, 1)] if isinstance(model, LogisticRegression) else arrays


def set_weights(model: Module, weights: list[Any]) -> None:
    """The inverse of `course_weights`; the parameters get the weights' dtype."""
    if isinstance(model, LogisticRegression):
        weights = [weights[0].T, weights[1].reshape(())]
    for parameter, array in zip(model.parameters(), weights, strict=True):
        parameter.hold(array.copy())  # not `data`, which keeps the old dtype


def made_up_examples(m: int = 60000, n_x: int = 784, n_y: int = 10) -> tuple[Any, Any]:
    """X (n_x, m) in [0, 1), in memory one after another, as pictures are; one-hot Y (n_y, m) by a linear rule."""
    random = np.random.RandomState(0)
    rows = random.rand(m, n_x)
    classes = ((rows - 0.5) @ random.randn(n_x, n_y)).argmax(axis=1)
    return rows.T, np.eye(n_y)[classes].T


def write(name: str, dtype: str, folder: Path, images: str | None = None) -> None:
    """X.npy, Y.npy, W1.npy, b1.npy, ... and problem.json. `images`: the folder with the course's images."""
    kind, source = KINDS[name], "made up" if KINDS[name].batch_size is not None else "flower"
    if kind.batch_size is not None:
        X, Y = made_up_examples()
    elif not kind.images:
        X, Y = data.planar("flower")
    else:
        try:
            dataset = data.load_images(images)
        except FileNotFoundError:
            if images is not None:
                raise
            dataset = data.stand_in()  # as large as the course's, and every step takes as long
        X, Y = dataset.X_train, dataset.Y_train
        source = ("the course's images" if dataset.is_course_data else "stand-in images" if dataset.stand_in else
                  "other images")
    weights = course_weights(make_model(name, X.shape[0]))
    named = {"X": X, "Y": Y, **{f"{'Wb'[i % 2]}{i // 2 + 1}": array for i, array in enumerate(weights)}}
    for file, array in named.items():
        np.save(folder / f"{file}.npy", array.astype(dtype))
    (folder / "problem.json").write_text(json.dumps({
        "name": name, "dtype": dtype, "activation": kind.activation, "output": kind.output,
        "optimizer": kind.optimizer, "learning_rate": kind.learning_rate, "iterations": kind.iterations,
        "record_every": kind.record_every, "batch_size": kind.batch_size, "seed": 0, "layers": len(weights) // 2,
        "data": source}))


def main() -> None:
    try:
        write(sys.argv[1], sys.argv[2], Path(sys.argv[3]), *sys.argv[4:])
    except (InputError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
