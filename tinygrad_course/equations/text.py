"""Expressions as text, in the course's notation: `dW[2] = (1/m) dZ[2] A[1]^T`.

A `Writer` goes through an expression and decides what is a fraction, a difference, what needs parentheses; how these
look is up to its methods, which other notations replace: `UnicodeWriter` here, LaTeX and MathML in `math`,
runnable NumPy in `numpy_text`.
"""
from __future__ import annotations

from fractions import Fraction
from typing import Any

from tinygrad_course.equations.expressions import EXAMPLES, MINUS_ONE, ONE, Expression, number
from tinygrad_course.equations.rules import add, build, coefficient, multiply, power, scaled
from tinygrad_course.equations.rules_arrays import total

# How tightly what was written holds together; parentheses go around what is looser than its place needs.
CHOICE, SUM, PRODUCT, JOINED, POSTFIX, ATOM = range(6)
Written = tuple[str, int]

FUNCTIONS = {"max": "np.max", "min": "np.min", "sum": "np.sum", "var": "np.var", "maximum": "max", "minimum": "min",
             "concatenate": "np.concatenate", "stack": "np.stack", "broadcast_to": "np.broadcast_to",
             "reshape": "np.reshape", "transpose": "np.transpose", "dot": "np.dot"}


class Writer:
    """Plain text.

    sizes: which sizes of axes depend on m: {7: m}.
    plain: writes shapes, indices and other parameters, which are plain text in every notation.
    """

    def __init__(self, sizes: dict[int, Expression] | None = None):
        self.sizes = sizes or {}
        self.plain: Writer = self

    def equation(self, name: str, x: Expression) -> str:
        return self.plus(self.symbol(name), "=", self(x))

    def __call__(self, x: Expression, at_least: int = CHOICE) -> str:
        text, level = self.write(x)
        return text if level >= at_least else self.parenthesised(text)

    def write(self, x: Expression) -> Written:
        """The text of x, and how tightly it holds together."""
        method = getattr(self, f"write_{x.head}", None)
        return method(x) if method is not None else (self.call(x), ATOM)

    # ----------------------------------------------------------------------------------------------- leaves

    def symbol(self, name: str) -> str: return name
    def parenthesised(self, text: str) -> str: return f"({text})"
    def write_symbol(self, x: Expression) -> Written: return self.symbol(x.content), ATOM
    def write_examples(self, x: Expression) -> Written: return self.symbol("m"), ATOM

    def write_number(self, x: Expression) -> Written:
        c = x.content
        if c < 0:
            return self.negative(self.write_number(number(-c))[0]), SUM
        text = decimal(c)
        return (self.number(text), ATOM) if text else self.small_quotient(
            self.number(str(c.numerator)), self.number(str(c.denominator)))

    def number(self, text: str) -> str: return text

    # --------------------------------------------------------------------------------------- sums, products

    def write_add(self, x: Expression) -> Written:
        terms = sorted(x.args, key=is_negative) if is_negative(x.args[0]) else list(x.args)
        text = self(terms[0], SUM)
        for term in terms[1:]:
            sign = "-" if is_negative(term) else "+"
            text = self.plus(text, sign, self(negated(term) if sign == "-" else term, PRODUCT))
        return text, SUM

    def write_multiply(self, x: Expression) -> Written:
        c, k, rest = coefficient(x)
        if c < 0:
            return self.negative(self(scaled(-c, k, rest), PRODUCT)), SUM
        factors = rest.args if rest.head == "multiply" else () if rest == ONE else (rest,)
        below = [power(f.args[0], -int(f.args[1].content)) for f in factors if is_divisor(f)]
        above = [f for f in factors if not is_divisor(f)]
        if below and not above:  # 2 / A
            return self.quotient(self(scaled(c, k, ONE), POSTFIX), *self.denominator(below))
        if not factors:
            return self.scalar(c, k)
        text, level = self.product(above)
        if below:
            text, level = self.quotient(self.numerator(text, level), *self.denominator(below))
        if c == 1 and k == 0:
            return text, level
        return self.with_coefficient(self.parenthesised_scalar(c, k), text, level)

    def numerator(self, text: str, level: int) -> str:
        return text if level >= PRODUCT else self.parenthesised(text)

    def denominator(self, below: list[Expression]) -> Written:
        return self.write(below[0]) if len(below) == 1 else self.product(below)

    def product(self, factors: list[Expression]) -> Written:
        if len(factors) == 1:
            return self.write(factors[0])
        return self.times([self(factor, JOINED) for factor in factors]), PRODUCT

    def scalar(self, c: Fraction, k: int) -> Written:
        """c m^k alone, for instance 1/m or 1/(3 m)."""
        if k == 0 or k > 0 and c != 1:
            return self.write_number(number(c)) if k == 0 else (
                self.joined(self(number(c), POSTFIX), self.write(power(EXAMPLES, k))[0]), JOINED)
        if k > 0:
            return self.write(power(EXAMPLES, k))
        simple = "" if c.numerator == 1 else decimal(c)
        above, below = (simple, 1) if simple else (str(c.numerator), c.denominator)
        m = self.write(power(EXAMPLES, -k))[0]
        return self.small_quotient(self.number(above), m if below == 1 else self.joined(
            self.number(str(below)), m), ATOM if below == 1 else JOINED)

    def parenthesised_scalar(self, c: Fraction, k: int) -> str:
        text, level = self.scalar(c, k)
        return text if level >= JOINED else self.parenthesised(text)

    def with_coefficient(self, c: str, text: str, level: int) -> Written:
        return self.joined(c, text if level >= PRODUCT else self.parenthesised(text)), max(PRODUCT, min(level, JOINED))

    def negative(self, text: str) -> str: return f"-{text}"
    def plus(self, left: str, sign: str, right: str) -> str: return f"{left} {sign} {right}"
    def times(self, factors: list[str]) -> str: return " * ".join(factors)

    def quotient(self, above: str, below: str, below_level: int = ATOM) -> Written:
        return f"{above} / {below if below_level >= POSTFIX else self.parenthesised(below)}", PRODUCT

    def small_quotient(self, above: str, below: str, below_level: int = ATOM) -> Written:
        return f"{above}/{below if below_level >= POSTFIX else self.parenthesised(below)}", PRODUCT

    def write_power(self, x: Expression) -> Written:
        base, exponent = x.args
        if is_divisor(x):
            return self.quotient(self.number("1"), *self.write(power(base, -int(exponent.content))))
        return self.raised(self(base, ATOM), self(exponent)), POSTFIX

    def raised(self, base: str, exponent: str) -> str:
        return f"{base}^{exponent if exponent.isalnum() or exponent.isdecimal() else self.parenthesised(exponent)}"

    def write_matmul(self, x: Expression) -> Written:
        a, b = x.args
        nested = b.head == "matmul" and any(arg.ndim != 2 for arg in (a, *b.args))  # otherwise (A B) C = A (B C)
        return self.joined(self(a, JOINED), self(b, POSTFIX if nested else JOINED)), JOINED

    def joined(self, a: str, b: str) -> str: return f"{a} {b}"

    def write_transpose(self, x: Expression) -> Written:
        if x.param("axes") is not None:
            return self.call(x), ATOM
        return self.transposed(x.args[0]), POSTFIX

    def transposed(self, x: Expression) -> str: return f"{self(x, ATOM)}^T"

    # --------------------------------------------------------------------------------------------- functions

    def call(self, x: Expression) -> str:
        """A function of its arguments, with the parameters that matter."""
        return self.function(FUNCTIONS.get(x.head, x.head), [self(arg) for arg in x.args], self.options(x))

    def function(self, name: str, args: list[str], options: list[str]) -> str:
        return f"{name}({', '.join([*args, *options])})"

    def options(self, x: Expression) -> list[str]:
        if x.head == "clip":
            return [str(x.param("a_min")), str(x.param("a_max"))]
        if x.head in ("reshape", "broadcast_to", "scatter"):
            return [self.plain.shape(x.shape)]
        return [f"{name}={value[0] if isinstance(value, tuple) and len(value) == 1 else value}"
                for name, value in x.params
                if not (name == "axis" and value is None or name == "keepdims" and not value
                        or name == "ddof" and value == 0 or name in ("index", "layer", "reduction"))]

    def shape(self, shape: tuple[int, ...]) -> str:
        sizes = ", ".join(self.size(n) for n in shape)
        return f"({sizes},)" if len(shape) == 1 else f"({sizes})"

    def size(self, n: int) -> str:
        return self(self.sizes[n]) if n in self.sizes else str(n)

    def write_greater(self, x: Expression) -> Written: return self.compared(x, ">")
    def write_equal(self, x: Expression) -> Written: return self.compared(x, "==")

    def compared(self, x: Expression, sign: str) -> Written:
        return self.plus(self(x.args[0], SUM), sign, self(x.args[1], SUM)), CHOICE

    def write_abs(self, x: Expression) -> Written: return self.bars(self(x.args[0])), ATOM
    def bars(self, text: str) -> str: return f"|{text}|"
    def write_astype(self, x: Expression) -> Written: return self.write(x.args[0])  # the same numbers

    def write_broadcast_to(self, x: Expression) -> Written:
        """A number repeated over a shape is written as that number times ones."""
        c, k, rest = coefficient(x.args[0])
        if rest != ONE:
            return self.call(x), ATOM
        ones = self.function("np.zeros" if c == 0 else "np.ones", [], [self.plain.shape(x.shape)])
        if c < 0:
            return self.negative(self.write_broadcast_to(negated(x))[0]), SUM
        return (ones, ATOM) if c in (0, 1) and k == 0 else self.with_coefficient(
            self.parenthesised_scalar(c, k), ones, ATOM)

    def write_getitem(self, x: Expression) -> Written:
        return self.indexed(self(x.args[0], ATOM), self.plain.index(x)), ATOM

    def indexed(self, text: str, index: str) -> str: return f"{text}[{index}]"

    def index(self, x: Expression) -> str:
        """What stands in the brackets."""
        def part(i: Any) -> str:
            if i is Ellipsis:
                return "..."
            if isinstance(i, tuple) and i[0] == "slice":
                start, stop, step = ("" if n is None else self.size(n) for n in i[1:])
                return f"{start}:{stop}" + (f":{step}" if step else "")
            return self(x.args[i[1]]) if isinstance(i, tuple) else str(i)
        return ", ".join(map(part, x.param("index"))) or "()"

    def write_scatter(self, x: Expression) -> Written:
        return self.function("scatter", [self(x.args[0])], [f"[{self.plain.index(x)}]", *self.options(x)]), ATOM

    def write_concatenate(self, x: Expression) -> Written:
        return self.function(FUNCTIONS[x.head], [self.listed([self(arg) for arg in x.args])], self.options(x)), ATOM

    def listed(self, items: list[str]) -> str: return f"[{', '.join(items)}]"

    def write_stack(self, x: Expression) -> Written: return self.write_concatenate(x)

    def write_local(self, x: Expression) -> Written:
        return self.derivative(x.param("layer")), ATOM

    def derivative(self, layer: str) -> str:
        """g[l]'(Z[l])"""
        return f"g{layer}'({self.symbol(f'Z{layer}')})"

    def write_binary_cross_entropy(self, x: Expression) -> Written:
        """-(Y log A + (1 - Y) log(1 - A)), summed as the reduction says."""
        _, A, Y = x.args
        return self.write(reduced(add(multiply(Y, build("log", A)),
                                      multiply(minus(Y), build("log", minus(A)))), x))

    def write_cross_entropy(self, x: Expression) -> Written:
        """-Y log A, summed as the reduction says."""
        _, A, Y = x.args
        return self.write(reduced(multiply(Y, build("log", A)), x))


class UnicodeWriter(Writer):
    """Text with the signs of mathematics: transposes, powers, Greek letters."""

    def symbol(self, name: str) -> str: return "ŷ" if name == "y_hat" else GREEK_LETTERS.get(name, name)
    def times(self, factors: list[str]) -> str: return " ⊙ ".join(factors)
    def negative(self, text: str) -> str: return f"−{text}"
    def transposed(self, x: Expression) -> str: return f"{self(x, ATOM)}ᵀ"

    def plus(self, left: str, sign: str, right: str) -> str:
        return f"{left} {'−' if sign == '-' else '=' if sign == '==' else sign} {right}"

    def raised(self, base: str, exponent: str) -> str:
        return base + exponent.translate(RAISED) if exponent.isdecimal() else super().raised(base, exponent)

    def function(self, name: str, args: list[str], options: list[str]) -> str:
        return super().function({"np.sum": "Σ", "sigmoid": "σ"}.get(name, name), args, options)

    def derivative(self, layer: str) -> str: return super().derivative(layer).replace("'", "′")


GREEK_LETTERS = {"alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "eta": "η", "theta": "θ",
                 "lambda": "λ", "lambda_": "λ", "lambd": "λ", "mu": "μ", "sigma": "σ"}
RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def negated(x: Expression) -> Expression:
    return multiply(MINUS_ONE, x)


def minus(x: Expression) -> Expression:
    """1 - x."""
    return add(ONE, multiply(MINUS_ONE, x))


def reduced(losses: Expression, cost: Expression) -> Expression:
    """The cost from the losses with opposite sign, one column per example."""
    reduction = cost.param("reduction")
    if reduction == "none":
        return negated(total(losses, tuple(range(losses.ndim - 1)), True) if losses.ndim > 1 else losses)
    k = -1 if reduction == "mean" and losses.ndim else 0
    return scaled(Fraction(-1), k, total(losses, None, False))


def is_negative(x: Expression) -> bool:
    c = coefficient(x)[0]
    return bool(c < 0)


def is_divisor(x: Expression) -> bool:
    return x.head == "power" and x.args[1].is_number() and isinstance(
        x.args[1].content, Fraction) and x.args[1].content.denominator == 1 and x.args[1].content < 0


def decimal(c: Fraction) -> str:
    """A number as it is written, or "" where it is better written as a fraction, such as 1/3."""
    if not isinstance(c, Fraction) or c.denominator == 1 and c < 10**16:
        return str(c.numerator if isinstance(c, Fraction) else c)
    return "" if c.denominator < 1000 and len(repr(float(c))) > 8 else repr(float(c))
