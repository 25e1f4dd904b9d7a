"""The provider passes the tests that every provider should pass, with `cat` as the store."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

from bridge.provider import Context, Provider
from bridge.testing.contract import ProviderContract
from bridge_providers.exec import Exec
from tests.providers.exec.conftest import trusting


class TestExec(ProviderContract):
    absent = "absent"
    document = "json"

    def provider(self, folder: Path) -> Provider:
        return Exec(command=["/bin/cat", "--", f"{folder}/{{path}}"], statuses={1: "not found"}, document=self.document)

    def context(self, folder: Path) -> Context:
        environ = os.environ | trusting(folder, ["/bin/cat", "--"])
        (folder / "environments").mkdir(exist_ok=True)
        return Context(folder / "environments", environ, time.monotonic() + 60)

    def put(self, folder: Path, values: Mapping[str, str]) -> str:
        return self.put_json(folder, json.dumps(values))

    def put_json(self, folder: Path, text: str) -> str:
        (folder / "document").write_text(text)
        return "document"


class TestBytes(TestExec):
    document = "bytes"

    def put_bytes(self, folder: Path, data: bytes) -> str:
        (folder / "document").write_bytes(data)
        return "document"

    for name in vars(ProviderContract):
        if name.startswith("test_") and name not in {
            "test_opaque_document_is_unchanged",
            "test_a_document_has_a_revision",
            "test_missing_document_is_not_found",
            "test_an_unknown_revision_is_an_error",
        }:
            locals()[name] = None  # the values have no fields
    del name
