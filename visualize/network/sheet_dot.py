"""A network in the DOT language, which Graphviz's programs lay out by themselves."""
from __future__ import annotations

from collections import defaultdict

import graphviz

from tinygrad_course.visualize.layout.graphviz import LOOK, dot_label
from tinygrad_course.visualize.network.parts import Mark, Sheet
from tinygrad_course.visualize.scene.palette import LIGHT


def to_digraph(sheet: Sheet, title: str) -> graphviz.Digraph:
    """The marks and connections of a sheet, layers from left to right."""
    labelled = any(edge.label for edge in sheet.edges)
    columns = _columns(sheet)
    tallest = max(len(marks) for marks in columns.values())
    digraph = graphviz.Digraph(
        "network", node_attr={**LOOK, "margin": "0.04"},
        edge_attr={**LOOK, "arrowsize": "0.6", "tailport": "e", "headport": "w"}, graph_attr={
            **LOOK, "rankdir": "LR", "label": dot_label(title), "labelloc": "t", "nodesep": "0.15", "compound": "true",
            # curves pass through their labels; straight lines that are steep would run over neighbours
            "splines": "true" if labelled else "line", "ranksep": f"{max(1.2, 0.25 * tallest):.2f}"})
    for identifier, marks in columns.items():
        _column(digraph, identifier, marks, sheet.frames.get(identifier))
    for edge in sheet.edges:
        # An arrow to a frame is one to a mark in its middle, cut where it meets the frame.
        tail, head = (columns[end][len(columns[end]) // 2].identifier if end in sheet.frames else end
                      for end in (edge.tail, edge.head))
        attributes = {"ltail": f"cluster_{edge.tail}"} if edge.tail in sheet.frames else {}
        attributes |= {"lhead": f"cluster_{edge.head}"} if edge.head in sheet.frames else {}
        attributes |= {"color": LIGHT[edge.colour], "penwidth": f"{edge.width:.2f}"} if edge.colour else {}
        digraph.edge(tail, head, dot_label(edge.label) if edge.label else None, **attributes)
    return digraph


def _columns(sheet: Sheet) -> dict[str, list[Mark]]:
    """The marks of each layer, those without one by themselves."""
    columns: dict[str, list[Mark]] = defaultdict(list)
    for mark in sheet.nodes:
        columns[mark.column or mark.identifier].append(mark)
    return columns


def _column(digraph: graphviz.Digraph, identifier: str, marks: list[Mark], label: str | None) -> None:
    """Marks below one another, in their order, within a frame where there is a label for it."""
    framed = label is not None
    column = graphviz.Digraph(f"cluster_{identifier}" if framed else None, graph_attr={
        "label": dot_label(label), "style": "rounded", "color": LIGHT["line"]} if label is not None else {
        "rank": "same"})
    for mark in marks:
        beside = {"xlabel": dot_label(mark.beside)} if mark.beside else {}
        column.node(mark.identifier, dot_label(*mark.lines), shape=mark.shape, tooltip=dot_label(mark.tooltip),
                    **beside)
    if not framed:  # in a frame dot keeps the order by itself, and turns it round where it is told
        for above, below in zip(marks, marks[1:]):
            column.edge(above.identifier, below.identifier, style="invis")
    digraph.subgraph(column)
