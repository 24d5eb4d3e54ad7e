"""Running compiled steps under Node, and reading back what they have computed."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_course.compiler.javascript.code import helpers
from tinygrad_course.compiler.javascript.step import JavaScriptStep

RUN = """
const fs = require("fs");
const bytes = fs.readFileSync("numbers");
const numbers = new Float64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 8);
const kinds = {float32: Float32Array, bool: Uint8Array};
let at = 0;
const out = [];
for (const job of JSON.parse(fs.readFileSync("jobs.json", "utf8"))) {
  const given = {};
  for (const [name, size, kind] of job.inputs) {
    given[name] = new (kinds[kind] || Float64Array)(numbers.subarray(at, at + size));
    at += size;
  }
  const {prepare, step} = functions[job.function](given);
  prepare();
  for (let i = 0; i < job.steps; i += 1) out.push(step());
  let values = {};
  if (functions[job.function + "_results"]) {
    const results = functions[job.function + "_results"](given);
    results.prepare();
    results.step();
    values = results.values;
  }
  for (const name of job.outputs) for (const x of values[name] || given[name]) out.push(x);
}
fs.writeFileSync("answers", Buffer.from(new Float64Array(out).buffer));
"""


@dataclass
class Job:
    """step: its function must have a name of its own among the jobs.  start: what its arguments begin with."""

    step: JavaScriptStep
    function: str
    start: dict[str, Any]
    steps: int


def program() -> str:
    """Node; where there is none the test is skipped, but not in CI, which installs it."""
    found = shutil.which("node") or shutil.which("nodejs")
    if found is None and os.environ.get("CI"):
        pytest.fail("there is no node, which CI is to install")
    if found is None:
        pytest.skip("needs the program node")
    return found


def run(jobs: list[Job], folder: Path) -> list[tuple[Any, dict[Any, Any]]]:
    """For each job the costs before its steps, and what was trained, by slot, as float64."""
    plan, numbers, texts = [], [], [helpers()]
    for job in jobs:
        texts.append(job.step.text)
        numbers += [np.ravel(value).astype(float) for value in job.start.values()]
        plan.append({"function": job.function, "steps": job.steps,
                     "inputs": [[name, np.size(value), str(np.asarray(value).dtype)]
                                for name, value in job.start.items()],
                     "outputs": [*job.step.direct.values(), *job.step.computed.values()]})
    names = [job.function for job in jobs] + [f"{job.function}_results" for job in jobs if job.step.computed]
    texts += [f"const functions = {{{', '.join(names)}}};", RUN]
    (folder / "program.js").write_text('"use strict";\n' + "\n".join(texts), encoding="utf-8")
    (folder / "numbers").write_bytes(np.concatenate(numbers).tobytes())
    (folder / "jobs.json").write_text(json.dumps(plan), encoding="utf-8")
    done = subprocess.run([program(), "program.js"], cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    answers = np.frombuffer((folder / "answers").read_bytes())
    found, at = [], 0
    for job in jobs:
        costs = answers[at:at + job.steps]
        at += job.steps
        values = {}
        for slot, name in {**job.step.direct, **job.step.computed}.items():
            size = np.size(job.start[name]) if slot in job.step.direct else _size(job, slot)
            values[slot] = answers[at:at + size]
            at += size
        found.append((costs, values))
    assert at == len(answers)
    return found


def _size(job: Job, slot: Any) -> int:
    source = job.step.source_of_results
    assert source is not None
    return next(node.size for node, name in source.kept.items() if name == job.step.computed[slot])
