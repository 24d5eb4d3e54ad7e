"""What a process may do that runs or reads what strangers wrote: memory, time, files, whom it may signal.

Linux keeps to all of it. Files and signals are bounded by Landlock, which any program may ask for since Linux 5.13
(signals: 6.12) and which holds for everything that the process starts. Elsewhere only the limits hold that POSIX has.
"""
from __future__ import annotations

import contextlib
import ctypes
import glob
import os
import struct
import sys
from pathlib import Path

ADDRESSES = 8 * 2**30  # bytes of addresses, most of which a library reserves and never touches

_SET_PARENT_DEATH_SIGNAL, _SET_CHILD_SUBREAPER, _SET_NO_NEW_PRIVILEGES = 1, 36, 38
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same numbers on every processor
# Rights of Landlock's first version, then those of later ones: moving files between folders, and cutting them off.
_WRITE_FILE, _TRUNCATE = 1 << 1, 1 << 14
_READS = 1 << 0 | 1 << 2 | 1 << 3  # to execute, to read files, to list folders
_CHANGES = _WRITE_FILE | sum(1 << bit for bit in range(4, 13))
_LATER = {2: 1 << 13, 3: _TRUNCATE}
_SIGNALS, _ABSTRACT_SOCKETS = 1 << 1, 1 << 0


def _system_call(number: int, *arguments: object) -> int:
    return int(ctypes.CDLL(None, use_errno=True).syscall(number, *arguments))


def landlock_version() -> int:
    """0 where there is no Landlock."""
    if sys.platform != "linux":
        return 0
    return max(0, _system_call(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1)))


def adopt_orphans() -> None:
    """Make what this process's children leave behind its own children, which it can find and end."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_with_parent() -> None:
    """Have the system end this process when its parent ends, however that happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, 9, 0, 0, 0)


def go_first() -> None:
    """Let this process run before all usual ones, where it may; what it starts is usual again.

    A thousand processes that are started within a second would otherwise leave it no time to end them.
    """
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))


def limit_processes(number: int) -> None:
    """Bound how many processes and threads are started, beside those that the user has. Root is not bound by it."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource
        there = sum(len(os.listdir(f"{folder}/task")) for folder in glob.glob("/proc/[0-9]*") if _is_own(folder))
        resource.setrlimit(resource.RLIMIT_NPROC, (there + 5 * number, there + 5 * number))


def _is_own(path: str) -> bool:
    with contextlib.suppress(OSError):
        return os.stat(path).st_uid == os.getuid()
    return False


def limit(memory: int, file: int, seconds: int | None = None) -> None:
    """Bound the bytes of memory and of files that are written, and the seconds of computing; no core dumps."""
    with contextlib.suppress(ImportError):  # Windows has none of these
        import resource
        limits = {resource.RLIMIT_DATA: memory, resource.RLIMIT_AS: max(ADDRESSES, memory), resource.RLIMIT_FSIZE: file,
                  resource.RLIMIT_CORE: 0, **({} if seconds is None else {resource.RLIMIT_CPU: seconds})}
        for which, wanted in limits.items():
            _, hard = resource.getrlimit(which)
            most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            with contextlib.suppress(OSError, ValueError):  # macOS refuses some
                resource.setrlimit(which, (most, most))


def write_only_below(folder: Path) -> None:
    """From now on nothing outside the folder can be written, and no process outside be signalled."""
    handled = _changes()
    _restrict(handled, {str(folder): handled, os.devnull: handled & (_WRITE_FILE | _TRUNCATE)})


def no_files() -> None:
    """From now on no file can be opened; those that are open stay so."""
    _restrict(_changes() | _READS, {})


def _changes() -> int:
    version = landlock_version()
    return _CHANGES | sum(right for since, right in _LATER.items() if version >= since)


def _restrict(handled: int, allowed: dict[str, int]) -> None:
    """Forbid all that is handled but for what is allowed, path by path; as far as there is Landlock."""
    version = landlock_version()
    if not version:
        return
    # Version 4 added the network, 6 signals: an older system knows only the first of these three numbers, or two.
    ruleset = struct.pack("=QQQ", handled, 0, _SIGNALS | _ABSTRACT_SOCKETS if version >= 6 else 0)
    size = 8 if version < 4 else 16 if version < 6 else 24
    rules = _system_call(_CREATE_RULESET, ruleset, ctypes.c_size_t(size), ctypes.c_uint32(0))
    if rules < 0:
        return
    try:
        for path, rights in allowed.items():
            below = os.open(path, os.O_PATH | os.O_CLOEXEC)
            _system_call(_ADD_RULE, ctypes.c_int(rules), ctypes.c_int(1), struct.pack("=Qi", rights, below),
                         ctypes.c_uint32(0))
            os.close(below)
        ctypes.CDLL(None).prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        _system_call(_RESTRICT_SELF, ctypes.c_int(rules), ctypes.c_uint32(0))
    finally:
        os.close(rules)
