"""Compares two versions of a document by what they show without a key: values, recipients and encryption rules."""

from collections.abc import Collection, Iterator, Mapping

from bridge.config.reference import Reference
from bridge.named_tuple import NamedTuple
from bridge.provider import Leaf, Outline, Reader, Rules
from bridge.review.change import ChangeKind, SettingChange, differing, sides, what
from bridge.review.state import DocumentState, Side

SEALED, CLEAR, EMPTY = "encrypted", "in plaintext", "empty"
_WHOLE = "the whole file"
SAME_KEY = (
    "a removed recipient can still decrypt it, because the data key is the same: "
    "run `sops rotate -i FILE`, then set new values"
)
NEW_KEY = "nothing of it is encrypted as before: probably a new data key"
SAME_MAC = "its values changed, but its MAC did not: sops and bridge will refuse it"
NO_MAC = "it has no MAC: sops and bridge will refuse it"
OLDER = "its time (`lastmodified`) is earlier than before: `sync` refuses it unless `accept_older` names it"
UNREAD = "its values are not compared: it cannot be read on one side"


class ValueChange(NamedTuple):
    """A value that is stored differently: its place as text, how it is stored on both sides, and its ciphertexts.

    `fresh` are the ciphertexts that the older side does not have anywhere in the document.
    """

    name: str
    before: str | None
    after: str | None
    fresh: tuple[bytes, ...] = ()

    @property
    def what(self) -> ChangeKind:
        """What the change does to the value."""
        return what(self.before, self.after)


class ReaderChange(NamedTuple):
    """A recipient that is added or removed; `group` counts from 1 if there are several groups."""

    what: ChangeKind
    kind: str
    id: str
    group: int | None = None


class RulesChange(NamedTuple):
    """How recipients and encryption rules differ."""

    readers: tuple[ReaderChange, ...] = ()
    settings: tuple[SettingChange, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.readers or self.settings)


class OutlineChange(NamedTuple):
    """How a document differs.

    - `name`: its reference, and `renamed_from`: the reference of the older side, if its file has another name now.
    - `path`, `old_path`: its file on both sides.
    - `rules_file`: the file that has the rules for new files.
    """

    name: str
    what: ChangeKind
    path: str | None
    old_path: str | None
    renamed_from: str | None = None
    values: tuple[ValueChange, ...] = ()
    own: RulesChange = RulesChange()
    new_files: RulesChange = RulesChange()
    rules_file: str | None = None
    notes: tuple[str, ...] = ()


def document_changes(before: Side, after: Side) -> tuple[OutlineChange, ...]:
    """Return the documents that differ."""
    old, new = before.documents, after.documents
    renamed = _renamed(old, new)
    changes = []
    for reference, one, other in sides(old, new):
        if reference in renamed.values() and other is None:
            continue
        source = renamed.get(reference)
        change = _change(str(reference), old[source] if source else one, other)
        if change:
            changes.append(change._replace(renamed_from=str(source) if source else None))
    return tuple(changes)


def _renamed(
    old: Mapping[Reference, DocumentState], new: Mapping[Reference, DocumentState]
) -> Mapping[Reference, Reference]:
    """Return, for each document that only the newer side has, the document that it shares ciphertexts with."""
    left = {one: _sealed(old[one].outline) for one in old if one not in new}
    found: dict[Reference, Reference] = {}
    for reference in (one for one in new if one not in old):
        sealed = _sealed(new[reference].outline)
        best = max(left, key=lambda one: len(left[one] & sealed), default=None)
        if best is not None and left[best] & sealed:
            found[reference] = best
            del left[best]
    return found


def _change(name: str, old: DocumentState | None, new: DocumentState | None) -> OutlineChange | None:
    before, after = (side.outline if side else None for side in (old, new))
    values: tuple[ValueChange, ...] = ()
    own, new_files = RulesChange(), RulesChange()
    if not any(side and side.is_unread for side in (old, new)):
        values = _values(before, after)
        own = rules_change(before.rules if before else None, after.rules if after else None)
    if old and new and not (old.are_rules_unread or new.are_rules_unread):
        new_files = rules_change(old.rules, new.rules)
    verdict = what(old, new)
    if verdict is ChangeKind.CHANGE:
        if _is_present(old) != _is_present(new):
            verdict = ChangeKind.ADD if _is_present(new) else ChangeKind.REMOVE
        elif not (values or own or new_files or _is_rewritten(old, new)):
            return None
    rules_file = new.rules_file if new else None
    return OutlineChange(
        name,
        verdict,
        new.path if new else None,
        old.path if old else None,
        values=values,
        own=own,
        new_files=new_files,
        rules_file=rules_file or (old.rules_file if old else None),
        notes=(*_unread(old, new), *_notes(before, after, values, own)),
    )


def _unread(old: DocumentState | None, new: DocumentState | None) -> Iterator[str]:
    """Yield why the values of a document are not compared."""
    if any(side and side.is_unread for side in (old, new)):
        yield UNREAD


def _is_rewritten(old: DocumentState | None, new: DocumentState | None) -> bool:
    """Whether a file has another name or content, even if nothing else differs."""
    if not (old and new and old.outline and new.outline):
        return bool(old and new and old.is_unread != new.is_unread)
    return old.path != new.path or old.outline.revision.id != new.outline.revision.id


def _is_present(side: DocumentState | None) -> bool:
    """Whether a side has the file; a file that cannot be read exists."""
    return side is not None and (side.outline is not None or side.is_unread)


def _values(before: Outline | None, after: Outline | None) -> tuple[ValueChange, ...]:
    old, new = (side.leaves if side else {} for side in (before, after))
    known = _sealed(before)
    return tuple(
        ValueChange(
            place_name(place),
            storage(one) if one else None,
            storage(other) if other else None,
            tuple(sealed for sealed in other.sealed if sealed not in known) if other else (),
        )
        for place, one, other in sides(old, new)
        if one is None or other is None or not one.same_as(other)
    )


def storage(leaf: Leaf) -> str:
    """Describe how a value is stored."""
    if leaf.sealed:
        return SEALED if all(value.is_empty() for value in leaf.clear) else f"partly {SEALED}"
    return CLEAR if any(not value.is_empty() for value in leaf.clear) else EMPTY


def place_name(place: tuple[int, tuple[str, ...]]) -> str:
    """Format the place of a value."""
    number, keys = place
    name = ".".join(keys) or _WHOLE
    return f"{name} (document {number + 1})" if number else name


def _sealed(outline: Outline | None) -> frozenset[bytes]:
    leaves = outline.leaves.values() if outline else ()
    return frozenset(sealed for leaf in leaves for sealed in leaf.sealed)


def rules_change(before: Rules | None, after: Rules | None) -> RulesChange:
    """Return how recipients and settings differ."""
    old, new = (_readers(side) for side in (before, after))
    grouped = any(reader.group for reader in (*old, *new))
    readers = [
        ReaderChange(verdict, reader.kind, reader.id, reader.group + 1 if grouped else None)
        for verdict, here, there in ((ChangeKind.ADD, new, old), (ChangeKind.REMOVE, old, new))
        for reader in here
        if reader not in there
    ]
    settings = differing(before.settings if before else {}, after.settings if after else {})
    return RulesChange(tuple(readers), settings)


def _readers(rules: Rules | None) -> Collection[Reader]:
    """Return the recipients without their wrapped keys, each once, in order."""
    return dict.fromkeys(reader._replace(wrapped="") for reader in (rules.readers if rules else ()))


def _notes(
    before: Outline | None, after: Outline | None, values: Collection[ValueChange], own: RulesChange
) -> Iterator[str]:
    if after is not None and not after.mac:
        yield NO_MAC
    if before is None or after is None:
        return
    if _has_same_key(before, after):
        if any(reader.what is ChangeKind.REMOVE for reader in own.readers):
            yield SAME_KEY
    elif _sealed(before) and _sealed(after):
        yield NEW_KEY
    counted = [one for one in values if SEALED in f"{one.before}{one.after}"]
    is_counted = counted if after.rules.settings.get("mac_only_encrypted") == "true" else values
    if is_counted and after.mac and before.mac == after.mac:
        yield SAME_MAC
    old, new = before.revision.order, after.revision.order
    if old is not None and new is not None and new < old:
        yield OLDER


def _has_same_key(before: Outline, after: Outline) -> bool:
    """Whether two versions are proven to have the same data key: wrapped keys and ciphertexts are never made twice."""
    wrapped = [{reader.wrapped for reader in side.rules.readers if reader.wrapped} for side in (before, after)]
    return bool(wrapped[0] & wrapped[1] or _sealed(before) & _sealed(after))
