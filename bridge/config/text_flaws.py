"""Recognises text that another program left unusable: UTF-16, a byte order mark, an unresolved git conflict."""

import re
from typing import Final

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
LOOKED_AT: Final = 4096
"""How many bytes of a text are inspected to detect its encoding."""
CONFLICT: Final = "unresolved git conflict"
UTF16: Final = "is UTF-16, not UTF-8"
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
_ASCII: Final = frozenset((*b"\t\n\r", *range(0x20, 0x7F)))
# All three marks at the start of a line, in this order: no valid file has them.
_CONFLICT: Final = re.compile(r"^<{7} .*?^={7}\r?$.*?^>{7} ", re.MULTILINE | re.DOTALL)


def is_utf16(content: bytes) -> bool:
    """Whether bytes are UTF-16 text, with a byte order mark or (ASCII only) without.

    Random bytes may start with the mark by chance, so half of what follows has to be ASCII.
    """
    start = content[: min(LOOKED_AT, len(content) // 2 * 2)]
    if start.startswith(_UTF16_MARKS):
        text = start.decode("utf-16", errors="replace")
        return sum(map(_ASCII.__contains__, map(ord, text))) * 2 >= len(text)
    first, second = start[::2], start[1::2]
    return len(start) > 2 and (
        (not any(first) and _ASCII.issuperset(second)) or (not any(second) and _ASCII.issuperset(first))
    )


def conflict_line(text: str) -> int | None:
    """Return the line on which an unresolved git conflict starts, or None."""
    if "<<<<<<< " not in text:  # much faster than the pattern
        return None
    match = _CONFLICT.search(text)
    return text.count("\n", 0, match.start()) + 1 if match else None


def conflict_hint(file: str = "FILE") -> str:
    """Return a hint for resolving a conflict; a file's name is quoted for the shell."""
    return f"resolve it, or take one side: `git checkout --ours {file}` or `git checkout --theirs {file}`"


def utf16_hint(file: str = "FILE") -> str:
    """Return a hint for converting UTF-16; a file's name is quoted for the shell."""
    return f"save it as UTF-8; `iconv -f UTF-16 -t UTF-8 {file}` prints the converted text"
