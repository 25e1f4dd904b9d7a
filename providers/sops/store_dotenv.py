r"""Reads the dotenv store: `NAME=value` lines without quotes, `\n` for a line end, metadata as flat `sops_` names."""

import re
from typing import Final, TypeAlias

from bridge.provider import ProviderError, SecretValue
from bridge_providers.sops import metadata, tree
from bridge_providers.sops.tree import Stored, Tree

PREFIX: Final = "sops_"
_STEP: Final = re.compile(r"(__map_|__list_)")
_ENCRYPTED: Final = re.compile(rb"ENC\[[^]]*\]\r")

_Node: TypeAlias = "SecretValue | dict[str | int, _Node]"
"""Flat names put back into a tree; lists still by their numbers."""


def load(data: bytes) -> Stored:
    """Read an encrypted dotenv file; comments and blank lines do not count."""
    entries: dict[str, Tree] = {}
    flat: dict[str, SecretValue] = {}
    for number, line in enumerate(data.split(b"\n"), 1):
        if line and not line.startswith(b"#"):
            key, leaf = entry(line, number)
            if key in entries or key.removeprefix(PREFIX) in flat:
                raise ProviderError(f"line {number}: the name stands twice")
            if key.startswith(PREFIX):
                flat[key.removeprefix(PREFIX)] = leaf
            else:
                entries[key] = leaf
    if len(entries) > tree.MAX_VALUES:
        raise tree.too_many()
    if not flat:
        raise tree.not_encrypted()
    return Stored([entries], _metadata(flat))


def entry(line: bytes, number: int) -> tuple[str, SecretValue]:
    """Split a line at its first `=`; nothing is trimmed, and no message shows the line."""
    name, equals, value = line.partition(b"=")
    if not equals:
        raise ProviderError(f"line {number} has no `=`")
    if not (key := SecretValue(name)).is_text():
        raise ProviderError(f"line {number}: the name is not valid UTF-8")
    # An editor that writes CRLF leaves the encryption of single values whole.
    if _ENCRYPTED.fullmatch(value):
        value = value.removesuffix(b"\r")
    return key.reveal().decode(), tree.text_leaf(value.replace(rb"\n", b"\n"))


def _metadata(flat: dict[str, SecretValue]) -> dict[str, Tree]:
    """Rebuild the metadata from its flat names; an unknown one would be lost without a word."""
    root: _Node = {}
    for key, leaf in flat.items():
        _place(root, _STEP.split(key), leaf)
    block = _convert(root)
    assert isinstance(block, dict)
    if unknown := sorted(set(block) - metadata.NAMES):
        raise ProviderError(f"the name {tree.name([PREFIX + unknown[0]])} begins with `{PREFIX}`, which is reserved")
    return block


def _place(root: _Node, steps: list[str], leaf: SecretValue) -> None:
    """Put a leaf where its flat name says: `age__list_0__map_enc` is entry `enc` of item 0 of `age`."""
    path: list[str | int] = [steps[0]]
    for separator, step in zip(steps[1::2], steps[2::2], strict=True):
        path.append(int(step) if separator == "__list_" and re.fullmatch("[0-9]{1,6}", step) else step)
    node = root
    for part in path[:-1]:
        if isinstance(node, SecretValue):
            raise _scrambled()
        node = node.setdefault(part, {})
    if isinstance(node, SecretValue) or path[-1] in node:
        raise _scrambled()
    node[path[-1]] = leaf


def _convert(node: _Node) -> Tree:
    """Turn numbered entries into lists."""
    if isinstance(node, SecretValue):
        return node
    names = [key for key in node if isinstance(key, str)]
    if len(names) == len(node):
        return {key: _convert(child) for key, child in node.items() if isinstance(key, str)}
    if names or set(node) != set(range(len(node))):
        raise _scrambled()
    return [_convert(node[index]) for index in range(len(node))]


def _scrambled() -> ProviderError:
    """Return the error for metadata names that contradict each other or leave holes."""
    return ProviderError(f"its `{PREFIX}` lines do not fit together")
