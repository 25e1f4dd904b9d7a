"""A headless Chromium, driven over a pipe: https://chromedevtools.github.io/devtools-protocol.

It resolves no name and has no proxy that works, so a page sees nothing but itself.
"""

import base64
import fcntl
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Self

from tests.waiting import LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGES: Final = ("chromium", "fonts-dejavu-core")
START: Final = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
)
"""The browser reads its commands from descriptor 3, and writes to 4."""
FLAGS: Final = (
    "--headless",
    "--remote-debugging-pipe",
    "--disable-gpu",
    "--disable-dev-shm-usage",  # a container has little of it
    "--no-first-run",
    "--disable-background-networking",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--proxy-server=127.0.0.1:1",
)


class Chromium:
    """The browser; `with` ends it."""

    def __init__(self, binary: Path) -> None:
        self._binary: Final = binary
        self._answers: Final[dict[int, SimpleQueue[dict[str, Any]]]] = {}
        self._pages: Final[dict[str, Page]] = {}
        self._number = 0

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        commands, self._writer = _pipe()
        self._reader, events = _pipe()
        flags = [*FLAGS, f"--user-data-dir={self._folder.name}/profile"]
        flags += ["--no-sandbox"] if os.geteuid() == 0 else []  # which root cannot have
        command = [sys.executable, "-c", START, str(commands), str(events), str(self._binary), *flags, "about:blank"]
        environ = {**os.environ, "HOME": self._folder.name}
        null = subprocess.DEVNULL
        self._process = subprocess.Popen(
            command, pass_fds=(commands, events), env=environ, stdin=null, stdout=null, stderr=null
        )
        os.close(commands)
        os.close(events)
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._writer)  # it ends when its pipe does
        try:
            self._process.wait(LIMIT)
        finally:
            self._process.kill()
            self._process.wait()
            self._folder.cleanup()

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Send a command, and return its result."""
        self._number += 1
        number, answers = self._number, SimpleQueue[dict[str, Any]]()
        self._answers[number] = answers
        message = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._writer, data) :]
        answer = _next(answers, method)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, file: Path, prepare: "Callable[[Page], object] | None" = None, fragment: str = "") -> "Page":
        """Open a page in a new tab, and wait until it has loaded; `prepare` may change the tab before that."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session)
        self._pages[session] = page
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            page.call(f"{domain}.enable")
        page.call("Page.setLifecycleEventsEnabled", enabled=True)
        page.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        if prepare:
            prepare(page)
        page.load(file.as_uri() + fragment)
        return page

    def _listen(self) -> None:
        with os.fdopen(self._reader, "rb") as stream:
            rest = b""
            while chunk := stream.read1(1 << 20):
                *messages, rest = (rest + chunk).split(b"\0")
                for message in map(json.loads, messages):
                    if "id" in message:
                        self._answers.pop(message["id"]).put(message)
                    elif page := self._pages.get(message.get("sessionId")):
                        page.receive(message["method"], message["params"])
        for answers in list(self._answers.values()):
            answers.put({"error": "the browser has ended"})


WATCH: Final = """
window.violations = [];
addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective));
"""


class Page:
    """A tab: what it has requested, and what went wrong in it."""

    def __init__(self, browser: Chromium, session: str) -> None:
        self._browser: Final = browser
        self._session: Final = session
        self._loaded: Final = SimpleQueue[str]()
        self.requests: Final[list[str]] = []
        self.complaints: Final[list[Any]] = []

    def receive(self, method: str, parameters: dict[str, Any]) -> None:
        """Take an event of the browser."""
        match method:
            case "Network.requestWillBeSent":
                self.requests.append(parameters["request"]["url"])
            case "Page.lifecycleEvent" if parameters["name"] == "load":
                self._loaded.put(parameters["loaderId"])
            case "Log.entryAdded" | "Runtime.consoleAPICalled" | "Runtime.exceptionThrown":
                self.complaints.append(parameters)
            case _:
                pass

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command to this tab."""
        return self._browser.call(method, self._session, **parameters)

    def load(self, url: str) -> None:
        """Go to an address, and wait until the page has loaded."""
        answer = self.call("Page.navigate", url=url)
        assert "errorText" not in answer, answer
        while _next(self._loaded, url) != answer["loaderId"]:
            pass  # the empty page of the new tab

    def run(self, script: str) -> Any:
        """Return what an expression gives in the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def texts(self, selector: str) -> list[str]:
        """Return the text of each visible element, also of those that the window has no room for."""
        elements = f"[...document.querySelectorAll({json.dumps(selector)})]"
        found: list[str] = self.run(f"{elements}.filter((one) => one.checkVisibility()).map((one) => one.textContent)")
        return found

    def key(self, name: str, text: str = "") -> None:
        """Press a key."""
        for kind in ("keyDown", "keyUp"):
            shown = {"text": text} if text and kind == "keyDown" else {}
            code = {"Tab": 9, "Enter": 13, "Escape": 27}.get(name, 0)
            self.call("Input.dispatchKeyEvent", type=kind, key=name, windowsVirtualKeyCode=code, **shown)

    def write(self, text: str) -> None:
        """Enter a text where the cursor is."""
        self.call("Input.insertText", text=text)

    def size(self, width: int, height: int) -> None:
        """Change the size of the window."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def prefer(self, scheme: str, medium: str = "") -> None:
        """Prefer a light or dark colour scheme, or look at the page as it is printed."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=medium, features=features)

    def picture(self) -> bytes:
        """Return a picture of the window (PNG)."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])


def _pipe() -> tuple[int, int]:
    """Return a pipe whose descriptors are none of those that the browser expects."""
    ends = os.pipe()
    high = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return high[0], high[1]


def _next(queue: SimpleQueue[Any], what: str) -> Any:
    try:
        return queue.get(timeout=LIMIT)
    except Empty:
        raise AssertionError(f"the browser does not answer: {what}") from None
