"""Hostile files: 5 000 by the fuzzing script, some through the command itself, and what the system saw being opened."""

import io
import random
import re
import resource
import shutil
import subprocess
import sys
from itertools import islice
from pathlib import Path

import inputs
import pytest
from PIL import Image
from tinygrad_course.models import LogisticRegression
from tinygrad_course.training import checkpoint

COUNTS = "1300,800,800,1000,700,500"  # data files, two checkpoints, pictures, notebooks, code


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "tinygrad_course", *arguments]


@pytest.mark.slow
def test_five_thousand_inputs(tmp_path: Path) -> None:
    script = Path(inputs.__file__).with_name("fuzz.py")
    done = subprocess.run([sys.executable, str(script), "--counts", COUNTS], capture_output=True, text=True,
                          cwd=tmp_path, timeout=1200)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    assert int(done.stdout.split()[0]) == sum(map(int, COUNTS.split(",")))
    ended = dict(re.findall(r"'(\w+ \w+)': (\d+)", done.stdout))
    for kind in ("load_images", "load", "read_image", "read_code"):  # it reads, and does not refuse everything
        assert int(ended[f"{kind} used"]) > 20 and int(ended[f"{kind} refused"]) > 20, ended


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return checkpoint.save(tmp_path / "model.h5", LogisticRegression(192), preprocessing={"num_px": 8},
                           classes=["a", "b"])


def test_the_command_refuses_in_one_line(model: Path, tmp_path: Path) -> None:
    chance = random.Random(3)
    whole = (model.read_bytes(), checkpoint._header, checkpoint.HEADER_SIZE)
    data = [one for _, one in islice(inputs.data_files(chance), 100)]
    cases = [("h5", ["data", "info", "--data", "FILE"], chance.sample(data, 12)),
             ("h5", ["predict", "FILE", "FILE"], [one for _, one in islice(inputs.checkpoints(chance, *whole), 6)]),
             ("png", ["predict", str(model), "FILE"], [one for _, one in islice(inputs.pictures(chance), 20, 40, 3)])]
    noisy = next(one for one in (damaged_tiff(seed) for seed in range(1000)) if writes_by_itself(one))
    cases[-1][2].append(noisy)
    refused = 0
    for ending, arguments, contents in cases:
        for content in contents:
            file = tmp_path / f"input.{ending}"
            file.write_bytes(content)
            done = subprocess.run(command(*[one.replace("FILE", str(file)) for one in arguments]), capture_output=True,
                                  text=True, timeout=120)
            assert done.returncode in (0, 2) and "Traceback" not in done.stderr, done.stderr
            assert done.stderr.count("\n") == (done.returncode == 2), done.stderr
            refused += done.returncode == 2
    assert refused > 15
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    assert most < 1024, f"{most:.0f} MB"


def damaged_tiff(seed: int) -> bytes:
    memory = io.BytesIO()
    Image.fromarray(inputs.IMAGES[0].repeat(3, axis=0)).save(memory, "TIFF", compression="tiff_lzw")
    return inputs.damaged(memory.getvalue(), random.Random(seed))


def writes_by_itself(content: bytes) -> bool:
    """Whether the TIFF library writes to standard error about this file."""
    program = "import io, sys; from PIL import Image; Image.open(io.BytesIO(sys.stdin.buffer.read())).load()"
    done = subprocess.run([sys.executable, "-c", program], input=content, capture_output=True)
    return b"LZW" in done.stderr.partition(b"Traceback")[0]


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace, to see what the HDF5 library opens")
@pytest.mark.parametrize("way", ["external storage", "an external link", "virtual", "a device as storage"])
def test_no_other_file_is_opened_by_the_system(way: str, tmp_path: Path) -> None:
    make, name = inputs.WAYS[way], "train_set_x" if way == "virtual" else "train_set_y"
    file = tmp_path / "input.h5"
    file.write_bytes(inputs.hdf5(inputs.replaced(name, make)))
    log = tmp_path / "log"
    traced = ["strace", "-f", "-qq", "-o", str(log), "-e", "trace=open,openat,openat2"]
    probe = subprocess.run([*traced, "true"], capture_output=True)
    if probe.returncode:
        pytest.skip("strace may not trace here")
    done = subprocess.run([*traced, *command("data", "info", "--data", str(file))], capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    opened = re.findall(r'open\w*\([^"]*"([^"]*)"', log.read_text())
    assert str(file) in opened and not {inputs.LEAK, "/dev/zero"} & set(opened)


def test_what_a_file_says_of_another_is_not_read(tmp_path: Path) -> None:
    """The process that reads can open nothing, even if the checks before it failed: the system refuses."""
    script = ("import os\nfrom tinygrad_course.isolation import confinement\nconfinement.no_files()\n"
              "try:\n    os.open('/etc/passwd', os.O_RDONLY); print('read')\n"
              "except PermissionError:\n    print('refused')")
    from tinygrad_course.isolation import confinement
    if not confinement.landlock_version():
        pytest.skip("this system has no Landlock")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout == "refused\n", done.stderr
