"""Limits for the age of values: `max_age` and `expires` in the environment file."""

import re
from collections.abc import Mapping
from typing import Final

from bridge.config.durations import parse_duration
from bridge.config.problems import Findings
from bridge.named_tuple import NamedTuple

KEYS: Final = ("max_age", "expires")
UNLIMITED: Final = "unlimited"
EXPIRES: Final = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2}))?"
)
"""A date, or a time as in RFC 3339."""
_AGE_HINT: Final = "write a duration with units, such as 90d, 12h or 1d12h"
_DATE_HINT: Final = "write a date such as 2027-01-31, or a time such as 2027-01-31T12:00:00Z"


class AgeLimit(NamedTuple):
    """How old a value may become.

    - `max_age`: in seconds, or None if there is no such limit.
    - `expires`: when the value expires (RFC 3339, in UTC), or an empty text if that is unknown.
    - `unlimited`: the environment's `max_age` does not count for the variable.
    """

    max_age: int | None = None
    expires: str = ""
    unlimited: bool = False


NO_LIMIT: Final = AgeLimit()


def max_age_of(value: object, at: Findings) -> int | None:
    """Return a duration in seconds; None, with a note, if it is anything else."""
    seconds = parse_duration(value) if isinstance(value, str) else 0
    if not seconds:
        at.note("must be a duration such as 90d", _AGE_HINT)
    return seconds or None


def age_limit_of(content: Mapping[str, object], at: Findings) -> AgeLimit:
    """Return the limit that a variable's mapping sets; mistakes are noted."""
    limit = NO_LIMIT
    if "max_age" in content:
        value, place = content["max_age"], at.at(".max_age")
        if value == UNLIMITED:
            limit = limit._replace(unlimited=True)
        else:
            limit = limit._replace(max_age=max_age_of(value, place))
    if "expires" in content:
        limit = limit._replace(expires=_expires(content["expires"], at.at(".expires")))
    return limit


def _expires(value: object, at: Findings) -> str:
    """Return the time in UTC, to the second; a date means the beginning of that day in UTC."""
    from datetime import UTC, datetime  # noqa: PLC0415 - start-up: few environments have such a limit

    text = value if isinstance(value, str) else ""
    try:
        moment = datetime.fromisoformat(text.upper()) if re.fullmatch(EXPIRES, text) else None
        if moment is not None:
            moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
            return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError):
        pass  # such as 2027-02-30
    at.note("must be a date or a time", _DATE_HINT)
    return ""
