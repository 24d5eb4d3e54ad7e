"""Pictures of computational graphs: what was recorded becomes boxes and arrows.

In reading order: `draw` (`draw_graph` itself), `building` (a box for each Tensor), `folding` (which Tensors share one),
`names` and `values` (what stands in a box), `diagram` (boxes and arrows, and the scene that they become) and
`diagram_dot` (the same in the language of Graphviz).
"""
