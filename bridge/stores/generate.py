"""Generates values at random, so that nobody has to see or type them."""

import base64
from typing import Final

from bridge.named_tuple import NamedTuple
from bridge.secret import SecretValue

LEAST: Final = 16
"""The smallest size: 16 bytes have 128 bits of chance, 16 letters and digits have 95."""
MOST: Final = 1024
SIZED: Final = ("base64", "hex", "alnum")
UUID: Final = "uuid"
FORMS: Final = f"base64:BYTES, hex:BYTES or alnum:CHARACTERS, with a size from {LEAST} to {MOST}, or {UUID}"


class ValueFormat(NamedTuple):
    """The form of a generated value. `size` is in bytes for base64 and hex, in characters for alnum."""

    form: str
    size: int = 0


def parse_format(text: str) -> ValueFormat | None:
    """Parse a format such as `base64:32`; return None if it is not valid."""
    form, _, size = text.partition(":")
    if text == UUID:
        return ValueFormat(UUID)
    if form not in SIZED or not (size.isascii() and size.isdecimal() and len(size) <= len(str(MOST))):
        return None
    return ValueFormat(form, int(size)) if LEAST <= int(size) <= MOST else None


def generate(wanted: ValueFormat) -> SecretValue:
    """Return a new value from the system's source of randomness for secrets."""
    import secrets  # noqa: PLC0415 - start-up: only a generated value needs it

    if wanted.form == "base64":
        return SecretValue(base64.b64encode(secrets.token_bytes(wanted.size)))
    if wanted.form == "hex":
        return SecretValue(secrets.token_hex(wanted.size).encode())
    if wanted.form == "alnum":
        import string  # noqa: PLC0415 - start-up

        letters = string.ascii_letters + string.digits
        return SecretValue("".join(secrets.choice(letters) for _ in range(wanted.size)).encode())
    import uuid  # noqa: PLC0415 - start-up

    return SecretValue(str(uuid.UUID(bytes=secrets.token_bytes(16), version=4)).encode())
