"""Why a secret cannot be read: each state has its own words, found in the metadata only after a failure."""

import pytest

from bridge.provider import NotFound, ProviderError, Unavailable
from tests.providers.scaleway.reader import PATH, VALUES, Reader
from tests.servers.scaleway import ACCESS, PROJECT, Canned, Grant, SecretManager

MORE = "for the exact reason grant SecretManagerReadOnly"
FRESH = "check region and project_id; a new secret can take half a minute to appear"
DELETED_AT = "2026-07-03T15:27:59.863920Z"

pytestmark = pytest.mark.parametrize("unreadable", [404, 412, 400, 409])


@pytest.fixture(autouse=True)
def _status(manager: SecretManager, unreadable: int) -> None:
    """No recording shows the status of an access to what is disabled or deleted: any of them will do."""
    manager.unreadable = unreadable


def told(reader: Reader, path: str = PATH, revision: str | None = None) -> tuple[type, str, str]:
    failure = reader.failure(path, revision, known=True)
    return failure.kind, failure.what, failure.hint


def test_secret_that_is_missing(manager: SecretManager, reader: Reader) -> None:
    manager.put("/voice/prod/app", VALUES)
    what = f"no such secret in project {PROJECT}, region fr-par"
    assert told(reader) == (NotFound, what, FRESH)


def test_id_that_is_missing(manager: SecretManager, reader: Reader) -> None:
    assert told(reader, "id:99999999-0000-4000-8000-000000000000") == (
        NotFound,
        "no such secret in region fr-par",
        FRESH,
    )


def test_secret_of_another_region(manager: SecretManager, reader: Reader) -> None:
    id_ = manager.put(PATH, VALUES, region="nl-ams")
    assert told(reader)[1] == f"no such secret in project {PROJECT}, region fr-par"
    assert told(reader, f"id:{id_}")[1] == "no such secret in region fr-par"


def test_revision_that_is_missing(manager: SecretManager, reader: Reader) -> None:
    manager.put(PATH, VALUES, VALUES)
    assert told(reader, PATH, "7") == (NotFound, "it has no revision 7; the newest is 2", "")


def test_secret_without_revision(manager: SecretManager, reader: Reader) -> None:
    manager.put(PATH)
    assert told(reader) == (NotFound, "it has no revision yet", "")


@pytest.mark.parametrize("revision", ["3", "latest"])
@pytest.mark.parametrize("by_id", [False, True])
def test_disabled_revision_is_not_answered_with_another(
    manager: SecretManager, reader: Reader, revision: str, by_id: bool
) -> None:
    id_ = manager.put(PATH, VALUES, VALUES, VALUES)
    manager.store.secrets[id_].versions[2]["status"] = "disabled"
    path = f"id:{id_}" if by_id else PATH
    assert told(reader, path, revision) == (NotFound, "revision 3 is disabled", "enable it, or use another revision")


def test_revision_that_is_scheduled_for_deletion(manager: SecretManager, reader: Reader) -> None:
    id_ = manager.put(PATH, VALUES, VALUES)
    version = manager.store.secrets[id_].versions[0]
    version |= {"status": "scheduled_for_deletion", "deletion_requested_at": DELETED_AT}
    assert told(reader, PATH, "1") == (
        NotFound,
        "revision 1 is scheduled for deletion since 2026-07-03T15:27:59Z",
        "restore it in the Scaleway console (possible until 2026-07-10T15:27:59Z)",
    )


def test_deleted_revision(manager: SecretManager, reader: Reader) -> None:
    id_ = manager.put(PATH, VALUES)
    manager.store.secrets[id_].versions[0]["status"] = "deleted"
    assert told(reader, PATH, "1") == (NotFound, "revision 1 is deleted", "")


def test_no_enabled_revision_at_all(manager: SecretManager, reader: Reader) -> None:
    id_ = manager.put(PATH, VALUES, VALUES)
    for version in manager.store.secrets[id_].versions:
        version["status"] = "disabled"
    what = "no revision is enabled; revision 2 is disabled"
    assert told(reader) == (NotFound, what, "enable it, or use another revision")


@pytest.mark.parametrize("by_id", [False, True])
def test_secret_that_is_scheduled_for_deletion(manager: SecretManager, reader: Reader, by_id: bool) -> None:
    id_ = manager.put(PATH, VALUES)
    manager.store.secrets[id_].meta["deletion_requested_at"] = DELETED_AT
    assert told(reader, f"id:{id_}" if by_id else PATH) == (
        NotFound,
        "it is scheduled for deletion since 2026-07-03T15:27:59Z",
        "restore it in the Scaleway console (possible until 2026-07-10T15:27:59Z)",
    )


@pytest.mark.parametrize("moment", ["CANARY", "2026-99-03T15:27:59Z", 7])
def test_invalid_time_is_not_shown(manager: SecretManager, reader: Reader, moment: object) -> None:
    id_ = manager.put(PATH, VALUES)
    manager.store.secrets[id_].meta["deletion_requested_at"] = moment
    assert told(reader) == (
        NotFound,
        "it is scheduled for deletion",
        "restore it in the Scaleway console (possible for 7 days)",
    )


def test_locked_secret(manager: SecretManager, reader: Reader) -> None:
    id_ = manager.put(PATH, VALUES)
    manager.store.secrets[id_].meta["status"] = "locked"
    manager.faults.append(Canned(412, {"type": "locked", "resource": "secret", "message": "CANARY"}))
    assert told(reader) == (ProviderError, "it is locked", "check the secret in the Scaleway console")


@pytest.mark.parametrize("revision", [None, "latest", "1"])
def test_store_that_lists_it_and_does_not_give_it_is_only_late(
    manager: SecretManager, reader: Reader, revision: str | None, unreadable: int
) -> None:
    manager.put(PATH, VALUES)
    manager.faults.append(Canned(404, {"type": "not_found", "resource": "secret", "message": "CANARY"}))
    assert told(reader, PATH, revision) == (
        Unavailable,
        "it is listed but cannot be read yet",
        "a new permission can take two minutes to take effect",
    )


def test_key_that_may_not_see_metadata_gets_access_s_own_answer(
    manager: SecretManager, reader: Reader, unreadable: int
) -> None:
    manager.grants[manager.key] = Grant({ACCESS})
    id_ = manager.put(PATH, VALUES)
    manager.store.secrets[id_].versions[0]["status"] = "disabled"
    kind, what, hint = told(reader, PATH, "1")
    assert hint.endswith(MORE)
    if unreadable == 404:
        assert kind is NotFound
        assert what.startswith(f"not found in project {PROJECT}, region fr-par (status 404, request ")
        assert what.endswith("): missing, disabled or deleted")
    else:
        assert kind is ProviderError
        assert what.startswith("the API refuses the request: resource_not_usable (status 4")


def test_metadata_that_fail_leave_access_s_own_answer(manager: SecretManager, reader: Reader, unreadable: int) -> None:
    manager.put("/other", VALUES)
    for canned in (Canned(503), Canned(200, {"secrets": [{"name": "app", "path": "/voice/staging", "id": "CANARY"}]})):
        manager.faults += [Canned(404, {"type": "not_found"}), canned]
        assert told(reader)[1].endswith("): missing, disabled or deleted")


@pytest.mark.parametrize("by_id", [False, True])
def test_permanent_access_error_of_enabled_revision_stays_permanent(
    manager: SecretManager, reader: Reader, by_id: bool, unreadable: int
) -> None:
    id_ = manager.put(PATH, VALUES)
    manager.faults.append(Canned(412, {"type": "precondition_failed", "precondition": "key_disabled"}))
    kind, what, _ = told(reader, f"id:{id_}" if by_id else PATH)
    assert kind is ProviderError
    assert what.startswith("the API refuses the request: key_disabled (status 412")


def test_html_instead_of_access_is_reported(manager: SecretManager, reader: Reader, unreadable: int) -> None:
    manager.put(PATH, VALUES)
    manager.faults.append(Canned(200, b"<html>CANARY</html>", kind="text/html"))
    kind, what, hint = told(reader)
    assert (kind, hint) == (ProviderError, "check SCW_API_URL and HTTPS_PROXY")
    assert "not the API's JSON" in what
