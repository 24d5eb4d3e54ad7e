"""The command `tgc`. Each command is thin: it reads its arguments, calls the library and prints."""
from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

import tinygrad_course
from tinygrad_course import course, data
from tinygrad_course.errors import InputError

MODEL = click.Choice(list(course.EXERCISES))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `tgc`: exit status 0 for success, 1 where results are not as they should be, 2 for bad input.

    Whatever a user can mend is one line on standard error, never a traceback.
    """
    try:
        status = tgc.main(arguments, prog_name="tgc", standalone_mode=False)
        sys.stdout.flush()
        sys.exit(status if isinstance(status, int) else 0)
    except click.ClickException as error:
        _fail(error.format_message())
    except BrokenPipeError:  # whoever read our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (InputError, OSError) as error:
        _fail(str(error))
    except (click.Abort, KeyboardInterrupt):
        click.echo("tgc: interrupted", err=True)
        sys.exit(130)


def _fail(message: str) -> None:
    click.echo("tgc: " + " ".join(message.split()), err=True)
    sys.exit(2)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(tinygrad_course.__version__, prog_name="tgc", message="%(prog)s %(version)s")
def tgc() -> None:
    """Train the models of the course "Neural Networks and Deep Learning" by automatic differentiation."""


@tgc.command()
@click.argument("models", nargs=-1, type=MODEL, metavar="[MODEL]...")
@click.option("--data", "folder", type=click.Path(), help="Folder or file with the course's images.")
@click.option("--out", type=click.Path(), help="Folder for the trained models and results.json.")
def reproduce(models: tuple[str, ...], folder: str | None, out: str | None) -> int:
    """Train the course's models and hold every printed number beside the course's.

    MODEL is one of: logistic, planar, two-layer, four-layer; all of them by default. The exit status is 0 if
    everything that can match does, else 1.
    """
    from tinygrad_course import reproduce as reproduction

    chosen = [course.EXERCISES[name] for name in models or course.EXERCISES]
    target = _new_folder(out)
    images = None
    if any(exercise.images for exercise in chosen):
        images = _images(folder)
        if not images.is_course_data:
            click.echo(_without_course_column(images))

    results = [reproduction.run(exercise, images, click.echo) for exercise in chosen]
    if target is not None:
        for result in results:
            _save(target / f"{result.exercise.name}.h5", result.model, result.history,
                  images if result.exercise.images else None)
        reproduction.write_results(target / "results.json", results)
        click.echo(f"\nmodels and results.json written to {target}")
    different = [result.exercise.name for result in results if result.mismatches()]
    click.echo("\n" + (f"not as in the course: {', '.join(different)}" if different else
                       "everything that can match the course does"))
    return 1 if different else 0


@tgc.command()
@click.argument("model", type=MODEL)
@click.option("--data", "source", help="Folder or file with images; for planar, the name of a set of points.")
@click.option("--iterations", type=int, help="Number of updates; by default the course's.")
@click.option("--learning-rate", type=float, help="By default the course's.")
@click.option("--seed", type=int, help="For the initial weights; by default the course's.")
@click.option("--save", "file", type=click.Path(), help="Write the trained model to this HDF5 file.")
def train(model: str, source: str | None, iterations: int | None, learning_rate: float | None, seed: int | None,
          file: str | None) -> None:
    """Train one model: logistic, planar, two-layer or four-layer."""
    from tinygrad_course.summary import summary
    from tinygrad_course.training import accuracy, fit

    exercise = course.EXERCISES[model]
    if file is not None:
        _writable(Path(file))
    images = _images(source) if exercise.images else None
    parts: dict[str, tuple[Any, Any]]
    if images is not None:
        if images.stand_in:
            click.echo(_without_course_column(images))
        parts = {"train": (images.X_train, images.Y_train), "test": (images.X_test, images.Y_test)}
    else:
        parts = {"train": data.planar(source or "flower")}
    X, Y = parts["train"]
    if seed is not None and model == "logistic":
        raise InputError("--seed has no meaning for logistic: its weights start at zero")
    network = exercise.make(X.shape[0], **({} if seed is None else {"seed": seed}))
    click.echo(summary(network, X.shape[1]))
    history = fit(network, X, Y, iterations=exercise.iterations if iterations is None else iterations,
                  learning_rate=learning_rate or exercise.learning_rate if learning_rate is None else learning_rate,
                  print_cost=exercise.print_every)
    if history.stopped:
        click.echo(history.stopped)
    for part, (examples, labels) in parts.items():
        click.echo(f"{part} accuracy: {accuracy(network, examples, labels) * 100:.2f} %")
    if file is not None:
        _save(Path(file), network, history, images)
        click.echo(f"saved to {file}")


@tgc.command()
@click.argument("file", type=click.Path())
@click.argument("images", nargs=-1, required=True, type=click.Path())
def predict(file: str, images: tuple[str, ...]) -> None:
    """Classify image files with the model in FILE, as `tgc train --save` or `tgc reproduce --out` wrote it."""
    from tinygrad_course import checkpoint

    loaded = checkpoint.load(file)
    num_px = loaded.preprocessing.get("num_px")
    if num_px is None:
        raise InputError(f"{file} holds a model for points in the plane, which cannot classify images")
    columns = [data.image_to_column(image, num_px) for image in images]
    for image, column in zip(images, columns):
        y_hat = loaded.model(column).item()
        click.echo(f"{image}: {loaded.classes[int(y_hat > 0.5)]} (y_hat = {y_hat:.4f})")


@tgc.group(name="data")
def data_commands() -> None:
    """The course's images: download them, draw stand-ins, or look at what is there."""


@data_commands.command()
@click.option("--to", "folder", type=click.Path(), help="Where to put them; by default the user's cache folder.")
def fetch(folder: str | None) -> None:
    """Download the course's two image files, 3 MB, checked against their sha256 sums."""
    from tinygrad_course.fetch import fetch as download
    click.echo(f"the course's images are in {download(folder)}")


@data_commands.command()
@click.argument("path", required=False, type=click.Path())
def make(path: str | None) -> None:
    """Draw stand-in images and write them to PATH, a folder or a .h5 file; by default the user's cache folder."""
    from tinygrad_course.standin import write_stand_in
    if path is None:
        data.cache_dir().mkdir(parents=True, exist_ok=True)
    click.echo(f"stand-in images written to {write_stand_in(path or data.cache_dir())}")


@data_commands.command()
@click.option("--data", "folder", type=click.Path(), help="Folder or file with images.")
def info(folder: str | None) -> None:
    """Say which images are used, and what is in them."""
    images = _images(folder)
    kind = "the course's own" if images.is_course_data else "stand-ins" if images.stand_in else "not the course's"
    table = Table("", "images", *images.classes, title=f"{images.source}: {kind}", title_justify="left")
    for part, Y in (("train", images.Y_train), ("test", images.Y_test)):
        table.add_row(part, str(Y.size), *(str(int((Y == label).sum())) for label in range(len(images.classes))))
    table.caption = f"{images.num_px} x {images.num_px} pixels, n_x = {images.X_train.shape[0]}"
    Console().print(table)


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


def _new_folder(path: str | None) -> Path | None:
    """The folder, made if need be, before anything is trained in vain."""
    if path is None:
        return None
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"the folder {folder} cannot be made: {error.strerror}") from None
    return _writable(folder / "results.json").parent


def _writable(file: Path) -> Path:
    """Refuse a file that cannot be written before hours are spent on what should go into it."""
    if not file.parent.is_dir():
        raise InputError(f"{file} cannot be written: there is no folder {file.parent}")
    if file.is_dir() or not os.access(file if file.exists() else file.parent, os.W_OK):
        raise InputError(f"{file} cannot be written")
    return file


def _save(file: Path, model: Any, history: Any, images: data.Dataset | None) -> None:
    from tinygrad_course import checkpoint
    preprocessing = None if images is None else {
        "num_px": images.num_px, "divide_by": 255, "layout": "flattened to columns"}
    checkpoint.save(file, model, history=history, preprocessing=preprocessing,
                    classes=None if images is None else images.classes)
