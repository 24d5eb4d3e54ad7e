"""Models saved to HDF5 files and loaded again, bit for bit.

A checkpoint holds what is needed to use a model again, and can be read with any HDF5 viewer:

    attributes      format, format_version, library_version, and as JSON: architecture (class name and
                    arguments), preprocessing, classes, history (all but the costs)
    parameters/     one dataset for each parameter, called as in `model.named_parameters()`
    history/        iterations and costs, where a history was given

Every dataset carries the sha256 of its values, and HDF5 itself keeps checksums of everything else in the
version of its format that is used here. A damaged file is refused: it never gives a model with other values.
"""

import hashlib
import importlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

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


class _Contents(NamedTuple):
    """A file's contents, checked for damage but not yet turned into a model."""

    module: str                 # where the model's class was defined
    class_name: str
    arguments: dict[str, Any]   # that make such a model
    parameters: Arrays
    about: dict[str, Any]       # the rest of a Checkpoint


# --- saving ---------------------------------------------------------------------------------------

def save(path: PathLike, model: Module, *, history: History | None = None,
         preprocessing: Mapping[str, Any] | None = None, classes: Sequence[str] | None = None) -> Path:
    """Save a model with its architecture and whatever else is given; return the path.

    preprocessing: how data are prepared for the model, in terms that JSON knows, such as
        {"num_px": 64, "divide_by": 255, "layout": "flattened to columns"}.
    classes: the names of the labels 0, 1, ...

    The file appears whole or not at all: until then, and if anything goes wrong, one that was there stays as
    it was. Parameters that are NaN or infinite are saved and loaded like others: a model that went wrong may
    be what one wants to look at.

    Raises InputError for something that JSON cannot hold, for class names that are not text and where `path`
    is a folder; OSError where the file cannot be written. All in one line.
    """
    from tinygrad_course import __version__

    path = Path(path).expanduser()
    if isinstance(classes, str) or not all(isinstance(name, str) for name in classes or ()):
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

    It is made in memory: a full disk then meets Python, which says so, and not the HDF5 library, which keeps
    the file open and fails once more when the program ends.
    """
    import h5py

    memory = io.BytesIO()
    # This version of HDF5's format is the first with checksums throughout; every HDF5 since 2016 reads it.
    with h5py.File(memory, "w", libver=("v110", "v110")) as file:
        for name, text in attributes.items():
            file.attrs[name] = np.bytes_(text)
        file.create_group("parameters", track_order=True)
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
        raise InputError(f"{what} cannot be saved: {error}; expected what JSON knows: text, numbers, True, "
                         "False, None, lists, and dicts with text as keys") from None


def _as_link(name: str) -> str:
    """A parameter's name as a name in HDF5, where "/" would separate groups."""
    return name.replace("%", "%25").replace("/", "%2F")


def _from_link(link: str) -> str:
    return link.replace("%2F", "/").replace("%25", "%")


# --- loading --------------------------------------------------------------------------------------

def load(path: PathLike) -> Checkpoint:
    """Make one of the course's models from a file, with the parameters and dtypes that it was saved with.

    Raises FileNotFoundError where there is no file; PermissionError where it cannot be read; InputError where
    it is damaged or no checkpoint, and for a model that the course does not have: see `load_into`.
    """
    path = Path(path).expanduser()
    contents = _read(path)
    # Only the course's own classes: a file must not be able to have other code imported and called.
    models = importlib.import_module(COURSE_MODELS)
    name = contents.class_name
    if not contents.module.startswith(COURSE_MODELS) or name not in models.__all__:
        raise InputError(f"{path}: holds a {name} from {contents.module}, which is not one of the course's "
                         f"models ({', '.join(models.__all__)}): make the model yourself and use "
                         "load_into(path, model)")
    try:
        model: Module = getattr(models, name)(**contents.arguments)
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: {name} cannot be made with {contents.arguments}: {error}") from None
    _fill(model, contents, path)
    for key, parameter in model.named_parameters():
        parameter._data = contents.parameters[key]  # `data` would convert it to the dtype of the new model
    return Checkpoint(model, path=path, **contents.about)


def load_into(path: PathLike, model: Module) -> Checkpoint:
    """Set the parameters of a model, of any class, to those in a file; names and shapes must be the same.

    Raises what `load` raises, and InputError where names or shapes differ, or where the model's dtype would
    round the values. The model is then as it was before.
    """
    path = Path(path).expanduser()
    contents = _read(path)
    for name, parameter in model.named_parameters():
        saved = contents.parameters.get(name)
        if saved is not None and not np.can_cast(saved.dtype, parameter.dtype, "safe"):
            raise InputError(f"{path}: {name} is {saved.dtype} there but {parameter.dtype} in this "
                             f"{type(model).__name__}, which would round it: make the model with "
                             f"dtype={saved.dtype}")
    _fill(model, contents, path)
    return Checkpoint(model, path=path, **contents.about)


def _fill(model: Module, contents: _Contents, path: Path) -> None:
    try:
        model.load_state_dict(contents.parameters)
    except InputError as error:
        raise InputError(f"{path}: the {contents.class_name} there does not fit: {error}") from None


def _read(path: Path) -> _Contents:
    """Read and check a file. Raises what `load` documents."""
    import h5py

    _check_readable(path)
    if not h5py.is_hdf5(path):
        raise InputError(f"{path}: not an HDF5 file: expected a checkpoint, as saved by checkpoint.save")
    try:
        # No lock is needed, as files are replaced and never written to; some network disks have none.
        with h5py.File(path, "r", locking=False) as file:
            return _contents(file)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except Exception as error:  # h5py has many for a damaged file: OSError, RuntimeError, KeyError, ...
        reason = " ".join(str(error).split()).strip("'\"")
        raise InputError(f"{path}: damaged or cut short ({reason}): use another copy of it, or train and "
                         "save the model again") from error


def _check_readable(path: Path) -> None:
    """Raises, in one line, where `path` is no file with something in it."""
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    if not path.is_file():
        raise InputError(f"{path}: not a file: expected a checkpoint, as saved by checkpoint.save")
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise type(error)(f"{path}: cannot be read: {error.strerror}") from error
    if empty:
        raise InputError(f"{path}: empty: expected a checkpoint, as saved by checkpoint.save")


def _contents(file: Any) -> _Contents:
    """What an open h5py.File holds. Raises InputError, without the path, where that is no checkpoint."""
    from tinygrad_course import __version__

    def read(name: str) -> Any:
        return json.loads(file.attrs[name])

    found = file.attrs.get("format")
    if not isinstance(found, bytes) or found != _json("format", FORMAT):
        raise InputError(f"an HDF5 file, but no checkpoint: its attribute format is not {FORMAT!r}; it holds "
                         f"{', '.join(list(file)[:6]) or 'nothing'}")
    if read("format_version") != FORMAT_VERSION:
        raise InputError(f"its format has version {read('format_version')} (saved by tinygrad_course "
                         f"{read('library_version')}), but tinygrad_course {__version__} reads version "
                         f"{FORMAT_VERSION}: update tinygrad_course")
    parameters = {_from_link(link): _array(file, f"parameters/{link}", "f") for link in file["parameters"]}
    fields, history = read("history"), None
    if fields is not None:
        iterations = _array(file, "history/iterations", "i").tolist()
        costs = _array(file, "history/costs", "f").tolist()
        history = History(costs=dict(zip(iterations, costs, strict=True)), **fields)
    about = {"history": history, "preprocessing": read("preprocessing"), "classes": tuple(read("classes")),
             "library_version": read("library_version")}
    made = read("architecture")
    return _Contents(made["module"], made["class"], made["arguments"], parameters, about)


def _array(file: Any, name: str, kind: str) -> np.ndarray[Any, Any]:
    """A dataset, if its dtype is of this kind (as in `numpy.dtype.kind`) and its values are those saved."""
    dataset = file.get(name)
    if dataset is None:
        raise InputError(f"a checkpoint without {name}")
    if getattr(dataset, "dtype", np.dtype("V")).kind != kind:
        found = f"numbers of dtype {dataset.dtype}" if hasattr(dataset, "dtype") else "a group"
        expected = "floating-point numbers" if kind == "f" else "whole numbers"
        raise InputError(f"{name} is {found}: expected {expected}")
    array: np.ndarray[Any, Any] = np.asarray(dataset[()])
    if dataset.attrs["sha256"] != _sha256(array):
        raise InputError(f"{name} is damaged: its sha256 is not the one that was saved; use another copy of "
                         "the file, or train and save the model again")
    return array.astype(array.dtype.newbyteorder("="), copy=False)
