"""The ways in which a formula goes wrong, in a table: each entry rewrites one node of a formula.

To add a mistake, add an entry to `FAULTS` (or, for the derivative of an activation, to `slopes.SLOPES`).
"""
from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from tinygrad_course.checking.course.formulas import Formula
from tinygrad_course.checking.course.operations import scaled, show
from tinygrad_course.checking.course.slopes import SLOPES
from tinygrad_course.equations.expressions import Expression, number, symbol, written


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
        if node.head == "scaled" and node.content[1] == -1:
            factor = node.content[0]
            yield node.args[0] if new == 0 and factor == 1 else scaled(node.args[0], factor, new)
    return rewrite


def m_where_none_belongs(power: int) -> Callable[[Expression, Context], Iterable[Change]]:
    def rewrite(node: Expression, context: Context) -> Iterator[Change]:
        if not (node.head == "scaled" and node.content[1]) and "m" in context.quantities:
            # one 1/m too many in dZ is likelier than one too many in each of the results
            yield Change(scaled(node, m=power), weight=-0.2 * context.formula.hidden)
    return rewrite


def sign(node: Expression, context: Context) -> Iterator[Expression]:
    if node.head == "scaled":
        factor, power = node.content
        yield node.args[0] if (factor, power) == (-1, 0) else scaled(node.args[0], -factor, power)


def sign_of_all(node: Expression, context: Context) -> Iterator[Expression]:
    if node.head not in ("scaled", "subtract", "size", "number"):
        yield scaled(node, -1)


def some_factor(node: Expression, context: Context) -> Iterator[Change]:
    for factor in context.factors if node.head != "size" else ():
        if node.head == "scaled":
            changed = scaled(node.args[0], node.content[0] * factor, node.content[1])
        else:
            changed = scaled(node, factor)
        yield Change(changed, new=str(factor), weight=0.0 if factor.numerator in (1, 2) else 0.3)


# ------------------------------------------------------------------------------------------------------- sums


def sums(axis: str, keepdims: bool | None = None) -> Callable[[Expression, Context], Iterable[Change]]:
    """axis: "same", "other" or "all". keepdims: None for as it was."""
    def rewrite(node: Expression, context: Context) -> Iterator[Change]:
        if node.head != "sum":
            return
        old, kept = node.content
        new = {"same": [old], "all": [None], "other": [a for a in (0, 1) if a != old]}[axis]
        for one in new:
            changed = written("sum", *node.args, content=(one, kept if keepdims is None else keepdims))
            if changed != node:
                yield Change(changed, old=f"axis={old}", new=f"axis={one}")
    return rewrite


def mean_for_sum(node: Expression, context: Context) -> Iterator[Expression]:
    if node.head == "sum":
        yield written("mean", *node.args, content=node.content)
        yield written("mean", *node.args, content=(node.content[0], False))


def mean_over_all(node: Expression, context: Context) -> Iterator[Change]:
    """np.mean(dZ) for (1/m) np.sum(dZ, axis=1): np.mean divides by the number of all elements."""
    if node.head == "scaled" and node.content[1] == -1 and node.args[0].head == "sum":
        old = node.args[0].content[0]
        for axis in (None, 0, 1):
            for keepdims in (False, True):
                if axis != old:
                    mean = written("mean", *node.args[0].args, content=(axis, keepdims))
                    yield Change(mean if node.content[0] == 1 else scaled(mean, node.content[0]),
                                 new="all axes" if axis is None else "the wrong axis")


def only_part(*ops: str) -> Callable[[Expression, Context], Iterable[Change]]:
    """The operation is missing, its argument stands alone."""
    def rewrite(node: Expression, context: Context) -> Iterator[Change]:
        if node.head in ops:
            yield Change(node.args[0], old=node.head)
    return rewrite


# --------------------------------------------------------------------------------------- products, transposes


def result_transposed(node: Expression, context: Context) -> Iterator[Expression]:
    if node.head not in ("size", "number", "subtract") and not context.formula.scalar:
        yield node.T


def flattened(node: Expression, context: Context) -> Iterator[Expression]:
    if not context.formula.hidden:
        yield written("ravel", node)


def operand_transposed(node: Expression, context: Context) -> Iterator[Change]:
    if node.head == "matmul":
        a, b = node.args
        yield from (Change(changed, old=show(part)) for part, changed in ((a, a.T @ b), (b, a @ b.T))
                    if part.head != "transpose")


def turned_around(*ops: str) -> Callable[[Expression, Context], Iterable[Change]]:
    def rewrite(node: Expression, context: Context) -> Iterator[Change]:
        if node.head in ops:
            changed = written(node.head, *reversed(node.args), content=node.content)
            yield Change(changed, old=show(node), new=show(changed))
    return rewrite


def elementwise_for_matmul(node: Expression, context: Context) -> Iterator[Expression]:
    if node.head == "matmul":
        a, b = node.args
        yield a * b
        bare = [part.args[0] if part.head == "transpose" else part for part in (a, b)]
        if bare != [a, b]:
            yield bare[0] * bare[1]
            yield bare[0].T * bare[1]


def outer_products(node: Expression, context: Context) -> Iterator[Expression]:
    """The cost from Y^T log(A): an m x m product, of which the diagonal alone belongs to the cost."""
    if node.head != "sum" or not context.formula.scalar:
        return
    inner = node.args[0]
    if inner.head == "add" and all(term.head == "multiply" for term in inner.args):
        first, second = (term.args[0].T @ term.args[1] for term in inner.args)
        yield written("sum", first + second, content=node.content)
        yield first + second
        yield written("diagonal", first + second)


def matrix_products_throughout(node: Expression, context: Context) -> Iterator[Expression]:
    """np.dot for every * in dZ: the slope 1 - A^2 from A^T A, and a matrix product with it."""
    if node.head == "multiply" and node.args[1].head == "slope":
        (before, slope), (A, _) = node.args, node.args[1].args
        squares = {"tanh": [1 - A.T @ A, 1 - A @ A.T, 1 - A @ A], "sigmoid": [A.T @ (1 - A), A @ (1 - A.T)]}
        for square in squares.get(slope.content, []):
            yield before @ square
            yield square @ before
            yield before * square


def replaced(old: str, *new: str) -> Callable[[Expression, Context], Iterable[Change]]:
    """One operation for another."""
    def rewrite(node: Expression, context: Context) -> Iterator[Change]:
        if node.head == old:
            yield from (Change(written(one, *node.args, content=node.content), old=old, new=one) for one in new)
    return rewrite


def other_function(node: Expression, context: Context) -> Iterator[Change]:
    names = ("sigmoid", "tanh", "relu", "leaky_relu")
    if node.head in names:
        yield from (Change(written(name, *node.args), old=node.head, new=name) for name in names if name != node.head)


def other_logarithm(node: Expression, context: Context) -> Iterator[Change]:
    if node.head == "log":
        yield from (Change(written(name, *node.args), old="log", new=name) for name in ("log10", "log2", "exp"))


def applied_twice(node: Expression, context: Context) -> Iterator[Change]:
    if node.head in ("sigmoid", "tanh", "exp", "log"):
        yield Change(written(node.head, node), old=node.head)


def factor_missing(node: Expression, context: Context) -> Iterator[Change]:
    """One operand of a product or sum is missing; an activation's derivative has an entry of its own."""
    if node.head in ("multiply", "matmul", "add", "subtract", "divide"):
        a, b = node.args
        for keep, drop in ((a, b), (b, a)):
            if node.head == "subtract" and drop is a and a.head == "number":  # log(A) for log(1 - A)
                yield Change(keep, name=f"{show(keep)} for {show(node)}")
            elif drop.head != "slope":
                yield Change(keep, old=show(drop))
        if node.head == "subtract":
            yield Change(scaled(b, -1), old=show(a))


# ------------------------------------------------------------------------------------------------ derivatives


def derivative_missing(node: Expression, context: Context) -> Iterator[Expression]:
    if node.head == "multiply" and node.args[1].head == "slope":
        yield node.args[0]


def derivative_twice(node: Expression, context: Context) -> Iterator[Expression]:
    if node.head == "multiply" and node.args[1].head == "slope":
        yield node * node.args[1]


def derivative_wrong(node: Expression, context: Context) -> Iterator[Change]:
    if node.head != "slope":
        return
    right = SLOPES[node.content]
    for name, entry in SLOPES.items():
        if name == node.content or entry.of == "identity" or (not entry.flaw and entry.of == right.of):
            continue
        changed = written("slope", *node.args, content=name)
        if entry.flaw:
            said, weight = f"derivative: {entry.flaw}", 0.0 if entry.of in (right.of, "") else 0.5
        else:
            said, weight = f"{entry.of}'s derivative for {right.of}'s", 0.0
        yield Change(changed, old=show(node), new=show(changed), name=said, family=said, weight=weight)


def derivative_extra(node: Expression, context: Context) -> Iterator[Change]:
    for one in context.formula.slopes:
        name = f"extra {SLOPES[one.content].of} derivative"
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
    if node.head != "symbol":
        return
    old = str(node.content)
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
        if new not in (context.formula.name, "m") and node.head not in ("size", "number") and node != symbol(new):
            yield Change(symbol(new), context.formula.name, new, f"{new} returned as {context.formula.name}")


def overwritten(node: Expression, context: Context) -> Iterator[Change]:
    """A parameter that was updated before it was used."""
    if node.head == "symbol" and node.content[:1] in ("W", "w", "b") and f"d{node.content}" in context.quantities:
        name = str(node.content)
        for rate in ("learning_rate", "0.0075", "0.005", "0.01", "0.1", "0.5", "1", "1.2"):
            if rate == "learning_rate" and rate not in context.quantities:
                continue
            step = symbol(rate) * symbol(f"d{name}") if rate == "learning_rate" else scaled(
                symbol(f"d{name}"), Fraction(rate))
            yield Change(node - step, old=name, new=f"{name} - {rate} d{name}")


WITH_SIZES = ("X", "Y", "A", "AL", "A_prev", "W", "w", "dZ", "Z")


def other_axis(node: Expression, context: Context) -> Iterator[Change]:
    if node.head == "size":
        yield Change(written("size", *node.args, content=1 - node.content), show(node), f"axis {1 - node.content}")
        counted = written("count", *node.args)
        yield Change(counted, show(node), show(counted), weight=0.1)
        for name in context.quantities:
            for axis in (0, 1):
                changed = written("size", symbol(name), content=axis)
                if kind_of(name)[0] in WITH_SIZES and changed.args != node.args:
                    yield Change(changed, show(node), show(changed), weight=0.4)


def m_is_something_else(node: Expression, context: Context) -> Iterator[Change]:
    if node.head == "scaled" and node.content[1] and not context.formula.hidden:
        for name in ("n_x", "n_h"):
            if name in context.quantities:
                yield Change(written("scaled", node.args[0], symbol(name), content=node.content), "m", name)


def other_number(node: Expression, context: Context) -> Iterator[Change]:
    if node.head == "number":
        numbers = {0.5: (0, 0.1, 0.2, 0.25, 0.3, 0.4, 0.45, 0.55, 0.6, 0.7, 0.75, 0.8, 0.9, 1), 4: range(1, 33)}
        for new in numbers.get(node.content, (0, 1, 2, -1, 0.5)):
            if new != node.content:
                yield Change(number(new), show(node), f"{new:g}")


def number_for_rate(node: Expression, context: Context) -> Iterator[Change]:
    if node.head == "symbol" and node.content == "learning_rate":
        for rate in (1.2, 0.0075, 0.005, 0.009, 0.01, 0.001, 0.1, 0.5, 2.0):
            yield Change(number(rate), "learning_rate", f"{rate:g}")


def number_is_a_size(node: Expression, context: Context) -> Iterator[Change]:
    if node.head == "number" and node.content == 4:
        for name in context.quantities:
            for axis in (0, 1):
                changed = written("size", symbol(name), content=axis)
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
    Fault("an m x m matrix product for the element-wise one", "the cost adds up y log(a) of each example with itself; "
          "Y^T log(A) multiplies every example's y with every other's a, too: use * (or np.dot(Y, log(A).T))",
          outer_products),
    Fault("matrix products where element-wise ones belong", "g'(Z) belongs to one unit and one example at a time: * or "
          "np.multiply, and A ** 2 or np.power(A, 2), not np.dot", matrix_products_throughout),
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
        written(op, node.args[1]) for op in ("abs", "step", "leaky_relu")] if node.head == "max" else []),
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
    for place, part in enumerate(node.args):
        if node.head == "scaled" and place == 1:
            continue
        for change, new in rewritten(part, fault, context, root=False):
            parts = (*node.args[:place], new, *node.args[place + 1:])
            yield change, written(node.head, *parts, content=node.content)
