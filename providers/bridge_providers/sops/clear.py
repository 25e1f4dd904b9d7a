"""Finds the values that a file's rule leaves in clear, where everybody can read them."""

import os
from collections.abc import Iterator
from pathlib import Path

from bridge.provider import Context, Document, SecretValue
from bridge_providers.sops import creation, files, metadata, replace, stores, tree
from bridge_providers.sops.selectors import Selector, writable
from bridge_providers.sops.tree import Tree
from bridge_providers.sops.walk import Walk


def in_clear(path: str, document: Document, context: Context) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the places of these values; see `bridge.provider.Discloser`."""
    if isinstance(document.content, SecretValue):
        return  # a binary file is encrypted as a whole
    target = Path(os.path.realpath(files.locate(path, context.base)))
    content = [{key: tree.copied(child) for key, child in one.items()} for one in document.content]
    old, store = replace.current(target), stores.store_of(path)
    block = creation.block_for(target) if old is None else metadata.read(stores.load(old, store).metadata)
    rule = writable(block, target, is_new=old is None, has_comments=stores.has_comments(store))
    yield from _by_rule(content, rule)


def _by_rule(documents: list[dict[str, Tree]], rule: Selector) -> Iterator[tuple[int, tuple[str, ...]]]:
    places: dict[tuple[int, tuple[str, ...]], None] = {}

    def visit(leaf: SecretValue, place: bytes, encrypted: bool, walk: Walk) -> SecretValue:
        if not encrypted:
            places[walk.document, tuple(place.decode().split(":")[:-1])] = None
        return leaf

    Walk(documents, rule, visit).run()
    yield from places
