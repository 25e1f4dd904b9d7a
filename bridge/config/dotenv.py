"""Reads an env file in python-dotenv's syntax. Nothing is expanded, and every line must parse."""

import io
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.config.env_readers import ReaderDifference, difference, literal_values
from bridge.config.names import is_variable
from bridge.config.problems import Findings
from bridge.config.textfile import read_text
from bridge.named_tuple import NamedTuple
from bridge.secret import SecretValue
from bridge.shell import command

if TYPE_CHECKING:
    from types import ModuleType

    from dotenv.parser import Binding

MOST_BYTES: Final = 1024 * 1024
"""The most that an object can hold; a process has 2 MiB for its whole environment."""
MOST_LINES: Final = 20_000
"""python-dotenv takes 30 microseconds per line and cannot be interrupted."""
MOST_BLANKS: Final = 256
"""Consecutive blanks. python-dotenv looks for a comment after each of them, which takes quadratic time."""
_BLANKS: Final = re.compile(r"[^\S\r\n]+")


class EnvFile(NamedTuple):
    """The variables of an env file, and those that kubectl and kustomize read differently."""

    values: Mapping[str, SecretValue]
    differences: Mapping[str, ReaderDifference]


def load_env_file(path: Path, shown: str) -> EnvFile:
    """Read an env file; ConfigError lists the numbers of all wrong lines, never their text.

    The file's size is limited so that reading it takes a second or two at most.

    FileNotFoundError if the file does not exist: only the caller knows whether it is needed.
    """
    text = read_text(path, shown, MOST_BYTES)
    findings = Findings(shown)
    _bound(text, findings)
    values: dict[str, SecretValue] = {}
    first: dict[str, int] = {}
    differences: dict[str, ReaderDifference] = {}
    literal = literal_values(text)
    for line, name, value, original in _bindings(text, findings):
        kind = difference(original, value, literal.get(name, ()))
        if kind and differences.get(name, ReaderDifference.OTHER) is ReaderDifference.OTHER:
            differences[name] = kind
        first.setdefault(name, line)
        if not values.setdefault(name, value).same_as(value):
            findings.at(f"line {line}").note(f"sets a variable to a different value than line {first[name]}")
    if findings:
        findings.fail()
    return EnvFile(values, differences)


def _bound(text: str, findings: Findings) -> None:
    """Raise ConfigError for a text that would take python-dotenv too long."""
    if text.count("\n") > MOST_LINES or text.count("\r") > MOST_LINES:
        findings.note(f"more than {MOST_LINES:,} lines")
    longest = max(_BLANKS.finditer(text), key=lambda run: run.end() - run.start(), default=None)
    if longest and longest.end() - longest.start() > MOST_BLANKS:
        line = text.count("\n", 0, longest.start()) + 1
        findings.at(f"line {line}").note(f"more than {MOST_BLANKS} blanks in a row")
    if findings:
        findings.fail()


def _bindings(text: str, findings: Findings) -> Iterator[tuple[int, str, SecretValue, str]]:
    """Yield each variable with its line number, its value, and its source text."""
    # Line ends become \n, also within quotes, as when python-dotenv opens a file itself.
    for binding in _parser().parse_stream(io.StringIO(text, newline=None)):
        at = findings.at(f"line {_line(binding)}")
        if binding.error:
            at.note("cannot be parsed", "write NAME=value, with quotes around a multi-line value")
        elif binding.key is None:
            continue  # a comment or blank lines
        elif not is_variable(binding.key):
            # Do not name it: it may be part of a value that was meant to span several lines.
            at.note("does not start with a variable name", "write NAME=value")
        elif binding.value is None:
            at.note("has no value", "write NAME=value, or NAME= for an empty value")
        else:
            yield _line(binding), binding.key, SecretValue.of(binding.value), binding.original.string


@cache
def _parser() -> "ModuleType":
    """Load python-dotenv's parser without the package around it, which loads logging, shutil and tempfile."""
    from importlib.util import module_from_spec  # noqa: PLC0415 - start-up: a pod has no env file

    package = PathFinder.find_spec("dotenv")
    spec = PathFinder.find_spec("dotenv.parser", package.submodule_search_locations if package else ())
    if spec is None or spec.loader is None:
        raise ImportError("python-dotenv is not installed")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _line(binding: "Binding") -> int:
    """Return the line of the name. python-dotenv counts from the blank lines before it."""
    text = binding.original.string
    blank = text[: len(text) - len(text.lstrip())]
    return binding.original.line + blank.count("\n")


def removal(path: Path, shown: str, names: Collection[str]) -> str:
    """Return the command that removes these variables' lines from an env file.

    Return "" if one of the lines does not start with `NAME=`, or if the command would change other variables.
    """
    text = read_text(path, shown)
    pattern = re.compile(rf"(?:{'|'.join(map(re.escape, names))})=")
    lines = io.StringIO(text, newline=None).readlines()
    kept = "".join(line for line in lines if not pattern.match(line))
    if _parsed(kept) != [pair for pair in _parsed("".join(lines)) if pair[0] not in names]:
        return ""
    in_place = ("-i", "") if sys.platform == "darwin" else ("-i",)
    deletions = (part for name in names for part in ("-e", f"/^{name}=/d"))
    return command(["sed", *in_place, *deletions, path])


def _parsed(text: str) -> list[tuple[str | None, str | None]]:
    pairs = ((binding.key, binding.value) for binding in _parser().parse_stream(io.StringIO(text)))
    return [pair for pair in pairs if pair[0] is not None]
