"""What a run has to tell on the objects themselves: one short note for each that was changed or refused."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from bridge.errors import Problem
from bridge.objects import ObjectId
from bridge.plan.model import Action, Change, FieldChange, Plan, What

DRIFTS: Final = {What.DRIFT, What.RESTORE, What.RECLAIM}
LONGEST: Final = 1000
"""Characters. What shows Events expects 1024 at most, as the newer API (events.k8s.io/v1) admits."""


class Note(NamedTuple):
    """What became of one object. The message names keys and managers, never a value."""

    id: ObjectId
    uid: str  # empty where the object is not there
    reason: str  # Synced, Drifted, Altered, Pruned, Refused or Failed
    message: str
    warning: bool


def notes(plan: Plan, written: Mapping[ObjectId, str], failures: Iterable[Problem], memory: ObjectId) -> Iterator[Note]:
    """Yield a note for each object that was written (with its uid) or refused.

    A refusal that names none of the plan's objects is noted on the memory; a failure that does is no matter of an
    object.
    """
    changes = {str(change.id): change for change in plan.changes}
    for change in plan.changes:
        if change.id in written:
            yield _written(change, written[change.id])
    yield from _told(plan.refusals, changes, "Refused", memory)
    yield from _told(failures, changes, "Failed", None)


def _written(change: Change, uid: str) -> Note:
    if change.action is Action.DELETE:
        return Note(change.id, uid, "Pruned", "bridge deleted it: it left the templates", warning=False)
    drifted = change.restored or any(one.what in DRIFTS and not one.altered for one in change.changed)
    altered = bool(change.altered)
    done = {Action.CREATE: "created", Action.RECREATE: "deleted and created again"}.get(change.action, "updated")
    story = "; ".join(_stories(change)) or "its type or whether it is immutable"
    again = " after somebody deleted it" if change.restored else ""
    reason = "Drifted" if drifted else "Altered" if altered else "Synced"
    return Note(change.id, uid, reason, _bounded(f"bridge {done} it{again}: {story}"), warning=altered or drifted)


def _stories(change: Change) -> Iterator[str]:
    """Yield one part for each thing that happened to keys, and the names of those."""
    words = {
        What.ADD: "added",
        What.CHANGE: "changed at the source",
        What.DRIFT: "taken back from",
        What.RESTORE: "removed by somebody, restored",
        What.RECLAIM: "owned again by bridge alone",
        What.REMOVE: "removed",
        What.RELEASE: "given up",
    }
    for what, text in words.items():
        fields = [one for one in change.changed if one.what is what and not one.altered]
        if fields:
            by = sorted({manager.name for one in fields for manager in one.by}) if what is What.DRIFT else []
            yield f"{' '.join([text, ' and '.join(by)]).rstrip()}: {_names(fields)}"
    if change.altered:
        yield f"altered by an admission rule of the cluster: {_names(change.altered)}"


def _names(fields: Iterable[FieldChange]) -> str:
    return ", ".join(one.field.name or one.field.section for one in fields)


def _told(
    problems: Iterable[Problem], changes: Mapping[str, Change], reason: str, otherwise: ObjectId | None
) -> Iterator[Note]:
    found: dict[tuple[ObjectId, str], list[str]] = {}
    for problem in problems:
        change = changes.get(problem.where.partition(" ")[0].rstrip(":"))
        id_ = change.id if change else otherwise
        if id_:
            uid = change.live.uid if change and change.live else ""
            found.setdefault((id_, uid), []).append(problem.what if change else str(problem))
    for (id_, uid), texts in found.items():
        yield Note(id_, uid, reason, _bounded("; ".join(dict.fromkeys(texts))), warning=True)


def _bounded(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
