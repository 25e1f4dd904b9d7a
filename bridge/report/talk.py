"""What goes to stderr: errors, warnings and hints, one line each."""

import sys
from collections.abc import Iterable

from bridge.errors import Problem


def printable(text: str) -> str:
    """Escape what could steer a terminal or break the line; names can come from the cluster or a document."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def say(kind: str, problems: Iterable[Problem]) -> None:
    """Write each problem once, and a hint after the last of the problems that share it."""
    found = list(dict.fromkeys(problems))
    for index, problem in enumerate(found):
        print(f"bridge: {kind}: {printable(str(problem))}", file=sys.stderr)  # noqa: T201
        following = found[index + 1] if index + 1 < len(found) else None
        if problem.hint and (following is None or following.hint != problem.hint):
            print(f"bridge: hint: {printable(problem.hint)}", file=sys.stderr)  # noqa: T201


def tell(text: str) -> None:
    """Write how something gets on."""
    print(f"bridge: {printable(text)}", file=sys.stderr, flush=True)  # noqa: T201
