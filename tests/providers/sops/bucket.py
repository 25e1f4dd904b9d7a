"""A bucket of SOPS files, and what the tests of object storage share."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge.provider import Context, Document
from bridge_providers.sops import Sops
from tests.providers.sops.folder import Folder, everything_told_by

if TYPE_CHECKING:
    from tests.servers.s3 import ObjectStorage

CONFIG = Path(__file__).parents[3] / "config"
ACCESS_KEY = "SCWCANARYACCESS00000"
SECRET_KEY = "ca9a4700-0000-4000-8000-00000000000a"
KEYS = {"SCW_ACCESS_KEY": ACCESS_KEY, "SCW_SECRET_KEY": SECRET_KEY, "SCW_DEFAULT_REGION": "fr-par"}


class Failure:
    """An error, after all that it holds was looked through."""

    def __init__(self, error: Exception) -> None:
        told = everything_told_by(error)
        for hidden in ("CANARY", "ca9a4700", "AWS4-HMAC", "Signature="):
            assert hidden not in told
        problem = error.problems[0]  # type: ignore[attr-defined]
        self.kind = type(error)
        self.what: str = problem.what
        self.hint: str = problem.hint
        self.retry_after: float | None = getattr(error, "retry_after", None)


class Reader:
    """Reads from object storage as a run does; the age key is the demonstration's."""

    def __init__(self, environ: dict[str, str], base: Path = CONFIG) -> None:
        self.environ = dict(environ)
        self.base = base

    def read(self, path: str, revision: str | None = None, *, seconds: float = 30, **options: Any) -> Document:
        """Read one object in a session of its own."""
        given = {"s3": "scaleway"} | options
        environ = {**os.environ, **self.environ}
        session = Sops(**given).open(Context(self.base, environ, time.monotonic() + seconds))
        try:
            return session.read(path, revision)
        finally:
            session.close()

    def failure(self, path: str, revision: str | None = None, **more: Any) -> Failure:
        """Read what cannot be read."""
        try:
            self.read(path, revision, **more)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is looked at
            return Failure(error)
        raise AssertionError("it was read")


class Bucket(Reader):
    """The bucket `voice` of a store, filled with what the real sops writes."""

    def __init__(self, folder: Folder, storage: "ObjectStorage") -> None:
        super().__init__(folder.environ | storage.environ(), folder.path)
        self.folder = folder
        self.storage = storage
        self.client = storage.client()
        self.client.create_bucket(Bucket="voice")
        self.client.put_bucket_versioning(Bucket="voice", VersioningConfiguration={"Status": "Enabled"})

    def put(self, key: str, content: str | bytes) -> str:
        """Encrypt an object with the real sops and store it; return its version."""
        body = self.folder.encrypt(key, content).read_bytes()
        version: str = self.client.put_object(Bucket="voice", Key=key, Body=body)["VersionId"]
        return version
