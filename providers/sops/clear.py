"""Tells which values a file would show to everybody: those that its rule does not encrypt."""

import os
from collections.abc import Iterator
from pathlib import Path

from bridge.provider import Context, Document, SecretValue
from bridge_providers.sops import creation, files, metadata, replace, seal, stores
from bridge_providers.sops.gotime import GoTime
from bridge_providers.sops.metadata import Metadata
from bridge_providers.sops.selectors import selector
from bridge_providers.sops.tree import Tree
from bridge_providers.sops.walk import Walk


def in_clear(path: str, document: Document, context: Context) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the places of such values; see `bridge.provider.Discloser`."""
    if isinstance(document.content, SecretValue):
        return  # a binary file is encrypted as a whole
    target = Path(os.path.realpath(files.locate(path, context.base)))
    old = replace.current(target)
    if old is None:
        yield from _by_rule([_tree(one) for one in document.content], _of_new(target))
        return
    stored = stores.load(old, stores.store_of(path))
    block = metadata.read(stored.metadata)
    # A rule over comments shows in what is there; a value that such a file does not have yet is never written.
    is_by_look = selector(block).by_look
    yield from _by_rule(stored.documents if is_by_look else [_tree(one) for one in document.content], block)


def _tree(given: object) -> dict[str, Tree]:
    tree = seal.arrange(given, None)  # type: ignore[arg-type] # a mapping of a document
    assert isinstance(tree, dict)
    return tree


def _of_new(target: Path) -> Metadata:
    name, pattern = creation.rule_for(target).selector or ("unencrypted_suffix", "_unencrypted")
    return Metadata((), GoTime.from_unix(0), "", name, pattern, mac_only_encrypted=False, version="")


def _by_rule(documents: list[dict[str, Tree]], block: Metadata) -> Iterator[tuple[int, tuple[str, ...]]]:
    for index, one in enumerate(documents):
        places: dict[tuple[str, ...], None] = {}

        def visit(
            leaf: SecretValue,
            place: bytes,
            encrypted: bool,
            _: Walk,
            places: dict[tuple[str, ...], None] = places,
        ) -> SecretValue:
            if not encrypted:
                places[tuple(place.decode().split(":")[:-1])] = None
            return leaf

        Walk([one], selector(block), visit).run()
        yield from ((index, place) for place in places)
