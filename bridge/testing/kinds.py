"""The kinds that the embedded cluster supports, and how their objects are decoded."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeAlias

from bridge.testing.status import ApiError, Resource

Object: TypeAlias = dict[str, Any]

TEXT: Final = "string"
FLAG: Final = "boolean"
NUMBER: Final = "numeric"
ANY: Final = "anything"
TEXTS: Final = "map of strings"
BLOBS: Final = "map of base64"
TIME: Final = "time"
Schema: TypeAlias = Mapping[str, "str | Schema"]

METADATA: Final[Schema] = {
    "name": TEXT,
    "generateName": TEXT,
    "namespace": TEXT,
    "uid": TEXT,
    "resourceVersion": TEXT,
    "creationTimestamp": ANY,
    "deletionTimestamp": ANY,
    "deletionGracePeriodSeconds": NUMBER,
    "labels": TEXTS,
    "annotations": TEXTS,
    "ownerReferences": ANY,
    "finalizers": ANY,
    "managedFields": ANY,
}
LEASE_SPEC: Final[Schema] = {
    "holderIdentity": TEXT,
    "leaseDurationSeconds": NUMBER,
    "acquireTime": TIME,
    "renewTime": TIME,
    "leaseTransitions": NUMBER,
}
EVENT: Final[Schema] = {
    "involvedObject": ANY,
    "reason": TEXT,
    "message": TEXT,
    "type": TEXT,
    "count": NUMBER,
    "firstTimestamp": TEXT,
    "lastTimestamp": TEXT,
    "source": ANY,
}
MICRO_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)", re.ASCII)


@dataclass(frozen=True, eq=False)
class Kind:
    """One kind: its names and addresses, and its fields besides the metadata."""

    resource: Resource
    version: str  # its apiVersion
    fields: Schema
    namespaced: bool = True
    create_by_put: bool = False
    versioned: bool = False  # an update must name a resourceVersion


KINDS: Final[Mapping[str, Kind]] = {
    "secrets": Kind(
        Resource("", "secrets", "Secret"),
        "v1",
        {"data": BLOBS, "stringData": TEXTS, "type": TEXT, "immutable": FLAG},
    ),
    "configmaps": Kind(
        Resource("", "configmaps", "ConfigMap"), "v1", {"data": TEXTS, "binaryData": BLOBS, "immutable": FLAG}
    ),
    "namespaces": Kind(
        Resource("", "namespaces", "Namespace"),
        "v1",
        {"spec": {"finalizers": ANY}, "status": {"phase": TEXT}},
        namespaced=False,
    ),
    "leases": Kind(
        Resource("coordination.k8s.io", "leases", "Lease"),
        "coordination.k8s.io/v1",
        {"spec": LEASE_SPEC},
        create_by_put=True,
        versioned=True,
    ),
    "events": Kind(Resource("", "events", "Event"), "v1", EVENT, create_by_put=True),
}


class Malformed(Exception):
    """A value does not fit its field. The text is that of Go's decoder, so it may show the value."""


def check_applied(kind: Kind, config: Mapping[str, Any], name: str) -> None:
    """Refuse an apply configuration that does not fit the kind's schema (500, as in kube-apiserver)."""
    schema: Schema = {"apiVersion": TEXT, "kind": TEXT, "metadata": METADATA, **kind.fields}
    try:
        _check("", config, schema)
    except Malformed as error:
        raise ApiError(500, f"failed to create typed patch object ({_address(kind, name)}): {error}") from None


def decode(kind: Kind, raw: Mapping[str, Any]) -> Object:
    """Return the object as stored, without unknown fields and with defaults; raise Malformed if it is invalid."""
    meta = _known(raw.get("metadata") or {}, METADATA)
    body = _known(raw, kind.fields)
    texts = body.pop("stringData", {})
    if texts:
        body["data"] = body.get("data", {}) | {key: _encode(text) for key, text in texts.items()}
    if kind.resource.kind == "Secret":
        body["type"] = body.get("type") or "Opaque"
    if kind.resource.kind == "Namespace":
        label = {"kubernetes.io/metadata.name": meta.get("name", "")}
        meta["labels"] = meta.get("labels", {}) | label
        body = {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}} | body
    return {"kind": kind.resource.kind, "apiVersion": kind.version, "metadata": meta, **body}


def decode_applied(kind: Kind, merged: Mapping[str, Any], name: str) -> Object:
    """Decode the result of an apply; raise a 500 if it is invalid."""
    try:
        return decode(kind, merged)
    except Malformed as error:
        why = f"unable to convert unstructured object to {_long(kind)}: error decoding from json: {error}"
    raise ApiError(500, f"failed to convert new object ({_address(kind, name)}) to proper version: {why}")


def decode_sent(kind: Kind, raw: Mapping[str, Any]) -> Object:
    """Decode the body of a create or an update; raise a 400 if it is invalid."""
    try:
        return decode(kind, raw)
    except Malformed as error:
        name = kind.resource.kind
        why = f'{name} in version "{kind.version.rpartition("/")[2]}" cannot be handled as a {name}: {error}'
    raise ApiError(400, why)


def decode_patched(kind: Kind, patched: Mapping[str, Any]) -> Object:
    """Decode the result of a patch; if it is invalid, raise a 422 that shows the whole object."""
    try:
        return decode(kind, patched)
    except Malformed as error:
        value = json.dumps(json.dumps(patched, separators=(",", ":")))
        cause = {"reason": "FieldValueInvalid", "message": f"Invalid value: {value}: {error}", "field": "patch"}
    raise ApiError(422, f' "" is invalid: patch: {cause["message"]}', details={"causes": [cause]})


def _long(kind: Kind) -> str:
    group = kind.resource.group
    return f"{group}/v1, Kind={kind.resource.kind}"


def _address(kind: Kind, name: str) -> str:
    return f"/{name}; {_long(kind)}"


def _check(path: str, value: Mapping[str, Any], schema: Schema) -> None:
    for name, item in value.items():
        if name not in schema:
            raise Malformed(f"{path}.{name}: field not declared in schema")
        wanted, place = schema[name], f"{path}.{name}"
        if item is None:
            continue
        if isinstance(wanted, str):
            _check_leaf(place, item, wanted)
        elif isinstance(item, dict):
            _check(place, item, wanted)
        else:
            raise Malformed(f"{place}: expected map, got &{{{_go(item)}}}")


def _check_leaf(place: str, item: object, wanted: str) -> None:
    if wanted in {TEXTS, BLOBS}:
        if not isinstance(item, dict):
            raise Malformed(f"{place}: expected map, got &{{{_go(item)}}}")
        for key, value in item.items():
            if value is not None and not isinstance(value, str):
                raise Malformed(f"{place}.{key}: expected string, got &value.valueUnstructured{{Value:{_go(value)}}}")
    elif wanted != ANY and not _fits(item, wanted):
        raise Malformed(f"{place}: expected {_schema_name(wanted)}, got &{{{_go(item)}}}")


def _schema_name(wanted: str) -> str:
    return wanted if wanted in {FLAG, NUMBER} else TEXT


def _fits(item: object, wanted: str) -> bool:
    if wanted == FLAG:
        return isinstance(item, bool)
    if wanted == NUMBER:
        return isinstance(item, int) and not isinstance(item, bool)
    return isinstance(item, str)


def _go(value: object) -> str:
    """Format a value similarly to Go's %v and %#v, because the real server's answers also contain values."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        inner = ", ".join(f"{json.dumps(key)}:{json.dumps(item)}" for key, item in value.items())
        return f"map[string]interface {{}}{{{inner}}}"
    if isinstance(value, list):
        return f"[{' '.join(map(_go, value))}]"
    return str(value)


def _known(raw: Mapping[str, Any], schema: Schema) -> Object:
    """Keep the known fields that are not empty, in their stored form."""
    known: Object = {}
    for name, wanted in schema.items():
        item = raw.get(name)
        value = _stored(name, item, wanted) if item is not None else None
        # An empty managedFields requests that all ownership is given up.
        if value is not None and (value not in ({}, []) or name == "managedFields"):
            known[name] = value
    return known


def _stored(name: str, item: object, wanted: "str | Schema") -> object:
    if not isinstance(wanted, str):
        return _known(item, wanted) if isinstance(item, dict) else _mismatch(name, item)
    if wanted in {TEXTS, BLOBS}:
        if not isinstance(item, dict):
            _mismatch(name, item)
        return {key: _text(name, value, wanted == BLOBS) for key, value in item.items()}
    if wanted != ANY and not _fits(item, wanted):
        _mismatch(name, item)
    if wanted == TIME and isinstance(item, str) and not MICRO_TIME.fullmatch(item):
        raise Malformed(f'parsing time "{item}" as "2006-01-02T15:04:05.000000Z07:00"')
    return item


def _text(name: str, value: object, encoded: bool) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        _mismatch(name, value)
    return _canonical(value) if encoded else value


def _mismatch(name: str, item: object) -> NoReturn:
    names = {bool: "bool", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    raise Malformed(f"json: cannot unmarshal {names[type(item)]} into Go struct field .{name}")


def _encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _canonical(text: str) -> str:
    """Check base64 like Go, which ignores line breaks."""
    try:
        return base64.b64encode(base64.b64decode(re.sub("[\r\n]", "", text), validate=True)).decode()
    except (binascii.Error, ValueError):
        raise Malformed("illegal base64 data at input byte 0") from None
