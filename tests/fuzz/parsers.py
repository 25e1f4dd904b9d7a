"""What is fuzzed: every parser of the SOPS provider, on any bytes. A ProviderError is an answer; all else is a bug.

What a parser has read, its writer lays out anew, metadata included, and the parser reads that again. The seeds are
examples of each store, and what the fuzzer has found before; the last of them is a file of the store.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from bridge.errors import BridgeError
from bridge.provider import Kind, ProviderError, SecretValue
from bridge_providers.sops import metadata, stores
from bridge_providers.sops.spans import identical
from bridge_providers.sops.tree import Tree

STORES: Final = {"yaml": 100_000, "json": 200_000, "dotenv": 150_000, "ini": 80_000, "binary": 200_000}
"""How many inputs the test command tries for each."""

_TIME: Final = b"2024-01-01T00:00:00Z"
SEEDS: Final[Mapping[str, tuple[bytes, ...]]] = {
    "yaml": (
        b"a: x\nsops: {x: 1e19, lastmodified: '%b'}\n" % _TIME,
        b"a: x\nsops: {x: [-0.0, .nan], lastmodified: '%b'}\n" % _TIME,
        b'a: &x {p: [1, 2.5, ~]}\nb: *x\nc: |+\n  l\n\n---\nd: !!binary aGk=\nsops: {mac: x, lastmodified: "t"}\n',
        b"# c\nb: !!binary /w==\nsops:\n    age:\n        - enc: |\n            y\n    lastmodified: '%b'\n" % _TIME,
    ),
    "json": (
        b'{"a": "x", "sops": {"x": [-0.0, 1e19], "lastmodified": "%b"}}' % _TIME,
        b'{"a": [1, 2.5e3, null, true, "\\u00e9"], "sops": {"age": [{"enc": "y"}], "lastmodified": "%b"}}' % _TIME,
    ),
    "dotenv": (b"A=x\\ny\n#c\nsops_mac=x\nsops_age__list_0__map_enc=y\nsops_lastmodified=%b\n" % _TIME,),
    "ini": (
        b'top = x\n; c\n[s]\nk = `a # b`\nl = """m\nn"""\no = p \\\n q\n[sops]\nmac = x\nage__list_0__map_enc = y\n'
        b"lastmodified = %b\n" % _TIME,
    ),
    "binary": (
        b'{"data": -0.0, "sops": {"mac": "x", "lastmodified": "%b"}}' % _TIME,
        b'{"data": "ENC[x]", "sops": {"mac": "x", "lastmodified": "%b"}}' % _TIME,
    ),
}


def check(store: str, data: bytes) -> bool:
    """Read bytes as a store, and return whether they were a file of it; AssertionError if writing changes them."""
    try:
        stored = stores.load(data, store)
        metadata.read(stored.metadata)
        new = (
            stores.writer_of(store).fresh(stored.documents, stored.metadata, None)
            if _is_fit(store, stored.documents)
            else b""
        )
    except ProviderError as error:
        return refused(error)
    if new:
        again = stores.load(new, store)
        assert all(identical(*pair) for pair in zip(again.documents, stored.documents, strict=True))
        assert identical(again.metadata, stored.metadata)
    return True


def refused(error: BridgeError) -> bool:
    """Return False for an answer that names its reasons on one line each, whatever the bytes hold."""
    for problem in error.problems:
        assert (problem.where + problem.what + problem.hint).isprintable()
    return False


def _is_fit(store: str, documents: list[dict[str, Tree]]) -> bool:
    """Return whether a file may be written with these values: the writers leave that judgement to their caller."""
    if store != stores.YAML and len(documents) > 1:
        return False
    problem = stores.writer_of(store).problem
    # A binary file's value is always written encrypted, which is a text; the others' are taken as if in clear.
    return all(
        problem(leaf, encrypted=store == stores.BINARY and leaf.kind is Kind.TEXT) is None
        for document in documents
        for leaf in _leaves(document)
    )


def _leaves(node: Tree) -> Iterator[SecretValue]:
    if isinstance(node, SecretValue):
        yield node
    else:
        for child in node.values() if isinstance(node, dict) else node:
            yield from _leaves(child)
