"""Takes lines out of an env file: the command that does it, once their values are elsewhere."""

import io
import re
import sys
from collections.abc import Collection
from pathlib import Path

from bridge.config.textfile import read_text
from bridge.shell import command


def removal(path: Path, shown: str, names: Collection[str]) -> str:
    """Return the command that takes the lines of these variables out of an env file.

    It is empty if a line of theirs cannot be told by `NAME=` at its beginning, or if other variables would change.
    """
    text = read_text(path, shown)
    pattern = re.compile(rf"(?:{'|'.join(map(re.escape, names))})=")
    lines = io.StringIO(text, newline=None).readlines()
    kept = "".join(line for line in lines if not pattern.match(line))
    if _parsed(kept) != [one for one in _parsed("".join(lines)) if one[0] not in names]:
        return ""
    in_place = ("-i", "") if sys.platform == "darwin" else ("-i",)
    deletions = (part for name in names for part in ("-e", f"/^{name}=/d"))
    return command(["sed", *in_place, *deletions, path])


def _parsed(text: str) -> list[tuple[str | None, str | None]]:
    from dotenv.parser import parse_stream  # noqa: PLC0415 - costs 10 ms, and few commands need it

    found = ((one.key, one.value) for one in parse_stream(io.StringIO(text)))
    return [one for one in found if one[0] is not None]
