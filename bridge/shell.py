"""Format commands that can be pasted into a shell, whatever names they contain."""

import os
import sys
from collections.abc import Iterable
from typing import Final

_NAMES: Final = {"bridge-secrets": "bridge-secrets", "kubectl-bridge": "kubectl bridge"}


def program() -> str:
    """Return the command that this program was called by, for the commands that it prints.

    On most systems `bridge` is also a program of iproute2, and kubectl starts `kubectl-bridge` for `kubectl bridge`.
    """
    called = os.path.basename(sys.argv[0]) if sys.argv else ""  # noqa: PTH119 - start-up
    return _NAMES.get(called, "bridge")


def word(text: object) -> str:
    """Quote a word if a shell would interpret it; escape unprintable characters in bash's syntax."""
    import shlex  # noqa: PLC0415 - start-up: most runs show no command

    plain = str(text)
    if plain.isprintable():
        return shlex.quote(plain)
    return f"$'{''.join(map(_escaped, plain))}'"


def command(words: Iterable[object]) -> str:
    """Format a command from its words."""
    return " ".join(map(word, words))


def _escaped(char: str) -> str:
    if char in "\\'":
        return f"\\{char}"
    if char.isprintable():
        return char
    return "".join(f"\\x{byte:02x}" for byte in char.encode(errors="surrogateescape"))
