"""A Chromium that nobody inspects.

Playwright turns on the network inspection of every page it opens, for which Chromium keeps up to 100 MB of the
answers that the page had. Whoever wants to know what a page needs by itself looks at it from here: nothing is turned
on, one expression is evaluated at a time.
"""

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from websockets.sync.client import ClientConnection, connect

from tests.stack.harness import eventually

ARGUMENTS = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--remote-debugging-port=0")


class PlainPage:
    """One page of it."""

    def __init__(self, socket: ClientConnection, browser: psutil.Process) -> None:
        self._socket = socket
        self._browser = browser
        self._calls = 0

    def open(self, url: str) -> None:
        """Go to a page; it is there, if not yet loaded, when this returns."""
        assert "errorText" not in self._call("Page.navigate", url=url)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page."""
        result = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def heap_bytes(self) -> int:
        """What the page's scripts hold, when garbage is collected."""
        self._call("HeapProfiler.collectGarbage")
        return int(self._call("Runtime.getHeapUsage")["usedSize"])

    def renderer_bytes(self) -> int:
        """What the process behind the page has in memory for itself alone."""
        sizes = []
        for child in self._browser.children(recursive=True):
            with suppress(psutil.Error):  # it has just ended
                if "--type=renderer" in child.cmdline():
                    sizes.append(int(child.memory_full_info().uss))
        return max(sizes)

    def _call(self, method: str, **params: object) -> dict[str, Any]:
        self._calls += 1
        self._socket.send(json.dumps({"id": self._calls, "method": method, "params": params}))
        while True:
            answer = json.loads(self._socket.recv(timeout=30))
            if answer.get("id") == self._calls:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result


@contextmanager
def plain_page(chromium: str, url: str, profile: Path, size: tuple[int, int]) -> Iterator[PlainPage]:
    """The page at `url` in a Chromium of its own; `profile` is a new folder."""
    window = f"--window-size={size[0]},{size[1]}"
    command = [chromium, *ARGUMENTS, f"--user-data-dir={profile}", window, "about:blank"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    browser = psutil.Process(process.pid)
    try:
        port_file = profile / "DevToolsActivePort"
        eventually(lambda: port_file.exists() and port_file.read_text().count("\n") > 0, "Chromium is up", 30)
        port = int(port_file.read_text().split("\n")[0])
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=10) as answer:
            (address,) = [found["webSocketDebuggerUrl"] for found in json.load(answer) if found["type"] == "page"]
        with connect(address, max_size=None) as socket:
            page = PlainPage(socket, browser)
            page.open(url)
            yield page
    finally:
        family = [*browser.children(recursive=True), browser]
        process.terminate()
        _, left = psutil.wait_procs(family, timeout=20)
        for survivor in left:
            survivor.kill()
        process.wait()
