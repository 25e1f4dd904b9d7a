"""Finds Secret values that are probably a mistake: placeholders, and text in the wrong encoding."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from bridge.config.environment import Environment
from bridge.config.textfile import BYTE_ORDER_MARK, UTF16, is_utf16
from bridge.errors import Problem
from bridge.objects import PEM_KEYS, Desired, Layer, Origin
from bridge.plan.limits import is_escaped_pem
from bridge.secret import SecretValue
from bridge.sources.placeholder_values import placeholder

ESCAPED_PEM: Final = r"is PEM with literal \n instead of line breaks"


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
