"""YAML 1.2's core schema for PyYAML, which by itself has YAML 1.1's.

kustomize reads plain scalars in the same way: `yes`, `0000-00-00` and `12:30` are texts. Only null, true, false and
numbers are anything else (https://yaml.org/spec/1.2.2/#103-core-schema).
"""

import re
from typing import Final

import yaml

TAG: Final = "tag:yaml.org,2002:"
MERGE: Final = f"{TAG}merge"
# `!!bool maybe` is a KeyError in PyYAML, `!!timestamp soon` an AttributeError.
UNFIT: Final = (yaml.YAMLError, ValueError, LookupError, AttributeError, ArithmeticError)
"""What constructing a value raises if it is not of its tag's form; the error holds the text."""
_LONGEST: Final = 308  # digits: what is longer fits no float either, and go-yaml takes it for a text
_NAMED: Final = {".inf": "inf", "+.inf": "inf", "-.inf": "-inf", ".nan": "nan"}


class CoreLoader(yaml.CSafeLoader):
    """Loads YAML, with the plain scalars of the core schema; `<<` still has its own tag."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML declares it so


_PLAIN: Final = (
    ("null", r"~|null|Null|NULL|", ("~", "n", "N", "")),
    ("bool", r"true|True|TRUE|false|False|FALSE", tuple("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", tuple("-+0123456789")),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", tuple("-+.0123456789")),
    ("float", r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", tuple("-+.")),
    ("merge", r"<<", ("<",)),
)


def is_plain_text(text: str) -> bool:
    """Return whether a text stays one if it is written without quotes."""
    return not any(re.fullmatch(pattern, text) for _, pattern, _ in _PLAIN)


def _int(_: CoreLoader, node: yaml.ScalarNode) -> int | str:
    text: str = node.value
    if len(text) > _LONGEST:
        return text
    return int(text, 0) if text[:2] in {"0o", "0x"} else int(text)


def _float(_: CoreLoader, node: yaml.ScalarNode) -> float | str:
    text: str = node.value
    if named := _NAMED.get(text.lower()):
        return float(named)
    number = float(text)
    return text if number in {float("inf"), float("-inf")} else number


def _text(_: CoreLoader, node: yaml.ScalarNode) -> str:
    text: str = node.value
    return text


for _name, _pattern, _first in _PLAIN:
    CoreLoader.add_implicit_resolver(f"{TAG}{_name}", re.compile(rf"(?:{_pattern})\Z"), list(_first))
CoreLoader.add_constructor(f"{TAG}int", _int)
CoreLoader.add_constructor(f"{TAG}float", _float)
CoreLoader.add_constructor(MERGE, _text)  # where it is no key
