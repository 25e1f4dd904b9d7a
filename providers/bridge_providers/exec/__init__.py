"""Read secrets that a program prints: a password manager's, or any other store's own command."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from bridge.named_tuple import NamedTuple
from bridge.provider import Context, OptionError, Problem

if TYPE_CHECKING:
    from bridge_providers.exec.session import ExecSession

__all__ = ["Exec"]

DOCUMENTS: Final = ("json", "text", "bytes")
KINDS: Final = ("not found", "denied", "temporary")
SLOWEST: Final = 300
_STATUS: Final = re.compile(r"[1-9]|[1-9]\d|1\d\d|2[0-4]\d|25[0-5]", re.ASCII)
_HELP: Final = "see `bridge help programs`"
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class _Section(NamedTuple):
    """The fields of the section; see Exec. It is no dataclass, whose module would take long to import."""

    command: Sequence[str]
    document: str = "json"
    timeout: int = 20
    environment: Sequence[str] = ()
    statuses: Mapping[str, str] | None = None


class Exec(_Section):
    """A program that prints one document for a path. It runs without a shell or a terminal.

    - `command` is the program's absolute path and its arguments. `{path}` and `{revision}` in an argument are replaced;
      without `{path}`, the path is the last argument. Without `{revision}`, references may not have one.
    - `document` says what it prints: `json` (an object has fields), `text` (one value, without a final newline), or
      `bytes` (one value, unchanged).
    - `timeout` is in seconds.
    - `environment` names the variables that it gets. It gets no others, not even PATH.
    - `statuses` says what exit statuses mean: `not found`, `denied` or `temporary`. All others but 0 are errors.

    The trust file must list the program with its first argument.
    """

    concurrency: ClassVar[int] = 4

    def __init__(self, *_values: object, **_fields: object) -> None:
        _check_command(self.command)
        if self.document not in DOCUMENTS:
            raise OptionError("document", f"must be {', '.join(DOCUMENTS[:-1])} or {DOCUMENTS[-1]}", hint=_HELP)
        if type(self.timeout) is not int or not 0 < self.timeout <= SLOWEST:
            raise OptionError("timeout", f"must be a number of seconds from 1 to {SLOWEST}", hint=_HELP)
        names: object = self.environment
        if not _is_list(names) or not all(_VARIABLE.fullmatch(name) for name in self.environment):
            raise OptionError("environment", "must be a list of variables' names", hint=_HELP)
        _check_statuses(self.statuses)

    @property
    def fixed(self) -> Sequence[str]:
        """Return the program and its arguments up to the first with a placeholder: what the trust file must list."""
        places = [number for number, word in enumerate(self.command) if _has_placeholder(word)]
        return self.command[: places[0]] if places else self.command

    @property
    def takes_revision(self) -> bool:
        """Return whether references may have a revision."""
        return any("{revision}" in word for word in self.command)

    def open(self, context: Context) -> "ExecSession":
        """Start a session without starting the program yet."""
        from bridge_providers.exec.session import ExecSession  # noqa: PLC0415 - `bridge check` does not need it

        return ExecSession(self, context)

    def check(self, path: str, context: Context) -> Iterable[Problem]:
        """Yield what the trust file refuses, and the problems of a path."""
        from bridge_providers.exec import start_check  # noqa: PLC0415 - `--version` does not need it

        yield from filter(None, (start_check.of_program(self, context), start_check.of_path(self, path, None)))

    def check_at(self, path: str, revision: str, context: Context) -> Iterable[Problem]:
        """Yield the same for a reference with a revision."""
        from bridge_providers.exec import start_check  # noqa: PLC0415 - as above

        yield from filter(None, (start_check.of_program(self, context), start_check.of_path(self, path, revision)))

    def names(self, path: str, context: Context) -> frozenset[str] | None:  # noqa: ARG002 - the contract's signature
        """Return None: only the program knows."""
        return None

    def names_at(self, path: str, revision: str, context: Context) -> frozenset[str] | None:  # noqa: ARG002 - as above
        """Return None: only the program knows."""
        return None


def _is_list(given: object) -> bool:
    return isinstance(given, (list, tuple)) and all(isinstance(one, str) for one in given)


def _has_placeholder(word: str) -> bool:
    return "{path}" in word or "{revision}" in word


def _check_command(command: object) -> None:
    if not (isinstance(command, (list, tuple)) and command and _is_list(command)):
        raise OptionError("command", "must be a list: the program's absolute path, and its arguments", hint=_HELP)
    if not os.path.isabs(command[0]) or not command[0].isprintable():  # noqa: PTH117 - start-up
        raise OptionError("command", "must begin with an absolute path", hint="`command -v PROGRAM` prints it")
    if _has_placeholder(command[0]):
        raise OptionError("command", "has a placeholder in the program's path", hint=_HELP)
    if _is_open(command[1:]):
        hint = "put a fixed argument before it, which the trust file then lists"
        raise OptionError("command", "begins with an argument that is more than a placeholder", hint=hint)


def _is_open(arguments: Sequence[str]) -> bool:
    """Return whether the first argument has a placeholder, and not all are placeholders alone.

    No first argument is fixed then, so the trust file would list the path alone. But `-c{revision}` is `-c` if there is
    no revision, and what follows a path could be any option.
    """
    return bool(arguments) and _has_placeholder(arguments[0]) and not {*arguments} <= {"{path}", "{revision}"}


def _check_statuses(statuses: object) -> None:
    if statuses is None:
        return
    is_map = isinstance(statuses, Mapping) and all(_STATUS.fullmatch(str(one)) for one in statuses)
    if not (is_map and isinstance(statuses, Mapping) and all(one in KINDS for one in statuses.values())):
        what = f"must map exit statuses (1 to 255) to {', '.join(KINDS[:-1])} or {KINDS[-1]}"
        raise OptionError("statuses", what, hint=_HELP)
