"""Finds the servers that return values and receive credentials. Reports name them unless they belong to a vendor."""

import contextlib
from collections.abc import Mapping
from typing import Final

from bridge.errors import ANYTHING, Problem
from bridge.provider import Addressed, Context, Provider
from bridge.trust import find, refused_provider, refused_store

OURS: Final = frozenset({"bridge_providers", "bridge"})
"""The packages of the bundled providers, which check the trust file themselves before each login, and of the wrapper
around another provider, which is checked when it is opened."""


def addresses(providers: Mapping[str, Provider], context: Context) -> Mapping[str, tuple[str, ...]]:
    """Return the addresses of each provider that has any; a provider that fails to list them has none."""
    found: dict[str, tuple[str, ...]] = {}
    for name, provider in providers.items():
        if isinstance(provider, Addressed):
            with contextlib.suppress(*ANYTHING):
                found[name] = tuple(
                    dict.fromkeys(_without_login(str(one)) for one in provider.addresses(context) if one)
                )
    return {name: urls for name, urls in found.items() if urls}


def _without_login(url: str) -> str:
    """Return a URL without a username and a password, which reports would show."""
    scheme, separator, rest = url.partition("://") if "://" in url else ("", "", url)
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"


def is_bundled(provider: Provider) -> bool:
    """Whether a provider comes with bridge."""
    return _package(provider) in OURS


def _package(provider: Provider) -> str:
    return type(provider).__module__.partition(".")[0]


def untrusted(provider: Provider, context: Context) -> tuple[Problem, ...]:
    """Return why the trust file forbids opening a third party's provider; empty if it is allowed or bundled.

    What such a provider sends cannot be observed here, so its package and each address that it names must be listed.
    """
    if is_bundled(provider) or not find(context.environ):
        return ()
    package = _package(provider)
    urls = addresses({package: provider}, context).get(package, ())
    named_by = f"the provider of the package {package}"
    refused = [refused_store(context.environ, url, package, named_by) for url in urls]
    return tuple(filter(None, [refused_provider(context.environ, package), *refused]))
