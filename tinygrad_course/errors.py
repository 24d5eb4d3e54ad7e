"""The one exception for what a user gave and can mend, and hints at what was meant."""
from collections.abc import Sequence


class InputError(ValueError):
    """Something that was given cannot be used.

    The message names what was given, what was expected and what to do. The command line prints it as one
    line and exits with status 2; in Python it is a ``ValueError`` like any other.
    """


def nothing_called(name: str, module: str, names: Sequence[str]) -> str:
    """The message of the AttributeError for a name that a module does not have, with the closest one that it has."""
    from difflib import get_close_matches  # only needed by those who mistype

    close = get_close_matches(name, names, n=1, cutoff=0.6)
    return f"{module} has no {name!r}" + (f": did you mean {close[0]}?" if close else "")
