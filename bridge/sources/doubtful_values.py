"""Finds Secret values that are probably a mistake: placeholders, and text in the wrong encoding."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from bridge.config.environment import Environment
from bridge.config.placeholder import Placeholder, PlaceholderError, parse_text
from bridge.config.template_value import text_of
from bridge.config.textfile import BYTE_ORDER_MARK, UTF16, is_utf16
from bridge.errors import Problem
from bridge.named_tuple import NamedTuple
from bridge.objects import PEM_KEYS, Desired, Layer, Origin
from bridge.plan.limits import is_escaped_pem
from bridge.secret import SecretValue

ESCAPED_PEM: Final = r"is PEM with literal \n instead of line breaks"
PLACEHOLDER: Final = "is still a placeholder"
_WORDS: Final = re.compile(
    r"(?:change|replace|fill)[-_ ]?(?:me|it|this)!?|to[-_ ]?do|tbd|fixme|x{3,64}|placeholder|dummy|<[^<>]+>"
    r"|your[-_ ].+",
    re.IGNORECASE | re.DOTALL,
)
# Only upper case: a password may start with `$`.
_VARIABLE: Final = re.compile(r"\$[A-Z_][A-Z0-9_]*")
_EXPRESSION: Final = re.compile(r"\{\{.*\}\}", re.DOTALL)


class Flaw(NamedTuple):
    """A mistake in how a text is encoded.

    `what` continues the sentence "the value ...". `command` reads FILE and prints its text without the mistake.
    """

    what: str
    command: str


def encoding_flaw(value: SecretValue) -> Flaw | None:
    """Return the encoding mistake in a value if there certainly is one, else None."""
    content = value.reveal()
    if is_utf16(content):
        return Flaw(UTF16, r"iconv -f UTF-16 -t UTF-8 FILE | tr -d '\r'")
    if b"\0" in content or not value.is_text():
        return None
    if content.startswith(BYTE_ORDER_MARK):
        return Flaw("begins with a byte order mark (BOM)", "tail -c +4 FILE")
    if content.endswith(b"\r"):
        return Flaw(r"ends with a carriage return (\r)", r"tr -d '\r' < FILE")
    return None


def doubt(value: SecretValue) -> str | None:
    """Return what is suspicious about a Secret's value, to follow "the value ", or None."""
    flaw = encoding_flaw(value)
    return flaw.what if flaw else placeholder(value) or (ESCAPED_PEM if is_escaped_pem(value) else None)


def doubts(desired: Iterable[Desired], environment: Environment) -> Iterator[Problem]:
    """Yield a warning, without the value, for each key of a Secret with a suspicious value.

    A variable that is declared `literal` may have any value.
    """
    for object_ in desired:
        for key, entry in object_.keys.items() if object_.id.kind == "Secret" else ():
            flaw = None if _is_literal(entry.origin, environment) else doubt(entry.value)
            if flaw and not (flaw is ESCAPED_PEM and key in PEM_KEYS.get(object_.type or "", ())):  # refused elsewhere
                what = f"the value from {' and '.join(entry.origin.places)} {flaw}"
                yield Problem(f"{object_.id} key {key}", what, _cure(entry.origin, environment.name), warning=True)


def _is_literal(origin: Origin, environment: Environment) -> bool:
    variable = environment.variables.get(origin.parts[0].name) if len(origin.parts) == 1 else None
    return variable is not None and variable.literal


def _cure(origin: Origin, environment: str) -> str:
    if len(origin.parts) == 1:
        return f"replace it with `bridge set {environment} {origin.parts[0].name}`"
    is_of_template = origin.layer is Layer.TEMPLATE and not origin.parts
    return (
        "write ${NAME} in the template and put the value in a source" if is_of_template else "change it at its source"
    )


def why_no_value(value: SecretValue, *, is_public: bool) -> str | None:
    """Return why this is not a real value yet, or None if it is.

    A password may contain `${` among other text; a public value must not contain any placeholder.
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
    """Return which kind of placeholder a Secret's whole value is, to follow "the value ", else None."""
    text = (text_of(value) or "").strip()
    if _has_placeholder(text, whole=True):
        return PLACEHOLDER
    if _VARIABLE.fullmatch(text):
        return "is the name of a shell variable, not its value"
    if _EXPRESSION.fullmatch(text):
        return "is a template expression, {{ … }}, not its result"
    return _word(text)


def _word(text: str) -> str | None:
    return "looks like a placeholder" if _WORDS.fullmatch(text.strip()) else None


def _has_placeholder(text: str, *, whole: bool = False) -> bool:
    try:
        parts = parse_text(text)
    except PlaceholderError:
        return False
    placeholders = [part for part in parts if isinstance(part, Placeholder)]
    return bool(placeholders) and (not whole or len(parts) == 1)
