"""The one exception for what a user gave and can mend, and hints at what was meant."""
from collections.abc import Iterable, Mapping


class InputError(ValueError):
    """Something that was given cannot be used.

    The message names what was given, what was expected and what to do. The command line prints it as one
    line and exits with status 2; in Python it is a ``ValueError`` like any other.
    """


def nothing_called(name: str, module: str, names: Iterable[str]) -> str:
    """The message of the AttributeError for a name that a module does not have, with the closest one that it has."""
    return f"{module} has no {name!r}{did_you_mean(name, names)}"


def did_you_mean(name: str, names: Iterable[str], elsewhere: Mapping[str, str] = {}) -> str:
    """The end of a message about a name that there is not: the closest one that there is, if one is close.

    elsewhere: from what other libraries call something, in small letters, to what it is called here.
    """
    from difflib import get_close_matches  # only needed by those who mistype

    lower = {known.lower(): known for known in names}
    close = get_close_matches(name.lower(), lower, n=1, cutoff=0.6)
    meant = elsewhere.get(name.lower()) or (lower[close[0]] if close else None)
    return f": did you mean {meant}?" if meant else ""
