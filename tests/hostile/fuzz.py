"""Reads hostile inputs, as many as there is time for: `python tests/hostile/fuzz.py --seconds 3600 --seed 7`.

For each: either it is used, or refused with InputError or OSError in one line; within 10 seconds; and no file but the
given one is opened. In the end: under 1 GB of memory was taken, no process and no temporary file is left. The HDF5
library reads in a fork of this process in place of a new Python, with the same limits: 5 ms in place of 300.
"""

import argparse
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, os.path.dirname(__file__))

import inputs  # noqa: E402
from tinygrad_course import InputError, data  # noqa: E402
from tinygrad_course.checking.sandbox import loading  # noqa: E402
from tinygrad_course.isolation import hdf5, messages  # noqa: E402
from tinygrad_course.models import DeepNetwork, PlanarClassifier  # noqa: E402
from tinygrad_course.training import History, checkpoint  # noqa: E402

LONGEST, MEMORY = 10.0, 2**30  # seconds for an input, bytes for all


class Kind(NamedTuple):
    ending: str
    made: inputs.Inputs
    read: Callable[[Path], Any]
    share: float  # of the time


def ask_in_a_fork(stream: Any, wanted: Any, size: int) -> Any:
    """In place of `hdf5._ask`: its process, without starting Python and importing NumPy anew."""
    os.lseek(stream.fileno(), 0, os.SEEK_SET)
    out, into = os.pipe()
    process = os.fork()
    if not process:
        os.dup2(stream.fileno(), 0)
        os.dup2(into, 1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        sys.stdout = open(1, "w", closefd=False)
        try:
            hdf5.main([json.dumps(wanted)])
        finally:
            os._exit(1)
    os.close(into)
    try:
        with os.fdopen(out, "rb") as answers:
            return messages.read(answers, largest=hdf5._most(size) + messages.LARGEST_TEXT)
    except messages.Garbled:
        return None
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)


class Opened:
    """Which files Python opens: those of Python itself are no leak, all others are noted."""

    def __init__(self, allowed: Path):
        self.usual = tuple(map(os.path.realpath, {str(allowed), sys.prefix, sys.base_prefix, *sys.path[1:]}))
        self.usual += (os.path.dirname(os.path.dirname(data.__file__)), "/dev/null", "/proc/self", "/proc/cpuinfo")
        self.others: list[str] = []
        sys.addaudithook(self.hear)

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("open", "os.listdir", "os.scandir", "subprocess.Popen", "os.system", "os.exec"):
            path = arguments[0]
            if isinstance(path, str) and path.startswith("<"):
                return  # "<unknown>": Python looks whether there is such a file for a message about code
            if isinstance(path, (str, bytes)) and not os.path.realpath(os.fsdecode(path)).startswith(self.usual):
                self.others.append(f"{event} {path!r}")


def read_code(path: Path) -> None:
    try:
        for cell in loading.read_cells(path)[0]:
            loading.parse(cell)
    except loading.Unreadable as error:
        assert len(str(error)) < 1000
        raise InputError("unreadable") from None
    except (MemoryError, RecursionError):  # as the process of a learner's code does
        raise InputError("too deep") from None


def kinds(seed: int, folder: Path) -> list[Kind]:
    wholes = []
    for number, model in enumerate((PlanarClassifier(), DeepNetwork([12, 4, 3, 1]))):
        file = checkpoint.save(folder / f"{number}.h5", model, history=History({0: 0.7, 100: 0.6}),
                               preprocessing={"num_px": 2}, classes=["non-cat", "cat"])
        wholes.append(file.read_bytes())
        file.unlink()

    def made(give: Callable[..., inputs.Inputs], *more: Any) -> inputs.Inputs:
        return give(random.Random(f"{seed} {give.__name__}"), *more)

    header = (checkpoint._header, checkpoint.HEADER_SIZE)
    return [Kind("h5", made(inputs.data_files), data.load_images, 0.4),
            *(Kind("h5", made(inputs.checkpoints, whole, *header), checkpoint.load, 0.15) for whole in wholes),
            Kind("png", made(inputs.pictures), data.read_image, 0.15),
            Kind("ipynb", made(inputs.notebooks), read_code, 0.1), Kind("py", made(inputs.programs), read_code, 0.05)]


def by_turns(all_kinds: list[Kind], counts: list[int] | None) -> Iterator[tuple[Kind, str, bytes]]:
    """Inputs of all kinds without end, or as many of each as `counts` says."""
    chance = random.Random(0)
    left = [10**12] * len(all_kinds) if counts is None else list(counts)
    while any(left):
        [number] = chance.choices(range(len(all_kinds)), [one.share * (many > 0) for one, many in zip(all_kinds, left)])
        left[number] -= 1
        what, content = next(all_kinds[number].made)
        yield all_kinds[number], what, content


def problem(kind: Kind, file: Path, opened: Opened) -> tuple[str, str]:
    """How one input ended, and what is wrong about that; "" for nothing."""
    before, opened.others = time.monotonic(), []
    try:
        kind.read(file)
        how, wrong = "used", ""
    except (InputError, OSError) as error:
        how, wrong = "refused", "a message of several lines" if "\n" in str(error) and kind.ending == "h5" else ""
        if isinstance(error, OSError) and str(error).startswith("[Errno"):
            wrong = f"a bare {error}"
    except BaseException as error:
        how, wrong = "raised", "".join(traceback.format_exception(error))
        if isinstance(error, KeyboardInterrupt):
            raise
    if time.monotonic() - before > LONGEST:
        wrong = wrong or f"it took {time.monotonic() - before:.1f} s"
    if opened.others:
        wrong = wrong or f"other files were opened: {opened.others}"
    return how, wrong


def run(seed: int, seconds: float, counts: list[int] | None, folder: Path, keep: Path | None) -> int:
    # No process but forks of this one, which wait for nothing: bound the memory that all of it may take.
    resource.setrlimit(resource.RLIMIT_AS, (8 * MEMORY, 8 * MEMORY))
    hdf5._ask = ask_in_a_fork
    all_kinds = kinds(seed, folder)
    import h5py  # noqa: F401  in all forks
    opened, until, ended, failed = Opened(folder), time.monotonic() + seconds, Counter[str](), 0
    for kind, what, content in by_turns(all_kinds, counts):
        if time.monotonic() > until:
            break
        file = folder / f"input.{kind.ending}"
        file.write_bytes(content)
        how, wrong = problem(kind, file, opened)
        ended[f"{kind.read.__name__} {how}"] += 1
        if wrong:
            failed += 1
            print(f"{kind.read.__name__}: {what}: {wrong}", flush=True)
            if keep is not None:
                (keep / f"{seed}-{failed}.{kind.ending}").write_bytes(content)
        file.unlink()
    most = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) * 1024
    if most > MEMORY:
        failed += 1
        print(f"{most / 2**20:.0f} MB of memory were taken")
    if left := [*folder.iterdir()]:
        failed += 1
        print(f"left behind: {left}")
    try:
        os.waitpid(-1, os.WNOHANG)
        failed += 1
        print("a process is left")
    except ChildProcessError:
        pass
    print(f"{sum(ended.values())} inputs, seed {seed}, {most / 2**20:.0f} MB: {dict(sorted(ended.items()))}; "
          f"{failed} failed")
    return 1 if failed else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--counts", help="how many data files, of two checkpoints, pictures, notebooks, code")
    parser.add_argument("--keep", type=Path, help="a folder for inputs that fail")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tgc-fuzz-") as folder:
        counts = given.counts and [int(count) for count in given.counts.split(",")]
        status = run(given.seed, given.seconds, counts, Path(folder).resolve(), given.keep)
    sys.exit(status)


if __name__ == "__main__":
    main()
