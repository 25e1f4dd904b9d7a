"""Recognises text that another program left in a state nobody can use: UTF-16, a byte order mark, a git conflict."""

import re
from typing import Final

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
LOOKED_AT: Final = 4096
"""Bytes of a text that show its encoding."""
CONFLICT: Final = "an unresolved git conflict begins here"
UTF16: Final = "is UTF-16, not UTF-8"
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
_ASCII: Final = frozenset((*b"\t\n\r", *range(0x20, 0x7F)))
# All three marks at the beginning of a line, and in this order: no file that is meant so has them.
_CONFLICT: Final = re.compile(r"^<{7} .*?^={7}\r?$.*?^>{7} ", re.MULTILINE | re.DOTALL)


def is_utf16(content: bytes) -> bool:
    """Return whether bytes are UTF-16 text, with a byte order mark or (ASCII only) without.

    Random bytes may begin with the mark by chance, so half of what follows has to be ASCII.
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
    """Return the line on which an unresolved git conflict begins, or None."""
    if "<<<<<<< " not in text:  # much faster than the pattern
        return None
    found = _CONFLICT.search(text)
    return text.count("\n", 0, found.start()) + 1 if found else None


def conflict_hint(file: str = "FILE") -> str:
    """Return how to end a conflict; a file's name is quoted for the shell."""
    return f"edit it, or take one side: `git checkout --ours {file}` or `git checkout --theirs {file}`"


def utf16_hint(file: str = "FILE") -> str:
    """Return how to convert UTF-16; a file's name is quoted for the shell."""
    return f"save it as UTF-8: `iconv -f UTF-16 -t UTF-8 {file}` prints it so"
