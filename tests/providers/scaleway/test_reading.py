"""What a read gives: by path and by id, by revision, by type."""

import base64
import json
import zlib

import pytest

from bridge.provider import Kind, NotFound, ProviderError, Revision, SecretValue
from bridge.sources.select import pick
from bridge_providers.scaleway import Scaleway
from tests.providers.scaleway.reader import PATH, VALUES, Reader, context, fields, whole
from tests.servers.scaleway import ACCESS, PROJECT, READ, Grant, SecretManager

BINARY = b"\x00\xffCANARY"


def test_one_access_reads_known_document_by_its_path(manager: SecretManager, reader: Reader) -> None:
    id_ = manager.put(PATH, VALUES)
    document = reader.read(known=True)
    assert fields(document) == VALUES
    assert (document.revision, document.warnings) == (Revision(f"1/{id_[:8]}", 1, id_), ())
    (request,) = manager.requests
    assert str(request) == "GET fr-par/secrets-by-path/versions/latest_enabled/access"
    assert request.query == {"secret_path": "/voice/staging", "secret_name": "app", "project_id": PROJECT}


def test_new_document_is_checked_before_first_read(manager: SecretManager, reader: Reader) -> None:
    id_ = manager.put(PATH, VALUES)
    assert reader.read().warnings == ()
    assert [str(one) for one in manager.requests] == [
        "GET fr-par/secrets",
        f"GET fr-par/secrets/{id_}/versions/latest_enabled",
        "GET fr-par/secrets-by-path/versions/latest_enabled/access",
    ]


OTHER = "99999999-0000-4000-8000-000000000000"


def test_reference_may_say_region_and_project_itself(manager: SecretManager, reader: Reader) -> None:
    manager.put(PATH, VALUES)
    there = manager.put(PATH, {"A": "CANARY-there"}, region="nl-ams", project_id=OTHER)
    assert fields(reader.read(f"{PROJECT}:{PATH}", project_id=OTHER)) == VALUES
    assert "region nl-ams" in reader.failure(f"nl-ams:{PATH}").what
    manager.grants[manager.key] = Grant({ACCESS, READ}, project=OTHER)
    assert fields(reader.read(f"nl-ams:{OTHER}:{PATH}", region="fr-par")) == {"A": "CANARY-there"}
    assert fields(reader.read(f"nl-ams:id:{there}", region="fr-par")) == {"A": "CANARY-there"}


def test_one_session_reads_from_several_regions(manager: SecretManager, reader: Reader) -> None:
    manager.put(PATH, VALUES)
    manager.put(PATH, {"A": "CANARY-there"}, region="nl-ams")
    session = Scaleway().open(context(reader.base, reader.environ))
    found = [fields(session.read(path)) for path in (PATH, f"nl-ams:{PATH}", PATH)]
    session.close()
    assert found == [VALUES, {"A": "CANARY-there"}, VALUES]


def test_secret_in_root_folder(manager: SecretManager, reader: Reader) -> None:
    manager.put("/app", VALUES)
    assert fields(reader.read("/app")) == VALUES


def test_secret_by_its_id(manager: SecretManager, reader: Reader) -> None:
    id_ = manager.put(PATH, VALUES)
    del reader.environ["SCW_DEFAULT_PROJECT_ID"]
    assert fields(reader.read(f"id:{id_.upper()}")) == VALUES
    assert [str(one) for one in manager.requests] == [
        f"GET fr-par/secrets/{id_}",
        f"GET fr-par/secrets/{id_}/versions/latest_enabled",
        f"GET fr-par/secrets/{id_}/versions/latest_enabled/access",
    ]


def test_names_are_sent_as_they_are_whatever_they_hold(manager: SecretManager, reader: Reader) -> None:
    manager.put("/a b/é&x=1?#", VALUES)
    assert fields(reader.read("/a b/é&x=1?#")) == VALUES


def test_same_name_in_two_folders_is_two_secrets(manager: SecretManager, reader: Reader) -> None:
    manager.put("/one/app", {"A": "CANARY-1"})
    manager.put("/two/app", {"A": "CANARY-2"})
    assert (fields(reader.read("/one/app")), fields(reader.read("/two/app"))) == ({"A": "CANARY-1"}, {"A": "CANARY-2"})


def test_another_region_and_project_are_another_section(manager: SecretManager, reader: Reader) -> None:
    manager.put(PATH, {"A": "CANARY-par"})
    manager.put(PATH, {"A": "CANARY-ams"}, region="nl-ams")
    assert fields(reader.read(region="nl-ams")) == {"A": "CANARY-ams"}


@pytest.mark.parametrize(("revision", "number"), [("1", 1), ("2", 2), ("latest", 3), ("latest_enabled", 3), (None, 3)])
def test_revision_by_number_or_latest(
    manager: SecretManager, reader: Reader, revision: str | None, number: int
) -> None:
    manager.put(PATH, *({"N": str(one)} for one in (1, 2, 3)))
    document = reader.read(revision=revision)
    assert (fields(document), document.revision.order) == ({"N": str(number)}, number)


def test_latest_enabled_revision_is_read_by_default(manager: SecretManager, reader: Reader) -> None:
    id_ = manager.put(PATH, {"N": "1"}, {"N": "2"})
    manager.store.secrets[id_].versions[1]["status"] = "disabled"
    assert fields(reader.read()) == {"N": "1"}


def test_revision_name_can_be_used_to_read_it(manager: SecretManager, reader: Reader) -> None:
    manager.put(PATH, {"N": "1"})
    first = reader.read().revision
    manager.put(PATH, {"N": "2"})
    assert fields(reader.read(revision=first.id)) == {"N": "1"}


def test_revision_of_recreated_secret_differs_from_old_one(manager: SecretManager, reader: Reader) -> None:
    id_ = manager.put(PATH, {"N": "old"})
    first = reader.read().revision
    manager.store.delete(manager.store.secrets[id_])
    manager.put(PATH, {"N": "new"})
    failure = reader.failure(revision=first.id)
    assert (failure.kind, failure.what) == (
        NotFound,
        "this revision belongs to an earlier secret with the same name",
    )


@pytest.mark.parametrize("revision", ["0", "-1", "1.0", "v1", "latest ", "1/xyz", "..", "1/../../x"])
def test_invalid_revision_is_refused_without_request(manager: SecretManager, reader: Reader, revision: str) -> None:
    failure = reader.failure(revision=revision)
    assert (failure.kind, failure.what) == (NotFound, "the revision is invalid")
    assert manager.requests == []


TYPED = {
    "key_value": {"A": "CANARY-a", "B": ""},
    "basic_credentials": {"username": "u", "password": "CANARY-p"},
    "database_credentials": {
        "engine": "postgres",
        "username": "u",
        "password": "CANARY-p",
        "host": "db.example.com",
        "dbname": "d",
        "port": "5432",
    },
    "ssh_key": {"ssh_private_key": "-----BEGIN CANARY-----\nx\n-----END CANARY-----\n"},
}


@pytest.mark.parametrize("kind", TYPED)
def test_structured_type_returns_fields(manager: SecretManager, reader: Reader, kind: str) -> None:
    manager.put(PATH, TYPED[kind], type=kind)
    assert fields(reader.read()) == TYPED[kind]


@pytest.mark.parametrize("kind", TYPED)
def test_structured_type_without_fields_is_refused(manager: SecretManager, reader: Reader, kind: str) -> None:
    id_ = manager.put(PATH, b'["CANARY"]')
    manager.store.secrets[id_].meta["type"] = kind
    failure = reader.failure()
    assert (failure.kind, failure.what) == (
        ProviderError,
        f"its type is {kind}, but its content is not a JSON object",
    )


def test_opaque_object_keeps_text_of_its_numbers(manager: SecretManager, reader: Reader) -> None:
    text = b'{"i": 12345678901234567890123, "f": 1.10, "e": -1E5, "t": true, "n": null, "l": [1, {"x": "CANARY"}]}'
    manager.put(PATH, text)
    assert fields(reader.read()) == {
        "i": ("number", "12345678901234567890123"),
        "f": ("number", "1.10"),
        "e": ("number", "-1E5"),
        "t": ("boolean", "true"),
        "n": ("null", ""),
        "l": [("number", "1"), {"x": "CANARY"}],
    }


@pytest.mark.parametrize("text", [b'{ "a" : "CANARY",\n\t"b":1.0 }\n', b'{"a":"\\u00e9CANARY\\/"}', b"{}"])
def test_opaque_object_that_is_taken_whole_stays_byte_for_byte(
    manager: SecretManager, reader: Reader, text: bytes
) -> None:
    manager.put(PATH, text)
    document = reader.read()
    assert pick(document, None).reveal() == text
    assert isinstance(document.content, tuple)
    assert "CANARY" not in repr(document)


def test_key_value_that_is_taken_whole_is_compact_json(manager: SecretManager, reader: Reader) -> None:
    manager.put(PATH, b'{ "a" : "CANARY" }', type="key_value")
    assert pick(reader.read(), None).reveal() == b'{"a":"CANARY"}'


@pytest.mark.parametrize(
    "content",
    [
        b"CANARY",
        BINARY,
        b"",
        b'"CANARY"',
        b"[1]",
        b"12",
        b"{broken",
        b'{"a": NaN}',
        b'{"a": "\\ud800"}',
        b'{"\\ud800": "a"}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
    ],
)
def test_any_other_opaque_content_is_one_value_byte_for_byte(
    manager: SecretManager, reader: Reader, content: bytes
) -> None:
    id_ = manager.put(PATH, b"")
    manager.store.secrets[id_].contents[1] = (base64.b64encode(content).decode(), None)
    document = reader.read()
    assert whole(document) == content
    assert isinstance(document.content, SecretValue)
    assert document.content.kind is Kind.BYTES


def test_certificate_is_one_value(manager: SecretManager, reader: Reader) -> None:
    manager.put(PATH, b'{"CANARY": "no object"}', type="certificate")
    assert whole(reader.read()) == b'{"CANARY": "no object"}'


def test_duplicate_key_is_refused(manager: SecretManager, reader: Reader) -> None:
    manager.put(PATH, b'{"a": {"CANARY": "1", "CANARY": "2"}}')
    failure = reader.failure()
    assert (failure.kind, failure.what) == (ProviderError, "its JSON contains a key twice in one object")


@pytest.mark.parametrize("encode", [bytes, base64.b64encode])
def test_matching_checksum_is_accepted(manager: SecretManager, reader: Reader, encode: type[bytes]) -> None:
    id_ = manager.put(PATH, VALUES)
    content = json.dumps(VALUES).encode()
    manager.store.secrets[id_].contents[1] = (base64.b64encode(content).decode(), zlib.crc32(encode(content)))
    assert fields(reader.read()) == VALUES


def test_wrong_checksum_is_refused(manager: SecretManager, reader: Reader) -> None:
    id_ = manager.put(PATH, VALUES)
    secret = manager.store.secrets[id_]
    secret.contents[1] = (secret.contents[1][0], 1)
    failure = reader.failure()
    assert (failure.kind, failure.what) == (
        ProviderError,
        "the data do not match their checksum",
    )


@pytest.mark.parametrize("data", ["CANARY=", "Q0FOQVJZ\n", "é", None, 3, "Q0FO*"])
def test_data_that_are_not_base64_are_refused(manager: SecretManager, reader: Reader, data: object) -> None:
    id_ = manager.put(PATH, VALUES)
    manager.store.secrets[id_].contents[1] = (data, None)  # type: ignore[assignment]
    failure = reader.failure()
    assert (failure.kind, failure.what) == (ProviderError, "the API's answer contains no base64 data")
