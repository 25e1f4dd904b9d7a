"""Tells which values a file would show to everybody: those that its rule does not encrypt."""

import os
from collections.abc import Iterator
from pathlib import Path

from bridge.provider import Context, Document, SecretValue
from bridge_providers.sops import creation, files, metadata, replace, seal, stores
from bridge_providers.sops.gotime import GoTime
from bridge_providers.sops.metadata import Metadata
from bridge_providers.sops.selectors import Selector, writable
from bridge_providers.sops.tree import Tree
from bridge_providers.sops.walk import Walk


def in_clear(path: str, document: Document, context: Context) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the places of such values; see `bridge.provider.Discloser`."""
    if isinstance(document.content, SecretValue):
        return  # a binary file is encrypted as a whole
    target = Path(os.path.realpath(files.locate(path, context.base)))
    content = [_tree(one) for one in document.content]
    old, store = replace.current(target), stores.store_of(path)
    block = _of_new(target) if old is None else metadata.read(stores.load(old, store).metadata)
    rule = writable(block, target, is_new=old is None, has_comments=stores.has_comments(store))
    yield from _by_rule(content, rule)


def _tree(given: object) -> dict[str, Tree]:
    tree = seal.arrange(given, None)  # type: ignore[arg-type] # a mapping of a document
    assert isinstance(tree, dict)
    return tree


def _of_new(target: Path) -> Metadata:
    name, pattern = creation.rule_for(target).selector or ("unencrypted_suffix", "_unencrypted")
    return Metadata((), GoTime.from_unix(0), "", name, pattern, mac_only_encrypted=False, version="")


def _by_rule(documents: list[dict[str, Tree]], rule: Selector) -> Iterator[tuple[int, tuple[str, ...]]]:
    places: dict[tuple[int, tuple[str, ...]], None] = {}

    def visit(leaf: SecretValue, place: bytes, encrypted: bool, walk: Walk) -> SecretValue:
        if not encrypted:
            places[walk.document, tuple(place.decode().split(":")[:-1])] = None
        return leaf

    Walk(documents, rule, visit).run()
    yield from places
