"""The main job with SOPS files in object storage: written by the real sops, held by moto."""

from typing import TYPE_CHECKING

import pytest
import yaml

from tests.desk import Desk
from tests.pages import page
from tests.providers.runs.test_sops_runs import Sops, flat, sops  # noqa: F401 - `sops` is a fixture
from tests.team import VALUES

if TYPE_CHECKING:
    from tests.servers.s3 import ObjectStorage

KEY = "staging/app.sops.yaml"
REFERENCE = f"sops:s3://voice/{KEY}"


class Bucket:
    """The bucket `voice`."""

    def __init__(self, program: Sops, storage: "ObjectStorage") -> None:
        self.program = program
        self.client = storage.client()
        self.client.create_bucket(Bucket="voice")
        self.client.put_bucket_versioning(Bucket="voice", VersioningConfiguration={"Status": "Enabled"})

    def put(self, text: str, key: str = KEY) -> str:
        """Encrypt and store an object; return its version."""
        body = self.program.encrypt(key, text).read_bytes()
        version: str = self.client.put_object(Bucket="voice", Key=key, Body=body)["VersionId"]
        return version


@pytest.fixture
def bucket(sops: Sops, desk: Desk, storage: "ObjectStorage", monkeypatch: pytest.MonkeyPatch) -> Bucket:  # noqa: F811
    for name, value in storage.environ().items():
        monkeypatch.setenv(name, value)
    desk.canaries |= {storage.environ()[name] for name in ("SCW_ACCESS_KEY", "SCW_SECRET_KEY")}
    desk.environment(sources=[REFERENCE], providers={"sops": {"s3": "scaleway"}})
    return Bucket(sops, storage)


def test_run_writes_what_object_has_and_next_one_nothing(desk: Desk, bucket: Bucket) -> None:
    bucket.put(flat("yaml"))
    check = desk.run("check", "staging")
    assert (check.status, check.lines) == (
        0,
        [
            f"bridge: warning: {REFERENCE}: fields unknown until it is read",
            "bridge: hint: read it with `bridge plan staging`",
        ],
    )
    result = desk.run("sync", "staging")
    assert (result.err, result.status) == ("", 0)
    assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == VALUES["OPENAI_API_KEY"]
    before = desk.target.versions()
    again = desk.run("sync", "staging")
    assert (again.err, again.status, desk.target.versions()) == ("", 0, before)
    for form in ("text", "json", "markdown"):
        assert desk.run("plan", "staging", "--exit-code", "--output", form).status == 0
    assert desk.run("status", "staging").status == 0


def test_same_document_as_file_and_as_object_has_one_revision(desk: Desk, bucket: Bucket) -> None:
    bucket.put(flat("yaml"))
    shown = []
    for source in (REFERENCE, f"sops:{KEY}"):
        desk.environment(sources=[source], providers={"sops": {"s3": "scaleway"}})
        line = next(line for line in desk.run("plan", "staging").out.splitlines() if f"{source} @ " in line)
        shown.append(line.partition(" @ ")[2])
    assert shown[0] == shown[1]
    assert "T" in shown[0]


def test_version_and_field_can_be_named(desk: Desk, bucket: Bucket) -> None:
    version = bucket.put(flat("yaml"))
    bucket.put("LOST: CANARY-lost\n")
    bucket.put('{"openai": {"key": "CANARY-other"}}', "shared.json")
    desk.canaries |= {"CANARY-lost", "CANARY-other"}
    desk.environment(
        sources=[f"{REFERENCE}@{version}"],
        variables={"OPENAI_API_KEY": "sops:s3://voice/shared.json#openai.key"},
        providers={"sops": {"s3": "scaleway"}},
    )
    result = desk.run("sync", "staging")
    assert (result.err, result.status) == ("", 0)
    data = desk.target.data("Secret", "agent-secrets")
    assert (data["OPENAI_API_KEY"], data["CARTESIA_API_KEY"]) == ("CANARY-other", VALUES["CARTESIA_API_KEY"])


def test_what_cannot_be_had_stops_run_and_says_whether_to_try_again(
    desk: Desk, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = desk.run("sync", "staging")
    assert absent.status == 1
    assert absent.lines[0].startswith(f"bridge: error: {REFERENCE}: no such object at http://127.0.0.1:")
    monkeypatch.setenv("SCW_S3_ENDPOINT", "http://127.0.0.1:1")
    gone = desk.run("sync", "staging")
    assert gone.status == 75
    assert gone.lines == [f"bridge: error: {REFERENCE}: the store at http://127.0.0.1:1 cannot be reached"]
    assert desk.target.versions() == {}


def test_check_asks_nobody_and_tells_what_is_wrong_with_path(
    desk: Desk, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCW_S3_ENDPOINT", "http://127.0.0.1:1")
    desk.environment(sources=["sops:s3://Voice/a.yaml"])
    assert desk.run("check", "staging").lines == [
        "bridge: error: sops:s3://Voice/a.yaml: s3:// is not followed by a valid bucket name",
        "bridge: hint: write s3://bucket/key",
        "bridge: error: sops:s3://Voice/a.yaml: the provider's section does not configure an object storage",
        "bridge: hint: add to it: s3: scaleway, or aws, or the URL of another store",
    ]


def test_environment_of_readme_reads_its_object(desk: Desk, bucket: Bucket) -> None:
    given = yaml.safe_load(page("sops").block("sops-s3-environment"))
    bucket.client.create_bucket(Bucket="voice-secrets")
    body = bucket.program.encrypt("app.sops.yaml", flat("yaml")).read_bytes()
    bucket.client.put_object(Bucket="voice-secrets", Key="staging/app.sops.yaml", Body=body)
    desk.environment(**given)
    assert desk.run("sync", "staging").status == 0
    assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == VALUES["OPENAI_API_KEY"]
