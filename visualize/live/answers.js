// Where a number comes from: the elements of the inputs that it was computed from, and the arithmetic.

const PER_ELEMENT = new Set([
  "add",
  "subtract",
  "multiply",
  "divide",
  "power",
  "greater",
  "equal",
  "sign",
  "negative",
  "abs",
  "reciprocal",
  "square",
  "sqrt",
  "exp",
  "expm1",
  "log",
  "log1p",
  "sigmoid",
  "tanh",
  "relu",
  "leaky_relu",
  "softplus",
  "maximum",
  "minimum",
  "clip",
  "where",
  "astype",
  "broadcast_to",
]);

// The element of an input that is stretched to `shape`, for the element at `place` of the result.
function stretchedPlace(place, shape) {
  const added = place.length - shape.length;
  return shape.map((n, axis) => (n === 1 ? 0 : place[axis + added]));
}

function axesOf(axis, ndim) {
  if (axis === null || axis === undefined) return Array.from({length: ndim}, (_, i) => i);
  return (Array.isArray(axis) ? axis : [axis]).map((i) => (i + ndim) % ndim);
}

// For each input the elements that element k of a step's result was computed from; null where that is not told.
function sourcesOf(steps, i, k) {
  const step = steps[i],
    place = placeOf(k, step.shape);
  const inputs = step.parents.map((parent) => steps[parent].shape);
  if (PER_ELEMENT.has(step.op)) return inputs.map((shape) => new Set([flatOf(stretchedPlace(place, shape), shape)]));
  if (["matmul", "dot"].includes(step.op) && inputs.every((shape) => shape.length === 2)) {
    const [[, inner], [, columns]] = inputs;
    const row = new Set(),
      column = new Set();
    for (let l = 0; l < inner; l += 1) {
      row.add(place[0] * inner + l);
      column.add(l * columns + place[1]);
    }
    return [row, column];
  }
  if (["sum", "mean", "max", "min", "var", "logsumexp"].includes(step.op)) {
    const [shape] = inputs,
      axes = axesOf(step.params.axis, shape.length),
      found = new Set();
    const kept = step.params.keepdims ? place.filter((_, axis) => !axes.includes(axis)) : place;
    const count = sizeOf(shape);
    for (let n = 0; n < count; n += 1) {
      const at = placeOf(n, shape).filter((_, axis) => !axes.includes(axis));
      if (at.every((x, axis) => x === kept[axis])) found.add(n);
    }
    return [found];
  }
  if (["softmax", "log_softmax"].includes(step.op)) {
    const [shape] = inputs,
      axes = axesOf(step.params.axis, shape.length),
      found = new Set();
    for (let n = 0; n < sizeOf(shape); n += 1) {
      if (placeOf(n, shape).every((x, axis) => axes.includes(axis) || x === place[axis])) found.add(n);
    }
    return [found];
  }
  if (["reshape", "ravel", "squeeze", "expand_dims"].includes(step.op)) return [new Set([k])];
  if (step.op === "transpose") {
    const [shape] = inputs,
      axes = step.params.axes || shape.map((_, axis) => shape.length - 1 - axis);
    const from = new Array(shape.length);
    axes.forEach((axis, at) => {
      from[(axis + shape.length) % shape.length] = place[at];
    });
    return [new Set([flatOf(from, shape)])];
  }
  if (["binary_cross_entropy", "cross_entropy"].includes(step.op) && step.shape.length === 0) {
    return inputs.map((shape) => new Set(Array.from({length: Math.min(4000, sizeOf(shape))}, (_, n) => n)));
  }
  return null;
}

const SIGNS = {
  add: "+",
  subtract: "−",
  multiply: "·",
  divide: "/",
  greater: ">",
  equal: "=",
  maximum: "max",
  minimum: "min",
};

function bracketed(x) {
  return x < 0 ? `(${shown(x)})` : shown(x);
}

// The arithmetic behind one number, as text.
function arithmetic(machine, steps, i, k) {
  const step = steps[i],
    sources = sourcesOf(steps, i, k);
  const result = shown(machine.value(i)[k]);
  if (!sources) return `= ${result}`;
  const values = sources.map((found, n) => [...found].map((at) => machine.value(step.parents[n])[at]));
  if (["matmul", "dot"].includes(step.op)) return `${products(values[0], values[1])} = ${result}`;
  if (step.op === "sum") return `${listed(values[0].map(bracketed), " + ")} = ${result}`;
  if (step.op === "mean") return `(${listed(values[0].map(bracketed), " + ")}) / ${values[0].length} = ${result}`;
  if (step.op === "max" || step.op === "min")
    return `${step.op}(${listed(
      values[0].map((x) => shown(x)),
      ", ",
    )}) = ${result}`;
  if (!PER_ELEMENT.has(step.op)) return `= ${result}`;
  const [a, b] = values.map((list) => list[0]);
  if (["maximum", "minimum"].includes(step.op)) return `${SIGNS[step.op]}(${shown(a)}, ${shown(b)}) = ${result}`;
  if (SIGNS[step.op]) return `${shown(a)} ${SIGNS[step.op]} ${bracketed(b)} = ${result}`;
  return `${step.op}(${values.map((list) => shown(list[0])).join(", ")}) = ${result}`;
}
function products(row, column) {
  return listed(
    row.map((x, l) => `${bracketed(x)} · ${bracketed(column[l])}`),
    " + ",
  );
}
function listed(parts, between) {
  return parts.length <= 6
    ? parts.join(between)
    : [...parts.slice(0, 3), texts.more(parts.length - 5), ...parts.slice(-2)].join(between);
}
