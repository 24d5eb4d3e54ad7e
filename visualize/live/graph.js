// The computational graph as SVG: our own boxes at places that were computed when the page was made. Of a large one
// there are two pictures: Modules folded, of which a click unfolds, and every step.

function graphView(data, choose) {
  let picture = null,
    last = null;
  const scroll = make("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": texts.graph});
  const fold = data.folded
    ? make("button", {type: "button", class: "fold", onclick: () => show(picture.folded ? data.picture : data.folded)})
    : null;

  function show(which) {
    picture = graphPicture(which, data.steps, (box) => {
      if (box.fold) show(data.picture);
      choose(box.steps[box.steps.length - 1]);
    });
    picture.folded = which === data.folded;
    scroll.replaceChildren(picture.root);
    if (fold) fold.textContent = picture.folded ? texts.unfold : texts.fold;
    if (last) update(last);
  }
  function update(state) {
    last = state;
    const place = picture.update(state),
      view = scroll.getBoundingClientRect();
    if (!place) return;
    scroll.scrollTo({
      left: place.x + 8 - view.width / 2,
      top: place.y + 8 - view.height / 2,
      behavior: still.matches ? "auto" : "smooth",
    });
  }
  show(data.folded || data.picture);
  return {element: make("div", {class: "card graph"}, fold, scroll), update};
}

function graphPicture({width, height, boxes, arrows}, steps, choose) {
  const root = svg("svg", {
    viewBox: `-8 -8 ${width + 16} ${height + 16}`,
    width: width + 16,
    height: height + 16,
    role: "group",
  });
  const lines = arrows.map(({from, to, route}) => {
    const [start, ...rest] = route;
    const d =
      `M${start}` +
      Array.from({length: rest.length / 3}, (_, i) => `C${rest[3 * i]} ${rest[3 * i + 1]} ${rest[3 * i + 2]}`).join("");
    const [x, y] = rest[rest.length - 1],
      [left, top] = start,
      line = svg("path", {class: "arrow", d});
    root.append(
      line,
      svg("path", {class: "head-of", d: `M${x - 4} ${y - 7}L${x} ${y}L${x + 4} ${y - 7}z`}),
      svg("path", {class: "head-of upwards", d: `M${left - 5} ${top + 8}L${left} ${top}L${left + 5} ${top + 8}z`}),
    );
    return {from: boxes[from], to: boxes[to], line};
  });
  const groups = boxes.map((box) => {
    const step = steps[box.steps[box.steps.length - 1]],
      left = box.x - box.width / 2,
      top = box.y - box.height / 2;
    const below = box.fold
      ? texts.inside(box.steps.filter((i) => steps[i].op).length)
      : `${step.op ? `${step.op} ` : ""}${step.shape.length ? `(${step.shape.join(", ")})` : ""}`;
    const group = svg(
      "g",
      {class: `box ${box.fold ? "folded" : step.kind}`, onclick: () => choose(box)},
      svg("rect", {class: "body", x: left, y: top, width: box.width, height: box.height, rx: step.op ? 10 : 20}),
      box.fold
        ? svg("text", {class: "name", x: box.x, y: box.y - 1, text: cut(box.fold, box.width - 12)})
        : nameText(step.name, box.x, box.y - 1, box.width - 12),
      svg("text", {class: "op", x: box.x, y: box.y + 14, text: below}),
      svg("circle", {class: "drop", cx: left + box.width - 9, cy: top + 9, r: 4}),
    );
    root.append(group);
    return {box, group, has: new Set(box.steps)};
  });

  // now: the step that is looked at; done: those whose value is known; known: those whose gradient is known.
  // The box of the step that is looked at.
  function update({now, done, known, near, backwards, broken}) {
    let found = null;
    for (const {box, group, has} of groups) {
      const is = has.has(now);
      if (is) found = box;
      group.classList.toggle("now", is);
      group.classList.toggle("later", !box.steps.some((i) => (steps[i].op ? done.has(i) : !box.fold)));
      group.classList.toggle(
        "known",
        box.steps.some((i) => known.has(i)),
      );
      group.classList.toggle("near", !is && box.steps.some((i) => near.has(i)));
      group.classList.toggle("broken", has.has(broken));
    }
    for (const {from, to, line} of lines) {
      const leads = to === found && from.steps.some((i) => near.has(i));
      line.classList.toggle("now", leads);
      line.classList.toggle("back", leads && backwards);
    }
    return found;
  }
  return {root, update};
}

function cut(text, room) {
  const most = Math.max(4, Math.floor(room / 8.5));
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
// W[1] with its layer as a superscript.
function nameText(name, x, y, room) {
  const match = /^(.*?)\[(\d+)\]$/.exec(name);
  const plain = (match ? match[1] : name) === "y_hat" ? "ŷ" : match ? match[1] : name;
  const text = svg("text", {class: "name", x, y}, cut(plain, room));
  if (match) text.append(svg("tspan", {class: "sup", dy: -5, text: `[${match[2]}]`}));
  return text;
}
