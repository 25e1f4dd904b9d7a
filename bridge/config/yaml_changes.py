"""The changes that an editor can make to YAML, and what a text says after them."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from bridge.config.problems import Findings
from bridge.config.yamlfile import parse_yaml_documents

Location = tuple[str | int, ...]
"""The document's number, then keys and list positions, all as they are before any change."""


class Put(NamedTuple):
    """Set a value, and make the mappings that are missing on the way to it.

    `value` is YAML in one line that fits anywhere, such as `yaml_writer.scalar` gives. `drops_comment`: the comment
    behind the old value goes with it.
    """

    location: Location
    value: str
    drops_comment: bool = False


class Insert(NamedTuple):
    """Add an item to a list, before the one at `position`; the list is made if it is missing.

    `value` is the item's YAML without its dash; if it has several lines, a list in brackets is written line by line.
    """

    location: Location
    position: int
    value: str


class Remove(NamedTuple):
    """Take out an item of a list, or a key with its list; the comments between the items stay."""

    location: Location


Change = Put | Insert | Remove


class UnclearError(Exception):
    """The text is written in a way that does not show where the change belongs."""


def contents(text: str, *, foreign: bool = False) -> list[Any]:
    """Return what each document of a text says; ConfigError if it is not valid."""
    findings = Findings("")
    documents = parse_yaml_documents(text, findings, foreign=foreign)
    if findings:
        findings.fail()
    return [one.content for one in documents]


def applied(before: list[Any], changes: Sequence[Change]) -> list[Any]:
    """Return the documents with the changes; UnclearError or LookupError if a change is of something else."""
    after = list(before)
    for put in (one for one in changes if isinstance(one, Put)):
        _parent(after, put.location)[put.location[-1]] = parsed(put.value)
    for position, change in _from_the_end(changes):
        if isinstance(change, Insert):
            _parent(after, (*change.location, position)).insert(position, parsed(change.value))
        else:
            del _parent(after, change.location)[position]
    for key in (one.location for one in changes if isinstance(one, Remove) and isinstance(one.location[-1], str)):
        del _parent(after, key)[key[-1]]
    return after


def parsed(value: str) -> Any:  # noqa: ANN401 - parsed YAML
    """Return what the YAML of a change says."""
    return contents(value, foreign=True)[0]


def _from_the_end(changes: Sequence[Change]) -> Iterator[tuple[int, Insert | Remove]]:
    """Yield the changes of lists so that each position is still the one from before when its turn comes."""
    found: list[tuple[int, Insert | Remove]] = [(one.position, one) for one in changes if isinstance(one, Insert)]
    removed = (one for one in changes if isinstance(one, Remove))
    found += [(one.location[-1], one) for one in removed if isinstance(one.location[-1], int)]
    found.sort(key=lambda one: (one[0], isinstance(one[1], Remove)))
    return reversed(found)  # of several for one position too


def _parent(tree: Any, location: Location) -> Any:  # noqa: ANN401 - parsed YAML
    """Return the collection that holds a location; what is missing on the way is made.

    What is on the way is copied: an alias may share it with other places, where nothing may change.
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
