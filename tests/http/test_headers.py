"""Times in headers: what is understood, and that nothing else raises."""

from datetime import UTC, datetime

import pytest

from bridge.http.headers import LONGEST, http_date, retry_after

NOW = "Wed, 25 Nov 2026 10:00:00 GMT"


def test_a_date_is_read_as_every_server_has_to_write_it() -> None:
    assert http_date(NOW) == datetime(2026, 11, 25, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "Fri, 01 Jan 0000 00:00:00 GMT",
        "Fri, 31 Feb 2026 10:00:00 GMT",
        "Fri, 30 Jun 2026 23:59:60 GMT",
        "Wed, 25 Nov 2026 10:00:00 -0000",
        "Wed, 25 nov 2026 10:00:00 GMT",
        "Wed, ٢٥ Nov 2026 10:00:00 GMT",
        "Wednesday, 25-Nov-26 10:00:00 GMT",
        ",",
        "Wed, " * 10_000,
    ],
)
def test_any_other_date_says_nothing(text: str) -> None:
    assert http_date(text) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 0030 ", 30.0),
        ("999999", 999_999.0),
        ("1000000", LONGEST),
        ("9" * 5000, LONGEST),
        ("0" * 5000, 0.0),
        ("Wed, 25 Nov 2026 10:00:30 GMT", 30.0),
        (NOW, 0.0),
        ("Wed, 25 Nov 2026 09:59:59 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST),
    ],
)
def test_a_wait_is_a_number_or_a_date_after_the_servers_own(text: str, seconds: float) -> None:
    assert retry_after(text, NOW) == seconds


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.5", "1e3", "٣", "²", "inf", "nan", "1, 2", "soon"])
def test_any_other_wait_says_nothing(text: str) -> None:
    assert retry_after(text, NOW) is None


def test_a_date_without_the_servers_own_says_nothing() -> None:
    assert retry_after(NOW) is None
