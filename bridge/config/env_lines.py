"""Builds the command that removes lines from an env file, once their values are elsewhere."""

import io
import re
import sys
from collections.abc import Collection
from pathlib import Path

from bridge.config.textfile import read_text
from bridge.shell import command


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
    from dotenv.parser import parse_stream  # noqa: PLC0415 - costs 10 ms, and few commands need it

    pairs = ((binding.key, binding.value) for binding in parse_stream(io.StringIO(text)))
    return [pair for pair in pairs if pair[0] is not None]
