"""What an approved plan holds of a source: where the provider reads it, its revision, and the hash of ciphertext."""

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bridge.config.reference import Reference
from bridge.errors import Refusal
from bridge.provider import Context, Document, ProviderError, Revision
from bridge.sources.reader import location
from bridge_providers.aws import Aws
from bridge_providers.scaleway import Scaleway
from bridge_providers.sops import Sops
from bridge_providers.vault import Vault
from tests.approval.approvals import approvable, file_of, planned, sync
from tests.desk import Desk
from tests.providers.vault.wire import Answer, document, wire
from tests.team import VALUES

PROJECT = "11111111-2222-3333-4444-555555555555"
OTHER = "99999999-2222-3333-4444-555555555555"


def context(**environ: str) -> Context:
    return Context(Path("/nowhere"), environ, 0.0)


@pytest.mark.parametrize(
    ("section", "path", "environ", "expected"),
    [
        (
            {"mount": "kv"},
            "app/staging",
            {"VAULT_ADDR": "https://vault:8200/", "VAULT_NAMESPACE": "team/", "VAULT_TOKEN": "CANARY"},
            {"address": "https://vault:8200", "namespace": "team", "mount": "kv", "path": "app/staging"},
        ),
        (
            {"address": "https://vault:8200", "namespace": "own", "mount": "kv"},
            "kv/app",
            {"VAULT_NAMESPACE": "team"},
            {"address": "https://vault:8200", "namespace": "own", "mount": "kv", "path": "app"},
        ),
        (
            {"address": "https://vault:8200"},
            "kv/app",
            {"BAO_NAMESPACE": ""},
            {"address": "https://vault:8200", "path": "kv/app"},
        ),
    ],
)
def test_vault_names_server_namespace_and_mount(
    section: dict[str, Any], path: str, environ: dict[str, str], expected: dict[str, str]
) -> None:
    assert Vault(**section).location(path, context(**environ)) == expected


@pytest.mark.parametrize(
    ("section", "path", "environ", "expected"),
    [
        (
            {"region": "fr-par", "project_id": PROJECT},
            "/voice/staging",
            {"SCW_SECRET_KEY": "CANARY"},
            {
                "address": "https://api.scaleway.com",
                "region": "fr-par",
                "project": PROJECT,
                "path": "/voice/staging",
            },
        ),
        (
            {},
            f"nl-ams:{OTHER}:/top",
            {"SCW_DEFAULT_REGION": "fr-par", "SCW_DEFAULT_PROJECT_ID": PROJECT, "SCW_API_URL": "https://scw.test"},
            {"address": "https://scw.test", "region": "nl-ams", "project": OTHER, "path": "/top"},
        ),
        (
            {"region": "fr-par"},
            f"id:{OTHER}",
            {},
            {"address": "https://api.scaleway.com", "region": "fr-par", "id": OTHER},
        ),
    ],
)
def test_scaleway_names_region_and_project(
    section: dict[str, Any], path: str, environ: dict[str, str], expected: dict[str, str]
) -> None:
    assert Scaleway(**section).location(path, context(HOME="/nowhere", **environ)) == expected


@pytest.mark.parametrize(
    ("section", "path", "expected"),
    [
        (
            {"region": "eu-west-3"},
            "voice/staging",
            {"service": "secretsmanager", "region": "eu-west-3", "path": "voice/staging"},
        ),
        ({}, "ssm:/voice/staging", {"service": "ssm", "region": "eu-north-1", "path": "/voice/staging"}),
        ({"profile": "absent"}, "ssm:/voice", {"service": "ssm", "path": "/voice"}),
        (
            {"region": "eu-west-3"},
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:voice-AbCdEf",
            {
                "service": "secretsmanager",
                "region": "us-east-1",
                "path": "arn:aws:secretsmanager:us-east-1:123456789012:secret:voice-AbCdEf",
            },
        ),
    ],
)
def test_aws_names_service_and_region(
    section: dict[str, Any], path: str, expected: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    (tmp_path / "config").write_text("[default]\nregion = eu-north-1\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    assert Aws(**section).location(path, context()) == expected


def test_sops_names_path_and_storage() -> None:
    assert Sops().location("staging.sops.yaml", context()) == {"path": "staging.sops.yaml"}
    objects = Sops(s3="https://s3.example.com", s3_region="fr-par")
    expected = {"storage": "https://s3.example.com", "region": "fr-par", "path": "s3://bucket/key"}
    assert objects.location("s3://bucket/key", context()) == expected
    assert objects.location("staging.sops.yaml", context()) == {"path": "staging.sops.yaml"}


@pytest.fixture
def desk(offline_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    for name in ("VAULT_ADDR", "BAO_ADDR", "VAULT_NAMESPACE", "BAO_NAMESPACE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VAULT_TOKEN", "hvs.own")
    return offline_desk


def test_document_of_vault_is_at_its_version_and_time(desk: Desk) -> None:
    with wire() as vault:
        vault.answer = lambda _: document(VALUES)
        section = {"address": vault.address, "mount": "kv", "kv_version": 2}
        approvable(desk, sources=["vault:app"], providers={"vault": section})
        plan = planned(desk)
        found = plan["environments"]["staging"]["sources"]["vault:app"]
        assert found["location"] == {"address": vault.address, "mount": "kv", "path": "app"}
        assert (found["addresses"], found["sha256"]) == ([vault.address], "")
        assert (found["revision"], type(found["order"])) == ("1", int)
        assert sync(desk).status == 0


def test_vault_in_another_namespace_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with wire() as vault:
        vault.answer = lambda _: document(VALUES)
        section = {"address": vault.address, "mount": "kv", "kv_version": 2}
        approvable(desk, sources=["vault:app"], providers={"vault": section})
        planned(desk)
        monkeypatch.setenv("VAULT_NAMESPACE", "elsewhere")
        result = sync(desk)
    assert result.status == 1
    assert result.lines[0] == "bridge: error: vault:app: its namespace is now elsewhere, but (none) in the plan"
    assert desk.target.versions() == {}


def test_document_in_version_1_engine_has_no_revision(desk: Desk) -> None:
    with wire() as vault:
        mounted = {"data": {"path": "kv/", "type": "kv", "options": {"version": "1"}}}
        vault.answer = lambda asked: Answer(200, mounted if "internal" in asked.path else {"data": VALUES})
        section = {"address": vault.address, "mount": "kv", "kv_version": 1}
        approvable(desk, sources=["vault:app"], providers={"vault": section})
        result = desk.run("plan", "staging", "--out", str(file_of(desk)))
    assert result.status == 1
    assert result.lines == [
        "bridge: error: vault:app: its store keeps no revisions, so a plan cannot be approved",
        "bridge: hint: move it to a store with revisions, such as KV version 2",
    ]
    assert not file_of(desk).exists()


def jsonfile() -> Any:
    """Return the third party's module, which is on the path only while a desk exists."""
    return importlib.import_module("bridge_jsonfile")


class Failing:
    """A provider that cannot say where its documents are."""

    concurrency: ClassVar[int] = 1

    def __init__(self, error: Exception) -> None:
        self.error = error

    def open(self, context: Context) -> Any:
        raise NotImplementedError

    def location(self, path: str, context: Context) -> Mapping[str, str]:
        raise self.error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ProviderError("is nowhere"), "acme:app: is nowhere"),
        (RuntimeError("CANARY-text"), "acme:app: the provider failed (RuntimeError)"),
    ],
)
def test_place_that_provider_cannot_tell_is_its_error(error: Exception, message: str) -> None:
    with pytest.raises(Refusal) as caught:
        location(Failing(error), Reference("acme", "app"), context())
    assert (str(caught.value), caught.value.__context__) == (message, None)


def test_text_that_could_not_be_read_again_is_not_written(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    approvable(desk)
    session = jsonfile().JsonFileSession
    read = session.read

    def odd(self: object, path: str, revision: str | None = None) -> Document:
        return read(self, path, revision)._replace(revision=Revision("1\x1b[2J"))

    monkeypatch.setattr(session, "read", odd)
    result = desk.run("plan", "staging", "--out", str(file_of(desk)))
    assert (result.status, file_of(desk).exists()) == (1, False)
    assert result.lines[-2] == "bridge: error: the plan: cannot be written: invalid entry in environments.sources"


def test_plan_has_hash_of_ciphertext_that_provider_tells(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    approvable(desk)
    session = jsonfile().JsonFileSession
    read = session.read

    def encrypted(self: object, path: str, revision: str | None = None) -> Document:
        return read(self, path, revision)._replace(sha256="5" * 64)

    monkeypatch.setattr(session, "read", encrypted)
    found = planned(desk)["environments"]["staging"]["sources"]
    assert found["jsonfile:values.json"]["sha256"] == "5" * 64
    monkeypatch.setattr(session, "read", read)
    refused = sync(desk)
    message = "bridge: error: jsonfile:values.json: its content has changed since the plan was made"
    assert (refused.status, refused.lines[0]) == (1, message)


def test_hash_that_is_none_is_providers_mistake(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    approvable(desk)
    session = jsonfile().JsonFileSession
    read = session.read

    def odd(self: object, path: str, revision: str | None = None) -> Document:
        return read(self, path, revision)._replace(sha256="CANARY-no-hash")

    desk.canaries.add("CANARY-no-hash")
    monkeypatch.setattr(session, "read", odd)
    result = desk.run("plan", "staging", "--out", str(file_of(desk)))
    assert result.status == 1
    assert "returned a sha256 that is not 64 hexadecimal digits" in result.lines[0]


def test_namespace_that_cannot_be_read_is_named(desk: Desk) -> None:
    approvable(desk)
    assert desk.target.embedded

    def forbid(method: str, path: str) -> Any:
        if path.startswith(f"/api/v1/namespaces/{desk.target.namespace}") and path.count("/") == 4:
            body = {"kind": "Status", "apiVersion": "v1", "code": 403, "reason": "Forbidden"}
            return ("answer", 403, {}, json.dumps(body).encode())
        return None

    desk.target.embedded.intercept = forbid
    result = desk.run("plan", "staging", "--out", str(file_of(desk)))
    assert result.status == 1
    assert result.lines == [
        f"bridge: error: namespace {desk.target.namespace}: its uid cannot be read, which an approved plan names",
        "bridge: hint: allow `get` on this namespace",
    ]
    assert not file_of(desk).exists()
