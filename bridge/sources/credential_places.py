"""Where the bundled providers look for credentials, for `bridge doctor`.

This is not part of the contract: a third party's provider is only asked what its Checker finds.
"""

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

from bridge.errors import ANYTHING
from bridge.provider import Context, Provider
from bridge.sources.addresses import is_bundled

Place: TypeAlias = tuple[str, Path | None]
"""A variable's name, or a label and the path of a file."""


@runtime_checkable
class _Places(Protocol):
    def credential_places(self, context: Context) -> Iterable[Place]:
        """Yield the places in the order in which they are searched. Nothing is read."""
        ...


def credential_places(provider: Provider, context: Context) -> tuple[Place, ...]:
    """Return the places in which a bundled provider looks for its credentials; empty for any other provider."""
    if not is_bundled(provider) or not isinstance(provider, _Places):
        return ()
    with contextlib.suppress(*ANYTHING):
        return tuple(dict.fromkeys(provider.credential_places(context)))
    return ()
