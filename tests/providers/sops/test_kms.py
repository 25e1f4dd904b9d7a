"""Keys of AWS KMS: moto's server, and files that the real sops wrote against it."""

import pytest

from bridge.provider import Denied, OptionError, ProviderError, Unavailable
from bridge_providers.sops import Sops
from tests.providers.sops.folder import everything_told_by
from tests.servers.process import free_port

ROLE = "arn:aws:iam::123456789012:role/reader"


class Kms:
    """A key of moto's, a folder whose sops uses it, and the section that allows it."""

    def __init__(self, folder, storage):
        self.folder = folder
        self.url = storage.url
        self.client = storage.client("kms")
        self.arn = self.client.create_key()["KeyMetadata"]["Arn"]
        self.age_key = folder.environ["SOPS_AGE_KEY"]
        folder.environ = {
            "AWS_ACCESS_KEY_ID": "CANARYACCESS",
            "AWS_SECRET_ACCESS_KEY": "CANARY-secret",
            "AWS_ENDPOINT_URL": storage.url,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def encrypt(self, **rule):
        self.folder.encrypt("a.yaml", "a: CANARY\n", **{"kms": self.arn, "age": "", **rule})

    def provider(self, *allow, endpoint=None):
        return Sops(kms={"allow": list(allow) or [self.arn], "endpoint": endpoint or self.url})

    def read(self, *allow):
        return self.folder.read("a.yaml", self.provider(*allow))

    def refused(self, provider, kind):
        with pytest.raises(kind) as caught:
            self.folder.read("a.yaml", provider)
        assert type(caught.value) is kind
        assert "CANARY" not in everything_told_by(caught.value)
        return str(caught.value)


@pytest.fixture
def kms(sops, storage, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "CANARYACCESS")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "CANARY-secret")
    return Kms(sops, storage)


def test_file_for_kms_key_is_read_and_changed(kms):
    kms.encrypt()
    revision = kms.read().revision
    kms.folder.store("a.yaml", [{"a": "CANARY-2"}], revision, kms.provider())
    assert kms.folder.decrypted("a.yaml") == "a: CANARY-2\n"


def test_region_context_and_role_are_those_of_file(kms, monkeypatch):
    from bridge_providers.sops import kms as module  # noqa: PLC0415

    arn = kms.arn
    kms.encrypt(kms=f"{arn}+{ROLE}")
    text = (kms.folder.path / "a.yaml").read_text()
    assert f"role: {ROLE}" in text
    asked = []
    real = module.Session.client

    def client(self, service, **options):
        made = real(self, service, **options)

        def note(params, **_):
            body = params["body"] if isinstance(params["body"], dict) else params["body"].decode()
            asked.append((service, options["region_name"], self.get_credentials().access_key, body))

        made.meta.events.register("before-call.*.*", note)
        return made

    monkeypatch.setattr(module.Session, "client", client)
    assert kms.read(arn, ROLE).revision.order
    (sts, region, access, body), (kms_, _, other, decrypt) = asked
    assert (sts, kms_, region) == ("sts", "kms", "us-east-1")
    assert access == "CANARYACCESS"
    assert other != access
    assert body["RoleArn"] == ROLE
    assert body["RoleSessionName"].startswith("sops@")
    assert f'"KeyId": "{arn}"' in decrypt


def test_encryption_context_counts(kms):
    kms.folder.write("a.yaml", "a: CANARY\n")
    done = kms.folder.sops("encrypt", "-i", "--kms", kms.arn, "--encryption-context", "app:x,env:y", "a.yaml")
    assert done.returncode == 0, done.stderr
    assert kms.read().revision.order
    kms.folder.edit("a.yaml", "app: x", "app: z")
    assert kms.refused(kms.provider(), ProviderError) == (
        f"AWS KMS cannot decrypt it with {kms.arn}: the data key or its encryption context was changed"
    )


def test_without_permission_of_configuration_nobody_is_asked(kms):
    kms.encrypt()
    nowhere = kms.folder.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{free_port()}"
    other = kms.arn.replace("us-east-1", "eu-west-3")
    for provider in (Sops(), kms.provider(other, endpoint=nowhere)):
        assert kms.refused(provider, Denied) == (f"{kms.arn} is not in `allow` of the kms section, so AWS is not asked")
    kms.folder.environ["AWS_ENDPOINT_URL"] = kms.url
    kms.encrypt(kms=f"{kms.arn}+{ROLE}")
    assert kms.refused(kms.provider(), Denied).startswith(f"{ROLE} is not in `allow` of the kms section")


def test_environment_does_not_choose_endpoint(kms, monkeypatch):
    kms.encrypt()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", f"http://127.0.0.1:{free_port()}")
    assert kms.read().revision.order


def test_kms_is_not_asked_where_age_key_opens(kms):
    kms.encrypt(age=kms.folder.recipient)
    kms.folder.environ["SOPS_AGE_KEY"] = kms.age_key
    url = kms.folder.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{free_port()}"
    nowhere = kms.provider(endpoint=url)
    assert kms.folder.read("a.yaml", nowhere).revision.order
    kms.folder.environ.pop("SOPS_AGE_KEY")
    message = kms.refused(nowhere, Unavailable)
    assert message.startswith(f"no age key matched its recipients {kms.folder.recipient}; cannot ask AWS KMS for ")
    assert message.endswith(": AWS KMS cannot be reached")
    kms.folder.environ["AWS_ENDPOINT_URL"] = kms.url
    assert kms.read().revision.order


def test_of_several_groups_local_ones_are_enough(kms):
    groups = [{"age": [kms.folder.recipient]}, {"kms": [{"arn": kms.arn}]}, {"kms": [{"arn": kms.arn}]}]
    kms.folder.encrypt("a.yaml", "a: CANARY\n", key_groups=groups, shamir_threshold=2)
    kms.folder.environ["SOPS_AGE_KEY"] = kms.age_key
    assert kms.read().revision.order
    kms.folder.environ.pop("SOPS_AGE_KEY")
    assert kms.read().revision.order
    assert kms.refused(Sops(), Denied).startswith("0 of its 3 key groups opened, and 2 are needed")


def test_key_that_is_gone(kms):
    kms.encrypt()
    text = (kms.folder.path / "a.yaml").read_text()
    gone = kms.arn[:-4] + "0000"
    kms.folder.write("a.yaml", text.replace(kms.arn, gone))
    assert kms.refused(kms.provider(gone), ProviderError).startswith(f"AWS KMS cannot decrypt it with {gone}: ")


@pytest.mark.parametrize(
    ("status", "code", "kind", "what"),
    [
        (400, "AccessDeniedException", Denied, "AWS KMS cannot decrypt it with ARN: access to it is denied"),
        (403, "AccessDenied", Denied, "AWS KMS cannot decrypt it with ARN: access to its role is denied"),
        (400, "DisabledException", ProviderError, "AWS KMS cannot decrypt it with ARN: the key is disabled"),
        (400, "ThrottlingException", Unavailable, "temporary failure of AWS KMS for ARN (ThrottlingException)"),
        (500, "CANARY <html>", Unavailable, "temporary failure of AWS KMS for ARN (500)"),
        (400, "CANARY <html>", ProviderError, "AWS KMS cannot decrypt it with ARN: AWS refuses (400)"),
    ],
)
def test_what_answers_of_aws_mean(status, code, kind, what):
    from botocore.exceptions import ClientError  # noqa: PLC0415

    from bridge_providers.sops import kms as module  # noqa: PLC0415

    answer = {"Error": {"Code": code, "Message": "CANARY"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    found = module._refused(ClientError(answer, "Decrypt"), "ARN")
    assert (type(found), str(found)) == (kind, what)


def test_without_keys_of_aws(kms, monkeypatch):
    kms.encrypt()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("HOME", str(kms.folder.path))
    assert (
        kms.refused(kms.provider(), Denied)
        == f"cannot ask AWS KMS for {kms.arn}: no AWS keys found, or only one of the two"
    )


def test_profile_that_is_missing(kms):
    kms.encrypt()
    kms.folder.edit("a.yaml", 'aws_profile: ""', "aws_profile: other")
    assert kms.refused(kms.provider(), Denied).endswith("the profile that the file names is not in AWS's configuration")


@pytest.mark.parametrize("arn", ["x", "arn:aws:kms:us-east-1:1:key/../x y", "arn:aws:s3:::bucket"])
def test_arn_that_is_none(kms, arn):
    kms.encrypt()
    kms.folder.edit("a.yaml", f"arn: {kms.arn}", f"arn: '{arn}'")
    assert kms.refused(kms.provider(), ProviderError) == "one of its kms keys has an invalid ARN"


@pytest.mark.parametrize("arn", ["arn:aws-us-gov:kms:us-gov-west-1:1:key/x-1", "arn:aws:kms:eu-west-3:1:alias/a/b"])
def test_arns_of_aliases_and_other_partitions(arn):
    from bridge_providers.sops import kms as module  # noqa: PLC0415

    assert module._ARN.fullmatch(arn)


@pytest.mark.parametrize(
    ("section", "what"),
    [
        (5, "must be a section with `allow` and `endpoint`"),
        ({"allow": ["arn:x"], "region": "x"}, "must be a section with `allow` and `endpoint`"),
        ({}, "must have a list `allow` of ARNs"),
        ({"allow": "arn:x"}, "must have a list `allow` of ARNs"),
        ({"allow": ["*"]}, "must have a list `allow` of ARNs"),
        ({"allow": ["arn:x"], "endpoint": "http://kms.internal"}, "must have an https URL as its `endpoint`"),
    ],
)
def test_section_is_checked_when_it_is_built(section, what):
    with pytest.raises(OptionError) as caught:
        Sops(kms=section)
    assert (caught.value.field, caught.value.what) == ("kms", what)
