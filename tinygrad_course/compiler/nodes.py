"""The graph of a training step: arrays that are known by how they are computed, not by their values.

An `ArrayNode` stands where an array would stand. It has a shape and a dtype, and NumPy's operators and functions give
new nodes, by the same protocols that `Tensor` uses. So a step is traced by running the very code that trains eagerly,
with nodes in place of arrays: forward pass, VJPs and the optimiser's rule are NumPy code that never looks at a value.
What does look at one, such as `if cost > 1`, raises `Untraceable`.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple
from numpy.lib.mixins import NDArrayOperatorsMixin

from tinygrad_course.compiler.polling import look

Shape = tuple[int, ...]


class Untraceable(Exception):
    """What cannot be compiled, and why; training then runs eagerly."""


class ArrayNode(NDArrayOperatorsMixin):
    """One array of the graph.

    op: the name of a NumPy function, "input" or "constant"; inputs: the nodes that it is applied to; params: its
    parameters. value: that of a constant. weak: a Python number, which takes the dtype of the arrays that it meets.
    name: how the course calls it; note: the equation that goes with it.
    """

    __slots__ = ("op", "inputs", "params", "shape", "dtype", "value", "weak", "name", "note")
    flags = SimpleNamespace(writeable=True)
    base = None
    __hash__ = object.__hash__  # the mixin defines ==, as an operation

    def __init__(self, op: str, inputs: Sequence[ArrayNode], shape: Shape, dtype: Any,
                 params: dict[str, Any] | None = None, value: Any = None, weak: bool = False, name: str | None = None):
        look()
        self.op = op
        self.inputs = tuple(inputs)
        self.params = params or {}
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self.value = value
        self.weak = weak
        self.name = name
        self.note: str | None = None

    @property
    def ndim(self) -> int: return len(self.shape)
    @property
    def size(self) -> int: return math.prod(self.shape)
    @property
    def nbytes(self) -> int: return self.size * int(self.dtype.itemsize)
    @property
    def T(self) -> ArrayNode: return transpose(self)

    def __repr__(self) -> str:
        return f"<{self.op} {self.name or ''} {self.shape} {self.dtype}>"

    def with_inputs(self, inputs: Sequence[ArrayNode]) -> ArrayNode:
        node = ArrayNode(self.op, inputs, self.shape, self.dtype, self.params, self.value, self.weak, self.name)
        node.note = self.note
        return node

    # ------------------------------------------------------------------------------------- what an array can do

    def sum(self, axis: Any = None, *more: Any, **options: Any) -> ArrayNode:
        return reduced("sum", self, axis, *more, **options)

    def max(self, axis: Any = None, *more: Any, **options: Any) -> ArrayNode:
        return reduced("max", self, axis, *more, **options)

    def min(self, axis: Any = None, *more: Any, **options: Any) -> ArrayNode:
        return reduced("min", self, axis, *more, **options)

    def reshape(self, *shape: Any) -> ArrayNode:
        return reshape(self, tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else shape)

    def astype(self, dtype: Any, copy: bool = True) -> ArrayNode:
        same = np.dtype(dtype) == self.dtype and not self.weak
        return self if same else ArrayNode("astype", [self], self.shape, dtype)

    def __getitem__(self, index: Any) -> ArrayNode:
        index = index if isinstance(index, tuple) else (index,)
        if any(isinstance(part, ArrayNode) for part in index):
            raise Untraceable("values of a Tensor select elements (an index)")
        return ArrayNode("getitem", [self], np.broadcast_to(0.0, self.shape)[index].shape, self.dtype, {"index": index})

    def __setitem__(self, index: Any, values: ArrayNode) -> None:
        """For zeros that nobody has seen yet, as `ops.scatter` makes them."""
        self._receive("scatter", index, values)

    def _receive(self, op: str, index: Any, values: ArrayNode) -> None:
        if self.op != "zeros":
            raise Untraceable("the values of a Tensor are changed in place")
        index = index if isinstance(index, tuple) else (index,)
        self.op, self.inputs, self.params = op, (values,), {"index": index}

    def __pow__(self, exponent: Any) -> Any:
        """As arrays do it: a square is a product, and so on."""
        known = {2: np.square, 0.5: np.sqrt, -1: np.reciprocal}
        if type(exponent) in (int, float) and exponent in known:
            return known[exponent](self)
        return np.power(self, exponent)

    def copy(self) -> ArrayNode: return self
    def setflags(self, write: bool = True) -> None: pass

    # ------------------------------------------------------------------------------- what looks at a value

    def __bool__(self) -> bool: raise Untraceable("Python's control flow depends on a value (if, while, and, or, not)")
    def __float__(self) -> float: raise Untraceable("a value is read as a Python number")
    def __int__(self) -> int: raise Untraceable("a value is read as a Python number")
    def __index__(self) -> int: raise Untraceable("a value is used as an index")
    def __len__(self) -> int: return self.shape[0]
    def __iter__(self) -> Any: return (self[i] for i in range(len(self)))
    def __array__(self, dtype: Any = None, copy: Any = None) -> Any: raise Untraceable("a value is read as an array")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Untraceable(f"a value is read by .{name}")

    # ---------------------------------------------------------------------------------------- NumPy's protocols

    # Among the arguments may be a Tensor, as in np.where(t > 0, t, 0): it knows better, and is asked next.

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if any(hasattr(x, "__apply_op__") for x in inputs):
            return NotImplemented
        if method == "__call__" and not kwargs and ufunc.nout == 1:
            return matmul(*inputs) if ufunc is np.matmul else elementwise(ufunc, *inputs)
        if method == "at" and ufunc is np.add:
            x, index, values = inputs
            return x._receive("scatter_add", index, values)
        if method == "reduce" and ufunc in REDUCTIONS and isinstance(inputs[0], ArrayNode):
            return reduced(REDUCTIONS[ufunc], *inputs, **{"axis": 0, **kwargs})
        raise Untraceable(f"np.{ufunc.__name__}{'' if method == '__call__' else '.' + method} is applied to values")

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if any(hasattr(kind, "__apply_op__") for kind in types):
            return NotImplemented
        if function not in FUNCTIONS:
            raise Untraceable(f"np.{function.__name__} is applied to values")
        try:
            return FUNCTIONS[function](*args, **kwargs)
        except TypeError as error:
            raise Untraceable(f"np.{function.__name__}: {error}") from None


def inputs_named(name: str, shape: Shape, dtype: Any, weak: bool = False) -> ArrayNode:
    return ArrayNode("input", [], shape, dtype, name=name, weak=weak)


class NamedNumber(float):
    """A Python number that is called by its name in the source, such as the learning rate."""

    def __new__(cls, value: float, name: str) -> NamedNumber:
        number = super().__new__(cls, value)
        number.name = name
        return number

    name: str


def as_node(x: Any) -> ArrayNode:
    """A node for an array or number among the arguments."""
    if isinstance(x, ArrayNode):
        return x
    if isinstance(x, NamedNumber):
        return ArrayNode("constant", [], (), np.float64, value=float(x), weak=True, name=x.name)
    if type(x) in (bool, int, float):
        return ArrayNode("constant", [], (), np.float64 if type(x) is float else np.int64, value=x, weak=True)
    x = np.asarray(x)
    return ArrayNode("constant", [], x.shape, x.dtype, value=x)


def contents(value: Any, most: int | None = None) -> Any:
    """A constant or parameters as something that is equal for equal ones only, to the last bit.

    most: arrays with more elements are equal to none but themselves.
    """
    if isinstance(value, dict):
        return tuple((name, contents(part, most)) for name, part in value.items())
    if isinstance(value, (tuple, list)):
        return type(value).__name__, *(contents(part, most) for part in value)
    if isinstance(value, np.ndarray):
        return id(value) if most is not None and value.size > most else (value.dtype.str, value.shape, value.tobytes())
    return type(value).__name__, repr(value)  # 0.0 is equal to -0.0, and 1 to True


# ----------------------------------------------------------------------------------------- elementwise functions

_resolved: dict[Any, tuple[Any, ...]] = {}


def elementwise(ufunc: Any, *inputs: Any) -> ArrayNode:
    """`ufunc` of nodes, arrays and numbers; a Python number becomes one of the dtype that NumPy computes in."""
    nodes = [as_node(x) for x in inputs]
    kinds = tuple((float if x.dtype.kind == "f" else int) if x.weak else x.dtype for x in nodes)
    weak = all(x.weak for x in nodes)
    key = (ufunc, kinds)
    if key not in _resolved:
        strong = tuple(np.dtype(kind) for kind in kinds) if weak else kinds
        _resolved[key] = ufunc.resolve_dtypes((*strong, None))
    *wanted, dtype = _resolved[key]
    if not weak:
        nodes = [converted(x, target) if x.weak else x for x, target in zip(nodes, wanted)]
    return ArrayNode(ufunc.__name__, nodes, np.broadcast_shapes(*(x.shape for x in nodes)), dtype, weak=weak)


def converted(x: ArrayNode, dtype: Any) -> ArrayNode:
    """A Python number as an array of a dtype."""
    if x.op == "constant":
        return ArrayNode("constant", [], (), dtype, value=np.asarray(x.value, dtype=dtype), name=x.name)
    return ArrayNode("astype", [x], (), dtype)


def where(condition: Any, x: Any, y: Any) -> ArrayNode:
    x, y = as_node(x), as_node(y)
    strong = [n.dtype for n in (x, y) if not n.weak]
    if strong:
        dtype = np.result_type(*strong, *(0.0 if n.dtype.kind == "f" else 0 for n in (x, y) if n.weak))
        x, y = (converted(n, dtype) if n.weak else n for n in (x, y))
    nodes = [as_node(condition), x, y]
    return ArrayNode("where", nodes, np.broadcast_shapes(*(n.shape for n in nodes)), np.result_type(x.dtype, y.dtype),
                     weak=not strong and nodes[0].weak)


def clip(a: Any, a_min: Any = None, a_max: Any = None) -> Any:
    a = a if a_min is None else np.maximum(a, a_min)
    return a if a_max is None else np.minimum(a, a_max)


# ------------------------------------------------------------------------------------------ everything else


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(ndim))
    if ndim == 0 and axis in (0, -1):  # NumPy takes them for a number too
        return ()
    return tuple(sorted(normalize_axis_tuple(axis, ndim)))


def reduced(op: str, x: ArrayNode, axis: Any = None, *more: Any, keepdims: bool = False, initial: Any = None,
            **options: Any) -> ArrayNode:
    """A sum, maximum or minimum. In the graph reductions keep their axes; a reshape takes them away."""
    if more or options or op == "sum" and initial is not None:
        raise Untraceable(f"{op} is given more than an axis and keepdims")
    axes = axes_of(axis, x.ndim)
    if x.size == 0 and initial is None:
        getattr(np.zeros(x.shape), op)(axis=axes)  # raises for the largest of nothing
    kept = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    dtype = np.dtype(np.int64) if op == "sum" and x.dtype.kind in "bi" else x.dtype
    result = ArrayNode(op, [x], kept, dtype, {"axes": axes} | ({} if initial is None else {"initial": initial}))
    return result if keepdims else reshape(result, tuple(n for i, n in enumerate(x.shape) if i not in axes))


def matmul(a: Any, b: Any) -> ArrayNode:
    """a @ b. For matrices also with either of them transposed, which costs nothing: params ta and tb."""
    a, b = as_node(a), as_node(b)
    if a.ndim == b.ndim == 2:
        return product(a, b)
    shape = np.matmul(np.broadcast_to(0.0, a.shape), np.broadcast_to(0.0, b.shape)).shape
    return ArrayNode("stacked_matmul", [a, b], shape, np.result_type(a.dtype, b.dtype))


def product(a: ArrayNode, b: ArrayNode, ta: bool = False, tb: bool = False) -> ArrayNode:
    rows, inner = a.shape[::-1] if ta else a.shape
    inner_b, columns = b.shape[::-1] if tb else b.shape
    if inner != inner_b:
        raise ValueError(f"matmul of {a.shape} and {b.shape}")  # explained by whoever called
    return ArrayNode("matmul", [a, b], (rows, columns), np.result_type(a.dtype, b.dtype), {"ta": ta, "tb": tb})


def dot(a: Any, b: Any) -> ArrayNode:
    a, b = as_node(a), as_node(b)
    if a.ndim == b.ndim == 2:
        return product(a, b)
    shape = np.dot(np.broadcast_to(0.0, a.shape), np.broadcast_to(0.0, b.shape)).shape
    return ArrayNode("dot", [a, b], shape, np.result_type(a.dtype, b.dtype))


def transpose(a: Any, axes: Any = None) -> ArrayNode:
    x = as_node(a)
    order: tuple[int, ...] = tuple(range(x.ndim))[::-1] if axes is None else normalize_axis_tuple(axes, x.ndim)
    if len(order) != x.ndim:
        raise ValueError("axes don't match array")
    if order == tuple(range(x.ndim)):
        return x
    return ArrayNode("transpose", [x], tuple(x.shape[i] for i in order), x.dtype, {"axes": order})


def swapaxes(a: Any, axis1: int, axis2: int) -> ArrayNode:
    order = list(range(a.ndim))
    axis1, axis2 = (normalize_axis_index(axis, a.ndim, name) for axis, name in ((axis1, "axis1"), (axis2, "axis2")))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return transpose(a, order)


def moveaxis(a: Any, source: int, destination: int) -> ArrayNode:
    source = normalize_axis_index(source, a.ndim, "source")
    destination = normalize_axis_index(destination, a.ndim, "destination")
    order = [i for i in range(a.ndim) if i != source]
    order.insert(destination, source)
    return transpose(a, order)


def reshape(a: Any, shape: Any) -> ArrayNode:
    a = as_node(a)
    shape = np.broadcast_to(0.0, a.shape).reshape(shape).shape
    return a if shape == a.shape else ArrayNode("reshape", [a], shape, a.dtype)


def squeeze(a: Any, axis: Any = None) -> ArrayNode:
    return reshape(a, np.broadcast_to(0.0, a.shape).squeeze(axis).shape)


def expand_dims(a: Any, axis: Any) -> ArrayNode:
    return reshape(a, np.expand_dims(np.broadcast_to(0.0, a.shape), axis).shape)


def broadcast_to(a: Any, shape: Any) -> ArrayNode:
    a = as_node(a)
    shape = np.broadcast_to(np.broadcast_to(0.0, a.shape), shape).shape
    return a if shape == a.shape else ArrayNode("broadcast_to", [a], shape, a.dtype)


def concatenate(arrays: Iterable[Any], axis: int | None = 0) -> ArrayNode:
    """axis: None for all elements in a row."""
    nodes = [as_node(x) for x in arrays]
    if axis is None:
        nodes, axis = [reshape(x, (-1,)) for x in nodes], 0
    if len(nodes) == 1:
        return nodes[0]
    shape = np.concatenate([np.broadcast_to(0.0, x.shape) for x in nodes], axis=axis).shape
    dtype = np.result_type(*(x.dtype for x in nodes))
    return ArrayNode("concatenate", nodes, shape, dtype, {"axis": axis % len(shape)})


def stack(arrays: Iterable[Any], axis: int = 0) -> ArrayNode:
    return concatenate([expand_dims(as_node(x), axis) for x in arrays], axis)


def zeros_like(a: Any, dtype: Any = None, shape: Any = None) -> ArrayNode:
    return ArrayNode("zeros", [], a.shape if shape is None else tuple(shape), a.dtype if dtype is None else dtype)


REDUCTIONS = {np.add: "sum", np.maximum: "max", np.minimum: "min"}
FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.where: where, np.clip: clip, np.dot: dot, np.transpose: transpose, np.swapaxes: swapaxes,
    np.moveaxis: moveaxis, np.reshape: reshape, np.squeeze: squeeze, np.expand_dims: expand_dims,
    np.broadcast_to: broadcast_to, np.concatenate: concatenate, np.stack: stack, np.zeros_like: zeros_like,
    np.shape: lambda a: a.shape, np.ndim: lambda a: a.ndim, np.size: lambda a: a.size, np.copy: lambda a: a,
    np.sum: ArrayNode.sum,
    np.max: ArrayNode.max,
    np.min: ArrayNode.min,
}
