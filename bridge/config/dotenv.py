"""Reads an env file: python-dotenv's syntax, nothing expanded, and every line must parse."""

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.config.findings import Findings
from bridge.config.names import is_variable
from bridge.config.textfile import read_text
from bridge.secret import SecretValue

if TYPE_CHECKING:
    from dotenv.parser import Binding


def load_env_file(path: Path, shown: str) -> Mapping[str, SecretValue]:
    """Return the variables of an env file; ConfigError with the numbers of all wrong lines, never their text.

    FileNotFoundError where the file does not exist: only the caller knows whether it is needed.
    """
    text = read_text(path, shown)
    findings = Findings(shown)
    values: dict[str, SecretValue] = {}
    first: dict[str, int] = {}
    for line, name, value in _bindings(text, findings):
        first.setdefault(name, line)
        if not values.setdefault(name, value).same_as(value):
            findings.at(f"line {line}").note(f"sets a variable again, to another value than line {first[name]}")
    if findings:
        findings.fail()
    return values


def _bindings(text: str, findings: Findings) -> Iterator[tuple[int, str, SecretValue]]:
    from dotenv.parser import parse_stream  # noqa: PLC0415 - costs 10 ms, and a pod has no env file

    # Line ends become \n, also within quotes, as python-dotenv has them of a file that it opens itself.
    for binding in parse_stream(io.StringIO(text, newline=None)):
        at = findings.at(f"line {_line(binding)}")
        if binding.error:
            at.note("cannot be parsed", "write NAME=value, with quotes around a value of several lines")
        elif binding.key is None:
            continue  # a comment or blank lines
        elif not is_variable(binding.key):
            # Not named: it may be a piece of a value that was meant to have several lines.
            at.note("does not begin with a variable's name", "write NAME=value")
        elif binding.value is None:
            at.note("has no value", "write NAME=value, or NAME= for an empty one")
        else:
            yield _line(binding), binding.key, SecretValue.of(binding.value)


def _line(binding: "Binding") -> int:
    """Return the line of the name; python-dotenv counts from the blank lines before it."""
    text = binding.original.string
    blank = text[: len(text) - len(text.lstrip())]
    return binding.original.line + blank.count("\n")
