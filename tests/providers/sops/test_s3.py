"""SOPS files in object storage: moto's server holds what the real sops wrote."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from bridge.provider import Context, Denied, NotFound, Provider, ProviderError
from bridge.testing.contract import ProviderContract
from bridge_providers.sops import Sops, files
from tests.providers.sops.bucket import ACCESS_KEY, SECRET_KEY, Bucket
from tests.providers.sops.folder import Folder, opened
from tests.servers.s3 import ObjectStorage

APP = "s3://voice/staging/app.sops.yaml"
KEY = "staging/app.sops.yaml"
POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
AWS = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}


@pytest.fixture
def bucket(sops: Folder, storage: ObjectStorage) -> Bucket:
    return Bucket(sops, storage)


@pytest.mark.parametrize(
    ("key", "content"),
    [
        (KEY, "A: CANARY-a\nB: {C: 1.10}\n"),
        ("a.json", '{"A": "CANARY-a", "B": [1, null]}'),
        (".env", "A=CANARY-a\n"),
        ("é ü+&x=1/a.yml", "A: CANARY-a\n---\nB: CANARY-b\n"),
        ("blob", b"\x00\xffCANARY"),
    ],
)
def test_object_is_read_as_file_of_its_suffix(bucket: Bucket, key: str, content: str | bytes) -> None:
    bucket.put(key, content)
    document, file = bucket.read(f"s3://voice/{key}"), bucket.folder.read(key)
    assert document.revision == file.revision
    found, wanted = (one.content if isinstance(one.content, tuple) else (one.content,) for one in (document, file))
    assert [opened(one) for one in found] == [opened(one) for one in wanted]
    assert "CANARY" not in repr(document)


def test_revision_is_object_s_version_and_document_s_is_sops_s(bucket: Bucket) -> None:
    first = bucket.put(KEY, "A: CANARY-1\n")
    second = bucket.put(KEY, "A: CANARY-2\n")
    read = {one: bucket.read(APP, one) for one in (first, second, None)}
    assert opened(read[first].content[0])["A"][1] == b"CANARY-1"  # type: ignore[index]
    assert opened(read[second].content[0])["A"][1] == b"CANARY-2"  # type: ignore[index]
    assert read[None].revision == read[second].revision
    assert read[first].revision.id.count("T") == 1
    assert read[first].revision.order <= read[second].revision.order  # type: ignore[operator]


def test_what_is_missing_is_not_found(bucket: Bucket) -> None:
    version = bucket.put(KEY, "A: CANARY\n")
    at = bucket.storage.url
    wanted = [("s3://other/a.yaml", None), ("s3://voice/a.yaml", None), (APP, "x" * len(version))]
    failures = [bucket.failure(*one) for one in wanted]
    assert [(one.kind, one.what) for one in failures] == [
        (NotFound, f"no such bucket at {at} (status 404, NoSuchBucket)"),
        (NotFound, f"no such object at {at} (status 404, NoSuchKey)"),
        (NotFound, "no such version (status 404, NoSuchVersion)"),
    ]


def test_deleted_object_is_not_found_and_its_older_version_is_there(bucket: Bucket) -> None:
    version = bucket.put(KEY, "A: CANARY\n")
    mark = bucket.client.delete_object(Bucket="voice", Key=KEY)["VersionId"]
    # moto tells less than AWS does: see test_s3_answers.
    assert bucket.failure(APP).kind is NotFound
    assert bucket.failure(APP, mark).kind is NotFound
    assert bucket.read(APP, version)


def test_object_that_is_too_large_is_not_read(bucket: Bucket, sops: Folder) -> None:
    bucket.client.put_object(Bucket="voice", Key=KEY, Body=b"#" * (files.LIMIT + 1))
    failure = bucket.failure(APP)
    assert (failure.kind, failure.what) == (ProviderError, "is larger than 10 MiB")
    bucket.client.put_object(Bucket="voice", Key=KEY, Body=b"#" * files.LIMIT)
    assert bucket.failure(APP).what == "is not encrypted with sops (it has no `sops` metadata)"


class TestKeys:
    """The store checks signatures and rights."""

    @pytest.fixture
    def user(self, bucket: Bucket) -> str:
        """Make a user, with a key but without rights, whose key bridge has from now on."""
        iam = bucket.storage.client("iam")
        iam.create_user(UserName="bridge")
        key = iam.create_access_key(UserName="bridge")["AccessKey"]
        bucket.environ |= {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
        return "bridge"

    def failure(
        self, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, version: str | None = None
    ) -> tuple[type, str, str]:
        bucket.storage.demand_keys()
        for name in AWS:
            monkeypatch.setenv(name, bucket.environ[name])
        failure = bucket.failure(APP, version, s3=bucket.storage.url)
        bucket.storage.accept_any_keys()
        return failure.kind, failure.what, failure.hint

    def test_without_right_it_is_named(self, bucket: Bucket, user: str, monkeypatch: pytest.MonkeyPatch) -> None:
        version = bucket.put(KEY, "A: CANARY\n")
        what = f"the keys in AWS's configuration may not read it at {bucket.storage.url} (status 403, AccessDenied)"
        more = "; without s3:ListBucket, a missing object is refused in the same way"
        assert self.failure(bucket, monkeypatch) == (Denied, what, f"grant them s3:GetObject{more}")
        policy = json.dumps(POLICY)
        bucket.storage.client("iam").put_user_policy(UserName=user, PolicyName="read", PolicyDocument=policy)
        assert self.failure(bucket, monkeypatch, version) == (Denied, what, f"grant them s3:GetObjectVersion{more}")

    def test_with_right_it_is_read(self, bucket: Bucket, user: str, monkeypatch: pytest.MonkeyPatch) -> None:
        bucket.put(KEY, "A: CANARY\n")
        policy = json.dumps(POLICY)
        bucket.storage.client("iam").put_user_policy(UserName=user, PolicyName="read", PolicyDocument=policy)
        for name in AWS:
            monkeypatch.setenv(name, bucket.environ[name])
        bucket.storage.demand_keys()
        assert bucket.read(APP, s3=bucket.storage.url)

    def test_secret_key_of_another(self, bucket: Bucket, user: str, monkeypatch: pytest.MonkeyPatch) -> None:
        bucket.put(KEY, "A: CANARY\n")
        bucket.environ["AWS_SECRET_ACCESS_KEY"] = SECRET_KEY
        words = "are wrong or have expired (status 403, SignatureDoesNotMatch)"
        assert self.failure(bucket, monkeypatch)[:2] == (Denied, f"the keys in AWS's configuration {words}")

    def test_keys_that_store_does_not_know(self, bucket: Bucket) -> None:
        bucket.storage.demand_keys()
        failure = bucket.failure(APP)
        words = "are wrong or have expired (status 403, InvalidAccessKeyId)"
        assert (failure.kind, failure.what) == (Denied, f"the keys in SCW_ACCESS_KEY and SCW_SECRET_KEY {words}")


class TestStores:
    """Which store, and whose keys."""

    def test_aws_s_own_variables(self, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
        bucket.put(KEY, "A: CANARY\n")
        for name, value in {**AWS, "AWS_ENDPOINT_URL_S3": bucket.storage.url}.items():
            monkeypatch.setenv(name, value)
        bucket.environ = bucket.folder.environ
        assert bucket.read(APP, s3="aws")

    def test_aws_s_profile(self, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        bucket.put(KEY, "A: CANARY\n")
        keys = f"aws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
        (tmp_path / "aws").write_text(f"[profile voice]\nendpoint_url = {bucket.storage.url}\n{keys}")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws"))
        assert bucket.read(APP, s3="aws", s3_profile="voice")
        failure = bucket.failure(APP, s3="aws", s3_profile="other")
        what = "AWS's configuration has no such profile"
        assert (failure.kind, failure.what) == (ProviderError, what)

    def test_role_of_aws_s_that_may_not_be_taken_and_one_that_may(
        self, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        bucket.put(KEY, "A: CANARY\n")
        keys = f"aws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
        role = "source_profile = us\nrole_arn = arn:aws:iam::123456789012:role/bridge\n"
        (tmp_path / "aws").write_text(f"[profile us]\n{keys}[profile role]\n{role}")
        for name, value in {
            "AWS_CONFIG_FILE": str(tmp_path / "aws"),
            "AWS_PROFILE": "role",
            "AWS_ENDPOINT_URL": bucket.storage.url,
        }.items():
            monkeypatch.setenv(name, value)
        assert bucket.failure(APP, s3="aws").what.startswith("no region found")
        assert bucket.read(APP, s3="aws", s3_region="eu-west-3")
        with monkeypatch.context() as patch:
            patch.setenv("AWS_REGION", "eu-west-3")
            assert bucket.read(APP, s3="aws")
        bucket.storage.demand_keys()
        failure = bucket.failure(APP, s3="aws", s3_region="eu-west-3")
        what = "the keys in AWS's configuration cannot be loaded: AssumeRole was refused"
        assert (failure.kind, failure.what) == (Denied, what)

    def test_scw_s_profile(self, bucket: Bucket, tmp_path: Path) -> None:
        bucket.put(KEY, "A: CANARY\n")
        file = tmp_path / "scw.yaml"
        file.write_text(f"access_key: {ACCESS_KEY}\nsecret_key: {SECRET_KEY}\ndefault_region: nl-ams\n")
        bucket.environ = bucket.folder.environ | {
            "SCW_CONFIG_PATH": str(file),
            "SCW_S3_ENDPOINT": bucket.storage.url,
        }
        assert bucket.read(APP)

    def test_scaleway_s_keys_are_never_mixed_with_what_aws_says(
        self, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bucket.put(KEY, "A: CANARY\n")
        for name, value in {"AWS_PROFILE": "absent", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1"}.items():
            monkeypatch.setenv(name, value)
        assert bucket.read(APP)


class TestObjects(ProviderContract):
    absent = "s3://voice/absent.sops.json"

    @pytest.fixture(autouse=True)
    def _bucket(self, bucket: Bucket) -> None:
        self.bucket = bucket

    def provider(self, folder: Path) -> Provider:
        return Sops(s3="scaleway")

    def context(self, folder: Path) -> Context:
        return Context(folder, os.environ | self.bucket.environ, time.monotonic() + 60)

    def put(self, folder: Path, values: Mapping[str, str]) -> str:
        self.bucket.put("document.sops.json", json.dumps(values))
        return "s3://voice/document.sops.json"
