"""Which leaves of a file are encrypted (sops.go, shouldBeEncrypted): suffixes and regexes over each key of a path."""

from collections.abc import Callable
from typing import NamedTuple

from bridge.provider import ProviderError, SecretValue
from bridge_providers.sops.cipher import looks_encrypted
from bridge_providers.sops.metadata import Metadata


class Selector(NamedTuple):
    """A file's rule. `start` says what holds for a leaf none of whose keys match."""

    start: bool
    matches: Callable[[str], bool]
    by_look: bool = False

    def below(self, key: str, *, encrypted: bool) -> bool:
        """Say what holds below `key`; once a key has matched, all below it is decided."""
        return encrypted if encrypted is not self.start else self.matches(key) is not self.start

    def wants(self, leaf: SecretValue, *, encrypted: bool) -> bool:
        """Say whether a leaf is to be encrypted."""
        return looks_encrypted(leaf.reveal()) if self.by_look else encrypted


def selector(metadata: Metadata) -> Selector:
    """Return the rule of a file; ProviderError for one that cannot be followed to the letter."""
    start = metadata.rule.startswith("unencrypted")
    if metadata.rule.endswith("_comment_regex"):
        return _by_look(metadata)
    if metadata.rule.endswith("_suffix"):
        suffix = metadata.pattern
        return Selector(start, lambda key: key.endswith(suffix))
    return Selector(start, _by_regex(metadata))


def _by_regex(metadata: Metadata) -> Callable[[str], bool]:
    """Return the test of a rule over a regex."""
    from bridge_providers.sops.regex import Unsupported, compile_regex  # noqa: PLC0415 # most files have no regex

    def refuse(error: Unsupported) -> ProviderError:
        return ProviderError(f"its `{metadata.rule}` cannot be followed: {error}")

    try:
        compiled = compile_regex(metadata.pattern)
    except Unsupported as error:
        raise refuse(error) from error

    def matches(key: str) -> bool:
        try:
            return compiled(key)
        except Unsupported as error:
            raise refuse(error) from error

    return matches


def _by_look(metadata: Metadata) -> Selector:
    """Follow a rule over comments without the comments: what looks encrypted is.

    The MAC makes up for it, as it covers every leaf, in clear or not; unless it covers the encrypted alone.
    """
    if metadata.mac_only_encrypted:
        raise ProviderError(
            f"its `{metadata.rule}` together with `mac_only_encrypted` cannot be checked by this version"
        )
    return Selector(start=False, matches=lambda _: False, by_look=True)
