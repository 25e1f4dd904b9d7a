"""Resolves and prints YAML scalars and sops's typed plaintexts as go-yaml and sops do.

Sources: go.yaml.in/yaml/v3 resolve.go and decode.go; sops aes/cipher.go and sops.go (ToBytes).
An unencrypted leaf enters the MAC after this resolution, so every rule here affects the MAC.
"""

import binascii
import re
from typing import Final

from bridge.provider import Kind, SecretValue
from bridge_providers.sops.gotime import GoTime
from bridge_providers.sops.tree import text_leaf

STR: Final = "!!str"
NOT_TEXT: Final = frozenset({"!!null", "!!bool", "!!int", "!!float", "!!timestamp"})
"""The tags of scalars that are not strings, and which sops does not accept as keys."""

_YAML_TAG: Final = "tag:yaml.org,2002:"
_INT64: Final = range(-(2**63), 2**63)
# The first characters of everything that is not a string, as in go-yaml's resolveTable.
_HINTS: Final = frozenset("+-0123456789yYnNtTfFoO~.")
_WORDS: Final = {
    **dict.fromkeys(("true", "True", "TRUE"), ("!!bool", b"true", Kind.BOOLEAN)),
    **dict.fromkeys(("false", "False", "FALSE"), ("!!bool", b"false", Kind.BOOLEAN)),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), ("!!null", b"", Kind.NULL)),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), ("!!float", b"NaN", Kind.NUMBER)),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), ("!!float", b"+Inf", Kind.NUMBER)),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), ("!!float", b"-Inf", Kind.NUMBER)),
}
# As texts: few files have plain numbers, so few runs compile these.
_INTEGER: Final = r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[oO]([0-7]+)|0[bB]([01]+)|(0[0-7]*)|([1-9][0-9]*))"
_BASES: Final = (16, 8, 2, 8, 10)
_FLOAT: Final = r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
# ParseFloat accepts single underscores between digits; go-yaml only keeps them after a leading point.
_POINT_FLOAT: Final = r"\.[0-9](_?[0-9])*([eE][-+]?[0-9](_?[0-9])*)?"
_SPECIAL: Final = {b"NaN": "NaN", b"+Inf": "+Inf", b"-Inf": "-Inf"}
_TRUE: Final = frozenset((b"1", b"t", b"T", b"TRUE", b"true", b"True"))
_FALSE: Final = frozenset((b"0", b"f", b"F", b"FALSE", b"false", b"False"))


class ScalarError(Exception):
    """A scalar that sops itself cannot read; the text says why, without the value."""


def resolve(value: str, tag: str | None, *, plain: bool) -> tuple[str, SecretValue]:
    """Return the short tag and the leaf of a YAML scalar, as go-yaml resolves it into an empty interface."""
    if tag is None or tag == "!":
        if not plain or (value and value[0] not in _HINTS):
            return STR, SecretValue(value.encode())
        return _untagged(value, times=True)
    short = "!!" + tag.removeprefix(_YAML_TAG) if tag.startswith(_YAML_TAG) else tag
    if short == "!!binary":
        return short, text_leaf(_from_base64(value))
    if short not in NOT_TEXT:
        return short, SecretValue(value.encode())
    return _tagged(value, short)


def _tagged(value: str, tag: str) -> tuple[str, SecretValue]:
    """Resolve under an explicit tag: what the text is must be what the tag says, or a whole number for a float."""
    found, leaf = _untagged(value, times=tag == "!!timestamp")
    if found == "!!int" and tag == "!!float":
        return tag, number(float_text(float(leaf.reveal())))
    if found != tag:
        raise ScalarError(f"a value is not what its tag {tag} says")
    return tag, leaf


def _untagged(value: str, *, times: bool) -> tuple[str, SecretValue]:
    """Resolve a plain scalar by its text."""
    if word := _WORDS.get(value):
        tag, text, kind = word
        return tag, SecretValue(text, kind)
    if value[0] == ".":
        parsed = float(value) if re.fullmatch(_POINT_FLOAT, value, re.ASCII) else None
        return _float_or_text(parsed, value)
    if value[0] not in "+-0123456789":
        return STR, SecretValue(value.encode())
    if times and (moment := GoTime.from_yaml(value)):
        return "!!timestamp", SecretValue(moment.rfc3339_nano().encode())
    return _number_or_text(value)


def _number_or_text(value: str) -> tuple[str, SecretValue]:
    """Resolve what begins like a number."""
    digits = value.replace("_", "")
    whole = _integer(digits)
    if whole is not None and whole in _INT64:
        return "!!int", number(str(whole))
    if whole is not None and 0 <= whole < 2**64 and digits[0] != "+":
        raise ScalarError("a whole number is above 9223372036854775807, which sops does not support")
    return _float_or_text(float(digits) if re.fullmatch(_FLOAT, digits, re.ASCII) else None, value)


def _integer(digits: str) -> int | None:
    """Return a whole number as Go's ParseInt(digits, 0, …) reads it, or None if it is invalid or far out of range."""
    match = re.fullmatch(_INTEGER, digits, re.ASCII)
    if not match:
        return None
    sign, *alternatives = match.groups()
    text, base = next((text, base) for text, base in zip(alternatives, _BASES, strict=True) if text is not None)
    # Python refuses to read very long decimals; no 64-bit number has more than 64 digits in any base.
    text = text.lstrip("0")
    if len(text) > 64:  # as said above
        return None
    return int(text or "0", base) * (-1 if sign == "-" else 1)


def _float_or_text(parsed: float | None, value: str) -> tuple[str, SecretValue]:
    """Return a finite float; if Go refuses a number as too large, go-yaml makes it a string."""
    if parsed is None or parsed in (float("inf"), float("-inf")):
        return STR, SecretValue(value.encode())
    return "!!float", number(float_text(parsed))


def number(text: str) -> SecretValue:
    """Wrap a number's text."""
    return SecretValue(text.encode(), Kind.NUMBER)


def float_text(value: float) -> str:
    """Print a finite float as Go's FormatFloat(v, 'f', -1, 64): shortest digits, never an exponent."""
    mantissa, _, exponent = repr(value).partition("e")
    if not exponent:
        return mantissa.removesuffix(".0")
    sign = "-" if mantissa[0] == "-" else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    point = len(whole) + int(exponent)
    digits = whole + fraction
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    return sign + digits.ljust(point, "0")


def integer_leaf(text: bytes) -> SecretValue | None:
    """Read a decrypted `int` as Go's Atoi, or return None if it is invalid."""
    shaped = re.fullmatch(rb"[-+]?[0-9]{1,40}", text)
    return number(str(int(text))) if shaped and int(text) in _INT64 else None


def float_leaf(text: bytes) -> SecretValue | None:
    """Read a decrypted `float`, in every form that sops writes; None for any other."""
    if text in _SPECIAL:
        return number(_SPECIAL[text])
    shaped = re.fullmatch(rb"[-+]?[0-9]{1,400}(\.[0-9]{1,1200})?", text)
    value = float(text) if shaped else float("inf")
    return number(float_text(value)) if value not in (float("inf"), float("-inf")) else None


def boolean_leaf(text: bytes) -> SecretValue | None:
    """Read a decrypted `bool` as Go's ParseBool, or return None if it is invalid."""
    if text in _TRUE:
        return SecretValue(b"true", Kind.BOOLEAN)
    return SecretValue(b"false", Kind.BOOLEAN) if text in _FALSE else None


def time_leaf(text: bytes) -> SecretValue | None:
    """Read a decrypted `time`, or return None if it is invalid."""
    moment = GoTime.from_rfc3339(text.decode("ascii", "replace"))
    return SecretValue(moment.rfc3339_nano().encode()) if moment else None


def _from_base64(value: str) -> bytes:
    """Decode a `!!binary` scalar as Go does: line breaks are ignored, all else must be valid."""
    try:
        decoded = binascii.a2b_base64(value.replace("\n", "").replace("\r", ""), strict_mode=True)
    except ValueError:
        decoded = None
    if decoded is None:
        raise ScalarError("a !!binary value is not base64")
    return decoded
