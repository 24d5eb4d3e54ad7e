"""Plots of pictures: what the first layer looks for, which test images go wrong, and a learner's own picture."""
from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_course import data
from tinygrad_course.data.images import DEFAULT_CLASSES
from tinygrad_course.errors import InputError
from tinygrad_course.nn import Module
from tinygrad_course.tensor import Array
from tinygrad_course.visualize.plots.style import (
    BLUE, MUTED, VERMILION, draws, listed, new_plot, predicted_classes, probabilities, shortened, whole_number, words,
)
from tinygrad_course.visualize.scene.lettering import counted

if TYPE_CHECKING:
    from tinygrad_course.visualize.plots.figure import Plot

CHANNELS = ("red", "green", "blue")


@draws
def plot_weights(model: Any, num_px: int = 64, most: int = 24) -> Plot:
    """The weights of each unit of the first layer as pictures: one for red, green and blue each.

    num_px: height and width of the images that the model takes, num_px * num_px * 3 inputs.
    most: so many units are drawn, the first ones.
    Raises InputError for a model whose first layer takes other inputs.
    """
    from matplotlib.colors import LinearSegmentedColormap

    num_px = whole_number("num_px", num_px, 1)
    name, W = _first_weights(model, num_px)
    shown = min(len(W), whole_number("most", most, 1))
    units = W[:shown].reshape(shown, num_px, num_px, 3)
    largest = float(np.abs(units).max()) or 1.0

    columns = min(4, shown) if shown > 1 else 1
    rows = -(-shown // columns)
    few = f", the first {shown} of {len(W)} units" if shown < len(W) else ""
    plot = new_plot(f"Weights of the first layer, {name} of {type(model).__name__}{few}",
                    max(7.2, 2.9 * columns), 1.45 * rows + (1.0 if shown > 1 else 1.65))
    scale = LinearSegmentedColormap.from_list("weights", [VERMILION, "#ffffff", BLUE])
    panels = plot.subplots(rows, columns, squeeze=False).ravel()
    for number, axes in enumerate(panels):
        if number >= shown:
            axes.set_axis_off()
            continue
        strip = units[number].transpose(0, 2, 1).reshape(num_px, 3 * num_px)
        image = axes.imshow(strip, cmap=scale, vmin=-largest, vmax=largest, interpolation="nearest")
        for i in (1, 2):
            axes.axvline(i * num_px - 0.5, color=MUTED, linewidth=1)
        axes.set_xticks([(i + 0.5) * num_px - 0.5 for i in range(3)], CHANNELS)
        axes.set_yticks([])
        axes.tick_params(length=0)
        if shown > 1:
            axes.set_title(f"unit {number + 1}")
    plot.supxlabel(f"column of pixels, 0 to {num_px - 1}, in each channel", fontsize=10)
    plot.supylabel(f"row of pixels, 0 to {num_px - 1}", fontsize=10)
    bar = plot.colorbar(image, ax=list(panels), location="right", shrink=0.9 if rows > 1 else 0.8, aspect=12 * rows)
    bar.set_label("weight")
    plot.alt = (f"The weights {name} of the first layer{few}, drawn as {counted(shown, 'strip')} of three "
                f"pictures of {num_px} x {num_px} pixels for red, green and blue each. Blue is a positive weight, "
                f"orange a negative one, white none. They range from {units.min():.3g} to {units.max():.3g}.")
    return plot


@draws
def plot_mislabelled(model: Any, dataset: data.Dataset, part: str = "test", most: int = 30) -> Plot:
    """The images that a model puts into the wrong class: predicted class with its probability, and true class.

    part: "test" or "train". most: so many images are drawn, the first ones.
    Raises InputError for a model that does not fit the images.
    """
    if not isinstance(dataset, data.Dataset):
        raise InputError(f"dataset is {type(dataset).__name__}; expected what data.load_images() returns")
    if part not in ("test", "train"):
        raise InputError(f"there is no part {part!r} of the data; there are test, train")
    most = whole_number("most", most, 1)
    X, Y, images = ((dataset.X_test, dataset.Y_test, dataset.images_test) if part == "test" else
                    (dataset.X_train, dataset.Y_train, dataset.images_train))
    y_hat = probabilities(model, X)
    _check_number_of_classes(y_hat, dataset.classes)
    predicted, true = predicted_classes(y_hat), Y[0].astype(int)
    wrong = np.flatnonzero(predicted != true)
    shown = wrong[:most]
    m, kind = len(true), "test" if part == "test" else "training"

    columns = min(5, max(3, len(shown)))
    rows = max(1, -(-len(shown) // columns))
    few = f" (the first {len(shown)})" if len(shown) < len(wrong) else ""
    plot = new_plot(f"{len(wrong)} of {m} {kind} images are mislabelled{few}", 1.9 * columns + 0.4, 2.45 * rows + 0.9)
    panels = plot.subplots(rows, columns, squeeze=False).ravel()
    said = []
    for axes, i in zip(panels, shown):
        guess, truth = (words(dataset.classes[k], 12) for k in (predicted[i], true[i]))
        chance = _chance(y_hat[:, i], predicted[i])
        axes.imshow(images[i], interpolation="nearest")
        axes.set_title(f"image {i}\npredicted: {guess}\nprobability: {chance}\ntrue: {truth}", fontsize=9,
                       loc="left", linespacing=1.25)
        said.append(f"image {i}, predicted {dataset.classes[predicted[i]]} with probability {chance}, "
                    f"true {dataset.classes[true[i]]}")
    for axes in panels:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_visible(axes in panels[:len(shown)])
    if not len(shown):
        plot.text(0.5, 0.5, f"All {m} {kind} images are classified correctly.", ha="center", va="center", fontsize=11)
    plot.supxlabel(f"column of pixels, 0 to {dataset.num_px - 1}", fontsize=10)
    plot.supylabel(f"row of pixels, 0 to {dataset.num_px - 1}", fontsize=10)
    plot.alt = f"{len(wrong)} of {m} {kind} images are mislabelled by {type(model).__name__}. {'; '.join(said)}."
    return plot


@draws
def plot_picture(model: Any, path: str | os.PathLike[str], classes: Sequence[str] = DEFAULT_CLASSES,
                 num_px: int = 64) -> Plot:
    """A picture of one's own, and beside it the num_px x num_px pixels that the network sees, with its verdict.

    classes: the names of label 0, 1, ...
    Raises FileNotFoundError, and InputError for a file that is no image, or a model that does not fit.
    """
    num_px = whole_number("num_px", num_px, 1)
    seen = data.read_image(path, num_px)
    y_hat = probabilities(model, seen.reshape(-1, 1) / 255)
    _check_number_of_classes(y_hat, classes)
    k = int(predicted_classes(y_hat)[0])
    chance, name = _chance(y_hat[:, 0], k), words(Path(path).name, 32)
    width, height = _size_upright(path)

    plot = new_plot(f"{shortened(Path(path).name, 32)}: {shortened(classes[k], 20)}, probability {chance}", 7.6, 4.4)
    left, right = plot.subplots(1, 2)
    # Read as a large square and stretched back: so all kinds of files are read, and refused, in one place.
    left.imshow(data.read_image(path, 480), extent=(0, width, height, 0), interpolation="antialiased")
    left.set_title(f"{name}, {width} x {height} pixels" if len(name) < 22 else f"{name}\n{width} x {height} pixels")
    right.imshow(seen, extent=(0, num_px, num_px, 0), interpolation="nearest")
    right.set_title(f"as the network sees it, {num_px} x {num_px}")
    for axes in (left, right):
        axes.set_xlabel("column of pixels")
        axes.set_ylabel("row of pixels")
        axes.locator_params(nbins=4, integer=True)
    others = [f"{classes[j]} {_chance(y_hat[:, 0], j)}" for j in range(max(2, len(y_hat)))]
    plot.alt = (f"The picture {Path(path).name}, {width} x {height} pixels, beside the {num_px} x {num_px} pixels that "
                f"{type(model).__name__} sees of it. Predicted class: {classes[k]}. Probabilities: {listed(others)}.")
    return plot


def _first_weights(model: Any, num_px: int) -> tuple[str, Array]:
    """The name and a copy, (units, num_px * num_px * 3), of the weights of the first layer."""
    if not isinstance(model, Module):
        raise InputError(f"model is {type(model).__name__}; expected a Module, which has named_parameters()")
    n_x = num_px * num_px * 3
    pixels = f"images of {num_px} x {num_px} pixels in red, green and blue have {n_x} inputs"
    for name, parameter in model.named_parameters():
        if parameter.ndim != 2:
            continue
        W = np.array(parameter.data, dtype=np.float64)
        if name.rpartition(".")[2] == "w" and W.shape[1] == 1:  # of logistic regression, z = w^T x + b
            W = W.T
        if W.shape[1] != n_x:
            raise InputError(f"the first weights of {type(model).__name__}, {name}, have the shape {parameter.shape}: "
                             f"{W.shape[1]} inputs, but {pixels}. Give the num_px of the images it was made for")
        if not np.isfinite(W).all():
            raise InputError(f"{name} of {type(model).__name__} holds {W[~np.isfinite(W)][0]}; expected finite weights")
        return name, W
    raise InputError(f"{type(model).__name__} has no weights with two axes: there is no first layer to draw")


def _check_number_of_classes(y_hat: Array, classes: Sequence[str]) -> None:
    n = max(2, y_hat.shape[0])
    if isinstance(classes, str) or len(classes) != n:
        raise InputError(f"classes is {classes!r}; the model tells {n} classes apart, so expected {n} names")


def _chance(column: Array, k: int) -> str:
    """The probability of class k by a column of y_hat; what is not quite 0 or 1 is not rounded to it."""
    p = float(column[k]) if len(column) > 1 else float(column[0] if k == 1 else 1 - column[0])
    return "> 0.999" if 0.9995 <= p < 1 else "< 0.001" if 0 < p < 0.0005 else f"{p:.3f}"


def _size_upright(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Width and height as the picture is looked at: cameras note in EXIF how they were held."""
    from PIL import Image

    with Image.open(Path(path).expanduser()) as image:
        width, height = image.size
        return (height, width) if image.getexif().get(0x0112) in (5, 6, 7, 8) else (width, height)
