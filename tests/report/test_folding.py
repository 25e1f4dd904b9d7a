"""What is printed fits a terminal: widths, folding, relative times."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.report.folding import ago, columns, fold, padded
from bridge.report.status import LEFT, STATES, age_text, status_text
from bridge.report.style import PLAIN, Style, table
from bridge.report.text import plan_text

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC).timestamp()
LETTERS = st.characters(categories=["L", "N"], include_characters="-_.")
NAMES = st.text(st.sampled_from("abzAZ09-_."), min_size=1, max_size=30)
WIDE = st.text(LETTERS, min_size=1, max_size=30).filter(lambda name: columns(name) <= 30)
CLUSTER = {"server": "https://0123456789abcdef.api.k8s.fr-par.scw.cloud:6443", "binding": None, "source": "x"}


SECONDS = st.none() | st.integers(0, 10**9)
AGES = st.none() | st.fixed_dictionaries(
    {
        "seconds": SECONDS,
        "at_least": st.booleans(),
        "limit": SECONDS,
        "expires_in": st.none() | st.integers(-(10**9), 10**9),
        "overdue": st.booleans(),
        "soon": st.booleans(),
    }
)


@st.composite
def statuses(draw: st.DrawFn) -> dict[str, Any]:
    """Return the data of a status whose names have at most 30 letters."""
    environment, namespace, context, file = draw(NAMES), draw(NAMES), draw(WIDE), draw(WIDE)
    places = [f"scaleway:{file}", draw(WIDE), f"vault:{draw(NAMES)}"]
    objects = [f"ConfigMap/{name}" for name in draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))]
    keys = [
        {
            "object": name,
            "key": draw(NAMES),
            "origin": {
                "place": place,
                "places": [place],
                "revision": "7",
                "variables": draw(st.lists(NAMES, max_size=3)),
            },
            "state": draw(st.sampled_from([*STATES.values(), "altered"])),
            "changed": draw(st.sampled_from([None, "2026-01-02T03:04:05Z", "2026-11-29T11:30:00Z"])),
            "age": draw(AGES),
        }
        for name in objects
        for place in draw(st.lists(st.sampled_from(places), max_size=4))
    ]
    return {
        "environment": environment,
        "namespace": namespace,
        "manager": f"bridge/{draw(NAMES)}",
        "cluster": CLUSTER | {"context": context},
        "stores": {},
        "keys": keys,
        "left": [f"ConfigMap/{draw(NAMES)}"],
        "sources": [
            {
                "reference": place,
                "revision": "2026-11-23T23:04:01Z/8057b19a",
                "written": draw(
                    st.sampled_from([None, "2026-11-23T23:04:01Z/8057b19a", "2025-11-23T23:04:01Z/80579a"])
                ),
                "ordered": draw(st.booleans()),
                "unused": draw(st.lists(NAMES, max_size=6)),
            }
            for place in places
        ],
    }


@pytest.mark.slow
@given(statuses(), st.booleans())
def test_status_fits_80_columns_and_loses_no_name(data: dict[str, Any], terminal: bool) -> None:
    style = Style(colour=terminal, width=80, now=NOW) if terminal else PLAIN
    text = status_text(data, style)
    body = text.split("\n\n", 1)[1]  # on a pipe, the heading is one line
    assert max(columns(line) for line in (text if terminal else body).splitlines()) <= 80
    flat = " ".join(text.split())
    names = {data["environment"], data["namespace"], data["cluster"]["context"]}
    names |= {row[field] for row in data["keys"] for field in ("object", "key", "state")}
    names |= {name for row in data["sources"] for name in (row["reference"], *row["unused"])}
    assert [name for name in names if name not in flat] == []
    assert all(f"{name} {LEFT}" in flat for name in data["left"])


def row(key: str, place: str, *variables: str) -> dict[str, Any]:
    origin = {"place": place, "places": [place], "revision": "7", "variables": list(variables)}
    when = "2026-11-26T09:00:00Z"
    return {"object": "Secret/app", "key": key, "origin": origin, "state": "in sync", "changed": when, "age": None}


def status(*rows: dict[str, Any], width: int | None = 80, colour: bool = False) -> list[str]:
    source = {"reference": "vault:app", "revision": "7", "written": "4", "ordered": True, "unused": []}
    cluster = CLUSTER | {"context": "kapsule"}
    data = {"environment": "staging", "namespace": "voice", "manager": "bridge/voice", "cluster": cluster}
    data |= {"stores": {}, "keys": list(rows), "left": [], "sources": [source]}
    text = status_text(data, Style(colour, width, NOW if width else None))
    return text.split("\n\n")[1].splitlines()


def test_status_is_grouped_by_object_and_names_variable_only_if_it_differs() -> None:
    assert status(row("A", "vault:app", "A"), row("B", "vault:app", "OTHER")) == [
        "    KEY  STATE    LAST CHANGE  AGE  FROM",
        "Secret/app",
        "    A    in sync  3 days ago   -    vault:app",
        "    B    in sync  3 days ago   -    vault:app (OTHER)",
    ]


def test_status_shows_origin_once_if_it_does_not_fit_and_absolute_times_without_terminal() -> None:
    long, other = f"vault:{'x' * 40}", f"vault:{'y' * 40}"
    assert status(row("A", long), row("B", other), row("C", long), width=None) == [
        "    KEY  STATE    LAST CHANGE           AGE",
        "Secret/app",
        f"  from {long}",
        "    A    in sync  2026-11-26T09:00:00Z  -",
        "    C    in sync  2026-11-26T09:00:00Z  -",
        f"  from {other}",
        "    B    in sync  2026-11-26T09:00:00Z  -",
    ]


DAY = 86_400


@pytest.mark.parametrize(
    ("age", "text"),
    [
        ({"seconds": 12 * DAY}, "12 d"),
        ({"seconds": 12 * DAY, "at_least": True}, "at least 12 d"),
        ({"seconds": 59}, "0 min"),
        ({"seconds": 47 * 3600}, "47 h"),
        ({"seconds": 97 * DAY, "limit": 90 * DAY, "overdue": True}, "97 d, limit 90 d"),
        ({"seconds": 85 * DAY, "at_least": True, "limit": 90 * DAY, "soon": True}, "at least 85 d, limit 90 d"),
        ({"seconds": 12 * DAY, "limit": 90 * DAY}, "12 d"),
        ({"limit": 90 * DAY}, "-"),
        ({"seconds": 12 * DAY, "expires_in": 12 * DAY, "soon": True}, "expires in 12 d"),
        ({"expires_in": 200 * DAY}, "expires in 200 d"),
        ({"expires_in": -3 * DAY, "overdue": True}, "expired 3 d ago"),
        (
            {"seconds": 97 * DAY, "limit": 90 * DAY, "expires_in": 9 * DAY, "overdue": True},
            "97 d, limit 90 d",
        ),
        ({"seconds": 89 * DAY, "limit": 90 * DAY, "expires_in": -1 * DAY, "overdue": True}, "expired 24 h ago"),
    ],
)
def test_age_is_shown_with_limit_that_is_nearest(age: dict[str, Any], text: str) -> None:
    nothing = {"seconds": None, "at_least": False, "limit": None, "expires_in": None, "overdue": False, "soon": False}
    assert age_text(nothing | age) == text


def test_overdue_value_has_colour_of_change() -> None:
    age = {
        "seconds": 97 * DAY,
        "at_least": False,
        "limit": 90 * DAY,
        "expires_in": None,
        "overdue": True,
        "soon": False,
    }
    fine, overdue = status(row("A", "vault:app"), row("B", "vault:app") | {"age": age}, colour=True)[-2:]
    assert "\033" not in fine
    assert "\033" in overdue


@pytest.mark.parametrize(
    ("time", "text"),
    [
        ("2026-11-29T12:00:30Z", "just now"),
        ("2026-11-29T11:59:01Z", "just now"),
        ("2026-11-29T11:59:00Z", "1 minute ago"),
        ("2026-11-29T10:00:01Z", "1 hour ago"),
        ("2026-11-29T10:00:00+00:00", "2 hours ago"),
        ("2026-11-26T12:00:00Z", "3 days ago"),
        ("2026-10-01T12:00:00Z", "1 month ago"),
        ("2024-11-01T12:00:00Z", "2 years ago"),
        ("2026-11-29T12:05:00Z", "2026-11-29T12:05:00Z"),
        ("not a time", "not a time"),
    ],
)
def test_time_is_relative_to_clock(time: str, text: str) -> None:
    assert ago(time, NOW) == text
    assert ago(time, None) == time


def test_width_counts_columns_of_terminal() -> None:
    assert [columns(text) for text in ("abc", "é", "e\u0301", "日本", "\033[31mab\033[0m")] == [3, 1, 1, 4, 2]
    assert padded("日本", 6) == "日本  "
    assert table([("NAME", "X"), ("日本", "1"), ("abcd", "2")]).splitlines() == ["NAME  X", "日本  1", "abcd  2"]


@given(st.lists(WIDE, min_size=1, max_size=12), st.integers(min_value=40, max_value=100))
def test_folded_line_fits_and_keeps_every_word(words: list[str], width: int) -> None:
    line = f"  {'  '.join(words)}"
    lines = fold(line, width)
    assert max(map(columns, lines)) <= width
    assert " ".join(" ".join(lines).split()) == " ".join(line.split())


def test_line_breaks_between_fields_and_keeps_word_that_is_too_long() -> None:
    assert fold("    ~ KEY  changed by two people  from a:b", 34) == [
        "    ~ KEY  changed by two people",
        "        from a:b",
    ]
    assert fold("x" * 50, 34) == ["x" * 50]


def plan(result: str, written: str = "no") -> dict[str, Any]:
    keys = [{"name": name, "what": "remove", "origin": None, "by": [], "altered": None} for name in ("OLD", "OLDER")]
    entry = {"kind": "Secret", "name": "app", "action": "update", "restored": False, "altered": False}
    entry |= {"written": written, "keys": keys, "labels": [], "annotations": [], "fields": []}
    counts = {"create": 0, "update": 1, "recreate": 0, "delete": 0, "leave": 0, "keep": 4, "altered": 0}
    cluster = CLUSTER | {"context": "kapsule"}
    data = {"environment": "staging", "namespace": "voice", "manager": "bridge/voice", "cluster": cluster}
    return data | {"sources": {}, "objects": [entry], "summary": counts, "result": result}


@pytest.mark.parametrize(
    ("result", "written", "title", "end"),
    [
        ("planned", "no", "to update", "1 to update (2 keys removed), 4 unchanged"),
        ("written", "yes", "updated", "1 updated (2 keys removed), 4 unchanged"),
        (
            "stopped",
            "perhaps",
            "perhaps updated",
            "1 perhaps updated (2 keys removed), 4 unchanged: stopped between writes; run again",
        ),
    ],
)
def test_plan_counts_removed_keys_and_says_what_is_done(result: str, written: str, title: str, end: str) -> None:
    lines = plan_text(plan(result, written), PLAIN).splitlines()
    assert (lines[3], lines[-1]) == (f"~ Secret/app  {title}", end)


def test_removals_and_refusals_are_red() -> None:
    lines = plan_text(plan("refused"), Style(colour=True)).splitlines()
    assert "\033[31m    - OLD    no longer in any template\033[0m" in lines
    assert lines[-1] == (
        "1 to update\033[31m (2 keys removed)\033[0m, 4 unchanged: \033[1;31mrefused; nothing was written\033[0m"
    )
