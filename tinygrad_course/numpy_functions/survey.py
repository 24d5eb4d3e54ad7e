"""Which of NumPy's functions are recorded: read from the tables, for the documentation and for tests."""
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tinygrad_course import numpy_functions, protocols

# They read or write files, or work on dates, bits, types or memory: nothing that has a gradient or could have one.
NOT_NUMERIC = (
    "busday", "bitwise", "shift", "datetime", "isnat", "is_busday", "save", "pack", "common_type", "can_cast",
    "min_scalar_type", "invert", "gcd", "lcm", "einsum_path", "shares_memory", "may_share", "result_type", "array_repr",
    "array_str", "array2string", "copyto", "fill_diagonal", "place", "put", "indices_from", "ix_", "ravel_multi_index",
    "unravel_index", "apply_", "piecewise", "iscomplex", "isreal", "sort_complex", "frexp", "ldexp", "nextafter",
    "spacing", "real_if_close")


class Function(NamedTuple):
    """name: as it is written, np.tanh.  kind: "recorded", "plain" or "refused"."""

    name: str
    kind: str


def kind_of(function: Any) -> str:
    """What becomes of a Tensor in one of NumPy's functions."""
    if any(function in table for table in (protocols.UFUNCS, protocols.FUNCTIONS, numpy_functions.FUNCTIONS,
                                           numpy_functions.UFUNCS["__call__"])):
        return "recorded"
    return "plain" if function in protocols.PLAIN_UFUNCS or function in protocols.PLAIN_FUNCTIONS else "refused"


def survey() -> list[Function]:
    """NumPy's numeric functions, of numpy itself and numpy.linalg, each once, by name."""
    found: dict[Any, str] = {}
    for module, prefix in ((np, "np."), (np.linalg, "np.linalg.")):
        for name in sorted(dir(module)):
            function = getattr(module, name)
            dispatched = isinstance(function, np.ufunc) or hasattr(function, "_implementation")
            if dispatched and not name.startswith("_") and not any(part in name for part in NOT_NUMERIC):
                found.setdefault(function, prefix + name)
    return [Function(name, kind_of(function)) for function, name in sorted(found.items(), key=lambda item: item[1])]
