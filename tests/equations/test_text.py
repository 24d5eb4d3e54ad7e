"""Equations as text, LaTeX, MathML and NumPy: what they look like, and that they are well formed."""

import ast
import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from tinygrad_course import Tensor, nn, ops
from tinygrad_course.equations import Derivation, derive
from tinygrad_course.equations.expressions import EXAMPLES, ONE, Expression, number, symbol
from tinygrad_course.models import DeepNetwork, LogisticRegression, PlanarClassifier
from tinygrad_course.equations.text import UnicodeWriter, Writer
from tinygrad_course.equations.math import LatexWriter, MathMLWriter
from tinygrad_course.equations.numpy_text import NumpyWriter, identifiers
from tinygrad_course.equations.rules import add, build, multiply, power, spread
from tinygrad_course.equations.rules_arrays import matmul, total, transpose

RANDOM = np.random.default_rng(0)
a, b, c = (symbol(name, (3, 3)) for name in "abc")
W = symbol("W[2]", (3, 3))
per_m = power(EXAMPLES, -1)


def minus(x: Expression) -> Expression:
    return multiply(number(-1), x)


# expression, plain text, LaTeX, NumPy
TABLE = [
    (add(a, minus(b)), "a - b", "a - b", "a - b"),
    (add(minus(a), b), "b - a", "b - a", "b - a"),
    (minus(add(a, b)), "-(a + b)", r"-\left(a + b\right)", "-(a + b)"),
    (multiply(a, add(b, c)), "a * (b + c)", r"a \odot \left(b + c\right)", "a * (b + c)"),
    (multiply(number(2), a, b), "2 a * b", r"2 \, a \odot b", "2 * a * b"),
    (multiply(a, minus(power(b, -1))), "-a / b", r"-\frac{a}{b}", "-a / b"),
    (multiply(a, power(b, -1), power(c, -2)), "a / (b * c^2)", r"\frac{a}{b \odot {c}^{2}}", "a / (b * c ** 2)"),
    (power(add(a, b), -1), "1 / (a + b)", r"\frac{1}{a + b}", "1 / (a + b)"),
    (multiply(add(a, b), power(c, -1)), "(a + b) / c", r"\frac{a + b}{c}", "(a + b) / c"),
    (multiply(number(3), power(c, -1)), "3 / c", r"\frac{3}{c}", "3 / c"),
    (power(W, 2), "W[2]^2", r"{\left(W^{[2]}\right)}^{2}", "W2 ** 2"),
    (build("power", a, b), "a^b", "{a}^{b}", "a ** b"),
    (build("power", a, add(b, ONE)), "a^(b + 1)", "{a}^{b + 1}", "a ** (b + 1)"),
    (build("power", number(2), a), "2^a", "{2}^{a}", "2 ** a"),
    (transpose(W), "W[2]^T", "W^{[2]T}", "W2.T"),
    (transpose(add(a, b)), "(a + b)^T", r"{\left(a + b\right)}^{T}", "(a + b).T"),
    (matmul(a, matmul(b, c)), "a b c", r"a \, b \, c", "a @ (b @ c)"),
    (matmul(matmul(a, b), c), "a b c", r"a \, b \, c", "a @ b @ c"),
    (matmul(a, add(b, c)), "a (b + c)", r"a \, \left(b + c\right)", "a @ (b + c)"),
    (matmul(multiply(a, b), c), "(a * b) c", r"\left(a \odot b\right) \, c", "a * b @ c"),
    (matmul(c, multiply(a, b)), "c (a * b)", r"c \, \left(a \odot b\right)", "c @ (a * b)"),
    (multiply(matmul(a, b), c), "a b * c", r"a \, b \odot c", "a @ b * c"),
    (multiply(c, matmul(a, b)), "c * a b", r"c \odot a \, b", "c * (a @ b)"),
    (multiply(per_m, matmul(a, b)), "(1/m) a b", r"\frac{1}{m} \, a \, b", "1 / m * a @ b"),
    (multiply(number(0.25), per_m, a), "(1/(4 m)) a", r"\frac{1}{4 \, m} \, a", "0.25 / m * a"),
    (multiply(number(0.35), per_m, a), "(0.35/m) a", r"\frac{0.35}{m} \, a", "0.35 / m * a"),
    (multiply(number(2 / 3), a), "(2/3) a", r"\frac{2}{3} \, a", "0.6666666666666666 * a"),
    (multiply(EXAMPLES, a), "m a", r"m \, a", "m * a"),
    (multiply(number(3), power(EXAMPLES, 2), a), "3 m^2 a",
     r"3 \, {m}^{2} \, a", "3 * m ** 2 * a"),
    (total(a, (1,), True), "np.sum(a, axis=1, keepdims=True)",
     r"\mathrm{np.sum}\left(a,\; \mathrm{axis=1},\; \mathrm{keepdims=True}\right)",
     "np.sum(a, axis=1, keepdims=True)"),
    (total(a, None, False), "np.sum(a)", r"\sum\left(a\right)", "np.sum(a)"),
    (build("abs", a), "|a|", r"\left|a\right|", "np.abs(a)"),
    (build("sqrt", a), "sqrt(a)", r"\sqrt{a}", "np.sqrt(a)"),
    (build("log", a), "log(a)", r"\log\left(a\right)", "np.log(a)"),
    (build("sigmoid", a), "sigmoid(a)", r"\sigma\left(a\right)", "sigmoid(a)"),
    (build("relu", a), "relu(a)", r"\mathrm{relu}\left(a\right)", "np.maximum(a, 0)"),
    (build("softplus", a), "softplus(a)", r"\mathrm{softplus}\left(a\right)", "np.logaddexp(a, 0)"),
    (build("clip", a, a_min=-1.0, a_max=None), "clip(a, -1.0, None)",
     r"\mathrm{clip}\left(a,\; \mathrm{-1.0},\; \mathrm{None}\right)", "np.clip(a, -1.0, None)"),
    (build("greater", a, b), "a > b", "a > b", "a > b"),
    (multiply(a, build("greater", b, c)), "a * (b > c)", r"a \odot \left(b > c\right)", "a * (b > c)"),
    (build("equal", a, b), "a == b", "a = b", "a == b"),
    (build("where", build("greater", a, b), b, c), "where(a > b, b, c)",
     r"\mathrm{where}\left(a > b,\; b,\; c\right)", "np.where(a > b, b, c)"),
    (spread(ONE, (3, 2)), "np.ones((3, 2))", r"\mathrm{np.ones}\left(\mathrm{(3, 2)}\right)", "np.full((3, 2), 1.0)"),
    (spread(multiply(number(-2), per_m), (3,)), "-(2/m) np.ones((3,))",
     r"-\frac{2}{m} \, \mathrm{np.ones}\left(\mathrm{(3,)}\right)", "np.full((3,), -2 / m)"),
    (build("getitem", a, shape=(2,), index=(0, ("slice", 1, None, None))), "a[0, 1:]",
     r"a{[}\mathrm{0, 1:}{]}", "a[0, 1:]"),
    (build("concatenate", a, b, shape=(6, 3), axis=0), "np.concatenate([a, b], axis=0)",
     r"\mathrm{np.concatenate}\left(\left[a, b\right],\; \mathrm{axis=0}\right)", "np.concatenate([a, b], axis=0)"),
    (build("local", a, layer="[1]"), "g[1]'(Z[1])", r"g^{[1]\prime}\left(Z^{[1]}\right)", "a"),
    (build("astype", a, dtype="float32"), "a", "a", 'a.astype("float32")'),
]


@pytest.mark.parametrize("i", range(len(TABLE)))
def test_notation(i: int) -> None:
    x, text, latex, source = TABLE[i]
    assert Writer()(x) == text
    assert LatexWriter()(x) == latex
    assert NumpyWriter({"W[2]": "W2"}, {})(x) == source
    ast.parse(source)
    ElementTree.fromstring(MathMLWriter()(x))


def test_numpy_of_a_product_computes_from_the_left() -> None:
    """`a * b @ c` is (a * b) @ c, which is what the expression is."""
    A, B, C = (RANDOM.normal(size=(3, 3)) for _ in "abc")
    assert np.array_equal(A * B @ C, (A * B) @ C)


def test_every_operation_can_be_written() -> None:
    """In each notation, of arrays: nothing in the registry is left out, and Python understands the source."""
    params: dict[str, dict[str, Any]] = {
        "leaky_relu": {"slope": 0.1}, "clip": {"a_min": 0, "a_max": 1}, "astype": {"dtype": "float32"},
        "swapaxes": {"axis1": 0, "axis2": 1}, "transpose": {"axes": None}, "getitem": {"index": (0,)},
        "scatter": {"index": (0, ("slice", 0, 3, None))}, "softmax": {"axis": 0}, "log_softmax": {"axis": 0},
        "concatenate": {"axis": 0}, "stack": {"axis": 0}, "binary_cross_entropy": {"reduction": "mean"},
        "cross_entropy": {"reduction": "none"}, "var": {"axis": 1, "keepdims": False, "ddof": 1},
        **{name: {"axis": 1, "keepdims": True} for name in ("sum", "mean", "max", "min", "logsumexp")}}
    for name, op in ops.REGISTRY.items():
        if op not in vars(ops).values():  # one of NumPy's further functions
            continue
        vjps = op.vjps
        n = 2 if name in ("concatenate", "stack", "dot") else len(vjps)
        x = build(name, *[a, b, c][:n], shape=(3, 3), **params.get(name, {}))
        ast.parse(NumpyWriter({}, {3: number(3)})(x))
        assert Writer()(x) and UnicodeWriter()(x)
        assert balanced(LatexWriter()(x))
        ElementTree.fromstring(MathMLWriter()(x))


def balanced(latex: str) -> bool:
    """Braces in pairs, \\left with \\right, \\begin with \\end."""
    depth = 0
    for token in re.findall(r"\\.|[{}]", latex):
        depth += {"{": 1, "}": -1}.get(token, 0)
        if depth < 0:
            return False
    begins, ends = (re.findall(rf"\\{word}\{{(\w+\*?)\}}", latex) for word in ("begin", "end"))
    return depth == 0 and len(re.findall(r"\\left\b", latex)) == len(re.findall(r"\\right\b", latex)) and begins == ends


def strange() -> Tensor:
    names = ["<b> & 'c'\\", "100%", "a_b", "{", "x}}", "x^2", "$", "#1~", "Ünï", "a\nb", "\x00", "alpha", "W_12"]
    total = sum((Tensor(RANDOM.normal(size=2), requires_grad=True, name=name) * k for k, name in enumerate(names, 1)),
                Tensor(np.ones(2)))
    return (np.tanh(total) ** 2).sum()  # type: ignore[no-any-return]


def derivations() -> list[Derivation]:
    models = [derive(model) for model in (LogisticRegression(3), PlanarClassifier(), DeepNetwork([3, 4, 2, 1]))]
    W = Tensor(RANDOM.normal(size=(3, 2)), requires_grad=True, name="W")
    costs = [nn.cross_entropy(nn.softmax(W @ RANDOM.normal(size=(2, 3))), np.eye(3)).sum() ** 2 / 3,
             (W.logsumexp(axis=0) / np.sqrt(np.abs(W[0])) + W.max() * W.var()).sum()]
    return [*models, *map(derive, costs), derive(strange())]


@pytest.mark.parametrize("i", range(6))
@pytest.mark.parametrize("spelled_out", [False, True])
def test_well_formed(i: int, spelled_out: bool) -> None:
    derivation = derivations()[i]
    latex = derivation.latex(spelled_out=spelled_out)
    assert balanced(latex) and latex.count("align*") == 4 and "&=" in latex
    bare = re.sub(r"\\.", "", derivation._repr_latex_())
    assert bare.startswith("$") and bare.endswith("$") and bare.count("$") == 2
    html = derivation.html(spelled_out=spelled_out)
    tree = ElementTree.fromstring(html)
    maths = tree.findall("{http://www.w3.org/1998/Math/MathML}math")
    assert [len(list(maths[k].iter("{http://www.w3.org/1998/Math/MathML}mtr"))) for k in (0, 1)] == [
        len(derivation.forward), len(derivation.backward)]
    assert "<script" not in html and "src=" not in html and derivation._repr_html_() == derivation.html()
    for node in tree.iter():  # elements with a fixed number of children, which browsers insist on
        tag = node.tag.rpartition("}")[2]
        assert len(node) == {"mfrac": 2, "msup": 2, "msub": 2}.get(tag, len(node))
        assert tag in {"div", "p", "strong", "math", "mtable", "mtr", "mtd", "mrow", "mi", "mn", "mo", "mtext", "mfrac",
                       "msup", "msub", "msqrt", "mspace"}


def test_latex_and_mathml_of_the_course() -> None:
    derivation = derive(PlanarClassifier())
    meaning, *latex = derivation.latex().splitlines()
    assert meaning.startswith("% dT is m times the derivative of the cost with respect to T; for a parameter the deriv")
    assert latex[1] == r"Z^{[1]} &= W^{[1]} \, X + b^{[1]} \\"
    assert r"\hat{y} &= A^{[2]} \\" in latex
    assert r"dW^{[2]} &= \frac{1}{m} \, dZ^{[2]} \, A^{[1]T} \\" in latex
    assert r"dZ^{[1]} &= W^{[2]T} \, dZ^{[2]} \odot g^{[1]\prime}\left(Z^{[1]}\right) \\" in latex
    text = "".join(ElementTree.fromstring(derivation.html()).itertext())
    assert "dZ[2]=A[2]−Y" in text and "dZ[1]=W[2]TdZ[2]⊙g[1]′(Z[1])" in text


def test_greek_letters() -> None:
    for name, latex in [("gamma", r"\gamma"), ("dgamma", r"d\gamma"), ("lambd", r"\lambda"), ("T12", "T_{12}"),
                        ("dT1", "dT_{1}"), ("delta", r"\delta"), ("bias", r"\mathrm{bias}"),
                        ("dW[3]", "dW^{[3]}"), ("y_hat", r"\hat{y}")]:
        assert LatexWriter().symbol(name) == latex
        ElementTree.fromstring(MathMLWriter().symbol(name))


def test_identifiers() -> None:
    names = identifiers(["W[1]", "W1", "m", "np", "lambda", "1", "", "a b", "sigmoid", "gradients", "é", "dW[1]"])
    assert names["W[1]"] == "W1" and names["dW[1]"] == "dW1" and names["1"] == "_1"
    assert len(set(names.values())) == len(names) and not {"m", "np", "lambda"} & set(names.values())
    assert all(name.isidentifier() for name in names.values())


def test_source_is_readable() -> None:
    assert derive(PlanarClassifier()).source().splitlines()[8:] == [
        "def gradients(X, Y, W1, b1, W2, b2):",
        '    """The gradients of the cost with respect to its parameters, derived from its graph."""',
        "    m = X.shape[1]",
        "    Z1 = W1 @ X + b1",
        "    A1 = np.tanh(Z1)",
        "    Z2 = W2 @ A1 + b2",
        "    A2 = sigmoid(Z2)",
        "    dZ2 = A2 - Y",
        "    dW2 = 1 / m * dZ2 @ A1.T",
        "    db2 = 1 / m * np.sum(dZ2, axis=1, keepdims=True)",
        "    dZ1 = W2.T @ dZ2 * (1 - A1 ** 2)",
        "    dW1 = 1 / m * dZ1 @ X.T",
        "    db1 = 1 / m * np.sum(dZ1, axis=1, keepdims=True)",
        "    return {'W1': dW1, 'b1': db1, 'W2': dW2, 'b2': db2}"]
