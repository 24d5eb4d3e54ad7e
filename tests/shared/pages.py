"""Pages in real browsers: Chromium by its DevTools protocol through a pipe, Firefox by Marionette, which it speaks.

Both open a file, evaluate JavaScript in it, press keys, and say what went wrong on the page. Nothing is installed for
this, and no page reaches a network.
"""

import base64
import json
import os
import select
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars", "--disable-sync",
            "--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe",
            "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND")
SECONDS = 120


def program(*names: str) -> str:
    """A browser; where there is none the test is skipped, but not in CI, which installs one."""
    for name in names:
        found = shutil.which(name)
        if found is not None:
            return found
    if os.environ.get("CI"):
        pytest.fail(f"there is no {names[0]}, which CI is to install")
    pytest.skip(f"needs the browser {names[0]}")


class Chromium:
    """A headless Chromium with one page. errors: what its console complained of. requests: what it asked for."""

    def __init__(self, folder: Path):
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        name = program("chromium", "chromium-browser", "google-chrome", "chrome")

        def connect() -> None:
            os.dup2(to_browser, 3)
            os.dup2(from_browser, 4)
        # The ends may have the numbers 3 and 4 themselves, so they are moved out of the way first.
        to_browser, from_browser = (os.dup(os.dup(os.dup(end))) for end in (to_browser, from_browser))
        self.process = subprocess.Popen([name, *CHROMIUM, f"--user-data-dir={folder / 'chromium'}", "about:blank"],
                                        preexec_fn=connect, pass_fds=(3, 4), stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        self._waiting = b""
        self._number = 0
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.session = ""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> Any:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]

    def _read(self) -> Any:
        until = time.monotonic() + SECONDS
        while b"\0" not in self._waiting:
            ready, _, _ = select.select([self._in], [], [], max(0.0, until - time.monotonic()))
            assert ready, "the browser does not answer"
            piece = os.read(self._in, 1 << 16)
            assert piece, "the browser is gone"
            self._waiting += piece
        text, _, self._waiting = self._waiting.partition(b"\0")
        event = json.loads(text)
        self._note(event.get("method", ""), event.get("params", {}))
        return event

    def _note(self, method: str, params: Any) -> None:
        if method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.errors.append(str(params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.errors.append(params["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])

    def open(self, path: Path, width: int = 1400, height: int = 900, dark: bool = False) -> None:
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 500)
        self.send("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"}])
        self.send("Page.navigate", url=path.as_uri())
        until = time.monotonic() + SECONDS
        while self.evaluate("document.readyState") != "complete" or self.evaluate("location.href") != path.as_uri():
            assert time.monotonic() < until, "the page does not load"
            time.sleep(0.05)

    def evaluate(self, script: str) -> Any:
        """The value of an expression, which may be a promise, as JSON has it."""
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"].get("exception", answer)
        return answer["result"].get("value")

    def press(self, key: str, code: int = 0, text: str = "") -> None:
        more = {"text": text} if text else {}
        self.send("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, windowsVirtualKeyCode=code, **more)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, windowsVirtualKeyCode=code)

    def click(self, x: float, y: float) -> None:
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def screenshot(self, path: Path, whole: bool = True) -> None:
        answer = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)
        for end in (self._in, self._out):
            os.close(end)


class Firefox:
    """A headless Firefox with one page."""

    def __init__(self, folder: Path):
        name = program("firefox-esr", "firefox")
        profile = folder / "firefox"
        profile.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        (profile / "user.js").write_text(
            f'user_pref("marionette.port", {port});\nuser_pref("network.dns.disabled", true);\n'
            'user_pref("datareporting.policy.dataSubmissionEnabled", false);\n'
            'user_pref("toolkit.startup.max_resumed_crashes", -1);\n')
        self.process = subprocess.Popen([name, "--headless", "--marionette", "--no-remote", "--profile", str(profile)],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        env={**os.environ, "HOME": str(folder), "MOZ_DISABLE_CONTENT_SANDBOX": "1"})
        until = time.monotonic() + SECONDS
        while True:
            try:
                self._socket = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
                break
            except ConnectionError:
                assert time.monotonic() < until and self.process.poll() is None, "Firefox does not start"
                time.sleep(0.2)
        self._waiting = b""
        self._number = 0
        self._read()
        self.send("WebDriver:NewSession", capabilities={"alwaysMatch": {}})

    def send(self, command: str, **params: Any) -> Any:
        self._number += 1
        message = json.dumps([0, self._number, command, params]).encode()
        self._socket.sendall(str(len(message)).encode() + b":" + message)
        _, number, error, result = self._read()
        assert number == self._number and error is None, f"{command}: {error}"
        return result

    def _read(self) -> Any:
        while b":" not in self._waiting:
            self._receive()
        length, _, self._waiting = self._waiting.partition(b":")
        while len(self._waiting) < int(length):
            self._receive()
        text, self._waiting = self._waiting[:int(length)], self._waiting[int(length):]
        return json.loads(text)

    def _receive(self) -> None:
        piece = self._socket.recv(1 << 16)
        assert piece, "Firefox is gone"
        self._waiting += piece

    def open(self, path: Path) -> None:
        self.send("WebDriver:Navigate", url=path.as_uri())

    def evaluate(self, script: str) -> Any:
        return self.send("WebDriver:ExecuteScript", script=f"return ({script})", args=[])["value"]

    def told(self) -> float:
        """The number that a frame has told the page, once it has."""
        until = time.monotonic() + SECONDS
        while (told := self.evaluate("window.told")) is None:
            assert time.monotonic() < until, "the frame says nothing"
            time.sleep(0.1)
        return float(told)

    def close(self) -> None:
        self._socket.close()
        self.process.terminate()
        self.process.wait(timeout=30)
