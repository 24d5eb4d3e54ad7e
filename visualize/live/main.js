// The page, put together.

const data = JSON.parse(document.getElementById("data").textContent);
readColours();
const machine = machineOf(data);
const trainer = data.training ? trainingView(data, machine) : null;

// The steps of the whole batch, or of one example alone.
const m = data.training ? data.training.m : data.m,
  panel = make("div", {role: "tabpanel", id: "panel-steps", "aria-labelledby": "tab-steps"});
let stepper = null;
function showSteps(example) {
  const position = stepper ? stepper.position() : 0;
  if (stepper) stepper.stop();
  const one = example !== null,
    shared = one ? machineOf(data.single, machine) : machine;
  if (one) shared.takeExample(example);
  stepper = stepsView(one ? data.single : data, shared, data.single ? exampleSwitch(example) : null);
  panel.replaceChildren(stepper.element);
  stepper.go(position);
}
function exampleSwitch(example) {
  const number = make("input", {
    type: "number",
    min: 0,
    max: m - 1,
    value: example === null ? 0 : example,
    "aria-label": texts.whichExample,
    disabled: example === null,
    onchange: () => {
      showSteps(Math.max(0, Math.min(m - 1, Math.round(Number(number.value)) || 0)));
      document.querySelector(`[aria-label="${texts.whichExample}"]`).focus();
    },
  });
  return make(
    "div",
    {class: "row"},
    choice(
      texts.howMany,
      [
        [false, texts.wholeBatch(m)],
        [true, texts.oneExample],
      ],
      example !== null,
      (one) => showSteps(one ? Number(number.value) : null),
    ),
    example === null ? null : number,
  );
}

const panels = {steps: panel};
if (trainer)
  panels.training = make(
    "div",
    {role: "tabpanel", id: "panel-training", "aria-labelledby": "tab-training", hidden: true},
    trainer.element,
  );
const tabs = Object.keys(panels).map((name) =>
  make("button", {
    type: "button",
    role: "tab",
    id: `tab-${name}`,
    "aria-controls": `panel-${name}`,
    "aria-selected": String(name === "steps"),
    tabindex: name === "steps" ? "0" : "-1",
    text: texts[name],
    onclick: () => open(name),
    onkeydown: (event) => {
      if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
      const names = Object.keys(panels),
        to = (names.indexOf(name) + (event.key === "ArrowRight" ? 1 : names.length - 1)) % names.length;
      event.stopPropagation();
      open(names[to]);
      tabs[to].focus();
    },
  }),
);
let opened = "steps";
function open(name) {
  opened = name;
  Object.keys(panels).forEach((one, i) => {
    panels[one].hidden = one !== name;
    tabs[i].setAttribute("aria-selected", String(one === name));
    tabs[i].tabIndex = one === name ? 0 : -1;
  });
  if (name === "steps") {
    if (trainer) trainer.pause();
    stepper.machine.changed();
    stepper.update();
  } else {
    stepper.stop();
    trainer.draw();
  }
}

const operations = data.steps.filter((step) => step.op).length;
document.getElementById("page").append(
  make(
    "main",
    {class: "frame"},
    make(
      "header",
      {class: "head"},
      make(
        "div",
        {},
        make("h1", {text: data.title}),
        make("p", {class: "quiet", text: texts.subtitle(operations, data.m)}),
      ),
      trainer ? make("div", {class: "choice", role: "tablist", "aria-label": texts.both}, tabs) : null,
    ),
    data.notes.map((text) => make("p", {class: "note", text})),
    Object.values(panels),
  ),
  live,
);
document.addEventListener("keydown", (event) => {
  if (opened === "steps") stepper.keys(event);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  readColours();
  open(opened);
});
showSteps(null);

// For those who want to look further, and for tests.
window.livePage = {
  data,
  machine,
  trainer,
  open,
  shown,
  randomState,
  showSteps,
  get stepper() {
    return stepper;
  },
};
