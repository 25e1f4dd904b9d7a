"""Starts the program for each document, and reads what it prints. Its stderr may quote values and is never shown."""

import re
from typing import TYPE_CHECKING, Final

from bridge.programs import Ended, Programs
from bridge.provider import (
    UNVERSIONED,
    Context,
    Denied,
    Document,
    DuplicateKeyError,
    JsonError,
    Kind,
    Node,
    NotFound,
    ProviderError,
    Revision,
    SecretValue,
    Unavailable,
    parse_json,
)
from bridge_providers.exec import start_check

if TYPE_CHECKING:
    from bridge_providers.exec import Exec

LIMIT: Final = 10 * 2**20
"""The largest document in bytes."""
_NAME: Final = "the program"
_PLACEHOLDER: Final = re.compile(r"\{(?:path|revision)\}")
_FINAL_NEWLINE: Final = re.compile(rb"\r?\n\Z")


class ExecSession:
    """Reads from any number of threads; the programs end with the session."""

    def __init__(self, options: "Exec", context: Context) -> None:
        self._options: Final = options
        self._context: Final = context
        self._programs: Final = Programs(context, options.timeout, start_check.FOLDER)

    def read(self, path: str, revision: str | None = None) -> Document:
        """Return what the program prints for a path."""
        options = self._options
        problem = start_check.of_path(options, path, revision)
        if problem:
            raise ProviderError(problem.what, hint=problem.hint)
        if problem := start_check.of_program(options, self._context):
            raise Denied(problem.what, hint=problem.hint)
        environ = {name: text for name, text in self._context.environ.items() if name in options.environment}
        ended = self._programs.run(_NAME, _command(options, path, revision), environ, b"", LIMIT)
        if ended.status:
            raise _failure(options, ended)
        content = _content(ended.stdout, options.document)
        fields = content if isinstance(content, SecretValue) else (content,)
        whole = None if isinstance(content, SecretValue) else SecretValue(ended.stdout.removesuffix(b"\n"))
        return Document(fields, UNVERSIONED if revision is None else Revision(revision), whole=whole)

    def close(self) -> None:
        """Kill what still runs."""
        self._programs.close()


def _command(options: "Exec", path: str, revision: str | None) -> tuple[str, ...]:
    parts = {"{path}": path, "{revision}": revision or ""}
    # In one pass, so that a path that contains a placeholder stays as it is.
    words = tuple(_PLACEHOLDER.sub(lambda found: parts[found[0]], word) for word in options.command)
    return words if any("{path}" in word for word in options.command) else (*words, path)


def _failure(options: "Exec", ended: Ended) -> ProviderError | Unavailable:
    """Return the error that an exit status stands for."""
    how = f"was killed by signal {-ended.status}" if ended.status < 0 else f"ended with status {ended.status}"
    what, hint = f"{_NAME} {how}", "run it in a shell to see why"
    # A file's keys are text, and those of a section made in Python may be numbers.
    kinds = {str(status): kind for status, kind in (options.statuses or {}).items()}
    match kinds.get(str(ended.status)):
        case "not found":
            return NotFound(f"{what}: there is no such document", hint=hint)
        case "denied":
            return Denied(f"{what}: access is denied", hint=hint)
        case "temporary":
            return Unavailable(what, hint=hint)
        case _:
            return ProviderError(what, hint=f"{hint}, or see `statuses`")


def _content(output: bytes, document: str) -> "dict[str, Node] | SecretValue":
    if document == "bytes":
        return SecretValue(output, Kind.BYTES)
    value = SecretValue(_FINAL_NEWLINE.sub(b"", output, count=1) if document == "text" else output)
    if not value.is_text():
        raise ProviderError(f"{_NAME} printed bytes that are not text", hint="set `document: bytes`")
    if document == "text":
        return value
    try:
        parsed = parse_json(output)
    except DuplicateKeyError as error:
        message = f"the JSON that {_NAME} printed {error}"
    except JsonError:
        message = f"{_NAME} printed no JSON"
    else:
        if isinstance(parsed, dict):
            return parsed
        if isinstance(parsed, SecretValue):
            return parsed
        message = f"{_NAME} printed a JSON list"
    raise ProviderError(message, hint="set `document: text` if it prints one value")
