// What a network has learned, seen from different sides. Each view has an element and update().

const CLASS_COLOURS = [
  [0, 114, 178],
  [213, 94, 0],
  [0, 158, 115],
  [204, 121, 167],
  [230, 159, 0],
  [86, 180, 233],
];

function card(title, hint, ...content) {
  return make(
    "section",
    {class: "card stack"},
    make("div", {class: "row between"}, make("h2", {text: title}), hint),
    ...content,
  );
}

// The plane of two inputs: what the network predicts, the examples, and a click for a new one.
function planeView(data, machine, plane, changed) {
  const canvas = make("canvas", {width: 640, height: 640, role: "img", "aria-label": texts.plane}),
    small = document.createElement("canvas");
  const [left, right] = plane.x,
    [bottom, top] = plane.y,
    n = plane.points;
  let label = 1,
    next = 0;
  const before = [];
  const px = (x) => ((x - left) / (right - left)) * canvas.width,
    py = (y) => ((top - y) / (top - bottom)) * canvas.height;
  function update(values) {
    const context = canvas.getContext("2d"),
      probabilities = values.prediction;
    if (plane.outputs === 1) paintPlane(small, probabilities, 0, n, 0, 1);
    else paintClasses(small, probabilities, n, plane.outputs);
    context.imageSmoothingEnabled = true;
    context.drawImage(small, 0, 0, canvas.width, canvas.height);
    if (plane.outputs === 1) contour(context, probabilities, n, canvas.width);
    context.drawImage(examples(), 0, 0);
  }
  // The examples are drawn once for each set of data and colours.
  const drawn = document.createElement("canvas");
  let as = "";
  function examples() {
    const key = `${next} ${before.length} ${colours.paper}`;
    if (as === key) return drawn;
    as = key;
    drawn.width = canvas.width;
    drawn.height = canvas.height;
    const context = drawn.getContext("2d");
    const X = machine.arrays.X,
      Y = machine.arrays.Y,
      m = X.length / 2;
    for (let i = 0; i < m; i += 1) {
      const kind =
        plane.outputs === 1
          ? Y[i] > 0.5
            ? colours.positive
            : colours.negative
          : CLASS_COLOURS[classOf(Y, i, m, plane.outputs) % 6];
      context.beginPath();
      context.arc(px(X[i]), py(X[m + i]), 5.2, 0, 7);
      context.fillStyle = css(kind);
      context.fill();
      context.lineWidth = 1.6;
      context.strokeStyle = css(colours.paper);
      context.stroke();
    }
    return drawn;
  }
  canvas.addEventListener("click", (event) => {
    const at = canvas.getBoundingClientRect(),
      X = machine.arrays.X,
      Y = machine.arrays.Y,
      m = X.length / 2,
      i = next % m;
    next += 1;
    before.push([i, X[i], X[m + i], Array.from({length: plane.outputs}, (_, k) => Y[k * m + i])]);
    X[i] = left + ((event.clientX - at.left) / at.width) * (right - left);
    X[m + i] = top - ((event.clientY - at.top) / at.height) * (top - bottom);
    for (let k = 0; k < plane.outputs; k += 1) Y[k * m + i] = plane.outputs === 1 ? label : Number(k === label);
    changed();
  });
  function takeBack() {
    const X = machine.arrays.X,
      Y = machine.arrays.Y,
      m = X.length / 2;
    for (const [i, x, y, labels] of before.splice(0).reverse()) {
      X[i] = x;
      X[m + i] = y;
      labels.forEach((one, k) => {
        Y[k * m + i] = one;
      });
    }
    next = 0;
    changed();
  }
  const classes = Array.from({length: Math.max(2, plane.outputs)}, (_, k) => [k, String(k)]);
  const element = card(
    texts.plane,
    choice(texts.addClass, classes, 1, (value) => {
      label = value;
    }),
    make("div", {class: "plane"}, canvas),
    make(
      "div",
      {class: "row between"},
      make("p", {class: "quiet", text: texts.planeHint}),
      make("button", {type: "button", class: "plain", text: texts.takeBack, onclick: takeBack}),
    ),
  );
  return {element, update};
}

function classOf(Y, i, m, outputs) {
  let best = 0;
  for (let k = 1; k < outputs; k += 1) if (Y[k * m + i] > Y[best * m + i]) best = k;
  return best;
}

function paintClasses(canvas, values, n, outputs) {
  canvas.width = canvas.height = n;
  const context = canvas.getContext("2d"),
    image = context.createImageData(n, n);
  for (let y = 0; y < n; y += 1) {
    for (let x = 0; x < n; x += 1) {
      const at = 4 * (y * n + x),
        from = (n - 1 - y) * n + x;
      for (let c = 0; c < 3; c += 1) {
        let mix = 0;
        for (let k = 0; k < outputs; k += 1)
          mix += Math.max(0, Math.min(1, values[k * n * n + from])) * CLASS_COLOURS[k % 6][c];
        image.data[at + c] = colours.paper[c] + (mix - colours.paper[c]) * 0.5;
      }
      image.data[at + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
}

// The line where the prediction is one half, piece by piece through the squares of the grid.
function contour(context, values, n, size) {
  const step = size / n;
  context.beginPath();
  for (let y = 0; y + 1 < n; y += 1) {
    for (let x = 0; x + 1 < n; x += 1) {
      const corners = [
        values[y * n + x],
        values[y * n + x + 1],
        values[(y + 1) * n + x + 1],
        values[(y + 1) * n + x],
      ].map((v) => v - 0.5);
      const ends = [];
      [
        [0, 0, 1, 0],
        [1, 0, 1, 1],
        [1, 1, 0, 1],
        [0, 1, 0, 0],
      ].forEach(([ax, ay, bx, by], side) => {
        const a = corners[side],
          b = corners[(side + 1) % 4];
        if (a > 0 !== b > 0)
          ends.push([x + 0.5 + ax + ((bx - ax) * a) / (a - b), y + 0.5 + ay + ((by - ay) * a) / (a - b)]);
      });
      for (let e = 0; e + 1 < ends.length; e += 2) {
        context.moveTo(ends[e][0] * step, size - ends[e][1] * step);
        context.lineTo(ends[e + 1][0] * step, size - ends[e + 1][1] * step);
      }
    }
  }
  context.lineWidth = 2;
  context.strokeStyle = css(colours.ink, 0.75);
  context.stroke();
}

// Each hidden unit as a small map of the plane; a click enlarges them.
function unitsView(plane) {
  const grid = make("div", {class: "units"}),
    maps = [];
  for (const layer of plane.layers) {
    for (let unit = 0; unit < layer.shape[0]; unit += 1) {
      const canvas = make("canvas", {"aria-hidden": "true"});
      maps.push({layer, unit, canvas});
      grid.append(
        make(
          "button",
          {type: "button", class: "unit", onclick: () => grid.classList.toggle("large")},
          canvas,
          texts.unit(layer.name, unit + 1),
        ),
      );
    }
  }
  function update(values) {
    const n = plane.points;
    for (const {layer, unit, canvas} of maps) {
      const from = unit * n * n,
        part = values[layer.value].subarray(from, from + n * n),
        most = largest(part) || 1;
      paintPlane(canvas, part, 0, n, -most, most);
    }
  }
  return {element: card(texts.units, null, grid), update};
}

// The network with its weights as lines: the thicker the larger.
function networkView(data, machine) {
  const weights = data.parameters
    .map((p, i) => ({...p, i, shape: p.array.shape}))
    .filter((p) => p.shape.length === 2 && /^[Ww]/.test(p.course));
  if (!weights.length) return null;
  const matrices = weights.map((w) =>
    w.course[0] === "w" && w.shape[1] === 1
      ? {...w, out: 1, in: w.shape[0], at: (j, k) => k}
      : {...w, out: w.shape[0], in: w.shape[1], at: (j, k) => j * w.shape[1] + k},
  );
  if (matrices.some((w, l) => l && w.in !== matrices[l - 1].out)) return null;
  const sizes = [matrices[0].in, ...matrices.map((w) => w.out)],
    most = 10,
    width = 560,
    height = 260;
  const shownUnits = sizes.map((n) => Math.min(n, most));
  const x = (l) => 50 + (l * (width - 100)) / (sizes.length - 1);
  const y = (l, k) =>
    height / 2 + (k - (shownUnits[l] - 1) / 2) * Math.min(44, (height - 40) / Math.max(1, shownUnits[l]));
  const root = svg("svg", {
      class: "plot net",
      viewBox: `0 0 ${width} ${height + 18}`,
      role: "img",
      "aria-label": texts.network,
    }),
    lines = [];
  matrices.forEach((w, l) => {
    for (let j = 0; j < shownUnits[l + 1]; j += 1) {
      for (let k = 0; k < shownUnits[l]; k += 1) {
        const line = svg("line", {x1: x(l), y1: y(l, k), x2: x(l + 1), y2: y(l + 1, j)});
        lines.push({line, w, at: w.at(j, k)});
        root.append(line);
      }
    }
  });
  sizes.forEach((n, l) => {
    const group = svg("g", {class: l ? "" : "input"});
    for (let k = 0; k < shownUnits[l]; k += 1) group.append(svg("circle", {cx: x(l), cy: y(l, k), r: 8}));
    group.append(svg("text", {x: x(l), y: height + 12, text: n > most ? `${most} of ${n}` : String(n)}));
    root.append(group);
  });
  function update() {
    const largestOf = new Map(matrices.map((w) => [w.i, largest(machine.parameters[w.i]) || 1]));
    for (const {line, w, at} of lines) {
      const share = machine.parameters[w.i][at] / largestOf.get(w.i);
      line.setAttribute(
        "stroke",
        css(share < 0 ? colours.negative : colours.positive, Math.max(0.06, Math.abs(share))),
      );
      line.setAttribute("stroke-width", (0.5 + 4.5 * Math.abs(share)).toFixed(2));
    }
  }
  return {element: card(texts.network, null, root), update};
}

// Activations and gradients of each layer as histograms, with units that have died or are saturated.
function layersView(data, machine) {
  const layers = data.steps
    .map((step, i) => ({...step, i}))
    .filter((step) => step.op && ["activation", "linear"].includes(step.role) && step.gradient);
  if (!layers.length) return null;
  const bars = make("div", {class: "bars"});
  function update() {
    bars.replaceChildren(
      ...layers.map((layer) => {
        const values = machine.value(layer.i),
          alarm = alarmOf(layer, values),
          gradient = machine.gradient(layer.i);
        return make(
          "div",
          {},
          math(layer.symbol),
          histogram(values, layer.name),
          alarm && make("p", {class: "alarm", text: alarm}),
          math(["mrow", ["mi", "d"], layer.symbol]),
          histogram(
            gradient.map((x) => x * (data.m || 1)),
            `d${layer.name}`,
          ),
        );
      }),
    );
  }
  return {element: card(texts.layers, null, bars), update};
}

function alarmOf(layer, values) {
  const limits = {sigmoid: [0, 1], tanh: [-1, 1]}[layer.op],
    [units] = layer.shape,
    m = values.length / units;
  if ((layer.op !== "relu" && !limits) || layer.predicts) return null;
  let found = 0;
  for (let unit = 0; unit < units; unit += 1) {
    const row = values.subarray(unit * m, (unit + 1) * m);
    if (
      limits
        ? row.filter((x) => x - limits[0] < 0.01 || limits[1] - x < 0.01).length > 0.95 * m
        : row.every((x) => x === 0)
    )
      found += 1;
  }
  return found ? (limits ? texts.saturated : texts.dead)(found, units) : null;
}

// ----------------------------------------------------------------------------------------------------- pictures

// numbers: height x width x channels, from low to high.
function paintPicture(canvas, at, [height, width, channels], low, high) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d"),
    image = context.createImageData(width, height);
  for (let n = 0; n < width * height; n += 1) {
    for (let c = 0; c < 3; c += 1)
      image.data[4 * n + c] = (255 * (at(n * channels + Math.min(c, channels - 1)) - low)) / (high - low || 1);
    image.data[4 * n + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

function weightPictures(data, machine) {
  const n_x = data.pictures.reduce((a, b) => a * b, 1);
  const i = data.parameters.findIndex((p) => p.array.shape.length === 2 && p.array.shape.includes(n_x));
  if (i < 0) return null;
  const shape = data.parameters[i].array.shape,
    units = shape[1] === n_x ? shape[0] : shape[1],
    grid = make("div", {class: "units"});
  const maps = Array.from({length: units}, (_, unit) => {
    const canvas = make("canvas", {"aria-hidden": "true"});
    grid.append(make("div", {class: "unit"}, canvas, texts.unit(data.parameters[i].course, unit + 1)));
    return canvas;
  });
  let learned = false;
  function update() {
    const W = machine.parameters[i],
      before = machine.given[i];
    maps.forEach((canvas, unit) => {
      const place = shape[1] === n_x ? (k) => unit * n_x + k : (k) => k * units + unit;
      const at = (k) => W[place(k)] - (learned ? before[place(k)] : 0);
      let most = 1e-12;
      for (let k = 0; k < n_x; k += 1) most = Math.max(most, Math.abs(at(k)));
      paintPicture(canvas, at, data.pictures, -most, most);
    });
  }
  const what = choice(
    texts.weightPictures,
    [
      [false, texts.weightsNow],
      [true, texts.weightsLearned],
    ],
    false,
    (value) => {
      learned = value;
      update();
    },
  );
  return {element: card(texts.weightPictures, what, grid), update};
}

function worstView(data, machine) {
  const grid = make("div", {class: "units"});
  function update(prediction) {
    const {X, Y} = machine.arrays,
      m = Y.length;
    if (!prediction || prediction.length !== m) return;
    const worst = Array.from({length: m}, (_, i) => i)
      .sort((a, b) => Math.abs(Y[b] - prediction[b]) - Math.abs(Y[a] - prediction[a]))
      .slice(0, 8);
    grid.replaceChildren(
      ...worst.map((i) => {
        const canvas = make("canvas", {role: "img", "aria-label": `${texts.example} ${i}`});
        paintPicture(canvas, (k) => X[k * m + i], data.pictures, 0, 1);
        return make("div", {class: "unit"}, canvas, texts.worstLabel(shown(prediction[i], 2), shown(Y[i], 2)));
      }),
    );
  }
  return {element: card(texts.worst, null, grid), update};
}
