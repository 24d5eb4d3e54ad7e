"""Places for the boxes and arrows of a graph whose arrows point down, without any program from elsewhere.

The method is that of Sugiyama, Tagawa and Toda (1981), as most programs use it: boxes are put into layers so that
every arrow points down; in each layer they are ordered so that few arrows cross; then they get coordinates that keep
arrows straight. An arrow over several layers passes through a free place, a *bend*, in each layer between.

Groups of boxes, which may hold groups, are laid out each by itself, from the inside to the outside. To what is around
it a group is one large box, whose arrows come in through its upper and go out through its lower side.
"""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tinygrad_course.visualize.layout.layering import assign_layers, leading_edges
from tinygrad_course.visualize.layout.ordering import Link, order_layers
from tinygrad_course.visualize.layout.straightening import straighten

Point = tuple[float, float]

LAYER_GAP = 30.0      # between two layers, in points
MARGIN = 12.0         # between the border of a group and what is in it
HEADING = 20.0        # for the name of a group, at its top
LEADING = 60.0        # how much more than others an arrow counts on which the longest way leads on
MANY_BENDS = 20_000   # with more, arrows over many layers are drawn straight across: it would take too long


@dataclass
class LayoutGraph:
    """What is to be laid out. Numbers stand for boxes and groups: their places in these lists.

    rightward: arrows are to point to the right; else, and in everything that is said of layouts, down.
    """

    sizes: Sequence[tuple[float, float]]       # width and height of each box
    edges: Sequence[tuple[int, int]]           # arrows, from the upper box to the lower; several may be alike
    group_of: Sequence[int | None] = ()        # the innermost group of each box
    parents: Sequence[int | None] = ()         # the group around each group
    rightward: bool = False


@dataclass
class Placement:
    """Where everything is, from the upper left corner (0, 0)."""

    width: float
    height: float
    centres: list[Point]                       # of each box
    routes: list[list[Point]]                  # of each arrow: the corners of a Bezier curve, 1 + 3 n points
    frames: dict[int, tuple[float, float, float, float]] = field(default_factory=dict)  # left, top, right, bottom


@dataclass
class _Placed:
    """A box, a group that is already laid out, the place where an arrow passes the border, or a bend."""

    width: float
    height: float
    box: int | None = None
    level: _Level | None = None
    entry: int | None = None    # the arrow that comes in here
    exit: int | None = None     # the arrow that goes out here
    layer: int = 0
    x: float = 0.0
    y: float = 0.0


@dataclass
class _Level:
    """One group, or what is outside all groups, laid out: positions are relative to its upper left corner."""

    group: int | None
    items: list[_Placed] = field(default_factory=list)
    ways: dict[int, list[Point]] = field(default_factory=dict)  # for each arrow its corners within this level
    width: float = 0.0
    height: float = 0.0
    entries: dict[int, float] = field(default_factory=dict)     # where arrows pass the upper border
    exits: dict[int, float] = field(default_factory=dict)


def place(graph: LayoutGraph) -> Placement:
    """Coordinates for all boxes, arrows and groups; linear in their number but for a logarithm."""
    if graph.rightward:  # laid out with x and y exchanged; names of groups then have their room at the left
        return _exchanged(_place(replace(graph, sizes=[(height, width) for width, height in graph.sizes])))
    return _place(graph)


def _exchanged(down: Placement) -> Placement:
    """The same with x as y and y as x."""
    return Placement(down.height, down.width, [(y, x) for x, y in down.centres],
                     [[(y, x) for x, y in route] for route in down.routes],
                     {group: (top, left, bottom, right) for group, (left, top, right, bottom) in down.frames.items()})


def _place(graph: LayoutGraph) -> Placement:
    group_of = list(graph.group_of) or [None] * len(graph.sizes)
    chains = _chains(graph.parents)
    inside: dict[int | None, list[int]] = defaultdict(list)
    for box, group in enumerate(group_of):
        inside[group].append(box)
    within: dict[int | None, list[int]] = defaultdict(list)
    for group, parent in enumerate(graph.parents):
        within[parent].append(group)

    # The levels that an arrow passes: those around its tail, those around its head.
    passing: dict[int | None, list[int]] = defaultdict(list)
    for edge, (tail, head) in enumerate(graph.edges):
        for group in {*_around(group_of[tail], chains), *_around(group_of[head], chains)}:
            passing[group].append(edge)

    leading = leading_edges(len(graph.sizes), graph.edges)
    order = sorted(range(len(graph.parents)), key=lambda group: -len(chains[group]))
    levels: dict[int | None, _Level] = {}
    for group in [*order, None]:
        level = _Level(group)
        item_of: dict[int, _Placed] = {}
        for box in inside[group]:
            item_of[box] = _Placed(*graph.sizes[box], box=box)
        frames = {child: _Placed(levels[child].width, levels[child].height, level=levels[child])
                  for child in within[group]}
        level.items = [*item_of.values(), *frames.values()]
        _lay_out(level, graph, leading, passing[group], item_of, frames, group_of, chains)
        levels[group] = level
    return _assembled(levels[None], graph)


def _chains(parents: Sequence[int | None]) -> list[list[int]]:
    """For each group itself and the groups around it, from the inside to the outside."""
    chains = []
    for group in range(len(parents)):
        chain: list[int] = []
        current: int | None = group
        while current is not None:
            chain.append(current)
            current = parents[current]
        chains.append(chain)
    return chains


def _around(group: int | None, chains: list[list[int]]) -> list[int | None]:
    return [*(chains[group] if group is not None else ()), None]


def _lay_out(level: _Level, graph: LayoutGraph, leading: set[int], edges: list[int], item_of: dict[int, _Placed],
             frames: dict[int, _Placed], group_of: list[int | None], chains: list[list[int]]) -> None:
    """Fill in the coordinates of one level, whose inner groups are done."""

    def end(box: int) -> _Placed | None:
        """The item of this level that holds a box; None if it is outside."""
        if box in item_of:
            return item_of[box]
        around = _around(group_of[box], chains)
        if level.group not in around:
            return None
        inner = around[around.index(level.group) - 1]
        return frames[inner] if inner is not None else None

    arrows: list[tuple[int, _Placed, _Placed]] = []
    for edge in edges:
        tail, head = (end(box) for box in graph.edges[edge])
        if tail is head:
            continue  # it stays within an inner group
        if tail is None:
            level.items.append(tail := _Placed(8.0, 0.0, entry=edge))
        if head is None:
            level.items.append(head := _Placed(8.0, 0.0, exit=edge))
        arrows.append((edge, tail, head))

    number = {id(item): i for i, item in enumerate(level.items)}
    numbers, serving = assign_layers(
        len(level.items), [(number[id(tail)], number[id(head)]) for _, tail, head in arrows],
        {i for i, item in enumerate(level.items) if item.entry is not None},
        {i for i, item in enumerate(level.items) if item.exit is not None})
    for item, layer in zip(level.items, numbers):
        item.layer = layer
    paths = _with_bends(level, arrows)
    number = {id(item): i for i, item in enumerate(level.items)}
    links = [(number[id(a)], number[id(b)], *_offsets(edge, a, b), LEADING if edge in leading else 1.0)
             for edge, path in paths for a, b in zip(path, path[1:])]
    layers: list[list[int]] = [[] for _ in range(1 + max((item.layer for item in level.items), default=-1))]
    for i, item in enumerate(level.items):
        layers[item.layer].append(i)
    widths = [item.width for item in level.items]
    is_bend = [item.box is None and item.level is None for item in level.items]
    layers = order_layers(layers, links, widths)
    xs = straighten(layers, links, widths, is_bend)

    frame = level.group is not None
    margin = MARGIN if frame else 0.0
    top, side = (0.0, HEADING) if graph.rightward else (HEADING, 0.0)
    left = min((x - item.width / 2 for x, item in zip(xs, level.items)), default=0.0)
    for x, item in zip(xs, level.items):
        item.x = x - left + margin + (side if frame else 0.0)
    level.width = max((item.x + item.width / 2 for item in level.items), default=0.0) + margin
    tops, bottoms = _rows(level, layers, links, serving, xs, top + MARGIN / 2 if frame else 0.0)
    level.height = (bottoms[-1] if bottoms else 0.0) + margin
    _route(level, paths, tops, bottoms)


def _offsets(edge: int, tail: _Placed, head: _Placed) -> Point:
    """Where an arrow leaves and enters, from the centres of the boxes: through their groups' borders."""
    out = tail.level.exits.get(edge, tail.width / 2) - tail.width / 2 if tail.level else 0.0
    into = head.level.entries.get(edge, head.width / 2) - head.width / 2 if head.level else 0.0
    return out, into


def _with_bends(level: _Level, arrows: list[tuple[int, _Placed, _Placed]]) -> list[tuple[int, list[_Placed]]]:
    """For each arrow the items that it passes; bends are added to the level's items."""
    bends = sum(max(0, head.layer - tail.layer - 1) for _, tail, head in arrows)
    longest = 12 if bends > MANY_BENDS else bends + 1
    paths = []
    for edge, tail, head in arrows:
        path = [tail]
        if head.layer - tail.layer <= longest:
            for layer in range(tail.layer + 1, head.layer):
                path.append(_Placed(6.0, 0.0, layer=layer))
                level.items.append(path[-1])
        paths.append((edge, [*path, head]))
    return paths


def _rows(level: _Level, layers: list[list[int]], links: Sequence[Link], serving: set[int],
          xs: list[float], top: float) -> tuple[list[float], list[float]]:
    """The upper and lower end of each layer; where arrows go far to the side, the gap above it is larger."""
    reach = [0.0] * (len(layers) + 1)
    for tail, head, out, into, _ in links:
        layer = level.items[head].layer
        reach[layer] = max(reach[layer], abs(xs[tail] + out - xs[head] - into))
    tops, bottoms = [], []
    y = top
    for number, layer_items in enumerate(layers):
        if number:
            thin = any(level.items[i].entry is not None for i in layers[number - 1]) or any(
                level.items[i].exit is not None for i in layer_items)
            y += LAYER_GAP * (0.5 if thin else 1.0) + min(40.0, 0.05 * reach[number])
        height = max(level.items[i].height for i in layer_items)
        for i in layer_items:  # what only serves something stands close to it, beside a high group
            item = level.items[i]
            item.y = y + height - item.height / 2 if i in serving else y + height / 2
        tops.append(y)
        bottoms.append(y + height)
        y += height
    return tops, bottoms


def _route(level: _Level, paths: list[tuple[int, list[_Placed]]], tops: list[float], bottoms: list[float]) -> None:
    """The corners of each arrow: it goes straight down beside the boxes, and to the side only between the layers."""
    outs, ins = _ends(paths)
    for edge, path in paths:
        tail, head = path[0], path[-1]
        x = tail.x + outs[edge]
        way = [(x, tail.y + tail.height / 2)]
        if tail.entry is not None:
            way = [(x, 0.0)]
            level.entries[edge] = x
        way.append((x, bottoms[tail.layer]))
        for bend in path[1:-1]:
            way += [(bend.x, tops[bend.layer]), (bend.x, bottoms[bend.layer])]
        x = head.x + ins[edge]
        way += [(x, tops[head.layer]), (x, head.y - head.height / 2)]
        if head.exit is not None:
            way.append((x, level.height))
            level.exits[edge] = x
        level.ways[edge] = way


def _ends(paths: list[tuple[int, list[_Placed]]]) -> tuple[dict[int, float], dict[int, float]]:
    """Where each arrow leaves its tail and enters its head, from their centres: several side by side."""
    outs: dict[int, float] = {}
    ins: dict[int, float] = {}
    leaving: dict[int, list[tuple[float, int, float]]] = defaultdict(list)
    arriving: dict[int, list[tuple[float, int, float]]] = defaultdict(list)
    for edge, path in paths:
        tail, head = path[0], path[-1]
        outs[edge], ins[edge] = _offsets(edge, tail, head)
        if tail.box is not None:
            leaving[tail.box].append((path[1].x, edge, tail.width))
        if head.box is not None:
            arriving[head.box].append((path[-2].x, edge, head.width))
    for ends, offsets, spread in ((leaving, outs, 0.2), (arriving, ins, 0.5)):
        for several in ends.values():
            step = min(16.0, spread * several[0][2] / len(several))
            for i, (_, edge, _) in enumerate(sorted(several)):
                offsets[edge] = (i - (len(several) - 1) / 2) * step
    return outs, ins


def _assembled(outermost: _Level, graph: LayoutGraph) -> Placement:
    """All levels put where they belong; the pieces of each arrow joined from the tail to the head."""
    centres: list[Point] = [(0.0, 0.0)] * len(graph.sizes)
    pieces: list[list[list[Point]]] = [[] for _ in graph.edges]
    frames = {}
    todo = [(outermost, 0.0, 0.0)]
    for level, left, top in todo:  # grows while it is read
        if level.group is not None:
            frames[level.group] = (left, top, left + level.width, top + level.height)
        for edge, way in level.ways.items():
            pieces[edge].append([(left + x, top + y) for x, y in way])
        for item in level.items:
            if item.box is not None:
                centres[item.box] = (left + item.x, top + item.y)
            elif item.level is not None:
                todo.append((item.level, left + item.x - item.width / 2, top + item.y - item.height / 2))
    routes = [bezier([point for piece in sorted(several, key=lambda way: way[0][1]) for point in piece])
              for several in pieces]
    return Placement(outermost.width, outermost.height, centres, routes, frames)


def bezier(corners: Sequence[Point]) -> list[Point]:
    """A curve through the corners that is vertical in each of them."""
    kept = [corners[0]]
    for corner in corners[1:]:
        if abs(corner[0] - kept[-1][0]) + abs(corner[1] - kept[-1][1]) < 0.01:
            continue
        if len(kept) > 1 and abs(kept[-2][0] - kept[-1][0]) < 0.01 > abs(kept[-1][0] - corner[0]):
            kept.pop()  # three in a vertical row
        kept.append(corner)
    curve = [kept[0]]
    for (x, y), (to_x, to_y) in zip(kept, kept[1:]):
        half = (to_y - y) / 2
        curve += [(x, y + half), (to_x, to_y - half), (to_x, to_y)]
    return curve
