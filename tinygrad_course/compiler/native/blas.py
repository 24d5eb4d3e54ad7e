"""The BLAS that NumPy computes with, for machine code to call."""
from __future__ import annotations

import ctypes
import importlib
from functools import cache
from pathlib import Path

import numpy as np

# How builds of NumPy call cblas_dgemm with 64-bit sizes; "{}" stands for d or s.
NAMES = ("scipy_cblas_{}gemm64_", "cblas_{}gemm64_", "cblas_{}gemm$NEWLAPACK$ILP64")


@cache
def addresses() -> dict[str, int]:
    """The addresses of gemm for double and float as tgc_dgemm and tgc_sgemm; empty where there is none to be found."""
    for library in _libraries():
        for name in NAMES:
            try:
                return {f"tgc_{kind}gemm": ctypes.cast(getattr(library, name.format(kind)), ctypes.c_void_p).value or 0
                        for kind in "ds"}
            except AttributeError:
                continue
    return {}


def _libraries() -> list[ctypes.CDLL]:
    """What NumPy has loaded: a symbol of a library that its core depends on is found through the core."""
    core = importlib.import_module("numpy._core._multiarray_umath")
    folder = Path(np.__file__).parent
    files = [Path(str(core.__file__)), *folder.parent.glob("numpy.libs/*openblas*"), *folder.glob(".dylibs/*openblas*")]
    found = []
    for file in files:
        try:
            found.append(ctypes.CDLL(str(file)))
        except OSError:
            continue
    return found
