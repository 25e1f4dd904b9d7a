"""How old a value is: what its store and the state ConfigMap know, and which of them counts."""

import pytest

from bridge.config.age_limits import AgeLimit
from bridge.plan.ages import StoredValue, ValueAge, worst
from bridge.plan.measure_ages import ages
from bridge.plan.model import Plan
from bridge.plan.state import KeyMemory, Memory, ObjectMemory
from tests.plan.test_change_times import ID, SOURCE, known, live, plan

DAY = 86_400
NOW = "2026-11-29T12:00:00Z"
OLD, NEW = "2026-08-24T12:00:00Z", "2026-11-24T12:00:00Z"  # 97 and 5 days before
LIMIT = AgeLimit(90 * DAY)


def measured(
    made: Plan | None, time: str = "", limit: AgeLimit = LIMIT, *, exact: bool = False, ends: str = ""
) -> ValueAge:
    (age,) = ages([StoredValue("A", ID, "A", limit, time, exact, ends)], made, NOW)
    return age


def in_sync(changed: str, begun: str = "") -> Plan:
    return plan(known(A=changed, begun=begun), live(changed, A="1"), A="1")


@pytest.mark.parametrize(
    ("stored", "exact", "changed", "days", "at_least"),
    [
        (NEW, True, "", 5, False),
        (NEW, False, "", 5, True),
        (NEW, True, OLD, 97, True),
        (OLD, True, NEW, 97, False),
        (OLD, False, NEW, 97, True),
        ("", False, NEW, 5, True),
    ],
)
def test_older_of_store_and_cluster_counts(stored: str, exact: bool, changed: str, days: int, at_least: bool) -> None:
    age = measured(in_sync(changed) if changed else None, stored, exact=exact)
    assert (age.seconds, age.at_least, age.overdue) == (days * DAY, at_least, days > 90)


def test_time_of_value_is_not_exact_unless_that_is_said() -> None:
    (age,) = ages([StoredValue("A", ID, "A", LIMIT, NEW)], None, NOW)
    assert (age.seconds, age.at_least) == (5 * DAY, True)


@pytest.mark.parametrize(("time", "ahead"), [("2026-11-29T12:01:00Z", 0), ("2026-11-29T12:01:01Z", 61)])
def test_time_in_future_is_reported_after_a_minute_and_counts_as_now(time: str, ahead: int) -> None:
    age = measured(None, time)
    assert (age.seconds, age.ahead) == (0, ahead)


def test_write_that_may_not_have_happened_says_nothing() -> None:
    assert measured(in_sync(OLD, begun=OLD)).seconds is None
    pending = Memory({ID: ObjectMemory("uid", {"A": KeyMemory(SOURCE, OLD, pending=True)})})
    assert measured(plan(pending, live(OLD, A="1"), A="1")).seconds is None
    assert measured(in_sync(OLD, begun=NEW)).seconds == 97 * DAY


def test_key_that_differs_from_its_source_says_nothing() -> None:
    assert measured(plan(known(A=OLD), live(OLD, A="1"), A="2")).seconds is None


@pytest.mark.parametrize(
    ("limit", "ends", "left", "state"),
    [
        (AgeLimit(6 * DAY), "", DAY, "ok"),  # the last tenth has not begun
        (AgeLimit(5 * DAY + 3600), "", 3600, "soon"),
        (AgeLimit(5 * DAY), "", 0, "overdue"),
        (AgeLimit(1000 * DAY), "", 995 * DAY, "ok"),
        (AgeLimit(18 * DAY), "", 13 * DAY, "ok"),
        (AgeLimit(None, "2026-12-13T12:00:00Z"), "", 14 * DAY, "soon"),
        (AgeLimit(None, "2026-12-13T12:00:01Z"), "", 14 * DAY + 1, "ok"),
        (AgeLimit(None, "2026-11-29T12:00:00Z"), "", 0, "overdue"),
        (AgeLimit(1000 * DAY), "2026-11-30T12:00:00Z", DAY, "soon"),
        (AgeLimit(None, "2027-11-30T12:00:00Z"), "2026-11-28T12:00:00Z", -DAY, "overdue"),
        (AgeLimit(6 * DAY, "2026-12-01T12:00:00Z"), "", DAY, "ok"),
    ],
)
def test_limit_that_is_reached_first_counts(limit: AgeLimit, ends: str, left: int, state: str) -> None:
    age = measured(None, NEW, limit, ends=ends)
    found = "overdue" if age.overdue else "soon" if age.soon else "ok"
    assert (age.left, found) == (left, state)


def test_value_without_limit_is_neither_soon_nor_overdue() -> None:
    age = measured(None, OLD, AgeLimit())
    assert (age.limited, age.left, age.soon, age.overdue) == (False, None, False, False)


def test_worst_of_variable_that_fills_several_keys_is_reported() -> None:
    values = [StoredValue("A", ID, key, LIMIT, time) for key, time in (("A", NEW), ("B", OLD), ("C", ""))]
    (age,) = worst(ages(values, None, NEW))
    assert age.key == "B"
