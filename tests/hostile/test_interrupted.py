"""Commands that write, ended at random moments: the old file or the new one is there, whole, and nothing beside it.

`TGC_HOSTILE=200 pytest tests/hostile/test_interrupted.py` takes 200 moments for each command and signal.
"""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("needs os.fork, and signals as POSIX has them", allow_module_level=True)

COMMANDS = {
    "train": (["train", "planar", "--iterations", "3", "--save", "FOLDER/model.h5"], "model.h5"),
    "draw": (["draw", "planar", "--style", "graph", "--out", "FOLDER/picture.svg"], "picture.svg"),
    "make": (["data", "make", "FOLDER/data.h5"], "data.h5"),
    "live": (["live", "planar", "--out", "FOLDER/page.html"], "page.html"),
}
# A process that has imported everything, and a fork of it for each moment: 20 ms in place of half a second.
PROGRAM = r"""
import os, random, signal, sys, time
from pathlib import Path
import tinygrad_course.visualize, tinygrad_course.training, tinygrad_course.data.standin
from tinygrad_course.cli import main

name, number, rounds, folder, target, *arguments = sys.argv[1:]
number, folder = int(number), Path(folder)
target, log, chance = folder / target, folder.parent / "log", random.Random(f"{name} {number}")

def trial(delay):
    process = os.fork()
    if not process:
        for one, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
            signal.signal(one, usual)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        try:
            main(arguments)
        except SystemExit as end:
            os._exit(end.code if isinstance(end.code, int) else 1)
        except BaseException as error:
            os.write(2, f"Traceback: {error!r}".encode())
            os._exit(70)
        os._exit(0)
    if delay is not None:
        time.sleep(delay)
        os.kill(process, number)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])

started = time.monotonic()
assert trial(None) == 0, log.read_text()
seconds = time.monotonic() - started
whole = target.read_bytes()
ends = {}
for _ in range(int(rounds)):
    old = chance.random() < 0.5
    target.write_bytes(b"old") if old and name != "make" else target.unlink(missing_ok=True) if not old else None
    status = trial(chance.uniform(0, 1.1 * seconds))
    ends[status] = ends.get(status, 0) + 1
    assert "Traceback" not in log.read_text(), log.read_text()
    for file in folder.iterdir():
        if file != target:
            assert number == signal.SIGKILL, f"left behind after {status}: {file}"
            file.unlink()
    content = target.read_bytes() if target.exists() else b"old"
    assert content == b"old" or len(content) > 0.5 * len(whole) and content[-20:].strip(), len(content)
    if content != b"old" and name == "train":
        from tinygrad_course.training import checkpoint
        checkpoint.load(target)
    if content != b"old" and name in ("draw", "live"):
        assert content.rstrip().endswith((b"</svg>", b"</html>")), content[-50:]
    if content != b"old" and name == "make":
        assert content == whole
print(ends)
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL], ids=lambda n: n.name)
@pytest.mark.parametrize("name", COMMANDS)
def test_the_old_file_or_the_new_one(name: str, number: signal.Signals, tmp_path: Path) -> None:
    arguments, target = COMMANDS[name]
    folder = tmp_path / "place"
    folder.mkdir()
    rounds = os.environ.get("TGC_HOSTILE", "8")
    done = subprocess.run([sys.executable, "-c", PROGRAM, name, str(int(number)), rounds, str(folder), target,
                           *[one.replace("FOLDER", str(folder)) for one in arguments]],
                          capture_output=True, text=True, timeout=3600)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]


@pytest.mark.slow
def test_ctrl_c_while_importing() -> None:
    """No traceback from the first import of the package on; Python's own start, before that, is not ours."""
    chance = random.Random(0)
    script = ("import sys; sys.argv = ['tgc', 'data', 'info', '--data', '/nowhere']\n"
              "sys.stderr.write('begun\\n'); sys.stderr.flush()\n"
              "from tinygrad_course.cli import main; main()")
    for _ in range(int(os.environ.get("TGC_HOSTILE", "10"))):
        process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None and process.stderr.readline() == "begun\n"
        try:
            process.wait(chance.uniform(0.02, 0.8))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
        said = process.stderr.read()
        process.stderr.close()
        assert process.wait() in (2, 130) and "Traceback" not in said, said


@pytest.mark.parametrize("place", ["a pipe", "a device", "a link to itself", "a link into nothing"])
def test_places_that_cannot_work_are_refused_before_training(place: str, tmp_path: Path) -> None:
    file = tmp_path / "model.h5"
    if place == "a pipe":
        os.mkfifo(file)
    elif place == "a device":
        file = Path(os.devnull)
    else:
        file.symlink_to(file if place == "a link to itself" else tmp_path / "nowhere" / "model.h5")
    done = subprocess.run([sys.executable, "-m", "tinygrad_course", "train", "planar", "--save", str(file)],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1, done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["derive", "planar"], ["data", "info"], ["check", "planar"],
                                       ["train", "planar", "--iterations", "1"]], ids=" ".join)
def test_without_standard_output(arguments: list[str]) -> None:
    done = subprocess.run(["sh", "-c", '"$0" -m tinygrad_course "$@" >&-', sys.executable, *arguments],
                          stderr=subprocess.PIPE, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
