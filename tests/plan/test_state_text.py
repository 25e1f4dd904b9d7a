"""The memory's text: what goes in comes out, and nothing else is taken for it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.objects import Field, Layer, Live, Manager, ObjectId, Origin, Part
from bridge.plan.state import KeyMemory, Memory, ObjectMemory, UnreadableMemoryError, decode, encode, rebuilt
from bridge.provider import Revision
from bridge.secret import SecretValue

OURS = "bridge/x"
NAMES = st.text("abc-.", min_size=1, max_size=8)
ALONE = st.just(()), st.none()  # no parts, no revision
SOURCE = st.builds(Origin, st.just(Layer.SOURCE), NAMES, st.booleans(), *ALONE)
LOWER = st.builds(Origin, st.sampled_from([Layer.ENV_FILE, Layer.TEMPLATE]), st.just(""), st.just(False), *ALONE)
PARTS = st.lists(
    st.builds(Part, NAMES, st.just(Layer.SOURCE), NAMES) | st.builds(Part, NAMES, st.just(Layer.TEMPLATE), st.just("")),
    min_size=2,
    max_size=3,
).map(tuple)
COMPOSED = st.builds(Origin, st.just(Layer.TEMPLATE), st.just(""), st.just(False), PARTS, st.none())
ORIGINS = st.none() | SOURCE | LOWER | COMPOSED
KEYS = st.dictionaries(NAMES, st.builds(KeyMemory, ORIGINS, NAMES, st.booleans()), max_size=5)
LABELS = st.lists(NAMES, unique=True, max_size=3).map(lambda names: tuple(sorted(names)))
TIMES = st.just("") | NAMES
OBJECTS = st.builds(ObjectMemory, st.none() | NAMES, KEYS, LABELS, LABELS, st.booleans(), TIMES, TIMES, TIMES)
IDS = st.builds(ObjectId, st.sampled_from(["Secret", "ConfigMap"]), NAMES)
MEMORIES = st.builds(
    Memory,
    st.dictionaries(IDS, OBJECTS, max_size=4),
    st.dictionaries(NAMES, st.builds(Revision, NAMES, st.none() | st.integers()), max_size=3),
    st.none(),
)


@pytest.mark.slow
@given(MEMORIES)
def test_memory_reads_back_as_it_was_written(memory: Memory) -> None:
    assert decode(encode(memory)) == memory
    assert encode(decode(encode(memory))) == encode(memory)


def test_paths_of_one_machines_files_are_not_remembered() -> None:
    parts = (Part("A", Layer.TEMPLATE, "../apps/base/secrets.yml"), Part("B", Layer.SOURCE, "vault:x"))
    origin = Origin(Layer.TEMPLATE, "../apps/base/secrets.yml", parts=parts, revision="1")
    memory = Memory({ObjectId("Secret", "a"): ObjectMemory("1", {"A": KeyMemory(origin, "then")})})
    assert "secrets.yml" not in encode(memory)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "1",
        "{",
        '{"version": 1}',
        '{"version": "1"}',
        '{"version": 1, "objects": {"a": 1}, "origins": []}',
    ],
)
def test_what_is_no_memory_is_refused_without_its_text(text: str) -> None:
    with pytest.raises(UnreadableMemoryError) as caught:
        decode(text)
    assert not caught.value.newer
    assert caught.value.__context__ is None


def test_newer_version_is_reported_apart() -> None:
    with pytest.raises(UnreadableMemoryError) as caught:
        decode(json.dumps({"version": 2}))
    assert caught.value.newer


def test_union_holds_what_may_be_true_while_newer_one_is_written() -> None:
    old_key, new_key = KeyMemory(Origin(Layer.SOURCE, "a"), "1"), KeyMemory(Origin(Layer.SOURCE, "b"), "2")
    a, b, c = (ObjectId("Secret", name) for name in "abc")
    old = Memory({a: ObjectMemory("1", {"X": old_key, "Y": old_key}), b: ObjectMemory("2", {"X": old_key})})
    new = Memory({a: ObjectMemory(None, {"X": new_key, "Z": new_key}), c: ObjectMemory(None, {"X": new_key})})
    union = old.union(new)
    assert union.objects == {
        a: ObjectMemory(
            None,
            {"X": old_key._replace(changed="2"), "Y": old_key, "Z": new_key._replace(pending=True)},
            begun="2",
        ),
        b: ObjectMemory("2", {"X": old_key}),
        c: ObjectMemory(None, {"X": new_key._replace(pending=True)}, begun="2"),
    }


def test_lost_memory_is_rebuilt_from_what_our_manager_still_owns() -> None:
    ours = Manager(OURS, "Apply", "then", frozenset({Field("data", "A"), Field("labels", "l"), Field("type")}))
    theirs = Manager("kubectl", "Update", "now", frozenset({Field("data", "B")}))
    data = {"A": SecretValue(b"a"), "B": SecretValue(b"b")}
    live = Live(ObjectId("Secret", "a"), "uid", "1", data, (ours, theirs))
    foreign = Live(ObjectId("Secret", "b"), "uid", "1", data, (theirs,))
    memory = rebuilt([live, foreign], OURS, "why")
    assert memory == Memory({live.id: ObjectMemory("uid", {"A": KeyMemory(None, "then")}, labels=("l",))}, lost="why")


def test_object_of_unknown_history_has_no_times_and_nothing_but_its_keys() -> None:
    memory = ObjectMemory("uid", {"A": KeyMemory(None, "then")})
    assert memory.times == {"then"}
    assert memory[2:] == ((), (), False, "", "", "", "")
    assert not memory.keys["A"].pending
