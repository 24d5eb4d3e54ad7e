// Training: the same steps as in Python, compiled to JavaScript, and what becomes of the network meanwhile.

function trainerOf(data, machine) {
  const {rules, m} = data.training;
  let rule = rules.find((one) => one.name === data.training.chosen),
    size = data.training.batch;
  let settings = {},
    current = null,
    rest = null,
    states = {},
    iteration = 0,
    random = randomState(0),
    order = [],
    fresh = true;
  function defaults() {
    settings = Object.fromEntries(Object.entries(rule.settings).map(([name, x]) => [name, Float64Array.of(x)]));
    forget();
  }
  function forget() {
    current = rest = null;
    states = {};
    order = [];
  }
  defaults();

  // The program for batches of a size, on the parameters and the optimiser's states that all share.
  function build(count) {
    const told = rule.steps.find((one) => one.size === count),
      more = {};
    for (const [name, what] of Object.entries(told.inputs)) {
      // What is kept in another form starts from a copy of the parameter, which the page goes on showing.
      if (
        what.parameter !== undefined &&
        told.trained.some((one) => one.parameter === what.parameter && one.computed)
      ) {
        more[name] = machine.parameters[what.parameter].slice();
      }
      if (what.state !== undefined) more[name] = states[what.state] = states[what.state] || machine.argument(what);
      if (what.data !== undefined && count < m)
        more[name] = new machine.arrays[what.data].constructor((machine.arrays[what.data].length / m) * count);
    }
    const made = machine.program(told, settings, more);
    made.prepare();
    const results = told.results ? programs[`${told.function}_results`](made.bound) : null;
    return {...made, results, told, count};
  }
  // As in `fit`: each epoch goes through all examples in a new random order, a last batch may be smaller.
  function nextBatch() {
    if (size === m) return (current = current || build(m));
    if (!order.length) order = random.shuffled(m);
    const columns = order.splice(0, size),
      count = columns.length;
    const used = count === size ? (current = current || build(size)) : (rest = rest || build(count));
    for (const [name, what] of Object.entries(used.told.inputs)) {
      if (what.data === undefined) continue;
      const from = machine.arrays[what.data],
        to = used.bound[name],
        rows = from.length / m;
      for (let i = 0; i < rows; i += 1) for (let j = 0; j < count; j += 1) to[i * count + j] = from[i * m + columns[j]];
    }
    return used;
  }
  // One iteration; the cost before it.
  function step() {
    const cost = nextBatch().step();
    iteration += 1;
    fresh = false;
    return cost;
  }
  // The parameters as they are now.
  function collect() {
    if (fresh || !current) return;
    fresh = true;
    if (current.results) {
      current.results.prepare();
      current.results.step();
      for (const one of current.told.trained)
        if (one.computed) machine.parameters[one.parameter].set(current.results.values[one.name]);
    }
    machine.changed();
  }
  function restart(at = 0) {
    forget();
    fresh = true;
    iteration = at;
    if (!at) random = randomState(0);
    machine.changed();
  }
  return {
    step,
    collect,
    restart,
    get iteration() {
      return iteration;
    },
    get rule() {
      return rule;
    },
    get size() {
      return size;
    },
    get settings() {
      return settings;
    },
    choose(name) {
      collect();
      rule = rules.find((one) => one.name === name);
      defaults();
    },
    resize(to) {
      collect();
      size = to;
      forget();
      random = randomState(0);
    },
    set(name, x) {
      settings[name][0] = x;
      for (const one of [current, rest]) if (one) one.prepare();
    },
    dataChanged() {
      collect();
      current = rest = null;
      machine.changed();
    },
    network(name) {
      const told = data.networks && data.networks[name];
      return told ? machine.program(told, {}) : null;
    },
  };
}
