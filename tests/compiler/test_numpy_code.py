"""The NumPy code of a training step: it reads like the course's own, and trains like it."""

import ast
import builtins
import itertools
import re
from typing import Any

import numpy as np
import pytest

from tinygrad_course import InputError, Tensor, data, fit, nn, optim
from tinygrad_course.arguments import Task
from tinygrad_course.compiler import compile_step
from tinygrad_course.compiler.nodes import as_node, inputs_named
from tinygrad_course.compiler.numpy_code import NumPyWriter
from tinygrad_course.compiler.program import DataSlot, StepProgram, evaluated, ordered
from tinygrad_course.compiler.step import Step, traced_step
from tinygrad_course.models import DeepNetwork, LogisticRegression, PlanarClassifier, TwoLayerNetwork

RANDOM = np.random.RandomState(0)
X, Y = RANDOM.randn(6, 4), np.array([[1.0, 0, 0, 1]])

PLANAR = '''\
"""One training step of PlanarClassifier for X (2, 400), GradientDescent: forward pass, backward pass and update."""
import numpy as np

m = 400
learning_rate = 1.2


def train(X, Y, W1, b1, W2, b2, costs):
    """One step for each element of costs, which receives the cost before it; all arrays change in place."""
    Z1 = np.empty((4, 400))
    A1 = Z1
    Z2 = np.empty((1, 400))
    A2 = np.empty((1, 400))
    t7 = np.empty((1, 400))
    t9 = np.empty((1, 400))
    t8 = Z2
    t6 = np.empty((1, 1))
    J = np.empty(())
    dZ2 = A2
    db2 = t6
    dW2 = np.empty((1, 4))
    dA1 = np.empty((4, 400))
    t5 = Z1
    dZ1 = dA1
    db1 = np.empty((4, 1))
    dW1 = np.empty((4, 2))
    t4 = dW1
    t3 = db1
    t2 = dW2
    t1 = t6

    for i in range(len(costs)):
        # forward pass
        np.dot(W1, X, out=Z1)
        Z1 += b1                                # Z1 = W1 X + b1
        np.tanh(Z1, out=A1)                     # A1 = tanh(Z1)
        np.dot(W2, A1, out=Z2)
        Z2 += b2                                # Z2 = W2 A1 + b2
        np.negative(Z2, out=A2)
        np.exp(A2, out=A2)
        np.add(1.0, A2, out=A2)
        np.divide(1.0, A2, out=A2)              # A2 = sigmoid(Z2)
        np.maximum(Z2, 0.0, out=t7)
        np.multiply(Y, Z2, out=t9)
        t7 -= t9
        np.copysign(Z2, -1.0, out=t8)
        np.exp(t8, out=t8)
        np.log1p(t8, out=t8)
        t7 += t8
        np.sum(t7, axis=(0, 1), keepdims=True, out=t6)
        np.divide(t6.reshape(()), m, out=J)     # J = binary_cross_entropy(A2, Y)
        # backward pass
        np.subtract(A2, Y, out=dZ2)
        dZ2 *= 1 / m
        np.sum(dZ2, axis=1, keepdims=True, out=db2)
        np.dot(dZ2, A1.T, out=dW2)
        np.dot(W2.T, dZ2, out=dA1)
        np.multiply(A1, A1, out=t5)
        np.subtract(1.0, t5, out=t5)
        np.multiply(dA1, t5, out=dZ1)
        np.sum(dZ1, axis=1, keepdims=True, out=db1)
        np.dot(dZ1, X.T, out=dW1)
        # update
        np.multiply(learning_rate, dW1, out=t4)
        W1 -= t4
        np.multiply(learning_rate, db1, out=t3)
        b1 -= t3
        np.multiply(learning_rate, dW2, out=t2)
        W2 -= t2
        np.multiply(learning_rate, db2, out=t1)
        b2 -= t1
        costs[i] = J
'''


def by_hand(parameters: dict[str, Any], X: Any, Y: Any, learning_rate: float, iterations: int) -> list[float]:
    """The course's nn_model of week 3."""
    m = X.shape[1]
    W1, b1, W2, b2 = (parameters[name] for name in ("W1", "b1", "W2", "b2"))
    costs = []
    for _ in range(iterations):
        Z1 = np.dot(W1, X) + b1
        A1 = np.tanh(Z1)
        Z2 = np.dot(W2, A1) + b2
        A2 = 1 / (1 + np.exp(-Z2))
        costs.append(float(-np.sum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)) / m))
        dZ2 = A2 - Y
        dW2 = 1 / m * np.dot(dZ2, A1.T)
        db2 = 1 / m * np.sum(dZ2, axis=1, keepdims=True)
        dZ1 = np.dot(W2.T, dZ2) * (1 - np.power(A1, 2))
        dW1 = 1 / m * np.dot(dZ1, X.T)
        db1 = 1 / m * np.sum(dZ1, axis=1, keepdims=True)
        W1 = W1 - learning_rate * dW1
        b1 = b1 - learning_rate * db1
        W2 = W2 - learning_rate * dW2
        b2 = b2 - learning_rate * db2
    parameters.update(W1=W1, b1=b1, W2=W2, b2=b2)
    return costs


def trainer(text: str) -> Any:
    module: dict[str, Any] = {}
    exec(compile(text, "<listing>", "exec"), module)
    return module["train"]


def step_of(model: nn.Module, optimizer: optim.Optimizer, X: Any = X, Y: Any = Y, **more: Any) -> Step:
    return Step(traced_step(Task(model, model.cost, optimizer, X, Y, **more)))


def written(cost: Any, sizes: dict[str, float] = {}, **updates: Any) -> Any:
    """NumPySource for inputs named x, y, ... of these new values."""
    nodes = {x.name: x for x in ordered([cost, *updates.values()]) if x.op == "input"}
    changed = {nodes[name]: as_node(y) for name, y in updates.items()}
    program = StepProgram(ordered([cost, *changed.values()]), cost, changed,
                          {x: DataSlot(str(x.name)) for x in nodes.values()}, {})
    return NumPyWriter(program, [], sizes).source("A step.")


# ---------------------------------------------------------------------------------------- the planar model


def test_the_planar_model_reads_as_in_the_course() -> None:
    model = PlanarClassifier()
    assert step_of(model, optim.GradientDescent(1.2), *data.planar("flower")).source == PLANAR


def test_the_listing_trains_like_the_course_and_like_fit() -> None:
    """As it stands, in a module of its own: one step and ten to 1e-13 of code by hand; bit for bit as `fit`."""
    X, Y = data.planar("flower")
    train = trainer(PLANAR)
    for iterations in (1, 10, 200):
        model = PlanarClassifier()
        arrays = {name: array.copy() for name, array in model.state_dict().items()}
        hand = {name: array.copy() for name, array in arrays.items()}
        costs = np.empty(iterations)
        train(X=X, Y=Y, **arrays, costs=costs)
        expected = by_hand(hand, X, Y, 1.2, iterations)
        if iterations <= 10:
            np.testing.assert_allclose(costs, expected, rtol=1e-13)
            for name in hand:
                np.testing.assert_allclose(arrays[name], hand[name], rtol=0, atol=1e-13)
        history = fit(model, X, Y, iterations=iterations, learning_rate=1.2, engine="eager")
        assert costs.tolist() == list(history.costs.values())
        assert all(model.state_dict()[name].tobytes() == arrays[name].tobytes() for name in arrays)


# ------------------------------------------------------------------------------------------- other models

MODELS: dict[str, tuple[Any, set[str]]] = {
    "logistic": (lambda: LogisticRegression(6), {"Z", "A", "dZ", "dw", "db", "w", "b"}),
    "planar": (lambda: PlanarClassifier(6), {"Z1", "A1", "Z2", "A2", "dZ2", "dA1", "dZ1", "dW1", "db1", "dW2", "db2"}),
    "two layers": (lambda: TwoLayerNetwork(6, 3, 1), {"Z1", "A1", "dZ1", "dW2", "W1_0_X", "D_W1", "K"}),
    "deep": (lambda: DeepNetwork([6, 5, 4, 1]), {"Z3", "A3", "dZ3", "dA2", "dZ2", "dA1", "dZ1", "dW3", "db1"})}
RULES = {"gd": lambda: optim.GradientDescent(0.3), "momentum": lambda: optim.Momentum(0.3, weight_decay=0.01),
         "adam": lambda: optim.Adam(0.03)}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", MODELS)
def test_names_of_the_course(name: str, rule: str) -> None:
    """Every source compiles, names m and the learning rate, and writes only into arrays that it has."""
    make, names = MODELS[name]
    if name == "planar" or rule == "adam":
        names = names - {"W1_0_X", "D_W1", "K", "dw"} | ({"dW1"} if name == "two layers" else set())
    text = step_of(make(), RULES[rule](), X, Y).source
    tree = ast.parse(text)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    used |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    spanned = "K" in used  # then neither W itself nor its gradient is formed
    assert names - ({"w", "dw", "dW1"} if spanned else set()) <= used
    assert {"m", "learning_rate", "costs", "J"} <= used and f"m = {X.shape[1]}\n" in text
    assert f"learning_rate = {RULES[rule]().learning_rate}\n" in text and "1 / m" in text
    assert text.startswith(f'"""One training step of {type(make()).__name__} for X (6, 4), ') and text.endswith("\n")
    loop = text[text.index("for i in range"):]
    assert "np.empty" not in loop and ".copy()" not in loop
    assert all(re.search(r", out=\w+\)$| [-+*/]= |costs\[i\] = J$|\[\(\)\] = |\w+\[\.\.\.\] = |copyto", line)
               for line in re.sub(r" *#.*", "", loop).splitlines()[1:] if line)


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=str)
@pytest.mark.parametrize("rule", RULES)
def test_the_numbers_of_eager_training(rule: str, dtype: Any) -> None:
    """Bit for bit, whole and in mini-batches, where no weights are kept in the span of the data."""
    random = np.random.RandomState(1)
    X, Y = random.randn(3, 11), (random.rand(2, 11) > 0.5) * 1.0
    for last, cost in ((nn.Sigmoid(), nn.binary_cross_entropy), (nn.Softmax(), nn.mean_squared_error)):
        for batch_size in (None, 4):
            models = []
            for engine in ("eager", "numpy"):
                random = np.random.RandomState(2)
                model = nn.Sequential(nn.Linear(3, 5, random=random, dtype=dtype), nn.LeakyReLU(0.1),
                                      nn.Linear(5, 2, random=random, dtype=dtype), last)
                history = fit(model, X, Y, iterations=25, optimizer=RULES[rule](), cost=cost, engine=engine,
                              batch_size=batch_size)
                models.append((model, list(history.costs.values())))
            (eager, costs), (compiled, found) = models
            assert costs == found
            assert all(p.data.dtype == q.data.dtype == dtype and np.array_equal(p.data, q.data)
                       for p, q in zip(eager.parameters(), compiled.parameters()))


@pytest.mark.parametrize("data, taken", [
    (np.ascontiguousarray(X), 'np.take(data_X, order[i], axis=1, out=X, mode="clip")'),
    (np.asfortranarray(X), 'np.take(data_X.T, order[i], axis=0, out=X.T, mode="clip")'),
    (np.repeat(X, 2, axis=1)[:, ::2], "X[...] = data_X[..., order[i]]"),
], ids=["rows", "columns", "neither"])
def test_mini_batches_are_taken_within_the_loop(data: Any, taken: str) -> None:
    """In the way that copies no more than the batch."""
    step = compile_step(PlanarClassifier(6), data, Y, learning_rate=0.1, batch_size=3)
    assert "def train(X, Y, W1, b1, W2, b2, data_X, data_Y, order, costs):" in step.source
    assert taken in step.source and "\nm = 3\n" in step.source
    other = compile_step(PlanarClassifier(6), X[:, [2, 0, 1]], Y[:, [2, 0, 1]], learning_rate=0.1)
    assert step.run(1, np.array([[2, 0, 1]])) == other.run(1)


@pytest.mark.parametrize("settings, message", [
    ({"learning_rate": 1.0, "batch_size": 0}, "batch_size must be a whole number, at least 1, got 0"),
    ({"learning_rate": 1.0, "engine": "warp"}, "there is no compiled engine 'warp'; there are numpy, native"),
    ({}, "give either learning_rate=.*or optimizer="),
], ids=["batch", "engine", "no rule"])
def test_settings_that_cannot_be_used(settings: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        compile_step(PlanarClassifier(6), X, Y, **settings)
    assert compile_step(PlanarClassifier(6), X, Y, learning_rate=1.0, batch_size=99).run(2).shape == (2,)


# ------------------------------------------------------------------------------------------------- details

x, y = inputs_named("x", (2, 3), np.float64), inputs_named("y", (2, 3), np.float64)
f = inputs_named("f", (2, 3), np.float32)
s = inputs_named("s", (), np.float64)


def values_after(source: Any, **arrays: Any) -> tuple[float, dict[str, Any]]:
    costs = np.empty(1)
    with np.errstate(all="ignore"):
        trainer(source.text)(**arrays, **source.constants, costs=costs)
    return float(costs[0]), arrays


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), -0.0, 1e-320, 1e300, 0.1, -3, 7, True,
                                   np.float64(0.1), np.float32(0.1), np.array(2), np.float64("inf"),
                                   np.longdouble(1) / 3, np.float16(0.1), np.bool_(True)], ids=repr)
def test_numbers_keep_their_value_and_their_dtype(value: Any) -> None:
    """A float64 that meets float32 is computed with in float64, and a Python number is not."""
    for operand, array in ((x, RANDOM.randn(2, 3)), (f, RANDOM.randn(2, 3).astype(np.float32))):
        with np.errstate(over="ignore"):
            new = (operand * value).astype(operand.dtype)
            cost = (operand * value)[0, 0].astype(np.float64)
        found, arrays = values_after(written(cost, **{str(operand.name): new}), **{str(operand.name): array.copy()})
        expected = evaluated([cost, new], {operand: array})
        assert np.float64(found).tobytes() == np.asarray(expected[0]).tobytes()
        assert arrays[str(operand.name)].tobytes() == expected[1].tobytes()


def test_names_that_python_would_not_take_or_that_are_taken() -> None:
    """Paths of parameters, keywords, names of the module itself, and the same name twice."""
    names = ["layers.0.W", "W[1]", "for", "1", "", "np", "costs", "i", "m", "train", "a b", "W1", "W.1", "Größe", "t1",
             "order", "t1"]
    nodes = [inputs_named(name, (), np.float64) for name in names]
    program = StepProgram([], s, {}, {}, {})
    cost: Any = sum(np.exp(node) * (i + 2) for i, node in enumerate(nodes))
    program = StepProgram(ordered([cost]), cost, {}, {x: DataSlot(str(i)) for i, x in enumerate(nodes)}, {})
    source = NumPyWriter(program, [], {"m": 5}).source("A step.")
    arguments = list(source.arguments)
    assert len(set(arguments)) == len(nodes) and all(name.isidentifier() and name.isascii() for name in arguments)
    assert not {"np", "costs", "i", "m", "train", "for"} & set(arguments) and arguments[:2] == ["layers_0_W", "W1"]
    values = {node: np.array(RANDOM.randn()) for node in nodes}
    found, _ = values_after(source, **{name: values[node] for name, node in source.arguments.items()})
    assert found == evaluated([cost], values)[0]


def test_one_is_neither_the_learning_rate_nor_m() -> None:
    """Numbers that happen to be equal to a setting are not called by its name where that is sure to mislead."""
    text = step_of(PlanarClassifier(6), optim.GradientDescent(1.0), X[:, :1], Y[:, :1]).source
    assert "np.add(1.0, A2, out=A2)" in text and "learning_rate, " not in text and "1 / m" not in text


def test_large_constants_are_arguments() -> None:
    """Arrays and indices that belong to the program are handed to the function, not written down."""
    weights, index = RANDOM.randn(2, 3), np.array([2, 0, 0])
    source = written((x * weights)[:, index].sum(), x=x - weights)
    assert set(source.constants) == {"C", "C_2", "index"} and "def train(x, C, index, C_2, costs):" in source.text
    array = RANDOM.randn(2, 3)
    found, arrays = values_after(source, x=array.copy())
    assert found == (array * weights)[:, index].sum() and np.array_equal(arrays["x"], array - weights)


@pytest.mark.parametrize("cost", [
    lambda p: p ** 2, lambda p: (p ** 2).reshape(1, 1), lambda p: p * 1, lambda p: p.reshape(1, 1) * 1,
    lambda p: p + 0, lambda p: p.reshape(1)[0]], ids=range(6))
def test_the_cost_is_that_before_the_update(cost: Any) -> None:
    """Also where it is a parameter itself, or has axes."""
    histories = []
    for engine in ("eager", "numpy"):
        model = nn.Module()
        model.p = Tensor(2.0, requires_grad=True)  # type: ignore[attr-defined]
        histories.append(fit_quantity(model, cost, engine))
    assert histories[0] == histories[1] and len(set(histories[0])) == 5


def fit_quantity(model: Any, cost: Any, engine: str) -> list[float]:
    model.cost = lambda X, Y: cost(model.p)
    return list(fit(model, X, Y, iterations=5, learning_rate=0.1, engine=engine).costs.values())


class Delayed(optim.Optimizer):
    """Follows the weights of two steps ago: the state hands values on."""

    def initial_state(self, w: Any) -> Any: return w, w, np.zeros_like(w)

    def update(self, w: Any, g: Any, state: Any) -> Any:
        last, before, _ = state
        return w - self.learning_rate * g - 0.1 * (w - before), (w, last, g)


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_state_that_hands_values_on(order: Any) -> None:
    """What the state holds moves by one place at a time; gradients are products that are kept as they are."""
    found = []
    for engine in ("eager", "numpy"):
        model, rule = TwoLayerNetwork(6, 3, 1), Delayed(0.3)
        for parameter in model.parameters():
            parameter._data = np.array(parameter._data, order=order)
        fit(model, X, Y, iterations=12, optimizer=rule, engine=engine)
        found.append([a for p in model.parameters() for a in (p.data, *rule.states[p])])
    for a, b in zip(*found):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


# ------------------------------------------------------------------------------------- nothing of others is run

CALL = "__import__('builtins').__dict__.update(HOSTILE=1)"
HOSTILE_NAMES = [
    "", " ", "x y", "1", "for", "None", "True", "lambda", "np", "costs", "i", "m", "train", "len", "range", "float",
    "order", "learning_rate", "data_X", "__class__", "__builtins__", "#", "# W", "W #", "'", '"', "'''", '"""', 'W"""',
    '""" + x + """', "\\", "\\x", r"\xi", r"\N{x}", r"C:\new\users", "\\\n", "W\nb", "W\rb", "W\x0bb", "W\x0cb",
    "W\x00", "\x1b[31m", "\x85", "\u2028", "\u202ecba", "\ud800", "{", "}", "{0}", "{axis}", "%s", "Größe",
    "ℌ", "𝔘", "a" * 500,
    f"\n{CALL}\n#", f"x\n        {CALL}\n        #", f'"""\n{CALL}\n"""', f"'''+{CALL}+'''", f"x={CALL}",
    f"b, _={CALL}", f"); {CALL} #",
    f"[{CALL}]", f"{{{CALL}}}", f"x:=1\n\n{CALL}"]


def named_model(place: str, name: str) -> nn.Module:
    """A model in which a class, an attribute, a key or a Tensor has this name."""
    class Network(nn.Module):
        def __init__(self) -> None:
            random = np.random.RandomState(1)
            self.first, self.last = nn.Linear(6, 3, random=random), nn.Linear(3, 1, random=random)
            scale = Tensor(np.ones((1, 1)), requires_grad=True, name=name if place == "Tensor" else None)
            if place == "attribute" and name != "__class__":
                setattr(self, name, scale)
            else:
                self.held = {name if place == "key" else "scale": scale}

        def cost(self, X: Any, Y: Any) -> Tensor:
            [scale] = [p for p in self.parameters() if p.shape == (1, 1) and p is not self.last.b]
            A = np.tanh(self.first(X))
            if place == "step":
                A.name = name
            return nn.binary_cross_entropy(nn.sigmoid(self.last(A) * scale), Y)

    if place == "class" and "\0" not in name and "\ud800" not in name:
        Network.__name__ = name
    return Network()


def skeleton(text: str) -> list[str]:
    """What kinds of syntax a source is made of."""
    return [type(node).__name__ for node in ast.walk(ast.parse(text))]


@pytest.mark.parametrize("place", ["class", "attribute", "key", "Tensor", "step", "rule"])
def test_hostile_names(place: str) -> None:
    """They change nothing but comments and what variables are called, and each of these is a plain name of our own."""
    def source_and_costs(name: str) -> tuple[str, list[float]]:
        rule = type(name, (optim.GradientDescent,), {}) if place == "rule" and name.isascii() and "\0" not in name \
            else optim.GradientDescent
        step = compile_step(named_model(place, name), X, Y, optimizer=rule(0.1))
        return step.source, step.run(3).tolist()

    harmless, costs = source_and_costs("scale")
    for name in HOSTILE_NAMES:
        text, found = source_and_costs(name)
        assert skeleton(text) == skeleton(harmless) and found == costs, name
        assert all(line.isprintable() for line in text.splitlines()) and text.count("\\") == 0, name
        assert all(len(line) < 700 for line in text.splitlines())
        names = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
        assert all(re.fullmatch("[A-Za-z0-9_]+", name) for name in names)
    assert not hasattr(builtins, "HOSTILE")


class Hostile(float):
    """A number whose text is a command."""

    def __repr__(self) -> str: return CALL
    __str__ = __repr__
    def __index__(self) -> int: return 1


@pytest.mark.parametrize("use", [
    lambda w, X: w * Hostile(0.5), lambda w, X: w ** Hostile(2.0), lambda w, X: w[Hostile(1.0):],
    lambda w, X: w[:, :Hostile(1.0)], lambda w, X: w[::Hostile(1.0)], lambda w, X: w[Hostile(1)],
    lambda w, X: np.clip(w, Hostile(-0.5), Hostile(0.5))],
    ids=["factor", "exponent", "start", "stop", "step", "index", "bounds"])
def test_hostile_numbers(use: Any) -> None:
    class Used(nn.Module):
        def __init__(self) -> None: self.w = Tensor(np.ones((3, 2)), requires_grad=True)
        def cost(self, X: Any, Y: Any) -> Tensor: return np.sum(np.square(use(self.w, X)))

    models = [Used(), Used()]
    for model, engine in zip(models, ("eager", "numpy")):
        try:
            fit(model, X, Y, iterations=3, learning_rate=0.1, engine=engine)
        except InputError as error:
            assert engine == "numpy" and "cannot train" in str(error)
            return
    assert models[0].w.data.tobytes() == models[1].w.data.tobytes()
    assert not hasattr(builtins, "HOSTILE")


@pytest.mark.parametrize("index", [
    [0, 1, 2] * 20, (slice(None), [0, 1] * 600), (np.arange(6000) % 3, np.arange(6000) % 2),
    [[0, 1, 2] * 9, [2, 1, 0] * 9], np.arange(3) % 2 == 0, (np.int64(1), np.int32(-1)),
    (slice(np.int64(0), np.int8(2)),), (None, Ellipsis, 1), ()],
    ids=["60 rows", "columns", "6000 elements", "matrix", "Booleans", "NumPy's numbers", "NumPy's slice", "axes",
         "none"])
def test_indices(index: Any) -> None:
    """Whatever their text looks like: it is not part of the source."""
    class Table(nn.Module):
        def __init__(self) -> None: self.w = Tensor(RANDOM.randn(3, 2), requires_grad=True)
        def cost(self, X: Any, Y: Any) -> Tensor: return np.mean(np.square(self.w[index])) + np.sum(self.w[0]) * 0.1

    models = [Table(), Table()]
    models[1].load_state_dict(models[0].state_dict())
    for model, engine in zip(models, ("eager", "numpy")):
        fit(model, X, Y, iterations=20, learning_rate=0.1, engine=engine)
    assert models[0].w.data.tobytes() == models[1].w.data.tobytes()


def test_long_indices_that_differ_in_the_middle_are_not_the_same() -> None:
    """The text of an array of more than 1000 elements leaves out what is in the middle."""
    class Drawn(nn.Module):
        def __init__(self) -> None: self.w = Tensor(RANDOM.randn(3, 2), requires_grad=True)

        def cost(self, X: Any, Y: Any) -> Tensor:
            rows = np.zeros(2000, int)
            rows[1000] = next(drawn)
            return np.mean(np.square(self.w[rows]))

    drawn = itertools.cycle([0, 1])
    with pytest.raises(InputError, match="the cost is computed differently each time"):
        compile_step(Drawn(), X, Y, learning_rate=0.1)
