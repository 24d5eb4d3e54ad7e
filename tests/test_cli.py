"""The command `tgc`, run as a process, as users run it."""

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from command import TGC, Done, environment
from PIL import Image

import tinygrad_course
from tinygrad_course import data, nn
from tinygrad_course.training import checkpoint
from tinygrad_course.models import PlanarClassifier, TwoLayerNetwork

FLOWER = ["Cost after iteration 0: 0.693048", "Cost after iteration 1000: 0.288083"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of every kind, good and bad. Nothing may be added to them: see `tgc`."""
    folder = tmp_path_factory.mktemp("tgc")
    (folder / "images").mkdir()
    write_images(folder / "images/data.h5")
    (folder / "one of two").mkdir()
    write_images(folder / "one of two/train_catvnoncat.h5", parts=("train",))
    write_images(folder / "wrong names.h5", suffix="_orig")
    write_images(folder / "whole.h5")
    (folder / "cut.h5").write_bytes((folder / "whole.h5").read_bytes()[:1000])
    (folder / "empty.h5").touch()
    (folder / "text.h5").write_text("train_set_x")
    (folder / "empty folder").mkdir()

    images = {"num_px": 4, "divide_by": 255, "layout": "flattened to columns"}
    model = TwoLayerNetwork(48, 3, 1)
    model.parameters()[-1].data = np.array([[2.0]])  # a cat, whatever the picture
    checkpoint.save(folder / "model.h5", model, preprocessing=images, classes=["non-cat", "cat"])
    checkpoint.save(folder / "three classes.h5", TwoLayerNetwork(48, 3, 3), preprocessing=images)
    checkpoint.save(folder / "other size.h5", TwoLayerNetwork(12, 3, 1), preprocessing=images, classes=["a", "b"])
    checkpoint.save(folder / "points.h5", PlanarClassifier())
    checkpoint.save(folder / "own.h5", nn.Linear(48, 1), preprocessing=images, classes=["a", "b"])
    (folder / "cut model.h5").write_bytes((folder / "model.h5").read_bytes()[:3000])

    pixels = np.random.RandomState(0).randint(0, 256, (30, 40, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(folder / "picture.png")
    Image.fromarray(255 - pixels).save(folder / "other picture.jpg")
    (folder / "cut.png").write_bytes((folder / "picture.png").read_bytes()[:500])
    return folder


def write_images(file: Path, parts: tuple[str, ...] = ("train", "test"), suffix: str = "") -> None:
    random = np.random.RandomState(0)
    with h5py.File(file, "w") as opened:
        opened.attrs["stand_in"] = True
        for part, m in zip(parts, (12, 5)):
            opened[f"{part}_set_x{suffix}"] = random.randint(0, 256, (m, 4, 4, 3)).astype(np.uint8)
            opened[f"{part}_set_y{suffix}"] = np.arange(m) % 2


@pytest.fixture
def tgc(folder: Path, tmp_path: Path) -> Callable[..., Done]:
    """Runs `tgc` among these files, and sees to it that none of them is touched."""
    def run(*arguments: str | bytes, **changes: str) -> Done:
        def look() -> dict[str, float]:
            return {str(path): path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}
        before = look()
        done = subprocess.run([*TGC, *arguments], capture_output=True, text=True, cwd=folder, timeout=300,
                              env=environment(tmp_path / "cache", **changes))
        assert look() == before
        return done
    return run


def lines(done: Done) -> list[str]:
    """What a run that went well printed."""
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


# --- help -----------------------------------------------------------------------------------------

def test_version_and_the_entry_point(tmp_path: Path) -> None:
    command = [str(Path(sysconfig.get_path("scripts")) / "tgc"), "--version"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(tmp_path), timeout=60)
    assert lines(done) == [f"tgc {tinygrad_course.__version__}"]


def test_module_is_the_command(tgc: Callable[..., Done]) -> None:
    assert lines(tgc("--version")) == [f"tgc {tinygrad_course.__version__}"]


@pytest.mark.parametrize("group", [[], ["data"]], ids=["tgc", "tgc data"])
def test_without_arguments_help_is_printed(group: list[str], tgc: Callable[..., Done]) -> None:
    assert lines(tgc(*group)) == lines(tgc(*group, "--help"))


@pytest.mark.parametrize("command, usage, words", [
    ([], "[OPTIONS] COMMAND [ARGS]...", ["data", "predict", "reproduce", "train", "--version", "-h, --help"]),
    (["reproduce"], "[OPTIONS] [MODEL]...", ["logistic, planar, two-layer, four-layer", "--data PATH", "--out PATH",
                                             "exit status"]),
    (["train"], "[OPTIONS] MODEL", ["logistic, planar, two-layer, four-layer", "--data PATH", "--iterations INTEGER",
                                    "--learning-rate FLOAT", "--seed", "--save PATH", "Ctrl-C", "noisy_moons"]),
    (["predict"], "[OPTIONS] FILE IMAGE...", ["tgc train --save"]),
    (["data"], "[OPTIONS] COMMAND [ARGS]...", ["fetch", "make", "info"]),
    (["data", "fetch"], "[OPTIONS]", ["--to PATH", "3 MB"]),
    (["data", "make"], "[OPTIONS] [PATH]", ["stand-in"]),
    (["data", "info"], "[OPTIONS]", ["--data PATH"]),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_help(command: list[str], usage: str, words: list[str], tgc: Callable[..., Done]) -> None:
    printed = lines(tgc(*command, "--help"))
    assert printed[0] == " ".join(["Usage: tgc", *command, usage])
    text = " ".join(" ".join(printed).split())
    assert [word for word in words if word not in text] == []
    assert max(map(len, printed)) <= 80
    assert not any(line.endswith("...") for line in printed[1:])  # no description is cut off
    assert lines(tgc(*command, "-h")) == printed


# --- errors: one line on standard error, exit status 2 --------------------------------------------

LONG = "x" * 300
ERRORS: list[tuple[str, str]] = [
    # (arguments, a part of what is said); a comma separates arguments
    ("learn", "No such command 'learn'"),
    ("--unknown", "No such option"),
    ("data,send", "No such command 'send'"),
    ("train,planar,--momentum,0.9", "No such option"),
    ("reproduce,deep", "'deep' is not one of 'logistic', 'planar', 'two-layer', 'four-layer'"),
    ("reproduce,planar,deep", "'deep' is not one of"),
    ("reproduce,--data,missing", "missing: no such file or folder"),
    ("reproduce,planar,--data,missing", "missing: no such file or folder"),
    ("reproduce,--data,empty folder", "no image data: looked for train_catvnoncat.h5 with test_catvnoncat.h5"),
    ("reproduce,--data,one of two", "test_catvnoncat.h5 with the test set is missing"),
    ("reproduce,--data,cut.h5", "cut.h5: an HDF5 file, but truncated or damaged"),
    ("reproduce,--data,empty.h5", "empty.h5: the file is empty"),
    ("reproduce,--data,text.h5", "text.h5: it begins with b'train_se'; expected an HDF5 file"),
    ("reproduce,--data,wrong names.h5", "found the datasets test_set_x_orig, test_set_y_orig, train_set_x_orig"),
    ("reproduce,--data,", "the name is empty"),
    ("reproduce,--data", "requires an argument"),
    ("reproduce,planar,--out,text.h5", "text.h5: the folder cannot be made: File exists"),
    ("reproduce,planar,--out,text.h5/results", "text.h5/results: the folder cannot be made: Not a directory"),
    ("reproduce,planar,--out,~no-such-user/results", "~no-such-user/results: there is no such user"),
    ("train", "Missing argument 'MODEL'"),
    ("train,deep", "'deep' is not one of"),
    ("train,planar,logistic", "unexpected extra argument"),
    ("train,logistic,--data,missing", "missing: no such file or folder"),
    ("train,logistic,--data,model.h5", "expected train_set_x"),
    ("train,planar,--data,images", "no kind 'images'; expected one of flower, noisy_circles"),
    ("train,planar,--data,noisy_moon", "did you mean 'noisy_moons'?"),
    ("train,planar,--iterations,-1", "iterations must be a whole number, at least 0, got -1"),
    ("train,planar,--iterations,many", "'many' is not a valid integer"),
    ("train,planar,--iterations,1.5", "'1.5' is not a valid integer"),
    ("train,planar,--learning-rate,0", "the learning rate must be a finite number, positive; got 0.0"),
    ("train,planar,--learning-rate,-0.1", "positive; got -0.1"),
    ("train,planar,--learning-rate,nan", "positive; got nan"),
    ("train,planar,--learning-rate,inf", "positive; got inf"),
    ("train,planar,--learning-rate,fast", "'fast' is not a valid float"),
    ("train,planar,--seed,-1", "-1 is not in the range"),
    ("train,planar,--seed,4294967296", "4294967296 is not in the range"),
    ("train,logistic,--seed,1", "--seed has no meaning for logistic: its weights start at zero"),
    ("train,two-layer,--data,images,--learning-rate,1e200,--save,new.h5", "the cost became"),
    ("train,four-layer,--data,images,--learning-rate,1e308,--save,new.h5", "A smaller learning rate than 1e+308 may"),
    ("train,planar,--learning-rate,0,--save,new.h5", "positive; got 0.0"),
    ("train,planar,--save,missing/new.h5", "missing/new.h5: cannot be written: there is no folder missing"),
    ("train,planar,--save,text.h5/new.h5", "text.h5/new.h5: cannot be written: there is no folder text.h5"),
    ("train,planar,--save,images", "images: this is a folder: give the name of a file in it"),
    ("train,planar,--save,", "the name is empty"),
    (f"train,planar,--save,{LONG}.h5", "the name is too long"),
    ("predict", "Missing argument 'FILE'"),
    ("predict,model.h5", "Missing argument 'IMAGE...'"),
    ("predict,missing.h5,picture.png", "missing.h5: no such file"),
    ("predict,images,picture.png", "images: not a file"),
    ("predict,empty.h5,picture.png", "empty.h5: empty"),
    ("predict,picture.png,picture.png", "picture.png: "),
    ("predict,images/data.h5,picture.png", "an HDF5 file, but no checkpoint"),
    ("predict,cut model.h5,picture.png", "cut model.h5: damaged"),
    ("predict,own.h5,picture.png", "holds a Linear from tinygrad_course.nn, which is not one of the course's models"),
    ("predict,points.h5,picture.png", "points.h5 holds a model that was not trained on images"),
    ("predict,other size.h5,picture.png", "(3, 12)"),
    ("predict,model.h5,missing.png", "missing.png: no such file"),
    ("predict,model.h5,picture.png,text.h5", "text.h5: not an image"),
    ("predict,model.h5,cut.png", "cut.png: the image is truncated or damaged"),
    ("predict,model.h5,images", "images: not a file"),
    ("predict,model.h5,two\nlines.png", "two lines.png: no such file"),
    ("data,make,text.h5/images", "cannot be written"),
    ("data,make,images,images", "unexpected extra argument"),
    ("data,info,--data,missing", "missing: no such file or folder"),
    ("data,fetch,--to,text.h5/images", "the folder cannot be made: Not a directory"),
]


def is_one_line(done: Done) -> str:
    """The one line on standard error; what was printed before it is not looked at."""
    assert done.returncode == 2, done
    assert "Traceback" not in done.stdout + done.stderr
    assert re.fullmatch(r"tgc: [^\n]+\n", done.stderr), done.stderr
    return done.stderr


@pytest.mark.parametrize("arguments, expected", ERRORS, ids=[arguments[:60] for arguments, _ in ERRORS])
def test_errors(arguments: str, expected: str, tgc: Callable[..., Done]) -> None:
    done = tgc(*arguments.split(","))
    assert expected in is_one_line(done)
    assert "Cost after iteration 100" not in done.stdout  # nothing was trained in vain


@pytest.mark.parametrize("place, expected", [
    ("missing", "missing (from the environment variable TGC_DATA): no such file or folder"),
    ("", "the environment variable TGC_DATA is empty"),
    ("~nosuch", "there is no such user"),
    ("empty folder", "in empty folder (from the environment variable TGC_DATA)"),
    ("cut.h5", "cut.h5: an HDF5 file, but truncated or damaged"),
])
@pytest.mark.parametrize("command", ["reproduce", "train,logistic", "data,info"])
def test_where_tgc_data_is_of_no_use(command: str, place: str, expected: str, tgc: Callable[..., Done]) -> None:
    done = tgc(*command.split(","), TGC_DATA=place)
    assert expected in is_one_line(done) and done.stdout == ""


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_places_that_may_not_be_written(tgc: Callable[..., Done], tmp_path: Path) -> None:
    protected = tmp_path / "protected"
    protected.mkdir()
    (protected / "old.h5").touch(0o400)
    protected.chmod(0o500)
    for arguments in (["train", "planar", "--save", f"{protected}/new.h5"], ["reproduce", "planar", "--out", protected],
                      ["train", "planar", "--save", f"{protected}/old.h5"], ["data", "make", protected],
                      ["reproduce", "planar", "--out", protected / "new"]):
        assert "iteration" not in tgc(*map(str, arguments)).stdout
        is_one_line(tgc(*map(str, arguments)))
    assert os.listdir(protected) == ["old.h5"]


def test_nothing_of_a_failed_training_replaces_an_old_file(tgc: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "old.h5").write_text("old")
    is_one_line(tgc("train", "two-layer", "--data", "images", "--learning-rate", "1e200", "--save",
                    str(tmp_path / "old.h5")))
    assert (tmp_path / "old.h5").read_text() == "old" and set(os.listdir(tmp_path)) <= {"old.h5", "cache"}


# --- data -----------------------------------------------------------------------------------------

def test_make_and_info(tgc: Callable[..., Done], tmp_path: Path) -> None:
    place = tmp_path / "new" / "folder"
    assert lines(tgc("data", "make", str(place))) == [f"stand-in images written to {place}/data.h5"]
    assert os.listdir(place) == ["data.h5"]
    expected = [f"stand-in images in {place}/data.h5", "stand-ins; 64 x 64 pixels, n_x = 12288", "",
                "       images  non-cat  cat",
                "train     209      137   72",
                "test       50       17   33"]
    assert lines(tgc("data", "info", "--data", str(place))) == expected
    assert lines(tgc("data", "info", "--data", str(place / "data.h5"))) == expected
    assert lines(tgc("data", "info", TGC_DATA=str(place))) == expected


def test_make_without_a_place_is_found_without_data(tgc: Callable[..., Done], tmp_path: Path) -> None:
    assert lines(tgc("data", "info"))[0] == "stand-in images drawn by tinygrad_course"
    file = tmp_path / "cache/tinygrad_course/data.h5"
    assert lines(tgc("data", "make")) == [f"stand-in images written to {file}"]
    assert lines(tgc("data", "info"))[0] == f"stand-in images in {file}"


def test_info_on_other_images(tgc: Callable[..., Done], folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "images/data.h5", tmp_path / "own.h5")
    with h5py.File(tmp_path / "own.h5", "r+") as opened:
        del opened.attrs["stand_in"]
        opened["list_classes"] = np.array([b"[red]dog", b"hen"])  # no mark-up either
    assert lines(tgc("data", "info", "--data", str(tmp_path / "own.h5")))[1:] == [
        "not the course's; 4 x 4 pixels, n_x = 48", "",
        "       images  [red]dog  hen",
        "train      12         6    6",
        "test        5         3    2"]


def test_info_on_the_courses_images(tgc: Callable[..., Done], images_folder: str) -> None:
    assert lines(tgc("data", "info", "--data", images_folder))[1:] == [
        "the course's own; 64 x 64 pixels, n_x = 12288", "",
        "       images  non-cat  cat",
        "train     209      137   72",
        "test       50       17   33"]


def test_fetch_where_nothing_can_be_reached(tgc: Callable[..., Done], tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9"
    start = time.monotonic()
    done = tgc("data", "fetch", "--to", str(tmp_path / "images"), https_proxy=nowhere, HTTPS_PROXY=nowhere,
               no_proxy="", NO_PROXY="")
    said = is_one_line(done)
    assert "train_catvnoncat.h5 could not be downloaded" in said and "no connection" in said and "tgc data make" in said
    assert time.monotonic() - start < 60
    assert list((tmp_path / "images").iterdir()) == []


# --- train and predict ----------------------------------------------------------------------------

def test_train_planar(tgc: Callable[..., Done], tmp_path: Path) -> None:
    file = tmp_path / "m.h5"
    printed = lines(tgc("train", "planar", "--iterations", "1200", "--save", str(file)))
    assert printed[0] == "PlanarClassifier" and printed[4] == "parameters: 12 + 5 = 17"
    assert printed[5:7] == FLOWER
    assert re.fullmatch(r"train accuracy: \d\d\.\d\d %", printed[7])
    assert printed[8:] == [f"saved to {file}"]
    loaded = checkpoint.load(file)
    assert loaded.history is not None and loaded.history.iterations == 1200 and loaded.history.learning_rate == 1.2
    X, Y = data.planar()
    accuracy = np.mean((loaded.model(X).numpy() > 0.5) == Y)
    assert printed[7] == f"train accuracy: {accuracy * 100:.2f} %"


def test_settings(tgc: Callable[..., Done], tmp_path: Path) -> None:
    def trained(*options: str) -> Any:
        lines(tgc("train", "planar", "--iterations", "3", *options, "--save", str(tmp_path / "m.h5")))
        return checkpoint.load(tmp_path / "m.h5")

    usual, slower, other = trained(), trained("--learning-rate", "1e-3"), trained("--seed", "7")
    circles = trained("--data", "noisy_circles")
    assert (usual.history.learning_rate, slower.history.learning_rate) == (1.2, 1e-3)
    assert usual.history.costs == slower.history.costs                  # both of iteration 0
    assert usual.history.costs != other.history.costs == trained("--seed", "7").history.costs
    assert usual.history.costs == trained("--seed", "2").history.costs  # the course's
    assert circles.history.costs != usual.history.costs
    untrained = trained("--iterations", "0").model.state_dict()
    assert all(np.array_equal(untrained[name], value) for name, value in PlanarClassifier().state_dict().items())


def test_train_on_images_and_predict(tgc: Callable[..., Done], tmp_path: Path, folder: Path) -> None:
    for model in ("logistic", "two-layer", "four-layer"):
        file = tmp_path / f"{model}.h5"
        printed = lines(tgc("train", model, "--data", "images", "--iterations", "201", "--save", str(file)))
        assert printed[0].startswith("using stand-in images in images/data.h5: numbers cannot be compared")
        assert [line.split(":")[0] for line in printed[-7 if model == "four-layer" else -6:]][-6:] == [
            "Cost after iteration 0", "Cost after iteration 100", "Cost after iteration 200",
            "train accuracy", "test accuracy", f"saved to {file}"]
        pictures = ["picture.png", "other picture.jpg"]
        loaded = checkpoint.load(file)
        for picture, line in zip(pictures, lines(tgc("predict", str(file), *pictures)), strict=True):
            y_hat = loaded.model(data.image_to_column(folder / picture, 4)).item()
            assert line == f"{picture}: {'cat' if y_hat > 0.5 else 'non-cat'} (y_hat = {y_hat:.4f})"


def test_predict_names_the_class(tgc: Callable[..., Done]) -> None:
    assert lines(tgc("predict", "model.h5", "picture.png"))[0].startswith("picture.png: cat (y_hat = 0.8")
    (line,) = lines(tgc("predict", "three classes.h5", "picture.png"))
    assert re.fullmatch(r"picture.png: class [012] \(y_hat = 0\.\d{4}, 0\.\d{4}, 0\.\d{4}\)", line)


def test_file_names_that_are_no_text(tgc: Callable[..., Done], folder: Path, tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xff\xe9.png"
    try:
        shutil.copy(os.fsencode(folder / "picture.png"), name)
    except OSError:
        pytest.skip("this disk has no such names")
    assert "\\udcff\\udce9.png: cat" in lines(tgc("predict", "model.h5", name))[0]


def test_home_folder(tgc: Callable[..., Done], tmp_path: Path) -> None:
    """No shell expands this one."""
    lines(tgc("train", "planar", "--iterations", "1", "--save=~/m.h5", HOME=str(tmp_path)))
    assert (tmp_path / "m.h5").is_file()


# --- pipes, full disks, Ctrl-C, terminals ---------------------------------------------------------

@pytest.mark.parametrize("arguments", ["--help", "reproduce planar", "train planar --iterations 3000"])
def test_a_reader_who_has_seen_enough(arguments: str, folder: Path, tmp_path: Path) -> None:
    command = f"'{sys.executable}' -W error -m tinygrad_course {arguments} | head -1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, cwd=folder, timeout=120,
                          env=environment(tmp_path))
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("arguments", [["--version"], ["train", "planar", "--iterations", "1"]])
def test_output_to_a_full_disk(arguments: list[str], tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([*TGC, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
                              cwd=tmp_path, env=environment(tmp_path))
    assert (done.returncode, done.stderr) == (2, "tgc: [Errno 28] No space left on device\n")


def interrupted(arguments: list[str], after: str, cwd: Path) -> Done:
    """A run that gets Ctrl-C as soon as it has printed a line that begins like the pattern `after`."""
    def not_ignored() -> None:  # as it is in programs that are started in the background
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with subprocess.Popen([*TGC, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd,
                          env=environment(cwd / "cache"), preexec_fn=not_ignored) as process:
        assert process.stdout is not None
        printed = ""
        for line in process.stdout:
            printed += line
            if re.match(after, line):
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, printed + out, err)


def test_ctrl_c_in_training_saves_what_was_trained(tmp_path: Path) -> None:
    done = interrupted(["train", "planar", "--iterations", "1000000000", "--save", "m.h5"], FLOWER[0], tmp_path)
    assert (done.returncode, done.stderr) == (130, "")
    *_, stopped, accuracy, saved = done.stdout.splitlines()
    assert accuracy.startswith("train accuracy: ") and saved == "saved to m.h5"
    history = checkpoint.load(tmp_path / "m.h5").history
    assert history is not None and history.iterations >= 1
    assert stopped == history.stopped
    assert stopped.startswith(f"interrupted after iteration {history.iterations - 1}, cost 0.")


def test_ctrl_c_in_reproduce_keeps_what_is_complete(tmp_path: Path) -> None:
    first_row = r" +0  0\.\d{15}"
    done = interrupted(["reproduce", "planar", "two-layer", "--out", "out"], first_row, tmp_path)
    assert (done.returncode, done.stderr) == (130, "\ntgc: interrupted\n")
    assert sorted(os.listdir(tmp_path / "out")) == ["planar.h5", "results.json"]
    checkpoint.load(tmp_path / "out/planar.h5")
    assert "Two-layer network" in done.stdout and "everything that can match" not in done.stdout


def test_lines_and_progress_bar_do_not_mix_on_a_terminal(tmp_path: Path) -> None:
    terminal, other_end = pty.openpty()
    environ = environment(tmp_path, TERM="xterm-256color")
    with subprocess.Popen([*TGC, "reproduce", "planar"], stdin=other_end, stdout=other_end, stderr=other_end,
                          cwd=tmp_path, env=environ) as process:
        os.close(other_end)
        seen = b""
        try:
            while received := os.read(terminal, 65536):
                seen += received
        except OSError:  # how Linux says that the other end was closed
            pass
        os.close(terminal)
        assert process.wait(60) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode())
    printed = re.split(r"[\r\n]+", text)
    assert any(re.match(r"iteration +\d+/10000 ", line) for line in printed)
    assert "        0  0.693048  0.693048  2.0e-08" in printed
    assert all(line.split()[0].isdigit() for line in printed if "  0.217504  " in line)
    assert max(map(len, printed)) <= 80
