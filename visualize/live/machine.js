// The numbers behind the page: parameters, data, and everything that is computed from them.

// whole: the machine whose parameters this one shares.
function machineOf(data, whole = null) {
  const parameters = whole ? whole.parameters : data.parameters.map((parameter) => unpacked(parameter.array));
  const given = whole ? whole.given : parameters.map((array) => array.slice());
  const leaves = new Map();
  data.steps.forEach((step, i) => {
    if (step.array) leaves.set(i, unpacked(step.array));
  });
  const originals = new Map([...leaves].map(([i, array]) => [i, array.slice()]));
  const arrays = {};
  for (const [name, packed] of Object.entries(data.arrays || {})) arrays[name] = unpacked(packed);
  for (const [name, leaf] of Object.entries(data.data || {})) if (leaf >= 0) arrays[name] = leaves.get(leaf);
  const fixed = Object.fromEntries(Object.entries(data.fixed || {}).map(([name, packed]) => [name, unpacked(packed)]));

  // What an argument of a program is bound to.
  function argument(what, settings) {
    if (what.parameter !== undefined) return parameters[what.parameter];
    if (what.leaf !== undefined) return leaves.get(what.leaf);
    if (what.data !== undefined) return arrays[what.data];
    if (what.setting !== undefined) return settings[what.setting];
    if (what.start !== undefined) return new Float64Array(what.size).fill(what.start);
    return unpacked(what.array);
  }
  function program(told, settings, more = {}) {
    const bound = {};
    for (const [name, what] of Object.entries(told.inputs)) bound[name] = more[name] || argument(what, settings);
    return {bound, ...programs[told.function](bound)};
  }

  let everything = null,
    stale = true,
    example = 0;
  function values() {
    if (!data.everything) return fixed;
    everything = everything || program(data.everything);
    if (stale) {
      everything.prepare();
      everything.step();
      stale = false;
    }
    return everything.values;
  }
  // The values of a step: of a leaf those that it has, of others those that were computed.
  function value(i) {
    const step = data.steps[i];
    if (step.parameter !== undefined) return parameters[step.parameter];
    if (leaves.has(i)) return leaves.get(i);
    if (step.op) return values()[`v${i}`];
    return Float64Array.of(Number(step.name.replace("−", "-")));
  }
  function gradient(i) {
    return values()[`g${i}`] || null;
  }
  function cost() {
    return value(data.last)[0];
  }
  function changed() {
    stale = true;
  }
  function isChanged() {
    return [...originals].some(([i, array]) => array.some((x, k) => !Object.is(x, leaves.get(i)[k])));
  }
  function putBack() {
    for (const [i, array] of originals) leaves.get(i).set(array);
    parameters.forEach((array, i) => array.set(given[i]));
    if (whole) takeExample(example);
    changed();
  }
  // Of one example alone: its column of the whole data.
  function takeExample(i) {
    example = i;
    for (const [name, leaf] of Object.entries(data.data)) {
      const from = whole.arrays[name],
        to = leaves.get(leaf),
        m = from.length / to.length;
      for (let row = 0; row < to.length; row += 1) to[row] = from[row * m + i];
    }
    changed();
  }
  // (J(w + e) - J(w - e)) / 2 e for one number of a leaf.
  function difference(i, k) {
    const array = value(i),
      x = array[k],
      e = 1e-6 * Math.max(1, Math.abs(x));
    array[k] = x + e;
    changed();
    const above = cost();
    array[k] = x - e;
    changed();
    const below = cost();
    array[k] = x;
    changed();
    return (above - below) / (2 * e);
  }
  // The first step, if any, with a value that is no finite number.
  function broken() {
    return data.steps.findIndex((step, i) => step.op && value(i).some((x) => !Number.isFinite(x)));
  }
  return {
    parameters,
    given,
    leaves,
    arrays,
    argument,
    program,
    value,
    gradient,
    values,
    cost,
    changed,
    isChanged,
    putBack,
    takeExample,
    difference,
    broken,
  };
}
