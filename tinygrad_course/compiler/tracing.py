"""One training step, run once with nodes in place of arrays: forward pass, backward pass, the optimiser's update."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_course.autodiff import gradients, topological_order
from tinygrad_course.compiler.nodes import ArrayNode, NamedNumber, Untraceable, as_node, contents, inputs_named
from tinygrad_course.compiler.program import DataSlot, ParameterSlot, Slot, StateSlot, StepProgram, ordered
from tinygrad_course.compiler.side_effects import random_numbers_noticed, side_effects_noticed
from tinygrad_course.graph.roles import named_steps
from tinygrad_course.graph.walk import leaves
from tinygrad_course.mode import mode, observed
from tinygrad_course.nn import Module
from tinygrad_course.optim import Optimizer
from tinygrad_course.tensor import Tensor, unrecorded


def trace(model: Module, cost_of: Callable[[Any, Any], Any], optimizer: Optimizer, X: Any, Y: Any,
          batches: bool = False) -> StepProgram:
    """The program of one step.

    X, Y: arrays, or anything with a shape and a dtype.  batches: whether they are others in every step.
    Raises Untraceable, with the reason, for what has no program of
    its own: Python code that looks at values, random numbers, a forward pass with side effects.
    """
    if mode.now.observers:
        raise Untraceable("every operation is observed, as by detect_anomaly")
    names = {parameter: name for name, parameter in model.named_parameters()}
    parameters = list(names)
    arrays = [parameter._data for parameter in parameters]
    data = {name: inputs_named(name, x.shape, x.dtype) for name, x in (("X", X), ("Y", Y))}
    slots: dict[ArrayNode, Slot] = {node: DataSlot(name) for name, node in data.items()}
    inputs = []
    for i, (name, array) in enumerate(zip(names.values(), arrays)):
        inputs.append(inputs_named(name, array.shape, array.dtype))
        slots[inputs[-1]] = ParameterSlot(i)

    if getattr(optimizer.step, "__func__", None) is not Optimizer.step:
        raise Untraceable(f"{type(optimizer).__name__} has a step of its own")
    with side_effects_noticed(model, "computing the cost changes attributes of the model"), \
            random_numbers_noticed(), in_place_of(parameters, inputs):
        J, again = (cost_of(*(unrecorded(node, name) for name, node in data.items())) for _ in range(2))
    if not isinstance(J, Tensor) or J.size != 1 or not J.requires_grad or not isinstance(J._data, ArrayNode):
        raise Untraceable("the cost is no single number that depends on the parameters")
    if _description(J._data) != _description(again._data):
        raise Untraceable("the cost is computed differently each time: random numbers, or something that counts")
    del again

    with in_place_of(parameters, inputs):  # the backward pass makes sure that the parameters are what they were
        total = gradients(J, np.full(J.shape, 1, J.dtype), parameters)
    rule = f"{type(optimizer).__name__}.update"
    with _named_learning_rate(optimizer), random_numbers_noticed(), \
            side_effects_noticed(vars(optimizer), f"{rule} changes attributes of its object"):
        updates: dict[ArrayNode, ArrayNode] = {}
        results: dict[Slot, ArrayNode] = {}
        moved = [parameter for parameter in parameters if parameter in total]
        clipped = dict(zip(moved, optimizer.clipped([as_node(total[parameter]) for parameter in moved])))
        for i, (parameter, w) in enumerate(zip(parameters, inputs)):
            results[ParameterSlot(i)] = w
            if parameter not in clipped:
                continue
            state = _state_nodes(optimizer, parameter, arrays[i], names[parameter], i, slots)
            new, new_state = optimizer.changed(w, as_node(clipped[parameter]), tuple(state))
            if len(new_state) != len(state):
                raise Untraceable(f"{type(optimizer).__name__}.update changes the length of its state")
            for k, s in enumerate(state):
                results[StateSlot(i, k)] = s
                updates[s] = as_node(new_state[k])
            updates[w] = as_node(new)
    for x, y in updates.items():
        if x.shape != y.shape or x.dtype != y.dtype:
            raise Untraceable(f"the update turns {x.name} {x.shape} {x.dtype} into {y.shape} {y.dtype}")
    _name_steps(J, total, names)
    grads = {w: as_node(total[p]) for p, w in zip(parameters, inputs) if p in total}
    cost = J._data
    # Forward pass, then the gradients from the last layer to the first, as the backward pass computes them.
    forward = [tensor._data for tensor in reversed(topological_order(J))]
    nodes = ordered([cost, *updates.values()], start=[*forward, *reversed(grads.values())])
    return StepProgram(nodes, cost, updates, slots, results, grads, batches, leaves=leaves(J))


def _state_nodes(optimizer: Optimizer, parameter: Tensor, w: Any, name: str, i: int,
                 slots: dict[ArrayNode, Slot]) -> list[ArrayNode]:
    """The optimiser's state for one parameter: arrays, and Python numbers as numbers."""
    nodes = []
    for k, s in enumerate(optimizer.state_of(parameter, w)):
        weak = type(s) in (int, float)
        if not weak and not isinstance(s, (np.ndarray, np.generic)):
            raise Untraceable(f"the state of {type(optimizer).__name__} holds a {type(s).__name__}")
        dtype = np.dtype(np.float64 if type(s) is float else np.int64) if weak else s.dtype
        nodes.append(inputs_named(f"{name}_state{k + 1}", np.shape(s), dtype, weak))
        slots[nodes[-1]] = StateSlot(i, k)
    return nodes


def _name_steps(J: Tensor, total: dict[Tensor, Any], names: dict[Tensor, str]) -> None:
    """Z1, A1, dZ1, dW1, ... and J."""
    called = {**{tensor: name for name, tensor in named_steps(J).items()}, **names, J: "J"}
    for tensor, name in called.items():
        if tensor.op is not None and tensor._data.op not in ("input", "constant"):
            tensor._data.name = name
            tensor._data.note = f"{name} = {_equation(tensor, called)}"
        g = total.get(tensor)
        if isinstance(g, ArrayNode) and g.op not in ("input", "constant") and g.name is None and tensor is not J:
            g.name = f"d{name}"


def _equation(tensor: Tensor, called: dict[Tensor, str], inner: bool = False) -> str:
    """How a step is computed from those that have names."""
    assert tensor.op is not None
    parents = [called.get(x) or x.name or (_equation(x, called, inner=True) if x.op is not None else
               f"{x.item():g}" if x.size == 1 and isinstance(x._data, np.ndarray) else "C") for x in tensor.parents]
    text = tensor.op.notation.format(*parents, **tensor.params)
    return f"({text})" if inner and tensor.op.notation.startswith("{0} ") and tensor.op.name != "matmul" else text


@contextmanager
def _named_learning_rate(optimizer: Optimizer) -> Iterator[None]:
    """Inside, the learning rate has a name that the source can use."""
    rate = vars(optimizer).get("learning_rate")
    if type(rate) is not float:
        yield
        return
    vars(optimizer)["learning_rate"] = NamedNumber(rate, "learning_rate")
    try:
        yield
    finally:
        vars(optimizer)["learning_rate"] = rate


@contextmanager
def in_place_of(parameters: Sequence[Tensor], nodes: Sequence[ArrayNode]) -> Iterator[None]:
    """Inside, the parameters hold nodes."""
    saved = [(p._data, p._user) for p in parameters]
    try:
        for parameter, node in zip(parameters, nodes):
            parameter.hold(node)
        with observed(recording=True):
            yield
    finally:
        for parameter, (data, user) in zip(parameters, saved):
            parameter._data, parameter._user = data, user


def _description(output: ArrayNode) -> list[tuple[Any, ...]]:
    """A graph as a list that is equal for equal graphs."""
    place: dict[ArrayNode, int] = {}
    rows = []
    for node in ordered([output]):
        place[node] = len(place)
        rows.append((node.op, tuple(place[x] for x in node.inputs), node.shape, contents(node.params),
                     contents(node.value), node.name if node.op == "input" else None))
    return rows
