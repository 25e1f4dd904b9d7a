"""The one form that every store is brought into, and how places in it are named in messages."""

from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

from bridge.provider import Kind, ProviderError, SecretValue

Tree: TypeAlias = "SecretValue | list[Tree] | dict[str, Tree]"
"""An ordered tree. A leaf holds the bytes that count for the MAC (booleans apart, see mac.py)."""

MAX_DEPTH: Final = 100
MAX_VALUES: Final = 100_000

NUMBER_CHANGES: Final = "a number that sops would not keep as it is written"


class Comment(SecretValue):
    """An item of a list that is none: where sops encrypts a comment inside a YAML list, it leaves it as an item."""


class Stored(NamedTuple):
    """A file as its store reads it: the documents without their `sops` blocks, and the block that counts."""

    documents: list[dict[str, Tree]]
    metadata: dict[str, Tree]
    has_comments: bool = False  # whether a file of this store may have them


def not_encrypted() -> ProviderError:
    """Return the error for a file that sops has not encrypted."""
    return ProviderError("is not encrypted with sops (it has no `sops` metadata)", hint="sops -e -i FILE")


def too_deep() -> ProviderError:
    """Return the error for a file whose nesting nobody needs."""
    return ProviderError(f"is nested more than {MAX_DEPTH} levels deep")


def too_many() -> ProviderError:
    """Return the error for a file with too many values, also by aliases."""
    return ProviderError(f"holds more than {MAX_VALUES} values")


def text_leaf(value: bytes) -> SecretValue:
    """Wrap the bytes of a sops string, which need not be text (`!!binary` becomes one)."""
    leaf = SecretValue(value)
    return leaf if value.isascii() or leaf.is_text() else SecretValue(value, Kind.BYTES)


def take_metadata(documents: list[dict[str, Tree]]) -> Stored:
    """Split the `sops` blocks off: the first document's counts, those of the others are copies."""
    block = documents[0].pop("sops", None) if documents else None
    if block is None:
        raise not_encrypted()
    if not isinstance(block, dict):
        raise ProviderError("its `sops` entry is not a mapping")
    for number, document in enumerate(documents[1:], start=2):
        _check_copy(document.pop("sops", None), block, number)
    return Stored(documents, block)


def _check_copy(copy: "Tree | None", block: dict[str, Tree], number: int) -> None:
    """Refuse the metadata of another file: each encryption has a MAC of its own."""
    macs = [one.get("mac") if isinstance(one, dict) else None for one in (block, copy)]
    first, second = (one.reveal() if isinstance(one, SecretValue) else b"" for one in macs)
    if first and second and first != second:
        what = f"document {number} has sops metadata of its own: two encrypted files were joined"
        raise ProviderError(what, hint="keep them as two files; `sources` can list both")


def without_comments(document: dict[str, Tree]) -> dict[str, Tree]:
    """Return a document without the comments among the items of its lists."""
    return {key: _without_comments(child) for key, child in document.items()}


def _without_comments(node: Tree) -> Tree:
    if isinstance(node, SecretValue):
        return node
    if isinstance(node, dict):
        return without_comments(node)
    return [_without_comments(child) for child in node if not isinstance(child, Comment)]


def name(path: Sequence[str | int]) -> str:
    """Name a place for a message: `data.API_KEY`, `list[0]`; keys are in clear in every sops file."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{shown(part)}" for part in path]
    return "".join(parts).removeprefix(".")


def shown(text: str) -> str:
    """Keep a message on one line and readable, whatever a file has for a key or a recipient."""
    short = text if len(text) <= 80 else text[:80] + "…"  # about the width of a line
    return printable(short) or ascii(short)


def printable(text: str) -> str:
    """Keep a message on one line, and what it names whole."""
    return text if text.isprintable() else ascii(text)
