"""What is recorded: by whom, in which order, forwards and backwards; and nothing is left behind."""

import threading
from collections import Counter
from typing import Any

import numpy as np
import pytest

from tinygrad_course import InputError, Tensor, grad, nn, no_grad
from tinygrad_course.graph.modules import inferred, likely_inputs, tried_out
from tinygrad_course.graph.record import Record, recorded, watched, with_backward, with_equal_constants_as_one
from tinygrad_course.mode import mode
from tinygrad_course.models import DeepNetwork, LogisticRegression, PlanarClassifier

RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(2, 5)), np.array([[1.0, 0, 1, 1, 0]])


def test_by_whom_and_in_which_order() -> None:
    inner = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
    model = nn.Sequential(inner, nn.Linear(3, 1), nn.Sigmoid())
    with watched() as watch:
        y_hat = model(X)
        y_hat.sum()
    assert [origin.op.name for origin in watch.origins.values()] == [
        "matmul", "add", "tanh", "matmul", "add", "sigmoid", "sum"]
    called = [[type(call.module).__name__ for call in watch.calls[tensor].chain()] if tensor in watch.calls else []
              for tensor in watch.origins]
    assert called == [["Sequential", "Sequential", "Linear"]] * 2 + [["Sequential", "Sequential", "Tanh"]] + [
        ["Sequential", "Linear"]] * 2 + [["Sequential", "Sigmoid"], []]
    first = list(watch.calls.values())
    assert first[0] is first[1] and first[0].within is first[2].within and first[0] is not first[3]


def test_it_nests_ends_and_is_of_its_thread() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    with watched() as outer:
        np.exp(x)
        with watched(recording=False) as inner, pytest.raises(ZeroDivisionError):
            thread = threading.Thread(target=lambda: np.sqrt(x))
            thread.start()
            thread.join()
            assert not np.tanh(x).requires_grad
            1 / 0
        np.log(x)
    assert [origin.op.name for origin in outer.origins.values()] == ["exp", "log"]
    assert [origin.op.name for origin in inner.origins.values()] == ["tanh"]
    assert mode.now.observers == () and mode.now.recording


def test_a_module_that_raises_is_left() -> None:
    model = nn.Sequential(nn.Linear(3, 1))
    with watched() as watch:
        with pytest.raises(InputError):
            model(X)
        outside = Tensor([1.0]) * 2.0
    assert outside in watch.origins and outside not in watch.calls


def test_what_records_nothing_is_seen_with_its_parameters() -> None:
    """The transpose of a constant, which a VJP computes: its result does not know where it comes from."""
    constant = Tensor(RANDOM.normal(size=(2, 3, 4)))
    with watched() as watch:
        moved = constant.transpose(2, 0, 1)
    assert moved.op is None and watch.origins[moved].params == {"axes": (2, 0, 1)}
    assert watch.origins[moved].parents[0] is constant


def made_once(record: Record) -> set[Tensor]:
    """The gradients that one VJP made and handed on: not those that it only passed on."""
    times = Counter(part for parts in record.parts.values() for _, part in parts)
    return {part for part, n in times.items() if n == 1 and part in record.made_by}


@pytest.mark.parametrize("model", [LogisticRegression(2), PlanarClassifier(), DeepNetwork([2, 4, 3, 1])],
                         ids=lambda model: type(model).__name__)
def test_the_backward_pass_adds_up_to_the_gradients_of_autodiff(model: Any) -> None:
    J = model.cost(X, Y)
    record = with_backward(recorded([J]))
    for parameter, expected in zip(model.parameters(), grad(J, model.parameters())):
        np.testing.assert_array_equal(record.total[parameter]._data, expected.numpy())
    for tensor, parts in record.parts.items():
        assert all(user in record.forward and tensor in set(record.parents(user)) for user, _ in parts)
        np.testing.assert_allclose(sum(part._data for _, part in parts), record.total[tensor]._data, rtol=1e-15)
    place = {tensor: i for i, tensor in enumerate(record.tensors)}
    assert all(place[parent] < place[tensor] for parent, tensor in record.edges())
    for tensor in record.tensors:  # computed anew from what the record says, every step has the value that it had
        if tensor in record.origins:
            origin = record.origins[tensor]
            again = origin.op.value(*(parent._data for parent in origin.parents), **origin.params)
            np.testing.assert_allclose(again, tensor._data, rtol=1e-15)
    made = [tensor for tensor in record.tensors if tensor in record.origins and tensor not in record.forward]
    assert made and all(record.made_by[tensor] in record.forward for tensor in made)
    for parts in record.parts.values():
        assert all(record.made_by[part] is user for user, part in parts if part in made_once(record))


def test_nothing_is_left_behind() -> None:
    model = PlanarClassifier()
    J = model.cost(X, Y)
    before = [(p.data, p._data, p._user, p.grad, p._differentiated, p._data.flags.writeable)
              for p in [*model.parameters(), *recorded([J]).tensors]]
    with no_grad():
        with_backward(recorded([J]))
    after = [(p._data, p._user, p.grad, p._differentiated, p._data.flags.writeable)
             for p in [*model.parameters(), *recorded([J]).tensors]]
    assert all(all(x is y for x, y in zip(old[1:], new)) for old, new in zip(before, after))


def test_values_that_changed_since_are_noticed() -> None:
    model = PlanarClassifier()
    J = model.cost(X, Y)
    J.backward()
    model.parameters()[0].data = np.ones((4, 2))
    with pytest.raises(InputError, match="W1 got new values.*Run the forward pass again"):
        with_backward(recorded([J]))


def test_a_cost_is_needed() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    for outputs in ([x * 2], [x.sum(), (x * 2).sum()], [Tensor(1.0)]):
        with pytest.raises(InputError, match="needs one output that is a single number and has a gradient"):
            with_backward(recorded(outputs))


def test_equal_constants_are_one_leaf() -> None:
    W = Tensor(RANDOM.normal(size=(2, 2)), requires_grad=True)
    named = Tensor(X, name="named")
    J = ((W @ X.copy() + X.copy()) @ X.T.copy()).sum() + (W @ named).sum() + (W @ (X + 1)).sum() + 2.0 * 2.0 * W.sum()
    record = with_equal_constants_as_one(with_backward(recorded([J])))
    assert {tensor for tensor in record.forward} <= set(record.tensors)
    arrays = [tensor for tensor in record.tensors
              if tensor in record.forward and not tensor.requires_grad and tensor.size > 1]
    assert len(arrays) == 4  # X, its transpose, the named one, X + 1
    first, other = arrays[0], next(tensor for tensor in arrays if tensor.shape == (5, 2))
    assert record.op(other) == "transpose" and record.parents(other) == (first,)
    uses = [record.op(user) for parent, user in record.edges() if parent is first and user in record.forward]
    assert sorted(uses) == ["add", "matmul", "transpose"]
    assert all(parent in set(record.tensors) for parent, _ in record.edges())


def test_inferred_calls() -> None:
    shared = nn.Linear(2, 2)
    model = nn.Sequential(shared, nn.Tanh(), nn.Sequential(nn.Linear(2, 2), nn.ReLU()), shared)
    record = recorded([model(X)])
    calls = inferred(record, model)
    chains = [[type(call.module).__name__ for call in calls[tensor].chain()] if tensor in calls else None
              for tensor in record.tensors if tensor.op is not None]
    outer, inner = ["Sequential"], ["Sequential", "Sequential", "Linear"]
    assert chains == [outer, outer, outer, inner, inner, outer, outer, None]
    with pytest.raises(InputError, match="no parameter in this graph"):
        inferred(record, nn.Linear(2, 2))


class Gated(nn.Module):
    """A gate that broadcasting lets a single input pass; it also draws random numbers and may refuse."""

    def __init__(self) -> None:
        self.gate = Tensor(np.ones((3, 1)), requires_grad=True)
        self.W = Tensor(np.ones((4, 3)), requires_grad=True)

    def forward(self, X: Any) -> Tensor:
        return self.W @ (X * self.gate) + np.random.rand()


def test_how_many_inputs_a_model_takes_is_found() -> None:
    model = Gated()
    assert likely_inputs(model) == [3, 4, 1]
    arrays = [p.data for p in model.parameters()]
    np.random.seed(0)
    output, tried, watch = tried_out(model, lambda n_x: np.zeros((n_x, 2)))
    assert tried.shape == (3, 2) and output.shape == (4, 2) and output in watch.origins
    assert np.random.rand() == pytest.approx(0.5488135)  # the first number after seed(0)
    assert all(p.data is array and array.flags.writeable for p, array in zip(model.parameters(), arrays))
    with pytest.raises(InputError, match=r"Linear takes no made-up X of the shapes \(3, 2, 2\), \(2, 2, 2\)") as caught:
        tried_out(nn.Linear(3, 2), lambda n_x: np.zeros((n_x, 2, 2)))
    assert isinstance(caught.value.__cause__, InputError)
