"""Programs as processes of their own, in which every warning is an error."""

import os
import subprocess
import sys
from pathlib import Path

TGC = [sys.executable, "-W", "error", "-m", "tinygrad_course"]
Done = subprocess.CompletedProcess[str]


def environment(cache: Path, **changes: str) -> dict[str, str]:
    """No images but those in `cache`, and a terminal of 80 columns."""
    inherited = {key: value for key, value in os.environ.items() if key != "TGC_DATA"}
    return {**inherited, "XDG_CACHE_HOME": str(cache), "COLUMNS": "80", **changes}


def python(program: str, folder: Path, *arguments: str) -> Done:
    """Run a program in a folder, never the repository: its files are not what users get."""
    return subprocess.run([sys.executable, "-W", "error", "-c", program, *arguments], capture_output=True, text=True,
                          env=environment(folder), cwd=folder, timeout=600)
