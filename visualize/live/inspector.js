// One number that was chosen: where it comes from or, of a parameter or an input, an editor for it.

// refresh: called when a number was changed.  putBack: puts all back as they were.
function inspectorOf(data, machine, chosen, refresh, putBack) {
  if (!chosen) return make("p", {class: "quiet", text: data.everything ? texts.editable : texts.chooseCell});
  if (chosen.what) {
    const name = chosen.what.replace(/ \d.*$/, "");
    return make(
      "div",
      {class: "inspector"},
      make("output", {text: `${name} [${chosen.k}] = ${shown(chosen.value, 7)}`}),
    );
  }
  const {step: i, k} = chosen,
    step = data.steps[i];
  const name = step.shape.length ? texts.cell(step.name, placeOf(k, step.shape).join(", ")) : step.name;
  if (!step.op) return editorOf(data, machine, i, k, name, refresh, putBack);
  return make(
    "div",
    {class: "inspector"},
    make("span", {class: "sum", text: `${name} = ${arithmetic(machine, data.steps, i, k)}`}),
  );
}

function editorOf(data, machine, i, k, name, refresh, putBack) {
  const array = machine.value(i),
    output = make("output"),
    reach = Math.max(1, 2 * largest(array)),
    label = `${texts.change}: ${name}`;
  const field = make("input", {type: "text", inputmode: "decimal", value: shown(array[k], 6), "aria-label": label});
  const slider = make("input", {
    type: "range",
    min: -reach,
    max: reach,
    step: "any",
    value: array[k],
    "aria-label": label,
  });
  function report() {
    const g = machine.gradient(i),
      J = `${data.steps[data.last].name} = ${shown(machine.cost(), 7)}`;
    output.textContent = g
      ? `${J} · ${texts.gradientHere} ${shown(g[k], 7)} · ${texts.difference} ${shown(machine.difference(i, k), 7)}`
      : J;
  }
  function set(x) {
    field.toggleAttribute("aria-invalid", !Number.isFinite(x));
    if (!Number.isFinite(x)) return;
    array[k] = x;
    machine.changed();
    report();
    refresh();
  }
  field.addEventListener("change", () => {
    set(read(field.value));
    slider.value = array[k];
  });
  slider.addEventListener("input", () => {
    set(Number(slider.value));
    field.value = shown(array[k], 6);
  });
  report();
  const controls = data.everything
    ? [field, slider, make("button", {type: "button", class: "plain", text: texts.putBack, onclick: putBack})]
    : [shown(array[k], 6)];
  return make(
    "div",
    {class: "inspector"},
    make("div", {class: "row"}, make("b", {text: `${name} =`}), controls),
    output,
  );
}
