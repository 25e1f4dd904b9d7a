"""The main job with AWS: whole runs against moto's server, what they write back, and what they show."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.desk import Desk
from tests.pages import page
from tests.servers.s3 import ACCESS_KEY, SECRET_KEY, ObjectStorage
from tests.stores.test_set import Piped
from tests.team import VALUES
from tests.waiting import until

REGION = "eu-west-3"
NAME = "voice/staging"


@pytest.fixture
def desk(offline_desk: Desk, storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> Desk:
    environ = {"AWS_ENDPOINT_URL": storage.url, "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    offline_desk.canaries |= {SECRET_KEY}
    offline_desk.environment(sources=[f"aws:{NAME}"], providers={"aws": {"region": REGION}})
    return offline_desk


@pytest.fixture
def secrets(storage: ObjectStorage) -> Any:
    return storage.client("secretsmanager", region=REGION)


@pytest.fixture
def parameters(storage: ObjectStorage) -> Any:
    return storage.client("ssm", region=REGION)


def age(secrets: Any, version: str) -> None:
    """Wait for the next second: moto's versions have no finer times."""
    created = secrets.get_secret_value(SecretId=NAME, VersionId=version)["CreatedDate"].timestamp()
    until(lambda: time.time() >= created + 1)


def test_run_writes_what_secret_has_and_next_one_nothing(desk: Desk, secrets: Any) -> None:
    version = secrets.create_secret(Name=NAME, SecretString=json.dumps(VALUES))["VersionId"]
    plan = desk.run("plan", "staging")
    assert plan.status == 0, plan.err
    assert f"aws:{NAME} @ {version}" in plan.out
    assert desk.run("sync", "staging").status == 0
    assert desk.target.secrets() == VALUES
    before = desk.target.versions()
    again = desk.run("sync", "staging")
    assert (again.status, again.err) == (0, "")
    assert desk.target.versions() == before


def test_run_writes_what_folder_of_parameters_has(desk: Desk, parameters: Any) -> None:
    for name, text in VALUES.items():
        parameters.put_parameter(Name=f"/voice/staging/{name}", Value=text, Type="SecureString")
    desk.environment(sources=["aws:ssm:/voice/staging"], providers={"aws": {"region": REGION}})
    result = desk.run("sync", "staging")
    assert result.status == 0, result.err
    assert desk.target.secrets() == VALUES


def test_environment_of_page_reads_secret(
    desk: Desk, secrets: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its profile is one of AWS's files."""
    secrets.create_secret(Name=NAME, SecretString=json.dumps(VALUES))
    file = tmp_path / "aws-credentials"
    file.write_text(f"[voice]\naws_access_key_id={ACCESS_KEY}\naws_secret_access_key={SECRET_KEY}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    desk.environment(**yaml.safe_load(page("aws").block("aws-environment")))
    assert desk.run("sync", "staging").status == 0
    assert desk.target.secrets() == VALUES


def test_set_and_rollback_write_new_versions(desk: Desk, secrets: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = secrets.create_secret(Name=NAME, SecretString=json.dumps(VALUES))["VersionId"]
    age(secrets, first)
    monkeypatch.setattr("sys.stdin", Piped(b"CANARY-new"))
    result = desk.run("set", "staging", "OPENAI_API_KEY", "--yes")
    assert result.status == 0, result.err
    stored = secrets.get_secret_value(SecretId=NAME, VersionStage="AWSCURRENT")
    assert json.loads(stored["SecretString"]) == VALUES | {"OPENAI_API_KEY": "CANARY-new"}
    result = desk.run("rollback", "staging", "--source", f"aws:{NAME}", "--to", first, "--yes")
    assert result.status == 0, result.err
    stored = secrets.get_secret_value(SecretId=NAME, VersionStage="AWSCURRENT")
    assert json.loads(stored["SecretString"]) == VALUES
    assert desk.target.secrets() == VALUES


def test_version_that_is_older_is_refused(desk: Desk, secrets: Any) -> None:
    """AWSCURRENT goes back to a version of before, as an administrator may move it."""
    first = secrets.create_secret(Name=NAME, SecretString=json.dumps(VALUES | {"OPENAI_API_KEY": "CANARY-old"}))
    age(secrets, first["VersionId"])
    second = secrets.put_secret_value(SecretId=NAME, SecretString=json.dumps(VALUES))["VersionId"]
    assert desk.run("sync", "staging").status == 0
    secrets.update_secret_version_stage(
        SecretId=NAME, VersionStage="AWSCURRENT", MoveToVersionId=first["VersionId"], RemoveFromVersionId=second
    )
    before = desk.target.versions()
    result = desk.run("sync", "staging")
    assert result.status == 1
    assert f"aws:{NAME}" in result.err
    assert "older" in result.err
    assert desk.target.versions() == before


def test_doctor_names_credentials_and_servers(desk: Desk, secrets: Any, storage: ObjectStorage) -> None:
    secrets.create_secret(Name=NAME, SecretString=json.dumps(VALUES))
    result = desk.run("doctor", "staging")
    assert "AWS_ACCESS_KEY_ID" in result.out
    assert storage.url in result.out
    assert f"aws:{NAME}" in result.out


def test_check_needs_neither_keys_nor_boto3(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.environment(sources=["aws:arn:aws:iam::1:role/x"], providers={"aws": {"region": "Paris"}})
    result = desk.run("check", "staging")
    assert result.status == 2
    assert "is not a region such as eu-west-3" in result.err


def test_trust_file_must_list_server(desk: Desk, secrets: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets.create_secret(Name=NAME, SecretString=json.dumps(VALUES))
    trust = tmp_path / "trust.yaml"
    trust.write_text("stores: []\n")
    trust.chmod(0o600)
    monkeypatch.setenv("BRIDGE_TRUST", str(trust))
    result = desk.run("plan", "staging")
    assert result.status == 1
    assert "may not get the credential aws" in result.err


@pytest.mark.parametrize("field", ["endpoint", "endpoint_url", "address"])
def test_section_that_names_endpoint_is_refused(desk: Desk, storage: ObjectStorage, field: str) -> None:
    """A branch could let its own server get requests that are signed with the operator's keys."""
    desk.environment(sources=[f"aws:{NAME}"], providers={"aws": {"region": REGION, field: "https://evil.example"}})
    for command in ("check", "sync"):
        result = desk.run(command, "staging")
        assert result.status in {1, 2}
        assert field in result.err
    assert desk.target.get("Secret", "agent-secrets") is None
