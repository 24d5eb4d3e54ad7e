// Elements are made one by one: no text is ever read as markup.

function fill(element, given, children) {
  for (const [name, value] of Object.entries(given || {})) {
    if (value === undefined || value === false || value === null) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "text") element.textContent = value;
    else if (name === "style")
      for (const [property, x] of Object.entries(value)) element.style.setProperty(property, x);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}
function make(tag, given, ...children) {
  return fill(document.createElement(tag), given, children);
}
function svg(tag, given, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), given, children);
}

// Mathematics from lists: [tag, {attributes}, texts and lists].
function math(tree, display) {
  const space = "http://www.w3.org/1998/Math/MathML";
  function made([tag, ...rest]) {
    const element = document.createElementNS(space, tag);
    for (const part of rest) {
      if (Array.isArray(part)) element.append(made(part));
      else if (typeof part === "object")
        for (const [name, value] of Object.entries(part)) element.setAttribute(name, value);
      else element.append(part);
    }
    return element;
  }
  const element = made(["math", tree]);
  if (display) element.setAttribute("displaystyle", "true");
  return element;
}
// Mathematics as words, for those who hear the page.
function spoken(tree) {
  if (typeof tree === "string") return tree;
  const [tag, ...rest] = tree,
    parts = rest.filter((part) => typeof part === "string" || Array.isArray(part)).map(spoken);
  if (tag === "msup" && parts[1] === "T") return `${parts[0]} ${texts.transposed}`;
  if (tag === "msup" && parts[1] === "2") return `${parts[0]} ${texts.squared}`;
  if (tag === "mfrac") return `${parts[0]} / ${parts[1]}`;
  return parts.filter(Boolean).join(" ");
}
const operator = (text) => ["mo", text];
function equation(left, right) {
  return ["mrow", left, operator("="), right];
}

const icons = {
  first: "M4 4h2.4v12H4zM16 4v12L7.4 10z",
  previous: "M14 4v12L5 10z",
  play: "M6 3.6v12.8L16.5 10z",
  pause: "M5 4h3.6v12H5zM11.4 4H15v12h-3.6z",
  next: "M6 4v12l9-6z",
  last: "M13.6 4H16v12h-2.4zM4 4v12l8.6-6z",
};
function icon(name) {
  return svg("svg", {viewBox: "0 0 20 20", "aria-hidden": "true"}, svg("path", {d: icons[name]}));
}
function roundButton(name, label, act, more) {
  return make(
    "button",
    {class: "round", type: "button", "aria-label": label, title: label, onclick: act, ...more},
    icon(name),
  );
}
function show(button, name, label) {
  button.replaceChildren(icon(name));
  button.setAttribute("aria-label", label);
  button.title = label;
}

// Buttons of which one is pressed.
function choice(label, options, chosen, act) {
  const buttons = options.map(([value, text]) =>
    make("button", {
      type: "button",
      "aria-pressed": String(value === chosen),
      text,
      onclick: () => {
        for (const button of buttons)
          button.setAttribute("aria-pressed", String(button === buttons[options.findIndex((o) => o[0] === value)]));
        act(value);
      },
    }),
  );
  return make("div", {class: "choice", role: "group", "aria-label": label}, buttons);
}
function above(text, control) {
  return make("label", {class: "above"}, make("span", {text}), control);
}

const live = make("div", {class: "spoken", "aria-live": "polite"});
function say(text) {
  live.textContent = text;
}
const still = matchMedia("(prefers-reduced-motion: reduce)");

// The page's colours as numbers, read again when the reader's setting changes.
const colours = {};
function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["paper", "positive", "negative", "ink", "muted", "panel", "line", "error"]) {
    const hex = style.getPropertyValue(`--${name}`).trim();
    colours[name] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  }
  for (let n = -STEPS; n <= STEPS; n += 1) ramp.set(mixed(n / STEPS), 3 * (n + STEPS));
}
// The same for many numbers: where three bytes for a share from -1 to 1 begin in `ramp`.
const STEPS = 255,
  ramp = new Uint8ClampedArray(3 * (2 * STEPS + 1));
function rampAt(share) {
  return 3 * (STEPS + Math.round(STEPS * Math.max(-1, Math.min(1, share))));
}
function mixed(share) {
  // from -1, orange, over paper to 1, blue
  const to = share < 0 ? colours.negative : colours.positive,
    part = Math.min(1, Math.abs(share));
  return colours.paper.map((x, i) => Math.round(x + (to[i] - x) * part));
}
function css(rgb, alpha = 1) {
  return `rgb(${rgb.join(" ")} / ${alpha})`;
}
