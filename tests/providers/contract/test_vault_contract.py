"""The provider passes the tests that every provider should pass, on the real Vault, with both engine versions."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from bridge.provider import Context, Provider
from bridge.testing.contract import ProviderContract
from bridge_providers.vault import Vault
from tests.servers.vault import DevVault


class TestVersion2(ProviderContract):
    version = 2

    @pytest.fixture(autouse=True)
    def _server(self, dev_vault: DevVault, mount: str, mount_1: str) -> None:
        self.server = dev_vault
        self.mount = mount if self.version == 2 else mount_1

    def provider(self, folder: Path) -> Provider:
        return Vault(address=self.server.address, mount=self.mount)

    def context(self, folder: Path) -> Context:
        return super().context(folder)._replace(environ={"VAULT_TOKEN": self.server.root})

    def put(self, folder: Path, values: Mapping[str, str]) -> str:
        if self.version == 2:
            self.server.put("app", values, self.mount)
        else:
            self.server.do("POST", f"{self.mount}/app", values)
        return "app"

    numbers_keep_their_text = False  # version 2 keeps a float64
    keys_may_repeat = False  # the server reads what it is given into a map

    def put_json(self, folder: Path, text: str) -> str:
        if self.version == 2:
            self.server.put("app", f'{{"data":{text}}}'.encode(), self.mount)
        else:
            self.server.do("POST", f"{self.mount}/app", text.encode())
        return "app"


class TestVersion1(TestVersion2):
    version = 1
    numbers_keep_their_text = True
