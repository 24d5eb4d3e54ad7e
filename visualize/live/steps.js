// The computation one operation at a time, forwards and then backwards.

// switches: what stands before the transport, such as the choice of an example.
function stepsView(data, machine, switches = null) {
  const {steps} = data;
  const forward = steps.map((step, i) => i).filter((i) => steps[i].op);
  const backward = forward.filter((i) => steps[i].back.length).reverse();
  const sequence = [
    ...forward.map((step) => ({step, backwards: false})),
    ...backward.map((step) => ({step, backwards: true})),
  ];
  let at = 0,
    chosen = null,
    course = Boolean(data.m),
    asking = false,
    timer = 0,
    pace = 1,
    answered = new Set();
  const score = {right: 0, asked: 0};

  // --------------------------------------------------------------------------------------------------- the frame
  const graph = graphView(data, (i) => {
    const found = sequence.findIndex((one) => one.step === i && one.backwards === sequence[at].backwards);
    if (found >= 0) go(found);
    else if (!steps[i].op) {
      choose(i, 0);
      tell();
    } else go(sequence.findIndex((one) => one.step === i));
  });
  const scrub = make("input", {
    type: "range",
    class: "scrub",
    min: 0,
    max: sequence.length - 1,
    value: 0,
    "aria-label": texts.position,
    oninput: () => go(Number(scrub.value)),
  });
  const playing = roundButton("play", texts.play, () => (timer ? stop() : play()), {class: "round main"});
  const back = roundButton("previous", texts.previous, () => go(at - 1)),
    on = roundButton("next", texts.next, () => go(at + 1));
  const first = roundButton("first", texts.first, () => go(0)),
    end = roundButton("last", texts.last, () => go(sequence.length - 1));
  const where = make("span", {class: "quiet"});
  const paces = make(
    "select",
    {
      "aria-label": texts.pace,
      onchange: () => {
        pace = Number(paces.value);
        if (timer) {
          stop();
          play();
        }
      },
    },
    texts.paces.map((text, i) => make("option", {value: i, text, selected: i === 1})),
  );
  const told = make("div", {class: "card told"});
  const points = make("span", {class: "quiet"});
  const ask = make("input", {
    type: "checkbox",
    onchange: () => {
      asking = ask.checked;
      answered = new Set();
      update();
    },
  });
  const options = make(
    "div",
    {class: "row between"},
    data.m
      ? choice(
          texts.convention,
          [
            [true, texts.perExample],
            [false, texts.ofCost],
          ],
          course,
          (value) => {
            course = value;
            tell();
          },
        )
      : make("span"),
    make("div", {class: "row"}, make("label", {}, ask, texts.predict), points),
  );
  const element = make(
    "div",
    {class: "steps"},
    graph.element,
    make(
      "div",
      {class: "stack"},
      switches,
      make("div", {class: "card transport"}, first, back, playing, on, end, scrub, where, paces),
      told,
      options,
    ),
  );

  function play() {
    if (at === sequence.length - 1) go(0);
    show(playing, "pause", texts.pause);
    timer = setInterval(() => (at === sequence.length - 1 ? stop() : go(at + 1)), [2600, 1300, 350][pace]);
  }
  function stop() {
    clearInterval(timer);
    timer = 0;
    show(playing, "play", texts.play);
  }
  function go(to) {
    at = Math.max(0, Math.min(sequence.length - 1, to));
    chosen = null;
    update();
  }
  function choose(step, k) {
    chosen = {step, k};
  }

  // ------------------------------------------------------------------------------------------------------ showing
  function update() {
    const {step, backwards} = sequence[at];
    const leaves = steps.map((_, i) => i).filter((i) => !steps[i].op);
    const done = new Set([
      ...leaves,
      ...sequence
        .slice(0, at + 1)
        .filter((one) => !one.backwards)
        .map((one) => one.step),
    ]);
    const known = new Set();
    for (const one of sequence.slice(0, at + 1).filter((one) => one.backwards)) {
      known.add(one.step);
      for (const {parent} of steps[one.step].back) known.add(parent);
    }
    const broken = machine.broken();
    const near = new Set(backwards ? steps[step].back.map((one) => one.parent) : steps[step].parents);
    graph.update({now: step, done, known, near, backwards, broken});
    scrub.value = at;
    scrub.setAttribute("aria-valuetext", `${backwards ? texts.backward : texts.forward}, ${steps[step].name}`);
    back.disabled = first.disabled = at === 0;
    on.disabled = end.disabled = at === sequence.length - 1;
    where.textContent = `${at + 1} / ${sequence.length}`;
    points.textContent = score.asked ? texts.score(score.right, score.asked) : "";
    tell();
    say(`${backwards ? texts.backward : texts.forward}, ${texts.of(at + 1, sequence.length)}: ${steps[step].name}`);
  }

  function tell() {
    const {step, backwards} = sequence[at];
    const focused = told.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
    const question = asking && !answered.has(at) ? questionFor(data, machine, step, backwards, at, scaleOf) : null;
    told.replaceChildren(
      ...(question ? [asked(question, step, backwards)] : backwards ? tellBackward(step) : tellForward(step)),
    );
    if (focused) {
      const again = [...told.querySelectorAll("[aria-label]")].find(
        (one) => one.getAttribute("aria-label").split(":")[0] === focused.split(":")[0],
      );
      if (again) again.focus({preventScroll: true});
    }
  }
  function heading(step, backwards) {
    const pass = backwards ? backward : forward,
      count = pass.indexOf(step) + 1;
    return make("p", {
      class: "eyebrow",
      text: `${backwards ? texts.backward : texts.forward} · ${texts.of(count, pass.length)}`,
    });
  }

  // The values of a step, with the number that is chosen and where it comes from.
  function valueFigure(i, sources) {
    return matrixFigure({
      symbol: steps[i].symbol,
      shape: steps[i].shape,
      data: machine.value(i),
      name: steps[i].name,
      sources,
      chosen: chosen && chosen.step === i && !chosen.what ? chosen.k : -1,
      choose: (k) => {
        choose(i, k);
        tell();
      },
    });
  }
  // Figures with the signs between them; a sign stays with the figure that follows it.
  function flow(parts) {
    const pairs = [];
    for (const part of parts.filter(Boolean)) {
      const open = pairs[pairs.length - 1];
      if (open && open.childElementCount === 1 && open.firstChild.classList.contains("sign")) open.append(part);
      else pairs.push(make("div", {class: "pair"}, part));
    }
    return make("div", {class: "flow"}, pairs);
  }
  const between = (text) => make("span", {class: "sign", text, "aria-hidden": "true"});

  function tellForward(i) {
    const step = steps[i];
    const sources = chosen && chosen.step === i && !chosen.what ? sourcesOf(steps, i, chosen.k) : null;
    const inputs = [];
    step.parents.forEach((parent, n) => {
      if (steps[parent].kind === "constant" || step.parents.indexOf(parent) !== n) return;
      if (inputs.length)
        inputs.push(between({add: "+", subtract: "−", multiply: "⊙", divide: "/", matmul: "·"}[step.op] || ","));
      inputs.push(valueFigure(parent, sources && sources[n]));
    });
    const broken = machine.broken();
    return [
      heading(i, false),
      make("div", {class: "equation"}, math(equation(step.symbol, step.equation), true)),
      texts.meaning[step.op] && make("p", {class: "quiet", text: texts.meaning[step.op]}),
      flow([...inputs, between("→"), valueFigure(i)]),
      inspector(),
      broken === i && make("p", {class: "note", text: texts.noNumber(step.name)}),
    ].filter(Boolean);
  }

  // ----------------------------------------------------------------------------------------------------- backwards
  // What a gradient is multiplied by on the screen: m where the course writes that of one example.
  function scaleOf(i) {
    return course && steps[i].scaled ? data.m : 1;
  }
  function scaled(array, scale) {
    return scale === 1 ? array : array.map((x) => x * scale);
  }
  function gradientSymbol(i) {
    return ["mrow", ["mi", "d"], steps[i].symbol];
  }
  function figure(symbol, shape, array, key) {
    return matrixFigure({
      symbol,
      shape,
      data: array,
      name: key,
      chosen: chosen && chosen.what === key ? chosen.k : -1,
      choose: (k) => {
        chosen = {what: key, k, value: array[k], symbol};
        tell();
      },
    });
  }
  function tellBackward(i) {
    const step = steps[i],
      name = `d${step.name}`;
    const arriving = partsOf(i);
    const upstream = figure(gradientSymbol(i), step.shape, scaled(machine.gradient(i), scaleOf(i)), name);
    const parts = step.back.map((one) => tellPart(i, one));
    const first =
      i === data.last
        ? make("p", {class: "quiet", text: texts.seed})
        : make("p", {class: "quiet", text: texts.complete});
    return [
      heading(i, true),
      make("h2", {text: texts.upstream}),
      first,
      arriving.length > 1 ? make("p", {class: "quiet", text: texts.meets(arriving.length)}) : null,
      arriving.length > 1
        ? flow([
            ...arriving.flatMap(({j, one}, n) => [
              n ? between("+") : null,
              figure(
                ["mrow", ["mtext", `${steps[j].name} →`]],
                step.shape,
                scaled(machine.values()[`q${j}_${one.input}`], scaleOf(i)),
                `${name} ${j} ${one.input}`,
              ),
            ]),
            between("="),
            upstream,
          ])
        : flow([upstream]),
      ...parts,
      inspector(),
    ].filter(Boolean);
  }
  function partsOf(i) {
    return steps.flatMap((user, j) => (user.back || []).filter((one) => one.parent === i).map((one) => ({j, one})));
  }
  function tellPart(i, one) {
    const {parent, input} = one,
      values = machine.values(),
      target = steps[parent],
      key = `${i}_${input}`;
    const ratio = scaleOf(parent) / scaleOf(i);
    const several = partsOf(parent).length > 1;
    const left = several ? ["mrow", gradientSymbol(parent), ["mo", "←"]] : gradientSymbol(parent);
    const right = formulaOf(ratio, one),
      formula = several ? ["mrow", left, right] : equation(left, right);
    const shapes = [];
    if (one.local && values[`l${key}`] && !isOne(one.local)) {
      shapes.push(
        figure(
          gradientSymbol(i),
          steps[i].shape,
          scaled(machine.gradient(i), scaleOf(i)),
          `d${steps[i].name} to ${input}`,
        ),
        between("⊙"),
      );
      shapes.push(
        figure(
          one.local,
          steps[i].shape,
          scaled(values[`l${key}`], i === data.last ? scaleOf(parent) : 1),
          `${texts.local} ${key}`,
        ),
        between("="),
      );
    }
    if (values[`p${key}`]) {
      shapes.push(
        figure(
          ["mtext", texts.product],
          steps[i].shape,
          scaled(values[`p${key}`], scaleOf(i)),
          `${texts.product} ${key}`,
        ),
        between("Σ"),
      );
    }
    shapes.push(figure(left, target.shape, scaled(values[`q${key}`], scaleOf(parent)), `part ${key}`));
    const times_ = values[`p${key}`] ? sizeOf(steps[i].shape) / sizeOf(target.shape) : 0;
    return make(
      "section",
      {class: "part"},
      make("h3", {text: texts.handsOn(target.name)}),
      make("div", {class: "equation small"}, math(formula, true)),
      flow(shapes),
      times_ > 1 && make("p", {class: "quiet", text: texts.unstretched(times_)}),
      ratio < 1 && make("p", {class: "quiet", text: texts.share}),
    );
  }
  function isOne(tree) {
    return JSON.stringify(tree) === JSON.stringify(["mrow", ["mn", "1"]]) || tree[1] === "1";
  }
  // In the course's convention with the 1/m, or without it, where the change of meaning brings or takes it.
  function formulaOf(ratio, one) {
    if (Math.abs(ratio - 1) < 1e-12) return one.formula;
    return (
      one.course || [
        "mrow",
        ratio < 1 ? ["mfrac", ["mn", "1"], ["mi", "m"]] : ["mi", "m"],
        ["mspace", {width: "0.25em"}],
        one.formula,
      ]
    );
  }

  // ----------------------------------------------------------------------------------------------- one number
  function inspector() {
    return inspectorOf(data, machine, chosen, refreshFigures, () => {
      machine.putBack();
      update();
    });
  }
  // The figures show new numbers while the editor, which has the focus, stays.
  function refreshFigures() {
    const {step, backwards} = sequence[at];
    const fresh = make("div", {}, backwards ? tellBackward(step) : tellForward(step));
    const flows = [...told.querySelectorAll(".flow")],
      now = [...fresh.querySelectorAll(".flow")];
    flows.forEach((one, n) => now[n] && one.replaceChildren(...now[n].childNodes));
  }

  // ------------------------------------------------------------------------------------------------- predictions
  function asked(question, step, backwards) {
    const done = () => {
      answered.add(at);
      if (asking) update();
    };
    return make(
      "div",
      {class: "stack"},
      heading(step, backwards),
      question.tree && make("div", {class: "equation"}, math(question.tree, true)),
      questionCard(question, score, done),
    );
  }

  function keys(event) {
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.target !== scrub) return;
    const acts = {
      ArrowRight: () => go(at + 1),
      ArrowLeft: () => go(at - 1),
      Home: () => go(0),
      End: () => go(sequence.length - 1),
    };
    if (event.target === scrub || !(event.key in acts) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    acts[event.key]();
  }
  return {element, update, keys, stop, go, sequence, machine, position: () => at};
}
