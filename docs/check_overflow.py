"""Check that no page of a built site is wider than the window.

Run with the folder that holds the pages::

    python docs/check_overflow.py docs/_build/html

Chromium lays out every page at each of the widths, in pixels. A page that could be scrolled
sideways is an error, and so is a part of it, such as the article or a side bar. Code, tables and
formulas may scroll inside an element of their own.
Without Chromium on PATH, or where it does not start, nothing is checked, and the output says so.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

NAMES = ("chromium", "chromium-browser", "google-chrome")
WIDTHS = (1400, 400)
HEIGHT = 900
# A browser that has not answered by then, in seconds, does not answer at all.
PATIENCE = 60.0
# As root, Chromium starts without its sandbox only. All pages are files, so no host is needed.
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--no-first-run",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--remote-debugging-pipe",
)

# The width of the page, and what is wider than there is room for: elements that scroll although
# they should not, and the innermost ones that reach out of the window.
MEASURE = """
(async () => {
  if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
  await document.fonts.ready;
  const permitted = "pre, .pst-scrollable-table-container, .output_html, mjx-container";
  const room = document.documentElement.clientWidth;
  const width = document.scrollingElement.scrollWidth;
  const name = (element) => [element.tagName.toLowerCase(), ...element.classList].join(".");
  const style = (element) => getComputedStyle(element).overflowX;
  const found = new Set();
  for (const element of document.body.querySelectorAll("*")) {
    const scrolls = ["auto", "scroll"].includes(style(element));
    if (scrolls && !element.matches(permitted) && element.scrollWidth > element.clientWidth + 1)
      found.add(name(element));
  }
  const search = (element) => {
    for (const child of element.children) {
      const before = found.size;
      if (style(child) === "visible") search(child);
      if (found.size === before && child.getBoundingClientRect().right > room + 1)
        found.add(name(child));
    }
  };
  if (width > room) search(document.body);
  return JSON.stringify({room, width, elements: [...found].slice(0, 3)});
})()
"""


class Measurement(NamedTuple):
    """Width of a page in a window of so many pixels, and the elements that are too wide."""

    page: str
    room: int
    width: int
    elements: tuple[str, ...] = ()

    @property
    def overflows(self) -> bool:
        """Whether the page, or an element that should not scroll, is too wide."""
        return self.width > self.room or bool(self.elements)

    def __str__(self) -> str:
        """Return the line that reports the page."""
        names = f" ({', '.join(self.elements)})" if self.elements else ""
        return f"{self.page}: {self.width} pixels wide in {self.room}{names}"


class BrowserError(RuntimeError):
    """Chromium does not answer, or answers with an error."""


def find_browser() -> str | None:
    """Return the path of Chromium, None if there is none."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


def list_pages(folder: Path) -> list[Path]:
    """Return the ``html`` files, also those with source code, without the templates in _static."""
    return [
        path
        for path in sorted(folder.rglob("*.html"))
        if path.relative_to(folder).parts[0] != "_static"
    ]


class Tab:
    """A tab of Chromium that is told what to do through two pipes.

    Messages of the DevTools protocol are JSON objects, each followed by a zero byte.
    """

    def __init__(self, sender: int, receiver: int) -> None:
        self._sender, self._receiver = sender, receiver
        self._read = b""
        self._n_sent = 0
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        self.call("Page.enable")

    def _receive(self) -> dict[str, Any]:
        """Return the next message."""
        while b"\0" not in self._read:
            if not select.select([self._receiver], [], [], PATIENCE)[0]:
                raise BrowserError(f"Chromium has not answered for {PATIENCE:g} s")
            part = os.read(self._receiver, 1 << 16)
            if not part:
                raise BrowserError("Chromium has ended")
            self._read += part
        text, _, self._read = self._read.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        return message

    def _send(self, method: str, parameters: dict[str, Any]) -> int:
        """Send a command and return its number."""
        self._n_sent += 1
        message = {"id": self._n_sent, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        rest = json.dumps(message).encode() + b"\0"
        try:
            while rest:
                rest = rest[os.write(self._sender, rest) :]
        except BrokenPipeError as error:
            raise BrowserError("Chromium has ended") from error
        return self._n_sent

    def call(self, method: str, until: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Send a command, wait for its result and for the event `until`; return the result."""
        number = self._send(method, parameters)
        result: dict[str, Any] | None = None
        while result is None or until is not None:
            message = self._receive()
            if message.get("id") == number:
                if "error" in message:
                    raise BrowserError(f"{method}: {message['error']['message']}")
                result = message["result"]
            elif until is not None and message.get("method") == until:
                until = None
        return result

    def resize(self, width: int, height: int = HEIGHT) -> None:
        """Give the window a width."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def show(self, page: Path) -> None:
        """Load a page."""
        result = self.call("Page.navigate", until="Page.loadEventFired", url=page.as_uri())
        if "errorText" in result:
            raise BrowserError(f"{page}: {result['errorText']}")

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression or of its promise."""
        result = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in result:
            raise BrowserError(str(result["exceptionDetails"]))
        return result["result"]["value"]


@contextmanager
def open_browser(path: str) -> Iterator[Tab]:
    """Start Chromium with a profile of its own, and end it."""
    # Chromium reads commands from the file descriptor 3 and writes to 4.
    to_browser, sender = os.pipe()
    receiver, from_browser = os.pipe()
    redirect = f'exec "$@" 3<&{to_browser} 4>&{from_browser}'
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = subprocess.Popen(
            ["bash", "-c", redirect, "bash", path, *OPTIONS, f"--user-data-dir={profile}"],
            pass_fds=(to_browser, from_browser),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        try:
            yield Tab(sender, receiver)
        finally:
            os.close(sender)
            os.close(receiver)
            # Without its pipes it ends by itself, and with it the processes that it has started.
            try:
                browser.wait(timeout=5)
            except subprocess.TimeoutExpired:
                browser.kill()
                browser.wait()


def measure_page(tab: Tab, page: Path, name: str, widths: Sequence[int]) -> list[Measurement]:
    """Measure a page in windows of several widths."""
    found = []
    for width in widths:
        tab.resize(width)
        if not found:
            tab.show(page)
        answer = json.loads(tab.evaluate(MEASURE))
        found.append(Measurement(name, answer["room"], answer["width"], tuple(answer["elements"])))
    return found


def measure_site(tab: Tab, folder: Path, widths: Sequence[int] = WIDTHS) -> list[Measurement]:
    """Measure all pages below a folder."""
    return [
        measurement
        for page in list_pages(folder)
        for measurement in measure_page(tab, page, page.relative_to(folder).as_posix(), widths)
    ]


def report(measurements: Sequence[Measurement]) -> tuple[list[str], int]:
    """Return the lines that say which pages are too wide, and the number of these pages."""
    lines = [str(measurement) for measurement in measurements if measurement.overflows]
    n_wide = len({measurement.page for measurement in measurements if measurement.overflows})
    widths = " and ".join(str(room) for room in dict.fromkeys(one.room for one in measurements))
    n_pages = len({measurement.page for measurement in measurements})
    return [*lines, f"{n_pages} pages at {widths} pixels, {n_wide} too wide"], n_wide


def main(folder: Path) -> int:
    """Print the pages that are too wide; return their number, or 1 if there is no page at all."""
    folder = folder.resolve()
    if not list_pages(folder):
        print(f"{folder} contains no page")
        return 1
    path = find_browser()
    if path is None:
        print("widths of pages not checked, skipped: no Chromium")
        return 0
    with ExitStack() as stack:
        try:
            tab = stack.enter_context(open_browser(path))
        except BrowserError as error:
            # That the browser does not run here says nothing about the pages.
            print(f"widths of pages not checked, skipped: {error}")
            return 0
        try:
            lines, n_wide = report(measure_site(tab, folder))
        except BrowserError as error:
            print(f"widths of pages not checked, failed: {error}")
            return 1
    print("\n".join(lines))
    return min(n_wide, 100)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
