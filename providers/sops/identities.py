"""Finds age identities where sops looks for them (sops age/keysource.go, loadIdentities)."""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.provider import ProviderError
from bridge_providers.sops import files

if TYPE_CHECKING:
    from pyrage import x25519

_X25519: Final = "AGE-SECRET-KEY-1"
_UNUSED: Final = {
    "AGE-PLUGIN-": "a plugin's identity",
    "AGE-SECRET-KEY-PQ-1": "a hybrid identity",
    "age-encryption": "an encrypted identity file",
    "-----BEGIN AGE": "an encrypted identity file",
    "-----BEGIN OPENSSH": "an ssh key",
}
"""What sops also takes, and this version does not."""
_UNUSED_VARIABLES: Final = ("SOPS_AGE_KEY_CMD", "SOPS_AGE_SSH_PRIVATE_KEY_FILE", "SOPS_AGE_SSH_PRIVATE_KEY_CMD")


@dataclass(frozen=True, eq=False)
class Found:
    """The identities that were found, and for each place what was found there."""

    identities: "tuple[x25519.Identity, ...]" = field(repr=False)
    places: tuple[str, ...]


def load(environ: Mapping[str, str], extra: Path | None) -> Found:
    """Gather the identities of all places, as sops does: a place that is broken hides no other."""
    identities: list[x25519.Identity] = []
    places = []
    for place, lines in _places(environ, extra):
        found, notes = ([], [lines]) if isinstance(lines, str) else _parse(lines)
        identities += found
        places.append(f"{place}: {', '.join(notes)}")
    places += [f"{name}: this version does not use it" for name in _UNUSED_VARIABLES if environ.get(name)]
    return Found(tuple(identities), tuple(places))


def _places(environ: Mapping[str, str], extra: Path | None) -> Iterable[tuple[str, list[tuple[int, str]] | str]]:
    """Yield each place's name with its numbered lines, or with what is wrong with it."""
    if extra is not None:
        yield f"age_key_file {extra}", _lines(extra)
    if "SOPS_AGE_KEY" in environ:
        lines = enumerate(environ["SOPS_AGE_KEY"].splitlines(), 1)
        if environ["SOPS_AGE_KEY"].startswith(("-----", "age-encryption")):
            yield "SOPS_AGE_KEY", list(lines)
        else:
            yield "SOPS_AGE_KEY", [(number, word) for number, line in lines if line[:1] != "#" for word in line.split()]
    else:
        yield "SOPS_AGE_KEY", "not set"
    if "SOPS_AGE_KEY_FILE" in environ:
        path = Path(environ["SOPS_AGE_KEY_FILE"])
        yield f"SOPS_AGE_KEY_FILE {path}", _lines(path)
    else:
        yield "SOPS_AGE_KEY_FILE", "not set"
    if default := _default(environ):
        yield str(default), _lines(default)


def _default(environ: Mapping[str, str]) -> Path | None:
    """Return the key file of the user's configuration folder; None where there is no such folder."""
    home = environ.get("HOME", "")
    below_home = "Library/Application Support" if sys.platform == "darwin" else ".config"
    folder = environ.get("XDG_CONFIG_HOME") or (home and f"{home}/{below_home}")
    return Path(folder, "sops/age/keys.txt") if folder else None


def _lines(path: Path) -> list[tuple[int, str]] | str:
    """Read a key file's lines, or say what is wrong with it."""
    try:
        data = files.read(path)
    except ProviderError as error:
        return error.problems[0].what
    return list(enumerate(data.decode("utf-8", "replace").splitlines(), 1))


def _parse(lines: list[tuple[int, str]]) -> "tuple[list[x25519.Identity], list[str]]":
    """Read the identities, and say what the lines hold; a bad line is named by its number alone."""
    identities = []
    notes = []
    for number, line in lines:
        if not line or line.startswith("#"):
            continue
        unused = next((what for begin, what in _UNUSED.items() if line.startswith(begin)), None)
        identity = None if unused else _identity(line)
        if identity is not None:
            identities.append(identity)
        else:
            notes.append(f"line {number} is {f'{unused}, not used' if unused else 'no age identity'}")
        if unused and line.startswith(("age-", "-----")):
            break
    count = len(identities)
    return identities, [f"{count} key{'' if count == 1 else 's'}", *notes]


def _identity(line: str) -> "x25519.Identity | None":
    """Read one X25519 identity."""
    from pyrage import IdentityError, x25519  # noqa: PLC0415 # only once there is a key to read

    try:
        return x25519.Identity.from_str(line) if line.startswith(_X25519) else None
    except IdentityError:
        return None
