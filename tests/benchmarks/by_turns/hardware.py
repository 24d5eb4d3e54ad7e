"""On what machine, and with which versions, something was measured."""
from __future__ import annotations

import os
import platform
from typing import Any

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def description() -> dict[str, Any]:
    import numpy as np

    return {"processor": processor(), "cores": cores(), "system": f"{platform.system()} {platform.machine()}",
            "memory_bytes": memory(), "python": platform.python_version(), "numpy": np.__version__,
            "blas": blas(), "threads": {name: os.environ.get(name) for name in THREADS}}


def processor() -> str:
    """Its name as the system has it, or else its kind."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def blas() -> str | None:
    """The library behind NumPy's matrix products, with its version."""
    import numpy as np

    try:
        found: Any = np.show_config(mode="dicts")
        return "{name} {version}".format(**found["Build Dependencies"]["blas"])
    except (KeyError, TypeError):
        return None


def use_cores(number: int) -> None:
    """Let this process, and all that it starts from now on, use only so many cores and threads."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:number])
    for name in THREADS:
        os.environ[name] = str(number)


def in_words(machine: dict[str, Any]) -> str:
    cores = machine["cores"]
    return (f"{machine['processor']}, {cores} core{'' if cores == 1 else 's'}; Python {machine['python']}, NumPy "
            f"{machine['numpy']}" + (f", {machine['blas']}" if machine["blas"] else ""))
