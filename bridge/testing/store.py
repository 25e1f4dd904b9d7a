"""The objects in memory: creates, updates, patches and deletes with kube-apiserver's rules."""

import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from bridge.named_tuple import NamedTuple
from bridge.testing import managers, patches, validation
from bridge.testing.checks import (
    Place,
    check_identity,
    check_names_version,
    check_preconditions,
    check_version,
    named,
    same_place,
)
from bridge.testing.kinds import (
    KINDS,
    Kind,
    Object,
    check_applied,
    decode_applied,
    decode_patched,
    decode_sent,
)
from bridge.testing.managers import Managers, Owner
from bridge.testing.patches import copied
from bridge.testing.status import ApiError

FIRST_VERSION: Final = 100  # of the whole store; an object's resourceVersion is the store's version when written

Admission: TypeAlias = Callable[[dict[str, Any], bool], None]
"""Changes the object of a request before it is validated and stored; the flag is True for a dry run."""


class Write(NamedTuple):
    """The options of a write: the manager, whether it is a dry run, and whether it overrides conflicts."""

    manager: str
    dry_run: bool = False
    force: bool = False


class Store:
    """All objects of the cluster. Every method is atomic and returns a copy.

    `admission` may be set at any time to an admission rule that changes the object of a create or an update.
    """

    def __init__(self) -> None:
        self.admission: Admission | None = None
        self._lock = threading.RLock()
        self._objects: dict[Place, Object] = {}
        self._version = FIRST_VERSION
        self.create(Place(KINDS["namespaces"], "", ""), {"metadata": {"name": "default"}}, Write("kube-apiserver"))

    def get(self, place: Place) -> Object:
        """Return an object, or raise ApiError 404."""
        with self._lock:
            return copied(self._live(place))

    def select(self, kind: Kind, namespace: str | None) -> tuple[str, list[Object]]:
        """Return the store's version and the objects of one namespace (or of all), by name."""
        with self._lock:
            matching = [
                (place.namespace, place.name, item)
                for place, item in self._objects.items()
                if place.kind == kind and namespace in {None, place.namespace}
            ]
            ordered = [item for _, _, item in sorted(matching, key=lambda entry: entry[:2])]
            return str(self._version), copied(ordered)

    def create(self, place: Place, body: Mapping[str, Any], write: Write) -> Object:
        """Create an object from the body of a POST."""
        with self._lock:
            new = decode_sent(place.kind, body)
            place = named(place, new)
            requested = managers.requested({}, new["metadata"].pop("managedFields", None))
            owned = managers.update(None, new, requested, Owner("Update", write.manager, place.kind.version))
            version = new["metadata"].pop("resourceVersion", "")
            result = self._add(place, new, owned, dry_run=write.dry_run or bool(version))
            if version:
                raise ApiError(500, "resourceVersion should not be set on objects to be created")
            return result

    def replace(self, place: Place, body: Mapping[str, Any], write: Write) -> tuple[Object, bool]:
        """Update an object from the body of a PUT; the flag is True if the object was created."""
        with self._lock:
            new = decode_sent(place.kind, body)
            same_place(place, new)
            live = self._objects.get(place)
            uid = new["metadata"].get("uid", "")
            if live is None and not place.kind.create_by_put:
                raise place.kind.resource.missing(place.name)
            if uid and uid != (live["metadata"]["uid"] if live else ""):
                raise place.kind.resource.conflict(place.name, f"Precondition failed: UID in precondition: {uid}")
            if live is None:
                new["metadata"].pop("resourceVersion", None)
                owned = managers.update(None, new, {}, Owner("Update", write.manager, place.kind.version))
                return self._add(named(place, new), new, owned, write.dry_run), True
            check_names_version(place, new)
            return self._update(place, live, new, write), False

    def patch(self, place: Place, change: Callable[[Object], Any], write: Write) -> Object:
        """Update an object with the result of a patch."""
        with self._lock:
            live = self._live(place)
            new = decode_patched(place.kind, change(copied(live)))
            same_place(place, new)
            return self._update(place, live, new, write)

    def merge(self, place: Place, patch: object, write: Write) -> Object:
        """Update an object with a merge patch."""
        if not isinstance(patch, dict):
            raise ApiError(
                400, "error decoding patch: json: cannot unmarshal into Go value of type map[string]interface {}"
            )
        return self.patch(place, lambda live: patches.merge(live, patch), write)

    def json_patch(self, place: Place, operations: object, write: Write) -> Object:
        """Update an object with a JSON patch."""
        return self.patch(place, lambda live: patches.json_patch(live, operations), write)

    def apply(self, place: Place, config: Object, write: Write) -> tuple[Object, bool]:
        """Apply a configuration; the flag is True if the object was created."""
        with self._lock:
            check_identity(place, config)
            check_applied(place.kind, config, place.name)
            live = self._objects.get(place)
            owner = Owner("Apply", write.manager, place.kind.version)
            owned = _owned(live) if live else {}
            content = None if live is None else _content(live)
            merged, owned = managers.apply(content, config, owned, owner, force=write.force)
            new = decode_applied(place.kind, merged, place.name)
            if live is None:
                return self._create_applied(place, new, owned, write), True
            return self._store(place, live, new, owned, write), False

    def delete(self, place: Place, preconditions: Mapping[str, Any], *, dry_run: bool) -> Object | None:
        """Delete an object. Return it if it is only marked for deletion (finalizers, namespaces), else None."""
        with self._lock:
            live = self._live(place)
            check_preconditions(place, live, preconditions)
            if dry_run:
                return None
            if not place.kind.namespaced or live["metadata"].get("finalizers"):
                return self._begin_deletion(place, live)
            self._version += 1
            del self._objects[place]
            return None

    def _live(self, place: Place) -> Object:
        if place not in self._objects:
            raise place.kind.resource.missing(place.name)
        return self._objects[place]

    def _create_applied(self, place: Place, new: Object, owned: Managers, write: Write) -> Object:
        uid = new["metadata"].pop("uid", "")
        if uid:
            why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            raise place.kind.resource.conflict(place.name, why)
        new["metadata"].pop("resourceVersion", None)
        return self._add(named(place, new), new, owned, write.dry_run)

    def _add(self, place: Place, new: Object, owned: Managers, dry_run: bool) -> Object:
        self._check_namespace(place)
        self._admit(new, dry_run=dry_run)
        causes = validation.created(place.kind, new)
        if causes:
            raise place.kind.resource.invalid(place.name, causes)
        if place in self._objects:
            raise place.kind.resource.exists(place.name)
        meta = new["metadata"]
        if place.kind.namespaced:
            meta["namespace"] = place.namespace
        meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": managers.now()}
        _set_owned(new, owned)
        return copied(new) if dry_run else self._put(place, new)

    def _check_namespace(self, place: Place) -> None:
        if place.kind.namespaced:
            holder = self._live(Place(KINDS["namespaces"], "", place.namespace))
            if "deletionTimestamp" in holder["metadata"]:
                raise place.kind.resource.terminating(place.name, place.namespace)

    def _update(self, place: Place, live: Object, new: Object, write: Write) -> Object:
        owned = managers.requested(_owned(live), new["metadata"].pop("managedFields", None))
        old = _content(live)
        _keep_system_fields(old, new)
        owner = Owner("Update", write.manager, place.kind.version)
        return self._store(place, live, new, managers.update(old, new, owned, owner), write)

    def _store(self, place: Place, live: Object, new: Object, owned: Managers, write: Write) -> Object:
        old = _content(live)
        _keep_system_fields(old, new)
        check_version(place, old, new)
        new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
        self._admit(new, dry_run=write.dry_run)
        causes = validation.updated(place.kind, old, new)
        if causes:
            raise place.kind.resource.invalid(place.name, causes)
        if new == old and _untimed(owned) == _untimed(_owned(live)):
            return copied(live)
        _set_owned(new, owned)
        if write.dry_run:
            return copied(new)
        if "deletionTimestamp" in new["metadata"] and not new["metadata"].get("finalizers") and place.kind.namespaced:
            del self._objects[place]
            return new
        return self._put(place, new)

    def _admit(self, new: Object, *, dry_run: bool) -> None:
        """Apply the admission rule; as in kube-apiserver, it does not affect managedFields."""
        if self.admission:
            self.admission(new, dry_run)

    def _begin_deletion(self, place: Place, live: Object) -> Object:
        ending = copied(live)
        ending["metadata"]["deletionTimestamp"] = managers.now()
        if not place.kind.namespaced:
            ending["status"] = {"phase": "Terminating"}
        return self._put(place, ending)

    def _put(self, place: Place, new: Object) -> Object:
        self._version += 1
        new["metadata"]["resourceVersion"] = str(self._version)
        self._objects[place] = new
        return copied(new)


def _keep_system_fields(old: Object, new: Object) -> None:
    """Copy the fields that a request may omit but must not change."""
    kept = old["metadata"]
    for name in ("uid", "resourceVersion", "namespace"):
        if name in kept:
            new["metadata"].setdefault(name, kept[name])
    for name in ("creationTimestamp", "deletionTimestamp"):
        new["metadata"].pop(name, None)
        if name in kept:
            new["metadata"][name] = kept[name]
    if "status" in old:
        new["status"] = old["status"]


def _content(live: Object) -> Object:
    return live | {"metadata": {name: value for name, value in live["metadata"].items() if name != "managedFields"}}


def _owned(live: Object) -> Managers:
    return managers.read(live["metadata"].get("managedFields", []))


def _set_owned(new: Object, owned: Managers) -> None:
    new["metadata"].pop("managedFields", None)
    if owned:
        new["metadata"]["managedFields"] = managers.write(owned)


def _untimed(owned: Managers) -> dict[Owner, Any]:
    return {owner: entry.fields for owner, entry in owned.items()}
