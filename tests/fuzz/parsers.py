"""What is fuzzed: every parser of the SOPS provider, on any bytes. A ProviderError is an answer; all else is a bug.

What a parser has read, the writer finds the parts of. The seeds are
examples of each store, and what the fuzzer has found before; the last of them is a file of the store.
"""

from collections.abc import Mapping
from typing import Final

from bridge.errors import BridgeError
from bridge.provider import ProviderError
from bridge_providers.sops import metadata, splice, stores, writing

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
    "dotenv": (
        b"A=x\\ny\n#\x9d\nsops_mac=x\nsops_lastmodified=%b\n" % _TIME,
        b"A=x\\ny\n#c\nsops_mac=x\nsops_age__list_0__map_enc=y\nsops_lastmodified=%b\n" % _TIME,
    ),
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
    """Read bytes as a store, and return whether they were a file of it; AssertionError if its parts are not found."""
    try:
        stored = stores.load(data, store)
        metadata.read(stored.metadata)
    except ProviderError as error:
        return refused(error)
    if store in writing.WRITTEN and (text := _text(data)) is not None:
        parts = splice.layout_of(store).find(text)
        assert len(parts) == len(stored.documents)
    return True


def _text(data: bytes) -> str | None:
    """Return what may be changed in place: UTF-8. Comments of dotenv, and YAML, may be read in another encoding."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def refused(error: BridgeError) -> bool:
    """Return False for an answer that names its reasons on one line each, whatever the bytes hold."""
    for problem in error.problems:
        assert (problem.where + problem.what + problem.hint).isprintable()
    return False
