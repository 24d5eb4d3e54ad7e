"""Pictures of networks, layer by layer.

In reading order: `draw` (`draw_network` itself), `layers` (what is known of a network), `parts` (what its pictures have
in common), `comprehensive` (every unit and edge), `compact` (a shape per layer) and `sheet_dot` (the same in the
language of Graphviz).
"""
