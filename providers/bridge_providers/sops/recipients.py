"""Reads the recipients in a rule of `.sops.yaml` (sops config/config.go)."""

from typing import Final

from bridge.provider import Kind, ProviderError, SecretValue
from bridge_providers.sops.tree import Tree

MERGE: Final = "merge"


def is_empty(node: "Tree | None") -> bool:
    """Return whether an entry is absent, null or empty."""
    return node is None or (node.is_empty() if isinstance(node, SecretValue) else not node)


def merged(group: "Tree", where: str) -> list[dict[str, Tree]]:
    """Return a key group as sops combines it: first the groups that it merges, in order, then itself."""
    parts = group.get(MERGE) if isinstance(group, dict) else None
    if not isinstance(group, dict) or not (is_empty(parts) or isinstance(parts, list)):
        raise ProviderError(f"{where} has an invalid key group, or an invalid `{MERGE}` in one")
    inner = parts if isinstance(parts, list) else []
    if "<<" in group:
        raise ProviderError(f"{where} has a merge key (`<<`) in a key group, which bridge does not support")
    return [*(one for part in inner for one in merged(part, where)), group]


def texts(block: dict[str, Tree], name: str, where: str) -> list[str]:
    """Read a string with commas, or a list of such strings."""
    node = block.get(name)
    if node is None or is_empty(node):
        return []
    items = node if isinstance(node, list) else [node]
    if not all(isinstance(item, SecretValue) and item.kind is Kind.TEXT for item in items):
        raise ProviderError(f"{where}: its `{name}` must be a string or a list of strings")
    texts = [item.reveal().decode() for item in items if isinstance(item, SecretValue)]
    return [part.strip() for text in texts for part in text.split(",") if part.strip()]
