"""The command `tgc`. Each command is thin: it reads its arguments, calls the library and prints."""
from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click
import numpy as np

import tinygrad_course
from tinygrad_course import data, interruption
from tinygrad_course.course import exercises as course
from tinygrad_course.errors import InputError, printable
from tinygrad_course.files import check_writable

INTERRUPTED = 130  # the exit status of programs that end by Ctrl-C


def path(name: str) -> str:
    """A file or folder that was given; the `~` of a home folder is expanded, as no shell does in `--save=~/m.h5`."""
    expanded = os.path.expanduser(name)
    if not expanded:
        raise click.BadParameter("the name is empty")
    if expanded.startswith("~"):
        raise click.BadParameter(f"{name}: there is no such user; a name that begins so is written ./{name}")
    return expanded


MODEL = click.Choice(list(course.EXERCISES))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `tgc`: exit status 0 for success, 1 where results are not as they should be, 2 for bad input.

    Whatever a user can mend is one line on standard error, never a traceback. After Ctrl-C the status is 130.
    """
    interruption.end()
    _open_closed_streams()
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) == signal.SIG_DFL:
            signal.signal(getattr(signal, name), _terminate)
    if isinstance(sys.stdout, io.TextIOWrapper):  # each line at once, also into a pipe; any file name can be printed
        sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
    try:
        status = tgc.main(arguments, prog_name="tgc", standalone_mode=False)
        sys.stdout.flush()
        sys.exit(status if isinstance(status, int) else 0)
    except click.ClickException as error:
        _fail(error.format_message())
    except BrokenPipeError:  # whoever read our output, such as `head`, has seen enough
        _discard_output()
        sys.exit(1)
    except (InputError, OSError) as error:
        _fail(_said(error))
    except MemoryError:
        _fail("there is not enough memory for this")
    except (click.Abort, KeyboardInterrupt):
        print("tgc: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    finally:  # nothing is left to be done: from here on Ctrl-C ends Python at once, without a word
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)


def _terminate(number: int, frame: Any) -> NoReturn:
    """End as after Ctrl-C: what is half written is removed on the way out."""
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


def _open_closed_streams() -> None:
    """`tgc ... >&-` starts without standard output, and the next file that is opened would be in its place."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or open(os.devnull, "w")
    sys.stderr = sys.stderr or open(os.devnull, "w")


def say(text: str) -> None:
    """Print a line in which there may be what others wrote: file names, names of classes."""
    print(printable(text))


def _said(error: Exception) -> str:
    """The message of an error; that of a plain OSError begins with its number, which helps nobody."""
    if isinstance(error, OSError) and error.filename and str(error).startswith("[Errno"):
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    return str(error)


def _fail(message: str) -> None:
    print("tgc: " + printable(" ".join(line.strip() for line in message.splitlines())), file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:  # the disk is full: Python would try again and complain at the end
        _discard_output()
    sys.exit(2)


def _discard_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Commands(click.Group):
    """A group of commands: without one it prints its help."""

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        return super().parse_args(context, arguments or ["--help"])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(tinygrad_course.__version__, prog_name="tgc", message="%(prog)s %(version)s")
def tgc() -> None:
    """Train the models of the course "Neural Networks and Deep Learning" by automatic differentiation."""


@tgc.command()
@click.argument("models", nargs=-1, type=MODEL, metavar="[MODEL]...")
@click.option("--data", "folder", type=path, help="Folder or file with the course's images.")
@click.option("--out", type=path, help="Folder for a report, index.html, the trained models and results.json.")
def reproduce(models: tuple[str, ...], folder: str | None, out: str | None) -> int:
    """Train the course's models, every number beside the course's.

    MODEL is one of: logistic, planar, two-layer, four-layer; all of them by default. Without the course's images,
    which `tgc data fetch` downloads, stand-ins are used and there is nothing to compare with. The exit status is 0 if
    everything that can match does, else 1.
    """
    from tinygrad_course.course import reproduce as reproduction

    if out is not None:
        from tinygrad_course.visualize.report import write_report  # what it needs is missing? Say so before training
    chosen = [course.EXERCISES[name] for name in dict.fromkeys(models or course.EXERCISES)]
    images = None
    if folder is not None or any(exercise.images for exercise in chosen):
        images = _images(folder)
    written = [*(f"{exercise.name}.h5" for exercise in chosen), "results.json", "index.html"]
    target = None if out is None else _new_folder(Path(out), written)
    if images is not None and not images.is_course_data:
        say(_without_course_column(images))

    results = []
    for exercise in chosen:
        results.append(result := reproduction.run(exercise, images))
        if target is not None:  # at once, for those who do not wait for the last model
            _save(target / f"{exercise.name}.h5", result.model, result.history, images if exercise.images else None)
            reproduction.write_results(target / "results.json", results)
    if target is not None:
        print()
        say(f"report: {write_report(target, results, images)}; models and results.json are beside it")
    different = [result.exercise.name for result in results if result.mismatches()]
    print(f"\nnot as in the course: {', '.join(different)}" if different else
          "\neverything that can match the course does")
    return 1 if different else 0


@tgc.command()
@click.argument("model", type=MODEL, metavar="MODEL")
@click.option("--data", "source", type=path, help="Folder or file with images; for planar, the name of a set.")
@click.option("--iterations", type=int, help="Number of updates; by default the course's.")
@click.option("--learning-rate", type=float, help="By default the course's.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="For the initial weights; by default the course's.")
@click.option("--save", "file", type=path, help="Write the trained model to this HDF5 file.")
def train(model: str, source: str | None, iterations: int | None, learning_rate: float | None, seed: int | None,
          file: str | None) -> int:
    """Train one model.

    MODEL is one of: logistic, planar, two-layer, four-layer. planar is trained on points in the plane: flower,
    noisy_circles, noisy_moons, blobs or gaussian_quantiles; the others on images. Ctrl-C ends training: what was
    trained until then is tested and saved, and the exit status is 130.
    """
    from tinygrad_course.nn import summary
    from tinygrad_course.training.fit import accuracy, fit

    exercise = course.EXERCISES[model]
    if seed is not None and model == "logistic":
        raise InputError("--seed has no meaning for logistic: its weights start at zero")
    target = None if file is None else _writable(Path(file))
    images = _images(source) if exercise.images else None
    if images is None:
        parts = {"train": data.planar("flower" if source is None else source)}
    else:
        parts = {"train": (images.X_train, images.Y_train), "test": (images.X_test, images.Y_test)}
        if images.stand_in:
            say(_without_course_column(images))
    X, Y = parts["train"]
    network = exercise.make(X.shape[0], **({} if seed is None else {"seed": seed}))
    print(summary(network, X.shape[1]))
    history = fit(network, X, Y, iterations=exercise.iterations if iterations is None else iterations,
                  learning_rate=exercise.learning_rate if learning_rate is None else learning_rate,
                  print_cost=exercise.print_every)
    for part, (examples, labels) in parts.items():
        print(f"{part} accuracy: {accuracy(network, examples, labels) * 100:.2f} %")
    if target is not None:
        _save(target, network, history, images)
        say(f"saved to {target}")
    return INTERRUPTED if history.stopped else 0


@tgc.command()
@click.argument("file", type=path)
@click.argument("images", nargs=-1, required=True, type=path, metavar="IMAGE...")
def predict(file: str, images: tuple[str, ...]) -> None:
    """Classify image files with a trained model.

    FILE holds the model, as `tgc train --save` or `tgc reproduce --out` wrote it.
    """
    from tinygrad_course import training
    from tinygrad_course.training import checkpoint

    loaded = checkpoint.load(file)
    num_px = loaded.preprocessing.get("num_px")
    sizes = loaded.model.config()
    n_x = sizes["n_x"] if "n_x" in sizes else sizes["layer_dims"][0]
    if not isinstance(num_px, int):
        raise InputError(f"{file} holds a model that was not trained on images: it cannot classify them")
    if num_px < 1 or 3 * num_px**2 != n_x:
        shape = next(iter(loaded.model.parameters())).shape
        raise InputError(f"{file}: images of num_px = {str(num_px)[:20]} do not give the {n_x} numbers that the model "
                         f"takes: its first parameter has shape {shape}")
    for image, column in [(image, data.image_to_column(image, num_px)) for image in images]:
        label = training.predict(loaded.model, column).item()
        name = loaded.classes[label] if label < len(loaded.classes) else f"class {label}"
        y_hat = ", ".join(f"{value:.4f}" for value in loaded.model(column).numpy().ravel())
        say(f"{image}: {name} (y_hat = {y_hat})")


@tgc.command()
@click.argument("target", metavar="FILE|MODEL")
@click.option("--time-limit", type=click.FloatRange(min=0, min_open=True), default=10.0, show_default=True,
              help="Seconds that each of the file's functions may take.")
@click.option("--hint", type=click.IntRange(1, 3), default=2, show_default=True,
              help="How much is said of a mistake: 1 where it is, 2 of what kind, too, 3 what would be right, too.")
@click.option("--details", is_flag=True, help="Norms and angles, where a mistake is not recognised.")
@click.option("--json", "as_json", is_flag=True, help="Everything that was found, for programs.")
def check(target: str, time_limit: float, hint: int, details: bool, as_json: bool) -> int:
    """Check gradients written by hand, and say what the mistake is.

    FILE is a learner's .py or .ipynb: each of the course's functions in it is checked. The code at the top of the
    file runs too: as you, in a process of its own and in a throw-away copy of the file's folder. MODEL is one of:
    logistic, planar, two-layer, four-layer: our own closed form, beside autodiff and finite differences. The exit
    status is 1 if anything is wrong, 2 if nothing could be checked, and 0 otherwise.
    """
    from rich import print as show

    if target in course.EXERCISES:
        from tinygrad_course.compare import compare_gradients
        images = _images(None) if course.EXERCISES[target].images else None
        X, Y = data.planar() if images is None else (images.X_train, images.Y_train)
        comparison = compare_gradients(_model(target), X, Y)
        show(comparison)
        return 0 if comparison.ok else 1
    from tinygrad_course.checking import check_file
    report = check_file(target, time_limit=time_limit, hint=hint)
    report.with_details = details
    if as_json:
        import json
        print(json.dumps(report.as_dict(), indent=2))
    else:
        show(report)
    return report.exit_status


@tgc.command()
@click.argument("model", metavar="MODEL|CHECKPOINT")
@click.option("--style", type=click.Choice(["graph", "backward", "comprehensive", "simplified", "blocks"]),
              default="simplified", show_default=True, help="What to draw.")
@click.option("--out", type=path, help="The file, .svg, .png, .pdf or .dot; by default MODEL-STYLE.svg.")
def draw(model: str, style: str, out: str | None) -> None:
    """Draw one picture of a model.

    MODEL is one of: logistic, planar, two-layer, four-layer; or the file of a trained model. graph is the graph of
    recorded operations, backward that of the backward pass beside it; the others are pictures of the network.
    """
    from tinygrad_course.visualize import draw_model

    drawing = draw_model(_model(model), style)
    file = drawing.write(out or f"{Path(model).stem}-{style}.svg")
    say(f"{file}: {drawing.layout_used}")


@tgc.command()
@click.argument("model", metavar="MODEL|CHECKPOINT")
@click.option("--out", type=path, help="The .html file; by default MODEL.html.")
@click.option("--data", "source", type=path, help="Folder or file with images; for planar, the name of a set.")
@click.option("--open", "opened", is_flag=True, help="Show the page in the browser.")
def live(model: str, out: str | None, source: str | None, opened: bool) -> None:
    """Write a page in which a model computes and learns.

    MODEL is one of: logistic, planar, two-layer, four-layer; or the file of a trained model. The page is one file that
    needs nothing else, and no network.
    """
    from tinygrad_course.visualize import live_page

    network = _model(model)
    exercise = course.EXERCISES.get(model)
    file = _writable(Path(out or f"{Path(model).stem}.html"))
    test = None
    if exercise is not None and exercise.images or exercise is None and next(iter(network.parameters())).size > 1000:
        images = _images(source)
        (X, Y), test = (images.X_train, images.Y_train), (images.X_test, images.Y_test)
    else:
        X, Y = data.planar("flower" if source is None else source)
    page = live_page(network, X, Y, learning_rate=1.0 if exercise is None else exercise.learning_rate, validation=test)
    for line in (f"{page.write(file)}: {file.stat().st_size / 1e6:.1f} MB", *page.notes):
        say(line)
    if opened:
        click.launch(file.resolve().as_uri())


@tgc.command()
@click.argument("model", metavar="MODEL|CHECKPOINT")
@click.option("--form", type=click.Choice(["text", "unicode", "latex", "html", "source"]), default="text",
              show_default=True, help="source is NumPy code that computes the gradients.")
@click.option("--spelled-out", is_flag=True, help="Write the derivatives of the activations out.")
def derive(model: str, form: str, spelled_out: bool) -> None:
    """Print a model's equations, derived from its graph.

    MODEL is one of: logistic, planar, two-layer, four-layer; or the file of a trained model.
    """
    from tinygrad_course.equations import derive as derived

    equations = derived(_model(model), spelled_out=spelled_out)
    print({"text": equations.text, "unicode": lambda: equations.text(unicode=True), "latex": equations.latex,
           "html": equations.html, "source": equations.source}[form]())


@tgc.group(name="data", cls=Commands)
def data_commands() -> None:
    """The course's images: download, draw stand-ins, or look."""


@data_commands.command()
@click.option("--to", "folder", type=path, help="Where to put them; by default the user's cache folder.")
def fetch(folder: str | None) -> None:
    """Download the course's images: 3 MB, checked by sha256."""
    from tinygrad_course.data.fetch import fetch as download
    say(f"the course's images are in {download(folder)}")


@data_commands.command()
@click.argument("target", required=False, type=path, metavar="[PATH]")
def make(target: str | None) -> None:
    """Draw stand-in images and write them to PATH.

    PATH is a folder or a .h5 file; by default the user's cache folder, where they are found without --data.
    """
    from tinygrad_course.data.standin import write_stand_in
    say(f"stand-in images written to {write_stand_in(data.cache_dir() if target is None else target)}")


@data_commands.command()
@click.option("--data", "folder", type=path, help="Folder or file with images.")
def info(folder: str | None) -> None:
    """Say which images are used, and what is in them.

    Where there is compiled code, also where it is kept and how to be rid of it.
    """
    from tinygrad_course.compiler.native import cache

    images = _images(folder)
    kind = "the course's own" if images.is_course_data else "stand-ins" if images.stand_in else "not the course's"
    say(images.source)
    print(f"{kind}; {images.num_px} x {images.num_px} pixels, n_x = {images.X_train.shape[0]}\n")
    say("  ".join(["     ", "images", *images.classes]))
    for part, Y in (("train", images.Y_train), ("test", images.Y_test)):
        counts = [f"{np.sum(Y == label):>{len(name)}}" for label, name in enumerate(images.classes)]
        print("  ".join([f"{part:<5}", f"{Y.size:>6}", *counts]))
    if kept := cache.contents():
        size = sum(status.st_size for _, status in kept) / 2**20
        print()
        say(f"compiled code: {len(kept)} files, {size:.1f} MB (at most {cache.LARGEST // 2**20}), in {cache.folder()}; "
            "delete that folder to empty it")


@tgc.command("notebooks")
@click.argument("folder", type=path, default="notebooks", metavar="[FOLDER]")
@click.option("--open", "opened", is_flag=True, help="Start JupyterLab there, where it is installed.")
def notebooks_command(folder: str, opened: bool) -> int:
    """Put the notebooks of the course into a folder.

    A notebook that is there already is never overwritten. The folder is ./notebooks unless another one is given.
    """
    from tinygrad_course.course.notebooks import open_notebooks, write_notebooks

    target, done = write_notebooks(folder)
    for name, state in done.items():
        print(f"{target / name}: {state}")
    return open_notebooks(target) if opened else 0


def _model(name: str) -> Any:
    """A model of the course as it starts, or a trained one from a file."""
    if name in course.EXERCISES:
        exercise = course.EXERCISES[name]
        return exercise.make(12288 if exercise.images else 2)
    if not Path(name).exists():
        raise InputError(f"{name} is neither a model, {', '.join(course.EXERCISES)}, nor a file")
    from tinygrad_course.training import checkpoint
    return checkpoint.load(name).model


def _images(folder: str | None) -> data.Dataset:
    """The images asked for; where none are asked for and none are there, stand-ins."""
    try:
        return data.load_images(folder)
    except FileNotFoundError:
        if folder is not None or "TGC_DATA" in os.environ:
            raise
        return data.stand_in()


def _without_course_column(images: data.Dataset) -> str:
    if not images.stand_in:
        return f"{images.source} are not the course's images, so its numbers cannot be compared"
    return (f"using {images.source}: numbers cannot be compared with the course's; "
            "get its images with `tgc data fetch`, or give --data")


def _new_folder(folder: Path, names: Iterable[str]) -> Path:
    """The folder, made if need be, in which these files can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: the folder cannot be made: {error.strerror}") from None
    for name in names:
        _writable(folder / name)
    return folder


def _writable(file: Path) -> Path:
    """Refuse a file that cannot be written before hours are spent on what should go into it."""
    if not file.parent.is_dir():
        raise InputError(f"{file}: cannot be written: there is no folder {file.parent}: make it, or choose another one")
    check_writable(file)
    return file


def _save(file: Path, model: Any, history: Any, images: data.Dataset | None) -> None:
    from tinygrad_course.training import checkpoint
    preprocessing = None if images is None else {
        "num_px": images.num_px, "divide_by": 255, "layout": "flattened to columns"}
    checkpoint.save(file, model, history=history, preprocessing=preprocessing,
                    classes=None if images is None else images.classes)
