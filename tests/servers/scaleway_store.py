"""What a Secret Manager keeps, and the answers that were recorded of the real one (Terraform provider, cassettes).

Where no recording tells, the vendor's documentation does; where neither does, the comment says so.
"""

import base64
import binascii
import datetime as dt
import json
import uuid
import zlib
from typing import Any, Final

SECRETS: Final = 100
VERSIONS: Final = 20
"""Quotas of an organization with a validated payment method."""
LONGEST: Final = 64 * 1024
TYPES: Final = {"opaque", "certificate", "key_value", "basic_credentials", "database_credentials", "ssh_key"}
FIELDS: Final = {
    "basic_credentials": {"username", "password"},
    "database_credentials": {"engine", "username", "password", "host", "dbname", "port"},
    "ssh_key": {"ssh_private_key"},
}


class ApiError(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


def not_found(resource: str, id_: str) -> ApiError:
    body = {"message": "resource is not found", "resource": resource, "resource_id": id_, "type": "not_found"}
    return ApiError(404, body)


def invalid(argument: str, help_message: str, reason: str = "constraint") -> ApiError:
    detail = {"argument_name": argument, "help_message": help_message, "reason": reason}
    return ApiError(400, {"details": [detail], "message": "invalid argument(s)", "type": "invalid_arguments"})


def precondition(name: str, help_message: str) -> ApiError:
    body = {"help_message": help_message, "message": "precondition is not respected", "precondition": name}
    return ApiError(412, body | {"type": "precondition_failed"})


def quota(resource: str, limit: int) -> ApiError:
    details = [{"resource": resource, "quota": limit, "current": limit}]
    return ApiError(403, {"details": details, "message": "quota exceeded", "type": "quotas_exceeded"})


def now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Secret:
    """One secret with its versions; `meta` and each version's are as the API shows them."""

    def __init__(self, region: str, project: str, given: dict[str, Any]) -> None:
        self.meta: dict[str, Any] = {
            "id": str(uuid.uuid4()),
            "project_id": project,
            "name": given["name"],
            "status": "ready",
            "created_at": now(),
            "updated_at": now(),
            "tags": given.get("tags") or [],
            "version_count": 0,
            "description": given.get("description") or "",
            "managed": False,
            "type": given.get("type") or "opaque",
            "protected": bool(given.get("protected")),
            "path": given.get("path") or "/",
            "ephemeral_policy": dict(given["ephemeral_policy"]) if given.get("ephemeral_policy") else None,
            "used_by": [],
            "deletion_requested_at": None,
            "key_id": given.get("key_id"),
            "region": region,
        }
        self.versions: list[dict[str, Any]] = []
        self.contents: dict[int, tuple[str, int | None]] = {}

    @property
    def leaving(self) -> bool:
        return self.meta["deletion_requested_at"] is not None

    def find(self, revision: str) -> dict[str, Any]:
        """Return a version; `latest` is the highest, whatever its status."""
        found = [one for one in self.versions if revision in (str(one["revision"]), "latest")]
        if revision == "latest_enabled":
            found = [one for one in self.versions if one["status"] == "enabled"]
        if not found:
            raise not_found("secret_version", revision)
        return found[-1]

    def add(self, given: dict[str, Any]) -> dict[str, Any]:
        if self.leaving:
            raise precondition("resource_not_usable", "the secret is scheduled for deletion")
        data, checksum = self._checked(given)
        if sum(one["status"] != "deleted" for one in self.versions) >= VERSIONS:
            raise quota("secret_version", VERSIONS)
        for one in self.versions:
            one["latest"] = False
            if given.get("disable_previous") and one["status"] == "enabled":
                one["status"] = "disabled"
        self.versions.append(self._version(len(self.versions) + 1, given))
        self.contents[len(self.versions)] = (data, checksum)
        self.meta["version_count"] = len(self.versions)
        return self.versions[-1]

    def _version(self, revision: int, given: dict[str, Any]) -> dict[str, Any]:
        policy = self.meta["ephemeral_policy"]
        own = {"expires_at": None, "expires_once_accessed": policy["expires_once_accessed"]} if policy else None
        return {
            "revision": revision,
            "secret_id": self.meta["id"],
            "status": "enabled",
            "created_at": now(),
            "updated_at": now(),
            "deleted_at": None,
            "description": given.get("description") or "",
            "latest": True,
            "ephemeral_properties": own | {"action": policy["action"]} if own else None,
            "deletion_requested_at": None,
            "region": self.meta["region"],
        }

    def _checked(self, given: dict[str, Any]) -> tuple[str, int | None]:
        data, checksum = given.get("data"), given.get("data_crc32")
        try:
            content = base64.b64decode(data or "", validate=True)
        except binascii.Error:
            raise invalid("data", "must be base64", "format") from None
        if len(content) > LONGEST:
            raise invalid("data", "is too large")
        # Of the decoded bytes: no recording shows a checksum.
        if checksum is not None and checksum != zlib.crc32(content):
            raise invalid("data_crc32", "does not match the data")
        self._check_type(content)
        return data, checksum

    def _check_type(self, content: bytes) -> None:
        kind = self.meta["type"]
        if kind in {"opaque", "certificate"}:
            return
        try:
            found = json.loads(content)
        except ValueError:
            found = None
        if not isinstance(found, dict) or not FIELDS.get(kind, set()) <= found.keys():
            raise invalid("data", "- invalid: is no such JSON\n", "format")
        for value in found.values():
            if not isinstance(value, str):
                names = {dict: "object", list: "array", bool: "boolean", int: "integer", float: "number"}
                given = names.get(type(value), "null")
                message = f"- invalid: Invalid type. Expected: string, given: {given}\n"
                raise invalid("data", message, "format")

    def access(self, revision: str, unreadable: int) -> dict[str, Any]:
        if self.leaving:
            raise _unreadable(unreadable, "secret", self.meta["id"])
        version = self.find(revision)
        if version["status"] != "enabled":
            raise _unreadable(unreadable, "secret_version", str(version["revision"]))
        number, kind = version["revision"], self.meta["type"]
        data, checksum = self.contents[number]
        self._burn(version)
        return {
            "secret_id": self.meta["id"],
            "revision": number,
            "data": data,
            "data_crc32": checksum,
            "type": kind,
        }

    @staticmethod
    def _burn(version: dict[str, Any]) -> None:
        own = version["ephemeral_properties"]
        if own and own["expires_once_accessed"]:
            version["status"] = "disabled" if own["action"] == "disable" else "deleted"

    def delete_version(self, version: dict[str, Any]) -> None:
        gone = version["ephemeral_properties"] is not None
        version["status"] = "deleted" if gone else "scheduled_for_deletion"
        version["deleted_at" if gone else "deletion_requested_at"] = now()


def _unreadable(status: int, resource: str, id_: str) -> ApiError:
    """What an access of a disabled or leaving version answers: no recording shows which status it has."""
    if status == 404:
        return not_found(resource, id_)
    if status == 412:
        return precondition("resource_not_usable", "the version is not accessible")
    return ApiError(status, {"message": "not accessible", "resource": resource, "type": "resource_not_usable"})


class Store:
    """All secrets of all regions. Names are unique within region, project and path."""

    def __init__(self) -> None:
        self.secrets: dict[str, Secret] = {}

    def create(self, region: str, given: dict[str, Any]) -> Secret:
        name, kind = given.get("name") or "", given.get("type") or "opaque"
        if not name:
            raise invalid("name", "is required", "required")
        if kind not in TYPES:
            raise invalid("type", "is unknown", "unknown")
        if sum(not one.leaving for one in self.secrets.values()) >= SECRETS:
            raise quota("secret", SECRETS)
        if self.named(region, given["project_id"], given.get("path") or "/", name):
            raise ApiError(409, {"message": "resource already exists", "resource": "secret", "type": "already_exists"})
        secret = Secret(region, given["project_id"], given)
        self.secrets[secret.meta["id"]] = secret
        return secret

    def named(self, region: str, project: str, path: str, name: str) -> Secret | None:
        wanted = {"region": region, "project_id": project, "path": path, "name": name}
        found = [one for one in self.secrets.values() if wanted.items() <= one.meta.items() and not one.leaving]
        return found[0] if found else None

    def get(self, region: str, id_: str) -> Secret:
        found = self.secrets.get(id_)
        if found is None or found.meta["region"] != region:
            raise not_found("secret", id_)
        return found

    def delete(self, secret: Secret) -> None:
        if secret.meta["protected"]:
            raise precondition("protected_resource", "cannot delete a protected secret")
        if secret.meta["ephemeral_policy"]:
            del self.secrets[secret.meta["id"]]
        secret.meta["deletion_requested_at"] = now()
