"""Placeholders in a template's text: ${NAME}, ${NAME:-default}, ${NAME-default}, ${NAME:?message}, ${NAME|json}."""

import re
from typing import Final

from bridge.named_tuple import NamedTuple

_START: Final = re.compile(r"(\$?)\$\{")
_INSIDE: Final = re.compile(
    r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<json>\|json)?(?:(?P<operator>:-|-|:\?)(?P<rest>[^{}]*))?\}"
)
HINT: Final = "write ${NAME}, ${NAME:-default}, ${NAME-default}, ${NAME:?message} or ${NAME|json}; $${ is a literal ${"


class PlaceholderError(ValueError):
    """A `${` that does not start a placeholder. `position` counts the characters before it; the text is not kept."""

    def __init__(self, position: int) -> None:
        super().__init__(f"malformed placeholder at character {position + 1}")
        self.position = position


class Placeholder(NamedTuple):
    """A place in a template's text that a variable fills.

    - `default`: the text used if the variable is missing. Without a default the variable is required.
    - `empty_is_unset`: true for `:-` and `:?`, which treat an empty variable as unset.
    - `message`: the author's explanation if there is no value.
    - `json`: the placeholder is within the quotes of a JSON string, so its value is escaped for JSON.
    """

    name: str
    default: str | None = None
    empty_is_unset: bool = False
    message: str | None = None
    json: bool = False

    def __repr__(self) -> str:
        return f"Placeholder({self.name!r})"  # the default may be a value


def parse_text(text: str) -> tuple[str | Placeholder, ...]:
    """Split a text into plain text and placeholders, in order; PlaceholderError if a `${` is malformed.

    `$${` is a literal `${`, and `$NAME` is plain text. A default is plain text without braces: a brace in it would be
    ambiguous, as in `${A:-${B}}`.
    """
    parts: list[str | Placeholder] = []
    plain, end = "", 0
    for start in _START.finditer(text):
        plain += text[end : start.start()]
        if start[1]:
            plain, end = plain + "${", start.end()
            continue
        inside = _INSIDE.match(text, start.end())
        if inside is None:
            raise PlaceholderError(start.start())
        parts += (plain, _placeholder(inside)) if plain else (_placeholder(inside),)
        plain, end = "", inside.end()
    plain += text[end:]
    return (*parts, plain) if plain else tuple(parts)


def has_placeholder(text: str) -> bool:
    """Whether a text has a well-formed placeholder. A malformed one does not count: other languages use `${` too."""
    return any(not start[1] and _INSIDE.match(text, start.end()) for start in _START.finditer(text))


def _placeholder(inside: re.Match[str]) -> Placeholder:
    name, operator, rest = inside.group("name", "operator", "rest")
    json = inside["json"] is not None
    if operator == ":?":
        # The message is shown later, on one line and perhaps on a terminal, however the template formats it.
        message = "".join(char if char.isprintable() else " " for char in rest)
        return Placeholder(name, empty_is_unset=True, message=" ".join(message.split()) or None, json=json)
    return Placeholder(name, rest, empty_is_unset=operator == ":-", json=json)
