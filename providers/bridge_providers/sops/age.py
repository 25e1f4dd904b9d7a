"""Opens what is encrypted to age recipients, and encrypts to them (sops age/keysource.go)."""

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from bridge.provider import Context, Denied, ProviderError, Unavailable
from bridge_providers.sops import failures, tree
from bridge_providers.sops.age_sources import Sources
from bridge_providers.sops.failures import Failure
from bridge_providers.sops.identities import Found
from bridge_providers.sops.key_types import AgeKey, Group
from bridge_providers.sops.programs import Programs

if TYPE_CHECKING:
    from pyrage import ssh, x25519

    from bridge_providers.sops import Sops
    from bridge_providers.sops.age_plugin import Identity, Plugins

_SHOWN: Final = 10
_HYBRID: Final = "age1pq1"


class Age:
    """The age identities of one environment."""

    warnings: Final = ()
    left: Final = ()

    def __init__(self, options: "Sops", context: Context) -> None:
        self._options: Final = options
        self._context: Final = context
        self._programs: Final = Programs(context)
        self._sources: Final = Sources(options, context, self._programs)
        self._lock: Final = threading.Lock()
        self._plugins: Plugins | None = None

    def open(self, group: Group) -> bytes:
        """Open with the first identity that matches, those of plugins last; Denied where none does."""
        places: list[str] = []
        plugins: list[Identity] = []
        errors: list[Failure] = []
        for found in self._sources.of(group.age, errors):
            places += found.places
            plugins += found.plugins
            for key in group.age:
                opened = _opened(key, found)
                if opened is not None:
                    return opened
        opened = self._opened_by_plugin(plugins, group.age, errors) if plugins else None
        if opened is not None:
            return opened
        what = f"no age key matched its recipients {_listed(group.age)}"
        raise failures.joined([Denied(what, hint=f"looked for keys in {'; '.join(places)}"), *errors])

    def close(self) -> None:
        """Forget the identities, and kill the programs that were started for some."""
        self._programs.close()
        self._sources.forget()

    def _opened_by_plugin(
        self, identities: "Sequence[Identity]", keys: Sequence[AgeKey], errors: list[Failure]
    ) -> bytes | None:
        """Open with the first plugin's identity that does; why others fail is in `errors`."""
        plugins = self._asked_plugins()
        for identity in identities:
            for key in keys:
                try:
                    opened = plugins.open(identity, key.enc)
                except ProviderError as error:
                    errors.append(error)
                except Unavailable as error:
                    errors.append(error)
                    break  # which it would be for the next key too
                else:
                    if opened is not None:
                        return opened
        return None

    def _asked_plugins(self) -> "Plugins":
        from bridge_providers.sops import age_plugin  # noqa: PLC0415 # few files have such recipients

        with self._lock:
            if self._plugins is None:
                self._plugins = age_plugin.Plugins(self._options, self._context, self._programs)
            return self._plugins


def _opened(key: AgeKey, found: Found) -> bytes | None:
    """Open the data key of one recipient; None where no identity is its. A header may have stanzas of several kinds."""
    opened = _decrypted(key.enc, found.native)
    if opened is None:
        opened = next((opened for one in found.hybrid if (opened := one.open(key.enc)) is not None), None)
    if opened is None and key.recipient in _recipients(found, hybrid=key.recipient.startswith(_HYBRID)):
        raise ProviderError(f"the data key for {tree.shown(key.recipient[:70])} is damaged")
    return opened


def _recipients(found: Found, *, hybrid: bool) -> set[str]:
    """Return the public keys of the identities; those of ssh keys cannot be told."""
    if hybrid:
        return {one.recipient() for one in found.hybrid}
    return {str(one.to_public()) for one in found.native if _is_x25519(one)}


def _is_x25519(identity: object) -> bool:
    from pyrage import x25519  # noqa: PLC0415 # only with keys

    return isinstance(identity, x25519.Identity)


def _decrypted(enc: str, native: "Sequence[x25519.Identity | ssh.Identity]") -> bytes | None:
    from pyrage import DecryptError, decrypt  # noqa: PLC0415 # only with keys

    if not native:
        return None
    try:
        return bytes(decrypt(enc.encode(), list(native)))
    except DecryptError:
        return None


def _listed(keys: Sequence[AgeKey]) -> str:
    recipients = [tree.shown(key.recipient[:70]) for key in keys]
    return ", ".join(recipients[:_SHOWN]) + (f" and {len(recipients) - _SHOWN} more" if recipients[_SHOWN:] else "")
