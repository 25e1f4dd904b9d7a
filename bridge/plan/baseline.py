"""Compares a plan with what was written last, so that a shrinking or fallback is never silent."""

from collections.abc import Iterator, Mapping, Sequence

from bridge.errors import Problem
from bridge.named_tuple import NamedTuple
from bridge.objects import Desired, Entry, Layer, Live, ObjectId, Origin, Part
from bridge.plan.state import KeyMemory, Memory
from bridge.provider import Revision

SHRINK_HINT = "if this is intended, run again with --allow-shrink"
OLDER_HINT = "update it; if the older one is intended, add it to `accept_older` or use --allow-older"
FALLBACK_HINT = "restore the field, or run again with --allow-fallback"


class Now(NamedTuple):
    """The sources' and the cluster's current content. `manifests` are the keys that each source of manifests gives."""

    desired: Sequence[Desired]
    manifests: Mapping[str, frozenset[tuple[ObjectId, str]]]
    live: Mapping[ObjectId, Live | None]


def shrinking(now: Now, memory: Memory) -> Iterator[Problem]:
    """Yield what would be lost and needs --allow-shrink."""
    yield from _lost_share(now.desired, memory)
    for object_ in now.desired:
        for key, entry in object_.keys.items():
            known = _recorded_key(memory, object_.id, key)
            where = f"{object_.id} key {key}"
            if known and known.origin and _manifest_lost(now, known.origin, object_.id, key, entry):
                yield Problem(where, f"no longer in {known.origin.place}, which gave it last time", SHRINK_HINT)
            elif _would_be_emptied(now.live.get(object_.id), key, entry, known):
                yield Problem(where, f"would become empty, as it is now empty in {entry.origin.place}", SHRINK_HINT)


def _manifest_lost(now: Now, before: Origin, id_: ObjectId, key: str, entry: Entry) -> bool:
    """Whether a manifest source has lost a key. A source that is no longer listed has not if another gives the key."""
    if not before.manifest:
        return False
    if before.place in now.manifests:
        return (id_, key) not in now.manifests[before.place]
    return entry.origin.layer is not Layer.SOURCE


def _lost_share(desired: Sequence[Desired], memory: Memory) -> Iterator[Problem]:
    wanted = {one.id: one for one in desired}
    before = {id_: known for id_, known in memory.objects.items() if not known.left}
    objects = [str(id_) for id_ in before if id_ not in wanted]
    if objects and len(objects) * 2 >= len(before):
        what = f"{len(objects)} of {len(before)} objects are no longer in the templates: {', '.join(sorted(objects))}"
        yield Problem("", what, SHRINK_HINT)
        return
    had = [(id_, key) for id_, known in before.items() for key in known.keys]
    lost = [f"{id_} key {key}" for id_, key in had if id_ not in wanted or key not in wanted[id_].keys]
    if len(had) >= 4 and len(lost) * 2 >= len(had):
        yield Problem(
            "", f"{len(lost)} of {len(had)} keys are no longer in the templates: {', '.join(sorted(lost))}", SHRINK_HINT
        )


def _would_be_emptied(live: Live | None, key: str, entry: Entry, known: KeyMemory | None) -> bool:
    if live is None or known is None or not entry.value.is_empty():
        return False
    before = live.data.get(key)
    return before is not None and not before.is_empty()


def stepping_back(sources: Mapping[str, Revision], memory: Memory, accepted: Mapping[str, str]) -> Iterator[Problem]:
    """Yield the sources that are older than their last written revision, unless the older revision is accepted."""
    for name, now in sources.items():
        before = memory.sources.get(name)
        if before is None or before.order is None or now.order is None or before.series != now.series:
            continue
        if now.order < before.order and accepted.get(name) != now.id:
            what = f"is older than the last revision written: now {now.id}, then {before.id}"
            yield Problem(name, what, OLDER_HINT)


def falling_back(desired: Sequence[Desired], memory: Memory) -> Iterator[Problem]:
    """Yield the keys that would now come from a lower layer."""
    for object_ in desired:
        for key, entry in object_.keys.items():
            known = _recorded_key(memory, object_.id, key)
            if known is None or known.origin is None or known.origin.manifest:
                continue  # losing a manifest counts as shrinking
            for before, after in _lowered(known.origin, entry.origin):
                what = f"came from {_place(before)} but would now come from {_place(after)}"
                yield Problem(f"{object_.id} key {key}", what, FALLBACK_HINT)


def _lowered(before: Origin, after: Origin) -> Iterator[tuple[Origin | Part, Origin | Part]]:
    """Yield what is on a lower layer than last time: each variable of a composed value, else the value."""
    if len(before.parts) < 2:
        highest = min(after.layers)
        if highest > before.layer:
            yield before, after
        return
    now = {part.name: part for part in after.parts}
    for part in before.parts:
        if part.name in now and now[part.name].layer > part.layer:
            yield part, now[part.name]


def _place(origin: Origin | Part) -> str:
    return {Layer.ENV_FILE: "the env file", Layer.TEMPLATE: "the template"}.get(origin.layer, origin.place)


def _recorded_key(memory: Memory, id_: ObjectId, key: str) -> KeyMemory | None:
    known = memory.objects.get(id_)
    return known.keys.get(key) if known else None
