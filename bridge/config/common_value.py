"""Recognises values so short or so common that finding them elsewhere proves nothing."""

from typing import Final

SHORTEST: Final = 8
"""Bytes. A shorter value would match everywhere: any 4 bytes are in a random 1 GiB file with probability 1/4."""
COMMON: Final = frozenset(
    b"password passw0rd changeme change-me secretkey localhost 127.0.0.1 administrator username postgres postgresql "
    b"anonymous disabled undefined production development 12345678 123456789 1234567890 00000000 placeholder".split()
)
_PLAIN: Final = COMMON | frozenset(
    b"true false yes no on off none null root admin user test default debug info warn error dev staging prod".split()
)
"""Also includes words that are shorter than `SHORTEST` anyway."""


def commonness(content: bytes) -> str:
    """Describe why finding this value again proves nothing about its origin, or return "" if it does."""
    if len(content) < SHORTEST:
        return f"has fewer than {SHORTEST} bytes"
    return "is a common word" if content.lower() in COMMON else ""


def is_plain(content: bytes) -> bool:
    """Whether a value is a number or a word found in any configuration, so that nobody would choose it as a secret."""
    return content.isdigit() or content.lower() in _PLAIN
