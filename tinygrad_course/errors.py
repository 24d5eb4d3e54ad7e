"""The one exception for what a user gave and can mend."""


class InputError(ValueError):
    """Something that was given cannot be used.

    The message names what was given, what was expected and what to do. The command line prints it as one
    line and exits with status 2; in Python it is a ``ValueError`` like any other.
    """
