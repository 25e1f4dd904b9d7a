"""Compares a file with the rule of `.sops.yaml` that would encrypt it today."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bridge.provider import Problem, ProviderError, SecretValue
from bridge_providers.sops import cipher, creation, tree
from bridge_providers.sops.check_keys import RENEW
from bridge_providers.sops.creation import Rule
from bridge_providers.sops.metadata import Metadata
from bridge_providers.sops.selectors import Selector, selector
from bridge_providers.sops.tree import Stored
from bridge_providers.sops.walk import Walk

_UPDATE = "in the folder of .sops.yaml, run `sops updatekeys FILE`; if that removes a key, also `sops rotate -i FILE`"
_BY_NAME: Final = (
    "make sure that none of them is secret, or use a rule over names (`encrypted_regex`), which bridge can check"
)
_MOST_NAMED: Final = 20


def problems(stored: Stored, block: Metadata, path: Path) -> Iterator[Problem]:
    """Yield the differences between a file and its rule; nothing if there is no `.sops.yaml`."""
    try:
        rule = creation.find_rule(path)
        differences = [] if rule is None else [*_of_keys(block, rule), *_in_clear(stored, block, rule)]
    except ProviderError as error:
        for problem in error.problems:
            yield Problem("", f"was not compared with .sops.yaml: {problem.what}", warning=True)
        return
    yield from differences


def _of_keys(block: Metadata, rule: Rule) -> Iterator[Problem]:
    """Compare age recipients one by one, and other keys by their type."""
    if not block.groups:
        return  # reported already
    have = {_identity(key.recipient) for group in block.groups for key in group.age}
    want = {_identity(recipient) for recipient in rule.age}
    have |= {f"a key of type {name}" for group in block.groups for name in group.beside_age}
    want |= {f"a key of type {name}" for name in rule.others}
    for entry in sorted(want - have):
        yield Problem("", f"is not encrypted to {tree.printable(entry)}, which {rule.where} lists", _UPDATE)
    for entry in sorted(have - want):
        message = f"is also encrypted to {tree.printable(entry)}, which {rule.where} does not list"
        yield Problem("", message, f"{RENEW}, because that key can open the current ones")


def _identity(recipient: str) -> str:
    """Return a recipient without the comment that an SSH key may have."""
    return " ".join(recipient.split()[:2])


def _in_clear(stored: Stored, block: Metadata, rule: Rule) -> Iterator[Problem]:
    """Find what is in clear by the file's own rule, but should be encrypted by this one."""
    name, pattern = rule.selector
    if (name, pattern) == (block.rule, block.pattern):
        return
    try:
        own = selector(block, has_comments=stored.has_comments)
        reported = set() if own.by_form else set(plain(stored, own))
    except ProviderError:
        return  # an unusable rule of the file is reported already, and so is what is in clear against it
    wanted = selector(block._replace(rule=name, pattern=pattern), has_comments=stored.has_comments)
    places = [place for place in plain(stored, wanted) if place not in reported]
    if wanted.by_form:
        yield from [] if own.by_form else undecided(places, f"the `{name}` of {rule.where}")
    else:
        for place in places:
            message = f"key {place} is in plaintext, but {rule.where} says it should be encrypted"
            yield Problem(
                "", message, "decrypt the file and encrypt it again; sops keeps the rule that a file was created with"
            )


def undecided(places: list[str], rule: str) -> Iterator[Problem]:
    """Warn of values in clear if only the file's comments say whether they should be encrypted."""
    if not places:
        return
    more = len(places) - _MOST_NAMED
    names = ", ".join(places[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
    message = f"in plaintext: {names}; {rule} is over comments, which bridge does not read"
    yield Problem("", message, _BY_NAME, warning=True)


def plain(stored: Stored, rule: Selector) -> list[str]:
    """Return the places of values in clear that a rule says to encrypt; of all, if it is over comments."""
    places: list[str] = []

    def visit(leaf: SecretValue, _: bytes, encrypted: bool, walk: Walk) -> SecretValue:
        if (encrypted or rule.by_form) and cipher.problem_of_form(leaf) == cipher.PLAIN:
            places.append(walk.where)
        return leaf

    Walk(stored.documents, rule, visit).run()
    return places
