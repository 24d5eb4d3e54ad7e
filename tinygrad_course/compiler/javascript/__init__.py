"""The compiled training step as JavaScript: for pages in which a model computes and learns.

A program is written as loops over typed arrays (`code`): what shares a loop (`planning`), which elements are read where
(`layout`), how NumPy's functions are called (`expressions`), and what the text calls (`helpers.js`). `step` traces a
model's step for it.
"""
from __future__ import annotations

from typing import Any

from tinygrad_course.compiler.javascript.code import helpers
from tinygrad_course.compiler.javascript.step import from_program
from tinygrad_course.compiler.nodes import Untraceable
from tinygrad_course.errors import InputError

__all__ = ["javascript_of"]


def javascript_of(step: Any) -> str:
    """A compiled step as JavaScript, with all that it needs. Raises InputError for what has no counterpart."""
    try:
        return f"{helpers()}\n{from_program(step.traced.whole(), step.traced.title(), 'training').text}"
    except Untraceable as reason:
        name = type(step.traced.task.model).__name__
        raise InputError(f"this {name} cannot be written as JavaScript: {reason}") from None
