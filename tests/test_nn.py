"""Layers: which parameters a Module finds, what they start from, and what layers compute."""

from collections import UserDict, UserList, deque
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tinygrad_course import InputError, Tensor, nn, optim


def parameter(*values: float) -> Tensor:
    return Tensor(values, requires_grad=True, dtype=float)


def names(module: nn.Module) -> list[str]:
    return [name for name, _ in module.named_parameters()]


class Child(nn.Module):
    def __init__(self, parent: nn.Module) -> None:
        self.parent = parent


class Network(nn.Module):
    """Parameters in every place where they may be."""

    def __init__(self) -> None:
        self.zeta = parameter(1)
        self.parts = [parameter(2), (nn.Linear(2, 3), {"scale": parameter(3), 0: parameter(4)})]
        self.size, self.label, self.nothing, self.array = 3, "text", None, np.ones(3)
        self.constant, self.computed = Tensor([1.0]), self.zeta * 2
        self.alpha = parameter(5)
        self.inner = nn.Sequential(nn.Linear(3, 1), Child(self))
        self.myself = self  # two ways to go round in circles


def test_parameters_are_found_by_their_path_in_the_order_of_definition() -> None:
    network = Network()
    found = names(network)
    assert found[:7] == ["zeta", "parts.0", "parts.1.0.W", "parts.1.0.b", "parts.1.1.scale", "parts.1.1.0", "alpha"]
    assert [name.split(".")[0] + name[-2:] for name in found[7:]] == ["inner.W", "inner.b"]
    assert all(p is q for p, (_, q) in zip(network.parameters(), network.named_parameters(), strict=True))
    assert network.parameters()[0] is network.zeta and network.parameters()[6] is network.alpha


def test_a_parameter_that_comes_later_is_found_and_one_that_goes_is_not() -> None:
    network = Network()
    network.later = parameter(6)
    del network.parts
    assert names(network)[0] == "zeta" and names(network)[-1] == "later" and len(names(network)) == 5


def test_shared_parameters_count_once() -> None:
    layer = nn.Linear(2, 2)

    class Tied(nn.Module):
        def __init__(self) -> None:
            self.encoder = layer
            self.decoder = {"same": layer, "W": layer.W}
            self.own = parameter(1)

    assert names(Tied()) == ["encoder.W", "encoder.b", "own"]
    assert nn.Sequential(layer, nn.relu, layer).parameters() == [layer.W, layer.b]
    list_of_layers = [layer]
    tied = Tied()
    tied.first, tied.second = list_of_layers, list_of_layers
    assert names(tied) == ["encoder.W", "encoder.b", "own"]


def test_contents_names_the_parameters_also_of_a_nested_module() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            self.weights = [parameter(i) for i in range(4)]

        def contents(self) -> Any:
            return ((f"W{i}", [W]) for i, W in enumerate(self.weights))  # lists that do not live long

    assert names(Named()) == ["W0.0", "W1.0", "W2.0", "W3.0"]
    assert names(nn.Sequential(nn.Sequential(nn.Linear(1, 2)), Named()))[:4] == ["0.0.W", "0.0.b", "1.W0.0", "1.W1.0"]


def test_zero_grad() -> None:
    network = Network()
    for p in network.parameters():
        p.grad = np.ones_like(p.numpy())
    network.zero_grad()
    assert [p.grad for p in network.parameters()] == [None] * 9


# --------------------------------------------------------------------------------------------- linear layer


def test_linear_computes_one_example_per_column() -> None:
    layer = nn.Linear(3, 2, layer=4)
    assert (layer.W.shape, layer.b.shape) == ((2, 3), (2, 1))
    assert (layer.W.name, layer.b.name, nn.Linear(1, 1).W.name) == ("W4", "b4", "W")
    assert layer.W.requires_grad and layer.b.requires_grad and not layer.b.numpy().any()
    layer.b.data = [[10.0], [20.0]]
    X = np.random.RandomState(0).randn(3, 5)
    Z = layer(X)
    assert Z.shape == (2, 5)
    for i in range(5):
        expected = [sum(layer.W.numpy()[j, k] * X[k, i] for k in range(3)) + layer.b.numpy()[j, 0] for j in (0, 1)]
        np.testing.assert_allclose(Z.numpy()[:, i], expected, rtol=1e-14)
    np.testing.assert_array_equal(layer(Tensor(X)).numpy(), Z.numpy())
    rebuilt = type(layer)(**layer.config())
    assert [p.shape for p in rebuilt.parameters()] == [(2, 3), (2, 1)] and repr(layer) == "Linear(n_in=3, n_out=2)"


def test_linear_in_float32() -> None:
    layer = nn.Linear(3, 2, dtype=np.float32)
    Z = layer(np.ones((3, 4), np.float32))
    Z.sum().backward()
    assert {layer.W.dtype, layer.b.dtype, Z.dtype, layer.W.grad.dtype, layer.b.grad.dtype} == {np.dtype("float32")}


@pytest.mark.parametrize("init, factor", [
    (nn.zeros, 0), (nn.small, 0.01), (nn.lecun, 1 / 3 ** 0.5), (nn.he, (2 / 3) ** 0.5), (nn.xavier, (2 / 8) ** 0.5),
], ids=lambda value: getattr(value, "__name__", ""))
def test_initial_values_are_those_of_randomstate(init: Any, factor: float) -> None:
    normal = np.random.RandomState(7).randn(5, 3)
    layer = nn.Linear(3, 5, init, np.random.RandomState(7))
    np.testing.assert_allclose(layer.W.numpy(), factor * normal, rtol=1e-15, strict=True)
    np.testing.assert_array_equal(layer.b.numpy(), np.zeros((5, 1)), strict=True)


def test_np_random_seed_controls_the_default() -> None:
    def make() -> list[Any]:
        return [nn.Linear(3, 2).W.numpy(), nn.Linear(2, 2, nn.he).W.numpy()]

    np.random.seed(5)
    first, other = make(), make()
    np.random.seed(5)
    for a, b, c in zip(first, make(), other):
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)
    np.testing.assert_allclose(first[0], np.random.RandomState(5).randn(2, 3) / np.sqrt(3), rtol=1e-15)


# ------------------------------------------------------------------------------------ activations, sequences

Z = np.array([[-1000.0, -2, -0.5], [0.25, 3, 1000]])


@pytest.mark.parametrize("function, module, expected", [
    (nn.sigmoid, nn.Sigmoid(), (1 + np.tanh(Z / 2)) / 2),
    (nn.tanh, nn.Tanh(), np.tanh(Z)),
    (nn.relu, nn.ReLU(), np.where(Z > 0, Z, 0)),
    (nn.leaky_relu, nn.LeakyReLU(), np.where(Z > 0, Z, 0.01 * Z)),
    (lambda Z: nn.leaky_relu(Z, 0.5), nn.LeakyReLU(0.5), np.where(Z > 0, Z, 0.5 * Z)),
    (nn.softplus, nn.Softplus(), np.logaddexp(0, Z)),
    (nn.softmax, nn.Softmax(), np.array([[0, np.exp(-5), 0], [1, 1, 1]]) / [1, 1 + np.exp(-5), 1]),
], ids=["sigmoid", "tanh", "relu", "leaky_relu", "slope", "softplus", "softmax"])
def test_activations(function: Callable[[Any], Tensor], module: nn.Module, expected: Any) -> None:
    for activation in (function, module):
        A = activation(Z)
        assert isinstance(A, Tensor)
        np.testing.assert_allclose(A.numpy(), expected, rtol=1e-14, atol=1e-15)
    assert module.parameters() == []
    np.testing.assert_array_equal(type(module)(**module.config())(Z).numpy(), module(Z).numpy())


def test_softmax_is_over_the_classes_unless_told() -> None:
    np.testing.assert_allclose(nn.softmax(Z).numpy().sum(axis=0), 1)
    np.testing.assert_allclose(nn.softmax(Z, axis=1).numpy().sum(axis=1), 1)


def test_sequential_applies_modules_and_functions_in_order() -> None:
    first, last = nn.Linear(2, 4), nn.Linear(4, 3)
    network = nn.Sequential(first, nn.Tanh(), last, nn.softmax)
    X = np.random.RandomState(1).randn(2, 6)
    A = np.tanh(first.W.numpy() @ X + first.b.numpy())
    expected = np.exp(last.W.numpy() @ A + last.b.numpy())
    np.testing.assert_allclose(network(X).numpy(), expected / expected.sum(axis=0), rtol=1e-13)
    assert len(network) == 4 and network[0] is first and network[2] is last
    assert names(network) == ["0.W", "0.b", "2.W", "2.b"]
    assert repr(network).startswith("Sequential(Linear(n_in=2, n_out=4), Tanh(), Linear(")
    assert nn.Sequential().parameters() == [] and nn.Sequential()(X) is X


# ---------------------------------------------------------------------------------------------- state_dict


def test_state_dict_holds_copies_and_loads_copies() -> None:
    network, other = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)), nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    state = network.state_dict()
    assert list(state) == ["0.W", "0.b", "1.W", "1.b"] and all(type(v) is np.ndarray for v in state.values())
    other.load_state_dict(dict(reversed(state.items())))  # names matter, not their order
    kept = {name: values.copy() for name, values in state.items()}
    for values in state.values():
        values += 1
    for model in (network, other):
        for name, p in model.named_parameters():
            np.testing.assert_array_equal(p.numpy(), kept[name], strict=True)


def test_load_state_dict_keeps_dtype_and_tensors() -> None:
    layer = nn.Linear(2, 1, dtype=np.float32)
    W, b = layer.parameters()
    cost = layer(np.ones((2, 1), np.float32)).sum()
    layer.load_state_dict({"W": [[1, 2]], "b": Tensor([[0.5]])})
    assert layer.W is W and layer.b is b and W.dtype == b.dtype == np.float32 and W.requires_grad
    assert layer(np.ones((2, 1), np.float32)).item() == 3.5
    with pytest.raises(InputError, match="got new values after the forward pass"):
        cost.backward()


@pytest.mark.parametrize("change, message", [
    ({"b": None}, "has the parameters W, b, but W were given"),
    ({"c": np.ones(1)}, "has the parameters W, b, but W, b, c were given"),
    ({"b": np.ones((3, 1))}, r"b of Linear has shape \(2, 1\), but \(3, 1\) was given"),
    ({"b": np.ones(2)}, r"b of Linear has shape \(2, 1\), but \(2,\) was given"),
    ({"b": np.array([["x"], ["y"]])}, "b of Linear"),
    ({"b": np.array([[1j], [2]])}, "b of Linear"),
    ({"b": [[1.0], [2.0, 3.0]]}, "b of Linear"),
], ids=["missing", "unknown", "shape", "no column", "strings", "complex", "ragged"])
def test_a_state_that_does_not_fit_changes_nothing(change: dict[str, Any], message: str) -> None:
    layer = nn.Linear(2, 2)
    before = layer.state_dict()
    state = {"W": before["W"] + 1, "b": before["b"]} | change
    with pytest.raises(InputError, match=message):
        layer.load_state_dict({name: values for name, values in state.items() if values is not None})
    for name, values in layer.state_dict().items():
        np.testing.assert_array_equal(values, before[name], strict=True)


# ------------------------------------------------------------------------------------------------ refusals


def test_what_a_module_has_to_define() -> None:
    class Unfinished(nn.Module):
        pass

    with pytest.raises(InputError, match=r"Unfinished does not define forward\(self, X\)"):
        Unfinished()(np.ones((1, 1)))
    with pytest.raises(InputError, match=r"Sequential does not define cost\(self, X, Y\).*cost=nn.binary_cross"):
        nn.Sequential().cost(np.ones((1, 1)), np.ones((1, 1)))


@pytest.mark.parametrize("n_in, n_out", [(0, 1), (1, 0), (-1, 2), (1.5, 2)])
def test_sizes_of_a_layer(n_in: Any, n_out: Any) -> None:
    with pytest.raises(InputError, match=f"at least one input and one unit.*n_in={n_in}, n_out={n_out}"):
        nn.Linear(n_in, n_out)


# ------------------------------------------------------------------------------------- where parameters are found


@dataclass
class Pair:
    first: Any
    second: Any


HOLDERS: dict[str, Callable[[Any, Any], Any]] = {
    "list": lambda a, b: [a, b], "tuple": lambda a, b: (a, b), "deque": lambda a, b: deque([a, b]),
    "dict": lambda a, b: {"x": a, 1: b}, "UserList": lambda a, b: UserList([a, b]),
    "UserDict": lambda a, b: UserDict(x=a, y=b), "set": lambda a, b: {a, b},
    "frozenset": lambda a, b: frozenset({a, b}), "object array": lambda a, b: objects(a, b), "dataclass": Pair,
    "namespace": lambda a, b: SimpleNamespace(a=a, b=b),
    "nested": lambda a, b: [{"x": deque([Pair(a, None)])}, (frozenset({b}),)],
}


def objects(*several: Any) -> Any:
    array = np.empty(len(several), object)
    for i, x in enumerate(several):
        array[i] = x
    return array


class Holder(nn.Module):
    def __init__(self, held: Any): self.held = held


@pytest.mark.parametrize("kind", HOLDERS)
def test_parameters_are_found_wherever_they_are(kind: str) -> None:
    a, b = nn.Linear(2, 3), parameter(1)
    module = Holder(HOLDERS[kind](a, b))
    assert set(module.parameters()) == {a.W, a.b, b}
    if kind in ("set", "frozenset"):
        with pytest.raises(InputError, match="held of Holder is a set, whose order.*make it a list"):
            module.state_dict()
    else:
        state = module.state_dict()
        module.load_state_dict({name: values + 1 for name, values in state.items()})
        for name, values in module.state_dict().items():
            np.testing.assert_array_equal(values, state[name] + 1)


@pytest.mark.parametrize("kind", [kind for kind in HOLDERS if kind not in ("set", "frozenset", "nested")])
def test_arrays_are_buffers_wherever_they_are(kind: str) -> None:
    given = np.zeros(2), np.array([1, 2])
    module = Holder(HOLDERS[kind](*given))
    assert module.parameters() == [] and len(module.state_dict()) == 2
    first, second = module.state_dict()
    module.load_state_dict({first: [0.5, 1.5], second: [3, 4]})
    assert [values.tolist() for values in module.state_dict().values()] == [[0.5, 1.5], [3, 4]]
    with pytest.raises(InputError, match="is int64, which cannot hold the float64 that was given"):
        module.load_state_dict({first: [0.5, 1.5], second: [3.5, 4]})
    assert kind == "tuple" or given[0].tolist() == [0, 0]  # the array of whoever gave it is not written to


class Normalised(nn.Module):
    """With a frozen parameter, and a running mean as a Tensor and as an array."""

    def __init__(self) -> None:
        self.layer, self.scale = nn.Linear(2, 2), parameter(2)
        self.mean, self.count, self._seen = Tensor(np.zeros((2, 1))), np.zeros((2, 1)), np.zeros(7)

    def forward(self, X: Any) -> Tensor:
        Z = self.layer(X)
        self.mean = 0.9 * self.mean + 0.1 * Z.mean(axis=1, keepdims=True).detach()
        self.count, self._seen = self.count + Z.shape[1], Z.data
        return self.scale * (Z - self.mean)


def test_state_is_parameters_frozen_ones_and_buffers() -> None:
    model, other = Normalised(), Normalised()
    model.layer.W.requires_grad = model.layer.b.requires_grad = False
    model(np.ones((2, 5)))
    assert [name for name, _ in model.named_parameters()] == ["scale"]
    state = model.state_dict()
    assert set(state) == {"layer.W", "layer.b", "scale", "mean", "count"} and state["count"].tolist() == [[5], [5]]
    other.load_state_dict(state)
    np.testing.assert_array_equal(other(np.eye(2)).data, model(np.eye(2)).data)
    assert other.count.tolist() == [[7], [7]]
    other.cache = np.zeros(3)
    with pytest.raises(InputError, match="cache.*name begins with _"):
        model.load_state_dict(other.state_dict())


@pytest.mark.parametrize("held", [
    {"a.b": parameter(1), "a": {"b": parameter(2)}}, {1: parameter(1), "1": parameter(2)}], ids=["path", "text"])
def test_names_that_collide_are_refused(held: Any) -> None:
    with pytest.raises(InputError, match="holds 2 Tensors or arrays called held.*one would be lost"):
        Holder(held).state_dict()
    assert len(Holder(held).parameters()) == 2


# -------------------------------------------------------------------------------------------- errors that teach


@pytest.mark.parametrize("fails, message", [
    (lambda: nn.Sequential(nn.Linear(2, 1), nn.Tanh), r"module 1 is the class Tanh: write Tanh\(\)"),
    (lambda: nn.Sequential(nn.Linear(2, 1), 3), "module 1 is 3, which is neither a Module nor a function"),
    (lambda: nn.Linear(2, 3, "best"), "init is 'best'.*names zeros, small, lecun, he, xavier"),
    (lambda: nn.Linear(2, 3, lambda n_out, n_in, random: np.zeros((n_in, n_out))), r"gave shape \(2, 3\): W is"),
    (lambda: nn.Linear(2, 3, random=7), r"random is 7.*np.random.RandomState\(1\)"),
    (lambda: nn.Linear(2, 3)(np.ones(2)), r"W is \(3, 2\) but X is \(2,\): one example is a column.*reshape\(-1, 1\)"),
    (lambda: nn.one_hot([0, 1.5]), "whole numbers from 0"),
    (lambda: nn.one_hot([0, 3], 3), "whole numbers from 0 to n_classes - 1"),
    (lambda: nn.one_hot([[0], [1]]), r"labels are a row.*shape \(2, 1\)"),
    (lambda: nn.one_hot([]), "of at least one"),
    (lambda: nn.cross_entropy(nn.softmax(np.ones((3, 2))), np.array([[0, 2]])), r"nn.one_hot\(Y, 3\)"),
    (lambda: nn.Linear(2, 1).load_state_dict([1]), "a dict such as"),
])
def test_messages_say_what_to_do(fails: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        fails()


@pytest.mark.parametrize("module, name, meant", [
    (nn, "Relu", "ReLU"), (nn, "Dense", "Linear"), (nn, "BCELoss", "binary_cross_entropy"), (nn, "sqrt", "lecun"),
    (nn, "LeakyRelu", "LeakyReLU"), (optim, "SGD", "GradientDescent"), (optim, "adam", "Adam"),
])
def test_did_you_mean(module: Any, name: str, meant: str) -> None:
    with pytest.raises(AttributeError, match=f"has no {name}; did you mean {meant}?"):
        getattr(module, name)
    assert not hasattr(module, "nonsense")


@pytest.mark.parametrize("module", [nn, optim])
def test_modules_show_what_is_for_users(module: Any) -> None:
    assert dir(module) == sorted(module.__all__) and all(hasattr(module, name) for name in dir(module))


def test_names_of_initialisers_and_generators() -> None:
    for name in ("zeros", "small", "lecun", "he", "xavier"):
        W, V = (nn.Linear(3, 5, init, np.random.RandomState(7)).W.data for init in (name, getattr(nn, name)))
        np.testing.assert_array_equal(W, V)
    assert nn.Linear(3, 5, random=np.random.default_rng(1)).W.shape == (5, 3)


def test_a_list_of_modules_is_accepted() -> None:
    layers = [nn.Linear(2, 3), nn.Tanh()]
    np.testing.assert_array_equal(nn.Sequential(layers)(np.eye(2)).data, nn.Sequential(*layers)(np.eye(2)).data)


def test_one_hot() -> None:
    expected = np.array([[1.0, 0, 0], [0, 0, 1], [0, 1, 0]])
    for labels in ([0, 2, 1], np.array([[0, 2, 1]], np.uint8), Tensor([0.0, 2.0, 1.0])):
        np.testing.assert_array_equal(nn.one_hot(labels), expected, strict=True)
    assert nn.one_hot([0], 4).tolist() == [[1], [0], [0], [0]]


def test_forward_gets_all_that_it_takes() -> None:
    class Two(nn.Module):
        def forward(self, A: Any, B: Any, train: bool = True) -> Any: return (A - B) * train

    assert Two()(Tensor(3.0), B=Tensor(1.0)).item() == 2
    assert Two()(Tensor(3.0), Tensor(1.0), train=False).item() == 0


def test_a_slope_that_is_learned() -> None:
    activation = nn.LeakyReLU(Tensor(0.25, requires_grad=True))
    activation(np.array([[-2.0, 3.0]])).sum().backward()
    (slope,) = activation.parameters()
    assert slope.grad == -2 and names(nn.Sequential(activation)) == ["0.slope"]
