"""What a path into object storage may be, which store is meant, and whose keys."""

import subprocess
import sys
from pathlib import Path

import pytest

from bridge.provider import Context, Denied, OptionError, Problem, ProviderError
from bridge_providers.sops import Sops
from bridge_providers.sops.s3 import Store, find
from tests.providers.sops.bucket import ACCESS_KEY, CONFIG, KEYS, SECRET_KEY, Reader

APP = "s3://voice/staging.sops.yaml"
FORM = "write s3://bucket/key"
NOWHERE = Context(Path("/nowhere"), {}, 0)
NO_BUCKET = "s3:// is not followed by a valid bucket name"
NO_KEY = "the bucket is not followed by a key of 1 to 1024 bytes"
DOTS = "the key has a part that is `.` or `..`"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "what", "hint"),
    [
        ("s3://", NO_BUCKET, FORM),
        ("s3:///a.yaml", NO_BUCKET, FORM),
        ("s3://UPPER/a.yaml", NO_BUCKET, FORM),
        ("s3://ab/a.yaml", NO_BUCKET, FORM),
        ("s3://user:CANARY/a.yaml", NO_BUCKET, FORM),
        ("s3://arn:aws:s3:::voice/a.yaml", NO_BUCKET, FORM),
        ("s3://voice", NO_KEY, FORM),
        ("s3://voice/", NO_KEY, FORM),
        (f"s3://voice/{'é' * 513}", NO_KEY, FORM),
        ("s3://voice/a\n.yaml", NO_KEY, FORM),
        ("s3://voice/../other/a.yaml", DOTS, FORM),
        ("s3://voice/a/./b.yaml", DOTS, FORM),
        (
            "s3://voice/a.yaml?versionId=3",
            "the key contains a version",
            "write the version after the key: @VERSION",
        ),
    ],
)
def test_path_that_is_none_is_reported_by_check_and_never_asked_for(path: str, what: str, hint: str) -> None:
    provider = Sops(s3="https://127.0.0.1:1")
    assert list(provider.check(path, NOWHERE)) == [Problem("", what, hint)]
    failure = Reader(KEYS).failure(path)
    assert (failure.kind, failure.what, failure.hint) == (ProviderError, what, hint)


def test_check_asks_nobody_and_needs_no_key() -> None:
    provider = Sops(s3="scaleway")
    assert list(provider.check(APP, NOWHERE)) == []
    assert provider.names(APP, NOWHERE) is None


def test_check_of_object_loads_no_client() -> None:
    code = """\
import sys
from pathlib import Path
from bridge.provider import Context
from bridge_providers.sops import Sops
assert not list(Sops(s3="scaleway").check("s3://voice/a.yaml", Context(Path(), {}, 0)))
print({"boto3", "botocore", "ssl", "http", "urllib3"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "set()\n"


def test_section_that_names_no_store() -> None:
    problem = Problem(
        "",
        "the provider's section does not configure an object storage",
        "add to it: s3: scaleway, or aws, or the URL of another store",
    )
    assert list(Sops().check(APP, NOWHERE)) == [problem]
    failure = Reader(KEYS).failure(APP, s3=None)
    assert (failure.kind, failure.what, failure.hint) == (ProviderError, problem.what, problem.hint)


@pytest.mark.parametrize(
    ("field", "value", "what"),
    [
        ("s3", "", "must be a string"),
        ("s3", 7, "must be a string"),
        ("s3", "minio", "is neither scaleway nor aws, and not the URL of a store"),
        ("s3", "https://CANARY@host", "is neither scaleway nor aws, and not the URL of a store"),
        ("s3", "https://host/?CANARY", "is neither scaleway nor aws, and not the URL of a store"),
        ("s3", "https://host:99999", "is neither scaleway nor aws, and not the URL of a store"),
        (
            "s3",
            "http://10.0.0.1:9000",
            "is neither scaleway nor aws, and plain http, which does not protect the document",
        ),
        ("s3_region", "fr par", "is not a region such as fr-par or eu-west-3"),
        ("s3_region", "fr-par.CANARY.example.com/", "is not a region such as fr-par or eu-west-3"),
        ("s3_profile", ["x"], "must be a string"),
    ],
)
def test_field_that_cannot_be_right(field: str, value: object, what: str) -> None:
    with pytest.raises(OptionError) as caught:
        Sops(**{field: value})  # type: ignore[arg-type]
    assert (caught.value.field, caught.value.what) == (field, what)


def test_scaleway_s_endpoint_is_that_of_region() -> None:
    store = find(Sops(s3="scaleway"), KEYS)
    assert store.endpoint == "https://s3.fr-par.scw.cloud"
    assert find(Sops(s3="scaleway", s3_region="nl-ams"), KEYS).endpoint == "https://s3.nl-ams.scw.cloud"
    assert store.keys
    assert SECRET_KEY not in repr(store)
    assert ACCESS_KEY not in repr(store)


def test_another_store_has_aws_s_keys_whatever_scaleway_s_are() -> None:
    assert find(Sops(s3="https://minio.example.com", s3_region="eu"), KEYS) == Store("https://minio.example.com", "eu")
    assert find(Sops(s3="aws", s3_profile="p"), KEYS) == Store(None, None, "p")


@pytest.mark.parametrize(
    ("environ", "kind", "what"),
    [
        (
            {"SCW_ACCESS_KEY": None},
            Denied,
            "SCW_ACCESS_KEY is not set; Object Storage needs both keys",
        ),
        (
            {"SCW_SECRET_KEY": None},
            Denied,
            "SCW_SECRET_KEY is not set; Object Storage needs both keys",
        ),
        ({"SCW_ACCESS_KEY": None, "SCW_SECRET_KEY": None}, Denied, "no access key and secret key found"),
        (
            {"SCW_SECRET_KEY": "CANARY"},
            Denied,
            "the keys in SCW_ACCESS_KEY and SCW_SECRET_KEY are not a valid access key and secret key",
        ),
        (
            {"SCW_ACCESS_KEY": "CANARY\nX: y"},
            Denied,
            "the keys in SCW_ACCESS_KEY and SCW_SECRET_KEY are not a valid access key and secret key",
        ),
        ({"SCW_DEFAULT_REGION": None}, ProviderError, "no region is configured"),
        (
            {"SCW_S3_ENDPOINT": "http://CANARY.example.com"},
            ProviderError,
            "SCW_S3_ENDPOINT is plain http, which does not protect the document",
        ),
    ],
)
def test_what_environment_lacks(environ: dict[str, str | None], kind: type, what: str) -> None:
    given = {name: value for name, value in {**KEYS, **environ}.items() if value is not None}
    failure = Reader({"HOME": "/nowhere", "XDG_CONFIG_HOME": "", **given}).failure(APP)
    assert (failure.kind, failure.what) == (kind, what)


class TestAws:
    """AWS's own configuration, which botocore reads."""

    @pytest.fixture(autouse=True)
    def _alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_S3"):
            monkeypatch.delenv(name, raising=False)
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            monkeypatch.setenv(name, "/nowhere/aws")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    def test_no_keys(self) -> None:
        failure = Reader({}, CONFIG).failure(APP, s3="aws")
        hint = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or s3_profile in the provider's section"
        assert (failure.kind, failure.what, failure.hint) == (
            Denied,
            "no AWS keys found, or only one of the two",
            hint,
        )

    def test_half_of_pair(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "CANARY")
        failure = Reader({}).failure(APP, s3="aws")
        assert (failure.kind, failure.what) == (Denied, "no AWS keys found, or only one of the two")

    def test_keys_that_cannot_be_fetched(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "aws").write_text("[default]\ncredential_process = sh -c 'echo CANARY >&2; exit 1'\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws"))
        failure = Reader({}).failure(APP, s3="aws")
        what = "the keys in AWS's configuration cannot be loaded (CredentialRetrievalError)"
        assert (failure.kind, failure.what) == (Denied, what)

    def test_endpoint_that_is_plain_http(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "CANARY")
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://CANARY.example.com")
        failure = Reader({}).failure(APP, s3="aws")
        what = "the endpoint of AWS's configuration is plain http, which does not protect the document"
        assert (failure.kind, failure.what, failure.hint) == (
            ProviderError,
            what,
            "correct AWS_ENDPOINT_URL_S3 or the profile",
        )
