"""Parse headers that contain a time. Nothing here raises; an invalid header counts as missing."""

import re
from datetime import UTC, datetime
from typing import Final

LONGEST: Final = 1_000_000.0
"""Seconds, longer than any run; the result for a number of any greater length."""
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE: Final = re.compile(r"[A-Z][a-z]{2}, ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT")


def http_date(text: str) -> datetime | None:
    """Parse a date in the format that servers must use (RFC 9110, 5.6.7); return None for anything else."""
    match = _DATE.fullmatch(text.strip())
    if match is None or match[2] not in _MONTHS:
        return None
    day, year, hour, minute, second = (int(match[number]) for number in (1, 3, 4, 5, 6))
    try:
        return datetime(year, _MONTHS.index(match[2]) + 1, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


def retry_after(text: str, date: str = "") -> float | None:
    """Parse Retry-After as seconds. A date is relative to the server's own `Date`, so that no two clocks are compared.

    Return None if it is invalid: a fraction, a negative number, other characters, or a date without the server's own.
    """
    text = text.strip()
    if re.fullmatch(r"[0-9]+", text):
        digits = text.lstrip("0")
        return LONGEST if len(digits) > 6 else float(digits or 0)
    until, now = http_date(text), http_date(date)
    if until is None or now is None:
        return None
    return max(0.0, min(LONGEST, (until - now).total_seconds()))
