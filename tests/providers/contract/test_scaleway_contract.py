"""The provider passes the tests that every provider should pass."""

import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from bridge.provider import Context, Provider
from bridge.testing.contract import ProviderContract
from bridge_providers.scaleway import Scaleway
from tests.servers.scaleway import SecretManager


class TestScaleway(ProviderContract):
    absent = "/absent"

    @pytest.fixture(autouse=True)
    def _server(self, manager: SecretManager) -> None:
        self.manager = manager

    def provider(self, folder: Path) -> Provider:
        return Scaleway(region="nl-ams")

    def context(self, folder: Path) -> Context:
        return Context(folder, self.manager.environ(), time.monotonic() + 60)

    def put(self, folder: Path, values: Mapping[str, str]) -> str:
        self.manager.put("/contract/document", dict(values), region="nl-ams", type="key_value")
        return "/contract/document"

    def put_json(self, folder: Path, text: str) -> str:
        self.manager.put("/contract/document", text.encode(), region="nl-ams", type="opaque")
        return "/contract/document"

    def put_bytes(self, folder: Path, data: bytes) -> str:
        self.manager.put("/contract/document", data, region="nl-ams", type="opaque")
        return "/contract/document"
