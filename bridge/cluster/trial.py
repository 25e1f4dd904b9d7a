"""What an apply of a build would do to the cluster as it is now: read, and tried dry; nothing is written."""

import json
from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from bridge.cluster.api import Api, Conflict, NotFound
from bridge.cluster.objects import APPLY, PLURALS, parse
from bridge.kustomize.objects import SECTIONS, BuiltObject
from bridge.kustomize.three_way_merge import Applied, Effect, client_side, endangers
from bridge.objects import LAST_APPLIED, ObjectId
from bridge.secret import SecretValue

KUBECTL: Final = "kubectl"
"""The field manager of `kubectl apply --server-side`."""


class Today(NamedTuple):
    """What would happen to an object: by client-side apply, and by server-side apply (refused over, or in silence).

    `endangered` tells that keys which the build has not would be deleted, were they there.
    """

    exists: bool
    endangered: bool
    client_side: Effect = Effect((), ())
    refused: tuple[str, ...] = ()
    overwritten: tuple[str, ...] = ()


def rehearse(api: Api, namespace: str, one: BuiltObject, ours: Collection[str]) -> Today:
    """Try what applying one object of a build would do to the keys that are ours.

    Raises what the API server refuses the reading or the dry run with, unless it is a conflict.
    """
    assert one.id is not None
    path = f"/api/v1/namespaces/{quote(namespace)}/{PLURALS[one.kind]}/{quote(one.name)}"
    target = f"{one.id} in namespace {namespace}"
    try:
        raw = api.request("get", path, target=target)
    except NotFound:
        return Today(exists=False, endangered=endangers(one, {}, ours))
    live = parse(raw, one.id)
    applied = _applied(raw)
    effect, endangered = client_side(one, live, applied, ours), endangers(one, applied, ours)
    query = {"fieldManager": KUBECTL, "force": "false"}
    body = json.dumps(_body(one)).encode()
    try:
        answer = api.request("patch", path, target=target, query=query, body=body, content_type=APPLY, dry_run=True)
        result = parse(answer, one.id)
    except Conflict as conflict:
        fields = {cause.field for cause in conflict.causes}
        refused = tuple(key for key in ours if fields & {f".data.{key}", f".binaryData.{key}"})
        return Today(True, endangered, effect, refused)
    silent = tuple(key for key in ours if key in live.data and _differ(result.data.get(key), live.data[key]))
    return Today(True, endangered, effect, (), silent)


def _differ(new: SecretValue | None, old: SecretValue) -> bool:
    return new is None or not new.same_as(old)


def _applied(raw: Mapping[str, Any]) -> Applied:
    """Return the keys of the last-applied annotation; its values are never looked at."""
    text = ((raw.get("metadata") or {}).get("annotations") or {}).get(LAST_APPLIED)
    try:
        content = json.loads(text) if isinstance(text, str) else {}
    except (ValueError, RecursionError):
        content = {}
    if not isinstance(content, dict):
        return {}
    names = {name for names in SECTIONS.values() for name in names}
    given = {name: content[name] for name in names & content.keys()}
    return {name: frozenset(keys if isinstance(keys, dict) else ()) for name, keys in given.items()}


def _body(one: BuiltObject) -> dict[str, object]:
    """Build what `kubectl apply --server-side` sends of the keys. Here the build's values are opened."""
    body: dict[str, object] = {"apiVersion": "v1", "kind": one.kind, "metadata": {"name": one.name}}
    for name in ("type", "immutable"):
        if one.content.get(name) is not None:
            body[name] = one.content[name]
    for name, keys in one.sections.items():
        body[name] = None if keys is None else {key: value.reveal().decode() for key, value in keys.items()}
    return body


def written(api: Api, namespace: str, id_: ObjectId) -> frozenset[str] | None:
    """Return the keys that an object of somebody else has in the cluster; None where there is no such object."""
    path = f"/api/v1/namespaces/{quote(namespace)}/{PLURALS[id_.kind]}/{quote(id_.name)}"
    try:
        raw = api.request("get", path, target=f"{id_} in namespace {namespace}")
    except NotFound:
        return None
    return frozenset((*(raw.get("data") or ()), *(raw.get("binaryData") or ())))
