"""Which values the backward pass will need: found by watching what each VJP reads."""
from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_course.broadcasting import Shape
from tinygrad_course.mode import observed
from tinygrad_course.tensor import Array, Tensor


class _Probe(Tensor):
    """A Tensor that notes whether its numbers, rather than only its shape, are read."""

    __slots__ = ("array", "was_read")

    def __init__(self, array: Array):
        self.array = array
        self.was_read = False
        self.requires_grad = False
        self.name = None
        self.grad = None
        self.op = None
        self.parents = ()
        self.params = {}
        self.inputs = ()
        self._user = None
        self._differentiated = False

    @property
    def _data(self) -> Array:
        self.was_read = True
        return self.array

    @property
    def shape(self) -> Shape: return self.array.shape  # type: ignore[no-any-return]
    @property
    def ndim(self) -> int: return self.array.ndim
    @property
    def size(self) -> int: return self.array.size
    @property
    def dtype(self) -> Any: return self.array.dtype


def used_by_vjps(tensor: Tensor) -> list[int]:
    """Which operands of a computed Tensor its VJPs read, by number, for the operands that want a gradient; -1 stands
    for the Tensor itself. The VJPs are run on it for that; nothing is recorded."""
    if tensor.op is None:
        return []
    used: set[int] = set()
    with observed(recording=False, alone=True), np.errstate(all="ignore"):
        for i, parent in enumerate(tensor.parents):
            vjp = tensor.op.vjps[i] if parent.requires_grad else None
            if vjp is None:
                continue
            result, *operands = (_Probe(array) for array in (np.asarray(tensor._data), *tensor.inputs))
            vjp(np.ones_like(tensor._data), result, *operands, **tensor.params)
            used |= {k for k, probe in enumerate([*operands, result]) if probe.was_read}
    result_number = len(tensor.parents)
    return [-1 if k == result_number else k for k in sorted(used)]
