"""Training and evaluation mode, dropout and batch norm: the formulas, the state, every engine."""

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trainings import X, Y, trained, values

from tinygrad_course import InputError, Tensor, accuracy, checkpoint, fit, gradcheck, nn, optim, predict


def network(*middle: Any, seed: int = 1) -> nn.Sequential:
    random = np.random.RandomState(seed)
    return nn.Sequential(nn.Linear(2, 5, random=random), *middle, nn.Tanh(), nn.Linear(5, 1, random=random),
                         nn.Sigmoid())


def with_both(seed: int = 1) -> nn.Sequential:
    return network(nn.BatchNorm(5), nn.Dropout(0.3, np.random.RandomState(7)), seed=seed)


def test_modes_reach_all_that_is_held_and_come_back() -> None:
    class Deep(nn.Module):
        def __init__(self) -> None:
            self.inner = {"a": [nn.Dropout(0.5), network(nn.BatchNorm(5))]}
            self.training = True

        def forward(self, X: Any) -> Any: return self.inner["a"][1](X)  # type: ignore[operator]

    model = Deep()
    drop, inner = model.inner["a"]
    assert model.eval() is model and not any((model.training, drop.training, inner.training, inner[1].training))
    inner[1].train()  # type: ignore[union-attr, index]
    predict(model, X)
    assert (model.training, inner.training, inner[1].training) == (False, False, True)  # type: ignore[index]
    assert model.train().training and drop.training
    assert copy.deepcopy(model.eval()).training is False and pickle.loads(pickle.dumps(drop)).training is False


def test_dropout_is_inverted() -> None:
    layer = nn.Dropout(0.25, np.random.RandomState(1))
    ones = np.ones((200, 500))
    A = layer(ones).numpy()
    assert set(np.unique(A)) == {0.0, 1 / 0.75}
    assert np.mean(A) == pytest.approx(1, abs=4 * np.sqrt(0.25 / 0.75 / A.size))
    assert not np.array_equal(A, layer(ones).numpy())
    assert layer(ones.astype(np.float32)).dtype == np.float32 and layer(Tensor(np.float32([[1]]))).dtype == np.float32
    assert layer.eval()(X).numpy() is not None and np.array_equal(layer(X).numpy(), X)
    w = Tensor(ones, requires_grad=True)
    out = layer.train()(w)
    np.sum(out).backward()  # type: ignore[call-overload]
    assert np.array_equal(w.grad, out.numpy())  # nothing flows back through what was dropped


def test_two_layers_have_masks_of_their_own() -> None:
    np.random.seed(3)
    one, other = nn.Dropout(), nn.Dropout()
    assert not np.array_equal(one(np.ones((9, 9))).numpy(), other(np.ones((9, 9))).numpy())
    np.random.seed(3)
    assert np.array_equal(nn.Dropout().mask_state + [0, 1], one.mask_state)


def test_batch_norm_follows_the_formulas() -> None:
    layer = nn.BatchNorm(2, momentum=0.2, epsilon=1e-3)
    layer.gamma.data, layer.beta.data = np.array([[2.0], [3.0]]), np.array([[0.5], [-1.0]])
    mean, variance = X.mean(axis=1, keepdims=True), X.var(axis=1, keepdims=True)
    expected = layer.gamma.data * (X - mean) / np.sqrt(variance + 1e-3) + layer.beta.data
    np.testing.assert_allclose(layer(X).numpy(), expected, rtol=1e-12)
    np.testing.assert_allclose(layer.running_mean, 0.2 * mean, rtol=1e-12)
    np.testing.assert_allclose(layer.running_variance, 0.8 + 0.2 * X.var(axis=1, keepdims=True, ddof=1), rtol=1e-12)
    before = values(layer)
    evaluated = layer.eval()(X[:, :1]).numpy()
    np.testing.assert_allclose(evaluated, layer.gamma.data * (X[:, :1] - layer.running_mean) / np.sqrt(
        layer.running_variance + 1e-3) + layer.beta.data, rtol=1e-12)
    assert values(layer) == before
    layer.train()
    gradcheck(lambda X, gamma, beta: np.square(_given(layer, gamma, beta)(X) - 1),  # type: ignore[operator]
              [X[:, :6], layer.gamma, layer.beta])


def _given(layer: nn.BatchNorm, gamma: Any, beta: Any) -> nn.BatchNorm:
    other = copy.copy(layer)
    other.gamma, other.beta = gamma, beta
    return other


@pytest.mark.parametrize("make, message", [
    (lambda: nn.Dropout(1.0), "less than 1; got 1.0"),
    (lambda: nn.Dropout(-0.1), "at least 0"),
    (lambda: nn.Dropout(float("nan")), "got nan"),
    (lambda: nn.Dropout("0.5"), "got '0.5'"),  # type: ignore[arg-type]
    (lambda: nn.BatchNorm(0), "number of rows"),
    (lambda: nn.BatchNorm(3, momentum=1.5), "momentum"),
    (lambda: nn.BatchNorm(3, epsilon=0), "epsilon"),
    (lambda: nn.BatchNorm(3)(X), r"needs X \(3, m\).*got \(2, 50\)"),
    (lambda: nn.BatchNorm(2)(X.T), "did you mean X.T"),
    (lambda: nn.BatchNorm(2)(X[:, 0]), r"got \(2,\)"),
    (lambda: nn.BatchNorm(2)(X[:, :1]), "at least two"),
    (lambda: fit(network(nn.BatchNorm(5)), X, Y, iterations=30, learning_rate=0.1, batch_size=7,
                 cost=nn.binary_cross_entropy, engine="eager"), "no single example over"),
])
def test_bad_input(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_fit_trains_in_training_mode_and_evaluates_without_a_trace() -> None:
    """Validation, accuracy and predictions in between change no number of the training; the mode is left as it was."""
    settings: dict[str, Any] = {"iterations": 30, "cost": nn.binary_cross_entropy, "batch_size": 8}
    plain = trained("eager", lambda: with_both().eval(), **settings)
    watched = trained("eager", lambda: with_both().eval(), validation=(X[:, :9], Y[:, :9]), validate_every=3,
                      act=lambda out, i: accuracy(out.model, X, Y), **settings)
    assert values(plain.model) == values(watched.model)
    assert not plain.model.training and not plain.model[1].training  # type: ignore[index]
    assert plain.model.state_dict()["2.mask_state"][1] == 30
    last = watched.history.validation_costs[30]
    assert last == nn.binary_cross_entropy(watched.model(X[:, :9]), Y[:, :9]).item()


def test_early_stopping_keeps_the_buffers_of_the_best_parameters() -> None:
    out = trained("eager", with_both, iterations=200, cost=nn.binary_cross_entropy, batch_size=8, patience=3,
                  optimizer=lambda: optim.Adam(0.1), validation=(X[:, :9], 1 - Y[:, :9]), validate_every=5)
    best = min(out.history.validation_costs, key=out.history.validation_costs.get)
    assert out.history.iterations > best
    cost = nn.binary_cross_entropy(out.model.eval()(X[:, :9]), 1 - Y[:, :9]).item()
    assert cost == out.history.validation_costs[best]
    assert out.model.state_dict()["2.mask_state"][1] == best


@pytest.mark.parametrize("engine", ["numpy", "native"])
@pytest.mark.parametrize("layer, attribute", [(nn.Dropout, "mask_state"), (lambda: nn.BatchNorm(5), "running_mean")])
def test_engines_that_compile_say_why_not(engine: str, layer: Any, attribute: str) -> None:
    model = network(layer())
    before = values(model)
    with pytest.raises(InputError, match=f"engine '{engine}' cannot train.*{attribute}"):
        fit(model, X, Y, iterations=30, learning_rate=0.1, cost=nn.binary_cross_entropy, engine=engine)
    assert values(model) == before and type(model.state_dict()["0.W"]) is np.ndarray


def test_auto_is_eager_with_the_same_numbers() -> None:
    settings: dict[str, Any] = {"iterations": 30, "cost": nn.binary_cross_entropy}
    with pytest.warns(UserWarning, match="trained eagerly"):
        auto = trained("auto", with_both, **settings)
    assert auto.history.engine == "eager"
    assert values(auto.model) == values(trained("eager", with_both, **settings).model)


def test_state_in_checkpoints_and_pickles(tmp_path: Path) -> None:
    model = with_both()
    fit(model, X, Y, iterations=15, learning_rate=0.1, cost=nn.binary_cross_entropy, engine="eager")
    assert set(model.state_dict()) >= {"1.gamma", "1.beta", "1.running_mean", "1.running_variance", "2.mask_state"}
    path = checkpoint.save(tmp_path / "model.h5", model)
    other = with_both(seed=5)
    checkpoint.load_into(path, other)
    for again in (other, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert values(again) == values(model)
        fresh = copy.deepcopy(model)
        for one in (fresh, again):
            fit(one, X, Y, iterations=5, learning_rate=0.1, cost=nn.binary_cross_entropy, engine="eager")
        assert values(again) == values(fresh)  # the masks go on where they were
        assert np.array_equal(predict(again, X), predict(fresh, X))


def test_pictures_and_equations_leave_no_trace() -> None:
    from tinygrad_course.equations import derive
    from tinygrad_course.visualize import draw_graph, draw_network, plots
    model = with_both()
    before = values(model)
    draw_network(model).svg
    draw_graph(model, X).svg
    derive(model, cost=nn.binary_cross_entropy)
    nn.summary(model, 4)
    plots.plot_decision_boundary(model, X, Y, resolution=9)
    assert values(model) == before and model.training and model[2].training  # type: ignore[index]


def test_batch_norm_and_dropout_against_torch() -> None:
    """200 updates with the same batches; torch's dropout draws other masks, so its scaling alone is compared."""
    torch = pytest.importorskip("torch")
    ours = network(nn.BatchNorm(5))
    theirs = torch.nn.Sequential(torch.nn.Linear(2, 5), torch.nn.BatchNorm1d(5), torch.nn.Tanh(),
                                 torch.nn.Linear(5, 1), torch.nn.Sigmoid()).double()
    with torch.no_grad():
        for i, k in ((0, 0), (3, 3)):
            theirs[i].weight[:] = torch.from_numpy(ours[k].W.data)  # type: ignore[attr-defined]
            theirs[i].bias[:] = torch.from_numpy(ours[k].b.data[:, 0])  # type: ignore[attr-defined]
    history = fit(ours, X, Y, iterations=200, learning_rate=0.05, cost=nn.binary_cross_entropy, engine="eager")
    rule = torch.optim.SGD(theirs.parameters(), lr=0.05)
    data, labels = torch.from_numpy(X.T.copy()), torch.from_numpy(Y.T.copy())
    costs = []
    for _ in range(200):
        rule.zero_grad()
        J = torch.nn.functional.binary_cross_entropy(theirs(data), labels)
        J.backward()
        costs.append(J.item())
        rule.step()
    np.testing.assert_allclose(list(history.costs.values()), costs, rtol=1e-9)
    norm = theirs[1]
    for found, expected in ((ours[1].gamma.data, norm.weight), (ours[1].beta.data, norm.bias),  # type: ignore
                            (ours[1].running_mean, norm.running_mean),  # type: ignore[attr-defined]
                            (ours[1].running_variance, norm.running_var)):  # type: ignore[attr-defined]
        np.testing.assert_allclose(found[:, 0], expected.detach().numpy(), rtol=1e-9)
    np.testing.assert_allclose(ours.eval()(X).numpy(), theirs.eval()(data).detach().numpy().T, rtol=1e-9)

    ones = np.ones((300, 300))
    ours_dropped = nn.Dropout(0.3, np.random.RandomState(2))(ones).numpy()
    theirs_dropped = torch.nn.Dropout(0.3)(torch.from_numpy(ones)).numpy()
    np.testing.assert_allclose(np.unique(ours_dropped), np.unique(theirs_dropped), rtol=1e-15)
    assert np.mean(ours_dropped) == pytest.approx(np.mean(theirs_dropped), abs=6 * np.sqrt(2 * 0.3 / 0.7 / ones.size))


def test_modes_reach_what_contents_leaves_out() -> None:
    class Renamed(nn.Module):
        def __init__(self) -> None:
            self.layer, self.dropped = nn.Linear(2, 1), nn.Dropout(0.5)

        def contents(self) -> Any: return [("W1", self.layer.W), ("b1", self.layer.b)]

    model = Renamed()
    assert not model.eval().dropped.training and model.train().dropped.training
