"""What the API's errors mean, in our words alone."""

import pytest

from bridge.provider import Denied, NotFound, ProviderError, Unavailable
from tests.providers.scaleway.reader import PATH, VALUES, Reader, fields
from tests.servers.scaleway import ACCESS, PROJECT, READ, Canned, Grant, SecretManager

ID = {"X-Request-Id": "6f1c-42"}
HTML = b"<html>CANARY 502 Bad Gateway</html>"
WHERE = f"project {PROJECT}, region fr-par"
ACCESS_HINT = "grant the permission set SecretManagerSecretAccess; a new permission can take two minutes to take effect"


def told(reader: Reader, canned: Canned) -> tuple[type, str, str]:
    """Return what is told where the access is answered so, and the metadata cannot be seen."""
    reader.manager.grants[reader.manager.key] = Grant({ACCESS})
    canned.headers |= ID
    reader.manager.faults.append(canned)
    failure = reader.failure(known=True)
    return failure.kind, failure.what, failure.hint.partition("; for the exact reason")[0]


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("expired", "has expired"),
        ("not_found", "no longer exists or is mistyped"),
        ("invalid_argument", "is not accepted"),
        ("CANARY", "is not accepted"),
        (None, "is not accepted"),
    ],
)
def test_401_says_what_is_wrong_with_key(reader: Reader, reason: str | None, words: str) -> None:
    body = {"type": "denied_authentication", "method": "api_key", "reason": reason, "message": "CANARY"}
    assert told(reader, Canned(401, body)) == (
        Denied,
        f"the secret key from SCW_SECRET_KEY {words} (status 401, request 6f1c-42)",
        "check the key under IAM > API keys",
    )


def test_unknown_key_is_refused(manager: SecretManager, reader: Reader) -> None:
    manager.put(PATH, VALUES)
    manager.grants.clear()
    assert "no longer exists or is mistyped (status 401" in reader.failure().what


def test_403_names_permission(manager: SecretManager, reader: Reader) -> None:
    manager.put(PATH, VALUES)
    manager.grants[manager.key] = Grant({READ})
    failure = reader.failure()
    assert (failure.kind, failure.hint) == (Denied, ACCESS_HINT)
    assert failure.what.startswith(
        f"the secret key from SCW_SECRET_KEY lacks permission in {WHERE} (status 403, request "
    )


def test_404_is_not_found(reader: Reader) -> None:
    body = {"message": "resource is not found", "resource": "secret", "resource_id": "CANARY", "type": "not_found"}
    assert told(reader, Canned(404, body)) == (
        NotFound,
        f"not found in {WHERE} (status 404, request 6f1c-42): missing, disabled or deleted",
        "check region and project_id; a new secret can take half a minute to appear",
    )


@pytest.mark.parametrize("status", [200, 301, 302, 307, 401, 403, 404])
def test_html_is_not_api_answer(reader: Reader, status: int) -> None:
    canned = Canned(status, HTML, {"Location": "http://CANARY.example.com/"}, kind="text/html")
    assert told(reader, canned) == (
        ProviderError,
        f"got status {status}, request 6f1c-42, which is not the API's JSON",
        "check SCW_API_URL and HTTPS_PROXY",
    )
    assert reader.manager.requests[0].path.endswith("/access")
    assert not [one for one in reader.manager.requests if "CANARY" in one.path]


@pytest.mark.parametrize("body", [b"", b"CANARY", b'["CANARY"]', b"[" * 100_000, b"\xff"])
def test_invalid_json_is_no_document(reader: Reader, body: bytes) -> None:
    assert told(reader, Canned(200, body))[:2] == (
        ProviderError,
        "got status 200, request 6f1c-42, which is not the API's JSON",
    )


def test_truncated_object_is_temporary_even_without_length(reader: Reader) -> None:
    assert told(reader, Canned(200, b'{"data": "CANARY')) == (
        Unavailable,
        "the API's answer is truncated (status 200, request 6f1c-42)",
        "",
    )


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize(("body", "kind"), [(HTML, "text/html"), ({"message": "CANARY"}, "application/json")])
def test_5xx_is_unavailable_whoever_sends_it(reader: Reader, status: int, body: bytes, kind: str) -> None:
    what = f"API error (status {status}, request 6f1c-42)"
    assert told(reader, Canned(status, body, kind=kind)) == (Unavailable, what, "")


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"Retry-After": "7"}, {"type": "too_many_requests", "reset_seconds": 3}, 7.0),
        ({}, {"type": "too_many_requests", "reset_seconds": 3, "limit": {"quota": 1, "window_seconds": 1}}, 3.0),
        ({}, {"type": "too_many_requests", "reset_seconds": "CANARY"}, None),
        ({}, {"type": "too_many_requests", "reset_seconds": True}, None),
        ({}, {"type": "too_many_requests", "reset_seconds": -1}, None),
        ({"Retry-After": "CANARY"}, HTML, None),
        ({"Retry-After": "-7"}, HTML, None),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, HTML, 0.0),
        ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 -2359"}, HTML, None),
    ],
)
def test_429_says_how_long_to_wait(
    manager: SecretManager, reader: Reader, headers: dict[str, str], body: bytes, seconds: float | None
) -> None:
    manager.faults.append(Canned(429, body, headers | ID, kind="text/html" if body is HTML else "application/json"))
    failure = reader.failure(known=True)
    assert (failure.kind, failure.what, failure.retry_after) == (
        Unavailable,
        "rate limited (status 429, request 6f1c-42)",
        seconds,
    )


@pytest.mark.parametrize(
    ("status", "body", "kind", "what"),
    [
        (
            400,
            {"type": "invalid_arguments", "details": [{"argument_name": "project_id", "reason": "format"}, "CANARY"]},
            ProviderError,
            "the API refuses the request: project_id (format) (status 400, request 6f1c-42)",
        ),
        (
            400,
            {"type": "invalid_arguments", "details": [{"argument_name": "CANARY", "help_message": "CANARY"}]},
            ProviderError,
            "the API refuses the request: invalid_arguments (status 400, request 6f1c-42)",
        ),
        (400, {"type": "CANARY"}, ProviderError, "the API refuses the request (status 400, request 6f1c-42)"),
        (
            403,
            {"type": "quotas_exceeded", "details": [{"resource": "secret", "quota": 1, "current": 1}]},
            ProviderError,
            "quota exceeded (status 403, request 6f1c-42)",
        ),
        (410, {"type": "resource_expired"}, NotFound, "it has expired (status 410, request 6f1c-42)"),
        (
            409,
            {"type": "transient_state", "current_state": "CANARY"},
            Unavailable,
            "Secret Manager is changing it right now (status 409, request 6f1c-42)",
        ),
        (
            412,
            {"type": "precondition_failed", "precondition": "resource_not_usable", "help_message": "CANARY"},
            ProviderError,
            "the API refuses the request: resource_not_usable (status 412, request 6f1c-42)",
        ),
    ],
)
def test_other_errors_by_their_type(reader: Reader, status: int, body: dict, kind: type, what: str) -> None:
    assert told(reader, Canned(status, body))[:2] == (kind, what)


def test_invalid_request_id_is_not_shown(manager: SecretManager, reader: Reader) -> None:
    manager.faults.append(Canned(500, b"", {"X-Request-Id": "CANARY\x1b[31m"}))
    assert reader.failure(known=True).what == "API error (status 500)"


@pytest.mark.parametrize(
    "changes",
    [
        {"secret_id": "CANARY"},
        {"secret_id": None},
        {"revision": "1"},
        {"revision": True},
        {"revision": 0},
    ],
)
def test_answer_that_does_not_say_what_it_is(
    manager: SecretManager, reader: Reader, changes: dict[str, object]
) -> None:
    manager.put(PATH, VALUES)
    good = manager.store.named("fr-par", PROJECT, "/voice/staging", "app").access("1", 404)
    manager.faults.append(Canned(200, good | changes))
    assert reader.failure(known=True).what == "the API's answer does not name its secret and revision"


def test_answer_for_another_revision_or_secret(manager: SecretManager, reader: Reader) -> None:
    id_ = manager.put(PATH, VALUES, VALUES)
    good = manager.store.secrets[id_].access("1", 404)
    what = "the API returned a different secret or revision than requested"
    manager.faults.append(Canned(200, good))
    assert reader.failure(revision="2", known=True).what == what
    manager.faults.append(Canned(200, good))
    assert reader.failure("id:99999999-0000-4000-8000-000000000000", known=True).what == what


def test_charset_in_content_type_is_ignored(manager: SecretManager, reader: Reader) -> None:
    id_ = manager.put(PATH, VALUES)
    good = manager.store.secrets[id_].access("1", 404)
    manager.faults.append(Canned(200, good, kind="Application/JSON; charset=utf-8"))
    assert fields(reader.read(known=True)) == VALUES
