"""Reading an HDF5 file that may be anybody's: in a process of its own, and only what the file itself holds.

A file can ask the HDF5 library to read other files (external storage, virtual datasets, links), to unpack 9 GB from
5 kB, and, damaged in the wrong place, to crash. So a dataset is read only if it is hard-linked, contiguous or chunked,
has no filters but those that are always there, is of a kind that is expected, and is no larger than what is stored
for it can give. All of that is looked at before anything is read, in a process that has bounded memory and time,
cannot open any file, and whose end is not ours.
"""
from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import json
import math
import os
import subprocess
import sys
import threading
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from tinygrad_course.errors import InputError
from tinygrad_course.files import open_ordinary
from tinygrad_course.isolation import confinement, messages
from tinygrad_course.isolation.interpreter import command

SIGNATURE = b"\x89HDF\r\n\x1a\n"
DEFLATE, SHUFFLE, FLETCHER32, LZF = 1, 2, 3, 32000  # filters that every h5py has, by their numbers in HDF5
RATIOS = {DEFLATE: 1032, LZF: 264}  # how many bytes these can make of one at most
# Real images are packed to a third. What claims far more is a file made to fill memory, unless it is small anyway.
HARMLESS, RATIO = 2**24, 20
ENTRIES = 10_000  # datasets in a group
CHARACTERS = 1000  # of a text
ATTRIBUTE = 2**23  # bytes
LARGEST_KNOWN = 2**23  # bytes of a file that is ours
MEMORY = 2**28  # bytes for the library, beside what the file gives
SECONDS, BYTES_A_SECOND = 5, 10**7  # of computing; the slowest filter gives 3e7 bytes a second
PATIENCE = 60.0  # seconds that a busy machine may take for it


@dataclass
class Stored:
    """A dataset as the file describes it, with its values where those could be read."""

    dtype: str
    kind: str  # of the dtype, as in NumPy; "S" for all text
    shape: tuple[int, ...] | None
    values: Any = None  # an array, or a list of texts; None where it was not read
    refused: str = ""  # why not

    @property
    def description(self) -> str:
        return f"{self.dtype} of shape {self.shape}"


@dataclass
class Contents:
    """What was found of what was asked for. `names`: the datasets at the top of the file, for people to read."""

    names: list[str] = field(default_factory=list)
    datasets: dict[str, Stored] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)


def read(file: Path, datasets: Mapping[str, str], *, groups: Mapping[str, str] | None = None,
         attributes: Sequence[str] = (), known: Container[str] = ()) -> Contents:
    """Read these datasets and attributes, and all datasets in these groups ("parameters" gives "parameters/W1", ...).

    datasets, groups: for each name the kinds of dtype that are expected, as in NumPy, such as "u" or "f"; "S" is
    text, which comes as a list. What is not in the file is not in the answer. known: the sha256 of files that are ours,
    which are read here, without the process: 0.05 seconds in place of 0.3.
    Raises FileNotFoundError and PermissionError, and InputError for what is no HDF5 file or a damaged one.
    """
    with open_ordinary(file, "an HDF5 file") as stream:
        head = stream.read(len(SIGNATURE))
        if not head:
            raise InputError(f"{file}: the file is empty; expected an HDF5 file")
        if _is_being_written(stream):
            raise InputError(f"{file}: another program is writing it; close that first")
        wanted = {"datasets": dict(datasets), "groups": dict(groups or {}), "attributes": list(attributes)}
        size = os.fstat(stream.fileno()).st_size
        content = _known(stream, size, known)
        answer = _ask(stream, wanted, size) if content is None else _answer(content, wanted, size)
    if not isinstance(answer, dict):
        answer = None
    if answer is None and head != SIGNATURE and not _has_signature(file, size):
        raise InputError(f"{file}: it begins with {head!r}; expected an HDF5 file")
    if answer is None:
        raise InputError(f"{file}: an HDF5 file, but truncated or damaged; "
                         "expected a whole one: copy or download it again")
    if "refused" in answer:
        raise InputError(f"{file}: {answer['refused']}")
    return Contents(answer["names"], {name: Stored(*one) for name, one in answer["datasets"].items()},
                    answer["attributes"])


def _known(stream: BinaryIO, size: int, known: Container[str]) -> BinaryIO | None:
    """The contents of a file that is ours; as they were compared, whatever becomes of the file."""
    if not known or size > LARGEST_KNOWN:
        return None
    stream.seek(0)
    content = stream.read(LARGEST_KNOWN)
    return io.BytesIO(content) if hashlib.sha256(content).hexdigest() in known else None


def _is_being_written(stream: BinaryIO) -> bool:
    """Whether somebody holds the lock of the HDF5 library for those who write."""
    with contextlib.suppress(ImportError, OSError):  # not every system and file system has locks
        import fcntl
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _has_signature(file: Path, size: int) -> bool:
    """Whether an HDF5 file begins behind a block of its user's: at 512, 1024, 2048, ... bytes."""
    with open_ordinary(file, "an HDF5 file") as stream:
        start = 512
        while start < size:
            stream.seek(start)
            if stream.read(len(SIGNATURE)) == SIGNATURE:
                return True
            start *= 2
    return False


def _ask(stream: BinaryIO, wanted: Any, size: int) -> Any:
    """The answer of a process that reads the file; None where it crashed, or could not answer within its limits."""
    os.lseek(stream.fileno(), 0, os.SEEK_SET)
    environment = {**os.environ, "HDF5_PLUGIN_PRELOAD": "::", "OPENBLAS_NUM_THREADS": "1"}  # no plugins
    with subprocess.Popen(command(__name__, json.dumps(wanted)), stdin=stream, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, env=environment) as process:
        timer = threading.Timer(PATIENCE + size / BYTES_A_SECOND, process.kill)
        timer.start()
        try:
            return messages.read(cast(BinaryIO, process.stdout), largest=_most(size) + messages.LARGEST_TEXT)
        except messages.Garbled:
            return None
        finally:
            timer.cancel()
            process.kill()


def _most(size: int) -> int:
    """How many bytes a file of this size may give."""
    return max(HARMLESS, size * RATIO)


# ------------------------------------------------------------------------------------------------ the process


def main(arguments: Sequence[str]) -> None:
    """Read the file that is standard input, write the answer to standard output."""
    wanted = json.loads(arguments[0])
    size = os.fstat(0).st_size
    confinement.end_with_parent()
    confinement.limit(memory=MEMORY + 3 * _most(size), file=0, seconds=SECONDS + _most(size) // BYTES_A_SECOND)
    _import_all()
    confinement.no_files()
    with os.fdopen(0, "rb") as stream:
        answer = _answer(stream, wanted, size)
    messages.write(sys.stdout.buffer, answer, largest=_most(size) + messages.LARGEST_TEXT)
    sys.stdout.flush()
    os._exit(0)  # the library's own end may crash on what it has read


def _answer(stream: BinaryIO, wanted: Any, size: int) -> Any:
    """What was asked for, or why not; None for a damaged file."""
    import h5py

    try:
        with h5py.File(stream, "r") as file:
            return _Reader(file, size).read(**wanted)
    except _Refused as refused:
        return {"refused": str(refused)}
    except MemoryError:
        return {"refused": "what is in it does not fit into memory"}
    except Exception:
        # h5py raises many kinds for a damaged file, with texts of the C library that help nobody who reads them.
        return None


def _import_all() -> None:
    """Read a small file once: Python imports some modules only when they are used, and then it could not any more."""
    import h5py

    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        file["group/numbers"], file["text"] = [1.0], ["text"]
        file.attrs["text"], file.attrs["flag"] = np.bytes_("text"), True
    with h5py.File(memory, "r") as file:
        answer = _Reader(file, memory.tell()).read({"text": "S"}, {"group": "f"}, ["text", "flag"])
    messages.write(io.BytesIO(), answer)


class _Refused(Exception):
    """This cannot be read from a file that may be anybody's; the message says what it is."""


class _Reader:
    def __init__(self, file: Any, size: int):
        import h5py

        self.h5py = h5py
        self.file = file
        self.size = size
        self.left = _most(size)  # bytes that may still be read

    def read(self, datasets: Mapping[str, str], groups: Mapping[str, str], attributes: Sequence[str]) -> Any:
        found = {name: self.described(name, kinds) for name, kinds in datasets.items()}
        for group, kinds in groups.items():
            inside = self.member(group)
            if inside is not None and not isinstance(inside, self.h5py.Group):
                raise _Refused(f"{group} is no group of datasets")
            if inside is not None and len(inside) > ENTRIES:
                raise _Refused(f"{group} has {len(inside)} datasets, more than {ENTRIES}")
            for name in inside or ():
                found[f"{group}/{name}"] = self.described(f"{group}/{name}", kinds)
        return {"names": [*self.names()], "datasets": {name: one for name, one in found.items() if one is not None},
                "attributes": {name: value for name in attributes if (value := self.attribute(name)) is not None}}

    def names(self) -> Iterator[str]:
        for name in itertools.islice(self.file, 50):
            with contextlib.suppress(_Refused):
                if isinstance(self.member(name), self.h5py.Dataset):
                    yield shortened(name)

    def member(self, path: str) -> Any:
        """What stands at "history/costs"; None where nothing does. Raises _Refused for a link to another place."""
        here: Any = self.file
        for name in path.split("/"):
            raw = name.encode("utf-8", "surrogateescape")
            if not isinstance(here, self.h5py.Group) or not here.id.links.exists(raw):
                return None
            if here.id.links.get_info(raw).type != self.h5py.h5l.TYPE_HARD:
                raise _Refused(f"{shortened(path)} is a link to another place; expected the data themselves")
            here = here[name]
        return here

    def described(self, path: str, kinds: str) -> Any:
        """The fields of `Stored`; None where there is no such dataset."""
        dataset = self.member(path)
        if not isinstance(dataset, self.h5py.Dataset):
            return None
        kind = "S" if self.h5py.check_string_dtype(dataset.dtype) is not None else dataset.dtype.kind
        about = (shortened(str(dataset.dtype)), kind, dataset.shape)
        try:
            return *about, self.values(dataset, kind, kinds), ""
        except _Refused as refused:
            return *about, None, str(refused)

    def values(self, dataset: Any, kind: str, kinds: str) -> Any:
        plist = dataset.id.get_create_plist()
        filters = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
        if plist.get_layout() not in (self.h5py.h5d.CONTIGUOUS, self.h5py.h5d.CHUNKED) or plist.get_external_count():
            raise _Refused("its values are in other places (external storage, or a virtual dataset)")
        if not set(filters) <= {DEFLATE, SHUFFLE, FLETCHER32, LZF}:
            raise _Refused(f"it is packed by a filter that is not always there ({filters})")
        if dataset.shape is None or kind not in kinds or dataset.dtype.fields:
            raise _Refused("its dtype is not the expected one")
        needed = math.prod(dataset.shape) * dataset.dtype.itemsize
        chunk = math.prod(dataset.chunks or ()) * dataset.dtype.itemsize
        stored = min(dataset.id.get_storage_size(), self.size)
        if needed > stored * max([RATIOS.get(one, 1) for one in filters], default=1) or chunk > _most(self.size):
            raise _Refused(f"it says to have {needed} bytes, but {stored} are stored for it")
        self.left -= max(needed, stored)
        if self.left < 0:
            raise _Refused(f"it has {needed} bytes, packed into {stored}: too many for a file of {self.size}")
        return self.texts(dataset) if kind == "S" else dataset[()]

    def texts(self, dataset: Any) -> list[str]:
        if dataset.size > ENTRIES or dataset.dtype.itemsize > CHARACTERS * 4:
            raise _Refused(f"it has {dataset.size} texts of up to {dataset.dtype.itemsize} bytes")
        return [_text(one) for one in dataset[()].ravel().tolist()]

    def attribute(self, name: str) -> Any:
        """A text or numbers; None where there is nothing of that kind."""
        if not self.h5py.h5a.exists(self.file.id, name.encode()):
            return None
        opened = self.h5py.h5a.open(self.file.id, name.encode())
        needed = opened.dtype.itemsize * math.prod(opened.shape or ())
        if opened.dtype.kind not in "Sbiuf" or needed > min(ATTRIBUTE, self.size):
            return None
        value = self.file.attrs[name]
        return _text(value, ATTRIBUTE) if isinstance(value, bytes) else value if opened.dtype.kind != "S" else None


def shortened(name: str) -> str:
    return name if len(name) <= 100 else f"{name[:100]}..."


def _text(value: Any, most: int = CHARACTERS) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    if len(text) > most:
        raise _Refused(f"a text in it has {len(text)} characters, more than {most}")
    return text
