// Sixty times a second: some steps, then pictures; what is dear is drawn less often.
function trainingView(data, machine) {
  const trainer = trainerOf(data, machine),
    {rules, m} = data.training;
  const plane = data.networks && data.networks.plane;
  if (plane) machine.arrays.grid = gridOf(plane);
  let playing = false,
    speed = 0,
    owed = 0,
    lastDear = 0,
    dear = 0,
    lastTime = 0,
    prediction = null;
  const curve = series(),
    testCurve = series(),
    chart = lineChart(texts.costCurve),
    snapshots = [];
  let logarithmic = false,
    stride = 1;
  const networks = Object.fromEntries(["train", "test", "plane"].map((name) => [name, trainer.network(name)]));
  if (networks.plane) networks.plane.prepare();

  // ------------------------------------------------------------------------------------------------------ controls
  const play = make("button", {
    type: "button",
    class: "main",
    text: texts.play,
    onclick: () => (playing ? pause() : start()),
  });
  const one = make("button", {
    type: "button",
    text: texts.one,
    onclick: () => {
      pause();
      advance(1);
      drawAll();
    },
  });
  const reset = make("button", {
    type: "button",
    text: texts.reset,
    onclick: () => {
      pause();
      initialise();
    },
  });
  const rule = make(
    "select",
    {
      onchange: () => {
        trainer.choose(rule.value);
        showSettings();
        writePython();
      },
    },
    rules.map((r) => make("option", {value: r.name, text: r.name, selected: r === trainer.rule})),
  );
  const batch = make(
    "select",
    {
      onchange: () => {
        trainer.resize(Number(batch.value));
        writePython();
      },
    },
    trainer.rule.steps
      .filter((s) => !s.rest)
      .map((s) =>
        make("option", {
          value: s.size,
          text: s.size === m ? texts.all(m) : String(s.size),
          selected: s.size === trainer.size,
        }),
      ),
  );
  const speeds = make(
    "select",
    {
      onchange: () => {
        speed = Number(speeds.value);
      },
    },
    [
      [0, texts.fastest],
      [1000, "1000"],
      [100, "100"],
      [10, "10"],
      [1, "1"],
    ].map(([value, text]) => make("option", {value, text})),
  );
  const init = make(
    "select",
    {
      onchange: () => {
        pause();
        initialise();
      },
    },
    Object.entries(texts.initial).map(([value, text]) => make("option", {value, text})),
  );
  const seed = make("input", {
    type: "number",
    min: 0,
    max: 4294967295,
    value: 2,
    onchange: () => {
      pause();
      initialise();
    },
  });
  const settings = make("span", {class: "row"}),
    note = make("p", {class: "note", hidden: true, role: "alert"});
  function showSettings() {
    settings.replaceChildren(
      ...Object.entries(trainer.settings).map(([name, array]) => {
        const input = make("input", {
          type: "text",
          inputmode: "decimal",
          value: shown(array[0], 6).replace("−", "-"),
          onchange: () => {
            const x = read(input.value),
              fine = Number.isFinite(x) && x >= 0 && (name.startsWith("beta") ? x < 1 : x > 0);
            input.toggleAttribute("aria-invalid", !fine);
            if (fine) {
              trainer.set(name, x);
              writePython();
            } else input.value = shown(array[0], 6);
          },
        });
        return above(name.replace("_", " "), input);
      }),
    );
  }
  const numbers = {
    iteration: make("b"),
    cost: make("b"),
    accuracy: make("b"),
    testCost: make("b"),
    testAccuracy: make("b"),
  };
  const figures = make(
    "div",
    {class: "figures"},
    Object.entries(numbers).map(([name, b]) =>
      (name.startsWith("test") && !networks.test) || (name === "accuracy" && !networks.train)
        ? null
        : make("div", {}, b, make("span", {text: texts[name]})),
    ),
  );
  const back = make("input", {
    type: "range",
    min: 0,
    max: 0,
    value: 0,
    style: {flex: "1 1 140px"},
    oninput: () => scrub(Number(back.value)),
  });
  const log = make("input", {
    type: "checkbox",
    onchange: () => {
      logarithmic = log.checked;
      drawCurve();
    },
  });
  const python = make("pre", {tabindex: "0"});
  const copy = make("button", {
    type: "button",
    text: texts.python,
    onclick: async () => {
      try {
        await navigator.clipboard.writeText(python.textContent);
      } catch {
        getSelection().selectAllChildren(python);
        document.execCommand("copy");
      }
      copy.textContent = texts.copied;
      setTimeout(() => {
        copy.textContent = texts.python;
      }, 1500);
    },
  });

  const views = {
    plane:
      plane &&
      planeView(data, machine, plane, () => {
        trainer.dataChanged();
        drawAll();
      }),
    units: plane && plane.layers.length ? unitsView(plane) : null,
    network: networkView(data, machine),
    pictures: data.pictures && weightPictures(data, machine),
    worst: data.pictures && networks.train && data.networks.train.predicts && worstView(data, machine),
    layers: data.everything && layersView(data, machine),
  };
  const costCard = card(
    texts.costCurve,
    make(
      "div",
      {class: "row"},
      make("span", {class: "key"}, make("i"), texts.cost),
      networks.test && make("span", {class: "key"}, make("i", {class: "test"}), texts.testCost),
      make("label", {}, log, texts.log),
    ),
    chart.element,
    make("label", {}, texts.history, back),
  );
  const pythonCard = card(texts.python, copy, python);
  if (views.plane) views.plane.element.classList.add("early");
  if (views.layers) views.layers.element.classList.add("wide");
  if (views.units && !views.plane) views.units.element.classList.add("wide");
  const element = make(
    "div",
    {class: "training"},
    make(
      "div",
      {class: "card controls"},
      play,
      one,
      reset,
      settings,
      above(texts.rule, rule),
      above(texts.batch, batch),
      above(texts.init, init),
      above(texts.seed_, seed),
      above(texts.speed, speeds),
    ),
    note,
    make(
      "div",
      {class: "stack"},
      make("div", {class: "card numbers"}, figures),
      costCard,
      views.network && views.network.element,
    ),
    make(
      "div",
      {class: "stack"},
      views.plane && views.plane.element,
      views.units && views.units.element,
      views.pictures && views.pictures.element,
      views.worst && views.worst.element,
    ),
    views.layers && views.layers.element,
    make("div", {class: "wide"}, pythonCard),
  );
  note.classList.add("wide");

  // ------------------------------------------------------------------------------------------------------- training
  function start() {
    playing = true;
    play.textContent = texts.pause;
    note.hidden = true;
    lastTime = performance.now();
    requestAnimationFrame(frame);
  }
  function pause() {
    if (!playing) return;
    playing = false;
    play.textContent = texts.play;
    drawAll();
  }
  function frame(time) {
    if (!playing) return;
    owed = Math.min(owed + (speed * (time - lastTime)) / 1000, 4 * Math.max(1, speed / 30));
    lastTime = time;
    if (speed) {
      const n = Math.floor(owed);
      owed -= n;
      advance(n);
    } else advance(Infinity);
    if (!playing) return;
    drawQuick();
    if (time - lastDear > Math.max(120, 12 * dear)) {
      drawDear();
      lastDear = time;
    }
    requestAnimationFrame(frame);
  }
  // Up to n iterations, for no longer than a picture takes.
  function advance(n) {
    const until = performance.now() + 9,
      before = machine.parameters.map((p) => p.slice()),
      began = trainer.iteration;
    keepSnapshot();
    for (let i = 0; i < n && (i === 0 || performance.now() < until); i += 1) {
      const at = trainer.iteration,
        cost = trainer.step();
      if (!Number.isFinite(cost)) {
        diverged(at, before, began);
        return;
      }
      curve.add(at, cost);
      numbers.cost.textContent = shown(cost, 6);
    }
  }
  function diverged(at, before, began) {
    trainer.collect();
    machine.changed();
    const broken = data.everything ? machine.broken() : -1;
    machine.parameters.forEach((p, i) => p.set(before[i]));
    trainer.restart(began);
    curve.until(began);
    note.textContent = texts.diverged(at) + (broken >= 0 ? ` ${texts.noNumber(data.steps[broken].name)}` : "");
    note.hidden = false;
    pause();
    drawAll();
  }
  function keepSnapshot() {
    const last = snapshots[snapshots.length - 1];
    if (last && trainer.iteration - last.iteration < stride) return;
    trainer.collect();
    snapshots.push({iteration: trainer.iteration, parameters: machine.parameters.map((p) => p.slice())});
    const most = Math.max(4, Math.min(200, Math.floor(6e6 / machine.parameters.reduce((n, p) => n + p.length, 1))));
    if (snapshots.length > most) {
      for (let i = snapshots.length - 2; i > 0; i -= 2) snapshots.splice(i, 1);
      stride = Math.max(stride * 2, Math.ceil(trainer.iteration / most));
    }
  }
  function scrub(to) {
    pause();
    if (!snapshots.length) return;
    let near = snapshots[0];
    for (const one_ of snapshots) if (one_.iteration <= to) near = one_;
    machine.parameters.forEach((p, i) => p.set(near.parameters[i]));
    trainer.restart(near.iteration);
    while (snapshots.length && snapshots[snapshots.length - 1].iteration > near.iteration && to === Number(back.max))
      snapshots.pop();
    drawAll(to);
  }
  function initialise() {
    const random = randomState(Number(seed.value) >>> 0),
      how = init.value;
    machine.parameters.forEach((array, i) => {
      const {
          course,
          array: {shape},
        } = data.parameters[i],
        bias = /(^|\.)b/.test(course) || shape.length < 2;
      if (how === "given") array.set(machine.given[i]);
      else if (how === "zero" || bias) array.fill(0);
      else {
        const scale = how === "normal" ? 0.01 : 1 / Math.sqrt(shape[shape.length - 1]);
        for (let k = 0; k < array.length; k += 1) array[k] = random.normal() * scale;
      }
    });
    trainer.restart();
    curve.clear();
    testCurve.clear();
    snapshots.length = 0;
    stride = 1;
    note.hidden = true;
    drawAll();
  }

  // -------------------------------------------------------------------------------------------------------- drawing
  function drawCurve() {
    chart.draw([{points: curve.points}, {points: testCurve.points, kind: "test"}], logarithmic);
  }
  function drawQuick() {
    numbers.iteration.textContent = String(trainer.iteration);
    drawCurve();
    back.max = Math.max(trainer.iteration, snapshots.length ? snapshots[snapshots.length - 1].iteration : 0);
    back.value = trainer.iteration;
    if (machine.parameters.reduce((n, p) => n + p.length, 0) > 20000) return; // too dear for every picture
    trainer.collect();
    drawPlane();
    if (views.network) views.network.update();
  }
  function drawPlane() {
    if (!networks.plane) return;
    networks.plane.step();
    views.plane.update(networks.plane.values);
    if (views.units) views.units.update(networks.plane.values);
  }
  function drawDear() {
    const began = performance.now();
    trainer.collect();
    for (const [name, labels, cost, accuracy] of [
      ["train", "Y", "cost", "accuracy"],
      ["test", "Y_test", "testCost", "testAccuracy"],
    ]) {
      const network = networks[name];
      if (!network) continue;
      network.prepare();
      const J = network.step();
      numbers[cost].textContent = shown(J, 6);
      if (name === "test") testCurve.add(trainer.iteration, J);
      if (data.networks[name].predicts) {
        numbers[accuracy].textContent =
          `${shown(100 * accuracyOf(network.values.prediction, machine.arrays[labels]), 4)} %`;
        if (name === "train") prediction = network.values.prediction;
      }
    }
    if (views.network) views.network.update();
    if (views.pictures) views.pictures.update();
    if (views.worst) views.worst.update(prediction);
    if (views.layers) views.layers.update();
    dear = performance.now() - began;
  }
  function drawAll(keep) {
    trainer.collect();
    machine.changed();
    drawQuick();
    drawPlane();
    drawDear();
    if (keep !== undefined) back.value = keep;
    writePython();
  }
  function accuracyOf(found, Y) {
    const rows = Math.round(found.length / (Y.length / (data.outputs || 1)));
    const outputs = data.steps.find((step) => step.predicts)?.shape[0] || rows || 1,
      count = Y.length / outputs;
    let right = 0;
    for (let i = 0; i < count; i += 1) {
      if (
        outputs === 1
          ? Number(found[i] > 0.5) === Y[i]
          : classOf(found, i, count, outputs) === classOf(Y, i, count, outputs)
      )
        right += 1;
    }
    return right / count;
  }
  function writePython() {
    const settings_ = Object.entries(trainer.settings)
      .map(([name, array]) => `${name}=${array[0]}`)
      .join(", ");
    const batches = trainer.size === m ? "" : `, batch_size=${trainer.size}`;
    const optimizer = `optim.${trainer.rule.python}(${settings_})`,
      iterations = Math.max(1, trainer.iteration);
    python.textContent = [
      "from tinygrad_course import fit, optim",
      "",
      `# model, X and Y as they were given to live_page`,
      `history = fit(model, X, Y, iterations=${iterations}, optimizer=${optimizer}${batches})`,
    ].join("\n");
  }
  showSettings();
  return {element, draw: drawAll, pause, advance, trainer, shownCost: () => numbers.cost.textContent};
}

function gridOf(plane) {
  const n = plane.points,
    grid = new Float64Array(2 * n * n);
  for (let y = 0; y < n; y += 1) {
    for (let x = 0; x < n; x += 1) {
      grid[y * n + x] = plane.x[0] + ((plane.x[1] - plane.x[0]) * x) / (n - 1);
      grid[n * n + y * n + x] = plane.y[0] + ((plane.y[1] - plane.y[0]) * y) / (n - 1);
    }
  }
  return grid;
}
