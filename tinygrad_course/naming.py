"""What to say about a name that a module does not have."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches


def unknown_name(module: str, name: str, known: Sequence[str], elsewhere: Mapping[str, str] = {}) -> AttributeError:
    """The error for `module.name`: did you mean one of the known names?

    elsewhere: what other libraries call something, and what it is called here.
    """
    def plain(x: str) -> str: return x.lower().replace("_", "")
    close = get_close_matches(plain(name), [plain(x) for x in known], 1, 0.75)
    alike = sorted((x for x in known if close and plain(x) == close[0]), key=lambda x: x[0] != name[0])
    found = elsewhere.get(name) or next(iter(alike), None)
    return AttributeError(f"{module} has no {name}" + (f"; did you mean {found}?" if found else
                                                       f"; it has {', '.join(known)}" if known else ""), name=name)
