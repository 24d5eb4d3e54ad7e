"""Models saved to HDF5 files and loaded again, bit for bit.

A checkpoint holds what is needed to use a model again. It is an HDF5 file that any viewer can read:

    attributes      as JSON: library_version, architecture (class and arguments), preprocessing, classes,
                    history (all but the costs)
    parameters/     one dataset for each parameter, called as in `model.named_parameters()`
    history/        iterations and costs, where a history was given

In front of it, in the 512 bytes that HDF5 leaves to its users, stand three lines of text: what this is, the
version of the format, and the sha256 of all that follows. They are checked before the HDF5 library sees the file,
since some versions of it crash on damaged ones. So a damaged file is refused in one line; it never gives a model
with other values.
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
from tinygrad_course.files import expanded, replace_atomically
from tinygrad_course.nn import Module
from tinygrad_course.training.run import History

FORMAT = "tinygrad_course checkpoint"
FORMAT_VERSION = 1      # to be raised when files change in a way that earlier versions cannot read
HEADER_SIZE = 512       # the smallest that HDF5 allows
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

    path = expanded(path)
    if isinstance(classes, str) or not all(isinstance(name, str) for name in classes or ()):
        raise InputError(f"classes is {classes!r}: expected a list of names, such as ['non-cat', 'cat']")
    fields = None if history is None else asdict(history)
    costs = {} if fields is None else fields.pop("costs")
    attributes = {
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
        temporary.write_bytes(_header(content) + content[HEADER_SIZE:])
    return path


def _hdf5(attributes: dict[str, bytes], arrays: Arrays) -> bytes:
    """The bytes of an HDF5 file, with room for the header.

    It is made in memory: a full disk then meets Python, which says so, and not the HDF5 library, which keeps
    the file open and fails once more when the program ends.
    """
    import h5py

    memory = io.BytesIO()
    # Every HDF5 since 2016 reads this version of its format; in the oldest, an attribute ends at 64 kB.
    with h5py.File(memory, "w", libver=("v110", "v110"), userblock_size=HEADER_SIZE) as file:
        for name, text in attributes.items():
            file.attrs[name] = np.bytes_(text)
        file.create_group("parameters", track_order=True)
        for name, array in arrays.items():
            file.create_dataset(name, data=array)
    return memory.getvalue()


def _header(content: bytes) -> bytes:
    """What stands in front of a file whose bytes, from HEADER_SIZE on, are those of `content`."""
    sha256 = hashlib.sha256(content[HEADER_SIZE:]).hexdigest()
    return f"{FORMAT}\nformat version {FORMAT_VERSION}\nsha256 {sha256}\n".encode().ljust(HEADER_SIZE, b"\n")


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
    path = expanded(path)
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
        parameter.hold(contents.parameters[key])  # `data` would convert it to the dtype of the new model
    return Checkpoint(model, path=path, **contents.about)


def load_into(path: PathLike, model: Module) -> Checkpoint:
    """Set the parameters of a model, of any class, to those in a file; names and shapes must be the same.

    Raises what `load` raises, and InputError where names or shapes differ, or where the model's dtype would
    round the values. The model is then as it was before.
    """
    path = expanded(path)
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

    content = _bytes(path)
    _check_header(path, content)
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            return _contents(file)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (OSError, RuntimeError, LookupError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split()).strip("'\"")
        raise InputError(f"{path}: a checkpoint whose contents cannot be understood ({reason}): train and save "
                         "the model again") from error


def _bytes(path: Path) -> bytes:
    """The bytes of a file. Raises, in one line, where `path` is no file that can be read."""
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    if not path.is_file():
        raise InputError(f"{path}: not a file: expected a checkpoint, as saved by checkpoint.save")
    try:
        return path.read_bytes()
    except OSError as error:
        raise type(error)(f"{path}: cannot be read: {error.strerror}") from error


def _check_header(path: Path, content: bytes) -> None:
    """Raises InputError where these are not the bytes of a whole checkpoint of the version known here."""
    from tinygrad_course import __version__

    found = content[:HEADER_SIZE].decode("ascii", "replace").split("\n")
    expected = _header(content).decode("ascii").split("\n")
    if found[0] != expected[0]:
        what = "empty" if not content else "an HDF5 file, but no checkpoint" if content.startswith(b"\x89HDF") \
            else "not a checkpoint"
        raise InputError(f"{path}: {what}: expected a file saved by checkpoint.save")
    if len(found) > 2 and found[1] != expected[1]:
        raise InputError(f"{path}: has {found[1]!r}, but tinygrad_course {__version__} reads {expected[1]!r}: "
                         "update tinygrad_course")
    if found != expected:
        raise InputError(f"{path}: damaged, cut short or changed by another program: its sha256 is not the one "
                         "that was saved; use another copy of it, or train and save the model again")


def _contents(file: Any) -> _Contents:
    """What an open h5py.File holds. Raises InputError for parameters that are no floating-point numbers."""
    def read(name: str) -> Any:
        return json.loads(file.attrs[name])

    parameters = {_from_link(link): dataset[()] for link, dataset in file["parameters"].items()}
    for name, array in parameters.items():
        if array.dtype.kind != "f":
            raise InputError(f"{name} has dtype {array.dtype}: expected floating-point numbers")
        # Of this machine's byte order; numbers without axes come from h5py as NumPy's scalars.
        parameters[name] = np.asarray(array, dtype=array.dtype.newbyteorder("="))
    fields, history = read("history"), None
    if fields is not None:
        costs = zip(file["history/iterations"][()].tolist(), file["history/costs"][()].tolist(), strict=True)
        history = History(costs=dict(costs), **fields)
    about = {"history": history, "preprocessing": read("preprocessing"), "classes": tuple(read("classes")),
             "library_version": read("library_version")}
    made = read("architecture")
    return _Contents(made["module"], made["class"], made["arguments"], parameters, about)
