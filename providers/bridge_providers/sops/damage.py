"""Recognises what other programs do to the text of a file: git's conflict marks, UTF-16, a byte order mark."""

import re
from typing import Final

from bridge.provider import ProviderError

UTF16: Final = "is UTF-16; save it as UTF-8"
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_HINT: Final = (
    "take one side, `git checkout --ours FILE` or `git checkout --theirs FILE`, and set the other side's values again"
)
# All three marks at the beginning of a line and in this order do not appear in a file on purpose.
_CONFLICT: Final = rb"^<{7} .*?^={7}\r?$.*?^>{7} "


def check_conflict(data: bytes) -> None:
    """Raise ProviderError for a file with an unresolved git conflict: ciphertext cannot be merged by hand."""
    match = re.search(_CONFLICT, data, re.MULTILINE | re.DOTALL) if b"<<<<<<< " in data else None
    if match:
        line = data.count(b"\n", 0, match.start()) + 1
        raise ProviderError(f"line {line}: an unresolved git conflict begins here", hint=_HINT)


def is_utf16(data: bytes) -> bool:
    """Return whether a key file is UTF-16: keys are ASCII, so half of their bytes would be zero."""
    return data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data[:2]


def encoding_flaw(data: bytes) -> str | None:
    """Return what is wrong with the encoding of a key file, worded to follow its name, or None."""
    if is_utf16(data):
        return UTF16
    return "begins with a byte order mark (BOM); save it without one" if data.startswith(BYTE_ORDER_MARK) else None
