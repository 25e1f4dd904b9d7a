"""Writes replace only what was read, move AWSCURRENT last, and say what is written when an answer is lost."""

import base64
from typing import Any

import pytest

from bridge.provider import Conflict, Document, Kind, ProviderError, Revision, SecretValue, Unavailable
from tests.providers.aws.conftest import Account, lost, opened, operation, refusal
from tests.providers.vault.wire import Answer, Request, Wire

NAME = "voice/staging"


def fields(**texts: str) -> Document:
    return Document(({name: SecretValue.of(text) for name, text in texts.items()},), Revision(""))


def labels(account: Account) -> dict[str, list[str]]:
    versions = account.secrets.list_secret_version_ids(SecretId=NAME, IncludeDeprecated=True)["Versions"]
    return {one["VersionId"]: sorted(one.get("VersionStages", [])) for one in versions}


@pytest.fixture
def first(account: Account) -> Revision:
    """The revision of a secret that exists."""
    account.secrets.create_secret(Name=NAME, SecretString='{"A": "CANARY-1"}')
    return account.read(NAME).revision


def test_secret_is_created(account: Account) -> None:
    revision = account.write(NAME, fields(A="CANARY-1"), None)
    assert opened(account.read(NAME)) == {"A": "CANARY-1"}
    assert account.read(NAME).revision == revision


def test_new_version_becomes_current_and_old_one_previous(account: Account, first: Revision) -> None:
    revision = account.write(NAME, fields(A="CANARY-2"), first)
    assert opened(account.read(NAME)) == {"A": "CANARY-2"}
    assert labels(account) == {first.id: ["AWSPREVIOUS"], revision.id: ["AWSCURRENT"]}


def test_bytes_and_whole_texts_are_written_as_they_are(account: Account, first: Revision) -> None:
    revision = account.write(NAME, Document(SecretValue(b"\x00\xffCANARY", Kind.BYTES), Revision("")), first)
    assert opened(account.read(NAME)) == b"\x00\xffCANARY"
    whole = SecretValue.of('{"A":   "CANARY"}')
    account.write(NAME, fields(A="CANARY")._replace(whole=whole), revision)
    assert (
        account.secrets.get_secret_value(SecretId=NAME, VersionStage="AWSCURRENT")["SecretString"]
        == '{"A":   "CANARY"}'
    )


def test_secret_without_value_gets_its_first(account: Account) -> None:
    account.secrets.create_secret(Name=NAME)
    account.write(NAME, fields(A="CANARY-1"), None)
    assert opened(account.read(NAME)) == {"A": "CANARY-1"}


def test_secret_that_exists_is_not_created_again(account: Account, first: Revision) -> None:
    with pytest.raises(Conflict):
        account.write(NAME, fields(A="CANARY-2"), None)
    assert opened(account.read(NAME)) == {"A": "CANARY-1"}


def test_secret_that_is_gone_is_a_conflict(account: Account, first: Revision) -> None:
    account.secrets.delete_secret(SecretId=NAME, ForceDeleteWithoutRecovery=True)
    with pytest.raises(Conflict):
        account.write(NAME, fields(A="CANARY-2"), first)


def test_version_that_was_not_read_is_not_replaced(account: Account, first: Revision) -> None:
    account.secrets.put_secret_value(SecretId=NAME, SecretString='{"A": "CANARY-theirs"}')
    with pytest.raises(Conflict):
        account.write(NAME, fields(A="CANARY-2"), first)
    assert opened(account.read(NAME)) == {"A": "CANARY-theirs"}


def test_version_that_comes_in_between_is_not_replaced(account: Account, relay: Wire, first: Revision) -> None:
    """The other client writes after bridge has looked: only the move of AWSCURRENT can notice it."""

    def answer(request: Request) -> Answer | None:
        if operation(request) == "UpdateSecretVersionStage" and request.json["VersionStage"] == "AWSCURRENT":
            account.secrets.put_secret_value(SecretId=NAME, SecretString='{"A": "CANARY-theirs"}')
        return None

    relay.answer = answer
    with pytest.raises(Conflict):
        account.write(NAME, fields(A="CANARY-2"), first)
    assert opened(account.read(NAME)) == {"A": "CANARY-theirs"}
    assert "bridge-pending" not in str(labels(account))


@pytest.mark.parametrize("name", ["GetSecretValue", "PutSecretValue"])
def test_lost_answer_before_the_move_changes_nothing(account: Account, relay: Wire, first: Revision, name: str) -> None:
    relay.answer = lost(relay, name)
    with pytest.raises(Unavailable):
        account.write(NAME, fields(A="CANARY-2"), first)
    relay.answer = lambda _: None
    assert account.read(NAME).revision == first


@pytest.mark.parametrize("name", ["CreateSecret", "UpdateSecretVersionStage"])
def test_lost_answer_of_the_last_step_is_found_written(account: Account, relay: Wire, name: str) -> None:
    expect = None if name == "CreateSecret" else account.write(NAME, fields(A="CANARY-1"), None)
    relay.answer = lost(relay, name)
    revision = account.write(NAME, fields(A="CANARY-2"), expect)
    assert account.read(NAME).revision == revision
    assert opened(account.read(NAME)) == {"A": "CANARY-2"}


def test_unknown_outcome_is_told(account: Account, relay: Wire, first: Revision) -> None:
    moved = []

    def answer(request: Request) -> Answer | None:
        if operation(request) == "UpdateSecretVersionStage":
            moved.append(request)
        return Answer(script=lambda connection: connection.close()) if moved else None

    relay.answer = answer
    with pytest.raises(ProviderError, match="may or may not be the current one"):
        account.write(NAME, fields(A="CANARY-2"), first)


def test_version_that_reads_back_differently_does_not_become_current(
    account: Account, relay: Wire, first: Revision
) -> None:
    def answer(request: Request) -> Answer | None:
        if operation(request) == "GetSecretValue" and "VersionId" in request.json:
            answered: dict[str, Any] = {"ARN": f"arn-{first.series}", "VersionId": request.json["VersionId"]}
            return Answer(200, answered | {"SecretString": "{}"})
        return None

    relay.answer = answer
    with pytest.raises(ProviderError, match="reads back differently; it is not current"):
        account.write(NAME, fields(A="CANARY-2"), first)
    assert account.read(NAME).revision == first


def test_refused_write_is_told(account: Account, relay: Wire, first: Revision) -> None:
    relay.answer = lambda request: refusal("LimitExceededException") if operation(request) == "PutSecretValue" else None
    with pytest.raises(ProviderError, match="AWS refuses the request") as caught:
        account.write(NAME, fields(A="CANARY-2"), first)
    assert "CANARY" not in str(caught.value.problems)


@pytest.mark.parametrize("size", [0, 65537])
def test_document_of_wrong_size_is_not_sent(account: Account, relay: Wire, size: int) -> None:
    with pytest.raises(ProviderError, match="AWS does not store it"):
        account.write(NAME, Document(SecretValue.of("x" * size), Revision("")), None)
    assert not relay.requests


def test_token_is_version_s_id(account: Account, relay: Wire, first: Revision) -> None:
    revision = account.write(NAME, fields(A="CANARY-2"), first)
    put = [one.json for one in relay.requests if operation(one) == "PutSecretValue"]
    assert [one["ClientRequestToken"] for one in put] == [revision.id]
    assert base64.b64encode(b"CANARY-2").decode() not in str(put)


class TestParameters:
    @pytest.fixture
    def folder(self, account: Account) -> Revision:
        for name in ("A", "B"):
            account.parameters.put_parameter(Name=f"/voice/{name}", Value="CANARY-1", Type="SecureString")
        return account.read("ssm:/voice").revision

    def test_one_field_of_folder_is_written(self, account: Account, folder: Revision) -> None:
        revision = account.write("ssm:/voice", fields(A="CANARY-1", B="CANARY-2"), folder)
        assert opened(account.read("ssm:/voice")) == {"A": "CANARY-1", "B": "CANARY-2"}
        assert account.read("ssm:/voice").revision == revision != folder
        versions = {one: account.parameters.get_parameter(Name=f"/voice/{one}")["Parameter"]["Version"] for one in "AB"}
        assert versions == {"A": 1, "B": 2}

    def test_new_field_is_encrypted(self, account: Account, folder: Revision) -> None:
        account.write("ssm:/voice", fields(A="CANARY-1", B="CANARY-1", C="CANARY-3"), folder)
        assert account.parameters.get_parameter(Name="/voice/C")["Parameter"]["Type"] == "SecureString"

    def test_unchanged_folder_is_not_written(self, account: Account, folder: Revision) -> None:
        assert account.write("ssm:/voice", fields(A="CANARY-1", B="CANARY-1"), folder) == folder

    @pytest.mark.parametrize(
        ("texts", "message"),
        [
            ({"A": "CANARY-2", "B": "CANARY-2"}, "the write changes 2 parameters"),
            ({"A": "CANARY-1"}, "the write would remove a parameter"),
        ],
    )
    def test_what_cannot_be_written_at_once_is_refused(
        self, account: Account, folder: Revision, texts: dict[str, str], message: str
    ) -> None:
        with pytest.raises(ProviderError, match=message):
            account.write("ssm:/voice", fields(**texts), folder)
        assert account.read("ssm:/voice").revision == folder

    def test_folder_that_changed_is_a_conflict(self, account: Account, folder: Revision) -> None:
        account.parameters.put_parameter(Name="/voice/A", Value="CANARY-theirs", Overwrite=True)
        with pytest.raises(Conflict):
            account.write("ssm:/voice", fields(A="CANARY-1", B="CANARY-2"), folder)

    def test_parameter_keeps_its_type_and_key(self, account: Account) -> None:
        key = account.client("kms").create_key()["KeyMetadata"]["KeyId"]
        account.parameters.put_parameter(Name="key", Value="CANARY-1", Type="SecureString", KeyId=key)
        account.parameters.put_parameter(Name="plain", Value="CANARY-1", Type="String")
        for name, kind in (("key", "SecureString"), ("plain", "String")):
            before = account.read(f"ssm:{name}").revision
            account.write(f"ssm:{name}", Document(SecretValue.of("CANARY-2"), Revision("")), before)
            found = account.parameters.describe_parameters(
                ParameterFilters=[{"Key": "Name", "Option": "Equals", "Values": [name]}]
            )["Parameters"][0]
            assert (found["Type"], found["Version"], found.get("KeyId")) == (kind, 2, key if name == "key" else None)
            assert opened(account.read(f"ssm:{name}")) == b"CANARY-2"

    def test_new_parameter_is_encrypted_and_never_replaces_one(self, account: Account) -> None:
        account.write("ssm:key", Document(SecretValue.of("CANARY-1"), Revision("")), None)
        assert account.parameters.get_parameter(Name="key")["Parameter"]["Type"] == "SecureString"
        with pytest.raises(Conflict):
            account.write("ssm:key", Document(SecretValue.of("CANARY-2"), Revision("")), None)

    def test_version_that_comes_in_between_is_told(self, account: Account, relay: Wire) -> None:
        """Parameter Store has no compare-and-set: bridge can only say that it happened."""
        account.parameters.put_parameter(Name="key", Value="CANARY-1", Type="SecureString")
        before = account.read("ssm:key").revision

        def answer(request: Request) -> Answer | None:
            if operation(request) == "PutParameter":
                account.parameters.put_parameter(Name="key", Value="CANARY-theirs", Overwrite=True)
            return None

        relay.answer = answer
        with pytest.raises(ProviderError, match="version 3 was written, but another client wrote version 2"):
            account.write("ssm:key", Document(SecretValue.of("CANARY-2"), Revision("")), before)

    def test_bytes_are_refused(self, account: Account) -> None:
        with pytest.raises(ProviderError, match="a parameter holds text only"):
            account.write("ssm:key", Document(SecretValue(b"\xff", Kind.BYTES), Revision("")), None)
