"""Every operation held against PyTorch's own samples of it, where PyTorch is installed: values, and first and second
derivatives, of all samples whose options our operation has."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from tinygrad_course import Tensor, grad, nn

torch = pytest.importorskip("torch")
try:
    from torch.testing._internal.common_methods_invocations import op_db
except ImportError as error:  # a private module, which needs packages of its own
    pytest.skip(f"PyTorch's samples cannot be loaded: {error}", allow_module_level=True)

Function = Callable[..., Any]


class Unlike(Exception):
    """A sample with an option that our operation does not have."""


def only(kwargs: dict[str, Any], *names: str, **required: Any) -> dict[str, Any]:
    """The options as NumPy calls them. Raises Unlike for others, and where one is not as required."""
    said = {"dim": "axis", "keepdim": "keepdims", "correction": "ddof"}
    for name, value in kwargs.items():
        if name not in names and not (name in required and required[name] == value):
            raise Unlike(f"{name}={value!r}")
    return {said.get(name, name): value for name, value in kwargs.items() if name in names}


def unary(function: Function) -> Function:
    return lambda x, *args, **kwargs: function(x, *none(args), **only(kwargs))


def none(args: Any) -> Any:
    if args:
        raise Unlike("more arguments")
    return args


def binary(function: Function, **required: Any) -> Function:
    return lambda a, b, **kwargs: function(a, b, **only(kwargs, **required))


def reduced(function: Function, **fixed: Any) -> Function:
    def reduce(x: Any, *args: Any, **kwargs: Any) -> Any:
        options = only(kwargs, "dim", "keepdim")
        names = ("axis", "keepdims")
        given = {**dict(zip(names, args)), **options, **fixed}
        if given.get("axis") == () or given.get("axis") == []:
            raise Unlike("no axes are all axes in PyTorch")
        if isinstance(given.get("axis"), list):
            given["axis"] = tuple(given["axis"])
        if isinstance(given.get("axis"), tuple) and len(given["axis"]) == 1:
            given["axis"] = given["axis"][0]  # NumPy takes axis 0 of a number, but not (0,)
        return function(x, **given)
    return reduce


def variance(x: Any, *args: Any, **kwargs: Any) -> Any:
    if args or "unbiased" in kwargs or kwargs.get("correction", 1) is None:
        raise Unlike("the bias by position")
    return reduced(Tensor.var, ddof=kwargs.pop("correction", 1))(x, **kwargs)


def softmax(function: Function) -> Function:
    def apply(x: Any, axis: Any, **kwargs: Any) -> Any:
        return function(x, axis=axis, **only(kwargs, dtype=None))
    return apply


def clamp(x: Any, *args: Any, **kwargs: Any) -> Any:
    low, high = (*args, None, None)[:2]
    given = only(kwargs, "min", "max")
    low, high = given.get("min", low), given.get("max", high)
    if low is None and high is None:
        raise Unlike("no bounds")
    return np.clip(x, low, high)


def moved(function: Function) -> Function:
    def move(x: Any, *args: Any, **kwargs: Any) -> Any:
        if function is np.swapaxes and x.ndim == 0:
            raise Unlike("PyTorch swaps the axes of a number")
        return function(x, *args, **only(kwargs))
    return move


def shape_of(args: Any) -> Any:
    return tuple(args[0]) if len(args) == 1 and not isinstance(args[0], int) else args


def leaky(x: Any, *args: Any, **kwargs: Any) -> Any:
    return nn.leaky_relu(x, *args, **({"slope": kwargs["negative_slope"]} if "negative_slope" in kwargs else {}))


def squeezed(x: Any, *args: Any, **kwargs: Any) -> Any:
    wanted = np.atleast_1d(args[0] if args else np.arange(x.ndim)).tolist()
    axes = [axis for axis in wanted if x.ndim and x.shape[axis] == 1]
    return np.squeeze(x, axis=tuple(axes))


def joined(function: Function) -> Function:
    def join(parts: Any, *args: Any, **kwargs: Any) -> Any:
        if len({x.ndim for x in parts}) > 1:
            raise Unlike("PyTorch joins an empty vector to anything")
        return function(list(parts), *args, **only(kwargs, "dim"))
    return join


OURS: dict[str, Function] = {
    "add": binary(lambda a, b: a + b, alpha=1), "sub": binary(lambda a, b: a - b, alpha=1),
    "mul": binary(lambda a, b: a * b), "true_divide": binary(lambda a, b: a / b),
    "div": binary(lambda a, b: a / b, rounding_mode=None), "pow": binary(lambda a, b: a ** b),
    "__radd__": binary(lambda a, b: b + a), "__rsub__": binary(lambda a, b: b - a),
    "__rmul__": binary(lambda a, b: b * a), "__rdiv__": binary(lambda a, b: b / a),
    "__rpow__": binary(lambda a, b: b ** a), "__rmatmul__": binary(lambda a, b: b @ a),
    "float_power": binary(np.float_power), "maximum": binary(np.maximum), "minimum": binary(np.minimum),
    "neg": unary(np.negative), "abs": unary(np.abs), "exp": unary(np.exp), "expm1": unary(np.expm1),
    "log": unary(np.log), "log1p": unary(np.log1p), "sqrt": unary(np.sqrt), "square": unary(np.square),
    "reciprocal": unary(np.reciprocal), "tanh": unary(np.tanh), "sigmoid": unary(nn.sigmoid),
    "positive": unary(lambda x: +x),
    "nn.functional.relu": unary(nn.relu), "nn.functional.leaky_relu": leaky, "nn.functional.tanhshrink":
        unary(lambda x: x - np.tanh(x)), "nn.functional.softsign": unary(lambda x: x / (1 + np.abs(x))),
    "sum": reduced(Tensor.sum), "mean": reduced(Tensor.mean), "amax": reduced(Tensor.max), "amin": reduced(Tensor.min),
    "var": variance, "logsumexp": reduced(Tensor.logsumexp),
    "softmax": softmax(Tensor.softmax), "log_softmax": softmax(Tensor.log_softmax), "clamp": clamp,
    "where": lambda a, condition, b: np.where(condition, a, b),
    "matmul": binary(np.matmul), "mm": binary(np.matmul), "mv": binary(np.matmul), "bmm": binary(np.matmul),
    "dot": binary(np.dot),
    "addmm": lambda c, a, b, **kwargs: kwargs.get("beta", 1) * c + kwargs.get("alpha", 1) * (a @ b),
    "transpose": moved(np.swapaxes), "permute": lambda x, *axes: np.transpose(x, shape_of(axes)),
    "movedim": moved(np.moveaxis), "t": unary(lambda x: x.T), "reshape": lambda x, *shape: x.reshape(*shape),
    "view": lambda x, *shape: x.reshape(shape_of(shape)), "ravel": unary(np.ravel), "squeeze": squeezed,
    "unsqueeze": moved(np.expand_dims), "broadcast_to": moved(np.broadcast_to), "clone": unary(np.copy),
    "cat": joined(lambda parts, axis=0: np.concatenate(parts, axis=axis)),
    "stack": joined(lambda parts, axis=0: np.stack(parts, axis=axis)), "__getitem__": lambda x, index: x[index],
}


def converted(x: Any, leaves: list[Tensor]) -> Any:
    """A sample's argument as ours; floating tensors become leaves."""
    if isinstance(x, torch.Tensor):
        array = x.detach().numpy()
        if array.dtype.kind != "f":
            return array
        leaves.append(Tensor(array, requires_grad=True))
        return leaves[-1]
    if isinstance(x, (list, tuple)):
        return type(x)(converted(part, leaves) for part in x)
    return x


def theirs(x: Any, leaves: list[Any]) -> Any:
    if isinstance(x, torch.Tensor) and x.dtype.is_floating_point:
        leaves.append(x.detach().clone().requires_grad_())
        return leaves[-1]
    return type(x)(theirs(part, leaves) for part in x) if isinstance(x, (list, tuple)) else x


def samples() -> Iterator[Any]:
    names = {info.name for info in op_db}
    assert set(OURS) <= names, sorted(set(OURS) - names)
    for info in op_db:
        if info.name in OURS and info.variant_test_name in ("", "binary") and info.supports_autograd:
            yield info


def compared(info: Any, sample: Any) -> None:
    mine: list[Tensor] = []
    other: list[Any] = []
    arguments = [converted(x, mine) for x in (sample.input, *sample.args)]
    result = OURS[info.name](*arguments, **sample.kwargs)
    expected = info.op(*[theirs(x, other) for x in (sample.input, *sample.args)], **sample.kwargs)
    assert isinstance(result, Tensor)
    close(result.data, expected, "value")
    if not expected.requires_grad:
        return
    weights = np.random.RandomState(0).uniform(0.5, 1.5, result.shape)
    first = grad(result, mine, weights, create_graph=True)
    torch_first = torch.autograd.grad(expected, other, torch.from_numpy(np.asarray(weights)), create_graph=True,
                                      allow_unused=True, materialize_grads=True)
    for g, t in zip(first, torch_first, strict=True):
        close(g.data, t, "first derivative")
    total = sum((g * g * (0.5 + g)).sum() for g in first)
    torch_total = sum((t * t * (0.5 + t)).sum() for t in torch_first)
    if not torch_total.requires_grad:
        return
    second = grad(total, mine) if total.requires_grad else [Tensor(np.zeros(x.shape)) for x in mine]
    for g, t in zip(second, torch.autograd.grad(torch_total, other, allow_unused=True, materialize_grads=True)):
        close(g.data, t, "second derivative")


def close(ours: Any, expected: Any, what: str) -> None:
    expected = expected.detach().numpy(force=True)
    assert ours.shape == expected.shape and ours.dtype == expected.dtype, (what, ours.shape, expected.shape)
    np.testing.assert_allclose(ours, expected, rtol=1e-7, atol=1e-9, err_msg=what)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("info", list(samples()), ids=lambda info: info.formatted_name)
def test_samples(info: Any) -> None:
    checked, left_out = 0, []
    with torch.testing._internal.common_utils.set_default_dtype(torch.float64), np.errstate(all="ignore"):
        for sample in info.sample_inputs("cpu", torch.float64, requires_grad=True):
            try:
                compared(info, sample)
            except Unlike as reason:
                left_out.append(str(reason))
                continue
            checked += 1
    assert checked or left_out
    assert checked >= len(left_out), (checked, left_out)
