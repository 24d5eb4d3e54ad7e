"""Machine code on disk: kept, found again, never believed when damaged, never used on another processor."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from tinygrad_course import Tensor, fit  # noqa: E402
from tinygrad_course.compiler.native import cache, machine  # noqa: E402
from tinygrad_course.compiler.native.cache import CachedCode  # noqa: E402
from tinygrad_course.compiler.native.machine import Machine  # noqa: E402
from tinygrad_course.models import DeepNetwork  # noqa: E402

TEXT = """
define double @half(double %x) {
  %y = fmul double %x, 0.5
  ret double %y
}
"""
TRAIN = """
import numpy as np
from tinygrad_course import fit
from tinygrad_course.models import PlanarClassifier
X = np.random.RandomState(0).randn(2, 30)
history = fit(PlanarClassifier(), X, (X[:1] > 0).astype(float), iterations=30, learning_rate=0.5, engine="native")
print(repr(history.costs[29]))
"""


def answers(made: Machine) -> bool:
    import ctypes
    return bool(ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(made.address("half"))(3.0) == 1.5)


def only_file(folder: Path) -> Path:
    """The one file in a folder: no temporary file is left beside it."""
    [file] = folder.iterdir()
    return file


def run(code: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-I", "-W", "error", "-c", code], env={**os.environ, **environment},
                            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finished(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    return out


def test_code_is_kept_and_found_again(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "when needed"
    first = Machine(TEXT, folder)
    assert not first.was_cached and answers(first)
    content = only_file(folder).read_bytes()
    again, other = Machine(TEXT, folder), Machine(TEXT.replace("0.5", "0.25"), folder)
    assert again.was_cached and answers(again) and not other.was_cached and not answers(other)
    assert len(list(folder.iterdir())) == 2 and content in [file.read_bytes() for file in folder.iterdir()]


@pytest.mark.parametrize("damage", [
    lambda b: b"", lambda b: b[:20], lambda b: b[:32], lambda b: b[:-1], lambda b: b + b"\0",
    lambda b: b[:-1] + bytes([b[-1] ^ 1]), lambda b: bytes([b[0] ^ 128]) + b[1:], lambda b: b"\0" * len(b)],
    ids=["empty", "half a digest", "digest", "truncated", "longer", "last bit", "first bit", "zeros"])
def test_a_damaged_file_is_replaced(damage: Any, tmp_path: Path) -> None:
    Machine(TEXT, tmp_path)
    file = only_file(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    repaired = Machine(TEXT, tmp_path)
    assert not repaired.was_cached and answers(repaired)
    assert only_file(tmp_path).read_bytes() == whole
    assert Machine(TEXT, tmp_path).was_cached


def test_only_what_this_user_alone_can_write_is_run(tmp_path: Path) -> None:
    Machine(TEXT, tmp_path / "kept")
    file = only_file(tmp_path / "kept")
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    other = tmp_path / "kept" / f"{'0' * 64}.o"
    other.write_bytes(file.read_bytes())
    assert CachedCode(tmp_path / "kept", "0" * 64).read() is None  # code that was made for something else
    other.unlink()
    for path, mode in ((file, 0o666), (file, 0o620), (file.parent, 0o777), (file.parent, 0o730)):
        before = path.stat().st_mode & 0o777
        path.chmod(mode)
        made = Machine(TEXT, file.parent)
        assert not made.was_cached and answers(made), f"{path.name} with mode {mode:o} was used"
        path.chmod(before)
    file.rename(tmp_path / "elsewhere.o")
    file.symlink_to(tmp_path / "elsewhere.o")
    assert CachedCode(file.parent, file.stem).read() is None
    file.unlink()
    os.mkfifo(file)
    assert CachedCode(file.parent, file.stem).read() is None
    file.unlink()
    Machine(TEXT, file.parent)
    file.parent.chmod(0o755)  # as earlier versions made it
    assert Machine(TEXT, file.parent).was_cached and file.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_what_belongs_to_another_user_is_not_run(tmp_path: Path) -> None:
    Machine(TEXT, tmp_path / "kept")
    file = only_file(tmp_path / "kept")
    for path in (file, file.parent):
        os.chown(path, 12345, 12345)
        assert CachedCode(file.parent, file.stem).read() is None
        os.chown(path, 0, 0)
    assert CachedCode(file.parent, file.stem).read() is not None


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "LARGEST", 3500)
    for number in range(5):
        CachedCode(tmp_path, f"{number}").write(bytes(1000))
        os.utime(tmp_path / f"{number}.o", (number, number))
        if number == 2:
            assert CachedCode(tmp_path, "0").read() == bytes(1000)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["0.o", "3.o", "4.o"]


def test_a_folder_that_cannot_be_written_is_no_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    for folder in (tmp_path / "file", tmp_path / "file" / "below", Path(os.devnull) / "x"):
        for _ in range(2):
            made = Machine(TEXT, folder)
            assert not made.was_cached and answers(made)
    assert (tmp_path / "file").read_text() == "not a folder"
    Machine(TEXT, tmp_path / "folder")
    name = only_file(tmp_path / "folder").name
    (tmp_path / "taken" / name).mkdir(parents=True)  # a folder has the name of the file
    assert answers(Machine(TEXT, tmp_path / "taken"))


def test_nobodys_home_is_no_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where ~ is not known, nothing is written, least of all into a folder called ~."""
    for name in ("HOME", "XDG_CACHE_HOME", "USERPROFILE", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: f"~/.cache/{name}")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    monkeypatch.chdir(tmp_path)
    made = Machine(TEXT)
    assert not made.was_cached and answers(made) and not list(tmp_path.iterdir())


def test_the_users_cache_is_the_usual_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinygrad_course.files.cache_dir", lambda: tmp_path)
    assert not Machine(TEXT).was_cached and Machine(TEXT).was_cached
    assert only_file(tmp_path / "compiled").suffix == ".o"


def test_two_processes_compile_the_same_at_once(tmp_path: Path) -> None:
    processes = [run(TRAIN, XDG_CACHE_HOME=str(tmp_path), LOCALAPPDATA=str(tmp_path)) for _ in range(2)]
    costs = [finished(process) for process in processes]
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) == 1 and files[0].suffix == ".o" and costs[0] == costs[1]
    code = files[0].read_bytes()
    assert finished(run(TRAIN, XDG_CACHE_HOME=str(tmp_path), LOCALAPPDATA=str(tmp_path))) == costs[0]
    assert files[0].read_bytes() == code


# ------------------------------------------------------------------------------------------------------- processors


@pytest.fixture
def baseline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As on the oldest processor of this architecture."""
    monkeypatch.setattr(machine, "processor", lambda: ("", ""))
    machine.lanes.cache_clear()
    yield
    machine.lanes.cache_clear()


def test_code_of_another_processor_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not Machine(TEXT, tmp_path).was_cached
    name, features = machine.processor()
    for other in ((name, features + ",+fma"), (name, features.partition(",")[2]), ("generic", features), ("", "")):
        monkeypatch.setattr(machine, "processor", lambda: other)
        assert not Machine(TEXT, tmp_path).was_cached
    monkeypatch.setattr(machine, "processor", lambda: (name, features))
    assert Machine(TEXT, tmp_path).was_cached


def test_code_of_another_llvm_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not Machine(TEXT, tmp_path).was_cached
    monkeypatch.setattr(machine.llvm(), "llvm_version_info", (1, 2, 3))
    assert not Machine(TEXT, tmp_path).was_cached


def test_only_features_of_this_processor_are_used() -> None:
    features = dict((part[1:], part[0]) for part in machine.processor()[1].split(","))
    assert features == {name: "+" if has else "-" for name, has in machine.llvm().get_host_cpu_features().items()}


@pytest.mark.parametrize("features, lanes", [
    ("", 2), ("+sse2,-avx,-avx2,-avx512f", 2), ("+sse2,+avx,-avx2,-avx512f", 4), ("+avx2", 4), ("+avx,+avx512f", 8),
    ("+neon", 2)])
def test_lanes(features: str, lanes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "processor", lambda: ("", features))
    assert machine.lanes.__wrapped__() == lanes


def test_the_oldest_processor_computes_the_same(baseline: None, tmp_path: Path,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    """Without AVX and fused multiplication, for every kind of loop of a network; only the last bits may differ."""
    assert machine.lanes() == 2
    monkeypatch.setattr("tinygrad_course.files.cache_dir", lambda: tmp_path)
    random = np.random.RandomState(0)
    X = random.randn(5, 19)
    Y = (X[:1] > X[1:2]).astype(float)
    ends = []
    for engine in ("native", "eager"):
        network = DeepNetwork([5, 7, 3, 1])
        costs = list(fit(network, X, Y, iterations=25, learning_rate=0.5, engine=engine).costs.values())
        ends.append([costs, *(p.numpy() for p in network.parameters())])
    for native, eager in zip(*ends):
        np.testing.assert_allclose(native, eager, rtol=1e-12, atol=1e-14)
    assert only_file(tmp_path / "compiled").suffix == ".o"  # made for this test, not taken from the user's cache

    class Functions(DeepNetwork):
        def cost(self, X: Any, Y: Any) -> Tensor:
            Z = self.layers[0](X)
            steps = (np.abs(Z), np.expm1(Z), np.log1p(np.square(Z)), np.exp(-Z), (Z * Z + 1) ** 0.3, np.maximum(Z, 0.2),
                     Z.logsumexp(axis=0))
            return sum((step.sum() for step in steps), Tensor(0.0))

    costs = {}
    for engine in ("native", "eager"):
        history = fit(Functions([5, 7, 1]), X, Y, iterations=5, learning_rate=1e-4, engine=engine)
        costs[engine] = list(history.costs.values())
    np.testing.assert_allclose(costs["native"], costs["eager"], rtol=1e-12)


# ------------------------------------------------------------------------------------------------- without llvmlite


WITHOUT = """
import sys
sys.modules["llvmlite"] = None
import numpy as np
from tinygrad_course import InputError, fit
from tinygrad_course.models import PlanarClassifier
X = np.random.RandomState(0).randn(2, 30)
Y = (X[:1] > 0).astype(float)
try:
    fit(PlanarClassifier(), X, Y, iterations=30, learning_rate=0.5, engine="native")
except InputError as error:
    print(error)
history = fit(PlanarClassifier(), X, Y, iterations=30, learning_rate=0.5)
print(history.engine, history.why)
"""


def test_without_llvmlite(tmp_path: Path) -> None:
    """The error says how to install it; `auto` trains as NumPy code and says why."""
    error, engine = finished(run(WITHOUT, XDG_CACHE_HOME=str(tmp_path))).splitlines()
    assert error == machine.MISSING and "pip install llvmlite" in error
    assert engine.startswith("numpy ") and machine.MISSING in engine
    assert not list(tmp_path.iterdir())
