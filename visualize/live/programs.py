"""What the page runs: every value and gradient of a graph, the network on other data, and training steps."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_course.broadcasting import unbroadcast
from tinygrad_course.compiler.javascript.code import JavaScriptWriter
from tinygrad_course.compiler.javascript.step import JavaScriptStep, SettingSlot, javascript_step
from tinygrad_course.compiler.nodes import ArrayNode, as_node, broadcast_to, inputs_named
from tinygrad_course.compiler.program import DataSlot, ParameterSlot, Slot, StartSlot, StateSlot, StepProgram, ordered
from tinygrad_course.equations.rules import ELEMENTWISE
from tinygrad_course.graph.record import Record
from tinygrad_course.nn import Module
from tinygrad_course.optim import Adam, GradientDescent, Momentum, Optimizer
from tinygrad_course.tensor import Tensor
from tinygrad_course.visualize.live.packing import packed
from tinygrad_course.visualize.live.story import Story, constant_of

BATCHES = (128, 32, 8)  # sizes that can be chosen, beside all examples at once
RULES: dict[str, Callable[[float], Optimizer]] = {
    "gradient descent": GradientDescent, "momentum": Momentum, "Adam": lambda rate: Adam(min(rate, 0.05))}


@dataclass
class Computed:
    """text: a function `name`.  inputs: for each of its arguments what it is."""

    name: str
    text: str
    inputs: dict[str, Any]

    def told(self) -> dict[str, Any]:
        return {"function": self.name, "inputs": self.inputs}


class Tracing:
    """Nodes for the Tensors of a graph, in which leaves are inputs.

    leaves: what each leaf is to the page: {"parameter": 0}, or {"leaf": 3}; of those that are missing the numbers are
    kept in the program.
    """

    def __init__(self, leaves: dict[Tensor, Any]):
        self.nodes: dict[Tensor, ArrayNode] = {}
        self.inputs: dict[ArrayNode, Any] = {}
        self.kept: dict[str, ArrayNode] = {}
        for n, (tensor, what) in enumerate(leaves.items()):
            node = inputs_named(f"x{n}", tensor.shape, tensor.dtype)
            self.nodes[tensor] = node
            self.inputs[node] = what

    def forward(self, record: Any) -> None:
        """All values of a recorded graph. Raises Untraceable."""
        for tensor in record.tensors if isinstance(record, Record) else record.steps:
            if tensor in self.nodes:
                continue
            origin = record.origins.get(tensor)
            if origin is None:
                self.nodes[tensor] = as_node(tensor._data)
            else:
                with np.errstate(all="ignore"):
                    value = origin.op.value(*(self.nodes[parent] for parent in origin.parents), **origin.params)
                self.nodes[tensor] = as_node(value)

    def keep(self, name: str, node: ArrayNode) -> None:
        """A value for the page, in an array of its own."""
        node = as_node(node)
        kept = np.where(node, 1.0, 0.0) if node.dtype.kind == "b" else np.positive(node)
        assert isinstance(kept, ArrayNode)
        kept.name = name
        self.kept[name] = kept

    def written(self, function: str, title: str, cost: ArrayNode | None = None) -> Computed:
        outputs = list(self.kept.values())
        cost = outputs[-1] if cost is None else cost
        nodes = ordered([cost, *outputs], start=outputs)
        slots: Any = {x: DataSlot(str(x.name)) for x in self.inputs}
        program = StepProgram(nodes, cost, {}, slots, {}, batches=True)  # every input may have changed
        source = JavaScriptWriter(program, outputs).source(title, function)
        inputs = {name: self.inputs[node] for name, node in source.arguments.items()}
        inputs |= {name: {"array": packed(value)} for name, value in source.constants.items()}
        return Computed(function, source.text, inputs)


def leaves_of(tensors: Sequence[Tensor], parameters: Sequence[Tensor], origins: Any) -> dict[Tensor, Any]:
    """What each leaf of a graph is to the page: the number of a parameter, or its own place in the graph."""
    index = {parameter: i for i, parameter in enumerate(parameters)}
    return {tensor: {"parameter": index[tensor]} if tensor in index else {"leaf": i}
            for i, tensor in enumerate(tensors)
            if tensor not in origins and (tensor in index or not constant_of(tensor))}


def everything(story: Story, parameters: Sequence[Tensor], function: str = "everything") -> Computed:
    """Every value and every gradient of a graph, with the parts that the gradients are made of. Raises Untraceable.

    v3 is the value of step 3, g3 its gradient; what it hands to its k-th input is the product p3_k, or q3_k once the
    stretching of broadcasting is undone; the local derivative is l3_k.
    """
    places = story.places
    tracing = Tracing(leaves_of(places.steps, parameters, places.origins))
    tracing.forward(places)
    values = [tracing.nodes[step] for step in places.steps]
    total: dict[int, Any] = {places.last: np.ones_like(places.steps[places.last]._data)}
    for i in reversed(range(len(places.steps))):
        back = story.steps[i].get("back", [])
        if places.op(i):
            tracing.keep(f"v{i}", values[i])
        if i in total and story.steps[i]["gradient"]:
            tracing.keep(f"g{i}", total[i])
        for one in back:
            k, parent = one["input"], one["parent"]
            origin = places.origins[places.steps[i]]
            arguments = [values[parent] for parent in places.parents[i]]
            vjp = origin.op.vjps[k]
            assert vjp is not None
            product = as_node(vjp(as_node(total[i]), values[i], *arguments, **origin.params))
            part = product if product.shape == values[parent].shape else unbroadcast(product, values[parent].shape)
            part = as_node(part).astype(values[parent].dtype)
            tracing.keep(f"q{i}_{k}", part)
            if product.shape != part.shape:
                tracing.keep(f"p{i}_{k}", product)
            if places.op(i) in ELEMENTWISE:
                ones = broadcast_to(np.ones((), places.steps[i].dtype), places.steps[i].shape)
                tracing.keep(f"l{i}_{k}", vjp(ones, values[i], *arguments, **origin.params))
            total[parent] = total[parent] + part if parent in total else part
    return tracing.written(function, "Every value and every gradient of the graph.", values[places.last])


def network(record: Record, parameters: Sequence[Tensor], data: dict[Tensor, str], kept: dict[str, Tensor],
            function: str, title: str) -> Computed:
    """Some values of a graph on data of the page. data: the names of leaves.  kept: what is wanted."""
    index = {parameter: i for i, parameter in enumerate(parameters)}
    leaves: dict[Tensor, Any] = {tensor: {"parameter": index[tensor]} if tensor in index else {"data": data[tensor]}
                                 for tensor in record.tensors if tensor in index or tensor in data}
    tracing = Tracing(leaves)
    tracing.forward(record)
    for name, tensor in kept.items():
        tracing.keep(name, tracing.nodes[tensor])
    return tracing.written(function, title)


# ------------------------------------------------------------------------------------------------------ training


def training(model: Module, cost_of: Callable[[Any, Any], Any], X: Any, Y: Any, rate: float,
             optimizer: Optimizer | None, batch_size: int | None, choices: bool) -> tuple[dict[str, Any], str]:
    """What the page has to know of the training steps, and their text. Raises Untraceable.

    choices: whether there are other optimisers and batch sizes than those that are asked for.
    """
    rules = dict(RULES)
    chosen = "gradient descent"
    if optimizer is not None:
        known: dict[Any, str] = {GradientDescent: "gradient descent", Momentum: "momentum", Adam: "Adam"}
        chosen = known.get(type(optimizer), type(optimizer).__name__)
        rules = {chosen: lambda rate: optimizer, **rules}
    rules = rules if choices else {chosen: rules[chosen]}
    m = X.shape[-1]
    sizes = sorted({size for size in (*(BATCHES if choices else ()), batch_size or m) if size < m}, reverse=True)
    told: dict[str, Any] = {"rules": [], "chosen": chosen, "batch": batch_size if batch_size in sizes else m, "m": m}
    texts = []
    for r, (name, make) in enumerate(rules.items()):
        rule = optimizer if optimizer is not None and name == chosen else make(rate)
        steps = []
        rests = {m % size for size in sizes} - {0, *sizes}  # what is left at the end of an epoch
        for size in (m, *sizes, *sorted(rests)):
            batch = X if size == m else np.broadcast_to(np.zeros((), X.dtype), (*X.shape[:-1], size))
            labels = Y if size == m else np.broadcast_to(np.zeros((), Y.dtype), (*Y.shape[:-1], size))
            function = f"training_{r}_{size}"
            step = javascript_step(model, cost_of, rule, batch, labels, batches=size != m, function=function)
            texts.append(step.text)
            steps.append({"size": size, "rest": size in rests, "function": function, **_arguments(step, model, rule)})
        settings = {key: value for key, value in vars(rule).items() if type(value) is float and key != "weight_decay"}
        told["rules"].append({"name": name, "settings": settings, "steps": steps, "python": type(rule).__name__})
    return told, "\n".join(texts)


def _arguments(step: JavaScriptStep, model: Module, rule: Optimizer) -> dict[str, Any]:
    """What the arguments of a training function are, and where the parameters are found after a step."""
    parameters = model.parameters()
    inputs: dict[str, Any] = {name: {"array": packed(value)} for name, value in step.source.constants.items()}
    if step.source_of_results is not None:
        inputs |= {name: {"array": packed(value)} for name, value in step.source_of_results.constants.items()}
    for name, slot in step.slots.items():
        inputs[name] = _argument(slot, step.shapes[name], parameters, rule)
    trained = [(slot.parameter, name, False) for slot, name in step.direct.items() if isinstance(slot, ParameterSlot)]
    trained += [(slot.parameter, name, True) for slot, name in step.computed.items() if isinstance(slot, ParameterSlot)]
    return {"inputs": inputs, "results": step.source_of_results is not None,
            "trained": [{"parameter": i, "name": name, "computed": computed} for i, name, computed in trained]}


def _argument(slot: Slot | SettingSlot, shape: tuple[int, ...], parameters: Sequence[Tensor], rule: Optimizer) -> Any:
    size = int(np.prod(shape, dtype=int))
    if isinstance(slot, ParameterSlot):
        return {"parameter": slot.parameter}
    if isinstance(slot, DataSlot):
        return {"data": slot.name}
    if isinstance(slot, SettingSlot):
        return {"setting": slot.name}
    if isinstance(slot, StartSlot):
        return {"start": slot.number, "size": size}
    assert isinstance(slot, StateSlot)
    parameter = parameters[slot.parameter]
    state = np.asarray(rule.initial_state(parameter._data)[slot.part])
    told: dict[str, Any] = {"state": f"{slot.parameter}.{slot.part}"}
    same = size and (state == state.reshape(-1)[0]).all()
    return told | ({"start": float(state.reshape(-1)[0]), "size": size} if same else {"array": packed(state)})
