"""Places for boxes and arrows, from our own layout and from Graphviz's program dot, whole or broken."""

import random
import shutil
import stat
import time
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from graphviz import Digraph

from tinygrad_course.visualize.layout import graphviz as dot, layered, ordering
from tinygrad_course.visualize.layout.graphviz import arranged, dot_label
from tinygrad_course.visualize.layout.layered import LayoutGraph, Placement, Point, place
from tinygrad_course.visualize.layout.ordering import _crossings, order_layers
from tinygrad_course.visualize.layout.straightening import _in_order

needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz's program dot is not installed")


def random_graph(seed: int, boxes: int, grouped: bool) -> LayoutGraph:
    """Arrows from smaller to larger numbers; groups are runs of numbers, nested twice, so that none depends on what
    comes out of itself."""
    r = random.Random(seed)
    sizes = [(r.uniform(20, 120), r.uniform(15, 60)) for _ in range(boxes)]
    edges = [(r.randrange(max(0, i - 8), i), i) for i in range(1, boxes) for _ in range(r.choice((0, 1, 1, 2, 3)))]
    if not grouped:
        return LayoutGraph(sizes, edges)
    # Groups 0, 1, 2 outside; 3 within 1.
    group_of: list[int | None] = [None if i % 11 == 0 else [0, 1, 2, None][4 * i // boxes] for i in range(boxes)]
    for i, group in enumerate(group_of):
        if group == 1 and i % 4 < 2:
            group_of[i] = 3
    # A box within the run but outside the group would make the group depend on itself.
    for group in range(3):
        members = [i for i, g in enumerate(group_of) if g == group or group == 1 and g == 3]
        if members:
            for i in range(members[0], members[-1]):
                group_of[i] = group if group_of[i] is None else group_of[i]
    inner = [i for i, g in enumerate(group_of) if g == 3]
    if inner:
        for i in range(inner[0], inner[-1] + 1):
            group_of[i] = 3
    return LayoutGraph(sizes, edges, group_of, [None, None, None, 1])


def along(route: list[Point]) -> list[Point]:
    """Points of a Bezier curve."""
    t = np.linspace(0, 1, 9)[:, np.newaxis]
    return [(x, y) for k in range(0, len(route) - 1, 3) for p in [np.array(route[k:k + 4])]
            for x, y in ((1 - t) ** 3 * p[0] + 3 * (1 - t) ** 2 * t * p[1] + 3 * (1 - t) * t * t * p[2]
                         + t ** 3 * p[3]).tolist()]


def check(graph: LayoutGraph, placement: Placement, down: bool = True) -> None:
    """What every picture needs."""
    boxes = [(x - w / 2, y - h / 2, x + w / 2, y + h / 2)
             for (x, y), (w, h) in zip(placement.centres, graph.sizes)]
    for left, top, right, bottom in [*boxes, *placement.frames.values()]:
        assert -0.6 <= left <= right <= placement.width + 0.6 and -0.6 <= top <= bottom <= placement.height + 0.6
    for a, b in combinations(boxes, 2):
        assert a[0] >= b[2] - 0.6 or b[0] >= a[2] - 0.6 or a[1] >= b[3] - 0.6 or b[1] >= a[3] - 0.6, "boxes overlap"

    chains = []
    for group in graph.group_of or [None] * len(boxes):
        chain = []
        while group is not None:
            chain.append(group)
            group = graph.parents[group]
        chains.append(chain)
    for number, frame in placement.frames.items():
        for box, chain in zip(boxes, chains):
            if number in chain:
                assert frame[0] < box[0] and frame[1] < box[1] and frame[2] > box[2] and frame[3] > box[3]
            else:
                assert (frame[0] >= box[2] - 0.6 or box[0] >= frame[2] - 0.6 or frame[1] >= box[3] - 0.6
                        or box[1] >= frame[3] - 0.6), "a box stands in a group that it does not belong to"

    assert len(placement.routes) == len(graph.edges)
    for (tail, head), route in zip(graph.edges, placement.routes):
        assert len(route) >= 4 and len(route) % 3 == 1
        for box, (x, y) in ((boxes[tail], route[0]), (boxes[head], route[-1])):
            assert box[0] - 1 <= x <= box[2] + 1 and box[1] - 1 <= y <= box[3] + 1, "an arrow hangs in the air"
        if down:
            assert route[0][1] == pytest.approx(boxes[tail][3]) and route[-1][1] == pytest.approx(boxes[head][1])
            heights = [y for _, y in along(route)]
            assert all(a <= b + 1e-6 for a, b in zip(heights, heights[1:])), "an arrow goes up"


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("seed", range(25))
def test_own_layout(seed: int, grouped: bool) -> None:
    graph = random_graph(seed, [1, 2, 5, 12, 30, 60][seed % 6], grouped)
    placement = place(graph)
    check(graph, placement)
    assert place(graph) == placement
    assert set(placement.frames) == set(range(len(graph.parents)))
    for (tail, head), route in zip(graph.edges, placement.routes):
        points = np.array(along(route))
        for i, (centre, size) in enumerate(zip(placement.centres, graph.sizes)):
            if i not in (tail, head):
                inside = np.abs(points - centre) < np.array(size) / 2 - 1
                assert not inside.all(axis=1).any(), "an arrow goes through a box"


@needs_dot
@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_places_of_dot(seed: int, grouped: bool) -> None:
    graph = random_graph(seed, [1, 2, 5, 12, 30, 60][seed % 6], grouped)
    placement, line = arranged(graph)
    assert line.startswith("laid out by dot ") and line[16].isdigit()
    check(graph, placement, down=False)


def test_nothing_and_one() -> None:
    assert place(LayoutGraph([], [])).centres == []
    placement = place(LayoutGraph([(30.0, 20.0)], []))
    assert placement.centres == [(15.0, 10.0)] and (placement.width, placement.height) == (30, 20)


def test_parallel_arrows_are_apart() -> None:
    first, second = place(LayoutGraph([(50, 20), (50, 20)], [(0, 1), (0, 1)])).routes
    assert abs(first[-1][0] - second[-1][0]) > 4


def test_a_leaf_stands_right_above_what_uses_it() -> None:
    sizes = [(30.0, 20.0)] * 7
    placement = place(LayoutGraph(sizes, [(0, 1), (1, 2), (2, 3), (3, 4), (5, 4), (6, 4)]))
    assert placement.centres[5][1] == placement.centres[6][1] == placement.centres[3][1]


def test_a_leaf_beside_a_high_group_stands_close_to_what_uses_it() -> None:
    """Not in the middle of the group's height, from where its arrow would be long; what is reached stays there."""
    sizes = [(40.0, 20.0)] * 7  # 0 to 2 in the group, one below the other; 3 and the group lead to 4
    placement = place(LayoutGraph(sizes, [(0, 1), (1, 2), (2, 4), (3, 4), (5, 6), (6, 4), (5, 0)],
                                  [0, 0, 0, None, None, None, None], [None]))
    _, top, _, bottom = placement.frames[0]
    assert placement.centres[3][1] + 10 == pytest.approx(bottom)
    assert placement.centres[6][1] == pytest.approx((top + bottom) / 2)


def test_layers_are_further_apart_where_arrows_go_far_to_the_side() -> None:
    def gap(leaves: int) -> float:
        placement = place(LayoutGraph([(60.0, 20.0)] * (leaves + 1), [(0, i) for i in range(1, leaves + 1)]))
        return placement.centres[1][1] - placement.centres[0][1] - 20.0
    assert gap(1) == layered.LAYER_GAP
    assert gap(1) < gap(5) < gap(9) < gap(40) == gap(60) == layered.LAYER_GAP + 40.0
    grouped = place(LayoutGraph([(60.0, 20.0)] * 2, [(0, 1)], [None, 0], [None]))
    assert grouped.centres[1][1] - 10.0 - grouped.frames[0][1] == (
        layered.HEADING + layered.MARGIN / 2 + layered.LAYER_GAP / 2), "half a gap below a border"


def test_a_straight_arrow_is_one_piece() -> None:
    """Past a high box in its layer, and out of a group: what is one line must not be drawn as several."""
    high = place(LayoutGraph([(40.0, 20.0), (40.0, 20.0), (40.0, 200.0), (40.0, 20.0)], [(0, 1), (1, 3), (0, 2)]))
    out = place(LayoutGraph([(40.0, 20.0)] * 2, [(0, 1)], [0, None], [None]))
    for placement, number in ((high, 1), (out, 0)):
        [start, *_, end] = placement.routes[number]
        assert start[0] == pytest.approx(end[0]) and len(placement.routes[number]) == 4


def test_the_longest_way_is_straight() -> None:
    """As in a backward pass: at each step a group of three, of which one leads on, and what only serves the next."""
    sizes, edges, groups = [(80.0, 30.0)], [], [None]
    spine, group = [0], -1
    for _ in range(12):
        before, group = spine[-1], group + 1
        first = len(sizes)
        sizes += [(80.0, 30.0)] * 3 + [(60.0, 30.0), (40.0, 20.0), (80.0, 30.0)]
        groups += [group] * 3 + [None] * 3
        edges += [(before, first), (before, first + 1), (before, first + 2), (first, first + 5),
                  (first + 3, first + 5), (first + 4, first + 3)]
        spine += [first, first + 5]
    placement = place(LayoutGraph(sizes, edges, groups, [None] * 12))
    xs = [placement.centres[box][0] for box in spine]
    assert max(xs) - min(xs) < 80.0 and placement.width < 500.0


def test_groups_have_room_for_their_names() -> None:
    """Above what is in them, however arrows point."""
    for rightward in (False, True):
        placement = place(LayoutGraph([(60.0, 20.0)] * 3, [(0, 1), (1, 2)], [0, 0, 1], [None, 0], rightward))
        for group, boxes in ((0, (0, 1, 2)), (1, (2,))):
            top = min(placement.centres[box][1] - 10.0 for box in boxes)
            assert top - placement.frames[group][1] >= layered.HEADING
        assert placement.frames[1][1] - placement.frames[0][1] >= layered.HEADING


def test_a_cycle_of_groups_is_drawn_all_the_same() -> None:
    placement = place(LayoutGraph([(30, 20)] * 3, [(0, 1), (1, 2), (0, 2)], [0, None, 0], [None]))
    assert len(placement.routes) == 3 and all(len(route) >= 4 for route in placement.routes)


@pytest.mark.parametrize("edges", [
    [(i, i + 1) for i in range(1999)],
    [(max(0, i - 1 - i % 7), i) for i in range(1, 2000)] + [(max(0, i - 20), i) for i in range(1, 2000)],
    [(0, i) for i in range(1, 2000)],
    [(i, 1999) for i in range(1999)],
    [(i, i + 1) for i in range(1999)] + [(0, i) for i in range(2, 2000)],  # as a weight that every step uses
])
def test_2000_boxes_are_placed(edges: list[tuple[int, int]]) -> None:
    placement = place(LayoutGraph([(80, 40)] * 2000, edges))
    assert len(set(placement.centres)) == 2000


@pytest.mark.parametrize("few", [0, 1000])
def test_the_order_has_fewer_crossings(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordering, "FEW", few)
    for seed in range(20):
        r = random.Random(seed)
        layers = [list(range(10 * k, 10 * k + 8)) for k in range(4)]
        links = [(r.choice(a), r.choice(b), 0.0, 0.0, 1.0) for a, b in zip(layers, layers[1:]) for _ in range(12)]
        widths = [10.0] * 40

        def crossings(ordered: list[list[int]]) -> int:
            at = {item: i for layer in ordered for i, item in enumerate(layer)}
            return sum((at[a] - at[c]) * (at[b] - at[d]) < 0 for (a, b, *_), (c, d, *_) in combinations(links, 2)
                       if a // 10 == c // 10)
        ordered = order_layers(layers, links, widths)
        assert [sorted(layer) for layer in ordered] == layers
        assert crossings(ordered) < crossings(layers) / 2
        below: list[list[tuple[int, float, float]]] = [[] for _ in range(40)]
        for a, b, *_ in links:
            below[a].append((b, 0.0, 0.0))
        assert _crossings(ordered, below) == crossings(ordered)


def test_places_in_a_row_are_the_closest_to_those_wanted() -> None:
    r = random.Random(1)
    for _ in range(50):
        n = r.randrange(1, 7)
        wanted = [r.uniform(-20, 20) for _ in range(n)]
        weights = [r.uniform(0.1, 5) for _ in range(n)]
        gaps = [r.uniform(1, 10) for _ in range(n - 1)]
        found = _in_order(wanted, weights, gaps)
        assert all(b - a >= gap - 1e-9 for a, b, gap in zip(found, found[1:], gaps))

        def cost(places: list[float]) -> float:
            return sum(w * (a - b) ** 2 for w, a, b in zip(weights, places, wanted))
        for _ in range(100):  # no other row with these gaps is better; the problem is convex
            other = [place + r.gauss(0, 0.5) for place in found]
            if all(b - a >= gap for a, b, gap in zip(other, other[1:], gaps)):
                assert cost(other) >= cost(found) - 1e-9


# --- the program dot, and programs that only have its name ------------------------------------------------

GRAPH = LayoutGraph([(50, 20), (50, 20)], [(0, 1)])


def program(folder: Path, text: str, mode: int = 0o755) -> str:
    folder.mkdir(exist_ok=True)
    path = folder / "dot"
    path.write_text(text)
    path.chmod(stat.S_IFREG | mode)
    return str(folder)


@pytest.mark.parametrize("script, reason", [
    (None, "the program dot is not installed"),
    ("#!/bin/sh\nexit 3\n", "the program dot failed (status 3)"),
    ("#!/bin/sh\necho hello\n", "the program dot did not give the places of all nodes"),
    ("#!/bin/sh\necho '{\"bb\": \"0,0,10,10\", \"objects\": []}'\n", "the program dot did not give the places"),
    ("#!/bin/sh\necho '[1]'\n", "the program dot did not give the places"),
    ("#!/bin/sh\nkill -9 $$\n", "the program dot failed (status -9)"),
    ("not a program", "the program dot cannot be started"),
    ("#!/bin/sh\n/bin/sleep 60\n", "the program dot took more than 0.3 seconds"),
    ("#!/bin/sh\n/bin/sleep 60 &\nwait\n", "the program dot took more than 0.3 seconds"),
])
def test_without_dot_or_with_a_broken_one(script: str | None, reason: str, tmp_path: Path,
                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", program(tmp_path / "bin", script) if script is not None else "")
    monkeypatch.setattr(dot, "SECONDS", 0.3)
    start = time.perf_counter()
    placement, line = arranged(GRAPH)
    assert time.perf_counter() - start < 30  # and not the minute that the program sleeps
    assert line.startswith(f"laid out by tinygrad_course: {reason}") and "\n" not in line
    assert placement == place(GRAPH)


def test_what_dot_has_started_is_ended_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = f"#!/bin/sh\n/bin/sleep 60 &\necho $! > {tmp_path}/number\nwait\n"
    monkeypatch.setenv("PATH", program(tmp_path / "bin", script))
    monkeypatch.setattr(dot, "SECONDS", 0.3)
    arranged(GRAPH)
    number = int((tmp_path / "number").read_text())
    for _ in range(100):
        state = Path(f"/proc/{number}/stat")
        if not state.exists() or state.read_text().split()[2] == "Z":
            return
        time.sleep(0.05)
    pytest.fail("it still runs")


def test_dot_is_not_asked_for_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dot, "_run", lambda *_: pytest.fail("dot was started"))
    boxes = dot.MOST_BOXES + 1
    _, line = arranged(LayoutGraph([(50, 20)] * boxes, []))
    assert line == f"laid out by tinygrad_course: {boxes} boxes are too many for the program dot"


def test_labels_mean_nothing_to_dot() -> None:
    for text in ("<b>", "a\\nb", "\\N", "\\", 'say "x"', "{a|b}"):
        label = dot_label(text)
        assert "\\\\" in label if "\\" in text else label == text
        graph = Digraph()
        graph.node("a", label=label)
        assert '<b>' not in graph.source or 'label="<b>"' in graph.source
    assert len(dot_label("x" * 10_000)) == dot.LONGEST_NAME
    assert dot_label("a", "b\nc") == "a\\nb c"
