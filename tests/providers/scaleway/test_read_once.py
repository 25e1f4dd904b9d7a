"""A secret that expires once it is read is not used up by a run."""

import pytest

from bridge.provider import NotFound, Problem, ProviderError, Unavailable
from tests.providers.scaleway.reader import PATH, VALUES, Reader, fields
from tests.servers.scaleway import ACCESS, READ, Canned, Grant, SecretManager

ONCE = {"time_to_live": None, "expires_once_accessed": True, "action": "delete"}
IN_TIME = {"time_to_live": "1800s", "expires_once_accessed": False, "action": "disable"}
UNCHECKED = "could not check whether reading it makes it expire (expires_once_accessed)"


def enabled(manager: SecretManager, id_: str) -> bool:
    return manager.store.secrets[id_].versions[-1]["status"] == "enabled"


@pytest.mark.parametrize("by_id", [False, True])
@pytest.mark.parametrize("action", ["delete", "disable"])
def test_secret_that_expires_once_read_is_refused_and_stays(
    manager: SecretManager, reader: Reader, action: str, by_id: bool
) -> None:
    id_ = manager.put(PATH, VALUES, ephemeral_policy=ONCE | {"action": action})
    failure = reader.failure(f"id:{id_}" if by_id else PATH)
    assert (failure.kind, failure.what, failure.hint) == (
        ProviderError,
        "not read, because reading it would make it expire (expires_once_accessed)",
        "move the value to a secret without expires_once_accessed",
    )
    assert enabled(manager, id_)
    assert not [one for one in manager.requests if one.path.endswith("/access")]


def test_revision_that_expires_once_read_is_refused_although_its_secret_does_not_say_so(
    manager: SecretManager, reader: Reader
) -> None:
    id_ = manager.put(PATH, VALUES, VALUES, ephemeral_policy=IN_TIME)
    manager.store.secrets[id_].versions[0]["ephemeral_properties"]["expires_once_accessed"] = True
    assert (
        reader.failure(revision="1").what == "not read, because reading it would make it expire (expires_once_accessed)"
    )
    assert fields(reader.read(revision="2")) == VALUES


def test_policy_without_expires_once_accessed_counts_as_set(manager: SecretManager, reader: Reader) -> None:
    id_ = manager.put(PATH, VALUES, ephemeral_policy=IN_TIME)
    del manager.store.secrets[id_].meta["ephemeral_policy"]["expires_once_accessed"]
    assert reader.failure().what == "not read, because reading it would make it expire (expires_once_accessed)"


def test_secret_that_expires_in_time_is_read_with_warning(manager: SecretManager, reader: Reader) -> None:
    manager.put(PATH, VALUES, ephemeral_policy=IN_TIME)
    document = reader.read()
    assert fields(document) == VALUES
    what = "its revisions expire after some time (ephemeral policy)"
    assert document.warnings == (
        Problem("", what, "use a secret without one: runs fail once the last revision expires", warning=True),
    )


def test_key_that_may_not_see_metadata_reads_with_warning(manager: SecretManager, reader: Reader) -> None:
    manager.grants[manager.key] = Grant({ACCESS})
    manager.put(PATH, VALUES)
    document = reader.read()
    assert fields(document) == VALUES
    hint = "grant the permission set SecretManagerReadOnly"
    assert document.warnings == (Problem("", UNCHECKED, hint, warning=True),)


def test_condition_on_names_breaks_list_and_not_read(manager: SecretManager, reader: Reader) -> None:
    manager.grants[manager.key] = Grant({ACCESS, READ}, prefix="/voice/staging/")
    manager.put(PATH, VALUES)
    manager.put("/voice/prod/app", VALUES)
    assert [one.what for one in reader.read().warnings] == [UNCHECKED]
    assert "lacks permission" in reader.failure("/voice/prod/app").what


def test_known_document_is_not_checked_again(manager: SecretManager, reader: Reader) -> None:
    manager.put(PATH, VALUES)
    reader.read(known=True)
    assert [str(one) for one in manager.requests] == ["GET fr-par/secrets-by-path/versions/latest_enabled/access"]


def test_store_that_lists_nothing_and_gives_secret_is_reported(manager: SecretManager, reader: Reader) -> None:
    manager.put(PATH, VALUES)
    manager.faults.append(Canned(200, {"secrets": [], "total_count": 0}))
    assert reader.read().warnings == (
        Problem("", UNCHECKED, "check region and project_id: the secret is not listed", warning=True),
    )


def test_nothing_is_read_while_metadata_are_unavailable(manager: SecretManager, reader: Reader) -> None:
    manager.put(PATH, VALUES)
    for canned in (Canned(503), Canned(429), Canned(200, {"secrets": "CANARY"})):
        manager.requests.clear()
        manager.faults.append(canned)
        assert reader.failure().kind in {Unavailable, ProviderError}
        assert [str(one) for one in manager.requests] == ["GET fr-par/secrets"]


def test_ignored_filters_do_not_return_another_secrets_policy(manager: SecretManager, reader: Reader) -> None:
    manager.put(PATH, VALUES)
    other = manager.put("/other/app", VALUES, ephemeral_policy=ONCE)
    meta = manager.store.secrets[other].meta
    manager.faults.append(Canned(200, {"secrets": [meta], "total_count": 1}))
    assert [one.hint for one in reader.read().warnings] == ["check region and project_id: the secret is not listed"]


def test_revision_may_expire_once_read_although_its_secret_has_no_policy(
    manager: SecretManager, reader: Reader
) -> None:
    id_ = manager.put(PATH, VALUES)
    version = manager.store.secrets[id_].versions[0]
    version["ephemeral_properties"] = {"expires_at": None, "expires_once_accessed": True, "action": "delete"}
    assert reader.failure().what == "not read, because reading it would make it expire (expires_once_accessed)"
    assert enabled(manager, id_)


def test_endless_listing_is_refused(manager: SecretManager, reader: Reader) -> None:
    manager.put(PATH, VALUES)
    page = Canned(200, {"secrets": [{"name": "x", "path": "/"}], "total_count": 1_000_000})
    manager.faults += [page] * 1000
    failure = reader.failure()
    assert (failure.kind, failure.what) == (ProviderError, "the API's list of secrets does not end")
    assert len(manager.requests) == 100
    assert not [one for one in manager.requests if one.path.endswith("/access")]


def test_listing_is_followed_over_its_pages(manager: SecretManager, reader: Reader) -> None:
    once = manager.put(PATH, VALUES, ephemeral_policy=ONCE)
    others = [{"name": f"x{one}", "path": "/"} for one in range(50)]
    manager.faults += [
        Canned(200, {"secrets": others, "total_count": 51}),
        Canned(200, {"secrets": [manager.store.secrets[once].meta], "total_count": 51}),
    ]
    assert reader.failure().what == "not read, because reading it would make it expire (expires_once_accessed)"
    assert [one.query["page"] for one in manager.requests if one.path.endswith("/secrets")] == ["1", "2"]


def test_absent_secret_is_not_found_whatever_could_be_checked(manager: SecretManager, reader: Reader) -> None:
    for grant in (Grant({ACCESS, READ}), Grant({ACCESS})):
        manager.grants[manager.key] = grant
        assert reader.failure().kind is NotFound


def test_check_of_missing_revision_is_harmless(manager: SecretManager, reader: Reader) -> None:
    manager.put(PATH)
    failure = reader.failure()
    assert (failure.kind, failure.what) == (NotFound, "it has no revision yet")
    manager.put(PATH, VALUES)
    assert reader.failure(revision="2").what == "it has no revision 2; the newest is 1"
