"""Secrets and parameters are read as they are, in the version that is asked for; errors say what is wrong."""

import datetime as dt
import json
from pathlib import Path

import pytest

from bridge.provider import Context, Denied, NotFound, ProviderError, SecretValue, Unavailable
from bridge_providers.aws import Aws
from tests.pages import page
from tests.providers.aws.conftest import Account, opened
from tests.servers.s3 import ACCESS_KEY, SECRET_KEY

NAME = "voice/staging"
TEXT = '{"OPENAI_API_KEY": "CANARY-openai", "LIMIT": 1.10}'


def test_secret_s_fields_are_read(account: Account) -> None:
    made = account.secrets.create_secret(Name=NAME, SecretString=TEXT)
    document = account.read(NAME)
    assert opened(document) == {"OPENAI_API_KEY": "CANARY-openai", "LIMIT": "1.10"}
    assert document.whole is not None
    assert document.whole.reveal().decode() == TEXT
    assert document.revision.id == made["VersionId"]
    assert document.revision.series == made["ARN"].rpartition("-")[2]
    assert "CANARY" not in repr(document)


def test_order_is_version_s_creation(account: Account) -> None:
    account.secrets.create_secret(Name=NAME, SecretString=TEXT)
    created = account.secrets.get_secret_value(SecretId=NAME)["CreatedDate"]
    assert account.read(NAME).revision.order == int(created.timestamp() * 1_000_000)
    assert created.tzinfo is not None
    assert created < dt.datetime.now(tz=dt.UTC) + dt.timedelta(minutes=1)


def test_version_is_chosen_by_id_or_label(account: Account) -> None:
    first = account.secrets.create_secret(Name=NAME, SecretString='{"A": "CANARY-1"}')["VersionId"]
    second = account.secrets.put_secret_value(SecretId=NAME, SecretString='{"A": "CANARY-2"}')["VersionId"]
    for revision, wanted in ((first, "1"), (second, "2"), ("AWSPREVIOUS", "1"), ("AWSCURRENT", "2"), (None, "2")):
        assert opened(account.read(NAME, revision)) == {"A": f"CANARY-{wanted}"}


def test_secret_is_read_by_its_arn_in_its_region(account: Account) -> None:
    arn = account.secrets.create_secret(Name=NAME, SecretString=TEXT)["ARN"]
    assert opened(account.read(arn, region="us-east-1"))["OPENAI_API_KEY"] == "CANARY-openai"


@pytest.mark.parametrize(
    ("field", "data"),
    [("SecretBinary", b"\x00\xffCANARY\r\n"), ("SecretString", "CANARY: no JSON"), ("SecretString", '["CANARY"]')],
)
def test_other_content_is_one_value(account: Account, field: str, data: str | bytes) -> None:
    account.secrets.create_secret(Name=NAME, **{field: data})
    assert opened(account.read(NAME)) == (data if isinstance(data, bytes) else data.encode())


def test_folder_of_parameters_is_one_document(account: Account) -> None:
    for number in range(23):  # AWS answers with ten at a time
        account.parameters.put_parameter(Name=f"/voice/KEY_{number}", Value=f"CANARY-{number}", Type="SecureString")
    account.parameters.put_parameter(Name="/voice/db/password", Value="CANARY-db", Type="String")
    account.parameters.put_parameter(Name="/voices", Value="CANARY-other", Type="String")
    wanted = {f"KEY_{number}": f"CANARY-{number}" for number in range(23)} | {"db": {"password": "CANARY-db"}}
    for path in ("ssm:/voice", "ssm:/voice/"):
        document = account.read(path)
        assert opened(document) == wanted
        assert (document.revision.order, document.whole) == (None, None)


def test_revision_of_folder_changes_with_each_parameter(account: Account) -> None:
    seen = set()
    for name, text in (("A", "1"), ("B", "1"), ("A", "2")):
        account.parameters.put_parameter(Name=f"/voice/{name}", Value=text, Type="SecureString", Overwrite=True)
        revision = account.read("ssm:/voice").revision
        assert revision.order is None
        seen.add(revision.id)
    assert len(seen) == 3


def test_one_parameter_is_read_in_its_versions(account: Account) -> None:
    for text in ("CANARY-1", "CANARY-2"):
        account.parameters.put_parameter(Name="/voice/key", Value=text, Type="SecureString", Overwrite=True)
    assert opened(account.read("ssm:/voice/key")) == b"CANARY-2"
    assert account.read("ssm:/voice/key").revision.id == "2"
    assert opened(account.read("ssm:/voice/key", "1")) == b"CANARY-1"


def test_parameter_that_is_also_folder_is_refused(account: Account) -> None:
    for name in ("/voice/db", "/voice/db/password"):
        account.parameters.put_parameter(Name=name, Value="CANARY", Type="String")
    kind, problem = account.failure("ssm:/voice")
    assert (kind, problem.what) == (ProviderError, "db is both a parameter and a folder")


def test_what_is_missing_is_not_found(account: Account) -> None:
    account.secrets.create_secret(Name=NAME, SecretString=TEXT)
    account.parameters.put_parameter(Name="/voice/key", Value="CANARY", Type="String")
    at = f"no such secret, parameter or version at {account.server.url} (status"
    assert [account.failure(*one)[0] for one in (("other",), (NAME, "0" * 32), (NAME, "label"))] == [NotFound] * 3
    assert account.failure("other")[1].what == f"{at} 404, ResourceNotFoundException)"
    assert account.failure("ssm:other")[1].what == f"{at} 400, ParameterNotFound)"
    assert account.failure("ssm:/voice/key", "7")[0] is NotFound
    assert account.failure("ssm:/nothing/")[1].what == "no parameter is below this name"


def test_secret_without_value_is_not_found(account: Account) -> None:
    account.secrets.create_secret(Name=NAME)
    assert account.failure(NAME)[0] is NotFound


def test_secret_that_is_scheduled_for_deletion_is_not_found(account: Account) -> None:
    account.secrets.create_secret(Name=NAME, SecretString=TEXT)
    account.secrets.delete_secret(SecretId=NAME)
    kind, problem = account.failure(NAME)
    assert issubclass(kind, NotFound)
    assert problem.what == "the secret is scheduled for deletion"
    assert problem.hint == "run `aws secretsmanager restore-secret --secret-id NAME`"


def test_duplicate_key_is_refused_without_value(account: Account) -> None:
    account.secrets.create_secret(Name=NAME, SecretString='{"A": "CANARY-1", "A": "CANARY-2"}')
    kind, problem = account.failure(NAME)
    assert kind is ProviderError
    assert "CANARY" not in repr(problem)


@pytest.mark.parametrize("path", ["", "a b", "arn:aws:iam::1:role/x", "ssm:", "ssm://a", "ssm:a b", "x" * 513])
def test_path_that_names_nothing_is_refused_without_request(account: Account, path: str) -> None:
    account.environ["AWS_ENDPOINT_URL"] = "http://127.0.0.1:1"
    assert account.failure(path)[0] is ProviderError


def test_rights_are_named(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    account.secrets.create_secret(Name=NAME, SecretString=TEXT)
    iam = account.client("iam")
    iam.create_user(UserName="bridge")
    key = iam.create_access_key(UserName="bridge")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    account.server.demand_keys()
    for path, right in ((NAME, "secretsmanager:GetSecretValue"), ("ssm:key", "ssm:GetParameter")):
        kind, problem = account.failure(path)
        assert (kind, problem.hint) == (Denied, f"grant the role {right}, and kms:Decrypt if it has its own key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "CANARY-wrong")
    kind, problem = account.failure(NAME)
    assert kind is Denied
    assert "CANARY" not in repr(problem)


def test_actions_of_policy_on_page_are_enough(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only its actions: moto compares no resources."""
    account.secrets.create_secret(Name=NAME, SecretString=TEXT)
    iam = account.client("iam")
    iam.create_user(UserName="bridge")
    policy = json.loads(page("aws").block("aws-policy"))
    policy["Statement"][0]["Resource"] = "*"
    iam.put_user_policy(UserName="bridge", PolicyName="bridge", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName="bridge")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    account.server.demand_keys()
    assert account.read(NAME).revision.id


def test_value_is_no_number_in_a_parameter(account: Account) -> None:
    account.parameters.put_parameter(Name="/voice/PORT", Value="0080", Type="String")
    (fields,) = account.read("ssm:/voice").content  # type: ignore[misc]
    assert isinstance(fields["PORT"], SecretValue)
    assert fields["PORT"].reveal() == b"0080"


def test_what_cannot_be_reached_is_unavailable(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    kind, problem = account.failure(NAME)
    assert (kind, problem.what) == (Unavailable, "http://127.0.0.1:9 cannot be reached")


def test_time_is_up_before_a_request(account: Account) -> None:
    with account.session(seconds=-1) as session, pytest.raises(Unavailable):
        session.read(NAME)


@pytest.mark.parametrize(
    ("unset", "message"),
    [
        ({"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}, "no AWS keys found, or only one of the two"),
        ({"AWS_SECRET_ACCESS_KEY"}, "no AWS keys found, or only one of the two"),
    ],
)
def test_keys_that_are_missing(
    account: Account, monkeypatch: pytest.MonkeyPatch, unset: set[str], message: str
) -> None:
    for name in unset:
        monkeypatch.delenv(name)
        del account.environ[name]
    kind, problem = account.failure(NAME)
    assert (kind, problem.what) == (Denied, message)


def test_profile_and_region_that_are_missing(account: Account) -> None:
    kind, problem = account.failure(NAME, profile="absent")
    assert (kind, problem.what) == (ProviderError, "AWS's configuration has no such profile")
    with account.session() as session:
        session._options = Aws()
        with pytest.raises(ProviderError, match="no region found"):
            session.read(NAME)


def test_region_of_the_environment_wins_over_the_profile(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = f"aws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
    (tmp_path / "aws").write_text(f"[profile elsewhere]\nregion = us-east-1\n{keys}")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws"))
    account.environ["AWS_REGION"] = "eu-west-3"
    account.secrets.create_secret(Name=NAME, SecretString=TEXT)
    for section in (Aws(), Aws(profile="elsewhere")):
        with account.session() as session:
            session._options = section
            assert session.read(NAME).content
        assert section.location(NAME, Context(tmp_path, account.environ, 0.0))["region"] == "eu-west-3"
