"""Reads an env file: python-dotenv's syntax, nothing expanded, and every line must parse."""

import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from bridge.config.env_readers import Difference, difference, literal_values
from bridge.config.names import is_variable
from bridge.config.problems import Findings
from bridge.config.textfile import read_text
from bridge.secret import SecretValue

if TYPE_CHECKING:
    from dotenv.parser import Binding

MOST_BYTES: Final = 1024 * 1024
"""As much as an object holds; a process has 2 MiB for its whole environment."""
MOST_LINES: Final = 20_000
"""python-dotenv takes 30 microseconds for each, and nothing can end it earlier."""
MOST_BLANKS: Final = 256
"""In a row: python-dotenv looks for a comment behind each of them, which takes the square of their number."""
_BLANKS: Final = re.compile(r"[^\S\r\n]+")


class EnvFile(NamedTuple):
    """The variables of an env file, and those that kubectl and kustomize read otherwise."""

    values: Mapping[str, SecretValue]
    differences: Mapping[str, Difference]


def load_env_file(path: Path, shown: str) -> EnvFile:
    """Read an env file; ConfigError with the numbers of all wrong lines, never their text.

    Its size is bounded so that reading it takes a second or two at most.

    FileNotFoundError where the file does not exist: only the caller knows whether it is needed.
    """
    text = read_text(path, shown, MOST_BYTES)
    findings = Findings(shown)
    _bound(text, findings)
    values: dict[str, SecretValue] = {}
    first: dict[str, int] = {}
    differences: dict[str, Difference] = {}
    literal = literal_values(text)
    for line, name, value, original in _bindings(text, findings):
        found = difference(original, value, literal.get(name, ()))
        if found and differences.get(name, Difference.OTHER) is Difference.OTHER:
            differences[name] = found
        first.setdefault(name, line)
        if not values.setdefault(name, value).same_as(value):
            findings.at(f"line {line}").note(f"sets a variable again, to another value than line {first[name]}")
    if findings:
        findings.fail()
    return EnvFile(values, differences)


def _bound(text: str, findings: Findings) -> None:
    """Raise ConfigError for a text that python-dotenv would take too long for."""
    if text.count("\n") > MOST_LINES or text.count("\r") > MOST_LINES:
        findings.note(f"more than {MOST_LINES:,} lines")
    longest = max(_BLANKS.finditer(text), key=lambda run: run.end() - run.start(), default=None)
    if longest and longest.end() - longest.start() > MOST_BLANKS:
        line = text.count("\n", 0, longest.start()) + 1
        findings.at(f"line {line}").note(f"more than {MOST_BLANKS} blanks in a row")
    if findings:
        findings.fail()


def _bindings(text: str, findings: Findings) -> Iterator[tuple[int, str, SecretValue, str]]:
    """Yield each variable with the number of its line, its value, and the text that says so."""
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
            yield _line(binding), binding.key, SecretValue.of(binding.value), binding.original.string


def _line(binding: "Binding") -> int:
    """Return the line of the name; python-dotenv counts from the blank lines before it."""
    text = binding.original.string
    blank = text[: len(text) - len(text.lstrip())]
    return binding.original.line + blank.count("\n")
