"""What training says without ending, pointing to the line in which it was asked for."""
from __future__ import annotations

import sys
import warnings


class EagerWarning(UserWarning):
    """A model cannot be compiled, and why: it trains eagerly."""


class UntrainedWarning(UserWarning):
    """The cost depends on a Tensor that requires a gradient and is no parameter of the model."""


def warn_user(text: str, category: type[Warning]) -> None:
    """A warning of the line outside of this package from which training was called."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("tinygrad_course."):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, category, stacklevel=level)
