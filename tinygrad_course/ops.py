"""Every operation that a graph can record, one entry each.

An entry holds what backpropagation needs to know about an operation y = f(a, b, ...):

* its *value*: a function from arrays to an array;
* its *notation*, as the course writes it;
* one *vector-Jacobian product* (VJP) per input: given g = dJ/dy, the gradient of the cost J with respect to the
  output, it returns dJ/da. It is called as ``vjp(g, y, a, b, ..., **params)``.

The VJPs use only operators and NumPy functions that a `Tensor` also understands. On arrays they compute gradients;
on Tensors they record the backward pass as a graph of its own, which can be drawn, printed and differentiated again.

No VJP thinks about broadcasting: for y = a + b the gradient of both inputs is simply g. Where an input was
stretched to the shape of y, the engine adds up g afterwards, in one place (`broadcasting.unbroadcast`).
"""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from tinygrad_course.broadcasting import Shape, broadcast_shape
from tinygrad_course.errors import InputError

VJP = Callable[..., Any]
REGISTRY: dict[str, Op] = {}


class Op:
    """One operation: name, value, notation and VJPs; see the module's text.

    vjps: one per input; None where an input has no gradient.
    each: for any number of inputs, in place of `vjps`: called as ``each(i, g, y, ...)`` for the i-th of them.
    explain: called only when `value` raised, with the names and shapes of the inputs; returns a better message, or
    None where it has none.
    keeps_input: the input is remembered even when nothing is recorded, so that a cost finds its logits.
    constant: the result has no gradient, its derivative being zero wherever it exists; where it came from is noted
    all the same, so that the backward pass can be read.
    beside: (i, vjp), where the VJP of another input has already brought the gradient of the i-th to where that one
    came from: this one is for whoever asks for it, and is not handed on.
    """

    __slots__ = ("name", "value", "notation", "vjps", "explain", "keeps_input", "constant", "beside")

    def __init__(self, name: str, value: Callable[..., Any], notation: str, *vjps: VJP | None,
                 each: VJP | None = None, explain: Callable[..., str | None] | None = None, keeps_input: bool = False,
                 constant: bool = False, beside: tuple[int, VJP] | None = None):
        self.name = name
        self.value = value
        self.notation = notation
        self.vjps: Sequence[VJP | None] = vjps if each is None else ForEachInput(each)
        self.explain = explain
        self.keeps_input = keeps_input
        self.constant = constant
        self.beside = beside

    def __call__(self, *inputs: Any, **params: Any) -> Any:
        """The value of arrays as an array; as soon as one input is a Tensor, a recorded Tensor."""
        for x in inputs:
            if hasattr(x, "__apply_op__"):
                return x.__apply_op__(self, *inputs, **params)
        return self.value(*inputs, **params)

    def __reduce__(self) -> Any:
        if REGISTRY.get(self.name) is not self:
            raise InputError(f"the operation {self.name} cannot be pickled, as it has no name in the registry: "
                             "define it by ops.op(...)")
        return _registered, (self.name,)

    def __deepcopy__(self, memo: Any) -> Op:
        return self

    def __repr__(self) -> str:
        return f"<op {self.name}: {self.notation}>"


class ForEachInput(Sequence[VJP]):
    """The VJPs of an operation with any number of inputs: the i-th is `vjp(i, g, y, *inputs, **params)`."""

    def __init__(self, vjp: VJP):
        self.vjp = vjp

    def __getitem__(self, i: Any) -> Any:
        return partial(self.vjp, i)

    def __len__(self) -> int:
        raise TypeError("one VJP for each input, however many there are")


def _registered(name: str) -> Op:
    if name not in REGISTRY:
        from tinygrad_course import numpy_functions  # noqa: F401  its operations are entered by importing it
    return REGISTRY[name]


def op(name: str, value: Callable[..., Any], notation: str, *vjps: VJP | None, **more: Any) -> Op:
    """Define an operation and enter it in the registry."""
    REGISTRY[name] = Op(name, value, notation, *vjps, **more)
    return REGISTRY[name]


def quiet(value: Callable[..., Any]) -> Callable[..., Any]:
    """`value` without NumPy's warnings: log(0) is -inf, as in mathematics; `detect_anomaly` finds it if asked."""
    return np.errstate(all="ignore")(value)


def explain_broadcasting(op: Op, names: Sequence[str], *shapes: Shape) -> str | None:
    """The broadcast table, with the name of the operation."""
    try:
        broadcast_shape(*shapes)
    except InputError as error:
        return f"{op.name}: {error}"
    return None  # it was not the shapes


elementwise = partial(op, explain=explain_broadcasting)

# ---------------------------------------------------------------------------------------------- arithmetic

add = elementwise("add", np.add, "{0} + {1}",
                  lambda g, y, a, b: g,
                  lambda g, y, a, b: g)

subtract = elementwise("subtract", np.subtract, "{0} - {1}",
                       lambda g, y, a, b: g,
                       lambda g, y, a, b: -g)

multiply = elementwise("multiply", np.multiply, "{0} * {1}",
                       lambda g, y, a, b: g * b,
                       lambda g, y, a, b: g * a)

divide = elementwise("divide", quiet(np.divide), "{0} / {1}",
                     lambda g, y, a, b: g / b,
                     lambda g, y, a, b: -g * y / b)


def _base(x: Any, p: Any) -> Any:
    """For p x^(p-1), which is 0 at p = 0: 1 in place of an x whose x^(-1), times 0, would be NaN."""
    zero = p == 0
    if isinstance(zero, (np.ndarray, np.bool_)) and not zero.any():
        return x
    return np.where(zero & ((x == 0) | (x - x != 0)), 1, x)


def _logarithm(x: Any, p: Any) -> Any:
    """For x^p log x: its limit is 0 where x^p is 0, and so it is taken to be at 0^0."""
    return np.log(np.where((x == 0) & (p >= 0) | (x == np.inf) & (p < 0), 1, x))


power = elementwise("power", quiet(lambda x, p: x ** p), "{0} ** {1}",
                    lambda g, y, x, p: g * p * _base(x, p) ** (p - 1),
                    lambda g, y, x, p: g * y * _logarithm(x, p))

# Comparisons, for VJPs: on arrays they give arrays of True and False, which count as 1 and 0.
greater = elementwise("greater", np.greater, "{0} > {1}", None, None, constant=True)
equal = elementwise("equal", np.equal, "{0} == {1}", None, None, constant=True)
sign = op("sign", np.sign, "sign({0})", None, constant=True)

negative = op("negative", np.negative, "-{0}", lambda g, y, x: -g)
absolute = op("abs", np.abs, "|{0}|", lambda g, y, x: g * sign(x))
reciprocal = op("reciprocal", quiet(lambda x: 1 / x), "1 / {0}", lambda g, y, x: -g * y * y)
square = op("square", np.square, "{0} ** 2", lambda g, y, x: g * 2 * x)
sqrt = op("sqrt", quiet(np.sqrt), "sqrt({0})", lambda g, y, x: g / (2 * y))

# ------------------------------------------------------------------------------- exponentials, activations


def _real(z: Any) -> Any:
    """Integers as float64: NumPy would compute small ones in float16, and negate unsigned ones to large ones."""
    z = z if hasattr(z, "dtype") else np.asarray(z)
    return z.astype(np.float64) if z.dtype.kind in "iub" else z


def _sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-_real(z)))


exp = op("exp", quiet(np.exp), "exp({0})", lambda g, y, x: g * y)
expm1 = op("expm1", quiet(np.expm1), "exp({0}) - 1", lambda g, y, x: g * (y + 1))
log = op("log", quiet(np.log), "log({0})", lambda g, y, x: g / x)
log1p = op("log1p", quiet(np.log1p), "log(1 + {0})", lambda g, y, x: g / (1 + x))
sigmoid = op("sigmoid", quiet(_sigmoid), "sigmoid({0})", lambda g, y, z: g * (y * (1 - y)), keeps_input=True)
tanh = op("tanh", np.tanh, "tanh({0})", lambda g, y, z: g * (1 - y * y))
relu = op("relu", lambda z: np.maximum(z, 0), "relu({0})", lambda g, y, z: g * greater(z, 0))
leaky_relu = op("leaky_relu", lambda z, slope: np.where(z > 0, z, slope * z), "leaky_relu({0})",
                lambda g, y, z, slope: np.where(greater(z, 0), g, slope * g))
softplus = op("softplus", lambda z: np.logaddexp(_real(z), 0), "log(1 + exp({0}))", lambda g, y, z: g * sigmoid(z))

# ------------------------------------------------------------------------------------------------- choices


def _chosen(g: Any, equal: Any, chosen: Any) -> Any:
    """All of g where an input was chosen; where both were equal half of it, so that the halves add up to g."""
    return np.where(equal, g * 0.5, np.where(chosen, g, 0))


maximum = elementwise("maximum", np.maximum, "max({0}, {1})",
                      lambda g, y, a, b: _chosen(g, equal(a, b), greater(a, b)),
                      lambda g, y, a, b: _chosen(g, equal(a, b), greater(b, a)))

minimum = elementwise("minimum", np.minimum, "min({0}, {1})",
                      lambda g, y, a, b: _chosen(g, equal(a, b), greater(b, a)),
                      lambda g, y, a, b: _chosen(g, equal(a, b), greater(a, b)))

clip = op("clip", np.clip, "clip({0}, {a_min}, {a_max})",
          lambda g, y, x, a_min, a_max: np.where(equal(y, x), g, 0))

where = elementwise("where", np.where, "where({0}, {1}, {2})",
                    None,
                    lambda g, y, condition, a, b: np.where(condition, g, 0),
                    lambda g, y, condition, a, b: np.where(condition, 0, g))

# ---------------------------------------------------------------------------------------------- reductions
# `axis` is None (all axes), an integer or a tuple; `keepdims` as in NumPy.


def _reduced(x: Any, axis: Any) -> tuple[int, ...]:
    """The reduced axes as non-negative integers."""
    if axis is None or x.ndim == 0:  # a number has no axes, but NumPy takes 0 and -1 for it too
        return tuple(range(x.ndim))
    return tuple(i % x.ndim for i in (axis if isinstance(axis, tuple) else (axis,)))


def _count(x: Any, axis: Any) -> int:
    """How many elements go into one result."""
    return math.prod(x.shape[i] for i in _reduced(x, axis))


def _restore(g: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """g with its reduced axes put back as size one, so that it broadcasts against x."""
    axes = _reduced(x, axis)
    return g if keepdims else g.reshape(tuple(1 if i in axes else size for i, size in enumerate(x.shape)))


def _spread(g: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """g repeated along the reduced axes: every element of x went into its result once."""
    return np.broadcast_to(_restore(g, x, axis, keepdims), x.shape)


def _var(x: Any, axis: Any, keepdims: bool, ddof: int) -> Any:
    deviation = x - _mean(x, axis, True)
    return (deviation * deviation).sum(axis=axis, keepdims=keepdims) / _freedom(x, axis, ddof)


def _freedom(x: Any, axis: Any, ddof: float) -> float:
    """What a variance is divided by, as NumPy has it: not less than 0."""
    return max(_count(x, axis) - ddof, 0)


def _mean(x: Any, axis: Any, keepdims: bool) -> Any:
    return x.sum(axis=axis, keepdims=keepdims) / _count(x, axis)


def _largest(z: Any, axis: Any) -> Any:
    return z.max(axis=axis, keepdims=True, initial=-np.inf)


def _logsumexp(z: Any, axis: Any, keepdims: bool) -> Any:
    z = _real(z)
    largest = _largest(z, axis)
    largest = np.where(np.isfinite(largest), largest, 0)  # inf - inf would be NaN
    total = np.log(np.exp(z - largest).sum(axis=axis, keepdims=True)) + largest
    return total if keepdims else np.squeeze(total, axis=axis)


def _shifted(z: Any, axis: Any) -> Any:
    """z less its largest element: exp cannot overflow, and loses no digit where z is large. An infinite z outweighs
    every other, as in the limit."""
    z = _real(z)
    return np.where(z == np.inf, 0, z - _largest(z, axis))


def _softmax(z: Any, axis: Any) -> Any:
    e = np.exp(_shifted(z, axis))
    return e / e.sum(axis=axis, keepdims=True)


def _surprise(z: Any, axis: Any) -> Any:
    """-log softmax(z)"""
    z = _shifted(z, axis)
    return np.log(np.exp(z).sum(axis=axis, keepdims=True)) - z


def _extreme_vjp(g: Any, y: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """The gradient of max and min goes to the extreme element; equal ones share it."""
    chosen = equal(x, _restore(y, x, axis, keepdims))
    return _restore(g, x, axis, keepdims) * (chosen / chosen.sum(axis=axis, keepdims=True))


sum_ = op("sum", lambda x, axis, keepdims: x.sum(axis=axis, keepdims=keepdims), "sum({0}, axis={axis})",
          lambda g, y, x, axis, keepdims: _spread(g, x, axis, keepdims))

mean = op("mean", quiet(_mean), "mean({0}, axis={axis})",
          lambda g, y, x, axis, keepdims: _spread(g, x, axis, keepdims) / _count(x, axis))

var = op("var", quiet(_var), "var({0}, axis={axis})",
         lambda g, y, x, axis, keepdims, ddof: _restore(g, x, axis, keepdims) * 2
         * (x - _mean(x, axis, True)) / _freedom(x, axis, ddof))

max_ = op("max", lambda x, axis, keepdims: x.max(axis=axis, keepdims=keepdims), "max({0}, axis={axis})",
          _extreme_vjp)

min_ = op("min", lambda x, axis, keepdims: x.min(axis=axis, keepdims=keepdims), "min({0}, axis={axis})",
          _extreme_vjp)

logsumexp = op("logsumexp", quiet(_logsumexp), "log(sum(exp({0}), axis={axis}))",
               lambda g, y, z, axis, keepdims: _restore(g, z, axis, keepdims)
               * np.where(z == -np.inf, 0, softmax(z, axis=axis)))

softmax: Op = op("softmax", quiet(_softmax), "softmax({0}, axis={axis})",
                 lambda g, y, z, axis: y * (g - (g * y).sum(axis=axis, keepdims=True)), keeps_input=True)

log_softmax = op("log_softmax", quiet(lambda z, axis: -_surprise(z, axis)),
                 "log_softmax({0}, axis={axis})",
                 lambda g, y, z, axis: g - np.exp(y) * g.sum(axis=axis, keepdims=True))

# ------------------------------------------------------------------------------------------------- products


def _turned(x: Any) -> Any:
    """Every matrix of x transposed."""
    return x.T if x.ndim == 2 else np.swapaxes(x, -1, -2)


def _matmul_vjp_a(g: Any, y: Any, a: Any, b: Any) -> Any:
    if b.ndim == 1:  # y = sum over k of a[..., k] b[k]
        return np.expand_dims(g, -1) * b
    if a.ndim == 1:  # y[..., j] = sum over k of a[k] b[..., k, j]
        return (b @ np.expand_dims(g, -1)).reshape(b.shape[:-1])
    return np.dot(g, b.T) if a.ndim == b.ndim == 2 else g @ _turned(b)


def _matmul_vjp_b(g: Any, y: Any, a: Any, b: Any) -> Any:
    if a.ndim == b.ndim == 2:
        return np.dot(a.T, g)
    if a.ndim == 1:
        return (a if b.ndim == 1 else np.expand_dims(a, -1)) * np.expand_dims(g, -2 if b.ndim > 1 else -1)
    if b.ndim == 1:
        return (_turned(a) @ np.expand_dims(g, -1)).reshape(a.shape[:-2] + a.shape[-1:])
    return _turned(a) @ g


def _matmul(a: Any, b: Any) -> Any:
    """a @ b; for two matrices np.dot, which gives the same numbers sooner (measured: 0.3 to 2 us for small ones)."""
    return np.dot(a, b) if getattr(a, "ndim", 0) == getattr(b, "ndim", 0) == 2 else np.matmul(a, b)


def _transposed(name: str) -> str:
    return f"the transpose of {name}" if " " in name else f"{name}.T"


def _explain_matmul(op: Op, names: Sequence[str], a: Shape, b: Shape) -> str:
    left, right = f"{op.name}: {names[0]} is {a}", f"{names[1]} is {b}"
    if not a or not b:
        return f"{left} and {right}: a product with a number is written *"
    columns, rows = a[-1], b[-2] if len(b) > 1 else b[-1]
    if columns == rows:
        return (f"{left} and {right}: the batch axes, all but the last two, do not fit\n"
                f"{explain_broadcasting(op, names, a[:-2], b[:-2])}")
    advice = "Examples are columns here"
    if columns == b[-1]:
        advice += f"; did you mean {_transposed(names[1])}?"
    elif len(a) > 1 and a[-2] == rows:
        advice += f"; did you mean {_transposed(names[0])}?"
    return f"{left} but {right}: columns of {names[0]} must equal rows of {names[1]}. {advice}"


def _dot_sides(a: Any, b: Any) -> tuple[Any, Any]:
    """np.dot sums over the last axis of a and the last but one of b: both as matrices with that axis inside."""
    k = a.shape[-1]
    rows = a.reshape((a.size // k if k else math.prod(a.shape[:-1]), k))
    columns = b if b.ndim == 1 else np.moveaxis(b, -2, 0)
    return rows, columns.reshape((k, b.size // k if k else math.prod(columns.shape[1:])))


def _dot_vjp_a(g: Any, y: Any, a: Any, b: Any) -> Any:
    if a.ndim == 0 or b.ndim == 0:
        return g * b
    rows, columns = _dot_sides(a, b)
    return (g.reshape((rows.shape[0], columns.shape[1])) @ columns.T).reshape(a.shape)


def _dot_vjp_b(g: Any, y: Any, a: Any, b: Any) -> Any:
    if a.ndim == 0 or b.ndim == 0:
        return g * a
    rows, columns = _dot_sides(a, b)
    db = rows.T @ g.reshape((rows.shape[0], columns.shape[1]))
    return db.reshape(b.shape) if b.ndim == 1 else np.moveaxis(
        db.reshape(b.shape[-2:-1] + b.shape[:-2] + b.shape[-1:]), 0, -2)


matmul = op("matmul", _matmul, "{0} {1}", _matmul_vjp_a, _matmul_vjp_b, explain=_explain_matmul)
dot = op("dot", np.dot, "dot({0}, {1})", _dot_vjp_a, _dot_vjp_b, explain=_explain_matmul)

# --------------------------------------------------------------------------------------------------- shapes


def _reshape_vjp(g: Any, y: Any, x: Any, **params: Any) -> Any:
    """The same numbers in the shape that they had."""
    return g.reshape(x.shape)


def _slice_of(i: int, g: Any, inputs: Sequence[Any], axis: int | None) -> Any:
    """The part of g that belongs to the i-th concatenated input; without an axis they were flattened first."""
    if axis is None:
        start = sum(x.size for x in inputs[:i])
        return g[start:start + inputs[i].size].reshape(inputs[i].shape)
    axis %= g.ndim
    start = sum(x.shape[axis] for x in inputs[:i])
    return g[(slice(None),) * axis + (slice(start, start + inputs[i].shape[axis]),)]


transpose = op("transpose", np.transpose, "{0}^T",
               lambda g, y, x, axes: np.transpose(g, None if axes is None else tuple(
                   int(i) for i in np.argsort([axis % x.ndim for axis in axes]))))
swapaxes = op("swapaxes", np.swapaxes, "swapaxes({0}, {axis1}, {axis2})",
              lambda g, y, x, axis1, axis2: np.swapaxes(g, axis1, axis2))
reshape = op("reshape", lambda x, shape: x.reshape(shape), "reshape({0}, {shape})", _reshape_vjp)
ravel = op("ravel", lambda x: x.reshape(-1), "ravel({0})", _reshape_vjp)
squeeze = op("squeeze", np.squeeze, "squeeze({0})", _reshape_vjp)
expand_dims = op("expand_dims", np.expand_dims, "expand_dims({0}, {axis})", _reshape_vjp)
broadcast_to = op("broadcast_to", lambda x, shape: np.broadcast_to(x, shape), "broadcast({0}, {shape})",
                  lambda g, y, x, shape: g)  # the engine adds up what was stretched
concatenate = op("concatenate", lambda *inputs, axis: np.concatenate(inputs, axis=axis), "concatenate(axis={axis})",
                 each=lambda i, g, y, *inputs, axis: _slice_of(i, g, inputs, axis))
stack = op("stack", lambda *inputs, axis: np.stack(inputs, axis=axis), "stack(axis={axis})",
           each=lambda i, g, y, *inputs, axis: g[(slice(None),) * (axis % g.ndim) + (i,)])
astype = op("astype", lambda x, dtype: x.astype(dtype), "{0}.astype({dtype})",
            lambda g, y, x, dtype: g)  # the engine gives every gradient the dtype of its input


def _scatter(g: Any, index: Any, shape: Shape) -> Any:
    """Zeros of `shape` with g added at x[index]; an element that was read twice receives both gradients."""
    x = np.zeros_like(g, shape=shape)
    if all(i is None or i is Ellipsis or isinstance(i, (int, slice)) for i in index):
        x[index] = g  # such an index reads no element twice, and assigning is much faster
    else:
        np.add.at(x, index, g)
    return x


getitem = op("getitem", lambda x, index: x[index], "{0}[{index}]",
             lambda g, y, x, index: scatter(g, index=index, shape=x.shape))
scatter: Op = op("scatter", _scatter, "scatter({0}, {index})",
                 lambda g, y, x, index, shape: g[index])

# ---------------------------------------------------------------------------------------------------- costs
# Their inputs are the logits Z, the activation A that was computed from Z, and the labels Y. The value comes from Z,
# so it never meets log(0). A stands among the inputs because the gradient is written with it, dZ = A - Y, which
# stays right where A is saturated; through A itself no gradient flows a second time. Who asks for dA gets the
# course's, -(Y / A - (1 - Y) / (1 - A)), which is `beside` the chain: at saturation dA * g'(Z) would be infinity
# times zero.


def _reduce(losses: Any, reduction: str) -> Any:
    """The cost, from losses with one column per example: "mean" is (1/m) times the sum over the m examples,
    "none" leaves one loss per example, (1, m). What a column holds is added up: it is one example's loss."""
    if reduction == "none":
        return losses.sum(axis=tuple(range(losses.ndim - 1)), keepdims=True) if losses.ndim > 1 else losses
    return losses.sum() / _examples(losses) if reduction == "mean" else losses.sum()


def _share(g: Any, Z: Any, reduction: str) -> Any:
    """What one example receives of the gradient g of the cost: the 1/m of a mean, or all."""
    return g / _examples(Z) if reduction == "mean" else g


def _examples(x: Any) -> Any:
    """m, the number of columns; a single number is one example, and the mean over no examples is nan."""
    return x.shape[-1] or np.nan if x.ndim else 1


def _odds(y: Any, a: Any) -> Any:
    """y / a; 0 / 0 is 0, as there is no loss where a label rules it out."""
    return y / np.where((y == 0) & (a == 0), 1, a)


binary_cross_entropy = op(
    # -y log a - (1 - y) log(1 - a) with a = sigmoid(z) is log(1 + e^z) - y z
    "binary_cross_entropy",
    lambda Z, A, Y, reduction: _reduce(np.maximum(Z, 0) - Y * Z + np.log1p(np.exp(np.copysign(Z, -1))), reduction),
    "binary_cross_entropy({1}, {2})",
    lambda g, y, Z, A, Y, reduction: (A - Y) * _share(g, Z, reduction),
    None,
    lambda g, y, Z, A, Y, reduction: -Z * _share(g, Z, reduction),
    beside=(1, lambda g, y, Z, A, Y, reduction: (_odds(1 - Y, 1 - A) - _odds(Y, A)) * _share(g, Z, reduction)))

cross_entropy = op(
    # J_CE: -sum_k y_k log a_k with a = softmax(z), where log a = z - log(sum_k e^z_k).
    "cross_entropy",
    # A class that a label rules out costs nothing, also where its logit is -inf.
    quiet(lambda Z, A, Y, reduction: _reduce(np.where(Y == 0, 0, Y * _surprise(Z, 0)), reduction)),
    "cross_entropy({1}, {2})",
    lambda g, y, Z, A, Y, reduction: (A * Y.sum(axis=0, keepdims=True) - Y) * _share(g, Z, reduction),
    None,
    lambda g, y, Z, A, Y, reduction: -log_softmax(Z, axis=0) * _share(g, Z, reduction),
    beside=(1, lambda g, y, Z, A, Y, reduction: -_odds(Y, A) * _share(g, Z, reduction)))
