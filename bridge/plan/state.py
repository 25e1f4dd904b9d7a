"""The state: what was written last. Objects, keys with their layers, the sources' revisions; no values or digests."""

import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from bridge.named_tuple import NamedTuple
from bridge.objects import Field, Layer, Live, ObjectId, Origin, Part
from bridge.provider import Revision

VERSION: Final = 1


class UnreadableMemoryError(ValueError):
    """The text is not a state: it is damaged, or of another version (`newer`)."""

    def __init__(self, *, newer: bool = False) -> None:
        super().__init__("written by a newer bridge" if newer else "not a state of bridge")
        self.newer = newer


class KeyMemory(NamedTuple):
    """A key as bridge wrote it last.

    `origin` is None if a lost state was rebuilt. `pending` marks a key with a first write that was begun but is not
    known to have happened.
    """

    origin: Origin | None
    changed: str  # RFC 3339, in UTC, to the second
    pending: bool = False


class ObjectMemory(NamedTuple):
    """An object as bridge wrote it last.

    - `uid`: None until its creation is known to have happened.
    - `left`: it is no longer in the templates but stayed in the cluster.
    - `created`: when bridge first created the object; empty if it never did, or if that is unknown.
    - `removed`: when a key was last removed from the object; empty if never, or if that is unknown.
    - `begun`: the time of a write that is not known to have happened. Keys with this time may have changed later.
    - `type`: the type that bridge has sent, as long as the object is not known to have it, because an admission rule
      may
    have changed it. Empty otherwise.
    """

    uid: str | None
    keys: Mapping[str, KeyMemory]
    labels: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()
    left: bool = False
    created: str = ""
    removed: str = ""
    begun: str = ""
    type: str = ""

    @property
    def times(self) -> frozenset[str]:
        """When something in the object changed."""
        return frozenset({self.removed, *(known.changed for known in self.keys.values())}) - {""}

    def wrote(self, item: Field) -> bool:
        """Whether bridge is known to have written this field."""
        if item.section == "data":
            return item.name in self.keys and not self.keys[item.name].pending
        return item.name in (self.labels if item.section == "labels" else self.annotations)


class Memory(NamedTuple):
    """One environment's state. `lost` is the reason if it had to be rebuilt."""

    objects: Mapping[ObjectId, ObjectMemory] = MappingProxyType({})
    sources: Mapping[str, Revision] = MappingProxyType({})
    lost: str | None = None

    def union(self, newer: "Memory") -> "Memory":
        """Return everything that may be true while the newer state is being written: the union of both."""
        begun = newer.newest if newer.newest > self.newest else ""
        objects = dict(self.objects)
        for id_, theirs in newer.objects.items():
            objects[id_] = _merged(objects.get(id_, ObjectMemory(None, {})), theirs, begun)
        return Memory(objects, {**self.sources, **newer.sources})

    @property
    def begun(self) -> tuple[ObjectId, ...]:
        """The objects with a write that may or may not have happened."""
        return tuple(id_ for id_, known in self.objects.items() if known.begun)

    @property
    def newest(self) -> str:
        """The time of the last change, or "" if there is none."""
        return max((time for known in self.objects.values() for time in known.times), default="")


def _merged(older: ObjectMemory, newer: ObjectMemory, begun: str) -> ObjectMemory:
    """Merge two states of an object. Only the older state is known to be written, but every key may have changed."""
    keys = {key: known._replace(pending=True) for key, known in newer.keys.items()}
    for key, known in older.keys.items():
        keys[key] = known._replace(changed=newer.keys[key].changed) if key in newer.keys else known
    return newer._replace(
        keys=keys,
        labels=older.labels,
        annotations=older.annotations,
        begun=begun if begun in newer.times else "",
    )


def rebuilt(live: Iterable[Live], manager: str, reason: str) -> Memory:
    """Rebuild what managedFields still show of our writes, after the state was lost."""
    objects: dict[ObjectId, ObjectMemory] = {}
    for object_ in live:
        ours = [entry for entry in object_.managers if entry.name == manager and entry.operation == "Apply"]
        fields = {item for entry in ours for item in entry.fields}
        if not fields:
            continue
        changed = object_.applied(manager)
        names = {section: sorted(item.name for item in fields if item.section == section) for section in _SECTIONS}
        objects[object_.id] = ObjectMemory(
            uid=object_.uid,
            keys={name: KeyMemory(None, changed) for name in names["data"]},
            labels=tuple(names["labels"]),
            annotations=tuple(names["annotations"]),
        )
    return Memory(objects, lost=reason)


_SECTIONS: Final = ("data", "labels", "annotations")
_TEXTS: Final = ("created", "removed", "begun", "type")


def encode(memory: Memory) -> str:
    """Format a state as JSON. Origins recur in every key, so each is stored once in a list that the keys index."""
    origins: dict[Origin | None, int] = {}
    objects = {
        str(id_): {
            "uid": known_object.uid,
            "keys": {
                key: [origins.setdefault(_durable(known.origin), len(origins)), known.changed, *[True] * known.pending]
                for key, known in sorted(known_object.keys.items())
            },
            **({"labels": list(known_object.labels)} if known_object.labels else {}),
            **({"annotations": list(known_object.annotations)} if known_object.annotations else {}),
            **({"left": True} if known_object.left else {}),
            **{name: getattr(known_object, name) for name in _TEXTS if getattr(known_object, name)},
        }
        for id_, known_object in sorted(memory.objects.items())
    }
    document = {
        "version": VERSION,
        "objects": objects,
        "origins": [_encode_origin(origin) for origin in origins],
        "sources": {name: _encode_revision(revision) for name, revision in sorted(memory.sources.items())},
    }
    return json.dumps(document, separators=(",", ":"))


def _encode_revision(revision: Revision) -> dict[str, object]:
    series = {"series": revision.series} if revision.series else {}
    return {"revision": revision.id, "order": revision.order, **series}


def _durable(origin: Origin | None) -> Origin | None:
    """Keep only what is the same for every kind of run (file paths are not) and what the origin does not imply."""
    if origin is None:
        return None
    parts = tuple(Part(part.name, part.layer, _durable_place(part)) for part in origin.parts)
    return Origin(origin.layer, _durable_place(origin), origin.manifest, parts if len(parts) > 1 else ())


def _durable_place(origin: Origin | Part) -> str:
    return origin.place if origin.layer is Layer.SOURCE else ""


def _encode_origin(origin: Origin | None) -> dict[str, object] | None:
    if origin is None:
        return None
    parts = [[part.name, part.layer.name, part.place] for part in origin.parts]
    written = {"layer": origin.layer.name, "place": origin.place, "manifest": origin.manifest}
    return {**written, "parts": parts} if parts else written


def decode(text: str) -> Memory:
    """Parse a state; raises UnreadableMemoryError, which never contains the text."""
    try:
        document = json.loads(text)
        newer = document["version"] > VERSION
        memory = None if newer else _decode(document)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        newer, memory = False, None
    if memory is None:
        raise UnreadableMemoryError(newer=newer)
    return memory


def _decode(document: dict[str, Any]) -> Memory:
    origins = [None if origin is None else _decode_origin(origin) for origin in document["origins"]]
    objects = {_decode_id(name): _decode_object(one, origins) for name, one in document["objects"].items()}
    sources = {
        name: Revision(_text(one["revision"]), one["order"], _text(one.get("series", "")))
        for name, one in document["sources"].items()
    }
    return Memory(objects, sources)


def _decode_origin(raw: dict[str, Any]) -> Origin:
    parts = tuple(Part(_text(name), Layer[layer], _text(place)) for name, layer, place in raw.get("parts", ()))
    return Origin(Layer[raw["layer"]], _text(raw["place"]), bool(raw["manifest"]), parts)


def _decode_id(name: str) -> ObjectId:
    kind, _, rest = name.partition("/")
    if kind not in ("Secret", "ConfigMap") or not rest:
        raise ValueError("not a Secret or ConfigMap")
    return ObjectId(kind, rest)


def _decode_object(raw: dict[str, Any], origins: list[Origin | None]) -> ObjectMemory:
    return ObjectMemory(
        uid=None if raw["uid"] is None else _text(raw["uid"]),
        keys={
            key: KeyMemory(origins[index], _text(changed), pending=bool(pending))
            for key, (index, changed, *pending) in raw["keys"].items()
        },
        labels=tuple(map(_text, raw.get("labels", ()))),
        annotations=tuple(map(_text, raw.get("annotations", ()))),
        left=bool(raw.get("left", False)),
        **{name: _text(raw.get(name, "")) for name in _TEXTS},
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
    return value
