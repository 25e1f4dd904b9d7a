"""How old values are, and which are over their limits."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from bridge.config.age_limits import NO_LIMIT, AgeLimit
from bridge.config.durations import DAY, in_words
from bridge.errors import Problem
from bridge.named_tuple import NamedTuple
from bridge.objects import ObjectId
from bridge.shell import word

NOTICE: Final = 14 * DAY
"""How long before a value expires a warning begins; for `max_age` at most a tenth of it."""


class StoredValue(NamedTuple):
    """One value before the cluster was asked.

    - `name`: the variable; the object and the key, if the value comes from no variable.
    - `object`, `key`: what it fills; None and "" for an infrastructure variable.
    - `time`: when its store got it (RFC 3339), or "". `exact` is false if the value may be older than that.
    - `ends`: when its certificate ends, or "".
    """

    name: str
    object: ObjectId | None
    key: str
    limit: AgeLimit = NO_LIMIT
    time: str = ""
    exact: bool = False
    ends: str = ""


class ValueAge(NamedTuple):
    """How old a value is.

    - `limited`: the environment file has a limit for it.
    - `seconds`: its age, or None if nobody knows. `at_least` is true if the value may be older.
    - `ahead`: by how many seconds its time lies in the future; then the age is 0.
    - `limit`: its `max_age` in seconds, or None.
    - `expires`: when it expires (RFC 3339), by its limit or by its certificate (`is_certificate`), or "".
    - `expires_in`: the seconds until then; negative if it has expired.
    """

    name: str
    object: ObjectId | None
    key: str
    limited: bool
    seconds: int | None
    at_least: bool
    ahead: int
    limit: int | None
    expires: str
    is_certificate: bool
    expires_in: int | None

    @property
    def left(self) -> int | None:
        """The seconds until the value is too old or expires, whichever is first, or None if it has no limit."""
        return min((one for one in (self._age_left, self.expires_in) if one is not None), default=None)

    @property
    def is_by_age(self) -> bool:
        """Whether the value is too old before it expires."""
        return self._age_left is not None and self._age_left == self.left

    @property
    def overdue(self) -> bool:
        """Whether the value is too old, or has expired."""
        return self.left is not None and self.left <= 0

    @property
    def soon(self) -> bool:
        """Whether the value will soon be too old, or expire."""
        if self.left is None or self.overdue:
            return False
        return self.left <= (min(NOTICE, (self.limit or 0) // 10) if self.is_by_age else NOTICE)

    @property
    def is_unknown(self) -> bool:
        """Whether the value has a `max_age` that cannot be compared with its age."""
        return self.limit is not None and self.seconds is None

    @property
    def _age_left(self) -> int | None:
        return None if self.limit is None or self.seconds is None else self.limit - self.seconds


def seconds_of(time: str) -> float | None:
    """Return a time (RFC 3339) as seconds since 1970, or None if it is anything else."""
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def worst(listed: Iterable[ValueAge]) -> tuple[ValueAge, ...]:
    """Return one age for each name: the one that is first over its limit, else the oldest."""
    found: dict[str, ValueAge] = {}
    for age in listed:
        other = found.get(age.name)
        if other is None or urgency(age) < urgency(other):
            found[age.name] = age
    return tuple(found.values())


def urgency(age: ValueAge) -> tuple[float, int]:
    """Return a key that sorts the most urgent age first."""
    return (float("inf") if age.left is None else age.left, -(age.seconds or 0))


def complaints(listed: Sequence[ValueAge], environment: str) -> Iterator[Problem]:
    """Yield a warning for each variable that is over its limit or will be soon, or has a time in the future."""
    named = worst(listed)
    yield from overdue_problems(named, environment)
    for age in named:
        if age.soon:
            yield Problem(age.name, _soon(age), _renewal(environment))
    for age in named:
        if age.ahead:
            what = f"its store's time is {in_words(age.ahead)} in the future; its age counts as 0"
            yield Problem(age.name, what, "compare the store's clock with the cluster's")


def overdue_problems(listed: Iterable[ValueAge], environment: str) -> Iterator[Problem]:
    """Yield a problem for each variable that is too old or has expired."""
    for age in worst(listed):
        if age.overdue:
            yield Problem(age.name, _overdue(age), _renewal(environment))


def unknown_problems(listed: Iterable[ValueAge], hint: str) -> Iterator[Problem]:
    """Yield a warning for each variable that has a `max_age` and an unknown age."""
    for age in worst(listed):
        if age.is_unknown:
            yield Problem(age.name, "its age is unknown: its store has no time for it", hint, warning=True)


def _overdue(age: ValueAge) -> str:
    if age.is_by_age:
        least = "at least " if age.at_least else ""
        return f"is {least}{in_words(age.seconds or 0)} old; its limit is {in_words(age.limit or 0)}"
    return f"{'its certificate ' if age.is_certificate else ''}expired on {age.expires[:10]}"


def _soon(age: ValueAge) -> str:
    left = in_words(age.left or 0)
    if age.is_by_age:
        return f"reaches its age limit of {in_words(age.limit or 0)} in {left}"
    return f"{'its certificate ' if age.is_certificate else ''}expires in {left}"


def _renewal(environment: str) -> str:
    return f"replace it with `bridge set {word(environment)} NAME`"
