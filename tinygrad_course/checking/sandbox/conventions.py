"""Learners whose b has the shape (n,) throughout: as right as (n, 1), if their own formulas agree with it."""
from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

BIAS = re.compile(r"d?b\d*")


def with_flat_b(value: Any, name: str = "") -> Any:
    """Arguments of the course with every b and db as (n,)."""
    return _changed(value, name, lambda b: b.ravel() if np.ndim(b) == 2 and b.shape[1] == 1 else b)


def with_column_b(value: Any, name: str = "") -> Any:
    """Results with every b and db as (n, 1)."""
    return _changed(value, name, lambda b: b.reshape(-1, 1) if np.ndim(b) == 1 else b)


def _changed(value: Any, name: str, change: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _changed(inner, str(key), change) for key, inner in value.items()}
    if isinstance(value, (tuple, list)):
        # (A, W, b) in caches and (dA_prev, dW, db) in results: two matrices and what belongs to b
        matrices = len(value) == 3 and all(np.ndim(one) == 2 for one in value[:2] if isinstance(one, np.ndarray))
        matrices = matrices and all(isinstance(one, np.ndarray) for one in value)
        names = ["", "", "b"] if matrices else [""] * len(value)
        return type(value)(_changed(inner, one, change) for one, inner in zip(names, value))
    if isinstance(value, np.ndarray) and BIAS.fullmatch(name):
        return change(value)
    return value


def flat_arguments(arguments: Sequence[Any], parameters: Sequence[str]) -> tuple[Any, ...]:
    return tuple(with_flat_b(one, name) for one, name in zip(arguments, parameters))
