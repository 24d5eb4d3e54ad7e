"""Pictures of graphs and networks."""
from tinygrad_course.visualize.drawing import Drawing
from tinygrad_course.visualize.graph.draw import draw_graph
from tinygrad_course.visualize.model import draw_model
from tinygrad_course.visualize.network.draw import draw_network
from tinygrad_course.visualize.notebook import show_in_notebook

__all__ = ["Drawing", "draw_graph", "draw_model", "draw_network", "show_in_notebook"]
