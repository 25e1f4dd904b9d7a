"""Writes YAML for people: PyYAML quotes the values, and nothing is ever folded."""

from typing import Final

import yaml

from bridge.config.yaml_core_schema import is_plain_text

_WIDE: Final = 2**31  # never fold a line, so that grep finds every value

_IN_BRACKETS: Final = frozenset(",?[]{}")
"""Characters that end a plain string, or start something else, in a list or mapping in brackets."""


class _Dumper(yaml.SafeDumper):
    """Writes multi-line strings as blocks, and indents lists below their key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - PyYAML's signature
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


class _InlineDumper(_Dumper):
    """Writes everything in one line."""


def _represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # Unicode's other line breaks are only read back unchanged if they are escaped.
    plain = all(line.isprintable() for line in text.split("\n"))
    block = "\n" in text and not isinstance(dumper, _InlineDumper)
    style = None if plain and "\n" not in text else "|" if plain and block else '"'
    if style is None and not is_plain_text(text):
        style = "'"  # such as 0o17 and 1e3: PyYAML reads them as strings, other readers as numbers
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent)
_InlineDumper.add_representer(str, _represent)


def dumped(data: object) -> str:
    """Return data as YAML, keeping the order of mappings."""
    return _dump(data, _Dumper, flow=False)


def inline(value: object) -> str:
    """Return a value as one line of YAML, quoted if necessary."""
    return _dump(value, _InlineDumper, flow=True).rstrip("\n")


def scalar(text: str, *, is_quoted: bool = False) -> str:
    """Return a string as one line of YAML that fits anywhere: plain if it is read back as a string, else quoted."""
    if inline(text) == text and not set(text) & _IN_BRACKETS and not is_quoted:
        return text
    quoted: str = yaml.dump(text, Dumper=yaml.SafeDumper, default_style='"', allow_unicode=True, width=_WIDE)
    return quoted.rstrip("\n")


def _dump(data: object, dumper: type[_Dumper], *, flow: bool) -> str:
    text: str = yaml.dump(
        data, Dumper=dumper, default_flow_style=flow, sort_keys=False, allow_unicode=True, width=_WIDE
    )
    # PyYAML ends some documents with a line of dots; dots in a value are indented or quoted.
    return text.removesuffix("...\n") if text.endswith("\n...\n") else text
