"""The backward pass told step by step, with shapes and numbers, for someone who learns how it works."""
from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np

from tinygrad_course.broadcasting import Shape, unbroadcast
from tinygrad_course.equations.expressions import Expression, found, replaced, symbol
from tinygrad_course.equations.from_graph import GraphEquations
from tinygrad_course.equations.places import Places, check_cost
from tinygrad_course.equations.reader import GraphReader, Numbers
from tinygrad_course.equations.text import Writer
from tinygrad_course.equations.rules import ELEMENTWISE, build, multiply, scaled
from tinygrad_course.graph.roles import CONVENTIONS, Names, checked_convention
from tinygrad_course.shown import Explanation
from tinygrad_course.tensor import Array, Tensor

INDENT = "    "
POWERS_OF_M = {"(1/m) ": -1, "": 0, "m ": 1}
WRITTEN_OUT = {"add", "subtract", "multiply", "divide", "matmul"}


def explain_backward(cost: Tensor, convention: str = "course") -> Explanation:
    """The steps of the backward pass of a cost in order, and why their order matters: a text that shows itself.

    Each step takes the gradient that has arrived at its result (upstream), multiplies it by its local derivative, and
    hands the product to its inputs; where an input was stretched by broadcasting the product is added up; where
    several paths meet the gradients are. Meant for small arrays: of large ones the beginning and the end are shown.

    convention: "course": where a cost is a mean over m examples, dT is m times its derivative, so that dZ[L] is
        A[L] - Y, and the factor 1/m comes with the gradients of the parameters; "of_cost": every dT is the derivative
        of the cost.
    Raises InputError for a Tensor without a graph, for one that is no single number, and for another convention.
    """
    check_cost(cost)
    flow = GradientFlow(cost, checked_convention(convention))
    meaning = CONVENTIONS["course" if flow.carried else "of_cost"]
    lines = [f"The backward pass, from {flow.name(flow.last)} back to the parameters. {meaning}.", ""]
    for n, i in enumerate(flow.order, start=1):
        lines += flow.step(n, i)
    lines += ["", "The gradients of the parameters:"]
    for i in flow.places.parameters:
        if i in flow.places.total:
            lines += [*flow.meeting(i), f"{INDENT}d{flow.name(i)}, of shape {np.shape(flow.total(i))}, = "
                      f"{numbers(flow.total(i))}"]
    return Explanation("\n".join([*lines, "", *order_explained(flow)]))


class GradientFlow:
    """A recorded graph of which every step has a name.

    last: the place of the cost.  order: the places of the computed steps as the backward pass takes them.
    carried: the places of the steps whose gradient is told without its factor 1/m.
    """

    def __init__(self, cost: Tensor, convention: str = "of_cost"):
        self.places = places = Places(cost)
        self.m = places.examples()
        self.reader = GraphReader(places, Numbers(places, self.m))
        self.carried: set[int] = set()
        if convention == "course" and self.m is not None:
            owners = GraphEquations(GraphReader(places, Numbers(places, self.m)), course=True).carried
            self.carried = {i for i, gradient in places.total.items() if self.reader.owners.get(gradient) in owners
                            and i not in places.parameters}
        self.last = places.last
        names = self.reader.names
        others = [i for i in range(len(places.steps)) if i not in names and places.op(i)]
        given = Names(names.values())
        names.update((i, given.give("T", numbered=True)) for i in others)
        self.write = Writer(self.reader.numbers.sizes)
        self.order = [i for i in reversed(range(len(places.steps))) if i in places.total and places.op(i)]
        # by step and input: which of the input's gradients these are
        self.handed: dict[tuple[int, int], list[int]] = {}
        for i, parts in places.parts.items():
            for at, (source, _) in enumerate(parts):
                self.handed.setdefault((source, i), []).append(at)
        self.turn = {i: n for n, i in enumerate(self.order, start=1)}

    def name(self, i: int) -> str:
        step = self.places.steps[i]
        return self.reader.names[i] if i in self.reader.names else f"{step.item():.6g}"

    def factor(self, i: int, parent: int) -> str:
        """What the gradient of a step is multiplied by on its way to an input, beside its local derivative."""
        if (i in self.carried) == (parent in self.carried):
            return ""
        return "(1/m) " if i in self.carried else "m "

    def scale(self, i: int) -> int:
        """How many times the derivative of the cost the gradient of a step is."""
        return self.m if i in self.carried and self.m is not None else 1

    def total(self, i: int) -> Array:
        """The gradient of a step, as it is told."""
        gradient: Array = self.places.total[i]._data
        return gradient * self.scale(i) if i in self.carried else gradient

    def text(self, x: Expression, upstream: int | None = None) -> str:
        """The expression with names in place of steps, and of the one gradient in it, that of `upstream`."""
        def name(leaf: Expression) -> Expression | None:
            if leaf.head == "value":
                return symbol(self.name(leaf.content), leaf.shape)
            return symbol(f"d{self.name(upstream or leaf.content)}", leaf.shape) if leaf.head == "gradient" else None
        return self.write(self.reader.numbers.settle(replaced(x, name, build)))

    def _part(self, parent: int, at: int) -> Expression:
        """A gradient that is handed to a step, of the gradient that it is made of."""
        part = self.places.parts[parent][at][1]
        return self.reader.part(parent, at, self.reader.owners.get(part, parent))

    # ------------------------------------------------------------------------------------------ one step, told

    def step(self, n: int, i: int) -> list[str]:
        """The lines about the n-th step, in which the gradient of the step at place i is handed on."""
        step = self.places.steps[i]
        lines = [f"{n}. {self.name(i)} = {self._done(i)}, of shape {step.shape}", *self.meeting(i),
                 f"{INDENT}upstream gradient: d{self.name(i)} = {numbers(self.total(i))}"]
        assert step.op is not None
        inputs: Counter[int] = Counter()  # the same Tensor may stand among them twice: x * x
        for k, parent in enumerate(self.places.parents[i]):
            handed = self.handed.get((i, parent), [])
            if handed and step.op.vjps[k] is not None:
                lines += self._handed_on(i, k, parent, handed[inputs[parent]])
                inputs[parent] += 1
        return lines

    def _done(self, i: int) -> str:
        """The operation of a step, as it was written: T * T and not T^2."""
        step = self.places.steps[i]
        assert step.op is not None
        if step.op.name not in WRITTEN_OUT:
            return self.text(self.reader.value(i))
        return step.op.notation.format(*(self.name(parent) for parent in self.places.parents[i]))

    def meeting(self, i: int) -> list[str]:
        """Several paths meet: their gradients are added up."""
        parts = self.places.parts.get(i, [])
        if len(parts) < 2:
            return []
        sources = " + ".join(f"from step {self.turn[source]}" for source, _ in parts)
        values = " + ".join(numbers(part._data * self.scale(i)) for _, part in parts)
        return [f"{INDENT}{self.name(i)} was used {len(parts)} times, so {len(parts)} gradients meet here and are "
                f"added up, {sources}: {values}"]

    def _handed_on(self, i: int, k: int, parent: int, at: int) -> list[str]:
        """What one input of a step receives."""
        step = self.places.steps[i]
        assert step.op is not None
        vjp = step.op.vjps[k]
        assert vjp is not None
        shape = self.places.steps[parent].shape
        upstream, to = f"d{self.name(i)}", f"{INDENT}to {self.name(parent)}, of shape {shape}"
        factor = self.factor(i, parent)
        product = np.asarray(vjp(self.places.total[i]._data, step._data, *step.inputs, **step.params))
        product = product * self.scale(parent)
        if step.op.name in ELEMENTWISE:
            slope = np.asarray(vjp(np.ones_like(step._data), step._data, *step.inputs, **step.params))
            lines = [f"{to}: local derivative {self._slope(parent, at, i)}= {numbers(slope)}",
                     f"{INDENT}{INDENT}product {factor}{upstream} * local derivative = {numbers(product)}"]
        else:
            formula = self.text(scaled(Fraction(1), POWERS_OF_M[factor], self._part(parent, at)), i)
            lines = [f"{to}: {formula} = {numbers(product)}"]
        if product.shape != shape:
            lines.append(self._summed(parent, product, shape))
        return lines

    def _slope(self, parent: int, at: int, i: int) -> str:
        """The local derivative as a formula: what is left of the product when the gradient is divided out."""
        if self.places.parts[parent][at][1] is self.places.total[i]:
            return "1 "  # the gradient is handed on as it is
        x = self._part(parent, at)
        while x.head in ("sum", "reshape", "transpose"):
            x = x.args[0]
        if x.head == "gradient":
            return "1 "
        factors = x.args if x.head == "multiply" else (x,)
        rest = [factor for factor in factors if not found(factor, "gradient")]
        gradients = [factor for factor in factors if found(factor, "gradient")]
        of_cost = self.reader.owners[self.places.total[i]] == self.last  # dJ = 1 is not written
        if not of_cost and (len(gradients) != 1 or gradients[0].head != "gradient") or not rest:
            return ""
        return f"{self.text(multiply(*rest))} "

    def _summed(self, parent: int, product: Array, shape: Shape) -> str:
        """Why a sum appears: broadcasting is undone."""
        added = product.ndim - len(shape)
        axes = [axis for axis, n in enumerate(product.shape) if axis < added or shape[axis - added] != n]
        times = int(np.prod([product.shape[axis] for axis in axes]))
        axis = f"axis {axes[0]}" if len(axes) == 1 else f"the axes {', '.join(map(str, axes))}"
        return (f"{INDENT}{INDENT}{self.name(parent)} of shape {shape} was stretched to {product.shape}: each of its "
                f"numbers was used {times} times, and what comes back from the uses is added up, over {axis}: "
                f"{numbers(unbroadcast(product, shape))}")


# --------------------------------------------------------------------------------- why the order is topological


def order_explained(flow: GradientFlow) -> list[str]:
    """What goes wrong in another order: shown on the graph itself, or on a small one where it has no such place."""
    wrong = {i: g for i, g in _depth_first(flow).items()
             if i in flow.places.parameters and not np.allclose(g, flow.total(i), rtol=1e-9, atol=0)}
    lines = ["Why this order: a step may hand on its gradient only when it is complete, that is after all steps that "
             "used its result. Such an order is called topological."]
    if not wrong:
        x = Tensor(3.0, requires_grad=True, name="x")
        y = x * x
        y.name = "y"
        return [*lines, "In this graph no computed step is used twice, so any order from the cost to the inputs is. An "
                "example where the order matters: y = x * x; J = y * y * x + y, at x = 3.",
                *_difference(GradientFlow(y * y * x + y))]
    return [*lines, *_difference(flow)]


def _difference(flow: GradientFlow) -> list[str]:
    wrong = _depth_first(flow)
    met = next(i for i in flow.order if len(flow.places.parts.get(i, [])) > 1 and i in wrong
               and not np.allclose(wrong[i], flow.total(i), rtol=1e-9, atol=0))
    parts = flow.places.parts[met]
    lines = [f"Here {flow.name(met)} is used {len(parts)} times. Going back depth first instead, it would hand on what "
             f"it has when it is first reached, {numbers(wrong[met])}, though d{flow.name(met)} is "
             f"{numbers(flow.total(met))}; what arrives later would never reach the parameters:"]
    return [*lines, *(f"{INDENT}d{flow.name(i)} would be {numbers(wrong[i])} instead of "
                      f"{numbers(flow.total(i))}" for i in flow.places.parameters
                      if i in wrong and not np.allclose(wrong[i], flow.total(i), rtol=1e-9, atol=0))]


def _depth_first(flow: GradientFlow) -> dict[int, Array]:
    """The wrong algorithm: each step hands on, once, what has arrived when it is first reached."""
    steps = flow.places.steps
    at_turn: dict[int, Array] = {}
    total = {flow.last: np.ones_like(flow.places.array(flow.last))}
    stack = [flow.last]
    while stack:
        i = stack.pop()
        step = steps[i]
        if not flow.places.op(i) or i in at_turn:
            continue
        assert step.op is not None
        at_turn[i] = total[i]
        for k, (parent, p) in enumerate(zip(step.parents, flow.places.parents[i])):
            vjp = step.op.vjps[k]
            if vjp is None or p not in flow.places.total:
                continue
            part = unbroadcast(np.asarray(vjp(at_turn[i], step._data, *step.inputs, **step.params)), parent.shape)
            total[p] = total[p] + part if p in total else part
            stack.append(p)
    return {i: gradient * flow.scale(i) for i, gradient in {**total, **at_turn}.items()}


def numbers(x: Array) -> str:
    """A small array on one line; of a larger one the beginning and the end."""
    x = np.asarray(x)
    text = np.array2string(x, precision=4, threshold=12, edgeitems=2, separator=", ", suppress_small=True)
    return " ".join(text.split()).replace("[ ", "[")
