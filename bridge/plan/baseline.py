"""Compares a plan with what was written last: shrinking and falling back are never silent."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from bridge.errors import Problem
from bridge.objects import Desired, Entry, Layer, Live, ObjectId, Origin, Part
from bridge.plan.state import KeyMemory, Memory
from bridge.provider import Revision

SHRINK_HINT = "if it is meant so, run again with --allow-shrink"
OLDER_HINT = "bring it up to date; where the older one is meant, name it under `accept_older`, or use --allow-older"
FALLBACK_HINT = "restore the field, or run again with --allow-fallback"


class Now(NamedTuple):
    """What the sources and the cluster say now. `manifests` are the keys that each source of manifests gives."""

    desired: Sequence[Desired]
    manifests: Mapping[str, frozenset[tuple[ObjectId, str]]]
    live: Mapping[ObjectId, Live | None]


def shrinking(now: Now, memory: Memory) -> Iterator[Problem]:
    """Yield what would be lost in a way that needs --allow-shrink."""
    yield from _lost_share(now.desired, memory)
    for one in now.desired:
        for key, entry in one.keys.items():
            known = _known(memory, one.id, key)
            where = f"{one.id} key {key}"
            if known and known.origin and _manifest_lost(now, known.origin, one.id, key, entry):
                yield Problem(where, f"{known.origin.place} gave it last time and gives it no more", SHRINK_HINT)
            elif _would_be_emptied(now.live.get(one.id), key, entry, known):
                yield Problem(where, f"would become empty, as {entry.origin.place} now has it", SHRINK_HINT)


def _manifest_lost(now: Now, before: Origin, id_: ObjectId, key: str, entry: Entry) -> bool:
    """Say whether a source of manifests has lost a key; one that is listed no more has not, if another has the key."""
    if not before.manifest:
        return False
    if before.place in now.manifests:
        return (id_, key) not in now.manifests[before.place]
    return entry.origin.layer is not Layer.SOURCE


def _lost_share(desired: Sequence[Desired], memory: Memory) -> Iterator[Problem]:
    wanted = {one.id: one for one in desired}
    before = {id_: one for id_, one in memory.objects.items() if not one.left}
    objects = [str(id_) for id_ in before if id_ not in wanted]
    if objects and len(objects) * 2 >= len(before):
        what = f"{len(objects)} of {len(before)} objects left the templates: {', '.join(sorted(objects))}"
        yield Problem("", what, SHRINK_HINT)
        return
    had = [(id_, key) for id_, one in before.items() for key in one.keys]
    lost = [f"{id_} key {key}" for id_, key in had if id_ not in wanted or key not in wanted[id_].keys]
    if len(had) >= 4 and len(lost) * 2 >= len(had):
        yield Problem("", f"{len(lost)} of {len(had)} keys left the templates: {', '.join(sorted(lost))}", SHRINK_HINT)


def _would_be_emptied(live: Live | None, key: str, entry: Entry, known: KeyMemory | None) -> bool:
    if live is None or known is None or not entry.value.is_empty():
        return False
    before = live.data.get(key)
    return before is not None and not before.is_empty()


def stepping_back(sources: Mapping[str, Revision], memory: Memory, accepted: Mapping[str, str]) -> Iterator[Problem]:
    """Yield the sources that are older than what was written from them last, unless that revision is accepted."""
    for name, now in sources.items():
        before = memory.sources.get(name)
        if before is None or before.order is None or now.order is None or before.series != now.series:
            continue
        if now.order < before.order and accepted.get(name) != now.id:
            what = f"is older than what was written last: {now.id} now, {before.id} then"
            yield Problem(name, what, OLDER_HINT)


def falling_back(desired: Sequence[Desired], memory: Memory) -> Iterator[Problem]:
    """Yield the keys that a lower layer would now give."""
    for one in desired:
        for key, entry in one.keys.items():
            known = _known(memory, one.id, key)
            if known is None or known.origin is None or known.origin.manifest:
                continue  # a manifest's loss is shrinking
            for before, after in _lowered(known.origin, entry.origin):
                what = f"came from {_place(before)}, and would now come from {_place(after)}"
                yield Problem(f"{one.id} key {key}", what, FALLBACK_HINT)


def _lowered(before: Origin, after: Origin) -> Iterator[tuple[Origin | Part, Origin | Part]]:
    """Yield what stands lower than last time: of a composed value each variable by its name, else the value."""
    if len(before.parts) < 2:
        highest = min(after.layers)
        if highest > before.layer:
            yield before, after
        return
    now = {part.name: part for part in after.parts}
    for part in before.parts:
        if part.name in now and now[part.name].layer > part.layer:
            yield part, now[part.name]


def _place(given: Origin | Part) -> str:
    return {Layer.ENV_FILE: "the env file", Layer.TEMPLATE: "the template"}.get(given.layer, given.place)


def _known(memory: Memory, id_: ObjectId, key: str) -> KeyMemory | None:
    known = memory.objects.get(id_)
    return known.keys.get(key) if known else None
