"""The computational graph of Tensors or of a model, as a picture."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygrad_course.arguments import Cost, checked_cost
from tinygrad_course.errors import InputError
from tinygrad_course.nn import Module
from tinygrad_course.tensor import Tensor, as_tensor, describe
from tinygrad_course.visualize.graph.building import Builder, GraphOptions
from tinygrad_course.visualize.graph.diagram_dot import to_digraph
from tinygrad_course.visualize.graph.drawn import to_scene
from tinygrad_course.visualize.drawing import Drawing
from tinygrad_course.graph.modules import inferred, trial
from tinygrad_course.graph.record import Call, Record, recorded, with_backward
from tinygrad_course.graph.roles import course_names

DRAWN_STYLES = ("compact", "full")
COLOURS = ("kind", "gradient")
ORIENTATIONS = ("top-down", "left-right")


def draw_graph(*tensors: Any, model: Module | None = None, backward: bool = False, values: bool = False,
               gradients: bool = False, saved: bool = False, style: str = "compact", colour: str = "kind",
               depth: int | None = None, max_nodes: int | None = None, saturation: float = 0.01,
               legend: bool | None = None, orientation: str = "top-down", cost: Cost | str | None = None) -> Drawing:
    """Draw how Tensors were computed.

    tensors: computed Tensors, such as a cost. Or a model and its data: ``draw_graph(model, X)`` draws how its output
        is computed, ``draw_graph(model, X, Y)`` its cost, with a frame around what each Module computes.
    model: the model that computed the Tensors, for frames and names. Frames then are those of Modules with
        parameters; give the model and its data instead to have all of them.
    backward: draw the backward pass beside the forward pass: a graph, too, as VJPs are written in the same operations.
    values, gradients: show numbers: small arrays whole, large ones as minimum, mean and maximum; weights also as
        pictures. Gradients are those of the output, if that is a single number, else those in `grad`.
    saved: show which values the VJP of each operation uses, so that they must be kept until the backward pass.
    style: "compact", one box for an operation and its result, or "full", one for each.
    colour: "kind", or "gradient": operations are the darker the larger the norm of their result's gradient is.
    depth: fold Modules deeper than this into one box each; 0 folds the whole model, 1 what it consists of.
    max_nodes: with more boxes than this, what belongs together is folded, and the picture says so. By default, with
        more than 200, or where a network has so many layers that the picture would be longer than anyone can look at:
        its layers in the middle are then one box.
    saturation: a unit of sigmoid or tanh counts as saturated if it is this close to a limit for every example.
    legend: whether to explain shapes and colours; by default where the picture is small.
    cost: of a model and its data, a function of y_hat and Y, or the name of one in `nn`, in place of the model's own.
    orientation: "top-down", or "left-right", in which the backward pass goes back below the forward pass.

    Nothing changes by being drawn. Boxes are called t1, t2, ... in the DOT text, each after those that it was
    computed from, and g1, g2, ... in the backward pass, so the same graph always gives the same text.
    Raises InputError where there is no graph, for an unknown style, and for a backward pass from several numbers.
    """
    _check(style, colour, orientation, depth, max_nodes, saturation)
    calls: dict[Tensor, Call] = {}
    names: dict[Tensor, str] = {}
    if tensors and isinstance(tensors[0], Module):
        model, *data = tensors
        output, calls, names = _run(model, data, checked_cost(cost))
        tensors = (output,)
    record = _record_of(tensors)
    if model is not None and not calls:
        if not isinstance(model, Module):
            raise InputError(f"draw_graph: model is {type(model).__name__}; a Module is needed")
        calls = inferred(record, model)
    if model is not None:
        names |= course_names(model)
    if backward:
        record = with_backward(record)
    options = GraphOptions(style, values, gradients, saved, colour, depth, max_nodes, saturation, legend,
                           orientation == "left-right")
    diagram = Builder(record, calls, names, model, options).diagram
    return Drawing("graph", lambda: to_scene(diagram), lambda: to_digraph(diagram))


def _run(model: Module, data: Sequence[Any],
         cost: Cost | None) -> tuple[Tensor, dict[Tensor, Call], dict[Tensor, str]]:
    """The model's output for X, or its cost for X and Y, recorded; who computed what; the names of X and Y."""
    if len(data) not in (1, 2):
        raise InputError(f"draw_graph: to draw a model give X, for its output, or X and Y, for its cost: "
                         f"draw_graph(model, X, Y); {len(data)} arrays were given")
    inputs = [as_tensor(x) for x in data]
    with trial(model, *inputs) as watch:
        output = model(inputs[0]) if len(inputs) == 1 else model.cost(*inputs) if cost is None else cost(
            model(inputs[0]), inputs[1])
    return output, watch.calls, dict(zip(inputs, "XY"))


def _record_of(tensors: Sequence[Any]) -> Record:
    """The graph that the Tensors were computed by. Raises InputError where one of them has none."""
    if not tensors:
        raise InputError("draw_graph: nothing was given to draw: give a Tensor that was computed, such as a cost, "
                         "or a model and its X (and Y)")
    for tensor in tensors:
        if not isinstance(tensor, Tensor):
            raise InputError(f"draw_graph: {type(tensor).__name__} was given, but a Tensor that was computed, such as "
                             "a cost, is needed; or a model and its X (and Y)")
    record = recorded(tensors)
    used = {parent for parent, _ in record.edges()}
    for tensor in tensors:
        if (tensor.op is None or not tensor.requires_grad) and tensor not in used:
            raise InputError(
                f"draw_graph: {describe(tensor)} has no graph: "
                + ("it was not computed from other Tensors" if tensor.requires_grad else
                   "nothing that it was computed from has requires_grad=True, or it was computed under no_grad()")
                + ". Draw what is computed from it, such as a cost")
    return record


def _check(style: str, colour: str, orientation: str, depth: int | None, max_nodes: int | None,
           saturation: float) -> None:
    for name, value, known in (("style", style, DRAWN_STYLES), ("colour", colour, COLOURS),
                               ("orientation", orientation, ORIENTATIONS)):
        if value not in known:
            raise InputError(f"draw_graph: {name} {value!r} is unknown; there are {', '.join(known)}")
    for name, count, least in (("depth", depth, 0), ("max_nodes", max_nodes, 1)):
        if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < least):
            raise InputError(f"draw_graph: {name} must be a whole number from {least}, but is {count!r}")
    if not isinstance(saturation, (int, float)) or not 0 <= saturation < 0.5:
        raise InputError(f"draw_graph: saturation must be a number from 0 to 0.5, but is {saturation!r}")
