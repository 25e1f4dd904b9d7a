"""A real Pushgateway on loopback: it judges what is pushed, and shows what it has."""

import shutil
import tempfile
import time
from pathlib import Path
from typing import Final, Self

from tests.servers.client import Client
from tests.servers.process import Server, free_port

START_LIMIT: Final = 60.0  # seconds; a moment where nothing else runs


class Pushgateway:
    """One that keeps everything in memory, as long as its `with` block."""

    def __init__(self, binary: Path) -> None:
        self._binary: Final = binary
        self._folder: Final = Path(tempfile.mkdtemp(prefix="bridge-pushgateway-"))
        self.url: Final = f"http://127.0.0.1:{free_port()}"
        self._server: Server | None = None

    def __enter__(self) -> Self:
        address = self.url.removeprefix("http://")
        command = [self._binary, f"--web.listen-address={address}", "--web.enable-admin-api"]
        self._server = Server(command, self._folder / "log")
        end = time.monotonic() + START_LIMIT
        while not self._ready():
            if self._server.exited() is not None or time.monotonic() > end:
                tail = self._server.tail()
                self.__exit__()
                raise RuntimeError(f"the Pushgateway does not start:\n{tail}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _ready(self) -> bool:
        try:
            return Client(self.url).request("GET", "/-/ready").status == 200
        except OSError:
            return False
