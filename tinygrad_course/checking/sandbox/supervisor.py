"""The process between a check and a learner's code.

It makes the folder in which the code runs, starts the code in a process of its own, watches what that and everything
it starts takes, and ends all of it: on request, when the check itself has ended in whatever way, and when the code
takes too much. Then it removes the folder. It ends with a line on its standard error that says why.

What the code starts cannot get away: orphans come to the supervisor as their parent, also after setsid and fork, and
Landlock keeps the code from signalling it.
"""
from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from tinygrad_course.checking.sandbox import runner, workspace
from tinygrad_course.isolation import confinement

MEMORY = 800 * 2**20  # bytes, of the learner's code and all that it starts together
FILE = 100 * 2**20  # bytes of a file that the learner's code writes
PROCESSES = 200  # that the learner's code may have at a time
PERIOD = 0.02  # seconds between two looks at what it takes


class Enough(Exception):
    """The learner's code is to be ended; the message says why, empty where it was asked for."""


def main(arguments: list[str]) -> None:
    parent, file = int(arguments[0]), Path(os.fsdecode(arguments[1]))
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _enough)
    confinement.adopt_orphans()
    reason, process = "", 0
    folder = Path(tempfile.gettempdir(), f"tgc-check-{secrets.token_hex(8)}")
    try:
        folder.mkdir(mode=0o700)
        copy = workspace.make(file, folder, links=confinement.landlock_version() > 0)
        confinement.go_first()
        process = start(copy, folder)
        watch(process, parent)
    except Enough as error:
        reason = str(error)
    except OSError as error:
        reason = f"it cannot be read: {error.strerror or error}"
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        end_all(process)
        remove(folder)
    with contextlib.suppress(OSError):  # the check may have ended long ago
        print(reason, file=sys.stderr, flush=True)


def _enough(*signal_and_frame: Any) -> NoReturn:
    raise Enough("")


def start(copy: Path, folder: Path) -> int:
    """The process of the learner's code. Its interpreter is a copy of this one, with NumPy already imported."""
    process = os.fork()
    if process:
        for descriptor in (0, 1):  # only the learner's process holds the channel: its end is seen at once
            os.close(descriptor)
        return process
    try:
        confinement.end_with_parent()
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        confinement.limit(memory=MEMORY, file=FILE)
        confinement.limit_processes(PROCESSES)
        temporary = folder / "tmp"
        temporary.mkdir()
        os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)
        os.chdir(copy.parent)
        confinement.write_only_below(folder)
        runner.run(copy)
        os._exit(0)
    finally:
        os._exit(1)


def watch(process: int, parent: int) -> NoReturn:
    """Until the process ends, or its time has come. Raises Enough."""
    while True:
        status = _ended(process)
        if status is not None:
            raise Enough(_said(status))
        if os.getppid() != parent:
            raise Enough("")
        found = [*descendants()]
        if len(found) > PROCESSES:
            raise Enough(f"it started more than {PROCESSES} processes and was stopped")
        if sum(map(memory, found)) > MEMORY:
            raise Enough(f"it took more than {MEMORY // 2**20} MB of memory and was stopped")
        time.sleep(PERIOD)


def _ended(process: int) -> int | None:
    """The exit status of the process, if it has ended; all orphans that have ended are let go."""
    ended = None
    with contextlib.suppress(ChildProcessError):
        while True:
            one, status = os.waitpid(-1, os.WNOHANG)
            if one == process:
                ended = os.waitstatus_to_exitcode(status)
            if not one:
                break
    return ended


def _said(status: int) -> str:
    if status >= 0:
        return f"it ended the whole process (exit status {status})"
    with contextlib.suppress(ValueError):
        return f"it crashed the whole process ({signal.Signals(-status).name})"
    return f"it crashed the whole process (signal {-status})"


# ------------------------------------------------------------------------------------ what the code has started


def descendants() -> Iterator[int]:
    """The processes below this one. Without /proc: none, and only the learner's group can be ended."""
    seen, todo = set(), [os.getpid()]
    while todo:
        process = todo.pop()
        for child in _children(process):
            if child not in seen:
                seen.add(child)
                todo.append(child)
                yield child


def _children(process: int) -> list[int]:
    found = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{process}/task"):
            with contextlib.suppress(OSError):
                found += [int(one) for one in Path(f"/proc/{process}/task/{thread}/children").read_text().split()]
    return found


def memory(process: int) -> int:
    """The bytes that a process has for itself; what several share after a fork counts as their parts."""
    with contextlib.suppress(OSError, ValueError):
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("Pss_Anon:", "Pss_Shmem:")))
    return 0


def end_all(group: int) -> None:
    """End every process below this one. First the group, which the system does at once, however fast it grows; then
    what has left the group, which is halted before it is ended: what starts processes without end stands still."""
    deadline = time.monotonic() + 60  # a process that the system itself holds cannot be ended
    while time.monotonic() < deadline:
        if group:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        halted: set[int] = set()
        while new := set(descendants()) - halted:
            for process in new:
                _signal(process, signal.SIGSTOP)
            halted |= new
        for process in halted:
            _signal(process, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
            time.sleep(0.002)
        except ChildProcessError:
            return


def _signal(process: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


def remove(folder: Path) -> None:
    """Remove a folder in which anything may be: folders without permissions, or thousands inside each other."""
    with contextlib.suppress(OSError, RecursionError):
        shutil.rmtree(folder)
    if not os.path.lexists(folder):
        return
    for command in (["chmod", "-R", "u+rwx"], ["rm", "-rf"]):
        subprocess.run([*command, "--", str(folder)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
