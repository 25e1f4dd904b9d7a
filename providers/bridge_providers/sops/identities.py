"""Finds age identities where sops looks for them (sops age/keysource.go, loadIdentities)."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.named_tuple import NamedTuple
from bridge.provider import ProviderError
from bridge_providers.sops import files
from bridge_providers.sops.damage import UTF16, is_utf16
from bridge_providers.sops.passphrase import Passphrase, unlock

if TYPE_CHECKING:
    from pyrage import ssh, x25519

    from bridge_providers.sops import hybrid

COMMANDS: Final = ("SOPS_AGE_KEY_CMD", "SOPS_AGE_SSH_PRIVATE_KEY_CMD")
"""Variables with a command, which only the sops program runs."""
_PLUGIN: Final = "AGE-PLUGIN-"
_WORDS: Final = "SOPS_AGE_KEY"
"""The one place where a line may have several identities."""
_X25519: Final = "AGE-SECRET-KEY-1"
_HYBRID: Final = "AGE-SECRET-KEY-PQ-1"
_LOCKED: Final = (b"age-encryption.org/", b"-----BEGIN AGE ENCRYPTED FILE-----")
_SSH: Final = ("-----BEGIN OPENSSH", "-----BEGIN RSA")
"""What age accepts, but sops does not in any of these places."""


class Identities(NamedTuple):
    """Identities, and a description of each place that was searched."""

    native: "tuple[x25519.Identity | ssh.Identity, ...]" = ()
    hybrid: "tuple[hybrid.Identity, ...]" = ()
    locked: tuple[tuple[str, bytes], ...] = ()  # encrypted files, with their places
    places: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Identities({self.places!r})"


def load(environ: Mapping[str, str], extra: Path | None) -> Identities:
    """Return the identities of all places, as sops does; an unreadable place does not hide the others."""
    return joined(parsed(place, content) for place, content in _places(environ, extra))


def opened(locked: Iterable[tuple[str, bytes]], passphrase: Passphrase) -> Identities:
    """Return the identities of encrypted files; the place of a file that does not open has the reason."""
    parts = []
    for place, content in locked:
        inside: bytes | str
        try:
            inside = unlock(content, passphrase)
        except ProviderError as error:
            inside = error.problems[0].what
        parts.append(parsed(place if isinstance(inside, str) else f"{place} (encrypted)", inside))
    return joined(parts)


def joined(parts: Iterable[Identities]) -> Identities:
    """Combine the identities of several places."""
    places = list(parts)
    return Identities(
        native=tuple(key for one in places for key in one.native),
        hybrid=tuple(key for one in places for key in one.hybrid),
        locked=tuple(file for one in places for file in one.locked),
        places=tuple(place for one in places for place in one.places),
    )


def _places(environ: Mapping[str, str], extra: Path | None) -> Iterator[tuple[str, bytes | str]]:
    """Yield the name of each place with its content, or with what is wrong with it."""
    if extra is not None:
        yield f"age_key_file {extra}", at(extra)
    if "SOPS_AGE_KEY" in environ:
        yield "SOPS_AGE_KEY", environ["SOPS_AGE_KEY"].encode(errors="replace")
    else:
        yield "SOPS_AGE_KEY", "not set"
    if "SOPS_AGE_KEY_FILE" in environ:
        path = Path(environ["SOPS_AGE_KEY_FILE"])
        yield f"SOPS_AGE_KEY_FILE {path}", at(path)
    else:
        yield "SOPS_AGE_KEY_FILE", "not set"
    if default := default_key_file(environ):
        yield str(default), at(default)
    for name in COMMANDS:
        if environ.get(name):
            yield name, "only the sops program runs it"


def default_key_file(environ: Mapping[str, str]) -> Path | None:
    """Return the key file in the user's configuration folder, or None if there is no such folder."""
    home = environ.get("HOME", "")
    below_home = "Library/Application Support" if sys.platform == "darwin" else ".config"
    folder = environ.get("XDG_CONFIG_HOME") or (home and f"{home}/{below_home}")
    return Path(folder, "sops/age/keys.txt") if folder else None


def at(path: Path) -> bytes | str:
    """Return the content of a key file, or what is wrong with it."""
    try:
        return files.read(path)
    except ProviderError as error:
        return error.problems[0].what


def parsed(place: str, content: bytes | str) -> Identities:
    """Read identities, one per line or per word; an invalid line is reported by its number only.

    If `content` is a string, it is the reason why there is no content.
    """
    if isinstance(content, str):
        return Identities(places=(f"{place}: {content}",))
    if content.lstrip().startswith(_LOCKED):
        return Identities(locked=((place, content),))
    if is_utf16(content):
        return Identities(places=(f"{place}: {UTF16}",))
    identities = []
    notes = []
    for number, line in enumerate(content.decode(errors="replace").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        if line.startswith("\ufeff"):  # the other lines are as they should be
            notes.append(f"line {number} follows a byte order mark (BOM); save the file without one")
            continue
        if line.startswith(_SSH):
            notes.append(f"line {number} is an ssh key, not used")
            break
        for word in line.split() if place == _WORDS else [line]:
            identity = _identity(word)
            if isinstance(identity, str):
                notes.append(f"line {number} is {identity}")
            else:
                identities.append(identity)
    note = ", ".join([f"{len(identities)} key{'' if len(identities) == 1 else 's'}", *notes])
    return joined([*identities, Identities(places=(f"{place}: {note}",))])


def _identity(line: str) -> Identities | str:
    """Return an identity, or what the line contains instead."""
    if (native := _native(line)) is not None:
        return Identities(native=(native,))
    if line.startswith(_PLUGIN):
        return "an age plugin's identity, which only the sops program can use"
    hybrid = _hybrid(line)
    return (
        hybrid or "not an age identity" if hybrid is None or isinstance(hybrid, str) else Identities(hybrid=(hybrid,))
    )


def _native(line: str) -> "x25519.Identity | None":
    """Return an X25519 identity, or None."""
    from pyrage import IdentityError, x25519  # noqa: PLC0415 - only once there is a key to read

    try:
        return x25519.Identity.from_str(line) if line.startswith(_X25519) else None
    except IdentityError:
        return None


def _hybrid(line: str) -> "hybrid.Identity | str | None":
    """Return a hybrid identity, the reason why it cannot be used, or None."""
    if not line.startswith(_HYBRID):
        return None
    from bridge_providers.sops import hybrid  # noqa: PLC0415 - few have such a key

    identity = hybrid.identity(line)
    return identity if identity is None or hybrid.is_supported() else "a post-quantum identity: " + hybrid.TOO_OLD
