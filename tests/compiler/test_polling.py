"""Ctrl-C while a step is traced and compiled: at once, and nothing has happened; and processes forked meanwhile."""

import os
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest
from trainings import X, Y, values

from tinygrad_course import fit, optim
from tinygrad_course.compiler import memory, nodes, program
from tinygrad_course.compiler.polling import Interrupted, look, noticed, waited_for
from tinygrad_course.compiler.native import kernels, machine, module
from tinygrad_course.models import DeepNetwork


def test_what_is_noted_is_noticed_inside_and_in_this_thread_alone() -> None:
    noted: list[int] = []
    with noticed(noted):
        look()
        noted.append(2)
        elsewhere: list[bool] = []
        thread = threading.Thread(target=lambda: (look(), elsewhere.append(True)))
        thread.start()
        thread.join()
        with noticed([]):
            look()
        with pytest.raises(Interrupted):
            look()
    look()
    assert elsewhere == [True] and not issubclass(Interrupted, Exception)


def test_results_and_errors_of_work_that_is_waited_for() -> None:
    assert waited_for(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        waited_for(lambda: 1 / 0)


@pytest.mark.parametrize("engine", ["numpy", "native"])
@pytest.mark.parametrize("place", ["nodes", "program", "memory", "kernels", "module"])
def test_ctrl_c_wherever_somebody_looks(place: str, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Model and optimiser are as they were, and train as ever afterwards."""
    if (place, engine) in (("memory", "native"), ("kernels", "numpy"), ("module", "numpy")):
        pytest.skip("there is nothing of that in this engine")
    expected = fit(DeepNetwork([2, 3, 2, 1]), X, Y, iterations=20, optimizer=optim.Adam(0.1), engine=engine)
    for k in (1, 2, 5, 30, 100):
        model, rule, looks = DeepNetwork([2, 3, 2, 1]), optim.Adam(0.1), []

        def counted() -> None:
            looks.append(None)
            if len(looks) == k:
                signal.raise_signal(signal.SIGINT)
            look()

        before = values(model)
        where: Any = {"nodes": nodes, "program": program, "memory": memory, "kernels": kernels, "module": module}[place]
        with monkeypatch.context() as patched:
            patched.setattr(where, "look", counted)
            history = fit(model, X, Y, iterations=20, optimizer=rule, engine=engine)
        if len(looks) < k:
            assert history.costs == expected.costs
            continue
        assert (history.iterations, history.stopped, history.costs) == (0, "interrupted before iteration 0", {})
        assert len(looks) == k and values(model) == before and rule.states == {} and type(rule.learning_rate) is float
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert fit(model, X, Y, iterations=20, optimizer=rule, engine=engine).costs == expected.costs


def test_ctrl_c_while_llvm_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot be stopped, but nobody waits for it."""
    over = threading.Event()

    def never_ends(text: str) -> bytes:
        signal.raise_signal(signal.SIGINT)
        assert over.wait(60)
        raise RuntimeError("nobody hears this")

    monkeypatch.setattr(machine, "_object_code", never_ends)
    monkeypatch.setattr(machine.CachedCode, "read", lambda self: None)
    model = DeepNetwork([2, 3, 2, 1])
    before = values(model)
    history = fit(model, X, Y, iterations=20, learning_rate=0.1, engine="native")
    assert not over.is_set() and history.stopped == "interrupted before iteration 0" and values(model) == before
    over.set()


FORKED = """
import os, signal, sys, threading, time
import numpy as np
from tinygrad_course import fit
from tinygrad_course.compiler.native import machine
from tinygrad_course.models import PlanarClassifier

X = np.random.RandomState(0).randn(2, 30)
Y = (X[:1] > 0) * 1.0
lock = {"llvm": machine.llvm().ffi.lib._lock, "loading": machine._loading}[sys.argv[1]]
held = threading.Event()

def hold():
    with lock:
        held.set()
        time.sleep(0.3)

threading.Thread(target=hold).start()
held.wait()
child = os.fork()
if child == 0:
    signal.alarm(30)
    fit(PlanarClassifier(), X, Y, iterations=30, learning_rate=1, engine="native")
    os._exit(0)
print(os.waitpid(child, 0)[1])
fit(PlanarClassifier(), X, Y, iterations=30, learning_rate=1, engine="native")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("lock", ["llvm", "loading"])
def test_a_child_that_is_forked_while_another_thread_is_within_llvm(lock: str) -> None:
    done = subprocess.run([sys.executable, "-I", "-c", FORKED, lock], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.returncode) == ("0\n", 0), done.stderr
