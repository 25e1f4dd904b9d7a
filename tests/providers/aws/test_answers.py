"""Answers that moto does not give: what AWS's documentation says that they look like, and what bridge makes of them.

The codes are those of each operation's page, such as
https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html#API_GetSecretValue_Errors.
"""

import threading
from pathlib import Path

import pytest

from bridge.provider import Denied, NotFound, ProviderError, Unavailable
from bridge_providers.aws.client import Deleted, Refused
from tests.faults.kinds import CONNECTIONS
from tests.faults.proxy import FaultProxy, Upstream
from tests.faults.targets import aws
from tests.providers.aws.conftest import Account, refusal
from tests.providers.vault.wire import Answer, Wire

NAME = "voice/staging"
WHOLE = {"ARN": "arn:x-AbCdEf", "VersionId": "0" * 36, "Name": NAME, "SecretString": "CANARY"}


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refusal("ThrottlingException"), Unavailable),
        (refusal("TooManyRequestsException"), Unavailable),
        (refusal("InternalServiceError", 500), Unavailable),
        (refusal("InternalServerError", 500), Unavailable),
        (Answer(503, b"<html>CANARY</html>", {"content-type": "text/html"}), Unavailable),
        (Answer(429, {}), Unavailable),
        (Answer(script=lambda connection: connection.close()), Unavailable),
        (refusal("ResourceNotFoundException"), NotFound),
        (refusal("AccessDeniedException"), Denied),
        (refusal("UnrecognizedClientException"), Denied),
        (refusal("ExpiredTokenException"), Denied),
        (refusal("InvalidSignatureException", 403), Denied),
        (refusal("RequestTimeTooSkewed", 403), Denied),
        (refusal("InvalidRequestException", message="You can't do this; the secret was marked for deletion."), Deleted),
        (refusal("InvalidRequestException"), Refused),
        (refusal("DecryptionFailure"), Refused),
        (refusal("CANARY code with spaces"), Refused),
        (Answer(200, b"CANARY: no JSON"), ProviderError),
        (Answer(200, {"ARN": "arn:x-AbCdEf", "VersionId": "0" * 36, "Name": NAME}), ProviderError),
        (
            Answer(200, {**WHOLE, "Name": "other"}),
            ProviderError,
        ),
        (Answer(200, {"Name": NAME, "SecretString": "CANARY"}), ProviderError),
        (Answer(302, {}, {"location": "http://127.0.0.1:1/CANARY"}), Refused),
    ],
    ids=range(22),
)
def test_answer_is_told_by_its_code_alone(account: Account, relay: Wire, answer: Answer, kind: type[Exception]) -> None:
    relay.answer = lambda _: answer
    found, problem = account.failure(NAME)
    assert found is kind
    assert "CANARY" not in repr(problem)
    assert len(relay.requests) == 1


def test_time_to_wait_is_obeyed(account: Account, relay: Wire) -> None:
    relay.answer = lambda _: refusal("ThrottlingException", **{"Retry-After": "7"})
    with account.session() as session, pytest.raises(Unavailable) as caught:
        session.read(NAME)
    assert caught.value.retry_after == 7


def test_hanging_server_ends_with_the_deadline(account: Account, relay: Wire) -> None:
    stopped = threading.Event()
    relay.answer = lambda _: Answer(script=lambda _connection: stopped.wait(60) and None)  # type: ignore[func-returns-value]
    try:
        with account.session(seconds=2) as session, pytest.raises(Unavailable, match="did not answer in time"):
            session.read(NAME)
    finally:
        stopped.set()


@pytest.mark.parametrize("answer", [{}, {"Parameter": {}}, {"Parameter": {"Value": "CANARY"}}])
def test_incomplete_parameter_is_refused(account: Account, relay: Wire, answer: object) -> None:
    relay.answer = lambda _: Answer(200, answer)
    kind, problem = account.failure("ssm:key")
    assert kind is ProviderError
    assert "CANARY" not in repr(problem)


def test_endless_pages_end(account: Account, relay: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge_providers.aws.parameters._MOST_PAGES", 5)
    relay.answer = lambda _: Answer(200, {"Parameters": [], "NextToken": "again"})
    assert account.failure("ssm:/voice")[0] is ProviderError
    assert len(relay.requests) == 5


@pytest.mark.parametrize(
    ("fault", "kind", "what"),
    [
        ("ends the TLS handshake", Unavailable, "URL cannot be reached"),
        ("has a certificate for another name", ProviderError, "the certificate of URL is not trusted"),
        ("has an expired certificate", ProviderError, "the certificate of URL is not trusted"),
        ("has a self-signed certificate", ProviderError, "the certificate of URL is not trusted"),
    ],
)
def test_only_certificate_that_is_not_trusted_is_no_temporary_failure(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, fault: str, kind: type[Exception], what: str
) -> None:
    with FaultProxy(Upstream(account.server.url, None, aws), tmp_path) as proxy:
        monkeypatch.setenv("AWS_CA_BUNDLE", str(proxy.authority.file))
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        proxy.apply(next(one for one in CONNECTIONS if one.name == fault), 1, lasting=True)
        found, problem = account.failure(NAME)
        assert (found, problem.what.replace(proxy.url, "URL")) == (kind, what)
