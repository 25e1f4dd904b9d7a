"""Collects every mistake in a file instead of stopping at the first, and checks the types of its values."""

from collections.abc import Collection, Mapping
from typing import Final, NoReturn

from bridge.config.names import shown, suggestion
from bridge.errors import ConfigError, Problem


class Findings:
    """The mistakes found so far, and the current place; `at` returns a place within it."""

    __slots__ = ("_problems", "where")

    def __init__(self, where: str, problems: list[Problem] | None = None) -> None:
        self.where: Final = where
        self._problems: Final = [] if problems is None else problems

    def at(self, place: str) -> "Findings":
        """Return the findings for a place within this one; `.key` and `[0]` extend the path."""
        return Findings(self.where + (place if place[:1] in {".", "["} else f" {place}"), self._problems)

    def within(self, where: str) -> "Findings":
        """Return the findings for another file, collected in the same list."""
        return Findings(where, self._problems)

    def note(self, what: str, hint: str = "") -> None:
        """Add a mistake at this place."""
        self._problems.append(Problem(self.where, what, hint))

    def take(self, error: ConfigError) -> None:
        """Add the mistakes that an error lists."""
        self._problems.extend(error.problems)

    def __bool__(self) -> bool:
        return bool(self._problems)

    def fail(self) -> NoReturn:
        """Raise ConfigError with all mistakes."""
        raise ConfigError(*dict.fromkeys(self._problems))


def as_mapping(value: object, at: Findings, known: Collection[str] | None = None) -> Mapping[str, object]:
    """Return `value` without its unknown keys, or {} if it is not a mapping."""
    if not isinstance(value, Mapping):
        at.note("must be a mapping")
        return {}
    if known is None:
        return value
    for key in value:
        if key not in known:
            at.note(f"unknown key {shown(key)}", suggestion(key, known))
    return {key: value[key] for key in known if key in value}


def as_text(value: object, at: Findings, expected: str = "a string") -> str | None:
    """Return a string that is not blank and has no control characters, or None."""
    if isinstance(value, str) and value.strip() and value.isprintable():
        return value
    at.note(f"must be {expected}")
    return None


def as_list(value: object, at: Findings, expected: str) -> list[object]:
    """Return a list, or an empty list if the value is not a list."""
    if isinstance(value, list):
        return value
    at.note(f"must be a list of {expected}")
    return []
