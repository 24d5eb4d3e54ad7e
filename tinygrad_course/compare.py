"""Three ways to the same gradient, side by side: autodiff, the course's closed form, and finite differences."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from inspect import signature
from typing import Any

import numpy as np

from tinygrad_course import ops
from tinygrad_course.arguments import Cost, checked_cost, checked_data
from tinygrad_course.autodiff import gradients, topological_order
from tinygrad_course.checking import check_backward
from tinygrad_course.costs import binary_cross_entropy
from tinygrad_course.errors import InputError
from tinygrad_course.gradcheck import directional_derivative
from tinygrad_course.graph.roles import CONVENTIONS, checked_convention, named_steps
from tinygrad_course.holding import buffers_kept
from tinygrad_course.nn import Module
from tinygrad_course.shown import Table
from tinygrad_course.tensor import Array, Tensor, plain

__all__ = ["Comparison", "Difference", "Row", "check_backward", "compare_gradients"]


def __dir__() -> list[str]:
    return __all__


TITLE = "autodiff, apart from the formulas by hand (largest difference) and from finite differences (relative)"
CLOSED_FORM_TOLERANCE = 1e-9
DIFFERENCES_TOLERANCE = 1e-5
ROUNDING = 1e-5  # of the cost: gradients smaller than that are lost in the rounding of finite differences
STEPS = (1e-4, 1e-5, 1e-6)  # of finite differences: the largest that no kink lies within
KINKED = (ops.relu, ops.leaky_relu, ops.absolute, ops.maximum, ops.minimum)
SAMPLED = 24  # elements of an array whose finite differences are taken, besides those with the largest gradient


@dataclass(frozen=True)
class Difference:
    """How far two arrays are apart, and where most.

    absolute: the largest difference of two elements; relative: that, as a fraction of the largest element of both
    arrays; index: where it is; ours, other: both values there.
    """

    absolute: float
    relative: float
    index: tuple[int, ...]
    ours: float
    other: float


@dataclass(frozen=True)
class Row:
    """One quantity. closed_form, differences: how far autodiff is from them; None where there is none to compare.

    elements: how many elements were compared with finite differences.
    """

    name: str
    shape: tuple[int, ...]
    closed_form: Difference | None
    differences: Difference | None
    elements: int

    @property
    def verdict(self) -> str:
        """"equal", or which comparison differs."""
        wrong = [name for name, found, tolerance in (
            ("closed form", self.closed_form, CLOSED_FORM_TOLERANCE),
            ("finite differences", self.differences, DIFFERENCES_TOLERANCE))
            if found is not None and not found.relative <= tolerance]
        return f"differs from {' and '.join(wrong)}" if wrong else "equal"


@dataclass(frozen=True, repr=False)
class Comparison:
    """What `compare_gradients` found: one `Row` for each quantity, forward steps first. Shows itself as a table."""

    rows: tuple[Row, ...]
    convention: str

    @property
    def ok(self) -> bool:
        return all(row.verdict == "equal" for row in self.rows)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, as JSON knows them."""
        return {"convention": self.convention, "ok": self.ok,
                "rows": [{**asdict(row), "verdict": row.verdict} for row in self.rows]}

    def cells(self) -> Iterator[tuple[str, ...]]:
        """The table row by row, the heading first."""
        yield "", "shape", "apart", "relative", "at", "autodiff", "by hand", "numeric", "verdict"
        for row in self.rows:
            closed, numeric = row.closed_form, row.differences
            cells = [""] * 5 if closed is None else [
                f"{closed.absolute:.0e}", f"{closed.relative:.0e}", ",".join(map(str, closed.index)),
                f"{closed.ours:.3g}", f"{closed.other:.3g}"]
            yield (row.name, "x".join(map(str, row.shape)) or "number", *cells,
                   f"{numeric.relative:.0e}" if numeric else "", row.verdict)

    def table(self) -> Table:
        heading, *rows = self.cells()
        return Table("", heading, rows, CONVENTIONS[self.convention])

    def __repr__(self) -> str:
        return repr(self.table())

    def __rich__(self) -> Any:
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        heading, *rows = self.cells()
        table = Table(*heading, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), title=TITLE, title_justify="left",
                      caption=CONVENTIONS[self.convention], caption_justify="left")
        for row in rows:
            table.add_row(*row, style=None if row[-1] == "equal" else "bold red")
        return table

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def compare_gradients(model: Module, X: Any, Y: Any, convention: str = "course", seed: int = 0, *,
                      cost: Cost | str | None = None) -> Comparison:
    """Compare autodiff with the model's `closed_form` and with central differences, quantity by quantity.

    Compared are the gradient of every parameter, and every Z and A and their gradients dZ and dA. In large arrays
    finite differences are taken of the elements with the largest gradient and of some drawn at random.

    convention: of dZ and dA. "course", or "per_example": the derivative of an example's loss, m times that of the
    cost J, as in dZ[L] = A[L] - Y. "of_cost" is the derivative of J. Gradients of parameters are always those of J.
    A `closed_form(X, Y)` that does not take `steps` gives the gradients of the parameters alone; Z, A, dZ and dA are
    then compared with finite differences only; so is everything in a model without `closed_form`.
    cost: a function of y_hat and Y, or the name of one in `nn`, in place of the model's own, to which the closed form
    belongs: it is then left aside.
    Raises InputError for another convention, and data that do not fit or are not finite.
    """
    convention = checked_convention("course" if convention == "per_example" else convention)
    parameters = dict(model.named_parameters())
    if not parameters:
        raise InputError(f"{type(model).__name__} has no parameters, and so no gradients to compare")
    X, Y = checked_data(X, Y, binary=False, dtype=next(iter(parameters.values())).dtype)
    cost_of = checked_cost(cost)
    with buffers_kept(model):  # before the formulas by hand: its errors say what does not fit
        J = model.cost(X, Y) if cost_of is None else cost_of(model(X), Y)
    scale = X.shape[-1] if convention == "course" else 1
    by_hand: dict[str, Array] = {}
    if cost_of is None and hasattr(model, "closed_form"):
        has_steps = "steps" in signature(model.closed_form).parameters
        by_hand = model.closed_form(X, Y, **({"steps": True} if has_steps else {}))
    by_hand = {f"d{name}" if name in parameters else name:
               value * scale / X.shape[-1] if name.startswith("d") else value for name, value in by_hand.items()}
    random = np.random.RandomState(seed)

    found = gradients(J, np.ones_like(plain(J)))
    steps = named_steps(J)
    rows = [Row(name, Z.shape, _difference(plain(Z), by_hand.get(name)), None, 0) for name, Z in steps.items()]
    for name, Z in reversed(steps.items()):
        if found.get(Z) is not None:
            rows.append(_row(f"d{name}", found[Z] * scale, by_hand, Replay(J, Z), plain(Z), scale, random))
        elif by_hand:
            # Nothing flows through the last A, since the fused cost hands its gradient to Z; so unfuse it.
            unfused = binary_cross_entropy(Z, Y, fused=False)
            g = gradients(unfused, np.ones_like(plain(unfused)), [Z])[Z]
            rows.append(_row(f"d{name}", g * scale, by_hand, Replay(unfused, Z), plain(Z), scale, random))
    for name, parameter in parameters.items():
        if parameter in found:  # else the cost does not depend on it
            rows.append(_row(f"d{name}", found[parameter], by_hand, Replay(J, parameter), plain(parameter), 1, random))
    return Comparison(tuple(rows), convention)


class Replay:
    """The value of `output` as a function of one Tensor of its graph: what depends on it is computed again."""

    def __init__(self, output: Tensor, changed: Tensor):
        order = list(reversed(topological_order(output)))
        depends = {changed}
        for tensor in order:
            if any(parent in depends for parent in tensor.parents):
                depends.add(tensor)
        self.output, self.changed = output, changed
        self.order = [tensor for tensor in order if tensor in depends and tensor is not changed]

    def __call__(self, values: Array) -> float:
        return float(self.run(values)[0])

    def run(self, values: Array) -> tuple[Array, list[bytes]]:
        """The output, and on which side of its kink every relu and its like was."""
        now: dict[Tensor, Array] = {self.changed: values}
        sides = []
        with np.errstate(all="ignore"):
            for tensor in self.order:
                assert tensor.op is not None
                inputs = [now.get(parent, seen) for parent, seen in zip(tensor.parents, tensor.inputs)]
                now[tensor] = tensor.op.value(*inputs, **tensor.params)
                if tensor.op in KINKED:
                    sides.append(np.greater(inputs[0], inputs[1] if len(inputs) > 1 else 0).tobytes())
        return now[self.output], sides

    def derivative(self, values: Array, direction: Array) -> float:
        """The derivative along `direction` by central differences; nan if a kink is so close that there is none."""
        _, sides = self.run(values)
        for step in STEPS:
            if all(self.run(values + h * direction)[1] == sides for h in (2 * step, -2 * step)):
                return directional_derivative(self, values, direction, step)
        return float("nan")


def _row(name: str, g: Array, by_hand: dict[str, Array], replay: Replay, x: Array, scale: int,
         random: np.random.RandomState) -> Row:
    g = np.asarray(g)
    chosen = np.unique(np.concatenate([np.argsort(np.abs(g), axis=None)[-3:],
                                       random.permutation(g.size)[:SAMPLED]]).astype(int))
    differences = np.empty(chosen.size)
    for i, position in enumerate(chosen):
        one = np.zeros(g.size)
        one[position] = 1
        differences[i] = replay.derivative(x, one.reshape(g.shape)) * scale
    smooth = np.isfinite(differences)
    chosen, differences = chosen[smooth], differences[smooth]
    # A gradient that is zero but for rounding, as that of b before batch norm, has no digits to compare.
    rounding = ROUNDING * scale * float(np.max(np.abs(plain(replay.output))))
    numeric = _difference(g.reshape(-1)[chosen], differences, max(float(np.abs(g).max(initial=0)), rounding))
    if numeric is not None:
        index = np.unravel_index(chosen[numeric.index[0]], g.shape)
        numeric = replace(numeric, index=tuple(int(i) for i in index))
    return Row(name, g.shape, _difference(g, by_hand.get(name)), numeric, chosen.size)


def _difference(ours: Array, other: Array | None, scale: float = 0.0) -> Difference | None:
    """None where there is nothing to compare with, or where it is not finite, as dA at saturation."""
    if other is None or not np.isfinite(other).all() or np.size(other) == 0:
        return None
    ours, other = np.asarray(ours), np.asarray(other)
    apart = np.abs(ours - other)
    index = tuple(int(i) for i in np.unravel_index(int(apart.argmax()), apart.shape))
    largest = max(scale, float(np.abs(ours).max()), float(np.abs(other).max()))
    absolute = float(apart[index])
    return Difference(absolute, absolute / largest if largest else 0.0, index, float(ours[index]), float(other[index]))
