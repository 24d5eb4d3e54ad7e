"""Ctrl-C while the command `tgc` is still importing: it ends without a traceback.

This is imported before everything else, and does nothing unless Python was started for the command. The command puts
Python's own way back as soon as it begins.
"""
import os
import signal
import sys
from typing import Any


def _is_command() -> bool:
    name = os.path.basename(sys.argv[0]).removesuffix(".exe") if sys.argv else ""
    return name == "tgc" or ["-m", "tinygrad_course"] in [sys.orig_argv[i:i + 2] for i in range(len(sys.orig_argv))]


def _interrupted(*signal_and_frame: Any) -> None:
    os.write(2, b"tgc: interrupted\n")
    os._exit(130)  # nothing was begun that would have to be ended


def begin() -> None:
    # Whoever started this may want it ignored: `nohup tgc ... &`.
    if _is_command() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupted)


def end() -> None:
    if signal.getsignal(signal.SIGINT) is _interrupted:
        signal.signal(signal.SIGINT, signal.default_int_handler)


begin()
