"""The paths, verbs and parameters of the embedded cluster's API."""

import base64
import json
import re
import urllib.parse
from collections.abc import Mapping
from email.message import Message
from typing import Any, Final

from bridge.named_tuple import NamedTuple
from bridge.testing.checks import Place
from bridge.testing.kinds import KINDS, Kind
from bridge.testing.status import ApiError, Cause, Resource
from bridge.testing.store import Store, Write

APPLY: Final = "application/apply-patch+yaml"
MERGE: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
VERSION: Final = {"major": "1", "minor": "36", "gitVersion": "v1.36.3+embedded", "platform": "python"}
PROBES: Final = ("/readyz", "/livez", "/healthz")
NAMESPACES: Final = re.compile(r"/api/v1/namespaces(?:/(?P<name>[^/]+))?")
NAMESPACED: Final = re.compile(
    r"/(?P<prefix>api/v1|apis/coordination\.k8s\.io/v1)/namespaces/(?P<namespace>[^/]+)/(?P<plural>[a-z]+)(?:/(?P<name>[^/]+))?"
)
PARAMETERS: Final = {"fieldManager", "force", "dryRun", "fieldValidation", "pretty", "timeout", "limit", "continue"}
NO_RESOURCE: Final = "the server could not find the requested resource"
NO_METHOD: Final = "the server does not allow this method on the requested resource"


class Request(NamedTuple):
    """The parts of an HTTP request that the API uses."""

    method: str
    path: str
    query: Mapping[str, str]
    content_type: str
    user_agent: str
    body: bytes


class Answer(NamedTuple):
    """A status and a body, which is JSON or plain text."""

    code: int
    body: Mapping[str, Any] | str


def parse(method: str, target: str, headers: Message, body: bytes) -> Request:
    """Parse a request."""
    parts = urllib.parse.urlsplit(target)
    query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
    content_type = headers.get("Content-Type", "").partition(";")[0].strip()
    return Request(method, urllib.parse.unquote(parts.path), query, content_type, headers.get("User-Agent", ""), body)


def answer(store: Store, request: Request) -> Answer:
    """Serve one request; return a Status if it is refused."""
    try:
        return _route(store, request)
    except ApiError as error:
        return Answer(error.code, error.body())


def _route(store: Store, request: Request) -> Answer:
    if request.path == "/version":
        return Answer(200, VERSION)
    if request.path in PROBES:
        return Answer(200, "ok")
    kind, namespace, name = _resource(request.path)
    unknown = sorted(request.query.keys() - PARAMETERS)
    if unknown:
        raise ApiError(400, f"the embedded cluster does not serve the parameter {unknown[0]}")
    place = Place(kind, namespace, name)
    return _on_object(store, place, request) if name else _on_collection(store, place, request)


def _resource(path: str) -> tuple[Kind, str, str]:
    match = NAMESPACES.fullmatch(path)
    if match:
        return KINDS["namespaces"], "", match["name"] or ""
    match = NAMESPACED.fullmatch(path)
    kind = KINDS.get(match["plural"]) if match else None
    if match is None or kind is None or not kind.namespaced or not match["prefix"].endswith(kind.version):
        raise ApiError(404, NO_RESOURCE, details={})
    return kind, match["namespace"], match["name"] or ""


def _on_collection(store: Store, place: Place, request: Request) -> Answer:
    match request.method:
        case "GET":
            return Answer(200, _listed(store, place, request.query))
        case "POST":
            return Answer(201, store.create(place, _json(request.body), _write(request, "CreateOptions")))
        case _:
            raise ApiError(405, NO_METHOD, details={})


def _on_object(store: Store, place: Place, request: Request) -> Answer:
    match request.method:
        case "GET":
            return Answer(200, store.get(place))
        case "PUT":
            stored, created = store.replace(place, _json(request.body), _write(request, "UpdateOptions"))
            return Answer(201 if created else 200, stored)
        case "PATCH":
            return _patched(store, place, request)
        case "DELETE":
            return _deleted(store, place, request)
        case _:
            raise ApiError(405, NO_METHOD, details={})


def _patched(store: Store, place: Place, request: Request) -> Answer:
    write = _write(request, "PatchOptions")
    if request.content_type == APPLY:
        stored, created = store.apply(place, _json(request.body), write)
        return Answer(201 if created else 200, stored)
    if request.content_type == MERGE:
        return Answer(200, store.merge(place, _any_json(request.body), write))
    if request.content_type == JSON_PATCH:
        return Answer(200, store.json_patch(place, _any_json(request.body), write))
    raise ApiError(415, "415: Unsupported Media Type", details={})


def _deleted(store: Store, place: Place, request: Request) -> Answer:
    options = _json(request.body) if request.body else {}
    meta = store.get(place)["metadata"]
    dry_run = _dry_run(request, "DeleteOptions") or options.get("dryRun") == ["All"]
    ending = store.delete(place, options.get("preconditions") or {}, dry_run=dry_run)
    if ending is not None:
        return Answer(200, ending)
    resource = place.kind.resource
    group = {"group": resource.group} if resource.group else {}
    details = {"name": place.name, **group, "kind": resource.plural, "uid": meta["uid"]}
    return Answer(200, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})


def _listed(store: Store, place: Place, query: Mapping[str, str]) -> dict[str, Any]:
    version, items = store.select(place.kind, place.namespace)
    after = base64.urlsafe_b64decode(query.get("continue", "")).decode()
    rest = [item for item in items if item["metadata"]["name"] > after]
    limit = int(query.get("limit") or 0) or len(rest)
    meta: dict[str, Any] = {"resourceVersion": version}
    if len(rest) > limit:
        last = rest[limit - 1]["metadata"]["name"]
        token = base64.urlsafe_b64encode(last.encode()).decode()
        meta |= {"continue": token, "remainingItemCount": len(rest) - limit}
    shown = [{key: value for key, value in item.items() if key not in {"kind", "apiVersion"}} for item in rest[:limit]]
    kind = f"{place.kind.resource.kind}List"
    return {"kind": kind, "apiVersion": place.kind.version, "metadata": meta, "items": shown}


def _write(request: Request, options: str) -> Write:
    manager = request.query.get("fieldManager", "")
    if not manager and request.content_type == APPLY:
        message = "Required value: is required for apply patch"
        raise _bad_option(options, Cause("FieldValueRequired", message, "fieldManager"))
    if len(manager.encode()) > 128:
        message = "Too long: may not be more than 128 bytes"
        raise _bad_option(options, Cause("FieldValueTooLong", message, "fieldManager"))
    force = request.query.get("force", "false").lower() not in {"false", "0"}
    return Write(manager or request.user_agent.partition("/")[0], _dry_run(request, options), force)


def _dry_run(request: Request, options: str) -> bool:
    value = request.query.get("dryRun", "")
    if value not in {"", "All"}:
        message = f'Unsupported value: ["{value}"]: supported values: "All"'
        raise _bad_option(options, Cause("FieldValueNotSupported", message, "dryRun"))
    return bool(value)


def _bad_option(options: str, cause: Cause) -> ApiError:
    return Resource("meta.k8s.io", options, options).invalid("", [cause])


def _json(body: bytes) -> dict[str, Any]:
    parsed = _any_json(body)
    if not isinstance(parsed, dict):
        raise ApiError(400, "the body of the request is not a JSON object")
    return parsed


def _any_json(body: bytes) -> object:
    try:
        parsed: object = json.loads(body)
    except ValueError:
        failed = True
    else:
        failed = False
    if failed:
        raise ApiError(400, "error decoding the body of the request")
    return parsed
