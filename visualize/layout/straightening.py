"""Horizontal places for ordered layers: arrows as straight as the widths of the boxes allow."""
from __future__ import annotations

from collections.abc import Sequence

from tinygrad_course.visualize.layout.ordering import Link

BOX_GAP = 16.0
BEND_GAP = 8.0
ROUNDS = 12
STILL = 0.05  # of a point


def straighten(layers: Sequence[Sequence[int]], links: Sequence[Link], widths: Sequence[float],
               is_bend: Sequence[bool]) -> list[float]:
    """The x of every item: the order in each layer is kept, and items do not overlap.

    Layer by layer, alternately down and up, items move towards their neighbours: for each layer the sum of the
    squared lengths to the side is made as small as the order and the widths allow. Arrows between two bends count
    eightfold, as a long arrow should run straight (Gansner et al. 1993).
    """
    above: list[list[tuple[int, float, float]]] = [[] for _ in widths]
    below: list[list[tuple[int, float, float]]] = [[] for _ in widths]
    reached = {lower for _, lower, *_ in links}
    for upper, lower, out, into, counts in links:
        weight = counts * (8.0 if is_bend[upper] and is_bend[lower] else 2.0 if is_bend[upper] or is_bend[lower]
                           else 1.0)
        if upper not in reached:
            weight *= 0.02  # a leaf at each step would draw a long chain to its side, a little more at each step
        above[lower].append((upper, out - into, weight))
        below[upper].append((lower, into - out, weight))
    x = [0.0] * len(widths)
    distances = [[(widths[a] + widths[b]) / 2 + (BEND_GAP if is_bend[a] and is_bend[b] else BOX_GAP)
                  for a, b in zip(layer, layer[1:])] for layer in layers]
    for layer, gaps in zip(layers, distances):
        place = -sum(gaps) / 2
        for item, gap in zip(layer, [*gaps, 0.0]):
            x[item] = place
            place += gap
    both = [upper + lower for upper, lower in zip(above, below)]
    resting = 0  # turns in a row in which nothing moved
    for turn in range(ROUNDS):
        down = turn % 2 == 0
        last = turn >= ROUNDS - 3 or resting >= 2
        near = both if last else [first or second for first, second in (zip(above, below) if down else
                                                                        zip(below, above))]
        moved = 0.0
        for number in range(len(layers)) if down else range(len(layers) - 1, -1, -1):
            moved = max(moved, _move(layers[number], distances[number], near, x))
        resting = resting + 1 if moved < STILL else 0
        if last and moved < STILL:
            break
    return x


def _move(layer: Sequence[int], distances: Sequence[float], near: Sequence[Sequence[tuple[int, float, float]]],
          x: list[float]) -> float:
    """Bring the items of a layer as close to their neighbours as the order allows; how far one of them went."""
    wanted, weights = [], []
    for item in layer:
        total = weight = 0.0
        for other, shift, counts in near[item]:
            total += (x[other] + shift) * counts
            weight += counts
        wanted.append(total / weight if weight else x[item])
        weights.append(weight or 0.01)
    places = _in_order(wanted, weights, distances) if len(layer) > 1 else wanted
    moved = 0.0
    for item, place in zip(layer, places):
        moved = max(moved, abs(place - x[item]))
        x[item] = place
    return moved


def _in_order(wanted: Sequence[float], weights: Sequence[float], gaps: Sequence[float]) -> list[float]:
    """The places closest to the wanted ones (weighted squares) that keep at least `gaps` between neighbours.

    After the gaps are taken off, this asks for a rising sequence: neighbours in the wrong order are pooled.
    """
    shifts = [0.0]
    for gap in gaps:
        shifts.append(shifts[-1] + gap)
    pools: list[tuple[float, float, int]] = []  # mean, weight, number of members
    for want, weight, shift in zip(wanted, weights, shifts):
        mean, count = want - shift, 1
        while pools and pools[-1][0] > mean:
            other, other_weight, other_count = pools.pop()
            mean = (mean * weight + other * other_weight) / (weight + other_weight)
            weight, count = weight + other_weight, count + other_count
        pools.append((mean, weight, count))
    means = [mean for mean, _, count in pools for _ in range(count)]
    return [mean + shift for mean, shift in zip(means, shifts)]
