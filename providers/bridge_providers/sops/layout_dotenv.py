"""Finds and writes the lines of a dotenv file."""

from collections.abc import Iterable, Mapping
from typing import Final

from bridge.provider import Kind, Node, ProviderError, SecretValue
from bridge_providers.sops import tree
from bridge_providers.sops.splice import Edit, TextEntry, TextPart, line_after, line_removed
from bridge_providers.sops.store_dotenv import PREFIX

add: Final = line_after


def is_metadata(name: str) -> bool:
    """Return whether a line is metadata."""
    return name.startswith(PREFIX)


def metadata(document: TextPart) -> Mapping[str, TextPart]:
    """Return the values of the metadata."""
    lines = (document.entries or {}).items()
    return {str(name).removeprefix(PREFIX): one.value for name, one in lines if is_metadata(str(name))}


def find(text: str) -> list[TextPart]:
    """Find the only document."""
    entries: dict[int | str, TextEntry] = {}
    at = 0
    for line in text.split("\n"):
        if line and not line.startswith("#"):
            key = line.partition("=")[0]
            end = at + len(line.removesuffix("\r") if line.endswith("]\r") else line)
            entries[key] = TextEntry(at, TextPart(at + len(key) + 1, end))
        at += len(line) + 1
    return [TextPart(0, len(text), entries)]


def remove(text: str, entries: list[TextEntry], index: int) -> Edit:
    """Remove the line of an entry."""
    return line_removed(text, entries[index])


def entry(key: str, scalar: str) -> str:
    """Return the text of a line; ProviderError for a name that would read differently, or as metadata."""
    if key.startswith((PREFIX, "#")) or set(key) & set("=\n\r\0"):
        raise ProviderError(f"the key {tree.name([key])} cannot be a name in a dotenv file")
    return f"{key}={scalar}"


def scalar(leaf: SecretValue) -> str:
    """Return a leaf's text."""
    return leaf.reveal().decode().replace("\n", r"\n")


def problem(leaf: SecretValue, *, encrypted: bool) -> str | None:
    """Return why a value cannot be written; None if it can."""
    value = leaf.reveal()
    if leaf.kind is Kind.BYTES:
        return "bytes that are not text, which a dotenv file cannot contain"
    if leaf.kind is not Kind.TEXT:
        return f"a {leaf.kind.value}, and a dotenv file can only contain strings"
    if b"\0" in value:
        return "a zero byte, which a dotenv file cannot contain"
    # sops writes a line break like this, and cannot write these two characters otherwise.
    if rb"\n" in value:
        return r"the characters `\n`, which mean a line break in a dotenv file"
    # The reader drops what an editor appends to an encrypted value, and would drop the end of such a value in clear.
    return "text that looks encrypted" if not encrypted and value.startswith(b"ENC[") else None


def plaintext(documents: Iterable[Mapping[str, Node]]) -> bytes:
    """Return the one document."""
    (document,) = documents
    return "".join(f"{entry(*one)}\n" for one in _texts(document)).encode()


def _texts(document: Mapping[str, Node]) -> Iterable[tuple[str, str]]:
    for key, node in document.items():
        if not isinstance(node, SecretValue):
            raise ProviderError(
                f"the key {tree.name([key])} contains more than one value, and a dotenv file can only contain strings"
            )
        yield key, scalar(node)
