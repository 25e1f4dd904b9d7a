"""An approved plan: what a run may do, as it was reviewed. It only ever gives reasons for refusing a run. Pure.

`bridge plan --out` records everything that decides what a sync writes: the files, the documents' revisions, the
cluster, the flags and the changes. `bridge sync --plan` records the same from its own checkout and compares the two.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from bridge.errors import Problem
from bridge.http.servers import same_server
from bridge.named_tuple import NamedTuple
from bridge.objects import Layer, ObjectId
from bridge.plan.build import Allowed
from bridge.plan.change_times import FORMAT
from bridge.plan.diff import describe
from bridge.plan.model import Action, Change, FieldChange, Plan, What
from bridge.plan.state import Memory
from bridge.provider import UNVERSIONED

LONGEST: Final = timedelta(days=30)
"""How long a plan can be valid at most."""
CLOCKS: Final = timedelta(minutes=5)
"""How much the clocks of the API server's replicas may differ."""
_AGAIN: Final = "review what has changed, then make a new plan with `bridge plan ENV --out FILE`"
_MOVE: Final = "move the value to a source that keeps revisions"
_KEPT: Final = frozenset({What.KEEP, What.RECLAIM, What.REMOVE, What.RELEASE})
"""What happens to a field that gets no new value."""
ACTIONS: Final[Mapping[str, str]] = {
    Action.CREATE.value: "created",
    Action.UPDATE.value: "updated",
    Action.RECREATE.value: "deleted and created again",
    Action.DELETE.value: "deleted",
}
"""What a plan can say of an object, and how a message says it."""
KINDS: Final[Mapping[str, str]] = {
    What.ADD.value: "added",
    What.CHANGE.value: "changed",
    What.DRIFT.value: "changed back",
    What.RESTORE.value: "restored",
    What.RECLAIM.value: "taken over",
    What.REMOVE.value: "removed",
    What.RELEASE.value: "released",
    What.KEEP.value: "left as it is",
}
"""The same for a key, a label or an annotation."""
ALTERATIONS: Final[Mapping[str, str]] = {
    "dropped": "and an admission rule drops it",
    "rewritten": "and an admission rule rewrites it",
}


class SourceRecord(NamedTuple):
    """A document: where it was read, at which revision, and its hash if it is encrypted."""

    location: Mapping[str, str]
    addresses: tuple[str, ...]
    revision: str
    order: int | None
    series: str
    sha256: str


class ObjectRecord(NamedTuple):
    """What happens to an object. `fields` are its changed fields, such as `key A`, and what happens to them."""

    uid: str | None
    action: str
    fields: Mapping[str, str]


class EnvironmentRecord(NamedTuple):
    """What decides what a sync of one environment writes. `files` are SHA-256 hashes by path."""

    id: str
    namespace: str
    namespace_uid: str
    server: str
    files: Mapping[str, str]
    sources: Mapping[str, SourceRecord]
    objects: Mapping[str, ObjectRecord]


class ApprovedPlan(NamedTuple):
    """A plan as it was written to a file. `created` and `expires` are RFC 3339, by the API server's clock."""

    created: str
    expires: str
    flags: tuple[str, ...]
    environments: Mapping[str, EnvironmentRecord]


def flags_of(allowed: Allowed) -> tuple[str, ...]:
    """Return the flags that decide what a run may do, as on the command line."""
    given = {
        "--allow-shrink": allowed.shrink,
        "--allow-fallback": allowed.fallback,
        "--allow-older": allowed.older,
        "--prune": allowed.prune,
    }
    recreated = sorted(f"--recreate {id_}" for id_ in allowed.recreate)
    return (*(flag for flag, is_given in given.items() if is_given), *recreated)


def objects_of(plan: Plan) -> Mapping[str, ObjectRecord]:
    """Return the changes that a run would send, after the dry runs."""
    return {str(change.id): _object(change) for change in plan.changes if change.writes}


def _object(change: Change) -> ObjectRecord:
    fields = {describe(one.field): _kind(one) for one in change.fields if one.what is not What.KEEP or one.altered}
    return ObjectRecord(change.live.uid if change.live else None, change.action.value, fields)


def _kind(field_change: FieldChange) -> str:
    if field_change.altered is None:
        return field_change.what.value
    return f"{field_change.what.value}, {'dropped' if field_change.altered.dropped else 'rewritten'}"


def without_revision(plan: Plan, env_file: str) -> Iterator[Problem]:
    """Yield what a plan cannot pin down: documents without revisions, and new values from the env file.

    An unchanged value needs no revision: if the env file gives another value later, the change is not in the plan.
    """
    for name, revision in plan.sources.items():
        if revision == UNVERSIONED:
            what = "its store keeps no revisions, so a plan cannot be approved"
            yield Problem(name, what, "move it to a store with revisions, such as KV version 2")
    for change in plan.changes:
        for field_change in change.fields if change.writes else ():
            origin = field_change.origin
            if origin and field_change.what not in _KEPT and Layer.ENV_FILE in origin.layers:
                what = f"comes from {env_file}, which has no revision, so a plan cannot be approved"
                yield Problem(f"{change.id} {describe(field_change.field)}", what, _MOVE)


def lapsed(approved: ApprovedPlan, now: datetime, shown: str) -> Iterator[Problem]:
    """Yield why a plan is not valid at this time."""
    if now >= moment(approved.expires):
        yield Problem(shown, f"the plan expired at {approved.expires}", _AGAIN)
    elif moment(approved.created) - now > CLOCKS:
        what = f"the plan was made at {approved.created}, which is in the future"
        yield Problem(shown, what, "correct the clock of the API server, or make the plan again")


def moment(text: str) -> datetime:
    """Parse a time in the plan's format; ValueError."""
    return datetime.strptime(text, FORMAT).replace(tzinfo=UTC)


def differences(approved: EnvironmentRecord, now: EnvironmentRecord, memory: Memory, created: str) -> Iterator[Problem]:
    """Yield everything that differs from the plan.

    A change that bridge has carried out since the plan was `created` is no difference, so that a job can run again.
    """
    yield from _cluster(approved, now)
    yield from _files(approved.files, now.files)
    for name in sorted(approved.sources.keys() | now.sources.keys()):
        yield from _source(name, approved.sources.get(name), now.sources.get(name))
    for name in sorted(approved.objects.keys() | now.objects.keys()):
        before, after = approved.objects.get(name), now.objects.get(name)
        if before and after:
            yield from _changed(name, before, after)
        elif after:
            yield _differs(name, f"would be {ACTIONS[after.action]}, which is not in the plan")
        elif before and not _is_done(name, before, memory, created):
            yield _differs(name, f"is to be {ACTIONS[before.action]} in the plan, but needs no change now")


def different_flags(approved: Iterable[str], now: Iterable[str]) -> Iterator[Problem]:
    """Yield the flags that only the plan or only this run has."""
    before, after = set(approved), set(now)
    for flag in sorted(before ^ after):
        if flag in after:
            yield Problem(flag, "is not in the plan", "leave the flag out, or make a new plan with it")
        else:
            yield Problem(flag, "is in the plan, but this run does not have it", "add the flag, or make a new plan")


def _cluster(approved: EnvironmentRecord, now: EnvironmentRecord) -> Iterator[Problem]:
    for what, before, after in (
        ("id", approved.id, now.id),
        ("namespace", approved.namespace, now.namespace),
        ("the namespace's uid", approved.namespace_uid, now.namespace_uid),
    ):
        if before != after:
            yield _differs(what, f"the plan is for {before}, not for {after}")
    if not same_server(approved.server, now.server):
        yield _differs("the API server", f"the plan is for {approved.server}, not for {now.server}")


def _files(approved: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Problem]:
    for name in sorted(approved.keys() | now.keys()):
        if name not in now:
            yield _differs(name, "is in the plan, but not among the environment's files")
        elif name not in approved:
            yield _differs(name, "is not in the plan")
        elif approved[name] != now[name]:
            yield _differs(name, "has changed since the plan was made")


def _source(name: str, before: SourceRecord | None, after: SourceRecord | None) -> Iterator[Problem]:
    if before is None or after is None:
        yield _differs(name, "is not in the plan" if after else "is in the plan, but not among the sources")
        return
    for part in sorted(before.location.keys() | after.location.keys()):
        was, is_ = before.location.get(part, "(none)"), after.location.get(part, "(none)")
        if was != is_:
            yield _differs(name, f"its {part} is now {is_}, but {was} in the plan")
    if before.addresses != after.addresses:
        was, is_ = ", ".join(before.addresses) or "(none)", ", ".join(after.addresses) or "(none)"
        yield _differs(name, f"is now read from {is_}, but from {was} in the plan")
    if before.revision != after.revision:
        yield _differs(name, f"is now at revision {after.revision}, but at {before.revision} in the plan")
    elif (before.order, before.series) != (after.order, after.series):
        yield _differs(name, f"revision {after.revision} is not the one in the plan; it was written again")
    elif before.sha256 != after.sha256:
        yield _differs(name, "its content has changed since the plan was made")


def _changed(name: str, before: ObjectRecord, after: ObjectRecord) -> Iterator[Problem]:
    if before.uid != after.uid:
        yield _differs(name, f"its uid is now {after.uid or '(none)'}, but {before.uid or '(none)'} in the plan")
    if before.action != after.action:
        what = f"would be {ACTIONS[after.action]}, but is to be {ACTIONS[before.action]} in the plan"
        yield _differs(name, what)
    for field in sorted(before.fields.keys() | after.fields.keys()):
        was, is_ = before.fields.get(field, "keep"), after.fields.get(field, "keep")
        if was != is_:
            what = f"would be {_done(is_)}, but is to be {_done(was)} in the plan"
            yield _differs(f"{name} {field}", what)


def _done(kind: str) -> str:
    what, _, altered = kind.partition(", ")
    return " ".join(filter(None, (KINDS[what], ALTERATIONS.get(altered))))


def _is_done(name: str, before: ObjectRecord, memory: Memory, created: str) -> bool:
    """Whether bridge has written an object, or begun to, since the plan was made."""
    known = memory.objects.get(ObjectId(*name.split("/", 1)))
    if known is None or before.action == Action.DELETE.value:
        return False
    is_same = before.action == Action.RECREATE.value or before.uid in (None, known.uid)
    return is_same and max((*known.times, known.created)) >= created


def _differs(where: str, what: str) -> Problem:
    return Problem(where, what, _AGAIN)
