"""What passes between processes one of which runs or reads what strangers wrote: JSON, with arrays. Never a pickle.

A pickle would run whatever was written into it. Here the worst that can arrive is a wrong number: a message
is a length, the length of its JSON, the JSON, and the arrays in NumPy's own format. In the JSON an object with a
single key says what JSON does not know:

    {"array": i}    the array at place i; the same array at two places is one array again
    {"number": i}   the same, taken as a NumPy scalar
    {"tuple": [...]}, {"dict": [[key, value], ...]}
"""
from __future__ import annotations

import io
import json
import math
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

LENGTHS = struct.Struct("<QQ")  # of the whole message behind this, and of its JSON
LARGEST, LARGEST_TEXT = 2**26, 2**23  # bytes of a message, and of its JSON, whose lists take far more once read
NUMBERS = "biufc"  # the kinds of dtype that may travel


class Garbled(Exception):
    """What arrived is no message: something else was written into the channel."""


def write(stream: BinaryIO, message: Any, largest: int = LARGEST) -> None:
    """Raises OSError where nobody reads any more; ValueError for what is no plain data, or is too much."""
    arrays: dict[int, tuple[int, Any]] = {}
    text = json.dumps(_packed(message, arrays)).encode("ascii")
    packed = io.BytesIO()
    for _, array in arrays.values():
        np.lib.format.write_array(packed, np.asarray(array), allow_pickle=False)
    total = len(text) + packed.tell()
    if total > largest or len(text) > LARGEST_TEXT:
        raise ValueError(f"a message of {total} bytes")
    stream.write(LENGTHS.pack(total, len(text)) + text)
    stream.write(packed.getbuffer())
    stream.flush()


def read(stream: BinaryIO, largest: int = LARGEST) -> Any:
    """The next message; None at the end. Raises Garbled."""
    head = stream.read(LENGTHS.size)
    if len(head) < LENGTHS.size:
        return None
    total, of_text = LENGTHS.unpack(head)
    if total > largest or of_text > min(total, LARGEST_TEXT):
        raise Garbled(f"a message of {total} bytes")
    content = stream.read(total)
    if len(content) < total:
        return None
    try:
        return _unpacked(json.loads(content[:of_text]), _arrays(content, of_text))
    except (ValueError, LookupError, TypeError, RecursionError, MemoryError) as error:
        raise Garbled(str(error)) from None


def _arrays(content: bytes, start: int) -> list[Any]:
    stream, found = io.BytesIO(content), []
    while start < len(content):
        stream.seek(start)
        version = np.lib.format.read_magic(stream)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = header(stream)
        # Before room is made for them: as many numbers as there are, and no objects.
        if dtype.kind not in NUMBERS or math.prod(shape) * dtype.itemsize > len(content) - stream.tell():
            raise Garbled(f"an array of {dtype} and shape {shape}")
        stream.seek(start)
        found.append(np.lib.format.read_array(stream, allow_pickle=False))
        start = stream.tell()
    return found


def _packed(value: Any, arrays: dict[int, tuple[int, Any]]) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)) and not isinstance(value, np.generic):
        return value
    if isinstance(value, (np.ndarray, np.generic)):
        if value.dtype.kind not in NUMBERS:
            raise ValueError(f"an array of dtype {value.dtype}")
        place, _ = arrays.setdefault(id(value), (len(arrays), value))
        return {"array" if isinstance(value, np.ndarray) else "number": place}
    if isinstance(value, tuple):
        return {"tuple": [_packed(one, arrays) for one in value]}
    if isinstance(value, list):
        return [_packed(one, arrays) for one in value]
    if isinstance(value, Mapping):
        return {"dict": [[_packed(key, arrays), _packed(one, arrays)] for key, one in value.items()]}
    raise ValueError(f"a {type(value).__name__}")


def _unpacked(value: Any, arrays: list[Any]) -> Any:
    if isinstance(value, list):
        return [_unpacked(one, arrays) for one in value]
    if isinstance(value, dict):
        [(what, inner)] = value.items()
        if what == "tuple":
            return tuple(_unpacked(one, arrays) for one in inner)
        if what == "dict":
            return {_unpacked(key, arrays): _unpacked(one, arrays) for key, one in inner}
        array = arrays[inner]
        return {"array": array, "number": array[()]}[what]
    return value
