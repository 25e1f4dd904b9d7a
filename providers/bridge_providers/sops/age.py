"""Decrypts data keys that are encrypted to age recipients (sops age/keysource.go)."""

import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from bridge.provider import Context, Denied, ProviderError
from bridge_providers.sops import identities, origin, tree
from bridge_providers.sops.identities import Identities
from bridge_providers.sops.key_types import AgeKey, Group
from bridge_providers.sops.passphrase import Passphrase

if TYPE_CHECKING:
    from pyrage import ssh, x25519

    from bridge_providers.sops import Sops

SSH: Final = "ssh-"
"""How an age recipient begins that is an ssh key."""
_SHOWN: Final = 10
_HYBRID: Final = "age1pq1"


class Age:
    """The age identities of one environment. Each place is read once, the cheapest first."""

    warnings: Final = ()
    left: Final = ()

    def __init__(self, options: "Sops", context: Context) -> None:
        origin.check_files(options, context)
        extra = options.age_key_file
        self._context: Final = context
        self._passphrase: Final = Passphrase(options, context)
        self._identities = identities.load(context.environ, context.base / extra if extra else None)
        self._lock: Final = threading.Lock()
        self._ssh: Identities | None = None
        self._unlocked: Identities | None = None

    def open(self, group: Group) -> bytes:
        """Open with the first identity that matches; Denied if none does."""
        places: list[str] = []
        for candidates in self._places(group.age):
            places += candidates.places
            for key in group.age:
                opened = _opened(key, candidates)
                if opened is not None:
                    return opened
        message = f"no age key matched its recipients {_listed(group.age)}"
        raise Denied(message, hint=f"looked for keys in {'; '.join(places)}")

    def close(self) -> None:
        """Forget the identities."""
        self._identities = Identities()
        self._ssh = self._unlocked = None

    def _places(self, keys: Sequence[AgeKey]) -> Iterator[Identities]:
        """Yield identities that may open one of these keys; the caller stops at the first that does."""
        yield self._identities
        if any(key.recipient.startswith(SSH) for key in keys):
            yield self._ssh_keys()
        if self._identities.locked:
            yield self._unlocked_files()

    def _ssh_keys(self) -> Identities:
        from bridge_providers.sops import ssh_keys  # noqa: PLC0415 - few files have such recipients

        with self._lock:
            if self._ssh is None:
                self._ssh = ssh_keys.load(self._context, self._passphrase)
            return self._ssh

    def _unlocked_files(self) -> Identities:
        with self._lock:
            if self._unlocked is None:
                self._unlocked = identities.opened(self._identities.locked, self._passphrase)
            return self._unlocked


def _opened(key: AgeKey, candidates: Identities) -> bytes | None:
    """Open the data key of one recipient, or return None if no identity matches. A header may mix kinds of stanzas."""
    opened = _decrypted(key.enc, candidates.native)
    if opened is None:
        opened = next((opened for one in candidates.hybrid if (opened := one.open(key.enc)) is not None), None)
    if opened is None and key.recipient in _recipients(candidates, hybrid=key.recipient.startswith(_HYBRID)):
        raise ProviderError(f"the data key for {tree.shown(key.recipient[:70])} is damaged")
    return opened


def _recipients(candidates: Identities, *, hybrid: bool) -> set[str]:
    """Return the public keys of the identities; those of ssh keys are unknown."""
    if hybrid:
        return {one.recipient() for one in candidates.hybrid}
    return {str(one.to_public()) for one in candidates.native if _is_x25519(one)}


def _is_x25519(identity: object) -> bool:
    from pyrage import x25519  # noqa: PLC0415 - only with keys

    return isinstance(identity, x25519.Identity)


def _decrypted(enc: str, native: "Sequence[x25519.Identity | ssh.Identity]") -> bytes | None:
    from pyrage import DecryptError, decrypt  # noqa: PLC0415 - only with keys

    if not native:
        return None
    try:
        return bytes(decrypt(enc.encode(), list(native)))
    except DecryptError:
        return None


def _listed(keys: Sequence[AgeKey]) -> str:
    recipients = [tree.shown(key.recipient[:70]) for key in keys]
    return ", ".join(recipients[:_SHOWN]) + (f" and {len(recipients) - _SHOWN} more" if recipients[_SHOWN:] else "")
