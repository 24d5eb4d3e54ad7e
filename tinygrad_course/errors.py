"""The one exception for what a user gave and can mend, and hints at what was meant."""
import unicodedata
from collections.abc import Iterable, Mapping

from tinygrad_course.shell import users_lines


class InputError(ValueError):
    """Something that was given cannot be used.

    The message names what was given, what was expected and what to do. The command line prints it as one
    line and exits with status 2; in Python it is a ``ValueError`` like any other. In IPython and notebooks its
    traceback shows the user's own lines and the message; ``%tb Verbose`` shows the whole.
    """

    def _render_traceback_(self) -> list[str]:
        """What IPython prints."""
        return users_lines(self)


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


def printable(text: str, lines: bool = False) -> str:
    """A text that somebody else wrote, for a terminal: what would move the cursor, change colours or turn the
    direction of writing is shown as Python writes it, `\\x1b`. lines: whether the text may have several lines."""
    return "".join(c if _shows(c) or (lines and c in "\n\t") else c.encode("unicode_escape").decode() for c in text)


def _shows(character: str) -> bool:
    # control characters, halves of a pair, ends of lines and paragraphs; of formats all but what joins emoji
    category = unicodedata.category(character)
    return category not in ("Cc", "Cs", "Zl", "Zp") and (category != "Cf" or character in "\u200c\u200d")
