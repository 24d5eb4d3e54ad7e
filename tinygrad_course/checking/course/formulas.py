"""The formulas of the course, function by function, in the order in which they are computed.

The course's convention: dZ, dA stand for m times the derivative of the cost J; the 1/m is applied once, in dW and db.
"""
from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import reduce
from operator import add
from typing import NamedTuple

from tinygrad_course.checking.course.operations import function, over_m, scaled, size, slope, total
from tinygrad_course.equations.expressions import Expression, number, symbol


class Formula(NamedTuple):
    """name = right.

    hidden: the quantity is not returned; it shows only in what is computed from it.
    also: other ways to write it that are as right, and may differ on caches that no forward pass produced.
    scalar: a number; (1, 1) and () are the same to it.
    slopes: derivatives that learners multiply by although they are in it already.
    why: where the formula comes from, in one sentence.
    """
    name: str
    right: Expression
    hidden: bool = False
    also: tuple[Expression, ...] = ()
    scalar: bool = False
    slopes: tuple[Expression, ...] = ()
    why: str = ""


Program = Sequence[Formula]

WHY_DW = "each example adds dz a^T to the derivative of J, and J is the mean over the m examples"
WHY_DB = "b is added to every example's column, so its derivative adds up the columns, and J is the mean over them"
WHY_DA = "A reaches the cost through Z = W A + b, so dZ goes back through the transposed W"
WHY_DZ = "A = g(Z) is applied element by element, so dA is multiplied by g'(Z) element by element"
WHY_LAST = "for a sigmoid output and the cross-entropy cost, dA times the sigmoid's derivative simplifies to A - Y"
WHY_COST = "the cost is the mean over the m examples of -y log(a) - (1 - y) log(1 - a)"
WHY_STEP = "gradient descent goes against the gradient: the parameter minus learning_rate times its gradient"
WHY_M = "examples are columns, so m is the number of columns"


def m_of(*arrays: str) -> Formula:
    """m is the number of columns of the first array; of the others too."""
    first, *others = (size(symbol(name), 1) for name in arrays)
    return Formula("m", first, hidden=True, also=tuple(others), why=WHY_M)


def cost_of(A: Expression, Y: Expression) -> Expression:
    return over_m(total(Y * function("log", A) + (1 - Y) * function("log", 1 - A)), -1)


def dA_of(A: Expression, Y: Expression) -> Expression:
    """What the cost's derivative is with respect to A, times m."""
    return scaled(Y / A - (1 - Y) / (1 - A), -1)


def same_slopes(activation: str, A: Expression, Z: Expression) -> list[Expression]:
    """The derivative of A and of Z: the same where A = g(Z)."""
    names = {"tanh": ["tanh", "tanh of Z"], "sigmoid": ["sigmoid of Z", "sigmoid"], "relu": ["relu", "relu of A"]}
    return [slope(name, A, Z) for name in names.get(activation, [activation])]


# -------------------------------------------------------------------------------------- logistic regression


def logistic() -> Program:
    """`propagate`: cost and gradients from w, b, X, Y."""
    w, b, X, Y, Z, A, dZ = map(symbol, ("w", "b", "X", "Y", "Z", "A", "dZ"))
    return [
        m_of("X", "Y"),
        Formula("Z", w.T @ X + b, hidden=True, why="z = w^T x + b for each column x of X"),
        Formula("A", function("sigmoid", Z), hidden=True, why="a = sigmoid(z)"),
        Formula("cost", cost_of(A, Y), scalar=True, why=WHY_COST),
        Formula("dZ", A - Y, hidden=True, why=WHY_LAST, slopes=(slope("sigmoid", A, Z),)),
        Formula("dw", over_m(X @ dZ.T), why="each example adds x (a - y) to the derivative of J, and J is the mean "
                                            "over the m examples"),
        Formula("db", over_m(total(dZ)), scalar=True, why="b is added to every example, so its derivative adds up "
                                                          "(a - y) over them, and J is the mean over them"),
    ]


def decision(A: Expression) -> Expression:
    return function("greater", A, 0.5)


# ------------------------------------------------------------------------------------------------- networks


def activated(activation: str, Z: Expression) -> Expression:
    return function(activation, Z)


def forward(activations: Sequence[str], cached: bool = True) -> Program:
    """Z[l] = W[l] A[l-1] + b[l], A[l] = g[l](Z[l]). cached: all of them are returned; otherwise none is."""
    formulas = []
    for l, activation in enumerate(activations, start=1):
        W, b, Z = symbol(f"W{l}"), symbol(f"b{l}"), symbol(f"Z{l}")
        before = symbol("X" if l == 1 else f"A{l - 1}")
        formulas += [
            Formula(f"Z{l}", W @ before + b, hidden=not cached, why="the linear step is W A + b, A being what the "
                                                                    "layer before gives"),
            Formula(f"A{l}", activated(activation, Z), hidden=not cached,
                    why=f"this layer's activation is {activation}"),
        ]
    return formulas


def backward(activations: Sequence[str], regularised: bool = False, dropout: bool = False) -> Program:
    """`backward_propagation`: gradients of all W and b from the parameters, the cache, X and Y.

    regularised: with the penalty lambd / (2 m) times the squares of all weights. dropout: with masks D that forward
    kept with the probability keep_prob.
    """
    L = len(activations)
    formulas = [m_of("X", "Y", f"A{L}")]
    for l in range(L, 0, -1):
        A, Z, dZ, before = symbol(f"A{l}"), symbol(f"Z{l}"), symbol(f"dZ{l}"), symbol("X" if l == 1 else f"A{l - 1}")
        # With softmax or no activation, and the costs that belong to them, dZ is A - Y as well: no slope of its own.
        own = same_slopes(activations[l - 1], A, Z) if l < L or activations[-1] == "sigmoid" else []
        if l == L:
            formulas.append(Formula(f"dZ{l}", A - symbol("Y"), hidden=True, slopes=tuple(own), why=WHY_LAST,
                                    also=tuple(dA_of(A, symbol("Y")) * one for one in own)))
        else:
            after = symbol(f"W{l + 1}").T @ symbol(f"dZ{l + 1}")
            if dropout:
                formulas.append(Formula(f"dA{l}", after * symbol(f"D{l}") / symbol("keep_prob"), hidden=True,
                                        why="what was dropped has no part in the cost, the rest was scaled up"))
                after = symbol(f"dA{l}")
            formulas.append(Formula(f"dZ{l}", after * own[0], hidden=True, why=WHY_DZ,
                                    also=tuple(after * one for one in own[1:])))
        dW = over_m(dZ @ before.T)
        if regularised:
            dW = dW + over_m(symbol("lambd") * symbol(f"W{l}"))
        formulas += [Formula(f"dW{l}", dW, why=WHY_DW + "; the penalty adds lambd/m W" * regularised),
                     Formula(f"db{l}", over_m(total(dZ, 1, True)), why=WHY_DB)]
    return formulas


def regularised_cost(L: int) -> Program:
    """The cost of a network's output, and lambd / (2 m) times the squares of all weights."""
    squares = [total(function("square", symbol(f"W{l}"))) for l in range(1, L + 1)]
    penalty = scaled(symbol("lambd") * reduce(add, squares), Fraction(1, 2), m=-1)
    return [m_of("Y", f"A{L}"), Formula("cost", cost_of(symbol(f"A{L}"), symbol("Y")) + penalty, scalar=True,
                                        why=WHY_COST + ", and the penalty lambd/(2 m) times all squared weights")]


def dropout_forward(L: int) -> Program:
    """Masks D are drawn by the function: they are taken as they came, and everything else is computed from them."""
    formulas: list[Formula] = []
    for formula in forward(relu_layers(L)):
        name, layer = formula.name[0], formula.name[1:]
        if name == "A" and int(layer) < L:
            mask = symbol(f"D{layer}")
            formulas.append(Formula(f"D{layer}", mask))
            formula = formula._replace(right=formula.right * mask / symbol("keep_prob"),
                                       why="A is multiplied by its mask and divided by keep_prob")
        formulas.append(formula)
    cached = [f"{name}{l}" for l in range(1, L + 1) for name in ("W", "b")]
    return [*formulas, Formula(f"A{L} returned", symbol(f"A{L}")),
            *(Formula(f"cached {name}", symbol(name)) for name in cached)]


def relu_layers(L: int) -> tuple[str, ...]:
    """The activations of the course's deep network."""
    return ("relu",) * (L - 1) + ("sigmoid",)


def cost(last: str) -> Program:
    return [m_of("Y", last), Formula("cost", cost_of(symbol(last), symbol("Y")), scalar=True, why=WHY_COST)]


def update(names: Sequence[str], rate: str = "learning_rate") -> Program:
    return [Formula(name, symbol(name) - symbol(rate) * symbol(f"d{name}"), why=WHY_STEP) for name in names]


# ------------------------------------------------------------------------------- the building blocks of week 4


def linear_forward() -> Program:
    return [Formula("Z", symbol("W") @ symbol("A") + symbol("b"), why="the linear step is W A + b")] + [
        Formula(f"cached {name}", symbol(name), why="the backward pass needs what the forward pass was given")
        for name in ("A", "W", "b")]


def activation_forward(activation: str) -> Program:
    before = [Formula("cached Z", symbol("W") @ symbol("A_prev") + symbol("b"), why="the linear step is W A_prev + b"),
              Formula("A", function(activation, symbol("cached Z")), why=f"the activation asked for is {activation}")]
    return before + [Formula(f"cached {name}", symbol(name), why="the backward pass needs what the forward pass was "
                                                                 "given") for name in ("A_prev", "W", "b")]


def linear_backward(hidden: Program = ()) -> Program:
    W, dZ, A_prev = symbol("W"), symbol("dZ"), symbol("A_prev")
    return [m_of("A_prev", "dZ"), *hidden,
            Formula("dW", over_m(dZ @ A_prev.T), why=WHY_DW),
            Formula("db", over_m(total(dZ, 1, True)), why=WHY_DB),
            Formula("dA_prev", W.T @ dZ, why=WHY_DA)]


def activation_backward(activation: str) -> Program:
    A, Z, dA = symbol("A"), symbol("Z"), symbol("dA")
    first, *others = same_slopes(activation, A, Z)
    return linear_backward([Formula("dZ", dA * first, hidden=True, why=WHY_DZ, also=tuple(dA * o for o in others))])


def deep_backward(activations: Sequence[str]) -> Program:
    """`L_model_backward`: gradients of all W, b and A from AL, Y and the caches; A0 is X."""
    L = len(activations)
    Y, AL = symbol("Y"), symbol("AL")
    formulas = [m_of("Y", "AL"), Formula("dAL", dA_of(AL, Y), hidden=True, why="the derivative of -y log(a) - (1 - y) "
                                         "log(1 - a) with respect to a is -y / a + (1 - y) / (1 - a)")]
    for l in range(L, 0, -1):
        dA, Z, dZ = symbol("dAL" if l == L else f"dA{l}"), symbol(f"Z{l}"), symbol(f"dZ{l}")
        A = AL if l == L else symbol(f"A{l}")
        first, *others = same_slopes(activations[l - 1], A, Z)
        also = [dA * one for one in others] + [AL - Y] * (l == L and activations[-1] == "sigmoid")
        formulas += [
            Formula(f"dZ{l}", dA * first, hidden=True, why=WHY_DZ, also=tuple(also)),
            Formula(f"dW{l}", over_m(dZ @ symbol(f"A{l - 1}").T), why=WHY_DW),
            Formula(f"db{l}", over_m(total(dZ, 1, True)), why=WHY_DB),
            Formula(f"dA{l - 1}", symbol(f"W{l}").T @ dZ, why=WHY_DA),
        ]
    return formulas


# --------------------------------------------------------------------------------------------- small functions


def elementary_sigmoid() -> Program:
    z = symbol("z")
    return [Formula("A", 1 / (1 + function("exp", scaled(z, -1))), also=(function("sigmoid", z),),
                    why="sigmoid(z) = 1 / (1 + exp(-z))")]


def elementary_relu() -> Program:
    return [Formula("A", function("max", 0, symbol("z")), why="relu(z) is z where z is positive, else 0")]


def elementary_backward(activation: str) -> Program:
    """`sigmoid_backward` and `relu_backward`: dZ from dA and the cached Z."""
    A, Z, dA = symbol("A"), symbol("Z"), symbol("dA")
    first, *others = same_slopes(activation, A, Z)
    return [Formula("dZ", dA * first, why=WHY_DZ, also=tuple(dA * one for one in others))]


def cached_z() -> Program:
    return [Formula("cached Z", symbol("z"), why="the derivative of the activation is computed from Z")]


def sizes() -> Program:
    X, Y = symbol("X"), symbol("Y")
    return [Formula("n_x", size(X, 0), scalar=True, why="examples are columns, so each row of X is one input"),
            Formula("n_h", number(4), scalar=True, why="the exercise asks for 4 hidden units"),
            Formula("n_y", size(Y, 0), scalar=True, why="examples are columns, so each row of Y is one output")]
