"""The equations of a model, forwards and backwards, derived from its recorded graph; and its backward pass explained.

A graph and its backward pass are recorded together (`recording`), its steps get the course's names (`names`), what was
computed becomes expressions (`expressions`, `graph_reader`), which rules make simple (`simplify`, `simplify_arrays`),
and equations (`graph_equations`). These are written as text, LaTeX and MathML (`notation`, `notation_math`) or as NumPy
code (`numpy_source`).
"""
from tinygrad_course.equations.derivation import Derivation, derive
from tinygrad_course.equations.explain import backward_explained, explain_backward
from tinygrad_course.equations.from_graph import Equation

__all__ = ["Derivation", "Equation", "backward_explained", "derive", "explain_backward"]
