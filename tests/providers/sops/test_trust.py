"""The trust file: which programs this provider starts, and who gets AWS's and Scaleway's keys."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.provider import Denied, ProviderError
from bridge_providers.sops import Sops, kms
from bridge_providers.sops.gpg import Gpg
from bridge_providers.sops.key_types import Group, KmsKey, PgpKey
from tests.providers.sops.folder import Folder, everything_told_by
from tests.providers.vault.wire import Answer, Wire, wire
from tests.trusting import store, trusting

ARN = "arn:aws:kms:eu-west-3:123456789012:key/one"
KEYS = {
    "AWS_ACCESS_KEY_ID": "CANARYACCESS",
    "AWS_SECRET_ACCESS_KEY": "CANARY-secret",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_DEFAULT_REGION": "eu-west-3",
    "AWS_CONFIG_FILE": "/nowhere",
    "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
}


@pytest.fixture
def program(folder: Folder) -> Path:
    """A program that leaves a mark."""
    return folder.program("program", f"#!/bin/sh\necho x >> {folder.path}/mark\necho CANARY\n")


@pytest.fixture
def server() -> Any:
    with wire() as found:
        found.answer = lambda _: Answer(400, {})
        yield found


@pytest.fixture
def aws(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """A folder whose environment, also that of boto3, has AWS's keys."""
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    for name, text in KEYS.items():
        monkeypatch.setenv(name, text)
    folder.environ |= KEYS
    return folder


def start_gpg(folder: Folder, program: Path) -> None:
    (folder.path / "gnupg").mkdir(exist_ok=True)
    folder.environ["GNUPGHOME"] = str(folder.path / "gnupg")
    Gpg(Sops(gpg=str(program)), folder.context()).open(Group((), (), pgp=(PgpKey("ABCD", "x"),)))


def test_program_that_is_not_listed_is_not_started(folder: Folder, program: Path) -> None:
    folder.environ |= trusting(folder.path, programs=["/usr/bin/gpg", [str(program), "--only-this"]])
    with pytest.raises(Denied) as caught:
        start_gpg(folder, program)
    problem = caught.value.problems[0]
    assert problem.what == (
        f"gpg starts {program}, which is not in `programs` of {folder.environ['BRIDGE_TRUST']} with these arguments"
    )
    assert problem.hint.endswith(f'- ["{program}"]')
    assert not (folder.path / "mark").exists()


def test_program_that_is_listed_is_started(folder: Folder, program: Path) -> None:
    folder.environ |= trusting(folder.path, programs=[[str(program)]])
    start_gpg(folder, program)
    assert (folder.path / "mark").read_text() == "x\n"


def test_check_tells_of_what_is_not_listed(folder: Folder, program: Path, server: Wire) -> None:
    folder.write("a.yaml", "a: b\n")
    section = Sops(
        gpg=str(program),
        program=str(program),
        hc_vault={"address": server.address},
        kms={"allow": [ARN], "endpoint": server.address},
        s3=server.address,
    )
    folder.environ |= trusting(folder.path)
    told = [one.what for one in section.check("a.yaml", folder.context()) if "trust.yaml" in one.what]
    assert [one.partition(",")[0] for one in told] == [
        f"gpg starts {program}",
        f"program starts {program}",
        *[f"the environment's file names {server.address}"] * 3,
    ]
    listed = [store(server.address, "aws", "token")]
    folder.environ |= trusting(folder.path, stores=listed, programs=[[str(program), "--batch"]])
    assert not [one for one in section.check("a.yaml", folder.context()) if "trust.yaml" in one.what]
    assert not server.requests


def refused(act: Callable[[], object]) -> str:
    with pytest.raises(Denied) as caught:
        act()
    assert "CANARY" not in everything_told_by(caught.value)
    return str(caught.value)


def test_kms_that_is_not_listed_is_not_asked(aws: Folder, server: Wire) -> None:
    aws.environ |= trusting(aws.path, stores=[store("aws", "aws")])
    group = Group((), (), kms=(KmsKey(ARN, "", "", (), "AAAA"),))
    way = kms.Kms(Sops(kms={"allow": [ARN], "endpoint": server.address}), aws.context())
    assert f"names {server.address}, which may not get the credential aws" in refused(lambda: way.open(group))
    assert not server.requests
    aws.environ |= trusting(aws.path, stores=[store(server.address, "aws")])
    with pytest.raises(ProviderError):
        way.open(group)
    assert server.requests


def test_object_storage_that_is_not_listed_is_not_asked(aws: Folder, server: Wire) -> None:
    aws.environ |= trusting(aws.path, stores=[store("aws", "aws")])

    def read() -> object:
        return Sops(s3=server.address).open(aws.context()).read("s3://bucket/a.yaml")

    assert f"s3 names {server.address}, which may not get the credential aws" in refused(read)
    assert not server.requests
    aws.environ |= trusting(aws.path, stores=[store(server.address, "aws")])
    with pytest.raises(ProviderError):
        read()
    assert server.requests


def test_object_storage_of_scaleway_needs_line(folder: Folder, server: Wire) -> None:
    keys = {"SCW_ACCESS_KEY": "SCWCANARYACCESS00000", "SCW_SECRET_KEY": "ca9a4700-0000-4000-8000-00000000000a"}
    folder.environ |= keys | {"SCW_S3_ENDPOINT": server.address, "SCW_DEFAULT_REGION": "fr-par"}
    folder.environ |= trusting(folder.path, stores=[store("scaleway", "scaleway"), store(server.address, "aws")])
    session = Sops(s3="scaleway").open(folder.context())
    assert "may not get the credential scaleway" in refused(lambda: session.read("s3://bucket/a.yaml"))
    assert not server.requests


@pytest.mark.parametrize("profile", ["direct", "chained"])
def test_program_of_awss_configuration_is_not_started(
    aws: Folder, program: Path, server: Wire, profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = f"[profile direct]\ncredential_process = {program} give\n"
    config += "[profile chained]\nsource_profile = direct\nrole_arn = arn:aws:iam::123456789012:role/x\n"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(aws.write("aws", config)))
    aws.environ |= trusting(aws.path, stores=[store(server.address, "aws")])
    group = Group((), (), kms=(KmsKey(ARN, "", profile, (), "AAAA"),))
    way = kms.Kms(Sops(kms={"allow": [ARN], "endpoint": server.address}), aws.context())
    told = f"credential_process of AWS's configuration starts {program}"
    assert told in refused(lambda: way.open(group))
    session = Sops(s3=server.address, s3_profile=profile).open(aws.context())
    assert told in refused(lambda: session.read("s3://bucket/a.yaml"))
    assert not (aws.path / "mark").exists()
    assert not server.requests
