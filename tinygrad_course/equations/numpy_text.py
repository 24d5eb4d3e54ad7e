"""Equations as a NumPy function that computes the gradients, in the course's notation: `dW2 = 1 / m * dZ2 @ A1.T`."""
from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Sequence
from fractions import Fraction

from tinygrad_course.equations.expressions import EXAMPLES, ONE, Expression, found, number
from tinygrad_course.equations.from_graph import Equation, spelled_out
from tinygrad_course.equations.text import ATOM, CHOICE, POSTFIX, PRODUCT, SUM, Writer, Written
from tinygrad_course.equations.rules import coefficient, power

# Functions that NumPy has not, in the form that does not overflow.
HELPERS = {
    "sigmoid": '''\
def sigmoid(z):
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-z))
''',
    "logsumexp": '''\
def logsumexp(z, axis=None, keepdims=False):
    largest = np.max(z, axis=axis, keepdims=True)
    total = np.log(np.sum(np.exp(z - largest), axis=axis, keepdims=True)) + largest
    return total if keepdims else np.squeeze(total, axis=axis)
''',
    "softmax": '''\
def softmax(z, axis):
    return np.exp(z - logsumexp(z, axis, keepdims=True))
''',
    "log_softmax": '''\
def log_softmax(z, axis):
    return z - logsumexp(z, axis, keepdims=True)
''',
    "scatter": '''\
def scatter(g, index, shape):
    x = np.zeros(shape)
    np.add.at(x, index, g)
    return x
''',
    "binary_cross_entropy": '''\
def binary_cross_entropy(Z, Y):
    return np.maximum(Z, 0) - Y * Z + np.log1p(np.exp(-np.abs(Z)))
''',
    "cross_entropy": '''\
def cross_entropy(Z, Y):
    return np.sum(Y, axis=0, keepdims=True) * logsumexp(Z, 0, True) - np.sum(Y * Z, axis=0, keepdims=True)
''',
}
DOCSTRING = '    """The gradients of the cost with respect to its parameters, derived from its graph."""'
NEEDS = {"softmax": ["logsumexp"], "log_softmax": ["logsumexp"], "cross_entropy": ["logsumexp"]}
PLAIN = {"sqrt", "exp", "expm1", "log", "log1p", "tanh", "sign", "where", "maximum", "minimum", "clip"}


class NumpyWriter(Writer):
    """Python. `names` says how each symbol is called."""

    def __init__(self, names: dict[str, str], sizes: dict[int, Expression]):
        super().__init__(sizes)
        self.names = names

    def symbol(self, name: str) -> str: return self.names.get(name, name)
    def raised(self, base: str, exponent: str) -> str: return f"{base} ** {exponent}"
    def joined(self, a: str, b: str) -> str: return f"{a} @ {b}"

    def write_number(self, x: Expression) -> Written:
        text = repr(float(x.content)) if x.content != int(float(x.content) if abs(x.content) < 1e18 else 0) else str(
            int(x.content))
        return text if x.content == x.content and abs(x.content) != float("inf") else f'float("{text}")', (
            SUM if x.content < 0 else ATOM)

    def write_matmul(self, x: Expression) -> Written:
        return self.joined(self(x.args[0], PRODUCT), self(x.args[1], POSTFIX)), PRODUCT

    def write_power(self, x: Expression) -> Written:
        base, exponent = x.args
        if exponent.is_number() and exponent.content < 0:
            return super().write_power(x)
        return self.raised(self(base, ATOM), self(exponent, ATOM)), POSTFIX

    def product(self, factors: list[Expression]) -> Written:
        first, *others = factors
        if not others:
            return self.write(first)
        return " * ".join([self(first, PRODUCT), *(self(factor, POSTFIX) for factor in others)]), PRODUCT

    def scalar(self, c: Fraction, k: int) -> Written:
        if k == 0:
            return self.write_number(number(c))
        m = self.write(power(EXAMPLES, abs(k)))[0]
        above = self.write_number(number(c))[0]
        return (f"{above} / {m}" if k < 0 else f"{above} * {m}" if c != 1 else m), PRODUCT

    def parenthesised_scalar(self, c: Fraction, k: int) -> str: return self.scalar(c, k)[0]

    def with_coefficient(self, c: str, text: str, level: int) -> Written:
        return f"{c} * {text if level >= PRODUCT else self.parenthesised(text)}", PRODUCT

    def transposed(self, x: Expression) -> str: return f"{self(x, ATOM)}.T"

    def call(self, x: Expression) -> str:
        if x.head == "leaky_relu":
            z = self(x.args[0])
            return f"np.where({z} > 0, {z}, {x.param('slope')} * {self(x.args[0], POSTFIX)})"
        if x.head == "relu":
            return f"np.maximum({self(x.args[0])}, 0)"
        if x.head == "softplus":
            return f"np.logaddexp({self(x.args[0])}, 0)"
        if x.head == "clip":
            return f"np.clip({self(x.args[0])}, {x.param('a_min')}, {x.param('a_max')})"
        name = f"np.{x.head}" if x.head in PLAIN else x.head
        return super().call(x) if name == x.head else self.function(name, [self(arg) for arg in x.args], [])

    def write_abs(self, x: Expression) -> Written: return f"np.abs({self(x.args[0])})", ATOM
    def write_local(self, x: Expression) -> Written: return self.write(x.args[0])

    def write_astype(self, x: Expression) -> Written:
        return f"{self(x.args[0], ATOM)}.astype(\"{x.param('dtype')}\")", ATOM

    def write_broadcast_to(self, x: Expression) -> Written:
        c, k, rest = coefficient(x.args[0])
        if rest != ONE:
            return self.call(x), ATOM
        value = self(x.args[0])
        return f"np.full({self.shape(x.shape)}, {float(value) if value.isdecimal() else value})", ATOM

    def index(self, x: Expression) -> str:
        text = super().index(x)
        if x.head == "getitem":
            return text
        parts = [f"slice({', '.join(str(n) if n is None else self.size(n) for n in i[1:])})" if isinstance(i, tuple)
                 and i[0] == "slice" else self(x.args[i[1]]) if isinstance(i, tuple) else str(i)
                 for i in x.param("index")]
        return "".join(f"{part}, " for part in parts)

    def write_scatter(self, x: Expression) -> Written:
        return f"scatter({self(x.args[0])}, ({self.index(x).strip()}), {self.shape(x.shape)})", ATOM

    def write_binary_cross_entropy(self, x: Expression) -> Written:
        """From the logits, so that a saturated sigmoid does no harm."""
        losses = f"{x.head}({self(x.args[0])}, {self(x.args[2])})"
        reduction = x.param("reduction")
        if reduction == "mean":
            return f"np.sum({losses}) / {self(EXAMPLES) if x.args[0].ndim else 1}", PRODUCT
        axes = tuple(range(x.args[0].ndim - 1))
        return f"np.sum({losses})" if reduction == "sum" else (
            f"np.sum({losses}, axis={axes}, keepdims=True)" if axes else losses), ATOM

    def write_cross_entropy(self, x: Expression) -> Written: return self.write_binary_cross_entropy(x)


def identifiers(names: Iterable[str]) -> dict[str, str]:
    """A name that Python takes for each of the course's: W[1] is W1."""
    used = {"np", "m", "gradients", *HELPERS}
    result = {}
    for name in names:
        plain = re.sub(r"\W", "_", re.sub(r"[\[\]]", "", name), flags=re.ASCII)
        plain = f"_{plain}" if not plain or plain[0].isdigit() else plain
        while plain in used or keyword.iskeyword(plain):
            plain += "_"
        used.add(plain)
        result[name] = plain
    return result


def numpy_source(forward: Sequence[Equation], backward: Sequence[Equation], inputs: dict[str, tuple[int, ...]],
                 keys: dict[str, str], sizes: dict[int, Expression]) -> str:
    """The source of `gradients(...)`.

    inputs: the arguments and their shapes.  keys: for a parameter's name its key in the dict that is returned.
    sizes: which sizes of axes depend on m.
    """
    steps = _needed([*forward, *backward], [equation.name for equation in backward if equation.of in keys])
    names = identifiers([*inputs, *dict.fromkeys(equation.name for equation in steps)])
    write = NumpyWriter(names, sizes)
    body = [f"    {names[equation.name]} = {write(spelled_out(equation.expression), CHOICE)}" for equation in steps]
    text = "\n".join(body)
    if re.search(r"\bm\b", text):
        body.insert(0, f"    m = {_examples(inputs, names, sizes)}")
    gradients = {equation.of: names[equation.name] for equation in backward if equation.of in keys}
    result = ", ".join(f"{key!r}: {gradients[name]}" for name, key in keys.items())
    used = [name for name in HELPERS if re.search(rf"\b{name}\(", text)]
    used = [name for name in HELPERS if name in used or any(name in NEEDS.get(user, ()) for user in used)]
    return "\n".join(["import numpy as np", "", "",
                      *(f"{HELPERS[name]}\n" for name in used),
                      f"def gradients({', '.join(names[name] for name in inputs)}):", DOCSTRING, *body,
                      f"    return {{{result}}}", ""])


def _needed(equations: list[Equation], results: list[str]) -> list[Equation]:
    """The equations that lead to the results."""
    needed = set(results)
    kept = []
    for equation in reversed(equations):
        if equation.name in needed:
            needed.update(leaf.content for leaf in found(spelled_out(equation.expression), "symbol"))
            kept.append(equation)
    return kept[::-1]


def _examples(inputs: dict[str, tuple[int, ...]], names: dict[str, str], sizes: dict[int, Expression]) -> str:
    """m, read from the shape of an argument."""
    for name, shape in inputs.items():
        for axis in reversed(range(len(shape))):
            if sizes.get(shape[axis]) == EXAMPLES:
                return f"{names[name]}.shape[{axis}]"
    return str(next((n for n, x in sizes.items() if x == EXAMPLES), 1))
