"""Requests about objects of one namespace, the same for both clusters."""

import base64
import json
from dataclasses import dataclass
from typing import Any

from tests.servers.client import APPLY, JSON, JSON_PATCH, MERGE, Client, Reply

STALE = "the object has been modified; please apply your changes to the latest version and try again"


@dataclass(frozen=True)
class Subject:
    """A cluster and a namespace in it. Every method sends one request."""

    client: Client
    namespace: str

    def request(self, method: str, path: str, body: object = None, content_type: str = JSON, **more: Any) -> Reply:
        return self.client.request(method, path, body, content_type, **more)

    def path(self, name: str = "", plural: str = "secrets", query: str = "") -> str:
        prefix = "/apis/coordination.k8s.io/v1" if plural == "leases" else "/api/v1"
        item = f"/{name}" if name else ""
        return f"{prefix}/namespaces/{self.namespace}/{plural}{item}{query and f'?{query}'}"

    def get(self, name: str, plural: str = "secrets") -> Reply:
        return self.request("GET", self.path(name, plural))

    def apply(self, body: dict[str, Any], manager: str = "bridge/x", query: str = "", **where: str) -> Reply:
        place = self.path(
            where.get("name", body["metadata"].get("name", "")), plural(body), f"fieldManager={manager}{query}"
        )
        return self.request("PATCH", place, body, APPLY)

    def create(self, body: dict[str, Any], manager: str = "creator", query: str = "") -> Reply:
        return self.request("POST", self.path("", plural(body), f"fieldManager={manager}{query}"), body)

    def put(self, body: dict[str, Any], manager: str = "putter", query: str = "") -> Reply:
        place = self.path(body["metadata"]["name"], plural(body), f"fieldManager={manager}{query}")
        return self.request("PUT", place, body)

    def merge(self, name: str, patch: object, manager: str = "kubectl-patch", kind: str = "secrets") -> Reply:
        return self.request("PATCH", self.path(name, kind, f"fieldManager={manager}"), patch, MERGE)

    def json_patch(self, name: str, operations: object, manager: str = "bridge/x", kind: str = "secrets") -> Reply:
        return self.request("PATCH", self.path(name, kind, f"fieldManager={manager}"), operations, JSON_PATCH)

    def delete(self, name: str, plural: str = "secrets", query: str = "", **preconditions: str) -> Reply:
        body = {"preconditions": preconditions} if preconditions else None
        return self.request("DELETE", self.path(name, plural, query), body)


def plural(body: dict[str, Any]) -> str:
    return {"Secret": "secrets", "ConfigMap": "configmaps", "Lease": "leases", "Event": "events"}[body["kind"]]


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def secret(name: str = "s", *, meta: dict[str, Any] | None = None, **data: str) -> dict[str, Any]:
    """Make a Secret of type Opaque with this data."""
    encoded = {key: b64(value) for key, value in data.items()}
    return _object("Secret", name, meta) | {"type": "Opaque", "data": encoded}


def config_map(name: str = "c", *, meta: dict[str, Any] | None = None, **data: str) -> dict[str, Any]:
    """Make a ConfigMap with this data."""
    return _object("ConfigMap", name, meta) | {"data": data}


def lease(name: str = "l", *, version: str = "", **spec: Any) -> dict[str, Any]:
    """Make a Lease with this spec, and a resourceVersion where one is given."""
    body = _object("Lease", name, {"resourceVersion": version} if version else None)
    return body | {"apiVersion": "coordination.k8s.io/v1", "spec": spec}


def _object(kind: str, name: str, meta: dict[str, Any] | None) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name} | (meta or {})}


def values(reply: Reply) -> dict[str, str]:
    """Return a Secret's data in clear."""
    return {key: base64.b64decode(value).decode() for key, value in reply.body.get("data", {}).items()}


def version(reply: Reply) -> str:
    return reply.body["metadata"]["resourceVersion"]


def owners(reply: Reply) -> dict[str, Any]:
    """Return each manager's fieldsV1 under its name and operation."""
    entries = reply.body["metadata"].get("managedFields", [])
    return {f"{entry['manager']} {entry['operation']}": entry["fieldsV1"] for entry in entries}


def owned(*keys: str, type_: bool = True) -> dict[str, Any]:
    """Make the fieldsV1 of an apply of `secret(**keys)`."""
    return {"f:data": {f"f:{key}": {} for key in keys}} | ({"f:type": {}} if type_ else {})


def conflicts(reply: Reply) -> list[tuple[str, str]]:
    """Return the field and the manager's text of each conflict, and check that it is nothing else."""
    assert (reply.status, reply.body["reason"]) == (409, "Conflict")
    causes = reply.body["details"]["causes"]
    assert {cause["reason"] for cause in causes} == {"FieldManagerConflict"}
    return sorted((cause["field"], cause["message"]) for cause in causes)


def refusal(reply: Reply) -> tuple[int, str | None, str]:
    """Return the status, the reason and the message of a failure."""
    assert reply.body["kind"] == "Status"
    assert reply.body["status"] == "Failure"
    assert reply.body["code"] == reply.status
    return reply.status, reply.body.get("reason"), reply.body["message"]


def fields(reply: Reply) -> list[str]:
    """Return the fields that a 422 names."""
    assert (reply.status, reply.body["reason"]) == (422, "Invalid")
    return [cause["field"] for cause in reply.body["details"]["causes"]]


def copy(value: Any) -> Any:
    return json.loads(json.dumps(value))
