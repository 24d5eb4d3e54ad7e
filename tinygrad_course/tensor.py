"""The Tensor: an array that remembers how it was computed.

Each operation on Tensors gives a new Tensor that knows its operation, `op`, and the Tensors it was applied to,
`parents`. Following the parents back from a cost finds every step that led to it; that is the computational graph,
and `autodiff` walks it to compute gradients. There is nothing else: no tape and no cycles, so a graph disappears
at once when its last Tensor is dropped.
"""
from __future__ import annotations

import sys
import warnings
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

import numpy as np

from tinygrad_course import ops
from tinygrad_course.broadcasting import Shape
from tinygrad_course.conversions import (REAL, WRONG, DetachedError, as_array, axes_given, dtype_given, index_given,
                                         operand, real_numbers, sizes_given, stacked)
from tinygrad_course.conversions import plain as plain
from tinygrad_course.copying import ancestors, as_plain_array, deep_copy, state_of
from tinygrad_course.errors import InputError
from tinygrad_course.mode import mode
from tinygrad_course.ops import Op

Array = np.ndarray[Any, Any]


class Tensor:
    """An array with a gradient.

    data: anything NumPy turns into numbers. It is copied, so that later changes to it do not reach the graph.
    Tensors that require a gradient keep it: Tensor([w0, w1]) is np.stack([w0, w1]), and Tensor(w) a recorded copy.
    requires_grad: whether a graph is to begin here, with a gradient; the dtype must be floating.
    name: shown in messages and pictures.
    dtype: that of `data` unless given; Python's floats are float64.

    Attributes: `data` and `grad`, see there; `op` and `parents`, the operation
    and the Tensors it was applied to, None and () for a Tensor that was not computed; `params`, the operation's
    parameters, such as its axis; `inputs`, the arrays that the operation saw.

    Raises InputError for data that are no numbers, and where integers require a gradient.
    """

    __slots__ = ("_data", "requires_grad", "name", "_grad", "op", "parents", "params", "inputs",
                 "_user", "_differentiated", "__weakref__")

    def __init__(self, data: Any, requires_grad: bool = False, name: str | None = None, dtype: Any = None):
        if not isinstance(requires_grad, (bool, np.bool_)) or not isinstance(name, (str, type(None))):
            raise InputError("Tensor(data, requires_grad=False, name=None): True or False, and a text; got "
                             f"requires_grad={requires_grad!r}, name={name!r}. Several numbers are one list")
        self.requires_grad = bool(requires_grad)
        self.name = name
        self._grad: Array | Callable[[], Array] | None = None
        self.op: Op | None = None
        self.parents: tuple[Tensor, ...] = ()
        self.params: dict[str, Any] = {}
        self.inputs: tuple[Array, ...] = ()
        self._user: weakref.ref[Tensor] | None = None  # the last Tensor that was computed from this one
        self._differentiated = False  # whether a backward pass has come through
        try:
            recorded = isinstance(data, Tensor) and data.requires_grad and not requires_grad
            self._data = real_numbers(data, "cannot make a Tensor of", dtype, copy=True)
        except DetachedError:
            if requires_grad:
                raise
            recorded, data = True, stacked(data)
        if recorded:  # the step becomes this Tensor: it is a copy in any case
            step = apply(ops.astype, data, dtype=data.dtype if dtype is None else dtype_given(dtype))
            self._data, self.requires_grad = step._data, step.requires_grad
            if step.op is not None:
                _record(self, step.op, step.parents, list(step.inputs), step.params)
        elif requires_grad and self._data.dtype.kind != "f":
            raise InputError(
                f"a Tensor of dtype {self._data.dtype} cannot require a gradient: a derivative needs real numbers. "
                "Write 1.0 for 1, or give dtype=float")

    # ------------------------------------------------------------------------------------------- its values
    # Who owns them. The array belongs to the Tensor. A graph that is recorded borrows it, and while one does nobody
    # may write to it: a change between the forward and the backward pass would give wrong gradients. A leaf gets its
    # array back after the backward pass, or when the graph is gone, and a new array where a graph still holds the old
    # one; what was computed never does. So a graph always finds the values that it has seen, or says that it does not.

    @property
    def data(self) -> Array:
        """The values, an array of `shape`; read-only ("assignment destination is read-only") while a recorded graph
        uses them. After `backward` or `grad`, or when the graph is gone, those of a leaf can be changed in place again
        (``p.data -= 0.1 * p.grad``). Assigning replaces them.

        Raises InputError for new values of another shape, and for those of a Tensor that was computed.
        """
        if self.op is not None:
            self._data.setflags(write=False)
        elif not self._data.flags.writeable and not self._in_use():
            if sys.getrefcount(self._data) <= 2 and self._data.flags.owndata:  # nobody else holds it
                self._data.setflags(write=True)
            else:
                self._data = self._data.copy()
        return self._data  # type: ignore[no-any-return]

    @data.setter
    def data(self, values: Any) -> None:
        if values is self._data and values.flags.writeable:  # the end of t.data -= ...
            return
        if self.op is not None:
            raise InputError(f"{describe(self)} was computed by {self.op.name}: its values cannot be replaced. "
                             "Change the Tensors it was computed from and compute it again")
        new = real_numbers(values, f"{describe(self)} cannot take the values of", self.dtype, copy=True)
        if new.shape != self.shape:
            raise InputError(f"{describe(self)} has shape {self.shape} but the new values have {new.shape}")
        self.hold(new)

    def hold(self, array: Any) -> None:
        """Make an array this leaf's own: as it is, unchecked, and nobody else may write to it any more. Everything
        inside this package that gives a Tensor new values does it here."""
        self._data = array

    def _in_use(self) -> bool:
        """Whether a graph that has not been differentiated holds these values."""
        user = self._user() if self._user is not None else None
        return user is not None and not user._differentiated

    @property
    def grad(self) -> Array | None:
        """The gradient of the cost with respect to this Tensor, an array of `shape`, or None: `backward` fills it.

        Assigning: an array takes the dtype of the Tensor. Raises InputError for another shape.
        """
        if self._grad is None or type(self._grad) is np.ndarray:
            return self._grad
        if callable(self._grad):  # it was not worth computing before somebody asked
            self._grad = self._grad()
        return self._grad

    @grad.setter
    def grad(self, gradient: Any) -> None:
        if gradient is not None:
            gradient = real_numbers(gradient, f"the gradient of {describe(self)} cannot be", self.dtype)
            if gradient.shape != self.shape:
                raise InputError(f"{describe(self)} has shape {self.shape}, but the gradient has {gradient.shape}. "
                                 "What was broadcast is added up, for instance by .sum(axis=1, keepdims=True)")
        self._grad = gradient

    @property
    def shape(self) -> Shape:
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

    def numpy(self) -> Array:
        """The values as an array, `data`."""
        return self.data

    def detach(self) -> Tensor:
        """The same values without the graph: a constant."""
        return unrecorded(self._data, self.name)

    def backward(self, gradient: Any = None) -> None:
        """Fill `grad` of every Tensor that this one was computed from: see `autodiff.backward`."""
        from tinygrad_course.autodiff import backward
        backward(self, gradient)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return object.__new__, (type(self),), state_of(self)

    def __setstate__(self, state: tuple[Any, Any, dict[str, Any]]) -> None:
        _, data, rest = state
        self._data, self._user = as_plain_array(data), None
        self._grad = rest.pop("grad")
        for name, value in rest.items():
            setattr(self, name, value)
        if self.op is not None and not self._differentiated:
            _lend(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return deep_copy(self, memo)  # type: ignore[no-any-return]

    def __copy__(self) -> Tensor:
        return self.__deepcopy__({} if self.op is None else {id(x): x for x in ancestors(self)})

    def __repr__(self) -> str:
        name = f", name={self.name!r}" if self.name is not None else ""
        source = f", op={self.op.name}" if self.op is not None else ""
        wanted = ", requires_grad=True" if self.requires_grad and self.op is None else ""
        values = np.array2string(self._data, separator=", ", prefix="Tensor(", threshold=100)
        dtype = f", dtype={self.dtype}" if self.dtype != np.float64 else ""
        return f"Tensor({values}{dtype}{name}{source}{wanted})"

    def __len__(self) -> int:
        if self.ndim == 0:
            raise InputError(f"{describe(self)} is a single number: it has no axes, hence no len() and no elements")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        if self.size != 1:
            raise InputError(f"{describe(self)} has shape {self.shape}: whether it is true is ambiguous for several "
                             "numbers. Use (t > 0).all() or .any()")
        return bool(self._data)

    def __float__(self) -> float:
        return float(self._left_graph())

    def __int__(self) -> int:
        return int(self._left_graph())

    def _left_graph(self) -> float:
        """The only element, for Python: math.exp(t) and array[0] = t cannot be recorded, and nobody would notice."""
        if self.requires_grad and mode.now.recording:
            warnings.warn(f"{describe(self)} becomes a Python number: its graph ends here, and no gradient comes back. "
                          "Use t.item() if that is meant, np.exp and its like if not", stacklevel=3)
        return self.item()

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
    def __mod__(self, other: Any) -> Tensor: return _by_numpy(np.remainder, self, other)
    def __rmod__(self, other: Any) -> Tensor: return _by_numpy(np.remainder, other, self)
    def __floordiv__(self, other: Any) -> Any: return np.floor_divide(self, other)
    def __rfloordiv__(self, other: Any) -> Any: return np.floor_divide(other, self)
    def __neg__(self) -> Tensor: return apply(ops.negative, self)
    def __pos__(self) -> Tensor: return self
    def __abs__(self) -> Tensor: return apply(ops.absolute, self)
    def __getitem__(self, index: Any) -> Tensor: return apply(ops.getitem, self, index=index_given(index))

    def __setitem__(self, index: Any, values: Any) -> None:
        raise InputError(f"{describe(self)}: the elements of a Tensor cannot be assigned, as no graph could record it. "
                         "Make a new one, for instance by np.where; or change the values of a parameter, t.data[...]")

    # Comparisons have no derivative: they give plain arrays.
    def __eq__(self, other: Any) -> Any: return _compared(np.equal, self, other)
    def __ne__(self, other: Any) -> Any: return _compared(np.not_equal, self, other)
    def __lt__(self, other: Any) -> Any: return _compared(np.less, self, other)
    def __le__(self, other: Any) -> Any: return _compared(np.less_equal, self, other)
    def __gt__(self, other: Any) -> Any: return _compared(np.greater, self, other)
    def __ge__(self, other: Any) -> Any: return _compared(np.greater_equal, self, other)
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
    def leaky_relu(self, slope: Any = 0.01) -> Tensor: return leaky_relu(self, slope)
    def softplus(self) -> Tensor: return apply(ops.softplus, self)
    def maximum(self, other: Any) -> Tensor: return apply(ops.maximum, self, other)
    def minimum(self, other: Any) -> Tensor: return apply(ops.minimum, self, other)

    def clip(self, min: Any = None, max: Any = None) -> Tensor: return clip(self, min, max)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return apply(ops.sum_, self, axis=axes_given(axis), keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return apply(ops.mean, self, axis=axes_given(axis), keepdims=keepdims)

    def var(self, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
        return apply(ops.var, self, axis=axes_given(axis), keepdims=keepdims, ddof=ddof)

    # What the engine does not need is recorded by `numpy_functions`.
    def std(self, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
        return _by_numpy(np.std, self, axis=axis, ddof=ddof, keepdims=keepdims)

    def prod(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return _by_numpy(np.prod, self, axis=axis, keepdims=keepdims)

    def cumsum(self, axis: int | None = None) -> Tensor: return _by_numpy(np.cumsum, self, axis=axis)
    def cumprod(self, axis: int | None = None) -> Tensor: return _by_numpy(np.cumprod, self, axis=axis)
    def take(self, indices: Any, axis: int | None = None) -> Tensor: return _by_numpy(np.take, self, indices, axis=axis)

    def repeat(self, repeats: Any, axis: int | None = None) -> Tensor:
        return _by_numpy(np.repeat, self, repeats, axis=axis)

    def diagonal(self, offset: int = 0) -> Tensor: return _by_numpy(np.diagonal, self, offset)
    def trace(self, offset: int = 0) -> Tensor: return _by_numpy(np.trace, self, offset)

    def max(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return apply(ops.max_, self, axis=axes_given(axis), keepdims=keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return apply(ops.min_, self, axis=axes_given(axis), keepdims=keepdims)

    def logsumexp(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return apply(ops.logsumexp, self, axis=axes_given(axis), keepdims=keepdims)

    def softmax(self, axis: Any = 0) -> Tensor: return apply(ops.softmax, self, axis=axes_given(axis))
    def log_softmax(self, axis: Any = 0) -> Tensor: return apply(ops.log_softmax, self, axis=axes_given(axis))
    def argmax(self, axis: int | None = None) -> Any: return _asked(np.argmax, self._data, axis=axis)
    def argmin(self, axis: int | None = None) -> Any: return _asked(np.argmin, self._data, axis=axis)

    def dot(self, other: Any) -> Tensor:
        """np.dot; for two matrices it is the same as self @ other, and recorded as that."""
        other = operand(ops.dot, other)
        return apply(ops.matmul if self.ndim == np.ndim(other) == 2 else ops.dot, self, other)

    def transpose(self, *axes: Any) -> Tensor:
        usual = not axes or len(axes) == 1 and axes[0] is None
        return apply(ops.transpose, self, axes=None if usual else sizes_given(axes))

    def swapaxes(self, axis1: int, axis2: int) -> Tensor:
        return apply(ops.swapaxes, self, axis1=axis1, axis2=axis2)

    def reshape(self, *shape: Any) -> Tensor: return apply(ops.reshape, self, shape=sizes_given(shape))
    def ravel(self) -> Tensor: return apply(ops.ravel, self)
    def flatten(self) -> Tensor: return apply(ops.ravel, self)
    def squeeze(self, axis: Any = None) -> Tensor: return apply(ops.squeeze, self, axis=axes_given(axis))
    def expand_dims(self, axis: Any) -> Tensor: return apply(ops.expand_dims, self, axis=axes_given(axis))
    def broadcast_to(self, *shape: Any) -> Tensor: return apply(ops.broadcast_to, self, shape=sizes_given(shape))

    def astype(self, dtype: Any) -> Tensor:
        dtype = dtype_given(dtype)
        return self if dtype == self.dtype else apply(ops.astype, self, dtype=dtype)

    # ---------------------------------------------------------------------------------------- NumPy's protocols

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if self.requires_grad:
            raise DetachedError(
                f"{describe(self)} requires a gradient, which would be lost where NumPy makes an array of it. Use "
                ".data or .detach() if that is meant; else join Tensors by np.stack([t, u]), or apply NumPy's "
                "functions to the Tensor itself")
        return np.array(self._data, dtype=dtype) if copy or copy is None else np.asarray(self.data, dtype=dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        from tinygrad_course.protocols import apply_ufunc
        return apply_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        from tinygrad_course.protocols import apply_function
        return apply_function(function, args, kwargs)

    def __apply_op__(self, op: Op, *inputs: Any, **params: Any) -> Tensor:
        return apply(op, *inputs, **params)


def _by_numpy(function: Callable[..., Any], *args: Any, **options: Any) -> Tensor:
    """One of NumPy's functions that gives a Tensor here, of which its type stubs know nothing."""
    result: Tensor = function(*args, **options)
    return result


def apply(op: Op, *inputs: Any, **params: Any) -> Tensor:
    """The operation applied to Tensors, arrays or numbers: its value, and a record of how it came about.

    Raises InputError, with the broadcast table where there is one, if the shapes do not fit.
    """
    recorded = False
    arrays: list[Any] = []
    for x in inputs:
        if isinstance(x, Tensor):
            if x.requires_grad:
                recorded = True
            arrays.append(x._data)
        elif type(x) is np.ndarray and x.dtype.kind in REAL or type(x) is float or type(x) is int:
            arrays.append(x)  # a number stays a number: NumPy then keeps float32 where the two meet
        else:
            inputs = tuple([x if isinstance(x, Tensor) else operand(op, x) for x in inputs])
            arrays = [plain(x) for x in inputs]
            recorded = any(isinstance(x, Tensor) and x.requires_grad for x in inputs)
            break
    try:
        value = op.value(*arrays, **params)
    except WRONG as error:
        value = _computed_again(op, inputs, arrays, params, error)
    if type(value) is not np.ndarray:
        value = as_array(value)
    if params:
        for given in params.values():
            if isinstance(given, Tensor):
                _refuse_params(op, params, value)
        if value.dtype.kind not in REAL:
            _refuse_params(op, params, value)

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


def _lend(step: Tensor) -> None:
    """The graph borrows the arrays of its leaves: see `data`."""
    for x in step.parents:
        if x.op is None:
            x._data.setflags(False)
            x._user = weakref.ref(step)


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


def as_tensor(x: Any) -> Tensor:
    """x itself if it is a Tensor, else a constant that shares its memory."""
    if isinstance(x, Tensor):
        return x
    try:
        return unrecorded(real_numbers(x, "cannot make a Tensor of").view())
    except DetachedError:
        return stacked(x)  # type: ignore[no-any-return]


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
    tensor._grad = None
    tensor.op = None
    tensor.parents = ()
    tensor.params = {}
    tensor.inputs = ()
    tensor._user = None
    tensor._differentiated = False
    return tensor


def leaky_relu(z: Any, slope: Any) -> Tensor:
    """z where it is positive, else slope * z; a slope that is a Tensor gets its gradient."""
    if isinstance(slope, Tensor):
        z = as_tensor(z)
        return apply(ops.where, z > 0, z, slope * z)
    return apply(ops.leaky_relu, z, slope=slope)


def clip(x: Any, a_min: Any = None, a_max: Any = None) -> Tensor:
    """np.clip; a bound that is a Tensor gets the gradient of the elements that it replaces."""
    if not isinstance(a_min, Tensor) and not isinstance(a_max, Tensor):
        return apply(ops.clip, x, a_min=a_min, a_max=a_max)
    x = as_tensor(x)
    x = x if a_min is None else apply(ops.where, x < a_min, a_min, x)
    return x if a_max is None else apply(ops.where, x > a_max, a_max, x)


def _asked(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """A function of NumPy that answers a question about values."""
    try:
        return function(*args, **kwargs)
    except WRONG as error:
        raise InputError(f"{function.__name__}: {error}") from None


def _compared(ufunc: Any, t: Tensor, other: Any) -> Any:
    return _asked(ufunc, t._data, plain(other))


def _refuse_params(op: Op, params: dict[str, Any], value: Any) -> NoReturn:
    """Only inputs have gradients: a parameter that is a Tensor would lose its own."""
    for name, given in params.items():
        if isinstance(given, Tensor):
            raise InputError(f"{op.name}: {name} is a Tensor, but nothing is differentiated with respect to it: give "
                             f"a plain value, such as {name}.item()")
    raise InputError(f"{op.name} gives {value.dtype}, but Tensors hold real numbers: {params}")


def _computed_again(op: Op, inputs: Sequence[Any], arrays: list[Any], params: dict[str, Any], error: Exception) -> Any:
    """What to do where `op` could not compute its value: explain it, or let a number underflow.

    A number that becomes 0 is an error only where np.seterr(all="raise") was called for others, and is harmless.
    """
    if isinstance(error, FloatingPointError):
        with np.errstate(under="ignore"):
            return op.value(*arrays, **params)
    shapes = [np.shape(x) for x in arrays]
    names = [x.name if isinstance(x, Tensor) and x.name else ordinal
             for x, ordinal in zip(inputs, ["the left operand", "the right operand", "the third operand"])]
    better = op.explain(op, names, *shapes) if op.explain is not None and isinstance(error, ValueError) else None
    raise InputError(better or f"{op.name}: {error} (shapes {', '.join(map(str, shapes))})") from None
