"""Measures, folds and abbreviates text for a terminal; a name is never cut."""

import re
from typing import Final

_FIELDS: Final = r"( {2,})"
_COLOUR: Final = r"\033\[[\d;]*m"
MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
_UNITS: Final = ((365 * DAY, "year"), (30 * DAY, "month"), (DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"))


def columns(text: str) -> int:
    """Return how many columns of a terminal a text takes; our colours take none."""
    text = re.sub(_COLOUR, "", text) if "\033" in text else text
    if text.isascii():
        return len(text)
    from unicodedata import category, east_asian_width  # noqa: PLC0415 - start-up: most names are ASCII

    return sum(
        0 if category(char) in {"Mn", "Me", "Cf"} else 2 if east_asian_width(char) in {"W", "F"} else 1 for char in text
    )


def padded(text: str, width: int) -> str:
    """Fill a text with spaces up to this many columns."""
    return text + " " * (width - columns(text))


def fold(line: str, width: int | None, indent: int | None = None) -> list[str]:
    """Split a line that is too wide: between its fields (two spaces) if possible, else between words.

    What follows is indented, by default four columns more than the line. A word that is too long stays whole.
    """
    if width is None or columns(line) <= width:
        return [line]
    own = len(line) - len(line.lstrip(" "))
    if indent is None:
        indent = own + 4
    lines = [" " * own]
    gap = ""
    for part in re.split(_FIELDS, line.strip(" ")):
        if not part.strip(" "):
            gap = part
            continue
        if gap and columns(lines[-1] + gap + part) > width:
            lines.append(" " * indent)
            gap = ""
        _add(lines, gap + part, width, indent)
    return lines


def _add(lines: list[str], text: str, width: int, indent: int) -> None:
    """Add a field to the last line, word by word if it does not fit."""
    if columns(lines[-1] + text) <= width:
        lines[-1] += text
        return
    gap = text[: len(text) - len(text.lstrip(" "))]
    for word in text.split():
        if lines[-1].strip(" ") and columns(lines[-1] + gap + word) > width:
            lines.append(" " * indent + word)
        else:
            lines[-1] += gap + word
        gap = " "


def ago(time: str, now: float | None) -> str:
    """Format a time (RFC 3339) relative to `now`, such as `3 days ago`.

    It stays as it is if there is no `now`, if it cannot be read, or if it lies in the future.
    """
    if now is None:
        return time
    from datetime import datetime  # noqa: PLC0415 - start-up: only a terminal needs it

    try:
        seconds = now - datetime.fromisoformat(time).timestamp()
    except ValueError:
        return time
    if seconds < -MINUTE:
        return time
    for length, unit in _UNITS:
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'s' * (count > 1)} ago"
    return "just now"
