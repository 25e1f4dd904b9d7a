"""Reads the output of `kustomize build` from a file, a pipe or stdin."""

import sys
from pathlib import Path
from typing import Final

from bridge.config.textfile import read_text, read_text_stream
from bridge.errors import ConfigError, Problem
from bridge.kustomize.objects import BuiltObject, parse_build

STDIN: Final = "-"


def load_build(source: str, deadline: float, usage: str) -> tuple[str, tuple[BuiltObject, ...]]:
    """Return the build's name for messages, and its objects; ConfigError if it cannot be read.

    `usage` is the hint for a stdin that is a terminal.
    """
    shown = "stdin" if source == STDIN else source
    return shown, parse_build(_text(source, shown, deadline, usage), shown)


def _text(source: str, shown: str, deadline: float, usage: str) -> str:
    path = Path(source)
    if source != STDIN and path.is_fifo():  # a shell's <(kustomize build …)
        with path.open("rb", buffering=0) as pipe:
            return read_text_stream(pipe.fileno(), shown, deadline)
    if source != STDIN:
        try:
            return read_text(path, shown)
        except FileNotFoundError:
            raise ConfigError(Problem(shown, "no such file")) from None
    if sys.stdin is None or sys.stdin.isatty():
        raise ConfigError(Problem(shown, "nothing was piped in", usage))
    return read_text_stream(sys.stdin.fileno(), shown, deadline)
