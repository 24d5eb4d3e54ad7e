"""The stand-in images: counts, reproducibility, difficulty, and a file written whole or not at all."""

import os
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from tinygrad_course import InputError, data
from tinygrad_course.data import standin


def test_counts_and_types_are_the_courses() -> None:
    start = time.process_time()
    images_train, labels_train, images_test, labels_test = standin.draw()
    assert time.process_time() - start < 6     # 0.8 s when measured alone
    assert (images_train.shape, images_test.shape) == ((209, 64, 64, 3), (50, 64, 64, 3))
    assert images_train.dtype == images_test.dtype == np.uint8
    assert (labels_train.shape, labels_test.shape) == ((209,), (50,))
    assert (labels_train.sum(), labels_test.sum()) == (72, 33)
    assert len(np.unique(images_train.reshape(209, -1), axis=0)) == 209


def test_the_same_seed_draws_the_same_pictures() -> None:
    first, again, other = standin.draw(5), standin.draw(5), standin.draw(6)
    assert all(np.array_equal(a, b) for a, b in zip(first, again))
    assert not np.array_equal(first[0], other[0])


def test_every_subject_changes_the_picture_it_is_drawn_on() -> None:
    for paint in (*standin.CATS, *standin.OTHERS):
        canvas = standin.Canvas(np.full((128, 128, 3), 0.5, np.float32))
        canvas.place(0.1, -0.1, 0.8, turn=0.1, mirror=True)
        paint(canvas, np.random.RandomState(0))
        painted = (canvas.pixels != 0.5).any(axis=2).mean()
        assert 0.05 < painted < 0.9, paint.__name__
        assert 0 <= canvas.pixels.min() and canvas.pixels.max() <= 1


def test_shapes_are_where_their_coordinates_say() -> None:
    """Half a unit to the right of a mirrored, shifted subject is half its size to the left on the canvas."""
    canvas = standin.Canvas(np.zeros((128, 128, 3), np.float32))
    canvas.place(0.2, 0.4, 0.5, mirror=True)
    canvas.ellipse(0.5, 0.0, 0.2, 0.1, (1.0, 1.0, 1.0))
    weight = canvas.pixels[..., 0]
    rows, columns = (np.indices((128, 128)) + 0.5) / 64 - 1
    assert (columns * weight).sum() / weight.sum() == pytest.approx(0.2 - 0.25, abs=1e-3)
    assert (rows * weight).sum() / weight.sum() == pytest.approx(0.4, abs=1e-3)
    assert weight.mean() * 4 == pytest.approx(np.pi * 0.1 * 0.05, rel=0.02)     # area on a canvas of 2 x 2

    canvas = standin.Canvas(np.zeros((128, 128, 3), np.float32))
    canvas.place(0.0, 0.0, 1.0, turn=0.3)
    canvas.box(-0.6, -0.3, 0.2, 0.1, (1.0, 1.0, 1.0))
    assert canvas.pixels[..., 0].mean() * 4 == pytest.approx(0.8 * 0.4, rel=0.01)
    canvas.stroke([(0.3, 0.5), (0.7, 0.5)], 0.1, (0.0, 1.0, 0.0))
    stroke = canvas.pixels[..., 1] - canvas.pixels[..., 0]
    assert stroke.mean() * 4 == pytest.approx(0.4 * 0.1 + np.pi * 0.05 ** 2, rel=0.02)


def test_logistic_regression_overfits_as_on_the_course_data() -> None:
    """The course's model and numbers: w = 0, learning rate 0.005, 2000 iterations of gradient descent."""
    dataset = data.stand_in()
    X, Y = dataset.X_train, dataset.Y_train
    m = Y.size
    # From zero, w only ever grows by multiples of the images: w = c X.T. Following c is quick.
    products = X.T @ X
    c, b = np.zeros((1, m)), 0.0
    for _ in range(2000):
        D = 1 / (1 + np.exp(-(c @ products + b))) - Y
        c -= 0.005 / m * D
        b -= 0.005 * D.mean()
    w = c @ X.T
    train = ((w @ X + b > 0) == Y).mean()
    test = ((w @ dataset.X_test + b > 0) == dataset.Y_test).mean()
    assert train > 0.95         # 0.986 measured
    assert 0.6 <= test <= 0.85  # 0.72 measured


def test_written_and_read_back(tmp_path: Path) -> None:
    file = standin.write_stand_in(tmp_path / "new" / "folder")
    assert file == tmp_path / "new" / "folder" / "data.h5"
    for path in (file, file.parent):
        dataset = data.load_images(path)
        assert dataset.stand_in and not dataset.is_course_data and "stand-in" in dataset.source
        assert dataset.classes == ("non-cat", "cat")
    in_memory = data.stand_in()
    assert in_memory.stand_in and np.array_equal(in_memory.X_train, dataset.X_train)
    assert np.array_equal(in_memory.Y_test, dataset.Y_test)
    with h5py.File(file) as opened:
        assert sorted(opened) == ["list_classes", "test_set_x", "test_set_y", "train_set_x", "train_set_y"]
        assert opened.attrs["stand_in"]
    assert standin.write_stand_in(tmp_path / "named.h5", seed=2) == tmp_path / "named.h5"
    assert not np.array_equal(data.load_images(tmp_path / "named.h5").X_train, dataset.X_train)


def test_a_full_disk_leaves_the_old_file_and_nothing_else(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "data.h5"
    monkeypatch.setattr(standin, "draw", lambda seed: [np.zeros((2, 1, 1, 3), np.uint8), np.arange(2)] * 2)
    old = standin.write_stand_in(file).read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="data.h5: cannot be written: the disk is full") as caught:
        standin.write_stand_in(file)
    assert "\n" not in str(caught.value)
    assert file.read_bytes() == old and os.listdir(tmp_path) == ["data.h5"]

    monkeypatch.undo()
    with pytest.raises(OSError, match="cannot be written"):     # a file where a folder is needed
        standin.write_stand_in(file / "below")


def test_a_users_own_images_are_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "data.h5"
    for content in (b"no HDF5 file", b""):
        file.write_bytes(content)
        with pytest.raises(InputError, match="data.h5: there are images that are not stand-ins"):
            standin.write_stand_in(tmp_path)
        assert file.read_bytes() == content
    with h5py.File(file, "w") as own:
        own["train_set_x"] = np.zeros(3)
    with pytest.raises(InputError, match="not stand-ins"):
        standin.write_stand_in(file)
