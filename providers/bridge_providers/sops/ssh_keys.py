"""Finds ssh keys (ssh-ed25519 and ssh-rsa) where sops looks for them, for files with ssh recipients."""

import binascii
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.provider import Context, ProviderError
from bridge_providers.sops.damage import encoding_flaw
from bridge_providers.sops.identities import Identities, at, joined
from bridge_providers.sops.passphrase import Passphrase

if TYPE_CHECKING:
    from pyrage import ssh

VARIABLE: Final = "SOPS_AGE_SSH_PRIVATE_KEY_FILE"
_OPENSSH: Final = b"-----BEGIN OPENSSH PRIVATE KEY-----"
_RSA: Final = b"-----BEGIN RSA PRIVATE KEY-----"
_MAGIC: Final = b"openssh-key-v1\0"
_USED: Final = ("ssh-ed25519", "ssh-rsa")


def load(context: Context, passphrase: Passphrase) -> Identities:
    """Return the ssh keys, with a description of each place."""
    return joined(parsed(place, at(path), passphrase) for place, path in places(context))


def parsed(place: str, content: bytes | str, passphrase: Passphrase) -> Identities:
    """Read a key; if `content` is a string, it is the reason why there is no content."""
    if isinstance(content, str):
        return Identities(places=(f"{place}: {content}",))
    try:
        return Identities((_identity(content, passphrase),), places=(f"{place}: 1 key",))
    except ProviderError as error:
        return Identities(places=(f"{place}: {error.problems[0].what}",))


def places(context: Context) -> Iterator[tuple[str, Path]]:
    """Yield the place of each key, with its path."""
    environ = context.environ
    if environ.get(VARIABLE):
        yield f"{VARIABLE} {environ[VARIABLE]}", Path(environ[VARIABLE])
    if environ.get("HOME"):
        for name in ("id_ed25519", "id_rsa"):
            path = Path(environ["HOME"], ".ssh", name)
            yield str(path), path


def _identity(data: bytes, passphrase: Passphrase) -> "ssh.Identity":
    """Read a key; ProviderError, without any part of it, if it cannot be used."""
    from pyrage import IdentityError, ssh  # noqa: PLC0415 - only with such recipients

    flaw = encoding_flaw(data)
    if flaw:
        raise ProviderError(flaw)
    kind, encrypted = _nature(data)
    if kind not in _USED:
        raise ProviderError(f"an ssh key of type {kind}; age only supports {' and '.join(_USED)}")
    if encrypted:
        data = _unlocked(data, passphrase)
    try:
        return ssh.Identity.from_buffer(data)
    except IdentityError:
        pass
    raise ProviderError("not a readable ssh key")


def _nature(data: bytes) -> tuple[str, bool]:
    """Return a key's type, and whether it is encrypted."""
    text = data.strip()
    if text.startswith(_RSA):
        return "ssh-rsa", b"ENCRYPTED" in text
    if not text.startswith(_OPENSSH):
        raise ProviderError("not an OpenSSH private key")
    try:
        blob = binascii.a2b_base64(b"".join(text.split(b"\n")[1:-1]))
    except ValueError:
        blob = b""
    # https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.key
    cipher, rest = _string(blob.removeprefix(_MAGIC))
    for _ in ("kdfname", "kdfoptions"):
        _, rest = _string(rest)
    public, _ = _string(rest[4:])
    kind, _ = _string(public)
    shown = kind.decode("ascii", "replace")
    if not blob.startswith(_MAGIC) or not shown or len(shown) > 64 or not shown.isprintable():
        raise ProviderError("a damaged ssh key")
    return shown, cipher != b"none"


def _string(data: bytes) -> tuple[bytes, bytes]:
    """Split off a string, which begins with its length."""
    length = int.from_bytes(data[:4])
    return data[4 : 4 + length], data[4 + length :]


def _unlocked(data: bytes, passphrase: Passphrase) -> bytes:
    """Decrypt a key in memory."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - few keys need it
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - as above

    if not passphrase.is_known:
        raise ProviderError("is encrypted, but neither age_passphrase_file nor age_passphrase_fd is set")
    secret = passphrase.find().reveal()
    is_pem = data.strip().startswith(_RSA)
    load = serialization.load_pem_private_key if is_pem else serialization.load_ssh_private_key
    try:
        key = load(data, secret)
        return key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
    except UnsupportedAlgorithm:
        problem = "is encrypted with an unsupported cipher; encrypt it again with `ssh-keygen -p`"
    except (ValueError, TypeError):
        problem = f"is not encrypted with the passphrase in {passphrase.place}"
    raise ProviderError(problem)
