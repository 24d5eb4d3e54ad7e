"""Notebooks in which Tensors and Modules show themselves as pictures. The core knows nothing of it."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_course.errors import InputError
from tinygrad_course.nn import Module
from tinygrad_course.shell import running_shell
from tinygrad_course.tensor import Tensor
from tinygrad_course.visualize.graph.draw import draw_graph
from tinygrad_course.visualize.network.draw import draw_network
from tinygrad_course.visualize.scene.svg import following_svg


def show_in_notebook(on: bool = True, **options: Any) -> None:
    """From now on a notebook, in Jupyter or Colab, shows a computed Tensor as its graph and a Module as its network.

    What cannot be drawn, such as a Tensor that was not computed, is shown as text as before. `on=False` ends it.
    options: of `draw_graph`, such as values=True.
    Raises InputError outside a notebook, and for options that `draw_graph` does not have.
    """
    shell = running_shell()
    if shell is None:
        raise InputError("show_in_notebook: there is no notebook here; in a program write "
                         "draw_graph(...).write('picture.svg')")
    known = draw_graph.__kwdefaults__ or {}
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise InputError(f"show_in_notebook: draw_graph has no {', '.join(unknown)}; it has {', '.join(known)}")

    def tensor_svg(tensor: Tensor) -> str | None:
        return _or_none(lambda: following_svg(draw_graph(tensor, **options).scene))

    def module_svg(module: Module) -> str | None:
        return _or_none(lambda: following_svg(draw_network(module).scene))

    formatter = shell.display_formatter.formatters["image/svg+xml"]
    for kind, function in ((Tensor, tensor_svg), (Module, module_svg)):
        if on:
            formatter.for_type(kind, function)
        else:
            formatter.pop(kind, None)


def _or_none(draw: Callable[[], str]) -> str | None:
    """The picture; None, which IPython takes for "no picture", where there is none."""
    try:
        return draw()
    except InputError:
        return None
