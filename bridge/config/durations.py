"""Durations as text: `90d` and `1h30m` as people write them, `97 days` and `12 d` as reports show them."""

import re
from typing import Final

MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
PATTERN: Final = r"(?:[0-9]{1,6}d)?(?:[0-9]{1,6}h)?(?:[0-9]{1,6}m)?(?:[0-9]{1,6}s)?"
"""A duration: days, hours, minutes and seconds, each with its unit, in this order. It also matches an empty text."""
_UNITS: Final = ((DAY, "day", "d"), (HOUR, "hour", "h"), (MINUTE, "minute", "min"))


def parse_duration(text: str) -> int:
    """Return the seconds in a duration such as 90d, 1h30m or 600s; 0 if the text is anything else."""
    if not re.fullmatch(PATTERN, text):
        return 0
    lengths = {"d": DAY, "h": HOUR, "m": MINUTE, "s": 1}
    return sum(int(count) * lengths[unit] for count, unit in re.findall(r"([0-9]+)([dhms])", text))


def written(seconds: int) -> str:
    """Format a duration as `parse_duration` reads it: `90d`, `1d12h`."""
    parts = (
        (seconds // DAY, "d"),
        (seconds % DAY // HOUR, "h"),
        (seconds % HOUR // MINUTE, "m"),
        (seconds % MINUTE, "s"),
    )
    return "".join(f"{count}{unit}" for count, unit in parts if count)


def in_words(seconds: float) -> str:
    """Format a duration in the largest unit of which it has at least two, rounded down: `97 days`, `24 hours`."""
    for length, unit, _ in _UNITS:
        if seconds >= 2 * length:
            return f"{int(seconds // length)} {unit}s"
    return "1 minute" if seconds >= MINUTE else "less than a minute"


def in_short(seconds: float) -> str:
    """Format a duration for a table, in the same unit as `in_words`: `97 d`, `24 h`, `0 min`."""
    for length, _, unit in _UNITS:
        if seconds >= 2 * length:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds // MINUTE)} min"
