"""Parses the part of RE2's syntax (as of Go's regexp/syntax, flags Perl) that regexes over keys are made of."""

import string
from dataclasses import dataclass, replace
from typing import Final

from bridge_providers.sops.regex_nodes import MAX_SIZE, Assertion, Node, Op, Ranges, Unsupported

_CLASSES: Final[dict[str, Ranges]] = {
    "d": (("0", "9"),),
    "w": (("0", "9"), ("A", "Z"), ("_", "_"), ("a", "z")),
    "s": (("\t", "\n"), ("\f", "\r"), (" ", " ")),
}
_POSIX: Final[dict[str, Ranges]] = {
    "alnum": (("0", "9"), ("A", "Z"), ("a", "z")),
    "alpha": (("A", "Z"), ("a", "z")),
    "digit": (("0", "9"),),
    "lower": (("a", "z"),),
    "upper": (("A", "Z"),),
    "word": _CLASSES["w"],
}
_CONTROLS: Final = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


_ANCHORS: Final = {  # by whether the flag `m` is on
    ("^", False): Assertion.TEXT_START,
    ("$", False): Assertion.TEXT_END,
    ("^", True): Assertion.LINE_START,
    ("$", True): Assertion.LINE_END,
}


@dataclass(frozen=True)
class _Flags:
    """What `(?…)` switches; `U` changes only what is matched, not whether."""

    i: bool = False
    m: bool = False
    s: bool = False
    U: bool = False


def parse(pattern: str) -> Node:
    """Parse a pattern; Unsupported, with the reason, where it is wrong or beyond the subset."""
    parser = _Parser(pattern)
    node = parser.alternatives(depth=0)
    if not parser.done:
        raise Unsupported("it has an unexpected `)`")
    return node


class _Parser:
    """Reads a pattern from left to right."""

    def __init__(self, pattern: str) -> None:
        self._text: Final = pattern
        self._at = 0
        self._flags = _Flags()

    @property
    def done(self) -> bool:
        """Say whether all is read."""
        return self._at >= len(self._text)

    def _accept(self, token: str) -> bool:
        """Read `token` if it comes next."""
        found = self._text.startswith(token, self._at)
        self._at += len(token) if found else 0
        return found

    def _take(self) -> str:
        """Read one character."""
        if self.done:
            raise Unsupported("it ends too early")
        self._at += 1
        return self._text[self._at - 1]

    def _until(self, end: str) -> str:
        """Read up to `end`, and `end`."""
        stop = self._text.find(end, self._at)
        if stop < 0:
            raise Unsupported(f"it lacks a `{end}`")
        found, self._at = self._text[self._at : stop], stop + len(end)
        return found

    def alternatives(self, depth: int) -> Node:
        """Read `a|b|…` up to the group's end."""
        if depth > 50:  # more than anybody writes, less than Python's stack
            raise Unsupported("it nests too deeply")
        outer = self._flags
        parts = [self._sequence(depth)]
        while self._accept("|"):
            parts.append(self._sequence(depth))
        self._flags = outer
        return parts[0] if len(parts) == 1 else Node(Op.ALT, tuple(parts))

    def _sequence(self, depth: int) -> Node:
        """Read what stands between two bars."""
        parts: list[Node] = []
        while not self.done and self._text[self._at] not in "|)":
            node = self._atom(depth)
            if node is not None:
                parts.append(self._repeated(node))
        return Node(Op.CAT, tuple(parts))

    def _repeated(self, node: Node) -> Node:
        """Read the repetition behind an atom, if there is one."""
        bounds = self._bounds()
        if bounds is None:
            return node
        self._accept("?")
        least, most = bounds
        if max(least, most or 0) > MAX_SIZE or (most is not None and most < least):
            raise Unsupported("a repetition's numbers are out of range")
        if self._bounds() is not None:
            raise Unsupported("a repetition is repeated")
        return Node(Op.REPEAT, (node,), least=least, most=most)

    def _bounds(self) -> tuple[int, int | None] | None:
        """Read `*`, `+`, `?` or `{2,3}`; a brace that is none of it is a character."""
        for token, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._accept(token):
                return bounds
        if not self._text.startswith("{", self._at):
            return None
        inside, _, rest = self._text[self._at + 1 :].partition("}")
        least, comma, most = inside.partition(",")
        if not (least.isdecimal() and least.isascii() and (not most or (most.isdecimal() and most.isascii()))):
            return None
        if len(inside) > 9 or len(self._text) - self._at - len(inside) - 2 != len(rest):  # 1000,1000
            raise Unsupported("a repetition's numbers are out of range")
        self._at += len(inside) + 2
        return int(least), int(most) if most else None if comma else int(least)

    def _atom(self, depth: int) -> Node | None:
        """Read one element; None for flags, which match nothing."""
        char = self._take()
        if char == "(":
            return self._group(depth)
        if char == "[":
            return self._class()
        if char == "\\":
            return self._escape()
        if char in "*+?":
            raise Unsupported("a repetition has nothing to repeat")
        if char == ".":
            return Node(Op.SET, ranges=() if self._flags.s else (("\n", "\n"),), negated=True)
        if char in "^$":
            return Node(Op.ASSERT, assertion=_ANCHORS[char, self._flags.m])
        return self._set(((char, char),))

    def _group(self, depth: int) -> Node | None:
        """Read what follows an opening parenthesis."""
        outer = self._flags
        if self._accept("?P<") or (self._text.startswith("?<", self._at) and self._named()):
            if not self._until(">").isidentifier():
                raise Unsupported("a group's name is wrong")
        elif self._accept("?") and not self._switch():
            return None
        node = self.alternatives(depth + 1)
        if not self._accept(")"):
            raise Unsupported("it lacks a `)`")
        self._flags = outer
        return node

    def _named(self) -> bool:
        """Read `?<`, which begins a name unless it looks behind."""
        return self._text[self._at + 2 : self._at + 3] not in ("=", "!") and self._accept("?<")

    def _switch(self) -> bool:
        """Read flags; True where a group follows, False where they hold for the rest of this one."""
        value = True
        while (char := self._take()) not in ":)":
            if char == "-" and value:
                value = False
            elif char in "imsU":
                self._flags = replace(self._flags, **{char: value})
            else:
                raise Unsupported("it has a group or flag that RE2 or this version does not know")
        return char == ":"

    def _escape(self) -> Node:
        """Read what follows a backslash outside a class."""
        char = self._take()
        edges = {
            "A": Assertion.TEXT_START,
            "z": Assertion.TEXT_END,
            "b": Assertion.WORD_EDGE,
            "B": Assertion.NO_WORD_EDGE,
        }
        if char in edges:
            return Node(Op.ASSERT, assertion=edges[char])
        if char.lower() in _CLASSES:
            return Node(Op.SET, ranges=_CLASSES[char.lower()], negated=char.isupper())
        literal = self._literal(char)
        return self._set(((literal, literal),))

    def _literal(self, char: str) -> str:
        """Return the character that a backslash and `char` stand for."""
        if char in _CONTROLS:
            return _CONTROLS[char]
        if char == "x":
            digits = self._until("}") if self._accept("{") else self._take() + self._take()
            if not digits or len(digits) > 6 or not set(digits) <= set(string.hexdigits) or int(digits, 16) > 0x10FFFF:
                raise Unsupported("a character's number is wrong")
            return chr(int(digits, 16))
        if char.isascii() and not char.isalnum():
            return char
        raise Unsupported(f"`\\{char}` is wrong for RE2, or beyond this version")

    def _class(self) -> Node:
        """Read `[…]`."""
        negated = self._accept("^")
        ranges: list[tuple[str, str]] = []
        first = True
        while first or not self._accept("]"):
            first = False
            ranges += self._member()
        return replace(self._set(tuple(ranges)), negated=negated)

    def _member(self) -> Ranges:
        """Read one character, range or class inside brackets."""
        if self._accept("[:"):
            name = self._until(":]")
            if name not in _POSIX:
                raise Unsupported("a class's name is wrong for RE2, or beyond this version")
            return _POSIX[name]
        low = self._take()
        if low == "\\":
            low = self._take()
            if low in _CLASSES:
                return _CLASSES[low]
            low = self._literal(low)
        if self._text[self._at : self._at + 1] != "-" or self._text[self._at + 1 : self._at + 2] in ("]", ""):
            return ((low, low),)
        self._at += 1
        high = self._take()
        high = self._literal(self._take()) if high == "\\" else high
        if high < low:
            raise Unsupported("a range in brackets is upside down")
        return ((low, high),)

    def _set(self, ranges: Ranges) -> Node:
        """Make a set, of both cases where the flag `i` says so."""
        if not self._flags.i:
            return Node(Op.SET, ranges=ranges)
        if any(not high.isascii() for _, high in ranges):
            raise Unsupported("it ignores case beyond ASCII")
        chars = {char for low, high in ranges for char in map(chr, range(ord(low), ord(high) + 1))}
        # Unicode folds the Kelvin sign to k, and the long s to s.
        folded = chars | {char.swapcase() for char in chars}
        folded |= {"\N{KELVIN SIGN}"} if "k" in folded else set()
        folded |= {"\N{LATIN SMALL LETTER LONG S}"} if "s" in folded else set()
        return Node(Op.SET, ranges=tuple((char, char) for char in sorted(folded)))
