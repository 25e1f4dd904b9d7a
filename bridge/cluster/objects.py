"""Secrets and ConfigMaps in one namespace: read, server-side apply, reclaim, delete.

Server-side apply: https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from bridge.cluster.api import Api, ApiError, Invalid, ObjectConflict, ObjectNotFound
from bridge.cluster.managed_fields import read_managers, reassigned
from bridge.cluster.waves import Wave
from bridge.errors import BridgeError, Problem, Refusal, Stopped
from bridge.objects import LAST_APPLIED, Desired, Field, Live, ObjectId
from bridge.secret import Kind, SecretValue

APPLY: Final = "application/apply-patch+yaml"
JSON_PATCH: Final = "application/json-patch+json"
WORTH_LISTING: Final = 50  # objects of a kind
PAGE: Final = 500  # as in kubectl

ABSENT: Final = "1"
"""The resourceVersion of an apply that may only create an object.

No object ever has this version, so applying it to an existing object is a conflict, even with force or as a dry run.
If the object does not exist, the version is ignored. An empty version, or "0", would overwrite. Kubernetes does not
document this; tests check it on a real API server. (A POST could do the same, but RBAC cannot limit a POST by
resourceNames.)
"""

PLURALS: Final[Mapping[str, str]] = {"Secret": "secrets", "ConfigMap": "configmaps"}


class Objects:
    """The objects of one namespace, written under one field manager. Safe to share between threads.

    Every write requires the object to be as it was read: the same uid and resourceVersion, or still missing.
    `turn` is asked before each attempt to write (see `Api.request`).
    """

    def __init__(self, api: Api, namespace: str, manager: str, turn: Callable[[], float] | None = None) -> None:
        self.api = api
        self.namespace = namespace
        self.manager = manager
        self._turn = turn

    def target(self, id_: ObjectId) -> str:
        """Name an object for messages."""
        return f"{id_} in namespace {self.namespace}"

    def _path(self, id_: ObjectId) -> str:
        return f"/api/v1/namespaces/{quote(self.namespace)}/{PLURALS[id_.kind]}/{quote(id_.name)}"

    def get(self, id_: ObjectId) -> Live | None:
        """Return one object, or None if it does not exist."""
        try:
            return parse(self.api.request("get", self._path(id_), target=self.target(id_)), id_)
        except ObjectNotFound:
            return None

    def listed(self, ids: Sequence[ObjectId]) -> dict[ObjectId, Live | None]:
        """Read many objects with few requests; objects missing from the result must be read one by one.

        Only kinds with many wanted objects are listed, and only as far as that saves requests, because a namespace may
        contain many more objects. If listing is forbidden, the result is empty.
        """
        objects: dict[ObjectId, Live | None] = {}
        for kind, wanted in _worth_listing(ids).items():
            objects |= self._list(kind, wanted)
        return objects

    def ask(self, wave: Wave, ids: Sequence[ObjectId]) -> Callable[[], dict[ObjectId, Live | BridgeError | None]]:
        """Add the reading of objects to a wave, and return what gives the answers after it.

        Objects missing from the answers must be read one by one.
        """
        kinds = _worth_listing(ids)
        lists = [wave.add(partial(self._list, kind, wanted)) for kind, wanted in kinds.items()]
        gets = {id_: wave.add(partial(self.get, id_)) for id_ in ids if id_.kind not in kinds}

        def answers() -> dict[ObjectId, Live | BridgeError | None]:
            found: dict[ObjectId, Live | BridgeError | None] = {id_: one.outcome for id_, one in gets.items()}
            for one in lists:
                found |= {} if isinstance(one.outcome, BridgeError) else one.outcome
            return found

        return answers

    def _list(self, kind: str, wanted: set[str]) -> dict[ObjectId, Live | None]:
        objects: dict[ObjectId, Live | None] = {}
        query = {"limit": str(PAGE)}
        for _ in range(2 * (len(wanted) // PAGE + 1)):
            try:
                target = f"{PLURALS[kind]} in namespace {self.namespace}"
                path = f"/api/v1/namespaces/{quote(self.namespace)}/{PLURALS[kind]}"
                page = self.api.request("list", path, target=target, query=query)
            except ApiError:  # forbidden, or the next page has expired
                return objects
            for raw in page["items"]:
                if raw["metadata"]["name"] in wanted:
                    id_ = ObjectId(kind, raw["metadata"]["name"])
                    objects[id_] = parse(raw, id_)
            query["continue"] = (page.get("metadata") or {}).get("continue", "")
            if not query["continue"]:
                return dict.fromkeys((ObjectId(kind, name) for name in wanted), None) | objects
        return objects

    def apply(self, desired: Desired, live: Live | None, *, force: bool, dry_run: bool) -> Live:
        """Apply all our fields to exactly the object that was read, or create it if it did not exist.

        Raises ObjectConflict if another manager owns a field, or if the object changed since it was read.
        """
        query = {"fieldManager": self.manager, "force": "true" if force else "false"}
        try:
            answer = self.api.request(
                "patch",
                self._path(desired.id),
                target=self.target(desired.id),
                query=query,
                body=json.dumps(_body(desired, live)).encode(),
                content_type=APPLY,
                dry_run=dry_run,
                turn=None if dry_run else self._turn,
            )
        except ObjectNotFound:  # an apply creates missing objects, so the namespace must be missing
            where, hint = (
                f"namespace {self.namespace}",
                f"correct `namespace:`, or create it with `kubectl create namespace {self.namespace}`",
            )
            raise Refusal(Problem(where, "does not exist", hint)) from None
        except Invalid as invalid:
            raise self._changed(desired.id) if is_changed(invalid) else invalid from None
        return parse(answer, desired.id)

    def reclaim(self, live: Live, fields: frozenset[Field], *, dry_run: bool, strip: bool = False) -> Live:
        """Make us the only owner of fields without changing their values; `strip` removes the last-applied annotation.

        An apply cannot do that, because managers share a field with equal values. Instead, managedFields is rewritten,
        as in client-go's csaupgrade. Raises ObjectConflict if the object changed since it was read.
        """
        raw = self.api.request("get", self._path(live.id), target=self.target(live.id))
        if (now := parse(raw, live.id)).uid != live.uid or now.resource_version != live.resource_version:
            raise self._changed(live.id)
        entries = reassigned(raw["metadata"].get("managedFields") or [], fields, self.manager)
        patch: list[dict[str, Any]] = [
            {"op": "test", "path": "/metadata/uid", "value": live.uid},
            {"op": "replace", "path": "/metadata/managedFields", "value": entries},
            # Not a "test" operation, which would fail with an unspecific 422: a wrong version here is a conflict.
            {"op": "replace", "path": "/metadata/resourceVersion", "value": live.resource_version},
        ]
        if strip and LAST_APPLIED in (raw["metadata"].get("annotations") or {}):
            # The server also removes it from managedFields.
            patch.append({"op": "remove", "path": f"/metadata/annotations/{LAST_APPLIED.replace('/', '~1')}"})
        try:
            answer = self.api.request(
                "patch",
                self._path(live.id),
                target=self.target(live.id),
                query={"fieldManager": self.manager},
                body=json.dumps(patch).encode(),
                content_type=JSON_PATCH,
                dry_run=dry_run,
                turn=None if dry_run else self._turn,
            )
        except Invalid as invalid:  # without a cause: a "test" failed, or the annotation to remove is gone
            raise invalid if invalid.causes else self._changed(live.id) from None
        result = parse(answer, live.id)
        if not all(self.owns(result, item) for item in fields):
            # The API server silently drops managedFields that it cannot parse.
            problem = Problem(self.target(live.id), "the API server did not accept the change of ownership")
            raise Refusal(problem) if dry_run else Stopped(problem)
        return result

    def _changed(self, id_: ObjectId) -> ObjectConflict:
        return ObjectConflict(Problem(self.target(id_), "changed since it was read"), status=409)

    def owns(self, live: Live, item: Field) -> bool:
        """Return whether we are the only owner of a field."""
        return [(one.name, one.operation) for one in live.owners(item)] == [(self.manager, "Apply")]

    def delete(self, live: Live, *, dry_run: bool) -> None:
        """Delete exactly the object that was read; raise ObjectConflict if it has changed or was replaced."""
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": live.uid, "resourceVersion": live.resource_version},
            # Not in the query, which the API server ignores if the body contains options.
            **({"dryRun": ["All"]} if dry_run else {}),
        }
        self.api.request(
            "delete",
            self._path(live.id),
            target=self.target(live.id),
            body=json.dumps(options).encode(),
            dry_run=dry_run,
            turn=None if dry_run else self._turn,
        )


def _worth_listing(ids: Sequence[ObjectId]) -> Mapping[str, set[str]]:
    """Return the names of the kinds of which so many objects are wanted that listing them saves requests."""
    names = {kind: {id_.name for id_ in ids if id_.kind == kind} for kind in PLURALS}
    return {kind: wanted for kind, wanted in names.items() if len(wanted) >= WORTH_LISTING}


def is_changed(error: ApiError) -> bool:
    """Return whether a write was refused because the object was replaced or has another version."""
    return isinstance(error, ObjectConflict) or any(cause.field == "metadata.uid" for cause in error.causes)


def _body(desired: Desired, live: Live | None) -> dict[str, object]:
    """Build the body of an apply. This is the only place in the hot path that reveals values."""
    metadata: dict[str, object] = {"name": desired.id.name, **precondition(live)}
    if desired.labels:
        metadata["labels"] = dict(desired.labels)
    if desired.annotations:
        metadata["annotations"] = dict(desired.annotations)
    body: dict[str, object] = {"apiVersion": "v1", "kind": desired.id.kind, "metadata": metadata}
    if desired.lasting_type:
        body["type"] = desired.lasting_type
    if desired.immutable is not None:
        body["immutable"] = desired.immutable
    for key, entry in desired.keys.items():
        section, text = _encoded(desired.id.kind, entry.value)
        values = body.setdefault(section, {})
        assert isinstance(values, dict)
        values[key] = text
    return body


def precondition(live: Live | None) -> dict[str, object]:
    """Return the metadata that allows a write only to this object as it was read, or only its creation.

    The version is not enough: it is ignored if the object has been deleted, so the apply would recreate it.
    """
    return {"uid": live.uid, "resourceVersion": live.resource_version} if live else {"resourceVersion": ABSENT}


def _encoded(kind: str, value: SecretValue) -> tuple[str, str]:
    if kind == "Secret":
        return "data", base64.b64encode(value.reveal()).decode()
    if value.is_text():
        return "data", value.reveal().decode()
    return "binaryData", base64.b64encode(value.reveal()).decode()


def parse(raw: Mapping[str, Any], id_: ObjectId) -> Live:
    """Turn the API server's answer into a Live object, and wrap its values at once."""
    metadata = raw.get("metadata", {})
    annotations = dict(metadata.get("annotations") or {})
    last_applied = annotations.pop(LAST_APPLIED, None)
    return Live(
        id=id_,
        uid=metadata.get("uid", ""),
        resource_version=metadata.get("resourceVersion", ""),
        data=dict(_data(raw, id_)),
        managers=tuple(read_managers(metadata.get("managedFields") or ())),
        type=raw.get("type") if id_.kind == "Secret" else None,
        immutable=bool(raw.get("immutable")),
        labels=dict(metadata.get("labels") or {}),
        annotations=annotations,
        last_applied=last_applied is not None,
        applied_keys=last_applied is not None and _names_keys(last_applied),
        binary=frozenset(raw.get("binaryData") or ()),
        owner=_owner(metadata.get("ownerReferences") or ()),
        terminating="deletionTimestamp" in metadata,
        finalizers=tuple(metadata.get("finalizers") or ()),
    )


def _names_keys(last_applied: str) -> bool:
    """Return whether `kubectl apply` applied keys; assume so if the annotation cannot be parsed."""
    try:
        applied = json.loads(last_applied)
        return any(applied.get(section) for section in ("data", "stringData", "binaryData"))
    except (ValueError, AttributeError, RecursionError):
        return True


def _data(raw: Mapping[str, Any], id_: ObjectId) -> Iterator[tuple[str, SecretValue]]:
    for key, text in (raw.get("data") or {}).items():
        yield key, _decoded(text, id_, key) if id_.kind == "Secret" else SecretValue.of(text)
    for key, text in (raw.get("binaryData") or {}).items():
        yield key, _decoded(text, id_, key)


def _decoded(text: str, id_: ObjectId, key: str) -> SecretValue:
    try:
        return SecretValue(base64.b64decode(text), Kind.BYTES)
    except (ValueError, TypeError):
        broken = Problem(f"{id_} key {key}", "the API server's answer is not base64")
    raise Refusal(broken)


def _owner(references: Iterable[Mapping[str, Any]]) -> str | None:
    return next((f"{one.get('kind')}/{one.get('name')}" for one in references), None)
