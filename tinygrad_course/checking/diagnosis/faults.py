"""The ways in which a formula goes wrong, in a table: each entry rewrites one node of a formula.

To add a mistake, add an entry to `FAULTS` (or, for the derivative of an activation, to `expressions.SLOPES`).
"""
from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from tinygrad_course.checking.expressions import SLOPES, Expression, scaled, show, symbol
from tinygrad_course.checking.course.formulas import Formula


class Context(NamedTuple):
    """What a rewriting may know: the formula, the quantities that are at hand, the factors that were seen."""
    formula: Formula
    quantities: Sequence[str]
    factors: Sequence[Fraction] = ()


class Variant(NamedTuple):
    """One formula gone wrong.

    family: mistakes of one family are one misunderstanding, made again. weight: how unlikely the mistake is.
    hint: what the learner's source would contain; it decides between mistakes that give the same numbers.
    """
    name: str
    family: str
    why: str
    expression: Expression
    weight: float
    hint: str = ""


class Change(NamedTuple):
    """What a node becomes, and the words for it."""
    node: Expression
    old: str = ""
    new: str = ""
    name: str = ""
    family: str = ""
    why: str = ""
    weight: float = 0.0


class Fault(NamedTuple):
    """name, why: with {old} and {new} for the parts concerned.

    Where `why` is "", the formula's own reason says it best.
    root: only for the formula as a whole.
    """
    name: str
    why: str
    rewrite: Callable[[Expression, Context], Iterable[Change | Expression]]
    weight: float = 1.0
    root: bool = False
    hint: str = ""


# ------------------------------------------------------------------------------------------ factors and signs


def m_power(new: int) -> Callable[[Expression, Context], Iterable[Expression]]:
    """Where 1/m stands, another power of m."""
    def rewrite(node: Expression, context: Context) -> Iterator[Expression]:
        if node.op == "scaled" and node.detail[1] == -1:
            factor = node.detail[0]
            yield node.parts[0] if new == 0 and factor == 1 else scaled(node.parts[0], factor, new)
    return rewrite


def m_where_none_belongs(power: int) -> Callable[[Expression, Context], Iterable[Change]]:
    def rewrite(node: Expression, context: Context) -> Iterator[Change]:
        if not (node.op == "scaled" and node.detail[1]) and "m" in context.quantities:
            # one 1/m too many in dZ is likelier than one too many in each of the results
            yield Change(scaled(node, m=power), weight=-0.2 * context.formula.hidden)
    return rewrite


def sign(node: Expression, context: Context) -> Iterator[Expression]:
    if node.op == "scaled":
        factor, power = node.detail
        yield node.parts[0] if (factor, power) == (-1, 0) else scaled(node.parts[0], -factor, power)


def sign_of_all(node: Expression, context: Context) -> Iterator[Expression]:
    if node.op not in ("scaled", "subtract", "size", "number"):
        yield scaled(node, -1)


def some_factor(node: Expression, context: Context) -> Iterator[Change]:
    for factor in context.factors if node.op != "size" else ():
        if node.op == "scaled":
            changed = scaled(node.parts[0], node.detail[0] * factor, node.detail[1])
        else:
            changed = scaled(node, factor)
        yield Change(changed, new=str(factor), weight=0.0 if factor.numerator in (1, 2) else 0.3)


# ------------------------------------------------------------------------------------------------------- sums


def sums(axis: str, keepdims: bool | None = None) -> Callable[[Expression, Context], Iterable[Change]]:
    """axis: "same", "other" or "all". keepdims: None for as it was."""
    def rewrite(node: Expression, context: Context) -> Iterator[Change]:
        if node.op != "sum":
            return
        old, kept = node.detail
        new = {"same": [old], "all": [None], "other": [a for a in (0, 1) if a != old]}[axis]
        for one in new:
            changed = Expression("sum", *node.parts, detail=(one, kept if keepdims is None else keepdims))
            if changed != node:
                yield Change(changed, old=f"axis={old}", new=f"axis={one}")
    return rewrite


def mean_for_sum(node: Expression, context: Context) -> Iterator[Expression]:
    if node.op == "sum":
        yield Expression("mean", *node.parts, detail=node.detail)
        yield Expression("mean", *node.parts, detail=(node.detail[0], False))


def mean_over_all(node: Expression, context: Context) -> Iterator[Change]:
    """np.mean(dZ) for (1/m) np.sum(dZ, axis=1): np.mean divides by the number of all elements."""
    if node.op == "scaled" and node.detail[1] == -1 and node.parts[0].op == "sum":
        old = node.parts[0].detail[0]
        for axis in (None, 0, 1):
            for keepdims in (False, True):
                if axis != old:
                    mean = Expression("mean", *node.parts[0].parts, detail=(axis, keepdims))
                    yield Change(mean if node.detail[0] == 1 else scaled(mean, node.detail[0]),
                                 new="all axes" if axis is None else "the wrong axis")


def only_part(*ops: str) -> Callable[[Expression, Context], Iterable[Change]]:
    """The operation is missing, its argument stands alone."""
    def rewrite(node: Expression, context: Context) -> Iterator[Change]:
        if node.op in ops:
            yield Change(node.parts[0], old=node.op)
    return rewrite


# --------------------------------------------------------------------------------------- products, transposes


def result_transposed(node: Expression, context: Context) -> Iterator[Expression]:
    if node.op not in ("size", "number", "subtract") and not context.formula.scalar:
        yield node.T


def flattened(node: Expression, context: Context) -> Iterator[Expression]:
    if not context.formula.hidden:
        yield Expression("ravel", node)


def operand_transposed(node: Expression, context: Context) -> Iterator[Change]:
    if node.op == "matmul":
        a, b = node.parts
        yield from (Change(changed, old=show(part)) for part, changed in ((a, a.T @ b), (b, a @ b.T))
                    if part.op != "transpose")


def turned_around(*ops: str) -> Callable[[Expression, Context], Iterable[Change]]:
    def rewrite(node: Expression, context: Context) -> Iterator[Change]:
        if node.op in ops:
            changed = Expression(node.op, *reversed(node.parts), detail=node.detail)
            yield Change(changed, old=show(node), new=show(changed))
    return rewrite


def elementwise_for_matmul(node: Expression, context: Context) -> Iterator[Expression]:
    if node.op == "matmul":
        a, b = node.parts
        yield a * b
        bare = [part.parts[0] if part.op == "transpose" else part for part in (a, b)]
        if bare != [a, b]:
            yield bare[0] * bare[1]
            yield bare[0].T * bare[1]


def replaced(old: str, *new: str) -> Callable[[Expression, Context], Iterable[Change]]:
    """One operation for another."""
    def rewrite(node: Expression, context: Context) -> Iterator[Change]:
        if node.op == old:
            yield from (Change(Expression(one, *node.parts, detail=node.detail), old=old, new=one) for one in new)
    return rewrite


def other_function(node: Expression, context: Context) -> Iterator[Change]:
    names = ("sigmoid", "tanh", "relu", "leaky_relu")
    if node.op in names:
        yield from (Change(Expression(name, *node.parts), old=node.op, new=name) for name in names if name != node.op)


def other_logarithm(node: Expression, context: Context) -> Iterator[Change]:
    if node.op == "log":
        yield from (Change(Expression(name, *node.parts), old="log", new=name) for name in ("log10", "log2", "exp"))


def applied_twice(node: Expression, context: Context) -> Iterator[Change]:
    if node.op in ("sigmoid", "tanh", "exp", "log"):
        yield Change(Expression(node.op, node), old=node.op)


def factor_missing(node: Expression, context: Context) -> Iterator[Change]:
    """One operand of a product or sum is missing; an activation's derivative has an entry of its own."""
    if node.op in ("multiply", "matmul", "add", "subtract", "divide"):
        a, b = node.parts
        for keep, drop in ((a, b), (b, a)):
            if node.op == "subtract" and drop is a and a.op == "number":  # log(A) for log(1 - A)
                yield Change(keep, name=f"{show(keep)} for {show(node)}")
            elif drop.op != "slope":
                yield Change(keep, old=show(drop))
        if node.op == "subtract":
            yield Change(scaled(b, -1), old=show(a))


# ------------------------------------------------------------------------------------------------ derivatives


def derivative_missing(node: Expression, context: Context) -> Iterator[Expression]:
    if node.op == "multiply" and node.parts[1].op == "slope":
        yield node.parts[0]


def derivative_twice(node: Expression, context: Context) -> Iterator[Expression]:
    if node.op == "multiply" and node.parts[1].op == "slope":
        yield node * node.parts[1]


def derivative_wrong(node: Expression, context: Context) -> Iterator[Change]:
    if node.op != "slope":
        return
    right = SLOPES[node.detail]
    for name, entry in SLOPES.items():
        if name == node.detail or entry.of == "identity" or (not entry.flaw and entry.of == right.of):
            continue
        changed = Expression("slope", *node.parts, detail=name)
        if entry.flaw:
            said, weight = f"derivative: {entry.flaw}", 0.0 if entry.of in (right.of, "") else 0.5
        else:
            said, weight = f"{entry.of}'s derivative for {right.of}'s", 0.0
        yield Change(changed, old=show(node), new=show(changed), name=said, family=said, weight=weight)


def derivative_extra(node: Expression, context: Context) -> Iterator[Change]:
    for one in context.formula.slopes:
        name = f"extra {SLOPES[one.detail].of} derivative"
        yield Change(node * one, new=show(one), name=name, family=name)


def difference_for_derivative(node: Expression, context: Context) -> Iterator[Expression]:
    """dAL = AL - Y: what is the derivative with respect to Z already."""
    if context.formula.name == "dAL":
        yield symbol("AL") - symbol("Y")


# ----------------------------------------------------------------------------------------- quantities, numbers


def kind_of(name: str) -> tuple[str, str]:
    """The letter of a quantity and its layer: ("dW", "2") for dW2."""
    found = re.fullmatch(r"(\D+?)(\d*|L)", name)
    return (found[1], found[2]) if found else (name, "")


def other_quantity(node: Expression, context: Context) -> Iterator[Change]:
    if node.op != "symbol" or node.detail == "m":
        return
    old = str(node.detail)
    for new in context.quantities:
        if new in (old, "m"):
            continue
        (old_letter, old_layer), (new_letter, new_layer) = kind_of(old), kind_of(new)
        if old_letter == new_letter and old_layer:
            family, why, weight = f"{old_letter} of the wrong layer", f"{new} belongs to another layer", 0.0
        else:
            family, why, weight = f"{new_letter} for {old_letter}", "", 0.1 if new_layer == old_layer else 0.4
        weight += 0.2 * (new_letter.startswith("d") != old_letter.startswith("d"))
        yield Change(symbol(new), old, new, f"{new} for {old}", family, why, weight)


def another_result(node: Expression, context: Context) -> Iterator[Change]:
    """The formula gives another quantity altogether: a line copied and not changed, two keys swapped."""
    for new in context.quantities:
        if new not in (context.formula.name, "m") and node.op not in ("size", "number") and node != symbol(new):
            yield Change(symbol(new), context.formula.name, new, f"{new} returned as {context.formula.name}")


def overwritten(node: Expression, context: Context) -> Iterator[Change]:
    """A parameter that was updated before it was used."""
    if node.op == "symbol" and node.detail[:1] in ("W", "w", "b") and f"d{node.detail}" in context.quantities:
        name = str(node.detail)
        for rate in ("learning_rate", "0.0075", "0.005", "0.01", "0.1", "0.5", "1", "1.2"):
            if rate == "learning_rate" and rate not in context.quantities:
                continue
            step = symbol(rate) * symbol(f"d{name}") if rate == "learning_rate" else scaled(
                symbol(f"d{name}"), Fraction(rate))
            yield Change(node - step, old=name, new=f"{name} - {rate} d{name}")


WITH_SIZES = ("X", "Y", "A", "AL", "A_prev", "W", "w", "dZ", "Z")


def other_axis(node: Expression, context: Context) -> Iterator[Change]:
    if node.op == "size":
        yield Change(Expression("size", *node.parts, detail=1 - node.detail), show(node), f"axis {1 - node.detail}")
        counted = Expression("count", *node.parts)
        yield Change(counted, show(node), show(counted), weight=0.1)
        for name in context.quantities:
            for axis in (0, 1):
                changed = Expression("size", symbol(name), detail=axis)
                if kind_of(name)[0] in WITH_SIZES and changed.parts != node.parts:
                    yield Change(changed, show(node), show(changed), weight=0.4)


def m_is_something_else(node: Expression, context: Context) -> Iterator[Change]:
    if node.op == "scaled" and node.detail[1] and not context.formula.hidden:
        for name in ("n_x", "n_h"):
            if name in context.quantities:
                yield Change(Expression("scaled", node.parts[0], symbol(name), detail=node.detail), "m", name)


def other_number(node: Expression, context: Context) -> Iterator[Change]:
    if node.op == "number":
        numbers = {0.5: (0, 0.1, 0.2, 0.25, 0.3, 0.4, 0.45, 0.55, 0.6, 0.7, 0.75, 0.8, 0.9, 1), 4: range(1, 33)}
        for new in numbers.get(node.detail, (0, 2, -1, 0.5)):
            if new != node.detail:
                yield Change(Expression("number", detail=new), str(node.detail), str(new))


def number_for_rate(node: Expression, context: Context) -> Iterator[Change]:
    if node.op == "symbol" and node.detail == "learning_rate":
        for rate in (1.2, 0.0075, 0.005, 0.009, 0.01, 0.001, 0.1, 0.5, 2.0):
            yield Change(Expression("number", detail=rate), "learning_rate", f"{rate:g}")


def number_is_a_size(node: Expression, context: Context) -> Iterator[Change]:
    if node.op == "number" and node.detail == 4:
        for name in context.quantities:
            for axis in (0, 1):
                changed = Expression("size", symbol(name), detail=axis)
                yield Change(changed, "4", show(changed))


WHY_MEAN = "J is the mean over the m examples, so J and its derivatives carry 1/m"
WHY_ONCE = "the mean is taken once: 1/m is applied in dW and db, and nowhere else"
WHY_SHAPE = "the shape has to be that of the quantity whose derivative it is"

FAULTS = [
    Fault("1/m missing", WHY_MEAN + "; without it the result is m times too large", m_power(0)),
    Fault("1/m twice", WHY_ONCE + "; np.mean divides by m as well", m_power(-2)),
    Fault("m times instead of 1/m", WHY_MEAN + ": divide by m, do not multiply", m_power(1)),
    Fault("1/m where none belongs", WHY_ONCE, m_where_none_belongs(-1), 1.1, root=True),
    Fault("m times too large", WHY_ONCE, m_where_none_belongs(1), 4.0, root=True),
    Fault("mean for sum", "np.mean divides by the number of its elements already, and 1/m does it again", mean_for_sum,
          1.05, hint=r"\bmean\("),
    Fault("sign", "", sign),
    Fault("sign", "", sign_of_all, 1.1, root=True),
    Fault("factor {new}", "", some_factor, 1.4, root=True),
    Fault("sum missing", "the contributions of all examples have to be added up", only_part("sum")),
    Fault("sum over the wrong axis", "axis 1 runs over the examples, axis 0 over the units", sums("other")),
    Fault("sum over the wrong axis", "axis 1 runs over the examples, axis 0 over the units",
          sums("other", False), 1.2),
    Fault("sum over all axes", "without axis=1 the units are added up as well", sums("all", False)),
    Fault("sum over all axes", "without axis=1 the units are added up as well", sums("all"), 1.1),
    Fault("keepdims missing", "without keepdims=True the result has the shape (n,) for (n, 1), and (n,) broadcasts as "
          "a row", sums("same", False)),
    Fault("mean over {new}", "axis=1 runs over the examples, axis=0 over the units; np.mean without an axis divides by "
          "the number of all elements", mean_over_all, 1.05),
    Fault("flattened", WHY_SHAPE, flattened, 2.0, root=True),
    Fault("result transposed", WHY_SHAPE, result_transposed, 1.2, root=True),
    Fault("transpose missing", "", only_part("transpose")),
    Fault("{old} transposed", "", operand_transposed, 1.1),
    Fault("factors swapped", "a matrix product depends on the order of its factors", turned_around("matmul"), 1.1),
    Fault("* for matmul", "* multiplies element by element; here a matrix product (np.dot, @) is needed",
          elementwise_for_matmul),
    Fault("matmul for *", "this product is element by element, not a matrix product", replaced("multiply", "matmul")),
    Fault("{new} for {old}", "", turned_around("subtract", "divide")),
    Fault("+ for -", "", replaced("subtract", "add"), 0.95),
    Fault("- for +", "", replaced("add", "subtract"), 0.95),
    Fault("* for +", "", replaced("add", "multiply"), 1.5),
    Fault("{old} missing", "", factor_missing, 1.2),
    Fault("activation derivative missing", "by the chain rule dZ = dA * g'(Z)", derivative_missing),
    Fault("activation derivative twice", "by the chain rule g'(Z) enters once", derivative_twice, 1.1),
    Fault("derivative", "the derivative of an activation is tanh: 1 - A^2, sigmoid: A (1 - A), relu: 1 where Z > 0, "
          "with A = g(Z)", derivative_wrong),
    Fault("extra derivative", "A - Y is the derivative with respect to Z already: the sigmoid's derivative is in it",
          derivative_extra, root=True),
    Fault("extra sigmoid derivative", "AL - Y is the derivative with respect to Z already: the sigmoid's derivative, "
          "which comes next, is in it", difference_for_derivative, root=True),
    Fault("other quantity", "", other_quantity, 1.2),
    Fault("{new} returned as {old}", "", another_result, 1.5, root=True),
    Fault("{old} overwritten before use", "the backward pass needs the parameters of the forward pass: compute all "
          "gradients first, then update", overwritten, 1.8),
    Fault("size taken from {new}", "examples are columns, so m is X.shape[1], and n_x is X.shape[0]", other_axis, 1.1,
          hint=r"shape\[0\]|shape\[-2\]|\blen\("),
    Fault("{new} for m", "the mean is taken over the examples", m_is_something_else, 1.3),
    Fault("{new} for {old}", "", other_function),
    Fault("{new} for {old}", "the cost uses the natural logarithm", other_logarithm, 1.2),
    Fault("{old} missing", "", only_part("sigmoid", "tanh", "relu", "log", "exp", "max")),
    Fault("{old} applied twice", "", applied_twice, 1.2),
    Fault("min for max", "relu keeps what is positive", replaced("max", "min")),
    Fault("max missing", "relu is 0 where z is negative, not 1 or |z|", lambda node, context: [
        Expression(op, node.parts[1]) for op in ("abs", "step", "leaky_relu")] if node.op == "max" else []),
    Fault("comparison reversed", "the class is 1 where A is larger than 0.5", replaced("greater", "less")),
    Fault("threshold missing", "a prediction is 0 or 1, not a probability", only_part("greater")),
    Fault("{new} for {old}", "", other_number, 1.2),
    Fault("{new} for {old}", "", number_is_a_size, 1.2),
    Fault("{new} for {old}", "the learning rate is the one that is given", number_for_rate, 1.2),
]


def variants(context: Context) -> list[Variant]:
    """Every way in which the formula goes wrong once, the likeliest first."""
    found: dict[Expression, Variant] = {}
    for fault in FAULTS:
        for change, expression in rewritten(context.formula.right, fault, context):
            if expression == context.formula.right:
                continue
            words = {"old": change.old, "new": change.new}
            name = (change.name or fault.name).format(**words)
            variant = Variant(name, change.family or _family(fault, name), (change.why or fault.why).format(**words),
                              expression, fault.weight + change.weight, fault.hint)
            if expression not in found or found[expression].weight > variant.weight:
                found[expression] = variant
    return sorted(found.values(), key=lambda variant: variant.weight)


def _family(fault: Fault, name: str) -> str:
    """Layer numbers do not count: "W2 missing" and "W3 missing" are one mistake."""
    return re.sub(r"\d+", "", name) if "{" in fault.name and "factor" not in fault.name else name


def rewritten(node: Expression, fault: Fault, context: Context, root: bool = True) -> Iterator[tuple[Change, Any]]:
    """The formula with one of its nodes rewritten, for each node to which the fault applies."""
    if root or not fault.root:
        for change in fault.rewrite(node, context):
            change = change if isinstance(change, Change) else Change(change)
            yield change, change.node
    for place, part in enumerate(node.parts):
        if node.op == "scaled" and place == 1:
            continue
        for change, new in rewritten(part, fault, context, root=False):
            parts = (*node.parts[:place], new, *node.parts[place + 1:])
            yield change, Expression(node.op, *parts, detail=node.detail)
