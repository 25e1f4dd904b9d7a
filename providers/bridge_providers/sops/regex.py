r"""Regular expressions as Go's regexp package means them, by RE2, which Go's package follows.

Python's `re` differs from it in `$`, `\s`, `\d`, `\w` and classes, and can take exponential time for a pattern
that comes from a file and that no MAC protects. RE2's time is linear.
"""

import re
from collections.abc import Callable
from typing import Final

_MAX_MEMORY: Final = 2**23
"""Bytes that a compiled pattern and its matching may take: RE2's default."""
_BYTE: Final = re.compile(r"(?:\\[^C]|[^\\])*\\C", re.DOTALL)
_HUGE: Final = re.compile(r"\{(?:\d+,)?\d{8,}")
"""A number of repetitions that Go refuses, and RE2 takes for plain text."""
_NO_WORD_EDGE: Final = re.compile(r"(?:\\[^B]|[^\\])*\\B", re.DOTALL)


class Unsupported(Exception):
    """A pattern that bridge cannot match exactly as sops does; the text says why."""


def compile_regex(pattern: str) -> Callable[[str], bool]:
    """Return a function that returns whether the pattern matches anywhere in a key.

    Raises Unsupported if the pattern is not valid in Go, or if google-re2 is not installed. The function raises it for
    a key for which RE2 and Go might differ.
    """
    try:
        import re2  # noqa: PLC0415 - few files need it, and not every platform has it
    except ImportError:
        raise Unsupported("it needs the package google-re2, which is not installed") from None
    options = re2.Options()
    options.log_errors = False  # RE2 would print the pattern
    options.max_mem = _MAX_MEMORY
    if _BYTE.match(pattern):
        raise Unsupported("it matches single bytes (`\\C`), which sops does not support")
    try:
        compiled = None if _HUGE.search(pattern) else re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError):
        compiled = None
    # Raise outside the handler, so that RE2's error, which contains the pattern, is not chained.
    if compiled is None:
        raise Unsupported("it is not a valid Go regular expression, or it is too large")
    only_ascii = bool(_NO_WORD_EDGE.match(pattern))

    def matches(key: str) -> bool:
        if only_ascii and not key.isascii():
            raise Unsupported("it has `\\B`, and a name contains non-ASCII characters")
        try:
            data = key.encode()
        except UnicodeEncodeError:
            data = None
        if data is None:
            raise Unsupported("a name is not valid UTF-8")
        return compiled.search(data) is not None

    return matches
