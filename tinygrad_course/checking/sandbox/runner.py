"""The process in which a learner's code runs: requests come in, answers go out, each a message of `messages`.

The learner's code sees neither: it finds an empty standard input, and what it prints is thrown away.
"""
from __future__ import annotations

import builtins
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

from tinygrad_course.isolation import messages
from tinygrad_course.checking.sandbox.calling import no_input
from tinygrad_course.checking.sandbox.learner import Learner
from tinygrad_course.checking.sandbox.loading import Unreadable
from tinygrad_course.checking.sandbox.plain import said_by


class Runner:
    """Answers each request, and says before each step of the learner's code that it begins."""

    def __init__(self, requests: BinaryIO, answers: BinaryIO, file: Path):
        self.requests = requests
        self.answers = answers
        self.learner = Learner(file)
        self.process = os.getpid()
        self.number = 0  # of the request that is being answered

    def serve(self) -> None:
        while (request := messages.read(self.requests)) is not None:
            self.number += 1
            if request["do"] == "load":
                self.say(done=self.load())
                continue
            self.say(at=request["name"], imports=False)
            what = request.pop("do")
            self.say(done=self.learner.calls(**request) if what == "call" else self.learner.trials(**request))

    def load(self) -> Any:
        self.say(at=f"reading {self.learner.path.name}", imports=False)
        try:
            self.learner.load(lambda where, imports: self.say(at=where, imports=imports))
            return self.learner.describe()
        except (Unreadable, OSError) as error:
            problem = str(error)
        except (MemoryError, RecursionError) as error:
            problem = f"{self.learner.path.name} cannot be read: it is too large, or nested too deeply " \
                f"({said_by(error)})"
        return {"functions": {}, "problem": problem, "notes": [], "supplied": [], "skipped": [], "blank": {},
                "broken": {}}

    def say(self, **message: Any) -> None:
        # The learner's code may have called os.fork: its child, too, comes back to here, and has nothing to say.
        if os.getpid() != self.process:
            os._exit(0)
        try:
            messages.write(self.answers, {"number": self.number, **message})
        except ValueError:  # more than can be said
            messages.write(self.answers, {"number": self.number, "done": None})


def run(file: Path) -> None:
    """Serve on what were standard input and output."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    sys.stdin, sys.stdout, sys.stderr = (open(os.devnull, mode) for mode in ("r", "w", "w"))
    builtins.input = no_input
    sys.argv = ["learner"]
    Runner(requests, answers, file).serve()
