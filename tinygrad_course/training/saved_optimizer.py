"""An optimiser in a checkpoint: its rule, its settings, and what it keeps for each parameter."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_course import optim
from tinygrad_course.errors import InputError
from tinygrad_course.nn import Module
from tinygrad_course.optim import Optimizer, Schedule, State
from tinygrad_course.tensor import Array

Arrays = Mapping[str, Array]


def packed(optimizer: Optimizer, model: Module) -> tuple[dict[str, Any], dict[str, Array]]:
    """What JSON is to hold, and arrays: "W1.0" is the first part of the state of W1.

    Parts that are Python's numbers stand in the JSON, under "numbers": {"W1": [null, null, 0.9, 0.999]}.
    """
    numbers: dict[str, list[float | None]] = {}
    arrays: dict[str, Array] = {}
    for name, parameter in model.named_parameters():
        state = optimizer.states.get(parameter)
        if state is None:
            continue
        numbers[name] = [part if type(part) in (int, float) else None for part in state]
        arrays |= {f"{name}.{k}": np.asarray(part) for k, part in enumerate(state) if numbers[name][k] is None}
    return {**_description(optimizer), "numbers": numbers}, arrays


def _description(rule: Optimizer | Schedule) -> dict[str, Any]:
    """The class and, for one of the course's own, the arguments that make it anew."""
    name = type(rule).__name__
    if getattr(optim, name, None) is not type(rule):
        return {"class": name, "settings": None}
    settings = {key: value for key, value in vars(rule).items() if key != "states"}
    return {"class": name, "settings": {
        key: _description(value) if isinstance(value, Schedule) else value for key, value in settings.items()}}


def unpacked(fields: dict[str, Any], arrays: Arrays, model: Module) -> Optimizer:
    """The optimiser that was saved, for the parameters of a model. Raises InputError where it cannot be made."""
    optimizer: Optimizer = _made(fields, Optimizer)
    fill(optimizer, fields, arrays, model)
    return optimizer


def _made(fields: Any, kind: Any) -> Any:
    """Only the course's own classes: a file must not be able to have other code called."""
    name, settings = (fields.get("class"), fields.get("settings")) if isinstance(fields, dict) else (None, None)
    known = getattr(optim, name) if isinstance(name, str) and name in optim.__all__ else None
    if not (isinstance(known, type) and issubclass(known, kind)) or known is kind or not isinstance(settings, dict):
        raise InputError(f"{str(name)[:100]} is none of optim")
    try:
        return known(**{key: _made(value, Schedule) if isinstance(value, dict) else value
                        for key, value in settings.items()})
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} cannot be made with {str(settings)[:200]}: {str(error)[:200]}") from None


def fill(optimizer: Optimizer, fields: dict[str, Any], arrays: Arrays, model: Module) -> None:
    """Give an optimiser what was saved for the parameters of a model.

    Raises InputError, and changes nothing, where another rule saved it, or another kind of state.
    """
    name, numbers = type(optimizer).__name__, fields.get("numbers")
    if fields.get("class") != name:
        raise InputError(f"it is that of {str(fields.get('class'))[:100]}, not of {name}")
    parameters = dict(model.named_parameters())
    if not isinstance(numbers, dict) or not set(numbers) <= set(parameters):
        raise InputError("it is not for the parameters of this model")
    states = {}
    for key, parts in numbers.items():
        parameter = parameters[key]
        expected: State = optimizer.initial_state(parameter.data)
        if isinstance(optimizer.learning_rate, Schedule):
            expected = (*expected, 0.0)
        if not isinstance(parts, list) or len(parts) != len(expected):
            raise InputError(f"its state of {key} does not have the {len(expected)} parts that it has here; was there "
                             "a schedule in place of a number, or the other way round?")
        states[parameter] = tuple(_part(f"{key}.{k}", part, arrays, like)
                                  for k, (part, like) in enumerate(zip(parts, expected)))
    optimizer.states = states


def _part(name: str, number: Any, arrays: Arrays, like: Any) -> Any:
    """One part of a state, of the kind that the rule begins with."""
    if type(like) in (int, float):
        if type(number) not in (int, float):
            raise InputError(f"its state {name} is no number")
        return type(like)(number)
    if number is not None:
        raise InputError(f"its state {name} is a number; an array is needed")
    saved = arrays.get(name)
    if saved is None or saved.shape != np.shape(like) or not np.can_cast(saved.dtype, like.dtype, "safe"):
        found = "is missing" if saved is None else f"is {saved.dtype} {saved.shape}"
        raise InputError(f"its state {name} {found}; {like.dtype} {np.shape(like)} is needed")
    return saved.astype(like.dtype)
