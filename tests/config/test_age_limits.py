"""Limits for the age of values in an environment file."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.config.age_limits import AgeLimit
from bridge.config.durations import in_short, in_words, parse_duration
from bridge.config.environment import Environment, load_environment
from bridge.errors import ConfigError

DAY = 86_400
SMALL = "id: a\ntemplates: [b]\n"


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str], Environment]:
    def load(text: str) -> Environment:
        (tmp_path / "staging.yaml").write_text(SMALL + text)
        return load_environment(tmp_path, "staging")

    return load


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90d", 90 * DAY),
        ("1d12h", 36 * 3600),
        ("1h30m", 5400),
        ("600s", 600),
        ("", 0),
        ("0d", 0),
        ("90", 0),
        ("3w", 0),
        ("90 d", 0),
        ("-1d", 0),
        ("1h1d", 0),
        ("٩d", 0),
        ("1234567d", 0),
        ("90d\n", 0),
    ],
)
def test_duration_is_parsed_with_its_units(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("seconds", "words", "short"),
    [
        (90 * DAY, "90 days", "90 d"),
        (2 * DAY, "2 days", "2 d"),
        (2 * DAY - 1, "47 hours", "47 h"),
        (DAY, "24 hours", "24 h"),
        (7200, "2 hours", "2 h"),
        (7199, "119 minutes", "119 min"),
        (60, "1 minute", "1 min"),
        (59, "less than a minute", "0 min"),
        (0, "less than a minute", "0 min"),
    ],
)
def test_duration_is_shown_in_largest_unit_of_which_it_has_two(seconds: int, words: str, short: str) -> None:
    assert (in_words(seconds), in_short(seconds)) == (words, short)


def test_variable_with_only_a_limit_is_still_looked_up_in_sources(load: Callable[[str], Environment]) -> None:
    environment = load("variables: {A: {max_age: 90d}, B: {expires: 2027-01-31}, C: {from: 'v:c#d', max_age: 1h}}")
    assert list(environment.variables) == ["C"]
    assert [str(reference) for reference in environment.references] == ["v:c#d"]
    assert environment.age_limits == {
        "A": AgeLimit(90 * DAY),
        "B": AgeLimit(None, "2027-01-31T00:00:00Z"),
        "C": AgeLimit(3600),
    }


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2027-01-31", "2027-01-31T00:00:00Z"),
        ("2027-01-31T12:30:00Z", "2027-01-31T12:30:00Z"),
        ("2027-01-31t12:30:00.5z", "2027-01-31T12:30:00Z"),
        ("2027-01-31T00:30:00+02:00", "2027-01-30T22:30:00Z"),
    ],
)
def test_expiry_is_kept_in_utc(load: Callable[[str], Environment], text: str, time: str) -> None:
    assert load(f"variables: {{A: {{expires: {text}}}}}").age_limits["A"].expires == time


@pytest.mark.parametrize("text", ["2027-02-30", "2027-01-31T25:00:00Z", "2027-01-31T12:00:00", "soon", "20270131", "5"])
def test_expiry_that_is_no_time_is_refused_with_example(load: Callable[[str], Environment], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(f"variables: {{A: {{expires: '{text}'}}}}")
    assert caught.value.problems[0].hint == "write a date such as 2027-01-31, or a time such as 2027-01-31T12:00:00Z"
    assert str(caught.value).endswith("variables.A.expires: must be a date or a time")


def test_limit_of_environment_is_for_secrets_without_their_own(load: Callable[[str], Environment]) -> None:
    environment = load("max_age: 90d\nvariables: {A: {max_age: 7d}, B: {max_age: unlimited}, C: {expires: 2027-01-31}}")
    assert environment.age_limit("OTHER", secret=True) == AgeLimit(90 * DAY)
    assert environment.age_limit("OTHER", secret=False) is None
    assert environment.age_limit("A", secret=True) == environment.age_limit("A", secret=False) == AgeLimit(7 * DAY)
    assert environment.age_limit("B", secret=True) is None
    assert environment.age_limit("C", secret=True) == AgeLimit(90 * DAY, "2027-01-31T00:00:00Z")
    assert environment.age_limit("C", secret=False) == AgeLimit(None, "2027-01-31T00:00:00Z")


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("", False),
        ("variables: {A: {max_age: unlimited}, B: 'v:a#b'}", False),
        ("max_age: 90d", True),
        ("variables: {A: {max_age: 90d}}", True),
        ("variables: {A: {expires: 2027-01-31}}", True),
    ],
)
def test_environment_knows_whether_it_limits_ages(load: Callable[[str], Environment], text: str, limits: bool) -> None:
    assert load(text).limits_ages is limits
