"""Find out what applying a build would do to the cluster now, by reading and dry runs; nothing is written."""

import json
from collections.abc import Collection, Mapping
from typing import Any, Final
from urllib.parse import quote

from bridge.cluster.api import Api, ObjectConflict, ObjectNotFound
from bridge.cluster.objects import APPLY, PLURALS, parse
from bridge.kustomize.objects import SECTIONS, BuiltObject
from bridge.kustomize.three_way_merge import Applied, Effect, client_side, endangers
from bridge.named_tuple import NamedTuple
from bridge.objects import LAST_APPLIED, ObjectId
from bridge.secret import SecretValue

KUBECTL: Final = "kubectl"
"""The field manager of `kubectl apply --server-side`."""


class Today(NamedTuple):
    """What would happen to an object now.

    - `exists`: whether the object exists.
    - `endangered`: keys that the build does not contain would be deleted if they existed.
    - `client_side`: the effect of a client-side apply.
    - `refused`: the keys that a server-side apply would be refused for.
    - `overwritten`: the keys that a server-side apply would silently overwrite.
    """

    exists: bool
    endangered: bool
    client_side: Effect = Effect((), ())
    refused: tuple[str, ...] = ()
    overwritten: tuple[str, ...] = ()


def rehearse(api: Api, namespace: str, built: BuiltObject, ours: Collection[str]) -> Today:
    """Find out what applying one object of a build would do to our keys.

    Raises the API server's refusal of the read or the dry run, unless it is a conflict.
    """
    assert built.id is not None
    path = f"/api/v1/namespaces/{quote(namespace)}/{PLURALS[built.kind]}/{quote(built.name)}"
    target = f"{built.id} in namespace {namespace}"
    try:
        raw = api.request("get", path, target=target)
    except ObjectNotFound:
        return Today(exists=False, endangered=endangers(built, {}, ours))
    live = parse(raw, built.id)
    applied = _applied(raw)
    effect, endangered = client_side(built, live, applied, ours), endangers(built, applied, ours)
    query = {"fieldManager": KUBECTL, "force": "false"}
    body = json.dumps(_body(built)).encode()
    try:
        answer = api.request("patch", path, target=target, query=query, body=body, content_type=APPLY, dry_run=True)
        result = parse(answer, built.id)
    except ObjectConflict as conflict:
        fields = {cause.field for cause in conflict.causes}
        refused = tuple(key for key in ours if fields & {f".data.{key}", f".binaryData.{key}"})
        return Today(True, endangered, effect, refused)
    silent = tuple(key for key in ours if key in live.data and _differ(result.data.get(key), live.data[key]))
    return Today(True, endangered, effect, (), silent)


def _differ(new: SecretValue | None, old: SecretValue) -> bool:
    return new is None or not new.same_as(old)


def _applied(raw: Mapping[str, Any]) -> Applied:
    """Return the keys in the last-applied annotation; its values are never read."""
    text = ((raw.get("metadata") or {}).get("annotations") or {}).get(LAST_APPLIED)
    try:
        content = json.loads(text) if isinstance(text, str) else {}
    except (ValueError, RecursionError):
        content = {}
    if not isinstance(content, dict):
        return {}
    names = {name for names in SECTIONS.values() for name in names}
    sections = {name: content[name] for name in names & content.keys()}
    return {name: frozenset(keys if isinstance(keys, dict) else ()) for name, keys in sections.items()}


def _body(built: BuiltObject) -> dict[str, object]:
    """Build the body that `kubectl apply --server-side` sends for the keys. This reveals the build's values."""
    body: dict[str, object] = {"apiVersion": "v1", "kind": built.kind, "metadata": {"name": built.name}}
    for name in ("type", "immutable"):
        if built.content.get(name) is not None:
            body[name] = built.content[name]
    for name, keys in built.sections.items():
        body[name] = None if keys is None else {key: value.reveal().decode() for key, value in keys.items()}
    return body


def written(api: Api, namespace: str, id_: ObjectId) -> frozenset[str] | None:
    """Return the keys of an object that others write, or None if the object does not exist in the cluster."""
    path = f"/api/v1/namespaces/{quote(namespace)}/{PLURALS[id_.kind]}/{quote(id_.name)}"
    try:
        raw = api.request("get", path, target=f"{id_} in namespace {namespace}")
    except ObjectNotFound:
        return None
    return frozenset((*(raw.get("data") or ()), *(raw.get("binaryData") or ())))
