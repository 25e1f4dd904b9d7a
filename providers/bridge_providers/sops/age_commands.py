"""Gets age identities and ssh keys from the commands in sops's variables, where the section allows these by name."""

import re
from collections.abc import Mapping
from typing import Final

from bridge.provider import Denied, ProviderError
from bridge_providers.sops.programs import Programs

_RECIPIENT: Final = "SOPS_AGE_RECIPIENT"
_BLANKS: Final = " \t\r\n"
_PART: Final = r"""\\.|"(?:[^"\\]|\\.)*"|'[^']*'|[^ \t\r\n"'\\]"""
_WORD: Final = re.compile(f"(?:{_PART})+", re.DOTALL)


def output(variable: str, recipient: str, environ: Mapping[str, str], programs: Programs) -> bytes:
    """Run the command of a variable for a recipient, as sops does (age/keysource.go, getOutputFromCmd).

    It gets the whole environment, which is its author's as the command is. Raises Denied, ProviderError or Unavailable,
    with no word of the command, which may hold a secret.
    """
    what = f"the command of {variable}"
    command = words(environ[variable])
    if not command or not command[0].startswith("/"):
        problem = "is no command" if not command else "does not begin with an absolute path"
        raise Denied(f"{what} {problem}", hint=f"{variable}='/usr/bin/…'")
    if not recipient.isascii() or not recipient.isprintable():
        raise ProviderError("one of its recipients is no age key")
    with programs.started(what, command, {**environ, _RECIPIENT: recipient}) as program:
        program.hang_up()
        pieces = list(iter(program.receive, b""))
        status = program.status()
    if status:
        raise ProviderError(f"{what} ended with status {status}", hint="run it by hand, with the same environment")
    return b"".join(pieces)


def words(command: str) -> list[str]:
    """Split a command as sops does (github.com/google/shlex); nothing where a quote does not end."""
    found = []
    rest = command.lstrip(_BLANKS)
    while rest:
        if rest.startswith("#"):
            rest = rest.partition("\n")[2]
        else:
            match = _WORD.match(rest)
            rest = rest[match.end() :] if match else rest
            if match is None or (rest and rest[0] not in _BLANKS):
                return []
            found.append(re.sub(_PART, _bare, match[0], flags=re.DOTALL))
        rest = rest.lstrip(_BLANKS)
    return found


def _bare(part: re.Match[str]) -> str:
    """Take quotes and backslashes off."""
    text = part[0]
    if text.startswith("'"):
        return text[1:-1]
    return re.sub(r"\\(.)", r"\1", text[1:-1] if text.startswith('"') else text, flags=re.DOTALL)
