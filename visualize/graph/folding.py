"""Large graphs made legible: which Tensors share one box, because a Module or a run of steps is folded."""
from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from tinygrad_course.tensor import Tensor
from tinygrad_course.graph.record import Call, Record

BLOCKS = 20  # so many boxes are made of a graph that is too large and has no Modules to fold
KEPT = 24    # so many of its leaves that are used in several blocks keep their own box


@dataclass(eq=False)
class Fold:
    """Tensors that are drawn as one box: those of one call of a Module, or steps in a row."""

    call: Call | None
    upward: bool = False
    tensors: list[Tensor] = field(default_factory=list)

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


def folded(record: Record, places: Mapping[Tensor, Call], depth: int | None,
           max_nodes: int) -> tuple[dict[Tensor, Fold], int | None, str]:
    """The box that a Tensor shares with others, for those that do; the depth that Modules are shown to (None: all);
    and a note where more than asked was folded."""
    folds = _by_depth(record, places, depth)
    if _boxes(record, folds) <= max_nodes:
        return folds, depth, ""
    count, asked = _boxes(record, folds), folds
    deepest = max((len(call.chain()) for call in places.values()), default=0)
    for level in range(min(deepest, deepest if depth is None else depth) - 1, 0, -1):
        folds = _by_depth(record, places, level)
        if _boxes(record, folds) <= max_nodes:
            return folds, level, (f"{count} boxes are too many to read: Modules are folded below depth {level}. "
                                  f"max_nodes={count} shows all")
    folds = _in_blocks(record, asked)
    return folds, 0, (f"{count} boxes are too many to read: steps in a row are folded into {_boxes(record, folds)}. "
                      f"max_nodes={count} shows all")


def _boxes(record: Record, folds: Mapping[Tensor, Fold]) -> int:
    return len(record.tensors) - len(folds) + len(set(folds.values()))


def _by_depth(record: Record, places: Mapping[Tensor, Call], depth: int | None) -> dict[Tensor, Fold]:
    """Each call of a Module deeper than `depth` in one box; the outermost is at depth 1."""
    folds: dict[Tensor, Fold] = {}
    if depth is None:
        return folds
    made: dict[tuple[Call, bool], Fold] = {}
    for tensor in record.tensors:
        chain = places[tensor].chain() if tensor in places else []
        if len(chain) > depth:
            upward = tensor not in record.forward
            fold = made.setdefault((chain[depth], upward), Fold(chain[depth], upward))
            fold.tensors.append(tensor)
            folds[tensor] = fold
    return {tensor: fold for tensor, fold in folds.items() if len(fold.tensors) > 1}


def _in_blocks(record: Record, asked: Mapping[Tensor, Fold]) -> dict[Tensor, Fold]:
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
                fold = Fold(None, upward, block)
                folds.update(dict.fromkeys(block, fold))
    return folds
