"""Notes every mistake of a file instead of stopping at the first, and checks the types of what a file holds."""

from collections.abc import Collection, Mapping
from typing import Final, NoReturn

from bridge.config.names import shown, suggestion
from bridge.errors import ConfigError, Problem


class Findings:
    """The mistakes found so far, and the place that is being looked at; `at` gives a place within it."""

    __slots__ = ("_problems", "where")

    def __init__(self, where: str, problems: list[Problem] | None = None) -> None:
        self.where: Final = where
        self._problems: Final = [] if problems is None else problems

    def at(self, place: str) -> "Findings":
        """Return the findings of a place within this one; `.key` and `[0]` go on with a path."""
        return Findings(self.where + (place if place[:1] in {".", "["} else f" {place}"), self._problems)

    def within(self, where: str) -> "Findings":
        """Return the findings of another file, in the same list."""
        return Findings(where, self._problems)

    def note(self, what: str, hint: str = "") -> None:
        """Add a mistake at this place."""
        self._problems.append(Problem(self.where, what, hint))

    def take(self, error: ConfigError) -> None:
        """Add the mistakes that an error carries."""
        self._problems.extend(error.problems)

    def __bool__(self) -> bool:
        return bool(self._problems)

    def fail(self) -> NoReturn:
        """Raise ConfigError with everything that was found."""
        raise ConfigError(*dict.fromkeys(self._problems))


def as_mapping(value: object, at: Findings, known: Collection[str] | None = None) -> Mapping[str, object]:
    """Return a mapping, without the keys that are not known; empty where it is none."""
    if not isinstance(value, Mapping):
        at.note("must be a mapping")
        return {}
    if known is None:
        return value
    for key in value:
        if key not in known:
            at.note(f"unknown key {shown(key)}", suggestion(key, known))
    return {key: value[key] for key in known if key in value}


def as_text(value: object, at: Findings, expected: str = "a text") -> str | None:
    """Return a text that is not blank and has no control characters, or None."""
    if isinstance(value, str) and value.strip() and value.isprintable():
        return value
    at.note(f"must be {expected}")
    return None


def as_list(value: object, at: Findings, expected: str) -> list[object]:
    """Return a list; empty where it is none."""
    if isinstance(value, list):
        return value
    at.note(f"must be a list of {expected}")
    return []
