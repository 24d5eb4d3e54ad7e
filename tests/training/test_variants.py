"""Learning from runs: the history as a table, plots of several, variants side by side."""

import json
import re
import sys
from typing import Any

import numpy as np
import pytest
from trainings import X, Y, values

from tinygrad_course import InputError, compare_runs, fit, nn, optim
from tinygrad_course.models import PlanarClassifier
from tinygrad_course.training import History
from tinygrad_course.visualize import plots

NEW = X[:, :9], Y[:, :9]


def history(**settings: Any) -> History:
    return fit(PlanarClassifier(), X, Y, **{"iterations": 20, "learning_rate": 0.5, **settings})


def test_a_history_as_columns() -> None:
    found = history(record_every=10, validation=NEW, validate_every=5)
    columns = found.as_dict()
    assert columns["iteration"] == [0, 5, 10, 15, 20]
    assert columns["cost"] == [found.costs[0], None, found.costs[10], None, None]
    assert columns["validation_cost"] == list(found.validation_costs.values())
    assert columns["validation_accuracy"][4] == found.validation_accuracies[20]
    assert json.loads(json.dumps(columns)) == columns
    assert list(history().as_dict()) == ["iteration", "cost"] and History().as_dict() == {"iteration": []}


def test_a_history_as_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match="pip install pandas.*as_dict"):
        history().to_frame()
    monkeypatch.undo()
    pytest.importorskip("pandas")
    found = history(record_every=10, validation=NEW, validate_every=5)
    frame = found.to_frame()
    assert list(frame.index) == [0, 5, 10, 15, 20] and frame.index.name == "iteration"
    assert frame.cost.dropna().to_dict() == found.costs
    assert frame.validation_cost.to_dict() == found.validation_costs


def test_plots_compare_runs_and_show_validation() -> None:
    slow, fast = history(learning_rate=0.1, validation=NEW), history(learning_rate=optim.Cosine(0.9, 20))
    axes = plots.plot_costs(slow, fast).axes[0]
    assert [line.get_ydata()[-1] for line in axes.get_lines()] == [
        slow.costs[19], slow.validation_costs[20], fast.costs[19]]
    *first, last = [text.get_text() for text in axes.get_legend().get_texts()]
    assert first == ["learning rate 0.1", "learning rate 0.1, validation"] and last.startswith("learning rate Cosine(")
    single = plots.plot_costs(slow)
    assert [text.get_text() for text in single.axes[0].get_legend().get_texts()] == ["training", "validation"]
    assert "Validation of Cost: from" in single.alt


def test_variants_differ_in_what_they_say_and_in_nothing_else() -> None:
    np.random.seed(5)
    before = np.random.get_state(legacy=False)

    def make() -> nn.Sequential:
        return nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1), nn.Sigmoid())

    runs = compare_runs({"slow": {"learning_rate": 0.1}, "fast": {}, "adam": {
        "learning_rate": None, "optimizer": lambda: optim.Adam(0.05)}, "he": {"model": lambda: nn.Sequential(
            nn.Linear(2, 4, nn.he), nn.ReLU(), nn.Linear(4, 1), nn.Sigmoid())}}, X, Y, model=make, iterations=30,
        learning_rate=0.9, cost="binary_cross_entropy", validation=NEW)
    assert str(np.random.get_state(legacy=False)) == str(before)
    for name, rate in (("slow", 0.1), ("fast", 0.9)):
        np.random.seed(5)
        alone = make()
        expected = fit(alone, X, Y, iterations=30, learning_rate=rate, cost=nn.binary_cross_entropy)
        assert values(runs[name].model) == values(alone) and runs[name].history.costs == expected.costs
    assert runs["he"].history.costs[0] != runs["fast"].history.costs[0] == runs["adam"].history.costs[0]
    text = repr(runs)
    for name, run in runs.runs.items():
        assert re.search(rf"^{name} +30 +{run.history.costs[29]:.4g} +{100 * run.accuracy:.1f} %", text,  # type: ignore
                         re.MULTILINE)
    assert "stopped" not in text and "validation accuracy" in text
    html = runs._repr_html_()
    assert html.count("<tr>") == 5 and html.count("<svg ") == 1


def test_a_run_that_diverges_is_a_result() -> None:
    class Line(nn.Module):
        def __init__(self) -> None: self.layer = nn.Linear(2, 1)
        def cost(self, X: Any, Y: Any) -> Any: return nn.mean_squared_error(self.layer(X), Y)

    runs = compare_runs({"low": {"learning_rate": 0.01}, "high": {"learning_rate": 1e9}}, X, Y, model=Line,
                        iterations=300)
    assert "became" in str(runs["high"].history.stopped) and runs["low"].history.stopped is None
    assert "became" in repr(runs) and "accuracy" not in repr(runs)


@pytest.mark.parametrize("variants, settings, message", [
    ({}, {}, "a dict from names"), ([1], {}, "a dict from names"),
    ({"a": 3}, {}, "the variant 'a' is int"), ({"a": {}}, {"model": None}, "'a' needs model="),
    ({"a": {"model": PlanarClassifier()}}, {}, "a function that makes a new model"),
    ({"a": {"width": 3}}, {}, "width, which fit does not know"),
    ({"a": {}}, {"optimizer": optim.Adam(), "learning_rate": None}, "for all variants"),
    ({"a": {"learning_rate": -1}}, {}, "learning rate must be"),
])
def test_bad_input(variants: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        compare_runs(variants, X, Y, **{"model": PlanarClassifier, "iterations": 5, "learning_rate": 0.1, **settings})
