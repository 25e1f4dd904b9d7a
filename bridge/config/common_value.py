"""Tells whether a value is so short or so common that finding it somewhere else says nothing."""

from typing import Final

SHORTEST: Final = 8
"""Bytes. A shorter value would be found everywhere: a random file of 1 GiB holds any 4 bytes once in four."""
COMMON: Final = frozenset(
    b"password passw0rd changeme change-me secretkey localhost 127.0.0.1 administrator username postgres postgresql "
    b"anonymous disabled undefined production development 12345678 123456789 1234567890 00000000 placeholder".split()
)
_PLAIN: Final = COMMON | frozenset(
    b"true false yes no on off none null root admin user test default debug info warn error dev staging prod".split()
)
"""With words that are too short to be looked for anyway."""


def commonness(content: bytes) -> str:
    """Say why a value that is found again says nothing about where it comes from; empty if it does say something."""
    if len(content) < SHORTEST:
        return f"has less than {SHORTEST} bytes"
    return "is a common word" if content.lower() in COMMON else ""


def is_plain(content: bytes) -> bool:
    """Whether a value is a number or a word that any configuration holds: nobody would choose it as a secret."""
    return content.isdigit() or content.lower() in _PLAIN
