"""A picture as shapes at exact places, and what draws them.

In reading order: `palette` (what colours are called, and how they look on light and dark paper), `lettering` (lines of
text and their widths), `shapes` (everything else that a picture consists of), `svg` (a scene as an SVG document),
`raster` (the same as PNG and PDF, by matplotlib) and `viewer` (opening a picture's file).
"""
