"""Times as Go reads and prints them (time.Parse and time.Format), for the layouts that sops and go-yaml use."""

import datetime as dt
import re
from typing import Final, Self

from bridge.named_tuple import NamedTuple

_CLOCK: Final = r"(\d\d?):(\d\d?):(\d\d?)(?:[.,](\d+))?"
_ZONE: Final = r"(Z|[-+]\d\d:\d\d)"
# go-yaml's resolve.go, allowedTimestampFormats.
_YAML: Final = (
    rf"(\d{{4}})-(\d\d?)-(\d\d?)[Tt]{_CLOCK}{_ZONE}",
    rf"(\d{{4}})-(\d\d?)-(\d\d?) {_CLOCK}()",
    r"(\d{4})-(\d\d?)-(\d\d?)()()()()()",
)
# Go's RFC3339 layout takes one digit for the hour, and fractions that it does not name.
_RFC3339: Final = re.compile(rf"(\d{{4}})-(\d\d)-(\d\d)T(\d\d?):(\d\d):(\d\d)(?:[.,](\d+))?{_ZONE}", re.ASCII)
_DAYS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class GoTime(NamedTuple):
    """A moment with the offset that it was written with."""

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    nanosecond: int
    offset: int  # minutes east of UTC

    @classmethod
    def from_yaml(cls, text: str) -> Self | None:
        """Read a plain YAML scalar, or return None if go-yaml does not read it as a time."""
        for layout in _YAML:
            if match := re.fullmatch(layout, text, re.ASCII):  # few files have times, so few runs compile these
                return cls._checked(match)
        return None

    @classmethod
    def from_rfc3339(cls, text: str) -> Self | None:
        """Read a time that sops wrote, or return None if it is invalid."""
        match = _RFC3339.fullmatch(text)
        return cls._checked(match) if match else None

    @classmethod
    def _checked(cls, match: re.Match[str]) -> Self | None:
        """Make a time of a match, or return None if a number is out of its range."""
        *numbers, fraction, zone = match.groups()
        year, month, day, hour, minute, second = (int(number or 0) for number in numbers)
        east, north = (int(zone[1:3]), int(zone[4:6])) if len(zone or "Z") > 1 else (0, 0)
        leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)  # the calendar
        if not 1 <= month <= len(_DAYS) or not 1 <= day <= _DAYS[month - 1] + leap:
            return None
        if hour > 23 or max(minute, second) > 59 or east > 23 or north > 59:  # the clock
            return None
        offset = (east * 60 + north) * (-1 if zone and zone[0] == "-" else 1)
        nanosecond = int((fraction or "")[:9].ljust(9, "0"))
        return cls(year, month, day, hour, minute, second, nanosecond, offset)

    @classmethod
    def from_unix(cls, seconds: int) -> Self:
        """Make a time in UTC of the seconds since 1970."""
        moment = dt.datetime.fromtimestamp(seconds, dt.UTC)
        return cls(moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second, 0, 0)

    def rfc3339(self) -> str:
        """Print to the second, as sops prints `lastmodified`."""
        date = f"{self.year:04}-{self.month:02}-{self.day:02}T{self.hour:02}:{self.minute:02}:{self.second:02}"
        return date + self._zone()

    def rfc3339_nano(self) -> str:
        """Print with the fraction, without trailing zeros, as sops prints a time."""
        fraction = f".{self.nanosecond:09}".rstrip("0").rstrip(".")
        zone = self._zone()
        return self.rfc3339().removesuffix(zone) + fraction + zone

    def _zone(self) -> str:
        """Print the offset."""
        if not self.offset:
            return "Z"
        hours, minutes = divmod(abs(self.offset), 60)
        return f"{'-' if self.offset < 0 else '+'}{hours:02}:{minutes:02}"

    def unix_nanoseconds(self) -> int:
        """Return the nanoseconds since 1970; ValueError for the year 0, which Python's calendar lacks."""
        days = dt.date(self.year, self.month, self.day).toordinal() - 719_163  # 1970-01-01
        minutes = (days * 24 + self.hour) * 60 + self.minute - self.offset
        return (minutes * 60 + self.second) * 10**9 + self.nanosecond
