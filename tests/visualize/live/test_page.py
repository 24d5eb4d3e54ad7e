"""The live page in Chromium: every number is the Tensor's own, training is that of `fit`, nothing is requested."""

import json
import re
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pages
import pytest

from tinygrad_course import InputError, Tensor, data, fit, nn, optim
from tinygrad_course.autodiff import gradients
from tinygrad_course.equations.explain import GradientFlow
from tinygrad_course.models import DeepNetwork, LogisticRegression, PlanarClassifier, TwoLayerNetwork
from tinygrad_course.visualize import live_page

IMAGES = np.random.RandomState(5).rand(192, 12)
LABELS = (IMAGES[:1] + IMAGES[9:10] > 1).astype(float)
FLOWER = data.planar()
COURSE: dict[str, tuple[Callable[[], nn.Module], Any, Any, float]] = {
    "planar": (PlanarClassifier, *FLOWER, 1.2),
    "logistic": (lambda: LogisticRegression(192), IMAGES, LABELS, 0.005),
    "two-layer": (lambda: TwoLayerNetwork(192, 7, 1), IMAGES, LABELS, 0.0075),
    "four-layer": (lambda: DeepNetwork([192, 20, 7, 5, 1]), IMAGES, LABELS, 0.0075)}

# Every value and gradient; and every number on the screen, at every step, in both meanings of dZ.
VALUES = """(() => {
  const {machine, data} = livePage, all = {};
  data.steps.forEach((step, i) => {
    all[`v${i}`] = Array.from(machine.value(i), String);
    const gradient = machine.gradient(i);
    if (step.gradient && gradient) all[`g${i}`] = Array.from(gradient, String);
  });
  return JSON.stringify(all);
})()"""
SHOWN = """(() => {
  const {stepper} = livePage, seen = [];
  const look = () => document.querySelectorAll("td button").forEach(
    (cell) => seen.push([cell.textContent, cell.dataset.value]));
  for (let i = 0; i < stepper.sequence.length; i += 1) { stepper.go(i); look(); }
  const other = document.querySelector("#panel-steps .choice button:last-child");
  if (other) { other.click(); for (let i = stepper.sequence.length - 1; i >= 0; i -= 1) { stepper.go(i); look(); } }
  return JSON.stringify(seen);
})()"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pages.Chromium]:
    browser = pages.Chromium(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


def opened(browser: pages.Chromium, page: Any, folder: Path, **options: Any) -> pages.Chromium:
    """A page in a browser that so far has nothing to complain of."""
    browser.errors.clear()
    browser.requests.clear()
    browser.open(page.write(folder / "page.html"), **options)
    return browser


def assert_quiet(browser: pages.Chromium) -> None:
    """No error, and nothing was asked for but the file."""
    assert browser.evaluate("document.querySelectorAll('.matrix').length") > 0
    assert browser.errors == []
    assert all(url.startswith("file:///") for url in browser.requests) and len(browser.requests) == 1


def assert_numbers(browser: pages.Chromium, J: Tensor) -> None:
    """Values and gradients in the page are the Tensors'; texts are the numbers as Python prints them."""
    found = {key: np.array([float(x) for x in values])
             for key, values in json.loads(browser.evaluate(VALUES)).items()}
    flow = GradientFlow(J)
    total = gradients(J, np.ones(J.shape), flow_parameters := [flow.places.steps[i] for i in flow.places.parameters])
    assert flow_parameters
    checked = 0
    for i, step in enumerate(flow.places.steps):
        np.testing.assert_allclose(found[f"v{i}"], np.ravel(step._data), rtol=1e-9, atol=1e-12, err_msg=flow.name(i))
        expected = total.get(step)
        if expected is not None:
            size = np.abs(expected).max(initial=0.0)
            np.testing.assert_allclose(found[f"g{i}"], np.ravel(expected), rtol=1e-9, atol=1e-9 * size + 1e-14,
                                       err_msg=f"d{flow.name(i)}")
            checked += 1
    assert checked >= len(flow.places.parameters)
    shown = json.loads(browser.evaluate(SHOWN))
    assert shown
    for text, value in shown:
        assert text.replace("\u2212", "-") == f"{float(value):.4g}", (text, value)


@pytest.mark.parametrize("name", COURSE)
def test_every_number_of_the_models_of_the_course(chromium: pages.Chromium, name: str, tmp_path: Path) -> None:
    make, X, Y, rate = COURSE[name]
    model = make()
    before = [p.numpy().copy() for p in model.parameters()]
    page = live_page(model, X, Y, learning_rate=rate)
    assert page.notes == [] and len(page.html()) < 300_000 + 12 * (X.size + sum(p.size for p in model.parameters()))
    assert all(np.array_equal(a, p.numpy()) and p.grad is None for a, p in zip(before, model.parameters()))
    browser = opened(chromium, page, tmp_path)
    assert_numbers(browser, model.cost(Tensor(X, name="X"), Tensor(Y, name="Y")))
    assert_quiet(browser)


@pytest.mark.parametrize("name", COURSE)
def test_training_is_that_of_fit(chromium: pages.Chromium, name: str, tmp_path: Path) -> None:
    """Costs of 200 iterations and the parameters after them; then back to the beginning."""
    make, X, Y, rate = COURSE[name]
    model = make()
    browser = opened(chromium, live_page(model, X, Y, learning_rate=rate), tmp_path)
    browser.evaluate("livePage.open('training')")
    costs = browser.evaluate("Array.from({length: 200}, () => livePage.trainer.trainer.step())")
    found = browser.evaluate("(livePage.trainer.trainer.collect(), livePage.machine.parameters.map((p) => [...p]))")
    history = fit(model, X, Y, iterations=200, learning_rate=rate, engine="eager", record_every=1)
    np.testing.assert_allclose(costs, list(history.costs.values()), rtol=1e-9)
    for numbers, p in zip(found, model.parameters()):
        np.testing.assert_allclose(numbers, p.numpy().ravel(), rtol=0, atol=1e-9 * max(1e-3, np.abs(p.numpy()).max()))
    browser.evaluate("[...document.querySelectorAll('button')].find((b) => b.textContent === 'Reset').click()")
    for numbers, p in zip(browser.evaluate("livePage.machine.parameters.map((p) => [...p])"), make().parameters()):
        np.testing.assert_array_equal(numbers, p.numpy().ravel())
    assert browser.errors == []


@pytest.mark.parametrize("batch_size", [64, 32, 150])
def test_mini_batches_are_those_of_fit(chromium: pages.Chromium, tmp_path: Path, batch_size: int) -> None:
    """The same examples in the same order, smaller batches at the end of each epoch, and the optimiser's state."""
    page = live_page(PlanarClassifier(), *FLOWER, optimizer=optim.Adam(0.02), batch_size=batch_size)
    browser = opened(chromium, page, tmp_path)
    costs = browser.evaluate("Array.from({length: 40}, () => livePage.trainer.trainer.step())")
    history = fit(PlanarClassifier(), *FLOWER, iterations=40, optimizer=optim.Adam(0.02), batch_size=batch_size,
                  engine="eager", record_every=1)
    np.testing.assert_allclose(costs, list(history.costs.values()), rtol=1e-9)
    assert browser.errors == []


def test_to_the_end_and_back_restores_everything(chromium: pages.Chromium, tmp_path: Path) -> None:
    """With the keyboard alone, from the first to the last step and back, and after a number was changed."""
    browser = opened(chromium, live_page(PlanarClassifier(), *FLOWER), tmp_path)
    look = "document.querySelector('.told').innerHTML + livePage.machine.cost()"
    first = browser.evaluate(look)
    count = browser.evaluate("livePage.stepper.sequence.length")
    for _ in range(count - 1):
        browser.press("ArrowRight", 39)
    assert browser.evaluate("livePage.stepper.position()") == count - 1 and browser.evaluate(look) != first
    for _ in range(count - 1):
        browser.press("ArrowLeft", 37)
    assert browser.evaluate(look) == first
    changed = browser.evaluate("""(() => {
      document.querySelector("td button").click();
      const field = document.querySelector(".inspector input[type=text]");
      field.value = "0.5"; field.dispatchEvent(new Event("change"));
      return [livePage.machine.cost(), document.querySelector(".inspector output").textContent];
    })()""")
    model = PlanarClassifier()
    W1 = dict(model.named_parameters())["W1"]
    W1.data = np.where(np.arange(8).reshape(4, 2) == 0, 0.5, W1.numpy())
    assert changed[0] == pytest.approx(model.cost(*FLOWER).item(), rel=1e-12)
    model.cost(*FLOWER).backward()
    gradient, difference = re.findall(r"(?:gradient|difference) (\S+)", changed[1].replace("\u2212", "-"))
    assert float(gradient) == pytest.approx(W1.grad[0, 0], rel=1e-5)
    assert float(difference) == pytest.approx(float(gradient), rel=1e-4)
    browser.evaluate("[...document.querySelectorAll('button')].find((b) => b.textContent === 'Put all back').click()")
    browser.evaluate("livePage.stepper.go(0)")
    assert browser.evaluate(look) == first
    assert_quiet(browser)


OPERATIONS: list[Callable[[Any, Any], Any]] = [
    lambda x, y: x + y, lambda x, y: x - y, lambda x, y: x * y, lambda x, y: y / (1.5 + x * x), lambda x, y: x * x,
    lambda x, y: np.tanh(x), lambda x, y: nn.sigmoid(x), lambda x, y: nn.relu(x), lambda x, y: nn.softplus(x),
    lambda x, y: np.exp(x * 0.3), lambda x, y: np.log(x * x + 0.5), lambda x, y: np.maximum(x, y),
    lambda x, y: np.where(y > 0.1, x, y * 0.3), lambda x, y: np.abs(x), lambda x, y: (x * x + 0.5) ** 1.3,
    lambda x, y: x.sum(axis=0, keepdims=True), lambda x, y: x.mean(axis=-1, keepdims=True), lambda x, y: x.T,
    lambda x, y: x @ x.T * 0.2, lambda x, y: x[:1] * 0.5, lambda x, y: x.reshape(-1, 1), lambda x, y: x.softmax(axis=0),
    lambda x, y: np.concatenate([x, x * 0.5], axis=0), lambda x, y: x.max(axis=0, keepdims=True),
    lambda x, y: x.logsumexp(axis=0, keepdims=True)]


def random_cost(seed: int) -> Tensor:
    """Random operations on three Tensors and all that came of them, small enough to be read as numbers."""
    random = np.random.RandomState(seed)
    pool: list[Any] = [Tensor(random.randn(2, 3), True, "W"), Tensor(random.randn(2, 1), True, "b"),
                       Tensor(random.randn(1, 1), True, "s")]
    for _ in range(random.randint(3, 12)):
        x, y = pool[-1 - random.randint(min(3, len(pool)))], pool[random.randint(len(pool))]
        try:
            np.broadcast_shapes(x.shape, y.shape)
        except ValueError:
            y = x
        new = OPERATIONS[random.randint(len(OPERATIONS))](x, y)
        pool.append(new if new.size <= 40 else new.mean(axis=0, keepdims=True))
    return sum((np.tanh(x).sum() for x in pool[3:]), pool[0].sum() * 0.1 + pool[1].sum() + pool[2].sum())


def test_every_number_of_random_graphs(chromium: pages.Chromium, tmp_path: Path) -> None:
    for seed in range(100):
        J = random_cost(seed)
        page = live_page(J)
        assert page.notes == [], (seed, page.notes)
        try:
            assert_numbers(opened(chromium, page, tmp_path), J)
            assert_quiet(chromium)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from None


def test_one_example_alone(chromium: pages.Chromium, tmp_path: Path) -> None:
    """The same steps for one column of the data, with the parameters that the whole page shares."""
    X, Y = FLOWER
    browser = opened(chromium, live_page(PlanarClassifier(), X, Y), tmp_path)
    for i in (0, 7, 399):
        browser.evaluate(f"livePage.showSteps({i})")
        assert browser.evaluate("livePage.stepper.machine.cost()") == pytest.approx(
            PlanarClassifier().cost(X[:, i:i + 1], Y[:, i:i + 1]).item(), rel=1e-12)
    browser.evaluate("(livePage.machine.parameters[0][0] = 0.5, livePage.stepper.machine.changed())")
    model = PlanarClassifier()
    W1 = dict(model.named_parameters())["W1"]
    W1.data = np.where(np.arange(8).reshape(4, 2) == 0, 0.5, W1.numpy())
    assert browser.evaluate("livePage.stepper.machine.cost()") == pytest.approx(
        model.cost(X[:, 399:], Y[:, 399:]).item(), rel=1e-12)
    assert_quiet(browser)


def test_a_question_before_each_step(chromium: pages.Chromium, tmp_path: Path) -> None:
    """Each question has exactly one right answer, a wrong one is explained, and the score counts first answers."""
    browser = opened(chromium, live_page(PlanarClassifier(), *FLOWER), tmp_path)
    browser.evaluate("document.querySelector('.told + .row input[type=checkbox]').click()")
    found = browser.evaluate("""Array.from({length: livePage.stepper.sequence.length}, (_, i) => {
      livePage.stepper.go(i);
      const buttons = [...document.querySelectorAll(".ask .answers button:not(.plain)")];
      if (!buttons.length || document.querySelector(".ask input")) return null;
      buttons.forEach((button) => button.click());
      const wrong = buttons.filter((button) => button.classList.contains("wrong"));
      return [buttons.length, wrong.length];
    })""")
    questions = [one for one in found if one is not None]
    assert len(questions) >= 8 and all(wrong == count - 1 >= 1 for count, wrong in questions)
    assert browser.errors == []


def test_large_graphs_are_folded_by_module(chromium: pages.Chromium, tmp_path: Path) -> None:
    """One box for each Module with its parameters; a click shows its steps, and a button folds them again."""
    X, Y = np.random.RandomState(0).randn(4, 6), np.array([[1.0, 0, 0, 1, 1, 0]])
    model = DeepNetwork([4, *[3] * 20, 1])
    browser = opened(chromium, live_page(model, X, Y), tmp_path)
    boxes = "document.querySelectorAll('.graph .box').length"
    folded = browser.evaluate(boxes)
    assert browser.evaluate("document.querySelectorAll('.graph .box.folded').length") == 21
    browser.evaluate("livePage.stepper.go(5)")
    assert browser.evaluate("document.querySelectorAll('.graph .box.now').length") == 1
    browser.evaluate("document.querySelectorAll('.graph .box.folded')[3].dispatchEvent(new MouseEvent('click'))")
    assert browser.evaluate(boxes) == folded + 3 * 21
    assert browser.evaluate("document.querySelector('.graph .box.now .name').textContent").startswith("Z")
    browser.evaluate("document.querySelector('.graph .fold').click()")
    assert browser.evaluate(boxes) == folded
    assert_numbers(browser, model.cost(Tensor(X, name="X"), Tensor(Y, name="Y")))
    assert_quiet(browser)


class Softmax(nn.Module):
    """Three classes, a layer that is used twice with a skip around it, two costs, and float32 on request."""

    def __init__(self, dtype: Any = np.float64) -> None:
        random = np.random.RandomState(0)
        self.W = Tensor(random.randn(2, 2) * 0.5, True, "W", dtype)
        self.b = Tensor(random.randn(2, 1) * 0.5, True, "b", dtype)
        self.V = Tensor(random.randn(3, 2) * 0.5, True, "V", dtype)

    def forward(self, X: Any) -> Tensor:
        A = nn.tanh(self.W @ X + self.b)
        return nn.softmax(self.V @ (nn.tanh(self.W @ A + self.b) + A), axis=0)

    def cost(self, X: Any, Y: Any) -> Tensor:
        y_hat = self(X)
        return nn.cross_entropy(y_hat, Y) + 0.1 * nn.mean_squared_error(y_hat, Y)


class Slowing(optim.Optimizer):
    """A rule of a user's own, with a state and a count."""

    def initial_state(self, w: Any) -> Any: return np.zeros_like(w), 0

    def update(self, w: Any, g: Any, state: Any) -> Any:
        v, t = state
        v = 0.5 * v + g
        return w - self.learning_rate / (1 + 0.01 * t) * v, (v, t + 1)


@pytest.mark.parametrize("dtype, rule, tolerance", [
    (np.float64, lambda: Slowing(0.3), 1e-9), (np.float64, lambda: optim.Adam(0.02, weight_decay=0.01), 1e-9),
    (np.float32, lambda: optim.Momentum(0.1), 1e-4)])
def test_other_models_and_rules(chromium: pages.Chromium, tmp_path: Path, dtype: Any,
                                rule: Callable[[], optim.Optimizer], tolerance: float) -> None:
    X, Y = FLOWER[0], np.eye(3)[:, np.arange(400) % 3]
    page = live_page(Softmax(dtype), X, Y, optimizer=rule(), validation=(X, Y))
    assert page.notes == []
    browser = opened(chromium, page, tmp_path)
    costs = browser.evaluate("Array.from({length: 30}, () => livePage.trainer.trainer.step())")
    history = fit(Softmax(dtype), X, Y, iterations=30, optimizer=rule(), engine="eager", record_every=1)
    np.testing.assert_allclose(costs, list(history.costs.values()), rtol=tolerance)
    assert browser.errors == []


def test_every_control_of_the_training(chromium: pages.Chromium, tmp_path: Path) -> None:
    """Whatever is chosen, training goes on with finite numbers; back along the slider are the parameters of then."""
    browser = opened(chromium, live_page(PlanarClassifier(), *FLOWER, validation=FLOWER, learning_rate=0.5), tmp_path)
    browser.evaluate("(livePage.open('training'), livePage.trainer.advance(1))")
    first = browser.evaluate("livePage.machine.parameters.map((p) => [...p])")
    found = browser.evaluate("""[...document.querySelectorAll("#panel-training select")].flatMap((select) =>
      [...select.options].map((option) => {
        select.value = option.value;
        select.dispatchEvent(new Event("change"));
        for (let i = 0; i < 3; i += 1) livePage.trainer.advance(2);
        livePage.trainer.draw();
        return Number(livePage.trainer.shownCost());
      }))""")
    assert len(found) >= 15 and np.isfinite(found).all() and max(found) < 2
    browser.evaluate("""(() => {
      document.querySelectorAll("#panel-training select")[2].value = "given";
      document.querySelectorAll("#panel-training select")[2].dispatchEvent(new Event("change"));
      document.querySelectorAll("#panel-training select")[0].value = "gradient descent";
      document.querySelectorAll("#panel-training select")[0].dispatchEvent(new Event("change"));
      document.querySelectorAll("#panel-training select")[1].value = "400";
      document.querySelectorAll("#panel-training select")[1].dispatchEvent(new Event("change"));
      for (let i = 0; i < 20; i += 1) livePage.trainer.advance(1);
      livePage.trainer.draw();
      const back = document.querySelector("#panel-training input[type=range]");
      back.value = 1;
      back.dispatchEvent(new Event("input"));
    })()""")
    assert browser.evaluate("livePage.trainer.trainer.iteration") == 1
    rate = browser.evaluate("livePage.trainer.trainer.settings.learning_rate[0]")
    assert rate == 0.5
    for a, b in zip(browser.evaluate("livePage.machine.parameters.map((p) => [...p])"), first):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)
    assert browser.errors == []


def test_seeds_mean_what_they_mean_in_python(chromium: pages.Chromium, tmp_path: Path) -> None:
    browser = opened(chromium, live_page(PlanarClassifier(), *FLOWER), tmp_path)
    for seed in (0, 2, 4294967295):
        found = browser.evaluate(f"(() => {{ const random = livePage.randomState({seed}); return [Array.from("
                                 "{length: 700}, random.normal), random.shuffled(40), random.uniform()]; })()")
        random = np.random.RandomState(seed)
        np.testing.assert_allclose(found[0], random.randn(700), rtol=1e-14)
        np.testing.assert_array_equal(found[1], random.permutation(40))
        assert found[2] == random.rand()


def test_a_tensor_that_is_no_single_number(chromium: pages.Chromium, tmp_path: Path) -> None:
    """Its gradients are those of its sum, as the page says."""
    W = Tensor(np.array([[0.5, -1.0], [2.0, 0.1]]), requires_grad=True, name="W")
    A = np.tanh(W * 2)
    page = live_page(A)
    assert "the sum of its elements" in page.notes[0]
    browser = opened(chromium, page, tmp_path)
    np.testing.assert_allclose(browser.evaluate("[...livePage.machine.gradient(livePage.data.steps.findIndex("
                                                "(step) => step.name === 'W'))]"),
                               (2 * (1 - np.tanh(2 * W.numpy()) ** 2)).ravel(), rtol=1e-12)
    assert_quiet(browser)


def test_data_that_is_too_large_is_cut_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinygrad_course.visualize.live.page.MOST_NUMBERS", 300)
    page = live_page(PlanarClassifier(), *FLOWER)
    assert page.notes == ["The page holds the first 100 of 400 examples, as many as fit into one file."]
    assert "first 100 of 400" in page.html()


@pytest.mark.parametrize("width, dark", [(1400, False), (800, True), (360, False)])
def test_nothing_keeps_anybody_out(chromium: pages.Chromium, tmp_path: Path, width: int, dark: bool) -> None:
    """axe-core finds nothing serious in any view, and nothing is wider than the screen."""
    page = live_page(PlanarClassifier(), *FLOWER, validation=FLOWER)
    browser = opened(chromium, page, tmp_path, width=width, dark=dark)
    browser.evaluate(files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8") + "; 1")
    for view in ("livePage.stepper.go(10)", "livePage.stepper.go(0)", "document.querySelector('td button').click()",
                 "(document.querySelector('.told + .row input').click(), livePage.stepper.go(9))",
                 "livePage.showSteps(3)", "livePage.open('training')"):
        browser.evaluate(f"({view}, 0)")
        found = browser.evaluate("axe.run(document).then((result) => result.violations.map("
                                 "(one) => [one.impact, one.id, one.nodes[0].html.slice(0, 200)]))")
        assert [one for one in found if one[0] in ("serious", "critical")] == [], view
        assert browser.evaluate("document.documentElement.scrollWidth") <= width, view


def test_in_firefox_and_in_a_frame_that_may_only_run_scripts(tmp_path: Path) -> None:
    page = live_page(PlanarClassifier(), *FLOWER, learning_rate=1.2)
    plain, framed = page.write(tmp_path / "page.html"), tmp_path / "framed.html"
    note = "<script>addEventListener('message', (event) => { window.told = event.data; })</script>"
    telling = "parent.postMessage(String(machine.cost()), '*'); window.livePage = {"
    inner = page.html().replace("window.livePage = {", telling)
    page.html = lambda: inner  # type: ignore[method-assign]
    framed.write_text(f"<!DOCTYPE html><meta charset=utf-8>{note}{page._repr_html_()}", encoding="utf-8")
    cost = PlanarClassifier().cost(*FLOWER).item()
    firefox = pages.Firefox(tmp_path)
    try:
        firefox.open(plain)
        live = "window.livePage"
        assert firefox.evaluate(f"{live}.machine.cost()") == pytest.approx(cost, rel=1e-12)
        costs = firefox.evaluate(f"Array.from({{length: 50}}, () => {live}.trainer.trainer.step())")
        history = fit(PlanarClassifier(), *FLOWER, iterations=50, learning_rate=1.2, engine="eager", record_every=1)
        np.testing.assert_allclose(costs, list(history.costs.values()), rtol=1e-9)
        assert firefox.evaluate("document.querySelectorAll('.matrix').length") > 0
        firefox.open(framed)
        assert firefox.told() == pytest.approx(cost, rel=1e-12)
    finally:
        firefox.close()
    browser = pages.Chromium(tmp_path)
    try:
        browser.open(framed)
        assert float(browser.evaluate("new Promise((done) => { const look = () => window.told ? done(window.told) : "
                                      "setTimeout(look, 50); look(); })")) == pytest.approx(cost, rel=1e-12)
        assert browser.errors == []
    finally:
        browser.close()


HOSTILE = ["</script><script>window.harm = 1</script>", "<img src=x onerror='window.harm = 1'>",
           "'\"`${window.harm = 1}", "\u2028window.harm = 1//",
           "\u05d0\u202e<b>", "\U0001f600", "&lt;b&gt;", "__proto__", "\ud800"]


def test_names_do_no_harm(chromium: pages.Chromium, tmp_path: Path) -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            self.parts = {name: Tensor(np.full((2, 2), 0.1 * i), requires_grad=True, name=name)
                          for i, name in enumerate(HOSTILE)}

        def cost(self, X: Any, Y: Any) -> Any:
            out = X
            for part in self.parts.values():
                out = np.tanh(part @ out + 0.1)
            return (out * out).mean()
    X, Y = np.random.RandomState(0).randn(2, 5), np.ones((1, 5))
    browser = opened(chromium, live_page(Named(), X, Y, title=HOSTILE[0] + HOSTILE[1]), tmp_path)
    browser.evaluate("(livePage.open('training'), livePage.trainer.advance(5), livePage.open('steps'))")
    for i in range(browser.evaluate("livePage.stepper.sequence.length")):
        browser.evaluate(f"livePage.stepper.go({i})")
    assert browser.evaluate("window.harm") is None
    assert browser.evaluate("document.querySelectorAll('script').length") == 2
    assert browser.evaluate("document.querySelectorAll('img, b:not(.inspector b, .figures b)').length") == 0
    assert_quiet(browser)


class Selecting(nn.Module):
    """A model that neither can be trained nor recomputed on the page: it selects elements by an array."""

    def __init__(self) -> None:
        self.w = Tensor(np.array([[0.3, -0.2], [0.1, 0.4]]), requires_grad=True, name="w")

    def cost(self, X: Any, Y: Any) -> Any:
        return np.square((self.w @ X)[[0, 0, 1]]).mean()


def test_what_cannot_be_compiled_is_shown_and_said(chromium: pages.Chromium, tmp_path: Path) -> None:
    X, Y = np.random.RandomState(0).randn(2, 3), np.ones((1, 3))
    model = Selecting()
    page = live_page(model, X, Y)
    assert len(page.notes) == 2 and all("array of indices" in note for note in page.notes)
    browser = opened(chromium, page, tmp_path)
    assert browser.evaluate("livePage.trainer") is None
    assert "array of indices" in browser.evaluate("document.querySelector('.note').textContent")
    assert_numbers(browser, model.cost(Tensor(X, name="X"), Tensor(Y, name="Y")))
    assert_quiet(browser)


def test_divergence_stops_and_keeps_the_last_good_state(chromium: pages.Chromium, tmp_path: Path) -> None:
    class Steep(nn.Module):
        def __init__(self) -> None:
            self.w = Tensor(np.array([[2.0]]), requires_grad=True, name="w")

        def cost(self, X: Any, Y: Any) -> Any: return np.exp(np.square(self.w)).sum() * 1.0 + (self.w @ X).sum() * 0
    browser = opened(chromium, live_page(Steep(), np.ones((1, 2)), np.ones((1, 2)), learning_rate=3.0), tmp_path)
    browser.evaluate("livePage.open('training')")
    browser.evaluate("[1, 2, 3, 4].forEach(() => livePage.trainer.advance(50))")
    note = browser.evaluate("document.querySelector('#panel-training .note').textContent")
    assert "infinite or no number" in note and "first step" in note
    assert np.isfinite(browser.evaluate("livePage.machine.parameters[0][0]"))
    assert browser.errors == []


@pytest.mark.parametrize("arguments, message", [
    ((PlanarClassifier(),), "shown with data"), ((3,), "int was given"), ((Tensor(1.0),), "no graph"),
    ((PlanarClassifier(), FLOWER[0], FLOWER[1].T), "Did you mean Y.T"),
    ((nn.Module(), *FLOWER), "no parameters"), ((PlanarClassifier().cost(*FLOWER), 1, 2), "belong to a model")])
def test_what_fits_nothing_is_refused(arguments: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        live_page(*arguments)
