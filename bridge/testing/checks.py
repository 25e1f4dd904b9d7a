"""The place of an object, and checks that a request matches its name, namespace, kind, version and uid."""

import uuid
from collections.abc import Mapping
from typing import Any

from bridge.named_tuple import NamedTuple
from bridge.testing.kinds import Kind, Object
from bridge.testing.status import STALE, ApiError, Cause


class Place(NamedTuple):
    """Where an object is: its kind, its namespace (empty for a Namespace) and its name."""

    kind: Kind
    namespace: str
    name: str


def named(place: Place, new: Object) -> Place:
    """Return the place with the object's name, or with a name from `generateName`."""
    meta = new["metadata"]
    if not meta.get("name") and meta.get("generateName"):
        meta["name"] = meta["generateName"] + uuid.uuid4().hex[:5]
    name = meta.setdefault("name", place.name)
    same_place(place, new)
    return place._replace(name=name)


def same_place(place: Place, new: Object) -> None:
    """Fill in a missing name and namespace; refuse an object if they differ from the URL's (400)."""
    meta = new["metadata"]
    if place.name and meta.setdefault("name", place.name) != place.name:
        raise ApiError(
            400, f"the name of the object ({meta['name']}) does not match the name on the URL ({place.name})"
        )
    if place.kind.namespaced and meta.setdefault("namespace", place.namespace) != place.namespace:
        raise ApiError(400, "the namespace of the provided object does not match the namespace sent on the request")


def check_identity(place: Place, config: Object) -> None:
    """Refuse an apply configuration with another kind, name or namespace, or with managedFields (400)."""
    version, kind = config.get("apiVersion", ""), config.get("kind", "")
    group, _, short = version.rpartition("/")
    if (version, kind) != (place.kind.version, place.kind.resource.kind):
        raise ApiError(400, f"invalid object type: {group}/{short}, Kind={kind}")
    meta = config.get("metadata")
    if isinstance(meta, dict):
        if meta.get("managedFields") is not None:
            raise ApiError(400, "metadata.managedFields must be nil")
        same_place(place, {"metadata": dict(meta)})


def check_names_version(place: Place, new: Object) -> None:
    """Refuse an update without a resourceVersion if the kind requires one (422)."""
    if place.kind.versioned and not new["metadata"].get("resourceVersion"):
        message = "Invalid value: 0: must be specified for an update"
        resource = place.kind.resource
        named_by_plural = resource._replace(kind=resource.plural)
        raise named_by_plural.invalid(place.name, [Cause("FieldValueInvalid", message, "metadata.resourceVersion")])


def check_version(place: Place, old: Object, new: Object) -> None:
    """Refuse an update of another version of the object (409)."""
    version = new["metadata"]["resourceVersion"]
    if version and not version.isdecimal():
        raise ApiError(500, f'strconv.ParseUint: parsing "{version}": invalid syntax')
    # An empty version and "0" disable the check.
    if version not in {"", "0", old["metadata"]["resourceVersion"]}:
        raise place.kind.resource.conflict(place.name, STALE)


def check_preconditions(place: Place, live: Object, preconditions: Mapping[str, Any]) -> None:
    """Refuse a delete if its uid or resourceVersion is not the object's (409)."""
    resource, meta = place.kind.resource, live["metadata"]
    uid, version = preconditions.get("uid"), preconditions.get("resourceVersion")
    if uid is not None and uid != meta["uid"]:
        why = f"the UID in the precondition ({uid}) does not match the UID in record ({meta['uid']})"
        raise resource.precondition(place.name, f"{why}. The object might have been deleted and then recreated")
    if version is not None and version != meta["resourceVersion"]:
        why = f"the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record"
        raise resource.precondition(
            place.name, f"{why} ({meta['resourceVersion']}). The object might have been modified"
        )
