"""Pictures of networks: what is drawn, where it stands, and that drawing changes nothing."""

import itertools
import math
import re
import shlex
import shutil
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from tinygrad_course import InputError, Tensor, detect_anomaly, nn, no_grad
from tinygrad_course.models import DeepNetwork, LogisticRegression, PlanarClassifier, TwoLayerNetwork
from tinygrad_course.mode import mode
from tinygrad_course.visualize.drawing import Drawing
from tinygrad_course.visualize.network.draw import draw_network
from tinygrad_course.visualize.scene.palette import LIGHT
from tinygrad_course.visualize.scene.shapes import Curve, Group, Item, Shape
from tinygrad_course.visualize.scene.lettering import Text, fitted, line_width, text_width

SVG = "{http://www.w3.org/2000/svg}"


# --- what a picture holds --------------------------------------------------------------------------------------------

@dataclass
class Found:
    """The items of a scene, and of each group by its identifier."""

    drawing: Drawing
    groups: dict[str, Group] = field(default_factory=dict)
    texts: list[Text] = field(default_factory=list)
    shapes: list[Shape] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)

    def add(self, item: Item) -> None:
        if isinstance(item, Group):
            assert item.identifier not in self.groups
            self.groups[item.identifier] = item
            for child in item.items:
                self.add(child)
        elif isinstance(item, Text):
            self.texts.append(item)
        elif isinstance(item, Shape):
            self.shapes.append(item)
        elif isinstance(item, Curve):
            self.curves.append(item)

    def words(self) -> list[str]:
        return [words(text) for text in self.texts]

    def units(self) -> set[str]:
        return {name for name in self.groups if re.fullmatch(r"(x|a\d+|y)_\d+", name)}

    def edges(self) -> set[str]:
        return {name for name in self.groups if "-" in name}

    def of(self, name: str, kind: Any) -> Any:
        (found,) = (item for item in self.groups[name].items if isinstance(item, kind))
        return found

    def circle(self, name: str) -> Shape:
        shape: Shape = next(item for item in self.groups[name].items if isinstance(item, Shape))
        assert shape.kind == "ellipse" and shape.width == shape.height
        return shape


def words(text: Text) -> str:
    line = text.line if text.limit is None else fitted(text.line, text.size, text.limit, text.bold)
    return "".join(run.text + (f"_{run.sub}" if run.sub else "") + (f"^{run.sup}" if run.sup else "") for run in line)


def look(drawing: Drawing) -> Found:
    """The picture; on the way: its SVG is XML, text keeps a margin, and the DOT text has its units and edges."""
    root = ElementTree.fromstring(drawing.svg())
    assert root.tag == SVG + "svg"
    found = Found(drawing)
    for item in drawing.scene.items:
        found.add(item)
    assert {g.get("id") for g in root.iter(SVG + "g") if g.get("id")} == set(found.groups)
    for text in found.texts:
        left, top, right, bottom = box(text)
        assert 8 < left < right < drawing.scene.width - 8, words(text)
        assert 8 < top < bottom < drawing.scene.height - 8, words(text)
    frames = set(re.findall(r"subgraph cluster_(\w+)", drawing.source))
    drawn = {name for name in found.groups if "-" not in name and not re.fullmatch(r"b\d+_\d+", name)}
    assert dot_nodes(drawing) | frames == drawn | {name for name in dot_nodes(drawing) if name.endswith("_more")}
    assert dot_edges(drawing) == found.edges()
    return found


def box(text: Text) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of the letters of a line, with its scripts."""
    line = text.line if text.limit is None else fitted(text.line, text.size, text.limit, text.bold)
    width = line_width(line, text.size, text.bold)
    left = text.x - {"start": 0.0, "middle": width / 2, "end": width}[text.anchor]
    up = 0.94 if any(run.sup for run in line) else 0.72
    down = 0.30 if any(run.sub for run in line) else 0.0
    return left, text.y - up * text.size, left + width, text.y + down * text.size


def overlap(a: Text, b: Text) -> bool:
    (l1, t1, r1, b1), (l2, t2, r2, b2) = box(a), box(b)
    return l1 < r2 and l2 < r1 and t1 < b2 and t2 < b1


def dot_nodes(drawing: Drawing) -> set[str]:
    return set(re.findall(r"^\t+(\w+) \[", drawing.source, re.MULTILINE)) - {"graph", "node", "edge"}


def dot_edges(drawing: Drawing) -> set[str]:
    """What can be seen; to the frame where an arrow ends at one."""
    edges = set()
    for tail, head, attributes in re.findall(r"^\t+(\w+) -> (\w+)(.*)", drawing.source, re.MULTILINE):
        frame = {end: name for end, name in re.findall(r"(ltail|lhead)=cluster_(\w+)", attributes)}
        if "style=invis" not in attributes:
            edges.add(f"{frame.get('ltail', tail)}-{frame.get('lhead', head)}")
    return edges


def pairs(*columns: list[str]) -> set[str]:
    return {f"{a}-{b}" for one, other in zip(columns, columns[1:]) for a in one for b in other}


def check_units(found: Found) -> None:
    """Labels and values are within their circles, circles of no two units touch, and scripts are stacked."""
    circles = []
    for name in found.units():
        items = found.groups[name].items
        shapes = [item for item in items if isinstance(item, Shape)]
        labels = [item for item in items if isinstance(item, Text)]
        assert labels and all(not overlap(a, b) for a, b in itertools.combinations(labels, 2))
        if shapes:
            circle = found.circle(name)
            circles.append(circle)
            for text in labels:
                left, top, right, bottom = box(text)
                for x, y in itertools.product((left, right), (top, bottom)):
                    assert math.hypot(x - circle.x, y - circle.y) < circle.width / 2, (name, words(text))
    for a, b in itertools.combinations(circles, 2):
        assert math.hypot(a.x - b.x, a.y - b.y) > (a.width + b.width) / 2 + 4
    for a, b in itertools.combinations(found.texts, 2):
        assert not overlap(a, b), (words(a), words(b))


def test_no_edge_is_steep() -> None:
    for sizes in ([10, 10], [10, 1, 10, 2], [4, 4, 3, 1]):
        found = look(draw_network(sizes))
        slopes = [abs(y1 - y0) / (x1 - x0) for curve in found.curves for (x0, y0), (x1, y1) in [curve.points]]
        assert max(slopes) < 2.6
        assert len(sizes) > 2 or max(slopes) > 2.2, "wider than it need be"


def test_the_thickest_edges_are_drawn_last() -> None:
    """Above the others of their layer; edges that are no number below all, as they say nothing of size."""
    model = PlanarClassifier(n_h=4)
    state = model.state_dict()
    state["W1"] = np.array([[9.0, -8.0], [0.0, 1.0], [np.inf, 2.0], [-7.0, np.nan]])
    model.load_state_dict(state)
    found = look(draw_network(model, weights=True))
    edges = [name for name in found.groups if re.fullmatch(r"x_\d-a1_\d", name)]
    widths = [found.of(name, Curve).width for name in edges if found.of(name, Curve).colour != "error"]
    assert len(widths) == 6 and widths == sorted(widths) and len(set(widths)) == 6
    assert sorted(found.of(name, Curve).colour for name in edges[:3]) == ["error", "error", "line"]


# --- plain dot -------------------------------------------------------------------------------------------------

@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz's program dot is not installed")
@pytest.mark.parametrize("given, options, inches", [
    ([4, 4, 3, 1], {}, (9, 5)), ([4, 4, 3, 1], {"parameters": True}, (12, 9)),
    ([12288, 20, 7, 5, 1], {"style": "simplified"}, (12, 6)), ([12288, 20, 7, 5, 1], {"style": "blocks"}, (18, 2)),
    ([4] * 31, {}, (30, 6)), (LogisticRegression(3), {"example": [1.0, 22.0, -333.0]}, (4, 4))])
def test_graphviz_lays_the_digraph_out_by_itself(given: Any, options: dict[str, Any],
                                                 inches: tuple[float, float]) -> None:
    """At a sane size, labels within their circles, layers from left to right and units in their order."""
    drawing = draw_network(given, **options)
    lines = [shlex.split(line) for line in drawing.digraph.pipe("plain", encoding="utf-8").splitlines()]
    [(width, height)] = [(float(line[2]), float(line[3])) for line in lines if line[0] == "graph"]
    assert width < inches[0] and height < inches[1]
    at = {line[1]: (float(line[2]), float(line[3])) for line in lines if line[0] == "node"}
    assert set(at) == dot_nodes(drawing)
    for _, name, _, _, node_width, node_height, label, *_ in (line for line in lines if line[0] == "node"):
        rows = label.split("\\n")
        assert max(text_width(row, 10.0) for row in rows) <= 72 * float(node_width) + 1
        assert 10 * len(rows) <= 72 * float(node_height)
    columns: dict[str, list[tuple[int, float, float]]] = {}
    for name, (x, y) in at.items():
        if match := re.fullmatch(r"(x|a\d+|y)_(\d+)", name):
            columns.setdefault(match[1], []).append((int(match[2]), x, y))
    for column in columns.values():
        ordered = sorted(column)
        assert [y for *_, y in ordered] == sorted((y for *_, y in ordered), reverse=True)  # dot counts y from below
        assert len({round(x, 2) for _, x, _ in ordered}) == 1
    middles = [column[0][1] for column in columns.values()]
    assert middles == sorted(middles)
    assert "pos=" not in drawing.source


# --- the course's two pictures ---------------------------------------------------------------------------------------

def test_comprehensive_network_of_the_course() -> None:
    found = look(draw_network([4, 4, 3, 1]))
    x, a1, a2 = ([f"{name}_{j}" for j in range(1, n + 1)] for name, n in (("x", 4), ("a1", 4), ("a2", 3)))
    assert found.units() == {*x, *a1, *a2, "y_1"} == dot_nodes(found.drawing)
    assert found.edges() == pairs(x, a1, a2, ["y_1"]) == dot_edges(found.drawing) and len(found.edges()) == 31
    assert set(found.groups) == found.units() | found.edges()

    labels = {name: words(found.of(name, Text)) for name in found.units()}
    assert labels == {**{f"x_{j}": f"x_{j}^(i)" for j in range(1, 5)}, **{f"a1_{j}": f"a_{j}^[1]" for j in range(1, 5)},
                      **{f"a2_{j}": f"a_{j}^[2]" for j in range(1, 4)}, "y_1": "ŷ^(i)"}
    assert sorted(set(found.words()) - set(labels.values())) == ["Input", "Layer 1", "Layer 2", "Output"]

    assert not [item for name in x for item in found.groups[name].items if isinstance(item, Shape)]  # bare text
    circles = [found.circle(name) for name in a1 + a2]
    assert len({circle.width for circle in circles}) == 1 and found.circle("y_1").width > circles[0].width
    assert found.of("y_1", Text).size > found.of("a1_1", Text).size
    assert {(c.fill, c.stroke) for c in circles} == {("paper", "ink")}
    assert {(curve.colour, curve.arrow, curve.width < 1) for curve in found.curves} == {("line", True, True)}

    middle = {sum(found.of(name, Text).y for name in column) / len(column) for column in (x, a1, a2)}
    assert max(middle) - min(middle) < 1e-6  # columns are centred
    assert found.circle("y_1").y == pytest.approx((circles[0].y + circles[3].y) / 2)
    for name in found.edges():  # from unit to unit, pointing to the middle of its end
        tail, head = name.split("-")
        (x0, y0), (x1, y1) = found.of(name, Curve).points
        circle = found.circle(head)
        assert math.hypot(x1 - circle.x, y1 - circle.y) == pytest.approx(circle.width / 2 + 0.5)
        assert (x1 - x0) * (circle.y - y0) == pytest.approx((y1 - y0) * (circle.x - x0))
        if tail in x:
            assert found.of(tail, Text).y - 12 < y0 < found.of(tail, Text).y and x0 > box(found.of(tail, Text))[2]
        else:
            begin = found.circle(tail)
            assert math.hypot(x0 - begin.x, y0 - begin.y) == pytest.approx(begin.width / 2)
    check_units(found)


def test_simplified_network_of_the_course() -> None:
    found = look(draw_network(TwoLayerNetwork(12288, 7, 1), "simplified"))
    x, a1 = ["x_1", "x_2", "x_12287", "x_12288"], ["a1_1", "a1_2", "a1_6", "a1_7"]
    assert found.units() == {*x, *a1, "y_1"}
    assert set(found.groups) == {*x, *a1, "y_1", "x", "a1", "x_more", "a1_more", "y_hat", "x-a1", "a1-y_1",
                                 "y_1-y_hat"}
    assert dot_nodes(found.drawing) == set(found.groups) - found.edges() - {"x", "a1"}
    assert dot_edges(found.drawing) == found.edges() == {"x-a1", "a1-y_1", "y_1-y_hat"}
    assert [words(found.of(name, Text)) for name in [*x, *a1, "y_1", "y_hat"]] == [
        "x_1", "x_2", "x_12287", "x_12288", "a_1^[1]", "a_2^[1]", "a_6^[1]", "a_7^[1]", "a_1^[2]", "ŷ"]

    for layer, units in (("x", x), ("a1", a1)):  # the rectangle encloses its units, and "..." is a circle among them
        rectangle = found.of(layer, Shape)
        column = [found.circle(name) for name in (*units[:2], f"{layer}_more", *units[2:])]
        assert rectangle.kind == "rectangle" and [c.y for c in column] == sorted(c.y for c in column)
        for circle in column:
            assert circle.x == rectangle.x and abs(circle.y - rectangle.y) + circle.width / 2 < rectangle.height / 2
            assert circle.width < rectangle.width
        assert len(found.groups[f"{layer}_more"].items) == 4  # the circle and three dots
    assert found.groups["x_more"].tooltip == "12284 more of 12288"
    heads = {words(text): text for text in found.texts if text.bold}
    assert set(heads) == {"Input", "Relu", "sigmoid"}
    for head, below in (("Input", found.of("x", Shape)), ("Relu", found.of("a1", Shape)),
                        ("sigmoid", found.circle("y_1"))):
        assert heads[head].x == below.x and 4 < below.y - below.height / 2 - heads[head].y < 14
    check_units(found)


def test_blocks() -> None:
    found = look(draw_network(DeepNetwork([12288, 20, 7, 5, 1]), "blocks"))
    assert set(found.groups) == {"x", "a1", "a2", "a3", "y", "x-a1", "a1-a2", "a2-a3", "a3-y"}
    assert sorted(found.words()) == sorted([
        "x", "12288 inputs", "W^[1] (20, 12288)", "b^[1] (20, 1)", "a^[1]", "Relu", "20 units", "W^[2] (7, 20)",
        "b^[2] (7, 1)", "a^[2]", "Relu", "7 units", "W^[3] (5, 7)", "b^[3] (5, 1)", "a^[3]", "Relu", "5 units",
        "W^[4] (1, 5)", "b^[4] (1, 1)", "ŷ", "sigmoid", "1 unit"])
    for name in ("x", "a1", "a2", "a3", "y"):
        block = found.of(name, Shape)
        for text in (item for item in found.groups[name].items if isinstance(item, Text)):
            left, top, right, bottom = box(text)
            assert block.x - block.width / 2 < left and right < block.x + block.width / 2
            assert block.y - block.height / 2 < top and bottom < block.y + block.height / 2
    labels = [text for text in found.texts if words(text)[:1] in "Wb"]
    for text, curve in zip(labels, itertools.chain.from_iterable((c, c) for c in found.curves), strict=True):
        left, _, right, _ = box(text)
        assert curve.points[0][0] < left and right < curve.points[1][0]  # over its arrow, not over a block
    check_units(found)
    without = look(draw_network([3, 2, 1], "blocks", parameters=False))
    assert without.words() == ["x", "3 inputs", "a^[1]", "2 units", "ŷ", "1 unit"]


def test_scripts_stand_above_one_another_behind_their_letter() -> None:
    root = ElementTree.fromstring(draw_network([4, 4, 3, 1], parameters=True).svg())
    lines = [[(t.text, float(t.get("x", 0)), float(t.get("y", 0)), float(t.get("font-size", 0))) for t in line]
             for line in root.iter(SVG + "g") if len(line) == 3 and all(child.tag == SVG + "text" for child in line)]
    assert len(lines) == 4 + 4 + 3 + 31 + 8  # x, a[1], a[2], w, b
    for (letter, x, y, size), (sub, x_sub, y_sub, size_sub), (sup, x_sup, y_sup, size_sup) in lines:
        assert letter in ("x", "a", "w", "b") and sup is not None and sup[0] in "([" and sub is not None
        assert x_sub == x_sup > x and y_sup < y - 0.3 * size < y + 0.2 * size < y_sub
        assert size_sub == size_sup < size


# --- limits ----------------------------------------------------------------------------------------------------------

def test_units_beyond_the_limit_become_dots() -> None:
    found = look(draw_network([12288, 7, 1], limit=6))
    assert found.units() == {"x_1", "x_2", "x_3", "x_12287", "x_12288", *(f"a1_{j}" for j in (1, 2, 3, 6, 7)), "y_1"}
    assert len(found.edges()) == 25 + 5
    assert {"x_more", "a1_more"} <= dot_nodes(found.drawing) and 'x_more [label="..."' in found.drawing.source
    assert found.groups["x_more"].tooltip == "12283 more of 12288" and len(found.groups["x_more"].items) == 3
    assert {"12288 inputs", "7 units"} <= set(found.words())
    check_units(found)
    assert "_more" not in draw_network([7, 6, 1], limit=7).source
    with pytest.raises(InputError, match="20010 edges would be drawn.*limit="):
        draw_network([2000, 10, 1], limit=2000)


@pytest.mark.parametrize("style", ["comprehensive", "simplified", "blocks"])
def test_layers_beyond_the_limit_are_counted(style: str) -> None:
    start = time.process_time()
    found = look(draw_network([2] * 10_001, style))
    assert time.process_time() - start < 2
    assert {"9990", "more layers"} <= set(found.words()) and "10000 layers" in found.drawing.scene.description
    assert found.groups["more"].tooltip == "9990 of 10000 layers are not drawn" and "more" in dot_nodes(found.drawing)
    assert style != "comprehensive" or found.circle("y_1").width > found.circle("a9999_1").width + 8
    shown = {int(match[1]) for match in map(re.compile(r"a(\d+)").match, found.groups) if match}
    assert shown == {1, 2, 3, 4, 5, 9996, 9997, 9998, 9999}
    check_units(found)
    assert "more" not in look(draw_network([2] * 12, style)).groups


def test_a_model_of_10_000_layers() -> None:
    found = look(draw_network(DeepNetwork([1] * 10_001), example=[1.0], activations=True))
    assert found.words().count("Relu") == 9 and found.words().count("sigmoid") == 1


# --- parameters, weights, values -------------------------------------------------------------------------------------

@pytest.mark.parametrize("sizes", [[4, 4, 3, 1], [1, 1], [2, 4, 1], [6, 1, 6], [1, 6, 2], [3, 12, 12, 3], [2, 1, 9]])
def test_names_of_parameters_overlap_nothing_and_stand_on_their_edge(sizes: list[int]) -> None:
    check_names(look(draw_network(sizes, parameters=True, limit=12)), sizes)
    for value in (-123456.0, 123456.0):  # wide values make wide circles, on one side of relu or on the other
        example = np.full(sizes[0], value)
        check_names(look(draw_network(DeepNetwork(sizes), parameters=True, limit=12, example=example)), sizes)


def check_names(found: Found, sizes: list[int]) -> None:
    L = len(sizes) - 1
    labels = {words(text): text for text in found.texts if words(text)[0] in "wb"}
    comma = {(j, k): f"{j},{k}" if max(j, k) > 9 else f"{j}{k}" for j in range(1, 13) for k in range(1, 13)}
    expected = {f"w_{comma[j, k]}^[{l}]": (l, j, k) for l in range(1, L + 1) for j in range(1, sizes[l] + 1)
                for k in range(1, sizes[l - 1] + 1)}
    assert set(labels) == {*expected, *(f"b_{j}^[{l}]" for l in range(1, L + 1) for j in range(1, sizes[l] + 1))}
    check_units(found)  # no text is over another
    circles = [found.circle(name) for name in found.units() if not name.startswith("x")]
    for text in labels.values():
        left, top, right, bottom = box(text)
        for circle in circles:
            dx = max(left - circle.x, 0.0, circle.x - right)
            dy = max(top - circle.y, 0.0, circle.y - bottom)
            assert math.hypot(dx, dy) > circle.width / 2, words(text)
    for name, (l, j, k) in expected.items():
        tail, head = f"a{l - 1}_{k}" if l > 1 else f"x_{k}", f"a{l}_{j}" if l < L else f"y_{j}"
        (x0, y0), (x1, y1) = found.of(f"{tail}-{head}", Curve).points
        text = labels[name]
        y = y0 + (y1 - y0) * (text.x - x0) / (x1 - x0)
        assert x0 < text.x < x1 and box(text)[1] < y < box(text)[3]
        plain = name.replace("^", "")
        assert f'{tail} -> {head} [label="{plain}"]' in found.drawing.source


def test_names_of_parameters_in_logistic_regression() -> None:
    model = LogisticRegression(3)
    assert {"w_1", "w_2", "w_3", "b"} <= set(look(draw_network(model, parameters=True)).words())
    assert {"w (3, 1)", "b"} <= set(look(draw_network(model, "blocks")).words())
    assert {"w", "b"} <= set(look(draw_network(model, "simplified", parameters=True)).words())


def test_width_shows_size_and_colour_shows_sign() -> None:
    model = PlanarClassifier(3, 4, 1)
    state = model.state_dict()
    state["W1"][0, 0] = 0
    model.load_state_dict(state)
    found = look(draw_network(model, weights=True))
    weights = {f"x_{k}-a1_{j}": state["W1"][j - 1, k - 1] for j in range(1, 5) for k in range(1, 4)}
    weights.update({f"a1_{k}-y_1": state["W2"][0, k - 1] for k in range(1, 5)})
    assert found.edges() == set(weights)
    for name, w in weights.items():
        curve = found.of(name, Curve)
        assert curve.colour == ("positive" if w > 0 else "negative" if w < 0 else "line")
        tooltip = found.groups[name].tooltip
        assert float(tooltip.split(" = ")[1]) == pytest.approx(w) and "w_" in tooltip
        assert LIGHT[curve.colour] in re.search(rf"{name.replace('-', ' -> ')} \[(.*)\]", found.drawing.source)[1]
    by_size = sorted(weights, key=lambda name: abs(weights[name]))
    widths = [found.of(name, Curve).width for name in by_size]
    assert widths == sorted(widths) and widths[-1] > 10 * widths[0] > 0
    largest = max(map(abs, weights.values()))
    assert {"weight > 0", "weight < 0", "0", f"{largest:.3g} or -{largest:.3g}"} <= set(found.words())
    assert [c.width for c in found.curves if not c.arrow][-1] == widths[-1]  # the legend's
    check_units(found)


def test_weights_that_are_all_zero_or_no_numbers() -> None:
    found = look(draw_network(LogisticRegression(2), weights=True))
    assert "every weight is 0" in found.words() and {c.colour for c in found.curves} == {"line"}
    model = PlanarClassifier()
    model.layers[0].W.data[0, 0] = np.nan
    model.layers[0].W.data[1, 0] = -np.inf
    found = look(draw_network(model, weights=True, parameters=True))
    odd = {name for name in found.edges() if found.of(name, Curve).dashed}
    assert odd == {"x_1-a1_1", "x_1-a1_2"} and "no number" in found.words()
    assert {found.of(name, Curve).colour for name in odd} == {"error"}


@pytest.mark.parametrize("style", ["comprehensive", "simplified"])
def test_values_of_one_example(style: str) -> None:
    model = DeepNetwork([4, 5, 3, 2], seed=3)
    x = np.array([0.5, -1.25, 300000.0, -0.0])
    W, b = ([parameter.numpy() for parameter in model.parameters()[i::2]] for i in (0, 1))
    A1 = np.maximum(0, W[0] @ x + b[0][:, 0])
    A2 = np.maximum(0, W[1] @ A1 + b[1][:, 0])
    A3 = 1 / (1 + np.exp(-(W[2] @ A2 + b[2][:, 0])))
    for example in (x, x[:, None], x.tolist(), Tensor(x)):
        found = look(draw_network(model, style, example=example))
        for name, values in (("x", x), ("a1", A1), ("a2", A2), ("y", A3)):
            for j, value in enumerate(values, start=1):
                group = found.groups[f"{name}_{j}"]
                assert float(group.tooltip.split(" = ")[1]) == pytest.approx(value, rel=1e-9)
                text = words([item for item in group.items if isinstance(item, Text)][1])
                assert float(text) == pytest.approx(value, rel=5e-3) and text != "-0"
        check_units(found)


# --- which networks --------------------------------------------------------------------------------------------------

MODELS = {
    "logistic": (lambda: LogisticRegression(12288), [12288, 1], ["sigmoid"]),
    "planar": (PlanarClassifier, [2, 4, 1], ["tanh", "sigmoid"]),
    "two layers": (lambda: TwoLayerNetwork(12288, 7, 1), [12288, 7, 1], ["Relu", "sigmoid"]),
    "deep": (lambda: DeepNetwork([12288, 20, 7, 5, 1]), [12288, 20, 7, 5, 1], ["Relu", "Relu", "Relu", "sigmoid"]),
    "sequential": (lambda: nn.Sequential(nn.Linear(3, 2), nn.LeakyReLU(), nn.Linear(2, 4), nn.Softmax()), [3, 2, 4],
                   ["Leaky Relu", "softmax"]),
    "functions": (lambda: nn.Sequential(nn.Linear(3, 2), lambda Z: np.maximum(0, Z), nn.Linear(2, 2),
                                        lambda Z: Z * nn.sigmoid(Z), nn.Linear(2, 1)), [3, 2, 2, 1],
                  ["Relu", "g^[2]", "linear"]),
    "one layer": (lambda: nn.Linear(1, 1), [1, 1], ["linear"]),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("style", ["comprehensive", "simplified", "blocks"])
def test_models(name: str, style: str) -> None:
    make, sizes, activations = MODELS[name]
    found = look(draw_network(make(), style, activations=True))
    heads = sorted((text for text in found.texts if text.bold and words(text) != "Input"), key=lambda text: text.x)
    assert [words(text) for text in heads] == activations
    assert found.drawing.scene.title.endswith("-".join(map(str, sizes)))
    drawn = look(draw_network(sizes, style))
    assert drawn.units() == found.units() and drawn.edges() == found.edges()
    check_units(found)


class OwnNetwork(nn.Module):
    """Written by a learner, with no Linear, no bias in the second layer, and a preparation of X."""

    def __init__(self) -> None:
        random = np.random.RandomState(0)
        self.scale = Tensor(2.0, requires_grad=True)
        self.W1 = Tensor(random.randn(3, 2), requires_grad=True)
        self.b1 = Tensor(np.ones(1), requires_grad=True)
        self.W2 = Tensor(random.randn(2, 3), requires_grad=True)

    def forward(self, X: Any) -> Tensor:
        A1 = nn.sigmoid(np.dot(self.W1, X * self.scale) + self.b1)
        return nn.tanh(self.W2 @ (A1 * (np.random.rand(3, 1) < 2)))


def test_any_module_whose_layers_follow_one_another() -> None:
    model = OwnNetwork()
    found = look(draw_network(model, activations=True, parameters=True, weights=True, example=[1, 2]))
    assert len(found.units()) == 2 + 3 + 2 and {"g^[1]", "tanh", "b_3^[1]"} <= set(found.words())
    assert not {"b_1^[2]", "b_2^[2]"} & set(found.words()) and found.groups["b1_2"].tooltip == "b_2[1] = 1"
    residual = nn.Sequential(nn.Linear(2, 2), Residual())
    assert {"linear", "g^[2]"} <= set(look(draw_network(residual, activations=True)).words())
    output = model(np.array([[1.0], [2.0]])).numpy()
    assert float(found.groups["y_2"].tooltip.split(" = ")[1]) == pytest.approx(output[1, 0])
    assert {"W^[2] (2, 3)", "b^[1] (1,)"} <= set(look(draw_network(model, "blocks")).words())


class Residual(nn.Module):
    """What is added to W A is no bias: the two belong to the activation."""

    def __init__(self) -> None:
        self.W = Tensor(np.eye(2), requires_grad=True)

    def forward(self, X: Any) -> Tensor:
        return nn.tanh(self.W @ X + np.ones((2, 1)))


def test_drawing_changes_nothing() -> None:
    model, X = DeepNetwork([3, 4, 2]), np.arange(6.0).reshape(3, 2)
    cost = model.cost(X, np.ones((2, 2)))  # a graph that is still to be differentiated
    before = [(p, p._data, p._data.flags.writeable, p._user, p.grad, p._data.copy()) for p in model.parameters()]
    gated = GatedNetwork()
    gate = gated.gate.data
    np.random.seed(0)
    with no_grad(), detect_anomaly():
        observers = mode.now.observers
        draw_network(model, weights=True, example=X[:, 0], activations=True).svg()
        draw_network(gated)
        assert mode.now.observers is observers and not mode.now.recording
    assert np.random.rand() == pytest.approx(0.5488135)  # the first number after seed(0)
    for p, data, writeable, user, grad, values in before:
        assert p._data is data and data.flags.writeable == writeable and p._user is user and p.grad is grad
        assert np.array_equal(p._data, values)
    assert gated.gate._data is gate and gate.flags.writeable
    cost.backward()
    fresh, example = PlanarClassifier(), np.ones(2)
    arrays = [p.data for p in fresh.parameters()]
    draw_network(fresh, example=example)
    assert all(p.data is array and array.flags.writeable for p, array in zip(fresh.parameters(), arrays))
    assert example.flags.writeable


class GatedNetwork(OwnNetwork):
    """With a gate, sigmoid of a parameter: operations on parameters alone leave no trace either."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = Tensor(np.zeros((2, 1)), requires_grad=True)

    def forward(self, X: Any) -> Tensor:
        return super().forward(X * nn.sigmoid(self.gate))


# --- words of the user -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("style", ["comprehensive", "simplified", "blocks"])
def test_text_of_the_user_is_escaped_and_cut(style: str) -> None:
    strange = '<script>alert("&")</script>\x00\\N '
    drawing = draw_network([3, 2, 1], style, activations=[strange * 3, "<b>"], title=strange * 20)
    found = look(drawing)
    assert "<script" not in drawing.svg() and "<b>" not in drawing.svg()
    assert any(text.startswith("<script>") and text.endswith("…") for text in found.words())
    check_units(found)
    assert drawing.scene.width < 1000
    look(draw_network([3, 2, 1], style, activations=[strange * 3, "<b>"]))
    untitled = draw_network([3, 2, 1], style)
    assert "Network 3-2-1" == untitled.scene.title and "Network 3-2-1" not in look(untitled).words()


def test_activations_can_be_named_or_left_off() -> None:
    named = look(draw_network([3, 2, 1], activations=["relu", None]))
    assert "Relu" in named.words() and "Output" in named.words()
    model = PlanarClassifier()
    assert "tanh" not in look(draw_network(model)).words()
    assert {"Layer 1", "Output"} <= set(look(draw_network(model, "simplified", activations=False)).words())
    assert "swish" in look(draw_network(model, "blocks", activations=["swish", "sigmoid"])).words()


# --- bad input -------------------------------------------------------------------------------------------------------

class Skipping(nn.Module):
    def __init__(self) -> None:
        self.first, self.second, self.third = nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 1)

    def forward(self, X: Any) -> Tensor:
        A1 = nn.tanh(self.first(X))
        return self.third(nn.tanh(self.second(A1)) + A1)


class Branching(Skipping):
    def forward(self, X: Any) -> Tensor:
        return np.concatenate([self.first(X), self.second(X)])


class Unused(Skipping):
    def forward(self, X: Any) -> Tensor:
        self.first(X)
        return self.second(X)


class Pairs(Skipping):
    def forward(self, X: Any, Y: Any = None) -> Tensor:
        return self.first(X + Y)


class Bare(nn.Module):
    def __init__(self) -> None:
        self.scale = Tensor(1.0, requires_grad=True)

    def forward(self, X: Any) -> Tensor:
        return X * self.scale


class Rows(Bare):
    """One example per row."""

    def __init__(self) -> None:
        self.W = Tensor(np.ones((1, 2)), requires_grad=True)

    def forward(self, X: Any) -> Tensor:
        return X @ self.W


@pytest.mark.parametrize("given, message", [
    ([], "no layer"), ([3], r"\[3\] has no layer"), ([3, 0], "0 is among"), ([3, 2.0], "2.0 is among"),
    ([3, True], "True is among"), ([3, -1], "positive whole"), (["3", 1], "'3' is among"), ("33", "'33' as a network"),
    (3, "cannot draw 3"), (None, "cannot draw None"), ({2: 1}, "cannot draw"), (np.ones((2, 2)), "cannot draw"),
    (lambda X: X, "cannot draw"), (PlanarClassifier, r"is a class.*PlanarClassifier\(...\)"),
    (nn.Sequential(), "Sequential has no layers"), (nn.Sequential(nn.Tanh()), "no layers"), (Bare(), "no layers"),
    (Rows(), "no layers that can be drawn.*W @ X"), (Skipping(), "layer 2 also uses layer 1"),
    (Branching(), r"layer 1 does not use it"), (Unused(), "layer 1 does not use it"),
    (Pairs(), "could not be run on one column of 2 zeros.*Give the sizes"),
])
def test_what_cannot_be_drawn(given: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        draw_network(given)


@pytest.mark.parametrize("options, message", [
    ({"style": "fancy"}, "'fancy' is unknown; there are 'comprehensive', 'simplified', 'blocks'"),
    ({"style": None}, "None is unknown"), ({"style": []}, "unknown"),
    ({"style": "simplified", "weights": True}, "does not fit style='simplified'"),
    ({"style": "blocks", "example": [1, 2]}, "example does not fit"),
    ({"style": "blocks", "limit": 4}, "limit does not fit"),
    ({"weights": "yes"}, "weights is 'yes'"), ({"parameters": 1}, "parameters is 1"),
    ({"limit": 2}, "limit is 2"), ({"limit": 3.5}, "limit is 3.5"), ({"layer_limit": None}, "layer_limit is None"),
    ({"layer_limit": True}, "layer_limit is True"), ({"title": 3}, "title is 3"),
    ({"activations": ["relu"]}, "1 names, but there are 2 layers"), ({"activations": "relu"}, "list of names"),
    ({"activations": ["relu", 3]}, "3 is among"),
    ({"example": [1, 2, 3]}, r"\(3,\), but one example of 2 inputs"),
    ({"example": np.ones((2, 3))}, r"take one column, such as X\[:, \[0\]\]"),
    ({"example": np.ones((3, 2))}, "did you mean X.T"), ({"example": ["a", "b"]}, "numbers are wanted"),
    ({"example": [[1], [2, 3]]}, "example: "), ({"example": [1j, 2]}, "numbers are wanted"),
])
def test_options_that_do_not_fit(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        draw_network(PlanarClassifier(), **options)


@pytest.mark.parametrize("options", [{"weights": True}, {"example": [1, 2, 3]}, {"activations": True}])
def test_sizes_have_no_values(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="sizes"):
        draw_network([3, 2, 1], **options)
