"""Download the course's two image files, checked against their known hashes."""

import hashlib
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tinygrad_course.data.images import COURSE_FILES
from tinygrad_course.errors import InputError
from tinygrad_course.files import cache_dir, expanded, open_ordinary, replace_atomically

# Folders in public repositories, pinned to a commit; the second is asked for what the first does not give.
SOURCES = (
    "https://raw.githubusercontent.com/BaiduOSS/DeepLearningAndPaddleTutorial/"
    "d71136c105b78b57c5df1fe98e19e2fd8ee65045/jupyter/5.deep_neural_network/datasets",
    "https://raw.githubusercontent.com/Hiren2002/Logistic-Regression/"
    "a6139a838a0e624f4ab923377df0c5d3386fdf1f/datasets",
)
LARGEST = 2**23  # bytes of a file; the course's larger one has 2.6 million

Progress = Callable[[int, int], None]  # told how many bytes have come, and of how many; 0: the server does not say


def fetch(folder: str | os.PathLike[str] | None = None, *, sources: Sequence[str] = SOURCES,
          files: Mapping[str, str] = COURSE_FILES, progress: bool = True, timeout: float = 30.0,
          seconds: float = 300.0) -> Path:
    """Download the course's images into `folder` (default: `data.cache_dir()`) and return that folder.

    Each file is asked of each source in turn until one gives it with the right sha256. It appears under its
    name whole and checked, or not at all; a file that is there already and right is not downloaded again.
    A progress bar is shown on a terminal. `timeout` is how many seconds a source may stay silent, `seconds` how many
    it may take for one file.

    Raises OSError, in one line, when no source gives a file or the folder cannot be written; InputError where another
    file of that name is there, which is left alone.
    """
    where = cache_dir() if folder is None else expanded(folder)
    try:
        where.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"{where}: the folder cannot be made: {error.strerror or error}") from error
    for name, sha256 in files.items():
        if not _is_there(where / name, sha256):
            _fetch_file(name, sha256, where, sources, progress, timeout, seconds)
    return where


def _is_there(file: Path, sha256: str) -> bool:
    """Whether the file is there and right. Raises InputError for another file of its name."""
    if not os.path.lexists(file):
        return False
    if file.exists():
        with open_ordinary(file, "one of the course's files") as stream:
            content = stream.read(LARGEST + 1)
        if hashlib.sha256(content).hexdigest() == sha256:
            return True
    raise InputError(f"{file}: there is another file of this name, or a damaged one: move or delete it, or give "
                     "another place with --to")


def _fetch_file(name: str, sha256: str, folder: Path, sources: Sequence[str], progress: bool, timeout: float,
                seconds: float) -> None:
    failures = []
    for source in sources:
        with _progress_bar(name, progress) as advanced:
            download = _Download(f"{source.rstrip('/')}/{name}", timeout, advanced)
            failure = download.run(seconds)
        if not failure and hashlib.sha256(download.content).hexdigest() != sha256:
            failure = "the file has the wrong sha256"
        if not failure:
            with replace_atomically(folder / name) as temporary:
                temporary.write_bytes(download.content)
            return
        failures.append(f"{_host(source)}: {failure}")
    raise OSError(f"{name} could not be downloaded ({'; '.join(failures)}): check the connection and try "
                  f"again, put the file into {folder} yourself, or draw stand-in images: `tgc data make`")


class _Download:
    """One file, into memory. In a thread: a server that sends a byte now and then keeps whoever reads it for ever."""

    def __init__(self, url: str, timeout: float, advanced: Progress):
        self.url = url
        self.timeout = timeout
        self.advanced = advanced
        self.content = bytearray()
        self.failure = ""
        self.given_up = False

    def run(self, seconds: float) -> str:
        """Why it failed; empty where it did not."""
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        thread.join(seconds)
        if thread.is_alive():
            self.given_up = True
            return f"not finished within {seconds:g} seconds"
        return self.failure

    def _run(self) -> None:
        import requests

        try:
            # Not packed: a server could unpack 1000 bytes from each that it sends.
            with requests.get(self.url, stream=True, timeout=self.timeout,
                              headers={"Accept-Encoding": "identity"}) as response:
                response.raise_for_status()
                if response.headers.get("Content-Encoding", "identity") != "identity":
                    self.failure = "the server sends it packed, which was not asked for"
                    return
                size = response.headers.get("Content-Length", "")
                for block in response.iter_content(2**15):
                    self.content += block
                    if self.given_up:
                        return
                    if len(self.content) > LARGEST:
                        self.failure = f"more than {LARGEST // 2**20} MB come, so it is another file"
                        return
                    self.advanced(len(self.content), int(size) if size.isdecimal() and len(size) < 12 else 0)
        except Exception as error:  # in a thread nobody else would see it
            self.failure = _reason(error)


def _host(source: str) -> str:
    """Enough of a source's address to tell it from the others: host, and owner and repository."""
    return "/".join(source.split("://")[-1].split("/")[:3])


def _reason(error: Exception) -> str:
    """Why a source failed, in a few words: the library's own texts are long and nested."""
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the server answered {error.response.status_code} {error.response.reason[:100]}"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    if isinstance(error, requests.ConnectionError):
        return "no answer in time" if "timed out" in str(error) else "no connection"
    return " ".join(str(error).split())[:300] or type(error).__name__


@contextmanager
def _progress_bar(name: str, wanted: bool) -> Iterator[Progress]:
    """A bar on stderr, when somebody is watching."""
    if not (wanted and sys.stderr.isatty()):
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress as Bar, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True)) as shown:
        task = shown.add_task(name, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total or None)
