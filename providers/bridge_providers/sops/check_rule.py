"""Holds a file against the rule of `.sops.yaml` that it would be encrypted by today."""

from collections.abc import Iterator
from pathlib import Path

from bridge.provider import Problem, ProviderError, SecretValue
from bridge_providers.sops import cipher, creation, tree
from bridge_providers.sops.check_keys import RENEW
from bridge_providers.sops.creation import Rule
from bridge_providers.sops.metadata import Metadata
from bridge_providers.sops.selectors import selector
from bridge_providers.sops.tree import Stored
from bridge_providers.sops.walk import Walk

_UPDATE = "`sops updatekeys FILE` encrypts it to the rule's keys; if that removes one, `sops rotate -i FILE` too"


def problems(stored: Stored, block: Metadata, path: Path) -> Iterator[Problem]:
    """Yield where a file differs from its rule; nothing where there is no `.sops.yaml`."""
    try:
        rule = creation.find_rule(path)
        found = [] if rule is None else [*_of_keys(block, rule), *_in_clear(stored, block, rule)]
    except ProviderError as error:
        for one in error.problems:
            yield Problem("", f"was not held against its rule: {one.what}", warning=True)
        return
    yield from found


def _of_keys(block: Metadata, rule: Rule) -> Iterator[Problem]:
    """Compare age recipients one by one, and other keys by their type."""
    if not block.groups:
        return  # a problem already
    have = {_identity(key.recipient) for group in block.groups for key in group.age}
    want = {_identity(recipient) for recipient in rule.age}
    have |= {f"a key of type {name}" for group in block.groups for name in group.beside_age}
    want |= {f"a key of type {name}" for name in rule.others}
    for one in sorted(want - have):
        yield Problem("", f"is not encrypted to {tree.printable(one)}, which {rule.where} names", _UPDATE)
    for one in sorted(have - want):
        what = f"is encrypted to {tree.printable(one)} too, which {rule.where} does not name"
        yield Problem("", what, f"{RENEW}: whoever had that key knows these")


def _identity(recipient: str) -> str:
    """Return a recipient without the comment that an SSH key may have."""
    return " ".join(recipient.split()[:2])


def _in_clear(stored: Stored, block: Metadata, rule: Rule) -> Iterator[Problem]:
    """Find what stands in clear by the file's own rule, and would not by this one."""
    name, pattern = rule.selector
    if (name, pattern) == (block.rule, block.pattern):
        return
    try:
        told = set(_plain(stored, block))
    except ProviderError:
        return  # its own rule cannot be followed, a problem already; as is what stands in clear by it
    if name.endswith("_comment_regex") and _has_encrypted_comments(stored):
        what = f"was not held against {rule.where}: that is over comments, and the file's are encrypted"
        yield Problem("", what, warning=True)
        return
    for place in _plain(stored, block._replace(rule=name, pattern=pattern)):
        if place not in told:
            what = f"key {place} is in clear, and {rule.where} wants it encrypted"
            yield Problem("", what, "decrypt the file and encrypt it anew: sops keeps the rule that it was made by")


def _plain(stored: Stored, block: Metadata) -> list[str]:
    found: list[str] = []

    def visit(leaf: SecretValue, _: bytes, encrypted: bool, walk: Walk) -> SecretValue:
        if encrypted and cipher.problem_of_form(leaf) == cipher.PLAIN:
            found.append(walk.where)
        return leaf

    Walk(stored.documents, selector(block, stored.comments), visit).run()
    return found


def _has_encrypted_comments(stored: Stored) -> bool:
    return any(
        cipher.looks_encrypted(line.encode(errors="surrogateescape"))
        for lines in stored.comments().values()
        for line in lines
    )
