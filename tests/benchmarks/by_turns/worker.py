"""One program in a process of its own: trains when it is told to, and says how long that took.

    python worker.py serve PROGRAM.py FOLDER [ARGUMENT...]              trains as often as it is asked to
    python worker.py once ITERATIONS PROGRAM.py FOLDER [ARGUMENT...]    trains once, and says how much memory it took

It is run as a file, never as a module of this package: a peer's process must not pay for importing ours. FOLDER holds
the problem as `problems.py` wrote it. PROGRAM.py defines a class `Trainer`:

    Trainer(problem, *arguments)   imports what it needs and brings data and model into the form that suits it
    warm_up()                      may be there: compiles what is to be compiled; not called where it trains only once
    reset()                        back to the initial weights; not timed
    train(iterations) -> float     trains, and returns the cost of the last iteration, before its update
    how                            may be there after it: in words, what the program did

Requests and answers are lines of JSON on standard input and output. What the program prints goes to standard error.
"""
from __future__ import annotations

import gc
import importlib.util
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TextIO


@dataclass
class Problem:
    """What is to be trained, by whatever program.

    X (n_x, m), Y (n_y, m): examples in columns, of the dtype.
    weights: W1, b1, W2, b2, ... with W (n_out, n_in) and b (n_out, 1); `layers` pairs.
    activation: of all layers but the last, "relu" or "tanh".
    output: "sigmoid", with the mean binary cross entropy, or "softmax", with the mean cross entropy.
    optimizer: "gradient descent", "momentum" (v := 0.9 v + 0.1 g, w := w - alpha v), or "adam" (0.9, 0.999, 1e-8).
    batch_size: None for all examples at once.
    """

    name: str
    dtype: str
    activation: str
    output: str
    optimizer: str
    learning_rate: float
    iterations: int
    record_every: int
    batch_size: int | None
    seed: int
    layers: int
    data: str
    X: Any = None
    Y: Any = None
    weights: Any = None

    def batches(self, iterations: int) -> Iterator[Any]:
        """The numbers of the examples of each mini-batch, as `fit` draws them: a new order in each epoch."""
        import numpy as np

        random, m = np.random.RandomState(self.seed), self.X.shape[1]
        assert self.batch_size is not None
        while True:
            order = random.permutation(m)
            for start in range(0, m, self.batch_size):
                if iterations <= 0:
                    return
                iterations -= 1
                yield order[start:start + self.batch_size]


def load(folder: str) -> Problem:
    import numpy as np

    with open(os.path.join(folder, "problem.json"), encoding="utf-8") as file:
        problem = Problem(**json.load(file))
    problem.X, problem.Y, *problem.weights = (
        np.load(os.path.join(folder, f"{name}.npy"))
        for name in ["X", "Y", *(f"{kind}{layer}" for layer in range(1, problem.layers + 1) for kind in "Wb")])
    return problem


def make(file: str, folder: str, *arguments: str) -> Any:
    # As with `python FILE`: a program finds what lies beside it, and no longer what lies beside this file.
    sys.path[0] = os.path.dirname(os.path.abspath(file))
    spec = importlib.util.spec_from_file_location("bench_program", file)
    assert spec is not None and spec.loader is not None, f"{file} is no Python file"
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_program"] = module
    spec.loader.exec_module(module)
    return module.Trainer(load(folder), *arguments)


def serve(answers: TextIO, *arguments: str) -> None:
    def answer(**content: Any) -> None:
        print(json.dumps(content), file=answers, flush=True)

    try:
        program = make(*arguments)
        answer(ready=True)
        for line in sys.stdin:
            request = json.loads(line)
            if request["do"] == "warm up":
                if hasattr(program, "warm_up"):
                    program.warm_up()
                answer(done=True)
                continue
            program.reset()
            gc.collect()  # so that the garbage of one training is not collected in the next
            start = time.perf_counter()
            cost = program.train(request["iterations"])
            answer(seconds=time.perf_counter() - start, cost=cost, how=getattr(program, "how", None))
    except ModuleNotFoundError as error:
        answer(left_out=f"{error.name} is not installed")
    except Exception as error:  # whatever a program raises is said by the process that prints the tables
        first = str(error).strip().partition("\n")[0]
        answer(left_out=first if type(error).__name__ == "InputError" else f"{type(error).__name__}: {first}")


def once(answers: TextIO, iterations: str, *arguments: str) -> None:
    program = make(*arguments)
    program.reset()
    cost = program.train(int(iterations))
    print(json.dumps({"cost": cost, "peak_bytes": peak_bytes()}), file=answers, flush=True)


def peak_bytes() -> int | None:
    """The most memory that this process has held at once.

    Not what `os.wait4` says: on Linux that is at least what the parent held when it started this process.
    """
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    if sys.argv[1] == "serve":
        serve(answers, *sys.argv[2:])
    else:
        once(answers, *sys.argv[2:])


if __name__ == "__main__":
    main()
