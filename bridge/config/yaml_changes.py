"""The changes that the YAML editor can make, and their effect on a text's content."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from bridge.config.problems import Findings
from bridge.config.yamlfile import parse_yaml_documents
from bridge.named_tuple import NamedTuple

Location = tuple[str | int, ...]
"""The document's number, then keys and list positions, all as they are before any change."""


class Put(NamedTuple):
    """Set a value, and create the mappings that are missing on the way to it.

    `value` is one line of YAML that fits anywhere, such as the result of `yaml_writer.scalar`. With `drops_comment`,
    the comment after the old value is removed too.
    """

    location: Location
    value: str
    drops_comment: bool = False


class Insert(NamedTuple):
    """Add an item to a list, before the item at `position`; a missing list is created.

    `value` is the item's YAML without its dash; if it has several lines, a list in brackets is written line by line.
    """

    location: Location
    position: int
    value: str


class Remove(NamedTuple):
    """Remove an item from a list, or a key with its list; the comments between the items stay."""

    location: Location


Change = Put | Insert | Remove


class UnclearError(Exception):
    """The text is written in a way that does not show where the change belongs."""


def contents(text: str, *, foreign: bool = False) -> list[Any]:
    """Return the content of each document in a text; ConfigError if it is not valid."""
    findings = Findings("")
    documents = parse_yaml_documents(text, findings, foreign=foreign)
    if findings:
        findings.fail()
    return [document.content for document in documents]


def applied(before: list[Any], changes: Sequence[Change]) -> list[Any]:
    """Return the documents with the changes; UnclearError or LookupError if a change does not fit."""
    after = list(before)
    for put in (change for change in changes if isinstance(change, Put)):
        _parent(after, put.location)[put.location[-1]] = parsed(put.value)
    for position, change in _from_the_end(changes):
        if isinstance(change, Insert):
            _parent(after, (*change.location, position)).insert(position, parsed(change.value))
        else:
            del _parent(after, change.location)[position]
    for location in (change.location for change in changes if isinstance(change, Remove)):
        if isinstance(location[-1], str):
            del _parent(after, location)[location[-1]]
    return after


def parsed(value: str) -> Any:  # noqa: ANN401 - parsed YAML
    """Return the content of a change's YAML."""
    return contents(value, foreign=True)[0]


def _from_the_end(changes: Sequence[Change]) -> Iterator[tuple[int, Insert | Remove]]:
    """Yield list changes from the end, so that each position is still valid when its turn comes."""
    insertions = (change for change in changes if isinstance(change, Insert))
    removals = (change for change in changes if isinstance(change, Remove))
    ordered: list[tuple[int, Insert | Remove]] = [(change.position, change) for change in insertions]
    ordered += [(change.location[-1], change) for change in removals if isinstance(change.location[-1], int)]
    ordered.sort(key=lambda pair: (pair[0], isinstance(pair[1], Remove)))
    return reversed(ordered)  # this includes several changes at one position


def _parent(tree: Any, location: Location) -> Any:  # noqa: ANN401 - parsed YAML
    """Return the collection that contains a location, and create whatever is missing on the way.

    Everything on the way is copied, because an alias may share it with other places, which must not change.
    """
    for step, following in pairwise(location):
        kind = list if isinstance(following, int) else dict
        child = tree.get(step) if isinstance(tree, dict) else tree[step]
        if child is not None and not isinstance(child, kind):
            raise UnclearError
        copied = kind(child or ())
        tree[step] = copied
        tree = copied
    return tree
