"""From the record of a graph to a diagram: one box for each Tensor, with the operation that computed it."""
from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tinygrad_course.nn import Module
from tinygrad_course.tensor import Array, Tensor
from tinygrad_course.visualize.graph import values
from tinygrad_course.visualize.graph.diagram import Frame, Diagram, Arrow, Label, Box
from tinygrad_course.visualize.graph.folding import FoldedBox, folded, places_in_modules
from tinygrad_course.graph.record import Call, Origin, Record, gradient_arrays
from tinygrad_course.visualize.graph.names import formula, names_of
from tinygrad_course.graph.roles import CONVENTIONS
from tinygrad_course.graph.saved import used_by_vjps
from tinygrad_course.visualize.scene.lettering import Line, Run, clean, counted, line_width, plain_text, text_width

TOOLTIP = 2000  # letters
WIDEST_CALLED = 110.0  # what a box is called elsewhere, in points


@dataclass(frozen=True)
class GraphOptions:
    """What was asked for; see `draw_graph`."""

    style: str
    values: bool
    gradients: bool
    saved: bool
    colour: str
    depth: int | None
    max_nodes: int | None
    saturation: float
    legend: bool | None
    rightward: bool


class Builder:
    """Makes the boxes; `diagram` is the result."""

    def __init__(self, record: Record, calls: Mapping[Tensor, Call], given_names: Mapping[Tensor, str],
                 model: Module | None, options: GraphOptions):
        self.record, self.options = record, options
        self.names = names_of(record, given_names)
        self.gradients = gradient_arrays(record) if options.gradients or options.colour == "gradient" else {}
        self.paths = _paths(model) if model is not None else {}
        self.places = places_in_modules(record, calls)
        self.folds, self.depth, note = folded(record, self.places, given_names, options.depth,
                                              options.max_nodes)
        norms = [norm for tensor, gradient in self.gradients.items() if tensor in record.origins
                 and math.isfinite(norm := values.norm(gradient)) and norm > 0]
        self.largest_norm = max(norms, default=0.0)
        self.flagged: set[str] = set()
        self.clusters: dict[tuple[Call, bool], int] = {}
        self.diagram = Diagram("", [], [], rightward=options.rightward)
        self._make()
        self.diagram.notes = [note] if note else []
        self._explain(norms)

    def _make(self) -> None:
        box_of: dict[Tensor | FoldedBox, int] = {}   # where arrows come from
        goal_of: dict[Tensor | FoldedBox, int] = {}  # where arrows lead to: the operation, where it has its own box
        counts = {"t": 0, "g": 0, "f": 0}
        for tensor in self.record.tensors:
            letter = "t" if tensor in self.record.forward else "g"
            counts[letter] += 1  # also for what is folded: a Tensor has the same number however much is shown
            thing = self.folds.get(tensor, tensor)
            if thing in box_of:
                continue
            if isinstance(thing, FoldedBox):
                counts["f"] += 1
                node = self._fold(thing, f"f{counts['f']}")
            else:
                node = self._tensor(tensor, f"{letter}{counts[letter]}")
            if node.operation and self.options.style == "full":
                goal_of[thing] = len(self.diagram.nodes)
                self.diagram.nodes.append(_operation_of(node))
                self.diagram.edges.append(Arrow(goal_of[thing], goal_of[thing] + 1))
            box_of[thing] = len(self.diagram.nodes)
            goal_of.setdefault(thing, box_of[thing])
            self.diagram.nodes.append(node)
        drawn = set()
        for parent, tensor in self.record.edges():
            tail, head = self.folds.get(parent, parent), self.folds.get(tensor, tensor)
            if isinstance(tail, FoldedBox) or isinstance(head, FoldedBox):
                if tail is head or (tail, head) in drawn:
                    continue
                drawn.add((tail, head))
            self.diagram.edges.append(Arrow(box_of[tail], goal_of[head]))
            self._call(self.diagram.nodes[box_of[tail]], self.diagram.nodes[goal_of[head]])

    def _call(self, tail: Box, head: Box) -> None:
        """What the backward pass uses has a name there: if no other, then that in the DOT text, which it then shows."""
        if tail.upward != head.upward and not tail.called:
            tail.called = (Run(tail.identifier),)
            tail.labels.append(Label(tail.called, 8.5, "positive"))

    # ------------------------------------------------------------------------------------------------- boxes

    def _tensor(self, tensor: Tensor, identifier: str) -> Box:
        """The box of one Tensor."""
        options, array = self.options, tensor._data
        origin = self.record.origins.get(tensor)
        name = self.names.get(tensor, ())
        forward = tensor in self.record.forward
        node = Box(identifier, self._kind(tensor), upward=not forward, group=self._cluster(tensor))
        if origin is not None:
            node.operation = origin.op.name
            node.bar = self._bar(tensor)
        if node.kind == "constant" and array.size == 1 and not name:
            node.called = (Run(values.number(array.reshape(-1)[0])),)
            node.labels.append(Label(node.called, 10.0))
        else:
            written = formula(tensor, self.record, self.names) if origin is not None else ()
            if name:
                node.labels.append(Label(name, 11.0, bold=True))
            if written:
                node.labels.append(Label(written, 9.5 if name else 10.5))
            if size := values.shape_and_dtype(array):
                node.labels.append(Label((Run(size),), 8.5, "muted"))
            node.called = name or (written if line_width(written, 9.5) <= WIDEST_CALLED else ())
            if options.values:
                node.labels += _numbers(array)
                if node.kind == "parameter":
                    node.pictures, node.picture_size = values.thumbnails(array)
        gradient = self.gradients.get(tensor) if options.gradients else None
        if gradient is not None:
            node.labels.append(Label((Run("gradient"),), 8.5, "muted"))
            node.labels += _numbers(gradient, "positive")
        used = used_by_vjps(tensor) if options.saved and forward and tensor.requires_grad else []
        if used:
            node.labels.append(Label((Run("VJP keeps "), *self._listed(tensor, used)), 8.5, "positive"))
        self._warn(node, tensor, gradient)
        if len(node.pictures) > 1:
            units = max(len(node.pictures), min(tensor.shape))
            node.labels.append(Label((Run(f"weights of {len(node.pictures)} of {units} units:"),), 8.5, "muted"))
        node.tooltip = self._tooltip(tensor, origin, gradient)
        return node

    def _kind(self, tensor: Tensor) -> str:
        record = self.record
        if tensor in record.gradient_of or tensor is record.seed:
            of = record.gradient_of.get(tensor, [])
            return "parameter gradient" if any(one.op is None for one in of) else "gradient"
        if tensor not in record.origins:
            if tensor.requires_grad:
                return "parameter"
            return "input" if tensor in record.forward and (tensor.size > 1 or tensor in self.names) else "constant"
        if tensor not in record.forward:
            return "step back"
        if any(tensor is root for root in record.roots):
            return "cost" if tensor.size == 1 and tensor.requires_grad else "output"
        return "step"

    def _bar(self, tensor: Tensor) -> str:
        """The colour of the operation: grey or, by the norm of the gradient on a logarithmic scale, paler to darker."""
        if self.options.colour != "gradient" or tensor not in self.record.forward:
            return "operation"
        norm = values.norm(self.gradients[tensor]) if tensor in self.gradients else 0.0
        if not math.isfinite(norm):
            return "error@0.5"
        if norm == 0.0 or self.largest_norm == 0.0:
            return "operation"
        return f"positive@{max(0.1, 0.5 + 0.1 * math.log10(norm / self.largest_norm)):.3f}"

    def _listed(self, tensor: Tensor, used: list[int]) -> Iterator[Run]:
        """The values that VJPs use, by name; -1 is the result itself."""
        kept = {tensor if which < 0 else tensor.parents[which]: which for which in reversed(used)}
        for i, (one, which) in enumerate(reversed(kept.items())):
            if i:
                yield Run(", ")
            if one.op is None and one.size == 1 and one not in self.names:
                yield Run(values.number(one._data.reshape(-1)[0]))
            else:
                yield from self.names.get(one, (Run("its result" if which < 0 else f"operand {which + 1}"),))

    def _warn(self, node: Box, tensor: Tensor, gradient: Array | None) -> None:
        """NaN and infinity in red; units that do not learn."""
        for what, array in (("", tensor._data), ("gradient: ", gradient)):
            if array is not None and (bad := values.not_finite(array)):
                node.alarm = True
                node.labels.append(Label((Run(what + bad),), 9.0, "error", bold=True))
        if tensor in self.record.origins and tensor in self.record.forward:
            operation = self.record.origins[tensor].op.name
            if flag := values.flag(operation, tensor._data, self.options.saturation):
                self.flagged.add(operation)
                node.labels.append(Label((Run(flag),), 9.0, "warning", bold=True))

    def _tooltip(self, tensor: Tensor, origin: Origin | None, gradient: Array | None) -> str:
        lines = []
        if tensor.name:
            lines.append(tensor.name)
        if tensor in self.paths:
            lines.append(f"parameter {self.paths[tensor]}")
        if origin is not None:
            lines.append(f"{origin.op.name}: {origin.op.notation}")
        if tensor in self.record.made_by:
            maker = self.record.made_by[tensor]
            lines.append(f"from the VJP of {self.record.origins[maker].op.name}"
                         + (f", {plain_text(self.names[maker])}" if maker in self.names else ""))
        if self.options.values:
            lines.append(values.exactly(tensor._data))
        if gradient is not None:
            lines += ["gradient:", values.exactly(gradient)]
        return "\n".join(line[:TOOLTIP] for line in lines)

    def _fold(self, fold: FoldedBox, identifier: str) -> Box:
        """The box of several Tensors."""
        operations = fold.operations(self.record)
        parameters = sum(tensor.size for tensor in fold.tensors if tensor.op is None and tensor.requires_grad)
        title: Line = (Run(counted(operations.total(), "operation")),)
        if fold.call is not None:
            title = (Run(_title(fold.call, fold.upward)),)
        elif fold.layers is not None:
            title = (Run("layers {} to {}".format(*fold.layers) + (", backward" if fold.upward else "")),)
        lines = [f"{name} × {count}" if count > 1 else name for name, count in operations.most_common(4)]
        if len(operations) > 4:
            lines.append("…")
        node = Box(identifier, "folded", [Label(title, 11.0, bold=True)], upward=fold.upward,
                   group=self._enclosing(fold.within, fold.upward), called=title if fold.layers or fold.call else ())
        node.labels.append(Label((Run(", ".join(lines)),), 8.5, "muted"))
        if fold.call is not None:
            node.labels += [Label((Run(size),), 8.5, "muted")
                            for size in [values.shape_and_dtype(fold.tensors[-1]._data)] if size]
        if parameters:
            node.labels.append(Label((Run(f"{parameters} parameters"),), 8.5, "muted"))
        bad = sum(1 for tensor in fold.tensors if values.not_finite(tensor._data))
        if bad:
            node.alarm = True
            node.labels.append(Label((Run(f"NaN or infinity in {bad} of them"),), 9.0, "error", bold=True))
        node.tooltip = ", ".join(f"{name} × {count}" for name, count in sorted(operations.items()))
        return node

    # ---------------------------------------------------------------------------------------------- clusters

    def _cluster(self, tensor: Tensor) -> int | None:
        call = self.places.get(tensor)
        return None if call is None else self._enclosing(call, tensor not in self.record.forward)

    def _enclosing(self, call: Call | None, upward: bool) -> int | None:
        """The cluster of a call, or of the innermost call around it that is shown; made when first asked for."""
        number: int | None = None
        for one in call.chain()[:self.depth] if call is not None else ():
            if (one, upward) not in self.clusters:
                self.clusters[one, upward] = len(self.diagram.clusters)
                self.diagram.clusters.append(Frame(_title(one, upward), type(one.module).__name__, number, upward))
            number = self.clusters[one, upward]
        return number

    # ---------------------------------------------------------------------------------------- title and legend

    def _explain(self, norms: list[float]) -> None:
        diagram, record, options = self.diagram, self.record, self.options
        steps = sum(1 for tensor in record.tensors if tensor in record.origins)
        both = len(record.forward) < len(record.tensors)
        root = record.roots[0]
        what = plain_text(self.names[root]) if root in self.names else record.origins[root].op.name \
            if root in record.origins else "a Tensor"
        diagram.title = f"How {what} was computed" + (", and its backward pass" if both else "")
        diagram.description = f"Computational graph with {len(record.tensors)} Tensors, {steps} of them computed"
        diagram.has_legend = options.legend if options.legend is not None else len(diagram.nodes) <= 80
        if options.colour == "gradient" and norms:
            smallest, largest = values.number(min(norms)), values.number(max(norms))
            diagram.legend.append(f"colour of an operation: norm of its result's gradient, from {smallest} (pale) to "
                                  f"{largest} (dark); grey: none")
        if both:
            diagram.legend.append(CONVENTIONS["of_cost"])  # a picture shows what is computed
            diagram.legend.append("the backward pass names in blue the values of the forward pass that it uses")
        if self.flagged & {"sigmoid", "tanh"}:
            diagram.legend.append(f"saturated: within {options.saturation:g} of a limit for every example")
        if "relu" in self.flagged:
            diagram.legend.append("dead: 0 for every example")


def _numbers(array: Array, colour: str = "ink") -> list[Label]:
    """Labels with the numbers of an array; their columns stand below each other."""
    rows = values.table(array)
    if not rows:
        return [Label((Run(line),), colour=colour) for line in values.in_brief(array)]
    columns = tuple(max(text_width(row[i], 9.0) for row in rows) + (8 if i else 0) for i in range(len(rows[0])))
    return [Label(tuple(Run(cell) for cell in row), colour=colour, columns=columns) for row in rows]


def _operation_of(node: Box) -> Box:
    """The operation as a box of its own, taken out of the box of its result."""
    operation = Box(node.identifier.replace("t", "o").replace("g", "p"), "operation",
                    [Label((Run(node.operation),), 10.0)], group=node.group, upward=node.upward, tooltip=node.tooltip)
    if node.bar != "operation":
        operation.fill = node.bar
    node.operation = ""
    return operation


def _title(call: Call, upward: bool) -> str:
    """The Module as it shows itself, or only its class where that is long."""
    title = clean(repr(call.module))
    return (title if len(title) <= 60 else type(call.module).__name__) + (", backward" if upward else "")


def _paths(model: Module) -> dict[Tensor, str]:
    return {parameter: name for name, parameter in model.named_parameters()}
