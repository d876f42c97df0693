"""Headless Chromium, driven over the W3C WebDriver protocol: plain JSON over HTTP, so nothing has to be installed."""

import base64
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # WebDriver, section 12.2
WAIT_SECONDS = 20.0
_ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--force-prefers-reduced-motion",
]  # fmt: skip


def missing_program() -> str | None:
    """What a browser test needs and this machine does not have."""
    return next((name for name in ("chromium", "chromedriver") if shutil.which(name) is None), None)


class Browser:
    """One window. `script` runs JavaScript as the body of a function; `await_script` that of an async one."""

    def __init__(self, session: str) -> None:
        self._session = session

    def open(self, url: str) -> None:
        self._call("POST", "/url", url=url)

    def script(self, body: str, *arguments: Any) -> Any:
        return self._call("POST", "/execute/sync", script=body, args=list(arguments))

    def await_script(self, body: str, *arguments: Any) -> Any:
        """Answers what the async function returns. Raises AssertionError with what it throws."""
        wrapped = (
            "const done = arguments[arguments.length - 1];"
            f"(async (...given) => {{ {body} }})(...Array.from(arguments).slice(0, -1))"
            ".then((value) => done({ value }), (error) => done({ error: String(error) }));"
        )
        answer = self._call("POST", "/execute/async", script=wrapped, args=list(arguments))
        assert "error" not in answer, answer["error"]
        return answer.get("value")

    def text(self, selector: str) -> str:
        """Text of the first element that matches, as a reader sees it."""
        return self.script("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def wait_for(self, condition: str, *arguments: Any) -> Any:
        """Until this JavaScript expression is true. Raises AssertionError with the page's text."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not (value := self.script(f"return {condition}", *arguments)):
            assert time.monotonic() < deadline, f"{condition}\n{self.text('body')}"
            time.sleep(0.05)
        return value

    def click(self, selector: str) -> None:
        self._call("POST", f"/element/{self._find(selector)}/click")

    def type(self, selector: str, text: str) -> None:
        """Also names files, one a line, for an input of files."""
        self._call("POST", f"/element/{self._find(selector)}/value", text=text)

    def devtools(self, command: str, **params: Any) -> Any:
        return self._call("POST", "/goog/cdp/execute", cmd=command, params=params)

    def screenshot(self, path: Path) -> None:
        """Of the whole page."""
        content = self.devtools("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(content))

    def console_errors(self) -> list[str]:
        """What the browser complained about since the last call, such as a breach of the Content-Security-Policy."""
        return [entry["message"] for entry in self._call("POST", "/se/log", type="browser")]

    def _find(self, selector: str) -> str:
        return self._call("POST", "/element", using="css selector", value=selector)[ELEMENT]

    def _call(self, method: str, path: str, **body: Any) -> Any:
        return call(method, self._session + path, body)


def call(method: str, url: str, body: dict[str, Any]) -> Any:
    content = json.dumps(body).encode() if method == "POST" else None
    request = urllib.request.Request(url, content, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)["value"]
    except urllib.error.HTTPError as error:
        raise AssertionError(json.load(error)["value"]["message"]) from error


@contextmanager
def chromedriver() -> Iterator[str]:
    """A driver process of our own; its URL."""
    with subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if "started successfully on port" in line:
                    yield f"http://127.0.0.1:{line.strip().rstrip('.').rpartition(' ')[2]}"
                    break
            else:
                raise AssertionError("chromedriver did not start")
        finally:
            process.terminate()


@contextmanager
def new_browser(driver: str, profile: Path) -> Iterator[Browser]:
    """A browser that remembers nothing: `profile` is an empty folder."""
    chrome = {
        "args": [*_ARGUMENTS, f"--user-data-dir={profile}", "--window-size=1200,900"],
        "prefs": {"download.default_directory": str(profile / "downloads")},
    }
    wanted = {"browserName": "chrome", "goog:chromeOptions": chrome, "goog:loggingPrefs": {"browser": "WARNING"}}
    session = call("POST", f"{driver}/session", {"capabilities": {"alwaysMatch": wanted}})
    url = f"{driver}/session/{session['sessionId']}"
    try:
        yield Browser(url)
    finally:
        call("DELETE", url, {})
