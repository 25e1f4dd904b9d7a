"""Tells a value from what only stands where one should be."""

import re
from typing import Final

from bridge.config.placeholder import Placeholder, PlaceholderError, parse_text
from bridge.secret import SecretValue
from bridge.sources.plain import text_of

_WORDS: Final = re.compile(
    r"(?:change|replace|fill)[-_ ]?(?:me|it|this)!?|to[-_ ]?do|tbd|fixme|x{3,}|placeholder|dummy|<[^<>]+>|your[-_ ].+",
    re.IGNORECASE | re.DOTALL,
)


def leftover(value: SecretValue, *, is_public: bool) -> str | None:
    """Say why this is no value yet; None where it is one.

    A password may hold `${` among other text; what is public may not hold a placeholder at all.
    """
    if value.is_empty():
        return "is empty"
    text = text_of(value)
    if text is None:
        return None
    if not text.strip():
        return "is blank"
    if _has_placeholder(text.strip(), is_public=is_public):
        return "is a placeholder still"
    return "looks like a stand-in for a value" if _WORDS.fullmatch(text.strip()) else None


def _has_placeholder(text: str, *, is_public: bool) -> bool:
    try:
        parts = parse_text(text)
    except PlaceholderError:
        return False
    placeholders = [part for part in parts if isinstance(part, Placeholder)]
    return bool(placeholders) and (is_public or len(parts) == 1)
