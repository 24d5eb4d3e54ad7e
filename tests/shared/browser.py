"""A headless browser for tests of pages: what a page's own script finds is written into the page and read back."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-logging=stderr",
         "--virtual-time-budget=5000", "--dump-dom")


def chromium() -> str:
    """The program; where there is none the test is skipped, but not in CI, which installs one."""
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        found = shutil.which(name)
        if found is not None:
            return found
    if os.environ.get("CI"):
        pytest.fail("there is no chromium, which CI is to install")
    pytest.skip("needs the browser chromium")


def ask(page: str, script: str, folder: Path, width: int = 1000, dark: bool = False) -> tuple[Any, list[str]]:
    """What `script`, a JavaScript expression, gives on the page, and what the browser wrote to its console."""
    asking = ("<script>window.onload = () => { const out = document.createElement('pre'); out.id = 'answer'; "
              f"out.textContent = JSON.stringify({script}); document.body.append(out); }}</script>")
    # The page forbids scripts; the copy that is asked allows this one.
    page = page.replace("style-src 'unsafe-inline'", "style-src 'unsafe-inline'; script-src 'unsafe-inline'")
    file = folder / "asked.html"
    file.write_text(page.replace("</body>", asking + "</body>"), encoding="utf-8")
    scheme = ("--force-dark-mode", "--blink-settings=preferredColorScheme=0") if dark else ()
    done = subprocess.run([chromium(), *FLAGS, *scheme, f"--user-data-dir={folder / 'profile'}",
                           f"--window-size={width},900", file.as_uri()], capture_output=True, text=True, timeout=120)
    answer = re.search(r'<pre id="answer">(.*?)</pre>', done.stdout, re.DOTALL)
    assert answer is not None, done.stderr[-2000:]
    text = answer.group(1).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return json.loads(text), [line for line in done.stderr.splitlines() if "CONSOLE" in line]
