"""Sets of fields in the format of `metadata.managedFields` (sigs.k8s.io/structured-merge-diff, package fieldpath)."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from bridge.named_tuple import NamedTuple

Path: TypeAlias = tuple[str, ...]
"""A field: the keys of fieldsV1 that lead to it, such as ("f:data", "f:PASSWORD")."""

# A struct is not a field itself. A map or a list is, and appears as "." if it has children.
STRUCTS: Final[frozenset[Path]] = frozenset({(), ("f:metadata",), ("f:spec",)})

# No manager owns fields that the server sets itself (k8s.io/apimachinery, managedfields/internal/stripmeta.go).
_SYSTEM = (
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "generation",
    "managedFields",
    "resourceVersion",
)
_DELETION = ("deletionTimestamp", "deletionGracePeriodSeconds")
UNTRACKED: Final[frozenset[Path]] = frozenset(
    {("f:apiVersion",), ("f:kind",), ("f:status",), ("f:spec", "f:finalizers")}
    | {("f:metadata", f"f:{name}") for name in (*_SYSTEM, *_DELETION)}
)
CONTAINER: Final = object()


class Difference(NamedTuple):
    """How two objects differ."""

    changed: frozenset[Path]  # added, or with another value
    removed: frozenset[Path]

    def __bool__(self) -> bool:
        return bool(self.changed or self.removed)


def applied(config: Mapping[str, Any]) -> frozenset[Path]:
    """Return the fields that an apply configuration claims: its leaves and its empty maps."""
    nodes = list(_walk((), config))
    parents = {path[:-1] for path, _ in nodes}
    return frozenset(path for path, value in nodes if value is not CONTAINER or path not in parents)


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> Difference:
    """Return the changes from `old` to `new`."""
    before, after = dict(_walk((), old)), dict(_walk((), new))
    changed = frozenset(path for path, value in after.items() if path not in before or before[path] != value)
    return Difference(changed, frozenset(before.keys() - after.keys()))


def encode(fields: Iterable[Path]) -> dict[str, Any]:
    """Encode fieldsV1."""
    root: dict[str, Any] = {}
    members = set(fields)
    for path in sorted(members):
        node = root
        for part in path:
            node = node.setdefault(part, {})
    for path in members:
        node = root
        for part in path:
            node = node[part]
        if node:
            node["."] = {}
    return root


def decode(node: Mapping[str, Any], path: Path = ()) -> frozenset[Path]:
    """Decode fieldsV1: a node without children, or with a ".", is a member of the set."""
    children = [decode(child, (*path, part)) for part, child in node.items() if part != "."]
    member = {path} if path and (not children or "." in node) else set()
    return frozenset(member.union(*children))


def label(path: Path) -> str:
    """Format a field for messages: `.data.PASSWORD`."""
    return "".join(f".{part[2:]}" if part.startswith("f:") else f"[{part[2:]}]" for part in path)


def remove(target: dict[str, Any], path: Path) -> None:
    """Remove a leaf or a list item from an object; containers stay, because they may have items of other managers."""
    node: Any = target
    for part in path[:-1]:
        node = node.get(part[2:]) if isinstance(node, dict) else None
    name = path[-1]
    if isinstance(node, dict) and not isinstance(node.get(name[2:]), dict | list):
        node.pop(name[2:], None)
    elif isinstance(node, list):
        node[:] = [item for item in node if _item(item) != name]


def _walk(path: Path, value: object) -> Iterator[tuple[Path, object]]:
    if path in UNTRACKED:
        return
    children = _children(path, value)
    if children is None:
        yield path, value
        return
    if path not in STRUCTS:
        yield path, CONTAINER
    for part, child in children.items():
        if part[0] == "f":
            yield from _walk((*path, part), child)
        else:
            yield (*path, part), child


def _children(path: Path, value: object) -> dict[str, Any] | None:
    if isinstance(value, dict):
        return {f"f:{name}": child for name, child in value.items()}
    if isinstance(value, list) and path[:1] == ("f:metadata",):
        return {_item(item): item for item in value}
    return None


def _item(item: object) -> str:
    """Name an item of ownerReferences by its uid, and an item of finalizers by its value."""
    if isinstance(item, dict):
        return f"k:{json.dumps({'uid': item.get('uid')}, separators=(',', ':'))}"
    return f"v:{json.dumps(item)}"
