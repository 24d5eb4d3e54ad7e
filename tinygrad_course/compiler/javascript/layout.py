"""Where the elements of a node lie: arrays are stored row by row, and views are read with an offset and strides."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_course.compiler.nodes import ArrayNode, Shape, Untraceable


@dataclass(frozen=True)
class Access:
    """Element (i, j, ...) of a node is element offset + i strides[0] + j strides[1] + ... of what `base` is kept in."""

    base: ArrayNode
    offset: int
    strides: tuple[int, ...]


def row_major(shape: Shape) -> tuple[int, ...]:
    """The strides of an array that is stored row by row."""
    strides = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        strides[axis] = strides[axis + 1] * max(shape[axis + 1], 1)
    return tuple(strides)


def is_contiguous(strides: Sequence[int], shape: Shape) -> bool:
    """Whether elements follow each other; an axis of size one has any stride."""
    return all(n == 1 or stride == usual for stride, usual, n in zip(strides, row_major(shape), shape))


def access(node: ArrayNode) -> Access:
    """How to read a node; what is no view is its own base. Raises Untraceable for an index that holds an array."""
    views = []
    while is_view(node):
        views.append(node)
        node = node.inputs[0]
    found = Access(node, 0, row_major(node.shape))
    shape = node.shape
    for view in reversed(views):
        found, shape = _viewed(found, shape, view), view.shape
    return found


def is_view(node: ArrayNode) -> bool:
    """Whether a node is only another way to read its input. Numbers of Python are not kept anywhere."""
    if node.weak or node.op not in ("transpose", "broadcast_to", "getitem", "reshape"):
        return False
    if node.op == "getitem":
        check_index(node)
        return True
    if node.op != "reshape":
        return True
    x = node.inputs[0]
    return _same_but_for_ones(x.shape, node.shape) or node.size == 0 or is_contiguous(access(x).strides, x.shape)


def check_index(node: ArrayNode) -> None:
    """Raises Untraceable for an index that holds an array."""
    if not all(part is None or part is Ellipsis or isinstance(part, (int, slice)) for part in node.params["index"]):
        raise Untraceable("elements are selected by an array of indices")


def _same_but_for_ones(a: Shape, b: Shape) -> bool:
    return [n for n in a if n != 1] == [n for n in b if n != 1]


def _viewed(x: Access, shape: Shape, view: ArrayNode) -> Access:
    if view.op == "transpose":
        return Access(x.base, x.offset, tuple(x.strides[axis] for axis in view.params["axes"]))
    if view.op == "broadcast_to":
        added = len(view.shape) - len(shape)
        strides = (0,) * added + tuple(0 if n == 1 else stride for stride, n in zip(x.strides, shape))
        return Access(x.base, x.offset, strides)
    if view.op == "getitem":
        return _indexed(x, shape, view)
    if not is_contiguous(x.strides, shape):  # axes of size one come or go
        rest = iter(stride for stride, n in zip(x.strides, shape) if n != 1)
        return Access(x.base, x.offset, tuple(0 if n == 1 else next(rest, 0) for n in view.shape))
    return Access(x.base, x.offset, row_major(view.shape))


def _indexed(x: Access, shape: Shape, view: ArrayNode) -> Access:
    offset, strides = window(shape, x.strides, view.params["index"])
    return Access(x.base, x.offset + offset, strides)


def window(shape: Shape, strides: Sequence[int], index: tuple[Any, ...]) -> tuple[int, tuple[int, ...]]:
    """Where the part [index] of an array begins, and its strides."""
    named = sum(part is not None and part is not Ellipsis for part in index)
    offset, kept, axis = 0, [], 0
    for part in index if any(part is Ellipsis for part in index) else (*index, Ellipsis):
        if part is None:
            kept.append(0)
        elif part is Ellipsis:
            count = len(shape) - named
            kept += strides[axis:axis + count]
            axis += count
        else:
            if isinstance(part, slice):
                start, _, step = part.indices(shape[axis])
                offset += start * strides[axis] if shape[axis] else 0
                kept.append(step * strides[axis])
            else:
                offset += int(part) % shape[axis] * strides[axis]
            axis += 1
    return offset, tuple(kept)


@dataclass(frozen=True)
class Loops:
    """Nested loops over a shape whose neighbouring axes are one loop where all accesses allow it.

    sizes: of the loops, from the outside to the inside.  strides: for each access its step in each loop.
    axes: for each loop the axes of the shape that it runs over.
    """

    sizes: list[int]
    strides: list[list[int]]
    axes: list[tuple[int, ...]]


def loops_over(shape: Shape, accesses: Sequence[Sequence[int]], apart: Sequence[bool] = ()) -> Loops:
    """The fewest loops over a shape, for accesses with these strides.

    apart: for each axis a mark; axes of different marks stay different loops, such as those that a sum reduces.
    """
    marks = list(apart) or [False] * len(shape)
    sizes: list[int] = []
    strides: list[list[int]] = [[] for _ in accesses]
    axes: list[tuple[int, ...]] = []
    for axis, n in enumerate(shape):
        if n == 1:
            continue
        if sizes and marks[axes[-1][-1]] == marks[axis] and all(
                one[-1] == given[axis] * n for one, given in zip(strides, accesses)):
            sizes[-1] *= n
            axes[-1] = (*axes[-1], axis)
            for one, given in zip(strides, accesses):
                one[-1] = given[axis]
            continue
        sizes.append(n)
        axes.append((axis,))
        for one, given in zip(strides, accesses):
            one.append(given[axis])
    return Loops(sizes, strides, axes)


def size_of(shape: Shape) -> int:
    return int(np.prod(shape, dtype=np.int64))
