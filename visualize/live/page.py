"""One HTML file in which a model computes step by step, and learns: no request to anywhere, nothing to install."""
from __future__ import annotations

import html
import os
import re
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_course.arguments import checked_data
from tinygrad_course.compiler.javascript.code import helpers
from tinygrad_course.compiler.nodes import Untraceable
from tinygrad_course.equations.explain import GradientFlow
from tinygrad_course.equations.places import check_cost
from tinygrad_course.errors import InputError
from tinygrad_course.files import replace_atomically
from tinygrad_course.graph.record import Record, recorded, unchanged, watched
from tinygrad_course.graph.roles import course_names, roles_of
from tinygrad_course.mode import observed
from tinygrad_course.nn import Module
from tinygrad_course.optim import Optimizer
from tinygrad_course.tensor import Tensor, as_tensor
from tinygrad_course.visualize.graph.draw import draw_graph
from tinygrad_course.visualize.live.packing import as_json, packed
from tinygrad_course.visualize.live.programs import everything, network, training
from tinygrad_course.visualize.live.story import Story, constant_of
from tinygrad_course.visualize.scene.lettering import clean
from tinygrad_course.visualize.scene.palette import DARK, LIGHT
from tinygrad_course.visualize.scene.svg import to_svg

SCRIPTS = ("texts", "numbers", "elements", "machine", "matrix", "graph", "answers", "questions", "inspector", "steps",
           "charts", "units", "trainer", "training", "main")
MOST_NUMBERS = 3_000_000  # of X and Y in one file
MANY_STEPS = 400          # with more, only what is asked for is compiled
MANY_BOXES = 40           # with more, Modules are folded until they are wanted
GRID = 72                 # points along each side of the plane of two inputs
Pictures = tuple[int, int, int]


class LivePage:
    """The page of a model or a cost; see `live_page`. notes: what was left out, and why."""

    def __init__(self, data: dict[str, Any], scripts: str, picture: str, title: str, notes: list[str]):
        self._data, self._scripts, self._picture = data, scripts, picture
        self.title, self.notes = title, notes

    def html(self) -> str:
        """The whole page as text."""
        folder = files("tinygrad_course.visualize.live")

        def text(name: str) -> str:
            return folder.joinpath(name).read_text(encoding="utf-8")
        colours = "".join(f"--{role}:{value};" for role, value in LIGHT.items())
        dark = "".join(f"--{role}:{value};" for role, value in DARK.items())
        style = text("page.css").replace("/* LIGHT */", colours).replace("/* DARK */", dark)
        functions = re.findall(r"^function (\w+)", self._scripts, re.MULTILINE)
        code = "\n".join(['"use strict";', "(() => {", helpers(), self._scripts,
                          f"const programs = {{{', '.join(functions)}}};",
                          *(text(f"{name}.js") for name in SCRIPTS), "})();"])
        code = re.sub(r"^ +", "", code, flags=re.MULTILINE)  # the page's bytes: no text of ours begins with a space
        page = text("page.html")
        for mark, content in (("<!-- TITLE -->", html.escape(self.title)), ("/* STYLE */", style),
                              ("<!-- PICTURE -->", self._picture), ("/* DATA */", as_json(self._data)),
                              ("/* CODE */", code)):
            before, after = page.split(mark)
            page = before + content + after
        return page

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the page to a file and return its path. Raises OSError where it cannot be written."""
        with replace_atomically(path) as file:
            file.write_text(self.html(), encoding="utf-8", errors="backslashreplace")
        return Path(path)

    def _repr_html_(self) -> str:
        """For notebooks: in a frame that may run scripts and nothing else."""
        return (f'<iframe sandbox="allow-scripts" srcdoc="{html.escape(self.html())}" title="{html.escape(self.title)}"'
                ' style="width:100%;height:720px;border:1px solid #9aa1ab;border-radius:10px"></iframe>')

    def __repr__(self) -> str:
        return f"<LivePage {self.title!r}: {len(self._data['steps'])} steps>"


def live_page(what: Module | Tensor, X: Any = None, Y: Any = None, *, learning_rate: float = 1.0,
              optimizer: Optimizer | None = None, batch_size: int | None = None,
              cost: Callable[[Any, Any], Any] | None = None, validation: tuple[Any, Any] | None = None,
              title: str | None = None) -> LivePage:
    """A page in which a model computes one operation at a time, forwards and backwards, and is trained.

    >>> live_page(model, X, Y, learning_rate=1.2).write("flower.html")

    A notebook shows the page itself.

    what: a model with its data X (n_x, m) and Y (n_y, m); or a Tensor that was computed, such as a cost, whose page has
        no training.
    learning_rate, optimizer, batch_size: what training begins with; all can be changed on the page.
    cost: a function of y_hat and Y, for a model that defines none.
    validation: X and Y that the model is tested on while it learns.
    title: by default the name of the model's class.

    A model that cannot be compiled gets a page without training that says why. Of more than 3 million numbers the page
    holds as many examples as fit. Nothing of the model changes.
    Raises InputError for data that does not fit the model, and for a Tensor without a graph.
    """
    if isinstance(what, Tensor):
        if X is not None or Y is not None or cost is not None or validation is not None:
            raise InputError("live_page: X, Y, cost and validation belong to a model; a Tensor has its data already")
        return _of_tensor(what, title)
    if not isinstance(what, Module):
        raise InputError(f"live_page: a model with X and Y, or the Tensor of a cost, is needed, but "
                         f"{type(what).__name__} was given")
    if X is None or Y is None:
        raise InputError("live_page: a model is shown with data: live_page(model, X, Y)")
    return _of_model(what, X, Y, learning_rate, optimizer, batch_size, cost, validation, title)


def _of_tensor(tensor: Tensor, title: str | None) -> LivePage:
    notes: list[str] = []
    with unchanged([tensor]):
        J = tensor
        if tensor.op is not None and tensor.requires_grad and tensor.size > 1:
            J = tensor.sum()
            notes.append(f"{clean(tensor.name or 'What was computed')} is no single number: the gradients are those "
                         "of the sum of its elements.")
        check_cost(J)
        story = Story(GradientFlow(J))
        picture = _picture(J)
    data, scripts = _steps(story, [story.places.steps[i] for i in story.places.parameters], notes)
    title = title or "The graph of a cost"
    return LivePage({**data, "title": clean(title), "notes": notes}, scripts, picture, title, notes)


def _of_model(model: Module, X: Any, Y: Any, rate: float, optimizer: Optimizer | None, batch_size: int | None,
              cost: Any, validation: Any, title: str | None) -> LivePage:
    parameters = model.parameters()
    if not parameters:
        raise InputError(f"live_page: {type(model).__name__} has no parameters to train")
    X, Y = checked_data(X, Y, False, parameters[0].dtype)
    notes: list[str] = []
    X, Y = _sample(X, Y, notes)
    cost_of = model.cost if cost is None else lambda X, Y: cost(model(X), Y)
    inputs = [Tensor(X, name="X"), Tensor(Y, name="Y")]
    with watched(*parameters) as watch:
        J = cost_of(*inputs)
    with unchanged(parameters):
        check_cost(J)
        story = Story(GradientFlow(J))
        picture = _picture(J)
    data, scripts = _steps(story, parameters, notes)
    if len(data["picture"]["boxes"]) > MANY_BOXES and (folds := story.folds(watch.calls)):
        data["folded"] = story.picture(folds)
    texts = [scripts]
    data["title"] = clean(title or type(model).__name__)
    names = course_names(model)
    data["parameters"] = [{"name": clean(path), "course": clean(names.get(p, path)), "array": packed(p._data)}
                          for path, p in model.named_parameters()]
    leaf = {id(step): i for i, step in enumerate(story.places.steps)}
    data["data"] = {name: leaf.get(id(tensor), -1) for name, tensor in zip("XY", inputs)}
    data["arrays"] = {name: packed(tensor._data) for name, tensor in zip("XY", inputs) if data["data"][name] < 0}
    few = len(story.steps) <= MANY_STEPS
    if X.shape[-1] > 1 and few:
        _add_one_example(cost_of, X, Y, parameters, data, texts)
    try:
        told, text = training(model, cost_of, X, Y, rate, optimizer, batch_size, few)
        data["training"] = told
        texts.append(text)
        if not few:
            notes.append(f"With {len(story.steps)} steps the page holds no other optimisers, batch sizes and no "
                         "computation for one example.")
    except Untraceable as reason:
        notes.append(f"This model cannot be trained on the page: {reason}.")
    if "training" in data:
        _add_networks(model, cost_of, X, Y, validation, parameters, data, texts, notes)
    data["notes"] = notes
    return LivePage(data, "\n".join(texts), picture, title or type(model).__name__, notes)


def _add_one_example(cost_of: Any, X: Any, Y: Any, parameters: Sequence[Tensor], data: dict[str, Any],
                     texts: list[str]) -> None:
    """The same computation for one example alone, whichever the reader chooses, where it is the same."""
    inputs = [Tensor(X[..., :1], name="X"), Tensor(Y[..., :1], name="Y")]
    notes: list[str] = []
    try:
        with unchanged(parameters), observed(recording=True, alone=True):
            story = Story(GradientFlow(cost_of(*inputs)))
        one, text = _steps(story, parameters, notes, "everything_of_one")
    except InputError:  # such as the deviation of a batch of one
        return
    leaf = {id(step): i for i, step in enumerate(story.places.steps)}
    if notes or any(id(tensor) not in leaf for tensor in inputs):
        return
    del one["parameters"]  # those of the whole page
    one["data"] = {name: leaf[id(tensor)] for name, tensor in zip("XY", inputs)}
    data["single"] = one
    texts.append(text)


def _sample(X: Any, Y: Any, notes: list[str]) -> tuple[Any, Any]:
    """As many examples as fit into one file."""
    m = X.shape[-1]
    kept = min(m, max(2, MOST_NUMBERS * m // max(1, X.size + Y.size)))
    if kept < m:
        notes.append(f"The page holds the first {kept} of {m} examples, as many as fit into one file.")
    return X[..., :kept], Y[..., :kept]


def _steps(story: Story, parameters: Sequence[Tensor], notes: list[str],
           function: str = "everything") -> tuple[dict[str, Any], str]:
    """The steps with their numbers, and the program that computes these."""
    places = story.places
    index = {parameter: i for i, parameter in enumerate(parameters)}
    data: dict[str, Any] = {"steps": story.steps, "picture": story.picture(), "m": story.m, "last": places.last}
    for i in places.leaves:
        step = places.steps[i]
        if step in index:
            story.steps[i]["parameter"] = index[step]
        elif not constant_of(step) or story.steps[i]["kind"] != "constant":
            story.steps[i]["array"] = packed(step._data)
    data["parameters"] = [{"name": clean(p.name or "P"), "course": clean(p.name or "P"), "array": packed(p._data)}
                          for p in parameters]
    for i in places.leaves:
        if "parameter" in story.steps[i]:
            data["parameters"][story.steps[i]["parameter"]]["course"] = story.steps[i]["name"]
    try:
        computed = everything(story, parameters, function)
        data["everything"] = computed.told()
        return data, computed.text
    except Untraceable as reason:
        notes.append(f"No number on this page can be changed: {reason}.")
        data["fixed"] = _fixed(story)
        return data, ""


def _fixed(story: Story) -> dict[str, Any]:
    """The values and gradients of a graph that the page cannot compute itself."""
    places = story.places
    fixed = {f"v{i}": packed(places.array(i)) for i in range(len(places.steps)) if places.op(i)}
    fixed |= {f"g{i}": packed(gradient._data) for i, gradient in places.total.items()}
    for i, step in enumerate(story.steps):
        for one in step.get("back", []):
            fixed[f"q{i}_{one['input']}"] = packed(places.parts[one["parent"]][one["at"]][1]._data)
    return fixed


def _picture(J: Tensor) -> str:
    """The graph as it is printed, and shown where no script runs."""
    scene = draw_graph(J, max_nodes=60, legend=False).scene
    return to_svg(scene, {role: f"var(--{role})" for role in LIGHT}, background=False)


# ------------------------------------------------------------------------------------- the network on other data


def _recorded(model: Module, make: Callable[..., Tensor], *arrays: Any) -> tuple[Record, list[Tensor]]:
    """A graph on other data, and the Tensors of the data."""
    tensors = [as_tensor(array) for array in arrays]
    with unchanged(model.parameters()), observed(recording=True, alone=True):
        return recorded([make(*tensors)]), tensors


def _add_networks(model: Module, cost_of: Any, X: Any, Y: Any, validation: Any, parameters: Sequence[Tensor],
                  data: dict[str, Any], texts: list[str], notes: list[str]) -> None:
    """What is needed to see how the network does: on the training data, on test data, over the plane."""
    sets = {"train": (X, Y)}
    if validation is not None:
        X_test, Y_test = validation
        sets["test"] = _sample(*checked_data(X_test, Y_test, False, parameters[0].dtype), notes)
    data["networks"] = {}
    for name, (inputs, labels) in sets.items():
        record, tensors = _recorded(model, cost_of, inputs, labels)
        roles = roles_of(record)
        predictions = [tensor for tensor, role in roles.items() if role.predicts and tensor.shape == labels.shape]
        kept = {"prediction": predictions[0]} if predictions else {}
        names = ("X", "Y") if name == "train" else ("X_test", "Y_test")
        try:
            computed = network(record, parameters, dict(zip(tensors, names)), {**kept, "cost": record.roots[0]},
                               f"network_{name}", f"The cost and the predictions for the {name} data.")
        except Untraceable as reason:
            notes.append(f"There are no predictions for the {name} data: {reason}.")
            continue
        data["networks"][name] = {**computed.told(), "predicts": bool(kept)}
        texts.append(computed.text)
        if name == "test":
            data["arrays"] |= {"X_test": packed(inputs), "Y_test": packed(labels)}
    pictures = _picture_size(X.shape[0]) if X.ndim == 2 else None
    if pictures is not None:
        data["pictures"] = list(pictures)
    if X.ndim == 2 and X.shape[0] == 2:
        _add_plane(model, X, parameters, data, texts, notes)


def _picture_size(n_x: int) -> Pictures | None:
    """Height, width and channels of square pictures with n_x numbers, as the course lays them out."""
    for channels in (3, 1):
        side = round((n_x / channels) ** 0.5)
        if side * side * channels == n_x and side >= 8:
            return side, side, channels
    return None


def _add_plane(model: Module, X: Any, parameters: Sequence[Tensor], data: dict[str, Any], texts: list[str],
               notes: list[str]) -> None:
    """The network over a part of the plane: what it predicts there, and what each hidden unit does."""
    low, high = X.min(axis=1), X.max(axis=1)
    middle, half = (low + high) / 2, max((high - low).max(), 1e-6) * 0.57
    sides = [np.linspace(middle[i] - half, middle[i] + half, GRID) for i in range(2)]
    grid = np.stack([side.ravel() for side in np.meshgrid(*sides)]).astype(X.dtype)
    try:
        record, tensors = _recorded(model, model, grid)
        roles = roles_of(record)
        units = {f"units{role.layer}": tensor for tensor, role in roles.items()
                 if role.kind == "activation" and tensor.ndim == 2 and tensor.shape[1] == grid.shape[1]
                 and not role.predicts and tensor.shape[0] <= 64}
        computed = network(record, parameters, {tensors[0]: "grid"}, {**units, "prediction": record.roots[0]},
                           "network_plane", "The network over the plane.")
    except (Untraceable, InputError) as reason:
        notes.append(f"There is no map of the plane: {reason}.")
        return
    layers = [{"value": name, "shape": list(tensor.shape), "name": clean(roles[tensor].name)}
              for name, tensor in units.items()]
    data["networks"]["plane"] = {**computed.told(), "layers": layers, "points": GRID,
                                 "x": [float(sides[0][0]), float(sides[0][-1])],
                                 "y": [float(sides[1][0]), float(sides[1][-1])],
                                 "outputs": int(record.roots[0].shape[0])}
    texts.append(computed.text)
