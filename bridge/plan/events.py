"""Creates the Events that a run records on its objects: one short note for each changed or refused object."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from bridge.errors import Problem
from bridge.named_tuple import NamedTuple
from bridge.objects import ObjectId
from bridge.plan.model import Action, Change, FieldChange, Plan, What

DRIFTS: Final = {What.DRIFT, What.RESTORE, What.RECLAIM}
LONGEST: Final = 1000
"""Characters. Tools that show Events expect 1024 at most, the limit of the newer API (events.k8s.io/v1)."""


class Note(NamedTuple):
    """What happened to one object. The message names keys and managers, never a value."""

    id: ObjectId
    uid: str  # empty if the object does not exist
    reason: str  # Synced, Drifted, Altered, Pruned, Refused or Failed
    message: str
    warning: bool


def notes(plan: Plan, written: Mapping[ObjectId, str], failures: Iterable[Problem], memory: ObjectId) -> Iterator[Note]:
    """Yield a note for each object that was written (with its UID) or refused.

    A refusal that names none of the plan's objects is noted on the state ConfigMap. A failure that names none is not
    noted.
    """
    changes = {str(change.id): change for change in plan.changes}
    for change in plan.changes:
        if change.id in written:
            yield _written(change, written[change.id])
    yield from _problem_notes(plan.refusals, changes, "Refused", memory)
    yield from _problem_notes(failures, changes, "Failed", None)


def _written(change: Change, uid: str) -> Note:
    if change.action is Action.DELETE:
        return Note(
            change.id, uid, "Pruned", "bridge deleted it because it is no longer in the templates", warning=False
        )
    drifted = change.restored or any(field.what in DRIFTS and not field.altered for field in change.changed)
    altered = bool(change.altered)
    done = {Action.CREATE: "created", Action.RECREATE: "deleted and created again"}.get(change.action, "updated")
    story = "; ".join(_phrases(change)) or "its type or immutability"
    again = " after someone else deleted it" if change.restored else ""
    reason = "Drifted" if drifted else "Altered" if altered else "Synced"
    return Note(change.id, uid, reason, _bounded(f"bridge {done} it{again}: {story}"), warning=altered or drifted)


def _phrases(change: Change) -> Iterator[str]:
    """Yield a phrase for each thing that happened to keys, with the keys' names."""
    words = {
        What.ADD: "added",
        What.CHANGE: "changed at the source",
        What.DRIFT: "taken back from",
        What.RESTORE: "removed by someone else, restored",
        What.RECLAIM: "owned only by bridge again",
        What.REMOVE: "removed",
        What.RELEASE: "released",
    }
    for what, text in words.items():
        fields = [field for field in change.changed if field.what is what and not field.altered]
        if fields:
            by = sorted({manager.name for field in fields for manager in field.by}) if what is What.DRIFT else []
            yield f"{' '.join([text, ' and '.join(by)]).rstrip()}: {_names(fields)}"
    if change.altered:
        yield f"altered by an admission rule: {_names(change.altered)}"


def _names(fields: Iterable[FieldChange]) -> str:
    return ", ".join(change.field.name or change.field.section for change in fields)


def _problem_notes(
    problems: Iterable[Problem], changes: Mapping[str, Change], reason: str, otherwise: ObjectId | None
) -> Iterator[Note]:
    texts_by_object: dict[tuple[ObjectId, str], list[str]] = {}
    for problem in problems:
        change = changes.get(problem.where.partition(" ")[0].rstrip(":"))
        id_ = change.id if change else otherwise
        if id_:
            uid = change.live.uid if change and change.live else ""
            texts_by_object.setdefault((id_, uid), []).append(problem.what if change else str(problem))
    for (id_, uid), texts in texts_by_object.items():
        yield Note(id_, uid, reason, _bounded("; ".join(dict.fromkeys(texts))), warning=True)


def _bounded(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
