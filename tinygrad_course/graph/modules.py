"""Which Module computed which Tensor: watched while a model runs, or inferred from its parameters."""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from tinygrad_course.errors import InputError
from tinygrad_course.graph.record import Call, Record, Watch, watched
from tinygrad_course.graph.walk import held_by, tensors_within
from tinygrad_course.holding import buffers_kept, in_mode
from tinygrad_course.nn import Module
from tinygrad_course.tensor import Array, Tensor


@contextmanager
def trial(model: Module, *data: Tensor) -> Iterator[Watch]:
    """A run of a model, recorded and watched, that leaves nothing behind: not in the model and its buffers, not in its
    data, and not in NumPy's random numbers, of which it may use some."""
    random = np.random.get_state()
    with buffers_kept(model), watched(*tensors_within(model), *data) as watch:
        try:
            yield watch
        finally:
            np.random.set_state(random)


def likely_inputs(model: Module) -> list[int]:
    """How many inputs n_x a model may take, the likeliest first: W (n_out, n_in) tells by its columns, and w (n_x, 1)
    by its rows. One input, which broadcasting would often let pass, comes last."""
    sizes = dict.fromkeys(n for parameter in model.parameters() for n in parameter.shape[::-1])
    return sorted(sizes, key=lambda n: n == 1)


def tried_out(model: Module, make: Callable[[int], Array],
              refuses: type[Exception] = InputError) -> tuple[Tensor, Array, Watch]:
    """The output in evaluation mode for an X that the model takes, that X, and what was computed: how many inputs it
    has is found by trying.

    make: X (n_x, m) for a number of inputs.  refuses: what a model raises for an X that does not fit.
    Raises InputError where it takes none, from what the first one raised.
    """
    tried: dict[tuple[int, ...], Exception] = {}
    for n_x in likely_inputs(model):
        X = make(n_x)
        try:
            with in_mode(model, training=False), trial(model) as watch:
                return model(X), X, watch
        except refuses as error:
            tried[X.shape] = error
    first = next(iter(tried.values()), None)
    raise InputError(f"{type(model).__name__} takes no made-up X of the shapes "
                     f"{', '.join(map(str, tried)) or 'tried'}") from first


def inferred(record: Record, model: Module) -> dict[Tensor, Call]:
    """For a graph that was recorded before: a step is in the Module whose own parameter it uses directly.

    What belongs to a Module without parameters cannot be told from the graph, so it stands in the model around it.
    Where a Module was called several times, the calls cannot be told apart: its steps then stand in the model, too.
    Raises InputError where the graph has no parameter of the model.
    """
    outermost = Call(model, None)
    call_of: dict[tuple[Module, ...], Call] = {(model,): outermost}
    holders: dict[Tensor, Call] = {}
    for value, within in held_by(model):
        if isinstance(value, Module):
            if within:
                call_of.setdefault((*within, value), Call(value, call_of[within]))
        else:
            holders.setdefault(value, call_of[within])
    known = {tensor for tensor in record.tensors if tensor in holders}
    if not known:
        raise InputError(f"model={type(model).__name__} has no parameter in this graph: give the model that computed "
                         "it")
    below: set[Tensor] = set(known)  # what depends on the model
    calls: dict[Tensor, Call] = {}
    uses: Counter[Tensor] = Counter()
    for tensor in record.origins:
        parents = record.parents(tensor)
        if not below.isdisjoint(parents):
            below.add(tensor)
            calls[tensor] = outermost
        for parent in parents:
            if parent in known:
                calls[tensor] = holders[parent]
                uses[parent] += 1
    roots = set(record.roots)
    several = {holders[parent] for parent, count in uses.items() if count > 1}
    return {tensor: outermost if call in several else call for tensor, call in calls.items()
            if tensor not in roots}
