r"""Reads the dotenv store: `NAME=value` lines without quotes, `\n` for a line break, metadata as flat `sops_` names."""

import re
from typing import Final

from bridge.provider import ProviderError, SecretValue
from bridge_providers.sops import flat, metadata, tree
from bridge_providers.sops.tree import Stored, Tree

PREFIX: Final = "sops_"
_ENCRYPTED: Final = re.compile(rb"ENC\[[^]]*\]\r")


def load(data: bytes) -> Stored:
    """Read an encrypted dotenv file; comments and blank lines do not count."""
    entries: dict[str, Tree] = {}
    values: dict[str, SecretValue] = {}
    for number, line in enumerate(data.split(b"\n"), 1):
        if line and not line.startswith(b"#"):
            key, leaf = entry(line, number)
            if key in entries or key.removeprefix(PREFIX) in values:
                hint = "if two encrypted files were joined, split them again" if key.startswith(PREFIX) else ""
                raise ProviderError(f"line {number}: duplicate name", hint=hint)
            if key.startswith(PREFIX):
                values[key.removeprefix(PREFIX)] = leaf
            else:
                entries[key] = leaf
    if len(entries) > tree.MAX_VALUES:
        raise tree.too_many()
    if not values:
        raise tree.not_encrypted()
    return Stored([entries], _metadata(values))


def documents(data: bytes) -> list[dict[str, Tree]]:
    """Read a file that is not encrypted; a repeated name counts once."""
    lines = enumerate(data.split(b"\n"), 1)
    return [dict(entry(line, number) for number, line in lines if line.strip() and not line.startswith(b"#"))]


def entry(line: bytes, number: int) -> tuple[str, SecretValue]:
    """Split a line at its first `=`; nothing is trimmed, and no message shows the line."""
    name, equals, value = line.partition(b"=")
    if not equals:
        raise ProviderError(f"line {number} has no `=`")
    if not (key := SecretValue(name)).is_text():
        raise ProviderError(f"line {number}: the name is not valid UTF-8")
    # An editor that writes CRLF does not damage encrypted values.
    if _ENCRYPTED.fullmatch(value):
        value = value.removesuffix(b"\r")
    return key.reveal().decode(), tree.text_leaf(value.replace(rb"\n", b"\n"))


def _metadata(values: dict[str, SecretValue]) -> dict[str, Tree]:
    """Rebuild the metadata from its flat names; an unknown name would be lost silently."""
    block = flat.nested(values, f"`{PREFIX}` lines")
    if unknown := sorted(set(block) - metadata.NAMES):
        raise ProviderError(f"the name {tree.name([PREFIX + unknown[0]])} begins with `{PREFIX}`, which is reserved")
    return block
