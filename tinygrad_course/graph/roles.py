"""Which Tensor of a recorded graph is W[1], Z[1], A[1], dZ[1], X, Y, y_hat, J: one answer for all who ask.

Roles follow from what was computed with what, never from the class of a Module: a product with a parameter begins a
layer, however it is written. Names of parameters are those they have, as the course writes them.
"""
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from tinygrad_course.errors import InputError
from tinygrad_course.graph.record import Record, recorded
from tinygrad_course.nn import Module
from tinygrad_course.tensor import Tensor

ACTIVATIONS = {"sigmoid", "tanh", "relu", "leaky_relu", "softplus", "softmax"}
PRODUCTS = ("matmul", "dot")
CONVENTIONS = {
    "course": "dT is m times the derivative of the cost with respect to T; for a parameter the derivative itself",
    "of_cost": "dT is the derivative of the cost with respect to T",
}
LETTERS = ("W", "w", "b")  # what parameters of a layer are called that does not know its number
COSTS = {"binary_cross_entropy", "cross_entropy"}
NUMBERED = re.compile(r"([A-Za-z]+?)_?(\d+)")
INDEXED = re.compile(r"(.*?)(?:\[(\d+)\])?")


@dataclass(frozen=True)
class Role:
    """What a Tensor is in a network.

    symbol: the letter of the course, or the name of a parameter that has one of its own.
    kind: "parameter", "linear" (Z), "activation" (A), "data" (X), "labels" (Y), "cost" (J) or "named", for what only
        its user has named.
    layer: its number, None where there is only one layer, or where it belongs to none.
    predicts: whether it is y_hat too, the output of the network.
    convention: of a gradient, None for anything else. "of_cost": the derivative of J; "course": m times that, the
        derivative of an example's loss, as in dZ[L] = A[L] - Y. A recorded gradient is that of the cost.
    """

    symbol: str
    kind: str
    layer: int | None = None
    predicts: bool = False
    convention: str | None = None

    @property
    def name(self) -> str:
        """As the course writes it: "W[1]", "dZ[2]", "X"."""
        return ("d" if self.convention else "") + self.symbol + (f"[{self.layer}]" if self.layer is not None else "")

    @property
    def key(self) -> str:
        """As parameters and the course's dictionaries are called: "W1", "dZ2", "X"."""
        return ("d" if self.convention else "") + self.symbol + ("" if self.layer is None else str(self.layer))

    def gradient(self, convention: str = "of_cost") -> Role:
        """The role of its gradient."""
        return replace(self, convention=convention)


@dataclass(eq=False)
class LinearStep:
    """Z = W A + b in a recorded graph, also without b, also a sum of several such products.

    weights, inputs: the W and the A of each product.  products: W A.  biases: the b, if there is one.
    activation: g(Z), if that is the step's only activation.  layer: its number; None for an only layer without one.
    """

    Z: Tensor
    weights: list[Tensor]
    inputs: list[Tensor]
    products: list[Tensor]
    biases: list[Tensor]
    activation: Tensor | None = None
    layer: int | None = None


def roles_of(record: Record, names: Mapping[Tensor, str] | None = None, cost: Tensor | None = None,
             parameters: Iterable[Tensor] | None = None) -> dict[Tensor, Role]:
    """The role of each Tensor of a recorded graph that has one; of gradients too, where they were recorded.

    names: of parameters and others, in place of their own; those of a model's parameters are its `course_names`.
    cost: J; by default the only output, if it is a single number that labels or a prediction lead to.
    parameters: by default all leaves that require a gradient.
    """
    return Reading(record, names or {}, cost, parameters).roles


def checked_convention(convention: str) -> str:
    """Raises InputError for a name that is not among CONVENTIONS."""
    if convention not in CONVENTIONS:
        raise InputError(f"convention {convention!r} is unknown; there are {' and '.join(CONVENTIONS)}")
    return convention


def named_steps(output: Tensor) -> dict[str, Tensor]:
    """From "Z1", "A1", "Z2", ... to the Tensors that `output` was computed from, in the order of computation.

    A single layer whose parameters have no number has "Z" and "A".
    """
    record = recorded([output])
    roles = roles_of(record)
    return {roles[tensor].key: tensor for tensor in record.tensors
            if tensor in roles and roles[tensor].kind in ("linear", "activation")}


def linear_steps(record: Record, parameters: Iterable[Tensor] | None = None) -> list[LinearStep]:
    """The linear steps of a recorded graph in the order of computation, with their activations and layers."""
    return Reading(record, {}, None, parameters).steps


def course_names(model: Module) -> dict[Tensor, str]:
    """The course's names for the parameters of a model, "W[1]", in the order of definition."""
    paths = dict(model.named_parameters())
    return dict(zip(paths.values(), parameter_names(list(paths))))


Key = TypeVar("Key")


def owner(steps: Sequence[Key], roles: Mapping[Key, Role]) -> Key:
    """Whose a gradient is that was handed on unchanged: that of Z or A, if one is there, else of the first."""
    kinds = [roles[step].kind if step in roles else "" for step in steps]
    return next((steps[kinds.index(kind)] for kind in ("linear", "activation") if kind in kinds), steps[0])


def is_relu_by_hand(record: Record, tensor: Tensor) -> bool:
    """Whether it is np.maximum(0, Z)."""
    return record.op(tensor) == "maximum" and any(
        parent.size == 1 and parent not in record.origins and isinstance(parent._data, np.ndarray)
        and not parent.requires_grad and parent._data.item() == 0 for parent in record.parents(tensor))


class Reading:
    """One reading of a recorded graph: `steps` and `roles` are the result, see `linear_steps` and `roles_of`."""

    def __init__(self, record: Record, names: Mapping[Tensor, str], cost: Tensor | None,
                 parameters: Iterable[Tensor] | None):
        self.record, self.names, self.cost = record, names, cost
        self.forward = [tensor for tensor in record.tensors if tensor in record.forward]
        self.given = {tensor: name for tensor in self.forward if (name := names.get(tensor, tensor.name))}
        self.leaves = [tensor for tensor in self.forward if tensor not in record.origins]
        wanted = {leaf for leaf in self.leaves if leaf.requires_grad} if parameters is None else set(parameters)
        self.parameters = [leaf for leaf in self.leaves if leaf in wanted]
        self.is_parameter = set(self.parameters)
        self.users: dict[Tensor, list[Tensor]] = {tensor: [] for tensor in self.forward}
        for tensor in self.forward:
            for parent in record.parents(tensor):
                self.users[parent].append(tensor)
        self.steps = self._linear_steps()
        self.roles: dict[Tensor, Role] = {}
        self._name_parameters()
        self._name_layers()
        self._name_data()
        self._name_others()
        for gradient, of in record.gradient_of.items():
            if (tensor := owner(of, self.roles)) in self.roles:
                self.roles[gradient] = self.roles[tensor].gradient()

    # ------------------------------------------------------------------------------------------------ linear steps

    def _linear_steps(self) -> list[LinearStep]:
        steps: dict[Tensor, LinearStep] = {}
        for tensor in self.forward:
            parts = self.record.parents(tensor)
            inner = [steps[part] for part in parts if part in steps and len(self.users[part]) == 1]
            product, total = self._product(tensor, parts), self._sum(tensor, parts, inner)
            if tensor is self.cost:
                continue
            if product is not None:
                steps[tensor] = product
            if total is not None:
                steps[tensor] = total
                for part in inner:  # a sum takes the place of what it adds up
                    del steps[part.Z]
        for step in steps.values():
            step.activation = next((user for user in self.users[step.Z] if self._is_activation(user)), None)
        return list(steps.values())

    def _product(self, tensor: Tensor, factors: Sequence[Tensor]) -> LinearStep | None:
        """W A or A W, with W transposed or not."""
        if self.record.op(tensor) not in PRODUCTS:
            return None
        weights = [self._untransposed(factor) for factor in factors]
        places = [i for i, weight in enumerate(weights) if weight in self.is_parameter]
        if len(places) != 1:
            return None
        i = places[0]
        return LinearStep(tensor, [weights[i]], [factors[1 - i]], [tensor], [])

    def _sum(self, tensor: Tensor, parts: Sequence[Tensor], inner: Sequence[LinearStep]) -> LinearStep | None:
        """A step that nobody else uses plus a bias, or two such steps added up."""
        biases = [part for part in parts if part in self.is_parameter]
        if self.record.op(tensor) not in ("add", "subtract") or not inner or len(inner) + len(biases) != 2:
            return None
        return LinearStep(tensor, [W for step in inner for W in step.weights],
                          [A for step in inner for A in step.inputs],
                          [product for step in inner for product in step.products],
                          [b for step in inner for b in step.biases] + biases)

    def _untransposed(self, tensor: Tensor) -> Tensor:
        return self.record.parents(tensor)[0] if self.record.op(tensor) in ("transpose", "swapaxes") else tensor

    def _is_activation(self, tensor: Tensor) -> bool:
        return self.record.op(tensor) in ACTIVATIONS or is_relu_by_hand(self.record, tensor)

    # ------------------------------------------------------------------------------------------------------- roles

    def _name_parameters(self) -> None:
        """Parameters by their names, and a W, w or b without a number by the only layer that uses it.

        Layers have the numbers of their weights, where these are clear, else numbers in order.
        """
        often = Counter(parameter.name for parameter in self.parameters if parameter not in self.names)
        single = [parameter for parameter in self.parameters
                  if parameter not in self.names and parameter.name and often[parameter.name] == 1]
        names = {parameter: self.names[parameter] for parameter in self.parameters if parameter in self.names}
        given = Names(names.values())
        names.update(zip(single, map(given.give, parameter_names([parameter.name for parameter in single]))))
        self._number_layers({parameter: split_name(name)[1] for parameter, name in names.items()})

        uses = Counter(parameter for step in self.steps for parameter in {*step.weights, *step.biases})
        layer_of = {parameter: step.layer for step in self.steps if len(step.weights) == 1
                    for parameter in (*step.weights, *step.biases) if uses[parameter] == 1}
        for parameter in self.parameters:
            name, layer = names.get(parameter, parameter.name or "P"), layer_of.get(parameter)
            if name in LETTERS and layer is not None and f"{name}[{layer}]" not in given:
                names[parameter] = given.give(f"{name}[{layer}]")
            elif parameter not in names:
                names[parameter] = given.give(name, numbered=True)
        for parameter in self.parameters:
            symbol, number = split_name(names[parameter])
            self.roles[parameter] = Role(symbol, "parameter", int(number) if number else None)

    def _number_layers(self, numbers_of: Mapping[Tensor, str]) -> None:
        numbers: list[int | None] = [next((int(number) for W in step.weights if (number := numbers_of.get(W))), None)
                                     for step in self.steps]
        if len(numbers) > 1 and (None in numbers or len(set(numbers)) < len(numbers)):
            numbers = list(range(1, len(numbers) + 1))
        for step, layer in zip(self.steps, numbers):
            step.layer = layer

    def _name_layers(self) -> None:
        """Z and A. The last of them that no parameter meets on its way to the cost is y_hat."""
        before_parameters: set[Tensor] = set()
        linear = {step.Z for step in self.steps}
        for tensor in reversed(self.forward):
            parents = self.record.parents(tensor)
            if tensor in before_parameters or tensor in linear or not self.is_parameter.isdisjoint(parents):
                before_parameters.update(parents)
        self.prediction: Tensor | None = None
        for step in self.steps:
            self.roles[step.Z] = Role("Z", "linear", step.layer)
            if step.activation is not None:
                self.roles[step.activation] = Role("A", "activation", step.layer)
            output = step.Z if step.activation is None else step.activation
            if output not in before_parameters:
                self.prediction = output
        if self.prediction is not None:
            self.roles[self.prediction] = replace(self.roles[self.prediction], predicts=True)

    def _name_data(self) -> None:
        """X is what the first layer starts from, else what enters a product; Y meets y_hat, or enters the cost."""
        data = {leaf: None for leaf in self.leaves if leaf not in self.is_parameter and leaf.size > 1}  # in order
        inputs = [self._untransposed(A) for step in self.steps for A in step.inputs]
        self._name_one("X", "data", [leaf for leaf in inputs if leaf in data] + [
            leaf for leaf in data if any(self.record.op(user) in PRODUCTS for user in self.users[leaf])])
        after = {self.prediction}
        for tensor in self.forward:
            if not after.isdisjoint(self.record.parents(tensor)):
                after.add(tensor)
        shape = None if self.prediction is None else self.prediction.shape
        self._name_one("Y", "labels", [
            leaf for leaf in data if leaf not in self.roles and any(
                self.record.op(user) in COSTS or self.record.op(user) in ("subtract", "multiply")
                and user in after and leaf.shape == shape for user in self.users[leaf])])

    def _name_one(self, symbol: str, kind: str, found: Sequence[Tensor]) -> None:
        """The first of the Tensors gets the letter, unless one has it by its own name."""
        own = next((leaf for leaf in self.leaves if self.given.get(leaf) == symbol), None)
        if own is None:
            own = next((leaf for leaf in found if leaf not in self.given), None)
        if own is not None and own not in self.roles:
            self.roles[own] = Role(symbol, kind)

    def _name_others(self) -> None:
        """What has a name of its own, and the cost."""
        given = Names(role.name for role in self.roles.values())
        root = self.record.roots[0]
        if self.cost is None and len(self.record.roots) == 1 and root.size == 1 and root not in self.roles and (
                self.prediction is not None or any(role.kind == "labels" for role in self.roles.values())):
            self.cost = root
        for tensor in self.forward:
            name = self.given.get(tensor)
            if name is not None and tensor not in self.roles and tensor is not self.cost:
                self.roles[tensor] = Role(given.give(name), "named")
        if self.cost is not None:
            self.roles[self.cost] = Role(given.give(self.given.get(self.cost, "J")), "cost")


# --------------------------------------------------------------------------------------------------------- names


def split_name(name: str) -> tuple[str, str]:
    """"W[1]" as "W" and "1"; the second is empty where there is no layer."""
    base, layer = INDEXED.fullmatch(name.replace("\n", " ")).groups()  # type: ignore[union-attr]
    return base, layer or ""


def parameter_names(paths: Sequence[str | None]) -> list[str]:
    """The course's names for parameters that are called W1, 0.W, layer1.b, or not at all.

    W1 is W[1]. The same name in several modules gets the number of the module among those that have parameters.
    """
    last = [(path or "").rpartition(".")[2] for path in paths]
    holders = {holder: i for i, holder in enumerate(
        dict.fromkeys((path or "").rpartition(".")[0] for path in paths if path), start=1)}
    often = Counter(last)
    names: list[str] = []
    for path, name in zip(paths, last):
        numbered = NUMBERED.fullmatch(name)
        if path is None or not name or name.isdigit():
            name = "P" if path is None else path or "P"
        elif often[name] > 1:
            holder = path.rpartition(".")[0]
            name = f"{name}[{holders[holder]}]" if name.isalpha() and len(holders) > 1 else path if holder else name
        elif numbered and len(numbered[1]) < 3:
            name = f"{numbered[1]}[{int(numbered[2])}]"
        names.append(name)
    doubtful = {name for name, path in zip(names, paths) if path is None or often[name] > 1}
    given = Names()
    return [given.give(name, name in doubtful) for name in names]


class Names:
    """Names that are given only once: of those that are taken the next gets a number, W[1], W[2] or P1, P2."""

    def __init__(self, taken: Iterable[str] = ()):
        self._taken = set(taken)
        self._last: dict[str, int] = {}  # the number that a name got last: whatever is below it is taken

    def __contains__(self, name: str) -> bool:
        return name in self._taken

    def give(self, name: str, numbered: bool = False) -> str:
        """numbered: whether also the first one gets a number."""
        n = self._last.get(name, 0)
        candidate = name
        while candidate in self._taken or numbered and candidate == name:
            n += 1
            candidate = f"{name}[{n}]" if name in LETTERS else f"{name}{n}"
        self._last[name] = n
        self._taken.add(candidate)
        return candidate
