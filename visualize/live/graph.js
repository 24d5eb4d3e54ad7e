// The computational graph as SVG: our own boxes at places that were computed when the page was made.

function graphView(data, choose) {
  const {picture, steps} = data;
  const boxes = new Map(), arrows = [];
  const root = svg("svg", {
    viewBox: `-8 -8 ${picture.width + 16} ${picture.height + 16}`, width: picture.width + 16, height: picture.height + 16,
    role: "group"});
  for (const arrow of picture.arrows) {
    const [start, ...rest] = arrow.route;
    const d = `M${start}` + Array.from({length: rest.length / 3}, (_, i) => `C${rest[3 * i]} ${rest[3 * i + 1]} ${rest[3 * i + 2]}`).join("");
    const [x, y] = rest[rest.length - 1], [left, top] = start;
    const line = svg("path", {class: "arrow", d});
    root.append(line, svg("path", {class: "head-of", d: `M${x - 4} ${y - 7}L${x} ${y}L${x + 4} ${y - 7}z`}),
      svg("path", {class: "head-of upwards", d: `M${left - 5} ${top + 8}L${left} ${top}L${left + 5} ${top + 8}z`}));
    arrows.push({...arrow, line});
  }
  for (const box of picture.boxes) {
    const step = steps[box.step], left = box.x - box.width / 2, top = box.y - box.height / 2;
    const group = svg("g", {class: `box ${step.kind}`, onclick: () => choose(box.step)},
      svg("rect", {class: "body", x: left, y: top, width: box.width, height: box.height, rx: step.op ? 10 : 20}),
      nameText(step.name, box.x, box.y - 1, box.width - 12),
      svg("text", {class: "op", x: box.x, y: box.y + 14, text: `${step.op ? `${step.op} ` : ""}${step.shape.length ? `(${step.shape.join(", ")})` : ""}`}),
      svg("circle", {class: "drop", cx: left + box.width - 9, cy: top + 9, r: 4}));
    boxes.set(box.step, {group, box});
    root.append(group);
  }
  const scroll = make("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": texts.graph}, root);

  // now: the step that is looked at; done: those whose value is known; known: those whose gradient is known.
  function update({now, done, known, near, backwards, broken}) {
    for (const [i, {group}] of boxes) {
      group.classList.toggle("now", i === now);
      group.classList.toggle("later", !done.has(i));
      group.classList.toggle("known", known.has(i));
      group.classList.toggle("near", near.has(i));
      group.classList.toggle("broken", i === broken);
    }
    for (const {from, to, line} of arrows) {
      line.classList.toggle("now", to === now && near.has(from));
      line.classList.toggle("back", to === now && near.has(from) && backwards);
    }
    const at = boxes.get(now);
    if (!at) return;
    const place = at.box, view = scroll.getBoundingClientRect();
    scroll.scrollTo({
      left: place.x + 8 - view.width / 2, top: place.y + 8 - view.height / 2, behavior: still.matches ? "auto" : "smooth"});
  }
  return {element: make("div", {class: "card graph"}, scroll), update};
}

// W[1] with its layer as a superscript.
function nameText(name, x, y, room) {
  const match = /^(.*?)\[(\d+)\]$/.exec(name);
  const plain = (match ? match[1] : name) === "y_hat" ? "ŷ" : match ? match[1] : name;
  const most = Math.max(4, Math.floor(room / 8.5));
  const text = svg("text", {class: "name", x, y}, plain.length > most ? `${plain.slice(0, most - 1)}…` : plain);
  if (match) text.append(svg("tspan", {class: "sup", dy: -5, text: `[${match[2]}]`}));
  return text;
}
