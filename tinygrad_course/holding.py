"""Modules: objects that hold parameters and compute something from them, and what they hold.

What a Module holds is searched for, not registered: Tensors and arrays among its attributes, also within other
Modules, lists, tuples, deques, dicts, sets, arrays of objects, dataclasses and namespaces. Three kinds are found:

* parameters, Tensors that require a gradient: they are trained;
* frozen ones, whose `requires_grad` was set to False: they are not, but they are part of what the network computes;
* buffers, such as a running mean: other Tensors, and arrays under a name that does not begin with "_".

All three are the state: `state_dict`, and with it a checkpoint, holds them. A Tensor that was computed is no state.

A Module is in training, or is evaluated: `training` says which, for those that then compute something else.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, MutableSequence, Sequence, Set
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple, TypeVar

import numpy as np

from tinygrad_course.conversions import REAL, plain, real_numbers
from tinygrad_course.errors import InputError
from tinygrad_course.mode import mode
from tinygrad_course.tensor import Array, Tensor

SINGLE = (str, bytes, bytearray, range, int, float, type(None))  # what holds nothing
AnyModule = TypeVar("AnyModule", bound="Module")


class Module:
    """Something with parameters: define `forward`, and `cost` if it is to be trained."""

    binary_labels = False  # whether `fit` is to insist on labels 0 and 1
    training = True        # whether it computes as in training; `train` and `eval` set it

    def forward(self, X: Any) -> Tensor:
        raise InputError(f"{type(self).__name__} does not define forward(self, X)")

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """`forward`, of as many inputs and options as it takes."""
        observers = mode.now.observers
        if not observers:
            return self.forward(*inputs, **options)
        for observer in observers:
            observer.entered(self)
        try:
            return self.forward(*inputs, **options)
        finally:
            for observer in observers:
                observer.left(self)

    def cost(self, X: Any, Y: Any) -> Tensor:
        raise InputError(f"{type(self).__name__} does not define cost(self, X, Y); define it, or give one to fit: "
                         "cost=nn.binary_cross_entropy")

    def contents(self) -> Iterable[tuple[Any, Any]]:
        """What this Module holds, with names: by default its attributes, of whatever kind. The names of parameters
        begin with these, so overriding it renames them; what it leaves out is neither trained nor saved."""
        return vars(self).items()

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Each parameter once, in the order of definition, with its path: "layer1.W", "layers.0.W"."""
        for held in _held_within(self, "", {}):
            if isinstance(held.value, Tensor) and held.value.requires_grad:
                yield held.name, held.value

    def parameters(self) -> list[Tensor]:
        return [parameter for _, parameter in self.named_parameters()]

    def named_state(self) -> dict[str, StateEntry]:
        """Everything that the Module's results depend on, each once: parameters, frozen ones and buffers, by path.

        Raises InputError where names are not clear: two that are equal, or several in a set, which has no order.
        """
        found = list(_held_within(self, "", {}))
        for name, times in Counter(held.name for held in found).items():
            if times > 1:
                raise InputError(f"{type(self).__name__} holds {times} Tensors or arrays called {name}, so one would "
                                 'be lost: a key must not be the path of another, as "a.b" is that of b in a, or equal '
                                 'as text, as 1 and "1" are')
        for name, times in Counter(held.in_set for held in found if held.in_set is not None).items():
            if times > 1:
                raise InputError(f"{name} of {type(self).__name__} is a set, whose order is another each time, so what "
                                 "it holds has no names under which to be saved: make it a list")
        return {held.name: held for held in found}

    def train(self: AnyModule, mode: bool = True) -> AnyModule:
        """Compute as in training, or with False as `eval`: this Module and all that it holds. Returns the Module.

        `fit` trains in training mode; `predict`, `accuracy`, validation and plots evaluate; each then puts back the
        mode that was there.
        """
        for module in modules_within(self):
            if isinstance(module.training, bool):  # else it is something of its own that has this name
                object.__setattr__(module, "training", bool(mode))
        return self

    def eval(self: AnyModule) -> AnyModule:
        """Compute as after training: `Dropout` changes nothing, `BatchNorm` takes the running statistics."""
        return self.train(False)

    def zero_grad(self) -> None:
        for parameter in self.parameters():
            parameter.grad = None

    def state_dict(self) -> dict[str, Array]:
        """Copies of the values of `named_state`."""
        return {name: np.array(plain(held.value)) for name, held in self.named_state().items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set what `named_state` gives. Raises InputError, before any is changed, where names, shapes or kinds of
        numbers differ."""
        if not isinstance(state, Mapping):
            raise InputError(f"a dict such as state_dict() gives is needed, from names to arrays; got {state!r:.60}")
        held = self.named_state()
        if set(state) != set(held):
            hint = "" if set(held) - set(state) else (
                ". What is only kept to be looked at is no state as an array, t.data, whose name begins with _")
            raise InputError(f"{type(self).__name__} has the parameters {', '.join(held) or 'none'}, but "
                             f"{', '.join(map(str, state)) or 'none'} were given{hint}")
        arrays = {name: _fitting(f"{name} of {type(self).__name__}", held[name].value, state[name]) for name in held}
        for name, array in arrays.items():
            held[name].put(array)

    def config(self) -> dict[str, Any]:
        """The arguments that make this Module anew; saved with a checkpoint."""
        return {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in self.config().items())})"


class StateEntry(NamedTuple):
    """A Tensor, or an array, that a Module holds: its path, and how to give it other values."""

    name: str
    value: Any
    put: Callable[[Array], None]
    in_set: str | None  # the path of the set that it is in, if it is


def modules_within(value: Any) -> list[Module]:
    """The Modules that something is or holds, each once, also those that `contents` leaves out."""
    seen: dict[int, Any] = {}
    waiting, found = [value], []
    while waiting:
        value = waiting.pop()
        if id(value) in seen or isinstance(value, (Tensor, *SINGLE)):
            continue
        seen[id(value)] = value
        if isinstance(value, Module):
            found.append(value)
            waiting += vars(value).values()
        waiting += [child for _, child, _ in _children(value)]
    return found


def buffers_within(module: Module) -> list[StateEntry]:
    """The state but for the parameters: what a forward pass may change."""
    return [held for held in _held_within(module, "", {})
            if not (isinstance(held.value, Tensor) and held.value.requires_grad)]


@contextmanager
def in_mode(model: Any, training: bool) -> Iterator[None]:
    """Inside, the Modules that `model` is or holds are in training, or evaluated; afterwards as they were."""
    changed = [(module, vars(module).get("training")) for module in modules_within(model)
               if module.training is (not training)]
    for module, _ in changed:
        object.__setattr__(module, "training", training)
    try:
        yield
    finally:
        for module, before in changed:
            if before is None:  # that of the class
                vars(module).pop("training", None)
            else:
                object.__setattr__(module, "training", before)


@contextmanager
def buffers_kept(module: Module) -> Iterator[None]:
    """What is computed inside leaves no trace in the buffers, such as running statistics."""
    before = [(held, np.array(plain(held.value))) for held in buffers_within(module)]
    try:
        yield
    finally:
        for held, array in before:
            held.put(array)


def _held_within(value: Any, path: str, seen: dict[int, Any], in_set: str | None = None,
                 put: Callable[[Array], None] | None = None) -> Iterator[StateEntry]:
    """seen: what was searched already, by its id, and kept alive so that no other object can get that id."""
    if id(value) in seen or isinstance(value, SINGLE):
        return
    seen[id(value)] = value
    if isinstance(value, Tensor):
        if value.op is None:
            yield StateEntry(path, value, lambda array: setattr(value, "data", array), in_set)
    elif isinstance(value, np.ndarray) and value.dtype.kind in REAL:
        if not path.split(".")[-1].startswith("_"):
            yield StateEntry(path, value, put or (lambda array: np.copyto(value, array)), in_set)
    else:
        if isinstance(value, Set):
            in_set = path
        for name, child, put_child in _children(value):
            yield from _held_within(child, f"{path}.{name}" if path else str(name), seen, in_set, put_child)


def _children(value: Any) -> Iterator[tuple[Any, Any, Any]]:
    """What an object holds: names, objects, and a function that replaces each, where that is possible."""
    pairs: Iterable[tuple[Any, Any]] = ()
    replace: Any = None
    if isinstance(value, Module):
        pairs = value.contents()
        replace = setattr if type(value).contents is Module.contents else None
    elif isinstance(value, Mapping):
        pairs, replace = value.items(), type(value).__setitem__ if isinstance(value, MutableMapping) else None
    elif isinstance(value, (Sequence, Set)):
        pairs, replace = enumerate(value), type(value).__setitem__ if isinstance(value, MutableSequence) else None
    elif isinstance(value, np.ndarray) and value.dtype.hasobject and value.dtype.names is None:
        pairs, replace = ((i[0] if value.ndim == 1 else i, x) for i, x in np.ndenumerate(value)), np.ndarray.__setitem__
    elif is_dataclass(value) and not isinstance(value, type):
        pairs, replace = ((field.name, getattr(value, field.name, None)) for field in fields(value)), object.__setattr__
    elif isinstance(value, SimpleNamespace):
        pairs, replace = vars(value).items(), setattr
    for name, child in list(pairs):
        yield name, child, None if replace is None else lambda array, name=name: replace(value, name, array)


def _fitting(what: str, value: Any, given: Any) -> Array:
    """New values for a Tensor or array, checked. A float would be rounded to an integer without a word."""
    array = real_numbers(given, f"{what} cannot be")
    if array.shape != value.shape:
        raise InputError(f"{what} has shape {value.shape}, but {array.shape} was given")
    if not np.can_cast(array.dtype, value.dtype, "same_kind"):
        raise InputError(f"{what} is {value.dtype}, which cannot hold the {array.dtype} that was given")
    return np.array(array, dtype=value.dtype)
