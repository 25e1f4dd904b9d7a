"""Opens what is encrypted to age recipients, and encrypts to them (sops age/keysource.go)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from bridge.provider import Context, Denied, ProviderError
from bridge_providers.sops import identities
from bridge_providers.sops.key_types import AgeKey, Group

if TYPE_CHECKING:
    from bridge_providers.sops import Sops

_SHOWN: Final = 10


class Age:
    """The age identities of one environment."""

    def __init__(self, options: "Sops", context: Context) -> None:
        extra = options.age_key_file
        self._found = identities.load(context.environ, context.base / extra if extra else None)

    def open(self, group: Group) -> bytes:
        """Open with the first identity that matches; Denied where none does."""
        for key in group.age:
            opened = self._unwrap(key)
            if opened is not None:
                return opened
        raise Denied(
            f"no age key matched its recipients {_listed(group.age)}",
            hint=f"looked for keys in {'; '.join(self._found.places)}",
        )

    def close(self) -> None:
        """Forget the identities."""
        self._found = identities.Found((), ())

    def _unwrap(self, key: AgeKey) -> bytes | None:
        """Open the data key of one recipient; None where no identity is its."""
        from pyrage import DecryptError, decrypt  # noqa: PLC0415 # only with keys

        if not self._found.identities:
            return None
        try:
            return bytes(decrypt(key.enc.encode(), list(self._found.identities)))
        except DecryptError:
            pass
        if key.recipient in {str(identity.to_public()) for identity in self._found.identities}:
            raise ProviderError(f"the data key for {key.recipient} is damaged")
        return None


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


def _listed(keys: Sequence[AgeKey]) -> str:
    recipients = [key.recipient[:70] for key in keys]
    return ", ".join(recipients[:_SHOWN]) + (f" and {len(recipients) - _SHOWN} more" if recipients[_SHOWN:] else "")
