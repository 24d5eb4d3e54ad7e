"""The JavaScript of a step: it reads like the course's own, and each function computes what NumPy's does."""

import subprocess
from pathlib import Path
from typing import Any

import node
import numpy as np
import pytest

from tinygrad_course import InputError, Tensor, data, nn
from tinygrad_course.compiler import compile_step
from tinygrad_course.compiler.javascript.code import helpers
from tinygrad_course.compiler.javascript.expressions import CONDITIONS, NUMBERS, OF_CONDITIONS, literal
from tinygrad_course.compiler.javascript.layout import access
from tinygrad_course.compiler.javascript.step import from_program
from tinygrad_course.compiler.nodes import ArrayNode, as_node, inputs_named
from tinygrad_course.compiler.program import DataSlot, ParameterSlot, StepProgram, evaluated, ordered
from tinygrad_course.models import PlanarClassifier

PLANAR = """\
// One training step of PlanarClassifier for X (2, 400), GradientDescent: forward pass, backward pass and update.
// Arrays lie in memory row by row and change in place; `prepare` computes what no step changes.
function training({X, Y, W1, b1, W2, b2}) {
  const A1 = new Float64Array(1600);  // (4, 400)
  const A2 = new Float64Array(400);  // (1, 400)
  const dZ2 = new Float64Array(400);  // (1, 400)
  const t3 = new Float64Array(4);  // (4, 1)
  const t4 = new Float64Array(4);  // (4, 1)
  const dW1 = new Float64Array(8);  // (4, 2)
  const db1 = new Float64Array(4);  // (4, 1)
  const dW2 = new Float64Array(4);  // (4, 1)
  function prepare() {
  }
  function step() {
    // forward pass
    for (let i = 0; i < 4; i += 1) {
      for (let j = 0; j < 400; j += 1) {
        const Z1 = W1[i * 2] * X[j] + W1[1 + i * 2] * X[400 + j] + b1[i];  // Z1 = W1 X + b1
        A1[i * 400 + j] = Math.tanh(Z1);  // A1 = tanh(Z1)
      }
    }
"""


def test_it_reads_like_the_course() -> None:
    text = compile_step(PlanarClassifier(), *data.planar(), learning_rate=1.2).javascript
    code = text[len(helpers()):].lstrip()
    assert code.startswith(PLANAR)
    for line in ("const J = t2 / 400;  // J = binary_cross_entropy(A2, Y)", "W1[i] = W1[i] - 1.2 * dW1[i];",
                 "const dZ1 = dA1 * (1 - A1[i * 400 + j] * A1[i * 400 + j]);"):
        assert line in code


def test_what_cannot_be_written_is_refused() -> None:
    class Selecting(nn.Module):
        def __init__(self) -> None:
            self.w = Tensor(np.ones((2, 2)), requires_grad=True)

        def cost(self, X: Any, Y: Any) -> Any: return (self.w[[0, 1, 1]] ** 2).sum()
    with pytest.raises(InputError, match="Selecting.*JavaScript.*array of indices"):
        compile_step(Selecting(), np.ones((2, 3)), np.ones((1, 3)), learning_rate=1.0).javascript


def computed(outputs: list[ArrayNode], values: dict[ArrayNode, Any], folder: Path) -> list[Any]:
    """What Node computes for nodes, from the values of the inputs."""
    total = as_node(0.0)
    for x in outputs:
        total = total + x.astype(np.float64).sum() * 0.0
    outputs = [np.positive(x) if x.dtype.kind != "b" else x.astype(np.int64) for x in outputs]
    results: dict[Any, ArrayNode] = {ParameterSlot(i): x for i, x in enumerate(outputs)}
    slots: Any = {x: DataSlot(str(x.name)) for x in values}
    program = StepProgram(ordered([total]), total, {}, slots, results)
    step = from_program(program, "values", "computed")
    start = {name: values[x] for name, x in step.source.arguments.items()} | step.source.constants
    if step.source_of_results is not None:
        start |= step.source_of_results.constants
    ((_, found),) = node.run([node.Job(step, "computed", start, 1)], folder)
    return [found[ParameterSlot(i)].reshape(x.shape) for i, x in enumerate(outputs)]


EDGES = np.array([0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 3.7, 1e-9, -1e-9, 30.0, 710.0, -750.0, 1e300,
                  np.inf, -np.inf, np.nan])


def test_every_function_is_numpys(tmp_path: Path) -> None:
    """On ordinary numbers, at halves, near zero, where they overflow, at infinity and NaN; pairs of all of these."""
    a, b = (x.ravel() for x in np.meshgrid(EDGES, EDGES))
    x, y = inputs_named("x", a.shape, np.float64), inputs_named("y", b.shape, np.float64)
    p, q = x > 0.6, y > 0.6
    names, outputs = [], []
    for table, arguments in ((NUMBERS, (x, y)), (CONDITIONS, (x, y)), (OF_CONDITIONS, (p, q))):
        for name in table:
            ufunc = getattr(np, name)
            names.append(name)
            outputs.append(ufunc(*arguments[:ufunc.nin]))
    names += ["where", "where of numbers", "astype"]
    outputs += [np.where(p, x, y), np.where(x, x, y), p.astype(np.float64)]
    values = {x: a, y: b}
    with np.errstate(all="ignore"):
        expected = evaluated(outputs, values)
    for name, found, wanted in zip(names, computed(outputs, values, tmp_path), expected):
        np.testing.assert_allclose(found, wanted.astype(float), rtol=4e-16 if name in ("add", "sqrt") else 1e-14,
                                   atol=0, err_msg=name)
        zero = np.asarray(wanted == 0) & (wanted.dtype.kind == "f" and name not in ("maximum", "minimum"))
        np.testing.assert_array_equal(np.signbit(found[zero]), np.signbit(wanted[zero]), err_msg=name)


def test_views_and_products(tmp_path: Path) -> None:
    """Parts, reversed and transposed arrays, new axes, stretched ones; products of all of these."""
    random = np.random.RandomState(1)
    x, y = inputs_named("x", (3, 4, 5), np.float64), inputs_named("y", (5, 9), np.float64)
    z, v = inputs_named("z", (7, 9), np.float64), inputs_named("v", (5,), np.float64)
    outputs = [x[:, ::-1, 1::2], x[1], x[-1, ..., None], x[..., 0].T, x.T[2:], x.T.reshape(10, 6),
               x[:, 1:3].reshape(-1), np.broadcast_to(v, (4, 5)) * x[0], y @ z.T, z @ y.T,
               (y @ z.T).T @ y, y[::-1, ::2] @ z.T[::2, :3],
               x @ y, x @ v, v @ y, v @ v, np.dot(x, y), np.dot(x, v), np.matmul(x, np.broadcast_to(y, (3, 5, 9))),
               np.concatenate([x, x[:, :2] * 2], axis=1), np.stack([y, y + 1], axis=1), x.max(axis=(0, 2)),
               x.min(axis=1, keepdims=True), x.sum(axis=(0, 1)), x.sum(), z.sum(axis=0), np.swapaxes(x, 0, 2) - 1.0,
               (y[:1] @ z.T)[:, :1], x.reshape(12, 5)[::3] @ y, x[:0].sum(axis=0), y[:, :0] @ z.T[:0]]
    values = {x: random.randn(3, 4, 5), y: random.randn(5, 9), z: random.randn(7, 9), v: random.randn(5)}
    for i, (found, wanted) in enumerate(zip(computed(outputs, values, tmp_path), evaluated(outputs, values))):
        np.testing.assert_allclose(found, wanted, rtol=1e-13, atol=1e-13, err_msg=f"{i}: {access(outputs[i])}")


@pytest.mark.parametrize("value", [0.1, -0.0, 1e-300, 12345678901234567.0, 1e22, np.inf, -np.inf, np.nan, 3, True,
                                   np.float32(0.1), 2.0 ** 53])
def test_literals_are_read_back_to_the_last_bit(value: Any, tmp_path: Path) -> None:
    script = f"process.stdout.write(Buffer.from(new Float64Array([{literal(value)}]).buffer))"
    (tmp_path / "literal.js").write_text(script)
    found = subprocess.run([node.program(), "literal.js"], cwd=tmp_path, capture_output=True, check=True).stdout
    assert found == np.float64(value).tobytes() or np.isnan(value) and np.isnan(np.frombuffer(found)[0])
