"""How much longer `import tinygrad_course` takes than `import numpy`: medians.

Each import is timed in a fresh process, by turns, so that whatever else the machine does meets both alike.
"""

import statistics
import subprocess
import sys

import click

PROGRAM = "import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"


def milliseconds(module: str) -> float:
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(module)], stdout=subprocess.PIPE, check=True)
    return 1000 * float(done.stdout)


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=31, show_default=True)
def imports(rounds: int) -> None:
    """The seconds of `import tinygrad_course`."""
    modules = ("numpy", "tinygrad_course")
    for module in modules:
        milliseconds(module)  # once without counting: files come from the disk, and .pyc files are written
    times = [tuple(milliseconds(module) for module in modules) for _ in range(rounds)]
    for module, column in zip(modules, zip(*times)):
        print(f"import {module:16} {statistics.median(column):7.1f} ms")
    print(f"difference              {statistics.median(b - a for a, b in times):7.1f} ms (at most 60 wanted)")
