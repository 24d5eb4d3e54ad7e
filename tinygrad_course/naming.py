"""What to say about a name that a module does not have."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches


def unknown_name(module: str, name: str, known: Sequence[str], elsewhere: Mapping[str, str] = {}) -> AttributeError:
    """The error for `module.name`: did you mean one of the known names?

    elsewhere: what other libraries call something, and what it is called here.
    """
    lower = {other.lower(): other for other in known}
    close = get_close_matches(name.lower().replace("_", ""), [x.replace("_", "") for x in lower], 1, 0.75)
    found = elsewhere.get(name) or next((lower[x] for x in lower if close and x.replace("_", "") == close[0]), None)
    return AttributeError(f"{module} has no {name}" + (f"; did you mean {found}?" if found else
                                                       f"; it has {', '.join(known)}" if known else ""), name=name)
