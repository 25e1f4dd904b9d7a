"""Metadata as flat names, for the stores that have no nesting: `age__list_0__map_enc` (sops stores/flatten.go)."""

import re
from typing import Final, TypeAlias

from bridge.provider import ProviderError, SecretValue
from bridge_providers.sops.tree import Tree

_STEP: Final = re.compile(r"(__map_|__list_)")
_MOST_STEPS: Final = 2 * 16  # with the separators; `key_groups__list_0__map_age__list_0__map_enc` has 9

_Node: TypeAlias = "SecretValue | dict[str | int, _Node]"
"""Flat names as a tree, in which lists are mappings with numbers as keys."""


def nested(flat: dict[str, SecretValue], where: str) -> dict[str, Tree]:
    """Rebuild the metadata; ProviderError if names contradict each other or a list has holes."""
    root: _Node = {}
    block = None
    if all(_placed(root, _STEP.split(key), leaf) for key, leaf in flat.items()):
        block = _converted(root)
    if not isinstance(block, dict):
        raise ProviderError(f"its {where} are inconsistent")
    return block


def _placed(root: _Node, steps: list[str], leaf: SecretValue) -> bool:
    """Put a leaf where its flat name says; False if something else is there, or the name has too many steps."""
    if len(steps) > _MOST_STEPS:
        return False
    path: list[str | int] = [steps[0]]
    for separator, step in zip(steps[1::2], steps[2::2], strict=True):
        path.append(int(step) if separator == "__list_" and re.fullmatch("[0-9]{1,6}", step) else step)
    node = root
    for part in path[:-1]:
        if isinstance(node, SecretValue):
            return False
        node = node.setdefault(part, {})
    if isinstance(node, SecretValue) or path[-1] in node:
        return False
    node[path[-1]] = leaf
    return True


def _converted(node: _Node) -> "Tree | None":
    """Turn numbered entries into lists, or return None if they leave holes."""
    if isinstance(node, SecretValue):
        return node
    names = [key for key in node if isinstance(key, str)]
    if names and len(names) != len(node):
        return None
    if not names and set(node) != set(range(len(node))):
        return None
    children = [_converted(node[key]) for key in (names or range(len(node)))]
    if any(child is None for child in children):
        return None
    built = [child for child in children if child is not None]
    return dict(zip(names, built, strict=True)) if names else built
