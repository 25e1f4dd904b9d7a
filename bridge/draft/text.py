"""Formats YAML for people: PyYAML quotes the values, we write the comments."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import yaml

from bridge.config.core_schema import is_plain_text

_WIDE: Final = 2**31  # never fold a line, so that values stay unchanged and can be found with grep


class Commented(NamedTuple):
    """A text or a mapping on one line, and its comment."""

    value: object
    comment: str = ""


class _Dumper(yaml.SafeDumper):
    """Writes multi-line texts as blocks, and indents lists below their key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - theirs
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


class _InlineDumper(_Dumper):
    """Writes everything on one line."""


def _represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # The other line breaks of Unicode are preserved only if they are escaped.
    plain = all(line.isprintable() for line in text.split("\n"))
    block = "\n" in text and not isinstance(dumper, _InlineDumper)
    style = None if plain and "\n" not in text else "|" if plain and block else '"'
    if style is None and not is_plain_text(text):
        style = "'"  # such as 0o17 and 1e3: strings for PyYAML, but numbers for other parsers
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent)
_InlineDumper.add_representer(str, _represent)


def dumped(data: object) -> str:
    """Return data as YAML; mappings keep their order."""
    return _dump(data, _Dumper, flow=False)


def inline(value: object) -> str:
    """Return a value on one line of YAML, quoted if needed."""
    return _dump(value, _InlineDumper, flow=True).rstrip("\n")


def _dump(data: object, dumper: type[_Dumper], *, flow: bool) -> str:
    text: str = yaml.dump(
        data, Dumper=dumper, default_flow_style=flow, sort_keys=False, allow_unicode=True, width=_WIDE
    )
    # PyYAML ends some documents with a line of dots; within a value, dots are indented or in quotes.
    return text.removesuffix("...\n") if text.endswith("\n...\n") else text


def aligned(items: Iterable[tuple[str, str]]) -> str:
    """Return lines with their comments in one column."""
    lines = list(items)
    width = max((len(line) for line, comment in lines if comment), default=0)
    return "".join(f"{line:<{width}}   {comments(comment)}" if comment else f"{line}\n" for line, comment in lines)


def comments(text: str) -> str:
    """Return a text as comment lines; unprintable lines, such as paths with special characters, are escaped."""
    return "".join(f"# {line if line.isprintable() else ascii(line)}\n" for line in text.split("\n"))


def manifest(content: Mapping[str, object]) -> str:
    """Return an object's manifest."""
    head = {key: value for key, value in content.items() if key not in {"data", "stringData", "binaryData"}}
    text = dumped(head)
    for section in ("data", "stringData", "binaryData"):
        values = content.get(section)
        if not isinstance(values, Mapping):
            continue
        text += f"{section}:\n" if values else f"{section}: {{}}\n"
        for key, value in values.items():
            lines = dumped({key: value}).splitlines(keepends=True)
            text += "".join(f"  {line}" if line.strip() else line for line in lines)
    return text
