"""What was written last: objects, keys with their layers, the sources' revisions. No value, no digest of one."""

import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from bridge.objects import Field, Layer, Live, ObjectId, Origin, Part
from bridge.provider import Revision

VERSION: Final = 1


class UnreadableMemoryError(ValueError):
    """The text is not a memory: damaged, or of another version (`newer`)."""

    def __init__(self, *, newer: bool = False) -> None:
        super().__init__("written by a newer bridge" if newer else "not a memory")
        self.newer = newer


class KeyMemory(NamedTuple):
    """A key as bridge wrote it last.

    `origin` is None where a lost memory was rebuilt. `pending` marks a key whose first write was
    begun and is not known to have happened.
    """

    origin: Origin | None
    changed: str  # RFC 3339, in UTC, to the second
    pending: bool = False


class ObjectMemory(NamedTuple):
    """An object as bridge wrote it last.

    `uid` is None until its creation is known to have happened. `left` marks one that left the
    templates and stayed in the cluster. `created` is when bridge made the object for the first time,
    `removed` when a key last left it; each is empty where that never happened, or is not known. `begun`
    is the time of a write that is not known to have happened; what carries this time may have changed later.
    `type` is the one that bridge has sent, as long as the object is not known to have it: an admission rule may have
    made another of it. It is empty otherwise.
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
        """Return when something of it changed."""
        return frozenset({self.removed, *(known.changed for known in self.keys.values())}) - {""}

    def wrote(self, item: Field) -> bool:
        """Say whether it is known that bridge has written this field."""
        if item.section == "data":
            return item.name in self.keys and not self.keys[item.name].pending
        return item.name in (self.labels if item.section == "labels" else self.annotations)


class Memory(NamedTuple):
    """One environment's memory. `lost` tells why it had to be rebuilt, where it had to be."""

    objects: Mapping[ObjectId, ObjectMemory] = MappingProxyType({})
    sources: Mapping[str, Revision] = MappingProxyType({})
    lost: str | None = None

    def union(self, newer: "Memory") -> "Memory":
        """Return what may be true while the newer state is being written: everything of both."""
        begun = newer.newest if newer.newest > self.newest else ""
        objects = dict(self.objects)
        for id_, theirs in newer.objects.items():
            objects[id_] = _merged(objects.get(id_, ObjectMemory(None, {})), theirs, begun)
        return Memory(objects, {**self.sources, **newer.sources})

    @property
    def begun(self) -> tuple[ObjectId, ...]:
        """Return the objects of which it is not known whether they were written, or when."""
        return tuple(id_ for id_, one in self.objects.items() if one.begun)

    @property
    def newest(self) -> str:
        """Return the last time of a change; empty where there is none."""
        return max((time for one in self.objects.values() for time in one.times), default="")


def _merged(older: ObjectMemory, newer: ObjectMemory, begun: str) -> ObjectMemory:
    """Merge two states of an object. Only what the older one has is known to be written, but any may have changed."""
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
    """Rebuild what managedFields still tell of our writes, after the memory was lost."""
    objects: dict[ObjectId, ObjectMemory] = {}
    for one in live:
        ours = [entry for entry in one.managers if entry.name == manager and entry.operation == "Apply"]
        fields = {item for entry in ours for item in entry.fields}
        if not fields:
            continue
        changed = one.applied(manager)
        names = {section: sorted(item.name for item in fields if item.section == section) for section in _SECTIONS}
        objects[one.id] = ObjectMemory(
            uid=one.uid,
            keys={name: KeyMemory(None, changed) for name in names["data"]},
            labels=tuple(names["labels"]),
            annotations=tuple(names["annotations"]),
        )
    return Memory(objects, lost=reason)


_SECTIONS: Final = ("data", "labels", "annotations")
_TEXTS: Final = ("created", "removed", "begun", "type")


def encode(memory: Memory) -> str:
    """Write a memory as JSON. Origins recur in every key, so they stand once, in a list that the keys count into."""
    origins: dict[Origin | None, int] = {}
    objects = {
        str(id_): {
            "uid": one.uid,
            "keys": {
                key: [origins.setdefault(_durable(known.origin), len(origins)), known.changed, *[True] * known.pending]
                for key, known in sorted(one.keys.items())
            },
            **({"labels": list(one.labels)} if one.labels else {}),
            **({"annotations": list(one.annotations)} if one.annotations else {}),
            **({"left": True} if one.left else {}),
            **{name: getattr(one, name) for name in _TEXTS if getattr(one, name)},
        }
        for id_, one in sorted(memory.objects.items())
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
    """Keep what is the same for every kind of run (paths of files are not), and what the origin alone does not tell."""
    if origin is None:
        return None
    parts = tuple(Part(part.name, part.layer, _durable_place(part)) for part in origin.parts)
    return Origin(origin.layer, _durable_place(origin), origin.manifest, parts if len(parts) > 1 else ())


def _durable_place(given: Origin | Part) -> str:
    return given.place if given.layer is Layer.SOURCE else ""


def _encode_origin(origin: Origin | None) -> dict[str, object] | None:
    if origin is None:
        return None
    parts = [[part.name, part.layer.name, part.place] for part in origin.parts]
    written = {"layer": origin.layer.name, "place": origin.place, "manifest": origin.manifest}
    return {**written, "parts": parts} if parts else written


def decode(text: str) -> Memory:
    """Read a memory; raises UnreadableMemoryError, which never holds the text."""
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
    origins = [None if given is None else _decode_origin(given) for given in document["origins"]]
    objects = {_decode_id(name): _decode_object(one, origins) for name, one in document["objects"].items()}
    sources = {
        name: Revision(_text(one["revision"]), one["order"], _text(one.get("series", "")))
        for name, one in document["sources"].items()
    }
    return Memory(objects, sources)


def _decode_origin(given: dict[str, Any]) -> Origin:
    parts = tuple(Part(_text(name), Layer[layer], _text(place)) for name, layer, place in given.get("parts", ()))
    return Origin(Layer[given["layer"]], _text(given["place"]), bool(given["manifest"]), parts)


def _decode_id(name: str) -> ObjectId:
    kind, _, rest = name.partition("/")
    if kind not in ("Secret", "ConfigMap") or not rest:
        raise ValueError("not an object of ours")
    return ObjectId(kind, rest)


def _decode_object(one: dict[str, Any], origins: list[Origin | None]) -> ObjectMemory:
    return ObjectMemory(
        uid=None if one["uid"] is None else _text(one["uid"]),
        keys={
            key: KeyMemory(origins[index], _text(changed), pending=bool(pending))
            for key, (index, changed, *pending) in one["keys"].items()
        },
        labels=tuple(map(_text, one.get("labels", ()))),
        annotations=tuple(map(_text, one.get("annotations", ()))),
        left=bool(one.get("left", False)),
        **{name: _text(one.get(name, "")) for name in _TEXTS},
    )


def _text(given: object) -> str:
    if not isinstance(given, str):
        raise TypeError("not a text")
    return given
