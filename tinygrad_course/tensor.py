"""The Tensor: an array that remembers how it was computed.

Each operation on Tensors gives a new Tensor that knows its operation, `op`, and the Tensors it was applied to,
`parents`. Following the parents back from a cost finds every step that led to it; that is the computational graph,
and `autodiff` walks it to compute gradients. There is nothing else: no tape and no cycles, so a graph disappears
at once when its last Tensor is dropped.
"""
from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tinygrad_course import ops
from tinygrad_course.errors import InputError
from tinygrad_course.mode import mode
from tinygrad_course.ops import Op

Array = np.ndarray[Any, Any]


class Tensor:
    """An array with a gradient.

    data: anything NumPy turns into numbers. It is copied, so that later changes to it do not reach the graph.
    requires_grad: whether gradients with respect to this Tensor are wanted; the dtype must be floating.
    name: shown in messages and pictures.
    dtype: that of `data` unless given; Python's floats are float64.

    Attributes: `grad`, an array of the same shape or None, filled by `backward`; `op` and `parents`, the operation
    and the Tensors it was applied to, None and () for a Tensor that was not computed; `params`, the operation's
    parameters, such as its axis; `inputs`, the arrays that the operation saw.

    Raises InputError for data that are no numbers, and where integers require a gradient.
    """

    __slots__ = ("_data", "requires_grad", "name", "grad", "op", "parents", "params", "inputs",
                 "_user", "_differentiated", "__weakref__")

    def __init__(self, data: Any, requires_grad: bool = False, name: str | None = None, dtype: Any = None):
        self._data = _numbers(data, dtype)
        if requires_grad and self._data.dtype.kind != "f":
            raise InputError(
                f"a Tensor of dtype {self._data.dtype} cannot require a gradient: a derivative needs real numbers. "
                "Write 1.0 for 1, or give dtype=float")
        self.requires_grad = requires_grad
        self.name = name
        self.grad: Any = None
        self.op: Op | None = None
        self.parents: tuple[Tensor, ...] = ()
        self.params: dict[str, Any] = {}
        self.inputs: tuple[Any, ...] = ()
        self._user: weakref.ref[Tensor] | None = None  # the last Tensor that was computed from this one
        self._differentiated = False  # whether a backward pass has come through

    # ------------------------------------------------------------------------------------------- its values

    @property
    def data(self) -> Any:
        """The values, an array of `shape`.

        While a recorded graph uses them, they are read-only: a change between the forward and the backward pass
        would give wrong gradients, so NumPy refuses it ("assignment destination is read-only"). After `backward`
        or `grad`, or when the graph is gone, they can be changed in place again (``p.data -= 0.1 * p.grad``).
        """
        if self.op is not None:
            self._data.setflags(write=False)
        elif not self._data.flags.writeable and not self._in_use():
            self._data = self._data.copy()  # graphs that are still there keep the values that they have seen
        return self._data

    @data.setter
    def data(self, values: Any) -> None:
        if values is self._data and values.flags.writeable:  # the end of t.data -= ...
            return
        if self.op is not None:
            raise InputError(f"{describe(self)} was computed by {self.op.name}: its values cannot be replaced. "
                             "Change the Tensors it was computed from and compute it again")
        new = _numbers(values, self.dtype)
        if new.shape != self.shape:
            raise InputError(f"{describe(self)} has shape {self.shape} but the new values have {new.shape}")
        self.hold(new)

    def hold(self, array: Any) -> None:
        """Take over an array as this leaf's values: as it is, unchecked, and nobody else may write to it any more.

        Everything inside this package that gives a Tensor new values does it here. Graphs keep the values that they
        have seen.
        """
        self._data = array

    def _in_use(self) -> bool:
        """Whether a graph that has not been differentiated holds these values."""
        user = self._user() if self._user is not None else None
        return user is not None and not user._differentiated

    @property
    def shape(self) -> tuple[int, ...]:
        return self._data.shape  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        return self._data.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        return self._data.size  # type: ignore[no-any-return]

    @property
    def dtype(self) -> Any:
        return self._data.dtype

    @property
    def T(self) -> Tensor:
        return apply(ops.transpose, self, axes=None)

    def item(self) -> float:
        """The only element, as a Python number."""
        if self.size != 1:
            raise InputError(f"item() needs exactly one element, but {describe(self)} has shape {self.shape}")
        return self._data.item()  # type: ignore[no-any-return]

    def numpy(self) -> Any:
        """The values as an array, `data`."""
        return self.data

    def detach(self) -> Tensor:
        """The same values without the graph: a constant."""
        return unrecorded(self._data, self.name)

    def backward(self, gradient: Any = None) -> None:
        """Fill `grad` of every Tensor that this one was computed from: see `autodiff.backward`."""
        from tinygrad_course.autodiff import backward
        backward(self, gradient)

    def __repr__(self) -> str:
        name = f", name={self.name!r}" if self.name is not None else ""
        source = f", op={self.op.name}" if self.op is not None else ""
        wanted = ", requires_grad=True" if self.requires_grad and self.op is None else ""
        values = np.array2string(self._data, separator=", ", prefix="Tensor(", threshold=100)
        dtype = f", dtype={self.dtype}" if self.dtype != np.float64 else ""
        return f"Tensor({values}{dtype}{name}{source}{wanted})"

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len() of a Tensor without axes")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        return bool(self._data)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else repr(self)

    # --------------------------------------------------------------------------------------------- operators

    def __add__(self, other: Any) -> Tensor: return apply(ops.add, self, other)
    def __radd__(self, other: Any) -> Tensor: return apply(ops.add, other, self)
    def __sub__(self, other: Any) -> Tensor: return apply(ops.subtract, self, other)
    def __rsub__(self, other: Any) -> Tensor: return apply(ops.subtract, other, self)
    def __mul__(self, other: Any) -> Tensor: return apply(ops.multiply, self, other)
    def __rmul__(self, other: Any) -> Tensor: return apply(ops.multiply, other, self)
    def __truediv__(self, other: Any) -> Tensor: return apply(ops.divide, self, other)
    def __rtruediv__(self, other: Any) -> Tensor: return apply(ops.divide, other, self)
    def __pow__(self, other: Any) -> Tensor: return apply(ops.power, self, other)
    def __rpow__(self, other: Any) -> Tensor: return apply(ops.power, other, self)
    def __matmul__(self, other: Any) -> Tensor: return apply(ops.matmul, self, other)
    def __rmatmul__(self, other: Any) -> Tensor: return apply(ops.matmul, other, self)
    def __neg__(self) -> Tensor: return apply(ops.negative, self)
    def __pos__(self) -> Tensor: return self
    def __abs__(self) -> Tensor: return apply(ops.absolute, self)
    def __getitem__(self, index: Any) -> Tensor: return apply(ops.getitem, self, index=_index(index))

    # Comparisons have no derivative: they give plain arrays.
    def __eq__(self, other: Any) -> Any: return self._data == plain(other)
    def __ne__(self, other: Any) -> Any: return self._data != plain(other)
    def __lt__(self, other: Any) -> Any: return self._data < plain(other)
    def __le__(self, other: Any) -> Any: return self._data <= plain(other)
    def __gt__(self, other: Any) -> Any: return self._data > plain(other)
    def __ge__(self, other: Any) -> Any: return self._data >= plain(other)
    __hash__ = object.__hash__  # a Tensor is a node of a graph: two nodes are the same only if they are one

    # ----------------------------------------------------------------------------------------------- methods

    def abs(self) -> Tensor: return apply(ops.absolute, self)
    def exp(self) -> Tensor: return apply(ops.exp, self)
    def expm1(self) -> Tensor: return apply(ops.expm1, self)
    def log(self) -> Tensor: return apply(ops.log, self)
    def log1p(self) -> Tensor: return apply(ops.log1p, self)
    def sqrt(self) -> Tensor: return apply(ops.sqrt, self)
    def square(self) -> Tensor: return apply(ops.square, self)
    def reciprocal(self) -> Tensor: return apply(ops.reciprocal, self)
    def sigmoid(self) -> Tensor: return apply(ops.sigmoid, self)
    def tanh(self) -> Tensor: return apply(ops.tanh, self)
    def relu(self) -> Tensor: return apply(ops.relu, self)
    def leaky_relu(self, slope: float = 0.01) -> Tensor: return apply(ops.leaky_relu, self, slope=slope)
    def softplus(self) -> Tensor: return apply(ops.softplus, self)
    def maximum(self, other: Any) -> Tensor: return apply(ops.maximum, self, other)
    def minimum(self, other: Any) -> Tensor: return apply(ops.minimum, self, other)

    def clip(self, min: float | None = None, max: float | None = None) -> Tensor:
        return apply(ops.clip, self, a_min=min, a_max=max)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return apply(ops.sum_, self, axis=_axis(axis), keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return apply(ops.mean, self, axis=_axis(axis), keepdims=keepdims)

    def var(self, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
        return apply(ops.var, self, axis=_axis(axis), keepdims=keepdims, ddof=ddof)

    def max(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return apply(ops.max_, self, axis=_axis(axis), keepdims=keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return apply(ops.min_, self, axis=_axis(axis), keepdims=keepdims)

    def logsumexp(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return apply(ops.logsumexp, self, axis=_axis(axis), keepdims=keepdims)

    def softmax(self, axis: Any = 0) -> Tensor: return apply(ops.softmax, self, axis=_axis(axis))
    def log_softmax(self, axis: Any = 0) -> Tensor: return apply(ops.log_softmax, self, axis=_axis(axis))
    def argmax(self, axis: int | None = None) -> Any: return self._data.argmax(axis=axis)
    def argmin(self, axis: int | None = None) -> Any: return self._data.argmin(axis=axis)

    def dot(self, other: Any) -> Tensor:
        """np.dot; for two matrices it is the same as self @ other, and recorded as that."""
        return apply(ops.matmul if self.ndim == np.ndim(other) == 2 else ops.dot, self, other)

    def transpose(self, *axes: Any) -> Tensor:
        return apply(ops.transpose, self, axes=_shape(axes) if axes and axes != (None,) else None)

    def swapaxes(self, axis1: int, axis2: int) -> Tensor:
        return apply(ops.swapaxes, self, axis1=axis1, axis2=axis2)

    def reshape(self, *shape: Any) -> Tensor: return apply(ops.reshape, self, shape=_shape(shape))
    def ravel(self) -> Tensor: return apply(ops.ravel, self)
    def squeeze(self, axis: Any = None) -> Tensor: return apply(ops.squeeze, self, axis=_axis(axis))
    def expand_dims(self, axis: Any) -> Tensor: return apply(ops.expand_dims, self, axis=_axis(axis))
    def broadcast_to(self, *shape: Any) -> Tensor: return apply(ops.broadcast_to, self, shape=_shape(shape))

    def astype(self, dtype: Any) -> Tensor:
        return self if np.dtype(dtype) == self.dtype else apply(ops.astype, self, dtype=np.dtype(dtype))

    # ---------------------------------------------------------------------------------------- NumPy's protocols

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self._data, dtype=dtype) if copy or copy is None else np.asarray(self.data, dtype=dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        from tinygrad_course.protocols import apply_ufunc
        return apply_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        from tinygrad_course.protocols import apply_function
        return apply_function(function, args, kwargs)

    def __apply_op__(self, op: Op, *inputs: Any, **params: Any) -> Tensor:
        return apply(op, *inputs, **params)


def apply(op: Op, *inputs: Any, **params: Any) -> Tensor:
    """The operation applied to Tensors, arrays or numbers: its value, and a record of how it came about.

    Raises InputError, with the broadcast table where there is one, if the shapes do not fit.
    """
    recorded = False
    arrays = []
    for x in inputs:
        if isinstance(x, Tensor):
            if x.requires_grad:
                recorded = True
            arrays.append(x._data)
        else:
            arrays.append(x)  # a number stays a number: NumPy then keeps float32 where the two meet
    try:
        value = op.value(*arrays, **params)
    except (ValueError, TypeError, IndexError) as error:
        raise InputError(_explain(op, inputs, error)) from None
    if type(value) is not np.ndarray:
        value = as_array(value)

    result = unrecorded(value)
    now = mode.now
    if op.constant or recorded and now.recording:
        result.requires_grad = not op.constant
        _record(result, op, inputs, arrays, params)
    elif op.keeps_input:
        _record(result, op, [as_tensor(x).detach() for x in inputs], arrays, params)
    elif value.base is not None:
        value.setflags(write=False)  # a view: writing to it would change the Tensor that it looks at
    for observer in now.observers:
        observer.computed(result, op, inputs, params)
    return result


def _record(result: Tensor, op: Op, inputs: Sequence[Any], arrays: list[Any], params: dict[str, Any]) -> None:
    """Note in `result` where it came from, and lock the arrays of leaves: the backward pass will read them."""
    for x in inputs:
        if not isinstance(x, Tensor):
            inputs = [y if isinstance(y, Tensor) else constant(y, result) for y in inputs]
            arrays = [y._data for y in inputs]
        elif x.op is None:
            x._data.setflags(False)
            x._user = weakref.ref(result)
    result.op = op
    result.parents = tuple(inputs)
    result.inputs = tuple(arrays)
    result.params = params


def constant(x: Any, like: Tensor) -> Tensor:
    """An array or number among the inputs of an operation, as a Tensor without gradient.

    A Python number takes the dtype of the result, as it did while the value was computed.
    """
    if type(x) is np.ndarray:
        return unrecorded(x)
    if isinstance(x, (int, float)) and like.dtype.kind == "f":
        return unrecorded(np.asarray(x, dtype=like.dtype))
    return unrecorded(as_array(x))


def as_array(x: Any) -> Any:
    """x as an array, of NumPy or of whoever else follows its protocols, such as the compiler with its Nodes."""
    return x if hasattr(x, "__array_function__") else np.asarray(x)


def as_tensor(x: Any) -> Tensor:
    """x itself if it is a Tensor, else a constant that shares its memory."""
    return x if isinstance(x, Tensor) else unrecorded(_numbers(x, None, copy=None).view())


def plain(x: Any) -> Any:
    """The array of a Tensor, for reading; anything else as it is."""
    return x._data if isinstance(x, Tensor) else x


def describe(x: Any) -> str:
    """How messages call a Tensor: by its name, else by how it came about."""
    if not isinstance(x, Tensor):
        return "a number" if np.ndim(x) == 0 else "an array"
    if x.name is not None:
        return x.name
    return "a Tensor" if x.op is None else f"the result of {x.op.name}"


_new = object.__new__


def unrecorded(data: Any, name: str | None = None) -> Tensor:
    """A Tensor around an array that need not be copied or checked."""
    tensor = _new(Tensor)
    tensor._data = data
    tensor.requires_grad = False
    tensor.name = name
    tensor.grad = None
    tensor.op = None
    tensor.parents = ()
    tensor.params = {}
    tensor.inputs = ()
    tensor._user = None
    tensor._differentiated = False
    return tensor


def _numbers(data: Any, dtype: Any, copy: bool | None = True) -> Any:
    """`data` as an array of numbers; a new one if `copy`, else only where it must be."""
    data = plain(data)
    try:
        array = np.asarray(data)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"its dtype is {array.dtype}, but real numbers are needed")
        return np.array(array, dtype=dtype, copy=copy)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"cannot make a Tensor of {type(data).__name__} {str(data)[:60]!r}: {error}") from None


def _axis(axis: Any) -> Any:
    return tuple(axis) if isinstance(axis, list) else axis


def _shape(sizes: Any) -> tuple[int, ...]:
    """Sizes given one by one or as one tuple."""
    return tuple(sizes[0]) if len(sizes) == 1 and not isinstance(sizes[0], (int, np.integer)) else tuple(sizes)


def _index(index: Any) -> tuple[Any, ...]:
    """An index as a tuple; lists and Tensors in it become arrays."""
    parts = index if isinstance(index, tuple) else (index,)
    return tuple(np.asarray(plain(part)) if isinstance(part, (list, Tensor)) else part for part in parts)


def _explain(op: Op, inputs: tuple[Any, ...], error: Exception) -> str:
    """What to tell when `op` could not compute its value."""
    shapes = [np.shape(plain(x)) for x in inputs]
    names = [x.name if isinstance(x, Tensor) and x.name else ordinal
             for x, ordinal in zip(inputs, ["the left operand", "the right operand", "the third operand"])]
    if op.explain is not None and isinstance(error, ValueError):
        return op.explain(op, names, *shapes)
    return f"{op.name}: {error} (shapes {', '.join(map(str, shapes))})"
