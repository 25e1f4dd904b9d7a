"""Encrypts new documents under a file's data key; a value that is as it was keeps its ciphertext.

The order of the file is kept, because the MAC covers it: what a mapping had stays where it was, new keys follow.
"""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from bridge.provider import Kind, Node, ProviderError, SecretValue
from bridge_providers.sops import mac, tree
from bridge_providers.sops.cipher import Cipher
from bridge_providers.sops.metadata import Metadata
from bridge_providers.sops.selectors import Selector
from bridge_providers.sops.stores import Writing
from bridge_providers.sops.tree import Comment, Tree
from bridge_providers.sops.walk import Walk

Old: TypeAlias = tuple[Tree, Node]
"""A node as the file holds it, and opened."""


class _Was(SecretValue):
    """A value with what the file holds in its place now, and whether that says the same."""

    __slots__ = ("same", "stored")

    def __init__(self, value: bytes, kind: Kind, stored: SecretValue, *, same: bool) -> None:
        super().__init__(value, kind)
        self.stored: Final = stored
        self.same: Final = same


def same(one: SecretValue, other: SecretValue) -> bool:
    """Compare two leaves; bytes that are a text are the text."""
    return _kind(one) is _kind(other) and one.same_as(other)


def _kind(leaf: SecretValue) -> Kind:
    return Kind.TEXT if leaf.kind is Kind.BYTES and leaf.is_text() else leaf.kind


def arrange(new: Node, old: Old | None) -> Tree:
    """Return a new node in the file's order, each value with what stood there."""
    stored, opened = old or (None, None)
    if isinstance(new, SecretValue):
        kind = _kind(new)
        if isinstance(stored, SecretValue) and isinstance(opened, SecretValue):
            return _Was(new.reveal(), kind, stored, same=same(new, opened))
        return SecretValue(new.reveal(), kind)
    if isinstance(new, Mapping):
        return _mapping(new, old)
    below: list[Old | None] = [None] * len(new)
    items: list[Old] = []
    if isinstance(stored, list) and isinstance(opened, Sequence):
        items = list(zip(stored, opened, strict=True))
        below = _aligned(new, [one for one in items if not isinstance(one[1], Comment)])
    return _with_comments([arrange(item, before) for item, before in zip(new, below, strict=True)], items)


def _with_comments(new: list[Tree], old: list[Old]) -> list[Tree]:
    """Put the comments of a list back to where they stood; ProviderError where that is not known any more."""
    comments = {index: stored for index, (stored, opened) in enumerate(old) if isinstance(opened, Comment)}
    if comments and len(new) + len(comments) != len(old):
        what = "a list that has comments gets another length, and this version does not know where they go then"
        raise ProviderError(what, hint="sops edit FILE")
    rest = iter(new)
    return [_kept(comments[index]) if index in comments else next(rest) for index in range(len(new) + len(comments))]


def _kept(stored: Tree) -> Comment:
    assert isinstance(stored, SecretValue)  # it was opened as a leaf
    return Comment(stored.reveal())


def _mapping(new: Mapping[str, Node], old: Old | None) -> dict[str, Tree]:
    stored, opened = old or ({}, {})
    if not isinstance(stored, dict) or not isinstance(opened, Mapping):
        stored, opened = {}, {}
    before = {key: (stored[key], opened[key]) for key in stored}
    order = [key for key in stored if key in new] + [key for key in new if key not in stored]
    return {key: arrange(new[key], before.get(key)) for key in order}


def _aligned(new: Sequence[Node], old: list[Old]) -> list[Old | None]:
    """Pair a list's items with the earlier ones: equal ones from both ends, then by position."""
    head = 0
    while head < min(len(new), len(old)) and equal(new[head], old[head][1]):
        head += 1
    tail = 0
    while tail < min(len(new), len(old)) - head and equal(new[-1 - tail], old[-1 - tail][1]):
        tail += 1
    middle: list[Old | None] = [*old[head : len(old) - tail]]
    wanted = len(new) - head - tail
    middle = middle[:wanted] + [None] * (wanted - len(middle))
    return [*old[:head], *middle, *old[len(old) - tail :]]


def equal(one: Node, other: Node) -> bool:
    """Compare two trees leaf by leaf; the order of a mapping's keys does not count."""
    if isinstance(one, SecretValue) or isinstance(other, SecretValue):
        return isinstance(one, SecretValue) and isinstance(other, SecretValue) and same(one, other)
    if isinstance(one, Mapping) or isinstance(other, Mapping):
        if not isinstance(one, Mapping) or not isinstance(other, Mapping):
            return False
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    return len(one) == len(other) and all(map(equal, one, other))


class Sealer:
    """Encrypts leaves by the file's rule, and keeps what they add to the MAC."""

    def __init__(self, cipher: Cipher, block: Metadata, writing: Writing, rule: Selector) -> None:
        self._cipher: Final = cipher
        self._problem: Final = writing.problem
        self._selector: Final = rule
        self._mac_only_encrypted: Final = block.mac_only_encrypted
        self._hashed: Final[list[bytes]] = []

    def seal(self, documents: list[dict[str, Tree]]) -> list[dict[str, Tree]]:
        """Return the documents as the file is to hold them."""
        sealed = Walk(documents, self._selector, self._visit).run()
        return list(sealed)

    def mac(self, modified: str) -> SecretValue:
        """Return the encrypted MAC of what was sealed, for its time of change."""
        digest = mac.digest(self._hashed, mac_only_encrypted=self._mac_only_encrypted)
        sealed = self._cipher.encrypt(SecretValue(digest), modified.encode())
        assert sealed is not None  # a text
        return sealed

    def _visit(self, leaf: SecretValue, place: bytes, encrypted: bool, walk: Walk) -> SecretValue:
        if isinstance(leaf, Comment):
            return leaf
        if encrypted or not self._mac_only_encrypted:
            self._hashed.append(mac.bytes_of(leaf))
        if isinstance(leaf, _Was) and leaf.same:
            return leaf.stored
        problem = self._problem(leaf, encrypted=encrypted)
        sealed = self._cipher.encrypt(leaf, place) if encrypted else SecretValue(leaf.reveal(), leaf.kind)
        if problem or sealed is None:
            hint = "write it as a text" if leaf.kind in (Kind.NUMBER, Kind.BOOLEAN) else ""
            raise ProviderError(f"key {walk.where} holds {problem or tree.NUMBER_CHANGES}", hint=hint)
        return sealed
