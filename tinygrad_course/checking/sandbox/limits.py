"""A bound for changed versions of a learner's function, counted in lines: the same on every machine."""
from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

LINES = 30_000  # of the changed function; what needs more is not the repair that is looked for
CHANGED = "<changed>"  # the file name of its code


class TooManyLines(Exception):
    """A changed version does not end, or not soon."""


def limited(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, raising TooManyLines once it has run so many of its lines."""
    @functools.wraps(function)
    def run(*arguments: Any, **named: Any) -> Any:
        lines = 0

        def trace(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal lines
            if frame.f_code.co_filename != CHANGED:
                return None  # other code is not looked into
            lines += event == "line"
            if lines > LINES:
                raise TooManyLines(f"more than {LINES} lines")
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            return function(*arguments, **named)
        finally:
            sys.settrace(before)
    return run
