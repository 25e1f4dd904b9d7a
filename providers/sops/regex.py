r"""Regular expressions as Go's regexp package means them, matched in linear time.

Python's `re` differs from RE2 in `$`, `\s`, `\d`, `\w` and classes, takes what RE2 refuses, and can take
exponential time for a pattern that stands in a file and that no MAC protects. So the pattern becomes an
automaton whose states are sets of positions, found as the keys call for them. What RE2 has beyond the
parser's subset is refused, never guessed.
"""

from collections.abc import Callable
from typing import Final

from bridge_providers.sops.regex_nodes import ALNUM, MAX_SIZE, Assertion, Node, Op, Unsupported
from bridge_providers.sops.regex_syntax import parse

__all__ = ["Unsupported", "compile_regex"]

_MAX_STEPS: Final = 100_000
_ACCEPT: Final = -1
_Context = tuple[str | None, str | None]
"""The characters before and after a position; None at either end of the key."""


def compile_regex(pattern: str) -> Callable[[str], bool]:
    """Return a function that says whether the pattern matches anywhere in a key; Unsupported where it cannot."""
    return _Automaton(parse(pattern)).matches


class _Program:
    """The pattern as instructions: each a node and where to go on from it."""

    def __init__(self) -> None:
        self.code: list[tuple[Node | None, tuple[int, ...]]] = [(None, ())]  # number 0 is the match

    def add(self, node: Node | None, *following: int) -> int:
        """Append an instruction and return its number."""
        if len(self.code) >= MAX_SIZE:
            raise Unsupported("it is too large")
        self.code.append((node, following))
        return len(self.code) - 1

    def build(self, node: Node, following: int) -> int:
        """Compile a node that goes on at `following`, and return where it begins."""
        if node.op is Op.CAT:
            for part in reversed(node.parts):
                following = self.build(part, following)
            return following
        if node.op is Op.ALT:
            return self.add(None, *(self.build(part, following) for part in node.parts))
        if node.op is Op.REPEAT:
            return self._repeat(node, following)
        return self.add(node, following)

    def _repeat(self, node: Node, following: int) -> int:
        """Compile a repetition: the least number of copies, then a loop or the rest as options."""
        (part,) = node.parts
        if node.most is None:
            loop = self.add(None)
            self.code[loop] = (None, (self.build(part, loop), following))
            following = loop
        else:
            for _ in range(node.most - node.least):
                following = self.add(None, self.build(part, following), following)
        for _ in range(node.least):
            following = self.build(part, following)
        return following


class _Automaton:
    """Runs a program over keys, and remembers each step."""

    def __init__(self, root: Node) -> None:
        program = _Program()
        self._start: Final = program.build(root, 0)
        self._code: Final = program.code
        # A state: the positions reached, and the character before them.
        self._states: Final[list[tuple[frozenset[int], str | None]]] = []
        self._numbers: Final[dict[tuple[frozenset[int], str | None], int]] = {}
        self._steps: Final[dict[tuple[int, str | None], int]] = {}
        self._first: Final = self._number(frozenset(), None)

    def matches(self, text: str) -> bool:
        """Say whether the pattern matches anywhere in a text."""
        state = self._first
        for char in (*text, None):
            step = self._steps.get((state, char))
            state = self._step(state, char) if step is None else step
            if state == _ACCEPT:
                return True
        return False

    def _number(self, positions: frozenset[int], before: str | None) -> int:
        """Return the number of a state."""
        # Of the character before, only its class matters to what may stand at a position.
        kind = before if before in (None, "\n") else "a" if before in ALNUM else " "
        key = positions, kind
        if key not in self._numbers:
            self._numbers[key] = len(self._states)
            self._states.append(key)
        return self._numbers[key]

    def _step(self, state: int, char: str | None) -> int:
        """Find where a character (None: the end) leads from a state."""
        if len(self._steps) >= _MAX_STEPS:
            raise Unsupported("it is too costly for these keys")
        positions, before = self._states[state]
        reached = self._closure((*positions, self._start), (before, char))
        if 0 in reached:
            found = _ACCEPT
        else:
            consumed = (self._code[position] for position in reached)
            found = self._number(frozenset(to[0] for node, to in consumed if _takes(node, char)), char)
        self._steps[state, char] = found
        return found

    def _closure(self, positions: tuple[int, ...], context: _Context) -> set[int]:
        """Follow everything that consumes no character."""
        reached: set[int] = set()
        todo = list(positions)
        while todo:
            position = todo.pop()
            if position not in reached:
                reached.add(position)
                node, following = self._code[position]
                if node is None or (node.op is Op.ASSERT and _holds(node.assertion, context)):
                    todo.extend(following)
        return reached


def _takes(node: Node | None, char: str | None) -> bool:
    """Say whether an instruction consumes a character."""
    return node is not None and node.op is Op.SET and char is not None and node.contains(char)


def _holds(assertion: Assertion | None, context: _Context) -> bool:
    """Say whether an assertion holds between two characters."""
    before, after = context
    edge = (before is not None and before in ALNUM) is not (after is not None and after in ALNUM)
    return {
        Assertion.TEXT_START: before is None,
        Assertion.TEXT_END: after is None,
        Assertion.LINE_START: before in (None, "\n"),
        Assertion.LINE_END: after in (None, "\n"),
        Assertion.WORD_EDGE: edge,
        Assertion.NO_WORD_EDGE: not edge,
        None: False,
    }[assertion]
