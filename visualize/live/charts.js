// Charts that are drawn again and again while a network learns.

// Lines over iterations; series: [{points: [[x, y], ...], kind}].
function lineChart(label) {
  const width = 560,
    height = 230,
    edge = {left: 60, right: 10, top: 10, bottom: 26};
  const root = svg("svg", {class: "plot", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label});
  function draw(series, log) {
    const all = series.flatMap((one) => one.points).filter(([, y]) => Number.isFinite(y) && (!log || y > 0));
    root.replaceChildren();
    if (!all.length) return;
    const scale = log ? Math.log10 : (y) => y;
    const most = Math.max(1, ...all.map(([x]) => x));
    let [low, high] = rangeOf(all.map(([, y]) => scale(y)));
    if (!log) low = Math.min(0, low);
    if (high - low < 1e-12) high = low + 1;
    const px = (x) => edge.left + (x / most) * (width - edge.left - edge.right);
    const py = (y) => height - edge.bottom - ((scale(y) - low) / (high - low)) * (height - edge.top - edge.bottom);
    for (let n = 0; n <= 4; n += 1) {
      const y = low + (n / 4) * (high - low),
        at = height - edge.bottom - (n / 4) * (height - edge.top - edge.bottom);
      root.append(
        svg("line", {class: "axis", x1: edge.left, x2: width - edge.right, y1: at, y2: at}),
        svg("text", {x: edge.left - 8, y: at + 4, "text-anchor": "end", text: shown(log ? 10 ** y : y, 3)}),
      );
    }
    for (const part of [0, 0.5, 1]) {
      root.append(
        svg("text", {
          x: px(most * part),
          y: height - 8,
          "text-anchor": part === 0 ? "start" : part === 1 ? "end" : "middle",
          text: String(Math.round(most * part)),
        }),
      );
    }
    for (const {points, kind} of series) {
      const d = points
        .filter(([, y]) => Number.isFinite(y) && (!log || y > 0))
        .map(([x, y], n) => `${n ? "L" : "M"}${px(x).toFixed(1)} ${py(y).toFixed(1)}`)
        .join("");
      if (d) root.append(svg("path", {class: `line ${kind || ""}`, d}));
    }
  }
  return {element: root, draw};
}

// Points of a curve, thinned so that a long training does not grow without end.
function series() {
  let points = [],
    every = 1;
  return {
    add(x, y) {
      if (x % every === 0) points.push([x, y]);
      if (points.length > 600) {
        points = points.filter((_, n) => n % 2 === 0);
        every *= 2;
      }
    },
    until(x) {
      points = points.filter(([at]) => at <= x);
    },
    clear() {
      points = [];
      every = 1;
    },
    get points() {
      return points;
    },
  };
}

function histogram(values, label) {
  const width = 190,
    height = 64,
    bins = 24,
    [low, high] = rangeOf(values),
    counts = new Array(bins).fill(0);
  for (const x of values)
    if (Number.isFinite(x)) counts[Math.min(bins - 1, Math.floor(((x - low) / (high - low || 1)) * bins))] += 1;
  const most = Math.max(1, ...counts);
  const root = svg("svg", {
    class: "plot",
    viewBox: `0 0 ${width} ${height + 16}`,
    role: "img",
    "aria-label": `${label}: ${shown(low, 3)} … ${shown(high, 3)}`,
  });
  counts.forEach((count, n) =>
    root.append(
      svg("rect", {
        x: (n * width) / bins + 0.5,
        width: width / bins - 1,
        y: height - (height * count) / most,
        height: (height * count) / most,
        rx: 1,
      }),
    ),
  );
  root.append(
    svg("text", {x: 0, y: height + 13, text: shown(low, 3)}),
    svg("text", {x: width, y: height + 13, "text-anchor": "end", text: shown(high, 3)}),
  );
  return root;
}

// A surface over the plane, n x n values from low to high, smooth; steep: whether values are probabilities.
function paintPlane(canvas, values, from, n, low, high) {
  canvas.width = canvas.height = n;
  const context = canvas.getContext("2d"),
    image = context.createImageData(n, n),
    middle = (low + high) / 2,
    half = (high - low) / 2 || 1;
  for (let y = 0; y < n; y += 1) {
    for (let x = 0; x < n; x += 1) {
      const v = values[from + (n - 1 - y) * n + x],
        at = 4 * (y * n + x);
      const colour = rampAt(Number.isFinite(v) ? (0.75 * (v - middle)) / half : 0);
      image.data[at] = ramp[colour];
      image.data[at + 1] = ramp[colour + 1];
      image.data[at + 2] = ramp[colour + 2];
      image.data[at + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
}
