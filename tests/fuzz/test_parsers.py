"""The harness of the fuzzer on a few mutations of its seeds; `make fuzz` runs it longer and guided by coverage."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge_providers.sops import stores
from tests.fuzz import parsers

SUFFIXES = (".yaml", ".yml", ".json", ".env", ".ini", ".key")
TOKENS = b"\n \r\t\"'`#;\\=:[]{}&*!|>-~,%\0\xff\xef\xbb\xbf0AENC"


def test_every_store_has_seeds():
    assert set(parsers.STORES) == set(parsers.SEEDS) == {stores.store_of(f"a{suffix}") for suffix in SUFFIXES}


@pytest.mark.parametrize("store", parsers.STORES)
def test_the_last_seed_is_a_file_that_is_read_and_written(store):
    assert parsers.check(store, parsers.SEEDS[store][-1])


def test_a_parser_that_fails_in_another_way_would_be_seen(monkeypatch):
    monkeypatch.setattr(stores, "load", lambda *_: {}["x"])
    with pytest.raises(KeyError):
        parsers.check("ini", b"")


@pytest.mark.parametrize("store", parsers.STORES)
@settings(max_examples=150, deadline=None, database=None)
@given(data=st.data())
def test_any_bytes_are_read_or_refused(store, data):
    seed = data.draw(st.sampled_from(parsers.SEEDS[store]))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(seed)))
        end = data.draw(st.integers(start, min(len(seed), start + 6)))
        new = data.draw(st.lists(st.sampled_from(TOKENS), max_size=4).map(bytes))
        seed = seed[:start] + new + seed[end:]
    assert parsers.check(store, seed) in {True, False}
