"""Judges what the API server's dry run made of a change: an admission rule may rewrite or undo it."""

from collections.abc import Iterator

from bridge.errors import Problem
from bridge.objects import Live
from bridge.plan.diff import describe, equals, wanted
from bridge.plan.model import Action, Change, FieldChange, What


def after_dry_run(change: Change, result: Live | None) -> tuple[Change, tuple[Problem, ...]]:
    """Return the change as it really would be, and what to tell about rules that rewrite it.

    A change without any effect is kept back: sending it on every run would fight the rule.
    """
    if change.desired is None or result is None:
        return change, ()
    warnings = tuple(_rewritten(change, result))
    if change.live is not None and _equal(change.live, result):
        kept = tuple(FieldChange(one.field, What.KEEP, one.origin) for one in change.fields)
        return change._replace(action=Action.KEEP, fields=kept), warnings
    return change, warnings


def _rewritten(change: Change, result: Live) -> Iterator[Problem]:
    assert change.desired is not None
    for item in wanted(change.desired):
        if not equals(change.desired, result, item):
            what = "an admission rule of the cluster rewrites this value"
            yield Problem(f"{change.id} {describe(item)}", what, "ask who runs that rule; bridge does not fight it")


def _equal(live: Live, result: Live) -> bool:
    return (
        live.data.keys() == result.data.keys()
        and all(value.same_as(result.data[key]) for key, value in live.data.items())
        and (live.type, live.immutable, live.labels, live.annotations)
        == (result.type, result.immutable, result.labels, result.annotations)
        and {(one.name, one.operation, one.fields) for one in live.managers}
        == {(one.name, one.operation, one.fields) for one in result.managers}
    )
