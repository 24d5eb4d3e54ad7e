// The page, put together.

const data = JSON.parse(document.getElementById("data").textContent);
readColours();
const machine = machineOf(data);
const stepper = stepsView(data, machine), trainer = data.training ? trainingView(data, machine) : null;

const panels = {steps: make("div", {role: "tabpanel", id: "panel-steps", "aria-labelledby": "tab-steps"}, stepper.element)};
if (trainer) panels.training = make("div", {role: "tabpanel", id: "panel-training", "aria-labelledby": "tab-training", hidden: true}, trainer.element);
const tabs = Object.keys(panels).map((name) => make("button", {
  type: "button", role: "tab", id: `tab-${name}`, "aria-controls": `panel-${name}`, "aria-selected": String(name === "steps"),
  tabindex: name === "steps" ? "0" : "-1", text: texts[name], onclick: () => open(name),
  onkeydown: (event) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    const names = Object.keys(panels), to = (names.indexOf(name) + (event.key === "ArrowRight" ? 1 : names.length - 1)) % names.length;
    event.stopPropagation();
    open(names[to]);
    tabs[to].focus();
  },
}));
let opened = "steps";
function open(name) {
  opened = name;
  Object.keys(panels).forEach((one, i) => {
    panels[one].hidden = one !== name;
    tabs[i].setAttribute("aria-selected", String(one === name));
    tabs[i].tabIndex = one === name ? 0 : -1;
  });
  if (name === "steps") { if (trainer) trainer.pause(); stepper.update(); }
  else { stepper.stop(); trainer.draw(); }
}

const operations = data.steps.filter((step) => step.op).length;
document.getElementById("page").append(make("main", {class: "frame"},
  make("header", {class: "head"}, make("div", {}, make("h1", {text: data.title}), make("p", {class: "quiet", text: texts.subtitle(operations, data.m)})),
    trainer ? make("div", {class: "choice", role: "tablist", "aria-label": texts.both}, tabs) : null),
  data.notes.map((text) => make("p", {class: "note", text})), Object.values(panels)), live);
document.addEventListener("keydown", (event) => { if (opened === "steps") stepper.keys(event); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColours(); open(opened); });
stepper.update();

// For those who want to look further, and for tests.
window.livePage = {data, machine, stepper, trainer, open, shown};
