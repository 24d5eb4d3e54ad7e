"""Large graphs made legible: which Tensors share one box, because a Module or a run of steps is folded."""
from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

from tinygrad_course.tensor import Tensor
from tinygrad_course.graph.record import Call, Record
from tinygrad_course.graph.roles import roles_of

BLOCKS = 20  # so many boxes are made of a graph that is too large and has no Modules to fold
KEPT = 24    # so many of its leaves that are used in several blocks keep their own box
MOST_NODES = 200  # boxes that are drawn if nobody asked for more
MOST_LAYERS, ENDS = 8, 3  # a network with more layers shows so many at either end


@dataclass(eq=False)
class FoldedBox:
    """Tensors that are drawn as one box: those of one call of a Module, of several layers, or steps in a row.

    within: the call whose frame the box stands in. layers: the first and the last.
    """

    call: Call | None
    upward: bool = False
    tensors: list[Tensor] = field(default_factory=list)
    within: Call | None = None
    layers: tuple[int, int] | None = None

    def operations(self, record: Record) -> Counter[str]:
        return Counter(record.origins[tensor].op.name for tensor in self.tensors if tensor in record.origins)


def places_in_modules(record: Record, calls: Mapping[Tensor, Call]) -> dict[Tensor, Call]:
    """The innermost call that each Tensor is drawn in.

    A step of the backward pass stands where the step stands that it differentiates; a leaf in the innermost call
    that holds all who use it.
    """
    places: dict[Tensor, Call] = {}
    for tensor in record.tensors:
        call = calls.get(record.made_by.get(tensor, tensor))
        if call is not None and tensor in record.origins:
            places[tensor] = call
    users: dict[Tensor, list[Tensor]] = defaultdict(list)
    for parent, tensor in record.edges():
        if parent not in record.origins and (tensor in record.forward or parent not in record.forward):
            users[parent].append(tensor)
    for leaf, using in users.items():
        chains = [places[user].chain() if user in places else [] for user in using]
        common = None
        for calls_at_depth in zip(*chains):
            if any(call is not calls_at_depth[0] for call in calls_at_depth):
                break
            common = calls_at_depth[0]
        if common is not None and (leaf.requires_grad or leaf not in record.forward or leaf.size == 1):
            places[leaf] = common
    return places


def folded(record: Record, places: Mapping[Tensor, Call], names: Mapping[Tensor, str], depth: int | None,
           max_nodes: int | None) -> tuple[dict[Tensor, FoldedBox], int | None, str]:
    """The box that a Tensor shares with others, for those that do; the depth that Modules are shown to (None: all);
    and a note where more than asked was folded."""
    folds = _by_depth(record, places, depth)
    count, asked = _boxes(record, folds), folds
    if depth is None and max_nodes is None:
        folds, layers = _in_layers(record, places, names)
        if layers and _boxes(record, folds) <= MOST_NODES:
            return folds, depth, "layers {} to {} are one box: ".format(*layers) + f"max_nodes={count} shows all"
    most = MOST_NODES if max_nodes is None else max_nodes
    if count <= most:
        return asked, depth, ""
    deepest = max((len(call.chain()) for call in places.values()), default=0)
    for level in range(min(deepest, deepest if depth is None else depth) - 1, 0, -1):
        folds = _by_depth(record, places, level)
        if _boxes(record, folds) <= most:
            return folds, level, (f"{count} boxes are too many to read: Modules are folded below depth {level}. "
                                  f"max_nodes={count} shows all")
    folds = _in_blocks(record, asked)
    return folds, 0, (f"{count} boxes are too many to read: steps in a row are folded into {_boxes(record, folds)}. "
                      f"max_nodes={count} shows all")


def _boxes(record: Record, folds: Mapping[Tensor, FoldedBox]) -> int:
    return len(record.tensors) - len(folds) + len(set(folds.values()))


def _by_depth(record: Record, places: Mapping[Tensor, Call], depth: int | None) -> dict[Tensor, FoldedBox]:
    """Each call of a Module deeper than `depth` in one box; the outermost is at depth 1."""
    folds: dict[Tensor, FoldedBox] = {}
    if depth is None:
        return folds
    made: dict[tuple[Call, bool], FoldedBox] = {}
    for tensor in record.tensors:
        chain = places[tensor].chain() if tensor in places else []
        if len(chain) > depth:
            upward = tensor not in record.forward
            fold = made.setdefault((chain[depth], upward), FoldedBox(chain[depth], upward, within=chain[depth].within))
            fold.tensors.append(tensor)
            folds[tensor] = fold
    return {tensor: fold for tensor, fold in folds.items() if len(fold.tensors) > 1}


def _in_layers(record: Record, places: Mapping[Tensor, Call],
               names: Mapping[Tensor, str]) -> tuple[dict[Tensor, FoldedBox], tuple[int, int] | None]:
    """The layers in the middle of a deep network in one box, their backward pass in another; and which they are.

    A step belongs to the last layer that it depends on, a step of the backward pass to that of the step it
    differentiates, a leaf to that of all who use it.
    """
    roles = roles_of(record, names)
    layer_of: dict[Tensor, int] = {}
    for tensor in record.tensors:
        role = roles.get(tensor)
        if tensor in record.forward:
            known = role.layer if role is not None and role.convention is None else None
            layer_of[tensor] = max((layer_of[parent] for parent in record.parents(tensor)), default=0) \
                if known is None else known
        else:
            layer_of[tensor] = layer_of.get(record.made_by.get(tensor, tensor), 0)
    last = max(layer_of.values())
    if last <= MOST_LAYERS:
        return {}, None
    layers = ENDS + 1, last - ENDS
    parts = {upward: FoldedBox(None, upward, layers=layers) for upward in (False, True)}
    folds = {tensor: parts[tensor not in record.forward] for tensor in record.tensors
             if layers[0] <= layer_of[tensor] <= layers[1]}
    users: dict[Tensor, list[Tensor]] = defaultdict(list)
    for parent, tensor in record.edges():
        users[parent].append(tensor)
    for leaf, using in users.items():
        within = {folds.get(user) for user in using if (user in record.forward) == (leaf in record.forward)}
        if leaf not in record.origins and len(within) == 1 and None not in within:
            folds[leaf] = within.pop() or parts[False]
    for tensor in record.tensors:
        if tensor in folds:
            folds[tensor].tensors.append(tensor)
    for fold in parts.values():
        fold.within = _common(places[tensor] for tensor in fold.tensors if tensor in places)
    return (folds, layers) if _is_acyclic(record, folds) else ({}, None)


def _common(calls: Iterable[Call]) -> Call | None:
    """The innermost call around all of these."""
    common: list[Call] | None = None
    for chain in {call: call.chain() for call in calls}.values():
        common = chain if common is None else [a for a, b in zip(common, chain) if a is b]
    return common[-1] if common else None


def _is_acyclic(record: Record, folds: Mapping[Tensor, FoldedBox]) -> bool:
    """Whether what is drawn as one box depends on nothing that depends on it."""
    before: dict[Tensor | FoldedBox, set[Tensor | FoldedBox]] = defaultdict(set)
    for parent, tensor in record.edges():
        tail, head = folds.get(parent, parent), folds.get(tensor, tensor)
        if tail is not head:
            before[head].add(tail)
    try:
        TopologicalSorter(before).prepare()
    except CycleError:
        return False
    return True


def _in_blocks(record: Record, asked: Mapping[Tensor, FoldedBox]) -> dict[Tensor, FoldedBox]:
    """Runs of steps in one box each. In the order of the record nothing depends on what comes later, so no two boxes
    depend on each other. What was asked to be folded is, as far as it goes, in the boxes around it."""
    roots = set(record.roots)
    uses = Counter(parent for parent, _ in record.edges() if parent not in record.origins)
    kept = {leaf for leaf, count in uses.most_common(KEPT) if count > 2}
    steps = [tensor for tensor in record.tensors if tensor not in roots and tensor not in kept]
    parts = (False, True) if len(record.forward) < len(record.tensors) else (False,)
    folds = {}
    for upward in parts:
        members = [tensor for tensor in steps if (tensor not in record.forward) == upward]
        blocks = max(1, BLOCKS // len(parts))
        for number in range(blocks):
            block = members[number * len(members) // blocks:(number + 1) * len(members) // blocks]
            if len(block) > 1:
                fold = FoldedBox(None, upward, block)
                folds.update(dict.fromkeys(block, fold))
    return folds
