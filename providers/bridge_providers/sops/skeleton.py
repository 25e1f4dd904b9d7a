"""Reads many versions of a file quickly: most differ only in ciphertexts and in the time of the last change.

A skeleton is a file without these. Versions with the same skeleton have the same names in the same order, because what
is taken out has no character that means anything to a format. So only one of them is parsed.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from bridge.named_tuple import NamedTuple
from bridge.provider import Leaf, Outline, Rules, SecretValue
from bridge_providers.sops import cipher, files, metadata
from bridge_providers.sops.gotime import GoTime

_NAME: Final = b"lastmodified"
_DATE: Final = len("2026-01-01")
_TIME: Final = len("2026-01-01T00:00:00Z")
_MOST: Final = 256  # skeletons that are remembered
_LARGEST: Final = 2**18  # bytes of a skeleton that is remembered
_MOST_LEAVES: Final = 100_000
_leaves: Final[dict[bytes, Leaf]] = {}
"""Leaves of one ciphertext."""
_known: Final[dict[tuple[str, bytes], "_Shape | None"]] = {}


class _Shape(NamedTuple):
    """What versions with one skeleton have in common: for each leaf, the numbers of its ciphertexts, or the leaf."""

    leaves: Mapping[tuple[int, tuple[str, ...]], "Leaf | int | list[int]"]
    rules: Rules
    mac: int | None


def outline(store: str, content: bytes, parse: Callable[[str, bytes], Outline]) -> Outline:
    """Return what `parse` returns for a file."""
    parts = cipher.FORM.split(content)
    tokens, rest = parts[1::2], b"\0".join(parts[::2])
    begin = rest.find(b"T", rest.find(_NAME) + len(_NAME)) - _DATE
    end = begin + _TIME
    moment = GoTime.from_rfc3339(rest[begin:end].decode(errors="replace")) if rest.count(_NAME) == 1 else None
    is_usual = len(content) <= files.LIMIT and len(rest) <= _LARGEST and b"\0" not in content
    if moment is None or moment.year == 0 or not is_usual:
        return parse(store, content)
    key = store, rest[:begin] + rest[end:]
    if (shape := _known.get(key)) is None:
        found = parse(store, content)
        if key not in _known:
            _limit(_known, _MOST)
            _known[key] = _shape(found, tokens)
        return found
    _limit(_leaves, _MOST_LEAVES)
    leaves: dict[tuple[int, tuple[str, ...]], Leaf] = {}
    for place, part in shape.leaves.items():
        if isinstance(part, int):  # nearly all; versions share the leaves that they have in common
            token = tokens[part]
            leaf = _leaves.get(token)
            leaves[place] = leaf or _leaves.setdefault(token, Leaf((token,)))
        else:
            leaves[place] = part if isinstance(part, Leaf) else Leaf(tuple(tokens[number] for number in part))
    mac = b"" if shape.mac is None else tokens[shape.mac]
    return Outline(leaves, shape.rules, metadata.revision(content, moment), mac)


def _limit(known: dict[Any, Any], most: int) -> None:
    if len(known) >= most:
        known.clear()


def _shape(found: Outline, tokens: list[bytes]) -> _Shape | None:
    """Return the shape of a file, or None if another file with its skeleton could differ in more than ciphertexts."""
    numbers = {token: number for number, token in enumerate(tokens)}
    leaves: dict[tuple[int, tuple[str, ...]], Leaf | int | list[int]] = {}
    if len(numbers) < len(tokens) or (found.mac and found.mac not in numbers):
        return None
    for place, leaf in found.leaves.items():
        if any(_has_more(value) for value in leaf.clear) or (leaf.clear and leaf.sealed):
            return None
        places = [numbers[token] for token in leaf.sealed]
        leaves[place] = leaf if not places else places[0] if len(places) == 1 else places
    return _Shape(leaves, found.rules, numbers[found.mac] if found.mac else None)


def _has_more(value: SecretValue) -> bool:
    """Return whether a value in clear contains what a skeleton leaves out."""
    return cipher.FORM.search(value.reveal()) is not None or _NAME in value.reveal()
