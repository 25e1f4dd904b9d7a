"""Finds age identities where sops looks for them, and opens a file's data key with them (sops age/keysource.go)."""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.provider import Denied, ProviderError
from bridge_providers.sops import files
from bridge_providers.sops.cipher import KEY_BYTES
from bridge_providers.sops.metadata import AgeKey, Metadata

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
_SHOWN: Final = 10


@dataclass(frozen=True, eq=False)
class Keyring:
    """The identities that were found, and for each place what was found there."""

    identities: "tuple[x25519.Identity, ...]" = field(repr=False)
    places: tuple[str, ...]


def load(environ: Mapping[str, str], extra: Path | None) -> Keyring:
    """Gather the identities of all places, as sops does: a place that is broken hides no other."""
    identities: list[x25519.Identity] = []
    places = []
    for place, lines in _places(environ, extra):
        found, notes = ([], [lines]) if isinstance(lines, str) else _parse(lines)
        identities += found
        places.append(f"{place}: {', '.join(notes)}")
    places += [f"{name}: this version does not use it" for name in _UNUSED_VARIABLES if environ.get(name)]
    return Keyring(tuple(identities), tuple(places))


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


def data_key(metadata: Metadata, keyring: Keyring) -> bytes:
    """Open the data key with the first identity that matches; Denied where none does."""
    if not metadata.groups:
        raise ProviderError("it has no keys in its sops metadata, so nobody can decrypt it")
    if (count := len(metadata.groups)) > 1:
        raise ProviderError(f"its data key is split over {count} key groups, which this version cannot join")
    group = metadata.groups[0]
    for key in group.age:
        opened = _unwrap(key, keyring)
        if opened is not None:
            return opened
    raise _denied(group.age, group.others, keyring)


def wrap(data_key: bytes, recipient: str) -> str:
    """Encrypt a data key to a recipient, as an armored age file; ProviderError for another kind of recipient."""
    from pyrage import RecipientError, encrypt, x25519  # noqa: PLC0415 # only with keys

    try:
        found = x25519.Recipient.from_str(recipient)
    except RecipientError:
        found = None
    if found is None:
        raise ProviderError(
            f"the recipient {recipient[:70]} is no age X25519 key (age1…), and this version encrypts to no other kind",
            hint="make the file with `sops -e`; bridge changes it afterwards",
        )
    return bytes(encrypt(data_key, [found], armored=True)).decode()


def _unwrap(key: AgeKey, keyring: Keyring) -> bytes | None:
    """Open the data key of one recipient; None where no identity is its."""
    from pyrage import DecryptError, decrypt  # noqa: PLC0415 # only with keys

    if not keyring.identities:
        return None
    try:
        opened = decrypt(key.enc.encode(), list(keyring.identities))
    except DecryptError:
        opened = None
    if opened is not None and len(opened) == KEY_BYTES:
        return bytes(opened)
    if opened is not None or key.recipient in {str(identity.to_public()) for identity in keyring.identities}:
        raise ProviderError(f"the data key for {key.recipient} is damaged")
    return None


def _denied(age: tuple[AgeKey, ...], others: tuple[str, ...], keyring: Keyring) -> Denied:
    """Say for whom the file is, and where keys were looked for."""
    recipients = [key.recipient[:70] for key in age]
    shown = ", ".join(recipients[:_SHOWN]) + (f" and {len(recipients) - _SHOWN} more" if recipients[_SHOWN:] else "")
    what = f"no age key matched its recipients {shown}" if age else "it has no age recipient"
    if others:
        what += f"; the file also has {', '.join(others)} keys, which this version cannot use"
    return Denied(what, hint=f"looked for keys in {'; '.join(keyring.places)}")
