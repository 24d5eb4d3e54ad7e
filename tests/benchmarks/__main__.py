"""All benchmarks: `python tests/benchmarks NAME [OPTION]...`, or `make bench WHAT=NAME ARGS="..."`."""
from __future__ import annotations

import sys

import click
from bench_growth import growth
from bench_imports import imports
from bench_javascript import javascript
from bench_tools import tools
from bench_training import training

from tinygrad_course.errors import InputError


@click.group(commands=[training, javascript, growth, imports, tools],
             context_settings={"help_option_names": ["-h", "--help"]})
def bench() -> None:
    """Measure. Compare what one run printed, never what two runs did."""


def main() -> None:
    """Exit status 0, 1 where programs disagree, 2 with one line for what cannot be used, 130 after Ctrl-C."""
    try:
        sys.exit(bench.main(prog_name="bench", standalone_mode=False) or 0)
    except click.ClickException as error:
        message, status = error.format_message(), 2
    except (InputError, OSError) as error:
        message, status = str(error), 2
    except (click.Abort, KeyboardInterrupt):
        message, status = "interrupted", 130
    print("bench: " + " ".join(message.split()), file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    main()
