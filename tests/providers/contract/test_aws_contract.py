"""The provider passes the tests that every provider should pass, with Secrets Manager and with Parameter Store."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from bridge.provider import Provider
from bridge.testing.contract import ProviderContract
from bridge_providers.aws import Aws
from tests.servers.s3 import ACCESS_KEY, SECRET_KEY, ObjectStorage

REGION = "eu-west-3"


class OnAws(ProviderContract):
    @pytest.fixture(autouse=True)
    def _account(self, storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", storage.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        self.secrets = storage.client("secretsmanager", region=REGION)
        self.parameters = storage.client("ssm", region=REGION)

    def provider(self, folder: Path) -> Provider:
        return Aws(region=REGION)


class TestSecretsManager(OnAws):
    def put(self, folder: Path, values: Mapping[str, str]) -> str:
        return self.put_json(folder, json.dumps(values))

    def put_json(self, folder: Path, text: str) -> str:
        self.secrets.create_secret(Name="voice/contract", SecretString=text)
        return "voice/contract"

    def put_bytes(self, folder: Path, data: bytes) -> str:
        self.secrets.create_secret(Name="voice/contract", SecretBinary=data)
        return "voice/contract"


class TestFolderOfParameters(OnAws):
    absent = "ssm:/absent"

    def put(self, folder: Path, values: Mapping[str, str]) -> str:
        for name, text in values.items():
            self.parameters.put_parameter(Name=f"/voice/{name}", Value=text, Type="SecureString")
        return "ssm:/voice"


class TestParameter(OnAws):
    absent = "ssm:absent"

    def put(self, folder: Path, values: Mapping[str, str]) -> str:
        return self.put_json(folder, json.dumps(values))

    def put_json(self, folder: Path, text: str) -> str:
        self.parameters.put_parameter(Name="/voice/contract", Value=text, Type="SecureString")
        return "ssm:/voice/contract"
