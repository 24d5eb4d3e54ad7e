// An array as numbers where they are few, as a coloured surface with a legend where they are many.

const FEW = 40,
  FEW_COLUMNS = 6;

// given: symbol, shape, data, name, chosen (an element), sources (elements as a Set), choose(element), wide.
function matrixFigure(given) {
  const {symbol, shape, data} = given;
  const columns = shape.length ? shape[shape.length - 1] : 1,
    rows = data.length / Math.max(1, columns);
  const caption = make("figcaption", {}, math(symbol), make("span", {class: "shape", text: shapeText(shape)}));
  const body =
    data.length <= FEW && columns <= FEW_COLUMNS ? numberTable(given, rows, columns) : surface(given, rows, columns);
  return make("figure", {class: "matrix"}, caption, body);
}

function largest(data) {
  const [low, high] = rangeOf(data);
  return Math.max(Math.abs(low), Math.abs(high));
}

function numberTable({data, chosen, sources, choose, name}, rows, columns) {
  const most = largest(data) || 1,
    table = make("table", {role: "presentation"});
  for (let i = 0; i < rows; i += 1) {
    const row = make("tr");
    for (let j = 0; j < columns; j += 1) {
      const k = i * columns + j;
      const mark = k === chosen ? "chosen" : sources && sources.has(k) ? "source" : "";
      row.append(
        make(
          "td",
          {},
          make("button", {
            type: "button",
            class: mark,
            text: shown(data[k]),
            "data-value": String(data[k]),
            "aria-label": `${name || ""} ${rows * columns > 1 ? `${i}, ${j}` : ""}: ${shown(data[k])}`,
            "aria-pressed": choose ? String(k === chosen) : undefined,
            style: {background: css(mixed((0.45 * data[k]) / most))},
            onclick: () => choose && choose(k),
          }),
        ),
      );
    }
    table.append(row);
  }
  return make("div", {class: "scroller"}, table);
}

function surface({data, chosen, sources, choose, name, shape}, rows, columns) {
  const most = largest(data),
    [low, high] = rangeOf(data);
  const width = Math.min(340, Math.max(120, columns * 22));
  const height = Math.min(240, Math.max(26, rows * (rows <= 12 ? 18 : Math.min(18, Math.max(1, width / columns)))));
  const canvas = make("canvas", {"aria-hidden": "true"});
  const scale = Math.min(2, window.devicePixelRatio || 1);
  canvas.width = Math.min(columns * 8, Math.round(width * scale));
  canvas.height = Math.min(rows * 8, Math.round(height * scale));
  paint(canvas, data, rows, columns, most);
  const box = make(
    "div",
    {
      class: "surface",
      tabindex: "0",
      role: "img",
      "aria-label": texts.matrix(name || "", shapeText(shape), shown(low), shown(high)),
      style: {width: `${width}px`, "max-width": "100%", height: `${height}px`},
    },
    canvas,
  );
  const marks = [];
  for (const k of sources ? boundsOf(sources, columns) : []) marks.push({...k, source: true});
  if (chosen >= 0) marks.push({top: Math.floor(chosen / columns), left: chosen % columns, rows: 1, columns: 1});
  for (const one of marks) {
    box.append(
      make("div", {
        class: one.source ? "mark source" : "mark",
        style: {
          left: `${(100 * one.left) / columns}%`,
          top: `${(100 * one.top) / rows}%`,
          width: `${(100 * one.columns) / columns}%`,
          height: `${(100 * one.rows) / rows}%`,
        },
      }),
    );
  }
  if (choose) {
    box.addEventListener("click", (event) => {
      const at = box.getBoundingClientRect();
      const i = Math.min(rows - 1, Math.floor(((event.clientY - at.top) / at.height) * rows));
      const j = Math.min(columns - 1, Math.floor(((event.clientX - at.left) / at.width) * columns));
      choose(i * columns + j);
    });
    box.addEventListener("keydown", (event) => {
      const moves = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns};
      if (!(event.key in moves)) return;
      event.preventDefault();
      event.stopPropagation();
      const next = (chosen >= 0 ? chosen : 0) + (chosen >= 0 ? moves[event.key] : 0);
      if (next >= 0 && next < data.length) choose(next, name);
    });
  }
  const legend = make(
    "div",
    {class: "legend"},
    make("span", {text: shown(-most, 2)}),
    make("i"),
    make("span", {text: shown(most, 2)}),
  );
  return make("div", {}, box, legend);
}

function paint(canvas, data, rows, columns, most) {
  const context = canvas.getContext("2d"),
    image = context.createImageData(canvas.width, canvas.height);
  for (let y = 0, at = 0; y < canvas.height; y += 1) {
    const row = Math.floor((y * rows) / canvas.height) * columns;
    for (let x = 0; x < canvas.width; x += 1, at += 4) {
      const v = data[row + Math.floor((x * columns) / canvas.width)];
      if (Number.isFinite(v)) {
        const colour = rampAt(most ? v / most : 0);
        image.data[at] = ramp[colour];
        image.data[at + 1] = ramp[colour + 1];
        image.data[at + 2] = ramp[colour + 2];
      } else image.data.set(colours.error, at);
      image.data[at + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
}

// Elements as rectangles: rows, columns, or single ones.
function boundsOf(elements, columns) {
  const list = [...elements];
  if (list.length > 4000) return [];
  const runs = [];
  for (const k of list.sort((a, b) => a - b)) {
    const last = runs[runs.length - 1];
    if (last && last.top === Math.floor(k / columns) && last.left + last.columns === k % columns) last.columns += 1;
    else runs.push({top: Math.floor(k / columns), left: k % columns, rows: 1, columns: 1});
  }
  const merged = [];
  for (const run of runs) {
    const last = merged.find(
      (one) => one.left === run.left && one.columns === run.columns && one.top + one.rows === run.top,
    );
    if (last) last.rows += 1;
    else merged.push(run);
  }
  return merged.slice(0, 200);
}
