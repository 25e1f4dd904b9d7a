"""The fake answers as the real one was recorded, and as its documentation says."""

import base64
import http.client
import json
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.servers.scaleway import ACCESS, PROJECT, READ, Canned, Grant, SecretManager

REGION = "/secret-manager/v1beta1/regions/fr-par"
UUID = "99999999-0000-4000-8000-000000000000"


class Client:
    """A plain HTTP client, not bridge's."""

    def __init__(self, manager: SecretManager) -> None:
        self.manager = manager
        self.token: str | None = manager.key
        self.headers: dict[str, str] = {}

    def __call__(self, method: str, path: str, body: object = None, *, region: str = REGION) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.manager.port, timeout=120)
        headers = {"X-Auth-Token": self.token} if self.token else {}
        connection.request(method, region + path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        content = response.read()
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        connection.close()
        return response.status, json.loads(content) if content else None

    def create(self, name: str = "app", **given: Any) -> str:
        status, body = self("POST", "/secrets", {"project_id": PROJECT, "name": name, **given})
        assert status == 200, body
        return body["id"]

    def add(self, id_: str, content: bytes, **given: Any) -> tuple[int, Any]:
        data = base64.b64encode(content).decode()
        return self("POST", f"/secrets/{id_}/versions", {"data": data, **given})


@pytest.fixture
def client() -> Iterator[Client]:
    with SecretManager() as manager:
        yield Client(manager)


def test_created_secret_has_recorded_fields_and_status_is_200(client: Client) -> None:
    status, body = client("POST", "/secrets", {"project_id": PROJECT, "name": "foo"})
    assert status == 200
    assert client.headers["x-request-id"]
    assert {name: body.pop(name) for name in ("id", "created_at", "updated_at")}.keys() == {
        "id",
        "created_at",
        "updated_at",
    }
    assert body == {
        "project_id": PROJECT,
        "name": "foo",
        "status": "ready",
        "tags": [],
        "version_count": 0,
        "description": "",
        "managed": False,
        "type": "opaque",
        "protected": False,
        "path": "/",
        "ephemeral_policy": None,
        "used_by": [],
        "deletion_requested_at": None,
        "key_id": None,
        "region": "fr-par",
    }


def test_version_has_recorded_fields(client: Client) -> None:
    id_ = client.create()
    status, body = client.add(id_, b"my_super_secret_v1", description="version1")
    assert status == 200
    body.pop("created_at"), body.pop("updated_at")
    assert body == {
        "revision": 1,
        "secret_id": id_,
        "status": "enabled",
        "deleted_at": None,
        "description": "version1",
        "latest": True,
        "ephemeral_properties": None,
        "deletion_requested_at": None,
        "region": "fr-par",
    }


def test_access_answers_as_recorded_by_id_and_by_path(client: Client) -> None:
    id_ = client.create(path="/voice/staging")
    client.add(id_, b"my_super_secret_v1")
    expected = {
        "secret_id": id_,
        "revision": 1,
        "data": "bXlfc3VwZXJfc2VjcmV0X3Yx",
        "data_crc32": None,
        "type": "opaque",
    }
    by_path = f"secret_path=%2Fvoice%2Fstaging&secret_name=app&project_id={PROJECT}"
    for revision in ("1", "latest", "latest_enabled"):
        assert client("GET", f"/secrets/{id_}/versions/{revision}/access") == (200, expected)
        assert client("GET", f"/secrets-by-path/versions/{revision}/access?{by_path}") == (200, expected)


def test_absent_secret_answers_as_recorded(client: Client) -> None:
    expected = {"message": "resource is not found", "resource": "secret", "resource_id": UUID, "type": "not_found"}
    assert client("GET", f"/secrets/{UUID}") == (404, expected)
    assert client("GET", f"/secrets/{UUID}/versions/1/access") == (404, expected)


def test_protected_secret_is_not_deleted(client: Client) -> None:
    id_ = client.create(protected=True)
    assert client("DELETE", f"/secrets/{id_}") == (
        412,
        {
            "help_message": "cannot delete a protected secret",
            "message": "precondition is not respected",
            "precondition": "protected_resource",
            "type": "precondition_failed",
        },
    )
    assert client("POST", f"/secrets/{id_}/unprotect", {})[0] == 200
    assert client("DELETE", f"/secrets/{id_}") == (204, None)


def test_key_value_wants_texts_as_recorded(client: Client) -> None:
    id_ = client.create(type="key_value")
    message = "- invalid: Invalid type. Expected: string, given: object\n"
    detail = {"argument_name": "data", "help_message": message, "reason": "format"}
    expected = {"details": [detail], "message": "invalid argument(s)", "type": "invalid_arguments"}
    assert client.add(id_, b'{"a": {}}') == (400, expected)
    assert client.add(id_, b'{"a": "b"}')[0] == 200


@pytest.mark.parametrize(
    ("kind", "good"),
    [
        ("basic_credentials", {"username": "u", "password": "p"}),
        ("ssh_key", {"ssh_private_key": "k"}),
        (
            "database_credentials",
            {"engine": "mysql", "username": "u", "password": "p", "host": "h", "dbname": "d", "port": "1"},
        ),
    ],
)
def test_types_ask_for_their_fields(client: Client, kind: str, good: dict[str, str]) -> None:
    id_ = client.create(type=kind)
    assert client.add(id_, json.dumps(good).encode())[0] == 200
    assert client.add(id_, b"{}")[0] == 400
    assert client.add(id_, b"text")[0] == 400


def test_latest_is_highest_whatever_its_status(client: Client) -> None:
    id_ = client.create()
    for number in (b"1", b"2"):
        client.add(id_, number)
    assert client("DELETE", f"/secrets/{id_}/versions/2") == (204, None)
    _, listed = client("GET", f"/secrets/{id_}/versions")
    assert [(one["revision"], one["status"], one["latest"]) for one in listed["versions"]] == [
        (2, "scheduled_for_deletion", True),
        (1, "enabled", False),
    ]
    assert client("GET", f"/secrets/{id_}/versions/latest/access")[0] == 404
    assert client("GET", f"/secrets/{id_}/versions/latest_enabled/access")[1]["revision"] == 1
    assert client("POST", f"/secrets/{id_}/versions/2/restore", {})[1]["status"] == "enabled"
    assert client("GET", f"/secrets/{id_}/versions/latest/access")[1]["revision"] == 2


def test_disabled_version_is_not_accessible_until_it_is_enabled(client: Client) -> None:
    id_ = client.create()
    client.add(id_, b"1")
    assert client("POST", f"/secrets/{id_}/versions/1/disable", {})[1]["status"] == "disabled"
    for client.manager.unreadable in (404, 409, 412):
        assert client("GET", f"/secrets/{id_}/versions/1/access")[0] == client.manager.unreadable
    assert client("GET", f"/secrets/{id_}/versions/1")[0] == 200
    client("POST", f"/secrets/{id_}/versions/1/enable", {})
    assert client("GET", f"/secrets/{id_}/versions/1/access")[0] == 200


def test_new_version_may_disable_previous_one(client: Client) -> None:
    id_ = client.create()
    client.add(id_, b"1")
    client.add(id_, b"2", disable_previous=True)
    assert client("GET", f"/secrets/{id_}/versions/1")[1]["status"] == "disabled"


def test_deleted_secret_is_scheduled_listed_apart_and_restorable(client: Client) -> None:
    id_ = client.create()
    client.add(id_, b"1")
    assert client("DELETE", f"/secrets/{id_}") == (204, None)
    assert client("GET", f"/secrets?project_id={PROJECT}")[1] == {"secrets": [], "total_count": 0}
    _, listed = client("GET", f"/secrets?project_id={PROJECT}&scheduled_for_deletion=true")
    assert listed["secrets"][0]["deletion_requested_at"]
    assert client("GET", f"/secrets/{id_}/versions/1/access")[0] == 404
    assert client.add(id_, b"2")[0] == 412
    assert client("POST", f"/secrets/{id_}/restore", {})[1]["deletion_requested_at"] is None
    assert client("GET", f"/secrets/{id_}/versions/1/access")[0] == 200


def test_lists_have_pages_and_exact_filters(client: Client) -> None:
    for number in range(5):
        client.create(f"n{number}", path="/p")
    client.create("n1", path="/q")
    query = f"/secrets?project_id={PROJECT}&path=%2Fp&page_size=2"
    pages = [client("GET", f"{query}&page={page}")[1] for page in (1, 2, 3, 4)]
    assert [[one["name"] for one in page["secrets"]] for page in pages] == [["n0", "n1"], ["n2", "n3"], ["n4"], []]
    assert {page["total_count"] for page in pages} == {5}
    assert client("GET", f"/secrets?project_id={PROJECT}&name=n1")[1]["total_count"] == 2
    assert client("GET", f"/secrets?project_id={PROJECT}&name=n")[1]["total_count"] == 0
    assert client("GET", f"/secrets?project_id={PROJECT}&page_size=101")[0] == 400


def test_name_stands_once_in_path_and_region(client: Client) -> None:
    client.create("app", path="/p")
    status, body = client("POST", "/secrets", {"project_id": PROJECT, "name": "app", "path": "/p"})
    assert (status, body["type"]) == (409, "already_exists")
    other = REGION.replace("fr-par", "nl-ams")
    assert client("POST", "/secrets", {"project_id": PROJECT, "name": "app", "path": "/p"}, region=other)[0] == 200


def test_secret_is_known_in_its_own_region_alone(client: Client) -> None:
    id_ = client.create()
    assert client("GET", f"/secrets/{id_}", region=REGION.replace("fr-par", "pl-waw"))[0] == 404
    assert client("GET", "/secrets", region=REGION.replace("fr-par", "us-east"))[0] == 404


@pytest.mark.parametrize(("action", "status"), [("disable", "disabled"), ("delete", "deleted")])
def test_read_uses_up_secret_that_expires_once_accessed(client: Client, action: str, status: str) -> None:
    policy = {"time_to_live": None, "expires_once_accessed": True, "action": action}
    id_ = client.create(ephemeral_policy=policy)
    client.add(id_, b"1")
    properties = client("GET", f"/secrets/{id_}/versions/1")[1]["ephemeral_properties"]
    assert properties == {"expires_at": None, "expires_once_accessed": True, "action": action}
    assert client("GET", f"/secrets/{id_}/versions/1/access")[0] == 200
    assert client("GET", f"/secrets/{id_}/versions/1")[1]["status"] == status
    assert client("GET", f"/secrets/{id_}/versions/1/access")[0] == 404


def test_ephemeral_secret_is_deleted_at_once(client: Client) -> None:
    policy = {"time_to_live": "60s", "expires_once_accessed": False, "action": "delete"}
    id_ = client.create(ephemeral_policy=policy)
    client.add(id_, b"1")
    client("DELETE", f"/secrets/{id_}/versions/1")
    assert client("GET", f"/secrets/{id_}/versions/1")[1]["status"] == "deleted"
    client("DELETE", f"/secrets/{id_}")
    assert client("GET", f"/secrets/{id_}")[0] == 404


def test_checksum_is_checked_when_it_is_written_and_given_back(client: Client) -> None:
    id_ = client.create()
    assert client.add(id_, b"1", data_crc32=zlib.crc32(b"2"))[0] == 400
    assert client.add(id_, b"1", data_crc32=zlib.crc32(b"1"))[0] == 200
    assert client("GET", f"/secrets/{id_}/versions/1/access")[1]["data_crc32"] == zlib.crc32(b"1")


def test_data_are_base64_and_no_longer_than_64_kib(client: Client) -> None:
    id_ = client.create()
    assert client("POST", f"/secrets/{id_}/versions", {"data": "*"})[0] == 400
    assert client.add(id_, b"x" * 65536)[0] == 200
    assert client.add(id_, b"x" * 65537)[0] == 400


def test_quotas_are_those_of_organization(client: Client) -> None:
    id_ = client.create("n0")
    for number in range(20):
        assert client.add(id_, b"%d" % number)[0] == 200
    status, body = client.add(id_, b"one more")
    assert (status, body["type"], body["details"]) == (
        403,
        "quotas_exceeded",
        [{"resource": "secret_version", "quota": 20, "current": 20}],
    )
    for number in range(1, 100):
        client.create(f"n{number}")
    assert client("POST", "/secrets", {"project_id": PROJECT, "name": "more"})[1]["type"] == "quotas_exceeded"


def test_key_that_is_not_known_is_401(client: Client) -> None:
    id_ = client.create()
    for client.token in (None, UUID):
        status, body = client("GET", f"/secrets/{id_}")
        assert (status, body["type"], body["reason"]) == (401, "denied_authentication", "not_found")


def test_metadata_and_data_are_two_permissions(client: Client) -> None:
    id_ = client.create(path="/voice/staging")
    client.add(id_, b"1")
    by_path = f"secret_path=%2Fvoice%2Fstaging&secret_name=app&project_id={PROJECT}"
    asked = {
        "list": f"/secrets?project_id={PROJECT}",
        "get": f"/secrets/{id_}",
        "access": f"/secrets/{id_}/versions/1/access",
        "by path": f"/secrets-by-path/versions/1/access?{by_path}",
    }

    def statuses(grant: Grant) -> dict[str, int]:
        client.manager.grants[client.manager.key] = grant
        return {name: client("GET", path)[0] for name, path in asked.items()}

    assert statuses(Grant({ACCESS})) == {"list": 403, "get": 403, "access": 200, "by path": 200}
    assert statuses(Grant({READ})) == {"list": 200, "get": 200, "access": 403, "by path": 403}
    assert statuses(Grant({ACCESS, READ}, project=UUID)) == dict.fromkeys(asked, 403)
    # A condition on the name breaks the list call, which names no resource.
    assert statuses(Grant({ACCESS, READ}, prefix="/voice/")) == {"list": 403, "get": 200, "access": 200, "by path": 200}
    assert statuses(Grant({ACCESS, READ}, prefix="/prod/")) == dict.fromkeys(asked, 403)
    assert client("GET", asked["access"])[1]["type"] == "permissions_denied"


def test_faults_come_once_and_in_order(client: Client) -> None:
    client.manager.faults += [Canned(503, b"down"), None]
    connection = http.client.HTTPConnection("127.0.0.1", client.manager.port, timeout=120)
    connection.request("GET", f"{REGION}/secrets?project_id={PROJECT}", headers={"X-Auth-Token": client.manager.key})
    assert connection.getresponse().status == 503
    connection.close()
    assert client("GET", f"/secrets?project_id={PROJECT}")[0] == 200
    assert client("GET", f"/secrets?project_id={PROJECT}")[0] == 200
