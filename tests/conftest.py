"""What all tests have in common: their own cache folder, the course's images, and how long each room took.

What tests import is in `shared/`, which setup.cfg puts on the path.
"""

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import pytest

from tinygrad_course import data


def pytest_configure(config: pytest.Config) -> None:
    # A shell that starts something in the background (`nohup make test &`) has it ignore Ctrl-C, and so would we, and
    # every process that a test starts.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Images and machine code are neither taken from the user's cache nor put there, by no process of a test."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
            patch.setenv(name, str(folder))
        patch.setattr("platformdirs.user_cache_dir", lambda name: str(folder / name))
        # Elsewhere: `python -m tinygrad_course` in a checkout would find the folder here, not what is installed.
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))
        yield


@pytest.fixture(scope="session")
def images_folder() -> str:
    """Where the course's images are, which are no part of the repository. If TGC_DATA is wrong, these tests fail."""
    if "TGC_DATA" not in os.environ:
        pytest.skip("TGC_DATA is not set: it has to name the folder of the course's image files")
    return os.environ["TGC_DATA"]


@pytest.fixture(scope="session")
def cats(images_folder: str) -> data.Dataset:
    """The course's images."""
    return data.load_images(images_folder)


def room(test: str) -> str:
    """The part of the library that a test is of: "tests/checking/..." is "checking", "tests/test_ops.py" the core."""
    folders = PurePosixPath(test.partition("::")[0]).parts[1:-1]
    return folders[0] if folders else "core"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    seconds, tests = Counter[str](), Counter[str]()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds[room(report.nodeid)] += report.duration  # type: ignore[assignment]
                tests[room(report.nodeid)] += report.when == "call"
    if len(seconds) > 1:
        terminalreporter.section("seconds of each room, over all processes")
        for name, total in seconds.most_common():
            terminalreporter.line(f"{name:<12}{total:>8.1f} s  {tests[name]:>5} tests")
