"""Another Python that runs a function of this package, and nothing of what lies in the current folder."""

import sys


def command(module: str, *arguments: str) -> list[str]:
    """Runs `main(arguments)` of a module.

    `python -m` would look for every module in the current folder first. That may be a stranger's, with a file of its
    own called numpy.py.
    """
    text = f"import sys; sys.path[:] = filter(None, sys.path); from {module} import main; main(sys.argv[1:])"
    return [sys.executable, "-c", text, *arguments]
