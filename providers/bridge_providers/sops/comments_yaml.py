"""Tells which comments stand before which nodes of a YAML file, in the order of sops's YAML store."""

from typing import Final

from bridge.provider import ProviderError, SecretValue
from bridge_providers.sops import comments_nodes, store_yaml
from bridge_providers.sops.comments_queue import Node
from bridge_providers.sops.comments_scan import TOO_MANY, Unfollowable
from bridge_providers.sops.tree import MAX_VALUES, Comments, Place, Tree

_EDIT: Final = "`sops edit FILE` brings it into sops's own layout"
_LEAVES: Final = frozenset({"scalar", "alias"})


def comments(data: bytes) -> Comments:
    """Return the comments of a file that the store has read; ProviderError where they cannot be followed."""
    problem = ""
    found = _Finder()
    try:
        nodes = comments_nodes.documents(data.decode().removeprefix("\ufeff"))
        for number, (node, document) in enumerate(zip(nodes, store_yaml.documents(data), strict=True)):
            found.document(node, document, (number,))
    except UnicodeDecodeError:
        problem = "it is not UTF-8"
    except ValueError:
        problem = "its nodes are not what they seem to be"
    except Unfollowable as error:
        problem = str(error)
    if problem:
        raise ProviderError(f"its comments, which say what is encrypted, cannot be followed: {problem}", hint=_EDIT)
    return found.comments


class _Finder:
    """Walks nodes and trees side by side. Comments count for the next entry or item behind them."""

    def __init__(self) -> None:
        self.comments: Final[dict[Place, tuple[str, ...]]] = {}
        self._count = 0

    def _lines(self, *texts: str) -> list[str]:
        """Return the lines of comments, without their `#`; those that aliases repeat count again."""
        found = [line[1:] for text in texts for line in text.split("\n") if line]
        self._count += len(found)
        if self._count > MAX_VALUES:
            raise Unfollowable(TOO_MANY)
        return found

    def document(self, node: Node, document: dict[str, Tree], place: Place) -> None:
        """Find the comments of a document, which sops puts into one row with those of its mapping."""
        root = node.children[0]
        waiting = self._lines(node.head, node.line)
        if root.kind == "mapping":
            self._mapping(root, document, place, [*waiting, *self._lines(root.head, root.line)])

    def _mapping(self, node: Node, entries: dict[str, Tree], place: Place, waiting: list[str]) -> None:
        pairs = zip(node.children[::2], node.children[1::2], strict=True)
        for (key, value), (name, child) in zip(pairs, entries.items(), strict=True):
            is_leaf = value.kind in _LEAVES
            waiting += self._lines(key.head, key.line, *([value.head, value.line] if is_leaf else []))
            if name != "sops" or len(place) > 1:  # the metadata is taken out first, its comments stay
                self._node(value, child, (*place, name), waiting, counted=is_leaf)
                waiting = []
            waiting += self._lines(*([value.foot] if is_leaf else []), key.foot)

    def _node(self, node: Node, child: Tree, place: Place, waiting: list[str], *, counted: bool) -> None:
        if waiting:
            self.comments[place] = tuple(waiting)
        if node.kind == "alias":
            self._below(node.children[0], child, place, counted=False)
        else:
            self._below(node, child, place, counted=counted)

    def _below(self, node: Node, child: Tree, place: Place, *, counted: bool) -> None:
        """Find the comments inside a node; its own come first there, unless they are counted for it."""
        waiting = [] if counted else self._lines(node.head, node.line)
        if isinstance(child, dict) and node.kind == "mapping":
            self._mapping(node, child, place, waiting)
        elif isinstance(child, list) and node.kind == "sequence":
            for index, (item, leaf) in enumerate(zip(node.children, child, strict=True)):
                waiting += self._lines(item.head, item.line)
                self._node(item, leaf, (*place, index), waiting, counted=True)
                waiting = self._lines(item.foot)
        elif not isinstance(child, SecretValue) or node.kind not in _LEAVES:
            raise Unfollowable("its nodes are not what they seem to be")
