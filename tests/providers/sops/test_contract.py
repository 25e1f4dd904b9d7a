"""The provider passes the tests that every provider should pass."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pyrage
import pytest

from bridge.provider import Provider
from bridge.testing.contract import ProviderContract
from bridge_providers.sops import Sops


class TestSops(ProviderContract):
    absent = "absent.sops.json"
    numbers_keep_their_text = False  # sops writes 1.1 for 1.10 when it encrypts

    @pytest.fixture(autouse=True)
    def _key(self, sops_binary: Path, tmp_path: Path) -> None:
        self.binary = sops_binary
        identity = pyrage.x25519.Identity.generate()
        self.recipient = str(identity.to_public())
        (tmp_path / "key").write_text(str(identity))

    def provider(self, folder: Path) -> Provider:
        return Sops(age_key_file="key")

    def put(self, folder: Path, values: Mapping[str, str]) -> str:
        return self.put_json(folder, json.dumps(values))

    def put_json(self, folder: Path, text: str) -> str:
        return self.encrypted(folder / "document.sops.json", text.encode())

    def put_bytes(self, folder: Path, data: bytes) -> str:
        return self.encrypted(folder / "document.sops.bin", data)

    def encrypted(self, path: Path, data: bytes) -> str:
        path.write_bytes(data)
        command = [self.binary, "--encrypt", "--in-place", "--age", self.recipient, path]
        subprocess.run(command, check=True, capture_output=True, env=os.environ | {"HOME": str(path.parent)})
        return path.name
