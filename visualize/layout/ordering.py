"""The order of boxes within their layers, so that few arrows cross (the median method, with exchanges)."""
from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence

# Upper item, lower item, where the arrow is attached, from their centres, and how much it counts.
Link = tuple[int, int, float, float, float]

SWEEPS = 8
FEW = 600  # items; with more, neighbours are not exchanged one by one


def order_layers(layers: list[list[int]], links: Sequence[Link], widths: Sequence[float]) -> list[list[int]]:
    """The layers, each in a new order. Links join items of neighbouring layers (others are passed over)."""
    layer_of = {item: number for number, layer in enumerate(layers) for item in layer}
    above: list[list[tuple[int, float, float]]] = [[] for _ in widths]
    below: list[list[tuple[int, float, float]]] = [[] for _ in widths]
    for upper, lower, out, into, _ in links:
        if layer_of[lower] - layer_of[upper] == 1:
            # As parts of an item's place in the row: -0.5 is its left end, 0.5 its right end.
            at_upper, at_lower = out / max(widths[upper], 1.0), into / max(widths[lower], 1.0)
            above[lower].append((upper, at_upper, at_lower))
            below[upper].append((lower, at_lower, at_upper))

    layers = _started(layers, above)
    best, fewest = layers, _crossings(layers, below)
    for sweep in range(SWEEPS):
        if fewest == 0:
            break
        down = sweep % 2 == 0
        layers = [list(layer) for layer in layers]
        for number in range(1, len(layers)) if down else range(len(layers) - 2, -1, -1):
            fixed = _places(layers[number - 1 if down else number + 1])
            layers[number] = _by_median(layers[number], above if down else below, fixed)
        if len(widths) <= FEW:
            _exchange(layers, above, below)
        crossings = _crossings(layers, below)
        if crossings < fewest:
            best, fewest = layers, crossings
    return best


def _started(layers: list[list[int]], above: list[list[tuple[int, float, float]]]) -> list[list[int]]:
    """A first order, from the last layer up: the parents of the first box first."""
    rank: dict[int, float] = {}
    started: list[list[int]] = []
    for layer in reversed(layers):
        ordered = sorted(layer, key=lambda item: rank.get(item, len(rank)))
        for i, item in enumerate(ordered):
            for j, (parent, _, _) in enumerate(above[item]):
                rank.setdefault(parent, i + j / (1 + len(above[item])))
        started.append(ordered)
    return started[::-1]


def _places(layer: list[int]) -> dict[int, int]:
    return {item: place for place, item in enumerate(layer)}


def _by_median(layer: list[int], neighbours: list[list[tuple[int, float, float]]],
               fixed: dict[int, int]) -> list[int]:
    """Sorted by the median place of the neighbours; an item without neighbours stays where it is."""
    keys = {}
    for place, item in enumerate(layer):
        places = sorted(fixed[other] + there - here for other, there, here in neighbours[item])
        if places:
            middle = len(places) // 2
            keys[item] = places[middle] if len(places) % 2 else (places[middle - 1] + places[middle]) / 2
    moving = iter(sorted(keys, key=lambda item: keys[item]))
    return [next(moving) if item in keys else item for item in layer]


def _exchange(layers: list[list[int]], above: list[list[tuple[int, float, float]]],
              below: list[list[tuple[int, float, float]]]) -> None:
    """Exchange neighbours in a layer as long as fewer arrows cross then."""
    for number, layer in enumerate(layers):
        sides = []
        if number:
            sides.append((above, _places(layers[number - 1])))
        if number + 1 < len(layers):
            sides.append((below, _places(layers[number + 1])))
        improved = True
        while improved:
            improved = False
            for i in range(len(layer) - 1):
                gain = 0
                for neighbours, fixed in sides:
                    left = [fixed[other] + there for other, there, _ in neighbours[layer[i]]]
                    right = [fixed[other] + there for other, there, _ in neighbours[layer[i + 1]]]
                    gain += sum(a > b for a in left for b in right) - sum(a < b for a in left for b in right)
                if gain > 0:
                    layer[i], layer[i + 1] = layer[i + 1], layer[i]
                    improved = True


def _crossings(layers: list[list[int]], below: list[list[tuple[int, float, float]]]) -> int:
    """How many pairs of arrows cross."""
    total = 0
    for layer, next_layer in zip(layers, layers[1:]):
        fixed = _places(next_layer)
        ends = sorted((place + here, fixed[other] + there) for place, item in enumerate(layer)
                      for other, there, here in below[item])
        seen: list[float] = []
        i = 0
        while i < len(ends):
            j = i
            while j < len(ends) and ends[j][0] == ends[i][0]:
                total += len(seen) - bisect_right(seen, ends[j][1])
                j += 1
            for start, end in ends[i:j]:
                insort(seen, end)
            i = j
    return total
