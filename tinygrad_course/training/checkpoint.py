"""Models saved to HDF5 files and loaded again, bit for bit.

A checkpoint holds what is needed to use a model again. It is an HDF5 file that any viewer can read:

    attributes      as JSON: library_version, architecture (class and arguments), preprocessing, classes,
                    history (all but the costs), optimizer (class, settings, and numbers of its state)
    parameters/     one dataset for each parameter, frozen one and buffer, called as in `model.state_dict()`
    history/        iterations and costs, where a history was given
    optimizer/      what the optimiser keeps for each parameter, where one was given: "W1.0", "W1.1", ...

In front of it, in the 512 bytes that HDF5 leaves to its users, stand three lines of text: what this is, the
version of the format, and the sha256 of all that follows. So a damaged file is refused in one line; it never gives a
model with other values. Whoever makes a file on purpose can write a sha256 that fits: that is why the HDF5 library
reads it in a process of its own, and why no model is made that is larger than what the file holds.
"""

import hashlib
import importlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from tinygrad_course.conversions import REAL
from tinygrad_course.errors import InputError
from tinygrad_course.files import expanded, open_ordinary, replace_atomically
from tinygrad_course.isolation import hdf5
from tinygrad_course.nn import Module
from tinygrad_course.optim import Optimizer
from tinygrad_course.tensor import Tensor
from tinygrad_course.training import saved_optimizer
from tinygrad_course.training.history import History
from tinygrad_course.training.notices import warn_user

FORMAT = "tinygrad_course checkpoint"
FORMAT_VERSION = 1      # to be raised when files change in a way that earlier versions cannot read
HEADER_SIZE = 512       # the smallest that HDF5 allows
COURSE_MODELS = "tinygrad_course.models"

PathLike = str | os.PathLike[str]
Arrays = dict[str, np.ndarray[Any, Any]]


class CheckpointWarning(UserWarning):
    """Something in a checkpoint could not be used; the model could."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a file held."""

    model: Module
    history: History | None         # how the model was trained
    preprocessing: dict[str, Any]   # what was done to the data before they reached the model
    classes: tuple[str, ...]        # classes[0] is the name of label 0; empty where none were given
    library_version: str            # the version of this package that wrote the file
    path: Path
    optimizer: Optimizer | None = None  # as it was left; None where none was saved or it could not be used


class _Contents(NamedTuple):
    """A file's contents, checked for damage but not yet turned into a model."""

    module: str                 # where the model's class was defined
    class_name: str
    arguments: dict[str, Any]   # that make such a model
    parameters: Arrays
    about: dict[str, Any]       # the rest of a Checkpoint
    optimizer: dict[str, Any] | None
    states: Arrays              # of the optimiser


# --- saving ---------------------------------------------------------------------------------------

def save(path: PathLike, model: Module, *, history: History | None = None, optimizer: Optimizer | None = None,
         preprocessing: Mapping[str, Any] | None = None, classes: Sequence[str] | None = None) -> Path:
    """Save a model with its architecture and whatever else is given; return the path.

    history, optimizer: with both, training can go on later as if it had not been interrupted:
        saved = checkpoint.load(path)
        fit(saved.model, X, Y, iterations=100, optimizer=saved.optimizer, resume=saved.history)
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
    states: Arrays = {}
    if optimizer is not None:
        attributes["optimizer"], states = saved_optimizer.packed(optimizer, model)
    arrays = {f"parameters/{_as_link(name)}": value for name, value in model.state_dict().items()}
    arrays |= {f"optimizer/{_as_link(name)}": value for name, value in states.items()}
    if history is not None:
        arrays["history/iterations"] = np.array(list(costs), dtype=np.int64)
        arrays["history/costs"] = np.array(list(costs.values()), dtype=np.float64)

    content = _hdf5({name: _json(name, value) for name, value in attributes.items()}, arrays)
    with replace_atomically(path) as temporary:
        temporary.write_bytes(_header(hashlib.sha256(content[HEADER_SIZE:]).hexdigest()) + content[HEADER_SIZE:])
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


def _header(sha256: str) -> bytes:
    """What stands in front of a file; sha256: of all its bytes from HEADER_SIZE on."""
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

    The optimiser is made anew, too; where it cannot be, a CheckpointWarning says why.
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
        _check_size(contents)
        model: Module = getattr(models, name)(**contents.arguments)
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError) as error:
        arguments = str(contents.arguments)[:200]
        raise InputError(f"{path}: {name} cannot be made with {arguments}: {str(error)[:300]}") from None
    _fill(model, contents, path)
    for key, held in model.named_state().items():
        if isinstance(held.value, Tensor):
            held.value.hold(contents.parameters[key])  # `data` would convert it to the dtype of the new model
    return Checkpoint(model, path=path, optimizer=_optimizer(contents, path, model, None), **contents.about)


def load_into(path: PathLike, model: Module, optimizer: Optimizer | None = None) -> Checkpoint:
    """Set the parameters of a model, of any class, to those in a file; names and shapes must be the same.

    optimizer: gets what the saved one kept from update to update, and has its own settings. Where that does not fit,
    because another rule saved it for instance, a CheckpointWarning says so and the optimizer stays as it is. By
    default the saved one is made anew, if it is one of `optim`.

    Raises what `load` raises, and InputError where names or shapes differ, or where the model's dtype would
    round the values. The model is then as it was before.
    """
    path = expanded(path)
    contents = _read(path)
    for name, held in model.named_state().items():
        saved = contents.parameters.get(name)
        if saved is not None and not np.can_cast(saved.dtype, held.value.dtype, "safe"):
            raise InputError(f"{path}: {name} is {saved.dtype} there but {held.value.dtype} in this "
                             f"{type(model).__name__}, which would round it: make the model with "
                             f"dtype={saved.dtype}")
    _fill(model, contents, path)
    return Checkpoint(model, path=path, optimizer=_optimizer(contents, path, model, optimizer), **contents.about)


def _optimizer(contents: _Contents, path: Path, model: Module, given: Optimizer | None) -> Optimizer | None:
    """The saved optimiser, or the one that was given, filled; None, and a warning, where that is not possible."""
    fields = contents.optimizer
    if fields is None and given is None:
        return None
    try:
        if fields is None:
            raise InputError("there is none")
        if given is None:
            return saved_optimizer.unpacked(fields, contents.states, model)
        saved_optimizer.fill(given, fields, contents.states, model)
        return given
    except InputError as reason:
        warn_user(f"{path}: the model is loaded, but not the optimizer there: {reason}. Training would go on with a "
                  "new one", CheckpointWarning)
        return None


def _check_size(contents: _Contents) -> None:
    """Raises ValueError where a model with these arguments would be far larger than what the file has for it."""
    arguments = contents.arguments
    sizes = [arguments[name] for name in ("n_x", "n_h", "n_y") if name in arguments]
    sizes += arguments.get("layer_dims", [])
    if not all(type(size) is int and size > 0 for size in sizes):
        raise ValueError("expected whole numbers above 0")
    needed = sum(sizes) + sum(n_in * n_out for n_in, n_out in zip(sizes, sizes[1:]))
    there = sum(array.size for array in contents.parameters.values())
    if needed > 10 * there + 10_000:
        raise ValueError(f"it needs {needed} numbers, but {there} are in the file")


def _fill(model: Module, contents: _Contents, path: Path) -> None:
    try:
        model.load_state_dict(contents.parameters)
    except InputError as error:
        raise InputError(f"{path}: the {contents.class_name} there does not fit: {error}") from None


def _read(path: Path) -> _Contents:
    """Read and check a file. Raises what `load` documents."""
    with open_ordinary(path, "a checkpoint, as saved by checkpoint.save") as stream:
        _check_header(path, stream)
    found = hdf5.read(path, {"history/iterations": "iu", "history/costs": "f"},
                      groups={"parameters": REAL, "optimizer": REAL}, attributes=[
                          "library_version", "architecture", "preprocessing", "classes", "history", "optimizer"])
    try:
        return _contents(found)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (RuntimeError, LookupError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split()).strip("'\"")
        raise InputError(f"{path}: a checkpoint whose contents cannot be understood ({reason[:300]}): train and save "
                         "the model again") from error


def _check_header(path: Path, stream: BinaryIO) -> None:
    """Raises InputError where this is not a whole checkpoint of the version known here."""
    from tinygrad_course import __version__

    head, sha256 = stream.read(HEADER_SIZE), hashlib.sha256()
    while block := stream.read(2**20):
        sha256.update(block)
    found = head.decode("ascii", "replace").split("\n")
    expected = _header(sha256.hexdigest()).decode("ascii").split("\n")
    if found[0] != expected[0]:
        what = "empty" if not head else "an HDF5 file, but no checkpoint" if head.startswith(hdf5.SIGNATURE) \
            else "not a checkpoint"
        raise InputError(f"{path}: {what}: expected a file saved by checkpoint.save")
    if len(found) > 2 and found[1] != expected[1]:
        raise InputError(f"{path}: has {found[1]!r}, but tinygrad_course {__version__} reads {expected[1]!r}: "
                         "update tinygrad_course")
    if found != expected:
        raise InputError(f"{path}: damaged, cut short or changed by another program: its sha256 is not the one "
                         "that was saved; use another copy of it, or train and save the model again")


def _contents(found: hdf5.Contents) -> _Contents:
    """What a file held. Raises InputError for parameters that are no real numbers, and what else may be
    wrong in a file that somebody else made."""
    def read(name: str, kind: Any) -> Any:
        value = json.loads(found.attributes[name])
        if not isinstance(value, kind):
            raise TypeError(f"{name} is {str(value)[:60]!r}")
        return value

    arrays: dict[str, Arrays] = {"parameters": {}, "optimizer": {}}
    for name, stored in found.datasets.items():
        group, _, link = name.partition("/")
        if group in arrays and stored.kind not in REAL:
            raise InputError(f"{_from_link(link)} has dtype {stored.dtype}: expected real numbers")
        if stored.refused:
            raise InputError(f"{name} cannot be read: {stored.refused}")
        if group in arrays:
            # Of this machine's byte order; numbers without axes come as NumPy's scalars.
            array = np.asarray(stored.values)
            arrays[group][_from_link(link)] = array.astype(array.dtype.newbyteorder("="), copy=False)
    if not arrays["parameters"]:
        raise LookupError("no parameters")
    fields, history = read("history", (dict, type(None))), None
    if fields is not None:
        costs = [found.datasets[f"history/{name}"].values.tolist() for name in ("iterations", "costs")]
        history = _history(dict(zip(*costs, strict=True)), fields)
    classes = read("classes", list)
    if not all(isinstance(name, str) for name in classes):
        raise TypeError("classes are not text")
    about = {"history": history, "preprocessing": read("preprocessing", dict), "classes": tuple(classes),
             "library_version": read("library_version", str)}
    made = read("architecture", dict)
    for name, kind in (("module", str), ("class", str), ("arguments", dict)):
        if not isinstance(made[name], kind):
            raise TypeError(f"{name} is {str(made[name])[:60]!r}")
    return _Contents(made["module"], made["class"], made["arguments"], arrays["parameters"], about,
                     read("optimizer", dict) if "optimizer" in found.attributes else None, arrays["optimizer"])


def _history(costs: dict[int, float], fields: dict[str, Any]) -> History:
    """The history with these fields. Raises TypeError where one is unknown or of another type."""
    for name, value in fields.items():
        usual = getattr(History(), name, ...)
        kinds = (str, float, int) if usual is None else (type(usual), int)
        if value is not usual and not isinstance(value, kinds):
            raise TypeError(f"{name} of the history is {str(value)[:60]!r}")
        if isinstance(value, dict):  # in JSON all keys are text
            fields[name] = {int(iteration): float(number) for iteration, number in value.items()}
    return History(costs=costs, **fields)
