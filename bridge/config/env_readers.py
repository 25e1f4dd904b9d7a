"""Compares how bridge reads an env file with how kubectl (`--from-env-file`) and kustomize (`envs:`) read it.

They take each line literally as NAME=value, without quotes, escapes, inline comments or multi-line values. So the value
in the cluster may differ from the value that python-dotenv's syntax gives the same line.
"""

import enum
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from bridge.errors import Problem
from bridge.secret import SecretValue

_BLANKS: Final = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
"""The characters that Go's unicode.IsSpace accepts; Python's own list is longer."""
_LONGEST: Final = 64 * 1024
"""Bytes. Go's bufio.Scanner gives up at a longer line, and both programs ignore the rest of the file."""
_LINE: Final = re.compile(
    r"\s*(?P<export>export[^\S\n]+)?(?P<name>'[^']+'|[^=#\s]+)(?P<gap>[^\S\n]*)=(?P<pad>[^\S\n]*)(?P<rest>.*)",
    re.DOTALL,
)


class ReaderDifference(enum.Enum):
    """How other programs read a line differently; the first kind that applies."""

    COMMENT = "the text after ` #` was read as a comment"
    LINES = "spans several lines; kubectl and kustomize read each line separately"
    NAME = "kubectl and kustomize reject `export`, quotes or blanks in the name"
    QUOTES = "kubectl and kustomize keep the quotes as part of the value"
    BLANKS = "kubectl and kustomize keep the blanks around the value"
    OTHER = "kubectl and kustomize read a different value"


UNQUOTED: Final = "quote the value if it includes that text; otherwise move the comment to its own line"


def literal_values(text: str) -> Mapping[str, Collection[str]]:
    """Return the values that kubectl and kustomize read: several if a name is set twice, which both refuse."""
    values: dict[str, set[str]] = {}
    for line in text.split("\n"):
        if len(line.encode()) >= _LONGEST:
            break
        bare = line.removesuffix("\r").lstrip(_BLANKS)
        if bare and not bare.startswith("#"):
            name, _, value = bare.partition("=")
            values.setdefault(name, set()).add(value)
    return values


def difference(line: str, value: SecretValue, literal: Collection[str]) -> ReaderDifference | None:
    """Return how other programs read a variable's line or lines differently, or None if they read the same value.

    `literal` lists the values that the other programs read for its name.
    """
    if literal and all(SecretValue.of(text).same_as(value) for text in literal):
        return None
    parts = _LINE.match(line)
    if parts is None:
        return ReaderDifference.OTHER
    rest = parts["rest"].removesuffix("\n")
    is_quoted = rest.startswith(("'", '"'))
    checks = (
        (ReaderDifference.COMMENT, not is_quoted and re.search(r"\s#", parts["pad"] + rest)),
        (ReaderDifference.LINES, is_quoted and "\n" in rest),
        (ReaderDifference.NAME, parts["export"] or parts["gap"] or parts["name"].startswith("'")),
        (ReaderDifference.QUOTES, is_quoted),
        (ReaderDifference.BLANKS, parts["pad"] or rest != rest.rstrip()),
    )
    return next((kind for kind, applies in checks if applies), ReaderDifference.OTHER)


def difference_warnings(differences: Mapping[str, ReaderDifference], shown: str, hint: str) -> Iterator[Problem]:
    """Yield a warning for each kind of difference, listing the variables."""
    for kind in ReaderDifference:
        names = [name for name, its_kind in differences.items() if its_kind is kind]
        if names:
            where = f"{shown} {', '.join(names)}"
            yield Problem(where, kind.value, UNQUOTED if kind is ReaderDifference.COMMENT else hint, warning=True)
