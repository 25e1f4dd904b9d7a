"""The value of one key in a template: text with placeholders, or base64."""

import base64
import re
from typing import Final

from bridge.config.placeholder import HINT, Placeholder, PlaceholderError, parse_text
from bridge.config.problems import Findings
from bridge.named_tuple import NamedTuple
from bridge.secret import Kind, SecretValue

# With `validate`, Python still accepts too much padding.
_PADDING: Final = r"[^=]*={0,2}"
# The formats of sops (aes/cipher.go), vals (its README) and Vault's transit engine.
_ENCRYPTED: Final = re.compile(rb"\s*(?:ENC\[AES256_GCM|ref\+|vault:v\d+:)")


class TemplateKey(NamedTuple):
    """A template's text for one key: the parts of the value in order, and the template file.

    Text is wrapped, because a literal in a Secret is a secret. An empty text has no parts.
    """

    parts: tuple[SecretValue | Placeholder, ...]
    place: str


def text_key(text: str, place: str, at: Findings) -> TemplateKey | None:
    """Read text with placeholders; add a note and return None if one is malformed."""
    try:
        parts = parse_text(text)
    except PlaceholderError as error:
        at.note(str(error), HINT)
        return None
    wrapped = tuple(SecretValue.of(part) if isinstance(part, str) else part for part in parts)
    if any(looks_encrypted(part) for part in wrapped if isinstance(part, SecretValue)):
        at.note(
            "looks encrypted, but templates are not decrypted", "write a placeholder here and put the value in a source"
        )
        return None
    return TemplateKey(wrapped, place)


def looks_encrypted(value: SecretValue) -> bool:
    """Whether a value looks as if it has never been decrypted."""
    return _ENCRYPTED.match(value.reveal()) is not None


def secret_data_key(text: str, place: str, at: Findings) -> TemplateKey | None:
    """Read a Secret's `data`: base64, or one placeholder for the plain value."""
    if "${" not in text:
        return base64_key(text, place, at, "move it to stringData, or encode it with base64")
    try:
        parts = parse_text(text.strip())
    except PlaceholderError as error:
        at.note(str(error), HINT)
        return None
    if len(parts) == 1 and isinstance(parts[0], Placeholder) and parts[0].default is None and not parts[0].json:
        return TemplateKey((parts[0],), place)
    at.note("data must be base64, or a single placeholder with no default or other text", "move it to stringData")
    return None


def base64_key(text: str, place: str, at: Findings, hint: str = "encode it with base64") -> TemplateKey | None:
    """Read base64, on several lines too, as Kubernetes does."""
    content = _decoded(text.replace("\n", "").replace("\r", ""))
    if content is None:
        at.note("not valid base64", hint)
        return None
    return TemplateKey((SecretValue(content, Kind.BYTES),), place)


def _decoded(text: str) -> bytes | None:
    try:
        content = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return content if len(text) % 4 == 0 and re.fullmatch(_PADDING, text) else None


def text_of(value: SecretValue) -> str | None:
    """Return a value as text: to look at its form, or to write it where it is public. None where it is no text."""
    return value.reveal().decode() if value.is_text() else None
