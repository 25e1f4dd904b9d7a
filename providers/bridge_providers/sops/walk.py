"""Walks the leaves in the order of the MAC, with the place of each and whether it should be encrypted."""

import itertools
from collections.abc import Callable
from typing import Final, TypeAlias

from bridge.provider import ProviderError, SecretValue
from bridge_providers.sops import tree
from bridge_providers.sops.selectors import Selector
from bridge_providers.sops.tree import Tree

Visit: TypeAlias = Callable[[SecretValue, bytes, bool, "Walk"], SecretValue]
"""Takes a leaf, its place (sops's additional data), whether it is encrypted, and the walk; returns the new leaf."""


class Walk:
    """One pass over all documents; makes new trees of what `visit` returns."""

    def __init__(self, documents: list[dict[str, Tree]], selector: Selector, visit: Visit) -> None:
        self._documents: Final = documents
        self._selector: Final = selector
        self._visit: Final = visit
        self._path: Final[list[str | int]] = []
        self.document = 0
        """The number of the document being visited, from 0."""

    def run(self) -> tuple[dict[str, Tree], ...]:
        """Visit all leaves and return the new documents."""
        visited = []
        for number, document in enumerate(self._documents):
            self.document = number
            visited.append(self._mapping(document, b"", self._selector.start))
        return tuple(visited)

    @property
    def where(self) -> str:
        """Return the name of the place of the leaf being visited."""
        place = tree.name(self._path)
        return place if len(self._documents) == 1 else f"{place} (document {self.document + 1})"

    @property
    def place(self) -> tuple[int, tuple[str, ...]]:
        """Return the number of the document, and the keys that lead to the leaf being visited or to its list."""
        keys = itertools.takewhile(lambda part: isinstance(part, str), self._path)
        return self.document, tuple(map(str, keys))

    @property
    def in_list(self) -> bool:
        """Return whether the leaf being visited is an item of a list."""
        return isinstance(self._path[-1], int)

    def _mapping(self, node: dict[str, Tree], place: bytes, encrypted: bool) -> dict[str, Tree]:
        """Visit a mapping's entries."""
        entries = {}
        for key, child in node.items():
            self._path.append(key)
            if ":" in key:
                raise ProviderError(
                    f"key {self.where} contains a colon, so sops's encryption cannot tell it from a nested key"
                )
            below = b"%b%b:" % (place, key.encode())
            entries[key] = self._node(child, below, self._selector.below(key, encrypted=encrypted))
            self._path.pop()
        return entries

    def _node(self, node: Tree, place: bytes, encrypted: bool) -> Tree:
        """Visit any node. The items of a list have the place of the list."""
        if isinstance(node, SecretValue):
            return self._visit(node, place, self._selector.of_leaf(node, encrypted=encrypted), self)
        if isinstance(node, dict):
            return self._mapping(node, place, encrypted)
        items = []
        for index, child in enumerate(node):
            self._path.append(index)
            items.append(self._node(child, place, encrypted))
            self._path.pop()
        return items
