"""Tracing: the program of a step computes what training eagerly does, bit for bit, or is refused with a reason."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from operations import COMPARISONS, TABLE

from tinygrad_course import InputError, Tensor, detect_anomaly, nn, no_grad, ops, optim
from tinygrad_course.autodiff import backward
from tinygrad_course.compiler.nodes import ArrayNode, Untraceable
from tinygrad_course.compiler.program import DataSlot, ParameterSlot, StepProgram, evaluated, fixed_nodes
from tinygrad_course.compiler.tracing import trace
from tinygrad_course.models import DeepNetwork, LogisticRegression
from tinygrad_course.mode import mode
from tinygrad_course.tensor import as_tensor

RANDOM = np.random.RandomState(0)
X, Y = RANDOM.randn(3, 6), (RANDOM.rand(2, 6) > 0.5) * 1.0
DTYPES = [np.float32, np.float64]
Cost = Callable[[Any, Any], Any]


class Rule(optim.Optimizer):
    """A user's own: signs, a state of three kinds, and the values before."""

    def initial_state(self, w: Any) -> Any:
        return w, np.ones(w.shape[:1]), 0, 1.5

    def update(self, w: Any, g: Any, state: Any) -> Any:
        before, total, t, p = state
        total = total + np.abs(g).sum(axis=tuple(range(1, len(g.shape)))) if g.shape else total
        new = w - self.learning_rate * np.sign(g) * np.clip(np.square(g), None, p) / (t + 1) - 0.1 * (w - before)
        return np.where(np.isfinite(new), new, w), (w, total, t + 1, p * 0.5 + 1 / (t + 2))


OPTIMISERS: dict[str, Callable[[], optim.Optimizer]] = {
    "gradient descent": lambda: optim.GradientDescent(0.3),
    "gradient descent, decay": lambda: optim.GradientDescent(0.3, weight_decay=0.1),
    "momentum": lambda: optim.Momentum(0.3), "momentum, decay": lambda: optim.Momentum(0.3, 0.5, weight_decay=0.1),
    "adam": lambda: optim.Adam(0.1), "adam, decay": lambda: optim.Adam(0.1, weight_decay=0.1),
    "a rule of one's own": lambda: Rule(0.1, weight_decay=0.01)}


class Parameters(nn.Module):
    def __init__(self, *arrays: Any, dtype: Any = None):
        self.all = [Tensor(x, requires_grad=True, name=f"p{i}", dtype=dtype) for i, x in enumerate(arrays)]


def same(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    return (a.shape, a.dtype, a.tobytes()) == (b.shape, b.dtype, b.tobytes())


def bound(program: StepProgram, parameters: list[Tensor], optimizer: optim.Optimizer, X: Any,
          Y: Any) -> dict[ArrayNode, Any]:
    """The values of the inputs."""
    def value(slot: Any) -> Any:
        if isinstance(slot, DataSlot):
            return {"X": X, "Y": Y}[slot.name]
        parameter = parameters[slot.parameter]
        return parameter._data if isinstance(slot, ParameterSlot) else \
            optimizer.state_of(parameter, parameter._data)[slot.part]
    return {x: value(slot) for x, slot in program.slots.items()}


def check(model: nn.Module, cost_of: Cost, optimizer: optim.Optimizer, X: Any, Y: Any, steps: int = 1,
          other: Any = None) -> StepProgram:
    """Hold the program against eager steps. other: examples for the steps after the first."""
    parameters = model.parameters()
    program = trace(model, cost_of, optimizer, X, Y, batches=other is not None)
    for step in range(steps):
        X, Y = (X, Y) if not step or other is None else other
        values = evaluated([program.cost, *program.updates.values()],
                           bound(program, parameters, optimizer, X, Y))
        for parameter in parameters:
            parameter.grad = None
        J = cost_of(as_tensor(X), as_tensor(Y))
        backward(J)
        with np.errstate(all="ignore"):
            optimizer.step(parameters)
        assert same(values[0], J.data)
        for x, value in zip(program.updates, values[1:]):
            slot = program.slots[x]
            parameter = parameters[slot.parameter]
            now = parameter._data if isinstance(slot, ParameterSlot) else optimizer.states[parameter][slot.part]
            assert same(value, now) and (np.shape(now), np.asarray(now).dtype) == (x.shape, x.dtype)
            assert x.weak is (type(now) in (int, float))
    return program


def network(dtype: Any = None, n_y: int = 2, last: Any = None) -> nn.Sequential:
    random = np.random.RandomState(1)
    return nn.Sequential(nn.Linear(3, 4, random=random, layer=1, dtype=dtype), nn.Tanh(),
                         nn.Linear(4, n_y, random=random, layer=2, dtype=dtype), last or nn.Sigmoid())


# ------------------------------------------------------------------------------------------ what can be traced


@pytest.mark.parametrize("name", ops.REGISTRY)
def test_every_operation(name: str) -> None:
    """The samples of the table of operations, in a cost whose gradients are not linear."""
    if name in COMPARISONS:
        _, inputs = COMPARISONS[name]
        samples = [(lambda x, *more: x * ops.REGISTRY[name](x, *more), inputs, {})]
    else:
        samples = [(sample.function, sample.inputs, sample.params) for sample in TABLE[name]]
    for i, (function, inputs, params) in enumerate(samples):
        model = Parameters(*inputs, dtype=DTYPES[i % 2])

        def cost(X: Any, Y: Any) -> Tensor:
            y = function(*model.all, **params)
            return (y * y * (1 + y)).sum()
        program = check(model, cost, optim.GradientDescent(0.1), X, Y)
        assert len(program.updates) == len([p for p in model.all if p.grad is not None]) >= 1


def test_no_operation_is_missing() -> None:
    """But for those of NumPy's further functions: they are elementwise, or have no program."""
    assert {*TABLE, *COMPARISONS} == {name for name, operation in vars(ops)["REGISTRY"].items()
                                      if operation in vars(ops).values()}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", OPTIMISERS)
def test_every_optimiser(name: str, dtype: Any) -> None:
    """Also in later steps: the program is traced once and the state changes."""
    model = network(dtype)
    program = check(model, lambda X, Y: nn.binary_cross_entropy(model(X), Y), OPTIMISERS[name](), X.astype(dtype),
                    Y.astype(dtype), steps=4)
    assert {node.dtype for node in program.updates.values() if not node.weak} <= {np.dtype(dtype), np.dtype(float)}


COSTS: dict[str, Cost] = {
    "binary": nn.binary_cross_entropy, "J_1": nn.J_1, "J_CE": nn.J_CE, "squares": nn.mean_squared_error,
    "cross entropy": nn.cross_entropy, "sum": lambda a, y: nn.binary_cross_entropy(a, y, reduction="sum"),
    "none": lambda a, y: nn.binary_cross_entropy(a, y, reduction="none").mean(),
    "unfused": lambda a, y: nn.binary_cross_entropy(a, y, fused=False),
    "one element": lambda a, y: nn.mean_squared_error(a, y).reshape(1, 1)}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", COSTS)
def test_every_cost(name: str, dtype: Any) -> None:
    for last in (nn.Sigmoid(), nn.Softmax(), nn.LeakyReLU(), nn.Softplus(), nn.ReLU()):
        model = network(dtype, last=last)
        check(model, lambda X, Y: COSTS[name](model(X) * 0.5 + 0.25, Y) if name != "binary" else COSTS[name](
            model(X), Y), optim.Adam(0.1), X.astype(dtype), Y.astype(dtype), steps=2)


def test_batches() -> None:
    """With other examples in every step, the data do not count as something that stays."""
    model = DeepNetwork([3, 4, 3, 2])
    program = check(model, model.cost, optim.Momentum(0.5), X, Y, steps=3, other=(RANDOM.randn(3, 6), 1 - Y))
    assert program.invariant == [] and not any(x.op == "input" for x in fixed_nodes(program))
    whole = trace(model, model.cost, optim.Momentum(0.5), X, Y)
    assert [x.name for x in whole.invariant] == ["X", "Y"] and not whole.batches


def test_models_that_use_a_parameter_twice_or_not_at_all() -> None:
    """The one without a gradient stays where it is, without a state; a shared one is updated once."""
    model = Parameters(RANDOM.randn(3, 3), RANDOM.randn(3, 1), 5.0)
    W, b, unused = model.all

    def cost(X: Any, Y: Any) -> Any:
        return (np.tanh(W @ np.tanh(W @ X + b) + b) ** 2).mean() + 0.1 * (W * W).sum()
    optimizer = optim.Momentum(0.1)
    program = check(model, cost, optimizer, X, Y, steps=3)
    assert [x.name for x in program.updates] == ["all.0_state1", "all.0", "all.1_state1", "all.1"]
    assert unused not in optimizer.states and program.results[ParameterSlot(2)].name == "all.2"


def test_constants_of_the_model_and_of_python_are_constants_of_the_program() -> None:
    scale = Tensor(RANDOM.rand(3, 1) + 1)
    model = Parameters(RANDOM.randn(2, 3))
    order = RANDOM.permutation(6)

    def cost(X: Any, Y: Any) -> Any:
        with no_grad():
            centred = (X - X.mean(axis=1, keepdims=True)) / scale
        return nn.mean_squared_error(model.all[0] @ centred[:, order], Y[:, order])
    check(model, cost, optim.GradientDescent(0.1), X, Y, steps=2)


def test_steps_have_the_names_of_the_course() -> None:
    model = DeepNetwork([3, 4, 2])
    program = trace(model, model.cost, optim.Adam(), X, Y)
    named = [node.name for node in program.nodes if node.name and node.op not in ("input", "constant")]
    assert named == ["Z1", "A1", "Z2", "A2", "J", "dZ2", "db2", "dW2", "dA1", "dZ1", "db1", "dW1"]
    assert [x.name for x in program.gradients] == ["W1", "b1", "W2", "b2"]
    assert [g.name for g in program.gradients.values()] == ["dW1", "db1", "dW2", "db2"]
    single = LogisticRegression(3)
    program = trace(single, single.cost, optim.GradientDescent(1), X, Y[:1])
    assert {"Z", "A", "dZ", "dw", "db", "J"} <= {node.name for node in program.nodes}


def test_only_shapes_and_dtypes_of_the_data_are_looked_at() -> None:
    model = network()
    nothing = np.broadcast_to(np.nan, (3, 6)), np.broadcast_to(np.nan, (2, 6))
    program = trace(model, lambda X, Y: nn.binary_cross_entropy(model(X), Y), optim.GradientDescent(1), *nothing)
    assert not any(np.isnan(node.value).any() for node in program.nodes if node.op == "constant")


# -------------------------------------------------------------------------------- what tracing leaves behind


def held(model: nn.Module) -> list[Any]:
    return [part for p in model.parameters() for part in (
        p, p._data, p._data.flags.writeable, p._data.tobytes(), p._user, p.grad, p.requires_grad)]


@pytest.mark.parametrize("failure", [None, ZeroDivisionError, Untraceable, InputError])
def test_parameters_are_what_they_were(failure: type[Exception] | None) -> None:
    """After tracing, and also where the cost raises: what is no reason not to compile passes unchanged."""
    model = network()
    graph = nn.binary_cross_entropy(model(X), Y)  # locks the arrays and is their last user
    first, last = model.parameters()[0], model.parameters()[-1]
    first.grad = np.ones((4, 3))
    last._data, last._user = last._data.copy(), None  # this one is not locked
    before = held(model)

    def cost(X: Any, Y: Any) -> Any:
        J = nn.binary_cross_entropy(model(X), Y)
        if failure is not None:
            raise failure("the reason")
        return J
    with no_grad():
        if failure is None:
            trace(model, cost, optim.Adam(), X, Y)
        else:
            with pytest.raises(failure, match="^the reason$"):
                trace(model, cost, optim.Adam(), X, Y)
        assert mode.now.recording is False
    assert mode.now.recording is True
    assert len(before) == len(held(model)) and all(
        a is b or type(a) in (bool, bytes) and a == b for a, b in zip(before, held(model)))
    backward(graph)
    last.data[...] = 1  # writable as ever


def test_the_optimiser_is_what_it_was() -> None:
    model, optimizer = network(), optim.Adam()
    trace(model, lambda X, Y: nn.binary_cross_entropy(model(X), Y), optimizer, X, Y)
    assert optimizer.states == {}


def test_wrong_shapes_are_explained_as_ever() -> None:
    """No NumPy text about symbols: the message is the one of an eager step."""
    for wrong in (lambda W, X: W @ X.T, lambda W, X: W + X[:, :5], lambda W, X: (W @ X).sum(axis=2),
                  lambda W, X: np.swapaxes(W, 0, 5), lambda W, X: nn.binary_cross_entropy(W @ X, X),
                  lambda W, X: np.transpose(W, (0, 3)), lambda W, X: np.concatenate([W, X]), lambda W, X: W[7]):
        W = Parameters(np.ones((2, 3)))

        def cost(X: Any, Y: Any) -> Any:
            return wrong(W.all[0], X).sum()
        with pytest.raises(InputError) as eager:
            cost(as_tensor(X), as_tensor(Y))
        with pytest.raises(InputError) as traced:
            trace(W, cost, optim.GradientDescent(1), X, Y)
        assert str(traced.value) == str(eager.value)


# -------------------------------------------------------------------------------------- what is refused, and why


class Odd(nn.Module):
    """Something is done with Z = W X in the forward pass."""

    def __init__(self, then: Callable[[Any, Any], Any], **attributes: Any):
        self.W = Tensor(RANDOM.randn(2, 3), requires_grad=True, name="W")
        self.then, self.list, self.dict = then, [1], {"a": 1}
        vars(self).update(attributes)

    def forward(self, X: Any) -> Any:
        Z = self.W @ X
        changed = self.then(self, Z)
        return nn.sigmoid(Z if changed is None else changed)

    def cost(self, X: Any, Y: Any) -> Any:
        return nn.binary_cross_entropy(self(X), Y)


def counts(model: Any, Z: Any) -> None: model.n = getattr(model, "n", 0) + 1
def counts_up(model: Any, Z: Any) -> Any: model.n += 1; return Z * (0.9 ** model.n)  # noqa: E702
def remembers(model: Any, Z: Any) -> None: model.Z = Z
def remembers_then_looks(model: Any, Z: Any) -> None: model.Z = Z; float(Z.sum().data)  # noqa: E702
def grows(model: Any, Z: Any) -> None: model.list.append(Z)
def fills(model: Any, Z: Any) -> None: model.dict["Z"] = Z
def forgets(model: Any, Z: Any) -> None: vars(model).pop("extra", None)
def counts_in_place(model: Any, Z: Any) -> None: model.extra[0] += 1
def writes(model: Any, Z: Any) -> None: model.W.data = np.zeros((2, 3))


def draws(generator: str) -> Callable[[Any, Any], Any]:
    def dropout(model: Any, Z: Any) -> Any:
        source = getattr(model, generator) if generator == "extra" else np.random
        return Z * (source.uniform(size=Z.shape) > 0.5)
    return dropout


def draws_then_looks(model: Any, Z: Any) -> Any: return Z if np.random.rand() + Z.sum() > 0 else -Z


FORWARD: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "if": (lambda model, Z: Z if (Z > 0).all() else -Z, "value is read by .all"),
    "if of a sum": (lambda model, Z: Z if Z.sum() > 0 else -Z, "control flow depends on a value"),
    "item": (lambda model, Z: Z / Z.sum().item(), "read by .item"),
    "float": (lambda model, Z: Z / float(Z.sum().data), "read as a Python number"),
    "an array": (lambda model, Z: Z / np.linalg.norm(Z.data), "np.norm is applied to values"),
    "a value as index": (lambda model, Z: Z[:, np.argsort(Z.data[0])], "np.argsort is applied to values"),
    "argmax": (lambda model, Z: Z * Z.argmax(), "np.argmax is applied to values"),
    "printing": (lambda model, Z: print(Z), "np.array2string is applied to values"),
    "NumPy's random numbers": (draws("np"), "draws random numbers"),
    "random numbers, then if": (draws_then_looks, "control flow"),
    "Python's random numbers": (lambda model, Z: Z * random.random(), "differently each time|random numbers"),
    "counting": (counts, "changes attributes of the model: n"),
    "counting up": (counts_up, "changes attributes of the model: n"),
    "remembering": (remembers, "changes attributes of the model: Z"),
    "remembering, then float": (remembers_then_looks, "read as a Python number"),
    "a list that grows": (grows, "changes attributes of the model: 1"),
    "a dict that is filled": (fills, "changes attributes of the model: Z"),
    "an attribute deleted": (forgets, "changes attributes of the model: extra"),
    "an array that counts": (counts_in_place, "changes attributes of the model: "),
    "a RandomState": (draws("extra"), "changes attributes|random numbers"),
    "a Generator": (draws("extra"), "changes attributes|random numbers"),
}
EXTRA: dict[str, Any] = {"a RandomState": np.random.RandomState(3), "a Generator": np.random.default_rng(3),
                         "an array that counts": np.zeros(2), "counting up": 0}


def contents(x: Any) -> str:
    """What can change in an attribute."""
    if isinstance(x, np.random.Generator):
        x = x.bit_generator.state
    return repr(x.get_state()[2] if isinstance(x, np.random.RandomState) else x)


@pytest.mark.parametrize("name", FORWARD)
def test_a_forward_pass_that_has_no_program(name: str) -> None:
    """Refused, and nothing has happened: attributes, generators and parameters are as they were."""
    then, reason = FORWARD[name]
    model = Odd(then, extra=EXTRA.get(name, "extra"), n=0)
    if name == "counting":
        del vars(model)["n"]
    before, attributes = held(model), dict(vars(model))
    extra = contents(vars(model)["extra"])
    drawn = np.random.get_state()[2]
    with pytest.raises(Untraceable, match=reason):
        trace(model, model.cost, optim.GradientDescent(1), X, Y)
    assert all(a is b or type(a) in (bool, bytes) and a == b for a, b in zip(before, held(model)))
    assert set(vars(model)) == set(attributes) and all(vars(model)[k] is attributes[k] for k in attributes)
    assert (model.list, model.dict) == ([1], {"a": 1}) and np.random.get_state()[2] == drawn
    assert contents(vars(model)["extra"]) == extra


def test_side_effects_within_layers_are_found_too() -> None:
    inner = Odd(remembers)
    model = nn.Sequential(inner)
    with pytest.raises(Untraceable, match="attributes of the model: Z"):
        trace(model, lambda X, Y: nn.binary_cross_entropy(model(X), Y), optim.GradientDescent(1), X, Y)
    assert not hasattr(inner, "Z")


def test_attributes_that_stay_the_same_are_no_side_effects() -> None:
    """A generator that is not used, and an attribute set to the object that it holds already."""
    def sets(model: Any, Z: Any) -> None: model.n = model.n
    model = Odd(sets, n=1, generator=np.random.default_rng(0), state=np.random.RandomState(0), array=np.ones(3))
    check(model, model.cost, optim.GradientDescent(0.1), X, Y)


NO_COSTS: dict[str, Callable[[Any, Any], Any]] = {
    "several elements": lambda J, W: J * np.ones((2, 1)), "no Tensor": lambda J, W: 3.0, "nothing": lambda J, W: None,
    "constant": lambda J, W: Tensor(3.0), "detached": lambda J, W: J.detach(), "an array": lambda J, W: J.data,
    "empty": lambda J, W: (W * 1)[:0].ravel()}


@pytest.mark.parametrize("name", NO_COSTS)
def test_what_is_no_cost(name: str) -> None:
    model = Odd(lambda model, Z: None)
    with pytest.raises(Untraceable, match="no single number that depends on the parameters"):
        trace(model, lambda X, Y: NO_COSTS[name](model.cost(X, Y), model.W), optim.GradientDescent(1), X, Y)


def test_a_cost_that_does_not_depend_on_the_data_is_one() -> None:
    model = Parameters(2.0)
    program = check(model, lambda X, Y: model.all[0] ** 2 * 3, optim.GradientDescent(0.1), X, Y, steps=2)
    assert {x.name for x in program.nodes if x.op == "input"} == {"all.0"}


def test_detect_anomaly_watches_every_operation() -> None:
    model = network()
    with detect_anomaly(), pytest.raises(Untraceable, match="detect_anomaly"):
        trace(model, lambda X, Y: nn.binary_cross_entropy(model(X), Y), optim.GradientDescent(1), X, Y)


class Own(optim.Optimizer):
    """A rule given as a function of the object, w, g and state, that starts with `start`."""

    def __init__(self, rule: Callable[..., Any], *start: Any):
        super().__init__(0.5)
        self.rule, self.start, self.t = rule, start, 0

    def initial_state(self, w: Any) -> Any: return self.start
    def update(self, w: Any, g: Any, state: Any) -> Any: return self.rule(self, w, g, state)


def ticks(self: Any, w: Any, g: Any, state: Any) -> Any:
    self.t += 1
    return w - g / self.t, state


def noisy(self: Any, w: Any, g: Any, state: Any) -> Any: return w - g + np.random.randn(*w.shape), state


def clipped(self: Any, w: Any, g: Any, state: Any) -> Any:
    norm = np.sqrt(np.sum(g * g))
    return w - (g / norm if norm > 1 else g), state


RULES: dict[str, tuple[optim.Optimizer, str]] = {
    "state of a string": (Own(lambda s, w, g, state: (w - g, state), "fast"), "state of Own holds a str"),
    "state of a list": (Own(lambda s, w, g, state: (w - g, state), [1.0]), "state of Own holds a list"),
    "state of None": (Own(lambda s, w, g, state: (w - g, state), None), "state of Own holds a NoneType"),
    "state of a bool": (Own(lambda s, w, g, state: (w - g, state), True), "state of Own holds a bool"),
    "state that grows": (Own(lambda s, w, g, state: (w - g, (*state, g))), "changes the length of its state"),
    "state of another shape": (Own(lambda s, w, g, state: (w - g, (g,)), np.zeros(3)),
                               r"turns W_state1 \(3,\) float64"),
    "state of another dtype": (Own(lambda s, w, g, state: (w - g, (state[0] / 2,)), np.array(4)), "int64 into"),
    "number of another kind": (Own(lambda s, w, g, state: (w - g, (state[0] / 2,)), 4), r"int64 into \(\) float64"),
    "W of another shape": (Own(lambda s, w, g, state: ((w - g)[:1], state)), r"turns W \(2, 3\) float64 into \(1, 3\)"),
    "W of another dtype": (Own(lambda s, w, g, state: ((w - g).astype(np.float32), state)), "float64 into .* float32"),
    "counting": (Own(ticks), "Own.update changes attributes"),
    "noise": (Own(noisy), "draws random numbers"),
    "clipping with if": (Own(clipped), "control flow depends on a value"),
    "in place": (Own(lambda s, w, g, state: (w.__isub__(g), state)), "np.subtract is applied to values"),
    "norm": (Own(lambda s, w, g, state: (w - g / np.linalg.norm(g), state)), "np.norm is applied to values"),
    "mean": (Own(lambda s, w, g, state: (w - g.mean(), state)), "read by .mean"),
    "sum with dtype": (Own(lambda s, w, g, state: (w - g.sum(dtype=float), state)), "sum is given more"),
}


@pytest.mark.parametrize("name", RULES)
def test_a_rule_that_has_no_program(name: str) -> None:
    rule, reason = RULES[name]
    model = Odd(lambda model, Z: None)
    before, drawn = held(model), np.random.get_state()[2]
    with pytest.raises(Untraceable, match=reason):
        trace(model, model.cost, rule, X, Y)
    assert all(a is b or type(a) in (bool, bytes) and a == b for a, b in zip(before, held(model)))
    assert rule.states == {} and rule.t == 0 and np.random.get_state()[2] == drawn  # type: ignore[attr-defined]


def test_clipping_by_norm_without_if_can_be_traced() -> None:
    rule = Own(lambda s, w, g, state: (w - g * np.minimum(1, 0.1 / np.sqrt(np.sum(g * g))), (state[0] + 1,)), 0)
    model = Odd(lambda model, Z: None)
    check(model, model.cost, rule, X, Y, steps=3)
