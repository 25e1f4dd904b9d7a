"""Detects text that is there instead of a value, such as `changeme` or `$NAME`."""

import re
from typing import Final

from bridge.config.placeholder import Placeholder, PlaceholderError, parse_text
from bridge.config.template_value import text_of
from bridge.secret import SecretValue

PLACEHOLDER: Final = "is still a placeholder"
_WORDS: Final = re.compile(
    r"(?:change|replace|fill)[-_ ]?(?:me|it|this)!?|to[-_ ]?do|tbd|fixme|x{3,64}|placeholder|dummy|<[^<>]+>"
    r"|your[-_ ].+",
    re.IGNORECASE | re.DOTALL,
)
# Capitals only: a password may begin with `$`.
_VARIABLE: Final = re.compile(r"\$[A-Z_][A-Z0-9_]*")
_EXPRESSION: Final = re.compile(r"\{\{.*\}\}", re.DOTALL)


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
    if is_public:
        return PLACEHOLDER if _has_placeholder(text) else _word(text)
    return placeholder(value)


def placeholder(value: SecretValue) -> str | None:
    """Return which kind of placeholder a Secret's value is as a whole, worded to follow "the value "; else None."""
    text = (text_of(value) or "").strip()
    if _has_placeholder(text, alone=True):
        return PLACEHOLDER
    if _VARIABLE.fullmatch(text):
        return "is the name of a shell variable, not its value"
    if _EXPRESSION.fullmatch(text):
        return "is a template expression, {{ … }}, not its result"
    return _word(text)


def _word(text: str) -> str | None:
    return "looks like a stand-in for a value" if _WORDS.fullmatch(text.strip()) else None


def _has_placeholder(text: str, *, alone: bool = False) -> bool:
    try:
        parts = parse_text(text)
    except PlaceholderError:
        return False
    placeholders = [part for part in parts if isinstance(part, Placeholder)]
    return bool(placeholders) and (not alone or len(parts) == 1)
