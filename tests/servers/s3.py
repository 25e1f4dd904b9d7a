"""An object storage on loopback: moto's server, in a process of its own."""

import contextlib
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final, Self

from boto3.session import Session
from botocore.config import Config

from tests.servers.client import Client
from tests.servers.process import Server, free_port

START_LIMIT: Final = 60.0  # seconds; three where nothing else runs
ACCESS_KEY: Final = "SCWCANARYACCESS00000"
SECRET_KEY: Final = "ca9a4700-0000-4000-8000-00000000000a"
REGION: Final = "fr-par"


class ObjectStorage:
    """The server. It accepts any keys, until it is told to `demand_keys`."""

    def __init__(self) -> None:
        self.port: Final = free_port()
        self.url: Final = f"http://127.0.0.1:{self.port}"
        self._folder: Final = Path(tempfile.mkdtemp(prefix="bridge-s3-"))
        self._client: Final = Client(self.url)
        self._server: Server | None = None

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        self._server = Server(command, self._folder / "log")
        try:
            self._wait()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the server and remove its folder."""
        if self._server is not None:
            self._server.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _wait(self) -> None:
        assert self._server is not None
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline and self._server.exited() is None:
            with contextlib.suppress(OSError):
                if self._client.request("GET", "/moto-api/data.json").status == 200:
                    return
            time.sleep(0.05)
        raise RuntimeError(f"moto did not start:\n{self._server.tail()}")

    def reset(self) -> None:
        """Forget all buckets, users and demands."""
        self._do("/moto-api/reset")
        self.accept_any_keys()

    def accept_any_keys(self) -> None:
        """Check nothing any more."""
        self._do("/moto-api/reset-auth", b"inf")

    def demand_keys(self) -> None:
        """Check every request's signature and its user's rights from now on."""
        self._do("/moto-api/reset-auth", b"0")

    def _do(self, path: str, body: bytes = b"") -> None:
        assert self._client.request("POST", path, body).status == 200

    def client(
        self, service: str = "s3", access: str = ACCESS_KEY, secret: str = SECRET_KEY, region: str = "us-east-1"
    ) -> Any:
        """Return a client of an administrator, or of somebody else."""
        return Session(access, secret, region_name=region).client(
            service, endpoint_url=self.url, config=Config(retries={"total_max_attempts": 1})
        )

    def environ(self, **more: str) -> dict[str, str]:
        """Return the variables that lead here as if it were Scaleway's."""
        return {
            "SCW_S3_ENDPOINT": self.url,
            "SCW_ACCESS_KEY": ACCESS_KEY,
            "SCW_SECRET_KEY": SECRET_KEY,
            "SCW_DEFAULT_REGION": REGION,
        } | more
