"""The equations of a model, forwards and backwards, derived from its recorded graph; and its backward pass explained.

A recorded graph and its backward pass are read with the course's names (`places`, on `graph.record` and `graph.roles`),
what was computed becomes expressions (`expressions`, `reader`), which rules make simple (`rules`, `rules_arrays`), and
equations (`from_graph`). These are written as text, LaTeX and MathML (`text`, `math`) or as NumPy code (`numpy_text`).
"""
from tinygrad_course.equations.derivation import Derivation, derive
from tinygrad_course.equations.explain import explain_backward
from tinygrad_course.equations.from_graph import Equation

__all__ = ["Derivation", "Equation", "derive", "explain_backward"]


def __dir__() -> list[str]:
    return __all__
