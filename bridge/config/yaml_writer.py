"""Writes YAML for people: PyYAML quotes the values, and nothing is ever folded."""

from typing import Final

import yaml

from bridge.config.yaml_core_schema import is_plain_text

_WIDE: Final = 2**31  # a line is never folded: a value stays what it is, and greppable

_IN_BRACKETS: Final = frozenset(",?[]{}")
"""What ends a plain text, or begins something else, in a list or a mapping in brackets."""


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, and indents lists below their key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - theirs
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


class _InlineDumper(_Dumper):
    """Writes everything in one line."""


def _represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # The other line breaks of Unicode are read back as they were only where they are escaped.
    plain = all(line.isprintable() for line in text.split("\n"))
    block = "\n" in text and not isinstance(dumper, _InlineDumper)
    style = None if plain and "\n" not in text else "|" if plain and block else '"'
    if style is None and not is_plain_text(text):
        style = "'"  # such as 0o17 and 1e3: PyYAML takes them for texts, and other readers for numbers
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent)
_InlineDumper.add_representer(str, _represent)


def dumped(data: object) -> str:
    """Return data as YAML, mappings in their order."""
    return _dump(data, _Dumper, flow=False)


def inline(value: object) -> str:
    """Return a value in one line of YAML, quoted where that is needed."""
    return _dump(value, _InlineDumper, flow=True).rstrip("\n")


def scalar(text: str, *, is_quoted: bool = False) -> str:
    """Return a text as one line of YAML that fits anywhere: plain if it stays a text, otherwise in double quotes."""
    if inline(text) == text and not set(text) & _IN_BRACKETS and not is_quoted:
        return text
    quoted: str = yaml.dump(text, Dumper=yaml.SafeDumper, default_style='"', allow_unicode=True, width=_WIDE)
    return quoted.rstrip("\n")


def _dump(data: object, dumper: type[_Dumper], *, flow: bool) -> str:
    text: str = yaml.dump(
        data, Dumper=dumper, default_flow_style=flow, sort_keys=False, allow_unicode=True, width=_WIDE
    )
    # PyYAML ends some documents with a line of dots; within a value they are indented, or in quotes.
    return text.removesuffix("...\n") if text.endswith("\n...\n") else text
