"""Headers that say a time. Whatever a server writes there, nothing is raised: what is not understood says nothing."""

import re
from datetime import UTC, datetime
from typing import Final

LONGEST: Final = 1_000_000.0
"""Seconds; longer than any run, so that a number of any length can be told apart from one that is missing."""
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE: Final = re.compile(r"[A-Z][a-z]{2}, ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT")


def http_date(text: str) -> datetime | None:
    """Read a date as every server has to write it (RFC 9110, 5.6.7); None for anything else."""
    found = _DATE.fullmatch(text.strip())
    if found is None or found[2] not in _MONTHS:
        return None
    day, year, hour, minute, second = (int(found[number]) for number in (1, 3, 4, 5, 6))
    try:
        return datetime(year, _MONTHS.index(found[2]) + 1, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


def retry_after(text: str, date: str = "") -> float | None:
    """Read a Retry-After in seconds; a date counts from the server's own `Date`, so that no two clocks are compared.

    None where it says nothing: a fraction, a negative number, other signs, a date without the server's own.
    """
    text = text.strip()
    if re.fullmatch(r"[0-9]+", text):
        digits = text.lstrip("0")
        return LONGEST if len(digits) > 6 else float(digits or 0)
    until, now = http_date(text), http_date(date)
    if until is None or now is None:
        return None
    return max(0.0, min(LONGEST, (until - now).total_seconds()))
