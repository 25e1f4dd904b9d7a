"""Our NamedTuple behaves like the one of `typing`, wherever bridge uses it."""

import copy
import pickle
import typing
from typing import Any

import pytest

import bridge.named_tuple


class Ours(bridge.named_tuple.NamedTuple):
    first: int
    second: "str"
    third: tuple[int, ...] = ()

    @property
    def total(self) -> int:
        return self.first + sum(self.third)


class Theirs(typing.NamedTuple):
    first: int
    second: "str"
    third: tuple[int, ...] = ()


class Derived(Ours):
    def doubled(self) -> int:
        return 2 * self.total


both = pytest.mark.parametrize("kind", [Ours, Theirs])


@both
def test_fields_are_given_in_order_or_by_name(kind: Any) -> None:
    one = kind(1, "two", (3,))
    assert one == kind(1, third=(3,), second="two") == kind(first=1, second="two", third=(3,))
    assert (one.first, one.second, one.third) == (1, "two", (3,))


@both
def test_field_without_value_has_its_default(kind: Any) -> None:
    assert kind(1, "two").third == ()
    assert kind(second="two", first=1) == (1, "two", ())


@both
@pytest.mark.parametrize(
    ("values", "named"),
    [
        ((), {}),
        ((1,), {}),
        ((1,), {"third": ()}),
        ((1, "two", (), 4), {}),
        ((1, "two"), {"first": 1}),
        ((1, "two"), {"fourth": 4}),
    ],
)
def test_missing_and_unknown_fields_are_errors(kind: Any, values: tuple[object, ...], named: dict[str, object]) -> None:
    with pytest.raises(TypeError):
        kind(*values, **named)


@both
def test_it_is_tuple(kind: Any) -> None:
    one = kind(1, "two")
    first, *others = one
    assert (first, others, len(one), one[-1]) == (1, ["two", ()], 3, ())
    assert one == (1, "two", ())
    assert {one: "found"}[kind(1, "two")] == "found"
    assert one < kind(2, "one")


@both
@pytest.mark.parametrize("name", ["first", "total", "new"])
def test_nothing_can_be_set(kind: Any, name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(kind(1, "two"), name, 2)


@both
def test_copy_with_other_values(kind: Any) -> None:
    one = kind(1, "two")
    assert one._replace(second="three", third=(4,)) == (1, "three", (4,))
    assert one == (1, "two", ())
    with pytest.raises((TypeError, ValueError)):
        one._replace(fourth=4)


@both
def test_pattern_matches_fields(kind: Any) -> None:
    match kind(1, "two"):
        case kind(1, second=second):
            assert second == "two"
        case _:
            pytest.fail("no match")


@both
def test_it_is_shown_with_its_fields(kind: Any) -> None:
    assert repr(kind(1, "two")) == f"{kind.__name__}(first=1, second='two', third=())"


@both
def test_copies_are_of_same_class(kind: Any) -> None:
    one = kind(1, "two", (3,))
    for other in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert (type(other), other) == (kind, one)


@pytest.mark.parametrize("kind", [Ours, Derived])
def test_constructor_is_replaced_by_equal_one(kind: Any) -> None:
    class Often(kind):
        pass

    def made() -> list[Any]:
        return [Often(1, "two"), Often(1, second="two", third=(3,)), Often(third=(), second="two", first=1)]

    before, slow = made(), Often.__new__
    for _ in range(bridge.named_tuple.MANY):
        made()
    assert Often.__new__ is not slow
    assert made() == before
    assert {type(one) for one in made()} == {Often}
    assert kind.__new__ is slow
    for values, named in (((1,), {}), ((1, "two"), {"first": 1}), ((1, "two"), {"fourth": 4}), ((1, "two", (), 4), {})):
        with pytest.raises(TypeError):
            Often(*values, **named)


@both
def test_fields_as_mapping(kind: Any) -> None:
    assert kind(1, "two")._asdict() == {"first": 1, "second": "two", "third": ()}


def test_methods_and_classes_derived_from_it() -> None:
    one = Derived(1, "two", third=(3,))
    assert (one.total, one.doubled(), one._replace(first=2).doubled()) == (4, 8, 10)
    assert type(one._replace(first=2)) is Derived
