"""Which servers give the values and get the credentials: those that are not a vendor's own are named in reports."""

import contextlib
from collections.abc import Mapping

from bridge.errors import ANYTHING
from bridge.provider import Addressed, Context, Provider


def addresses(providers: Mapping[str, Provider], context: Context) -> Mapping[str, tuple[str, ...]]:
    """Return the addresses of each provider that has some; one that fails to tell has none."""
    found: dict[str, tuple[str, ...]] = {}
    for name, provider in providers.items():
        if isinstance(provider, Addressed):
            with contextlib.suppress(*ANYTHING):
                found[name] = tuple(dict.fromkeys(str(one) for one in provider.addresses(context) if one))
    return {name: urls for name, urls in found.items() if urls}
