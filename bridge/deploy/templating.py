"""Fills this package's manifest templates, so that every value is read back as exactly that value.

A template is YAML in which `$name` is a placeholder for a whole value. The value is written as one line of YAML, quoted
if necessary; after a `#` it is plain text without line breaks. If a placeholder's value is a tuple, its line is written
once for each item, or left out if there are no items.
"""

import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Final

from bridge.config.yaml_writer import inline

_PLACEHOLDER: Final = re.compile(r"\$([a-z_]+)")
_COMMENT: Final = re.compile(r"(?:^|\s)#")


def template(name: str) -> str:
    """Return the text of a template of this package."""
    return files("bridge.deploy").joinpath("templates", *name.split("/")).read_text(encoding="utf-8")


def fill(text: str, values: Mapping[str, object]) -> str:
    """Return a template with its values."""
    return "".join(filled for line in text.splitlines(keepends=True) for filled in _lines(line, values))


def _lines(line: str, values: Mapping[str, object]) -> Iterator[str]:
    needed = {name: values[name] for name in _PLACEHOLDER.findall(line)}
    repeated = {name: value for name, value in needed.items() if isinstance(value, tuple)}
    if not repeated:
        yield _line(line, needed)
        return
    for items in zip(*repeated.values(), strict=True):
        yield _line(line, {**needed, **dict(zip(repeated, items, strict=True))})


def _line(line: str, values: Mapping[str, object]) -> str:
    comment = _COMMENT.search(line)
    end = comment.start() if comment else len(line)
    yaml = _PLACEHOLDER.sub(lambda match: _value(values[match[1]]), line[:end])
    return yaml + _PLACEHOLDER.sub(lambda match: _plain(str(values[match[1]])), line[end:])


def _value(value: object) -> str:
    return inline([value])[1:-1]  # as in a list, so that it fits into brackets too


def _plain(text: str) -> str:
    """Return text that is safe in a comment: a path may contain any character."""
    return text if text.isprintable() else ascii(text)
