"""The names that the course gives to the steps of a graph: W[1], b[1], Z[1], A[1], X, Y, J."""
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from tinygrad_course.graph.record import Recording
from tinygrad_course.tensor import Tensor

ACTIVATIONS = {"sigmoid", "tanh", "relu", "leaky_relu", "softplus", "softmax"}
COSTS = {"binary_cross_entropy", "cross_entropy"}
NUMBERED = re.compile(r"([A-Za-z]+?)_?(\d+)")
INDEXED = re.compile(r"(.*?)(?:\[(\d+)\])?")


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
    return unique(names, numbers={name for name, path in zip(names, paths) if path is None or often[name] > 1})


def unique(names: Iterable[str], taken: Iterable[str] = (), numbers: Iterable[str] = ()) -> list[str]:
    """The names, those that occur before with a number; those in `numbers` all with a number: W[1], W[2] or P1, P2."""
    used, numbered, result = set(taken), set(numbers), []
    for name in names:
        candidate, n = name, 0
        while candidate in used or n == 0 and name in numbered:
            n += 1
            candidate = f"{name}[{n}]" if name in ("W", "b", "w") else f"{name}{n}"
        used.add(candidate)
        result.append(candidate)
    return result


class Roles:
    """What the steps of a recording are in a network.

    names: of leaves, of Z[l], of A[l] and of the cost, by their places.
    linear: the places of Z[l].
    local: for A[l] = g[l](Z[l]), by the place of A[l]: l, as it is written behind g.
    y_hat: the place of the output of the network, if there is one.
    """

    def __init__(self, recording: Recording, names: dict[int, str]):
        """names: those of the parameters, by their places."""
        self.recording = recording
        self.names = dict(names)
        self.local: dict[int, str] = {}
        self.linear: set[int] = set()
        self.y_hat: int | None = None
        self.users: dict[int, list[int]] = {}
        self.parents = [[recording.index[id(parent)] for parent in step.parents] for step in recording.steps]
        for i, parents in enumerate(self.parents):
            for parent in parents:
                self.users.setdefault(parent, []).append(i)
        self._name_layers()
        for i, step in enumerate(recording.steps[:-1]):
            if step.op is not None and step.name is not None and i not in self.names:
                self.names[i] = unique([step.name], self.names.values())[0]
        self._name_constants()
        cost = len(recording.steps) - 1
        self.names[cost] = unique([recording.steps[cost].name or "J"],
                                  [name for i, name in self.names.items() if i != cost])[0]

    def op(self, i: int) -> str:
        op = self.recording.steps[i].op
        return op.name if op is not None else ""

    def _weights(self, i: int) -> list[int]:
        """The parameters among the factors of a matrix product, transposed or not."""
        factors = [self.parents[p][0] if self.op(p) in ("transpose", "swapaxes") else p for p in self.parents[i]]
        return [p for p in factors if p in self.recording.parameters]

    def _name_layers(self) -> None:
        """Z is W A + b, also without b, also a sum of several such products; A = g(Z)."""
        parameters = self.recording.parameters
        linear: dict[int, list[int]] = {}  # place: its weights
        inner: set[int] = set()
        for i, parents in enumerate(self.parents):
            if self.op(i) in ("matmul", "dot"):
                weights = self._weights(i)
                if len(weights) == 1:
                    linear[i] = weights
            elif self.op(i) in ("add", "subtract") and len(parents) == 2:
                products = [p for p in parents if p in linear and len(self.users[p]) == 1]
                biases = [p for p in parents if p in parameters]
                if products and len(products) + len(biases) == 2:
                    linear[i] = [weight for p in products for weight in linear[p]]
                    inner.update(products)
        found = [i for i in linear if i not in inner and i < len(self.parents) - 1]
        self.linear = set(found)
        layers = self._layers([linear[i] for i in found])
        for i, layer in zip(found, layers):
            self.names[i] = f"Z{layer}"
            active = [user for user in self.users.get(i, []) if self.op(user) in ACTIVATIONS]
            for user in active[:1]:
                self.names[user] = f"A{layer}"
                self.local[user] = layer
            output = active[0] if active else i
            if self._is_output(output):
                self.y_hat = output

    def _is_output(self, i: int) -> bool:
        """Whether no parameter comes in on the way from a step to the cost, so that the step is y_hat."""
        parameters = self.recording.parameters.keys()
        seen, stack = set(), [i]
        while stack:
            for user in self.users.get(stack.pop(), []):
                if not parameters.isdisjoint(self.parents[user]) or user in self.linear:
                    return False
                if user not in seen:
                    seen.add(user)
                    stack.append(user)
        return True

    def _layers(self, weights: list[list[int]]) -> list[str]:
        """What stands behind Z: the number of its weights where that is clear, else numbers in order."""
        if len(weights) == 1 and not split_name(self.names[weights[0][0]])[1]:
            return [""]
        numbers = [next((n for n in (split_name(self.names[w])[1] for w in each) if n), "") for each in weights]
        if len(set(numbers)) < len(numbers) or "" in numbers:
            numbers = [str(i) for i in range(1, len(weights) + 1)]
        return [f"[{n}]" for n in numbers]

    def _name_constants(self) -> None:
        """X enters a matrix product, Y the cost; other arrays are C1, C2, ..."""
        others = []
        for i, source in self.recording.sources.items():
            if i in self.names:
                continue
            used = self.names.values()
            if source.name is not None:
                self.names[i] = unique([source.name], used)[0]
            elif _is_number(source):
                continue
            elif any(self.op(user) in ("matmul", "dot") for user in self.users[i]) and "X" not in used:
                self.names[i] = "X"
            elif self._is_label(i) and "Y" not in used:
                self.names[i] = "Y"
            else:
                others.append(i)
        self.names.update(zip(others, unique(["C"] * len(others), self.names.values(), ["C"])))

    def _is_label(self, i: int) -> bool:
        """An array that meets the network's output, in a cost or by being compared with it."""
        shape = self.recording.steps[self.y_hat].shape if self.y_hat is not None else None
        return any(self.op(user) in COSTS or self.op(user) in ("subtract", "multiply")
                   and self.y_hat is not None and user > self.y_hat and self.recording.steps[i].shape == shape
                   for user in self.users[i])


def _is_number(tensor: Tensor) -> bool:
    """A constant that the equations write as a number."""
    return tensor.size == 1 and not tensor.requires_grad and tensor.name is None


def examples(recording: Recording, roles: Roles) -> int | None:
    """m for a graph that is given: the last axis of Y, else of X; None where another axis has the same size."""
    leaves = {name: recording.steps[i] for i, name in roles.names.items() if i in recording.sources}
    labels: Any = leaves.get("Y", leaves.get("X"))
    if labels is None or labels.ndim == 0 or labels.shape[-1] < 2:
        return None
    m: int = labels.shape[-1]
    sizes = {n for i, step in enumerate(recording.steps) if i in recording.sources
             for axis, n in enumerate(step.shape) if axis < step.ndim - 1 or i in recording.parameters}
    return None if m in sizes else m
