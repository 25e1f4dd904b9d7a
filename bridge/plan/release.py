"""The commands that release an object from its operator, in their order. Pure; each command can be repeated."""

from collections.abc import Iterator
from typing import Final

from bridge.objects import Live
from bridge.plan.controllers import OPERATORS, Controller, marks_of
from bridge.shell import command

_KEEP: Final = '{"spec":{"target":{"creationPolicy":"Orphan","deletionPolicy":"Retain"}}}'
_EXTERNAL: Final = "external-secrets.io"
_CREATED_BY: Final = "reconcile.external-secrets.io/created-by"
_NO_OWNERS: Final = '{"metadata":{"ownerReferences":null}}'


def release(live: Live, namespace: str) -> tuple[str, ...]:
    """Return what is left to do until nothing but bridge writes the object; empty if no operator owns it.

    The operator must keep the object before its custom resource is deleted, and must be gone before its marks are taken
    off, because it would put them back.
    """
    operator = next((each for each in OPERATORS if marks_of(each, live)), None)
    if not (operator and operator.group) and not live.owner:
        return ()
    return tuple(command(["kubectl", "-n", namespace, *words]) for words in _steps(live, operator))


def _steps(live: Live, operator: Controller | None) -> Iterator[list[str]]:
    target = f"{live.id.kind.lower()}/{live.id.name}"
    resource = _resource(live, operator)
    if resource:
        if operator and operator.group == _EXTERNAL and (live.owner or _CREATED_BY in live.labels):
            yield ["patch", resource, "--type=merge", "-p", _KEEP]
        yield ["delete", resource, "--ignore-not-found", "--cascade=orphan"]
    marks = marks_of(operator, live) if operator else []
    if labels := [name for name in live.labels if name in marks]:
        yield ["label", target, *(f"{name}-" for name in labels)]
    if annotations := [name for name in live.annotations if name in marks]:
        yield ["annotate", target, *(f"{name}-" for name in annotations)]
    if live.owner:
        yield ["patch", target, "--type=merge", "-p", _NO_OWNERS]


def _resource(live: Live, operator: Controller | None) -> str:
    """Return the custom resource as kubectl names it: from the owner, or from the operator's field manager."""
    if live.owner:
        kind, _, name = live.owner.partition("/")
        return f"{kind.lower()}s.{operator.group}/{name}" if operator and operator.group else f"{kind.lower()}/{name}"
    prefixes = [prefix for prefix in (operator.managers if operator else ()) if prefix.endswith("/")]
    return next((by.name for by in live.managers for prefix in prefixes if by.name.startswith(prefix)), "")
