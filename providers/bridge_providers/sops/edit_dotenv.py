"""Writes the dotenv store: a new file as sops lays it out, or changes in single lines of one that is there."""

import itertools

from bridge.provider import Kind, ProviderError, SecretValue
from bridge_providers.sops import flat, store_dotenv, tree
from bridge_providers.sops.spans import Unplaceable, identical
from bridge_providers.sops.store_dotenv import PREFIX
from bridge_providers.sops.tree import Tree


def fresh(documents: list[dict[str, Tree]], block: dict[str, Tree], indent: int | None) -> bytes:  # noqa: ARG001 - the same for every store
    """Return a new file."""
    (document,) = documents
    metadata = flat.flattened(PREFIX.removesuffix("_"), "_", block)
    _check(document)
    return b"".join(line + b"\n" for line in itertools.starmap(_line, [*document.items(), *metadata]))


def problem(leaf: SecretValue, *, encrypted: bool) -> str | None:
    """Say why a value cannot be written; None where it can."""
    value = leaf.reveal()
    if leaf.kind not in (Kind.TEXT, Kind.BYTES):
        return f"a {leaf.kind.value}, and a dotenv file has texts alone"
    if b"\0" in value:
        return "a zero byte, which a dotenv file cannot have"
    # sops writes a line end so, and knows no other way to write these two characters.
    if rb"\n" in value:
        return r"the characters `\n`, which a dotenv file has for a line end"
    # What an editor adds to an encrypted value is dropped by the reader; a value in clear would lose its own.
    return "what looks encrypted" if not encrypted and value.startswith(b"ENC[") else None


def change(data: bytes, documents: list[dict[str, Tree]], stamps: dict[str, SecretValue]) -> bytes:
    """Return a file's text with a new document and stamps."""
    (document,) = documents
    _check(document)
    wanted = {**document, **{PREFIX + name: value for name, value in stamps.items()}}
    lines: list[bytes] = []
    end = metadata = None
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line or line.startswith(b"#"):
            lines.append(line)
            continue
        key, leaf = store_dotenv.entry(line, number)
        if key.startswith(PREFIX) and metadata is None:
            metadata = len(lines)
        if key in wanted:
            new = wanted.pop(key)
            lines.append(line if identical(leaf, new) else _line(key, new))
            end = end if key.startswith(PREFIX) else len(lines)
        elif key.startswith(PREFIX):
            lines.append(line)
    if metadata is None or any(key.startswith(PREFIX) for key in wanted):
        raise Unplaceable
    # A comment behind the last name would count for the first new one.
    place = metadata if end is None else end
    return b"\n".join([*lines[:place], *itertools.starmap(_line, wanted.items()), *lines[place:]])


def _check(document: dict[str, Tree]) -> None:
    """Refuse names that would read differently, or as metadata."""
    for key in document:
        if key.startswith((PREFIX, "#")) or set(key) & set("=\n\r\0"):
            raise ProviderError(f"the key {tree.name([key])} cannot stand in a dotenv file")


def _line(key: str, node: Tree) -> bytes:
    if not isinstance(node, SecretValue):
        raise ProviderError(f"the key {tree.name([key])} holds several values, and a dotenv file has texts alone")
    return key.encode() + b"=" + node.reveal().replace(b"\n", rb"\n")
