"""Which layer each item stands in, so that every arrow points down; and which arrows the longest ways take."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence


def assign_layers(count: int, arrows: Sequence[tuple[int, int]], entries: set[int],
                  exits: set[int]) -> tuple[list[int], set[int]]:
    """The layer, from 0, of each of `count` items; and those that only serve others. Arrows go from an upper to a
    lower item.

    The longest way from above decides. What only serves, a leaf or what is computed from leaves that nothing else
    uses, stands right above what uses it. Entries are above everything, exits below.
    """
    heads: list[list[int]] = [[] for _ in range(count)]
    tails: list[list[int]] = [[] for _ in range(count)]
    for tail, head in arrows:
        heads[tail].append(head)
        tails[head].append(tail)
    layers, order = _longest_ways(heads, tails)
    serving = _serving(order, heads, tails, entries)
    for item in reversed(order):
        if heads[item] and item in serving:
            layers[item] = min(layers[head] for head in heads[item]) - 1
    last = max((layers[item] for item in range(count) if item not in exits), default=0)
    first = min((layers[item] for item in range(count) if item not in entries and item not in exits), default=last + 1)
    above = 1 if entries else 0
    return [0 if item in entries else (last + 1 if item in exits else layers[item]) - first + above
            for item in range(count)], serving


def _longest_ways(heads: Sequence[Sequence[int]], tails: Sequence[Sequence[int]]) -> tuple[list[int], list[int]]:
    """For each item the length of the longest way to it, and the items in an order in which arrows point forward.

    Items on a cycle, as groups may be, and what comes behind it, are not in the order; their length is what it is
    when the others are done.
    """
    layers = [0] * len(heads)
    waiting = [len(before) for before in tails]
    order = [item for item, number in enumerate(waiting) if number == 0]
    for item in order:  # grows while it is read
        for head in heads[item]:
            layers[head] = max(layers[head], layers[item] + 1)
            waiting[head] -= 1
            if waiting[head] == 0:
                order.append(head)
    return layers, order


def leading_edges(count: int, arrows: Sequence[tuple[int, int]]) -> set[int]:
    """The arrows, by number, on which the longest way leads to their head and on from their tail: where these are
    straight, the whole is upright."""
    heads: list[list[int]] = [[] for _ in range(count)]
    tails: list[list[int]] = [[] for _ in range(count)]
    for tail, head in arrows:
        heads[tail].append(head)
        tails[head].append(tail)
    above, order = _longest_ways(heads, tails)
    below = [0] * count
    for item in reversed(order):
        below[item] = max((below[head] + 1 for head in heads[item]), default=0)
    onward: dict[int, int] = {}
    hither: dict[int, int] = {}
    for number, (tail, head) in enumerate(arrows):
        if tail not in onward or below[head] > below[arrows[onward[tail]][1]]:
            onward[tail] = number
        if head not in hither or above[tail] > above[arrows[hither[head]][0]]:
            hither[head] = number
    return set(onward.values()) & set(hither.values())


def _serving(order: Sequence[int], heads: Sequence[Sequence[int]], tails: Sequence[Sequence[int]],
             entries: set[int]) -> set[int]:
    """Leaves, and what is computed from leaves alone that nothing else uses."""
    serving: set[int] = set()
    used_by: dict[int, set[int]] = defaultdict(set)
    for tail in order:
        used_by[tail].update(heads[tail])
    for item in order:
        if item not in entries and all(tail in serving and len(used_by[tail]) == 1 for tail in tails[item]):
            serving.add(item)
    return serving
