"""Training steps as JavaScript, run by Node: the same numbers as eager training."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import node
import numpy as np
import pytest

from tinygrad_course import Tensor, data, fit, nn, optim
from tinygrad_course.compiler.javascript.step import javascript_step
from tinygrad_course.compiler.nodes import Untraceable
from tinygrad_course.compiler.program import ParameterSlot
from tinygrad_course.models import DeepNetwork, LogisticRegression, PlanarClassifier, TwoLayerNetwork


def neighbour(path: Path) -> Any:
    """A file of the tests, as a module."""
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


models = neighbour(Path(__file__).parents[1] / "native" / "test_module.py")
Make = Callable[[], nn.Module]


def job(make: Make, rule: optim.Optimizer, X: Any, Y: Any, steps: int, function: str = "training",
        **options: Any) -> Any:
    model = make()
    Y = Y.astype(model.parameters()[0].dtype)
    X = X.astype(model.parameters()[0].dtype)
    step = javascript_step(model, model.cost, rule, X, Y, function=function, **options)
    return node.Job(step, function, step.starting_values(model.parameters(), rule, {"X": X, "Y": Y}), steps)


def eagerly(make: Make, rule: optim.Optimizer, X: Any, Y: Any, steps: int) -> tuple[Any, list[Any]]:
    model = make()
    history = fit(model, X, Y, iterations=steps, optimizer=rule, engine="eager")
    return np.array(list(history.costs.values())), [p.numpy() for p in model.parameters()]


def assert_same(found: Any, expected: Any, tolerance: float) -> None:
    """Costs and parameters, each relative to the largest number of its array."""
    costs, values = found
    np.testing.assert_allclose(costs, expected[0], rtol=tolerance, atol=tolerance * 1e-3)
    for i, p in enumerate(expected[1]):
        np.testing.assert_allclose(values[ParameterSlot(i)], p.ravel(), rtol=0,
                                   atol=tolerance * max(1e-3, np.abs(p).max()))


def test_random_models(tmp_path: Path) -> None:
    """Costs and parameters after five steps of 300 models of the compiler's generator."""
    jobs, expected = [], []
    for seed in range(375):
        def make(seed: int = seed) -> nn.Module:
            return models.RandomModel(seed, np.float64 if seed % 5 else np.float32)  # type: ignore[no-any-return]
        rule = models.OPTIMISERS[(seed + seed // 6) % len(models.OPTIMISERS)]
        jobs.append(job(make, rule(), models.X, models.Y, 5, f"training_{seed}", settings=seed % 2 == 0))
        expected.append((eagerly(make, rule(), models.X, models.Y, 5), 1e-9 if seed % 5 else 1e-3))
    for seed, (found, (wanted, tolerance)) in enumerate(zip(node.run(jobs, tmp_path), expected)):
        try:
            assert_same(found, wanted, tolerance)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}\n{jobs[seed].step.text}") from None


IMAGES = np.random.RandomState(5).rand(432, 60)
LABELS = (IMAGES[:1] + IMAGES[9:10] > 1).astype(float)
FLOWER = data.planar()
COURSE: dict[str, tuple[Make, Any, Any, float]] = {
    "planar": (PlanarClassifier, *FLOWER, 1.2),
    "logistic": (lambda: LogisticRegression(432), IMAGES, LABELS, 0.005),
    "two-layer": (lambda: TwoLayerNetwork(432, 7, 1), IMAGES, LABELS, 0.0075),
    "four-layer": (lambda: DeepNetwork([432, 20, 7, 5, 1]), IMAGES, LABELS, 0.0075)}


def test_the_models_of_the_course(tmp_path: Path) -> None:
    """A thousand iterations: costs and parameters as eagerly, with large weights kept in the span of the data."""
    jobs = [job(make, optim.GradientDescent(rate), X, Y, 1000, name.replace("-", "_"))
            for name, (make, X, Y, rate) in COURSE.items()]
    assert [bool(one.step.computed) for one in jobs] == [False, True, True, True]
    for found, (make, X, Y, rate) in zip(node.run(jobs, tmp_path), COURSE.values()):
        assert_same(found, eagerly(make, optim.GradientDescent(rate), X, Y, 1000), 1e-9)


def test_settings_are_arguments(tmp_path: Path) -> None:
    """One function trains with any learning rate, beta and epsilon."""
    for rules in ((optim.Momentum(0.1), optim.Momentum(0.7, beta=0.5)),
                  (optim.Adam(0.1), optim.Adam(0.02, beta1=0.5, beta2=0.6, epsilon=0.1))):
        first, other = rules
        one = job(PlanarClassifier, first, *FLOWER, 20)
        model = PlanarClassifier()
        one.start = one.step.starting_values(model.parameters(), other, dict(zip("XY", FLOWER)))
        assert_same(node.run([one], tmp_path)[0], eagerly(PlanarClassifier, other, *FLOWER, 20), 1e-11)
        assert first.learning_rate == 0.1  # a number again


class Odd(nn.Module):
    """A model of one parameter with any cost."""

    def __init__(self, cost: Callable[[Any, Any, Any], Any], dtype: Any = np.float64):
        self.W = Tensor(np.array([[0.1, -0.4], [0.5, 0.3]]), requires_grad=True, name="W", dtype=dtype)
        self.of = cost

    def cost(self, X: Any, Y: Any) -> Any: return self.of(self.W, X, Y)


@pytest.mark.parametrize("make, reason", [
    (lambda: Odd(lambda W, X, Y: W[[0, 0, 1]].sum()), "selected by an array of indices"),
    (lambda: Odd(lambda W, X, Y: W[W.data > 0].sum()), "values of a Tensor select elements"),
    (lambda: Odd(lambda W, X, Y: (W * 2 ** 60).sum() * 0 + (np.where(W > 0, 2 ** 60, 2 ** 61) * W).sum()),
     "no whole numbers as large"),
    (lambda: Odd(lambda W, X, Y: W.sum() if W.sum() > 0 else W.mean()), "control flow"),
    (lambda: Odd(lambda W, X, Y: W.sum(), np.float16), "no float16"),
])
def test_what_has_no_counterpart_is_refused(make: Make, reason: str) -> None:
    X, Y = np.ones((2, 3)), np.ones((1, 3))
    model: Any = make()
    with pytest.raises(Untraceable, match=reason):
        javascript_step(model, model.cost, optim.GradientDescent(0.1), X, Y)


HOSTILE = ["</script><script>alert(1)</script>", "W\u2028alert(1)//", "*/ alert(1) /*", "constructor", "__proto__",
           "function", "\u05d0\u202e", "\U0001f600", "W'\"`${alert(1)}", "<!-- -->", "step"]


def test_names_do_no_harm(tmp_path: Path) -> None:
    """Names of parameters are never run, and never end a script or a comment."""
    class Named(nn.Module):
        def __init__(self) -> None:
            for i, name in enumerate(HOSTILE):
                setattr(self, f"p{i}", Tensor(np.ones((2, 2)) * 0.1 * i, requires_grad=True, name=name))
            self.parts = {name: getattr(self, f"p{i}") for i, name in enumerate(HOSTILE)}

        def cost(self, X: Any, Y: Any) -> Any:
            out = X
            for part in self.parts.values():
                out = np.tanh(part @ out + 0.1)
            return (out * out).mean()
    Named.__qualname__ = Named.__name__ = "A</script>\n<b>"
    X, Y = np.random.RandomState(0).randn(2, 5), np.ones((1, 5))
    one = job(Named, optim.GradientDescent(0.1), X, Y, 5)
    text = one.step.text
    assert text.isascii() and "</" not in text and "<!" not in text and "alert" not in "".join(
        line.partition("//")[0] for line in text.splitlines() if line.strip()[:2] != "//")
    assert_same(node.run([one], tmp_path)[0], eagerly(Named, optim.GradientDescent(0.1), X, Y, 5), 1e-11)
