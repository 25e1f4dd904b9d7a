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

    @pytest.fixture(autouse=True)
    def _key(self, sops_binary: Path, tmp_path: Path) -> None:
        self.binary = sops_binary
        identity = pyrage.x25519.Identity.generate()
        self.recipient = str(identity.to_public())
        (tmp_path / "key").write_text(str(identity))

    def provider(self, folder: Path) -> Provider:
        return Sops(age_key_file="key")

    def put(self, folder: Path, values: Mapping[str, str]) -> str:
        path = folder / "document.sops.json"
        path.write_text(json.dumps(values))
        command = [self.binary, "--encrypt", "--in-place", "--age", self.recipient, path]
        subprocess.run(command, check=True, capture_output=True, env=os.environ | {"HOME": str(folder)})
        return path.name
