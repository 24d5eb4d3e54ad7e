"""Models come back from files bit for bit, and every damaged or foreign file is refused in one line."""

import errno
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tinygrad_course import InputError, Tensor, fit, nn, predict
from tinygrad_course.training import checkpoint
from tinygrad_course.models import DeepNetwork, LogisticRegression, PlanarClassifier, TwoLayerNetwork
from tinygrad_course.training import History

PREPROCESSING = {"num_px": 64, "divide_by": 255, "layout": "flattened to columns"}
HISTORY = History(costs={0: 0.6931471805599453, 100: 1 / 3, 200: float("inf")}, iterations=250, seconds=1.25,
                  learning_rate=0.0075, engine="eager", stopped="interrupted after iteration 249")


def small_network() -> DeepNetwork:
    """With 10 parameters: from 9 on HDF5 keeps a group's names in another way."""
    return DeepNetwork([5, 4, 3, 3, 2, 1])


class Own(nn.Module):
    """A learner's module, with names that HDF5 would take for groups."""

    def __init__(self, n_h: int = 3, dtype: Any = None):
        self.layers = [nn.Linear(2, n_h, dtype=dtype), nn.Linear(n_h, 1, dtype=dtype)]
        self.scales = {"a/b %2F": Tensor(np.ones((1, 1)), requires_grad=True, dtype=dtype)}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return checkpoint.save(tmp_path / "model.h5", small_network(), history=HISTORY,
                           preprocessing=PREPROCESSING, classes=["non-cat", "cat"])


def same(one: nn.Module, other: nn.Module) -> bool:
    """Same names in the same order, same dtypes, same bits."""
    return ([(name, p.dtype, p.numpy().tobytes()) for name, p in one.named_parameters()]
            == [(name, p.dtype, p.numpy().tobytes()) for name, p in other.named_parameters()])


def refused(path: Path, message: str, load: Callable[[Path], object] = checkpoint.load) -> None:
    with pytest.raises(InputError, match=message) as raised:
        load(path)
    assert str(path) in str(raised.value) and "\n" not in str(raised.value)


# --- what is saved comes back ---------------------------------------------------------------------

@pytest.mark.parametrize("model", [LogisticRegression(6), PlanarClassifier(3, 5, 2), TwoLayerNetwork(6, 3, 1),
                                   small_network()], ids=lambda model: type(model).__name__)
def test_course_models(model: nn.Module, tmp_path: Path) -> None:
    random = np.random.RandomState(0)
    for parameter in model.parameters():
        parameter.data = random.randn(*parameter.shape)
    path = checkpoint.save(tmp_path / "model.h5", model)
    loaded = checkpoint.load(path)
    assert type(loaded.model) is type(model)
    assert loaded.model.config() == model.config()
    assert same(loaded.model, model)
    assert (loaded.history, loaded.preprocessing, loaded.classes, loaded.path) == (None, {}, (), path)


def test_everything_else(saved: Path) -> None:
    from tinygrad_course import __version__

    loaded = checkpoint.load(saved)
    assert loaded.history == HISTORY
    assert list(loaded.history.costs) == [0, 100, 200]
    assert loaded.preprocessing == PREPROCESSING
    assert loaded.classes == ("non-cat", "cat")
    assert loaded.library_version == __version__


def test_trained_model_predicts_the_same_and_trains_on(tmp_path: Path) -> None:
    random = np.random.RandomState(0)
    X, Y = random.randn(2, 40), (random.rand(1, 40) > 0.5).astype(float)
    model = PlanarClassifier()
    history = fit(model, X, Y, iterations=20, learning_rate=1.2)
    loaded = checkpoint.load(checkpoint.save(str(tmp_path / "model.h5"), model, history=history))
    assert loaded.history == history
    assert np.array_equal(predict(loaded.model, X), predict(model, X))
    for each in (model, loaded.model):
        fit(each, X, Y, iterations=20, learning_rate=1.2)
    assert same(loaded.model, model)


@pytest.mark.parametrize("values", [[np.nan, np.inf, -np.inf], [-0.0, 5e-324, np.finfo(float).max]])
def test_unusual_numbers(values: list[float], tmp_path: Path) -> None:
    model = LogisticRegression(3)
    model.w.data = np.array(values).reshape(3, 1)
    assert same(checkpoint.load(checkpoint.save(tmp_path / "model.h5", model)).model, model)


def test_dtypes_are_kept(tmp_path: Path) -> None:
    model = LogisticRegression(3)
    model.w = Tensor(np.full((3, 1), 0.1, np.float32), requires_grad=True)
    assert same(checkpoint.load(checkpoint.save(tmp_path / "model.h5", model)).model, model)


def test_own_module(tmp_path: Path) -> None:
    model, other = Own(), Own()
    path = checkpoint.save(tmp_path / "model.h5", model)
    assert not same(model, other)
    loaded = checkpoint.load_into(path, other)
    assert loaded.model is other and same(model, other)
    refused(path, r"Own .*not one of the course's models \(DeepNetwork, .*use load_into")


def test_a_users_class_with_a_name_of_the_course(tmp_path: Path) -> None:
    """It must not be made as the course's, which computes something else with the same parameters."""
    own = type("DeepNetwork", (DeepNetwork,), {
        "__module__": "homework", "forward": lambda self, X: 1 - DeepNetwork.forward(self, X)})
    path = checkpoint.save(tmp_path / "model.h5", own([2, 3, 1]))
    refused(path, "holds a DeepNetwork from homework, which is not one of the course's models")
    other = own([2, 3, 1], seed=2)
    assert checkpoint.load_into(path, other).model is other and same(other, own([2, 3, 1]))


def test_long_texts_and_other_languages(tmp_path: Path) -> None:
    classes = [f"Kätzchen 小猫 {number}" for number in range(20000)]
    path = checkpoint.save(tmp_path / "Kätzchen.h5", LogisticRegression(2), classes=classes,
                           preprocessing={"mean": np.arange(3.0), "num_px": np.int64(64)})
    loaded = checkpoint.load(path)
    assert loaded.classes == tuple(classes)
    assert loaded.preprocessing == {"mean": [0.0, 1.0, 2.0], "num_px": 64}


def test_file_can_be_read_with_plain_hdf5(saved: Path) -> None:
    with h5py.File(saved) as file:
        assert list(file["parameters"]) == ["W1", "b1", "W2", "b2", "W3", "b3", "W4", "b4", "W5", "b5"]
        assert np.array_equal(file["parameters/W1"][()], small_network().state_dict()["W1"])
        assert file["history/iterations"][()].tolist() == [0, 100, 200]
        assert file.attrs["classes"] == b'["non-cat", "cat"]'


@pytest.mark.parametrize("arguments, message", [
    ({"classes": "cat"}, "classes is 'cat': expected a list of names"),
    ({"classes": [b"cat"]}, "classes is .*expected a list of names"),
    ({"preprocessing": {"by": Own}}, "preprocessing cannot be saved: type .*Own.*expected what JSON knows"),
    ({"preprocessing": {(1, 2): 3}}, "preprocessing cannot be saved: keys must be str"),
])
def test_what_cannot_be_saved(arguments: dict[str, Any], message: str, saved: Path) -> None:
    before = saved.read_bytes()
    with pytest.raises(InputError, match=message):
        checkpoint.save(saved, LogisticRegression(2), **arguments)
    assert saved.read_bytes() == before


# --- files that are damaged, or something else ----------------------------------------------------

def test_cut_short_anywhere(saved: Path) -> None:
    content = saved.read_bytes()
    for size in {*range(0, len(content), 17), *range(150), len(content) - 1}:
        saved.write_bytes(content[:size])
        refused(saved, "empty: " if size == 0 else "not a checkpoint|damaged, cut short or changed")


def test_every_changed_byte_is_noticed(saved: Path) -> None:
    content = saved.read_bytes()
    for position in {*range(150), *range(0, len(content), 17), len(content) - 1}:
        for change in (0x01, 0xff):
            damaged = bytearray(content)
            damaged[position] ^= change
            saved.write_bytes(damaged)
            refused(saved, "not a checkpoint|damaged, cut short or changed|update tinygrad_course")


def test_what_follows_the_end_is_noticed(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes() + b"more")
    refused(saved, "damaged, cut short or changed")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="none.h5: no such file$"):
        checkpoint.load(tmp_path / "none.h5")


def test_files_that_are_no_checkpoints(tmp_path: Path) -> None:
    refused(tmp_path, "not a file: expected a checkpoint")
    path = tmp_path / "model.h5"
    path.write_bytes(b"")
    refused(path, "empty: expected a file saved by checkpoint.save")
    path.write_text("W1 = 0")
    refused(path, "not a checkpoint: expected a file saved by checkpoint.save")
    with h5py.File(path, "w") as file:
        file["train_set_x"] = [1]
    refused(path, "an HDF5 file, but no checkpoint: expected a file saved by checkpoint.save")


def test_newer_format(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes().replace(b"format version 1", b"format version 2", 1))
    refused(saved, "has 'format version 2', but tinygrad_course .* reads 'format version 1': update tinygrad")


def test_changed_by_another_program(saved: Path) -> None:
    with h5py.File(saved, "r+") as file:
        file["parameters/W1"][0, 0] = 7.0
    refused(saved, "damaged, cut short or changed by another program: its sha256 is not the one")


def test_file_that_may_not_be_read(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tinygrad_course.files.os.open", refuse)
    with pytest.raises(PermissionError, match="model.h5: cannot be read: Permission denied$"):
        checkpoint.load(saved)


def changed(path: Path, change: Callable[[Any], None]) -> None:
    """Change a checkpoint as if a program that knows the format had written it so."""
    with h5py.File(path, "r+") as file:
        change(file)
    content = path.read_bytes()
    sha256 = hashlib.sha256(content[checkpoint.HEADER_SIZE:]).hexdigest()
    path.write_bytes(checkpoint._header(sha256) + content[checkpoint.HEADER_SIZE:])


def delete(name: str) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        del file[name]
    return change


def replace(name: str, value: Any) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        del file[name]
        file[name] = value
    return change


def attribute(name: str, text: str) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        file.attrs[name] = np.bytes_(text)
    return change


def architecture(module: str, name: str, **arguments: Any) -> Callable[[Any], None]:
    made = {"module": module, "class": name, "arguments": arguments}
    return attribute("architecture", json.dumps(made))


@pytest.mark.parametrize("change, message", [
    (architecture("__main__", "Cat"), "holds a Cat from __main__.*use load_into"),
    (architecture("tinygrad_course.models", "os"), "holds a os from .*use load_into"),
    (architecture("tinygrad_course.models", "DeepNetwork", n_x=5),
     "DeepNetwork cannot be made with {'n_x': 5}"),
    (architecture("tinygrad_course.models", "DeepNetwork", layer_dims=[5, 1]),
     "DeepNetwork there does not fit: DeepNetwork has the parameters W1, b1, but W1, b1, W2"),
    (attribute("architecture", "{}"), "cannot be understood .module"),
    (attribute("history", '{"unknown": 1}'), "cannot be understood .*unknown"),
    (attribute("classes", "[un"), "cannot be understood .Expecting value"),
    (delete("parameters/b5"), "b5, but W1, b1, W2, b2, W3, b3, W4, b4, W5 were given"),
    (lambda file: file.__setitem__("parameters/more", 1.0), "W5, b5, but .*, b5, more were given"),
    (replace("parameters/W1", np.zeros((4, 6))), r"W1 of DeepNetwork has shape \(4, 5\), but \(4, 6\)"),
    (replace("parameters/W1", np.zeros((4, 5), complex)), "W1 has dtype complex128: expected real numbers"),
    (replace("parameters/W1", np.zeros((4, 5), "S3")), r"W1 has dtype \|S3: expected real numbers"),
    (replace("history/costs", [0.5]), "cannot be understood"),
    (delete("history"), "cannot be understood"),
    (delete("parameters"), "cannot be understood"),
])
def test_whole_files_with_other_contents(saved: Path, change: Callable[[Any], None], message: str) -> None:
    changed(saved, change)
    refused(saved, message)


def test_load_into_a_model_that_differs(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path / "model.h5", Own())
    other = Own(n_h=4)
    before = other.state_dict()
    refused(path, r"Own there does not fit: layers.0.W of Own has shape \(4, 2\), but \(3, 2\) was given",
            lambda path: checkpoint.load_into(path, other))
    assert all(np.array_equal(value, before[name]) for name, value in other.state_dict().items())
    refused(path, "Own there does not fit: LogisticRegression has the parameters w, b, but",
            lambda path: checkpoint.load_into(path, LogisticRegression(2)))


def test_load_into_never_rounds(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path / "model.h5", Own())
    refused(path, "layers.0.W is float64 there but float32 in this Own, which would round it",
            lambda path: checkpoint.load_into(path, Own(dtype=np.float32)))
    single, double = Own(dtype=np.float32), Own()
    checkpoint.load_into(checkpoint.save(path, single), double)
    state = double.state_dict()
    assert all(np.array_equal(value, state[name]) for name, value in single.state_dict().items())


def test_of_other_byte_order(saved: Path) -> None:
    W1 = small_network().state_dict()["W1"]
    changed(saved, replace("parameters/W1", W1.astype(">f8")))
    assert same(checkpoint.load(saved).model, small_network())


# --- saving that fails ----------------------------------------------------------------------------

def test_full_disk_keeps_the_old_checkpoint(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match=re.escape(f"{saved}: cannot be written: the disk is full")):
        checkpoint.save(saved, LogisticRegression(2))
    assert same(checkpoint.load(saved).model, small_network())
    assert os.listdir(saved.parent) == [saved.name]


@pytest.mark.skipif(sys.platform == "win32", reason="limits on the size of files exist on Unix")
def test_limit_on_the_size_of_files_keeps_the_old_checkpoint(saved: Path) -> None:
    program = f"""
import resource
from tinygrad_course import checkpoint
from tinygrad_course.models import LogisticRegression
model = LogisticRegression(100_000)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    checkpoint.save({str(saved)!r}, model)
except OSError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60,
                          cwd=saved.parent)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{saved}: cannot be written: the file is larger than is allowed here")
    assert same(checkpoint.load(saved).model, small_network())


def test_places_that_cannot_be_written(saved: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no folder .*: make it first"):
        checkpoint.save(saved.parent / "none" / "model.h5", LogisticRegression(2))
    with pytest.raises(NotADirectoryError, match="is not a folder"):
        checkpoint.save(saved / "model.h5", LogisticRegression(2))
    with pytest.raises(InputError, match="this is a folder"):
        checkpoint.save(saved.parent, LogisticRegression(2))


def test_killed_while_saving(tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    program = f"""
import itertools
from tinygrad_course import checkpoint
from tinygrad_course.models import LogisticRegression
model = LogisticRegression(20_000)
for number in itertools.count():
    model.w.data = model.w.numpy() * 0 + number
    checkpoint.save({str(path)!r}, model)
    if number == 0:
        print("saving", flush=True)
"""
    for milliseconds in range(0, 50, 10):
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True,
                              cwd=tmp_path) as process:
            assert process.stdout is not None and process.stdout.readline() == "saving\n"
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(milliseconds / 1000)
            process.kill()
        model = checkpoint.load(path).model
        assert isinstance(model, LogisticRegression)
        assert np.ptp(model.w.numpy()) == 0  # all from one and the same save
