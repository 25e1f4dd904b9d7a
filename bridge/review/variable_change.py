"""Compares where an environment's variables come from, and how their values are stored."""

from collections.abc import Iterator, Mapping
from typing import Final

from bridge.config.template import all_uses
from bridge.named_tuple import NamedTuple
from bridge.review.change import ChangeKind, sides, what
from bridge.review.state import Side, are_comparable
from bridge.review.variable_origin import Given, Leaves, Origins, same

NEW: Final = "new ciphertext"


class VariableChange(NamedTuple):
    """How a variable differs: why its value may be another one, what uses it, and its new ciphertexts."""

    name: str
    what: ChangeKind
    reasons: tuple[str, ...]
    uses: tuple[str, ...]
    fresh: frozenset[bytes] = frozenset()


def variables(before: Side, after: Side) -> tuple[VariableChange, ...]:
    """Return the variables that differ, if files and templates can be read on both sides."""
    if not are_comparable(before, after):
        return ()
    old, new = (_uses(side) for side in (before, after))
    origins = Origins(before), Origins(after)
    changes = []
    for name, one, other in sides(old, new):
        verdict = what(one, other)
        given = [side.of(name) if uses is not None else None for side, uses in zip(origins, (one, other), strict=True)]
        reasons = tuple(_reasons(*given))
        if verdict is not ChangeKind.CHANGE or reasons:
            uses = other if other is not None else one
            fresh = _sealed(given[1]) - _sealed(given[0])
            changes.append(VariableChange(name, verdict, reasons, tuple(uses or ()), fresh))
    return tuple(changes)


def _uses(state: Side) -> Mapping[str, list[str]]:
    """Return what uses each variable."""
    uses: dict[str, list[str]] = {}
    for use in all_uses({one.id: one for one in state.templates or ()}):
        for name in sorted(use.names):
            uses.setdefault(name, []).append(f"{use.object} key {use.key}")
    if state.environment:
        for name in state.environment.infrastructure:
            uses.setdefault(name, []).append("infrastructure")
    return uses


def _reasons(before: Given | None, after: Given | None) -> Iterator[str]:
    """Yield why the value of a variable may be another one."""
    if before is None or after is None:
        given = before or after
        assert given is not None
        yield f"from {given.shown}"
        return
    if before.shown != after.shown:
        yield f"from {after.shown} instead of {before.shown}"
    if before.decode != after.decode:
        yield "decoded from base64" if after.decode else "no longer decoded from base64"
    if before.leaves is None or after.leaves is None:
        if before.leaves is not after.leaves:
            yield "cannot be compared"
    elif not same(before.leaves, after.leaves):
        yield from _stored(before.leaves, after.leaves)


def _sealed(given: Given | None) -> frozenset[bytes]:
    leaves = (given.leaves or {}).values() if given else ()
    return frozenset(ciphertext for leaf in leaves for ciphertext in leaf.sealed)


def _stored(before: Leaves, after: Leaves) -> Iterator[str]:
    if not before or not after:
        return  # another place is reported already
    was, is_ = (all(leaf.sealed for leaf in side.values()) for side in (before, after))
    if was and is_:
        yield NEW
    elif was:
        yield "no longer encrypted"
    else:
        yield "encrypted now" if is_ else "another value in plaintext"
