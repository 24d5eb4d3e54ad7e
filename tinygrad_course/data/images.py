"""The course's data: cat images from HDF5 files, points in the plane, and a learner's own picture.

Everything comes out as the course has it: one example per column, `X (n_x, m)` and `Y (1, m)`, both
float64. Only numpy is imported with this file; h5py, scikit-learn and Pillow are imported by the functions
that use them.
"""

import difflib
import hashlib
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_course.errors import InputError
from tinygrad_course.files import cache_dir, expanded
from tinygrad_course.isolation import hdf5

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]
PathLike = str | os.PathLike[str]

TRAIN_FILE, TEST_FILE, SINGLE_FILE = "train_catvnoncat.h5", "test_catvnoncat.h5", "data.h5"
DEFAULT_CLASSES = ("non-cat", "cat")

# The course's two files, and the sha256 of their contents.
COURSE_FILES = {
    TRAIN_FILE: "fbe56ab67c3ae28d564e3a644189117976d6b31af0a3ce9bb17dbf22908af242",
    TEST_FILE: "6a9d39ce52fa85953c5834695b8534a30ed8cfd54971fb2f080b5a24d002b951",
}
# sha256 over the course's pixels and labels, not over its files: repackaged copies are recognised too.
COURSE_SHA256 = "3401cd6f314ddd3f9a6e66e8da195338522d86b64ccd9f4a676977803b61fd52"


# --- images from HDF5 files -----------------------------------------------------------------------

@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A training and a test set of square RGB images, flattened to columns and as they were read."""

    X_train: Floats             # (n_x, m_train), n_x = num_px * num_px * 3, values in [0, 1]
    Y_train: Floats             # (1, m_train), values 0 or 1
    X_test: Floats              # (n_x, m_test)
    Y_test: Floats              # (1, m_test)
    classes: tuple[str, ...]    # classes[0] is the name of label 0, classes[1] of label 1
    num_px: int                 # height and width of an image in pixels
    images_train: Pixels        # (m_train, num_px, num_px, 3), values 0 to 255
    images_test: Pixels         # (m_test, num_px, num_px, 3)
    source: str                 # where the images came from, for people to read
    stand_in: bool              # drawn by this package, not photographs

    @property
    def is_course_data(self) -> bool:
        """Whether pixels, labels and their order are exactly the course's, however the files were packed."""
        digest = hashlib.sha256()
        for images, Y in ((self.images_train, self.Y_train), (self.images_test, self.Y_test)):
            digest.update(np.ascontiguousarray(images).tobytes())
            digest.update(Y.astype("<i8").tobytes())
        return digest.hexdigest() == COURSE_SHA256

    def __repr__(self) -> str:
        return (f"Dataset({self.Y_train.size} training and {self.Y_test.size} test images of "
                f"{self.num_px} x {self.num_px}, classes {self.classes}, from {self.source})")


def load_images(path: PathLike | None = None) -> Dataset:
    """Read the cat images from HDF5.

    `path` is a folder (with train_catvnoncat.h5 and test_catvnoncat.h5, or data.h5), a file with all five
    datasets, or one file of the pair, whose partner is looked for beside it. Without `path` the environment
    variable TGC_DATA is used, and without that the folder `cache_dir()`.

    Raises FileNotFoundError when a file is missing and InputError when one cannot be used.
    """
    contents = [_read_hdf5(file) for file in _files_to_read(path)]
    if len(contents) == 1 and len(contents[0].parts) == 1:
        contents.append(_read_hdf5(_partner(contents[0])))
    files = " and ".join(str(content.file) for content in contents)

    parts = {name: part for content in contents for name, part in content.parts.items()}
    if set(parts) != {"train", "test"}:
        raise InputError(f"{files}: only the {'/'.join(parts)} set was found; "
                         "expected a train and a test set")
    (images_train, labels_train), (images_test, labels_test) = parts["train"], parts["test"]
    if images_train.shape[1:] != images_test.shape[1:]:
        raise InputError(f"{files}: train images are {_times(images_train.shape[1:])} but test images are "
                         f"{_times(images_test.shape[1:])}; expected the same size")

    named = {content.classes for content in contents if content.classes is not None}
    if len(named) > 1:
        raise InputError(f"{files}: list_classes are {' and '.join(map(str, sorted(named)))}; "
                         "expected the same in both files")
    classes = named.pop() if named else DEFAULT_CLASSES
    drawn = any(content.stand_in for content in contents)
    return _dataset(images_train, labels_train, images_test, labels_test, classes,
                    source=f"stand-in images in {files}" if drawn else files, stand_in=drawn)


def stand_in() -> Dataset:
    """The stand-in images, drawn on the spot: no file is needed for these 209 training and 50 test images."""
    from tinygrad_course.data import standin  # with numpy.random, which takes longer to import than all the rest

    return _dataset(*standin.draw(), DEFAULT_CLASSES,
                    source="stand-in images drawn by tinygrad_course", stand_in=True)


def _dataset(images_train: Pixels, labels_train: NDArray[Any], images_test: Pixels, labels_test: NDArray[Any],
             classes: tuple[str, ...], *, source: str, stand_in: bool) -> Dataset:
    return Dataset(
        X_train=_columns(images_train), Y_train=labels_train.reshape(1, -1).astype(np.float64),
        X_test=_columns(images_test), Y_test=labels_test.reshape(1, -1).astype(np.float64),
        classes=classes, num_px=images_train.shape[1], images_train=images_train, images_test=images_test,
        source=source, stand_in=stand_in)


def _columns(images: Pixels) -> Floats:
    """Images (m, num_px, num_px, 3) as columns (n_x, m) in [0, 1]."""
    # Contiguous rows rather than a transposed view: measured faster in the matrix products of training.
    return np.ascontiguousarray(images.reshape(len(images), -1).T) / 255


# --- finding the files ----------------------------------------------------------------------------

def _files_to_read(path: PathLike | None) -> list[Path]:
    """The file or the two files to read, looked for in the order that `load_images` documents."""
    origin = ""
    if path is None:
        path = os.environ.get("TGC_DATA")
        origin = " (from the environment variable TGC_DATA)"
        if path == "":
            raise InputError("the environment variable TGC_DATA is empty; expected a folder or a file: "
                             "set it, or unset it")
    where = cache_dir() if path is None else expanded(path)
    if where.is_file():
        return [where]
    if path is not None and not where.exists():
        raise FileNotFoundError(f"{where}{origin}: no such file or folder")
    if path is not None and not where.is_dir():
        raise InputError(f"{where}{origin}: neither a file nor a folder")

    pair = [where / name for name in (TRAIN_FILE, TEST_FILE) if (where / name).exists()]
    if len(pair) < 2 and (where / SINGLE_FILE).exists():
        return [where / SINGLE_FILE]
    if pair:
        return pair
    raise FileNotFoundError(
        f"no image data: looked for {TRAIN_FILE} with {TEST_FILE}, and for {SINGLE_FILE}, in {where}"
        f"{origin if path is not None else ''}; `tgc data fetch` downloads the course's images, "
        "`tgc data make` draws stand-in images")


@dataclass(frozen=True)
class _Contents:
    """What one HDF5 file held; `parts` maps "train" and/or "test" to (images, labels (m,))."""

    file: Path
    parts: dict[str, tuple[Pixels, NDArray[Any]]]
    classes: tuple[str, ...] | None
    stand_in: bool


def _partner(content: _Contents) -> Path:
    """The other file of the pair, beside it: train and test swapped in the name, or the usual name."""
    (have,) = content.parts
    lack, usual = ("test", TEST_FILE) if have == "train" else ("train", TRAIN_FILE)
    name = content.file.name
    partner = content.file.with_name(name.replace(have, lack) if have in name else usual)
    if not partner.exists():
        raise FileNotFoundError(f"{content.file}: holds only the {have} set, and its partner {partner} with "
                                f"the {lack} set is missing")
    return partner


# --- reading and checking one file ----------------------------------------------------------------

def _read_hdf5(file: Path) -> _Contents:
    """Read one file and check all of it. Raises InputError: what was found and what was expected."""
    found = hdf5.read(file, {"train_set_x": "u", "train_set_y": "iub", "test_set_x": "u", "test_set_y": "iub",
                             "list_classes": "S"}, attributes=["stand_in"], known=COURSE_FILES.values())
    parts = {}
    for part in ("train", "test"):
        names = (f"{part}_set_x", f"{part}_set_y")
        if all(name in found.datasets for name in names):
            images = _checked_images(f"{file}: {names[0]}", found.datasets[names[0]])
            labels = _checked_labels(f"{file}: {names[1]}", found.datasets[names[1]], len(images))
            parts[part] = (images, labels)
        elif any(name in found.datasets for name in names):
            raise InputError(f"{file}: found the datasets {_listed(found.names)}; "
                             f"expected both {' and '.join(names)}")
    if not parts:
        raise InputError(f"{file}: found the datasets {_listed(found.names)}; "
                         "expected train_set_x with train_set_y, "
                         "test_set_x with test_set_y, or all four (and list_classes)")
    classes = None
    if "list_classes" in found.datasets:
        classes = _checked_classes(f"{file}: list_classes", found.datasets["list_classes"])
    return _Contents(file, parts, classes, stand_in=bool(np.all(found.attributes.get("stand_in", False))))


def _checked_images(where: str, stored: hdf5.Stored) -> Pixels:
    found = f"{where} is {stored.description}"
    if stored.dtype != "uint8":
        raise InputError(f"{found}; expected uint8 (m, num_px, num_px, 3)")
    if stored.shape is None or len(stored.shape) != 4:
        raise InputError(f"{found}; expected four axes (m, num_px, num_px, 3)")
    m, height, width, channels = stored.shape
    if height != width or channels != 3:
        raise InputError(f"{found}; expected square images of 3 channels, (m, num_px, num_px, 3)")
    if 0 in (m, height):
        raise InputError(f"{found}; expected at least one image of at least one pixel")
    return np.ascontiguousarray(_values(where, stored))


def _checked_labels(where: str, stored: hdf5.Stored, m: int) -> NDArray[Any]:
    found = f"{where} is {stored.description}"
    if stored.kind not in "iub":
        raise InputError(f"{found}; expected whole numbers 0 or 1")
    size = math.prod(stored.shape or ())
    if stored.shape not in ((size,), (size, 1), (1, size)):
        raise InputError(f"{found}; expected one label per image: (m,), (m, 1) or (1, m)")
    if size != m:
        raise InputError(f"{found}: {size} labels for {m} images; expected {m}")
    labels = np.asarray(_values(where, stored)).ravel()
    strangers = np.setdiff1d(labels, [0, 1])
    if strangers.size:
        raise InputError(f"{where} holds {_listed(strangers[:5].tolist())}; expected only 0 and 1")
    return labels


def _checked_classes(where: str, stored: hdf5.Stored) -> tuple[str, ...]:
    names = stored.values
    if stored.refused or not isinstance(names, list) or len(names) != 2:
        raise InputError(f"{where} is {stored.description}; expected the names of two classes"
                         + f" ({stored.refused})" * bool(stored.refused))
    return tuple(map(str, names))


def _values(where: str, stored: hdf5.Stored) -> Any:
    if stored.refused:
        raise InputError(f"{where} cannot be read: {stored.refused}")
    return stored.values


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _listed(names: Any) -> str:
    return ", ".join(map(str, names)) or "(none)"


# --- points in the plane --------------------------------------------------------------------------

# The seed of each set when none is given. The course fixes those of the flower and of the blobs.
PLANAR_SEEDS = {"flower": 1, "noisy_circles": 1, "noisy_moons": 1, "blobs": 5, "gaussian_quantiles": 1}


def planar(kind: str = "flower", *, seed: int | None = None) -> tuple[Floats, Floats]:
    """Two classes of points in the plane: X (2, m) and labels Y (1, m); m is 400 for the flower, else 200.

    `kind` is flower, noisy_circles, noisy_moons, blobs or gaussian_quantiles. The same seed (default: see
    PLANAR_SEEDS) gives the same points. All but the flower are made by scikit-learn.

    Raises InputError for an unknown kind, a seed outside 0 .. 2**32 - 1, or without scikit-learn.
    """
    if kind not in PLANAR_SEEDS:
        close = difflib.get_close_matches(str(kind), PLANAR_SEEDS, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise InputError(f"planar: no kind {kind!r}; expected one of {_listed(PLANAR_SEEDS)}{hint}")
    seed = PLANAR_SEEDS[kind] if seed is None else seed
    if not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**32:
        raise InputError(f"planar: seed is {seed!r}; expected a whole number from 0 to 2**32 - 1")
    points, labels = _flower(seed) if kind == "flower" else _sklearn_points(kind, seed)
    return np.ascontiguousarray(points.T, dtype=np.float64), labels.reshape(1, -1).astype(np.float64)


def _flower(seed: int) -> tuple[Floats, NDArray[np.int64]]:
    random = np.random.RandomState(seed)
    N = 200     # points per class
    points = []
    for j in (0, 1):
        # The order of the draws, t's noise and then r's, is what makes these the course's points.
        t = np.linspace(j * 3.12, (j + 1) * 3.12, N) + 0.2 * random.randn(N)
        r = 4 * np.sin(4 * t) + 0.2 * random.randn(N)
        points.append(np.column_stack([r * np.sin(t), r * np.cos(t)]))
    return np.concatenate(points), np.repeat([0, 1], N)


def _sklearn_points(kind: str, seed: int) -> tuple[Floats, NDArray[np.int64]]:
    try:
        from sklearn import datasets
    except ImportError as error:
        raise InputError(f"planar {kind} needs scikit-learn: pip install scikit-learn") from error

    points: Floats
    labels: NDArray[np.int64]
    if kind == "noisy_circles":
        points, labels = datasets.make_circles(n_samples=200, factor=0.5, noise=0.3, random_state=seed)
    elif kind == "noisy_moons":
        points, labels = datasets.make_moons(n_samples=200, noise=0.2, random_state=seed)
    elif kind == "blobs":
        points, labels = datasets.make_blobs(n_samples=200, random_state=seed, n_features=2, centers=6)
        labels = labels % 2
    else:
        points, labels = datasets.make_gaussian_quantiles(
            mean=None, cov=0.5, n_samples=200, n_features=2, n_classes=2, shuffle=True, random_state=seed)
    return points, labels
