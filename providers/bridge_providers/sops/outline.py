"""What a file shows without a key: its names, its ciphertexts, its recipients and its rules.

Nothing is verified. Anyone who can change the file can also change what is described here, except that a ciphertext
cannot be made without the data key, nor moved to another name.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from bridge.provider import Context, Leaf, Outline, ProviderError, Reader, Revision, Rules, SecretValue
from bridge_providers.sops import cipher, creation, files, metadata, skeleton, stores
from bridge_providers.sops.metadata import Metadata
from bridge_providers.sops.tree import Tree

_KEY_TYPES: Final = (*metadata.KEY_TYPES, *creation.TYPES)
_NAMED_BY: Final = ("arn", "resource_id", "key_id", "vaultUrl", "key", "version", "recipient", "fp")
"""The fields that name a key in a key group of `.sops.yaml`, in the order of the name."""
_COUNT: Final = "shamir_threshold"
_MAC: Final = "mac_only_encrypted"


def file(path: str, context: Context) -> Path | None:
    """Return the path of a file, as written: links in it are followed only where the file is read."""
    if "\0" in path:
        raise ProviderError("the path contains a zero byte")
    return context.base / path


def outline(path: str, content: bytes) -> Outline:
    """Read the content of a file; ProviderError if it is not a sops file."""
    return skeleton.outline(stores.store_of(path), content, _outline)


def _outline(store: str, content: bytes) -> Outline:
    files.check_size(content)
    stored = stores.load(content, store)
    block = metadata.read(stored.metadata)
    leaves = {
        (number, () if store == stores.BINARY else keys): leaf
        for number, document in enumerate(stored.documents)
        for keys, leaf in _leaves(document, ())
    }
    rules = Rules(tuple(metadata.readers(stored.metadata)), _settings(block))
    return Outline(leaves, rules, metadata.revision(content, block.last_modified), block.mac.encode())


def in_clear(path: str, content: bytes) -> Outline | None:
    """Return what a file shows that is not encrypted; None if sops has written it, or if it is damaged."""
    store = stores.store_of(path)
    try:
        files.check_size(content)
        documents = stores.load_clear(content, store)
    except ProviderError:
        documents = None
    if documents is None:
        return None
    leaves = {
        (number, () if store == stores.BINARY else keys): leaf
        for number, document in enumerate(documents)
        for keys, leaf in _leaves(document, ())
    }
    return Outline(leaves, Rules((), {}), Revision(""))


def _leaves(node: Tree, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Leaf]]:
    if isinstance(node, dict) and (node or not keys):
        for key, child in node.items():
            yield from _leaves(child, (*keys, key))
        return
    sealed: list[bytes] = []
    clear: list[SecretValue] = []
    for value in _values(node):
        if cipher.is_sealed(value):
            sealed.append(value.reveal())
        else:
            clear.append(value)
    yield keys, Leaf(tuple(sealed), tuple(clear))


def _values(node: Tree) -> Iterator[SecretValue]:
    """Yield all values of a node: one, or those of a list."""
    if isinstance(node, SecretValue):
        yield node
        return
    for child in node.values() if isinstance(node, dict) else node:
        yield from _values(child)


def _settings(block: Metadata) -> dict[str, str]:
    settings = {block.rule: block.pattern}
    if block.mac_only_encrypted:
        settings[_MAC] = "true"
    if len(block.groups) > 1:
        settings[_COUNT] = str(block.threshold or len(block.groups))
    return settings


def rules_for(path: str, content: bytes) -> Rules | None:
    """Return what the first matching rule of a `.sops.yaml` says about a new file, or None if no rule matches."""
    files.check_size(content)
    config = Path(creation.CONFIG)
    found = creation.match(creation.rules_in(content, config), config, Path(path))
    if found is None:
        return None
    rule, where = found
    readers = [
        Reader(creation.TYPES.get(kind, kind), name, number)
        for number, group in enumerate(creation.groups_of(rule, where))
        for part in group
        for kind in _KEY_TYPES
        for name in _names(kind, part.get(kind))
    ]
    return Rules(tuple(dict.fromkeys(readers)), _rule_settings(rule, where))


def _rule_settings(rule: dict[str, Tree], where: str) -> dict[str, str]:
    settings = dict([creation.selector_of(rule, where)])
    for name in (_MAC, _COUNT):
        node = rule.get(name)
        if isinstance(node, SecretValue) and not creation.is_empty(node) and node.is_text():
            settings[name] = node.reveal().decode()
    if settings.get(_MAC) == "false":
        del settings[_MAC]
    return settings


def _names(kind: str, node: "Tree | None") -> Iterator[str]:
    """Yield the names of the keys of one type: a string with commas, a mapping of fields, or a list of these."""
    if node is None or isinstance(node, SecretValue):
        names: Iterable[str] = [] if node is None else _text(node).split(",")
        yield from (metadata.key_name(kind, name.strip()) for name in names if name.strip())
    elif isinstance(node, dict):
        yield "/".join(filter(None, (_text(node.get(field)) for field in _NAMED_BY)))
    else:
        for item in node:
            yield from _names(kind, item)


def _text(node: "Tree | None") -> str:
    return node.reveal().decode() if isinstance(node, SecretValue) and node.is_text() else ""
