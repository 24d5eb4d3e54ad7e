"""IPython's shell in which this runs, if it does: what it shows, and which part of a traceback."""
from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

# Modules whose lines the user did not write. Of a traceback IPython's own are before them, ours and those that we call
# after them.
NOT_THE_USERS = {"tinygrad_course", "IPython", "ipykernel", "numpy", *sys.stdlib_module_names}


def running_shell() -> Any:
    """IPython's shell, where there is one; None elsewhere."""
    ipython = sys.modules.get("IPython")  # what was not imported yet cannot be running
    return ipython.get_ipython() if ipython is not None else None


def is_notebook() -> bool:
    """Whether this runs in Jupyter or Colab, which show pictures, and not in a terminal."""
    return getattr(running_shell(), "kernel", None) is not None


def display(thing: Any, **options: Any) -> None:
    """Show it in the notebook, here. options: those of IPython's `display`."""
    from IPython import display as notebooks

    show: Any = notebooks.display
    show(thing, **options)


def users_lines(error: BaseException) -> list[str]:
    """The traceback of an error as IPython's shell prints it: the user's own lines and the message, without causes.

    With IPython's mode Verbose, which `%tb Verbose` takes once and `%xmode Verbose` for good, it is the whole.
    """
    traceback = running_shell().InteractiveTB
    lines = _of_the_user(error.__traceback__)
    if traceback.mode == "Verbose" or lines is None:
        whole: list[str] = traceback.structured_traceback(type(error), error, error.__traceback__)
        return whole
    cause, hidden = error.__cause__, error.__suppress_context__
    error.__cause__ = None  # IPython would show it; this hides the context too
    try:
        short: list[str] = traceback.structured_traceback(type(error), error, lines, 0)
        return short
    finally:
        error.__cause__, error.__suppress_context__ = cause, hidden


def _of_the_user(traceback: TracebackType | None) -> TracebackType | None:
    """The traceback of the frames that the user wrote; None where there are none."""
    if traceback is None:
        return None
    inner = _of_the_user(traceback.tb_next)
    name = traceback.tb_frame.f_globals.get("__name__") or ""
    if name.partition(".")[0] in NOT_THE_USERS:
        return inner
    return TracebackType(inner, traceback.tb_frame, traceback.tb_lasti, traceback.tb_lineno)
