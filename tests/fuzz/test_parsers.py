"""The harness of the fuzzer on a few mutations of its seeds, wherever it runs; test_run.py is guided by coverage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_providers.sops import stores
from tests.fuzz import parsers
from tests.fuzz.targets import TARGETS

SUFFIXES = (".yaml", ".yml", ".json", ".env", ".ini", ".key")
TOKENS = b"\n \r\t\"'`#;\\=:[]{}&*!|>-~,%\0\xff\xef\xbb\xbf0AENC"


def test_every_store_has_seeds():
    assert set(parsers.STORES) == set(parsers.SEEDS) == {stores.store_of(f"a{suffix}") for suffix in SUFFIXES}


@pytest.mark.parametrize("target", TARGETS)
def test_last_seed_is_what_target_reads(target):
    assert TARGETS[target].check(TARGETS[target].seeds[-1])


@pytest.mark.parametrize(("target", "seed"), [(name, seed) for name in TARGETS for seed in TARGETS[name].seeds])
def test_what_was_found_before_is_read_or_refused(target, seed):
    assert TARGETS[target].check(seed) in {True, False}


def test_parser_that_fails_in_another_way_would_be_seen(monkeypatch):
    monkeypatch.setattr(stores, "load", lambda *_: {}["x"])
    with pytest.raises(KeyError):
        parsers.check("ini", b"")


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
@given(data=st.data())
def test_any_bytes_are_read_or_refused(target, data):
    seed = data.draw(st.sampled_from(TARGETS[target].seeds))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(seed)))
        end = data.draw(st.integers(start, min(len(seed), start + 6)))
        new = data.draw(st.lists(st.sampled_from(TOKENS), max_size=4).map(bytes))
        seed = seed[:start] + new + seed[end:]
    assert TARGETS[target].check(seed) in {True, False}
