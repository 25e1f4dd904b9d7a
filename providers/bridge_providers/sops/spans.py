"""Where the parts of a file's text stand, and edits of that text which leave all else as it is."""

from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from bridge.provider import SecretValue
from bridge_providers.sops.tree import Tree


class Unplaceable(Exception):
    """The text is written in a way that cannot be edited in place; says nothing of the text."""


@dataclass(frozen=True, eq=False)
class Span:
    """A node and its place in the text: characters from `start` up to `end`."""

    node: "SecretValue | list[Span] | dict[str, Entry]"
    start: int
    end: int
    column: int  # of its keys or dashes in YAML's block style
    style: str  # the scalar's first character, or "{" and "[" for the flow style, "" for the block style, "*" an alias


class Entry(NamedTuple):
    """A mapping's entry: where it begins, where its key ends, and its value."""

    start: int
    key_end: int
    value: Span


Parts: TypeAlias = "dict[str, Entry]"


def decoded(data: bytes) -> str:
    """Return a file's text; Unplaceable where it is in another encoding than UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        pass
    # Raised here and not in the handler: the codec's error holds the file.
    raise Unplaceable


class Edits:
    """Replacements in one text, applied all at once."""

    def __init__(self, text: str) -> None:
        self.text: Final = text
        self._edits: Final[list[tuple[int, int, str]]] = []

    def replace(self, start: int, end: int, new: str) -> None:
        """Replace a range; with `start` equal to `end`, insert there, after what was inserted there before."""
        self._edits.append((start, end, new))

    def apply(self) -> str:
        """Return the new text; Unplaceable where two edits overlap."""
        parts: list[str] = []
        done = 0
        for start, end, new in sorted(self._edits, key=lambda edit: edit[:2]):
            if start < done:
                raise Unplaceable
            parts += [self.text[done:start], new]
            done = end
        return "".join([*parts, self.text[done:]])


def plain(span: Span) -> Tree:
    """Return a span's tree without the places."""
    if isinstance(span.node, SecretValue):
        return span.node
    if isinstance(span.node, list):
        return [plain(item) for item in span.node]
    return {key: plain(entry.value) for key, entry in span.node.items()}


def identical(one: Tree, other: Tree) -> bool:
    """Compare two trees as a file holds them."""
    if isinstance(one, SecretValue) or isinstance(other, SecretValue):
        if not isinstance(one, SecretValue) or not isinstance(other, SecretValue):
            return False
        return one.kind is other.kind and one.same_as(other)
    if isinstance(one, list) or isinstance(other, list):
        if not isinstance(one, list) or not isinstance(other, list) or len(one) != len(other):
            return False
        return all(identical(*pair) for pair in zip(one, other, strict=True))
    return one.keys() == other.keys() and all(identical(one[key], other[key]) for key in one)


def stamped(block: Tree, stamps: dict[str, SecretValue]) -> Tree:
    """Return a `sops` block with new values for entries that it has, in whatever case it names them."""
    if not isinstance(block, dict):
        return block
    return {key: stamps.get(key.casefold(), value) for key, value in block.items()}
