"""Checks a file's keys without using them: how many open it, how safe they are, and which sops wrote it."""

import re
from collections.abc import Iterator
from typing import Final

from bridge.provider import Problem
from bridge_providers.sops.key_types import Group
from bridge_providers.sops.metadata import Metadata

POST_QUANTUM: Final = "age1pq1"
"""How a hybrid recipient begins (age v1.3, ML-KEM-768 with X25519)."""
ALONE: Final = "only one age key decrypts this; if it is lost, so are the values"
RENEW: Final = "in the folder of .sops.yaml, run `sops updatekeys FILE` and `sops rotate -i FILE`, then set new values"
"""How to lock a key out: `updatekeys` keeps the data key, which every old version of the file contains for it."""
_OLDEST: Final = (3, 7)  # the oldest sops whose files are tried
_NEWEST_MAJOR: Final = 3
_VERSION: Final = re.compile(r"(\d{1,6})\.(\d{1,6})[\w.+-]{0,40}", re.ASCII)


def problems(block: Metadata) -> Iterator[Problem]:
    """Yield warnings about the keys and the version of sops."""
    groups = block.groups
    if len(groups) == 1 and len(groups[0].age) == 1 and not groups[0].beside_age:
        hint = "add a second key to .sops.yaml, and run `sops updatekeys FILE` in its folder"
        yield Problem("", ALONE, hint, warning=True)
    for group in block.groups:
        weaker = [key.recipient for key in group.age if not key.recipient.startswith(POST_QUANTUM)]
        if group.age and weaker and len(weaker) < len(group.age):
            message = f"its post-quantum recipients do not help as long as {_short(weaker)} can decrypt the file too"
            hint = f"in .sops.yaml, replace it with a recipient that begins with {POST_QUANTUM}, then {RENEW}"
            yield Problem("", message, hint, warning=True)
    yield from _in_clear(block)
    if problem := _of_version(block.version):
        yield Problem("", problem, "rewrite it with a current sops, for example `sops rotate -i FILE`", warning=True)


def _in_clear(block: Metadata) -> Iterator[Problem]:
    """Warn of Vaults whose address is plain http."""
    addresses = {key.address for group in block.groups for key in group.hc_vault}
    if not addresses:
        return
    from bridge_providers.vault import paths  # noqa: PLC0415 - start-up: few files have such a key

    for address in sorted(one for one in addresses if not paths.problem_of_address(one)):
        if warning := paths.in_clear(address):
            yield warning


def count(group: Group) -> int:
    """Return how many keys a group has; other types than age count as one each."""
    return len(group.age) + len(group.beside_age)


def needs_program(block: Metadata) -> bool:
    """Return whether bridge itself cannot open as many key groups as are needed."""
    wanted = min(block.threshold or len(block.groups), len(block.groups))
    return sum(not group.is_for_program_alone for group in block.groups) < wanted


def author(block: Metadata) -> str:
    """Name the sops that wrote a file."""
    return f"sops {block.version}" if _VERSION.fullmatch(block.version) else "an unknown sops"


def _of_version(version: str) -> str | None:
    match = _VERSION.fullmatch(version)
    if match is None:
        return "it does not say which sops wrote it"
    numbers = tuple(map(int, match.groups()))
    if numbers < _OLDEST:
        return f"it was written by sops {version}, which is older than {_OLDEST[0]}.{_OLDEST[1]}"
    if numbers[0] > _NEWEST_MAJOR:
        return f"it was written by sops {version}, which this version of bridge does not know"
    return None


def _short(recipients: list[str]) -> str:
    return ", ".join(one[:12] + "…" if one.isprintable() else "another" for one in recipients)
