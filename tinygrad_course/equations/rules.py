"""Simplification of expressions: a table of small rules, each an identity of algebra.

`build` makes an expression of arguments that are simplified already and applies the rules for its head. A rule looks
at one expression and returns an equal one that is simpler, made with `build` in turn, or None. The rules in this file
hold element by element; those that move elements about are in `rules_arrays`.

What the rules lead to: a sum is one node "add" with any number of terms, a product one node "multiply" with any number
of factors, numbers first; a difference is a sum with a factor -1, a quotient a product with a power -1. Numbers, and m,
travel outwards, through sums, matrix products and transposes, until they stand at the front of the formula.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from tinygrad_course.broadcasting import Shape
from tinygrad_course.equations.expressions import EXAMPLES, MINUS_ONE, ONE, ZERO, Expression, number

Rule = Callable[[Expression], "Expression | None"]
RULES: dict[str, list[Rule]] = {}

# Operations of one array or several, element by element.
ELEMENTWISE = {"add", "multiply", "power", "greater", "equal", "where", "maximum", "minimum", "abs", "sign", "sqrt",
               "exp", "expm1", "log", "log1p", "sigmoid", "tanh", "relu", "leaky_relu", "softplus", "clip", "local",
               "subtract", "divide", "negative", "square", "reciprocal", "astype"}
LARGEST = 60  # larger expressions are not multiplied out on the chance that something cancels


def build(head: str, *args: Expression, shape: Shape | None = None, **params: Any) -> Expression:
    """The operation `head` of simplified arguments, simplified. `shape` can be left out where it follows from them."""
    if shape is None:
        shape = np.broadcast_shapes(*(arg.shape for arg in args)) if head in ELEMENTWISE else shape_of(
            head, args, params)
    expression = Expression(head, args, shape, tuple(sorted(params.items())))
    for rule in RULES.get(head, ()):
        simpler = rule(expression)
        if simpler is not None:
            return simpler if simpler.shape == shape else build("broadcast_to", simpler, shape=shape)
    return expression


def shape_of(head: str, args: tuple[Expression, ...], params: dict[str, Any]) -> Shape:
    """The shape of the operations that rules make and that are not element by element."""
    x = args[0]
    if head == "matmul":
        return np.matmul(*(np.broadcast_to(0, arg.shape) for arg in args)).shape
    if head == "transpose":
        axes = params.get("axes")
        return x.shape[::-1] if axes is None else tuple(x.shape[axis] for axis in axes)
    if head == "sum":
        axes = tuple(range(x.ndim)) if params["axis"] is None else tuple(axis % x.ndim for axis in params["axis"])
        kept = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
        return kept if params["keepdims"] else tuple(n for i, n in enumerate(x.shape) if i not in axes)
    raise ValueError(f"the shape of {head} has to be given")


add = partial(build, "add")
multiply = partial(build, "multiply")


def power(x: Expression, exponent: int) -> Expression:
    return build("power", x, number(exponent))


def spread(x: Expression, shape: Shape) -> Expression:
    return x if x.shape == shape else build("broadcast_to", x, shape=shape)


def rule(*heads: str) -> Callable[[Rule], Rule]:
    """Enter a function as a rule for expressions with these heads; rules are tried in the order of definition."""
    def entered(function: Rule) -> Rule:
        for head in heads:
            RULES.setdefault(head, []).append(function)
        return function
    return entered


# --------------------------------------------------------------------------------------- coefficients: c m^k


def coefficient(x: Expression) -> tuple[Fraction, int, Expression]:
    """x as c m^k times the rest: c, k, the rest."""
    if x.head == "number":
        return x.content, 0, ONE
    if x.head == "examples":
        return Fraction(1), 1, ONE
    if x.head == "power" and x.args[0].head == "examples" and _whole(x.args[1]):
        return Fraction(1), int(x.args[1].content), ONE
    if x.head == "multiply":
        c, k = Fraction(1), 0
        for arg in x.args:
            if arg.size == 0:
                ci, ki, _ = coefficient(arg)
                c, k = c * ci, k + ki
        if c == 1 and k == 0:
            return c, k, x
        others = [arg for arg in x.args if arg.size]
        return c, k, others[0] if len(others) == 1 else multiply(*others) if others else ONE
    if x.head == "broadcast_to":
        c, k, rest = coefficient(x.args[0])
        return (c, k, x) if c == 1 and k == 0 else (c, k, build("broadcast_to", rest, shape=x.shape))
    return Fraction(1), 0, x


def scaled(c: Fraction, k: int, x: Expression) -> Expression:
    """c m^k x."""
    factors = [] if c == 1 else [number(c)]
    if k:
        factors.append(power(EXAMPLES, k))
    return multiply(*factors, x, shape=x.shape) if factors else x


def _whole(x: Expression) -> bool:
    return x.is_number() and isinstance(x.content, Fraction) and x.content.denominator == 1


# ------------------------------------------------------------------ what is an abbreviation for something else


@rule("subtract")
def difference(x: Expression) -> Expression:
    """a - b = a + (-1) b"""
    return add(x.args[0], multiply(MINUS_ONE, x.args[1]), shape=x.shape)


@rule("negative")
def negation(x: Expression) -> Expression:
    """-a = (-1) a"""
    return multiply(MINUS_ONE, x.args[0])


@rule("divide")
def quotient(x: Expression) -> Expression:
    """a / b = a b^-1"""
    return multiply(x.args[0], power(x.args[1], -1), shape=x.shape)


@rule("square")
def squared(x: Expression) -> Expression:
    """square(a) = a^2"""
    return power(x.args[0], 2)


@rule("reciprocal")
def inverse(x: Expression) -> Expression:
    """reciprocal(a) = a^-1"""
    return power(x.args[0], -1)


# ------------------------------------------------------------------------------------ element by element


@rule(*sorted(ELEMENTWISE - {"astype"}))
def stretch_last(x: Expression) -> Expression | None:
    """f(broadcast(a), b) = broadcast(f(a, b)), or simply f(a, b) where b has the shape already"""
    if any(arg.head == "broadcast_to" for arg in x.args):
        return build(x.head, *(arg.args[0] if arg.head == "broadcast_to" else arg for arg in x.args),
                     **dict(x.params))
    return None


@rule("add")
def one_sum(x: Expression) -> Expression | None:
    """a + (b + c) = a + b + c, and a - (b + c) = a - b - c"""
    if len(x.args) == 1:
        return x.args[0]
    terms: list[Expression] = []
    for arg in x.args:
        if arg.head == "add":
            terms += arg.args
        elif arg.head == "multiply" and len(arg.args) == 2 and arg.args[0] == MINUS_ONE and arg.args[1].head == "add":
            terms += [multiply(MINUS_ONE, term) for term in arg.args[1].args]
        else:
            terms.append(arg)
    return add(*terms) if len(terms) != len(x.args) else None


@rule("add")
def numbers_added(x: Expression) -> Expression | None:
    """a + 2 + 3 = a + 5, and a + 0 = a"""
    numbers = [arg.content for arg in x.args if arg.is_number()]
    if len(numbers) < 2 and 0 not in numbers:
        return None
    total, rest = sum(numbers), [arg for arg in x.args if not arg.is_number()]
    if total != 0 or not rest:
        rest.append(number(total))
    return rest[0] if len(rest) == 1 else add(*rest)


@rule("add")
def like_terms(x: Expression) -> Expression | None:
    """2 a b + 3 b a = 5 a b"""
    total: dict[Any, list[Any]] = {}
    for c, k, rest in map(coefficient, x.args):
        key = k, frozenset(Counter(rest.args).items()) if rest.head == "multiply" else rest
        total.setdefault(key, [0, k, rest])[0] += c
    if len(total) == len(x.args):
        return None
    terms = [scaled(c, k, rest) for c, k, rest in total.values() if c != 0]
    return add(*terms) if terms else ZERO


@rule("add")
def common_coefficient(x: Expression) -> Expression | None:
    """(1/m) a - (1/m) b = (1/m) (a - b), and -a - b = -(a + b)"""
    parts = [coefficient(arg) for arg in x.args]
    sizes = {abs(c) for c, _, _ in parts}
    powers = {k for _, k, _ in parts}
    common = sizes.pop() if len(sizes) == 1 else Fraction(1)
    common_power = powers.pop() if len(powers) == 1 else 0
    if all(c < 0 for c, _, _ in parts):
        common = -common
    if common == 1 and common_power == 0 or common == 0:
        return None
    return scaled(common, common_power, add(*(scaled(c / common, k - common_power, rest) for c, k, rest in parts)))


@rule("add")
def multiplied_out(x: Expression) -> Expression | None:
    """-b (1 - a) + (1 - b) a = a - b: products of sums, where something cancels"""
    if x.size > LARGEST or not any(arg.head == "multiply" and _sums(arg) for arg in x.args):
        return None
    terms: list[Expression] = []
    for arg in x.args:
        terms += _expanded(arg)
    result = add(*terms) if len(terms) <= LARGEST else x
    return result if result.size < x.size else None


def _sums(product: Expression) -> list[Expression]:
    return [factor for factor in product.args if factor.head == "add"]


def _expanded(x: Expression) -> list[Expression]:
    """The terms of a product of sums."""
    if x.head != "multiply" or not _sums(x):
        return [x]
    terms = [multiply(*(factor for factor in x.args if factor.head != "add"))]
    for factor in _sums(x):
        if len(terms) * len(factor.args) > LARGEST:
            return [x]
        terms = [multiply(term, other) for term in terms for other in factor.args]
    return terms


@rule("multiply")
def one_product(x: Expression) -> Expression | None:
    """a (b c) = a b c"""
    if len(x.args) < 2:
        return x.args[0] if x.args else ONE
    factors = [part for arg in x.args for part in (arg.args if arg.head == "multiply" else (arg,))]
    return multiply(*factors) if len(factors) != len(x.args) else None


@rule("multiply")
def coefficient_first(x: Expression) -> Expression | None:
    """a 2 b (1/m) 3 = 6 (1/m) a b; 1 a = a; 0 a = 0"""
    c, k, rest = Fraction(1), 0, []
    for arg in x.args:
        if arg.size == 0:
            ci, ki, _ = coefficient(arg)
            c, k = c * ci, k + ki
        else:
            rest.append(arg)
    if c == 0:
        return ZERO
    rest.sort(key=lambda factor: factor.shape != ())  # one number times an array: the number first
    factors = ([number(c)] if c != 1 or not rest and not k else []) + ([power(EXAMPLES, k)] if k else []) + rest
    if tuple(factors) == x.args:
        return None
    return factors[0] if len(factors) == 1 else multiply(*factors)


@rule("multiply")
def same_base(x: Expression) -> Expression | None:
    """a a = a^2, and a^2 a^-1 = a"""
    exponents: dict[Expression, int] = {}
    for arg in x.args:
        base, exponent = _base(arg)
        exponents[base] = exponents.get(base, 0) + exponent
    if len(exponents) == len(x.args):
        return None
    return multiply(*(power(base, exponent) for base, exponent in exponents.items()))


def _base(x: Expression) -> tuple[Expression, int]:
    return (x.args[0], int(x.args[1].content)) if x.head == "power" and _whole(x.args[1]) else (x, 1)


@rule("multiply")
def cancelled(x: Expression) -> Expression | None:
    """(b / a + c / (1 - a)) a (1 - a) = b (1 - a) + c a: a factor goes into a sum where it cancels"""
    if x.size > LARGEST:
        return None
    for i, factor in enumerate(x.args):
        if factor.head != "add":
            continue
        others = x.args[:i] + x.args[i + 1:]
        divisors = {base for term in factor.args for part in (term, *term.args)
                    for base, exponent in [_base(part)] if exponent < 0}
        if any(_base(other)[0] in divisors for other in others if other.size):
            result = add(*(multiply(*others, term) for term in factor.args))
            if result.size < x.size:
                return result
    return None


@rule("power")
def simple_power(x: Expression) -> Expression | None:
    """a^1 = a, a^0 = 1, 2^3 = 8, (a^2)^-1 = a^-2"""
    base, exponent = x.args
    if exponent.is_number(1):
        return base
    if exponent.is_number(0):
        return ONE
    if not _whole(exponent):
        return None
    p = int(exponent.content)
    if base.is_number() and (base.content != 0 or p > 0) and abs(p) < 100:
        return number(base.content ** p)
    inner, q = _base(base)
    return power(inner, q * p) if inner is not base else None


@rule("power")
def power_of_product(x: Expression) -> Expression | None:
    """(a b)^-1 = a^-1 b^-1, for whole exponents"""
    base, exponent = x.args
    if base.head != "multiply" or not _whole(exponent):
        return None
    return multiply(*(power(factor, int(exponent.content)) for factor in base.args))


# ------------------------------------------------------------------------------------------------- choices


@rule("where")
def decided(x: Expression) -> Expression | None:
    """where(1, a, b) = a, where(0, a, b) = b, where(c, a, a) = a"""
    condition, a, b = x.args
    if condition.is_number():
        return a if condition.content else b
    return a if a == b else None


@rule("where")
def common_factor(x: Expression) -> Expression | None:
    """where(c, a b, a) = a where(c, b, 1), and where(c, a, 0) = a where(c, 1, 0)"""
    condition, a, b = x.args
    if a.is_number() and b.is_number():
        return None
    left, right = (Counter(part.args if part.head == "multiply" else (part,)) for part in (a, b))
    common = right if a.is_number(0) else left if b.is_number(0) else left & right
    if not common or ONE in common and len(common) == 1:
        return None
    rest = [ZERO if part.is_number(0) else multiply(*(factors - common).elements())
            for part, factors in ((a, left), (b, right))]
    return multiply(*common.elements(), build("where", condition, *rest))


@rule("where")
def mask(x: Expression) -> Expression | None:
    """where(a > b, 1, 0) = (a > b), and where(a > b, 0, 1) = 1 - (a > b): true counts as 1"""
    condition, a, b = x.args
    if condition.head not in ("greater", "equal"):
        return None
    if a.is_number(1) and b.is_number(0):
        return condition
    return add(ONE, multiply(MINUS_ONE, condition)) if a.is_number(0) and b.is_number(1) else None
