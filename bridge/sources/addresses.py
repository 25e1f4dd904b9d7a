"""Which servers give the values and get the credentials: those that are not a vendor's own are named in reports."""

import contextlib
from collections.abc import Mapping
from typing import Final

from bridge.errors import ANYTHING, Problem
from bridge.provider import Addressed, Context, Provider
from bridge.trust import find, refused_provider, refused_store

OURS: Final = frozenset({"bridge_providers", "bridge"})
"""The packages of the providers that bridge brings along, which ask the trust file before each login themselves, and of
the wrapper around another provider, which is asked for when it is opened."""


def addresses(providers: Mapping[str, Provider], context: Context) -> Mapping[str, tuple[str, ...]]:
    """Return the addresses of each provider that has some; one that fails to tell has none."""
    found: dict[str, tuple[str, ...]] = {}
    for name, provider in providers.items():
        if isinstance(provider, Addressed):
            with contextlib.suppress(*ANYTHING):
                found[name] = tuple(dict.fromkeys(str(one) for one in provider.addresses(context) if one))
    return {name: urls for name, urls in found.items() if urls}


def untrusted(provider: Provider, context: Context) -> tuple[Problem, ...]:
    """Return why the trust file lets a third party's provider not be opened; nothing if it may be, or is ours.

    What such a provider sends is not seen here. So its package is listed, and so is each address that it tells.
    """
    package = type(provider).__module__.partition(".")[0]
    if package in OURS or not find(context.environ):
        return ()
    told = addresses({package: provider}, context).get(package, ())
    named_by = f"the provider of the package {package}"
    found = [refused_store(context.environ, one, package, named_by) for one in told]
    return tuple(filter(None, [refused_provider(context.environ, package), *found]))
