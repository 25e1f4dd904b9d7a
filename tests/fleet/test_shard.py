"""Shards: every environment in exactly one of them, wherever and however often one asks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.config.shard import MOST, Shard, owner, parse_shard
from bridge.errors import ConfigError

NAMES = st.lists(st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=20), unique=True, max_size=60)
COUNTS = st.integers(1, 24)


@given(NAMES, COUNTS)
def test_every_name_is_in_exactly_one_shard(names, count):
    found = [name for index in range(count) for name in Shard(index, count).members(names)]
    assert sorted(found) == sorted(names)


@given(NAMES, COUNTS)
def test_with_one_shard_more_names_move_only_to_it(names, count):
    for name in names:
        assert owner(name, count + 1) in (owner(name, count), count)


@given(NAMES, NAMES, COUNTS)
def test_name_stays_whatever_other_names_come_and_go(names, others, count):
    index = 0
    both = Shard(index, count).members(dict.fromkeys([*names, *others]))
    assert set(Shard(index, count).members(names)) == set(both) & set(names)


def test_shards_are_about_equal_and_few_names_move():
    names = [f"env-{number:04}" for number in range(1000)]
    sizes = [len(Shard(index, 8).members(names)) for index in range(8)]
    assert min(sizes) > 90
    assert max(sizes) < 160
    moved = sum(owner(name, 8) != owner(name, 9) for name in names)
    assert 80 < moved < 145  # a ninth, and not nearly all


def test_owner_is_same_on_every_machine_and_for_ever():
    assert [owner(name, 8) for name in ("staging", "production", "env-0001")] == [0, 6, 7]


@pytest.mark.parametrize(
    ("text", "environ", "shard"),
    [
        ("0/1", {}, Shard(0, 1)),
        ("7/8", {"JOB_COMPLETION_INDEX": "3"}, Shard(7, 8)),
        ("auto/8", {"JOB_COMPLETION_INDEX": "3"}, Shard(3, 8)),
        (f"999/{MOST}", {}, Shard(999, MOST)),
    ],
)
def test_what_is_shard(text, environ, shard):
    assert parse_shard(text, environ) == shard


@pytest.mark.parametrize(
    ("text", "index", "what"),
    [
        ("1", None, "--shard: must be INDEX/COUNT or auto/COUNT"),
        ("-1/2", None, "--shard: must be INDEX/COUNT or auto/COUNT"),
        ("1/2/3", None, "--shard: must be INDEX/COUNT or auto/COUNT"),
        ("\u0661/2", None, "--shard: must be INDEX/COUNT or auto/COUNT"),
        ("0/0", None, "--shard: COUNT must be 1 to 1000"),
        ("0/1001", None, "--shard: COUNT must be 1 to 1000"),
        ("8/8", None, "--shard: 8 is not less than COUNT (8)"),
        ("auto/8", None, "--shard: JOB_COMPLETION_INDEX is not set"),
        ("auto/8", "x", "JOB_COMPLETION_INDEX: must be a number"),
        ("auto/8", "8", "JOB_COMPLETION_INDEX: 8 is not less than COUNT (8)"),
    ],
)
def test_what_is_none(text, index, what):
    with pytest.raises(ConfigError) as caught:
        parse_shard(text, {"JOB_COMPLETION_INDEX": index} if index else {})
    assert [str(one) for one in caught.value.problems] == [what]
