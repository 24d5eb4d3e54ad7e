"""Places for the boxes and arrows of a graph.

In reading order: `layered` (what is to be laid out, what comes out of it, and our own method), its three steps
`layering` (which layer a box stands in), `ordering` (which box stands left of which) and `straightening` (how far), and
`graphviz` (the same from the program dot).
"""
