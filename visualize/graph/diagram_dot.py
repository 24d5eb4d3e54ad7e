"""A diagram in the DOT language, which Graphviz's programs lay out by themselves."""
from __future__ import annotations

import graphviz

from tinygrad_course.visualize.graph.diagram import Box, Diagram, STYLES
from tinygrad_course.visualize.layout.graphviz import LOOK, dot_label
from tinygrad_course.visualize.scene.palette import LIGHT, colour
from tinygrad_course.visualize.scene.lettering import plain_text


def to_digraph(diagram: Diagram) -> graphviz.Digraph:
    """Boxes and arrows with the shapes and colours of the picture, without places."""
    digraph = graphviz.Digraph("graph", graph_attr={**LOOK, "rankdir": "TB", "label": dot_label(diagram.title),
                                                    "labelloc": "t"},
                               node_attr={**LOOK, "style": "filled"},
                               edge_attr={"color": LIGHT["muted"], "arrowsize": "0.7"})
    clusters: dict[int | None, graphviz.Digraph] = {None: digraph}
    for number, frame in enumerate(diagram.clusters):
        clusters[number] = graphviz.Digraph(f"cluster_{number}", graph_attr={
            "label": dot_label(frame.label), "style": "rounded,filled", "color": LIGHT["line"],
            "fillcolor": LIGHT["panel"]})
    for box in diagram.nodes:
        clusters[box.group].node(box.identifier, label=dot_label(*_lines(box)), **_attributes(box))
    for number in range(len(diagram.clusters) - 1, -1, -1):  # a frame has a smaller number than those in it
        clusters[diagram.clusters[number].parent].subgraph(clusters[number])
    for arrow in diagram.edges:
        tail, head = diagram.nodes[arrow.tail], diagram.nodes[arrow.head]
        across = {"style": "dashed", "constraint": "false"} if tail.upward != head.upward else {}
        digraph.edge(tail.identifier, head.identifier, **across)
    return digraph


def _lines(box: Box) -> list[str]:
    return ([box.operation] if box.operation else []) + [
        "  ".join(run.text for run in label.line) if label.columns else plain_text(label.line)
        for label in box.labels]


def _attributes(box: Box) -> dict[str, str]:
    look = STYLES[box.kind]
    shape, _, style = look.dot.partition(",")
    fill = box.bar if box.bar != "operation" else box.fill or look.fill
    attributes = {"shape": shape, "fillcolor": colour(LIGHT, fill), "class": box.kind.replace(" ", "-"),
                  "tooltip": dot_label(box.operation or box.kind)}
    if style:
        attributes["style"] = f"filled,{style}"
    if box.alarm:
        attributes |= {"color": LIGHT["error"], "fontcolor": LIGHT["error"], "penwidth": "2"}
    return attributes
