// Predict before you see: a question for a step, with answers that are each right for something else.

function questionFor(data, machine, i, backwards, at, scaleOf) {
  const step = data.steps[i],
    random = randomState(at + 1);
  if (!backwards) {
    const shape = shapeQuestion(data, step);
    const number = sizeOf(step.shape) <= 12 && step.op !== "matmul";
    if (shape && !(number && at % 3 === 2)) return mixedUp(shape, random);
    return number ? numberQuestion(machine, step, i) : shape && mixedUp(shape, random);
  }
  const one = step.back[at % step.back.length];
  const formula = formulaQuestion(data, step, one);
  if (formula) return mixedUp(formula, random);
  return signQuestion(data, machine, i, one);
}

function mixedUp(question, random) {
  const order = random.shuffled(question.answers.length);
  return {...question, answers: order.map((k) => question.answers[k])};
}

function shapeQuestion({steps}, step) {
  const right = step.shape,
    answers = [{text: shapeText(right), right: true}],
    seen = new Set([shapeText(right)]);
  function offer(shape, fault) {
    if (!shape || seen.has(shapeText(shape))) return;
    seen.add(shapeText(shape));
    answers.push({text: shapeText(shape), right: false, fault});
  }
  const inputs = step.parents.map((parent) => steps[parent].shape);
  if (right.length === 2) offer([right[1], right[0]], texts.faults.transposed);
  if (step.op === "matmul" && inputs.every((shape) => shape.length === 2))
    offer([inputs[0][1], inputs[1][0]], texts.faults.inner);
  for (const shape of inputs) offer(shape, step.op === "matmul" ? texts.faults.shapeOther : texts.faults.notStretched);
  for (const other of steps) if (answers.length < 4 && other.op) offer(other.shape, texts.faults.shapeOther);
  return answers.length < 2
    ? null
    : {text: texts.askShape(step.name), tree: equation(step.symbol, step.equation), answers: answers.slice(0, 4)};
}

function numberQuestion(machine, step, i) {
  const k = 0,
    name = step.shape.length ? texts.cell(step.name, placeOf(k, step.shape).join(", ")) : step.name;
  return {text: texts.askNumber(name), tree: equation(step.symbol, step.equation), number: machine.value(i)[k]};
}

function signQuestion(data, machine, i, one) {
  const array = machine.values()[`q${i}_${one.input}`],
    k = array.findIndex((x) => x !== 0);
  const sign_ = Math.sign(array[Math.max(0, k)]),
    target = data.steps[one.parent];
  const name = `d${target.name}`;
  return {
    text: texts.askSign(
      target.shape.length ? texts.cell(name, placeOf(Math.max(0, k), target.shape).join(", ")) : name,
    ),
    answers: texts.signs.map((text, n) => ({text, right: n - 1 === sign_, fault: texts.faults.signOther})),
  };
}

// Four formulas for what an input is handed: the right one, and the slips that `tgc check` knows.
function formulaQuestion({steps}, step, one) {
  const d = ["mrow", ["mi", "d"], step.symbol],
    symbols = step.parents.map((parent) => steps[parent].symbol);
  const turned = (tree) => ["msup", tree, ["mi", "T"]],
    row = (...parts) => ["mrow", ...parts];
  const gap = ["mspace", {width: "0.25em"}],
    circle = ["mo", "⊙"],
    f = texts.faults;
  const name = steps[one.parent].name;
  const ask = (answers) => ({text: texts.askFormula(name), answers});
  if (step.op === "matmul" && step.parents.every((parent) => steps[parent].shape.length === 2)) {
    const other = symbols[1 - one.input];
    return one.input === 0
      ? ask([
          {tree: row(d, gap, turned(other)), right: true},
          {tree: row(other, gap, turned(d)), fault: f.transposed},
          {tree: row(d, gap, other), fault: f.noTranspose},
          {tree: row(d, circle, other), fault: f.elementwise},
        ])
      : ask([
          {tree: row(turned(other), gap, d), right: true},
          {tree: row(d, gap, turned(other)), fault: f.order},
          {tree: row(other, gap, d), fault: f.noTranspose},
          {tree: row(other, circle, d), fault: f.elementwise},
        ]);
  }
  const z = symbols[0],
    y = step.symbol,
    square = (tree) => ["msup", row(["mo", "("], tree, ["mo", ")"]), ["mn", "2"]];
  const within = (...parts) => row(["mo", "("], ...parts, ["mo", ")"]),
    minus = ["mo", "−"],
    unit = ["mn", "1"];
  const tanh = row(d, circle, within(unit, minus, square(y))),
    sigmoid = row(d, circle, y, circle, within(unit, minus, y));
  if (step.op === "tanh") {
    return ask([
      {tree: tanh, right: true},
      {tree: row(d, circle, within(unit, minus, square(z))), fault: f.logits},
      {tree: sigmoid, fault: f.otherActivation},
      {tree: d, fault: f.forgotten},
    ]);
  }
  if (step.op === "sigmoid") {
    return ask([
      {tree: sigmoid, right: true},
      {tree: row(d, circle, z, circle, within(unit, minus, z)), fault: f.logits},
      {tree: tanh, fault: f.otherActivation},
      {tree: d, fault: f.forgotten},
    ]);
  }
  if (step.op === "add" && one.summed) {
    const sum = (text) => row(["mi", text], ["mo", "("], d, ["mo", ")"]),
      axis = one.summed.join(", ");
    return ask(
      [
        {tree: sum(`sum over axis ${axis} of `), right: true},
        {tree: d, fault: f.notSummed},
        {tree: sum(`mean over axis ${axis} of `), fault: f.averaged},
        {tree: sum("sum over all of "), fault: f.wrongAxis},
      ].filter((answer, n) => n < 3 || one.summed.length < step.shape.length),
    );
  }
  return null;
}

// The question with its answers. score: counts first answers.  done: called once it is answered.
function questionCard(question, score, done) {
  const verdict = make("p", {"aria-live": "polite"}),
    answers = make("div", {class: "answers"});
  let tried = false;
  function settle(right, text) {
    if (!tried) {
      score.asked += 1;
      if (right) score.right += 1;
      tried = true;
    }
    verdict.textContent = right ? texts.right : text;
    if (right) setTimeout(done, still.matches ? 0 : 900);
  }
  for (const answer of question.answers || []) {
    const button = make(
      "button",
      {
        type: "button",
        "aria-label": answer.tree ? spoken(answer.tree) : undefined,
        onclick: () => {
          button.classList.add(answer.right ? "right" : "wrong");
          settle(answer.right, answer.fault);
        },
      },
      answer.tree ? math(answer.tree) : answer.text,
    );
    answers.append(button);
  }
  if (!question.answers) {
    const field = make("input", {type: "text", inputmode: "decimal", "aria-label": question.text});
    const near = () => Math.abs(read(field.value) - question.number) <= 0.02 * Math.abs(question.number) + 1e-12;
    const check = () => settle(near(), texts.wrongNumber(shown(question.number)));
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter") check();
    });
    answers.append(field, make("button", {type: "button", text: texts.answer, onclick: check}));
  }
  answers.append(make("button", {type: "button", class: "plain", text: texts.tell, onclick: done}));
  return make("div", {class: "ask"}, make("h2", {text: question.text}), answers, verdict);
}
