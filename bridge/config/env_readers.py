"""Compares how bridge reads an env file with how kubectl (`--from-env-file`) and kustomize (`envs:`) read it.

They take each line as it is: NAME=value, without quotes, escapes, inline comments or values of several lines. So a
value that was in the cluster may be another one than the value that python-dotenv's syntax makes of the same line.
"""

import enum
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from bridge.errors import Problem
from bridge.secret import SecretValue

_BLANKS: Final = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
"""What Go's unicode.IsSpace takes for a blank; Python's own list is longer."""
_LONGEST: Final = 64 * 1024
"""Bytes. At a longer line Go's bufio.Scanner gives up, and both programs ignore the rest of the file."""
_LINE: Final = re.compile(
    r"\s*(?P<export>export[^\S\n]+)?(?P<name>'[^']+'|[^=#\s]+)(?P<gap>[^\S\n]*)=(?P<pad>[^\S\n]*)(?P<rest>.*)",
    re.DOTALL,
)


class Difference(enum.Enum):
    """What of a line the other programs take in another way; the first that fits."""

    COMMENT = "the text after ` #` was taken as a comment"
    LINES = "has several lines; kubectl and kustomize read each line on its own"
    NAME = "kubectl and kustomize reject `export`, quotes or blanks in the name"
    QUOTES = "kubectl and kustomize keep the quotes as part of the value"
    BLANKS = "kubectl and kustomize keep the blanks around the value"
    OTHER = "kubectl and kustomize read another value"


UNQUOTED: Final = "quote the value if that text belongs to it, else put the comment on a line of its own"


def literal_values(text: str) -> Mapping[str, Collection[str]]:
    """Return the values that kubectl and kustomize read: several if a name is set again, which both refuse."""
    values: dict[str, set[str]] = {}
    for line in text.split("\n"):
        if len(line.encode()) >= _LONGEST:
            break
        bare = line.removesuffix("\r").lstrip(_BLANKS)
        if bare and not bare.startswith("#"):
            name, _, value = bare.partition("=")
            values.setdefault(name, set()).add(value)
    return values


def difference(line: str, value: SecretValue, literal: Collection[str]) -> Difference | None:
    """Return how a variable's line, or lines, is read otherwise; None if it is not.

    `literal` are the values that the other programs have for its name.
    """
    if literal and all(SecretValue.of(one).same_as(value) for one in literal):
        return None
    parts = _LINE.match(line)
    if parts is None:
        return Difference.OTHER
    rest = parts["rest"].removesuffix("\n")
    is_quoted = rest.startswith(("'", '"'))
    checks = (
        (Difference.COMMENT, not is_quoted and re.search(r"\s#", parts["pad"] + rest)),
        (Difference.LINES, is_quoted and "\n" in rest),
        (Difference.NAME, parts["export"] or parts["gap"] or parts["name"].startswith("'")),
        (Difference.QUOTES, is_quoted),
        (Difference.BLANKS, parts["pad"] or rest != rest.rstrip()),
    )
    return next((one for one, applies in checks if applies), Difference.OTHER)


def told(differences: Mapping[str, Difference], shown: str, hint: str) -> Iterator[Problem]:
    """Yield a warning for each kind of difference, with the names of the variables."""
    for kind in Difference:
        names = [name for name, one in differences.items() if one is kind]
        if names:
            where = f"{shown} {', '.join(names)}"
            yield Problem(where, kind.value, UNQUOTED if kind is Difference.COMMENT else hint, warning=True)
