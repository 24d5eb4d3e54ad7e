"""Data: every variant of the image files in circulation, every fault, the planar sets, and pictures."""

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

from tinygrad_course import data
from tinygrad_course.data.images import PLANAR_SEEDS, TEST_FILE, TRAIN_FILE
from tinygrad_course.errors import InputError

IMAGES_TRAIN = np.random.RandomState(0).randint(0, 256, (5, 4, 4, 3)).astype(np.uint8)
IMAGES_TEST = np.random.RandomState(1).randint(0, 256, (3, 4, 4, 3)).astype(np.uint8)
LABELS_TRAIN, LABELS_TEST = np.array([0, 1, 1, 0, 1]), np.array([1, 0, 1])
ALL: dict[str, Any] = {
    "train_set_x": IMAGES_TRAIN, "train_set_y": LABELS_TRAIN,
    "test_set_x": IMAGES_TEST, "test_set_y": LABELS_TEST, "list_classes": np.array([b"dog", b"cat"]),
}


def write(file: Path, arrays: dict[str, Any], **attributes: Any) -> Path:
    with h5py.File(file, "w") as opened:
        opened.attrs.update(attributes)
        for name, array in arrays.items():
            opened.create_dataset(name, data=array)
    return file


def write_pair(folder: Path, train_name: str = TRAIN_FILE, test_name: str = TEST_FILE) -> Path:
    write(folder / train_name, {name: ALL[name] for name in ("train_set_x", "train_set_y", "list_classes")})
    write(folder / test_name, {name: ALL[name] for name in ("test_set_x", "test_set_y", "list_classes")})
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in place of the user's cache folder, and no TGC_DATA."""
    folder = tmp_path / "cache"
    folder.mkdir()
    monkeypatch.delenv("TGC_DATA", raising=False)
    monkeypatch.setattr("tinygrad_course.data.images.cache_dir", lambda: folder)
    return folder


# --- images: what loads ---------------------------------------------------------------------------

def test_images_become_columns(tmp_path: Path) -> None:
    dataset = data.load_images(write_pair(tmp_path))
    assert dataset.X_train.shape == (48, 5) and dataset.X_test.shape == (48, 3)
    assert dataset.X_train.dtype == dataset.Y_train.dtype == np.float64
    assert dataset.X_train.flags.c_contiguous and dataset.X_test.flags.c_contiguous
    for i in range(5):
        np.testing.assert_array_equal(dataset.X_train[:, i], IMAGES_TRAIN[i].ravel() / 255)
    np.testing.assert_array_equal(dataset.X_test[:, 2], IMAGES_TEST[2].ravel() / 255)
    np.testing.assert_array_equal(dataset.Y_train, [[0, 1, 1, 0, 1]])
    np.testing.assert_array_equal(dataset.Y_test, [[1, 0, 1]])
    np.testing.assert_array_equal(dataset.images_train, IMAGES_TRAIN)
    assert dataset.classes == ("dog", "cat") and dataset.num_px == 4
    assert not dataset.stand_in and not dataset.is_course_data
    assert str(tmp_path) in dataset.source and "5 training and 3 test images of 4 x 4" in repr(dataset)
    with pytest.raises(AttributeError):
        dataset.num_px = 5      # type: ignore[misc]


VARIANTS: dict[str, dict[str, Any]] = {
    "labels (m, 1)": {"train_set_y": LABELS_TRAIN[:, None], "test_set_y": LABELS_TEST[:, None]},
    "labels (1, m)": {"train_set_y": LABELS_TRAIN[None], "test_set_y": LABELS_TEST[None]},
    "labels uint8": {"train_set_y": LABELS_TRAIN.astype(np.uint8)},
    "labels big-endian": {"train_set_y": LABELS_TRAIN.astype(">i4")},
    "labels bool": {"train_set_y": LABELS_TRAIN.astype(bool), "test_set_y": LABELS_TEST.astype(bool)},
    "no list_classes": {"list_classes": None},
    "classes as str": {"list_classes": ["dog", "cat"]},
    "classes as (2, 1)": {"list_classes": np.array([[b"dog"], [b"cat"]])},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_in_circulation_load(variant: str, tmp_path: Path) -> None:
    arrays = {name: array for name, array in (ALL | VARIANTS[variant]).items() if array is not None}
    dataset = data.load_images(write(tmp_path / "any name.hdf5", arrays))
    np.testing.assert_array_equal(dataset.Y_train, [LABELS_TRAIN])
    np.testing.assert_array_equal(dataset.Y_test, [LABELS_TEST])
    assert dataset.Y_train.dtype == np.float64
    assert dataset.classes == (("non-cat", "cat") if variant == "no list_classes" else ("dog", "cat"))


def test_where_images_are_looked_for(
        cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        data.load_images()
    for part in (str(cache), TRAIN_FILE, TEST_FILE, "data.h5", "tgc data fetch", "tgc data make"):
        assert part in str(caught.value)

    stand_in = write(cache / "data.h5", ALL, stand_in=True)
    assert data.load_images().stand_in and data.load_images().source == f"stand-in images in {stand_in}"
    write(cache / TRAIN_FILE, ALL)                 # half a pair does not hide a whole file,
    assert data.load_images().stand_in
    assert not data.load_images(write_pair(cache)).stand_in     # a whole pair does

    for name in (TRAIN_FILE, TEST_FILE):      # a file of the pair finds its partner
        np.testing.assert_array_equal(data.load_images(str(cache / name)).images_test, IMAGES_TEST)
    (tmp_path / "other").mkdir()
    write_pair(tmp_path / "other", "my_train.h5", "my_test.h5")
    by_name = data.load_images(tmp_path / "other" / "my_test.h5")
    np.testing.assert_array_equal(by_name.images_train, IMAGES_TRAIN)
    (tmp_path / "other" / "my_test.h5").unlink()
    with pytest.raises(FileNotFoundError, match="only the train set, and its partner .*my_test.h5"):
        data.load_images(tmp_path / "other" / "my_train.h5")

    monkeypatch.setenv("TGC_DATA", str(stand_in))
    assert data.load_images().stand_in
    assert not data.load_images(cache).stand_in         # an argument goes before the environment
    for value, error in ((str(tmp_path / "nowhere"), FileNotFoundError), ("", InputError),
                         (str(tmp_path / "other"), InputError), (os.devnull, InputError)):
        if value.endswith("other"):
            (tmp_path / "other" / "my_train.h5").rename(tmp_path / "other" / "data.h5")
        monkeypatch.setenv("TGC_DATA", value)
        with pytest.raises((error, FileNotFoundError) if value.endswith("other") else error):
            data.load_images()                          # no silent way round a TGC_DATA that does not work


# --- images: what is refused ----------------------------------------------------------------------

FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "no known names": ({"": None, "x": LABELS_TEST}, "found the datasets x; expected train_set_x"),
    "no datasets": ({"": None}, "found the datasets (none); expected train_set_x"),
    "no train labels": ({"train_set_y": None}, "expected both train_set_x and train_set_y"),
    "images of rank 3": ({"train_set_x": IMAGES_TRAIN[..., 0]}, "shape (5, 4, 4); expected four axes"),
    "images float": ({"train_set_x": IMAGES_TRAIN / 255}, "train_set_x is float64"),
    "images text": ({"train_set_x": np.array([b"a"])}, "expected uint8"),
    "images without shape": ({"train_set_x": h5py.Empty("u1")}, "shape None; expected four axes"),
    "images not square": ({"test_set_x": IMAGES_TEST[:, :3]}, "(3, 3, 4, 3); expected square images"),
    "images of 4 channels": ({"test_set_x": np.zeros((3, 4, 4, 4), np.uint8)}, "expected square images of 3"),
    "channels first": ({"test_set_x": np.zeros((3, 3, 4, 4), np.uint8)}, "expected square images of 3"),
    "sizes differ": ({"test_set_x": IMAGES_TEST[:, :2, :2]}, "4 x 4 x 3 but test images are 2 x 2 x 3"),
    "no images": ({"test_set_x": IMAGES_TEST[:0], "test_set_y": LABELS_TEST[:0]}, "at least one image"),
    "images of 0 pixels": ({"test_set_x": IMAGES_TEST[:, :0, :0]}, "at least one pixel"),
    "labels 1 and 2": ({"train_set_y": LABELS_TRAIN + 1}, "holds 2; expected only 0 and 1"),
    "labels -1": ({"train_set_y": 2 * LABELS_TRAIN - 1}, "holds -1; expected only 0 and 1"),
    "labels float": ({"train_set_y": LABELS_TRAIN / 1}, "train_set_y is float64 of shape (5,)"),
    "labels text": ({"train_set_y": np.array([b"cat"] * 5)}, "expected whole numbers"),
    "labels one-hot": ({"train_set_y": np.eye(2, dtype=int)[LABELS_TRAIN]}, "expected one label per image"),
    "labels of rank 0": ({"train_set_y": 1}, "expected one label per image"),
    "labels without shape": ({"train_set_y": h5py.Empty("i8")}, "expected one label per image"),
    "labels too few": ({"test_set_y": LABELS_TEST[:2]}, "2 labels for 3 images; expected 3"),
    "three classes": ({"list_classes": np.array([b"a", b"b", b"c"])}, "expected the names of two classes"),
    "numbers as classes": ({"list_classes": np.array([0, 1])}, "expected the names of two classes"),
}


def refused(path: Path) -> str:
    """The message with which the file is refused, as any caller sees it: one line that names the file."""
    with pytest.raises(InputError) as caught:
        data.load_images(path)
    message = str(caught.value)
    assert str(path) in message and "\n" not in message
    return message


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_named(fault: str, tmp_path: Path) -> None:
    changes, expected = FAULTS[fault]
    arrays = changes if "" in changes else ALL | changes        # "" stands for: none of the usual datasets
    message = refused(write(tmp_path / "data.h5", {k: v for k, v in arrays.items() if v is not None}))
    assert expected in message


def test_files_that_are_not_whole(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.h5", ALL).read_bytes()
    file = tmp_path / "data.h5"
    for size in (8, 9, 100, 600, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:size])
        assert "truncated or damaged" in refused(file), size
    for content, expected in ((b"", "the file is empty"), (b"<html>no such page", "begins with b'<html>no'"),
                              (b"\x89HD", "expected an HDF5 file"), (b"\0" * 4096, "expected an HDF5 file")):
        file.write_bytes(content)
        assert expected in refused(file)
    with pytest.raises(FileNotFoundError, match="nowhere.h5: no such file or folder"):
        data.load_images(tmp_path / "nowhere.h5")


def test_no_damage_shows_through(tmp_path: Path) -> None:
    """Random bytes changed anywhere: the file loads or is refused in one line, and nothing else happens."""
    whole = np.frombuffer(write(tmp_path / "whole.h5", ALL).read_bytes(), np.uint8)
    random = np.random.RandomState(0)
    file = tmp_path / "data.h5"
    outcomes = set()
    for _ in range(300):
        damaged = whole.copy()
        damaged[random.randint(len(whole), size=5)] = random.randint(256, size=5)
        file.write_bytes(damaged.tobytes())
        try:
            data.load_images(file)
            outcomes.add("loads")
        except (InputError, FileNotFoundError) as error:    # the latter when a name of a dataset was hit
            assert "\n" not in str(error) and str(file) in str(error)
            outcomes.add("refused")
    assert outcomes == {"loads", "refused"}


def test_a_pair_must_fit_together(tmp_path: Path) -> None:
    write_pair(tmp_path)
    test_file = tmp_path / TEST_FILE
    write(test_file, {"test_set_x": IMAGES_TEST, "test_set_y": LABELS_TEST, "list_classes": [b"cat", b"dog"]})
    with pytest.raises(InputError, match="expected the same in both files"):
        data.load_images(tmp_path)
    write(test_file, {"train_set_x": IMAGES_TEST, "train_set_y": LABELS_TEST})
    with pytest.raises(InputError, match="only the train set was found"):
        data.load_images(tmp_path)


# --- the course's images --------------------------------------------------------------------------

def test_the_course_images(cats: data.Dataset) -> None:
    assert cats.X_train.shape == (12288, 209) and cats.X_test.shape == (12288, 50)
    assert (cats.Y_train.sum(), cats.Y_test.sum()) == (72, 33)
    assert cats.classes == ("non-cat", "cat") and cats.num_px == 64 and not cats.stand_in
    assert cats.is_course_data


def test_repackaged_course_images_are_recognised(cats: data.Dataset, tmp_path: Path) -> None:
    arrays = {"train_set_x": cats.images_train, "train_set_y": cats.Y_train.astype(np.uint8).T,
              "test_set_x": cats.images_test, "test_set_y": cats.Y_test.astype(bool)}
    assert data.load_images(write(tmp_path / "data.h5", arrays)).is_course_data
    changed = cats.images_train.copy()
    changed[100, 5, 5, 1] ^= 1
    assert not data.load_images(write(tmp_path / "one.h5", arrays | {"train_set_x": changed})).is_course_data
    swapped = arrays | {"test_set_y": cats.Y_test[:, ::-1].astype(int)}
    assert not data.load_images(write(tmp_path / "two.h5", swapped)).is_course_data


# --- points in the plane --------------------------------------------------------------------------

def test_the_flower_gives_the_courses_costs() -> None:
    X, Y = data.planar()
    m = Y.size
    random = np.random.RandomState(2)
    W1, W2 = 0.01 * random.randn(4, 2), 0.01 * random.randn(1, 4)
    b1, b2 = np.zeros((4, 1)), np.zeros((1, 1))
    costs = []
    for iteration in range(1001):
        A1 = np.tanh(W1 @ X + b1)
        A2 = 1 / (1 + np.exp(-(W2 @ A1 + b2)))
        if iteration % 1000 == 0:
            costs.append(-np.mean(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)))
        dZ2 = A2 - Y
        dZ1 = W2.T @ dZ2 * (1 - A1 ** 2)
        W1 -= 1.2 / m * (dZ1 @ X.T)
        b1 -= 1.2 / m * dZ1.sum(axis=1, keepdims=True)
        W2 -= 1.2 / m * (dZ2 @ A1.T)
        b2 -= 1.2 / m * dZ2.sum(axis=1, keepdims=True)
    assert [f"{cost:.6f}" for cost in costs] == ["0.693048", "0.288083"]


@pytest.mark.parametrize("kind", PLANAR_SEEDS)
def test_planar_sets(kind: str) -> None:
    X, Y = data.planar(kind)
    m = 400 if kind == "flower" else 200
    assert X.shape == (2, m) and Y.shape == (1, m) and X.dtype == Y.dtype == np.float64
    assert X.flags.c_contiguous and np.isfinite(X).all()
    assert set(Y.ravel()) == {0, 1} and Y.sum() == m / 2
    again, other = data.planar(kind, seed=PLANAR_SEEDS[kind])[0], data.planar(kind, seed=7)[0]
    assert np.array_equal(X, again) and not np.array_equal(X, other)


def test_planar_refuses() -> None:
    with pytest.raises(InputError, match="no kind 'blob'; expected one of flower, .*; did you mean 'blobs'?"):
        data.planar("blob")
    for seed in (-1, 2 ** 32, 1.5):
        with pytest.raises(InputError, match="expected a whole number from 0"):
            data.planar(seed=seed)      # type: ignore[arg-type]


@pytest.mark.parametrize("missing", ["sklearn", "PIL"])
def test_a_missing_extra_is_named(missing: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(InputError, match=f"pip install {'scikit-learn' if missing == 'sklearn' else 'Pillow'}"):
        data.planar("blobs") if missing == "sklearn" else data.read_image(tmp_path)


def test_importing_loads_nothing_heavy() -> None:
    heavy = ["h5py", "sklearn", "PIL", "pooch", "requests", "rich", "platformdirs", "matplotlib", "click"]
    program = f"import sys, tinygrad_course.data; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


# --- a learner's own picture ----------------------------------------------------------------------

GREY = np.arange(0, 256, 4, dtype=np.uint8).reshape(8, 8)
RGB = np.stack([GREY, GREY[::-1], GREY.T], axis=-1)


def save(image: Image.Image, file: Path, **options: Any) -> Path:
    image.save(file, **options)
    return file


def test_a_picture_becomes_a_column(tmp_path: Path) -> None:
    file = save(Image.fromarray(RGB), tmp_path / "a.png")
    np.testing.assert_array_equal(data.read_image(file, 8), RGB)
    column = data.image_to_column(str(file), 8)
    assert column.shape == (192, 1) and column.dtype == np.float64
    np.testing.assert_array_equal(column.ravel(), RGB.ravel() / 255)
    assert data.image_to_column(file).shape == (12288, 1)
    for width, height in ((1, 1), (3, 500), (500, 2)):
        plain = save(Image.new("RGB", (width, height), (10, 20, 30)), tmp_path / "plain.png")
        assert (data.read_image(plain, 8) == (10, 20, 30)).all()


def test_every_mode_shows_its_colours(tmp_path: Path) -> None:
    grey = np.stack([GREY] * 3, axis=-1)
    deep = GREY.astype(np.uint16) * 257
    half = np.dstack([RGB, np.where(GREY < 128, 0, 255).astype(np.uint8)])
    on_white = np.where(GREY[..., None] < 128, 255, RGB)
    palette = Image.fromarray(GREY).convert("P")
    clear = np.where(GREY[..., None] == 0, 255, grey)       # palette entry 0 is transparent
    cases = {
        "L": (save(Image.fromarray(GREY), tmp_path / "L.png"), grey),
        "1": (save(Image.fromarray(GREY > 99), tmp_path / "1.png"), np.where(grey > 99, 255, 0)),
        "P": (save(palette, tmp_path / "P.gif"), grey),
        "P, one colour transparent": (save(palette, tmp_path / "Pt.png", transparency=0), clear),
        "L, one grey transparent": (save(Image.fromarray(GREY), tmp_path / "Lt.png", transparency=0), clear),
        "RGBA": (save(Image.fromarray(half), tmp_path / "RGBA.png"), on_white),
        "LA": (save(Image.fromarray(half).convert("LA"), tmp_path / "LA.png"),
               np.asarray(Image.fromarray(on_white).convert("L"))[..., None]),
        "I;16": (save(Image.fromarray(deep), tmp_path / "I16.png"), grey),
        "I": (save(Image.fromarray(deep.astype(np.int32)), tmp_path / "I.tiff"), grey),
        "F": (save(Image.fromarray((GREY / 255).astype(np.float32)), tmp_path / "F.tiff"), grey),
        "CMYK": (save(Image.fromarray(RGB).convert("CMYK"), tmp_path / "CMYK.tiff"), RGB),
    }
    for mode, (file, expected) in cases.items():
        with Image.open(file) as opened:
            assert opened.mode == mode.split(",")[0]
        np.testing.assert_array_equal(data.read_image(file, 8), np.broadcast_to(expected, RGB.shape), mode)


def test_a_photograph_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6        # orientation: the camera was held on its side
    file = save(Image.fromarray(RGB), tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(data.read_image(file, 8), np.rot90(RGB, -1))


def test_pictures_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = Image.fromarray(np.random.RandomState(0).randint(0, 256, (90, 90, 3)).astype(np.uint8))
    for suffix in ("png", "jpg", "bmp", "tiff", "gif"):
        whole = save(noise, tmp_path / f"whole.{suffix}").read_bytes()
        for size in (0, 1, 20, len(whole) // 2):
            cut = tmp_path / f"cut.{suffix}"
            cut.write_bytes(whole[:size])
            with pytest.raises(InputError, match="truncated or damaged|not an image") as caught:
                data.read_image(cut)
            assert "\n" not in str(caught.value) and str(cut) in str(caught.value)
    with pytest.raises(InputError, match="not a file"):
        data.read_image(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere.png: no such file"):
        data.read_image(tmp_path / "nowhere.png")
    with pytest.raises(InputError, match="num_px is 0"):
        data.read_image(tmp_path / "whole.png", 0)
    for limit in (5000, 100):       # 8100 pixels: Pillow warns of the one and raises for the other
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(InputError, match="too many pixels"):
            data.read_image(tmp_path / "whole.png")


def test_warnings_stay_errors_here() -> None:
    """The tests above would not notice a warning if they did not turn it into an error."""
    with pytest.raises(UserWarning):
        warnings.warn("heard")
