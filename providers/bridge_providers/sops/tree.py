"""The form into which every store is read, and the names of its places in messages."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from bridge.named_tuple import NamedTuple
from bridge.provider import Kind, Node, ProviderError, SecretValue

Tree: TypeAlias = "SecretValue | list[Tree] | dict[str, Tree]"
"""An ordered tree. A leaf contains the bytes that count for the MAC (except booleans, see mac.py)."""

MAX_DEPTH: Final = 100
MAX_VALUES: Final = 100_000

Place: TypeAlias = "tuple[int | str, ...]"
"""A node's place in a file: the number of its document from 0, then keys, and places in lists."""

NUMBER_CHANGES: Final = "a number that sops would change"


class Comment(SecretValue):
    """A comment inside a YAML list, which sops encrypts as an item of the list."""


class Stored(NamedTuple):
    """A file as its store reads it: the documents without their `sops` blocks, and the block that counts."""

    documents: list[dict[str, Tree]]
    metadata: dict[str, Tree]
    has_comments: bool = False  # whether a file of this store may have them


_NOT_ENCRYPTED: Final = "is not encrypted with sops (it has no `sops` metadata)"


def not_encrypted() -> ProviderError:
    """Return the error for a file that sops has not encrypted."""
    return ProviderError(_NOT_ENCRYPTED, hint="encrypt it with `sops -e -i FILE`")


def is_not_encrypted(error: ProviderError) -> bool:
    """Return whether an error is that of a file that sops has not encrypted."""
    return error.problems[0].what == _NOT_ENCRYPTED


def too_deep() -> ProviderError:
    """Return the error for a file that is nested too deep."""
    return ProviderError(f"is nested more than {MAX_DEPTH} levels deep")


def too_many() -> ProviderError:
    """Return the error for a file with too many values, including those that aliases repeat."""
    return ProviderError(f"contains more than {MAX_VALUES} values")


def text_leaf(value: bytes) -> SecretValue:
    """Wrap the bytes of a sops string, which need not be text (`!!binary` becomes one)."""
    leaf = SecretValue(value)
    return leaf if value.isascii() or leaf.is_text() else SecretValue(value, Kind.BYTES)


def take_metadata(documents: list[dict[str, Tree]]) -> Stored:
    """Remove the `sops` blocks: the first document's block counts, the others are copies."""
    block = documents[0].pop("sops", None) if documents else None
    if block is None:
        raise not_encrypted()
    if not isinstance(block, dict):
        raise ProviderError("its `sops` entry is not a mapping")
    for number, document in enumerate(documents[1:], start=2):
        _check_copy(document.pop("sops", None), block, number)
    return Stored(documents, block)


def _check_copy(copy: "Tree | None", block: dict[str, Tree], number: int) -> None:
    """Refuse the metadata of another file: each encryption makes another MAC."""
    macs = [one.get("mac") if isinstance(one, dict) else None for one in (block, copy)]
    first, second = (one.reveal() if isinstance(one, SecretValue) else b"" for one in macs)
    if first and second and first != second:
        message = f"document {number} has sops metadata of its own: two encrypted files were joined"
        raise ProviderError(message, hint="keep them as two files; `sources` can list both")


def without_comments(document: dict[str, Tree]) -> dict[str, Tree]:
    """Return a document without the comments among the items of its lists."""
    return {key: _without_comments(child) for key, child in document.items()}


def _without_comments(node: Tree) -> Tree:
    if isinstance(node, SecretValue):
        return node
    if isinstance(node, dict):
        return without_comments(node)
    return [_without_comments(child) for child in node if not isinstance(child, Comment)]


def kind_of(leaf: SecretValue) -> Kind:
    """Return a leaf's kind; bytes that are a text are the text."""
    return Kind.TEXT if leaf.kind is Kind.BYTES and leaf.is_text() else leaf.kind


def same(one: SecretValue, other: SecretValue) -> bool:
    """Compare two leaves."""
    return kind_of(one) is kind_of(other) and one.same_as(other)


def equal(one: Node, other: Node) -> bool:
    """Compare two trees leaf by leaf; the order of a mapping's keys does not count."""
    if isinstance(one, SecretValue) or isinstance(other, SecretValue):
        return isinstance(one, SecretValue) and isinstance(other, SecretValue) and same(one, other)
    if isinstance(one, Mapping) or isinstance(other, Mapping):
        if not isinstance(one, Mapping) or not isinstance(other, Mapping):
            return False
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    return len(one) == len(other) and all(map(equal, one, other))


def copied(node: Node) -> Tree:
    """Return a provider's node as a tree."""
    if isinstance(node, SecretValue):
        return SecretValue(node.reveal(), kind_of(node))
    if isinstance(node, Mapping):
        return {key: copied(child) for key, child in node.items()}
    return [copied(child) for child in node]


def flow(node: Node, scalar: Callable[[SecretValue], str], quoted: Callable[[str], str]) -> str:
    """Return a tree in the brackets that JSON and YAML have in common."""
    if isinstance(node, SecretValue):
        return scalar(node)
    if isinstance(node, Mapping):
        return "{" + ", ".join(f"{quoted(key)}: {flow(child, scalar, quoted)}" for key, child in node.items()) + "}"
    return f"[{', '.join(flow(child, scalar, quoted) for child in node)}]"


def name(path: Sequence[str | int]) -> str:
    """Format a place for a message: `data.API_KEY`, `list[0]`; keys are in clear in every sops file."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{shown(part)}" for part in path]
    return "".join(parts).removeprefix(".")


def shown(text: str) -> str:
    """Return a key or recipient in a form that keeps a message on one line and readable."""
    short = text if len(text) <= 80 else text[:80] + "…"  # about the width of a line
    return printable(short) or ascii(short)


def printable(text: str) -> str:
    """Return a text in a form that keeps a message on one line."""
    return text if text.isprintable() else ascii(text)
