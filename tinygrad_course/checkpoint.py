"""Models saved to HDF5 files and loaded again, bit for bit.

A checkpoint holds what is needed to use a model again, and can be read with any HDF5 viewer:

    attributes      format, format_version, library_version, and as JSON: architecture (class name and
                    arguments), preprocessing, classes, history (all but the costs)
    parameters/     one dataset for each parameter, called as in `model.named_parameters()`
    history/        iterations and costs, where a history was given

Every dataset carries the sha256 of its values, and HDF5 itself keeps checksums of everything else in the version of
its format that is used here. So a damaged file is refused; it never gives a model with other values.
"""

import hashlib
import importlib
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_course.errors import InputError
from tinygrad_course.files import replace_atomically
from tinygrad_course.nn import Module
from tinygrad_course.training import History

FORMAT = "tinygrad_course checkpoint"
FORMAT_VERSION = 1      # to be raised when files change in a way that earlier versions cannot read
COURSE_MODELS = "tinygrad_course.models"

PathLike = str | os.PathLike[str]
Arrays = dict[str, np.ndarray[Any, Any]]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a file held."""

    model: Module
    history: History | None         # how the model was trained
    preprocessing: dict[str, Any]   # what was done to the data before they reached the model
    classes: tuple[str, ...]        # classes[0] is the name of label 0; empty where none were given
    library_version: str            # the version of this package that wrote the file
    path: Path


@dataclass(frozen=True, eq=False)
class _Contents:
    """A file's contents, checked for damage but not yet turned into a model."""

    module: str
    class_name: str
    arguments: dict[str, Any]
    parameters: Arrays
    history: History | None
    preprocessing: dict[str, Any]
    classes: tuple[str, ...]
    library_version: str


# --- saving ---------------------------------------------------------------------------------------

def save(path: PathLike, model: Module, *, history: History | None = None,
         preprocessing: Mapping[str, Any] | None = None, classes: Sequence[str] | None = None) -> Path:
    """Save a model with its architecture and whatever else is given; return the path.

    preprocessing: how data are prepared for the model, in terms that JSON knows, such as
        {"num_px": 64, "divide_by": 255, "layout": "flattened to columns"}.
    classes: the names of the labels 0, 1, ...

    The file appears whole or not at all: until then, and if anything goes wrong, one that was there stays as it
    was. Parameters that are NaN or infinite are saved like others: that a model went wrong may be what one wants
    to look at.

    Raises InputError for something that JSON cannot hold, for class names that are not text and where `path` is a
    folder; OSError where the file cannot be written. All in one line.
    """
    from tinygrad_course import __version__

    path = Path(path).expanduser()
    if classes is not None and (isinstance(classes, str) or not all(isinstance(name, str) for name in classes)):
        raise InputError(f"classes is {classes!r}: expected a list of names, such as ['non-cat', 'cat']")
    fields = None if history is None else asdict(history)
    costs = {} if fields is None else fields.pop("costs")
    attributes = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "library_version": __version__,
        "architecture": {"module": type(model).__module__, "class": type(model).__qualname__,
                         "arguments": model.config()},
        "preprocessing": dict(preprocessing or {}),
        "classes": list(classes or ()),
        "history": fields,
    }
    arrays = {f"parameters/{_as_link(name)}": value for name, value in model.state_dict().items()}
    if history is not None:
        arrays["history/iterations"] = np.array(list(costs), dtype=np.int64)
        arrays["history/costs"] = np.array(list(costs.values()), dtype=np.float64)

    content = _hdf5({name: _json(name, value) for name, value in attributes.items()}, arrays)
    with replace_atomically(path) as temporary:
        temporary.write_bytes(content)
    return path


def _hdf5(attributes: dict[str, bytes], arrays: Arrays) -> bytes:
    """The bytes of an HDF5 file.

    It is made in memory: a full disk then meets Python, which says so, and not the HDF5 library, which keeps the
    file open and fails once more when the program ends.
    """
    import h5py

    memory = io.BytesIO()
    # This version of HDF5's format is the first with checksums throughout; every HDF5 since 2016 reads it.
    with h5py.File(memory, "w", libver=("v110", "v110")) as file:
        for name, text in attributes.items():
            file.attrs[name] = np.bytes_(text)
        file.create_group("parameters")
        for name, array in arrays.items():
            dataset = file.create_dataset(name, data=array)
            dataset.attrs["sha256"] = np.bytes_(_sha256(array))
    return memory.getvalue()


def _sha256(array: np.ndarray[Any, Any]) -> bytes:
    """Of the values in the order of C, with shape and dtype."""
    head = f"{array.dtype.str} {array.shape} ".encode()
    return hashlib.sha256(head + np.ascontiguousarray(array).tobytes()).hexdigest().encode()


def _json(what: str, value: Any) -> bytes:
    def plain(x: Any) -> Any:
        if isinstance(x, (np.generic, np.ndarray)):
            return x.tolist()
        raise TypeError(f"{type(x).__name__} {str(x)[:60]!r}")

    try:
        return json.dumps(value, default=plain).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{what} cannot be saved: {error}: expected what JSON knows: text, numbers, True, False, "
                         "None, lists, and dicts with text as keys") from None


def _as_link(name: str) -> str:
    """A parameter's name as a name in HDF5, where "/" would separate groups."""
    return name.replace("%", "%25").replace("/", "%2F")


def _from_link(link: str) -> str:
    return link.replace("%2F", "/").replace("%25", "%")


# --- loading --------------------------------------------------------------------------------------

def load(path: PathLike) -> Checkpoint:
    """Make one of the course's models from a file, with the parameters and dtypes that it was saved with.

    Raises FileNotFoundError where there is no file; PermissionError where it cannot be read; InputError where it
    is damaged or no checkpoint, and for a model that the course does not have: see `load_into`.
    """
    path = Path(path).expanduser()
    contents = _read(path)
    what = f"{contents.class_name} (from {contents.module})"
    # Only the course's own classes: a file must not be able to have any other code imported and called.
    models = importlib.import_module(COURSE_MODELS)
    known = sorted(models.__all__)
    if not contents.module.startswith(COURSE_MODELS) or contents.class_name not in known:
        raise InputError(f"{path}: holds a {what}, which is none of {', '.join(known)}: make the model "
                         "yourself and use load_into(path, model)")
    try:
        model = getattr(models, contents.class_name)(**contents.arguments)
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: {contents.class_name} cannot be made with {contents.arguments}: {error}") from None
    for name, parameter in model.named_parameters():
        if name in contents.parameters and contents.parameters[name].shape == parameter.shape:
            parameter.data = 
    return _fill(model, contents, path)
