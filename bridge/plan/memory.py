"""What was written last: objects, keys with their layers, the sources' revisions. No value, no digest of one."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from bridge.objects import Field, Layer, Live, ObjectId, Origin
from bridge.provider import Revision

VERSION: Final = 1


class UnreadableMemoryError(ValueError):
    """The text is not a memory: damaged, or of another version (`newer`)."""

    def __init__(self, *, newer: bool = False) -> None:
        super().__init__("written by a newer bridge" if newer else "not a memory")
        self.newer = newer


@dataclass(frozen=True)
class KeyMemory:
    """A key as bridge wrote it last. `origin` is None where a lost memory was rebuilt."""

    origin: Origin | None
    changed: str  # RFC 3339, in UTC, to the second


@dataclass(frozen=True)
class ObjectMemory:
    """An object as bridge wrote it last.

    `uid` is None until its creation is known to have happened. `left` marks one that left the
    templates and stayed in the cluster.
    """

    uid: str | None
    keys: Mapping[str, KeyMemory]
    labels: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()
    left: bool = False

    def wrote(self, item: Field) -> bool:
        """Say whether bridge wrote this field last."""
        names = {"data": self.keys, "labels": self.labels, "annotations": self.annotations}
        return item.name in names.get(item.section, ())


@dataclass(frozen=True)
class Memory:
    """One environment's memory. `lost` tells why it had to be rebuilt, where it had to be."""

    objects: Mapping[ObjectId, ObjectMemory] = field(default_factory=dict)
    sources: Mapping[str, Revision] = field(default_factory=dict)
    lost: str | None = None

    def union(self, newer: "Memory") -> "Memory":
        """Return what may be true while the newer state is being written: everything of both."""
        objects = dict(self.objects)
        for id_, theirs in newer.objects.items():
            ours = objects.get(id_)
            objects[id_] = theirs if ours is None else _merged(ours, theirs)
        return Memory(objects, {**self.sources, **newer.sources})


def _merged(older: ObjectMemory, newer: ObjectMemory) -> ObjectMemory:
    return ObjectMemory(
        uid=newer.uid or older.uid,
        keys={**older.keys, **newer.keys},
        labels=tuple(sorted({*older.labels, *newer.labels})),
        annotations=tuple(sorted({*older.annotations, *newer.annotations})),
        left=newer.left,
    )


def rebuilt(live: Iterable[Live], manager: str, reason: str) -> Memory:
    """Rebuild what managedFields still tell of our writes, after the memory was lost."""
    objects: dict[ObjectId, ObjectMemory] = {}
    for one in live:
        ours = [entry for entry in one.managers if entry.name == manager and entry.operation == "Apply"]
        fields = {item for entry in ours for item in entry.fields}
        if not fields:
            continue
        changed = max(entry.time for entry in ours)
        names = {section: sorted(item.name for item in fields if item.section == section) for section in _SECTIONS}
        objects[one.id] = ObjectMemory(
            uid=one.uid,
            keys={name: KeyMemory(None, changed) for name in names["data"]},
            labels=tuple(names["labels"]),
            annotations=tuple(names["annotations"]),
        )
    return Memory(objects, lost=reason)


_SECTIONS: Final = ("data", "labels", "annotations")


def encode(memory: Memory) -> str:
    """Write a memory as JSON. Origins recur in every key, so they stand once, in a list that the keys count into."""
    origins: dict[Origin | None, int] = {}
    objects = {
        str(id_): {
            "uid": one.uid,
            "keys": {
                key: [origins.setdefault(_durable(known.origin), len(origins)), known.changed]
                for key, known in sorted(one.keys.items())
            },
            **({"labels": list(one.labels)} if one.labels else {}),
            **({"annotations": list(one.annotations)} if one.annotations else {}),
            **({"left": True} if one.left else {}),
        }
        for id_, one in sorted(memory.objects.items())
    }
    document = {
        "version": VERSION,
        "objects": objects,
        "origins": [_encode_origin(origin) for origin in origins],
        "sources": {name: {"revision": r.id, "order": r.order} for name, r in sorted(memory.sources.items())},
    }
    return json.dumps(document, separators=(",", ":"))


def _durable(origin: Origin | None) -> Origin | None:
    """Keep what is the same for every kind of run: an operator's paths of files are not."""
    return origin and Origin(origin.layer, origin.place if origin.layer is Layer.SOURCE else "", origin.manifest)


def _encode_origin(origin: Origin | None) -> dict[str, object] | None:
    if origin is None:
        return None
    return {"layer": origin.layer.name, "place": origin.place, "manifest": origin.manifest}


def decode(text: str) -> Memory:
    """Read a memory; raises UnreadableMemoryError, which never holds the text."""
    try:
        document = json.loads(text)
        newer = document["version"] > VERSION
        memory = None if newer else _decode(document)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        newer, memory = False, None
    if memory is None:
        raise UnreadableMemoryError(newer=newer)
    return memory


def _decode(document: dict[str, Any]) -> Memory:
    origins = [
        None if given is None else Origin(Layer[given["layer"]], given["place"], given["manifest"])
        for given in document["origins"]
    ]
    objects = {
        ObjectId(*name.split("/", 1)): ObjectMemory(
            uid=one["uid"],
            keys={key: KeyMemory(origins[index], changed) for key, (index, changed) in one["keys"].items()},
            labels=tuple(one.get("labels", ())),
            annotations=tuple(one.get("annotations", ())),
            left=one.get("left", False),
        )
        for name, one in document["objects"].items()
    }
    sources = {name: Revision(given["revision"], given["order"]) for name, given in document["sources"].items()}
    return Memory(objects, sources)
