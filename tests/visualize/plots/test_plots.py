"""Plots: what they say, that all of it can be read, that they show the right numbers, and what they refuse."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image

from tinygrad_course import InputError, Tensor, accuracy, data, fit, nn, predict
from tinygrad_course.compare import compare_gradients
from tinygrad_course.course.exercises import EXERCISES
from tinygrad_course.data.images import PLANAR_SEEDS
from tinygrad_course.models import DeepNetwork, LogisticRegression, PlanarClassifier, TwoLayerNetwork
from tinygrad_course.training import History
from tinygrad_course.visualize import plots
from tinygrad_course.visualize.plots.figure import DPI, Plot, STYLE
from tinygrad_course.visualize.plots.style import INK, MUTED
from tinygrad_course.visualize.scene.palette import CLASS

X, Y = data.planar()
NAN = float("nan")
SHAPES: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((3,), ()), ((4, 3), (3,)), ((4, 1), (3,)), ((1,), (1,)), ((), ()), ((7, 209), (7, 1)), ((7, 12288), (12288,)),
    ((15, 3, 5), (15, 1, 5)), ((3, 1, 1), (4, 5)), ((2, 3, 4), (3, 1)), ((9, 9, 9), (9, 9, 1)), ((5, 1, 1), (1, 1))]
MISMATCHED: list[tuple[tuple[int, ...], tuple[int, ...]]] = [((3,), (4,)), ((2, 1), (8, 4, 3)), ((2, 3), (4, 5))]
HOSTILE = "_кот 猫 \"<b>&$x^ \\frac{ a_very_long_name_without_end_" + "x" * 60 + "\x00\udc80\n"


class Images:
    """Small images, so that models are small: 12 pixels wide, those of the stand-ins, thinned out."""

    def __init__(self) -> None:
        full = data.stand_in()
        train, test = full.images_train[:80, ::5, ::5][:, :12, :12], full.images_test[:, ::5, ::5][:, :12, :12]
        self.dataset = data.Dataset(
            X_train=train.reshape(80, -1).T / 255, Y_train=full.Y_train[:, :80], X_test=test.reshape(50, -1).T / 255,
            Y_test=full.Y_test, classes=full.classes, num_px=12, images_train=train, images_test=test,
            source="test", stand_in=True)
        self.model = LogisticRegression(432)
        fit(self.model, self.dataset.X_train, self.dataset.Y_train, iterations=100, learning_rate=0.02)


@pytest.fixture(scope="module")
def images() -> Images:
    return Images()


@pytest.fixture(scope="module")
def flower() -> PlanarClassifier:
    model = PlanarClassifier()
    fit(model, X, Y, iterations=500, learning_rate=1.2)
    return model


@pytest.fixture(scope="module")
def photo(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "my cat $1.png"
    Image.fromarray(images.dataset.images_test[3]).resize((90, 50)).save(path)
    return path


def renamed(dataset: data.Dataset, *classes: str) -> data.Dataset:
    return data.Dataset(**{**vars(dataset), "classes": classes})


def three_classes() -> tuple[nn.Sequential, Any, Any]:
    random = np.random.RandomState(0)
    points = random.randn(2, 90) + np.repeat([[0, 3, 6], [0, 4, 0]], 30, axis=1)
    model = nn.Sequential(nn.Linear(2, 6, random=random), nn.Tanh(), nn.Linear(6, 3, random=random), nn.Softmax())
    one_hot = np.eye(3)[:, np.repeat([0, 1, 2], 30)]
    fit(model, points, one_hot, iterations=200, learning_rate=0.5, cost=nn.cross_entropy)
    return model, points, one_hot


def norms_of(model: nn.Module, X: Any, Y: Any) -> plots.GradientNorms:
    norms = plots.GradientNorms()
    fit(model, X, Y, iterations=30, learning_rate=0.1, callback=norms)
    return norms


@pytest.fixture(scope="module")
def drawn(images: Images, flower: PlanarClassifier, photo: Path) -> dict[str, Plot]:
    """Every kind of plot, also with names that are hard to draw."""
    runs = [fit(PlanarClassifier(), X, Y, iterations=60, learning_rate=rate) for rate in (0.5, 1.2, 2.0)]
    long_name = shutil.copy(photo, photo.with_name("a photograph $ with a name that goes on and on.png"))
    made = {
        "cost": plots.plot_costs(runs[1], course="planar"),
        "one cost": plots.plot_costs(History(costs={0: 0.7}, iterations=1), course="planar", log=True),
        "costs": plots.plot_costs(runs, log=True),
        "costs of twelve": plots.plot_costs({f"{i} {HOSTILE}": runs[1] for i in range(12)}),
        "costs that fall far": plots.plot_costs({"a": History(costs={i: 10.0 ** -i for i in range(30)})}, log=True),
        "boundary": plots.plot_decision_boundary(flower, X, Y, resolution=100),
        "boundary of three": plots.plot_decision_boundary(*three_classes(), resolution=100),
        "boundary far": plots.plot_decision_boundary(flower, X * [[1e6], [1e-6]], Y, resolution=50),
        "planar sets": plots.plot_planar_sets(),
        "hidden sizes": plots.plot_hidden_sizes(X, Y, iterations=3),
        "hidden size": plots.plot_hidden_sizes(X, Y, models={4: flower}),
        "weights": plots.plot_weights(TwoLayerNetwork(432, 7, 1), num_px=12),
        "weights of one": plots.plot_weights(images.model, num_px=12),
        "weights of many": plots.plot_weights(DeepNetwork([432, 30, 1]), num_px=12),
        "mislabelled": plots.plot_mislabelled(images.model, images.dataset),
        "mislabelled hostile": plots.plot_mislabelled(images.model, renamed(images.dataset, HOSTILE, "猫" * 40)),
        "picture": plots.plot_picture(images.model, photo, num_px=12),
        "picture hostile": plots.plot_picture(images.model, long_name, (HOSTILE, HOSTILE), num_px=12),
        "norms": plots.plot_gradient_norms(norms_of(DeepNetwork([2, 4, 3, 1]), X, Y)),
        "norms with zero": plots.plot_gradient_norms({HOSTILE: {0: 0.0, 1: 0.0}, "b": {0: 1.0, 1: 1e-7}}),
        "gradient errors": plots.plot_gradient_errors(compare_gradients(DeepNetwork([2, 4, 3, 1]), X, Y)),
        "norms of zero": plots.plot_gradient_norms({"a": {0: 0.0, 1: 0.0}}),
    }
    return made | {f"broadcasting {a} {b}": plots.plot_broadcasting(a, b) for a, b in SHAPES + MISMATCHED}


def texts_as_drawn(plot: Plot) -> list[tuple[str, Bbox, Text]]:
    """What stands in the picture, and where, in pixels."""
    found: dict[int, tuple[str, Bbox, Text]] = {}  # matplotlib draws once more beforehand, to reckon the layout
    original = Text.draw

    def draw(self: Text, renderer: Any) -> None:
        original(self, renderer)
        if self.get_visible() and self.get_text().strip():
            found[id(self)] = self.get_text(), self.get_window_extent(renderer), self

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Text, "draw", draw)
        plot.rendered("png")
    return list(found.values())


# ------------------------------------------------------------------------------------- what all of them have


def test_every_plot_has_a_title_names_on_its_axes_and_an_alternative_text(drawn: dict[str, Plot]) -> None:
    assert all(isinstance(plot, Figure) for plot in drawn.values())
    for name, plot in drawn.items():
        assert plot.title and plot.get_suptitle(), name
        assert len(plot.alt) > 40 and plot.alt[-1] == "." or "broadcasting" in name, (name, plot.alt)
        assert plot.alt.isprintable(), name
        if "broadcasting" in name:
            for i in range(1, max(len(axes) for axes in re.findall(r"\([\d, ]*\)", name)) // 4 + 1):
                assert f"axis -{i}" in " ".join(text.get_text() for text in plot.findobj(Text)), name
            continue
        for axes in plot.axes:
            if axes.get_visible() and axes.axison:
                assert axes.get_xlabel() or plot.get_supxlabel() or axes.get_ylabel() == "weight", name
                assert axes.get_ylabel() or plot.get_supylabel(), name


@pytest.mark.slow
def test_nothing_is_cut_off_and_no_text_lies_on_another(drawn: dict[str, Plot]) -> None:
    wrong = []
    for name, plot in drawn.items():
        texts = texts_as_drawn(plot)
        assert len(texts) > 3, name
        width, height = plot.get_size_inches() * DPI
        wrong += [(name, text) for text, box, _ in texts
                  if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height]
        for (one, box, artist), (other, there, neighbour) in combinations(texts, 2):
            # The box of a slanted name is mostly empty.
            shared = Bbox.intersection(box, there)
            if shared is not None and min(shared.width, shared.height) > 1.5 and all(
                    text.get_rotation() in (0, 90) for text in (artist, neighbour)):
                wrong.append((name, f"{one} on {other}"))
    assert not wrong


@pytest.mark.slow
def test_files_carry_title_and_alternative_text(drawn: dict[str, Plot], tmp_path: Path) -> None:
    for name in ("costs of twelve", "boundary", "mislabelled hostile", "broadcasting (4, 3) (3,)"):
        plot = drawn[name]
        for ending in ("png", "svg", "PDF"):
            plot.write(tmp_path / f"plot.{ending}")
        with Image.open(tmp_path / "plot.png") as png:
            assert png.text["Description"] == plot.alt and png.text["Title"] == plot.title
            assert png.width > 700
        root = ElementTree.parse(tmp_path / "plot.svg").getroot()
        assert root.get("role") == "img"
        assert [(child.tag.partition("}")[2], child.text) for child in root][:2] == [
            ("title", plot.title), ("desc", plot.alt)]
        assert (tmp_path / "plot.PDF").read_bytes().startswith(b"%PDF")


def test_a_notebook_stores_it_once_and_it_follows_the_page(drawn: dict[str, Plot]) -> None:
    """One picture with its alternative text, in which nothing that stands on the paper has a colour of its own."""
    for name, plot in drawn.items():
        bundle = plot._repr_mimebundle_()
        assert list(bundle) == ["image/svg+xml", "text/plain"]
        svg = bundle["image/svg+xml"]
        root = ElementTree.fromstring(svg[svg.index("<svg"):])
        assert [root.findtext(f"{{http://www.w3.org/2000/svg}}{tag}") for tag in ("title", "desc")] == [
            plot.title, plot.alt]
        body = svg[svg.index("</style>"):]
        for colour in (INK, MUTED, "#ffffff", *(STYLE[f"{axis}tick.color"] for axis in "xy")):
            assert colour not in body, (name, colour)
        assert "var(--tgc-ink)" in body and CLASS in root.attrib["class"]
        assert b"var(" not in plot.rendered("svg")


def test_nothing_global_changes_and_no_screen_is_needed() -> None:
    program = """if True:
        import sys
        import tinygrad_course
        from tinygrad_course.visualize import plots
        assert "matplotlib" not in sys.modules
        import matplotlib, numpy as np
        matplotlib.rcParams["font.size"] = 33.0
        matplotlib.rcParams["savefig.bbox"] = "tight"
        matplotlib.rcParams["text.usetex"] = True
        before = dict.copy(matplotlib.rcParams)
        state = np.random.get_state()[1].copy()
        plot = plots.plot_costs({"a": tinygrad_course.training.History(costs={0: 1.0, 1: 0.5})}, log=True)
        plots.plot_hidden_sizes(np.eye(2), np.array([[0, 1]]), sizes=[2], iterations=2)
        assert plot.rendered("png")
        assert dict.copy(matplotlib.rcParams) == before
        assert (np.random.get_state()[1] == state).all()
        assert "matplotlib.pyplot" not in sys.modules
        print(plot.axes[0].yaxis.label.get_size())
    """
    done = subprocess.run([sys.executable, "-I", "-W", "error", "-c", program], capture_output=True, text=True,
                          env={**os.environ, "MPLBACKEND": "TkAgg", "DISPLAY": ""})
    assert (done.returncode, done.stdout, done.stderr) == (0, "10.0\n", "")


def test_the_model_stays_as_it_is(images: Images, flower: PlanarClassifier, photo: Path) -> None:
    calls: list[tuple[nn.Module, Callable[[], Any]]] = [
        (flower, lambda: plots.plot_decision_boundary(flower, X, Y, resolution=20)),
        (flower, lambda: plots.plot_hidden_sizes(X, Y, models={4: flower})),
        (flower, lambda: plots.plot_gradient_norms(norms_of(PlanarClassifier(), X, Y))),
        (images.model, lambda: plots.plot_weights(images.model, num_px=12)),
        (images.model, lambda: plots.plot_mislabelled(images.model, images.dataset)),
        (images.model, lambda: plots.plot_picture(images.model, photo, num_px=12))]
    for model, call in calls:
        for parameter in model.parameters():
            parameter.grad = np.full(parameter.shape, 1 / 3)
        before = {name: (p._data, p._data.tobytes(), p.grad, p.grad.tobytes()) for name, p in model.named_parameters()}
        call()
        for name, p in model.named_parameters():
            data_before, values, grad, gradients = before[name]
            assert p._data is data_before and p._data.tobytes() == values
            assert p.grad is grad and p.grad.tobytes() == gradients
    seen = []

    def watched(X: Any) -> Tensor:
        seen.append(flower(X))
        return seen[-1]

    plots.plot_decision_boundary(watched, X, Y, resolution=20)
    assert seen and not any(y_hat.requires_grad for y_hat in seen)  # no graph was recorded


# ---------------------------------------------------------------------------------- they show what they should


def lines_of(plot: Plot) -> list[dict[float, float]]:
    return [dict(np.asarray(line.get_xydata()).tolist()) for line in plot.axes[0].get_lines()]


def legend_of(plot: Plot) -> list[str]:
    legend = plot.axes[0].get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def test_costs() -> None:
    runs = {"slow": fit(PlanarClassifier(), X, Y, iterations=20, learning_rate=0.1),
            "$fast": fit(PlanarClassifier(), X, Y, iterations=30, learning_rate=2.0, record_every=3)}
    plot = plots.plot_costs(runs, course={0: "0.5", 29: 0.25, 30: 0.1}, log=True)
    assert lines_of(plot) == [runs["slow"].costs, runs["$fast"].costs, {0: 0.5}]
    assert plot.axes[0].get_yscale() == "log"
    assert legend_of(plot) == ["slow", r"\$fast", "printed in the course"]
    assert f"$fast: from 0.693 at iteration 0 to {runs['$fast'].costs[27]:.4g} at iteration 27" in plot.alt
    looks = {(line.get_color(), line.get_marker()) for line in plot.axes[0].get_lines()}
    assert len(looks) == 3

    plot = plots.plot_costs([*runs.values(), runs["slow"]])
    assert legend_of(plot) == ["learning rate 0.1", "learning rate 2", "learning rate 0.1 (run 3)"]
    assert plot.axes[0].get_yscale() == "linear"


def test_the_costs_of_the_course_lie_on_ours() -> None:
    history = fit(PlanarClassifier(), X, Y, iterations=2500, learning_rate=1.2, print_cost=None, record_every=500)
    plot = plots.plot_costs(history, course=EXERCISES["planar"])
    ours, printed = lines_of(plot)
    assert plot.title == "Cost over 2500 iterations"
    assert list(printed) == [0, 1000, 2000] and all(f"{ours[i]:.6f}" == f"{printed[i]:.6f}" for i in printed)


def test_gradient_norms() -> None:
    model = PlanarClassifier()
    closed_form = model.closed_form(X, Y)
    norms = norms_of(model, X, Y)
    assert list(norms.norms) == ["layer 1 (W1, b1)", "layer 2 (W2, b2)"]
    for number, series in enumerate(norms.norms.values(), start=1):
        expected = np.sqrt(sum(np.sum(closed_form[f"{name}{number}"] ** 2) for name in "Wb"))
        assert list(series) == list(range(30)) and series[0] == pytest.approx(expected, rel=1e-12)
    assert lines_of(plots.plot_gradient_norms(norms)) == list(norms.norms.values())
    fit(model, X, Y, iterations=2, learning_rate=0.1, callback=norms)
    assert [list(series) for series in norms.norms.values()] == [[0, 1], [0, 1]]
    assert list(norms_of(LogisticRegression(2), X, Y).norms) == ["layer 1 (w, b)"]
    network = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1), nn.Sigmoid())
    norms = plots.GradientNorms()
    fit(network, X, Y, iterations=1, learning_rate=0.1, callback=norms, cost=nn.binary_cross_entropy)
    assert list(norms.norms) == ["layer 1 (0.W, 0.b)", "layer 2 (2.W, 2.b)"]


def regions(plot: Plot) -> tuple[Any, Any]:
    """The classes of the drawn regions as numbers by colour, and the points (2, n) at which they were computed."""
    [image] = plot.axes[0].get_images()
    pixels = np.asarray(image.get_array())
    n = len(pixels)
    assert image.origin == "lower"  # type: ignore[attr-defined]
    left, right, bottom, top = image.get_extent()
    x_1, x_2 = (low + (np.arange(n) + 0.5) * (high - low) / n for low, high in ((left, right), (bottom, top)))
    return pixels.reshape(n * n, 3), np.array([np.tile(x_1, n), np.repeat(x_2, n)])


@pytest.mark.parametrize("classes", [2, 3])
def test_decision_boundary(classes: int, flower: PlanarClassifier) -> None:
    model, points, labels = three_classes() if classes == 3 else (flower, X, Y)
    plot = plots.plot_decision_boundary(model, points, labels, resolution=80)
    pixels, where = regions(plot)
    predicted = predict(model, where)[0]
    of_class = [np.unique(pixels[predicted == k], axis=0) for k in range(classes)]
    assert all(len(colours) == 1 for colours in of_class) and len(np.unique(pixels, axis=0)) == classes
    truth = labels[0] if classes == 2 else labels.argmax(axis=0)
    for k, line in enumerate(plot.axes[0].get_lines()):
        assert np.array_equal(np.asarray(line.get_xydata()).T, points[:, truth == k])
    marks = {line.get_marker() for line in plot.axes[0].get_lines()}
    assert len(marks) == classes
    assert f"{100 * accuracy(model, points, labels):.4g} %" in plot.title
    # On the drawn boundary the model is undecided.
    for lines in plot.axes[0].collections:
        path = np.concatenate([path.vertices for path in lines.get_paths()]).T
        y_hat = np.sort(model(path).numpy(), axis=0)
        margin = y_hat[0] - 0.5 if classes == 2 else y_hat[-1] - y_hat[-2]
        assert path.size and np.median(np.abs(margin)) < 0.02


def test_gradient_errors_are_those_of_the_comparison_and_wrong_ones_are_marked(flower: PlanarClassifier) -> None:
    model, right = PlanarClassifier(), PlanarClassifier().closed_form
    model.closed_form = lambda X, Y, steps=False: {
        name: value * (1.1 if name == "W1" else 1) for name, value in right(X, Y, steps).items()}
    comparison = compare_gradients(model, X, Y)
    plot = plots.plot_gradient_errors(comparison)
    [axes] = plot.axes
    names = [text.get_text() for text in axes.get_yticklabels()]
    assert names == "dA2 dZ2 dA1 dZ1 dW1 db1 dW2 db2".split()
    rows = {row.name: row for row in comparison.rows}
    for line, part in zip(axes.get_lines(), ("closed_form", "differences")):
        for relative, i in zip(*line.get_data()):
            found = getattr(rows[names[int(i)]], part).relative
            assert relative == pytest.approx(found) or relative == 1e-17 > found
    [marked] = axes.patches
    assert marked.get_y() + 0.5 == names.index("dW1") and "Too large: dW1" in plot.alt
    with pytest.raises(InputError, match="compare_gradients"):
        plots.plot_gradient_errors({})


def test_labels_may_be_one_hot_and_models_undecided() -> None:
    model, points, one_hot = three_classes()
    by_number = plots.plot_decision_boundary(model, points, one_hot.argmax(axis=0).reshape(1, -1), resolution=20)
    assert by_number.rendered("svg") == plots.plot_decision_boundary(model, points, one_hot, resolution=20).rendered(
        "svg")
    layer = nn.Linear(2, 3)
    layer.W.data, layer.b.data = np.zeros((3, 2)), np.array([[0.0], [5.0], [0.0]])
    everywhere_1 = plots.plot_decision_boundary(nn.Sequential(layer, nn.Softmax()), points, one_hot, resolution=20)
    assert len(np.unique(regions(everywhere_1)[0], axis=0)) == 1 and not everywhere_1.axes[0].collections
    same = np.ones((2, 3))
    assert "accuracy 66.67 %" in plots.plot_decision_boundary(LogisticRegression(2), same, [[0, 1, 0]]).title


def test_planar_sets() -> None:
    plot = plots.plot_planar_sets()
    assert [axes.get_title() for axes in plot.axes] == [
        "flower, 400 points", "noisy circles, 200 points", "noisy moons, 200 points", "blobs, 200 points",
        "gaussian quantiles, 200 points", ""]
    for axes, kind in zip(plot.axes, PLANAR_SEEDS):
        points, labels = data.planar(kind)
        for k, line in enumerate(axes.get_lines()):
            assert np.array_equal(np.asarray(line.get_xydata()).T, points[:, labels[0] == k])


def test_hidden_sizes() -> None:
    models = {n_h: PlanarClassifier(n_h=n_h) for n_h in (1, 4)}
    for model in models.values():
        fit(model, X, Y, iterations=200, learning_rate=1.2)
    trained_there = plots.plot_hidden_sizes(X, Y, sizes=(1, 4), iterations=200)
    titles = [f"{n} unit{'s' * (n > 1)}: {100 * accuracy(model, X, Y):.4g} %" for n, model in models.items()]
    assert [axes.get_title() for axes in trained_there.axes] == [*titles, ""]
    given = plots.plot_hidden_sizes(X, Y, models=models)
    assert given.rendered("svg") == trained_there.rendered("svg")
    default = plots.plot_hidden_sizes(X, Y, iterations=1)
    assert [axes.get_title().split()[0] for axes in default.axes if axes.axison] == "1 2 3 4 5 20 50".split()


def test_weights(images: Images) -> None:
    for model, W in ((images.model, images.model.w.numpy().T), (network := DeepNetwork([432, 30, 1]),
                                                                network.layers[0].W.numpy())):
        plot = plots.plot_weights(model, num_px=12)
        panels = [axes for axes in plot.axes if axes.get_images()]
        assert len(panels) == min(len(W), 24)
        for axes, unit in zip(panels, W):
            strip = np.asarray(axes.get_images()[0].get_array())
            red, green, blue = np.split(strip, 3, axis=1)
            assert np.array_equal(np.stack([red, green, blue], axis=2), unit.reshape(12, 12, 3))
            assert axes.get_images()[0].get_clim() == (-np.abs(W[:24]).max(), np.abs(W[:24]).max())


@pytest.mark.parametrize("part, most", [("test", 30), ("train", 3)])
def test_the_gallery_shows_the_mislabelled_images_and_no_others(images: Images, part: str, most: int) -> None:
    dataset, model = images.dataset, images.model
    points, labels, pictures = ((dataset.X_test, dataset.Y_test, dataset.images_test) if part == "test" else
                                (dataset.X_train, dataset.Y_train, dataset.images_train))
    predicted, y_hat = predict(model, points), model(points).numpy()
    wrong = [i for i in range(len(pictures)) if predicted[0, i] != labels[0, i]]
    assert len(wrong) > 3
    plot = plots.plot_mislabelled(model, dataset, part=part, most=most)
    assert plot.title.startswith(f"{len(wrong)} of {len(pictures)} ")
    panels = [axes for axes in plot.axes if axes.get_visible()]
    assert len(panels) == min(len(wrong), most)
    for axes, i in zip(panels, wrong):
        assert np.array_equal(np.asarray(axes.get_images()[0].get_array()), pictures[i])
        k = predicted[0, i]
        chance = y_hat[0, i] if k == 1 else 1 - y_hat[0, i]
        assert chance >= 0.5
        assert axes.get_title(loc="left") == (f"image {i}\npredicted: {dataset.classes[k]}\nprobability: {chance:.3f}\n"
                                              f"true: {dataset.classes[1 - k]}")


def test_a_gallery_without_mistakes(images: Images) -> None:
    everything_right = renamed(images.dataset, "non-cat", "cat")
    object.__setattr__(everything_right, "Y_test", predict(images.model, images.dataset.X_test).astype(float))
    plot = plots.plot_mislabelled(images.model, everything_right)
    assert "All 50 test images are classified correctly." in [text.get_text() for text in plot.texts]
    assert not any(axes.get_visible() for axes in plot.axes) and plot.rendered("png")


def test_ones_own_picture(images: Images, photo: Path) -> None:
    plot = plots.plot_picture(images.model, photo, ("dog", "cat"), num_px=12)
    column = data.image_to_column(photo, 12)
    probability = images.model(column).item()
    name, p = ("cat", probability) if predict(images.model, column)[0, 0] == 1 else ("dog", 1 - probability)
    assert plot.title == f"my cat $1.png: {name}, probability {p:.3f}"
    original, seen = plot.axes
    assert np.array_equal(np.asarray(seen.get_images()[0].get_array()), data.read_image(photo, 12))
    assert list(original.get_images()[0].get_extent()) == [0.0, 90.0, 50.0, 0.0]
    sideways = photo.with_name("sideways.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (90, 50)).save(sideways, exif=exif)
    assert "50 x 90 pixels" in plots.plot_picture(images.model, sideways, num_px=12).alt


# ------------------------------------------------------------------------------------------------ broadcasting


def whole(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return max(np.broadcast_shapes(a, b), default=1) <= 8


@pytest.mark.parametrize("a, b", SHAPES)
def test_the_numbers_are_those_of_numpy(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    A = 10 * np.arange(1, np.prod(a, dtype=int) + 1).reshape(a)
    B = np.arange(1, np.prod(b, dtype=int) + 1).reshape(b)
    result = A + B
    plot = plots.plot_broadcasting(a, b)
    numbers = sorted(int(text.get_text()) for text in plot.axes[0].texts if text.get_text().isdigit())
    arrays = [np.broadcast_to(array, result.shape) for array in (A, B, result)]
    if whole(a, b):
        # What can be seen of a block: its front, its top and its right side.
        seen = np.ones(result.shape, dtype=bool)
        if result.ndim == 3:
            seen[1:, 1:, :-1] = False
        assert numbers == sorted(int(n) for array in arrays for n in array[seen])
    else:
        assert set(numbers) <= {int(n) for array in arrays for n in array.ravel()}
    for collection, array in zip(plot.axes[0].collections, (A, B, result)):
        styles: Any = collection.get_linestyle()
        dashed = [pattern is not None for _, pattern in styles]
        assert any(dashed) == (array.shape != result.shape and result.size > array.size)
        if whole(a, b):
            faces = 3 if result.ndim == 3 else 1
            assert (len(dashed), sum(dashed)) == (faces * result.size, faces * (result.size - array.size))


@pytest.mark.parametrize("a, b", MISMATCHED)
def test_shapes_that_do_not_fit(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    plot = plots.plot_broadcasting(a, b)
    assert plot.title == f"Shapes {a} and {b} do not broadcast"
    said = [text.get_text() for text in plot.axes[0].texts]
    wrong = [i for i in range(1, min(len(a), len(b)) + 1) if a[-i] != b[-i] and 1 not in (a[-i], b[-i])]
    for i in wrong:
        assert f"axis -{i}: {a[-i]}" in said and f"axis -{i}: {b[-i]}" in said
    assert sum(text.startswith("axis") and ":" in text for text in said) == 2 * len(wrong)
    assert "=" not in said and any("neither equal nor one" in text for text in said)
    blocks = [c for c in plot.axes[0].collections if isinstance(c, PolyCollection)]
    assert len(blocks) == 2 and "Result: fails" in plot.alt


# -------------------------------------------------------------------------------------------------- bad input


def bad_calls() -> Iterator[tuple[Callable[[], Any], str]]:
    plane, cat = PlanarClassifier(), TwoLayerNetwork(432, 2, 1)
    ok = History(costs={0: 0.7, 1: 0.6})
    broken = PlanarClassifier()
    broken.layers[0].W.data = np.full((4, 2), NAN)
    yield lambda: plots.plot_decision_boundary(cat, np.ones((432, 5)), np.ones((1, 5))), r"in the plane, \(2, m\)"
    yield lambda: plots.plot_decision_boundary(cat, X, Y), "TwoLayerNetwork cannot be applied to points in the plane"
    yield lambda: plots.plot_decision_boundary(plane, X.T, Y.T), r"X\.T"
    yield lambda: plots.plot_decision_boundary(plane, X[:1], Y), r"X is \(1, 400\)"
    yield lambda: plots.plot_decision_boundary(plane, X[0], Y), r"one example per column"
    yield lambda: plots.plot_decision_boundary(plane, X, Y[:, 1:]), "399"
    yield lambda: plots.plot_decision_boundary(plane, X, Y[0]), r"Y has shape \(400,\)"
    yield lambda: plots.plot_decision_boundary(plane, X, 2 * Y), "must be 0 or 1"
    yield lambda: plots.plot_decision_boundary(plane, X, np.vstack([Y, Y])), r"Y is \(2, 400\)"
    yield lambda: plots.plot_decision_boundary(PlanarClassifier(n_y=2), X, np.vstack([Y, Y])), "one-hot"
    yield lambda: plots.plot_decision_boundary(plane, X[:, :0], Y[:, :0]), "empty"
    yield lambda: plots.plot_decision_boundary(plane, X * NAN, Y), "nan"
    yield lambda: plots.plot_decision_boundary(plane, X * 1e100, Y), "too large"
    yield lambda: plots.plot_decision_boundary(plane, X, Y, resolution=1), "resolution is 1"
    yield lambda: plots.plot_decision_boundary(broken, X, Y), "expected finite numbers"
    yield lambda: plots.plot_decision_boundary("model", X, Y), "expected a model"
    yield lambda: plots.plot_decision_boundary(lambda X: Tensor(X).sum(), X, Y), "one column per example"
    yield lambda: plots.plot_hidden_sizes(X, Y, sizes=(0, 1)), "hidden layer size is 0"
    yield lambda: plots.plot_hidden_sizes(X, Y, sizes=()), "no hidden layer sizes"
    yield lambda: plots.plot_hidden_sizes(np.ones((3, 400)), Y), "in the plane"
    yield lambda: plots.plot_costs(History()), "the history is empty"
    yield lambda: plots.plot_costs({"a": ok, "b": History()}), "the history of 'b' is empty"
    yield lambda: plots.plot_costs([]), "no history"
    yield lambda: plots.plot_costs({"a": [0.7]}), r"histories\['a'\] is list"  # type: ignore[dict-item]
    yield lambda: plots.plot_costs("a"), "histories is str"  # type: ignore[arg-type]
    yield lambda: plots.plot_costs(ok, course="flowers"), "logistic, planar"
    yield lambda: plots.plot_costs(ok, course={0: "none"}), "expected a number"
    yield lambda: plots.plot_costs(History(costs={0: NAN})), "expected finite numbers"
    yield lambda: plots.plot_costs(History(costs={3: 0.0}), log=True), "iteration 3, which has no logarithm"
    yield lambda: plots.plot_gradient_norms(plots.GradientNorms()), r"fit\(\.\.\., callback=norms\)"
    yield lambda: plots.plot_gradient_norms({"layer 1": {}}), "empty"
    yield lambda: plots.plot_gradient_norms({"layer 1": {0: -1.0}}), "below zero"
    yield lambda: plots.plot_gradient_norms([1]), "norms is list"  # type: ignore[arg-type]
    yield lambda: plots.plot_weights(cat), r"\(2, 432\): 432 inputs, but images of 64 x 64 .* have 12288"
    yield lambda: plots.plot_weights(nn.Tanh(), num_px=12), "no first layer"
    yield lambda: plots.plot_weights(3), "expected a Module"
    yield lambda: plots.plot_weights(cat, num_px=0), "num_px is 0"
    yield lambda: plots.plot_mislabelled(cat, (X, Y)), "load_images"  # type: ignore[arg-type]
    yield lambda: plots.plot_picture(cat, __file__, num_px=12), "not an image"
    yield lambda: plots.plot_broadcasting((2, 2, 2, 2), (2,)), "up to three can be drawn"
    yield lambda: plots.plot_broadcasting((2, 0), (2,)), "an axis of shape_a is 0"
    yield lambda: plots.plot_broadcasting((2,), "23"), "an axis of shape_b is '23'"  # type: ignore[arg-type]
    yield lambda: plots.plot_broadcasting((2.0,), (1,)), "2.0"  # type: ignore[arg-type]
    yield lambda: plots.plot_costs(ok).write("plot.gif"), r"\.png, \.svg, \.pdf"
    yield lambda: plots.plot_costs(ok).write("plot"), "without ending"


def test_bad_input_is_explained_in_one_line() -> None:
    for call, message in bad_calls():
        with pytest.raises(InputError, match=message) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_images_and_classes_that_do_not_fit(images: Images, photo: Path) -> None:
    with pytest.raises(InputError, match="expected 2 names"):
        plots.plot_picture(images.model, photo, ("cat",), num_px=12)
    with pytest.raises(InputError, match="there are test, train"):
        plots.plot_mislabelled(images.model, images.dataset, part="both")
    with pytest.raises(InputError, match="432"):
        plots.plot_mislabelled(PlanarClassifier(), images.dataset)
    with pytest.raises(InputError, match="12288"):
        plots.plot_picture(images.model, photo)
    with pytest.raises(FileNotFoundError):
        plots.plot_picture(images.model, photo.with_name("none.png"), num_px=12)


@pytest.mark.parametrize("library, package, call", [
    ("matplotlib", "matplotlib", lambda model, photo: plots.plot_costs(History(costs={0: 1.0}))),
    ("matplotlib", "matplotlib", lambda model, photo: plots.plot_broadcasting((3,), (1,))),
    ("sklearn", "scikit-learn", lambda model, photo: plots.plot_planar_sets()),
    ("PIL", "Pillow", lambda model, photo: plots.plot_picture(model, photo, num_px=12))])
def test_libraries_that_are_not_installed(library: str, package: str, call: Callable[[Any, Path], Any], images: Images,
                                          photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names what pip finds, whether or not this package is on the index."""
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(InputError, match=f"pip install {package}$"):
        call(images.model, photo)
