"""When an environment shrinks: at the exact bounds from which on it needs --allow-shrink."""

import pytest

from bridge.objects import Desired, Entry, Layer, ObjectId, Origin
from bridge.plan.baseline import Now, shrinking
from bridge.plan.state import KeyMemory, Memory, ObjectMemory
from bridge.secret import SecretValue

SOURCE = Origin(Layer.SOURCE, "vault:x")
Objects = dict[str, str]
"""The objects by name, with their keys, a letter for each."""


def lost(before: Objects, after: Objects, *, left: str = "") -> list[str]:
    """Return what shrinking yields; `left` are objects that left the templates in an earlier run."""
    known = {
        ObjectId("Secret", name): ObjectMemory(f"uid-{name}", {key: KeyMemory(SOURCE, "") for key in keys})
        for name, keys in before.items()
    }
    known |= {ObjectId("Secret", name): ObjectMemory("uid", {"Z": KeyMemory(SOURCE, "")}, left=True) for name in left}
    entry = Entry(SecretValue.of("CANARY"), SOURCE)
    wanted = [Desired(ObjectId("Secret", name), dict.fromkeys(keys, entry)) for name, keys in after.items()]
    return [problem.what for problem in shrinking(Now(wanted, {}, {}), Memory(known))]


@pytest.mark.parametrize(
    ("objects", "kept", "is_refused"),
    [
        ("a", "", True),
        ("ab", "a", True),
        ("abc", "ab", False),
        ("abc", "a", True),
        ("abcd", "abc", False),
        ("abcd", "ab", True),
        ("abcd", "a", True),
        ("abcde", "abc", False),
        ("abcde", "ab", True),
    ],
)
def test_losing_half_of_objects_needs_flag(objects: str, kept: str, is_refused: bool) -> None:
    # The first object has so many keys that the keys which are lost with the others are few.
    keys = {name: "ABCDEFGHIJKLM" if name == "a" else "K" for name in objects}
    gone = sorted(f"Secret/{name}" for name in objects if name not in kept)
    what = f"{len(gone)} of {len(objects)} objects are no longer in the templates: {', '.join(gone)}"
    assert lost(keys, {name: keys[name] for name in kept}) == [what] * is_refused


@pytest.mark.parametrize(
    ("keys", "kept", "is_refused"),
    [
        ("A", "", False),
        ("AB", "", False),
        ("ABC", "", False),
        ("ABCD", "ABC", False),
        ("ABCD", "AB", True),
        ("ABCD", "A", True),
        ("ABCDE", "ABC", False),
        ("ABCDE", "AB", True),
        ("ABCDEF", "ABCD", False),
        ("ABCDEF", "ABC", True),
    ],
)
def test_losing_half_of_at_least_four_keys_needs_flag(keys: str, kept: str, is_refused: bool) -> None:
    gone = ", ".join(f"Secret/a key {key}" for key in keys if key not in kept)
    what = f"{len(keys) - len(kept)} of {len(keys)} keys are no longer in the templates: {gone}"
    assert lost({"a": keys}, {"a": kept}) == [what] * is_refused


def test_keys_of_lost_object_are_lost_too() -> None:
    before = {"a": "A", "b": "BCD", "c": "E"}
    assert lost(before, {"a": "A", "c": "E"}) == [
        "3 of 5 keys are no longer in the templates: Secret/b key B, Secret/b key C, Secret/b key D"
    ]
    assert lost(before, {"a": "A", "b": "BCD"}) == []


def test_lost_objects_are_not_reported_again_by_their_keys() -> None:
    assert len(lost({"a": "ABC", "b": "DEF"}, {"a": "ABC"})) == 1


def test_objects_that_left_earlier_count_neither_as_lost_nor_as_kept() -> None:
    assert lost({"a": "A"}, {"a": "A"}, left="xyz") == []
    assert lost({"a": "A", "b": "B"}, {"a": "A"}, left="xyz") != []


def test_new_objects_and_keys_do_not_make_up_for_lost_ones() -> None:
    assert lost({"a": "A", "b": "B"}, {"a": "ACDEF", "c": "C", "d": "D"}) == [
        "1 of 2 objects are no longer in the templates: Secret/b"
    ]
    assert lost({"a": "ABCD"}, {"a": "ABEFGHI"}) != []
