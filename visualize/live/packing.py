"""Arrays and other data as JSON that is safe within a page."""
from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np


def packed(array: Any) -> dict[str, Any]:
    """An array, row by row, to the last bit: one byte for each number where all are whole, or 255ths, up to 255."""
    array = np.asarray(array)
    numbers = array.astype(np.float64)
    for divisor in (1, 255):
        with np.errstate(all="ignore"):
            if not _is_whole(numbers.reshape(-1)[:100] * divisor):
                continue
            whole = np.rint(numbers * divisor)
            fits = numbers.size and (whole >= 0).all() and (whole <= 255).all() and (
                (whole / divisor).astype(array.dtype) == numbers).all() and not np.signbit(numbers).any()
        if fits:
            return {"shape": list(array.shape), "bytes": _base64(whole.astype(np.uint8)), "divisor": divisor,
                    **_kind(array)}
    return {"shape": list(array.shape), "floats": _base64(numbers.astype("<f8")), **_kind(array)}


def _is_whole(numbers: Any) -> bool:
    """A look at the first few numbers, which mostly decides."""
    return bool(np.isclose(numbers, np.rint(numbers), rtol=0, atol=1e-6).all())


def _kind(array: Any) -> dict[str, str]:
    return {"kind": "float32"} if array.dtype == np.float32 else {"kind": "bool"} if array.dtype == bool else {}


def _base64(array: Any) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")


def as_json(data: Any) -> str:
    """JSON that may stand in a script of a page: nothing in it ends the script or a line, whatever the names are."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
