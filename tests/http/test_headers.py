"""Times in headers: what is understood, and that nothing else raises."""

from datetime import UTC, datetime

import pytest

from bridge.http.response import LONGEST, http_date, retry_after

NOW = "Wed, 25 Nov 2026 10:00:00 GMT"


def test_http_date_is_parsed() -> None:
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
def test_invalid_date_is_ignored(text: str) -> None:
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
def test_retry_after_is_number_or_date(text: str, seconds: float) -> None:
    assert retry_after(text, NOW) == seconds


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.5", "1e3", "٣", "²", "inf", "nan", "1, 2", "soon"])
def test_invalid_retry_after_is_ignored(text: str) -> None:
    assert retry_after(text, NOW) is None


def test_retry_after_date_without_server_date_is_ignored() -> None:
    assert retry_after(NOW) is None
