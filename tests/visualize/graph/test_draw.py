"""draw_graph: what is drawn is what was recorded, and drawing it changes nothing."""

import random
import re
import shutil
import threading
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

from tinygrad_course import Tensor, data, fit, grad, nn, no_grad
from tinygrad_course.autodiff import detect_anomaly
from tinygrad_course.errors import InputError
from tinygrad_course.models import DeepNetwork, LogisticRegression, PlanarClassifier, TwoLayerNetwork
from tinygrad_course.mode import mode
from tinygrad_course.visualize import Drawing, draw_graph
from tinygrad_course.visualize.graph.diagram import Arrow, Box, Diagram
from tinygrad_course.visualize.graph.drawn import with_values_brought
from tinygrad_course.visualize.graph.values import number, thumbnails
from tinygrad_course.visualize.scene.lettering import Run, Text, plain_text
from tinygrad_course.visualize.scene.shapes import Curve, Group, Shape

X, Y = data.planar()
TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|->|[{}\[\];=]|[^\s{}\[\];="]+')


class Parsed(NamedTuple):
    """What a DOT text says."""

    nodes: dict[str, dict[str, str]]
    edges: list[tuple[str, str]]
    clusters: dict[str, list[str]]   # cluster: those around it, the outermost first
    cluster_of: dict[str, str]
    labels: dict[str, str]           # of clusters


def parsed(drawing: Drawing) -> Parsed:
    """A parser of the DOT language, as far as it is used."""
    tokens = TOKEN.findall(drawing.source)
    result = Parsed({}, [], {}, {}, {})
    open_clusters: list[str] = []
    i = tokens.index("{") + 1
    while i < len(tokens):
        token = tokens[i]
        if token == "subgraph":
            result.clusters[tokens[i + 1]] = list(open_clusters)
            open_clusters.append(tokens[i + 1])
            i += 3
        elif token == "}":
            open_clusters = open_clusters[:-1]
            i += 1
        else:
            name, i = token, i + 1
            if tokens[i] == "->":
                result.edges.append((name, tokens[i + 1]))
                i += 2
            attributes = {}
            if i < len(tokens) and tokens[i] == "[":
                end = tokens.index("]", i)
                parts = tokens[i + 1:end]
                for key, equals, value in zip(parts[::3], parts[1::3], parts[2::3]):
                    assert equals == "="
                    attributes[key] = unquoted(value)
                i = end + 1
            if name == "graph" and open_clusters:
                result.labels[open_clusters[-1]] = attributes["label"]
            elif name not in ("graph", "node", "edge") and (not result.edges or name != result.edges[-1][0]):
                result.nodes[name] = attributes
                if open_clusters:
                    result.cluster_of[name] = open_clusters[-1]
    return result


def unquoted(value: str) -> str:
    return value[1:-1].replace('\\"', '"') if value[:1] == '"' else value


def lines(node: dict[str, str]) -> list[str]:
    """The lines of a label, as they are shown."""
    shown = re.sub(r"\\(.)", lambda escape: "\n" if escape[1] == "n" else escape[1], node["label"])
    return shown.split("\n")


def check_recorded(root: Tensor, drawing: Drawing) -> dict[str, Tensor]:
    """That the drawing has exactly the nodes and edges of the graph, operands in their order; which node is which."""
    dot = parsed(drawing)
    before: dict[str, list[str]] = {name: [] for name in dot.nodes}
    for tail, head in dot.edges:
        before[head].append(tail)
    used = {tail for tail, _ in dot.edges}
    [last] = [name for name in dot.nodes if name not in used]
    found: dict[str, Tensor] = {}
    todo = [(last, root)]
    while todo:
        name, tensor = todo.pop()
        if name in found:
            assert found[name] is tensor
            continue
        found[name] = tensor
        assert len(before[name]) == len(tensor.parents), name
        todo += zip(before[name], tensor.parents)
        operation = lines(dot.nodes[name])[0]
        assert operation == tensor.op.name if tensor.op is not None else operation not in ("add", "multiply")
    assert len(found) == len(dot.nodes) == len(set(map(id, found.values()))), "nodes that were not recorded"
    return found


@pytest.fixture(params=["dot", "no dot"])
def layout(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Everything is drawn with the program dot and with an empty PATH."""
    if request.param == "no dot":
        monkeypatch.setenv("PATH", "")
    elif shutil.which("dot") is None:
        pytest.skip("Graphviz's program dot is not installed")
    yield request.param


def svg_texts(drawing: Drawing) -> list[str]:
    root = ElementTree.fromstring(drawing.svg())
    return [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]


# --- exactly what was recorded ----------------------------------------------------------------------------

def test_the_planar_model() -> None:
    model = PlanarClassifier()
    J = model.cost(X, Y)
    drawing = draw_graph(J)
    found = check_recorded(J, drawing)
    shown = {name: lines(node) for name, node in parsed(drawing).nodes.items()}
    by_tensor = {id(tensor): shown[name] for name, tensor in found.items()}
    kinds = Counter(node["class"] for node in parsed(drawing).nodes.values())
    assert kinds == {"input": 2, "parameter": 4, "step": 6, "cost": 1}
    assert len({node["shape"] for node in parsed(drawing).nodes.values()}) == 4
    assert by_tensor[id(model.layers[0].W)] == ["W[1]", "(4, 2) float64"]
    assert by_tensor[id(J)] == ["binary_cross_entropy", "J", "binary_cross_entropy(ŷ, Y)"]
    A2 = J.parents[1]
    assert by_tensor[id(A2)] == ["sigmoid", "ŷ", "sigmoid(Z[2])", "(1, 400) float64"]
    assert by_tensor[id(A2.parents[0])] == ["add", "Z[2]", "W[2] A[1] + b[2]", "(1, 400) float64"]
    assert by_tensor[id(J.parents[2])] == ["Y", "(1, 400) float64"]


def test_a_tensor_used_twice_has_two_edges() -> None:
    x = Tensor(3.0, requires_grad=True, name="x")
    y = x * x
    drawing = draw_graph(y)
    assert parsed(drawing).edges == [("t1", "t2"), ("t1", "t2")]
    check_recorded(y, drawing)
    check_recorded(z := (y + y) * y, draw_graph(z))


def random_graph(r: random.Random) -> Tensor:
    pool = [Tensor(np.array([[r.random(), r.random()]]), requires_grad=True) for _ in range(r.randrange(1, 4))]
    constant = Tensor(np.array([[0.5, 0.25]]))
    for _ in range(r.randrange(1, 25)):
        a, b = r.choice(pool), r.choice(pool)
        pool.append(r.choice([
            lambda: a + b, lambda: a * b, lambda: a - 1, lambda: 2 * a, lambda: a.tanh(), lambda: a + constant,
            lambda: np.concatenate([a, b, a], axis=0)[:1], lambda: a.T.T,
            lambda: np.where(np.array([True, False]), a, b), lambda: a * np.array([0.5, 2.0]), lambda: a.sigmoid(),
            lambda: a.sum(axis=0, keepdims=True)])())
    return pool[-1]


def test_1000_random_graphs() -> None:
    r = random.Random(1)
    for _ in range(1000):
        y = random_graph(r)
        if y.op is not None:
            check_recorded(y, draw_graph(y))


def test_random_graphs_become_pictures(layout: str) -> None:
    r = random.Random(2)
    for _ in range(15):
        y = random_graph(r).sum()
        for options in ({"style": "full"}, {"backward": True, "values": True, "saved": True, "gradients": True}):
            drawing = draw_graph(y, **options)  # type: ignore[arg-type]
            root = ElementTree.fromstring(drawing.svg())
            groups = {element.attrib["id"] for element in root.iter() if "id" in element.attrib}
            assert {name for name in groups if name[0] != "v"} == set(parsed(drawing).nodes)
            arrows = [e for e in root.iter("{http://www.w3.org/2000/svg}path") if "C" in e.attrib["d"]]
            assert len(arrows) == len(parsed(drawing).edges)
            check_arrows(drawing)


def check_arrows(drawing: Drawing) -> None:
    """No arrow runs behind a box that is not one of its ends, nor from one pass to the other."""
    boxes = {item.identifier: item.items[0] for item in drawing.scene.items
             if isinstance(item, Group) and item.identifier}
    curves = [item for item in drawing.scene.items if isinstance(item, Curve)]
    t = np.linspace(0, 1, 7)[:, np.newaxis]
    names, shapes = list(boxes), [box for box in boxes.values() if isinstance(box, Shape)]
    centres = np.array([(box.x, box.y) for box in shapes])
    halves = np.array([(box.width / 2, box.height / 2) for box in shapes])
    for curve in curves:
        ends = []
        for x, y in (curve.points[0], curve.points[-1]):
            distance = np.max(np.abs(np.array((x, y)) - centres) - halves, axis=1)
            ends.append(names[int(np.argmin(distance))])
            assert distance.min() < 2.0, "an arrow hangs in the air"
        assert ends[1][0] in {"v": "gpf", "g": "gpf", "p": "g", "t": "tof", "o": "t", "f": "tofgp"}[ends[0][0]], ends
        corners = np.array(curve.points)
        for k in range(0, len(corners) - 1, 3):
            a, b, c, d = corners[k:k + 4]
            points = (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t * t * c + t ** 3 * d
            inside = np.all(np.abs(points[:, np.newaxis] - centres) < halves - 1.5, axis=2).any(axis=0)
            assert {names[i] for i in np.flatnonzero(inside)} <= set(ends), ends


def test_values_of_the_forward_pass_are_named_where_the_backward_pass_uses_them(layout: str) -> None:
    drawing = draw_graph(PlanarClassifier(), X, Y, backward=True)
    check_arrows(drawing)
    crossing = [(tail, head) for tail, head in parsed(drawing).edges if tail[0] == "t" and head[0] == "g"]
    brought = [item for item in drawing.scene.items if isinstance(item, Group) and item.identifier[:1] == "v"]
    named = [plain_text(text.line) for group in brought for text in group.items if isinstance(text, Text)]
    assert sorted(named) == ["A[1]", "A[1]", "W[2]", "X", "Y", "ŷ"]
    assert len(crossing) == 7  # the square of A[1] uses it twice
    blue = [item for item in drawing.scene.items if isinstance(item, Curve) and item.colour == "positive"]
    assert len(blue) == 7
    a, b = (Tensor([[1.0, 2.0]], requires_grad=True) for _ in range(2))
    stacked, other = np.concatenate([a, b]), np.concatenate([b, a])  # which formulas do not tell apart
    nameless = draw_graph((stacked * other).sum(), backward=True)
    check_arrows(nameless)
    texts = svg_texts(nameless)
    names = [plain_text(text.line) for item in nameless.scene.items if isinstance(item, Group) and
             item.identifier[:1] == "v" for text in item.items if isinstance(text, Text)]
    assert names and all(name[0] == "t" and texts.count(name) >= 2 for name in names), "in its own box, too"


@pytest.mark.parametrize("kind, tails, expected", [
    ("step back", 3, [["n0"], ["n1"], ["n2"]]), ("step back", 4, [["n0", "n1", "and 2 more values"]]),
    ("folded", 1, [["n0"]]), ("folded", 3, [["n0", "n1", "n2"]]), ("folded", 70, [["n0", "n1", "and 68 more values"]])])
def test_a_box_that_uses_many_values_names_a_few(kind: str, tails: int, expected: list[list[str]]) -> None:
    boxes = [Box(f"t{i}", "step", called=(Run(f"n{i}"),)) for i in range(tails)] + [Box("g1", kind, upward=True)]
    arrows = [Arrow(i, tails) for i in range(tails)]
    diagram = with_values_brought(Diagram("", boxes, [*arrows, arrows[0]]))
    brought = diagram.nodes[tails + 1:]
    assert [[plain_text(label.line) for label in box.labels] for box in brought] == expected
    assert all(box.upward and f"n{i}" in box.tooltip for i, box in enumerate(brought))
    used = [arrow.tail for arrow in diagram.edges]
    assert all(arrow.head == tails for arrow in diagram.edges)
    # One that is used twice has two arrows, unless it stands in a box with others.
    assert used == [tails + 1 + i for i in range(len(brought))] + [tails + 1] * (len(expected[0]) == 1)


def test_from_left_to_right(layout: str) -> None:
    drawing = draw_graph(PlanarClassifier(), X, Y, backward=True, orientation="left-right")
    check_arrows(drawing)
    at = {item.identifier: item.items[0] for item in drawing.scene.items if isinstance(item, Group) and item.identifier}
    for tail, head in parsed(drawing).edges:
        if tail[0] == head[0]:
            assert at[tail].x < at[head].x if tail[0] == "t" else at[tail].x > at[head].x, (tail, head)
    lowest = max(box.y + box.height / 2 for name, box in at.items() if name[0] == "t")
    assert all(box.y - box.height / 2 > lowest for name, box in at.items() if name[0] in "gv")
    for name, box in at.items():
        assert 0 < box.x - box.width / 2 and box.x + box.width / 2 < drawing.scene.width, name
    frames = [item for item in drawing.scene.items if isinstance(item, Shape)]
    headings = [item.items[1] for item in drawing.scene.items if isinstance(item, Group) and not item.identifier
                and isinstance(item.items[-1], Text) and item.items[-1].bold]
    assert len(frames) == len(headings) == 6
    for frame, heading in zip(frames, headings):  # at the top, where no box stands
        assert frame.y - frame.height / 2 < heading.y - 6 and heading.y < frame.y - frame.height / 2 + 20
        assert not [name for name, box in at.items() if abs(box.x - heading.x) < box.width / 2
                    and abs(box.y - heading.y) < box.height / 2], "a box stands on a heading"


@pytest.mark.parametrize("make, layers", [
    (lambda: DeepNetwork([2] * 30 + [1]), (4, 27)), (lambda: DeepNetwork([2] * 9 + [1]), (4, 6)),
    (lambda: nn.Sequential(*[nn.Linear(2, 2) for _ in range(12)]), (4, 9))])
@pytest.mark.parametrize("backward", [False, True])
def test_deep_networks_are_folded_in_the_middle(make: Any, layers: tuple[int, int], backward: bool,
                                                layout: str) -> None:
    model = make()
    output = (model(X) ** 2).sum()
    drawing = draw_graph(output, model=model, backward=backward)
    check_arrows(drawing)
    texts = svg_texts(drawing)
    title = f"layers {layers[0]} to {layers[1]}"
    assert title in texts and any(text.startswith(f"{title} are one box: max_nodes=") for text in texts)
    assert (f"{title}, backward" in texts) == backward
    dot = parsed(drawing)
    [fold] = [name for name, node in dot.nodes.items() if lines(node)[0] == title]
    shown = {lines(node)[0] for node in dot.nodes.values() if node["class"] == "parameter"}
    last = layers[1] + 3
    assert shown == {f"{letter}[{l}]" for letter in "Wb" for l in (1, 2, 3, last - 2, last - 1, last)}
    assert not backward or isinstance(model, nn.Sequential) or "dA[1] * (Z[1] > 0)" in [
        line for node in dot.nodes.values() for line in lines(node)]
    middle = list(model.parameters())[2 * 3:-2 * 3]
    assert f"{sum(parameter.size for parameter in middle)} parameters" in lines(dot.nodes[fold])
    assert drawing.scene.height < 3200
    whole = draw_graph(output, model=model, backward=backward, max_nodes=10_000)
    assert not any("one box" in text for text in svg_texts(whole))
    check_recorded(output, draw_graph(output, model=model, max_nodes=10_000))


def test_layers_that_do_not_follow_one_another_are_not_folded(layout: str) -> None:
    """By their names the fourth to the seventh are in the middle, but one box for them would depend on itself."""
    A = Tensor(np.ones((2, 3)), name="X")
    for layer in (1, 8, 2, 9, 4, 3, 5, 7, 6, 10):
        W, b = (Tensor(np.ones(shape), requires_grad=True, name=f"{letter}{layer}")
                for letter, shape in (("W", (2, 2)), ("b", (2, 1))))
        A = (W @ A + b).tanh()
    drawing = draw_graph(A.sum(), backward=True)
    assert not any("folded" in node["class"] or "layers" in lines(node)[0] for node in parsed(drawing).nodes.values())
    check_arrows(drawing)


def test_a_network_that_is_not_deep_is_not_folded() -> None:
    drawing = draw_graph(DeepNetwork([2] * 8 + [1]), X, Y)
    assert "folded" not in {node["class"] for node in parsed(drawing).nodes.values()}


@pytest.mark.parametrize("make, written", [
    (lambda x, y: x - (y - x), "x − (y − x)"), (lambda x, y: (x - y) - x, "x − y − x"),
    (lambda x, y: x / (y * x), "x / (y * x)"), (lambda x, y: (x ** 2) ** y, "(x ** 2) ** y"),
    (lambda x, y: (x * y) ** 2, "(x * y) ** 2"), (lambda x, y: -(x + y), "−(x + y)"),
    (lambda x, y: nn.tanh(x * y) + 1, "tanh(x * y) + 1"), (lambda x, y: np.exp(x) * np.log(y), "exp(x) * log(y)"),
    (lambda x, y: 1 / (1 + x), "1 / (1 + x)"), (lambda x, y: nn.sigmoid(x), "sigmoid(x)"),
    (lambda x, y: (x + y).sum(), "sum(x + y)"), (lambda x, y: x.sum(axis=0), "sum(x, axis=0)")])
def test_operations_show_their_formula(make: Any, written: str) -> None:
    x, y = (Tensor(np.array([1.0, 2.0]), requires_grad=True, name=name) for name in "xy")
    dot = parsed(draw_graph(make(x, y)))
    assert lines(list(dot.nodes.values())[-1])[1] == written


def test_one_number_needs_no_shape() -> None:
    x = Tensor(2.0, requires_grad=True, name="x")
    small = Tensor(np.float32(2.0), requires_grad=True, name="s")
    assert not [text for text in svg_texts(draw_graph(x * 2, backward=True)) if "()" in text or "float64" in text]
    assert "float32" in svg_texts(draw_graph(small * small)) and "(2,) float64" in svg_texts(draw_graph(
        Tensor([1.0, 2.0], requires_grad=True) * 2))


def test_full_style_draws_operations_by_themselves() -> None:
    J = PlanarClassifier().cost(X, Y)
    compact, full = parsed(draw_graph(J)), parsed(draw_graph(J, style="full"))
    operations = {name for name in full.nodes if name.startswith("o")}
    assert set(full.nodes) - operations == set(compact.nodes)
    without = [(tail, head.replace("o", "t")) for tail, head in full.edges if tail not in operations]
    assert without == compact.edges
    assert {(tail, head) for tail, head in full.edges if tail in operations} == {
        (name, name.replace("o", "t")) for name in operations}


def test_several_outputs() -> None:
    x = Tensor([1.0], requires_grad=True, name="x")
    y, z = x * 2, x + 1
    dot = parsed(draw_graph(y, z, x))
    assert Counter(node["class"] for node in dot.nodes.values()) == {
        "cost": 2, "constant": 2, "parameter": 1}
    assert len(parsed(draw_graph(y, y)).nodes) == 3


def test_the_same_model_gives_the_same_text_twice(layout: str) -> None:
    def drawing() -> Drawing:
        return draw_graph(DeepNetwork([4, 3, 2, 1]), np.ones((4, 5)), np.ones((1, 5)), backward=True, values=True,
                          gradients=True, saved=True)
    a, b = drawing(), drawing()
    assert a.source == b.source and a.svg() == b.svg()


# --- values, gradients, the backward pass ------------------------------------------------------------------

def test_values_and_gradients_agree_with_the_tensors() -> None:
    model = PlanarClassifier()
    J = model.cost(X, Y)
    drawing = draw_graph(J, values=True, gradients=True)
    J.backward()
    dot = parsed(drawing)
    for name, tensor in check_recorded(J, drawing).items():
        shown = lines(dot.nodes[name])
        before, _, after = "\n".join(shown).partition("\ngradient\n")
        for array, text in ((tensor.numpy(), before), (tensor.grad, after)):
            if array is None:
                assert text == ""
            elif array.size > 16:
                assert f"min {number(array.min())}\nmean {number(array.mean())}\nmax {number(array.max())}" in text
            else:
                rows = ["".join(number(value) for value in row) for row in np.atleast_2d(array)]
                assert [line.replace(" ", "") for line in text.split("\n")][-len(rows):] == rows


def test_the_backward_graph_of_the_planar_model(layout: str) -> None:
    model = PlanarClassifier()
    J = model.cost(X, Y)
    drawing = draw_graph(J, backward=True, values=True)
    meaning = "dT is the derivative of the cost with respect to T"
    assert meaning in drawing.svg() and meaning not in draw_graph(J).svg()
    dot = parsed(drawing)
    shown = {name: lines(node) for name, node in dot.nodes.items()}
    by_name = {line: name for name, text in shown.items() for line in text[:2] if re.match(r"d?[WbZAJ]", line)}
    forward = {name for name in dot.nodes if name.startswith("t")}
    assert {name: node["class"] for name, node in dot.nodes.items() if name in forward} == {
        name: node["class"] for name, node in parsed(draw_graph(J)).nodes.items()}
    assert {edge for edge in dot.edges if edge[1] in forward} == set(parsed(draw_graph(J)).edges)
    assert all(node["style"] == "filled,dashed" for node in dot.nodes.values() if node["class"] == "step-back")
    # The gradients in the picture are those of the closed form.
    for name, gradient in model.closed_form(X, Y).items():
        node = by_name[f"d{name[0]}[{name[1]}]"]
        assert dot.nodes[node]["class"] == "parameter-gradient"
        text = " ".join(shown[node]).replace("−", "-")
        numbers = [float(part) for part in re.findall(r"(?<![\w\[(])-?\d[\d.]*(?:e-?\d+)?(?![\w,\])])", text)]
        assert numbers == pytest.approx(gradient.reshape(-1).tolist(), rel=1e-4)
    # The course's formulas, and what they are computed from.
    formulas = {name: text[2] for name, text in shown.items() if len(text) > 2}
    assert formulas[by_name["dZ[2]"]] == "(ŷ − Y) * (dJ / 400)"
    assert formulas[by_name["dW[2]"]] == "dZ[2] A[1]^T"
    assert formulas[by_name["dZ[1]"]] == "dA[1] * (1 − A[1] * A[1])"
    tails = {head: {tail for tail, to in dot.edges if to == head} for head in dot.nodes}
    assert by_name["dZ[1]"] in tails[by_name["dW[1]"]] and by_name["dZ[1]"] in tails[by_name["db[1]"]]
    assert by_name["dA[1]"] in tails[by_name["dZ[1]"]] and by_name["dZ[2]"] in tails[by_name["dA[1]"]]
    arity = {"multiply": 2, "divide": 2, "subtract": 2, "matmul": 2, "transpose": 1, "sum": 1, "add": 2}
    incoming = Counter(head for _, head in dot.edges)
    for name in set(dot.nodes) - forward:
        if shown[name][0] in arity:
            assert incoming[name] == arity[shown[name][0]], name
    # Beside each other: the forward pass to the left; the one goes down, the other one up.
    centres = {}
    for group in ElementTree.fromstring(drawing.svg()).iter("{http://www.w3.org/2000/svg}g"):
        if "id" in group.attrib:
            text = next(group.iter("{http://www.w3.org/2000/svg}text"))
            centres[group.attrib["id"]] = float(text.attrib["x"]), float(text.attrib["y"])
    assert max(centres[name][0] for name in forward) < min(x for name, (x, _) in centres.items()
                                                           if name not in forward)
    for tail, head in dot.edges:
        if (tail in forward) == (head in forward):
            assert (centres[tail][1] < centres[head][1]) == (head in forward)


@pytest.mark.parametrize("model", [LogisticRegression(2), TwoLayerNetwork(2, 3, 1), DeepNetwork([2, 3, 2, 1])],
                         ids=lambda model: type(model).__name__)
def test_every_model(model: Any, layout: str) -> None:
    for options in ({}, {"backward": True, "values": True, "gradients": True, "saved": True, "colour": "gradient"}):
        drawing = draw_graph(model, X, Y, **options)
        texts = svg_texts(drawing)
        assert {"Z", "ŷ", "J", "X", "Y"} <= set(texts) and type(model).__name__ in " ".join(texts)


def test_weights_of_images_are_shown_as_images() -> None:
    model, X = DeepNetwork([5 * 5 * 3, 8, 1]), np.ones((75, 4))
    drawing = draw_graph(model, X, values=True)
    images = list(ElementTree.fromstring(drawing.svg()).iter("{http://www.w3.org/2000/svg}image"))
    assert len(images) == 6 and "weights of 6 of 8 units:" in svg_texts(drawing)
    pixels, size = thumbnails(model.layers[0].W.numpy())
    assert len(pixels) == 6 and pixels[0].shape == (5, 5, 3) and size[0] == size[1]
    pixels, _ = thumbnails(np.diag([1.0, -1.0, 0.0, np.nan] * 2))
    assert [tuple(pixels[0][i, i]) for i in range(4)] == [(0, 114, 178), (213, 94, 0), (255, 255, 255), (220, 0, 0)]
    assert thumbnails(np.ones((2, 3))) == ([], (0.0, 0.0))


def test_gradients_of_several_outputs_are_those_that_backward_left() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    y = x * 3
    with pytest.raises(InputError, match=r"showing gradients needs one output that is a single number.*\(2,\)"):
        draw_graph(y, gradients=True)
    with pytest.raises(InputError, match="backward=True needs one output"):
        draw_graph(y, backward=True)
    y.backward([1.0, 10.0])
    assert lines(parsed(draw_graph(y, gradients=True)).nodes["t1"])[-1].split() == ["3", "30"]


def test_saved_values() -> None:
    J = TwoLayerNetwork(2, 3, 1).cost(X, Y)
    saved = {text[0]: text[-1] for text in map(lines, parsed(draw_graph(J, saved=True)).nodes.values())}
    assert saved["relu"] == "VJP keeps Z[1]"
    assert saved["matmul"] == "VJP keeps W[2], A[1]"
    assert saved["sigmoid"] == "VJP keeps ŷ"
    assert saved["binary_cross_entropy"] == "VJP keeps ŷ, Y"
    assert "keeps" not in saved["add"]
    x = Tensor([[1.0, 2.0]], requires_grad=True, name="x")
    for y, expected in ((x.tanh(), "its result"), (x.reshape(2), None), (x.sum(), None), (x * x, "x"),
                        (np.concatenate([x, x]), None), (x / 2, "2"), (x.max(), "x, its result")):
        text = lines(parsed(draw_graph(y, saved=True)).nodes[f"t{3 if expected == '2' else 2}"])[-1]
        assert text == f"VJP keeps {expected}" if expected else "keeps" not in text


# --- what is wrong is seen ---------------------------------------------------------------------------------

def test_dead_and_saturated_units(layout: str) -> None:
    Z = Tensor([[-1.0, -2.0], [1.0, -1.0], [9.0, -9.0]], requires_grad=True)
    assert "1 of 3 units dead" in svg_texts(draw_graph(Z.relu()))
    assert "1 of 3 units saturated" in svg_texts(draw_graph(Z.sigmoid()))
    assert "1 of 3 units saturated" in svg_texts(draw_graph(Z.tanh()))
    assert "saturated: within 0.1 of a limit for every example" in svg_texts(draw_graph(Z.tanh(), saturation=0.1))
    assert "3 of 3 units saturated" in svg_texts(draw_graph(Z.tanh(), saturation=0.3))
    assert "3 of 3 units saturated" in svg_texts(draw_graph((Z * 3).tanh()))
    assert not any("units" in text for text in svg_texts(draw_graph((Z * 0.1).tanh())))


def test_nan_and_infinity_in_red(layout: str) -> None:
    x = Tensor([0.0, 1.0, np.nan], requires_grad=True, name="x")
    with detect_anomaly():  # a picture of what went wrong must not be stopped by it
        pass
    y = np.log(x).sum()
    drawing = draw_graph(y, gradients=True, backward=True)
    nodes = parsed(drawing).nodes
    assert {name for name in ("t1", "t2", "t3") if nodes[name].get("color") == "#b91c1c"} == {"t1", "t2", "t3"}
    texts = svg_texts(drawing)
    assert "1 NaN, 1 infinite" in texts and "gradient: 1 NaN, 1 infinite" in texts
    assert 'stroke="#b91c1c" stroke-width="2"' in drawing.svg()
    assert "#b91c1c" not in draw_graph(Tensor(1.0, requires_grad=True) * 2).svg()
    with detect_anomaly():
        draw_graph(y, gradients=True, backward=True)


def test_the_colour_of_operations_tells_their_gradients_norm() -> None:
    x = Tensor([1.0], requires_grad=True, name="x")
    drawing = draw_graph(((x * 1000) * 0.001).sum(), colour="gradient")
    colours = [node["fillcolor"] for node in parsed(drawing).nodes.values() if node["class"] in ("step", "cost")]
    darkness = [sum(int(colour[i:i + 2], 16) for i in (1, 3, 5)) for colour in colours]
    assert darkness[0] > darkness[1] == darkness[2]
    assert "from 0.001 (pale) to 1 (dark); grey: none" in " ".join(svg_texts(drawing))


# --- Modules -----------------------------------------------------------------------------------------------

def test_one_cluster_for_each_module_nested(layout: str) -> None:
    inner = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
    model = nn.Sequential(inner, nn.Linear(3, 1), nn.Sigmoid())
    drawing = draw_graph(model, X)
    dot = parsed(drawing)
    depths = Counter((re.match(r"\w+", dot.labels[cluster])[0], len(around))  # type: ignore[index]
                     for cluster, around in dot.clusters.items())
    assert depths == {("Sequential", 0): 1, ("Sequential", 1): 1, ("Linear", 2): 1, ("Tanh", 2): 1, ("Linear", 1): 1,
                      ("Sigmoid", 1): 1}
    for name, node in dot.nodes.items():
        if lines(node)[0] == "tanh":
            assert dot.labels[dot.cluster_of[name]] == "Tanh()"
        if node["class"] == "parameter":
            assert dot.labels[dot.cluster_of[name]].startswith("Linear")
        assert (name in dot.cluster_of) == (node["class"] != "input")
    assert len([text for text in svg_texts(drawing) if re.match("Sequential|Linear|Tanh|Sigmoid", text)]) == 6


def test_a_module_called_twice_has_two_clusters() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            self.layer = nn.Linear(2, 2)

        def forward(self, X: Any) -> Tensor:
            return self.layer(nn.tanh(self.layer(X)))
    dot = parsed(draw_graph(Twice(), X))
    assert sorted(len(around) for around in dot.clusters.values()) == [0, 1, 1]
    [outermost] = [cluster for cluster, around in dot.clusters.items() if not around]
    assert {dot.cluster_of[name] for name, node in dot.nodes.items() if node["class"] == "parameter"} == {outermost}


def test_what_other_threads_compute_meanwhile_is_not_drawn() -> None:
    inside, done = threading.Event(), threading.Event()

    class Slow(nn.Module):
        def forward(self, X: Any) -> Tensor:
            inside.set()
            assert done.wait(10)
            return nn.tanh(X)

    class Model(nn.Module):
        def __init__(self) -> None:
            self.layer = nn.Linear(2, 1)

        def forward(self, X: Any) -> Tensor:
            other = threading.Thread(target=Slow(), args=(X,))
            other.start()
            assert inside.wait(10)
            Z = self.layer(X)
            done.set()
            other.join()
            return Z
    dot = parsed(draw_graph(Model(), X))
    assert sorted(dot.labels.values()) == ["Linear(n_in=2, n_out=1)", "Model()"]


def test_clusters_of_a_graph_that_was_recorded_before() -> None:
    model = PlanarClassifier()
    J = model.cost(X, Y)
    dot = parsed(draw_graph(J, model=model))
    assert sorted((dot.labels[cluster], len(around)) for cluster, around in dot.clusters.items()) == [
        ("Linear(n_in=2, n_out=4)", 1), ("Linear(n_in=4, n_out=1)", 1),
        ("PlanarClassifier(n_x=2, n_h=4, n_y=1)", 0)]
    with pytest.raises(InputError, match="has no parameter in this graph"):
        draw_graph(J, model=PlanarClassifier())


def test_the_model_runs_as_it_was(layout: str) -> None:
    class Failing(nn.Module):
        def forward(self, X: Any) -> Tensor:
            raise RuntimeError("stop")
    original = nn.Module.__call__
    with pytest.raises(RuntimeError):
        draw_graph(Failing(), X)
    assert nn.Module.__call__ is original and not mode.now.observers and mode.now.recording

    class Noisy(nn.Module):
        def forward(self, X: Any) -> Tensor:
            return Tensor(np.random.randn(1, 2), requires_grad=True) @ X
    np.random.seed(3)
    draw_graph(Noisy(), X)
    assert np.random.randn() == np.random.RandomState(3).randn()
    with no_grad():
        draw_graph(PlanarClassifier(), X)
        assert not mode.now.recording
    assert nn.Module.__call__ is original and not mode.now.observers and mode.now.recording


def test_depth() -> None:
    model = nn.Sequential(nn.Sequential(nn.Linear(2, 3), nn.Tanh()), nn.Linear(3, 1))
    counts = {}
    for depth in (0, 1, 2, 3, None):
        dot = parsed(draw_graph(model, X, depth=depth))
        counts[depth] = len(dot.nodes), len(dot.clusters)
    # X and the model; its two parts; X, Linear, tanh and the four boxes of the last Linear; everything
    assert counts == {0: (2, 0), 1: (3, 1), 2: (7, 3), 3: (10, 5), None: (10, 5)}
    assert "tanh" in {lines(node)[0] for node in parsed(draw_graph(model, X, depth=2)).nodes.values()}
    dot = parsed(draw_graph(model, X, depth=1))
    [(_, first), (then, last)] = dot.edges
    assert first == then and "9 parameters" in lines(dot.nodes[first]) and "4 parameters" in lines(dot.nodes[last])
    both = parsed(draw_graph(PlanarClassifier(), X, Y, depth=1, backward=True))
    assert Counter(node["class"] for node in both.nodes.values())["folded"] == 4


def test_a_graph_that_is_too_large_is_folded_and_says_so(layout: str) -> None:
    x = Tensor([0.5], requires_grad=True, name="x")
    y = x
    for _ in range(1000):
        y = (y * x).tanh()
    for options in ({}, {"backward": True}, {"values": True, "gradients": True}):
        drawing = draw_graph(y.sum(), **options)  # type: ignore[arg-type]
        texts = svg_texts(drawing)
        assert len(parsed(drawing).nodes) < 60
        assert "boxes are too many to read: steps in a row are folded" in " ".join(texts)
    whole = draw_graph(y.sum(), max_nodes=2002)
    assert len(parsed(whole).nodes) == 2002 and "too many for the program dot" in whole.layout_used or layout != "dot"
    assert not any("too many to read" in text for text in svg_texts(whole))
    model = DeepNetwork([2] * 60 + [1])
    drawing = draw_graph(model, X, Y)
    assert "layers 4 to 57 are one box: max_nodes=303 shows all" in svg_texts(drawing)
    drawing = draw_graph(model, X, Y, max_nodes=200)
    assert "Modules are folded below depth 1" in " ".join(svg_texts(drawing))
    assert sum("Linear" in text for text in svg_texts(drawing)) == 60


# --- nothing changes ---------------------------------------------------------------------------------------

EVERYTHING: dict[str, Any] = {"backward": True, "values": True, "gradients": True, "saved": True, "colour": "gradient"}


def test_training_goes_on_as_if_nothing_had_been_drawn() -> None:
    drawn, other = PlanarClassifier(), PlanarClassifier()
    for _ in range(3):
        for model in (drawn, other):
            np.random.seed(7)
            if model is drawn:
                draw_graph(model, X, Y, **EVERYTHING).svg()
            J = model.cost(X, Y)
            if model is drawn:
                draw_graph(J, model=model, **EVERYTHING).svg()
            J.backward()
            if model is drawn:
                draw_graph(J, **EVERYTHING).svg()
            for parameter in model.parameters():
                parameter.data -= 1.2 * parameter.grad
            model.zero_grad()
            fit(model, X, Y, iterations=3, learning_rate=1.2)
            assert np.random.randn() == np.random.RandomState(7).randn()
    for name, value in drawn.state_dict().items():
        assert value.tobytes() == other.state_dict()[name].tobytes(), name


def test_no_attribute_of_any_tensor_changes() -> None:
    model = PlanarClassifier()
    inputs = Tensor(X), Tensor(Y)

    def state() -> list[Any]:
        return [(t._data is array, t._data.flags.writeable, t._data.tobytes(), id(t.grad), t._user,
                 t._differentiated, t.name, t.requires_grad, t.op) for t, array in known]
    known = [(t, t._data) for t in (*model.parameters(), *inputs)]
    fresh = state()
    draw_graph(model, *inputs, **EVERYTHING).svg()
    assert state() == fresh and all(t._data.flags.writeable for t in model.parameters())

    J = model.cost(*inputs)
    todo = [J]
    for tensor in todo:
        todo += tensor.parents
        known.append((tensor, tensor._data))
    recorded = state()
    draw_graph(J, **EVERYTHING).svg()
    draw_graph(J, model=model, style="full").svg()
    assert state() == recorded and all(t.grad is None for t, _ in known)
    with pytest.raises(ValueError, match="read-only"):  # the graph still holds these values
        model.layers[0].W.data[0] = 1
    J.backward()
    differentiated = [id(t.grad) for t, _ in known]
    draw_graph(J, **EVERYTHING).svg()
    assert [id(t.grad) for t, _ in known] == differentiated
    model.layers[0].W.data[0] = 1


def test_a_drawing_keeps_no_graph_alive() -> None:
    import weakref
    J = PlanarClassifier().cost(X, Y)
    alive = weakref.ref(J)
    drawing = draw_graph(J, **EVERYTHING)
    del J
    assert alive() is None
    drawing.svg()


# --- users' text, and bad input ----------------------------------------------------------------------------

NAMES = ["<b>", "<b>x</b>", "a:b", "a:b:c", "{x|y}", '"', 'say "x"', "\\", "\\\\", "\\n", "\\N", "a\nb", "重み", "وزن",
         "ŷ", "🙂", "\x00", "\ud800", "x" * 10_000, "-> ]", "node", "graph", "", " ", "$x$", "&amp;", "t1", "%s", "{0}"]


@pytest.mark.parametrize("name", NAMES)
def test_any_name(name: str, layout: str) -> None:
    x = Tensor([1.0], requires_grad=True, name=name)
    y = (x * 2).sum()
    drawing = draw_graph(y, backward=True)
    dot = parsed(drawing)
    assert set(dot.nodes) >= {"t1", "t2", "t3", "t4"} and dot.edges[:3] == [("t1", "t3"), ("t2", "t3"), ("t3", "t4")]
    if name.isprintable() and name.strip() and len(name) < 40:
        assert lines(dot.nodes["t1"])[0] == name
        assert name.split() == svg_texts(drawing)[1].split() or name in svg_texts(drawing)
    for text in svg_texts(drawing):
        assert len(text) < 100
    if layout == "dot" and "\x00" not in name and "\ud800" not in name:
        assert drawing.digraph.pipe("plain", encoding="utf-8").count("node ") >= len(dot.nodes)  # Graphviz reads it


def test_names_of_modules_are_escaped(layout: str) -> None:
    class Odd(nn.Sequential):
        def __repr__(self) -> str:
            return '<Odd "x" \\ & {a|b}>' + "y" * 1000
    drawing = draw_graph(Odd(nn.Linear(2, 1)), X)
    assert any(text.startswith(('<Odd "x" \\ & {a|b}>', "Odd")) for text in svg_texts(drawing))


@pytest.mark.parametrize("given, message", [
    (lambda: draw_graph(), "nothing was given"),
    (lambda: draw_graph(Tensor([1.0], requires_grad=True, name="W")), "W has no graph: it was not computed"),
    (lambda: draw_graph(Tensor([1.0]) + 1), "has no graph: nothing that it was computed from"),
    (lambda: draw_graph(np.ones(3)), "ndarray was given, but a Tensor"),
    (lambda: draw_graph("x"), "str was given"),
    (lambda: draw_graph(PlanarClassifier()), "0 arrays were given"),
    (lambda: draw_graph(PlanarClassifier(), X, Y, X), "3 arrays were given"),
    (lambda: draw_graph(PlanarClassifier(), X.T), "columns of W1 must equal rows"),
    (lambda: draw_graph(J0, style="round"), "style 'round' is unknown; there are compact, full"),
    (lambda: draw_graph(J0, colour="red"), "colour 'red' is unknown; there are kind, gradient"),
    (lambda: draw_graph(J0, orientation="up"), "orientation 'up' is unknown; there are top-down, left-right"),
    (lambda: draw_graph(J0, depth=-1), "depth must be a whole number from 0, but is -1"),
    (lambda: draw_graph(J0, depth=1.5), "depth must be a whole number"),  # type: ignore[arg-type]
    (lambda: draw_graph(J0, max_nodes=0), "max_nodes must be a whole number from 1"),
    (lambda: draw_graph(J0, saturation=0.7), "saturation must be a number from 0 to 0.5"),
    (lambda: draw_graph(J0, model="m"), "model is str; a Module is needed"),  # type: ignore[arg-type]
])
def test_bad_input(given: Any, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        given()


J0 = (Tensor([1.0], requires_grad=True) * 2).sum()


def test_a_tensor_computed_under_no_grad_has_no_graph() -> None:
    with no_grad():
        y = Tensor([1.0], requires_grad=True).sigmoid()
    with pytest.raises(InputError, match="no graph"):
        draw_graph(y)


def test_higher_gradients_are_graphs_too(layout: str) -> None:
    x = Tensor(2.0, requires_grad=True, name="x")
    second = grad(grad(x ** 3, x, create_graph=True), x, create_graph=True)
    check_recorded(second, draw_graph(second))
    draw_graph(second, backward=True, values=True).svg()


def test_a_model_with_a_cost_that_is_given() -> None:
    model = nn.Sequential(nn.Linear(2, 1), nn.Sigmoid())
    X, Y = np.ones((2, 3)), np.ones((1, 3))
    drawn, by_hand = draw_graph(model, X, Y, cost="binary_cross_entropy"), draw_graph(
        nn.binary_cross_entropy(model(X), Y), model=model)
    assert drawn.digraph.source.count("->") == by_hand.digraph.source.count("->") > draw_graph(
        model, X).digraph.source.count("->")
    with pytest.raises(InputError, match="there is no cost"):
        draw_graph(model, X, Y, cost="bce_loss_of_mine")
