"""Check that the API server's answer is the requested object.

A gateway, a login page or another kind of server may answer 200 with its own JSON. So each answer is compared with its
request before anything in it is used: kind, name, namespace, uid, resourceVersion, and the types of all fields that
this package reads.
"""

import binascii
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from bridge.cluster.answers import ApiRequest, Resource
from bridge.named_tuple import NamedTuple

DEPTH: Final = 32
"""The maximum depth of managedFields; a Secret's have four levels."""


class _Each(NamedTuple):
    """A mapping with any names, in which every value has this shape."""

    of: "_Shape"


class _Items(NamedTuple):
    """A list in which every item has this shape."""

    of: "_Shape"


_Shape: TypeAlias = "str | Mapping[str, _Shape] | _Each | _Items"
"""The expected shape of a value: one of the words in `_is_scalar`, or a mapping in which these fields are checked.

Annotations with it are strings, as it is one: otherwise Python compiles it at each start.
"""

_TEXTS: Final = _Each("text")
_META: "Final[_Shape]" = {
    "name": "text",
    "namespace": "text",
    "uid": "text",
    "resourceVersion": "text",
    "generation": "number",
    "creationTimestamp": "time",
    "deletionTimestamp": "time",
    "labels": _TEXTS,
    "annotations": _TEXTS,
    "finalizers": _Items("text"),
    "ownerReferences": _Items({"kind": "text", "name": "text", "uid": "text"}),
}
_MANAGED: "Final[_Shape]" = _Items(
    {"manager": "text", "operation": "text", "time": "time", "subresource": "text", "fieldsV1": "tree"}
)
_DATA: Final[dict[str, _Shape]] = {
    "metadata": {"managedFields": _MANAGED},
    "binaryData": _Each("base64"),
    "immutable": "flag",
}
_POD_TEMPLATE: "Final[_Shape]" = {"metadata": {"annotations": _TEXTS}}
_WORKLOAD: Final[Mapping[str, _Shape]] = {
    "spec": {
        "replicas": "number",
        "template": _POD_TEMPLATE,
        "updateStrategy": {"rollingUpdate": {"partition": "number"}},
    },
    "status": {
        "conditions": _Items({"reason": "text"}),
        **dict.fromkeys(
            (
                "observedGeneration",
                "replicas",
                "updatedReplicas",
                "availableReplicas",
                "terminatingReplicas",
                "desiredNumberScheduled",
                "updatedNumberScheduled",
                "currentNumberScheduled",
                "numberAvailable",
            ),
            "number",
        ),
    },
}
_KINDS: Final[Mapping[str, tuple[str, Mapping[str, _Shape]]]] = {
    "secrets": ("Secret", _DATA | {"data": _Each("base64"), "type": "text"}),
    "configmaps": ("ConfigMap", _DATA | {"data": _TEXTS}),
    "namespaces": ("Namespace", {}),
    "leases": (
        "Lease",
        {
            "spec": {
                "holderIdentity": "text",
                "leaseDurationSeconds": "number",
                "leaseTransitions": "number",
                "acquireTime": "time",
            }
        },
    ),
    "events": (
        "Event",
        {"involvedObject": {"uid": "text"}, "count": "number", "firstTimestamp": "time"},
    ),
    "deployments": ("Deployment", _WORKLOAD),
    "statefulsets": ("StatefulSet", _WORKLOAD),
    "daemonsets": ("DaemonSet", _WORKLOAD),
    "replicasets": ("ReplicaSet", {}),
    "pods": ("Pod", {}),
    "jobs": ("Job", {}),
    "cronjobs": ("CronJob", {}),
    "controllerrevisions": ("ControllerRevision", {"revision": "number"}),
}
"""Each resource's kind, and the fields that are read besides the common metadata."""


def is_answer(answer: Mapping[str, Any], asked: ApiRequest) -> bool:
    """Return whether a JSON object is the API server's answer to this request."""
    resource = asked.resource
    if resource is None:
        return True
    if asked.verb == "list":
        return _is_list(answer, resource)
    if asked.verb == "delete" and answer.get("kind") == "Status":
        return answer.get("status") == "Success"
    return _is_kind(answer.get("kind"), resource, "") and _is_object(answer, resource, stored=not asked.dry_run)


def _is_kind(kind: object, resource: Resource, ending: str) -> bool:
    if resource.plural not in _KINDS:
        return isinstance(kind, str) and kind != "Status"
    return kind == f"{_KINDS[resource.plural][0]}{ending}"


def _is_list(answer: Mapping[str, Any], resource: Resource) -> bool:
    """Return whether the answer is a page of the resource; its items have no kind of their own."""
    items = answer.get("items")
    return (
        _is_kind(answer.get("kind"), resource, "List")
        and _fits(answer, {"metadata": {"continue": "text"}})
        and isinstance(items, list)
        and all(isinstance(item, dict) and _is_object(item, resource, stored=True) for item in items)
    )


def _is_object(answer: Mapping[str, Any], resource: Resource, *, stored: bool) -> bool:
    """Return whether this is the object with this name. A dry run's result is not stored and may have no version."""
    if resource.plural not in _KINDS:
        return True
    metadata = answer.get("metadata")
    if not isinstance(metadata, dict) or not _fits(metadata, _META):
        return False
    name, namespace = metadata.get("name", ""), metadata.get("namespace", "")
    known = bool(metadata.get("uid") and metadata.get("resourceVersion")) or not stored
    named = name == resource.name if resource.name else bool(name)
    return known and named and namespace == resource.namespace and _fits(answer, _KINDS[resource.plural][1])


def _fits(value: object, shape: _Shape) -> bool:
    """Return whether a value has a shape. A mapping or a list may be null, which is how Go writes an empty one."""
    if isinstance(shape, str):
        return _is_scalar(value, shape)
    if value is None:
        return True
    if isinstance(shape, _Items):
        return isinstance(value, list) and all(one is not None and _fits(one, shape.of) for one in value)
    if not isinstance(value, dict):
        return False
    if isinstance(shape, _Each):
        return all(_fits(one, shape.of) for one in value.values())
    return all(_fits(value[name], of) for name, of in shape.items() if name in value)


def _is_scalar(value: object, word: str) -> bool:
    match word:
        case "text":
            return isinstance(value, str)
        case "time":
            return value is None or isinstance(value, str)
        case "number":
            return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
        case "flag":
            return isinstance(value, bool)
        case "base64":
            return isinstance(value, str) and _is_base64(value)
        case _:
            return _is_tree(value, DEPTH)


def _is_base64(text: str) -> bool:
    try:
        binascii.a2b_base64(text)
    except ValueError:
        return False
    return True


def _is_tree(value: object, depth: int) -> bool:
    """Return whether a value is nested mappings (FieldsV1) within the depth limit."""
    return isinstance(value, dict) and depth > 0 and all(_is_tree(one, depth - 1) for one in value.values())
