"""Reverse-mode automatic differentiation: the chain rule, applied from the cost back to the parameters.

For a cost J, the gradient g = dJ/dy of every step y = f(a, b) is handed on to what the step was computed from: the
VJPs of f turn dJ/dy into dJ/da and dJ/db. A step that was used several times gets a gradient from each use, and they
add up. Nothing is handed on before it is complete: a step's turn comes after all steps that used it.
"""
from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from tinygrad_course import ops
from tinygrad_course.broadcasting import unbroadcast
from tinygrad_course.conversions import plain, real_numbers
from tinygrad_course.errors import InputError
from tinygrad_course.mode import Observer, mode, observed
from tinygrad_course.ops import Op
from tinygrad_course.tensor import Array, Tensor, apply, as_tensor, describe


def topological_order(output: Tensor) -> list[Tensor]:
    """Every computed Tensor with a gradient that `output` depends on, each before its parents; `output` is first.

    A loop, not a recursion, so the depth of the graph does not matter; linear in the number of operations. Leaves,
    such as parameters, hand nothing on and are left out.
    """
    uses = {output: 0}
    stack = [output]
    while stack:
        for parent in stack.pop().parents:
            if parent in uses:
                uses[parent] += 1
            elif parent.requires_grad and parent.op is not None:
                uses[parent] = 1
                stack.append(parent)
    order = [output]
    for tensor in order:  # grows while it is read: a Tensor enters when its last user has been placed
        for parent in tensor.parents:
            if parent in uses:
                uses[parent] -= 1
                if uses[parent] == 0:
                    order.append(parent)
    return order


@np.errstate(all="ignore")  # 1 / 0 is inf in a gradient as in a value
def gradients(output: Tensor, gradient: Any, inputs: Sequence[Tensor] | None = None, recorded: bool = False,
              later: list[tuple[Tensor, Tensor, Any]] | None = None) -> dict[Tensor, Any]:
    """The gradient of `output` with respect to every Tensor of its graph, from `gradient`, that of `output` itself.

    inputs: if given, only steps that lead to one of them are taken; and what is `beside` the chain is added to theirs.
    recorded: whether the backward pass is to be a graph itself; the gradients then are Tensors instead of arrays.
    later: if given, what is beside it for any Tensor is not computed: the Tensor is left here, with the step that has
    something for it, and the gradient of that.
    """
    order = topological_order(output)
    wanted = None if inputs is None else _leading_to(inputs, order)
    asked = set(inputs or ())
    observers = mode.now.observers
    total = {output: gradient}
    beside: list[tuple[Tensor, Any, Any]] = [] if later is None else later
    for tensor in order:
        g = total.get(tensor)
        if g is None or tensor.op is None:  # no gradient arrives here, or there is nothing to hand it on to
            continue
        tensor._differentiated = True
        y, arguments = (tensor, tensor.parents) if recorded else (tensor._data, tensor.inputs)
        if tensor.op.beside is not None:
            parent = tensor.parents[tensor.op.beside[0]]
            if parent in asked or later is not None and parent.requires_grad:
                beside.append((parent, tensor, g))
        for i, parent in enumerate(tensor.parents):
            seen = tensor.inputs[i]
            if parent._data is not seen:
                _check_unchanged(parent, seen, tensor)
            if not parent.requires_grad or wanted is not None and parent not in wanted:
                continue
            vjp = tensor.op.vjps[i]
            if vjp is None:
                continue
            part = vjp(g, y, *arguments, **tensor.params)
            if part.shape != seen.shape:
                part = unbroadcast(part, seen.shape)
            if part.dtype is not seen.dtype and part.dtype != seen.dtype:
                part = part.astype(seen.dtype)
            if part is g and parent.op is None:
                part = g + 0  # handed on unchanged, perhaps to several: a leaf owns its gradient
            total[parent] = total[parent] + part if parent in total else part
            if observers:
                part = as_tensor(part)
                for observer in observers:
                    observer.handed_back(part, tensor, parent)
    for parent, step, g in beside if later is None else ():
        part = _beside(step.op, step.params, g, *((step, step.parents) if recorded else (step._data, step.inputs)))
        total[parent] = total[parent] + part if parent in total else part
    return total


@np.errstate(all="ignore")
def _beside(op: Op, params: dict[str, Any], g: Any, y: Any, inputs: Sequence[Any]) -> Any:
    """The gradient that a step has for the input which `Op.beside` is about."""
    assert op.beside is not None
    i, vjp = op.beside
    return unbroadcast(vjp(g, y, *inputs, **params), inputs[i].shape).astype(inputs[i].dtype)


def _leading_to(inputs: Sequence[Tensor], order: list[Tensor]) -> set[Tensor]:
    """The Tensors of a graph that were computed from one of the inputs, and the inputs themselves."""
    wanted = set(inputs)
    for tensor in reversed(order):
        if any(parent in wanted for parent in tensor.parents):
            wanted.add(tensor)
    return wanted


def _check_unchanged(parent: Tensor, seen: Any, user: Tensor) -> None:
    """The array of `parent` is another one than the forward pass saw; that is only harmless if it is equal."""
    if not np.array_equal(parent._data, seen, equal_nan=True):
        raise InputError(f"{describe(parent)} got new values after the forward pass used them in "
                         f"{describe(user)}: the gradient would be wrong. Run the forward pass again")


def backward(output: Tensor, gradient: Any = None) -> None:
    """Fill `grad` of every Tensor with a gradient that `output` was computed from.

    Leaves, such as parameters, add the new gradient to what `grad` holds; for the steps in between `grad` is set.

    gradient: that of `output`, of its shape; 1 by default, which needs an output of one element.
    Raises InputError where `output` records no graph, or is no single number and no gradient is given.
    """
    later: list[tuple[Tensor, Tensor, Any]] = []
    seed = _seed(output, gradient)
    total = gradients(output, seed._data if isinstance(seed, Tensor) else seed, later=later)
    with _adding:
        for tensor, g in total.items():
            if type(g) is not np.ndarray:
                g = np.asarray(g)
            if tensor.op is not None:
                tensor._grad = g
            elif tensor._grad is not None:
                tensor._grad = np.asarray(tensor._grad + g)
            else:
                tensor._grad = g if g.base is None else g.copy()  # a view, for instance one spread by broadcasting
        for tensor, step, g in later:
            # Computed when it is read. Until then leaves may be changed in place, and gradients too: copies are kept.
            seen = [x if parent.op is not None else x.copy() for x, parent in zip(step.inputs, step.parents)]
            tensor._grad = total[tensor] = partial(_arrived, total.get(tensor), step.op, step.params, g.copy(),
                                                   step._data, seen)


def _arrived(so_far: Any, *beside: Any) -> Array:
    """What has arrived at a Tensor along the chain, if anything has, and what is beside it."""
    part = _beside(*beside)
    return np.asarray(part if so_far is None else (so_far() if callable(so_far) else so_far) + part)


_adding = threading.Lock()  # threads may share their parameters: none of their gradients is lost
if hasattr(os, "register_at_fork"):  # a child must not find it locked by a thread that it does not have
    os.register_at_fork(before=_adding.acquire, after_in_parent=_adding.release, after_in_child=_adding.release)


def grad(output: Tensor, inputs: Any, gradient: Any = None, create_graph: bool = False) -> Any:
    """The gradient of `output` with respect to `inputs`; no `grad` attribute is touched.

    output: a Tensor that was computed; the derivatives of a function are `jacobian` and `hessian`.
    inputs: a Tensor, which gives a Tensor; or several, which give a tuple. Where `output` does not depend on an
    input, its gradient is zero.
    gradient: that of `output`, of its shape, as for `backward`. A Tensor stays in the graph that is recorded.
    create_graph: record the backward pass, so that the gradients can be differentiated in turn.
    Raises InputError as `backward` does, and for an input that requires no gradient.
    """
    if callable(output):
        raise InputError("grad: output is a function, but what was computed is needed, a Tensor: grad(f(x), x), with "
                         "x = Tensor(..., requires_grad=True). jacobian(f, x) and hessian(f, x) take functions")
    several = _several("grad", inputs)
    for i, x in enumerate(several):
        if not isinstance(x, Tensor) or not x.requires_grad:
            raise InputError(f"grad: input {i}, {describe(x)}, requires no gradient; make it with "
                             "Tensor(..., requires_grad=True) before computing the output")
    if not isinstance(create_graph, (bool, np.bool_)):
        raise InputError(f"create_graph is True or False; got {create_graph!r:.60}")
    seed = _seed(output, gradient)
    with observed(recording=bool(create_graph)):
        total = gradients(output, as_tensor(seed) if create_graph else plain(seed), several, bool(create_graph))
    found = tuple(as_tensor(total[x]) if x in total else as_tensor(np.zeros_like(x._data)) for x in several)
    return found[0] if isinstance(inputs, Tensor) else found


def _several(name: str, inputs: Any) -> list[Any]:
    if isinstance(inputs, Tensor):
        return [inputs]
    if not isinstance(inputs, Iterable) or isinstance(inputs, (str, bytes)):
        raise InputError(f"{name}: inputs is {inputs!r:.60}, but a Tensor or several of them are needed, such as "
                         "model.parameters()")
    return list(inputs)


def _seed(output: Tensor, gradient: Any) -> Any:
    """The gradient of the output itself, checked: an array, or the Tensor that was given."""
    if not isinstance(output, Tensor):
        raise InputError(f"{type(output).__name__} {str(output)[:60]!r} is no Tensor: nothing is known of how it was "
                         "computed. Make a Tensor of what it depends on, and use NumPy's functions, not math's")
    if not output.requires_grad:
        raise InputError(f"{describe(output)} records no graph: nothing that it was computed from has "
                         "requires_grad=True, or it was computed under no_grad()")
    if gradient is None:
        if output.size != 1:
            raise InputError(f"{describe(output)} has shape {output.shape}: the gradient of a single number is "
                             "wanted. Reduce it to a cost, for instance with .sum(), or give the gradient")
        return np.full(output.shape, 1, output.dtype) if output.shape else np.array(1, output.dtype)
    if isinstance(gradient, Tensor):
        seed = gradient.astype(output.dtype)
    else:
        seed = real_numbers(gradient, f"the gradient of {describe(output)} cannot be", output.dtype, copy=True)
    if seed.shape != output.shape:
        raise InputError(f"the gradient has shape {seed.shape}, but {describe(output)} has {output.shape}")
    return seed


def jacobian(output: Tensor | Callable[..., Tensor], inputs: Any, create_graph: bool = False) -> Any:
    """All first derivatives of `output`, of shape output.shape + input.shape.

    output: a Tensor, or a function of the inputs, which then may be arrays. One backward pass per element of it.
    inputs: a Tensor, which gives a Tensor, or several, which give a tuple.
    Raises InputError as `grad` does, and for a function that does not give a Tensor.
    """
    inputs, y = _evaluated(output, inputs)
    several = [inputs] if isinstance(inputs, Tensor) else inputs
    rows = []
    for i in range(y.size):
        one = np.zeros_like(y._data)
        one.reshape(-1)[i] = 1
        rows.append(grad(y, several, one, create_graph) if y.requires_grad else
                    [as_tensor(np.zeros_like(x._data)) for x in several])
    found = tuple(_stacked([row[k] for row in rows], y.shape + x.shape, x) for k, x in enumerate(several))
    return found[0] if isinstance(inputs, Tensor) else found


def hessian(output: Tensor | Callable[..., Tensor], inputs: Any, create_graph: bool = False) -> Any:
    """All second derivatives of a single number, of shape input.shape + input.shape.

    output: a Tensor, or a function of the inputs, which then may be arrays.
    inputs: a Tensor, which gives a Tensor; or several, which give a tuple of tuples, one for each pair of inputs.
    Raises InputError as `jacobian` does, and for an output that is no single number.
    """
    inputs, y = _evaluated(output, inputs)
    first = grad(y, inputs, create_graph=True)
    if isinstance(inputs, Tensor):
        return jacobian(first, inputs, create_graph)
    return tuple(jacobian(g, inputs, create_graph) for g in first)


def _evaluated(output: Tensor | Callable[..., Tensor], inputs: Any) -> tuple[Any, Tensor]:
    """The inputs as Tensors, one or a list, and the output computed from them."""
    single = not isinstance(inputs, (list, tuple)) or not callable(output) and isinstance(inputs, Tensor)
    several = [inputs] if single else list(inputs)
    if callable(output):
        several = [x if isinstance(x, Tensor) and x.requires_grad else Tensor(x, requires_grad=True)
                   for x in several]
        output = output(*several)
        if not isinstance(output, Tensor):
            raise InputError(f"the function gives {type(output).__name__}, but a Tensor is needed: what leaves the "
                             "graph, for instance by .data or .item(), cannot be differentiated")
    elif not isinstance(output, Tensor) or not all(isinstance(x, Tensor) for x in several):
        raise InputError(f"a Tensor and the Tensors it was computed from are needed, or a function; got {output!r:.60} "
                         f"and {inputs!r:.60}")
    return several[0] if single else several, output


def _stacked(rows: list[Tensor], shape: tuple[int, ...], like: Tensor) -> Tensor:
    return apply(ops.stack, *rows, axis=0).reshape(shape) if rows else as_tensor(np.zeros_like(like._data, shape=shape))


class no_grad(observed):
    """``with no_grad():`` or ``@no_grad``: operations inside give constants and record no graph."""

    def __new__(cls, function: Any = None) -> Any:
        return _decorated(cls, function)

    def __init__(self, function: Any = None) -> None:
        super().__init__(recording=False)


class AnomalyError(FloatingPointError):
    """An operation gave NaN or infinity while `detect_anomaly` was watching."""


class detect_anomaly(observed):
    """``with detect_anomaly():`` stops at the first operation that gives NaN or infinity, forward or backward.

    Raises AnomalyError, which names the operation and what it was applied to.
    """

    def __new__(cls, function: Any = None) -> Any:
        return _decorated(cls, function)

    def __init__(self, function: Any = None) -> None:
        super().__init__(_FiniteCheck())


def _decorated(kind: type[observed], function: Any) -> Any:
    """As a decorator it may be written without its parentheses; `observed` does the rest."""
    if function is None:
        return object.__new__(kind)
    if not callable(function):
        raise InputError(f"{kind.__name__} takes no arguments: `with {kind.__name__}():`; got {function!r:.60}")
    return kind()(function)


class _FiniteCheck(Observer):

    def computed(self, result: Tensor, op: Op, inputs: Sequence[Any], params: dict[str, Any]) -> None:
        if not np.isfinite(result._data).all():
            raise AnomalyError(f"{_in_words(op, inputs)} gave {_first_bad(result)}")

    def handed_back(self, part: Tensor, tensor: Tensor, parent: Tensor) -> None:
        if not np.isfinite(part._data).all():
            assert tensor.op is not None
            raise AnomalyError(f"the backward pass of {_in_words(tensor.op, tensor.parents)}, towards "
                               f"{describe(parent)}, gave {_first_bad(part)}")


def _first_bad(result: Tensor) -> str:
    where = tuple(int(i) for i in np.argwhere(~np.isfinite(result._data))[0])
    return f"{result._data[where]} at index {where}"


def _in_words(op: Op, inputs: Sequence[Any]) -> str:
    operands = ", ".join(f"{describe(x)} of shape {np.shape(plain(x))}" + _range_of(plain(x)) for x in inputs)
    return f"{op.name}({operands})"


def _range_of(x: Any) -> str:
    return f" (from {np.min(x):.6g} to {np.max(x):.6g})" if np.size(x) else " (empty)"
