"""What the process of a learner's code may do: memory, size of files, where it may write, whom it may signal.

Linux keeps to all of it. Writing and signals are bounded by Landlock, which any program may ask for since Linux 5.13
(signals: 6.12) and which holds for everything that the process starts. Elsewhere only the limits hold that POSIX has.
"""
from __future__ import annotations

import contextlib
import ctypes
import os
import struct
import sys
from pathlib import Path

MEMORY = 800 * 2**20  # bytes, of the learner's code and all that it starts together
ADDRESSES = 8 * 2**30  # bytes of addresses, most of which a library reserves and never touches
FILE = 100 * 2**20  # bytes of a file that is written

_SET_PARENT_DEATH_SIGNAL, _SET_CHILD_SUBREAPER, _SET_NO_NEW_PRIVILEGES = 1, 36, 38
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same numbers on every processor
# Rights of Landlock's first version that change something; then those of later versions, by version.
_WRITE_FILE, _TRUNCATE = 1 << 1, 1 << 14
_CHANGES = _WRITE_FILE | sum(1 << bit for bit in range(4, 13))
_LATER = {2: 1 << 13, 3: _TRUNCATE}  # moving files between folders
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


def limit() -> None:
    """Bound memory and the size of files that are written; no core dumps."""
    with contextlib.suppress(ImportError):  # Windows has none of these
        import resource
        limits = {resource.RLIMIT_DATA: MEMORY, resource.RLIMIT_AS: ADDRESSES, resource.RLIMIT_FSIZE: FILE,
                  resource.RLIMIT_CORE: 0}
        for which, wanted in limits.items():
            _, hard = resource.getrlimit(which)
            most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            with contextlib.suppress(OSError, ValueError):  # macOS refuses some
                resource.setrlimit(which, (most, most))


def write_only_below(folder: Path) -> None:
    """From now on, nothing outside the folder can be written, and no process outside be signalled; as far as there
    is Landlock."""
    version = landlock_version()
    if not version:
        return
    handled = _CHANGES | sum(right for since, right in _LATER.items() if version >= since)
    # version 4 added the network, 6 signals: an older system knows only the first of these three numbers, or two
    ruleset = struct.pack("=QQQ", handled, 0, _SIGNALS | _ABSTRACT_SOCKETS if version >= 6 else 0)
    size = 8 if version < 4 else 16 if version < 6 else 24
    rules = _system_call(_CREATE_RULESET, ruleset, ctypes.c_size_t(size), ctypes.c_uint32(0))
    if rules < 0:
        return
    try:
        for path, rights in ((str(folder), handled), (os.devnull, handled & (_WRITE_FILE | _TRUNCATE))):
            below = os.open(path, os.O_PATH | os.O_CLOEXEC)
            _system_call(_ADD_RULE, ctypes.c_int(rules), ctypes.c_int(1), struct.pack("=Qi", rights, below),
                         ctypes.c_uint32(0))
            os.close(below)
        ctypes.CDLL(None).prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        _system_call(_RESTRICT_SELF, ctypes.c_int(rules), ctypes.c_uint32(0))
    finally:
        os.close(rules)
