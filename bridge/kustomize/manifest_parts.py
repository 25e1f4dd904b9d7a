"""Reads parts of manifests of any kind, in which anything may have the wrong type."""

from collections.abc import Mapping, Sequence

from bridge.secret import SecretValue


def node_at(node: object, path: str) -> object:
    """Return what a dotted path leads to, or None."""
    for name in path.split("."):
        node = mapping(node).get(name)
    return node


def mapping(node: object) -> Mapping[str, object]:
    """Return a mapping; anything else becomes an empty one."""
    return node if isinstance(node, Mapping) else {}


def listed(node: object) -> Sequence[object]:
    """Return a list; anything else becomes an empty one."""
    return node if isinstance(node, list) else ()


def text_of(node: object) -> str:
    """Return a text, also if a build wraps it because it may be a value; anything else becomes ""."""
    if isinstance(node, SecretValue):
        return node.reveal().decode(errors="replace")
    return node if isinstance(node, str) else ""
