"""Writes YAML as sops lays it out: block style, `step` columns a level, every doubtful text in double quotes."""

import binascii
import re
from typing import Final

from bridge.provider import Kind, SecretValue
from bridge_providers.sops import scalars
from bridge_providers.sops.tree import Tree

STEP: Final = 4
"""Columns of a level where nothing says another number."""
_LONGEST_KEY: Final = 120  # a key beyond 128 characters gets its own `?`, as in go-yaml
_ENCRYPTED: Final = re.compile(r"ENC\[[A-Za-z0-9_,:+/= ]+\]")
_SIMPLE: Final = re.compile(r"(?:[^\W\d]|[./^(])[\w./$()|*+=-]*|[0-9]+\.[0-9]+\.[0-9]+")
# What readers of YAML 1.1 take for something else than a text.
_WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}
_SPECIAL: Final = {b"NaN": ".nan", b"+Inf": ".inf", b"-Inf": "-.inf"}


def document(root: dict[str, Tree], step: int) -> str:
    """Return one document's text."""
    return "".join(line + "\n" for line in block(root, 0, step)) if root else "{}\n"


def block(node: Tree, column: int, step: int) -> list[str]:
    """Return the lines of a mapping or list that is not empty, its keys or dashes at `column`."""
    pad = " " * column
    if isinstance(node, dict):
        lines = []
        for key, child in node.items():
            lines += [pad + line for line in _key(key)]
            lines[-1], more = _continued(lines[-1], child, column, step)
            lines += more
        return lines
    assert isinstance(node, list)
    return [line for child in node for line in _item(child, column, step)]


def entry(key: str, child: Tree, column: int, step: int) -> list[str]:
    """Return the lines of one entry of a mapping."""
    return block({key: child}, column, step)


def value(child: Tree, column: int, step: int) -> list[str]:
    """Return what stands behind the colon of a key at `column`: the rest of its line, and further lines."""
    first, more = _continued("", child, column, step)
    return [first, *more]


def _key(key: str) -> list[str]:
    text = _text(key, flow=False)
    return [f"{text}:"] if len(text) <= _LONGEST_KEY else [f"? {text}", ":"]


def _continued(line: str, child: Tree, column: int, step: int) -> tuple[str, list[str]]:
    """Put a value behind its key."""
    if isinstance(child, SecretValue):
        if child.kind is Kind.TEXT and (lines := _literal(child.reveal())):
            pad = " " * _below(column, step)
            return f"{line} |", [pad + one for one in lines]
        return f"{line} {scalar(child, flow=False)}", []
    if not child:
        return f"{line} {'{}' if isinstance(child, dict) else '[]'}", []
    return line, block(child, _below(column, step), step)


def _below(column: int, step: int) -> int:
    """Return the column of what stands a level below: the next multiple of the step, as in go-yaml."""
    return (column // step + 1) * step


def item(child: Tree, column: int, step: int) -> list[str]:
    """Return what stands at `column` behind a list's dash: the rest of its line, and further lines."""
    if isinstance(child, SecretValue):
        return [scalar(child, flow=False)]
    if not child:
        return [flow(child)]
    first, *more = block(child, column, step)
    return [first[column:], *more]


def _item(child: Tree, column: int, step: int) -> list[str]:
    first, *more = item(child, column + 2, step)
    return [f"{' ' * column}- {first}", *more]


def flow(node: Tree) -> str:
    """Return a node in flow style, on one line."""
    if isinstance(node, SecretValue):
        return scalar(node, flow=True)
    if isinstance(node, list):
        return f"[{', '.join(map(flow, node))}]"
    return "{" + ", ".join(f"{_text(key, flow=True)}: {flow(child)}" for key, child in node.items()) + "}"


def scalar(leaf: SecretValue, *, flow: bool) -> str:
    """Return a leaf on one line, so that sops and bridge read it back as it is."""
    data = leaf.reveal()
    if leaf.kind is Kind.NULL:
        return "null"
    if leaf.kind is Kind.BYTES:
        return "!!binary " + binascii.b2a_base64(data, newline=False).decode()
    if leaf.kind is Kind.TEXT:
        return _text(data.decode(), flow=flow)
    if leaf.kind is Kind.NUMBER and not is_exact(leaf):
        # A float that a file had as `-0.0` or `1e19`: without the fraction it would be read as a whole number.
        return data.decode() + ".0"
    return _plain(data)


def is_exact(number: SecretValue) -> bool:
    """Return whether a number in clear is read back with the text that it has."""
    try:
        _, found = scalars.resolve(_plain(number.reveal()), None, plain=True)
    except scalars.ScalarError:
        return False
    return found.kind is Kind.NUMBER and found.same_as(number)


def _plain(data: bytes) -> str:
    return _SPECIAL.get(data) or data.decode()


def _text(text: str, *, flow: bool) -> str:
    """Return a text plain where nobody can take it for anything else, else in double quotes."""
    if not flow and _ENCRYPTED.fullmatch(text):
        return text
    simple = _SIMPLE.fullmatch(text) and text.lower() not in _WORDS
    if simple and scalars.resolve(text, None, plain=True)[0] == scalars.STR:
        return text
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"


def _literal(data: bytes) -> list[str]:
    """Return the lines of a text that YAML's literal style holds without doubt; none for another text."""
    lines = data.decode().split("\n")
    if len(lines) < 3 or lines.pop():
        return []
    sound = all(line and line.isprintable() and not line.endswith(" ") for line in lines[1:])
    return lines if sound and lines[0] and lines[0].isprintable() and lines[0][0] != " " else []
