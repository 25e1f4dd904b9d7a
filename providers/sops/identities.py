"""Finds age identities where sops looks for them (sops age/keysource.go, loadIdentities)."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.provider import ProviderError
from bridge_providers.sops import files
from bridge_providers.sops.passphrase import Passphrase, unlock

if TYPE_CHECKING:
    from pyrage import ssh, x25519

    from bridge_providers.sops import hybrid

_X25519: Final = "AGE-SECRET-KEY-1"
_HYBRID: Final = "AGE-SECRET-KEY-PQ-1"
_LOCKED: Final = (b"age-encryption.org/", b"-----BEGIN AGE ENCRYPTED FILE-----")
_UNUSED: Final = {
    "AGE-PLUGIN-": "a plugin's identity",
    "-----BEGIN OPENSSH": "an ssh key",
    "-----BEGIN RSA": "an ssh key",
}
"""What age takes too, and no place of these."""
_UNUSED_VARIABLES: Final = ("SOPS_AGE_KEY_CMD", "SOPS_AGE_SSH_PRIVATE_KEY_CMD")


@dataclass(frozen=True, eq=False)
class Found:
    """The identities that were found, and for each place what was found there."""

    native: "tuple[x25519.Identity | ssh.Identity, ...]" = field(default=(), repr=False)
    hybrid: "tuple[hybrid.Identity, ...]" = field(default=(), repr=False)
    locked: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)  # encrypted files, with their places
    places: tuple[str, ...] = ()


def load(environ: Mapping[str, str], extra: Path | None) -> Found:
    """Gather the identities of all places, as sops does: a place that is broken hides no other."""
    found = Found()
    for place, content in _places(environ, extra):
        if isinstance(content, str):
            found = _joined(found, Found(places=(f"{place}: {content}",)))
        elif content.lstrip().startswith(_LOCKED):
            found = _joined(found, Found(locked=((place, content),)))
        else:
            found = _joined(found, _parsed(place, content, words=place == "SOPS_AGE_KEY"))
    unused = tuple(f"{name}: this version does not use it" for name in _UNUSED_VARIABLES if environ.get(name))
    return _joined(found, Found(places=unused))


def opened(locked: Iterable[tuple[str, bytes]], passphrase: Passphrase) -> Found:
    """Gather the identities of encrypted files; a file that does not open is a place with its reason."""
    found = Found()
    for place, content in locked:
        problem = ""
        try:
            found = _joined(found, _parsed(f"{place} (encrypted)", unlock(content, passphrase), words=False))
        except ProviderError as error:
            problem = error.problems[0].what
        if problem:
            found = _joined(found, Found(places=(f"{place}: {problem}",)))
    return found


def _joined(one: Found, other: Found) -> Found:
    return Found(
        one.native + other.native, one.hybrid + other.hybrid, one.locked + other.locked, one.places + other.places
    )


def _places(environ: Mapping[str, str], extra: Path | None) -> Iterator[tuple[str, bytes | str]]:
    """Yield each place's name with its content, or with what is wrong with it."""
    if extra is not None:
        yield f"age_key_file {extra}", _content(extra)
    if "SOPS_AGE_KEY" in environ:
        yield "SOPS_AGE_KEY", environ["SOPS_AGE_KEY"].encode(errors="replace")
    else:
        yield "SOPS_AGE_KEY", "not set"
    if "SOPS_AGE_KEY_FILE" in environ:
        path = Path(environ["SOPS_AGE_KEY_FILE"])
        yield f"SOPS_AGE_KEY_FILE {path}", _content(path)
    else:
        yield "SOPS_AGE_KEY_FILE", "not set"
    if default := _default(environ):
        yield str(default), _content(default)


def _default(environ: Mapping[str, str]) -> Path | None:
    """Return the key file of the user's configuration folder; None where there is no such folder."""
    home = environ.get("HOME", "")
    below_home = "Library/Application Support" if sys.platform == "darwin" else ".config"
    folder = environ.get("XDG_CONFIG_HOME") or (home and f"{home}/{below_home}")
    return Path(folder, "sops/age/keys.txt") if folder else None


def _content(path: Path) -> bytes | str:
    """Read a key file, or say what is wrong with it."""
    try:
        return files.read(path)
    except ProviderError as error:
        return error.problems[0].what


def _parsed(place: str, content: bytes, *, words: bool) -> Found:
    """Read the identities, one a line or one a word; a bad line is named by its number alone."""
    native = []
    hybrids = []
    notes = []
    for number, line in enumerate(content.decode(errors="replace").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        unused = next((what for begin, what in _UNUSED.items() if line.startswith(begin)), None)
        if unused:
            notes.append(f"line {number} is {unused}, not used")
            if line.startswith("-----"):
                break
            continue
        for word in line.split() if words else [line]:
            if (identity := _native(word)) is not None:
                native.append(identity)
            elif (hybrid := _hybrid(word)) is not None and not isinstance(hybrid, str):
                hybrids.append(hybrid)
            else:
                notes.append(f"line {number} is {hybrid or 'no age identity'}")
    count = len(native) + len(hybrids)
    note = ", ".join([f"{count} key{'' if count == 1 else 's'}", *notes])
    return Found(tuple(native), tuple(hybrids), places=(f"{place}: {note}",))


def _native(line: str) -> "x25519.Identity | None":
    """Read one X25519 identity."""
    from pyrage import IdentityError, x25519  # noqa: PLC0415 # only once there is a key to read

    try:
        return x25519.Identity.from_str(line) if line.startswith(_X25519) else None
    except IdentityError:
        return None


def _hybrid(line: str) -> "hybrid.Identity | str | None":
    """Read one hybrid identity, or say why it is of no use here."""
    if not line.startswith(_HYBRID):
        return None
    from bridge_providers.sops import hybrid  # noqa: PLC0415 # few have such a key

    identity = hybrid.identity(line)
    return identity if identity is None or hybrid.is_supported() else "a post-quantum identity: " + hybrid.TOO_OLD
