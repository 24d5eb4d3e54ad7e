"""Download the course's two image files, checked against their known hashes."""

import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tinygrad_course.data.images import COURSE_FILES
from tinygrad_course.files import cache_dir, expanded

# Folders in public repositories, pinned to a commit; the second is asked for what the first does not give.
SOURCES = (
    "https://raw.githubusercontent.com/BaiduOSS/DeepLearningAndPaddleTutorial/"
    "d71136c105b78b57c5df1fe98e19e2fd8ee65045/jupyter/5.deep_neural_network/datasets",
    "https://raw.githubusercontent.com/Hiren2002/Logistic-Regression/"
    "a6139a838a0e624f4ab923377df0c5d3386fdf1f/datasets",
)


def fetch(folder: str | os.PathLike[str] | None = None, *, sources: Sequence[str] = SOURCES,
          files: Mapping[str, str] = COURSE_FILES, progress: bool = True, timeout: float = 30.0) -> Path:
    """Download the course's images into `folder` (default: `data.cache_dir()`) and return that folder.

    Each file is asked of each source in turn until one gives it with the right sha256. It appears under its
    name whole and checked, or not at all; a file that is there already and right is not downloaded again.
    A progress bar is shown on a terminal. `timeout` is how many seconds a source may stay silent.

    Raises OSError, in one line, when no source gives a file or the folder cannot be written.
    """
    where = cache_dir() if folder is None else expanded(folder)
    try:
        where.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"{where}: the folder cannot be made: {error.strerror or error}") from error
    for name, sha256 in files.items():
        _fetch_file(name, sha256, where, sources, progress, timeout)
    return where


def _fetch_file(name: str, sha256: str, folder: Path, sources: Sequence[str], progress: bool,
                timeout: float) -> None:
    import pooch  # type: ignore[import-untyped]
    import requests

    failures = []
    for source in sources:
        try:
            with _progress_bar(name, progress) as bar, _quiet_log():
                # pooch writes a temporary file beside the target and renames it when the hash is right.
                pooch.retrieve(f"{source.rstrip('/')}/{name}", known_hash=f"sha256:{sha256}",
                               fname=name, path=folder,
                               downloader=pooch.HTTPDownloader(progressbar=bar, timeout=timeout))
            return
        except (requests.RequestException, ValueError) as error:
            failures.append(f"{_host(source)}: {_reason(error)}")
        except OSError as error:
            raise OSError(f"{folder / name}: cannot be written: {error.strerror or error}") from error
    raise OSError(f"{name} could not be downloaded ({'; '.join(failures)}): check the connection and try "
                  f"again, put the file into {folder} yourself, or draw stand-in images: `tgc data make`")


def _host(source: str) -> str:
    """Enough of a source's address to tell it from the others: host, and owner and repository."""
    return "/".join(source.split("://")[-1].split("/")[:3])


def _reason(error: Exception) -> str:
    """Why a source failed, in a few words: the library's own texts are long and nested."""
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the server answered {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    if isinstance(error, requests.RequestException):
        return " ".join(str(error).split()) or type(error).__name__
    return "the file has the wrong sha256"      # pooch raises a plain ValueError for that alone


@contextmanager
def _quiet_log() -> Iterator[None]:
    """Keep pooch from writing "Downloading data from ..." to stderr."""
    import pooch

    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def _progress_bar(name: str, wanted: bool) -> Iterator[Any]:
    """A bar for pooch to drive, on stderr; False, pooch's word for none, when nobody is watching."""
    if not (wanted and sys.stderr.isatty()):
        yield False
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as shown:
        yield _Bar(shown, name)


class _Bar:
    """What pooch expects of a progress bar (the part of tqdm's interface that it uses), drawn by rich.

    `shown` is a rich.progress.Progress.
    """

    def __init__(self, shown: Any, name: str) -> None:
        self._shown = shown
        self._task = shown.add_task(name, total=None)
        self._total = 0

    @property
    def total(self) -> int:
        """Size of the file in bytes; 0 when the server does not say."""
        return self._total

    @total.setter
    def total(self, size: int) -> None:
        self._total = size
        self._shown.update(self._task, total=size or None)

    def update(self, size: int) -> None:
        """`size` more bytes have come."""
        self._shown.advance(self._task, size)

    def reset(self) -> None:
        """Back to zero bytes. pooch does this at the end and then once updates by the whole size."""
        self._shown.reset(self._task)

    def close(self) -> None:
        """pooch is done; the bar stays as it is."""
