"""Downloading, against a server on this machine: the real code, other addresses and hashes."""

import contextlib
import gzip
import hashlib
import io
import os
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tinygrad_course import InputError
from tinygrad_course.data.images import COURSE_FILES, TEST_FILE, TRAIN_FILE
from tinygrad_course.data.fetch import SOURCES, fetch

CONTENTS = {"a.h5": b"first file " * 9000, "b.h5": b"second file"}
HASHES = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENTS.items()}


class Server:
    """Its folders: /good serves, /missing is 404, /wrong has other bytes, /cut stops, /slow waits,
    /endless does not end, /dripping sends a byte now and then, /packed what unpacks to 64 MB."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.slow = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(self.path)
                _, folder, name = self.path.split("/")
                body = CONTENTS[name]
                if folder == "missing":
                    self.send_error(404)
                    return
                if folder == "slow":
                    server.slow.wait(10)
                self.send_response(200)
                if folder == "packed":
                    body = gzip.compress(bytes(2**26))
                    self.send_header("Content-Encoding", "gzip")
                if folder != "endless":
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if folder in ("endless", "dripping"):
                    with contextlib.suppress(OSError):
                        while not server.slow.wait(0.1 if folder == "dripping" else 0):
                            self.wfile.write(b"x" if folder == "dripping" else bytes(2**20))
                elif folder == "cut":
                    self.wfile.write(body[:len(body) // 2])
                    self.wfile.flush()
                    self.connection.shutdown(socket.SHUT_RDWR)
                else:
                    with contextlib.suppress(OSError):      # the slow answer's reader has gone
                        self.wfile.write(body[::-1] if folder == "wrong" else body)

            def log_message(self, *arguments: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True

    def url(self, folder: str) -> str:
        return f"http://127.0.0.1:{self.http.server_port}/{folder}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.slow.set()
    server.http.shutdown()
    server.http.server_close()
    thread.join()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_downloads_once_and_silently(
        server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new" / "folder"
    for _ in range(2):
        assert fetch(folder, sources=[server.url("good") + "/"], files=HASHES) == folder
        assert contents(folder) == CONTENTS
    assert server.asked == ["/good/a.h5", "/good/b.h5"]
    (folder / "b.h5").unlink()
    fetch(folder, sources=[server.url("good")], files=HASHES)
    assert contents(folder) == CONTENTS and server.asked[2:] == ["/good/b.h5"]
    umask = os.umask(0)
    os.umask(umask)
    assert (folder / "b.h5").stat().st_mode & 0o777 == 0o666 & ~umask
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("make", [
    lambda file: file.write_bytes(b"the user's"), lambda file: file.symlink_to("nowhere"), os.mkfifo,
    lambda file: file.symlink_to(file.name), lambda file: file.mkdir()],
    ids=["another file", "a link to nowhere", "a pipe", "a link to itself", "a folder"])
def test_what_is_there_is_left_alone(make: Any, server: Server, tmp_path: Path) -> None:
    make(tmp_path / "b.h5")
    before = os.lstat(tmp_path / "b.h5")
    with pytest.raises((InputError, OSError), match="b.h5") as caught:
        fetch(tmp_path, sources=[server.url("good")], files=HASHES)
    assert "\n" not in str(caught.value)
    after = os.lstat(tmp_path / "b.h5")
    assert (before.st_ino, before.st_mode, before.st_mtime) == (after.st_ino, after.st_mode, after.st_mtime)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.h5", "b.h5"]


FAILURES = {
    "missing": "the server answered 404 Not Found",
    "wrong": "the file has the wrong sha256",
    "cut": "the connection broke off",
    "slow": "no answer in time",
    "refused": "no connection",
    "endless": "more than 8 MB come",
    "packed": "the server sends it packed",
    "dripping": "not finished within 1 seconds",
}


@pytest.mark.parametrize("folder", FAILURES)
def test_a_failing_source(folder: str, server: Server, tmp_path: Path) -> None:
    """The second source is used; without one, a line says why, and nothing is left or changed."""
    bad = f"http://127.0.0.1:{closed_port()}/x" if folder == "refused" else server.url(folder)
    with pytest.raises(OSError) as caught:
        fetch(tmp_path, sources=[bad, server.url("missing")], files=HASHES, timeout=0.5, seconds=1)
    message = str(caught.value)
    assert FAILURES[folder] in message and "answered 404" in message
    assert "a.h5" in message and "tgc data make" in message and "\n" not in message
    assert contents(tmp_path) == {}

    fetch(tmp_path, sources=[bad, server.url("good")], files=HASHES, timeout=0.5, seconds=1)
    assert contents(tmp_path) == CONTENTS


def test_a_bar_on_a_terminal_only(
        server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    fetch(tmp_path / "silent", sources=[server.url("good")], files=HASHES, progress=False)
    assert sys.stderr.getvalue() == ""
    fetch(tmp_path / "shown", sources=[server.url("good")], files=HASHES)
    shown = sys.stderr.getvalue()
    assert "a.h5" in shown and "b.h5" in shown and "99.0/99.0 kB" in shown
    assert contents(tmp_path / "shown") == CONTENTS


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="the folder cannot be made") as caught:
        fetch(tmp_path / "file" / "below")
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_read_only(server: Server, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match="cannot be written"):
        fetch(tmp_path, sources=[server.url("good")], files=HASHES)


def test_the_sources_are_pinned() -> None:
    assert set(COURSE_FILES) == {TRAIN_FILE, TEST_FILE} and all(len(sha256) == 64 for sha256 in COURSE_FILES.values())
    for source in SOURCES:
        owner, repository, commit = source.removeprefix("https://raw.githubusercontent.com/").split("/")[:3]
        assert len(commit) == 40 and not source.endswith("/"), (owner, repository)


def test_the_course_files_have_the_pinned_hashes(images_folder: str) -> None:
    """With the real files in TGC_DATA, fetch finds them right and asks nobody."""
    nobody = f"http://127.0.0.1:{closed_port()}"
    assert fetch(images_folder, sources=[nobody]) == Path(images_folder)
