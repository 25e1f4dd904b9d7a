"""Finds age identities where sops looks for them (sops age/keysource.go, loadIdentities)."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from bridge.provider import ProviderError
from bridge_providers.sops import files
from bridge_providers.sops.damage import UTF16, is_utf16
from bridge_providers.sops.passphrase import Passphrase, unlock

if TYPE_CHECKING:
    from pyrage import ssh, x25519

    from bridge_providers.sops import age_plugin, hybrid

SSH_COMMAND: Final = "SOPS_AGE_SSH_PRIVATE_KEY_CMD"
COMMANDS: Final = ("SOPS_AGE_KEY_CMD", SSH_COMMAND)
"""Variables that hold a command; `age_commands` of the section says which of them may be run."""
_PLUGIN: Final = "AGE-PLUGIN-"
_WORDS: Final = "SOPS_AGE_KEY"
"""The one place where a line may have several identities."""
_X25519: Final = "AGE-SECRET-KEY-1"
_HYBRID: Final = "AGE-SECRET-KEY-PQ-1"
_LOCKED: Final = (b"age-encryption.org/", b"-----BEGIN AGE ENCRYPTED FILE-----")
_SSH: Final = ("-----BEGIN OPENSSH", "-----BEGIN RSA")
"""What age takes too, and sops in no place of these."""


class Found(NamedTuple):
    """The identities that were found, and for each place what was found there."""

    native: "tuple[x25519.Identity | ssh.Identity, ...]" = ()
    hybrid: "tuple[hybrid.Identity, ...]" = ()
    plugins: "tuple[age_plugin.Identity, ...]" = ()
    locked: tuple[tuple[str, bytes], ...] = ()  # encrypted files, with their places
    places: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Found({self.places!r})"


def load(environ: Mapping[str, str], extra: Path | None) -> Found:
    """Gather the identities of all places, as sops does: a place that is broken hides no other."""
    return joined(parsed(place, content) for place, content in _places(environ, extra))


def opened(locked: Iterable[tuple[str, bytes]], passphrase: Passphrase) -> Found:
    """Gather the identities of encrypted files; a file that does not open is a place with its reason."""
    found = []
    for place, content in locked:
        inside: bytes | str
        try:
            inside = unlock(content, passphrase)
        except ProviderError as error:
            inside = error.problems[0].what
        found.append(parsed(place if isinstance(inside, str) else f"{place} (encrypted)", inside))
    return joined(found)


def joined(parts: Iterable[Found]) -> Found:
    """Put together what several places have."""
    found = list(parts)
    return Found(
        native=tuple(key for one in found for key in one.native),
        hybrid=tuple(key for one in found for key in one.hybrid),
        plugins=tuple(key for one in found for key in one.plugins),
        locked=tuple(file for one in found for file in one.locked),
        places=tuple(place for one in found for place in one.places),
    )


def _places(environ: Mapping[str, str], extra: Path | None) -> Iterator[tuple[str, bytes | str]]:
    """Yield each place's name with its content, or with what is wrong with it."""
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


def default_key_file(environ: Mapping[str, str]) -> Path | None:
    """Return the key file of the user's configuration folder; None where there is no such folder."""
    home = environ.get("HOME", "")
    below_home = "Library/Application Support" if sys.platform == "darwin" else ".config"
    folder = environ.get("XDG_CONFIG_HOME") or (home and f"{home}/{below_home}")
    return Path(folder, "sops/age/keys.txt") if folder else None


def at(path: Path) -> bytes | str:
    """Return what a key file has, or say what is wrong with it."""
    try:
        return files.read(path)
    except ProviderError as error:
        return error.problems[0].what


def parsed(place: str, content: bytes | str) -> Found:
    """Read the identities, one a line or one a word; a bad line is named by its number alone.

    A text instead of the content says why there is none.
    """
    if isinstance(content, str):
        return Found(places=(f"{place}: {content}",))
    if content.lstrip().startswith(_LOCKED):
        return Found(locked=((place, content),))
    if is_utf16(content):
        return Found(places=(f"{place}: {UTF16}",))
    found = []
    notes = []
    for number, line in enumerate(content.decode(errors="replace").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        if line.startswith("\ufeff"):  # the other lines are as they should be
            notes.append(f"line {number} follows a byte order mark (BOM), save the file without")
            continue
        if line.startswith(_SSH):
            notes.append(f"line {number} is an ssh key, not used")
            break
        for word in line.split() if place == _WORDS else [line]:
            identity = _identity(word)
            if isinstance(identity, str):
                notes.append(f"line {number} is {identity}")
            else:
                found.append(identity)
    note = ", ".join([f"{len(found)} key{'' if len(found) == 1 else 's'}", *notes])
    return joined([*found, Found(places=(f"{place}: {note}",))])


def _identity(line: str) -> Found | str:
    """Read one identity, or say what is there instead."""
    if (native := _native(line)) is not None:
        return Found(native=(native,))
    if (plugin := _plugin(line)) is not None:
        return Found(plugins=(plugin,))
    hybrid = _hybrid(line)
    return hybrid or "no age identity" if hybrid is None or isinstance(hybrid, str) else Found(hybrid=(hybrid,))


def _plugin(line: str) -> "age_plugin.Identity | None":
    """Read one identity of a plugin."""
    if not line.startswith(_PLUGIN):
        return None
    from bridge_providers.sops import age_plugin  # noqa: PLC0415 # few have such a key

    return age_plugin.identity(line)


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
