"""The Broadcasting Rule, and its gradient.

To broadcast, the sizes of the trailing axes of both arrays must be equal, or one of them must be one. Axes are
compared from the end, so they are counted from the end here too: -1 is the last axis.

An axis that was stretched in the forward pass used one number several times. Each use contributes to the
gradient of that number, so the backward pass adds them up: `unbroadcast`.
"""
from __future__ import annotations

from itertools import zip_longest
from numbers import Integral
from typing import Any, TypeVar

from tinygrad_course.errors import InputError
from tinygrad_course.shown import Explanation

Shape = tuple[int, ...]
ArrayOrTensor = TypeVar("ArrayOrTensor", bound=Any)

ORDINALS = {1: "trailing dimensions do not match", 2: "second from last dimensions mismatched",
            3: "third from last dimensions mismatched"}


def broadcast_shape(*shapes: Shape) -> Shape:
    """The shape that arrays of these shapes have together.

    Raises `InputError` with the aligned table of `explain_broadcast` where the rule does not hold.
    """
    shapes = _checked(shapes)
    columns = _columns(shapes)
    sizes = [_common_size(column) for column in columns]
    if None in sizes:
        axis = sizes.index(None)
        raise InputError(f"shapes {' and '.join(map(str, shapes))} do not broadcast: axis -{axis + 1} has sizes "
                         f"{_listed(columns[axis])}\n{explain_broadcast(*shapes)}")
    return tuple(size for size in reversed(sizes) if size is not None)


def explain_broadcast(*shapes: Shape) -> Explanation:
    """The shapes aligned at their last axis, the result, and the verdict for each axis, last axis first.

    >>> explain_broadcast((15, 3, 5), (3, 1))
    A      (3d array):  15 x 3 x 5
    B      (2d array):       3 x 1
    Result (3d array):  15 x 3 x 5
    axis -1: 5 and 1: B is stretched to 5
    axis -2: 3 and 3: equal
    axis -3: 15 and none: B is repeated 15 times

    Raises InputError for what is no shape.
    """
    shapes = _checked(shapes)
    columns = _columns(shapes)
    sizes = [_common_size(column) for column in columns]
    widths = [max(len(str(size)) for size in column if size is not None) for column in reversed(columns)]
    labels = [chr(ord("A") + i) if i < 26 else f"#{i + 1}" for i in range(len(shapes))]

    rows = [_row(label, shape, widths) for label, shape in zip(labels, shapes)]
    if None in sizes:
        axis = sizes.index(None) + 1
        reason = ORDINALS.get(axis, f"dimensions {axis} from last mismatched")
        rows.append(f"Result: fails, {reason}")
    else:
        result = tuple(size for size in reversed(sizes) if size is not None)
        rows.append(_row("Result", result, widths))
    verdicts = [f"axis -{i}: {_verdict(column, size, labels)}"
                for i, (column, size) in enumerate(zip(columns, sizes), start=1)]
    return Explanation("\n".join(row.rstrip() for row in rows + verdicts))


def unbroadcast(gradient: ArrayOrTensor, shape: Shape) -> ArrayOrTensor:
    """Undo broadcasting: add up `gradient` over every axis along which an input of `shape` was stretched.

    Works on arrays and on Tensors alike, so the sum is itself recorded when the backward pass is.
    """
    given = gradient.shape
    if given == shape:
        return gradient
    added = len(given) - len(shape)
    axes = [i for i, size in enumerate(given) if i < added or shape[i - added] != size]
    total: ArrayOrTensor = gradient.sum(axis=tuple(axes), keepdims=True)
    return total if added == 0 else total.reshape(shape)  # type: ignore[no-any-return]


def _checked(shapes: tuple[Any, ...]) -> tuple[Shape, ...]:
    for shape in shapes:
        if not isinstance(shape, (tuple, list)) or not all(isinstance(n, Integral) and int(n) >= 0 for n in shape):
            raise InputError(f"a shape is a tuple of whole numbers, such as x.shape; got {type(shape).__name__} "
                             f"{str(shape)[:60] if not isinstance(shape, int) else ''}")
    return tuple(tuple(shape) for shape in shapes)


def _columns(shapes: tuple[Shape, ...]) -> list[tuple[int | None, ...]]:
    """The sizes that meet at axis -1, -2, ...; None where a shape has no such axis."""
    return list(zip_longest(*(tuple(reversed(shape)) for shape in shapes)))


def _common_size(column: tuple[int | None, ...]) -> int | None:
    """The size to which one axis broadcasts, or None where the sizes disagree."""
    sizes = {size for size in column if size is not None and size != 1}
    if len(sizes) > 1:
        return None
    return sizes.pop() if sizes else 1


def _row(label: str, shape: Shape, widths: list[int]) -> str:
    cells = [""] * (len(widths) - len(shape)) + [str(size) for size in shape]
    text = "".join(f"{cell:>{width}}" + (" x " if cell else "   ") for cell, width in zip(cells, widths))
    return f"{label:<6} ({len(shape)}d array):  {text.removesuffix(' x ')}"


def _verdict(column: tuple[int | None, ...], size: int | None, labels: list[str]) -> str:
    sizes = _listed(column)
    if size is None:
        return f"{sizes}: mismatch, they are neither equal nor one"
    repeated = [label for label, n in zip(labels, column) if n is None and size != 1]
    stretched = [label for label, n in zip(labels, column) if n == 1 and size != 1]
    actions = [f"{label} is stretched to {size}" for label in stretched]
    actions += [f"{label} is repeated {size} times" for label in repeated]
    return f"{sizes}: {', '.join(actions) or ('equal' if None not in column else 'one, nothing to do')}"


def _listed(column: tuple[int | None, ...]) -> str:
    return " and ".join("none" if size is None else str(size) for size in column)
